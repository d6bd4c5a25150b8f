"""What a result would be misread without: rows dropped, columns left out or dependent."""

from __future__ import annotations

import math

from ..descent.quadratic import Coordinates
from ..descent.relations import find_relations
from ..descent.solve import Spectrum
from ..errors import CollinearError, counted, listed
from ..sums.moments import Moments
from ..sums.problem import Problem

ILL_CONDITIONED = 1e8
"""Condition number of the columns from which a result says so."""


def note_rows(problem: Problem) -> list[str]:
    """Rows that were dropped, by the columns that were null."""
    rows = problem.rows
    gone = rows.read - rows.used
    if not gone:
        return []
    nulls = ", ".join(f"'{name}' {count:,}" for name, count in rows.nulls.items() if count)
    verb = "was" if gone == 1 else "were"
    return [f"{gone:,} of {rows.read:,} rows {verb} dropped for nulls; nulls by column: {nulls}."]


def note_left_out(moments: Moments) -> list[str]:
    """Columns that were not scanned."""
    if not moments.left_out:
        return []
    reasons = "; ".join(f"'{name}': {reason}" for name, reason in moments.left_out.items())
    return [f"left out of the scan, since nobody named them: {reasons}."]


def note_rounding(problem: Problem, moments: Moments) -> list[str]:
    """Whole numbers that doubles could not hold."""
    used = {term.column for term in problem.terms} | {problem.target}
    rounded = sorted(used & moments.rounded)
    if not rounded:
        return []
    verb = "holds" if len(rounded) == 1 else "hold"
    return [f"{listed(rounded)} {verb} integers beyond 2⁵³, which were rounded to doubles."]


def note_collinearity(
    problem: Problem,
    coordinates: Coordinates,
    collinear: str,
    spectrum: Spectrum,
    relations: list[str] | None,
) -> list[str]:
    """Columns that depend on each other, or nearly; CollinearError where those are refused."""
    p, exact = len(problem.terms), relations is not None
    if exact and not relations and spectrum.rank < p:
        blind = p - spectrum.rank
        return [
            "the columns are so nearly collinear that double precision cannot follow the descent "
            f"in {counted(blind, 'direction')}: the limit is exact for the numbers given, losses "
            "of the path before it are not."
        ]
    if not relations and (exact or spectrum.rank == p):
        if spectrum.condition < ILL_CONDITIONED and spectrum.rank == p:
            return []
        return [_note_condition(spectrum.condition, exact=exact)]
    if problem.rows.used <= p:
        return [
            f"{problem.rows.used:,} rows for {p:,} columns: many solutions fit equally well, and "
            "the descent takes the one nearest to its start."
        ]
    if relations is None:
        relations = find_relations(problem, coordinates)
    if collinear == "refuse":
        raise CollinearError.of(relations)
    return [
        f"collinear columns: {'; '.join(relations)}.  Many solutions fit equally well; the "
        "coefficients are the shortest."
    ]


def _note_condition(condition: float, *, exact: bool) -> str:
    nearly = f"the columns are nearly collinear (condition number {condition:.1e}): "
    if exact:
        digits = max(1, int(15.9 - math.log10(condition) / 2))
        return (
            f"{nearly}the limit is exact for the numbers given, but their own rounding shows in "
            f"about digit {digits} of the coefficients."
        )
    digits = max(1, int(15.9 - math.log10(condition)))
    return f"{nearly}the coefficients carry about {counted(digits, 'digit')}."
