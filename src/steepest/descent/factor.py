"""The Cholesky factor of a matrix of whole numbers, with a proven bound on its smallest eigenvalue.

A symmetric matrix A of integers is scaled by powers of two, Âᵢⱼ = Aᵢⱼ 2^(-dᵢ-dⱼ), so that its
diagonal lies in [1/4, 1).  If the factorisation of Â - σ I comes to its end in arithmetic with
an error of at most ε, then Â has no eigenvalue below σ - ε [1]_.  It is tried in double
precision first, and in whole numbers of 2⁻³⁸⁴ where that is too coarse.

References
----------
.. [1] S. M. Rump.  Verification of positive definiteness.  BIT Numerical Mathematics 46,
   433-452, 2006.  doi:10.1007/s10543-006-0056-1
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..sums.integers import Whole, count_bits
from ..typing import Floats

MARGIN = 64
"""How many times its own error the smallest eigenvalue must be for a factor in double precision:
each step with it then leaves a twentieth of the error, or less."""

WIDE = 384
"""Bits behind the point where double precision is too coarse."""

WIDE_SHIFT = 150
"""There σ is 2^-150; all errors together stay far below half of it."""

GUARD = 128
"""Bits behind the point of a solution by the wide factor."""

LARGEST = 1_000
"""Bits of whole numbers that become doubles as they are."""

WIDEST = 256
"""Columns up to which whole numbers are factored: O(p³) of them, about 3 s for 256."""


@dataclass(frozen=True)
class Factor:
    """L with L Lᵀ ≈ Â, or its inverse, and what is proven of Â."""

    lower: Whole | None
    """L as whole numbers of 2^-WIDE, where double precision is too coarse."""
    inverse: Floats | None
    """L⁻¹ in double precision, where that will do."""
    bits: int
    """No eigenvalue of Â lies below 2^-bits."""
    places: tuple[int, ...]
    """d: how far each column is scaled."""

    def solve(self, right: Whole) -> tuple[Whole, int]:
        """About Â⁻¹ r, for r of shape (p, m): whole numbers of 2^-bits, and those bits."""
        if self.lower is not None:
            return _substitute(self.lower, right), GUARD
        assert self.inverse is not None
        top = count_bits(right)
        found = np.dot(self.inverse.T, np.dot(self.inverse, _round_to_doubles(right, top)))
        return np.vectorize(int, otypes=[object])(np.ldexp(found, 62)), 62 - top


def scale_places(matrix: Whole) -> tuple[int, ...]:
    """D of a positive diagonal: Aᵢᵢ 2^(-2 dᵢ) is in [1/4, 1)."""
    return tuple((int(value).bit_length() + 1) // 2 for value in np.diag(matrix))


def scale_to_doubles(matrix: Whole, places: tuple[int, ...]) -> Floats:
    """Â, each entry within 2⁻⁵² of it."""
    if 2 * max(places, default=0) <= LARGEST:  # no entry is larger than the diagonal's
        d = np.array(places, dtype=np.int64)
        nearest: Floats = np.ldexp(matrix.astype(np.float64), -(d + d[:, None]))
        return nearest
    far = np.array(places, dtype=object)
    shifted = (matrix << 64) >> (far + far[:, None])
    doubles: Floats = np.ldexp(shifted.astype(np.float64), -64)
    return doubles


def _round_to_doubles(values: Whole, top: int) -> Floats:
    """Whole numbers below 2^top as doubles below 1; what is far below is 0."""
    shifted = values >> (top - 64) if top > 64 else values
    doubles: Floats = np.ldexp(shifted.astype(np.float64), -min(top, 64))
    return doubles


def factor(matrix: Whole) -> Factor | None:
    """The factor of a symmetric matrix of whole numbers, O(p³).

    None where it cannot be told from a singular one.
    """
    p = len(matrix)
    if not p:
        return Factor(None, np.zeros((0, 0)), 0, ())
    if not all(value > 0 for value in np.diag(matrix)):
        return None
    places = scale_places(matrix)
    scaled = scale_to_doubles(matrix, places)
    lower, error = _factor_above(scaled, 0.0)
    far = lower is not None and _factor_above(scaled, MARGIN * error)[0] is not None
    if lower is not None and (far or p > WIDEST):
        inverse = np.asarray(np.linalg.inv(lower), dtype=np.float64)
        bound = MARGIN * error if far else error
        return Factor(None, inverse, math.ceil(-math.log2(bound)), places)
    if p > WIDEST:
        return None
    found = _factor_wide(matrix, places)
    return None if found is None else Factor(found, None, WIDE_SHIFT + 1, places)


def is_above(matrix: Whole, bound: float) -> bool:
    """Whether no eigenvalue of Â is below a bound, as far as double precision can prove it."""
    if bound >= 1:
        return False
    return _factor_above(scale_to_doubles(matrix, scale_places(matrix)), bound)[0] is not None


def _factor_above(scaled: Floats, bound: float) -> tuple[Floats | None, float]:
    """The factor of Â - σ I where it exists, and how far above the bound its σ lies."""
    p = len(scaled)
    error = p * (p + 8) * 2.0**-53
    shifted = scaled.copy()
    shifted[np.diag_indices(p)] -= bound + 2 * error
    try:
        lower = np.asarray(np.linalg.cholesky(shifted), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None, error
    return lower, error


def widen(matrix: Whole, places: tuple[int, ...]) -> Whole:
    """Â as whole numbers of 2^-WIDE, each within one of them."""
    d = np.array(places, dtype=object)
    wide: Whole = (matrix << WIDE) >> (d + d[:, None])
    return wide


def _factor_wide(matrix: Whole, places: tuple[int, ...]) -> Whole | None:
    rest = widen(matrix, places)
    p = len(rest)
    rest[np.diag_indices(p)] -= 1 << (WIDE - WIDE_SHIFT)
    lower: Whole = np.zeros((p, p), dtype=object)
    for k in range(p):
        if rest[k, k] <= 0:
            return None
        root = math.isqrt(rest[k, k] << WIDE)
        lower[k, k] = root
        below = (rest[k + 1 :, k] << WIDE) // root
        lower[k + 1 :, k] = below
        rest[k + 1 :, k + 1 :] -= np.multiply.outer(below, below) >> WIDE
    return lower


def _substitute(lower: Whole, right: Whole) -> Whole:
    """L⁻ᵀ L⁻¹ r in whole numbers of 2^-GUARD, by forward and backward substitution."""
    p = len(lower)
    x = right << (WIDE + GUARD)
    for k in range(p):
        x[k] = (x[k] - np.dot(lower[k, :k], x[:k])) // lower[k, k]
    x = x << WIDE
    for k in reversed(range(p)):
        x[k] = (x[k] - np.dot(lower[k + 1 :, k], x[k + 1 :])) // lower[k, k]
    return x
