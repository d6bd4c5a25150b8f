"""Some rows at a time, in an order that a seed decides."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import OptionError
from ..typing import Tensor


@dataclass(frozen=True)
class Minibatches:
    """The rows of an epoch, each once, ``size`` at a time; the last batch may be smaller.

    The pass that makes epoch t, for t = 1, 2, 3, ..., takes the n rows in the order
    ``np.random.default_rng([seed, t]).permutation(n)``, or as they stand.  So the order of any
    epoch is known without those before it.

    Attributes
    ----------
    size : int
        Rows of a batch.
    shuffle : bool
        Whether the order is random.
    seed : int
        Of that order.

    Examples
    --------
    >>> [rows.tolist() for rows in Minibatches(2, shuffle=True, seed=0).rows(5, epoch=1)]
    [[1, 4], [3, 0], [2]]
    """

    size: int
    shuffle: bool
    seed: int

    def rows(self, n: int, epoch: int) -> Iterator[Any]:
        """Yield the rows of each batch: an array of places, or a slice where none is moved."""
        if not self.shuffle:
            yield from (slice(at, at + self.size) for at in range(0, n, self.size))
            return
        order = np.random.default_rng([self.seed, epoch]).permutation(n)
        yield from (order[at : at + self.size] for at in range(0, n, self.size))

    def batches(self, objective: Any, epoch: int) -> Iterator[Any]:
        """Yield the objective on each batch of its rows."""
        for rows in self.rows(len(objective.x), epoch):
            yield replace(objective, x=objective.x[rows], y=objective.y[rows])


def check_minibatches(
    batch_size: int | None, seed: int, shuffle: bool, *, whole: bool = False
) -> None:
    """Refuse a batch size that is no count from 1, a seed below 0 and what is no yes or no.

    And any batches for what steps on the ``whole`` only.
    """
    if whole and batch_size is not None:
        wanted = "possible with searches along lines"
        raise OptionError.outside("batch_size", batch_size, wanted, "leave batch_size out.")
    for name, value, least in (("batch_size", batch_size, 1), ("seed", seed, 0)):
        if name == "batch_size" and value is None:
            continue
        if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
            wanted = f"a whole number of at least {least}"
            raise OptionError.outside(name, value, wanted, f"{name}={32 * least}")
    if not isinstance(shuffle, bool | np.bool_):
        raise OptionError.outside("shuffle", shuffle, "True or False", "shuffle=True")


def split(n: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the rows to train on and those held out, both in rising order.

    Of the order ``np.random.default_rng([seed]).permutation(n)`` the first ``share`` are held
    out, rounded to a row, and at least one row stands on either side.

    Examples
    --------
    >>> [rows.tolist() for rows in split(5, 0.4, seed=0)]
    [[0, 1, 3], [2, 4]]
    """
    order = np.random.default_rng([seed]).permutation(n)
    held = min(max(1, round(share * n)), n - 1)
    return np.sort(order[held:]), np.sort(order[:held])
