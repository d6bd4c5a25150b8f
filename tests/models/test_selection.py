"""Columns chosen: every subset tried by brute force, criteria by their formulas, honest errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold

import steepest
from steepest.descent.subsets import search_all, search_backward, search_forward
from steepest.errors import FoldsError, OptionError, StudyError, TooFewRowsError

N, P = 120, 9


def make(n=N, p=P, rho=0.6, noise=1.0, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, p))
    for j in range(1, p):
        x[:, j] = rho * x[:, j - 1] + np.sqrt(1 - rho**2) * x[:, j]
    w = np.where(np.arange(p) % 3 == 0, random.normal(size=p), 0.0)
    return x, x @ w + noise * random.normal(size=n)


def as_table(x, y):
    return {**{f"x{j}": x[:, j] for j in range(x.shape[1])}, "y": y}


def rss(x, y, at):
    design = np.column_stack([np.ones(len(y)), x[:, list(at)]])
    return float(np.sum((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2))


def brute(x, y):
    p = x.shape[1]
    return {
        k: min(itertools.combinations(range(p), k), key=lambda at: rss(x, y, at))
        for k in range(p + 1)
    }


def correlations(x, y):
    z, t = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()
    return z.T @ z / len(y), z.T @ t / len(y)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 8),
    st.sampled_from([0.0, 0.6, 0.99]),
    st.sampled_from([0.05, 1.0, 20.0]),
)
def test_all_subsets_are_those_of_brute_force(seed, p, rho, noise):
    x, y = make(40, p, rho, noise, seed)
    found, known = search_all(*correlations(x, y)), brute(x, y)
    assert found.keys() == known.keys()
    for size, at in known.items():
        assert rss(x, y, found[size]) == pytest.approx(rss(x, y, at), rel=1e-9)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(4))
def test_all_subsets_of_twelve_columns(seed):
    x, y = make(80, 12, 0.8, 3.0, seed)
    assert search_all(*correlations(x, y)) == brute(x, y)


def test_forward_and_backward_are_greedy():
    x, y = make()
    forward, backward = search_forward(*correlations(x, y)), search_backward(*correlations(x, y))
    chosen: list[int] = []
    for size in range(1, P + 1):
        chosen.append(min({*range(P)} - {*chosen}, key=lambda j: rss(x, y, [*chosen, j])))
        assert forward[size] == tuple(sorted(chosen))
    kept = list(range(P))
    for size in range(P - 1, -1, -1):
        kept.remove(min(kept, key=lambda j: rss(x, y, [k for k in kept if k != j])))
        assert backward[size] == tuple(kept)


def test_forward_is_scikit_learns():
    x, y = make()
    found = steepest.select(as_table(x, y), "y", method="forward")
    whole = [(np.arange(N), np.arange(N))]  # judged on the rows that it is fitted to
    known = SequentialFeatureSelector(
        LinearRegression(), n_features_to_select=4, scoring="neg_mean_squared_error", cv=whole
    ).fit(x, y)
    assert found.subsets[4].names == tuple(f"x{j}" for j in np.flatnonzero(known.get_support()))


@pytest.mark.parametrize("precision", ["exact", "double"])
def test_criteria_are_their_formulas(precision):
    x, y = make()
    found = steepest.select(as_table(x, y), "y", precision=precision)
    full = rss(x, y, range(P)) / (N - P - 1)
    total = rss(x, y, ())
    for subset, (size, at) in zip(found.subsets, brute(x, y).items(), strict=True):
        own, d = rss(x, y, at), size + 1
        assert subset.at == at
        assert subset.names == tuple(f"x{j}" for j in at)
        assert subset.loss == pytest.approx(own / N, rel=1e-10)
        assert subset.r2 == pytest.approx(1 - own / total, rel=1e-10)
        adjusted = 1 - (own / (N - d)) / (total / (N - 1))
        assert subset.adjusted_r2 == pytest.approx(adjusted, rel=1e-10, abs=1e-12)
        log = N * np.log(2 * np.pi * own / N) + N
        assert subset.aic == pytest.approx(log + 2 * d, rel=1e-12)
        assert subset.bic == pytest.approx(log + d * np.log(N), rel=1e-12)
        assert subset.cp == pytest.approx(own / full - N + 2 * d, rel=1e-8, abs=1e-8)
    for name in ("aic", "bic", "cp"):
        assert found.choose(name) is min(found.subsets, key=lambda s: s.score(name))
    assert found.best is found.choose("bic")


def test_the_error_is_that_of_the_search():
    x, y = make(seed=3)
    found = steepest.select(as_table(x, y), "y", folds="contiguous:4")
    known = np.empty((4, P + 1))
    for i, (train, held) in enumerate(KFold(4).split(x)):
        for size, at in brute(x[train], y[train]).items():
            own = list(at)
            model = LinearRegression().fit(x[train][:, own], y[train]) if own else None
            fitted = model.predict(x[held][:, own]) if model else y[train].mean()
            known[i, size] = np.mean((y[held] - fitted) ** 2)
    np.testing.assert_allclose([s.error for s in found.subsets], known.mean(0), rtol=1e-9)
    assert found.criterion == "held-out"
    assert found.best.size == int(known.mean(0).argmin())
    assert found.one_se.size <= found.best.size
    assert found.one_se.error <= found.best.error + found.best.se


def test_the_model_of_the_best_is_its_least_squares():
    x, y = make()
    found = steepest.select(as_table(x, y), "y")
    model = found.best_model
    known = LinearRegression().fit(x[:, list(found.best.at)], y)
    np.testing.assert_allclose(model.coef, known.coef_, rtol=1e-10)
    assert tuple(model.names) == found.best.names
    assert model.loss == pytest.approx(found.best.loss, rel=1e-12)
    assert found.refit(found.subsets[2]).names == found.subsets[2].names
    assert "* the lowest" in str(found)


def test_levels_dependent_and_constant_columns():
    x, y = make()
    city = np.random.default_rng(0).choice(["a", "b", "c"], N)
    table = as_table(x, y + 3 * (city == "b")) | {"city": city, "one": np.ones(N)}
    table["twin"] = 2 * x[:, 3] - x[:, 5]
    found = steepest.select(table, "y")
    assert found.notes == ("'twin' depends on the others, and was left out.",)
    assert "city[b]" in found.best.names
    assert "city[c]" not in found.best.names
    model = found.best_model
    assert model.predict({n: v for n, v in table.items() if n != "y"}).shape == (N,)
    assert len(found.subsets) == P + 3


def test_a_perfect_fit():
    x, _ = make()
    found = steepest.select(as_table(x, 2 * x[:, 1] - x[:, 4]), "y")
    assert found.best.names[:2] == ("x1", "x4")
    assert found.subsets[2].names == ("x1", "x4")
    assert all(s.loss >= 0 for s in found.subsets)


def test_weights():
    x, y = make()
    weight = np.random.default_rng(0).integers(1, 4, N)
    rows = np.repeat(np.arange(N), weight)
    found = steepest.select(
        as_table(x, y) | {"w": weight}, "y", weights="w", weight_kind="frequency"
    )
    known = steepest.select(as_table(x[rows], y[rows]), "y")
    assert [s.names for s in found.subsets] == [s.names for s in known.subsets]
    np.testing.assert_allclose(
        [s.bic for s in found.subsets], [s.bic for s in known.subsets], rtol=1e-12
    )


def test_what_is_refused():
    x, y = make()
    table = as_table(x, y)
    with pytest.raises(OptionError, match="method='bets' is not known"):
        steepest.select(table, "y", method="bets")
    with pytest.raises(OptionError, match="criterion"):
        steepest.select(table, "y", criterion="r2")
    with pytest.raises(OptionError, match="is not known here"):
        steepest.select(table, "y", criterion="held-out").best  # noqa: B018
    with pytest.raises(TooFewRowsError):
        steepest.select({name: column[:9] for name, column in table.items()}, "y")
    with pytest.raises(StudyError, match="source is moments"):
        steepest.select(steepest.scan(table), "y", folds=5)
    with pytest.raises(FoldsError, match="in one fold"):
        steepest.select(table | {"g": ["a"] * N}, "y", folds="g")
    wide = np.random.default_rng(0).normal(size=(60, 42))
    with pytest.raises(OptionError, match="for 41 columns, but for at most 40"):
        steepest.select(as_table(wide[:, :41], wide[:, 41]), "y")
    forward = steepest.select(as_table(wide[:, :41], wide[:, 41]), "y", method="forward")
    assert len(forward.subsets) == 42


def test_thirty_columns_take_a_moment():
    """2³⁰ subsets; each size no worse than the greedy searches find it."""
    x, y = make(400, 30, 0.7, 2.0)
    matrix, cross = correlations(x, y)
    found = search_all(matrix, cross)
    for other in (search_forward(matrix, cross), search_backward(matrix, cross)):
        for size, at in other.items():
            assert rss(x, y, found[size]) <= rss(x, y, at) * (1 + 1e-12)
