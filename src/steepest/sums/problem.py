"""The small dense problem that moments give out, and where its rows went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..data.design import Term
from ..errors import OptionError, ValueFoundError
from ..typing import Floats
from .double import Sums
from .exact import ExactSums
from .normal import ExactNormal, cut_normal

LARGEST_ROOT = 2.0**511
"""Means below this have squares that are doubles, and so have their sums with variances."""

FAR = 450
"""Root mean squares within 2^±450 have squares that are doubles, and so have their parts."""


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
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Per category the levels without a coefficient of their own: its reference level."""
    exponents: tuple[int, ...] = ()
    """Columns so large or small that their squares are no doubles are held times 2^-exponent."""
    rank: int | None = None
    """How many columns are left when those that depend on others are taken out, where known."""
    exact: ExactNormal | None = None
    """The same sums in whole numbers, where nothing was rounded."""

    def keep(self, terms: Sequence[int]) -> Problem:
        """The problem of fewer terms, and of the categories that these come from."""
        at = list(terms)
        kept = tuple(self.terms[i] for i in at)
        used = {term.column for term in kept}
        return replace(
            self,
            terms=kept,
            mean=self.mean[at],
            scatter=self.scatter[np.ix_(at, at)],
            cross=self.cross[at],
            references={n: levels for n, levels in self.references.items() if n in used},
            exponents=tuple(self.exponents[i] for i in at) if self.exponents else (),
            exact=None if self.exact is None else self.exact.keep(at),
        )


def check_references(
    references: Mapping[str, str] | None, levels: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """The reference levels asked for; OptionError for one that is no level of a category."""
    if not isinstance(references, Mapping | None):
        raise OptionError.outside(
            "references", references, "a mapping of columns to levels", "{'city': 'Oslo'}"
        )
    asked = {str(name): str(level) for name, level in (references or {}).items()}
    for name, level in asked.items():
        if name not in levels:
            raise OptionError.unknown("references", name, list(levels))
        if level not in levels[name]:
            raise OptionError.unknown(f"the reference of '{name}'", level, levels[name])
    return asked


def cut_problem(
    sums: Sums | ExactSums,
    terms: Sequence[Term],
    types: Mapping[str, str],
    target: str,
    rows: Rows,
    references: Mapping[str, tuple[str, ...]],
    where: str,
) -> Problem:
    """The problem of some terms, the target's own last, and the types their columns came in.

    ValueFoundError where squares leave the range of doubles: in double precision any, in exact
    sums the target's, for a loss is in its unit squared.
    """
    exact, exponents = None, {}
    if isinstance(sums, ExactSums):
        exact = cut_normal(sums, terms, [types[term.column] for term in terms])
        exponents = {name: e for name, e in sums.exponents.items() if abs(e) > FAR}
        exponents.pop(terms[-1].column, None)
        sums = sums.times_powers_of_two({name: -e for name, e in exponents.items()})
        size = sums.whole.weight.bit_length() + sums.whole.weight_unit
        if abs(size) > FAR:
            sums = sums.weighed_by_power_of_two(-size)
    rounded = sums.rounded()
    rounded.refuse_out_of_range(where)
    if isinstance(sums, ExactSums):
        sums.refuse_underflow(rounded, where)
    mean, scatter = dense_moments(rounded, terms)
    beyond = [t.column for t, m in zip(terms, mean, strict=True) if not abs(m) < LARGEST_ROOT]
    if beyond:
        raise ValueFoundError.overflow(beyond, where)
    return Problem(
        tuple(terms[:-1]),
        target,
        rounded.weight,
        mean[:-1],
        float(mean[-1]),
        scatter[:-1, :-1],
        scatter[:-1, -1],
        float(scatter[-1, -1]),
        rows,
        references,
        tuple(exponents.get(term.column, 0) for term in terms[:-1]) if exponents else (),
        exact=exact,
    )


def dense_moments(sums: Sums, terms: Sequence[Term]) -> tuple[Floats, Floats]:
    """Mean, shape (q,), and scatter, shape (q, q), of numbers and of indicators of levels.

    For the indicators D of levels with n_l of n rows: Σ (D - D̄)(z - z̄) = n_l (z̄_l - z̄), and
    two of them meet in n_ll' - n_l n_l' / n.
    """
    n = sums.weight
    groups: dict[str | None, list[int]] = {}
    for i, term in enumerate(terms):
        groups.setdefault(None if term.level is None else term.column, []).append(i)
    mean, scatter = np.zeros(len(terms)), np.zeros((len(terms), len(terms)))
    numbers = groups.pop(None, [])
    at = [sums.numbers.index(terms[i].column) for i in numbers]
    mean[numbers] = sums.mean[at]
    scatter[np.ix_(numbers, numbers)] = sums.scatter[np.ix_(at, at)]
    picked = {}
    for name, own in groups.items():
        place = {level: i for i, level in enumerate(sums.levels[name or ""].levels)}
        picked[name] = [place.get(terms[i].level or "", -1) for i in own]
    for name, own in groups.items():
        found = sums.levels[name or ""]
        counts = np.append(found.weights, 0.0)[picked[name]]
        means = np.vstack([found.means, sums.mean])[picked[name]][:, at]
        mean[own] = counts / n
        block = counts[:, None] * (means - sums.mean[at])
        scatter[np.ix_(own, numbers)], scatter[np.ix_(numbers, own)] = block, block.T
        for other, theirs in groups.items():
            if other == name:
                met = np.diag(counts)
                them = counts
            else:
                them = np.append(sums.levels[other or ""].weights, 0.0)[picked[other]]
                table = np.pad(sums.table(name or "", other or ""), ((0, 1), (0, 1)))
                met = table[np.ix_(picked[name], picked[other])]
            scatter[np.ix_(own, theirs)] = met - np.outer(counts, them) / n
    return mean, scatter
