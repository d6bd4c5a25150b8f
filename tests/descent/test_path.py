"""Four ways down the same slope: the closed form, a loop over the moments, over rows, autograd.

The bound.  With κ the condition number of the Hessian (its zeros left out), t the epoch and S
the largest weight met on the way, in the coordinates of the descent,

    |Δw| ≤ 2⁻⁵² · 16 (q + 3) (κ + t) · S,        |Δloss| ≤ 2⁻⁵² · 16 (q + 3) (κ + t) · loss scale,

the loss scale being the largest loss met or the mean square of the target, whichever is larger.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.problems import Table, collinear, correlated, naive_loop
from tests.tiers import crossed, exhaustively

import steepest
from steepest.descent.loop import run
from steepest.descent.rules import RULES

EPOCHS = 300
TABLES = {
    "plain": correlated(),
    "far from zero": correlated(offset=30.0, seed=1),
    "wide": correlated(n=40, p=12, seed=2),
    "collinear": collinear(),
    "one column": correlated(p=1, seed=3),
    "the notebook": Table(np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([2.0, 4.0, 6.0, 8.0])),
}
SHARES = {"slow": 0.05, "half": 0.5, "best": None, "alternating": 0.9999}


def fit(table: Table, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", steepest.SteepestWarning)
        return steepest.fit(table.columns, target="y", **options)


def bound(model, epochs: np.ndarray) -> np.ndarray:
    curvatures = model.path.curvatures
    kappa = curvatures.largest / curvatures.smallest
    return 2.0**-52 * 16 * (len(curvatures.values) + 3) * (kappa + epochs)


@crossed(
    name=TABLES.keys(),
    scale=["standard", "none"],
    share=SHARES,
    l2=[0.0, 0.2],
    start={"from 0": None, "from w": 3.0},
)
def test_four_ways_agree_at_every_epoch(name, scale, share, l2, start):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    table = TABLES[name]
    w = None if start is None else dict.fromkeys(table.names, start)
    probe = fit(table, scale=scale, l2=l2, w=w, epochs=1)
    rate = None if share is None else share * probe.path.curvatures.limit
    model = fit(table, scale=scale, l2=l2, w=w, learning_rate=rate, epochs=EPOCHS)
    path, epochs = model.path, np.arange(EPOCHS + 1)
    closed, losses = path.position(epochs), path.loss(epochs)

    rows, _ = naive_loop(table, scale, l2)
    u0 = path.start.copy()
    by_rows, loss_by_rows = rows.run(u0, model.learning_rate, EPOCHS)
    by_moments = run(
        path.quadratic,
        u0,
        rule=RULES["gradient-descent"],
        learning_rate=model.learning_rate,
        epochs=EPOCHS,
    )
    mask = torch.tensor(rows.penalised)

    def loss(y, predicted):
        return ((predicted - y) ** 2).mean() + l2 * penalty[0]

    penalty = [0.0]

    def forward(u, design):
        penalty[0] = (mask * u**2).sum()
        return design @ u

    by_autograd = steepest.descend(
        torch.tensor(rows.design),
        torch.tensor(rows.y),
        forward=forward,
        loss=loss,
        w=torch.tensor(u0, requires_grad=True),
        learning_rate=model.learning_rate,
        epochs=EPOCHS,
    )

    allowed = bound(model, epochs)
    size = np.abs(by_rows).max()
    loss_scale = max(loss_by_rows.max(), np.mean(rows.y**2))
    penalties = l2 * np.sum(closed**2 * rows.penalised, axis=1)
    others = {
        "rows": (by_rows, loss_by_rows),
        "moments": (
            np.array(list(by_moments.weights)),
            np.array(list(by_moments.losses)) - penalties,
        ),
        "autograd": (
            np.array([u.numpy() for u in by_autograd.weights]),
            np.array(list(by_autograd.losses)) - penalties,
        ),
    }
    for way, (weights, their_losses) in others.items():
        off = np.abs(weights - closed).max(axis=1) / size / allowed
        assert off.max() <= 1, (way, off.max(), off.argmax())
        off = np.abs(their_losses - losses) / loss_scale / allowed
        assert off.max() <= 1, (way, off.max(), off.argmax())


def test_epoch_zero_is_the_start_to_the_bit():
    model = fit(correlated(), w={"x1": 0.1, "x3": -7.3}, epochs=5, scale="none")
    assert model.path.at(0) == {"intercept": 0.0, "x1": 0.1, "x2": 0.0, "x3": -7.3, "x4": 0.0}


def test_the_notebooks_losses_by_hand():
    # One weight, curvature h = 2·mean(x²) = 15: w(t) = 2 - 2·(1 - 0.15)ᵗ, loss = 7.5 (w - 2)².
    model = fit(
        TABLES["the notebook"], scale="none", intercept=False, learning_rate=0.01, epochs=10
    )
    t = np.arange(11)
    assert model.path.coef(t)[:, 0] == pytest.approx(2 - 2 * 0.85**t, rel=1e-14)
    assert model.path.loss(t) == pytest.approx(30 * 0.85 ** (2 * t), rel=1e-13)
    assert model.coef[0] == model.path.at(10)["x1"]


def test_a_perfect_fit_never_has_a_negative_loss():
    model = fit(TABLES["the notebook"], learning_rate=0.3)
    assert (model.path.loss(np.arange(5000)) >= 0).all()
    assert model.loss <= 1e-14


@pytest.mark.parametrize("epoch", [10_000_000, 123_456_789])
def test_ten_million_epochs_in_one_step(epoch):
    table = TABLES["the notebook"]
    model = fit(table, scale="none", intercept=False, learning_rate=1e-9, epochs=epoch)
    exact = 2 - 2 * np.exp(epoch * np.log1p(-15e-9))  # the closed form of one weight
    assert model.coef[0] == pytest.approx(exact, rel=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=2000), st.floats(0.01, 0.9999))
def test_the_loss_of_many_epochs_is_the_loss_of_each(epochs, share):
    probe = fit(correlated())
    model = fit(correlated(), learning_rate=share * probe.path.curvatures.limit)
    many = model.path.loss(epochs)
    some = {epochs[0], epochs[-1], max(epochs)}
    for epoch in some:
        assert many[epochs.index(epoch)] == pytest.approx(model.path.loss(epoch), rel=1e-11)


def test_infinity_is_the_limit():
    model = fit(correlated(), epochs=7)
    limit = fit(correlated())
    assert model.path.at(None) == model.path.at(np.inf) == limit.coefficients
    assert model.path.loss([0, np.inf])[1] == limit.loss
    X = np.column_stack([np.ones(200), correlated().X])
    truth = np.linalg.lstsq(X, correlated().y, rcond=None)[0]
    assert list(limit.coefficients.values()) == pytest.approx(truth, rel=1e-11)


@pytest.mark.parametrize("scale", ["standard", *exhaustively("none")])
def test_the_limit_of_the_rate_is_where_the_loop_turns(scale):
    table = correlated(seed=7)
    rows, _ = naive_loop(table, scale, 0.0)
    hessian = 2 * rows.design.T @ rows.design / len(rows.y)
    largest = np.linalg.eigvalsh(hessian)[-1]
    model = fit(table, scale=scale)
    assert model.path.curvatures.limit == pytest.approx(2 / largest, rel=1e-12)
    start = np.ones(rows.design.shape[1])
    _, below = rows.run(start, 0.9999 * 2 / largest, 20_000)
    _, above = rows.run(start, 1.0001 * 2 / largest, 100_000)
    assert below[-1] < below[0] < above[-1]
    fit(table, scale=scale, learning_rate=0.9999 * 2 / largest)
    with pytest.raises(ValueError, match=r"2/L = .*\n?.*L = "):
        fit(table, scale=scale, learning_rate=1.0001 * 2 / largest)


def test_the_best_fixed_rate_has_the_best_worst_case():
    curvatures = fit(correlated()).path.curvatures
    rates = np.linspace(0.01, 0.999, 400) * curvatures.limit
    worst = np.abs(1 - np.outer(rates, curvatures.values)).max(axis=1)
    best = np.abs(1 - curvatures.best * curvatures.values).max()
    assert best <= worst.min() + 1e-12


@pytest.mark.parametrize("epoch", [-1, 1.5, float("nan")])
def test_no_such_epoch(epoch):
    with pytest.raises(ValueError, match="whole number of 0 or more"):
        fit(correlated()).path.loss(epoch)
