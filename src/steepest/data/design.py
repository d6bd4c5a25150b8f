"""Columns become a design: a batch of a table becomes a block of numbers and codes of levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..typing import Codes, Floats
from .conditions import parse_condition
from .expansions import Expansion
from .expressions import Expression, Name, Power, Product, sources, times_of
from .filters import select
from .forming import Rows, rows_of
from .strips import Strips, Table, columns_of, first_columns
from .table import Batch, Column, Kind, Reads, beneath
from .wholes import Rests

LEVELS_UNASKED = 1_000
"""A text column with more levels than this stays out of a scan that did not name it."""

MOST_LEVELS = 1_000_000
"""A category of more levels is refused unless a scan is told to take it."""


class Block(NamedTuple):
    """A batch as numbers: what sums are made from."""

    table: Table
    """Numbers, shape (n, k), NaN where null."""
    codes: tuple[tuple[Codes, Sequence[str]], ...]
    """One pair a category: level numbers of shape (n,), -1 where null, and the levels."""
    expansions: Mapping[int, Expansion] = {}
    """By place, the exact values of the columns that take more than a double."""
    weights: Floats | None = None
    """Shape (n,), NaN where null; None where every row counts once."""
    places: NDArray[np.int64] | None = None
    """Which rows of the batch were taken; None for all."""
    rounded: frozenset[str] | None = None
    """Columns of which whole numbers were rounded; None where values alone tell."""

    @property
    def numbers(self) -> Floats:
        """The numbers as an array, shape (n, k)."""
        return np.asarray(self.table)

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
            rounded=self.rounded,
        )

    def keep(self) -> Block:
        """The same in memory of its own: that of a batch is used again for the next."""
        if isinstance(self.table, np.ndarray):
            table: Table = self.table.copy("K")
        else:
            columns = [column.copy() for column in self.table.columns]
            table = Strips(columns, len(self.table))
        weights = None if self.weights is None else self.weights.copy()
        return self._replace(table=table, weights=weights)

    def pick(self, rows: Any) -> Block:
        """Some rows of all columns, by their places or a slice of them."""
        return Block(
            self.table[rows] if isinstance(rows, slice) else _pick_rows(self.table, rows),
            tuple((codes[rows], levels) for codes, levels in self.codes),
            {j: expansion.take(rows) for j, expansion in self.expansions.items()},
            None if self.weights is None else self.weights[rows],
            rounded=self.rounded,
        )


def _pick_rows(table: Table, rows: NDArray[np.int64]) -> Floats:
    if isinstance(table, np.ndarray) and table.flags.c_contiguous:
        return np.take(table, rows, axis=0)
    columns = np.empty((table.shape[1], len(rows)))
    for own, column in zip(columns, columns_of(table), strict=True):
        np.take(column, rows, out=own, mode="clip")
    return columns.T


def join_blocks(blocks: Sequence[Block]) -> Block:
    """The rows of blocks of the same columns, none of which takes more than a double."""
    if len(blocks) == 1:
        return blocks[0]
    length = sum(len(block.table) for block in blocks)
    weights = [block.weights for block in blocks if block.weights is not None]
    tables = [block.table for block in blocks]
    if all(isinstance(table, np.ndarray) and table.flags.c_contiguous for table in tables):
        joined: Table = np.concatenate(tables)
    else:
        columns = zip(*(columns_of(table) for table in tables), strict=True)
        joined = Strips([np.concatenate(own) for own in columns], length)
    return Block(
        joined,
        tuple(_join_codes(own) for own in zip(*(block.codes for block in blocks), strict=True)),
        weights=np.concatenate(weights) if weights else None,
        rounded=_join_rounded([block.rounded for block in blocks]),
    )


def _join_rounded(found: Sequence[frozenset[str] | None]) -> frozenset[str] | None:
    told = [own for own in found if own is not None]
    return frozenset().union(*told) if told else None


def _join_codes(found: Sequence[tuple[Codes, Sequence[str]]]) -> tuple[Codes, Sequence[str]]:
    levels = found[0][1]
    if all(own is levels for _, own in found):
        return np.concatenate([codes for codes, _ in found]), levels
    known: dict[str, int] = {}
    moved = []
    for codes, own in found:
        at = [known.setdefault(level, len(known)) for level in own]
        moved.append(np.array([*at, -1], dtype=np.int32)[codes])
    return np.concatenate(moved), list(known)


@dataclass(frozen=True)
class Selected:
    """Some rows of a batch."""

    batch: Batch
    at: NDArray[np.int64]

    @property
    def n_rows(self) -> int:
        return len(self.at)

    def numbers(self, names: Sequence[str]) -> Table:
        return self.batch.numbers(names)[self.at]

    def expansion(self, name: str) -> Expansion | None:
        found = self.batch.expansion(name)
        return None if found is None else found.take(self.at)

    def codes(self, name: str) -> tuple[Codes, Sequence[str]]:
        codes, levels = self.batch.codes(name)
        return codes[self.at], levels

    def cells(self, name: str) -> Any:
        import pyarrow as pa

        return self.batch.cells(name).take(pa.array(self.at))


@dataclass(frozen=True)
class Design:
    """Which columns a scan reads, as what, and which it leaves out and why."""

    columns: tuple[Column, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    weights: str = ""
    """The column that says how much each row counts; none by default."""
    weight_kind: str = ""
    where: str = ""
    """The condition that rows meet; empty for all."""
    looked: Reads | None = None
    """What the condition looks at."""
    max_levels: int = MOST_LEVELS

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.kind is Kind.NUMBER)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.kind is Kind.CATEGORY)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    @cached_property
    def reads(self) -> Reads:
        """The columns that it reads: plain numbers first, in their order, the weights last."""
        plain = [c.name for c in self.columns if c.kind is Kind.NUMBER and c.formed is None]
        every = [read_for(column.expression, column.kind) for column in self.columns]
        found = Reads(tuple(plain)).join(*every, *filter(None, [self.looked]))
        if not self.weights:
            return found
        rest = tuple(name for name in found.numbers if name != self.weights)
        return found._replace(numbers=(*rest, self.weights))

    def block(self, batch: Batch, where: str, first_row: int, *, exact: bool) -> Block:
        """The rows of a batch that meet the condition, as numbers.

        With them the values that are no doubles, where they are wanted exactly.
        ValueFoundError for a value that cannot be formed.
        """
        places = None
        if self.looked:
            rows = rows_of(batch, self.reads.numbers, where, first_row, exact=True)
            places = np.flatnonzero(select(parse_condition(self.where), rows, self.looked))
            batch = Selected(batch, places)
        names, columns = self.reads.numbers, [c for c in self.columns if c.kind is Kind.NUMBER]
        table = batch.numbers(names)
        numbers = dict(zip(names, columns_of(table), strict=True))
        rows = Rows(batch, where, first_row, numbers, exact, places)
        categories = [c for c in self.columns if c.kind is Kind.CATEGORY]
        codes = tuple(rows.codes(c.expression) for c in categories)
        weights = numbers[self.weights] if self.weights else None
        rounded = _find_rounded(batch, columns, exact=exact)
        if all(c.formed is None and c.name != self.weights for c in columns):
            found = [batch.expansion(c.name) if exact else None for c in columns]
            expansions = {j: e for j, e in enumerate(found) if e is not None}
            first = first_columns(table, len(columns))
            return Block(first, codes, expansions, weights, places, rounded)
        formed = [rows.form(c.expression) for c in columns]
        values = np.array([value for value, _ in formed])
        expansions = {j: e for j, (_, e) in enumerate(formed) if e is not None and exact}
        return Block(values.T, codes, expansions, weights, places, rounded)


def _find_rounded(batch: Batch, columns: Sequence[Column], *, exact: bool) -> frozenset[str] | None:
    """The columns of which some whole number is rounded; None where the batch does not tell."""
    rests: Rests | None = beneath(batch, "rests", None)
    if rests is None:
        return None
    names = rests.rounded if exact else rests.rounded | rests.large.keys()
    return frozenset(c.name for c in columns if not names.isdisjoint(c.sources))


def read_for(expression: Expression, kind: Kind) -> Reads:
    """What a column made of others reads."""
    if times_of(expression) == sources(expression):
        return Reads(times=tuple(times_of(expression)))
    if isinstance(expression, Name):
        names = (expression.name,)
        return Reads(categories=names) if kind is Kind.CATEGORY else Reads(names)
    if isinstance(expression, Product):
        return Reads().join(*(read_for(factor, kind) for factor in expression.factors))
    inner = expression.base if isinstance(expression, Power) else expression.argument
    return read_for(inner, Kind.NUMBER)
