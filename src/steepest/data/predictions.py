"""Predictions for the rows of a table, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import SourceError
from ..typing import Floats, OnProgress, Progress
from .casting import Casts
from .predictor import LinearPredictor, Manner, check_columns
from .table import Batch, Source, allow_mixed


class Predicted(NamedTuple):
    """Predictions for some rows."""

    values: Floats
    outside: NDArray[np.bool_] | None
    """Where a number lies outside of what the fit has seen; None where nobody asked."""
    batch: Batch
    """Gives the ``cells`` that were asked for."""


def stream_predictions(
    predictor: LinearPredictor,
    source: Source,
    manner: Manner,
    cells: tuple[str, ...],
    on_progress: OnProgress | None,
) -> Iterator[Predicted]:
    """Predictions in the order of the rows, in bounded memory; the columns are checked at once."""
    if getattr(source, "is_shuffled", False):
        raise SourceError.shuffled(str(getattr(source, "where", "the table")))
    source = allow_mixed(source, predictor.reads.categories)
    schema = source.schema([*predictor.sources, *cells])
    casts = check_columns(predictor, schema)
    for name in cells:
        schema.find(name, "kept")
    return _stream(predictor, casts, source, manner, cells, on_progress)


def _stream(
    predictor: LinearPredictor,
    casts: Casts,
    source: Source,
    manner: Manner,
    cells: tuple[str, ...],
    on_progress: OnProgress | None,
) -> Iterator[Predicted]:
    reads = casts.change(predictor.reads)._replace(cells=cells)
    parts = list(source.parts())
    size, done, rows = sum(part.size for part in parts), 0.0, 0
    for part in parts:
        row = part.first_row
        for batch, fraction in part.batches(reads):
            cast = casts.apply(batch, part.where, row)
            values = predictor(cast, part, row, manner)
            outside = None
            if manner.flag_extrapolation:
                outside = predictor.find_outside(cast, part.where, row)
            row, rows = row + batch.n_rows, rows + batch.n_rows
            progress = Progress(rows, (done + fraction * part.size) / size if size else None)
            if on_progress:
                on_progress(progress)
            yield Predicted(values, outside, batch)
        done += part.size
