"""Tables and queries of SQLite, by a connection or a URL, read and never written to."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote
from weakref import finalize

from ..errors import DatabaseError, SourceError, check_unique
from .ahead import read_ahead
from .cells import gather_cells
from .portions import DatabaseSource, Snapshot, Span
from .selection import HERE, name_asked, quote_name, write_select
from .states import FileState
from .streams import Stream, translated
from .table import Schema, Source

if TYPE_CHECKING:
    import sqlite3

SELECT = re.compile(
    r"(\s|--[^\n]*(\n|$)|/\*.*?\*/)*(select|with|values)\b", re.IGNORECASE | re.DOTALL
)
"""How a statement begins that may give rows; past comments."""

NOT_UTF8 = re.compile(r"Could not decode to UTF-8 column '(.*?)' with text", re.DOTALL)

BUSY_SECONDS = 5.0
"""So long another's lock is waited for."""

FETCHED_ROWS = 10_000
"""Rows that are taken at a time."""

PART_BYTES = 1 << 25
"""Bytes of the database for each part of a table, about."""

HELD_CONNECTIONS = 4
"""So many see the state of a snapshot; more would wait for each other in Python."""

TRIES = 10
"""So often a state is looked for that nobody writes to meanwhile."""

TABLES = "select name from {}.sqlite_master where type in ('table', 'view') order by 1"
KIND = "select type, sql from sqlite_master where name = ?"
ROW_NUMBERS = ("rowid", "_rowid_", "oid")
"""What the number of a row is called, unless a column of the table has the name."""

Connect: TypeAlias = "Callable[[], AbstractContextManager[sqlite3.Connection]]"


def is_connection(source: object) -> bool:
    """Whether something is a connection of SQLite's."""
    kinds = {(kind.__module__, kind.__name__) for kind in type(source).__mro__}
    return ("sqlite3", "Connection") in kinds


def open_file(path: str, table: str | None, query: str | None) -> Source:
    """A table or a query of the database in a file."""
    database = File(str(Path(path).absolute()))
    where, asked = _find_asked(database.connect, f"'{path}'", table, query)
    return DatabaseSource(database, where, asked, is_table=query is None)


def open_connection(connection: Any, table: str | None, query: str | None) -> Source:
    """A table or a query of a database that is open."""

    def connect() -> AbstractContextManager[sqlite3.Connection]:
        return nullcontext(connection)

    where, asked = _find_asked(connect, HERE, table, query)

    def start(columns: Sequence[str] | None) -> Iterator[Source]:
        with connect() as own, _reading(own):  # it may not leave its thread
            yield from _read(own, _write_query(asked, columns, None, query is None), where)

    return Stream(where, start)


def _find_asked(
    connect: Connect, database: str, table: str | None, query: str | None
) -> tuple[str, str]:
    """What is read, in words and in SQL."""

    def list_tables() -> dict[str, str]:
        with translated(database), connect() as connection, _reading(connection):
            return _list_tables(connection)

    where, asked = name_asked(database, table, query, list_tables)
    if query is not None and not SELECT.match(query):
        raise DatabaseError.no_select(where)
    return where, asked


def _list_tables(connection: sqlite3.Connection) -> dict[str, str]:
    """The tables by the names they go by, as SQL writes them."""
    found: dict[str, str] = {}
    places = [place for _, place, _ in _ask(connection, "pragma database_list")]
    for place in sorted(places, key="temp".__ne__):  # as SQLite looks for a bare name
        for (name,) in _ask(connection, TABLES.format(quote_name(place))).fetchall():
            own = quote_name(place, name) if name in found else quote_name(name)
            found.setdefault(name, own)
            found[f"{place}.{name}"] = own
    return found


def _write_query(
    asked: str, columns: Sequence[str] | None, span: Span | None, is_table: bool
) -> str:
    if not is_table:
        return asked
    found = write_select(asked, [quote_name(name) for name in columns or ()])
    return f"{found} where {span.condition} order by {span.name}" if span else found


