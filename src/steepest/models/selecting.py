"""Which columns to keep: forwards, backwards, or the best of all subsets, from moments."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np

from ..data.choice import Wanted
from ..data.design import MOST_LEVELS
from ..data.expressions import Expression, Interaction
from ..data.folds import Rule
from ..descent.heldout import build_held_out
from ..descent.subsets import Sets, search_all, search_backward, search_forward
from ..errors import OptionError, TooFewRowsError
from ..sums.checkpoints import Checkpoint
from ..sums.executors import one_blas_thread
from ..typing import Floats, OnProgress
from .dealt import check_folds, leave_out_fold, read_dealt
from .gathering import Scanning
from .judging import Judge
from .manner import Manner
from .request import check_view, read_request
from .selections import CRITERIA, Places, Selection, Subset
from .training import Trainer

METHODS: dict[str, Callable[[Floats, Floats], Sets]] = {
    "best": search_all,
    "forward": search_forward,
    "backward": search_backward,
}
PERFECT = 2.0**-92
"""Shares of the target's variance below which a loss is rounding, and the fit perfect."""

MOST_COLUMNS = 40
"""Columns all subsets of which are searched."""


def select(
    source: Any,
    target: str | Expression | None = None,
    *,
    features: Iterable[str | Expression | Interaction] | None = None,
    formula: str | None = None,
    method: str = "best",
    criterion: str | None = None,
    folds: int | str | Rule | None = None,
    seed: int = 0,
    offset: str | Expression | None = None,
    weights: str | None = None,
    weight_kind: str = "analytic",
    where: str | None = None,
    missing: str = "drop",
    rare: int = 0,
    max_levels: int = MOST_LEVELS,
    intercept: bool = True,
    references: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
    precision: str | None = None,
    executor: Executor | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    on_progress: OnProgress | None = None,
) -> Selection:
    """Find the columns that explain a target best, for every number of columns, from one scan.

    Parameters
    ----------
    source : Moments, or anything that :func:`steepest.scan` reads
    target, features, formula, offset
        As for :func:`steepest.fit`: the candidates.  Each level of a category is a column of its
        own, and leaving it out joins it to the reference.
    method : {"best", "forward", "backward"}, optional
        ``"best"`` finds the best of all subsets by leaps and bounds, up to 40 columns;
        ``"forward"`` adds one column after the other, ``"backward"`` takes one after the other out.
    criterion : {"bic", "aic", "cp", "held-out"}, optional
        What ``best`` goes by.  Default: the error on rows that the search has not seen where
        there are folds, else BIC.
    folds, seed : optional
        As for :func:`steepest.scan`, where a table is to be scanned; none by default.
    weights, weight_kind, where, missing, rare, max_levels, intercept, references
        As for :func:`steepest.fit`.
    names, precision, executor, checkpoint, on_progress
        As for :func:`steepest.scan`.

    Returns
    -------
    Selection
        ``subsets``, ``best``, ``choose(criterion)``, ``table``, ``refit()``.

    Raises
    ------
    OptionError
        An unknown method or criterion; more columns than all subsets of which can be searched.
    TooFewRowsError
        Not more rows than columns, so that the largest set fits anything.
    ColumnNotFoundError, ColumnNameError, ColumnKindError, EmptySourceError, ValueFoundError
        As for :func:`steepest.fit`.
    FoldsError
        A fold without rows that can be used.

    Notes
    -----
    With n rows, d coefficients with the intercept, and RSS the residual sum of squares:
    AIC = n log(2π RSS/n) + n + 2 d [1]_, BIC has d log n in place of 2 d [2]_, and Mallows'
    Cp = RSS/σ² - n + 2 d with σ² of all columns [3]_.  With weights RSS/n is their mean squared
    error.  The held-out error of a size is that of the search for so many columns, done anew
    without each fold.  O(p³) forwards and backwards; for all subsets exponential at worst, a
    fraction of a second for 30 columns as a rule.

    References
    ----------
    .. [1] H. Akaike.  A new look at the statistical model identification.  IEEE Transactions on
       Automatic Control 19(6), 716-723, 1974.  doi:10.1109/TAC.1974.1100705
    .. [2] G. Schwarz.  Estimating the dimension of a model.  Annals of Statistics 6(2), 461-464,
       1978.  doi:10.1214/aos/1176344136
    .. [3] C. L. Mallows.  Some comments on Cp.  Technometrics 15(4), 661-675, 1973.
       doi:10.1080/00401706.1973.10489103

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 4))
    >>> table = {name: x[:, j] for j, name in enumerate("abcd")}
    >>> table["y"] = 2 * x[:, 1] - x[:, 3] + np.random.default_rng(11).normal(size=100)
    >>> found = select(table, "y", folds="contiguous:5")
    >>> found.best.names, found.choose("cp").names
    (('b', 'd'), ('b', 'd'))
    >>> sorted(found.best_model.coefficients)
    ['b', 'd', 'intercept']
    """
    if method not in METHODS:
        raise OptionError.unknown("method", method, list(METHODS))
    if criterion is not None and criterion not in CRITERIA:
        raise OptionError.unknown("criterion", criterion, CRITERIA)
    check_view(missing, rare)
    wanted = Wanted.of(weights, weight_kind, where, max_levels)
    request = read_request(
        target, features, formula, intercept=intercept, offset=offset, wanted=wanted
    )
    scanning = Scanning(names, precision, executor, on_progress=on_progress)
    moments = read_dealt(source, [request], folds, seed, scanning, checkpoint)
    labels = check_folds(moments) if moments.folds is not None else []
    if request.features is None:
        moments = leave_out_fold(moments, [], request.target)
    manner = Manner("standard", request.intercept)
    view = {"missing": missing, "rare": rare, "references": references}
    judge = Judge(moments, request.target, request.features, request.offset, manner, view, 0)
    with one_blas_thread():
        columns, dependent = find_columns(judge.trainer)
        if method == "best" and len(columns) > MOST_COLUMNS:
            raise OptionError.outside(
                "method",
                method,
                f"for {len(columns):,} columns, but for at most {MOST_COLUMNS}",
                "method='forward', or name fewer features.",
            )
        n = judge.whole.rows.used
        if n <= len(columns) + request.intercept:
            raise TooFewRowsError.of(n, len(columns) + request.intercept)
        sets = find_sets(judge.trainer, columns, METHODS[method])
        errors = np.full((max(len(labels), 1), max(sets) + 1), np.nan)
        for i, label in enumerate(labels):
            trainer = judge.trainer_without(label)
            own = find_sets(trainer, find_columns(trainer)[0], METHODS[method])
            for size in range(errors.shape[1]):  # the rows trained on may know fewer columns
                at = own[min(size, max(own))]
                errors[i, size] = judge.error_of(trainer, at, label)
        terms = [term.name for term in judge.whole.terms]
        notes = [f"'{terms[j]}' depends on the others, and was left out." for j in dependent]
        subsets = _measure(judge, sets, errors, terms)
    return Selection(
        tuple(subsets),
        judge.whole.target,
        method,
        criterion or ("held-out" if labels else "bic"),
        tuple(labels),
        tuple(notes),
        judge.whole,
        moments,
        request.intercept,
    )


