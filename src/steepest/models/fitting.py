"""From a table or its moments to a model."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any, Unpack, overload

from numpy.typing import ArrayLike

from ..data.choice import Wanted
from ..data.design import MOST_LEVELS
from ..data.expressions import Expression, Interaction, Name, is_levels, label, sources
from ..data.table import Kind, Schema
from ..data.terms import settle
from ..descent.schedules import Schedule
from ..errors import ColumnKindError, OptionError, SteepestWarning
from ..sums.checkpoints import Checkpoint, keeping
from ..sums.moments import Moments
from ..typing import OnProgress
from .assembly import fit_problem
from .gathering import Gathered, Scanning, gather, join_wanted, read_targets
from .model import Model
from .request import (
    Asked,
    Request,
    check_options,
    check_scanned,
    check_view,
    read_request,
    read_sparse,
    read_steps,
)
from .settings import Settings
from .several import Models, list_notes
from .validation import Held


@overload
def fit(
    source: Any, *, target: str | Expression | None = None, **asked: Unpack[Asked]
) -> Model: ...


@overload
def fit(source: Any, *, target: Sequence[str | Expression], **asked: Unpack[Asked]) -> Models: ...


def fit(
    source: Any,
    *,
    target: str | Expression | Sequence[str | Expression] | None = None,
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
    validation: Any = None,
    seed: int = 0,
    collinear: str = "shortest",
    allow_divergence: bool = False,
    references: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
    precision: str | None = None,
    executor: Executor | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    on_progress: OnProgress | None = None,
) -> Model | Models:
    """Fit a linear model by gradient descent, from a table or from its moments.

    Minimises  (1/W) Σ (yᵢ - xᵢw - b)² + l2 ‖w‖².  The rows are read once; the descent costs
    nothing that grows with them, and its whole path is known in closed form.

    Parameters
    ----------
    source : Moments, path, glob, list of paths, array, dict of arrays, DataFrame or Arrow table
        What :func:`steepest.scan` gave, or anything it reads.
    target : str, or sequence of str
        The column to explain: numbers, or booleans as 0 and 1.  Or what is made of it, such as
        ``steepest.terms.log("price")``.  Several in a list give a model each, from one scan.
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
        These four are fitted at their limit, by coordinate descent; with ``epochs`` ``l1`` and
        ``nonnegative`` by proximal steps of gradient descent.
    scale : {"standard", "none"}, optional
        ``"standard"`` centres columns and divides by the standard deviation for the descent and
        the penalty; ``"none"`` is the naive loop over the raw columns, the intercept from 0.
        Coefficients are on the user's scale either way.
    intercept : bool, optional
        Whether the model has one.
    w : mapping of str to float, or array of shape (p,), optional
        Where the descent starts, on the user's scale; 0 by default and for names not given.
    validation : float, str, table or Moments, optional
        Rows to hold out: a share of them, by a hash of their values and ``seed``, so that equal
        rows stand on one side, whatever their order; those for which a column is true, or 1; or
        the rows of another table.  The loss there is known along the whole path, and without
        ``epochs`` the descent stops where it is lowest.
    seed : int, optional
        Of that hash.
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
    Model, or Models
        For several targets a mapping of their names to models.

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
    ValidationError, FoldsError
        Rows that cannot be held out, or none.
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
    steps = read_steps(rule, momentum, schedule, learning_rate, epochs, l1, nonnegative)
    check_view(missing, rare)
    sparse = read_sparse(l1, l2, nonnegative, adaptive, penalties)
    bare = rule is learning_rate is momentum is schedule is w is None
    if sparse and epochs is None and not bare:
        raise OptionError.limit_only(next(iter(sparse)))
    targets = read_targets(target)
    single: list[Any] = [target] if targets is None else targets
    if features is not None and not isinstance(features, str):
        features = list(features)
    requests = [
        read_request(
            one,
            features,
            formula,
            intercept=intercept,
            offset=offset,
            wanted=Wanted.of(weights, weight_kind, where, max_levels),
        )
        for one in single
    ]
    wanted = join_wanted(requests)

    def check(schema: Schema) -> None:
        for request in requests:
            check_target(schema, request.target)

    def fit_one(request: Request, gathered: Gathered) -> Model:
        moments, held = gathered.moments, None
        if isinstance(source, Moments):
            check_scanned(request, source)
        problem = moments.problem(
            request.target,
            request.features,
            intercept=request.intercept,
            references=references,
            missing=missing,
            offset=request.offset,
            rare=rare,
            limit_only=limit_only and gathered.held is None,
        )
        if gathered.held is not None:
            held = Held(
                gathered.held, gathered.how, request.target, request.features,
                request.intercept, request.offset, {"references": references, "missing": missing},
            )  # fmt: skip
        if request.features is not None:  # what was not asked for is not missed
            moments = replace(moments, left_out={})
        own = replace(settings, intercept=request.intercept)
        return fit_problem(problem, own, w=w, collinear=collinear, moments=moments, held=held)

    limit_only = epochs is None and learning_rate is None and w is None and not sparse
    settings = Settings(
        learning_rate if isinstance(learning_rate, str | None) else float(learning_rate),
        epochs,
        float(l2),
        scale,
        intercept,
        (0.0, ()),
        steps.rule,
        steps.tuned,
        steps.schedule,
        allow_divergence=bool(allow_divergence),
        **sparse,
    )
    with keeping(checkpoint) as kept:
        scanning = Scanning(names, precision, executor, kept, on_progress)
        gathered = gather(source, wanted, check, validation, seed, scanning)
        models = {}
        for request in requests:
            others = [label(other.target) for other in requests if other is not request]
            own = gathered.fitted_to(request, others)
            models[label(request.target)] = fit_one(request, own)
    for note in list_notes(models):
        warnings.warn(note, SteepestWarning, stacklevel=2)
    return Models(models) if targets is not None else next(iter(models.values()))


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
