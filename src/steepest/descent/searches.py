"""Solvers that choose direction and length of each step themselves, by searches along lines."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, TypeGuard

import numpy as np

from ..errors import OptionError
from ..typing import Tensor
from .objective import Objective
from .trees import is_tree, leaves, map_leaves, ordered, rebuild

DESCENT = 1e-4
"""The share of the fall promised by the slope that a step has to bring."""

NOISE = 2.0**-49
"""A rise of the loss by this share of it is rounding."""

TRIALS = 40
"""Evaluations of one search, at the most."""


class Memory(NamedTuple):
    """What a solver remembers: steps, what they did to the gradient, and the last of each."""

    moves: list[list[Tensor]]
    """Steps, the oldest first, each as its leaves."""
    turns: list[list[Tensor]]
    """The change of the gradient by each."""
    gradient: list[Tensor]
    direction: list[Tensor]
    length: float
    """The last step was ``direction`` times this."""


class Solver(Protocol):
    """Where to search next."""

    @property
    def name(self) -> str:
        """The solver as a sentence has it."""

    @property
    def flatness(self) -> float:
        """The share of the slope that may be left at the end of a search."""

    @property
    def kept(self) -> int:
        """Steps that are remembered."""

    def direction(self, gradient: list[Tensor], memory: Memory) -> list[Tensor]:
        """Return a direction from what is remembered."""

    def first_length(self, slope: float, memory: Memory, last_slope: float) -> float:
        """Return the length to try first."""


@dataclass(frozen=True)
class ConjugateGradient:
    """Each direction conjugate to those before, by Polak and Ribière's formula [1]_.

        dₜ = -gₜ + max(0, gₜ·(gₜ - gₜ₋₁) / gₜ₋₁·gₜ₋₁) dₜ₋₁,    wₜ₊₁ = wₜ + a dₜ

    The length a meets the strong conditions of Wolfe.  On a quadratic of q weights it is at the
    optimum after q steps, but for rounding.  A step costs O(size of w) and a few evaluations.

    References
    ----------
    .. [1] E. Polak, G. Ribière.  Note sur la convergence de méthodes de directions conjuguées.
       Revue française d'informatique et de recherche opérationnelle 3(16), 35-43, 1969.
    """

    name: ClassVar[str] = "conjugate gradient"
    flatness: ClassVar[float] = 1e-3
    kept: ClassVar[int] = 1

    def direction(self, gradient: list[Tensor], memory: Memory) -> list[Tensor]:
        turn = [one - last for one, last in zip(gradient, memory.gradient, strict=True)]
        share = max(0.0, _dot(gradient, turn) / _dot(memory.gradient, memory.gradient))
        return [share * d - g for d, g in zip(memory.direction, gradient, strict=True)]

    def first_length(self, slope: float, memory: Memory, last_slope: float) -> float:
        return memory.length * last_slope / slope


@dataclass(frozen=True)
class LBFGS:
    """Newton's direction, from the curvature that the last ``memory`` steps have met [1]_.

    The length meets the strong conditions of Wolfe, as PyTorch's
    ``LBFGS(line_search_fn="strong_wolfe")`` has it.  A step costs O(memory · size of w) and an
    evaluation or two.

    References
    ----------
    .. [1] D. C. Liu, J. Nocedal.  On the limited memory BFGS method for large scale optimization.
       Mathematical Programming 45, 503-528, 1989.  doi:10.1007/BF01589116
    """

    name: ClassVar[str] = "L-BFGS"
    flatness: ClassVar[float] = 0.9
    memory: int = 10

    def __post_init__(self) -> None:
        if isinstance(self.memory, bool) or not isinstance(self.memory, int) or self.memory < 1:
            wanted = "a whole number of at least 1"
            raise OptionError.outside("memory", self.memory, wanted, "memory=10")

    @property
    def kept(self) -> int:
        return self.memory

    def direction(self, gradient: list[Tensor], memory: Memory) -> list[Tensor]:
        d = [-leaf for leaf in gradient]
        pairs = list(zip(memory.moves, memory.turns, strict=True))
        if not pairs:
            return d
        shares = []
        for move, turn in reversed(pairs):
            share = _dot(move, d) / _dot(move, turn)
            shares.append(share)
            d = [leaf - share * by for leaf, by in zip(d, turn, strict=True)]
        size = _dot(*pairs[-1]) / _dot(pairs[-1][1], pairs[-1][1])
        d = [size * leaf for leaf in d]
        for (move, turn), share in zip(pairs, reversed(shares), strict=True):
            back = share - _dot(turn, d) / _dot(move, turn)
            d = [leaf + back * by for leaf, by in zip(d, move, strict=True)]
        return d

    def first_length(self, slope: float, memory: Memory, last_slope: float) -> float:  # noqa: ARG002
        return 1.0


SOLVERS: dict[str, ConjugateGradient | LBFGS] = {
    "conjugate-gradient": ConjugateGradient(),
    "l-bfgs": LBFGS(),
}


def is_solver(rule: object) -> TypeGuard[Solver]:
    """Whether this is a solver, by name or itself."""
    return isinstance(rule, ConjugateGradient | LBFGS) or (
        isinstance(rule, str) and rule in SOLVERS
    )


class Point(NamedTuple):
    """A place on the line."""

    length: float
    loss: float
    slope: float


@dataclass(frozen=True)
class Searched:
    """A solver as a stepper: one search an epoch.

    >>> class Bowl:
    ...     def value_and_gradient(self, w):
    ...         return float(w @ w) + w[0] * w[1], 2 * w + w[::-1]
    >>> stepper, w = Searched(ConjugateGradient()), np.array([3.0, 1.0])
    >>> state = stepper.init(w)
    >>> for _ in range(2):
    ...     w, state = stepper.step(Bowl(), w, *Bowl().value_and_gradient(w), state)
    >>> bool(abs(w).max() < 1e-9)
    True
    """

    solver: Solver
    learning_rate: ClassVar[None] = None

    @property
    def rule(self) -> Any:
        return Unlimited(self.solver.name)

    def at(self, epoch: int) -> Searched:  # noqa: ARG002
        """Return the stepper of that epoch: itself."""
        return self

    def init(self, w: Tensor) -> Memory | None:  # noqa: ARG002
        """Nothing yet."""
        return None

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def step(
        self, objective: Objective, w: Tensor, loss: float, gradient: Tensor, state: Memory | None
    ) -> tuple[Tensor, Memory | None]:
        slope_at = _leaves(w, gradient)
        steepest = [-leaf for leaf in slope_at]
        direction = steepest if state is None else self.solver.direction(slope_at, state)
        slope = _dot(direction, slope_at)
        if state is not None and not slope < 0:
            direction, state = steepest, None
            slope = _dot(direction, slope_at)
        if not -math.inf < slope < 0:
            return w, None
        if state is None:
            first = min(1.0, 1.0 / math.sqrt(-slope))
        else:
            first = self.solver.first_length(slope, state, _dot(state.direction, state.gradient))
        seen: dict[float, tuple[Tensor, list[Tensor]]] = {}

        def look(length: float) -> Point:
            moved = _moved(w, direction, length)
            try:
                value, there = objective.value_and_gradient(moved)
            except OverflowError:
                return Point(length, math.inf, math.nan)
            found = _leaves(w, there)
            seen.clear()
            seen[length] = moved, found
            return Point(length, float(value), _dot(direction, found))

        length = search(look, Point(0.0, loss, slope), first, self.solver.flatness)
        if not length:
            return w, None
        if length not in seen:
            look(length)
        moved, after = seen[length]
        return moved, self._remember(state, slope_at, after, direction, length)

    def _remember(
        self,
        state: Memory | None,
        before: list[Tensor],
        after: list[Tensor],
        direction: list[Tensor],
        length: float,
    ) -> Memory:
        move = [length * leaf for leaf in direction]
        turn = [new - old for new, old in zip(after, before, strict=True)]
        moves, turns = ([], []) if state is None else (state.moves, state.turns)
        if _dot(move, turn) > 0:
            moves, turns = ([*was, new][-self.solver.kept :] for was, new in
                            ((moves, move), (turns, turn)))  # fmt: skip
        return Memory(moves, turns, before, direction, length)

    def settings(self, w: Tensor) -> Any:  # noqa: ARG002
        return repr(self.solver)

    def saved(self, state: Memory | None) -> Any:
        return None if state is None else [*state]

    def restored(self, w: Tensor, saved: Any) -> Memory | None:  # noqa: ARG002
        return None if saved is None else Memory(*saved)


class Unlimited(NamedTuple):
    """What has no limit of rates, and a name."""

    name: str

    def limit(self, smoothness: float) -> float:  # noqa: ARG002
        """Return the largest stable rate: none."""
        return math.inf


def search(look: Callable[[float], Point], start: Point, first: float, flatness: float) -> float:
    """Return a length that meets the strong conditions of Wolfe [1]_; 0 where there is none.

    The loss is then below the line from the start with a share of its slope, and the slope's
    size is at most ``flatness`` of that at the start.

    References
    ----------
    .. [1] J. Nocedal, S. J. Wright.  Numerical Optimization, 2nd ed., algorithms 3.5 and 3.6.
       Springer, 2006.  doi:10.1007/978-0-387-40065-5
    """
    noise = NOISE * abs(start.loss)
    low, high = start, None
    length, best = first, start
    for _ in range(TRIALS):
        if not 0 < length < math.inf:
            break
        at = look(length)
        allowed = start.loss + DESCENT * length * start.slope + noise
        good = math.isfinite(at.loss) and math.isfinite(at.slope) and at.loss <= allowed
        if good and abs(at.slope) <= flatness * -start.slope:
            return length
        if good and at.loss <= best.loss + noise:
            best = at
        if (
            not good
            or (at.slope > 0 and high is None)
            or at.loss > low.loss + noise
            or at.slope > 0
        ):
            high = at
        else:
            low = at
        if high is None:
            length = min(max(_flat(start, at) or 4 * length, 1.5 * length), 16 * length)
            continue
        width = high.length - low.length
        if width <= NOISE * high.length:
            break
        inner = _flat(low, high) if math.isfinite(high.slope) else None
        length = low.length + width / 2
        if inner is not None and math.isfinite(inner):
            length = min(max(inner, low.length + 0.05 * width), high.length - 0.05 * width)
    return best.length


def _flat(one: Point, other: Point) -> float | None:
    """Where the slope would be 0 if it were a straight line between two points."""
    turned = other.slope - one.slope
    if not turned > 0:
        return None
    return one.length - one.slope * (other.length - one.length) / turned


def _leaves(w: Tensor, gradient: Tensor) -> list[Tensor]:
    return leaves(ordered(w, gradient)) if is_tree(w) else [gradient]


def _moved(w: Tensor, direction: list[Tensor], length: float) -> Tensor:
    if not is_tree(w):
        return w + length * direction[0]
    return map_leaves(lambda leaf, by: leaf + length * by, w, rebuild(w, direction))


def _dot(one: list[Tensor], other: list[Tensor]) -> float:
    products = ((a * b) for a, b in zip(one, other, strict=True))
    return math.fsum(float(p if isinstance(p, float) else p.sum()) for p in products)
