"""What is a number, an array or a tensor, whichever library it is of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...descent.autograd import is_tensor
from ...typing import Floats
from ..trial import as_array


def flatten(value: Any) -> Floats:
    """The numbers of a value in double precision, shape (p,)."""
    return np.array(as_array(value), dtype=np.float64).ravel()


def flatten_like(value: Any, shape: tuple[int, ...]) -> Floats:
    """Numbers broadcast to a shape, and flat."""
    return np.broadcast_to(np.asarray(as_array(value), dtype=np.float64), shape).ravel()


def number_of(value: Any) -> complex | None:
    """A single number as one, or None."""
    if is_traced(value):
        return None
    if isinstance(value, float | complex | np.floating | np.complexfloating):
        return complex(value)
    if hasattr(value, "dtype") and tuple(np.shape(value)) in {(), (1,), (1, 1)}:
        array = as_array(value)
        if array.dtype.kind in "fc":
            return complex(array.reshape(())[()])
    return None


def is_number(value: Any) -> bool:
    """Whether something is a float, or an array or tensor of floats."""
    if isinstance(value, float | np.floating):
        return True
    if is_traced(value):
        return False
    if isinstance(value, np.ndarray):
        return bool(value.dtype.kind == "f")
    if is_tensor(value):
        return bool(value.is_floating_point())
    kind = str(getattr(value, "dtype", ""))
    return hasattr(value, "shape") and kind.startswith(("float", "bfloat"))


def is_single(value: Any) -> bool:
    if isinstance(value, bool | str) or value is None:
        return False
    if isinstance(value, int | float | np.number):
        return True
    return (
        hasattr(value, "dtype")
        and not is_traced(value)
        and np.size(value if not is_tensor(value) else value.detach()) == 1
    )


def is_array(value: Any) -> bool:
    """Whether something is an array, a tensor, or a number of NumPy."""
    return isinstance(value, np.ndarray | np.number) or (
        hasattr(value, "dtype") and isinstance(getattr(value, "shape", None), tuple)
    )


def is_traced(value: Any) -> bool:
    """Whether something stands for a number of JAX that is not known yet."""
    return "Tracer" in type(value).__name__


def is_crossed(left: tuple[int, ...], right: tuple[int, ...]) -> bool:
    """Whether (n, 1) meets (n,): every row meets every other."""
    column, row = (left, right) if len(left) == 2 else (right, left)
    return len(column) == 2 and len(row) == 1 and column == (row[0], 1) and row[0] > 1


def length_of(value: Any) -> int:
    """How many rows an array or tensor has; 0 of anything else."""
    shape = getattr(value, "shape", None)
    return int(shape[0]) if isinstance(shape, tuple) and shape else 0
