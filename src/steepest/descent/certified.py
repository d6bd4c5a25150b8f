"""The limit of the descent to the last bit: least squares and ridge from exact sums.

The normal equations A v = c are whole numbers.  From x = 0, steps x ← x + (L Lᵀ)⁻¹ (c - A x)
descend on the quadratic of A, preconditioned by its factor; x is kept in whole numbers and the
residual c - A x is computed without rounding [1]_ [2]_.  With λ, a proven lower bound of the
smallest eigenvalue, ‖x - A⁻¹c‖ ≤ ‖c - A x‖ / λ encloses every coefficient; where both ends of
the enclosure round to the same double, that is the coefficient correctly rounded.

References
----------
.. [1] J. H. Wilkinson.  Rounding Errors in Algebraic Processes.  HMSO, London, 1963.
.. [2] S. M. Rump.  Verification methods: rigorous results using floating-point arithmetic.
   Acta Numerica 19, 287-449, 2010.  doi:10.1017/S096249291000005X
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..sums.integers import Whole, count_bits
from ..sums.normal import ExactNormal
from ..sums.products import cut_digits, multiply_digits
from ..typing import Floats
from .factor import Factor, factor

BITS = (192, 512)
"""Bits behind the point: the first nearly always does; more where a value lies near a tie."""

LAST_BITS = 1_200
"""A value enclosed this closely around 0 rounds to 0."""

FEW = 300
"""Columns up to which that many bits are tried."""

TIES = 32
"""Columns up to which it is proven that a value lies half way between two doubles."""


MANY, MOST = 64, 1_024
"""Columns from which a product of matrices is faster by digits, and up to which there is room."""


class Certificate(NamedTuple):
    """How near the coefficients are to the exact solution for the numbers given."""

    ulps: float | None
    """At most so many units in the last place; 0.5 is correctly rounded, None not proven."""
    text: str


CORRECT = Certificate(
    0.5, "correctly rounded: each coefficient is the double nearest to the exact solution"
)
UNPROVEN = Certificate(None, "not proven: the columns depend on each other, or too nearly to tell")


@dataclass(frozen=True)
class System:
    """A v = c scaled by powers of two: Â = matrix · 2^(-2 top)."""

    matrix: Whole
    top: int
    factor: Factor

    @property
    def places(self) -> Whole:
        """d, shape (p,): column j of Â is column j of A times 2^-dⱼ."""
        return np.array(self.factor.places, dtype=object)

    def refine(self, right: Whole, shift: int, bits: int, doubt: int = 0) -> tuple[Whole, int]:
        """The x of Â x = right · 2^-shift, shape (p, m), in whole numbers of 2^-bits.

        And by how many of these any entry may be off, where each entry of A and of c may be off
        by ``doubt``.  O(p² m) a step.
        """
        p = len(right)
        residual = right << (2 * self.top + bits - shift)
        x: Whole = np.zeros(right.shape, dtype=object)
        last = math.inf
        while True:
            size = int(np.abs(residual).max(initial=0))
            if not size and not doubt:
                return x, 0
            step, behind = self.factor.solve(residual)
            behind += 2 * self.top
            step, lift = step >> max(behind, 0), max(-behind, 0)
            length = count_bits(step) + lift
            if length <= 4 or length >= last:
                reach = size + self._blur(x, doubt, 2 * self.top + bits - shift)
                lost = self.factor.bits + bool(doubt)
                return x, ((p * reach << lost) >> (2 * self.top)) + 1
            x, last = x + (step << lift), length
            residual = residual - (self._times(step) << lift)

    def is_clear(self, doubt: int) -> bool:
        """Whether doubt of every entry takes less than half of the smallest eigenvalue."""
        least = min(self.factor.places, default=0)
        return len(self.matrix) * doubt << (self.factor.bits + 1) <= 1 << (2 * least)

    def _blur(self, x: Whole, doubt: int, places: int) -> int:
        """How far doubt of every entry moves a residual, at the most."""
        if not doubt:
            return 0
        lift = self.top - min(self.factor.places)
        moved = sum(abs(int(v)) << (self.top - d) for row, d in
                    zip(x, self.factor.places, strict=True) for v in row)  # fmt: skip
        return (doubt * moved << lift) + (doubt << (lift + max(places, 0)))

    def _times(self, x: Whole) -> Whole:
        if not MANY <= len(x) <= MOST:
            return np.asarray(np.dot(self.matrix, x))
        return multiply_digits(self._digits, cut_digits(x))

    @cached_property
    def _digits(self) -> Floats:
        i, j = np.tril_indices(len(self.matrix))
        own = cut_digits(self.matrix[i, j])
        digits = np.empty((len(own), *self.matrix.shape))
        digits[:, i, j] = digits[:, j, i] = own
        return digits


def build_system(matrix: Whole) -> System | None:
    """A symmetric matrix of whole numbers, scaled and factored; None where it is singular."""
    found = factor(matrix)
    if found is None:
        return None
    d = np.array(found.places, dtype=object)
    top = max(found.places, default=0)
    return System(matrix << (2 * top - (d + d[:, None])), top, found)


class Optimum(NamedTuple):
    """A minimiser on the user's scale, and the loss there, rounded once."""

    intercept: float
    coef: Floats
    loss: float


