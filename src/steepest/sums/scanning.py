"""One pass over a table: the sum over its parts, mapped by an executor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.design import LEVELS_UNASKED, Block, Design, choose_columns, name_columns
from ..data.open import open_source
from ..data.table import Part, Source
from ..errors import EmptySourceError, MomentsError, OptionError, ValueFoundError
from ..typing import Codes, OnProgress, Progress
from .double import Accumulator
from .exact import ExactAccumulator
from .executors import map_parts, one_blas_thread, runs_here
from .moments import PATTERNS, Moments

PRECISIONS: dict[str, Any] = {"double": Accumulator, "exact": ExactAccumulator}
"""How sums are made: what is given blocks of rows, and finishes as their sums."""

LARGEST_WHOLE = 2.0**53
"""Up to here doubles hold every integer."""


def scan(
    source: Any,
    *,
    columns: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    precision: str = "double",
    executor: Executor | None = None,
    on_progress: OnProgress | None = None,
) -> Moments:
    """Read a table once and keep the sums that a linear model needs.

    The result is enough for every squared-error fit of any scanned column on any others, with
    any penalty; the rows are not needed again.  Scans of disjoint rows add.

    Parameters
    ----------
    source : path, glob, list of paths, array, dict of arrays, DataFrame or Arrow table
        Read front to back once, in parts where it has them.
    columns : sequence of str, optional
        Columns to keep.  Default: all numbers, booleans and text; columns of other kinds, and
        text of more than 1,000 levels, are left out, with the reason in ``left_out``.
    names : sequence of str, optional
        Names of the columns of a bare two-dimensional array.
    precision : {"double", "exact"}, optional
        ``"exact"`` never rounds a sum: the same rows give the same bits in any order and any
        split, and moments subtract.  It takes some ten times as long.
    executor : concurrent.futures.Executor, optional
        Maps the parts.  Default: threads, one a core.  Never changes a bit.
    on_progress : callable, optional
        Called with a :class:`~steepest.typing.Progress` as rows come in.

    Returns
    -------
    Moments
        With k number columns: ``n_rows`` (rows without nulls), ``mean`` (k,), ``scatter``
        (k, k), each in the units of the columns, and the blocks of the categories.

    Raises
    ------
    SourceError, SourceNotFoundError, EmptySourceError
        Something that cannot be read, or has no rows.
    ColumnNotFoundError, ColumnNameError, ColumnKindError
        A column asked for is not there, stands twice, or cannot be used.
    ValueFoundError
        A cell is ±inf; says the column and the row.

    Notes
    -----
    One pass, O(n k²) time; memory O(k²) and a few batches of 4 MB, whatever the length.

    Examples
    --------
    >>> import numpy as np
    >>> moments = scan(np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]), names=["x", "y"])
    >>> moments.mean
    array([2., 4.])
    >>> moments.names
    ('x', 'y')
    """
    named = None if columns is None else name_columns(columns)
    return scan_source(
        open_source(source, names),
        named,
        precision=precision,
        executor=executor,
        on_progress=on_progress,
    )


def scan_source(
    source: Source,
    named: Mapping[str, str] | None,
    *,
    precision: str = "double",
    executor: Executor | None = None,
    on_progress: OnProgress | None = None,
) -> Moments:
    """The moments of a source's columns: those named, each with its role, or all that serve."""
    if precision not in PRECISIONS:
        raise OptionError.unknown("precision", precision, list(PRECISIONS))
    schema = source.schema(None if named is None else list(named))
    design = choose_columns(schema, named)
    parts = list(source.parts())
    watch = _Watch(parts, on_progress)
    here = runs_here(executor)
    work: Callable[[Part], Moments] = partial(
        collect, design, precision, watch=watch if here else None
    )
    tree = _PairwiseSum(design.optional)
    results = map_parts(work, parts, executor)
    try:
        with one_blas_thread() if here else nullcontext():
            for part, moments in zip(parts, results, strict=True):
                tree.add(moments)
                if not here:
                    watch(part, moments.n_read, 1.0)
    except BaseException:
        watch.stopped = True
        raise
    total = tree.total()
    if not total.n_read:
        raise EmptySourceError.no_rows(schema.where)
    for sums in total.patterns.values():
        sums.refuse_out_of_range(schema.where)
    return replace(total, where=schema.where)


