"""Where the bytes of a file lie, on disk or in a store of objects, and what state they are in."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Self, TypeVar

A = TypeVar("A")
B = TypeVar("B")

SMALL_BYTES = 1 << 20
"""Objects of so many bytes are fetched whole: each request takes longer than that."""

KEPT_BYTES = 1 << 25
"""Bytes of small objects that are kept, at the most."""

AT_ONCE = 16
"""Objects that are asked about at the same time."""


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
            return cls.seen(path, file)

    @classmethod
    def seen(cls, place: Place, file: Any) -> Stamp:
        """The state of an object that was opened."""
        size, told = file.size(), file.metadata()
        if told and told.get("ETag"):
            return cls(size, 0, bytes(told["ETag"]).decode("utf-8", "replace"))
        return cls(size, place.store.get_file_info(place.key).mtime_ns or 0, "")


class Place(str):
    """The URL of an object in a store, without credentials; these are in its file system.

    It is text wherever it is shown, and a place to read from wherever a path is.
    """

    store: Any
    """The file system."""
    key: str
    """The object's name in it."""
    stamp: Stamp | None
    """The state that is meant."""

    def __new__(cls, url: str, store: Any, key: str, stamp: Stamp | None = None) -> Self:
        place = super().__new__(cls, url)
        place.store, place.key, place.stamp = store, key, stamp
        return place

    def __reduce__(self) -> tuple[Any, ...]:
        return Place, (str(self), self.store, self.key, self.stamp)

    def at(self, stamp: Stamp) -> Place:
        """The same object in a state that it was seen in."""
        return Place(str(self), self.store, self.key, stamp)


class _Kept:
    """Small objects, by their names and states; those used last stay."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[str, Stamp], Any] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, name: str, stamp: Stamp) -> Any:
        """The bytes of an object as one of Arrow's buffers; None where they are not kept."""
        with self._lock:
            found = self._held.get((name, stamp))
            if found is not None:
                self._held.move_to_end((name, stamp))
            return found

    def put(self, name: str, stamp: Stamp, content: Any) -> None:
        self.drop(name, stamp)
        with self._lock:
            self._held[name, stamp] = content
            self._bytes += content.size
            while self._bytes > KEPT_BYTES:
                self._bytes -= self._held.popitem(last=False)[1].size

    def drop(self, name: str, stamp: Stamp) -> None:
        with self._lock:
            found = self._held.pop((name, stamp), None)
            self._bytes -= found.size if found is not None else 0


KEPT = _Kept()


def state_of(path: str) -> Stamp:
    """The state of a file that is meant; OSError where there is none."""
    return (path.stamp if isinstance(path, Place) else None) or Stamp.of(path)


def settle(path: str) -> str:
    """A path, or an object in the state that it is in now."""
    return path.at(Stamp.of(path)) if isinstance(path, Place) else path


def measure(path: str) -> int:
    """The bytes of a file; OSError where there is none."""
    return state_of(path).size


def open_bytes(path: str) -> Any:
    """A file's bytes as one of Arrow's, to be read at any place of it.

    A file of Python's would be read by Arrow's thread, which a process that is told to stop
    does not wait for; one that is mapped into memory would kill it when it is cut off.
    """
    import pyarrow as pa

    if not isinstance(path, Place):
        return pa.OSFile(os.fsencode(path))  # a name of a file may be no text
    stamp = path.stamp
    if stamp is None or stamp.size > SMALL_BYTES:
        return path.store.open_input_file(path.key)
    content = KEPT.get(path, stamp)
    if content is None:
        with path.store.open_input_file(path.key) as file:
            content = file.read_buffer(file.size())
            if Stamp.seen(path, file) == stamp and stamp.identity:
                KEPT.put(path, stamp, content)
    return pa.BufferReader(content)


def ask_each(ask: Callable[[A], B], of: Iterable[A], *, far: bool) -> list[B]:
    """What each gives, in their order; several at a time where each waits for a store."""
    if not far:
        return [ask(one) for one in of]
    with ThreadPoolExecutor(AT_ONCE, "steepest-store") as workers:
        return list(workers.map(ask, of))
