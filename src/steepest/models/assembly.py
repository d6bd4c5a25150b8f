"""A model put together from the problem of one fit: the limit, the path, errors and notes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .. import __version__
from ..data.terms import Term
from ..descent.certified import UNPROVEN, Limit, find_loss, solve_exactly
from ..descent.heldout import Best
from ..descent.path import Path, intercept_name
from ..descent.quadratic import Coordinates, find_coordinates
from ..descent.relations import find_exact_relations
from ..errors import (
    LengthError,
    OptionError,
    TooFewRowsError,
    ValueFoundError,
    listed,
)
from ..sums.executors import one_blas_thread
from ..sums.moments import Moments
from ..sums.problem import Problem
from ..typing import Floats
from .elimination import fit_by_levels
from .inference import Errors, double_errors, exact_errors
from .model import Model, Provenance
from .notes import (
    note_collinearity,
    note_left_out,
    note_overflow,
    note_pooled,
    note_rounding,
    note_rows,
    note_transform,
)
from .settings import Settings, find_path
from .sparse import fit_sparse
from .validation import Held, Validation, judge

SMALLEST, SMALLEST_WHOLE = 2.0**-1074, 2.0**-1022
"""The smallest double above 0, and the smallest that has all its digits."""

DIGITS_LOST = 2.0**-40
"""Effects of a coefficient may come in steps of this share of the target's standard deviation."""

FEW = 1_000
"""Columns up to which threads of BLAS mostly wait for each other."""


def fit_problem(
    problem: Problem,
    settings: Settings,
    *,
    w: Mapping[str, float] | ArrayLike | None,
    collinear: str,
    moments: Moments,
    held: Held | None = None,
) -> Model:
    """The model of a dense problem: the same fit, after the scan."""
    notes = [
        *note_rows(problem),
        *note_left_out(moments),
        *moments.remarks,
        *note_rounding(problem, moments),
        *note_pooled(problem),
        *note_transform(problem),
    ]
    problem, constant = _leave_out_constants(problem, settings.intercept)
    if constant:
        verb = "is constant and was" if len(constant) == 1 else "are constant and were"
        notes.append(f"{listed(constant)} {verb} left out: a constant explains nothing.")
    p = len(problem.terms)
    coefficients = p + len(problem.absorbed) + settings.intercept
    rows = problem.rows.used
    limit_alone = settings.epochs is None and settings.l2 == 0 and not settings.sparse and not held
    if limit_alone and (rows < coefficients or rows == 1):
        raise TooFewRowsError.of(rows, max(coefficients, 2))
    if problem.target_scatter == 0 and settings.intercept:
        notes.append(
            f"target '{problem.target}' is constant ({problem.target_mean:.6g}): "
            "the coefficients are 0 and R² is undefined."
        )
    settings = replace(settings, start=_read_start(w, problem, settings))
    origin = Provenance(
        moments.where,
        moments.precision,
        moments.precision_reason,
        __version__,
        moments.condition,
    )
    if problem.absorbed:
        return fit_by_levels(problem, settings, origin, tuple(notes))
    if settings.sparse:
        model = fit_sparse(problem, settings, origin, tuple(notes))
        if held is None:
            return model
        found, unseen = held.against(problem, centred=settings.intercept)
        judged = judge(found, held.how, model.intercept, model.coef)
        return replace(model, validation=judged, notes=(*model.notes, *unseen))
    with one_blas_thread() if p <= FEW else nullcontext():
        return _descend(problem, settings, origin, notes, collinear, held)


def _descend(
    problem: Problem,
    settings: Settings,
    origin: Provenance,
    notes: list[str],
    collinear: str,
    held: Held | None,
) -> Model:
    """The model at the epoch that is asked for, at the best one, or at the limit."""
    p = len(problem.terms)
    coordinates = find_coordinates(problem, settings.scale, intercept=settings.intercept)
    relations = find_exact_relations(problem, coordinates) if settings.l2 == 0 else None
    if relations is not None:
        problem = replace(problem, rank=p - len(relations))
    limit = None if relations or settings.uneven else _solve(problem, settings)
    optimum = limit.optimum if limit else None
    if optimum is not None:
        _check_range(problem, coordinates, optimum.intercept, optimum.coef)
    path, reason, spectrum = find_path(problem, settings, optimum)
    if settings.l2 == 0:
        blind = p - spectrum.rank if settings.epochs is None else path.curvatures.still
        notes = notes + note_collinearity(
            problem, coordinates, collinear, spectrum, relations, blind
        )
    best, stopped = None, False
    if held is not None:
        apart, unseen = held.against(problem, centred=_is_centred(settings))
        path = replace(path, held_out=apart)
        best = path.best_epoch(settings.epochs)
        stopped = settings.epochs is None
        if stopped and not math.isinf(best.epoch):
            settings = replace(settings, epochs=int(best.epoch))
        notes = [*notes, *unseen]
    place, stood = _stand(path, settings)
    if stood != settings:
        notes = [*notes, note_overflow(stood.epochs or 0, settings.epochs or 0)]
        settings = stood
    _check_range(problem, coordinates, place.intercept, place.coef)
    loss, objective = place.loss, place.objective
    if settings.epochs is not None and limit and problem.exact and path.curvatures.still:
        loss = find_loss(problem.exact, place.intercept, place.coef)  # doubles cannot follow
        objective += loss - place.loss
    r2 = _explain(problem, settings, loss)
    certificate, errors = None, Errors()
    if settings.epochs is None and limit:
        certificate = limit.certificate
        r2 = float(1 - limit.residual / limit.total) if limit.total else None
        if settings.l2 == 0:
            errors = exact_errors(problem, limit, intercept=settings.intercept)
    elif settings.epochs is None and problem.exact is not None:
        certificate = UNPROVEN
    elif settings.epochs is None and settings.l2 == 0 and spectrum.rank == p:
        errors = double_errors(problem, coordinates, loss)
    return Model(
        problem,
        settings,
        origin,
        place.coef,
        place.intercept,
        loss,
        objective,
        r2,
        path.learning_rate,
        reason,
        tuple(notes),
        optimum,
        certificate,
        errors,
        validation=None if held is None else _judge(path, held.how, place, best, stopped=stopped),
    )


