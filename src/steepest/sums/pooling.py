"""Levels of few rows taken together as one, after the scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from ..data.expressions import BETWEEN, Product, label
from ..data.table import Column
from ..data.terms import RARE
from ..errors import OptionError
from .double import LevelSums, Sums
from .exact import ExactLevels, replace_levels
from .integers import Whole
from .levels import PairCounts, Pairs, Places, add_pairs, places
from .patterns import AnySums

Pooled = Mapping[str, tuple[str, ...]]
"""By category, the levels that were pooled."""


def find_rare(
    groups: Iterable[AnySums], columns: Mapping[str, Column], rare: int, *, weighted: bool
) -> Pooled:
    """The levels of fewer than so many rows, of each category that is not a product.

    OptionError for weighted sums in double precision, which know what levels weigh and no more.
    """
    counts: dict[str, Counter[str]] = {}
    for sums in groups:
        for name, found in sums.levels.items():
            if columns[name].is_boolean or isinstance(columns[name].expression, Product):
                continue
            if weighted and isinstance(found, LevelSums):
                raise OptionError.outside(
                    "rare",
                    rare,
                    "known of weighted sums in double precision: they do not count rows",
                    "scan with precision='exact'",
                )
            rows = found.counts if isinstance(found, ExactLevels) else found.weights
            for level, count in zip(found.levels, rows.tolist(), strict=True):
                counts.setdefault(name, Counter())[level] += count
    pooled = {
        name: tuple(sorted(level for level, count in found.items() if count < rare))
        for name, found in counts.items()
    }
    return {name: levels for name, levels in pooled.items() if levels}


def pool_levels(sums: AnySums, columns: Mapping[str, Column], pooled: Pooled) -> AnySums:
    """The sums with these levels as one, in their categories and in products of these."""
    merged: dict[str, tuple[tuple[str, ...], Places]] = {}
    for name, found in sums.levels.items():
        expression = columns[name].expression
        parts = expression.factors if isinstance(expression, Product) else (expression,)
        gone = [frozenset(pooled.get(label(part), ())) for part in parts]
        new = [
            BETWEEN.join(
                RARE if own in rare else own
                for own, rare in zip(_split(level, len(parts)), gone, strict=True)
            )
            for level in found.levels
        ]
        levels = tuple(sorted({*new}))
        merged[name] = levels, places(new, levels)
    pairs = _merge_pairs(sums.pairs, merged)
    if isinstance(sums, Sums):
        return replace(sums, levels=_merge_double(sums, merged), pairs=pairs)
    found_levels: dict[str, ExactLevels] = {}
    tables: list[tuple[Whole, Whole]] = []
    for i, (name, own) in enumerate(sums.levels.items()):
        names, at = merged[name]
        counts = np.bincount(at, own.counts, minlength=len(names)).astype(np.float64)
        found_levels[name] = ExactLevels(names, counts)
        table: Whole = np.zeros((len(names), len(sums.numbers)), dtype=object)
        weights: Whole = np.zeros(len(names), dtype=object)
        np.add.at(table, at, sums.whole.levels[i])
        np.add.at(weights, at, sums.whole.level_weights[i])
        tables.append((table, weights))
    return replace(sums, whole=replace_levels(sums.whole, tables), levels=found_levels, pairs=pairs)


def _split(level: str, parts: int) -> list[str]:
    return level.split(BETWEEN) if parts > 1 else [level]


def _merge_double(
    sums: Sums, merged: Mapping[str, tuple[tuple[str, ...], Places]]
) -> dict[str, LevelSums]:
    levels = {}
    for name, found in sums.levels.items():
        names, at = merged[name]
        weights = np.bincount(at, found.weights, minlength=len(names)).astype(np.float64)
        gaps = np.zeros((len(names), len(sums.numbers)))
        np.add.at(gaps, at, found.weights[:, None] * (found.means - sums.mean))
        levels[name] = LevelSums(names, weights, sums.mean + gaps / weights[:, None])
    return levels


def _merge_pairs(
    pairs: Pairs, merged: Mapping[str, tuple[tuple[str, ...], Places]]
) -> dict[tuple[str, str], PairCounts]:
    found = {}
    for (a, b), pair in pairs.items():
        first, second = merged[a][1][pair.first], merged[b][1][pair.second]
        found[a, b] = add_pairs([pair._replace(first=first, second=second)])
    return found
