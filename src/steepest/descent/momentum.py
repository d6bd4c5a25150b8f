"""Rules that keep going: steps along a running sum of gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from ..errors import OptionError
from ..typing import Tensor


class Velocity(NamedTuple):
    """The state of a rule with momentum."""

    v: Tensor
    """The running sum of gradients, of the shape of w."""


def check_share(name: str, value: float) -> None:
    """Refuse what is no share of the past to keep: a number from 0 to below 1."""
    if not 0 <= value < 1:
        raise OptionError.outside(name, value, "a number from 0 to below 1", f"{name}=0.9")


@dataclass(frozen=True)
class Momentum:
    """Steps along a running sum of gradients, the heavy ball [1]_.

        vₜ₊₁ = m vₜ + gₜ,    wₜ₊₁ = wₜ - η vₜ₊₁,    v₀ = 0

    ===  =====================================  ==============
    m    momentum, the share of v kept          1
    v    running sum of gradients               loss / unit of w
    g    ∂loss/∂w, of the shape of w            loss / unit of w
    η    learning rate                          (unit of w)² / loss
    ===  =====================================  ==============

    On a quadratic of largest curvature L it settles exactly when η < 2 (1 + m)/L.  It is
    PyTorch's ``SGD(momentum=m)``.  A step costs O(size of w).

    References
    ----------
    .. [1] B. T. Polyak.  Some methods of speeding up the convergence of iteration methods.
       USSR Computational Mathematics and Mathematical Physics 4(5), 1-17, 1964.
       doi:10.1016/0041-5553(64)90137-5

    Examples
    --------
    >>> rule = Momentum(0.5)
    >>> w, state = 0.0, rule.init(0.0)
    >>> for _ in range(3):
    ...     w, state = rule.step(w, 60 * (w - 2), state, learning_rate=0.01)
    ...     print(f"{w:.3f}")
    1.200
    2.280
    2.652
    """

    name: ClassVar[str] = "gradient descent with momentum"
    momentum: float = 0.9

    def __post_init__(self) -> None:
        check_share("momentum", self.momentum)

    def init(self, w: Tensor) -> Velocity:
        return Velocity(0.0 * w)

    def step(
        self, w: Tensor, gradient: Tensor, state: Velocity, learning_rate: float
    ) -> tuple[Tensor, Velocity]:
        v = self.momentum * state.v + gradient
        return w - learning_rate * v, Velocity(v)

    def limit(self, smoothness: float) -> float:
        return 2 * (1 + self.momentum) / smoothness if smoothness else math.inf


@dataclass(frozen=True)
class Nesterov:
    """Momentum that looks ahead [1]_, as PyTorch writes it.

        vₜ₊₁ = m vₜ + gₜ,    wₜ₊₁ = wₜ - η (gₜ + m vₜ₊₁),    v₀ = 0

    The symbols are those of :class:`Momentum`.  On a quadratic of largest curvature L it settles
    exactly when η < 2 (1 + m)/((1 + 2m) L).  It is PyTorch's ``SGD(momentum=m, nesterov=True)``,
    and no momentum (m = 0) is gradient descent.  A step costs O(size of w).

    References
    ----------
    .. [1] Y. E. Nesterov.  A method for solving the convex programming problem with convergence
       rate O(1/k²).  Soviet Mathematics Doklady 27(2), 372-376, 1983.

    Examples
    --------
    >>> rule = Nesterov(0.5)
    >>> rule.step(0.0, -120.0, rule.init(0.0), learning_rate=0.01)
    (1.8, Velocity(v=-120.0))
    >>> f"{rule.limit(60.0):.3f}"
    '0.025'
    """

    name: ClassVar[str] = "Nesterov's gradient descent"
    momentum: float = 0.9

    def __post_init__(self) -> None:
        check_share("momentum", self.momentum)

    def init(self, w: Tensor) -> Velocity:
        return Velocity(0.0 * w)

    def step(
        self, w: Tensor, gradient: Tensor, state: Velocity, learning_rate: float
    ) -> tuple[Tensor, Velocity]:
        v = self.momentum * state.v + gradient
        return w - learning_rate * (gradient + self.momentum * v), Velocity(v)

    def limit(self, smoothness: float) -> float:
        m = self.momentum
        return 2 * (1 + m) / ((1 + 2 * m) * smoothness) if smoothness else math.inf
