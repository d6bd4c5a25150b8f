"""Arrow IPC: files, whose record batches are found by number, and streams, read in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .arrow import ArrowBatch, arrow_schema, batch_rows, spell_rows
from .bodies import ROWS
from .file import File, gather_groups
from .interior import Messages
from .messages import check_end
from .places import Place, measure, open_bytes
from .table import Batch, Reads, Schema

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
    start: int = 0
    """Rows of a batch before it, where it is some rows of one."""
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
        with self.reading(), self._look() as looked:
            every = range(len(looked.batches))
            lengths = [looked.records(i).n_rows for i in every]
            can_be_cut = [looked.can_be_cut(i) for i in every]
        found = []
        for groups, first, rows in gather_groups(lengths, PART_ROWS):
            whole = replace(self, groups=groups, first_row=first, n_rows=rows)
            if len(groups) > 1 or not can_be_cut[groups[0]]:
                found.append(whole)
                continue
            step = max(ROWS, PART_ROWS // ROWS * ROWS)
            for start in range(0, rows, step):
                count = min(step, rows - start)
                found.append(replace(whole, first_row=first + start, n_rows=count, start=start))
        return found

    def batches(self, reads: Reads) -> Iterator[tuple[Batch, float]]:
        names = list(reads.names)
        rows = batch_rows(len(names))
        room = np.empty((len(reads.numbers), rows))
        known: dict[str, Any] = {}
        with self.reading(rows=True):
            for piece, share in self._read(names, rows):
                yield ArrowBatch(spell_rows(piece), room, known), min(share, 1.0)

    def _read(self, names: Sequence[str], rows: int) -> Iterator[tuple[pa.RecordBatch, float]]:
        """Rows, and the share of the part that is read with them: large batches in pieces."""
        pieces: Iterator[pa.RecordBatch]
        done = 0
        with self._open(names) as (reader, position), self._look() as looked:
            if not self._is_file and not looked.has_large(names):
                for whole in reader:
                    whole.validate(full=True)  # what lies outside of it would be read else
                    for start in range(0, whole.num_rows, rows):
                        yield whole.slice(start, rows), (position() + END_BYTES) / self.size
                check_end(position(), int(self.size))
                return
            total = self.n_rows if self._is_file else looked.count_rows()
            for i in self.groups if self._is_file else range(len(looked.batches)):
                is_cut = len(self.groups) == 1 and self.n_rows < looked.records(i).n_rows
                body = looked.open_body(i, names, by_pieces=is_cut or not self._is_file)
                if body is None:
                    whole = reader.get_batch(i)
                    whole = whole.slice(self.start, self.n_rows) if is_cut else whole
                    whole.validate(full=True)
                    pieces = (whole.slice(at, rows) for at in range(0, whole.num_rows, rows))
                else:
                    stop = min(self.start + self.n_rows, body.n_rows) if self._is_file else None
                    pieces = body.pieces(self.start, stop or body.n_rows, rows)
                for piece in pieces:
                    done += piece.num_rows
                    yield piece, done / max(total, 1)

    @contextmanager
    def _look(self) -> Iterator[Messages]:
        """What the messages of the file say; of a stream in a store, nothing."""
        with open_bytes(self.path) as raw:
            far = not self._is_file and isinstance(self.path, Place)
            yield Messages.of(raw, 0 if far else measure(self.path), is_file=self._is_file)

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
