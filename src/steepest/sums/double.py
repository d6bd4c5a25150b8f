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

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ..data.design import Block
from ..data.strips import Table, columns_of
from ..errors import ValueFoundError
from ..typing import Floats
from .counting import LevelCounter
from .kernel import Ends, find_ends, find_kernel
from .levels import (
    Pairs,
    dense_pairs,
    merge_pairs,
    pick_pairs,
    places,
    widen,
)

SMALLEST_SQUARE = 2.0**-960
"""Sums of squares below this have lost digits to underflow."""

BLOCK_ROWS = 4_096
"""Rows that are centred and multiplied at once: a block of 20 columns stays in cache."""

KERNEL_COLUMNS = 200
"""Up to here the compiled kernel is faster than BLAS."""

CENTRE_ROWS = 256
"""Rows that the centre is chosen from."""

TOGETHER = 64
"""Rows that are centred as one, since loops over a single short row are slow."""

OUTER_CELLS = 1 << 16
"""Numbers of a product of two vectors that are made at once."""

NEARLY_CONSTANT = BLOCK_ROWS * 2.0**-52
"""A mean this close to the first value may be that of a constant column."""


class LevelSums(NamedTuple):
    """A category's levels, sorted by their UTF-8 bytes, with what they sum up to."""

    levels: tuple[str, ...]
    weights: Floats
    """Σ w of each level, shape (m,): its rows, where they have no weights."""
    means: Floats
    """Mean of each number in each level, shape (m, k)."""


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
    pairs: Pairs = field(default_factory=dict)
    extremes: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Smallest and largest value of each column whose squares may have underflowed."""
    weight: float = 0.0
    """Σ w: the number of rows, where they have no weights."""

    def __add__(self, other: Sums) -> Sums:
        """The sums of both sets of rows.  O(k²), and the levels that occur."""
        if self.numbers != other.numbers:
            other = other.restrict(self.numbers, tuple(self.levels))
        weight = self.weight + other.weight
        with np.errstate(over="ignore", invalid="ignore"):
            gap = other.mean - self.mean
            mean = self.mean + gap * (other.weight / weight)
            scatter = self.scatter + other.scatter
            _add_outer(scatter, gap, self.weight * (other.weight / weight))
        merged = {name: _merge(own, other.levels[name]) for name, own in self.levels.items()}
        pairs = merge_pairs(
            [
                (sums.pairs, {n: found.levels for n, found in sums.levels.items()})
                for sums in (self, other)
            ],
            {name: found.levels for name, found in merged.items()},
        )
        extremes = {
            name: (min(low, other.extremes[name][0]), max(high, other.extremes[name][1]))
            for name, (low, high) in self.extremes.items()
            if name in other.extremes
        }
        n_rows = self.n_rows + other.n_rows
        return Sums(n_rows, self.numbers, mean, scatter, merged, pairs, extremes, weight)

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
        return replace(
            self,
            numbers=tuple(numbers),
            mean=self.mean[at],
            scatter=self.scatter[np.ix_(at, at)],
            levels=levels,
            pairs=pick_pairs(self.pairs, categories),
            extremes={name: pair for name, pair in self.extremes.items() if name in numbers},
        )

    def table(self, first: str, second: str) -> Floats:
        """Rows of each pair of levels, dense, shape (m of first, m of second)."""
        shape = (len(self.levels[first].levels), len(self.levels[second].levels))
        return dense_pairs(self.pairs, first, second, shape)

    def rounded(self) -> Sums:
        """These sums in doubles, which they are."""
        return self


class Digest(NamedTuple):
    """What some rows add up to."""

    mean: Floats
    """Shape (k,)."""
    scatter: Floats
    """About the mean, shape (k, k)."""
    ends: Ends


def centred_moments(rows: Table) -> Digest:
    """Mean, scatter about it, and where columns end, of rows of shape (n, k), n > 0.

    Distances to a centre near the first rows' mean are multiplied block by block, and the
    centre's own distance to the mean is taken out at the end.  Whatever order the rows are in,
    that costs a few bits at the most, for rows far from the centre make the scatter large too.
    O(n k²).  Not finite where the rows are not, or where squares overflow.
    """
    k = rows.shape[1]
    centre = _choose_centre(np.asarray(rows[:CENTRE_ROWS]))
    kernel = find_kernel() if 0 < k <= KERNEL_COLUMNS else None
    if kernel:
        total, products, ends = kernel.sum_centred(rows, np.zeros(k) if centre is None else centre)
    else:
        rows = np.asarray(rows)
        (total, products), (ends, _) = _add_centred(rows, centre), find_ends(rows)
    shift = total / len(rows)
    root = total / math.sqrt(len(rows))
    _add_outer(products, root, -1.0)  # symmetric, as total · shift would not be
    return Digest(shift if centre is None else centre + shift, products, ends)


def _add_outer(matrix: Floats, values: Floats, times: float) -> None:
    """Add z zᵀ times a number to a matrix, some of its rows at a time, which stay in cache."""
    step = max(1, OUTER_CELLS // max(len(values), 1))
    for start in range(0, len(values), step):
        own = slice(start, start + step)
        matrix[own] += np.outer(values[own], values) * times


def _add_centred(rows: Floats, centre: Floats | None) -> tuple[Floats, Floats]:
    """Σ (z - c), shape (k,), and Σ (z - c)(z - c)ᵀ, shape (k, k)."""
    n, k = rows.shape
    # Rows are multiplied in blocks that stay in cache; columns whole, for BLAS packs them itself.
    step = BLOCK_ROWS if rows.flags.c_contiguous else n
    ones = np.ones(min(n, step))
    total, products = np.zeros(k), None
    centred = None if centre is None else np.empty_like(rows[:step])
    for start in range(0, n, step):
        block = rows[start : start + step]
        if centre is not None and centred is not None:
            block = _subtract(block, centre, centred[: len(block)])
        # np.dot, for matmul keeps the interpreter's lock where the result is small.
        total += np.dot(ones[: len(block)], block)
        product = np.dot(block.T, block)
        products = product if products is None else np.add(products, product, out=products)
    return total, np.zeros((k, k)) if products is None else products


def _subtract(block: Floats, centre: Floats, out: Floats) -> Floats:
    """Block minus centre, into ``out``: many rows at once where they are short and contiguous."""
    rows, k = block.shape
    if block.flags.c_contiguous and rows % TOGETHER == 0:
        wide = (rows // TOGETHER, TOGETHER * k)
        np.subtract(block.reshape(wide), np.tile(centre, TOGETHER), out=out.reshape(wide))
        return out
    return np.subtract(block, centre, out=out)


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


def weighted_moments(rows: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted mean, shape (k,), and Σ w (z - z̄)(z - z̄)ᵀ, shape (k, k), of rows of weight > 0."""
    total = weights.sum()
    centre = _choose_centre(rows[:CENTRE_ROWS])  # a constant column leaves exactly nothing
    near = rows if centre is None else rows - centre
    mean = np.dot(weights, near) / total
    centred = near - mean
    shift = np.dot(weights, centred) / total
    centred *= np.sqrt(weights)[:, None]
    scatter = np.dot(centred.T, centred) - np.outer(shift, shift) * total
    diagonal = np.diag_indices(len(mean))
    scatter[diagonal] = np.maximum(scatter[diagonal], 0.0)
    mean += shift
    return mean if centre is None else centre + mean, scatter


