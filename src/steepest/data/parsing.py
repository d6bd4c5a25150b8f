"""Blocks of delimited text to Arrow's rows, strictly.

Arrow parses; here it is seen to that quotes stand where they may, and that text holds no numbers.
What is not so is looked for again, slowly, to be told with its line.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any

import numpy as np

from .ahead import work_aside
from .arrow import arrow_numbers, is_dictionary
from .doubles import Columns, DoublesReader, Texts
from .flaws import Cell, Need, Search, looks_clean
from .layout import FALSE_WORDS, TRUE_WORDS, Layout
from .wholes import Rests, find_large

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv

FindOther = Callable[[int, Need], Cell | None]
Types = Mapping[int, Any]
"""Arrow's types by place, None where Arrow is to find the type; an empty one means all columns."""


def parse_options(
    layout: Layout, *, quotes: bool = True, on_ragged: Callable[[Any], str] | None = None
) -> csv.ParseOptions:
    """What Arrow is told of the marks; text without a quote is read faster as such."""
    from pyarrow import csv

    return csv.ParseOptions(
        delimiter=layout.delimiter,
        quote_char=layout.quote if layout.quote and quotes else False,
        newlines_in_values=quotes and bool(layout.quote),
        ignore_empty_lines=not layout.is_narrow,
        invalid_row_handler=on_ragged,
    )


def convert_options(layout: Layout, types: Types, *, quoted_nulls: bool) -> csv.ConvertOptions:
    """What Arrow is told of the cells: which columns to take, and as what."""
    from pyarrow import csv

    return csv.ConvertOptions(
        column_types={str(place): kind for place, kind in types.items() if kind is not None},
        include_columns=[str(place) for place in types],
        null_values=layout.nulls,
        true_values=TRUE_WORDS,
        false_values=FALSE_WORDS,
        strings_can_be_null=True,
        quoted_strings_can_be_null=quoted_nulls,
        decimal_point=layout.decimal,
    )


@dataclass
class Parser:
    """Makes rows of blocks: some columns, each of a type."""

    layout: Layout
    types: Types
    search: Search
    dropped: int = 0
    """Records with a field too few or too many that were left out."""
    _apart: bool = False
    """Whether quoted null words were met in a column of numbers: they are nulls there alone."""
    _known: dict[int, set[str]] = field(default_factory=dict)
    """Levels of text that are no numbers."""

    plain: Sequence[int] = ()
    """Columns of numbers that the compiled reader may read, nulls as NaN."""
    texts: Sequence[int] = ()
    """Columns of text that it may read."""
    rests: Rests = field(default_factory=Rests)
    """What doubles leave of the numbers of the last block, by the places of columns."""
    _doubles: DoublesReader | None = None

    def __post_init__(self) -> None:
        if DoublesReader.serves(self.layout, [*self.plain, *self.texts]):
            self._doubles = DoublesReader(self.layout, self.plain, self.texts)

    def parse(self, text: bytes, before: Callable[[], int], find_other: FindOther) -> Any:
        """The rows of a block as an Arrow record batch, to be used until the next is parsed.

        ``before`` counts the lines before it, where that is to be told.  SourceError,
        ColumnKindError, ValueFoundError for the first flaw in it.
        """

        def look() -> None:
            self.search.raise_first(text, before(), find_other)

        self.rests = Rests()
        doubles = self._read_doubles(text)  # as strict as a close look
        if not doubles and not looks_clean(text, self.layout):
            look()
        rows, trouble = self._try(text, doubles)
        if rows is None:
            look()
            self.search.raise_misfit(text, trouble, before())
            self._apart = True
            rows = self._read(text, doubles)
        if not self._is_sound(rows):
            look()
        self._find_rests(text, rows, doubles)
        return rows

    def _read_doubles(self, text: bytes) -> dict[str, Any]:
        """Columns by their place, without Arrow's reader; none where that is not to be had."""
        import pyarrow as pa

        found = None if self._doubles is None else self._doubles.read(text)
        if found is None:
            return {}
        self._note_large(text, found)
        columns = {
            str(place): pa.Array.from_buffers(
                pa.float64(), found.numbers.shape[1], [None, pa.py_buffer(column)], 0
            )
            for place, column in zip(self.plain, found.numbers, strict=True)
        }
        try:
            levels = [_find_levels(column) for column in found.texts]
        except UnicodeDecodeError:  # Arrow tells which column, if it matters
            return columns
        return columns | dict(zip(map(str, self.texts), levels, strict=True))

    def _note_large(self, text: bytes, found: Columns) -> None:
        """Large whole numbers that were read without Arrow; rests are read where they are asked."""
        large = [self.plain[i] for i in found.large]
        read = cache(lambda: DoublesReader(self.layout, large).read_rests(text))
        for i, place in enumerate(large):
            self.rests.large[str(place)] = partial(lambda at: read()[at], i)
        self.rests.rounded.update(str(self.plain[i]) for i in found.rounded)

    def _find_rests(self, text: bytes, rows: Any, doubles: Mapping[str, Any]) -> None:
        """Large whole numbers in what Arrow read."""
        import pyarrow as pa

        quotes = self._has_quotes(text)
        for place, need in self.search.needs.items():
            name = str(place)
            if need is not Need.NUMBER or name in doubles:
                continue
            numbers = arrow_numbers(rows.column(name))
            at = find_large(numbers)
            if at.size:
                written = {place: pa.string()}
                cells = _read_columns(text, self.layout, written, [], self._apart, quotes=quotes)
                self.rests.note(name, numbers, at, cells[name].take(pa.array(at)).to_pylist())

    def _has_quotes(self, text: bytes) -> bool:
        return bool(self.layout.quote) and self.layout.quote.encode() in text

    def _try(self, text: bytes, doubles: Mapping[str, Any]) -> tuple[pa.RecordBatch | None, str]:
        """The rows, or what Arrow says against them."""
        import pyarrow as pa

        try:
            return self._read(text, doubles), ""
        except pa.ArrowInvalid as error:
            return None, str(error)

    def _read(self, text: bytes, doubles: Mapping[str, Any]) -> pa.RecordBatch:
        import pyarrow as pa

        dropped: list[Any] = []
        quotes = self._has_quotes(text)
        left = {p: kind for p, kind in self.types.items() if str(p) not in doubles}
        parts = [left] if left or not doubles else []
        if self._apart and quotes:
            numbers = {p: t for p, t in left.items() if not _is_text(t)}
            texts = {p: t for p, t in left.items() if _is_text(t)}
            parts = [some for some in (numbers, texts) if some]
        columns = dict(doubles)
        for types in parts:
            dropped.clear()
            texts_only = all(_is_text(kind) for kind in types.values())
            apart = self._apart and quotes and bool(types) and not texts_only
            columns |= _read_columns(text, self.layout, types, dropped, apart, quotes=quotes)
        self.dropped = len(dropped)
        names = [str(place) for place in self.types] or list(columns)
        return pa.RecordBatch.from_arrays([columns[name] for name in names], names=names)

    def _is_sound(self, rows: pa.RecordBatch) -> bool:
        """Whether all text is text, and nothing else."""
        for place, need in self.search.needs.items():
            column = rows.column(str(place))
            if need is Need.TEXT and is_dictionary(column):
                known = self._known.setdefault(place, set())
                for level in column.dictionary.to_pylist():
                    if level not in known:
                        if self.layout.find_odd(level):
                            return False
                        known.add(level)
        return True


