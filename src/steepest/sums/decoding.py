"""Sums from bytes: what :mod:`~steepest.sums.encoding` wrote, every length and place checked."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.table import Column, Kind
from ..typing import Floats
from .double import LevelSums, Sums
from .encoding import DOUBLE, EXACT
from .exact import ExactLevels, ExactSums
from .integers import Integers, Whole
from .levels import PairCounts, Places

LARGEST_EXPONENT = 1 << 14
"""Powers of two and of five beyond this are none of ours."""

Units = Mapping[str, tuple[int, int]]
"""For each column of numbers the powers of two and of five that its sums are counted in."""


class Reader:
    """Reads what was encoded, front to back; ValueError at the first thing that cannot be."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, length: int) -> bytes:
        """The next bytes."""
        if not 0 <= length <= len(self._data) - self._at:
            raise ValueError(f"it ends within its sums, at byte {len(self._data):,} of them")
        self._at += length
        return self._data[self._at - length : self._at]

    def finish(self) -> None:
        """Refuse bytes that mean nothing."""
        if self._at != len(self._data):
            raise ValueError("something stands after its sums")

    def count(self) -> int:
        return int.from_bytes(self.take(8), "little")

    def places(self, length: int, below: int | None = None) -> Places:
        """Whole numbers from 0, and below a bound if one is given."""
        found = np.frombuffer(self.take(8 * length), dtype="<i8").astype(np.int64)
        if (found < 0).any() or (below is not None and (found >= below).any()):
            raise ValueError("a place lies outside its list")
        return found

    def doubles(self, *shape: int) -> Floats:
        length = int(np.prod(shape, dtype=object))
        return np.frombuffer(self.take(8 * length), dtype="<f8").astype(np.float64).reshape(shape)

    def texts(self) -> tuple[str, ...]:
        lengths = self.places(self.count()).tolist()
        return tuple(self.take(n).decode("utf-8", "surrogatepass") for n in lengths)

    def sorted_texts(self) -> tuple[str, ...]:
        """Texts in order, each once."""
        texts = self.texts()
        if any(a >= b for a, b in itertools.pairwise(texts)):
            raise ValueError("names or levels are out of order")
        return texts

    def wholes(self, twos: Places, fives: Places) -> Whole:
        """Numbers, counted in the units given, which must divide them."""
        n = len(twos)
        head = np.frombuffer(self.take(12 * n), dtype="<i4").astype(np.int64).reshape(3, n)
        if (head[2] < 1).any() or (np.abs(head[:2]) > LARGEST_EXPONENT).any():
            raise ValueError("a sum is out of range")
        ends = [0, *np.cumsum(head[2]).tolist()]
        coded = self.take(ends[-1])
        odd = [
            int.from_bytes(coded[a:b], "little", signed=True) for a, b in itertools.pairwise(ends)
        ]
        present = np.fromiter(map(bool, odd), dtype=bool, count=n)
        by_two, by_five = np.where(present, head[:2] - np.array([twos, fives]), 0)
        if (by_two < 0).any() or (by_five < 0).any():
            raise ValueError("a sum is no whole number of its unit")
        found: Whole = np.empty(n, dtype=object)
        found[:] = [v << places for v, places in zip(odd, by_two.tolist(), strict=True)]
        for i in np.flatnonzero(by_five):
            found[i] *= 5 ** int(by_five[i])
        return found


class Decoded(NamedTuple):
    """What was encoded, apart from the columns."""

    patterns: dict[frozenset[str], Any]
    precision: str
    weights: str
    weight_kind: str
    condition: str
    filtered: int


