"""A file on disk: what messages call it, and whether it stayed as it was while it was read."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from ..errors import SourceError, SteepestError, StoreError, TooLargeError, visible
from .places import KEPT, Place, Stamp


def gather_groups(lengths: Sequence[int], least: int) -> Iterator[tuple[tuple[int, ...], int, int]]:
    """Groups of rows, gathered into parts of at least so many: places, first row, rows of each.

    >>> list(gather_groups([100, 50, 7], 120))
    [((0, 1), 1, 150), ((2,), 151, 7)]
    """
    groups: list[int] = []
    rows, first = 0, 1
    for i, length in enumerate(lengths):
        groups.append(i)
        rows += length
        if rows >= least or i == len(lengths) - 1:
            yield tuple(groups), first, rows
            groups, first, rows = [], first + rows, 0


@dataclass(frozen=True)
class File:
    """A file, its name in messages where that is another, and its state when it was opened."""

    path: str
    title: str = ""
    stamp: Stamp | None = None

    format: ClassVar[str] = "a file"

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.title or visible(self.path)

    @property
    def where(self) -> str:
        return f"'{self.name}'"

    @property
    def identity(self) -> str:
        """All that tells it, in this state, from others; empty where it is not there to stay."""
        return _tell(self) if self.stamp and self.title in ("", self.path) else ""

    def from_anywhere(self) -> Self:
        """The same file for another process, which may run in another folder."""
        if isinstance(self.path, Place):
            return self
        return replace(self, path=str(Path(self.path).absolute()), title=self.name)

    @contextmanager
    def reading(self, *, rows: bool = False) -> Iterator[None]:
        """Arrow's errors in the house's own words; SourceError if the file changes meanwhile.

        A store is asked about that where ``rows`` are read: each time is a request.
        """
        import pyarrow as pa

        try:
            yield
        except SteepestError:
            self.check_unchanged()
            raise
        except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError, MemoryError) as error:
            self.check_unchanged()
            if isinstance(error, MemoryError):
                raise TooLargeError.reading(self.name) from None
            if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
                raise SourceError.broken_off(self.name, os.strerror(error.errno)) from None
            raise self.explain(str(error) or type(error).__name__) from None
        if rows or not isinstance(self.path, Place):
            self.check_unchanged()

    def check_unchanged(self) -> None:
        """SourceError if the file is not in the state in which it was opened."""
        if self.stamp is None:
            return
        try:
            now = Stamp.of(self.path)
        except OSError as error:
            if isinstance(self.path, Place) and not isinstance(error, FileNotFoundError):
                raise StoreError.of(self.path, str(error)) from None
            if error.errno not in (None, errno.ENOENT):
                raise SourceError.broken_off(self.name, os.strerror(error.errno)) from None
            raise SourceError.gone(self.name) from None
        if now != self.stamp:
            KEPT.drop(self.path, self.stamp)
            raise SourceError.altered(self.name, self.stamp.size, now.size)

    def explain(self, message: str) -> Exception:
        """The error to raise for one of Arrow's."""
        if isinstance(self.path, Place) and "AWS Error" in message:
            return StoreError.of(self.path, message)
        return SourceError.unreadable(self.name, self.format, message.partition("\n")[0])


def _tell(value: Any) -> str:
    """A value in words that do not depend on the process: sets in order."""
    if is_dataclass(value):
        told = (f"{f.name}={_tell(getattr(value, f.name))}" for f in fields(value) if f.compare)
        return f"{type(value).__name__}({', '.join(told)})"
    if isinstance(value, AbstractSet):
        return f"{{{', '.join(sorted(map(_tell, value)))}}}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(sorted(f'{_tell(k)}: {_tell(v)}' for k, v in value.items()))}}}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_tell, value))})"
    return repr(value)
