"""What gives its rows front to back, batch after batch, in this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import Any

from ..errors import (
    ColumnKindError,
    DatabaseError,
    EmptySourceError,
    SourceError,
    SteepestError,
)
from . import memory
from .arrow import arrow_schema, batch_rows
from .columns import narrow
from .parquet import FAR_BYTES, READ_BYTES
from .table import Batch, Column, Kind, Reads, Schema, Source

FOREIGN = ("pyarrow", "polars", "duckdb", "_duckdb", "sqlite3", "distributed")
"""The packages whose errors are put in the house's own words; those of an iterator are its own."""

HELD_ROWS = 1 << 20
"""So many rows are looked at, and held, to see a value of every column."""

Start = Callable[[Sequence[str] | None], Iterator[Source]]
"""Begins to read: the batches as tables, with these columns at least (None: all)."""


class Stream:
    """Batches as one table: a source, and its own only part.

    Where the schema is not known from the start, the first batches tell, and are kept.
    """

    stays = True
    """It is read by the thread that asks for it, and cannot be sent to a process."""
    first_row = 1
    size = 0.0
    is_shuffled = False
    """Whether each pass has an order of its own."""

    def __init__(
        self,
        where: str,
        start: Start,
        known: Schema | None = None,
        *,
        once: bool = False,
        by_values: bool | None = None,
    ) -> None:
        self.where = where
        self._start, self.once, self._known = start, once, known
        self._is_arrow = known is not None if by_values is None else not by_values
        self._begun, self._whole = False, bool(by_values)
        self._held: list[Iterator[Source]] = []

    def parts(self) -> Sequence[Stream]:
        return [self]

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        self._whole = self._whole or wanted is None
        if self._known is None:
            self._known = self._look(wanted)
        return self._known

    def _look(self, wanted: Sequence[str] | None) -> Schema:
        """Names and kinds, from the first batches that show a value of every column; kept."""
        batches, held, rows = self._begin(None), [], 0.0
        columns: dict[str, Column] = {}
        with translated(self.where, by_arrow=self._is_arrow):
            for table in batches:
                held.append(table)
                found = table.schema(wanted)
                columns = columns or {column.name: column for column in found.columns}
                empty = [name for name, column in columns.items() if column.kind is Kind.NULL]
                columns |= {name: found.find(name) for name in empty}
                rows += sum(part.size for part in table.parts())
                if rows > HELD_ROWS or all(c.kind is not Kind.NULL for c in columns.values()):
                    break
        if not held:
            raise EmptySourceError.no_rows(self.where)
        self._held.append(_follow(held, batches))
        return Schema(tuple(columns.values()), self.where)

    def batches(self, reads: Reads) -> Iterator[tuple[Batch, float]]:
        asked = list(reads.names)
        known = self.schema(asked)
        looked = [*asked, *self._passed_over(known, asked)]
        tables = self._held.pop() if self._held else self._begin(asked)
        with translated(self.where, by_arrow=self._is_arrow), _left(tables):
            for i, table in enumerate(tables, 1):
                found = replace(table.schema(looked), where=f"batch {i:,} of {self.where}")
                check_kinds(known, found, looked)
                for part in table.parts():
                    for batch, _ in part.batches(reads):
                        yield batch, 0.0

    def _passed_over(self, known: Schema, asked: Sequence[str]) -> list[str]:
        """Columns that were left out for having no value, and must not get any."""
        if not self._whole or self._is_arrow:
            return []
        return [c.name for c in known.columns if c.kind is Kind.NULL and c.name not in asked]

    def _begin(self, columns: Sequence[str] | None) -> Iterator[Source]:
        if self.once and self._begun:
            raise SourceError.exhausted(self.where)
        self._begun = True
        with translated(self.where, by_arrow=self._is_arrow):
            return self._start(columns)


def _follow(held: Sequence[Source], others: Iterator[Source]) -> Iterator[Source]:
    yield from held
    yield from others


@contextmanager
def _left(tables: Iterator[Source]) -> Iterator[None]:
    """Leave what gives tables at the end, well or not, and not when nobody knows of it any more."""
    try:
        yield
    finally:
        if isinstance(tables, Generator):
            tables.close()


@contextmanager
def translated(where: str, *, by_arrow: bool = True) -> Iterator[None]:
    """Errors of the packages that give rows, in the house's own words; Arrow's may be OSErrors."""
    try:
        yield
    except SteepestError:
        raise
    except Exception as error:
        known = type(error).__module__.partition(".")[0] in FOREIGN
        if not known and not (by_arrow and isinstance(error, OSError)):
            raise
        reason = str(error).partition("\n")[0] or type(error).__name__
        if "database is locked" in reason or "database table is locked" in reason:
            raise DatabaseError.locked(where, reason) from None
        raise SourceError.failed(where, reason) from None


def check_kinds(known: Schema, found: Schema, names: Sequence[str]) -> None:
    """Refuse a batch whose columns are of other kinds than those of the stream."""
    for name in names:
        first, now = known.find(name), found.find(name)
        fits = now.word == first.word or now.kind is Kind.NULL
        if not fits and not (first.kind is Kind.NULL and now.kind is Kind.NUMBER):
            there = found.show(now)
            raise ColumnKindError.differs(name, known.where, first.word, there, now.word)


