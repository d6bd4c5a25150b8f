"""What a table is: named columns of a kind, in parts, in batches of rows.

A ``Source`` knows its schema and cuts itself into parts.  A ``Part`` can be pickled, is read
on its own, and yields batches.  A ``Batch`` gives its columns in the forms that sums are made
of: numbers, levels as codes, and cells as Arrow has them, of which times are formed.  ``Reads``
says which columns are wanted in which form.  Whoever adds a source writes the first two (its
batches are mostly those of ``arrow`` or ``memory``), and everything above works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple, Protocol, Self

from ..errors import (
    ColumnKindError,
    ColumnNameError,
    ColumnNotFoundError,
    ValueFoundError,
    check_unique,
)
from ..typing import Codes
from .expansions import Expansion
from .expressions import Expression, Name, sources
from .strips import Table


class Kind(StrEnum):
    """What a column can be used as; its value is the word for it in messages."""

    NUMBER = "number"
    CATEGORY = "category"
    TIME = "time"
    NULL = "null"
    OTHER = "other"


TIMES = {
    "tz=": "time in a zone",
    "timestamp": "time without a zone",
    "date": "time without a zone",
    "time": "time of day",
}
"""What a time is called, by what the name of its type holds."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, its kind, and the name of the type it came in."""

    name: str
    kind: Kind
    type_name: str
    formed: Expression | None = None
    """What it is made of, where it is no column of the table."""
    asked: bool = True
    """Whether it was asked for; if not, it only serves the products of those that were."""

    @property
    def expression(self) -> Expression:
        """What it is, a column of the table or made of some."""
        return Name(self.name) if self.formed is None else self.formed

    @property
    def sources(self) -> list[str]:
        """The columns of the table that it is read from."""
        return sources(self.expression)

    @property
    def is_boolean(self) -> bool:
        return self.type_name == "bool"

    @property
    def word(self) -> str:
        """The kind in words; booleans and text are both categories, and do not mix.

        Nor do times that are counted otherwise.
        """
        if self.kind is Kind.TIME:
            return next((w for part, w in TIMES.items() if part in self.type_name), "duration")
        return "boolean" if self.is_boolean else str(self.kind)


@dataclass(frozen=True)
class Schema:
    """The columns of a table in their order, and where it is, in words for messages."""

    columns: tuple[Column, ...]
    where: str
    example: Callable[[str], str] | None = field(default=None, compare=False, repr=False)
    """Says where a column shows what it is: ``line 2 has 'u'``; None where that is not known."""

    def __post_init__(self) -> None:
        check_unique(filter(None, self.names), self.where)  # without one none can be asked for

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    def find(self, name: str, role: str = "feature") -> Column:
        """The column of that name; ColumnNotFoundError if there is none.

        ColumnNameError for no name at all.
        """
        if not name:
            raise ColumnNameError.nameless(role, self.where, self.names)
        column = self._by_name.get(name)
        if column:
            return column
        raise ColumnNotFoundError.of(role, name, self.where, self.names)

    def show(self, column: Column) -> str:
        """Where a column is, with a cell of it where that is known."""
        shown = self.example(column.name) if self.example else ""
        return f"{self.where} ({shown})" if shown else self.where

    def _find_both(self, other: Schema, name: str) -> None:
        """ColumnNotFoundError for a name that one of the two has not."""
        if (name in self._by_name) == (name in other._by_name):
            self.find(name)
            return
        has, lacks = (self, other) if name in self._by_name else (other, self)
        both = [own for own in self.names if own in other._by_name]
        raise ColumnNotFoundError.elsewhere(name, has.where, lacks.where, lacks.names, both)

    def join(self, other: Schema, wanted: Sequence[str] | None) -> Schema:
        """The one schema of two files: the same names, each of one kind; order is free.

        Only the columns ``wanted`` need to agree (None: all).  A column without any value
        takes the kind that the other file gives it.
        """
        names = wanted if wanted is not None else (*self.names, *other.names)
        for name in filter(None, names):
            self._find_both(other, name)
        joined, asked = [], frozenset(names)
        for column in self.columns:
            if column.name not in asked:
                continue
            twin = other.find(column.name) if column.name else column
            unused = wanted is None and column.kind is twin.kind is Kind.TIME
            if column.kind is Kind.NULL:
                joined.append(twin)
            elif twin.kind is Kind.NULL or twin.word == column.word or unused:
                joined.append(column)
            else:
                first, second = self.show(column), other.show(twin)
                written = self.example is not None and other.example is not None
                raise ColumnKindError.differs(
                    column.name, first, column.word, second, twin.word, written=written
                )
        return Schema(tuple(joined), self.where, self.example)