@dataclass(frozen=True)
class Limit:
    """The minimiser of a squared-error objective, from exact sums, and what else they tell."""

    optimum: Optimum
    residual: Fraction
    """Σ w (y - ŷ)², to far more digits than a double has."""
    total: Fraction
    """Σ w (y - ȳ)², or Σ w y² without an intercept."""
    certificate: Certificate
    system: System
    ends: list[tuple[float, float]]
    """The doubles nearest to both ends of each coefficient's enclosure."""
    solution: tuple[Whole, Whole, int]
    """The coefficients in units of the target over the column's, how far off, behind the point."""


def solve_exactly(
    normal: ExactNormal, *, l2: float, scale: str, intercept: bool, doubt: int = 0
) -> Limit | None:
    """Coefficients on the user's scale, correctly rounded.

    Every product may be off by ``doubt`` units, with no penalty and no intercept.  None where
    the columns depend on each other, or too nearly to tell.  O(p³) operations in double
    precision, and a few products of a p × p matrix of whole numbers with a vector.
    """
    centred, divisor = normal.centred(intercept=intercept)
    p = len(centred) - 1
    inner, cross = centred[:p, :p], centred[:p, p]
    matrix, lift = _penalise(normal, inner, divisor, l2, scale)
    system = build_system(matrix)
    if system is None or not system.is_clear(doubt):
        return None
    places = system.places
    right = (cross << lift) << (system.top - places)
    size = count_bits(right)
    for wanted in (*BITS, _last_bits(normal, system, size)):
        last = wanted > max(BITS)
        if last and p > FEW:
            break
        parts = math.prod(int(d) for d in np.diag(matrix)) if last and p <= TIES else 0
        bits = max(wanted + parts.bit_length(), size - 2 * system.top)
        x, radius = system.refine(right[:, None], size, bits, doubt)
        # v = x · 2^(size - top - d - bits): v · 2^behind is whole.
        behind = bits + 2 * system.top - size
        v, off = x[:, 0] << (system.top - places), radius << (system.top - places)
        ends = [_ends(normal, j, v[j], off[j], behind, parts) for j in range(p)]
        if intercept:
            ends.append(_intercept_ends(normal, v, off, behind, parts))
        certificate = certify(ends)
        square, resolved = _residual(centred, v, off, behind, doubt)
        if certificate is CORRECT and resolved:
            break
    low = np.array([end[0] for end in ends]) + 0.0
    unit = normal.unit(p) ** 2 * normal.weight_of_one / divisor
    residual = square * unit
    loss = _nearest(residual / (normal.weight * normal.weight_of_one))
    optimum = Optimum(float(low[p]) if intercept else 0.0, low[:p], loss)
    total = int(centred[p, p]) * unit
    return Limit(optimum, residual, total, certificate, system, ends, (v, off, behind))


def find_loss(normal: ExactNormal, intercept: float, coef: Floats) -> float:
    """The mean squared error of any coefficients, rounded once.  O(p²) fractions."""
    p = len(coef)
    parts = [-Fraction(float(w)) * normal.unit(j) for j, w in enumerate(coef)]
    parts.append(normal.unit(p))
    first = Fraction(-intercept)
    square = first * first * normal.weight
    for i, part in enumerate(parts):
        inner = sum((part_j * int(normal.products[i, j]) for j, part_j in enumerate(parts)), first)
        square += part * (inner - first + 2 * first * int(normal.totals[i]))
    return _nearest(square / normal.weight)


def _penalise(
    normal: ExactNormal, inner: Whole, divisor: int, l2: float, scale: str
) -> tuple[Whole, int]:
    """The matrix with its penalty, times 2^lift so that it is whole, and that lift."""
    if not l2:
        return inner, 0
    p = len(inner)
    above, below = l2.as_integer_ratio()
    lift = below.bit_length() - 1
    if scale == "standard":
        added = above * np.diag(inner)
        return (inner << lift) + np.diag(added), lift
    squares = [normal.unit(j) ** -2 * above * divisor * normal.weight for j in range(p)]
    more = max((square.denominator.bit_length() - 1 for square in squares), default=0)
    added = np.array([int(square * (1 << more)) for square in squares], dtype=object)
    return (inner << (lift + more)) + np.diag(added), lift + more


