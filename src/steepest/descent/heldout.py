"""Rows held out: their loss at any coefficients, and the epoch at which it is lowest."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ..sums.normal import ExactNormal
from ..sums.problem import Problem
from ..typing import Floats
from .certified import solve_exactly
from .quadratic import find_coordinates
from .solve import decompose

EVERY = 1 << 16
"""Epochs up to which each one is looked at, and that are looked at between two of a grid."""

ROUNDING = 2.0**-44
"""Shares of a loss by which epochs near the limit differ from it for no other reason."""

FAR = 2.0**32
"""Squares of coefficients, in variances of the target, beyond which their own rounding shows."""

BRACKETS = 4
"""Dips of the grid that are looked into."""


@dataclass(frozen=True)
class HeldOut:
    """The mean squared error of some rows, from their moments.

    loss(b, w) = floor + ‖F (w - ŵ)‖² + (ȳ - b - x̄w)², with ŵ the coefficients and ``floor`` the
    loss of their own least squares, and FᵀF their covariance: nothing cancels, and it is never
    negative.
    """

    floor: float
    centre: Floats
    """ŵ, shape (p,)."""
    factor: Floats
    """F, shape (p, p)."""
    mean: Floats
    target_mean: float
    rows: int
    variance: float
    """Of the target, (÷ W)."""
    gap: Floats | None = None
    """By how much the means exceed those of the rows trained on, shape (p,), where they are known;
    their intercept is at its best."""
    target_gap: float = 0.0

    def loss(self, intercept: Floats, coef: Floats) -> Floats:
        """Of T intercepts, shape (T,), and coefficients, shape (T, p): losses, shape (T,)."""
        with np.errstate(over="ignore", invalid="ignore"):
            if self.gap is not None:
                return self.loss_about(self.target_gap - coef @ self.gap, coef)
            return self.loss_about((self.target_mean - coef @ self.mean) - intercept, coef)

    def loss_about(self, shift: Floats, coef: Floats) -> Floats:
        """The same where the mean error is known better: ȳ - b - x̄w, shape (T,)."""
        with np.errstate(over="ignore", invalid="ignore"):
            spread = (coef - self.centre) @ self.factor.T
            return np.asarray(self.floor + np.sum(spread**2, axis=-1) + shift**2)


def build_held_out(problem: Problem) -> HeldOut:
    """The rows behind a problem.  O(p³)."""
    p = len(problem.terms)
    lift = np.array(problem.exponents or (0,) * p, dtype=np.int64)
    varies = np.flatnonzero(np.diag(problem.scatter) > 0)
    kept = problem.keep(varies.tolist())
    coordinates = find_coordinates(kept, "standard", intercept=True)
    spectrum = decompose(kept, coordinates)
    centre, floor = np.zeros(p), spectrum.floor
    centre[varies] = coordinates.destandardise(spectrum.least_squares)
    if kept.exact is not None:
        floor = find_floor(kept.exact, centre[varies])
        limit = spectrum.poor and solve_exactly(
            kept.exact, l2=0.0, scale="standard", intercept=True
        )
        if limit:
            size = coordinates.standardise(limit.optimum.coef)
            if size @ size <= FAR * problem.target_scatter / problem.weight:
                centre[varies], floor = limit.optimum.coef, limit.optimum.loss
    second = problem.scatter / problem.weight
    spread = np.sqrt(np.diag(second))
    unit = np.where(spread > 0, spread, 1.0)  # so that large columns do not drown small ones
    values, basis = np.linalg.eigh(second / unit / unit[:, None])
    factor = np.sqrt(np.maximum(values, 0.0))[:, None] * basis.T * unit
    return HeldOut(
        floor,
        centre,
        np.ldexp(factor, lift),
        np.ldexp(problem.mean, lift),
        problem.target_mean,
        problem.rows.used,
        problem.target_scatter / problem.weight,
    )


def find_floor(normal: ExactNormal, coef: Floats, *, intercept: bool = True) -> float:
    """The loss of coefficients with their best intercept, in whole numbers and rounded once.

    O(p²).  Near least squares it is the lowest but for the square of their rounding.
    """
    matrix, divisor = normal.centred(intercept=intercept)
    units = [normal.unit(j) for j in range(len(matrix))]
    parts = [-Fraction(float(w)) * unit for w, unit in zip(coef, units, strict=False)]
    parts.append(units[-1])
    below = math.lcm(*(part.denominator for part in parts))
    whole = np.array([int(part * below) for part in parts], dtype=object)
    square = int(np.dot(whole, np.dot(matrix, whole)))
    return float(Fraction(square, below**2 * divisor * normal.weight))


def find_mean_gap(held: Problem, trained: Problem) -> tuple[Floats, float]:
    """By how much the means of some rows exceed those of others: of terms, shape (p,), and target.

    From whole numbers where there are some, so that nothing cancels.
    """
    if held.exact is None or trained.exact is None:
        return held.mean - trained.mean, held.target_mean - trained.target_mean
    gaps = [
        float(
            Fraction(int(held.exact.totals[j]), held.exact.weight) * held.exact.unit(j)
            - Fraction(int(trained.exact.totals[j]), trained.exact.weight) * trained.exact.unit(j)
        )
        for j in range(len(held.mean) + 1)
    ]
    return np.array(gaps[:-1]), gaps[-1]


class Best(NamedTuple):
    """The epoch with the lowest loss over the rows held out."""

    epoch: float
    """Infinite for the limit."""
    loss: float
    falling: bool
    """Whether it is the last of those in question: the loss was still falling."""


def find_best(loss: Callable[[Floats], Floats], last: int, *, endless: bool) -> Best:
    """The first epoch of 0 to ``last`` with the lowest loss; with ``endless``, or the limit.

    Up to 65,536 epochs each one is looked at.  Beyond, pairs of neighbours on a grid that grows by
    a thousandth, then every epoch around the lowest of them.
    """
    if last <= EVERY:
        t = np.arange(last + 1, dtype=np.float64)
    else:
        grid = np.unique(np.floor(np.geomspace(EVERY, last, int(np.log(last / EVERY) * 1000) + 2)))
        t = np.unique(np.concatenate([np.arange(EVERY, dtype=np.float64), grid, grid - 1]))
    found = _of_all(loss, t)
    if last > EVERY:
        padded = np.pad(found, 1, constant_values=np.inf)
        dips = np.flatnonzero((found <= padded[:-2]) & (found <= padded[2:]))
        lowest = dips[np.argsort(found[dips], kind="stable")[:BRACKETS]]
        brackets = [(t[max(dip - 2, 0)], t[min(dip + 2, len(t) - 1)]) for dip in lowest]
        for low, high in brackets:
            inside, values = _narrow(loss, low, high)
            t, found = np.concatenate([t, inside]), np.concatenate([found, values])
    at = _lowest(t, found)
    best = Best(float(t[at]), float(found[at]), bool(t[at] == last))
    if endless:
        limit = float(loss(np.array([np.inf]))[0])
        if limit <= best.loss * (1 + ROUNDING):
            return Best(np.inf, limit, True)
        return best._replace(falling=False)
    return best


def _lowest(t: Floats, found: Floats) -> int:
    lowest = np.flatnonzero(found == found.min())
    return int(lowest[np.argmin(t[lowest])])


def _narrow(loss: Callable[[Floats], Floats], low: float, high: float) -> tuple[Floats, Floats]:
    """Every epoch from low to high, or where they are many, ever finer grids of them."""
    seen, values = [], []
    while True:
        step = max(1.0, np.ceil((high - low) / EVERY))
        t = np.arange(low, high + 1, step)
        found = _of_all(loss, t)
        seen.append(t)
        values.append(found)
        if step == 1:
            return np.concatenate(seen), np.concatenate(values)
        at = int(np.argmin(found))
        low, high = max(low, t[at] - step), min(high, t[at] + step)


def _of_all(loss: Callable[[Floats], Floats], t: Floats) -> Floats:
    pieces = [loss(t[i : i + EVERY // 8]) for i in range(0, len(t), EVERY // 8)]
    return np.where(np.isnan(found := np.concatenate(pieces)), np.inf, found)
