"""What a check of a program has found, and how it is had: the program is run in a process apart."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import OptionError, ProgramError
from ..findings import Finding
from .reading import read_cells

GRACE = 30.0
"""Seconds that a program which was stopped has to tell what was seen."""


@dataclass(frozen=True)
class Spot:
    """A place in a program."""

    cell: int
    line: int


@dataclass(frozen=True)
class ProgramReport:
    """What a check of a program has found.

    Attributes
    ----------
    path : str
        The file.
    cells : int
        How many cells it has; a plain script is one.
    loops : tuple of Spot
        The training loops that were seen.
    findings : tuple of (Spot, Finding)
        The faults, loop by loop, worst first.
    unfollowed : tuple of (Spot, str)
        What could not be followed, and why.
    notes : tuple of str
        Lines left out, and that the time was up.
    """

    path: str
    cells: int
    loops: tuple[Spot, ...]
    findings: tuple[tuple[Spot, Finding], ...]
    unfollowed: tuple[tuple[Spot, str], ...]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 where nothing was found, 1 where something was, 2 where nothing could be followed."""
        if self.findings:
            return 1
        return 2 if self.unfollowed or not self.loops else 0

    def place(self, spot: Spot) -> str:
        """A place in words."""
        cell = f"cell {spot.cell}, " if self.cells > 1 else ""
        return f"{self.path}, {cell}line {spot.line}"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        spots = list(dict.fromkeys([*self.loops, *(spot for spot, _ in self.findings)]))
        lost = {spot for spot, _ in self.unfollowed}
        for spot in spots:
            own = [finding for where, finding in self.findings if where == spot]
            if own:
                yield self.place(spot)
                yield from map(str, own)
            elif spot not in lost:
                yield f"{self.place(spot)}: ok"
        for spot, why in self.unfollowed:
            yield f"{self.place(spot)}: not followed: {why}"
        if not spots and not self.unfollowed:
            yield f"{self.path}: no training loop was seen"


def check_program(path: str, *, timeout: float = 60.0) -> ProgramReport:
    """Run a script or notebook and say which of its gradients and updates are wrong.

    Each training loop is found by what it does: something is moved in it by a rate times
    something, and a number that the loop computes depends on it.  That number is differentiated
    by running the loop's body again with other weights, or is what ``backward()`` was called on,
    and is held against the update.

    Parameters
    ----------
    path : str
        A Python script, with or without ``# %%`` cells, a notebook, or a notebook's export as text
        with its ``In [1]:`` prompts.  It is run, in a process of its own and in its own folder.
    timeout : float, optional
        Seconds that it may run.

    Returns
    -------
    ProgramReport
        ``findings``, ``unfollowed`` and ``exit_code``.

    Raises
    ------
    ProgramError
        The file cannot be read, or it took Python down.
    OptionError
        ``timeout`` is not above 0.

    Notes
    -----
    The first 12 iterations with an update are looked into, O(p) runs of the loop's body each.

    Examples
    --------
    >>> import tempfile
    >>> script = '''
    ... import numpy as np
    ... x, y, w = np.arange(1.0, 5.0), np.arange(2.0, 9.0, 2.0), 0.0
    ... for epoch in range(5):
    ...     error = w * x - y
    ...     cost = (error**2).mean()
    ...     w -= 0.01 * np.dot(2 * x, error)
    ... '''
    >>> with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
    ...     _ = file.write(script)
    ...     file.flush()
    ...     report = check_program(file.name)
    >>> report.exit_code, report.findings[0][1].name
    (1, 'sum, not mean')
    """
    if not 0 < timeout < float("inf"):
        raise OptionError.outside("timeout", timeout, "seconds above 0", "timeout=60")
    cells = read_cells(path)
    command = [sys.executable, "-m", "steepest.checks.program.child", str(Path(path).absolute())]
    try:
        done = subprocess.run(  # noqa: S603 - the user's own program, which is to be run
            [*command, str(timeout)],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout + GRACE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProgramError.unfinished(path, timeout) from None
    told = [json.loads(line) for line in done.stdout.decode().splitlines()]
    if not told or told[-1]["kind"] != "end":
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise ProgramError.crashed(path, words[-1] if words else f"exit code {done.returncode}")
    report = _gather(path, len(cells), told)
    if not report.loops and any(one["kind"] == "late" for one in told):
        raise ProgramError.unfinished(path, timeout)
    return report


def _gather(path: str, cells: int, told: list[dict[str, Any]]) -> ProgramReport:
    loops, findings, unfollowed, notes = [], [], [], []
    for one in told:
        spot = Spot(one.get("cell", 1), one.get("line", 1))
        if one["kind"] == "loop":
            loops.append(spot)
        elif one["kind"] == "finding":
            names = ("code", "name", "found", "cure", "rank", "other_name")
            findings.append((spot, Finding(*(one[name] for name in names))))
        elif one["kind"] == "lost":
            unfollowed.append((spot, one["text"]))
        elif one["kind"] == "note":
            notes.append(one["text"])
        elif one["kind"] == "late":
            notes.append(
                "the time was up before the program's end; this is what was seen until then."
            )
    return ProgramReport(
        path, cells, tuple(loops), tuple(findings), tuple(unfollowed), tuple(notes)
    )
