"""Models trained on some folds and judged by another: all from moments, no row is read again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..data.expressions import Expression, Interaction
from ..data.formula import term_label
from ..descent.heldout import HeldOut, build_held_out, find_mean_gap
from ..errors import EmptySourceError, FoldsError, counted
from ..sums.moments import Moments
from ..sums.problem import Problem
from ..typing import Floats
from .grids import Grid, Point
from .manner import Dependent, Manner, find_dependent
from .notes import note_collinearity
from .studies import Candidate
from .tally import Tally
from .training import Trained, Trainer
from .validation import count_levels


@dataclass(frozen=True)
class Judge:
    """One target and one set of features."""

    moments: Moments
    target: Expression
    features: tuple[str | Interaction, ...] | None
    offset: Expression | None
    manner: Manner
    view: Mapping[str, Any]
    number: int
    """Of the features among those that are tried."""

    @cached_property
    def whole(self) -> Problem:
        """The problem of all rows, whose terms those of every fold have."""
        return self._cut(self.moments)

    @cached_property
    def trainer(self) -> Trainer:
        """Of all rows."""
        return Trainer(self.whole, self.manner, self.dependent)

    @cached_property
    def dependent(self) -> Dependent:
        """What depends on what among all rows, and so among fewer."""
        return find_dependent(self.whole, self.manner)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The columns and terms, in words."""
        if self.features is not None:
            return tuple(f if isinstance(f, str) else term_label(f) for f in self.features)
        own = (name for term in self.whole.terms for name in term.columns)
        return tuple(dict.fromkeys(own))

    def _cut(self, moments: Moments, **more: Any) -> Problem:
        intercept = self.manner.intercept
        return moments.problem(
            self.target,
            self.features,
            intercept=intercept,
            offset=self.offset,
            **{**self.view, **more},
        )

    def trainer_without(self, *out: str) -> Trainer:
        """Of the rows outside of some folds."""
        try:
            problem = self._cut(self.moments.training(*out), like=self.whole)
        except EmptySourceError as error:
            raise FoldsError.untrained(out, error.found) from None
        return Trainer(problem, self.manner, self.dependent)

    def _hold_out(self, label: str, trained: Problem) -> tuple[HeldOut, Problem]:
        """The rows of a fold, to judge models of other rows by; nulls count as they did there."""
        if label in self._held:
            return self._held[label]
        assert self.moments.folds is not None
        try:
            problem = self._cut(self.moments.folds[label], like=self.whole, fills=trained.fills)
        except EmptySourceError as error:
            raise FoldsError.unjudged(label, error.found) from None
        found = build_held_out(problem), problem
        if not trained.fills:
            self._held[label] = found
        return found

    @cached_property
    def _held(self) -> dict[str, tuple[HeldOut, Problem]]:
        return {}

    def errors(self, points: Sequence[Point], label: str, tally: Tally) -> Floats:
        """Mean squared errors on one fold of models trained without it, shape (m + 1,).

        The last is that of the mean of the rows trained on; of 0 without an intercept.
        """
        trainer = self.trainer_without(label)
        trained = trainer.train(points, tally.tell)
        self.keep_gaps(points, trained)
        coef = np.concatenate([trained.coef, np.zeros((1, trained.coef.shape[1]))])
        tally.step()
        return self._judge_on(label, trainer.whole, coef, np.append(trained.apart, 0.0))

    @cached_property
    def gaps(self) -> dict[Point, float]:
        """The settings whose objective may be above its minimum, and how far at the most."""
        return {}

    def keep_gaps(self, points: Sequence[Point], trained: Trained) -> None:
        for i in np.flatnonzero(trained.gaps).tolist():
            self.gaps[points[i]] = max(self.gaps.get(points[i], 0.0), float(trained.gaps[i]))

    def judge_on(self, label: str, problem: Problem, trained: Trained) -> Floats:
        """Errors on a fold of models of the problem of other rows, shape (m,)."""
        return self._judge_on(label, problem, trained.coef, trained.apart)

    def error_of(self, trainer: Trainer, at: Sequence[int], on: str) -> float:
        """The error on one fold of least squares with some columns of those that vary."""
        coef = trainer.fit_subset(at)[1]
        return float(self._judge_on(on, trainer.whole, coef[None], np.zeros(1))[0])

    def _judge_on(self, label: str, trained: Problem, coef: Floats, apart: Floats) -> Floats:
        """Errors on a fold, shape (m,), of coefficients of the rows trained on, shape (m, p)."""
        held, problem = self._hold_out(label, trained)
        if not self.manner.intercept:
            return held.loss(np.zeros(len(coef)), coef)
        gap, target_gap = find_mean_gap(problem, trained)
        return held.loss_about(target_gap - coef @ gap - apart, coef)

    def judge(
        self, points: Sequence[Point], labels: Sequence[str], tally: Tally
    ) -> tuple[list[Candidate], float]:
        """Every setting, by the fold that its models were not trained on; the error of none."""
        errors = np.array([self.errors(points, label, tally) for label in labels])
        trained = self.trainer.train(points, tally.tell)
        tally.step()
        self.keep_gaps(points, trained)
        losses = build_held_out(self.whole).loss(trained.intercept, trained.coef)
        parameters = self.trainer.count_parameters(points, trained)
        counts = np.count_nonzero(trained.coef, axis=1)
        found = [
            replace(
                candidate,
                loss=float(losses[i]),
                parameters=float(parameters[i]),
                coefficients=int(counts[i]),
            )
            for i, candidate in enumerate(self.gather(points, errors[:, :-1]))
        ]
        return found, float(errors[:, -1].mean())

    def gather(self, points: Sequence[Point], errors: Floats) -> list[Candidate]:
        """Candidates of errors of shape (folds, m), of which no more is known."""
        mean, k = errors.mean(axis=0), len(errors)
        se = errors.std(axis=0, ddof=1) / np.sqrt(k) if k > 1 else np.full(len(points), np.nan)
        return [
            Candidate(
                self.whole.target,
                self.labels,
                point,
                float(mean[i]),
                float(se[i]),
                tuple(errors[:, i].tolist()),
                np.nan,
                np.nan,
                0,
                self.number,
            )
            for i, point in enumerate(points)
        ]

    def place(self, grid: Grid) -> list[Point]:
        """The settings to try; a path begins where the penalty makes every coefficient 0."""
        return grid.points(self.trainer.largest)


