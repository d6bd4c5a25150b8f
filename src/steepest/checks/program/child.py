"""Runs a program with hooks in it and tells what was seen, a JSON object a line."""

from __future__ import annotations

import builtins
import json
import linecache
import os
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import steepest

from .. import mishaps as say
from .anatomy import Anatomy
from .causes import blame
from .hooks import Hooks
from .instruments import instrument
from .listening import Listener, Tell, kept_quiet, placed
from .log import Trouble
from .reading import Cell, read_cells
from .standins import Standin
from .survey import survey_loops
from .wiring import HOOKS
from .witness import judge


def watch(path: str, tell: Tell) -> None:
    """Run the program at ``path`` and tell what was seen of it."""
    anatomy = Anatomy()
    hooks = Hooks(anatomy, judge)
    module = ModuleType("__main__")
    module.__dict__.update({"__file__": path, "__name__": "__main__"})
    if not path.endswith(".py"):  # a notebook has these two
        module.__dict__.update({"display": Standin(), "get_ipython": Standin()})
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
        if trouble.what.startswith("EOFError: input()"):
            place = {"cell": trouble.cell, "line": trouble.line}
            tell({"kind": "lost", **place, "text": "input() has nobody to ask while it is checked"})
            continue
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
        blame(error, cell, hooks)


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
