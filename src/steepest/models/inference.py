"""How far coefficients may be from those of other rows of the same kind: standard errors.

With S the centred moments Σ w (x - x̄)(x - x̄)ᵀ, n rows that count, q coefficients and
σ² = Σ w (y - ŷ)² / (n - q),

    se(β) = σ √diag(S⁻¹),      se(b) = σ √(1/W + x̄ᵀ S⁻¹ x̄).

Rows of weight 0 do not count in n; rows whose weights are frequencies count that often.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ..descent.certified import Limit
from ..descent.elimination import Eliminated
from ..descent.quadratic import Coordinates, standard_moments
from ..sums.integers import Whole, count_bits
from ..sums.normal import ExactNormal
from ..sums.problem import Problem
from ..typing import Floats

FEW = 100
"""Columns up to which the inverse is refined in whole numbers: O(p³) of them a step."""

FEWER = 32
"""Columns up to which the errors of levels are added up in whole numbers: O(m p²) of them."""

BITS = 120
"""Bits behind the point of that inverse."""


class Errors(NamedTuple):
    """Standard errors on the user's scale."""

    residual_sd: float | None = None
    intercept: float | None = None
    coef: Floats | None = None
    """Shape (p,)."""


def exact_errors(problem: Problem, limit: Limit, *, intercept: bool) -> Errors:
    """Standard errors of a least-squares solution, each rounded once from exact sums.

    Beyond 100 columns the inverse is of double precision: its error grows with the condition.
    """
    normal, system = problem.exact, limit.system
    freedom = _freedom(problem, intercept=intercept)
    if normal is None or freedom <= 0:
        return Errors()
    p = len(problem.terms)
    variance = limit.residual / freedom
    divisor = normal.weight if intercept else 1
    scale = variance * divisor / normal.weight_of_one
    inverse = _invert_diagonal(limit)
    coef = np.array(
        [
            _root(scale / normal.unit(j) ** 2 * inverse[j] / Fraction(4) ** place)
            for j, place in enumerate(system.factor.places)
        ]
    )
    if not intercept:
        return Errors(_root(variance), None, coef)
    spread = 1 + _mean_form(normal, limit, p)
    return Errors(
        _root(variance),
        _root(variance * spread / (normal.weight * normal.weight_of_one)),
        coef,
    )


def double_errors(problem: Problem, coordinates: Coordinates, loss: float) -> Errors:
    """Standard errors of a least-squares solution in double precision.  O(p³)."""
    freedom = _freedom(problem, intercept=coordinates.intercept)
    if freedom <= 0:
        return Errors()
    variance = loss * problem.weight / freedom
    matrix = standard_moments(problem, coordinates)[0]
    residual_sd = math.sqrt(variance)
    if not len(matrix):
        return Errors(residual_sd, math.sqrt(variance / problem.weight), np.zeros(0))
    try:
        root = np.linalg.inv(np.linalg.cholesky(matrix))
    except np.linalg.LinAlgError:
        return Errors(residual_sd)
    unit = np.sqrt(variance / problem.weight)
    coef = coordinates.destandardise(np.sqrt(np.sum(root**2, axis=0)) * unit)
    means = root @ (problem.mean / coordinates.spread)
    return Errors(residual_sd, float(unit * math.sqrt(1 + means @ means)), coef)


def eliminated_errors(problem: Problem, found: Eliminated) -> tuple[Errors, Floats | None]:
    """Standard errors where levels were eliminated: of the other columns, and of each level.

    For level l of weight d_l, with means τ_l of the others, var(α_l) = σ² (1/d_l + τ_lᵀ S⁻¹ τ_l).
    O(m q²) for m levels; in doubles beyond 32 other columns.
    """
    levels, limit = found.levels, found.limit
    reduced, system = found.reduced, limit.system
    q, m = len(system.matrix), len(found.effects)
    freedom = problem.rows.used - m - q
    if freedom <= 0:
        return Errors(), None
    variance = limit.residual / freedom
    inverse, places = _invert(limit), system.factor.places
    one = Fraction(1) / reduced.weight_of_one / (1 << BITS)
    spread = [
        _root(variance * one * int(inverse[j, j]) / Fraction(4) ** d / reduced.unit(j) ** 2)
        for j, d in enumerate(places)
    ]
    forms = _forms(found, inverse) if q <= FEWER else _round_forms(found, inverse)
    effects = []
    for above, form in zip(levels.above, forms, strict=True):
        own = Fraction(1, int(above)) / levels.normal.weight_of_one
        effects.append(_root(variance * (own + form / reduced.weight_of_one)))
    first = spread.pop(0) if levels.intercept else None
    return Errors(_root(variance), first, np.array(spread)), np.array(effects)


