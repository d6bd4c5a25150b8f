"""Sums as bytes.

Each content has one form in bytes, whatever the way it was made: columns and levels stand in
the order of their names, and every exact sum as an odd whole number times powers of two and
five.  The fingerprint is the SHA-256 of these bytes, and a moments file holds them as they are.
``docs/moments-file.md`` gives the form for readers in other languages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, Protocol

import numpy as np

from ..data.table import Column, Kind
from .double import Sums
from .exact import ExactSums
from .levels import PairCounts, Pairs, Places, find_pair
from .patterns import Patterns

EXACT, DOUBLE = "steepest exact sums 1", "steepest double sums 1"
"""The first bytes of the content, by precision."""


class Encoded(Protocol):
    """What is encoded."""

    @property
    def columns(self) -> tuple[Column, ...]: ...
    @property
    def patterns(self) -> Patterns: ...
    @property
    def precision(self) -> str: ...
    @property
    def weights(self) -> str: ...
    @property
    def weight_kind(self) -> str: ...
    @property
    def condition(self) -> str: ...
    @property
    def filtered(self) -> int: ...


def encode_content(content: Encoded) -> Iterator[bytes]:
    """The content, piece by piece.  O(k² + levels + pairs of levels) for each null pattern."""
    kept = {null: sums for null, sums in content.patterns.items() if sums.n_rows}
    never = frozenset.intersection(*kept) if kept else frozenset(c.name for c in content.columns)
    columns = sorted(content.columns, key=lambda column: column.name)
    place = {column.name: i for i, column in enumerate(columns)} | {content.weights: len(columns)}
    form = EXACT if content.precision == "exact" else DOUBLE
    head = [form, content.weights, content.weight_kind]
    yield _texts([*head, content.condition] if content.condition else head)
    if content.condition:
        yield _count(content.filtered)
    yield _texts([column.name for column in columns])
    yield _texts(["null" if column.name in never else column.word for column in columns])
    yield _texts([""])  # the leading axis: none
    yield _count(1)  # its members
    yield _count(len(kept))
    coded = sorted((sorted(place[name] for name in null), null) for null in kept)
    for places, null in coded:
        yield _count(len(places)) + _places(places)
        present = [column for column in columns if column.name not in null]
        numbers = [c.name for c in present if c.kind is Kind.NUMBER]
        categories = [c.name for c in present if c.kind is Kind.CATEGORY]
        sums = kept[null].restrict(numbers, categories)
        yield from _encode_exact(sums) if isinstance(sums, ExactSums) else _encode_double(sums)


def _encode_exact(sums: ExactSums) -> Iterator[bytes]:
    whole, k = sums.whole, len(sums.numbers)
    twos, fives, unit = whole.units, whole.fives, whole.weight_unit
    i, j = np.triu_indices(k)
    yield _wholes(
        [sums.n_rows, whole.weight, *whole.totals.tolist(), *whole.products[i, j].tolist()],
        np.concatenate([[0, unit], twos + unit, twos[i] + twos[j] + unit]),
        np.concatenate([[0, 0], fives, fives[i] + fives[j]]),
    )
    tables = zip(sums.levels.values(), whole.levels, whole.level_weights, strict=True)
    for found, table, weights in tables:
        yield _texts(found.levels)
        m = len(found.levels)
        yield _wholes(
            [*map(int, found.counts), *weights.tolist(), *table.ravel().tolist()],
            np.concatenate([np.repeat([0, unit], m), np.tile(twos + unit, m)]),
            np.concatenate([np.zeros(2 * m, dtype=np.int64), np.tile(fives, m)]),
        )
    for pair in _in_order(sums.pairs, list(sums.levels)):
        n = len(pair.counts)
        yield _count(n) + _places(pair.first) + _places(pair.second)
        counts = [int(count) for count in pair.counts]
        own, units = (counts, 0) if pair.weights is None else (pair.weights.tolist(), unit)
        yield _wholes([*counts, *own], np.repeat([0, units], n), np.zeros(2 * n, dtype=np.int64))


def _encode_double(sums: Sums) -> Iterator[bytes]:
    yield _count(sums.n_rows)
    none = (np.nan, np.nan)
    extremes = [sums.extremes.get(name, none) for name in sums.numbers]
    upper = sums.scatter[np.triu_indices(len(sums.numbers))]
    yield _doubles([sums.weight], sums.mean, upper, np.array(extremes))
    for found in sums.levels.values():
        yield _texts(found.levels)
        yield _doubles(found.weights, found.means)
    for pair in _in_order(sums.pairs, list(sums.levels)):
        yield _count(len(pair.counts)) + _places(pair.first) + _places(pair.second)
        yield _doubles(pair.counts)


def _in_order(pairs: Pairs, categories: Sequence[str]) -> Iterator[PairCounts]:
    for a, b in combinations(categories, 2):
        pair = find_pair(pairs, a, b)
        at = np.lexsort((pair.second, pair.first))
        weights = None if pair.weights is None else pair.weights[at]
        yield PairCounts(pair.first[at], pair.second[at], pair.counts[at], weights)


def _count(number: int) -> bytes:
    return number.to_bytes(8, "little")


def _places(places: Any) -> bytes:
    return np.asarray(places, dtype="<i8").tobytes()


def _doubles(*arrays: Any) -> bytes:
    return b"".join(np.asarray(array, dtype="<f8").tobytes() for array in arrays)


def _texts(texts: Sequence[str]) -> bytes:
    coded = [text.encode("utf-8", "surrogatepass") for text in texts]
    return b"".join([_count(len(coded)), _places([len(text) for text in coded]), *coded])


def _wholes(values: Sequence[int], twos: Places, fives: Places) -> bytes:
    """Numbers v 2^two 5^five, each made odd, and free of fives where it has some below it."""
    if fives.any():
        values, fives = _without_fives(list(values), fives)
    zeros = [(v & -v).bit_length() for v in values]
    odd = [(v << 1) >> zero for v, zero in zip(values, zeros, strict=True)]
    places = np.array(zeros, dtype=np.int64)
    twos = np.where(places > 0, twos + places - 1, 0)
    fives = np.where(places > 0, fives, 0)
    lengths = [v.bit_length() // 8 + 1 for v in odd]
    coded = [v.to_bytes(n, "little", signed=True) for v, n in zip(odd, lengths, strict=True)]
    head = [np.asarray(a, dtype="<i4").tobytes() for a in (twos, fives, lengths)]
    return b"".join([*head, *coded])


def _without_fives(values: list[int], fives: Places) -> tuple[list[int], Places]:
    fives = fives.copy()
    for i in np.flatnonzero(fives):
        value, five = values[i], int(fives[i])
        while value and five < 0 and value % 5 == 0:
            value, five = value // 5, five + 1
        values[i], fives[i] = value, five
    return values, fives
