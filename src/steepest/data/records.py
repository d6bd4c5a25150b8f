"""Records of delimited text as its rules have them, one by one, each with its line.

A field is in quotes from its first character to its last, with quotes inside doubled, or it holds
no quote at all.  This is the slow reader that says where and why; Arrow's reads the rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import SourceError

LINE_END = re.compile(rb"\r\n|\n|\r")


class Record(NamedTuple):
    """The fields of a record, and where it stands."""

    line: int
    start: int
    """Its first byte."""
    stop: int
    """The first byte after it and its line end."""
    cells: list[bytes]
    quoted: frozenset[int]
    """The fields that stood in quotes."""


class BrokenError(Exception):
    """A quote out of place: the line of its field, and what stands there."""

    def __init__(self, line: int, shown: bytes, *, open_ended: bool) -> None:
        super().__init__(line, shown, open_ended)
        self.line, self.shown, self.open_ended = line, shown, open_ended

    def tell(self, name: str, before: int = 0) -> SourceError:
        """The error for a file of that name, where so many lines stand before the text."""
        shown = self.shown.decode("utf-8", "replace")
        refuse = SourceError.unclosed_quote if self.open_ended else SourceError.stray_quote
        return refuse(name, before + self.line, shown)


def iterate(text: bytes, delimiter: str, quote: str) -> Iterator[Record]:
    """The records of a text, an empty line as one without fields; lines count from 1.

    BrokenError for a quote that is out of place, or that nothing closes.
    """
    mark, around = delimiter.encode(), quote.encode()
    unquoted = re.compile(rb"[\r\n" + re.escape(mark) + rb"]")
    line, at, size = 1, 0, len(text)
    while at < size:
        found = LINE_END.search(text, at)
        end, stop = (found.start(), found.end()) if found else (size, size)
        if not around or text.find(around, at, end) < 0:
            cells = text[at:end].split(mark) if end > at else []
            yield Record(line, at, stop, cells, frozenset())
            line, at = line + 1, stop
            continue
        record, lines = _read_quoted(text, at, line, mark, around, unquoted)
        yield record
        line, at = line + lines, record.stop


def _read_quoted(
    text: bytes, start: int, line: int, mark: bytes, around: bytes, unquoted: re.Pattern[bytes]
) -> tuple[Record, int]:
    """A record with quotes in it, and the lines that it takes."""
    cells: list[bytes] = []
    quoted: set[int] = set()
    at, first = start, line
    while True:
        if text[at : at + 1] == around:
            cell, end = _read_field(text, at, line, around)
            quoted.add(len(cells))
            if text[end : end + 1] not in (b"", b"\r", b"\n", mark):
                lines = LINE_END.split(text[at : end + 1])
                raise BrokenError(line, lines[0][:80], open_ended=len(lines) > 1)
            line += len(LINE_END.findall(text[at:end]))
        else:
            found = unquoted.search(text, at)
            end = found.start() if found else len(text)
            cell = text[at:end]
            if around in cell:
                raise BrokenError(line, cell, open_ended=False)
        cells.append(cell)
        if text[end : end + 1] != mark:
            break
        at = end + 1
    found = LINE_END.match(text, end)
    stop = found.end() if found else end
    return Record(first, start, stop, cells, frozenset(quoted)), line - first + 1


def _read_field(text: bytes, at: int, line: int, around: bytes) -> tuple[bytes, int]:
    """A field in quotes that begins there, and where it ends."""
    end = at + 1
    while True:
        end = text.find(around, end)
        if end < 0:
            shown = LINE_END.split(text[at : at + 80], maxsplit=1)[0]
            raise BrokenError(line, shown, open_ended=True)
        if text[end + 1 : end + 2] != around:
            return text[at + 1 : end].replace(around * 2, around), end + 1
        end += 2


def count_lines(text: bytes) -> int:
    """The line ends in a text: LF, CRLF or CR."""
    carriages = text.count(b"\r") - text.count(b"\r\n") if b"\r" in text else 0
    return text.count(b"\n") + carriages
