"""Predictions written batch by batch, to a file whole or not at all, or to standard output."""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..data.predictor import Manner
from ..data.table import Source, beneath
from ..drafts import drop_draft, make_draft
from ..errors import OutputError, check_unique
from ..models.model import Model, note_unseen
from ..store import check_writable, replacing
from ..sums.observations import note_dropped
from ..typing import OnProgress
from .inputs import check_not_read

COLUMN = "prediction"
FLAG = "extrapolated"

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""

Write = Callable[[Sequence[Any]], None]
"""Takes the columns of some rows, as Arrow arrays."""


def check_output(output: str, inputs: Sequence[str], written: Sequence[str]) -> None:
    """Find out before the work whether predictions can be written there.

    OutputError if not, ColumnNameError for names that would stand twice.
    """
    check_unique(written, "what is to be written")
    if output == "-":
        return
    check_not_read(output, inputs)
    if not output.endswith((".csv", ".parquet")):
        raise OutputError.ending(output)
    check_writable(output)


def name_columns(kept: Sequence[str], manner: Manner) -> list[str]:
    """The columns that are written."""
    return [*kept, COLUMN, *([FLAG] if manner.flag_extrapolation else [])]


def write_predictions(
    model: Model,
    source: Source,
    output: str,
    manner: Manner,
    kept: tuple[str, ...] = (),
    on_progress: OnProgress | None = None,
    *,
    raw: bool = False,
) -> tuple[int, int, int]:
    """Write a prediction a row, after the columns kept, and whether it is extrapolated.

    Returns how many rows there were, how many predictions are null, and how many records of text
    were left out.
    """
    import pyarrow as pa

    rows, nulls, dropped = 0, 0, 0
    batches = model.stream(source, manner, kept, on_progress)
    names = name_columns(kept, manner)
    with ExitStack() as stack:
        if output == "-":
            write = _csv_writer(sys.stdout, names, raw=raw)
        else:
            draft = stack.enter_context(replacing(output))
            write = _open_writer(draft, output, names, stack, raw=raw)
        for values, outside, batch in batches:
            flags = [] if outside is None else [pa.array(outside)]
            cells = [batch.cells(name) for name in kept]
            write([*cells, pa.array(values, from_pandas=True), *flags])
            rows, nulls = rows + len(values), nulls + int(np.isnan(values).sum())
            dropped += beneath(batch, "dropped", 0)
        if not rows:
            flags = [pa.array([], pa.bool_())] if manner.flag_extrapolation else []
            write([*(pa.nulls(0) for _ in kept), pa.array([], pa.float64()), *flags])
    return rows, nulls, dropped


def note_written(manner: Manner, rows: int, nulls: int, dropped: int) -> list[str]:
    """What a reader of the predictions should not miss."""
    notes = [*note_unseen(manner), *note_dropped(dropped)]
    if nulls:
        reason = " or holds an unseen level" if manner.unseen == "null" else ""
        verb = "is" if nulls == 1 else "are"
        told = f"{nulls:,} of {rows:,} predictions {verb} null"
        notes.append(f"{told}: a used column is null{reason}.")
    return notes


def _open_writer(
    draft: Path, output: str, names: Sequence[str], stack: ExitStack, *, raw: bool
) -> Write:
    if output.endswith(".csv"):
        file = stack.enter_context(draft.open("w", encoding="utf-8", newline=""))
        return _csv_writer(file, names, raw=raw)
    return Parquet(draft, names, stack).write


class Parquet:
    """A file of Parquet, whose types become wider where later rows need that.

    A database whose cells may be anything shows only with its rows what they are.
    """

    def __init__(self, draft: Path, names: Sequence[str], stack: ExitStack) -> None:
        self._draft, self._names, self._stack = draft, list(names), stack
        self._writer: Any = None

    def write(self, columns: Sequence[Any]) -> None:
        """Some rows; OutputError for a column of which Parquet has no type for all of them."""
        import pyarrow as pa

        table = pa.table(list(columns), names=self._names)
        if self._writer is None:
            self._writer = self._open(self._draft, table.schema)
        try:
            same = table.cast(self._writer.schema)
        except pa.ArrowException:
            self._widen(table.schema)
            same = _cast(table, self._writer.schema)
        self._writer.write_table(same)

    def _open(self, place: Path, schema: Any) -> Any:
        from pyarrow import parquet

        for field in schema:
            _try_type(field)
        writer = parquet.ParquetWriter(place, schema, write_page_checksum=True)
        return self._stack.enter_context(writer)

    def _widen(self, schema: Any) -> None:
        """Write anew what is written, in types that hold it and what comes."""
        import pyarrow as pa
        from pyarrow import parquet

        self._writer.close()
        before = self._writer.schema
        try:
            wider = pa.unify_schemas([before, schema], promote_options="permissive")
        except pa.ArrowException:
            wider = before
        spare = make_draft(self._draft.parent, ".narrower.", ".part")
        try:
            shutil.copyfile(self._draft, spare)
            self._writer = self._open(self._draft, wider)
            with parquet.ParquetFile(spare) as written:
                for rows in written.iter_batches():
                    self._writer.write_table(_cast(pa.table(rows), wider))
        finally:
            drop_draft(spare)


def _try_type(field: Any) -> None:
    """OutputError for a type that Parquet does not have."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        parquet.ParquetWriter(pa.BufferOutputStream(), pa.schema([field])).close()
    except pa.ArrowException:
        raise OutputError.no_type(field.name, str(field.type)) from None


def _cast(table: Any, schema: Any) -> Any:
    """Rows in these types; OutputError for a column that they do not hold."""
    import pyarrow as pa

    for column, field in zip(table.columns, schema, strict=True):
        try:
            column.cast(field.type)
        except pa.ArrowException:
            kinds = f"{field.type} in some rows and {column.type} in others"
            raise OutputError.no_type(field.name, kinds) from None
    return table.cast(schema)


def _csv_writer(file: IO[str], names: Sequence[str], *, raw: bool) -> Write:
    writer = csv.writer(file, lineterminator="\n")
    head = [[name if raw else defuse(name) for name in names]]

    def write(columns: Sequence[Any]) -> None:
        writer.writerows(head)  # before the first rows, which may be refused
        head.clear()
        cells = [[_as_text(value, raw=raw) for value in column.to_pylist()] for column in columns]
        writer.writerows(zip(*cells, strict=True))

    return write


def _as_text(value: Any, *, raw: bool) -> str:
    if value is None:
        return "NA"
    if isinstance(value, str):
        return value if raw else defuse(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def defuse(text: str) -> str:
    """Text that a spreadsheet would run as a formula, with an apostrophe before it.

    Numbers stay as they are.
    """
    if not text.startswith(FORMULAS):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
