"""Models at the limit of penalties that make coefficients exactly 0."""

from __future__ import annotations

import numpy as np

from ..descent.certified import find_loss
from ..descent.heldout import build_held_out
from ..sums.problem import Problem
from .grids import Point
from .manner import Manner
from .model import Model, Provenance
from .settings import Settings
from .training import NEAR, Trainer


def fit_sparse(
    problem: Problem, settings: Settings, origin: Provenance, notes: tuple[str, ...]
) -> Model:
    """The model by coordinate descent, and its objective."""
    manner = Manner(
        settings.scale,
        settings.intercept,
        settings.nonnegative,
        settings.adaptive,
        dict(settings.factors),
    )
    trainer = Trainer(problem, manner)
    objective = trainer.penalise(Point(settings.l1, settings.l2))
    solution = objective.minimise()
    intercept, coef = trainer.leave(solution.coef)
    if problem.exact is not None:
        loss = find_loss(problem.exact, intercept, coef)
    else:
        loss = float(build_held_out(problem).loss(np.array([intercept]), coef[None])[0])
    total = loss + float(objective.l1 @ np.abs(solution.coef) + objective.l2 @ solution.coef**2)
    if solution.gap > NEAR * trainer.square:
        notes += (
            f"the objective may be {solution.gap:.3g} above its minimum: the columns depend on "
            "each other, or nearly.",
        )
    return Model(
        problem,
        settings,
        origin,
        coef,
        intercept,
        loss,
        total,
        1 - loss / trainer.square if trainer.square else None,
        np.nan,
        "none: coordinate descent takes each coefficient to its best in turn",
        notes,
    )
