"""One table from every kind of source: the same moments, the same fit, whoever works on it."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import math
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import dataset, ipc, parquet
from tests.tiers import crossed

import steepest
from steepest.data import arrow, delimited, fragments, lines, memory, objects
from steepest.data import ipc as arrow_files
from steepest.data import parquet as parquet_files
from steepest.data.open import open_source
from steepest.sums.archive import pack_moments

Row = dict[str, Any]
Array = np.ndarray

ROWS = 1_040
LATE = 1_010
"""From here on a level appears that sorts before all others of its column."""

NUMBERS = ("größe", "f32", "i64", "i8", "y")
CATEGORIES = ("flag", "city", "late")
ORDER = ("größe", "f32", "i64", "flag", "city", "i8", "late", "y")


def _make_table() -> dict[str, list[Any]]:
    random = np.random.default_rng(20240229)
    size = 1e3 + random.normal(size=ROWS)
    quarter = random.integers(-400, 400, ROWS) / 4
    whole = random.integers(-(10**12), 10**12, ROWS)
    small = random.integers(-128, 128, ROWS)
    flag = random.random(ROWS) < 0.3
    city = random.choice(["Oslo", "Zürich", "東京", "a,b", 'say "x"'], ROWS)
    late = np.where(np.arange(ROWS) < LATE, random.choice(["b", "c"], ROWS), "a")
    y = 3 * (size - 1e3) + quarter + 5 * flag + 2 * (city == "Oslo") + random.normal(size=ROWS)

    def with_nulls(values: np.ndarray, share: float) -> list[Any]:
        gone = random.random(ROWS) < share
        return [None if g else v for v, g in zip(values.tolist(), gone, strict=True)]

    return {
        "größe": with_nulls(size, 0.05),
        "f32": with_nulls(quarter, 0.03),
        "i64": whole.tolist(),
        "flag": flag.tolist(),
        "city": with_nulls(city, 0.08),
        "i8": small.tolist(),
        "late": late.tolist(),
        "y": with_nulls(y, 0.01),
    }


TABLE = _make_table()


# ------------------------------------------------------------------ the table as each source


def _column(name: str, values: list[Any]) -> np.ndarray:
    if name in ("city", "late"):
        return np.array(values, dtype=object)
    dtype = {"f32": np.float32, "i64": np.int64, "i8": np.int8, "flag": bool}.get(name, np.float64)
    return np.array([np.nan if v is None else v for v in values], dtype=dtype)


def as_arrays() -> dict[str, np.ndarray]:
    return {name: _column(name, values) for name, values in TABLE.items()}


def as_structured() -> np.ndarray:
    columns = as_arrays()
    table = np.empty(ROWS, dtype=[(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        table[name] = column
    return table


def as_pandas() -> pd.DataFrame:
    return pd.DataFrame(as_arrays())


def as_categorical() -> pd.DataFrame:
    return as_pandas().astype({"city": "category", "late": "category"})


def as_arrow() -> pa.Table:
    types = {"f32": pa.float32(), "i64": pa.int64(), "i8": pa.int8()}
    return pa.table({n: pa.array(v, type=types.get(n)) for n, v in TABLE.items()})


def as_dictionaries() -> pa.Table:
    table = as_arrow()
    for name in ("city", "late"):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table[name].dictionary_encode())
    return table


def as_unsigned_dictionaries() -> pa.Table:
    table = as_dictionaries()
    for name in ("city", "late"):
        at = table.schema.get_field_index(name)
        narrow = table[name].cast(pa.dictionary(pa.uint8(), pa.string()))
        table = table.set_column(at, name, narrow)
    return table


def as_polars_categories() -> pl.DataFrame:
    return pl.from_arrow(as_arrow()).with_columns(
        pl.col("city").cast(pl.Categorical), pl.col("late").cast(pl.Enum(["c", "b", "a"]))
    )


def as_text(rows: slice = slice(None), delimiter: str = ",") -> bytes:
    def cell(value: Any) -> str:
        if value is None:
            return ""
        return str(value).lower() if isinstance(value, bool) else str(value)

    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(TABLE)
    writer.writerows(
        [cell(v) for v in row] for row in list(zip(*TABLE.values(), strict=True))[rows]
    )
    return text.getvalue().encode()


def as_lines(rows: slice = slice(None)) -> bytes:
    """As JSON lines; every other null is a key that is not there."""
    text = []
    for i, row in enumerate(list(zip(*TABLE.values(), strict=True))[rows]):
        pairs = zip(TABLE, row, strict=True)
        text.append(json.dumps({n: v for n, v in pairs if v is not None or i % 2 == 0}))
    return "\n".join(text).encode()


def as_compressed(text: bytes, codec: str) -> bytes:
    with pa.BufferOutputStream() as held:
        with pa.CompressedOutputStream(held, codec) as packed:
            packed.write(text)
        return held.getvalue().to_pybytes()


def _ipc(folder: Path, name: str, stream: bool, rows: int = ROWS, **options: Any) -> str:
    table = as_dictionaries()
    opened = ipc.new_stream if stream else ipc.new_file
    settings = ipc.IpcWriteOptions(**options)
    with opened(str(folder / name), table.schema, options=settings) as writer:
        writer.write_table(table, max_chunksize=rows)
    return str(folder / name)


def _folder(folder: Path) -> Path:
    for i, start in enumerate(range(0, ROWS, 300)):
        deeper = folder / "t" / f"0{i}"
        deeper.mkdir(parents=True)
        _parquet(deeper, as_arrow().slice(start, 300))
    (folder / "t" / "_SUCCESS").touch()
    return folder / "t"


def _file(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def _parquet(folder: Path, table: pa.Table, name: str = "t.parquet", **options: Any) -> str:
    parquet.write_table(table, folder / name, **options)
    return str(folder / name)


def _files(folder: Path) -> list[str]:
    cuts = [slice(0, 300), slice(300, 301), slice(301, None)]
    return [_file(folder, f"part{i}.csv", as_text(rows)) for i, rows in enumerate(cuts)]


def _glob(folder: Path) -> str:
    for i, start in enumerate(range(0, ROWS, 400)):
        _parquet(folder, as_dictionaries().slice(start, 400), f"{i}.parquet")
    return str(folder / "?.parquet")


def _dataset(folder: Path) -> Any:
    for i, start in enumerate(range(0, ROWS, 300)):
        _parquet(folder, as_dictionaries().slice(start, 300), f"{i}.parquet")
    return dataset.dataset(folder)


def as_relation() -> Any:
    table = as_arrow()
    con = duckdb.connect()
    con.register("held", table)
    return con.sql("select * from held")


def _duckdb_file(folder: Path) -> Any:
    table = as_arrow()
    with duckdb.connect(str(folder / "t.duckdb")) as con:
        con.register("held", table)
        con.execute("create table t as select * from held")
    return f"duckdb:///{folder}/t.duckdb?table=t"


class Holder:
    """Something that gives an Arrow stream, and is nothing else."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)


