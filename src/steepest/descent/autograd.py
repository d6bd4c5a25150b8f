"""Gradients by PyTorch, which is used where it is already loaded and never imported here."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import GradientError, counted
from ..typing import Tensor
from .forms import Form, Plain
from .guards import guarded, shown, untouched
from .objective import Forward, Loss, predicted_by, single, takes
from .trees import is_tree, leaves, rebuild


def is_tensor(value: object) -> bool:
    """Whether ``value`` is a ``torch.Tensor``; to know it, torch need not be installed.

    Examples
    --------
    >>> is_tensor(3.0)
    False
    """
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def leaf(w: Tensor) -> Tensor:
    """Return a detached copy of a w that says it requires grad, as autograd wants it said.

    Raises
    ------
    GradientError
        w is not a tensor, or does not require grad; says what it is.
    """
    if is_tensor(w) and w.requires_grad:
        return w.detach().clone()
    if not is_tensor(w):
        raise GradientError.not_required(_described(w))
    fractional = w.is_floating_point()
    raise GradientError.not_required(
        _described(w) if fractional else f"{_described(w)} of {str(w.dtype).split('.')[1]}",
        "w.requires_grad_()" if fractional else "w = w.float().requires_grad_()",
    )


def trained(tree: Any) -> list[Tensor]:
    """Return copies of the tensors of a tree that require grad, which are those to be trained.

    Raises
    ------
    GradientError
        None of them does.
    """
    found = [leaf(w) for w in leaves(tree) if is_tensor(w) and w.requires_grad]
    if not found:
        raise GradientError.not_required(f"a tree of {counted(len(leaves(tree)), 'tensor')}")
    return found


@dataclass(frozen=True)
class ByAutograd:
    """A loss whose gradient PyTorch works out, by reverse accumulation [1]_.

        value(w) = loss(y, forward(w, x)),    gradient(w) = ∂value/∂w

    The weights are copied before anything is asked of them, and ``.grad`` of no tensor is
    touched, whatever else ``forward`` and ``loss`` may use.  An evaluation costs one call of
    each and one pass back.

    Attributes
    ----------
    x : tensor, shape (n,) or (n, k)
        The inputs.
    y : tensor, shape (n, ...)
        What is to be predicted.
    forward, loss : callable
        ``forward(w, x)`` and ``loss(y, y_predicted)``, in operations of PyTorch; a loss with a
        third required argument is given w there.
    form : Form, optional
        What the two get as w.

    Raises
    ------
    LengthError
        The prediction has not the shape of y.
    GradientError
        The loss is not one number, or does not depend on w.

    References
    ----------
    .. [1] A. Griewank, A. Walther.  Evaluating Derivatives.  SIAM, 2nd edition, 2008.
       doi:10.1137/1.9780898717761

    Examples
    --------
    >>> import torch
    >>> objective = ByAutograd(
    ...     x=torch.tensor([1.0, 2.0]),
    ...     y=torch.tensor([2.0, 4.0]),
    ...     forward=lambda w, x: w * x,
    ...     loss=lambda y, predicted: ((predicted - y) ** 2).mean(),
    ... )
    >>> objective.value_and_gradient(torch.tensor(0.0))
    (10.0, tensor(-10.))
    """

    x: Tensor
    y: Tensor
    forward: Forward
    loss: Loss
    form: Form = field(default_factory=Plain)

    def value_and_gradient(self, w: Tensor) -> tuple[float, Tensor]:
        torch: Any = sys.modules["torch"]
        with torch.enable_grad():
            opened = self.form.open(w)
            loss = self._loss(self.form.given(opened))
            if not (is_tensor(loss) and loss.requires_grad):
                raise GradientError.not_reached()
            found = torch.autograd.grad(loss, leaves(opened), allow_unused=True)
        if all(gradient is None for gradient in found):
            raise GradientError.not_reached()
        pairs = zip(leaves(opened), found, strict=True)
        found = [torch.zeros_like(one) if g is None else g.detach() for one, g in pairs]
        return float(loss.detach()), rebuild(w, found) if is_tree(w) else found[0]

    def value(self, w: Tensor) -> float:
        torch: Any = sys.modules["torch"]
        with torch.no_grad(), self.form.measuring():
            return float(shown(self._loss(self.form.given(guarded(w)))))

    def smoothness(self) -> None:
        return None

    @cached_property
    def _weighs(self) -> bool:
        return takes(self.loss, 3)

    def _loss(self, given: Any) -> Tensor:
        predicted = predicted_by(self.forward, given, self.x, self.y)
        if not is_tensor(predicted):
            raise GradientError.not_reached()
        with untouched(self.y):
            extra = (given,) if self._weighs else ()
            return single(self.loss(shown(self.y), predicted, *extra))


def _described(w: Any) -> str:
    name = "tensor" if is_tensor(w) else type(w).__name__
    article = "an" if name.startswith(("a", "e", "i", "o", "u", "nd")) else "a"
    sized = is_tensor(w) or isinstance(w, np.ndarray)
    return f"{article} {name}" + (f" of shape {tuple(np.shape(w))}" if sized else "")
