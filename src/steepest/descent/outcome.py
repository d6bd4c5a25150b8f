"""What a descent leaves behind, whatever happened: where it got to, and how it went."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DivergedError, OptionError, counted
from ..typing import Tensor
from .guards import guarded
from .judge import Status
from .objective import Forward
from .rules import Limited
from .trace import Trace
from .walk import Walk


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
    w, coefficients : float, array, tensor, tree or module
        The final weights, of the type they were given in; two names for one thing.
    loss : float
        The loss there.
    status : Status
        How it ended.
    epochs : int
        Number of updates done.
    losses : Trace of float
        The loss of each epoch.  Up to 2²⁰ are kept (8 MB), then one in 2, 4, 8, ...
    weights : Trace of float, read-only ndarray, detached tensor, or tree of them
        The weights of each epoch, of a module its parameters by name, thinned alike: up to 64 MB
        of them, where an array or tensor counts half a kilobyte for itself, but never fewer
        than 64.
    learning_rate : float or None
        The rate η, in (unit of w)² / loss; None where an optimiser was handed in.
    rule : UpdateRule
        How the steps were taken; of an optimiser its ``name``.
    smoothness : float or None
        The largest curvature met on the way, max ‖gₜ - gₜ₋₁‖ / ‖wₜ - wₜ₋₁‖, in
        loss / (unit of w)²; never more than L where the gradient is the loss's.  Steps lost in
        single precision's rounding are left out; None where no other was taken.
    forward : callable or None
        ``forward(w, x)``, with which ``predict`` predicts.
    data : tuple of str
        The arguments that held a NaN or an infinity from the start.
    validation_losses : Trace of float or None
        The loss of each epoch on the rows held out.
    best_epoch : int or None
        With ``validation`` or ``patience``: the epoch of the smallest loss on the rows held out,
        or else of training.  With ``patience`` the weights are those of that epoch.

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

    w: Any
    loss: float
    status: Status
    epochs: int
    losses: Trace[float]
    weights: Trace[Any]
    learning_rate: float | None
    rule: Limited
    smoothness: float | None
    forward: Forward | None = None
    data: tuple[str, ...] = ()
    validation_losses: Trace[float] | None = None
    best_epoch: int | None = None

    @property
    def coefficients(self) -> Any:
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
        found = self.forward(guarded(self.w), np.asarray(x) if isinstance(x, list | tuple) else x)
        return found.detach() if hasattr(found, "detach") else found

    def raise_for_status(self) -> Descent:
        """Return the descent itself if it ended well.

        Raises
        ------
        DivergedError
            The loss rose without end, or is not finite; says when, and why.
        """
        if self.status is Status.DIVERGED and self.learning_rate is None:
            ends = self.losses[0], self.losses[-1]
            raise DivergedError.rose_unruled(self.rule.name, self.epochs, *ends)
        if self.status is Status.DIVERGED and self.learning_rate is not None:
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
            Status.STALLED: f"stalled after {counted(self.epochs, 'epoch')}",
            Status.DIVERGED: f"diverged at epoch {self.epochs:,}",
            Status.NOT_FINITE: f"not finite at epoch {self.epochs:,}",
        }[self.status]
        went = f"{self.rule.name}: {how}, loss {self.losses[0]:.3g} -> {self.losses[-1]:.3g}"
        return went if self.best_epoch is None else f"{went}, {self._best()}"

    def _best(self) -> str:
        """Where the loss that was watched was smallest."""
        watched = "loss" if self.validation_losses is None else "validation loss"
        if self.best_epoch == self.epochs:
            return f"{watched} best at the last epoch, still falling"
        return f"{watched} best at epoch {self.best_epoch:,}"


def conclude(walk: Walk, predict: Forward | None = None, data: Sequence[str] = ()) -> Descent:
    """Return what a walk leaves behind."""
    assert walk.status is not None
    watch, waits = walk.watch, walk.watch.patience is not None
    at = (watch.w, watch.aside) if waits else (walk.held, walk.held_aside)
    return Descent(
        w=walk.form.final(*at),
        loss=watch.trained if waits else walk.held_loss,
        status=walk.status,
        epochs=walk.epoch,
        losses=walk.losses,
        weights=walk.weights,
        learning_rate=walk.stepper.learning_rate,
        rule=walk.stepper.rule,
        smoothness=walk.judge.curvature,
        forward=predict,
        data=tuple(data),
        validation_losses=walk.validation_losses,
        best_epoch=watch.epoch if waits or walk.validation is not None else None,
    )
