"""Sums held apart by which columns are null in a row: the algebra of moments, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from ..errors import MomentsError
from .double import Sums
from .exact import ExactSums, join_exact
from .levels import PairCounts

AnySums = Sums | ExactSums
Patterns = Mapping[frozenset[str], AnySums]
"""For each combination of null columns that occurs, the sums of its rows."""


def add_patterns(items: Iterable[tuple[frozenset[str], AnySums]]) -> dict[frozenset[str], AnySums]:
    """Sums of the same null pattern added, patterns in one order whatever order they came in."""
    patterns: dict[frozenset[str], AnySums] = {}
    for null, sums in items:
        patterns[null] = add(patterns[null], sums) if null in patterns else sums
    return dict(sorted(patterns.items(), key=lambda item: (len(item[0]), sorted(item[0]))))


def add_many(several: Iterable[Patterns]) -> dict[frozenset[str], AnySums]:
    """The exact sums of many at once, as :func:`add_patterns` has them."""
    together: dict[frozenset[str], list[AnySums]] = {}
    for patterns in several:
        for null, sums in patterns.items():
            together.setdefault(null, []).append(sums)
    return add_patterns((null, add_exact(sums)) for null, sums in together.items())


def add_exact(several: Sequence[AnySums]) -> AnySums:
    """Exact sums of the same columns.  O(k²) each, and the levels that occur in each."""
    exact = [sums for sums in several if isinstance(sums, ExactSums)]
    if len(exact) < len(several) or len(exact) == 1:
        return reduce(add, several)
    return join_exact(exact)


def subtract_patterns(all_rows: Patterns, some: Patterns) -> dict[frozenset[str], AnySums]:
    """The sums of the rows that are not among some; MomentsError where no rows have them."""
    patterns = dict(all_rows)
    for null, sums in some.items():
        own = patterns.get(null)
        if not isinstance(sums, ExactSums) or not isinstance(own, ExactSums | None):
            raise MomentsError.not_exact()
        if own is None:
            if not sums.n_rows:
                continue
            raise MomentsError.not_contained("some of its null columns never occurred together")
        left = own - sums
        left.check()
        left.check_products()
        patterns[null] = left
    return {null: sums for null, sums in patterns.items() if sums.n_rows}


def take_patterns(all_rows: Patterns, some: Patterns) -> dict[frozenset[str], AnySums]:
    """The exact sums of the rows that are not among some, which are known to be among all."""
    left = dict(all_rows)
    for null, sums in some.items():
        own = left[null]
        assert isinstance(own, ExactSums)
        assert isinstance(sums, ExactSums)
        left[null] = own - sums
    return {null: sums for null, sums in left.items() if sums.n_rows}


def restrict_patterns(
    patterns: Patterns, numbers: Sequence[str], categories: Sequence[str], weights: str
) -> dict[frozenset[str], AnySums]:
    """The sums of fewer columns, in the order asked for, as if no others had been read."""
    kept = {*numbers, *categories, weights}
    return add_patterns(
        (
            null & kept,
            sums.restrict(
                [name for name in numbers if name not in null],
                [name for name in categories if name not in null],
            ),
        )
        for null, sums in patterns.items()
    )


def rename_patterns(patterns: Patterns, names: Mapping[str, str]) -> dict[frozenset[str], AnySums]:
    """The same sums under other names, one for each old one."""
    return add_patterns(
        (frozenset(names[name] for name in null), _rename(sums, names))
        for null, sums in patterns.items()
    )


def _rename(sums: AnySums, names: Mapping[str, str]) -> AnySums:
    numbers = tuple(names[name] for name in sums.numbers)
    pairs: dict[tuple[str, str], PairCounts] = {
        (names[a], names[b]): pair for (a, b), pair in sums.pairs.items()
    }
    if isinstance(sums, ExactSums):
        tables = {names[name]: found for name, found in sums.levels.items()}
        return replace(sums, numbers=numbers, levels=tables, pairs=pairs)
    levels = {names[name]: found for name, found in sums.levels.items()}
    extremes = {names[name]: found for name, found in sums.extremes.items()}
    return replace(sums, numbers=numbers, levels=levels, pairs=pairs, extremes=extremes)


def count_levels(patterns: Patterns, category: str) -> int:
    """How many levels a category has in any row."""
    found = [
        sums.levels[category].levels for null, sums in patterns.items() if category not in null
    ]
    return len(set().union(*found))


def find_patterns(
    missing: Mapping[str, NDArray[np.bool_]], n_rows: int
) -> list[tuple[frozenset[str], NDArray[np.int64]]]:
    """The combinations of null columns that occur, each with its rows."""
    if not missing:
        return [(frozenset(), np.arange(n_rows))]
    packed = np.packbits(np.column_stack(list(missing.values())), axis=1)
    keys = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    unique, first, at = np.unique(keys, return_index=True, return_inverse=True)
    names = list(missing)
    return [
        (
            frozenset(name for name in names if missing[name][first[i]]),
            np.flatnonzero(at == i),
        )
        for i in range(len(unique))
    ]
