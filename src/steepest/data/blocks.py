"""Whole records of a file of text, about a megabyte at a time.

What is packed is unpacked by another thread, a piece ahead of whoever reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

from ..errors import SourceError
from .boundaries import Cut
from .file import File
from .packing import open_unpacked

BLOCK_BYTES = 1 << 21

Cutter = Callable[[bytes], int]
"""Tells how many bytes of a text are whole records."""

LONGEST_RECORD = 1 << 26
"""Bytes of a record, at the most."""


class Block(NamedTuple):
    """Whole records of a file."""

    text: bytes
    start: int
    """Where it begins, in bytes of the text."""
    read: int
    """Bytes of the file, packed as they may be, that are read when it ends."""
    whole: bool = True
    """Whether it ends where a record does; if not, the record is too long for a table."""


class Span(NamedTuple):
    """A range of a file's text, in bytes of it once it is unpacked; to its end without a stop."""

    packing: str
    start: int
    stop: int | None = None
    most: int | None = None
    """Bytes that it may unpack to, at the most."""
    inner: tuple[int, ...] = ()
    """Places between, where blocks end because records do, as far as that is known."""


PLAIN_TEXT = Span("", 0)
"""All of a file that is not packed."""


def split(whole: Any, cuts: Sequence[Cut], step: int) -> list[Any]:
    """The part that is all of a text as parts of about so many bytes, which end where it is cut."""
    parts: list[Any] = []
    kept: list[Cut] = []
    for cut in cuts:
        kept.append(cut)
        if cut is cuts[-1] or cut.stop - cuts[0].start >= step * (len(parts) + 1):
            first, *others = kept
            span = whole.span._replace(
                start=first.start, stop=cut.stop, inner=tuple(own.start for own in others)
            )
            size = float(cut.stop - first.start)
            parts.append(replace(whole, span=span, first_row=first.first_row, size=size))
            kept = []
    return parts


def read_blocks(
    file: File,
    span: Span,
    cut: Cutter,
    size: int = BLOCK_BYTES,
    longest: int = LONGEST_RECORD,
) -> Iterator[Block]:
    """The records of a range, in blocks of about so many bytes; ``cut`` tells what is whole."""
    found = _cut_packed if span.packing else _cut_plain
    yield from found(file, span, cut, size, longest)


def _cut_plain(file: File, span: Span, cut: Cutter, size: int, longest: int) -> Iterator[Block]:
    """Blocks of a file that can be read at any place, those whose ends are known just so."""
    with open_unpacked(file.path, "") as (stream, _):
        starts = (span.start, *span.inner)
        for start, stop in zip(starts, (*span.inner, span.stop), strict=True):
            if span.inner and stop is not None and stop - start <= longest:
                text = stream.read_at(stop - start, start)
                if text:
                    yield Block(text, start, start + len(text))
            else:
                yield from _cut_range(stream, start, stop, cut, size, longest)


def _cut_range(
    stream: Any, at: int, stop: int | None, cut: Cutter, size: int, longest: int
) -> Iterator[Block]:
    """Blocks of a range: what is not whole at the end of one is read once more."""
    wanted = size
    while stop is None or at < stop:
        asked = wanted if stop is None else min(wanted, stop - at)
        text = stream.read_at(asked, at)
        if not text:
            return
        ended = len(text) < asked or at + asked == stop
        whole = len(text) if ended else cut(text)
        if len(text) > max(longest, size):  # nothing shorter was whole
            yield Block(text, at, at, whole=False)
            return
        if whole:
            yield Block(text if whole == len(text) else text[:whole], at, at + whole)
            at, wanted = at + whole, size
        else:
            wanted *= 2


def _cut_packed(file: File, span: Span, cut: Cutter, size: int, longest: int) -> Iterator[Block]:
    """Blocks of a file that is read front to back."""
    rest, place, position = b"", span.start, 0
    for data, position in _read_packed(file, span, size):
        text = rest + data
        whole = cut(text)
        if whole:
            yield Block(text[:whole], place, position)
            place, text = place + whole, text[whole:]
        rest = text
        if len(rest) > longest:
            yield Block(rest, place, position, whole=False)
            return
    if rest:
        yield Block(rest, place, position)


def _read_packed(file: File, span: Span, size: int) -> Iterator[tuple[bytes, int]]:
    with (
        open_unpacked(file.path, span.packing) as (stream, position),
        ThreadPoolExecutor(1, "steepest-unpack") as ahead,
    ):
        _skip(stream, span.start)
        total = span.start
        coming = ahead.submit(_take, stream, position, size)
        while True:
            data, read = coming.result()
            if not data:
                return
            coming = ahead.submit(_take, stream, position, size)
            total += len(data)
            if span.most is not None and total > span.most:
                raise SourceError.expanded(file.name, span.most)
            yield data, read


def _take(stream: Any, position: Callable[[], int], size: int) -> tuple[bytes, int]:
    return stream.read(size), position()


def _skip(stream: Any, count: int) -> None:
    while count > 0:
        piece = stream.read(min(count, BLOCK_BYTES))
        if not piece:
            return
        count -= len(piece)
