"""Whether a descent goes well, and the sentence for how it ended."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

import numpy as np

from ..typing import Tensor
from .rules import Limited
from .trees import is_tree, leaves, map_leaves


class Status(Enum):
    """How a descent ended; the value says it in a sentence."""

    COMPLETED = "The epochs asked for were run."
    STOPPED = "on_epoch asked to stop."
    STALLED = "The loss watched has not improved for as many epochs as patience allows."
    DIVERGED = "The loss rose without end: the learning rate is too large."
    NOT_FINITE = "The loss or a weight is not a number."


class Judge:
    """Watches a descent, and says when it goes wrong.

    It keeps the weights and the gradient of one epoch, so O(size of w).

    Attributes
    ----------
    curvature : float or None
        The largest secant curvature so far, ‖gₜ - gₜ₋₁‖ / ‖wₜ - wₜ₋₁‖ [1]_.

    References
    ----------
    .. [1] J. Barzilai, J. M. Borwein.  Two-point step size gradient methods.  IMA Journal of
       Numerical Analysis 8(1), 141-148, 1988.  doi:10.1093/imanum/8.1.141

    Examples
    --------
    >>> from steepest.descent.rules import GradientDescent
    >>> judge = Judge(GradientDescent(), learning_rate=0.1)
    >>> for epoch, w in enumerate([0.0, 3.0, -1.5]):
    ...     status = judge.at(epoch, w, 12.5 * (w - 1) ** 2, 25 * (w - 1))
    >>> judge.curvature, judge.at_the_end(epoch).name
    (25.0, 'DIVERGED')
    """

    def __init__(self, rule: Limited, learning_rate: float | None) -> None:
        self.curvature: float | None = None
        self._rule, self._learning_rate = rule, learning_rate
        self._w: Tensor | None = None
        self._rises = 0
        self._steepest = 0.0

    @np.errstate(over="ignore", invalid="ignore")
    def at(self, epoch: int, w: Tensor, loss: float, gradient: Tensor | None) -> Status | None:
        """Return how the descent has ended at this epoch; None where it may go on.

        Without a gradient, as with minibatches, no curvature is measured.
        """
        if not math.isfinite(loss):
            return Status.DIVERGED if epoch and loss > 0 else Status.NOT_FINITE
        if epoch == 0:
            self._start = self._loss = loss
            self._scale = abs(loss)
        elif gradient is not None:
            self._measure(w, gradient)
        self._rises = self._rises + 1 if loss > self._loss else 0
        self._scale = self._scale or abs(loss)
        if gradient is not None:
            self._steepest = max(self._steepest, _size(gradient))
        self._w, self._gradient, self._loss = w, gradient, loss
        exploded = self._rises >= 3 and loss - self._start > 1e6 * self._scale
        return Status.DIVERGED if exploded else None

    def at_the_end(self, epochs: int) -> Status:
        """Return how a descent has ended whose epochs are all run."""
        # On a quadratic, a plain step raises the loss only where its secant curvature
        # exceeds 2/η: a rise without that is rounding, or a hill in the landscape.
        rising = self._rises >= min(3, epochs) and self._loss - self._start > 1e-6 * self._scale
        if not rising or self.curvature is None or self._learning_rate is None:
            return Status.COMPLETED
        unstable = self._learning_rate >= self._rule.limit(self.curvature)
        return Status.DIVERGED if unstable else Status.COMPLETED

    def saved(self) -> dict[str, Any]:
        """Return what it remembers but for the last w and gradient, which a descent keeps."""
        return {name: getattr(self, name) for name in REMEMBERED if hasattr(self, name)}

    def restore(self, saved: dict[str, Any], w: Tensor, gradient: Tensor | None) -> None:
        """Go on from what another one has :meth:`saved`, at that w and gradient."""
        for name, value in saved.items():
            setattr(self, name, value)
        self._w, self._gradient = w, gradient

    def _measure(self, w: Tensor, gradient: Tensor) -> None:
        moved, turned = _size(_less(w, self._w)), _size(_less(gradient, self._gradient))
        # Below a millionth, single precision shows its rounding and no curvature.
        if moved > 1e-6 * _size(w) and 1e-6 * self._steepest < turned < math.inf:
            self.curvature = max(self.curvature or 0.0, turned / moved)


REMEMBERED = ("curvature", "_rises", "_steepest", "_start", "_loss", "_scale")


def _less(one: Tensor, other: Tensor) -> Tensor:
    return map_leaves(lambda a, b: a - b, one, other) if is_tree(one) else one - other


def _size(vector: Tensor) -> float:
    if isinstance(vector, float):
        return abs(vector)
    if is_tree(vector):
        return math.hypot(*map(_size, leaves(vector)))
    if hasattr(vector, "detach"):
        return float(vector.norm())
    return float(np.linalg.norm(np.asarray(vector)))
