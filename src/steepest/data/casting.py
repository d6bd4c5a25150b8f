"""Columns of another kind than a model was fitted on, taken over where nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ColumnKindError
from ..typing import Codes, Floats
from .expansions import LARGEST_WHOLE, Expansion
from .forming import find_levels
from .formula import NUMBER
from .strips import columns_of
from .table import Batch, Kind, Reads, Schema

LOSSLESS = re.compile(rf"[+-]?{NUMBER}")


@dataclass(frozen=True)
class Casts:
    """Text that is to be numbers, and numbers that are to be text."""

    to_numbers: frozenset[str] = frozenset()
    to_text: frozenset[str] = frozenset()

    def change(self, reads: Reads) -> Reads:
        """What to read instead: columns of text that are to be numbers are read as levels."""
        if not self.to_numbers and not self.to_text:
            return reads
        return reads._replace(
            numbers=tuple(name for name in reads.numbers if name not in self.to_numbers),
            categories=(*reads.categories, *sorted(self.to_numbers)),
        )

    def apply(self, batch: Batch, where: str, first_row: int) -> Batch:
        """The batch with these columns in the kinds that are wanted."""
        plain = not self.to_numbers and not self.to_text
        return batch if plain else Cast(batch, self, where, first_row)


def find_casts(reads: Reads, schema: Schema) -> Casts:
    """Which columns to take over; ColumnKindError where none could be."""
    to_numbers: set[str] = set()
    to_text: set[str] = set()
    for names, kind, other, found in (
        (reads.numbers, Kind.NUMBER, Kind.CATEGORY, to_numbers),
        (reads.categories, Kind.CATEGORY, Kind.NUMBER, to_text),
    ):
        for name in names:
            column = schema.find(name)
            if column.kind is other and not column.is_boolean:
                found.add(name)
            elif column.kind not in (kind, Kind.NULL):
                raise ColumnKindError.differs(name, "the model", kind, schema.where, column.kind)
    return Casts(frozenset(to_numbers), frozenset(to_text))


@dataclass(frozen=True)
class Cast:
    """A batch in which some columns are of another kind than they came in."""

    batch: Batch
    casts: Casts
    where: str
    first_row: int

    @property
    def n_rows(self) -> int:
        return self.batch.n_rows

    def numbers(self, names: Sequence[str]) -> Floats:
        plain = [name for name in names if name not in self.casts.to_numbers]
        table = dict(zip(plain, columns_of(self.batch.numbers(plain)), strict=True))
        table |= {name: self._parse(name) for name in names if name in self.casts.to_numbers}
        return np.array([table[name] for name in names]).reshape(len(names), self.n_rows).T

    def expansion(self, name: str) -> Expansion | None:
        return None if name in self.casts.to_numbers else self.batch.expansion(name)

    def codes(self, name: str) -> tuple[Codes, Sequence[str]]:
        if name not in self.casts.to_text:
            return self.batch.codes(name)
        array = self.batch.cells(name)
        if not _is_numeric(array):  # text as it is written
            return self.batch.codes(name)
        values = columns_of(self.batch.numbers([name]))[0]
        large = np.abs(values) >= LARGEST_WHOLE
        if large.any():
            self._refuse(name, f"{values[np.argmax(large)]:.17g}", "text", int(np.argmax(large)))
        return find_levels(values)

    def cells(self, name: str) -> Any:
        return self.batch.cells(name)

    def _parse(self, name: str) -> Floats:
        codes, levels = self.batch.codes(name)
        values = np.full(len(levels) + 1, np.nan)
        for code, level in enumerate(levels):
            whole = LOSSLESS.fullmatch(level.strip())
            if whole and abs(float(level)) < LARGEST_WHOLE:
                values[code] = float(level)
            elif (codes == code).any():
                self._refuse(name, level, "number", int(np.argmax(codes == code)))
        return values[codes]

    def _refuse(self, name: str, value: str, kind: str, row: int) -> None:
        raise ColumnKindError.lossy(name, self.where, value, kind, self.first_row + row)


def _is_numeric(array: Any) -> bool:
    from pyarrow import types

    kind = array.type
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))
