"""What a study gives: a table of models judged by rows that they have not seen, and the best."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from io import StringIO
from typing import Any

import numpy as np

from ..errors import OptionError, StudyError, counted
from ..store import write_text
from ..sums.moments import Moments
from .fitting import fit
from .grids import Point
from .manner import Manner
from .model import Model

CHOICES = ("best", "one-se")


@dataclass(frozen=True)
class Candidate:
    """The settings of one model, and its error on rows that it has not seen.

    ``error`` is the mean over the folds of the mean squared error on the fold that was held out,
    ``se`` the standard error of that mean, ``fold_errors`` what it is the mean of; ``loss`` is the
    mean squared error on the rows that it was fitted to, all of them.  ``parameters`` are
    effective ones, the intercept among them; ``coefficients`` are those that are not 0.
    """

    target: str
    features: tuple[str, ...]
    point: Point
    error: float
    se: float
    fold_errors: tuple[float, ...]
    loss: float
    parameters: float
    coefficients: int
    number: int
    """Of the features among those that were tried."""

    @property
    def l1(self) -> float:
        return self.point.l1

    @property
    def l2(self) -> float:
        return self.point.l2

    @property
    def learning_rate(self) -> float | None:
        return self.point.learning_rate

    @property
    def epochs(self) -> int | None:
        return self.point.epochs

    def __str__(self) -> str:
        words = [counted(len(self.features), "feature")] if self.features else []
        settings = {"l1": self.l1, "l2": self.l2, "learning rate": self.learning_rate}
        words += [f"{name} {value:.6g}" for name, value in settings.items() if value]
        words += [f"{self.epochs:,} epochs"] if self.epochs else []
        return f"{', '.join(words) or 'least squares'}: error {self.error:.6g} ± {self.se:.3g}"


@dataclass(frozen=True)
class Nested:
    """The error of the whole selection: chosen anew on the other folds, judged on each fold."""

    error: float
    se: float
    fold_errors: tuple[float, ...]
    chosen: tuple[Candidate, ...]
    """What was chosen without each fold."""


@dataclass(frozen=True)
class Study:
    """Models of one scan, compared by their error on rows that they have not seen.

    Attributes
    ----------
    candidates : tuple of Candidate
        In the order in which they were asked for.
    folds : tuple of str
        Labels of the folds, in the order of ``fold_errors``.
    baseline : dict of str to float
        For each target the error of predicting the mean of the rows that are not held out.
    nested : dict of str to Nested
        For each target the error of the whole selection, where that was asked for.
    notes : tuple of str
        What the result would be misread without.

    Examples
    --------
    >>> import numpy as np, steepest
    >>> random = np.random.default_rng(0)
    >>> x = random.normal(size=(200, 3))
    >>> table = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": x[:, 0] + random.normal(size=200)}
    >>> moments = steepest.scan(table, folds="contiguous:5")
    >>> study = steepest.study(moments, "y", l1="path")
    >>> len(study.candidates), round(study.best.error, 3)
    (100, 1.044)
    >>> model = study.refit(study.one_se)
    >>> [name for name, value in model.coefficients.items() if value]
    ['intercept', 'a']
    """

    candidates: tuple[Candidate, ...]
    folds: tuple[str, ...]
    rule: str
    baseline: Mapping[str, float]
    nested: Mapping[str, Nested]
    notes: tuple[str, ...]
    moments: Mapping[str, Moments]
    """By target."""
    manner: Manner
    choose: str = "best"
    asked: Mapping[str, Any] | None = None
    """What else a fit is asked for."""

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(candidate.target for candidate in self.candidates))

    def __getitem__(self, target: str) -> Study:
        """The study of one target alone."""
        if target not in self.targets:
            raise OptionError.unknown("target", target, self.targets)
        kept = tuple(c for c in self.candidates if c.target == target)
        nested = {name: found for name, found in self.nested.items() if name == target}
        return replace(
            self, candidates=kept, nested=nested, baseline={target: self.baseline[target]}
        )

    @cached_property
    def best(self) -> Candidate:
        """The candidate with the lowest error; OptionError where there are several targets."""
        self._check_single()
        return self.candidates[find_best(self.candidates)]

    @cached_property
    def one_se(self) -> Candidate:
        """The simplest candidate whose error is within one standard error of the best one's.

        The simplest has the fewest effective parameters.
        """
        self._check_single()
        return self.candidates[find_simplest(self.candidates)]

    @property
    def chosen(self) -> Candidate:
        """The best, or the simplest within one standard error, as the study was asked for."""
        return self.best if self.choose == "best" else self.one_se

    def _check_single(self) -> None:
        if len(self.targets) > 1:
            raise StudyError.several_targets(self.targets)

    def refit(self, candidate: Candidate | None = None) -> Model:
        """The model of a candidate, by default the chosen one, on all rows."""
        wanted = self.chosen if candidate is None else candidate
        point, manner = wanted.point, self.manner
        asked = dict(self.asked or {})
        features = asked.pop("features")[wanted.number]
        if features is None:
            features = wanted.features
        steps: dict[str, Any] = {}
        if point.epochs:
            steps = {"epochs": point.epochs, "learning_rate": point.learning_rate}
        if point.l1 or manner.nonnegative:
            steps |= {"l1": point.l1, "nonnegative": manner.nonnegative}
        if point.l1:
            steps["adaptive"] = manner.adaptive
        if manner.factors and (point.l1 or point.l2):
            steps["penalties"] = dict(manner.factors)
        model: Model = fit(
            replace(self.moments[wanted.target], folds=None),
            target=wanted.target,
            features=features,
            l2=point.l2,
            scale=manner.scale,
            intercept=manner.intercept,
            **steps,
            **asked,
        )
        return model

    @cached_property
    def best_model(self) -> Model:
        """The model of the chosen candidate on all rows."""
        return self.refit()

    @cached_property
    def table(self) -> list[dict[str, Any]]:
        """A row for each candidate, as plain values: ``pandas.DataFrame(study.table)``."""
        best, simplest = {}, {}
        for target in self.targets:
            own = self if len(self.targets) == 1 else self[target]
            best[target], simplest[target] = own.best, own.one_se
        return [
            {
                "target": c.target,
                "features": list(c.features),
                **c.point._asdict(),
                "error": c.error,
                "se": c.se,
                "r2": 1 - c.error / self.baseline[c.target] if self.baseline[c.target] else None,
                "loss": c.loss,
                "parameters": c.parameters,
                "coefficients": c.coefficients,
                "best": c is best[c.target],
                "one_se": c is simplest[c.target],
                **{f"fold {label}": e for label, e in zip(self.folds, c.fold_errors, strict=True)},
            }
            for c in self.candidates
        ]

    def to_csv(self) -> str:
        """The table as CSV."""
        text = StringIO()
        rows = [{**row, "features": " ".join(row["features"])} for row in self.table]
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def save_table(self, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV, whole or not at all; OutputError where it cannot be written."""
        write_text(path, self.to_csv())

    def plot(self, path: str | os.PathLike[str] | None = None, *, along: str | None = None) -> Any:
        """Draw the errors along the setting that varies most, or the one named.

        The band is one standard error; rings mark the best and the simplest within it.  Needs
        matplotlib: ``pip install 'steepest[plot]'``.

        Parameters
        ----------
        path : path, optional
            Where to write the picture, in the format that its ending says.
        along : {"l1", "l2", "learning_rate", "epochs", "parameters"}, optional
            What is drawn from left to right.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from ..faces.charts import draw_study

        return draw_study(self, path, along)

    def __str__(self) -> str:
        from ..faces.studies import describe_study

        return "\n".join(describe_study(self))

    __repr__ = __str__


def find_best(candidates: Sequence[Candidate]) -> int:
    """The one with the lowest error; of equal ones the simplest."""
    return min(range(len(candidates)), key=lambda i: (candidates[i].error, _size(candidates[i])))


def find_simplest(candidates: Sequence[Candidate]) -> int:
    """The one with the fewest parameters within a standard error of the best."""
    best = candidates[find_best(candidates)]
    bound = best.error + (0.0 if np.isnan(best.se) else best.se)
    within = [i for i, c in enumerate(candidates) if c.error <= bound]
    return min(within, key=lambda i: (_size(candidates[i]), candidates[i].error))


def _size(candidate: Candidate) -> float:
    return round(candidate.parameters, 9)
