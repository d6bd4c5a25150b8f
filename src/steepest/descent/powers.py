"""Any power of many 2 × 2 matrices at once, in a few products whatever the power.

A whole number t has digits d₀, d₁, ... to the base 64, and M^t = M^d₀ · (M^64)^d₁ · ..., each
factor out of a table of 64.  The tables are squared and multiplied in numbers of twice the digits
and rounded once, so that the power of ten million is as good as that of ten; powers of two are kept
beside them, so that nothing leaves the range of doubles before the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from .wide import Wide, stack

BASE = 64

Exponents = NDArray[np.int64]


@dataclass(frozen=True)
class Matrices:
    """2 × 2 matrices [[a, b], [c, d]] times 2^exponent, each of any shape."""

    entries: tuple[Wide, Wide, Wide, Wide]
    exponent: Exponents

    @classmethod
    def of(cls, rows: tuple[tuple[Wide, Wide], tuple[Wide, Wide]]) -> Matrices:
        (a, b), (c, d) = rows
        return _normal((a, b, c, d), np.zeros(a.high.shape, dtype=np.int64))

    def __matmul__(self, other: Matrices) -> Matrices:
        a, b, c, d = self.entries
        e, f, g, h = other.entries
        product = (a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)
        return _normal(product, self.exponent + other.exponent)

    def __getitem__(self, at: Any) -> Matrices:
        a, b, c, d = (entry[at] for entry in self.entries)
        return Matrices((a, b, c, d), self.exponent[at])


def _normal(entries: tuple[Wide, ...], exponent: Exponents) -> Matrices:
    """The same matrices, the largest entry between ½ and 1."""
    largest = np.max([np.abs(entry.high) for entry in entries], axis=0)
    more = np.frexp(largest)[1].astype(np.int64)
    a, b, c, d = (entry.scaled(-more) for entry in entries)
    return Matrices((a, b, c, d), exponent + more)


@dataclass(frozen=True)
class Table:
    """The first 64 powers of matrices, rounded to doubles: entries (64, 4, q)."""

    entries: Floats
    exponent: Exponents
    """Shape (64, q)."""


class Powers:
    """Powers of q matrices, applied to the vector (1, 0).

    >>> M = Matrices.of(((Wide.of([0.5]), Wide.of([0.0])), (Wide.of([0.25]), Wide.of([0.5]))))
    >>> Powers(M).first([0, 1, 3, 2000, np.inf]).ravel()
    array([1.   , 0.5  , 0.125, 0.   , 0.   ])
    """

    def __init__(self, matrices: Matrices) -> None:
        self._next = matrices[np.newaxis]
        self._tables: list[Table] = []
        self._size = matrices.exponent.shape[0]

    def first(self, t: Floats) -> Floats:
        """The first entry of M^t (1, 0)ᵀ for each t, shape (T, q); 0 at infinity.

        O(q) for each digit of t.  An entry that no double holds is infinite.
        """
        t = np.asarray(t, dtype=np.float64)
        forever = np.isinf(t)
        rest = np.where(forever, 0.0, t)
        coarse, fine = np.divmod(rest, BASE)
        steps, at = np.unique(coarse, return_inverse=True)
        e, s, exponent = self._climb(steps)
        table = self._table(0)
        digit = fine.astype(np.int64)
        e = table.entries[digit, 0] * e[at] + table.entries[digit, 1] * s[at]
        power = np.clip(table.exponent[digit] + exponent[at], -(2**30), 2**30)
        with np.errstate(under="ignore", over="ignore"):
            found: Floats = np.ldexp(e, power.astype(np.int32))
        found[forever] = 0.0
        return found

    def _climb(self, steps: Floats) -> tuple[Floats, Floats, Exponents]:
        """M^(64 · steps) (1, 0)ᵀ with an exponent, each of shape (len(steps), q)."""
        shape = len(steps), self._size
        e, s, exponent = np.ones(shape), np.zeros(shape), np.zeros(shape, dtype=np.int64)
        level = 1
        while steps.any():
            steps, digit = np.divmod(steps, BASE)
            table, at = self._table(level), digit.astype(np.int64)
            a, b, c, d = (table.entries[at, i] for i in range(4))
            e, s = a * e + b * s, c * e + d * s
            shift = np.frexp(np.maximum(np.abs(e), np.abs(s)))[1].astype(np.int64)
            e, s = np.ldexp(e, -shift), np.ldexp(s, -shift)
            exponent = exponent + table.exponent[at] + shift
            level += 1
        return e, s, exponent

    def _table(self, level: int) -> Table:
        while len(self._tables) <= level:
            one = self._next
            zero = one.entries[0] * 0.0
            known = [Matrices((zero + 1.0, zero, zero, zero + 1.0), one.exponent * 0), one]
            while sum(len(block.exponent) for block in known) < BASE:
                so_far = _joined(known)
                last = so_far[-1:] @ one
                known.append(last @ so_far)
            every = _joined(known)
            self._tables.append(
                Table(np.stack([entry.high for entry in every.entries], axis=1), every.exponent)
            )
            self._next = every[-1:] @ one
        return self._tables[level]


def _joined(blocks: list[Matrices]) -> Matrices:
    columns = zip(*(block.entries for block in blocks), strict=True)
    a, b, c, d = (stack(parts) for parts in columns)
    return Matrices((a, b, c, d), np.concatenate([block.exponent for block in blocks]))


def raise_first(matrices: Matrices, t: int) -> tuple[Floats, Floats]:
    """The first entry of M^t (1, 0)ᵀ: its sign and the logarithm of its size, shape (q,).

    O(log t) products of all q matrices.
    """
    zero = matrices.entries[0] * 0.0
    vector = Matrices((zero + 1.0, zero, zero, zero), matrices.exponent * 0)
    power = matrices
    while t:
        if t & 1:
            vector = power @ vector
        t >>= 1
        if t:
            power = power @ power
    found = vector.entries[0].high
    with np.errstate(divide="ignore"):
        log = np.log(np.abs(found)) + vector.exponent * np.log(2.0)
    return np.sign(found), np.asarray(log)
