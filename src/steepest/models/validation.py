"""What rows that were held out say of a fit."""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..data.expressions import Expression, Product
from ..data.table import Kind
from ..data.terms import RARE
from ..descent.heldout import Best, HeldOut, build_held_out, find_mean_gap
from ..errors import ColumnKindError, EmptySourceError
from ..store import finite
from ..sums.double import LevelSums
from ..sums.moments import Moments
from ..sums.problem import Problem
from ..typing import Floats


@dataclass(frozen=True, eq=False)
class Validation:
    """The error of a model on rows that it was not fitted to.

    Attributes
    ----------
    how : str
        Which rows they are, in words.
    rows : int
        Rows held out that have all that a prediction needs, and the target.
    loss, rmse : float
        Mean squared error there, at the epoch of the model, and its square root.
    r2 : float or None
        1 - loss / variance of the target in these rows; None for a constant target.
    best_epoch : float or None
        The epoch of the path with the lowest loss there, infinite for the limit; None for a model
        that has no path.
    best_loss : float
        The loss at that epoch.
    still_falling : bool
        Whether the best epoch is the last of those in question.
    stopped : bool
        Whether the model stands at the best epoch because of that.

    Examples
    --------
    >>> import steepest
    >>> table = {"x": [1.0, 2.0, 3.0, 4.0], "y": [1.0, 3.0, 2.0, 5.0], "test": [0, 0, 0, 1]}
    >>> model = steepest.fit(table, target="y", validation="test", learning_rate=0.1)
    >>> found = model.validation
    >>> found.rows, found.best_epoch, found.still_falling, round(found.loss, 4)
    (1, inf, True, 4.0)
    """

    how: str
    held_out: HeldOut = field(repr=False)
    loss: float
    best: Best | None = None
    stopped: bool = False

    @property
    def rows(self) -> int:
        return self.held_out.rows

    @property
    def rmse(self) -> float:
        return math.sqrt(self.loss)

    @property
    def r2(self) -> float | None:
        variance = self.held_out.variance
        return 1 - self.loss / variance if variance > 0 else None

    @property
    def best_epoch(self) -> float | None:
        return None if self.best is None else self.best.epoch

    @property
    def best_loss(self) -> float:
        return self.loss if self.best is None else self.best.loss

    @property
    def still_falling(self) -> bool:
        return self.best is not None and self.best.falling


@dataclass(frozen=True)
class Held:
    """The moments of rows held out, and how a fit looks at them."""

    moments: Moments
    how: str
    target: Expression
    features: Any
    intercept: bool
    offset: Expression | None
    view: Mapping[str, Any]

    def against(self, trained: Problem, *, centred: bool) -> tuple[HeldOut, list[str]]:
        """These rows with the terms of those trained on, and what there is to say of them.

        ``centred`` says that the intercept is at its best at every epoch.
        """
        self._check_kinds(trained)
        try:
            problem = self.moments.problem(
                self.target,
                self.features,
                intercept=self.intercept,
                offset=self.offset,
                like=trained,
                fills=trained.fills,
                **self.view,
            )
        except EmptySourceError as error:
            raise EmptySourceError(f"of the rows held out, {error.found}", error.why,
                                   error.hint) from None  # fmt: skip
        found = build_held_out(problem)
        if centred:
            gap, target_gap = find_mean_gap(problem, trained)
            found = replace(found, gap=gap, target_gap=target_gap)
        return found, self._note_unseen(trained)

    def _check_kinds(self, trained: Problem) -> None:
        """ColumnKindError for a column that is of another kind in the rows trained on."""
        for own in self.moments.columns:
            known = trained.columns.get(own.name)
            if known and {known.kind, own.kind} == {Kind.NUMBER, Kind.CATEGORY}:
                if "null" in (known.type_name, own.type_name):
                    continue
                first, second = "the rows trained on", self.moments.where
                raise ColumnKindError.differs(own.name, first, known.word, second, own.word)

    def _note_unseen(self, trained: Problem) -> list[str]:
        """Levels that the rows trained on do not have: their rows count as the reference level."""
        known: dict[str, set[str]] = {
            name: {*levels, *trained.pooled.get(name, ())}
            for name, levels in trained.references.items()
            if _is_single(trained, name)
        }
        for term in (*trained.terms, *trained.absorbed):
            if term.category in known:
                known[term.category].add(term.level)
        met: Counter[str] = Counter()
        for name, rows in count_levels(self.moments, trained).items():
            met[name] = sum(count for level, count in rows.items() if level not in known[name])
        return note_unseen(+met)


