"""The normal equations of a problem in whole numbers: nothing in them is rounded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..data.design import Term
from .exact import ExactSums
from .integers import Whole
from .levels import find_pair

HALF_UNITS = {"halffloat": 2.0**-11, "float16": 2.0**-11, "float": 2.0**-24, "float32": 2.0**-24}
DECIMAL = re.compile(r"decimal\d*\(\d+, ?(-?\d+)\)")


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
        at = [*terms, len(self.units) - 1]
        return ExactNormal(
            tuple(self.units[j] for j in at),
            tuple(self.fives[j] for j in at),
            self.totals[at],
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


def cut_normal(sums: ExactSums, terms: Sequence[Term], types: Sequence[str]) -> ExactNormal:
    """The equations of some terms, the target last, out of the sums of their columns.

    ``types`` tells the type each term's column came in.  An indicator of a level is 1 in the
    rows of its level: its sum is their weight, and two levels meet in the weight of their pair.
    """
    q, whole = len(terms), sums.whole
    places = {name: j for j, name in enumerate(sums.numbers)}
    at = [places.get(term.column, -1) if term.level is None else -1 for term in terms]
    units = tuple(int(whole.units[j]) if j >= 0 else 0 for j in at)
    fives = tuple(int(whole.fives[j]) if j >= 0 else 0 for j in at)
    totals, products = np.zeros(q, dtype=object), np.zeros((q, q), dtype=object)
    numbers = [i for i, j in enumerate(at) if j >= 0]
    columns = [at[i] for i in numbers]
    totals[numbers] = whole.totals[columns]
    products[np.ix_(numbers, numbers)] = whole.products[np.ix_(columns, columns)]
    names = list(sums.levels)
    rows: dict[str, list[tuple[int, int]]] = {}
    for i, term in enumerate(terms):
        if term.level is not None:
            known = sums.levels[term.column].levels
            if term.level in known:
                rows.setdefault(term.column, []).append((i, known.index(term.level)))
    for name, own in rows.items():
        table, weights = whole.levels[names.index(name)], whole.level_weights[names.index(name)]
        for i, level in own:
            totals[i] = products[i, i] = weights[level]
            products[i, numbers] = products[numbers, i] = table[level, columns]
        for other, theirs in rows.items():
            if other > name:
                met = _pair_weights(sums, name, other)
                for i, level in own:
                    for j, second in theirs:
                        products[i, j] = products[j, i] = met.get((level, second), 0)
    blur = tuple(_half_unit(t, term) for t, term in zip(types, terms, strict=True))
    return ExactNormal(units, fives, totals, products, whole.weight, whole.weight_unit, blur)


def _pair_weights(sums: ExactSums, first: str, second: str) -> dict[tuple[int, int], int]:
    pair = find_pair(sums.pairs, first, second)
    weights = pair.counts.astype(np.int64) if pair.weights is None else pair.weights
    return {
        (int(a), int(b)): int(w) for a, b, w in zip(pair.first, pair.second, weights, strict=True)
    }


def _half_unit(type_name: str, term: Term) -> tuple[float, float]:
    """How far off a value may be, by its type alone: relative to the value, and absolute.

    Whole numbers and indicators are what they are, and so are decimals without places; a power
    is off as many times more.
    """
    scale = DECIMAL.fullmatch(type_name)
    if scale:
        rounded = int(scale[1]) > 0 and term.power == 1
        return 0.0, 0.5 * 10.0 ** -int(scale[1]) if rounded else 0.0
    if term.level is not None or type_name.startswith(("int", "uint", "bool")):
        return 0.0, 0.0
    return HALF_UNITS.get(type_name, 2.0**-53) * term.power, 0.0
