"""From a table or its moments to a model."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import __version__
from ..data.design import Term
from ..data.open import open_source
from ..data.table import Kind, Schema
from ..descent.certified import UNPROVEN, Limit, find_loss, solve_exactly
from ..descent.path import intercept_name
from ..descent.quadratic import find_coordinates
from ..descent.relations import find_exact_relations
from ..errors import (
    ColumnKindError,
    LengthError,
    MomentsError,
    OptionError,
    SteepestWarning,
    TooFewRowsError,
    ValueFoundError,
    listed,
)
from ..sums.moments import Moments
from ..sums.problem import Problem
from ..sums.scanning import scan_source
from ..typing import Floats, OnProgress
from .inference import Errors, double_errors, exact_errors
from .model import Model, Provenance, Settings, find_path
from .notes import note_collinearity, note_left_out, note_rounding, note_rows
from .request import check_options, check_weights, read_request

LARGEST_PROBLEM = 10_000


def fit(
    source: Any,
    *,
    target: str | None = None,
    features: Iterable[str] | None = None,
    formula: str | None = None,
    weights: str | None = None,
    weight_kind: str = "analytic",
    learning_rate: float | None = None,
    epochs: int | None = None,
    l2: float = 0.0,
    scale: str = "standard",
    intercept: bool = True,
    w: Mapping[str, float] | ArrayLike | None = None,
    collinear: str = "shortest",
    references: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
    precision: str | None = None,
    executor: Executor | None = None,
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
        The column to explain: numbers, or booleans as 0 and 1.
    features : sequence of str, optional
        The columns that explain it.  Default: all others that can.  Text and booleans give a
        coefficient for each level but the first in the order of UTF-8 bytes, the reference.
    formula : str, optional
        Instead of ``target`` and ``features``: ``"y ~ x + x^2"``, ending in ``+ 0`` for no
        intercept.  Powers are formed exactly.
    weights, weight_kind
        The column that says how much each row counts: as for :func:`steepest.scan`.
    learning_rate : float, optional
        Step per unit gradient.  Default: 2/(L + ℓ), the best fixed rate, L and ℓ the largest
        and smallest curvature.
    epochs : int, optional
        Updates to make.  Default: the limit of the descent, the least-squares solution itself.
    l2 : float, optional
        Penalty, at least 0, on the sum of squared coefficients, never on the intercept.
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
    references : mapping of str to str, optional
        The reference level of a category: ``{"city": "Oslo"}``; the first by default.
    names, precision, executor, on_progress
        As for :func:`steepest.scan`.

    Returns
    -------
    Model

    Raises
    ------
    OptionError
        A negative penalty, no epochs, an unknown scale.
    LearningRateError
        A rate at or above 2/L, refused before the first step, with L.
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
    After the scan O(p³) for p coefficients.

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
    request = read_request(
        target,
        features,
        formula,
        intercept=intercept,
        weights=weights,
        weight_kind=weight_kind,
    )
    if isinstance(source, Moments):
        moments = source
        check_weights(request, moments)
    else:
        opened = open_source(source, names)
        check_target(opened.schema(request.wanted.sources), request.target)
        moments = scan_source(
            opened, request.wanted, precision=precision, executor=executor, on_progress=on_progress
        )
    problem = moments.problem(
        request.target, request.features, intercept=request.intercept, references=references
    )
    settings = Settings(learning_rate, epochs, float(l2), scale, request.intercept, (0.0, ()))
    if request.features is not None:  # what was not asked for is not missed
        moments = replace(moments, left_out={})
    model = fit_problem(problem, settings, w=w, collinear=collinear, moments=moments)
    for note in model.notes:
        warnings.warn(note, SteepestWarning, stacklevel=2)
    return model


def fit_problem(
    problem: Problem,
    settings: Settings,
    *,
    w: Mapping[str, float] | ArrayLike | None,
    collinear: str,
    moments: Moments,
) -> Model:
    """The model of a dense problem: the same fit, after the scan."""
    notes = [*note_rows(problem), *note_left_out(moments), *note_rounding(problem, moments)]
    problem, constant = _leave_out_constants(problem, settings.intercept)
    if constant:
        verb = "is constant and was" if len(constant) == 1 else "are constant and were"
        notes.append(f"{listed(constant)} {verb} left out: a constant explains nothing.")
    p = len(problem.terms)
    if p > LARGEST_PROBLEM:
        raise MomentsError.too_wide(p, LARGEST_PROBLEM)
    coefficients = p + settings.intercept
    rows, limit_alone = problem.rows.used, settings.epochs is None and settings.l2 == 0
    if limit_alone and (rows < coefficients or rows == 1):
        raise TooFewRowsError.of(rows, max(coefficients, 2))
    if problem.target_scatter == 0 and settings.intercept:
        notes.append(
            f"target '{problem.target}' is constant ({problem.target_mean:.6g}): "
            "the coefficients are 0 and R² is undefined."
        )
    settings = replace(settings, start=_read_start(w, problem, settings))
    coordinates = find_coordinates(problem, settings.scale, intercept=settings.intercept)
    relations = find_exact_relations(problem, coordinates) if settings.l2 == 0 else None
    if relations is not None:
        problem = replace(problem, rank=p - len(relations))
    limit = None if relations else _solve(problem, settings)
    optimum = limit.optimum if limit else None
    if optimum is not None:
        _check_range(problem, optimum.intercept, optimum.coef)
    path, reason, spectrum = find_path(problem, settings, optimum)
    if settings.l2 == 0:
        notes += note_collinearity(problem, coordinates, collinear, spectrum, relations)
    epoch = np.inf if settings.epochs is None else settings.epochs
    intercept, coef = float(path.intercept([epoch])[0]), path.coef([epoch])[0]
    _check_range(problem, intercept, coef)
    loss, objective = float(path.loss(epoch)), float(path.objective(epoch))
    if settings.epochs is not None and limit and problem.exact and spectrum.rank < p:
        seen, loss = loss, find_loss(problem.exact, intercept, coef)  # doubles cannot follow
        objective += loss - seen
    r2 = _explain(problem, settings, loss)
    certificate, errors = None, Errors()
    if settings.epochs is None and limit:
        certificate = limit.certificate
        r2 = float(1 - limit.residual / limit.total) if limit.total else None
        if settings.l2 == 0:
            errors = exact_errors(problem, limit, intercept=settings.intercept)
    elif settings.epochs is None and problem.exact is not None:
        certificate = UNPROVEN
    elif limit_alone and spectrum.rank == p:
        errors = double_errors(problem, coordinates, loss)
    return Model(
        problem,
        settings,
        Provenance(moments.where, moments.precision, moments.precision_reason, __version__),
        coef,
        intercept,
        loss,
        objective,
        r2,
        path.learning_rate,
        reason,
        tuple(notes),
        optimum,
        certificate,
        errors,
    )


def _explain(problem: Problem, settings: Settings, loss: float) -> float | None:
    """R²; None for a target that does not vary."""
    square = problem.target_scatter / problem.weight
    if not settings.intercept:
        square += problem.target_mean**2
    return 1 - loss / square if square > 0 else None


def _check_range(problem: Problem, intercept: float, coef: Floats) -> None:
    """ValueFoundError for coefficients that are no doubles."""
    beyond = [t.name for t, c in zip(problem.terms, coef, strict=True) if not math.isfinite(c)]
    if beyond or not math.isfinite(intercept):
        raise ValueFoundError.coefficients(beyond or ["intercept"])


def _solve(problem: Problem, settings: Settings) -> Limit | None:
    """The limit of the descent from exact sums, where it is unique."""
    if problem.exact is None:
        return None
    return solve_exactly(
        problem.exact, l2=settings.l2, scale=settings.scale, intercept=settings.intercept
    )


def check_target(schema: Schema, target: str) -> None:
    """Refuse a target that no scan could make usable, before the scan."""
    column = schema.find(target, "target")
    if column.kind is Kind.CATEGORY and not column.is_boolean:
        raise ColumnKindError.text_target(target, ())
    if column.kind in (Kind.TIME, Kind.OTHER):
        raise ColumnKindError.unusable(target, column.type_name, column.kind)


def _leave_out_constants(problem: Problem, intercept: bool) -> tuple[Problem, list[str]]:
    """The problem without columns that do not vary, and their names.

    A category goes by its name when none of its levels is left; without an intercept a constant
    is a column like any other, and only zeros are left out.
    """
    second = np.diag(problem.scatter) / problem.weight
    flat = (second if intercept else second + problem.mean**2) == 0
    left = problem.keep(np.flatnonzero(~flat).tolist())
    used = {term.column for term in left.terms}
    single = [n for n in problem.references if n not in used]
    constant = [_name(problem.terms[i], single) for i in np.flatnonzero(flat)]
    constant += [name for name in single if name not in constant]
    return left, list(dict.fromkeys(constant))


def _name(term: Term, single: Sequence[str]) -> str:
    return term.column if term.column in single else term.name


def _read_start(
    w: Mapping[str, float] | ArrayLike | None, problem: Problem, settings: Settings
) -> tuple[float, tuple[float, ...]]:
    """The starting intercept and coefficients, in the order of the terms."""
    names = [term.name for term in problem.terms]
    if w is None:
        return 0.0, (0.0,) * len(names)
    start = 0.0
    if isinstance(w, Mapping):
        given = {str(name): float(value) for name, value in w.items()}
        if settings.intercept and settings.scale == "none":
            start = given.pop(intercept_name(names), 0.0)
        for name in given:
            if name not in names:
                raise OptionError.unknown("w", name, names)
        values = [given.get(name, 0.0) for name in names]
    else:
        array = np.asarray(w, dtype=np.float64)
        if array.shape != (len(names),):
            raise LengthError.start(array.shape, names)
        values = [float(value) for value in array]
    if not np.isfinite([start, *values]).all():
        raise OptionError.outside("w", w, "finite", "start at 0: leave w unset.")
    return start, tuple(values)
