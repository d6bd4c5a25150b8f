"""Digits that double precision loses where columns differ in size, depend on each other, or fit."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

import steepest
from steepest.descent.coordinate import Penalised
from steepest.faces.cli import run

pytestmark = pytest.mark.filterwarnings("ignore::steepest.SteepestWarning")


def test_small_columns_beside_large_ones_are_judged_as_they_are():
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 2)) * [1e-5, 1e5]
    y, fold = 1e5 * x[:, 0] + random.normal(size=60), np.arange(60) % 3
    table = {"a": x[:, 0], "b": x[:, 1], "y": y, "f": fold}
    found = steepest.study(table, "y", features=["a", "b"], folds="f", l2=[0.0, 0.1])
    for candidate in found.candidates:
        for i, error in enumerate(candidate.fold_errors):
            on = fold == i
            mean, spread = x[~on].mean(0), x[~on].std(0)
            z = (x - mean) / spread
            matrix = z[~on].T @ z[~on] / (~on).sum() + candidate.point.l2 * np.eye(2)
            beta = np.linalg.solve(matrix, z[~on].T @ (y[~on] - y[~on].mean()) / (~on).sum())
            rest = y[on] - y[~on].mean() - z[on] @ beta
            assert error == pytest.approx(np.mean(rest**2), rel=1e-11)


@pytest.mark.parametrize("scale", ["standard", "none"])
def test_a_nearly_perfect_fit_of_dependent_columns(scale):
    x = np.arange(1.0, 9.0)
    table = {"a": x, "b": x**2, "c": x + x**2, "y": 3 * x - x**2 + 1e-9 * np.cos(x)}
    model = steepest.fit(table, target="y", scale=scale)
    matrix = np.column_stack([x**0, x, x**2])
    rows = [[Fraction(v) for v in row] for row in matrix.tolist()]
    known = np.linalg.lstsq(matrix, 1e-9 * np.cos(x), rcond=None)[0]
    given = [
        Fraction(y) - 3 * row[1] + row[2] for y, row in zip(table["y"].tolist(), rows, strict=True)
    ]
    rest = [
        float(g - sum(Fraction(w) * v for w, v in zip(known.tolist(), row, strict=True)))
        for g, row in zip(given, rows, strict=True)
    ]
    assert model.loss == pytest.approx(np.mean(np.square(rest)), rel=1e-3)
    assert model.path.loss(None) == model.loss


def test_polynomials_of_years():
    year = np.arange(1950.0, 2024.0)
    y = np.sin(year / 9) + 0.1 * np.random.default_rng(1).normal(size=len(year))
    fold = np.arange(len(year)) % 5
    table = {"a": year, "b": year**2, "c": year**3, "y": y, "f": fold}
    found = steepest.study(table, "y", features=["a", "b", "c"], folds="f", l2=0.0)
    z = (year - year.mean()) / year.std()
    powers = np.vander(z, 4)
    errors = [
        np.mean((y[on] - powers[on] @ np.linalg.lstsq(powers[~on], y[~on], rcond=None)[0]) ** 2)
        for on in (fold == i for i in range(5))
    ]
    assert found.best.error == pytest.approx(np.mean(errors), rel=1e-7)


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_dependent_columns_under_l1_meet_their_conditions(seed, nonnegative):
    random = np.random.default_rng(seed)
    x = random.normal(size=(40, 5)) * [1, 1e3, 1, 1, 1]
    x[:, 2], x[:, 4] = x[:, 0] + x[:, 1], -x[:, 3]
    x = (x - x.mean(0)) / x.std(0)
    y = x[:, 0] + x[:, 3] + random.normal(size=40)
    y -= y.mean()
    half = np.full(5, 0.02)
    cross = x.T @ y / 40
    found = Penalised(x.T @ x / 40, cross, y @ y / 40, 2 * half, 0 * half, nonnegative)
    solution = found.minimise()
    pull = cross - found.matrix @ solution.coef
    bound = pull if nonnegative else np.abs(pull)
    assert (bound <= half + 1e-12).all()
    moved = solution.coef != 0
    assert np.abs(pull[moved] - half[moved] * np.sign(solution.coef[moved])).max() < 1e-12
    assert solution.gap < 1e-12 * found.square
    if not nonnegative:  # of all coefficients with these predictions none has a smaller sum
        wide = np.hstack([x, -x])
        least = linprog(np.ones(10), A_eq=wide, b_eq=x @ solution.coef, method="highs")
        assert np.abs(solution.coef).sum() == pytest.approx(least.fun, rel=1e-6)


def test_a_sparse_fit_as_json(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,2\n2,3\n3,7\n4,8\n")
    asked = ["fit", str(path), "--target", "y", "--nonnegative", "--l1", "0.1", "--json"]
    assert run(asked) == 0
    assert json.loads(capsys.readouterr().out)["limit"] is None
