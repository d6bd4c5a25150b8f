"""Optimisers of PyTorch and optax that are handed in, and the choice of who makes the steps."""

from __future__ import annotations

import copy
import inspect
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import OptionError, SteepestWarning
from ..typing import Tensor
from .compiled import scored
from .objective import Objective, takes
from .rules import GradientDescent, Limited, UpdateRule, find_rule
from .schedules import CONSTANT, Schedule, is_constant
from .searches import Searched, Unlimited, is_solver
from .steppers import Ruled, Stepper
from .trees import is_tree, leaves, map_leaves, ordered, rebuild


@dataclass(frozen=True)
class ByTorch:
    """An optimiser of PyTorch, over parameters that are the descent's own.

    Attributes
    ----------
    optimiser : torch.optim.Optimizer
        Steps the parameters in place; its state is its own.
    parameters : sequence of tensor
        One for each leaf of the weights, in that order.
    """

    optimiser: Any
    parameters: Sequence[Any]
    learning_rate: None = field(default=None, init=False)

    @property
    def rule(self) -> Limited:
        return Unlimited(f"torch.optim.{type(self.optimiser).__name__}")

    def at(self, epoch: int) -> ByTorch:  # noqa: ARG002
        return self

    def init(self, w: Tensor) -> Any:
        """Nothing: the optimiser remembers."""

    def step(
        self, objective: Objective, w: Tensor, loss: float, gradient: Tensor, state: Any
    ) -> tuple[Tensor, Any]:
        torch: Any = sys.modules["torch"]
        with torch.no_grad():
            for parameter, leaf in zip(self.parameters, leaves(w), strict=True):
                parameter.copy_(leaf)
        known: list[tuple[float, Tensor]] = [(loss, gradient)]

        def closure() -> Any:
            found, slope = known.pop() if known else objective.value_and_gradient(self._now(w))
            for parameter, leaf in zip(self.parameters, leaves(slope), strict=True):
                parameter.grad = leaf.clone()
            return torch.tensor(found, dtype=torch.float64)

        if takes(self.optimiser.step, 1):
            self.optimiser.step(closure)
        else:
            closure()
            self.optimiser.step()
        return self._now(w), state

    def settings(self, w: Tensor) -> Any:
        return self.saved(self.init(w))

    def saved(self, state: Any) -> Any:  # noqa: ARG002
        return copy.deepcopy(self.optimiser.state_dict())

    def restored(self, w: Tensor, saved: Any) -> Any:  # noqa: ARG002
        self.optimiser.load_state_dict(saved)
        # That casts what is remembered to the type of the weights; here it is, bit for bit.
        names = [name for group in saved["param_groups"] for name in group["params"]]
        for name, parameter in zip(names, _stepped(self.optimiser), strict=True):
            if name in saved["state"]:
                self.optimiser.state[parameter] = saved["state"][name]

    def _now(self, w: Tensor) -> Tensor:
        found = [parameter.detach().clone() for parameter in self.parameters]
        return rebuild(w, found) if is_tree(w) else found[0]


class ByOptax:
    """A gradient transformation of optax, on arrays of JAX; its updates are compiled.

    Those that ask for more than the gradient, such as ``optax.lbfgs``, are told the loss, the
    gradient and the loss as a function of w.
    """

    learning_rate = None
    rule: Limited = Unlimited("optax")

    def __init__(self, transformation: Any) -> None:
        self._transformation = transformation
        self._step: Any = None

    def at(self, epoch: int) -> ByOptax:  # noqa: ARG002
        return self

    def init(self, w: Tensor) -> Any:
        return self._transformation.init(w)

    def step(
        self, objective: Any, w: Tensor, loss: float, gradient: Tensor, state: Any
    ) -> tuple[Tensor, Any]:
        self._step = self._step or self._compiled(objective)
        value = sys.modules["jax"].numpy.asarray(loss, dtype=leaves(w)[0].dtype)
        rows = objective.x, objective.y
        moved, after = self._step(gradient, state, w, value, *rows)
        return ordered(w, moved), after

    def settings(self, w: Tensor) -> Any:
        return self.saved(self.init(w)), self._probed(w)

    def saved(self, state: Any) -> Any:
        return sys.modules["jax"].tree_util.tree_leaves(state)

    def restored(self, w: Tensor, saved: Any) -> Any:
        util: Any = sys.modules["jax"].tree_util
        return util.tree_unflatten(util.tree_structure(self.init(w)), saved)

    def _compiled(self, objective: Any) -> Any:
        """Return a compiled step, in which the rows are arguments."""
        update, extra = self._transformation.update, self._asks_more()
        score = getattr(objective, "score", None) or scored(objective.forward, objective.loss)

        def step(
            gradient: Tensor, state: Any, w: Tensor, value: Tensor, x: Tensor, y: Tensor
        ) -> tuple[Tensor, Any]:
            told = {"value": value, "grad": gradient, "value_fn": lambda w: score(w, x, y)}
            updates, after = update(gradient, state, w, **(told if extra else {}))
            moved = map_leaves(lambda leaf, by: (leaf + by).astype(leaf.dtype), w, updates)
            return moved, after

        return sys.modules["jax"].jit(step)

    def _asks_more(self) -> bool:
        kinds = {p.kind for p in inspect.signature(self._transformation.update).parameters.values()}
        return inspect.Parameter.VAR_KEYWORD in kinds

    def _probed(self, w: Tensor) -> list[str]:
        """Return the range of two updates, in which rates and shares show that no state holds.

        The gradients are those of s/2 |w + 1 - start|² at the start: all s, which is 1, then 1000.
        """
        jax: Any = sys.modules["jax"]
        extra = self._asks_more()

        def step(w: Tensor, state: Any, size: Tensor) -> Any:
            def value_fn(at: Tensor) -> Tensor:
                pairs = zip(leaves(ordered(w, at)), leaves(w), strict=True)
                return size / 2 * sum(((now - start + 1) ** 2).sum() for now, start in pairs)

            slope = map_leaves(lambda leaf: jax.numpy.full_like(leaf, size), w)
            told = {"value": value_fn(w), "grad": slope, "value_fn": value_fn}
            return self._transformation.update(slope, state, w, **(told if extra else {}))

        probe, state, found = jax.jit(step), self.init(w), list[str]()
        kind = leaves(w)[0].dtype
        for size in (1, 1000):
            try:
                updates, state = probe(w, state, jax.numpy.asarray(size, kind))
            except Exception as error:  # whatever a user's own asks of its gradients
                return [*found, type(error).__name__]
            arrays = [np.asarray(leaf, dtype=np.float64) for leaf in leaves(ordered(w, updates))]
            found += [f"{one.min():.4g} {one.max():.4g}" for one in arrays if one.size]
        return found


