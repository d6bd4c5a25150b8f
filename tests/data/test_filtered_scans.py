"""What conditions leave: fits of the rows taken, counts of the others, rows as numbered."""

from __future__ import annotations

import operator
from functools import reduce

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tests.designs import quiet

import steepest
from steepest.data import memory
from steepest.data.conditions import parse_condition
from steepest.errors import EmptySourceError, MomentsError, OptionError, ValueFoundError


def make_frame(n=400):
    random = np.random.default_rng(24)
    frame = pd.DataFrame(
        {
            "city": random.choice(["Oslo", "Bergen", "Ås"], n),
            "x": random.normal(size=n),
            "z": random.uniform(0.5, 2, n),
            "flag": random.random(n) < 0.3,
            "w": random.integers(0, 4, n),
            "y": random.normal(size=n),
        }
    )
    frame.loc[random.random(n) < 0.1, "x"] = np.nan
    frame.loc[random.random(n) < 0.1, "city"] = None
    return frame


FRAME = make_frame()
WHERE = "z > 0.8 and (x < 1 or city == 'Oslo')"
TAKEN = FRAME[(FRAME["z"] > 0.8) & ((FRAME["x"] < 1) | (FRAME["city"] == "Oslo").fillna(False))]


@pytest.mark.parametrize("precision", ["exact", "double"])
@pytest.mark.parametrize(
    "options", [{}, {"weights": "w"}, {"missing": "mean"}, {"missing": "indicator"}], ids=str
)
def test_fits_are_those_of_the_rows_taken(options, precision):
    """Every bit, from the table and from moments; what was left out is counted."""
    formula = "y ~ city*x + log(z) + flag:z + spline(x, knots=[0])"
    options = {**options, "formula": formula, "precision": precision}
    expected = quiet(TAKEN, **options)
    found = quiet(FRAME, where=WHERE, **options)
    assert found.coefficients == expected.coefficients
    assert found.se == expected.se
    left = found.rows.dropped[f"not where {parse_condition(WHERE)}"]
    assert left == len(FRAME) - len(TAKEN)
    assert found.rows.read == found.rows.used + sum(found.rows.dropped.values())
    assert found.rows.read == expected.rows.read + left
    assert found.rows.used == expected.rows.used
    scan = {k: v for k, v in options.items() if k != "missing"}
    moments = steepest.scan(FRAME, where=WHERE, **scan)
    assert (moments.n_read, moments.filtered) == (found.rows.read, left)
    again = quiet(moments, formula=formula, missing=options.get("missing", "drop"), where=WHERE)
    assert again.coefficients == expected.coefficients


def test_parts_and_orders_do_not_matter(monkeypatch, tmp_path):
    expected = steepest.scan(FRAME, where=WHERE)
    assert steepest.scan(FRAME.sample(frac=1, random_state=1), where=WHERE) == expected
    monkeypatch.setattr(memory, "PART_ROWS", 37)
    parts = steepest.scan(FRAME, where=WHERE)
    assert parts == expected
    assert parts.fingerprint == expected.fingerprint
    halves = [steepest.scan(FRAME[i : i + 200], where=WHERE) for i in (0, 200)]
    assert reduce(operator.add, halves) == steepest.merge(*halves) == expected
    assert expected - halves[1] == halves[0]


def test_moments_remember_their_condition(tmp_path):
    moments = steepest.scan(FRAME, where=WHERE)
    moments.save(tmp_path / "some.moments")
    loaded = steepest.load(tmp_path / "some.moments")
    assert loaded == moments
    assert (loaded.condition, loaded.filtered) == (moments.condition, moments.filtered)
    assert parse_condition(loaded.condition) == parse_condition(WHERE)
    assert moments != steepest.scan(TAKEN)
    one = quiet(loaded, target="y", features=["x"], where='(z>0.80) AND (x<1.0 or city="Oslo")')
    assert one.coefficients == quiet(TAKEN, target="y", features=["x"]).coefficients
    one.save(tmp_path / "m.json")
    assert steepest.load(tmp_path / "m.json").provenance.condition == moments.condition


