"""Columns that stand in the names of folders: ``sales/year=2024/month=07/0.parquet``."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from ..errors import ColumnNameError, check_unique
from ..typing import Codes, Floats
from .arrow import ArrowBatch, arrow_schema
from .expansions import Expansion
from .formula import NUMBER
from .strips import Strips, Table, columns_of
from .table import Batch, Part, Reads, Schema, Source, allow_mixed, count_numbers, remarks_of

NULL = "__HIVE_DEFAULT_PARTITION__"
"""The name of a folder of rows whose key is null, as Hive and Spark write it."""

KINDS: tuple[tuple[str, Callable[[str], Any], str, tuple[int, ...]], ...] = (
    (r"[+-]?\d{1,18}", int, "int64", ()),
    (r"[+-]?\d{1,38}", Decimal, "decimal128", (38, 0)),
    (rf"[+-]?{NUMBER}", float, "float64", ()),
    (r"\d{4}-\d\d-\d\d", dt.date.fromisoformat, "date32", ()),
)
"""How the values of a key are written, all of them, what reads them, and Arrow's type of these."""


@dataclass(frozen=True)
class Partition:
    """A source, or one of its parts, in a folder that gives further columns, one value each."""

    source: Any
    keys: Mapping[str, Any]
    """The values, as Arrow scalars."""

    @property
    def where(self) -> str:
        return str(self.source.where)

    @property
    def first_row(self) -> int:
        return int(self.source.first_row)

    @property
    def size(self) -> float:
        return float(self.source.size)

    @property
    def identity(self) -> str:
        """That of the file, and the values of its folder; empty where the file has none."""
        own = getattr(self.source, "identity", "")
        keys = ", ".join(f"{name}={value.as_py()!r}" for name, value in self.keys.items())
        return f"{own} in {keys}" if own else ""

    def from_anywhere(self) -> Partition:
        """The same for another process, which may run in another folder."""
        moved = getattr(self.source, "from_anywhere", None)
        return Partition(moved(), self.keys) if moved else self

    @property
    def known_rows(self) -> int | None:
        """How many rows a part has; None where that is not told."""
        found: int | None = getattr(self.source, "known_rows", None)
        return found

    def range_of(self, name: str) -> tuple[float, float] | None:
        """The smallest and largest number of a column, where that is known."""
        if name not in self.keys:
            own = getattr(self.source, "range_of", None)
            found: tuple[float, float] | None = own(name) if own else None
            return found
        value = self.keys[name].as_py()
        return (value, value) if isinstance(value, int | float) else None

    def tell_infinite(self, value: float, name: str, row: int) -> Exception | None:
        """The error for an infinity of the file's own, where it has words of its own for it."""
        own = getattr(self.source, "tell_infinite", None)
        return own(value, name, row) if own and name not in self.keys else None

    def allow_mixed(self, names: frozenset[str]) -> Partition:
        """The same, in which these columns are text where they hold numbers and text."""
        return replace(self, source=allow_mixed(self.source, names))

    def count_numbers(self, wanted: Sequence[str] | None = None) -> int:
        """How many columns are numbers, as far as that is seen at once."""
        return count_numbers(self.source, wanted)

    def remarks(self, reads: Reads) -> list[str]:
        """What was taken for granted in giving these columns."""
        return remarks_of(self.source, reads)

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        found = self.source.schema(wanted)
        for name in self.keys:
            if name in found.names:
                raise ColumnNameError.in_folder(name, found.where)
        more = arrow_schema(self._rows(0).schema, found.where)
        return Schema((*found.columns, *more.columns), found.where)

    def parts(self) -> Sequence[Part]:
        return [Partition(part, self.keys) for part in self.source.parts()]

    def batches(self, reads: Reads) -> Iterator[tuple[Batch, float]]:
        own = Reads(*(tuple(self._own(names)) for names in reads))
        for batch, done in self.source.batches(own):
            yield PartitionBatch(batch, ArrowBatch(self._rows(batch.n_rows)), self.keys), done

    def _own(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name not in self.keys]

    def _rows(self, count: int) -> Any:
        """The keys as an Arrow record batch, the same in every row."""
        import pyarrow as pa

        columns = [pa.repeat(value, count) for value in self.keys.values()]
        return pa.RecordBatch.from_arrays(columns, names=list(self.keys))


@dataclass(frozen=True)
class PartitionBatch:
    """A batch of a file beside the columns that its folder gives."""

    batch: Batch
    beside: Batch
    keys: Collection[str]

    @property
    def n_rows(self) -> int:
        return self.batch.n_rows

    def numbers(self, names: Sequence[str]) -> Table:
        found: dict[str, Floats] = {}
        for source, given in ((self.batch, False), (self.beside, True)):
            known = [name for name in names if (name in self.keys) == given]
            found |= zip(known, columns_of(source.numbers(known)), strict=True)
        return Strips([found[name] for name in names], self.n_rows)

    def expansion(self, name: str) -> Expansion | None:
        return self._side(name).expansion(name)

    def codes(self, name: str) -> tuple[Codes, Sequence[str]]:
        return self._side(name).codes(name)

    def cells(self, name: str) -> Any:
        return self._side(name).cells(name)

    def _side(self, name: str) -> Batch:
        return self.beside if name in self.keys else self.batch


def place_files(files: Sequence[Source], keys: Sequence[Sequence[tuple[str, str]]]) -> list[Source]:
    """Files with the columns of their folders; a key's values are of one kind in all of them.

    ColumnNameError for a key that stands twice on the way to a file.
    """
    for pairs in keys:
        check_unique((name for name, _ in pairs), "the names of folders")
    read = {
        name: _read({v for pairs in keys for n, v in pairs if n == name})
        for name in dict.fromkeys(name for pairs in keys for name, _ in pairs)
    }
    placed: list[Source] = []
    for file, pairs in zip(files, keys, strict=True):
        values = {name: read[name][value] for name, value in pairs}
        placed.append(Partition(file, values) if values else file)
    return placed


def _read(values: set[str]) -> dict[str, Any]:
    """Values of a key as Arrow scalars: whole numbers, numbers or dates if all are, else text."""
    import pyarrow as pa

    written = values - {NULL}
    own = pa.string() if written else pa.null()
    found: dict[str, Any] = {value: value for value in written}
    for pattern, convert, kind, digits in KINDS:
        if written and all(re.fullmatch(pattern, value, re.ASCII) for value in written):
            with suppress(ValueError):  # there is no 31st of June
                found = {value: convert(value) for value in written}
                own = getattr(pa, kind)(*digits)
                break
    return {value: pa.scalar(found.get(value), own) for value in values}
