"""What the user hands over, checked and made ready before the first step."""

from __future__ import annotations

import numbers
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from ..errors import EmptySourceError, GradientError, LengthError, OptionError
from ..typing import Tensor
from .autograd import ByAutograd, is_tensor, leaf, trained
from .compiled import ByTracing, brought, started
from .forms import Form, Partly, Plain
from .guards import finite, guarded, is_jax, own
from .minibatches import split
from .modules import Seated, call, is_module
from .objective import ByHand, Forward, Gradient, Loss, Objective
from .trees import is_tree, leaves, map_leaves, name_leaf, placed


class Task(NamedTuple):
    """What is minimised and from where, in the user's kind of numbers."""

    objective: Any
    """On the rows handed over."""
    start: Tensor
    """What the loop steps."""
    form: Form
    """How that stands for the user's w."""
    kind: str
    """``numpy``, ``torch`` or ``jax``."""
    forward: Forward
    """With which to predict."""
    handles: tuple[tuple[Any, Any], ...] = ()
    """The caller's tensors, each with one of our own, for an optimiser of PyTorch."""


def kind_of(*values: Any) -> str:
    """Which library the numbers are of: ``torch``, ``jax`` or ``numpy``.

    Examples
    --------
    >>> kind_of([1.0, 2.0], {"w": 0.0})
    'numpy'
    """
    every = [leaf for value in values for leaf in leaves(value)]
    if any(is_tensor(one) or is_module(one) for one in every):
        return "torch"
    return "jax" if any(map(is_jax, every)) else "numpy"


def pose(
    x: Tensor, y: Tensor, w: Any, forward: Forward | None, loss: Loss, gradient: Gradient | None
) -> Task:
    """Return the task that the arguments pose.

    Raises
    ------
    OptionError
        Numbers of two libraries or devices are mixed, or w is not made of numbers.
    GradientError
        No gradient is given, and autograd cannot find one.
    """
    _check_libraries(x, y, w)
    if is_module(w):
        return _pose_module(x, y, w, forward or call, loss, gradient)
    if forward is None:
        raise OptionError.outside("forward", None, "a function", "def forward(w, x): return ...")
    if kind_of(x, y, w) == "jax":
        return _pose_jax(x, y, w, forward, loss, gradient)
    if gradient is None and is_tensor(x) and is_tensor(y):
        _check_devices(x, y, w)
        return _pose_autograd(guarded(x), guarded(y), w, forward, loss)
    w = numbers_as_array(w)
    kinds = {"x": x, "y": y} | {
        name_leaf(path): one for path, one in placed(w) if not isinstance(one, numbers.Real)
    }
    tensors = [name for name, value in kinds.items() if is_tensor(value)]
    if 0 < len(tensors) < len(kinds):
        raise OptionError.mixed(tensors, [name for name in kinds if name not in tensors])
    if gradient is None:
        raise GradientError.missing()
    _check_devices(x, y, w)
    start = _start(w)
    objective = ByHand(guarded(x), guarded(y), forward, loss, gradient)
    _check_tied(w, [one for one in leaves(w) if is_tensor(one)])
    handles = _handles(leaves(w), leaves(start)) if tensors else ()
    return Task(objective, start, Plain(), kind_of(start), forward, handles)


def _pose_autograd(x: Tensor, y: Tensor, w: Any, forward: Forward, loss: Loss) -> Task:
    """Tensors, and PyTorch finds the gradient."""
    form: Form = Plain()
    if not (is_tree(w) and any(map(is_tensor, leaves(w)))):
        # A number or an array as w is refused by leaf, which knows what to write instead.
        start = leaf(w)
    else:
        start = trained(w)
        if len(start) == len(leaves(w)):
            start = map_leaves(leaf, w)
        else:
            form = Partly(w)
    asking = [one for one in leaves(w) if is_tensor(one) and one.requires_grad]
    _check_tied(w, asking)
    objective = ByAutograd(x, y, forward, loss, form)
    return Task(objective, start, form, "torch", forward, _handles(asking, asking))


def _pose_module(
    x: Tensor, y: Tensor, module: Any, forward: Forward, loss: Loss, gradient: Gradient | None
) -> Task:
    """A module, whose parameters are the weights."""
    others = [name for name, value in (("x", x), ("y", y)) if not is_tensor(value)]
    if others:
        raise OptionError.mixed(["w"], others)
    _check_devices(x, y, list(module.parameters()))
    form = Seated.copied(module)
    objective: Any = (
        ByAutograd(guarded(x), guarded(y), forward, loss, form)
        if gradient is None
        else ByHand(guarded(x), guarded(y), forward, loss, gradient, form)
    )
    pairs = tuple(zip(module.parameters(), form.module.parameters(), strict=True))
    handles = tuple((given, mine) for given, mine in pairs if given.requires_grad)
    return Task(objective, form.start(), form, "torch", forward, handles)