def test_moments_of_other_conditions():
    moments = steepest.scan(FRAME, where=WHERE)
    for other in (None, "z > 0.8"):
        with pytest.raises(MomentsError, match="the left were scanned where"):
            moments + steepest.scan(FRAME, where=other)
    with pytest.raises(MomentsError, match="the same where"):
        steepest.merge(moments, steepest.scan(TAKEN))
    with pytest.raises(OptionError, match="the moments were scanned where"):
        steepest.fit(moments, target="y", features=["x"], where="z > 0.8")
    with pytest.raises(OptionError, match="without a condition"):
        steepest.fit(steepest.scan(FRAME), target="y", features=["x"], where=WHERE)


@pytest.mark.parametrize(
    ("column", "value", "options"),
    [("x", np.inf, {"columns": ["x", "y"]}), ("x", -np.inf, {"formula": "y ~ x^2"}),
     ("x", np.inf, {"formula": "y ~ C(x)"}), ("z", -1.0, {"formula": "y ~ log(z)"}),
     ("x", 1e200, {"formula": "y ~ x^3"}), ("x", 1e17, {"formula": "y ~ C(x)"}),
     ("w", -1, {"columns": ["y"], "weights": "w"})],
)  # fmt: skip
def test_rows_are_numbered_as_in_the_table(column, value, options, write):
    """After rows that are left out, in memory and in files; a row left out is no error."""
    frame = FRAME.assign(row=range(1, len(FRAME) + 1)).astype({"w": float})
    frame.loc[6, column] = value
    path = write("t.csv", frame.to_csv(index=False))
    for source in (frame, path):
        with pytest.raises(ValueFoundError, match=r"in row 7\b"):
            steepest.scan(source, where="row > 3 and row != 5", **options)
        assert steepest.scan(source, where="row != 7", **options).filtered == 1


def test_conditions_that_no_row_meets():
    for where in ("z > 100", "z > 1 and z < 1", "city == 'Rome'"):
        with pytest.raises(EmptySourceError, match="none of the 400 rows is taken"):
            steepest.fit(FRAME, target="y", features=["x"], where=where)
    with pytest.raises(EmptySourceError):
        steepest.fit(FRAME, target="y", features=["x"], where="x is null")


def test_a_column_without_any_value_meets_no_comparison():
    """Of whatever kind the other side is, as a null does."""
    table = {"gone": [None] * 4, "y": [1.0, 2.0, 3.0, 4.0]}
    for where in ("gone == 'a' or y > 2", "not gone > 3 or y > 2", "not (gone in ('a')) or y > 2"):
        assert steepest.scan(table, columns=["y"], where=where).n_rows == 2
    assert steepest.scan(table, columns=["y"], where="gone is null").n_rows == 4


def test_times_in_a_zone_are_compared_by_its_clocks():
    """As their years and hours are read."""
    clock = pd.date_range("2024-03-30 20:00", periods=10, freq="h")
    utc = (clock - pd.Timedelta(hours=2)).to_pydatetime().tolist()
    table = pa.table({"t": pa.array(utc, pa.timestamp("us", "+02:00")), "y": np.arange(10.0)})
    for where, rows in (
        ("t >= '2024-03-31'", 6),
        ("t < '2024-03-30 22:30:00'", 3),
        ("t >= '2024-03-31 00:00:00+02:00'", 6),
        ("t >= '2024-03-31 00:00:00Z'", 4),
    ):
        assert steepest.scan(table, columns=["y"], where=where).n_rows == rows, where


def test_columns_of_the_condition_alone_are_not_kept():
    """Neither do their nulls drop rows, nor do their infinities matter."""
    frame = FRAME.assign(far=np.where(FRAME["z"] > 1, np.inf, 0.0))
    moments = steepest.scan(frame, columns=["y", "z"], where="far > 1 and x is null")
    assert moments.names == ("z", "y")
    assert moments.n_rows == int(((FRAME["z"] > 1) & FRAME["x"].isna()).sum())


def test_arrays_are_filtered():
    values = np.random.default_rng(1).integers(-5, 6, (40, 3))
    moments = steepest.scan(values, names=["a", "b", "y"], where="a > 1 or b == -2")
    kept = values[(values[:, 0] > 1) | (values[:, 1] == -2)]
    assert moments.n_rows == len(kept)
    assert moments.mean == pytest.approx(kept.mean(axis=0), rel=1e-15)


def test_a_long_condition_is_read_and_met():
    table = {"x": np.arange(4000.0), "y": np.ones(4000)}
    where = " or ".join(f"x == {2 * i}" for i in range(1500))
    assert steepest.scan(table, where=where).n_rows == 1500
