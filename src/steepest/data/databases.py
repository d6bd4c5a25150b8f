"""Tables and queries of SQLite and DuckDB, by a connection or a URL, read and never written to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qs, quote, unquote, urlsplit

from ..errors import ColumnKindError, ColumnNameError, DatabaseError, SourceNotFoundError
from . import memory
from .stores import SCHEMES, WEB, scheme_of
from .streams import Stream, from_relation, quote_name, translated
from .table import Source

if TYPE_CHECKING:
    import sqlite3

SELECT = re.compile(
    r"(\s|--[^\n]*(\n|$)|/\*.*?\*/)*(select|with|values)\b", re.IGNORECASE | re.DOTALL
)
"""How a statement of SQLite's begins that may give rows; past comments."""

FETCHED_ROWS = 10_000
"""Rows that are taken from SQLite at a time."""

DUCKDB_TABLES = "select table_name from information_schema.tables order by 1"
SQLITE_TABLES = "select name from sqlite_master where type in ('table', 'view') order by 1"


def is_url(source: object) -> bool:
    """Whether something is the URL of a database, or of nothing that is known."""
    return isinstance(source, str) and scheme_of(source) not in (*SCHEMES, *WEB, "file", "")


def is_connection(source: object) -> bool:
    """Whether something is a connection of SQLite's or DuckDB's."""
    return _is_sqlite(source) or type(source).__name__ == "DuckDBPyConnection"


def _is_sqlite(source: object) -> bool:
    kinds = {(kind.__module__, kind.__name__) for kind in type(source).__mro__}
    return ("sqlite3", "Connection") in kinds


def open_url(url: str, table: str | None, query: str | None) -> Source:
    """A table or a query of the database at a URL: ``sqlite:///homes.db?table=homes``.

    DatabaseError for another scheme, SourceNotFoundError where there is no such file.
    """
    found = urlsplit(url)
    asked = {name: values[0] for name, values in parse_qs(found.query).items()}
    table = asked.get("table") if table is None else table
    query = asked.get("query") if query is None else query
    if found.scheme not in ("sqlite", "duckdb") or found.netloc:
        raise DatabaseError.scheme(found.scheme)
    path = unquote(found.path)[1:]  # as others have it: three slashes, then the path
    if not Path(path).is_file():
        raise SourceNotFoundError.of(path, False, [])
    name = f"'{path}'"
    if found.scheme == "duckdb":
        return _open_duckdb(_connect_duckdb(path), name, table, query)
    import sqlite3

    place = f"file:{quote(str(Path(path).absolute()))}?mode=ro"
    return _open_sqlite(lambda: closing(sqlite3.connect(place, uri=True)), name, table, query)


def open_connection(connection: Any, table: str | None, query: str | None) -> Source:
    """A table or a query of a database that is open."""
    if _is_sqlite(connection):
        return _open_sqlite(lambda: nullcontext(connection), "the database", table, query)
    return _open_duckdb(connection, "the database", table, query)


def _name_asked(
    database: str, table: str | None, query: str | None, list_tables: Callable[[], list[str]]
) -> str:
    """What is read, in words; DatabaseError unless it is one table that there is, or a query."""
    if table is not None and query is not None:
        raise DatabaseError.both()
    if query is not None:
        return "the query" if database == "the database" else f"the query of {database}"
    known = list_tables()
    if table is None:
        raise DatabaseError.nothing_asked(database, known)
    if table not in known:
        raise DatabaseError.no_table(table, database, known)
    return f"table '{table}' of {database}"


def _select(table: str, columns: Sequence[str] | None) -> str:
    shown = ", ".join(map(quote_name, columns)) if columns else "*"
    return " ".join(("select", shown, "from", quote_name(table)))


# ------------------------------------------------------------------ DuckDB


def _connect_duckdb(path: str) -> Any:
    """A database that a query can neither change, nor leave for other files or for variables."""
    import duckdb

    try:
        connection = duckdb.connect(
            path, read_only=True, config={"python_enable_replacements": False}
        )
        connection.execute("set enable_external_access = false")
    except duckdb.Error as error:
        raise DatabaseError.unopened(path, str(error).partition("\n")[0]) from None
    return connection


def _open_duckdb(connection: Any, database: str, table: str | None, query: str | None) -> Source:
    def list_tables() -> list[str]:
        return [name for (name,) in connection.sql(DUCKDB_TABLES).fetchall()]

    where = _name_asked(database, table, query, list_tables)
    asked = _select(str(table), None) if query is None else query
    with translated(where):
        statements = connection.extract_statements(asked)
        if [statement.type.name for statement in statements] != ["SELECT"]:
            raise DatabaseError.no_select(where)
        return from_relation(connection.sql(asked), where)


# ------------------------------------------------------------------ SQLite

Connect: TypeAlias = "Callable[[], AbstractContextManager[sqlite3.Connection]]"


def _open_sqlite(connect: Connect, database: str, table: str | None, query: str | None) -> Source:
    def list_tables() -> list[str]:
        with translated(database), connect() as connection:
            return [name for (name,) in _ask(connection, SQLITE_TABLES)]

    where = _name_asked(database, table, query, list_tables)
    if query is not None and not SELECT.match(query):
        raise DatabaseError.no_select(where)

    def start(columns: Sequence[str] | None) -> Iterator[Source]:
        asked = _select(str(table), columns) if query is None else query
        with connect() as connection, _never_written(connection):
            rows = _ask(connection, asked)
            if rows.description is None:
                raise DatabaseError.no_select(where)
            names = [name for name, *_ in rows.description]
            for name in names:
                if names.count(name) > 1:
                    raise ColumnNameError.repeated(name, names.count(name), where)
            while batch := rows.fetchmany(FETCHED_ROWS):
                columns_of = dict(zip(names, zip(*batch, strict=True), strict=True))
                _check_kinds(columns_of, where)
                yield memory.gather_columns(columns_of, where)

    return Stream(where, start)


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
