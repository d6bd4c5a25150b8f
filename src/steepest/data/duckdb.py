"""Tables and queries of DuckDB, by a connection or a URL, read and never written to."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

from ..errors import DatabaseError, PackageError
from .ahead import read_ahead
from .selection import HERE, name_asked, quote_name, write_select
from .streams import from_relation, translated
from .table import Source

TABLES = "select table_name from information_schema.tables order by 1"


def is_connection(source: object) -> bool:
    """Whether something is a connection of DuckDB's."""
    return type(source).__name__ == "DuckDBPyConnection"


def open_file(path: str, table: str | None, query: str | None) -> Source:
    """A table or a query of the database in a file."""
    return _open(_connect(path), f"'{path}'", table, query, is_ours=True)


def open_connection(connection: Any, table: str | None, query: str | None) -> Source:
    """A table or a query of a database that is open."""
    return _open(connection, HERE, table, query, is_ours=False)


def _connect(path: str) -> Any:
    """A database that a query can neither change, nor leave for other files or for variables."""
    try:
        import duckdb
    except ImportError:
        raise PackageError.missing("DuckDB", "duckdb") from None
    try:
        connection = duckdb.connect(
            path, read_only=True, config={"python_enable_replacements": False}
        )
        connection.execute("set enable_external_access = false")
    except duckdb.Error as error:
        raise DatabaseError.unopened(path, str(error).partition("\n")[0]) from None
    return connection


def _open(
    connection: Any, database: str, table: str | None, query: str | None, *, is_ours: bool
) -> Source:
    def list_tables() -> list[str]:
        return [name for (name,) in connection.sql(TABLES).fetchall()]

    def aside(begin: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        def start() -> Generator[Any]:
            yield from begin()

        found = read_ahead(start, connection.interrupt)
        yield from (batch for batch in found if batch is not None)

    where = name_asked(database, table, query, list_tables)
    asked = write_select(quote_name(str(table))) if query is None else query
    with translated(where):
        statements = connection.extract_statements(asked)
        if [statement.type.name for statement in statements] != ["SELECT"]:
            raise DatabaseError.no_select(where)
        return from_relation(connection.sql(asked), where, aside if is_ours else None)
