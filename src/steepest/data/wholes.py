"""Whole numbers in text of 2⁵³ and beyond: what their nearest doubles leave of them.

A number of 64 bits and a sign, written with digits alone, is what it is; a longer one is its
nearest double, as a decimal is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from .arrow import ArrowBatch
from .expansions import LARGEST_WHOLE, Expansion, distil
from .table import Batch, beneath

WHOLE = re.compile(r"[ \t]*([+-]?)([0-9]+)[ \t]*")

MOST_BITS = 64


def read_whole(cell: str) -> int | None:
    """A whole number written with digits alone; None for anything else."""
    written = WHOLE.fullmatch(cell)
    if not written:
        return None
    sign = -1 if written[1] == "-" else 1
    return sign * int(written[2].lstrip("0") or "0")


def leaves_rest(cell: str, nearest: float) -> bool:
    """Whether a cell is a whole number that its nearest double is not."""
    whole = read_whole(cell) if np.isfinite(nearest) else None
    return whole is not None and whole != int(nearest)


@dataclass
class Rests:
    """What doubles leave of the large whole numbers in a block of text."""

    large: dict[str, Callable[[], Floats]] = field(default_factory=dict)
    """By column that has any the rests of all rows, shape (n,)."""
    rounded: set[str] = field(default_factory=set)
    """Columns that hold longer ones, which were rounded."""

    def note(self, name: str, numbers: Floats, at: NDArray[np.int64], cells: Sequence[str]) -> None:
        """A column of which these rows are large, and written so."""
        rests, rounded = find_rests(numbers, at, cells)
        self.keep(name, rests)
        if rounded:
            self.rounded.add(name)

    def keep(self, name: str, rests: Floats) -> None:
        """A column, and the rests of all its rows."""
        if rests.any():
            self.large[name] = lambda: rests

    def rename(self, names: Mapping[str, str]) -> Rests:
        """The same under other names."""
        return Rests(
            {names[name]: find for name, find in self.large.items()},
            {names[name] for name in self.rounded},
        )


@dataclass(frozen=True)
class TextBatch(ArrowBatch):
    """Rows of text, and how many records beside them were left out."""

    dropped: int = 0
    rests: Rests = field(default_factory=Rests)

    def expansion(self, name: str) -> Expansion | None:
        find = self.rests.large.get(name)
        return Expansion(0, (self._doubles(name), find())) if find else None

    def _doubles(self, name: str) -> Floats:
        found: Floats = self.numbers([name]).columns[0]
        return found


def rounds(batch: Batch, name: str) -> bool:
    """Whether doubles alone leave something of whole numbers of a column."""
    rests: Rests | None = beneath(batch, "rests", None)
    found = batch.expansion(name)
    several = found is not None and not found.tens and len(distil(found.parts)) > 1
    return several or (rests is not None and name in rests.rounded)


def find_large(numbers: Floats) -> NDArray[np.int64]:
    """The rows whose numbers may be whole numbers that doubles do not hold."""
    with np.errstate(invalid="ignore"):
        return np.flatnonzero(np.abs(numbers) >= LARGEST_WHOLE)


def find_rests(numbers: Floats, at: NDArray[np.int64], cells: Sequence[str]) -> tuple[Floats, bool]:
    """The rests of all rows, shape (n,), and whether some whole number was rounded.

    ``cells`` are the numbers of some rows as they are written; all others are small.
    """
    rests, rounded = np.zeros(len(numbers)), False
    for row, cell in zip(at.tolist(), cells, strict=True):
        whole = read_whole(cell) if np.isfinite(numbers[row]) else None
        if whole is None:
            continue
        rest = whole - int(numbers[row])
        if abs(whole).bit_length() <= MOST_BITS:
            rests[row] = rest
        else:
            rounded = rounded or rest != 0
    return rests, rounded
