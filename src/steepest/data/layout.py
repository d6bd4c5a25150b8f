"""How one delimited file is laid out: as was said, and as its first bytes show."""

from __future__ import annotations

import codecs
import datetime as dt
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from ..errors import ColumnNameError, LengthError, SourceError
from .dialect import Dialect, find_delimiter
from .formula import NUMBER
from .records import LINE_END, BrokenError, Record, count_lines, iterate

NULL_WORDS = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "Null", "null", "None")
TRUE_WORDS = ("true", "True", "TRUE")
FALSE_WORDS = ("false", "False", "FALSE")

HEAD_BYTES = 1 << 16
"""Bytes at the start of a file from which its delimiter is found."""

LONGEST_HEADER = 1 << 26

BLANKS = " \t"
"""What may stand around a number."""

DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIME_OF_DAY = re.compile(
    r"([ T]([01][0-9]|2[0-3])(:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?)?"
    r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)

OF_SPREADSHEETS = re.compile(rb'"?sep=([!-~\t ])"?[\r\n]', re.IGNORECASE)
"""A first line that says what stands between fields."""

DOUBLE_WORD = re.compile(r"[+-]?(inf|infinity|nan)", re.IGNORECASE)
"""Words that Arrow reads as doubles; one that is no number is a null."""


@dataclass(frozen=True)
class Layout:
    """Everything that it takes to read the rows of a file."""

    delimiter: str
    quote: str
    decimal: str
    names: tuple[str, ...]
    nulls: tuple[str, ...]
    ragged: str
    start: int
    """The first byte of the rows."""
    line: int
    """The line that it stands in."""
    header_line: int = 0
    """That of the header; 0 where there is none."""
    stripped: tuple[str, ...] = ()
    """Names that had blanks around them in the header."""

    @property
    def is_narrow(self) -> bool:
        """Whether there is one column, so that an empty line is a null and not nothing."""
        return len(self.names) == 1

    @cached_property
    def number(self) -> re.Pattern[str]:
        """How a number is written."""
        pattern = NUMBER.replace(r"\.", ",") if self.decimal == "," else NUMBER
        return re.compile(rf"[+-]?{pattern}", re.ASCII)

    def is_number(self, cell: str) -> bool:
        return self.number.fullmatch(cell.strip(BLANKS)) is not None

    def find_odd(self, cell: str) -> str:
        """What a cell is that is out of place among text; empty where it is text itself."""
        if self.is_number(cell):
            return "a number"
        if is_boolean(cell):
            return "a boolean"
        return "a date" if is_date(cell) else ""

    def parse(self, cell: str) -> float | None:
        """The double nearest to a number, NaN for a null; None for anything else."""
        if self.is_null(cell):
            return math.nan
        bare = cell.strip(BLANKS)
        if DOUBLE_WORD.fullmatch(bare) or self.number.fullmatch(bare):
            return float(bare.replace(",", "."))
        return None

    def is_null(self, cell: str) -> bool:
        return cell in self.nulls

    def iterate(self, text: bytes) -> Iterator[Record]:
        """The records of some rows; an empty line is one only where there is a single column."""
        for record in iterate(text, self.delimiter, self.quote):
            if record.cells:
                yield record
            elif self.is_narrow:
                yield record._replace(cells=[b""])


def is_boolean(cell: str) -> bool:
    return cell in TRUE_WORDS or cell in FALSE_WORDS


def is_date(cell: str) -> bool:
    """Whether a cell is a day of the calendar, perhaps with a time of it."""
    found = DATE.match(cell)
    if not found:
        return False
    try:
        dt.date.fromisoformat(found[0])
    except ValueError:  # there is no 31st of June
        return False
    return TIME_OF_DAY.fullmatch(cell, found.end()) is not None


def read_on(read: Callable[[int], bytes], start: int = 0) -> Iterator[tuple[bytes, bool]]:
    """Ever longer starts of a text from a place on, each with whether it is the last one.

    ``read`` gives its first bytes.
    """
    size, whole = HEAD_BYTES, False
    while not whole:
        text = read(start + size)[start:]
        whole = len(text) < size or size >= LONGEST_HEADER
        yield text, whole
        size *= 8


