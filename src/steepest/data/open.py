"""Anything a person has, opened as a source."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from ..errors import DatabaseError, OptionError, SourceError, SteepestError
from . import databases, duckdb, memory, streams, tensors
from .columns import as_numpy, is_from
from .dialect import Dialect
from .files import open_paths
from .graphs import Frame
from .scanned import list_files, list_scanned
from .sparse import name_sparse
from .table import Source


def open_source(source: Any, names: Sequence[str] | None = None) -> Source:
    """Whatever holds a table, as a :class:`Source`.

    Paths, globs and folders (one, or a list of them) of CSV, TSV, JSON lines, Parquet and Arrow
    files, and ``-`` for standard input; two-dimensional and structured NumPy arrays, sparse
    matrices and tensors; dicts of arrays; pandas, polars and Arrow tables; Dask
    DataFrames; pyarrow Datasets, readers and whatever gives an Arrow stream, DuckDB relations,
    PyTorch datasets and loaders, and iterators of any of these, as batches; URLs of databases,
    with ``?table=`` or ``?query=``.

    Raises
    ------
    SourceError, SourceNotFoundError
        Something that is no table; a file that cannot be read; no such file.
    """
    if all(hasattr(type(source), name) for name in ("schema", "parts")):
        found: Source = source
        return found
    if isinstance(source, type):
        raise SourceError.not_a_table(f"class {source.__name__}")
    names = None if names is None else _as_names(names)
    source = as_numpy(source)
    if _is_path(source) or _are_paths(source):
        return _open_places(source, Dialect(names=names or ()))
    if isinstance(source, np.ndarray) and (source.dtype.names is None or names is None):
        return memory.name_array(source, names)
    if is_from(source, "scipy") and hasattr(source, "tocsr"):
        return name_sparse(source, names)
    if tensors.is_dataset(source):
        return tensors.from_dataset(source, names, partial(_open_batch, names=names))
    if is_from(source, "torch") and hasattr(source, "detach"):
        return tensors.open_batch(source, names)
    if isinstance(source, Iterator) and not is_from(source, "pyarrow"):
        return streams.from_iterator(source, partial(_open_batch, names=names))
    if names is not None:
        raise OptionError.outside(
            "names",
            names,
            "for this source",
            "names belong to a bare array, or a file without a header; leave names unset.",
        )
    return _open_named(source)


def _open_named(source: Any) -> Source:
    """A table in memory that knows the names of its columns."""
    kind = type(source).__name__
    if isinstance(source, Mapping):
        return memory.gather_columns(source, "the table")
    if is_from(source, "pandas") and hasattr(source, "columns"):
        return memory.from_pandas(source)
    if is_from(source, "polars") and kind == "DataFrame":
        return memory.from_polars(source)
    if is_from(source, "polars") and kind == "LazyFrame":
        return _as_files(streams.from_lazy(source), list_scanned(source))
    if is_from(source, "dask") and hasattr(source, "npartitions") and kind == "DataFrame":
        return Frame(source)
    if kind == "DuckDBPyRelation":
        return duckdb.from_relation(source)
    if databases.is_connection(source):
        return databases.open_connection(source, None, None)
    return _open_arrow(source)


def _as_files(stream: streams.Stream, paths: Sequence[str]) -> Source:
    """The files that a stream reads and nothing else; the stream where they would differ."""
    if paths:
        with suppress(SteepestError):  # others may read what is refused here
            files = _open_places(list(paths), Dialect())
            kinds = [
                [(own.name, own.word) for own in of.schema().columns] for of in (files, stream)
            ]
            if kinds[0] == kinds[1]:
                return files
    return stream


def _open_arrow(source: Any) -> Source:
    """What is of pyarrow, or gives what Arrow has."""
    if is_from(source, "pyarrow"):
        if hasattr(source, "schema") and hasattr(source, "num_columns"):
            return memory.from_arrow(source)
        if hasattr(source, "scanner"):
            return _as_files(streams.from_dataset(source), list_files(source))
        if hasattr(source, "projected_schema"):
            return streams.from_scanner(source)
        if hasattr(source, "read_next_batch"):
            return streams.from_reader(source)
    if hasattr(source, "__arrow_c_stream__"):
        return streams.from_arrow_stream(source)
    if hasattr(source, "__arrow_c_array__"):
        return streams.from_arrow_array(source)
    databases.refuse_foreign(source)
    raise SourceError.not_a_table(type(source).__name__)


def _open_batch(batch: Any, names: Sequence[str] | None) -> Source:
    """What an iterator or a loader gives: any table but a path."""
    if _is_path(batch):
        raise SourceError.not_a_table("path that an iterator gives")
    if isinstance(batch, list | tuple):
        return tensors.open_batch(batch, names)
    return open_source(batch, names)


def _as_names(names: Sequence[str] | None) -> tuple[str, ...]:
    if names is None or isinstance(names, str):
        return () if names is None else (names,)
    return tuple(str(name) for name in names)


def open_table(
    source: Any,
    *,
    delimiter: str | None = None,
    decimal: str | None = None,
    quote: str | None = '"',
    encoding: str = "utf-8",
    header: bool = True,
    names: Sequence[str] | None = None,
    text: Sequence[str] = (),
    null: Sequence[str] = (),
    skip_lines: int = 0,
    skip_rows: int = 0,
    ragged: str = "refuse",
    skip_empty: bool = False,
    max_bytes: int | None = None,
    table: str | None = None,
    query: str | None = None,
) -> Source:
    """Say how a table is to be read, where that cannot be seen.

    What comes back can be given to :func:`steepest.scan`, :func:`steepest.fit` and
    ``Model.predict`` in the place of the table itself.

    Parameters
    ----------
    source : path, glob, folder, list of these, URL or connection
        Files of text, where ``"-"`` is standard input; or a database: a connection of DuckDB's,
        SQLite's or, to PostgreSQL, ADBC's, or ``"duckdb:///homes.db"``, ``"sqlite:///homes.db"``,
        ``"postgresql://user@host/db"``.
    delimiter : str, optional
        The character between fields.  Default: a comma, or a tab in ``.tsv``, unless the first
        records are evenly cut by semicolons, tabs, bars or commas alone.
    decimal : {".", ","}, optional
        What stands before the fraction of a number.  Default: a point; columns of numbers with
        decimal commas are refused.
    quote : str or None, optional
        The character around fields that hold delimiters, doubled inside; None for no such.
    encoding : str, optional
        Any that Python knows.  Other than UTF-8, the text is put into a temporary file first.
    header : bool, optional
        Whether the first record names the columns.  If not, they are x1, x2 and so on.
    names : sequence of str, optional
        Names of the columns of a file without a header.
    text : sequence of str, optional
        Columns that are text whatever they look like: identifiers, codes, postcodes.  Elsewhere
        numbers among text are refused, and text among numbers.
    null : sequence of str, optional
        Words that stand for no value, such as ``"-"``, beside an empty cell, NA, N/A, n/a, #N/A,
        NaN, nan, NULL, Null, null and None.
    skip_lines : int, optional
        Lines before the header that are no part of the table.
    skip_rows : int, optional
        Rows under the header that are none, such as units.
    ragged : {"refuse", "drop"}, optional
        Whether a record with a field too few or too many is refused, or left out and counted.
    skip_empty : bool, optional
        Pass over files of 0 bytes among several.
    max_bytes : int, optional
        Bytes that a packed file may unpack to.  Default: any number; it is read as a stream.
    table : str, optional
        A table or view of a database, by its bare name, or ``"schema.name"`` in PostgreSQL.
    query : str, optional
        One statement that gives rows, which the database runs anew for each pass.

    Returns
    -------
    Source
        The table, whose rows are not read yet.

    Raises
    ------
    SourceError, SourceNotFoundError
        As for :func:`steepest.scan`; text that is not in the encoding.
    DatabaseError
        A database that cannot be opened, has no such table, or is asked for something but rows.
    OptionError
        A mark of more than one character, an unknown encoding, or what makes no sense here.

    Notes
    -----
    Nothing is read but the first bytes of each file, which tell how it is packed.  Databases are
    opened to read only, and names in them are quoted.

    Examples
    --------
    >>> import pathlib, tempfile, steepest
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "preise.csv"
    ...     _ = path.write_text("größe;preis\\n1,5;3\\n2,5;5\\n", encoding="latin1")
    ...     table = open_table(path, decimal=",", encoding="latin1")
    ...     steepest.fit(table, target="preis").coefficients
    {'intercept': 0.0, 'größe': 2.0}
    """
    dialect = Dialect(
        delimiter=delimiter or "",
        decimal=decimal or "",
        quote=quote or "",
        encoding=encoding,
        header=header,
        names=_as_names(names),
        text=_as_names(text),
        null=_as_names(null),
        skip_lines=skip_lines,
        skip_rows=skip_rows,
        ragged=ragged,
        skip_empty=skip_empty,
        max_bytes=max_bytes,
    )
    asked = table is not None or query is not None
    if databases.is_url(source) or databases.is_connection(source):
        dialect.refuse_said("a database", encoded=False)
        opened = databases.open_url if databases.is_url(source) else databases.open_connection
        return opened(source, table, query)
    if asked:
        databases.refuse_foreign(source)
        if _is_path(source):
            _open_places(source, dialect)  # the file of a database is told as such
        name, value = ("query", query) if table is None else ("table", table)
        raise OptionError.outside(name, value, "for what is no database", f"leave {name} unset.")
    if _is_path(source) or _are_paths(source):
        return _open_places(source, dialect)
    dialect.refuse_said("a table that is no file", encoded=False)
    return open_source(source)


def _open_places(source: Any, dialect: Dialect) -> Source:
    """One path or URL, or a list of them."""
    places = [source] if _is_path(source) else list(source)
    if not any(databases.is_url(place) for place in places):
        return open_paths(places, dialect)
    if len(places) > 1:
        raise DatabaseError.among_files()
    dialect.refuse_said("a database", encoded=False)
    return databases.open_url(places[0], None, None)


def _are_paths(source: object) -> bool:
    return isinstance(source, Sequence) and bool(source) and all(map(_is_path, source))


def _is_path(value: object) -> bool:
    return isinstance(value, str | os.PathLike)