def _read_columns(
    text: bytes,
    layout: Layout,
    types: Types,
    dropped: list[Any],
    quoted_nulls: bool,
    *,
    quotes: bool,
) -> dict[str, Any]:
    """The columns of a block by their place, one array each; quotes do not matter without any."""
    import pyarrow as pa
    from pyarrow import csv

    def drop(row: Any) -> str:
        dropped.append(row.number)
        return "skip"

    if text[:1] in b"\r\n" and not text.strip(b"\r\n") and not layout.is_narrow:
        empty = types or dict.fromkeys(range(len(layout.names)))
        return {str(i): pa.array([], kind or pa.null()) for i, kind in empty.items()}
    if text.startswith(BOM_UTF8):  # Arrow takes one away, which is none of a block's
        text = BOM_UTF8 + text
    if text[-1:] not in (b"", b"\n", b"\r"):  # else an empty last field is in quotes if one was
        text += b"\n"
    read = partial(
        csv.read_csv,
        pa.BufferReader(text),
        csv.ReadOptions(
            use_threads=False,
            block_size=len(text) + 1,
            column_names=[str(i) for i in range(len(layout.names))],
        ),
        parse_options(layout, quotes=quotes, on_ragged=drop if layout.ragged == "drop" else None),
        convert_options(layout, types, quoted_nulls=quoted_nulls),
    )
    # In the main thread Arrow would take ^C for itself, and lose it where it comes near the end.
    table = work_aside(read) if current_thread() is main_thread() else read()
    found = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        chunks = column.chunks
        found[name] = chunks[0] if len(chunks) == 1 else pa.array([], column.type)
    return found


def _find_levels(column: Texts) -> Any:
    """A column of text as Arrow's dictionary; UnicodeDecodeError for what is not UTF-8."""
    import pyarrow as pa

    bytes(column.data[: column.ends[-1]]).decode()
    nulls = None
    if not column.present.all():
        nulls = pa.py_buffer(np.packbits(column.present, bitorder="little"))
    buffers = [nulls, pa.py_buffer(column.ends), pa.py_buffer(column.data)]
    text = pa.Array.from_buffers(pa.string(), len(column.present), buffers)
    return text.dictionary_encode()


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return kind is not None and bool(types.is_string(kind) or types.is_dictionary(kind))
