"""A PostgreSQL server, by its URL or by a connection of ADBC's, read and never written to.

What is read at a time is read in one transaction, which sees one state of the database.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import unquote, unquote_plus

from ..errors import DatabaseError, SteepestError

SCHEMES = ("postgresql", "postgres")

BATCH_BYTES = 1 << 22
LOCK_SECONDS = 10
"""So long a lock is waited for, where nothing else is said."""

LEFT_SECONDS = 1
"""So often the server looks whether anybody still waits for an answer."""

MANNERS = """
select set_config(name, own, false) from pg_catalog.pg_settings join (values
('lock_timeout', '0', '{locked}s'), ('client_connection_check_interval', '0', '{left}s'),
('client_min_messages', 'notice', 'error')) as ours (name, usual, own) using (name)
where setting = usual
"""
"""What a session of ours keeps to, unless it is told otherwise: it waits, and says, no more."""

DEFAULTS = {
    "connect_timeout": ("10", "PGCONNECT_TIMEOUT"),
    "keepalives_idle": ("30", ""),
    "keepalives_interval": ("10", ""),
    "keepalives_count": ("3", ""),
    "application_name": ("steepest", "PGAPPNAME"),
    "client_encoding": ("UTF8", ""),
}
"""What libpq is told, unless the URL or the environment tells it something else."""

OURS = ("table", "query", "client_encoding")
"""Options that libpq is not told as the URL has them: Arrow's text is UTF-8, whatever is said."""

BEGIN = "begin transaction isolation level repeatable read, read only"
SAVEPOINT = "steepest_reads"

NOISE = (
    r"^[A-Z_]+: ",
    r"\[libpq\] ",
    r"^.*?(ERROR|FATAL):\s+",
    r"^Failed to connect: ",
    r"^PQ\w+\(\) failed: ",
    r"\. SQLSTATE: \w+$",
)
"""What stands around the words of the server in a message of the driver's."""

LOST = re.compile(
    "closed the connection|terminating connection|connection to client lost|shutting down|"
    "Connection reset|no connection to the server|could not receive data|SSL SYSCALL|"
    "invalid snapshot"
)
CROWDED = re.compile("[Tt]oo many c(onnections|lients)|connection slots")


