"""A path that has no closed form: the one loop, over the moments instead of the rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..typing import Floats
from .loop import run
from .quadratic import Quadratic
from .schedules import Schedule
from .walk import Epoch

KEPT = 2**26
"""Bytes of weights that are kept, so that they need not be found again."""


@dataclass(frozen=True)
class Stepped:
    """Steps of a rule or a solver from ``start`` (q,); O(q²) an epoch, whatever the rows were.

    DivergedError where the loss rises without end before the epoch that is asked for.
    """

    quadratic: Quadratic
    start: Floats
    rule: Any
    learning_rate: float | None
    schedule: Schedule
    l1: Any = 0.0
    _known: list[Floats] = field(default_factory=list, repr=False, compare=False)

    def position(self, epochs: Floats) -> Floats:
        """Coordinates at some epochs, none of them infinite, shape (T, q)."""
        last = int(max(epochs, default=0))
        at = np.asarray(epochs, dtype=np.int64)
        if not last or not len(self.start):
            return np.tile(self.start, (len(at), 1))
        if not self._known or last >= len(self._known[0]):
            found, rows = self._run(last, at)
            if rows is None:
                return found
            self._known[:] = [found]
        return np.asarray(self._known[0][at])

    def _run(self, last: int, at: Any) -> tuple[Floats, None] | tuple[Floats, int]:
        """All epochs where there is room for them, and else those asked for, with None."""
        every = (last + 1) * self.start.nbytes <= KEPT
        wanted = np.arange(last + 1) if every else np.unique(at)
        kept = np.empty((len(wanted), len(self.start)))
        place = {int(epoch): i for i, epoch in enumerate(wanted)}

        def keep(now: Epoch) -> None:
            if now.epoch in place:
                kept[place[now.epoch]] = now.w

        descent = run(
            self.quadratic,
            self.start,
            rule=self.rule,
            learning_rate=self.learning_rate,
            epochs=last,
            schedule=self.schedule,
            l1=self.l1,
            on_epoch=keep,
        )
        if descent.epochs < last:
            descent.raise_for_status()
        if every:
            return kept, last
        return kept[np.searchsorted(wanted, at)], None
