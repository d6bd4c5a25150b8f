"""Parquet files, read by row groups, in batches, without Arrow's own threads."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SourceError
from .arrow import ArrowBatch, arrow_schema, batch_rows
from .table import Batch, Schema

if TYPE_CHECKING:
    from pyarrow import parquet

PART_ROWS = 1 << 17
"""Short row groups are read together until they have so many rows."""

READ_BYTES = 1 << 20
"""Each column of a row group is read in pieces of this size, not whole."""


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file as a source, or some of its row groups as a part."""

    path: str
    groups: tuple[int, ...] = ()
    first_row: int = 1
    n_rows: int = 0

    @property
    def where(self) -> str:
        return f"'{self.path}'"

    @property
    def size(self) -> float:
        return self.n_rows

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        del wanted
        with self._translated(), self._open() as file:
            return arrow_schema(file.schema_arrow, self.where)

    def range_of(self, name: str) -> tuple[float, float] | None:
        """The smallest and largest of a column of plain numbers, where its statistics say so."""
        with self._translated(), self._open() as file:
            names = file.schema_arrow.names
            if name not in names or file.metadata.num_columns != len(names):  # some are nested
                return None
            bounds: list[float] = []
            for group in range(file.metadata.num_row_groups):
                found = file.metadata.row_group(group).column(names.index(name)).statistics
                if found is None or not found.has_min_max:
                    return None
                bounds += [found.min, found.max]
        plain = all(type(bound) in (int, float) and math.isfinite(bound) for bound in bounds)
        if not bounds or not plain:
            return None
        return float(min(bounds)), float(max(bounds))

    def parts(self) -> Sequence[ParquetFile]:
        with self._translated(), self._open() as file:
            lengths = [
                file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)
            ]
        parts, groups, rows, first = [], [], 0, 1
        for i, length in enumerate(lengths):
            groups.append(i)
            rows += length
            if rows >= PART_ROWS or i == len(lengths) - 1:
                parts.append(ParquetFile(self.path, tuple(groups), first, rows))
                groups, first, rows = [], first + rows, 0
        return parts

    def batches(
        self,
        numbers: Sequence[str],
        categories: Sequence[str],
        cells: Sequence[str] = (),
        times: Sequence[str] = (),
    ) -> Iterator[tuple[Batch, float]]:
        names = list(dict.fromkeys([*numbers, *categories, *cells, *times]))
        rows, done = batch_rows(len(names)), 0
        room = np.empty((len(numbers), rows))
        known: dict[str, Any] = {}
        with self._translated(), self._open(self._find_texts({*categories} - {*cells})) as file:
            for batch in file.iter_batches(
                batch_size=rows,
                row_groups=list(self.groups),
                columns=names,
                use_threads=False,
            ):
                done += batch.num_rows
                yield ArrowBatch(batch, room, known), done / max(self.n_rows, 1)

    def _find_texts(self, categories: Collection[str]) -> list[str]:
        """Columns of text, which the file holds as codes and texts, and may be read as such."""
        from pyarrow import types

        if not categories:
            return []
        with self._open() as file:
            schema = file.schema_arrow
        return [name for name in categories if types.is_string(schema.field(name).type)]

    def _open(self, texts: Sequence[str] = ()) -> parquet.ParquetFile:
        from pyarrow import parquet

        return parquet.ParquetFile(
            self.path,
            read_dictionary=list(texts) or None,
            pre_buffer=False,
            buffer_size=READ_BYTES,
            page_checksum_verification=True,
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Arrow's errors in the house's own words."""
        import pyarrow as pa

        try:
            yield
        except SourceError:
            raise
        except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise SourceError.unreadable(self.path, "Parquet", reason) from None
