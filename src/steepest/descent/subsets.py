"""The best subsets of the columns of a least-squares problem, of every size, without trying all.

Taking columns out never lowers the residual sum of squares, so that a set of columns whose own is
above the best ones known of every smaller size need not be looked into: leaps and bounds [1]_.
Each node of the tree is a set of columns of which the first may not go; the columns are ordered
by what the residual would rise without them, those that matter most first, so that large branches
are cut early [2]_.  All nodes of a level are worked on together.

References
----------
.. [1] G. M. Furnival, R. W. Wilson.  Regressions by leaps and bounds.  Technometrics 16(4),
   499-511, 1974.  doi:10.1080/00401706.1974.10489231
.. [2] M. Hofmann, C. Gatu, E. J. Kontoghiorghes.  Efficient algorithms for computing the best
   subset regression models for large-scale problems.  Computational Statistics and Data Analysis
   52(1), 16-29, 2007.  doi:10.1016/j.csda.2007.03.017
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats

Sets = dict[int, tuple[int, ...]]
"""By size, the columns, in rising order."""

NOISE = 2.0**-52
BATCH = 512
"""Nodes that are worked on together, at the most."""


def search_forward(matrix: Floats, cross: Floats) -> Sets:
    """From no column on, each time with the one that lowers the residual most.

    Of C β ≈ r, shape (p, p) and (p,), the diagonal of C 1; columns that depend on those chosen
    never join.  O(p²) for each that does.
    """
    p = len(cross)
    table = np.block([[matrix, cross[:, None]], [cross[None], np.ones((1, 1))]])
    chosen: list[int] = []
    found: Sets = {0: ()}
    for _ in range(p):
        diagonal = np.diag(table)[:p]
        free = np.ones(p, dtype=bool)
        free[chosen] = False
        free &= diagonal > 64 * p * NOISE
        if not free.any():
            break
        gain = np.where(free, table[:p, p] ** 2 / np.where(free, diagonal, 1.0), -1.0)
        j = int(np.argmax(gain))
        chosen.append(j)
        row = table[j] / table[j, j]
        table = table - np.outer(table[:, j], row)
        found[len(chosen)] = tuple(sorted(chosen))
    return found


def search_backward(matrix: Floats, cross: Floats) -> Sets:
    """From all columns down, each time without the one that raises the residual least.  O(p³)."""
    kept = list(range(len(cross)))
    inverse = np.linalg.inv(matrix)
    beta = inverse @ cross
    found: Sets = {len(kept): tuple(kept)}
    while kept:
        rise = beta**2 / np.diag(inverse)
        i = int(np.argmin(rise))
        beta = np.delete(beta - inverse[:, i] * (beta[i] / inverse[i, i]), i)
        inverse = inverse - np.outer(inverse[:, i], inverse[i]) / inverse[i, i]
        inverse = np.delete(np.delete(inverse, i, 0), i, 1)
        kept.pop(i)
        found[len(kept)] = tuple(kept)
    return found


def search_all(matrix: Floats, cross: Floats) -> Sets:
    """For every size the columns with the smallest residual of all sets of that size.

    C has to be definite.  The worst case is that of trying all; most are far from it.
    """
    return _Tree(matrix, cross).search()


Branch = tuple["_Nodes", NDArray[np.int64], NDArray[np.int64], Floats]
"""Nodes, of which ones which column is to go, and the residual then."""


class _Tree:
    """Sets of columns from which columns are taken, and the best known of each size."""

    def __init__(self, matrix: Floats, cross: Floats) -> None:
        self._matrix, self._cross = matrix, cross
        p = len(cross)
        self.best = np.full(p + 1, np.inf)
        """Residual, relative to the target's square, of the best set of each size."""
        self.sets = np.zeros((p + 1, p), dtype=bool)
        for found in (search_forward(matrix, cross), search_backward(matrix, cross)):
            for size, columns in found.items():
                self._offer(size, columns)

    def _offer(self, size: int, columns: tuple[int, ...]) -> None:
        at = list(columns)
        residual = 1.0
        if at:
            own = np.linalg.solve(self._matrix[np.ix_(at, at)], self._cross[at])
            residual = 1.0 - float(own @ self._cross[at])
        if residual < self.best[size]:
            self.best[size] = residual
            self.sets[size] = False
            self.sets[size][at] = True

    def search(self) -> Sets:
        p = len(self._cross)
        if p:
            inverse: Floats = np.asarray(np.linalg.inv(self._matrix), dtype=np.float64)
            beta: Floats = np.asarray(inverse @ self._cross, dtype=np.float64)
            root = 1.0 - float(beta @ self._cross)
            first = np.zeros(1, dtype=np.int64)
            nodes = _Nodes(inverse[None], beta[None], np.array([root]), np.arange(p)[None], first)
            waiting = self._branch(nodes)
            while waiting:
                parents, which, gone, rest = waiting.pop()
                still = rest < self._bounds()[np.maximum(gone, 1)]
                if still.any():
                    waiting += self._branch(parents.without(which[still], gone[still]))
        return {n: tuple(np.flatnonzero(own).tolist()) for n, own in enumerate(self.sets)}

    def _bounds(self) -> Floats:
        """What a set has to beat, by the least size of the sets that it leads to."""
        return np.maximum.accumulate(self.best[::-1])[::-1]

    def _branch(self, nodes: _Nodes) -> list[Branch]:
        """What is left to look into below some nodes of one size, the least hopeful first."""
        size = nodes.columns.shape[1]
        nodes = nodes.ordered()
        rest = nodes.residual[:, None] + nodes.rises
        place = np.arange(size)
        may_go = place >= nodes.fixed[:, None]
        self._note(nodes, np.where(may_go, rest, np.inf))
        # Without column j the first j stay, so that sizes from j to size - 2 are still to be had.
        worth = may_go & (rest < self._bounds()[np.maximum(place, 1)]) & (place <= size - 2)
        which, gone = np.nonzero(worth)
        rest = rest[which, gone]
        order = np.argsort(-rest, kind="stable")
        pieces = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
        return [(nodes, which[at], gone[at], rest[at]) for at in pieces]

    def _note(self, nodes: _Nodes, rest: Floats) -> None:
        """Keep the best of what some nodes lead to with one column less."""
        i, j = np.unravel_index(int(np.argmin(rest)), rest.shape)
        size = rest.shape[1] - 1
        if rest[i, j] < self.best[size]:
            self.best[size] = rest[i, j]
            self.sets[size] = False
            self.sets[size][np.delete(nodes.columns[i], j)] = True


