"""Normal equations cut out of exact sums: where each product of two terms stands in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..data.expressions import Expression, Power, Product
from ..data.table import Column, Kind
from ..data.terms import Term
from .exact import ExactSums
from .integers import Whole
from .meeting import Meeting
from .normal import ExactNormal

HALF_UNITS = {"halffloat": 2.0**-11, "float16": 2.0**-11, "float": 2.0**-24, "float32": 2.0**-24}
DECIMAL = re.compile(r"decimal\d*\(\d+, ?(-?\d+)\)")


def cut_normal(
    sums: ExactSums, terms: Sequence[Term], columns: Mapping[str, Column]
) -> ExactNormal:
    """The equations of some terms, the target's last, out of the sums of their columns.

    An indicator of a level is 1 in the rows of its level, so that it meets a number in the sum
    of that number over these rows, and two levels meet in the weight of their pair.
    """
    q, whole = len(terms), sums.whole
    meeting = Meeting(sums, terms, columns)
    place = {name: j for j, name in enumerate(sums.numbers)}
    grid = [
        (int(whole.units[place[t.number]]), int(whole.fives[place[t.number]]))
        if t.number
        else (0, 0)
        for t in terms
    ]
    totals: Whole = np.zeros(q, dtype=object)
    products: Whole = np.zeros((q, q), dtype=object)
    for at, level, category, number in meeting.singles():
        if not category:
            totals[at] = whole.totals[place[number]]
            continue
        table, weights = _tables(sums, category)
        totals[at] = table[level, place[number]] if number else weights[level]
    for a, b in meeting.dense():
        inner = np.ix_([place[terms[i].number] for i in a], [place[terms[i].number] for i in b])
        products[np.ix_(a, b)] = whole.products[inner]
        products[np.ix_(b, a)] = whole.products[inner].T
    for i, j, level, category, number in meeting.crossed():
        table, weights = _tables(sums, category)
        if number:
            k = place[number]
            two = int(whole.units[k]) - grid[i[0]][0] - grid[j[0]][0]
            five = int(whole.fives[k]) - grid[i[0]][1] - grid[j[0]][1]
            values = _rescale(table[level, k], two, five)
        else:
            values = weights[level]
        products[i, j] = products[j, i] = values
    for i, j, pair in meeting.paired():
        weights = pair.counts.astype(np.int64) if pair.weights is None else pair.weights
        products[i, j] = products[j, i] = np.array([int(w) for w in weights], dtype=object)
    return ExactNormal(
        tuple(two for two, _ in grid),
        tuple(five for _, five in grid),
        totals,
        products,
        whole.weight,
        whole.weight_unit,
        tuple(find_blur(term, columns) for term in terms),
    )


def cut_table(
    normal: ExactNormal,
    sums: ExactSums,
    absorbed: Sequence[Term],
    terms: Sequence[Term],
    columns: Mapping[str, Column],
) -> ExactNormal:
    """The equations of some terms, with their sums over each level of one category besides."""
    m = len(absorbed)
    table: Whole = np.zeros((m, len(terms)), dtype=object)
    shares: Whole = np.zeros(m, dtype=object)
    if absorbed[0].category not in sums.levels:  # null in these rows
        return replace(normal, table=table, shares=shares)
    meeting = Meeting(sums, [*absorbed, *terms], columns, around=absorbed[0])
    place = {name: j for j, name in enumerate(sums.numbers)}
    for i, j, level, category, number in meeting.crossed():
        found, weights = _tables(sums, category)
        own = j >= m
        shares[i[~own]] = weights[level[~own]]
        table[i[own], j[own] - m] = (found[:, place[number]] if number else weights)[level[own]]
    for i, j, pair in meeting.paired():
        found = pair.counts.astype(np.int64) if pair.weights is None else pair.weights
        table[i, j - m] = np.array([int(w) for w in found], dtype=object)
    return replace(normal, table=table, shares=shares)


def _tables(sums: ExactSums, category: str) -> tuple[Whole, Whole]:
    i = list(sums.levels).index(category)
    return sums.whole.levels[i], sums.whole.level_weights[i]


def _rescale(values: Whole, two: int, five: int) -> Whole:
    """Values times 2^two 5^five, which are whole."""
    values = values * 5**five if five >= 0 else values // 5**-five
    return values << two if two >= 0 else values >> -two


def find_blur(term: Term, columns: Mapping[str, Column]) -> tuple[float, float]:
    """How far off a value may be, by its type alone: relative to the value, and absolute.

    Whole numbers and indicators are what they are, and so are decimals without places; a power
    is off as many times more.
    """
    if not term.number:
        return 0.0, 0.0
    column = columns[term.number]
    if column.kind is Kind.CATEGORY:  # a boolean target
        return 0.0, 0.0
    scale = DECIMAL.fullmatch(column.type_name)
    degree = _degree(column.expression)
    if scale:
        rounded = int(scale[1]) > 0 and degree == 1
        return 0.0, 0.5 * 10.0 ** -int(scale[1]) if rounded else 0.0
    if column.type_name.startswith(("int", "uint", "bool")):
        return 0.0, 0.0
    return HALF_UNITS.get(column.type_name, 2.0**-53) * degree, 0.0


def _degree(expression: Expression) -> int:
    if isinstance(expression, Power):
        return expression.power * _degree(expression.base)
    if isinstance(expression, Product):
        return sum(_degree(factor) for factor in expression.factors)
    return 1
