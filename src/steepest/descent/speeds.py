"""Which rates a problem allows, which are best, and what makes it slow: before the first step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..errors import OptionError, check_whole
from ..typing import Floats
from .curvatures import Curvatures
from .momentum import decay
from .powers import Matrices, raise_first
from .rules import LinearRule
from .transients import Transient, glance
from .wide import Wide

FEWEST, MOST, FINE = 1024, 1 << 21, 33
"""Rates that are tried, more for more epochs, and times directions; and around each of the best."""

OFTEN = 8
"""Rates that are tried for each epoch: the objective turns up and down about as often."""

DIPS, KEPT = 128, 8
"""Of these how many, at first and in the end."""

ROOM = 1 << 16
"""Rates times directions that are looked at at once."""

NOTHING = 2.0**-104
"""A share of the height that rounding hides."""

BELOW = 1 - 2.0**-20
"""The largest share of the limit that is ever chosen."""

SCANNED = 1 << 22
"""Epochs that are looked at one by one where a loss may rise on its way."""


class Direction(NamedTuple):
    """One direction of the descent, alone."""

    curvature: float
    """h, in units of the objective."""
    factor: float
    """What an epoch leaves of its gap in the long run, at the rate in question."""
    epochs: float
    """After so many a hundredth is left; infinite where the rate does not converge."""
    share: float
    """Its part of the objective's height above the minimum at the start."""
    loadings: dict[str, float]
    """The coordinates it is made of, the largest first: a unit vector's entries."""


