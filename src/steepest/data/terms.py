"""The terms of a model: what a formula's become in a table, and the coefficients they stand for.

An ``Effect`` is a product of numbers times the levels of some categories crossed.  The product of
two effects is one again, so that sums over the levels of crossed categories, of products of
numbers, tell everything about a model: no indicator column is ever formed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from typing import NamedTuple

from ..errors import ColumnKindError
from .expressions import (
    BETWEEN,
    TIME_FUNCTIONS,
    Call,
    Expression,
    Interaction,
    Levels,
    Name,
    Power,
    Splines,
    cross,
    is_levels,
    label,
    multiply,
    sources,
    unfold,
)
from .forming import check_time
from .table import Column, Kind

Find = Callable[[str], Column]

RARE = "(rare)"
"""What the levels of few rows are called together."""


class Term(NamedTuple):
    """One coefficient's column: a number, an indicator of a level, or one times the other."""

    number: str = ""
    """The column of numbers; empty for an indicator alone."""
    category: str = ""
    """The column of levels, several categories crossed or one; empty for a number alone."""
    level: str = ""
    parts: tuple[str, ...] = ()
    """Where categories are crossed, what each of them is called."""
    null: bool = False
    """Whether it marks the rows in which ``category`` is null."""

    @property
    def name(self) -> str:
        """``area``, ``area^2``, ``city[Oslo]``, or ``city[Oslo]:area``."""
        if self.null:
            return f"{self.category} is null"
        words = [self.number] if self.number else []
        if self.parts:
            levels = self.level.split(BETWEEN)
            words[:0] = [f"{p}[{v}]" for p, v in zip(self.parts, levels, strict=True)]
        elif self.category:
            words[:0] = [f"{self.category}[{self.level}]"]
        return ":".join(words)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the moments whose value it is."""
        return tuple(filter(None, (self.number, self.category)))


@dataclass(frozen=True)
class Effect:
    """Numbers multiplied times categories crossed; with neither, the intercept."""

    number: Expression | None = None
    categories: tuple[Expression, ...] = ()
    """In the order of their texts."""

    @cached_property
    def number_label(self) -> str:
        return "" if self.number is None else label(self.number)

    @property
    def needs(self) -> list[Expression]:
        """The columns of the moments that it is made of."""
        category = [cross(self.categories)] if self.categories else []
        return [*([] if self.number is None else [self.number]), *category]

    def margins(self) -> list[Effect]:
        """The same numbers times some of the categories, or all."""
        return [
            Effect(self.number, chosen)
            for size in range(len(self.categories) + 1)
            for chosen in combinations(self.categories, size)
        ]


def resolve(term: Interaction, find: Find) -> list[Effect]:
    """What a term of a formula is in a table; several for splines.

    ColumnKindError, ColumnNotFoundError for what cannot be made of the columns there are.
    """
    choices = [unfold(factor) if isinstance(factor, Splines) else [factor] for factor in term]
    return [_join([_settle(factor, find) for factor in chosen]) for chosen in product(*choices)]


def settle(expression: Expression, find: Find) -> Expression:
    """An expression as it is in a table: ``C(city)`` is ``city`` where that is text."""
    return _settle(expression, find)[0]


def _join(factors: Sequence[tuple[Expression, bool]]) -> Effect:
    numbers = [factor for factor, levels in factors if not levels]
    categories = {factor for factor, levels in factors if levels}
    return Effect(multiply(numbers) if numbers else None, tuple(sorted(categories, key=str)))


def _settle(factor: Expression, find: Find) -> tuple[Expression, bool]:
    """A factor and whether it is a category."""
    if isinstance(factor, Levels):
        inner, levels = _settle_inside(factor.argument, find)
        return (inner, True) if levels else (Levels(inner), True)
    if isinstance(factor, Name):
        column = find(factor.name)
        if column.kind in (Kind.TIME, Kind.OTHER):
            raise ColumnKindError.unusable(column.name, column.type_name, column.kind)
        return factor, column.kind is Kind.CATEGORY
    if isinstance(factor, Call) and factor.function in TIME_FUNCTIONS:
        for name in sources(factor):
            column = find(name)
            check_time(factor.function, name, column.kind, column.type_name)
        return factor, bool(is_levels(factor))
    for name in sources(factor):
        _refuse_levels(factor, find(name))
    return factor, False


def _settle_inside(factor: Expression, find: Find) -> tuple[Expression, bool]:
    if isinstance(factor, Name):
        column = find(factor.name)
        if column.kind is Kind.TIME:
            raise ColumnKindError.unusable(column.name, column.type_name, column.kind)
    return _settle(factor, find)


def _refuse_levels(factor: Expression, column: Column) -> None:
    inner = factor.base if isinstance(factor, Power) else getattr(factor, "argument", factor)
    if isinstance(inner, Call) and inner.function in TIME_FUNCTIONS:
        if is_levels(inner):
            raise ColumnKindError.formed(label(factor), label(inner), "levels")
        check_time(inner.function, column.name, column.kind, column.type_name)
        return
    if isinstance(inner, Levels):
        raise ColumnKindError.formed(label(factor), label(inner), "levels")
    if not isinstance(inner, Name):
        _refuse_levels(inner, column)
    elif column.kind not in (Kind.NUMBER, Kind.NULL):
        raise ColumnKindError.formed(label(factor), column.name, column.type_name)


def close(effects: Iterable[Effect]) -> list[Expression]:
    """The columns whose sums tell every product of two of some effects, and of their margins."""
    own = list(dict.fromkeys(m for effect in effects for m in effect.margins()))
    needed = dict.fromkeys(e for effect in own for e in effect.needs)
    with_levels = [effect for effect in own if effect.categories]
    for a, b in product(own, with_levels):
        needed |= dict.fromkeys(_meet(a, b))
    return list(needed)


def _meet(a: Effect, b: Effect) -> list[Expression]:
    """What two effects need beside what each of them is made of."""
    if not a.categories and not b.categories:
        return []
    numbers = [e.number for e in (a, b) if e.number is not None]
    single = len(a.categories) <= 1 and len(b.categories) <= 1
    if not numbers and single:  # a table of counts
        return []
    crossed = cross([*a.categories, *b.categories])
    return [crossed, *([multiply(numbers)] if numbers else [])]


Coding = tuple[tuple[Expression, bool], ...]
"""Categories, and whether each keeps all its levels."""


def code_effects(
    effects: Sequence[Effect], asked: Iterable[str], *, intercept: bool
) -> list[tuple[Effect, list[Coding]]]:
    """Which categories of each effect keep all their levels, so that none stands twice.

    Each effect spans its margins too; those spanned by effects before it, of fewer categories
    first, are left out of it, and what is left is written with the fewest columns.  A category
    whose reference was ``asked`` for stands in for no intercept.
    """
    asked = set(asked)
    spanned: set[Effect] = {Effect()} if intercept else set()
    codings: dict[Effect, list[Coding]] = {}
    for effect in sorted(dict.fromkeys(effects), key=lambda e: len(e.categories)):
        kept = {label(c) for c in effect.categories} - asked
        needed = [m for m in effect.margins() if m not in spanned]
        if effect.categories and not kept:
            needed = [m for m in needed if m != Effect()]
        spanned |= set(needed)
        pieces: list[dict[Expression, bool]] = [
            dict.fromkeys(margin.categories, False) for margin in needed
        ]
        while _merge(pieces, asked):
            pass
        codings[effect] = [tuple(piece.items()) for piece in pieces]
    return [(effect, codings[effect]) for effect in dict.fromkeys(effects)]


def _merge(pieces: list[dict[Expression, bool]], asked: set[str]) -> bool:
    """Write two pieces that differ in one category as one that has all its levels."""
    for short, long in product(pieces, pieces):
        more = [category for category in long if category not in short]
        same = all(long.get(category) == full for category, full in short.items())
        if len(more) == 1 and len(long) == len(short) + 1 and same and not long[more[0]]:
            if not short and label(more[0]) in asked:
                continue
            long[more[0]] = True
            pieces.remove(short)
            return True
    return False


def name_terms(
    effect: Effect,
    coding: Coding,
    levels: Mapping[str, Sequence[str]],
    references: Mapping[str, str],
) -> list[Term]:
    """The coefficients of an effect in a coding, by the levels of its categories that occur."""
    if not coding:
        return [Term(effect.number_label)] if effect.number is not None else []
    categories = tuple(category for category, _ in coding)
    column = label(cross(categories))
    parts = tuple(label(category) for category in categories)
    reference = [
        None if full else references[name] for name, (_, full) in zip(parts, coding, strict=True)
    ]
    terms = []
    for level in levels[column]:
        own = level.split(BETWEEN) if len(parts) > 1 else [level]
        if all(a != b for a, b in zip(own, reference, strict=True)):
            crossed = parts if len(parts) > 1 else ()
            terms.append(Term(effect.number_label, column, level, crossed))
    return terms
