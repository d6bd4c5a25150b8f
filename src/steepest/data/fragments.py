"""A piece of a delimited file that is read on its own: a range of bytes between records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from ..errors import ValueFoundError
from .blocks import BLOCK_BYTES, PLAIN_TEXT, Block, Span, read_blocks
from .boundaries import cut_whole
from .file import File
from .flaws import Cell, Need, Search
from .layout import Layout
from .packing import open_unpacked
from .parsing import Parser
from .records import count_lines
from .table import Batch, Reads
from .wholes import TextBatch

SEARCHED_BYTES = 1 << 23
"""How far into the file a cell of the other kind is looked for, to be shown in a message."""


@dataclass(frozen=True)
class DelimitedPart(File):
    """Some rows of a CSV or TSV file."""

    layout: Layout | None = None
    span: Span = PLAIN_TEXT
    first_row: int = 1
    size: float = 0.0
    typed: tuple[tuple[str, Any], ...] = ()
    """Columns of booleans and times, with Arrow's types."""
    mixing: frozenset[str] = frozenset()
    """Columns of text that may hold numbers."""

    format: ClassVar[str] = "CSV"

    def batches(self, reads: Reads) -> Iterator[tuple[Batch, float]]:
        import pyarrow as pa

        numbers, categories, times, cells = reads
        layout = self._layout
        typed = dict(self.typed)
        booleans = {name for name, kind in self.typed if pa.types.is_boolean(kind)}
        types: dict[str, Any] = dict.fromkeys(cells, pa.string())  # as they are written
        types |= dict.fromkeys(numbers, pa.float64())
        types |= dict.fromkeys(categories, pa.dictionary(pa.int32(), pa.string()))
        types |= {name: pa.bool_() for name in booleans.intersection((*numbers, *categories))}
        types |= {name: typed.get(name, pa.timestamp("ns")) for name in times}  # else all null
        needs = dict.fromkeys(cells, Need.ANY)
        needs |= dict.fromkeys(numbers, Need.NUMBER)
        needs |= {n: Need.ANY if n in self.mixing else Need.TEXT for n in categories}
        needs |= dict.fromkeys(booleans.intersection((*numbers, *categories)), Need.BOOLEAN)
        needs |= dict.fromkeys(times, Need.ANY)
        place = {name: i for i, name in enumerate(layout.names)}
        parser = Parser(
            layout,
            {place[name]: kind for name, kind in types.items()},
            Search(layout, {place[name]: need for name, need in needs.items()}, self.name),
            texts=[place[name] for name in categories if name not in booleans],
            plain=[
                place[name] for name in numbers if needs[name] is Need.NUMBER and name not in cells
            ],
        )
        extent = max(self.size, 1.0)
        origin = 0 if self.span.packing else self.span.start
        with self.reading(rows=True):
            for block in self.blocks():
                rows, dropped = self.parse(parser, block)
                named = rows.rename_columns(list(types)) if types else rows
                rests = parser.rests.rename({str(place[name]): name for name in types})
                done = min((block.read - origin) / extent, 1.0)
                yield TextBatch(named, dropped=dropped, rests=rests), done

    @property
    def _layout(self) -> Layout:
        assert self.layout is not None
        return self.layout

    def blocks(self, size: int | None = None) -> Iterator[Block]:
        """Its records, about a megabyte at a time, or so many bytes."""
        cut = partial(cut_whole, quote=self._layout.quote)
        return read_blocks(self, self.span, cut, size or BLOCK_BYTES)

    def parse(self, parser: Parser, block: Block) -> tuple[Any, int]:
        """The rows of a block, and how many records were left out."""
        rows = parser.parse(block.text, partial(self.count_lines, block.start), self.find_other)
        return rows, parser.dropped

    def count_lines(self, stop: int) -> int:
        """How many lines end before a byte of the text."""
        lines, at, held = 0, 0, b""
        with open_unpacked(self.path, self.span.packing) as (stream, _):
            while at < stop and (piece := stream.read(min(BLOCK_BYTES, stop - at))):
                at += len(piece)
                piece = held + piece
                held = b"\r" if piece.endswith(b"\r") else b""
                lines += count_lines(piece[: len(piece) - len(held)])
        return lines + len(held)

    def tell_infinite(self, value: float, name: str, row: int) -> Exception | None:
        """The error for an infinity in a row, with its line and as it is written."""
        layout = self._layout
        if name not in layout.names:
            return None
        search, left = Search(layout, {}, self.name), row - self.first_row
        for block in self.blocks():
            found = search.find_row(block.text, left, layout.names.index(name))
            if found:
                line = self.count_lines(block.start) + found.line
                return ValueFoundError.beyond(value, name, self.where, row, line, found.text)
            left -= sum(len(r.cells) == len(layout.names) for r in layout.iterate(block.text))
        return None

    def find_other(self, place: int, need: Need) -> Cell | None:
        """The first cell of a column in the file that is of the kind asked for."""
        layout = self._layout
        search = Search(layout, {}, self.name)
        span = Span(self.span.packing, layout.start, None, self.span.most)
        for block in read_blocks(self, span, partial(cut_whole, quote=layout.quote), BLOCK_BYTES):
            if block.start > layout.start + SEARCHED_BYTES:
                return None
            before = self.count_lines(block.start)
            found = search.find_cell(block.text, place, need, before)
            if found:
                return found
        return None
