"""The loop: evaluate, record, judge, step; and the verb that runs it on the user's functions."""

from __future__ import annotations

import math
import operator
from array import array
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..typing import Tensor
from .arguments import (
    check_functions,
    check_options,
    check_rows,
    check_weights,
    finite,
    own,
    problem,
)
from .autograd import is_tensor
from .objective import Forward, Gradient, Loss, Objective, guarded
from .outcome import Descent, Judge, Status
from .rules import UpdateRule, find_rule
from .trace import Trace

__all__ = ["Descent", "Epoch", "Status", "Trace", "descend", "run"]

LOSSES_KEPT = 2**20
WEIGHT_BYTES, WEIGHTS_KEPT, OBJECT_BYTES = 64 * 2**20, 64, 512


class Epoch(NamedTuple):
    """What ``on_epoch`` is told: t updates are done."""

    epoch: int
    """t, from 0."""
    w: Tensor
    """The weights after them, as the trace keeps them."""
    loss: float
    """The loss there."""


OnEpoch = Callable[[Epoch], object]
"""Called once an epoch; returning True ends the descent."""


def run(
    objective: Objective,
    w: Tensor,
    *,
    rule: UpdateRule[Any],
    learning_rate: float,
    epochs: int,
    on_epoch: OnEpoch | None = None,
    predict: Forward | None = None,
    data: Sequence[str] = (),
) -> Descent:
    """Go down an objective.  Every descent of the house comes through here.

        wₜ₊₁, sₜ₊₁ = step(wₜ, ∇loss(wₜ), sₜ, η)    for t = 0, ..., ``epochs`` - 1

    Parameters
    ----------
    objective : Objective
        Gives the loss and its gradient, in the type and shape of w.
    w : float, ndarray or tensor
        Where to start.  Copied.
    rule : UpdateRule
        How to step.
    learning_rate : float
        The rate η > 0, in (unit of w)² / loss.
    epochs : int
        Number of updates, at least 1.
    on_epoch : callable, optional
        Told of each epoch 0, 1, 2, ... by an ``Epoch``; returning True stops there.
    predict : callable, optional
        ``forward(w, x)``, for ``Descent.predict``.
    data : sequence of str, optional
        The arguments that already hold a NaN or an infinity, for the message.

    Returns
    -------
    Descent
        Whatever happened.  A descent has diverged when its loss overflows, when it has risen
        three epochs running to a million times the loss at the start, or when it ends rising
        and above its start at a rate beyond the rule's limit for the curvature met.

    Notes
    -----
    ``epochs`` + 1 evaluations, and O(size of w) beside each.  An exception out of the
    objective or ``on_epoch`` passes through unchanged, but for an OverflowError after the
    start: Python's way of saying that a power of w became infinite.

    Examples
    --------
    >>> from steepest.descent.rules import RULES
    >>> class Parabola:
    ...     def value_and_gradient(self, w):
    ...         return 30 * (w - 2) ** 2, 60 * (w - 2)
    >>> descent = run(
    ...     Parabola(), 0.0, rule=RULES["gradient-descent"], learning_rate=0.01, epochs=3
    ... )
    >>> [round(w, 3) for w in descent.weights], descent.smoothness
    ([0.0, 1.2, 1.68, 1.872], 60.0)
    """
    w = own(w)
    state = rule.init(w)
    losses, weights = Trace[float](LOSSES_KEPT, array("d")), _weights_trace(w)
    judge = Judge(rule, learning_rate)
    held, held_loss = w, math.nan
    status, gradient = Status.COMPLETED, w
    for epoch in range(epochs + 1):
        if epoch:
            w, state = _stepped(rule, w, gradient, state, learning_rate)
        loss, gradient = _evaluated(objective, w, gradient, epoch)
        losses.append(loss)
        weights.append(guarded(w))
        if epoch == 0 or math.isfinite(loss):
            held, held_loss = w, loss
        found = judge.at(epoch, w, loss, gradient)
        asked = on_epoch is not None and on_epoch(Epoch(epoch, weights[-1], loss))
        if found or asked:
            status = found or Status.STOPPED
            break
    else:
        status = judge.at_the_end(epochs)
    return Descent(
        w=own(held),
        loss=held_loss,
        status=status,
        epochs=epoch,
        losses=losses,
        weights=weights,
        learning_rate=learning_rate,
        rule=rule,
        smoothness=judge.curvature,
        forward=predict,
        data=tuple(data),
    )


