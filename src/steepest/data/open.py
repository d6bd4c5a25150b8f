"""Anything a person has, opened as a source."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial, reduce
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import OptionError, SourceError, SourceNotFoundError, counted
from . import memory
from .delimited import DelimitedFile
from .parquet import ParquetFile
from .table import Kind, Part, Schema, Source

FORMATS: dict[str, Callable[[str], Source]] = {
    ".csv": DelimitedFile,
    ".csv.gz": DelimitedFile,
    ".tsv": partial(DelimitedFile, delimiter="\t"),
    ".tsv.gz": partial(DelimitedFile, delimiter="\t"),
    ".parquet": ParquetFile,
    ".pq": ParquetFile,
}
"""How a file is read, by its ending."""


@dataclass(frozen=True)
class Files:
    """Several files as one table: their columns are matched by name."""

    files: tuple[Source, ...]

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        joined = reduce(lambda a, b: a.join(b, wanted), (file.schema() for file in self._agreed))
        return replace(
            joined, where=f"{joined.where} and {counted(len(self.files) - 1, 'file')} more"
        )

    def parts(self) -> Sequence[Part]:
        return [part for file in self._agreed for part in file.parts()]

    @cached_property
    def _agreed(self) -> tuple[Source, ...]:
        """The files, with a column of text read as text also where it looks like booleans."""
        kinds = [
            (c.name, c.is_boolean)
            for f in self.files
            for c in f.schema().columns
            if c.kind is Kind.CATEGORY
        ]
        mixed = {name for name, boolean in kinds if boolean and (name, False) in kinds}
        return tuple(
            file.read_as_text(frozenset(mixed)) if isinstance(file, DelimitedFile) else file
            for file in self.files
        )


def open_source(source: Any, names: Sequence[str] | None = None) -> Source:
    """Whatever holds a table, as a :class:`Source`.

    Paths and globs (one, or a list of them) of CSV, TSV and Parquet files; two-dimensional
    and structured NumPy arrays; dicts of arrays; pandas, polars and Arrow tables.

    Raises
    ------
    SourceError, SourceNotFoundError
        Something that is no table; a directory; no such file.
    """
    if isinstance(source, np.ndarray):
        return memory.name_array(source, names)
    if names is not None:
        raise OptionError.outside(
            "names", names, "for this source", "names belong to a bare array; leave names unset."
        )
    if isinstance(source, str | os.PathLike):
        return _open_paths([source])
    if isinstance(source, Mapping):
        return memory.gather_columns(source, "the table")
    if memory.is_from(source, "pandas") and hasattr(source, "columns"):
        return memory.from_pandas(source)
    if memory.is_from(source, "polars") and type(source).__name__ in ("DataFrame", "LazyFrame"):
        return memory.from_polars(source)
    if (
        memory.is_from(source, "pyarrow")
        and hasattr(source, "schema")
        and hasattr(source, "columns")
    ):
        return memory.from_arrow(source)
    if isinstance(source, Sequence) and source and all(_is_path(item) for item in source):
        return _open_paths(source)
    raise SourceError.not_a_table(type(source).__name__)


def _is_path(value: object) -> bool:
    return isinstance(value, str | os.PathLike)


def _open_paths(patterns: Sequence[str | os.PathLike[str]]) -> Source:
    paths = list(dict.fromkeys(path for p in patterns for path in _expand(os.fspath(p))))
    files = tuple(_open_file(path) for path in paths)
    return files[0] if len(files) == 1 else Files(files)


def _expand(pattern: str) -> list[str]:
    """A path, or the files that a glob matches, in the order of their names."""
    try:
        path = Path(pattern).expanduser()
        found = path.exists()
    except (OSError, RuntimeError, ValueError):  # a name too long, nobody's home, a zero byte
        raise SourceNotFoundError.of(pattern, False, []) from None
    if path.is_dir():
        raise SourceError.directory(pattern)
    if found:
        if not path.is_file():
            raise SourceError.not_regular(pattern)
        return [str(path)]
    is_pattern = glob.has_magic(pattern)
    matches = sorted(glob.glob(str(path), recursive=True)) if is_pattern else []
    matches = [match for match in matches if Path(match).is_file()]
    if not matches:
        folder = path.parent if path.parent.is_dir() else None
        beside = [entry.name for entry in folder.iterdir()] if folder else []
        raise SourceNotFoundError.of(pattern, is_pattern, beside)
    return matches


def _open_file(path: str) -> Source:
    endings = [ending for ending in FORMATS if path.lower().endswith(ending)]
    if not endings:
        raise SourceError.format_unknown(path)
    if Path(path).stat().st_size == 0:
        raise SourceError.empty_file(path)
    if not os.access(path, os.R_OK):
        raise SourceError.unreadable(path, "a file", "You have no permission to read it")
    return FORMATS[max(endings, key=len)](path)