def from_iterator(tables: Iterator[Any], open_batch: Callable[[Any], Source]) -> Stream:
    """Tables of any kind that an iterator gives, each a batch."""
    opened = open_batches(tables, open_batch)
    return Stream("the iterator", lambda _: opened, once=True)


def open_batches(tables: Iterable[Any], open_one: Callable[[Any], Source]) -> Generator[Source]:
    """Batches as tables, whose rows are counted on from one to the next."""
    first = 1
    for batch in tables:
        table = memory.forget_types(open_one(batch))
        rows = int(sum(part.size for part in table.parts()))
        yield replace(table, first_row=first) if isinstance(table, memory.Columns) else table
        first += rows


def from_reader(reader: Any) -> Stream:
    """An Arrow record batch reader."""
    return read_arrow("the reader", lambda _: reader, reader.schema, once=True)


def from_arrow_stream(holder: Any) -> Stream:
    """Anything that gives an Arrow stream, which is taken once."""
    import pyarrow as pa

    with _taking(holder) as where:
        reader = pa.RecordBatchReader.from_stream(holder)
    return read_arrow(where, lambda _: reader, reader.schema, once=True)


def from_arrow_array(holder: Any) -> Source:
    """Anything that gives an Arrow record batch."""
    import pyarrow as pa

    with _taking(holder) as where:
        return memory.from_arrow(pa.record_batch(holder), where)


@contextmanager
def _taking(holder: Any) -> Iterator[str]:
    """SourceError for what holds a column and no table, or nothing that Arrow has."""
    import pyarrow as pa

    kind = type(holder).__name__
    try:
        yield f"the {kind}"
    except pa.ArrowException as error:
        if any(word in str(error) for word in ("non-struct", "StructType", "requires at least")):
            raise SourceError.not_a_table(kind) from None
        raise SourceError.failed(f"the {kind}", str(error)) from None


def from_dataset(dataset: Any) -> Stream:
    """A pyarrow Dataset, of which only the columns that are asked for are read."""

    def read(columns: Sequence[str] | None) -> Iterator[Any]:
        names = None if columns is None else list(columns)
        rows = batch_rows(len(dataset.schema.names if names is None else names))
        scanner = dataset.scanner(
            columns=names,
            batch_size=rows,
            batch_readahead=1,
            fragment_readahead=1,
            use_threads=False,  # each batch when it is asked for; else a queue of 1 GB fills
            fragment_scan_options=_read_by_pages(dataset),
        )
        batches: Iterator[Any] = scanner.to_batches()
        return batches

    return read_arrow("the dataset", read, dataset.schema)


def _read_by_pages(dataset: Any) -> Any:
    """How Arrow is to read Parquet, so that it holds one row group and not several, and checks it.

    None for other formats, and for files that are read with keys.
    """
    from pyarrow.dataset import ParquetFileFormat
    from pyarrow.fs import LocalFileSystem

    own = getattr(dataset, "format", None)
    if not isinstance(own, ParquetFileFormat):
        return None
    options = copy(own.default_fragment_scan_options)
    if options != own.default_fragment_scan_options:  # a copy has no keys
        return None
    near = isinstance(dataset.filesystem, LocalFileSystem)
    options.pre_buffer, options.use_buffered_stream = False, True
    options.buffer_size = READ_BYTES if near else FAR_BYTES
    options.page_checksum_verification = True
    return options


def from_scanner(scanner: Any) -> Stream:
    """A scanner of a pyarrow Dataset, which chooses columns and rows itself."""
    return read_arrow("the scanner", lambda _: scanner.to_batches(), scanner.projected_schema)


def from_lazy(frame: Any) -> Stream:
    """A polars LazyFrame, collected in batches, with only the columns that are asked for."""
    import polars as pl

    where = "the LazyFrame"

    def read(columns: Sequence[str] | None) -> Iterator[Any]:
        asked = narrow(frame.select(pl.selectors.by_name(*columns)) if columns else frame)
        if not hasattr(asked, "collect_batches"):  # an older polars
            yield asked.collect().to_arrow()
            return
        rows = batch_rows(len(frame.collect_schema()))  # of larger ones more wait in memory
        batches = asked.collect_batches(maintain_order=True, chunk_size=rows)
        try:
            for batch in batches:
                yield batch.to_arrow()
        finally:
            if hasattr(batches, "stop"):
                batches.stop()

    def start(columns: Sequence[str] | None) -> Iterator[Source]:
        return (memory.from_arrow(batch, where) for batch in read(columns))

    with translated(where):
        known = memory.from_polars(pl.DataFrame(schema=frame.collect_schema())).schema(())
    return Stream(where, start, replace(known, where=where))


def read_arrow(
    where: str,
    read: Callable[[Sequence[str] | None], Iterator[Any]],
    schema: Any,
    *,
    once: bool = False,
) -> Stream:
    """A stream of Arrow tables or record batches, whose schema is known."""

    def start(columns: Sequence[str] | None) -> Iterator[Source]:
        return (memory.from_arrow(batch, where) for batch in read(columns))

    return Stream(where, start, arrow_schema(schema, where), once=once)
