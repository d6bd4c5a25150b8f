"""One pass over a table: the sum over its parts, mapped by an executor."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing, nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from ..data.choice import Wanted, choose_columns, name_columns
from ..data.design import MOST_LEVELS
from ..data.folds import Rule, list_columns, read_folds
from ..data.formula import parse_formula
from ..data.onlooker import looked_on
from ..data.open import open_source
from ..data.table import Part, Source, allow_mixed, count_numbers, remarks_of
from ..errors import EmptySourceError, OptionError, OutputError, SteepestWarning, TooLargeError
from ..machine import find_memory, release_memory
from ..typing import OnProgress
from .booleans import as_numbers, restore_booleans
from .checkpoints import Checkpoint, keeping, name_settings
from .collector import PRECISIONS, collect
from .dealer import Dealer
from .double import Sums
from .errands import map_parts
from .executors import choose_executor, one_blas_thread, runs_here
from .folding import check_folds, deal_parts
from .knots import place_knots
from .ledger import Entry, Ledger
from .moments import Moments
from .observations import note_dropped
from .recollection import ask_anew
from .tree import PairwiseSum
from .watch import Watch

COPIES = {"double": 5, "exact": 40}
"""How much memory a pair of columns takes at the height of a scan, in doubles."""

EXACT_COLUMNS = 100
"""Columns of numbers up to which sums are exact unless asked otherwise."""


def scan(
    source: Any,
    *,
    columns: Sequence[str] | None = None,
    formula: str | None = None,
    weights: str | None = None,
    weight_kind: str = "analytic",
    where: str | None = None,
    max_levels: int = MOST_LEVELS,
    names: Sequence[str] | None = None,
    folds: int | str | Rule | None = None,
    seed: int = 0,
    precision: str | None = None,
    executor: Executor | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    on_progress: OnProgress | None = None,
) -> Moments:
    """Read a table once and keep the sums that a linear model needs.

    The result is enough for every squared-error fit of any scanned column on any others, with
    any penalty; the rows are not needed again.  Scans of disjoint rows add.

    Parameters
    ----------
    source : path, glob, folder, list of these, array, dict of arrays, DataFrame or Arrow table
        Read front to back once, in parts where it has them.  Also readers, iterators of tables,
        relations, loaders, sparse matrices: the docs have the whole list.
    columns : sequence of str, optional
        Columns to keep.  Default: all numbers, booleans and text; columns of other kinds, and
        text of more than 1,000 levels, are left out, with the reason in ``left_out``.
    formula : str, optional
        Instead of ``columns``, what a fit will ask for: ``"y ~ area + C(city) + log(age)"``; the
        docs have the whole grammar.  What is made of columns is formed row by row, powers and
        products exactly, and is a column named as the formula has it.
    weights : str, optional
        The column that says how much each row counts, at least 0; 0 is as if the row were not
        there.  A row whose weight is null is dropped.
    weight_kind : {"analytic", "frequency"}, optional
        Whether a row of weight 3 is one row that counts three times as much, or three rows.
    where : str, optional
        Which rows to take: ``"area > 10 and city in ('Oslo', 'Bergen')"``.  The others are
        counted.  A comparison with a null does not hold.
    max_levels : int, optional
        Levels that a category may have, at the most; a million by default.
    names : sequence of str, optional
        Names of the columns of a bare two-dimensional array, or of text without a header.
    folds : int or str, optional
        Keep the sums of each fold too, in ``Moments.folds``, for :func:`steepest.study`.  ``5``
        deals rows by a hash of their values and ``seed``: equal rows share a fold, whatever the
        order, the split or the format.  ``"contiguous:5"`` cuts the table, ``"time:when:5"``
        makes blocks of a column of times, and ``"region"`` or ``"column:region"`` makes each
        value of a column a fold.  ``moments.folds.rule`` deals as another scan did.
    seed : int, optional
        Other seeds give other folds by hash.
    precision : {"double", "exact"}, optional
        ``"exact"`` never rounds a sum: the same rows give the same bits in any order and any
        split, and moments subtract.  Default: exact up to 100 columns of numbers, where it is
        fast enough to be worth it; ``Moments.precision_reason`` says why.
    executor : concurrent.futures.Executor, optional
        Maps the parts.  Default: threads, one a core.  Never changes a bit.
    checkpoint : path, optional
        A file that keeps the sums of the parts that are done, while the scan runs.  After a crash
        the same scan goes on from there and ends in the same bits; a file that has changed since,
        or other columns, are refused.  Removed when the scan is done.  For files and databases.
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
        A cell is ±inf, or has no logarithm that was asked for; says the column and the row.
    FormulaError
        A formula or a condition that cannot be read.
    MomentsError
        More levels than ``max_levels``.
    CheckpointError
        A checkpoint of another scan, or a damaged one; a table in no file.
    FoldsError
        A fold without rows, a null in the column that says the fold.

    Warns
    -----
    SteepestWarning
        Folds whose rows are over a fifth from their due.

    Notes
    -----
    One pass, O(n k²) time; memory O(k²) and a few batches of 16 MB, whatever the length.

    Examples
    --------
    >>> import numpy as np
    >>> moments = scan(np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]), names=["x", "y"])
    >>> moments.mean
    array([2., 4.])
    >>> moments.names
    ('x', 'y')
    """
    with keeping(checkpoint) as kept:
        moments = scan_source(
            open_source(source, names),
            _read_wanted(columns, formula, weights, weight_kind, where, max_levels),
            folds=read_folds(folds, seed),
            precision=precision,
            executor=executor,
            checkpoint=kept,
            on_progress=on_progress,
        )
    own = moments.folds if isinstance(folds, int | str) else None
    for note in own.notes if own else ():
        warnings.warn(note, SteepestWarning, stacklevel=2)
    return moments


def _read_wanted(
    columns: Sequence[str] | None,
    formula: str | None,
    weights: str | None,
    weight_kind: str,
    where: str | None,
    max_levels: int,
) -> Wanted:
    wanted = Wanted.of(weights, weight_kind, where, max_levels)
    if formula is None:
        return replace(wanted, named=None if columns is None else name_columns(columns))
    if columns is not None:
        raise OptionError.beside("formula", "columns")
    found = parse_formula(formula)
    return replace(wanted, terms=found.terms, target=found.target, offset=found.offset)


def choose_precision(precision: str | None, columns: int) -> tuple[str, str]:
    """How to add a table of so many columns of numbers, and why."""
    if precision is not None:
        if precision not in PRECISIONS:
            raise OptionError.unknown("precision", precision, list(PRECISIONS))
        return precision, "as asked"
    if columns <= EXACT_COLUMNS:
        return "exact", f"the default up to {EXACT_COLUMNS} columns of numbers and booleans"
    return "double", (
        f"{columns:,} columns of numbers and booleans are more than the {EXACT_COLUMNS} up to "
        "which exact sums are the default"
    )


def scan_source(
    source: Source,
    wanted: Wanted,
    *,
    folds: Rule | None = None,
    precision: str | None = None,
    executor: Executor | None = None,
    checkpoint: Checkpoint | None = None,
    settings: Mapping[str, str] | None = None,
    on_progress: OnProgress | None = None,
) -> Moments:
    """The moments of a source's columns: those named, each with its role, or all that serve.

    ``settings``: what else makes the scan the same one, for its checkpoint.
    """
    choose_precision(precision, 0)
    source = allow_mixed(source, wanted.categories)
    refuse_too_wide(source, wanted, precision)
    schema = source.schema(list_columns(wanted.sources, folds))
    executor = choose_executor(source, executor)
    here = runs_here(executor)
    watching = partial(Watch, on_progress=on_progress) if here else None
    with looked_on(on_progress):
        parts: list[Part] = list(source.parts())
    if checkpoint is not None:
        checkpoint.open(parts, schema.where)
    recall = checkpoint.recall if checkpoint else ask_anew
    wanted, remarks = place_knots(
        source, schema, wanted, executor, parts=parts, watching=watching, recall=recall
    )
    asked = choose_columns(schema, wanted)
    design = as_numbers(asked)
    chosen, reason = choose_precision(precision, len(design.numbers))
    refuse_too_many(len(design.numbers), chosen)
    fresh = folds is not None and folds.fresh
    if folds is not None:
        folds, parts = deal_parts(source, parts, schema, design, folds, executor, recall=recall)
    tree = PairwiseSum(design)
    if checkpoint is not None:
        named = {**name_settings(design, chosen, folds), **(settings or {})}
        tree = checkpoint.resume(named, design)
    watch = Watch(parts, on_progress, tree.n_parts, tree.n_read)
    work: Callable[[Part], Moments] = partial(
        collect, design, chosen, watch=watch if here else None, kind=Dealer if folds else None
    )
    left = parts[tree.n_parts :]
    try:
        results = map_parts(work, left, executor, by_kernel=chosen == "double")
        _add_up(tree, left, results, watch, checkpoint, here=here)
    finally:  # they may hold a state of a database, longer than an error is kept
        parts.clear()
        left.clear()
        release_memory()
    total = restore_booleans(tree.total(), asked.columns)
    _refuse_nothing(total, schema.where, design.weights)
    if total.folds is not None:
        total = check_folds(replace(total, where=schema.where), fresh=fresh)
    for sums in total.patterns.values():
        if isinstance(sums, Sums):  # exact ones have no range to leave
            sums.refuse_out_of_range(schema.where)
    ledger = Ledger((Entry("", schema.where, total.n_read),))
    remarks = (
        *remarks,
        *remarks_of(source, design.reads),
        *note_dropped(total.observed.dropped),
    )
    return replace(
        total, where=schema.where, precision_reason=reason, ledger=ledger, remarks=remarks
    )


def refuse_too_wide(source: Source, wanted: Wanted, precision: str | None) -> None:
    """TooLargeError for what the first row shows to be too many; to know the kinds takes longer."""
    if wanted.terms is None:
        columns = count_numbers(source, wanted.sources)
        refuse_too_many(columns, choose_precision(precision, columns)[0])


def _add_up(
    tree: PairwiseSum,
    parts: Sequence[Part],
    results: Generator[Moments],
    watch: Watch,
    checkpoint: Checkpoint | None,
    *,
    here: bool,
) -> None:
    """Add what is found in some parts, as it comes, and keep it."""
    with one_blas_thread() if here else nullcontext():
        try:
            with closing(results):
                for part, moments in zip(parts, results, strict=True):
                    tree.add(moments)
                    if not here:
                        watch(part, moments.n_read, 1.0)
                    if checkpoint is not None:
                        checkpoint.note()
        except BaseException:
            watch.stopped = True
            with suppress(OutputError):  # what stopped the scan is told
                if checkpoint is not None:
                    checkpoint.write()
            raise
    if checkpoint is not None:
        checkpoint.write()


def refuse_too_many(columns: int, precision: str) -> None:
    """TooLargeError where the sums of so many columns would not fit, before any is made."""
    size, free = 8 * COPIES[precision], find_memory()
    if free is not None and size * columns**2 > free:
        fitting = max(math.isqrt(free // size), 1)
        raise TooLargeError.columns(columns, 8 * columns**2, free, fitting)


def _refuse_nothing(total: Moments, where: str, weights: str) -> None:
    """EmptySourceError where no row was taken."""
    if not total.n_read:
        if weights:
            raise EmptySourceError.no_weight(where, weights)
        raise EmptySourceError.no_rows(where)
    if total.n_read == total.filtered:
        raise EmptySourceError.none_selected(total.n_read, total.condition)
