"""What a result would be misread without: rows dropped, columns left out or dependent."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from ..data.expressions import Call, label
from ..data.terms import RARE
from ..descent.quadratic import Coordinates
from ..descent.relations import find_relations
from ..descent.solve import Spectrum
from ..errors import CollinearError, counted, listed
from ..sums.moments import Moments
from ..sums.problem import Problem
from ..sums.summary import note_rounded

ILL_CONDITIONED = 1e8
"""Condition number of the columns from which a result says so."""


def note_rows(problem: Problem) -> list[str]:
    """Rows that were dropped, by the columns that were null, and nulls that were filled."""
    rows = problem.rows
    gone = sum(count for why, count in rows.dropped.items() if why.startswith("null in "))
    met = {n for name in problem.nulls_met for n in (name, *problem.columns[name].sources)}
    notes = []
    if gone:
        verb = "was" if gone == 1 else "were"
        nulls = _count(rows.nulls, rows.nulls.keys() - met)
        notes.append(
            f"{gone:,} of {rows.read:,} rows {verb} dropped for nulls; nulls by column: {nulls}."
        )
    if met:
        marked = ", and a coefficient of its own marks it" if problem.missing == "indicator" else ""
        notes.append(
            f"where a feature is null the mean of its term stands in{marked}; nulls by column: "
            f"{_count(rows.nulls, met)}."
        )
    return notes


def _count(nulls: Mapping[str, int], names: Collection[str]) -> str:
    return ", ".join(f"'{n}' {count:,}" for n, count in nulls.items() if count and n in names)


def note_pooled(problem: Problem) -> list[str]:
    """Levels that were taken together."""
    return [
        f"{counted(len(levels), 'level')} of '{name}' with few rows became one, {RARE}: "
        f"{listed(levels, limit=5)}."
        for name, levels in problem.pooled.items()
    ]


BACK = {
    "log": ("exp(p)", "exp(p + s²/2)"),
    "log2": ("2^p", "2^p · exp((s · ln 2)²/2)"),
    "log10": ("10^p", "10^p · exp((s · ln 10)²/2)"),
    "log1p": ("exp(p) - 1", "exp(p + s²/2) - 1"),
    "sqrt": ("p²", "p² + s²"),
    "exp": ("log(p)", ""),
}
"""For functions of a target, what a prediction p says of the median, and of the mean."""


def note_transform(problem: Problem) -> list[str]:
    """What predictions of a transformed target say of the column itself."""
    column = problem.columns.get(problem.target)
    made = column.formed if column else None
    if not isinstance(made, Call) or made.function not in BACK:
        return []
    median, mean = BACK[made.function]
    inside = label(made.argument)
    words = f"predictions p are of {problem.target}: {median} is the median of {inside}"
    if mean:
        words += f", and {mean} its mean, s the residual sd, where errors are normal"
    return [f"{words}."]


def note_left_out(moments: Moments) -> list[str]:
    """Columns that were not scanned."""
    if not moments.left_out:
        return []
    reasons = "; ".join(f"'{name}': {reason}" for name, reason in moments.left_out.items())
    return [f"left out of the scan, since nobody named them: {reasons}."]


def note_overflow(epoch: int, asked: int) -> str:
    """Where a descent that diverges leaves the numbers."""
    return (
        f"the descent diverges, and leaves the range of doubles after epoch {epoch:,} of the "
        f"{asked:,} asked for: this is epoch {epoch:,}."
    )


def note_rounding(problem: Problem, moments: Moments) -> list[str]:
    """Whole numbers that doubles could not hold."""
    used = {name for term in problem.terms for name in term.columns} | {problem.target}
    used.add(moments.weights)
    return note_rounded(used & moments.rounded)


def note_collinearity(
    problem: Problem,
    coordinates: Coordinates,
    collinear: str,
    spectrum: Spectrum,
    relations: list[str] | None,
    blind: int,
) -> list[str]:
    """Columns that depend on each other, or nearly; CollinearError where those are refused.

    ``blind``: along how many directions the curvature is 0 as far as doubles tell.
    """
    p, exact = len(problem.terms), relations is not None
    dependent = p - spectrum.rank if relations is None else len(relations)
    lost = [_note_lost(blind - dependent, exact=exact)] if blind > dependent else []
    if lost and not dependent:
        return lost
    if not relations and (exact or spectrum.rank == p):
        if spectrum.condition < ILL_CONDITIONED and spectrum.rank == p:
            return []
        return [_note_condition(spectrum.condition, exact=exact)]
    if problem.rows.used <= p:
        return [
            *lost,
            f"{problem.rows.used:,} rows for {p:,} columns: many solutions fit equally well, and "
            "the descent takes the one nearest to its start.",
        ]
    if relations is None:
        relations = find_relations(problem, coordinates)
    if collinear == "refuse":
        raise CollinearError.of(relations)
    return [
        *lost,
        f"collinear columns: {'; '.join(relations)}.  Many solutions fit equally well; the "
        "coefficients are the shortest.",
    ]


def _note_lost(directions: int, *, exact: bool) -> str:
    """Directions that change something, which doubles do not see."""
    where = counted(directions, "direction")
    sure = "the limit is exact for the numbers given, losses of the path before it are not"
    unsure = "coefficients and losses are rough; scale='standard' sees more"
    return (
        "the columns are so nearly collinear, or so far from 0, that double precision cannot "
        f"follow the descent in {where}: {sure if exact else unsure}."
    )


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
