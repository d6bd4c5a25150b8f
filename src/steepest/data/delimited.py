"""CSV and TSV files, read front to back in blocks.

A number in text is its nearest double.  Empty cells and the words of ``NULL_WORDS`` are
nulls unless they stand in quotes.  The kinds come from the first block that shows a value in
every column; a later cell that does not fit its column's kind is refused with its line.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ColumnKindError, EmptySourceError, SourceError
from .arrow import ArrowBatch, arrow_schema
from .table import Batch, Schema

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv

NULL_WORDS = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "Null", "null", "None")
BLOCK_BYTES = 1 << 21
INFER_BYTES = (1 << 20, 1 << 26)
"""The kinds are taken from the first MB; where a column shows no value there, from 64 MB."""


@dataclass(frozen=True)
class DelimitedFile:
    """One CSV or TSV file: a source, and its own only part."""

    path: str
    delimiter: str = ","
    first_row: int = 1

    @property
    def where(self) -> str:
        return f"'{self.path}'"

    @cached_property
    def size(self) -> float:
        return float(Path(self.path).stat().st_size)

    def parts(self) -> Sequence[DelimitedFile]:
        return [self]

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        del wanted
        found = self._infer()
        if found.names and all(_is_number(name) for name in found.names):
            raise SourceError.no_header(self.path, found.names)
        return arrow_schema(found, self.where)

    def _infer(self) -> pa.Schema:
        import pyarrow as pa
        from pyarrow import csv

        for size in INFER_BYTES:
            with self._translated(), self._open() as stream:
                convert = csv.ConvertOptions(null_values=NULL_WORDS, strings_can_be_null=True)
                schema = csv.open_csv(stream, *self._options(size), convert_options=convert).schema
            if not any(pa.types.is_null(field.type) for field in schema) or size >= self.size:
                break
        for field in schema:
            if pa.types.is_binary(field.type):
                raise SourceError.not_utf8(self.path)
        return schema

    def batches(
        self, numbers: Sequence[str], categories: Sequence[str]
    ) -> Iterator[tuple[Batch, float]]:
        import pyarrow as pa
        from pyarrow import csv

        found = {field.name: field.type for field in self._infer()}
        types = dict.fromkeys(numbers, pa.float64())
        for name in categories:
            boolean = pa.types.is_boolean(found[name])
            types[name] = pa.bool_() if boolean else pa.dictionary(pa.int32(), pa.string())
        convert = csv.ConvertOptions(
            column_types=types,
            include_columns=[*numbers, *categories],
            null_values=NULL_WORDS,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        with self._translated(types), self._open() as stream:
            reader = csv.open_csv(stream, *self._options(BLOCK_BYTES), convert_options=convert)
            for batch in reader:
                yield ArrowBatch(batch), stream.read_bytes / max(self.size, 1.0)

    def _options(self, block: int) -> tuple[csv.ReadOptions, csv.ParseOptions]:
        from pyarrow import csv

        return (
            csv.ReadOptions(use_threads=False, block_size=block),
            csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
        )

    def _open(self) -> _CountedFile:
        with Path(self.path).open("rb") as file:
            head = file.read(4)
        if not head:
            raise SourceError.empty_file(self.path)
        if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise SourceError.not_utf8(self.path, "UTF-16")
        return _CountedFile(self.path, compressed=head[:2] == b"\x1f\x8b")

    @contextmanager
    def _translated(self, types: dict[str, Any] | None = None) -> Iterator[None]:
        """Arrow's errors in the house's own words."""
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError, EOFError, OSError) as error:
            if isinstance(error, SourceError):
                raise
            raise self._explain(str(error), list(types or ())) from None

    def _explain(self, message: str, names: Sequence[str]) -> Exception:
        cell = re.match(
            r"In CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to (\w+)[^:]*: "
            r"invalid value '(.*)'",
            message,
            re.DOTALL,
        )
        if cell:
            column, line, kind, value = cell.groups()
            word = {"double": "number", "bool": "boolean"}.get(kind, kind)
            return ColumnKindError.cell(names[int(column)], self.where, word, line, value)
        if "UTF8" in message or "utf-8" in message:
            return SourceError.not_utf8(self.path)
        if "Empty CSV file" in message:
            return EmptySourceError.no_rows(self.where)
        fields = re.match(
            r"CSV parse error: (?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", message
        )
        if fields:
            line, expected, got = fields.groups()
            return SourceError.ragged(self.path, line, int(expected), int(got))
        return SourceError.unreadable(self.path, "CSV", message.partition("\n")[0])


class _CountedFile(io.RawIOBase):
    """A file that counts the bytes it has given, for progress; gzip is unpacked on the way."""

    def __init__(self, path: str, *, compressed: bool) -> None:
        self._raw = Path(path).open("rb")  # noqa: SIM115 - closed in close()
        self._file: Any = self._raw
        if compressed:
            import gzip

            self._file = gzip.GzipFile(fileobj=self._raw)
        self.read_bytes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(size)
        self.read_bytes = self._raw.tell()
        return data

    def close(self) -> None:
        self._raw.close()
        super().close()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
