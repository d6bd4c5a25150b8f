"""Whole records of a file of text, about a megabyte at a time.

What is packed is unpacked by another thread, a piece ahead of whoever reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from ..errors import SourceError
from .file import File
from .packing import open_unpacked

BLOCK_BYTES = 1 << 20

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


def read_blocks(
    file: File,
    span: Span,
    cut: Callable[[bytes], int],
    size: int = BLOCK_BYTES,
    longest: int = LONGEST_RECORD,
) -> Iterator[Block]:
    """The records of a range, in blocks of about so many bytes; ``cut`` tells what is whole."""
    rest, place, position = b"", span.start, 0
    pieces = _read_packed(file, span, size) if span.packing else _read_plain(file, span, size)
    for data, position in pieces:
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


def _read_plain(file: File, span: Span, size: int) -> Iterator[tuple[bytes, int]]:
    at = span.start
    with open_unpacked(file.path, "") as (stream, _):
        while data := stream.read_at(size if span.stop is None else min(size, span.stop - at), at):
            at += len(data)
            yield data, at


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
