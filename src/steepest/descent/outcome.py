"""What a descent leaves behind, whatever happened: where it got to, and how it went."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from ..errors import DivergedError, OptionError, counted
from ..typing import Tensor
from .autograd import is_tensor
from .objective import Forward, guarded
from .rules import UpdateRule
from .trace import Trace


class Status(Enum):
    """How a descent ended; the value says it in a sentence."""

    COMPLETED = "The epochs asked for were run."
    STOPPED = "on_epoch asked to stop."
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

    def __init__(self, rule: UpdateRule[Any], learning_rate: float) -> None:
        self.curvature: float | None = None
        self._rule, self._learning_rate = rule, learning_rate
        self._rises = 0
        self._steepest = 0.0

    @np.errstate(over="ignore", invalid="ignore")
    def at(self, epoch: int, w: Tensor, loss: float, gradient: Tensor) -> Status | None:
        """Return how the descent has ended at this epoch; None where it may go on."""
        if not math.isfinite(loss):
            return Status.DIVERGED if epoch and loss > 0 else Status.NOT_FINITE
        if epoch == 0:
            self._start = self._loss = loss
            self._scale = abs(loss)
        else:
            self._measure(w, gradient)
        self._rises = self._rises + 1 if loss > self._loss else 0
        self._scale = self._scale or abs(loss)
        self._steepest = max(self._steepest, _size(gradient))
        self._w, self._gradient, self._loss = w, gradient, loss
        exploded = self._rises >= 3 and loss - self._start > 1e6 * self._scale
        return Status.DIVERGED if exploded else None

    def at_the_end(self, epochs: int) -> Status:
        """Return how a descent has ended whose epochs are all run."""
        # On a quadratic, a plain step raises the loss only where its secant curvature
        # exceeds 2/η: a rise without that is rounding, or a hill in the landscape.
        rising = self._rises >= min(3, epochs) and self._loss - self._start > 1e-6 * self._scale
        unstable = self.curvature is not None and self._learning_rate >= self._rule.limit(
            self.curvature
        )
        return Status.DIVERGED if rising and unstable else Status.COMPLETED

    def _measure(self, w: Tensor, gradient: Tensor) -> None:
        moved, turned = _size(w - self._w), _size(gradient - self._gradient)
        # Below a millionth, single precision shows its rounding and no curvature.
        if moved > 1e-6 * _size(w) and 1e-6 * self._steepest < turned < math.inf:
            self.curvature = max(self.curvature or 0.0, turned / moved)


def _size(vector: Tensor) -> float:
    return float(vector.norm() if is_tensor(vector) else np.linalg.norm(vector))


@dataclass(frozen=True, eq=False, repr=False)
class Descent:
    """What ``descend`` returns, whatever happened.

    Epoch t is after t updates and loss(t) is the loss at w(t), so both traces hold epochs 0
    to ``epochs``.  When the status is ``DIVERGED`` or ``NOT_FINITE``, ``epochs`` is the epoch
    where that was found and both traces end with it, however large, infinite or nan; ``w``
    and ``loss`` are those of the last epoch at which both were finite, or of the start where
    none was.  Where a step left the numbers, so that no loss could be asked for, its loss
    stands as inf, or as nan if the gradient was not finite already.

    Attributes
    ----------
    w, coefficients : float, ndarray or tensor
        The final weights, of the type they were given in; two names for one thing.
    loss : float
        The loss there.
    status : Status
        How it ended.
    epochs : int
        Number of updates done.
    losses : Trace of float
        The loss of each epoch.  Up to 2²⁰ are kept (8 MB), then one in 2, 4, 8, ...
    weights : Trace of float, read-only ndarray or detached tensor
        The weights of each epoch, thinned alike: up to 64 MB of them, where an array or
        tensor counts half a kilobyte for itself, but never fewer than 64.
    learning_rate : float
        The rate η, in (unit of w)² / loss.
    rule : UpdateRule
        How the steps were taken.
    smoothness : float or None
        The largest curvature met on the way, max ‖gₜ - gₜ₋₁‖ / ‖wₜ - wₜ₋₁‖, in
        loss / (unit of w)²; never more than L where the gradient is the loss's.  Steps lost in
        single precision's rounding are left out; None where no other was taken.
    forward : callable or None
        ``forward(w, x)``, with which ``predict`` predicts.
    data : tuple of str
        The arguments that held a NaN or an infinity from the start.

    Examples
    --------
    >>> from steepest.descent.loop import descend
    >>> descent = descend(
    ...     [1.0, 2.0],
    ...     [2.0, 4.0],
    ...     forward=lambda w, x: w * x,
    ...     loss=lambda y, predicted: ((predicted - y) ** 2).mean(),
    ...     gradient=lambda x, y, predicted: (2 * x * (predicted - y)).mean(),
    ...     w=0.0,
    ...     learning_rate=0.1,
    ...     epochs=10,
    ... )
    >>> descent
    gradient descent: 10 epochs run, loss 10 -> 9.54e-06
    >>> descent.raise_for_status().predict(5.0)
    9.990234375
    """

    w: Tensor
    loss: float
    status: Status
    epochs: int
    losses: Trace[float]
    weights: Trace[Tensor]
    learning_rate: float
    rule: UpdateRule[Any]
    smoothness: float | None
    forward: Forward | None = None
    data: tuple[str, ...] = ()

    @property
    def coefficients(self) -> Tensor:
        return self.w

    def predict(self, x: Tensor) -> Tensor:
        """Return ``forward(w, x)`` at the final weights; a list counts as an array.

        Raises
        ------
        OptionError
            The descent was given no ``forward``.
        """
        if self.forward is None:
            hint = "predict with the model that this descent belongs to."
            raise OptionError.outside("forward", None, "a function of w and x", hint)
        return self.forward(guarded(self.w), np.asarray(x) if isinstance(x, list | tuple) else x)

    def raise_for_status(self) -> Descent:
        """Return the descent itself if it ended well.

        Raises
        ------
        DivergedError
            The loss rose without end, or is not finite; says when, and why.
        """
        if self.status is Status.DIVERGED:
            smoothness = self.smoothness or 0.0
            raise DivergedError.rose(
                rule=self.rule.name,
                epoch=self.epochs,
                start=self.losses[0],
                end=self.losses[-1],
                rate=self.learning_rate,
                smoothness=smoothness,
                limit=self.rule.limit(smoothness) if smoothness else math.inf,
            )
        if self.status is Status.NOT_FINITE:
            raise DivergedError.not_finite(self.epochs, self.losses[-1], self.data)
        return self

    def __repr__(self) -> str:
        how = {
            Status.COMPLETED: f"{counted(self.epochs, 'epoch')} run",
            Status.STOPPED: f"stopped by on_epoch after {counted(self.epochs, 'epoch')}",
            Status.DIVERGED: f"diverged at epoch {self.epochs:,}",
            Status.NOT_FINITE: f"not finite at epoch {self.epochs:,}",
        }[self.status]
        return f"{self.rule.name}: {how}, loss {self.losses[0]:.3g} -> {self.losses[-1]:.3g}"
