"""Every type of column of Parquet and Arrow: its exact values, or refused by name and type."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

import steepest
from steepest import errors

Y = [1.0, 2.0, 4.0, 4.0]
pytestmark = pytest.mark.filterwarnings("ignore:1 of 4 rows was dropped")


def save(folder: Path, ending: str, column: pa.Array) -> Path:
    table, path = pa.table({"x": column, "y": Y}), folder / f"t.{ending}"
    if ending == "parquet":
        parquet.write_table(table, path, row_group_size=3)
    else:
        feather.write_feather(table, str(path))
    return path


NUMBERS = {
    "epoch": pa.array([1_700_000_000_123_456_789 + i**3 for i in range(4)]),
    "int64": pa.array([-(2**63), 2**63 - 1, 2**53 + 1, None]),
    "uint64": pa.array([2**64 - 1, 0, 2**63 + 1, 7], pa.uint64()),
    "uint8": pa.array([255, 0, None, 7], pa.uint8()),
    "decimal128": pa.array(
        [Decimal("12345678901234567890.12"), Decimal("-0.01"), None, Decimal(3)]
    ),
    "decimal256": pa.array(
        [Decimal(10**40 + 1) / 10, Decimal("-0.1"), Decimal(7), Decimal(0)], pa.decimal256(50, 1)
    ),
    "decimal32": pa.array([Decimal("1.25"), Decimal("-3.5"), None, Decimal(9)], pa.decimal32(7, 2)),
    "float16": pa.array(np.array([1.5, 65504, 0.1, -2], np.float16)),
    "float32": pa.array([0.1, 1e38, -1e-38, None], pa.float32()),
    "huge and tiny": pa.array([1e300, 1e-300, -5e-324, 2.5]),
}


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_added_exactly(name: str, ending: str, tmp_path: Path) -> None:
    column = NUMBERS[name]
    path = save(tmp_path, ending, column)
    moments = steepest.scan(path, precision="exact")
    pairs = [
        (Fraction(x), Fraction(y)) for x, y in zip(column.to_pylist(), Y, strict=True)
        if x is not None
    ]  # fmt: skip
    n, (xs, ys) = len(pairs), zip(*pairs, strict=True)
    mean = sum(xs) / n, sum(ys) / n
    assert moments.mean.tolist() == [float(value) for value in mean]
    scatter = sum((x - mean[0]) * (y - mean[1]) for x, y in pairs)
    assert moments.scatter[0, 1] == float(scatter)
    slope = scatter / sum((x - mean[0]) ** 2 for x in xs)
    model = steepest.fit(moments, target="y")
    assert model.coef[0] == pytest.approx(float(slope), rel=1e-15)


TIMES = [
    pa.array([dt.date(2020, 1, i) for i in (1, 2, 3, 4)]),
    pa.array([1, 2, 3, 4], pa.date64()),
    *(pa.array([1, 2, 3, 4], pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")),
    pa.array([1, 2, 3, 4], pa.timestamp("us", tz="Europe/Oslo")),
]


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
@pytest.mark.parametrize("column", TIMES, ids=lambda array: str(array.type))
def test_times_are_refused_with_what_may_count(
    column: pa.Array, ending: str, tmp_path: Path, refused: Any
) -> None:
    path = save(tmp_path, ending, column)
    with refused(errors.ColumnKindError, "'x'", "days(x)"):
        steepest.fit(path, target="y", features=["x"])
    assert steepest.scan(path).names == ("y",)


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1], [2], None, []]),
        pa.array([{"a": 1}, {"a": 2}, None, {"a": 4}]),
        pa.array([b"1", b"2", None, b"4"]),
        pa.array([b"ab", b"cd", None, b"ef"], pa.binary(2)),
        pa.array([[("k", 1)], None, [], [("k", 2)]], pa.map_(pa.string(), pa.int64())),
    ],
    ids=lambda array: str(array.type),
)
def test_what_holds_other_things_is_passed_over_unless_used(
    column: pa.Array, ending: str, tmp_path: Path, refused: Any
) -> None:
    path = save(tmp_path, ending, column)
    kind = str(parquet.read_schema(path).field("x").type if ending == "parquet" else column.type)
    with refused(errors.ColumnKindError, "'x'", kind.partition("<")[0]):
        steepest.fit(path, target="y", features=["x"])
    moments = steepest.scan(path)
    assert moments.names == ("y",)
    assert kind.partition("<")[0] in moments.left_out["x"]


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_booleans_are_0_and_1_and_keep_their_names(ending: str, tmp_path: Path) -> None:
    path = save(tmp_path, ending, pa.array([True, False, True, None]))
    assert steepest.scan(path).levels("x") == {"false": 1, "true": 2}
    assert steepest.fit(path, target="y").coefficients == {"intercept": 2.0, "x[true]": 0.5}


@pytest.mark.parametrize(
    "kind",
    [pa.timestamp("us"), pa.date32(), pa.date64(), pa.duration("s"), pa.time32("s")],
    ids=str,
)
def test_what_a_hint_says_of_a_time_can_be_formed(kind: pa.DataType) -> None:
    whole = pa.int32() if kind in (pa.date32(), pa.time32("s")) else pa.int64()
    table = pa.table({"t": pa.array([0, 0, 0], whole).cast(kind), "y": [1.0, 2.0, 4.0]})
    with pytest.raises(errors.ColumnKindError) as caught:
        steepest.scan(table, columns=["t"])
    parts = re.findall(r"\w+\(t\)", caught.value.hint)
    assert parts
    for part in parts:
        assert steepest.scan(table, formula=f"y ~ {part}").n_rows == 3
