"""Momentum in closed form: against a loop over the rows, PyTorch, and powers of many digits.

The bound is that of plain descent, divided by 1 - m: what a loop rounds is carried on.
"""

from __future__ import annotations

import math
import warnings

import mpmath
import numpy as np
import pytest
from tests.problems import Table, collinear, correlated, naive_loop
from tests.tiers import crossed

import steepest
from steepest.descent.momentum import Momentum, Nesterov, decay
from steepest.descent.rules import GradientDescent
from steepest.descent.transients import Transient

EPOCHS = 300
NOTEBOOK = Table(np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([2.0, 4.0, 6.0, 8.0]))
TABLES = {
    "plain": correlated(),
    "wide": correlated(n=40, p=12, seed=2),
    "far from zero": correlated(offset=30.0, seed=1),
    "collinear": collinear(),
    "one column": correlated(p=1, seed=3),
    "the notebook": NOTEBOOK,
}
RULES = {
    "momentum": Momentum(0.9),
    "nesterov": Nesterov(0.9),
    "no momentum": Momentum(0.0),
}


def fit(table: Table, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", steepest.SteepestWarning)
        return steepest.fit(table.columns, target="y", **options)


def loop(rows, u, rate, rule, epochs):
    """Weights at every epoch, as PyTorch writes its SGD, over the rows."""
    m, v, weights = rule.momentum, np.zeros_like(u), [u.copy()]
    for _ in range(epochs):
        residual = rows.design @ u - rows.y
        g = 2 * rows.design.T @ residual / len(rows.y) + 2 * rows.l2 * u * rows.penalised
        v = m * v + g
        u = u - rate * (g + m * v if isinstance(rule, Nesterov) else v)
        weights.append(u.copy())
    return np.array(weights)


@crossed(
    name=TABLES.keys(),
    rule=RULES,
    scale=["standard", "none"],
    share=[0.05, 0.6, None, 0.9999, 1.0001],
    l2=[0.0, 0.2],
)
def test_the_closed_form_is_the_loop(name, rule, scale, share, l2):
    table = TABLES[name]
    w = dict.fromkeys(table.names, 0.5)
    limit = fit(table, scale=scale, l2=l2, rule=rule, w=w, epochs=1).rates.limit
    rate = None if share is None else share * limit
    model = fit(table, scale=scale, l2=l2, rule=rule, learning_rate=rate, w=w, epochs=EPOCHS,
                allow_divergence=True)  # fmt: skip
    path, t = model.path, np.arange(EPOCHS + 1)
    rows, _ = naive_loop(table, scale, l2)
    by_rows = loop(rows, path.start.copy(), model.learning_rate, rule, EPOCHS)
    curvatures = path.curvatures
    kappa = curvatures.largest / curvatures.smallest
    allowed = 2.0**-52 * 16 * (len(path.start) + 3) * (kappa + t) / (1 - rule.momentum)
    size = np.abs(by_rows).max()
    off = np.abs(by_rows - path.position(t)).max(axis=1) / size / allowed
    assert off.max() <= 1, (off.max(), off.argmax())
    losses = np.mean((by_rows @ rows.design.T - rows.y) ** 2, axis=1)
    biggest = max(losses.max(), np.mean(rows.y**2))
    off = np.abs(losses - path.loss(t)) / biggest / allowed
    assert off.max() <= 1, (off.max(), off.argmax())


def test_the_closed_form_is_pytorchs_sgd():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    table = correlated()
    rows, _ = naive_loop(table, "standard", 0.0)
    X, y = torch.tensor(rows.design), torch.tensor(rows.y)
    for nesterov in (False, True):
        rule = "nesterov" if nesterov else "momentum"
        model = fit(table, rule=rule, learning_rate=0.05, epochs=100)
        w = torch.zeros(4, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.SGD([w], lr=0.05, momentum=0.9, nesterov=nesterov)
        for _ in range(100):
            optimiser.zero_grad()
            ((X @ w - y) ** 2).mean().backward()
            optimiser.step()
        assert model.path.position(100)[0] == pytest.approx(w.detach().numpy(), abs=1e-13)


def transition(rule, x, digits=60):
    mpmath.mp.dps = digits
    m, x = mpmath.mpf(rule.momentum), mpmath.mpf(float(x))
    if isinstance(rule, Nesterov):
        return mpmath.matrix([[1 - x * (1 + m), -m * m], [x, m]])
    return mpmath.matrix([[1 - x, -m], [x, m]])


FAR = [0, 1, 2, 63, 64, 65, 4095, 4096, 262_144, 12_345, 10_000_000, 2**52 + 1]
EDGES = [1e-12, 1e-9, 1e-6, 1e-3, 0.1, 0.99, 1.0]


@pytest.mark.parametrize("rule", [Momentum(0.9), Momentum(0.999), Nesterov(0.9), Nesterov(0.5)])
def test_any_epoch_has_all_its_digits(rule):
    limit, m = rule.limit(1.0), rule.momentum
    double = [(1 - math.sqrt(m)) ** 2] if isinstance(rule, Momentum) else [(1 - m) / (1 + m)]
    x = np.array([*EDGES, *double, 0.9999 * limit, limit * (1 - 2.0**-40)])
    found = Transient(rule, x).at(np.array(FAR, dtype=float))
    for j, one in enumerate(x):
        for i, t in enumerate(FAR):
            truth = (transition(rule, one) ** t)[0, 0]
            # Near the limit p swings up to (1 + m)/(1 - m), and each of the factors does too.
            swing = max((2 / (1 - m)) ** 3 if one > 0.9 * limit else 0, 500)
            assert abs(float(found[i, j] - truth)) <= 2e-16 * swing, (one, t)


@pytest.mark.parametrize("rule", [Momentum(0.9), Nesterov(0.9)])
def test_beyond_the_limit_it_grows_until_it_is_infinite(rule):
    x = np.array([1.0001 * rule.limit(1.0)])
    transient = Transient(rule, x)
    for t in (1000, 100_000):
        truth = (transition(rule, x[0]) ** t)[0, 0]
        assert transient.at([t])[0, 0] == pytest.approx(float(truth), rel=1e-9)
    assert np.isinf(transient.at([10_000_000, 2.0**52])).all()
    assert transient.decays[0] > 0


@pytest.mark.parametrize("rule", [GradientDescent(), Momentum(0.3), Momentum(0.99), Nesterov(0.7)])
def test_the_decay_is_the_spectral_radius(rule):
    for x in np.linspace(0.001, 1.2, 57) * rule.limit(1.0):
        radius = np.abs(np.linalg.eigvals(np.array(rule.transition(x), dtype=float))).max()
        assert math.exp(decay(rule, x)) == pytest.approx(radius, rel=1e-6)
    assert decay(rule, 1e-13) == pytest.approx(-1e-13 / (1 - rule.momentum), rel=1e-6)


@crossed(
    rule=["gradient-descent", "momentum", "nesterov"],
    l2=[0.0, 0.1],
    scale=["standard", "none"],
    intercept=[True, False],
)
def test_effective_parameters_are_the_trace_of_the_hat_matrix(rule, l2, scale, intercept):
    """Of the path as a linear map of y, found by fitting every unit vector."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((12, 3)) * [1.0, 3.0, 0.5] + [0.2, 1.0, 0.0]
    options = {"rule": rule, "l2": l2, "scale": scale, "intercept": intercept, "epochs": 7}
    table = Table(X, rng.standard_normal(12))
    model = fit(table, **options)
    trace = 0.0
    for i in range(12):
        unit = fit(Table(X, np.eye(12)[i]), learning_rate=model.learning_rate, **options)
        trace += unit.predict({n: [v] for n, v in zip(table.names, X[i], strict=True)})[0]
    assert model.path.effective_parameters(7) == pytest.approx(trace, rel=1e-11)
    first = float(intercept and scale == "standard")
    assert model.path.effective_parameters([0])[0] == pytest.approx(first, abs=1e-13)
    if not l2:
        assert model.path.effective_parameters(None) == pytest.approx(3 + intercept, rel=1e-12)


def test_effective_parameters_do_not_count_a_dependent_column():
    assert fit(collinear()).path.effective_parameters(None) == pytest.approx(3, rel=1e-12)


def test_a_path_that_diverges_is_shown_to_its_end():
    model = fit(correlated(), learning_rate=5.0, epochs=2000, allow_divergence=True)
    last = model.settings.epochs
    assert 100 < last < 2000
    assert np.isfinite(model.path.coef([last])).all()
    assert math.isfinite(model.loss)
    assert np.isinf(model.path.loss(2000))
    assert np.isinf(model.path.coef([100_000])).all()
    assert any(f"after epoch {last:,} of the 2,000" in note for note in model.notes)
    rows, _ = naive_loop(correlated(), "standard", 0.0)
    by_rows = loop(rows, np.zeros(4), 5.0, GradientDescent(), 40)
    assert model.path.position(np.arange(41)) == pytest.approx(by_rows, rel=1e-9)
