"""What is minimised: a number that depends on the weights, and its gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..errors import GradientError, LengthError
from ..typing import Tensor

Forward = Callable[[Tensor, Tensor], Tensor]
"""``forward(w, x)``: the prediction, of the shape of y."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""``loss(y, y_predicted)``: a single number."""

Gradient = Callable[[Tensor, Tensor, Tensor], Tensor]
"""``gradient(x, y, y_predicted)``: ∂loss/∂w, of the shape of w."""


class Objective(Protocol):
    """A loss as a function of the weights alone, for the loop to go down.

    The weights are a float, an ndarray or a tensor; the loss is a float, and the gradient is
    of the type and shape of w, in units of loss / unit of w.
    """

    def value_and_gradient(self, w: Tensor) -> tuple[float, Tensor]:
        """Return the loss at w and its gradient there, leaving w as it is."""

    def value(self, w: Tensor) -> float:
        """Return the loss at w."""

    def smoothness(self) -> float | None:
        """Return the largest curvature L, in loss / (unit of w)²; None where not known."""


def guarded(value: Tensor) -> Tensor:
    """Return weights as a user's function may have them: nothing done to them reaches others.

    An ndarray becomes a read-only view, so that an edit in place raises.  PyTorch knows no
    read-only tensors, so a tensor becomes a detached copy, O(size).  Numbers pass.

    Examples
    --------
    >>> x = np.array([1.0, 2.0])
    >>> guarded(x).flags.writeable, x.flags.writeable
    (False, True)
    """
    if isinstance(value, np.ndarray):
        view = value.view()
        view.flags.writeable = False
        return view
    return value.detach().clone() if hasattr(value, "detach") else value


def shown(value: Tensor) -> Tensor:
    """Return data as a user's function may have them, without a copy.

    An ndarray becomes a read-only view, a tensor one that asks for no gradient; whether that
    was edited, :func:`untouched` finds out.
    """
    return value.detach() if hasattr(value, "detach") else guarded(value)


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


def predicted_by(forward: Forward, w: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return ``forward(w, x)``, known to have the shape of y.

    Raises
    ------
    GradientError
        It is None.
    LengthError
        It has another shape; subtracted from y it would broadcast.
    """
    with untouched(x):
        predicted = forward(w, shown(x))
    if predicted is None:
        raise GradientError.nothing("forward")
    if np.shape(predicted) != np.shape(y):
        raise LengthError.prediction(tuple(np.shape(predicted)), tuple(np.shape(y)))
    return predicted


def single(loss: Tensor) -> Tensor:
    """Return ``loss``, known to be one number.

    Raises
    ------
    GradientError
        It is None, or an array; says its shape.
    """
    if loss is None:
        raise GradientError.nothing("loss")
    if np.shape(loss) != ():
        raise GradientError.loss_shape(tuple(np.shape(loss)))
    return loss


@dataclass(frozen=True)
class ByHand:
    """A loss whose gradient the user has written out.

        value(w) = loss(y, ŷ),    gradient(w) = gradient(x, y, ŷ),    ŷ = forward(w, x)

    The three are taken at their word: a gradient that is a multiple of ∂loss/∂w, as the
    notebook's sum over four rows is, goes down the same loss at a multiple of the rate.  An
    evaluation costs one call of each.  They get views that cannot be edited unnoticed, so that
    a function which edits its arguments fails and cannot falsify the next epoch.

    Attributes
    ----------
    x : ndarray or tensor, shape (n,) or (n, k)
        The inputs.
    y : ndarray or tensor, shape (n, ...)
        What is to be predicted.
    forward, loss, gradient : callable
        ``forward(w, x)``, ``loss(y, y_predicted)``, ``gradient(x, y, y_predicted)``.

    Raises
    ------
    LengthError
        The prediction has not the shape of y.
    GradientError
        The loss is not one number, the gradient has not the shape of w, or a function
        returned nothing.

    Examples
    --------
    >>> objective = ByHand(
    ...     x=np.array([1.0, 2.0]),
    ...     y=np.array([2.0, 4.0]),
    ...     forward=lambda w, x: w * x,
    ...     loss=lambda y, predicted: ((predicted - y) ** 2).mean(),
    ...     gradient=lambda x, y, predicted: (2 * x * (predicted - y)).mean(),
    ... )
    >>> objective.value_and_gradient(0.0)
    (10.0, -10.0)
    """

    x: Tensor
    y: Tensor
    forward: Forward
    loss: Loss
    gradient: Gradient

    def value_and_gradient(self, w: Tensor) -> tuple[float, Tensor]:
        predicted, value = self._predicted_and_value(w)
        with untouched(self.x, self.y, predicted):
            gradient = self.gradient(shown(self.x), shown(self.y), shown(predicted))
        if gradient is None:
            raise GradientError.nothing("gradient")
        if np.shape(gradient) != np.shape(w):
            raise GradientError.shape(tuple(np.shape(gradient)), tuple(np.shape(w)))
        return value, _like(w, gradient)

    def value(self, w: Tensor) -> float:
        return self._predicted_and_value(w)[1]

    def smoothness(self) -> None:
        return None

    def _predicted_and_value(self, w: Tensor) -> tuple[Tensor, float]:
        predicted = predicted_by(self.forward, guarded(w), self.x, self.y)
        with untouched(self.y, predicted):
            loss = single(self.loss(shown(self.y), shown(predicted)))
        return predicted, float(shown(loss))


def _like(w: Tensor, gradient: Tensor) -> Tensor:
    """Return a copy of ``gradient`` in the type of w, which the next w then has too."""
    if isinstance(w, float):
        # NumPy 2 makes float - np.float32 a float32, and w would lose half its digits.
        return float(shown(gradient))
    if isinstance(w, np.ndarray):
        return np.array(gradient, dtype=w.dtype)
    return (w.new_zeros(w.shape) + gradient).detach().to(w.dtype)
