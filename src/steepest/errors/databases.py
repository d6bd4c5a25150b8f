"""Messages about databases.  None holds a URL, which may hold a password."""

from __future__ import annotations

from collections.abc import Sequence

from .tables import SourceError
from .words import listed, nearest, sentence


class DatabaseError(SourceError):
    """A database that cannot be asked, or not for this."""

    @classmethod
    def scheme(cls, scheme: str) -> DatabaseError:
        return cls(
            f"a URL that begins with {scheme}:// is not read.",
            "Databases of SQLite, DuckDB and PostgreSQL are, and objects of s3://.",
            "read it in batches yourself, and hand over the reader or the iterator.",
        )

    @classmethod
    def no_url(cls) -> DatabaseError:
        return cls(
            "what was meant to be a database is no URL of one.",
            "It is not repeated here: it may hold a password.",
            "write it as one of sqlite:///path, duckdb:///path and postgresql://user@host/db",
        )

    @classmethod
    def options(cls, scheme: str, names: Sequence[str]) -> DatabaseError:
        return cls(
            f"the URL of a database has options that {scheme}:// has not: {listed(names)}.",
            "It may have a table or a query; the file is only read.",
            "leave the others out, or hand over a connection that was made with them.",
        )

    @classmethod
    def among_files(cls) -> DatabaseError:
        return cls(
            "a database stands among several sources.",
            "It is read on its own.",
            "scan each by itself, and add the moments.",
        )

    @classmethod
    def unopened(cls, path: str, reason: str) -> DatabaseError:
        return cls(
            f"the database '{path}' cannot be opened.",
            sentence(reason),
            "check that it is whole, and that nobody writes to it; or hand over your connection.",
        )

    @classmethod
    def unquoted(cls, what: str) -> DatabaseError:
        return cls(
            f"the URL of a database has {what}.",
            "It could be read in two ways, and is not repeated here: it may hold a password.",
            "python3 -c 'from urllib.parse import quote; print(quote(input(), safe=\"\"))' quotes "
            "a password; or set PGPASSWORD.",
        )

    @classmethod
    def unreached(cls, name: str, reason: str) -> DatabaseError:
        return cls(
            f"{name} does not let us in.",
            sentence(reason),
            "check host, port, user and password: psql with the same URL should get in.",
        )

    @classmethod
    def lost(cls, where: str, reason: str) -> DatabaseError:
        return cls(
            f"the connection was lost while {where} was read.",
            sentence(reason),
            "nothing was written; run it again when the server is there.",
        )

    @classmethod
    def crowded(cls, name: str, reason: str) -> DatabaseError:
        return cls(
            f"{name} has no room for one more connection.",
            sentence(reason),
            "each reader of a table has one; a query takes one alone: query='select * from homes'",
        )

    @classmethod
    def cancelled(cls, where: str, reason: str) -> DatabaseError:
        return cls(
            f"the server gave up while {where} was read.",
            sentence(reason),
            "run it again; PGOPTIONS='-c statement_timeout=0' lifts a limit of its time.",
        )

    @classmethod
    def locked(cls, where: str, reason: str) -> DatabaseError:
        return cls(
            f"{where} is locked by somebody else.",
            sentence(reason),
            "run it again when the other has finished.",
        )

    @classmethod
    def retyped(cls, name: str, where: str) -> DatabaseError:
        return cls(
            f"column '{name}' of {where} is of another type than when it was opened.",
            "Somebody has altered the table.",
            "open it again.",
        )

    @classmethod
    def vendor(cls, vendor: str) -> DatabaseError:
        return cls(
            f"a connection to {vendor} is not read.",
            "Connections of ADBC's are read where they lead to PostgreSQL.",
            "hand over what it gives: cursor.execute(query); cursor.fetch_record_batch()",
        )

    @classmethod
    def foreign(cls, kind: str) -> DatabaseError:
        return cls(
            f"a connection of {kind} is not read.",
            "Those of SQLite, DuckDB and, to PostgreSQL, ADBC are.",
            "steepest.open_table('postgresql://user@host/db', table='homes')",
        )

    @classmethod
    def no_driver(cls) -> DatabaseError:
        return cls(
            "PostgreSQL is asked for, and its driver is not installed.",
            "It is read by adbc_driver_postgresql.",
            "pip install 'steepest[postgresql]'",
        )

    @classmethod
    def nothing_asked(cls, database: str, known: Sequence[str]) -> DatabaseError:
        name = known[0] if known else "homes"
        return cls(
            f"neither a table nor a query of {database} is asked for.",
            f"It has {listed(known, limit=5)}." if known else "It has no tables.",
            f"steepest.open_table(..., table={name!r})",
        )

    @classmethod
    def both(cls) -> DatabaseError:
        return cls(
            "a table and a query are asked for.",
            "A query names its tables itself.",
            "leave one of them out.",
        )

    @classmethod
    def no_table(cls, name: str, database: str, known: Sequence[str]) -> DatabaseError:
        meant = nearest(name, known)
        return cls(
            f"there is no table '{name}' in {database}.",
            f"It has {listed(known, limit=5)}." if known else "It has no tables.",
            f"did you mean '{meant}'?" if meant else "name one of its tables, or ask by a query.",
        )

    @classmethod
    def no_select(cls, where: str) -> DatabaseError:
        return cls(
            f"{where} is not one statement that gives rows.",
            "Databases are read, and never written to.",
            "query='select area, price from homes where price > 0'",
        )
