"""A line on stderr that tells how far a descent has come."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

REFRESH = 0.1
"""Seconds between two states of the line, where a person is looking."""

SPARSE = 10.0
"""Seconds between two plain lines, where nobody is."""


@contextmanager
def watch_epochs(epochs: int) -> Iterator[Callable[[Any], None]]:
    """Something to call with each ``Epoch``: a moving line on a terminal, a few lines elsewhere."""
    if sys.stderr.isatty():
        yield from _moving(epochs)
    else:
        yield from _plain(epochs)


def describe_epoch(epoch: int, epochs: int, loss: float, rate: float) -> str:
    """Epoch, loss, epochs per second and the time left, in words.

    >>> describe_epoch(250, 1000, 0.0625, 50.0)
    'epoch 250 of 1,000, loss 0.0625, 50 epochs/s, 15 s left'
    """
    words = f"epoch {epoch:,} of {epochs:,}, loss {loss:.6g}"
    if not rate:
        return words
    left = round((epochs - epoch) / rate)
    words += f", {rate:,.3g} epochs/s" if rate < 100 else f", {rate:,.0f} epochs/s"
    return words + (
        f", {left // 60}:{left % 60:02d} min left" if left >= 60 else f", {left} s left"
    )


def _pace(began: float, first: int, epoch: int) -> float:
    """Epochs per second since the first that was seen."""
    seconds = time.monotonic() - began
    return (epoch - first) / seconds if seconds > 0 else 0.0


def _plain(epochs: int) -> Iterator[Callable[[Any], None]]:
    began = last = time.monotonic()
    first: int | None = None

    def tell(at: Any) -> None:
        nonlocal last, first
        first = at.epoch if first is None else first
        now = time.monotonic()
        if at.epoch in (first, epochs) or now - last >= SPARSE:
            last = now
            pace = _pace(began, first, at.epoch)
            print(describe_epoch(at.epoch, epochs, at.loss, pace), file=sys.stderr)

    yield tell


def _moving(epochs: int) -> Iterator[Callable[[Any], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(24), TextColumn("{task.fields[words]}"))
    # rich would otherwise put its own stream in the place of standard output.
    bar = Progress(
        *columns,
        console=Console(stderr=True),
        redirect_stdout=False,
        redirect_stderr=False,
    )
    began = time.monotonic()
    last = 0.0
    first: int | None = None
    with bar:
        task = bar.add_task("descent", total=epochs, words="")

        def tell(at: Any) -> None:
            nonlocal last, first
            first = at.epoch if first is None else first
            now = time.monotonic()
            if now - last >= REFRESH or at.epoch == epochs:
                last = now
                words = describe_epoch(at.epoch, epochs, at.loss, _pace(began, first, at.epoch))
                bar.update(task, completed=at.epoch, words=words)

        yield tell
