"""Rows on their way into exact sums: values of several doubles, and rows that have weights.

Everything that takes more than one double is added as columns of doubles side by side, its
pieces, and folded into one column at the end: Σ (a + b)(c + d) = Σ ac + Σ ad + Σ bc + Σ bd.
A weight makes two more pieces of each, w z = h + l, the product and its rounding error, so
that Σ w z zᵀ = Σ h zᵀ + Σ l zᵀ without rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..data.design import Block
from ..data.expansions import SAFE, exponents, two_product
from ..data.strips import Strips, Table, columns_of
from ..typing import Floats
from .counting import LevelCounter
from .digits import DigitSums
from .exact import ExactLevels, ExactSums, refuse_uncounted, replace_levels
from .integers import Integers, Whole, no_integers, shift
from .kernel import Ends, find_ends
from .levels import PairCounts, Places

SMALLEST = 1_074
"""Every double is a whole number of 2^-1074."""


class Digest(NamedTuple):
    """What is seen of some rows before they are added."""

    ends: Ends


class Layout(NamedTuple):
    """Which column each piece belongs to, and its power of ten; whether rows have weights."""

    owners: tuple[tuple[int, int], ...]
    weighted: bool


class ExactAccumulator:
    """The exact sums of one null pattern while a part is read."""

    def __init__(self, numbers: Sequence[str], categories: Sequence[str], weight_kind: str) -> None:
        self.numbers = tuple(numbers)
        self.met = LevelCounter(categories)
        self._kind = weight_kind
        self._rows = 0
        self._digits: dict[Layout, DigitSums] = {}
        self._total = no_integers(len(self.numbers), len(self.met.categories))

    @staticmethod
    def digest(block: Block) -> Digest | None:
        """Where the columns of a block end; None where some number is not finite."""
        ends, finite = find_ends(block.table)
        return Digest(ends) if finite else None

    def add(self, block: Block, digest: Digest) -> None:
        """Rows without nulls."""
        del digest
        # Only pairs of levels are added up here; their weights as Python integers.
        paired = block.weights if len(block.codes) > 1 else None
        numbered = self.met.add(block.codes, None if paired is None else _whole_weights(paired))
        self._rows += len(block.table)
        pieces, owners = _lay_out(block)
        layout = Layout(owners, block.weights is not None)
        if block.weights is not None:
            pieces = np.asarray(pieces)
            wide = _too_wide(pieces, block.weights)
            if wide.any():
                self._add_one_by_one(layout, pieces[wide], block.weights[wide], numbered, wide)
                numbered = [places[~wide] for places in numbered]
            pieces = _weigh(pieces[~wide], block.weights[~wide])
        if layout not in self._digits:
            self._digits[layout] = DigitSums(pieces.shape[1], len(numbered))
        self._digits[layout].add(pieces, numbered)

    def _add_one_by_one(
        self, layout: Layout, pieces: Floats, weights: Floats, numbered: Sequence[Places], at: Any
    ) -> None:
        """Rows whose weighted values are no doubles, as Python integers."""
        levels = [places[at] for places in numbered]
        for i, (row, weight) in enumerate(zip(pieces, weights, strict=True)):
            one = _weigh_row(row, float(weight), [int(own[i]) for own in levels])
            self._total = self._total.plus(_join_pieces(layout, one, len(self.numbers)))

    def finish(self) -> ExactSums:
        """The sums of everything added, levels in order."""
        total = self._total
        weighted = any(layout.weighted for layout in self._digits)
        for layout, digits in self._digits.items():
            sums = digits.finish()
            if layout.weighted:
                sums = _fold_weights(sums, len(layout.owners))
            total = total.plus(_join_pieces(layout, sums, len(self.numbers)))
        if not weighted:  # each row counts once
            ones = [self.met.counted(i).astype(np.int64).astype(object) for i in self.met.range]
            total = total._replace(weight=self._rows, level_weights=tuple(ones))
        levels, tables = {}, []
        for i, name in enumerate(self.met.categories):
            (names, at), counts = self.met.order(i), self.met.counts(i)
            levels[name] = ExactLevels(names, counts)
            tables.append((total.levels[i][at], total.level_weights[i][at]))
        whole = replace_levels(total, tables)
        pairs = {key: _in_unit(p, whole.weight_unit) for key, p in self.met.pairs().items()}
        found = ExactSums(self._rows, self.numbers, whole, levels, pairs)
        return count_weights(found) if weighted and self._kind == "frequency" else found


def count_weights(sums: ExactSums) -> ExactSums:
    """Weights that are frequencies: the same as rows that stand so many times."""
    unit = sums.whole.weight_unit
    whole = sums.whole.moved(sums.whole.units, sums.whole.fives, min(unit, 0))
    down = -whole.weight_unit
    whole = whole._replace(
        totals=whole.totals >> down,
        products=whole.products >> down,
        levels=tuple(table >> down for table in whole.levels),
        weight=whole.weight >> down,
        level_weights=tuple(weights >> down for weights in whole.level_weights),
        weight_unit=0,
    )
    levels = {
        name: found._replace(counts=weights.astype(np.float64))
        for (name, found), weights in zip(sums.levels.items(), whole.level_weights, strict=True)
    }
    pairs = {
        key: PairCounts(p.first, p.second, shift(p.weights, unit).astype(np.float64))
        for key, p in sums.pairs.items()
        if p.weights is not None
    }
    refuse_uncounted(whole.weight)
    return ExactSums(whole.weight, sums.numbers, whole, levels, pairs)


def _in_unit(pair: PairCounts, unit: int) -> PairCounts:
    """Weights counted in 2^-1074 as whole numbers of 2^unit, which they are."""
    if pair.weights is None:
        return pair
    return pair._replace(weights=shift(pair.weights, -SMALLEST - unit))


def _lay_out(block: Block) -> tuple[Table, tuple[tuple[int, int], ...]]:
    """The pieces of a block side by side, shape (n, K), and what each belongs to."""
    if not block.expansions:
        return block.table, tuple((j, 0) for j in range(block.table.shape[1]))
    pieces: list[Floats] = []
    owners: list[tuple[int, int]] = []
    for j, column in enumerate(columns_of(block.table)):
        found = block.expansions.get(j)
        parts = (column,) if found is None else found.parts
        pieces += parts
        owners += [(j, 0 if found is None else found.tens)] * len(parts)
    return Strips(pieces, len(block.table)), tuple(owners)


def _too_wide(pieces: Floats, weights: Floats) -> Any:
    """Rows in which a weighted value may not be two doubles, shape (n,)."""
    own, theirs = exponents(weights), exponents(pieces)
    far = (np.abs(own[:, None] + theirs) > SAFE) | (theirs > SAFE)
    return (far & (pieces != 0)).any(axis=1) | (own > SAFE)


def _weigh(pieces: Floats, weights: Floats) -> Floats:
    """The pieces z, the weight w, and w z in two doubles: shape (n, 3K + 1)."""
    high, low = two_product(pieces, weights[:, None])
    return np.concatenate([pieces, weights[:, None], high, low], axis=1)


def _fold_weights(sums: Integers, count: int) -> Integers:
    """From sums over (z, w, h, l) to sums over z that are weighted by w = (h + l) / z."""
    own, at = slice(0, count), count
    high, low = slice(count + 1, 2 * count + 1), slice(2 * count + 1, 3 * count + 1)
    weight_unit = int(sums.units[at])
    unit_z, unit_h, unit_l = sums.units[own], sums.units[high], sums.units[low]
    units = np.minimum(unit_z, np.minimum(unit_h, unit_l) - weight_unit)
    by_z = _powers(unit_z - units)
    by_h, by_l = _powers(unit_h - weight_unit - units), _powers(unit_l - weight_unit - units)
    mixed = (
        sums.products[high, own] * by_h[:, None] + sums.products[low, own] * by_l[:, None]
    ) * by_z
    return Integers(
        units,
        np.zeros_like(units),
        sums.totals[high] * by_h + sums.totals[low] * by_l,
        mixed,
        tuple(table[:, high] * by_h + table[:, low] * by_l for table in sums.levels),
        sums.totals[at],
        tuple(table[:, at] for table in sums.levels),
        weight_unit,
    )


def _powers(places: Any) -> Whole:
    return np.array([1 << int(place) for place in places], dtype=object)


def _join_pieces(layout: Layout, sums: Integers, columns: int) -> Integers:
    """From sums over pieces to sums over the columns they make up."""
    owners = np.array([owner for owner, _ in layout.owners], dtype=np.int64)
    tens = np.array([ten for _, ten in layout.owners], dtype=np.int64)
    if len(owners) == columns and not tens.any():
        return sums
    starts = np.searchsorted(owners, np.arange(columns))
    own = sums.units - tens
    units = np.minimum.reduceat(own, starts)
    factor = _powers(own - units[owners])
    products = sums.products * factor * factor[:, None]
    return sums._replace(
        units=units,
        fives=-tens[starts],
        totals=np.add.reduceat(sums.totals * factor, starts),
        products=np.add.reduceat(np.add.reduceat(products, starts, axis=0), starts, axis=1),
        levels=tuple(np.add.reduceat(t * factor, starts, axis=1) for t in sums.levels),
    )


def _whole_weights(weights: Floats) -> Whole:
    """Weights as Python integers in units of 2^-1074."""
    mantissa, exponent = np.frexp(weights)
    whole = np.ldexp(mantissa, 53).astype(np.int64).astype(object)
    places = exponent.astype(np.int64) - 53 + SMALLEST
    shifted = [m << p if p >= 0 else m >> -p for m, p in zip(whole, places.tolist(), strict=True)]
    result: Whole = np.empty(len(weights), dtype=object)
    result[:] = shifted
    return result


def _weigh_row(row: Floats, weight: float, levels: Sequence[int]) -> Integers:
    """The sums of a single row, whatever its numbers and its weight."""
    ratios = [float(value).as_integer_ratio() for value in row]
    above, below = weight.as_integer_ratio()
    weight_unit = 1 - below.bit_length()
    units = np.array([1 - b.bit_length() for _, b in ratios], dtype=np.int64)
    values: Whole = np.array([a for a, _ in ratios], dtype=object)
    tables, weights = [], []
    for level in levels:
        table: Whole = np.zeros((level + 1, len(row)), dtype=object)
        share: Whole = np.zeros(level + 1, dtype=object)
        table[level], share[level] = values * above, above
        tables.append(table)
        weights.append(share)
    return Integers(
        units,
        np.zeros_like(units),
        values * above,
        np.outer(values, values) * above,
        tuple(tables),
        above,
        tuple(weights),
        weight_unit,
    )
