"""The compiled kernel with arrays handed in, and whether arithmetic is what sums need."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_double, c_int64, c_void_p
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.strips import Strips, Table
from ..errors import KernelError
from ..typing import Floats
from .library import load_functions

COLUMN = 520
"""Doubles from one column to the next in the kernel's working room."""

SPARE_COLUMNS = 4
ALIGNMENT = 64


FUNCTIONS = (
    "add_digits",
    "sum_centred",
    "add_levels",
    "number_levels",
    "count_levels",
    "find_ends",
    "reaches",
)


class Ends(NamedTuple):
    """The smallest and the largest of each column, shape (k,) each; ±inf where there are none."""

    low: Floats
    high: Floats


class Kernel:
    """The functions of the compiled kernel, for this processor or for any.

    Rows are float64 tables of shape (n, k) in any layout.
    """

    def __init__(self, functions: Any, processor: str) -> None:
        found = [functions[f"steepest_{name}_{processor}"] for name in FUNCTIONS]
        for function in found:
            function.restype = c_int64
        self._add_digits, self._sum_centred, self._add_levels, self._number_levels = found[:4]
        self._count_levels, self._find_ends, self._reaches = found[4:]

    def add_digits(
        self,
        rows: Table,
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
        lay = _lay(rows)
        columns = lay.columns[order]  # held here, as is all that C is given the place of
        apart = np.zeros(len(rows), dtype=np.bool_)
        own = [np.ascontiguousarray(level) for level in numbered]
        self._add_digits(
            *lay.start, c_int64(len(order)), _at(columns), _at(tops),
            _at(digits), _at(planes), _at(totals), _at(apart), _at(room),
            c_int64(len(own)), _list(own), _list(levels),
        )  # fmt: skip
        return apart

    def sum_centred(self, rows: Table, centre: Floats) -> tuple[Floats, Floats, Ends]:
        """Σ (z - c), shape (k,), Σ (z - c)(z - c)ᵀ, shape (k, k), and where columns end."""
        k, lay = rows.shape[1], _lay(rows)
        totals, products, room = np.zeros(k), np.zeros((k, k)), working_room(k, 1)
        ends = Ends(np.full(k, np.inf), np.full(k, -np.inf))
        self._sum_centred(
            *lay.start, c_int64(k), _at(lay.columns), _at(centre),
            _at(totals), _at(products), _at(ends.low), _at(ends.high), _at(room),
        )  # fmt: skip
        return totals, products + np.tril(products, -1).T, ends

    def add_levels(
        self,
        rows: Table,
        centre: Floats,
        numbered: Sequence[NDArray[np.int64]],
        levels: Sequence[Floats],
    ) -> None:
        """Add z - c of each row to the table (m, k) of each category, where its level stands."""
        k, lay = rows.shape[1], _lay(rows)
        own, room = [np.ascontiguousarray(level) for level in numbered], working_room(k, 2)
        self._add_levels(
            *lay.start, c_int64(k), _at(lay.columns), _at(centre), c_int64(len(own)),
            _list(own), _list(levels), _at(room),
        )  # fmt: skip

    def number_levels(
        self, codes: NDArray[np.int32], table: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], bool]:
        """``table[codes]``, and whether some of it is below 0; IndexError for codes beyond it."""
        own, numbered = np.ascontiguousarray(codes, np.int32), np.empty(len(codes), np.int64)
        unknown = self._number_levels(
            _at(own), c_int64(len(own)), _at(table), c_int64(len(table)), _at(numbered)
        )
        if unknown < 0:
            raise IndexError("a code is beyond its levels")
        return numbered, unknown > 0

    def count_levels(
        self, first: NDArray[np.int64], second: NDArray[np.int64] | None, cells: Floats
    ) -> None:
        """Add 1 for each row to the cell (first, second) of a table, or to that of the first."""
        self._count_levels(
            _at(first), None if second is None else _at(second), c_int64(len(first)),
            c_int64(1 if second is None else cells.shape[1]), _at(cells),
        )  # fmt: skip

    def find_ends(self, rows: Table) -> tuple[Ends, bool]:
        """The smallest and largest of each column, and whether every number is finite."""
        k, lay = rows.shape[1], _lay(rows)
        ends = Ends(np.full(k, np.inf), np.full(k, -np.inf))
        finite = self._find_ends(
            *lay.start, c_int64(k), _at(lay.columns), _at(ends.low), _at(ends.high)
        )
        return ends, bool(finite)

    def reaches(self, values: Floats, bound: float) -> bool:
        """Whether some |value| is at least a bound, or NaN, in numbers that stand side by side."""
        return bool(self._reaches(_at(values), c_int64(values.size), c_double(bound)))


