"""What a column can be made of: names, powers, functions, splines, levels, and their products.

An expression is a value that can be compared, pickled and written as text; the text, read by
:mod:`~steepest.data.formula`, is the expression again.  Nothing in it is ever run as code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

WORD = re.compile(r"[^\W\d][\w.]*\Z")
NUMBER_FUNCTIONS = ("log", "log2", "log10", "log1p", "exp", "sqrt", "abs")
TIME_NUMBERS = ("days", "year", "hour")
TIME_LEVELS = ("month", "weekday")
TIME_FUNCTIONS = (*TIME_NUMBERS, *TIME_LEVELS)
LARGEST_POWER = 20
BETWEEN = "\x1f"
"""Stands between the levels of several categories in the name of a level of all of them."""


@dataclass(frozen=True)
class Name:
    """A column of the table."""

    name: str

    def __str__(self) -> str:
        if WORD.match(self.name):
            return self.name
        return "`" + self.name.replace("`", "``") + "`"


@dataclass(frozen=True)
class Power:
    """A whole power of numbers."""

    base: Expression
    power: int

    def __str__(self) -> str:
        return f"{self.base}^{self.power}"


@dataclass(frozen=True)
class Call:
    """A function of numbers, or of a time."""

    function: str
    argument: Expression

    def __str__(self) -> str:
        return f"{self.function}({self.argument})"


@dataclass(frozen=True)
class Levels:
    """Numbers taken as levels: ``C(rooms)``."""

    argument: Expression

    def __str__(self) -> str:
        return f"C({self.argument})"


@dataclass(frozen=True)
class Spline:
    """One function of the basis of cubic splines with some knots."""

    argument: Expression
    knots: tuple[float, ...]
    place: int
    """From 1."""

    def __str__(self) -> str:
        return f"spline({self.argument}, knots=[{', '.join(map(repr, self.knots))}])[{self.place}]"


@dataclass(frozen=True)
class Product:
    """Numbers multiplied, or categories crossed; factors stand in the order of their texts."""

    factors: tuple[Expression, ...]

    def __str__(self) -> str:
        return ":".join(str(factor) for factor in self.factors)


@dataclass(frozen=True)
class Splines:
    """The whole basis of cubic splines, by its knots or by how many there are to be."""

    argument: Expression
    count: int
    knots: tuple[float, ...] = ()
    """None where they have yet to be found."""

    @property
    def label(self) -> str:
        """``spline(x, 5)``, whatever the knots are."""
        return f"spline({self.argument}, {self.count})"

    def __str__(self) -> str:
        if not self.knots:
            return self.label
        return f"spline({self.argument}, knots=[{', '.join(map(repr, self.knots))}])"


Expression: TypeAlias = Name | Power | Call | Levels | Spline | Product | Splines
"""A column made from columns; ``Splines`` stands for several."""

EXPRESSIONS = (Name, Power, Call, Levels, Spline, Product, Splines)

Interaction: TypeAlias = tuple[Expression, ...]
"""Factors between which a formula has ``:``; most often there is one."""


def is_expression(value: object) -> bool:
    """Whether it is one of these."""
    return isinstance(value, EXPRESSIONS)


def label(expression: Expression) -> str:
    """The name of the column that an expression makes; plain names as they are."""
    if isinstance(expression, Name):
        return expression.name
    if isinstance(expression, Spline):
        basis = Splines(expression.argument, len(expression.knots))
        return f"{basis.label}[{expression.place}]"
    if isinstance(expression, Product):
        return ":".join(label(f) if isinstance(f, Spline) else str(f) for f in expression.factors)
    return str(expression)


def multiply(factors: Sequence[Expression]) -> Expression:
    """The product of some factors, in one order whatever order they come in.

    A factor that stands several times is a power of it.
    """
    counts: dict[Expression, int] = {}
    for factor in factors:
        for single in factor.factors if isinstance(factor, Product) else (factor,):
            base, power = (single.base, single.power) if isinstance(single, Power) else (single, 1)
            counts[base] = counts.get(base, 0) + power
    parts = [Power(base, n) if n > 1 else base for base, n in counts.items()]
    return parts[0] if len(parts) == 1 else Product(tuple(sorted(parts, key=str)))


def cross(categories: Sequence[Expression]) -> Expression:
    """The category of all combinations of levels, each category once."""
    single = {
        factor
        for category in categories
        for factor in (category.factors if isinstance(category, Product) else (category,))
    }
    ordered = tuple(sorted(single, key=str))
    return ordered[0] if len(ordered) == 1 else Product(ordered)


def sources(expression: Expression) -> list[str]:
    """The columns of the table that it is made from, each once."""
    if isinstance(expression, Name):
        return [expression.name]
    if isinstance(expression, Product):
        return list(dict.fromkeys(n for f in expression.factors for n in sources(f)))
    return sources(expression.base if isinstance(expression, Power) else expression.argument)


def times_of(expression: Expression) -> list[str]:
    """Those of its sources that are times."""
    if isinstance(expression, Call) and expression.function in TIME_FUNCTIONS:
        return sources(expression.argument)
    if isinstance(expression, Name):
        return []
    if isinstance(expression, Product):
        return [name for factor in expression.factors for name in times_of(factor)]
    return times_of(expression.base if isinstance(expression, Power) else expression.argument)


def find_splines(expression: Expression) -> list[Spline]:
    """The functions of bases that stand in it."""
    if isinstance(expression, Spline):
        return [expression]
    if isinstance(expression, Product):
        return [spline for factor in expression.factors for spline in find_splines(factor)]
    return find_splines(expression.base) if isinstance(expression, Power) else []


def is_levels(expression: Expression) -> bool | None:
    """Whether it makes levels, not numbers; None for a plain name, which may be either."""
    if isinstance(expression, Name):
        return None
    if isinstance(expression, Product):
        return is_levels(expression.factors[0])
    return isinstance(expression, Levels) or (
        isinstance(expression, Call) and expression.function in TIME_LEVELS
    )


def rename(expression: Expression, names: Mapping[str, str]) -> Expression:
    """The same of columns that have other names."""
    return replace_names(expression, lambda name: Name(names.get(name.name, name.name)))


def replace_names(expression: Expression, change: Callable[[Name], Expression]) -> Expression:
    """The same with other expressions in the place of its names."""
    if isinstance(expression, Name):
        return change(expression)
    if isinstance(expression, Product):
        return Product(
            tuple(sorted((replace_names(f, change) for f in expression.factors), key=str))
        )
    if isinstance(expression, Power):
        return Power(replace_names(expression.base, change), expression.power)
    argument = replace_names(expression.argument, change)
    if isinstance(expression, Call):
        return Call(expression.function, argument)
    if isinstance(expression, Levels):
        return Levels(argument)
    if isinstance(expression, Spline):
        return Spline(argument, expression.knots, expression.place)
    return Splines(argument, expression.count, expression.knots)


def unfold(basis: Splines) -> list[Expression]:
    """The functions of a basis whose knots are known, without the first: all sum to one."""
    return [Spline(basis.argument, basis.knots, i + 1) for i in range(len(basis.knots) + 3)]
