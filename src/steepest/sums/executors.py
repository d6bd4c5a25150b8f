"""Who does the work: any ``concurrent.futures.Executor``, and ours when none is given."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from ..errors import OptionError

R = TypeVar("R")

SYNCHRONOUS = "scan in a thread of its own: await asyncio.to_thread(steepest.scan, ...)"

EXECUTORS = "pass concurrent.futures.ThreadPoolExecutor(4), or a Client of Dask's"


class Caller(Executor):
    """An executor that does the work in the calling thread, for what no other thread may read."""

    def submit(self, function: Callable[..., R], /, *arguments: Any, **named: Any) -> Future[R]:
        done: Future[R] = Future()
        done.set_result(function(*arguments, **named))
        return done


def choose_executor(source: object, executor: Executor | None) -> Executor | None:
    """Who reads a source: the executor that was asked for, or the caller where it cannot move.

    OptionError for something that no work can be submitted to.
    """
    chosen: Any = executor
    if isinstance(executor, type) or (executor is not None and not hasattr(executor, "submit")):
        raise OptionError.outside("executor", executor, "an executor", EXECUTORS)
    if hasattr(chosen, "get_executor"):  # a client of Dask's
        if chosen.asynchronous:
            raise OptionError.outside("executor", executor, "a client that waits", SYNCHRONOUS)
        chosen = chosen.get_executor()
    return Caller() if getattr(source, "stays", False) else chosen


def runs_here(executor: Executor | None) -> bool:
    """Whether an executor's work runs in this process, so that it can report as it goes."""
    return executor is None or isinstance(executor, ThreadPoolExecutor | Caller)


def count_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _BlasLimit:
    """One thread for BLAS while anybody wants that, and what it was when the last one leaves.

    The limit can only be lifted by the thread that set it, and so has one of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._lifted = threading.Event()
        self._holder = threading.Thread()

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                limited, self._lifted = threading.Event(), threading.Event()
                self._holder = threading.Thread(
                    target=self._hold, args=(limited, self._lifted), daemon=True
                )
                self._holder.start()
                try:
                    limited.wait()
                except BaseException:
                    self._lifted.set()
                    raise
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._lifted.set()
                self._holder.join()

    @staticmethod
    def _hold(limited: threading.Event, lifted: threading.Event) -> None:
        try:
            with _controller().limit(limits=1, user_api="blas"):
                limited.set()
                lifted.wait()
        finally:
            limited.set()


_blas = _BlasLimit()


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS on one thread inside, and as it was after the last thread has left.

    Our threads each work on rows of their own.  OpenBLAS's threads beside them are slow on
    tall narrow blocks, and collapse when another process runs.
    """
    _blas.enter()
    try:
        yield
    finally:
        _blas.leave()
