"""How one step follows another: pure rules, whose memory is a value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar, runtime_checkable

from ..errors import OptionError
from ..typing import Tensor
from .adaptive import Adagrad, Adam, AdamW, RMSprop
from .momentum import Momentum, Nesterov, Rows
from .searches import SOLVERS, is_solver

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


@runtime_checkable
class LinearRule(UpdateRule[State], Protocol):
    """A rule whose step is linear in the weights, the gradient and its memory.

    On a quadratic each direction then moves on its own, by one 2 × 2 matrix, and every epoch
    has a closed form.
    """

    @property
    def momentum(self) -> float:
        """The share m of the past that is kept, 0 for none."""

    @property
    def limit_formula(self) -> str:
        """The limit in words: ``2/L``."""

    def transition(self, x: Any) -> Rows:
        """How (error, η v) changes in a step along a direction of curvature h, x = η h."""

    def best(self, smallest: float, largest: float) -> float:
        """Return the rate with the best worst case over curvatures between these two."""

    def tuned(self, smallest: float, largest: float) -> LinearRule[Any]:
        """Return the rule with the momentum of the best worst case."""


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
    limit_formula: ClassVar[str] = "2/L"
    momentum: ClassVar[float] = 0.0

    def init(self, w: Tensor) -> NoMemory:  # noqa: ARG002
        return NoMemory()

    def step(
        self, w: Tensor, gradient: Tensor, state: NoMemory, learning_rate: float
    ) -> tuple[Tensor, NoMemory]:
        return w - learning_rate * gradient, state

    def limit(self, smoothness: float) -> float:
        return 2.0 / smoothness if smoothness else math.inf

    def transition(self, x: Any) -> Rows:
        """How the error changes in a step along a direction of curvature h, x = η h."""
        return (1 - x, 0 * x), (0 * x, 0 * x)

    def best(self, smallest: float, largest: float) -> float:
        """Return the rate with the best worst case over curvatures between these two."""
        return 2 / (smallest + largest)

    def tuned(self, smallest: float, largest: float) -> GradientDescent:  # noqa: ARG002
        """Return the rule itself, which has no momentum to choose."""
        return self


PLAIN = GradientDescent()


def find_rule(rule: Any) -> Any:
    """Return the rule or solver of that name; one itself is returned as it is.

    Parameters
    ----------
    rule : str, UpdateRule or Solver
        A key of ``RULES`` or ``SOLVERS``, or anything with ``name``, ``init``, ``step`` and
        ``limit``.

    Raises
    ------
    OptionError
        It is neither; says which names there are.

    Examples
    --------
    >>> find_rule("gradient-descent").limit(60.0)
    0.03333333333333333
    """
    if isinstance(rule, str) and rule in {**RULES, **SOLVERS}:
        return {**RULES, **SOLVERS}[rule]
    if (isinstance(rule, UpdateRule) and not isinstance(rule, type)) or is_solver(rule):
        return rule
    raise OptionError.unknown("rule", rule, [*RULES, *SOLVERS])


RULES: dict[str, UpdateRule[Any]] = {
    "gradient-descent": PLAIN,
    "momentum": Momentum(),
    "nesterov": Nesterov(),
    "adagrad": Adagrad(),
    "rmsprop": RMSprop(),
    "adam": Adam(),
    "adamw": AdamW(),
}
