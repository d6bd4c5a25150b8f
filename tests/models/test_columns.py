"""Splines and times: spans, knots and calendars that others know."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from scipy.interpolate import BSpline
from tests.designs import (
    agree,
    build_with_formulaic,
    build_with_patsy,
    evaluate,
    quiet,
    solve,
)

import steepest
from steepest import terms
from steepest.errors import ColumnKindError, MomentsError, SteepestError, ValueFoundError

RANDOM = np.random.default_rng(21)
ROWS = 90
X = RANDOM.integers(-64, 65, ROWS) / 16
TABLE = {
    "x": X,
    "z": RANDOM.integers(1, 33, ROWS) / 8,
    "city": RANDOM.choice(["Bergen", "Oslo", "Ås"], ROWS),
    "y": RANDOM.integers(-200, 200, ROWS) / 32,
}
FAR = np.array([-100.0, -4.5, -1.75, 0.0, 0.6, 3.0, 4.25, 50.0])
KNOTS = [(0.5,), (-2.0, 0.5), (-3.0, -1.0, 0.25, 1.5)]


def cut_powers(x, knots):
    """1, x, x², x³ and (x - k)³ beyond each knot: they span the cubic splines, exactly."""
    exact = [Fraction(value) for value in x]
    whole = {f"x^{k}": [value**k for value in exact] for k in range(4)}
    return whole | {
        f"beyond {knot}": [max(value - Fraction(knot), Fraction(0)) ** 3 for value in exact]
        for knot in knots
    }


def write(knots):
    return ", ".join(repr(float(knot)) for knot in knots)


@pytest.mark.parametrize("knots", KNOTS, ids=write)
def test_splines_are_the_cubic_splines_with_these_knots(knots):
    """Within the values and far beyond, where the cubics of both ends go on."""
    truth = solve(cut_powers(X, knots), TABLE["y"])
    for precision, rel in (("exact", 1e-12), ("double", 1e-9)):
        model = steepest.fit(TABLE, formula=f"y ~ spline(x, knots=[{write(knots)}])",
                             precision=precision)  # fmt: skip
        assert len(model.coef) == len(knots) + 3
        for values in (X, FAR):
            expected = np.array(evaluate(cut_powers(values, knots), truth))
            error = rel * np.abs(expected).max()
            assert model.predict({"x": values}) == pytest.approx(expected, rel=0, abs=error)


@pytest.mark.parametrize("knots", KNOTS, ids=write)
def test_the_basis_is_that_of_de_boor(knots):
    """Steps as wide as those between the knots beyond both ends; the first function left out."""
    step = (knots[-1] - knots[0]) / (len(knots) - 1) if len(knots) > 1 else max(abs(knots[0]), 1)
    every = [knots[0] - step] * 4 + list(knots) + [knots[-1] + step] * 4
    basis = BSpline.design_matrix(X, np.array(every), 3, extrapolate=True).toarray()
    named = {f"spline(x, {len(knots)})[{i}]": column for i, column in enumerate(basis.T)}
    del named[f"spline(x, {len(knots)})[0]"]
    model = quiet(TABLE, formula=f"y ~ spline(x, knots=[{write(knots)}]) + city")
    named |= {"intercept": np.ones(ROWS)}
    named |= {f"city[{level}]": TABLE["city"] == level for level in ("Oslo", "Ås")}
    agree(model.coefficients, solve(named, TABLE["y"]), rel=1e-10)


@pytest.mark.parametrize("right", ["{}", "{} + city", "{} * city", "{} * z", "city + {}:city"])
@pytest.mark.parametrize("build", [build_with_patsy, build_with_formulaic])
def test_fitted_values_are_those_of_splines_made_by_others(right, build):
    ours, theirs = "spline(x, knots=[-1.0, 1.0])", "bs(x, knots=[-1.0, 1.0])"
    design = build(right.format(theirs, theirs), pd.DataFrame(TABLE))
    truth = evaluate(design, solve(design, TABLE["y"]))
    model = quiet(TABLE, formula="y ~ " + right.format(ours, ours).replace(" * ", "*"))
    assert model.predict(TABLE) == pytest.approx(truth, rel=0, abs=1e-11)
    assert len(model.coefficients) == len(design)


def test_a_spline_for_each_level():
    """A category times a spline is a fit of its own for each level."""
    model = quiet(TABLE, formula="y ~ city*spline(x, knots=[-1, 1])")
    for level in ("Bergen", "Oslo", "Ås"):
        here = TABLE["city"] == level
        truth = solve(cut_powers(X[here], (-1, 1)), TABLE["y"][here])
        expected = evaluate(cut_powers(FAR, (-1, 1)), truth)
        found = model.predict({"x": FAR, "city": [level] * len(FAR)})
        assert found == pytest.approx(expected, rel=1e-10)


def test_a_spline_by_its_count_has_knots_evenly_between_the_ends(tmp_path):
    given = quiet(TABLE, formula="y ~ spline(x, 4)*city")
    low, high = X.min(), X.max()
    knots = [low + (high - low) / 5 * k for k in range(1, 5)]
    named = quiet(TABLE, formula=f"y ~ spline(x, knots=[{write(knots)}])*city")
    assert given.coefficients == named.coefficients
    assert any("evenly between" in note and "a pass of its own" in note for note in given.notes)
    parquet.write_table(pa.table(TABLE), tmp_path / "t.parquet", row_group_size=20)
    told = quiet(tmp_path / "t.parquet", formula="y ~ spline(x, 4)*city")
    assert told.coefficients == named.coefficients
    assert any("the statistics of the files" in note for note in told.notes)
    pd.DataFrame(TABLE).to_csv(tmp_path / "t.csv", index=False)
    again = quiet(tmp_path / "t.csv", formula="y ~ spline(x, 4)*city")
    assert again.coefficients == named.coefficients


@pytest.mark.parametrize("options", [{"where": "z < 99"}, {"weights": "w"}], ids=str)
def test_knots_lie_among_the_rows_that_are_taken(options):
    """Not among nulls, rows that a condition leaves out, or rows that count for nothing."""
    expected = quiet(TABLE, formula="y ~ spline(x, 3)").coefficients
    frame = pd.DataFrame({**TABLE, "w": np.ones(ROWS)})
    more = pd.DataFrame({"x": [500.0, np.nan], "z": 99.0, "city": "Oslo", "y": 1.0, "w": 0.0})
    both = pd.concat([frame, more])
    assert quiet(both, formula="y ~ spline(x, 3)", **options).coefficients == expected


def test_a_constant_has_no_room_for_knots():
    with pytest.raises(ValueFoundError, match="no room for knots"):
        steepest.fit({"x": [2.0] * 9, "y": range(9)}, formula="y ~ spline(x, 3)")


def test_splines_of_what_is_made_of_columns():
    logs = np.log(TABLE["z"])
    model = quiet(TABLE, formula="y ~ spline(log(z), knots=[0.5, 1.0])")
    truth = solve(cut_powers(logs, (0.5, 1.0)), TABLE["y"])
    expected = evaluate(cut_powers(logs, (0.5, 1.0)), truth)
    assert model.predict(TABLE) == pytest.approx(expected, rel=0, abs=1e-11)


@pytest.mark.parametrize(
    "right", ["spline(x, 2):z", "spline(log(z), 2):x", "z:spline(x, 2) + city"]
)
def test_a_spline_by_its_count_times_a_number(right):
    """Knots that were found in the scan are those of the fit."""
    found = quiet(TABLE, formula=f"y ~ {right}")
    inner = np.log(TABLE["z"]) if "log" in right else X
    low, high = inner.min(), inner.max()
    knots = [low + (high - low) / 3, low + (high - low) / 3 * 2]
    named = quiet(TABLE, formula=f"y ~ {right}".replace(", 2)", f", knots=[{write(knots)}])"))
    assert found.coefficients == named.coefficients


@pytest.mark.parametrize("right", ["spline(x, 2):city", "spline(x, 2)*z", "spline(x, 2)",
                                   "x^2:city", "log(z)^2:city + log(z):x", "C(z)*x"])  # fmt: skip
def test_moments_of_every_column_are_saved(right, tmp_path):
    moments = steepest.scan(TABLE, formula=f"y ~ {right}")
    moments.save(tmp_path / "all.moments")
    loaded = steepest.load(tmp_path / "all.moments")
    assert loaded == moments
    assert loaded.columns == moments.columns
    expected = quiet(moments, formula=f"y ~ {right}").coefficients
    assert quiet(loaded, formula=f"y ~ {right}").coefficients == expected


def test_moments_of_other_knots_do_not_add():
    half = {name: column[:45] for name, column in TABLE.items()}
    with pytest.raises(MomentsError, match="give knots in numbers"):
        steepest.scan(TABLE, formula="y ~ spline(x, 3)") + steepest.scan(
            {**half, "x": half["x"] * 2}, formula="y ~ spline(x, 3)"
        )


@pytest.mark.parametrize("make", [
    lambda: terms.log(terms.spline("x", knots=[0])), lambda: terms.C(terms.spline("x", knots=[0])),
    lambda: terms.power(terms.spline("x", knots=[0]), 2), lambda: terms.spline("city", 2),
    lambda: terms.spline("city", knots=[1]), lambda: terms.log(terms.poly("x", 2)),
    lambda: terms.log(3), lambda: terms.log("city"), lambda: terms.power(terms.C("z"), 2),
    lambda: terms.days("x"), lambda: terms.days(terms.log("x")), lambda: terms.year(3),
    lambda: terms.spline("x", knots=[None]), lambda: terms.spline("x", knots="12"),
    lambda: terms.poly("x", 0), lambda: terms.spline("x"),
    lambda: terms.spline("x", knots=[2, 1]), lambda: terms.interaction("x", 3),
])  # fmt: skip
def test_terms_of_terms_that_make_no_sense_are_refused(make):
    with pytest.raises(SteepestError):
        quiet(TABLE, target="y", features=[make()])


@pytest.mark.parametrize("formula", ["y ~ spline(city, 2)", "y ~ spline(C(z), 2)", "y ~ log(city)",
                                     "y ~ city^2", "y ~ year(x)", "y ~ month(city)"])  # fmt: skip
def test_formulas_of_columns_that_are_no_numbers_are_refused(formula):
    with pytest.raises(ColumnKindError):
        steepest.fit(TABLE, formula=formula)


# ------------------------------------------------------------------ times


SECONDS = RANDOM.integers(-(10**9), 17 * 10**8, ROWS).tolist()
STAMPS = [dt.datetime(1970, 1, 1) + dt.timedelta(seconds=s) for s in SECONDS]
DAYS = [stamp.date() for stamp in STAMPS]
WEEKDAYS = ["1-Monday", "2-Tuesday", "3-Wednesday", "4-Thursday", "5-Friday", "6-Saturday",
            "7-Sunday"]  # fmt: skip


def read_part(function, stamps):
    """A part of each time, as Python tells it."""
    if function == "days":
        return [Fraction(int((s - dt.datetime(1970, 1, 1)).total_seconds()), 86400) for s in stamps]
    if function == "weekday":
        return [WEEKDAYS[stamp.weekday()] for stamp in stamps]
    if function == "month":
        return [f"{stamp.month:02d}" for stamp in stamps]
    return [getattr(stamp, function) for stamp in stamps]


def build_calendar(function, stamps, *, times=None):
    """The columns of a part of time, or those of its levels times a number."""
    values = read_part(function, stamps)
    name = f"{function}(t)"
    if function not in ("month", "weekday"):
        return {"intercept": [1] * len(values), name: values}
    levels = sorted({*values})
    found = {
        f"{name}[{level}]": [int(value == level) for value in values]
        for level in (levels if times else levels[1:])
    }
    if times:
        found = {
            f"{key}:{times}": [a * Fraction(b) for a, b in zip(column, TABLE[times], strict=True)]
            for key, column in found.items()
        }
    return {"intercept": [1] * len(values), **found}


PARTS = ["days", "year", "month", "weekday", "hour"]
UNITS = [pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("ns"),
         pa.timestamp("us", "UTC"), pa.date32(), pa.date64()]  # fmt: skip


@pytest.mark.parametrize(("unit", "function"), list(product(UNITS, PARTS)), ids=str)
def test_parts_of_times_are_those_of_the_calendar(unit, function):
    date = pa.types.is_date(unit)
    stamps = [dt.datetime.combine(d, dt.time()) for d in DAYS] if date else STAMPS
    table = pa.table({"t": pa.array(DAYS if date else STAMPS, unit), **TABLE})
    if date and function == "hour":
        with pytest.raises(ColumnKindError, match=r"hour\(t\)"):
            steepest.fit(table, formula="y ~ hour(t)")
        return
    model = steepest.fit(table, formula=f"y ~ {function}(t)")
    agree(model.coefficients, solve(build_calendar(function, stamps), TABLE["y"]))
    if function in ("month", "weekday"):
        model = steepest.fit(table, formula=f"y ~ {function}(t):x")
        design = build_calendar(function, stamps, times="x")
        agree(model.coefficients, solve(design, TABLE["y"]))


def test_parts_of_times_in_a_zone_are_those_of_its_clocks():
    away = [stamp - dt.timedelta(hours=5, minutes=30) for stamp in STAMPS]
    table = pa.table({"t": pa.array(away, pa.timestamp("us", "+05:30")), **TABLE})
    for function in ("year", "month", "weekday", "hour"):
        model = steepest.fit(table, formula=f"y ~ {function}(t)")
        agree(model.coefficients, solve(build_calendar(function, STAMPS), TABLE["y"]))


def test_times_of_a_day_and_durations():
    clock = [stamp.time() for stamp in STAMPS]
    for unit in (pa.time32("s"), pa.time64("us")):
        model = steepest.fit(pa.table({"t": pa.array(clock, unit), **TABLE}), formula="y ~ hour(t)")
        agree(model.coefficients, solve(build_calendar("hour", STAMPS), TABLE["y"]))
    spans = [dt.timedelta(seconds=s) for s in SECONDS]
    table = pa.table({"t": pa.array(spans, pa.duration("s")), **TABLE})
    model = steepest.fit(table, formula="y ~ days(t)")
    agree(model.coefficients, solve(build_calendar("days", STAMPS), TABLE["y"]))


def test_times_from_files_and_frames_give_one_model(tmp_path):
    frame = pd.DataFrame({**TABLE, "t": STAMPS, "d": pd.to_datetime(DAYS)})
    formula = (
        "y ~ days(t) + month(t) + weekday(d)*x + hour(t) + spline(year(d), knots=[1980, 2000])"
    )
    expected = quiet(frame, formula=formula).coefficients
    frame.to_csv(tmp_path / "t.csv", index=False)
    parquet.write_table(pa.Table.from_pandas(frame), tmp_path / "t.parquet")
    arrays = {name: frame[name].to_numpy() for name in frame}
    for source in (tmp_path / "t.csv", tmp_path / "t.parquet", arrays):
        assert quiet(source, formula=formula).coefficients == expected


def test_nulls_of_times_are_dropped_and_counted():
    gaps = [None if i % 10 == 3 else stamp for i, stamp in enumerate(STAMPS)]
    table = pa.table({"t": pa.array(gaps, pa.timestamp("us")), **TABLE})
    keep = [i for i, stamp in enumerate(gaps) if stamp]
    model = quiet(table, formula="y ~ days(t)")
    assert (model.rows.nulls["t"], model.rows.used) == (9, 81)
    stamps, y = [STAMPS[i] for i in keep], TABLE["y"][keep]
    agree(model.coefficients, solve(build_calendar("days", stamps), y))


def test_the_pass_for_knots_tells_of_its_progress():
    seen = []
    steepest.scan(TABLE, formula="y ~ spline(x, 3)", on_progress=seen.append)
    assert [found.rows for found in seen] == [ROWS, ROWS]
    assert [found.fraction for found in seen] == [1.0, 1.0]
