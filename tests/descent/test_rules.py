"""What every update rule promises."""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steepest.descent.adaptive import Adagrad, Adam, AdamW, RMSprop
from steepest.descent.loop import Status, run
from steepest.descent.momentum import Momentum, Nesterov
from steepest.descent.rules import RULES, GradientDescent, UpdateRule, find_rule
from steepest.errors import OptionError

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
LIMITED = {key: rule for key, rule in RULES.items() if rule.limit(1.0) < math.inf}
every_limited_rule = pytest.mark.parametrize("rule", LIMITED.values(), ids=LIMITED)
ADAPTIVE = {"adagrad": 0.5, "rmsprop": 1e-4, "adam": 0.05, "adamw": 0.05}
"""A rate for each rule without a limit; RMSprop ends within about its rate of the optimum."""

CURVATURES = np.array([1.0, 3.0, 4.0])
OPTIMUM = np.array([2.0, -1.0, 0.5])


class Bowl:
    """½ Σ hᵢ (wᵢ - oᵢ)²: its optimum is o, its smoothness the largest h."""

    def __init__(self, curvatures=CURVATURES, optimum=OPTIMUM):
        self.curvatures, self.optimum = curvatures, optimum

    def value(self, w):
        return float((self.curvatures * (w - self.optimum) ** 2).sum() / 2)

    def value_and_gradient(self, w):
        return self.value(w), self.curvatures * (w - self.optimum)

    def smoothness(self):
        return float(self.curvatures.max())


class OneNumber(Bowl):
    def __init__(self):
        super().__init__(np.float64(4.0), np.float64(2.0))

    def value_and_gradient(self, w):
        return self.value(w), 4.0 * (w - 2.0)


def walk(rule, w, state, steps, rate=0.1):
    for _ in range(steps):
        w, state = rule.step(w, CURVATURES * (w - OPTIMUM), state, rate)
    return w, state


@every_limited_rule
def test_reaches_the_known_optimum(rule):
    rate = rule.limit(Bowl().smoothness()) / 2
    descent = run(Bowl(), np.zeros(3), rule=rule, learning_rate=rate, epochs=2000)
    assert descent.status is Status.COMPLETED
    assert descent.w == pytest.approx(OPTIMUM, abs=1e-6)


@every_limited_rule
def test_reaches_the_known_optimum_in_one_number(rule):
    rate = rule.limit(4.0) / 3
    descent = run(OneNumber(), 0.0, rule=rule, learning_rate=rate, epochs=2000)
    assert type(descent.w) is float
    assert descent.w == pytest.approx(2.0, abs=1e-6)


@every_rule
def test_leaves_its_arguments_as_they_are(rule):
    w, gradient = np.array([1.0, 2.0]), np.array([0.5, -0.5])
    state = rule.init(w)
    before = copy.deepcopy((w, gradient, state))
    for array in (w, gradient):
        array.flags.writeable = False
    first = rule.step(w, gradient, state, 0.1)
    second = rule.step(w, gradient, state, 0.1)
    assert np.array_equal(first[0], second[0])
    assert pickle.dumps(first[1]) == pickle.dumps(second[1])
    assert not np.shares_memory(first[0], w)
    assert np.array_equal(before[0], w)
    assert np.array_equal(before[1], gradient)
    assert pickle.dumps(before[2]) == pickle.dumps(state)


@every_rule
@given(stop=st.integers(0, 20))
def test_stopped_and_resumed_equals_never_stopped(rule, stop):
    start = np.zeros(3)
    whole, _ = walk(rule, start, rule.init(start), 20)
    saved = pickle.dumps(walk(rule, start, rule.init(start), stop))
    w, state = pickle.loads(saved)
    assert np.array_equal(walk(rule, w, state, 20 - stop)[0], whole)


@every_rule
def test_state_is_a_named_tuple(rule):
    state = rule.init(np.zeros(3))
    assert isinstance(state, tuple)
    assert hasattr(state, "_fields")


@every_rule
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keeps_the_dtype(rule, dtype):
    w = np.zeros(3, dtype=dtype)
    stepped, _ = rule.step(w, np.ones(3, dtype=dtype), rule.init(w), 0.1)
    assert stepped.dtype == dtype


@every_limited_rule
def test_is_stable_below_its_limit_and_not_above(rule):
    limit = rule.limit(4.0)
    below = run(OneNumber(), 0.0, rule=rule, learning_rate=0.98 * limit, epochs=1000)
    above = run(OneNumber(), 0.0, rule=rule, learning_rate=1.02 * limit, epochs=1000)
    assert below.w == pytest.approx(2.0, abs=1e-6)
    assert above.status is Status.DIVERGED
    assert rule.limit(0.0) == math.inf


@pytest.mark.parametrize("key", ADAPTIVE)
def test_rules_without_a_limit_come_near_the_optimum(key):
    rate = ADAPTIVE[key]
    # AdamW settles where its decay meets the sign of the slope: within half a percent of it.
    rule = replace(RULES[key], weight_decay=0.0) if key == "adamw" else RULES[key]
    descent = run(Bowl(), OPTIMUM + 0.3, rule=rule, learning_rate=rate, epochs=5000)
    assert descent.status is Status.COMPLETED
    assert descent.w == pytest.approx(OPTIMUM, abs=2 * rate if key == "rmsprop" else 1e-6)
    assert rule.limit(4.0) == math.inf


