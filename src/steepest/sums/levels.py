"""Levels of categories as they are met: a number for each, and how often two of them meet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..typing import Codes, Floats

Places = NDArray[np.int64]
Scalar = TypeVar("Scalar", bound=np.generic)


class PairCounts(NamedTuple):
    """How often two levels meet; pairs that never meet are absent."""

    first: Places
    second: Places
    counts: Floats
    """Whole numbers below 2⁵³."""
    weights: NDArray[Any] | None = None
    """Σ w of each pair as Python integers, where rows have weights."""

    def swapped(self) -> PairCounts:
        return self._replace(first=self.second, second=self.first)


Pairs = Mapping[tuple[str, str], PairCounts]


CELLS = 1 << 16
"""Pairs of levels that are counted in a table of all of them, also where rows are few."""

WAITING = 64
"""Counts of blocks that wait to be added up."""


class PairCounter:
    """Counts how often the levels of two categories meet while blocks come in."""

    def __init__(self) -> None:
        self._table = np.zeros((0, 0))
        self._found: list[PairCounts] = []

    def add(self, first: Places, second: Places, shape: tuple[int, int]) -> None:
        """Levels that stand in the same row, by their numbers below a shape, each row once."""
        width = shape[1]
        keys = first * width + second
        if math.prod(shape) <= max(CELLS, 4 * len(keys)):
            table = np.bincount(keys, minlength=math.prod(shape)).reshape(shape).astype(np.float64)
            m, n = self._table.shape
            table[:m, :n] += self._table
            self._table = table
            return
        cells, met = np.unique(keys, return_counts=True)
        self.keep(PairCounts(cells // width, cells % width, met.astype(np.float64)))

    def keep(self, counts: PairCounts) -> None:
        """Counts of some pairs."""
        self._found.append(counts)
        if len(self._found) >= WAITING:
            self._found = [add_pairs(self._found)]

    def total(self) -> PairCounts:
        """The counts so far."""
        first, second = np.nonzero(self._table)
        tabled = PairCounts(first, second, self._table[first, second])
        return add_pairs([*self._found, *([tabled] if tabled.counts.size else [])])


class LevelCounter:
    """Counts the levels of some categories while blocks come in."""

    def __init__(self, categories: Sequence[str]) -> None:
        self.categories = tuple(categories)
        self._known: list[dict[str, int]] = [{} for _ in categories]
        self._tables: list[tuple[Sequence[str], Places]] = [((), _no_places()) for _ in categories]
        self._counts: list[Floats] = [np.zeros(0) for _ in categories]
        self._pairs = {pair: PairCounter() for pair in combinations(self.range, 2)}

    @property
    def range(self) -> range:
        """The places of the categories."""
        return range(len(self.categories))

    @property
    def sizes(self) -> list[int]:
        """How many levels each category has shown."""
        return [len(known) for known in self._known]

    def add(
        self,
        codes: Sequence[tuple[Codes, Sequence[str]]],
        weights: NDArray[Any] | None = None,
        times: Floats | None = None,
    ) -> list[Places]:
        """Count a block's levels, and return their numbers here, which only ever grow.

        ``weights``, shape (n,), are Python integers, added up for each pair of levels;
        ``times``, shape (n,), is how much each row counts, 1 by default.
        """
        numbered = [self._number(i, *pair) for i, pair in enumerate(codes)]
        for i, own in enumerate(numbered):
            counts = np.bincount(own, times, minlength=len(self._known[i])).astype(np.float64)
            self._counts[i] = widen(self._counts[i], len(counts)) + counts
        for (i, j), counter in self._pairs.items():
            first, second = numbered[i], numbered[j]
            if weights is None and times is None:
                counter.add(first, second, (len(self._known[i]), len(self._known[j])))
            else:
                counts = np.ones(len(first)) if times is None else times
                counter.keep(add_pairs([PairCounts(first, second, counts, weights)]))
        return numbered

    def order(self, i: int) -> tuple[tuple[str, ...], Places]:
        """A category's levels in order of their UTF-8 bytes, and the number of each."""
        names = tuple(sorted(self._known[i]))
        return names, np.array([self._known[i][name] for name in names], dtype=np.int64)

    def counted(self, i: int) -> Floats:
        """Rows of each level of a category, by its number."""
        return self._counts[i]

    def counts(self, i: int) -> Floats:
        """Rows of each level of a category, in their order."""
        return self._counts[i][self.order(i)[1]]

    def pairs(self) -> dict[tuple[str, str], PairCounts]:
        """How often two levels met, each by its place in the order."""
        ranks = []
        for i in range(len(self.categories)):
            numbers = self.order(i)[1]
            rank = np.empty(len(numbers), dtype=np.int64)
            rank[numbers] = np.arange(len(numbers))
            ranks.append(rank)
        found = {}
        for (i, j), counter in self._pairs.items():
            pair = counter.total()
            moved = pair._replace(first=ranks[i][pair.first], second=ranks[j][pair.second])
            found[self.categories[i], self.categories[j]] = add_pairs([moved])
        return found

    def _number(self, i: int, codes: Codes, levels: Sequence[str]) -> Places:
        last, table = self._tables[i]
        if levels is not last:
            table = np.full(len(levels), -1, dtype=np.int64)
            self._tables[i] = levels, table
        numbered = table[codes]
        if numbered.min(initial=0) < 0:
            known = self._known[i]
            for code in np.unique(codes[numbered < 0]).tolist():
                table[code] = known.setdefault(levels[code], len(known))
            numbered = table[codes]
        return numbered