def decode_content(
    data: bytes, columns: Sequence[Column], units: Units, weight_unit: int
) -> Decoded:
    """The content, of bytes that were encoded for some columns.

    ValueError, with the reason, for bytes that are no content of these columns.
    """
    reader = Reader(data)
    head = reader.texts()
    if len(head) not in (3, 4):
        raise ValueError(f"{len(head):,} texts stand where 3 are expected")
    form, weights, weight_kind, condition = (*head, "")[:4]
    filtered = reader.count() if condition else 0
    if form not in (EXACT, DOUBLE):
        raise ValueError(f"its sums are of the form '{form}'")
    columns = sorted(columns, key=lambda column: column.name)
    names = [*(column.name for column in columns), weights]
    words = [column.word for column in columns]
    if list(reader.sorted_texts()) != names[:-1] or any(
        found not in (word, "null")
        for found, word in zip(_expect(reader.texts(), len(words)), words, strict=True)
    ):
        raise ValueError("its sums are of other columns than its header")
    if reader.texts() != ("",) or reader.count() != 1:
        raise ValueError("its sums have a leading axis")
    patterns: dict[frozenset[str], Any] = {}
    for _ in range(reader.count()):
        null = frozenset(names[i] for i in reader.places(reader.count(), below=len(names)))
        if null in patterns:
            raise ValueError("a null pattern stands twice")
        present = [column for column in columns if column.name not in null]
        numbers = tuple(c.name for c in present if c.kind is Kind.NUMBER)
        categories = [c.name for c in present if c.kind is Kind.CATEGORY]
        if form == DOUBLE:
            patterns[null] = _decode_double(reader, numbers, categories)
            continue
        grid = np.array([units[name] for name in numbers], dtype=np.int64).reshape(-1, 2)
        weighted = bool(weights) and weights not in null and weight_kind == "analytic"
        unit = weight_unit if weights and weights not in null else 0
        patterns[null] = _decode_exact(reader, numbers, categories, grid, unit, weighted=weighted)
    reader.finish()
    precision = "exact" if form == EXACT else "double"
    return Decoded(patterns, precision, weights, weight_kind, condition, filtered)


def _expect(texts: tuple[str, ...], number: int) -> tuple[str, ...]:
    if len(texts) != number:
        raise ValueError(f"{len(texts):,} texts stand where {number:,} are expected")
    return texts


def _decode_exact(
    reader: Reader,
    numbers: tuple[str, ...],
    categories: Sequence[str],
    grid: NDArray[np.int64],
    unit: int,
    *,
    weighted: bool,
) -> ExactSums:
    k, (twos, fives) = len(numbers), grid.T
    i, j = np.triu_indices(k)
    found = reader.wholes(
        np.concatenate([[0, unit], twos + unit, twos[i] + twos[j] + unit]),
        np.concatenate([[0, 0], fives, fives[i] + fives[j]]),
    )
    products: Whole = np.zeros((k, k), dtype=object)
    products[i, j] = products[j, i] = found[2 + k :]
    levels, tables, shares = {}, [], []
    for name in categories:
        own = reader.sorted_texts()
        m = len(own)
        sums = reader.wholes(
            np.concatenate([np.repeat([0, unit], m), np.tile(twos + unit, m)]),
            np.concatenate([np.zeros(2 * m, dtype=np.int64), np.tile(fives, m)]),
        )
        levels[name] = ExactLevels(own, sums[:m].astype(np.float64))
        shares.append(sums[m : 2 * m])
        tables.append(sums[2 * m :].reshape(m, k))
    pairs = {}
    for a, b in itertools.combinations(categories, 2):
        n = reader.count()
        first = reader.places(n, below=len(levels[a].levels))
        second = reader.places(n, below=len(levels[b].levels))
        sums = reader.wholes(np.repeat([0, unit], n), np.zeros(2 * n, dtype=np.int64))
        counts = sums[:n].astype(np.float64)
        pairs[a, b] = PairCounts(first, second, counts, sums[n:] if weighted else None)
    whole = Integers(
        twos, fives, found[2 : 2 + k], products, tuple(tables), found[1], tuple(shares), unit
    )
    result = ExactSums(found[0], numbers, whole, levels, pairs)
    result.check()
    return result


def _decode_double(reader: Reader, numbers: tuple[str, ...], categories: Iterable[str]) -> Sums:
    k, n_rows = len(numbers), reader.count()
    weight, mean = float(reader.doubles(1)[0]), reader.doubles(k)
    upper, scatter = np.triu_indices(k), np.zeros((k, k))
    scatter[upper] = reader.doubles(k * (k + 1) // 2)
    scatter[upper[::-1]] = scatter[upper]
    bounds = reader.doubles(k, 2)
    extremes = {
        name: (float(low), float(high))
        for name, (low, high) in zip(numbers, bounds, strict=True)
        if not np.isnan(low)
    }
    levels = {}
    for name in categories:
        own = reader.sorted_texts()
        levels[name] = LevelSums(own, reader.doubles(len(own)), reader.doubles(len(own), k))
    pairs = {}
    for a, b in itertools.combinations(levels, 2):
        n = reader.count()
        first = reader.places(n, below=len(levels[a].levels))
        second = reader.places(n, below=len(levels[b].levels))
        pairs[a, b] = PairCounts(first, second, reader.doubles(n))
    return Sums(n_rows, numbers, mean, scatter, levels, pairs, extremes, weight)
