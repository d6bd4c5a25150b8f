"""From moments to the problem of one fit: which rows, which levels, what a null counts as.

Rows are taken by null pattern.  Those whose target, offset or weight is null are never used;
those in which a feature is null are dropped, or a constant stands in for its terms, so that
the sums of what is known are enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import reduce
from operator import add
from typing import Any

from ..data.expressions import Expression, Product, label
from ..data.table import Column, Kind
from ..data.terms import RARE, Effect, Term, close, code_effects, name_terms
from ..errors import ColumnKindError, ColumnNotFoundError, EmptySourceError, MomentsError
from .accounting import account, check_references, tell_nulls
from .content import Content
from .cuts import cut_normal, cut_table
from .dense import DenseNormal, cut_dense
from .exact import ExactSums
from .normal import ExactNormal
from .observations import Observations
from .patterns import AnySums
from .pooling import Pooled, find_rare, pool_levels
from .problem import Problem, round_problem

TOGETHER = 1_000
"""Terms from which the largest category is eliminated before the others are solved for."""

LARGEST_PROBLEM = 5_000
"""Terms that are solved together, at the most."""

Groups = Mapping[frozenset[str], AnySums]
"""By the columns of features that are null, the sums of rows that are used."""


@dataclass(frozen=True)
class Asked:
    """What a fit asks of moments: all that is chosen after the scan."""

    target: Expression
    effects: tuple[Effect, ...]
    intercept: bool = True
    references: Mapping[str, str] | None = None
    missing: str = "drop"
    offset: Expression | None = None
    rare: int = 0
    """Levels of fewer rows are taken together."""
    limit_only: bool = False
    """Whether the limit of the descent is all that is wanted, so that levels may be eliminated."""


@dataclass(frozen=True)
class Equations:
    """The terms of a fit and the sums of the rows that it uses."""

    content: Content
    asked: Asked
    where: str
    observed: Observations = field(default_factory=Observations)
    frame: Problem | None = None
    """The problem of other rows whose terms are to be these; levels without rows here are 0."""
    fills: tuple[float | None, ...] = ()
    """What stands in for the nulls of its terms; where empty, what is found here."""

    def build(self) -> Problem:
        """The problem; errors say what the moments cannot tell, and what no fit can use."""
        columns = {column.name: column for column in self.content.columns}
        last = [self._find_target(columns)]
        if self.asked.offset is not None:
            last.append(self._find_offset(columns, self.asked.offset))
        features = self._find_features(columns)
        required = [*(name for t in last for name in t.columns), self.content.weights]
        required = [name for name in required if name]
        rows = account(self.content, features, required, self.asked.missing, self.observed)
        groups = self._gather(columns, features, required)
        pooled: Pooled = {}
        if self.frame is not None:
            pooled = dict(self.frame.pooled)
        elif self.asked.rare:
            weighted = self.content.weight_kind == "analytic"
            pooled = find_rare(groups.values(), columns, self.asked.rare, weighted=weighted)
        if pooled:
            groups = {null: pool_levels(sums, columns, pooled) for null, sums in groups.items()}
        if self.frame is not None:
            terms, references, absorbed = list(self.frame.terms), dict(self.frame.references), []
        else:
            terms, references = self._name_terms(groups)
            if self.asked.missing == "indicator":
                terms += _mark_nulls(tell_nulls(columns, features), groups)
            absorbed = self._absorb(groups, terms)
        apart = {*absorbed}
        terms = [term for term in terms if term not in apart]
        normal, fills = self._add_up(groups, columns, terms, last, absorbed)
        if self.asked.offset is not None:
            normal = normal.subtract_last()
        problem = round_problem(normal, terms, _name(last[0]), rows, self.where)
        used = {name for term in [*terms, *absorbed, *last] for name in term.columns}
        return replace(
            problem,
            columns={name: column for name, column in columns.items() if name in used},
            references=references,
            pooled={n: own for n, own in pooled.items() if _stands_in(n, references, columns)},
            missing=self.asked.missing,
            absorbed=tuple(absorbed),
            fills=fills,
            ranges={n: ends for n, ends in self.observed.ranges.items() if n in used},
            nulls_met=tuple(sorted(used.intersection(frozenset().union(*groups)))),
            offset=_name(last[1]) if len(last) > 1 else "",
        )

    def _find_target(self, columns: Mapping[str, Column]) -> Term:
        name = label(self.asked.target)
        if columns[name].kind is not Kind.CATEGORY:
            return Term(name)
        if columns[name].is_boolean:
            return Term("", name, "true")
        levels = [
            level
            for sums in self.content.patterns.values()
            if name in sums.levels
            for level in sums.levels[name].levels
        ]
        raise ColumnKindError.text_target(name, sorted({*levels}))

    def _find_offset(self, columns: Mapping[str, Column], offset: Expression) -> Term:
        name = label(offset)
        if columns[name].kind is Kind.CATEGORY:
            raise ColumnKindError.formed(f"offset({name})", name, columns[name].type_name)
        return Term(name)

    def _find_features(self, columns: Mapping[str, Column]) -> list[str]:
        """The columns whose nulls make a term null."""
        names = dict.fromkeys(label(need) for e in self.asked.effects for need in e.needs)
        for name in names:
            if name not in columns:
                raise ColumnNotFoundError.formed(name, self.where)
        return list(names)

    def _gather(
        self, columns: Mapping[str, Column], features: Sequence[str], required: Sequence[str]
    ) -> dict[frozenset[str], AnySums]:
        asked = self.asked
        ends = [Effect(end) for end in (asked.target, asked.offset) if end is not None]
        if columns[label(asked.target)].kind is Kind.CATEGORY:
            ends[0] = Effect(None, (asked.target,))
        needed = {label(expression) for expression in close([*asked.effects, *ends])}
        numbers = [name for name in self.content.numbers if name in needed]
        categories = [name for name in self.content.categories if name in needed]
        fatal = {*required} if asked.missing in ("mean", "indicator") else {*required, *features}
        groups: dict[frozenset[str], list[AnySums]] = {}
        for null, sums in self.content.patterns.items():
            if null.isdisjoint(fatal):
                kept = sums.restrict(
                    [name for name in numbers if name not in null],
                    [name for name in categories if name not in null],
                )
                groups.setdefault(null & {*numbers, *categories}, []).append(kept)
        never = [name for name in features if all(name in null for null in groups)]
        if never and not self.fills:
            raise EmptySourceError.no_value(never[0])
        return {null: reduce(add, sums) for null, sums in groups.items()}

    def _name_terms(self, groups: Groups) -> tuple[list[Term], dict[str, tuple[str, ...]]]:
        """The terms by the levels that occur, and for each category its levels without any."""
        found: dict[str, set[str]] = {}
        for sums in groups.values():
            for name, own in sums.levels.items():
                found.setdefault(name, set()).update(own.levels)
        levels = {name: tuple(sorted(own)) for name, own in found.items()}
        single = [label(c) for effect in self.asked.effects for c in effect.categories]
        asked = check_references(self.asked.references, {n: levels.get(n, ()) for n in single})
        defaults = {
            name: next((level for level in levels.get(name, ()) if level != RARE), RARE)
            for name in single
        }
        terms: list[Term] = []
        for effect, codings in code_effects(
            self.asked.effects, asked, intercept=self.asked.intercept
        ):
            if not effect.categories and effect.number is not None:
                terms.append(Term(effect.number_label))
            for coding in codings:
                if coding or effect.categories:
                    terms += name_terms(effect, coding, levels, {**defaults, **asked})
        terms = list(dict.fromkeys(terms))
        present = {(term.category, term.level) for term in terms if not term.number}
        alone = {name for name, _ in present}  # the others stand beside numbers only
        present |= {(t.category, t.level) for t in terms if t.category not in alone}
        used = dict.fromkeys(term.category for term in terms if term.category)
        used |= dict.fromkeys(name for name in single if len(levels.get(name, ())) == 1)
        references = {
            name: tuple(level for level in levels[name] if (name, level) not in present)
            for name in used
        }
        return terms, references

    def _absorb(self, groups: Groups, terms: Sequence[Term]) -> list[Term]:
        """The indicators of the largest category, where they are better eliminated.

        MomentsError for more terms than are solved together.
        """
        found: dict[str, list[Term]] = {}
        for term in terms:
            if term.category and not term.number and not term.null:
                found.setdefault(term.category, []).append(term)
        name = max(found, key=lambda name: len(found[name]), default="")
        largest = found.get(name, [])
        exact = all(isinstance(sums, ExactSums) for sums in groups.values())
        filled = self.asked.missing == "mean" and any(name in null for null in groups)
        able = exact and not filled
        left = len(terms) - (len(largest) if able else 0)
        if len(terms) > LARGEST_PROBLEM and able and left <= LARGEST_PROBLEM:
            if not self.asked.limit_only:
                raise MomentsError.no_path(name, len(terms))
        elif len(terms) > LARGEST_PROBLEM:
            raise MomentsError.too_wide(left, LARGEST_PROBLEM, name if able else "")
        together = self.asked.limit_only and able and len(terms) > TOGETHER
        return largest if together and len(largest) > TOGETHER // 2 else []

    def _add_up(
        self,
        groups: Groups,
        columns: Mapping[str, Column],
        terms: Sequence[Term],
        last: Sequence[Term],
        absorbed: Sequence[Term],
    ) -> tuple[ExactNormal | DenseNormal, tuple[float | None, ...]]:
        """The equations of all rows, and what stands in for each term's nulls."""
        q = len(terms) + len(last)
        if len(groups) == 1 and not self.fills:
            normal = _cut(next(iter(groups.values())), [*terms, *last], columns, absorbed)
            filled = self._fills_all
            return normal, tuple(normal.mean_of(j) for j in range(len(terms))) if filled else ()
        cut: dict[frozenset[str], tuple[list[int], ExactNormal | DenseNormal]] = {}
        for null, sums in groups.items():
            here = [j for j, t in enumerate(terms) if not t.null and null.isdisjoint(t.columns)]
            here += range(len(terms), q)
            every = [*terms, *last]
            cut[null] = here, _cut(sums, [every[j] for j in here], columns, absorbed)
        means = [fill or 0.0 for fill in self.fills] or _find_means(list(cut.values()), terms)
        every_row = []
        for null, (here, normal) in cut.items():
            absent = [j for j in range(len(terms)) if j not in {*here}]
            values = [self._fill(terms[j], means[j], null) for j in absent]
            every_row.append(normal.spread(here, q).fill(absent, values))
        return reduce(_plus, every_row), self._find_fills(terms, means, groups)

    @property
    def _fills_all(self) -> bool:
        """Whether every term is given what stands in for its nulls, met here or not."""
        framed = self.frame is not None and self.asked.missing == "indicator"
        return framed or self.asked.missing == "mean"

    def _fill(self, term: Term, mean: float, null: frozenset[str]) -> float:
        if term.null:
            return float(term.category in null)
        return self._stand_in(mean, unknown=term.category in null)

    def _stand_in(self, mean: float, *, unknown: bool) -> float:
        """A term's mean; nothing for a level that is not known where an indicator marks that."""
        return 0.0 if unknown and self.asked.missing == "indicator" else mean

    def _find_fills(
        self, terms: Sequence[Term], means: Sequence[float], groups: Groups
    ) -> tuple[float | None, ...]:
        met = frozenset().union(*groups)
        fills: list[float | None] = []
        for term, mean in zip(terms, means, strict=True):
            known = self._fills_all or not met.isdisjoint(term.columns)
            fills.append(mean if known and not term.null else None)
        return tuple(fills)


