"""What a fit gives: coefficients under the user's names, and the statistic behind them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..data.expressions import Product
from ..data.open import open_source
from ..data.predictions import Predicted, stream_predictions
from ..data.predictor import LinearPredictor, Manner
from ..data.table import Source, beneath
from ..data.terms import Term
from ..descent.certified import Certificate, Optimum
from ..descent.path import Path, name_coefficients
from ..descent.speeds import Rates
from ..errors import MomentsError, OptionError, SteepestWarning
from ..store import write_json
from ..sums.checkpoints import Checkpoint, keeping
from ..sums.observations import note_dropped
from ..sums.problem import Problem, Rows
from ..typing import Floats, OnProgress
from .inference import Errors
from .scoring import Score, score_rows
from .settings import Settings, find_path, find_rates
from .validation import Validation

NO_ERRORS = Errors()


def note_unseen(manner: Manner) -> list[str]:
    """How many rows held levels that the model has not seen."""
    met = manner.rows_unseen
    if not met:
        return []
    counts = ", ".join(f"'{name}' {count:,}" for name, count in met.items())
    meaning = "gave a null" if manner.unseen == "null" else "counted as the reference level"
    return [f"levels that the model has not seen {meaning}; rows by column: {counts}."]


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from."""

    source: str
    precision: str
    precision_reason: str
    """Why the sums were made that way; empty where moments of several scans were added."""
    version: str
    condition: str = ""
    """What rows had to meet; empty for all."""


@dataclass(frozen=True)
class Absorbed:
    """Levels of a category that were eliminated: their terms, coefficients and standard errors."""

    terms: tuple[Term, ...]
    coef: Floats
    """Shape (m,)."""
    se: Floats | None


NONE_ABSORBED = Absorbed((), np.zeros(0), None)


