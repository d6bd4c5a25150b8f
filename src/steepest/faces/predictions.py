"""Predictions written batch by batch, to a file whole or not at all, or to standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from math import isnan
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..data.table import Source
from ..errors import OutputError
from ..models.model import Model
from ..store import check_writable, replacing
from ..typing import Floats, OnProgress
from .inputs import check_not_read

COLUMN = "prediction"


def check_output(output: str, inputs: Sequence[str]) -> None:
    """Find out before the work whether predictions can be written there; OutputError if not."""
    if output == "-":
        return
    check_not_read(output, inputs)
    if not output.endswith((".csv", ".parquet")):
        raise OutputError.ending(output)
    check_writable(output)


def write_predictions(
    model: Model, source: Source, output: str, on_progress: OnProgress | None = None
) -> tuple[int, int]:
    """Write a prediction a row and return how many rows there were, and how many are null."""
    rows, nulls = 0, 0
    batches = model.stream(source, on_progress)
    with ExitStack() as stack:
        if output == "-":
            write = _csv_writer(sys.stdout)
        else:
            draft = stack.enter_context(replacing(output))
            write = _open_writer(draft, output, stack)
        for values, _ in batches:
            write(values)
            rows, nulls = rows + len(values), nulls + int(np.isnan(values).sum())
    return rows, nulls


def _open_writer(draft: Path, output: str, stack: ExitStack) -> Callable[[Floats], None]:
    if output.endswith(".csv"):
        return _csv_writer(stack.enter_context(draft.open("w", encoding="utf-8", newline="")))
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(COLUMN, pa.float64())])
    writer: Any = stack.enter_context(
        parquet.ParquetWriter(draft, schema, write_page_checksum=True)
    )

    def write(values: Floats) -> None:
        writer.write_table(pa.table([pa.array(values, from_pandas=True)], schema=schema))

    return write


def _csv_writer(file: IO[str]) -> Callable[[Floats], None]:
    file.write(f"{COLUMN}\n")

    def write(values: Floats) -> None:
        file.writelines("NA\n" if isnan(value) else f"{value!r}\n" for value in values.tolist())

    return write
