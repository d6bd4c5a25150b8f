"""Exact sums: error-free, the same in any order and any split, and they subtract."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..errors import MomentsError, ValueFoundError
from ..typing import Codes, Floats
from .digits import DigitSums
from .double import LevelSums, Sums
from .integers import Integers, Whole
from .levels import (
    LevelCounter,
    Pairs,
    Places,
    find_pair,
    merge_pairs,
    pick_pairs,
    places,
)


class ExactLevels(NamedTuple):
    """A category's levels in order of their UTF-8 bytes, and the rows of each, shape (m,)."""

    levels: tuple[str, ...]
    counts: Floats


@dataclass(frozen=True)
class ExactSums:
    """What some rows without nulls in these columns add up to, without any rounding.

    ``whole.levels`` holds one table a category, in the order of ``levels``.
    """

    n_rows: int
    numbers: tuple[str, ...]
    whole: Integers
    levels: Mapping[str, ExactLevels] = field(default_factory=dict)
    pairs: Pairs = field(default_factory=dict)

    def __add__(self, other: ExactSums) -> ExactSums:
        """The sums of both sets of rows."""
        return self._combine(other, 1)

    def __sub__(self, other: ExactSums) -> ExactSums:
        """The sums of the rows that the other does not have; MomentsError if it has others."""
        return self._combine(other, -1)

    def _combine(self, other: ExactSums, sign: int) -> ExactSums:
        if self.numbers != other.numbers or list(self.levels) != list(other.levels):
            other = other.restrict(self.numbers, tuple(self.levels))
        merged: dict[str, ExactLevels] = {}
        ours: list[Whole] = []
        theirs: list[Whole] = []
        for i, (name, own) in enumerate(self.levels.items()):
            added = other.levels[name]
            names = tuple(sorted({*own.levels, *added.levels}))
            at, to = places(own.levels, names), places(added.levels, names)
            counts = np.zeros(len(names))
            counts[at] = own.counts
            counts[to] += sign * added.counts
            merged[name] = ExactLevels(names, counts)
            ours.append(_spread(self.whole.levels[i], at, len(names)))
            theirs.append(_spread(other.whole.levels[i], to, len(names)))
        sides = [
            (s.pairs, {n: found.levels for n, found in s.levels.items()}) for s in (self, other)
        ]
        if sign < 0:
            negative = {
                key: pair._replace(counts=-pair.counts) for key, pair in other.pairs.items()
            }
            sides[1] = (negative, sides[1][1])
        pairs = merge_pairs(sides, {name: found.levels for name, found in merged.items()})
        whole = self.whole._replace(levels=tuple(ours)).plus(
            other.whole._replace(levels=tuple(theirs)), sign
        )
        total = ExactSums(self.n_rows + sign * other.n_rows, self.numbers, whole, merged, pairs)
        return total if sign > 0 else total._without_empty_levels()

    def _without_empty_levels(self) -> ExactSums:
        levels, tables, names = {}, [], {}
        for (name, found), table in zip(self.levels.items(), self.whole.levels, strict=True):
            kept = np.flatnonzero(found.counts != 0)
            if any(table[i].any() for i in np.flatnonzero(found.counts == 0)):
                raise MomentsError.not_contained("a level has sums left, and no rows")
            levels[name] = ExactLevels(tuple(found.levels[i] for i in kept), found.counts[kept])
            tables.append(table[kept])
            names[name] = kept
        pairs = {}
        for (a, b), pair in self.pairs.items():
            first = np.searchsorted(names[a], pair.first)
            second = np.searchsorted(names[b], pair.second)
            pairs[a, b] = pair._replace(first=first, second=second)
        return ExactSums(
            self.n_rows, self.numbers, self.whole._replace(levels=tuple(tables)), levels, pairs
        )

    def check(self) -> None:
        """Refuse what no rows can add up to: MomentsError."""
        counts = [found.counts for found in self.levels.values()]
        counts += [pair.counts for pair in self.pairs.values()]
        if self.n_rows < 0 or any((count < 0).any() for count in counts):
            raise MomentsError.not_contained(
                "some rows or levels would be counted less than 0 times"
            )
        squares, totals = np.diag(self.whole.products), self.whole.totals
        if self.n_rows == 0 and (totals.any() or self.whole.products.any()):
            raise MomentsError.not_contained("sums are left, and no rows")
        for name, square, total in zip(self.numbers, squares, totals, strict=True):
            if square * self.n_rows < total * total:
                raise MomentsError.not_contained(
                    f"the squares of '{name}' are too small for its sum"
                )

    def restrict(self, numbers: Sequence[str], categories: Sequence[str]) -> ExactSums:
        """The sums of fewer columns, in the order asked for."""
        at = [self.numbers.index(name) for name in numbers]
        order = list(self.levels)
        tables = tuple(self.whole.levels[order.index(name)][:, at] for name in categories)
        units, fives, totals, products, _ = self.whole
        whole = Integers(units[at], fives[at], totals[at], products[np.ix_(at, at)], tables)
        levels = {name: self.levels[name] for name in categories}
        return ExactSums(
            self.n_rows, tuple(numbers), whole, levels, pick_pairs(self.pairs, categories)
        )

    def rounded(self) -> Sums:
        """Means and centred sums, each the double nearest to the exact value."""
        n, (units, fives, totals, products, tables) = self.n_rows, self.whole
        places = list(zip(units.tolist(), fives.tolist(), strict=True))
        mean = np.array([_nearest(t, n, *place) for t, place in zip(totals, places, strict=True)])
        scatter = np.zeros(products.shape)
        for i in range(len(totals)):
            for j in range(i, len(totals)):
                centred = n * products[i, j] - totals[i] * totals[j]
                scatter[i, j] = _nearest(
                    centred, n, int(units[i] + units[j]), int(fives[i] + fives[j])
                )
                scatter[j, i] = scatter[i, j]
        levels = {}
        for (name, found), table in zip(self.levels.items(), tables, strict=True):
            means = np.array(
                [
                    [_nearest(t, int(c), *place) for t, place in zip(row, places, strict=True)]
                    for row, c in zip(table, found.counts, strict=True)
                ]
            ).reshape(len(table), len(units))
            levels[name] = LevelSums(found.levels, found.counts, means)
        return Sums(n, self.numbers, mean, scatter, levels, self.pairs)

    def refuse_out_of_range(self, where: str) -> None:
        """ValueFoundError where the spread of a column is no double any more."""
        rounded = self.rounded()
        rounded.refuse_out_of_range(where)
        n, squares, totals = self.n_rows, np.diag(self.whole.products), self.whole.totals
        for j, name in enumerate(self.numbers):
            varies = n * squares[j] != totals[j] * totals[j]
            if varies and rounded.scatter[j, j] == 0:
                raise ValueFoundError.underflow(name, where)

    def digest_into(self, sha: Any) -> None:
        """Feed the canonical content to a hash: the same for the same rows, whatever the way."""
        order = sorted(range(len(self.numbers)), key=lambda j: self.numbers[j])
        units, fives, totals, products, tables = self.whole
        sha.update(f"rows {self.n_rows}\n".encode())
        for i in order:
            _feed(sha, self.numbers[i], totals[i], int(units[i]), int(fives[i]))
            for j in order:
                if self.numbers[j] >= self.numbers[i]:
                    key = f"{self.numbers[i]!r} {self.numbers[j]!r}"
                    _feed(
                        sha,
                        key,
                        products[i, j],
                        int(units[i] + units[j]),
                        int(fives[i] + fives[j]),
                    )
        for name in sorted(self.levels):
            table, found = tables[list(self.levels).index(name)], self.levels[name]
            for level, count, sums in zip(found.levels, found.counts, table, strict=True):
                sha.update(f"level {name!r} {level!r} {int(count)}\n".encode())
                for i in order:
                    _feed(sha, self.numbers[i], sums[i], int(units[i]), int(fives[i]))
        names = sorted(self.levels)
        for i, a in enumerate(names):
            for b in names[i + 1 :]:
                pair = find_pair(self.pairs, a, b)
                at = np.lexsort((pair.second, pair.first))
                for f, s, c in zip(pair.first[at], pair.second[at], pair.counts[at], strict=True):
                    key = f"{self.levels[a].levels[f]!r} {self.levels[b].levels[s]!r}"
                    sha.update(f"pair {a!r} {b!r} {key} {int(c)}\n".encode())