@dataclass(frozen=True, repr=False)
class Rates:
    """Curvatures of a fit's objective, and what they mean for a rule's learning rate.

    Attributes
    ----------
    rule : LinearRule
        Gradient descent, with or without momentum.
    curvatures : Curvatures
        Of the objective, in the coordinates of the descent.
    excess : ndarray of shape (q,)
        Height of the objective above its minimum at the start, by direction.
    names : tuple of str
        The coordinates' names.
    scale : str
        ``"standard"`` or ``"none"``: what the coordinates are.
    other : Rates or None
        The same problem in the other scale, where there is one: what scaling buys.

    Notes
    -----
    A rate is a step per unit gradient, in the coordinates of the descent: dimensionless with
    ``scale="standard"``.

    Examples
    --------
    >>> import steepest
    >>> table = {"a": [1.0, 2.0, 3.0, 4.0], "b": [10.0, 30.0, 20.0, 60.0],
    ...          "y": [1.0, 3.0, 2.0, 5.0]}
    >>> found = steepest.rates(table, target="y")
    >>> round(found.limit, 4), round(found.best, 4), round(found.condition, 2)
    (0.5445, 0.5, 11.24)
    >>> found.epochs_to(0.01)
    13
    >>> round(found.other.condition)
    9637
    """

    rule: LinearRule[Any]
    curvatures: Curvatures
    excess: Floats
    names: tuple[str, ...]
    scale: str
    other: Rates | None = None

    def __repr__(self) -> str:
        m = f" at momentum {self.rule.momentum:.6g}" if self.rule.momentum else ""
        return (
            f"{self.rule.name}{m}: below {self.rule.limit_formula} = {self.limit:.6g}, best "
            f"{self.best:.6g}, condition number {self.condition:.6g}"
        )

    @property
    def smoothness(self) -> float:
        """L, the largest curvature."""
        return self.curvatures.largest

    @property
    def smallest(self) -> float:
        """ℓ, the smallest curvature above 0."""
        return self.curvatures.smallest

    @property
    def condition(self) -> float:
        """κ = L/ℓ."""
        return self.curvatures.condition

    @property
    def limit(self) -> float:
        """At this rate and above the rule does not converge."""
        return self.rule.limit(self.smoothness)

    @cached_property
    def best(self) -> float:
        """The rate with the best worst case over all directions, at the rule's momentum."""
        if not self.smoothness:
            return math.nan
        return self.rule.best(self.smallest, self.smoothness)

    @cached_property
    def tuned(self) -> Rates:
        """The same with the momentum that has the best worst case."""
        if not self.smoothness:
            return self
        rule = self.rule.tuned(self.smallest, self.smoothness)
        other = None if self.other is None else self.other.tuned
        return Rates(rule, self.curvatures, self.excess, self.names, self.scale, other)

    def factor(self, rate: float | None = None) -> float:
        """What an epoch leaves of the slowest direction's gap in the long run."""
        x = self._choose(rate) * self.curvatures.values[self.curvatures.moving]
        return math.exp(max((decay(self.rule, float(one)) for one in x), default=-math.inf))

    def best_for(self, epochs: int) -> float:
        """The rate with the lowest objective after so many epochs.

        Without momentum the objective is convex in the rate, and where its derivative changes sign
        is found by bisection.  With it there are many minima, about one for each epoch: those of a
        grid that tells them apart are refined, and the lowest is taken; where the best rate leaves
        nothing that rounding would show, it stays.
        """
        check_whole("epochs", epochs, 1)
        if not (self._moved & (self.excess > 0)).any():
            return self.best
        if not self.rule.momentum:
            return self._bisect(epochs)
        return self.best if self.left(epochs)[0] < NOTHING else self._refine(epochs)

    def left(self, epochs: Any, rate: float | None = None) -> Floats:
        """The share of the objective's height above its minimum that is left, shape (T,)."""
        t = np.atleast_1d(np.asarray(epochs, dtype=np.float64))
        moved = self._moved & (self.excess > 0)
        if not moved.any():
            return np.zeros(len(t))
        chosen = self._choose(rate)
        transient = Transient(self.rule, chosen * self.curvatures.values[moved])
        return transient.sum_squares(t, self.excess[moved] / self.excess[moved].sum())

    def epochs_to(self, tolerance: float, rate: float | None = None) -> float:
        """The first epoch at which at most this share of the height is left; infinite if none.

        The height is the objective's above its minimum.
        """
        if not 0 < tolerance < 1:
            raise OptionError.outside(
                "tolerance", tolerance, "a number between 0 and 1", "tolerance=0.01"
            )
        chosen = self._choose(rate)
        moved = self._moved & (self.excess > 0)
        if not moved.any():
            return 0
        slowest = max(decay(self.rule, float(x)) for x in chosen * self.curvatures.values[moved])
        if slowest >= 0:
            return math.inf

        def enough(t: float) -> bool:
            return bool(self.left(t, chosen)[0] <= tolerance)

        if not self.rule.momentum:
            return _first(enough, 0)
        seen, size = 0, 1024
        while seen < SCANNED:
            done = np.flatnonzero(self.left(np.arange(seen, seen + size), chosen) <= tolerance)
            if done.size:
                return int(seen + done[0])
            seen, size = seen + size, min(4 * size, 1 << 16)
        return _first(enough, seen)

    def directions(self, rate: float | None = None) -> tuple[Direction, ...]:
        """Every direction that moves, the slowest first."""
        chosen = self._choose(rate)
        total = float(self.excess[self._moved].sum())
        found = []
        for i in np.flatnonzero(self._moved):
            log = decay(self.rule, float(chosen * self.curvatures.values[i]))
            loadings = self.curvatures.basis[:, i]
            loadings = loadings * np.sign(loadings[np.argmax(np.abs(loadings))])
            order = np.argsort(-np.abs(loadings), kind="stable")
            epochs = math.ceil(math.log(0.01) / log) if log < 0 else math.inf
            found.append(
                Direction(
                    float(self.curvatures.values[i]),
                    math.exp(log),
                    epochs,
                    float(self.excess[i] / total) if total else 0.0,
                    {self.names[j]: float(loadings[j]) for j in order},
                )
            )
        return tuple(sorted(found, key=lambda one: (-round(one.factor, 9), one.curvature)))

    def _choose(self, rate: float | None) -> float:
        """The rate in question, the best one by default; OptionError for none above 0."""
        if rate is None:
            return self.best
        real = isinstance(rate, int | float | np.number) and not isinstance(rate, bool)
        if not (real and 0 < rate < math.inf):
            wanted = "a positive number"
            raise OptionError.outside("learning_rate", rate, wanted, "learning_rate=0.1")
        return float(rate)

    @property
    def _moved(self) -> Any:
        return self.curvatures.moving

    def _bisect(self, epochs: int) -> float:
        """Where Σ cᵢ hᵢ (1 - η hᵢ)^(2t - 1) changes sign, or nearly the limit."""
        moved = self._moved & (self.excess > 0)
        h, weight = self.curvatures.values[moved], np.log(self.excess[moved])
        weight = weight + np.log(h)

        def falls(rate: float) -> bool:
            left = 1 - rate * h
            with np.errstate(divide="ignore"):
                log = weight + (2 * epochs - 1) * np.log(np.abs(left))
            if not np.isfinite(log).any():
                return False
            return bool(np.sum(np.sign(left) * np.exp(log - log.max())) > 0)

        low, high = 0.0, self.limit * BELOW
        if falls(high):
            return high
        while low < (middle := (low + high) / 2) < high:
            low, high = (middle, high) if falls(middle) else (low, middle)
        return high

    def _refine(self, epochs: int) -> float:
        """The lowest of a grid, then of finer ones around the lowest of that."""
        width = max(int(np.count_nonzero(self._moved)), 1)
        size = min(max(FEWEST, OFTEN * epochs), max(FEWEST, MOST // width))
        step = self.limit / size
        rates = np.arange(1, size) * step
        heights = self._glance(rates, epochs)
        inner = np.pad(heights, 1, constant_values=np.inf)
        dips = np.flatnonzero((heights <= inner[:-2]) & (heights <= inner[2:]))
        kept = int(np.clip((MOST >> 4) // (FINE * width), KEPT, DIPS))
        centres = rates[dips[np.argsort(heights[dips], kind="stable")[:kept]]]
        while step > 2.0**-40 * self.limit:
            tried = centres[:, None] + np.linspace(-step, step, FINE)
            tried = np.clip(tried, 2.0**-40 * self.limit, BELOW * self.limit)
            heights = self._glance(tried.ravel(), epochs).reshape(tried.shape)
            centres = tried[np.arange(len(tried)), np.argmin(heights, axis=1)]
            kept = max(kept // 4, KEPT)  # a grid tells how deep a dip is but roughly
            centres = centres[np.argsort(heights.min(axis=1), kind="stable")[:kept]]
            step *= 4 / FINE
        return float(centres[np.argmin(self._heights(centres, epochs))])

    def _glance(self, rates: Any, epochs: int) -> Floats:
        """What :meth:`_heights` gives, within rounding, for many rates."""
        moved = self._moved & (self.excess > 0)
        h = self.curvatures.values[moved]
        found, step = np.empty(len(rates)), max(1, ROOM // len(h))
        for piece in (slice(i, i + step) for i in range(0, len(rates), step)):
            found[piece] = self._add(glance(self.rule, np.outer(rates[piece], h), epochs))
        return found

    def _heights(self, rates: Any, epochs: int) -> Floats:
        """Logarithms of the objective's height above its minimum at that epoch, one a rate."""
        moved = self._moved & (self.excess > 0)
        x = np.outer(rates, self.curvatures.values[moved])
        matrices = Matrices.of(self.rule.transition(Wide.of(x.ravel())))
        return self._add(raise_first(matrices, epochs)[1].reshape(x.shape))

    def _add(self, shares: Floats) -> Floats:
        """Heights of what is left along each direction, both as logarithms."""
        log = 2 * shares + np.log(self.excess[self._moved & (self.excess > 0)])
        top = np.maximum(log.max(axis=1), -1e300)
        with np.errstate(under="ignore"):
            return np.asarray(top + np.log(np.exp(log - top[:, None]).sum(axis=1) + 1e-300))


def _first(enough: Callable[[float], bool], low: int) -> int:
    """The first whole number from low on that is enough, where all after it are."""
    if enough(low):
        return low
    high = max(2 * low, 1)
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