def _pose_jax(
    x: Tensor, y: Tensor, w: Any, forward: Forward, loss: Loss, gradient: Gradient | None
) -> Task:
    """Arrays of JAX, or what becomes some; JAX finds the gradient where none is given."""
    start = started(_checked(numbers_as_array(w)))
    x, y = brought("x", x), brought("y", y)
    objective: Any = (
        ByTracing.of(x, y, forward, loss)
        if gradient is None
        else ByHand(x, y, forward, loss, gradient)
    )
    return Task(objective, start, Plain(), "jax", forward)


def held_out(task: Task, validation: Any, seed: int) -> tuple[Any, Objective | None]:
    """Return the objective on the rows to train on, and on those held out, if any.

    Raises
    ------
    OptionError
        ``validation`` is neither a share between 0 and 1 nor a pair, or there is one row only.
    EmptySourceError, LengthError
        The pair has no rows, or not as many in x as in y.
    """
    objective = task.objective
    if validation is None:
        return objective, None
    if isinstance(validation, tuple | list) and len(validation) == 2:
        kind = kind_of(objective.x)
        x, y = (_as_data(f"validation[{i}]", one, kind) for i, one in enumerate(validation))
        check_rows(x, y)
        _check_devices(objective.x, x, [], ("x", "validation[0]"))
        return objective, replace(objective, x=guarded(x), y=guarded(y))
    n = len(objective.x)
    if not (is_real(validation) and 0 < validation < 1):
        wanted = "a share of the rows between 0 and 1, or a pair (x, y)"
        raise OptionError.outside("validation", validation, wanted, "validation=0.2")
    if n < 2:
        wanted = "possible with a single row"
        raise OptionError.outside("validation", validation, wanted, "leave validation out.")
    parts = split(n, float(validation), seed)
    train, test = (replace(objective, x=objective.x[rows], y=objective.y[rows]) for rows in parts)
    return train, test


def _as_data(name: str, value: Tensor, kind: str) -> Tensor:
    """Return rows in the kind of those trained on."""
    if kind == "jax" and not is_tensor(value):
        return brought(name, value)
    if is_tensor(value) != (kind == "torch"):
        own_kind, other = (["x", "y"], [name]) if kind == "torch" else ([name], ["x", "y"])
        raise OptionError.mixed(own_kind, other)
    return value if kind == "torch" else np.asanyarray(value)


def numbers_as_array(w: Any) -> Any:
    """Return a list of numbers as the array that it stands for; any other tree as it is."""
    every = leaves(w)
    if is_tree(w) and not every:
        raise OptionError.outside("w", w, "a number or an array of numbers", "w=0.0")
    plain = isinstance(w, list | tuple) and not hasattr(w, "_fields")
    nested = plain and all(isinstance(one, numbers.Real) for one in every)
    nested = nested and not any(isinstance(key, str) for path, _ in placed(w) for key in path)
    return np.asarray(w) if nested and kind_of(w) == "numpy" else w


def _handles(given: Sequence[Tensor], start: Sequence[Tensor]) -> tuple[tuple[Any, Any], ...]:
    """Return each of the caller's tensors with one of our own that an optimiser may step."""
    pairs = zip(given, start, strict=True)
    return tuple((one, at.detach().clone().requires_grad_()) for one, at in pairs if is_tensor(at))


def _check_libraries(x: Tensor, y: Tensor, w: Any) -> None:
    """Refuse numbers of PyTorch beside those of JAX."""
    kinds = {"x": {*map(kind_of, leaves(x))}, "y": {*map(kind_of, leaves(y))}}
    kinds["w"] = {*map(kind_of, leaves(w))}
    torch, jax = ([n for n, found in kinds.items() if k in found] for k in ("torch", "jax"))
    if torch and jax:
        raise OptionError.libraries(torch, jax)


