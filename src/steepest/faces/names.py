"""Names of columns as options give them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

import click


class Names(click.ParamType[list[str]]):
    """Names with commas between them."""

    name = "a,b,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        del param, ctx
        return split_names(value) if isinstance(value, str) else value


def split_names(text: str) -> list[str]:
    """Names with commas between them; one with a comma of its own stands in double quotes.

    >>> split_names('area,"rooms, large"')
    ['area', 'rooms, large']
    """
    return [name for line in csv.reader([text]) for name in line if name]


def join_names(given: Sequence[Sequence[str]]) -> list[str] | None:
    """The names of an option that may stand several times; None where it does not stand."""
    return [name for names in given for name in names] if given else None
