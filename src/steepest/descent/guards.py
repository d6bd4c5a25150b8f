"""Views and copies, so that a user's functions reach nothing that is not theirs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ..errors import GradientError
from ..typing import Tensor
from .trees import leaves, map_leaves


def guarded(value: Tensor) -> Tensor:
    """Return weights as a user's function may have them: nothing done to them reaches others.

    An ndarray becomes a read-only view, so that an edit in place raises.  PyTorch knows no
    read-only tensors, so a tensor becomes a detached copy, O(size).  Numbers and arrays of JAX
    pass; a tree is guarded leaf by leaf.

    Examples
    --------
    >>> x = np.array([1.0, 2.0])
    >>> guarded(x).flags.writeable, x.flags.writeable
    (False, True)
    """
    return value if isinstance(value, float) else map_leaves(_guarded_leaf, value)


def shown(value: Tensor) -> Tensor:
    """Return data as a user's function may have them, without a copy.

    An ndarray becomes a read-only view, a tensor one that asks for no gradient; whether that
    was edited, :func:`untouched` finds out.
    """
    return value.detach() if hasattr(value, "detach") else _guarded_leaf(value)


@contextmanager
def untouched(*values: Tensor) -> Iterator[None]:
    """Raise GradientError if one of these tensors is edited in place inside the block.

    Arrays see to that themselves, by being read-only.
    """
    tensors = [value for value in values if hasattr(value, "_version")]
    before = [getattr(tensor, "_version", 0) for tensor in tensors]
    yield
    if before != [getattr(tensor, "_version", 0) for tensor in tensors]:
        raise GradientError.edited()


def own(w: Tensor) -> Tensor:
    """Return a copy of w that nobody else can change; an array without dimensions is a float.

    Arrays of JAX cannot be changed by anybody, and are returned as they are.
    """
    return map_leaves(_own_leaf, w)


def finite(value: Tensor) -> bool:
    """Whether no number of ``value`` is a NaN or an infinity; O(size)."""
    return all(map(_is_finite, leaves(value)))


def is_jax(value: object) -> bool:
    """Whether ``value`` is an array of JAX; to know it, JAX need not be installed.

    Examples
    --------
    >>> is_jax(3.0)
    False
    """
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(value, jax.Array)


def _guarded_leaf(value: Tensor) -> Tensor:
    if isinstance(value, np.ndarray):
        view = value.view()
        view.flags.writeable = False
        return view
    return value.detach().clone() if hasattr(value, "detach") else value


def _own_leaf(w: Tensor) -> Tensor:
    if hasattr(w, "detach"):
        return w.detach().clone()
    if isinstance(w, np.ndarray):
        return w.copy() if w.ndim else float(w)
    return w if is_jax(w) else float(w)


def _is_finite(value: Tensor) -> bool:
    if hasattr(value, "isfinite"):
        return bool(value.isfinite().all())
    if is_jax(value):
        # By NumPy, which sees the same memory: one call of JAX costs more than all of a small w.
        return bool(np.isfinite(np.asarray(value)).all())
    array = np.asarray(value)
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())
