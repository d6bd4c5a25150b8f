"""Rules that keep going: steps along a running sum of gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from ..errors import OptionError
from ..typing import Tensor

Rows = tuple[tuple[Any, Any], tuple[Any, Any]]
"""A 2 × 2 matrix, its entries numbers or arrays of any kind."""


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

    With ℓ the smallest curvature, the best worst case at this m is η = 2 (1 + m)/(L + ℓ), and of
    all m it is m = ((√L - √ℓ)/(√L + √ℓ))², η = 4/(√L + √ℓ)², which leaves √m an epoch [1]_.

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
    limit_formula: ClassVar[str] = "2(1 + m)/L"
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

    def transition(self, x: Any) -> Rows:
        """How (error, η v) changes in a step along a direction of curvature h, x = η h."""
        m = 0 * x + self.momentum
        return (1 - x, -m), (x, m)

    def best(self, smallest: float, largest: float) -> float:
        """Return the rate with the best worst case over curvatures between these two."""
        return 2 * (1 + self.momentum) / (smallest + largest)

    def tuned(self, smallest: float, largest: float) -> Momentum:
        """Return the rule with the momentum of the best worst case."""
        low, high = math.sqrt(smallest), math.sqrt(largest)
        return Momentum(((high - low) / (high + low)) ** 2)


@dataclass(frozen=True)
class Nesterov:
    """Momentum that looks ahead [1]_, as PyTorch writes it.

        vₜ₊₁ = m vₜ + gₜ,    wₜ₊₁ = wₜ - η (gₜ + m vₜ₊₁),    v₀ = 0

    The symbols are those of :class:`Momentum`.  On a quadratic of largest curvature L it settles
    exactly when η < 2 (1 + m)/((1 + 2m) L).  It is PyTorch's ``SGD(momentum=m, nesterov=True)``,
    and no momentum (m = 0) is gradient descent.  A step costs O(size of w).

    With κ = L/ℓ, ℓ the smallest curvature, the best worst case of all m has
    m = (√(3κ + 1) - 2)/(√(3κ + 1) + 2) and η = 4/(3L + ℓ), which leaves 1 - 2/√(3κ + 1) an
    epoch [2]_.

    References
    ----------
    .. [1] Y. E. Nesterov.  A method for solving the convex programming problem with convergence
       rate O(1/k²).  Soviet Mathematics Doklady 27(2), 372-376, 1983.
    .. [2] L. Lessard, B. Recht, A. Packard.  Analysis and design of optimization algorithms via
       integral quadratic constraints.  SIAM Journal on Optimization 26(1), 57-95, 2016.
       doi:10.1137/15M1009597

    Examples
    --------
    >>> rule = Nesterov(0.5)
    >>> rule.step(0.0, -120.0, rule.init(0.0), learning_rate=0.01)
    (1.8, Velocity(v=-120.0))
    >>> f"{rule.limit(60.0):.3f}"
    '0.025'
    """

    name: ClassVar[str] = "Nesterov's gradient descent"
    limit_formula: ClassVar[str] = "2(1 + m)/((1 + 2m) L)"
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

    def transition(self, x: Any) -> Rows:
        """How (error, η v) changes in a step along a direction of curvature h, x = η h."""
        m = 0 * x + self.momentum
        return (1 - x - m * x, -(m * m)), (x, m)

    def best(self, smallest: float, largest: float) -> float:
        """Return the rate with the best worst case over curvatures between these two.

        Where x = η h is below 1 more of it is better, above it less: the two ends meet, and are
        found by bisection.
        """
        low, high = 1 / largest, min(self.limit(largest), 1 / smallest)
        while low < (middle := (low + high) / 2) < high:
            steep, flat = decay(self, middle * largest), decay(self, middle * smallest)
            low, high = (low, middle) if steep > flat else (middle, high)
        return high if low == 1 / largest else low

    def tuned(self, smallest: float, largest: float) -> Nesterov:
        """Return the rule with the momentum of the best worst case."""
        root = math.sqrt(3 * largest / smallest + 1)
        return Nesterov((root - 2) / (root + 2))


class Moving(Protocol):
    """A rule that moves each direction of a quadratic by a 2 × 2 matrix."""

    def transition(self, x: Any) -> Rows:
        """How (error, η v) changes in a step along a direction of curvature h, x = η h."""


def decay(rule: Moving, x: float) -> float:
    """Return log ρ, by which a rule shrinks errors an epoch in the long run; accurate near 0.

    ρ is the larger size of the two roots of z² - b z + c, the characteristic polynomial.  Its
    value at 1 is x and at -1 is 1 + b + c: the products of the roots' distances from there, of
    which the larger root's is the smaller.

    >>> math.exp(decay(Momentum(0.0), 0.25)), math.exp(decay(Momentum(0.81), 1.0))
    (0.75, 0.9)
    """
    (p, q), (r, s) = rule.transition(x)
    b, c = p + s, p * s - q * r
    inside = b * b - 4 * c
    if inside < 0:
        return math.log(c) / 2
    if math.isinf(inside):
        return math.log(abs(b))
    distance = 2 * (x if b >= 0 else 1 + b + c) / (2 - abs(b) + math.sqrt(inside))
    return math.log1p(-distance) if distance < 1 else -math.inf
