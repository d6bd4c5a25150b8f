"""One part of a table into sums fold by fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
from numpy.typing import NDArray

from ..data.dealing import DealtPart, Labelled
from ..data.design import Block, Design, join_blocks
from ..data.folds import MOST_FOLDS, Rule, order_labels
from ..data.table import Batch
from ..errors import FoldsError
from .collector import Collector
from .folds import Folds
from .moments import Moments
from .observations import Observations, name_first_nulls
from .patterns import add_many

ENOUGH = 1 << 10
"""Rows wait until there are so many per fold on average: few at a time are slow to add."""

MOST_CELLS = 1 << 22
"""Most numbers and levels that wait."""


class Dealer:
    """Gives each row of a part to the collector of its fold."""

    def __init__(self, design: Design, part: DealtPart, precision: str) -> None:
        self._make: Callable[[Design], Collector] = lambda own: Collector(own, part, precision)
        self._reader = self._make(design)
        self._part, self._filtered = part, 0
        self._folds: dict[str, Collector] = {}
        self._numbers: dict[str, int] = {}
        """The folds that occur, in the order they were met."""
        self._waiting: list[tuple[Block, NDArray[np.int64], NDArray[np.int16]]] = []

    @property
    def design(self) -> Design:
        """What is still read."""
        return self._reader.design

    def add(self, batch: Batch) -> None:
        """The rows of a batch that knows their folds."""
        folds: Labelled = batch.folds  # type: ignore[attr-defined]
        block, rows = self._reader.read(batch)
        taken = folds.codes if block.places is None else folds.codes[block.places]
        if (taken < 0).any():
            row = int(rows[np.argmax(taken < 0)])
            raise FoldsError.null(self._part.columns[0].name, self._part.where, row)
        self._count_filtered(folds, block)
        if block.expansions or (self._waiting and self._waiting[0][0].expansions):
            self._deal_waiting()
        self._waiting.append((block, rows, self._number(folds.labels, taken)))
        held = sum(len(own) for _, own, _ in self._waiting)
        cells = held * (block.table.shape[1] + len(block.codes))
        if held >= ENOUGH * len(self._numbers) or cells >= MOST_CELLS or block.expansions:
            self._deal_waiting()
        else:
            self._waiting[-1] = (block.keep(), *self._waiting[-1][1:])

    def _number(self, labels: Sequence[str], codes: NDArray[np.int32]) -> NDArray[np.int16]:
        """The fold of each row, as its number in ``_numbers``."""
        met = np.flatnonzero(np.bincount(codes, minlength=1))
        at = np.zeros(len(labels), dtype=np.int16)
        for code in met.tolist():
            at[code] = self._numbers.setdefault(labels[code], len(self._numbers))
            if len(self._numbers) > MOST_FOLDS:
                raise FoldsError.too_many(self._part.columns[0].name, MOST_FOLDS)
        return at[codes]

    def _deal_waiting(self) -> None:
        """Each row that waits to the collector of its fold."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        blocks, rows, codes = zip(*waiting, strict=True)
        labels = list(self._numbers)
        joined = join_blocks(blocks), np.concatenate(rows), np.concatenate(codes)
        for number, share, own in _deal(*joined):
            self._find(labels[number]).keep(share, own)
        self._leave_out()

    def pass_over(self, rows: int) -> None:
        """So many rows do not meet the condition, whatever their folds."""
        self._reader.pass_over(rows)
        self._filtered += rows

    def _find(self, label: str) -> Collector:
        if label not in self._folds:
            if len(self._folds) >= MOST_FOLDS:
                raise FoldsError.too_many(self._part.columns[0].name, MOST_FOLDS)
            self._folds[label] = self._make(self._reader.design)
        return self._folds[label]

    def _count_filtered(self, folds: Labelled, block: Block) -> None:
        """Count the rows that do not meet the condition, by fold.

        Those without a fold are counted for the first fold in the end.
        """
        if block.places is None or len(block.places) == len(folds.codes):
            return
        gone = np.ones(len(folds.codes), dtype=bool)
        gone[block.places] = False
        codes = folds.codes[gone]
        self._filtered += int((codes < 0).sum())
        for code, count in enumerate(np.bincount(codes[codes >= 0])):
            if count:
                self._find(folds.labels[code]).pass_over(int(count))

    def _leave_out(self) -> None:
        """A category that proved to be an identifier in one fold is left out of all."""
        read = {*self._reader.design.names}
        gone: dict[str, str] = {}
        for fold in self._folds.values():
            gone |= {n: fold.left_out[n] for n in read - {*fold.design.names}}
        if gone:
            for collector in (self._reader, *self._folds.values()):
                collector.leave_out_too(gone)

    def finish(self) -> Moments:
        """The moments of the part, fold by fold and in all."""
        self._deal_waiting()
        found = {label: self._folds[label].finish() for label in order_labels(self._folds)}
        first = next(iter(found), "")
        if not first:  # no row, or none that met the condition
            return replace(self._reader.finish(), folds=Folds(self._part.rule, {}))
        if self._filtered:
            own = found[first]
            found[first] = replace(own, filtered=own.filtered + self._filtered)
        nulls = [fold.first_nulls for fold in self._folds.values()]
        ranges: dict[str, tuple[float, float]] = reduce(
            Observations.plus, (fold.observed for fold in found.values())
        ).ranges  # type: ignore[assignment]
        observed = Observations(name_first_nulls(nulls, self._part.where), ranges)
        return gather_folds(self._part.rule, found, observed)


def gather_folds(rule: Rule, members: dict[str, Moments], observed: Observations) -> Moments:
    """The moments of all folds together, which keep those of each."""
    left_out = {n: why for fold in members.values() for n, why in fold.left_out.items()}
    kept = {label: fold.without(left_out) if left_out else fold for label, fold in members.items()}
    if any(fold.precision != "exact" for fold in kept.values()):
        total = reduce(add, kept.values())
    else:
        first = next(iter(kept.values()))
        total = replace(
            first,
            patterns=add_many(fold.patterns for fold in kept.values()),
            filtered=sum(fold.filtered for fold in kept.values()),
            rounded=frozenset().union(*(fold.rounded for fold in kept.values())),
        )
    return replace(total, folds=Folds(rule, kept), observed=observed)


def _deal(
    block: Block, rows: NDArray[np.int64], codes: NDArray[np.int16]
) -> Iterator[tuple[int, Block, NDArray[np.int64]]]:
    """For each fold that occurs its rows, in their order, and their numbers."""
    if not len(codes):
        return
    if codes.min() == codes.max():
        yield int(codes[0]), block, rows
        return
    if (codes[1:] < codes[:-1]).any():
        order = np.argsort(codes, kind="stable")
        block, rows, codes = block.pick(order), rows[order], codes[order]
    for a, b in pairwise([0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]):
        yield int(codes[a]), block.pick(slice(a, b)), rows[a:b]