def _forms(found: Eliminated, inverse: Whole) -> list[Fraction]:
    """τᵀ Â⁻¹ τ for each level."""
    levels, places = found.levels, found.limit.system.factor.places
    q, top = len(places), max(places, default=0)
    lifted = levels.table[:, :q] << (top - np.array(places, dtype=object))
    forms = np.sum(np.dot(lifted, inverse) * lifted, axis=1) if q else [0] * len(lifted)
    behind = 1 << (BITS + 2 * top)
    return [
        Fraction(int(form), int(above) ** 2 * behind)
        for form, above in zip(forms, levels.above, strict=True)
    ]


def _round_forms(found: Eliminated, inverse: Whole) -> list[Fraction]:
    """The same with distances to the mean in doubles: nothing large cancels."""
    levels, normal = found.levels, found.levels.normal
    places = np.array(found.limit.system.factor.places, dtype=object)
    q, top, weight = len(places), int(max(places, default=0)), normal.weight
    mean: Whole = np.zeros(q, dtype=object)  # W times it, in the coordinates of Â, in 2^-top
    if levels.intercept:
        mean[0], mean[1:] = weight, normal.totals[: q - 1]
    mean = mean << (top - places)
    slope = np.dot(inverse, mean)
    table = levels.table[:, :q] << (top - places)
    gaps = table * weight - np.outer(levels.above, mean)
    down = [int(above) * weight << top for above in levels.above]
    away = np.array([[g / d for g in row] for row, d in zip(gaps, down, strict=True)])
    matrix = (inverse / (1 << BITS)).astype(np.float64)
    slopes = np.array([s / (weight << (BITS + top)) for s in slope])
    middle = int(np.dot(mean, slope)) / (weight * weight << (BITS + 2 * top))
    forms = middle + 2 * away @ slopes + np.sum((away @ matrix) * away, axis=1)
    return [Fraction(float(form)) for form in forms]


def _invert(limit: Limit) -> Whole:
    """Â⁻¹ in whole numbers of 2^-BITS."""
    system = limit.system
    p, inverse = len(system.matrix), system.factor.inverse
    if p <= FEW or inverse is None:
        ones: Whole = np.zeros((p, p), dtype=object)
        ones[np.diag_indices(p)] = 1
        return system.refine(ones, 0, BITS)[0]
    whole: Whole = np.vectorize(lambda v: int(np.ldexp(v, 60)), otypes=[object])(
        inverse.T @ inverse
    )
    return whole << (BITS - 60)


def _freedom(problem: Problem, *, intercept: bool) -> int:
    return problem.rows.used - len(problem.terms) - intercept


def _invert_diagonal(limit: Limit) -> list[Fraction]:
    """diag(Â⁻¹), for Â = A scaled by powers of two."""
    p, inverse = len(limit.system.matrix), limit.system.factor.inverse
    if p <= FEW or inverse is None:
        return [Fraction(int(value), 1 << BITS) for value in np.diag(_invert(limit))]
    return [Fraction(float(value)) for value in np.sum(inverse**2, axis=0)]


def _mean_form(normal: ExactNormal, limit: Limit, p: int) -> Fraction:
    """W x̄ᵀ S⁻¹ x̄, which is tᵀ A⁻¹ t for the sums t of the columns."""
    if not p:
        return Fraction(0)
    system = limit.system
    right = normal.totals[:p] << (system.top - system.places)
    size = count_bits(right)
    bits = max(BITS, size - 2 * system.top)
    x, _ = system.refine(right[:, None], size, bits)
    # tᵀ A⁻¹ t = right · 2^-top · x · 2^(size - top - bits)
    form, behind = int(np.dot(right, x[:, 0])), 2 * system.top + bits - size
    return Fraction(form, 1 << behind) if behind >= 0 else Fraction(form << -behind)


def _root(value: Fraction) -> float:
    """The square root of a fraction, rounded from 128 bits."""
    if value <= 0:
        return 0.0
    size = value.numerator.bit_length() - value.denominator.bit_length()
    lift = 2 * ((256 - size) // 2 + 1)
    whole = (
        (value.numerator << lift) // value.denominator
        if lift >= 0
        else (value.numerator // (value.denominator << -lift))
    )
    root = math.isqrt(whole)
    half = lift // 2
    return float(Fraction(root, 1 << half) if half >= 0 else Fraction(root << -half))