def _no_places() -> Places:
    return np.zeros(0, dtype=np.int64)


def widen(array: NDArray[Scalar], length: int) -> NDArray[Scalar]:
    """The array with rows of zeros at its end, up to a length."""
    if length <= len(array):
        return array
    rows = np.zeros((length - len(array), *array.shape[1:]), dtype=array.dtype)
    return np.concatenate([array, rows])


def add_pairs(found: Sequence[PairCounts]) -> PairCounts:
    """Counts of the same pair added up, in order of the pairs; those that cancel vanish."""
    first = np.concatenate([pair.first for pair in found])
    second = np.concatenate([pair.second for pair in found])
    width = int(second.max(initial=0)) + 1
    cells, at = np.unique(first * width + second, return_inverse=True)
    counts = np.bincount(at, np.concatenate([pair.counts for pair in found])).astype(np.float64)
    weights = None
    if any(pair.weights is not None for pair in found):
        weights = np.zeros(len(cells), dtype=object)
        np.add.at(weights, at, np.concatenate([pair.weights for pair in found]))
    kept = counts != 0
    if weights is not None:
        kept |= weights != 0
        weights = weights[kept]
    return PairCounts(cells[kept] // width, cells[kept] % width, counts[kept], weights)


def places(levels: Sequence[str], within: Sequence[str]) -> Places:
    """Where each of some levels stands among all levels."""
    place = {level: i for i, level in enumerate(within)}
    return np.fromiter((place[level] for level in levels), dtype=np.int64, count=len(levels))


def pick_pairs(pairs: Pairs, categories: Sequence[str]) -> dict[tuple[str, str], PairCounts]:
    """The pairs of some categories, keyed in their order."""
    return {(a, b): find_pair(pairs, a, b) for a, b in combinations(categories, 2)}


def find_pair(pairs: Pairs, first: str, second: str) -> PairCounts:
    """A pair of categories, whichever way round it is kept."""
    return pairs[first, second] if (first, second) in pairs else pairs[second, first].swapped()


def merge_pairs(
    sides: Sequence[tuple[Pairs, Mapping[str, Sequence[str]]]],
    merged: Mapping[str, Sequence[str]],
) -> dict[tuple[str, str], PairCounts]:
    """Pairs of several tables added up: each table's pairs and levels, and the levels of all."""
    if not sides:
        return {}
    total = {}
    for a, b in combinations(merged, 2):
        found = []
        for pairs, levels in sides:
            pair = find_pair(pairs, a, b)
            first, second = places(levels[a], merged[a]), places(levels[b], merged[b])
            found.append(pair._replace(first=first[pair.first], second=second[pair.second]))
        total[a, b] = add_pairs(found)
    return total


def dense_pairs(pairs: Pairs, first: str, second: str, shape: tuple[int, int]) -> Floats:
    """Weight of each pair of levels as a table of that shape: its rows, where they have none."""
    pair = find_pair(pairs, first, second)
    table = np.zeros(shape)
    table[pair.first, pair.second] = pair.counts if pair.weights is None else pair.weights
    return table
