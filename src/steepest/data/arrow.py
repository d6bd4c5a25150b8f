"""Arrow types and arrays in the house's own terms.  Arrow is imported when first used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SourceError
from ..typing import Codes, Floats
from .expansions import Expansion, expand_integers, expand_words
from .strips import Strips
from .table import Column, Kind, Schema

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

MOST_DIGITS = 76
"""Digits of Arrow's widest decimal; more places, before or behind the point, are damage."""

BATCH_CELLS = 1 << 21
"""Numbers in a batch, at the most: 16 MB of float64.

Fewer would cost the interpreter more of its time, which is the same for each batch.
"""


def batch_rows(columns: int) -> int:
    """Rows in a batch of so many columns: 3,072 to 98,304.

    They are five or six eighths of a power of two, which is the room that Arrow makes for a column.
    Where a batch goes on in the next page it wants room for more than is left to read; had it
    none, it would copy all it has into twice the room, and once more to give the rest back.
    """
    most = BATCH_CELLS / max(columns, 1)
    rows = max(m << max(0, math.floor(math.log2(most / m))) for m in (3, 5))
    return max(3_072, min(98_304, rows))


def make_room(room: Floats | None, columns: int, rows: int) -> Floats:
    """A table of that shape, in the room that is there if it fits: fresh memory is slow memory."""
    if room is not None and room.shape[0] == columns and room.shape[1] >= rows:
        return room[:, :rows]
    return np.empty((columns, rows))


def make_strips(columns: Iterable[NDArray[Any]], room: Floats) -> Strips:
    """Columns of any numbers as one table: doubles where they are, all others put into the room."""
    return Strips(
        [_strip(values, own) for values, own in zip(columns, room, strict=True)], room.shape[1]
    )


def _strip(values: NDArray[Any], room: Floats) -> Floats:
    flags = values.flags
    if values.dtype == np.float64 and flags.c_contiguous and flags.aligned and not flags.owndata:
        return values
    room[:] = values
    return room


def arrow_schema(schema: pa.Schema, where: str) -> Schema:
    """An Arrow schema as names and kinds; SourceError where a name is no text."""
    try:
        schema.names  # noqa: B018
    except UnicodeDecodeError:
        raise SourceError.failed(where, "the name of a column is not UTF-8") from None
    return Schema(tuple(describe(f.name, f.type) for f in schema), where)


def describe(name: str, kind: pa.DataType) -> Column:
    """A column of this Arrow type; of runs, the type of their values."""
    from pyarrow import types

    if types.is_run_end_encoded(kind) and arrow_kind(kind) is not Kind.OTHER:
        kind = kind.value_type
    return Column(name, arrow_kind(kind), str(kind))


def spell_runs(array: Any) -> Any:
    """An array with every value where it is, if it has runs of equal ones."""
    import pyarrow.compute as pc
    from pyarrow import types

    return pc.run_end_decode(array) if types.is_run_end_encoded(array.type) else array


