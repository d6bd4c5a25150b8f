"""The first rows of a table, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..data.design import Selected
from ..data.table import Batch, Part, Reads, Schema, Source, allow_mixed, remarks_of


@dataclass(frozen=True)
class FirstRows:
    """A source's first rows, in the order of its parts; all, where it has fewer."""

    source: Source
    rows: int

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        found = self.source.schema(wanted)
        return replace(found, where=f"the first {self.rows:,} rows of {found.where}")

    def allow_mixed(self, names: frozenset[str]) -> FirstRows:
        """The same, in which these columns are text where they hold numbers and text."""
        return replace(self, source=allow_mixed(self.source, names))

    def remarks(self, reads: Reads) -> list[str]:
        """What was taken for granted in giving these columns."""
        return remarks_of(self.source, reads)

    def parts(self) -> Sequence[Part]:
        parts = tuple(self.source.parts())
        return [FirstPart(parts, self.rows)] if parts else []


@dataclass(frozen=True)
class FirstPart:
    """Parts read one after another, until there are rows enough."""

    parts: tuple[Part, ...]
    rows: int

    @property
    def where(self) -> str:
        return self.parts[0].where

    @property
    def first_row(self) -> int:
        return self.parts[0].first_row

    @property
    def size(self) -> float:
        return float(self.rows)

    def batches(self, reads: Reads) -> Iterator[tuple[Batch, float]]:
        left = self.rows
        for part in self.parts:
            for batch, _ in part.batches(reads):
                taken: Batch = batch
                if batch.n_rows > left:
                    taken = Selected(batch, np.arange(left))
                left -= taken.n_rows
                yield taken, 1 - left / self.rows
                if not left:
                    return
