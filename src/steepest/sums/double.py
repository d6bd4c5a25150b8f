"""Sums in double precision: blocked BLAS, centred, merged pairwise.

One ``Sums`` is what the rows of one null pattern add up to.  Numbers meet numbers in a dense
scatter matrix; a level meets numbers in its mean of each; two levels meet in a count.  An
indicator column is never formed.  Every quantity is held about its mean, and two of them merge
by the update of Chan, Golub and LeVeque [1]_, so that a large mean costs no digits.

References
----------
.. [1] T. F. Chan, G. H. Golub, R. J. LeVeque.  Algorithms for computing the sample variance:
   analysis and recommendations.  The American Statistician 37(3), 242-247, 1983.
   doi:10.1080/00031305.1983.10483115
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ValueFoundError
from ..typing import Codes, Floats

SMALLEST_SQUARE = 2.0**-960
"""Sums of squares below this have lost digits to underflow."""

BLOCK_ROWS = 4_096
"""Rows that are centred and multiplied at once: a block of 20 columns stays in cache."""

NEARLY_CONSTANT = BLOCK_ROWS * 2.0**-52
"""A mean this close to the first value may be that of a constant column."""


class LevelSums(NamedTuple):
    """A category's levels, sorted by their UTF-8 bytes, with what they sum up to."""

    levels: tuple[str, ...]
    counts: Floats
    """Rows of each level, shape (m,)."""
    means: Floats
    """Mean of each number in each level, shape (m, k)."""


class PairCounts(NamedTuple):
    """How often two levels meet; pairs that never meet are absent."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    counts: Floats


@dataclass(frozen=True)
class Sums:
    """What some rows without nulls in these columns add up to."""

    n_rows: int
    numbers: tuple[str, ...]
    mean: Floats
    """Shape (k,), in the unit of each column."""
    scatter: Floats
    """Σ (z - z̄)(z - z̄)ᵀ, shape (k, k)."""
    levels: Mapping[str, LevelSums] = field(default_factory=dict)
    pairs: Mapping[tuple[str, str], PairCounts] = field(default_factory=dict)
    extremes: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Smallest and largest value of the columns whose squares may have underflowed."""

    def __add__(self, other: Sums) -> Sums:
        """The sums of both sets of rows.  O(k²), and the levels that occur."""
        if self.numbers != other.numbers:
            other = other.restrict(self.numbers, tuple(self.levels))
        n = self.n_rows + other.n_rows
        with np.errstate(over="ignore", invalid="ignore"):
            gap = other.mean - self.mean
            mean = self.mean + gap * (other.n_rows / n)
            scatter = self.scatter + other.scatter
            scatter += np.outer(gap, gap) * (self.n_rows * (other.n_rows / n))
        merged = {name: _merge(own, other.levels[name]) for name, own in self.levels.items()}
        pairs = {}
        for key in self.pairs:
            sides = []
            for sums in (self, other):
                pair = sums.pairs.get(key) or _swap(sums.pairs[key[::-1]])
                first, second = (
                    _places(sums.levels[name].levels, merged[name].levels) for name in key
                )
                sides.append(PairCounts(first[pair.first], second[pair.second], pair.counts))
            pairs[key] = _collect_pairs(sides)
        extremes = {
            name: (min(low, other.extremes[name][0]), max(high, other.extremes[name][1]))
            for name, (low, high) in self.extremes.items()
            if name in other.extremes
        }
        return Sums(n, self.numbers, mean, scatter, merged, pairs, extremes)

    def refuse_out_of_range(self, where: str) -> None:
        """ValueFoundError where sums of squares have left the range of doubles."""
        over = [
            n for n, s in zip(self.numbers, np.diag(self.scatter), strict=True) if not s < np.inf
        ]
        if over:
            raise ValueFoundError.overflow(over, where)
        for name, square in zip(self.numbers, np.diag(self.scatter), strict=True):
            low, high = self.extremes.get(name, (0.0, 0.0))
            if square < SMALLEST_SQUARE and low < high:
                raise ValueFoundError.underflow(name, where)

    def restrict(self, numbers: Sequence[str], categories: Sequence[str]) -> Sums:
        """The sums of fewer columns, in the order asked for."""
        at = [self.numbers.index(name) for name in numbers]
        levels = {
            name: self.levels[name]._replace(means=self.levels[name].means[:, at])
            for name in categories
        }
        pairs = {
            (a, b): self.pairs.get((a, b)) or _swap(self.pairs[b, a])
            for a, b in combinations(categories, 2)
        }
        extremes = {name: pair for name, pair in self.extremes.items() if name in numbers}
        mean, scatter = self.mean[at], self.scatter[np.ix_(at, at)]
        return Sums(self.n_rows, tuple(numbers), mean, scatter, levels, pairs, extremes)

    def table(self, first: str, second: str) -> Floats:
        """Rows of each pair of levels, dense, shape (m of first, m of second)."""
        pair = self.pairs.get((first, second)) or _swap(self.pairs[second, first])
        table = np.zeros((len(self.levels[first].levels), len(self.levels[second].levels)))
        table[pair.first, pair.second] = pair.counts
        return table


