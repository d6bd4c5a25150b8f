"""Row groups and folders that cannot meet a condition are not read, and count all the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import dataset, parquet

import steepest
from steepest.data import parquet as parquet_files
from steepest.data.conditions import parse_condition
from steepest.data.pruning import may_meet

N = 3_000
TABLE = pa.table(
    {
        "x": np.arange(float(N)),
        "whole": pa.array([2**53 + i // 2 if i % 7 else None for i in range(N)]),
        "hole": pa.array([None if 500 <= i < 1_500 else i / 4 for i in range(N)]),
        "nan": np.where(np.arange(N) % 3 == 0, np.nan, np.arange(N) % 50),
        "c": ["u" if i < 1_000 else "v" for i in range(N)],
        "year": [2020 + i // 1_000 for i in range(N)],
    }
)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """The row groups that were read."""
    monkeypatch.setattr(parquet_files, "PART_ROWS", 1)
    found: Counter[int] = Counter()
    batches = parquet_files.ParquetFile.batches

    def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        found.update(self.groups)
        return batches(self, *arguments, **named)

    monkeypatch.setattr(parquet_files.ParquetFile, "batches", counted)
    return found


@pytest.fixture
def path(tmp_path: Path) -> str:
    parquet.write_table(TABLE, tmp_path / "t.parquet", row_group_size=500)
    return str(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("condition", "groups"),
    [
        ("x < 500", {0}),
        ("x <= 500", {0, 1}),
        ("x >= 2500", {5}),
        ("x == 1200", {2}),
        ("x in (3, 2999)", {0, 5}),
        ("not (x > 499.5)", {0}),
        ("x > 2400 and x < 2600", {4, 5}),
        ("x < 10 or x > 2990", {0, 5}),
        ("not (x < 10 or x > 20)", {0}),
        ("x > 1e300", set()),
        ("x != 7", set(range(6))),
        ("year == 2021 and x > 0", {2, 3}),
        ("c == 'u'", set(range(6))),
        ("hole is null", set(range(6))),
        ("hole > 0", {0, 1, 2, 3, 4, 5}),
        (f"whole >= {2**53 + 1250}", {5}),
        (f"whole < {2**53 + 250}", {0}),
    ],
)
def test_what_is_read(condition: str, groups: set[int], path: str, read: Counter[int]) -> None:
    if groups:
        found = steepest.scan(path, where=condition)
        expected = steepest.scan(TABLE, where=condition)
        assert found.fingerprint == expected.fingerprint
        assert (found.n_read, found.filtered) == (expected.n_read, expected.filtered)
    else:
        with pytest.raises(steepest.SteepestError, match=r"none of the 3,000 rows is taken"):
            steepest.scan(path, where=condition)
    assert set(read) == groups


def test_progress_counts_what_is_passed_over(path: str, read: Counter[int]) -> None:
    reports: list[Any] = []
    steepest.scan(path, where="x < 100", on_progress=reports.append)
    assert (reports[-1].rows, reports[-1].fraction) == (N, pytest.approx(1.0))


def test_the_row_of_a_mistake_after_what_is_passed_over(tmp_path: Path, refused: Any) -> None:
    values = np.arange(float(N))
    bad = np.where(values == 2_600, np.inf, 0.0)
    table = pa.table({"x": values, "bad": bad})
    parquet.write_table(table, tmp_path / "t.parquet", row_group_size=500)
    with refused(steepest.errors.ValueFoundError, "row 2,601"):
        steepest.scan(tmp_path / "t.parquet", where="x > 2000")


def test_files_without_statistics(tmp_path: Path, read: Counter[int]) -> None:
    parquet.write_table(TABLE, tmp_path / "t.parquet", row_group_size=500, write_statistics=False)
    found = steepest.scan(tmp_path / "t.parquet", where="x < 500")
    assert found.fingerprint == steepest.scan(TABLE, where="x < 500").fingerprint
    assert set(read) == set(range(6))


@pytest.mark.parametrize("style", ["parquet", "csv"])
def test_folders(style: str, tmp_path: Path) -> None:
    dataset.write_dataset(
        TABLE, tmp_path / "t", format=style, partitioning=["year"], partitioning_flavor="hive"
    )
    for damaged in (tmp_path / "t" / "year=2020").iterdir():
        if style == "parquet":  # its footer stays whole, its rows do not
            data = bytearray(damaged.read_bytes())
            data[100:2_000] = bytes(1_900)
            damaged.write_bytes(data)
    where = "year > 2020 and x < 2500"
    found = steepest.scan(tmp_path / "t", columns=["x", "year"], where=where)
    expected = steepest.scan(TABLE, columns=["x", "year"], where=where)
    assert found.fingerprint == expected.fingerprint
    assert (found.n_read, found.filtered) == (N, expected.filtered)


LEAVES = st.tuples(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), st.integers(-3, 3)).map(
    lambda pair: f"x {pair[0]} {pair[1]}"
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda three: f"({three[0]}) {three[1]} ({three[2]})"
        ),
    ),
    max_leaves=6,
)


@given(CONDITIONS, st.lists(st.integers(-3, 3), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_no_row_is_lost(condition: str, values: list[int]) -> None:
    """Python's own reading of the condition is the judge."""
    met = any(eval(condition, {"x": value}) for value in values)
    assert may_meet(parse_condition(condition), lambda _: (min(values), max(values))) or not met
