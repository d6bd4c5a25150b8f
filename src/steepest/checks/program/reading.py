"""The cells of a script, a notebook or its export as text, each as code that can be compiled."""

from __future__ import annotations

import ast
import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path

from ...errors import ProgramError

PROMPT = re.compile(r"^In\s*\[[\d ]*\]:[ ]?(.*)$")
DIVIDER = re.compile(r"^#\s*%%")
MAGIC = re.compile(r"^\s*([%!?]|[\w.]+\?{1,2}\s*$)")
WORDS = re.compile(r"^[^\W\d][\w'-]*( [\w'-]+)*[.:]?$")


@dataclass(frozen=True)
class Cell:
    """Code that is run at once."""

    number: int
    """Which cell it is, from 1."""
    source: str
    first: int
    """The line of the file at which it starts, or 1 in a notebook, whose cells count their own."""
    dropped: tuple[int, ...] = ()
    """Lines that are no Python and were left out."""


def read_cells(path: str) -> list[Cell]:
    """The cells of a file; a plain script is one cell.

    Raises
    ------
    ProgramError
        There is no such file, it cannot be read, is no notebook, or has no code.
    """
    place = Path(path)
    try:
        text = place.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ProgramError.unreadable(path, "there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise ProgramError.unreadable(path, reason) from None
    if place.suffix == ".ipynb":
        cells = _from_notebook(path, text)
    else:
        lines = text.replace("\r\n", "\n").split("\n")
        if any(map(PROMPT.match, lines)):
            cells = _from_export(lines)
        elif any(map(DIVIDER.match, lines)):
            cells = _divided(lines)
        else:
            cells = [_make(1, lines, 1)]
    found = [cell for cell in cells if cell.source.strip()]
    if not found:
        raise ProgramError.unreadable(path, "there is no code in it")
    return found


def _from_notebook(path: str, text: str) -> list[Cell]:
    try:
        record = json.loads(text)
        codes = [cell for cell in record["cells"] if cell["cell_type"] == "code"]
        sources = [cell["source"] for cell in codes]
        joined = [s if isinstance(s, str) else "".join(s) for s in sources]
    except (ValueError, KeyError, TypeError):
        raise ProgramError.unreadable(path, "it is no notebook in JSON of version 4") from None
    return [_make(k, code.split("\n"), 1) for k, code in enumerate(joined, start=1)]


def _divided(lines: list[str]) -> list[Cell]:
    starts = [i for i, line in enumerate(lines) if DIVIDER.match(line)]
    edges = [*sorted({0, *starts}), len(lines)]
    pieces = [(a, lines[a:b]) for a, b in itertools.pairwise(edges)]
    kept = [(a, piece) for a, piece in pieces if any(_is_code(line) for line in piece)]
    markdown = re.compile(r"^#\s*%%\s*\[markdown\]")
    kept = [(a, piece) for a, piece in kept if not markdown.match(piece[0])]
    return [_make(k, piece, a + 1) for k, (a, piece) in enumerate(kept, start=1)]


def _is_code(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _from_export(lines: list[str]) -> list[Cell]:
    """Code stands after its prompt, and output after the code: the longest run that parses."""
    prompts = [i for i, line in enumerate(lines) if PROMPT.match(line)]
    cells = []
    for k, (start, end) in enumerate(
        zip(prompts, [*prompts[1:], len(lines)], strict=True), start=1
    ):
        rest = PROMPT.match(lines[start])
        body = [rest[1] if rest else "", *lines[start + 1 : end]]
        cells.append(_longest(k, body, start + 1))
    return cells


def _longest(number: int, body: list[str], first: int) -> Cell:
    """As many lines as parse, once magics and bare words are left out."""
    cell = _make(number, body, first)
    for count in range(len(body), 0, -1):
        source = "\n".join(cell.source.split("\n")[:count])
        if _parses(source):
            dropped = tuple(line for line in cell.dropped if line < first + count)
            return Cell(number, _without_words(source), first, dropped)
    return cell


def _without_words(source: str) -> str:
    """Without what stands at the end and is output that happens to parse: ``Epoch: 1``, words."""
    lines = source.split("\n")
    while body := ast.parse("\n".join(lines)).body:
        last = body[-1]
        alone = isinstance(last, ast.AnnAssign) and last.value is None
        if not alone and not (WORDS.match(lines[-1].strip()) and isinstance(last, ast.Expr)):
            break
        lines = lines[: last.lineno - 1]
    return "\n".join(lines)


def _parses(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    return True


def _make(number: int, lines: list[str], first: int) -> Cell:
    """A cell whose magics and shell lines are comments; a cell of another language is empty."""
    if lines and lines[0].startswith("%%") and not re.match(r"%%(time|timeit|capture)\b", lines[0]):
        return Cell(number, "", first, (first,))
    kept, dropped = [], []
    whole = _parses("\n".join(lines))
    for i, line in enumerate(lines):
        if not whole and MAGIC.match(line):
            indent = line[: len(line) - len(line.lstrip())]
            kept.append(f"{indent}pass  # {line.strip()}")
            dropped.append(first + i)
        else:
            kept.append(line)
    return Cell(number, "\n".join(kept), first, tuple(dropped))
