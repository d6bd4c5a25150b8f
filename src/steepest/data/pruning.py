"""Whether a part can have a row that meets a condition, from what is known without reading it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .conditions import Comparison, Condition, Joined, Literal, Not, parse_condition
from .expressions import Name

Range = tuple[float, float]
RangeOf = Callable[[str], Range | None]
"""The smallest and the largest number of a column, where that is known."""

Chance = tuple[bool, bool]
"""Whether a condition may be true for a row, and whether it may be false."""


def is_out_of_reach(part: Any, condition: str) -> bool:
    """Whether no row of a part can meet a condition, as far as is known without reading it."""
    if not condition or getattr(part, "known_rows", None) is None:
        return False
    range_of = getattr(part, "range_of", None)
    return range_of is not None and not may_meet(parse_condition(condition), range_of)


def may_meet(condition: Condition, range_of: RangeOf) -> bool:
    """False only where no row can meet the condition."""
    return _weigh(condition, range_of)[0]


def _weigh(condition: Condition, range_of: RangeOf) -> Chance:
    if isinstance(condition, Not):
        true, false = _weigh(condition.inner, range_of)
        return false, true
    if isinstance(condition, Joined):
        chances = [_weigh(part, range_of) for part in condition.parts]
        some, every = (any, all) if condition.word == "or" else (all, any)
        return some(true for true, _ in chances), every(false for _, false in chances)
    if not isinstance(condition, Comparison) or not isinstance(condition.left, Name):
        return True, True
    known = range_of(condition.left.name)
    if known is None or any(isinstance(value, str) for value in condition.right):
        return True, True
    chances = [_compare(known, condition.sign, value) for value in condition.right]
    return any(true for true, _ in chances), all(false for _, false in chances)


def _compare(known: Range, sign: str, value: Literal) -> Chance:
    """The chances beside one number, which rows may be compared with exactly or as a double."""
    low, high = map(Fraction, known)
    chances = [
        _compare_exactly(low, high, sign, right)
        for right in (Fraction(Decimal(value)), _as_double(value))
        if right is not None
    ]
    return any(true for true, _ in chances), any(false for _, false in chances)


def _as_double(value: Literal) -> Fraction | None:
    nearest = float(value)
    return None if nearest in (float("inf"), float("-inf")) else Fraction(nearest)


def _compare_exactly(low: Fraction, high: Fraction, sign: str, right: Fraction) -> Chance:
    inside, alone = low <= right <= high, low == right == high
    return {
        "==": (inside, not alone),
        "in": (inside, not alone),
        "!=": (not alone, inside),
        "<": (low < right, high >= right),
        "<=": (low <= right, high > right),
        ">": (high > right, low <= right),
        ">=": (high >= right, low < right),
    }[sign]
