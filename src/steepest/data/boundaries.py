"""Where a file of text can be cut: after the ends of records, which no quotes surround.

Quotes come in pairs, one around another's doubles included, so that a line end is the end of a
record where the number of quotes before it is even.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .library import find_function
from .onlooker import Preparation

Places = NDArray[np.int64]

LF, CR = 10, 13

READ_BYTES = 1 << 18
"""Bytes looked at together: they stay in the cache."""

SPREAD_BYTES = 1 << 25
"""From so many bytes on, two threads look."""

CONTEXT = 2
"""Bytes before a line end that show whether the line is empty: the end of another, and a CR."""

ReadBytes = Callable[[int, int], bytes]
"""``read(start, size)``: so many bytes from a place on, or as many as there are."""


class Cut(NamedTuple):
    """A range of bytes that holds whole records."""

    start: int
    stop: int
    first_row: int


class Marks(NamedTuple):
    """The quote of a text, if it has one; whether a CR ends records, and an empty line is one."""

    quote: str
    carriages: bool = True
    empty: bool = True


class Tally:
    """Quotes and ends of records of a range of text.

    Ends are told apart by whether the number of quotes before them in the range is odd.
    """

    def __init__(self) -> None:
        self._found = np.zeros(7, dtype=np.int64)

    @property
    def quotes(self) -> int:
        return int(self._found[0])

    def ends(self, odd: int) -> int:
        """How many there are."""
        return int(self._found[1 + odd])

    def first(self, odd: int) -> int:
        """The place of the first, where there is one."""
        return int(self._found[3 + odd])

    def last(self, odd: int) -> int:
        return int(self._found[5 + odd])

    def add(self, text: bytes, start: int, stop: int, base: int, marks: Marks) -> None:
        """Count a range on, from place ``start`` to ``stop`` of a text that begins at ``base``.

        The text has ``CONTEXT`` bytes before the range, and one behind it, or is all there is.
        """
        quote = ord(marks.quote) if marks.quote else 0
        count = _compiled()
        if count is None:
            _count_marks(text, start, stop, base, marks, self._found)
            return
        count(
            text, start, stop, len(text), base, quote, marks.carriages, marks.empty,
            self._found.ctypes.data,
        )  # fmt: skip


@cache
def _compiled() -> Callable[..., Any] | None:
    from ctypes import c_int, c_int64, c_void_p

    return find_function(
        "steepest_count_marks",
        None,
        [c_void_p, *[c_int64] * 4, c_int, c_int, c_int, c_void_p],
    )


def _count_marks(
    text: bytes, start: int, stop: int, base: int, marks: Marks, found: Places
) -> None:
    """What ``marks.c`` does, by NumPy."""
    quotes = find_quotes(text, marks.quote)
    quotes = quotes[(quotes >= start) & (quotes < stop)]
    ends = _find_ends(text, marks)
    ends = ends[(ends >= start) & (ends < stop)]
    odd = (np.searchsorted(quotes, ends) + found[0]) % 2
    for parity in (0, 1):
        own = ends[odd == parity] + base
        if len(own):
            found[3 + parity] = found[3 + parity] if found[1 + parity] else own[0]
            found[1 + parity] += len(own)
            found[5 + parity] = own[-1]
    found[0] += len(quotes)


def _find_ends(text: bytes, marks: Marks) -> Places:
    """The last byte of each line end in a text: LF, CRLF or CR, or LF alone."""
    places = np.frombuffer(text, np.uint8)
    ends = places == LF
    if marks.carriages:
        ends |= (places == CR) & np.append(places[1:] != LF, True)
    found: Places = np.flatnonzero(ends)
    if marks.empty:
        return found
    before = found - 1
    before -= (places[found] == LF) & (before >= 0) & (places[before] == CR)
    after_end = (before < 0) | (places[before] == LF)
    if marks.carriages:
        after_end |= places[before] == CR
    kept: Places = found[~after_end]
    return kept


def find_quotes(text: bytes, quote: str) -> Places:
    """Where a text has quotes."""
    if not quote or quote.encode() not in text:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(np.frombuffer(text, np.uint8) == ord(quote))


def cut_whole(text: bytes, quote: str) -> int:
    """How much of a text, begun with a record, is whole records; 0 if none is.

    A CR at the end may be half of a CRLF, and is left.
    """
    if not quote or quote.encode() not in text:
        found = text.rfind(b"\n") + 1
        if found or b"\r" not in text:
            return found
        return text.rfind(b"\r", 0, -1) + 1
    tally = Tally()
    tally.add(text, 0, len(text) - text.endswith(b"\r"), 0, Marks(quote))
    return tally.last(0) + 1 if tally.ends(0) else 0


def plan_cuts(read: ReadBytes, start: int, size: int, step: int, marks: Marks) -> list[Cut]:
    """Ranges of about so many bytes, cut where records end, from the first byte of the rows on.

    Every byte is read once: what stands in a range is counted for both cases, that it begins within
    quotes and that it does not, and those before it tell which it is.
    """
    if size - start <= step:
        return [Cut(start, size, 1)]
    places = [start, *range(start + step, size, step), size]
    count = partial(_tally, read, start, size, marks)
    with ThreadPoolExecutor(2 if size - start > SPREAD_BYTES else 1) as workers:
        tallies, work = [], Preparation()
        for place, tally in zip(places[1:], workers.map(count, places, places[1:]), strict=True):
            tallies.append(tally)
            work.tell("looking where records end", (place - start) / (size - start))
    ends, firsts = [start], [1]
    inside, rows = 0, 0
    for place, tally in zip(places, tallies, strict=False):
        if tally.ends(inside):
            cut = tally.first(inside) + 1
            if place > start and cut < size:
                ends.append(cut)
                firsts.append(rows + 2)
        rows += tally.ends(inside)
        inside = (inside + tally.quotes) % 2
    ranges = pairwise([*ends, size])
    return [Cut(a, b, first) for (a, b), first in zip(ranges, firsts, strict=True)]


def _tally(read: ReadBytes, begun: int, size: int, marks: Marks, start: int, stop: int) -> Tally:
    """What stands in a range of a text that begins and ends there."""
    tally = Tally()
    for place in range(start, stop, READ_BYTES):
        base = max(place - CONTEXT, begun)
        end = min(place + READ_BYTES, stop)
        text = read(base, min(end + 1, size) - base)
        tally.add(text, place - base, min(end - base, len(text)), base, marks)
    return tally
