"""Whole lines of a file of text, some megabytes at a time."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import SourceError
from .file import File
from .packing import find_packing, open_unpacked

LONGEST_LINE = 1 << 24
"""Bytes of a line, at the most."""


class Block(NamedTuple):
    """Whole lines of a file."""

    text: bytes
    first_line: int
    read: int
    """Bytes of the file, packed as they may be, that are read when it ends."""

    @property
    def lines(self) -> list[bytes]:
        return self.text.split(b"\n")


def read_blocks(file: File, size: int) -> Iterator[Block]:
    """The lines of a file, in blocks of about so many bytes.

    SourceError for no bytes, for UTF-16, and for a line without end.
    """
    with open_unpacked(file.path, find_packing(file.path)) as (stream, position):
        rest, line = b"", 1
        while data := stream.read(size):
            if line == 1 and not rest:
                data = _read_mark(data, file.name)
            text = rest + data
            cut = text.rfind(b"\n") + 1
            whole, rest = text[:cut], text[cut:]
            if whole:
                yield Block(whole, line, position())
                line += whole.count(b"\n")
            if len(rest) > LONGEST_LINE:
                raise SourceError.line(file.name, line, f"it has more than {LONGEST_LINE:,} bytes")
        if rest:
            yield Block(rest, line, position())
        elif line == 1:
            raise SourceError.empty_file(file.name)


def _read_mark(data: bytes, name: str) -> bytes:
    """The start of a file without its byte order mark."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SourceError.not_utf8(name, "UTF-16")
    return data.removeprefix(codecs.BOM_UTF8)
