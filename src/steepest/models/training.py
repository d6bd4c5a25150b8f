"""Many models of one problem: a penalty, or an epoch, costs next to nothing beside the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..descent.certified import solve_exactly
from ..descent.coordinate import Penalised, find_largest, solve_definite
from ..descent.path import Path
from ..descent.quadratic import find_coordinates, standard_moments
from ..descent.solve import Spectrum, solve_scaled, tolerance
from ..descent.stacked import step_together
from ..descent.transients import Transient
from ..errors import ValueFoundError
from ..sums.problem import Problem
from ..typing import Floats
from .grids import Point
from .manner import Dependent, Manner, find_varying
from .penalties import find_factors
from .settings import Settings, find_path, find_spectrum, is_poor

NEAR = 1e-10
"""Shares of the target's variance up to which a gap of the objective goes without saying."""

TOGETHER, ROOM = 1 << 16, 1 << 24
"""Coordinates of proximal steps that go together, and how many of them are kept at once."""

Tell = Callable[[float], object]

ALIKE = 2.0**16
"""Penalties of columns that differ by no more leave their spectrum its digits."""

FEW = 64
"""Columns up to which subsets that doubles do not resolve are solved in whole numbers."""


class Trained(NamedTuple):
    """Models of m settings and p terms."""

    intercept: Floats
    """Shape (m,)."""
    coef: Floats
    """Shape (m, p), on the user's scale."""
    apart: Floats
    """How far intercepts are from the best ones of their coefficients, shape (m,)."""
    gaps: Floats
    """How far objectives may be above their minimum where that is worth a word; else 0."""


