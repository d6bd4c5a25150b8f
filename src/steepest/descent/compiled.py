"""Gradients by JAX, compiled; JAX is used where it is already loaded and never imported here."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import numpy as np

from ..errors import GradientError, SteepestWarning
from ..typing import Tensor
from .guards import is_jax
from .objective import Forward, Loss, predicted_by, single, takes
from .trees import leaves, map_leaves, ordered


def brought(name: str, value: Tensor) -> Tensor:
    """Return numbers as an array of JAX, and say so where that takes digits from them."""
    jnp: Any = sys.modules["jax"].numpy
    if is_jax(value):
        return value
    found = jnp.asarray(value)
    before = np.asarray(value).dtype
    if (
        isinstance(value, np.ndarray)
        and before.kind in "fc"
        and found.dtype.itemsize < before.itemsize
    ):
        warnings.warn(
            f"{name} is {before}, and JAX makes it {found.dtype}: half of its digits are lost. "
            "Hint: jax.config.update('jax_enable_x64', True)",
            SteepestWarning,
            stacklevel=2,
        )
    return found


def started(w: Tensor) -> Tensor:
    """Return w as arrays of JAX, floating and of a settled type."""
    jnp: Any = sys.modules["jax"].numpy

    def start(leaf: Tensor) -> Tensor:
        array = brought("w", leaf)
        kind = array.dtype if jnp.issubdtype(array.dtype, jnp.floating) else float
        return jnp.array(array, dtype=kind)

    return map_leaves(start, w)


def doubles() -> AbstractContextManager[Any]:
    """A block in which this thread's JAX computes in float64, whatever it is set to."""
    jax: Any = sys.modules["jax"]
    home = jax if hasattr(jax, "enable_x64") else import_module("jax.experimental")
    return cast(AbstractContextManager[Any], home.enable_x64(True))


Score = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A loss as a function of w, x and y."""


class Compiler:
    """A function of (w, x, y) and its gradient, compiled where it can be, and once only.

    Attributes
    ----------
    score : callable
        ``score(w, x, y)``, one number.
    """

    def __init__(self, score: Score) -> None:
        jax: Any = sys.modules["jax"]
        self.score = score
        self._plain = jax.value_and_grad(score), score
        self._fast = jax.jit(self._plain[0]), jax.jit(score)
        self._compiles: bool | None = None

    def value_and_gradient(self, w: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self._run(0, w, x, y)
        return found

    def value(self, w: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return self._run(1, w, x, y)

    def _run(self, which: int, *arguments: Tensor) -> Any:
        if self._compiles is None:
            self._find_out(*arguments)
        return (self._fast if self._compiles else self._plain)[which](*arguments)

    def _find_out(self, *arguments: Tensor) -> None:
        """Trace it once, to know whether it compiles and whether w reaches the loss."""
        jax: Any = sys.modules["jax"]
        refusals = (jax.errors.JAXTypeError, jax.errors.JAXIndexError)
        try:
            traced = jax.make_jaxpr(self.score)(*arguments)
        except refusals as refusal:
            self._compiles = False
            followed: list[bool] = []

            def noticed(*arguments: Tensor) -> Tensor:
                found = self.score(*arguments)
                followed.append(isinstance(found, jax.core.Tracer))
                return found

            try:
                jax.value_and_grad(noticed)(*arguments)
            except refusals as error:
                raise GradientError.untraceable(type(error).__name__) from error
            if not all(followed):
                raise GradientError.untraceable(type(refusal).__name__) from refusal
            warnings.warn(
                "forward and loss cannot be compiled by JAX, and run uncompiled, which takes "
                f"longer: {type(refusal).__name__}. Hint: write branches on values as "
                "jax.numpy.where(...).",
                SteepestWarning,
                stacklevel=2,
            )
            return
        if not _reaches(traced.jaxpr, len(leaves(arguments[0]))):
            raise GradientError.severed()
        self._compiles = True


def _reaches(program: Any, count: int) -> bool:
    """Whether the first ``count`` inputs of a traced program have a part in its result."""
    reached = set(program.invars[:count])
    for step in program.eqns:
        cut = step.primitive.name == "stop_gradient"
        if not cut and any(v in reached for v in step.invars if not hasattr(v, "val")):
            reached.update(step.outvars)
    return any(v in reached for v in program.outvars if not hasattr(v, "val"))


def scored(forward: Forward, loss: Loss) -> Score:
    """Return ``loss(y, forward(w, x))`` as one function of (w, x, y)."""
    weighs = takes(loss, 3)

    def score(w: Tensor, x: Tensor, y: Tensor) -> Tensor:
        predicted = predicted_by(forward, w, x, y)
        found = single(loss(y, predicted, *((w,) if weighs else ())))
        jnp: Any = sys.modules["jax"].numpy
        if not jnp.issubdtype(jnp.result_type(found), jnp.floating):
            # A count of rows, say, has no slope anywhere.
            raise GradientError.severed()
        return jnp.asarray(found)

    return score


@dataclass(frozen=True)
class ByTracing:
    """A loss whose gradient JAX works out, compiled by XLA.

        value(w) = loss(y, forward(w, x)),    gradient(w) = ∂value/∂w

    The functions are traced with x and y as arguments, once for each shape of them, so they must
    be pure: what they do beside returning a number is done once.  Functions that branch on values
    run uncompiled, and a ``SteepestWarning`` says so.

    Attributes
    ----------
    x : array, shape (n,) or (n, k)
        The inputs.
    y : array, shape (n, ...)
        What is to be predicted.
    compiler : Compiler
        The two functions, traced; shared by objectives on other rows.

    Raises
    ------
    LengthError
        The prediction has not the shape of y.
    GradientError
        The loss is not one number, does not depend on w, or leaves JAX on the way.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> objective = ByTracing.of(
    ...     x=jnp.array([1.0, 2.0]),
    ...     y=jnp.array([2.0, 4.0]),
    ...     forward=lambda w, x: w * x,
    ...     loss=lambda y, predicted: ((predicted - y) ** 2).mean(),
    ... )
    >>> value, gradient = objective.value_and_gradient(jnp.array(0.0))
    >>> value, float(gradient)
    (10.0, -10.0)
    """

    x: Tensor
    y: Tensor
    compiler: Compiler

    @classmethod
    def of(cls, x: Tensor, y: Tensor, forward: Forward, loss: Loss) -> ByTracing:
        """The loss of these functions on these rows."""
        return cls(x, y, Compiler(scored(forward, loss)))

    def value_and_gradient(self, w: Tensor) -> tuple[float, Tensor]:
        value, gradient = self.compiler.value_and_gradient(w, self.x, self.y)
        return float(value), ordered(w, gradient)

    def value(self, w: Tensor) -> float:
        return float(self.compiler.value(w, self.x, self.y))

    @property
    def score(self) -> Score:
        return self.compiler.score

    def smoothness(self) -> None:
        return None
