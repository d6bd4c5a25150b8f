"""Which columns are sums of others, and how: ``c = a + b``.

Columns are taken in their order; one that leaves nothing when those kept before it are taken
out depends on them.  From exact sums, nothing is what half a unit in the last place of the
numbers could make of it: c = Σ vᵢ aᵢ where

    ‖c - Σ vᵢ aᵢ‖ ≤ (u ‖c‖ + Σ |vᵢ| uᵢ ‖aᵢ‖) / √2,

with u that half unit, relative to a value, of the type each column came in: 2⁻⁵³ for double
precision, 2⁻²⁴ for single, half the last place of a decimal, 0 for whole numbers.  Sums tell
lengths and not single values, and rounding errors spread evenly have u/√3 as their root mean
square: hence the √2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from ..sums.integers import Whole
from ..sums.normal import ExactNormal
from ..sums.problem import Problem
from ..typing import Floats
from .factor import WIDE, WIDEST, is_above, scale_places, widen
from .quadratic import Coordinates, standard_moments
from .solve import solve_scaled, tolerance

NOTHING = 2.0**-300
"""A share that is nothing whatever the type: errors of the elimination stay below it."""

PERHAPS = 2.0**-20
"""A share left above this is not looked at more closely, unless the type is that coarse."""


def find_exact_relations(problem: Problem, coordinates: Coordinates) -> list[str] | None:
    """The relations that half a unit in the last place could make of exact sums.

    None where nothing is exact, or where there are too many columns to tell.  O(p³); most often
    a factor in double precision proves that there are none.
    """
    normal = problem.exact
    if normal is None:
        return None
    names = [term.name for term in problem.terms]
    centred, divisor = normal.centred(intercept=coordinates.intercept)
    p = len(names)
    inner = centred[:p, :p]
    blur = np.array([_blur(normal, inner, divisor, j) for j in range(p)])
    if is_above(inner, float(np.sum(blur**2))):
        return []
    if p > WIDEST:
        return None
    wide = widen(inner, scale_places(inner))
    size = [math.sqrt(int(value) / (1 << WIDE)) for value in np.diag(wide)]
    kept: list[int] = []
    lower: list[Whole] = []
    relations = []
    for j in range(p):
        row = _project(lower, wide[kept, j])
        left = (int(wide[j, j]) - (int(np.dot(row, row)) >> WIDE)) / int(wide[j, j])
        share = np.zeros(0)
        if left <= max(PERHAPS, 4 * float(np.sum(blur**2))):
            slopes = _lift(lower, row) * (np.array(size)[kept] / size[j])
            share = slopes
            reach = blur[j] + float(np.abs(share) @ blur[kept])
            if left <= max(reach**2 / 2, NOTHING):
                relations.append(_describe(problem, coordinates, names, j, kept, share))
                continue
        kept.append(j)
        root = math.isqrt((int(wide[j, j]) << WIDE) - int(np.dot(row, row)))
        lower.append(np.append(row, root))
    return relations


def _blur(normal: ExactNormal, inner: Whole, divisor: int, j: int) -> float:
    """How far half a unit moves column j, as a share of its length."""
    relative, absolute = normal.blur[j]
    square, length = int(normal.products[j, j]) * divisor, int(inner[j, j])
    share = relative * math.sqrt(square / length) if relative else 0.0
    if absolute:
        ratio = Fraction(normal.weight * divisor, length) / normal.unit(j) ** 2
        share += absolute * math.sqrt(ratio)
    return share


def _project(lower: Sequence[Whole], column: Whole) -> Whole:
    """L⁻¹ of a column, in whole numbers of 2^-WIDE."""
    row: Whole = np.zeros(len(lower), dtype=object)
    for k, own in enumerate(lower):
        row[k] = ((int(column[k]) << WIDE) - int(np.dot(own[:k], row[:k]))) // int(own[k])
    return row


def _lift(lower: Sequence[Whole], row: Whole) -> Floats:
    """L⁻ᵀ of a row: the slopes, as doubles."""
    rest = [int(value) for value in row]
    slopes = [0] * len(rest)
    for k in reversed(range(len(rest))):
        slopes[k] = (rest[k] << WIDE) // int(lower[k][k])
        for i in range(k):
            rest[i] -= (int(lower[k][i]) * slopes[k]) >> WIDE
    return np.array([slope / (1 << WIDE) for slope in slopes])


def find_relations(problem: Problem, coordinates: Coordinates) -> list[str]:
    """Each column that is a sum of columns before it, as ``c = a + b``.

    Columns are taken in their order; one that leaves nothing when those kept before it are
    taken out depends on them.
    """
    names = [term.name for term in problem.terms]
    matrix = standard_moments(problem, coordinates)[0]
    kept: list[int] = []
    relations = []
    for j in range(len(matrix)):
        weights = solve_scaled(matrix[np.ix_(kept, kept)], matrix[kept, j]) if kept else np.zeros(0)
        left = 1.0 - 2 * weights @ matrix[kept, j] + weights @ matrix[np.ix_(kept, kept)] @ weights
        if left > tolerance(len(matrix)) * 4:
            kept.append(j)
            continue
        relations.append(_describe(problem, coordinates, names, j, kept, weights))
    return relations


def _describe(
    problem: Problem,
    coordinates: Coordinates,
    names: Sequence[str],
    j: int,
    kept: Sequence[int],
    weights: Floats,
) -> str:
    """Column j as a sum of those kept, by its weights in columns of unit length."""
    at = list(kept)
    exponents = np.array(coordinates.exponents or [0] * len(names))
    slopes = weights * coordinates.spread[j] / coordinates.spread[at]
    constant = 0.0
    if coordinates.intercept:
        constant = problem.mean[j] - slopes @ problem.mean[at]
    constant = float(np.ldexp(constant, exponents[j]))
    with np.errstate(over="ignore"):  # such a coefficient is refused when it is known
        slopes = np.ldexp(slopes, exponents[j] - exponents[at])
    unit = float(np.ldexp(coordinates.spread[j], exponents[j]))
    return _sentence(names[j], [names[i] for i in kept], weights, slopes, constant, unit)


def _sentence(
    name: str, others: Sequence[str], weights: Floats, slopes: Floats, constant: float, unit: float
) -> str:
    """``c = a + 2·b - 3``: weights tell what counts, slopes what is written."""
    parts: list[tuple[float, str]] = [
        (float(slope), other)
        for other, weight, slope in zip(others, weights, slopes, strict=True)
        if abs(weight) > 1e-6
    ]
    if abs(constant) > 1e-6 * unit:
        parts.append((float(constant), ""))
    text = ""
    for value, other in parts:
        size = f"{abs(value):.6g}"
        word = other if other and size == "1" else f"{size}·{other}" if other else size
        sign = ("-" if value < 0 else "") if not text else (" - " if value < 0 else " + ")
        text += sign + word
    return f"{name} = {text or '0'}"
