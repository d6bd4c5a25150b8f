"""A model with a category of many levels, which are eliminated before the rest is solved for."""

from __future__ import annotations

import math

import numpy as np

from ..descent.elimination import (
    Eliminated,
    find_penalty,
    find_total,
    set_levels_apart,
    solve_by_levels,
)
from ..errors import MomentsError, ValueFoundError, counted
from ..sums.normal import ExactNormal
from ..sums.problem import Problem
from .inference import Errors, eliminated_errors
from .model import Absorbed, Model, Provenance
from .settings import Settings

NOISE = 1e-12


def fit_by_levels(
    problem: Problem, settings: Settings, origin: Provenance, notes: tuple[str, ...]
) -> Model:
    """The limit of the descent, with the levels of the largest category eliminated.

    MomentsError where the other columns are not determined beside these levels.
    """
    normal, intercept = problem.exact, settings.intercept
    assert normal is not None
    levels = set_levels_apart(normal, l2=settings.l2, scale=settings.scale, intercept=intercept)
    found = solve_by_levels(levels, l2=settings.l2, scale=settings.scale)
    name = problem.absorbed[0].category
    if found is None:
        raise MomentsError.aliased(name, _find_fixed(problem, normal))
    coef = found.limit.optimum.coef
    first, coef = (float(coef[0]), coef[1:]) if intercept else (0.0, coef)
    _check_range(problem, first, coef, found)
    total = find_total(normal, intercept=intercept)
    weight = normal.weight * normal.weight_of_one
    objective = float(found.limit.residual / weight)
    loss, r2 = objective, float(1 - found.limit.residual / total) if total else None
    if settings.l2:
        loss = max(objective - settings.l2 * find_penalty(found, coef, settings.scale), 0.0)
        r2 = 1 - loss / float(total / weight) if total else None
    errors, effects_se = Errors(), None
    if not settings.l2:
        errors, effects_se = eliminated_errors(problem, found)
    reason = (
        f"none: {counted(len(problem.absorbed), 'level')} of '{name}' were eliminated first, which "
        "gives the limit at once"
    )
    return Model(
        problem,
        settings,
        origin,
        coef,
        first,
        loss,
        objective,
        r2,
        math.nan,
        reason,
        notes,
        certificate=found.certificate,
        errors=errors,
        absorbed=Absorbed(problem.absorbed, found.effects, effects_se),
    )


def _check_range(problem: Problem, first: float, coef: object, found: Eliminated) -> None:
    values = np.concatenate([[first], np.asarray(coef), found.effects])
    names = ["intercept", *(t.name for t in problem.terms), *(t.name for t in problem.absorbed)]
    beyond = [name for name, value in zip(names, values, strict=True) if not np.isfinite(value)]
    if beyond:
        raise ValueFoundError.coefficients(beyond)


def _find_fixed(problem: Problem, normal: ExactNormal) -> list[str]:
    """The columns that do not vary within the levels."""
    assert normal.table is not None
    assert normal.shares is not None
    rest = normal.weight - sum(normal.shares)
    fixed = []
    for j, term in enumerate(problem.terms):
        column = [*normal.table[:, j], normal.totals[j] - sum(normal.table[:, j])]
        shares = [*normal.shares, rest or 1]
        within = sum(t * t / n for t, n in zip(column, shares, strict=True))
        if within >= float(normal.products[j, j]) * (1 - NOISE):
            fixed.append(term.name)
    return fixed
