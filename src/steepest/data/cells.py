"""What the cells of SQLite hold: anything, in any column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ColumnKindError, counted
from . import memory
from .expansions import LARGEST_WHOLE
from .table import Schema


def check_cells(name: str, where: str, values: Sequence[Any], first_row: int) -> None:
    """ColumnKindError where numbers, texts and blobs meet in a column, which SQLite allows."""
    if len({_word(kind) for kind in set(map(type, values))} - {""}) < 2:
        return
    rows = ((row, value) for row, value in enumerate(values, first_row) if value is not None)
    one = next(rows)
    other = next(found for found in rows if _word(type(found[1])) != _word(type(one[1])))
    raise ColumnKindError.beside(name, where, _show(*one), _show(*other))


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

    start: int = 1
    """The number of the first row."""

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        def show(name: str) -> str:
            values = enumerate(self.columns[name].tolist(), self.start)
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