def arrow_kind(kind: pa.DataType) -> Kind:
    """What a column of this Arrow type can be used as."""
    from pyarrow import types

    if types.is_run_end_encoded(kind):
        kind = kind.value_type
        if types.is_dictionary(kind) or types.is_string_view(kind):  # which Arrow cannot spell out
            return Kind.OTHER
    if types.is_dictionary(kind):
        kind = kind.value_type
        return Kind.CATEGORY if arrow_kind(kind) is not Kind.OTHER else Kind.OTHER
    if types.is_integer(kind) or types.is_floating(kind):
        return Kind.NUMBER
    if types.is_decimal(kind):
        return Kind.NUMBER if abs(kind.scale) <= MOST_DIGITS else Kind.OTHER
    if (
        types.is_boolean(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
    ):
        return Kind.CATEGORY
    if types.is_temporal(kind):
        return Kind.TIME
    return Kind.NULL if types.is_null(kind) else Kind.OTHER


def spell_rows(rows: pa.RecordBatch) -> pa.RecordBatch:
    """A record batch with every value where it is."""
    import pyarrow as pa

    if not any(map(pa.types.is_run_end_encoded, rows.schema.types)):
        return rows
    return pa.record_batch([spell_runs(column) for column in rows.columns], rows.schema.names)


@dataclass(frozen=True)
class ArrowBatch:
    """A batch over an Arrow record batch."""

    rows: pa.RecordBatch
    room: Floats | None = None
    known: dict[str, tuple[Any, Sequence[str | None]]] = field(default_factory=dict)
    """By category the last dictionary and its levels: batches of a part often share them."""

    @property
    def n_rows(self) -> int:
        return int(self.rows.num_rows)

    def numbers(self, names: Sequence[str]) -> Strips:
        room = make_room(self.room, len(names), self.n_rows)
        return make_strips((arrow_numbers(self.rows.column(name)) for name in names), room)

    def expansion(self, name: str) -> Expansion | None:
        return arrow_expansion(self.rows.column(name))

    def codes(self, name: str) -> tuple[Codes, Sequence[str]]:
        array = self.rows.column(name)
        if not is_dictionary(array):
            return arrow_codes(array)
        last, texts = self.known.get(name, (None, ()))
        if last is None or not last.equals(array.dictionary):
            last, texts = array.dictionary, _read_levels(array.dictionary)
            self.known[name] = last, texts
        return _read_codes(array, texts)

    def cells(self, name: str) -> Any:
        return self.rows.column(name)


def arrow_numbers(array: Any) -> Floats:
    """One Arrow array as float64, shape (n,), nulls as NaN."""
    from pyarrow import types

    if types.is_null(array.type):
        return np.full(len(array), np.nan)
    if types.is_decimal(array.type):
        return _round_decimals(array)
    values = _bits(array, 1) if types.is_boolean(array.type) else _values(array)
    if not array.null_count:
        return values.astype(np.float64, copy=False)
    numbers = values.astype(np.float64)
    numbers[~_valid(array)] = np.nan
    return numbers


def _round_decimals(array: Any) -> Floats:
    """Decimals as the nearest doubles, where these have 15 digits or less; Arrow's may be off."""
    exact = arrow_expansion(array)
    assert exact is not None
    values: Floats = sum(reversed(exact.parts[:-1]), exact.parts[-1].copy())
    values = values / 10.0**exact.tens if exact.tens >= 0 else values * 10.0**-exact.tens
    if array.null_count:
        values[~_valid(array)] = np.nan
    return values


def arrow_expansion(array: Any) -> Expansion | None:
    """The exact values of an Arrow array of numbers; None where doubles hold them."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_integer(array.type):
        values = _values(array)
        return expand_integers(np.where(_valid(array), values, 0) if array.null_count else values)
    if not types.is_decimal(array.type):
        return None
    if array.type.scale < 0:
        array = array.cast(pa.decimal256(MOST_DIGITS, 0))
    bits = array.type.bit_width
    if bits < 64:
        words = np.frombuffer(array.buffers()[1], dtype=np.int32).astype(np.int64).view(np.uint64)
    else:
        words = np.frombuffer(array.buffers()[1], dtype=np.uint64)
    words = words.reshape(-1, max(bits // 64, 1))[array.offset :][: len(array)]
    if array.null_count:
        words = np.where(_valid(array)[:, None], words, np.uint64(0))
    return expand_words(words, array.type.scale)


def arrow_codes(array: Any) -> tuple[Codes, Sequence[str]]:
    """One Arrow array of booleans, text or categories as codes, shape (n,), and levels."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    if types.is_null(array.type):
        return np.full(len(array), -1, dtype=np.int32), ()
    if types.is_boolean(array.type):
        return _with_nulls(_bits(array, 1), array), ("false", "true")
    if types.is_string_view(array.type):
        array = pc.cast(array, pa.large_string())
    if not types.is_dictionary(array.type):
        array = array.dictionary_encode()
    return _read_codes(array, _read_levels(array.dictionary))


def is_dictionary(array: Any) -> bool:
    """Whether an array holds codes and their values."""
    from pyarrow import types

    return bool(types.is_dictionary(array.type))


def _read_levels(dictionary: Any) -> Sequence[str | None]:
    """The values of a dictionary as names of levels; None for a null."""
    values = dictionary.to_pylist()
    return [v if isinstance(v, str) or v is None else level_text(v) for v in values]


def _read_codes(array: Any, values: Sequence[str | None]) -> tuple[Codes, Sequence[str]]:
    codes = _with_nulls(_values(array.indices), array.indices)
    if None in values or len(set(values)) < len(values):
        return _merge_levels(codes, values)
    return codes, values  # type: ignore[return-value]


# Arrow's own to_numpy and fill_null import pandas where it is installed, which takes long.


def _values(array: Any) -> NDArray[Any]:
    """The numbers of a primitive array, shape (n,), without a copy; anything where null."""
    kind = np.dtype(array.type.to_pandas_dtype())
    return np.frombuffer(array.buffers()[1], dtype=kind)[array.offset :][: len(array)]


def _bits(array: Any, buffer: int) -> NDArray[np.bool_]:
    """A buffer of bits, one an element, shape (n,)."""
    whole = np.frombuffer(array.buffers()[buffer], dtype=np.uint8)
    count = array.offset + len(array)
    return np.unpackbits(whole, count=count, bitorder="little")[array.offset :].view(np.bool_)


def _valid(array: Any) -> NDArray[np.bool_]:
    """Where an array with nulls is not null, shape (n,)."""
    return _bits(array, 0)


def _with_nulls(codes: NDArray[Any], array: Any) -> Codes:
    if not array.null_count:
        return codes.astype(np.int32, copy=False)
    codes = codes.astype(np.int32)
    codes[~_valid(array)] = -1
    return codes


def level_text(value: object) -> str:
    """A category's value as the name of its level: ``1``, ``true``, ``2.5``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _merge_levels(codes: Codes, values: Sequence[str | None]) -> tuple[Codes, Sequence[str]]:
    """Dictionaries may hold a null, or one text twice: give each text one code."""
    unique = list(dict.fromkeys(text for text in values if text is not None))
    number = {text: i for i, text in enumerate(unique)}
    table = [-1 if text is None else number[text] for text in values]
    return np.array([*table, -1], dtype=np.int32)[codes], unique
