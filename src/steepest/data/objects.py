"""Lines of JSON to Arrow's rows, and what is at fault in them told with its line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import ColumnKindError, SourceError
from .arrow import arrow_expansion, arrow_kind, arrow_numbers
from .blocks import BLOCK_BYTES, PLAIN_TEXT, Block, Span, read_blocks
from .expansions import two_sum
from .file import File
from .mistakes import Object, read_objects, read_written
from .table import Batch, Kind, Reads
from .wholes import Rests, TextBatch, find_large

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST_LINE = 1 << 24
"""Bytes of a line, at the most."""

AT_ROW = re.compile(r"JSON parse error: (.*?)\.? in row (\d+)", re.DOTALL)

BLANKS = b" \t\r"
"""What may stand between values on a line, as JSON has it."""

NONE: Mapping[str, Any] = MappingProxyType({})

MOST_BRACKETS = 500
"""Lines of more are looked at first: Arrow's reader does not survive a nesting without end."""


@dataclass(frozen=True)
class LinesText(File):
    """Lines of a file, each an object, of which all or some are taken."""

    format: ClassVar[str] = "JSON lines"

    def read(self, span: Span) -> Iterator[Block]:
        """The lines of a range in blocks; SourceError for one without end."""
        for block in read_blocks(self, span, _cut, BLOCK_BYTES, LONGEST_LINE):
            if not block.whole:
                line = self.line_of(span, block)
                raise SourceError.line(self.name, line, f"it has more than {LONGEST_LINE:,} bytes")
            yield block

    def line_of(self, span: Span, block: Block) -> int:
        """The number of a block's first line."""
        before = Span(span.packing, 0, block.start, span.most)
        found = sum(
            one.text[: max(block.start - one.start, 0)].count(b"\n")
            for one in read_blocks(self, before, _cut, BLOCK_BYTES, block.start + 1)
            if one.start < block.start
        )
        return 1 + found

    def parse(
        self,
        span: Span,
        block: Block,
        types: Mapping[str, pa.DataType] | None,
        wanted: Collection[str] | None = None,
        whole: Mapping[str, pa.DataType] = NONE,
    ) -> pa.RecordBatch:
        """The rows of a block: columns of these types, or all as they show themselves.

        Where all of them can be, columns are of the types in ``whole``.  Where none can, the first
        line that is at fault is told, if it is one of those wanted.
        """
        import pyarrow as pa

        try:
            block.text.decode()  # Arrow does not look
        except UnicodeDecodeError as error:
            line = self.line_of(span, block) + block.text[: error.start].count(b"\n")
            raise SourceError.not_utf8(self.name, line=line) from None
        self._refuse_deep(span, block)
        asked = wanted if types is None else types.keys()
        try:
            table = _read_table(block.text, {**types, **whole} if types else types)
        except pa.ArrowInvalid as error:
            if whole:
                return self.parse(span, block, types, wanted)
            list(self.check(span, block, types or {}, asked))
            if types is not None or wanted is None:  # else keys of no use may be at fault
                self._raise_at(span, block, str(error))
            raise
        starts = Counter(line.lstrip()[:1] for line in block.text.split(b"\n"))
        if starts[b"{"] != table.num_rows or not starts.keys() <= {b"{", b""}:
            list(self.check(span, block, types or {}, asked))
        if not table.num_columns:
            return pa.record_batch([pa.nulls(table.num_rows)], names=[""]).select([])
        if not table.num_rows:
            return pa.RecordBatch.from_pylist([], schema=table.schema)
        return table.combine_chunks().to_batches()[0]

    def _raise_at(self, span: Span, block: Block, message: str) -> None:
        """SourceError for the line of the row at which Arrow stopped, where it says so."""
        lines = block.text.split(b"\n")
        written = [i for i, line in enumerate(lines) if line.strip(BLANKS)]
        if written and (found := AT_ROW.fullmatch(message)):
            line = self.line_of(span, block) + written[min(int(found[2]), len(written) - 1)]
            raise SourceError.line(self.name, line, found[1][:1].lower() + found[1][1:])

    def _refuse_deep(self, span: Span, block: Block) -> None:
        """SourceError for a line nested deeper than Python's own reader goes."""
        brackets = block.text.count(b"[") + block.text.count(b"{") - block.text.count(b"\n")
        if brackets > MOST_BRACKETS:
            for i, line in enumerate(block.text.split(b"\n"), self.line_of(span, block)):
                if line.count(b"[") + line.count(b"{") > MOST_BRACKETS:
                    list(read_objects([line], i, self.name, {}, ()))

    def check(
        self,
        span: Span,
        block: Block,
        types: Mapping[str, pa.DataType],
        wanted: Collection[str] | None,
    ) -> Iterator[Object]:
        """The objects of a block; refuses the first line that does not fit these types."""
        words = {name: WORDS.get(arrow_kind(t), "") for name, t in types.items()}
        words |= {name: "boolean" for name, t in types.items() if str(t) == "bool"}
        known = {name: word for name, word in words.items() if word}
        lines, first = block.text.split(b"\n"), self.line_of(span, block)
        rows = read_objects(lines, first, self.name, known, wanted)
        for line, row in rows:
            for name, kind in types.items():
                if row.get(name) is not None and not _fits(row[name], kind):
                    word = "time" if is_time(kind) else "whole number"
                    raise ColumnKindError.cell(name, self.where, word, str(line), str(row[name]))
            yield row


