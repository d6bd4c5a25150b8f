"""Whoever looks on while parts are read: adds up how far they are, and can stop them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ..data.table import Part
from ..typing import OnProgress, Progress


class Watch:
    """Adds up what the parts report, and stops workers of this process when the scan stops.

    Parameters
    ----------
    parts : sequence of Part
        All of them.
    on_progress : callable or None
        Who is told.
    before : int
        How many of the parts, from the first on, a checkpoint already has.
    rows : int
        How many rows these have.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        on_progress: OnProgress | None,
        before: int = 0,
        rows: int = 0,
    ) -> None:
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._size = sum(part.size for part in parts)
        self._rows, self._done = rows, float(sum(part.size for part in parts[:before]))
        self._fractions: dict[int, float] = {}
        self.stopped = False
        if before:
            self._tell()

    def __call__(self, part: Part, rows: int, fraction: float) -> None:
        """Take note of more rows of a part, and of the share of it that is read now."""
        if self.stopped:
            raise InterruptedError("the scan was stopped")
        if self._on_progress is None:
            return
        with self._lock:
            self._rows += rows
            self._done += part.size * (fraction - self._fractions.get(id(part), 0.0))
            self._fractions[id(part)] = fraction
            self._tell()

    def _tell(self) -> None:
        share = min(self._done / self._size, 1.0) if self._size else None
        if self._on_progress is not None:
            self._on_progress(Progress(self._rows, share))
