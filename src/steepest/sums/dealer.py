"""One part of a table into sums fold by fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.dealing import DealtPart, Labelled
from ..data.design import Block, Design
from ..data.folds import MOST_FOLDS, Rule, order_labels
from ..data.table import Batch
from ..errors import FoldsError
from .collector import Collector, name_first_nulls
from .folds import Folds
from .moments import Moments
from .observations import Observations


class Dealer:
    """Gives each row of a part to the collector of its fold."""

    def __init__(self, design: Design, part: DealtPart, precision: str) -> None:
        self._make: Callable[[Design], Collector] = lambda own: Collector(own, part, precision)
        self._reader = self._make(design)
        self._part, self._filtered = part, 0
        self._folds: dict[str, Collector] = {}

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
        for label, share, own in _deal(block, rows, folds.labels, taken):
            self._find(label).keep(share, own)
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
        """Rows that were not taken, by fold; those of none go to the first in the end."""
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
    total = reduce(lambda a, b: a + b, kept.values())
    return replace(total, folds=Folds(rule, kept), observed=observed)


def _deal(
    block: Block, rows: NDArray[np.int64], labels: Sequence[str], codes: NDArray[np.int32]
) -> Iterator[tuple[str, Block, NDArray[np.int64]]]:
    """For each fold that occurs its rows, in their order, and their numbers."""
    if not len(codes):
        return
    if codes.min() == codes.max():
        yield labels[codes[0]], block, rows
        return
    risen = bool((codes[1:] >= codes[:-1]).all())
    order: Any = None if risen else np.argsort(codes, kind="stable")
    ordered = codes if risen else codes[order]
    starts = [0, *(np.flatnonzero(np.diff(ordered)) + 1).tolist(), len(ordered)]
    for a, b in pairwise(starts):
        at = slice(a, b) if risen else order[a:b]
        yield labels[ordered[a]], block.pick(at), rows[at]