Cut = tuple[list[int], ExactNormal | DenseNormal]
"""The places of the terms that are known, and their equations."""


def _cut(
    sums: AnySums, terms: Sequence[Term], columns: Mapping[str, Column], absorbed: Sequence[Term]
) -> ExactNormal | DenseNormal:
    if not isinstance(sums, ExactSums):
        return cut_dense(sums, terms, columns)
    normal = cut_normal(sums, terms, columns)
    return cut_table(normal, sums, absorbed, terms, columns) if absorbed else normal


def _stands_in(name: str, used: Iterable[str], columns: Mapping[str, Column]) -> bool:
    """Whether a category is one of those used, or crossed in one."""
    expressions = [columns[other].expression for other in used]
    single = [f for e in expressions for f in (e.factors if isinstance(e, Product) else (e,))]
    return columns[name].expression in single


def _plus(a: Any, b: Any) -> Any:
    return a.plus(b)


def _name(term: Term) -> str:
    return term.number or term.category


def _mark_nulls(names: Sequence[str], groups: Groups) -> list[Term]:
    """A term for the rows in which a column is null; one where several always are together."""
    found: dict[frozenset[frozenset[str]], str] = {}
    for name in names:
        found.setdefault(frozenset(null for null in groups if name in null), name)
    return [Term(category=name, null=True) for where, name in found.items() if where]


def _find_means(cut: Sequence[Cut], terms: Sequence[Term]) -> list[float]:
    """Each term's mean over the rows in which it is known."""
    means = []
    for j, term in enumerate(terms):
        known = [(normal, here.index(j)) for here, normal in cut if j in here]
        weight, total = Fraction(0), Fraction(0)
        for normal, i in known:
            if isinstance(normal, ExactNormal):
                own = normal.weight * normal.weight_of_one
                total += int(normal.totals[i]) * normal.unit(i) * normal.weight_of_one
            else:
                own = Fraction(normal.weight)
                total += own * Fraction(normal.mean_of(i))
            weight += own
        means.append(0.0 if term.null else float(total / weight))
    return means
