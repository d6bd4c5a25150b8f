"""The moments of a fit: scanned or at hand, and those of the rows that are held out from it."""

from __future__ import annotations

import numbers
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

from ..data.choice import Wanted
from ..data.expressions import Name, label
from ..data.folds import HELD, ByColumn, Hashed, Rule, hold_out
from ..data.open import open_source
from ..data.table import Schema
from ..errors import (
    FoldsError,
    OptionError,
    SourceNotFoundError,
    ValidationError,
    check_unique,
)
from ..store import holds_moments
from ..sums.archive import read_moments
from ..sums.checkpoints import Checkpoint
from ..sums.finding import Finder
from ..sums.moments import Moments
from ..sums.scanning import refuse_too_wide, scan_source
from ..typing import OnProgress
from .request import Request

TRUE = ("true", "1")
"""What a column says of the rows that are held out."""

Check = Callable[[Schema], object]


@dataclass(frozen=True)
class Gathered:
    """The moments of the rows to train on, and of those held out."""

    moments: Moments
    held: Moments | None = None
    how: str = ""
    """Where the rows held out come from, in words."""
    column: str = ""
    """The one that says which they are, which is no feature unless it is named."""

    def fitted_to(self, request: Request, others: Sequence[str]) -> Gathered:
        """The same without columns that are no features of a target unless they are named."""
        if request.features is not None:
            return self
        gone = {name: "it is no feature" for name in (*others, self.column) if name}
        held = None if self.held is None else _without(self.held, gone)
        return replace(self, moments=_without(self.moments, gone), held=held)


def _without(moments: Moments, gone: dict[str, str]) -> Moments:
    known = {name: why for name, why in gone.items() if name in moments.names}
    return replace(moments.without(known), left_out=moments.left_out) if known else moments


@dataclass(frozen=True)
class Scanning:
    """How a table is read."""

    names: Sequence[str] | None = None
    precision: str | None = None
    executor: Executor | None = None
    checkpoint: Checkpoint | None = None
    on_progress: OnProgress | None = None


def gather(
    source: Any, wanted: Wanted, check: Check, validation: Any, seed: int, scanning: Scanning
) -> Gathered:
    """The moments of a table or those given, and of the rows that ``validation`` holds out.

    One scan for both where they are rows of one table.
    """
    if isinstance(source, Moments):
        return _divide(source, wanted, validation, seed, scanning)
    opened = open_source(source, scanning.names)
    refuse_too_wide(opened, wanted, scanning.precision)
    schema = opened.schema(wanted.sources)
    check(schema)
    if isinstance(validation, str) and wanted.sources is not None:
        schema = opened.schema(None)
    rule, how = _read_rule(validation, seed, [column.name for column in schema.columns])
    try:
        moments = scan_source(
            opened,
            wanted,
            folds=rule,
            precision=scanning.precision,
            executor=scanning.executor,
            checkpoint=scanning.checkpoint,
            on_progress=scanning.on_progress,
        )
    except FoldsError as error:
        if not isinstance(rule, Hashed):
            raise
        raise ValidationError.empty(rule.held, rule.seed, error.found) from None
    if rule is None:
        held, how = _read_outside(moments, wanted, validation, scanning)
        return Gathered(moments, held, how)
    return _part(moments, how)


def _read_rule(validation: Any, seed: int, names: Sequence[str]) -> tuple[Rule | None, str]:
    """How rows of the table itself are held out; None where they are not, or another's are."""
    if isinstance(validation, str) and validation in names:
        return ByColumn(validation), f"where '{validation}' is true"
    if isinstance(validation, numbers.Real):
        rule = _read_share(validation, seed)
        return rule, f"a share of {rule.held:g} by hash, seed {rule.seed}"
    return None, ""


def _read_share(validation: Any, seed: int) -> Hashed:
    if isinstance(validation, bool) or not 0 < float(validation) < 1:
        raise OptionError.outside(
            "validation", validation, "a share between 0 and 1, a column or a table",
            "validation=0.2",
        )  # fmt: skip
    return hold_out(validation, seed)


