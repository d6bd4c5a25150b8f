"""Numbers as digits on a power-of-two grid, multiplied as integers without rounding.

The numbers of a column are written in signed digits of W = 23 bits, on a grid of its own,

    z = Σₛ qₛ 2^(top - 22 - 23 s),    |qₛ| ≤ 2²²,    s = 0, 1, ...

A column gets the digits that nearly all of its values need: integers and booleans one, float32
two, most doubles three.  Rows in which some value needs more, or exceeds the top, are set apart
and wait for a grid of their own; those that no grid takes are added up by their exponents.

Digits s and t of two columns meet in aₛ bₜ + aₜ bₛ, which three symmetric products tell,

    Σ aₛ bₜ + aₜ bₛ = Σ (aₛ + aₜ)(bₛ + bₜ) - Σ aₛ bₛ - Σ aₜ bₜ,

of which a triangle is enough: three digits take 3 k² multiplications a row instead of 4.5 k².  A
product of sums of two digits is an integer up to 2⁴⁶, so that doubles hold the sum of 128 of
them, and of 512 where four lanes add every fourth row.  Products of single digits, up to 2⁴⁴,
may be added 512 at a time, by BLAS and in whatever order [1]_ [2]_.  After that they are 64-bit
integers.  The compiled kernel does the first, NumPy the second, with the same result.

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
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.strips import Table
from ..typing import Floats
from .exponents import add_by_exponent
from .integers import Integers, Whole, no_integers
from .kernel import Kernel, find_kernel, working_room
from .levels import Places, widen

BITS = 23
BLOCK_ROWS = 512
"""Rows whose products doubles hold the sum of."""

MOST = 8
"""Digits that a column may be given."""

PIECE_ROWS = 16_384
"""Rows after which a grid is asked whether it still suits."""

SAMPLE = 512
"""Rows that a grid is chosen by."""

EXCEPTIONS = {0.0: 0, 1 / 256: 1, 1 / 16: 3}
"""Shares of values that a column may leave out, and how many digits that must save."""

TOO_MANY = 1 / 16
"""A grid no longer suits when it sets this share of rows apart, beyond what it did at first."""

HELD = 2**19
"""Rows times digits + 1 that 64-bit sums have room for: D · 2⁴⁴ · 2¹⁹ / (D + 1) < 2⁶³ - 2³²."""

CARRY = 32
"""Bits of a 64-bit sum that stay when the others are carried over."""

LONGEST = 1 << 29
"""Rows of a grid: the sums of a level are digits in doubles, which have room for 2³¹ rows."""

FEW = 32
"""Rows that are faster as Python integers, one by one, than by their exponents."""

SAFE_TOPS = (-830, 980)
"""Between these, units and their inverses are doubles, as the compiled kernel needs them."""


class Plan(NamedTuple):
    """What a grid is made of: for each column the e with |z| ≤ 2^e, and the number of digits."""

    tops: NDArray[np.int64]
    digits: NDArray[np.int64]


def plan_grid(rows: Table) -> Plan:
    """The grid that suits most of these rows, shape (n, k), n > 0."""
    sample = np.asarray(rows[:: max(1, len(rows) // SAMPLE)])
    mantissas, exponents = np.frexp(sample)
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    ends = np.frexp((whole & -whole).astype(np.float64))[1]  # how far above the 53rd bit, plus 1
    zero = whole == 0
    high = np.where(zero, -2_000, exponents).astype(np.int64)
    low = np.where(zero, 2_000, exponents - 54 + ends).astype(np.int64)
    few = len(rows) <= SAMPLE  # a grid of its own for some of so few is dearer than any digit
    if few:
        high, low = high.max(axis=0, keepdims=True), low.min(axis=0, keepdims=True)
    else:
        high, low = np.sort(high, axis=0), np.sort(low, axis=0)
    exceptions = {0.0: 0} if few else EXCEPTIONS
    left_out = [int(len(sample) * share) for share in exceptions]
    tops = np.array([high[-1 - rare] for rare in left_out])
    lowest = np.array([low[rare] for rare in left_out])
    digits = np.maximum((tops - lowest) // BITS + 1, 1)
    best = np.argmin(digits + np.array(list(exceptions.values()))[:, None], axis=0)
    at = best, np.arange(rows.shape[1])
    tops, digits = tops[at], np.minimum(digits[at], MOST)
    spare = np.maximum(digits * BITS - 1 - (tops - low[0]), 0)
    return Plan(np.where(high[-1] == -2_000, 0, tops + spare // 2), digits)


class Grid:
    """64-bit sums of products of digits; inside, columns stand by their digits, most first."""

    def __init__(self, plan: Plan, categories: int, kernel: Kernel | None) -> None:
        self._order = np.argsort(-plan.digits, kind="stable")
        self._tops, self._digits = plan.tops[self._order], plan.digits[self._order]
        k, depth = len(self._order), int(self._digits.max(initial=1))
        self.held = self._room_for = HELD // (depth + 1)
        """Rows that there is room for."""
        self._rows = 0
        self._reach = [int(np.count_nonzero(self._digits > s)) for s in range(depth)]
        self._products = np.zeros((2 * depth - 1, k, k), dtype=np.int64)
        self._carried = np.zeros_like(self._products)
        self._totals = np.zeros((depth, k), dtype=np.int64)
        self._levels: list[Floats] = [np.zeros((0, depth, k)) for _ in range(categories)]
        low, high = SAFE_TOPS
        safe = k > 0 and low <= self._tops.min() and self._tops.max() <= high
        self._kernel = kernel if safe else None
        if self._kernel is not None:
            pairs = depth * (depth + 1) // 2
            self._planes = np.zeros((pairs, k, k), dtype=np.int64)
            self._room = working_room(k, pairs + 1)

    def add(self, rows: Table, numbered: Sequence[Places]) -> NDArray[np.bool_]:
        """Add rows of shape (n, k), but those that do not fit; returns which these are, (n,)."""
        self.held -= len(rows)
        self._rows += len(rows)
        for i, level in enumerate(numbered):
            self._levels[i] = widen(self._levels[i], int(level.max(initial=-1)) + 1)
        if self._kernel is None:
            return self._add_slowly(np.asarray(rows), numbered)
        return self._kernel.add_digits(
            rows,
            self._order,
            np.ldexp(1.0, self._tops),
            self._digits,
            self._planes,
            self._totals,
            self._room,
            numbered,
            self._levels,
        )

    def _add_slowly(self, rows: Floats, numbered: Sequence[Places]) -> NDArray[np.bool_]:
        digits, apart = self._cut(np.ascontiguousarray(rows.T[self._order]))
        stacked = np.concatenate([d[:m] for d, m in zip(digits, self._reach, strict=True)])
        sums = np.zeros((len(stacked), len(stacked)), dtype=np.int64)
        for start in range(0, len(rows), BLOCK_ROWS):
            block = stacked[:, start : start + BLOCK_ROWS]
            sums += np.dot(block, block.T).astype(np.int64)
        ends = np.cumsum([0, *self._reach])
        for s, own in enumerate(pairwise(ends)):
            for t, other in enumerate(pairwise(ends)):
                a, b = self._reach[s], self._reach[t]
                self._products[s + t][:a, :b] += sums[slice(*own), slice(*other)]
        self._totals += digits.sum(axis=2).astype(np.int64)
        for level, table in zip(numbered, self._levels, strict=True):
            for s, reach in enumerate(self._reach):
                for j in range(reach):
                    table[:, s, j] += np.bincount(level, digits[s][j], minlength=len(table))
        return apart

    def _cut(self, columns: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Digits of shape (depth, k, n), 0 in the rows that do not fit, and which those are."""
        places = (BITS - 1 - self._tops)[:, None]
        with np.errstate(over="ignore"):
            rest = np.ldexp(columns, places)
        apart = np.any(np.abs(rest) > 2.0 ** (BITS - 1), axis=0)
        if (places < 0).any():  # what is far below the top may have been rounded away
            apart |= (np.ldexp(rest, -places) != columns).any(axis=0)
        rest[:, apart] = 0.0
        digits = np.zeros((len(self._reach), *columns.shape))
        for s, (found, reach) in enumerate(zip(digits, self._reach, strict=True)):
            np.rint(rest[:reach], out=found[:reach])
            rest[:reach] -= found[:reach]
            if s < len(self._reach) - 1:
                rest *= 2.0**BITS
        apart |= rest.any(axis=0)
        digits[:, :, apart] = 0.0
        return digits, apart

    def make_room(self) -> bool:
        """Room for as many rows again, by carrying; False where there can be none."""
        if self._rows >= LONGEST:
            return False
        if self._kernel is not None:
            self._fold_planes()
        carry = self._products >> CARRY
        self._carried += carry
        self._products -= carry << CARRY
        self.held = self._room_for
        return True

    def integers(self) -> Integers:
        """The sums so far as Python integers."""
        last, k = len(self._reach) - 1, len(self._order)
        units = np.empty(k, dtype=np.int64)
        units[self._order] = self._tops - (BITS - 1) - BITS * last
        if self._kernel is not None:
            self._fold_planes()
        below = np.tril_indices(k)
        places = [BITS * (2 * last - s) for s in range(2 * last + 1)]
        whole = _shifted(self._products[:, *below], places)
        if self._carried.any():
            whole += _shifted(self._carried[:, *below], places) << CARRY
        products: Whole = np.empty((k, k), dtype=object)
        a, b = self._order[below[0]], self._order[below[1]]
        products[a, b] = products[b, a] = whole
        shifts = [BITS * (last - s) for s in range(last + 1)]
        back = np.argsort(self._order)
        totals = _shifted(self._totals, shifts)[back]
        levels = tuple(
            _shifted(np.moveaxis(table, 1, 0).astype(np.int64), shifts)[:, back]
            for table in self._levels
        )
        return Integers(units, np.zeros_like(units), totals, products, levels)

    def _fold_planes(self) -> None:
        """Add the products of sums of digits to those of digits, in the lower triangle."""
        depth = len(self._reach)
        pairs = [(s, t) for s in range(depth) for t in range(s, depth)]
        planes = dict(zip(pairs, self._planes, strict=True))
        for (s, t), plane in planes.items():
            self._products[s + t] += plane
            if s != t:
                both = slice(self._reach[t])
                self._products[s + t][:, both] -= planes[s, s][:, both] + planes[t, t][:, both]
        self._planes[:] = 0