def _is_single(problem: Problem, name: str) -> bool:
    """Whether a category is in the model, and none that others are crossed to."""
    column = problem.columns.get(name)
    return column is not None and not isinstance(column.formed, Product)


def count_levels(moments: Moments, problem: Problem) -> dict[str, Counter[str]]:
    """Rows by level, for each category of a problem; those that it pools are one."""
    names = [name for name in problem.references if _is_single(problem, name)]
    met: dict[str, Counter[str]] = {}
    for sums in moments.patterns.values():
        for name in (name for name in names if name in sums.levels):
            found = sums.levels[name]
            rows = found.weights if isinstance(found, LevelSums) else found.counts
            pooled = problem.pooled.get(name, ())
            counts = met.setdefault(name, Counter())
            for level, count in zip(found.levels, rows, strict=True):
                counts[RARE if level in pooled else level] += int(count)
    return met


def note_unseen(met: Mapping[str, int]) -> list[str]:
    """Rows held out, by category, whose level no row trained on has."""
    if not met:
        return []
    counts = ", ".join(f"'{name}' {count:,}" for name, count in met.items())
    return [
        "levels that no row trained on has count as the reference level where they are held "
        f"out; rows by column: {counts}."
    ]


def judge(held: HeldOut, how: str, intercept: float, coef: Floats) -> Validation:
    """The error of a model that has no path."""
    loss = float(held.loss(np.array([intercept]), coef[None])[0])
    return Validation(how, held, loss)


def validation_record(found: Validation | None) -> dict[str, Any] | None:
    """As JSON values: what it says, and the moments of the rows, for the path."""
    if found is None:
        return None
    held, best = found.held_out, found.best
    return {
        "how": found.how,
        "rows": held.rows,
        "loss": found.loss,
        "best_epoch": None if best is None else finite(best.epoch),
        "best_loss": None if best is None else best.loss,
        "best_is_limit": best is not None and math.isinf(best.epoch),
        "still_falling": found.still_falling,
        "stopped": found.stopped,
        "statistic": {
            "floor": held.floor,
            "centre": held.centre.tolist(),
            "factor": base64.b64encode(held.factor.astype("<f8").tobytes()).decode(),
            "mean": held.mean.tolist(),
            "target_mean": held.target_mean,
            "variance": held.variance,
            "gap": None if held.gap is None else held.gap.tolist(),
            "target_gap": held.target_gap,
        },
    }


def read_validation_record(content: dict[str, Any] | None, p: int) -> Validation | None:
    """What :func:`validation_record` gave, of p coefficients; ValueError for anything else."""
    if content is None:
        return None
    given = content["statistic"]
    factor = np.frombuffer(base64.b64decode(given["factor"], validate=True), dtype="<f8")
    vectors = {
        name: None if given[name] is None else np.array(given[name], dtype=np.float64)
        for name in ("centre", "mean", "gap")
    }
    found = [factor.reshape(-1), *(v for v in vectors.values() if v is not None)]
    if factor.shape != (p * p,) or any(v.shape != (p,) for v in found[1:]):
        raise ValueError(f"expected {p} numbers of the rows held out")
    single = [float(given[n]) for n in ("floor", "target_mean", "variance", "target_gap")]
    if not all(np.isfinite(v).all() for v in [*found, np.array(single)]):
        raise ValueError("a number of the rows held out is not finite")
    held = HeldOut(
        single[0],
        np.asarray(vectors["centre"]),
        factor.reshape(p, p).astype(np.float64),
        np.asarray(vectors["mean"]),
        single[1],
        int(content["rows"]),
        single[2],
        vectors["gap"],
        single[3],
    )
    best = None
    if content["best_is_limit"] or content["best_epoch"] is not None:
        epoch = math.inf if content["best_is_limit"] else float(content["best_epoch"])
        best = Best(epoch, float(content["best_loss"]), bool(content["still_falling"]))
    return Validation(
        str(content["how"]), held, float(content["loss"]), best, bool(content["stopped"])
    )
