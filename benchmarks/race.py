"""One epoch of gradient descent over the rows: the lanes of ``steepest.race`` beside bare loops.

Everyone minimises the mean of (Xu - y)² in double precision from u = 0 with the same rate, and
takes the loss of every epoch.  A turn is a number of epochs, of which the median counts; what
comes before the first, copies and compilation, does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

import steepest
from steepest.checks.racers import find_starts
from steepest.checks.races import AUTOGRAD, BY_HAND, CLOSED, COMPILED
from steepest.checks.racetrack import Track

from .runner import Benchmark, Check, Contestant, Table, Turn
from .synthetic import NAMES, TARGET, make_table

Floats = NDArray[np.float64]

LEARNING_RATE = 0.01
AGREEMENT = 1e-12
"""Largest difference between two weights after the same epochs, relative to the largest."""

BARE = {BY_HAND: "bare NumPy loop", AUTOGRAD: "bare PyTorch loop", COMPILED: "bare JAX loop, jit"}
INDUCTOR = "PyTorch loop, torch.compile"

Step = Callable[[], float]
"""Makes one update and returns the loss before it."""


def build(rows: int, epochs: int = 20, *, inductor: bool = True) -> Benchmark:
    """Lanes and bare loops of so many epochs a turn."""
    table = make_table(rows)
    x, y = table[:, :-1].copy(), table[:, -1].copy()
    track, start = Track(x, y, 0.0, 0), np.zeros(x.shape[1])
    starts = find_starts(track, start, LEARNING_RATE, epochs)
    loops = {BY_HAND: loop_numpy, AUTOGRAD: loop_torch, COMPILED: loop_jax}
    notes = [f"a turn is {epochs} epochs, learning_rate={LEARNING_RATE}; their median counts."]
    tables = []
    for name, bare in BARE.items():
        lane = starts[name]
        if isinstance(lane, str):
            notes.append(f"{name}: {lane}.")
            continue
        lines = [
            Contestant(bare, partial(time_loop, partial(loops[name], x, y), epochs)),
            Contestant(name, partial(time_lane, lane)),
        ]
        if name == AUTOGRAD:
            notes.append(f"PyTorch works on {import_module('torch').get_num_threads()} threads.")
            if inductor:
                compiled = partial(loop_torch, x, y, inductor=True)
                lines.append(Contestant(INDUCTOR, partial(time_loop, compiled, epochs)))
        if name == BY_HAND:
            moments = steepest.scan(table, names=NAMES)
            lines.append(Contestant(CLOSED, partial(time_moments, moments, epochs)))
        tables.append(Table(f"an epoch: {name.partition(',')[0]}", bare, lines))
    names = [line.name for t in tables for line in t.lines]
    return Benchmark(
        "an epoch over the rows, 20 features", rows, tables, partial(check, names), notes=notes
    )


def time_lane(lane: Callable[..., Any]) -> Turn:
    """A descent through ``steepest.descend``, timed from report to report."""
    times: list[float] = []
    w = lane(lambda _: times.append(perf_counter())).w
    w = w.detach() if hasattr(w, "detach") else w
    return Turn({"epoch": median(np.diff(times))}, {}, np.asarray(w))


def time_loop(prepare: Callable[[], tuple[Step, Callable[[], Any]]], epochs: int) -> Turn:
    """A bare loop, timed from step to step; what the first compiles is not counted."""
    step, weights = prepare()
    times = []
    for _ in range(epochs):
        step()
        times.append(perf_counter())
    return Turn({"epoch": median(np.diff(times))}, {}, np.asarray(weights()))


def time_moments(moments: steepest.Moments, epochs: int) -> Turn:
    """Weights and losses of all epochs by the closed form, an epoch's share of it."""
    path = steepest.fit(
        moments, target=TARGET, learning_rate=LEARNING_RATE, epochs=epochs, scale="none",
        intercept=False,
    ).path  # fmt: skip
    begun = perf_counter()
    u, _ = path.position(range(epochs + 1)), path.loss(range(epochs + 1))
    return Turn({"epoch": (perf_counter() - begun) / epochs}, {}, u[-1])


def loop_numpy(x: Floats, y: Floats) -> tuple[Step, Callable[[], Any]]:
    """The gradient written out, as one writes it."""
    w = np.zeros(x.shape[1])

    def step() -> float:
        nonlocal w
        residual = x @ w - y
        loss = (residual**2).mean()
        w = w - LEARNING_RATE * (2 / len(y)) * (x.T @ residual)
        return float(loss)

    return step, lambda: w


def loop_torch(x: Floats, y: Floats, *, inductor: bool = False) -> tuple[Step, Callable[[], Any]]:
    """Forward, backward, update; with ``inductor`` the forward and its way back are compiled."""
    torch = import_module("torch")
    data, target = torch.from_numpy(x), torch.from_numpy(y)
    w = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)

    def evaluate(w: Any, data: Any, target: Any) -> Any:
        return ((data @ w - target) ** 2).mean()

    forward = torch.compile(evaluate) if inductor else evaluate

    def step() -> float:
        loss = forward(w, data, target)
        loss.backward()
        with torch.no_grad():
            w.sub_(w.grad, alpha=LEARNING_RATE)
        w.grad = None
        return float(loss.item())

    return step, lambda: w.detach().numpy()


def loop_jax(x: Floats, y: Floats) -> tuple[Step, Callable[[], Any]]:
    """Value and gradient under jit, the rows as arguments."""
    jax = import_module("jax")
    with jax.enable_x64(True):
        data, target = jax.numpy.asarray(x), jax.numpy.asarray(y)
        w = jax.numpy.zeros(x.shape[1])
        ask = jax.jit(jax.value_and_grad(lambda w, x, y: ((x @ w - y) ** 2).mean()))

    def step() -> float:
        nonlocal w
        with jax.enable_x64(True):
            loss, gradient = ask(w, data, target)
            w = w - LEARNING_RATE * gradient
            return float(loss)

    return step, lambda: w


def check(names: Sequence[str], results: Mapping[str, Any]) -> Iterator[Check]:
    """All end at one place."""
    weights = np.array([results[name].value for name in names])
    gap = np.ptp(weights, axis=0).max() / np.abs(weights).max()
    yield Check(f"largest relative difference of the weights of {', '.join(names)}",
                float(gap), AGREEMENT)  # fmt: skip
