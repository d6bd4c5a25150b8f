"""Files written whole or not at all, and read only when whole."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from .drafts import drop_draft, make_draft
from .errors import CheckpointError, ModelFileError, MomentsFileError, OutputError, SteepestError

FORMAT = 1
MODEL_HEAD = b'{\n "format": "steepest model"'
LARGEST_FILE = 1 << 30

MOMENTS_FORMAT = 1
MOMENTS_HEAD = b"\x89steepest moments\r\n\x1a\n"
"""A byte that is no text, and line ends of two kinds: a copy that changes them is noticed."""

SEAL = 32
"""Bytes of a SHA-256."""


class Sealed(NamedTuple):
    """A kind of file that ends in the SHA-256 of every byte before."""

    head: bytes
    format: int
    what: str
    """As a sentence has it: ``moments``."""
    error: type[MomentsFileError | CheckpointError]


MOMENTS = Sealed(MOMENTS_HEAD, MOMENTS_FORMAT, "moments", MomentsFileError)
CHECKPOINT = Sealed(b"\x89steepest checkpoint\r\n\x1a\n", 1, "a checkpoint", CheckpointError)
PARTIAL = Sealed(b"\x89steepest partial\r\n\x1a\n", 1, "the checkpoint of a scan", CheckpointError)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place when the block ends well.

    It is flushed to disk and renamed: whoever reads ``path`` finds the old file or the new
    one, whole.  When the block fails the temporary file is removed and ``path`` is as it was.
    OutputError where the place cannot be written.
    """
    check_writable(path)
    target = Path(path)
    target = target.resolve() if target.is_symlink() else target
    try:
        draft = make_draft(target.parent, f".{target.name[:40]}.", ".part")
    except OSError as error:
        raise OutputError.of(os.fspath(path), error.strerror or str(error)) from error
    try:
        yield draft
        draft.chmod(_permissions(target))
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(target)
        _sync_folder(target.parent)
    except SteepestError:
        raise
    except OSError as error:
        raise OutputError.of(os.fspath(path), error.strerror or str(error)) from error
    finally:
        drop_draft(draft)


def _permissions(target: Path) -> int:
    """Those of the file that is replaced, or of any new file."""
    with suppress(OSError):
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Find out before the work whether its result can be written; OutputError if not."""
    target, name = Path(path), os.fspath(path)
    try:
        target.exists()
    except OSError as error:
        raise OutputError.of(name, error.strerror or str(error)) from None
    if target.is_dir() or name.endswith(os.sep):
        raise OutputError.of(name, "it is a directory")
    if not target.parent.is_dir():
        raise OutputError.of(name, f"there is no folder '{target.parent}'")
    if target.exists() and not target.is_file():
        raise OutputError.of(name, "it is not a regular file")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError.of(name, f"no permission to write in '{target.parent}'")
    if target.exists() and not os.access(target, os.W_OK):
        raise OutputError.of(name, "it is write-protected")


def check_model_place(path: str | os.PathLike[str]) -> None:
    """Find out whether a model can be saved there: never over a file that is something else."""
    _check_place(path, "a model", MODEL_HEAD)


def check_moments_place(path: str | os.PathLike[str]) -> None:
    """Find out whether moments can be saved there: never over a file that is something else."""
    check_sealed_place(path, MOMENTS)


def check_sealed_place(path: str | os.PathLike[str], kind: Sealed) -> None:
    """Find out whether a file of a kind can be written there: never over something else."""
    _check_place(path, kind.what, kind.head)


def _check_place(path: str | os.PathLike[str], what: str, head: bytes) -> None:
    check_writable(path)
    name = os.fspath(path)
    if name == "-":
        raise OutputError.of(name, f"{what} can only be saved in a file")
    if Path(path).exists():
        with Path(path).open("rb") as file:
            found = file.read(len(head))
        if found and found != head:
            raise OutputError.of(name, f"it holds something that is not {what}, and would be lost")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Text in UTF-8, whole or not at all; OutputError where it cannot be written."""
    check_writable(path)
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], content: dict[str, Any]) -> None:
    """JSON, then one last line: the SHA-256 of every byte above it, in hexadecimal."""
    body = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    check_model_place(path)
    with replacing(path) as draft:
        draft.write_bytes(body + hashlib.sha256(body).hexdigest().encode() + b"\n")


