"""Time as this machine has it: a slow one is slow at everything, one that stalls does nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TICK = 0.01


@contextmanager
def steadily() -> Iterator[Callable[[], float]]:
    """Seconds since the beginning in which other processes went on, too."""
    passed, over = [0.0], threading.Event()

    def tick() -> None:
        last = time.monotonic()
        while not over.wait(TICK):
            now = time.monotonic()
            passed[0] += min(now - last, 2 * TICK)
            last = now

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield lambda: passed[0]
    finally:
        over.set()
        thread.join()


def count_loops(work: Callable[[], object]) -> float:
    """What some work takes of the processor, in loops of Python that take a tenth of a second."""
    began = time.process_time()
    work()
    taken = time.process_time() - began
    began = time.process_time()
    sum(i * i for i in range(2_400_000))
    return taken / (time.process_time() - began)


def wait_until(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether something comes to hold, for which no time is promised."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
