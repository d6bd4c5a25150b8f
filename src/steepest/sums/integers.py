"""Sums as integers on a power-of-two grid: added, taken away, and never rounded."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .levels import widen

Whole = NDArray[Any]
"""Python integers of any size, in an array of objects."""


class Integers(NamedTuple):
    """Exact sums of k columns, column j counted in units of 2^unitsⱼ 5^fivesⱼ.

    Doubles need powers of two alone; decimals with s places are whole numbers of 2^-s 5^-s.
    """

    units: NDArray[np.int64]
    fives: NDArray[np.int64]
    """At most 0."""
    totals: Whole
    """Σ z, shape (k,)."""
    products: Whole
    """Σ z zᵀ, shape (k, k), entry ij in units of column i times units of column j."""
    levels: tuple[Whole, ...]
    """Σ z of each level, shape (m, k), one array a category."""

    def moved(self, units: NDArray[np.int64], fives: NDArray[np.int64]) -> Integers:
        """The same sums in units that divide these."""
        if (units == self.units).all() and (fives == self.fives).all():
            return self
        factor = np.array(
            [
                5 ** int(five) << int(two)
                for two, five in zip(self.units - units, self.fives - fives, strict=True)
            ],
            dtype=object,
        )
        return Integers(
            units,
            fives,
            self.totals * factor,
            self.products * factor * factor[:, None],
            tuple(table * factor for table in self.levels),
        )

    def plus(self, other: Integers, sign: int = 1) -> Integers:
        """Both added, or the other taken away; levels by their number."""
        units, fives = np.minimum(self.units, other.units), np.minimum(self.fives, other.fives)
        a, b = self.moved(units, fives), other.moved(units, fives)
        return Integers(
            units,
            fives,
            a.totals + sign * b.totals,
            a.products + sign * b.products,
            tuple(
                widen(x, len(y)) + sign * widen(y, len(x))
                for x, y in zip(a.levels, b.levels, strict=True)
            ),
        )


def no_integers(columns: int, categories: int) -> Integers:
    """The sums of no rows."""
    nothing = np.zeros(columns, dtype=object)
    levels = tuple(np.zeros((0, columns), dtype=object) for _ in range(categories))
    units = np.full(columns, 1023, dtype=np.int64)
    fives = np.zeros(columns, dtype=np.int64)
    return Integers(units, fives, nothing, np.zeros((columns, columns), dtype=object), levels)