class _Nodes:
    """Sets of columns of one size m, B of them."""

    def __init__(
        self,
        inverse: Floats,
        beta: Floats,
        residual: Floats,
        columns: NDArray[np.int64],
        fixed: NDArray[np.int64],
    ) -> None:
        self.inverse, self.beta, self.residual = inverse, beta, residual
        self.columns, self.fixed = columns, fixed
        diagonal = np.einsum("bii->bi", inverse)
        self.rises = beta**2 / diagonal
        """What the residual rises without each column, shape (B, m)."""

    def ordered(self) -> _Nodes:
        """The same, what may go ordered by what it would cost, most first."""
        keys = np.where(np.arange(self.rises.shape[1]) < self.fixed[:, None], np.inf, self.rises)
        order = np.argsort(-keys, axis=1, kind="stable")
        rows = np.arange(len(order))[:, None]
        inverse = self.inverse[rows[:, :, None], order[:, :, None], order[:, None, :]]
        return _Nodes(
            inverse, self.beta[rows, order], self.residual, self.columns[rows, order], self.fixed
        )

    def without(self, which: NDArray[np.int64], gone: NDArray[np.int64]) -> _Nodes:
        """Some of them without a column, before which none may go any more."""
        m = self.beta.shape[1]
        rows = np.arange(len(which))
        kept = np.arange(m - 1) + (np.arange(m - 1) >= gone[:, None])
        lines = self.inverse[which, gone]  # shape (B, m)
        pivot = lines[rows, gone]
        beta = self.beta[which] - lines * (self.beta[which, gone] / pivot)[:, None]
        own = lines[rows[:, None], kept]
        inverse = self.inverse[which[:, None, None], kept[:, :, None], kept[:, None, :]]
        inverse -= own[:, :, None] * (own / pivot[:, None])[:, None, :]
        residual = self.residual[which] + self.rises[which, gone]
        return _Nodes(
            inverse, beta[rows[:, None], kept], residual, self.columns[which[:, None], kept], gone
        )