class Trainer:
    """The problem of some rows, and what its models share.

    ``dependent`` says which of its columns are sums of others, where as many of them vary: a
    penalty l2 tells them apart, least squares do not.
    """

    def __init__(
        self, problem: Problem, manner: Manner, dependent: Dependent | None = None
    ) -> None:
        if any(problem.exponents):
            far = [t.name for t, e in zip(problem.terms, problem.exponents, strict=True) if e]
            raise ValueFoundError.unscaled(far)
        self.varies = find_varying(problem, manner)
        self.problem = problem.keep(self.varies.tolist())
        self.whole, self.manner = problem, manner
        self.coordinates = find_coordinates(self.problem, manner.scale, intercept=manner.intercept)
        self.matrix, self.cross, self.square = standard_moments(self.problem, self.coordinates)
        self.ranked = self.problem
        if dependent and dependent.relations and len(self.varies) == dependent.columns:
            rank = dependent.columns - len(dependent.relations)
            self.ranked = replace(self.problem, rank=rank)
        self.spectrum = find_spectrum(self.problem, self.coordinates)
        self.own = find_factors(
            self.problem,
            problem.terms,
            manner.factors,
            manner.adaptive,
            self.spectrum.least_squares,
        )
        self._paths: dict[tuple[float | None, float], Path] = {}

    @cached_property
    def ranked_spectrum(self) -> Spectrum:
        """That of least squares, where columns that depend on others count for nothing."""
        if self.ranked is self.problem:
            return self.spectrum
        return find_spectrum(self.ranked, self.coordinates)

    @cached_property
    def factors(self) -> tuple[Floats, Floats]:
        """What l1 and l2 are multiplied by in standard coordinates, shape (p,) each."""
        first, second = self.own
        if self.manner.scale == "none":
            spread = self.coordinates.spread
            first, second = first / spread, second / spread**2
        return first, second

    @property
    def largest(self) -> float:
        """The smallest l1 that makes every coefficient 0."""
        return find_largest(self.cross, self.factors[0], nonnegative=self.manner.nonnegative)

    def train(self, points: Sequence[Point], tell: Tell | None = None) -> Trained:
        """A model of each setting; ``tell`` is told what share of long descents is done."""
        m = len(points)
        beta = np.zeros((m, len(self.cross)))
        ends = [i for i, point in enumerate(points) if point.epochs is None]
        penalised = [i for i in ends if points[i].l1 or self.manner.nonnegative]
        ridge = [i for i in ends if not (points[i].l1 or self.manner.nonnegative)]
        if ridge:
            beta[ridge] = self._solve_ridge(np.array([points[i].l2 for i in ridge]))
        start, gaps = None, np.zeros(m)
        for i in sorted(penalised, key=lambda i: (points[i].l2, -points[i].l1)):
            solution = self.penalise(points[i]).minimise(start)
            start = beta[i] = solution.coef
            if solution.gap > NEAR * self.square:
                gaps[i] = solution.gap
        coef = np.zeros((m, len(self.whole.terms)))
        coef[:, self.varies] = beta / self.coordinates.spread
        mean = self.whole.mean
        intercept, apart = np.zeros(m), np.zeros(m)
        if self.manner.intercept:
            intercept = self.whole.target_mean - coef @ mean
        for at, first, own in self._descend(points, tell):
            intercept[at] = first
            coef[np.ix_(np.array(at), self.varies)] = own
            if self.coordinates.moves_intercept:
                apart[at] = first - (self.whole.target_mean - coef[at] @ mean)
        return Trained(intercept, coef, apart, gaps)

    def _descend(
        self, points: Sequence[Point], tell: Tell | None
    ) -> Iterator[tuple[list[int], Floats, Floats]]:
        """Settings with epochs, by their numbers; their intercepts, and coefficients that vary."""
        going = [i for i, point in enumerate(points) if point.epochs]
        closed = [i for i in going if not self._is_proximal(points[i])]
        for rate, l2 in dict.fromkeys((points[i].learning_rate, points[i].l2) for i in closed):
            at = [i for i in closed if points[i][1:3] == (l2, rate)]
            yield at, *self._path(points[at[0]]).leave([points[i].epochs or 0 for i in at])
        stepped = [i for i in going if self._is_proximal(points[i])]
        if not stepped:
            return
        epochs = sorted({points[i].epochs or 0 for i in stepped})
        groups: dict[Point, list[int]] = {}
        for i in stepped:
            groups.setdefault(points[i]._replace(epochs=None), []).append(i)
        ways = list(groups)
        q = len(self.varies) + self.coordinates.moves_intercept
        size = max(1, min(TOGETHER // max(q, 1), ROOM // (max(q, 1) * len(epochs))))
        for start in range(0, len(ways), size):
            some = ways[start : start + size]
            began = start

            def report(epoch: int, began: int = began, count: int = len(some)) -> None:
                if tell is not None:
                    tell((began + count * epoch / epochs[-1]) / len(ways))

            found = self._step(some, epochs, report)
            for j, way in enumerate(some):
                own = groups[way]
                first, coef = self.coordinates.leave(
                    found[[epochs.index(points[i].epochs or 0) for i in own], j]
                )
                yield own, first, coef

    def _step(
        self, ways: Sequence[Point], epochs: Sequence[int], report: Callable[[int], None]
    ) -> Floats:
        """Coordinates of proximal steps at some epochs, shape (T, len(ways), q)."""
        paths = [self._path(way) for way in ways]
        quadratic, own = paths[0].quadratic, self.coordinates.penalised
        l1 = np.zeros((len(ways), len(own)))
        l1[:, own] = np.outer([way.l1 for way in ways], self.own[0])
        return step_together(
            quadratic,
            np.array([path.learning_rate for path in paths]),
            l1,
            np.outer([way.l2 for way in ways], quadratic.factors),
            epochs,
            floors=np.where(own, 0.0, -np.inf) if self.manner.nonnegative else None,
            tell=report,
        )

    def _is_proximal(self, point: Point) -> bool:
        return bool(point.l1) or self.manner.nonnegative

    def _path(self, point: Point) -> Path:
        """The path of a setting without l1, which the rate does not depend on."""
        key = (point.learning_rate, point.l2)
        if key not in self._paths:
            problem = self.problem if point.l2 else self.ranked
            self._paths[key] = find_path(problem, self.settings(point))[0]
        return self._paths[key]

    def leave(self, beta: Floats) -> tuple[float, Floats]:
        """Standard coordinates of those that vary as intercept and coef on the user's scale."""
        coef = np.zeros(len(self.whole.terms))
        coef[self.varies] = beta / self.coordinates.spread
        if not self.manner.intercept:
            return 0.0, coef
        return self.whole.target_mean - float(self.whole.mean @ coef), coef

    def settings(self, point: Point) -> Settings:
        """The descent of a setting without l1."""
        start = (0.0, (0.0,) * len(self.varies))
        manner = self.manner
        own = {name for term in self.problem.terms for name in (*term.columns, term.name)}
        factors = tuple((name, value) for name, value in manner.factors.items() if name in own)
        return Settings(
            point.learning_rate,
            point.epochs,
            point.l2,
            manner.scale,
            manner.intercept,
            start,
            factors=factors,
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

    @cached_property
    def _penalised(self) -> tuple[Floats, Floats, Floats] | None:
        """The spectrum in coordinates that l2 penalises alike: values, basis, and their scale.

        None where a column is not penalised, or they differ too much for it.
        """
        second, spectrum = self.factors[1], self.spectrum
        if (second == 1).all():
            return spectrum.values, spectrum.basis, np.ones(len(second))
        if not 0 < second.max() <= ALIKE * second.min():
            return None
        root = np.sqrt(second)
        values, basis = np.linalg.eigh(self.matrix / root / root[:, None])
        if values[0] <= tolerance(len(values)) * values[-1]:
            return None
        return values, basis, root

    def _solve_ridge(self, l2: Floats) -> Floats:
        """Coefficients in standard coordinates for each of m penalties, shape (m, p)."""
        found = np.tile(self.ranked_spectrum.least_squares, (len(l2), 1))
        some = np.flatnonzero(l2)
        if self._penalised is not None:
            values, basis, root = self._penalised
            share = basis.T @ (self.cross / root)
            found[some] = (share / (values + l2[some, None])) @ basis.T / root
            return found
        for i in some:
            matrix = self.matrix + np.diag(l2[i] * self.factors[1])
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
        are not 0 [1]_; after some epochs, of a descent of these alone.

        References
        ----------
        .. [1] R. J. Tibshirani, J. Taylor.  Degrees of freedom in lasso problems.  Annals of
           Statistics 40(2), 1198-1232, 2012.  doi:10.1214/12-AOS1003
        """
        counts = np.empty(len(points))
        spectrum = self._penalised
        values = np.zeros(0) if spectrum is None else spectrum[0][spectrum[0] > 0]
        rank = self.ranked_spectrum.rank
        for i, point in enumerate(points):
            own = trained.coef[i, self.varies] != 0
            if point.epochs:
                path = self._path(point)
                if self._is_proximal(point):
                    counts[i] = _trace_path(path, point.epochs, own)
                else:
                    counts[i] = float(path.effective_parameters(point.epochs))
                continue
            if spectrum is not None and not point.l1 and not self.manner.nonnegative:
                counts[i] = np.sum(values / (values + point.l2)) if point.l2 else rank
            else:
                counts[i] = _trace(self.matrix, point.l2 * self.factors[1], own)
            counts[i] += self.manner.intercept
        return counts


def _trace_path(path: Path, epochs: int, own: Floats) -> float:
    """What a descent along some coefficients has made of as many parameters after so long."""
    quadratic, moves = path.quadratic, path.coordinates.moves_intercept
    at = np.flatnonzero(np.concatenate([np.ones(int(moves), dtype=bool), own]))
    inner = quadratic.matrix[np.ix_(at, at)]
    h, basis = np.linalg.eigh(2 * (inner + quadratic.l2 * np.diag(quadratic.factors[at])))
    moving = h > tolerance(len(h)) * h.max(initial=0.0)
    h, basis = h[moving], basis[:, moving]
    share = 2 * np.einsum("ij,ij->j", basis, inner @ basis) / h
    left = Transient(path.rule, path.learning_rate * h).at(np.array([float(epochs)]))[0]
    return float(share @ (1 - left)) + (path.coordinates.intercept and not moves)


def _trace(matrix: Floats, l2: Floats, own: Floats) -> float:
    """Trace of C (C + l2)⁺ over some columns."""
    at = np.flatnonzero(own)
    if not at.size:
        return 0.0
    inner = matrix[np.ix_(at, at)]
    if not l2[at].any():
        return float(np.linalg.matrix_rank(inner, hermitian=True))
    return float(np.trace(np.linalg.solve(inner + np.diag(l2[at]), inner)))
