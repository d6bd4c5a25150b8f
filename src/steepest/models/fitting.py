"""From a table or its moments to a model."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from numpy.typing import ArrayLike

from ..data.choice import Wanted
from ..data.design import MOST_LEVELS
from ..data.expressions import Expression, Interaction, Name, is_levels, label, sources
from ..data.open import open_source
from ..data.table import Kind, Schema
from ..data.terms import settle
from ..descent.schedules import Schedule
from ..errors import ColumnKindError, OptionError, SteepestWarning
from ..sums.checkpoints import Checkpoint, keeping
from ..sums.moments import Moments
from ..sums.scanning import check_whole, scan_source
from ..typing import OnProgress
from .assembly import fit_problem
from .model import Model
from .request import check_options, check_scanned, check_view, read_request, read_sparse, read_steps
from .settings import Settings


def fit(
    source: Any,
    *,
    target: str | Expression | None = None,
    features: Iterable[str | Expression | Interaction] | None = None,
    formula: str | None = None,
    offset: str | Expression | None = None,
    weights: str | None = None,
    weight_kind: str = "analytic",
    where: str | None = None,
    missing: str = "drop",
    rare: int = 0,
    max_levels: int = MOST_LEVELS,
    learning_rate: float | str | None = None,
    epochs: int | None = None,
    rule: Any = None,
    momentum: float | str | None = None,
    schedule: str | Schedule | None = None,
    l2: float = 0.0,
    l1: float = 0.0,
    nonnegative: bool = False,
    adaptive: float = 0.0,
    penalties: Mapping[str, float] | None = None,
    scale: str = "standard",
    intercept: bool = True,
    w: Mapping[str, float] | ArrayLike | None = None,
    collinear: str = "shortest",
    allow_divergence: bool = False,
    references: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
    precision: str | None = None,
    executor: Executor | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    on_progress: OnProgress | None = None,
) -> Model:
    """Fit a linear model by gradient descent, from a table or from its moments.

    Minimises  (1/W) Σ (yᵢ - xᵢw - b)² + l2 ‖w‖².  The rows are read once; the descent costs
    nothing that grows with them, and its whole path is known in closed form.

    Parameters
    ----------
    source : Moments, path, glob, list of paths, array, dict of arrays, DataFrame or Arrow table
        What :func:`steepest.scan` gave, or anything it reads.
    target : str
        The column to explain: numbers, or booleans as 0 and 1.  Or what is made of it, such as
        ``steepest.terms.log("price")``.
    features : sequence of str, optional
        The columns that explain it.  Default: all others that can.  Text and booleans give a
        coefficient for each level but the first in the order of UTF-8 bytes, the reference.
        Terms of :mod:`steepest.terms` may stand among them.
    formula : str, optional
        Instead of ``target`` and ``features``: ``"y ~ area + C(rooms) + log(age)"``, ending in
        ``+ 0`` for no intercept; ``docs/formulas.md`` has the whole grammar.
    offset : str, optional
        A column of numbers that is part of every prediction, with a coefficient of 1.
    weights, weight_kind, where, max_levels
        How much each row counts, and which rows are taken: as for :func:`steepest.scan`.
    missing : {"drop", "refuse", "mean", "indicator"}, optional
        What a null in a feature does: the row is dropped; the fit is refused; the term's mean
        stands in for it; or the mean does, and a coefficient of its own marks the rows.  A row
        without target, offset or weight is always dropped.
    rare : int, optional
        Levels of fewer rows are taken together as one, called ``(rare)``.  Default: none.
    learning_rate : float, "best" or "budget", optional
        Step per unit gradient.  Default: ``"best"``, the fixed rate with the best worst case,
        2/(L + ℓ) without momentum, L and ℓ the largest and smallest curvature; of rules
        without a limit the default of PyTorch.  ``"budget"``: the rate with the lowest
        objective after the ``epochs``.
    epochs : int, optional
        Updates to make.  Default: the limit of the descent, the least-squares solution itself.
    rule : str, UpdateRule or Solver, optional
        How to step: ``"gradient-descent"``, ``"momentum"``, ``"nesterov"``, whose whole path is
        known in closed form; ``"adagrad"``, ``"rmsprop"``, ``"adam"``, ``"adamw"``,
        ``"conjugate-gradient"`` or ``"l-bfgs"``, which are stepped over the moments, at a cost
        that does not grow with the rows; or one of :mod:`steepest.rules`.
    momentum : float or "best", optional
        The share of the past that is kept, 0.9 by default; ``"best"`` has the best worst case.
        Given alone it means ``rule="momentum"``.
    schedule : str or Schedule, optional
        How the rate changes: as for :func:`steepest.descend`.
    l2 : float, optional
        Penalty, at least 0, on the sum of squared coefficients, never on the intercept.
    l1 : float, optional
        Penalty, at least 0, on the sum of their sizes: the lasso, and with ``l2`` the elastic net.
    nonnegative : bool, optional
        Only coefficients of at least 0.
    adaptive : float, optional
        Divide each coefficient's ``l1`` by this power of its size at least squares.
    penalties : mapping of str to float, optional
        By column, or by coefficient, how many times both penalties count: 0 for not at all.
        These four are fitted at their limit, by coordinate descent.
    scale : {"standard", "none"}, optional
        ``"standard"`` centres columns and divides by the standard deviation for the descent and
        the penalty; ``"none"`` is the naive loop over the raw columns, the intercept from 0.
        Coefficients are on the user's scale either way.
    intercept : bool, optional
        Whether the model has one.
    w : mapping of str to float, or array of shape (p,), optional
        Where the descent starts, on the user's scale; 0 by default and for names not given.
    collinear : {"shortest", "refuse"}, optional
        What to do when columns are sums of each other: take the shortest solution and say so,
        or raise CollinearError.
    allow_divergence : bool, optional
        Take a rate beyond the limit, to show what it does.
    references : mapping of str to str, optional
        The reference level of a category: ``{"city": "Oslo"}``; the first by default.
    names, precision, executor, checkpoint, on_progress
        As for :func:`steepest.scan`; the checkpoint is removed when the fit is made.

    Returns
    -------
    Model

    Raises
    ------
    OptionError
        A negative penalty, no epochs, an unknown scale.
    LearningRateError
        A rate at or above the limit of the rule, 2/L without momentum, refused before the first
        step, with L, the growth and the columns along which.
    DivergedError
        Steps whose loss rises without end, or coefficients that leave the range of doubles.
    ColumnNotFoundError, ColumnNameError, ColumnKindError
        A column that is not there, is named twice, is target and feature, or cannot be used.
    TooFewRowsError
        Fewer rows than coefficients, when the limit is asked for without a penalty.
    EmptySourceError, SourceError, ValueFoundError
        As for :func:`steepest.scan`, and no row left without nulls.

    Warns
    -----
    SteepestWarning
        Rows dropped for nulls, constant columns, a constant target, collinear columns,
        integers beyond 2⁵³.  The same sentences are in ``Model.notes``.

    Notes
    -----
    After the scan O(p³) for p coefficients; O(p²) an epoch more for what is stepped.

    Examples
    --------
    >>> table = {"x": [1.0, 2.0, 3.0, 4.0], "y": [2.0, 4.0, 6.0, 8.0]}
    >>> model = fit(table, target="y", learning_rate=0.01, epochs=100)
    >>> round(model.coefficients["x"], 3), round(model.loss, 3)
    (1.735, 0.088)
    >>> f"{model.path.loss(200):.5f}"
    '0.00155'
    """
    check_options(learning_rate, epochs, l2, scale, collinear)
    steps = read_steps(rule, momentum, schedule, learning_rate, epochs)
    check_view(missing, rare)
    sparse = read_sparse(l1, nonnegative, adaptive, penalties)
    if sparse and not (epochs is rule is learning_rate is momentum is schedule is w is None):
        raise OptionError.limit_only(next(iter(sparse)))
    request = read_request(
        target,
        features,
        formula,
        intercept=intercept,
        offset=offset,
        wanted=Wanted(
            weights="" if weights is None else str(weights),
            weight_kind="" if weights is None else weight_kind,
            where=where or "",
            max_levels=check_whole("max_levels", max_levels, 1),
        ),
    )
    with keeping(checkpoint) as kept:
        if isinstance(source, Moments):
            moments = source
            check_scanned(request, moments)
        else:
            opened = open_source(source, names)
            check_target(opened.schema(request.wanted.sources), request.target)
            moments = scan_source(
                opened,
                request.wanted,
                precision=precision,
                executor=executor,
                checkpoint=kept,
                on_progress=on_progress,
            )
        problem = moments.problem(
            request.target,
            request.features,
            intercept=request.intercept,
            references=references,
            missing=missing,
            offset=request.offset,
            rare=rare,
            limit_only=epochs is None and learning_rate is None and w is None and not sparse,
        )
        settings = Settings(
            learning_rate if isinstance(learning_rate, str | None) else float(learning_rate),
            epochs,
            float(l2),
            scale,
            request.intercept,
            (0.0, ()),
            steps.rule,
            steps.tuned,
            steps.schedule,
            allow_divergence=bool(allow_divergence),
            **sparse,
        )
        if request.features is not None:  # what was not asked for is not missed
            moments = replace(moments, left_out={})
        model = fit_problem(problem, settings, w=w, collinear=collinear, moments=moments)
    for note in model.notes:
        warnings.warn(note, SteepestWarning, stacklevel=2)
    return model


def check_target(schema: Schema, aim: Expression) -> None:
    """Refuse a target that no scan could make usable, before the scan."""
    if not isinstance(aim, Name):
        for name in sources(aim):
            schema.find(name, "target")
        if is_levels(settle(aim, schema.find)):
            raise ColumnKindError.text_target(label(aim), ())
        return
    target = aim.name
    column = schema.find(target, "target")
    if column.kind is Kind.CATEGORY and not column.is_boolean:
        raise ColumnKindError.text_target(target, ())
    if column.kind in (Kind.TIME, Kind.OTHER):
        raise ColumnKindError.unusable(target, column.type_name, column.kind)
