"""Many models from one scan, each judged by the folds that it was not trained on."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from ..data.choice import Wanted
from ..data.design import MOST_LEVELS
from ..data.expressions import Expression, label
from ..data.folds import Rule
from ..errors import OptionError, SteepestWarning
from ..sums.checkpoints import Checkpoint
from ..sums.executors import one_blas_thread
from ..sums.moments import Moments
from ..typing import OnProgress
from .dealt import check_folds, leave_out_fold, read_dealt
from .gathering import Scanning
from .grids import read_grid
from .judging import Judge, count_unseen, note_dependent, note_gaps
from .manner import Manner
from .nesting import count_rounds, select_nested
from .request import (
    check_options,
    check_sparse,
    check_view,
    read_request,
)
from .studies import CHOICES, Candidate, Study
from .tally import Tally
from .validation import note_unseen

Features = Sequence[Any] | None

MOST_NESTED = 50
"""Folds of a nested selection, which trains on every pair of them left out."""


def study(
    source: Any,
    target: str | Expression | Sequence[str] | None = None,
    *,
    features: Iterable[Any] | None = None,
    formula: str | None = None,
    folds: int | str | Rule | None = None,
    seed: int = 0,
    l2: Any = None,
    l1: Any = None,
    l1_ratio: Any = None,
    learning_rate: Any = None,
    epochs: Any = None,
    nonnegative: bool = False,
    adaptive: float = 0.0,
    penalties: Mapping[str, float] | None = None,
    nested: bool = False,
    choose: str = "best",
    offset: str | Expression | None = None,
    weights: str | None = None,
    weight_kind: str = "analytic",
    where: str | None = None,
    missing: str = "drop",
    rare: int = 0,
    max_levels: int = MOST_LEVELS,
    scale: str = "standard",
    intercept: bool = True,
    references: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
    precision: str | None = None,
    executor: Executor | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    on_progress: OnProgress | None = None,
) -> Study:
    """Compare many models by their error on rows that they have not seen, from one scan.

    Every combination of the settings is trained on all folds but one and judged on that one, in
    turn.  Settings are a number, several, or a range in words: ``"0.001:10:50"`` is 50 values
    from 0.001 to 10, evenly by their logarithms.

    Parameters
    ----------
    source : Moments with folds, or anything that :func:`steepest.scan` reads
        Folds are chosen at the scan: ``steepest.scan(table, folds=5)``.
    target : str, or sequence of str
        The column to explain, or several, each of which is studied.
    features : sequence of str, or sequence of sequences, optional
        The columns that explain it, or several sets of them to compare.  Default: all that can,
        but the targets and the column of the folds.
    formula : str, optional
        Instead of ``target`` and ``features``, as for :func:`steepest.fit`.
    folds, seed : optional
        As for :func:`steepest.scan`, where a table is to be scanned; 5 by default.
    l2 : float, sequence or range, optional
        Penalties on the sum of squares.  Default: where nothing else is compared, 0 and 49 values
        from 1e-6 to 100; else 0.
    l1 : float, sequence, range or "path", optional
        Penalties on the sum of sizes.  ``"path"``: 100 from the one that makes every coefficient
        0 to a thousandth of it.
    l1_ratio : float or sequence, optional
        Elastic nets: the penalty λ, given as ``l1``, a path by default, is parted as
        l1 = λ ratio and l2 = λ (1 - ratio)/2.
    learning_rate : float, sequence or range, optional
        Rates to go ``epochs`` at.  Default: the best fixed rate of the rows trained on.
    epochs : int, sequence or range, optional
        Updates to make.  Default: the limit.  With ``l1`` or ``nonnegative`` by proximal steps,
        in O(p²) each.
    nonnegative : bool, optional
        Only coefficients of at least 0.
    adaptive : float, optional
        Divide each coefficient's l1 by this power of its size at least squares, on the rows
        trained on: the adaptive lasso.  Default: 0, not.
    penalties : mapping of str to float, optional
        By column, or by coefficient, how many times both penalties count: 0 for not at all.
    nested : bool, optional
        Estimate the error of the selection too: choose anew without each fold, and judge what
        was chosen on it.  Paths of penalties are placed anew as well.
    choose : {"best", "one-se"}, optional
        What ``chosen`` and ``refit`` mean: the lowest error, or the simplest model within one
        standard error of it.
    offset, weights, weight_kind, where, missing, rare, max_levels, scale, intercept, references
        As for :func:`steepest.fit`.  What stands in for nulls is found anew among the rows
        trained on, as are means and spreads of columns.
    names, precision, executor, checkpoint, on_progress
        As for :func:`steepest.scan`; ``on_progress`` is told of the models too.

    Returns
    -------
    Study
        ``best``, ``one_se``, ``chosen``, ``table``, ``refit()``, ``plot()``.

    Raises
    ------
    FoldsError
        Moments without folds; fewer than two; a fold without rows that can be used.
    OptionError
        A setting outside its range.
    LearningRateError
        A rate at which the descent diverges on some of the folds.
    ColumnNotFoundError, ColumnNameError, ColumnKindError, EmptySourceError, ValueFoundError
        As for :func:`steepest.fit`.

    Warns
    -----
    SteepestWarning
        Folds whose rows are over a fifth from their due, levels that only the fold that is held
        out has, columns that depend on others.

    Notes
    -----
    The error of a model on a fold is its mean squared error there, that of a candidate the mean
    over the folds, each counting once.  scikit-learn's ``GridSearchCV`` has the same with
    ``scoring="neg_mean_squared_error"``; its ``Ridge(alpha)`` is l2 = alpha/n with n the rows
    trained on, its ``Lasso(alpha)`` l1 = 2 alpha; with ``scale="standard"`` behind a
    ``StandardScaler``.  After the scan O(k p³) for k folds, and O(k p²) for each setting; no row is
    read again.

    Examples
    --------
    >>> import numpy as np
    >>> random = np.random.default_rng(0)
    >>> x = random.normal(size=(300, 20))
    >>> table = {f"x{j}": x[:, j] for j in range(20)}
    >>> table["y"] = x[:, :2].sum(axis=1) + random.normal(size=300)
    >>> found = study(table, "y", folds="contiguous:5", l2="0.001:10:25")
    >>> print(found.best)
    20 features, l2 0.0316228: error 1.12857 ± 0.0461
    >>> found.best_model.settings.l2 == found.best.l2
    True
    """
    if choose not in CHOICES:
        raise OptionError.unknown("choose", choose, CHOICES)
    check_options(None, None, 0.0, scale, "shortest")
    check_view(missing, rare)
    sets = read_sets(features)
    plain = len(sets) == 1 and not nonnegative
    has_l1 = l1 is not None or l1_ratio is not None
    has_l2 = l2 is not None or plain
    check_sparse(nonnegative, adaptive, penalties or {}, has_l1=has_l1, has_l2=has_l2)
    grid = read_grid(
        l1=l1,
        l2=l2,
        learning_rate=learning_rate,
        epochs=epochs,
        l1_ratio=l1_ratio,
        plain=plain,
    )
    targets = _read_targets(target, formula)
    wanted = Wanted.of(weights, weight_kind, where, max_levels)
    requests = [
        read_request(aim, own, formula, intercept=intercept, offset=offset, wanted=wanted)
        for aim in targets
        for own in sets
    ]
    if folds is None and not isinstance(source, Moments):
        folds = 5
    scanning = Scanning(names, precision, executor, on_progress=on_progress)
    moments = read_dealt(source, requests, folds, seed, scanning, checkpoint)
    manner = Manner(scale, requests[0].intercept, nonnegative, float(adaptive), penalties or {})
    view = {"missing": missing, "rare": rare, "references": references}
    labels = check_folds(moments)
    if nested and not 3 <= len(labels) <= MOST_NESTED:
        raise OptionError.outside(
            "nested", nested, f"for {len(labels):,} folds, but for 3 to {MOST_NESTED}", "folds=5"
        )
    aims = list(dict.fromkeys(label(request.target) for request in requests))
    judges = [
        Judge(
            moments
            if request.features is not None
            else leave_out_fold(moments, aims, request.target),
            request.target,
            request.features,
            request.offset,
            manner,
            view,
            i % len(sets),
        )
        for i, request in enumerate(requests)
    ]
    baseline: dict[str, float] = {}
    selected, found = {}, list[Candidate]()
    rounds = len(labels) + 1 + (count_rounds(len(labels)) if nested else 0)
    tally = Tally(len(judges) * rounds, on_progress)
    with one_blas_thread():  # whose threads only wait for each other over small matrices
        for aim in aims:
            own_judges = [judge for judge in judges if label(judge.target) == aim]
            for judge in own_judges:
                candidates, base = judge.judge(judge.place(grid), labels, tally)
                found += candidates
                baseline.setdefault(aim, base)
            if nested:
                selected[aim] = select_nested(own_judges, grid, labels, choose, tally)
        unseen = note_unseen(count_unseen(judges, labels))
        notes = (*unseen, *note_dependent(judges, grid), *note_gaps(judges))
    dealt = tuple(moments.folds.notes if moments.folds else ())
    for note in notes if isinstance(source, Moments) else (*dealt, *notes):
        warnings.warn(note, SteepestWarning, stacklevel=2)
    asked = {
        **view,
        "offset": requests[0].offset,
        "features": [request.features for request in requests[: len(sets)]],
    }
    return Study(
        tuple(found),
        tuple(labels),
        str(moments.folds.rule if moments.folds else ""),
        baseline,
        selected,
        (*dealt, *notes),
        {label(judge.target): judge.moments for judge in judges},
        manner,
        choose,
        asked,
    )


def read_sets(features: Iterable[Any] | None) -> list[Features]:
    """The sets of features to compare: one of names and terms, or several such."""
    if features is None:
        return [None]
    given = [features] if isinstance(features, str) else list(features)
    several = bool(given) and all(isinstance(item, list | tuple | set) for item in given)
    if several and not all(isinstance(item, tuple) and _is_term(item) for item in given):
        return [list(item) for item in given]
    return [given]


def _is_term(item: Any) -> bool:
    """Whether it is an interaction, made of expressions."""
    return bool(item) and not any(isinstance(factor, str) for factor in item)


def _read_targets(target: Any, formula: str | None) -> list[Any]:
    if formula is not None or target is None or isinstance(target, str):
        return [target]
    if not isinstance(target, Iterable):
        return [target]
    found = list(dict.fromkeys(target))
    if not found:
        raise OptionError.missing("target", "target='price'")
    return found
