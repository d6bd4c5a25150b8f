"""What is left of each direction's gap to the limit, at any epoch, in closed form.

A linear rule on a quadratic moves each direction of curvature h by a 2 × 2 matrix of x = η h, and
the share p(t) of its gap that is left after t updates is the first entry of that matrix to the
power of t.  Without momentum it is (1 - x)ᵗ.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..typing import Floats
from .momentum import decay
from .powers import Matrices, Powers
from .rules import LinearRule
from .wide import Wide

LOG_ZERO = -1e4
"""Logarithm of a factor of 0: exp of it is 0, and of 0 times it is 1."""

SHARED = 512
"""Epochs that share an exponential."""


class Transient:
    """The shares p(t) of all directions.

    >>> from steepest.descent.momentum import Momentum
    >>> Transient(Momentum(0.5), np.array([0.2, 0.3])).at([0, 1, 2, np.inf])
    array([[1.  , 1.  ],
           [0.8 , 0.7 ],
           [0.54, 0.34],
           [0.  , 0.  ]])
    """

    def __init__(self, rule: LinearRule[Any], x: Floats) -> None:
        self.rule, self.x = rule, x
        self._plain = not rule.momentum

    def at(self, epochs: Floats) -> Floats:
        """p(t), shape (T, q); 0 at infinity, where the limit has been reached."""
        t = np.asarray(epochs, dtype=np.float64)
        return self._powers_of_numbers(t) if self._plain else self._powers.first(t)

    @cached_property
    def decays(self) -> Floats:
        """Log ρ of each direction, shape (q,): what an epoch leaves in the long run."""
        return np.array([decay(self.rule, float(x)) for x in self.x])

    def sum_squares(self, epochs: Floats, weights: Floats) -> Floats:
        """Σᵢ weightsᵢ pᵢ(t)² for each t, shape (T,).

        Many epochs of plain descent share their 512s, and each 512 has the same 512 epochs in it:
        the exponentials of both are few, and the sums are one matrix product.
        """
        t = np.asarray(epochs, dtype=np.float64)
        moving = weights > 0
        if not self._plain:
            sums = np.empty(len(t))
            rows = max(1, (1 << 17) // max(len(self.x), 1))
            for piece in (slice(i, i + rows) for i in range(0, len(t), rows)):
                with np.errstate(over="ignore", under="ignore"):
                    sums[piece] = self.at(t[piece])[:, moving] ** 2 @ weights[moving]
            return sums
        log, weights = 2 * self._log_factor[0][moving], weights[moving]
        with np.errstate(under="ignore", over="ignore"):
            if len(t) < SHARED or (log > 0).any():
                return np.asarray(np.exp(_products(t, log)) @ weights)
            forever = np.isinf(t)
            coarse, fine = np.divmod(np.where(forever, 0.0, t), SHARED)
            steps, at = np.unique(coarse, return_inverse=True)
            inside = np.exp(np.outer(log, np.arange(SHARED)))
            sums = np.empty(len(t))
            for start in range(0, len(steps), SHARED):
                outside = np.exp(np.outer(steps[start : start + SHARED] * SHARED, log))
                table = outside * weights @ inside
                mine = (at >= start) & (at < start + SHARED)
                sums[mine] = table[at[mine] - start, fine[mine].astype(np.int64)]
        sums[forever] = 0.0
        return sums

    @cached_property
    def _log_factor(self) -> tuple[Floats, Floats]:
        """Log |1 - x| and the sign of 1 - x, each (q,); accurate for x near 0 and near 2."""
        x = self.x
        with np.errstate(divide="ignore"):
            log = np.where(x <= 1, np.log1p(-np.minimum(x, 1)), np.log1p(np.maximum(x, 1) - 2))
        return np.maximum(log, LOG_ZERO), np.where(x <= 1, 1.0, -1.0)

    def _powers_of_numbers(self, t: Floats) -> Floats:
        log, sign = self._log_factor
        forever = np.isinf(t)
        finite = np.where(forever, 0.0, t)
        with np.errstate(under="ignore", over="ignore"):
            power: Floats = np.exp(np.outer(finite, log))
        if (sign < 0).any():
            power[np.mod(finite, 2) == 1] *= sign
        power[forever] = 0.0
        return power

    @cached_property
    def _powers(self) -> Powers:
        return Powers(Matrices.of(self.rule.transition(Wide.of(self.x))))


def glance(rule: LinearRule[Any], x: Floats, t: int) -> Floats:
    """Log |p(t)| from the roots of z² - b z + c, in any shape: quick, within t · 2⁻⁵⁰ or so.

    Of two complex roots r e^±iθ, p(t) = rᵗ⁻¹ (a sin tθ - r sin (t - 1)θ) / sin θ with a the first
    entry of the matrix; of real ones λ, λq the same with (1 - qⁿ)/(1 - q) for sin nθ / sin θ.

    >>> from steepest.descent.momentum import Momentum
    >>> np.exp(glance(Momentum(0.5), np.array([0.2, 0.01]), 2)).round(12)
    array([0.54  , 0.9751])
    """
    (a, q), (r, s) = rule.transition(x)
    b, c = a + s, a * s - q * r
    inside = b * b - 4 * c
    turns, found = inside < 0, np.empty(x.shape)
    with np.errstate(all="ignore"):
        found[turns] = _waves(a[turns], b[turns], c[turns], inside[turns], t)
        line = ~turns
        found[line] = _lines(x[line], a[line], b[line], c[line], inside[line], t)
    return np.where(np.isnan(found), -np.inf, found)


def _waves(a: Floats, b: Floats, c: Floats, inside: Floats, t: int) -> Floats:
    angle, size = np.arctan2(np.sqrt(-inside), b), np.sqrt(c)
    wave = a * np.sin(t * angle) - size * np.sin((t - 1) * angle)
    return np.asarray((t - 1) * np.log(size) + np.log(np.abs(wave / np.sin(angle))))


def _lines(x: Floats, a: Floats, b: Floats, c: Floats, inside: Floats, t: int) -> Floats:
    near = 2 * np.where(b >= 0, x, 1 + b + c) / (2 - np.abs(b) + np.sqrt(inside))
    log = np.log1p(-np.minimum(near, 1.0))
    first = np.copysign(np.exp(log), b)
    second = c / first
    ratio = np.minimum(second / first, 1.0)
    line = a * _geometric(ratio, t) - second * _geometric(ratio, t - 1)
    return np.asarray((t - 1) * log + np.log(np.abs(line)))


def _geometric(ratio: Floats, n: int) -> Floats:
    """1 + q + ... + qⁿ⁻¹ for q from -1 to 1."""
    log = np.log(np.abs(ratio))
    up = np.where(log > -1e-300, float(n), np.expm1(n * log) / np.expm1(log))
    return np.where(ratio > 0, up, (1 - ratio**n) / (1 - ratio))


def _products(t: Floats, log: Floats) -> Floats:
    """T · log, and -infinity at infinity, whatever the sign of log."""
    forever = np.isinf(t)
    products = np.outer(np.where(forever, 0.0, t), log)
    products[forever] = -np.inf
    return products
