"""CSV and TSV files, read front to back in blocks.

What stands between fields is a comma, or a tab in TSV, unless the first records show that it is
something else.

A number in text is its nearest double.  Empty cells and the words of ``NULL_WORDS`` are
nulls; in quotes they are nulls of a column of numbers, and levels of a column of text.  The
kinds come from the first block that shows a value in every column; a later cell that does not
fit its column's kind is refused with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import ColumnKindError, EmptySourceError, SourceError
from .arrow import ArrowBatch, arrow_schema
from .dialect import (
    PLAIN,
    Dialect,
    find_decimal_comma,
    find_delimiter,
    read_head,
    read_records,
)
from .file import File
from .packing import find_packing, open_text, open_unpacked
from .places import measure
from .table import Batch, Kind, Schema

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv

NULL_WORDS = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "Null", "null", "None")
BLOCK_BYTES = 1 << 21
HEAD_BYTES = 1 << 16
"""From so much it is seen what stands between fields."""

INFER_BYTES = (1 << 20, 1 << 26)
"""The kinds are taken from the first MB; where a column shows no value there, from 64 MB."""

SWAPPED = str.maketrans({",": ".", ".": ","})

RECORDS_COUNTED = 10_000_000
"""Up to here the line of a bad record is looked for, past blank lines and breaks in quotes."""


@dataclass(frozen=True)
class DelimitedFile(File):
    """One CSV or TSV file: a source, and its own only part."""

    usual: str = ","
    """What stands between fields, unless it is said or seen to be something else."""
    dialect: Dialect = PLAIN
    first_row: int = 1
    as_text: frozenset[str] = frozenset()
    """Columns to be read as text though they look like booleans or times."""

    format: ClassVar[str] = "CSV"

    @cached_property
    def size(self) -> float:
        return float(measure(self.path))

    def parts(self) -> Sequence[DelimitedFile]:
        return [self]

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        del wanted
        found = arrow_schema(self._schema, self.where)
        return Schema(
            tuple(
                replace(column, kind=Kind.NUMBER, type_name="double")
                if column.name in self._quoted_numbers
                else column
                for column in found.columns
            ),
            self.where,
        )

    def read_as_text(self, names: frozenset[str]) -> DelimitedFile:
        """The same file, with booleans and times of these columns taken as they are written."""
        return replace(self, as_text=names)

    @cached_property
    def _schema(self) -> pa.Schema:
        """Names and types, as the start of the file shows them."""
        import pyarrow as pa

        self._check_head()
        found = self._infer(quoted_nulls=False)
        named = self.dialect.names
        if found.names and not named and all(_is_number(name) for name in found.names):
            raise SourceError.no_header(self.name, found.names)
        if not self.dialect.decimal and self._delimiter != ",":
            self._refuse_decimal_commas(found)
        for i, field in enumerate(found):
            if pa.types.is_binary(field.type):
                raise SourceError.not_utf8(self.name)
            if field.name in self.as_text and (
                pa.types.is_boolean(field.type) or pa.types.is_temporal(field.type)
            ):
                found = found.set(i, field.with_type(pa.string()))
        return found

    def _refuse_decimal_commas(self, found: pa.Schema) -> None:
        """SourceError for a column of text that would be numbers if commas were points."""
        rows = read_head(self._head, self._delimiter, self.dialect.quote)
        for i, field in enumerate(found):
            example = find_decimal_comma(rows[0 if self.dialect.names else 1 :], i)
            if example and str(field.type) == "string":
                raise SourceError.decimal_comma(self.name, field.name, example)

    @cached_property
    def _quoted_numbers(self) -> frozenset[str]:
        """Columns that are text at first sight, and numbers when quoted null words are nulls."""
        import pyarrow as pa

        text = [f.name for f in self._schema if pa.types.is_string(f.type)]
        with open_unpacked(self.path, self._packing) as (stream, _):
            if not text or b'"' not in stream.read(INFER_BYTES[0]):
                return frozenset()
        types = {f.name: f.type for f in self._infer(quoted_nulls=True) if f.name in text}
        return frozenset(
            n for n, t in types.items() if pa.types.is_integer(t) or pa.types.is_floating(t)
        )

    def _infer(self, *, quoted_nulls: bool) -> pa.Schema:
        import pyarrow as pa
        from pyarrow import csv

        convert = csv.ConvertOptions(
            null_values=NULL_WORDS,
            strings_can_be_null=True,
            quoted_strings_can_be_null=quoted_nulls,
            decimal_point=self.dialect.decimal or ".",
        )
        with self.reading():
            for size in INFER_BYTES:
                with open_unpacked(self.path, self._packing) as (stream, _):
                    options = self._options(size)
                    schema = csv.open_csv(stream, *options, convert_options=convert).schema
                _ = schema.names  # one that is not UTF-8 shows here
                if not any(pa.types.is_null(field.type) for field in schema) or size >= self.size:
                    break
        return schema

    def batches(
        self,
        numbers: Sequence[str],
        categories: Sequence[str],
        cells: Sequence[str] = (),
        times: Sequence[str] = (),
    ) -> Iterator[tuple[Batch, float]]:
        import pyarrow as pa
        from pyarrow import csv

        quoted = self._quoted_numbers.intersection(numbers)
        types = dict.fromkeys(cells, pa.string())  # as they are written
        types |= dict.fromkeys(numbers, pa.float64())
        types |= dict.fromkeys(categories, pa.dictionary(pa.int32(), pa.string()))
        types |= dict.fromkeys(quoted, pa.string())
        types |= {name: self._schema.field(name).type for name in times}
        booleans = [field.name for field in self._schema if pa.types.is_boolean(field.type)]
        types |= {name: pa.bool_() for name in booleans if name in (*numbers, *categories)}
        convert = csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=NULL_WORDS,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            decimal_point=self.dialect.decimal or ".",
        )
        with self.reading(), open_unpacked(self.path, self._packing) as (stream, position):
            record = 1 if self.dialect.names else 2
            options = self._options(BLOCK_BYTES)
            for batch in csv.open_csv(stream, *options, convert_options=convert):
                done = min(position() / max(self.size, 1.0), 1.0)
                yield ArrowBatch(self._parse_quoted(batch, quoted, record)), done
                record += batch.num_rows

    def _parse_quoted(
        self, batch: pa.RecordBatch, names: Iterable[str], record: int
    ) -> pa.RecordBatch:
        """Numbers that were read as text, with their quoted null words as nulls."""
        import pyarrow as pa

        for name in names:
            i = batch.schema.get_field_index(name)
            cells = [self._parse(cell) for cell in batch.column(i).to_pylist()]
            for j, cell in enumerate(cells):
                if isinstance(cell, str):
                    line = self._line_of(record + j)
                    raise ColumnKindError.cell(name, self.where, "number", line, cell)
            batch = batch.set_column(i, name, pa.array(cells, pa.float64()))
        return batch

    def _parse(self, cell: str | None) -> float | str | None:
        """A cell of a column of numbers: null words are nulls, and what is no number stays text."""
        if cell is None or cell in NULL_WORDS:
            return None
        text = cell.translate(SWAPPED) if self.dialect.decimal == "," else cell
        return float(text) if _is_number(text) else cell

    def _options(self, block: int) -> tuple[csv.ReadOptions, csv.ParseOptions]:
        from pyarrow import csv

        return (
            csv.ReadOptions(
                use_threads=False, block_size=block, column_names=self.dialect.names or None
            ),
            csv.ParseOptions(
                delimiter=self._delimiter,
                quote_char=self.dialect.quote or False,
                newlines_in_values=True,
                ignore_empty_lines=not self._is_narrow,
            ),
        )

    def _check_head(self) -> None:
        with self.reading(), open_unpacked(self.path, self._packing) as (stream, _):
            head = stream.read(4)
        if not head:
            raise SourceError.empty_file(self.name)
        if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise SourceError.not_utf8(self.name, "UTF-16")

    @cached_property
    def _packing(self) -> str:
        return find_packing(self.path)

    @cached_property
    def _head(self) -> str:
        """The start of the text."""
        with self.reading(), open_unpacked(self.path, self._packing) as (stream, _):
            head = bytes(stream.read(HEAD_BYTES))
        return head.decode("utf-8-sig", errors="replace")

    @cached_property
    def _delimiter(self) -> str:
        """What stands between fields, as it is said or seen."""
        said = self.dialect.delimiter
        return said or find_delimiter(self._head, self.usual, self.dialect.quote)

    @cached_property
    def _is_narrow(self) -> bool:
        """Whether there is one column, so that an empty line is a null and not nothing."""
        with self._records() as reader:
            return len(next(reader, [])) == 1

    @contextmanager
    def _records(self) -> Iterator[Any]:
        """The file as Python's own reader of records sees it, which counts lines."""
        with open_text(self.path, self._packing) as text:
            yield read_records(text, self._delimiter, self.dialect.quote)

    def _line_of(self, record: int) -> str | None:
        """The line on which a record begins; the header is the first, blank lines are none."""
        if not 0 < record <= RECORDS_COUNTED:
            return None
        found, line = 0, 1
        with self._records() as reader:
            for fields in reader:
                found += bool(fields) or self._is_narrow
                if found == record:
                    return str(line)
                line = reader.line_num + 1
        return None

    def explain(self, message: str) -> Exception:
        cell = re.match(
            r"In CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to (\w+)[^:]*: "
            r"invalid value '(.*)'",
            message,
            re.DOTALL,
        )
        if cell:
            column, row, kind, value = cell.groups()
            word = {"double": "number", "bool": "boolean"}.get(kind, kind)
            name = self._schema.names[int(column)]
            return ColumnKindError.cell(name, self.where, word, self._line_of(int(row or 0)), value)
        if "UTF8" in message or "utf-8" in message:
            return SourceError.not_utf8(self.name)
        if "Empty CSV file" in message:
            return EmptySourceError.no_rows(self.where)
        fields = re.match(
            r"CSV parse error: (?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", message
        )
        if fields:
            row, expected, got = fields.groups()
            return SourceError.ragged(
                self.name, self._line_of(int(row or 0)), int(expected), int(got)
            )
        return super().explain(message)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text
