"""The normal equations of a problem in whole numbers: nothing in them is rounded."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..data.expansions import LARGEST_WHOLE
from ..data.expressions import Expression, Power, Product
from ..data.table import Column, Kind
from ..data.terms import Term
from ..typing import Floats
from .exact import ExactSums, nearest_double
from .integers import Whole
from .meeting import Meeting

HALF_UNITS = {"halffloat": 2.0**-11, "float16": 2.0**-11, "float": 2.0**-24, "float32": 2.0**-24}
DECIMAL = re.compile(r"decimal\d*\(\d+, ?(-?\d+)\)")
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
        )

    def spread(self, at: Sequence[int], length: int) -> ExactNormal:
        """These columns at some places among more, of which nothing is known."""
        units, fives, blur = [0] * length, [0] * length, [(0.0, 0.0)] * length
        for i, j in enumerate(at):
            units[j], fives[j], blur[j] = self.units[i], self.fives[i], self.blur[i]
        totals: Whole = np.zeros(length, dtype=object)
        products: Whole = np.zeros((length, length), dtype=object)
        totals[list(at)], products[np.ix_(at, at)] = self.totals, self.products
        return ExactNormal(
            tuple(units), tuple(fives), totals, products, self.weight, self.weight_unit, tuple(blur)
        )

    def fill(self, at: Sequence[int], values: Sequence[float]) -> ExactNormal:
        """With constants in the place of some columns, which are not known."""
        if not at:
            return self
        units, fives = list(self.units), list(self.fives)
        totals, products = self.totals.copy(), self.products.copy()
        whole = []
        for j, value in zip(at, values, strict=True):
            above, below = float(value).as_integer_ratio()
            units[j], fives[j] = 1 - below.bit_length(), 0
            totals[j] = above * self.weight
            whole.append(above)
        for j, above in zip(at, whole, strict=True):
            products[j, :] = products[:, j] = totals * above
        return replace(
            self, units=tuple(units), fives=tuple(fives), totals=totals, products=products
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
        return replace(same, totals=totals, products=products).pick(range(p))

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


def cut_normal(
    sums: ExactSums, terms: Sequence[Term], columns: Mapping[str, Column]
) -> ExactNormal:
    """The equations of some terms, the target's last, out of the sums of their columns.

    An indicator of a level is 1 in the rows of its level, so that it meets a number in the sum
    of that number over these rows, and two levels meet in the weight of their pair.
    """
    q, whole = len(terms), sums.whole
    meeting = Meeting(sums, terms, columns)
    place = {name: j for j, name in enumerate(sums.numbers)}
    grid = [
        (int(whole.units[place[t.number]]), int(whole.fives[place[t.number]]))
        if t.number
        else (0, 0)
        for t in terms
    ]
    totals: Whole = np.zeros(q, dtype=object)
    products: Whole = np.zeros((q, q), dtype=object)
    for at, level, category, number in meeting.singles():
        if not category:
            totals[at] = whole.totals[place[number]]
            continue
        table, weights = _tables(sums, category)
        totals[at] = table[level, place[number]] if number else weights[level]
    for a, b in meeting.dense():
        inner = np.ix_([place[terms[i].number] for i in a], [place[terms[i].number] for i in b])
        products[np.ix_(a, b)] = whole.products[inner]
        products[np.ix_(b, a)] = whole.products[inner].T
    for i, j, level, category, number in meeting.crossed():
        table, weights = _tables(sums, category)
        if number:
            k = place[number]
            two = int(whole.units[k]) - grid[i[0]][0] - grid[j[0]][0]
            five = int(whole.fives[k]) - grid[i[0]][1] - grid[j[0]][1]
            values = _rescale(table[level, k], two, five)
        else:
            values = weights[level]
        products[i, j] = products[j, i] = values
    for i, j, pair in meeting.paired():
        weights = pair.counts.astype(np.int64) if pair.weights is None else pair.weights
        products[i, j] = products[j, i] = np.array([int(w) for w in weights], dtype=object)
    return ExactNormal(
        tuple(two for two, _ in grid),
        tuple(five for _, five in grid),
        totals,
        products,
        whole.weight,
        whole.weight_unit,
        tuple(find_blur(term, columns) for term in terms),
    )


def _tables(sums: ExactSums, category: str) -> tuple[Whole, Whole]:
    i = list(sums.levels).index(category)
    return sums.whole.levels[i], sums.whole.level_weights[i]


def _rescale(values: Whole, two: int, five: int) -> Whole:
    """Values times 2^two 5^five, which are whole."""
    values = values * 5**five if five >= 0 else values // 5**-five
    return values << two if two >= 0 else values >> -two


def find_blur(term: Term, columns: Mapping[str, Column]) -> tuple[float, float]:
    """How far off a value may be, by its type alone: relative to the value, and absolute.

    Whole numbers and indicators are what they are, and so are decimals without places; a power
    is off as many times more.
    """
    if not term.number:
        return 0.0, 0.0
    column = columns[term.number]
    if column.kind is Kind.CATEGORY:  # a boolean target
        return 0.0, 0.0
    scale = DECIMAL.fullmatch(column.type_name)
    degree = _degree(column.expression)
    if scale:
        rounded = int(scale[1]) > 0 and degree == 1
        return 0.0, 0.5 * 10.0 ** -int(scale[1]) if rounded else 0.0
    if column.type_name.startswith(("int", "uint", "bool")):
        return 0.0, 0.0
    return HALF_UNITS.get(column.type_name, 2.0**-53) * degree, 0.0


def _degree(expression: Expression) -> int:
    if isinstance(expression, Power):
        return expression.power * _degree(expression.base)
    if isinstance(expression, Product):
        return sum(_degree(factor) for factor in expression.factors)
    return 1
