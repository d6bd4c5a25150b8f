"""Where the generators of random numbers stand that a user's functions may draw from."""

from __future__ import annotations

import random
import sys
from typing import Any

import numpy as np


def random_states() -> dict[str, Any]:
    """Return the states of Python's and NumPy's global generators, and PyTorch's where loaded.

    They are numbers and arrays of NumPy, which can be read where there is no PyTorch.

    Examples
    --------
    >>> states = random_states()
    >>> first = random.random()
    >>> restore_random(states)
    >>> random.random() == first
    True
    """
    found: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": tuple(np.random.get_state(legacy=True)),  # noqa: NPY002
    }
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        found["torch"] = torch.random.get_rng_state().numpy()
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            found["cuda"] = [state.numpy() for state in torch.cuda.get_rng_state_all()]
    return found


def restore_random(states: dict[str, Any]) -> None:
    """Put the generators where they stood."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])  # noqa: NPY002
    torch: Any = sys.modules.get("torch")
    if torch is not None and "torch" in states:
        torch.random.set_rng_state(torch.as_tensor(states["torch"]))
    if torch is not None and "cuda" in states:
        torch.cuda.set_rng_state_all([torch.as_tensor(state) for state in states["cuda"]])
