"""Tables and queries of DuckDB, by a connection or a URL, read and never written to."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ..errors import ColumnNameError, DatabaseError, PackageError
from .ahead import read_ahead
from .portions import DatabaseSource, Snapshot, Span
from .selection import HERE, cut_statement, name_asked, quote_name, write_select
from .states import FileState
from .streams import Stream, read_arrow, translated
from .table import Schema, Source

SHUT = {"python_enable_replacements": False, "autoinstall_known_extensions": False}
"""Nothing is read of Python's variables, nor fetched from the web for a file of another kind."""

PART_ROWS = 983_040
"""Rows of a part: eight groups as DuckDB stores them."""

ENDS = ("min(rowid)", "max(rowid)")
TABLES = """
select table_catalog, table_schema, table_name, table_catalog = current_database() as is_current,
table_catalog = 'temp' or is_current and table_schema = current_schema()
from information_schema.tables order by table_catalog <> 'temp', 1, 2, 3
"""
"""The tables, those first that are meant first by a bare name."""


def is_connection(source: object) -> bool:
    """Whether something is a connection of DuckDB's."""
    return type(source).__name__ == "DuckDBPyConnection"


def open_file(path: str, table: str | None, query: str | None) -> Source:
    """A table or a query of the database in a file."""
    database = File(str(Path(path).absolute()), path)
    where, asked = _find_asked(database.connection, f"'{path}'", table, query)
    with translated(where):
        return DatabaseSource(database, where, asked, is_table=query is None)


def open_connection(connection: Any, table: str | None, query: str | None) -> Source:
    """A table or a query of a database that is open."""
    where, asked = _find_asked(connection, HERE, table, query)
    with translated(where):
        relation = connection.sql(asked if query is not None else write_select(asked))
        return from_relation(relation, where)


def _find_asked(
    connection: Any, database: str, table: str | None, query: str | None
) -> tuple[str, str]:
    """What is read, in words and in SQL."""
    where, asked = name_asked(database, table, query, lambda: _list_tables(connection, database))
    if query is not None:
        with translated(where):
            statements = connection.extract_statements(query)
        if [statement.type.name for statement in statements] != ["SELECT"]:
            raise DatabaseError.no_select(where)
        asked = cut_statement(statements[0].query)
    return where, asked


def _list_tables(connection: Any, database: str) -> dict[str, str]:
    """The tables by the names they go by, as SQL writes them."""
    found: dict[str, str] = {}
    with translated(database):
        tables = connection.sql(TABLES).fetchall()
    for catalog, schema, name, is_current, is_visible in tables:
        is_first = is_visible and name not in found
        own = quote_name(name) if is_first else quote_name(catalog, schema, name)
        if is_first:
            found[name] = own
        place = schema if is_current else catalog if schema == "main" else f"{catalog}.{schema}"
        found.setdefault(f"{place}.{name}", own)
    return found


def from_relation(
    relation: Any,
    where: str = "the relation",
    follow: Callable[[Callable[[], Iterator[Any]]], Iterator[Any]] | None = None,
) -> Stream:
    """A DuckDB relation, which runs anew for each pass; ``follow`` starts it and goes along."""
    import pyarrow as pa

    def read(columns: Sequence[str] | None) -> Iterator[Any]:
        kinds = dict(zip(relation.columns, map(str, relation.types), strict=True))
        shown = [_guard_column(name, kinds.get(name, "")) for name in columns or relation.columns]
        asked = relation.project(", ".join(shown))

        def start() -> Iterator[Any]:
            return iter(pa.RecordBatchReader.from_stream(asked))

        try:
            return follow(start) if follow else start()
        except RuntimeError as error:
            if "Query interrupted" in str(error):  # DuckDB has looked for ^C, and keeps it
                raise KeyboardInterrupt from None
            raise

    with translated(where):
        schema = pa.RecordBatchReader.from_stream(relation.limit(0)).schema
    for name, given in zip(relation.columns, schema.names, strict=True):
        if name != given:  # it has numbered those that it does not tell apart
            times = [other.lower() for other in relation.columns].count(name.lower())
            raise ColumnNameError.repeated(name, times, where)
    return read_arrow(where, read, schema)


def _guard_column(name: str, kind: str) -> str:
    """A column of DuckDB's as it is asked for, so that nothing comes as a value that it is not."""
    quoted = quote_name(name)
    if kind == "UHUGEINT":
        bad, what = f"{quoted} > {2**127 - 1}", "a whole number of 2^127 or more"
    elif kind == "DATE" or kind.startswith("TIMESTAMP"):
        bad, what = f"isinf({quoted})", "a time that is infinite"
    else:
        return quoted
    said = f"'column ' || {_quote_text(quoted)} || ' holds {what}'"
    return f"case when {bad} then error({said}) else {quoted} end as {quoted}"


def _quote_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class File:
    """A database in a file, which nobody writes to while it is open here."""

    shields = True
    endings: tuple[str, ...] = (".wal",)

    def __init__(self, path: str, name: str) -> None:
        self.path, self._name = path, name

    def __reduce__(self) -> tuple[Any, ...]:
        return File, (self.path, self._name)

    @cached_property
    def connection(self) -> Any:
        """A database that a query can neither change, nor leave for other files or variables."""
        try:
            import duckdb
        except ImportError:
            raise PackageError.missing("DuckDB", "duckdb") from None
        try:
            connection = duckdb.connect(self.path, read_only=True, config=SHUT)
            connection.execute("set enable_external_access = false")
        except duckdb.Error as error:
            raise DatabaseError.unopened(self._name, str(error).partition("\n")[0]) from None
        return connection

    def read(
        self,
        asked: str,
        where: str,
        span: Span | None,
        snapshot: Snapshot | None,
        known: Schema | None,
    ) -> Stream:
        """The rows of a query, or of a table in a span."""
        del snapshot, known  # it stays as it is, and tells its kinds
        own = self.connection.cursor()
        query = write_select(asked) if asked.startswith('"') else asked
        if span:
            query += f" where {span.condition}"
        return from_relation(own.sql(query), where, partial(_follow, own))

    def measure(self, table: str) -> tuple[Span, int] | None:
        """The numbers of a table's rows, and into how many parts it is cut; None for one."""
        own = self.connection.cursor()
        if "rowid" in (name.lower() for name in own.sql(write_select(table)).columns):
            return None
        try:
            ((first, last),) = own.sql(write_select(table, ENDS)).fetchall()
        except Exception as error:
            if "rowid" in str(error):  # a view
                return None
            raise
        if first is None or last - first < PART_ROWS:
            return None
        return Span("rowid", first, last), -(-(last - first + 1) // PART_ROWS)

    def take_snapshot(self) -> File:
        """The state of now, in which it stays."""
        return self

    @cached_property
    def state(self) -> FileState:
        """The state that it is in."""
        return FileState.of(self.path, self.endings)


def _follow(connection: Any, begin: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """What something gives that is begun in a thread of its own, and can be left at any time."""

    def start() -> Generator[Any]:
        yield from begin()

    found = read_ahead(start, connection.interrupt)
    return (batch for batch in found if batch is not None)
