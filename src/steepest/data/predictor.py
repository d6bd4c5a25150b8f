"""The linear predictor of a model, applied to rows: what is null, what has not been seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError, ValueFoundError
from ..typing import Codes, Floats
from .casting import Casts, find_casts
from .design import read_for
from .expressions import BETWEEN, Product, label, times_of
from .forming import Rows, rows_of
from .table import Batch, Column, Kind, Part, Reads, Schema, Source, remarks_of, tell_infinite
from .terms import RARE, Term, settle

UNSEEN = ("refuse", "null", "reference")
"""What a level can be taken for that the model has not seen."""


@dataclass(frozen=True)
class Manner:
    """How rows are met that a model was not fitted on.

    ``unseen``: a level that the fit has not seen is refused, gives a null, or counts as the
    reference level.  ``strict``: a null in a used column is refused instead of giving a null.
    ``flag_extrapolation``: numbers outside of those that the fit has seen are looked for.
    """

    unseen: str = "refuse"
    strict: bool = False
    flag_extrapolation: bool = False
    rows_unseen: Counter[str] = field(default_factory=Counter, compare=False)
    """Rows with an unseen level by column, counted while rows are predicted."""
    last_unseen: dict[str, NDArray[np.bool_]] = field(default_factory=dict, compare=False)
    """Which rows of the last batch these were, by column."""

    def __post_init__(self) -> None:
        if self.unseen not in UNSEEN:
            raise OptionError.unknown("unseen", self.unseen, UNSEEN)


@dataclass(frozen=True)
class Group:
    """Terms that differ in their level alone, and what each counts."""

    number: str
    category: str
    values: Mapping[str, float]
    """By level; ``""`` where there is no category."""
    fills: Mapping[str, float]
    """What a null adds, by level too; without an entry it stays a null."""


@dataclass(frozen=True)
class LinearPredictor:
    """η = b + Σ wⱼ xⱼ, added up column by column in a fixed order.

    A sum in a fixed order gives each row the same bits whatever rows stand beside it; a
    matrix product would not.  Rows with a null in a used column give NaN, where the fit did not
    put a mean in its place.
    """

    intercept: float
    terms: tuple[Term, ...]
    coef: tuple[float, ...]
    columns: Mapping[str, Column]
    """What the columns of the terms and of the offset are."""
    references: Mapping[str, tuple[str, ...]]
    """For each category used, the levels whose coefficient is 0: its reference, if it has one."""
    pooled: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each category, the levels that count as the one of rare levels."""
    fills: tuple[float | None, ...] = ()
    """For each term what stands in the place of a null."""
    missing: str = "drop"
    nulls_met: tuple[str, ...] = ()
    """The columns in which the rows of the fit had nulls."""
    offset: str = ""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Between which values the columns of numbers lay in the fit."""

    @cached_property
    def used(self) -> dict[str, Column]:
        """The columns that a prediction takes."""
        names = [name for term in self.terms for name in term.columns]
        return {name: self.columns[name] for name in (*names, *filter(None, [self.offset]))}

    @cached_property
    def reads(self) -> Reads:
        """What it takes from a table."""
        found = [read_for(column.expression, column.kind) for column in self.used.values()]
        return Reads().join(*found)

    @property
    def categories(self) -> list[str]:
        """The columns, crossed ones too, whose levels it looks up."""
        return list(self._first_of)

    def note_reads(self, source: Source) -> list[str]:
        """What a table takes for granted in giving what it takes."""
        return remarks_of(source, self.reads)

    @property
    def sources(self) -> list[str]:
        """The columns of a table that it needs."""
        return list(dict.fromkeys(n for column in self.used.values() for n in column.sources))

    @cached_property
    def groups(self) -> list[Group]:
        """The terms by what they have in common: numbers first, as they stand, then levels."""
        fills = self.fills or (None,) * len(self.terms)
        found: dict[tuple[str, str], tuple[dict[str, float], dict[str, float]]] = {}
        for term, value, fill in zip(self.terms, self.coef, fills, strict=True):
            if not term.null:
                values, means = found.setdefault((term.number, term.category), ({}, {}))
                values[term.level] = value
                if fill is not None:
                    means[term.level] = value * fill
        groups = [Group(*key, *own) for key, own in found.items()]
        return sorted(groups, key=lambda group: bool(group.category))

    def __call__(self, batch: Batch, part: Part, first_row: int, manner: Manner) -> Floats:
        """Predictions for a batch of a part, shape (n_rows,).

        ValueFoundError for an infinity and a value that is not defined, and at an unseen level or
        a null where the manner is to refuse them.
        """
        manner.last_unseen.clear()
        rows = rows_of(batch, self.reads.numbers, part.where, first_row)
        for name, values in rows.numbers.items():
            infinite = np.isinf(values)
            if infinite.any():
                value = float(values[np.argmax(infinite)])
                raise tell_infinite(part, value, name, rows.row(infinite))
        eta = np.full(batch.n_rows, self.intercept)
        if self.offset:
            eta += self._form(rows, self.offset, manner, fills=False)
        for group in self.groups:
            if not group.category:
                eta += self._add_number(rows, group, manner)
            else:
                eta += self._add_levels(rows, group, manner)
        for term, value in zip(self.terms, self.coef, strict=True):
            if term.null:
                eta += value * self._is_null(rows, term.category)
        return eta

    def find_outside(self, batch: Batch, where: str, first_row: int) -> NDArray[np.bool_]:
        """Rows in which a number lies outside of what the fit has seen, shape (n_rows,)."""
        rows = rows_of(batch, self.reads.numbers, where, first_row)
        outside = np.zeros(batch.n_rows, dtype=bool)
        for name in dict.fromkeys(term.number for term in self.terms if term.number):
            low, high = self.ranges.get(name, (-np.inf, np.inf))
            values = rows.form(self.columns[name].expression)[0]
            outside |= (values < low) | (values > high)
        return outside

    def _form(self, rows: Rows, name: str, manner: Manner, *, fills: bool) -> Floats:
        values = rows.form(self.columns[name].expression)[0]
        if manner.strict and not fills:
            _refuse_null(np.isnan(values), name, rows)
        return values

    def _is_null(self, rows: Rows, name: str) -> NDArray[np.bool_]:
        column = self.columns[name]
        if column.kind is Kind.CATEGORY:
            return rows.codes(column.expression)[0] < 0
        return np.isnan(rows.form(column.expression)[0])

    def _add_number(self, rows: Rows, group: Group, manner: Manner) -> Floats:
        fill = group.fills.get("")
        values = self._form(rows, group.number, manner, fills=fill is not None)
        added = group.values[""] * values
        return added if fill is None else np.where(np.isnan(values), fill, added)

    def _add_levels(self, rows: Rows, group: Group, manner: Manner) -> Floats:
        codes, levels = self._pool(group.category, *rows.codes(self._expression(group.category)))
        null = codes < 0
        gone = null.copy()
        added: Floats = self._look_up(group, codes, levels, rows, manner)
        if group.number:
            values = rows.form(self._expression(group.number))[0]
            gone |= np.isnan(values)
            with np.errstate(invalid="ignore"):
                added = added * values
        if not gone.any():
            return added
        # A null adds what its terms' means add; with an indicator, an unknown level adds nothing.
        total = sum(group.fills.values()) if group.fills else np.nan
        marked = self.missing == "indicator"
        level = total
        if marked:
            level = 0.0 if group.category in self.nulls_met else np.nan
            total = total if group.number in self.nulls_met else np.nan
        if manner.strict:
            _refuse_null(null & np.isnan(level), group.category, rows)
            _refuse_null(gone & ~null & np.isnan(total), group.number, rows)
        return np.where(null, level, np.where(gone, total, added))

    def _expression(self, name: str) -> Any:
        return self.columns[name].expression

    def _pool(self, name: str, codes: Codes, levels: Sequence[str]) -> tuple[Codes, Sequence[str]]:
        """Levels as the model knows them."""
        parts = _parts(self.columns[name])
        gone = [frozenset(self.pooled.get(part, ())) for part in parts]
        if not any(gone):
            return codes, levels
        split = (level.split(BETWEEN) if len(parts) > 1 else [level] for level in levels)
        return codes, [
            BETWEEN.join(RARE if v in own else v for v, own in zip(found, gone, strict=True))
            for found in split
        ]

    def _look_up(
        self, group: Group, codes: Codes, levels: Sequence[str], rows: Rows, manner: Manner
    ) -> Floats:
        """What each row's level counts; 0 for a null."""
        name = group.category
        known = {**dict.fromkeys(self.references.get(name, ()), 0.0), **group.values}
        values = np.array([known.get(level, 0.0) for level in levels] + [0.0])
        new = np.array([level not in self._seen[name] for level in levels] + [False])
        met: NDArray[Any] = new[codes]  # the code of a null, -1, picks what stands at the end
        if met.any():
            row = int(np.argmax(met))
            if manner.unseen == "refuse":
                level = levels[int(codes[row])].replace(BETWEEN, ", ")
                seen = sorted(level.replace(BETWEEN, ", ") for level in self._seen[name])
                raise ValueFoundError.unseen(name, level, rows.where, rows.row(met), seen)
            if group is self._first_of[name]:
                manner.rows_unseen[name] += int(np.count_nonzero(met))
                manner.last_unseen[name] = met
            if manner.unseen == "null":
                values[new] = np.nan
        return values[codes]

    @cached_property
    def _seen(self) -> dict[str, set[str]]:
        """The levels that the fit has met, by category."""
        seen = {name: {*levels} for name, levels in self.references.items()}
        for term in self.terms:
            if term.category and not term.null:
                seen.setdefault(term.category, set()).add(term.level)
        return seen

    @cached_property
    def _first_of(self) -> dict[str, Group]:
        """The first group of each category, so that its rows are counted once."""
        return {group.category: group for group in reversed(self.groups)}


def _parts(column: Column) -> list[str]:
    expression = column.expression
    factors = expression.factors if isinstance(expression, Product) else (expression,)
    return [label(factor) for factor in factors]


def _refuse_null(null: NDArray[np.bool_], name: str, rows: Rows) -> None:
    if null.any():
        raise ValueFoundError.null(name, rows.where, rows.row(null))


def check_columns(predictor: LinearPredictor, schema: Schema) -> Casts:
    """Refuse a table without a column that the model needs, or of a kind that cannot be used.

    Returns what is to be taken over from another kind.
    """
    casts = find_casts(predictor.reads, schema)
    for column in predictor.used.values():
        expression = column.expression
        for factor in expression.factors if isinstance(expression, Product) else (expression,):
            if times_of(factor):
                settle(factor, schema.find)
    return casts
