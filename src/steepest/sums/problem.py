"""The small dense problem that moments give out, and where its rows went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..data.table import Column
from ..data.terms import Term
from ..errors import ValueFoundError
from ..typing import Floats
from .dense import DenseNormal
from .normal import FAR, ExactNormal

LARGEST_ROOT = 2.0**511
"""Means below this have squares that are doubles, and so have their sums with variances."""


@dataclass(frozen=True)
class Rows:
    """Where the rows went: ``read = used + Σ dropped``, always.

    Examples
    --------
    >>> rows = Rows(344, 333, {"null in sex": 9, "null in bill, sex": 2}, {"bill": 2, "sex": 11})
    >>> rows.read == rows.used + sum(rows.dropped.values())
    True
    """

    read: int
    used: int
    dropped: Mapping[str, int]
    """Rows by reason, such as ``null in sex``; each row stands once, under all its null columns."""
    nulls: Mapping[str, int]
    """Nulls in each used column, among all rows; a row may count for several."""


@dataclass(frozen=True)
class Problem:
    """The small dense problem of one target and its terms, cut out of the moments.

    With p terms: ``mean`` (p,) and ``target_mean`` are the means, ``scatter`` (p, p) is
    Σ (x - x̄)(x - x̄)ᵀ, ``cross`` (p,) is Σ (x - x̄)(y - ȳ), ``target_scatter`` is Σ (y - ȳ)²;
    ``weight`` is W, the number of rows used where they have no weights, and W times a power of two
    where W or sums weighed by it would be no doubles: none of what follows depends on it.
    """

    terms: tuple[Term, ...]
    target: str
    weight: float
    mean: Floats
    target_mean: float
    scatter: Floats
    cross: Floats
    target_scatter: float
    rows: Rows
    columns: Mapping[str, Column] = field(default_factory=dict)
    """What the columns of terms, target and offset are, by the name that terms have for them."""
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Per category the levels without a coefficient of their own: its reference level."""
    pooled: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Per category the levels that were taken together as one."""
    missing: str = "drop"
    """What was done about nulls."""
    fills: tuple[float | None, ...] = ()
    """For each term what stands in the place of a null; None where a null stays one."""
    absorbed: tuple[Term, ...] = ()
    """Levels of the largest category, which ``exact`` knows apart and the matrices do not hold."""
    nulls_met: tuple[str, ...] = ()
    """The columns in which rows that are used have nulls."""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Between which values the columns of numbers lay in the rows that were scanned."""
    offset: str = ""
    """The column that is taken from the target, and added to predictions."""
    exponents: tuple[int, ...] = ()
    """Columns so large or small that their squares are no doubles are held times 2^-exponent."""
    rank: int | None = None
    """How many columns are left when those that depend on others are taken out, where known."""
    exact: ExactNormal | None = None
    """The same sums in whole numbers, where nothing was rounded."""

    def keep(self, terms: Sequence[int]) -> Problem:
        """The problem of fewer terms, and of the categories that these come from.

        The levels of the others count as nothing, as a reference level does.
        """
        at = list(terms)
        kept = tuple(self.terms[i] for i in at)
        used = {term.category for term in (*kept, *self.absorbed)}
        gone = [term for i, term in enumerate(self.terms) if i not in {*at}]
        own = {(term.category, term.level) for term in (*kept, *self.absorbed)}
        references = {n: levels for n, levels in self.references.items() if n in used}
        for term in gone:
            name = term.category
            if name in references and (name, term.level) not in own and not term.null:
                references[name] = tuple(dict.fromkeys([*references[name], term.level]))
        return replace(
            self,
            terms=kept,
            mean=self.mean[at],
            scatter=self.scatter[np.ix_(at, at)],
            cross=self.cross[at],
            references=references,
            fills=tuple(self.fills[i] for i in at) if self.fills else (),
            exponents=tuple(self.exponents[i] for i in at) if self.exponents else (),
            exact=None if self.exact is None else self.exact.keep(at),
        )


def round_problem(
    normal: ExactNormal | DenseNormal, terms: Sequence[Term], target: str, rows: Rows, where: str
) -> Problem:
    """The problem of some equations, the target's last.

    ValueFoundError where squares leave the range of doubles: in double precision any, in exact
    sums the target's, for a loss is in its unit squared.
    """
    exponents: tuple[int, ...] = ()
    exact = normal if isinstance(normal, ExactNormal) else None
    names = [*(term.name for term in terms), target]
    if isinstance(normal, ExactNormal):
        far = [e if abs(e) > FAR else 0 for e in normal.exponents[:-1]]
        size = normal.weight.bit_length() + normal.weight_unit
        power = -size if abs(size) > FAR else 0
        scaled = normal
        if any(far) or power:
            scaled = normal.scaled([*(-e for e in far), 0], power)
        exponents = tuple(far) if any(far) else ()
        weight, mean, scatter = scaled.rounded()
        for j in scaled.vanished(scatter):
            raise ValueFoundError.underflow(names[j], where)
    else:
        weight, mean, scatter = normal.weight, normal.mean, normal.scatter
    over = ~(np.diag(scatter) < np.inf) | ~(np.abs(mean) < LARGEST_ROOT)
    if over.any():
        raise ValueFoundError.overflow([names[j] for j in np.flatnonzero(over)], where)
    return Problem(
        tuple(terms),
        target,
        weight,
        mean[:-1],
        float(mean[-1]),
        scatter[:-1, :-1],
        scatter[:-1, -1],
        float(scatter[-1, -1]),
        rows,
        exponents=exponents,
        exact=exact,
    )
