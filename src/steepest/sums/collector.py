"""One part of a table, row by row, into sums: split by null pattern, weighed, checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.design import LEVELS_UNASKED, Block, Design, join_blocks
from ..data.expansions import LARGEST_WHOLE
from ..data.pruning import is_out_of_reach
from ..data.table import Batch, Kind, Part, beneath, tell_infinite
from ..data.wholes import rounds
from ..errors import MomentsError, ValueFoundError
from ..typing import Floats
from .double import Accumulator
from .executors import one_blas_thread
from .kernel import Ends, check_arithmetic, find_ends, reaches
from .moments import Moments
from .observations import Observations, name_first_nulls
from .patterns import count_levels, find_patterns
from .pieces import ExactAccumulator

PRECISIONS: dict[str, Any] = {"double": Accumulator, "exact": ExactAccumulator}
"""What adds blocks of rows up, by the precision asked for."""

PATTERNS = 256
"""Most combinations of null columns that a scan keeps apart; more are refused."""

MANY = 512
"""From so many number columns on, rows are collected and added many at a time: updating
the k × k sums costs more than reading a few rows."""

SHARE = 8
"""Rows wait until there are k / 8 of them for k columns: an eighth of the memory of their sums."""

Watch = Callable[[Part, int, float], None]
"""Called with a part, how many more of its rows were read, and the share of it that is read now."""


def join(a: Moments, b: Moments, design: Design) -> Moments:
    """The sum of both, without columns that either side left out, or that have too many levels now.

    MomentsError for too many null patterns, or levels of a category that was asked for.
    """
    if both := {**a.left_out, **b.left_out}:
        a, b = (side.without(both) if side.columns else side for side in (a, b))
    total = a + b
    if len(total.patterns) > PATTERNS:
        names = sorted(set().union(*total.patterns), key=[*total.names, total.weights].index)
        raise MomentsError.too_many_patterns(len(total.patterns), names)
    crowded = find_crowded(total, design.optional)
    total = total.without(crowded) if crowded else total
    for name in total.categories:
        check_levels(name, count_levels(total.patterns, name), design)
    return total


def find_crowded(moments: Moments, optional: Iterable[str]) -> dict[str, str]:
    """Categories that nobody asked for by name and that have too many levels, with the reason."""
    names = [name for name in optional if name in moments.categories]
    counts = {name: count_levels(moments.patterns, name) for name in names}
    reason = f"it has over {LEVELS_UNASKED:,} levels"
    return {name: reason for name, levels in counts.items() if levels > LEVELS_UNASKED}


def check_levels(name: str, levels: int, design: Design) -> None:
    """MomentsError for more levels than a scan takes."""
    if levels > design.max_levels:
        raise MomentsError.too_many_levels(name, levels, design.max_levels, len(design.numbers))


def collect(
    design: Design,
    precision: str,
    part: Any,
    watch: Watch | None = None,
    kind: Callable[[Design, Any, str], Any] | None = None,
) -> Moments:
    """The moments of one part: the work that an executor is given."""
    if precision == "exact":
        check_arithmetic()  # of this thread
    collector = (kind or Collector)(design, part, precision)
    # In this process the scan has seen to BLAS for all its threads.
    with one_blas_thread() if watch is None else nullcontext(), np.errstate(all="ignore"):
        reads = design.reads
        if is_out_of_reach(part, design.where):
            collector.pass_over(part.known_rows)
            if watch:
                watch(part, part.known_rows, 1.0)
            return collector.finish()
        dropped, fraction, rounded = 0, 0.0, frozenset[str]()
        for batch, fraction in part.batches(reads):
            dropped += beneath(batch, "dropped", 0)
            if design.weights and not rounded and rounds(batch, design.weights):
                rounded = frozenset({design.weights})
            if batch.n_rows:
                collector.add(batch)
            if watch:
                watch(part, batch.n_rows, fraction)
        if watch and part.size and fraction < 1.0:
            watch(part, 0, 1.0)
        found: Moments = collector.finish()
    if dropped:
        found = replace(found, observed=replace(found.observed, dropped=dropped))
    return replace(found, rounded=found.rounded | rounded) if rounded else found


class Collector:
    """Splits blocks by null pattern, and drops categories that prove to be identifiers."""

    def __init__(self, design: Design, part: Part, precision: str) -> None:
        self.design, self._part = design, part
        self._row = part.first_row
        self._patterns: dict[frozenset[str], Any] = {}
        self._total = Moments.zero()
        self._rounded: set[str] = set()
        self.first_nulls: dict[str, int] = {}
        """The first row in which each column is null."""
        self._filtered = 0
        self._low = np.full(len(design.numbers), np.inf)
        self._high = np.full(len(design.numbers), -np.inf)
        self._nulls_expected = False
        self._precision = precision
        self._accumulators = PRECISIONS[precision]
        self._waits = precision == "double" and len(design.numbers) >= MANY
        self._waiting: list[tuple[Block, NDArray[np.int64]]] = []
        numbers = [c for c in design.columns if c.kind is Kind.NUMBER]
        self._whole = [
            i
            for i, c in enumerate(numbers)
            if c.type_name in ("int64", "uint64") or c.type_name.startswith("decimal")
        ]

    def add(self, batch: Batch) -> None:
        block, rows = self.read(batch)
        self._filtered += batch.n_rows - len(rows)
        self.keep(block, rows)

    def read(self, batch: Batch) -> tuple[Block, NDArray[np.int64]]:
        """The rows of a batch that meet the condition, and their row numbers."""
        exact = self._precision == "exact"
        where, row = self._part.where, self._row
        block = self.design.block(batch, where, row, exact=exact)
        self._row += batch.n_rows
        if block.places is None:
            return block, np.arange(row, self._row)
        return block, row + block.places

    def keep(self, block: Block, rows: NDArray[np.int64]) -> None:
        """Add rows that are taken, many at a time where there are many columns."""
        if not self._waits:
            self._keep(block, rows)
            return
        self._waiting.append((block.keep(), rows))
        if sum(len(own) for _, own in self._waiting) >= len(self.design.numbers) // SHARE:
            self._keep_waiting()

    def _keep_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            blocks, rows = zip(*waiting, strict=True)
            self._keep(join_blocks(blocks), np.concatenate(rows))

    def _keep(self, block: Block, rows: NDArray[np.int64]) -> None:
        if block.weights is not None:
            self._check_weights(block.weights, rows)
            counted = np.flatnonzero(block.weights != 0)
            if counted.size < len(rows):  # as if they were not there
                every = range(len(self.design.numbers)), range(len(self.design.categories))
                block, rows = block.take(counted, *every), rows[counted]
        if not len(rows):
            return
        if block.rounded is not None:
            self._rounded |= block.rounded
        elif self._whole and reaches(block.table, LARGEST_WHOLE):
            self._find_rounded(block)
        clean = not self._nulls_expected and all(own.min(initial=0) >= 0 for own, _ in block.codes)
        clean = clean and (block.weights is None or bool((block.weights > 0).all()))
        digest = self._accumulators.digest(block) if clean else None
        if digest is not None:
            self._measure(digest.ends)
            self._accumulator(frozenset()).add(block, digest)
        else:
            self._measure(find_ends(block.table)[0])
            self._split(block, rows)
        self._leave_out_identifiers()

    def pass_over(self, rows: int) -> None:
        """Count rows that are known not to meet the condition, and so were not read."""
        self._row += rows
        self._filtered += rows

    def _measure(self, ends: Ends) -> None:
        """The smallest and largest value of each column."""
        np.minimum(self._low, ends.low, out=self._low)
        np.maximum(self._high, ends.high, out=self._high)

    def _find_ranges(self) -> dict[str, tuple[float, float]]:
        ends = zip(self.design.numbers, self._low, self._high, strict=True)
        return {name: (float(low), float(high)) for name, low, high in ends if low <= high}

    def _find_rounded(self, block: Block) -> None:
        """Note the columns in which whole numbers beyond 2⁵³ were rounded to doubles."""
        for i in self._whole:
            if i not in block.expansions and (np.abs(block.numbers[:, i]) >= LARGEST_WHOLE).any():
                self._rounded.add(self.design.numbers[i])

    def _check_weights(self, weights: Floats, rows: NDArray[np.int64]) -> None:
        """ValueFoundError for what is no weight."""
        frequency = self.design.weight_kind == "frequency"
        bad = (weights < 0) | np.isinf(weights)
        if frequency:
            bad |= (weights != np.floor(weights)) | (weights > LARGEST_WHOLE)
            bad &= ~np.isnan(weights)
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            refuse = ValueFoundError.weight
            if frequency and 0 <= weights[i] < np.inf:
                refuse = ValueFoundError.frequency
            raise refuse(float(weights[i]), self.design.weights, self._part.where, int(rows[i]))

    def _split(self, block: Block, places: NDArray[np.int64]) -> None:
        """A block with nulls, or with infinities to be found."""
        infinite = np.argwhere(np.isinf(block.numbers))
        if infinite.size:
            i, column = (int(place) for place in infinite[0])
            name, row = self.design.numbers[column], int(places[i])
            raise tell_infinite(self._part, float(block.numbers[i, column]), name, row)
        null = np.isnan(block.numbers)
        missing = {name: null[:, j] for j, name in enumerate(self.design.numbers)}
        for name, (own, _) in zip(self.design.categories, block.codes, strict=True):
            missing[name] = own < 0
        if block.weights is not None:
            missing[self.design.weights] = np.isnan(block.weights)
        missing = {name: mask for name, mask in missing.items() if mask.any()}
        for name in missing.keys() - self.first_nulls.keys():
            self.first_nulls[name] = int(places[np.argmax(missing[name])])
        self._nulls_expected = bool(missing)
        for names, rows in find_patterns(missing, len(block.numbers)):
            kept = [j for j, name in enumerate(self.design.numbers) if name not in names]
            coded = [j for j, name in enumerate(self.design.categories) if name not in names]
            piece = block.take(rows, kept, coded)
            if self.design.weights in names:  # a null is no weight: such rows are only counted
                piece = piece._replace(weights=None)
            digest = self._accumulators.digest(piece)
            if digest is None:
                with np.errstate(all="ignore"):
                    over = ~np.isfinite(np.square(piece.numbers).sum(axis=0))
                too_large = [self.design.numbers[kept[j]] for j in np.flatnonzero(over)]
                # Where no column is too large, its weight made it so.
                too_large = too_large or [self.design.weights]
                raise ValueFoundError.overflow(too_large, self._part.where)
            self._accumulator(names).add(piece, digest)

    def _accumulator(self, null: frozenset[str]) -> Any:
        if null not in self._patterns:
            if len(self._patterns) >= PATTERNS:
                names = set().union(*self._patterns, null)
                raise MomentsError.too_many_patterns(PATTERNS + 1, sorted(names))
            self._patterns[null] = self._accumulators(
                [name for name in self.design.numbers if name not in null],
                [name for name in self.design.categories if name not in null],
                "" if self.design.weights in null else self.design.weight_kind,
            )
        return self._patterns[null]

    def _leave_out_identifiers(self) -> None:
        sizes = [
            (name, size)
            for accumulator in self._patterns.values()
            for name, size in zip(accumulator.met.categories, accumulator.met.sizes, strict=True)
        ]
        for name, size in sizes:
            check_levels(name, size, self.design)
        crowded = {
            name for name, size in sizes if size > LEVELS_UNASKED and name in self.design.optional
        }
        if crowded:
            self.leave_out(crowded)

    def leave_out(self, names: Collection[str]) -> None:
        """Go on without some columns."""
        self._close()
        kept = tuple(c for c in self.design.columns if c.name not in names)
        self.design = replace(self.design, columns=kept)

    def leave_out_too(self, reasons: Mapping[str, str]) -> None:
        """Do without columns that others had to leave out."""
        if not {*reasons}.isdisjoint(self.design.names):
            self.leave_out(reasons)
            self._total = self._total.without(reasons) if self._total.columns else self._total

    @property
    def left_out(self) -> Mapping[str, str]:
        """What was left out so far, with the reason."""
        return self._total.left_out

    def _close(self) -> None:
        self._keep_waiting()
        if self._patterns:
            found = Moments(
                self.design.columns,
                {null: accumulator.finish() for null, accumulator in self._patterns.items()},
                left_out=self.design.left_out,
                precision=self._precision,
                weights=self.design.weights,
                weight_kind=self.design.weight_kind,
            )
            self._total = join(self._total, found, self.design)
            self._patterns = {}

    def finish(self) -> Moments:
        self._close()
        total = self._total
        if self._filtered and not total.columns:  # none was taken
            total = replace(
                total,
                columns=self.design.columns,
                precision=self._precision,
                weights=self.design.weights,
                weight_kind=self.design.weight_kind,
            )
        return replace(
            total,
            rounded=frozenset(self._rounded),
            observed=Observations(
                name_first_nulls([self.first_nulls], self._part.where), self._find_ranges()
            ),
            condition=self.design.where if total.columns else "",
            filtered=self._filtered,
        )
