"""Updates by one and the same gradient of PyTorch's, with no backward() between them."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...typing import Floats
from .. import mishaps as say
from ..findings import Finding
from .figures import flatten, is_number
from .log import Move, Record

FEWEST = 3
"""Updates by the same gradient that are no chance."""


@dataclass
class Repeat:
    """What one leaf was moved by while backward() was not called."""

    record: Record
    name: str
    calls: int
    """How often backward() had been called."""
    gradient: Floats
    before: Floats
    last: Floats
    updates: int = 1
    over: bool = False
    """Whether another gradient has come."""


class Repeats:
    """The updates of each leaf in each loop."""

    def __init__(self) -> None:
        self.runs: dict[tuple[int, int], Repeat] = {}

    def begin(
        self, record: Record, leaf: Any, move: Move, noted: Sequence[Any], calls: int
    ) -> None:
        """An update with a gradient that backward() has just told."""
        key = record.loop.number, id(leaf)
        known = self.runs.get(key)
        if known is not None:
            known.over = True
            return
        truth = move.truth
        assert truth is not None
        for gradient in _numbers(noted, truth.size):
            if truth.any() and np.allclose(gradient, truth, rtol=1e-4, atol=0):
                self.runs[key] = Repeat(
                    record, move.name, calls, gradient, move.before, move.before
                )
                return

    def go_on(
        self, record: Record, leaf: Any, move: Move, noted: Sequence[Any], calls: int
    ) -> None:
        """An update since which backward() has told nothing."""
        known = self.runs.get((record.loop.number, id(leaf)))
        if known is None or known.over:
            return
        same = any(
            np.array_equal(gradient, known.gradient)
            for gradient in _numbers(noted, known.gradient.size)
        )
        if calls != known.calls or not same or np.array_equal(move.before, known.before):
            known.over = True
            return
        known.updates += 1
        known.last = move.before

    def stale(self) -> Iterator[tuple[Record, Finding]]:
        """The loops whose gradients were computed once, and what is to be said of each."""
        for known in self.runs.values():
            if known.updates >= FEWEST and not known.over:
                j = int(np.argmax(np.abs(known.gradient)))
                places = known.before[j], known.last[j]
                yield (
                    known.record,
                    say.one_gradient(known.name, known.updates, known.gradient[j], places),
                )


class OneLoss:
    """Calls of backward() on one and the same loss, although the weights have moved."""

    def __init__(self) -> None:
        self.loss: Any = lambda: None
        self.leaves: Sequence[Any] = ()
        self.held: list[Any] = []
        self.times = 1

    def heed(self, loss: Any, leaves: Sequence[Any], torch: Any) -> int:
        """How often backward() has been called on this loss at other weights."""
        if self.loss() is not loss:
            self.loss, self.times = weakref.ref(loss), 1
        elif any(
            not torch.equal(leaf.detach(), kept)
            for leaf, kept in zip(leaves, self.held, strict=False)
        ):
            self.times += 1
        self.leaves, self.held = leaves, [leaf.detach().clone() for leaf in leaves]
        return self.times

    @property
    def unmoved(self) -> bool:
        """Whether nothing has moved the weights since the last backward()."""
        pairs = zip(self.leaves, self.held, strict=True)
        return all(bool((leaf.detach() == kept).all()) for leaf, kept in pairs)


def _numbers(values: Sequence[Any], size: int) -> Iterator[Floats]:
    for value in values:
        if is_number(value) and np.size(flatten(value)) == size:
            yield flatten(value)
