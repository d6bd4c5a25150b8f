"""Optimisers of PyTorch and optax, handed in as the rule."""

from __future__ import annotations

import copy

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from tests.tiers import exhaustively

from steepest.descent.loop import Status, descend
from steepest.errors import DivergedError, OptionError, SteepestWarning

RANDOM = np.random.default_rng(2)
ROWS = RANDOM.normal(size=(30, 3))
TARGET = ROWS @ np.array([1.0, -2.0, 0.5]) + 0.1 * RANDOM.normal(size=30)
X, Y = torch.from_numpy(ROWS), torch.from_numpy(TARGET)
BEST = torch.from_numpy(np.linalg.lstsq(ROWS, TARGET)[0])


def forward(w, x):
    return x @ w


def loss(y, p):
    return ((p - y) ** 2).mean()


def start():
    return torch.zeros(3, dtype=torch.float64, requires_grad=True)


def train(rule, w=None, **changes):
    options = {"forward": forward, "loss": loss, "epochs": 30}
    return descend(X, Y, w=start() if w is None else w, rule=rule, **(options | changes))


def bare_loop(make, epochs=30, w=None):
    w = start() if w is None else w
    optimiser, path = make([w]), [w.detach().clone()]

    def closure():
        optimiser.zero_grad()
        value = loss(Y, forward(w, X))
        value.backward()
        return value

    for _ in range(epochs):
        optimiser.step(closure)
        path.append(w.detach().clone())
    return path


MAKERS = {
    "SGD": lambda ps: torch.optim.SGD(ps, lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01),
    "Adam": lambda ps: torch.optim.Adam(ps, lr=0.1, amsgrad=True),
    "Adamax": lambda ps: torch.optim.Adamax(ps, lr=0.1),
    "Rprop": lambda ps: torch.optim.Rprop(ps, lr=0.1),
    "LBFGS": lambda ps: torch.optim.LBFGS(ps, lr=0.5, max_iter=3),
    "wolfe": lambda ps: torch.optim.LBFGS(ps, line_search_fn="strong_wolfe"),
}
every_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@every_maker
def test_a_function_that_makes_one(make):
    descent = train(make)
    for ours, theirs in zip(descent.weights, bare_loop(make), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
    assert descent.learning_rate is None
    assert descent.rule.name.startswith("torch.optim.")
    assert str(descent).startswith("torch.optim.")


@every_maker
def test_an_instance_over_w_is_copied(make):
    w = start()
    optimiser = make([w])
    before = copy.deepcopy(optimiser.state_dict())
    descent = train(optimiser, w)
    torch.testing.assert_close(descent.w, bare_loop(make)[-1], rtol=1e-12, atol=1e-14)
    assert w.grad is None
    assert torch.equal(w.detach(), start().detach())
    assert str(before) == str(optimiser.state_dict())


def test_an_instance_that_has_stepped_goes_on_from_there():
    def make(ps):
        return torch.optim.Adam(ps, lr=0.1)

    w = start()
    optimiser = make([w])
    path = bare_loop(lambda ps: optimiser, epochs=5, w=w)
    torch.testing.assert_close(train(optimiser, w, epochs=10).w, bare_loop(make, 15)[-1])
    assert torch.equal(w.detach(), path[-1])


def test_lbfgs_finds_least_squares():
    strict = {"tolerance_grad": 1e-13, "tolerance_change": 1e-16}
    descent = train(lambda ps: torch.optim.LBFGS(ps, line_search_fn="strong_wolfe", **strict))
    torch.testing.assert_close(descent.w, BEST, rtol=1e-8, atol=1e-10)


def test_groups_keep_their_settings():
    module = torch.nn.Linear(3, 1).double()
    groups = [{"params": [module.weight], "lr": 0.1}, {"params": [module.bias], "lr": 0.0}]
    optimiser = torch.optim.SGD(groups, lr=1.0)
    descent = descend(X, Y[:, None], w=module, loss=loss, rule=optimiser, epochs=5)
    assert torch.equal(descent.w.bias, module.bias)
    assert not torch.equal(descent.w.weight, module.weight)
    assert [group["params"][0] for group in optimiser.param_groups] == [module.weight, module.bias]


def test_a_module_and_a_tree():
    module = torch.nn.Linear(3, 1, bias=False).double()
    torch.nn.init.zeros_(module.weight)
    make = MAKERS["Adam"]
    for rule in (make, make(module.parameters())):
        descent = descend(X, Y[:, None], w=module, loss=loss, rule=rule, epochs=30)
        torch.testing.assert_close(descent.w.weight[0].detach(), bare_loop(make)[-1])
        assert descent.w.weight.grad is None
    tree = {"a": start(), "fixed": torch.ones((), dtype=torch.float64)}
    for rule in (make, make([tree["a"]])):
        descent = train(rule, tree, forward=lambda w, x: x @ w["a"] * w["fixed"])
        torch.testing.assert_close(descent.w["a"], bare_loop(make)[-1])


def test_minibatches():
    descent = train(lambda ps: torch.optim.SGD(ps, lr=0.05), batch_size=7, epochs=5)
    named = train("gradient-descent", learning_rate=0.05, batch_size=7, epochs=5)
    torch.testing.assert_close(descent.w, named.w, rtol=1e-13, atol=1e-15)


def test_a_gradient_by_hand():
    descent = train(MAKERS["Adam"], gradient=lambda x, y, p: 2 * x.T @ (p - y) / len(y))
    torch.testing.assert_close(descent.w, bare_loop(MAKERS["Adam"])[-1])


def test_parameters_that_are_held_fixed_may_be_in_the_optimiser():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)
    ).double()
    module[0].weight.requires_grad_(False)
    options = {"loss": loss, "epochs": 5}
    for make in MAKERS.values():
        descent = descend(X, Y[:, None], w=module, rule=make(module.parameters()), **options)
        theirs = copy.deepcopy(module)
        optimiser = make(theirs.parameters())

        def closure(optimiser=optimiser, theirs=theirs):
            optimiser.zero_grad()
            value = loss(Y[:, None], theirs(X))
            value.backward()
            return value

        for _ in range(5):
            optimiser.step(closure)
        for one, other in zip(descent.w.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)
        assert torch.equal(descent.w[0].weight, module[0].weight)


