"""Booleans are added up as numbers, 0 and 1, and become levels when a scan is done.

Everything that two columns of levels tell each other stands in products of their indicators,
which cost no more than those of other columns: for booleans b and c, and a number z,

    rows of b true: Σ b,    of both: Σ b c,    Σ z where b is true: Σ b z,

and where b is false what is left of all rows.  Rows with weights are counted besides, so that
their booleans are levels from the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.design import Design
from ..data.table import Column, Kind
from ..typing import Floats
from .double import LevelSums, Sums
from .exact import ExactLevels, ExactSums, replace_levels
from .integers import Whole, shift
from .levels import PairCounts, find_pair
from .moments import Moments
from .patterns import AnySums

LEVELS = ("false", "true")


def as_numbers(design: Design) -> Design:
    """The design of a scan without weights, in which booleans are numbers."""
    if design.weights:
        return design
    columns = tuple(replace(c, kind=Kind.NUMBER) if c.is_boolean else c for c in design.columns)
    return replace(design, columns=columns)


def restore_booleans(moments: Moments, columns: Sequence[Column]) -> Moments:
    """The moments of a scan in which booleans were numbers, for the columns as they are."""
    kinds = {column.name: column.kind for column in columns}
    restored = tuple(replace(c, kind=kinds[c.name]) for c in moments.columns)
    if restored == moments.columns:
        return moments
    folds = moments.folds and moments.folds.map(lambda fold: restore_booleans(fold, columns))
    numbers = tuple(c.name for c in restored if c.kind is Kind.NUMBER)
    categories = tuple(c.name for c in restored if c.kind is Kind.CATEGORY)
    patterns = {
        null: _restore(
            sums,
            [name for name in numbers if name not in null],
            [name for name in categories if name not in null],
        )
        for null, sums in moments.patterns.items()
    }
    return replace(moments, columns=restored, patterns=patterns, folds=folds)


def _restore(sums: AnySums, numbers: Sequence[str], categories: Sequence[str]) -> AnySums:
    others = [name for name in categories if name in sums.levels]
    kept = sums.restrict(numbers, others)
    if len(others) == len(categories):
        return kept
    if isinstance(sums, ExactSums) and isinstance(kept, ExactSums):
        return _restore_exact(sums, kept, categories)
    assert isinstance(sums, Sums)
    assert isinstance(kept, Sums)
    return _restore_double(sums, kept, categories)


def _restore_exact(sums: ExactSums, kept: ExactSums, categories: Sequence[str]) -> ExactSums:
    whole, n = sums.whole, sums.n_rows
    at = {name: sums.numbers.index(name) for name in categories if name not in sums.levels}
    units = {name: int(whole.units[j]) for name, j in at.items()}
    true = {name: int(shift(whole.totals[j], units[name])) for name, j in at.items()}
    inside: dict[tuple[str, str], Whole] = {}
    for b, j in at.items():
        for i, name in enumerate(sums.levels):
            inside[name, b] = shift(whole.levels[i][:, j], units[b])
        for a, i in at.items():
            both = int(shift(whole.products[i, j], units[a] + units[b]))
            inside[a, b] = np.array([true[b] - both, both], dtype=object)
    counts = {name: found.counts for name, found in sums.levels.items()}
    counts |= {name: np.array([n - count, count], dtype=float) for name, count in true.items()}
    own = [sums.numbers.index(name) for name in kept.numbers]
    levels, tables = {}, []
    for name in categories:
        if name in sums.levels:
            i = list(sums.levels).index(name)
            levels[name] = sums.levels[name]
            tables.append((kept.whole.levels[i], kept.whole.level_weights[i]))
            continue
        seen = counts[name] > 0
        levels[name] = ExactLevels(_names(seen), counts[name][seen])
        found = shift(whole.products[at[name], own], units[name])
        rows: Whole = np.array([n - true[name], true[name]], dtype=object)
        tables.append((np.array([kept.whole.totals - found, found])[seen], rows[seen]))
    pairs = _meet(sums, categories, counts, inside)
    return replace(kept, whole=replace_levels(kept.whole, tables), levels=levels, pairs=pairs)


def _restore_double(sums: Sums, kept: Sums, categories: Sequence[str]) -> Sums:
    n, mean, scatter = sums.n_rows, sums.mean, sums.scatter
    at = {name: sums.numbers.index(name) for name in categories if name not in sums.levels}
    true = {name: round(n * float(mean[j])) for name, j in at.items()}
    inside: dict[tuple[str, str], Floats] = {}
    for b, j in at.items():
        for name, found in sums.levels.items():
            inside[name, b] = np.rint(found.weights * found.means[:, j])
        for a, i in at.items():
            both = np.rint(scatter[i, j] + n * mean[i] * mean[j])
            inside[a, b] = np.array([true[b] - both, both])
    counts = {name: found.weights for name, found in sums.levels.items()}
    counts |= {name: np.array([n - count, count], dtype=float) for name, count in true.items()}
    own = [sums.numbers.index(name) for name in kept.numbers]
    levels = {}
    for name in categories:
        if name in kept.levels:
            levels[name] = kept.levels[name]
            continue
        seen = counts[name] > 0
        weights, signs = counts[name][seen], np.array([-1.0, 1.0])[seen]
        gap = np.outer(signs / weights, scatter[at[name], own])
        levels[name] = LevelSums(_names(seen), weights, kept.mean + gap)
    return replace(kept, levels=levels, pairs=_meet(sums, categories, counts, inside))


def _names(seen: NDArray[np.bool_]) -> tuple[str, ...]:
    """The levels that occur."""
    return tuple(level for level, there in zip(LEVELS, seen, strict=True) if there)


def _meet(
    sums: AnySums,
    categories: Sequence[str],
    counts: Mapping[str, Floats],
    inside: Mapping[tuple[str, str], NDArray[Any]],
) -> dict[tuple[str, str], PairCounts]:
    """How often levels meet, from rows of each level and how many of them are true."""
    pairs = {}
    for a, b in combinations(categories, 2):
        if b not in sums.levels:
            pairs[a, b] = _count(counts[a], inside[a, b])
        elif a not in sums.levels:
            pairs[a, b] = _count(counts[b], inside[b, a]).swapped()
        else:
            pairs[a, b] = find_pair(sums.pairs, a, b)
    return pairs


def _count(rows: Floats, true: NDArray[Any]) -> PairCounts:
    """Levels that occur, against false and true, of which again those that occur."""
    true = true.astype(np.float64)
    table = np.stack([rows - true, true], axis=1)
    table = table[rows > 0][:, table.any(axis=0)]
    first, second = np.nonzero(table)
    return PairCounts(first, second, table[first, second])
