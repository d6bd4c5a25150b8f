"""How well a model does on any rows: one pass that adds up errors as it adds up everything else.

What a row contributes are its target, its error and the size of that.  Their sums are moments, so
that a score depends on neither order, nor batches, nor workers.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..data.casting import Casts
from ..data.choice import Wanted
from ..data.expansions import Expansion
from ..data.predictor import LinearPredictor, Manner, check_columns
from ..data.strips import columns_of
from ..data.table import (
    Batch,
    Column,
    Kind,
    Part,
    Reads,
    Schema,
    Source,
    WrappedPart,
    allow_mixed,
    remarks_of,
)
from ..data.terms import Term
from ..errors import ColumnKindError, EmptySourceError
from ..sums.checkpoints import Checkpoint
from ..sums.scanning import scan_source
from ..sums.summary import note_rounded
from ..typing import Codes, Floats, OnProgress

TARGET, ERROR, SIZE = "scored: target", "scored: error", "scored: size of the error"

SEEN = "scored: seen "
"""Begins the name of a column of ones, null where the model has not seen the level."""


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
    notes : tuple of str
        What was left out or taken for granted in reading the rows.

    Examples
    --------
    >>> import steepest
    >>> model = steepest.fit({"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]}, target="y")
    >>> model.score({"x": [4.0, 5.0, None], "y": [9.0, 9.0, 1.0]})
    Score(rmse=1.0, mae=1.0, r2=None, rows=2, nulls=1, bias=0.0, unseen={}, notes=())
    """

    rmse: float
    mae: float
    r2: float | None
    rows: int
    nulls: int
    bias: float
    unseen: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

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
    executor: Executor | None = None,
    checkpoint: Checkpoint | None = None,
    on_progress: OnProgress | None = None,
) -> Score:
    """The score of a predictor on a table.

    EmptySourceError where no row has both a target and a prediction; else as for predictions.
    """
    Manner(unseen, strict)  # refuses what there is not
    scorer = Scorer(predictor, _read_target(target), weights or "", unseen, strict)
    scored = Scored(allow_mixed(source, predictor.reads.categories), scorer)
    scored.check()
    wanted = Wanted(named=dict.fromkeys(scorer.columns, "scored"))
    if weights:
        wanted = replace(wanted, weights=weights, weight_kind="analytic")
    moments = scan_source(
        scored,
        wanted,
        precision="exact",
        executor=executor,
        checkpoint=checkpoint,
        settings=scorer.settings,
        on_progress=on_progress,
    )
    if not moments.n_rows:
        known = {name: summary.nulls for name, summary in moments.describe().items()}
        nulls = {target.name: known[TARGET], "the prediction": known[ERROR]}
        raise EmptySourceError.none_left(moments.n_read, nulls)
    problem = moments.problem(TARGET, [ERROR, SIZE])
    mean, weight = problem.mean, problem.weight
    square = float(problem.scatter[0, 0]) / weight + float(mean[0]) ** 2
    variance = problem.target_scatter / weight
    met = {
        name: sum(s.n_rows for null, s in moments.patterns.items() if SEEN + name in null)
        for name in scorer.watched
    }
    return Score(
        math.sqrt(square),
        float(mean[1]),
        1 - square / variance if variance > 0 else None,
        problem.rows.used,
        problem.rows.read - problem.rows.used,
        float(mean[0]),
        {name: rows for name, rows in met.items() if rows},
        (*moments.remarks, *note_rounded(moments.rounded)),
    )


def _read_target(column: Column) -> LinearPredictor:
    """What gives the target itself."""
    boolean = column.kind is Kind.CATEGORY
    term = Term("", column.name, "true") if boolean else Term(column.name)
    references = {column.name: ("false",)} if boolean else {}
    return LinearPredictor(0.0, (term,), (1.0,), {column.name: column}, references)


