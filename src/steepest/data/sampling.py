"""What the columns of a delimited file hold, as its first rows show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, NamedTuple

from .layout import Layout, read_on
from .records import BrokenError, Record

if TYPE_CHECKING:
    import pyarrow as pa


TYPES = {"a number": "double", "a boolean": "bool", "a date": "timestamp[ns]"}
"""What a column is that holds such cells, and perhaps others: of the first of them."""


class Shown(NamedTuple):
    """The type that a column shows, and whether it holds other text beside."""

    type: pa.DataType
    mixed: bool = False
    open: bool = False
    """Whether words for null in quotes are all: what else the column holds decides."""


def show_types(rows: pa.RecordBatch, layout: Layout) -> list[Shown]:
    """What columns hold, read as they show themselves; text beside anything else is mixed.

    A quoted null word is a null where all else is numbers.
    """
    import pyarrow as pa

    shown = []
    for column in rows.columns:
        if not pa.types.is_string(column.type):
            shown.append(Shown(column.type))
            continue
        written = set(column.to_pylist()) - {None, ""}
        values = written.difference(layout.nulls)
        if not values:
            shown.append(Shown(column.type, open=True) if written else Shown(pa.null()))
            continue
        odd = Counter(layout.find_odd(value) for value in values)
        found = next((word for word in TYPES if odd[word]), "")
        kind = pa.type_for_alias(TYPES[found]) if found else column.type
        shown.append(Shown(kind, mixed=bool(found) and odd[found] < len(values)))
    return shown


def count_numbers(
    read: Callable[[int], bytes],
    layout: Layout,
    texts: Collection[str],
    wanted: Collection[str] | None,
) -> int:
    """How many of some columns are numbers in the first record of a text; None for all."""
    asked, record = None if wanted is None else frozenset(wanted), _find_first(read, layout)
    return sum(
        layout.is_number(cell.decode("utf-8", "replace"))
        for name, cell in zip(layout.names, record.cells if record else (), strict=False)
        if (asked is None or name in asked) and name not in texts
    )


def _find_first(read: Callable[[int], bytes], layout: Layout) -> Record | None:
    """The first record; None where there is none, or it is broken."""
    for text, whole in read_on(read, layout.start):
        try:
            record = next(layout.iterate(text), None)
        except BrokenError as broken:
            if broken.open_ended:
                continue
            return None
        if whole or (record and record.stop < len(text)):
            return record
    return None


def find_padded(text: bytes, layout: Layout, names: Iterable[str]) -> dict[str, str]:
    """Columns whose numbers begin with zeros, as identifiers do, each with the first such cell."""
    known = {name: place for place, name in enumerate(layout.names)}
    places = {name: known[name] for name in names if name in known}
    found: dict[str, str] = {}
    try:
        for record in layout.iterate(text):
            for name, place in places.items():
                cell = record.cells[place].strip() if place < len(record.cells) else b""
                if cell[:1] == b"0" and cell[1:2].isdigit() and cell.isdigit():
                    found.setdefault(name, cell.decode())
    except BrokenError:
        pass
    return found
