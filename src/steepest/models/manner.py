"""How all models of a study are fitted, and which columns they can tell apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..descent.quadratic import find_coordinates
from ..descent.relations import find_exact_relations
from ..sums.problem import Problem

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Manner:
    """How all models of a study are fitted."""

    scale: str = "standard"
    intercept: bool = True
    nonnegative: bool = False
    adaptive: float = 0.0
    """The power of the least-squares coefficients that l1 is divided by; 0 for none."""
    factors: Mapping[str, float] = field(default_factory=dict)
    """By column, how many times both penalties count; 1 for those not named."""


class Dependent(NamedTuple):
    """What depends on what among columns."""

    columns: int
    """Those that vary."""
    relations: list[str] | None
    """One for each that is a sum of others; None where that cannot be told."""


def find_varying(problem: Problem, manner: Manner) -> Places:
    """The columns that are not constant; without an intercept, not 0."""
    second = np.diag(problem.scatter)
    if not manner.intercept:
        second = second + problem.weight * problem.mean**2
    return np.flatnonzero(second > 0)


def find_dependent(problem: Problem, manner: Manner) -> Dependent:
    """What depends on what, within half a unit in the last place of the numbers.  O(p³)."""
    varies = find_varying(problem, manner)
    if any(problem.exponents):
        return Dependent(len(varies), None)
    kept = problem.keep(varies.tolist())
    coordinates = find_coordinates(kept, manner.scale, intercept=manner.intercept)
    return Dependent(len(varies), find_exact_relations(kept, coordinates))
