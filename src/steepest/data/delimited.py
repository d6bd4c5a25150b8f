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
from typing import ClassVar

from ..errors import EmptySourceError, SourceError, listed
from .arrow import arrow_schema
from .blocks import BLOCK_BYTES, Block, Span, split
from .boundaries import Cut, Marks, plan_cuts
from .dialect import PLAIN, Dialect, find_decimal_comma, read_head
from .file import File
from .flaws import Need, Search
from .fragments import DelimitedPart
from .layout import HEAD_BYTES, Layout, find_layout
from .packing import find_packing, open_unpacked
from .parsing import Parser
from .places import Place, measure, open_bytes
from .sampling import Shown, count_numbers, find_padded, show_types
from .table import Kind, Reads, Schema

PART_BYTES = 1 << 24
"""Bytes of a part, about."""

HEXADECIMAL = re.compile(rb"0[xX]")

MOST_SHOWN = 10_000
"""In a file of more columns, kinds are found only for those that are asked for."""

SHOWN_BYTES = 1 << 20
"""Bytes from which the kinds of columns are found; more are read for a column without a value."""


@dataclass(frozen=True)
class DelimitedFile(File):
    """One CSV or TSV file."""

    usual: str = ","
    """What stands between fields, unless it is said or seen to be something else."""
    dialect: Dialect = PLAIN
    as_text: frozenset[str] = frozenset()
    """Columns that are text in other files."""
    mixing: frozenset[str] = frozenset()
    """Columns that may mix numbers and text, and are text where they do."""

    _known: dict[int, Shown] = field(default_factory=dict, compare=False, repr=False)
    """By place, what a column holds in the first block in which it has a value."""
    _empty: set[int] = field(default_factory=set, compare=False, repr=False)
    """Places of the columns that have no value in the whole file."""

    format: ClassVar[str] = "CSV"

    @cached_property
    def size(self) -> float:
        return float(measure(self.path))

    def read_as_text(self, names: frozenset[str]) -> DelimitedFile:
        """The same file beside others, in which these columns are text."""
        return replace(self, as_text=self.as_text | names, _known={}, _empty=set())

    def allow_mixed(self, names: frozenset[str]) -> DelimitedFile:
        """The same file, in which these columns are text where numbers stand among it."""
        return replace(self, mixing=self.mixing | names, _known={}, _empty=set())

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

    def count_numbers(self, wanted: Collection[str] | None = None) -> int:
        """How many columns are numbers, as far as the first record shows."""
        with self.reading():
            return count_numbers(self._read_head, self._layout, self.dialect.text, wanted)

    def _give_example(self, name: str) -> str:
        """A cell that shows what a column is."""
        kinds = {column.name: column.kind for column in self.schema([name]).columns}
        need = {Kind.NUMBER: Need.NUMBER, Kind.CATEGORY: Need.TEXT}.get(kinds[name], Need.ANY)
        cell = self._whole.find_other(self._layout.names.index(name), need)
        return f"line {cell.line:,} has '{cell.text}'" if cell else ""

    def _is_text(self, name: str, shown: Shown) -> bool:
        """Whether a column is text by choice."""
        mixed = shown.mixed or name in self.as_text
        return name in self.dialect.text or (mixed and name in self.mixing)

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

    def _show_block(self, block: Block, places: Collection[int]) -> list[Shown]:
        """What some columns hold in a block; all columns, where no places are given."""
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
        """What each column holds; those wanted are looked for until a block has a value of them."""
        import pyarrow as pa

        names, known, asked = self._layout.names, self._known, frozenset(wanted)
        own = [i for i, name in enumerate(names) if name in asked]
        every = range(len(names)) if len(names) <= MOST_SHOWN else own
        fresh = [i for i in every if i not in known]
        left = [i for i in own if i not in self._empty and _is_null(known.get(i))]
        for block in self._whole.blocks(SHOWN_BYTES) if fresh or left else ():
            places = fresh if block.start == self._layout.start else left
            if places:
                found = self._show_block(block, () if len(places) == len(names) else places)
                for i, one in zip(places, found, strict=True):
                    if i not in known or not pa.types.is_null(one.type):
                        known[i] = one
            left = [i for i in left if _is_null(known.get(i))]
            if not left:
                break
        self._empty.update(left)
        shown = [known.get(i, Shown(pa.null())) for i in range(len(names))]
        for name, one in zip(names, shown, strict=True):
            if pa.types.is_binary(one.type) and name in asked:
                raise SourceError.not_utf8(self.name, line=self._find_undecodable())
        return shown

    def _find_undecodable(self) -> int | None:
        """The first line that is not UTF-8."""
        for block in self._whole.blocks():
            try:
                block.text.decode()
            except UnicodeDecodeError as error:
                return self._whole.count_lines(block.start + error.start) + 1
        return None

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
            return split(whole, self._cuts, PART_BYTES)

    @cached_property
    def _cuts(self) -> list[Cut]:
        layout = self._layout
        with open_bytes(self.path) as file:
            return plan_cuts(
                lambda start, size: bytes(file.read_at(size, start)),
                layout.start,
                int(self.size),
                min(BLOCK_BYTES, PART_BYTES),
                Marks(layout.quote, empty=layout.is_narrow),
            )

    # ------------------------------------------------------------ what a person should know

    def remarks(self, reads: Reads) -> list[str]:
        """What was taken for granted in reading these columns."""
        layout, notes = self._layout, []
        if stripped := [name for name in layout.stripped if name in reads.names]:
            notes.append(f"blanks around names in the header were taken away: {listed(stripped)}.")
        padded = find_padded(
            self._read_head(layout.start + HEAD_BYTES)[layout.start :],
            layout,
            reads.numbers,
        )
        notes += [
            f"'{name}' looks like an identifier, as in '{cell}', and is read as numbers; "
            f"text=[{name!r}] keeps it as it is written."
            for name, cell in padded.items()
        ]
        return notes


def _is_null(shown: Shown | None) -> bool:
    """Whether a column shows nothing, or was not looked at."""
    import pyarrow as pa

    return shown is None or shown.open or bool(pa.types.is_null(shown.type))
