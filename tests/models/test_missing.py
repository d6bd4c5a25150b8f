"""Nulls dropped, refused, filled or marked: each against columns that are filled by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from tests.designs import agree, evaluate, quiet, solve
from tests.tiers import crossed

import steepest
from steepest.errors import EmptySourceError, OptionError, SteepestWarning, ValueFoundError

ROWS = 80


def make_table():
    """Every column with nulls of its own, the target, the offset and the weights among them."""
    random = np.random.default_rng(22)

    def with_nulls(values, share):
        gone = random.random(ROWS) < share
        return [None if g else v for g, v in zip(gone, values.tolist(), strict=True)]

    return {
        "city": with_nulls(random.choice(["Bergen", "Oslo", "Ås"], ROWS), 0.1),
        "kind": with_nulls(random.choice(["u", "v"], ROWS), 0.08),
        "flag": with_nulls(random.random(ROWS) < 0.5, 0.1),
        "x": with_nulls(random.integers(-16, 17, ROWS) / 4, 0.12),
        "z": with_nulls(random.integers(1, 33, ROWS) / 8, 0.1),
        "o": with_nulls(random.integers(1, 9, ROWS) / 2, 0.06),
        "w": with_nulls(random.integers(1, 6, ROWS) / 2, 0.06),
        "y": with_nulls(random.integers(-64, 65, ROWS) / 16, 0.06),
    }


TABLE = make_table()
TYPES = {"city": pa.string(), "kind": pa.string(), "flag": pa.bool_()}
ARROW = pa.table({n: pa.array(v, TYPES.get(n, pa.float64())) for n, v in TABLE.items()})


def read_factor(factor):
    """A factor of a term's name in each row: exact, None where it is not known."""
    if factor.endswith("]"):
        name, level = factor[:-1].split("[")
        texts = [str(v).lower() if isinstance(v, bool) else v for v in TABLE[name]]
        return [None if text is None else Fraction(text == level) for text in texts]
    name, _, power = factor.partition("^")
    if name.startswith("log("):
        logs = [None if v is None else float(np.log(v)) for v in TABLE[name[4:-1]]]
        return [None if v is None else Fraction(v) for v in logs]
    return [None if v is None else Fraction(v) ** int(power or 1) for v in TABLE[name]]


def read_column(name):
    """A term in each row; None where one of its factors is."""
    found = [Fraction(1)] * ROWS
    for factor in name.split(":"):
        own = read_factor(factor)
        found = [None if None in (a, b) else a * b for a, b in zip(found, own, strict=True)]
    return found


def build(names, missing, marks=(), offset="", weights=""):
    """The design of some terms filled by hand, the rows that are used, and their weights."""
    shares = [1 if v is None else Fraction(v) for v in TABLE[weights]] if weights else [1] * ROWS
    needed = ["y", *filter(None, [offset, weights])]
    rows = [i for i in range(ROWS) if all(TABLE[name][i] is not None for name in needed)]
    columns = {name: read_column(name) for name in names}
    if missing == "drop":
        rows = [i for i in rows if all(column[i] is not None for column in columns.values())]
    for name, column in columns.items():
        known = [i for i in rows if column[i] is not None]
        total = sum(shares[i] for i in known)
        mean = sum(shares[i] * column[i] for i in known) / total
        levels = [factor for factor in name.split(":") if factor.endswith("]")]
        unknown = [read_column(":".join(levels))[i] is None if levels else False
                   for i in range(ROWS)]  # fmt: skip
        columns[name] = [
            (Fraction(0) if missing == "indicator" and gone else mean) if value is None else value
            for value, gone in zip(column, unknown, strict=True)
        ]
    for mark in marks:
        parts = [part.removeprefix("log(").removesuffix(")") for part in mark.split(":")]
        gone = [any(TABLE[part][i] is None for part in parts) for i in range(ROWS)]
        columns[f"{mark} is null"] = [Fraction(g) for g in gone]
    return columns, rows, shares


