"""Parts handed to an executor, and what comes back, in the order of the parts.

Work for another process travels as bytes, which are unpacked after the versions were compared;
moments come back in the bytes of their file.  A SHA-256 of both seals what comes back, so that
nothing is taken for the sums of a part that was found of another.
"""

from __future__ import annotations

import hashlib
import pickle
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
)
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from .. import __version__
from ..data.places import Place
from ..data.table import Part
from ..errors import OptionError, SteepestError, WorkerError
from .archive import pack_moments, unpack_moments
from .cluster import Sent, await_result, count_threads, is_cluster, submit
from .executors import EXECUTORS, Caller, count_cores, runs_here
from .library import name_kernel
from .moments import Moments

R = TypeVar("R")


class Handed(NamedTuple):
    """A part that an executor works on."""

    part: Part
    work: Future[Any] | Sent[Any]
    """Work of a cluster is kept with the connection by which it was sent."""
    seal: bytes
    """The SHA-256 of what was sent; empty where nothing was, as it is worked on here."""


WAITING_BYTES = 1 << 28
"""Most bytes of results that wait for an earlier part, beyond one result for each worker."""

DIGEST = 32

SUMS, OTHER = b"s", b"o"
"""What comes back: moments, in the bytes of their file, or something else."""


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
    waiting: deque[Handed] = deque()
    size = 0

    def take() -> R:
        nonlocal size
        found: R = _await(workers, waiting.popleft())
        size = max(size, _weigh(found))
        return found

    try:
        for part in parts:
            waiting.append(_hand_out(workers, needed, function, part))
            if len(waiting) >= _count_room(workers, size):
                yield take()
        while waiting:
            yield take()
    finally:
        for handed in waiting:
            getattr(handed.work, "cancel", bool)()
        if executor is None:
            workers.shutdown(wait=False, cancel_futures=True)


def _count_room(workers: Executor, size: int) -> int:
    """Parts that are handed out and not yet added up: so many that nobody waits for work.

    Their results may wait in memory, and no more of them than there is room for.
    """
    if is_cluster(workers):
        own = count_threads(workers)
    else:
        own = getattr(workers, "_max_workers", None) or count_cores()
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
    work: Future[Any] | Sent[Any]
    if isinstance(workers, Caller):
        return Handed(part, workers.submit(work_here, function, part), b"")
    packed = b""
    if not runs_here(workers):
        moved = part.from_anywhere() if hasattr(part, "from_anywhere") else part
        packed = pickle.dumps((function, moved))
    try:
        if not packed:
            work = workers.submit(work_here, function, part)
        elif is_cluster(workers):
            work = submit(workers, part.where, perform, *needed, packed)
        else:
            work = workers.submit(perform, *needed, packed)
    except BrokenExecutor:
        raise WorkerError.died(part.where) from None
    except RuntimeError as error:
        if isinstance(error, SteepestError):
            raise
        raise WorkerError.unwilling(str(error)) from None
    if not isinstance(work, Sent) and not hasattr(work, "result"):
        raise OptionError.outside("executor", workers, "one whose submit gives Futures", EXECUTORS)
    return Handed(part, work, hashlib.sha256(packed).digest() if packed else b"")


def _await(workers: Executor, handed: Handed) -> Any:
    where = handed.part.where
    try:
        if isinstance(handed.work, Sent):
            found = await_result(workers, handed.work, where)
        else:
            found = handed.work.result()
    except BrokenExecutor:
        raise WorkerError.died(where) from None
    except CancelledError:
        raise WorkerError.cancelled(where) from None
    finally:
        part, seal = handed.part, handed.seal
        del handed  # else its error and this frame hold each other, and what was read
    if not seal:
        if not isinstance(found, tuple) or found[0] is not part:
            raise WorkerError.garbled(where)
        return found[1]
    if not isinstance(found, bytes | bytearray | memoryview):
        raise WorkerError.garbled(where)
    found = bytes(found)
    own, kind, content = found[:DIGEST], found[DIGEST : DIGEST + 1], found[DIGEST + 1 :]
    if _seal(seal, kind, content) != own:
        raise WorkerError.garbled(where)
    return unpack_moments(content) if kind == SUMS else pickle.loads(content)  # noqa: S301  # sealed


def _seal(errand: bytes, kind: bytes, content: bytes) -> bytes:
    told = hashlib.sha256(errand + kind)
    told.update(content)
    return told.digest()


def work_here(function: Callable[[Part], R], part: Part) -> tuple[Part, R]:
    """What a worker in this process does with a part."""
    return part, function(part)


def perform(version: str, kernel: str, packed: bytes) -> bytes:
    """What a worker in another process does with a part: a seal, and what was found.

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
    if isinstance(found, Moments):
        kind, content = SUMS, pack_moments(found)
    else:
        kind, content = OTHER, pickle.dumps(found)
    return _seal(hashlib.sha256(packed).digest(), kind, content) + kind + content