class Accumulator:
    """The sums of one null pattern while a part is read: blocks go in, ``Sums`` come out."""

    def __init__(self, numbers: Sequence[str], categories: Sequence[str], weight_kind: str) -> None:
        self.numbers = tuple(numbers)
        self.met = LevelCounter(categories)
        self._kind = weight_kind
        self._sums: Sums | None = None
        self._shift = np.zeros(len(self.numbers))
        self._totals: list[Floats] = [np.zeros((0, len(self.numbers))) for _ in categories]

    @staticmethod
    def digest(block: Block) -> Digest | None:
        """What a block adds up to; None where it is not finite, or its squares are not."""
        if block.weights is None:
            found = centred_moments(block.table)
        else:
            ends, _ = find_ends(block.table)
            found = Digest(*weighted_moments(block.numbers, block.weights), ends)
        finite = np.isfinite(found.mean).all() and np.isfinite(found.scatter).all()
        return found if finite else None

    def add(self, block: Block, digest: Digest) -> None:
        """Rows without nulls."""
        mean, scatter, ends = digest
        table, weights = block.table, block.weights
        tiny = np.flatnonzero(np.diag(scatter) < SMALLEST_SQUARE)
        extremes = {self.numbers[j]: (float(ends.low[j]), float(ends.high[j])) for j in tiny}
        weight = float(len(table) if weights is None else weights.sum())
        rows = int(weight) if self._kind == "frequency" else len(table)
        batch = Sums(rows, self.numbers, mean, scatter, {}, {}, extremes, weight)
        if self._sums is None:
            self._sums, self._shift = batch, mean
        else:
            self._sums += batch
        numbered = self.met.add(block.codes, times=weights)
        for i, m in enumerate(self.met.sizes):
            self._totals[i] = widen(self._totals[i], m)
        if not numbered or not self.numbers:
            return
        kernel = find_kernel() if weights is None else None
        if kernel:
            kernel.add_levels(table, self._shift, numbered, self._totals)
            return
        for j, column in enumerate(columns_of(table)):
            own = column - self._shift[j]
            if weights is not None:
                own *= weights
            for levels, totals in zip(numbered, self._totals, strict=True):
                totals[:, j] += np.bincount(levels, own, minlength=len(totals))

    def finish(self) -> Sums:
        """The sums of everything added, levels in order."""
        assert self._sums is not None, "an accumulator is made when there are rows"
        levels = {}
        for i, name in enumerate(self.met.categories):
            (names, at), counts = self.met.order(i), self.met.counts(i)
            means = self._shift + self._totals[i][at] / counts[:, None]
            levels[name] = LevelSums(names, counts, means)
        return replace(self._sums, levels=levels, pairs=self.met.pairs())


def _merge(a: LevelSums, b: LevelSums) -> LevelSums:
    levels = tuple(sorted({*a.levels, *b.levels}))
    weights, means = np.zeros(len(levels)), np.zeros((len(levels), a.means.shape[1]))
    at = places(a.levels, levels)
    weights[at], means[at] = a.weights, a.means
    at = places(b.levels, levels)
    weights[at] += b.weights
    means[at] += (b.means - means[at]) * (b.weights / weights[at])[:, None]
    return LevelSums(levels, weights, means)
