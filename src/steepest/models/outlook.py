"""What a table says of learning rates, before the first step."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from numpy.typing import ArrayLike

from ..data.design import MOST_LEVELS
from ..data.expressions import Expression, Interaction
from ..descent.rules import LinearRule
from ..descent.speeds import Rates
from ..errors import OptionError, SteepestWarning
from ..sums.checkpoints import Checkpoint
from ..typing import OnProgress
from .fitting import fit
from .model import Model
from .request import read_steps


def rates(
    source: Any,
    *,
    target: str | Expression | None = None,
    features: Iterable[str | Expression | Interaction] | None = None,
    formula: str | None = None,
    offset: str | Expression | None = None,
    weights: str | None = None,
    weight_kind: str = "analytic",
    where: str | None = None,
    missing: str = "drop",
    rare: int = 0,
    max_levels: int = MOST_LEVELS,
    rule: Any = None,
    momentum: float | str | None = None,
    l2: float = 0.0,
    scale: str = "standard",
    intercept: bool = True,
    w: Mapping[str, float] | ArrayLike | None = None,
    references: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
    precision: str | None = None,
    executor: Executor | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    on_progress: OnProgress | None = None,
) -> Rates:
    """Which learning rates a fit allows, which are best, and what makes it slow.

    A rule converges along a direction of curvature h while η h is below its limit, 2 without
    momentum; the largest curvature L decides, and the smallest ℓ says how long it takes.

    Parameters
    ----------
    source, target, features, formula, offset, weights, weight_kind, where : object
        The table or its moments, and the columns: as for :func:`steepest.fit`.
    missing, rare, max_levels, references, names, precision : object
        The same.
    executor, checkpoint, on_progress : object
        The same.
    rule : str or LinearRule, optional
        ``"gradient-descent"``, ``"momentum"`` or ``"nesterov"``, or one of :mod:`steepest.rules`.
    momentum : float or "best", optional
        The share of the past that is kept; ``"best"`` has the best worst case.
    l2, scale, intercept, w : object
        Penalty, coordinates and start of the descent: as for :func:`steepest.fit`.

    Returns
    -------
    Rates
        ``limit``, ``best``, ``best_for(epochs)``, ``epochs_to(tolerance)``, ``directions()``,
        ``tuned`` for the best momentum, and ``other``, the same in the other scale.

    Raises
    ------
    OptionError
        A rule without a limit, such as Adam, or one that searches along lines.
    SteepestError
        As for :func:`steepest.fit`.

    Notes
    -----
    After the scan O(p³) for p coefficients, once.  ``Model.rates`` is the same for a fit at hand.

    Examples
    --------
    >>> table = {"x": [1.0, 2.0, 3.0, 4.0], "y": [2.0, 4.0, 6.0, 8.0]}
    >>> found = rates(table, target="y", scale="none")
    >>> found
    gradient descent: below 2/L = 0.119756, best 0.117647, condition number 55.7821
    >>> found.epochs_to(0.01), found.tuned.rule
    (65, GradientDescent())
    """
    steps = read_steps(rule, momentum, None, None, 1)
    if not isinstance(steps.rule, LinearRule):
        raise OptionError.no_closed_form("rates", getattr(steps.rule, "name", str(rule)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)
        model: Model = fit(
            source,
            target=target,
            features=features,
            formula=formula,
            offset=offset,
            weights=weights,
            weight_kind=weight_kind,
            where=where,
            missing=missing,
            rare=rare,
            max_levels=max_levels,
            learning_rate="best",
            epochs=1,
            rule=steps.rule,
            momentum=momentum if momentum == "best" else None,
            l2=l2,
            scale=scale,
            intercept=intercept,
            w=w,
            references=references,
            names=names,
            precision=precision,
            executor=executor,
            checkpoint=checkpoint,
            on_progress=on_progress,
        )
    return model.rates
