"""Columns of numbers and of text in delimited text, by a compiled reader where one was built.

Without ``text.c``, and for what it leaves, Arrow reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from .expansions import LARGEST_WHOLE
from .layout import Layout
from .library import find_function
from .wholes import leaves_rest

LEAST, MOST = -342, 308
"""Powers of ten that matter to doubles, of integers of 19 digits."""

HARD_CELLS = 4_096
"""Cells of a block that Python may read; a block of more is left to Arrow."""


@cache
def powers_of_five() -> Any:
    """The first 128 bits of 5ⁿ, n from LEAST to MOST, shape (n, 2): the high 64 and the low.

    Those of n from -27 to -1 are rounded up, the others down.
    """
    found = []
    for n in range(LEAST, MOST + 1):
        if n < 0:
            five = 5**-n
            bits = five.bit_length()
            value = (1 << (bits + 127 if n >= -27 else 2 * bits + 128)) // five + 1
            value >>= max(value.bit_length() - 128, 0)
        else:
            value = 5**n
            extra = value.bit_length() - 128
            value = value >> extra if extra > 0 else value << -extra
        found.append((value >> 64, value & (1 << 64) - 1))
    return np.array(found, dtype=np.uint64)


@cache
def _compiled() -> Callable[..., Any] | None:
    from ctypes import c_int, c_int64, c_void_p

    return find_function(
        "steepest_read_records",
        c_int64,
        [
            c_void_p, c_int64, c_int64, c_int, c_int, c_int, c_void_p, c_void_p, c_void_p,
            c_void_p, c_void_p, c_void_p, c_int64, c_void_p, c_int64, c_void_p, c_void_p,
            c_void_p, c_int64, c_void_p, c_void_p,
        ],
    )  # fmt: skip


class Columns(NamedTuple):
    """Columns of a block, to be used only until the next block is read."""

    numbers: Floats
    """Shape (columns, rows), nulls as NaN."""
    texts: Sequence[Texts]
    large: Sequence[int]
    """The columns that hold whole numbers of 2⁵³ or beyond, of 64 bits at the most."""
    rounded: Sequence[int]
    """Those that hold longer ones, which were rounded."""


class Texts(NamedTuple):
    """A column of text: cells one behind the other, where they end, and which are values."""

    data: NDArray[np.uint8]
    ends: NDArray[np.int32]
    present: NDArray[np.uint8]


class DoublesReader:
    """Reads columns of numbers and of text, by their places, into room that it keeps.

    Raises nothing: where it gives up, ``read`` returns None.
    """

    def __init__(self, layout: Layout, places: Sequence[int], texts: Sequence[int] = ()) -> None:
        self._layout = layout
        self._slots, self._texts = _number(layout, places), _number(layout, texts)
        self._large = np.empty(len(places), dtype=np.uint8)
        words = [word.encode() for word in layout.nulls if len(word.encode()) < 255]
        self._nulls = b"".join(bytes([len(word)]) + word for word in words) + b"\xff"
        self._room, self._size = np.empty((len(places), 0)), -1
        self._n_texts = len(texts)
        self._hard = np.empty((HARD_CELLS, 4), dtype=np.int64)
        quote = ord(layout.quote) if layout.quote else 0
        self._marks = ord(layout.delimiter), ord(layout.decimal), quote

    @staticmethod
    def serves(layout: Layout, places: Sequence[int]) -> bool:
        """Whether there is a compiled reader, and it reads such text."""
        if layout.is_narrow or any(map(layout.is_number, layout.nulls)):
            return False
        return bool(places) and _compiled() is not None

    def read(self, text: bytes, rests: Floats | None = None) -> Columns | None:
        """The columns of a block.

        None where quotes stand where they may not or are doubled in these columns, where a cell is
        no number, where a field is too long, and where the records are not of one length.  What
        doubles leave of large whole numbers is written to ``rests``, of the shape of the room, if
        it is given.
        """
        size = len(text)
        if self._size < size:
            self._make_room(size)
        count = np.zeros(1, dtype=np.int64)
        self._large[:] = 0
        powers, compiled = powers_of_five(), _compiled()
        assert compiled is not None, "it serves"
        rows = compiled(
            text, size, len(self._slots), *self._marks, self._slots.ctypes.data,
            powers.ctypes.data, self._nulls, self._room.ctypes.data,
            None if rests is None else rests.ctypes.data, self._large.ctypes.data,
            self._room.shape[1], self._hard.ctypes.data, HARD_CELLS, count.ctypes.data,
            self._texts.ctypes.data, self._bytes.ctypes.data, self._bytes.shape[1],
            self._ends.ctypes.data, self._present.ctypes.data,
        )  # fmt: skip
        if rows < 0:
            return None
        rounded = set()
        for slot, row, start, stop in self._hard[: count[0]].tolist():
            cell = text[start:stop].decode("utf-8", "replace")
            value = self._layout.parse(cell)
            if value is None:
                return None
            self._room[slot, row] = value
            if abs(value) >= LARGEST_WHOLE and leaves_rest(cell, value):
                rounded.add(slot)
        texts = [
            Texts(data, ends[: rows + 1], present[:rows])
            for data, ends, present in zip(self._bytes, self._ends, self._present, strict=True)
        ]
        large = np.flatnonzero(self._large).tolist()
        return Columns(self._room[:, :rows], texts, large, sorted(rounded))

    def read_rests(self, text: bytes) -> Floats:
        """What doubles leave of the large whole numbers of a block that was read, of all columns.

        Shape (columns, rows); 0 for all other cells.
        """
        self._make_room(len(text))
        rests = np.zeros(self._room.shape)
        found = self.read(text, rests)
        assert found is not None, "the block was read before"
        return rests[:, : found.numbers.shape[1]]

    def _make_room(self, size: int) -> None:
        """Room for columns of a block, or a larger one: a record has a byte a column at least."""
        size += size // 8
        most = size // len(self._slots) + 1
        self._room = np.empty((len(self._room), most))
        self._bytes = np.empty((self._n_texts, size), dtype=np.uint8)
        self._ends = np.zeros((self._n_texts, most + 1), dtype=np.int32)
        self._present = np.empty((self._n_texts, most), dtype=np.uint8)
        self._size = size


def _number(layout: Layout, places: Sequence[int]) -> NDArray[np.int32]:
    """By column its number among some; -1 for others."""
    found = np.full(len(layout.names), -1, dtype=np.int32)
    found[list(places)] = np.arange(len(places))
    return found
