"""The first flaw in some rows of delimited text: found slowly, and told with its line."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import NamedTuple

import numpy as np

from ..errors import ColumnKindError, SourceError
from .boundaries import find_quotes
from .layout import DOUBLE_WORD, Layout, is_boolean
from .records import BrokenError, Record

LONGEST_FIELD = 1 << 20
"""Most bytes of a field."""

MISFIT = re.compile(
    r"In CSV column #(\d+): .*CSV conversion error to (\w+)[^:]*: "
    r"(?:invalid value|expected (no|a) zone offset in) '(.*)'",
    re.DOTALL,
)
"""Arrow's message for a cell that is not of its column's type."""


MARK = re.compile(rb"(?:\A|[\r\n])" + BOM_UTF8)


class Need(Enum):
    """What is asked of the cells of a column; its value is the word for it."""

    NUMBER = "number"
    TEXT = "category"
    BOOLEAN = "boolean"
    ANY = "text"


class Cell(NamedTuple):
    """A cell, where it stands."""

    line: int
    text: str


@dataclass(frozen=True)
class Search:
    """Looks for what is out of place in rows that Arrow could not read, or should not."""

    layout: Layout
    needs: Mapping[int, Need]
    """By the place of a column."""
    name: str
    """What messages call the file."""

    def raise_first(
        self, text: bytes, before: int, find_other: Callable[[int, Need], Cell | None]
    ) -> None:
        """The error for the first flaw; nothing where there is none.

        So many lines stand before the text.  ``find_other`` finds a cell of a column that is of
        another kind.
        """
        try:
            for record in self.layout.iterate(text):
                self._check_record(record, before, find_other)
        except BrokenError as broken:
            raise broken.tell(self.name, before) from None

    def raise_misfit(self, text: bytes, message: str, before: int) -> None:
        """ColumnKindError for the cell that Arrow says is not of its column's type."""
        found = MISFIT.match(message)
        if not found:
            return
        place, kind, value = int(found[1]), found[2], found[4]
        odd = {"no": "a time in a zone", "a": "a time without a zone"}.get(found[3], "none")
        for record in self.layout.iterate(text) if kind not in ("double", "bool") else ():
            if (
                len(record.cells) > place
                and record.cells[place].decode("utf-8", "replace") == value
            ):
                name, cell = self.layout.names[place], (before + record.line, value)
                raise ColumnKindError.mixed(name, self.name, "time", cell, None, odd)

    def _check_record(
        self, record: Record, before: int, find_other: Callable[[int, Need], Cell | None]
    ) -> None:
        line, cells = before + record.line, record.cells
        if cells[0].startswith(BOM_UTF8) and 0 not in record.quoted:
            raise SourceError.mark_inside(self.name, line)
        longest = max(map(len, cells))
        if longest > LONGEST_FIELD:
            raise SourceError.long_field(self.name, line, longest, LONGEST_FIELD)
        if len(cells) != len(self.layout.names):
            if self.layout.ragged == "drop":
                return
            raise SourceError.ragged(self.name, line, len(self.layout.names), len(cells))
        for place, need in self.needs.items():
            try:
                cell = cells[place].decode()
            except UnicodeDecodeError:
                raise SourceError.not_utf8(self.name, line=line) from None
            quoted = place in record.quoted
            if need is Need.ANY or self._fits(cell, need, quoted=quoted):
                continue
            column = self.layout.names[place]
            other = find_other(place, need)
            raise ColumnKindError.mixed(
                column,
                self.name,
                need.value,
                (line, cell),
                other,
                {Need.NUMBER: "text", Need.TEXT: self.layout.find_odd(cell)}.get(need, "none"),
                under_header=0 < self.layout.header_line == line - 1,
            )

    def _fits(self, cell: str, need: Need, *, quoted: bool) -> bool:
        null = self.layout.is_null(cell)
        if need is Need.TEXT:
            return (null and not quoted) or not self.layout.find_odd(cell)
        if null:
            return True
        if need is Need.BOOLEAN:
            return is_boolean(cell)
        return self.layout.is_number(cell) or DOUBLE_WORD.fullmatch(cell.strip()) is not None

    def find_row(self, text: bytes, row: int, place: int) -> Cell | None:
        """A cell of a row by its number, from 0; None where there are fewer."""
        expected = len(self.layout.names)
        whole = (r for r in self.layout.iterate(text) if len(r.cells) == expected)
        found = next(islice(whole, row, None), None)
        return found and Cell(found.line, found.cells[place].decode("utf-8", "replace").strip())

    def find_cell(self, text: bytes, place: int, need: Need, before: int) -> Cell | None:
        """The first cell of a column with a value that fits."""
        try:
            for record in self.layout.iterate(text):
                if len(record.cells) <= place:
                    continue
                cell = record.cells[place].decode("utf-8", "replace")
                quoted = place in record.quoted
                if not self.layout.is_null(cell) and self._fits(cell, need, quoted=quoted):
                    return Cell(before + record.line, cell)
        except BrokenError:
            pass
        return None


def looks_clean(text: bytes, layout: Layout) -> bool:
    """Whether quotes stand where they may, no field is too long and no mark of a file stands there.

    If not, look closely.
    """
    if not text.isascii() and MARK.search(text):
        return False
    quotes = find_quotes(text, layout.quote)
    if len(quotes):
        if len(quotes) % 2:
            return False
        places = np.frombuffer(text, np.uint8)
        beside = np.zeros(256, dtype=bool)
        beside[[ord(mark) for mark in ("\r", "\n", layout.delimiter, layout.quote)]] = True
        opening, closing = quotes[::2], quotes[1::2]
        before, after = places[opening - 1], places[np.minimum(closing + 1, len(text) - 1)]
        # At the ends of the text there is nothing beside a quote.
        if not (beside[before[opening > 0]].all() and beside[after].all()):
            return False
        doubled = places[opening[1:] - 1] == ord(layout.quote)
        starts = opening[np.append(True, ~doubled)]
        stops = closing[np.append(~doubled, True)]
        if int((stops - starts).max()) > LONGEST_FIELD:
            return False
    return not _may_be_long(text, layout.delimiter.encode())


def _may_be_long(text: bytes, mark: bytes) -> bool:
    """Whether half of too long a field, without a delimiter or a line end, may be in a text."""
    half = LONGEST_FIELD // 2
    return any(
        all(text.find(end, start, start + half) < 0 for end in (mark, b"\n", b"\r"))
        for start in range(0, len(text) - half + 1, half)
    )