def test_the_rules_are_these():
    assert list(RULES) == [
        "gradient-descent", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw",
    ]  # fmt: skip


def torch_optimiser(torch, key, w, rate):
    optim = torch.optim
    return {
        "gradient-descent": lambda: optim.SGD([w], lr=rate),
        "momentum": lambda: optim.SGD([w], lr=rate, momentum=0.9),
        "nesterov": lambda: optim.SGD([w], lr=rate, momentum=0.9, nesterov=True),
        "adagrad": lambda: optim.Adagrad([w], lr=rate),
        "rmsprop": lambda: optim.RMSprop([w], lr=rate),
        "adam": lambda: optim.Adam([w], lr=rate),
        "adamw": lambda: optim.AdamW([w], lr=rate),
        Momentum(0.5): lambda: optim.SGD([w], lr=rate, momentum=0.5),
        Nesterov(0.25): lambda: optim.SGD([w], lr=rate, momentum=0.25, nesterov=True),
        Adagrad(eps=0.1): lambda: optim.Adagrad([w], lr=rate, eps=0.1),
        RMSprop(0.9, 0.1): lambda: optim.RMSprop([w], lr=rate, alpha=0.9, eps=0.1),
        Adam((0.5, 0.9), 0.1): lambda: optim.Adam([w], lr=rate, betas=(0.5, 0.9), eps=0.1),
        AdamW(weight_decay=0.5): lambda: optim.AdamW([w], lr=rate, weight_decay=0.5),
    }[key]()


KINDS = [*RULES, Momentum(0.5), Nesterov(0.25), Adagrad(eps=0.1), RMSprop(0.9, 0.1),
         Adam((0.5, 0.9), 0.1), AdamW(weight_decay=0.5)]  # fmt: skip


@pytest.mark.parametrize("key", KINDS, ids=str)
def test_agrees_with_torch_step_for_step(key):
    """Each step from where PyTorch stands, so that one step's rounding is all that is compared."""
    torch = pytest.importorskip("torch", reason="compares with torch.optim")
    w = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch_optimiser(torch, key, w, 0.1)
    rule = find_rule(key)
    random = np.random.default_rng(5)
    tensors, arrays = rule.init(w.detach()), rule.init(w.detach().numpy())
    for _ in range(100):
        before = w.detach().clone()
        gradient = torch.from_numpy(random.normal(size=3))
        w.grad = gradient.clone()
        optimiser.step()
        ours, tensors = rule.step(before, gradient, tensors, 0.1)
        theirs, arrays = rule.step(before.numpy(), gradient.numpy(), arrays, 0.1)
        # Of the two numbers that are subtracted, whichever is larger.
        scale = torch.maximum(before.abs(), (w.detach() - before).abs())
        assert ((ours - w.detach()).abs() <= 1e-15 * scale).all()
        assert (np.abs(theirs - w.detach().numpy()) <= 1e-15 * scale.numpy()).all()


@pytest.mark.parametrize("key", RULES)
def test_a_hundred_epochs_of_torch(key):
    torch = pytest.importorskip("torch", reason="compares with torch.optim")
    w = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    curvatures, optimum = torch.tensor(CURVATURES), torch.tensor(OPTIMUM)
    optimiser = torch_optimiser(torch, key, w, 0.05)
    descent = run(Bowl(), np.array([1.0, 2.0, 3.0]), rule=RULES[key], learning_rate=0.05,
                  epochs=100)  # fmt: skip
    for epoch in range(101):
        assert descent.weights[epoch] == pytest.approx(w.detach().numpy(), rel=1e-13, abs=1e-13)
        optimiser.zero_grad()
        (curvatures * (w - optimum) ** 2).sum().div(2).backward()
        optimiser.step()


@pytest.mark.parametrize("share", [-0.1, 1.0, math.nan])
@pytest.mark.parametrize("make", [Momentum, Nesterov, RMSprop, lambda m: Adam(betas=(0.9, m))])
def test_shares_that_are_none(make, share):
    with pytest.raises(OptionError, match="is not a number from 0 to below 1"):
        make(share)


@pytest.mark.parametrize("rule", [Adagrad, RMSprop, Adam, AdamW])
def test_divisors_that_may_be_nothing(rule):
    with pytest.raises(OptionError, match=r"eps=0\.0 is not a finite number above 0"):
        rule(eps=0.0)


def test_a_decay_that_is_none():
    with pytest.raises(OptionError, match=r"weight_decay=-1 is not"):
        AdamW(weight_decay=-1)


def test_a_rule_is_found_by_name_or_is_one():
    assert find_rule("gradient-descent") is RULES["gradient-descent"]
    own = GradientDescent()
    assert find_rule(own) is own
    assert isinstance(own, UpdateRule)


@pytest.mark.parametrize("rule", ["gradient-decent", "", 3, None, GradientDescent, ["a"]])
def test_what_is_no_rule_is_refused_with_those_known(rule):
    with pytest.raises(OptionError, match="Known are 'gradient-descent'"):
        find_rule(rule)


def test_a_misspelt_rule_is_guessed():
    with pytest.raises(OptionError, match="did you mean 'gradient-descent'"):
        find_rule("gradient-decent")
