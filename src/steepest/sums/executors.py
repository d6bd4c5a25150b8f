"""Who does the work: any ``concurrent.futures.Executor``, and ours when none is given."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

IN_FLIGHT = 32
"""Parts handed out and not yet added up: bounds what waits in memory."""


def map_parts(
    function: Callable[[T], R], parts: Iterable[T], executor: Executor | None
) -> Iterator[R]:
    """``function`` of every part, in the order of the parts, worked on by an executor.

    None means threads, one a core.  When the caller stops early, or a part fails, parts that
    have not begun are cancelled; those at work are not waited for.
    """
    workers = ThreadPoolExecutor(_cores(), "steepest") if executor is None else executor
    waiting: deque[Future[R]] = deque()
    try:
        for part in parts:
            waiting.append(workers.submit(function, part))
            if len(waiting) >= IN_FLIGHT:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        if executor is None:
            workers.shutdown(wait=False, cancel_futures=True)


class Caller(Executor):
    """The thread that asks does the work, when it asks: for what no other may read."""

    def submit(self, function: Callable[..., R], /, *arguments: Any, **named: Any) -> Future[R]:
        done: Future[R] = Future()
        done.set_result(function(*arguments, **named))
        return done


def choose_executor(source: object, executor: Executor | None) -> Executor | None:
    """Who reads a source: the executor that was asked for, or the caller where it cannot move."""
    return Caller() if getattr(source, "stays", False) else executor


def runs_here(executor: Executor | None) -> bool:
    """Whether an executor's work runs in this process, so that it can report as it goes."""
    return executor is None or isinstance(executor, ThreadPoolExecutor | Caller)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS on one thread inside, and as it was afterwards; to be entered by one thread for all.

    Our threads each work on rows of their own.  OpenBLAS's threads beside them are slow on
    tall narrow blocks, and collapse when another process runs.
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield
