"""The limit of the descent in double precision: least squares and ridge from moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sums.problem import Problem
from ..typing import Floats
from .quadratic import Coordinates, Quadratic, raw_matrix, standard_moments

NOISE = 2.0**-52
"""Relative error of one operation in double precision."""

POOR = 2.0**20
"""Ratio of eigenvalues beyond which half the digits of least squares may be lost."""


@dataclass(frozen=True)
class Spectrum:
    """C = Q diag(a) Qᵀ of the scaled normal equations C β = r, with its rank.

    A direction whose aᵢ is within the rounding of the moments is not identified: its aᵢ is set
    to 0, and a descent leaves it where it starts.
    """

    values: Floats
    """a, shape (p,), ascending."""
    basis: Floats
    """Q, shape (p, p), a direction a column."""
    least_squares: Floats
    """β, shape (p,): the shortest least-squares solution."""
    floor: float
    """The loss at β."""

    @property
    def rank(self) -> int:
        return int(np.count_nonzero(self.values))

    @property
    def null(self) -> Floats:
        """Directions that change no prediction, shape (p, p - rank)."""
        return self.basis[:, self.values == 0]

    @property
    def condition(self) -> float:
        """Largest over smallest of the aᵢ that are not 0; 1 without columns."""
        found = self.values[self.values > 0]
        return float(found[-1] / found[0]) if found.size else 1.0

    @property
    def poor(self) -> bool:
        """Whether double precision hardly tells what the least squares of these columns are."""
        return self.rank < len(self.values) or self.condition > POOR


def decompose(problem: Problem, coordinates: Coordinates) -> Spectrum:
    """The spectrum of a problem in standard coordinates.  O(p³)."""
    matrix, cross, square = standard_moments(problem, coordinates)
    values, basis = np.linalg.eigh(matrix)
    values = np.where(values > tolerance(len(values)) * values.max(initial=0.0), values, 0.0)
    if problem.rank is not None:
        values[: len(values) - problem.rank] = 0.0
    seen = values > 0
    share = np.zeros(len(values))
    share[seen] = (basis.T @ cross)[seen] / values[seen]
    explained = float(np.sum(values * share**2))
    return Spectrum(values, basis, basis @ share, max(square - explained, 0.0))


def tolerance(size: int) -> float:
    """Eigenvalues below this share of the largest are rounding: the moments carry 52 bits."""
    return max(64, 8 * size) * NOISE


def build_quadratic(
    problem: Problem, coordinates: Coordinates, spectrum: Spectrum, l2: float, factors: Floats
) -> Quadratic:
    """The objective in the coordinates of the descent; factors of l2, shape (q,)."""
    centre = spectrum.least_squares
    if coordinates.scale == "standard":
        matrix = standard_moments(problem, coordinates)[0]
    else:
        matrix = raw_matrix(problem, coordinates)
        centre = _raw(centre, problem, coordinates)
    return Quadratic(matrix, centre, spectrum.floor, l2, factors)


def find_limit(
    problem: Problem, coordinates: Coordinates, spectrum: Spectrum, l2: float, start: Floats
) -> Floats:
    """Where the descent from ``start`` ends, shape (q,): the minimiser nearest to the start.

    With a penalty the minimiser is unique.  Without one, directions that change no prediction
    stay as they were at the start; from 0, that is the shortest solution.
    """
    if coordinates.scale == "standard":
        share = spectrum.basis.T @ spectrum.least_squares
        limit = spectrum.basis @ (spectrum.values * share / (spectrum.values + l2 + (l2 == 0)))
        null = spectrum.null
        if l2 == 0:
            limit = spectrum.least_squares
            limit = limit + null @ (null.T @ (start - limit))
        return limit
    if l2 > 0:
        s = coordinates.spread
        matrix, cross, _ = standard_moments(problem, coordinates)
        beta = solve_scaled(matrix + np.diag(l2 / s**2), cross)
        return _raw(beta, problem, coordinates)
    limit = _raw(spectrum.least_squares, problem, coordinates)
    null = spectrum.null / coordinates.spread[:, None]
    if coordinates.moves_intercept:
        null = np.vstack([-problem.mean @ null, null])
    null = np.linalg.qr(null)[0]
    return limit + null @ (null.T @ (start - limit))


def find_weighted_limit(
    problem: Problem, coordinates: Coordinates, quadratic: Quadratic, start: Floats
) -> Floats:
    """The same where l2 counts more for some columns than for others."""
    s, standard = coordinates.spread, coordinates.scale == "standard"
    matrix, cross, _ = standard_moments(problem, coordinates)
    own = quadratic.l2 * quadratic.factors[len(quadratic.factors) - len(s) :]
    beta = solve_scaled(matrix + np.diag(own if standard else own / s**2), cross)
    limit = beta if standard else _raw(beta, problem, coordinates)
    values, basis = np.linalg.eigh(quadratic.hessian)
    null = basis[:, values <= tolerance(len(values)) * values.max(initial=0.0)]
    return limit + null @ (null.T @ (start - limit))


def _raw(beta: Floats, problem: Problem, coordinates: Coordinates) -> Floats:
    """Standard coordinates as (b, w), the intercept at its best value."""
    coef = beta / coordinates.spread
    return coordinates.enter(problem.target_mean - float(problem.mean @ coef), coef)


def solve_scaled(matrix: Floats, right: Floats) -> Floats:
    """The solution of a symmetric positive semidefinite system, its diagonal scaled to 1 first."""
    d = 1 / np.sqrt(np.diag(matrix))
    values, basis = np.linalg.eigh(matrix * d * d[:, None])
    kept = values > tolerance(len(values)) * values.max(initial=0.0)
    inverse = np.where(kept, 1 / np.where(kept, values, 1.0), 0.0)
    return d * (basis @ (inverse * (basis.T @ (d * right))))
