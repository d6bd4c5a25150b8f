"""The linear predictor of a model, applied to rows: what is null, what has not been seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ColumnKindError, OptionError, ValueFoundError
from ..typing import Codes, Floats
from .design import Term
from .expansions import raise_rounded
from .table import Batch, Kind, Schema

UNSEEN = ("refuse", "null", "reference")
"""What a level can be taken for that the model has not seen."""


@dataclass(frozen=True)
class Manner:
    """How rows are met that a model was not fitted on.

    ``unseen``: a level that the fit has not seen is refused, gives a null, or counts as the
    reference level.  ``strict``: a null in a used column is refused instead of giving a null.
    """

    unseen: str = "refuse"
    strict: bool = False
    rows_unseen: Counter[str] = field(default_factory=Counter, compare=False)
    """Rows with an unseen level by column, counted while rows are predicted."""

    def __post_init__(self) -> None:
        if self.unseen not in UNSEEN:
            raise OptionError.unknown("unseen", self.unseen, UNSEEN)


@dataclass(frozen=True)
class LinearPredictor:
    """η = b + Σ wⱼ xⱼ, added up column by column in the order of the terms.

    A sum in a fixed order gives each row the same bits whatever rows stand beside it; a
    matrix product would not.  Rows with a null in a used column give NaN.
    """

    intercept: float
    terms: tuple[Term, ...]
    coef: tuple[float, ...]
    references: Mapping[str, tuple[str, ...]]
    """For each category used, the levels whose coefficient is 0: its reference, if it has one."""

    @property
    def columns(self) -> dict[str, Kind]:
        """Each column used and the kind it must have."""
        return {t.source: Kind.NUMBER if t.level is None else Kind.CATEGORY for t in self.terms}

    def __call__(self, batch: Batch, where: str, first_row: int, manner: Manner) -> Floats:
        """Predictions for a batch, shape (n_rows,).

        ValueFoundError at an unseen level or a null where the manner is to refuse them.
        """
        tables: dict[str, dict[str, float]] = {}
        eta = np.full(batch.n_rows, self.intercept)
        for term, value in zip(self.terms, self.coef, strict=True):
            if term.level is not None:
                tables.setdefault(term.column, {})[term.level] = value
                continue
            base = batch.numbers([term.source])[:, 0]
            if manner.strict:
                _refuse_null(np.isnan(base), term.source, where, first_row)
            eta += value * raise_rounded(base, term.power)
        for name, table in tables.items():
            known = table | dict.fromkeys(self.references.get(name, ()), 0.0)
            codes, levels = batch.codes(name)
            if manner.strict:
                _refuse_null(codes < 0, name, where, first_row)
            eta += _look_up(name, known, codes, levels, where, first_row, manner)
        return eta


def _refuse_null(null: NDArray[np.bool_], name: str, where: str, first_row: int) -> None:
    if null.any():
        raise ValueFoundError.null(name, where, first_row + int(np.argmax(null)))


def _look_up(
    column: str,
    table: Mapping[str, float],
    codes: Codes,
    levels: Sequence[str],
    where: str,
    first_row: int,
    manner: Manner,
) -> Floats:
    """The coefficient of each row's level; NaN for a null."""
    values = np.array([table.get(level, 0.0) for level in levels] + [np.nan])
    new = np.array([level not in table for level in levels] + [False])
    met: NDArray[Any] = new[codes]  # the code of a null, -1, picks what stands at the end
    if met.any():
        if manner.unseen == "refuse":
            row = int(np.argmax(met))
            raise ValueFoundError.unseen(
                column, levels[int(codes[row])], where, first_row + row, sorted(table)
            )
        manner.rows_unseen[column] += int(np.count_nonzero(met))
        if manner.unseen == "null":
            values[new] = np.nan
    return values[codes]


def check_kinds(predictor: LinearPredictor, schema: Schema) -> None:
    """Refuse a table in which a column the model needs is missing or of another kind."""
    for name, kind in predictor.columns.items():
        found = schema.find(name)
        if found.kind not in (kind, Kind.NULL):
            raise ColumnKindError.differs(name, "the model", kind, schema.where, found.kind)