@dataclass(frozen=True)
class Model:
    """A fitted linear model: coefficients on the user's scale under the user's names.

    Attributes
    ----------
    coef : ndarray of shape (p,)
        Coefficients, in the order of ``names``; units of the target over the column's.
    intercept : float
        In the unit of the target; 0 where the model has none.
    loss : float
        Mean squared error over the rows used, without the penalty.
    objective : float
        Loss plus ``l2`` times the sum of squared coefficients (scaled ones with
        ``scale="standard"``).
    r2 : float or None
        1 - loss / variance of the target (its mean square without an intercept); None for a
        constant target.
    rows : Rows
        Rows read, used and dropped by reason.
    learning_rate, learning_rate_reason : float, str
        The rate and why.
    certificate : Certificate or None
        How near the coefficients are to the exact solution for the numbers given; None where
        the sums were rounded, or the descent stops before its limit.
    se : dict of str to float, or None
        Standard errors by name, as in ``coefficients``; None where there are none.
    residual_sd : float or None
        √(Σ w (y - ŷ)² / degrees of freedom).
    notes : tuple of str
        What the result would be misread without: rows dropped, columns left out, collinearity.

    Examples
    --------
    >>> import steepest
    >>> model = steepest.fit({"area": [50, 70, 90], "price": [110, 150, 190]}, target="price")
    >>> {name: round(value, 6) for name, value in model.coefficients.items()}
    {'intercept': 10.0, 'area': 2.0}
    >>> model.predict({"area": [100]}).round(6)
    array([210.])
    """

    problem: Problem
    settings: Settings
    provenance: Provenance
    coef: Floats
    intercept: float
    loss: float
    objective: float
    r2: float | None
    learning_rate: float
    learning_rate_reason: str
    notes: tuple[str, ...]
    optimum: Optimum | None = None
    """The limit of the descent as the exact sums tell it."""
    certificate: Certificate | None = None
    errors: Errors = NO_ERRORS
    absorbed: Absorbed = NONE_ABSORBED
    """The levels of a large category, whose coefficients stand after those of ``coef``."""
    validation: Validation | None = None
    """What rows that were held out say, where there are any."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients, without the intercept."""
        return tuple(term.name for term in (*self.problem.terms, *self.absorbed.terms))

    @property
    def target(self) -> str:
        return self.problem.target

    @property
    def rows(self) -> Rows:
        return self.problem.rows

    @property
    def references(self) -> Mapping[str, str]:
        """The reference level of each category that has one: its coefficient is 0."""
        columns = self.problem.columns
        return {
            name: levels[0]
            for name, levels in self.problem.references.items()
            if levels and not isinstance(columns[name].formed, Product)
        }

    @property
    def coefficients(self) -> dict[str, float]:
        """Coefficients by name, the intercept first if there is one."""
        first = self.intercept if self.settings.intercept else None
        return name_coefficients(self.names, self._every(self.coef, self.absorbed.coef), first)

    def _every(self, coef: Floats, absorbed: Floats | None) -> Floats:
        return coef if absorbed is None else np.concatenate([coef, absorbed])

    @property
    def se(self) -> dict[str, float] | None:
        """Standard errors by name, the intercept first if there is one; None without any."""
        if self.errors.coef is None:
            return None
        first = self.errors.intercept if self.settings.intercept else None
        every = self._every(self.errors.coef, self.absorbed.se)
        return name_coefficients(self.names, every, first)

    @property
    def residual_sd(self) -> float | None:
        """√(Σ w (y - ŷ)² / degrees of freedom), in the unit of the target."""
        return self.errors.residual_sd

    @cached_property
    def path(self) -> Path:
        """Coefficients and loss at any epoch of this descent, in closed form.

        MomentsError where levels were eliminated, which gives the limit alone, OptionError where
        coefficients are exactly 0 there, which are found otherwise.
        """
        if self.absorbed.terms:
            raise MomentsError.no_path(self.absorbed.terms[0].category, len(self.names))
        if self.settings.sparse:
            raise OptionError.pathless(self.settings.method)
        held_out = None if self.validation is None else self.validation.held_out
        return find_path(self.problem, self.settings, self.optimum, held_out)[0]

    @cached_property
    def rates(self) -> Rates:
        """Which learning rates this problem allows, which are best, and what makes it slow.

        :func:`steepest.rates` says more.  MomentsError where levels were eliminated.
        """
        return find_rates(self.problem, self.settings, self.path)

    @property
    def predictor(self) -> LinearPredictor:
        """The formula alone."""
        problem = self.problem
        return LinearPredictor(
            self.intercept,
            (*problem.terms, *self.absorbed.terms),
            tuple(float(value) for value in self._every(self.coef, self.absorbed.coef)),
            problem.columns,
            problem.references,
            problem.pooled,
            (*problem.fills, *(None,) * len(self.absorbed.terms)) if problem.fills else (),
            problem.missing,
            problem.nulls_met,
            problem.offset,
            problem.ranges,
        )

    def predict(
        self,
        source: Any,
        *,
        names: tuple[str, ...] | None = None,
        unseen: str = "refuse",
        strict: bool = False,
    ) -> Floats:
        """Predictions for a table of any kind that :func:`steepest.scan` reads.

        Columns are found by name, others are ignored.

        Parameters
        ----------
        source, names
            As for :func:`steepest.scan`.
        unseen : {"refuse", "null", "reference"}, optional
            What a level gives that the model has not seen: an error, a null, or what the reference
            level gives.  Such rows are counted in a warning.
        strict : bool, optional
            Refuse a null in a used column, which else gives a null.

        Returns
        -------
        ndarray of shape (n,)
            In the unit of the target; NaN for a null.

        Raises
        ------
        ColumnNotFoundError, ColumnKindError
            A column is missing, or is of another kind than in the fit.
        ValueFoundError
            A level that the model has not seen, or a null with ``strict``; says the row.
        OptionError
            An unknown ``unseen``.
        """
        manner, opened = Manner(unseen, strict), open_source(source, names)
        pieces, dropped = [], 0
        for values, _, batch in self.stream(opened, manner):
            pieces.append(values)
            dropped += beneath(batch, "dropped", 0)
        notes = [*note_unseen(manner), *note_dropped(dropped), *self.predictor.note_reads(opened)]
        for note in notes:
            warnings.warn(note, SteepestWarning, stacklevel=2)
        return np.concatenate(pieces) if pieces else np.zeros(0)

    def score(
        self,
        source: Any,
        *,
        names: tuple[str, ...] | None = None,
        weights: str | None = None,
        unseen: str = "refuse",
        strict: bool = False,
        executor: Executor | None = None,
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
        on_progress: OnProgress | None = None,
    ) -> Score:
        """How well the predictions of a table do: root mean square of the errors, R², and more.

        Parameters
        ----------
        source, names, unseen, strict
            As for :meth:`predict`; the table has to have the target too.
        weights : str, optional
            A column of numbers that says how much each row counts.
        executor, checkpoint, on_progress : optional
            As for :func:`steepest.scan`.

        Returns
        -------
        Score

        Raises
        ------
        EmptySourceError
            No row has both the target and all that a prediction needs.
        SteepestError
            As for :meth:`predict`.

        Notes
        -----
        One pass, in bounded memory.  The sums are exact, so that order and batches never show.
        """
        with keeping(checkpoint) as kept:
            return score_rows(
                self.predictor,
                self.problem.columns[self.target],
                open_source(source, names),
                weights=weights,
                unseen=unseen,
                strict=strict,
                executor=executor,
                checkpoint=kept,
                on_progress=on_progress,
            )

    def stream(
        self,
        source: Source,
        manner: Manner,
        cells: tuple[str, ...] = (),
        on_progress: OnProgress | None = None,
    ) -> Iterator[Predicted]:
        """Predictions batch by batch, in the order of the rows, in bounded memory.

        The columns are checked at once, before the first batch is read.
        """
        return stream_predictions(self.predictor, source, manner, cells, on_progress)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file: JSON and, as its last line, the SHA-256 of all above it.

        A temporary file is written, flushed to disk and renamed, so that ``path`` holds the old
        model or the new one, whole.  OutputError where it cannot be written.
        """
        from .record import to_record

        write_json(path, to_record(self))

    def __str__(self) -> str:
        from ..faces.terminal import describe_model

        return describe_model(self)

    __repr__ = __str__
