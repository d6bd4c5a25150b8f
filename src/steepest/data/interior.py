"""What lies in an Arrow IPC file or stream: its schema, dictionaries and record batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .bodies import (
    Body,
    Column,
    Take,
    find_columns,
    measure,
    take_packed,
    take_plain,
)
from .messages import (
    DICTIONARY,
    RECORDS,
    Block,
    Records,
    Told,
    read_footer,
    read_records,
    read_schema,
    walk_stream,
)

if TYPE_CHECKING:
    import pyarrow as pa

NOT_PACKED = b"\xff" * 8
"""What stands before a buffer for which packing was not worth it."""

LARGE_BYTES = 1 << 26
"""A batch whose columns take more than so many bytes, unpacked, is read in pieces."""


@dataclass
class Messages:
    """The messages of a file or a stream, whose bodies are not read."""

    raw: Any
    """The file, open."""
    told: Told
    batches: list[Block]
    dictionaries: list[Block]
    is_file: bool
    _known: dict[int, Records] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Any, size: int, *, is_file: bool) -> Messages:
        """The messages in the first so many bytes of a file; none in 0 bytes."""
        found = cls(raw, Told(b"", False), [], [], is_file)
        if not size:
            return found
        if is_file:
            found.told, found.dictionaries, found.batches = read_footer(found.read, size)
        else:
            found.told = read_schema(found.read)
            walked = list(walk_stream(found.read, size))
            found.batches = [block for kind, block in walked if kind == RECORDS]
            found.dictionaries = [block for kind, block in walked if kind == DICTIONARY]
        return found

    def records(self, i: int) -> Records:
        """What is said of a batch."""
        if i not in self._known:
            self._known[i] = read_records(self.read, self.batches[i])
        return self._known[i]

    def count_rows(self) -> int:
        """The rows of all batches."""
        return sum(self.records(i).n_rows for i in range(len(self.batches)))

    def read(self, at: int, count: int) -> bytes:
        """Bytes from a place on; fewer where the file ends."""
        self.raw.seek(at)
        return bytes(self.raw.read(count))

    def _fetch(self, at: int, count: int) -> Any:
        """The same as one of Arrow's buffers."""
        self.raw.seek(at)
        return self.raw.read_buffer(count)

    @cached_property
    def schema(self) -> pa.Schema:
        """All columns."""
        from pyarrow import ipc

        return ipc.read_schema(ipc.read_message(self.told.message))

    def can_be_cut(self, i: int) -> bool:
        """Whether rows in the middle of a batch can be read without those before."""
        records = self.records(i)
        if self.batches[i].body <= LARGE_BYTES or records.codec or not self.told.is_native:
            return False
        return find_columns(self.schema, records, []) is not None

    def has_large(self, names: Sequence[str]) -> bool:
        """Whether some batch is large, and all can be read in pieces."""
        found = [self._find(i, names) for i in range(len(self.batches))]
        return any(large for _, large in found) and all(columns is not None for columns, _ in found)

    def open_body(self, i: int, names: Sequence[str], *, by_pieces: bool) -> Body | None:
        """A batch to be read in pieces; None where it can be read whole, unless pieces are due."""
        columns, large = self._find(i, names)
        if columns is None or not (large or by_pieces):
            return None
        block, records = self.batches[i], self.records(i)
        takers = [
            [
                self._take(records.codec, block.body_at + at, length, size)
                for (at, length), size in zip(column.buffers, column.sizes, strict=True)
            ]
            for column in columns
        ]
        known = self._read_dictionaries(block) if any(map(_has_values, columns)) else None
        values = [known[c.field.name] if known and _has_values(c) else None for c in columns]
        return Body(columns, values, takers, records.n_rows)

    def _find(self, i: int, names: Sequence[str]) -> tuple[list[Column] | None, bool]:
        """Some columns of a batch, if they are known, and whether they are large."""
        block, records = self.batches[i], self.records(i)
        columns = find_columns(self.schema, records, names) if self.told.is_native else None
        if columns is None:
            return None, False
        columns = [measure(c, records.codec, self.read, block.body_at) for c in columns]
        return columns, sum(sum(column.sizes) for column in columns) > LARGE_BYTES

    def _take(self, codec: str, at: int, length: int, size: int) -> Take:
        import pyarrow as pa

        if not codec or length < 8:
            return take_plain(self._fetch, at, length)
        if self.read(at, 8) == NOT_PACKED:
            return take_plain(self._fetch, at + 8, size)

        def begin() -> Any:
            return pa.CompressedInputStream(self.raw.get_stream(at + 8, length - 8), codec)

        return take_packed(begin, size)

    def _read_dictionaries(self, before: Block) -> dict[str, Any]:
        """The values that codes number in a batch, by column: what stands before it tells."""
        import pyarrow as pa
        from pyarrow import ipc

        blocks = self.dictionaries
        if not self.is_file:  # in a stream later ones take their place
            blocks = [block for block in blocks if block.offset < before.offset]
        pieces = [self.told.message]
        pieces += [self.read(block.offset, block.head + block.body) for block in blocks]
        empty = pa.record_batch([pa.nulls(0, f.type) for f in self.schema], schema=self.schema)
        with ipc.open_stream(b"".join([*pieces, empty.serialize().to_pybytes()])) as reader:
            columns = reader.read_next_batch().columns
        return {
            name: getattr(column, "storage", column).dictionary
            for name, column in zip(self.schema.names, columns, strict=True)
            if hasattr(getattr(column, "storage", column), "dictionary")
        }


def _has_values(column: Column) -> bool:
    """Whether a column holds codes of values."""
    return column.storage is not getattr(column.field.type, "storage_type", column.field.type)