def working_room(columns: int, planes: int) -> Floats:
    """Doubles for so many planes of columns, aligned for vectors."""
    size = planes * (columns + SPARE_COLUMNS) * COLUMN
    room = np.zeros(size + ALIGNMENT // 8)
    start = -room.ctypes.data % ALIGNMENT // 8
    return room[start : start + size]


def _at(array: NDArray[Any]) -> c_void_p:
    return c_void_p(array.ctypes.data)


def _list(arrays: Sequence[NDArray[Any]]) -> Any:
    """Where some arrays stand, as C takes a list of them."""
    return (c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


class _Lay(NamedTuple):
    """How rows lie in memory."""

    start: tuple[c_void_p, c_int64, c_int64]
    """Where the first begins, how many there are, and the step from one to the next in doubles."""
    columns: NDArray[np.int64]
    """Where each column begins, in doubles from there, shape (k,)."""
    held: Any
    """The memory that is meant."""


def _lay(rows: Table) -> _Lay:
    if isinstance(rows, Strips):
        strips = [column for column in rows.columns if column.strides == (8,)]
        if strips and len(strips) == rows.shape[1]:
            places = np.array([column.ctypes.data for column in strips], dtype=np.int64)
            start = c_void_p(strips[0].ctypes.data)
            columns = (places - places[0]) // 8
            return _Lay((start, c_int64(len(rows)), c_int64(1)), columns, rows)
        rows = np.asarray(rows)
    if any(step % 8 for step in rows.strides) or not rows.flags.aligned:
        rows = rows.copy()
    step = c_int64(rows.strides[0] // 8)
    columns = np.arange(rows.shape[1]) * (rows.strides[1] // 8)
    return _Lay((_at(rows), c_int64(len(rows)), step), columns, rows)


def find_kernel() -> Kernel | None:
    """The compiled kernel that ``STEEPEST_KERNEL`` asks for, or the best there is; None is NumPy.

    Raises what :func:`~steepest.sums.library.load_functions` raises.
    """
    found = load_functions()
    return None if found is None else _make_kernel(*found)


_make_kernel = cache(Kernel)


def reaches(rows: Table, bound: float) -> bool:
    """Whether some |value| is at least a bound above 0, or NaN."""
    kernel = find_kernel()
    if isinstance(rows, Strips):
        return any(reaches(column, bound) for column in rows.columns)
    if kernel is None or not (rows.flags.c_contiguous or rows.flags.f_contiguous):
        return not (np.abs(rows) < bound).all()
    return kernel.reaches(rows, bound)


def find_ends(rows: Table) -> tuple[Ends, bool]:
    """Where columns end, nulls passed over, and whether every number is finite."""
    kernel = find_kernel()
    if kernel is not None and rows.shape[1]:
        return kernel.find_ends(rows)
    whole = np.asarray(rows)
    low = np.fmin.reduce(whole, axis=0, initial=np.inf)
    high = np.fmax.reduce(whole, axis=0, initial=-np.inf)
    return Ends(low, high), bool(np.isfinite(whole).all())


def number_levels(
    codes: NDArray[np.int32], table: NDArray[np.int64]
) -> tuple[NDArray[np.int64], bool]:
    """``table[codes]``, shape (n,), and whether some of it is below 0."""
    kernel = find_kernel()
    if kernel is not None:
        return kernel.number_levels(codes, table)
    numbered = table[codes]
    return numbered, bool(numbered.min(initial=0) < 0)


def count_levels(first: NDArray[np.int64], second: NDArray[np.int64] | None, cells: Floats) -> None:
    """Add how often each level is met to its cell, or each pair of levels to theirs."""
    kernel = find_kernel()
    if kernel is not None:
        kernel.count_levels(first, second, cells)
        return
    keys = first if second is None else first * cells.shape[1] + second
    cells += np.bincount(keys, minlength=cells.size).reshape(cells.shape)


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
