"""Whoever looks on while a table is made ready, before any row of it is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic

from ..typing import OnProgress, Progress

PATIENCE = 1.0
"""Seconds of work before the first report, so that short work makes none."""

_onlooker: ContextVar[OnProgress | None] = ContextVar("onlooker", default=None)


@contextmanager
def looked_on(on_progress: OnProgress | None) -> Iterator[None]:
    """Report to this function inside the block; None leaves the one that is told already."""
    before = _onlooker.set(on_progress or _onlooker.get())
    try:
        yield
    finally:
        _onlooker.reset(before)


class Preparation:
    """Work on a table that comes before reading it; told where it takes long.

    >>> seen = []
    >>> with looked_on(seen.append):
    ...     work = Preparation(patience=0.0)
    ...     work.tell("looking where records end", 0.25)
    >>> seen
    [Progress(rows=0, fraction=0.25, doing='looking where records end')]
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._begin = monotonic() + patience

    def tell(self, doing: str, fraction: float | None = None) -> None:
        """So much of it is done, from 0 to 1 where the whole is known."""
        tell = _onlooker.get()
        if tell is not None and monotonic() >= self._begin:
            tell(Progress(0, fraction, doing))
