"""What can be read only once, or not by Arrow, put into a file for as long as it is needed."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, AnyStr

from .table import Part, Schema


class Spool:
    """A file that goes away with this object, or at the latest with the process."""

    def __init__(self, path: str) -> None:
        self.path = path
        weakref.finalize(self, _remove, path, os.getpid())


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

    def read_as_text(self, names: frozenset[str]) -> Spooled:
        """The same source, with these columns taken as the text they are written as."""
        return replace(self, source=self.source.read_as_text(names))


def spool(pieces: Iterable[bytes]) -> Spool:
    """Pieces of bytes, one after the other, in a file that nobody else may read."""
    with tempfile.NamedTemporaryFile(prefix="steepest-", delete=False) as file:
        held = Spool(file.name)
        file.writelines(pieces)
    return held


def read_pieces(stream: IO[AnyStr]) -> Iterator[AnyStr]:
    """A stream front to back, a megabyte at a time."""
    while piece := stream.read(1 << 20):
        yield piece


def _remove(path: str, owner: int) -> None:
    if os.getpid() == owner:  # not in a fork
        Path(path).unlink(missing_ok=True)
