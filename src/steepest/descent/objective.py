"""What is minimised: a number that depends on the weights, and its gradient."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ..errors import GradientError, LengthError
from ..typing import Tensor
from .forms import Form, Plain
from .guards import guarded, shown, untouched
from .trees import is_tree, map_leaves, name_leaf, placed, rebuild

Forward = Callable[[Any, Tensor], Tensor]
"""``forward(w, x)``: the prediction, of the shape of y."""

Loss = Callable[..., Tensor]
"""``loss(y, y_predicted)``, or ``loss(y, y_predicted, w)``: a single number."""

Gradient = Callable[..., Tensor]
"""``gradient(x, y, y_predicted)``, or with w as a fourth: ∂loss/∂w, of the shape of w."""


class Objective(Protocol):
    """A loss as a function of the weights alone, for the loop to go down.

    The weights are a float, an ndarray, a tensor, or a tree of them; the loss is a float, and
    the gradient is of the type and shape of w, in units of loss / unit of w.
    """

    def value_and_gradient(self, w: Tensor) -> tuple[float, Tensor]:
        """Return the loss at w and its gradient there, leaving w as it is."""

    def value(self, w: Tensor) -> float:
        """Return the loss at w."""

    def smoothness(self) -> float | None:
        """Return the largest curvature L, in loss / (unit of w)²; None where not known."""


def takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function asks for that many positional arguments, none of them optional.

    Examples
    --------
    >>> takes(lambda y, y_predicted, w: 0.0, 3), takes(lambda y, y_predicted, delta=1.0: 0.0, 3)
    (True, False)
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    required = [
        p
        for p in parameters
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]
    return len(required) == count


def predicted_by(forward: Forward, w: Any, x: Tensor, y: Tensor) -> Tensor:
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
    shape = (len(loss),) if isinstance(loss, list | tuple) else tuple(np.shape(loss))
    if shape:
        raise GradientError.loss_shape(shape)
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
        ``forward(w, x)``, ``loss(y, y_predicted)``, ``gradient(x, y, y_predicted)``; a loss with
        a third required argument, and a gradient with a fourth, are given w there.
    form : Form, optional
        What the functions get as w.

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
    form: Form = field(default_factory=Plain)

    def value_and_gradient(self, w: Tensor) -> tuple[float, Tensor]:
        given = self.form.given(guarded(w))
        predicted, value = self._predicted_and_value(given)
        extra = (given,) if self._weighs[1] else ()
        with untouched(self.x, self.y, predicted):
            gradient = self.gradient(shown(self.x), shown(self.y), shown(predicted), *extra)
        if gradient is None:
            raise GradientError.nothing("gradient")
        return value, _alike(w, gradient)

    def value(self, w: Tensor) -> float:
        with self.form.measuring():
            return self._predicted_and_value(self.form.given(guarded(w)))[1]

    def smoothness(self) -> None:
        return None

    @cached_property
    def _weighs(self) -> tuple[bool, bool]:
        """Whether the loss and the gradient ask for w."""
        return takes(self.loss, 3), takes(self.gradient, 4)

    def _predicted_and_value(self, given: Any) -> tuple[Tensor, float]:
        predicted = predicted_by(self.forward, given, self.x, self.y)
        extra = (given,) if self._weighs[0] else ()
        with untouched(self.y, predicted):
            loss = single(self.loss(shown(self.y), shown(predicted), *extra))
        return predicted, float(shown(loss))


def _alike(w: Tensor, gradient: Tensor) -> Tensor:
    """Return a copy of ``gradient``, known to have the branches and shapes of w."""
    if not is_tree(w):
        if np.shape(gradient) != np.shape(w):
            raise GradientError.shape(tuple(np.shape(gradient)), tuple(np.shape(w)))
        return _like(w, gradient)
    try:
        return rebuild(w, [_like(*pair) for pair in _paired(w, gradient)])
    except LookupError as error:
        raise GradientError.structure(name_leaf(error.args[0], "gradient")) from None


def _paired(w: Tensor, gradient: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return each leaf of w with its gradient, of the same shape."""
    pairs: list[tuple[Tensor, Tensor]] = []
    map_leaves(lambda one, other: pairs.append((one, other)), w, gradient)
    for (path, _), (one, other) in zip(placed(w), pairs, strict=True):
        if np.shape(one) != np.shape(other):
            shapes = tuple(np.shape(other)), tuple(np.shape(one))
            raise GradientError.leaf_shape(name_leaf(path), *shapes)
    return pairs


def _like(w: Tensor, gradient: Tensor) -> Tensor:
    """Return a copy of ``gradient`` in the type of w, which the next w then has too."""
    if isinstance(w, float):
        # NumPy 2 makes float - np.float32 a float32, and w would lose half its digits.
        return float(shown(gradient))
    if isinstance(w, np.ndarray):
        return np.array(gradient, dtype=w.dtype)
    if hasattr(w, "detach"):
        return (w.new_zeros(w.shape) + gradient).detach().to(w.dtype)
    return sys.modules["jax"].numpy.asarray(gradient, dtype=w.dtype)
