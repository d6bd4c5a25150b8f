"""What is read batch after batch: readers, iterators, relations, datasets; what they may not do."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import dataset, parquet

import steepest
from steepest import errors
from steepest.data import scanned, streams
from steepest.data.files import Files
from steepest.data.open import open_source
from steepest.data.parquet import ParquetFile

RANDOM = np.random.default_rng(5)
FRAME = pl.DataFrame({"x": np.arange(1_000.0), "c": ["u", "v"] * 500, "t": ["w"] * 1_000})


def batches() -> Iterator[dict[str, Any]]:
    for start in range(0, 10, 5):
        yield {"x": np.arange(start, start + 5.0), "c": ["u"] * 5}


# ------------------------------------------------------------------ once, and here


def test_an_iterator_is_read_once(refused: Any) -> None:
    source = open_source(batches())
    assert steepest.scan(source).mean == [4.5]
    with refused(errors.SourceError, "the iterator was read already"):
        steepest.scan(source)


def test_an_exhausted_iterator(refused: Any) -> None:
    found = batches()
    steepest.scan(found)
    with refused(errors.EmptySourceError, "the iterator has no data rows"):
        steepest.scan(found)


def test_an_exhausted_reader(refused: Any) -> None:
    reader = FRAME.to_arrow().to_reader()
    steepest.scan(reader)
    with refused(errors.EmptySourceError, "the reader has no data rows"):
        steepest.scan(reader)


def test_two_passes_over_an_iterator(refused: Any) -> None:
    with refused(errors.SourceError, "the iterator was read already", "make it anew"):
        steepest.fit(batches(), formula="x ~ spline(x, 3)")


def test_the_schema_alone_takes_nothing() -> None:
    source = open_source(batches())
    for _ in range(3):
        assert source.schema().names == ("x", "c")
    assert steepest.scan(source).n_read == 10


def test_rows_are_asked_for_as_they_are_read() -> None:
    """An iterator without end is read no further than a mistake."""

    def endless() -> Iterator[dict[str, list[float]]]:
        for i in itertools.count():
            yield {"x": [float(i), np.inf if i == 50 else 0.0]}

    with pytest.raises(errors.ValueFoundError, match="row 102"):
        steepest.scan(endless())


def test_other_processes_are_not_asked() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        assert steepest.scan(batches(), executor=executor).n_read == 10


def test_progress_without_a_size() -> None:
    reports: list[Any] = []
    steepest.scan(batches(), on_progress=reports.append)
    assert [(r.rows, r.fraction) for r in reports] == [(5, None), (10, None)]


def test_errors_of_an_iterator_are_its_own() -> None:
    def failing() -> Iterator[dict[str, list[float]]]:
        yield {"x": [1.0]}
        raise RuntimeError("the pump is broken")

    with pytest.raises(RuntimeError, match="the pump is broken"):
        steepest.scan(failing())


# ------------------------------------------------------------------ batches that differ


def test_order_is_free_and_nulls_take_any_kind() -> None:
    tables = [
        {"x": [None, None], "c": ["u", "v"]},
        {"c": [None], "x": [3.0]},
        {"c": ["u"], "x": [4], "more": [1]},
    ]
    moments = steepest.scan(iter(tables))
    assert (moments.n_read, moments.n_rows) == (4, 1)
    assert moments.mean == [4.0]


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        ([1.0], ["u"], "a number in the iterator but a category in batch 2"),
        (["u"], [1.0], "a category in the iterator but a number in batch 2"),
        ([True], ["u"], "a boolean in the iterator but a category in batch 2"),
    ],
)
def test_kinds_that_differ(first: list[Any], then: list[Any], words: str, refused: Any) -> None:
    with refused(errors.ColumnKindError, words):
        steepest.scan(iter([{"x": first, "y": [1.0]}, {"x": then, "y": [1.0]}]))


def test_a_column_that_stays_empty_for_long(refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left out with a reason, unless that turns out to be false."""
    monkeypatch.setattr(streams, "HELD_ROWS", 2)
    empty, late = {"x": [None], "y": [1.0]}, {"x": ["u"], "y": [2.0]}
    assert "no value" in steepest.scan(iter([empty] * 9)).left_out["x"]
    assert steepest.scan(iter([empty, late])).levels("x") == {"u": 1}
    with refused(errors.ColumnKindError, "'x' is a null in the iterator but a category in batch 5"):
        steepest.scan(iter([*[empty] * 4, late]))
    assert steepest.scan(iter([*[empty] * 4, late]), columns=["y"]).n_read == 5


def test_a_column_that_goes_missing(refused: Any) -> None:
    with refused(errors.ColumnNotFoundError, "'x' is not in", "batch 2"):
        steepest.scan(iter([{"x": [1.0], "y": [1.0]}, {"y": [2.0]}]))


