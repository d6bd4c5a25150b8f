"""SciPy's sparse matrices, made dense some rows and only the asked columns at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ColumnNameError, LengthError, SourceError
from .arrow import batch_rows
from .columns import is_plain
from .memory import Matrix, part_rows
from .table import Batch, Reads, Schema


@dataclass(frozen=True)
class SparseMatrix:
    """A sparse matrix by rows, whose columns have names; what is not stored is 0."""

    values: Any
    names: tuple[str, ...]
    where: str = "the matrix"
    first_row: int = 1

    @property
    def size(self) -> float:
        return float(self.values.shape[0])

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        del wanted
        return self._dense(slice(0, 0), self.names).schema()

    def parts(self) -> Sequence[SparseMatrix]:
        rows = part_rows(len(self.names))
        return [
            replace(self, values=self.values[i : i + rows], first_row=i + 1)
            for i in range(0, self.values.shape[0], rows)
        ]

    def batches(self, reads: Reads) -> Iterator[tuple[Batch, float]]:
        asked = reads.names
        count, rows = self.values.shape[0], batch_rows(len(asked))
        for i in range(0, count, rows):
            yield self._dense(slice(i, i + rows), asked), min(1.0, (i + rows) / count)

    def _dense(self, rows: slice, names: tuple[str, ...]) -> Matrix:
        places = {name: i for i, name in enumerate(self.names)}
        columns = [places[name] for name in names]
        return Matrix(self.values[rows][:, columns].toarray(), names, self.where)


def name_sparse(values: Any, names: Sequence[str] | None) -> SparseMatrix:
    """A sparse matrix or array of SciPy's, in any of its forms, as a table."""
    if values.ndim != 2:
        raise LengthError.dimensions("the matrix", values.shape, "two-dimensional")
    if names is None:
        raise ColumnNameError.unnamed(values.shape[1])
    named = tuple(str(name) for name in names)
    if len(named) != values.shape[1]:
        raise LengthError.names(values.shape[1], len(named))
    if not is_plain(values.dtype):
        raise SourceError.column(named[0], f"It has type {values.dtype}, which doubles do not hold")
    return SparseMatrix(values.tocsr(), named)
