"""Penalties that make coefficients 0: their conditions, scikit-learn's solutions, hard columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from sklearn.linear_model import enet_path

from steepest.descent.coordinate import Penalised, find_largest


def make(n, p, rho=0.5, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, p))
    for j in range(1, p):
        x[:, j] = rho * x[:, j - 1] + np.sqrt(1 - rho**2) * x[:, j]
    y = x[:, ::4] @ random.normal(size=len(range(0, p, 4))) + random.normal(size=n)
    x, y = x - x.mean(0), y - y.mean()
    return x / x.std(0), y


def problem(x, y, l1, l2, **options):
    n, p = x.shape
    own = np.broadcast_to(l1, p).astype(float), np.broadcast_to(l2, p).astype(float)
    return Penalised(x.T @ x / n, x.T @ y / n, float(y @ y / n), *own, **options)


def objective(found, beta):
    loss = found.square - 2 * found.cross @ beta + beta @ found.matrix @ beta
    return loss + found.l1 @ np.abs(beta) + found.l2 @ beta**2


def violation(found, beta):
    """How far the conditions of the minimum are from being met."""
    gradient = found.cross - (found.matrix + np.diag(found.l2)) @ beta
    half = found.l1 / 2
    zero = np.maximum((gradient if found.nonnegative else np.abs(gradient)) - half, 0)
    return np.where(beta == 0, zero, np.abs(gradient - half * np.sign(beta))).max()


@pytest.mark.parametrize("ratio", [1.0, 0.5])
@pytest.mark.parametrize(("n", "p", "rho"), [(200, 30, 0.5), (300, 60, 0.95)])
def test_paths_are_scikit_learns(n, p, rho, ratio):
    x, y = make(n, p, rho)
    top = find_largest(x.T @ y / n, np.ones(p))
    sizes = np.geomspace(top, top / 1000, 40)
    _, known, _ = enet_path(x, y, l1_ratio=ratio, alphas=sizes / 2, tol=1e-14, max_iter=10**6)
    start = None
    for size, coef in zip(sizes, known.T, strict=True):
        found = problem(x, y, size * ratio, size * (1 - ratio) / 2).minimise(start)
        np.testing.assert_allclose(found.coef, coef, atol=1e-10)
        assert 0 <= found.gap < 1e-12 * (y @ y / n)
        start = found.coef
    assert not problem(x, y, top, 0).minimise().coef.any()
    assert problem(x, y, top * 0.999, 0).minimise().coef.any()


def test_nonnegative_least_squares_is_scipys():
    x, y = make(150, 20, 0.9)
    found = problem(x, y, 0.0, 0.0, nonnegative=True).minimise()
    np.testing.assert_allclose(found.coef, nnls(x, y)[0], atol=1e-12)
    assert (found.coef == 0).any()


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.5, 0.999]),
    st.sampled_from([0.0, 0.01, 0.3]),
    st.booleans(),
)
def test_the_conditions_of_a_minimum_are_met(seed, p, rho, l2, nonnegative):
    x, y = make(40, p, rho, seed)
    random = np.random.default_rng(seed)
    factors = random.choice([0.0, 0.3, 1.0, 5.0], p)
    top = find_largest(x.T @ y / 40, np.ones(p), nonnegative=nonnegative)
    found = problem(x, y, 0.2 * top * factors, l2 * factors, nonnegative=nonnegative)
    solution = found.minimise()
    scale = np.abs(found.cross).max()
    assert violation(found, solution.coef) <= 1e-11 * scale
    other = problem(x, y, 0.2 * top * factors, l2 * factors, nonnegative=nonnegative).minimise(
        random.normal(size=p)
    )
    np.testing.assert_allclose(solution.coef, other.coef, atol=1e-8)
    assert np.isnan(solution.gap) or solution.gap <= 1e-12 * found.square


@pytest.mark.parametrize("l1", [0.3, 0.01])
def test_columns_that_depend_on_each_other(l1):
    """Many minimisers: any of them has the same objective, and its gap says so."""
    x, y = make(100, 6)
    x = np.column_stack([x, x[:, 0], -x[:, 1], np.zeros(100)])
    found = problem(x, y, l1, 0.0)
    solution = found.minimise()
    apart = problem(x[:, :6], y, l1, 0.0)
    best = objective(apart, apart.minimise().coef)
    assert objective(found, solution.coef) == pytest.approx(best, rel=1e-9)
    assert solution.gap < 1e-8 * found.square
    assert solution.coef[-1] == 0


def test_more_columns_than_rows():
    x, y = make(40, 100, 0.3)
    top = find_largest(x.T @ y / 40, np.ones(100))
    for share in (0.5, 0.1, 0.01):
        found = problem(x, y, share * top, 0.0)
        solution = found.minimise()
        assert violation(found, solution.coef) < 1e-5 * np.abs(found.cross).max()
        assert solution.gap < 1e-6 * found.square


def test_the_gap_bounds_the_error():
    x, y = make(100, 8)
    found = problem(x, y, 0.2, 0.05)
    best = objective(found, found.minimise().coef)
    random = np.random.default_rng(1)
    for _ in range(50):
        beta = random.normal(size=8)
        assert objective(found, beta) - best <= found.gap(beta) * (1 + 1e-12)


def test_no_columns():
    empty = problem(np.zeros((5, 0)), np.ones(5), 0.1, 0.1)
    assert empty.minimise().coef.shape == (0,)
