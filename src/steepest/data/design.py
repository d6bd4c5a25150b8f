"""Columns become a design: which are numbers, which are categories, which are left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ..errors import (
    ColumnKindError,
    ColumnNameError,
    EmptySourceError,
    ValueFoundError,
)
from ..typing import Codes, Floats
from .table import Batch, Column, Kind, Schema

LEVELS_UNASKED = 1_000
"""A text column with more levels than this stays out of a scan that did not name it."""


class Term(NamedTuple):
    """One coefficient's column: a number, or the indicator of one level of a category."""

    column: str
    level: str | None = None

    @property
    def name(self) -> str:
        """``area``, or ``city[Oslo]``."""
        return self.column if self.level is None else f"{self.column}[{self.level}]"


class Block(NamedTuple):
    """A batch as numbers: what sums are made from."""

    numbers: Floats
    """Shape (n, k), NaN where null."""
    codes: tuple[tuple[Codes, Sequence[str]], ...]
    """One pair a category: level numbers of shape (n,), -1 where null, and the levels."""


@dataclass(frozen=True)
class Design:
    """Which columns a scan reads, as what, and which it leaves out and why."""

    columns: tuple[Column, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()

    @property
    def numbers(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.kind is Kind.NUMBER)

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.kind is Kind.CATEGORY)

    def block(self, batch: Batch) -> Block:
        return Block(
            batch.numbers(self.numbers), tuple(batch.codes(name) for name in self.categories)
        )


def choose_columns(schema: Schema, named: Mapping[str, str] | None = None) -> Design:
    """The design of a scan: the columns named, each with its role in words, or all that serve.

    A column asked for by name must be a number, a boolean or text.  Among all columns, those
    that are none of these are left out, with the reason.

    Raises
    ------
    ColumnNotFoundError, ColumnNameError, ColumnKindError
        A name that is not there; a table without names; a column that cannot be used.
    """
    if named is not None:
        chosen = [_as_number(schema.find(name, role)) for name, role in named.items()]
        for column in chosen:
            if column.kind not in (Kind.NUMBER, Kind.CATEGORY):
                raise ColumnKindError.unusable(column.name, column.type_name, column.kind)
        order = {name: i for i, name in enumerate(schema.names)}
        return Design(tuple(sorted(chosen, key=lambda column: order[column.name])))
    left_out = {c.name: _why_left_out(c) for c in schema.columns if _why_left_out(c)}
    kept = tuple(c for c in schema.columns if c.name not in left_out)
    if not kept and any(column.kind is Kind.NULL for column in schema.columns):
        # Perhaps there are no rows at all: the pass will tell.
        return Design(tuple(_as_number(c) for c in schema.columns if c.kind is Kind.NULL))
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
    for name in names:
        if names.count(name) > 1:
            raise ColumnNameError.repeated(name, names.count(name), f"the {role} columns")
        if name == target:
            raise ColumnNameError.target_among_features(name)
    return dict.fromkeys(names, role) | ({} if target is None else {target: "target"})


@dataclass(frozen=True)
class LinearPredictor:
    """η = b + Σ wⱼ xⱼ, added up column by column in the order of the terms.

    A sum in a fixed order gives each row the same bits whatever rows stand beside it; a
    matrix product would not.  Rows with a null in a used column give NaN.
    """

    intercept: float
    terms: tuple[Term, ...]
    coef: tuple[float, ...]
    references: Mapping[str, tuple[str, ...]]
    """For each category used, the levels whose coefficient is 0: its reference, if it has one."""

    @property
    def columns(self) -> dict[str, Kind]:
        """Each column used and the kind it must have."""
        return {t.column: Kind.NUMBER if t.level is None else Kind.CATEGORY for t in self.terms}

    def __call__(self, batch: Batch, where: str, first_row: int = 1) -> Floats:
        """Predictions for a batch, shape (n_rows,); ValueFoundError at an unseen level."""
        tables: dict[str, dict[str, float]] = {name: {} for name in self.columns}
        for term, value in zip(self.terms, self.coef, strict=True):
            tables[term.column][term.level or ""] = value
        eta = np.full(batch.n_rows, self.intercept)
        for name, kind in self.columns.items():
            if kind is Kind.NUMBER:
                eta += tables[name][""] * batch.numbers([name])[:, 0]
            else:
                table = tables[name] | dict.fromkeys(self.references.get(name, ()), 0.0)
                eta += _look_up(name, table, *batch.codes(name), where, first_row)
        return eta


def _look_up(
    column: str,
    table: Mapping[str, float],
    codes: Codes,
    levels: Sequence[str],
    where: str,
    first_row: int,
) -> Floats:
    values = np.array([table.get(level, np.inf) for level in levels] + [np.nan])
    found = values[codes]  # the code of a null, -1, picks the NaN at the end
    unseen = np.flatnonzero(np.isinf(found))
    if unseen.size:
        row = int(unseen[0])
        raise ValueFoundError.unseen(
            column, levels[int(codes[row])], where, first_row + row, sorted(table)
        )
    return found


def check_kinds(predictor: LinearPredictor, schema: Schema) -> None:
    """Refuse a table in which a column the model needs is missing or of another kind."""
    for name, kind in predictor.columns.items():
        found = schema.find(name)
        if found.kind not in (kind, Kind.NULL):
            raise ColumnKindError.differs(name, "the model", kind, schema.where, found.kind)
