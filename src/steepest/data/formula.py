"""``y ~ x + x^2 + 0``: a target, its terms, and whether there is an intercept."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import FormulaError

TOKEN = re.compile(
    r"\s*(?:(?P<name>[^\W\d][\w.]*)|`(?P<quoted>[^`]+)`|(?P<number>\d+)|(?P<sign>[~+\-^]))"
)
LARGEST_POWER = 20


@dataclass(frozen=True)
class Formula:
    """What a formula asks for.

    Examples
    --------
    >>> parse_formula("y ~ x + x^2 + 0")
    Formula(target='y', terms=(('x', 1), ('x', 2)), intercept=False)
    """

    target: str
    terms: tuple[tuple[str, int], ...]
    """Columns with the powers they are raised to."""
    intercept: bool

    @property
    def names(self) -> list[str]:
        """The terms as columns of moments: ``x``, ``x^2``."""
        return [base if power == 1 else f"{base}^{power}" for base, power in self.terms]

    @property
    def plain(self) -> list[str]:
        """The terms that are columns as they are."""
        return [base for base, power in self.terms if power == 1]

    @property
    def powers(self) -> list[tuple[str, int]]:
        """The terms that have to be made from a column."""
        return [(base, power) for base, power in self.terms if power > 1]


def parse_formula(text: str) -> Formula:
    """Read a formula: terms with ``+``, powers with ``^``, ``+ 0`` or ``- 1`` for no intercept.

    Names that are not words stand in backticks.  FormulaError says where it cannot be read.
    """
    tokens = _split(text)
    target = _take_name(text, tokens, "the target")
    if _next(tokens)[1] != "~":
        raise FormulaError.expected(text, _next(tokens)[0], "'~' after the target")
    tokens.pop(0)
    terms: list[tuple[str, int]] = []
    intercept, sign = True, "+"
    while True:
        place, token, is_name = _next(tokens)
        if not is_name and token in ("0", "1"):
            tokens.pop(0)
            intercept = bool(int(token)) == (sign == "+")
        elif sign == "-":
            raise FormulaError.expected(text, place, "1 after '-'")
        else:
            name = _take_name(text, tokens, "a column")
            power = _take_power(text, tokens)
            if (name, power) in terms:
                raise FormulaError.repeated(text, place, name)
            terms.append((name, power))
        place, token, _ = _next(tokens)
        if token == "":
            break
        if token not in ("+", "-"):
            raise FormulaError.expected(text, place, "'+' or the end")
        sign = token
        tokens.pop(0)
    if any(name == target for name, _ in terms):
        raise FormulaError.target(text, target)
    if not terms:
        raise FormulaError.no_terms(text)
    return Formula(target, tuple(terms), intercept)


Token = tuple[int, str, bool]
"""Where it begins, what it is, and whether it is a name."""


def _split(text: str) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        found = TOKEN.match(text, at)
        if not found:
            blank = len(text[at:]) - len(text[at:].lstrip())
            raise FormulaError.expected(text, at + blank, "a name, '+', '^' or '~'")
        kind = found.lastgroup or ""
        tokens.append((found.start(kind), found[kind], kind in ("name", "quoted")))
        at = found.end()
    return [*tokens, (end, "", False)]


def _next(tokens: list[Token]) -> Token:
    return tokens[0]


def _take_name(text: str, tokens: list[Token], what: str) -> str:
    place, token, is_name = _next(tokens)
    if not is_name:
        raise FormulaError.expected(text, place, what)
    tokens.pop(0)
    return token


def _take_power(text: str, tokens: list[Token]) -> int:
    if _next(tokens)[1] != "^":
        return 1
    tokens.pop(0)
    place, token, is_name = _next(tokens)
    if is_name or not token.isdigit() or not 1 <= int(token) <= LARGEST_POWER:
        raise FormulaError.expected(text, place, f"a whole power from 1 to {LARGEST_POWER}")
    tokens.pop(0)
    return int(token)