@dataclass(frozen=True)
class Scorer:
    """What is found of each row: its target, the error of a predictor, and the size of that."""

    predictor: LinearPredictor
    truth: LinearPredictor
    weights: str
    unseen: str
    strict: bool

    @property
    def watched(self) -> list[str]:
        """The categories of which levels may be met that the model has not seen."""
        return [] if self.unseen == "refuse" else self.predictor.categories

    @property
    def columns(self) -> list[str]:
        return [TARGET, ERROR, SIZE, *(SEEN + name for name in self.watched)]

    @property
    def settings(self) -> Mapping[str, str]:
        """What makes a score the same one beside its rows, for a checkpoint."""
        digest = hashlib.sha256(repr((self.predictor, self.truth)).encode("utf-8", "replace"))
        return {
            "the model": digest.hexdigest()[:16],
            "the weights": self.weights,
            "what a null or an unseen level does": f"{self.unseen}{' strictly' * self.strict}",
        }

    @property
    def reads(self) -> Reads:
        """What it takes from a table beside the weights."""
        return self.predictor.reads.join(self.truth.reads)

    def check(self, source: Source) -> Casts:
        """What is to be taken over from another kind.

        Refuses a table that lacks a column, or has it of another kind.
        """
        names = [*self.predictor.sources, *self.truth.sources]
        schema = source.schema([*names, *filter(None, [self.weights])])
        for name in self.truth.sources:
            schema.find(name, "target")
        if self.weights:
            column = schema.find(self.weights, "weights")
            if column.kind not in (Kind.NUMBER, Kind.NULL):
                raise ColumnKindError.weights(self.weights, column.type_name)
        own, other = (check_columns(one, schema) for one in (self.predictor, self.truth))
        return Casts(own.to_numbers | other.to_numbers, own.to_text | other.to_text)

    def form(self, batch: Batch, part: Part, row: int) -> dict[str, Floats]:
        """The columns of some rows of a part, the first of which has this number."""
        manner = Manner(self.unseen, self.strict)
        target = self.truth(batch, part, row, Manner())
        columns = {TARGET: target, ERROR: target - self.predictor(batch, part, row, manner)}
        columns[SIZE] = np.abs(columns[ERROR])
        for name in self.watched:
            columns[SEEN + name] = np.ones(batch.n_rows)
        for name, rows in manner.last_unseen.items():
            columns[SEEN + name][rows] = np.nan
        return columns


@dataclass(frozen=True)
class Scored:
    """A table as that of its targets and of a predictor's errors."""

    source: Source
    scorer: Scorer

    @property
    def stays(self) -> bool:
        """Whether it is read in this process alone."""
        return getattr(self.source, "stays", False)

    def check(self) -> None:
        self.scorer.check(self.source)

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:  # noqa: ARG002
        names = [*self.scorer.columns, *filter(None, [self.scorer.weights])]
        where = self.source.schema([]).where
        return Schema(tuple(Column(name, Kind.NUMBER, "double") for name in names), where)

    def remarks(self, reads: Reads) -> list[str]:
        """What was taken for granted in giving the columns that it is made of."""
        del reads
        return remarks_of(self.source, self.scorer.reads)

    def parts(self) -> list[Part]:
        casts = self.scorer.check(self.source)
        return [ScoredPart(part, self.scorer, casts) for part in self.source.parts()]


@dataclass(frozen=True)
class ScoredPart(WrappedPart):
    """A part, as the targets and errors of its rows."""

    scorer: Scorer
    casts: Casts

    def batches(self, reads: Reads) -> Iterator[tuple[ScoredBatch, float]]:
        del reads
        scorer = self.scorer
        reads = self.casts.change(scorer.reads)
        weights = [name for name in [scorer.weights] if name and name not in reads.numbers]
        row = self.first_row
        found = self.inner.batches(reads._replace(numbers=(*reads.numbers, *weights)))
        for batch, fraction in found:
            columns = scorer.form(self.casts.apply(batch, self.where, row), self.inner, row)
            if scorer.weights:
                columns[scorer.weights] = columns_of(batch.numbers([scorer.weights]))[0]
            row += batch.n_rows
            yield ScoredBatch(columns, batch.n_rows, batch, scorer.weights), fraction


@dataclass(frozen=True)
class ScoredBatch:
    """Targets and errors of some rows."""

    columns: dict[str, Floats]
    n_rows: int
    batch: Batch
    weights: str

    def numbers(self, names: Sequence[str]) -> Floats:
        return np.column_stack([self.columns[name] for name in names])

    def expansion(self, name: str) -> Expansion | None:
        return self.batch.expansion(name) if name == self.weights else None

    def codes(self, name: str) -> tuple[Codes, Sequence[str]]:
        raise KeyError(name)

    def cells(self, name: str) -> Any:
        raise KeyError(name)
