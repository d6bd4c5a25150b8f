"""``area > 10 and city in ('Oslo', 'Bergen')``: which rows a scan takes, read and written.

Comparisons of columns with numbers, texts and dates, and ``and``, ``or``, ``not`` between them.
Read by hand, never run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache
from typing import TypeAlias

from ..errors import FormulaError
from .expressions import Expression, Name
from .formula import NUMBER, Tokens, Words

TOKEN = re.compile(
    rf"\s*(?:(?P<name>[^\W\d][\w.]*)|`(?P<quoted>(?:[^`]|``)+)`|(?P<number>{NUMBER})"
    r"|'(?P<text>(?:[^']|'')*)'|\"(?P<double>(?:[^\"]|\"\")*)\""
    r"|(?P<sign>==|!=|<>|<=|>=|[<>=(),^:+\-\[\]]))"
)
SIGNS = ("==", "!=", "<", "<=", ">", ">=")
SAME = {"=": "==", "<>": "!="}
WORDS = {"and", "or", "not", "is", "in", "null", "true", "false"}
"""What means something here, so that columns of that name stand in quotes."""

EXACT = Context(prec=10_000)
"""Numbers lose nothing but zeros at their end."""

LONG = 40
"""Digits up to which whole numbers are written out."""

Literal: TypeAlias = Decimal | str


@dataclass(frozen=True)
class Comparison:
    """A column beside one value, or some values of which it may be any."""

    left: Expression
    sign: str
    right: tuple[Literal, ...]

    def __str__(self) -> str:
        values = ", ".join(_write(value) for value in self.right)
        right = f"({values})" if self.sign == "in" else values
        return f"{_quote(self.left)} {self.sign} {right}"


@dataclass(frozen=True)
class IsNull:
    """Whether a column is null."""

    left: Expression

    def __str__(self) -> str:
        return f"{_quote(self.left)} is null"


@dataclass(frozen=True)
class IsTrue:
    """A column of booleans as it is."""

    left: Name

    def __str__(self) -> str:
        return _quote(self.left)


@dataclass(frozen=True)
class Not:
    """The opposite; unknown stays unknown."""

    inner: Condition

    def __str__(self) -> str:
        if isinstance(self.inner, IsNull):
            return f"{_quote(self.inner.left)} is not null"
        return f"not ({self.inner})"


@dataclass(frozen=True)
class Joined:
    """Conditions with ``and`` or ``or`` between them."""

    word: str
    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        texts = [f"({part})" if isinstance(part, Joined) else str(part) for part in self.parts]
        return f" {self.word} ".join(texts)


Condition: TypeAlias = Comparison | IsNull | IsTrue | Not | Joined


def _write(value: Literal) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    whole = value == value.to_integral_value() and value.adjusted() < LONG
    return str(int(value)) if whole else str(value)


def _quote(column: Expression) -> str:
    text = str(column)
    return f"`{text}`" if text.lower() in WORDS else text


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
        parts = [self._take_all()]
        while self._take_word("or"):
            parts.append(self._take_all())
        return parts[0] if len(parts) == 1 else Joined("or", tuple(parts))

    def _take_all(self) -> Condition:
        parts = [self._take_single()]
        while self._take_word("and"):
            parts.append(self._take_single())
        return parts[0] if len(parts) == 1 else Joined("and", tuple(parts))

    def _take_single(self) -> Condition:
        if self._take_word("not"):
            with self.deeper():
                return Not(self._take_single())
        if self.take("("):
            with self.deeper():
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
            found = Comparison(left, "in", self._take_values())
            return Not(found) if negated else found
        sign = SAME.get(self.next[1], self.next[1])
        if not negated and self.next[2] == "sign" and sign in SIGNS:
            self.pop()
            return Comparison(left, sign, (self._take_value(),))
        if negated or not isinstance(left, Name):
            raise self.refuse("a comparison such as '> 10'")
        return IsTrue(left)

    def _take_values(self) -> tuple[Literal, ...]:
        self.expect("(", "before the values")
        values = [self._take_value()]
        while self.take(","):
            values.append(self._take_value())
        self.expect(")", "after the values")
        return tuple(values)

    def _take_value(self) -> Literal:
        _, token, kind = self.next
        if kind in ("text", "double"):
            self.pop()
            mark = "'" if kind == "text" else '"'
            return token.replace(mark * 2, mark)
        if kind == "name" and token.lower() in ("true", "false"):
            self.pop()
            return token.lower()
        minus = self.take("-")
        _, token, kind = self.next
        if kind != "number" or math.isinf(float(token)):
            raise self.refuse("a number, or a text in quotes")
        self.pop()
        value = Decimal(token).normalize(EXACT)
        return -value if minus else value


def columns_of(condition: Condition) -> Iterator[tuple[Expression, tuple[Literal, ...]]]:
    """Each column that a condition looks at, with the values beside it."""
    if isinstance(condition, Joined):
        for part in condition.parts:
            yield from columns_of(part)
    elif isinstance(condition, Not):
        yield from columns_of(condition.inner)
    else:
        yield condition.left, condition.right if isinstance(condition, Comparison) else ()
