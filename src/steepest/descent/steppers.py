"""Who makes the steps, and a rule of the house as one who does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from ..typing import Tensor
from .objective import Objective
from .rules import Limited, UpdateRule
from .schedules import CONSTANT, Schedule, describe_schedule, is_constant
from .trees import is_tree, leaves, ordered, rebuild


class Stepper(Protocol):
    """Steps whole weights, trees and all, on the objective they are stepped for."""

    @property
    def learning_rate(self) -> float | None:
        """The rate η; None where the optimiser has its own."""

    @property
    def rule(self) -> Limited:
        """What the judge asks for limits, and a sentence for a name."""

    def at(self, epoch: int) -> Stepper:
        """Return the stepper for the step that follows that epoch, its rate the scheduled one."""

    def init(self, w: Tensor) -> Any:
        """Return the state before the first step."""

    def step(
        self, objective: Objective, w: Tensor, loss: float, gradient: Tensor, state: Any
    ) -> tuple[Tensor, Any]:
        """Return the next weights and state."""

    def settings(self, w: Tensor) -> Any:
        """Return what can be known of how it steps, in plain containers."""

    def saved(self, state: Any) -> Any:
        """Return a copy of the state, in plain containers."""

    def restored(self, w: Tensor, saved: Any) -> Any:
        """Return the state that was saved."""


@dataclass(frozen=True)
class Ruled:
    """A rule at a rate, applied to each leaf of the weights.

    With a penalty ``l1`` on the sum of their sizes, what a step gives is drawn towards 0 by η l1,
    and what lies nearer becomes 0: proximal gradient descent [1]_.  ``l1`` is a number, or for a
    single leaf an array of them, or a pair: what counts below 0, infinite where nothing may lie
    there, and above.

    References
    ----------
    .. [1] I. Daubechies, M. Defrise, C. De Mol.  An iterative thresholding algorithm for linear
       inverse problems with a sparsity constraint.  Communications on Pure and Applied
       Mathematics 57(11), 1413-1457, 2004.  doi:10.1002/cpa.20042

    Examples
    --------
    >>> from steepest.descent.rules import RULES
    >>> stepper = Ruled(RULES["gradient-descent"], 0.1)
    >>> w = {"a": 1.0, "b": [2.0]}
    >>> stepper.step(None, w, 0.0, {"a": 1.0, "b": [5.0]}, stepper.init(w))[0]
    {'a': 0.9, 'b': [1.5]}
    """

    rule: UpdateRule[Any]
    learning_rate: float
    schedule: Schedule = CONSTANT
    l1: Any = 0.0

    def at(self, epoch: int) -> Ruled:
        if is_constant(self.schedule):
            return self
        return replace(self, learning_rate=self.learning_rate * self.schedule.factor(epoch))

    def init(self, w: Tensor) -> Any:
        return [self.rule.init(leaf) for leaf in leaves(w)] if is_tree(w) else self.rule.init(w)

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def step(
        self,
        objective: Objective,  # noqa: ARG002
        w: Tensor,
        loss: float,  # noqa: ARG002
        gradient: Tensor,
        state: Any,
    ) -> tuple[Tensor, Any]:
        if not is_tree(w):
            return self._step(w, gradient, state)
        triples = zip(leaves(w), leaves(ordered(w, gradient)), state, strict=True)
        stepped = [self._step(*triple) for triple in triples]
        return rebuild(w, [one for one, _ in stepped]), [after for _, after in stepped]

    def _step(self, w: Tensor, gradient: Tensor, state: Any) -> tuple[Tensor, Any]:
        w, state = self.rule.step(w, gradient, state, self.learning_rate)
        if isinstance(self.l1, tuple):
            return shrink(w, tuple(_reach(one, self.learning_rate) for one in self.l1)), state
        return (shrink(w, self.learning_rate * self.l1) if np.any(self.l1) else w), state

    def settings(self, w: Tensor) -> Any:  # noqa: ARG002
        text = repr(self.rule)
        text = type(self.rule).__qualname__ if " at 0x" in text else text
        if not is_constant(self.schedule):
            text += f", {describe_schedule(self.schedule)}"
        return f"{text}, l1 = {self.l1}" if np.any(self.l1) else text

    def saved(self, state: Any) -> Any:
        return leaves(state)

    def restored(self, w: Tensor, saved: Any) -> Any:
        return rebuild(self.init(w), saved)


def shrink(w: Tensor, by: Any) -> Tensor:
    """Return w drawn towards 0 by so much, and 0 where it lies nearer: the soft threshold.

    >>> shrink(np.array([3.0, -0.5, -2.0]), 1.0)
    array([ 2.,  0., -1.])
    >>> shrink(np.array([3.0, -0.5, -2.0]), (np.inf, 1.0))
    array([2., 0., 0.])
    """
    below, above = by if isinstance(by, tuple) else (by, by)
    return w - (min(max(w, -below), above) if isinstance(w, float) else w.clip(-below, above))


def _reach(penalty: Any, rate: float) -> Any:
    """How far a step draws; as far as it may be where nothing may lie there, at a rate of 0 too."""
    return np.where(np.isinf(penalty), penalty, rate * penalty)