class Session:
    """A transaction that only reads."""

    def __init__(self, connection: Any, *, ends: bool) -> None:
        self._connection = connection
        self._ends = ends
        self._reading: Any = None

    def tell(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a short answer."""
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def explain(self, query: str) -> list[str]:
        """The lines of the plan of a query, which is not run."""
        plain = {"adbc.postgresql.use_copy": "false"}
        with self._connection.cursor(adbc_stmt_kwargs=plain) as cursor:
            cursor.execute(f"explain {query}")
            return [str(line) for (line,) in cursor.fetchall()]

    def describe(self, query: str) -> Any:
        """The Arrow schema of an answer."""
        with self._connection.cursor() as cursor:
            return cursor.adbc_execute_schema(query)

    def read(self, query: str) -> Iterator[Any]:
        """The rows of an answer as Arrow record batches, as the server sends them."""
        hint = {"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)}
        with self._connection.cursor(adbc_stmt_kwargs=hint) as cursor:
            self._reading = cursor
            try:
                cursor.execute(query)
                yield from cursor.fetch_record_batch()
            finally:
                self._reading = None

    def cancel(self) -> None:
        """Make the server give up what it answers, and with it the transaction; from any thread.

        A transaction of the user's is not given up, and the rest of the answer is passed over.
        """
        if self._ends and self._reading is not None:
            self._reading.adbc_cancel()


class Server:
    """A server by its URL, which is not shown: it may hold a password."""

    stays = False

    def __init__(self, url: str) -> None:
        self._url, self._secrets = _complete(url)
        self.name = _name(url)
        self.is_one = "," not in url.partition("://")[2].partition("?")[0].rpartition("@")[2]
        """Whether it is one machine, not one of several."""

    def __repr__(self) -> str:
        return f"Server({self.name})"

    @contextmanager
    def session(self, snapshot: str = "") -> Iterator[Session]:
        """A transaction of its own, of a state that another has exported or of the present."""
        dbapi = _load_driver()
        try:
            connection = dbapi.connect(self._url, autocommit=True)
        except dbapi.Error as error:
            raise self._refuse(self.clean(error), known=bool(snapshot)) from None
        try:
            session = Session(connection, ends=True)
            session.ask(MANNERS.format(locked=LOCK_SECONDS, left=LEFT_SECONDS))
            session.tell(BEGIN)
            if snapshot:
                session.tell(f"set transaction snapshot '{snapshot}'")
            yield session
        finally:
            with suppress(dbapi.Error, RuntimeError):
                connection.close()

    def _refuse(self, reason: str, *, known: bool) -> DatabaseError:
        """What keeps us out; ``known`` says that we were in a moment ago."""
        if CROWDED.search(reason):
            return DatabaseError.crowded(self.name, reason)
        return (DatabaseError.lost if known else DatabaseError.unreached)(self.name, reason)

    def clean(self, error: object) -> str:
        """What an error says, in one sentence, without anything secret."""
        return clean(str(error), self._secrets)


class UserConnection:
    """A connection of the user's, which is left as it was found."""

    stays = True
    name = "the database"
    is_one = False

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @contextmanager
    def session(self, snapshot: str = "") -> Iterator[Session]:
        """A transaction, or a part of the user's own, that only reads."""
        del snapshot
        dbapi = _load_driver()
        own = self._connection.adbc_connection
        is_idle = own.get_option("adbc.postgresql.transaction_status") == "idle"
        alone = own.get_option("adbc.connection.autocommit") == "true" and is_idle
        session = Session(self._connection, ends=alone)
        session.tell(BEGIN if alone else f"savepoint {SAVEPOINT}")
        try:
            if not alone:
                session.tell("set transaction read only")
            session.tell("set local client_encoding = 'UTF8'")
            yield session
        finally:
            with suppress(dbapi.Error):
                session.tell("rollback" if alone else f"rollback to savepoint {SAVEPOINT}")
                if not alone:
                    session.tell(f"release savepoint {SAVEPOINT}")

    def clean(self, error: object) -> str:
        """What an error says, in one sentence."""
        return clean(str(error), ())


def is_connection(source: object) -> bool:
    """Whether something is a connection of ADBC's."""
    kinds = {(kind.__module__, kind.__name__) for kind in type(source).__mro__}
    return ("adbc_driver_manager.dbapi", "Connection") in kinds


def use_connection(connection: Any) -> UserConnection:
    """A connection of ADBC's; DatabaseError for one to something else than PostgreSQL."""
    opened = UserConnection(connection)
    with speaking(opened, opened.name):
        vendor = connection.adbc_get_info().get("vendor_name")
    if vendor != "PostgreSQL":
        raise DatabaseError.vendor(str(vendor))
    return opened


@contextmanager
def speaking(server: Server | UserConnection, where: str) -> Iterator[None]:
    """Errors of the driver's and of Arrow's in the house's own words, without secrets."""
    import pyarrow as pa

    dbapi = _load_driver()
    try:
        yield
    except SteepestError:
        raise
    except (dbapi.Error, pa.ArrowException, OSError) as error:
        reason = server.clean(error)
        if getattr(error, "sqlstate", None) == "55P03" or "lock timeout" in reason:
            raise DatabaseError.locked(where, reason) from None
        if LOST.search(str(error)):
            raise DatabaseError.lost(where, reason) from None
        if "canceling statement" in str(error):
            raise DatabaseError.cancelled(where, reason) from None
        raise DatabaseError.failed(where, reason) from None


def clean(message: str, secrets: tuple[str, ...]) -> str:
    """The first line of a driver's message, without noise and secrets."""
    line = message.strip().partition("\n")[0]
    for pattern in NOISE:
        line = re.sub(pattern, "", line)
    for secret in (*secrets, os.environ.get("PGPASSWORD", "")):
        line = line.replace(secret, "***") if len(secret) > 2 else line
    return " ".join(line.split()) or "It does not say why"


def driver_error() -> type[Exception]:
    """What the driver raises."""
    found: type[Exception] = _load_driver().Error
    return found


def _load_driver() -> Any:
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError:
        raise DatabaseError.no_driver() from None
    # The driver imports polars where it is installed, which makes who waits for a lock deaf to ^C.
    signal.siginterrupt(signal.SIGINT, True)
    return dbapi


# ------------------------------------------------------------------ URLs

HOST = r"([^:\[\],]*|\[[0-9A-Fa-f:.%]*\])(:\d*)?"
HOSTS = re.compile(f"{HOST}(,{HOST})*")


def split_url(url: str) -> tuple[str, str, str, list[str]]:
    """User, hosts, path and options of a URL as they are written.

    DatabaseError for what may be read in two ways, as a password that is not quoted is; nothing
    of it is repeated.
    """
    body, _, query = url.partition("://")[2].partition("?")
    authority, slash, path = body.partition("/")
    user, _, hosts = authority.rpartition("@")
    options = [option for option in query.split("&") if option]
    if re.search(r"%(?![0-9A-Fa-f]{2})", body) or "#" in body:
        raise DatabaseError.unquoted("a '%' or a '#' that is not quoted")
    if "@" in user or "@" in path or not HOSTS.fullmatch(hosts):
        raise DatabaseError.unquoted("an '@', a ':' or a '/' too many")
    if any("=" not in option for option in options):
        raise DatabaseError.unquoted("an option without '='")
    return user, hosts, slash + path, options


def _complete(url: str) -> tuple[str, tuple[str, ...]]:
    """The URL as the driver takes it, and what of it is secret."""
    user, hosts, path, options = split_url(url)
    told = [option for option in options if option.partition("=")[0] not in OURS]
    given = {option.partition("=")[0] for option in told}
    told += [
        f"{name}={value}"
        for name, (value, variable) in DEFAULTS.items()
        if name not in given and not os.environ.get(variable)
    ]
    secret = [user.partition(":")[2]]
    secret += [o.partition("=")[2] for o in options if "password" in o.partition("=")[0]]
    secrets = {form for text in secret for form in (text, unquote(text), unquote_plus(text))}
    at = f"{user}@" if user else ""
    complete = f"postgresql://{at}{hosts}{path}?{'&'.join(told)}"
    return complete, tuple(sorted(filter(None, secrets), key=len, reverse=True))


def _name(url: str) -> str:
    """What messages call the database: its name and its host, not who asks."""
    _, hosts, path, options = split_url(url)
    named = dict(option.partition("=")[::2] for option in options)
    database = unquote(path[1:]) or unquote(named.get("dbname", "")) or "the database"
    host = hosts or unquote(named.get("host", "")) or unquote(named.get("hostaddr", ""))
    database = database if database == "the database" else f"'{database}'"
    return f"{database} on '{host}'" if host else database
