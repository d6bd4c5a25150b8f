"""What moments hold, apart from where it came from: the part of them that has an identity."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from ..data.table import Column, Kind
from ..errors import MomentsError
from .encoding import encode_content
from .matching import join_columns
from .patterns import Patterns


@dataclass(frozen=True, repr=False, eq=False)
class Content:
    """Columns, and the sums of their rows: what equality and the fingerprint go by."""

    columns: tuple[Column, ...] = ()
    patterns: Patterns = field(default_factory=dict)
    precision: str = "double"
    weights: str = ""
    weight_kind: str = ""
    condition: str = ""
    """What rows had to meet; empty for all."""
    filtered: int = 0
    """Rows that did not."""

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in the table's order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """A column by its name, which must be there."""
        return next(column for column in self.columns if column.name == name)

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns of numbers, in the table's order: the order of ``mean`` and ``scatter``."""
        return tuple(c.name for c in self.columns if c.kind is Kind.NUMBER)

    @property
    def categories(self) -> tuple[str, ...]:
        """The columns of levels, in the table's order."""
        return tuple(c.name for c in self.columns if c.kind is Kind.CATEGORY)

    @property
    def n_read(self) -> int:
        """Rows read, nulls or not, taken or not."""
        return self.filtered + sum(sums.n_rows for sums in self.patterns.values())

    @property
    def n_rows(self) -> int:
        """Rows without a null in any column."""
        complete = self.patterns.get(frozenset())
        return complete.n_rows if complete else 0

    @property
    def weighing(self) -> str:
        """The weights in words: ``analytic weights 'w'``, or ``no weights``."""
        return f"{self.weight_kind} weights '{self.weights}'" if self.weights else "no weights"

    def match(self, other: Content) -> tuple[Column, ...]:
        """The columns of both; MomentsError, ColumnKindError for what cannot be added."""
        columns = join_columns(self.columns, other.columns)
        if self.precision != other.precision:
            raise MomentsError.precision(self.precision, other.precision)
        if self.weighing != other.weighing:
            raise MomentsError.weights(self.weighing, other.weighing)
        if self.condition != other.condition:
            raise MomentsError.filters(self.condition, other.condition)
        return columns

    def __eq__(self, other: object) -> bool:
        """Whether exact moments hold the same sums, whatever way they were made."""
        if isinstance(other, Content) and self._is_exact and other._is_exact:
            return self.digest == other.digest
        return self is other

    def __hash__(self) -> int:
        return hash(frozenset(self.names))

    @property
    def _is_exact(self) -> bool:
        return self.precision == "exact" or not self.columns

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the exact sums, in hexadecimal: equal for equal sums, and only for those.

        It goes by names, kinds and values: not by the order of rows or columns, the way the rows
        were split, the types they came in, or where they came from.  MomentsError for sums in
        double precision, which depend on the way they were made.
        """
        if not self._is_exact:
            raise MomentsError.not_exact()
        return self.digest

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the sums in whatever precision."""
        sha = hashlib.sha256()
        for piece in self.encode():
            sha.update(piece)
        return sha.hexdigest()

    def encode(self) -> Iterator[bytes]:
        """The sums as bytes, of which the fingerprint is taken: ``docs/moments-file.md``."""
        return encode_content(self)
