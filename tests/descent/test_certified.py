"""The limit to the last bit: against exact fractions, at every scale, with what it claims."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.problems import correlated, root_of, solve_fractions

import steepest
from steepest.descent import certified
from steepest.errors import OptionError, ValueFoundError


def fit(X, y, **options):
    names = [f"x{j}" for j in range(X.shape[1])]
    return steepest.fit({**dict(zip(names, X.T, strict=True)), "y": y}, target="y", **options)


def minimise(X, y, intercept, l2, scale, weights=None):
    """The minimiser of the mean squared error plus the penalty, in fractions."""
    rows = [[Fraction(1)] * intercept + [Fraction(float(v)) for v in row] for row in X]
    target = [Fraction(float(v)) for v in y]
    n, q, p = len(rows), len(rows[0]), X.shape[1]
    gram = [[sum(r[i] * r[j] for r in rows) for j in range(q)] for i in range(q)]
    right = [sum(r[i] * v for r, v in zip(rows, target, strict=True)) for i in range(q)]
    for j in range(p):
        column = [r[intercept + j] for r in rows]
        mean = sum(column) / n if intercept else 0
        square = sum((v - mean) ** 2 for v in column) if scale == "standard" else n
        gram[intercept + j][intercept + j] += Fraction(l2) * square
    return solve_fractions(gram, right)


@pytest.mark.parametrize("scale", ["standard", "none"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("l2", [0.0, 1e-9, 0.3, 1e6])
@pytest.mark.parametrize("p", [1, 2, 5])
def test_correctly_rounded(p, l2, intercept, scale):
    rng = np.random.default_rng(p)
    X = rng.standard_normal((25, p)) * 10.0 ** rng.integers(-5, 6, p) + rng.integers(0, 3, p) * 1e3
    y = rng.standard_normal(25)
    model = fit(X, y, l2=l2, intercept=intercept, scale=scale)
    exact = minimise(X, y, intercept, l2, scale)
    assert list(model.coefficients.values()) == [float(value) for value in exact]
    assert model.certificate.ulps == 0.5
    assert "correctly rounded" in str(model)


@pytest.mark.parametrize("scale", ["standard", "none"])
@pytest.mark.parametrize("l2", [0.0, 1e-9])
@pytest.mark.parametrize("p", [2, 5])
def test_correctly_rounded_by_digits(p, l2, scale, monkeypatch):
    """As many columns are: products of whole numbers by products of their digits."""
    monkeypatch.setattr(certified, "MANY", 1)
    test_correctly_rounded(p, l2, True, scale)


number = st.one_of(
    st.integers(-9, 9).map(float),
    st.sampled_from([2.0**18, 2.0**-18, 1e6, 0.1]),
    st.floats(1e-3, 1e3),
)
small = st.tuples(st.integers(4, 9), st.integers(1, 3)).flatmap(
    lambda shape: st.tuples(
        arrays(float, shape, elements=number), arrays(float, shape[0], elements=number)
    )
)


@settings(max_examples=60, deadline=None)
@given(small, st.sampled_from([0.125, 1.0, 1e-3, 1e-12]))
@example((np.eye(4)[:, [3, 3, 2]] * [2.0**18, 2.0**18, 1.0], np.eye(4)[3]), 1e-3)
def test_any_small_problem(found, l2):
    """A penalty makes the minimiser unique, however the columns depend on each other."""
    X, y = found
    assume(X.any(axis=0).all())
    model = fit(X, y, l2=l2, scale="none", intercept=False)
    assert list(model.coef) == [float(value) for value in minimise(X, y, False, l2, "none")]
    assert model.certificate.ulps == 0.5


def test_polynomials_of_high_degree():
    """Their columns depend so nearly on each other that doubles cannot factor their moments."""
    x = np.linspace(-9, -3, 82)
    y = np.sin(x)
    formula = "y ~ " + " + ".join(["x", *(f"x^{k}" for k in range(2, 11))])
    with pytest.warns(steepest.SteepestWarning, match="nearly collinear"):
        model = steepest.fit({"x": x, "y": y}, formula=formula)
    powers = [[Fraction(float(v)) ** k for k in range(11)] for v in x]
    gram = [[sum(r[i] * r[j] for r in powers) for j in range(11)] for i in range(11)]
    right = [
        sum(r[i] * Fraction(float(v)) for r, v in zip(powers, y, strict=True)) for i in range(11)
    ]
    exact = solve_fractions(gram, right)
    assert list(model.coefficients.values()) == [float(value) for value in exact]
    assert model.certificate.ulps == 0.5


@pytest.mark.parametrize("exponents", [(-150, 150), (-300, 300), (-308, -308), (300, 300)])
@pytest.mark.parametrize("intercept", [True, False])
def test_columns_whose_squares_are_no_doubles(exponents, intercept):
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((12, 2)) * 10.0 ** np.array(exponents), rng.standard_normal(12)
    model = fit(X, y, intercept=intercept)
    exact = minimise(X, y, intercept, 0, "standard")
    assert list(model.coefficients.values()) == [float(value) for value in exact]
    assert list(model.path.at(None).values()) == list(model.coefficients.values())
    at = model.path.at(10_000_000)
    assert list(at.values()) == pytest.approx([float(value) for value in exact], rel=1e-9)
    if max(map(abs, exponents)) > 150:
        with pytest.raises(ValueFoundError, match="scale='none'"):
            fit(X, y, scale="none")


@pytest.mark.parametrize("intercept", [True, False])
def test_a_coefficient_that_doubles_round_to_nothing_is_refused(intercept):
    x, y = np.array([[1e308], [-1e308], [3e307]]), np.array([1.0, 2.0, 4.0])
    exact = minimise(x, y, intercept, 0, "standard")
    found = fit(x, y, intercept=intercept).coefficients
    assert list(found.values()) == [float(value) for value in exact]
    for options in ({}, {"epochs": 5}, {"l2": 0.1}):
        with pytest.raises(ValueFoundError, match="coefficient of 'x0'"):
            fit(x, y * 1e-150, intercept=intercept, **options)
    with pytest.warns(steepest.SteepestWarning, match="is constant"):
        assert fit(x, np.ones(3)).coefficients["x0"] == 0.0


@pytest.mark.parametrize("precision", ["exact", "double"])
def test_curvatures_that_are_no_doubles_are_refused(precision):
    with pytest.raises(ValueFoundError, match="scale='none'"):
        fit(np.array([[1e154], [-8e153]]), [1.0, 2.0], scale="none", l2=0.1, precision=precision)


@pytest.mark.parametrize("k", [-900, -300, -53, -1, 1, 60, 300, 900])
def test_a_column_times_a_power_of_two(k):
    X, y = correlated(60, 3).X, correlated(60, 3).y
    scaled = X.copy()
    scaled[:, 1] = np.ldexp(X[:, 1], k)
    one, two = fit(X, y), fit(scaled, y)
    assert two.coef[1] == math.ldexp(one.coef[1], -k)
    assert two.se["x1"] == math.ldexp(one.se["x1"], -k)
    assert [two.coef[0], two.coef[2], two.intercept] == [one.coef[0], one.coef[2], one.intercept]
    assert (two.loss, two.r2, two.residual_sd) == (one.loss, one.r2, one.residual_sd)


def test_halfway_between_two_doubles():
    """Ties go to the even neighbour, and that is proven too."""
    for above in (1, 3):
        table = {"x": pa.array([2**53, 2**53]), "y": pa.array([2**53 + above] * 2)}
        model = steepest.fit(table, target="y", intercept=False)
        expected = float(Fraction(2**53 + above, 2**53))
        assert model.coef[0] == expected
        assert model.certificate.ulps == 0.5


@pytest.mark.parametrize("above", [1, 3, -1])
def test_one_of_several_values_halfway(above):
    """The intercept lies half way, the slope beside it nowhere near."""
    x = np.array([0.0, 0.0, 1.0, 3.0, 3.0])
    y = np.array([1.0, 1.0, 0.0, 0.0, 1.0])
    X = np.column_stack([x, np.array([1.0, -1.0, 0.0, 0.0, 0.0])])
    y = y + X[:, 1] * (2.0**53 + 2.0 * above) / 2
    exact = minimise(X, y, True, 0, "standard")
    model = fit(X, y)
    assert list(model.coefficients.values()) == [float(value) for value in exact]
    assert model.certificate.ulps == 0.5


def test_a_tie_of_rational_neighbours():
    """A sum of squares of 16 makes dyadic coefficients of 54 bits, and some of them ties."""
    rng = np.random.default_rng(3)
    x = np.array([3.0, 3.0, 1.0, 3.0, 2.0])
    ties = 0
    for _ in range(100):
        y = rng.standard_normal(5)
        exact = minimise(x[:, None], y, True, 0, "standard")
        ties += any(is_tie(value) for value in exact)
        model = fit(x[:, None], y)
        assert list(model.coefficients.values()) == [float(value) for value in exact]
        assert model.certificate.ulps == 0.5
    assert ties


def is_tie(value):
    near = Fraction(float(value))
    return 2 * abs(value - near) == Fraction(math.ulp(float(near)))


def test_zero_is_zero():
    model = fit(np.arange(1.0, 9.0)[:, None], 2 * np.arange(1.0, 9.0) + 1)
    assert model.coefficients == {"intercept": 1.0, "x0": 2.0}
    assert (model.loss, model.r2, model.residual_sd) == (0.0, 1.0, 0.0)
    model = fit(np.array([[1.0], [2.0], [3.0]]) * 3, np.array([1.0, 2.0, 3.0]))
    assert model.coefficients == {"intercept": 0.0, "x0": float(Fraction(1, 3))}


@pytest.mark.parametrize("bits", [80, 90, 100])
def test_what_cannot_be_rounded_is_bounded(monkeypatch, bits):
    """With few bits the same proof gives a wider bound, and the bound holds."""
    X, y = correlated(80, 4).X, correlated(80, 4).y
    exact = fit(X, y)
    monkeypatch.setattr(certified, "BITS", (bits,))
    monkeypatch.setattr(certified, "LAST_BITS", bits)
    monkeypatch.setattr(certified, "FEW", 0)
    model = fit(X, y)
    assert 1 <= model.certificate.ulps < 2**52
    for name, value in model.coefficients.items():
        gap = abs(Fraction(value) - Fraction(exact.coefficients[name]))
        largest = max(abs(value), abs(exact.coefficients[name]))
        assert gap <= (model.certificate.ulps + 0.5) * Fraction(math.ulp(largest))


def test_no_certificate_where_sums_were_rounded_or_the_descent_stops():
    X, y = correlated().X, correlated().y
    assert fit(X, y, precision="double").certificate is None
    stopped = fit(X, y, epochs=5)
    assert stopped.certificate is None
    assert stopped.se is None
    limit = fit(X, y)
    assert stopped.path.at(None) == limit.coefficients
    assert stopped.path.loss(None) == limit.loss


def test_the_rows_of_levels_are_exact_too():
    rng = np.random.default_rng(4)
    level = rng.choice(["a", "b", "c"], 40)
    flag = rng.random(40) < 0.4
    x, y = rng.standard_normal((2, 40))
    model = steepest.fit({"s": level, "f": flag, "x": x, "y": y}, target="y")
    X = np.column_stack([level == "b", level == "c", flag, x]).astype(float)
    assert list(model.coefficients) == ["intercept", "s[b]", "s[c]", "f[true]", "x"]
    exact = minimise(X, y, True, 0, "standard")
    assert list(model.coefficients.values()) == [float(value) for value in exact]


def test_starts_do_not_change_a_unique_limit():
    X, y = correlated(50, 2).X, correlated(50, 2).y
    assert fit(X, y, w=[5.0, -3.0]).coefficients == fit(X, y).coefficients
    with pytest.raises(OptionError):
        fit(X, y, l2=-1.0)


def test_a_coefficient_beyond_doubles_is_refused():
    x, y = np.arange(1.0, 6.0), np.array([1.0, 3.0, 2.0, 5.0, 4.0])
    for options in ({}, {"epochs": 500}, {"l2": 1e-3}):
        with pytest.raises(ValueFoundError, match="coefficient of 'x0'"):
            fit((x * 2.0**-1070)[:, None], y, **options)
    with pytest.raises(ValueFoundError, match="coefficient of 'x0'"):
        fit(np.array([[-9e-301, -3e152], [1e-300, -9e152]]), np.array([5e149, 3e149]), l2=1e-300)


@pytest.mark.parametrize("power", [-1060, -500, 500, 1020])
def test_weights_of_any_size(power):
    """Weights are relative; that their sum is no double changes nothing."""
    X, y = correlated(30, 2).X, correlated(30, 2).y
    w = np.random.default_rng(2).integers(1, 9, 30).astype(float)
    table = {"x0": X[:, 0], "x1": X[:, 1], "y": y}
    one = steepest.fit({**table, "w": w}, target="y", weights="w")
    far = steepest.fit({**table, "w": np.ldexp(w, power)}, target="y", weights="w")
    assert far.coefficients == one.coefficients
    assert (far.loss, far.r2) == (one.loss, one.r2)
    assert far.se == one.se
    assert far.path.at(3) == pytest.approx(one.path.at(3), rel=1e-12)


def test_the_loss_of_rows_that_hardly_count():
    """Two rows fix the line; what the others leave is far below the rounding of the line."""
    x, y = np.array([0.0, 1.0, 2.0, 5.0]), np.array([1.0, 2.0, 4.0, -3.0])
    w = np.array([1e300, 1e300, 1e-300, 1e-290])
    model = steepest.fit({"x": x, "y": y, "w": w}, target="y", weights="w")
    rows = [[Fraction(1), Fraction(v)] for v in x]
    weights = [Fraction(v) for v in w]
    gram = [
        [sum(k * r[i] * r[j] for k, r in zip(weights, rows, strict=True)) for j in range(2)]
        for i in range(2)
    ]
    right = [
        sum(k * r[i] * Fraction(v) for k, r, v in zip(weights, rows, y, strict=True))
        for i in range(2)
    ]
    exact = solve_fractions(gram, right)
    left = sum(
        k * (Fraction(v) - exact[0] - exact[1] * r[1]) ** 2
        for k, r, v in zip(weights, rows, y, strict=True)
    )
    assert model.residual_sd == root_of(left / 2) > 0
    assert list(model.coefficients.values()) == [float(value) for value in exact]


def test_a_descent_that_doubles_cannot_follow():
    """The loss after some epochs is that of the coefficients, and the note says what is not."""
    x = np.arange(1.0, 21.0)
    z = x + 1e-8 * (-1.0) ** np.arange(20)
    y = (z - x) * 1e8
    with pytest.warns(steepest.SteepestWarning, match="cannot follow the descent in 1 direction"):
        model = fit(np.column_stack([x, z]), y, epochs=1000)
    left = [
        Fraction(v) - Fraction(model.intercept)
        - sum(Fraction(float(c)) * Fraction(e) for c, e in zip(model.coef, row, strict=True))
        for row, v in zip(np.column_stack([x, z]).tolist(), y.tolist(), strict=True)
    ]  # fmt: skip
    assert model.loss == float(sum(v * v for v in left) / 20)
    assert model.loss == pytest.approx(0.9925, rel=1e-3)
    assert model.r2 == pytest.approx(1 - model.loss / y.var(), rel=1e-9)


@pytest.mark.parametrize("far", [1e8, 1e10, 1e16])
def test_a_descent_of_columns_far_from_0(far):
    """As they are, beside an intercept: what is printed is the loss of what is printed."""
    rng = np.random.default_rng(0)
    table = {name: far + 2 * np.round(rng.normal(size=200) * 10) for name in ("a", "b")}
    y = rng.normal(1, 3, 200)
    with pytest.warns(steepest.SteepestWarning, match="so far from 0"):
        model = steepest.fit({**table, "y": y}, target="y", scale="none", epochs=100)
    w = [Fraction(model.coefficients[name]) for name in table]
    rows = [[Fraction(v) for v in row] for row in zip(*table.values(), y, strict=True)]
    known = Fraction(model.intercept)
    loss = sum((known + w[0] * a + w[1] * b - t) ** 2 for a, b, t in rows) / 200
    assert model.loss == pytest.approx(float(loss), rel=1e-12)


@pytest.mark.parametrize("l2", [1e4, 1e10, 1e14])
def test_a_large_penalty_keeps_the_digits_of_the_path(l2):
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((12, 2)) * 1e-2, rng.standard_normal(12)
    model = fit(X, y, l2=l2, scale="none", intercept=False)
    assert model.path.loss(0) == pytest.approx(np.mean(y**2), rel=1e-13)
    with pytest.raises(OptionError, match="from 0 to 1e300"):
        fit(X, y, l2=1e305)


def test_what_depends_is_not_certified():
    X, y = correlated(30, 2).X, correlated(30, 2).y
    with pytest.warns(steepest.SteepestWarning, match="collinear"):
        model = fit(np.column_stack([X, X[:, 0]]), y)
    assert model.certificate.ulps is None
    assert "not proven" in str(model)
