"""Whether two tables of sums have the same columns, and the columns of both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ..data.expressions import Expression, label, rename
from ..data.table import Column
from ..errors import ColumnKindError, MomentsError

Columns = tuple[Column, ...]

COARSENESS = (
    "bool",
    "int",
    "uint",
    "decimal",
    "double",
    "float64",
    "float",
    "float32",
    "halffloat",
)
"""Types of numbers, from those that hold their values exactly to those that round them most."""


def join_columns(left: Columns, right: Columns) -> Columns:
    """The columns of both, in the order of the left.

    They go by name and kind; widths do not matter.  A column keeps the coarser of its two
    types: float32 beside float64, float64 beside int64, the wider of two integers, the
    decimal of fewer places.  One without any type, for want of values, takes the other's.

    Raises
    ------
    MomentsError, ColumnKindError
        A name that only one side has, other knots; a number here that is a category there.
    """
    here, there = {c.name: c for c in left}, {c.name: c for c in right}
    if here.keys() != there.keys():
        ours, theirs = sorted(here.keys() - there.keys()), sorted(there.keys() - here.keys())
        raise MomentsError.names(ours, theirs)
    return tuple(_join(column, there[column.name]) for column in left)


def _join(column: Column, twin: Column) -> Column:
    if column == twin:
        return column
    if "null" in (column.type_name, twin.type_name):
        return twin if column.type_name == "null" else column
    if column.word != twin.word:
        raise ColumnKindError.differs(column.name, "the left", column.word, "the right", twin.word)
    if column.formed and twin.formed and column.formed != twin.formed:
        raise MomentsError.formed(column.name, str(column.formed), str(twin.formed))
    plain = column if column.formed is None or twin.formed else twin
    return replace(
        plain,
        type_name=max(column.type_name, twin.type_name, key=_coarseness),
        asked=column.asked or twin.asked,
    )


def _coarseness(type_name: str) -> tuple[int, int, str]:
    """Where a type stands among those of its kind; text by its name."""
    word = re.match(r"[a-z]*", type_name)
    family = type_name if type_name in COARSENESS else word[0] if word else ""
    if family not in COARSENESS:
        return -1, 0, type_name
    digits = [int(number) for number in re.findall(r"\d+", type_name)]
    if family == "decimal":
        return COARSENESS.index(family), -digits[-1], type_name
    return COARSENESS.index(family), digits[-1] if digits else 0, type_name


def rename_column(column: Column, name: str, names: Mapping[str, str]) -> Column:
    """A column under another name; a name that does not say how it is formed is a plain one."""
    formed = None if column.formed is None else put_names(column, names)
    return replace(column, name=name, formed=formed if formed and label(formed) == name else None)


def put_names(column: Column, names: Mapping[str, str]) -> Expression:
    """What a column is, of columns under other names."""
    return rename(column.expression, names)
