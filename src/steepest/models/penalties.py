"""How much of the penalties each coefficient bears."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..data.terms import Term
from ..descent.coordinate import Penalised
from ..descent.quadratic import Coordinates, standard_moments
from ..errors import ColumnNotFoundError
from ..sums.problem import Problem
from ..typing import Floats

TINY = 2.0**-52


def find_factors(
    problem: Problem,
    terms: Sequence[Term],
    given: Mapping[str, float],
    adaptive: float,
    least_squares: Floats,
) -> tuple[Floats, Floats]:
    """What l1 and l2 are multiplied by for each term of a problem, shape (p,) each.

    By column, or by coefficient, as ``given``; l1 also over a power ``adaptive`` of the
    coefficients at least squares, in standard units.  ColumnNotFoundError for what is neither a
    column of the problem nor among ``terms``.
    """
    known = {name for term in terms for name in (*term.columns, term.name)}
    known |= problem.columns.keys() - {problem.target, problem.offset}
    for name in given:
        if name not in known:
            raise ColumnNotFoundError.of("penalised", name, "the features", sorted(known))
    firsts = [term.columns[0] if term.columns else "" for term in problem.terms]
    own = np.array(
        [
            given.get(term.name, given.get(first, 1.0))
            for term, first in zip(problem.terms, firsts, strict=True)
        ]
    ).reshape(len(firsts))
    if not adaptive:
        return own, own
    size = np.abs(least_squares)
    return own / np.maximum(size, TINY * size.max(initial=1.0)) ** adaptive, own


def pose_penalised(
    problem: Problem,
    coordinates: Coordinates,
    l1: Floats,
    l2: Floats,
    *,
    nonnegative: bool,
) -> Penalised:
    """The objective in standard coordinates, of penalties in those of the descent, (p,) each."""
    matrix, cross, square = standard_moments(problem, coordinates)
    if coordinates.scale == "none":
        l1, l2 = l1 / coordinates.spread, l2 / coordinates.spread**2
    return Penalised(matrix, cross, square, l1, l2, nonnegative)
