"""Arrow IPC: files, whose record batches are found by number, and streams, read in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .arrow import ArrowBatch, arrow_schema, batch_rows
from .file import File, gather_groups
from .places import measure, open_bytes
from .table import Batch, Schema

if TYPE_CHECKING:
    import pyarrow as pa

PART_ROWS = 1 << 17
"""Short record batches are read together until they have so many rows."""

FILE_START = b"ARROW1"
END_BYTES = 8
"""What a stream has behind its last batch."""


@dataclass(frozen=True)
class ArrowFile(File):
    """An Arrow IPC file or stream as a source, or some record batches of a file as a part."""

    groups: tuple[int, ...] = ()
    """The record batches of a part."""
    first_row: int = 1
    n_rows: int = 0

    format: ClassVar[str] = "Arrow IPC"

    @cached_property
    def size(self) -> float:
        """Rows of a file, bytes of a stream, which does not tell."""
        return float(self.n_rows) if self._is_file else float(measure(self.path))

    @property
    def known_rows(self) -> int | None:
        """How many rows a part has; None where that is not told."""
        return self.n_rows if self._is_file else None

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        del wanted
        with self.reading(), self._open() as (reader, _):
            return arrow_schema(reader.schema, self.where)

    def parts(self) -> Sequence[ArrowFile]:
        if not self._is_file:
            return [self]
        with self.reading(), self._open(columns=()) as (reader, _):
            lengths = [reader.get_batch(i).num_rows for i in range(reader.num_record_batches)]
        return [
            replace(self, groups=groups, first_row=first, n_rows=rows)
            for groups, first, rows in gather_groups(lengths, PART_ROWS)
        ]

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
        with self.reading(), self._open(names) as (reader, position):
            for whole in self._read(reader):
                whole.validate(full=True)  # what lies outside of it would be read else
                for start in range(0, whole.num_rows, rows):
                    piece = whole.slice(start, rows)
                    done += piece.num_rows
                    read = done if self._is_file else position() + END_BYTES
                    yield ArrowBatch(piece, room, known), min(read / max(self.size, 1.0), 1.0)

    def _read(self, reader: Any) -> Iterator[pa.RecordBatch]:
        if not self._is_file:
            yield from reader
            return
        for i in self.groups:
            yield reader.get_batch(i)

    @cached_property
    def _is_file(self) -> bool:
        with open_bytes(self.path) as file:
            return bytes(file.read(len(FILE_START))) == FILE_START

    @contextmanager
    def _open(self, columns: Sequence[str] | None = None) -> Iterator[tuple[Any, Any]]:
        """A reader of these columns, and how many bytes of the file are read."""
        from pyarrow import ipc

        with open_bytes(self.path) as raw:
            opened = ipc.open_file if self._is_file else ipc.open_stream
            options = ipc.IpcReadOptions(use_threads=False)
            reader = opened(raw, options=options)
            if columns is not None and list(columns) != reader.schema.names:
                names = reader.schema.names
                chosen = [names.index(name) for name in columns] or _narrowest(reader.schema)
                options = ipc.IpcReadOptions(use_threads=False, included_fields=chosen)
                raw.seek(0)
                reader = opened(raw, options=options)
            with reader:
                yield reader, raw.tell


def _narrowest(schema: pa.Schema) -> list[int]:
    """One column, of the fewest bytes a row: readers that are asked for none read all."""
    from pyarrow import types

    widths = [f.type.bit_width if types.is_primitive(f.type) else 1_000 for f in schema]
    return [int(np.argmin(widths))] if widths else []
