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
    """Some rows of a sparse matrix, whose columns have names; what is not stored is 0."""

    values: Any
    names: tuple[str, ...]
    rows: range
    """The rows, which a part does not copy."""
    first_row: int = 1
    where: str = "the matrix"

    def __getstate__(self) -> dict[str, Any]:
        own = self.values[self.rows.start : self.rows.stop]  # another process gets no others
        return self.__dict__ | {"values": own, "rows": range(len(self.rows))}

    @property
    def size(self) -> float:
        return float(len(self.rows))

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        del wanted
        return self._dense(range(0), self.names).schema()

    def parts(self) -> Sequence[SparseMatrix]:
        count = part_rows(len(self.names))
        return [
            replace(self, rows=self.rows[i : i + count], first_row=i + 1)
            for i in range(0, len(self.rows), count)
        ]

    def batches(self, reads: Reads) -> Iterator[tuple[Batch, float]]:
        count = batch_rows(len(reads.names))
        for i in range(0, len(self.rows), count):
            share = min(1.0, (i + count) / len(self.rows))
            yield self._dense(self.rows[i : i + count], reads.names), share

    def _dense(self, rows: range, names: tuple[str, ...]) -> Matrix:
        places = {name: i for i, name in enumerate(self.names)}
        columns = [places[name] for name in names]
        found = self.values[rows.start : rows.stop][:, columns]
        return Matrix(found.toarray(), names, self.where)


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
    found = values.tocsr()
    native = found.astype(found.dtype.newbyteorder("="), copy=False)  # SciPy cuts no others
    return SparseMatrix(native, named, range(native.shape[0]))
