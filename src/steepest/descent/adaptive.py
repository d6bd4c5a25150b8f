"""Rules that give each weight a rate of its own, by the gradients it has met."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from ..errors import OptionError
from ..typing import Tensor
from .guards import is_jax
from .momentum import check_share


class Squares(NamedTuple):
    """The state of Adagrad and RMSprop."""

    s: Tensor
    """Sum or mean of the squared gradients, of the shape of w."""


class Means(NamedTuple):
    """The state of Adam and AdamW."""

    m: Tensor
    """Running mean of the gradients, of the shape of w."""
    s: Tensor
    """Running mean of their squares."""
    steps: int
    """Steps done."""


def square_root(value: Tensor) -> Tensor:
    """The square root of a float, an array or a tensor, in its own kind."""
    if isinstance(value, float):
        return math.sqrt(value)
    if hasattr(value, "detach"):
        return value.sqrt()
    return sys.modules["jax"].numpy.sqrt(value) if is_jax(value) else np.sqrt(value)


def check_positive(name: str, value: float) -> None:
    """Refuse an ε that is not above 0: where a gradient is 0 it is all there is to divide by."""
    if not 0 < value < math.inf:
        raise OptionError.outside(name, value, "a finite number above 0", f"{name}=1e-8")


@dataclass(frozen=True)
class Adagrad:
    """Divides by the root of all squared gradients so far [1]_.

        sₜ₊₁ = sₜ + gₜ²,    wₜ₊₁ = wₜ - η gₜ / (√sₜ₊₁ + ε),    s₀ = 0

    ===  =====================================  ==================
    s    sum of squared gradients               (loss / unit of w)²
    g    ∂loss/∂w, of the shape of w            loss / unit of w
    η    learning rate                          unit of w
    ε    keeps the quotient finite              loss / unit of w
    ===  =====================================  ==================

    It is PyTorch's ``Adagrad(eps=ε)``.  No curvature bounds η.  A step costs O(size of w).

    References
    ----------
    .. [1] J. Duchi, E. Hazan, Y. Singer.  Adaptive subgradient methods for online learning and
       stochastic optimization.  Journal of Machine Learning Research 12, 2121-2159, 2011.

    Examples
    --------
    >>> rule = Adagrad()
    >>> w, state = rule.step(0.0, -120.0, rule.init(0.0), learning_rate=0.01)
    >>> round(w, 9), state
    (0.01, Squares(s=14400.0))
    """

    name: ClassVar[str] = "Adagrad"
    eps: float = 1e-10

    def __post_init__(self) -> None:
        check_positive("eps", self.eps)

    def init(self, w: Tensor) -> Squares:
        return Squares(0.0 * w)

    def step(
        self, w: Tensor, gradient: Tensor, state: Squares, learning_rate: float
    ) -> tuple[Tensor, Squares]:
        s = state.s + gradient * gradient
        return w - learning_rate * (gradient / (square_root(s) + self.eps)), Squares(s)

    def limit(self, smoothness: float) -> float:  # noqa: ARG002
        return math.inf


@dataclass(frozen=True)
class RMSprop:
    """Divides by the root of a running mean of squared gradients [1]_.

        sₜ₊₁ = α sₜ + (1 - α) gₜ²,    wₜ₊₁ = wₜ - η gₜ / (√sₜ₊₁ + ε),    s₀ = 0

    The symbols are those of :class:`Adagrad`; α is the share of s kept.  It is PyTorch's
    ``RMSprop(alpha=α, eps=ε)``.  No curvature bounds η.  A step costs O(size of w).

    References
    ----------
    .. [1] T. Tieleman, G. Hinton.  Lecture 6.5: rmsprop.  Neural Networks for Machine Learning,
       Coursera, 2012.

    Examples
    --------
    >>> rule = RMSprop()
    >>> w, state = rule.step(0.0, -120.0, rule.init(0.0), learning_rate=0.01)
    >>> round(w, 9)
    0.1
    """

    name: ClassVar[str] = "RMSprop"
    alpha: float = 0.99
    eps: float = 1e-8

    def __post_init__(self) -> None:
        check_share("alpha", self.alpha)
        check_positive("eps", self.eps)

    def init(self, w: Tensor) -> Squares:
        return Squares(0.0 * w)

    def step(
        self, w: Tensor, gradient: Tensor, state: Squares, learning_rate: float
    ) -> tuple[Tensor, Squares]:
        s = self.alpha * state.s + (1 - self.alpha) * gradient * gradient
        return w - learning_rate * (gradient / (square_root(s) + self.eps)), Squares(s)

    def limit(self, smoothness: float) -> float:  # noqa: ARG002
        return math.inf


@dataclass(frozen=True)
class Adam:
    """A running mean of gradients over the root of one of their squares [1]_.

        mₜ₊₁ = mₜ + (1 - β₁)(gₜ - mₜ),    sₜ₊₁ = β₂ sₜ + (1 - β₂) gₜ²,    m₀ = s₀ = 0
        wₜ₊₁ = wₜ - η m̂ / (√ŝ + ε),    m̂ = mₜ₊₁ / (1 - β₁ᵗ⁺¹),    ŝ = sₜ₊₁ / (1 - β₂ᵗ⁺¹)

    ===  =====================================  ==================
    m    mean of the gradients                  loss / unit of w
    s    mean of their squares                  (loss / unit of w)²
    β    shares of the two that are kept        1
    η    learning rate                          unit of w
    ε    keeps the quotient finite              loss / unit of w
    ===  =====================================  ==================

    It is PyTorch's ``Adam(betas=(β₁, β₂), eps=ε)``.  No curvature bounds η.  A step costs
    O(size of w).

    References
    ----------
    .. [1] D. P. Kingma, J. Ba.  Adam: a method for stochastic optimization.  International
       Conference on Learning Representations, 2015.  doi:10.48550/arXiv.1412.6980

    Examples
    --------
    >>> rule = Adam()
    >>> w, state = rule.step(0.0, -120.0, rule.init(0.0), learning_rate=0.01)
    >>> round(w, 9), state.steps
    (0.01, 1)
    """

    name: ClassVar[str] = "Adam"
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        for beta in self.betas:
            check_share("betas", beta)
        check_positive("eps", self.eps)

    def init(self, w: Tensor) -> Means:
        return Means(0.0 * w, 0.0 * w, 0)

    def step(
        self, w: Tensor, gradient: Tensor, state: Means, learning_rate: float
    ) -> tuple[Tensor, Means]:
        (first, second), steps = self.betas, state.steps + 1
        m = state.m + (1 - first) * (gradient - state.m)
        s = second * state.s + (1 - second) * gradient * gradient
        rate = learning_rate / (1 - first**steps)
        size = square_root(s) / math.sqrt(1 - second**steps) + self.eps
        return w - rate * (m / size), Means(m, s, steps)

    def limit(self, smoothness: float) -> float:  # noqa: ARG002
        return math.inf


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam, with the weights drawn towards 0 beside it [1]_.

        wₜ₊₁ = (1 - η λ) wₜ - η m̂ / (√ŝ + ε)

    The symbols are those of :class:`Adam`; λ is the decay, in 1 / unit of η.  It is PyTorch's
    ``AdamW(betas=(β₁, β₂), eps=ε, weight_decay=λ)``.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter.  Decoupled weight decay regularization.  International
       Conference on Learning Representations, 2019.  doi:10.48550/arXiv.1711.05101

    Examples
    --------
    >>> rule = AdamW(weight_decay=0.1)
    >>> w, state = rule.step(1.0, -120.0, rule.init(0.0), learning_rate=0.01)
    >>> round(w, 9)
    1.009
    """

    name: ClassVar[str] = "AdamW"
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.weight_decay < math.inf:
            wanted = "a finite number of at least 0"
            raise OptionError.outside(
                "weight_decay", self.weight_decay, wanted, "weight_decay=0.01"
            )

    def step(
        self, w: Tensor, gradient: Tensor, state: Means, learning_rate: float
    ) -> tuple[Tensor, Means]:
        shrunk = w * (1 - learning_rate * self.weight_decay)
        return super().step(shrunk, gradient, state, learning_rate)


DEFAULT_RATES: dict[type, float] = {Adagrad: 1e-2, RMSprop: 1e-2, Adam: 1e-3, AdamW: 1e-3}
"""The rates that PyTorch takes where none is given."""
