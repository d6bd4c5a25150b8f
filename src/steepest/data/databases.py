"""Databases by a URL or a connection: which is whose."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, unquote_plus, urlsplit

from ..errors import DatabaseError, SourceError, SourceNotFoundError
from . import duckdb, postgresql, server, sqlite
from .selection import check_one
from .stores import SCHEMES, WEB, scheme_of
from .table import Source

FILES = {"duckdb": duckdb.open_file, "sqlite": sqlite.open_file}
"""Databases that are files, by the scheme of their URLs."""

ASKED = ("table", "query")
READ_ONLY = ("ro", "READ_ONLY", "read_only")
"""What options of others may be set to that stand for what is done anyway."""

NEARLY = re.compile(
    r"(jdbc|odbc|postgres(ql)?|sqlite|duckdb)(\+\w+)?:|.*password=", re.IGNORECASE | re.DOTALL
)
"""What is no URL, nor the name of a file, but was meant to be a database, and may hold a secret."""


def is_url(source: object) -> bool:
    """Whether something is the URL of a database, or of nothing that is known."""
    if not isinstance(source, str):
        return False
    if scheme := scheme_of(source):
        return scheme not in (*SCHEMES, *WEB, "file")
    return bool(NEARLY.match(source)) and not os.path.lexists(source.partition("\0")[0])


def is_connection(source: object) -> bool:
    """Whether something is a connection to a database."""
    return any(of.is_connection(source) for of in (sqlite, duckdb, server))


def refuse_foreign(source: object) -> None:
    """DatabaseError for a connection to a database, by another library than those known here."""
    kind = type(source)
    package = kind.__module__.partition(".")[0]
    if package == "sqlalchemy" or all(hasattr(kind, name) for name in ("cursor", "commit")):
        raise DatabaseError.foreign(package)


def open_url(url: str, table: str | None, query: str | None) -> Source:
    """A table or a query of the database at a URL: ``sqlite:///homes.db?table=homes``.

    DatabaseError for another scheme, SourceNotFoundError where there is no such file.
    """
    scheme = scheme_of(url).partition("+")[0]  # others name their driver behind it
    if scheme in server.SCHEMES:
        pairs = (option.partition("=") for option in server.split_url(url)[3])
        asked = {name: unquote_plus(value) for name, _, value in pairs}
    elif scheme in FILES and (found := urlsplit(url)).netloc == "" and len(found.path) > 1:
        asked = {name: values[0] for name, values in parse_qs(found.query).items()}
        unknown = [name for name in asked if name not in ASKED and asked[name] not in READ_ONLY]
        if unknown:
            raise DatabaseError.options(scheme, unknown)
    elif scheme and scheme not in FILES:
        raise DatabaseError.scheme(scheme)
    else:
        raise DatabaseError.no_url()
    table = asked.get("table") if table is None else table
    query = asked.get("query") if query is None else query
    check_one(table, query)
    if scheme in server.SCHEMES:
        return postgresql.open_database(server.Server(url), table, query)
    path = unquote(urlsplit(url).path)[1:]  # as others have it: three slashes, then the path
    if not Path(path).exists():
        raise SourceNotFoundError.of(path, False, [])
    if not Path(path).is_file():
        raise SourceError.not_regular(path)
    return FILES[scheme](path, table, query)


def open_connection(connection: Any, table: str | None, query: str | None) -> Source:
    """A table or a query of a database that is open."""
    check_one(table, query)
    if server.is_connection(connection):
        return postgresql.open_database(server.use_connection(connection), table, query)
    if sqlite.is_connection(connection):
        return sqlite.open_connection(connection, table, query)
    return duckdb.open_connection(connection, table, query)
