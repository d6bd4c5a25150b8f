"""CSV and TSV files, read strictly, in ranges of bytes that do not depend on each other.

What stands between fields is a comma, or a tab in TSV, unless the first records show that it is
something else.

A number in text is its nearest double, or a whole number of up to 64 bits.  Empty cells and the
words of ``NULL_WORDS`` are nulls; in quotes they are nulls of a column of numbers, and levels of a
column of text.  A column is numbers where one cell is; text among them, or numbers among text, are
refused with the line.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import EmptySourceError, SourceError, listed
from .arrow import arrow_schema
from .blocks import Block, Span, split
from .boundaries import Cut, plan_cuts
from .dialect import PLAIN, Dialect, find_decimal_comma, read_head
from .file import File
from .flaws import Need, Search
from .fragments import DelimitedPart
from .layout import HEAD_BYTES, Layout, find_layout
from .packing import find_packing, open_unpacked
from .parsing import Parser
from .places import Place, measure, open_bytes
from .sampling import Shown, find_padded, show_types
from .table import Kind, Schema

if TYPE_CHECKING:
    pass

PART_BYTES = 1 << 24
"""Bytes of a part."""

HEXADECIMAL = re.compile(rb"0[xX]")

SHOWN_BYTES = 1 << 20
"""From so much it is seen what columns hold; where one shows no value, from as much as it takes."""


@dataclass(frozen=True)
class DelimitedFile(File):
    """One CSV or TSV file."""

    usual: str = ","
    """What stands between fields, unless it is said or seen to be something else."""
    dialect: Dialect = PLAIN
    as_text: frozenset[str] = frozenset()
    """Columns to be read as text though they look like booleans or times."""
    mixing: frozenset[str] = frozenset()
    """Columns that are text if they hold any."""

    _late: dict[int, Shown] = field(default_factory=dict, compare=False, repr=False)
    """What columns hold that show nothing in the first block."""

    format: ClassVar[str] = "CSV"

    @cached_property
    def size(self) -> float:
        return float(measure(self.path))

    def read_as_text(self, names: frozenset[str]) -> DelimitedFile:
        """The same file, with booleans and times of these columns taken as they are written."""
        return replace(self, as_text=self.as_text | names, _late={})

    def allow_mixed(self, names: frozenset[str]) -> DelimitedFile:
        """The same file, in which these columns are text where numbers stand among it."""
        return replace(self, mixing=self.mixing | names, _late={})

    # ------------------------------------------------------------ what its columns are

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        import pyarrow as pa

        with self.reading():
            layout = self._layout
            if not layout.names:
                raise EmptySourceError.no_rows(self.where)
            self._refuse_decimal_commas(layout.names if wanted is None else wanted)
            shown = self._show(layout.names if wanted is None else wanted)
        types = [
            pa.string() if self._is_text(name, one) else one.type
            for name, one in zip(layout.names, shown, strict=True)
        ]
        found = arrow_schema(
            pa.schema([pa.field(n, t) for n, t in zip(layout.names, types, strict=True)]),
            self.where,
        )
        for name in self.dialect.text:
            found.find(name, "text")
        return replace(found, example=self._give_example)

    def _give_example(self, name: str) -> str:
        """A cell that shows what a column is."""
        kinds = {column.name: column.kind for column in self.schema([name]).columns}
        need = {Kind.NUMBER: Need.NUMBER, Kind.CATEGORY: Need.TEXT}.get(kinds[name], Need.ANY)
        cell = self._whole.find_other(self._layout.names.index(name), need)
        return f"line {cell.line:,} has '{cell.text}'" if cell else ""

    def _is_text(self, name: str, shown: Shown) -> bool:
        """Whether a column is text by choice."""
        import pyarrow as pa

        if name in self.dialect.text or (shown.mixed and name in self.mixing):
            return True
        looks = pa.types.is_boolean(shown.type) or pa.types.is_temporal(shown.type)
        return name in self.as_text and (looks or name in self.mixing)

    @cached_property
    def _packing(self) -> str:
        return find_packing(self.path)

    @cached_property
    def _layout(self) -> Layout:
        return find_layout(self._read_head, self.dialect, self.usual, self.name)

    def _read_head(self, size: int) -> bytes:
        """The start of the text."""
        pieces: list[bytes] = []
        with open_unpacked(self.path, self._packing) as (stream, _):
            while size and (piece := stream.read(size)):
                pieces.append(piece)
                size -= len(piece)
        return b"".join(pieces)

    @cached_property
    def _span(self) -> Span:
        return Span(self._packing, self._layout.start, None, self.dialect.max_bytes)

    @cached_property
    def _whole(self) -> DelimitedPart:
        """All of it as one part."""
        return DelimitedPart(
            self.path, self.title, self.stamp, self._layout, self._span, 1, self.size
        )

    @cached_property
    def _first(self) -> list[Shown]:
        """What the columns show in the first block."""
        for block in self._whole.blocks(SHOWN_BYTES):
            return self._show_block(block, ())
        return [Shown(_null())] * len(self._layout.names)

    def _show_block(self, block: Block, places: Collection[int]) -> list[Shown]:
        """What some columns show in a block; without any all."""
        import pyarrow as pa

        search = Search(self._layout, {}, self.name)
        rows, _ = self._whole.parse(Parser(self._layout, dict.fromkeys(places), search), block)
        shown = show_types(rows, self._layout)
        if HEXADECIMAL.search(block.text):  # Arrow takes it for whole numbers
            whole = [i for i, one in enumerate(shown) if pa.types.is_integer(one.type)]
            written = dict.fromkeys((int(rows.schema.names[i]) for i in whole), pa.string())
            if written:
                again, _ = self._whole.parse(Parser(self._layout, written, search), block)
                for i, one in zip(whole, show_types(again, self._layout), strict=True):
                    shown[i] = one
        return shown

    def _show(self, wanted: Iterable[str]) -> list[Shown]:
        """What the columns hold: those wanted as the first block shows that has a value."""
        import pyarrow as pa

        names, shown = self._layout.names, list(self._first)
        for place, one in self._late.items():
            shown[place] = one
        left = [
            i for i, one in enumerate(shown) if pa.types.is_null(one.type) and names[i] in wanted
        ]
        blocks = self._whole.blocks(SHOWN_BYTES)
        for block in blocks if left and not self._late.keys() >= set(left) else ():
            if block.start > self._layout.start:
                for place, one in zip(left, self._show_block(block, left), strict=True):
                    self._late[place] = shown[place] = one
                left = [i for i in left if pa.types.is_null(shown[i].type)]
            if not left:
                break
        for name in wanted:
            if name in names and pa.types.is_binary(shown[names.index(name)].type):
                raise SourceError.not_utf8(self.name)
        return shown

    def _refuse_decimal_commas(self, wanted: Iterable[str]) -> None:
        """SourceError for a column of text that would be numbers if commas were points."""
        if self.dialect.decimal or self._layout.delimiter == ",":
            return
        start = self._layout.start
        head = self._read_head(start + HEAD_BYTES)[start:].decode("utf-8", "replace")
        rows = read_head(head, self._layout.delimiter, self._layout.quote)
        for i, name in enumerate(self._layout.names):
            if name in wanted and (example := find_decimal_comma(rows, i)):
                raise SourceError.decimal_comma(
                    self.name, name, example, self.dialect.delimiter or self._layout.delimiter
                )

    # ------------------------------------------------------------ its rows

    def parts(self) -> Sequence[DelimitedPart]:
        import pyarrow as pa

        with self.reading():
            shown = zip(self._layout.names, self._show(()), strict=True)
            typed = tuple(
                (name, one.type)
                for name, one in shown
                if not self._is_text(name, one)
                and (pa.types.is_boolean(one.type) or pa.types.is_temporal(one.type))
            )
            mixing = self.mixing | frozenset(self.dialect.text)
            whole = replace(self._whole, typed=typed, mixing=mixing)
            if self._packing or isinstance(self.path, Place):
                return [whole]
            return split(whole, self._cuts)

    @cached_property
    def _cuts(self) -> list[Cut]:
        layout = self._layout
        with open_bytes(self.path) as file:
            return plan_cuts(
                lambda start, size: bytes(file.read_at(size, start)),
                layout.start,
                int(self.size),
                layout.quote,
                PART_BYTES,
                blank=layout.is_narrow,
            )

    # ------------------------------------------------------------ what a person should know

    def remarks(self, numbers: Sequence[str], others: Sequence[str]) -> list[str]:
        """What was taken for granted in reading these columns."""
        layout, notes = self._layout, []
        if stripped := [name for name in layout.stripped if name in {*numbers, *others}]:
            notes.append(f"blanks around names in the header were taken away: {listed(stripped)}.")
        padded = find_padded(
            self._read_head(layout.start + HEAD_BYTES)[layout.start :],
            layout,
            numbers,
        )
        notes += [
            f"'{name}' looks like an identifier, as in '{cell}', and is read as numbers; "
            f"--text {name} keeps it as it is written (text=['{name}'])."
            for name, cell in padded.items()
        ]
        return notes


def _null() -> Any:
    import pyarrow as pa

    return pa.null()
