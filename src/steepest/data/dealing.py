"""Parts whose rows know their fold: beside each batch a number a row.

The hash of a row depends on names and values alone: 1 and 1.0 are one value, -0 is 0, and text
goes by its UTF-8 bytes.  Values are spread by multiplication with odd numbers that follow from
seed and column [1]_, added up over the columns, and mixed [2]_.

References
----------
.. [1] M. Dietzfelbinger, T. Hagerup, J. Katajainen, M. Penttonen.  A reliable randomized algorithm
   for the closest-pair problem.  Journal of Algorithms 25(1), 19-51, 1997.
   doi:10.1006/jagm.1997.0873
.. [2] G. L. Steele, D. Lea, C. H. Flood.  Fast splittable pseudorandom number generators.
   OOPSLA 2014, 453-472.  doi:10.1145/2660193.2660195
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import FoldsError
from ..typing import Codes, Floats
from .arrow import arrow_codes, arrow_numbers
from .expansions import Expansion, are_beyond
from .folds import MOST_FOLDS, ByColumn, ByTime, Contiguous, Hashed, Rule
from .forming import find_levels
from .strips import Strips, Table, columns_of, first_columns
from .table import Batch, Column, Kind, Reads, WrappedPart

Hashes = NDArray[np.uint64]

CHUNK = 1 << 15
"""Numbers that are hashed at once, so that they stay in cache."""

NULL = np.uint64(0x9E37_79B9_7F4A_7C15)
"""What stands for a null."""

BITS = 53
"""Of a hash, those that choose the fold."""


class Labelled(NamedTuple):
    """The folds of some rows: numbers, shape (n,), -1 where null, and the labels they number."""

    codes: Codes
    labels: Sequence[str]


@dataclass(frozen=True)
class DealtPart(WrappedPart):
    """A part of a table, and the rule that says which fold each of its rows belongs to."""

    rule: Rule
    columns: tuple[Column, ...]
    """What the rule looks at."""
    start: int = 0
    """Rows of the table before it, where the rule goes by them."""
    total: int = 0
    """Rows of the table."""

    def batches(self, reads: Reads) -> Iterator[tuple[DealtBatch, float]]:
        own = [c for c in self.columns if c.name not in reads.names]
        every = (*reads.numbers, *(c.name for c in own if c.kind is Kind.NUMBER or c.is_boolean))
        texts = (c.name for c in own if c.kind is Kind.CATEGORY and not c.is_boolean)
        more = (c.name for c in own if c.kind is Kind.TIME)
        found = self.inner.batches(
            Reads(every, (*reads.categories, *texts), (*reads.times, *more), reads.cells)
        )
        row = self.start
        for batch, fraction in found:
            dealt = DealtBatch(batch, every)
            dealt.folds = find_folds(self, dealt, row)
            row += batch.n_rows
            yield dealt, fraction


@dataclass
class DealtBatch:
    """A batch whose rows know their fold."""

    batch: Batch
    asked: tuple[str, ...]
    """The numbers that are read, in their order."""
    folds: Labelled = field(default=Labelled(np.zeros(0, dtype=np.int32), ()))
    table: Table | None = None

    @property
    def n_rows(self) -> int:
        return self.batch.n_rows

    def numbers(self, names: Sequence[str]) -> Table:
        if self.table is None:
            self.table = self.batch.numbers(self.asked)
        if tuple(names) == self.asked[: len(names)]:
            return first_columns(self.table, len(names))
        return Strips([self.number(name) for name in names], self.n_rows)

    def number(self, name: str) -> Floats:
        """One column of numbers, shape (n,)."""
        return columns_of(self.numbers(self.asked))[self.asked.index(name)]

    def expansion(self, name: str) -> Expansion | None:
        return self.batch.expansion(name)

    def codes(self, name: str) -> tuple[Codes, Sequence[str]]:
        return self.batch.codes(name)

    def cells(self, name: str) -> Any:
        return self.batch.cells(name)


def find_folds(part: DealtPart, batch: DealtBatch, row: int) -> Labelled:
    """The fold of each row of a batch that begins after so many rows of the table."""
    rule = part.rule
    if isinstance(rule, Hashed):
        return Labelled(_choose(_hash(part, batch), rule), rule.labels)
    if isinstance(rule, Contiguous):
        short, longer = divmod(part.total, rule.count)
        ends = np.cumsum([short + (i < longer) for i in range(rule.count)])
        places = np.arange(row, row + batch.n_rows)
        return Labelled(np.searchsorted(ends, places, side="right").astype(np.int32), rule.labels)
    column = part.columns[0]
    if isinstance(rule, ByTime):
        values = read_times(batch, column)
        codes = np.searchsorted(np.array(rule.edges), values, side="right").astype(np.int32)
        codes[np.isnan(values)] = -1
        return Labelled(codes, rule.labels)
    return _read_groups(rule, batch, column)


def read_times(batch: DealtBatch, column: Column) -> Floats:
    """Numbers as they are; times in microseconds, since 1970 where they have a date."""
    if column.kind is Kind.NUMBER:
        return batch.number(column.name)
    return _microseconds(batch.cells(column.name))


def _microseconds(array: Any) -> Floats:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan)
    if pa.types.is_date(kind):
        array, kind = pc.cast(array, pa.timestamp("us")), pa.timestamp("us")
    if pa.types.is_time32(kind):
        array = pc.cast(array, pa.int32())
    per = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}[kind.unit]
    return np.asarray(np.rint(arrow_numbers(pc.cast(array, pa.int64())) * per))


def _read_groups(rule: ByColumn, batch: DealtBatch, column: Column) -> Labelled:
    if column.kind is Kind.TIME:
        import pyarrow as pa
        import pyarrow.compute as pc

        return Labelled(*arrow_codes(pc.cast(batch.cells(column.name), pa.string())))
    if column.name not in batch.asked:
        return Labelled(*batch.codes(column.name))
    values = batch.number(column.name)
    large = are_beyond(values)
    if large.any():
        raise FoldsError.large(rule.column, float(values[np.argmax(large)]))
    codes, labels = find_levels(values)
    if len(labels) > MOST_FOLDS:
        raise FoldsError.too_many(rule.column, MOST_FOLDS)
    if column.is_boolean:
        labels = [{"0": "false", "1": "true"}[label] for label in labels]
    return Labelled(codes, labels)


def _choose(hashes: Hashes, rule: Hashed) -> Codes:
    """The fold of each hash: the top bits times the number of folds."""
    top = mix(hashes) >> np.uint64(64 - BITS)
    if rule.held:
        return (top < np.uint64(int(rule.held * 2.0**BITS))).astype(np.int32)
    return ((top * np.uint64(rule.count)) >> np.uint64(BITS)).astype(np.int32)


def mix(hashes: Hashes) -> Hashes:
    """Every bit of a hash made to depend on all of its bits."""
    x: Hashes = hashes ^ (hashes >> np.uint64(30))
    x *= np.uint64(0xBF58_476D_1CE4_E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D0_49BB_1331_11EB)
    x ^= x >> np.uint64(31)
    return x


def _hash(part: DealtPart, batch: DealtBatch) -> Hashes:
    assert isinstance(part.rule, Hashed)
    factors = {c.name: _factor(c.name, part.rule.seed) for c in part.columns}
    seen = [c for c in part.columns if c.name in batch.asked]
    at = [batch.asked.index(c.name) for c in seen]
    total = np.zeros(batch.n_rows, dtype=np.uint64)
    if at:
        own = np.zeros(len(batch.asked), dtype=np.uint64)
        own[at] = [factors[c.name] for c in seen]
        _hash_table(batch.numbers(batch.asked), own, total)
    for column in part.columns:
        if column.name in batch.asked:
            continue
        factor = np.uint64(factors[column.name])
        if column.kind is Kind.TIME:
            times = _microseconds(batch.cells(column.name))
            _hash_table(times[:, None], np.array([factor]), total)
        else:
            total += _hash_levels(*batch.codes(column.name), boolean=column.is_boolean) * factor
    return total


def _hash_table(table: Table, factors: Hashes, total: Hashes) -> None:
    """Add Σ over columns of their values' bits, spread, to the hash of each row, shape (n,).

    Columns with the factor 0 count for nothing.
    """
    if isinstance(table, np.ndarray) and table.flags.c_contiguous:
        step = max(1, CHUNK // len(factors))
        for i in range(0, len(table), step):
            total[i : i + step] += np.dot(_spread(table[i : i + step]), factors)
        return
    for column, factor in zip(columns_of(table), factors, strict=True):
        for i in range(0, len(column) if factor else 0, CHUNK):
            total[i : i + CHUNK] += _spread(column[i : i + CHUNK]) * factor


def _spread(values: Floats) -> Hashes:
    """The bits of some values, the upper half in the lower one too; one word for all nulls."""
    bits = (values + 0.0).view(np.uint64)  # -0 becomes 0
    bits ^= bits >> np.uint64(32)
    if np.isnan(values.min()):
        bits[np.isnan(values)] = NULL
    return bits


def _hash_levels(codes: Codes, levels: Sequence[str], *, boolean: bool) -> Hashes:
    if boolean:
        spread = np.array([float(level == "true") for level in levels]).view(np.uint64)
        known = spread ^ (spread >> np.uint64(32))
    else:
        known = np.array([_hash_text(level) for level in levels], dtype=np.uint64)
    return np.append(known, NULL)[codes]


def _hash_text(text: str) -> int:
    coded = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(coded, digest_size=8).digest(), "little")


def _factor(name: str, seed: int) -> int:
    """An odd number for a column."""
    key = seed.to_bytes(8, "little")
    coded = name.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(coded, digest_size=8, key=key).digest(), "little") | 1


def part_rows(part: Any) -> int | None:
    """How many rows a part has, where that is known without reading it."""
    for name in ("known_rows", "n_rows"):
        found = getattr(part, name, None)
        if found is not None:
            return int(found)
    return None


def describe_columns(columns: Mapping[str, Column], names: Sequence[str]) -> tuple[Column, ...]:
    """Some columns, in the order of their names."""
    return tuple(columns[name] for name in sorted({*names}))
