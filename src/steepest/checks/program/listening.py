"""What is done to a program's surroundings: its imports, its plots, its descents, its words."""

from __future__ import annotations

import builtins
import contextlib
import io
import math
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

import steepest

from ..findings import Finding
from ..misfits import broadcast_prediction
from .hooks import Hooks
from .standins import Standin, stands_in

Tell = Callable[[dict[str, Any]], None]

WATCHED = {"torch", "matplotlib", "steepest"}


def placed(cell: int, line: int, finding: Finding) -> dict[str, Any]:
    """A finding at its place, as it is told."""
    return {"kind": "finding", "cell": cell, "line": line, **asdict(finding)}


class Listener:
    """Hears of imports of PyTorch, of plots, and of steepest's own descents."""

    def __init__(self, hooks: Hooks, tell: Tell) -> None:
        self.hooks, self.tell = hooks, tell
        self.imports, self.descend = builtins.__import__, steepest.descend
        self.busy = False

    def listen(self) -> None:
        """Hear of what is imported from now on, and of what is there."""
        builtins.__import__ = self._importing
        steepest.descend = self._descending
        self.hooks.ledger.patch()

    def _importing(self, name: str, *arguments: Any, **options: Any) -> Any:
        try:
            found = self.imports(name, *arguments, **options)
        except ModuleNotFoundError as error:
            if not stands_in(error):
                raise
            return Standin()
        if name.partition(".")[0] in WATCHED and not self.busy:
            self.busy = True
            try:
                self.hooks.ledger.patch()
                plots = sys.modules.get("matplotlib.pyplot")
                if plots is not None:
                    vars(plots)["show"] = lambda *_, **__: None
            finally:
                self.busy = False
        return found

    def _descending(self, *arguments: Any, **options: Any) -> Any:
        """steepest.descend, whose gradient is checked before it descends."""
        frame = sys._getframe(1)  # noqa: SLF001
        _check_descent(arguments, options, frame, self.tell)
        return self.descend(*arguments, **options)


def _check_descent(arguments: Any, options: Any, frame: Any, tell: Tell) -> None:
    from ..checkup import check_gradient

    names = ("X", "Y")
    given = {**dict(zip(names, arguments, strict=False)), **options}
    given = {{"x": "X", "y": "Y"}.get(k, k): v for k, v in given.items()}
    if not {"X", "Y", "forward", "loss", "w"} <= set(given):
        return
    cell = frame.f_code.co_filename
    number = int(cell[6:-1]) if cell.startswith("<cell ") else 1
    tell({"kind": "loop", "cell": number, "line": frame.f_lineno})
    try:
        checkup = check_gradient(
            given["forward"],
            given["loss"],
            given.get("gradient"),
            given["X"],
            given["Y"],
            w=given["w"],
        )
    except Exception as error:
        place = {"cell": number, "line": frame.f_lineno}
        tell(
            {"kind": "lost", **place, "text": f"{type(error).__name__}: {error}".partition("\n")[0]}
        )
        return
    for finding in checkup.findings:
        tell(placed(number, frame.f_lineno, finding))


@contextlib.contextmanager
def kept_quiet(hooks: Hooks) -> Iterator[None]:
    """The program's words are its own; it is not asked anything."""

    def refuse(*_: Any) -> str:
        raise EOFError("input() has nobody to ask: the program is being checked")

    builtins.input = refuse
    os.environ.setdefault("MPLBACKEND", "Agg")

    def heed(message: Any, *_: Any, **__: Any) -> None:
        sizes = re.findall(r"torch\.Size\(\[([\d, ]*)\]\)", str(message))
        target, given = (tuple(map(int, size.split(","))) for size in sizes[:2])
        if math.prod(np.broadcast_shapes(given, target)) > max(math.prod(given), math.prod(target)):
            hooks.find(broadcast_prediction(given, target, np.broadcast_shapes(given, target)))

    words = io.StringIO()
    with (
        contextlib.redirect_stdout(words),
        contextlib.redirect_stderr(words),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", message="Using a target size")
        warnings.showwarning = heed
        yield