def _pieces(table: pa.Table) -> Iterator[pa.Table]:
    return (table.slice(i, 130) for i in range(0, ROWS, 130))


SOURCES_READ_ONCE: dict[str, Callable[[Path], Any]] = {
    "reader": lambda _: as_dictionaries().to_reader(max_chunksize=97),
    "arrow stream": lambda _: Holder(as_arrow()),
    "iterator of arrow tables": lambda _: _pieces(as_arrow()),
    "iterator of record batches": lambda _: iter(as_dictionaries().to_batches(97)),
    "iterator of dicts": lambda _: (
        dict(zip(t.column_names, t.columns, strict=True)) for t in _pieces(as_arrow())
    ),
    "iterator of pandas frames": lambda _: (
        as_pandas().iloc[i : i + 130] for i in range(0, ROWS, 130)
    ),
    "iterator of polars frames": lambda _: (pl.from_arrow(t) for t in _pieces(as_arrow())),
    "iterator of structured arrays": lambda _: (
        as_structured()[i : i + 200] for i in range(0, ROWS, 200)
    ),
}

SOURCES: dict[str, Callable[[Path], Any]] = {
    "arrow dataset": _dataset,
    "arrow dataset, filtered": lambda folder: _dataset(folder).filter(pc.scalar(True)),
    "duckdb relation": lambda _: as_relation(),
    "duckdb file": _duckdb_file,
    "dict of arrays": lambda _: as_arrays(),
    "dict of lists": lambda _: TABLE,
    "structured array": lambda _: as_structured(),
    "pandas": lambda _: as_pandas(),
    "pandas nullable": lambda _: as_pandas().convert_dtypes(),
    "pandas categorical": lambda _: as_categorical(),
    "pandas on arrow": lambda _: as_pandas().convert_dtypes(dtype_backend="pyarrow"),
    "dask": lambda _: dd.from_pandas(as_pandas(), npartitions=3),
    "polars": lambda _: pl.from_arrow(as_arrow()),
    "polars lazy": lambda _: pl.from_arrow(as_arrow()).lazy(),
    "polars categories": lambda _: as_polars_categories(),
    "arrow": lambda _: as_arrow(),
    "arrow in chunks": lambda _: pa.concat_tables(
        [as_dictionaries().slice(i, 111) for i in range(0, ROWS, 111)]
    ),
    "arrow unsigned dictionaries": lambda _: as_unsigned_dictionaries(),
    "record batch": lambda _: as_arrow().to_batches()[0],
    "csv": lambda folder: _file(folder, "t.csv", as_text()),
    "csv.gz": lambda folder: _file(folder, "t.csv.gz", gzip.compress(as_text())),
    "tsv": lambda folder: _file(folder, "t.tsv", as_text(delimiter="\t")),
    "tsv.gz": lambda folder: _file(folder, "t.tsv.gz", gzip.compress(as_text(delimiter="\t"))),
    "csv.bz2": lambda folder: _file(folder, "t.csv.bz2", bz2.compress(as_text())),
    "csv.zst": lambda folder: _file(folder, "t.csv.zst", as_compressed(as_text(), "zstd")),
    "csv.lz4": lambda folder: _file(folder, "t.csv.lz4", as_compressed(as_text(), "lz4")),
    "csv.xz": lambda folder: _file(folder, "t.csv.xz", lzma.compress(as_text())),
    "json lines": lambda folder: _file(folder, "t.jsonl", as_lines()),
    "json lines, packed": lambda folder: _file(folder, "t.ndjson", gzip.compress(as_lines())),
    "list of json lines": lambda folder: [
        _file(folder, "0.jsonl", as_lines(slice(0, 500))),
        _file(folder, "1.jsonl.zst", as_compressed(as_lines(slice(500, None)), "zstd")),
    ],
    "arrow file": lambda folder: _ipc(folder, "t.arrow", False, 97),
    "arrow file, packed": lambda folder: _ipc(folder, "t.feather", False, compression="zstd"),
    "arrow stream": lambda folder: _ipc(folder, "t.arrows", True, 97, compression="lz4"),
    "folder": _folder,
    "parquet": lambda folder: _parquet(folder, as_arrow(), use_dictionary=False),
    "parquet row groups": lambda folder: _parquet(folder, as_arrow(), row_group_size=83),
    "parquet dictionaries": lambda folder: _parquet(folder, as_dictionaries(), row_group_size=500),
    "list of files": _files,
    "glob": _glob,
    "pathlib": lambda folder: Path(_file(folder, "t.csv", as_text())),
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return SOURCES[request.param](tmp_path)


# ------------------------------------------------------------------ what the moments must be


@cache
def _expected(columns: tuple[str, ...]) -> tuple[Counter[frozenset[str]], list[Row], Array, Array]:
    """Rows by their nulls, the complete rows, and mean and scatter from plain Python sums."""
    rows = list(zip(*(TABLE[name] for name in columns), strict=True))
    nulls = Counter(
        frozenset(n for n, v in zip(columns, row, strict=True) if v is None) for row in rows
    )
    complete = [dict(zip(columns, row, strict=True)) for row in rows if None not in row]
    values = [[float(row[name]) for row in complete] for name in columns if name in NUMBERS]
    mean = [math.fsum(column) / len(column) for column in values]
    centred = [[v - m for v in column] for column, m in zip(values, mean, strict=True)]
    scatter = [
        [math.fsum(a * b for a, b in zip(p, q, strict=True)) for q in centred] for p in centred
    ]
    return nulls, complete, np.array(mean), np.array(scatter)


def expect_moments(moments: steepest.Moments, columns: tuple[str, ...] = ORDER) -> None:
    """Every count exactly, every mean and product to 1e-12."""
    nulls, complete, mean, scatter = _expected(columns)
    assert moments.names == columns
    assert moments.numbers == tuple(name for name in columns if name in NUMBERS)
    assert moments.categories == tuple(name for name in columns if name in CATEGORIES)
    assert moments.n_read == ROWS
    assert moments.n_rows == nulls[frozenset()]
    assert {null: sums.n_rows for null, sums in moments.patterns.items()} == nulls
    assert dict(moments.problem("y").rows.nulls) == {n: TABLE[n].count(None) for n in columns}
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-12, atol=0)
    size = np.sqrt(np.outer(np.diag(scatter), np.diag(scatter)))
    np.testing.assert_allclose(moments.scatter / size, scatter / size, rtol=0, atol=1e-12)
    for name in moments.categories:
        found = Counter(_level(row[name]) for row in complete)
        assert moments.levels(name) == found
        assert list(moments.levels(name)) == sorted(found, key=str.encode)


