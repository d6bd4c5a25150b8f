"""Messages of Arrow IPC: where the buffers of record batches lie, found without reading these.

What is parsed here are the few tables that say so, as the format has them [1]_.

References
----------
.. [1] Apache Arrow.  Arrow columnar format, version 1.5: serialization and interprocess
   communication.  https://arrow.apache.org/docs/format/Columnar.html
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

SCHEMA, DICTIONARY, RECORDS = 1, 2, 3
"""What a message may hold."""

CODECS = {0: "lz4", 1: "zstd"}

FILE_END = b"ARROW1"
CONTINUES = 0xFFFF_FFFF
"""What stands before the length of a message."""

MOST_PADDING = 256
"""Bytes between the last batch of a file and what it ends with."""

Read = Callable[[int, int], bytes]
"""So many bytes from a place on; fewer where the file ends."""


class Block(NamedTuple):
    """Where a message lies: its start, the bytes of what it says, and of its body."""

    offset: int
    head: int
    body: int

    @property
    def body_at(self) -> int:
        return self.offset + self.head


class Records(NamedTuple):
    """What a message says of a record batch."""

    n_rows: int
    nodes: tuple[tuple[int, int], ...]
    """For each array, children included, its length and how many are null."""
    buffers: tuple[tuple[int, int], ...]
    """Where each buffer begins in the body, and its bytes."""
    codec: str
    """How buffers are packed; empty where they are not."""
    variadic: tuple[int, ...]
    """For each array of views, how many buffers it has besides."""


class Told(NamedTuple):
    """A schema, as the bytes of its message."""

    message: bytes
    is_native: bool
    """Whether numbers are in the order of this machine."""

    @classmethod
    def of(cls, message: bytes, schema: _Table) -> Told:
        is_big = schema.number(0, "<h") == 1
        return cls(message, is_big == (sys.byteorder == "big"))


def read_footer(read: Read, size: int) -> tuple[Told, list[Block], list[Block]]:
    """The schema of a file, and its messages: those of dictionaries, those of record batches.

    What a file begins with is the same again, or should be: some writers leave its length out.
    """
    with _parsing():
        (length,) = struct.unpack("<i", read(size - len(FILE_END) - 4, 4))
        start = size - len(FILE_END) - 4 - length
        if length < 8 or start < 0:
            raise ValueError
        root = _Table.root(read(start, length))
        dictionaries, records = (
            [Block(at, head, body) for at, head, body in root.structs(field, "<qixxxxq")]
            for field in (2, 3)
        )
        for block in (*dictionaries, *records):
            if min(block) < 0 or sum(block) > start:
                raise ValueError
        last = max(map(sum, (*dictionaries, *records)), default=start)
        schema = root.table(1)
        told = Told.of(_write_schema(root, schema), schema)
    check_end(last, start - MOST_PADDING)
    return told, dictionaries, records


def _write_schema(root: _Table, schema: _Table) -> bytes:
    """The message of a schema within a footer: a table of three fields before that."""
    fields = struct.pack("<I5H2x", 16, 10, 12, 4, 6, 8)
    version = root.number(0, "<h")
    table = struct.pack("<ihBxI4x", 12, version, SCHEMA, 8 + schema.at)
    body = fields + table + root.data + bytes(-len(root.data) % 8)
    return struct.pack("<II", CONTINUES, len(body)) + body


def walk_stream(read: Read, size: int) -> Iterator[tuple[int, Block]]:
    """The messages of a stream in their order: what each holds, and where it lies.

    Arrow's own error for bytes behind its end.
    """
    at = 0
    while len(prefix := read(at, 8)) >= 4:
        with _parsing():
            (first,) = struct.unpack_from("<I", prefix)
            head = 4 + first
            if first == CONTINUES:
                head = 8 + struct.unpack_from("<I", prefix, 4)[0]
            if head in (4, 8):
                break
            if at + head > size:
                raise ValueError
            block = Block(at, head, 0)
            message = _open_message(read, block)
            block = block._replace(body=message.number(3, "<q"))
            if block.body < 0 or sum(block) > size:
                raise ValueError
        yield message.number(1, "<B"), block
        at = sum(block)
    else:
        return
    check_end(at + head, size)


def check_end(at: int, size: int) -> None:
    """Arrow's own error where bytes stand behind the last batch."""
    import pyarrow as pa

    if at < size:
        raise pa.ArrowInvalid(
            f"{size - at:,} bytes stand behind the last batch, perhaps those of another file"
        )


def read_schema(read: Read) -> Told:
    """The schema with which a stream begins."""
    with _parsing():
        first, second = struct.unpack("<II", read(0, 8))
        block = Block(0, 8 + second if first == CONTINUES else 4 + first, 0)
        message = _open_message(read, block)
        if message.number(1, "<B") != SCHEMA:
            raise ValueError
        return Told.of(read(0, block.head), message.table(2))


def read_records(read: Read, block: Block) -> Records:
    """What a message says of its record batch."""
    with _parsing():
        message = _open_message(read, block)
        if message.number(1, "<B") != RECORDS:
            raise ValueError
        batch = message.table(2)
        packed = batch.field(3)
        codec = CODECS[batch.table(3).number(0, "<b")] if packed else ""
        found = Records(
            batch.number(0, "<q"),
            tuple(batch.structs(1, "<qq")),
            tuple(batch.structs(2, "<qq")),
            codec,
            tuple(count for (count,) in batch.structs(4, "<q")),
        )
        if found.n_rows < 0 or any(min(b) < 0 or sum(b) > block.body for b in found.buffers):
            raise ValueError
    return found


@contextmanager
def _parsing() -> Iterator[None]:
    """Arrow's own error for what cannot be parsed."""
    import pyarrow as pa

    try:
        yield
    except (ValueError, KeyError, IndexError, struct.error):
        raise pa.ArrowInvalid("a message does not say where its data are") from None


def _open_message(read: Read, block: Block) -> _Table:
    data = read(block.offset, block.head)
    if len(data) < max(block.head, 8):
        raise ValueError
    (first,) = struct.unpack_from("<I", data)
    return _Table.root(data[8 if first == CONTINUES else 4 :])


class _Table(NamedTuple):
    """A table of flatbuffers: fields by their numbers, each of which may be absent."""

    data: bytes
    at: int

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, _unpack(data, 0, "<I"))

    def field(self, number: int) -> int:
        """Where a field is; 0 where it is absent."""
        known = self.at - _unpack(self.data, self.at, "<i")
        place = 4 + 2 * number
        if place + 2 > _unpack(self.data, known, "<H"):
            return 0
        offset = _unpack(self.data, known + place, "<H")
        return self.at + offset if offset else 0

    def number(self, number: int, form: str) -> int:
        """A number; 0 where it is absent."""
        at = self.field(number)
        return _unpack(self.data, at, form) if at else 0

    def table(self, number: int) -> _Table:
        at = self.field(number)
        if not at:
            raise ValueError
        return _Table(self.data, at + _unpack(self.data, at, "<I"))

    def structs(self, number: int, form: str) -> Iterator[tuple[Any, ...]]:
        """A list of records of numbers."""
        at = self.field(number)
        if not at:
            return iter(())
        start = at + _unpack(self.data, at, "<I")
        count, width = _unpack(self.data, start, "<I"), struct.calcsize(form)
        body = self.data[start + 4 : start + 4 + count * width]
        if len(body) < count * width:
            raise ValueError
        return struct.iter_unpack(form, body)


def _unpack(data: bytes, at: int, form: str) -> int:
    if at < 0:  # which Python would count from the end
        raise ValueError
    return int(struct.unpack_from(form, data, at)[0])
