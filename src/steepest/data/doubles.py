"""Columns of numbers in text without quotes, by a compiled reader where one was built.

``text.c`` is built with the package where there is a compiler; ``STEEPEST_KERNEL=numpy`` does
without it.  Then, and for what it leaves, Arrow reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..typing import Floats
from .layout import Layout

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
def _open() -> Any:
    """The compiled reader; None where it was not built, or the machine is another."""
    from ctypes import CDLL, c_int, c_int64, c_void_p

    spec = find_spec("steepest.data._text")
    if spec is None or os.environ.get("STEEPEST_KERNEL") == "numpy":
        return None
    functions = CDLL(str(spec.origin))
    if not functions.steepest_text_is_fast():
        return None
    read = functions.steepest_read_numbers
    read.restype = c_int64
    read.argtypes = [
        c_void_p, c_int64, c_int64, c_int, c_int, c_void_p, c_void_p, c_void_p, c_void_p, c_int64,
        c_void_p, c_int64, c_void_p,
    ]  # fmt: skip
    return read


class DoublesReader:
    """Reads columns of numbers, by their places, into a table that it keeps.

    Raises nothing: where it gives up, ``read`` returns None.
    """

    def __init__(self, layout: Layout, places: Sequence[int]) -> None:
        self._layout = layout
        self._slots = np.full(len(layout.names), -1, dtype=np.int32)
        self._slots[list(places)] = np.arange(len(places))
        words = [word.encode() for word in layout.nulls if len(word.encode()) < 255]
        self._nulls = b"".join(bytes([len(word)]) + word for word in words) + b"\xff"
        self._room = np.empty((len(places), 0))
        self._hard = np.empty((HARD_CELLS, 3), dtype=np.int64)
        self._marks = ord(layout.delimiter), ord(layout.decimal)

    @staticmethod
    def serves(layout: Layout, places: Sequence[int]) -> bool:
        """Whether there is a compiled reader, and it reads such text."""
        if layout.is_narrow or any(map(layout.is_number, layout.nulls)):
            return False
        return bool(places) and _open() is not None

    def read(self, text: bytes, parse: Callable[[str], float | None]) -> Floats | None:
        """The columns of a block without quotes, shape (columns, rows), nulls as NaN.

        To be used only until the next block is read.  ``parse`` reads a cell that is hard; None
        where it is no number, or the records are not of one length.
        """
        size = len(text)
        most = size // len(self._slots) + 1
        if self._room.shape[1] < most:
            self._room = np.empty((len(self._room), most))
        count = np.zeros(1, dtype=np.int64)
        powers = powers_of_five()
        rows = _open()(
            text, size, len(self._slots), *self._marks, self._slots.ctypes.data,
            powers.ctypes.data, self._nulls, self._room.ctypes.data, self._room.shape[1],
            self._hard.ctypes.data, HARD_CELLS, count.ctypes.data,
        )  # fmt: skip
        if rows < 0:
            return None
        for slot, row, start in self._hard[: count[0]].tolist():
            value = parse(self._cell(text, start))
            if value is None:
                return None
            self._room[slot, row] = value
        return self._room[:, :rows]

    def _cell(self, text: bytes, start: int) -> str:
        """The cell that begins there, as it is written."""
        ends = (text.find(mark, start) for mark in (self._layout.delimiter.encode(), b"\n"))
        stop = min((end for end in ends if end >= 0), default=len(text))
        return text[start:stop].removesuffix(b"\r").decode("utf-8", "replace")
