"""What the cells of SQLite hold: anything, in any column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from ..errors import ColumnKindError, counted
from . import memory
from .expansions import LARGEST_WHOLE
from .table import Batch, Reads, Schema


def gather_cells(
    columns: Mapping[str, Sequence[Any]], where: str, first_row: int
) -> Iterator[Fetched]:
    """Some rows as tables; of a column in which kinds meet, as SQLite allows, the first one."""
    mixed = {
        name: _refuse_mixed(name, where, values, first_row) for name, values in columns.items()
    }
    held = {
        name: values if mixed[name] is None else _keep_first_kind(values)
        for name, values in columns.items()
    }
    refusals = {name: error for name, error in mixed.items() if error is not None}
    for start, stop in pairwise(cut_rows(held.values())):
        piece = {name: values[start:stop] for name, values in held.items()}
        found = memory.gather_columns(piece, where)
        yield Fetched(found.columns, where, first_row + start, refusals=refusals)


def _refuse_mixed(
    name: str, where: str, values: Sequence[Any], first_row: int
) -> ColumnKindError | None:
    """What to tell of a column where numbers, texts and blobs meet."""
    if len({_word(kind) for kind in set(map(type, values))} - {""}) < 2:
        return None
    rows = ((row, value) for row, value in enumerate(values, first_row) if value is not None)
    one = next(rows)
    other = next(found for found in rows if _word(type(found[1])) != _word(type(one[1])))
    return ColumnKindError.beside(name, where, _show(*one), _show(*other))


def _keep_first_kind(values: Sequence[Any]) -> list[Any]:
    first = _word(type(next(value for value in values if value is not None)))
    return [value if _word(type(value)) == first else None for value in values]


def cut_rows(columns: Iterable[Sequence[Any]]) -> list[int]:
    """Where to cut rows, so that no piece has a column of doubles with whole numbers beyond them.

    >>> cut_rows([(0.5, 2**60, None, 2**60 + 1, 0.25), (1, 2, 3, 4, 5)])
    [0, 1, 4, 5]
    """
    cuts = {0}
    for values in columns:
        cuts.add(len(values))
        kinds = set(map(type, values))
        if float not in kinds or int not in kinds:
            continue
        before = ""
        for row, value in enumerate(values):
            now = "real" if type(value) is float else "whole" if _is_beyond(value) else before
            if before not in ("", now):
                cuts.add(row)
            before = now
    return sorted(cuts)


@dataclass(frozen=True)
class Fetched(memory.Columns):
    """Columns of some rows, which know where they show their kind."""

    refusals: Mapping[str, ColumnKindError] = field(default_factory=dict)
    """Of columns that are not of one kind: what is told where they are asked for."""

    def parts(self) -> Sequence[Fetched]:
        return [self]

    def batches(self, reads: Reads) -> Iterator[tuple[Batch, float]]:
        for name in reads.names:
            if name in self.refusals:
                raise self.refusals[name]
        yield from super().batches(reads)

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        def show(name: str) -> str:
            values = enumerate(self.columns[name].tolist(), self.first_row)
            return _show(*next((row, value) for row, value in values if value is not None))

        return replace(super().schema(wanted), example=show)


WORDS = {str: "text", bytes: "blob", type(None): ""}


def _word(kind: type) -> str:
    return WORDS.get(kind, "number")


def _show(row: int, value: object) -> str:
    """A cell in words."""
    if isinstance(value, bytes):
        return f"row {row:,} has a blob of {counted(len(value), 'byte')}"
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return f"row {row:,} has {text if len(text) <= 40 else text[:40] + '...'}"


def _is_beyond(value: object) -> bool:
    """Whether it is a whole number of those that doubles may not hold."""
    return isinstance(value, int) and abs(value) > LARGEST_WHOLE