def note_dependent(judges: Sequence[Judge], grid: Grid) -> list[str]:
    """Columns that depend on each other, or nearly, as a fit of all rows says it, once."""
    notes: list[str] = []
    for judge in judges:
        proximal = judge.manner.nonnegative or grid.ratios or grid.l1 is None or all(grid.l1)
        ends = None in grid.epochs
        if all(grid.l2) or (proximal and ends) or grid.ratios:
            continue
        trainer = judge.trainer
        notes += note_collinearity(
            trainer.ranked,
            trainer.coordinates,
            "shortest",
            trainer.ranked_spectrum,
            judge.dependent.relations,
            len(trainer.ranked.terms) - trainer.ranked_spectrum.rank,
        )
    return list(dict.fromkeys(notes))


def count_unseen(judges: Sequence[Judge], labels: Sequence[str]) -> Counter[str]:
    """Rows by category whose level no row outside of their own fold has."""
    found: Counter[str] = Counter()
    for judge in judges:
        assert judge.moments.folds is not None
        folds = [count_levels(judge.moments.folds[label], judge.whole) for label in labels]
        for name in dict.fromkeys(name for fold in folds for name in fold):
            rows = [fold.get(name, Counter()) for fold in folds]
            having = Counter(level for own in rows for level, count in own.items() if count)
            alone = sum(count for own in rows for level, count in own.items() if having[level] == 1)
            found[name] = max(found[name], alone)
    return +found


def note_gaps(judges: Sequence[Judge]) -> list[str]:
    """Models whose penalised objective may be above its minimum."""
    found = [gap for judge in judges for gap in judge.gaps.values()]
    if not found:
        return []
    return [
        f"at {counted(len(found), 'setting')} the objective may be above its minimum, by up to "
        f"{max(found):.3g}: the columns depend on each other, or nearly."
    ]
