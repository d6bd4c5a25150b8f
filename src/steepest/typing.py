"""Names of shapes and of the few values that travel between the rooms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""Float64 numbers of any shape; the docstring beside says which."""

Codes = NDArray[np.int32]
"""One level number a row, shape (n,); -1 is a null."""

Tensor = Any
"""What a forward or a loss computes with: a float, an ndarray or a torch.Tensor."""


class Progress(NamedTuple):
    """How far a pass over rows has come, or the training of many models after it."""

    rows: int
    """Rows read so far."""
    fraction: float | None
    """Share of the whole that is read, 0 to 1; None where the size is not known."""
    doing: str = "reading"
    """``reading``; ``training``: models of rows that have all been read, which count none; or what
    comes before reading and takes long, such as to look where the records of a text end."""


OnProgress = Callable[[Progress], None]
"""Called as a pass comes along, from one thread at a time."""
