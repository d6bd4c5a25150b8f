"""Folds that are chosen for a scan: the rule made whole, and the parts that know it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from ..data.dealing import DealtBatch, DealtPart, describe_columns, part_rows, read_times
from ..data.design import Design
from ..data.folds import ByTime, Contiguous, Hashed, Rule
from ..data.table import Column, Kind, Part, Reads, Schema, Source
from ..errors import ColumnKindError, FoldsError
from ..typing import Floats
from .errands import map_parts
from .moments import Moments
from .recollection import Recall, ask_anew

TIMES = 1 << 20
"""Most times that are told apart; of more, those near each other are counted as one."""

FINEST, COARSER = 2.0**-20, 4
"""The smallest step to which times are rounded down, and the factor from one step to the next."""


def deal_parts(
    source: Source,
    parts: Sequence[Part],
    schema: Schema,
    design: Design,
    rule: Rule,
    executor: Executor | None,
    *,
    recall: Recall = ask_anew,
) -> tuple[Rule, list[Part]]:
    """The rule with all that it needs, and the parts of a source, whose rows know their folds.

    ColumnNotFoundError, ColumnKindError for a column that no fold can go by; FoldsError where
    rows have to be counted first, and can be read only once.
    """
    known = {column.name: column for column in schema.columns}
    if isinstance(rule, Hashed):
        names = rule.columns or _list_sources(design)
        found = {name: schema.find(name, "fold") for name in names}
        used = describe_columns(found, names)
        rule = replace(rule, columns=tuple(column.name for column in used))
        return rule, [DealtPart(part, rule, used) for part in parts]
    if isinstance(rule, Contiguous):
        rows = recall("rows", "", lambda: _count_parts(source, parts, design, executor))
        starts = list(accumulate(rows, initial=0))
        return rule, [
            DealtPart(part, rule, (), start, starts[-1])
            for part, start in zip(parts, starts, strict=False)
        ]
    column = schema.find(rule.column, "fold")
    if isinstance(rule, ByTime):
        if column.kind not in (Kind.TIME, Kind.NUMBER):
            raise ColumnKindError.unusable(column.name, column.type_name, column.kind)
        if not rule.edges:
            asked = rule
            found = recall(
                "times", rule, lambda: _find_edges(source, parts, column, asked, executor)
            )
            rule = replace(rule, edges=tuple(found))
    elif column.kind in (Kind.OTHER, Kind.NULL):
        raise ColumnKindError.unusable(column.name, column.type_name, column.kind)
    return rule, [DealtPart(part, rule, (known[rule.column],)) for part in parts]


def _list_sources(design: Design) -> list[str]:
    """The columns of the table that a scan is made of."""
    names = [name for column in design.columns for name in column.sources]
    return list(dict.fromkeys([*names, *filter(None, [design.weights])]))


def _count_parts(
    source: Source, parts: Sequence[Part], design: Design, executor: Executor | None
) -> list[int]:
    """The rows of each part."""
    rows = [part_rows(part) for part in parts]
    if None not in rows:
        return [count for count in rows if count is not None]
    _refuse_single_pass(source)
    return list(map_parts(partial(count_rows, design), parts, executor))


def _refuse_single_pass(source: Any) -> None:
    if getattr(source, "once", False):
        raise FoldsError.unread(source.where)


def count_rows(design: Design, part: Part) -> int:
    """The rows of a part, of which a single column is read: work for an executor."""
    reads = design.reads
    if reads.numbers:
        one = Reads(reads.numbers[:1])
    else:
        one = Reads(categories=reads.categories[:1], times=reads.times[:1])
    return sum(batch.n_rows for batch, _ in part.batches(one))


def _find_edges(
    source: Source,
    parts: Sequence[Part],
    column: Column,
    rule: ByTime,
    executor: Executor | None,
) -> tuple[float, ...]:
    """Where blocks of time begin, so that each has about as many rows; equal times stay together.

    Never more than about a million times are told apart: beyond that they are cut to multiples
    of a power of two, the same whatever the order they come in.
    """
    _refuse_single_pass(source)
    work = partial(count_times, column)
    total = _Times(np.zeros(0), np.zeros(0, dtype=np.int64))
    for found in map_parts(work, parts, executor):
        total = total.plus(found)
    if not len(total.values):
        raise FoldsError.empty(list(rule.labels), str(rule), "the table")
    ends = np.cumsum(total.counts)
    due = ends[-1] * np.arange(1, rule.count) / rule.count
    after = np.searchsorted(ends, due - 0.5, side="left") + 1
    if (np.diff(after, prepend=0) < 1).any() or after[-1] >= len(total.values):
        few = len(total.values)
        raise FoldsError.few_times(column.name, few, rule.count)
    return tuple(float(value) for value in total.values[after])


class _Times:
    """How often each of some times occurs; times in order, shape (m,)."""

    def __init__(self, values: Floats, counts: Any, step: float = 0.0) -> None:
        self.values, self.counts, self._step = values, counts, step

    def plus(self, other: _Times) -> _Times:
        step = max(self._step, other._step)
        values = np.concatenate([_cut(self.values, step), _cut(other.values, step)])
        counts = np.concatenate([self.counts, other.counts])
        while True:
            unique, at = np.unique(values, return_inverse=True)
            if len(unique) <= TIMES:
                sums = np.zeros(len(unique), dtype=np.int64)
                np.add.at(sums, at, counts)
                return _Times(unique, sums, step)
            step = max(FINEST, COARSER * step)
            values = _cut(values, step)


def _cut(values: Floats, step: float) -> Floats:
    return np.asarray(np.floor(values / step) * step) if step else values


def count_times(column: Column, part: Part) -> _Times:
    """How often each time occurs in a part: work for an executor."""
    own = (column.name,)
    reads = Reads(own) if column.kind is Kind.NUMBER else Reads(times=own)
    total = _Times(np.zeros(0), np.zeros(0, dtype=np.int64))
    for batch, _ in part.batches(reads):
        if batch.n_rows:
            values = read_times(DealtBatch(batch, reads.numbers), column)
            unique, counts = np.unique(values[np.isfinite(values)], return_counts=True)
            total = total.plus(_Times(unique, counts))
    return total


def check_folds(moments: Moments, *, fresh: bool) -> Moments:
    """The moments of a finished scan, in which each fold has its name in messages.

    FoldsError for one without a row, where the rule is fresh; an old one follows another scan.
    """
    folds = moments.folds
    assert folds is not None
    taken = [label for label, fold in folds.items() if fold.n_read > fold.filtered]
    missing = [label for label in folds.rule.labels if label not in taken]
    if missing and fresh:
        raise FoldsError.empty(missing, str(folds.rule), moments.where)
    named = {n: replace(m, where=f"fold '{n}' of {moments.where}") for n, m in folds.items()}
    return replace(moments, folds=replace(folds, members=named))
