"""The limit of the descent where one category has many levels: these are eliminated first.

With D the diagonal block of the levels, T their sums of the other columns, A the sums of products
of those, and (Y, c) the same of the target,

    S β = c - Tᵀ D⁻¹ Y,    S = A - Tᵀ D⁻¹ T,        α = D⁻¹ (Y - T β),

which is the Gaussian elimination of ten thousand columns at the cost of a dozen: O(m q²) for m
levels beside q other columns, the intercept among them.  All is done in whole numbers; only the
division by D is cut off, far behind the point, and what that may change is part of what is
proven of the coefficients.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..sums.integers import Whole, count_bits
from ..sums.levels import Places
from ..sums.normal import ExactNormal
from ..sums.products import DIGIT, cut_digits, multiply_digits
from ..typing import Floats
from .certified import Certificate, Limit, certify, round_ends, solve_exactly

BITS = 224
"""Bits behind the point of the quotients, besides those of their sums."""

CHUNK = 512
"""Levels whose products are added up at once."""


@dataclass(frozen=True)
class Levels:
    """The equations of a problem with its levels apart, the intercept among the other columns."""

    normal: ExactNormal
    intercept: bool
    above: Whole
    """D = above / below, shape (m,), in the unit of weights."""
    below: int
    table: Whole
    """T and Y, shape (m, q + 1)."""


@dataclass(frozen=True)
class Eliminated:
    """A minimiser: of the other columns, and of the levels."""

    levels: Levels
    reduced: ExactNormal
    limit: Limit
    """Of the reduced equations; the intercept is the first of its coefficients."""
    effects: Floats
    """Coefficients of the levels, shape (m,)."""
    certificate: Certificate


def set_levels_apart(normal: ExactNormal, *, l2: float, scale: str, intercept: bool) -> Levels:
    """The levels' block of the equations, with its share of the penalty."""
    assert normal.table is not None
    assert normal.shares is not None
    shares, weight = normal.shares, normal.weight
    above, below = shares, 1
    if l2:
        top, bottom = l2.as_integer_ratio()
        if scale == "standard" and intercept:  # l2 W p (1 - p)
            above = shares * (weight * bottom) + top * (shares * (weight - shares))
            below = weight * bottom
        elif scale == "standard":  # l2 W p
            above, below = shares * (bottom + top), bottom
        else:
            above, below = shares * bottom + top * weight, bottom
    table = normal.table
    if intercept:
        table = np.concatenate([shares[:, None], table], axis=1)
    return Levels(normal, intercept, above, below, table)


def solve_by_levels(levels: Levels, *, l2: float, scale: str) -> Eliminated | None:
    """The coefficients of both; None where the others are not determined beside the levels."""
    reduced, doubt = _reduce(levels, l2, scale)
    limit = solve_exactly(reduced, l2=0.0, scale="none", intercept=False, doubt=doubt)
    if limit is None:
        return None
    v, off, behind = limit.solution
    ends = []
    last = reduced.unit(len(v))
    for row, above in zip(levels.table, levels.above, strict=True):
        middle = (int(row[-1]) << behind) - int(np.dot(row[:-1], v))
        reach = int(np.dot(np.abs(row[:-1]), off))
        ends.append(
            round_ends(middle * levels.below, reach * levels.below, last / int(above), behind, 0)
        )
    effects = np.array([low for low, _ in ends]) + 0.0
    certificate = certify([*limit.ends, *ends])
    return Eliminated(levels, reduced, limit, effects, certificate)


def _reduce(levels: Levels, l2: float, scale: str) -> tuple[ExactNormal, int]:
    """The equations of the other columns, in 2^-bits of their unit, and how far they may be off."""
    normal, table = levels.normal, levels.table
    bits = BITS + count_bits(table)
    products = normal.products
    units, fives, blur = normal.units, normal.fives, normal.blur
    if levels.intercept:
        totals = normal.totals
        first = np.array([[normal.weight]], dtype=object)
        products = np.block([[first, totals[None]], [totals[:, None], products]])
        units, fives, blur = (0, *units), (0, *fives), ((0.0, 0.0), *blur)
    products = products << bits
    for own, taken in _multiply(levels, bits):
        products[own] = products[own] - taken
    products = np.triu(products) + np.triu(products, 1).T
    doubt = int(np.abs(table).sum(axis=0).max(initial=0)) + 1
    for j, added in _penalties(levels, l2, scale, bits):
        products[j, j] += added
    reduced = ExactNormal(
        units,
        fives,
        np.zeros(len(units), dtype=object),
        products,
        normal.weight << bits,
        normal.weight_unit - bits,
        blur,
    )
    return reduced, doubt


def _multiply(levels: Levels, bits: int) -> Iterator[tuple[Places, Whole]]:
    """Some levels' share of Tᵀ D⁻¹ T in 2^-bits, row by row of columns of about one size.

    Counts have fewer digits than sums of numbers, and digits are what a product costs.
    """
    sizes = np.array([count_bits(column) // DIGIT for column in levels.table.T])
    for start in range(0, len(levels.table), CHUNK):
        piece = levels.table[start : start + CHUNK]
        above = levels.above[start : start + CHUNK, None]
        share = cut_digits(((piece << bits) * levels.below) // above)
        for size in np.unique(sizes):
            own = np.flatnonzero(sizes == size)
            yield own, multiply_digits(cut_digits(piece.T[own]), share)


def _penalties(levels: Levels, l2: float, scale: str, bits: int) -> Iterator[tuple[int, int]]:
    """What a penalty adds to the diagonal of the other columns, but for the intercept."""
    normal, first = levels.normal, int(levels.intercept)
    if not l2:
        return
    top, bottom = l2.as_integer_ratio()
    for j in range(len(normal.units) - 1):
        square = Fraction(normal.weight) / normal.unit(j) ** 2
        if scale == "standard":
            square = Fraction(int(normal.products[j, j]))
            if levels.intercept:
                square -= Fraction(int(normal.totals[j]) ** 2, normal.weight)
        yield j + first, int(square * Fraction(top << bits, bottom))


def find_penalty(eliminated: Eliminated, coef: Floats, scale: str) -> float:
    """Σ of the squares that a penalty counts: of scaled coefficients, or of raw ones."""
    levels = eliminated.levels
    normal = levels.normal
    if scale == "none":
        return float(np.sum(coef**2) + np.sum(eliminated.effects**2))
    weight = normal.weight
    second = np.array(
        [
            float(
                (
                    Fraction(int(normal.products[j, j]), weight)
                    - (Fraction(int(normal.totals[j]), weight) ** 2 if levels.intercept else 0)
                )
                * normal.unit(j) ** 2
            )
            for j in range(len(coef))
        ]
    )
    shares = np.array([share / weight for share in normal.shares])  # type: ignore[union-attr]
    spread = shares * (1 - shares) if levels.intercept else shares
    return float(np.sum(second * coef**2) + np.sum(spread * eliminated.effects**2))


def find_total(normal: ExactNormal, *, intercept: bool) -> Fraction:
    """Σ w (y - ȳ)², or Σ w y² without an intercept."""
    unit = normal.unit(-1 + len(normal.units)) ** 2 * normal.weight_of_one
    square = Fraction(int(normal.products[-1, -1]))
    if intercept:
        square -= Fraction(int(normal.totals[-1]) ** 2, normal.weight)
    return square * unit
