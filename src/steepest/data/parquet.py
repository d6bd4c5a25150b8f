"""Parquet files, read by row groups, in batches, without Arrow's own threads."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..errors import SourceError
from .arrow import ArrowBatch, arrow_schema, batch_rows
from .file import File, gather_groups
from .places import Place, measure, open_bytes
from .table import Batch, Reads, Schema

if TYPE_CHECKING:
    from pyarrow import parquet

PART_ROWS = 1 << 17
"""Short row groups are read together until they have so many rows."""

READ_BYTES = 1 << 14
"""Columns of a row group are read page by page; larger pieces would be copied once more."""

WHOLE_BYTES = 1 << 24
"""Columns of a row group up to here are read whole: then no page can claim to be larger than that.

Arrow makes room for as many bytes as the head of a page says, damaged or not.
"""

FAR_BYTES = 1 << 21
"""Bytes of a column that are read at once from a store, where each piece is a request."""


INDEX_BYTES = 1 << 20
"""Indexes of pages and other bytes between the last column and the footer, about."""

MAGIC = b"PAR1"
"""What a Parquet file begins and ends with."""


def check_start(path: Any, metadata: Any) -> None:
    """Arrow's own error where a file stands behind another, whose rows would be read for its own.

    A footer counts bytes from the start of its own file.  Where it stands further behind the last
    column than indexes take, that start is not where this file begins.
    """
    import pyarrow as pa

    footer = measure(path) - metadata.serialized_size - 8
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)[-1:]]
    columns = [group.column(i) for group in groups for i in range(metadata.num_columns)]
    starts = [one.dictionary_page_offset or one.data_page_offset for one in columns]
    ends = [a + one.total_compressed_size for a, one in zip(starts, columns, strict=True)]
    start = footer - max(ends, default=len(MAGIC))
    if start < 2 * len(MAGIC):
        return
    first = max(0, start - INDEX_BYTES)
    with open_bytes(path) as file:
        found = bytes(file.read_at(start + len(MAGIC) - first, first)).rfind(2 * MAGIC)
    if found >= 0:
        size = first + found + len(MAGIC)
        raise pa.ArrowInvalid(f"it begins with another Parquet file of {size:,} bytes")


@dataclass(frozen=True)
class ParquetFile(File):
    """A Parquet file as a source, or some of its row groups as a part."""

    groups: tuple[int, ...] = ()
    first_row: int = 1
    n_rows: int = 0

    format: ClassVar[str] = "Parquet"

    @property
    def size(self) -> float:
        return self.n_rows

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        del wanted
        with self.reading(), self._open() as file:
            return arrow_schema(file.schema_arrow, self.where)

    @property
    def known_rows(self) -> int:
        """How many rows a part has."""
        return self.n_rows

    def range_of(self, name: str) -> tuple[float, float] | None:
        """The smallest and largest of a column of plain numbers, where its statistics say so."""
        with self.reading(rows=True), self._open() as file:
            names = file.schema_arrow.names
            if name not in names or file.metadata.num_columns != len(names):  # some are nested
                return None
            if self._is_sealed(file.metadata):
                return None
            bounds: list[float] = []
            for group in self.groups or range(file.metadata.num_row_groups):
                found = file.metadata.row_group(group).column(names.index(name)).statistics
                if found is None or not found.has_min_max:
                    return None
                bounds += [found.min, found.max]
        plain = all(type(bound) in (int, float) and math.isfinite(bound) for bound in bounds)
        if not bounds or not plain:
            return None
        return float(min(bounds)), float(max(bounds))

    def parts(self) -> Sequence[ParquetFile]:
        with self.reading(), self._open() as file:
            if not self._is_sealed(file.metadata):
                check_start(self.path, file.metadata)
            lengths = [
                file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)
            ]
        return [
            replace(self, groups=groups, first_row=first, n_rows=rows)
            for groups, first, rows in gather_groups(lengths, PART_ROWS)
        ]

    def batches(self, reads: Reads) -> Iterator[tuple[Batch, float]]:
        names = list(reads.names)
        rows, done = batch_rows(len(names)), 0
        room = np.empty((len(reads.numbers), rows))
        known: dict[str, Any] = {}
        with self.reading(rows=True), self._open_for({*reads.categories} - {*reads.cells}) as file:
            for batch in file.iter_batches(
                batch_size=rows,
                row_groups=list(self.groups),
                columns=names,
                use_threads=False,
            ):
                for name in names:
                    if name not in reads.numbers:  # codes without a value, bytes that are no text
                        batch.column(name).validate(full=True)
                done += batch.num_rows
                yield ArrowBatch(batch, room, known), done / max(self.n_rows, 1)

    def explain(self, message: str) -> Exception:
        """The error to raise for one of Arrow's."""
        if "crypt" not in message:
            return super().explain(message)
        opened = f"pyarrow.parquet.ParquetFile({str(self.path)!r}, decryption_properties=...)"
        return SourceError.unreadable(
            self.name,
            self.format,
            "It is encrypted, or some of the columns are that are asked for",
            f"steepest.scan({opened}.iter_batches()), with your keys",
        )

    def _open_for(self, categories: Collection[str]) -> parquet.ParquetFile:
        """The file, to read its row groups; texts that it holds as codes and texts, as such."""
        from pyarrow import types

        with self._open() as file:
            schema, data = file.schema_arrow, file.metadata
        texts = [name for name in categories if types.is_string(schema.field(name).type)]
        if texts:
            known = set() if self._is_sealed(data) else self._find_coded(data, schema.names, texts)
            texts = [name for name in texts if name in known]
        size = max((data.row_group(group).total_byte_size for group in self.groups), default=0)
        return self._open(texts, data, whole=size <= WHOLE_BYTES)

    def _find_coded(
        self, data: parquet.FileMetaData, names: Sequence[str], texts: Sequence[str]
    ) -> set[str]:
        """Those columns of text that are not packed in a way that Arrow cannot read as codes."""
        is_flat = data.num_columns == len(names)  # else leaves of others may be called alike
        places = map(names.index, texts) if is_flat else range(data.num_columns)
        return set(texts) - {
            column.path_in_schema
            for place in places
            for column in (data.row_group(group).column(place) for group in self.groups)
            if any(encoding.startswith("DELTA") for encoding in column.encodings)
        }

    def _is_sealed(self, data: parquet.FileMetaData) -> bool:
        """Whether a signature stands behind what the file says of itself.

        Then some columns are encrypted, and Arrow ends the process that asks about one of these.
        """
        with open_bytes(self.path) as raw:
            raw.seek(raw.size() - 8)
            length = int.from_bytes(raw.read(4), "little")
        return length != int(data.serialized_size)

    def _open(
        self, texts: Sequence[str] = (), metadata: Any = None, *, whole: bool = False
    ) -> parquet.ParquetFile:
        from pyarrow import parquet

        piece = FAR_BYTES if isinstance(self.path, Place) else READ_BYTES
        return parquet.ParquetFile(
            open_bytes(self.path),
            metadata=metadata,
            read_dictionary=texts or None,
            pre_buffer=False,
            buffer_size=0 if whole else piece,
            page_checksum_verification=True,
            coerce_int96_timestamp_unit="us",  # as nanoseconds those before 1677 are others
        )
