"""Where the bytes of a file lie, on disk or in a store of objects, and what state they are in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple, Self


class Place(str):
    """The URL of an object in a store, without credentials; these are in its file system.

    It is text wherever it is shown, and a place to read from wherever a path is.
    """

    store: Any
    """The file system."""
    key: str
    """The object's name in it."""

    def __new__(cls, url: str, store: Any, key: str) -> Self:
        place = super().__new__(cls, url)
        place.store, place.key = store, key
        return place

    def __reduce__(self) -> tuple[Any, ...]:
        return Place, (str(self), self.store, self.key)


class Stamp(NamedTuple):
    """What tells one state of a file from another."""

    size: int
    mtime_ns: int
    identity: int | str
    """The inode, or what a store calls the state of an object."""

    @classmethod
    def of(cls, path: str) -> Stamp:
        """The state that a file is in now; OSError where there is none."""
        if not isinstance(path, Place):
            found = Path(path).stat()
            return cls(found.st_size, found.st_mtime_ns, found.st_ino)
        with path.store.open_input_file(path.key) as file:
            size, told = file.size(), file.metadata()
        if told and told.get("ETag"):
            return cls(size, 0, bytes(told["ETag"]).decode("utf-8", "replace"))
        return cls(size, path.store.get_file_info(path.key).mtime_ns or 0, "")


def measure(path: str) -> int:
    """The bytes of a file; OSError where there is none."""
    if not isinstance(path, Place):
        return Path(path).stat().st_size
    with path.store.open_input_file(path.key) as file:
        return int(file.size())


def open_bytes(path: str) -> Any:
    """A file's bytes as one of Arrow's, to be read at any place of it.

    A file of Python's would be read by Arrow's thread, which a process that is told to stop
    does not wait for; one that is mapped into memory would kill it when it is cut off.
    """
    import pyarrow as pa

    if isinstance(path, Place):
        return path.store.open_input_file(path.key)
    return pa.OSFile(os.fsencode(path))  # a name of a file may be no text
