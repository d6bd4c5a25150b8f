"""Decimals that a server writes as text: exact, of as many places as they have."""

from __future__ import annotations

import re
from typing import Any

from ..errors import ValueFoundError
from .arrow import MOST_DIGITS

OPEN_PLACES = 38
"""The places of a column whose type does not limit them, as its type is named."""


def name_numeric(modifier: int) -> str:
    """The Arrow type of a column of PostgreSQL's numeric, of which its modifier tells.

    >>> name_numeric(786438), name_numeric(-1)
    ('decimal128(12, 2)', 'decimal256(76, 38)')
    """
    if modifier < 4:
        return f"decimal256({MOST_DIGITS}, {OPEN_PLACES})"
    digits, places = (modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0x7FF
    places = places - 0x800 if places >= 0x400 else places
    return f"decimal{128 if digits <= 38 else 256}({min(digits, MOST_DIGITS)}, {places})"


def read_numerals(texts: Any, name: str, where: str, first_row: int) -> Any:
    """An Arrow array of such texts as decimals; NaN is null.

    ValueFoundError for an infinity, and for more digits than can be held, with the row.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pc.all(pc.match_substring_regex(texts, "^-?[0-9.]+$"), min_count=0).as_py():
        for sign, word in ((1, "inf"), (-1, "-inf")):
            at = pc.index(texts, word).as_py()
            if at >= 0:
                raise ValueFoundError.infinite(sign * float("inf"), name, where, first_row + at)
        texts = pc.if_else(pc.equal(texts, "nan"), pa.scalar(None, texts.type), texts)
    lengths, point = pc.binary_length(texts), pc.find_substring(texts, ".")
    has_point = pc.greater_equal(point, 0)
    places = pc.if_else(has_point, pc.subtract(pc.subtract(lengths, point), 1), 0)
    most_places = pc.max(places).as_py() or 0
    whole = pc.max(pc.if_else(has_point, point, lengths)).as_py() or 0  # with a sign
    if most_places + whole > MOST_DIGITS:
        most_places, whole = _count_digits(texts, name, where, first_row)
    digits = max(most_places + whole, 1)
    kind = pa.decimal128(38, most_places)
    if digits > 38:
        kind = pa.decimal256(MOST_DIGITS, most_places)
    return texts.cast(kind)


def _count_digits(texts: Any, name: str, where: str, first_row: int) -> tuple[int, int]:
    """The places and the digits before them; ValueFoundError where these are too many."""
    places = whole = 0
    for row, text in enumerate(texts.to_pylist(), first_row):
        before, _, behind = re.sub(r"^-?0*", "", text or "").partition(".")
        places, whole = max(places, len(behind)), max(whole, len(before))
        if places + whole > MOST_DIGITS:
            raise ValueFoundError.digits(name, where, row, places + whole, MOST_DIGITS)
    return places, whole
