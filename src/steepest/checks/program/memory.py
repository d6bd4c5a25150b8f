"""What a program holds at one moment, so that a loop's body can be run again from there."""

from __future__ import annotations

import copy
import random
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any

import numpy as np

from ...descent.autograd import is_tensor

DEEPEST, WIDEST, LARGEST = 6, 2_000, 100_000_000


@dataclass(frozen=True)
class Place:
    """Where a value stands: a key of a dict or list, an attribute, or a variable of closures."""

    owner: Any
    key: Any
    name: str

    def read(self) -> Any:
        if isinstance(self.owner, CellType):
            return self.owner.cell_contents
        return (
            self.owner[self.key]
            if isinstance(self.owner, dict | list)
            else getattr(self.owner, self.key)
        )

    def write(self, value: Any) -> None:
        if isinstance(self.owner, CellType):
            self.owner.cell_contents = value
        elif isinstance(self.owner, dict | list):
            self.owner[self.key] = value
        else:
            setattr(self.owner, self.key, value)


@dataclass
class Memory:
    """Copies of all that is reached from some dicts of variables, and where it stands."""

    places: list[Place] = field(default_factory=list)
    back: list[Callable[[], None]] = field(default_factory=list)
    """What puts each of it back."""
    seen: dict[int, Any] = field(default_factory=dict)
    """What was reached, by id; held, so that no id is used twice."""
    size: int = 0
    modules: frozenset[str] = frozenset()

    def restore(self) -> None:
        for action in self.back:
            action()

    def visit(self, value: Any, name: str, depth: int = 0) -> None:
        """Take in a value and all that it holds."""
        if id(value) in self.seen or depth > DEEPEST:
            return
        if isinstance(value, np.ndarray):
            self._keep_array(value)
        elif is_tensor(value):
            self._keep_tensor(value)
        elif isinstance(value, dict):
            self._keep_dict(value, name, depth)
        elif isinstance(value, list | deque | tuple | set):
            self._keep_list(value, name, depth)
        elif isinstance(value, FunctionType | MethodType):
            self._keep_function(value, depth)
        elif isinstance(value, np.random.Generator):
            self._keep_state(value, value.bit_generator, "state")
        elif isinstance(value, np.random.RandomState | random.Random):
            self._keep_random(value)
        elif getattr(type(value), "__module__", None) in self.modules or (
            isinstance(value, type) and value.__module__ in self.modules
        ):
            self._keep_object(value, name, depth)

    def _keep_array(self, value: np.ndarray) -> None:
        self.seen[id(value)] = value
        if value.dtype.hasobject or not value.flags.writeable:
            return
        self.size += value.nbytes
        if self.size > LARGEST:
            raise MemoryError("more numbers than can be kept")
        kept = value.copy()
        self.back.append(lambda: None if _same(value, kept) else np.copyto(value, kept))

    def _keep_tensor(self, value: Any) -> None:
        self.seen[id(value)] = value
        self.size += value.numel() * value.element_size()
        if self.size > LARGEST:
            raise MemoryError("more numbers than can be kept")
        torch = sys.modules["torch"]
        kept = value.detach().clone()

        def put() -> None:
            if not torch.equal(value.detach(), kept):
                with torch.no_grad():
                    value.copy_(kept)

        self.back.append(put)

    def _keep_dict(self, value: dict[Any, Any], name: str, depth: int) -> None:
        self.seen[id(value)] = value
        kept = dict(value)

        def put() -> None:
            for key in [key for key in value if key not in kept]:
                del value[key]
            value.update(kept)

        self.back.append(put)
        for key, inner in list(value.items())[:WIDEST]:
            if depth == 0 and (str(key).startswith("__") or isinstance(inner, type(sys))):
                continue
            own = str(key) if depth == 0 else f"{name}[{key!r}]"
            self.places.append(Place(value, key, own))
            self.visit(inner, own, depth + 1)

    def _keep_list(self, value: Any, name: str, depth: int) -> None:
        self.seen[id(value)] = value
        kept = list(value)

        def put() -> None:
            value.clear()
            (value.update if isinstance(value, set) else value.extend)(kept)

        if not isinstance(value, tuple):
            self.back.append(put)
        if len(kept) > WIDEST:
            return
        for key, inner in enumerate(kept):
            if isinstance(value, list):
                self.places.append(Place(value, key, f"{name}[{key}]"))
            self.visit(inner, f"{name}[{key}]", depth + 1)

    def _keep_function(self, value: Any, depth: int) -> None:
        self.seen[id(value)] = value
        if isinstance(value, MethodType):
            self.visit(value.__self__, "self", depth + 1)
            return
        names = value.__code__.co_freevars
        for name, cell in zip(names, value.__closure__ or (), strict=True):
            try:
                kept = cell.cell_contents
            except ValueError:
                continue
            if id(cell) in self.seen:
                continue
            self.seen[id(cell)] = cell
            self.back.append(partial(setattr, cell, "cell_contents", kept))
            self.places.append(Place(cell, None, name))
            self.visit(kept, name, depth + 1)
        if value.__dict__:
            self.visit(value.__dict__, value.__name__, depth + 1)

    def _keep_object(self, value: Any, name: str, depth: int) -> None:
        self.seen[id(value)] = value
        try:
            attributes = {k: v for k, v in vars(value).items() if not k.startswith("__")}
        except TypeError:
            return

        def put() -> None:
            for key, inner in attributes.items():
                setattr(value, key, inner)

        if not isinstance(value, type):
            self.back.append(put)
        for key, inner in attributes.items():
            if isinstance(inner, property | staticmethod | classmethod) or (
                isinstance(value, type) and callable(inner)
            ):
                continue
            self.places.append(Place(value, key, f"{name}.{key}"))
            self.visit(inner, f"{name}.{key}", depth + 1)

    def _keep_state(self, value: Any, owner: Any, attribute: str) -> None:
        self.seen[id(value)] = value
        kept = copy.deepcopy(getattr(owner, attribute))
        self.back.append(lambda: setattr(owner, attribute, kept))

    def _keep_random(self, value: Any) -> None:
        self.seen[id(value)] = value
        read, write = (
            (value.get_state, value.set_state)
            if isinstance(value, np.random.RandomState)
            else (value.getstate, value.setstate)
        )
        kept = read()
        self.back.append(lambda: write(kept))

    def keep_chance(self) -> None:
        """Take in the state of every library's own random numbers."""
        numpy_state, state = np.random.get_state(), random.getstate()  # noqa: NPY002
        self.back.append(lambda: np.random.set_state(numpy_state))  # noqa: NPY002
        self.back.append(lambda: random.setstate(state))
        torch = sys.modules.get("torch")
        if torch is not None:
            kept = torch.get_rng_state()
            self.back.append(lambda: torch.set_rng_state(kept))


def _same(value: np.ndarray, kept: np.ndarray) -> bool:
    return bool(np.array_equal(value, kept))


def remember(env: dict[str, Any], module: dict[str, Any], modules: frozenset[str]) -> Memory:
    """All that is reached from a loop's variables and from its module's."""
    memory = Memory(modules=modules)
    memory.keep_chance()
    memory.visit(env, "")
    if module is not env:
        memory.visit(module, "")
    return memory
