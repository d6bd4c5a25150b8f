"""A loop's body, run again from where it started, with other weights."""

from __future__ import annotations

import ast
import contextlib
import io
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import numpy as np

from ...descent.autograd import is_tensor
from ..trial import as_array
from .anatomy import Loop
from .figures import is_array, is_traced, number_of
from .memory import Memory, Place


class Stop(BaseException):
    """The body has come to its end."""


@dataclass
class Tape:
    """What a run of the body told."""

    scalars: dict[tuple[str, str], complex] = field(default_factory=dict)
    """Numbers by how they came (``put``, ``see``, ``return``) and their name."""
    arrays: list[tuple[int, str, Any]] = field(default_factory=list)
    """Every value by when it came and its name."""
    moves: list[tuple[int, int]] = field(default_factory=list)
    """Updates that were asked for: when, and which site."""
    notes: dict[int, dict[tuple[int, int], Any]] = field(default_factory=dict)
    """The terms of each update, as they were last."""
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each number came."""
    parts: list[tuple[int, Any]] = field(default_factory=list)
    """Products and quotients on the way, where they are wanted."""
    wants_parts: bool = False
    clock: int = 0

    def tell(self, how: str, name: str, value: Any) -> None:
        self.clock += 1
        if type(value).__module__ == "__main__":  # a number of the program's own making
            value = getattr(value, "data", value)
        number = number_of(value)
        if number is not None:
            self.scalars[how, name] = number
            self.counts[how, name] += 1
        if not is_traced(value) and (isinstance(value, float | complex) or is_array(value)):
            self.arrays.append((self.clock, name, value))


class _Ends(ast.NodeTransformer):
    """Turns what leaves the body into the end of the run."""

    def __init__(self) -> None:
        self.inner = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        return self._loop(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._loop(node)

    def _loop(self, node: ast.AST) -> ast.AST:
        self.inner += 1
        found = self.generic_visit(node)
        self.inner -= 1
        return found

    def visit_Return(self, node: ast.Return) -> ast.AST:
        return _stop(node, node.value)

    def visit_Break(self, node: ast.Break) -> ast.AST:
        return node if self.inner else _stop(node, None)

    def visit_Continue(self, node: ast.Continue) -> ast.AST:
        return node if self.inner else _stop(node, None)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        return ast.copy_location(ast.Pass(), node)


def _stop(node: ast.stmt, value: ast.expr | None) -> ast.stmt:
    name = ast.Attribute(ast.Name("__steepest__", ast.Load()), "stop", ast.Load())
    call = ast.Expr(ast.Call(name, [value] if value else [], []))
    return ast.fix_missing_locations(ast.copy_location(call, node))


def compile_body(loop: Loop) -> CodeType:
    """The body of a loop on its own.

    Raises
    ------
    SyntaxError
        It yields or awaits.
    """
    body = [_Ends().visit(statement) for statement in loop.body]
    module = ast.fix_missing_locations(ast.Module(body or [ast.Pass()], []))
    return compile(module, f"<cell {loop.cell}>", "exec")


@dataclass
class Weight:
    """A number, array or tensor that updates move, and where it stands."""

    name: str
    places: list[Place]
    value: Any
    """As it was before the iteration, a copy."""

    @property
    def size(self) -> int:
        return int(np.size(as_array(self.value)))

    @property
    def stands(self) -> bool:
        """Whether it is as it was before the iteration, wherever it stands."""
        kept = as_array(self.value)
        return all(np.array_equal(as_array(place.read()), kept) for place in self.places)

    def write(self, flat: np.ndarray) -> None:
        """Give it other numbers, in place where it can be, so that every alias sees them."""
        value = self.places[0].read()
        shaped = flat.reshape(np.shape(self.value))
        real = not np.iscomplexobj(shaped)
        if (
            isinstance(value, np.ndarray)
            and value.dtype.kind == "f"
            and value.flags.writeable
            and real
        ):
            np.copyto(value, shaped, casting="same_kind")
        elif is_tensor(value):
            import torch

            with torch.no_grad():
                value.copy_(torch.from_numpy(np.array(shaped)))
        else:
            made: Any = shaped
            if not np.shape(self.value) and not isinstance(value, np.ndarray):
                made = shaped[()].item()
                made = (
                    type(self.value)(made) if real and isinstance(self.value, np.floating) else made
                )
            elif not isinstance(value, np.ndarray) and value is not None:
                import jax.numpy as jnp

                made = jnp.asarray(shaped, dtype=value.dtype if real else complex)
            for place in self.places:
                place.write(made)


@dataclass
class Replay:
    """Runs a loop's body from the start of one iteration."""

    code: CodeType
    env: dict[str, Any]
    memory: Memory
    hooks: Any
    weights: list[Weight]
    tapes: dict[bytes, Tape] = field(default_factory=dict)
    taken: list[Any] = field(default_factory=list)
    """What next() gave in the iteration, to be given again."""
    runs: int = 0

    def run(self, flat: np.ndarray) -> Tape:
        """What the body tells at these weights, all of them in one array."""
        key = flat.tobytes()
        if key not in self.tapes:
            self.tapes[key] = self._run(flat)
        return self.tapes[key]

    def _run(self, flat: np.ndarray) -> Tape:
        self.runs += 1
        self.memory.restore()
        at = 0
        for weight in self.weights:
            weight.write(flat[at : at + weight.size])
            at += weight.size
        tape = Tape(wants_parts=not self.tapes)
        self.hooks.playing = list(self.taken)
        with self.hooks.replaying(tape), _quiet(), contextlib.suppress(Stop):
            exec(self.code, self.env)  # noqa: S102 - the user's own code
        return tape


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with (
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        yield
