"""Record batches of Arrow IPC that are too large to be read whole: rows after rows.

Of each column the bytes of some rows are read at a time, and of packed buffers unpacked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from .messages import Read, Records

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 64
"""Rows are taken in multiples of so many, so that bits begin at a byte."""

TEXT_BYTES = 1 << 25
"""Bytes of text that are taken at a time, unless they are those of few rows."""

VIEW = np.dtype([("length", "<i4"), ("prefix", "<i4"), ("buffer", "<i4"), ("offset", "<i4")])
WITHIN = 12
"""Texts of so many bytes stand within their views."""

Take = Callable[[int, int], Any]
"""So many bytes of a buffer from a place on."""


@dataclass(frozen=True)
class Column:
    """A column of a batch: its field, how many are null, and its buffers in the body."""

    field: pa.Field
    nulls: int
    buffers: tuple[tuple[int, int], ...]
    sizes: tuple[int, ...] = ()
    """The bytes of each, unpacked."""

    @property
    def storage(self) -> Any:
        """The type of what the buffers hold."""
        from pyarrow import types

        kind = getattr(self.field.type, "storage_type", self.field.type)
        return kind.index_type if types.is_dictionary(kind) else kind


def find_columns(schema: pa.Schema, records: Records, names: Sequence[str]) -> list[Column] | None:
    """Some columns of a batch; None where they, or what lies before them, are not known here."""
    nodes, buffers, variadic = iter(records.nodes), iter(records.buffers), iter(records.variadic)
    found = {}
    for one in schema:
        counts = _count(getattr(one.type, "storage_type", one.type), variadic)
        if counts is None:
            return None
        own_nodes = list(islice(nodes, counts[0]))
        own = tuple(islice(buffers, counts[1]))
        if len(own_nodes) < counts[0] or len(own) < counts[1]:
            raise _damaged("it has too few buffers")
        if own_nodes[0][0] != records.n_rows:
            raise _damaged(f"column '{one.name}' has another length")
        if not records.codec and own and _least_bytes(one.type, records.n_rows) > own[-1][1]:
            raise _damaged(f"column '{one.name}' has too few values")
        if one.name in names and counts[0] > 1:
            return None
        found[one.name] = Column(one, own_nodes[0][1], own)
    return [found[name] for name in names]


def _least_bytes(kind: Any, rows: int) -> int:
    """The bytes that so many values take; 0 where they may take any, or lie elsewhere."""
    from pyarrow import types

    kind = kind.index_type if types.is_dictionary(kind) else kind
    if not (types.is_primitive(kind) or types.is_decimal(kind)):
        return 0
    return -(-rows * int(kind.bit_width) // 8)


def _count(kind: Any, variadic: Iterator[int]) -> tuple[int, int] | None:
    """The arrays and the buffers of a type; None where that is not known."""
    from pyarrow import types

    if types.is_dictionary(kind) or types.is_primitive(kind) or types.is_decimal(kind):
        return 1, 2
    if types.is_null(kind):
        return 1, 0
    if types.is_fixed_size_binary(kind):
        return 1, 2
    if is_text(kind):
        return 1, 3
    if is_view(kind):
        return 1, 2 + next(variadic, 0)
    if types.is_struct(kind) or types.is_fixed_size_list(kind):
        own = 1
    elif types.is_list(kind) or types.is_large_list(kind) or types.is_map(kind):
        own = 2
    else:
        return None
    nodes, buffers = 1, own
    for i in range(kind.num_fields):
        more = _count(getattr(kind.field(i).type, "storage_type", kind.field(i).type), variadic)
        if more is None:
            return None
        nodes, buffers = nodes + more[0], buffers + more[1]
    return nodes, buffers


def is_text(kind: Any) -> bool:
    """Whether values are bytes between two offsets."""
    from pyarrow import types

    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    )


def is_view(kind: Any) -> bool:
    """Whether values are bytes that views point to."""
    from pyarrow import types

    return bool(types.is_string_view(kind) or types.is_binary_view(kind))


def measure(column: Column, codec: str, read: Read, body_at: int) -> Column:
    """The same column, with the bytes that its buffers take when they are unpacked."""
    sizes = []
    for at, length in column.buffers:
        packed = codec and length >= 8
        size = int.from_bytes(read(body_at + at, 8), "little", signed=True) if packed else length
        sizes.append(length - 8 if size < 0 else size)  # below 0 where it was not worth it
    return replace(column, sizes=tuple(sizes))


@dataclass(frozen=True)
class Body:
    """The columns of a batch that is read piece by piece."""

    columns: Sequence[Column]
    dictionaries: Sequence[Any]
    """For each column the values that its codes number; None where it has none."""
    takers: Sequence[Sequence[Take]]
    """For each column its buffers."""
    n_rows: int
    scattered: dict[tuple[int, int], Any] = field(default_factory=dict)
    """Buffers of texts that lie in no order, and are therefore held whole."""

    def pieces(self, start: int, stop: int, rows: int) -> Iterator[pa.RecordBatch]:
        """Rows from one to before another, about so many at a time."""
        import pyarrow as pa

        rows = max(ROWS, rows // ROWS * ROWS)
        schema = pa.schema([column.field for column in self.columns])
        while start < stop:
            count = self._fit(start, min(rows, stop - start))
            arrays = [self._read(i, start, count) for i in range(len(self.columns))]
            if arrays:
                found = pa.record_batch(arrays, schema=schema)
                found.validate(full=True)  # what lies outside of it would be read else
                yield found
            else:
                yield pa.record_batch([pa.nulls(count)], names=[""])
            start += count

    def _fit(self, start: int, count: int) -> int:
        """So many rows or fewer, so that their texts have room."""
        while count > ROWS and self._weigh(start, count) > TEXT_BYTES:
            count = max(ROWS, count // 2 // ROWS * ROWS)
        return count

    def _weigh(self, start: int, count: int) -> int:
        """Bytes of the texts of some rows."""
        total = 0
        for i, column in enumerate(self.columns):
            if is_text(column.storage):
                offsets = self._offsets(i, start, count)
                total += int(offsets[-1]) - int(offsets[0])
            elif is_view(column.storage):
                lengths = self._views(i, start, count)["length"]
                total += int(lengths[lengths > WITHIN].sum(dtype=np.int64))
        return total

    def _offsets(self, i: int, start: int, count: int) -> Any:
        column = self.columns[i]
        kind = np.dtype("<i8" if str(column.storage).startswith("large") else "<i4")
        taken = self.takers[i][1](start * kind.itemsize, (count + 1) * kind.itemsize)
        found = np.frombuffer(taken, dtype=kind)
        if found[0] < 0 or (np.diff(found) < 0).any():
            raise _damaged(f"the texts of column '{column.field.name}' do not follow each other")
        return found

    def _read(self, i: int, start: int, count: int) -> Any:
        import pyarrow as pa
        from pyarrow import types

        column, takers, kind = self.columns[i], self.takers[i], self.columns[i].storage
        if types.is_null(kind):
            return pa.nulls(count, column.field.type)
        has_nulls = column.nulls and column.buffers[0][1]
        valid = pa.py_buffer(takers[0](start // 8, -(-count // 8))) if has_nulls else None
        if is_text(kind):
            offsets = self._offsets(i, start, count)
            first, last = int(offsets[0]), int(offsets[-1])
            data = takers[2](first, last - first)
            buffers = [pa.py_buffer(offsets - offsets[0]), pa.py_buffer(data)]
        elif is_view(kind):
            buffers = self._read_views(i, start, count, valid)
        elif types.is_boolean(kind):
            buffers = [pa.py_buffer(takers[1](start // 8, -(-count // 8)))]
        else:
            width = kind.bit_width // 8
            buffers = [pa.py_buffer(takers[1](start * width, count * width))]
        array = pa.Array.from_buffers(kind, count, [valid, *buffers])
        if self.dictionaries[i] is not None:
            ordered = getattr(column.field.type, "storage_type", column.field.type).ordered
            array = pa.DictionaryArray.from_arrays(array, self.dictionaries[i], ordered=ordered)
        if hasattr(column.field.type, "storage_type"):
            array = pa.ExtensionArray.from_storage(column.field.type, array)
        return array

    def _views(self, i: int, start: int, count: int) -> Any:
        return np.frombuffer(self.takers[i][1](16 * start, 16 * count), dtype=VIEW)

    def _read_views(self, i: int, start: int, count: int, valid: Any) -> list[Any]:
        """Views of some rows, and of each buffer the bytes that they point to."""
        import pyarrow as pa

        takers, column = self.takers[i], self.columns[i]
        views = self._views(i, start, count).copy()
        if valid is not None:
            bits = np.unpackbits(np.frombuffer(valid, dtype=np.uint8), bitorder="little")
            views[bits[:count] == 0] = 0
        buffers = []
        for j, take in enumerate(takers[2:]):
            mine = (views["length"] > WITHIN) & (views["buffer"] == j)
            starts = views["offset"][mine].astype(np.int64)
            first = int(starts.min()) if starts.size else 0
            last = int((starts + views["length"][mine]).max()) if starts.size else 0
            if first < 0 or last > column.sizes[2 + j]:
                raise _damaged(f"a text of column '{column.field.name}' lies nowhere")
            if last - first > 2 * TEXT_BYTES and (i, j) not in self.scattered:
                self.scattered[i, j] = take(0, column.sizes[2 + j])
            if (i, j) in self.scattered:
                buffers.append(pa.py_buffer(self.scattered[i, j]))
                continue
            buffers.append(pa.py_buffer(take(first, last - first)))
            views["offset"][mine] -= first
        return [pa.py_buffer(views), *buffers]


def take_plain(read: Read, at: int, length: int) -> Take:
    """A buffer that lies in the file as it is."""

    def take(start: int, count: int) -> bytes:
        if start + count > length:
            raise _damaged("a buffer is too short for its rows")
        found = read(at + start, count)
        if len(found) < count:
            raise _damaged("the file ends within a batch")
        return found

    return take


def take_packed(begin: Callable[[], Any], size: int) -> Take:
    """A buffer that is unpacked from front to back; what was taken last is kept.

    Who goes back beyond that has it unpacked anew.
    """
    stream, held, at = begin(), b"", 0

    def take(start: int, count: int) -> bytes:
        nonlocal stream, held, at
        if start + count > size:
            raise _damaged("a buffer is too short for its rows")
        if start < at:
            stream, held, at = begin(), b"", 0
        while at + len(held) < start:  # what nobody asked for
            at += len(held)
            held = bytes(stream.read(min(start - at, 1 << 20)))
            if not held:
                raise _damaged("a packed buffer ends early")
        held, at = held[start - at :], start
        while len(held) < count:
            more = bytes(stream.read(count - len(held)))
            if not more:
                raise _damaged("a packed buffer ends early")
            held += more
        return held[:count]

    return take


def _damaged(reason: str) -> Exception:
    import pyarrow as pa

    found: Exception = pa.ArrowInvalid(reason)
    return found
