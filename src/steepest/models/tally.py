"""How far a study is with its models."""

from __future__ import annotations

from ..typing import OnProgress, Progress

TRAINING = "training"


class Tally:
    """Counts the rounds of models that are trained, and says so.

    >>> seen = []
    >>> tally = Tally(4, seen.append)
    >>> tally.tell(0.5)
    >>> tally.step()
    >>> [progress.fraction for progress in seen]
    [0.125, 0.25]
    """

    def __init__(self, rounds: int, on_progress: OnProgress | None) -> None:
        self._rounds, self._done, self._tell = rounds, 0, on_progress

    def tell(self, share: float) -> None:
        """So much of the round is done, 0 to 1."""
        if self._tell is not None:
            whole = min((self._done + share) / self._rounds, 1.0)
            self._tell(Progress(0, whole, TRAINING))

    def step(self) -> None:
        """One more round is done."""
        self._done += 1
        self.tell(0.0)
