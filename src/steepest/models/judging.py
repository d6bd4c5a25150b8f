"""Models trained on some folds and judged by another: all from moments, no row is read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..data.expressions import Expression, Interaction
from ..data.formula import term_label
from ..descent.heldout import HeldOut, build_held_out, find_mean_gap
from ..errors import EmptySourceError, FoldsError
from ..sums.moments import Moments
from ..sums.problem import Problem
from ..typing import Floats
from .grids import Grid, Point
from .studies import Candidate, Nested, find_best, find_simplest
from .training import Manner, Trainer


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
        return Trainer(self.whole, self.manner)

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
        return Trainer(problem, self.manner)

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

    def errors(self, points: Sequence[Point], out: Sequence[str], on: str) -> Floats:
        """Mean squared errors on one fold of models trained without some, shape (m + 1,).

        The last is that of the mean of the rows trained on; of 0 without an intercept.
        """
        trainer = self.trainer_without(*out)
        trained = trainer.train(points)
        coef = np.concatenate([trained.coef, np.zeros((1, trained.coef.shape[1]))])
        return self._judge_on(on, trainer.whole, coef, np.append(trained.apart, 0.0))

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
        self, points: Sequence[Point], labels: Sequence[str]
    ) -> tuple[list[Candidate], float]:
        """Every setting, by the fold that its models were not trained on; the error of none."""
        errors = np.array([self.errors(points, [label], label) for label in labels])
        trained = self.trainer.train(points)
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


def select_nested(
    judged: Sequence[tuple[Judge, Sequence[Candidate]]], labels: Sequence[str], choose: str
) -> Nested:
    """The error of choosing among all candidates of a target: on folds that did not choose."""
    every = [candidate for _, found in judged for candidate in found]
    inner: dict[tuple[str, str], Floats] = {}
    for outer in labels:
        for on in labels:
            if on != outer:
                pieces = [
                    judge.errors([c.point for c in found], [outer, on], on)[:-1]
                    for judge, found in judged
                ]
                inner[outer, on] = np.concatenate(pieces)
    chosen, errors = [], []
    for i, outer in enumerate(labels):
        rest = np.array([inner[outer, on] for on in labels if on != outer])
        mean, se = rest.mean(axis=0), rest.std(axis=0, ddof=1) / np.sqrt(len(rest))
        known = [
            replace(c, error=float(mean[j]), se=float(se[j]), fold_errors=tuple(rest[:, j]))
            for j, c in enumerate(every)
        ]
        at = (find_best if choose == "best" else find_simplest)(known)
        chosen.append(known[at])
        errors.append(every[at].fold_errors[i])
    spread = float(np.std(errors, ddof=1) / np.sqrt(len(errors)))
    return Nested(float(np.mean(errors)), spread, tuple(errors), tuple(chosen))
