"""The compiled kernel with arrays handed in, and whether arithmetic is what sums need."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_double, c_int64, c_void_p
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import KernelError
from ..typing import Floats
from .library import load_functions

COLUMN = 520
"""Doubles from one column to the next in the kernel's working room."""

SPARE_COLUMNS = 4
ALIGNMENT = 64


class Kernel:
    """The functions of the compiled kernel, for this processor or for any.

    Rows are float64 arrays of shape (n, k) in any layout.
    """

    def __init__(self, functions: Any, processor: str) -> None:
        self._add_digits, self._add_centred, self._reaches = (
            functions[f"steepest_{name}_{processor}"]
            for name in ("add_digits", "add_centred", "reaches")
        )
        for function in (self._add_digits, self._add_centred, self._reaches):
            function.restype = c_int64

    def add_digits(
        self,
        rows: Floats,
        order: NDArray[np.int64],
        tops: Floats,
        digits: NDArray[np.int64],
        planes: NDArray[np.int64],
        totals: NDArray[np.int64],
        room: Floats,
        numbered: Sequence[NDArray[np.int64]],
        levels: Sequence[Floats],
    ) -> NDArray[np.bool_]:
        """Add the products of the digits of some rows; returns which rows were set apart, (n,).

        Columns are taken in ``order``, most digits first; ``tops``, powers of two, and ``digits``
        are in that order.  Added to are ``planes`` (pairs of digits, k, k), ``totals`` (digits,
        k) and for each category the table of ``levels`` (m, digits, k).
        """
        rows, step, columns = _measure(rows, order)
        apart = np.zeros(len(rows), dtype=np.bool_)
        own = [np.ascontiguousarray(level) for level in numbered]
        self._add_digits(
            _at(rows), c_int64(len(rows)), step, c_int64(len(order)), _at(columns), _at(tops),
            _at(digits), _at(planes), _at(totals), _at(apart), _at(room), c_int64(len(own)),
            (c_void_p * len(own))(*(level.ctypes.data for level in own)),
            (c_void_p * len(own))(*(table.ctypes.data for table in levels)),
        )  # fmt: skip
        return apart

    def add_centred(self, rows: Floats, centre: Floats | None) -> tuple[Floats, Floats]:
        """Σ (z - c), shape (k,), and Σ (z - c)(z - c)ᵀ, shape (k, k)."""
        k = rows.shape[1]
        rows, step, columns = _measure(rows, np.arange(k))
        totals, products, room = np.zeros(k), np.zeros((k, k)), working_room(k, 1)
        self._add_centred(
            _at(rows), c_int64(len(rows)), step, c_int64(k), _at(columns),
            None if centre is None else _at(centre), _at(totals), _at(products),
            _at(room),
        )  # fmt: skip
        return totals, products + np.tril(products, -1).T

    def reaches(self, rows: Floats, bound: float) -> bool:
        """Whether some |value| is at least a bound, or NaN, in rows or columns side by side."""
        return bool(self._reaches(_at(rows), c_int64(rows.size), c_double(bound)))


def working_room(columns: int, planes: int) -> Floats:
    """Doubles for so many planes of columns, aligned for vectors."""
    size = planes * (columns + SPARE_COLUMNS) * COLUMN
    room = np.zeros(size + ALIGNMENT // 8)
    start = -room.ctypes.data % ALIGNMENT // 8
    return room[start : start + size]


def _at(array: NDArray[Any]) -> c_void_p:
    return c_void_p(array.ctypes.data)


def _measure(rows: Floats, order: NDArray[np.int64]) -> tuple[Floats, c_int64, NDArray[np.int64]]:
    """The rows, the step from one to the next, and where each column begins, in doubles."""
    if any(step % 8 for step in rows.strides) or not rows.flags.aligned:
        rows = rows.copy()
    return rows, c_int64(rows.strides[0] // 8), order * (rows.strides[1] // 8)


def find_kernel() -> Kernel | None:
    """The compiled kernel that ``STEEPEST_KERNEL`` asks for, or the best there is; None is NumPy.

    Raises what :func:`~steepest.sums.library.load_functions` raises.
    """
    found = load_functions()
    return None if found is None else _make_kernel(*found)


_make_kernel = cache(Kernel)


def reaches(rows: Floats, bound: float) -> bool:
    """Whether some |value| is at least a bound above 0, or NaN."""
    kernel = find_kernel()
    if kernel is None or not (rows.flags.c_contiguous or rows.flags.f_contiguous):
        return not (np.abs(rows) < bound).all()
    return kernel.reaches(rows, bound)


def check_arithmetic() -> None:
    """KernelError where this thread's arithmetic is not that of IEEE 754.

    Libraries may make a thread flush subnormals to zero, or round another way.
    """
    smallest, tiny, one = np.array([2.0**-1074]), np.array([2.0**-1022]), np.array([1.0])
    half = np.array([2.0**-53])
    if not (tiny * 0.5 + 0.0 > 0).all() or not (smallest * 2.0**1000 > 0).all():
        raise KernelError.flushed()
    even = (one + half == 1) & (-one - half == -1) & ((one + 2 * half) + half == 1 + 4 * half)
    if not even.all():
        raise KernelError.rounded()
