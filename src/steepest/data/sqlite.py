"""Tables and queries of SQLite, by a connection or a URL, read and never written to."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from ..errors import ColumnKindError, ColumnNameError, DatabaseError
from . import memory
from .ahead import read_ahead
from .selection import HERE, name_asked, quote_name, write_select
from .streams import Stream, translated
from .table import Source

if TYPE_CHECKING:
    import sqlite3

SELECT = re.compile(
    r"(\s|--[^\n]*(\n|$)|/\*.*?\*/)*(select|with|values)\b", re.IGNORECASE | re.DOTALL
)
"""How a statement begins that may give rows; past comments."""

BUSY_SECONDS = 5.0
"""So long another's lock is waited for."""

FETCHED_ROWS = 10_000
"""Rows that are taken at a time."""

TABLES = "select name from sqlite_master where type in ('table', 'view') order by 1"

Connect: TypeAlias = "Callable[[], AbstractContextManager[sqlite3.Connection]]"


def is_connection(source: object) -> bool:
    """Whether something is a connection of SQLite's."""
    kinds = {(kind.__module__, kind.__name__) for kind in type(source).__mro__}
    return ("sqlite3", "Connection") in kinds


def open_file(path: str, table: str | None, query: str | None) -> Source:
    """A table or a query of the database in a file."""
    import sqlite3

    place = f"file:{quote(str(Path(path).absolute()))}?mode=ro"

    def connect() -> AbstractContextManager[sqlite3.Connection]:
        return closing(sqlite3.connect(place, BUSY_SECONDS, uri=True, check_same_thread=False))

    return _open(connect, f"'{path}'", table, query, is_ours=True)


def open_connection(connection: Any, table: str | None, query: str | None) -> Source:
    """A table or a query of a database that is open."""
    return _open(lambda: nullcontext(connection), HERE, table, query, is_ours=False)


def _open(
    connect: Connect, database: str, table: str | None, query: str | None, *, is_ours: bool
) -> Source:
    def list_tables() -> list[str]:
        with translated(database), connect() as connection:
            return [name for (name,) in _ask(connection, TABLES)]

    where = name_asked(database, table, query, list_tables)
    if query is not None and not SELECT.match(query):
        raise DatabaseError.no_select(where)

    def start(columns: Sequence[str] | None) -> Iterator[Source]:
        shown = [quote_name(name) for name in columns or ()]
        asked = write_select(quote_name(str(table)), shown) if query is None else query
        with connect() as connection, _never_written(connection):
            if not is_ours:  # it may not leave its thread
                yield from _read(connection, asked, where)
                return
            reading = read_ahead(lambda: _read(connection, asked, where), connection.interrupt)
            yield from (batch for batch in reading if batch is not None)

    return Stream(where, start)


def _read(connection: sqlite3.Connection, asked: str, where: str) -> Generator[Source]:
    try:
        rows = _ask(connection, asked)
    except Exception as error:
        if "one statement at a time" in str(error):
            raise DatabaseError.no_select(where) from None
        raise
    if rows.description is None:
        raise DatabaseError.no_select(where)
    names = [name for name, *_ in rows.description]
    for name in names:
        if names.count(name) > 1:
            raise ColumnNameError.repeated(name, names.count(name), where)
    while batch := rows.fetchmany(FETCHED_ROWS):
        columns = dict(zip(names, zip(*batch, strict=True), strict=True))
        _check_kinds(columns, where)
        yield memory.gather_columns(columns, where)


def _ask(connection: sqlite3.Connection, query: str) -> sqlite3.Cursor:
    cursor = connection.cursor()
    cursor.row_factory = None  # plain rows, whatever the connection's own are
    return cursor.execute(query)


@contextmanager
def _never_written(connection: sqlite3.Connection) -> Iterator[None]:
    """A connection that refuses to write, until afterwards."""
    ((before,),) = _ask(connection, "pragma query_only").fetchall()
    connection.execute("pragma query_only = on")
    try:
        yield
    finally:
        connection.execute(f"pragma query_only = {int(before)}")


def _check_kinds(columns: dict[str, tuple[Any, ...]], where: str) -> None:
    """SQLite lets a column hold anything; ColumnKindError where numbers and texts meet."""
    for name, values in columns.items():
        kinds = set(map(type, values)) - {type(None)}
        if str in kinds and len(kinds) > 1:
            text = next(value for value in values if isinstance(value, str))
            raise ColumnKindError.cell(name, where, "number", None, text)
