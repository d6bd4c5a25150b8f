"""Columns, contrasts and interactions: the designs of patsy and formulaic, solved exactly."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.designs import (
    agree,
    build_with_formulaic,
    build_with_patsy,
    quiet,
    solve,
)

import steepest
from steepest import terms
from steepest.errors import ColumnNotFoundError, FormulaError


def make_frame(n: int = 160) -> pd.DataFrame:
    """Numbers whose products are doubles, so that no design has to round them."""
    random = np.random.default_rng(20)
    return pd.DataFrame(
        {
            "city": random.choice(["Oslo", "Bergen", "Ås", "voss"], n),
            "kind": random.choice(["u", "v", "w"], n),
            "flag": random.random(n) < 0.4,
            "rooms": random.integers(1, 5, n),
            "x": random.integers(-24, 25, n) / 8,
            "z": random.integers(1, 65, n) / 16,
            "w": random.integers(1, 9, n) / 4,
            "y": random.integers(-400, 400, n) / 64,
        }
    )


FRAME = make_frame()
TEXT = FRAME.assign(flag=FRAME["flag"].map({True: "true", False: "false"}))
"""The same with booleans as text, for the two do not agree on those."""

SAME = [
    "x", "x + z + 0", "city", "flag", "city + kind + flag", "city + x", "city + 0", "flag + 0",
    "x + city + kind + 0", "C(rooms)", "C(rooms) + city + 0", "city*kind", "city:kind",
    "city:kind + 0", "city + city:kind", "city*flag", "city:flag + 0", "flag:kind + city:kind",
    "C(rooms):kind", "C(rooms)*flag*kind", "city:flag:kind", "x:z", "x*z", "x:z + 0", "city:x",
    "city:x + 0", "x + city:x", "city*x", "city*x + 0", "flag:x", "flag*x*z", "C(rooms):x",
    "city:kind:x", "kind*flag*x", "x + flag:kind:x", "kind:x:z", "city + kind:x + 0",
    "kind:x + kind:z + 0", "kind + flag:x + flag:kind + 0", "city*kind - city", "city*x - x",
    "log(z)", "exp(x)", "sqrt(z)", "log1p(z)", "log2(z)", "log10(z)", "abs(x)", "log(z):x",
    "city:log(z) + city", "sqrt(z)*abs(x)",
]  # fmt: skip
"""What all three write alike."""

OTHERWISE = [
    ("x + x^2", "x + I(x**2)"),
    ("poly(x, 5)", "x + I(x**2) + I(x**3) + I(x**4) + I(x**5)"),
    ("kind*poly(x, 2)", "kind + x + I(x**2) + kind:x + kind:I(x**2)"),
    ("kind:x^2 + kind", "kind:I(x**2) + kind"),
    ("x^2:z", "I(x**2):z"),
]
"""What steepest writes as on the left."""


@pytest.mark.parametrize(("ours", "theirs"), [*((f, f) for f in SAME), *OTHERWISE])
def test_a_design_is_that_of_patsy_and_formulaic(ours, theirs):
    """Same columns by name, the exact solution by coefficient; doubles come near."""
    design = build_with_patsy(theirs, TEXT)
    other = build_with_formulaic(theirs, TEXT)
    assert design.keys() == other.keys()
    for name, column in design.items():
        assert np.array_equal(column, other[name]), name
    expected = solve(design, FRAME["y"])
    agree(steepest.fit(FRAME, formula=f"y ~ {ours}").coefficients, expected)
    rounded = quiet(FRAME, formula=f"y ~ {ours}", precision="double")
    agree(rounded.coefficients, expected, rel=1e-9)


@pytest.mark.parametrize("level", ["Bergen", "Oslo", "voss", "Ås"])
def test_a_reference_of_choice_within_interactions(level):
    chosen = f"C(city, Treatment({level!r}))"
    design = build_with_patsy(f"{chosen}*kind + {chosen}*x", TEXT)
    chosen = f"C(city, contr.treatment({level!r}))"
    assert design.keys() == build_with_formulaic(f"{chosen}*kind + {chosen}*x", TEXT).keys()
    expected = solve(design, FRAME["y"])
    for formula in ("y ~ city*kind + x + city:x", "y ~ city*kind + city:x"):
        model = steepest.fit(FRAME, formula=formula, references={"city": level})
        agree(model.coefficients, expected)
        assert model.references == {"city": level, "kind": "u"}


def test_the_order_of_factors_and_of_terms_does_not_matter():
    one = steepest.fit(FRAME, formula="y ~ kind:flag + x:city + z").coefficients
    other = steepest.fit(FRAME, formula="y ~ z + city:x + flag:kind").coefficients
    assert one.keys() == other.keys()
    assert one == pytest.approx(other, rel=1e-15)
    with pytest.raises(FormulaError, match="twice"):
        steepest.fit(FRAME, formula="y ~ kind:flag + flag:kind")


def test_combinations_that_do_not_occur_have_no_coefficient():
    """Levels that never meet are left out; what is left is solved as it stands."""
    rows = FRAME[~((FRAME["city"] == "Ås") & (FRAME["kind"] == "w"))]
    for formula in ("city*kind", "city:kind:x", "city:kind + 0"):
        design = build_with_patsy(formula, rows)
        left = {name: column for name, column in design.items() if column.any()}
        assert len(left) == len(design) - 1
        agree(steepest.fit(rows, formula=f"y ~ {formula}").coefficients, solve(left, rows["y"]))


def test_categories_of_pandas_are_their_texts():
    """The first level by its bytes is the reference, whatever order pandas keeps."""
    order = ["voss", "Oslo", "nowhere", "Ås", "Bergen"]
    frame = FRAME.assign(city=pd.Categorical(FRAME["city"], categories=order))
    model = steepest.fit(frame, formula="y ~ city*x")
    assert model.coefficients == steepest.fit(FRAME, formula="y ~ city*x").coefficients
    first = steepest.fit(frame, formula="y ~ city*x", references={"city": "voss"})
    kept = frame.assign(city=frame["city"].cat.remove_unused_categories())
    agree(first.coefficients, solve(build_with_patsy("city*x", kept), FRAME["y"]))


def test_categories_of_numbers_and_of_booleans():
    frame = FRAME.assign(rooms=pd.Categorical(FRAME["rooms"]), flag=pd.Categorical(FRAME["flag"]))
    model = steepest.fit(frame, formula="y ~ rooms + flag:x")
    design = build_with_patsy("rooms + flag:x", TEXT.assign(rooms=TEXT["rooms"].astype(str)))
    agree(model.coefficients, solve(design, FRAME["y"]))


def test_levels_of_numbers_that_are_no_integers():
    model = steepest.fit(FRAME, formula="y ~ C(w)")
    values = sorted({*FRAME["w"]})[1:]
    text = [str(int(v)) if v == int(v) else repr(v) for v in values]
    # By their texts 0.25 comes first, as it does by size.
    design = {"intercept": np.ones(len(FRAME))}
    design |= {f"C(w)[{t}]": FRAME["w"] == v for t, v in zip(text, values, strict=True)}
    agree(model.coefficients, solve(design, FRAME["y"]))


WIDTHS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(),
          pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal32(5, 2),
          pa.decimal64(12, 6), pa.decimal128(20, 3), pa.decimal256(40, 5)]  # fmt: skip


def make_numbers(kind: pa.DataType, n: int = 30, seed: int = 7) -> list:
    random = np.random.default_rng(seed)
    if pa.types.is_decimal(kind):
        unit = Decimal(1).scaleb(-kind.scale)
        return [unit * int(v) for v in random.integers(1, 10**5, n)]
    if pa.types.is_floating(kind):
        return (random.integers(1, 1000, n) / 8).astype(f"f{kind.bit_width // 8}").tolist()
    bits = kind.bit_width - pa.types.is_signed_integer(kind)
    return [int(v) >> (63 - min(bits, 63)) for v in random.integers(1 << 50, 1 << 63, n, np.int64)]


@pytest.mark.parametrize("kind", WIDTHS, ids=str)
def test_numbers_of_every_width_are_what_they_are(kind):
    """Powers and products of decimals and of 64 bits, without rounding."""
    values, other = make_numbers(kind), make_numbers(pa.decimal128(9, 2), seed=8)
    y = FRAME["y"][:30]
    city = FRAME["city"][:30].replace("voss", "Oslo")
    table = pa.table({
        "v": pa.array(np.array(values, np.float16) if kind == pa.float16() else values, kind),
        "d": pa.array(other, pa.decimal128(9, 2)), "y": y, "city": pa.array(list(city)),
    })  # fmt: skip
    exact, more = [Fraction(v) for v in values], [Fraction(v) for v in other]
    design = {"intercept": np.ones(30), "v": exact, "v^2": [v**2 for v in exact],
              "d:v": [a * b for a, b in zip(more, exact, strict=True)]}  # fmt: skip
    for level in ("Bergen", "Oslo", "Ås"):
        here = city == level
        design[f"city[{level}]:d"] = [d if h else 0 for d, h in zip(more, here, strict=True)]
    model = quiet(table, formula="y ~ v + v^2 + v:d + city:d")
    agree(model.coefficients, solve(design, y))


def test_an_offset():
    design = build_with_patsy("kind + x", TEXT)
    model = steepest.fit(FRAME, formula="y ~ kind + x + offset(z)")
    agree(model.coefficients, solve(design, FRAME["y"] - FRAME["z"]))
    other = quiet(FRAME, target="y", features=["kind", "x"], offset="z")
    assert other.coefficients == model.coefficients
    logs = [Fraction(y) - Fraction(v) for y, v in zip(FRAME["y"], np.log(FRAME["z"]), strict=True)]
    for precision, rel in (("exact", 1e-12), ("double", 1e-9)):
        model = steepest.fit(FRAME, formula="y ~ kind + x + offset(log(z))", precision=precision)
        agree(model.coefficients, solve(design, logs), rel=rel)


@pytest.mark.parametrize("function", ["log", "sqrt", "log2", "exp"])
def test_a_target_that_is_made_of_a_column(function):
    design = build_with_patsy("city + x", TEXT)
    model = quiet(FRAME, formula=f"{function}(z) ~ city + x")
    agree(model.coefficients, solve(design, getattr(np, function)(FRAME["z"])))
    assert model.target == f"{function}(z)"
    same = quiet(FRAME, target=getattr(terms, function)("z"), features=["city", "x"])
    assert same.coefficients == model.coefficients


def test_a_boolean_target():
    design = build_with_patsy("city*x", TEXT)
    model = steepest.fit(FRAME, formula="flag ~ city*x")
    agree(model.coefficients, solve(design, FRAME["flag"].astype(int)))


@pytest.mark.parametrize("formula", ["city*kind", "city*x + log(z)", "flag:x + 0", "x + offset(z)"])
def test_weights_together_with_categories(formula):
    """Weighed normal equations; whole weights as rows that stand so often."""
    right = formula.replace(" + offset(z)", "")
    y = FRAME["y"] - FRAME["z"] if "offset" in formula else FRAME["y"]
    expected = solve(build_with_patsy(right, TEXT), y, FRAME["w"])
    for precision, rel in (("exact", 1e-12), ("double", 1e-9)):
        model = steepest.fit(FRAME, formula=f"y ~ {formula}", weights="w", precision=precision)
        agree(model.coefficients, expected, rel=rel)
    repeated = FRAME.loc[FRAME.index.repeat(FRAME["rooms"])]
    counted = steepest.fit(FRAME, formula=f"y ~ {formula}", weights="rooms",
                           weight_kind="frequency")  # fmt: skip
    assert counted.coefficients == steepest.fit(repeated, formula=f"y ~ {formula}").coefficients
    assert counted.residual_sd == steepest.fit(repeated, formula=f"y ~ {formula}").residual_sd


TERMS = [
    ("y ~ log(z) + C(rooms)", [terms.log("z"), terms.C("rooms")]),
    ("y ~ poly(x, 3)", [terms.poly("x", 3)]),
    ("y ~ city + city:x", ["city", terms.interaction("city", "x")]),
    ("y ~ city:kind:x^2", [terms.interaction("city", "kind", terms.power("x", 2))]),
    ("y ~ log1p(z) + log2(z) + log10(z)", [terms.log1p("z"), terms.log2("z"), terms.log10("z")]),
    ("y ~ exp(x) + sqrt(z) + abs(x)", [terms.exp("x"), terms.sqrt("z"), terms.abs("x")]),
    ("y ~ spline(x, knots=[-1, 1]):flag", [terms.interaction(terms.spline("x", knots=[-1, 1]),
                                                             "flag")]),
    ("y ~ x:x + z", [terms.interaction("x", "x"), "z"]),
    ("y ~ spline(x, 2) + x:z", [terms.spline("x", 2), terms.interaction("z", "x")]),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "features"), TERMS, ids=[formula for formula, _ in TERMS])
def test_terms_as_objects_are_those_of_the_formula(formula, features):
    written = quiet(FRAME, formula=formula)
    given = quiet(FRAME, target="y", features=features)
    assert given.coefficients == written.coefficients
    assert given.se == written.se
    assert given.predict(FRAME).tobytes() == written.predict(FRAME).tobytes()


LARGE = (
    "y ~ city*kind*x + x^2 + x^3 + x^4 + C(rooms) + spline(z, 3) + log(z):flag + x:z + offset(w)"
)
SMALLER = [
    LARGE, "y ~ city*kind + offset(w)", "y ~ x + x^3", "y ~ kind:x + 0", "y ~ city + C(rooms)",
    "y ~ spline(z, 3) + city + offset(w)", "y ~ flag:log(z)", "y ~ x^4 + x:z + 0",
    "y ~ city:kind:x", "y ~ x:city + x^2",
]  # fmt: skip


@pytest.mark.parametrize("precision", ["exact", "double"])
def test_moments_of_many_terms_fit_fewer_of_them(precision):
    """From moments, the table, or the moments of the terms alone: every bit the same."""
    moments = steepest.scan(FRAME, formula=LARGE, precision=precision)
    for formula in SMALLER:
        large = quiet(moments, formula=formula)
        own = quiet(FRAME, formula=formula, precision=precision)
        scanned = quiet(steepest.scan(FRAME, formula=formula, precision=precision), formula=formula)
        assert scanned.coefficients == own.coefficients
        assert scanned.predict(FRAME).tobytes() == own.predict(FRAME).tobytes()
        if precision == "exact":
            assert large.coefficients == own.coefficients, formula
            assert large.se == own.se
        else:
            assert large.coefficients == pytest.approx(own.coefficients, rel=1e-9, abs=1e-9)


def test_moments_of_plain_columns_fit_formulas_of_them():
    """Categories beside numbers need no more; what is made row by row is asked for in the scan."""
    moments = steepest.scan(FRAME)
    for right in ("city + kind + x", "flag + C(city) + z + 0", "x + city + offset(z)"):
        own = steepest.fit(FRAME, formula=f"y ~ {right}")
        assert steepest.fit(moments, formula=f"y ~ {right}").coefficients == own.coefficients
    for right in ("city:kind", "city*x", "x:z", "log(z)", "C(rooms)", "x^2"):
        with pytest.raises(ColumnNotFoundError, match="formula="):
            steepest.fit(moments, formula=f"y ~ {right}")


def test_a_table_in_files_and_frames_gives_one_model(tmp_path):
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    parquet.write_table(pa.Table.from_pandas(FRAME), tmp_path / "t.parquet", row_group_size=50)
    formula = "y ~ city*kind + C(rooms):x + flag + poly(z, 3) + spline(x, 2)"
    expected = quiet(FRAME, formula=formula)
    for source in (tmp_path / "t.csv", tmp_path / "t.parquet", pl.from_pandas(FRAME)):
        found = quiet(source, formula=formula)
        assert found.coefficients == expected.coefficients
        assert found.predict(FRAME).tobytes() == expected.predict(FRAME).tobytes()
