"""Tables that Dask computes: partitions, each of which is worked out when it is read."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock
from typing import Any

from ..errors import SourceError
from . import memory
from .streams import check_kinds, translated
from .table import Batch, Kind, Part, Reads, Schema

_planning = Lock()


@dataclass(frozen=True)
class Frame:
    """A Dask DataFrame as a source, each partition a part."""

    frame: Any

    where = "the Dask DataFrame"

    @property
    def stays(self) -> bool:
        """Whether a cluster holds it, to which only this process knows the way."""
        return self._client is not None

    @cached_property
    def _client(self) -> Any:
        """That of the cluster that holds it, if one does."""
        graph, _ = _plan(self.frame)
        held = (task for task in graph.values() if type(task).__name__ == "Future")
        return next((future.client for future in held), None)

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        del wanted
        return self._schema

    @cached_property
    def _schema(self) -> Schema:
        """Names and kinds as Dask knows them, or as the first partition with a value shows."""
        with _planning:
            known = memory.from_pandas(self.frame._meta).schema()  # noqa: SLF001
        columns = {column.name: column for column in known.columns}
        for place in range(self._count):
            unknown = [n for n, c in columns.items() if c.kind is Kind.NULL or _is_empty(c)]
            if not unknown:
                break
            found = self._part(place, known).read(unknown).schema()
            columns |= {name: found.find(name) for name in unknown}
        return Schema(tuple(columns.values()), self.where)

    @cached_property
    def _count(self) -> int:
        with _planning:
            return int(self.frame.npartitions)

    def parts(self) -> Sequence[Part]:
        return [self._part(place, self._schema) for place in range(self._count)]

    def _part(self, place: int, known: Schema) -> FramePart:
        where = f"partition {place + 1:,} of {self.where}"
        return FramePart(where, known, self.frame, place, self._client)


def _plan(
    frame: Any, place: int | None = None, names: Sequence[str] | None = None
) -> tuple[dict[Any, Any], list[Any]]:
    """The graph of a frame, or of some columns of a partition, and the keys that it computes.

    One thread at a time: in Python 3.11 two that look at the columns of one expression can wait
    for each other for ever, as its ``cached_property`` has one lock for all instances.  Rows that
    change places do so by plain tasks: whoever computes a partition is in no cluster's midst.
    """
    import dask

    with _planning, dask.config.set({"dataframe.shuffle.method": "tasks"}):
        if names is not None:
            labels = {str(label): label for label in frame.columns}
            frame = frame[[labels[name] for name in names]]
        if place is not None:
            frame = frame.partitions[place]
        frame = frame.optimize()
        return dict(frame.__dask_graph__()), frame.__dask_keys__()


@contextmanager
def _working_out(where: str) -> Iterator[None]:
    """Errors of others in the house's own words; a KeyError is pandas' word for missing columns."""
    with translated(where):
        try:
            yield
        except KeyError as error:
            raise SourceError.failed(where, f"a column is missing: {error.args[0]}") from None


def _is_empty(column: Any) -> bool:
    """Whether a category has no levels that would say what they are."""
    return str(column.type_name).startswith("dictionary<values=null")


@dataclass(frozen=True)
class FramePart:
    """One partition; in another process it is a graph of tasks, and no longer a DataFrame."""

    where: str
    known: Schema
    frame: Any
    place: int
    client: Any = None
    """That of the cluster that computes it."""

    first_row = 1
    size = 1.0

    def read(self, names: Sequence[str]) -> memory.Columns:
        """Some columns, computed by this thread."""
        import dask

        get = dask.get if self.client is None else self.client.get
        with _working_out(self.where):
            (rows,) = get(*_plan(self.frame, self.place, names))
            return memory.from_pandas(rows)

    def batches(self, reads: Reads) -> Iterator[tuple[Batch, float]]:
        names = list(reads.names)
        table = self.read(names)
        check_kinds(self.known, replace(table.schema(), where=self.where), names)
        yield from table.batches(reads)

    def __reduce__(self) -> tuple[Callable[..., FramePart], tuple[Any, ...]]:
        import cloudpickle

        graph, keys = _plan(self.frame, self.place)
        return _thaw, (self.where, self.known, cloudpickle.dumps((graph, keys[0])))


@dataclass(frozen=True)
class GraphPart(FramePart):
    """The graph of a partition, and the key that it computes."""

    def read(self, names: Sequence[str]) -> memory.Columns:
        import dask

        graph, key = self.frame
        with _working_out(self.where):
            rows = dask.get(graph, key)
            labels = {str(label): label for label in rows.columns}
            return memory.from_pandas(rows[[labels[name] for name in names]])

    def __reduce__(self) -> tuple[Callable[..., FramePart], tuple[Any, ...]]:
        import cloudpickle

        return _thaw, (self.where, self.known, cloudpickle.dumps(self.frame))


def _thaw(where: str, known: Schema, graph: bytes) -> FramePart:
    return GraphPart(where, known, pickle.loads(graph), 0)  # noqa: S301  # the caller's own
