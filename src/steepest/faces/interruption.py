"""^C and SIGTERM: within a second everything stops, whatever the process is in the middle of.

Python handles a signal between two of its own instructions, in the main thread.  That thread may
be inside of a query or of a decoder for long; so a second one watches, and ends the process when
the first does not.  It does so at once for a second ^C.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from ..drafts import drop_drafts

if TYPE_CHECKING:
    from ..sums.checkpoints import Checkpoint

INTERRUPTED, TERMINATED = 130, 143
CODES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}
WORDS = {INTERRUPTED: "interrupted", TERMINATED: "terminated"}

GRACE = 0.5
"""Seconds that the main thread has."""

TELLING = 0.1
"""Seconds that one thread waits for the other to have said the line."""

LISTINGS = 100
"""How often workers are looked for that other threads begin meanwhile, at the most."""

SHOW_CURSOR = "\r\x1b[2K\x1b[?25h"

_kept: list[Checkpoint] = []
_heard: list[int] = []
_busy: list[bool] = []
_told: list[bool] = []
_telling = threading.Lock()


class Stopped(BaseException):
    """A signal came in: an error that nobody takes for one of theirs."""

    def __init__(self, code: int) -> None:
        super().__init__(WORDS[code])
        self.code = code


@contextmanager
def keeping_scan(place: str | None) -> Iterator[Checkpoint | None]:
    """The checkpoint of a command, of which is told when it is stopped.

    It is removed when the block ends well: when the result is where it was wanted.
    """
    if place is None:
        yield None
        return
    from ..sums.checkpoints import keeping

    with keeping(place) as kept:
        _kept[:] = [kept] if kept else []
        yield kept
    _kept.clear()


def describe_stop(code: int) -> str:
    """The line to say of a command that was stopped; on a terminal it takes the place of one."""
    shown = SHOW_CURSOR if os.isatty(2) else ""
    kept = [checkpoint.describe() for checkpoint in _kept]
    return f"{shown}steepest: {WORDS[code]}; {kept[0] if kept else 'nothing was written.'}"


@contextmanager
def interruptible() -> Iterator[None]:
    """Let signals raise KeyboardInterrupt and Stopped inside, or end the process."""
    _kept.clear()
    _heard.clear()
    _told.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    read, write = os.pipe()
    os.set_blocking(write, False)
    hooks = sys.unraisablehook, threading.excepthook
    handlers = {number: signal.signal(number, _raise) for number in CODES if _is_heard(number)}
    woken = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    guard = threading.Thread(target=_guard, args=(read,), name="steepest-guard", daemon=True)
    guard.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if not _heard:  # else what is left of the work is still torn down
            sys.unraisablehook, threading.excepthook = hooks
        os.close(write)
        guard.join()
        os.close(read)


def _is_heard(number: signal.Signals) -> bool:
    """Whether a signal does what it usually does: a shell lets what runs in its back ignore ^C."""
    return signal.getsignal(number) != signal.SIG_IGN


def _raise(number: int, frame: FrameType | None) -> None:
    del frame
    _hush()
    _heard[:] = [CODES[signal.Signals(number)]]
    if not _busy:
        raise_heard()


@contextmanager
def undisturbed() -> Iterator[None]:
    """A moment's work that is done whole: a signal that comes inside is raised at its end."""
    _busy.append(True)
    try:
        yield
    finally:
        _busy.pop()
    raise_heard()


def _hush() -> None:
    """What is torn down in the middle of its work need not say so."""
    sys.unraisablehook = threading.excepthook = _pass_over


def _pass_over(error: object) -> None:
    """Say nothing."""


def raise_heard() -> None:
    """KeyboardInterrupt or Stopped if a signal came in, which a package may have swallowed."""
    if _heard:
        raise KeyboardInterrupt if _heard[0] == INTERRUPTED else Stopped(_heard[0])


def _guard(read: int) -> None:
    """Wait for signals; for the end of the block after one; and no longer than is granted."""
    first, deadline = 0, 0.0
    while True:
        wait = max(deadline - time.monotonic(), 0.0) if first else None
        if not select.select([read], [], [], wait)[0]:
            tell_stop(CODES[signal.Signals(first)], _write)
            leave(CODES[signal.Signals(first)])
        data = os.read(read, 64)
        if not data:
            return
        for number in data:
            if number in CODES and first:
                leave(CODES[signal.Signals(number)])
            if number in CODES:
                first, deadline = number, time.monotonic() + GRACE


def tell_stop(code: int, say: Callable[[str], None]) -> None:
    """Say that a command was stopped, once: the main thread may come to it as its time ends."""
    if not _telling.acquire(timeout=TELLING):
        return
    try:
        if not _told:
            say(describe_stop(code))
            _told.append(True)
    finally:
        _telling.release()


def _write(line: str) -> None:
    """Write a message past all locks that the main thread may hold."""
    with suppress(OSError):
        os.write(2, f"{line}\n".encode(errors="replace"))


def leave(code: int) -> NoReturn:
    """End this process and its workers now, and leave no file that nobody needs.

    Threads that are still at work are not waited for.
    """
    _hush()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    _silence()
    _end_workers()
    drop_drafts()
    os._exit(code)


def _silence() -> None:
    """Say no more: nor does a worker that a thread still begins, which finds nobody here."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _end_workers() -> None:
    """End all children, those that only begin, too.

    The system leaves some out of its list while others of them end, so it is asked until it
    names no more.
    """
    pools = sys.modules.get("multiprocessing")
    with suppress(RuntimeError):  # other threads begin some
        for child in pools.active_children() if pools else ():
            child.kill()
    ended: set[str] = set()
    for _ in range(LISTINGS):
        found = _list_children() - ended
        if not found:
            break
        for pid in found:
            _kill_worker(pid)
        ended |= found


def _list_children() -> set[str]:
    """Where the system tells, the processes that threads of this one began."""
    found: set[str] = set()
    for children in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found.update(children.read_text().split())
    return found


def _kill_worker(pid: str) -> None:
    """End a child, unless it is Python's own that clears up after this process."""
    with suppress(OSError):
        if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(int(pid), signal.SIGKILL)
