"""Products of matrices of whole numbers, by digits that doubles multiply without rounding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from .integers import Whole, count_bits

DIGIT = 16
"""Bits of a digit: products of two, added up 2²¹ times, are integers below 2⁵³."""


def cut_digits(values: Whole) -> Floats:
    """Digits with the sign of their number, lowest first, shape (digits, *shape of values)."""
    length = 2 * max(1, -(-count_bits(values) // DIGIT))
    packed = b"".join([value.to_bytes(length, "little") for value in np.abs(values).ravel()])
    planes = np.frombuffer(packed, dtype="<u2").reshape(*values.shape, -1)
    digits = np.ascontiguousarray(np.moveaxis(planes, -1, 0), dtype=np.float64)
    digits *= np.where(values < 0, -1.0, 1.0)
    return digits


def multiply_digits(a: Floats, b: Floats) -> Whole:
    """The product of matrices (n, k) and (k, m) that are given by digits.

    BLAS multiplies each digit of the one with all of the other: as exact as ``np.dot`` of the
    whole numbers, which takes n k m multiplications of Python, as long as k times the digits of
    the shorter stays below 2²¹.
    """
    n, m, reach = a.shape[1], b.shape[2], len(b)
    sums = np.zeros((len(a) + reach - 1, n, m))
    wide = np.concatenate(list(b), axis=1)
    for s, digit in enumerate(a):
        found = np.dot(digit, wide).reshape(n, reach, m)
        sums[s : s + reach] += found.transpose(1, 0, 2)
    # The carry of the last place goes into up to four more.
    digits = np.empty((n, m, len(sums) + 4), dtype="<u2")
    carry = np.zeros((n, m), dtype=np.int64)
    for place in range(digits.shape[2]):
        if place < len(sums):
            carry += sums[place].astype(np.int64)
        digits[:, :, place] = carry & 0xFFFF
        carry >>= DIGIT
    return _join(digits)


def _join(digits: NDArray[np.uint16]) -> Whole:
    """Two's complement digits, lowest first along the last axis, as Python integers."""
    packed, length = digits.tobytes(), 2 * digits.shape[2]
    whole: Whole = np.empty(digits.shape[:2], dtype=object)
    whole.ravel()[:] = [
        int.from_bytes(packed[i : i + length], "little", signed=True)
        for i in range(0, len(packed), length)
    ]
    return whole
