"""Very many columns: refused at once where sums cannot fit, and read in time where they can."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet
from tests.clocks import count_loops

import steepest
from steepest import machine
from steepest.errors import SteepestError, TooLargeError
from steepest.sums import collector, scanning

COLUMNS = 100_000
NAMES = [f"x{i}" for i in range(COLUMNS)]


def write_wide(path: Path, cell: str = "1.5") -> Path:
    text = "\n".join([",".join(NAMES), *[",".join([cell] * COLUMNS)] * 3, ""])
    if path.suffix == ".jsonl":
        text = (json.dumps(dict.fromkeys(NAMES, 1.5)) + "\n") * 3
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode(), 1))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["wide.csv", "wide.csv.gz", "wide.jsonl"])
def test_a_hundred_thousand_columns_are_refused_at_once(name: str, tmp_path: Path) -> None:
    path = write_wide(tmp_path / name)

    def refuse(ask: Callable[[Path], object]) -> None:
        with pytest.raises(TooLargeError, match="100,000 terms needs 80 GB"):
            ask(path)

    for ask in (steepest.scan, lambda source: steepest.fit(source, target="x7")):
        assert count_loops(partial(refuse, ask)) < 50  # ten, alone


def test_few_of_very_many_columns_are_read(tmp_path: Path) -> None:
    path = write_wide(tmp_path / "wide.csv")
    moments = steepest.scan(path, columns=["x99999", "x3"])
    assert moments.names == ("x3", "x99999")
    assert moments.mean.tolist() == [1.5, 1.5]


def test_columns_of_text_are_no_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "find_memory", lambda: 8 * 5 * 50**2)
    assert machine.find_memory() != scanning.find_memory()
    names = [f"x{i}" for i in range(60)]
    path = tmp_path / "t.csv"
    path.write_text(",".join(names) + "\n" + ",".join(["u"] * 20 + ["1"] * 40) + "\n" * 2)
    assert len(steepest.scan(path, precision="double").numbers) == 40
    path.write_text(",".join(names) + "\n" + ",".join(["u"] * 5 + ["1"] * 55) + "\n" * 2)
    with pytest.raises(TooLargeError, match="55 terms"):
        steepest.scan(path, precision="double")
    table = steepest.open_table(path, text=names[5:15])
    assert len(steepest.scan(table, precision="double").numbers) == 45
    assert steepest.scan(path, columns=names[10:30], precision="double").n_rows == 1
    path.write_text(",".join(names) + '\n"1')  # whatever is wrong is told as ever
    with pytest.raises(SteepestError, match="line 2"):
        steepest.scan(path, precision="double")


@pytest.fixture
def wide() -> dict[str, Any]:
    random = np.random.default_rng(3)
    table: dict[str, Any] = {f"x{i}": random.normal(size=700) for i in range(30)}
    table["x3"][random.random(700) < 0.1] = np.nan
    table["w"] = random.integers(0, 3, 700).astype(float)
    table["city"] = random.choice(["Oslo", "Rome"], 700)
    table["key"] = np.array([f"k{i}" for i in range(700)])
    return table


@pytest.mark.parametrize("options", [{}, {"weights": "w"}, {"folds": 3}, {"where": "x1 > 0"}])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_rows_of_wide_tables_wait_without_harm(
    options: dict[str, Any],
    form: str,
    wide: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = steepest.scan(wide, precision="double", **options)
    monkeypatch.setattr(collector, "MANY", 20)
    monkeypatch.setattr(collector, "LEVELS_UNASKED", 200)
    monkeypatch.setattr("steepest.data.fragments.BLOCK_BYTES", 3_000)
    table = pa.table({n: pa.array(v, from_pandas=True) for n, v in wide.items()})
    path = tmp_path / f"wide.{form}"
    if form == "csv":
        csv.write_csv(table, path)
    else:
        parquet.write_table(table, path, row_group_size=40)
    for source in (path, wide):
        found = steepest.scan(source, precision="double", **options)
        assert [*found.left_out] == ["key"]
        folds = (found.folds or {}).items()
        pairs = [(found, known), *((fold, known.folds[name]) for name, fold in folds)]
        for own, other in pairs:
            assert own.n_read == other.n_read
            assert own.n_rows == other.n_rows
            np.testing.assert_allclose(own.mean, other.mean, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(own.scatter, other.scatter, rtol=1e-9, atol=1e-9)
            assert own.describe()["city"] == other.describe()["city"]
