"""Tables and queries of PostgreSQL, by ADBC: as the server sends them, never whole.

A table that is large is read in parts, by the blocks that its rows lie in.  All parts see one
state of the table, and a lock that hinders nobody from writing keeps its rows where they are
until the last part is let go.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any
from weakref import finalize

from ..errors import DatabaseError
from . import memory
from .ahead import PARTING_SECONDS, read_ahead, work_aside
from .arrow import ArrowBatch
from .numerals import read_numerals
from .revisions import Revision
from .selection import cut_statement, find_table, quote_name, write_select
from .server import Server, Session, UserConnection, driver_error, speaking
from .servertypes import Given, describe_columns, refuse_endless
from .table import Batch, Kind, Reads, Schema

PART_BLOCKS = 4_096
"""Blocks of a part, of 8 kB as a rule: 32 MB."""

FIRST_TO_SPLIT = 140_000
"""From this version on a range of blocks is found without reading the others."""

TABLES = """
select n.nspname, c.relname, c.relkind::text, pg_table_is_visible(c.oid), c.reltuples::float8
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'v', 'm', 'f', 'p') and n.nspname !~ '^(pg_catalog|pg_toast.*)$'
and n.nspname <> 'information_schema' order by 1, 2
"""


@dataclass(frozen=True)
class Rows:
    """The rows of a table or a query as a source, or those in some blocks as a part."""

    server: Server | UserConnection
    where: str
    asked: str
    """What stands behind ``from``."""
    known: tuple[Given, ...]
    splits: bool = False
    estimate: float = 0.0
    """How many rows there are, about; 0 where nobody knows."""
    blocks: tuple[int, int | None] | None = None
    snapshot: Snapshot | Remembered | None = field(default=None, repr=False)

    first_row = 1

    @property
    def whole(self) -> str:
        """The table or query that it is a part of, in words for messages."""
        return self.where if self.blocks is None else self.where.partition(" of ")[2]

    @property
    def identity(self) -> str:
        """What is read; in which state, its state tells.  Empty for a connection."""
        return "" if self.stays else repr((self.server.name, self.asked, self.known, self.blocks))

    @property
    def state(self) -> Revision:
        """The state of the database that it is read in."""
        assert isinstance(self.server, Server)
        snapshot = self.snapshot.id if self.snapshot else ""
        is_table = not self.asked.startswith("(")
        look = partial(
            Revision.of, self.server, self.asked, self.whole, is_table=is_table, snapshot=snapshot
        )
        return work_aside(look)

    @property
    def stays(self) -> bool:
        """Whether it is read by the thread that asks for it, and cannot be sent to a process."""
        return self.server.stays

    @property
    def size(self) -> float:
        return self.estimate

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        del wanted
        return Schema(tuple(given.column for given in self.known), self.where)

    def parts(self) -> Sequence[Rows]:
        if not self.splits:
            return [self]
        held = work_aside(self._keep)
        starts = range(0, held.blocks, PART_BLOCKS)
        if len(starts) < 2:
            return [self]
        share = self.estimate * PART_BLOCKS / held.blocks
        return [
            replace(
                self,
                where=f"blocks {start:,} to {min(start + PART_BLOCKS, held.blocks) - 1:,} of "
                f"{self.where}",
                estimate=min(share, self.estimate - i * share),
                blocks=(start, None if start == starts[-1] else start + PART_BLOCKS),
                snapshot=held,
            )
            for i, start in enumerate(starts)
        ]

    def _keep(self) -> Snapshot:
        assert isinstance(self.server, Server)
        with speaking(self.server, self.where):
            return Snapshot(self.server, self.asked)

    def batches(self, reads: Reads) -> Iterator[tuple[Batch, float]]:
        names = list(reads.names)
        asked = [self._given[name] for name in names]
        query, row, done = self._write_query(asked), self.first_row, 0.0
        running: list[Session] = []

        def cancel() -> None:
            for session in running:
                session.cancel()

        def start() -> Generator[Any]:
            snapshot = self.snapshot.id if self.snapshot else ""
            with (
                speaking(self.server, self.where),
                self.server.session(snapshot) as session,
            ):
                running.append(session)
                yield from session.read(query)

        patience = None if self.stays else PARTING_SECONDS
        for rows in read_ahead(start, cancel, patience):
            if rows is None:  # so that a scan that was stopped sees it
                yield ArrowBatch(_no_rows(names)), done
                continue
            table = memory.Columns(self._convert(rows, asked, row), self.where)
            row += rows.num_rows
            done = min((row - self.first_row) / self.estimate, 1.0) if self.estimate else 0.0
            for batch, _ in table.batches(reads):
                yield batch, done

    @cached_property
    def _given(self) -> dict[str, Given]:
        return {given.column.name: given for given in self.known}

    def _write_query(self, asked: Sequence[Given]) -> str:
        shown = [given.expression for given in asked] or ["true as counted"]
        query = write_select(self.asked, shown)
        if self.blocks is None:
            return query
        first, end = self.blocks
        until = "" if end is None else f" and ctid < '({end},0)'::tid"
        return f"{query} where ctid >= '({first},0)'::tid{until}"

    def _convert(self, rows: Any, asked: Sequence[Given], first_row: int) -> dict[str, Any]:
        """The columns of a batch, in the types that they are known by."""
        if not asked:
            return {"": rows.column(0)}
        found = {}
        for given, array in zip(asked, rows.columns, strict=True):
            name = given.column.name
            if str(array.type) != given.type_name:
                raise DatabaseError.retyped(name, self.where)
            if given.is_numeric:
                texts = getattr(array, "storage", array)
                array = read_numerals(texts, name, self.where, first_row)  # noqa: PLW2901
            elif given.column.kind is Kind.TIME:
                refuse_endless(array, given.column, self.where, first_row)
            found[name] = array
        return found


class Snapshot:
    """A state of a table, kept in the server until nobody needs it; elsewhere only its name."""

    def __init__(self, server: Server, table: str) -> None:
        with ExitStack() as stack:
            session = stack.enter_context(server.session())
            # Nobody may move rows to other blocks; reading and writing go on.
            session.tell(f"lock table {table} in access share mode")
            session.tell("set local idle_in_transaction_session_timeout = 0")
            quoted = table.replace("'", "''")
            ((name, size),) = session.ask(
                "select pg_export_snapshot(), pg_relation_size('"
                f"{quoted}'::regclass) / current_setting('block_size')::int8"
            )
            self.id, self.blocks = str(name), int(size)
            self._close = finalize(self, stack.pop_all().close)

    def __reduce__(self) -> tuple[Any, ...]:
        return Remembered, (self.id, self.blocks)


@dataclass(frozen=True)
class Remembered:
    """A state that another process keeps."""

    id: str
    blocks: int


def open_database(server: Server | UserConnection, table: str | None, query: str | None) -> Rows:
    """A table, a view or a query of a database.

    DatabaseError where there is no such table, or the query does not give rows.
    """
    where = f"the query of {server.name}" if table is None else f"table '{table}' of {server.name}"
    if server.name == "the database" and table is None:
        where = "the query"

    def look() -> Rows:
        named = server.name if query is None else where
        with speaking(server, named), server.session() as session:
            if query is None:
                return _open_table(session, server, table, where)
            asked = _wrap(session, query, where)
            return Rows(server, where, asked, describe_columns(session, asked, where))

    return work_aside(look)


def list_tables(session: Session) -> dict[str, tuple[str, str, float]]:
    """The tables by the names they go by: as SQL writes them, what they are, about their rows."""
    found = {}
    for space, name, kind, is_visible, rows in session.ask(TABLES):
        known = quote_name(space, name), str(kind), float(rows)
        if is_visible:
            found[name] = known
        found.setdefault(f"{space}.{name}", known)
    return found


def _open_table(
    session: Session, server: Server | UserConnection, table: str | None, where: str
) -> Rows:
    known = list_tables(session)
    find_table(table, server.name, {name: asked for name, (asked, *_) in known.items()})
    asked, kind, rows = known[str(table)]
    ((version,),) = session.ask("select current_setting('server_version_num')::int4")
    splits = kind == "r" and server.is_one and version >= FIRST_TO_SPLIT
    return Rows(
        server, where, asked, describe_columns(session, asked, where), splits, max(rows, 0.0)
    )


def _wrap(session: Session, query: str, where: str) -> str:
    """A query as what a table may stand for, so that it can be nothing that writes."""
    text = cut_statement(query)
    wrapped = f"(\n{text}\n) as asked"
    try:
        session.describe(query)  # what is wrong with it is told as it stands
    except driver_error() as error:
        if "multiple commands" in str(error) or not text.strip():
            raise DatabaseError.no_select(where) from None
        raise
    try:
        session.describe(write_select(wrapped))
    except driver_error():
        raise DatabaseError.no_select(where) from None
    return wrapped


def _no_rows(names: Sequence[str]) -> Any:
    import pyarrow as pa

    return pa.record_batch([pa.array([], pa.null())] * len(names), names=list(names))
