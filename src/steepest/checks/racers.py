"""Lanes that descend over rows, each in a thread that runs only while it has the turn."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np

from ..descent.compiled import doubles
from ..descent.loop import Descent, Epoch, OnEpoch, Status, descend
from ..descent.path import Path, name_coefficients
from ..typing import Floats, Tensor
from .races import AUTOGRAD, BY_HAND, COMPILED, Lane, absent
from .racetrack import Track

BLOCK = 512
"""Epochs of the closed form that are computed at once."""

Start = Callable[[OnEpoch], Descent]
"""Runs a descent to its end, telling of each epoch."""

Options = Mapping[str, Any]
"""What every lane gives to ``descend``."""


def find_starts(track: Track, start: Floats, rate: float, epochs: int) -> dict[str, Start | str]:
    """The lanes over rows by name; text where one cannot run, which says why."""
    options = {**write_functions(track), "learning_rate": rate, "epochs": epochs}
    found: dict[str, Start | str] = {BY_HAND: partial(by_hand, track, start, options)}
    for name, package, lane in ((AUTOGRAD, "torch", by_autograd), (COMPILED, "jax", compiled)):
        try:
            library = import_module(package)
        except ImportError:
            found[name] = f"not installed: pip install 'steepest[{package}]'"
        else:
            found[name] = partial(lane, library, track, start, options)
    return found


def write_functions(track: Track) -> dict[str, Callable[..., Tensor]]:
    """Forward and loss in operations that arrays of all three libraries know."""
    l2, skip = track.l2, track.skip

    def forward(w: Tensor, x: Tensor) -> Tensor:
        return x @ w

    def loss(y: Tensor, predicted: Tensor) -> Tensor:
        return ((predicted - y) ** 2).mean()

    def penalised(y: Tensor, predicted: Tensor, w: Tensor) -> Tensor:
        return loss(y, predicted) + l2 * (w[skip:] ** 2).sum()

    return {"forward": forward, "loss": penalised if l2 else loss}


def by_hand(track: Track, start: Floats, options: Options, on_epoch: OnEpoch) -> Descent:
    """NumPy, the gradient written out."""
    l2, skip = track.l2, track.skip

    def gradient(x: Floats, y: Floats, predicted: Floats) -> Floats:
        return np.asarray(2 / len(y) * (x.T @ (predicted - y)))

    def penalised(x: Floats, y: Floats, predicted: Floats, w: Floats) -> Floats:
        slope = gradient(x, y, predicted)
        slope[skip:] += 2 * l2 * w[skip:]
        return slope

    written = penalised if l2 else gradient
    return descend(track.design, track.y, gradient=written, w=start, on_epoch=on_epoch, **options)


def by_autograd(
    torch: Any, track: Track, start: Floats, options: Options, on_epoch: OnEpoch
) -> Descent:
    """PyTorch, which works the gradient out."""
    x, y = torch.from_numpy(track.design), torch.from_numpy(track.y)
    w = torch.from_numpy(start.copy()).requires_grad_()
    return descend(x, y, w=w, on_epoch=on_epoch, **options)


def compiled(jax: Any, track: Track, start: Floats, options: Options, on_epoch: OnEpoch) -> Descent:
    """JAX, which works the gradient out and compiles it; in double precision in this thread."""
    with doubles():
        x, y, w = (jax.numpy.asarray(value) for value in (track.design, track.y, start))
        return descend(x, y, w=w, on_epoch=on_epoch, **options)


class Closed:
    """The closed form, a block of epochs at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._block = lru_cache(maxsize=8)(self._compute)  # lanes are not at the same epoch

    def at(self, epoch: int) -> Floats:
        """Coordinates at an epoch, shape (q,)."""
        block, place = divmod(epoch, BLOCK)
        return np.asarray(self._block(block)[place])

    def _compute(self, block: int) -> Floats:
        return self.path.position(np.arange(block * BLOCK, (block + 1) * BLOCK))


class Racer:
    """A descent that stops after every turn, and goes on with the next.

    It has a thread of its own; only one racer's runs at a time.  Epochs are timed from the end of
    one report to the beginning of the next, so that nothing but the loop is counted.
    """

    def __init__(self, name: str, start: Start, closed: Closed, setup: float) -> None:
        self.name, self.setup, self.note = name, setup, ""
        self.finished = False
        self._start, self._closed = start, closed
        self._losses, self._differences, self._seconds = array("d"), array("d"), array("d")
        self._w: Floats = closed.at(0)
        self._stopped = False
        self._error: BaseException | None = None
        self._since = self._until = 0.0
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def take_turn(self, seconds: float) -> None:
        """Run for about so long, and one epoch at least; raises what the descent raises."""
        self._until = perf_counter() + seconds
        self._go.release()
        self._back.acquire()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End the descent at its next epoch, and wait for that."""
        self._stopped = True
        self._go.release()
        self._thread.join()

    def report(self, bounds: Floats) -> Lane:
        """The lane as it stands."""
        losses = np.array(self._losses)
        if not len(losses):
            return absent(self.name, self.note)
        path = self._closed.path
        intercept, coef = path.coordinates.leave(self._w)
        first = float(intercept) if path.coordinates.intercept else None
        return Lane(
            self.name,
            losses,
            self._w,
            name_coefficients(path.names, coef, first),
            np.array(self._differences),
            bounds[: len(losses)],
            np.array(self._seconds),
            self.setup,
            self.note,
        )

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self._stopped:
                self._since = perf_counter()
                descent = self._start(self._on_epoch)
                if descent.status not in (Status.COMPLETED, Status.STOPPED):
                    self.note = descent.status.value
        except BaseException as error:
            self._error = error
        finally:
            self.finished = True
            self._back.release()

    def _on_epoch(self, epoch: Epoch) -> bool:
        now = perf_counter()
        if epoch.epoch:
            self._seconds.append(now - self._since)
        else:
            self.setup += now - self._since
        self._w = np.asarray(epoch.w).astype(np.float64)
        self._losses.append(epoch.loss)
        self._differences.append(float(np.abs(self._w - self._closed.at(epoch.epoch)).max()))
        if now >= self._until:
            self._back.release()
            self._go.acquire()
        self._since = perf_counter()
        return self._stopped
