"""Epochs beside every penalty, in a study and in a fit: proximal steps over the rows."""

from __future__ import annotations

import numpy as np
import pytest
from tests.tiers import crossed

import steepest
from steepest.errors import OptionError

N, P, K = 120, 5, 4
EPOCHS = [1, 7, 60, 400]


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(11)
    x = random.normal(size=(N, P)) * np.geomspace(0.5, 2, P) + 0.5
    x[:, 1] += 0.7 * x[:, 0]
    y = 2 + x @ np.array([1.5, -1.0, 0.0, 0.3, 0.0]) + random.normal(size=N)
    return x, y


@pytest.fixture(scope="module")
def table(data):
    x, y = data
    return {**{f"x{j}": x[:, j] for j in range(P)}, "y": y}


def descend_rows(x, y, *, rate, epochs, l1, l2, scale, nonnegative=False, intercept=True):
    """Iterative soft thresholding over the rows: intercept and coefficients of each epoch.

    ``l1`` and ``l2`` are arrays, one number a column, in the coordinates of the descent.
    """
    mean = x.mean(0) if intercept else np.zeros(x.shape[1])
    spread = np.sqrt(((x - mean) ** 2).mean(0))
    free = intercept and scale == "none"
    if scale == "standard":
        z, centre = (x - mean) / spread, y.mean() if intercept else 0.0
    else:
        z, centre = np.column_stack([np.ones(len(x)), x]) if free else x, 0.0
    pad = np.zeros(int(free))
    l1, l2 = np.concatenate([pad, l1]), np.concatenate([pad, l2])
    u = np.zeros(z.shape[1])
    found = {}
    for epoch in range(1, max(epochs) + 1):
        gradient = 2 * z.T @ (z @ u - (y - centre)) / len(y) + 2 * l2 * u
        u = u - rate * gradient
        u = np.sign(u) * np.maximum(np.abs(u) - rate * l1, 0)
        if nonnegative:
            u[int(free) :] = np.maximum(u[int(free) :], 0)
        if scale == "standard":
            coef = u / spread
            found[epoch] = centre - coef @ mean if intercept else 0.0, coef
        else:
            found[epoch] = (u[0], u[1:].copy()) if free else (0.0, u.copy())
    return found


CASES = [
    {"l1": [0.02, 0.3]},
    {"l1": [0.0, 0.05], "l2": [0.0, 0.1]},
    {"l1": [0.1], "l2": [0.05], "penalties": {"x0": 0.0, "x2": 3.0}},
    {"l2": [0.2], "penalties": {"x1": 0.0, "x3": 2.5}},
    {"nonnegative": True},
    {"nonnegative": True, "l1": [0.1], "penalties": {"x3": 4.0}},
    {"l1": [0.05, 0.2], "adaptive": 1.5},
]


@pytest.mark.parametrize("scale", ["standard", "none"])
@pytest.mark.parametrize("case", CASES)
def test_every_epoch_is_that_of_a_loop_over_the_rows(data, table, case, scale):
    x, y = data
    rates = [0.02, 0.06]
    moments = steepest.scan(table, folds=f"contiguous:{K}")
    found = steepest.study(moments, "y", learning_rate=rates, epochs=EPOCHS, scale=scale, **case)
    folds = np.array_split(np.arange(N), K)
    given, power = case.get("penalties", {}), case.get("adaptive", 0.0)
    factors = np.array([given.get(f"x{j}", 1.0) for j in range(P)])
    wanted = {candidate.point: [] for candidate in found.candidates}
    assert len(wanted) == len(found.candidates)
    loops = {}
    for k, held in enumerate(folds):
        train = np.setdiff1d(np.arange(N), held)
        z = np.column_stack([np.ones(len(train)), x[train]])
        size = np.abs(np.linalg.lstsq(z, y[train], rcond=None)[0][1:] * x[train].std(0))
        for point, errors in wanted.items():
            way = (k, point._replace(epochs=None))
            if way not in loops:
                loops[way] = descend_rows(
                    x[train], y[train], rate=point.learning_rate, epochs=EPOCHS,
                    l1=point.l1 * factors / size**power, l2=point.l2 * factors, scale=scale,
                    nonnegative=case.get("nonnegative", False),
                )  # fmt: skip
            b, w = loops[way][point.epochs]
            errors.append(np.mean((y[held] - b - x[held] @ w) ** 2))
    for candidate in found.candidates:
        np.testing.assert_allclose(candidate.fold_errors, wanted[candidate.point], rtol=1e-8)


@crossed(1, case=CASES, scale=["standard", "none"])
def test_a_fit_of_a_folds_rows_ends_at_the_same_epoch(data, table, case, scale):
    x, y = data
    kept = np.arange(N) >= N // K
    own = {name: column[kept] for name, column in table.items()}
    single = {n: v[-1] if n in ("l1", "l2") else v for n, v in case.items()}
    model = steepest.fit(own, target="y", learning_rate=0.04, epochs=60, scale=scale, **single)
    error = np.mean((y[~kept] - model.intercept - x[~kept] @ model.coef) ** 2)
    moments = steepest.scan(table, folds=f"contiguous:{K}")
    study = steepest.study(
        moments, "y", learning_rate=0.04, epochs=60, scale=scale,
        **{n: [v[-1]] if n in ("l1", "l2") else v for n, v in case.items()},
    )  # fmt: skip
    assert study.candidates[0].fold_errors[0] == pytest.approx(error, rel=1e-10)
    again = study.refit(study.candidates[0])
    assert again.settings.epochs == 60
    assert again.loss == pytest.approx(study.candidates[0].loss, rel=1e-10)
    far = model.path.coef([2 * 10**4])
    limit = steepest.fit(own, target="y", scale=scale, **single)
    np.testing.assert_allclose(far[0], limit.coef, atol=1e-8)
    assert model.path.objective(None) == pytest.approx(limit.objective, rel=1e-10)
    objectives = np.array([model.path.objective(t) for t in range(40)])
    assert (np.diff(objectives) <= 1e-12).all()


