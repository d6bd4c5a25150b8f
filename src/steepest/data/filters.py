"""The rows for which a condition is true.

A comparison with a null is neither true nor false, as in SQL, and only rows for which the whole is
true are taken.  Decimals and whole numbers beyond 2⁵³ are compared as what they are.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ColumnKindError, ValueFoundError
from ..typing import Floats
from .conditions import Comparison, Condition, IsNull, IsTrue, Joined, Literal, Not, columns_of
from .expansions import Expansion
from .expressions import Name, is_levels, label, sources
from .forming import Rows
from .table import Kind, Reads, Schema
from .terms import settle

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
NEAR = 2.0**-50
"""Numbers that differ by less than this share are compared exactly, as fractions."""


def check_condition(condition: Condition, schema: Schema) -> Reads:
    """The columns that a condition reads; ColumnKindError, ColumnNotFoundError where it cannot."""
    found: dict[str, list[str]] = {"number": [], "category": [], "time": []}
    for asked, values in columns_of(condition):
        text = any(isinstance(value, str) for value in values)
        plain = not is_levels(asked)  # levels of text are that text
        left = asked if plain else settle(asked, lambda name: schema.find(name, "filtered"))
        if isinstance(left, Name):
            column = schema.find(left.name, "filtered")
            kind = Kind.NUMBER if column.kind is Kind.NULL else column.kind
            if kind is Kind.OTHER:
                raise ColumnKindError.unusable(column.name, column.type_name, kind)
            wrong = text if kind is Kind.NUMBER else not text and bool(values)
            if wrong and column.kind is not Kind.NULL:  # which is beside nothing
                raise ColumnKindError.compared(left.name, column.type_name, str(values[0]))
            found[str(kind)].append(left.name)
            continue
        settle(left, lambda name: schema.find(name, "filtered"))
        if text != bool(is_levels(left)) and values:
            word = "text" if is_levels(left) else "number"
            raise ColumnKindError.compared(label(left), word, str(values[0]))
        kinds = {schema.find(name).kind for name in sources(left)}
        found["time" if Kind.TIME in kinds else "number"] += sources(left)
    for left in _booleans(condition):
        if not schema.find(left.name).is_boolean:
            raise ColumnKindError.compared(left.name, schema.find(left.name).type_name, "true")
    return Reads(*(tuple(dict.fromkeys(names)) for names in found.values()))


def _booleans(condition: Condition) -> Iterator[Name]:
    if isinstance(condition, Joined):
        for part in condition.parts:
            yield from _booleans(part)
    elif isinstance(condition, Not):
        yield from _booleans(condition.inner)
    elif isinstance(condition, IsTrue):
        yield condition.left


Truth = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""Where a condition is true, and where it is false; elsewhere it is unknown."""


def select(condition: Condition, rows: Rows, looked: Reads) -> NDArray[np.bool_]:
    """The rows for which a condition is true, shape (n,)."""
    return _judge(condition, rows, looked)[0]


def _judge(condition: Condition, rows: Rows, looked: Reads) -> Truth:
    if isinstance(condition, Not):
        true, false = _judge(condition.inner, rows, looked)
        return false, true
    if isinstance(condition, Joined):
        judged = [_judge(part, rows, looked) for part in condition.parts]
        met, failed = [true for true, _ in judged], [false for _, false in judged]
        some, every = np.logical_or.reduce, np.logical_and.reduce
        if condition.word == "and":
            return every(met), some(failed)
        return some(met), every(failed)
    left = condition.left
    if is_levels(left) or (isinstance(left, Name) and left.name in looked.categories):
        return _judge_levels(condition, *rows.codes(left))
    if isinstance(left, Name) and left.name in looked.times:
        return _judge_times(condition, left.name, rows)
    values, whole = rows.form(left)
    null = np.isnan(values)
    if isinstance(condition, IsNull):
        return null, ~null
    assert isinstance(condition, Comparison)
    sign = "==" if condition.sign == "in" else condition.sign
    met = np.any([_compare(values, whole, sign, value) for value in condition.right], axis=0)
    return met & ~null, ~met & ~null


def _compare(
    values: Floats, whole: Expansion | None, sign: str, literal: Literal
) -> NDArray[np.bool_]:
    """Numbers beside one; those that take more than a double, and are near it, as fractions."""
    if isinstance(literal, str):  # beside a column without any value
        return np.zeros(len(values), dtype=bool)
    compare, right = COMPARE[sign], float(literal)
    with np.errstate(invalid="ignore", over="ignore"):
        met: NDArray[np.bool_] = compare(values, right)
        if whole is None:
            return met
        near = np.flatnonzero(np.abs(values - right) <= NEAR * np.abs(right))
    if near.size:
        parts = np.stack([part[near] for part in whole.parts], axis=1)
        unique, at = np.unique(parts, axis=0, return_inverse=True)
        wanted = Fraction(Decimal(literal)) * 10**whole.tens
        told = [compare(sum(map(Fraction, own.tolist())), wanted) for own in unique]
        met[near] = np.array(told, dtype=bool)[at.ravel()]
    return met


def _judge_levels(condition: Condition, codes: Any, levels: Any) -> Truth:
    null = codes < 0
    if isinstance(condition, IsNull):
        return null, ~null
    if isinstance(condition, IsTrue):
        condition = Comparison(condition.left, "==", ("true",))
    assert isinstance(condition, Comparison)
    if condition.sign == "in":
        table = [level in condition.right for level in levels]
    else:
        sign, right = COMPARE[condition.sign], str(condition.right[0]).encode()
        table = [bool(sign(str(level).encode(), right)) for level in levels]
    met = np.array([*table, False])[codes]
    return met & ~null, ~met & ~null


def _read_moment(array: Any, text: str, name: str) -> tuple[Any, Any]:
    """Times and what they are compared with; without a zone of its own, by the clocks of theirs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    with suppress(pa.ArrowException, ValueError):
        return array, pc.cast(pa.scalar(text), kind)
    if getattr(kind, "tz", None):
        with suppress(pa.ArrowException, ValueError):
            return pc.local_timestamp(array), pc.cast(pa.scalar(text), pa.timestamp(kind.unit))
    raise ValueFoundError.time(name, text, str(kind))


def _judge_times(condition: Condition, name: str, rows: Rows) -> Truth:
    import pyarrow.compute as pc

    array = rows.batch.cells(name)
    null = np.array(pc.is_null(array).to_pylist(), dtype=bool)
    if isinstance(condition, IsNull):
        return null, ~null
    assert isinstance(condition, Comparison)
    words = {"==": "equal", "!=": "not_equal", "<": "less", "<=": "less_equal",
             ">": "greater", ">=": "greater_equal"}  # fmt: skip
    compare = getattr(pc, words["==" if condition.sign == "in" else condition.sign])
    met = np.zeros(len(array), dtype=bool)
    for value in condition.right:
        times, moment = _read_moment(array, str(value), name)
        met |= np.array(compare(times, moment).fill_null(False).to_pylist(), dtype=bool)
    return met & ~null, ~met & ~null