def centred_moments(rows: Floats) -> tuple[Floats, Floats]:
    """Mean, shape (k,), and scatter about it, shape (k, k), of rows of shape (n, k), n > 0.

    Distances to a centre near the first rows' mean are multiplied block by block, and the
    centre's own distance to the mean is taken out at the end.  Whatever order the rows are in,
    that costs a few bits at the most, for rows far from the centre make the scatter large too.
    O(n k²).  Not finite where the rows are not, or where squares overflow.
    """
    n, k = rows.shape
    centre = _choose_centre(rows[:BLOCK_ROWS])
    ones = np.ones(min(n, BLOCK_ROWS))
    total, products = np.zeros(k), np.zeros((k, k))
    centred = np.empty_like(rows[:BLOCK_ROWS])
    for start in range(0, n, BLOCK_ROWS):
        block = rows[start : start + BLOCK_ROWS]
        if centre is not None:
            block = np.subtract(block, centre, out=centred[: len(block)])
        # np.dot, for matmul keeps the interpreter's lock where the result is small.
        total += np.dot(ones[: len(block)], block)
        products += np.dot(block.T, block)
    shift = total / n
    products -= np.outer(total, shift)
    return shift if centre is None else centre + shift, products


def _choose_centre(block: Floats) -> Floats | None:
    """What to subtract from each column before it is multiplied; None for nothing at all.

    Zero will do where the mean is within two standard deviations of it.  A column that is
    constant so far is centred on its first value, so that its scatter is exactly 0.
    """
    mean = np.dot(np.ones(len(block)), block) / len(block)
    square = np.einsum("ij,ij->j", block, block) / len(block)
    near = np.abs(mean - block[0]) <= NEARLY_CONSTANT * np.abs(mean)
    far = ~(5 * mean * mean <= 4 * square) | near
    return np.where(far, np.where(near, block[0], mean), 0.0) if far.any() else None


