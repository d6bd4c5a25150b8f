"""The normal equations of a problem in double precision: everything is held about means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..data.table import Column
from ..data.terms import Term
from ..typing import Floats
from .double import Sums
from .meeting import Meeting


@dataclass(frozen=True, eq=False)
class DenseNormal:
    """W, the means of q columns, shape (q,), and Σ w (z - z̄)(z - z̄)ᵀ, shape (q, q)."""

    weight: float
    mean: Floats
    scatter: Floats

    def plus(self, other: DenseNormal) -> DenseNormal:
        """Those of the rows of both, by the update of Chan, Golub and LeVeque."""
        weight = self.weight + other.weight
        gap = other.mean - self.mean
        scatter = self.scatter + other.scatter
        scatter += np.outer(gap, gap) * (self.weight * (other.weight / weight))
        return DenseNormal(weight, self.mean + gap * (other.weight / weight), scatter)

    def spread(self, at: Sequence[int], length: int) -> DenseNormal:
        """These columns at some places among more, of which nothing is known."""
        mean, scatter = np.zeros(length), np.zeros((length, length))
        mean[list(at)], scatter[np.ix_(at, at)] = self.mean, self.scatter
        return replace(self, mean=mean, scatter=scatter)

    def fill(self, at: Sequence[int], values: Sequence[float]) -> DenseNormal:
        """With constants in the place of some columns, which are not known."""
        mean, scatter = self.mean.copy(), self.scatter.copy()
        mean[list(at)] = values
        scatter[list(at), :] = scatter[:, list(at)] = 0.0
        return replace(self, mean=mean, scatter=scatter)

    def subtract_last(self) -> DenseNormal:
        """With the last column taken from the one before it: an offset from its target."""
        mean, scatter = self.mean.copy(), self.scatter.copy()
        mean[-2] -= mean[-1]
        scatter[-2, :] -= scatter[-1, :]
        scatter[:, -2] -= scatter[:, -1]
        scatter[-2, -2] = max(scatter[-2, -2], 0.0)
        return replace(self, mean=mean[:-1], scatter=scatter[:-1, :-1])

    def mean_of(self, j: int) -> float:
        return float(self.mean[j])


def cut_dense(sums: Sums, terms: Sequence[Term], columns: Mapping[str, Column]) -> DenseNormal:
    """The equations of some terms, the target's last, out of the sums of their columns.

    For the indicators D of levels with n_l of n rows: Σ (D - D̄)(z - z̄) = n_l (z̄_l - z̄), and
    two of them meet in n_ll' - n_l n_l' / n.
    """
    n, q = sums.weight, len(terms)
    meeting = Meeting(sums, terms, columns)
    place = {name: j for j, name in enumerate(sums.numbers)}
    mean, products = np.zeros(q), np.zeros((q, q))
    scatter, known = np.zeros((q, q)), np.zeros((q, q), dtype=bool)
    for at, level, category, number in meeting.singles():
        if category:
            mean[at] = _add_up(sums, category, number, place)[level] / n
        else:
            mean[at] = sums.mean[place[number]]
    for a, b in meeting.dense():
        inner = np.ix_([place[terms[i].number] for i in a], [place[terms[i].number] for i in b])
        scatter[np.ix_(a, b)], known[np.ix_(a, b)] = sums.scatter[inner], True
    for i, j, level, category, number in meeting.crossed():
        kinds = {tuple(map(bool, terms[k][:2])) for k in (i[0], j[0])}
        if kinds == {(False, True), (True, False)}:  # an indicator and a number: nothing cancels
            found = sums.levels[category]
            gap = found.means[level, place[number]] - sums.mean[place[number]]
            scatter[i, j] = scatter[j, i] = found.weights[level] * gap
            known[i, j] = known[j, i] = True
        else:
            products[i, j] = products[j, i] = _add_up(sums, category, number, place)[level]
    for i, j, pair in meeting.paired():
        products[i, j] = products[j, i] = pair.counts
    with np.errstate(over="ignore", invalid="ignore"):  # such means have their scatter already
        scatter = np.where(known, scatter, products - n * np.outer(mean, mean))
    diagonal = np.diag_indices(q)
    scatter[diagonal] = np.maximum(scatter[diagonal], 0.0)
    return DenseNormal(n, mean, scatter)


def _add_up(sums: Sums, category: str, number: str, place: Mapping[str, int]) -> Floats:
    """The sum of a number over each level, or its rows."""
    found = sums.levels[category]
    return found.weights * found.means[:, place[number]] if number else found.weights
