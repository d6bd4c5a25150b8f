"""Every epoch of a descent, in closed form where there is one.

A linear rule on a quadratic moves along each eigenvector of the Hessian on its own: the share
p(t) of the gap to the limit that is left after t updates follows from the curvature hᵢ along it
and from the rate (:mod:`.transients`).  Plain gradient descent leaves (1 - rate·hᵢ)ᵗ.  So

    u(t) = u∞ + Σᵢ qᵢ pᵢ(t) (qᵢᵀ (u(0) - u∞)),

for any epoch t, at the same cost for the first as for the ten-millionth.  Other rules, schedules
and a penalty l1 are stepped, by the one loop over the moments (:mod:`.stepped`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import OptionError, ValidationError
from ..typing import Floats
from .certified import Optimum
from .curvatures import Curvatures
from .heldout import Best, HeldOut, find_best
from .quadratic import Coordinates, Quadratic
from .rules import PLAIN, LinearRule
from .schedules import CONSTANT, Schedule, is_constant
from .speeds import Rates
from .stepped import Stepped
from .transients import Transient

CHUNK = 1 << 17
"""Numbers that are worked on at once, so that they stay in cache."""


@dataclass(frozen=True)
class Path:
    """Coefficients and loss at any epoch of a fit.

    Epoch t is after t updates; epoch 0 is the start.  ``None`` or infinity is the limit.

    Attributes
    ----------
    names : tuple of str
        The p coefficients' names.
    learning_rate : float
        Rate in the coordinates of the descent (dimensionless with ``scale="standard"``); NaN
        for a solver that searches along lines.
    curvatures : Curvatures
        Of the objective along its q directions.
    rule : LinearRule, UpdateRule or Solver
        How one step follows another.
    closed : bool
        Whether any epoch follows at once, without the ones before it: for gradient descent with
        or without momentum at a constant rate, with no penalty l1.

    Notes
    -----
    Agrees with a loop over the moments or over the rows to within 2⁻⁵² · 16 (q + 3) (κ + t)
    times the largest coordinate, κ the condition number of the Hessian: a loop rounds once an
    epoch, and both rest on 52 bits.  With momentum m the same bound holds divided by 1 - m, for
    what a loop rounds is carried on.

    Examples
    --------
    >>> import steepest
    >>> model = steepest.fit({"x": [1, 2, 3, 4], "y": [2, 4, 6, 8]}, target="y",
    ...                      learning_rate=0.01, epochs=10, scale="none", intercept=False)
    >>> model.path.loss([0, 1, 2])
    array([30.       , 21.675    , 15.6601875])
    >>> round(model.path.at(1)["x"], 6)
    0.3
    """

    names: tuple[str, ...]
    learning_rate: float
    curvatures: Curvatures
    quadratic: Quadratic
    coordinates: Coordinates
    start: Floats
    end: Floats
    optimum: Optimum | None = None
    """The limit to the last bit, where exact sums tell it."""
    rule: Any = PLAIN
    schedule: Schedule = CONSTANT
    l1: Floats | None = None
    """What the size of each coordinate costs, shape (q,), where any does or may not be negative."""
    nonnegative: bool = False
    """Whether coefficients are at least 0."""
    held_out: HeldOut | None = None
    """The rows held out, where there are any."""

    @property
    def closed(self) -> bool:
        """Whether any epoch follows at once, without the ones before it."""
        return isinstance(self.rule, LinearRule) and is_constant(self.schedule) and self.l1 is None

    @cached_property
    def rates(self) -> Rates:
        """The limit of the rate, the best ones, and what makes the descent slow.

        Of a rule that has no momentum and no limit, those of gradient descent.
        """
        rule = self.rule if isinstance(self.rule, LinearRule) else PLAIN
        names = ("intercept", *self.names) if self.coordinates.moves_intercept else self.names
        height = self.curvatures.values / 2 * self._gap**2
        return Rates(rule, self.curvatures, height, names, self.coordinates.scale)

    @cached_property
    def _gap(self) -> Floats:
        """Distance to the limit along each direction at the start, shape (q,)."""
        return np.asarray(self.curvatures.basis.T @ (self.start - self.end))

    @cached_property
    def _transient(self) -> Transient:
        return Transient(self.rule, self.learning_rate * self.curvatures.values)

    @cached_property
    def _stepped(self) -> Stepped:
        rate = None if np.isnan(self.learning_rate) else self.learning_rate
        l1: Any = 0.0 if self.l1 is None else self.l1
        if self.nonnegative:
            l1 = (np.where(self.coordinates.penalised, np.inf, l1), l1)
        return Stepped(self.quadratic, self.start, self.rule, rate, self.schedule, l1)

    def position(self, epochs: ArrayLike) -> Floats:
        """Coordinates u(t), shape (T, q), at each of T epochs."""
        t = _as_epochs(epochs)
        if not self.closed:
            last = np.isinf(t)
            u = self._stepped.position(np.where(last, 0.0, t))
            return np.where(last[:, None], self.end, u)
        left = self._left(t)
        with np.errstate(invalid="ignore", over="ignore"):
            u = self.end + left @ self.curvatures.basis.T
        u[t == 0] = self.start
        beyond = ~np.isfinite(u).all(axis=1)
        if beyond.any():  # the direction that grows fastest says on which side
            fastest = int(np.argmax(np.where(self._gap == 0, -np.inf, self._transient.decays)))
            with np.errstate(invalid="ignore"):
                side = np.outer(left[beyond, fastest], self.curvatures.basis[:, fastest])
            u[beyond] = np.where(np.isnan(side), self.end, side)
        return np.asarray(u)

    def _left(self, t: Floats) -> Floats:
        """Distance to the limit along each direction, shape (T, q)."""
        with np.errstate(invalid="ignore", over="ignore"):
            return np.where(self._gap == 0, 0.0, self._transient.at(t) * self._gap)

    def coef(self, epochs: ArrayLike) -> Floats:
        """Coefficients on the user's scale, shape (T, p), at each of T epochs."""
        return self.leave(epochs)[1]

    def intercept(self, epochs: ArrayLike) -> Floats:
        """Intercepts, shape (T,), at each of T epochs."""
        return self.leave(epochs)[0]

    def leave(self, epochs: ArrayLike) -> tuple[Floats, Floats]:
        """Intercepts, shape (T,), and coefficients, shape (T, p), on the user's scale."""
        t = _as_epochs(epochs)
        with np.errstate(invalid="ignore", over="ignore"):
            intercept, coef = self.coordinates.leave(self.position(t))
        if self.optimum is not None:
            last = np.isinf(t)
            intercept = np.where(last, self.optimum.intercept, intercept)
            coef = np.where(last[:, None], self.optimum.coef, coef)
        return intercept, coef

    def at(self, epoch: float | None) -> dict[str, float]:
        """The coefficients of one epoch by name, the intercept first if there is one."""
        if np.ndim(np.inf if epoch is None else epoch):
            raise OptionError.outside("epoch", epoch, "a single epoch", "path.coef([0, 1, 2])")
        intercept, coef = self.leave([np.inf if epoch is None else epoch])
        return name_coefficients(
            self.names, coef[0], float(intercept[0]) if self.coordinates.intercept else None
        )

    def loss(self, epochs: ArrayLike | None) -> Floats:
        """Loss at w(t) for each epoch, without the penalty; a float for a single epoch.

        floor + Σ aᵢ (pᵢ(t) gᵢ)²: nothing cancels, and it is never negative.  O(q) an epoch, with
        a penalty beside a free intercept O(q²).
        """
        t = _as_epochs(np.inf if epochs is None else epochs)
        weights, offset = self._loss_terms
        if self.closed and weights.ndim == 1 and not offset.any():
            above = self._transient.sum_squares(t, weights * self._gap**2)
        else:
            above = np.empty(len(t))
            factor = np.sqrt(weights) if weights.ndim == 1 else weights.T
            rows = max(1, CHUNK // max(len(self.start), 1))
            for piece in (slice(i, i + rows) for i in range(0, len(t), rows)):
                if self.closed:
                    gap = self._left(t[piece]) + offset
                else:
                    away = self.position(t[piece]) - self.quadratic.centre
                    gap = away @ self.curvatures.basis
                with np.errstate(over="ignore", invalid="ignore"):
                    each = gap * factor if factor.ndim == 1 else gap @ factor
                    above[piece] = np.sum(each**2, axis=1)
        loss = above + self.quadratic.floor
        if self.optimum is not None:
            loss[np.isinf(t)] = self.optimum.loss
        return _as_asked(loss, epochs)

    def objective(self, epochs: ArrayLike | None) -> Floats:
        """Loss plus penalty at w(t), which is what descends; a float for a single epoch."""
        t = _as_epochs(np.inf if epochs is None else epochs)
        objective = np.atleast_1d(self.loss(t))
        if self.quadratic.l2 or self.l1 is not None:
            u, at = self.position(t), np.flatnonzero(self.coordinates.penalised)
            with np.errstate(over="ignore", invalid="ignore"):
                objective = (
                    objective + self.quadratic.l2 * (u**2)[:, at] @ self.quadratic.factors[at]
                )
                if self.l1 is not None:
                    objective += np.abs(u)[:, at] @ self.l1[at]
        return _as_asked(objective, epochs)

    def validation_loss(self, epochs: ArrayLike | None) -> Floats:
        """Mean squared error over the rows held out, at w(t); a float for a single epoch.

        O(p²) an epoch.  ValidationError where no rows were held out.
        """
        if self.held_out is None:
            raise ValidationError.nothing_held_out()
        t = _as_epochs(np.inf if epochs is None else epochs)
        return _as_asked(self.held_out.loss(*self.leave(t)), epochs)

    def best_epoch(self, last: int | None = None) -> Best:
        """The epoch with the lowest loss over the rows held out, of 0 to ``last``.

        Without ``last``, of all, the limit included.  The first, where several are lowest.
        ValidationError where no rows were held out, OptionError where a path without closed form
        has no last epoch.
        """
        if self.held_out is None:
            raise ValidationError.nothing_held_out()
        if last is None and not self.closed:
            raise OptionError.endless(self.rule.name)
        horizon = self._horizon if last is None else int(last)
        return find_best(self.validation_loss, horizon, endless=last is None)

    @property
    def _horizon(self) -> int:
        """An epoch after which nothing moves by more than rounding."""
        moved = (self._gap != 0) & self.curvatures.moving
        slowest = float(max(self._transient.decays[moved], default=-np.inf))
        return 2**52 if slowest >= 0 else int(min(2.0**52, 64 - 90 / slowest))

    def effective_parameters(self, epochs: ArrayLike | None) -> Floats:
        """Trace of ∂ŷ(t)/∂y, which counts parameters: 0 or 1 at the start, all at the limit.

        1 for an intercept that is at its best from the start, and Σ aᵢ (1 - pᵢ(t)) / (aᵢ + l2).
        A float for a single epoch.  OptionError for a path without closed form, where ŷ is not
        linear in y.
        """
        if not self.closed:
            raise OptionError.no_closed_form("effective parameters", self.rule.name)
        t = _as_epochs(np.inf if epochs is None else epochs)
        basis, h = self.curvatures.basis, self.curvatures.values
        along = np.einsum("ij,ij->j", basis, self.quadratic.matrix @ basis)
        moved = self.curvatures.moving
        share = np.where(moved, 2 * along / np.where(moved, h, 1.0), 0.0)
        intercept = self.coordinates.intercept and not self.coordinates.moves_intercept
        return _as_asked(intercept + (1 - self._transient.at(t)) @ share, epochs)

    @cached_property
    def _loss_terms(self) -> tuple[Floats, Floats]:
        """What turns gaps into loss above the floor: weights (q,) or factor (q, q), and offset."""
        basis, quadratic, second = self.curvatures.basis, self.quadratic, self.curvatures.second
        offset = basis.T @ (self.end - quadratic.centre)
        if second is not None:
            return second, offset if quadratic.l2 or self.l1 is not None else np.zeros(len(offset))
        values, vectors = np.linalg.eigh(quadratic.matrix)
        return np.sqrt(np.maximum(values, 0.0))[:, None] * (vectors.T @ basis), offset


def name_coefficients(
    names: Sequence[str], coef: Floats, intercept: float | None
) -> dict[str, float]:
    """Coefficients by name, the intercept first; its key is ``(intercept)`` if a column took it."""
    first = {} if intercept is None else {intercept_name(names): intercept}
    return {**first, **{n: float(c) for n, c in zip(names, coef, strict=True)}}


def intercept_name(names: Sequence[str]) -> str:
    """``intercept``, unless a column has that name."""
    return "(intercept)" if "intercept" in names else "intercept"


def _as_asked(values: Floats, epochs: ArrayLike | None) -> Floats:
    """An array for several epochs, a single number for one."""
    single = epochs is None or np.ndim(epochs) == 0
    return np.asarray(values)[0] if single else values


def _as_epochs(epochs: ArrayLike) -> Floats:
    try:
        t = np.atleast_1d(np.asarray(epochs, dtype=np.float64))
    except (TypeError, ValueError):
        raise OptionError.outside(
            "epochs", epochs, "a whole number, or several", "epochs=range(0, 101)"
        ) from None
    bad = t[~(t >= 0) | (np.isfinite(t) & (t != np.floor(t)))]
    if bad.size:
        raise OptionError.outside(
            "epochs", float(bad[0]), "a whole number of 0 or more", "epochs=range(0, 101)"
        )
    return t
