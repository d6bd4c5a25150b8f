"""What a formula or a name means among the columns that were scanned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ..data.expressions import (
    Expression,
    Interaction,
    Name,
    Product,
    Splines,
    find_splines,
    label,
    sources,
    times_of,
)
from ..data.formula import parse_expression
from ..data.table import Column, Kind
from ..data.terms import Effect, resolve, settle
from ..errors import ColumnNotFoundError, FormulaError


@dataclass(frozen=True)
class Finder:
    """Looks up columns, and those that only stand inside of others."""

    columns: tuple[Column, ...]
    left_out: Mapping[str, str]
    where: str

    @cached_property
    def _named(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    def find(self, name: str, role: str) -> Column:
        """A column by its name; ColumnNotFoundError if it was not scanned."""
        if name in self._named:
            return self._named[name]
        if name in self.left_out:
            raise ColumnNotFoundError.left_out(role, name, self.left_out[name])
        if _is_formed(name):
            raise ColumnNotFoundError.formed(name, self.where)
        raise ColumnNotFoundError.of(role, name, self.where, [c.name for c in self.columns])

    def _find_inside(self, name: str) -> Column:
        """The same, also where it is known from columns made of it alone."""
        if name in self._named:
            return self._named[name]
        within = [column.expression for column in self.columns if name in column.sources]
        if any(name in times_of(expression) for expression in within):
            return Column(name, Kind.TIME, "timestamp")
        if any(_has_level(c.expression, name) for c in self.columns if c.kind is Kind.CATEGORY):
            return Column(name, Kind.CATEGORY, "string")
        return Column(name, Kind.NUMBER, "double") if within else self.find(name, "feature")

    def settle(self, asked: str | Expression, role: str) -> Expression:
        """A single column; ColumnNotFoundError, ColumnKindError."""
        if isinstance(asked, str):
            return self.find(asked, role).expression
        if isinstance(asked, Name):
            self.find(asked.name, role)
        expression = settle(asked, self._find_inside)
        self.find(label(expression), role)
        return expression

    def choose(self, target: Expression, offset: Expression | None) -> list[Interaction]:
        """All columns that were asked for, but those made of the target or of the offset."""
        taken = {label(target), *sources(target)}
        if offset is not None:
            taken |= {label(offset), *sources(offset)}
        return [
            (column.expression,)
            for column in self.columns
            if column.asked and taken.isdisjoint([column.name, *column.sources])
        ]

    def resolve(self, term: str | Expression | Interaction) -> list[Effect]:
        """What a term is among these columns; several for splines."""
        if isinstance(term, str):
            term = self.find(term, "feature").expression
        factors = term if isinstance(term, tuple) else (term,)
        single = [s for f in factors for s in (f.factors if isinstance(f, Product) else (f,))]
        if len(single) == 1 and isinstance(single[0], Name):
            self.find(single[0].name, "feature")
        return resolve(tuple(self.fix_knots(factor) for factor in single), self._find_inside)

    def fix_knots(self, factor: Expression) -> Expression:
        """A basis with the knots that the scan found for it."""
        if not isinstance(factor, Splines) or factor.knots:
            return factor
        for column in self.columns:
            for own in find_splines(column.expression):
                if own.argument == factor.argument and len(own.knots) == factor.count:
                    return Splines(factor.argument, factor.count, own.knots)
        raise ColumnNotFoundError.formed(factor.label, self.where)


def _is_formed(name: str) -> bool:
    try:
        return not isinstance(parse_expression(name), Name)
    except FormulaError:
        return False


def _has_level(expression: Expression, name: str) -> bool:
    return Name(name) in (expression.factors if isinstance(expression, Product) else (expression,))
