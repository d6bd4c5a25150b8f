"""How a text file is written: what stands between fields, around them, and within numbers."""

from __future__ import annotations

import codecs
import csv as records
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TextIO

from ..errors import OptionError, check_whole

SEPARATORS = (",", ";", "\t", "|")
"""What may be found to stand between fields; anything else has to be said."""

MOST = 0.6
"""Of the records, for a mark that some do not have."""

DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")

OF_ANY_TEXT = ("encoding", "skip_empty", "max_bytes")
"""What may be said of text that is no CSV too."""


@dataclass(frozen=True)
class Dialect:
    """What a person says of a text file; empty where nothing is said."""

    delimiter: str = ""
    decimal: str = ""
    quote: str = '"'
    encoding: str = "utf-8"
    header: bool = True
    names: tuple[str, ...] = ()
    """Names of the columns, of a file without a header."""
    text: tuple[str, ...] = ()
    """Columns that are text whatever they look like."""
    null: tuple[str, ...] = ()
    """Words that stand for no value, beside the usual ones."""
    skip_lines: int = 0
    """Lines before the header."""
    skip_rows: int = 0
    """Rows under the header that are none of the table's."""
    ragged: str = "refuse"
    """What becomes of a record with a field too few or too many."""
    skip_empty: bool = False
    max_bytes: int | None = None
    """Bytes that a packed file may unpack to, at the most."""

    def check(self) -> None:
        """OptionError for what no file can be."""
        for name in ("delimiter", "quote"):
            mark = getattr(self, name)
            is_mark = isinstance(mark, str) and len(mark) == 1 and mark.isascii()
            if mark and (not is_mark or mark in "\r\n\0"):
                usual = "delimiter=';'" if name == "delimiter" else 'quote="\'"'
                raise OptionError.outside(name, mark, "one character", usual)
        if self.decimal not in ("", ".", ","):
            raise OptionError.outside("decimal", self.decimal, "a point or a comma", "decimal=','")
        if self.delimiter and self.delimiter in (self.decimal, self.quote):
            raise OptionError.outside(
                "delimiter", self.delimiter, "unlike decimal and quote", "delimiter=';'"
            )
        if self.ragged not in ("refuse", "drop"):
            raise OptionError.unknown("ragged", self.ragged, ("refuse", "drop"))
        check_whole("skip_lines", self.skip_lines, 0, 1)
        check_whole("skip_rows", self.skip_rows, 0, 1)
        if self.max_bytes is not None:
            check_whole("max_bytes", self.max_bytes, 1, "1_000_000_000")
        try:
            "x".encode(self.encoding)  # there are codecs of bytes too
        except (LookupError, UnicodeError, TypeError):
            raise OptionError.outside(
                "encoding", self.encoding, "one that Python knows", "encoding='latin1'"
            ) from None

    @property
    def is_utf8(self) -> bool:
        return codecs.lookup(self.encoding).name == "utf-8"

    def refuse_said(self, where: str, *, encoded: bool) -> None:
        """OptionError for what is said of a file that is no CSV, except perhaps of any text."""
        for field in fields(self):
            value = getattr(self, field.name)
            said = value != getattr(PLAIN, field.name) and field.name != "skip_empty"
            if said and not (encoded and field.name in OF_ANY_TEXT):
                raise OptionError.outside(
                    field.name, value, f"for {where}", f"leave {field.name} unset."
                )


PLAIN = Dialect()
"""Nothing is said."""


def find_delimiter(head: str, usual: str, quote: str) -> str:
    """What stands between the fields of a text that begins so.

    The usual mark where it makes two fields or more of every record, else the only other mark that
    does, or that does of the header and of most, else the usual one.
    """
    if _share_cut(head, usual, quote) == 1:
        return usual
    shares = {m: _share_cut(head, m, quote) for m in SEPARATORS if m not in (usual, quote)}
    for others in (
        [mark for mark, share in shares.items() if share == 1],
        [mark for mark, share in shares.items() if share > MOST and not _holds(head, usual)],
    ):
        if len(others) == 1:
            return others[0]
    return usual


def _holds(head: str, usual: str) -> bool:
    """Whether the first line holds the usual mark."""
    return usual in head.lstrip("\r\n").splitlines()[0] if head.strip("\r\n") else False


def _share_cut(head: str, delimiter: str, quote: str) -> float:
    """Which share of the records is cut into as many fields as the first, where that is several."""
    lengths = [len(found) for found in read_head(head, delimiter, quote) if found]
    if not lengths or lengths[0] < 2:
        return 0.0
    return lengths.count(lengths[0]) / len(lengths)


def read_records(text: TextIO, delimiter: str, quote: str) -> Any:
    """Python's own reader of records, which forgives what is no CSV."""
    if quote:
        return records.reader(text, delimiter=delimiter, quotechar=quote)
    return records.reader(text, delimiter=delimiter, quotechar=None, quoting=records.QUOTE_NONE)


def read_head(head: str, delimiter: str, quote: str) -> list[list[str]]:
    """The whole records at the start of a text; the last may be cut off, unless it is the first."""
    try:
        found = list(read_records(io.StringIO(head, newline=""), delimiter, quote))
    except records.Error:  # a field too large for it
        return []
    return found[:-1] if len(found) > 1 and not head.endswith(("\n", "\r")) else found


def find_decimal_comma(rows: Sequence[Sequence[str]], column: int) -> str:
    """A cell of a column whose cells are all numbers with decimal commas; empty if it is none."""
    cells = [row[column].strip() for row in rows if len(row) > column]
    filled = [cell for cell in cells if cell]
    commas = [cell for cell in filled if DECIMAL_COMMA.fullmatch(cell)]
    whole = all(DECIMAL_COMMA.fullmatch(c) or c.lstrip("+-").isdigit() for c in filled)
    return commas[0] if commas and whole else ""
