"""Parts added up as a tree over their order, so that the shape of the sum is always the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..data.design import Design
from .collector import join
from .moments import Moments


class Branch(NamedTuple):
    """The sum of 2^height parts that follow each other."""

    height: int
    moments: Moments


class PairwiseSum:
    """The running sum of parts in their order, as branches of 2^height parts, the tallest first.

    Two branches of one height are added as soon as they meet, as a binary counter carries.
    """

    def __init__(self, design: Design, branches: Sequence[Branch] = ()) -> None:
        self._design = design
        self._branches = list(branches)

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The state of the sum: all that is needed to go on adding."""
        return tuple(self._branches)

    @property
    def n_parts(self) -> int:
        """How many parts were added."""
        return sum(1 << branch.height for branch in self._branches)

    @property
    def n_read(self) -> int:
        """How many rows these parts had."""
        return sum(branch.moments.n_read for branch in self._branches)

    def add(self, moments: Moments) -> None:
        """The next part; nothing is changed if it cannot be added."""
        kept, height = self._branches[:], 0
        while kept and kept[-1].height == height:
            moments = join(kept.pop().moments, moments, self._design)
            height += 1
        self._branches = [*kept, Branch(height, moments)]

    def total(self) -> Moments:
        """The sum of all."""
        total = Moments.zero()
        for _, moments in reversed(self._branches):
            total = join(moments, total, self._design)
        return total
