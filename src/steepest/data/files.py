"""Files of every format, one or many, as one table."""

from __future__ import annotations

import lzma
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial, reduce

from ..errors import SourceError, counted
from .delimited import DelimitedFile
from .file import File, Stamp
from .ipc import ArrowFile
from .lines import LinesFile
from .packing import ENDINGS, find_packing, open_unpacked
from .parquet import ParquetFile
from .partitions import place_files
from .paths import check_readable, find_files
from .spool import Spool, Spooled, spool
from .table import Kind, Part, Schema, Source

TEXT: dict[str, Callable[..., Source]] = {
    ".csv": DelimitedFile,
    ".tsv": partial(DelimitedFile, delimiter="\t"),
    ".jsonl": LinesFile,
    ".ndjson": LinesFile,
}
"""How a file of text is read, by its ending; it may be packed."""

FORMATS: dict[str, Callable[..., Source]] = {
    **TEXT,
    **{ending + packed: opened for ending, opened in TEXT.items() for packed in ENDINGS},
    ".parquet": ParquetFile,
    ".pq": ParquetFile,
    ".arrow": ArrowFile,
    ".arrows": ArrowFile,
    ".feather": ArrowFile,
    ".ipc": ArrowFile,
}
"""How a file is read, by its ending."""

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Files:
    """Several files as one table: their columns are matched by name."""

    files: tuple[Source, ...]

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        schemas = [file.schema(wanted) for file in self._agreed]
        joined = reduce(lambda a, b: a.join(b, wanted), schemas)
        return replace(
            joined, where=f"{joined.where} and {counted(len(self.files) - 1, 'file')} more"
        )

    def parts(self) -> Sequence[Part]:
        return [part for file in self._agreed for part in file.parts()]

    @cached_property
    def _agreed(self) -> tuple[Source, ...]:
        """The files, with a column of text as text also where it looks like something else."""
        columns = [c for f in self.files for c in f.schema(()).columns]
        text = {c.name for c in columns if c.kind is Kind.CATEGORY and not c.is_boolean}
        looks = {c.name for c in columns if c.is_boolean or c.kind is Kind.TIME}
        mixed = frozenset(text & looks)
        return tuple(
            file.read_as_text(mixed) if mixed and hasattr(file, "read_as_text") else file
            for file in self.files
        )


def open_paths(patterns: Sequence[str | os.PathLike[str]]) -> Source:
    """The files that are meant by paths, patterns, folders and ``-``, as one table.

    Raises
    ------
    SourceError, SourceNotFoundError
        A file that cannot be read, or of no known ending; no such file.
    """
    files: dict[str, Source] = {}
    keys: list[Sequence[tuple[str, str]]] = []
    for pattern in dict.fromkeys(os.fspath(given) for given in patterns):
        if pattern == STANDARD_INPUT:
            files[pattern] = open_input()
            keys.append(())
            continue
        found = find_files(pattern)
        _check_one_format(pattern, [one.path for one in found])
        for one in found:
            if one.path not in files:
                files[one.path] = open_file(one.path)
                keys.append(one.keys)
    placed = place_files(list(files.values()), keys) if any(keys) else list(files.values())
    return placed[0] if len(placed) == 1 else Files(tuple(placed))


def open_file(path: str) -> Source:
    """One file, by its ending."""
    opened = _find_format(path)
    check_readable(path)
    if opened in TEXT.values() and find_packing(path) == "xz":
        return _open_xz(opened, path, path)
    return opened(path, stamp=Stamp.of(path))


def open_input() -> Source:
    """Standard input: JSON lines if it begins with an object, else CSV.

    It is put into a file first, as kinds are found in one pass and sums made in the next.
    """
    title = "standard input"
    held = spool(sys.stdin.buffer)
    check_readable(held.path, title)
    packing = find_packing(held.path)
    if packing == "xz":
        return _open_xz(None, held.path, title)
    return _open_held(None, held, title)


def _open_xz(opened: Callable[..., Source] | None, path: str, title: str) -> Source:
    """A file that Arrow cannot unpack, unpacked into another."""
    try:
        with lzma.open(path) as stream:
            held = spool(stream)
    except (lzma.LZMAError, EOFError) as error:
        raise SourceError.unreadable(title, "xz", str(error)) from None
    check_readable(held.path, title)
    return _open_held(opened, held, title)


def _open_held(opened: Callable[..., Source] | None, held: Spool, title: str) -> Source:
    opened = opened or _guess_format(held.path, title)
    return Spooled(opened(held.path, title=title, stamp=Stamp.of(held.path)), held)


def _guess_format(path: str, title: str) -> Callable[..., Source]:
    with File(path, title).reading(), open_unpacked(path, find_packing(path)) as (stream, _):
        return LinesFile if stream.read(1 << 12).lstrip().startswith(b"{") else DelimitedFile


def _find_format(path: str) -> Callable[..., Source]:
    """What reads a file, by its ending."""
    endings = [ending for ending in FORMATS if path.lower().endswith(ending)]
    if not endings:
        raise SourceError.format_unknown(path)
    return FORMATS[max(endings, key=len)]


def _check_one_format(pattern: str, paths: Sequence[str]) -> None:
    """SourceError for a pattern or a folder that mixes formats."""
    for path in paths:
        if _find_format(path) is not _find_format(paths[0]):
            raise SourceError.mixed(pattern, paths[0], path)
