"""``area > 10 and city in ('Oslo', 'Bergen')``: which rows a scan takes.

Comparisons of columns with numbers, texts and dates, and ``and``, ``or``, ``not`` between them.
Read by hand, never run; a comparison with a null is neither true nor false, as in SQL, and only
rows for which the whole is true are taken.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import ColumnKindError, FormulaError, ValueFoundError
from .expressions import Expression, Name, is_levels, label, sources
from .forming import Rows
from .formula import NUMBER, Tokens, Words
from .table import Kind, Schema
from .terms import settle

TOKEN = re.compile(
    rf"\s*(?:(?P<name>[^\W\d][\w.]*)|`(?P<quoted>(?:[^`]|``)+)`|(?P<number>{NUMBER})"
    r"|'(?P<text>(?:[^']|'')*)'|\"(?P<double>(?:[^\"]|\"\")*)\""
    r"|(?P<sign>==|!=|<>|<=|>=|[<>=(),^:+\-]))"
)
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
SHORT = 1e15
"""Whole numbers up to here are written without a point."""

SAME = {"=": "==", "<>": "!="}
Literal: TypeAlias = float | str


@dataclass(frozen=True)
class Comparison:
    """A column beside one value, or some values of which it may be any."""

    left: Expression
    sign: str
    right: tuple[Literal, ...]

    def __str__(self) -> str:
        values = ", ".join(_write(value) for value in self.right)
        return f"{self.left} {self.sign} {f'({values})' if self.sign == 'in' else values}"


@dataclass(frozen=True)
class IsNull:
    """Whether a column is null."""

    left: Expression

    def __str__(self) -> str:
        return f"{self.left} is null"


@dataclass(frozen=True)
class IsTrue:
    """A column of booleans as it is."""

    left: Name

    def __str__(self) -> str:
        return str(self.left)


@dataclass(frozen=True)
class Not:
    """The opposite; unknown stays unknown."""

    inner: Condition

    def __str__(self) -> str:
        if isinstance(self.inner, IsNull):
            return f"{self.inner.left} is not null"
        return f"not ({self.inner})"


@dataclass(frozen=True)
class Both:
    """Two conditions, with ``and`` or ``or`` between them."""

    word: str
    first: Condition
    second: Condition

    def __str__(self) -> str:
        first, second = str(self.first), str(self.second)
        if isinstance(self.first, Both) and self.first.word != self.word:
            first = f"({first})"
        if isinstance(self.second, Both):
            second = f"({second})"
        return f"{first} {self.word} {second}"


Condition: TypeAlias = Comparison | IsNull | IsTrue | Not | Both


def _write(value: Literal) -> str:
    if isinstance(value, float):
        return str(int(value)) if value == int(value) and abs(value) < SHORT else repr(value)
    return "'" + value.replace("'", "''") + "'"


@lru_cache(maxsize=64)
def parse_condition(text: str) -> Condition:
    """Read a condition; FormulaError says where it cannot be read."""
    reader = _Reader(text)
    found = reader.take_either()
    reader.expect_end()
    return found


class _Reader(Words):
    expected = staticmethod(FormulaError.condition)

    def __init__(self, text: str) -> None:
        Tokens.__init__(self, text, TOKEN, "a column, a value, or a comparison")

    def _take_word(self, word: str) -> bool:
        if self.next[2] != "name" or self.next[1].lower() != word:
            return False
        self.pop()
        return True

    def take_either(self) -> Condition:
        found = self._take_all()
        while self._take_word("or"):
            found = Both("or", found, self._take_all())
        return found

    def _take_all(self) -> Condition:
        found = self._take_single()
        while self._take_word("and"):
            found = Both("and", found, self._take_single())
        return found

    def _take_single(self) -> Condition:
        if self._take_word("not"):
            return Not(self._take_single())
        if self.take("("):
            found = self.take_either()
            self.expect(")", "to close the condition")
            return found
        left = self.take_factor(single=True)[0]
        if self._take_word("is"):
            negated = self._take_word("not")
            if not self._take_word("null"):
                raise self.refuse("'null'")
            return Not(IsNull(left)) if negated else IsNull(left)
        negated = self._take_word("not")
        if self._take_word("in"):
            self.expect("(", "before the values")
            values = [self._take_value()]
            while self.take(","):
                values.append(self._take_value())
            self.expect(")", "after the values")
            found = Comparison(left, "in", tuple(values))
            return Not(found) if negated else found
        sign = SAME.get(self.next[1], self.next[1])
        if not negated and self.next[2] == "sign" and sign in COMPARE:
            self.pop()
            return Comparison(left, sign, (self._take_value(),))
        if negated or not isinstance(left, Name):
            raise self.refuse("a comparison such as '> 10'")
        return IsTrue(left)

    def _take_value(self) -> Literal:
        _, token, kind = self.next
        if kind in ("text", "double"):
            self.pop()
            mark = "'" if kind == "text" else '"'
            return token.replace(mark * 2, mark)
        if kind == "name" and token.lower() in ("true", "false"):
            self.pop()
            return token.lower()
        return self.take_number("a number, or a text in quotes")


def columns_of(condition: Condition) -> Iterator[tuple[Expression, tuple[Literal, ...]]]:
    """Each column that a condition looks at, with the values beside it."""
    if isinstance(condition, Both):
        yield from columns_of(condition.first)
        yield from columns_of(condition.second)
    elif isinstance(condition, Not):
        yield from columns_of(condition.inner)
    else:
        yield condition.left, condition.right if isinstance(condition, Comparison) else ()


class Looked(NamedTuple):
    """The columns of the table that a condition looks at, by what is wanted of them."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    times: tuple[str, ...]


