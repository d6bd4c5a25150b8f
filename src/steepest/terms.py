"""Terms of a model as Python objects: what a formula writes, for ``fit(features=[...])``.

Names are columns of the table.  ``docs/formulas.md`` says what each term is.

>>> import steepest
>>> from steepest import terms
>>> homes = {"area": [50.0, 70.0, 90.0, 80.0], "rooms": [2, 3, 3, 2], "price": [1.0, 2.0, 2.5, 2.0]}
>>> model = steepest.fit(homes, target="price", features=[terms.log("area"), terms.C("rooms")])
>>> list(model.coefficients)
['intercept', 'log(area)', 'C(rooms)[3]']
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import SupportsFloat

from .data.expressions import (
    LARGEST_POWER,
    Call,
    Expression,
    Interaction,
    Levels,
    Name,
    Power,
    Splines,
    is_expression,
)
from .errors import OptionError

__all__ = [
    "C",
    "abs",
    "days",
    "exp",
    "hour",
    "interaction",
    "log",
    "log1p",
    "log2",
    "log10",
    "month",
    "poly",
    "power",
    "spline",
    "sqrt",
    "weekday",
    "year",
]

Given = str | Expression
"""A column by its name, or a term."""


def _read(given: Given) -> Expression:
    """A single column; OptionError for anything else."""
    if isinstance(given, str):
        return Name(given)
    if not is_expression(given) or isinstance(given, Splines):
        raise OptionError.outside("column", given, "a column, or a term of one", "terms.log('age')")
    return given


def _read_name(given: str) -> Name:
    """A column of the table; OptionError for anything else."""
    if not isinstance(given, str):
        raise OptionError.outside("column", given, "the name of a column", "terms.days('built')")
    return Name(given)


def C(column: Given) -> Levels:  # noqa: N802
    """Numbers as levels, one coefficient for each but the reference."""
    return Levels(_read(column))


def log(column: Given) -> Call:
    """The natural logarithm."""
    return Call("log", _read(column))


def log2(column: Given) -> Call:
    """The logarithm to base 2."""
    return Call("log2", _read(column))


def log10(column: Given) -> Call:
    """The logarithm to base 10."""
    return Call("log10", _read(column))


def log1p(column: Given) -> Call:
    """log(1 + x), accurate near 0."""
    return Call("log1p", _read(column))


def exp(column: Given) -> Call:
    """The exponential."""
    return Call("exp", _read(column))


def sqrt(column: Given) -> Call:
    """The square root."""
    return Call("sqrt", _read(column))


def abs(column: Given) -> Call:  # noqa: A001
    """The absolute value."""
    return Call("abs", _read(column))


def days(column: str) -> Call:
    """Days since 1970 of a date or a time, parts of a day as a fraction."""
    return Call("days", _read_name(column))


def year(column: str) -> Call:
    """The year, a number."""
    return Call("year", _read_name(column))


def hour(column: str) -> Call:
    """The hour of the day, a number from 0 to 23."""
    return Call("hour", _read_name(column))


def month(column: str) -> Call:
    """The month, a category of levels ``01`` to ``12``."""
    return Call("month", _read_name(column))


def weekday(column: str) -> Call:
    """The day of the week, a category of levels ``1-Monday`` to ``7-Sunday``."""
    return Call("weekday", _read_name(column))


def power(column: Given, power: int) -> Expression:
    """A whole power, exact: ``x^2``.  OptionError for one that is not from 1 to 20."""
    _check("power", power, LARGEST_POWER)
    base = _read(column)
    if isinstance(base, Power):
        _check("power", base.power * power, LARGEST_POWER)
        return Power(base.base, base.power * power)
    return base if power == 1 else Power(base, int(power))


def poly(column: Given, degree: int) -> list[Expression]:
    """The powers up to a degree, raw and exact: x, x^2, ...  OptionError beyond 20."""
    _check("degree", degree, LARGEST_POWER)
    return [power(column, k + 1) for k in range(degree)]


def spline(
    column: Given, count: int | None = None, *, knots: Sequence[float] | None = None
) -> Splines:
    """Cubic splines with some knots, or with so many spread evenly over the values.

    OptionError for neither or both, and for knots that do not rise.
    """
    if (count is None) == (knots is None):
        raise OptionError.outside("knots", knots, "given alone", "spline('x', knots=[1, 2, 3])")
    if knots is None:
        _check("count", count, 100)
        return Splines(_read(column), int(count or 0))
    numbers = not isinstance(knots, str) and all(map(_is_finite, knots))
    placed = tuple(float(knot) for knot in knots) if numbers else ()
    rising = all(a < b for a, b in pairwise(placed))
    if not placed or len(placed) > 100 or not rising:
        raise OptionError.outside(
            "knots", knots, "a rising list of 1 to 100 numbers", "knots=[1, 2, 3]"
        )
    return Splines(_read(column), len(placed), placed)


def interaction(first: Given, second: Given, *more: Given) -> Interaction:
    """Terms multiplied, as ``:`` does: numbers with numbers, levels with levels, or both."""
    every = [g if isinstance(g, Splines) else _read(g) for g in (first, second, *more)]
    return tuple(dict.fromkeys(every))


def _is_finite(value: object) -> bool:
    real = isinstance(value, SupportsFloat) and not isinstance(value, bool)
    return real and math.isfinite(float(value))  # type: ignore[arg-type]


def _check(name: str, value: object, largest: int) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not 1 <= value <= largest:  # type: ignore[operator]
        raise OptionError.outside(name, value, f"a whole number from 1 to {largest}", f"{name}=3")
