"""The files that paths, patterns and folders mean, with what the names of their folders say."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from ..errors import SourceError, SourceNotFoundError, StoreError
from ..store import MODEL_HEAD, MOMENTS_HEAD
from .places import Place, measure
from .stores import find_objects, is_store, scheme_of

HEADS = (MODEL_HEAD, MOMENTS_HEAD)
"""The first bytes of models and moments, which are no data."""


@dataclass(frozen=True)
class Found:
    """A file, and the keys of its folders: ``year=2024`` says that the year is 2024."""

    path: str
    keys: tuple[tuple[str, str], ...] = ()


def find_files(pattern: str) -> list[Found]:
    """A path, or the files that a pattern matches or a folder holds, in the order of their names.

    SourceNotFoundError where there is none, SourceError for what is no regular file.
    """
    if not pattern:
        raise SourceNotFoundError.of(pattern, False, [])
    if is_store(pattern):
        return [Found(place, _read_keys(folders)) for place, folders in find_objects(pattern)]
    if scheme_of(pattern) == "file":
        pattern = _read_file_url(pattern)
    try:
        path = Path(pattern).expanduser()
        found = path.exists()
    except (OSError, RuntimeError, ValueError):  # a name too long, nobody's home, a zero byte
        raise SourceNotFoundError.of(pattern, False, []) from None
    if path.is_dir():
        return _list_folder(path)
    if found or path.is_symlink():
        _check_regular(path)
        return [Found(str(path))]
    is_pattern = glob.has_magic(pattern)
    names = sorted(set(glob.glob(str(path), recursive=True))) if is_pattern else []
    matches = [name for name in names if not Path(name).is_dir()]
    for match in matches:
        _check_regular(Path(match))
    if not matches:
        folder = path.parent if path.parent.is_dir() else None
        beside = [entry.name for entry in folder.iterdir()] if folder else []
        raise SourceNotFoundError.of(pattern, is_pattern, beside)
    fixed = next(i for i, part in enumerate(path.parts) if glob.has_magic(part))
    return [Found(match, _read_keys(Path(match).parts[fixed:-1])) for match in matches]


def is_own(path: str) -> bool:
    """Whether a file is a model or moments that steepest wrote."""
    if isinstance(path, Place):
        return False
    try:
        with Path(path).open("rb") as file:
            return file.read(max(map(len, HEADS))).startswith(HEADS)
    except OSError:  # whoever reads it says why
        return False


def _read_file_url(url: str) -> str:
    """The path of a file:// URL, which this machine has; a file of that very name goes first."""
    host, slash, rest = url.partition("://")[2].partition("/")
    if host not in ("", "localhost"):
        raise StoreError.another_machine(host)
    path = slash + rest
    return path if Path(path).exists() else unquote(path)


def _list_folder(folder: Path) -> list[Found]:
    paths = sorted(_walk(folder, set()))
    if not paths:
        raise SourceError.empty_folder(str(folder))
    for path in paths:
        _check_regular(path)
    return [Found(str(path), _read_keys(path.relative_to(folder).parts[:-1])) for path in paths]


def _walk(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """The files below a folder; hidden ones, and marks like ``_SUCCESS``, are no data."""
    seen.add(folder.resolve())
    try:
        entries = list(folder.iterdir())
    except PermissionError:
        raise SourceError.unreadable(
            str(folder), "a folder", "You have no permission to list it"
        ) from None
    for entry in entries:
        if entry.name.startswith(".") or (entry.name.startswith("_") and "=" not in entry.name):
            continue
        if not entry.is_dir():
            yield entry
        elif entry.resolve() not in seen:  # links may lead in circles
            yield from _walk(entry, seen)


def _read_keys(folders: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """What folders say, outermost first: names as they are, values with ``%2F`` and its like."""
    pairs = [folder.partition("=") for folder in folders if folder.find("=") > 0]
    return tuple((unquote(key), unquote(value)) for key, _, value in pairs)


def _check_regular(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise SourceNotFoundError.link(str(path), str(path.readlink()))
    if not path.is_file():
        raise SourceError.not_regular(str(path))


def check_readable(path: str, title: str = "") -> None:
    """SourceError for a file of no bytes, or that may not be read."""
    if measure(path) == 0:
        raise SourceError.empty_file(title or path)
    if not isinstance(path, Place) and not os.access(path, os.R_OK):
        raise SourceError.unreadable(title or path, "a file", "You have no permission to read it")
