"""Many models of one problem: a penalty, or an epoch, costs next to nothing beside the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..descent.certified import solve_exactly
from ..descent.coordinate import Penalised, find_largest, solve_definite
from ..descent.quadratic import find_coordinates, standard_moments
from ..descent.solve import solve_scaled
from ..errors import ColumnNotFoundError, ValueFoundError
from ..sums.problem import Problem
from ..typing import Floats
from .grids import Point
from .settings import Settings, find_path, find_spectrum, is_poor

TINY = 2.0**-52

FEW = 64
"""Columns up to which subsets that doubles do not resolve are solved in whole numbers."""


@dataclass(frozen=True)
class Manner:
    """How all models of a study are fitted."""

    scale: str = "standard"
    intercept: bool = True
    nonnegative: bool = False
    adaptive: float = 0.0
    """The power of the least-squares coefficients that l1 is divided by; 0 for none."""
    factors: Mapping[str, float] = field(default_factory=dict)
    """By column, how many times both penalties count; 1 for those not named."""


class Trained(NamedTuple):
    """Models of m settings and p terms."""

    intercept: Floats
    """Shape (m,)."""
    coef: Floats
    """Shape (m, p), on the user's scale."""
    apart: Floats
    """How far intercepts are from the best ones of their coefficients, shape (m,)."""