class Batch(Protocol):
    """Some rows of a table."""

    @property
    def n_rows(self) -> int:
        """How many."""
        ...

    def numbers(self, names: Sequence[str]) -> Table:
        """Number columns as float64, shape (n_rows, len(names)), nulls as NaN.

        To read only, and only until the next batch is asked for.
        """
        ...

    def expansion(self, name: str) -> Expansion | None:
        """A number column's exact values; None where ``numbers`` gives them exactly.

        Anything where null.
        """
        ...

    def codes(self, name: str) -> tuple[Codes, Sequence[str]]:
        """A category as level numbers, shape (n_rows,), null as -1, and the levels they number."""
        ...

    def cells(self, name: str) -> Any:
        """Any column that was asked for, as it is, as an Arrow array."""
        ...


class Reads(NamedTuple):
    """The columns of a table that are read, by what is wanted of them."""

    numbers: tuple[str, ...] = ()
    """Given by :meth:`Batch.numbers`."""
    categories: tuple[str, ...] = ()
    """Given by :meth:`Batch.codes`."""
    times: tuple[str, ...] = ()
    """Given by :meth:`Batch.cells`, as times of Arrow's."""
    cells: tuple[str, ...] = ()
    """Given by :meth:`Batch.cells`, as they are in the table."""

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys(chain(*self)))

    def join(self, *others: Reads) -> Reads:
        """What any of them reads, in the order of the first that does."""
        every = zip(self, *others, strict=True)
        return Reads(*(tuple(dict.fromkeys(chain(*names))) for names in every))


class Part(Protocol):
    """A piece of a table that is read on its own, perhaps in another process."""

    @property
    def where(self) -> str:
        """Its file or table, in words for messages."""
        ...

    @property
    def first_row(self) -> int:
        """Number of its first row within ``where``, counted from 1."""
        ...

    @property
    def size(self) -> float:
        """Its length in the unit of its source (rows or bytes), for progress."""
        ...

    def batches(self, reads: Reads) -> Iterator[tuple[Batch, float]]:
        """Its rows front to back, with the share of the part that is read after each batch."""
        ...


def tell_infinite(part: Part, value: float, name: str, row: int) -> Exception:
    """The error for an infinity in a part, as it is written there where the part knows that."""
    tell = getattr(part, "tell_infinite", None)
    told: Exception | None = tell(value, name, row) if tell else None
    return told or ValueFoundError.infinite(value, name, part.where, row)


def name_whole(part: Part) -> str:
    """The table that something is a part of, in words for messages."""
    return str(getattr(part, "whole", part.where))


@dataclass(frozen=True)
class WrappedPart:
    """A part that gives the rows of another in a form of its own.

    Its place, size and identity are those of the part inside.
    """

    inner: Part

    @property
    def where(self) -> str:
        return self.inner.where

    @property
    def first_row(self) -> int:
        return self.inner.first_row

    @property
    def size(self) -> float:
        return self.inner.size

    @property
    def identity(self) -> str:
        """That of the part inside; empty where it has none."""
        return str(getattr(self.inner, "identity", ""))

    @property
    def whole(self) -> str:
        """The table that it is a part of, in words for messages."""
        return name_whole(self.inner)

    @property
    def state(self) -> Any:
        """That of the part inside; None where its identity says it all."""
        return getattr(self.inner, "state", None)

    def from_anywhere(self) -> Self:
        """The same for another process, which may run in another folder."""
        moved = getattr(self.inner, "from_anywhere", None)
        return replace(self, inner=moved()) if moved else self


class Source(Protocol):
    """A table that can be read."""

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        """Names and kinds; where only the columns ``wanted`` matter, the rest may be absent."""
        ...

    def parts(self) -> Sequence[Part]:
        """The pieces, whose rows together are the table's, each once."""
        ...


def beneath(batch: Any, name: str, default: Any) -> Any:
    """What a batch, or the one that it was made of, knows by that name."""
    while not hasattr(batch, name) and hasattr(batch, "batch"):
        batch = batch.batch
    return getattr(batch, name, default)


def allow_mixed(source: Any, names: Iterable[str]) -> Any:
    """A source in which these columns are text where they hold numbers and text."""
    chosen, own = frozenset(names), getattr(source, "allow_mixed", None)
    return own(chosen) if chosen and own else source


def count_numbers(source: Any, wanted: Sequence[str] | None) -> int:
    """How many columns are numbers, where a source tells that sooner than its schema; else 0."""
    own = getattr(source, "count_numbers", None)
    return int(own(wanted)) if own else 0


def remarks_of(source: Any, reads: Reads) -> list[str]:
    """What a source took for granted in giving some columns."""
    own = getattr(source, "remarks", None)
    return list(own(reads)) if own else []
