"""JSON lines: one object a line, read in blocks of whole lines.

A key that a line does not have is null there, and so is NaN.  A number is its nearest double.
The kind of a key is joined over all values, or, where only some keys are wanted, found where each
first has one; a value of another kind is refused with its line.
"""

from __future__ import annotations

import codecs
import json
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import ColumnKindError, SourceError
from .arrow import ArrowBatch, arrow_kind, arrow_schema
from .blocks import Block, Span, read_blocks
from .boundaries import Cut, plan_cuts
from .dialect import PLAIN, Dialect
from .file import File
from .layout import check_encoding
from .mistakes import Object, read_objects
from .packing import find_packing, open_unpacked
from .places import Place, measure, open_bytes
from .table import Batch, Kind, Schema

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 1 << 21

PART_BYTES = 1 << 24
"""Bytes of a part."""

LONGEST_LINE = 1 << 24
"""Bytes of a line, at the most."""

AHEAD = 3
"""Blocks that are looked at before they are asked for."""

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
        before = span._replace(start=0, stop=block.start)
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
    ) -> pa.RecordBatch:
        """The rows of a block: columns of these types, or all as they show themselves.

        Where that fails, the first line that is at fault is told, if it is one of those wanted.
        """
        import pyarrow as pa
        from pyarrow import json as lines

        try:
            block.text.decode()  # Arrow does not look
        except UnicodeDecodeError as error:
            line = self.line_of(span, block) + block.text[: error.start].count(b"\n")
            raise SourceError.not_utf8(self.name, line=line) from None
        self._refuse_deep(span, block)
        asked = wanted if types is None else types.keys()
        parsing = lines.ParseOptions(
            explicit_schema=None if types is None else pa.schema(list(types.items())),
            unexpected_field_behavior="infer" if types is None else "ignore",
        )
        reading = lines.ReadOptions(use_threads=False, block_size=len(block.text) + 1)
        try:
            table = lines.read_json(pa.BufferReader(block.text), reading, parsing)
        except pa.ArrowInvalid:
            list(self.check(span, block, types or {}, asked))
            raise
        starts = Counter(line.lstrip()[:1] for line in block.text.split(b"\n"))
        if starts[b"{"] != table.num_rows or not starts.keys() <= {b"{", b""}:
            list(self.check(span, block, types or {}, asked))
        if not table.num_columns:
            return pa.record_batch([pa.nulls(table.num_rows)], names=[""]).select([])
        return table.combine_chunks().to_batches()[0]

    def _refuse_deep(self, span: Span, block: Block) -> None:
        """SourceError for a line nested deeper than Python's own reader goes."""
        brackets = block.text.count(b"[") + block.text.count(b"{") - block.text.count(b"\n")
        if brackets > MOST_BRACKETS:
            for i, line in enumerate(block.text.split(b"\n"), self.line_of(span, block)):
                if line.count(b"[") + line.count(b"{") > MOST_BRACKETS:
                    list(read_objects([line], i, self.name, {}, ()))

    def check(
        self, span: Span, block: Block, types: Mapping[str, pa.DataType], wanted: Collection[str] | None
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
                    word = "time" if _is_time(kind) else "whole number"
                    raise ColumnKindError.cell(name, self.where, word, str(line), str(row[name]))
            yield row

@dataclass(frozen=True)
class LinesPart(LinesText):
    """Some rows of a file of JSON lines."""

    span: Span = Span("", 0)
    first_row: int = 1
    size: float = 0.0
    types: tuple[tuple[str, Any], ...] = ()
    """The keys that were looked at, with Arrow's types."""

    def batches(
        self,
        numbers: Sequence[str],
        categories: Sequence[str],
        cells: Sequence[str] = (),
        times: Sequence[str] = (),
    ) -> Iterator[tuple[Batch, float]]:
        import pyarrow as pa

        own = dict(self.types)
        types = {n: pa.string() if _is_time(own[n]) else own[n] for n in cells}
        for names, kind in ((numbers, pa.float64()), (categories, pa.string())):
            types |= {n: own[n] if pa.types.is_boolean(own[n]) else kind for n in names}
        types |= {n: own[n] for n in times}
        origin = 0 if self.span.packing else self.span.start
        with self.reading():
            for block in self.read(self.span):
                rows = self.parse(self.span, block, types)
                yield ArrowBatch(rows), min((block.read - origin) / max(self.size, 1.0), 1.0)


@dataclass(frozen=True)
class LinesFile(LinesText):
    """One file of JSON lines."""

    dialect: Dialect = PLAIN
    as_text: frozenset[str] = frozenset()
    """Keys to be read as text though they look like times."""
    _found: dict[frozenset[str] | None, Any] = field(default_factory=dict, compare=False)
    """The Arrow schemas that were found, by the keys that were wanted."""

    @cached_property
    def size(self) -> float:
        return float(measure(self.path))

    @cached_property
    def _span(self) -> Span:
        """All of it, behind its mark; SourceError for no bytes, and for other encodings."""
        packing = find_packing(self.path)
        with open_unpacked(self.path, packing) as (stream, _):
            head = bytes(stream.read(64))
        if not head:
            raise SourceError.empty_file(self.name)
        check_encoding(head, self.name)
        start = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
        return Span(packing, start, None, self.dialect.max_bytes)

    def parts(self) -> Sequence[LinesPart]:
        types: dict[str, Any] = {}
        for schema in self._found.values():
            types |= _types(schema)
        if not types:
            types = _types(self._find(None))
        with self.reading():
            whole = LinesPart(
                self.path, self.title, self.stamp, self._span, 1, self.size, tuple(types.items())
            )
            if self._span.packing or isinstance(self.path, Place):
                return [whole]
            return [
                replace(
                    whole,
                    span=self._span._replace(start=cut.start, stop=cut.stop),
                    first_row=cut.first_row,
                    size=float(cut.stop - cut.start),
                )
                for cut in self._cuts
            ]

    @cached_property
    def _cuts(self) -> list[Cut]:
        with open_bytes(self.path) as file:
            return plan_cuts(
                lambda start, size: bytes(file.read_at(size, start)),
                self._span.start,
                int(self.size),
                "",
                PART_BYTES,
                blank=False,
                carriages=False,
            )

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        return arrow_schema(self._find(None if wanted is None else frozenset(wanted)), self.where)

    def read_as_text(self, names: frozenset[str]) -> LinesFile:
        """The same file, with these keys' times taken as the text they are written as."""
        return replace(self, as_text=names, _found={})

    def _find(self, wanted: frozenset[str] | None) -> pa.Schema:
        """All keys and their types, or as far as it takes to know those wanted."""
        import pyarrow as pa

        if wanted not in self._found:
            types: dict[str, pa.DataType] = {}
            with self.reading():
                for block, shown in self._show_all(wanted):
                    for name, kind in shown.items():
                        types[name] = self._join(block, name, types.get(name, pa.null()), kind)
                    known = {name for name, kind in types.items() if kind != pa.null()}
                    if wanted is not None and wanted <= known:
                        break
            self._found[wanted] = pa.schema(list(types.items()))
        return self._found[wanted]

    def _show_all(
        self, wanted: frozenset[str] | None
    ) -> Iterator[tuple[Block, dict[str, pa.DataType]]]:
        """Block by block the types of the keys in it; two threads look, a few blocks ahead."""
        waiting: deque[tuple[Block, Future[dict[str, pa.DataType]]]] = deque()
        with ThreadPoolExecutor(2, "steepest-lines") as workers:
            for block in self.read(self._span):
                waiting.append((block, workers.submit(self._show, block, wanted)))
                if len(waiting) > AHEAD:
                    first, shown = waiting.popleft()
                    yield first, shown.result()
            for first, shown in waiting:
                yield first, shown.result()

    def _show(self, block: Block, wanted: frozenset[str] | None) -> dict[str, pa.DataType]:
        """The types of the keys in a block; one of no use may hold anything."""
        import pyarrow as pa

        try:
            found = self.parse(self._span, block, None, wanted)
        except pa.ArrowInvalid:
            if wanted is None:
                raise
            rows = self.check(self._span, block, {}, wanted)
            text = (json.dumps({key: row[key] for key in wanted if key in row}) for row in rows)
            found = self.parse(self._span, block._replace(text="\n".join(text).encode()), None)
        return {
            name: pa.string() if name in self.as_text and _is_time(kind) else kind
            for name, kind in _types(found.schema).items()
        }

    def _join(self, block: Block, name: str, a: pa.DataType, b: pa.DataType) -> pa.DataType:
        """The type of a key whose values were of one type before and are of another in a block."""
        import pyarrow as pa

        if a == b or pa.types.is_null(b):
            return a
        if pa.types.is_null(a):
            return b
        if {arrow_kind(a), arrow_kind(b)} == {Kind.NUMBER}:
            return pa.float64()
        if _is_time(a) and _is_time(b):
            return pa.timestamp("ns")
        if {arrow_kind(a), arrow_kind(b)} <= {Kind.TIME, Kind.CATEGORY} and not (
            pa.types.is_boolean(a) or pa.types.is_boolean(b)
        ):
            return pa.string()
        if arrow_kind(a) is not arrow_kind(b) or pa.types.is_boolean(a) or pa.types.is_boolean(b):
            list(self.check(self._span, block, {name: a}, {name}))
        return a


WORDS = {
    Kind.NUMBER: "number",
    Kind.CATEGORY: "category",
    Kind.TIME: "category",
    Kind.OTHER: "nested value",
}
"""What a JSON value is called that serves as each kind."""


def _types(schema: pa.Schema) -> dict[str, pa.DataType]:
    return {column.name: column.type for column in schema}


def _is_time(kind: pa.DataType) -> bool:
    return arrow_kind(kind) is Kind.TIME


def _fits(value: Any, kind: pa.DataType) -> bool:
    """Whether a value can be of a type that asks more than its kind."""
    import pyarrow as pa

    if pa.types.is_integer(kind):
        return isinstance(value, int)
    if _is_time(kind):
        try:
            pa.scalar(value, pa.string()).cast(kind)
        except pa.ArrowInvalid:
            return False
    return True


def _cut(text: bytes) -> int:
    """How much of a text is whole lines."""
    return text.rfind(b"\n") + 1
