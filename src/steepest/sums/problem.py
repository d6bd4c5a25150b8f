"""The small dense problem that moments give out, and where its rows went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..data.design import Term
from ..typing import Floats
from .double import Sums


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
    ``weight`` is W, the number of rows used.
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
