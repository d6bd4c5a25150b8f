"""What is asked of a database: a table or a query, in words and in SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ..errors import DatabaseError

HERE = "the database"
"""What messages call one that is open, and has no name."""


PIECE = re.compile(
    r"[eE]'(?:[^'\\]|\\.|'')*'|'[^']*'|\"[^\"]*\"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/|;",
    re.DOTALL,
)
"""What holds semicolons that end no statement; or one that does."""


def name_asked(
    database: str, table: str | None, query: str | None, list_tables: Callable[[], dict[str, str]]
) -> tuple[str, str]:
    """What is read, in words and in SQL; DatabaseError unless it is one table or a query."""
    if query is not None:
        check_one(table, query)
        return "the query" if database == HERE else f"the query of {database}", query
    return f"table '{table}' of {database}", find_table(table, database, list_tables())


def find_table(table: str | None, database: str, known: dict[str, str]) -> str:
    """A table as SQL writes it, of those by their names; of several names the first is shown.

    DatabaseError unless there is one of that name.
    """
    shown = sorted({asked: name for name, asked in reversed(known.items())}.values())
    if table is None:
        raise DatabaseError.nothing_asked(database, shown)
    if table not in known:
        raise DatabaseError.no_table(table, database, shown)
    return known[table]


def check_one(table: str | None, query: str | None) -> None:
    """DatabaseError where both a table and a query are asked for."""
    if table is not None and query is not None:
        raise DatabaseError.both()


def write_select(source: str, shown: Sequence[str] = ()) -> str:
    """What is shown of a source, both as SQL writes them; all of it where nothing is said."""
    return " ".join(("select", ", ".join(shown) or "*", "from", source))


def cut_statement(query: str) -> str:
    """A query of PostgreSQL's or DuckDB's without the semicolon that ends it, and what follows.

    >>> cut_statement("select ';' as x; -- a semicolon")
    "select ';' as x"
    """
    ends = [piece.start() for piece in PIECE.finditer(query) if piece[0] == ";"]
    return query[: ends[0]] if ends else query


def quote_name(*names: str) -> str:
    """A name of a column or table as SQL writes it, whatever it holds, behind those it is in."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)