class Accumulator:
    """The sums of one null pattern while a part is read: blocks go in, ``Sums`` come out."""

    def __init__(self, numbers: Sequence[str], categories: Sequence[str]) -> None:
        self.numbers, self.categories = tuple(numbers), tuple(categories)
        self._sums: Sums | None = None
        self._shift = np.zeros(len(self.numbers))
        self._known: list[dict[str, int]] = [{} for _ in categories]
        self._counts: list[Floats] = [np.zeros(0) for _ in categories]
        self._totals: list[Floats] = [np.zeros((0, len(self.numbers))) for _ in categories]
        self._pairs: dict[tuple[int, int], list[PairCounts]] = {
            pair: [] for pair in combinations(range(len(self.categories)), 2)
        }

    def add(
        self,
        numbers: Floats,
        codes: Sequence[tuple[Codes, Sequence[str]]],
        moments: tuple[Floats, Floats] | None = None,
    ) -> None:
        """Rows without nulls: numbers of shape (n, k) and one (codes, levels) a category."""
        mean, scatter = moments or centred_moments(numbers)
        tiny = np.flatnonzero(np.diag(scatter) < SMALLEST_SQUARE)
        extremes = {
            self.numbers[j]: (float(numbers[:, j].min()), float(numbers[:, j].max())) for j in tiny
        }
        batch = Sums(len(numbers), self.numbers, mean, scatter, extremes=extremes)
        if self._sums is None:
            self._sums, self._shift = batch, mean
        else:
            self._sums += batch
        ours = [self._number(i, *pair) for i, pair in enumerate(codes)]
        shifted = numbers - self._shift if ours else numbers
        for i, code in enumerate(ours):
            self._add_levels(i, code, shifted)
        for (i, j), found in self._pairs.items():
            found.append(self._count_pairs(i, j, ours[i], ours[j]))
            if len(found) >= 64:
                found[:] = [_collect_pairs(found)]

    def most_levels(self) -> dict[str, int]:
        """How many levels each category has shown."""
        return {name: len(known) for name, known in zip(self.categories, self._known, strict=True)}

    def finish(self) -> Sums:
        """The sums of everything added, levels in order."""
        assert self._sums is not None, "an accumulator is made when there are rows"
        levels, order = {}, []
        for i, name in enumerate(self.categories):
            names = tuple(sorted(self._known[i]))
            by_code = np.array([self._known[i][text] for text in names], dtype=np.int64)
            rank = np.empty(len(names), dtype=np.int64)
            rank[by_code] = np.arange(len(names))
            counts = self._counts[i][by_code]
            means = self._shift + self._totals[i][by_code] / counts[:, None]
            levels[name] = LevelSums(names, counts, means)
            order.append(rank)
        pairs = {
            (self.categories[i], self.categories[j]): _collect_pairs(
                [PairCounts(order[i][p.first], order[j][p.second], p.counts) for p in found]
            )
            for (i, j), found in self._pairs.items()
        }
        return replace(self._sums, levels=levels, pairs=pairs)

    def _number(self, i: int, codes: Codes, levels: Sequence[str]) -> NDArray[np.int64]:
        """A batch's codes as ours, which only ever grow."""
        present = np.flatnonzero(np.bincount(codes, minlength=len(levels)))
        known, table = self._known[i], np.zeros(len(levels), dtype=np.int64)
        for code in present:
            table[code] = known.setdefault(levels[int(code)], len(known))
        grown = len(known) - len(self._counts[i])
        if grown:
            self._counts[i] = np.pad(self._counts[i], (0, grown))
            self._totals[i] = np.pad(self._totals[i], ((0, grown), (0, 0)))
        return table[codes]

    def _add_levels(self, i: int, codes: NDArray[np.int64], shifted: Floats) -> None:
        m = len(self._known[i])
        self._counts[i] += np.bincount(codes, minlength=m)
        for j in range(shifted.shape[1]):
            self._totals[i][:, j] += np.bincount(codes, shifted[:, j], minlength=m)

    def _count_pairs(
        self, i: int, j: int, first: NDArray[np.int64], second: NDArray[np.int64]
    ) -> PairCounts:
        width = len(self._known[j])
        keys = first * width + second
        if len(self._known[i]) * width <= max(1 << 16, 4 * len(keys)):
            table = np.bincount(keys)
            cells = np.flatnonzero(table)
            times = table[cells]
        else:
            cells, times = np.unique(keys, return_counts=True)
        return PairCounts(cells // width, cells % width, np.asarray(times, dtype=np.float64))


def _merge(a: LevelSums, b: LevelSums) -> LevelSums:
    levels = tuple(sorted({*a.levels, *b.levels}))
    counts, means = np.zeros(len(levels)), np.zeros((len(levels), a.means.shape[1]))
    at = _places(a.levels, levels)
    counts[at], means[at] = a.counts, a.means
    at = _places(b.levels, levels)
    counts[at] += b.counts
    means[at] += (b.means - means[at]) * (b.counts / counts[at])[:, None]
    return LevelSums(levels, counts, means)


def _places(levels: Sequence[str], within: Sequence[str]) -> NDArray[np.int64]:
    """Where each of some levels stands among all levels."""
    place = {level: i for i, level in enumerate(within)}
    return np.fromiter((place[level] for level in levels), dtype=np.int64, count=len(levels))


def _swap(pair: PairCounts) -> PairCounts:
    return PairCounts(pair.second, pair.first, pair.counts)


def _collect_pairs(found: Sequence[PairCounts]) -> PairCounts:
    """Counts of the same pair added up, in order of the pairs."""
    first = np.concatenate([pair.first for pair in found])
    second = np.concatenate([pair.second for pair in found])
    width = int(second.max(initial=0)) + 1
    cells, at = np.unique(first * width + second, return_inverse=True)
    counts = np.asarray(
        np.bincount(at, np.concatenate([pair.counts for pair in found])), dtype=np.float64
    )
    return PairCounts(cells // width, cells % width, counts)
