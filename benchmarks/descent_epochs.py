"""Full-batch gradient descent, 1,000 and 100,000 epochs: loops over the rows, and moments.

Everyone minimises the mean of (Xw + b - y)² from w = 0 and b = 0 with the same rate, over the
columns as they are (``scale="none"``), and returns the loss of every epoch.  The loops make all
1,000 epochs, once; their 100,000 epochs are scaled from those, and say so.  NumPy gets a second
turn with the features in column order, which suits its products better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

import steepest

from .runner import Benchmark, Check, Contestant, Goal, Scaled, Table
from .synthetic import NAMES, TARGET, make_table

Floats = NDArray[np.float64]

LEARNING_RATE = 0.01
AGREEMENT = 1e-10
"""Largest difference between two losses of the same epoch, relative to the loss."""

GOAL = 0.06 / 34
"""With the scan 0.06 s, where a NumPy loop was seen to take 34 s."""

FEW_ROWS = 1_000
WARM_UP = 3
"""Epochs that the loops make in the warm-up round."""

NUMPY, COLUMNS = "NumPy loop over the rows", "NumPy loop, column order"
TORCH, JAX, STEEPEST = "PyTorch autograd loop", "JAX loop, compiled", "steepest, with scan"
DOUBLE = "steepest, with scan in double"
NESTEROV = "after the scan, Nesterov"


def build(rows: int, epochs: int = 1_000, many: int = 100_000) -> Benchmark:
    """Loops and moments, to ``epochs`` and to ``many``."""
    table = make_table(rows)
    features, target = table[:, :-1].copy(), table[:, -1].copy()
    loops = {
        NUMPY: partial(loop_numpy, features, target),
        COLUMNS: partial(loop_numpy, np.asfortranarray(features), target),
    }
    notes = [
        f"learning_rate={LEARNING_RATE}, scale='none': the columns as they are, w = 0, b = 0.",
        "the loops made their epochs once; 'after the scan' is a fit from moments at hand.",
    ]
    try:
        import torch
    except ImportError:
        notes.append("PyTorch is not installed: its loop was left out.")
    else:
        tensors = torch.from_numpy(features), torch.from_numpy(target)
        loops[TORCH] = partial(loop_torch, *tensors)
        notes.append(f"PyTorch works on {torch.get_num_threads()} threads.")
    if find_spec("jax") is None:
        notes.append("JAX is not installed: its loop was left out.")
    else:
        loops[JAX] = partial(loop_jax, features, target)
    few = min(rows, FEW_ROWS)

    @cache
    def scan(n: int) -> steepest.Moments:
        return steepest.scan(table[:n], names=NAMES)

    def after_scan(n: int, epochs: int, rule: str = "gradient-descent") -> Floats:
        return trace_moments(scan(n), epochs, rule)

    short = Table(
        f"the loss of each of {epochs:,} epochs",
        NUMPY,
        [
            *(
                Contestant(name, partial(loop, epochs), 1, partial(loop, WARM_UP))
                for name, loop in loops.items()
            ),
            Contestant(STEEPEST, partial(trace_table, table, epochs)),
            Contestant(DOUBLE, partial(trace_table, table, epochs, "double")),
            Contestant("steepest, after the scan", partial(after_scan, rows, epochs)),
            Contestant(NESTEROV, partial(after_scan, rows, epochs, "nesterov")),
        ],
    )
    long = Table(
        f"the loss of each of {many:,} epochs",
        f"{NUMPY}, {many:,} epochs",
        [
            *(Scaled(f"{name}, {many:,} epochs", name, many / epochs) for name in loops),
            Contestant(f"{STEEPEST}, {many:,} epochs", partial(trace_table, table, many)),
            Contestant(f"after the scan of {rows:,} rows", partial(after_scan, rows, many)),
            Contestant(f"after a scan of only {few:,} rows", partial(after_scan, few, many)),
        ],
    )
    return Benchmark(
        "full-batch gradient descent, 20 features",
        rows,
        [short, long],
        partial(check, [*loops, STEEPEST, DOUBLE]),
        goals=[Goal(STEEPEST, GOAL), Goal(DOUBLE, GOAL)],
        notes=notes,
    )


def loop_numpy(features: Floats, target: Floats, epochs: int) -> list[float]:
    """Gradient written by hand, nothing allocated in the loop but the loss."""
    n, p = features.shape
    w, b, gradient, gap = np.zeros(p), 0.0, np.empty(p), np.empty(n)
    losses = []
    for epoch in range(epochs + 1):
        np.matmul(features, w, out=gap)
        gap -= target
        gap += b
        losses.append(float(gap @ gap) / n)
        if epoch < epochs:
            np.matmul(gap, features, out=gradient)
            gradient *= 2 * LEARNING_RATE / n
            w -= gradient
            b -= 2 * LEARNING_RATE / n * float(gap.sum())
    return losses


def loop_torch(features: Any, target: Any, epochs: int) -> list[float]:
    """As the tutorials write it: forward, backward, update."""
    import torch

    w = torch.zeros(features.shape[1], dtype=features.dtype, requires_grad=True)
    b = torch.zeros((), dtype=features.dtype, requires_grad=True)
    losses = []
    for epoch in range(epochs + 1):
        loss = ((features @ w + b - target) ** 2).mean()
        losses.append(loss.item())
        if epoch < epochs:
            loss.backward()
            with torch.no_grad():
                w -= LEARNING_RATE * w.grad
                b -= LEARNING_RATE * b.grad
            w.grad = b.grad = None
    return losses


def loop_jax(features: Floats, target: Floats, epochs: int) -> list[float]:
    """One compiled function that gives the loss and steps, called once an epoch."""
    jax = import_module("jax")

    def step(w: Any, b: Any, x: Any, y: Any) -> Any:
        def loss(w: Any, b: Any) -> Any:
            return ((x @ w + b - y) ** 2).mean()

        value, (by_w, by_b) = jax.value_and_grad(loss, (0, 1))(w, b)
        return value, w - LEARNING_RATE * by_w, b - LEARNING_RATE * by_b

    with jax.enable_x64(True):
        x, y = jax.numpy.asarray(features), jax.numpy.asarray(target)
        w, b = jax.numpy.zeros(features.shape[1]), jax.numpy.zeros(())
        stepped, losses = jax.jit(step), []
        for _ in range(epochs + 1):
            value, w, b = stepped(w, b, x, y)
            losses.append(float(value))
    return losses


def trace_table(table: Floats, epochs: int, precision: str | None = None) -> Floats:
    """Scan, fit and every loss."""
    return trace_moments(steepest.scan(table, names=NAMES, precision=precision), epochs)


def trace_moments(moments: steepest.Moments, epochs: int, rule: str = "gradient-descent") -> Floats:
    """Fit and every loss."""
    model = steepest.fit(
        moments, target=TARGET, learning_rate=LEARNING_RATE, epochs=epochs, scale="none", rule=rule
    )
    return model.path.loss(range(epochs + 1))


def check(names: Sequence[str], results: Mapping[str, Any]) -> Iterator[Check]:
    """The losses of all contestants agree at every epoch."""
    losses = np.array([results[name] for name in names])
    gaps = np.ptp(losses, axis=0) / losses.min(axis=0)
    yield Check(
        f"largest relative difference of the losses of {', '.join(names)}, "
        f"over {losses.shape[1]:,} epochs",
        float(gaps.max()),
        AGREEMENT,
    )
