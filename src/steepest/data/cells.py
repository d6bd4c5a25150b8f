"""What the cells of SQLite hold: anything, in any column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ColumnKindError, counted
from . import memory
from .expansions import LARGEST_WHOLE
from .table import Schema


@dataclass
class Seen:
    """What a column has held so far: SQLite lets it hold anything."""

    name: str
    where: str
    whole: tuple[int, int] | None = None
    """The first row of a whole number that no double is, and the number."""
    real: tuple[int, float] | None = None
    """The first row of a number that came as a double, and the number."""

    def check(self, values: Sequence[Any], first_row: int) -> None:
        """Look at the values of the next rows.

        ColumnKindError where numbers, texts and blobs meet in them, or a whole number that no
        double is and one with a fraction anywhere.
        """
        kinds = set(map(type, values)) - {type(None)}
        if len({_word(kind) for kind in kinds}) > 1:
            rows = (
                (row, value) for row, value in enumerate(values, first_row) if value is not None
            )
            one = next(rows)
            other = next(found for found in rows if _word(type(found[1])) != _word(type(one[1])))
            raise ColumnKindError.beside(self.name, self.where, _show(*one), _show(*other))
        if float in kinds and self.real is None:
            found = enumerate(values, first_row)
            self.real = next((row, value) for row, value in found if type(value) is float)
        if int in kinds and self.whole is None:
            found = enumerate(values, first_row)
            self.whole = next(((row, v) for row, v in found if _is_no_double(v)), None)
        if self.whole and self.real:
            (row, whole), (other_row, real) = self.whole, self.real
            raise ColumnKindError.wide(self.name, self.where, (row, whole), (other_row, real))


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


def _word(kind: type) -> str:
    return "text" if kind is str else "blob" if kind is bytes else "number"


def _show(row: int, value: object) -> str:
    """A cell in words."""
    if isinstance(value, bytes):
        return f"row {row:,} has a blob of {counted(len(value), 'byte')}"
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return f"row {row:,} has {text if len(text) <= 40 else text[:40] + '...'}"


def _is_no_double(value: object) -> bool:
    return isinstance(value, int) and abs(value) > LARGEST_WHOLE and int(float(value)) != value
