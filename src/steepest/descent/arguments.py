"""What the user hands over, checked and made ready before the first step."""

from __future__ import annotations

import numbers
import sys
from collections.abc import Mapping

import numpy as np

from ..errors import EmptySourceError, GradientError, LengthError, OptionError
from ..typing import Tensor
from .autograd import ByAutograd, is_tensor, leaf
from .objective import ByHand, Forward, Gradient, Loss, Objective, guarded


def problem(
    x: Tensor, y: Tensor, w: Tensor, forward: Forward, loss: Loss, gradient: Gradient | None
) -> tuple[Objective, Tensor]:
    """Return what is minimised and from where, in the user's kind of numbers.

    Raises
    ------
    OptionError
        Tensors and arrays are mixed, or w is not made of numbers.
    GradientError
        No gradient is given, and autograd cannot find one.
    """
    if gradient is None and is_tensor(x) and is_tensor(y):
        # A number or an array as w is refused by leaf, which knows what to write instead.
        start = leaf(w)
        return ByAutograd(guarded(x), guarded(y), forward, loss), start
    kinds = {"x": x, "y": y} if isinstance(w, numbers.Real) else {"x": x, "y": y, "w": w}
    tensors = [name for name, value in kinds.items() if is_tensor(value)]
    if 0 < len(tensors) < len(kinds):
        raise OptionError.mixed(tensors, [name for name in kinds if name not in tensors])
    if gradient is None:
        raise GradientError.missing()
    return ByHand(guarded(x), guarded(y), forward, loss, gradient), _start(w)


def _start(w: Tensor) -> Tensor:
    """Return w as a float, or as a float array or tensor of its own."""
    if is_tensor(w) and not w.is_complex():
        return w.detach().clone() if w.is_floating_point() else w.detach().float()
    start = np.asarray(w)
    if is_tensor(w) or start.dtype.kind not in "biuf":
        raise OptionError.outside("w", w, "a number or an array of numbers", "w=0.0")
    return own(start if start.dtype.kind == "f" else start.astype(np.float64))


def own(w: Tensor) -> Tensor:
    """Return a copy of w that nobody else can change; an array without dimensions is a float."""
    if is_tensor(w):
        return w.detach().clone()
    return w.copy() if isinstance(w, np.ndarray) and w.ndim else float(w)


def check_options(learning_rate: float, epochs: int) -> None:
    """Refuse a rate that is not finite and above 0, and epochs that are no count from 1."""
    real = isinstance(learning_rate, numbers.Real) and not isinstance(learning_rate, bool)
    if not (real and 0 < learning_rate <= sys.float_info.max):
        wanted = "a finite number above 0"
        raise OptionError.outside("learning_rate", learning_rate, wanted, "learning_rate=0.01")
    whole = isinstance(epochs, numbers.Integral) and not isinstance(epochs, bool)
    if not (whole and epochs >= 1):
        raise OptionError.outside("epochs", epochs, "a whole number of at least 1", "epochs=100")


def check_functions(functions: Mapping[str, object], optional: set[str]) -> None:
    """Refuse what cannot be called; None passes under the names in ``optional``."""
    for name, function in functions.items():
        if not (callable(function) or (function is None and name in optional)):
            raise OptionError.outside(name, function, "a function", f"def {name}(...): return ...")


def check_rows(x: Tensor, y: Tensor) -> None:
    """Refuse data without rows, or with a different number of them in x and y."""
    for name, value in (("x", x), ("y", y)):
        if not np.shape(value):
            raise LengthError.dimensions(name, (), "one row for each row of the data")
        if not len(value):
            raise EmptySourceError.no_arguments(name)
    if len(x) != len(y):
        raise LengthError.arguments("x", len(x), "y", len(y))


def check_weights(w: Tensor) -> None:
    """Refuse a start that holds a NaN or an infinity; says the first place."""
    if finite(w):
        return
    place = (~w.isfinite()).nonzero() if is_tensor(w) else np.argwhere(~np.isfinite(w))
    index = place[0].tolist()
    value = w if isinstance(w, float) else w[tuple(index)].item()
    raise OptionError.outside(f"w{index or ''}", value, "a finite number", "start from 0.")


def finite(value: Tensor) -> bool:
    """Whether no number of ``value`` is a NaN or an infinity; O(size)."""
    if is_tensor(value):
        return bool(value.isfinite().all())
    array = np.asarray(value)
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())
