"""Numbers as digits on a power-of-two grid, multiplied as integers by BLAS without rounding.

The numbers of a block are written in signed digits of W = 22 bits, on a grid placed per column,

    z = Σₛ qₛ 2^(top - 21 - 22 s),    |qₛ| ≤ 2²¹.

Products of digits, summed over R = 2048 rows, stay within 2⁵³: BLAS adds them without rounding,
in whatever order [1]_ [2]_.  A column pays for the digits it needs in the block, and rows that
need more than the rest are set apart and multiplied on a grid of their own.

References
----------
.. [1] T. Ogita, S. M. Rump, S. Oishi.  Accurate sum and dot product.  SIAM Journal on Scientific
   Computing 26(6), 1955-1988, 2005.  doi:10.1137/030601818
.. [2] K. Ozaki, T. Ogita, S. Oishi, S. M. Rump.  Error-free transformations of matrix
   multiplication by using fast routines of matrix multiplication and its applications.
   Numerical Algorithms 59, 95-118, 2012.  doi:10.1007/s11075-011-9478-1
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from .integers import Integers, Whole, no_integers
from .levels import Places, widen

BITS = 22
BLOCK_ROWS = 2_048
FEW, MANY = 3, 8
"""Digits that most blocks need, and those that rows set apart are given."""

BLOCKS_HELD = 256
"""Blocks that 64-bit sums have room for: 3 · 2⁵³ · 256 < 2⁶³."""


class Grid:
    """64-bit sums of products of digits, for blocks whose columns share their tops."""

    def __init__(self, tops: NDArray[np.int64], digits: int, categories: int) -> None:
        k = len(tops)
        self.tops, self.digits, self.room = tops, digits, BLOCKS_HELD
        self._products = np.zeros((2 * digits - 1, k, k), dtype=np.int64)
        self._totals = np.zeros((digits, k), dtype=np.int64)
        self._levels: list[Floats] = [np.zeros((0, digits, k)) for _ in range(categories)]

    def add(self, columns: Floats, numbered: Sequence[Places]) -> NDArray[np.bool_]:
        """Add rows, given as columns of shape (k, R), but those that need more digits.

        Returns which rows those are, shape (R,).
        """
        digits, apart = self._cut(columns)
        used = [np.flatnonzero(found.any(axis=1)) for found in digits]
        ones = (~apart).astype(np.float64)[None]
        stacked = np.concatenate([*(d[rows] for d, rows in zip(digits, used, strict=True)), ones])
        sums = np.dot(stacked, stacked.T).astype(np.int64)
        ends = np.cumsum([0, *map(len, used)])
        for s, a in enumerate(used):
            own = slice(ends[s], ends[s + 1])
            self._totals[s, a] += sums[own, -1]
            for t, b in enumerate(used):
                self._products[s + t][np.ix_(a, b)] += sums[own, ends[t] : ends[t + 1]]
        for i, level in enumerate(numbered):
            m = max(int(level.max(initial=-1)) + 1, len(self._levels[i]))
            self._levels[i] = widen(self._levels[i], m)
            for s, a in enumerate(used):
                for j in a:
                    self._levels[i][:, s, j] += np.bincount(level, digits[s][j], minlength=m)
        self.room -= 1
        return apart

    def _cut(self, columns: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Digits of shape (digits, k, R), 0 in the rows that need more, and which those are."""
        places = (BITS - 1 - self.tops)[:, None]
        rest = np.ldexp(columns, places)
        apart = np.zeros(columns.shape[1], dtype=bool)
        if (places < 0).any():  # what is far below the top may have been rounded away
            apart = (np.ldexp(rest, -places) != columns).any(axis=0)
        digits = np.empty((self.digits, *columns.shape))
        for found in digits:
            np.rint(rest, out=found)
            rest -= found
            rest *= 2.0**BITS
        apart |= rest.any(axis=0)
        digits[:, :, apart] = 0.0
        return digits, apart

    def integers(self) -> Integers:
        """The sums so far as Python integers."""
        last = self.digits - 1
        units = self.tops - (BITS - 1) - BITS * last
        products = _shifted(self._products, [BITS * (2 * last - s) for s in range(2 * last + 1)])
        shifts = [BITS * (last - s) for s in range(last + 1)]
        levels = tuple(
            _shifted(np.moveaxis(table, 1, 0).astype(np.int64), shifts) for table in self._levels
        )
        fives = np.zeros_like(units)
        return Integers(units, fives, _shifted(self._totals, shifts), products, levels)


