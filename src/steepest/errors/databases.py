"""Messages about databases.  None holds a URL, which may hold a password."""

from __future__ import annotations

from collections.abc import Sequence

from .tables import SourceError
from .words import listed, nearest


class DatabaseError(SourceError):
    """A database that cannot be asked, or not for this."""

    @classmethod
    def scheme(cls, scheme: str) -> DatabaseError:
        return cls(
            f"a URL that begins with {scheme}:// is not read.",
            "Databases of SQLite and DuckDB are.",
            "read it in batches yourself, and hand over the reader or the iterator.",
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
            reason.strip()[:1].upper() + reason.strip()[1:].rstrip(".!") + ".",
            "check that it is whole, and that nobody is writing to it.",
        )

    @classmethod
    def nothing_asked(cls, database: str, known: Sequence[str]) -> DatabaseError:
        return cls(
            f"neither a table nor a query of {database} is asked for.",
            f"It has {listed(known, limit=5)}." if known else "It has no tables.",
            f"steepest.open_table(..., table='{known[0] if known else 'homes'}'), or ?table= in a "
            "URL.",
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
