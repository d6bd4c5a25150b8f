"""Exact sums: error-free, the same in any order and any split, and they subtract."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ..errors import MomentsError
from ..typing import Floats
from .double import LevelSums, Sums
from .integers import Integers, Whole, join_integers
from .levels import (
    PairCounts,
    Pairs,
    Places,
    merge_pairs,
    pick_pairs,
    places,
)

LARGEST_COUNT = 2**53


class ExactLevels(NamedTuple):
    """A category's levels in order of their UTF-8 bytes, and the rows of each, shape (m,)."""

    levels: tuple[str, ...]
    counts: Floats


@dataclass(frozen=True)
class ExactSums:
    """What some rows without nulls in these columns add up to, without any rounding.

    ``whole.levels`` holds one table a category, in the order of ``levels``.
    """

    n_rows: int
    numbers: tuple[str, ...]
    whole: Integers
    levels: Mapping[str, ExactLevels] = field(default_factory=dict)
    pairs: Pairs = field(default_factory=dict)

    def __add__(self, other: ExactSums) -> ExactSums:
        """The sums of both sets of rows."""
        return self._combine(other, 1)

    def __sub__(self, other: ExactSums) -> ExactSums:
        """The sums of the rows that the other does not have; MomentsError if it has others."""
        return self._combine(other, -1)

    def _combine(self, other: ExactSums, sign: int) -> ExactSums:
        if self.numbers != other.numbers or list(self.levels) != list(other.levels):
            other = other.restrict(self.numbers, tuple(self.levels))
        merged: dict[str, ExactLevels] = {}
        ours: list[tuple[Whole, Whole]] = []
        theirs: list[tuple[Whole, Whole]] = []
        for i, (name, own) in enumerate(self.levels.items()):
            added = other.levels[name]
            names = tuple(sorted({*own.levels, *added.levels}))
            at, to = places(own.levels, names), places(added.levels, names)
            counts = np.zeros(len(names))
            counts[at] = own.counts
            counts[to] += sign * added.counts
            merged[name] = ExactLevels(names, counts)
            ours.append(self.spread(i, at, len(names)))
            theirs.append(other.spread(i, to, len(names)))
        whole = replace_levels(self.whole, ours).plus(replace_levels(other.whole, theirs), sign)
        unit = whole.weight_unit
        sides = [
            (self.pairs_in(unit, 1), self.level_names()),
            (other.pairs_in(unit, sign), other.level_names()),
        ]
        pairs = merge_pairs(sides, {name: found.levels for name, found in merged.items()})
        n_rows = self.n_rows + sign * other.n_rows
        refuse_uncounted(n_rows)
        total = ExactSums(n_rows, self.numbers, whole, merged, pairs)
        return total if sign > 0 else total._without_empty_levels()

    def level_names(self) -> dict[str, tuple[str, ...]]:
        """The levels of each category."""
        return {name: found.levels for name, found in self.levels.items()}

    def spread(self, i: int, at: Places, length: int) -> tuple[Whole, Whole]:
        """A category's sums and weights at some places of a longer list of levels."""
        if len(at) == length:  # all of them, which are in order
            return self.whole.levels[i], self.whole.level_weights[i]
        table: Whole = np.zeros((length, len(self.numbers)), dtype=object)
        weights: Whole = np.zeros(length, dtype=object)
        table[at], weights[at] = self.whole.levels[i], self.whole.level_weights[i]
        return table, weights

    def pairs_in(self, unit: int, sign: int) -> dict[tuple[str, str], PairCounts]:
        """The pairs with their weights in another unit, to be added or taken away."""
        times = sign * (1 << (self.whole.weight_unit - unit))
        return {
            key: pair._replace(
                counts=sign * pair.counts,
                weights=None if pair.weights is None else pair.weights * times,
            )
            for key, pair in self.pairs.items()
        }

    def _without_empty_levels(self) -> ExactSums:
        levels, tables, names = {}, [], {}
        for i, (name, found) in enumerate(self.levels.items()):
            table, weights = self.whole.levels[i], self.whole.level_weights[i]
            gone = found.counts == 0
            if table[gone].any() or weights[gone].any():
                raise MomentsError.not_contained("a level has sums left, and no rows")
            kept = np.flatnonzero(~gone)
            levels[name] = ExactLevels(tuple(found.levels[i] for i in kept), found.counts[kept])
            tables.append((table[kept], weights[kept]))
            names[name] = kept
        pairs = {
            (a, b): pair._replace(
                first=np.searchsorted(names[a], pair.first),
                second=np.searchsorted(names[b], pair.second),
            )
            for (a, b), pair in self.pairs.items()
        }
        whole = replace_levels(self.whole, tables)
        return replace(self, whole=whole, levels=levels, pairs=pairs)

    def check(self) -> None:
        """Refuse what no rows can add up to: MomentsError."""
        whole = self.whole
        counts = [np.array([self.n_rows]), *(found.counts for found in self.levels.values())]
        weights: list[Whole] = [np.array([whole.weight], dtype=object), *whole.level_weights]
        for pair in self.pairs.values():
            counts.append(pair.counts)
            weights.append(pair.counts if pair.weights is None else pair.weights)
        if any((count < 0).any() for count in [*counts, *weights]):
            raise MomentsError.not_contained(
                "some rows or levels would be counted less than 0 times"
            )
        if any(((c == 0) != (w == 0)).any() for c, w in zip(counts, weights, strict=True)):
            raise MomentsError.not_contained("rows would be left without their weight")
        left = [whole.totals, whole.products, *counts]
        if self.n_rows == 0 and any(sums.any() for sums in left):
            raise MomentsError.not_contained("sums are left, and no rows")
        squares = whole.weight * np.diag(whole.products) < whole.totals * whole.totals
        if squares.any():
            name = self.numbers[int(np.flatnonzero(squares)[0])]
            raise MomentsError.not_contained(f"the squares of '{name}' are too small for its sum")

    def check_products(self) -> None:
        """Refuse products that break the inequality of Cauchy and Schwarz: MomentsError.  O(k²)."""
        n, totals = self.whole.weight, self.whole.totals
        i, j = np.triu_indices(len(totals))
        centred = n * self.whole.products[i, j] - totals[i] * totals[j]
        squares = centred[i == j]
        broken = np.flatnonzero(centred * centred > squares[i] * squares[j])
        if broken.size:
            a, b = self.numbers[i[broken[0]]], self.numbers[j[broken[0]]]
            raise MomentsError.not_contained(
                f"the products of '{a}' and '{b}' are too large for their squares"
            )

    def restrict(self, numbers: Sequence[str], categories: Sequence[str]) -> ExactSums:
        """The sums of fewer columns, in the order asked for."""
        at = [self.numbers.index(name) for name in numbers]
        order = [list(self.levels).index(name) for name in categories]
        whole = self.whole._replace(
            units=self.whole.units[at],
            fives=self.whole.fives[at],
            totals=self.whole.totals[at],
            products=self.whole.products[np.ix_(at, at)],
            levels=tuple(self.whole.levels[i][:, at] for i in order),
            level_weights=tuple(self.whole.level_weights[i] for i in order),
        )
        levels = {name: self.levels[name] for name in categories}
        pairs = pick_pairs(self.pairs, categories)
        return ExactSums(self.n_rows, tuple(numbers), whole, levels, pairs)

    @property
    def weight(self) -> float:
        """Σ w, rounded once: the number of rows, where they have no weights."""
        return nearest_double(self.whole.weight, 1, self.whole.weight_unit, 0)

    def rounded(self) -> Sums:
        """Means and centred sums, each the double nearest to the exact value."""
        whole = self.whole
        n, grid = whole.weight, list(zip(whole.units.tolist(), whole.fives.tolist(), strict=True))
        mean = np.array(
            [nearest_double(t, n, *unit) for t, unit in zip(whole.totals, grid, strict=True)]
        )
        scatter = np.zeros(whole.products.shape)
        for i, (two, five) in enumerate(grid):
            for j in range(i, len(grid)):
                centred = n * whole.products[i, j] - whole.totals[i] * whole.totals[j]
                unit = (two + grid[j][0] + whole.weight_unit, five + grid[j][1])
                scatter[i, j] = scatter[j, i] = nearest_double(centred, n, *unit)
        levels = {}
        tables = zip(whole.levels, whole.level_weights, strict=True)
        for (name, found), (table, weights) in zip(self.levels.items(), tables, strict=True):
            means = [
                [nearest_double(t, w, *unit) for t, unit in zip(row, grid, strict=True)]
                for row, w in zip(table, weights, strict=True)
            ]
            shares = np.array([nearest_double(w, 1, whole.weight_unit, 0) for w in weights])
            levels[name] = LevelSums(
                found.levels, shares, np.array(means).reshape(len(table), len(grid))
            )
        pairs = self._rounded_pairs()
        return Sums(self.n_rows, self.numbers, mean, scatter, levels, pairs, weight=self.weight)

    def _rounded_pairs(self) -> dict[tuple[str, str], PairCounts]:
        unit = self.whole.weight_unit
        return {
            key: pair
            if pair.weights is None
            else pair._replace(
                counts=np.array([nearest_double(w, 1, unit, 0) for w in pair.weights]), weights=None
            )
            for key, pair in self.pairs.items()
        }

    @property
    def exponents(self) -> dict[str, int]:
        """About the power of two of each column's root mean square; 0 for a column of zeros."""
        whole, found = self.whole, {}
        for j, name in enumerate(self.numbers):
            square = int(whole.products[j, j])
            size = (square.bit_length() - whole.weight.bit_length()) // 2
            place = int(whole.units[j]) + round(int(whole.fives[j]) * math.log2(5))
            found[name] = size + place if square else 0
        return found


