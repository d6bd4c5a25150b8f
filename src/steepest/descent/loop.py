"""The loop: evaluate, record, judge, step; and the verb that runs it on the user's functions."""

from __future__ import annotations

import operator
import os
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import OptionError
from ..typing import Tensor
from .arguments import (
    check_checkpoint,
    check_functions,
    check_options,
    check_rows,
    check_weights,
    held_out,
    kind_of,
    pose,
)
from .checkpoints import Keeper, identify
from .course import follow, watched
from .forms import Form, Plain
from .guards import finite, own
from .judge import Judge, Status
from .minibatches import Minibatches, check_minibatches
from .objective import Forward, Gradient, Loss, Objective
from .optimisers import find_stepper, is_handed_in
from .outcome import Descent, conclude
from .rules import find_rule
from .schedules import CONSTANT, Schedule, find_schedule
from .searches import Searched, is_solver
from .steppers import Ruled, Stepper
from .stopping import Watch, check_stopping
from .trace import Trace
from .trees import leaves
from .walk import Epoch, OnEpoch, Walk

__all__ = ["Descent", "Epoch", "OnEpoch", "Status", "Trace", "descend", "run"]

LOSSES_KEPT = 2**20
WEIGHT_BYTES, WEIGHTS_KEPT, OBJECT_BYTES = 64 * 2**20, 64, 512