def find_layout(read: Callable[[int], bytes], dialect: Dialect, usual: str, name: str) -> Layout:
    """The layout of the file of that name, whose first bytes ``read`` gives.

    SourceError for no bytes, for text in another encoding, for quotes out of place and for a
    header that is none.
    """
    tries = (_try_head(head, dialect, usual, name, whole=whole) for head, whole in read_on(read))
    return next(found for found in tries if found is not None)


def _try_head(
    head: bytes, dialect: Dialect, usual: str, name: str, *, whole: bool
) -> Layout | None:
    """The layout as the start of a file shows it; None where more of it is needed."""
    if not head:
        raise SourceError.empty_file(name)
    check_encoding(head, name)
    start, line = _skip_lines(head, dialect.skip_lines)
    text = head[start:]
    delimiter = dialect.delimiter or find_delimiter(
        text[:HEAD_BYTES].decode("utf-8", "replace"), usual, dialect.quote
    )
    named = dialect.header and not dialect.names
    unknown = not named and not dialect.names
    wanted = named + dialect.skip_rows + (not named)
    records: list[Record] = []
    try:
        for record in iterate(text, delimiter, dialect.quote) if wanted else ():
            if record.stop == len(text) and not whole:
                return None
            if record.cells or len(dialect.names) == 1:
                records.append(record)
            if len(records) == wanted:
                break
    except BrokenError as broken:
        if broken.open_ended and not whole:
            return None
        raise broken.tell(name, line) from None
    names, header_line = dialect.names, 0
    stripped: tuple[str, ...] = ()
    if named and records:
        header_line = line + records[0].line
        if told := OF_SPREADSHEETS.match(text):
            raise ColumnNameError.of_spreadsheet(name, told[1].decode())
        names, stripped = _read_header(records[0], name, header_line)
        _refuse_numbers(names, name)
    elif unknown and records:
        names = tuple(f"x{i + 1}" for i in range(len(records[-1].cells)))
    elif len(records) == wanted and dialect.ragged == "refuse":
        _check_names(names, records[-1], name, line)
    passed = records[: named + dialect.skip_rows]
    stop = passed[-1].stop if passed else 0
    return Layout(
        delimiter=delimiter,
        quote=dialect.quote,
        decimal=dialect.decimal or ".",
        names=names,
        nulls=tuple(dict.fromkeys([*NULL_WORDS, *dialect.null])),
        ragged=dialect.ragged,
        start=start + stop,
        line=1 + count_lines(head[: start + stop]),
        header_line=header_line,
        stripped=stripped,
    )


def check_encoding(head: bytes, name: str) -> None:
    """SourceError for UTF-16 and UTF-32, with their marks or without."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise SourceError.not_utf8(name, "UTF-32")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SourceError.not_utf8(name, "UTF-16")
    start = head[:64]
    for encoding, zeros, others in (
        ("UTF-16-LE", start[1::2], start[::2]),
        ("UTF-16-BE", start[::2], start[1::2]),
    ):
        if zeros and not zeros.strip(b"\0") and b"\0" not in others:
            raise SourceError.not_utf8(name, encoding)


def _skip_lines(head: bytes, count: int) -> tuple[int, int]:
    """Where the text begins, behind its mark and so many lines, and the lines before it."""
    start = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    for line in range(count):
        found = LINE_END.search(head, start)
        if found is None:
            return len(head), line
        start = found.end()
    return start, count


def _check_names(names: tuple[str, ...], record: Record, name: str, before: int) -> None:
    """LengthError where the first row has more or fewer fields than there are names."""
    fields = len(record.cells) or 1  # an empty line is one
    if len(names) != fields:
        raise LengthError.of_file(names, name, before + record.line, fields)


def _read_header(record: Record, name: str, line: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names in a header, without the blanks around them, and those that had some."""
    if record.cells[0].startswith(codecs.BOM_UTF8):
        raise SourceError.mark_inside(name, line)
    try:
        written = [cell.decode() for cell in record.cells]
    except UnicodeDecodeError:
        raise SourceError.not_utf8(name, line=line) from None
    names = tuple(cell.strip() for cell in written)
    return names, tuple(n for n, cell in zip(names, written, strict=True) if n != cell)


def _refuse_numbers(names: tuple[str, ...], name: str) -> None:
    """SourceError for a header of numbers alone."""
    if all(re.fullmatch(rf"\s*[+-]?({NUMBER}|\d+,\d+)\s*", n, re.ASCII) for n in names):
        raise SourceError.no_header(name, names)