def test_an_optimiser_of_fixed_strangers_only_is_refused():
    with pytest.raises(OptionError, match="1 of the 1 tensor that the optimiser steps is not in w"):
        train(torch.optim.SGD([torch.zeros(3)], lr=0.1))


@pytest.mark.parametrize("by_hand", [False, True])
def test_one_tensor_in_two_places_is_refused(by_hand):
    def slope(x, y, p):
        found = 2 * x.T @ (p - y) / len(y)
        return {"a": found, "b": [found, 0.0, 0.0]}

    one = start()
    options = {"gradient": slope} if by_hand else {}
    fixed = [0.0, 0.0] if by_hand else [torch.zeros(3)] * 2
    options |= {"forward": lambda w, x: x @ (w["a"] + w["b"][0]), "learning_rate": 0.05}
    for rule in ("gradient-descent", torch.optim.SGD([one], lr=0.05)):
        options |= {} if rule == "gradient-descent" else {"learning_rate": None}
        with pytest.raises(OptionError, match=r"a and b\[0\] of w are one tensor"):
            train(rule, {"a": one, "b": [one, *fixed]}, **options)
    descent = train("gradient-descent", {"a": one, "b": [start(), *fixed]},
                    **options | {"learning_rate": 0.05})  # fmt: skip
    torch.testing.assert_close(descent.w["a"], descent.w["b"][0])


def test_a_scheduler_on_the_callers_optimiser_does_no_harm_and_is_said():
    w = start()
    optimiser = torch.optim.SGD([w], lr=0.1)
    torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.5)
    with pytest.warns(SteepestWarning, match="a scheduler holds the optimiser") as caught:
        descent = train(optimiser, w)
    assert caught[0].filename == __file__
    torch.testing.assert_close(
        descent.w, bare_loop(lambda ps: torch.optim.SGD(ps, lr=0.1))[-1], rtol=1e-12, atol=1e-14
    )
    assert torch.equal(w.detach(), start().detach())


def test_a_scheduler_that_is_made_with_the_optimiser():
    def scheduled(parameters):
        optimiser = torch.optim.SGD(parameters, lr=0.1)
        made.append(torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.5))
        return optimiser

    made = []
    descent = train(scheduled, epochs=5, on_epoch=lambda at: at.epoch and made[0].step())
    w = start()
    optimiser = scheduled([w])
    for _ in range(5):
        optimiser.zero_grad()
        loss(Y, forward(w, X)).backward()
        optimiser.step()
        made[1].step()
    torch.testing.assert_close(descent.w, w.detach(), rtol=1e-12, atol=1e-14)


