"""Numbers of twice the digits: unevaluated sums of two doubles, elementwise [1]_.

References
----------
.. [1] T. J. Dekker.  A floating-point technique for extending the available precision.
   Numerische Mathematik 18, 224-242, 1971.  doi:10.1007/BF01397083
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.expansions import two_product, two_sum
from ..typing import Floats


@dataclass(frozen=True)
class Wide:
    """``high + low``, |low| at most half a unit in the last place of high; about 32 digits.

    Entries have to stay between 2⁻⁵⁰⁰ and 2⁵⁰⁰, or be 0.

    >>> third = Wide.of(np.array([1.0])) - Wide.of(np.array([2.0])) * (1 / 3)
    >>> (third - third.high).high == third.low
    array([ True])
    """

    high: Floats
    low: Floats

    __array_ufunc__ = None
    """Arrays leave operators to this class."""

    @classmethod
    def of(cls, values: Floats) -> Wide:
        """Doubles as they are."""
        high = np.asarray(values, dtype=np.float64)
        return cls(high, np.zeros_like(high))

    def __add__(self, other: Wide | Floats | float) -> Wide:
        one = _widened(other)
        total, error = two_sum(self.high, one.high)
        return _settled(total, error + (self.low + one.low))

    __radd__ = __add__

    def __neg__(self) -> Wide:
        return Wide(-self.high, -self.low)

    def __sub__(self, other: Wide | Floats | float) -> Wide:
        return self + -_widened(other)

    def __rsub__(self, other: Floats | float) -> Wide:
        return -self + other

    def __mul__(self, other: Wide | Floats | float) -> Wide:
        one = _widened(other)
        product, error = two_product(self.high, one.high)
        return _settled(product, error + (self.high * one.low + self.low * one.high))

    __rmul__ = __mul__

    def __getitem__(self, at: Any) -> Wide:
        return Wide(self.high[at], self.low[at])

    def scaled(self, exponents: Any) -> Wide:
        """Times 2^exponents, exactly."""
        return Wide(np.ldexp(self.high, exponents), np.ldexp(self.low, exponents))


def stack(parts: Sequence[Wide]) -> Wide:
    """Several arrays one after the other, along their first axis."""
    return Wide(
        np.concatenate([part.high for part in parts]), np.concatenate([part.low for part in parts])
    )


def _widened(value: Wide | Floats | float) -> Wide:
    return value if isinstance(value, Wide) else Wide.of(np.asarray(value, dtype=np.float64))


def _settled(high: Floats, low: Floats) -> Wide:
    """A sum of two, the first the larger, so that the second is what the first has lost."""
    total = high + low
    return Wide(total, low - (total - high))