def test_a_fit_with_factors_alone_has_its_path_in_closed_form(data, table):
    x, y = data
    given = {"x1": 0.0, "x3": 2.5}
    factors = np.array([given.get(f"x{j}", 1.0) for j in range(P)])
    model = steepest.fit(table, target="y", l2=0.3, penalties=given, learning_rate=0.1, epochs=50)
    assert model.path.closed
    loop = descend_rows(
        x, y, rate=0.1, epochs=[50], l1=np.zeros(P), l2=0.3 * factors, scale="standard"
    )
    np.testing.assert_allclose(model.coef, loop[50][1], rtol=1e-9)
    momentum = steepest.fit(
        table, target="y", l2=0.3, penalties=given, rule="nesterov", epochs=5_000
    )
    limit = steepest.fit(table, target="y", l2=0.3, penalties=given)
    np.testing.assert_allclose(momentum.coef, limit.coef, rtol=1e-7)


def test_models_of_such_paths_are_saved_and_read(table, tmp_path):
    model = steepest.fit(
        table, target="y", l1=0.1, adaptive=0.5, nonnegative=True, penalties={"x0": 2.0},
        learning_rate=0.05, epochs=20,
    )  # fmt: skip
    model.save(tmp_path / "m.json")
    again = steepest.load(tmp_path / "m.json")
    np.testing.assert_array_equal(again.path.coef([20])[0], model.coef)
    assert (model.coef >= 0).all()
    assert str(again) == str(model)


def test_effective_parameters_of_a_descent_of_some_columns(data, table):
    """Without a penalty on sizes they are the trace of what turns targets into fitted values."""
    x, _ = data
    z = (x - x.mean(0)) / x.std(0)
    moments = steepest.scan(table, folds=f"contiguous:{K}")
    tiny = steepest.study(moments, "y", l1=[1e-12], learning_rate=0.1, epochs=[3, 30])
    for candidate in tiny.candidates:
        left = np.eye(P) - 0.2 * z.T @ z / N
        shown = np.linalg.matrix_power(left, candidate.epochs)
        hat = z @ (np.eye(P) - shown) @ np.linalg.pinv(z.T @ z) @ z.T
        assert candidate.parameters == pytest.approx(1 + np.trace(hat), rel=1e-8)
    nothing = steepest.study(moments, "y", l1=[1e9], epochs=[5]).candidates[0]
    assert (nothing.parameters, nothing.coefficients) == (1, 0)
    sure = steepest.study(moments, "y", l1=[0.3], learning_rate=0.3, epochs=[5_000]).candidates[0]
    assert sure.parameters == pytest.approx(1 + sure.coefficients, rel=1e-9)


def test_grids_of_everything(data, table):
    """Rates, epochs, both penalties, sets of features and targets, in one study."""
    frame = {**table, "z": table["x0"] - table["y"]}
    found = steepest.study(
        frame, ["y", "z"], features=[["x1"], ["x1", "x2", "x3"]], folds="contiguous:3",
        learning_rate=[0.02, 0.05], epochs=[5, 50], l1=[0.0, 0.1], l2=[0.0, 0.1],
    )  # fmt: skip
    assert len(found.candidates) == 2 * 2 * 2 * 2 * 2 * 2
    path = steepest.study(table, "y", folds=3, l1="path", epochs=[1_000])
    assert len(path.candidates) == 100
    nets = steepest.study(table, "y", folds=3, l1_ratio=[0.5, 1], epochs=[100], nested=True)
    assert len(nets.candidates) == 200
    for study in (path, nets):
        assert study.refit().loss == pytest.approx(study.best.loss, rel=1e-10)


def test_what_has_no_meaning_is_refused(table):
    for options in (
        {"l1": 0.1, "learning_rate": 0.1},
        {"nonnegative": True, "learning_rate": 0.1},
        {"l2": 0.1, "penalties": {"x0": 2.0}, "rule": "momentum"},
        {"nonnegative": True, "epochs": 5, "rule": "adam"},
        {"l1": 0.1, "epochs": 5, "rule": "momentum"},
        {"nonnegative": True, "epochs": 5, "learning_rate": "budget"},
        {"adaptive": 1.0, "epochs": 5},
    ):
        with pytest.raises(OptionError):
            steepest.fit(table, target="y", **options)
    with pytest.raises(OptionError):
        steepest.study(table, "y", folds=3, learning_rate=0.1, l1=0.1)


def test_how_far_long_grids_are_is_said(table):
    seen = []
    moments = steepest.scan(table, folds=4)
    steepest.study(moments, "y", l1=[0.1], learning_rate=1e-5, epochs=[3_000],
                   on_progress=seen.append)  # fmt: skip
    shares = [progress.fraction for progress in seen]
    assert len(shares) > 12
    assert shares == sorted(shares)
    assert shares[-1] == 1
