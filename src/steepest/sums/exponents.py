"""Rows of numbers so far apart that no grid suits them: products are added up by exponent.

A double is three digits of 18 bits times a power of two.  The products of two columns' digits
are integers below 2³⁷ whose sums over rows of the same exponents doubles hold; each sum is
shifted to its place as a Python integer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from .integers import Integers, Whole
from .levels import Places

BITS = 18
DIGITS = 3
UNIT = -1073 - BITS * DIGITS
"""The last digit of the smallest double is counted in 2^UNIT."""

ROWS = 1 << 15
"""Rows at once: 3 · 2³⁶ · 2¹⁵ < 2⁵³."""

WORD, HALF = 16, 26
"""Bits of a word, and of half a sum: 16 halves, shifted by less than a word, stay below 2⁶³."""

Cut = tuple[Floats, NDArray[np.int64]]
"""Digits, shape (digits, n), most significant first, and the exponent of the last, shape (n,)."""


def add_by_exponent(rows: Floats, levels: Sequence[Places]) -> Integers:
    """The exact sums of rows, shape (n, k), and of their levels.  O(n k²), whatever the numbers."""
    k = rows.shape[1]
    totals: Whole = np.zeros(k, dtype=object)
    products: Whole = np.zeros((k, k), dtype=object)
    tables = [np.zeros((int(own.max()) + 1, k), dtype=object) for own in levels]
    for start in range(0, len(rows), ROWS):
        piece = slice(start, start + ROWS)
        cuts = [_cut(column) for column in rows[piece].T]
        for i, (digits, exponents) in enumerate(cuts):
            totals[i] += _sum(digits, exponents, UNIT)
            for j in range(i + 1):
                products[i, j] += _sum(*_multiply(cuts[i], cuts[j]), 2 * UNIT)
            for table, own in zip(tables, levels, strict=True):
                _sum_levels(digits, exponents, own[piece], UNIT, table[:, i])
    lower = np.tril_indices(k, -1)
    products[lower[1], lower[0]] = products[lower]
    units = np.full(k, UNIT, dtype=np.int64)
    return Integers(units, np.zeros_like(units), totals, products, tuple(tables))


def _cut(column: Floats) -> Cut:
    mantissas, exponents = np.frexp(column)
    rest = np.ldexp(mantissas, BITS * DIGITS)  # whole numbers, for 54 bits hold 53
    digits = np.empty((DIGITS, len(column)))
    for s in range(DIGITS - 1):
        place = 2.0 ** (BITS * (DIGITS - 1 - s))
        digits[s] = np.trunc(rest / place)
        rest = rest - digits[s] * place
    digits[-1] = rest
    return digits, exponents.astype(np.int64) - BITS * DIGITS


def _multiply(a: Cut, b: Cut) -> Cut:
    """Products of digits by the sum of their places."""
    count = 2 * DIGITS - 1
    levels = np.zeros((count, a[0].shape[1]))
    for s, first in enumerate(a[0]):
        for t, second in enumerate(b[0]):
            levels[s + t] += first * second
    return levels, a[1] + b[1]


def _sum(digits: Floats, exponents: NDArray[np.int64], unit: int) -> int:
    """Σ digits · 2^exponents in units of 2^unit."""
    low = int(exponents.min(initial=0))
    total = 0
    for s, digit in enumerate(digits[::-1]):
        total += _weigh_bits(np.bincount(exponents - low, digit)) << (low + BITS * s - unit)
    return total


def _weigh_bits(values: NDArray[Any]) -> int:
    """Σ values[b] · 2^b, for whole numbers below 2⁵³: in words of 16 bits, so that few are left."""
    whole = np.zeros((-(-len(values) // WORD), WORD), dtype=np.int64)
    whole.ravel()[: len(values)] = values
    total = 0
    for part, place in ((whole & ((1 << HALF) - 1), 0), (whole >> HALF, HALF)):
        words = np.dot(part, 1 << np.arange(WORD))
        for at in np.flatnonzero(words):
            total += int(words[at]) << (WORD * int(at) + place)
    return total


def _sum_levels(
    digits: Floats, exponents: NDArray[np.int64], own: Places, unit: int, out: Whole
) -> None:
    """The same for each level."""
    low = int(exponents.min(initial=0))
    width = int(exponents.max(initial=0)) - low + 1
    keys, at = np.unique(own * width + (exponents - low), return_inverse=True)
    for s, digit in enumerate(digits[::-1]):
        found = np.bincount(at, digit)
        for place in np.flatnonzero(found):
            level, exponent = divmod(int(keys[place]), width)
            out[level] += int(found[place]) << (exponent + low + BITS * s - unit)
