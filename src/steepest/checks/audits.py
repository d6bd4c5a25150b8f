"""A loop of one's own, watched from inside."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..descent.arguments import check_functions, check_rows
from ..descent.autograd import is_tensor
from ..descent.trees import leaves
from ..errors import LengthError, OptionError
from ..typing import Floats, Tensor
from .findings import Checkup, Finding
from .lapses import no_gradient, running_sum, untold_rows
from .limits import single_precision
from .steps import Step, explain_steps
from .trial import DIFFERENCES, Trial, as_array, build_trial, widened

WINDOW = 64
"""Updates that are kept from the start of a loop, and as many from its end."""


@dataclass(frozen=True)
class Record:
    """One update as it was told: copies, shape (p,)."""

    trial: Trial
    w: Floats
    used: Floats | None
    rate: float | None
    why_none: str = ""


class Audit:
    """Watches a training loop and says which gradient its updates really used.

    Tell it, each epoch, the weights *before* the update, the gradient that the update uses and
    the learning rate:

        used(t) should be ∂/∂w loss(Y, forward(w(t), X)),    w(t + 1) = w(t) - rate(t) used(t)

    Everything is copied when it is told, so that nothing that happens later can change it.

    Parameters
    ----------
    forward, loss : callable
        ``forward(w, x)`` and ``loss(y, y_predicted)``, as :func:`steepest.descend` takes them.
    X : array or tensor, shape (n, ...)
        The inputs, one row each.
    Y : array or tensor, shape (n, ...)
        What is to be predicted.
    names : sequence of str, optional
        The p weights' names.

    Raises
    ------
    OptionError, EmptySourceError, LengthError
        As :func:`steepest.check_gradient` raises them.

    Notes
    -----
    The first 64 updates and the last 64 are kept, O(p) each; the true gradients are worked out in
    ``report``, as :func:`steepest.check_gradient` does it.

    Examples
    --------
    A gradient that was computed once, before the loop:

    >>> x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 4.0, 6.0, 8.0])
    >>> audit = Audit(lambda w, x: w * x, lambda y, p: ((p - y) ** 2).mean(), x, y)
    >>> w, dw = 0.0, (2 * x * (0.0 * x - y)).mean()
    >>> for epoch in range(5):
    ...     audit.record(w, dw, 0.01)
    ...     w -= 0.01 * dw
    >>> audit.report().findings[0].name
    'stale gradient'
    """

    def __init__(
        self,
        forward: Callable[..., Tensor],
        loss: Callable[..., Tensor],
        X: Tensor,
        Y: Tensor,
        *,
        names: Sequence[str] | None = None,
    ) -> None:
        check_functions({"forward": forward, "loss": loss}, optional=set())
        check_rows(as_array(X), as_array(Y))
        self._functions, self._rows = (forward, loss), (X, Y)
        self._names = names
        self._first: list[Record] = []
        self._last: deque[Record] = deque(maxlen=WINDOW)
        self._count = 0
        self._single = self._told_rows = False
        self._trial: Trial | None = None

    def record(
        self,
        w: Any,
        gradient: Any,
        learning_rate: float | None = None,
        *,
        X: Tensor | None = None,
        Y: Tensor | None = None,
    ) -> None:
        """Tell of one update, before it is made.

        Parameters
        ----------
        w : number, array, tensor, or a tree of them
            The weights before the update.
        gradient : of the shape of w, or None
            What the update subtracts a multiple of; None where there is none.
        learning_rate : float, optional
            That multiple; with it, the update itself is checked.
        X, Y : array or tensor, optional
            The rows of this update, where it used others than all: a minibatch.
        """
        if self._trial is None:
            opened = build_trial(*self._functions, None, *self._rows, w)
            self._names = opened.name_weights(self._names)
            self._trial = opened
        numbers = [*self._rows, *leaves(w), *leaves(gradient)]
        self._single |= any(as_array(n).dtype in (np.float32, np.float16) for n in numbers)
        trial = self._trial
        if X is not None or Y is not None:
            if X is None or Y is None:
                raise OptionError.outside(
                    "Y" if Y is None else "X",
                    None,
                    "given beside the other",
                    "audit.record(w, gradient, lr, X=xb, Y=yb)",
                )
            self._told_rows = True
            trial = replace(trial, x=widened(X), y=widened(Y))
        none = any(leaf is None for leaf in ([gradient] if gradient is None else leaves(gradient)))
        told = Record(
            trial,
            _flatten(w),
            None if none else _flatten(gradient),
            None if learning_rate is None else float(learning_rate),
            _why_none(w) if none else "",
        )
        if told.used is not None and told.used.shape != told.w.shape:
            raise LengthError.arguments("gradient", len(told.used), "w", len(told.w))
        self._count += 1
        (self._first if len(self._first) < WINDOW else self._last).append(told)

    def report(self) -> Checkup:
        """Return what was found, worst first; O(p) evaluations of the loss for each update kept."""
        if self._trial is None:
            raise OptionError.outside(
                "updates", 0, "at least 1", "audit.record(w, gradient, learning_rate) in the loop"
            )
        found: list[Finding] = []
        worst, oracle = 0.0, ""
        for window in (self._first, list(self._last)):
            steps, oracle = _judge(window, self._single, oracle)
            worst = max([worst, *map(_gap, steps)])
            rows = dict.fromkeys(float(len(told.trial.y)) for told in window)
            findings = explain_steps(
                steps, names=self._names or (), rows=list(rows), single=self._single
            )
            lost = next((told.why_none for told in window if told.used is None), "")
            found += [
                no_gradient(1 + [t.used is None for t in window].index(True), lost)
                if finding.code == "L05"
                else finding
                for finding in findings
                if finding.code not in {other.code for other in found}
            ]
        notes = [single_precision(3)] if self._single else []
        if not found and worst > 0.1:
            notes.append(running_sum())
        if not self._told_rows and any(finding.code == "G00" for finding in found):
            notes.append(untold_rows())
        return Checkup(tuple(found), self._count, worst, oracle, tuple(notes), updates=True)


def _flatten(tree: Any) -> Floats:
    parts = [np.array(as_array(leaf), dtype=np.float64).ravel() for leaf in leaves(tree)]
    return np.concatenate(parts)


def _why_none(w: Any) -> str:
    """What kept PyTorch from filling in a gradient."""
    tensors = [leaf for leaf in leaves(w) if is_tensor(leaf)]
    if any(not leaf.requires_grad for leaf in tensors):
        return (
            "w does not require grad: it was made without requires_grad=True, or under no_grad()."
        )
    if any(not leaf.is_leaf for leaf in tensors):
        return "w is the result of an operation, not a leaf (w = w - lr * ... made a new tensor)."
    return "backward() was not called on a loss that w is part of." if tensors else ""


def _judge(window: Sequence[Record], single: bool, oracle: str) -> tuple[list[Step], str]:
    """The true gradient of each update."""
    unit = 2.0**-23 if single else 2.0**-52
    steps = []
    for k, told in enumerate(window):
        derivative, oracle = told.trial.derivative(told.w, single=single)
        ways = [] if oracle == DIFFERENCES else [(Trial.exact, derivative.gradient)]
        error = derivative.error + told.trial.noise(told.w, ways, unit)
        edges = [told.trial.sides(told.w, j, single=single) for j in range(len(told.w))]
        low, high = (np.array([edge[side] for edge in edges]) for side in (0, 1))
        after = window[k + 1].w if k + 1 < len(window) else None
        steps.append(
            Step(
                told.w,
                told.used,
                derivative.gradient,
                np.maximum(error, 1e-290),
                told.rate,
                after,
                low,
                high,
            )
        )
    return steps, oracle


def _gap(step: Step) -> float:
    """How far the used gradient is off, as a share of the largest number in the true one."""
    if step.used is None:
        return np.inf
    largest = float(np.abs(step.truth).max(initial=0.0)) or 1.0
    return float(np.abs(step.used - step.truth).max(initial=0.0)) / largest
