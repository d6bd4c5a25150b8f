"""The error of a whole selection: of choosing anew on some folds, judged on the one left out.

Whatever a choice rests on comes from the rows outside of the fold that judges it: where a path
of penalties begins, the errors, and how many parameters a model has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from ..typing import Floats
from .grids import Grid, Point
from .judging import Judge
from .studies import Candidate, Nested, find_best, find_simplest
from .tally import Tally
from .training import Trained


def count_rounds(folds: int) -> int:
    """How often the models of one judge are trained."""
    return folds + folds * (folds - 1) // 2


def select_nested(
    judges: Sequence[Judge], grid: Grid, labels: Sequence[str], choose: str, tally: Tally
) -> Nested:
    """The error of choosing among all settings for a target, by folds that did not choose."""
    known: dict[str, list[Candidate]] = {outer: [] for outer in labels}
    judged: dict[str, list[float]] = {outer: [] for outer in labels}
    for judge in judges:
        for outer, (own, found) in _choose_without(judge, grid, labels, tally).items():
            known[outer] += own
            judged[outer] += found.tolist()
    chosen, errors = list[Candidate](), list[float]()
    for outer in labels:
        at = (find_best if choose == "best" else find_simplest)(known[outer])
        chosen.append(known[outer][at])
        errors.append(judged[outer][at])
    spread = float(np.std(errors, ddof=1) / np.sqrt(len(errors)))
    return Nested(float(np.mean(errors)), spread, tuple(errors), tuple(chosen))


def _choose_without(
    judge: Judge, grid: Grid, labels: Sequence[str], tally: Tally
) -> dict[str, tuple[list[Candidate], Floats]]:
    """For each fold what is known of each setting without it, and the errors on it."""
    points: dict[str, list[Point]] = {}
    counts: dict[str, tuple[Floats, Floats]] = {}
    errors: dict[str, Floats] = {}
    for outer in labels:
        trainer = judge.trainer_without(outer)
        points[outer] = grid.points(trainer.largest)
        trained = trainer.train(points[outer], tally.tell)
        size = np.count_nonzero(trained.coef, axis=1)
        counts[outer] = trainer.count_parameters(points[outer], trained), size
        errors[outer] = judge.judge_on(outer, trainer.whole, trained)
        tally.step()
    inner: dict[tuple[str, str], Floats] = {}
    for one, other in combinations(labels, 2):
        trainer = judge.trainer_without(one, other)
        pair: Trained | None = None
        for outer, on in ((one, other), (other, one)):
            if pair is None or points[one] != points[other]:
                pair = trainer.train(points[outer], tally.tell)
                judge.keep_gaps(points[outer], pair)
            inner[outer, on] = judge.judge_on(on, trainer.whole, pair)
        tally.step()
    found = {}
    for outer in labels:
        rest = np.array([inner[outer, on] for on in labels if on != outer])
        parameters, size = counts[outer]
        own = [
            replace(candidate, parameters=float(parameters[i]), coefficients=int(size[i]))
            for i, candidate in enumerate(judge.gather(points[outer], rest))
        ]
        found[outer] = own, errors[outer]
    return found