CITIES = ["city[Oslo]", "city[Ås]"]
EVERY_CITY = ["city[Bergen]", *CITIES]
FITS = [
    ("x", ["x"], ["x"]),
    ("x + z", ["x", "z"], ["x", "z"]),
    ("x + x^2", ["x", "x^2"], ["x"]),
    ("log(z) + x:z", ["log(z)", "x:z"], None),
    ("city", CITIES, ["city"]),
    ("city + kind + flag", [*CITIES, "kind[v]", "flag[true]"], ["city", "kind", "flag"]),
    ("city + x", [*CITIES, "x"], ["city", "x"]),
    ("city:x", [f"{c}:x" for c in EVERY_CITY], ["city", "x"]),
    ("city*x", [*CITIES, "x", *(f"{c}:x" for c in CITIES)], ["city", "x"]),
    ("city*kind", [*CITIES, "kind[v]", *(f"{c}:kind[v]" for c in CITIES)], ["city", "kind"]),
    ("city:kind:x", [f"{c}:kind[{k}]:x" for c in EVERY_CITY for k in "uv"], None),
    ("flag:z + flag", ["flag[true]", "flag[false]:z", "flag[true]:z"], ["flag", "z"]),
]


@crossed(
    fit={fit[0]: fit for fit in FITS},
    weights={"alike": {}, "weighed": {"weights": "w"}},
    offset={"from 0": {}, "offset": {"offset": "o"}},
)
def test_every_choice_from_one_scan(fit, weights, offset):
    """Each is made after the scan; rows add up; rows that are used are predicted as they fit."""
    (right, names, marks), options = fit, weights | offset
    formula = f"y ~ {right}" + (" + offset(o)" if "offset" in options else "")
    asked = {"weights": options["weights"]} if "weights" in options else {}
    moments = steepest.scan(ARROW, formula=formula, **asked)
    offset = [v or 0.0 for v in TABLE["o"]] if "offset" in options else [0.0] * ROWS
    for missing in ("drop", "mean", "indicator"):
        if missing == "indicator" and marks is None:
            continue
        own = marks if missing == "indicator" else ()
        columns, rows, shares = build(names, missing, own, **options)
        design = {"intercept": [Fraction(1)] * ROWS, **columns}
        y = [Fraction(TABLE["y"][i]) - Fraction(offset[i]) for i in rows]
        used = {name: [column[i] for i in rows] for name, column in design.items()}
        expected = solve(used, y, [shares[i] for i in rows])
        model = quiet(moments, formula=formula, missing=missing)
        agree(model.coefficients, expected)
        agree(quiet(ARROW, formula=formula, missing=missing, precision="double", **asked)
              .coefficients, expected, rel=1e-9)  # fmt: skip
        assert model.rows.used == len(rows)
        assert model.rows.read == ROWS == model.rows.used + sum(model.rows.dropped.values())
        fitted = np.array(evaluate(used, expected)) + np.array([offset[i] for i in rows])
        assert model.predict(ARROW)[rows] == pytest.approx(fitted, abs=1e-12, rel=1e-12)


def test_marks_where_only_a_product_tells():
    """A product of columns that stand for themselves nowhere is marked as it is."""
    formula = "y ~ city:kind:x"
    model = quiet(ARROW, formula=formula, missing="indicator")
    names = [f"{c}:kind[{k}]:x" for c in EVERY_CITY for k in "uv"]
    columns, rows, _ = build(names, "indicator", ["x", "city:kind"])
    used = {name: [column[i] for i in rows] for name, column in columns.items()}
    y = [TABLE["y"][i] for i in rows]
    agree(model.coefficients, solve({"intercept": [1] * len(rows), **used}, y))


