"""Columns become a design: which are numbers, which are categories, which are left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..errors import (
    ColumnKindError,
    ColumnNameError,
    EmptySourceError,
    OptionError,
    ValueFoundError,
)
from ..typing import Codes, Floats
from .expansions import SAFE, Expansion, exponents, raise_rounded, raise_to
from .table import Batch, Column, Kind, Schema

LEVELS_UNASKED = 1_000
"""A text column with more levels than this stays out of a scan that did not name it."""


class Term(NamedTuple):
    """One coefficient's column: a number, or the indicator of one level of a category."""

    column: str
    level: str | None = None
    base: str = ""
    """The column of which this one is a power, where it is one."""
    power: int = 1

    @property
    def name(self) -> str:
        """``area``, ``area^2``, or ``city[Oslo]``."""
        return self.column if self.level is None else f"{self.column}[{self.level}]"

    @property
    def source(self) -> str:
        """The column of the table that it is made from."""
        return self.base or self.column


WEIGHT_KINDS = ("analytic", "frequency")


@dataclass(frozen=True)
class Wanted:
    """What a scan is asked for."""

    named: Mapping[str, str] | None = None
    """Columns, each with its role in words; None for all that serve."""
    powers: tuple[tuple[str, int], ...] = ()
    """Columns of which whole powers are formed."""
    weights: str = ""
    weight_kind: str = ""

    @property
    def sources(self) -> list[str] | None:
        """The columns of the table that are read; None for all."""
        if self.named is None:
            return None
        weights = [self.weights] if self.weights else []
        return list(dict.fromkeys([*self.named, *(base for base, _ in self.powers), *weights]))


class Block(NamedTuple):
    """A batch as numbers: what sums are made from."""

    numbers: Floats
    """Shape (n, k), NaN where null."""
    codes: tuple[tuple[Codes, Sequence[str]], ...]
    """One pair a category: level numbers of shape (n,), -1 where null, and the levels."""
    expansions: Mapping[int, Expansion] = {}
    """By place, the exact values of the columns that take more than a double."""
    weights: Floats | None = None
    """Shape (n,), NaN where null; None where every row counts once."""

    def take(self, rows: Any, numbers: Sequence[int], categories: Sequence[int]) -> Block:
        """Some rows of some columns."""
        return Block(
            np.ascontiguousarray(self.numbers.T[list(numbers)][:, rows]).T,
            tuple((self.codes[i][0][rows], self.codes[i][1]) for i in categories),
            {
                j: self.expansions[i].take(rows)
                for j, i in enumerate(numbers)
                if i in self.expansions
            },
            None if self.weights is None else self.weights[rows],
        )


@dataclass(frozen=True)
class Design:
    """Which columns a scan reads, as what, and which it leaves out and why."""

    columns: tuple[Column, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    weights: str = ""
    """The column that says how much each row counts; none by default."""
    weight_kind: str = ""

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.kind is Kind.NUMBER)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.kind is Kind.CATEGORY)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    @property
    def reads(self) -> tuple[str, ...]:
        """The number columns of the table that it takes, the weights last."""
        sources = dict.fromkeys(c.source for c in self.columns if c.kind is Kind.NUMBER)
        return (*(name for name in sources if name != self.weights), *filter(None, [self.weights]))

    def block(self, batch: Batch, where: str, first_row: int, *, exact: bool) -> Block:
        """A batch as numbers, with the values that are no doubles where they are wanted exactly.

        ValueFoundError for a power that leaves the range of doubles.
        """
        reads, columns = self.reads, [c for c in self.columns if c.kind is Kind.NUMBER]
        table = batch.numbers(reads)
        codes = tuple(batch.codes(name) for name in self.categories)
        weights = table[:, -1] if self.weights else None
        expansions: dict[int, Expansion] = {}
        if exact:
            found = {name: batch.expansion(name) for name in reads}
            expansions = {j: e for j, c in enumerate(columns) if (e := found[c.source]) is not None}
        if not any(c.base for c in columns):
            return Block(table[:, : len(columns)], codes, expansions, weights)
        numbers = np.empty((len(columns), len(table)))
        for j, column in enumerate(columns):
            base = table[:, reads.index(column.source)]
            numbers[j] = base
            if not column.base:
                continue
            _check_power(column, base, where, first_row)
            numbers[j] = raise_rounded(base, column.power)
            if exact:
                whole = expansions.get(j, Expansion(0, (base,)))
                for part in whole.parts:
                    _check_power(column, part, where, first_row)
                expansions[j] = raise_to(whole, column.power)
        return Block(numbers.T, codes, expansions, weights)


def _check_power(column: Column, base: Floats, where: str, first_row: int) -> None:
    finite = np.isfinite(base) & (base != 0)
    size = exponents(np.where(finite, base, 1.0)) * column.power
    far = np.flatnonzero(np.abs(size) > SAFE)
    if far.size:
        row = int(far[0])
        raise ValueFoundError.power(
            column.name, column.base, float(base[row]), where, first_row + row
        )


def choose_columns(schema: Schema, wanted: Wanted) -> Design:
    """The design of a scan: the columns named, each with its role in words, or all that serve.

    With them go powers of columns, and the column that weighs the rows.

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
        if weights in (wanted.named or {}):
            raise ColumnNameError.weights_among_columns(weights)
        if wanted.weight_kind not in WEIGHT_KINDS:
            raise OptionError.unknown("weight_kind", wanted.weight_kind, WEIGHT_KINDS)
    design = _choose(schema, wanted.named, weights)
    raised = tuple(_raise(schema, base, power) for base, power in wanted.powers)
    for column in raised:
        if column.name in design.names:
            raise ColumnNameError.repeated(column.name, 2, schema.where)
    return replace(
        design,
        columns=design.columns + raised,
        weights=weights,
        weight_kind=wanted.weight_kind,
    )


def _raise(schema: Schema, base: str, power: int) -> Column:
    column = _as_number(schema.find(base, "feature"))
    if column.kind is not Kind.NUMBER:
        raise ColumnKindError.power(base, column.type_name, power)
    return Column(f"{base}^{power}", Kind.NUMBER, column.type_name, base, power)


def _choose(schema: Schema, named: Mapping[str, str] | None, weights: str) -> Design:
    if named is not None:
        chosen = [_as_number(schema.find(name, role)) for name, role in named.items()]
        for column in chosen:
            if column.kind not in (Kind.NUMBER, Kind.CATEGORY):
                raise ColumnKindError.unusable(column.name, column.type_name, column.kind)
        order = {name: i for i, name in enumerate(schema.names)}
        return Design(tuple(sorted(chosen, key=lambda column: order[column.name])))
    columns = [c for c in schema.columns if c.name != weights]
    left_out = {c.name: _why_left_out(c) for c in columns if _why_left_out(c)}
    kept = tuple(c for c in columns if c.name not in left_out)
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