def _spread(table: Whole, at: Places, length: int) -> Whole:
    """The rows of a table at some places of a longer one."""
    longer: Whole = np.zeros((length, table.shape[1]), dtype=object)
    longer[at] = table
    return longer


def _feed(sha: Any, key: str, value: int, two: int, five: int) -> None:
    while five < 0 and value % 5 == 0 and value:
        value, five = value // 5, five + 1
    zeros = (value & -value).bit_length() - 1 if value else 0
    unit = (two + zeros, five) if value else (0, 0)
    sha.update(f"{key!r} {value >> zeros:x} {unit}\n".encode())


def _nearest(value: int, divisor: int, two: int, five: int) -> float:
    """The double nearest to value / divisor · 2^two 5^five: dividing integers rounds once."""
    divisor *= 5**-five
    above, below = (value << two, divisor) if two >= 0 else (value, divisor << -two)
    try:
        return above / below
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


class ExactAccumulator:
    """The exact sums of one null pattern while a part is read."""

    def __init__(self, numbers: Sequence[str], categories: Sequence[str]) -> None:
        self.numbers = tuple(numbers)
        self.met = LevelCounter(categories)
        self._rows = 0
        self._digits = DigitSums(len(self.numbers), len(self.met.categories))

    @staticmethod
    def digest(numbers: Floats) -> bool | None:
        """Whether every number of a block is finite; None where not."""
        return True if np.isfinite(numbers).all() else None

    def add(
        self, numbers: Floats, codes: Sequence[tuple[Codes, Sequence[str]]], digest: bool
    ) -> None:
        """Rows without nulls: numbers of shape (n, k), and one (codes, levels) a category."""
        del digest
        self._digits.add(numbers, self.met.add(codes))
        self._rows += len(numbers)

    def finish(self) -> ExactSums:
        """The sums of everything added, levels in order."""
        whole = self._digits.finish()
        levels, tables = {}, []
        for i, name in enumerate(self.met.categories):
            names, at = self.met.order(i)
            levels[name] = ExactLevels(names, self.met.counts(i))
            tables.append(whole.levels[i][at])
        return ExactSums(
            self._rows, self.numbers, whole._replace(levels=tuple(tables)), levels, self.met.pairs()
        )


def fingerprint(parts: Sequence[tuple[str, ExactSums]]) -> str:
    """SHA-256 of named sums, in hexadecimal."""
    sha = hashlib.sha256()
    for name, sums in parts:
        sha.update(f"{name}\n".encode())
        sums.digest_into(sha)
    return sha.hexdigest()
