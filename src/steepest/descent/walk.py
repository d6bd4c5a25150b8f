"""A descent while it runs: step, evaluate, record, judge."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..typing import Tensor
from .forms import Form
from .guards import finite
from .judge import Judge, Status
from .minibatches import Minibatches
from .objective import Objective
from .steppers import Stepper
from .stopping import Watch
from .trace import Trace


class Epoch(NamedTuple):
    """What ``on_epoch`` is told: t updates are done."""

    epoch: int
    """t, from 0."""
    w: Tensor
    """The weights after them, as the trace keeps them."""
    loss: float
    """The loss there."""
    validation_loss: float | None = None
    """The loss there on the rows held out; None without any."""
    seconds: float = 0.0
    """The time that this epoch took."""


OnEpoch = Callable[[Epoch], object]
"""Called once an epoch; returning True ends the descent."""


@dataclass
class Walk:
    """Where a descent is, and what it has met on the way.

    Attributes
    ----------
    epoch : int
        Updates done, or passes over the rows; -1 before the start was looked at.
    w, loss, gradient, state : object
        The weights, the loss and its gradient there, and the stepper's memory; the gradient is
        None with minibatches.
    held, held_loss, held_aside : object
        The same of the last epoch at which the loss was a number.
    status : Status or None
        How it ended; None while it may go on.
    whole : bool
        Whether the traces and the rest belong to one epoch; False for the moment between.
    """

    objective: Objective
    stepper: Stepper
    form: Form
    w: Tensor
    judge: Judge
    watch: Watch
    losses: Trace[float]
    weights: Trace[Any]
    validation_losses: Trace[float] | None = None
    minibatches: Minibatches | None = None
    validation: Objective | None = None
    epoch: int = -1
    loss: float = math.nan
    gradient: Tensor | None = None
    state: Any = None
    held: Tensor = None
    held_loss: float = math.nan
    held_aside: Any = None
    status: Status | None = None
    whole: bool = True
    resting: bool = field(default=True, repr=False)

    def go_on(self) -> Epoch:
        """Make the next epoch; the first looks at the start."""
        began = time.perf_counter()
        self.resting = False
        epoch, w, state = self.epoch + 1, self.w, self.state
        if epoch == 0:
            state = self.stepper.init(w)
        elif self.minibatches is None:
            stepper = self.stepper.at(self.epoch)
            w, state = stepper.step(self.objective, w, self.loss, self.gradient, state)
        else:
            w, state = self._passed(self.minibatches, w, state, epoch)
        loss, gradient = self._evaluated(w, epoch)
        watched = self._measured(w, epoch) if self.validation is not None else None
        self.whole = False
        self._record(epoch, w, loss, gradient, watched)
        self.state = state
        self.whole = self.resting = True
        return Epoch(epoch, self.weights[-1], loss, watched, time.perf_counter() - began)

    def _record(
        self, epoch: int, w: Tensor, loss: float, gradient: Tensor | None, watched: float | None
    ) -> None:
        self.epoch, self.w, self.loss, self.gradient = epoch, w, loss, gradient
        self.losses.append(loss)
        self.weights.append(self.form.kept(w))
        if self.validation_losses is not None and watched is not None:
            self.validation_losses.append(watched)
        aside = self.form.aside()
        if epoch == 0 or math.isfinite(loss):
            self.held, self.held_loss, self.held_aside = w, loss, aside
        self.status = self.judge.at(epoch, w, loss, gradient)
        stalled = self.watch.at(epoch, loss if watched is None else watched, w, aside, loss)
        if stalled and self.status is None:
            self.status = Status.STALLED

    def _passed(
        self, minibatches: Minibatches, w: Tensor, state: Any, epoch: int
    ) -> tuple[Tensor, Any]:
        """Return weights and state after a pass over the batches."""
        stepper = self.stepper.at(self.epoch)
        try:
            for batch in minibatches.batches(self.objective, epoch):
                with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                    loss, gradient = batch.value_and_gradient(w)
                w, state = stepper.step(batch, w, loss, gradient, state)
        except OverflowError:
            # A power of Python's floats became infinite: the loss over all rows will say so.
            return w, state
        return w, state

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def _evaluated(self, w: Tensor, epoch: int) -> tuple[float, Tensor | None]:
        """Return loss and gradient at w; where w has left the numbers, what led it there."""
        if epoch and not finite(w):
            return (math.inf if finite(self.gradient) else math.nan), self.gradient
        try:
            if self.minibatches is not None:
                return float(self.objective.value(w)), None
            loss, gradient = self.objective.value_and_gradient(w)
        except OverflowError:
            if epoch == 0:
                raise
            return math.inf, self.gradient
        return float(loss), gradient

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def _measured(self, w: Tensor, epoch: int) -> float:
        """Return the loss on the rows held out."""
        assert self.validation is not None
        if epoch and not finite(w):
            return math.nan
        try:
            return float(self.validation.value(w))
        except OverflowError:
            return math.inf