class _Watch:
    """Adds up what the parts report, and stops workers of this process when the scan stops."""

    def __init__(self, parts: Sequence[Part], on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._size = sum(part.size for part in parts)
        self._rows, self._done = 0, 0.0
        self._fractions: dict[int, float] = {}
        self.stopped = False

    def __call__(self, part: Part, rows: int, fraction: float) -> None:
        """So many more rows of a part are read, which makes this share of it."""
        if self.stopped:
            raise InterruptedError("the scan was stopped")
        if self._on_progress is None:
            return
        with self._lock:
            self._rows += rows
            self._done += part.size * (fraction - self._fractions.get(id(part), 0.0))
            self._fractions[id(part)] = fraction
            share = min(self._done / self._size, 1.0) if self._size else None
            self._on_progress(Progress(self._rows, share))


class _PairwiseSum:
    """Adds parts up as a tree over their order, so that the shape of the sum is always the same."""

    def __init__(self, optional: Iterable[str]) -> None:
        self._optional = frozenset(optional)
        self._stack: list[tuple[int, Moments]] = []

    def add(self, moments: Moments) -> None:
        height = 0
        while self._stack and self._stack[-1][0] == height:
            moments = join(self._stack.pop()[1], moments, self._optional)
            height += 1
        self._stack.append((height, moments))

    def total(self) -> Moments:
        total = Moments.zero()
        for _, moments in reversed(self._stack):
            total = join(moments, total, self._optional)
        return total


def join(a: Moments, b: Moments, optional: frozenset[str]) -> Moments:
    """The sum, after leaving out what either left out and what grew too many levels."""
    both = {**a.left_out, **b.left_out}
    total = (a.without(both) if a.columns else a) + (b.without(both) if b.columns else b)
    crowded = total.crowded(optional)
    return total.without(crowded) if crowded else total


def collect(design: Design, precision: str, part: Part, watch: _Watch | None = None) -> Moments:
    """The moments of one part: the work that an executor is given."""
    collector = _Collector(design, part, precision)
    # In this process the scan has seen to BLAS for all its threads.
    with one_blas_thread() if watch is None else nullcontext(), np.errstate(all="ignore"):
        for batch, fraction in part.batches(design.numbers, design.categories):
            if batch.n_rows:
                collector.add(collector.design.block(batch))
            if watch:
                watch(part, batch.n_rows, fraction)
    return collector.finish()


@dataclass
class _Run:
    """The accumulators of a design that did not change, one for each null pattern."""

    design: Design
    patterns: dict[frozenset[str], Accumulator]


class _Collector:
    """Splits blocks by null pattern, and drops categories that prove to be identifiers."""

    def __init__(self, design: Design, part: Part, precision: str) -> None:
        self.design, self._part = design, part
        self._row = part.first_row
        self._patterns: dict[frozenset[str], Any] = {}
        self._total = Moments.zero()
        self._rounded: set[str] = set()
        self._nulls_expected = False
        self._precision = precision
        self._accumulators = PRECISIONS[precision]
        self._whole = [
            i
            for i, c in enumerate(c for c in design.columns if c.name in design.numbers)
            if c.type_name in ("int64", "uint64") or c.type_name.startswith("decimal")
        ]

    def add(self, block: Block) -> None:
        for i in self._whole:
            if (np.abs(block.numbers[:, i]) >= LARGEST_WHOLE).any():
                self._rounded.add(self.design.numbers[i])
        clean = not self._nulls_expected and all(own.min() >= 0 for own, _ in block.codes)
        digest = self._accumulators.digest(block.numbers) if clean else None
        if digest is not None:
            self._accumulator(frozenset()).add(block.numbers, block.codes, digest)
        else:
            self._split(block)
        self._row += len(block.numbers)
        self._leave_out_identifiers()

    def _split(self, block: Block) -> None:
        """A block with nulls, or with infinities to be found."""
        infinite = np.argwhere(np.isinf(block.numbers))
        if infinite.size:
            row, column = (int(i) for i in infinite[0])
            raise ValueFoundError.infinite(
                float(block.numbers[row, column]),
                self.design.numbers[column],
                self._part.where,
                self._row + row,
            )
        null = np.isnan(block.numbers)
        missing = {name: null[:, j] for j, name in enumerate(self.design.numbers)}
        for name, (own, _) in zip(self.design.categories, block.codes, strict=True):
            missing[name] = own < 0
        missing = {name: mask for name, mask in missing.items() if mask.any()}
        self._nulls_expected = bool(missing)
        for names, rows in _patterns(missing, len(block.numbers)):
            kept = [j for j, name in enumerate(self.design.numbers) if name not in names]
            numbers = np.ascontiguousarray(block.numbers.T[kept][:, rows]).T
            codes: list[tuple[Codes, Sequence[str]]] = [
                (own[rows], levels)
                for name, (own, levels) in zip(self.design.categories, block.codes, strict=True)
                if name not in names
            ]
            digest = self._accumulators.digest(numbers)
            if digest is None:
                with np.errstate(all="ignore"):
                    over = ~np.isfinite(np.square(numbers).sum(axis=0))
                too_large = [self.design.numbers[kept[j]] for j in np.flatnonzero(over)]
                raise ValueFoundError.overflow(too_large, self._part.where)
            self._accumulator(names).add(numbers, codes, digest)

    def _accumulator(self, null: frozenset[str]) -> Any:
        if null not in self._patterns:
            if len(self._patterns) >= PATTERNS:
                names = set().union(*self._patterns, null)
                raise MomentsError.too_many_patterns(PATTERNS + 1, sorted(names))
            self._patterns[null] = self._accumulators(
                [name for name in self.design.numbers if name not in null],
                [name for name in self.design.categories if name not in null],
            )
        return self._patterns[null]

    def _leave_out_identifiers(self) -> None:
        crowded = {
            name
            for accumulator in self._patterns.values()
            for name, size in zip(accumulator.met.categories, accumulator.met.sizes, strict=True)
            if size > LEVELS_UNASKED and name in self.design.optional
        }
        if crowded:
            self._close()
            kept = tuple(c for c in self.design.columns if c.name not in crowded)
            self.design = replace(self.design, columns=kept)

    def _close(self) -> None:
        if self._patterns:
            found = Moments(
                self.design.columns,
                {null: accumulator.finish() for null, accumulator in self._patterns.items()},
                self.design.left_out,
                precision=self._precision,
            )
            self._total = join(self._total, found, self.design.optional)
            self._patterns = {}

    def finish(self) -> Moments:
        self._close()
        return replace(self._total, rounded=frozenset(self._rounded))


def _patterns(
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