def run(
    objective: Objective,
    w: Tensor,
    *,
    rule: Any,
    learning_rate: float | None,
    epochs: int,
    schedule: Schedule = CONSTANT,
    l1: Any = 0.0,
    on_epoch: OnEpoch | None = None,
) -> Descent:
    """Go down an objective.  Every descent of the house comes through here.

        wₜ₊₁, sₜ₊₁ = step(wₜ, ∇loss(wₜ), sₜ, η)    for t = 0, ..., ``epochs`` - 1

    Parameters
    ----------
    objective : Objective
        Gives the loss and its gradient, in the type and shape of w.
    w : float, ndarray or tensor
        Where to start.  Copied.
    rule : UpdateRule or Solver
        How to step.
    learning_rate : float or None
        The rate η > 0, in (unit of w)² / loss; None for a solver.
    epochs : int
        Number of updates, at least 1.
    schedule, l1 : Schedule, float or ndarray, optional
        How the rate changes; a penalty on the sizes of the weights, by proximal steps.
    on_epoch : callable, optional
        Told of each epoch 0, 1, 2, ... by an ``Epoch``; returning True stops there.

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
    known = Ruled(rule, learning_rate or 0.0, schedule, l1)
    stepper: Any = Searched(rule) if is_solver(rule) else known
    walk = _begun(objective, w, stepper, Plain(), Judge(stepper.rule, learning_rate))
    told = () if on_epoch is None else (on_epoch,)
    follow(walk, epochs, told)
    return conclude(walk)


def descend(
    x: Tensor,
    y: Tensor,
    *,
    forward: Forward | None = None,
    loss: Loss,
    gradient: Gradient | None = None,
    w: Any,
    learning_rate: float | None = None,
    epochs: int,
    rule: Any = "gradient-descent",
    schedule: str | Schedule | None = None,
    l1: float = 0.0,
    batch_size: int | None = None,
    shuffle: bool = True,
    seed: int = 0,
    validation: float | tuple[Tensor, Tensor] | None = None,
    patience: int | None = None,
    tolerance: float = 0.0,
    on_epoch: OnEpoch | Sequence[OnEpoch] | None = None,
    progress: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
) -> Descent:
    """Train weights by gradient descent on a loss of your own.

        wₜ₊₁ = wₜ - η ∂loss(y, forward(wₜ, x))/∂w    for t = 0, ..., ``epochs`` - 1

    Parameters
    ----------
    x : array or tensor, shape (n,) or (n, k)
        The inputs, one row each: of NumPy, PyTorch or JAX.
    y : array or tensor, shape (n,) or (n, m)
        What is to be predicted.
    forward : callable, optional
        ``forward(w, x)`` predicts, in the shape of y.  Default for a module: ``w(x)``.
    loss : callable
        ``loss(y, y_predicted)`` is one number, to be made small.  A third required argument is
        given w, for a penalty.
    gradient : callable, optional
        ``gradient(x, y, y_predicted)`` is ∂loss/∂w, in the shape of w and in loss / unit of w;
        a fourth required argument is given w.  Default: by PyTorch's autograd, or by JAX.
    w : number, array, tensor, a tree of them, or torch.nn.Module
        Where to start.  A number is carried as a Python float and an array of integers as
        float64.  A tensor must require grad, unless ``gradient`` is given; in a dict, list,
        tuple or named tuple of tensors those that do are trained, each named once, and the
        others stay.  Of JAX's arrays all are.  Of a module a copy is trained, buffers too.
    learning_rate : float, optional
        The rate η > 0, in (unit of w)² / loss.  Left out exactly where ``rule`` is an optimiser
        or searches along lines.
    epochs : int
        Number of updates, at least 1; with ``batch_size``, of passes over the rows.
    rule : str, UpdateRule or optimiser, optional
        How to step: ``"gradient-descent"``, ``"momentum"``, ``"nesterov"``, ``"adagrad"``,
        ``"rmsprop"``, ``"adam"`` or ``"adamw"``, with PyTorch's formulas and settings; such a
        rule with settings of its own, from :mod:`steepest.rules`; ``"conjugate-gradient"`` or
        ``"l-bfgs"``, which search along lines and take no rate; an optimiser of ``torch.optim``
        over w, of which a copy steps, without its schedulers; a function that makes one of a
        list of tensors, and may make a scheduler for ``on_epoch`` to step; a transformation of
        optax.
    schedule : str or Schedule, optional
        How the rate changes by the epoch: ``"constant"``, ``"inverse-time"``, ``"step"``,
        ``"cosine"``, ``"warm-up"``, their numbers after colons as in ``"step:30:0.1"``, and a
        warm-up followed by another as in ``"warm-up:10,cosine"``; or one of
        :mod:`steepest.rules`.
    l1 : float, optional
        Penalty, at least 0, on the sum of the sizes of all weights, by proximal steps of
        gradient descent, which make weights exactly 0.  Losses are without it.
    batch_size : int, optional
        Rows of a step.  Default: all.
    shuffle : bool, optional
        Whether the pass that makes epoch t takes the rows in the order
        ``np.random.default_rng([seed, t]).permutation(n)``, or as they stand.
    seed : int, optional
        Of that order, and of the rows held out.
    validation : float or pair (x, y), optional
        Rows to judge by: a share of those given, chosen by
        ``np.random.default_rng([seed]).permutation(n)``, or others.
    patience : int, optional
        Epochs to go on without a new low of the loss: of ``validation``, or else of training.
        With it, ``descent.w`` holds the weights of the best epoch.
    tolerance : float, optional
        A new low lies below the last by more than this share of it.
    on_epoch : callable or sequence of callables, optional
        Told of each epoch 0, 1, 2, ... by an ``Epoch``; returning True ends the descent.
    progress : bool, optional
        Whether to show on standard error how far it has come.
    checkpoint : path, optional
        A file to go on from where there is one, and to write as the descent runs, when it ends
        and when it is interrupted.
    checkpoint_every : int, optional
        Epochs between two writes.  Default: every half a minute or so.

    Returns
    -------
    Descent
        Whatever happened; ``raise_for_status()`` makes an exception of a bad end.

    Raises
    ------
    OptionError
        An argument is outside its range, or numbers of two libraries or devices are mixed.
    EmptySourceError
        x or y has no rows.
    LengthError
        x and y differ in length, or the prediction and y in shape.
    GradientError
        There is no way to a gradient, it has not the shape of w, or the loss is not one number.
    CheckpointError
        The checkpoint is damaged, or of another descent; says what differs.

    Notes
    -----
    ``epochs`` + 1 calls of each function.  With minibatches one for each batch, and one over all
    rows for the loss of the epoch; a module is in ``eval()`` mode for that, and for validation.
    None of the caller's arrays is changed; a function that edits its arguments in place raises.
    Tensors are copied once.  Types and devices stay what they are.

    JAX compiles forward, loss and gradient; where they branch on values they run uncompiled, and
    a ``SteepestWarning`` says so.  ``torch.compile`` is not used: compile ``forward`` where it
    pays.  A resumed descent ends in the same bits as one that was never stopped, with the random
    states of Python, NumPy and PyTorch put back; the functions are taken at their word.

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

    A module of PyTorch, by Adam on two rows at a time:

    >>> import torch
    >>> x = torch.arange(1.0, 5.0)[:, None]
    >>> descent = descend(
    ...     x,
    ...     2 * x,
    ...     w=torch.nn.Linear(1, 1),
    ...     loss=lambda y, predicted: ((predicted - y) ** 2).mean(),
    ...     rule="adam",
    ...     learning_rate=0.1,
    ...     epochs=500,
    ...     batch_size=2,
    ... )
    >>> descent.w, round(descent.w.weight.item(), 2)
    (Linear(in_features=1, out_features=1, bias=True), 2.0)
    """
    handed_in = is_handed_in(rule)
    known = None if handed_in else find_rule(rule)
    if (searches := is_solver(known)) and learning_rate is not None:
        raise OptionError.searched_rate(learning_rate, known.name)
    check_options(learning_rate, epochs, l1, handed_in=handed_in or searches)
    check_minibatches(batch_size, seed, shuffle, whole=searches)
    scheduled = find_schedule(schedule, epochs)
    check_stopping(patience, tolerance)
    check_checkpoint(checkpoint, checkpoint_every)
    callbacks = tuple(on_epoch) if isinstance(on_epoch, Sequence) else (on_epoch,)
    functions = {"forward": forward, "loss": loss, "gradient": gradient}
    check_functions(functions, optional={"forward", "gradient"})
    for one in callbacks:
        check_functions({"on_epoch": one}, optional={"on_epoch"})
    if kind_of(x, y, w) == "numpy":
        x, y = np.asanyarray(x), np.asanyarray(y)
    task = pose(x, y, w, forward, loss, gradient)
    check_rows(task.objective.x, task.objective.y)
    check_weights(task.start)
    objective, outside = held_out(task, validation, seed)
    stepper = find_stepper(rule, learning_rate, task.handles, task.kind, schedule=scheduled, l1=l1)
    walk = _begun(
        objective,
        task.start,
        stepper,
        task.form,
        Judge(stepper.rule, stepper.learning_rate),
        watch=Watch(patience, tolerance),
        minibatches=Minibatches(batch_size, bool(shuffle), seed) if batch_size else None,
        validation=outside,
    )
    holes = [name for name, value in (("x", x), ("y", y)) if not finite(value)]
    told = tuple(one for one in callbacks if one is not None)
    keeper = None
    if checkpoint is not None:
        given = {
            "x": x, "y": y, "w": w, "learning_rate": learning_rate, "batch_size": batch_size,
            "gradient": "found by autograd" if gradient is None else "given",
            "shuffle": bool(shuffle), "seed": seed, "validation": validation,
            "patience": patience, "tolerance": tolerance,
        }  # fmt: skip
        keeper = Keeper(checkpoint, checkpoint_every, identify(walk, given))
        keeper.resume(walk, epochs)
    with watched(progress, epochs) as shown:
        follow(walk, operator.index(epochs), (*told, *shown), keeper)
    return conclude(walk, task.forward, holes)


def _begun(
    objective: Any, w: Tensor, stepper: Stepper, form: Form, judge: Judge, **more: Any
) -> Walk:
    """Return a walk before its first look."""
    w = own(w)
    watched = more.get("validation") is not None
    return Walk(
        objective,
        stepper,
        form,
        w,
        judge,
        losses=Trace(LOSSES_KEPT, array("d")),
        weights=_weights_trace(w),
        validation_losses=Trace(LOSSES_KEPT, array("d")) if watched else None,
        watch=more.pop("watch", None) or Watch(),
        **more,
    )


def _weights_trace(w: Tensor) -> Trace[Any]:
    if isinstance(w, float):
        return Trace(WEIGHT_BYTES // 8, array("d"))
    size = sum(getattr(leaf, "nbytes", 8) + OBJECT_BYTES for leaf in leaves(w))
    return Trace(max(WEIGHTS_KEPT, WEIGHT_BYTES // size))
