"""The user's functions as functions of a flat vector of doubles, whatever they are written in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..descent.arguments import kind_of, numbers_as_array
from ..descent.autograd import is_tensor
from ..descent.compiled import doubles
from ..descent.forms import Form, Plain
from ..descent.modules import Seated, call, is_module
from ..descent.objective import takes
from ..descent.trees import is_tree, leaves, map_leaves, name_leaf, placed, rebuild
from ..errors import LengthError
from ..typing import Floats
from .derivatives import Derivative, by_complex_step, differentiate, doubt, raised, sides

Array = NDArray[Any]

EXACT_SHARE, DIFFERENCES_SHARE, SINGLE_SHARE = 1e-9, 3e-6, 2e-3
"""What may lie between two gradients that are the same, as a share of them, by the oracle."""

NUDGES, TOUCH, FELT, NOISIEST = 2, 1e-8, 0.1, 1e-3

DIFFERENCES = "central differences"
ORACLES = {"numpy": "a complex step", "torch": "autograd", "jax": "JAX's autodiff"}


@dataclass(frozen=True)
class Trial:
    """``forward``, ``loss`` and ``gradient`` on one table, at any weights.

    The rows are kept as NumPy arrays, floats as float64, and handed to the functions as what the
    user gave: arrays, tensors of PyTorch or arrays of JAX.
    """

    forward: Callable[..., Any]
    loss: Callable[..., Any]
    gradient: Callable[..., Any] | None
    x: Array
    y: Array
    like: Any
    """The weights as they were given: a number, an array, or a tree of them."""
    kind: str
    """``numpy``, ``torch`` or ``jax``."""
    form: Form = field(default_factory=Plain)
    """What the functions get as w: the weights, or a module in which they sit."""
    narrow: bool = False
    """Whether they are handed float32, for they take nothing else."""

    @cached_property
    def start(self) -> Floats:
        """The weights as they were given, shape (p,)."""
        found = [np.asarray(as_array(leaf), dtype=np.float64).ravel() for leaf in leaves(self.like)]
        return np.concatenate(found) if found else np.zeros(0)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name for each of the p weights."""
        found = []
        for path, leaf in placed(self.like):
            name, shape = name_leaf(path), np.shape(leaf)
            found += [
                name + "".join(f"[{i}]" for i in index) if shape else name
                for index in np.ndindex(*shape)
            ]
        return tuple(found)

    def name_weights(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """These names, which have to be p, or else the weights' own; LengthError."""
        found = self.names if names is None else tuple(names)
        if len(found) != len(self.start):
            raise LengthError.arguments("names", len(found), "w", len(self.start))
        return found

    @cached_property
    @np.errstate(all="ignore")
    def response(self) -> Floats:
        """What a change of each weight has to be to move the predictions by about 1, shape (p,)."""
        felt = np.zeros(len(self.start))
        rng = np.random.default_rng(11)
        for at in (self.start + 1e-3 * rng.normal(size=len(felt)), self.start):
            here = self._predicted(at)
            for j, w in enumerate(at):
                step = TOUCH * max(1.0, abs(w))
                felt[j] = np.fmax(felt[j], self._moved(here, at, j, step) / step)
        known = np.isfinite(felt) & (felt > 0)
        found = np.where(known, np.clip(1 / np.where(known, felt, 1.0), 1e-12, 1e12), 1.0)
        for j in range(len(found)):  # where it hardly moves at first, and then does
            while found[j] > 1e-12 and self._moved(here, self.start, j, found[j] / 16) > FELT:
                found[j] /= 16
        return found

    def _moved(self, here: Floats, flat: Floats, j: int, step: float) -> float:
        """How far a step in weight j moves the predictions from ``here``, root mean square."""
        there = flat.copy()
        there[j] += step
        return float(np.sqrt(np.mean((self._predicted(there) - here) ** 2)))

    @cached_property
    def scales(self) -> Floats:
        """What a change of each weight has to be to be felt beside the targets, shape (p,)."""
        return self.response * max(1.0, self.spread)

    def _predicted(self, flat: Floats) -> Floats:
        try:
            return np.asarray(as_array(self.predict(flat)), dtype=np.float64)
        except (ArithmeticError, ValueError, TypeError):
            return np.full(1, np.nan)

    @cached_property
    def spread(self) -> float:
        """How far the targets lie apart, or from 0; 1 where they are no numbers or all 0."""
        if self.y.dtype.kind not in "fiu":
            return 1.0
        found = float(np.std(self.y)) or float(np.abs(self.y).max(initial=0.0))
        return float(np.clip(found, 1e-9, 1e9)) if np.isfinite(found) and found else 1.0

    def unflatten(self, flat: Array) -> Any:
        """Weights in the tree that they were given as."""
        parts, at = [], 0
        for leaf in leaves(self.like):
            size = int(np.prod(np.shape(leaf), dtype=np.int64))
            piece = flat[at : at + size].reshape(np.shape(leaf))
            at += size
            plain = self.kind == "numpy" and not np.shape(leaf)
            parts.append(piece[()].item() if plain else self.bring(piece))
        return rebuild(self.like, parts)

    def given(self, flat: Array) -> Any:
        """Weights as the user's functions take them."""
        return self.form.given(self.unflatten(flat))

    def bring(self, array: Array) -> Any:
        """An array as the user's functions take it, not to be edited."""
        if self.narrow and array.dtype == np.float64:
            array = array.astype(np.float32)
        if self.kind == "torch":
            return sys.modules["torch"].from_numpy(np.array(array))
        if self.kind == "jax":
            return sys.modules["jax"].numpy.asarray(array)
        view = array.view()
        view.flags.writeable = False
        return view

    @cached_property
    def rows(self) -> tuple[Any, Any]:
        return self.bring(self.x), self.bring(self.y)

    def predict(self, flat: Array) -> Any:
        """What the user's forward returns, as it comes."""
        with self.wide():
            return self.forward(self.given(flat), self.rows[0])

    def score(self, flat: Array) -> Any:
        """What the user's loss returns, as it comes."""
        with self.wide():
            return self._score(self.given(flat))

    def _score(self, weights: Any) -> Any:
        predicted = self.forward(weights, self.rows[0])
        extra = (weights,) if takes(self.loss, 3) else ()
        return self.loss(self.rows[1], predicted, *extra)

    def loss_of(self, predicted: Array, flat: Floats) -> Array:
        """The loss of given predictions, shape (1,)."""
        with self.wide():
            extra = (self.given(flat),) if takes(self.loss, 3) else ()
            return as_array(self.loss(self.rows[1], self.bring(predicted), *extra)).reshape(1)

    def value(self, flat: Floats) -> float:
        """The loss at weights of shape (p,)."""
        return float(as_array(self.score(flat)))

    def hand(self, flat: Floats) -> Any:
        """What the user's gradient returns, as it comes."""
        assert self.gradient is not None
        with self.wide():
            weights = self.given(flat)
            predicted = self.forward(weights, self.rows[0])
            # The loss is asked first, as a descent does: functions may leave each other notes.
            self.loss(self.rows[1], predicted, *((weights,) if takes(self.loss, 3) else ()))
            extra = (weights,) if takes(self.gradient, 4) else ()
            return self.gradient(*self.rows, predicted, *extra)

    def beside(self, gradient: Any, function: Callable[[Any, Any], Any]) -> list[Any]:
        """``function(leaf of w, leaf of the gradient)`` for each; LookupError where they differ."""
        found: list[Any] = []
        if is_tree(self.like):
            map_leaves(lambda w, g: found.append(function(w, g)), self.like, gradient)
        else:
            found.append(function(self.like, gradient))
        return found

    def hand_flat(self, flat: Floats) -> Floats:
        """The user's gradient, shape (p,); its shapes are known to be right."""
        found = self.beside(self.hand(flat), lambda _, g: as_array(g))
        return np.concatenate([np.asarray(g, dtype=np.float64).ravel() for g in found])

    def exact(self, flat: Floats) -> Floats | None:
        """The gradient by autograd or by a complex step; None where neither can be had."""
        if self.kind == "numpy":
            return by_complex_step(self.score, flat)
        try:
            return self._by_torch(flat) if self.kind == "torch" else self._by_jax(flat)
        except Exception:
            return None

    def _by_torch(self, flat: Floats) -> Floats | None:
        torch: Any = sys.modules["torch"]
        with torch.enable_grad():
            weights = self.form.open(self.unflatten(flat))
            loss = self._score(self.form.given(weights))
            found = torch.autograd.grad(loss, leaves(weights), allow_unused=True)
        pairs = zip(leaves(weights), found, strict=True)
        flatter = [(torch.zeros_like(w) if g is None else g).double().ravel() for w, g in pairs]
        return np.array(torch.cat(flatter).cpu().numpy(), dtype=np.float64)

    def _by_jax(self, flat: Floats) -> Floats:
        jax: Any = sys.modules["jax"]
        with self.wide():
            found = jax.grad(self._score)(self.unflatten(flat))
        return np.concatenate([np.asarray(g, dtype=np.float64).ravel() for g in leaves(found)])

    def wide(self) -> AbstractContextManager[Any]:
        """Doubles, where a library has to be asked for them."""
        return doubles() if self.kind == "jax" else nullcontext()

    def derivative(self, flat: Floats, *, single: bool) -> tuple[Derivative, str]:
        """The true gradient and how it was had."""
        exact = self.exact(flat)
        if exact is not None:
            doubtful = doubt(self.value, flat, exact, scales=self.scales, single=single)
            if np.isfinite(doubtful):
                share = max(SINGLE_SHARE if single else EXACT_SHARE, 8 * doubtful)
                error = share * raised(exact) + EXACT_SHARE * self._along(exact)
                return Derivative(exact, error), ORACLES[self.kind]
        return self.differences(flat, single=single), DIFFERENCES

    def _along(self, gradient: Floats) -> Floats:
        """What differences along all weights at once may overlook in each of them."""
        return np.asarray(np.abs(gradient * self.scales).sum() / self.scales / len(gradient))

    def differences(self, flat: Floats, *, single: bool) -> Derivative:
        """The gradient from values of the loss alone."""
        found = differentiate(self.value, flat, scales=self.scales, single=single)
        share = SINGLE_SHARE if single else DIFFERENCES_SHARE
        return Derivative(found.gradient, 4 * found.error + share * raised(found.gradient))

    def sides(self, flat: Floats, j: int, *, single: bool) -> tuple[float, float]:
        """The one-sided derivatives along weight j, equal where there is no kink."""
        return sides(self.value, flat, j, scale=float(self.scales[j]), single=single)

    @np.errstate(all="ignore")
    def noise(self, flat: Floats, ways: Sequence[tuple[Way, Floats]], unit: float) -> Floats:
        """What rounding may do to a gradient: what a unit in the last place of every float does.

        ``ways`` are those by which it was had, each with what it gave: the user's gradient and
        the true one may both lose digits.
        """
        moved = np.zeros(len(flat))
        for other, at in (self._nudged(flat, unit, seed) for seed in range(NUDGES)):
            for way, here in ways:
                try:
                    there = way(other, at)
                except Exception:
                    there = None
                if there is not None:
                    moved = np.fmax(moved, np.abs(there - here))
        sizes = [np.abs(here) for _, here in ways]
        largest = np.max([np.zeros(len(flat)), *sizes], axis=0)
        return np.asarray(
            np.fmin(32 * moved, NOISIEST * largest.max(initial=0.0)) + 64 * unit * largest
        )

    def _nudged(self, flat: Floats, unit: float, seed: int) -> tuple[Trial, Floats]:
        """The same, with every float off by one unit in its last place; whole numbers stay.

        They may be labels, which are compared and counted.
        """
        rng = np.random.default_rng(seed)

        def nudge(array: Array) -> Array:
            if array.dtype.kind != "f":
                return array
            by = 1 + unit * rng.choice([-1.0, 1.0], array.shape)
            return np.where(array == np.round(array), array, array * by)

        return replace(self, x=nudge(self.x), y=nudge(self.y)), nudge(flat)


Way = Callable[[Trial, Floats], Floats | None]
"""``Trial.exact`` or ``Trial.hand_flat``."""


def as_array(value: Any) -> Array:
    """A number, array or tensor of any kind as an array."""
    return np.asarray(value.detach().cpu() if is_tensor(value) else value)


def widened(value: Any) -> Array:
    """Rows as an array, floats as float64; integers may be labels, and stay."""
    array = as_array(value)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def build_trial(forward: Any, loss: Any, gradient: Any, x: Any, y: Any, w: Any) -> Trial:
    """The functions on these rows, at weights like w.

    Single precision is widened; functions that bring numbers of their own in single precision,
    with which PyTorch computes nothing else, keep it.
    """
    kind = kind_of(x, y, w)
    form: Form = Plain()
    seated = is_module(w)
    numbers = [as_array(one) for one in (x, y, *leaves(w))] if not seated else [as_array(x)]
    single = kind == "torch" and any(one.dtype == np.float32 for one in numbers)
    if seated:
        form = Seated.copied(w)
        form.module.double()
        forward, w = forward or call, form.start()
    with doubles() if kind == "jax" else nullcontext():
        rows = widened(x), widened(y)
        trial = Trial(forward, loss, gradient, *rows, numbers_as_array(w), kind, form)
    if single and not seated and not _runs(trial) and _runs(replace(trial, narrow=True)):
        return replace(trial, narrow=True)
    return trial


def _runs(trial: Trial) -> bool:
    """Whether the functions take the numbers that they are handed."""
    try:
        if trial.predict(trial.start) is not None and trial.score(trial.start) is not None:
            return trial.gradient is None or trial.hand(trial.start) is not None
    except RuntimeError:
        return False
    return True
