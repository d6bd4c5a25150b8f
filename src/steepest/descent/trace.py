"""A value for every epoch, in bounded memory."""

from __future__ import annotations

import operator
from array import array
from collections.abc import Callable, Iterator, MutableSequence
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import OptionError, counted

Item = TypeVar("Item")


class Trace(Generic[Item]):
    """One value for each epoch, in bounded memory.

    Kept are epochs 0, s, 2s, 3s, ... and always the latest.  The stride s starts at 1;
    whenever more than ``budget`` values would be held, every second one is dropped and s
    doubles.  So a trace that fits is whole, and one that does not is spread evenly over the
    descent, with more than ``budget`` / 2 - 1 values.  Appending costs O(1) on average.

    Parameters
    ----------
    budget : int
        The largest number of values to hold, at least 2.
    kept : mutable sequence, optional
        An empty one to hold them.  Default: a list.

    Raises
    ------
    OptionError
        ``budget`` is less than 2.

    Examples
    --------
    >>> trace = Trace(budget=4)
    >>> for square in (0, 1, 4, 9, 16, 25):
    ...     trace.append(square)
    >>> trace.epochs, list(trace)
    (array([0, 2, 4, 5]), [0, 4, 16, 25])
    >>> trace[-1], trace[4]
    (25, 16)
    """

    def __init__(self, budget: int, kept: MutableSequence[Item] | None = None) -> None:
        if budget < 2:
            raise OptionError.outside("budget", budget, "at least 2", "budget=2**20")
        self._budget = budget
        self._kept: MutableSequence[Item] = [] if kept is None else kept
        self._stride = 1
        self._last = -1

    def append(self, value: Item) -> None:
        """Add the value of the next epoch."""
        self._last += 1
        self._latest = value
        if self._on_grid(self._last):
            self._kept.append(value)
        if len(self) > self._budget:
            del self._kept[1::2]
            self._stride *= 2

    @property
    def epochs(self) -> NDArray[np.int64]:
        """The epochs kept, shape (len,), rising."""
        grid = np.arange(0, self._last + 1, self._stride, dtype=np.int64)
        return grid if self._on_grid(self._last) else np.append(grid, np.int64(self._last))

    def __len__(self) -> int:
        return len(self._kept) + (not self._on_grid(self._last))

    def __iter__(self) -> Iterator[Item]:
        yield from self._kept
        if not self._on_grid(self._last):
            yield self._latest

    @overload
    def __getitem__(self, epoch: int) -> Item: ...

    @overload
    def __getitem__(self, epoch: slice) -> list[Item]: ...

    def __getitem__(self, epoch: int | slice) -> Item | list[Item]:
        """Return the value at that epoch; negative ones count back from the last."""
        if isinstance(epoch, slice):
            return [self[t] for t in range(*epoch.indices(self._last + 1))]
        wanted = operator.index(epoch)
        wanted += (self._last + 1) * (wanted < 0)
        if not 0 <= wanted <= self._last:
            raise IndexError(
                f"there is no epoch {epoch:,}: the last is {self._last:,}."
                if self._last >= 0
                else f"there is no epoch {epoch:,}: none was run."
            )
        if wanted == self._last:
            return self._latest
        if self._on_grid(wanted):
            return self._kept[wanted // self._stride]
        below = wanted - wanted % self._stride
        above = min(below + self._stride, self._last)
        raise IndexError(
            f"epoch {wanted:,} is not kept, only one epoch in {self._stride:,} and the last; "
            f"the nearest is {below if wanted - below <= above - wanted else above:,}."
        )

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[np.generic]:
        if copy is False:
            raise ValueError("a trace is not one array in memory, so it has to be copied.")
        return np.array(list(self), dtype=dtype)

    def saved(self, plain: Callable[[Item], Any]) -> dict[str, Any]:
        """Return all that it holds, each value as ``plain`` makes it."""
        kept = self._kept
        every = np.array(kept) if isinstance(kept, array) else [plain(value) for value in kept]
        latest = plain(self._latest) if self._last >= 0 else None
        return {"kept": every, "stride": self._stride, "last": self._last, "latest": latest}

    def restore(self, saved: dict[str, Any], made: Callable[[Any], Item]) -> None:
        """Hold what another one has :meth:`saved`, each value as ``made`` makes it again."""
        del self._kept[:]
        self._kept.extend(made(value) for value in saved["kept"])
        self._stride, self._last = saved["stride"], saved["last"]
        if self._last >= 0:
            self._latest = made(saved["latest"])

    def __repr__(self) -> str:
        return f"Trace({len(self):,} of {counted(self._last + 1, 'epoch')} kept)"

    def _on_grid(self, epoch: int) -> bool:
        return epoch % self._stride == 0 or epoch < 0
