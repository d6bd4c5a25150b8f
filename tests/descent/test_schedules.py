"""Schedules against those of PyTorch, step for step."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import steepest
from steepest import rules
from steepest.descent.schedules import SCHEDULES, describe_schedule, find_schedule
from steepest.errors import OptionError

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
lr = torch.optim.lr_scheduler
RATE = 0.05
THEIRS = {
    "constant": (rules.Constant(), lambda o: lr.LambdaLR(o, lambda t: 1.0)),
    "inverse time": (rules.InverseTime(0.3), lambda o: lr.LambdaLR(o, lambda t: 1 / (1 + 0.3 * t))),
    "step": (rules.Step(7, 0.5), lambda o: lr.StepLR(o, 7, 0.5)),
    "cosine": (rules.Cosine(30), lambda o: lr.CosineAnnealingLR(o, 30)),
    "cosine to a tenth": (
        rules.Cosine(30, 0.1), lambda o: lr.CosineAnnealingLR(o, 30, eta_min=0.1 * RATE),
    ),
    "warm-up": (rules.WarmUp(), lr.LinearLR),
    "warm-up, cosine": (
        rules.WarmUp(10, 0.1, rules.Cosine(20)),
        lambda o: lr.SequentialLR(
            o, [lr.LinearLR(o, 0.1, total_iters=10), lr.CosineAnnealingLR(o, 20)], [10]
        ),
    ),
    "warm-up, step": (
        rules.WarmUp(5, 0.5, rules.Step(8, 0.3)),
        lambda o: lr.SequentialLR(o, [lr.LinearLR(o, 0.5, total_iters=5), lr.StepLR(o, 8, 0.3)],
                                  [5]),
    ),
}  # fmt: skip
ADDS = {"SGD": ("gradient-descent", torch.optim.SGD), "Adam": ("adam", torch.optim.Adam)}


def rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    return torch.tensor(X), torch.tensor(X @ [1.0, -2.0, 0.5] + 0.1 * rng.standard_normal(40))


def theirs(optimiser, make, epochs):
    """Weights at each epoch, and the rates that led there."""
    X, y = rows()
    w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimiser = optimiser([w], lr=RATE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR calls its own deprecated argument
        scheduler = make(optimiser)
        weights, rates = [w.detach().numpy().copy()], []
        for _ in range(epochs):
            optimiser.zero_grad()
            ((X @ w - y) ** 2).mean().backward()
            rates.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            scheduler.step()
            weights.append(w.detach().numpy().copy())
    return np.array(weights), np.array(rates)


@pytest.mark.parametrize("kind", ADDS)
@pytest.mark.parametrize("name", THEIRS)
def test_a_scheduled_descent_is_pytorchs(name, kind):
    schedule, make = THEIRS[name]
    rule, optimiser = ADDS[kind]
    weights, rates = theirs(optimiser, make, 40)
    factors = np.array([schedule.factor(t) for t in range(40)])
    assert RATE * factors == pytest.approx(rates, rel=1e-12, abs=1e-17)
    X, y = rows()
    descent = steepest.descend(
        X.numpy(), y.numpy(), forward=lambda w, x: x @ w,
        loss=lambda y, p: ((p - y) ** 2).mean(),
        gradient=lambda x, y, p: 2 * x.T @ (p - y) / len(y),
        w=np.zeros(3), learning_rate=RATE, epochs=40, rule=rule, schedule=schedule,
    )  # fmt: skip
    assert np.array(list(descent.weights)) == pytest.approx(weights, abs=1e-13)
    by_torch = steepest.descend(
        X, y, forward=lambda w, x: x @ w, loss=lambda y, p: ((p - y) ** 2).mean(),
        w=torch.zeros(3, dtype=torch.float64, requires_grad=True),
        learning_rate=RATE, epochs=40, rule=rule, schedule=schedule,
    )  # fmt: skip
    assert by_torch.w.numpy() == pytest.approx(weights[-1], abs=1e-13)


def test_a_fit_with_a_schedule_is_the_loop_over_the_rows():
    X, y = (one.numpy() for one in rows())
    table = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "y": y}
    weights, _ = theirs(torch.optim.SGD, THEIRS["warm-up, cosine"][1], 30)
    model = steepest.fit(
        table, target="y", learning_rate=RATE, epochs=30, schedule="warm-up:10:0.1,cosine",
        scale="none", intercept=False,
    )  # fmt: skip
    assert model.path.coef(np.arange(31)) == pytest.approx(weights[:31], abs=1e-13)
    assert model.path.coef(1_000_000 - 999_970)[0] == pytest.approx(weights[30], abs=1e-13)
    assert not model.path.closed
    losses = np.mean((weights @ X.T - y) ** 2, axis=1)
    assert model.path.loss(np.arange(31)) == pytest.approx(losses[:31], rel=1e-12)


def test_a_checkpoint_knows_the_schedule(tmp_path):
    x, file = np.arange(1.0, 5.0), tmp_path / "run.ckpt"

    def go(epochs, schedule="step:3:0.5", **more):
        return steepest.descend(
            x, 2 * x, forward=lambda w, x: w * x, loss=lambda y, p: ((p - y) ** 2).mean(),
            gradient=lambda x, y, p: (2 * x * (p - y)).mean(), w=0.0, learning_rate=0.01,
            epochs=epochs, schedule=schedule, **more,
        )  # fmt: skip

    whole = go(20)
    go(8, checkpoint=file)
    assert list(go(20, checkpoint=file).losses) == list(whole.losses)
    with pytest.raises(steepest.SteepestError, match="rule"):
        go(30, schedule="step:4:0.5", checkpoint=file)


@pytest.mark.parametrize("text", ["step:30:0.1", "inverse-time:0.5", "cosine:100:0.2", "constant",
                                  "warm-up:3:0.5,step:2:0.1"])  # fmt: skip
def test_what_is_described_is_read_again(text):
    found = find_schedule(text, 500)
    assert describe_schedule(found) == text
    assert find_schedule(describe_schedule(found), 10) == found


def test_names_take_their_epochs_from_the_descent():
    assert find_schedule("cosine", 70) == rules.Cosine(70)
    assert find_schedule("warm-up:20,cosine", 70).then == rules.Cosine(50)
    assert list(SCHEDULES) == ["constant", "inverse-time", "step", "cosine", "warm-up"]


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("cosin", "did you mean 'cosine'"),
        ("step:a", "step takes every and share"),
        ("step:3:0.1:7", "step takes every and share"),
        ("step:0", "every=0 is not a whole number of at least 1"),
        ("step:2.5", "every=2.5 is not a whole number"),
        ("step:3:nan", "share=nan is not"),
        ("inverse-time:-1", "decay=-1.0 is not a number from 0"),
        ("cosine:10:2", "share=2 is not a number from 0 to 1"),
        ("step:3,cosine", "a warm-up and what follows"),
        ("", "is not known"),
        (rules.Cosine, "is not known"),
        (3, "is not known"),
    ],
)
def test_what_is_refused(schedule, said):
    with pytest.raises(OptionError, match=said):
        find_schedule(schedule, 100)


def test_a_rule_without_a_rate_takes_no_schedule():
    x = np.arange(1.0, 5.0)
    given = {
        "forward": lambda w, x: w * x, "loss": lambda y, p: ((p - y) ** 2).mean(),
        "gradient": lambda x, y, p: (2 * x * (p - y)).mean(), "epochs": 3,
    }  # fmt: skip
    with pytest.raises(OptionError, match="schedule is given, and L-BFGS as rule"):
        steepest.descend(x, x, **given, w=0.0, rule="l-bfgs", schedule="cosine")
    w = torch.zeros(1, requires_grad=True)
    with pytest.raises(OptionError, match="schedule is given, and"):
        steepest.descend(
            torch.tensor(x), torch.tensor(x), **{**given, "gradient": None}, w=w,
            rule=torch.optim.SGD([w], lr=0.1), schedule="cosine",
        )  # fmt: skip


def test_factors_are_numbers_at_any_epoch():
    for kind in SCHEDULES.values():
        schedule = find_schedule(kind(), 100)
        assert all(math.isfinite(schedule.factor(t)) for t in (0, 1, 10**6, 10**9))
