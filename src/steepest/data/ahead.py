"""Reading in a thread of its own: ahead of who adds up, and to be left at any moment."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

T = TypeVar("T")

BEAT_SECONDS = 0.2
"""Seconds after which a wait is broken off for a moment, so that ^C and stops are seen."""

PARTING_SECONDS = 2.0
"""Longest wait for a reader that was told to stop, in seconds."""


def work_aside(work: Callable[[], T]) -> T:
    """The result of work done by another thread, so that waiting for it can be interrupted."""

    def start() -> Generator[tuple[T]]:
        yield (work(),)

    return next(found[0] for found in read_ahead(start, lambda: None) if found is not None)


def read_ahead(
    start: Callable[[], Generator[T]],
    cancel: Callable[[], Any],
    patience: float | None = PARTING_SECONDS,
) -> Iterator[T | None]:
    """What an iterator gives, one step ahead; None each time that nothing has come for a while.

    The thread is no reason for a process to stay.  When the caller leaves early, ``cancel`` is
    called, which makes a reader that waits for others give up.  It is waited for so many seconds;
    None: to its end, where it reads from what the caller will use again.

    >>> [found for found in read_ahead(lambda: (c for c in "abc"), lambda: None) if found]
    ['a', 'b', 'c']
    """
    results: Queue[tuple[str, Any]] = Queue(maxsize=1)
    left = Event()

    def give(word: str, found: Any) -> bool:
        while not left.is_set():
            with suppress(Full):
                results.put((word, found), timeout=BEAT_SECONDS)
                return True
        return False

    def work() -> None:
        try:
            with closing(start()) as items:
                if all(give("item", item) for item in items):
                    give("end", None)
        except BaseException as error:
            give("error", error)

    thread = Thread(target=work, name="steepest reader", daemon=True)
    thread.start()
    word = ""
    try:
        while True:
            try:
                word, found = results.get(timeout=BEAT_SECONDS)
            except Empty:
                yield None
                continue
            if word == "end":
                return
            if word == "error":
                try:
                    raise found
                finally:
                    del found  # else error and frame hold each other, and what was read
            yield found
    finally:
        left.set()
        if word not in ("end", "error"):
            with suppress(Exception):
                cancel()
        thread.join(patience)