def _shifted(parts: NDArray[np.int64], shifts: Sequence[int]) -> Whole:
    """Σ parts[s] · 2^shifts[s], as Python integers."""
    total: Whole = np.zeros(parts.shape[1:], dtype=object)
    for part, shift in zip(parts, shifts, strict=True):
        if part.any():
            total = total + (part.astype(object) << shift)
    return total


class DigitSums:
    """Exact sums of the rows that are added, piece by piece."""

    def __init__(self, columns: int, categories: int) -> None:
        self._categories = categories
        self._kernel = find_kernel()
        self._total = no_integers(columns, categories)
        self._grid: Grid | None = None
        self._usual = 0.0
        self._apart: list[tuple[Floats, list[Places]]] = []

    def add(self, numbers: Table, numbered: Sequence[Places]) -> None:
        """Rows of shape (n, k), finite, and the numbers of their levels."""
        for start in range(0, len(numbers), PIECE_ROWS):
            piece = slice(start, start + PIECE_ROWS)
            self._add_piece(numbers[piece], [level[piece] for level in numbered])
            if sum(len(rows) for rows, _ in self._apart) >= PIECE_ROWS:
                self._add_apart()

    def finish(self) -> Integers:
        """The sums of everything added."""
        self._add_apart()
        self._close_grid()
        return self._total

    def _add_piece(self, rows: Table, numbered: list[Places]) -> None:
        if self._grid is not None and self._grid.held < len(rows) and not self._grid.make_room():
            self._close_grid()
        new = self._grid is None
        if self._grid is None:
            self._grid = Grid(plan_grid(rows), self._categories, self._kernel)
        apart = self._grid.add(rows, numbered)
        share = float(np.count_nonzero(apart)) / len(rows)
        if share:
            self._apart.append((np.asarray(rows[apart]), [level[apart] for level in numbered]))
        if new:
            self._usual = share
        elif share > self._usual + TOO_MANY:
            self._close_grid()

    def _close_grid(self) -> None:
        if self._grid is not None:
            self._total = self._total.plus(self._grid.integers())
            self._grid = None

    def _add_apart(self) -> None:
        """Rows of wide range: on grids of their own while these take most of them."""
        if not self._apart:
            return
        rows = np.concatenate([rows for rows, _ in self._apart])
        levels = [
            np.concatenate([levels[i] for _, levels in self._apart])
            for i in range(self._categories)
        ]
        self._apart = []
        while len(rows):
            grid = Grid(plan_grid(rows), self._categories, self._kernel)
            apart = grid.add(rows, levels)
            self._total = self._total.plus(grid.integers())
            rest, others = rows[apart], [level[apart] for level in levels]
            if 2 * len(rest) > len(rows):
                if len(rest) > FEW:
                    self._total = self._total.plus(add_by_exponent(rest, others))
                    return
                for i, row in enumerate(rest):
                    one = _integers_of(row, [int(level[i]) for level in others])
                    self._total = self._total.plus(one)
                return
            rows, levels = rest, others


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