def _judge(
    path: Path, how: str, place: Place, best: Best | None, *, stopped: bool
) -> Validation | None:
    """What the rows held out say of a place on a path."""
    assert path.held_out is not None
    found = replace(judge(path.held_out, how, place.intercept, place.coef), best=best)
    if not stopped or best is None:
        return found
    return replace(found, stopped=True, loss=best.loss)


def _is_centred(settings: Settings) -> bool:
    """Whether the intercept is at its best at every epoch."""
    return settings.intercept and settings.scale == "standard"


class Place(NamedTuple):
    """Where a path is at an epoch."""

    intercept: float
    coef: Floats
    loss: float
    objective: float

    @property
    def whole(self) -> bool:
        """Whether all of it is numbers."""
        return bool(np.isfinite([self.intercept, *self.coef, self.loss, self.objective]).all())


def _stand(path: Path, settings: Settings) -> tuple[Place, Settings]:
    """The place at the epoch asked for, or the last at which a descent that diverges has one."""

    def at(epoch: float) -> Place:
        first, every = path.leave([epoch])
        loss, objective = float(path.loss(epoch)), float(path.objective(epoch))
        return Place(float(first[0]), every[0], loss, objective)

    if settings.epochs is None:
        return at(np.inf), settings
    found = at(settings.epochs)
    if found.whole or not settings.allow_divergence:
        return found, settings
    low, high = 0, settings.epochs
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at(middle).whole else (low, middle)
    return at(low), replace(settings, epochs=low)


def _explain(problem: Problem, settings: Settings, loss: float) -> float | None:
    """R²; None for a target that does not vary."""
    square = _measure_target(problem, intercept=settings.intercept)
    return 1 - loss / square if square > 0 else None


def _measure_target(problem: Problem, *, intercept: bool) -> float:
    """The variance of the target; its mean square without an intercept."""
    square = problem.target_scatter / problem.weight
    return square if intercept else square + problem.target_mean**2


def _check_range(
    problem: Problem, coordinates: Coordinates, intercept: float, coef: Floats
) -> None:
    """ValueFoundError for coefficients that are no doubles, or whose digits doubles lose."""
    names = np.array([term.name for term in problem.terms])
    beyond = names[~np.isfinite(coef)].tolist()
    if beyond or not math.isfinite(intercept):
        raise ValueFoundError.coefficients(beyond or ["intercept"])
    with np.errstate(over="ignore"):  # what the smallest double does, in the unit of the target
        least = coordinates.standardise(np.full(len(coef), SMALLEST))
    spread = math.sqrt(_measure_target(problem, intercept=coordinates.intercept))
    lost = (np.abs(coef) < SMALLEST_WHOLE) & (least > DIGITS_LOST * spread) & (spread > 0)
    if lost.any():
        raise ValueFoundError.vanishing(names[lost].tolist())


def _solve(problem: Problem, settings: Settings) -> Limit | None:
    """The limit of the descent from exact sums, where it is unique."""
    if problem.exact is None:
        return None
    return solve_exactly(
        problem.exact, l2=settings.l2, scale=settings.scale, intercept=settings.intercept
    )


def _leave_out_constants(problem: Problem, intercept: bool) -> tuple[Problem, list[str]]:
    """The problem without columns that do not vary, and their names.

    A category goes by its name when none of its levels is left; without an intercept a constant
    is a column like any other, and only zeros are left out.
    """
    second = np.diag(problem.scatter) / problem.weight
    flat = (second if intercept else second + problem.mean**2) == 0
    left = problem.keep(np.flatnonzero(~flat).tolist())
    used = {term.category for term in (*left.terms, *left.absorbed)}
    single = [n for n in problem.references if n not in used]
    constant = [_name(problem.terms[i], single) for i in np.flatnonzero(flat)]
    constant += [name for name in single if name not in constant]
    return left, list(dict.fromkeys(constant))


def _name(term: Term, single: Sequence[str]) -> str:
    return term.category if term.category in single else term.name


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