def _check_devices(x: Tensor, y: Tensor, w: Any, names: Sequence[str] = ("x", "y")) -> None:
    """Refuse tensors that are not on one device; single numbers may be on another."""
    data = zip(names, (x, y), strict=True)
    named = [*data, *((name_leaf(path), one) for path, one in placed(w))]
    places: dict[str, str] = {}
    for name, value in named:
        if is_tensor(value) and value.ndim and str(value.device) not in places.values():
            places[name] = str(value.device)
    if len(places) > 1:
        raise OptionError.devices(places)


def _check_tied(w: Any, trained: Sequence[Tensor]) -> None:
    """Refuse a tensor that is to be trained in two places of a tree."""
    first: dict[int, str] = {}
    for path, one in placed(w):
        name = name_leaf(path)
        if first.setdefault(id(one), name) != name and any(one is other for other in trained):
            raise OptionError.tied(first[id(one)], name)


def _start(w: Any) -> Tensor:
    """Return w with each leaf as a float, or as a float array or tensor of its own."""
    return map_leaves(_start_leaf, _checked(w))


def _start_leaf(w: Tensor) -> Tensor:
    if is_tensor(w):
        return w.detach().clone() if w.is_floating_point() else w.detach().float()
    start = np.asarray(w)
    return own(start if start.dtype.kind == "f" else start.astype(np.float64))


def _checked(w: Any) -> Any:
    for path, one in placed(w):
        if is_tensor(one):
            wrong = one.is_complex()
        else:
            kind = (one if is_jax(one) else np.asarray(one)).dtype.kind
            wrong = kind not in ("biufV" if is_jax(one) else "biuf")
        if wrong:
            wanted = "a number or an array of numbers"
            raise OptionError.outside(name_leaf(path), one, wanted, f"{name_leaf(path)}=0.0")
    return w


def check_options(
    learning_rate: float | None, epochs: int, l1: float = 0.0, *, handed_in: bool = False
) -> None:
    """Refuse a rate that is not finite and above 0, and epochs that are no count from 1.

    An optimiser that was ``handed_in`` has a rate of its own, and none beside it.
    """
    if not (is_real(l1) and 0 <= l1 <= sys.float_info.max):
        raise OptionError.outside("l1", l1, "a finite number of at least 0", "leave l1 out.")
    if handed_in:
        if learning_rate is not None:
            raise OptionError.own_rate(learning_rate)
    elif not (is_real(learning_rate) and 0 < learning_rate <= sys.float_info.max):
        wanted = "a finite number above 0"
        raise OptionError.outside("learning_rate", learning_rate, wanted, "learning_rate=0.01")
    whole = isinstance(epochs, numbers.Integral) and not isinstance(epochs, bool)
    if not (whole and epochs >= 1):
        raise OptionError.outside("epochs", epochs, "a whole number of at least 1", "epochs=100")


def check_checkpoint(path: object, every: object) -> None:
    """Refuse a checkpoint that is no path, and epochs between two that are no count from 1."""
    if path is not None and not isinstance(path, str | os.PathLike):
        raise OptionError.outside("checkpoint", path, "a path", "checkpoint='run.ckpt'")
    if every is None:
        return
    if not isinstance(every, numbers.Integral) or isinstance(every, bool) or every < 1:
        wanted = "a whole number of at least 1"
        raise OptionError.outside("checkpoint_every", every, wanted, "checkpoint_every=100")


def is_real(value: object) -> TypeGuard[float]:
    """Whether a value is a real number, and no yes or no."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_functions(functions: Mapping[str, object], optional: set[str]) -> None:
    """Refuse what cannot be called; None passes under the names in ``optional``."""
    for name, function in functions.items():
        if not (callable(function) or (function is None and name in optional)):
            raise OptionError.outside(name, function, "a function", f"def {name}(...): return ...")


def check_rows(x: Tensor, y: Tensor) -> None:
    """Refuse data without rows, or with a different number of them in x and y."""
    for name, value in (("x", x), ("y", y)):
        if not np.shape(value):
            raise LengthError.dimensions(name, (), "one row for each row of the data")
        if not len(value):
            raise EmptySourceError.no_arguments(name)
    if len(x) != len(y):
        raise LengthError.arguments("x", len(x), "y", len(y))


def check_weights(w: Tensor) -> None:
    """Refuse a start that holds a NaN or an infinity; says the first place."""
    for path, one in placed(w):
        if finite(one):
            continue
        array = np.asarray(one.detach().cpu() if is_tensor(one) else one)
        index = np.argwhere(~np.isfinite(array))[0].tolist()
        name = f"{name_leaf(path)}{index or ''}"
        raise OptionError.outside(
            name, array[tuple(index)].item(), "a finite number", "start from 0."
        )
