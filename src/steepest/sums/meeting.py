"""Where the sums of two terms' product stand: among numbers, levels, or pairs of levels.

Terms are grouped by their numbers and categories.  The product of two groups has the numbers of
both multiplied and the categories of both crossed, and its sums are one column of the table of
those levels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np

from ..data.expressions import BETWEEN, Expression, Product, cross, label, multiply
from ..data.table import Column
from ..data.terms import Term
from ..errors import ColumnNotFoundError
from .double import Sums
from .exact import ExactSums
from .levels import PairCounts, Places, find_pair


class Group(NamedTuple):
    """Terms that differ in their level alone."""

    number: str
    category: str
    terms: Places
    """Their places among all terms."""
    levels: dict[str, int]
    """The place of each level's term."""


class Meeting:
    """The products of some terms, and where their sums stand."""

    def __init__(
        self,
        sums: Sums | ExactSums,
        terms: Sequence[Term],
        columns: Mapping[str, Column],
        around: Term | None = None,
    ) -> None:
        self._sums, self._columns, self._around = sums, columns, around
        groups: dict[tuple[str, str], list[int]] = {}
        for i, term in enumerate(terms):
            if not term.null:
                groups.setdefault((term.number, term.category), []).append(i)
        self._groups = [
            Group(number, category, np.array(at), {terms[i].level: i for i in at})
            for (number, category), at in groups.items()
        ]

    def singles(self) -> Iterator[tuple[Places, Places, str, str]]:
        """For each group its terms, the places of their levels, its category and its number."""
        for group in self._groups:
            at, levels = self._find(group) if group.category else (group.terms, group.terms)
            yield at, levels, group.category, group.number

    def _find(self, group: Group) -> tuple[Places, Places]:
        """The terms whose levels occur here, and the places of these."""
        known = self._place(group.category)
        found = [(i, known[level]) for level, i in group.levels.items() if level in known]
        pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def _place(self, category: str) -> dict[str, int]:
        if category not in self._known:
            levels = self._sums.levels[category].levels
            self._known[category] = {level: i for i, level in enumerate(levels)}
        return self._known[category]

    @cached_property
    def _known(self) -> dict[str, dict[str, int]]:
        return {}

    def dense(self) -> Iterator[tuple[Places, Places]]:
        """The groups of numbers alone, all of them together."""
        plain = [group.terms for group in self._groups if not group.category]
        if plain:
            together = np.concatenate(plain)
            yield together, together

    def crossed(self) -> Iterator[tuple[Places, Places, Places, str, str]]:
        """Two groups at a time, one of them of levels: terms of both, aligned, and their sums.

        The sums stand at the places of levels of a category, of a number or of the weight.
        """
        for a, b in self._pairs():
            if (a.category or b.category) and not self._is_pair(a, b):
                category = self._cross(a, b)
                number = self._multiply(a, b)
                own, other = self._within(a, category), self._within(b, category)
                met = np.flatnonzero((own >= 0) & (other >= 0))
                if met.size:
                    yield own[met], other[met], met, category, number

    def paired(self) -> Iterator[tuple[Places, Places, PairCounts]]:
        """Indicators of two categories: terms of both, aligned, and how often they meet."""
        for a, b in self._pairs():
            if self._is_pair(a, b):
                pair = find_pair(self._sums.pairs, a.category, b.category)
                own = self._within(a, a.category)[pair.first]
                other = self._within(b, b.category)[pair.second]
                met = np.flatnonzero((own >= 0) & (other >= 0))
                weights = None if pair.weights is None else pair.weights[met]
                yield (
                    own[met],
                    other[met],
                    pair._replace(
                        first=pair.first[met],
                        second=pair.second[met],
                        counts=pair.counts[met],
                        weights=weights,
                    ),
                )

    def _pairs(self) -> Iterator[tuple[Group, Group]]:
        """Two groups at a time; only those with the group of one term, where that is asked for."""
        levelled = [group for group in self._groups if group.category]
        if not levelled:  # all products are of numbers
            return
        for a, b in combinations_with_replacement(self._groups, 2):
            if self._around is None or (a.number, a.category) == self._around[:2]:
                yield a, b

    def _is_pair(self, a: Group, b: Group) -> bool:
        """Whether their product is found among the pairs of levels."""
        if a.number or b.number or not a.category or not b.category or a.category == b.category:
            return False
        return len(self._parts(a.category)) == len(self._parts(b.category)) == 1

    def _expression(self, name: str) -> Expression:
        return self._columns[name].expression

    def _parts(self, category: str) -> tuple[Expression, ...]:
        expression = self._expression(category)
        return expression.factors if isinstance(expression, Product) else (expression,)

    def _cross(self, a: Group, b: Group) -> str:
        names = [name for name in (a.category, b.category) if name]
        if len({*names}) == 1:
            return names[0]
        return self._present(label(cross([self._expression(name) for name in names])))

    def _multiply(self, a: Group, b: Group) -> str:
        names = [name for name in (a.number, b.number) if name]
        if len(names) < 2:
            return names[0] if names else ""
        return self._present(label(multiply([self._expression(name) for name in names])))

    def _present(self, name: str) -> str:
        if name not in self._columns:
            raise ColumnNotFoundError.formed(name, "the moments")
        return name

    def _within(self, group: Group, category: str) -> Places:
        """For each level of a category that crosses the group's with others, the group's term.

        -1 where it has none.
        """
        levels = self._sums.levels[category].levels
        if not group.category:
            return np.full(len(levels), group.terms[0])
        if group.category == category:
            return np.array([group.levels.get(level, -1) for level in levels], dtype=np.int64)
        whole, own = self._parts(category), self._parts(group.category)
        at = [whole.index(part) for part in own]
        found = []
        for level in levels:
            parts = level.split(BETWEEN)
            found.append(group.levels.get(BETWEEN.join(parts[i] for i in at), -1))
        return np.array(found, dtype=np.int64)
