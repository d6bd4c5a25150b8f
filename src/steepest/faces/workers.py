"""Who reads, as it is said on the command line: threads, processes, Dask."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait

from ..errors import OptionError, WorkerError
from ..sums.cluster import connect, deaf_children, start_cluster
from .interruption import undisturbed

HINT = "--executor threads:4, processes:4, local:4, or dask:tcp://host:8786"
ADDRESS = re.compile(r"[a-z]+://\S+:\d{1,5}")
MOST = 1_024
"""Workers that are started here, at the most."""


@contextmanager
def hiring(text: str | None) -> Iterator[Executor | None]:
    """The executor that is meant by ``threads:4`` or the like, for as long as it is needed.

    OptionError for what means none; WorkerError where a cluster cannot be had.
    """
    if text is None:
        yield None
        return
    kind, _, rest = text.partition(":")
    _calm_tracker()
    if kind == "dask" and ADDRESS.fullmatch(rest):
        with connect(rest) as executor:
            yield executor
        return
    starts = {"threads": _hire_threads, "processes": _hire_processes, "local": start_cluster}
    if kind not in starts or not (rest.isascii() and rest.isdigit() and 0 < int(rest) <= MOST):
        raise OptionError.outside("executor", text, "known", HINT)
    with starts[kind](int(rest)) as executor:
        yield executor


@contextmanager
def _hire_threads(count: int) -> Iterator[Executor]:
    threads = ThreadPoolExecutor(count, "steepest")
    try:
        yield threads
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _hire_processes(count: int) -> Iterator[Executor]:
    """Processes that begin afresh, do not hear ^C, and go when this one is gone."""
    before = multiprocessing.active_children()
    spawn = multiprocessing.get_context("spawn")
    try:
        pool = ProcessPoolExecutor(count, spawn, initializer=begin_worker)
        with undisturbed(), deaf_children():
            for _ in range(count):
                pool.submit(os.getpid)
    except OSError as error:
        raise WorkerError.unstarted(count, error.strerror or str(error)) from None
    try:
        yield pool
    except BaseException:
        for child in multiprocessing.active_children():
            if child not in before:
                child.kill()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _calm_tracker() -> None:
    """Let Python's own process, which clears up after one that is stopped, not speak of it."""
    said = os.environ.get("PYTHONWARNINGS")
    calm = "ignore:resource_tracker:UserWarning"
    os.environ["PYTHONWARNINGS"] = f"{said},{calm}" if said else calm


def begin_worker() -> None:
    """What a process does first that is to work for another."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
