"""Where a file of text can be cut: after the ends of records, which no quotes surround.

Quotes come in pairs, one around another's doubles included, so that a line end is the end of a
record where the number of quotes before it is even.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]

LF, CR = 10, 13

READ_BYTES = 1 << 18
"""Bytes looked at together: they stay in the cache."""

SPREAD_BYTES = 1 << 25
"""From so many bytes on, two threads look."""

Reads = Callable[[int, int], bytes]
"""Gives so many bytes, or as many as there are, from a place on."""


class Cut(NamedTuple):
    """A range of bytes that holds whole records."""

    start: int
    stop: int
    first_row: int


def find_quotes(text: bytes, quote: str) -> Places:
    """Where a text has quotes."""
    if not quote or quote.encode() not in text:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(np.frombuffer(text, np.uint8) == ord(quote))


def find_ends(text: bytes, *, carriages: bool = True) -> Places:
    """The last byte of each line end in a text: LF, CRLF or CR, or LF alone.

    A CR at its very end is one.
    """
    places = np.frombuffer(text, np.uint8)
    if not carriages or b"\r" not in text:
        return np.flatnonzero(places == LF)
    ends = places == LF
    ends |= (places == CR) & np.append(places[1:] != LF, True)
    return np.flatnonzero(ends)


def find_record_ends(
    text: bytes, quote: str, inside: int = 0, *, carriages: bool = True
) -> tuple[Places, int]:
    """The line ends that end records, and how many quotes there are.

    ``inside`` is 1 where the text begins within quotes.
    """
    ends, quotes = find_ends(text, carriages=carriages), find_quotes(text, quote)
    if len(quotes) or inside:
        ends = ends[(np.searchsorted(quotes, ends) + inside) % 2 == 0]
    return ends, len(quotes)


def cut_whole(text: bytes, quote: str) -> int:
    """How much of a text, begun with a record, is whole records; 0 if none is.

    A CR at the end may be half of a CRLF, and is left.
    """
    if not quote or quote.encode() not in text:
        found = text.rfind(b"\n") + 1
        if found or b"\r" not in text:
            return found
        return text.rfind(b"\r", 0, -1) + 1
    ends, _ = find_record_ends(text, quote)
    if len(ends) and ends[-1] == len(text) - 1 and text.endswith(b"\r"):
        ends = ends[:-1]
    return int(ends[-1]) + 1 if len(ends) else 0


def count_blank(text: bytes, ends: Places, before: int) -> int:
    """Records without a character among those that end there.

    So many bytes of the first of them stand before the text.
    """
    if not len(ends):
        return 0
    starts = np.concatenate(([-before], ends[:-1] + 1))
    short = np.flatnonzero(ends - starts < 2)
    if not len(short):
        return 0
    places = np.frombuffer(text, np.uint8)
    starts, ends = starts[short], ends[short]
    crlf = (ends - starts == 1) & (starts >= 0) & (places[starts] == CR) & (places[ends] == LF)
    return int(np.count_nonzero((starts == ends) | crlf))


def plan_cuts(
    read: Reads,
    start: int,
    size: int,
    quote: str,
    step: int,
    *,
    blank: bool,
    carriages: bool = True,
) -> list[Cut]:
    """Ranges of about so many bytes, cut where records end, from the first byte of the rows on.

    ``blank`` says whether an empty line is a record, ``carriages`` whether a CR ends one.
    """
    places = [start, *range(start + step, size, step), size]
    segments = list(pairwise(places))
    with ThreadPoolExecutor(2 if size - start > SPREAD_BYTES else 1) as workers:
        quotes = list(workers.map(lambda ab: _count_quotes(read, ab[0], ab[1], quote), segments))
        inside = np.concatenate(([0], np.cumsum(quotes))) % 2
        ends = [start]
        for place, within in zip(places[1:-1], inside[1:-1], strict=True):
            if place > ends[-1]:
                found = _find_next(read, place, size, quote, int(within), carriages=carriages)
                ends.append(found)
        ends = sorted({*ends, size})
        ranges = list(pairwise(ends))
        rows = list(
            workers.map(
                lambda ab: count_rows(read, ab[0], ab[1], quote, blank=blank, carriages=carriages),
                ranges[:-1],
            )
        )
    firsts = np.cumsum([1, *rows]).tolist()
    return [Cut(a, b, first) for (a, b), first in zip(ranges, firsts, strict=False)]


def read_range(read: Reads, start: int, stop: int, size: int = READ_BYTES) -> Iterator[bytes]:
    """The bytes of a range, piece by piece; no piece but the last ends between CR and LF."""
    held = b""
    while start < stop:
        piece = read(start, min(size, stop - start))
        if not piece:
            break
        start += len(piece)
        piece = held + piece
        held = b"\r" if piece.endswith(b"\r") else b""
        if whole := piece[: len(piece) - len(held)]:
            yield whole
    if held:
        yield held


def _count_quotes(read: Reads, start: int, stop: int, quote: str) -> int:
    if not quote:
        return 0
    pieces = (np.frombuffer(piece, np.uint8) for piece in read_range(read, start, stop))
    return sum(int(np.count_nonzero(piece == ord(quote))) for piece in pieces)


def _find_next(
    read: Reads, start: int, size: int, quote: str, inside: int, *, carriages: bool
) -> int:
    """The first byte after the end of the record that a byte stands in."""
    for piece in read_range(read, start, size):
        ends, quotes = find_record_ends(piece, quote, inside, carriages=carriages)
        if len(ends):
            return start + int(ends[0]) + 1
        start, inside = start + len(piece), (inside + quotes) % 2
    return size


def count_rows(
    read: Reads, start: int, stop: int, quote: str, *, blank: bool, carriages: bool = True
) -> int:
    """Records of a range that begins with one, with or without empty ones."""
    rows, inside, before = 0, 0, 0
    for piece in read_range(read, start, stop):
        ends, quotes = find_record_ends(piece, quote, inside, carriages=carriages)
        rows += len(ends) - (0 if blank else count_blank(piece, ends, before))
        inside = (inside + quotes) % 2
        before = len(piece) - 1 - int(ends[-1]) if len(ends) else before + len(piece)
    return rows + (before > 0)
