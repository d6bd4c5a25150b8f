"""The hooks that an instrumented program calls as it runs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...descent.autograd import is_tensor
from .. import mishaps as say
from ..findings import Finding
from ..misfits import broadcast_prediction, wrong_shape
from .anatomy import Anatomy, Site
from .figures import flatten, flatten_like, is_array, is_crossed, is_number, is_single
from .log import Move, Record, Trouble
from .memory import Memory, remember
from .patience import PATIENCE
from .replay import Stop, Tape
from .tensors import Ledger

WINDOW, IDLE = 12, 3
"""Iterations of a loop that are looked into; and those without an update, before it is given up."""


class Iteration:
    """One pass through a loop's body, under way."""

    def __init__(
        self,
        record: Record,
        env: dict[str, Any] | None = None,
        memory: Memory | None = None,
        module: dict[str, Any] | None = None,
    ) -> None:
        self.record, self.env, self.memory = record, env, memory
        self.module: dict[str, Any] = module if module is not None else {}
        self.moves: list[Move] = []
        self.misfits: list[tuple[Finding, Any]] = []
        """Moves of another shape than what they move; a fault where that is a weight."""
        self.backward = False
        self.taken: list[Any] = []


class Index:
    """An index as a value: ``index[1:, 0]``."""

    def __getitem__(self, index: Any) -> Any:
        return index


