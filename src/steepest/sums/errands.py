"""Parts handed to an executor, and what comes back, in the order of the parts.

Work for another process travels as bytes, which are unpacked after the versions were compared;
moments come back in the bytes of their file, with their SHA-256.
"""

from __future__ import annotations

import hashlib
import pickle
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from .. import __version__
from ..data.places import Place
from ..data.table import Part
from ..errors import WorkerError
from .archive import pack_moments, unpack_moments
from .cluster import Sent, await_result, count_threads, is_cluster, submit
from .executors import count_cores, runs_here
from .library import name_kernel
from .moments import Moments

R = TypeVar("R")

Handed: TypeAlias = "Future[Any] | Sent[Any]"
"""Work at an executor: a cluster's comes with the connection that it went by."""

WAITING_BYTES = 1 << 28
"""Results that wait for one before them, at the most, beyond one for each worker."""

DIGEST = 32


def map_parts(
    function: Callable[[Part], R],
    parts: Iterable[Part],
    executor: Executor | None,
    *,
    by_kernel: bool = False,
) -> Generator[R]:
    """``function`` of every part, in the order of the parts, worked on by an executor.

    None means threads, one a core.  When the caller stops early, or a part fails, parts that
    have not begun are cancelled; those at work are not waited for.  ``by_kernel`` says that the
    kernel shows in what is found, so that all workers need the one of here.
    """
    workers = ThreadPoolExecutor(count_cores(), "steepest") if executor is None else executor
    needed = __version__, name_kernel() if by_kernel else ""
    waiting: deque[tuple[Part, Handed]] = deque()
    size = 0

    def take() -> R:
        nonlocal size
        found: R = _await(workers, *waiting.popleft())
        size = max(size, _weigh(found))
        return found

    try:
        for part in parts:
            waiting.append((part, _hand_out(workers, needed, function, part)))
            if len(waiting) >= _count_room(workers, size):
                yield take()
        while waiting:
            yield take()
    finally:
        for _, handed in waiting:
            handed.cancel()
        if executor is None:
            workers.shutdown(wait=False, cancel_futures=True)


def _count_room(workers: Executor, size: int) -> int:
    """Parts that are handed out and not yet added up: so many that nobody waits for work.

    Their results may wait in memory, and no more of them than there is room for.
    """
    if is_cluster(workers):
        own = count_threads(workers)
    else:
        own = getattr(workers, "_max_workers", count_cores())
    return own + max(1, min(own + 2, WAITING_BYTES // max(size, 1)))


def _weigh(found: object) -> int:
    """About how many bytes some moments take; 0 for what is no moments."""
    if not isinstance(found, Moments):
        return 0
    cells = 0
    for sums in found.patterns.values():
        k = len(sums.numbers)
        cells += k * k + sum((k + 2) * len(own.levels) for own in sums.levels.values())
        cells += sum(3 * len(pair.counts) for pair in sums.pairs.values())
    return cells * (48 if found.precision == "exact" else 8)


def _hand_out(
    workers: Executor, needed: tuple[str, str], function: Callable[[Part], R], part: Part
) -> Handed:
    if runs_here(workers):
        return workers.submit(function, part)
    moved = part.from_anywhere() if hasattr(part, "from_anywhere") else part
    errand = *needed, pickle.dumps((function, moved))
    if is_cluster(workers):
        return submit(workers, part.where, perform, *errand)
    try:
        return workers.submit(perform, *errand)
    except BrokenExecutor:
        raise WorkerError.died(part.where) from None


def _await(workers: Executor, part: Part, handed: Handed) -> Any:
    try:
        if isinstance(handed, Sent):
            found = await_result(workers, handed, part.where)
        else:
            found = handed.result()
    except BrokenExecutor:
        raise WorkerError.died(part.where) from None
    finally:
        del handed  # else its error and this frame hold each other, and what was read
    if runs_here(workers) or not isinstance(found, bytes):
        return found
    digest, packed = found[:DIGEST], found[DIGEST:]
    if hashlib.sha256(packed).digest() != digest:
        raise WorkerError.garbled(part.where)
    return unpack_moments(packed)


def perform(version: str, kernel: str, packed: bytes) -> Any:
    """What a worker in another process does with a part.

    Raises
    ------
    WorkerError
        Its steepest is of another version, or the part's file is not there.
    """
    here = socket.gethostname()
    own = __version__, name_kernel()
    if version != own[0] or kernel not in ("", own[1]):
        raise WorkerError.version(here, "{} ({})".format(*own), f"{version} ({kernel or 'any'})")
    function, part = pickle.loads(packed)  # noqa: S301  # the caller's own, by its own channel
    file = part
    for within in ("inner", "source"):
        file = getattr(file, within, file)
    path = getattr(file, "path", "")
    if path and not isinstance(path, Place) and not Path(path).exists():
        raise WorkerError.no_file(here, path)
    found = function(part)
    if not isinstance(found, Moments):
        return found
    content = pack_moments(found)
    return hashlib.sha256(content).digest() + content
