"""Levels of a large category, eliminated before the rest is solved for: the same in every bit."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import strategies as st
from tests.problems import least_squares_of, root_of
from tests.tiers import law

import steepest
from steepest.errors import MomentsError
from steepest.sums import equations

rng = np.random.default_rng(7)
N = 240
CITY = np.array([f"c{i:02d}" for i in rng.integers(0, 25, N)])
TABLE = {
    "x": rng.normal(1e3, 1.0, N),
    "z": np.where(np.arange(N) % 19 == 3, np.nan, rng.normal(0.0, 2.0, N)),
    "kind": rng.choice(list("pqr"), N),
    "city": CITY,
    "w": rng.integers(1, 5, N).astype(float),
    "y": rng.normal(size=N) + np.array([float(name[1:]) for name in CITY]),
}


def fit_quietly(**asked):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", steepest.SteepestWarning)
        return steepest.fit(TABLE, **asked)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"weights": "w"},
        {"weights": "w", "weight_kind": "frequency"},
        {"l2": 0.1},
        {"l2": 0.1, "scale": "none"},
        {"missing": "mean"},
        {"missing": "indicator"},
        {"references": {"city": "c11"}},
        {"rare": 8},
    ],
)
@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + z + city",
        "y ~ city + kind + x + 0",
        "y ~ x + kind:x + city + offset(w)",
        "y ~ city:kind + x",
    ],
)
def test_nothing_shows_of_the_elimination(formula, asked, monkeypatch):
    """The dense solution, which other tests take from elsewhere, is the same in every bit."""
    monkeypatch.setattr(equations, "TOGETHER", 1_000)
    dense = fit_quietly(formula=formula, **asked)
    monkeypatch.setattr(equations, "TOGETHER", 8)
    apart = fit_quietly(formula=formula, **asked)
    assert not dense.absorbed.terms
    assert len(apart.absorbed.terms) > 10
    assert apart.certificate == dense.certificate
    assert {*apart.coefficients.items()} == {*dense.coefficients.items()}
    assert apart.rows == dense.rows
    assert (apart.se is None) == (dense.se is None)
    if dense.se:
        assert {*apart.se.items()} == {*dense.se.items()}
        assert apart.residual_sd == dense.residual_sd
    for one, other in ((apart.loss, dense.loss), (apart.objective, dense.objective)):
        assert one == pytest.approx(other, rel=1e-13)
    assert apart.r2 == pytest.approx(dense.r2, abs=1e-13)


def test_against_fractions(monkeypatch):
    monkeypatch.setattr(equations, "TOGETHER", 8)
    model = fit_quietly(formula="y ~ x + city")
    levels = sorted({*CITY})
    rows = [
        [Fraction(1), Fraction(x), *(Fraction(name == level) for level in levels[1:])]
        for x, name in zip(TABLE["x"], CITY, strict=True)
    ]
    coef, variances, variance, r2 = least_squares_of(
        rows, [Fraction(v) for v in TABLE["y"]], centred=True
    )
    assert list(model.coefficients.values()) == [float(value) for value in coef]
    assert list(model.se.values()) == pytest.approx([root_of(v) for v in variances], rel=1e-14)
    assert model.residual_sd == root_of(variance)
    assert model.r2 == float(r2)


@law(
    st.lists(
        st.tuples(st.integers(0, 11), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)),
        min_size=30,
        max_size=60,
    ),
    st.sampled_from([0.0, 0.5]),
    few=12,
    many=100,
)
def test_any_rows(rows, l2):
    table = {
        "g": [f"g{i:02d}" for i, _, _ in rows],
        "x": [x for _, x, _ in rows],
        "y": [y for _, _, y in rows],
    }
    found = []
    before = equations.TOGETHER
    try:
        for limit in (1_000, 3):
            equations.TOGETHER = limit
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", steepest.SteepestWarning)
                try:
                    model = steepest.fit(table, target="y", l2=l2)
                except steepest.SteepestError as error:
                    found.append(type(error).__name__)
                else:
                    found.append(model)
    finally:
        equations.TOGETHER = before
    dense, apart = found
    if isinstance(apart, str) or isinstance(dense, str) or dense.certificate.ulps != 0.5:
        return
    assert apart.coefficients == pytest.approx(dense.coefficients, rel=0, abs=0)


def test_ten_thousand_levels(tmp_path):
    levels = np.array([f"id{i:05d}" for i in range(10_000)])
    which = np.repeat(np.arange(10_000), 3)
    own = np.random.default_rng(1)
    x = own.normal(size=30_000)
    noise = own.integers(-3, 4, 30_000) / 4.0
    table = {"id": levels[which], "x": x, "y": 2 * x + (which % 7) + noise}
    moments = steepest.scan(table, columns=["id", "x", "y"])
    model = steepest.fit(moments, target="y")
    within = [
        float(np.sum((x[i : i + 3] - x[i : i + 3].mean()) * table["y"][i : i + 3]))
        for i in range(0, 30_000, 3)
    ]
    square = [float(np.sum((x[i : i + 3] - x[i : i + 3].mean()) ** 2)) for i in range(0, 30_000, 3)]
    assert model.coefficients["x"] == pytest.approx(sum(within) / sum(square), rel=1e-12)
    assert len(model.coefficients) == 10_001
    assert model.certificate.ulps == 0.5
    assert "9,999 coefficients" in str(model)
    assert len(str(model).splitlines()) < 25
    model.save(tmp_path / "m.json")
    loaded = steepest.load(tmp_path / "m.json")
    assert loaded.coefficients == model.coefficients
    assert loaded.predict(table).tobytes() == model.predict(table).tobytes()
    with pytest.raises(MomentsError, match="no epochs"):
        _ = loaded.path
    with pytest.raises(MomentsError, match=r"'id' makes 10,000 coefficients"):
        steepest.fit(moments, target="y", epochs=10)


def test_a_second_large_category_is_refused_with_its_memory():
    n = 14_000
    table = {
        "a": [f"a{i % 6_000}" for i in range(n)],
        "b": [f"b{(i * 7) % 5_500}" for i in range(n)],
        "y": np.arange(n) % 13,
    }
    moments = steepest.scan(table, columns=["a", "b", "y"])
    with pytest.raises(MomentsError, match=r"beside the levels of 'a'.*5,499.* GB"):
        steepest.fit(moments, target="y")


def test_what_the_levels_explain_already_is_named(monkeypatch):
    monkeypatch.setattr(equations, "TOGETHER", 8)
    table = {**TABLE, "rent": [float(name[1:]) ** 2 for name in CITY]}
    with pytest.raises(MomentsError, match="'rent' varies only between the levels of 'city'"):
        steepest.fit(table, formula="y ~ x + rent + city")
    model = steepest.fit(table, formula="y ~ x + rent + city", l2=0.01)
    assert len(model.coefficients) == 3 + len({*CITY}) - 1
