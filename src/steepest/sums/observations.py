"""What a scan saw on the way: no part of what moments are, and gone when rows are taken away."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from ..errors import counted
from ..typing import Floats

ROWS = 4_096
"""Rows that are looked at once for both ends, so that they come from memory once."""

TOGETHER = 64
"""Rows that are taken as one, since loops over a single short row are slow."""


@dataclass(frozen=True)
class Observations:
    """Where columns were first null, and between which values their numbers lie."""

    first_nulls: Mapping[str, str] = field(default_factory=dict)
    """Where the first null of a column was met, in words and in the order of the rows."""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The smallest and largest value of each number."""
    dropped: int = 0
    """Records of text with a field too few or too many, which were left out."""

    def plus(self, other: Observations) -> Observations:
        """Those of the rows of both, this one's first."""
        ranges = dict(self.ranges)
        for name, (low, high) in other.ranges.items():
            least, most = ranges.get(name, (low, high))
            ranges[name] = min(least, low), max(most, high)
        return Observations(
            {**self.first_nulls, **_others(self, other)}, ranges, self.dropped + other.dropped
        )

    def pick(self, names: Collection[str]) -> Observations:
        """Those of some columns."""
        return Observations(
            {name: place for name, place in self.first_nulls.items() if name in names},
            {name: ends for name, ends in self.ranges.items() if name in names},
            self.dropped,
        )

    def rename(self, names: Mapping[str, str]) -> Observations:
        """The same under other names."""
        return Observations(
            {names.get(name, name): place for name, place in self.first_nulls.items()},
            {names.get(name, name): ends for name, ends in self.ranges.items()},
            self.dropped,
        )


def note_dropped(records: int) -> list[str]:
    """Records that were left out, in a sentence."""
    if not records:
        return []
    verb = "was" if records == 1 else "were"
    return [f"{counted(records, 'record')} with a field too few or too many {verb} left out."]


def _others(own: Observations, other: Observations) -> dict[str, str]:
    return {n: place for n, place in other.first_nulls.items() if n not in own.first_nulls}


def find_ends(numbers: Floats) -> tuple[Floats, Floats]:
    """The smallest and the largest of each column, shape (k,) each; NaN where all are null."""
    if not numbers.shape[1]:
        return np.empty(0), np.empty(0)
    low, high = _find_ends(numbers) if numbers.flags.c_contiguous else _find_column_ends(numbers)
    null = np.flatnonzero(np.isnan(low))
    if null.size:
        low[null] = np.fmin.reduce(numbers[:, null], axis=0)
        high[null] = np.fmax.reduce(numbers[:, null], axis=0)
    return low, high


def _find_column_ends(numbers: Floats) -> tuple[Floats, Floats]:
    ends = [(column.min(), column.max()) for column in numbers.T]
    return np.array([low for low, _ in ends]), np.array([high for _, high in ends])


def _find_ends(numbers: Floats) -> tuple[Floats, Floats]:
    k = numbers.shape[1]
    low, high = np.full(k, np.inf), np.full(k, -np.inf)
    for start in range(0, len(numbers), ROWS):
        block = numbers[start : start + ROWS]
        wide = block.reshape(-1, TOGETHER * k) if len(block) % TOGETHER == 0 else block
        low = np.minimum(low, wide.min(axis=0).reshape(-1, k).min(axis=0))
        high = np.maximum(high, wide.max(axis=0).reshape(-1, k).max(axis=0))
    return low, high