def join_exact(several: Sequence[ExactSums]) -> ExactSums:
    """The sums of the rows of all, which have the same columns in the same order."""
    first = several[0]
    names = [
        tuple(sorted(set().union(*(sums.levels[name].levels for sums in several))))
        for name in first.levels
    ]
    at = [
        [places(sums.levels[n].levels, every) for sums in several]
        for n, every in zip(first.levels, names, strict=True)
    ]
    whole = join_integers([sums.whole for sums in several], at, [len(every) for every in names])
    merged = {}
    for i, name in enumerate(first.levels):
        counts = np.zeros(len(names[i]))
        for sums, own in zip(several, at[i], strict=True):
            counts[own] += sums.levels[name].counts
        merged[name] = ExactLevels(names[i], counts)
    pairs = merge_pairs(
        [(sums.pairs_in(whole.weight_unit, 1), sums.level_names()) for sums in several],
        {name: found.levels for name, found in merged.items()},
    )
    n_rows = sum(sums.n_rows for sums in several)
    refuse_uncounted(n_rows)
    return ExactSums(n_rows, first.numbers, whole, merged, pairs)


def refuse_uncounted(n_rows: int) -> None:
    """MomentsError for more rows than doubles count."""
    if n_rows > LARGEST_COUNT:
        raise MomentsError.too_many_rows(n_rows)


def replace_levels(whole: Integers, tables: Sequence[tuple[Whole, Whole]]) -> Integers:
    """The sums with other levels: for each category the sums and the weights of its levels."""
    return whole._replace(
        levels=tuple(table for table, _ in tables),
        level_weights=tuple(weights for _, weights in tables),
    )


def nearest_double(value: int, divisor: int, two: int, five: int) -> float:
    """The double nearest to value / divisor · 2^two 5^five: dividing integers rounds once."""
    divisor *= 5**-five
    above, below = (value << two, divisor) if two >= 0 else (value, divisor << -two)
    try:
        return above / below
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