def _last_bits(normal: ExactNormal, system: System, size: int) -> int:
    """Bits at which even the largest value, were it 0, would round to 0."""
    p = len(normal.units) - 1
    scale = [size - system.top - d for d in system.factor.places]
    reach = [s + _exponent(normal.unit(p) / normal.unit(j)) for j, s in enumerate(scale)] + [
        _exponent(normal.unit(p))
    ]
    means = [s + int(t).bit_length() for s, t in zip(scale, normal.totals[:p], strict=True)]
    return (
        LAST_BITS
        + system.factor.bits
        + max(0, *reach, _exponent(normal.unit(p)) + max(means, default=0))
    )


def _exponent(value: Fraction) -> int:
    return value.numerator.bit_length() - value.denominator.bit_length() + 1


def _ends(
    normal: ExactNormal, j: int, v: int, off: int, behind: int, parts: int
) -> tuple[float, float]:
    """The doubles nearest to both ends of a coefficient's enclosure."""
    unit = normal.unit(len(normal.units) - 1) / normal.unit(j)
    return round_ends(v, off, unit, behind, parts)


def _intercept_ends(
    normal: ExactNormal, v: Whole, off: Whole, behind: int, parts: int
) -> tuple[float, float]:
    """The same of the intercept, ȳ - Σ v x̄."""
    p = len(v)
    totals = normal.totals[:p]
    middle = (int(normal.totals[p]) << behind) - int(np.dot(totals, v))
    reach = int(np.dot(np.abs(totals), off))
    return round_ends(middle, reach, normal.unit(p) / normal.weight, behind, parts)


def round_ends(
    value: int, off: int, unit: Fraction, behind: int, parts: int
) -> tuple[float, float]:
    """The doubles nearest to (value ± off) · 2^-behind units.

    By Cramer's rule the exact value is a whole number of units over the determinant, which is at
    most ``parts`` (0 where that is not known).  Where two doubles are left, and their middle is
    nearer than such a number can be without being it, it is the value: a tie, which goes to the
    even one.
    """
    low, high = (value - off) * unit / (1 << behind), (value + off) * unit / (1 << behind)
    ends = _nearest(low), _nearest(high)
    if not parts or ends[1] != math.nextafter(ends[0], math.inf) or math.isinf(ends[1]):
        return ends
    middle = (Fraction(ends[0]) + Fraction(ends[1])) / 2
    if (high - low) * parts * unit.denominator * middle.denominator < 1:
        return _nearest(middle), _nearest(middle)
    return ends


def _nearest(value: Fraction) -> float:
    """Dividing whole numbers rounds once; what no double holds is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def certify(ends: list[tuple[float, float]]) -> Certificate:
    if all(low == high and math.isfinite(low) for low, high in ends):
        return CORRECT
    units = max(_distance(low, high) for low, high in ends)
    if units > 2.0**52:
        return UNPROVEN
    found = math.ceil(units + 0.5)  # the value may round to either end
    return Certificate(
        float(found),
        f"each coefficient is within {found:,} units in the last place of the exact solution",
    )


def _distance(low: float, high: float) -> float:
    """How many units in the last place of the smaller one lie between two doubles."""
    if low == high and math.isfinite(low):
        return 0.0
    apart = low < 0 < high or not math.isfinite(high - low)
    return math.inf if apart else (high - low) / math.ulp(min(abs(low), abs(high)))


def _residual(
    centred: Whole, v: Whole, off: Whole, behind: int, doubt: int
) -> tuple[Fraction, bool]:
    """vᵀ S v - 2 v·s + s_yy, and whether the error of v leaves it at least 59 bits.

    0 where it is within that error.
    """
    p = len(v)
    inner, cross, square = centred[:p, :p], centred[:p, p], int(centred[p, p])
    moved = np.dot(inner, v) if p else v
    value = (square << (2 * behind)) + int(np.dot(v, moved - (cross << (behind + 1))))
    reach = sum(
        int(o) * math.isqrt(int(d)) + int(o) for o, d in zip(off, np.diag(inner), strict=True)
    )
    resolved = reach == 0 or value > reach * reach << 120
    if doubt and value <= doubt * (int(np.abs(v).sum()) + (1 << behind)) ** 2:
        return Fraction(0), True
    if reach and value <= reach * reach:
        return Fraction(0), resolved
    return Fraction(value, 1 << (2 * behind)), resolved
