"""JSON lines: one object a line, read in blocks of whole lines.

A key that a line does not have is null there, and so is NaN.  A number is its nearest double.
The kind of a key is joined over all values, or, where only some keys are wanted, found where each
first has one; a value of another kind is refused with its line.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import ColumnKindError, SourceError
from .arrow import ArrowBatch, arrow_kind, arrow_schema
from .blocks import Block, read_blocks
from .file import File
from .mistakes import Object, read_objects
from .places import measure
from .table import Batch, Kind, Schema

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 1 << 21

MOST_BRACKETS = 500
"""Lines of more are looked at first: Arrow's reader does not survive a nesting without end."""


@dataclass(frozen=True)
class LinesFile(File):
    """One file of JSON lines: a source, and its own only part."""

    first_row: int = 1
    as_text: frozenset[str] = frozenset()
    """Keys to be read as text though they look like times."""
    _found: dict[frozenset[str] | None, Any] = field(default_factory=dict, compare=False)
    """The Arrow schemas that were found, by the keys that were wanted."""

    format: ClassVar[str] = "JSON lines"

    @cached_property
    def size(self) -> float:
        return float(measure(self.path))

    def parts(self) -> Sequence[LinesFile]:
        return [self]

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        return arrow_schema(self._find(None if wanted is None else frozenset(wanted)), self.where)

    def read_as_text(self, names: frozenset[str]) -> LinesFile:
        """The same file, with these keys' times taken as the text they are written as."""
        return replace(self, as_text=names, _found={})

    def batches(
        self,
        numbers: Sequence[str],
        categories: Sequence[str],
        cells: Sequence[str] = (),
        times: Sequence[str] = (),
    ) -> Iterator[tuple[Batch, float]]:
        import pyarrow as pa

        own = self._types_of([*numbers, *categories, *cells, *times])
        types = {n: pa.string() if _is_time(own[n]) else own[n] for n in cells}
        for names, kind in ((numbers, pa.float64()), (categories, pa.string())):
            types |= {n: own[n] if pa.types.is_boolean(own[n]) else kind for n in names}
        types |= {n: own[n] for n in times}
        with self.reading():
            for block in read_blocks(self, BLOCK_BYTES):
                rows = self._parse(block, types)
                yield ArrowBatch(rows), min(block.read / max(self.size, 1.0), 1.0)

    def _types_of(self, names: Sequence[str]) -> Mapping[str, pa.DataType]:
        for schema in self._found.values():
            if set(names) <= set(schema.names):
                return _types(schema)
        return _types(self._find(frozenset(names)))

    def _find(self, wanted: frozenset[str] | None) -> pa.Schema:
        """All keys and their types, or as far as it takes to know those wanted."""
        import pyarrow as pa

        if wanted not in self._found:
            types: dict[str, pa.DataType] = {}
            with self.reading():
                for block in read_blocks(self, BLOCK_BYTES):
                    for name, kind in self._show(block, wanted).items():
                        types[name] = self._join(block, name, types.get(name, pa.null()), kind)
                    known = {name for name, kind in types.items() if kind != pa.null()}
                    if wanted is not None and wanted <= known:
                        break
            self._found[wanted] = pa.schema(list(types.items()))
        return self._found[wanted]

    def _show(self, block: Block, wanted: frozenset[str] | None) -> dict[str, pa.DataType]:
        """The types of the keys in a block; one of no use may hold anything."""
        import pyarrow as pa

        try:
            found = self._parse(block, None, wanted)
        except pa.ArrowInvalid:
            if wanted is None:
                raise
            rows = self._check(block, {}, wanted)
            text = (json.dumps({key: row[key] for key in wanted if key in row}) for row in rows)
            found = self._parse(block._replace(text="\n".join(text).encode()), None)
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
            list(self._check(block, {name: a}, {name}))
        return a

    def _parse(
        self,
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
        except UnicodeDecodeError:
            raise SourceError.not_utf8(self.name) from None
        self._refuse_deep(block)
        asked = wanted if types is None else types.keys()
        parsing = lines.ParseOptions(
            explicit_schema=None if types is None else pa.schema(list(types.items())),
            unexpected_field_behavior="infer" if types is None else "ignore",
        )
        reading = lines.ReadOptions(use_threads=False, block_size=len(block.text) + 1)
        try:
            table = lines.read_json(pa.BufferReader(block.text), reading, parsing)
        except pa.ArrowInvalid:
            list(self._check(block, types or {}, asked))
            raise
        starts = Counter(line.lstrip()[:1] for line in block.lines)
        if starts[b"{"] != table.num_rows or not starts.keys() <= {b"{", b""}:
            list(self._check(block, types or {}, asked))
        if not table.num_columns:
            return pa.record_batch([pa.nulls(table.num_rows)], names=[""]).select([])
        return table.combine_chunks().to_batches()[0]

    def _refuse_deep(self, block: Block) -> None:
        """SourceError for a line nested deeper than Python's own reader goes."""
        brackets = block.text.count(b"[") + block.text.count(b"{") - block.text.count(b"\n")
        if brackets > MOST_BRACKETS:
            for i, line in enumerate(block.lines, block.first_line):
                if line.count(b"[") + line.count(b"{") > MOST_BRACKETS:
                    list(read_objects([line], i, self.name, {}, ()))

    def _check(
        self, block: Block, types: Mapping[str, pa.DataType], wanted: Collection[str] | None
    ) -> Iterator[Object]:
        """The objects of a block; refuses the first line that does not fit these types."""
        words = {name: WORDS.get(arrow_kind(t), "") for name, t in types.items()}
        words |= {name: "boolean" for name, t in types.items() if str(t) == "bool"}
        known = {name: word for name, word in words.items() if word}
        rows = read_objects(block.lines, block.first_line, self.name, known, wanted)
        for line, row in rows:
            for name, kind in types.items():
                if row.get(name) is not None and not _fits(row[name], kind):
                    word = "time" if _is_time(kind) else "whole number"
                    raise ColumnKindError.cell(name, self.where, word, str(line), str(row[name]))
            yield row


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
