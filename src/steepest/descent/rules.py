"""How one step follows another: pure rules, whose memory is a value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar, runtime_checkable

from ..errors import OptionError
from ..typing import Tensor
from .adaptive import Adagrad, Adam, AdamW, RMSprop
from .momentum import Momentum, Nesterov

State = TypeVar("State")


class Limited(Protocol):
    """What a descent has to know of the one who steps it."""

    @property
    def name(self) -> str:
        """The rule as a sentence has it: ``gradient descent``."""

    def limit(self, smoothness: float) -> float:
        """Return the largest stable rate where no curvature exceeds ``smoothness``."""


@runtime_checkable
class UpdateRule(Protocol[State]):
    """A pair of pure functions: what to remember at first, and how to step.

    With the gradient gₜ at wₜ and the learning rate η:

        s₀ = init(w₀),    wₜ₊₁, sₜ₊₁ = step(wₜ, gₜ, sₜ, η)

    The weights w may be a float, an ndarray, a ``torch.Tensor`` or an array of JAX; the gradient
    is of the same type and shape, in units of loss / unit of w.  Trees of weights are stepped
    leaf by leaf.  A rule changes none of its arguments, and its state is a NamedTuple, so that a
    descent can be saved, and resumed as if it had never stopped.
    """

    @property
    def name(self) -> str:
        """The rule as a sentence has it: ``gradient descent``."""

    def init(self, w: Tensor) -> State:
        """Return the state before the first step."""

    def step(
        self, w: Tensor, gradient: Tensor, state: State, learning_rate: float
    ) -> tuple[Tensor, State]:
        """Return the next weights and the next state, both new."""

    def limit(self, smoothness: float) -> float:
        """Return the largest stable rate where no curvature exceeds ``smoothness``."""


class NoMemory(NamedTuple):
    """The state of a rule that remembers nothing."""


@dataclass(frozen=True)
class GradientDescent:
    """Steps straight down the slope, by a fixed rate.

        wₜ₊₁ = wₜ - η gₜ

    ===  =====================================  ==============
    w    weights, of any shape                  unit of w
    g    ∂loss/∂w, of the shape of w            loss / unit of w
    η    learning rate                          (unit of w)² / loss
    L    smoothness, the largest curvature      loss / (unit of w)²
    ===  =====================================  ==============

    Along a direction of curvature h the error is multiplied by 1 - η h at every step, so
    the descent settles exactly when η < 2/L [1]_.  A step costs O(size of w).

    References
    ----------
    .. [1] B. T. Polyak.  Gradient methods for the minimisation of functionals.  USSR
       Computational Mathematics and Mathematical Physics 3(4), 864-878, 1963.
       doi:10.1016/0041-5553(63)90382-3

    Examples
    --------
    Down 30 (w - 2)², whose curvature is 60; each step leaves 1 - 0.01 · 60 = 0.4 of the error:

    >>> rule = GradientDescent()
    >>> w, state = 0.0, rule.init(0.0)
    >>> for _ in range(3):
    ...     w, state = rule.step(w, 60 * (w - 2), state, learning_rate=0.01)
    ...     print(f"{w:.3f}")
    1.200
    1.680
    1.872
    """

    name: ClassVar[str] = "gradient descent"

    def init(self, w: Tensor) -> NoMemory:  # noqa: ARG002
        return NoMemory()

    def step(
        self, w: Tensor, gradient: Tensor, state: NoMemory, learning_rate: float
    ) -> tuple[Tensor, NoMemory]:
        return w - learning_rate * gradient, state

    def limit(self, smoothness: float) -> float:
        return 2.0 / smoothness if smoothness else math.inf


def find_rule(rule: str | UpdateRule[Any]) -> UpdateRule[Any]:
    """Return the rule of that name; a rule itself is returned as it is.

    Parameters
    ----------
    rule : str or UpdateRule
        A key of ``RULES``, or anything with ``name``, ``init``, ``step`` and ``limit``.

    Raises
    ------
    OptionError
        It is neither; says which names there are.

    Examples
    --------
    >>> find_rule("gradient-descent").limit(60.0)
    0.03333333333333333
    """
    if isinstance(rule, str) and rule in RULES:
        return RULES[rule]
    if isinstance(rule, UpdateRule) and not isinstance(rule, type):
        return rule
    raise OptionError.unknown("rule", rule, list(RULES))


RULES: dict[str, UpdateRule[Any]] = {
    "gradient-descent": GradientDescent(),
    "momentum": Momentum(),
    "nesterov": Nesterov(),
    "adagrad": Adagrad(),
    "rmsprop": RMSprop(),
    "adam": Adam(),
    "adamw": AdamW(),
}
