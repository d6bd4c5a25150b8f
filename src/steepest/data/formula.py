"""``price ~ area + C(city) + log(age)``: read by hand, never run.

``docs/formulas.md`` has the whole grammar.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations

from ..errors import FormulaError
from .expressions import (
    LARGEST_POWER,
    NUMBER_FUNCTIONS,
    TIME_FUNCTIONS,
    Call,
    Expression,
    Interaction,
    Levels,
    Name,
    Power,
    Spline,
    Splines,
    cross,
    label,
    multiply,
)

NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
TOKEN = re.compile(
    rf"\s*(?:(?P<name>[^\W\d][\w.]*)|`(?P<quoted>(?:[^`]|``)+)`|(?P<number>{NUMBER})"
    r"|(?P<sign>[~+\-^:*(),=\[\]]))"
)
FUNCTIONS = ("C", *NUMBER_FUNCTIONS, *TIME_FUNCTIONS, "poly", "spline", "offset")
MOST_KNOTS = 100
DEEPEST = 50
"""Deepest nesting of functions and parentheses."""


@dataclass(frozen=True)
class Formula:
    """What a formula asks for.

    Examples
    --------
    >>> found = parse_formula("y ~ x + x^2 + 0")
    >>> str(found.target), [term_label(t) for t in found.terms], found.intercept
    ('y', ['x', 'x^2'], False)
    """

    target: Expression
    terms: tuple[Interaction, ...]
    intercept: bool
    offset: Expression | None = None


def term_label(term: Interaction) -> str:
    """A term as a formula has it."""
    return label(term[0]) if len(term) == 1 else ":".join(str(factor) for factor in term)


def parse_formula(text: str) -> Formula:
    """Read a formula; FormulaError says where it cannot be read."""
    return _Reader(text).read_formula()


def parse_expression(text: str) -> Expression:
    """Read what ``str`` of an expression has written; FormulaError for anything else."""
    reader = _Reader(text)
    factors: list[Expression] = []
    while True:
        factors += reader.take_factor(single=True)
        if not reader.take(":"):
            break
    reader.expect_end()
    if len(factors) == 1:
        return factors[0]
    repeated = len({*map(str, factors)}) < len(factors)
    return multiply(factors) if repeated else cross(factors)


Token = tuple[int, str, str]
"""Where it begins, what it is, and its kind."""


class Tokens:
    """A text cut into words, numbers and signs, taken from the front."""

    expected = staticmethod(FormulaError.expected)
    """What is raised where something else is expected."""

    def __init__(self, text: str, pattern: re.Pattern[str], wanted: str) -> None:
        self.text = text
        self._depth = 0
        self._left: list[Token] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            found = pattern.match(text, at)
            if not found:
                blank = len(text[at:]) - len(text[at:].lstrip())
                raise self.expected(text, at + blank, wanted)
            kind = found.lastgroup or ""
            self._left.append((found.start(kind), found[kind], kind))
            at = found.end()
        self._left.append((end, "", ""))

    @property
    def next(self) -> Token:
        return self._left[0]

    def pop(self) -> Token:
        return self._left.pop(0)

    def take(self, sign: str) -> bool:
        """Whether this sign comes next; it is taken then."""
        if self.next[1] != sign or self.next[2] != "sign":
            return False
        self.pop()
        return True

    def expect(self, sign: str, where: str) -> None:
        if not self.take(sign):
            raise self.refuse(f"'{sign}' {where}")

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """One level of nesting further inside."""
        if self._depth >= DEEPEST:
            raise self.refuse(f"no more than {DEEPEST} levels of nesting")
        self._depth += 1
        yield
        self._depth -= 1

    def expect_end(self) -> None:
        if self.next[2]:
            raise self.refuse("the end")

    def refuse(self, wanted: str) -> FormulaError:
        return self.expected(self.text, self.next[0], wanted)

    def take_name(self, what: str) -> str:
        _, token, kind = self.next
        if kind not in ("name", "quoted"):
            raise self.refuse(what)
        self.pop()
        return token.replace("``", "`") if kind == "quoted" else token

    def take_number(self, what: str) -> float:
        minus = self.take("-")
        _, token, kind = self.next
        if kind != "number" or math.isinf(float(token)):
            raise self.refuse(what)
        self.pop()
        return -float(token) if minus else float(token)

    def take_whole(self, what: str, largest: int) -> int:
        _, token, kind = self.next
        if kind != "number" or not token.isdigit() or not 1 <= int(token) <= largest:
            raise self.refuse(f"{what} from 1 to {largest}")
        self.pop()
        return int(token)


class Words(Tokens):
    """Columns, and functions of them."""

    def take_factor(self, *, single: bool = False, what: str = "a column") -> list[Expression]:
        """A column, a function of one, or a power; several for ``poly``."""
        place, token, kind = self.next
        name = self.take_name(what)
        found: list[Expression] = [Name(name)]
        if kind == "name" and self.take("("):
            found = self._take_call(name, place)
        if isinstance(found[0], Splines) and self.take("["):
            if not found[0].knots:
                raise self.refuse("the end")
            at = self.take_whole("a place", len(found[0].knots) + 3)
            self.expect("]", "after the place")
            found = [Spline(found[0].argument, found[0].knots, at)]
        if self.take("^"):
            power = self.take_whole("a whole power", LARGEST_POWER)
            if len(found) > 1 or isinstance(found[0], Splines | Levels):
                raise self.expected(self.text, place, f"no power of {token}(...)")
            found = [Power(found[0], power)] if power > 1 else found
        if single and (len(found) > 1 or isinstance(found[0], Splines)):
            raise self.expected(self.text, place, "a single column")
        return found

    def _take_call(self, function: str, place: int) -> list[Expression]:
        if function not in FUNCTIONS:
            raise FormulaError.function(self.text, place, function, FUNCTIONS)
        if function == "offset":
            raise self.expected(self.text, place, "offset(...) only as a term of its own")
        with self.deeper():
            inner = self.take_factor(single=True)[0]
        if function in TIME_FUNCTIONS and not isinstance(inner, Name):
            raise self.expected(self.text, place, f"a plain column in {function}(...)")
        found: list[Expression]
        if function == "poly":
            self.expect(",", "and a degree in poly(x, 3)")
            degree = self.take_whole("a degree", LARGEST_POWER)
            found = [inner, *(Power(inner, k) for k in range(2, degree + 1))]
        elif function == "spline":
            self.expect(",", "and the knots in spline(x, 5) or spline(x, knots=[1, 2])")
            found = [self._take_knots(inner)]
        else:
            found = [Levels(inner) if function == "C" else Call(function, inner)]
        self.expect(")", f"at the end of {function}(...)")
        return found

    def _take_knots(self, inner: Expression) -> Splines:
        if self.next[1] != "knots":
            return Splines(inner, self.take_whole("a number of knots", MOST_KNOTS))
        self.pop()
        self.expect("=", "after 'knots'")
        self.expect("[", "before the knots")
        knots = [self.take_number("a knot, a number,")]
        while self.take(","):
            place = self.next[0]
            knots.append(self.take_number("a knot, a number,"))
            if not knots[-1] > knots[-2]:
                raise self.expected(self.text, place, "a knot above the one before")
        self.expect("]", "after the knots")
        if len(knots) > MOST_KNOTS:
            raise self.refuse(f"{MOST_KNOTS} knots at the most")
        return Splines(inner, len(knots), tuple(knots))


class _Reader(Words):
    """A formula from its front to its end."""

    def __init__(self, text: str) -> None:
        super().__init__(text, TOKEN, "a name, a number, or one of + - : * ^ ~ ( )")

    def read_formula(self) -> Formula:
        target = self.take_factor(single=True, what="the target")[0]
        self.expect("~", "after the target")
        terms: list[Interaction] = []
        places: list[int] = []
        stars: list[set[Expression]] = []  # what a ``*`` stands for may stand there besides
        intercept, offset, minus = True, None, self.take("-")
        while True:
            place, token, kind = self.next
            if kind == "number" and token in ("0", "1"):
                self.pop()
                intercept = bool(int(token)) != minus
            elif kind == "name" and self._is_offset and not minus:
                offset = self._take_offset()
            else:
                found, star = self._take_product()
                if minus:
                    self._remove(terms, found, place)
                else:
                    known = [{*term} for term in terms]
                    stars += [{*term} for term in found] if star else []
                    found = [t for t in found if {*t} not in known or {*t} not in stars]
                    terms += found
                    places += [place] * len(found)
            if not self.next[2]:
                break
            minus = self.next[1] == "-"
            if not (self.take("+") or self.take("-")):
                raise self.refuse("'+' or the end")
        self._check(target, terms, places)
        return Formula(target, tuple(terms), intercept, offset)

    @property
    def _is_offset(self) -> bool:
        return self.next[1] == "offset" and self.text[self.next[0] + 6 :].lstrip()[:1] == "("

    def _remove(self, terms: list[Interaction], gone: Sequence[Interaction], place: int) -> None:
        for term in gone:
            kept = [other for other in terms if {*other} != {*term}]
            if len(kept) == len(terms):
                raise FormulaError.expected(self.text, place, "1, or a term that is there,")
            terms[:] = kept

    def _check(
        self, target: Expression, terms: Sequence[Interaction], places: Sequence[int]
    ) -> None:
        for i, term in enumerate(terms):
            if any({*term} == {*other} for other in terms[:i]):
                place = places[i] if i < len(places) else 0
                raise FormulaError.repeated(self.text, place, term_label(term))
            if target in term:
                raise FormulaError.target(self.text, label(target))
        if not terms:
            raise FormulaError.no_terms(self.text)

    def _take_product(self) -> tuple[list[Interaction], bool]:
        """Factors with ``:`` or ``*`` between them, as their terms, and whether ``*`` is there."""
        groups: list[list[Interaction]] = [[(f,) for f in self.take_factor()]]
        crossed = False
        while self.next[1] in (":", "*") and self.next[2] == "sign":
            star = self.pop()[1] == "*"
            own: list[Interaction] = [(f,) for f in self.take_factor()]
            if star:
                groups.append(own)
                crossed = True
            else:
                groups[-1] = [(*a, *b) for a in groups[-1] for b in own]
        if not crossed:
            return [_once(term) for term in groups[0]], False
        found: list[Interaction] = []
        for size in range(1, len(groups) + 1):
            for chosen in combinations(groups, size):
                terms: list[Interaction] = [()]
                for group in chosen:
                    terms = [(*a, *b) for a in terms for b in group]
                found += [_once(term) for term in terms]
        return found, True

    def _take_offset(self) -> Expression:
        self.pop()
        self.expect("(", "after 'offset'")
        found = self.take_factor(single=True)[0]
        self.expect(")", "at the end of offset(...)")
        return found


def _once(term: Interaction) -> Interaction:
    """The factors of a term, each once."""
    return tuple(dict.fromkeys(term))
