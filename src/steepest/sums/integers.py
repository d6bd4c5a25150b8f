"""Sums as integers on a power-of-two grid: added, taken away, and never rounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .levels import Places, widen

Whole = NDArray[Any]
"""Python integers of any size, in an array of objects."""


NO_UNIT = 1023
"""The unit of the sums of no rows, above that of any double."""


class Integers(NamedTuple):
    """Exact sums of k columns, column j counted in units of 2^unitsⱼ 5^fivesⱼ.

    Doubles need powers of two alone; decimals with s places are whole numbers of 2^-s 5^-s.
    Every sum is over rows weighted by w, a whole number of 2^weight_unit.
    """

    units: NDArray[np.int64]
    fives: NDArray[np.int64]
    """Powers of five, 0 or less: those of decimals."""
    totals: Whole
    """Σ w z, shape (k,)."""
    products: Whole
    """Σ w z zᵀ, shape (k, k), entry ij in units of column i times units of column j."""
    levels: tuple[Whole, ...]
    """Σ w z of each level, shape (m, k), one array a category."""
    weight: int = 0
    """Σ w: the number of rows, where they have no weights."""
    level_weights: tuple[Whole, ...] = ()
    """Σ w of each level, shape (m,), one array a category."""
    weight_unit: int = 0

    @property
    def _is_nothing(self) -> bool:
        """Whether these are the sums of no rows, as :func:`no_integers` has them."""
        blank = not self.weight and not self.level_weights and not any(map(len, self.levels))
        return blank and bool((self.units == NO_UNIT).all()) and not self.products.any()

    def moved(
        self, units: NDArray[np.int64], fives: NDArray[np.int64], weight_unit: int
    ) -> Integers:
        """The same sums in units that divide these."""
        same = (units == self.units).all() and (fives == self.fives).all()
        if same and weight_unit == self.weight_unit:
            return self
        factor = np.array(
            [
                5 ** int(five) << int(two)
                for two, five in zip(self.units - units, self.fives - fives, strict=True)
            ],
            dtype=object,
        )
        times = 1 << (self.weight_unit - weight_unit)
        return Integers(
            units,
            fives,
            self.totals * (factor * times),
            self.products * factor * (factor * times)[:, None],
            tuple(table * (factor * times) for table in self.levels),
            self.weight * times,
            tuple(weights * times for weights in self.level_weights),
            weight_unit,
        )

    def plus(self, other: Integers, sign: int = 1) -> Integers:
        """Both added, or the other taken away; levels by their number."""
        if sign == 1 and self._is_nothing and other.weight_unit <= 0:
            return other
        units, fives = np.minimum(self.units, other.units), np.minimum(self.fives, other.fives)
        unit = min(self.weight_unit, other.weight_unit)
        a, b = self.moved(units, fives, unit), other.moved(units, fives, unit)
        return Integers(
            units,
            fives,
            a.totals + sign * b.totals,
            a.products + sign * b.products,
            _add_levels(a.levels, b.levels, sign),
            a.weight + sign * b.weight,
            _add_levels(a.level_weights, b.level_weights, sign),
            unit,
        )


def join_integers(
    several: Sequence[Integers], at: Sequence[Sequence[Places]], lengths: Sequence[int]
) -> Integers:
    """All added: the levels of each category stand at some places of a list of all."""
    units = np.min([whole.units for whole in several], axis=0)
    fives = np.min([whole.fives for whole in several], axis=0)
    unit = min(whole.weight_unit for whole in several)
    moved = [whole.moved(units, fives, unit) for whole in several]
    tables: list[Whole] = [np.zeros((m, len(units)), dtype=object) for m in lengths]
    weights: list[Whole] = [np.zeros(m, dtype=object) for m in lengths]
    for i, own in enumerate(at):
        for whole, places in zip(moved, own, strict=True):
            tables[i][places] += whole.levels[i]
            weights[i][places] += whole.level_weights[i]
    return Integers(
        units,
        fives,
        np.sum([whole.totals for whole in moved], axis=0),
        np.sum([whole.products for whole in moved], axis=0),
        tuple(tables),
        sum(whole.weight for whole in moved),
        tuple(weights),
        unit,
    )


def _add_levels(ours: tuple[Whole, ...], theirs: tuple[Whole, ...], sign: int) -> tuple[Whole, ...]:
    if not ours or not theirs:  # weights that are not known yet
        return ours or tuple(sign * table for table in theirs)
    both = [(widen(x, len(y)), widen(y, len(x))) for x, y in zip(ours, theirs, strict=True)]
    return tuple(x + y if sign > 0 else x - y for x, y in both)


def no_integers(columns: int, categories: int) -> Integers:
    """The sums of no rows."""
    nothing = np.zeros(columns, dtype=object)
    levels = tuple(np.zeros((0, columns), dtype=object) for _ in range(categories))
    units = np.full(columns, NO_UNIT, dtype=np.int64)
    fives = np.zeros(columns, dtype=np.int64)
    products = np.zeros((columns, columns), dtype=object)
    return Integers(units, fives, nothing, products, levels)


def shift(values: Any, places: int) -> Any:
    """Whole numbers times 2^places; those that are multiples of 2^-places below 0."""
    return values << places if places >= 0 else values >> -places


def count_bits(values: Whole) -> int:
    """Bits of the largest whole number; 0 without any."""
    return int(max(values.max(), -values.min())).bit_length() if values.size else 0