def test_one_mark_for_columns_that_are_null_together():
    table = {"a": [1.0, None, 3.0, 4.0, None, 6.0, 7.0], "b": [2.0, None, 1.0, 5.0, None, 3.0, 1.0],
             "y": [1.0, 2.0, 4.0, 3.0, 6.0, 5.0, 9.0]}  # fmt: skip
    model = quiet(table, target="y", features=["a", "b"], missing="indicator")
    assert list(model.coefficients) == ["intercept", "a", "b", "a is null"]
    gone = [v is None for v in table["a"]]
    columns = {n: [Fraction(v) if v else 0 for v in table[n]] for n in ("a", "b")}
    filled = {n: [v or sum(c) / 5 for v in c] for n, c in columns.items()}
    design = {"intercept": [1] * 7, **filled, "a is null": gone}
    agree(model.coefficients, solve(design, table["y"]))


@pytest.mark.parametrize("missing", ["drop", "mean", "indicator", "refuse"])
def test_without_any_null_every_choice_is_the_same_fit(missing):
    full = ARROW.to_pandas().dropna()
    expected = steepest.fit(full, formula="y ~ city*x + flag")
    found = steepest.fit(full, formula="y ~ city*x + flag", missing=missing)
    assert found.coefficients == expected.coefficients
    assert found.notes == ()


GAPS = {
    "x": [1.0, 2.0, 3.0, None, 5.0, None, 7.0, 4.0],
    "s": ["a", "b", None, "a", "b", "a", "b", "b"],
    "y": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, None, 3.0],
}


@pytest.mark.parametrize(
    ("right", "counts", "row"),
    [("x", "'x' 2, 'y' 1", 4), ("log(x) + x", "'x' 2, 'y' 1", 4), ("s", "'s' 1, 'y' 1", 3),
     ("x^2:s", "'x' 2, 's' 1, 'y' 1", 3), ("x + s", "'x' 2, 's' 1, 'y' 1", 3)],
)  # fmt: skip
def test_refused_nulls_are_counted_and_the_first_is_named(right, counts, row):
    for source in (GAPS, steepest.scan(GAPS, formula=f"y ~ {right}")):
        with pytest.raises(ValueFoundError) as caught:
            steepest.fit(source, formula=f"y ~ {right}", missing="refuse")
        text = str(caught.value)
        found = text[text.index(": ") + 2 : text.index(". ")].split(", ")
        assert sorted(found) == sorted(counts.split(", "))
        assert f"The first is in row {row} of the table." in text


def test_rows_that_a_condition_leaves_out_have_no_nulls_to_refuse():
    steepest.fit(GAPS, formula="y ~ x", missing="refuse", where="x is not null and y > 0")
    with pytest.raises(ValueFoundError, match=r"'x' 1\. The first is in row 6 of the table"):
        steepest.fit(GAPS, formula="y ~ x", missing="refuse", where="y > 4")


def test_nulls_are_told_of():
    for missing, words in (
        ("drop", "3 of 8 rows were dropped for nulls; nulls by column:"),
        ("drop", "'x' 2, 'y' 1"),
        ("mean", "1 of 8 rows was dropped for nulls; nulls by column: 'y' 1."),
        ("mean", "the mean of its term stands in; nulls by column: 'x' 2."),
        ("indicator", "stands in, and a coefficient of its own marks it; nulls by column: 'x' 2."),
    ):
        with pytest.warns(SteepestWarning) as said:
            steepest.fit(GAPS, formula="y ~ x", missing=missing)
        assert any(words in str(warning.message) for warning in said), missing


def test_a_choice_that_does_not_exist():
    with pytest.raises(OptionError, match="missing='median' is not known"):
        steepest.fit(GAPS, formula="y ~ x", missing="median")