@pytest.mark.parametrize("item", ["homes.csv", Path("homes.csv"), 5, None, b"x"])
def test_items_that_are_no_tables(item: Any, refused: Any) -> None:
    with refused(errors.SourceError, "is not a table"):
        steepest.scan(iter([item]))


def test_an_open_file_is_no_table(write: Any, refused: Any) -> None:
    with open(write("t.csv", "x\n1\n")) as file, refused(errors.SourceError, "is not a table"):  # noqa: PTH123
        steepest.scan(file)


def test_bare_arrays_need_names(refused: Any) -> None:
    arrays = [np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[5.0, 5.0]])]
    assert steepest.scan(iter(arrays), names=["x", "y"]).mean.tolist() == [3.0, 4.0]
    with refused(errors.ColumnNameError, "without names"):
        steepest.scan(iter(arrays))


# ------------------------------------------------------------------ each kind of stream


def test_a_lazy_frame_reads_what_is_asked_for() -> None:
    lazy = FRAME.lazy().with_columns(bad=pl.col("t").cast(pl.Int64))  # fails when it is read
    assert steepest.scan(lazy, columns=["x"]).mean == [499.5]
    with pytest.raises(errors.SourceError, match="the LazyFrame cannot be read to its end"):
        steepest.scan(lazy, columns=["bad"])


@pytest.mark.parametrize(
    ("change", "whole"),
    [
        (pl.scan_parquet, True),
        (lambda path: pl.scan_parquet(path, n_rows=10), False),
        (lambda path: pl.scan_parquet(path, row_index_name="i"), False),
        (lambda path: pl.scan_parquet(path, include_file_paths="from"), False),
        (lambda path: pl.scan_parquet([path, path]), False),
        (lambda path: pl.scan_parquet(path).filter(pl.col("x") > 5), False),
        (lambda path: pl.scan_parquet(path).select("x"), False),
        (lambda path: pl.scan_parquet(path).with_columns(x=-pl.col("x")), False),
        (lambda path: pl.scan_parquet(path.read_bytes()), False),
    ],
)
def test_a_lazy_frame_that_scans_a_file_is_that_file(
    change: Callable[[Path], pl.LazyFrame], whole: bool, tmp_path: Path
) -> None:
    """Which takes less memory; whatever else it does polars does."""
    FRAME.write_parquet(tmp_path / "t.parquet")
    lazy = change(tmp_path / "t.parquet")
    assert isinstance(open_source(lazy), ParquetFile) == whole
    assert steepest.scan(lazy) == steepest.scan(lazy.collect())


def test_a_lazy_frame_of_a_file_that_arrow_reads_otherwise(tmp_path: Path) -> None:
    wide = pl.DataFrame({"x": pl.Series([2**100, 3], dtype=pl.Int128), "y": [1.0, 2.0]})
    wide.write_parquet(tmp_path / "t.parquet")
    lazy = pl.scan_parquet(tmp_path / "t.parquet")
    assert steepest.scan(lazy) == steepest.scan(wide)


def test_a_relation_reads_what_is_asked_for() -> None:
    con = duckdb.connect()
    relation = con.sql(
        """select i::double as x, ('l' || i)::int as bad, i as "a ""b""; drop table t"
        from range(1000) as t(i)"""
    )
    assert steepest.scan(relation, columns=["x"]).mean == [499.5]
    assert steepest.scan(relation, columns=['a "b"; drop table t']).mean == [499.5]
    with pytest.raises(errors.SourceError, match="the relation cannot be read to its end"):
        steepest.scan(relation, columns=["bad"])


def test_types_of_duckdb() -> None:
    relation = duckdb.connect().sql(
        """select (i * 10::hugeint ^ 18)::hugeint as huge, i::decimal(18, 3) / 8 as money,
        i::utinyint as small, 'b'::enum ('a', 'b') as e, date '2024-01-01' + i::int as d,
        uuid() as u, [i] as many from range(100) as t(i)"""
    )
    moments = steepest.scan(relation)
    assert moments.numbers == ("huge", "money", "small")
    assert moments.levels("e") == {"b": 100}
    assert set(moments.left_out) == {"d", "many"}
    assert moments.mean[moments.numbers.index("small")] == 49.5


def test_a_dataset_with_a_filter(tmp_path: Path) -> None:
    parquet.write_table(FRAME.to_arrow(), tmp_path / "0.parquet")
    found = dataset.dataset(tmp_path)
    assert steepest.scan(found, columns=["x", "c"]).n_read == 1_000
    assert steepest.scan(found.filter(pc.field("x") < 10)).n_read == 10


