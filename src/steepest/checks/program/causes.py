"""Why a program stopped: what of its training an error is the end of."""

from __future__ import annotations

import ast
import linecache
import re
import traceback
from types import FunctionType, TracebackType
from typing import Any

from ...descent.autograd import is_tensor
from .. import mishaps as say
from ..misfits import returned_nothing
from .anatomy import names_read
from .hooks import Hooks
from .log import Trouble
from .reading import Cell


def blame(error: BaseException, cell: Cell, hooks: Hooks) -> None:
    """Lay an error to the training loop whose slip it comes from, or else tell of it as it is."""
    line, variables = _place_of(error.__traceback__)
    text = str(error)
    if "does not require grad" in text and hooks.records:
        _no_graph(cell, line, hooks)
        return
    if "NoneType" in text:
        if _none_in_update(cell, hooks) or _none_zeroed(cell, line, variables, hooks):
            return
        if "L05" in {f.code for record in hooks.records for f in record.findings}:
            return
    what = f"{type(error).__name__}: {text}"
    hooks.troubles.append(Trouble(cell.number, line, what, went_on=False))


def _place_of(trace: TracebackType | None) -> tuple[int, dict[str, Any]]:
    """The program's line that an error came from, and the variables there."""
    line, variables = 0, {}
    for frame, at in traceback.walk_tb(trace):
        if frame.f_code.co_filename.startswith("<cell"):
            line, variables = at, {**frame.f_globals, **frame.f_locals}
    return line, variables


def _no_graph(cell: Cell, line: int, hooks: Hooks) -> None:
    """backward() on what PyTorch has not recorded."""
    names = [site.name for site in hooks.anatomy.sites if site.cell == cell.number]
    if _stands_unrecorded(cell, line):
        hooks.blame(line, say.backward_unrecorded(line))
    elif any(record.moved for record in hooks.records if record.loop.cell == cell.number):
        hooks.blame(line, say.lost_leaf(names, line))
    else:
        hooks.blame(line, say.never_asked(names, line))


def _stands_unrecorded(cell: Cell, line: int) -> bool:
    """Whether a line stands in a block of no_grad()."""
    for node in ast.walk(ast.parse(cell.source)):
        if isinstance(node, ast.With) and "no_grad" in "".join(map(ast.unparse, node.items)):
            first = node.lineno + cell.first - 1
            if first <= line <= (node.end_lineno or node.lineno) + cell.first - 1:
                return True
    return False


def _none_in_update(cell: Cell, hooks: Hooks) -> bool:
    """None as a factor of an update: a gradient that PyTorch has not filled in, or no return."""
    for number, noted in hooks.notes.items():
        site = hooks.anatomy.sites[number]
        if site.cell != cell.number or not any(value is None for value in noted.values()):
            continue
        tensor = hooks.variables.get(site.name)
        if is_tensor(tensor):
            hooks.blame(site.line, say.grad_is_none(site.name, hooks.ledger.why_none(tensor)))
            return True
        for (term, factor), value in noted.items():
            if value is None and factor >= 0:
                name = _function_behind(site.terms[term][factor].text, hooks)
                if name:
                    hooks.blame(site.line, returned_nothing(name))
                    return True
        if hooks.ledger.patched:
            hooks.blame(site.line, say.grad_is_none(site.name, "backward() did not reach it."))
            return True
    return False


def _function_behind(text: str, hooks: Hooks) -> str:
    """The program's function that a value comes from."""
    names = names_read(text)
    names |= {other for name in names for other in hooks.anatomy.reads.get(name, ())}
    own = [name for name in sorted(names) if isinstance(hooks.variables.get(name), FunctionType)]
    return own[0] if len(own) == 1 else ""


def _none_zeroed(cell: Cell, line: int, variables: dict[str, Any], hooks: Hooks) -> bool:
    """w.grad.zero_() where w is the result of an update, and has no .grad any more."""
    text = linecache.getline(f"<cell {cell.number}>", line)
    for name in re.findall(r"(\w+)\.grad\.", text):
        tensor: Any = variables.get(name)
        if is_tensor(tensor) and (not tensor.is_leaf or tensor.grad is None):
            why = hooks.ledger.why_none(tensor)
            hooks.blame(line, say.grad_is_none(name, why, f"line {line}"))
            return True
    return False
