"""How long a program is looked at: seconds in all, and how many weights a look can afford."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from ...descent.autograd import is_tensor

PATIENCE, LOOK = 10.0, 0.8
"""Seconds for all of a program, and about how many for one iteration."""

BY_DIFFERENCES, EXACTLY = 320, 6
"""Runs of a loop's body that the derivative of one weight takes."""

COORDINATES, FEWEST = 100, 3
"""Weights of one array that are looked at, where there are more."""


def afford(run: float, values: list[Any]) -> int:
    """How many weights of each array are looked at, where a run takes that many seconds."""
    each = BY_DIFFERENCES if any(map(is_tensor, values)) else EXACTLY
    some = LOOK / max(run, 1e-6) / each / max(1, len(values))
    return int(min(max(some, FEWEST), COORDINATES))


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """PyTorch on one thread: many short runs are slower on several, which wait for each other."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "set_num_threads"):
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