class Hooks:
    """What the program tells, and what is made of it."""

    index = Index()

    def __init__(self, anatomy: Anatomy, judge: Callable[[Hooks, Iteration], bool]) -> None:
        self.anatomy, self.judge = anatomy, judge
        self.records: list[Record] = []
        self.active: list[Iteration] = []
        self.notes: dict[int, dict[tuple[int, int], Any]] = {}
        self.pending: dict[int, Move] = {}
        self.tape: Tape | None = None
        self.suppressed: set[int] | None = set()
        self.by: Any = None
        self.troubles: list[Trouble] = []
        self.ledger = Ledger(self)
        self.modules = frozenset({"__main__"})
        self.playing: list[Any] = []
        self.looked = 0.0
        self.variables: dict[str, Any] = {}

    # ------------------------------------------------------------ loops

    def enter(self, number: int) -> None:
        if self.tape is not None:
            return
        while len(self.records) <= number:
            self.records.append(Record(self.anatomy.loops[len(self.records)]))
        record = self.records[number]
        record.iterations += 1
        quiet = record.iterations > IDLE and not record.moved
        hopeless = bool(record.lost) and record.iterations > IDLE
        hopeless |= self.ledger.leads or self.looked > PATIENCE
        if record.iterations > WINDOW or quiet or record.passes or hopeless:
            self.active.append(Iteration(record))
            return
        frame = sys._getframe(1)  # noqa: SLF001
        env = frame.f_globals
        if frame.f_locals is not frame.f_globals:
            env = {**frame.f_globals, **frame.f_locals}
        try:
            memory = remember(env, frame.f_globals, self.modules)
        except (MemoryError, RecursionError):
            record.lost = "its variables are too large to be kept"
            self.active.append(Iteration(record))
            return
        self.active.append(Iteration(record, env, memory, frame.f_globals))

    def leave(self, number: int) -> None:
        if self.tape is not None or not self.active:
            return
        done = self.active.pop()
        if done.record.loop.number != number:  # a loop that was left in the middle of
            self.active = [one for one in self.active if one.record.loop.number != number]
            return
        if not done.moves and not done.misfits:
            return
        done.record.moved += 1
        if done.record.moved > WINDOW and not done.record.passes:
            return
        if sys.exc_info()[0] is not None and not isinstance(sys.exc_info()[1], Stop):
            return
        self._tell_misfits(done)
        if not done.moves:
            return
        followed = not done.record.passes and self.judge(self, done)
        if not followed:
            done.record.passes = bool(self.active)
            if self.active:
                self.active[-1].moves += done.moves

    def _tell_misfits(self, done: Iteration) -> None:
        """Moves of another shape are faults where something else in the loop is moved by a rate."""
        for finding, _ in done.misfits:
            if finding.code not in {other.code for other in done.record.findings}:
                done.record.findings.append(finding)

    # ------------------------------------------------------------ updates

    def note(self, site: int, term: int, factor: int, value: Any) -> Any:
        self.notes.setdefault(site, {})[term, factor] = value
        return value

    def move(self, number: int, old: Any, by: Any, owner: Any = None, key: Any = None) -> bool:
        self.by = by
        return self._tell(number, old, owner, key)

    def shifted(self, number: int, old: Any, value: Any) -> Any:
        if not self._tell(number, old, None, None):
            return old
        self.moved(number, value)
        return value

    def _tell(self, number: int, old: Any, owner: Any, key: Any) -> bool:
        if self.tape is not None:
            self.tape.clock += 1
            self.tape.moves.append((self.tape.clock, number))
            site = self.anatomy.sites[number]
            if len(site.signs) == 1 and site.signs[0] > 0:
                function = f"{site.function}:" if site.function else ""
                self.tape.tell(
                    "put", f"{function}{site.name} +", self.notes.get(number, {}).get((0, -1))
                )
            return self.suppressed is not None and number not in self.suppressed
        self.pending.pop(number, None)
        if self.active and (
            self.active[0].record.moved <= WINDOW or self.active[-1].record.moved <= WINDOW
        ):
            made = self._made(self.anatomy.sites[number], old, owner, key)
            if made is not None:
                self.pending[number] = made
                self.active[-1].moves.append(made)
        return True

    def _made(self, site: Site, old: Any, owner: Any, key: Any) -> Move | None:
        """The move as it is told; None of what is no weight."""
        whole, index = old, None
        if site.form == "item" and (isinstance(owner, np.ndarray) or is_tensor(owner)):
            whole, index = owner, key
        elif site.form == "attribute" and key == "data" and is_tensor(owner):
            whole = owner
        if not is_number(whole):
            return None
        noted = self.notes.get(site.number, {})
        before = flatten(old)
        none = any(value is None for value in noted.values())
        terms, scalars = [], []
        for k, sign in enumerate(site.signs):
            value = noted.get((k, -1))
            if value is None or isinstance(value, str | list | tuple | dict):
                if none or (k, -1) not in noted:
                    value = np.nan
                else:
                    return None
            try:
                terms.append(
                    sign * np.broadcast_to(flatten_like(value, np.shape(old)), before.shape)
                )
            except (ValueError, TypeError):
                if (
                    site.has_rate
                    and site.is_plain
                    and is_number(value)
                    and self.active[-1].record.iterations <= WINDOW
                ):
                    got, wanted = tuple(np.shape(value)), tuple(np.shape(old))
                    self.active[-1].misfits.append((wrong_shape(got, wanted, got[0]), whole))
                return None
            scalars.append(
                {
                    f: float(flatten(v)[0])
                    for (t, f), v in noted.items()
                    if t == k and f >= 0 and is_single(v)
                }
            )
        made = Move(site, site.name, whole, before, terms, scalars, index, owner, key)
        made.none = none
        self.ledger.look(made)
        return made

    def moved(self, number: int, new: Any) -> None:
        made = self.pending.get(number)
        if made is not None and self.tape is None:
            made.new = new

    def cure(self, number: int, target: Callable[[], Any]) -> bool:
        """Whether what went wrong in an update has a cure that lets the program go on."""
        if self.tape is not None:
            return False
        error = sys.exc_info()[1]
        assert error is not None
        site = self.anatomy.sites[number]
        old = target()
        text = str(error)
        if isinstance(error, NameError) and is_tensor(old) and old.grad is not None:
            rates = [f.text for f in site.terms[0] if f.names_a_rate]
            name = getattr(error, "name", None) or text
            self.find(say.undefined(str(name), site.line, site.name))
            rate = self._value_of(rates[0]) if rates else 0.01
            self.by = rate * old.grad
            self.notes[number] = {(0, -1): self.by, (0, 0): rate, (0, 1): old.grad}
            self._tell(number, old, None, None)
            if old.requires_grad and sys.modules["torch"].is_grad_enabled():
                self.find(say.leaf_in_place(site.name, site.line))
            return True
        if is_tensor(old) and "leaf" in text and "in-place" in text:
            self.find(say.leaf_in_place(site.name, site.line))
            if number in self.pending:
                self.pending[number].cured = True
            return True
        if is_tensor(old) and any(value is None for value in self.notes.get(number, {}).values()):
            self.find(say.grad_is_none(site.name, self.ledger.why_none(old)))
        return False

    def _value_of(self, text: str) -> float:
        frame: Any = sys._getframe(2)  # noqa: SLF001
        try:
            return float(eval(text, frame.f_globals, frame.f_locals))  # noqa: S307
        except Exception:
            return 0.01

    def fatal(self) -> bool:
        return True

    @contextlib.contextmanager
    def unrecorded(self) -> Iterator[None]:
        """What PyTorch wants an update to stand in."""
        torch: Any = sys.modules.get("torch")
        with torch.no_grad() if torch else contextlib.nullcontext():
            yield

    def find(self, finding: Any) -> None:
        """A finding of the loop that is under way, once."""
        if self.active:
            found = self.active[-1].record.findings
            if finding.code not in {other.code for other in found}:
                found.append(finding)

    def blame(self, line: int, finding: Finding) -> None:
        """A finding of the innermost loop that ran and has that line, or of the last that ran."""
        ran = [record for record in self.records if record.iterations]
        near = [r for r in ran if r.loop.line <= line] or ran
        if near:
            max(near, key=lambda r: (r.loop.cell, r.loop.line)).findings.append(finding)

    # ------------------------------------------------------------ values

    def put(self, function: str, *told: Any) -> None:
        if self.tape is not None:
            for name, value in zip(told[::2], told[1::2], strict=True):
                self.tape.tell("put", f"{function}:{name}" if function else name, value)

    def read(self, owner: Any, attribute: str) -> Any:
        """An attribute, which is not asked for in the program's own run."""
        return None if self.tape is None else getattr(owner, attribute, None)

    def see(self, text: str, value: Any) -> Any:
        if self.tape is not None:
            self.tape.tell("see", text, value)
        return value

    def minus(self, left: Any, right: Any) -> Any:
        """Left - right, and whether a column met a row there."""
        if self.active and self.tape is None:
            shapes = [getattr(value, "shape", ()) for value in (left, right)]
            if all(isinstance(shape, tuple) for shape in shapes) and is_crossed(*shapes):
                n = max(shapes[0])
                self.find(broadcast_prediction(tuple(shapes[0]), tuple(shapes[1]), (n, n)))
        return left - right

    def part(self, value: Any) -> Any:
        if self.tape is not None and self.tape.wants_parts and is_array(value):
            self.tape.clock += 1
            self.tape.parts.append((self.tape.clock, value))
        return value

    def returned(self, function: str, value: Any) -> Any:
        if self.tape is not None:
            self.tape.tell("return", function, value)
        return value

    def next_of(self, *arguments: Any) -> Any:
        """next(), whose values are kept to be given again."""
        if self.tape is not None:
            return self.playing.pop(0) if self.playing else next(*arguments)
        value = next(*arguments)
        for iteration in self.active:
            if iteration.memory is not None:
                iteration.taken.append(value)
        return value

    def stop(self, *_: Any) -> None:
        raise Stop

    def forgive_print(self, line: int) -> bool:
        """Whether a print that failed is told of, and the program goes on."""
        error = sys.exc_info()[1]
        if (
            self.tape is not None
            or not self.active
            or not isinstance(error, TypeError | ValueError)
        ):
            return self.tape is not None
        if line not in {trouble.line for trouble in self.troubles}:
            cell = self.active[-1].record.loop.cell
            self.troubles.append(Trouble(cell, line, f"{type(error).__name__}: {error}", True))
        return True

    @contextlib.contextmanager
    def replaying(self, tape: Tape) -> Iterator[None]:
        self.tape, notes, by = tape, self.notes, self.by
        self.notes = {}
        try:
            yield
        finally:
            tape.notes = self.notes
            self.tape, self.notes, self.by = None, notes, by