def _level(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else value


OFTEN = {"arrow", "arrow file", "csv", "dict of lists", "duckdb relation", "json lines", "pandas",
         "parquet row groups"}  # fmt: skip
"""One of each way to read; the exhaustive tier takes the others row by row too."""


@pytest.mark.parametrize(
    ("name", "batch"),
    [
        *((name, batch) for name in SOURCES for batch in (7, 1_000, None)),
        *((name, 1) for name in sorted(OFTEN)),
        *(pytest.param(name, 1, marks=pytest.mark.exhaustive) for name in SOURCES.keys() - OFTEN),
    ],
)
def test_every_source_gives_the_same_moments(
    name: str, batch: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if batch:
        for room in (arrow, arrow_files, memory, parquet_files):
            monkeypatch.setattr(room, "batch_rows", lambda _columns: batch)
        # Text comes in blocks of bytes, and in parts of some of these.
        for text in (fragments, objects):
            monkeypatch.setattr(text, "BLOCK_BYTES", 80 * batch)
        for text in (delimited, lines):
            monkeypatch.setattr(text, "PART_BYTES", 300 * batch)
    expect_moments(steepest.scan(SOURCES[name](tmp_path)))


def test_every_source_gives_the_same_bits(source: Any) -> None:
    assert steepest.scan(source).fingerprint == _arrow_fingerprint()


@cache
def _arrow_fingerprint() -> str:
    return steepest.scan(as_arrow(), precision="exact").fingerprint


@pytest.mark.parametrize(
    ("name", "rows"),
    [("dict of arrays", 1), ("arrow in chunks", 97), ("parquet row groups", 97), ("pandas", 7)],
)
def test_short_parts_give_the_same_moments(
    name: str, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "PART_ROWS", rows)
    monkeypatch.setattr(parquet_files, "PART_ROWS", rows)
    expect_moments(steepest.scan(SOURCES[name](tmp_path)))


def _matrix(order: str, dtype: type) -> np.ndarray:
    columns = [_column(name, TABLE[name]).astype(dtype) for name in NUMBERS]
    return np.array(np.column_stack(columns), order=order)


@crossed(1, order=["C", "F"], rows=[1, 7, 1_000, None])
def test_a_matrix_with_names(order: str, rows: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if rows:
        monkeypatch.setattr(memory, "PART_ROWS", rows)
    expect_moments(steepest.scan(_matrix(order, np.float64), names=NUMBERS), NUMBERS)


@pytest.mark.parametrize("columns", [("i8", "y"), ("late", "y"), ("flag", "größe", "y")])
def test_some_columns_only(source: Any, columns: tuple[str, ...]) -> None:
    """Asked for in reverse, and given in the table's order."""
    wanted = tuple(name for name in ORDER if name in columns)
    expect_moments(steepest.scan(source, columns=columns[::-1]), wanted)


# ------------------------------------------------------------------ whoever works on it


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        yield executor


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        *((name, "exact") for name in SOURCES),
        *((name, "double") for name in sorted(OFTEN)),
        *(pytest.param(n, "double", marks=pytest.mark.exhaustive) for n in SOURCES.keys() - OFTEN),
    ],
)
def test_executors_do_not_change_a_bit(
    name: str,
    precision: str,
    tmp_path: Path,
    threads: Executor,
    processes: Executor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if name != "duckdb file":  # its rows are cut in the workers, who do not hear of this
        monkeypatch.setattr(memory, "PART_ROWS", 200)
    monkeypatch.setattr(parquet_files, "PART_ROWS", 200)
    monkeypatch.setattr(arrow_files, "PART_ROWS", 200)
    for text in (delimited, lines):
        monkeypatch.setattr(text, "PART_BYTES", 20_000)
    source = SOURCES[name](tmp_path)
    # A database does not say how many rows there are.
    sized = name != "duckdb file" and not getattr(open_source(source), "stays", False)
    alone = pack_moments(steepest.scan(source, precision=precision))
    for executor in (threads, processes):
        reports: list[Any] = []
        moments = steepest.scan(
            source, precision=precision, executor=executor, on_progress=reports.append
        )
        assert pack_moments(moments) == alone
        assert reports[-1].rows == ROWS
        assert reports[-1].fraction == (pytest.approx(1.0) if sized else None)
        assert [r.rows for r in reports] == sorted(r.rows for r in reports)


@pytest.mark.parametrize("name", SOURCES_READ_ONCE)
def test_what_is_read_once(
    name: str, tmp_path: Path, processes: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moments, some columns, other workers, fits and predictions: a fresh one for each."""
    make = SOURCES_READ_ONCE[name]
    expect_moments(steepest.scan(make(tmp_path)))
    assert steepest.scan(make(tmp_path)).fingerprint == _arrow_fingerprint()
    expect_moments(steepest.scan(make(tmp_path), columns=["y", "late"]), ("late", "y"))
    moved = steepest.scan(make(tmp_path), executor=processes)
    assert moved.fingerprint == _arrow_fingerprint()
    with pytest.warns(steepest.SteepestWarning):
        expected = steepest.fit(as_arrow(), target="y")
    with pytest.warns(steepest.SteepestWarning):
        model = steepest.fit(make(tmp_path), target="y")
    assert model.coefficients == expected.coefficients
    np.testing.assert_array_equal(model.predict(make(tmp_path)), expected.predict(as_arrow()))
    monkeypatch.setattr(memory, "PART_ROWS", 50)
    expect_moments(steepest.scan(make(tmp_path)))


def test_an_error_comes_out_of_a_process_whole(processes: Executor) -> None:
    with pytest.raises(steepest.SteepestError, match="in row 3") as caught:
        steepest.scan({"x": [1.0, 2.0, math.inf], "y": [1.0, 2.0, 3.0]}, executor=processes)
    assert "Hint:" in str(caught.value)


# ------------------------------------------------------------------ the fit


def test_a_fit_is_least_squares_on_dummies(source: Any, least_squares: Any) -> None:
    frame = pd.DataFrame({name: _column(name, values) for name, values in TABLE.items()})
    expected = least_squares(frame, "y", [name for name in ORDER if name != "y"])
    assert "late[b]" in expected
    assert "late[a]" not in expected
    with pytest.warns(steepest.SteepestWarning, match="were dropped for nulls"):
        model = steepest.fit(source, target="y")
    assert list(model.coefficients) == list(expected)
    # The offset of 1,000 standard deviations costs the reference three digits.
    assert model.coefficients == pytest.approx(expected, rel=1e-9, abs=1e-9)
    first = min(city for city in TABLE["city"] if city is not None)
    assert model.references == {"flag": "false", "city": first, "late": "a"}


def test_predictions_are_the_rows_times_the_coefficients(source: Any) -> None:
    with pytest.warns(steepest.SteepestWarning):
        model = steepest.fit(TABLE, target="y")
    coef = model.coefficients
    expected = []
    for row in zip(*(TABLE[name] for name in ORDER), strict=True):
        value = coef["intercept"]
        for name, cell in zip(ORDER, row, strict=True):
            if name == "y":
                continue
            if cell is None:
                value = math.nan
            elif name in CATEGORIES:
                value += coef.get(f"{name}[{_level(cell)}]", 0.0)
            else:
                value += coef[name] * cell
        expected.append(value)
    np.testing.assert_allclose(model.predict(source), expected, rtol=1e-12)
