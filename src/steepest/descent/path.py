"""Every epoch of a descent, in closed form.

Gradient descent on a quadratic moves along each eigenvector of the Hessian on its own: the gap
to the limit shrinks by the factor ρᵢ = 1 - rate·hᵢ an epoch, hᵢ the curvature along it.  So

    u(t) = u∞ + Σᵢ qᵢ ρᵢᵗ (qᵢᵀ (u(0) - u∞)),

for any epoch t, at the same cost for the first as for the ten-millionth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ..errors import LearningRateError, OptionError
from ..typing import Floats
from .certified import Optimum
from .quadratic import Coordinates, Quadratic
from .solve import Spectrum, tolerance

LOG_ZERO = -1e4
"""Logarithm of a factor of 0: exp of it is 0, and of 0 times it is 1."""

SHARED = 512
"""Epochs that share an exponential."""

CHUNK = 1 << 17
"""Numbers that are worked on at once, so that they stay in cache."""


@dataclass(frozen=True)
class Curvatures:
    """How steep the objective is along each direction, and the rates that follow.

    ``values`` (q,) are the curvatures hᵢ, ascending, 0 along a direction that changes nothing;
    ``basis`` (q, q) holds a direction a column; ``second`` (q,) are the second moments aᵢ along
    them, or None where the directions do not diagonalise A (a penalty beside a free intercept).
    """

    values: Floats
    basis: Floats
    second: Floats | None

    @property
    def largest(self) -> float:
        """L, the largest curvature; 0 without columns."""
        return float(self.values[-1]) if self.values.size else 0.0

    @property
    def smallest(self) -> float:
        """ℓ, the smallest that is not 0 within rounding."""
        found = self.values[self.values > tolerance(len(self.values)) * self.largest]
        return float(found[0]) if found.size else 0.0

    @property
    def limit(self) -> float:
        """2/L: at this rate and above, gradient descent does not converge."""
        return 2 / self.largest if self.largest else np.inf

    @property
    def best(self) -> float:
        """2/(L + ℓ), the rate with the best worst case over all directions."""
        return 2 / (self.largest + self.smallest) if self.largest else np.nan


def find_curvatures(
    quadratic: Quadratic, coordinates: Coordinates, spectrum: Spectrum
) -> Curvatures:
    """Eigenvalues and eigenvectors of the Hessian.  Free in standard coordinates, else O(q³)."""
    if coordinates.scale == "standard":
        return Curvatures(2 * (spectrum.values + quadratic.l2), spectrum.basis, spectrum.values)
    if quadratic.l2 == 0 or quadratic.penalised.all():
        second, basis = np.linalg.eigh(quadratic.matrix)
        second = np.maximum(second, 0.0)
        return Curvatures(2 * (second + quadratic.l2), basis, second)
    values, basis = np.linalg.eigh(quadratic.hessian)
    return Curvatures(np.maximum(values, 0.0), basis, None)


def choose_rate(curvatures: Curvatures, learning_rate: float | None) -> tuple[float, str]:
    """The rate to use and why: the one given, or the best fixed rate.

    LearningRateError, with L, for one at or above 2/L.
    """
    top, low = curvatures.largest, curvatures.smallest
    if learning_rate is None:
        return (
            curvatures.best,
            f"the best fixed rate, 2/(L + ℓ), with curvatures from ℓ = {low:.6g} to L = {top:.6g}",
        )
    if not learning_rate < curvatures.limit:
        raise LearningRateError.too_large(learning_rate, curvatures.limit, top, curvatures.best)
    share = learning_rate / curvatures.limit
    return learning_rate, f"as given: {share:.3g} of the largest stable rate, 2/L, L = {top:.6g}"


@dataclass(frozen=True)
class Path:
    """Coefficients and loss at any epoch of a fit, without iterating.

    Epoch t is after t updates; epoch 0 is the start.  ``None`` or infinity is the limit.

    Attributes
    ----------
    names : tuple of str
        The p coefficients' names.
    learning_rate : float
        Rate in the coordinates of the descent (dimensionless with ``scale="standard"``).
    curvatures : Curvatures
        Of the objective along its q directions.

    Notes
    -----
    Agrees with a loop over the moments or over the rows to within 2⁻⁵² · 16 (q + 3) (κ + t)
    times the largest coordinate, κ the condition number of the Hessian: a loop rounds once an
    epoch, and both rest on 52 bits.

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

    @cached_property
    def _gap(self) -> Floats:
        """Distance to the limit along each direction at the start, shape (q,)."""
        return np.asarray(self.curvatures.basis.T @ (self.start - self.end))

    @cached_property
    def _log_factor(self) -> tuple[Floats, Floats]:
        """Log |ρ| and the sign of ρ, each of shape (q,); accurate for ρ near 1 and near -1."""
        x = self.learning_rate * self.curvatures.values
        with np.errstate(divide="ignore"):
            log = np.where(x <= 1, np.log1p(-np.minimum(x, 1)), np.log1p(np.maximum(x, 1) - 2))
        return np.maximum(log, LOG_ZERO), np.where(x <= 1, 1.0, -1.0)

    def _transient(self, epochs: Floats) -> Floats:
        """ρᵢᵗ, shape (len(epochs), q); 0 at infinity, where the limit has been reached."""
        log, sign = self._log_factor
        forever = np.isinf(epochs)
        finite = np.where(forever, 0.0, epochs)
        with np.errstate(under="ignore"):
            power: Floats = np.exp(np.outer(finite, log))
        if (sign < 0).any():
            power[np.mod(finite, 2) == 1] *= sign
        power[forever] = 0.0
        return power

    def position(self, epochs: ArrayLike) -> Floats:
        """Coordinates u(t), shape (T, q), at each of T epochs."""
        t = _as_epochs(epochs)
        u = self.end + (self._transient(t) * self._gap) @ self.curvatures.basis.T
        u[t == 0] = self.start
        return np.asarray(u)

    def coef(self, epochs: ArrayLike) -> Floats:
        """Coefficients on the user's scale, shape (T, p), at each of T epochs."""
        return self._leave(epochs)[1]

    def intercept(self, epochs: ArrayLike) -> Floats:
        """Intercepts, shape (T,), at each of T epochs."""
        return self._leave(epochs)[0]

    def _leave(self, epochs: ArrayLike) -> tuple[Floats, Floats]:
        """Intercepts, shape (T,), and coefficients, shape (T, p)."""
        t = _as_epochs(epochs)
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
        intercept, coef = self._leave([np.inf if epoch is None else epoch])
        return name_coefficients(
            self.names, coef[0], float(intercept[0]) if self.coordinates.intercept else None
        )

    def loss(self, epochs: ArrayLike | None) -> Floats:
        """Loss at w(t) for each epoch, without the penalty; a float for a single epoch.

        floor + Σ aᵢ (ρᵢᵗ gᵢ)²: nothing cancels, and it is never negative.  O(q) an epoch, with
        a penalty beside a free intercept O(q²).
        """
        t = _as_epochs(np.inf if epochs is None else epochs)
        weights, offset = self._loss_terms
        if weights.ndim == 1 and not offset.any():
            above = _sum_decays(t, 2 * self._log_factor[0], weights * self._gap**2)
        else:
            above = np.empty(len(t))
            factor = np.sqrt(weights) if weights.ndim == 1 else weights.T
            rows = max(1, CHUNK // max(len(self.start), 1))
            for piece in (slice(i, i + rows) for i in range(0, len(t), rows)):
                gap = self._transient(t[piece]) * self._gap + offset
                above[piece] = np.sum((gap * factor if factor.ndim == 1 else gap @ factor) ** 2, 1)
        loss = above + self.quadratic.floor
        if self.optimum is not None:
            loss[np.isinf(t)] = self.optimum.loss
        return _as_asked(loss, epochs)

    def objective(self, epochs: ArrayLike | None) -> Floats:
        """Loss plus penalty at w(t), which is what descends; a float for a single epoch."""
        t = _as_epochs(np.inf if epochs is None else epochs)
        u = self.position(t)[:, self.quadratic.penalised]
        objective = np.atleast_1d(self.loss(t)) + self.quadratic.l2 * np.sum(u**2, axis=1)
        return _as_asked(objective, epochs)

    @cached_property
    def _loss_terms(self) -> tuple[Floats, Floats]:
        """What turns gaps into loss above the floor: weights (q,) or factor (q, q), and offset."""
        basis, quadratic, second = self.curvatures.basis, self.quadratic, self.curvatures.second
        offset = basis.T @ (self.end - quadratic.centre)
        if second is not None:
            return second, offset if quadratic.l2 else np.zeros(len(offset))
        values, vectors = np.linalg.eigh(quadratic.matrix)
        return np.sqrt(np.maximum(values, 0.0))[:, None] * (vectors.T @ basis), offset


def _sum_decays(t: Floats, log: Floats, weights: Floats) -> Floats:
    """Σᵢ weightsᵢ exp(logᵢ t) for each t, shape (T,).

    Many epochs share their 512s, and each 512 has the same 512 epochs in it: the exponentials
    of both are few, and the sums are one matrix product.
    """
    moving = weights > 0
    log, weights = log[moving], weights[moving]
    with np.errstate(under="ignore"):
        if len(t) < SHARED:
            return np.asarray(np.exp(np.outer(t, log)) @ weights)
        forever = np.isinf(t)
        coarse, fine = np.divmod(np.where(forever, 0.0, t), SHARED)
        steps, at = np.unique(coarse, return_inverse=True)
        inside = np.exp(np.outer(log, np.arange(SHARED)))
        sums = np.empty(len(t))
        for start in range(0, len(steps), SHARED):
            table = np.exp(np.outer(steps[start : start + SHARED] * SHARED, log)) * weights @ inside
            mine = (at >= start) & (at < start + SHARED)
            sums[mine] = table[at[mine] - start, fine[mine].astype(np.int64)]
    sums[forever] = 0.0
    return sums


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
