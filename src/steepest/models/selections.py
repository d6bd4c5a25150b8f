"""What a selection gives: the best columns of every size, and what each criterion says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import OptionError
from ..sums.moments import Moments
from ..sums.problem import Problem
from .assembly import fit_problem
from .model import Model
from .settings import Settings

CRITERIA = ("bic", "aic", "cp", "held-out")


@dataclass(frozen=True)
class Subset:
    """Some columns: the best of their number that were found.

    ``loss`` is the mean squared error of their least squares, ``error`` that on rows not seen, of
    the whole search for so many columns, and ``se`` its standard error; NaN without folds.
    """

    names: tuple[str, ...]
    """Coefficients by name, without the intercept."""
    loss: float
    r2: float
    adjusted_r2: float
    aic: float
    bic: float
    cp: float
    """Mallows' Cp; NaN where all columns leave no degree of freedom."""
    error: float
    se: float
    at: tuple[int, ...]
    """Their places among the terms of the problem."""

    @property
    def size(self) -> int:
        return len(self.names)

    def score(self, criterion: str) -> float:
        """What is to be small."""
        found = {"aic": self.aic, "bic": self.bic, "cp": self.cp, "held-out": self.error}
        return found[criterion]

    def __str__(self) -> str:
        return f"{', '.join(self.names) or 'no column'}: bic {self.bic:.6g}, loss {self.loss:.6g}"


@dataclass(frozen=True)
class Selection:
    """The best columns of every size, from none on.

    Attributes
    ----------
    subsets : tuple of Subset
        By rising size.
    method, criterion : str
        How they were found, and what ``best`` goes by.
    notes : tuple of str
        What the result would be misread without.

    Examples
    --------
    >>> import numpy as np, steepest
    >>> x = np.random.default_rng(0).normal(size=(100, 4))
    >>> table = {name: x[:, j] for j, name in enumerate("abcd")}
    >>> found = steepest.select({**table, "y": 2 * x[:, 1] - x[:, 3] + x[:, 0] ** 2}, "y")
    >>> found.best.names
    ('b', 'd')
    >>> [subset.names for subset in found.subsets[:2]]
    [(), ('b',)]
    """

    subsets: tuple[Subset, ...]
    target: str
    method: str
    criterion: str
    folds: tuple[str, ...]
    notes: tuple[str, ...]
    problem: Problem
    moments: Moments
    intercept: bool

    @cached_property
    def best(self) -> Subset:
        """The one that the criterion likes best; of equal ones the smallest."""
        return self.choose(self.criterion)

    def choose(self, criterion: str) -> Subset:
        """The subset that ``"bic"``, ``"aic"``, ``"cp"`` or ``"held-out"`` error likes best."""
        if criterion not in CRITERIA:
            raise OptionError.unknown("criterion", criterion, CRITERIA)
        known = [s for s in self.subsets if not np.isnan(s.score(criterion))]
        if not known:
            raise OptionError.outside(
                "criterion", criterion, "known here", "criterion='bic', or scan with folds=5"
            )
        return min(known, key=lambda subset: (subset.score(criterion), subset.size))

    @property
    def one_se(self) -> Subset:
        """The smallest whose held-out error is within a standard error of the lowest."""
        best = self.choose("held-out")
        return next(s for s in self.subsets if s.error <= best.error + best.se)

    def refit(self, subset: Subset | None = None) -> Model:
        """The least-squares model of a subset, by default the best, on all rows.

        Its standard errors take the columns as given: they do not know of the search.
        """
        wanted = self.best if subset is None else subset
        settings = Settings(None, None, 0.0, "standard", self.intercept, (0.0, ()))
        problem = self.problem.keep(wanted.at)
        return fit_problem(problem, settings, w=None, collinear="shortest", moments=self.moments)

    @cached_property
    def best_model(self) -> Model:
        """The model of the best subset."""
        return self.refit()

    @cached_property
    def table(self) -> list[dict[str, Any]]:
        """A row for each size, as plain values: ``pandas.DataFrame(selection.table)``."""
        return [
            {
                "size": s.size,
                "names": list(s.names),
                "loss": s.loss,
                "r2": s.r2,
                "adjusted_r2": s.adjusted_r2,
                "aic": s.aic,
                "bic": s.bic,
                "cp": s.cp,
                "error": s.error,
                "se": s.se,
                "best": s is self.best,
            }
            for s in self.subsets
        ]

    def __str__(self) -> str:
        from ..faces.selections import describe_selection

        return "\n".join(describe_selection(self))

    __repr__ = __str__


Places = Mapping[int, tuple[int, ...]]
"""By size the places of columns."""