def is_handed_in(rule: object) -> bool:
    """Whether a rule is an optimiser of PyTorch or optax, or a function that makes one."""
    ours = isinstance(rule, str | type | UpdateRule) or is_solver(rule)
    return not ours and (callable(rule) or _is_optimiser(rule) or _transforms(rule))


def find_stepper(
    rule: Any,
    learning_rate: float | None,
    handles: Sequence[tuple[Any, Any]],
    kind: str,
    *,
    schedule: Schedule = CONSTANT,
    l1: float = 0.0,
) -> Stepper:
    """Return what makes the steps.

    Parameters
    ----------
    rule : str, UpdateRule, Solver, optimiser or callable
        As ``descend`` takes it.
    learning_rate : float or None
        None exactly for solvers and what is handed in.
    handles : sequence of (caller's tensor, own tensor)
        For each leaf of the weights; for tensors of PyTorch only.
    kind : str
        ``numpy``, ``torch`` or ``jax``.
    schedule : Schedule, optional
        Of the rate.
    l1 : float, optional
        Penalty on the sum of the weights' sizes, by proximal steps.

    Raises
    ------
    OptionError
        The rule is unknown, of another library than the weights, steps other tensors, or does
        not go with a schedule or a penalty.
    """
    handed_in = is_handed_in(rule)
    found = rule if handed_in else find_rule(rule)
    named = getattr(found, "name", type(found).__name__)
    if handed_in or is_solver(found):
        if not is_constant(schedule):
            raise OptionError.rateless("schedule", named)
        if l1:
            raise OptionError.not_proximal(named)
    if is_solver(found):
        return Searched(found)
    if not handed_in:
        assert learning_rate is not None
        if l1:
            check_proximal(found)
        return Ruled(found, float(learning_rate), schedule, float(l1))
    wanted = "jax" if _transforms(rule) else "torch"
    if kind != wanted:
        raise OptionError.other_library(type(rule).__name__, wanted, kind)
    if _transforms(rule):
        return ByOptax(rule)
    own = [mine for _, mine in handles]
    if _is_optimiser(rule):
        return ByTorch(_copied(rule, handles), own)
    made = rule(own)
    if not _is_optimiser(made):
        raise OptionError.outside(
            "rule(parameters)", made, "an optimiser of PyTorch",
            "rule=lambda parameters: torch.optim.SGD(parameters, lr=0.1)",
        )  # fmt: skip
    return ByTorch(made, own)


def check_proximal(rule: UpdateRule[Any], name: str = "l1") -> None:
    """Refuse a rule that has no proximal step, which ``name`` asks for; OptionError."""
    if not isinstance(rule, GradientDescent):
        raise OptionError.not_proximal(rule.name, name)


def _is_optimiser(rule: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(rule, torch.optim.Optimizer)


def _transforms(rule: object) -> bool:
    """Whether this is a pair of init and update, as optax has it."""
    return all(callable(getattr(rule, name, None)) for name in ("init", "update"))


def _stepped(optimiser: Any) -> list[Any]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _copied(optimiser: Any, handles: Sequence[tuple[Any, Any]]) -> Any:
    """Return the optimiser with its settings, over tensors of our own."""
    memo = {id(given): mine for given, mine in handles}
    stepped = _stepped(optimiser)
    strangers = [p for p in stepped if id(p) not in memo]
    if len(strangers) == len(stepped) or any(p.requires_grad for p in strangers):
        raise OptionError.strangers(len(strangers), len(stepped))
    memo |= {id(frozen): frozen.clone() for frozen in strangers}
    if "step" in vars(optimiser) or any("initial_lr" in g for g in optimiser.param_groups):
        warnings.warn(
            "a scheduler holds the optimiser, and will not change the rate of the copy that steps. "
            "Hint: make both in a function, rule=lambda parameters: ..., and step the scheduler "
            "in on_epoch.",
            SteepestWarning,
            stacklevel=4,
        )
    # Its own __getstate__ forgets what LBFGS needs; a scheduler's wrapper steps the original.
    held = {name: value for name, value in vars(optimiser).items() if name != "step"}
    twin = object.__new__(type(optimiser))
    twin.__dict__.update(copy.deepcopy(held, memo))
    return twin