def find_columns(trainer: Trainer) -> tuple[list[int], list[int]]:
    """Places, among those that vary, of columns that are independent; and of the other terms."""
    chosen: list[int] = []
    matrix, p = trainer.matrix, len(trainer.matrix)
    lower = np.zeros((0, 0))
    for j in range(p):
        own = np.linalg.solve(lower, matrix[chosen, j]) if chosen else np.zeros(0)
        rest = 1.0 - float(own @ own)
        if rest > 64 * p * 2.0**-52:
            lower = np.block([[lower, np.zeros((len(chosen), 1))], [own[None], np.sqrt(rest)]])
            chosen.append(j)
    gone = [int(trainer.varies[j]) for j in range(p) if j not in {*chosen}]
    return chosen, gone


def find_sets(
    trainer: Trainer, columns: Sequence[int], search: Callable[[Floats, Floats], Sets]
) -> Places:
    """By size the columns found, as places among those that vary."""
    at = list(columns)
    root = np.sqrt(trainer.square) or 1.0
    found = search(trainer.matrix[np.ix_(at, at)], trainer.cross[at] / root)
    return {size: tuple(at[i] for i in own) for size, own in sorted(found.items())}


def _measure(judge: Judge, sets: Places, errors: Floats, terms: Sequence[str]) -> list[Subset]:
    """Each set with what the criteria say of it."""
    trainer, n = judge.trainer, judge.whole.rows.used
    own = build_held_out(judge.whole)
    fitted = [trainer.fit_subset(at) for at in sets.values()]
    intercepts, coefs = (np.array(part) for part in zip(*fitted, strict=True))
    losses = own.loss(intercepts, coefs)
    most = max(sets) + judge.manner.intercept
    full = float(losses[-1])
    spread = full * n / (n - most) if n > most and full > PERFECT * trainer.square else np.nan
    folds = len(errors)
    subsets = []
    for (size, at), loss in zip(sets.items(), losses.tolist(), strict=True):
        d = size + judge.manner.intercept
        perfect = loss <= PERFECT * trainer.square
        likelihood = -np.inf if perfect else n * float(np.log(2 * np.pi * loss)) + n
        r2 = (1 - loss / trainer.square if size else 0.0) if trainer.square else np.nan
        free = n - judge.manner.intercept
        held = errors[:, size]
        places = tuple(int(trainer.varies[j]) for j in at)
        subsets.append(
            Subset(
                tuple(terms[j] for j in places),
                loss,
                r2,
                1 - (1 - r2) * free / (n - d) if n > d else np.nan,
                likelihood + 2 * d,
                likelihood + d * float(np.log(n)),
                loss * n / spread - n + 2 * d if spread > 0 else np.nan,
                float(held.mean()),
                float(held.std(ddof=1) / np.sqrt(folds)) if folds > 1 else np.nan,
                places,
            )
        )
    return subsets