def descend(
    x: Tensor,
    y: Tensor,
    *,
    forward: Forward,
    loss: Loss,
    gradient: Gradient | None = None,
    w: Tensor,
    learning_rate: float,
    epochs: int,
    rule: str | UpdateRule[Any] = "gradient-descent",
    on_epoch: OnEpoch | None = None,
) -> Descent:
    """Train weights by gradient descent on a loss of your own.

        wₜ₊₁ = wₜ - η ∂loss(y, forward(wₜ, x))/∂w    for t = 0, ..., ``epochs`` - 1

    Parameters
    ----------
    x : array or tensor, shape (n,) or (n, k)
        The inputs, one row each.
    y : array or tensor, shape (n,) or (n, m)
        What is to be predicted.
    forward : callable
        ``forward(w, x)`` predicts, in the shape of y.
    loss : callable
        ``loss(y, y_predicted)`` is one number, to be made small.
    gradient : callable, optional
        ``gradient(x, y, y_predicted)`` is ∂loss/∂w, in the shape of w and in
        loss / unit of w.  Default: by PyTorch's autograd, if x, y and w are tensors.
    w : number, array or tensor
        Where to start.  A number is carried as a Python float and an array of integers as
        float64.  A tensor must require grad, unless ``gradient`` is given.
    learning_rate : float
        The rate η > 0, in (unit of w)² / loss.
    epochs : int
        Number of updates, at least 1.
    rule : str or UpdateRule, optional
        How to step.
    on_epoch : callable, optional
        Told of each epoch 0, 1, 2, ... by an ``Epoch``; returning True stops there.

    Returns
    -------
    Descent
        Whatever happened; ``raise_for_status()`` makes an exception of a bad end.

    Raises
    ------
    OptionError
        An argument is outside its range, or tensors and arrays are mixed.
    EmptySourceError
        x or y has no rows.
    LengthError
        x and y differ in length, or the prediction and y in shape.
    GradientError
        There is no way to a gradient, it has not the shape of w, or the loss is not one number.

    Notes
    -----
    ``epochs`` + 1 calls of each function.  None of the caller's arrays is changed; a function
    that edits its arguments in place raises.  Tensors are copied once.

    Examples
    --------
    >>> descent = descend(
    ...     np.array([1, 2, 3, 4], dtype=np.float32),
    ...     np.array([2, 4, 6, 8], dtype=np.float32),
    ...     forward=lambda w, x: w * x,
    ...     loss=lambda y, predicted: ((predicted - y) ** 2).mean(),
    ...     gradient=lambda x, y, predicted: np.dot(2 * x, predicted - y).mean(),
    ...     w=0.0,
    ...     learning_rate=0.01,
    ...     epochs=10,
    ... )
    >>> descent
    gradient descent: 10 epochs run, loss 30 -> 3.3e-07
    >>> print(f"{descent.losses[1]:.8f}")
    4.79999924
    """
    stepping = find_rule(rule)
    check_options(learning_rate, epochs)
    functions = {"forward": forward, "loss": loss, "gradient": gradient, "on_epoch": on_epoch}
    check_functions(functions, optional={"gradient", "on_epoch"})
    if not any(map(is_tensor, (x, y, w))):
        x, y = np.asanyarray(x), np.asanyarray(y)
    objective, start = problem(x, y, w, forward, loss, gradient)
    check_rows(x, y)
    check_weights(start)
    return run(
        objective,
        start,
        rule=stepping,
        learning_rate=float(learning_rate),
        epochs=operator.index(epochs),
        on_epoch=on_epoch,
        predict=forward,
        data=[name for name, value in (("x", x), ("y", y)) if not finite(value)],
    )


def _weights_trace(w: Tensor) -> Trace[Tensor]:
    if isinstance(w, float):
        return Trace(WEIGHT_BYTES // 8, array("d"))
    return Trace(max(WEIGHTS_KEPT, WEIGHT_BYTES // (w.nbytes + OBJECT_BYTES)))


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def _stepped(
    rule: UpdateRule[Any], w: Tensor, gradient: Tensor, state: Any, learning_rate: float
) -> tuple[Tensor, Any]:
    return rule.step(w, gradient, state, learning_rate)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def _evaluated(
    objective: Objective, w: Tensor, stepped_by: Tensor, epoch: int
) -> tuple[float, Tensor]:
    """Return loss and gradient at w; where w has left the numbers, what led it there."""
    if epoch and not finite(w):
        return (math.inf if finite(stepped_by) else math.nan), stepped_by
    try:
        loss, gradient = objective.value_and_gradient(w)
    except OverflowError:
        if epoch == 0:
            raise
        return math.inf, stepped_by
    return float(loss), gradient
