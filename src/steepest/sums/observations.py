"""What a scan saw on the way: no part of what moments are, and gone when rows are taken away."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ..errors import counted


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


def name_first_nulls(found: Iterable[Mapping[str, int]], where: str) -> dict[str, str]:
    """Where the first null of each column was met, in words, in the order of the rows."""
    first: dict[str, int] = {}
    for own in found:
        for name, row in own.items():
            first[name] = min(row, first.get(name, row))
    ordered = sorted(first.items(), key=lambda item: (item[1], item[0]))
    return {name: f"row {row:,} of {where}" for name, row in ordered}


def note_dropped(records: int) -> list[str]:
    """Records that were left out, in a sentence."""
    if not records:
        return []
    verb = "was" if records == 1 else "were"
    return [f"{counted(records, 'record')} with a field too few or too many {verb} left out."]


def _others(own: Observations, other: Observations) -> dict[str, str]:
    return {n: place for n, place in other.first_nulls.items() if n not in own.first_nulls}
