"""The state that the file of a database is in, and what is different from one of before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from ..errors import SourceError
from .places import Stamp

HEAD_BYTES = 12_288
"""Where both SQLite and DuckDB count their transactions."""


class State(Protocol):
    """What tells whether rows are those of before, where no file's stamp can."""

    @property
    def kept(self) -> str:
        """What has to be known of it another time."""
        ...

    def compare(self, then: str) -> str:
        """What has changed since a state of which this was kept; empty where no row may have."""
        ...


class FileMark(NamedTuple):
    """A file: its stamp, and a digest of its first bytes."""

    size: int
    mtime_ns: int
    inode: int | str
    digest: str

    @classmethod
    def of(cls, path: str) -> FileMark:
        """What a file is like now; OSError where there is none."""
        stamp = Stamp.of(path)
        with Path(path).open("rb") as file:
            return cls(*stamp, hashlib.sha256(file.read(HEAD_BYTES)).hexdigest())


@dataclass(frozen=True)
class FileState:
    """A database in a file, and what is written beside it and not yet taken over."""

    path: str
    kept: str

    @classmethod
    def of(cls, path: str, endings: Sequence[str]) -> FileState:
        """The state that a database is in now, whose logs have these endings.

        SourceError where there is no file any more.
        """
        try:
            marks = {"": FileMark.of(path)}
        except FileNotFoundError:
            raise SourceError.gone(path) from None
        for ending in endings:
            if Path(path + ending).is_file() and Path(path + ending).stat().st_size:
                marks[ending] = FileMark.of(path + ending)
        return cls(path, json.dumps(marks))

    def compare(self, then: str) -> str:
        """What has changed since; empty where nothing has."""
        before = {ending: FileMark(*mark) for ending, mark in json.loads(then).items()}
        after = {ending: FileMark(*mark) for ending, mark in json.loads(self.kept).items()}
        told = []
        for ending in {**before, **after}:
            was, now = before.get(ending), after.get(ending)
            if was == now:
                continue
            name = f"'{Path(self.path).name}{ending}'"
            if was is None or now is None:
                told.append(f"{name} {'was not' if was is None else 'was'} there")
            elif was.size != now.size:
                told.append(f"{name} had {was.size:,} bytes, and has {now.size:,}")
            else:
                told.append(f"{name} was written to")
        return ", ".join(told)

    @property
    def size(self) -> int:
        """Bytes of the database alone."""
        return int(json.loads(self.kept)[""][0])
