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
    database: str, table: str | None, query: str | None, list_tables: Callable[[], Sequence[str]]
) -> str:
    """What is read, in words; DatabaseError unless it is one table that there is, or a query."""
    if query is not None:
        check_one(table, query)
        return "the query" if database == HERE else f"the query of {database}"
    known = list_tables()
    if table is None:
        raise DatabaseError.nothing_asked(database, known)
    if table not in known:
        raise DatabaseError.no_table(table, database, known)
    return f"table '{table}' of {database}"


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


def quote_name(name: str) -> str:
    """A name of a column or table as SQL writes it, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'
