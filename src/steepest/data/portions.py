"""Tables and queries of databases that are files: in parts that can be read on their own.

A table is cut by the numbers of its rows, a query is one part.  Parts that are read in this
process see one state of the database; those that are sent to another see the same, or refuse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

from ..errors import SourceError
from .states import FileState
from .streams import Stream
from .table import Batch, Reads, Schema


class Span(NamedTuple):
    """Rows by their numbers: the column that holds these, the first and the last of them."""

    name: str
    first: int
    last: int

    def cut(self, count: int) -> list[Span]:
        """The span in so many pieces; in fewer where it has fewer rows."""
        width = self.last - self.first + 1
        count = max(1, min(count, width))
        starts = [self.first + i * width // count for i in range(count + 1)]
        return [Span(self.name, a, b - 1) for a, b in pairwise(starts)]

    @property
    def condition(self) -> str:
        """What holds of these rows, as SQL writes it."""
        return f"{self.name} between {self.first} and {self.last}"


class Snapshot(Protocol):
    """A state of a database, which stays as it is for those who read in this process."""

    @property
    def state(self) -> FileState: ...

    @property
    def shields(self) -> bool:
        """Whether nobody else can write to the file meanwhile, so that it stays as it is too."""
        ...


class Database(Protocol):
    """A database in a file, which other processes can open too."""

    @property
    def path(self) -> str: ...

    @property
    def endings(self) -> tuple[str, ...]:
        """The endings of the files beside it that hold changes not yet written to it."""
        ...

    def read(
        self,
        asked: str,
        where: str,
        span: Span | None,
        snapshot: Snapshot | None,
        known: Schema | None,
    ) -> Stream:
        """The rows of a query, or of a table in a span."""
        ...

    def measure(self, table: str) -> tuple[Span, int] | None:
        """The numbers of a table's rows, and into how many parts it is cut; None for one."""
        ...

    def take_snapshot(self) -> Snapshot | None:
        """A snapshot of its present state; None where it is written to all the time."""
        ...


@dataclass(frozen=True)
class Portion:
    """The rows of a table in a span of their numbers, or all that is asked for: a part."""

    database: Database
    whole: str
    asked: str
    state: FileState
    span: Span | None = None
    known: Schema | None = None
    is_complete: bool = False
    """Whether every column was looked at, so that one without a value must not get any."""
    snapshot: Snapshot | None = field(default=None, compare=False, repr=False)
    stream: Stream | None = field(default=None, compare=False, repr=False)
    """A stream of its rows that was begun in this process, to find their kinds."""

    first_row = 1

    @property
    def where(self) -> str:
        if self.span is None:
            return self.whole
        return f"rows numbered {self.span.first:,} to {self.span.last:,} of {self.whole}"

    @property
    def size(self) -> float:
        return 0.0 if self.span is None else float(self.span.last - self.span.first + 1)

    @property
    def identity(self) -> str:
        """What is read of the file; ``state`` says in which state of it."""
        return repr((self.asked, self.span))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"snapshot": None, "stream": None}

    def batches(self, reads: Reads) -> Iterator[tuple[Batch, float]]:
        stream = self.stream
        if stream is None:
            self._check_state()
            stream = self.database.read(
                self.asked, self.where, self.span, self.snapshot, self.known
            )
            stream.schema(None if self.is_complete else ())
        rows = 0
        for batch, _ in stream.batches(reads):
            rows += batch.n_rows
            yield batch, min(rows / self.size, 1.0) if self.size else 0.0
        if self.stream is None:
            self._check_state()

    def _check_state(self) -> None:
        """SourceError if the file is in another state, where nothing keeps it in this one."""
        if self.snapshot is None or self.snapshot.shields:
            now = FileState.of(self.database.path, self.database.endings)
            if now.kept != self.state.kept:
                raise SourceError.altered(self.database.path, self.state.size, now.size)


class DatabaseSource:
    """A table or a query of a database in a file, as a source."""

    def __init__(self, database: Database, where: str, asked: str, *, is_table: bool) -> None:
        self.where = where
        self._database, self._asked, self._is_table = database, asked, is_table
        self._stream = database.read(asked, where, None, None, None)
        self._is_complete = False

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        self._is_complete = self._is_complete or wanted is None
        return self._stream.schema(wanted)

    def parts(self) -> Sequence[Portion]:
        found = self._database.measure(self._asked) if self._is_table else None
        snapshot = self._database.take_snapshot() if found else None
        if found is None or snapshot is None:
            state = FileState.of(self._database.path, self._database.endings)
            own = Portion(self._database, self.where, self._asked, state)
            return [replace(own, known=self.schema(()), stream=self._stream)]
        whole = Portion(
            self._database,
            self.where,
            self._asked,
            snapshot.state,
            known=self.schema(()),
            is_complete=self._is_complete,
            snapshot=snapshot,
        )
        span, count = found
        return [replace(whole, span=piece) for piece in span.cut(count)]