def finite(value: float) -> float | None:
    """A number for JSON, which has no NaN and no infinity."""
    return float(value) if math.isfinite(value) else None


def finite_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a table for JSON: null where a number is not finite."""
    return {n: finite(v) if isinstance(v, float) else v for n, v in row.items()}


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What :func:`write_json` wrote; ModelFileError for anything else.  Executes nothing."""
    name = os.fspath(path)
    try:
        if Path(path).stat().st_size > LARGEST_FILE:
            raise ModelFileError.of(name, "it is larger than 1 GB")
        data = Path(path).read_bytes()
    except OSError as error:
        raise ModelFileError.unreadable(name, error.strerror or str(error)) from error
    body, seal = data[:-65], data[-65:]
    if not re.fullmatch(rb"[0-9a-f]{64}\n", seal) or not body.endswith(b"\n"):
        raise ModelFileError.of(
            name, "it does not end in its checksum, so it is cut off or not ours"
        )
    if hashlib.sha256(body).hexdigest().encode() != seal[:-1]:
        raise ModelFileError.of(name, "its checksum does not fit, so it was altered or damaged")
    try:
        content = decode_json(body)
    except ValueError as error:
        raise ModelFileError.of(name, f"it holds no JSON that we write ({error})") from error
    if content.get("format") != "steepest model":
        raise ModelFileError.of(name, "it is not of the format 'steepest model'")
    version = content.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ModelFileError.of(name, f"it has no format version, but {version!r}")
    if version > FORMAT:
        raise ModelFileError.newer(name, version, FORMAT)
    return content


def write_sealed(
    path: str | os.PathLike[str], pieces: Iterable[bytes], kind: Sealed = MOMENTS
) -> None:
    """The head and version of a kind of file, the pieces, and the SHA-256 of every byte of it."""
    check_sealed_place(path, kind)
    sha = hashlib.sha256()
    with replacing(path) as draft, draft.open("wb") as file:
        for piece in chain([kind.head + kind.format.to_bytes(4, "little")], pieces):
            sha.update(piece)
            file.write(piece)
        file.write(sha.digest())


def read_sealed(path: str | os.PathLike[str], kind: Sealed = MOMENTS) -> bytes:
    """The pieces that :func:`write_sealed` wrote; the kind's error for anything else."""
    name = os.fspath(path)
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise kind.error.unreadable(name, "it is not a regular file")
        data = Path(path).read_bytes()
    except OSError as error:
        raise kind.error.unreadable(name, error.strerror or str(error)) from error
    start = len(kind.head) + 4
    if not data.startswith(kind.head):
        raise kind.error.of(name, "it does not begin as one")
    if len(data) < start + SEAL or hashlib.sha256(data[:-SEAL]).digest() != data[-SEAL:]:
        raise kind.error.of(
            name, "its checksum does not fit, so it was cut off, altered or damaged"
        )
    version = int.from_bytes(data[start - 4 : start], "little")
    if version > kind.format:
        raise kind.error.newer(name, version, kind.format)
    if version < 1:
        raise kind.error.of(name, f"it has no format version, but {version}")
    return data[start:-SEAL]


def holds_moments(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as moments do; False for one that cannot be read."""
    return _begins(path, MOMENTS_HEAD)


def holds_model(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as a model does; False for one that cannot be read."""
    return _begins(path, MODEL_HEAD)


def _begins(path: str | os.PathLike[str], head: bytes) -> bool:
    try:
        if not Path(path).is_file():
            return False
        with Path(path).open("rb") as file:
            return file.read(len(head)) == head
    except (OSError, ValueError):
        return False


def decode_json(body: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8; ValueError for anything else, a key twice, NaN and infinities."""
    try:
        content = json.loads(
            body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_unique
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(content, dict):
        raise ValueError("it is no object")  # noqa: TRY004
    return content


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is not a number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)
