"""Which fold a row belongs to, as a rule: by its values, its place, a column or its time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ..errors import OptionError, is_whole

MOST_FOLDS = 1_000
"""Most folds: each keeps sums of its own."""

TRAIN, HELD = "train", "held out"
"""The labels of rows that are trained on, and of rows that are held out."""


@dataclass(frozen=True)
class Hashed:
    """A row's fold follows from its values and a seed: equal rows share one.

    With ``held`` there are two, and that share of the rows is held out.
    """

    count: int
    seed: int = 0
    held: float = 0.0
    columns: tuple[str, ...] = ()
    """Those whose values are looked at; empty until the scan says which."""

    @property
    def labels(self) -> tuple[str, ...]:
        return (TRAIN, HELD) if self.held else number_folds(self.count)

    @property
    def fresh(self) -> bool:
        """Whether it is new: a scan that followed it has filled in ``columns``."""
        return not self.columns

    def __str__(self) -> str:
        if self.held:
            return f"held:{self.held!r}:{self.seed}"
        return f"hash:{self.count}:{self.seed}"


@dataclass(frozen=True)
class Contiguous:
    """As many rows after one another in each: the first ones have one more where they must."""

    count: int
    fresh: ClassVar[bool] = True

    @property
    def labels(self) -> tuple[str, ...]:
        return number_folds(self.count)

    def __str__(self) -> str:
        return f"contiguous:{self.count}"


@dataclass(frozen=True)
class ByColumn:
    """Each value of a column is a fold: leave one group out."""

    column: str
    fresh: ClassVar[bool] = True

    @property
    def labels(self) -> tuple[str, ...]:
        """Not known before the scan."""
        return ()

    def __str__(self) -> str:
        return f"column:{self.column}"


@dataclass(frozen=True)
class ByTime:
    """Blocks of time that follow each other, each of about as many rows; equal times share one."""

    column: str
    count: int
    edges: tuple[float, ...] = ()
    """Where all but the first begin, in microseconds since 1970 or as the numbers they are."""

    @property
    def labels(self) -> tuple[str, ...]:
        return number_folds(self.count)

    @property
    def fresh(self) -> bool:
        """Whether no scan has followed it yet."""
        return not self.edges

    def __str__(self) -> str:
        return f"time:{self.column}:{self.count}"


Rule = Hashed | Contiguous | ByColumn | ByTime


def number_folds(count: int) -> tuple[str, ...]:
    """``1`` to the count."""
    return tuple(str(i + 1) for i in range(count))


def read_folds(value: Any, seed: int = 0) -> Rule | None:
    """The rule that ``folds=`` asks for.

    A number of folds by hash; ``"hash:5:7"``, 7 its seed; ``"held:0.2"``; ``"contiguous:5"``;
    ``"time:when:5"``; ``"column:region"``; or the name of a column alone.
    """
    if value is None or isinstance(value, Hashed | Contiguous | ByColumn | ByTime):
        return value
    if isinstance(value, str):
        return _read_text(value, seed)
    return Hashed(_read_count(value), _read_seed(seed))


def _read_text(text: str, seed: int) -> Rule:
    kind, _, rest = text.partition(":")
    if not rest:
        return Hashed(_read_count(text), _read_seed(seed)) if text.isdecimal() else ByColumn(text)
    if kind == "column":
        return ByColumn(rest)
    if kind == "contiguous":
        return Contiguous(_read_count(rest))
    if kind == "time":
        column, _, count = rest.rpartition(":")
        return ByTime(column, _read_count(count)) if column else ByTime(rest, 5)
    if kind in ("hash", "held"):
        amount, _, own = rest.partition(":")
        chosen = _read_seed(own or seed)
        return Hashed(_read_count(amount), chosen) if kind == "hash" else hold_out(amount, chosen)
    return ByColumn(text)


def hold_out(share: Any, seed: int = 0) -> Hashed:
    """The rule that holds out a share of the rows by their values; OptionError for no share."""
    try:
        held = float(share)
    except (TypeError, ValueError):
        held = np.nan
    if isinstance(share, bool) or not 0 < held < 1:
        raise OptionError.outside("held", share, "a share between 0 and 1", "hold out a fifth: 0.2")
    return Hashed(2, _read_seed(seed), held)


def _read_count(value: Any) -> int:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not is_whole(value) or not 2 <= value <= MOST_FOLDS:
        raise OptionError.outside(
            "folds",
            value,
            f"a number of folds from 2 to {MOST_FOLDS:,}, or where they come from",
            "folds=5, folds='contiguous:5', folds='region'",
        )
    return int(value)


def _read_seed(value: Any) -> int:
    try:
        seed = int(value)
        if isinstance(value, bool) or seed != float(value) or not 0 <= seed < 1 << 63:
            raise ValueError  # noqa: TRY301
    except (TypeError, ValueError, OverflowError):
        raise OptionError.outside("seed", value, "a whole number of at least 0", "seed=7") from None
    return seed


def list_columns(named: list[str] | None, rule: Rule | None) -> list[str] | None:
    """The columns of a table that are read, with those that the rule looks at; None for all."""
    if named is None or rule is None or isinstance(rule, Contiguous):
        return named
    more = rule.columns if isinstance(rule, Hashed) else (rule.column,)
    return list(dict.fromkeys([*named, *more]))


def order_labels(labels: Any) -> list[str]:
    """Labels in the order of their numbers where all are numbers, else of their UTF-8 bytes."""
    every = list(labels)
    if {*every} <= {TRAIN, HELD}:
        return [label for label in (TRAIN, HELD) if label in every]
    try:
        return sorted(every, key=lambda label: (float(label), label))
    except ValueError:
        return sorted(every)


def to_record(rule: Rule) -> dict[str, Any]:
    """A rule as plain data, for files."""
    record: dict[str, Any] = {"rule": str(rule)}
    if isinstance(rule, Hashed):
        record["columns"] = list(rule.columns)
    if isinstance(rule, ByTime):
        record["edges"] = list(rule.edges)
    return record


def from_record(record: dict[str, Any]) -> Rule:
    """What :func:`to_record` gave; ValueError for anything else."""
    rule = read_folds(str(record["rule"]))
    if isinstance(rule, Hashed):
        rule = replace(rule, columns=tuple(str(name) for name in record["columns"]))
    if isinstance(rule, ByTime):
        rule = replace(rule, edges=tuple(float(edge) for edge in record["edges"]))
    if rule is None or str(rule) != record["rule"]:
        raise ValueError("its folds follow no rule")
    return rule
