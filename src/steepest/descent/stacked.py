"""Many descents with proximal steps over the same moments, in one loop.

Each goes at a rate η of its own.  In units of √η, v = u / √η, a step of rate η in u is one of
rate 1 in v, on a Hessian η times as large and a penalty √η times: so that all of them are one
descent of the rows of a matrix, and an epoch of m is a product of (m, q) and (q, q).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..typing import Floats
from .loop import run
from .quadratic import Quadratic
from .rules import PLAIN
from .walk import Epoch

EVERY = 256
"""Epochs between two words of how far it is."""


@dataclass(frozen=True)
class Stacked:
    """The sum of m objectives, of (m, q) coordinates in units of ``root`` (m, 1)."""

    quadratic: Quadratic
    root: Floats
    l2: Floats
    """By row and coordinate, shape (m, q)."""

    def value(self, v: Floats) -> float:
        return self.value_and_gradient(v)[0]

    def smoothness(self) -> float:
        """The largest curvature of any row."""
        hessians = self.quadratic.matrix + self.l2[:, None] * np.eye(len(self.quadratic.centre))
        return float(np.max(2 * self.root**2 * np.linalg.eigvalsh(hessians)))

    def value_and_gradient(self, v: Floats) -> tuple[float, Floats]:
        u = v * self.root
        gap = u - self.quadratic.centre
        slope = gap @ self.quadratic.matrix
        shrunk = self.l2 * u
        value = float(np.sum(slope * gap) + np.sum(shrunk * u))
        return value, 2 * self.root * (slope + shrunk)


def step_together(
    quadratic: Quadratic,
    rates: Floats,
    l1: Floats,
    l2: Floats,
    epochs: Sequence[int],
    *,
    floors: Floats | None = None,
    tell: Callable[[int], object] | None = None,
) -> Floats:
    """Coordinates of m descents from 0 at some epochs, ascending, shape (T, m, q).

    ``rates`` (m,), penalties (m, q) on sizes and squares of coordinates; ``floors`` (q,) is 0
    for those that may not be negative and -infinity for others.  What no step moves any more is
    not stepped on.  ``tell`` is told of epochs as they pass.  O(m q²) an epoch.
    """
    root = np.sqrt(rates)[:, None]
    above = root * l1
    below = above if floors is None else np.where(floors == 0, np.inf, above)
    found = np.empty((len(epochs), *l1.shape))
    place = {epoch: i for i, epoch in enumerate(epochs)}
    last, done = np.full(l1.shape, np.nan), 0

    def keep(now: Epoch) -> bool:
        nonlocal last, done
        if now.epoch in place:
            found[place[now.epoch]] = now.w * root
            done = place[now.epoch] + 1
        if tell is not None and now.epoch % EVERY == 0:
            tell(now.epoch)
        if np.array_equal(now.w, last):
            found[done:] = now.w * root
            return True
        last = np.array(now.w)
        return False

    run(
        Stacked(quadratic, root, l2),
        np.zeros(l1.shape),
        rule=PLAIN,
        learning_rate=1.0,
        epochs=max(epochs),
        l1=(below, above),
        on_epoch=keep,
    )
    return found
