"""Numbers that take more than one double: sums of doubles, none of them rounded.

Integers beyond 2⁵³, typed decimals and powers of doubles are held as a sum of doubles times a
power of ten.  Products and sums are split without error into a result and what its rounding
left [1]_ [2]_; only IEEE addition and multiplication are used, so that no fused operation is
needed and none does harm.

References
----------
.. [1] T. J. Dekker.  A floating-point technique for extending the available precision.
   Numerische Mathematik 18, 224-242, 1971.  doi:10.1007/BF01397083
.. [2] D. M. Priest.  Algorithms for arbitrary precision floating point arithmetic.  10th IEEE
   Symposium on Computer Arithmetic, 132-143, 1991.  doi:10.1109/ARITH.1991.145549
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..typing import Floats

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_WHOLE = 2**53
"""Up to here doubles hold every integer."""

SAFE = 900
"""Products whose exponents stay within ± this are split without overflow or underflow."""


class Expansion(NamedTuple):
    """Values Σ parts · 10^-tens, each part of shape (n,)."""

    tens: int
    parts: tuple[Floats, ...]

    def take(self, rows: Any) -> Expansion:
        """The values of some rows."""
        return Expansion(self.tens, tuple(part[rows] for part in self.parts))


def are_beyond(values: Floats) -> NDArray[np.bool_]:
    """Which numbers, but infinities, are of 2⁵³ or beyond, where doubles leave whole ones out."""
    found: NDArray[np.bool_] = np.isfinite(values) & (np.abs(values) >= LARGEST_WHOLE)
    return found


def exceeds_doubles(values: NDArray[Any]) -> bool:
    """Whether some are integers of 2⁵³ or beyond, which doubles may not hold."""
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8 or not values.size:
        return False
    return bool(values.min() <= -LARGEST_WHOLE or values.max() >= LARGEST_WHOLE)


def expand_integers(values: NDArray[Any]) -> Expansion | None:
    """64-bit integers as two doubles each; None where all are below 2⁵³."""
    if not exceeds_doubles(values):
        return None
    low = values & np.asarray(0xFFFF_FFFF, dtype=values.dtype)
    return Expansion(0, ((values - low).astype(np.float64), low.astype(np.float64)))


def expand_words(words: NDArray[np.uint64], tens: int) -> Expansion:
    """Two's complement integers of shape (n, words), lowest word first, times 10^-tens."""
    top = words[:, -1].view(np.int64)
    parts = []
    for i in range(words.shape[1] - 1):
        word = words[:, i]
        parts += [word & np.uint64(0xFFFF_FFFF), word >> np.uint64(32)]
    numbers = [part.astype(np.float64) * 2.0 ** (32 * i) for i, part in enumerate(parts)]
    low, high = top & np.int64(0xFFFF_FFFF), top >> np.int64(32)
    numbers += [low.astype(np.float64) * 2.0 ** (32 * len(parts))]
    numbers += [high.astype(np.float64) * 2.0 ** (32 * len(parts) + 32)]
    return Expansion(tens, distil(numbers))


def multiply(a: Expansion, b: Expansion) -> Expansion:
    """A · b, exactly, where no product leaves the range in which :func:`two_product` is exact."""
    parts = [half for x in a.parts for y in b.parts for half in two_product(x, y)]
    return Expansion(a.tens + b.tens, distil(parts))


def raise_to(base: Expansion, power: int) -> Expansion:
    """A whole power, exactly."""
    result = base
    for _ in range(power - 1):
        result = multiply(result, base)
    return result


def raise_rounded(base: Floats, power: int) -> Floats:
    """A whole power as doubles, rounded at each multiplication, always in the same order."""
    result = base
    for _ in range(power - 1):
        result = result * base
    return result


def two_product(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """a·b as the nearest double and the error of that, elementwise."""
    product = a * b
    high_a, high_b = _upper_half(a), _upper_half(b)
    low_a, low_b = a - high_a, b - high_b
    error = low_a * low_b - (((product - high_a * high_b) - low_a * high_b) - high_a * low_b)
    return product, error


def _upper_half(a: Floats) -> Floats:
    shifted = 134_217_729.0 * a  # 2²⁷ + 1
    return shifted - (shifted - a)


def two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """A + b as the nearest double and the error of that, elementwise."""
    total = a + b
    shadow = total - a
    return total, (a - (total - shadow)) + (b - shadow)


def distil(parts: Sequence[Floats]) -> tuple[Floats, ...]:
    """The same sum in fewer doubles, the first the nearest; parts that are 0 everywhere vanish."""
    parts = [part for part in parts if part.any()] or [parts[0]]
    for _ in range(len(parts) - 1):
        for i in range(len(parts) - 1, 0, -1):
            parts[i - 1], parts[i] = two_sum(parts[i - 1], parts[i])
    return tuple(part for i, part in enumerate(parts) if i == 0 or part.any())


def exponents(values: Floats) -> NDArray[np.int64]:
    """E with 2^(e-1) ≤ |z| < 2^e, and 0 for 0."""
    return np.frexp(values)[1].astype(np.int64)