def test_divergence_is_said_without_a_rate():
    descent = train(lambda ps: torch.optim.SGD(ps, lr=10.0))
    assert descent.status is Status.DIVERGED
    with pytest.raises(DivergedError, match=r"torch\.optim\.SGD diverged at epoch"):
        descent.raise_for_status()


@pytest.mark.parametrize(
    ("rule", "changes", "said"),
    [
        (MAKERS["SGD"], {"learning_rate": 0.1}, "learning_rate=0.1 is given, and an optimiser"),
        (optax.sgd(0.1), {}, "steps weights of JAX; these are of PyTorch"),
        (lambda ps: 3, {}, r"rule\(parameters\)=3 is not an optimiser of PyTorch"),
        ("adam", {}, "learning_rate=None is not a finite number above 0"),
        (torch.optim.SGD([start()], lr=0.1), {}, "1 of the 1 tensor that the optimiser steps is"),
        (torch.optim.SGD, {"learning_rate": 0.1}, "is not known"),
    ],
)
def test_what_is_refused(rule, changes, said):
    with pytest.raises(OptionError, match=said):
        train(rule, **changes)


def test_numpy_has_no_optimisers():
    with pytest.raises(OptionError, match="of PyTorch; these are of NumPy"):
        descend(
            ROWS, TARGET, forward=forward, loss=loss, w=np.zeros(3), epochs=3, rule=MAKERS["SGD"],
            gradient=lambda x, y, p: 2 * x.T @ (p - y) / len(y),
        )  # fmt: skip


# optax

SCHEDULE = optax.exponential_decay(0.2, 5, 0.9)
TRANSFORMATIONS = {
    "sgd": optax.sgd(0.1, momentum=0.9),
    "adam": optax.adam(SCHEDULE),
    "clipped": optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(0.1)),
    "lbfgs": optax.lbfgs(),
}


def by_optax(rule, **changes):
    x, y = jnp.asarray(ROWS, jnp.float32), jnp.asarray(TARGET, jnp.float32)
    options = {"forward": forward, "loss": loss, "epochs": 20, "w": jnp.zeros(3)}
    return descend(x, y, rule=rule, **(options | changes))


@pytest.mark.parametrize("name", ["sgd", "adam", "clipped", *exhaustively("lbfgs")])
def test_follows_a_loop_of_optax(name):
    rule = TRANSFORMATIONS[name]
    x, y, w = jnp.asarray(ROWS, jnp.float32), jnp.asarray(TARGET, jnp.float32), jnp.zeros(3)
    descent, state = by_optax(rule), rule.init(w)

    def value_fn(w):
        return loss(y, forward(w, x))

    @jax.jit
    def step(w, state):
        value, slope = jax.value_and_grad(value_fn)(w)
        extra = {"value": value, "grad": slope, "value_fn": value_fn}
        updates, state = optax.with_extra_args_support(rule).update(slope, state, w, **extra)
        return optax.apply_updates(w, updates), state

    for epoch in range(21):
        assert np.asarray(descent.weights[epoch]) == pytest.approx(np.asarray(w), abs=2e-5)
        w, state = step(w, state)
    assert descent.rule.name == "optax"


def test_optax_steps_trees_and_minibatches():
    descent = by_optax(
        optax.adam(0.1), w={"a": jnp.zeros(3), "b": [0.0]}, epochs=200, batch_size=8,
        forward=lambda w, x: x @ w["a"] + w["b"][0],
    )  # fmt: skip
    assert np.asarray(descent.w["a"]) == pytest.approx(BEST.numpy(), abs=0.15)


def test_optax_with_a_gradient_by_hand():
    by_hand = {"gradient": lambda x, y, p: 2 * x.T @ (p - y) / len(y)}
    for rule in (optax.adam(0.1), optax.lbfgs()):
        ours, theirs = by_optax(rule, **by_hand, epochs=5), by_optax(rule, epochs=5)
        assert np.asarray(ours.w) == pytest.approx(np.asarray(theirs.w), abs=1e-4)


def test_torchs_do_not_step_arrays_of_jax():
    with pytest.raises(OptionError, match="of PyTorch; these are of JAX"):
        by_optax(MAKERS["SGD"])
