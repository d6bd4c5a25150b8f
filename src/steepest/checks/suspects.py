"""Gradients that slips of another kind would give, computed from the chain rule's two factors.

With J = ∂ŷ/∂w and r = ∂loss/∂ŷ the true gradient is Jᵀ r.  Leave x out, take the error of another
loss, or multiply along the wrong axis, and another product comes out: each is worked out here, so
that it can be recognised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ..typing import Floats
from . import faults as say
from .findings import Finding
from .misfits import broadcast_gradient
from .naming import Comparison
from .trial import Trial, as_array

LARGEST = 2_000
"""Rows, beyond which the loss is not differentiated by every prediction."""


@np.errstate(all="ignore")
def add_suspects(seen: Comparison, trial: Trial) -> Comparison:
    """The comparison with what else could have been computed, and whether the loss adds up rows."""
    seen = replace(seen, adds_up=_adds_up(trial))
    if trial.gradient is None or trial.y.size > LARGEST:
        return seen
    try:
        tables = [list(_slips(trial, w)) for w in seen.w]
    except (ArithmeticError, ValueError, TypeError, RuntimeError):
        return seen  # functions that take no other numbers than they know
    if len({len(table) for table in tables}) > 1:
        return seen
    joined = (
        (column[0][0], np.array([model for _, model in column]))
        for column in zip(*tables, strict=True)
    )
    return replace(seen, suspects=tuple(pair for pair in joined if _differs(pair[1], seen.truth)))


def _differs(model: Floats, truth: Floats) -> bool:
    """Whether a suspect is a number, and no multiple of the true gradient."""
    if not np.isfinite(model).all():
        return False
    share = float((model * truth).sum()) / max(float((truth**2).sum()), np.finfo(float).tiny)
    return bool(np.abs(model - share * truth).max() > 1e-5 * np.abs(model).max())


def _adds_up(trial: Trial) -> bool | None:
    """Whether the same rows twice double the loss (True), or leave it (False)."""
    try:
        once = trial.value(trial.start)
        doubled = replace(
            trial, x=np.concatenate([trial.x, trial.x]), y=np.concatenate([trial.y, trial.y])
        )
        twice = doubled.value(trial.start)
    except Exception:
        return None
    if once and np.isclose(twice, 2 * once, rtol=1e-6, atol=0):
        return True
    return False if np.isclose(twice, once, rtol=1e-6, atol=0) else None


def _slips(trial: Trial, w: Floats) -> Iterator[tuple[Finding, Floats]]:
    """The gradients of slips at one point, up to a factor."""
    predicted = np.asarray(as_array(trial.predict(w)), dtype=np.float64)
    y = np.asarray(trial.y, dtype=np.float64).reshape(predicted.shape)
    jacobian = _slopes(lambda at: as_array(trial.predict(at)).ravel(), w, trial.response)
    flat = predicted.ravel()
    size = np.maximum(1.0, np.abs(flat))
    error = _slopes(lambda at: trial.loss_of(at.reshape(predicted.shape), w), flat, size)[0]
    gap, n = (predicted - y).ravel(), predicted.size
    yield say.missing_chain(), np.full(len(w), error.sum())
    yield say.another_loss("the mean squared error"), jacobian.T @ (2 * gap) / n
    yield say.another_loss("the mean absolute error"), jacobian.T @ np.sign(gap) / n
    yield say.wrong_error("y_pred alone"), jacobian.T @ (2 * predicted.ravel()) / n
    yield say.wrong_error("y_pred + y"), jacobian.T @ (2 * (predicted + y).ravel()) / n
    if n == len(w):
        yield broadcast_gradient(n), (jacobian * error).sum(axis=0)
        yield broadcast_gradient(n), (jacobian * error[:, None]).sum(axis=1)
    if trial.x.size == jacobian.size:
        yield say.missing_slope(), trial.x.reshape(n, -1).T @ error
    if n > 2:
        for which, row in (("first", 0), ("last", n - 1)):
            part = jacobian[row] * error[row]
            yield say.one_row(which), part * n
            yield say.row_left_out(which), jacobian.T @ error - part


def _slopes(function: Callable[[Floats], Floats], at: Floats, sizes: Floats) -> Floats:
    """The Jacobian by central differences, shape (values, arguments); good to some nine digits."""
    columns = []
    for j in range(len(at)):
        step = np.zeros(len(at))
        step[j] = 6e-6 * max(sizes[j], 1e-6 * abs(at[j]))
        ahead, behind = function(at + step), function(at - step)
        columns.append((np.atleast_1d(ahead) - np.atleast_1d(behind)) / (2 * step[j]))
    return np.array(columns).T
