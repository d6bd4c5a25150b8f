"""Whether rows of PostgreSQL are those of before.

A snapshot says which transactions are visible.  Where a later one is the same, so are all rows.
Where it is another, rows of a plain table are the same if none was written by a transaction that
the first snapshot did not see as finished, and none of them is gone: a row is never altered in
its place, but written anew.  For anything but a plain table nothing tells, and it is refused.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import Any

from ..errors import CheckpointError
from .selection import write_select
from .server import Server, Session, speaking

SERVER = """
select pg_is_in_recovery() as standby,
(select system_identifier::text from pg_control_system()) as system,
current_database()::text as database, current_user::text as role,
pg_postmaster_start_time()::text || ' ' || coalesce((select string_agg(pid::text, ' ' order by pid)
from pg_stat_activity where datid is null and usesysid is null), '') as run,
concat_ws(' ', current_setting('lc_monetary'), current_setting('TimeZone')) as settings,
pg_current_snapshot()::text as snapshot
"""
"""Which server it is and since when it runs, and what it would give."""

TABLE = """
select c.oid::int8 || '/' || c.relfilenode::int8 as file,
md5(concat_ws('|',
(select string_agg(concat_ws(' ', attnum, attname, atttypid, a.xmin), ';' order by attnum)
from pg_attribute a where attrelid = c.oid and attnum > 0),
(select string_agg(concat_ws(' ', adnum, xmin), ';' order by adnum) from pg_attrdef
where adrelid = c.oid),
(select string_agg(concat_ws(' ', oid, enumlabel), ';' order by oid) from pg_enum))) as columns,
c.relkind = 'r' and not c.relrowsecurity
and not exists (select from pg_inherits where inhparent = c.oid) as plain
from pg_class c where c.oid = '{table}'::regclass
"""
"""Where a table lies, what its columns are, and whether it is nothing but its own rows."""

ELSEWHERE = re.compile(r"\s*(->\s+)?(Async )?Foreign ")
"""How a line of a plan begins that is about rows that are not the server's own."""

OLDEST = 2**31
"""Transactions further apart than this cannot be told from each other by their numbers."""

FLUSHED = "select '{noted}'::pg_lsn <= pg_current_wal_flush_lsn()"
FLUSH_TRIES, FLUSH_SECONDS = 6, 0.2


@dataclass(frozen=True)
class Revision:
    """The state that a table or a query was read in."""

    kept: str
    server: Server = field(compare=False, repr=False)
    asked: str = field(default="", compare=False, repr=False)
    where: str = field(default="", compare=False, repr=False)
    snapshot: str = field(default="", compare=False, repr=False)
    """Under which name the server keeps this state, if it does."""

    @classmethod
    def of(
        cls, server: Server, asked: str, where: str, *, is_table: bool, snapshot: str
    ) -> Revision:
        """The state of a snapshot that the server keeps, or of now.

        CheckpointError for rows that are not the server's own.
        """
        with speaking(server, where), server.session(snapshot) as session:
            told = _ask_row(session, SERVER)
            if told.pop("standby"):
                raise CheckpointError.elsewhere(where, "the server is a standby of another")
            if is_table:
                told |= _ask_row(session, TABLE.format(table=asked.replace("'", "''")))
            if is_table and told.pop("plain"):
                if snapshot:  # else what is read may be a later state than this
                    ((told["count"],),) = session.ask(write_select(asked, ["count(*)"]))
                    told["flushed"] = _is_flushed(session)
            elif any(map(ELSEWHERE.match, session.explain(write_select(asked)))):
                raise CheckpointError.elsewhere(where, "it reads from elsewhere")
        return cls(json.dumps(told), server, asked, where, snapshot)

    def compare(self, then: str) -> str:
        """What has changed since a state of which this was kept; empty where no row has."""
        before, now = json.loads(then), json.loads(self.kept)
        for name, words in (
            ("system", "it is on another server"),
            ("database", "it is in another database"),
            ("role", "it is read by somebody else"),
            ("settings", "lc_monetary or TimeZone is another"),
            ("file", "it was made or written anew"),
            ("columns", "its columns, or the types they have, were altered"),
        ):
            if before.get(name) != now.get(name):
                return words
        same_run = before["run"] == now["run"]
        if same_run and before["snapshot"] == now["snapshot"]:
            return ""
        if "count" not in before or "count" not in now:
            what = "the server was written to" if same_run else "the server was started anew"
            return f"{what} since, and nothing tells whether that concerns it"
        if not (same_run or before["flushed"]):
            return "the server was started anew, and may have lost rows"
        if before["count"] != now["count"]:
            return f"it had {before['count']:,} rows, and has {now['count']:,}"
        return self._find_new(int(before["snapshot"].partition(":")[0]))

    def _find_new(self, oldest: int) -> str:
        """In words, how many rows come from this transaction or a later one; empty if none."""
        with speaking(self.server, self.where), self.server.session(self.snapshot) as session:
            ((newest,),) = session.ask("select pg_snapshot_xmax(pg_current_snapshot())::text::int8")
            if not 0 <= newest - oldest < OLDEST:
                return "it cannot be told from what it was, so many transactions ago"
            new = f"count(*) filter (where age(xmin) <= age('{oldest % 2**32}'::xid))"
            ((count,),) = session.ask(write_select(self.asked, [new]))
        return f"{count:,} of its rows may have been written since" if count else ""


def _ask_row(session: Session, query: str) -> dict[str, Any]:
    names = session.describe(query).names
    (row,) = session.ask(query)
    return dict(zip(names, row, strict=True))


def _is_flushed(session: Session) -> bool:
    """Whether all that is visible is on the server's disk, so that no crash takes it back."""
    ((noted,),) = session.ask("select pg_current_wal_insert_lsn()::text")
    for _ in range(FLUSH_TRIES):
        if session.ask(FLUSHED.format(noted=noted)) == [(True,)]:
            return True
        time.sleep(FLUSH_SECONDS)
    return False
