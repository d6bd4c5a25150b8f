"""JSON lines: one object a line, read in blocks of whole lines.

A key that a line does not have is null there, and so is NaN.  A number is its nearest double,
or a whole number of up to 64 bits.
The kind of a key is joined over all values, or, where only some keys are wanted, found where each
first has one; a value of another kind is refused with its line.
"""

from __future__ import annotations

import codecs
import json
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from ..errors import SourceError
from .arrow import arrow_kind, arrow_schema
from .blocks import BLOCK_BYTES, Block, Span, split
from .boundaries import Cut, Marks, plan_cuts
from .dialect import PLAIN, Dialect
from .layout import check_encoding
from .mistakes import describe
from .objects import LONGEST_LINE, LinesPart, LinesText, is_time, types_of
from .packing import find_packing, open_text, open_unpacked
from .places import Place, measure, open_bytes
from .table import Kind, Schema

if TYPE_CHECKING:
    import pyarrow as pa

PART_BYTES = 1 << 24
"""Bytes of a part, about."""

AHEAD = 3
"""Blocks that are looked at before they are asked for."""


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
            types |= types_of(schema)
        if not types:
            types = types_of(self._find(None))
        with self.reading():
            whole = LinesPart(
                self.path, self.title, self.stamp, self._span, 1, self.size, tuple(types.items())
            )
            if self._span.packing or isinstance(self.path, Place):
                return [whole]
            return split(whole, self._cuts, PART_BYTES)

    @cached_property
    def _cuts(self) -> list[Cut]:
        with open_bytes(self.path) as file:
            return plan_cuts(
                lambda start, size: bytes(file.read_at(size, start)),
                self._span.start,
                int(self.size),
                min(BLOCK_BYTES, PART_BYTES),
                Marks("", carriages=False, empty=False),
            )

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        return arrow_schema(self._find(None if wanted is None else frozenset(wanted)), self.where)

    def count_numbers(self, wanted: Collection[str] | None = None) -> int:
        """How many keys are numbers in the first line."""
        with self.reading(), open_text(self.path, self._span.packing) as text:
            lines = iter(partial(text.readline, LONGEST_LINE), "")
            first = next((line for line in lines if line.strip()), "")
        try:
            row = json.loads(first)
        except (ValueError, RecursionError):
            return 0
        if not isinstance(row, dict):
            return 0
        asked = row if wanted is None else wanted
        return sum(describe(row.get(key)) == "number" for key in asked)

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
                    open_ended = {name for name, kind in types.items() if _may_change(kind)}
                    if wanted is not None and wanted <= types.keys() - open_ended:
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
            name: pa.string() if name in self.as_text and is_time(kind) else kind
            for name, kind in types_of(found.schema).items()
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
        if is_time(a) and is_time(b):
            return pa.timestamp("ns")
        if {arrow_kind(a), arrow_kind(b)} <= {Kind.TIME, Kind.CATEGORY} and not (
            pa.types.is_boolean(a) or pa.types.is_boolean(b)
        ):
            return pa.string()
        if arrow_kind(a) is not arrow_kind(b) or pa.types.is_boolean(a) or pa.types.is_boolean(b):
            list(self.check(self._span, block, {name: a}, {name}))
        return a


def _may_change(kind: pa.DataType) -> bool:
    """Whether later values of a key may make its kind another: times are text beside text."""
    import pyarrow as pa

    return bool(pa.types.is_null(kind)) or is_time(kind)
