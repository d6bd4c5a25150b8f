"""How a model was asked for, and the path that follows from that."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..descent.adaptive import DEFAULT_RATES
from ..descent.certified import Optimum, solve_exactly
from ..descent.curvatures import find_curvatures
from ..descent.heldout import HeldOut, find_floor
from ..descent.path import Path
from ..descent.quadratic import Coordinates, find_coordinates, standard_moments
from ..descent.relations import find_exact_relations
from ..descent.rules import PLAIN, LinearRule
from ..descent.schedules import CONSTANT, Schedule
from ..descent.searches import is_solver
from ..descent.solve import (
    Spectrum,
    build_quadratic,
    decompose,
    find_limit,
    find_weighted_limit,
)
from ..descent.speeds import Rates
from ..errors import LearningRateError, OptionError, ValueFoundError
from ..sums.problem import Problem
from ..typing import Floats
from .penalties import find_factors, pose_penalised

GROWING = 3
"""Columns that are named as those along which a descent grows."""

PERFECT = 2.0**-20
"""Share of the target's variance below which what cancels shows in a loss: it is found anew."""


@dataclass(frozen=True)
class Forgotten:
    """A rule or schedule of the user's own, of which a model file keeps the name alone."""

    name: str


@dataclass(frozen=True)
class Settings:
    """How a model was asked for: the descent, without the data."""

    learning_rate: float | str | None
    epochs: int | None
    l2: float
    scale: str
    intercept: bool
    start: tuple[float, tuple[float, ...]]
    """The starting intercept and coefficients, on the user's scale."""
    rule: Any = PLAIN
    tuned: bool = False
    """Whether the rule's momentum is the one with the best worst case, whatever it says."""
    schedule: Schedule = CONSTANT
    l1: float = 0.0
    allow_divergence: bool = False
    nonnegative: bool = False
    adaptive: float = 0.0
    """The power of the least-squares coefficients that l1 is divided by."""
    factors: tuple[tuple[str, float], ...] = ()
    """By column, or by coefficient, how many times both penalties count."""

    @property
    def sparse(self) -> bool:
        """Whether coefficients may be exactly 0 or penalties differ, and the limit is meant."""
        return self.epochs is None and self.uneven

    @property
    def uneven(self) -> bool:
        """Whether coefficients may be exactly 0 or penalties differ."""
        return bool(self.l1 or self.nonnegative or self.factors)

    @property
    def method(self) -> str:
        """What the limit is called."""
        if not (self.l1 or self.l2):
            return "non-negative least squares" if self.nonnegative else "least squares"
        name = "ridge" if not self.l1 else "elastic net" if self.l2 else "lasso"
        name = f"adaptive {name}" if self.adaptive and self.l1 else name
        return f"non-negative {name}" if self.nonnegative else name

    @property
    def penalties(self) -> str:
        """The penalties in words: ``l1 = 0.1, l2 = 0.01``."""
        own = {"l1": self.l1, "l2": self.l2}
        return ", ".join(f"{name} = {value:g}" for name, value in own.items() if value)


def find_path(
    problem: Problem,
    settings: Settings,
    optimum: Optimum | None = None,
    held_out: HeldOut | None = None,
) -> tuple[Path, str, Spectrum]:
    """The path of a fit, why its rate is what it is, and the spectrum of its columns.

    It ends in the optimum where that is known better than doubles tell.  O(p³).
    LearningRateError, with L, for a rate at or above the limit of the rule; OptionError for a
    rule that a file has not kept.
    """
    if isinstance(settings.rule, Forgotten):
        raise OptionError.forgotten(settings.rule.name)
    coordinates = find_coordinates(problem, settings.scale, intercept=settings.intercept)
    known = optimum if settings.l2 == 0 else None
    spectrum = find_spectrum(problem, coordinates, known)
    first, second = find_factors(
        problem, problem.terms, dict(settings.factors), settings.adaptive, spectrum.least_squares
    )
    own = coordinates.penalised
    factors, l1 = np.zeros(len(own)), np.zeros(len(own))
    factors[own], l1[own] = second, settings.l1 * first
    quadratic = build_quadratic(problem, coordinates, spectrum, settings.l2, factors)
    curvatures = find_curvatures(quadratic, coordinates, spectrum)
    start = coordinates.enter(settings.start[0], np.array(settings.start[1]))
    proximal = bool(settings.l1 or settings.nonnegative)
    if proximal:
        second = settings.l2 * second
        objective = pose_penalised(
            problem, coordinates, l1[own], second, nonnegative=settings.nonnegative
        )
        end = _enter_standard(problem, coordinates, objective.minimise().coef)
    elif settings.factors and settings.l2:
        end = find_weighted_limit(problem, coordinates, quadratic, start)
    elif optimum is None:
        end = find_limit(problem, coordinates, spectrum, settings.l2, start)
    else:
        end = coordinates.enter(optimum.intercept, optimum.coef)
    names = tuple(term.name for term in problem.terms)
    rule = settings.rule
    if settings.tuned and curvatures.smallest:
        rule = rule.tuned(curvatures.smallest, curvatures.largest)
    path = Path(
        names,
        math.nan,
        curvatures,
        quadratic,
        coordinates,
        start,
        end,
        optimum,
        rule,
        settings.schedule,
        l1 if proximal else None,
        settings.nonnegative,
        held_out,
    )
    rate, reason = choose_rate(path, settings)
    return replace(path, learning_rate=rate), reason, spectrum


