"""What can be read only once, or not by Arrow, put into a file for as long as it is needed."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, AnyStr

from ..drafts import drop_draft, make_draft
from ..errors import OutputError
from .onlooker import Preparation
from .table import Part, Reads, Schema, allow_mixed, count_numbers, remarks_of


class Spool:
    """A file that goes away with this object, or at the latest with the process."""

    def __init__(self, path: str) -> None:
        self.path = path
        weakref.finalize(self, drop_draft, Path(path))


@dataclass(frozen=True)
class Spooled:
    """A source that is read from such a file, and keeps it."""

    source: Any
    held: Spool

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        found: Schema = self.source.schema(wanted)
        return found

    def parts(self) -> Sequence[Part]:
        found: Sequence[Part] = self.source.parts()
        return found

    def allow_mixed(self, names: frozenset[str]) -> Spooled:
        """The same, in which these columns are text where they hold numbers and text."""
        return replace(self, source=allow_mixed(self.source, names))

    def count_numbers(self, wanted: Sequence[str] | None = None) -> int:
        """How many columns are numbers, as far as that is seen at once."""
        return count_numbers(self.source, wanted)

    def remarks(self, reads: Reads) -> list[str]:
        """What was taken for granted in giving these columns."""
        return remarks_of(self.source, reads)

    def read_as_text(self, names: frozenset[str]) -> Spooled:
        """The same source, with these columns taken as the text they are written as."""
        return replace(self, source=self.source.read_as_text(names))


def make_temporary(end: str, folder: str | None = None, *, is_folder: bool = False) -> Path:
    """A new file or folder where the system has such, gone with this process.

    OutputError where none can be made.
    """
    with written(folder):
        place = Path(folder or tempfile.gettempdir())
        return make_draft(place, "steepest-", end, is_folder=is_folder)


@contextmanager
def written(folder: str | None = None) -> Iterator[None]:
    """OutputError where a temporary file cannot be written."""
    try:
        yield
    except OSError as error:
        place = folder or tempfile.tempdir or "TMPDIR"
        raise OutputError.temporary(place, error.strerror or str(error)) from None


def spool(pieces: Iterable[bytes]) -> Spool:
    """Pieces of bytes, one after the other, in a file that nobody else may read."""
    path = make_temporary(".spool")
    held = Spool(str(path))
    size, work, file = 0, Preparation(), path.open("wb")
    try:
        for piece in pieces:
            with written():
                size += file.write(piece)
            work.tell(f"taking in, {size / 1e6:,.0f} MB so far")
        with written():
            file.flush()
    finally:
        with suppress(OSError):  # what could not be written is told
            file.close()
    return held


PIECE = 1 << 20
"""Bytes or characters that are read at once."""


def read_pieces(stream: IO[AnyStr]) -> Iterator[AnyStr]:
    """A stream front to back, a megabyte at a time."""
    while piece := stream.read(PIECE):
        yield piece
