"""Columns of PostgreSQL: how each is asked for, so that it comes as what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ValueFoundError, check_unique
from .arrow import arrow_kind
from .numerals import name_numeric
from .selection import quote_name, write_select
from .server import Session
from .table import Column, Kind

TEXTS = """
select oid::int8, typname::text from pg_catalog.pg_type where typtype = 'e' or typcategory = 'S'
"""
"""Types whose values are texts."""

CASTS = {
    "money": ("numeric", Kind.NUMBER, "decimal128(19, 2)"),
    "oid": ("int8", Kind.NUMBER, "int64"),
    "bpchar": ("text", Kind.CATEGORY, "string"),
}
"""Types that the driver would give as what they are not: what they are cast to, and are then."""

NO_COLUMNS = ("interval", "json", "jsonb")
"""Types that look like something of use, and are not."""

EARLIEST = -2_440_588
"""The first day that PostgreSQL knows, from 1970; an infinite one is given as if it were before."""


@dataclass(frozen=True)
class Given:
    """A column as the server gives it."""

    column: Column
    expression: str
    """How it is asked for."""
    type_name: str
    """The Arrow type that then comes."""
    is_numeric: bool = False


def describe_columns(session: Session, asked: str, where: str) -> tuple[Given, ...]:
    """The columns of a table or a wrapped query, and how each is asked for."""
    schema = session.describe(write_select(asked))
    check_unique(schema.names, where)
    kinds = [_server_type(found) for found in schema]
    known = session.ask(TEXTS) if any(arrow_kind(f.type) is Kind.OTHER for f in schema) else []
    texts = {form for number, name in known for form in (name, f"unnamed<oid:{number}>")}
    chosen = [
        _choose(found, kind, is_text=kind in texts)
        for found, kind in zip(schema, kinds, strict=True)
    ]
    if not chosen:
        return ()
    coming = session.describe(write_select(asked, [expression for _, expression in chosen]))
    return tuple(
        Given(column, expression, str(found.type), _server_type(found) == "numeric")
        for (column, expression), found in zip(chosen, coming, strict=True)
    )


def _server_type(found: Any) -> str:
    """What the server calls the type of a column."""
    return bytes((found.metadata or {}).get(b"POSTGRESQL:type", b"")).decode("utf-8", "replace")


def _choose(found: Any, kind: str, *, is_text: bool) -> tuple[Column, str]:
    """A column, and how it is asked for, so that it comes as what it is."""
    name, quoted = found.name, quote_name(found.name)
    if kind == "numeric":
        modifier = int(found.metadata.get(b"POSTGRESQL:typmod", b"-1"))
        return Column(name, Kind.NUMBER, name_numeric(modifier)), quoted
    if kind in CASTS:
        cast, own, type_name = CASTS[kind]
        return Column(name, own, type_name), f"{quoted}::{cast}"
    if is_text:
        own, type_name = arrow_kind(found.type), str(found.type)
        if own is Kind.CATEGORY:
            return Column(name, own, type_name), quoted
        return Column(name, Kind.CATEGORY, "string"), f"{quoted}::text"
    own = arrow_kind(found.type)
    if own is Kind.OTHER or kind in NO_COLUMNS:  # to be looked at, perhaps, and not to be used
        return Column(name, Kind.OTHER, kind or str(found.type)), f"{quoted}::text"
    return Column(name, own, str(found.type)), quoted


def refuse_endless(array: Any, column: Column, where: str, first_row: int) -> None:
    """ValueFoundError for a time that is infinite, or that Arrow cannot hold."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_date(array.type):
        early = pc.less(array.cast(pa.int32()), EARLIEST)
    elif pa.types.is_timestamp(array.type):
        early = pc.less(array.cast(pa.int64()), EARLIEST * 86_400_000_000)
    else:
        return
    at = pc.index(early, True).as_py()
    if at >= 0:
        raise ValueFoundError.endless(column.name, where, first_row + at)