def test_a_dataset_that_is_damaged(tmp_path: Path, refused: Any) -> None:
    parquet.write_table(FRAME.to_arrow(), tmp_path / "0.parquet")
    found = dataset.dataset(tmp_path)
    data = (tmp_path / "0.parquet").read_bytes()
    (tmp_path / "0.parquet").write_bytes(data[:-300])
    with refused(errors.SourceError, "the dataset cannot be read to its end"):
        steepest.scan(found)


def test_memory_stays_bounded() -> None:
    relation = duckdb.connect().sql("select i::double as x from range(4000000) as t(i)")
    pool = pa.default_memory_pool()
    before = pool.bytes_allocated()
    seen = [0]

    def on_progress(_: Any) -> None:
        seen[0] = max(seen[0], pool.bytes_allocated() - before)

    assert steepest.scan(relation, on_progress=on_progress).n_read == 4_000_000
    assert seen[0] < 16 << 20


def test_a_dataset_is_not_read_far_ahead(tmp_path: Path) -> None:
    """Row groups of 2 MB, of which Arrow would hold most of the 60 while a batch is added up."""
    table = pa.table({f"x{i}": RANDOM.normal(size=60 << 13) for i in range(32)})
    for i in range(6):  # of which it holds two at the most, however long nobody asks for more
        parquet.write_table(
            table.slice(i * 10 << 13, 10 << 13), tmp_path / f"{i}.parquet", row_group_size=1 << 13
        )
    pool = pa.default_memory_pool()
    held: list[int] = []
    before = pool.bytes_allocated()
    found = dataset.dataset(tmp_path).filter(pc.field("x0").is_valid())
    steepest.scan(found, on_progress=lambda _: held.append(pool.bytes_allocated() - before))
    assert max(held) < 64 << 20
    assert steepest.scan(found).fingerprint == steepest.scan(table).fingerprint


def test_a_dataset_of_other_formats(tmp_path: Path) -> None:
    table = pa.table({"x": [1.0, 2.0, 5.0], "c": ["u", "v", "u"]})
    dataset.write_dataset(table, tmp_path / "csv", format="csv")
    dataset.write_dataset(table, tmp_path / "arrow", format="arrow")
    found = [dataset.dataset(tmp_path / name, format=name) for name in ("csv", "arrow")]
    for source in (*found, dataset.dataset(table)):
        assert steepest.scan(source).fingerprint == steepest.scan(table).fingerprint


def test_pages_of_a_dataset_are_checked(tmp_path: Path, refused: Any) -> None:
    path = tmp_path / "0.parquet"
    table = pa.table({"x": np.arange(1_000.0)})
    parquet.write_table(
        table, path, compression="none", use_dictionary=False, write_page_checksum=True
    )
    data = bytearray(path.read_bytes())
    data[2_000] ^= 1
    path.write_bytes(data)
    with refused(errors.SourceError, "the dataset cannot be read to its end", "CRC"):
        steepest.scan(dataset.dataset(path).filter(pc.field("x").is_valid()))


@pytest.mark.parametrize(
    ("change", "whole"),
    [
        (dataset.dataset, True),
        (lambda folder: dataset.dataset([folder / "1.parquet", folder / "0.parquet"]), True),
        (lambda folder: dataset.dataset(folder).filter(pc.field("x") > 5), False),
        (lambda folder: dataset.dataset(folder.parent, partitioning=["part"]), False),
        (lambda folder: dataset.dataset(folder).replace_schema(pa.schema({"x": "double"})), False),
        (lambda folder: dataset.dataset([dataset.dataset(folder), dataset.dataset(folder)]), False),
        (lambda folder: _without_a_row_group(dataset.dataset(folder)), False),
    ],
)
def test_a_dataset_of_files_is_those_files(
    change: Callable[[Path], Any], whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which takes less memory; whatever else it does Arrow does."""
    monkeypatch.setattr(scanned, "SMALL_BYTES", 0)
    (tmp_path / "own").mkdir()
    for i in range(2):
        part = FRAME.to_arrow().slice(500 * i, 500)
        parquet.write_table(part, tmp_path / "own" / f"{i}.parquet", row_group_size=250)
    found = change(tmp_path / "own")
    assert isinstance(open_source(found), Files) == whole
    assert steepest.scan(found).fingerprint == steepest.scan(found.to_table()).fingerprint


def test_a_dataset_of_small_files_is_one_stream(tmp_path: Path) -> None:
    """Thousands of them take a fraction of the time so."""
    parquet.write_table(FRAME.to_arrow(), tmp_path / "0.parquet")
    assert not isinstance(open_source(dataset.dataset(tmp_path)), ParquetFile)


def _without_a_row_group(found: Any) -> Any:
    fragments = [fragment.subset(row_group_ids=[0]) for fragment in found.get_fragments()]
    return dataset.FileSystemDataset(fragments, found.schema, found.format, found.filesystem)
