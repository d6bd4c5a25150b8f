"""Tables in memory: arrays with names, dicts of arrays, pandas, polars and Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ColumnNameError, LengthError, SourceError, check_unique
from ..typing import Codes, Floats
from .arrow import (
    arrow_codes,
    arrow_expansion,
    arrow_numbers,
    arrow_schema,
    batch_rows,
    describe,
    make_room,
    make_strips,
    spell_runs,
)
from .columns import Useless, gather_column, is_plain
from .expansions import Expansion, exceeds_doubles, expand_integers
from .strips import Strips
from .table import Batch, Column, Kind, Reads, Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

PART_ROWS = 1 << 17
"""Rows in a part of a table in memory, at the most."""

PART_CELLS = 1 << 22
"""Cells in a part.  Fixed, as are its rows, so that sums do not depend on the workers."""


def part_rows(columns: int) -> int:
    """Rows in a part of a table of so many columns."""
    return max(1, min(PART_ROWS, PART_CELLS // max(columns, 1)))


@dataclass(frozen=True)
class Matrix:
    """A two-dimensional array, of numbers or of booleans, whose columns have names."""

    values: NDArray[Any]
    names: tuple[str, ...]
    where: str = "the array"
    first_row: int = 1
    room: Floats | None = None
    """Where batches of one part put numbers that are no doubles yet, one after the other."""

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        del wanted
        kind = Kind.CATEGORY if self.values.dtype == bool else Kind.NUMBER
        columns = tuple(Column(name, kind, str(self.values.dtype)) for name in self.names)
        return Schema(columns, self.where)

    def parts(self) -> Sequence[Matrix]:
        rows = part_rows(len(self.names))
        return [
            Matrix(self.values[i : i + rows], self.names, self.where, i + 1)
            for i in range(0, len(self.values), rows)
        ]

    @property
    def size(self) -> float:
        return len(self.values)

    @property
    def n_rows(self) -> int:
        return len(self.values)

    def batches(self, reads: Reads) -> Iterator[tuple[Batch, float]]:
        if self.values.dtype == np.float64:
            yield self, 1.0
            return
        rows = batch_rows(len(reads.numbers))
        room = np.empty((min(rows, self.n_rows), len(reads.numbers)))
        for i in range(0, self.n_rows, rows):
            piece = replace(self, values=self.values[i : i + rows], room=room)
            yield piece, min(1.0, (i + rows) / self.n_rows)

    def numbers(self, names: Sequence[str]) -> Floats:
        values = self.values
        if tuple(names) != self.names:
            values = values[:, [self.names.index(name) for name in names]]
        if self.room is None or self.room.shape[1] != len(names):
            return np.asarray(values, dtype=np.float64)
        room = self.room[: self.n_rows]
        room[:] = values
        return room

    @cached_property
    def _exceeds_doubles(self) -> bool:
        return exceeds_doubles(self.values)

    def expansion(self, name: str) -> Expansion | None:
        if not self._exceeds_doubles:
            return None
        return expand_integers(self.values[:, self.names.index(name)])

    def codes(self, name: str) -> tuple[Codes, Sequence[str]]:
        column = self.values[:, self.names.index(name)]
        return column.astype(np.int32), ("false", "true")

    def cells(self, name: str) -> Any:
        import pyarrow as pa

        return pa.array(np.ascontiguousarray(self.values[:, self.names.index(name)]))


@dataclass(frozen=True)
class Columns:
    """Columns of equal length: NumPy arrays of numbers and booleans, Arrow arrays of the rest."""

    columns: Mapping[str, Any]
    where: str
    first_row: int = 1
    room: Floats | None = None
    """Where batches of one part put their numbers, one after the other."""

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        for name, column in self.columns.items():
            if isinstance(column, Useless) and (wanted is None or name in wanted):
                raise column.tell(self.first_row)
        return Schema(tuple(_describe(n, c) for n, c in self.columns.items()), self.where)

    @property
    def n_rows(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    @property
    def size(self) -> float:
        return self.n_rows

    def parts(self) -> Sequence[Columns]:
        rows = part_rows(len(self.columns))
        return [self._slice(i, rows, self.first_row + i) for i in range(0, self.n_rows, rows)]

    def batches(self, reads: Reads) -> Iterator[tuple[Batch, float]]:
        rows = batch_rows(sum(map(len, reads)))
        room = np.empty((len(reads.numbers), min(rows, self.n_rows)))
        for i in range(0, self.n_rows, rows):
            piece = replace(self._slice(i, rows, 1), room=room)
            yield piece, min(1.0, (i + rows) / self.n_rows)

    def _slice(self, start: int, rows: int, first_row: int) -> Columns:
        pieces = {
            name: column[start : start + rows]
            if isinstance(column, np.ndarray)
            else column.slice(start, rows)
            for name, column in self.columns.items()
            if not isinstance(column, Useless)
        }
        return Columns(pieces, self.where, first_row)

    def numbers(self, names: Sequence[str]) -> Strips:
        room = make_room(self.room, len(names), self.n_rows)
        columns = (self.columns[name] for name in names)
        return make_strips(
            (c if isinstance(c, np.ndarray) else arrow_numbers(_whole(c)) for c in columns), room
        )

    def expansion(self, name: str) -> Expansion | None:
        column = self.columns[name]
        if not isinstance(column, np.ndarray):
            return arrow_expansion(_whole(column))
        return expand_integers(column) if column.dtype.kind in "iu" else None

    def codes(self, name: str) -> tuple[Codes, Sequence[str]]:
        column = self.columns[name]
        if isinstance(column, np.ndarray):
            return column.astype(np.int32), ("false", "true")
        return arrow_codes(self._sound(name))

    def cells(self, name: str) -> Any:
        import pyarrow as pa

        column = self.columns[name]
        return pa.array(column) if isinstance(column, np.ndarray) else self._sound(name)

    def _sound(self, name: str) -> Any:
        """An Arrow array; SourceError for codes without a value, and for bytes that are no text."""
        import pyarrow as pa

        column = self.columns[name]
        try:
            column.validate(full=True)
        except pa.ArrowException as error:
            raise SourceError.damaged(name, self.where, str(error).partition("\n")[0]) from None
        return _whole(column)


def _whole(column: Any) -> Any:
    """A chunked array as one array, so that it has one dictionary; runs as their values."""
    import pyarrow as pa

    column = spell_runs(column)
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _describe(name: str, column: Any) -> Column:
    if isinstance(column, Useless):
        return Column(name, Kind.OTHER, "object")
    if isinstance(column, np.ndarray):
        kind = Kind.CATEGORY if column.dtype.kind == "b" else Kind.NUMBER
        return Column(name, kind, str(column.dtype))
    return describe(name, column.type)


def name_array(values: NDArray[Any], names: Sequence[str] | None) -> Matrix | Columns:
    """An array with names as a table; structured arrays bring their own names."""
    if values.dtype.names is not None:
        return gather_columns({n: values[n] for n in values.dtype.names}, "the array")
    if values.ndim != 2:
        raise LengthError.dimensions("the array", values.shape, "two-dimensional, rows by columns")
    if names is None:
        raise ColumnNameError.unnamed(values.shape[1])
    if len(names) != values.shape[1]:
        raise LengthError.names(values.shape[1], len(names))
    names = tuple(str(name) for name in names)
    check_unique(names, "the array")
    if is_plain(values.dtype) and not isinstance(values, np.ma.MaskedArray):
        return Matrix(values, names)
    return gather_columns(dict(zip(names, values.T, strict=True)), "the array")


def gather_columns(columns: Mapping[Any, Any], where: str) -> Columns:
    """A dict of arrays, lists or Arrow arrays as a table.

    Raises LengthError for columns of different length, or that are not one-dimensional.
    """
    check_unique(map(str, columns), where)
    gathered = {str(name): gather_column(str(name), values) for name, values in columns.items()}
    lengths = {name: len(column) for name, column in gathered.items()}
    for name, length in lengths.items():
        first = next(iter(lengths))
        if length != lengths[first]:
            raise LengthError.columns(first, lengths[first], name, length)
    return Columns(gathered, where)


def from_pandas(frame: Any) -> Columns:
    """A pandas DataFrame, column by column, without its index."""
    check_unique(map(str, frame.columns), "the DataFrame")
    return gather_columns({name: frame[name] for name in frame.columns}, "the DataFrame")


def forget_types(table: Any) -> Any:
    """A table whose columns of NaN alone are null: they may be text or anything in the next.

    So packages write a column without a value that they know nothing else of.
    """
    import pyarrow as pa

    if not isinstance(table, Columns):
        return table
    columns = {
        name: pa.nulls(len(column)) if _is_void(column) else column
        for name, column in table.columns.items()
    }
    return replace(table, columns=columns)


def _is_void(column: Any) -> bool:
    """Whether an array of doubles holds no value."""
    if not isinstance(column, np.ndarray) or column.dtype != np.float64:
        return False
    return bool(np.isnan(column[:1]).all() and np.isnan(column).all())


def from_arrow(table: Any, where: str = "the table") -> Columns:
    """An Arrow table or record batch."""
    arrow_schema(table.schema, where)  # refuses repeated names
    return Columns(dict(zip(table.schema.names, table.columns, strict=True)), where)


def from_polars(frame: Any) -> Columns:
    """A polars DataFrame, in whose memory its columns stay."""
    return gather_columns({series.name: series for series in frame.iter_columns()}, "the DataFrame")
