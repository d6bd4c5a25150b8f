"""What a scan is asked for, and the columns that it takes for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..errors import ColumnKindError, ColumnNameError, EmptySourceError, OptionError, check_whole
from .conditions import columns_of, parse_condition
from .design import MOST_LEVELS, Design
from .expressions import (
    Expression,
    Interaction,
    Levels,
    Name,
    Power,
    Product,
    is_levels,
    label,
    sources,
)
from .filters import check_condition
from .table import Column, Kind, Schema
from .terms import Effect, close, resolve, settle

WEIGHT_KINDS = ("analytic", "frequency")


@dataclass(frozen=True)
class Wanted:
    """What a scan is asked for."""

    named: Mapping[str, str] | None = None
    """Columns, each with its role in words; None for all that serve, or for what a formula says."""
    terms: tuple[Interaction, ...] | None = None
    """The terms of a formula."""
    target: Expression | None = None
    offset: Expression | None = None
    weights: str = ""
    weight_kind: str = ""
    where: str = ""
    """A condition; empty for all rows."""
    max_levels: int = MOST_LEVELS

    @classmethod
    def of(
        cls, weights: str | None, weight_kind: str, where: str | None, max_levels: int
    ) -> Wanted:
        """What is asked of rows and levels; OptionError for no number of levels."""
        return cls(
            weights="" if weights is None else str(weights),
            weight_kind="" if weights is None else weight_kind,
            where=where or "",
            max_levels=check_whole("max_levels", max_levels, 1),
        )

    @property
    def sources(self) -> list[str] | None:
        """The columns of the table that are read; None for all."""
        if self.named is None and self.terms is None:
            return None
        names = list(self.named or {})
        formed = [factor for term in self.terms or () for factor in term]
        formed += filter(None, (self.target, self.offset))
        names += [name for expression in formed for name in sources(expression)]
        if self.where:
            names += [n for e, _ in columns_of(parse_condition(self.where)) for n in sources(e)]
        return list(dict.fromkeys([*names, *filter(None, [self.weights])]))

    @property
    def categories(self) -> list[str]:
        """The columns that a formula asks for as categories: ``C(x)``."""
        factors = [factor for term in self.terms or () for factor in term]
        arguments = [factor.argument for factor in factors if isinstance(factor, Levels)]
        return [argument.name for argument in arguments if isinstance(argument, Name)]


def choose_columns(schema: Schema, wanted: Wanted) -> Design:
    """The design of a scan: the columns named, each with its role in words, or all that serve.

    Or those that the terms of a formula need, and the products of any two of them.  With them
    goes the column that weighs the rows, and the condition that they meet.

    A column asked for by name must be a number, a boolean or text.  Among all columns, those
    that are none of these are left out, with the reason.

    Raises
    ------
    ColumnNotFoundError, ColumnNameError, ColumnKindError
        A name that is not there; a table without names; a column that cannot be used.
    """
    weights = wanted.weights
    if weights:
        column = schema.find(weights, "weights")
        if column.kind not in (Kind.NUMBER, Kind.NULL):
            raise ColumnKindError.weights(weights, column.type_name)
        named = wanted.terms is None and Name(weights) in (wanted.target, wanted.offset)
        if named or weights in (wanted.named or {}) or weights in _factors(wanted):
            raise ColumnNameError.weights_among_columns(weights)
        if wanted.weight_kind not in WEIGHT_KINDS:
            raise OptionError.unknown("weight_kind", wanted.weight_kind, WEIGHT_KINDS)
    if wanted.terms is not None:
        design = Design(_form_columns(schema, wanted))
    else:
        design = _choose(schema, wanted.named, weights)
        formed = [e for e in (wanted.target, wanted.offset) if e and not isinstance(e, Name)]
        more = tuple(_form_single(e, schema) for e in dict.fromkeys(formed))
        design = replace(design, columns=design.columns + more)
    looked, where = None, ""
    if wanted.where:
        condition = parse_condition(wanted.where)
        looked, where = check_condition(condition, schema), str(condition)
    return replace(
        design,
        weights=weights,
        weight_kind=wanted.weight_kind,
        where=where,
        looked=looked,
        max_levels=wanted.max_levels,
    )


def _factors(wanted: Wanted) -> set[str]:
    """The plain columns among the factors of the terms."""
    return {f.name for term in wanted.terms or () for f in term if isinstance(f, Name)}


def _form_columns(schema: Schema, wanted: Wanted) -> tuple[Column, ...]:
    """The columns that a formula's terms need: the table's in its order, then those formed."""
    roles = [("target", wanted.target), ("offset", wanted.offset)]
    effects = [e for term in wanted.terms or () for e in resolve(term, schema.find)]
    for role, expression in roles:
        if expression is not None:
            if isinstance(expression, Name):
                schema.find(expression.name, role)
            known = settle(expression, schema.find)
            levels = is_levels(known)
            if levels is None:
                levels = schema.find(label(known)).kind is Kind.CATEGORY
            effects.append(Effect(None, (known,)) if levels else Effect(known))
    needed = close(effects)
    asked = {expression for effect in effects for expression in effect.needs}
    plain = {e.name: e in asked for e in needed if isinstance(e, Name)}
    columns = [
        replace(_as_number(c), asked=plain[c.name]) for c in schema.columns if c.name in plain
    ]
    for expression in needed:
        if not isinstance(expression, Name):
            column = replace(_form_column(expression, schema), asked=expression in asked)
            if column.name in plain or column.name in (c.name for c in columns):
                raise ColumnNameError.repeated(column.name, 2, schema.where)
            columns.append(column)
    return tuple(columns)


def _form_single(expression: Expression, schema: Schema) -> Column:
    column = _form_column(settle(expression, schema.find), schema)
    if column.name in schema.names:
        raise ColumnNameError.repeated(column.name, 2, schema.where)
    return column


def _form_column(expression: Expression, schema: Schema) -> Column:
    levels = is_levels(expression)
    if levels is None:  # a product of plain names
        levels = schema.find(sources(expression)[0]).kind is Kind.CATEGORY
    elif isinstance(expression, Product):
        levels = any(
            is_levels(f) or (isinstance(f, Name) and schema.find(f.name).kind is Kind.CATEGORY)
            for f in expression.factors
        )
    if levels:
        return Column(label(expression), Kind.CATEGORY, "string", expression)
    types = {schema.find(name).type_name for name in sources(expression)}
    return Column(label(expression), Kind.NUMBER, _coarsest(expression, types), expression)


def _coarsest(expression: Expression, types: set[str]) -> str:
    """The type that tells how far off a formed value may be."""
    if not _is_whole(expression):
        return "double"
    if len(types) == 1:
        return next(iter(types))
    for name in ("halffloat", "float16", "float", "float32"):
        if name in types:
            return name
    return "int64" if all(t.startswith(("int", "uint")) for t in types) else "double"


def _is_whole(expression: Expression) -> bool:
    """Whether it is made by multiplication alone."""
    if isinstance(expression, Product):
        return all(_is_whole(factor) for factor in expression.factors)
    if isinstance(expression, Power):
        return _is_whole(expression.base)
    return isinstance(expression, Name)


def _choose(schema: Schema, named: Mapping[str, str] | None, weights: str) -> Design:
    if named is not None:
        chosen = [_as_number(schema.find(name, role)) for name, role in named.items()]
        for column in chosen:
            if column.kind not in (Kind.NUMBER, Kind.CATEGORY):
                raise ColumnKindError.unusable(column.name, column.type_name, column.kind)
        order = {name: i for i, name in enumerate(schema.names)}
        return Design(tuple(sorted(chosen, key=lambda column: order[column.name])))
    columns = [c for c in schema.columns if not weights or c.name != weights]
    left_out = {c.name: why for c in columns if (why := _why_left_out(c))}
    kept = tuple(c for c in columns if c.name not in left_out)
    if not kept and any(column.kind is Kind.NULL and column.name for column in schema.columns):
        # Perhaps there are no rows at all: the pass will tell.
        empty = [c for c in schema.columns if c.name and c.kind is Kind.NULL]
        return Design(tuple(_as_number(c) for c in empty))
    if not kept:
        raise EmptySourceError.no_columns(schema.where, left_out)
    text = frozenset(c.name for c in kept if c.kind is Kind.CATEGORY)
    return Design(kept, left_out, text)


def _as_number(column: Column) -> Column:
    """A column without any value is read as numbers, all of them null."""
    return replace(column, kind=Kind.NUMBER) if column.kind is Kind.NULL else column


def _why_left_out(column: Column) -> str:
    if not column.name:
        return "it has no name"
    return {
        Kind.TIME: f"it is a time ({column.type_name})",
        Kind.NULL: "it has no value in any row",
        Kind.OTHER: f"it has type {column.type_name}",
    }.get(column.kind, "")


def name_columns(columns: Iterable[str], target: str | None = None) -> dict[str, str]:
    """Names with their roles for :func:`choose_columns`: features and a target, or just columns.

    Raises ColumnNameError for a name that stands twice, and for the target among the features.
    """
    names = [columns] if isinstance(columns, str) else [str(name) for name in columns]
    role = "scanned" if target is None else "feature"
    times = Counter(names)
    for name in times:
        if times[name] > 1:
            raise ColumnNameError.repeated(name, times[name], f"the {role} columns")
        if name == target:
            raise ColumnNameError.target_among_features(name)
    return dict.fromkeys(names, role) | ({} if target is None else {target: "target"})
