"""``y ~ x + x^2 + 0``: what is read, what is refused, and powers without rounding."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import steepest
from steepest.data.expressions import Splines
from steepest.data.formula import parse_expression, parse_formula, term_label
from steepest.errors import (
    ColumnKindError,
    ColumnNameError,
    ColumnNotFoundError,
    FormulaError,
    OptionError,
    ValueFoundError,
)


@pytest.mark.parametrize(
    ("text", "target", "terms", "intercept"),
    [
        ("y ~ x", "y", ["x"], True),
        ("y~x+x^2 +x^3", "y", ["x", "x^2", "x^3"], True),
        ("y ~ x + 0", "y", ["x"], False),
        ("y ~ 0 + x", "y", ["x"], False),
        ("y ~ x - 1", "y", ["x"], False),
        ("y ~ x + 1", "y", ["x"], True),
        ("y ~ x ^ 12", "y", ["x^12"], True),
        ("y ~ x^1", "y", ["x"], True),
        ("`net price` ~ `floor area`^2 + größe", "`net price`", ["`floor area`^2", "größe"], True),
        ("a.b ~ c_d", "a.b", ["c_d"], True),
        ("log(y) ~ poly(x, 3) - x", "log(y)", ["x^2", "x^3"], True),
        ("y ~ a*b*c", "y", ["a", "b", "c", "a:b", "a:c", "b:c", "a:b:c"], True),
        ("y ~ a:C(b):log(c)", "y", ["a:C(b):log(c)"], True),
        ("y ~ spline(x, knots=[-1, 2.5])", "y", ["spline(x, knots=[-1.0, 2.5])"], True),
        ("y ~ `a``b` + log(`c d`)", "y", ["a`b", "log(`c d`)"], True),
        ("y ~ log + C", "y", ["log", "C"], True),
        ("y ~ a*b - a:b", "y", ["a", "b"], True),
        ("y ~ a*b + a*x", "y", ["a", "b", "a:b", "x", "a:x"], True),
        ("y ~ a + a*b + b", "y", ["a", "b", "a:b"], True),
    ],
)
def test_what_is_read(text, target, terms, intercept):
    found = parse_formula(text)
    assert str(found.target) == target
    assert [term_label(term) for term in found.terms] == terms
    assert found.intercept is intercept


def test_an_offset_is_no_term():
    found = parse_formula("y ~ x + offset(log(t))")
    assert (str(found.offset), [term_label(t) for t in found.terms]) == ("log(t)", ["x"])
    assert [term_label(t) for t in parse_formula("y ~ offset + x").terms] == ["offset", "x"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the target"), ("y", "'~'"), ("y ~", "a column"), ("y ~ x +", "a column"),
        ("y ~ x x", "'+' or the end"), ("y ~ x / z", "a name, a number"),
        ("y ~ x^", "a whole power"),
        ("y ~ x^0", "a whole power"), ("y ~ x^2.5", "a whole power"),
        ("y ~ x^21", "a whole power"), ("y ~ x + x", "twice"), ("y ~ x^2 + x^2", "twice"),
        ("y ~ a:b + b:a", "twice"), ("y ~ y + x", "target"), ("y ~ 0", "no"),
        ("y ~ x - z", "a term that is there"), ("~ x", "the target"),
        ("y ~ `x", "a name, a number"),
        ("y = x", "'~'"), ("y ~ lgo(x)", "'lgo' is no function"), ("y ~ log(x", "')'"),
        ("y ~ log(poly(x, 2))", "a single column"), ("y ~ spline(x)", "','"),
        ("y ~ spline(x, knots=[2, 1])", "a knot above"), ("y ~ spline(x, 0)", "a number of knots"),
        ("y ~ month(log(d))", "a plain column"), ("y ~ x:offset(z)", "only as a term"),
        ("y ~ C(x)^2", "no power"), ("y ~ __import__(x)", "is no function"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(text, words):
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    assert words in str(caught.value)
    assert "Hint: " in str(caught.value)


@given(st.text(alphabet="yxClogsp~+-^*:()[]=, 0123`.é\n", max_size=24))
def test_any_text_is_read_or_refused(text):
    try:
        found = parse_formula(text)
    except FormulaError:
        return
    assert found.terms
    assert str(found.target)
    for term in found.terms:
        for factor in term:
            if not isinstance(factor, Splines):
                assert parse_expression(str(factor)) == factor


wide = st.one_of(
    st.floats(-1e8, 1e8), st.floats(-1e-3, 1e-3), st.integers(-(2**62), 2**62),
    st.decimals(-1000, 1000, places=4),
)  # fmt: skip


@given(st.lists(wide, min_size=1, max_size=8), st.integers(2, 12))
def test_powers_are_exact(values, power):
    kinds = {float: pa.float64(), int: pa.int64(), Decimal: pa.decimal128(20, 4)}
    for kind, arrow in kinds.items():
        own = [value for value in values if isinstance(value, kind)]
        if not own:
            continue
        table = pa.table({"x": pa.array(own, arrow)})
        if kind is float and any(0 < abs(v) < 1e-20 for v in own):
            continue
        moments = steepest.scan({"x": table["x"], "y": [1.0] * len(own)}, formula=f"y ~ x^{power}")
        name = f"x^{power}"
        exact = sum(Fraction(v) ** power for v in own) / len(own)
        assert moments.describe()[name].mean == float(exact)


def test_predictions_raise_the_column():
    x = np.array([0.0, 1.0, 2.0, 3.0, 5.0])
    model = steepest.fit({"x": x, "y": 2 + 3 * x**2 - x**3}, formula="y ~ x^2 + x^3")
    assert model.coefficients == {"intercept": 2.0, "x^2": 3.0, "x^3": -1.0}
    assert model.predict({"x": [10.0, 4.0]}).tolist() == [2 + 300 - 1000, 2 + 48 - 64]


def test_powers_are_saved(tmp_path):
    x = np.array([0.0, 1.0, 2.0, 3.0, 5.0])
    model = steepest.fit({"x": x, "y": 2 + 3 * x**2}, formula="y ~ x + x^2 + 0")
    model.save(tmp_path / "m.json")
    loaded = steepest.load(tmp_path / "m.json")
    assert loaded.coefficients == model.coefficients
    assert loaded.predict({"x": [7.0]}).tobytes() == model.predict({"x": [7.0]}).tobytes()


def test_moments_of_powers_are_fitted_by_formula():
    table = {"x": [1.0, 2.0, 3.0, 4.0, 7.0], "y": [1.0, 3.0, 2.0, 5.0, 4.0]}
    moments = steepest.scan(table, formula="y ~ x + x^2 + x^3")
    for formula in ("y ~ x + x^2", "y ~ x^3 + 0", "y ~ x"):
        one = steepest.fit(moments, formula=formula).coefficients
        assert one == steepest.fit(table, formula=formula).coefficients


def test_powers_are_not_in_moments_of_plain_columns():
    moments = steepest.scan({"x": [1.0, 2.0, 4.0], "y": [1.0, 2.0, 3.0]})
    with pytest.raises(ColumnNotFoundError, match=r"'x\^2'.*formed in the scan|formula='"):
        steepest.fit(moments, formula="y ~ x + x^2")


def test_what_a_formula_cannot_ask_for():
    table = {"x": [1.0, 2.0, 3.0], "s": ["a", "b", "a"], "y": [1.0, 2.0, 4.0]}
    with pytest.raises(ColumnKindError, match="'s'"):
        steepest.fit(table, formula="y ~ s^2")
    with pytest.raises(ColumnNotFoundError, match="'z'"):
        steepest.fit(table, formula="y ~ z")
    with pytest.raises(OptionError, match="formula"):
        steepest.fit(table, formula="y ~ x", target="y")
    with pytest.raises(ColumnNameError, match=r"x\^2"):
        steepest.scan({**table, "x^2": [1.0, 4.0, 9.0]}, formula="y ~ `x^2` + x^2")
    many = pa.array([Decimal("1.5"), Decimal("2.25")], pa.decimal128(38, 18))
    with pytest.raises(ValueFoundError, match="row 1"):
        steepest.scan({"x": many, "y": [1.0, 2.0]}, formula="y ~ x^18")
    with pytest.raises(ValueFoundError, match="row 2"):
        steepest.scan({"x": [1.0, 1e200], "y": [1.0, 2.0]}, formula="y ~ x^5")


def test_a_factor_that_cannot_be_split_is_refused(tmp_path):
    """1e308 · 1e-300 is 1e8; but the halves of 1e308 would not be doubles on the way."""
    table = {"x": [1.0, 2.0, 1e-300], "z": [2.0, 3.0, 1e308], "y": [1.0, 2.0, 4.0]}
    with pytest.raises(ValueFoundError, match=r"in row 3: 1e-300 times 1e\+308"):
        steepest.fit(table, formula="y ~ x:z")
