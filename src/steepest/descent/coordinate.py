"""Penalties that make coefficients 0: lasso, elastic net and non-negative fits, from moments.

What is minimised over β, in any coordinates in which loss(β) = floor + (β - β̂)ᵀ C (β - β̂), is

    loss(β) + Σ l1ⱼ |βⱼ| + Σ l2ⱼ βⱼ²,      with β ≥ 0 where that is asked for.

Coordinates that may move are minimised over one at a time [1]_.  That soon settles which of them
are 0 and the signs of the others; then the coefficients that are not 0 are solved for at once,
and a step that would change a sign ends where the first of them becomes 0 [2]_.  Both lower the
objective, and what is found this way is exact within rounding.  The duality gap says how far the
objective may still be from its minimum.

References
----------
.. [1] J. Friedman, T. Hastie, R. Tibshirani.  Regularization paths for generalized linear models
   via coordinate descent.  Journal of Statistical Software 33(1), 1-22, 2010.
   doi:10.18637/jss.v033.i01
.. [2] H. Lee, A. Battle, R. Raina, A. Y. Ng.  Efficient sparse coding algorithms.  Advances in
   Neural Information Processing Systems 19, 801-808, 2006.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..typing import Floats

NOISE = 2.0**-52
SWEEPS = 3
"""Passes over the coordinates that may move, before the rest is solved for."""

ROUNDS = 200
"""Times that coordinates may come to those that move."""

LONG = 2_000
"""Passes where columns depend on each other, so that nothing can be solved for."""


@dataclass(frozen=True)
class Penalised:
    """A quadratic with penalties: C β ≈ r, shape (p, p) and (p,), and Σ (y - ȳ)²/W, ``square``."""

    matrix: Floats
    cross: Floats
    square: float
    l1: Floats
    """Shape (p,), at least 0."""
    l2: Floats
    """Shape (p,), at least 0."""
    nonnegative: bool = False

    def minimise(self, start: Floats | None = None) -> Solution:
        """The minimiser, shape (p,); a near one as the start saves steps."""
        hessian = self.matrix + np.diag(self.l2)
        half, varies = self.l1 / 2, np.diag(hessian) > 0
        beta = np.zeros(len(half)) if start is None else np.where(varies, start, 0.0)
        if self.nonnegative:
            np.maximum(beta, 0.0, out=beta)
        slack = 64 * NOISE * (np.abs(self.cross).max(initial=0.0) + half)
        moves = beta != 0
        for _ in range(ROUNDS):
            gradient = self.cross - hessian @ beta
            pull = gradient if self.nonnegative else np.abs(gradient)
            joins = varies & (beta == 0) & (pull > half + slack)
            if not (joins | moves).any():
                break
            at = np.flatnonzero(joins | (beta != 0))
            inner = np.ascontiguousarray(hessian[np.ix_(at, at)])
            own = self._settle(inner, self.cross[at], half[at], beta[at])
            moves = np.zeros(len(half), dtype=bool)  # from here on, only what joins
            beta = np.zeros(len(half))
            beta[at] = own
        return Solution(beta, self.gap(beta))

    def _settle(self, inner: Floats, right: Floats, half: Floats, beta: Floats) -> Floats:
        """The minimiser over some coordinates, but that what has become 0 stays 0."""
        beta = self._sweep(inner, right, half, beta, SWEEPS)
        found = self._finish(inner, right, half, beta)
        return self._sweep(inner, right, half, beta, LONG) if found is None else found

    def _sweep(
        self, inner: Floats, right: Floats, half: Floats, beta: Floats, sweeps: int
    ) -> Floats:
        """Each coordinate at its best in turn, so many times; or until none moves."""
        gradient = right - inner @ beta
        values, diagonal, limits = beta.tolist(), np.diag(inner).tolist(), half.tolist()
        for _ in range(sweeps):
            most = 0.0
            for j, old in enumerate(values):
                z = gradient[j] + diagonal[j] * old
                shrunk = abs(z) - limits[j]
                new = 0.0
                if shrunk > 0 and not (self.nonnegative and z < 0):
                    new = shrunk / diagonal[j] if z > 0 else -shrunk / diagonal[j]
                if new != old:
                    values[j] = new
                    gradient -= (new - old) * inner[j]
                    most = max(most, abs(new - old) * diagonal[j] ** 0.5)
            if most <= 4 * NOISE * self.square**0.5:
                break
        return np.array(values)

    def _finish(self, inner: Floats, right: Floats, half: Floats, beta: Floats) -> Floats | None:
        """The coefficients of the coordinates that are not 0, at once; None where singular.

        Where they depend on each other, one of them becomes 0 first: the penalty is linear along
        what changes no prediction, and falls or stays as it is one way or the other.
        """
        beta = beta.copy()
        while True:
            at = np.flatnonzero(beta)
            if not at.size:
                return beta
            own = inner[np.ix_(at, at)]
            goal = solve_definite(own, right[at] - half[at] * np.sign(beta[at]))
            if goal is None:
                bounded = (half[at] > 0) | self.nonnegative
                slid = _slide(own, half[at] * np.sign(beta[at]), beta[at], bounded)
                if slid is None:
                    return None
                beta[at] = slid
                continue
            free = half[at] == 0
            turned = (goal * beta[at] < 0) & ~(free & (not self.nonnegative))
            if not turned.any():
                beta[at] = goal
                return beta
            share = beta[at] / np.where(turned, beta[at] - goal, 1.0)
            step = float(share[turned].min())
            beta[at] += step * (goal - beta[at])
            beta[at[turned & (share <= step)]] = 0.0

    def gap(self, beta: Floats) -> float:
        """How far the objective may be above its minimum, from duality; NaN where not known.

        With g = r - (C + l2) β, A the loss and the penalty of l2 at β, and s the largest share
        for which s |gⱼ| ≤ l1ⱼ/2,  A (1 - s)² + Σ l1ⱼ |βⱼ| - 2 s β·g:  nothing cancels in it.
        """
        gradient = self.cross - self.matrix @ beta - self.l2 * beta
        pull = gradient if self.nonnegative else np.abs(gradient)
        half = self.l1 / 2
        slack = 64 * NOISE * (np.abs(self.cross).max(initial=0.0) + half)
        if (pull[half == 0] > slack[half == 0]).any():
            return float("nan")
        bound = half > 0
        share = min(1.0, float(np.min(half[bound] / np.maximum(pull[bound], NOISE), initial=1.0)))
        fitted = beta @ (self.cross + gradient)
        above = max(self.square - float(fitted), 0.0)
        reached = 2 * share * float(beta @ gradient)
        return max(above * (1 - share) ** 2 + float(self.l1 @ np.abs(beta)) - reached, 0.0)


@dataclass(frozen=True)
class Solution:
    """Where a penalised objective is smallest."""

    coef: Floats
    gap: float
    """How far above its minimum the objective may be."""


def _slide(own: Floats, slopes: Floats, beta: Floats, bounded: Any) -> Floats | None:
    """Where a coordinate becomes 0 along what ``own`` is nearly 0 of; None if none does."""
    scale = 1 / np.sqrt(np.diag(own))
    along = scale * np.linalg.eigh(own * scale * scale[:, None])[1][:, 0]
    along *= -1.0 if slopes @ along > 0 else 1.0
    for way in (along, -along):
        closing = bounded & (way * beta < 0) & (np.abs(way) > 2.0**-26 * scale)
        if closing.any():
            reach = np.where(closing, -beta / np.where(closing, way, 1.0), np.inf)
            first = int(np.argmin(reach))
            slid = np.asarray(beta + reach[first] * way)
            slid[first] = 0.0
            return slid
        if abs(slopes @ along) > 2.0**-40 * np.abs(slopes) @ np.abs(along):
            return None
    return None


def solve_definite(matrix: Floats, right: Floats) -> Floats | None:
    """The solution of a positive definite system; None where it is singular, or nearly."""
    scale = 1 / np.sqrt(np.diag(matrix))
    scaled = matrix * scale * scale[:, None]
    try:
        lower = np.linalg.cholesky(scaled)
    except np.linalg.LinAlgError:
        return None
    if np.diag(lower).min() ** 2 < 64 * len(matrix) * NOISE:
        return None
    return np.asarray(np.linalg.solve(scaled, right * scale) * scale)


def find_largest(cross: Floats, factors: Floats, *, nonnegative: bool = False) -> float:
    """The smallest l1 at which every penalised coefficient is 0, when all others are left out."""
    pull = cross if nonnegative else np.abs(cross)
    bound = factors > 0
    return 2 * float(np.max(pull[bound] / factors[bound], initial=0.0))
