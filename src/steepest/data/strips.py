"""Columns of doubles that lie apart in memory, taken as one table without a copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats


class Strips:
    """Columns of equal length, each of shape (n,), as a table of shape (n, k).

    NumPy takes it as the array that it stands for, which is then put together, once.
    """

    def __init__(self, columns: Sequence[Floats], rows: int) -> None:
        self.columns = tuple(columns)
        self.shape = (rows, len(self.columns))
        self._whole: Floats | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | NDArray[Any]) -> Strips:
        """Some rows: views of the columns, where they are a slice."""
        columns = [column[rows] for column in self.columns]
        length = len(columns[0]) if columns else len(np.empty(len(self))[rows])
        return Strips(columns, length)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Floats:
        if self._whole is None:
            self._whole = np.array(self.columns).reshape(self.shape[::-1]).T
        return np.array(self._whole, dtype=dtype, copy=copy)


Table = Floats | Strips
"""Rows of numbers, shape (n, k)."""


def columns_of(table: Table) -> Sequence[Floats]:
    """The columns of a table, each of shape (n,)."""
    return table.columns if isinstance(table, Strips) else tuple(table.T)


def first_columns(table: Table, count: int) -> Table:
    """So many columns of a table."""
    if isinstance(table, Strips):
        return Strips(table.columns[:count], len(table))
    return table[:, :count]
