"""A walk from its first look to its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np

from .checkpoints import Keeper
from .judge import Status
from .walk import OnEpoch, Walk


def follow(walk: Walk, epochs: int, told: Sequence[OnEpoch], keeper: Keeper | None = None) -> None:
    """Go on until the epochs are run, or something ends it; all of ``told`` hear of each."""
    try:
        while walk.status is None and walk.epoch < epochs:
            at = walk.go_on()
            asked = [one(at) for one in told]
            if walk.status is None and any(map(_says_stop, asked)):
                walk.status = Status.STOPPED
            if keeper is not None:
                keeper.note(walk)
    finally:
        if keeper is not None:
            keeper.write(walk)
    if walk.status is None:
        walk.status = walk.judge.at_the_end(epochs)


def _says_stop(answer: object) -> bool:
    """Whether this is True, of Python or of a library; a number or an array is no answer."""
    truth = str(getattr(answer, "dtype", "")).removeprefix("torch.") == "bool"
    return answer is True or (truth and not np.shape(cast(Any, answer)) and bool(answer))


@contextmanager
def watched(progress: bool, epochs: int) -> Iterator[tuple[OnEpoch, ...]]:
    """A line that shows each epoch, where it is wanted."""
    if not progress:
        yield ()
        return
    from ..faces.epochs import watch_epochs

    with watch_epochs(epochs) as shown:
        yield (shown,)