def check_condition(condition: Condition, schema: Schema) -> Looked:
    """What a condition reads; ColumnKindError, ColumnNotFoundError where it cannot be asked."""
    found: dict[str, list[str]] = {"number": [], "category": [], "time": []}
    for left, values in columns_of(condition):
        text = any(isinstance(value, str) for value in values)
        if isinstance(left, Name):
            column = schema.find(left.name, "filtered")
            kind = Kind.NUMBER if column.kind is Kind.NULL else column.kind
            if kind is Kind.OTHER:
                raise ColumnKindError.unusable(column.name, column.type_name, kind)
            wrong = text if kind is Kind.NUMBER else not text and bool(values)
            if wrong:
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
    return Looked(*(tuple(dict.fromkeys(names)) for names in found.values()))


def _booleans(condition: Condition) -> Iterator[Name]:
    if isinstance(condition, Both):
        yield from _booleans(condition.first)
        yield from _booleans(condition.second)
    elif isinstance(condition, Not):
        yield from _booleans(condition.inner)
    elif isinstance(condition, IsTrue):
        yield condition.left


Truth = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""Where a condition is true, and where it is false; elsewhere it is unknown."""


def select(condition: Condition, rows: Rows, looked: Looked) -> NDArray[np.bool_]:
    """The rows for which a condition is true, shape (n,)."""
    return _judge(condition, rows, looked)[0]


def _judge(condition: Condition, rows: Rows, looked: Looked) -> Truth:
    if isinstance(condition, Not):
        true, false = _judge(condition.inner, rows, looked)
        return false, true
    if isinstance(condition, Both):
        (a, not_a), (b, not_b) = (
            _judge(side, rows, looked) for side in (condition.first, condition.second)
        )
        return (a & b, not_a | not_b) if condition.word == "and" else (a | b, not_a & not_b)
    left = condition.left
    if is_levels(left) or (isinstance(left, Name) and left.name in looked.categories):
        return _judge_levels(condition, *rows.codes(left))
    if isinstance(left, Name) and left.name in looked.times:
        return _judge_times(condition, left.name, rows)
    values = rows.form(left)[0]
    null = np.isnan(values)
    if isinstance(condition, IsNull):
        return null, ~null
    assert isinstance(condition, Comparison)
    wanted = [float(value) for value in condition.right]
    sign = COMPARE["==" if condition.sign == "in" else condition.sign]
    with np.errstate(invalid="ignore"):
        met = np.any([sign(values, value) for value in wanted], axis=0)
    return met & ~null, ~met & ~null


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


def _judge_times(condition: Condition, name: str, rows: Rows) -> Truth:
    import pyarrow as pa
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
        try:
            moment = pc.cast(pa.scalar(str(value)), array.type)
        except (pa.ArrowException, ValueError):
            raise ValueFoundError.time(name, str(value), str(array.type)) from None
        met |= np.array(compare(array, moment).fill_null(False).to_pylist(), dtype=bool)
    return met & ~null, ~met & ~null