@dataclass(frozen=True)
class LinesPart(LinesText):
    """Some rows of a file of JSON lines."""

    span: Span = PLAIN_TEXT
    first_row: int = 1
    size: float = 0.0
    types: tuple[tuple[str, Any], ...] = ()
    """The keys that were looked at, with Arrow's types."""

    def batches(self, reads: Reads) -> Iterator[tuple[Batch, float]]:
        import pyarrow as pa

        own = dict(self.types)
        types = {n: pa.string() if is_time(own[n]) else own[n] for n in reads.cells}
        for names, kind in ((reads.numbers, pa.float64()), (reads.categories, pa.string())):
            types |= {n: own[n] if pa.types.is_boolean(own[n]) else kind for n in names}
        types |= {n: own[n] for n in reads.times}
        whole = {n: own[n] for n in reads.numbers if pa.types.is_integer(own[n])}
        origin = 0 if self.span.packing else self.span.start
        with self.reading(rows=True):
            for block in self.read(self.span):
                rows = self.parse(self.span, block, types, whole=whole)
                if any(rows.schema.field(name).type != kind for name, kind in whole.items()):
                    whole = {}  # there are fractions, or longer ones
                batch = TextBatch(rows, rests=_find_rests(rows, reads.numbers, block.text))
                yield batch, min((block.read - origin) / max(self.size, 1.0), 1.0)

    def tell_infinite(self, value: float, name: str, row: int) -> Exception | None:
        """The error for an infinity in a row, with its line; JSON has no word for one."""
        left = row - self.first_row
        for block in self.read(self.span):
            lines = block.text.split(b"\n")
            written = [i for i, line in enumerate(lines) if line.strip(BLANKS)]
            if left < len(written):
                line = self.line_of(self.span, block) + written[left]
                return ColumnKindError.cell(name, self.where, "number", str(line), f"{value:f}")
            left -= len(written)
        return None


def _read_table(text: bytes, types: Mapping[str, pa.DataType] | None) -> pa.Table:
    """Lines as Arrow reads them, with columns of these types (None: as they show themselves)."""
    import pyarrow as pa
    from pyarrow import json as lines

    parsing = lines.ParseOptions(
        explicit_schema=None if types is None else pa.schema(list(types.items())),
        unexpected_field_behavior="infer" if types is None else "ignore",
    )
    reading = lines.ReadOptions(use_threads=False, block_size=len(text) + 1)
    return lines.read_json(pa.BufferReader(text), reading, parsing)


def _find_rests(rows: pa.RecordBatch, names: Sequence[str], text: bytes) -> Rests:
    """What doubles leave of large whole numbers in a block."""
    import pyarrow as pa

    rests, lines = Rests(), None
    for name in names:
        column = rows.column(name)
        if pa.types.is_integer(column.type):
            if exact := arrow_expansion(column):
                rests.keep(name, two_sum(*exact.parts)[1])
            continue
        if not pa.types.is_floating(column.type):
            continue
        numbers = arrow_numbers(column)
        at = find_large(numbers)
        if at.size:
            lines = lines or [line for line in text.split(b"\n") if line.strip()]
            cells = [read_written(lines[row], name) for row in at.tolist()]
            rests.note(name, numbers, at, cells)
    return rests


WORDS = {
    Kind.NUMBER: "number",
    Kind.CATEGORY: "category",
    Kind.TIME: "category",
    Kind.OTHER: "nested value",
}
"""What a JSON value is called that serves as each kind."""


def types_of(schema: pa.Schema) -> dict[str, pa.DataType]:
    return {column.name: column.type for column in schema}


def is_time(kind: pa.DataType) -> bool:
    return arrow_kind(kind) is Kind.TIME


def _fits(value: Any, kind: pa.DataType) -> bool:
    """Whether a value can be of a type that asks more than its kind."""
    import pyarrow as pa

    if pa.types.is_integer(kind):
        return isinstance(value, int)
    if is_time(kind):
        try:
            pa.scalar(value, pa.string()).cast(kind)
        except pa.ArrowInvalid:
            return False
    return True


def _cut(text: bytes) -> int:
    """How much of a text is whole lines."""
    return text.rfind(b"\n") + 1
