"""Whole records of a file of text, about a megabyte at a time.

What is packed is unpacked by another thread, a piece ahead of whoever reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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


PLAIN_TEXT = Span("", 0)
"""All of a file that is not packed."""


def split(whole: Any, cuts: Iterable[Cut]) -> list[Any]:
    """The part that is all of a text as parts that end where it is cut."""
    return [
        replace(
            whole,
            span=whole.span._replace(start=cut.start, stop=cut.stop),
            first_row=cut.first_row,
            size=float(cut.stop - cut.start),
        )
        for cut in cuts
    ]


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
    """Blocks of a file that can be read at any place: what is not whole is read once more."""
    at, wanted = span.start, size
    with open_unpacked(file.path, "") as (stream, _):
        while span.stop is None or at < span.stop:
            asked = wanted if span.stop is None else min(wanted, span.stop - at)
            text = stream.read_at(asked, at)
            if not text:
                return
            ended = len(text) < asked or at + asked == span.stop
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
