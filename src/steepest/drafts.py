"""Temporary files and folders: locked while in need, so that those of the dead can be told.

A process that is killed leaves its own behind.  Whoever makes the next one beside them
removes those that nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path

_held: dict[Path, tuple[int, int]] = {}
"""Each with the handle that locks it, and the process that made it."""


class Lock(Enum):
    """Who has locked a file; some file systems have no locks."""

    OURS = auto()
    TAKEN = auto()
    UNKNOWN = auto()


def make_draft(folder: Path, start: str, end: str, *, is_folder: bool = False) -> Path:
    """A new empty file or folder that nobody else may read, gone at the latest with this process.

    Removes those beside it that processes have left that were killed.  OSError where none can
    be made.
    """
    _remove_left(folder, re.compile(rf"{re.escape(start)}[0-9a-f]{{16}}{re.escape(end)}"))
    while True:
        path = folder / f"{start}{secrets.token_hex(8)}{end}"
        if is_folder:
            path.mkdir(0o700)
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        else:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        # Before it is locked, somebody may take it for one that was left.
        if _lock(handle) is not Lock.TAKEN and path.exists():
            _held[path] = handle, os.getpid()
            return path
        os.close(handle)


def drop_draft(path: Path) -> None:
    """Remove what is not needed any more; a file may have got another name."""
    handle, owner = _held.pop(path, (-1, 0))
    if owner == os.getpid():  # not in a fork
        _remove(path)
        os.close(handle)


def drop_drafts() -> None:
    """Remove all of this process."""
    for path in list(_held):
        drop_draft(path)


def _remove_left(folder: Path, pattern: re.Pattern[str]) -> None:
    with suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            if pattern.fullmatch(entry.name) and not entry.is_symlink():
                _remove_unlocked(Path(entry.path))


def _remove_unlocked(path: Path) -> None:
    with suppress(OSError):
        way = os.O_RDONLY if path.is_dir() else os.O_RDWR
        handle = os.open(path, way | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if _lock(handle) is Lock.OURS:
                _remove(path)
        finally:
            os.close(handle)


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _lock(handle: int) -> Lock:
    """Lock a file, without waiting."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return Lock.TAKEN
    except OSError:
        return Lock.UNKNOWN
    return Lock.OURS