def _shifted(parts: NDArray[np.int64], shifts: Sequence[int]) -> Whole:
    """Σ parts[s] · 2^shifts[s], as Python integers."""
    total: Whole = np.zeros(parts.shape[1:], dtype=object)
    for part, shift in zip(parts, shifts, strict=True):
        if part.any():
            total = total + part.astype(object) * (1 << shift)
    return total


def find_tops(columns: Floats) -> NDArray[np.int64]:
    """The smallest e with |z| ≤ 2^e, one a column, shape (k,); very low for a column of zeros."""
    largest = np.abs(columns).max(axis=1, initial=0.0)
    return np.where(largest > 0, np.frexp(largest)[1], LOWEST_TOP).astype(np.int64)


LOWEST_TOP = -1_075


class DigitSums:
    """Exact sums of the rows that are added, block by block."""

    def __init__(self, columns: int, categories: int) -> None:
        self._categories = categories
        self._total = no_integers(columns, categories)
        self._grid: Grid | None = None
        self._apart: list[tuple[Floats, list[Places]]] = []

    def add(self, numbers: Floats, numbered: Sequence[Places]) -> None:
        """Rows of shape (n, k), finite, and the numbers of their levels."""
        for start in range(0, len(numbers), BLOCK_ROWS):
            piece = slice(start, start + BLOCK_ROWS)
            columns = np.ascontiguousarray(numbers[piece].T)
            self._add_block(columns, [level[piece] for level in numbered])
        if sum(columns.shape[1] for columns, _ in self._apart) >= BLOCK_ROWS:
            self._add_apart()

    def finish(self) -> Integers:
        """The sums of everything added."""
        self._add_apart()
        self._close_grid()
        return self._total

    def _add_block(self, columns: Floats, numbered: list[Places]) -> None:
        tops = find_tops(columns)
        grid = self._grid
        if grid is None or not grid.room or (tops > grid.tops).any():
            self._close_grid()
            old = tops if grid is None else grid.tops
            # A column keeps its top where it can, so that blocks share a grid.
            keeps = (old > tops) & (old - tops <= 2)
            grid = self._grid = Grid(np.where(keeps, old, tops), FEW, self._categories)
        apart = grid.add(columns, numbered)
        if apart.any():
            self._apart.append((columns[:, apart], [level[apart] for level in numbered]))

    def _close_grid(self) -> None:
        if self._grid is not None:
            self._total = self._total.plus(self._grid.integers())
            self._grid = None

    def _add_apart(self) -> None:
        """Rows of wide range: on a grid with more digits, and the last of them one by one."""
        if not self._apart:
            return
        columns = np.concatenate([columns for columns, _ in self._apart], axis=1)
        numbered = [
            np.concatenate([levels[i] for _, levels in self._apart])
            for i in range(self._categories)
        ]
        self._apart = []
        for start in range(0, columns.shape[1], BLOCK_ROWS):
            piece = slice(start, start + BLOCK_ROWS)
            block, levels = columns[:, piece], [level[piece] for level in numbered]
            grid = Grid(find_tops(block), MANY, self._categories)
            rest = grid.add(block, levels)
            self._total = self._total.plus(grid.integers())
            for row in np.flatnonzero(rest):
                one = _integers_of(block[:, row], [int(level[row]) for level in levels])
                self._total = self._total.plus(one)


def _integers_of(row: Floats, levels: Sequence[int]) -> Integers:
    """The sums of a single row, whatever its numbers."""
    ratios = [float(value).as_integer_ratio() for value in row]
    units = np.array([1 - below.bit_length() for _, below in ratios], dtype=np.int64)
    totals: Whole = np.array([above for above, _ in ratios], dtype=object)
    tables = []
    for level in levels:
        table: Whole = np.zeros((level + 1, len(row)), dtype=object)
        table[level] = totals
        tables.append(table)
    fives = np.zeros_like(units)
    return Integers(units, fives, totals, np.outer(totals, totals), tuple(tables))
