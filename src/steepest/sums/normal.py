"""The normal equations of a problem in whole numbers: nothing in them is rounded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..data.expansions import LARGEST_WHOLE
from ..typing import Floats
from .exact import nearest_double
from .integers import Whole

FAR = 450
"""Root mean squares within 2^±450 have squares that are doubles, and so have their parts."""


@dataclass(frozen=True, eq=False)
class ExactNormal:
    """Weighted sums over p terms and the target, which stands last, in whole numbers.

    Column j is counted in units of 2^unitsⱼ 5^fivesⱼ and weights in units of 2^weight_unit;
    with q = p + 1, ``totals`` (q,) is Σ w z and ``products`` (q, q) is Σ w z zᵀ.
    """

    units: tuple[int, ...]
    fives: tuple[int, ...]
    totals: Whole
    products: Whole
    weight: int
    weight_unit: int
    blur: tuple[tuple[float, float], ...]
    """Half a unit in the last place of each column: relative to a value, and absolute."""
    table: Whole | None = None
    """Σ w z over each level of a category that is to be eliminated, shape (m, q)."""
    shares: Whole | None = None
    """Σ w of each of these levels, shape (m,)."""

    def keep(self, terms: Sequence[int]) -> ExactNormal:
        """The equations of fewer terms."""
        return self.pick([*terms, len(self.units) - 1])

    def pick(self, at: Sequence[int]) -> ExactNormal:
        """Those of some columns, the target's among them where it is wanted."""
        return ExactNormal(
            tuple(self.units[j] for j in at),
            tuple(self.fives[j] for j in at),
            self.totals[list(at)],
            self.products[np.ix_(at, at)],
            self.weight,
            self.weight_unit,
            tuple(self.blur[j] for j in at),
            None if self.table is None else self.table[:, list(at)],
            self.shares,
        )

    def unit(self, j: int) -> Fraction:
        """What column j is counted in."""
        return Fraction(2) ** self.units[j] * Fraction(5) ** self.fives[j]

    @property
    def weight_of_one(self) -> Fraction:
        """What weights are counted in."""
        return Fraction(2) ** self.weight_unit

    def centred(self, *, intercept: bool) -> tuple[Whole, int]:
        """W Σ w (z - z̄)(z - z̄)ᵀ and W; without an intercept Σ w z zᵀ and 1.  O(q²)."""
        if not intercept:
            return self.products, 1
        return self.weight * self.products - np.outer(self.totals, self.totals), self.weight

    def moved(self, units: Sequence[int], fives: Sequence[int], weight_unit: int) -> ExactNormal:
        """The same in units that divide these."""
        factor = np.array(
            [
                5 ** (b - d) << (a - c)
                for a, b, c, d in zip(self.units, self.fives, units, fives, strict=True)
            ],
            dtype=object,
        )
        times = 1 << (self.weight_unit - weight_unit)
        return replace(
            self,
            units=tuple(units),
            fives=tuple(fives),
            totals=self.totals * (factor * times),
            products=self.products * factor * (factor * times)[:, None],
            weight=self.weight * times,
            weight_unit=weight_unit,
            table=None if self.table is None else self.table * (factor * times),
            shares=None if self.shares is None else self.shares * times,
        )

    def plus(self, other: ExactNormal) -> ExactNormal:
        """Those of the rows of both, of the same columns."""
        units = [min(a, b) for a, b in zip(self.units, other.units, strict=True)]
        fives = [min(a, b) for a, b in zip(self.fives, other.fives, strict=True)]
        unit = min(self.weight_unit, other.weight_unit)
        a, b = self.moved(units, fives, unit), other.moved(units, fives, unit)
        return replace(
            a,
            totals=a.totals + b.totals,
            products=a.products + b.products,
            weight=a.weight + b.weight,
            table=_add(a.table, b.table),
            shares=_add(a.shares, b.shares),
        )

    def spread(self, at: Sequence[int], length: int) -> ExactNormal:
        """These columns at some places among more, of which nothing is known."""
        units, fives, blur = [0] * length, [0] * length, [(0.0, 0.0)] * length
        for i, j in enumerate(at):
            units[j], fives[j], blur[j] = self.units[i], self.fives[i], self.blur[i]
        totals: Whole = np.zeros(length, dtype=object)
        products: Whole = np.zeros((length, length), dtype=object)
        totals[list(at)], products[np.ix_(at, at)] = self.totals, self.products
        table = None
        if self.table is not None:
            table = np.zeros((len(self.table), length), dtype=object)
            table[:, list(at)] = self.table
        return ExactNormal(
            tuple(units),
            tuple(fives),
            totals,
            products,
            self.weight,
            self.weight_unit,
            tuple(blur),
            table,
            self.shares,
        )

    def fill(self, at: Sequence[int], values: Sequence[float]) -> ExactNormal:
        """With constants in the place of some columns, which are not known."""
        if not at:
            return self
        units, fives = list(self.units), list(self.fives)
        totals, products = self.totals.copy(), self.products.copy()
        table = None if self.table is None else self.table.copy()
        whole = []
        for j, value in zip(at, values, strict=True):
            above, below = float(value).as_integer_ratio()
            units[j], fives[j] = 1 - below.bit_length(), 0
            totals[j] = above * self.weight
            if table is not None and self.shares is not None:
                table[:, j] = self.shares * above
            whole.append(above)
        for j, above in zip(at, whole, strict=True):
            products[j, :] = products[:, j] = totals * above
        return replace(
            self,
            units=tuple(units),
            fives=tuple(fives),
            totals=totals,
            products=products,
            table=table,
        )

    def subtract_last(self) -> ExactNormal:
        """With the last column taken from the one before it: an offset from its target."""
        p = len(self.units) - 1
        units, fives = list(self.units), list(self.fives)
        units[p - 1] = units[p] = min(units[p - 1], units[p])
        fives[p - 1] = fives[p] = min(fives[p - 1], fives[p])
        same = self.moved(units, fives, self.weight_unit)
        totals, products = same.totals.copy(), same.products.copy()
        totals[p - 1] -= totals[p]
        products[p - 1, :] -= products[p, :]
        products[:, p - 1] -= products[:, p]
        table = same.table
        if table is not None:
            table = table.copy()
            table[:, p - 1] -= table[:, p]
        return replace(same, totals=totals, products=products, table=table).pick(range(p))

    @property
    def exponents(self) -> tuple[int, ...]:
        """About the power of two of each column's root mean square; 0 for one of zeros."""
        found = []
        for j, square in enumerate(np.diag(self.products)):
            size = (int(square).bit_length() - self.weight.bit_length()) // 2
            place = self.units[j] + round(self.fives[j] * math.log2(5))
            found.append(size + place if square else 0)
        return tuple(found)

    def scaled(self, powers: Sequence[int], weight_power: int) -> ExactNormal:
        """Of columns that are 2^power times as large, and weights."""
        units = tuple(u + power for u, power in zip(self.units, powers, strict=True))
        return replace(self, units=units, weight_unit=self.weight_unit + weight_power)

    def mean_of(self, j: int) -> float:
        """The double nearest to a column's mean."""
        return nearest_double(int(self.totals[j]), self.weight, self.units[j], self.fives[j])

    def rounded(self) -> tuple[float, Floats, Floats]:
        """W, means and Σ w (z - z̄)(z - z̄)ᵀ: each the double nearest to the exact value.  O(q²)."""
        q, n = len(self.units), self.weight
        centred = n * self.products - np.outer(self.totals, self.totals)
        mean = np.array([self.mean_of(j) for j in range(q)])
        scatter, short = self._divide_short(centred)
        for i, j in np.argwhere(np.triu(~short)).tolist():
            two = self.units[i] + self.units[j] + self.weight_unit
            value = nearest_double(int(centred[i, j]), n, two, self.fives[i] + self.fives[j])
            scatter[i, j] = scatter[j, i] = value
        return nearest_double(n, 1, self.weight_unit, 0), mean, scatter

    def _divide_short(self, centred: Whole) -> tuple[Floats, NDArray[np.bool_]]:
        """Those products over W that doubles divide at once, as counts of levels are."""
        short = centred == 0
        if not short.all() and self.weight < LARGEST_WHOLE and not self.weight_unit:
            counts = np.array(self.units) == 0
            counts &= np.array(self.fives) == 0
            short |= np.outer(counts, counts) & (np.abs(centred) < LARGEST_WHOLE)
        short = short.astype(bool)
        scatter = np.zeros(centred.shape)
        divisor = float(min(self.weight, LARGEST_WHOLE))
        scatter[short] = centred[short].astype(np.float64) / divisor
        return scatter, short

    def vanished(self, scatter: Floats) -> list[int]:
        """Columns whose spread became 0 when it was rounded."""
        squares, totals = np.diag(self.products), self.totals
        varies = self.weight * squares != totals * totals
        return [int(j) for j in np.flatnonzero(varies) if scatter[j, j] == 0]


def _add(a: Whole | None, b: Whole | None) -> Whole | None:
    return a if a is None or b is None else a + b
