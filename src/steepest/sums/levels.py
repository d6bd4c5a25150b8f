"""Levels of categories: where each stands among others, and how often two of them meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats

Places = NDArray[np.int64]
Scalar = TypeVar("Scalar", bound=np.generic)


class PairCounts(NamedTuple):
    """How often two levels meet; pairs that never meet are absent."""

    first: Places
    second: Places
    counts: Floats
    """Whole numbers below 2⁵³."""
    weights: NDArray[Any] | None = None
    """Σ w of each pair as Python integers, where rows have weights."""

    def swapped(self) -> PairCounts:
        return self._replace(first=self.second, second=self.first)


Pairs = Mapping[tuple[str, str], PairCounts]


def widen(array: NDArray[Scalar], length: int) -> NDArray[Scalar]:
    """The array with rows of zeros at its end, up to a length."""
    if length <= len(array):
        return array
    rows = np.zeros((length - len(array), *array.shape[1:]), dtype=array.dtype)
    return np.concatenate([array, rows])


def add_pairs(found: Sequence[PairCounts]) -> PairCounts:
    """Counts of the same pair added up, in order of the pairs; those that cancel vanish."""
    first = np.concatenate([pair.first for pair in found])
    second = np.concatenate([pair.second for pair in found])
    width = int(second.max(initial=0)) + 1
    cells, at = np.unique(first * width + second, return_inverse=True)
    counts = np.bincount(at, np.concatenate([pair.counts for pair in found])).astype(np.float64)
    weights = None
    if any(pair.weights is not None for pair in found):
        weights = np.zeros(len(cells), dtype=object)
        np.add.at(weights, at, np.concatenate([pair.weights for pair in found]))
    kept = counts != 0
    if weights is not None:
        kept |= weights != 0
        weights = weights[kept]
    return PairCounts(cells[kept] // width, cells[kept] % width, counts[kept], weights)


def places(levels: Sequence[str], within: Sequence[str]) -> Places:
    """Where each of some levels stands among all levels."""
    place = {level: i for i, level in enumerate(within)}
    return np.fromiter((place[level] for level in levels), dtype=np.int64, count=len(levels))


def pick_pairs(pairs: Pairs, categories: Sequence[str]) -> dict[tuple[str, str], PairCounts]:
    """The pairs of some categories, keyed in their order."""
    return {(a, b): find_pair(pairs, a, b) for a, b in combinations(categories, 2)}


def find_pair(pairs: Pairs, first: str, second: str) -> PairCounts:
    """A pair of categories, whichever way round it is kept."""
    return pairs[first, second] if (first, second) in pairs else pairs[second, first].swapped()


def merge_pairs(
    sides: Sequence[tuple[Pairs, Mapping[str, Sequence[str]]]],
    merged: Mapping[str, Sequence[str]],
) -> dict[tuple[str, str], PairCounts]:
    """Pairs of several tables added up: each table's pairs and levels, and the levels of all."""
    if not sides:
        return {}
    total = {}
    for a, b in combinations(merged, 2):
        found = []
        for pairs, levels in sides:
            pair = find_pair(pairs, a, b)
            first, second = places(levels[a], merged[a]), places(levels[b], merged[b])
            found.append(pair._replace(first=first[pair.first], second=second[pair.second]))
        total[a, b] = add_pairs(found)
    return total


def dense_pairs(pairs: Pairs, first: str, second: str, shape: tuple[int, int]) -> Floats:
    """Weight of each pair of levels as a table of that shape: its rows, where they have none."""
    pair = find_pair(pairs, first, second)
    table = np.zeros(shape)
    table[pair.first, pair.second] = pair.counts if pair.weights is None else pair.weights
    return table