@pytest.mark.parametrize("missing", ["mean", "indicator"])
@pytest.mark.parametrize("right", ["x", "city", "city*x", "log(z) + city:x", "city*kind + flag:z"])
def test_predictions_fill_as_the_fit_does(right, missing):
    """A null gives what the term's mean gives, and what its mark does; a null level counts 0."""
    model = quiet(ARROW, formula=f"y ~ {right}", missing=missing)
    names = [n for n in model.coefficients if not n.endswith(" is null") and n != "intercept"]
    marks = [n[: -len(" is null")] for n in model.coefficients if n.endswith(" is null")]
    columns, _, _ = build(names, missing, marks)
    exact = {name: Fraction(value) for name, value in model.coefficients.items()}
    expected = evaluate({"intercept": [1] * ROWS, **columns}, exact)
    assert model.predict(ARROW) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert np.isfinite(model.predict(ARROW, strict=True)).all()


def test_predictions_of_nulls_that_were_dropped_are_null():
    model = quiet(ARROW, formula="y ~ city*x + offset(o)")
    gone = [None in (TABLE["city"][i], TABLE["x"][i], TABLE["o"][i]) for i in range(ROWS)]
    assert np.isnan(model.predict(ARROW)).tolist() == gone
    first = gone.index(True)
    with pytest.raises(ValueFoundError, match=f"of the table is null in row {first + 1}\\."):
        model.predict(ARROW.slice(0, first + 1), strict=True)


@pytest.mark.parametrize("missing", ["mean", "indicator"])
def test_predictions_have_no_offset_to_fill(missing):
    model = quiet(ARROW, formula="y ~ x + offset(o)", missing=missing)
    assert np.isnan(model.predict({"x": [1.0, None], "o": [None, 1.0]})).tolist() == [True, False]


@pytest.mark.parametrize("right", ["x", "city + x", "city + city:x", "x + city:x"])
def test_a_null_where_the_fit_had_none(right):
    """The mean knows what stands in for it; nothing marks it, so an indicator does not."""
    full = ARROW.to_pandas().dropna(subset=["x"])
    new = {"city": ["Oslo", "Oslo"], "x": [None, 1.0]}
    marked = quiet(full, formula=f"y ~ {right}", missing="indicator")
    assert np.isnan(marked.predict(new)).tolist() == [True, False]
    with pytest.raises(ValueFoundError, match="null in row 1"):
        marked.predict(new, strict=True)
    filled = quiet(full, formula=f"y ~ {right}", missing="mean")
    assert np.isfinite(filled.predict(new)).all()


@pytest.mark.parametrize("missing", ["drop", "mean", "indicator"])
@pytest.mark.parametrize("right", ["city*x + flag", "city:kind:x + log(z)", "x + x^2 + offset(o)"])
def test_a_model_file_fills_as_the_model_does(right, missing, tmp_path):
    model = quiet(ARROW, formula=f"y ~ {right}", missing=missing, weights="w")
    model.save(tmp_path / "m.json")
    loaded = steepest.load(tmp_path / "m.json")
    assert loaded.predict(ARROW).tobytes() == model.predict(ARROW).tobytes()
    assert (loaded.coefficients, loaded.rows) == (model.coefficients, model.rows)


@pytest.mark.parametrize("missing", ["drop", "mean", "indicator"])
@pytest.mark.parametrize("kind", [pa.float64(), pa.string(), pa.null()], ids=str)
def test_a_column_without_any_value_is_refused(missing, kind):
    table = ARROW.append_column("gone", pa.nulls(ROWS, kind))
    for right in ("gone", "x + gone", "x:gone"):
        with pytest.raises(EmptySourceError) as caught:
            steepest.fit(table, formula=f"y ~ {right}", missing=missing)
        assert "gone" in str(caught.value)


def test_rows_without_target_offset_or_weight_are_dropped_whatever_is_chosen():
    for name, options in (("y", {}), ("o", {"offset": "o"}), ("w", {"weights": "w"})):
        nulls = TABLE[name].count(None)
        for missing in ("mean", "indicator"):
            model = quiet(ARROW, target="y", features=["x", "city"], missing=missing, **options)
            assert model.rows.nulls[name] == nulls
            assert model.rows.used <= ROWS - nulls
            assert all(name in why or "y" in why for why in model.rows.dropped)