def _divide(
    moments: Moments, wanted: Wanted, validation: Any, seed: int, scanning: Scanning
) -> Gathered:
    """Moments at hand: rows can be held out as the folds of their scan have them apart."""
    folds = moments.folds
    if isinstance(validation, str) and folds is not None:
        if folds.rule == ByColumn(validation):
            return _part(moments, f"where '{validation}' is true")
        if validation in folds:
            return _take(moments, validation, f"fold '{validation}'")
    if isinstance(validation, numbers.Real):
        rule = _read_share(validation, seed)
        kept = folds.rule if folds is not None else None
        if not isinstance(kept, Hashed) or replace(kept, columns=()) != rule:
            raise ValidationError.scanned_whole(f"{float(validation):g}", str(rule))
        return _part(moments, f"a share of {rule.held:g} by hash, seed {rule.seed}")
    held, how = _read_outside(moments, wanted, validation, scanning)
    return Gathered(moments, held, how)


def _part(moments: Moments, how: str) -> Gathered:
    """The two sides of a scan that kept them apart."""
    assert moments.folds is not None
    if isinstance(moments.folds.rule, ByColumn):
        column = moments.folds.rule.column
        labels = [*moments.folds]
        if not {*labels} <= {"false", "true"} and not {*labels} <= {"0", "1"}:
            raise ValidationError.not_a_side(column, labels)
        sides = [name for name in labels if name in TRUE]
        if len(sides) != 1 or len(labels) != 2:
            raise ValidationError.one_sided(column, labels[0])
        return replace(_take(moments, sides[0], how), column=column)
    return _take(moments, HELD, how)


def _take(moments: Moments, name: str, how: str) -> Gathered:
    assert moments.folds is not None
    return Gathered(replace(moments.training(name), where=moments.where), moments.folds[name], how)


def _read_outside(
    moments: Moments, wanted: Wanted, validation: Any, scanning: Scanning
) -> tuple[Moments | None, str]:
    """The moments of another table, its columns formed as those of the first."""
    if validation is None:
        return None, ""
    if isinstance(validation, str | os.PathLike) and holds_moments(validation):
        validation = read_moments(validation)
    if isinstance(validation, Moments):
        return validation, f"the rows of {validation.where}"
    finder = Finder(moments.columns, moments.left_out, moments.where)
    if wanted.terms is not None:
        terms = tuple(tuple(map(finder.fix_knots, term)) for term in wanted.terms)
        wanted = replace(wanted, terms=terms)
    elif wanted.named is None:
        asked = {c.name: "scanned" for c in moments.columns if c.asked and c.formed is None}
        wanted = replace(wanted, named=asked)
    try:
        opened = open_source(validation, scanning.names)
        held = scan_source(
            opened,
            wanted,
            precision=moments.precision,
            executor=scanning.executor,
            on_progress=scanning.on_progress,
        )
    except SourceNotFoundError:
        if isinstance(validation, str):
            raise ValidationError.nowhere(validation, list(moments.names)) from None
        raise
    return held, f"the rows of {held.where}"


def read_targets(target: Any) -> list[Any] | None:
    """Several targets; None for a single one.  ColumnNameError for one that stands twice."""
    if not isinstance(target, list | tuple):
        return None
    if not target:
        raise OptionError.missing("target", "target=['price', 'rent']")
    names = [one if isinstance(one, str) else label(one) for one in target]
    check_unique(names, "the targets")
    return list(target)


def join_wanted(requests: Sequence[Request]) -> Wanted:
    """What one scan has to read for several targets."""
    first, *rest = (request.wanted for request in requests)
    if not rest:
        return first
    targets = [request.target for request in requests]
    if first.terms is not None:
        return replace(first, terms=(*first.terms, *((one,) for one in targets[1:])))
    if first.named is not None:
        named = dict(first.named)
        for one in rest:
            named |= one.named or {}
        return replace(first, named=named)
    for target in targets:
        if not isinstance(target, Name):
            raise OptionError.outside(
                "features", None, "enough for several targets that are made of columns",
                "name them: features=['area', 'rooms']",
            )  # fmt: skip
    return first
