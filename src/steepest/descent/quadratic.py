"""The objective of a linear model, from its moments alone.

In the coordinates u in which the descent takes its steps,

    loss(u) = floor + (u - û)ᵀ A (u - û),      objective(u) = loss(u) + l2 Σ fⱼ uⱼ²,

with û a least-squares point, ``floor`` the loss there, and A the matrix of second moments
divided by W.  In this form nothing cancels: a loss computed as c - 2bᵀu + uᵀAu turns negative
on a nearly perfect fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError, ValueFoundError
from ..sums.problem import Problem
from ..typing import Floats

SCALES = ("standard", "none")

LARGEST_SQUARE = 2.0**1000
"""Mean squares up to here leave room for the curvatures of columns that are not scaled."""


@dataclass(frozen=True)
class Coordinates:
    """Between coefficients on the user's scale and the coordinates that the descent moves in.

    ``scale="standard"``: uⱼ = sⱼ wⱼ with sⱼ the standard deviation (÷ W), and the intercept is
    at its best value whatever w is.  ``scale="none"``: u = (b, w), and the intercept is an
    ordinary coordinate that starts at 0.  Without an intercept nothing is centred, and sⱼ is
    the root mean square.
    """

    scale: str
    intercept: bool
    mean: Floats
    target_mean: float
    spread: Floats
    """s, shape (p,): standard deviations, or root mean squares without an intercept."""
    exponents: tuple[int, ...] = ()
    """``mean`` and ``spread`` are of columns times 2^-exponent, where there are any."""

    @property
    def moves_intercept(self) -> bool:
        """Whether the intercept is one of the coordinates, the first."""
        return self.intercept and self.scale == "none"

    @property
    def penalised(self) -> NDArray[np.bool_]:
        """Which coordinates a penalty acts on, shape (q,): all but the intercept."""
        mask = np.ones(len(self.mean) + self.moves_intercept, dtype=bool)
        mask[: int(self.moves_intercept)] = False
        return mask

    def standardise(self, coef: Floats) -> Floats:
        """Coefficients of columns in standard units, shape (p,)."""
        return (np.ldexp(coef, self.exponents) if self.exponents else coef) * self.spread

    def enter(self, intercept: float, coef: Floats) -> Floats:
        """Coefficients, shape (p,), and the intercept as coordinates, shape (q,)."""
        if self.scale == "standard":
            return self.standardise(coef)
        return np.concatenate([[intercept], coef]) if self.intercept else coef.copy()

    def leave(self, u: Floats) -> tuple[Floats, Floats]:
        """Coordinates, shape (..., q), as intercepts, shape (...), and coefficients (..., p)."""
        if self.moves_intercept:
            return u[..., 0], u[..., 1:]
        coef = u / self.spread if self.scale == "standard" else u
        intercept = (
            self.target_mean - coef @ self.mean if self.intercept else np.zeros(u.shape[:-1])
        )
        return intercept, self._unscale(coef)

    def destandardise(self, beta: Floats) -> Floats:
        """Coefficients on the user's scale, shape (p,), of those in standard units."""
        return self._unscale(beta / self.spread)

    def _unscale(self, coef: Floats) -> Floats:
        if not self.exponents:
            return coef
        with np.errstate(over="ignore"):  # who takes them looks whether they are doubles
            return np.asarray(np.ldexp(coef, np.negative(self.exponents)))


@dataclass(frozen=True)
class Quadratic:
    """An :class:`Objective` made from moments: gradient descent that never meets a row.

    ``value_and_gradient`` is the objective (with the penalty) at u, shape (q,), and its
    gradient, 2 A (u - û) + 2 l2 f u.  O(q²).
    """

    matrix: Floats
    """A, shape (q, q)."""
    centre: Floats
    """û, shape (q,)."""
    floor: float
    l2: float
    factors: Floats
    """f, shape (q,): how many times l2 counts; 0 for the intercept, else mostly 1."""

    def loss(self, u: Floats) -> float:
        gap = u - self.centre
        return self.floor + max(float(gap @ self.matrix @ gap), 0.0)

    def value(self, u: Floats) -> float:
        return self.loss(u) + self.l2 * float(np.sum(self.factors * u**2))

    def value_and_gradient(self, u: Floats) -> tuple[float, Floats]:
        gradient = 2 * (self.matrix @ (u - self.centre)) + 2 * self.l2 * u * self.factors
        return self.value(u), gradient

    @cached_property
    def hessian(self) -> Floats:
        """2 (A + l2 diag f), shape (q, q)."""
        return 2 * (self.matrix + self.l2 * np.diag(self.factors))

    def smoothness(self) -> float:
        """L, the largest curvature: the largest eigenvalue of the Hessian."""
        return float(np.linalg.eigvalsh(self.hessian)[-1]) if len(self.centre) else 0.0


def find_coordinates(problem: Problem, scale: str, *, intercept: bool) -> Coordinates:
    """The coordinates of a problem; OptionError for an unknown scale.

    ValueFoundError for columns whose squares are no doubles, where nothing is scaled.
    """
    if scale not in SCALES:
        raise OptionError.unknown("scale", scale, SCALES)
    second = np.diag(problem.scatter) / problem.weight
    with np.errstate(over="ignore"):  # of a mean that is taken away
        squares = problem.mean**2
    if scale == "none":
        moved = problem.exponents or (0,) * len(second)
        sizes = zip(problem.terms, moved, second + squares, strict=True)
        if far := [term.name for term, e, size in sizes if e or size > LARGEST_SQUARE]:
            raise ValueFoundError.unscaled(far)
    if not intercept:
        second = second + squares
    return Coordinates(
        scale, intercept, problem.mean, problem.target_mean, np.sqrt(second), problem.exponents
    )


def standard_moments(problem: Problem, coordinates: Coordinates) -> tuple[Floats, Floats, float]:
    """Matrix C, shape (p, p), and vector r, shape (p,), of the scaled normal equations C β = r.

    And Σ (y - ȳ)² / W, or Σ y² / W without an intercept.  C is the correlation matrix, its
    diagonal exactly 1.
    """
    s, w = coordinates.spread, problem.weight
    matrix, cross, square = problem.scatter / w, problem.cross / w, problem.target_scatter / w
    if not coordinates.intercept:
        matrix = matrix + np.outer(problem.mean, problem.mean)
        cross = cross + problem.mean * problem.target_mean
        square = square + problem.target_mean**2
    matrix = matrix / s / s[:, None]
    matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(matrix, 1.0)
    return matrix, cross / s, square


def raw_matrix(problem: Problem, coordinates: Coordinates) -> Floats:
    """Second moments of the columns as they are, a column of ones first if there is an intercept.

    Shape (q, q), divided by W: the A of the naive loop over the rows.
    """
    second = problem.scatter / problem.weight + np.outer(problem.mean, problem.mean)
    if not coordinates.intercept:
        return second
    return np.block([[np.ones((1, 1)), problem.mean[None]], [problem.mean[:, None], second]])