class Trainer:
    """The problem of some rows, and what its models share."""

    def __init__(self, problem: Problem, manner: Manner) -> None:
        if any(problem.exponents):
            far = [t.name for t, e in zip(problem.terms, problem.exponents, strict=True) if e]
            raise ValueFoundError.unscaled(far)
        second = np.diag(problem.scatter)
        if not manner.intercept:
            second = second + problem.weight * problem.mean**2
        self.varies = np.flatnonzero(second > 0)
        self.problem = problem.keep(self.varies.tolist())
        self.whole, self.manner = problem, manner
        self.coordinates = find_coordinates(self.problem, manner.scale, intercept=manner.intercept)
        self.matrix, self.cross, self.square = standard_moments(self.problem, self.coordinates)
        self.spectrum = find_spectrum(self.problem, self.coordinates)
        self.factors = self._read_factors()

    def _read_factors(self) -> tuple[Floats, Floats]:
        """What l1 and l2 are multiplied by in standard coordinates, shape (p,) each."""
        names = [term.columns for term in self.problem.terms]
        known = {name for term in self.whole.terms for name in (*term.columns, term.name)}
        for name in self.manner.factors:
            if name not in known:
                raise ColumnNotFoundError.of("penalised", name, "the features", sorted(known))
        given = self.manner.factors
        own = np.array(
            [
                given.get(term.name, given.get(columns[0] if columns else "", 1.0))
                for term, columns in zip(self.problem.terms, names, strict=True)
            ]
        ).reshape(len(names))
        first, second = own, own
        if self.manner.adaptive:
            size = np.abs(self.spectrum.least_squares)
            first = own / np.maximum(size, TINY * size.max(initial=1.0)) ** self.manner.adaptive
        if self.manner.scale == "none":
            spread = self.coordinates.spread
            first, second = first / spread, second / spread**2
        return first, second

    @property
    def largest(self) -> float:
        """The smallest l1 that makes every coefficient 0."""
        return find_largest(self.cross, self.factors[0], nonnegative=self.manner.nonnegative)

    def train(self, points: Sequence[Point]) -> Trained:
        """A model of each setting."""
        m = len(points)
        beta = np.zeros((m, len(self.cross)))
        ends = [i for i, point in enumerate(points) if point.epochs is None]
        penalised = [i for i in ends if points[i].l1 or self.manner.nonnegative]
        ridge = [i for i in ends if not (points[i].l1 or self.manner.nonnegative)]
        if ridge:
            beta[ridge] = self._solve_ridge(np.array([points[i].l2 for i in ridge]))
        start = None
        for i in sorted(penalised, key=lambda i: (points[i].l2, -points[i].l1)):
            start = beta[i] = self.penalise(points[i]).minimise(start).coef
        coef = np.zeros((m, len(self.whole.terms)))
        coef[:, self.varies] = beta / self.coordinates.spread
        mean = self.whole.mean
        intercept, apart = np.zeros(m), np.zeros(m)
        if self.manner.intercept:
            intercept = self.whole.target_mean - coef @ mean
        for rate, l2 in dict.fromkeys((p.learning_rate, p.l2) for p in points if p.epochs):
            at = [i for i, p in enumerate(points) if p.epochs and p[1:3] == (l2, rate)]
            settings = self.settings(points[at[0]])
            path = find_path(self.problem, settings)[0]
            epochs = [points[i].epochs or 0 for i in at]
            intercept[at] = path.intercept(epochs)
            for i, own in zip(at, path.coef(epochs), strict=True):
                coef[i, self.varies] = own
            if self.coordinates.moves_intercept:
                apart[at] = intercept[at] - (self.whole.target_mean - coef[at] @ mean)
        return Trained(intercept, coef, apart)

    def leave(self, beta: Floats) -> tuple[float, Floats]:
        """Standard coordinates of those that vary as intercept and coef on the user's scale."""
        coef = np.zeros(len(self.whole.terms))
        coef[self.varies] = beta / self.coordinates.spread
        if not self.manner.intercept:
            return 0.0, coef
        return self.whole.target_mean - float(self.whole.mean @ coef), coef

    def settings(self, point: Point) -> Settings:
        """The descent of a setting."""
        start = (0.0, (0.0,) * len(self.varies))
        manner = self.manner
        return Settings(
            point.learning_rate, point.epochs, point.l2, manner.scale, manner.intercept, start
        )

    def penalise(self, point: Point) -> Penalised:
        """The objective of a setting, in standard coordinates."""
        first, second = self.factors
        return Penalised(
            self.matrix,
            self.cross,
            self.square,
            point.l1 * first,
            point.l2 * second,
            self.manner.nonnegative,
        )

    def _solve_ridge(self, l2: Floats) -> Floats:
        """Coefficients in standard coordinates for each of m penalties, shape (m, p)."""
        first, spectrum = self.factors[1], self.spectrum
        found = np.tile(spectrum.least_squares, (len(l2), 1))
        some = np.flatnonzero(l2)
        if (first == 1).all():
            share = spectrum.basis.T @ self.cross
            found[some] = (share / (spectrum.values + l2[some, None])) @ spectrum.basis.T
            return found
        for i in some:
            matrix = self.matrix + np.diag(l2[i] * first)
            solved = solve_definite(matrix, self.cross)
            found[i] = solve_scaled(matrix, self.cross) if solved is None else solved
        return found

    @cached_property
    def _poor(self) -> bool:
        return is_poor(self.problem, self.coordinates, self.spectrum)

    def fit_subset(self, at: Sequence[int]) -> tuple[float, Floats]:
        """Least squares with some columns of those that vary: intercept, and coef, shape (p,)."""
        kept = list(at)
        if self._poor and 0 < len(kept) <= FEW:
            normal = self.problem.keep(kept).exact
            limit = normal and solve_exactly(
                normal, l2=0.0, scale="standard", intercept=self.manner.intercept
            )
            if limit:
                coef = np.zeros(len(self.whole.terms))
                coef[self.varies[kept]] = limit.optimum.coef
                return limit.optimum.intercept, coef
        beta = np.zeros(len(self.cross))
        if kept:
            beta[kept] = solve_scaled(self.matrix[np.ix_(kept, kept)], self.cross[kept])
        return self.leave(beta)

    def count_parameters(self, points: Sequence[Point], trained: Trained) -> Floats:
        """Effective parameters of each model, the intercept among them, shape (m,).

        The trace of what turns targets into fitted values, with the columns taken as given that
        are not 0 [1]_.

        References
        ----------
        .. [1] R. J. Tibshirani, J. Taylor.  Degrees of freedom in lasso problems.  Annals of
           Statistics 40(2), 1198-1232, 2012.  doi:10.1214/12-AOS1003
        """
        counts = np.empty(len(points))
        plain = bool((self.factors[1] == 1).all())
        for i, point in enumerate(points):
            own = trained.coef[i, self.varies] != 0
            if point.epochs:
                path = find_path(self.problem, self.settings(point))[0]
                counts[i] = float(path.effective_parameters(point.epochs))
                continue
            if plain and not point.l1 and not self.manner.nonnegative:
                values = self.spectrum.values
                counts[i] = np.sum(values[values > 0] / (values[values > 0] + point.l2))
            else:
                counts[i] = _trace(self.matrix, point.l2 * self.factors[1], own)
            counts[i] += self.manner.intercept
        return counts


def _trace(matrix: Floats, l2: Floats, own: Floats) -> float:
    """Trace of C (C + l2)⁺ over some columns."""
    at = np.flatnonzero(own)
    if not at.size:
        return 0.0
    inner = matrix[np.ix_(at, at)]
    if not l2[at].any():
        return float(np.linalg.matrix_rank(inner, hermitian=True))
    return float(np.trace(np.linalg.solve(inner + np.diag(l2[at]), inner)))
