"""Runs a program with hooks in it and tells what was seen, a JSON object a line."""

from __future__ import annotations

import builtins
import json
import linecache
import os
import signal
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import steepest

from ...descent.autograd import is_tensor
from .. import mishaps as say
from .anatomy import Anatomy
from .hooks import Hooks
from .instruments import instrument
from .listening import Listener, Tell, kept_quiet, placed
from .log import Trouble
from .reading import Cell, read_cells
from .survey import survey_loops
from .wiring import HOOKS
from .witness import judge


def watch(path: str, tell: Tell) -> None:
    """Run the program at ``path`` and tell what was seen of it."""
    anatomy = Anatomy()
    hooks = Hooks(anatomy, judge)
    module = ModuleType("__main__")
    module.__dict__.update({"__file__": path, "__name__": "__main__"})
    kept, imports, asked = sys.modules["__main__"], builtins.__import__, builtins.input
    descend = steepest.descend
    sys.modules["__main__"] = module
    vars(builtins)[HOOKS] = hooks
    Listener(hooks, tell).listen()
    try:
        with kept_quiet(hooks):
            for cell in read_cells(path):
                for line in cell.dropped:
                    tell(
                        {
                            "kind": "note",
                            "text": f"line {line} is no Python, and was left out.",
                            "cell": cell.number,
                        }
                    )
                if cell.source.strip():
                    _run(cell, module.__dict__, hooks)
    except OutOfTime:
        hooks.tape = None
        tell({"kind": "late"})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        builtins.__import__, builtins.input = imports, asked
        steepest.descend = descend
        hooks.ledger.unpatch()
        sys.modules["__main__"] = kept
        del vars(builtins)[HOOKS]
    for told in survey_loops(hooks, module.__dict__):
        tell(told)
    for trouble in {(t.cell, t.what): t for t in reversed(hooks.troubles)}.values():
        finding = say.stopped(trouble.what, trouble.went_on)
        tell(placed(trouble.cell, trouble.line, finding))


def _run(cell: Cell, variables: dict[str, Any], hooks: Hooks) -> None:
    """One cell; an error ends it, and the next one is run all the same."""
    name = f"<cell {cell.number}>"
    try:
        tree = instrument(cell.source, cell.number, cell.first, hooks.anatomy)
        code = compile(tree, name, "exec")
        lines = ["\n"] * (cell.first - 1) + cell.source.splitlines(keepends=True)
        linecache.cache[name] = (len(cell.source), None, lines, name)
    except SyntaxError as error:
        hooks.troubles.append(
            Trouble(cell.number, error.lineno or 0, f"SyntaxError: {error.msg}", went_on=False)
        )
        return
    hooks.active.clear()
    hooks.variables = variables
    hooks.ledger.patch()
    try:
        exec(code, variables)  # noqa: S102 - the user's own program
    except SystemExit:
        return
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | OutOfTime):
            raise
        _tell_trouble(error, cell, hooks)


def _tell_trouble(error: BaseException, cell: Cell, hooks: Hooks) -> None:
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith("<cell")]
    line = (lines[-1].lineno or 0) if lines else 0
    text = str(error)
    if "does not require grad" in text and hooks.records:
        names = [s.name for s in hooks.anatomy.sites if s.cell == cell.number]
        hooks.blame(line, say.lost_leaf(names, line))
        return
    if "NoneType" in text and hooks.ledger.patched:
        for number, noted in hooks.notes.items():
            site = hooks.anatomy.sites[number]
            if site.cell == cell.number and any(value is None for value in noted.values()):
                tensor = hooks.variables.get(site.name)
                why = (
                    hooks.ledger.why_none(tensor)
                    if is_tensor(tensor)
                    else "backward() did not reach it."
                )
                hooks.blame(site.line, say.grad_is_none(site.name, why))
                return
    known = {f.code for record in hooks.records for f in record.findings}
    if "L05" in known and "NoneType" in text:
        return
    hooks.troubles.append(
        Trouble(cell.number, line, f"{type(error).__name__}: {text}", went_on=False)
    )


class OutOfTime(BaseException):
    """The program has run for as long as it may."""


def main(path: str, seconds: float) -> None:
    """Tell on standard output, which is kept from the program."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)

    def tell(told: dict[str, Any]) -> None:
        out.write(json.dumps(told) + "\n")
        out.flush()

    def stop(*_: Any) -> None:
        raise OutOfTime

    folder = str(Path(path).resolve().parent)
    name = str(Path(path).resolve())
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.argv = [name]
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    watch(name, tell)
    tell({"kind": "end"})


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
