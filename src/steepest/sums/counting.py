"""Levels of categories as they are met: a number for each, and counts of them and of pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..typing import Codes, Floats
from .kernel import count_levels, number_levels
from .levels import PairCounts, Places, add_pairs, widen

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
        if math.prod(shape) <= max(CELLS, 4 * len(first)):
            if shape != self._table.shape:
                m, n = self._table.shape
                table = np.zeros(shape)
                table[:m, :n] = self._table
                self._table = table
            count_levels(first, second, self._table)
            return
        cells, met = np.unique(first * width + second, return_counts=True)
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
            self._counts[i] = widen(self._counts[i], len(self._known[i]))
            if times is None:
                count_levels(own, None, self._counts[i])
            else:
                self._counts[i] += np.bincount(own, times, minlength=len(self._counts[i]))
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
        numbered, unknown = number_levels(codes, table)
        if unknown:
            known = self._known[i]
            met = np.zeros(len(levels), dtype=np.bool_)
            met[codes[numbered < 0]] = True
            for code in np.flatnonzero(met).tolist():
                table[code] = known.setdefault(levels[code], len(known))
            numbered, _ = number_levels(codes, table)
        return numbered


def _no_places() -> Places:
    return np.zeros(0, dtype=np.int64)
