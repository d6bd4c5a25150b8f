"""Where rows go, and levels that are asked for: what a fit checks before it adds anything up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..data.expressions import Product, label
from ..data.table import Column
from ..errors import EmptySourceError, OptionError, ValueFoundError
from .content import Content
from .observations import Observations
from .problem import Rows

MISSING = ("drop", "refuse", "mean", "indicator")
"""What can be done about nulls in features."""


def tell_nulls(columns: Mapping[str, Column], names: Sequence[str]) -> list[str]:
    """Those of some columns whose nulls are not those of others among them."""
    told = []
    for name in names:
        expression = columns[name].expression if name in columns else None
        factors = expression.factors if isinstance(expression, Product) else ()
        if not factors or not all(label(factor) in names for factor in factors):
            told.append(name)
    return told


def account(
    content: Content,
    features: Sequence[str],
    required: Sequence[str],
    missing: str,
    observed: Observations,
) -> Rows:
    """Where the rows went; ValueFoundError, EmptySourceError where none may or can be used.

    Without target, offset or weight, which are ``required``, no row is used.
    """
    columns = {column.name: column for column in content.columns}
    words = {}
    for name in tell_nulls(columns, [*features, *required]):
        own = columns[name].sources if name in columns else [name]
        words[name] = own[0] if len(own) == 1 else name
    fatal = {*required} if missing in ("mean", "indicator") else {*words}
    nulls = dict.fromkeys(words.values(), 0)
    dropped: dict[str, int] = {}
    if content.filtered:
        dropped[f"not where {content.condition}"] = content.filtered
    for null, sums in content.patterns.items():
        for word in {words[name] for name in words if name in null}:
            nulls[word] += sums.n_rows
        gone = dict.fromkeys(words[name] for name in words if name in null and name in fatal)
        if gone:
            reason = f"null in {', '.join(gone)}"
            dropped[reason] = dropped.get(reason, 0) + sums.n_rows
    found = {name: count for name, count in nulls.items() if count}
    if found and missing == "refuse":
        first = (place for n, place in observed.first_nulls.items() if words.get(n) in found)
        raise ValueFoundError.nulls(found, next(first, ""))
    read = content.n_read
    rows = Rows(read, read - sum(dropped.values()), dropped, nulls)
    if not rows.used:
        raise EmptySourceError.none_left(read - content.filtered, nulls)
    return rows


def check_references(
    references: Mapping[str, str] | None, levels: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """The reference levels asked for; OptionError for one that is no level of a category."""
    if not isinstance(references, Mapping | None):
        raise OptionError.outside(
            "references", references, "a mapping of columns to levels", "{'city': 'Oslo'}"
        )
    asked = {str(name): str(level) for name, level in (references or {}).items()}
    for name, level in asked.items():
        if not levels:
            raise OptionError.outside(
                "references", references, "for these features", "none of them is a category."
            )
        if name not in levels:
            raise OptionError.unknown("references", name, list(levels))
        if level not in levels[name]:
            raise OptionError.unknown(f"the reference of '{name}'", level, levels[name])
    return asked
