"""How well a model does on any rows: one pass that adds up errors as it adds up everything else.

What a row contributes are its target, its error and the size of that.  Their sums are moments, so
that a score depends on neither order, nor batches, nor workers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..data.casting import Casts
from ..data.choice import Wanted
from ..data.design import join_reads
from ..data.expansions import Expansion
from ..data.predictor import LinearPredictor, Manner, check_columns
from ..data.strips import columns_of
from ..data.table import Column, Kind, Part, Schema, Source, WrappedPart, allow_mixed
from ..data.terms import Term
from ..errors import ColumnKindError, EmptySourceError
from ..sums.scanning import scan_source
from ..typing import Codes, Floats, OnProgress

TARGET, ERROR, SIZE, WEIGHT = "target", "error", "size", "weight"


@dataclass(frozen=True)
class Score:
    """What the errors y - ŷ of some rows come to.

    Attributes
    ----------
    rmse, mae : float
        √(mean of squared errors) and mean of their sizes, in the unit of the target.
    r2 : float or None
        1 - Σ (y - ŷ)² / Σ (y - ȳ)², ȳ the mean of these rows; None for a constant target.
    rows, nulls : int
        Rows that were scored, and those in which the target or what a prediction needs is null.
    bias : float
        Mean of the errors.
    unseen : dict of str to int
        Rows with a level that the model has not seen, by column, where these were not refused.

    Examples
    --------
    >>> import steepest
    >>> model = steepest.fit({"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]}, target="y")
    >>> model.score({"x": [4.0, 5.0, None], "y": [9.0, 9.0, 1.0]})
    Score(rmse=1.0, mae=1.0, r2=None, rows=2, nulls=1, bias=0.0, unseen={})
    """

    rmse: float
    mae: float
    r2: float | None
    rows: int
    nulls: int
    bias: float
    unseen: dict[str, int] = field(default_factory=dict)

    @property
    def loss(self) -> float:
        """The mean squared error."""
        return self.rmse**2


def score_rows(
    predictor: LinearPredictor,
    target: Column,
    source: Source,
    *,
    weights: str | None = None,
    unseen: str = "refuse",
    strict: bool = False,
    on_progress: OnProgress | None = None,
) -> Score:
    """The score of a predictor on a table.

    EmptySourceError where no row has both a target and a prediction; else as for predictions.
    """
    Manner(unseen, strict)  # refuses what there is not
    truth = _read_target(target)
    source = allow_mixed(source, predictor.reads.categories)
    scored = Scored(source, predictor, truth, weights or "", unseen, strict)
    scored.check()
    named = dict.fromkeys((TARGET, ERROR, SIZE), "scored")
    wanted = Wanted(named=named, weights=WEIGHT if weights else "",
                    weight_kind="analytic" if weights else "")  # fmt: skip
    moments = scan_source(scored, wanted, precision="exact", on_progress=on_progress)
    if not moments.n_rows:
        known = {name: summary.nulls for name, summary in moments.describe().items()}
        nulls = {target.name: known[TARGET], "the prediction": known[ERROR]}
        raise EmptySourceError.none_left(moments.n_read, nulls)
    problem = moments.problem(TARGET, [ERROR, SIZE])
    mean, weight = problem.mean, problem.weight
    square = float(problem.scatter[0, 0]) / weight + float(mean[0]) ** 2
    variance = problem.target_scatter / weight
    met = sum(scored.met, Counter[str]())
    return Score(
        math.sqrt(square),
        float(mean[1]),
        1 - square / variance if variance > 0 else None,
        problem.rows.used,
        problem.rows.read - problem.rows.used,
        float(mean[0]),
        dict(met),
    )


def _read_target(column: Column) -> LinearPredictor:
    """What gives the target itself."""
    boolean = column.kind is Kind.CATEGORY
    term = Term("", column.name, "true") if boolean else Term(column.name)
    references = {column.name: ("false",)} if boolean else {}
    return LinearPredictor(0.0, (term,), (1.0,), {column.name: column}, references)


@dataclass(frozen=True)
class Scored:
    """A table as that of its targets and of a predictor's errors."""

    source: Source
    predictor: LinearPredictor
    truth: LinearPredictor
    weights: str
    unseen: str
    strict: bool
    met: list[Counter[str]] = field(default_factory=list)
    """Rows with unseen levels, of each batch."""

    def check(self) -> None:
        """Refuse a table that lacks a column, or has it of another kind."""
        self._casts()

    def _casts(self) -> tuple[Casts, Casts]:
        names = [*self.predictor.sources, *self.truth.sources]
        schema = self.source.schema([*names, *filter(None, [self.weights])])
        for name in self.truth.sources:
            schema.find(name, "target")
        if self.weights:
            column = schema.find(self.weights, "weights")
            if column.kind not in (Kind.NUMBER, Kind.NULL):
                raise ColumnKindError.weights(self.weights, column.type_name)
        return check_columns(self.predictor, schema), check_columns(self.truth, schema)

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:  # noqa: ARG002
        names = (TARGET, ERROR, SIZE, *([WEIGHT] if self.weights else []))
        where = self.source.schema([]).where
        return Schema(tuple(Column(name, Kind.NUMBER, "double") for name in names), where)

    def parts(self) -> list[Part]:
        own, other = self._casts()
        casts = Casts(own.to_numbers | other.to_numbers, own.to_text | other.to_text)
        return [ScoredPart(part, self, casts) for part in self.source.parts()]


@dataclass(frozen=True)
class ScoredPart(WrappedPart):
    """A part, as the targets and errors of its rows."""

    scored: Scored
    casts: Casts

    def batches(
        self,
        numbers: Sequence[str],
        categories: Sequence[str],
        cells: Sequence[str] = (),
        times: Sequence[str] = (),
    ) -> Iterator[tuple[ScoredBatch, float]]:
        del numbers, categories, cells, times
        scored = self.scored
        predictor, truth = scored.predictor, scored.truth
        reads = self.casts.change(join_reads(predictor.reads, truth.reads))
        weights = [name for name in [scored.weights] if name and name not in reads.numbers]
        row = self.first_row
        found = self.inner.batches((*reads.numbers, *weights), reads.categories, (), reads.times)
        for batch, fraction in found:
            manner = Manner(scored.unseen, scored.strict)
            cast = self.casts.apply(batch, self.where, row)
            predicted = predictor(cast, self.where, row, manner)
            target = truth(cast, self.where, row, Manner())
            columns = {TARGET: target, ERROR: target - predicted}
            columns[SIZE] = np.abs(columns[ERROR])
            if scored.weights:
                columns[WEIGHT] = columns_of(batch.numbers([scored.weights]))[0]
            if manner.rows_unseen:
                scored.met.append(manner.rows_unseen)
            row += batch.n_rows
            yield ScoredBatch(columns, batch.n_rows), fraction


@dataclass(frozen=True)
class ScoredBatch:
    """Targets and errors of some rows."""

    columns: dict[str, Floats]
    n_rows: int

    def numbers(self, names: Sequence[str]) -> Floats:
        return np.column_stack([self.columns[name] for name in names])

    def expansion(self, name: str) -> Expansion | None:  # noqa: ARG002
        return None

    def codes(self, name: str) -> tuple[Codes, Sequence[str]]:
        raise KeyError(name)

    def cells(self, name: str) -> Any:
        raise KeyError(name)
