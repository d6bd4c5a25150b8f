"""Anything a person has, opened as a source."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import OptionError, SourceError
from . import memory
from .files import open_paths
from .table import Source


def open_source(source: Any, names: Sequence[str] | None = None) -> Source:
    """Whatever holds a table, as a :class:`Source`.

    Paths, globs and folders (one, or a list of them) of CSV, TSV, JSON lines, Parquet and Arrow
    files, and ``-`` for standard input; two-dimensional and structured NumPy arrays; dicts of
    arrays; pandas, polars and Arrow tables.

    Raises
    ------
    SourceError, SourceNotFoundError
        Something that is no table; a file that cannot be read; no such file.
    """
    if isinstance(source, np.ndarray):
        return memory.name_array(source, names)
    if names is not None:
        raise OptionError.outside(
            "names", names, "for this source", "names belong to a bare array; leave names unset."
        )
    if isinstance(source, str | os.PathLike):
        return open_paths([source])
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
        return open_paths(source)
    raise SourceError.not_a_table(type(source).__name__)


def _is_path(value: object) -> bool:
    return isinstance(value, str | os.PathLike)