def find_spectrum(
    problem: Problem, coordinates: Coordinates, optimum: Optimum | None = None
) -> Spectrum:
    """The spectrum of the columns, with least squares from exact sums where doubles lose them."""
    found, exact = decompose(problem, coordinates), problem.exact
    if optimum is None and exact is not None and is_poor(problem, coordinates, found):
        limit = solve_exactly(exact, l2=0.0, scale="standard", intercept=coordinates.intercept)
        optimum = limit.optimum if limit else None
    if optimum is not None:
        best = coordinates.standardise(optimum.coef)
        return replace(found, least_squares=best, floor=optimum.loss)
    square = standard_moments(problem, coordinates)[2]
    coef = coordinates.destandardise(found.least_squares)
    if exact is None or found.floor > PERFECT * square or not np.isfinite(coef).all():
        return found
    loss = find_floor(exact, coef, intercept=coordinates.intercept)
    return replace(found, floor=loss)


def is_poor(problem: Problem, coordinates: Coordinates, spectrum: Spectrum) -> bool:
    """Whether exact sums tell independent columns apart that doubles do not, or hardly."""
    return (
        spectrum.poor and problem.rank is None and find_exact_relations(problem, coordinates) == []
    )


def _enter_standard(problem: Problem, coordinates: Coordinates, beta: Floats) -> Floats:
    """Standard coordinates as those of the descent, shape (q,), the intercept at its best."""
    spread = coordinates.spread
    if coordinates.scale == "standard":
        return beta
    coef = beta / spread
    return coordinates.enter(problem.target_mean - float(problem.mean @ coef), coef)


def choose_rate(path: Path, settings: Settings) -> tuple[float, str]:
    """The rate to use and why: the one given, or one that is best in the sense asked for.

    LearningRateError, with L, for one at or above the limit, unless divergence is allowed.
    """
    rule, asked, curvatures = path.rule, settings.learning_rate, path.curvatures
    if is_solver(rule):
        return math.nan, "none: each step is as long as a search along its line finds best"
    if not isinstance(rule, LinearRule):
        if isinstance(asked, float | int):
            return float(asked), "as given; no curvature limits it"
        default = DEFAULT_RATES.get(type(rule), 0.01)
        return default, f"the default of PyTorch for {rule.name}; no curvature limits it"
    low, top = curvatures.smallest, curvatures.largest
    if asked is None or asked == "best":
        formula = "2/(L + ℓ)" if not rule.momentum else f"at momentum {rule.momentum:.6g}"
        return (
            path.rates.best,
            f"the best fixed rate, {formula}, with curvatures from ℓ = {low:.6g} to L = {top:.6g}",
        )
    limit = rule.limit(top)
    if asked == "budget":
        assert settings.epochs is not None
        rate = path.rates.best_for(settings.epochs)
        return rate, (
            f"the best for {settings.epochs:,} epochs: {rate / limit:.6g} of the largest stable "
            f"rate, {rule.limit_formula}, L = {top:.6g}"
        )
    rate = float(asked)
    if not rate < limit and not (settings.allow_divergence and settings.epochs is not None):
        raise refuse_rate(path, rate)
    if not rate < limit:
        growth = path.rates.factor(rate)
        return rate, (
            f"as given: {rate / limit:.6g} times the largest stable rate, {rule.limit_formula}, "
            f"L = {top:.6g}; the error grows {growth:.6g} times an epoch"
        )
    share = f"{rate / limit:.3g} of the largest stable rate, {rule.limit_formula}"
    return rate, f"as given: {share}, L = {top:.6g}"


def refuse_rate(path: Path, rate: float) -> LearningRateError:
    """What there is to say of a rate that does not converge."""
    rates = path.rates
    loadings = np.abs(path.curvatures.basis[:, -1])
    order = np.argsort(-loadings, kind="stable")[:GROWING]
    along = [rates.names[j] for j in order if loadings[j] >= 0.3]
    return LearningRateError.too_large(
        rate=rate,
        limit=rates.limit,
        formula=path.rule.limit_formula,
        momentum=path.rule.momentum,
        smoothness=rates.smoothness,
        best=rates.best,
        growth=rates.factor(rate),
        along=along,
    )


def find_rates(problem: Problem, settings: Settings, path: Path) -> Rates:
    """The rates of a path, beside those of the same problem in the other scale."""
    scale = "none" if settings.scale == "standard" else "standard"
    try:
        other = find_path(problem, replace(settings, scale=scale, learning_rate=None))[0].rates
    except ValueFoundError:
        other = None  # squares that are no doubles, where nothing is scaled
    return replace(path.rates, other=other)
