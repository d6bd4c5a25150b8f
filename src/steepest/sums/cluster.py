"""Dask: a cluster as an executor, and what can go wrong with one while it is waited for.

Dask waits for ever where no worker is left; here somebody looks how many there are.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..data.spool import make_temporary
from ..drafts import drop_draft
from ..errors import WorkerError

R = TypeVar("R")

REACH_SECONDS = 5
"""Longest wait for a scheduler to answer, in seconds."""

LONELY_SECONDS = 30.0
"""Longest wait for a worker where a cluster has none, in seconds."""

LARGE = "1 GiB"
"""Size of a task from which Dask may warn: rows of a table in memory travel with theirs."""


@dataclass
class Sent(Generic[R]):
    """Work that a cluster was handed, and the connection that its result comes by."""

    future: Future[R]
    connection: object

    def cancel(self) -> None:
        self.future.cancel()


def is_cluster(executor: object) -> bool:
    """Whether an executor is ``client.get_executor()``, without importing Dask to find out."""
    module = sys.modules.get("distributed.cfexecutor")
    return module is not None and isinstance(executor, module.ClientExecutor)


def count_threads(executor: Any) -> int:
    """How many parts the workers of a cluster read at once; none where its scheduler is gone."""
    info = _client(executor).scheduler_info(n_workers=-1)
    return sum(worker["nthreads"] for worker in info.get("workers", {}).values())


def submit(executor: Any, where: str, function: Callable[..., R], *arguments: Any) -> Sent[R]:
    """Hand a cluster work on ``where``; WorkerError where its client has been closed."""
    import dask

    connection = _client(executor).scheduler_comm
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": LARGE}):
        try:
            future: Future[R] = executor.submit(function, *arguments)
        except Exception as error:
            if type(error).__name__ != "ClosedClientError":
                raise
            raise WorkerError.lost(_address(executor), where) from None
    return Sent(future, connection)


def await_result(executor: Any, sent: Sent[R], where: str) -> R:
    """What a worker found out about ``where``.

    WorkerError where no worker is left, the scheduler is gone, or workers die of this part.
    A connection that breaks takes all that was sent by it along, also if it is made anew; Dask
    does not say so of a result that was on its way.
    """
    future = sent.future
    lonely_since = None
    while True:
        try:
            return future.result(timeout=1.0)
        except TimeoutError:
            if future.done():  # it is the worker's own
                raise
            if _is_broken(executor, sent.connection):
                raise WorkerError.lost(_address(executor), where) from None
        except CancelledError:
            raise WorkerError.lost(_address(executor), where) from None
        except Exception as error:
            told = _explain(error, where)
            if told is None:
                raise
            raise told from None
        now = time.monotonic()
        lonely_since = None if count_threads(executor) else lonely_since or now
        if lonely_since and now - lonely_since >= LONELY_SECONDS:
            raise WorkerError.lonely(_address(executor), LONELY_SECONDS)


def _is_broken(executor: Any, connection: object) -> bool:
    client = _client(executor)
    return client.scheduler_comm is not connection or client.status in ("closing", "closed")


def _explain(error: Exception, where: str) -> Exception | None:
    """Errors of Dask in the house's own words; None for others."""
    if type(error).__name__ == "KilledWorker":
        return WorkerError.deadly(where)
    if isinstance(error, ImportError) or "deserialization of the task graph" in str(error):
        return WorkerError.strange(str(error.__cause__ or error).partition("\n")[0])
    return None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__


def _client(executor: Any) -> Any:
    return executor._client  # noqa: SLF001  # there is no other way to ask


def _address(executor: Any) -> str:
    """Where the scheduler is, or was: a client that has given up forgets it."""
    client = _client(executor)
    begun = client._start_arg  # noqa: SLF001
    known = client.scheduler or getattr(begun, "scheduler", None)
    return str(getattr(known, "address", begun))


@contextmanager
def _closing() -> Iterator[ExitStack]:
    """What is closed at the end; where a signal ends the block, with the process: Dask is slow."""
    with ExitStack() as held:
        try:
            yield held
        except BaseException as error:
            if not isinstance(error, Exception):
                held.pop_all()
            raise


@contextmanager
def connect(address: str) -> Iterator[Executor]:
    """The workers of a scheduler, for the time of the block.

    WorkerError where Dask is not installed, or nobody answers.
    """
    distributed = _import_distributed()
    try:
        client = distributed.Client(address, timeout=REACH_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        raise WorkerError.unreachable(address, _first_line(error)) from None
    with _closing() as held:
        held.enter_context(client)
        yield client.get_executor()


@contextmanager
def start_cluster(workers: int) -> Iterator[Executor]:
    """So many worker processes of Dask's on this machine, for the time of the block."""
    distributed = _import_distributed()
    import dask

    folder = "temporary-directory"
    with _closing() as held:
        own = make_temporary(".workers", dask.config.get(folder), is_folder=True)
        held.callback(drop_draft, own)
        try:
            with deaf_children(), dask.config.set({folder: str(own)}):
                cluster = distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=":0",
                    silence_logs=logging.CRITICAL,
                )
        except (OSError, RuntimeError, ValueError) as error:
            raise WorkerError.unstarted(workers, _first_line(error)) from None
        held.enter_context(cluster)
        client = held.enter_context(distributed.Client(cluster, set_as_default=False))
        yield client.get_executor()


@contextmanager
def deaf_children() -> Iterator[None]:
    """Leave ^C to this process: threads and processes that are begun inside do not hear it."""
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # which would open their ears again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _import_distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise WorkerError.missing() from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # it speaks of what we tell
    return distributed
