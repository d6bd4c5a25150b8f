"""Standard errors and residual standard deviation, against exact fractions."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
from tests.problems import correlated, least_squares_of, root_of

import steepest


def exact(X, y, intercept=True):
    rows = [[Fraction(1)] * intercept + [Fraction(float(v)) for v in row] for row in X]
    return least_squares_of(rows, [Fraction(float(v)) for v in y], centred=intercept)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("precision", ["exact", "double"])
def test_standard_errors(precision, intercept):
    table = correlated(60, 3, offset=2.0)
    _, squares, variance, r2 = exact(table.X, table.y, intercept)
    model = steepest.fit(table.columns, target="y", precision=precision, intercept=intercept)
    tolerance = 0.0 if precision == "exact" else 1e-11
    expected = [root_of(value) for value in squares]
    assert list(model.se) == list(model.coefficients)
    assert list(model.se.values()) == pytest.approx(expected, rel=tolerance, abs=0)
    assert model.residual_sd == pytest.approx(root_of(variance), rel=tolerance, abs=0)
    assert model.r2 == pytest.approx(float(r2), rel=tolerance, abs=0)


def test_frequencies_are_rows_and_analytic_weights_are_not():
    table = correlated(40, 2)
    times = np.random.default_rng(0).integers(1, 5, 40)
    repeated = {name: np.repeat(values, times) for name, values in table.columns.items()}
    alone = steepest.fit(repeated, target="y")
    weighed = {**table.columns, "n": times}
    counted = steepest.fit(weighed, target="y", weights="n", weight_kind="frequency")
    assert (counted.se, counted.residual_sd) == (alone.se, alone.residual_sd)
    analytic = steepest.fit(weighed, target="y", weights="n")
    freedom = (times.sum() - 3) / (40 - 3)
    assert analytic.residual_sd == pytest.approx(alone.residual_sd * freedom**0.5, rel=1e-14)
    for name, value in analytic.se.items():
        assert value == pytest.approx(alone.se[name] * freedom**0.5, rel=1e-14)


def test_analytic_weights_are_those_of_scaled_rows():
    """Rows times √w: the same normal equations, the same errors."""
    table = correlated(30, 2)
    w = 4.0 ** np.random.default_rng(1).integers(-3, 4, 30)
    X = np.column_stack([np.ones(30), table.X]) * np.sqrt(w)[:, None]
    _, squares, variance, _ = exact(X, table.y * np.sqrt(w), intercept=False)
    model = steepest.fit({**table.columns, "w": w}, target="y", weights="w")
    assert list(model.se.values()) == [root_of(value) for value in squares]
    assert model.residual_sd == root_of(variance)


def test_levels():
    rng = np.random.default_rng(2)
    level = np.arange(50) % 3
    x, y = rng.standard_normal((2, 50))
    X = np.column_stack([level == 1, level == 2, x]).astype(float)
    _, squares, _, _ = exact(X, y)
    model = steepest.fit({"s": np.array(list("abc"))[level], "x": x, "y": y}, target="y")
    assert list(model.se.values()) == [root_of(value) for value in squares]


def test_more_columns_than_are_refined():
    """Beyond 100 columns the inverse is of double precision."""
    table = correlated(400, 120)
    X = np.column_stack([np.ones(400), table.X])
    inverse = np.linalg.inv(X.T @ X)
    residual = table.y - X @ np.linalg.lstsq(X, table.y, rcond=None)[0]
    expected = np.sqrt(np.diag(inverse) * (residual @ residual) / (400 - 121))
    model = steepest.fit(table.columns, target="y", precision="exact")
    assert list(model.se.values()) == pytest.approx(expected.tolist(), rel=1e-9)


def test_where_there_are_none():
    table = correlated(50, 2)
    assert steepest.fit(table.columns, target="y", l2=0.1).se is None
    three = {name: values[:3] for name, values in table.columns.items()}
    model = steepest.fit(three, target="y")  # as many rows as coefficients
    assert (model.se, model.residual_sd) == (None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", steepest.SteepestWarning)
        twice = {**table.columns, "again": table.X[:, 0]}
        assert steepest.fit(twice, target="y").se is None


def test_they_are_saved(tmp_path):
    table = correlated(50, 2)
    model = steepest.fit(table.columns, target="y")
    model.save(tmp_path / "m.json")
    loaded = steepest.load(tmp_path / "m.json")
    assert (loaded.se, loaded.residual_sd) == (model.se, model.residual_sd)
    assert loaded.certificate == model.certificate
    assert loaded.path.at(None) == model.coefficients
    assert loaded.path.loss([3, np.inf]).tobytes() == model.path.loss([3, np.inf]).tobytes()
    assert str(loaded) == str(model)


def test_far_columns_are_saved(tmp_path):
    table = correlated(50, 2).columns
    table["x1"] = table["x1"] * 1e-200
    model = steepest.fit(table, target="y")
    model.save(tmp_path / "m.json")
    loaded = steepest.load(tmp_path / "m.json")
    assert loaded.coefficients == model.coefficients
    assert loaded.path.at(7) == model.path.at(7)
    assert str(loaded) == str(model)