@dataclass(frozen=True)
class File:
    """A database in a file."""

    path: str

    endings = ("-journal", "-wal")

    def connect(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection that only reads."""
        return closing(_open(self.path))

    def read(
        self,
        asked: str,
        where: str,
        span: Span | None,
        snapshot: Snapshot | None,
        known: Schema | None,
    ) -> Stream:
        """The rows of a query, or of a table in a span."""
        is_table = not SELECT.match(asked)  # a quoted name never does
        lent = snapshot.lend if isinstance(snapshot, Transactions) else self.connect

        def start(columns: Sequence[str] | None) -> Iterator[Source]:
            query = _write_query(asked, columns, span, is_table)
            running: list[sqlite3.Connection] = []

            def begin() -> Generator[Source]:
                with translated(where), lent() as connection, _reading(connection):
                    running.append(connection)
                    yield from _read(connection, query, where)

            def cancel() -> None:
                for connection in running:
                    connection.interrupt()

            return (batch for batch in read_ahead(begin, cancel) if batch is not None)

        return Stream(where, start, known, by_values=True)

    def measure(self, table: str) -> tuple[Span, int] | None:
        """The numbers of a table's rows, and into how many parts it is cut; None for one."""
        count = -(-Path(self.path).stat().st_size // PART_BYTES)
        with translated(f"'{self.path}'"), self.connect() as connection:
            kinds = _ask(connection, KIND, [table[1:-1].replace('""', '"')]).fetchall()
            if count < 2 or not kinds or kinds[0][0] != "table" or _is_virtual(kinds[0][1]):
                return None
            taken = {str(row[1]).lower() for row in _ask(connection, f"pragma table_info({table})")}
            name = next((name for name in ROW_NUMBERS if name not in taken), None)
            if name is None:
                return None
            try:
                first, last = (
                    _ask(connection, write_select(table, [f"{end}({name})"])).fetchone()[0]
                    for end in ("min", "max")
                )
            except Exception as error:
                if f"no such column: {name}" in str(error):  # a table WITHOUT ROWID
                    return None
                raise
        return (Span(name, first, last), count) if first is not None else None

    def take_snapshot(self) -> Transactions | None:
        """The state of now; None where it does not come to rest."""
        for _ in range(TRIES):
            before = FileState.of(self.path, self.endings)
            with translated(f"'{self.path}'"):
                found = Transactions(self, before)
            if FileState.of(self.path, self.endings) == before:
                return found
        return None


class Transactions:
    """Connections that read one state of a database, and are lent to whoever reads a part."""

    def __init__(self, file: File, state: FileState) -> None:
        self.state, self._file = state, file
        self._free: Queue[sqlite3.Connection] = Queue()
        opened: list[sqlite3.Connection] = []
        finalize(self, _close_all, opened)
        for _ in range(HELD_CONNECTIONS):
            opened.append(_open(file.path))
            _begin(opened[-1])
            self._free.put(opened[-1])
        ((mode,),) = _ask(opened[0], "pragma journal_mode").fetchall()
        self.shields = mode != "wal"

    @contextmanager
    def lend(self) -> Iterator[sqlite3.Connection]:
        """One of them for a while; where none is left, another that sees the same state."""
        try:
            connection = self._free.get(timeout=BUSY_SECONDS)
        except Empty:
            with self._file.connect() as more:
                _begin(more)
                now = FileState.of(self._file.path, self._file.endings)
                if now != self.state:
                    path = self._file.path
                    raise SourceError.altered(path, self.state.size, now.size) from None
                yield more
            return
        try:
            yield connection
        finally:
            self._free.put(connection)


def _open(path: str) -> sqlite3.Connection:
    import sqlite3

    place = f"file:{quote(path)}?mode=ro"
    return sqlite3.connect(
        place, BUSY_SECONDS, uri=True, check_same_thread=False, isolation_level=None
    )


def _begin(connection: sqlite3.Connection) -> None:
    """Begin a transaction, which sees the state of now until its end."""
    connection.execute("begin")
    connection.execute("select 1 from sqlite_master limit 1").fetchall()


def _close_all(connections: Iterable[sqlite3.Connection]) -> None:
    for connection in connections:
        with suppress(Exception):
            connection.close()


def _is_virtual(written: str) -> bool:
    return written.lstrip().lower().startswith("create virtual")


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
    check_unique(names, where)
    first = 1
    while batch := _fetch(rows, connection, asked, where):
        columns = dict(zip(names, zip(*batch, strict=True), strict=True))
        yield from gather_cells(columns, where, first)
        first += len(batch)


def _fetch(
    rows: sqlite3.Cursor, connection: sqlite3.Connection, asked: str, where: str
) -> list[Any]:
    """The next rows; SourceError with the row for a text that is not UTF-8."""
    try:
        return rows.fetchmany(FETCHED_ROWS)
    except Exception as error:
        found = NOT_UTF8.search(str(error))
        if found is None:
            raise
        again = _ask(connection, asked)
        row = next(row for row in count(1) if not _can_be_fetched(again))
        reason = f"Column '{found[1]}' is not UTF-8 in row {row:,}"
        raise SourceError.failed(where, reason) from None


def _can_be_fetched(rows: sqlite3.Cursor) -> bool:
    try:
        return rows.fetchone() is not None
    except Exception:
        return False


def _ask(connection: sqlite3.Connection, query: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
    cursor = connection.cursor()
    cursor.row_factory = None  # plain rows, whatever the connection's own are
    return cursor.execute(query, values)


@contextmanager
def _reading(connection: sqlite3.Connection) -> Iterator[None]:
    """A connection that refuses to write and gives text as text, until afterwards."""
    ((before,),) = _ask(connection, "pragma query_only").fetchall()
    factory = connection.text_factory
    if factory in (bytes, bytearray):
        connection.text_factory = str
    connection.execute("pragma query_only = on")
    try:
        yield
    finally:
        connection.text_factory = factory
        with suppress(Exception):  # it may be closed by now
            connection.execute(f"pragma query_only = {int(before)}")
