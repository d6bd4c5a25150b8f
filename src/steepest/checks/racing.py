"""The same problem by NumPy, PyTorch, JAX and moments, side by side."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..data.choice import Wanted
from ..data.design import MOST_LEVELS
from ..data.expressions import Expression, Interaction
from ..data.open import open_source
from ..data.table import allow_mixed
from ..errors import EmptySourceError, SourceError, SteepestWarning, check_whole
from ..models.assembly import fit_problem
from ..models.fitting import check_target
from ..models.model import Model
from ..models.request import check_options, check_view, read_request
from ..models.settings import Settings
from ..sums.moments import Moments
from ..sums.scanning import scan_source
from ..typing import Floats, OnProgress
from .racerows import FirstRows
from .racers import BLOCK, Closed, Racer, find_starts
from .races import CLOSED, Lane, OnTurn, Race, absent, find_bounds
from .racetrack import Surveyor, check_memory

TURN = 0.25
"""Seconds that a lane runs before the next has its turn."""


def race(
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
    learning_rate: float | None = None,
    epochs: int = 100,
    l2: float = 0.0,
    scale: str = "standard",
    intercept: bool = True,
    w: Mapping[str, float] | ArrayLike | None = None,
    references: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
    precision: str | None = None,
    rows: int | None = None,
    on_progress: OnProgress | None = None,
    on_turn: OnTurn | None = None,
) -> Race:
    """Solve one problem in four ways, and see that they agree and what each costs.

    Gradient descent at one rate from one start, in double precision: by NumPy with the gradient
    written out, by PyTorch's autograd, by JAX compiled, and by the closed form from moments,

        uₜ₊₁ = uₜ - η ∇(mean of (Z uₜ - y)² + l2 ‖uₜ‖²),      u(t) = u∞ + Σᵢ qᵢ ρᵢᵗ qᵢᵀ (u(0) - u∞).

    The first three go through :func:`steepest.descend`, over the rows that a fit uses, in
    memory.

    Parameters
    ----------
    source : path, glob, list of paths, array, dict of arrays, DataFrame or Arrow table
        What :func:`steepest.scan` reads; not its moments, for the rows are needed.
    target, features, formula, offset, weights, weight_kind, where, missing, rare, max_levels
        As for :func:`steepest.fit`.
    learning_rate : float, optional
        The rate η, in (unit of w)² / loss.  Default: 2/(L + ℓ), the best fixed rate.
    epochs : int, optional
        Updates to make.
    l2, scale, intercept, w, references, names, precision
        As for :func:`steepest.fit`.
    rows : int, optional
        Take the first so many rows of the table.  Default: all.
    on_progress : callable, optional
        Called with a :class:`~steepest.typing.Progress` as rows are scanned.
    on_turn : callable, optional
        Called with the Race as it stands, about every quarter of a second; returning True ends
        it there.

    Returns
    -------
    Race
        With a lane for each way; printed, it is a table.

    Raises
    ------
    LearningRateError
        A rate at or above 2/L, refused before the first step, with L.
    TooLargeError
        Rows that take more than a quarter of the free memory.
    SourceError
        Moments instead of a table, or a table that changed between the two times it was read.
    EmptySourceError
        No rows, or no column that varies.
    OptionError, ColumnNotFoundError, ColumnKindError, ValueFoundError
        As for :func:`steepest.fit`.

    Warns
    -----
    SteepestWarning
        As for :func:`steepest.fit`.

    Notes
    -----
    The table is read twice: for the moments and for the array.  Lanes take turns of a quarter of a
    second in threads of their own, of which one runs at a time; only epochs are timed, and the
    time to load a library is not.  A lane whose library is not installed says so.  O(n q) an epoch
    and n (q + 1) numbers for each lane over rows, O(q²) for moments.

    Two ways agree when no weight differs by more than 2⁻⁵² · 16 (q + 3) (κ + t) times the largest,
    in the coordinates of the descent: what rounding can do.

    Examples
    --------
    >>> table = {"x": [1.0, 2.0, 3.0, 4.0], "y": [2.0, 4.0, 6.0, 9.0]}
    >>> result = race(table, target="y", learning_rate=0.1, epochs=50)
    >>> result.agree
    True
    >>> by_hand = result["NumPy, gradient by hand"]
    >>> by_hand.epochs, round(by_hand.coefficients["x"], 4)
    (50, 2.3)
    """
    check_options(learning_rate, epochs, l2, scale, "shortest")
    check_whole("epochs", epochs, 1)
    check_view(missing, rare)
    request = read_request(
        target,
        features,
        formula,
        intercept=intercept,
        offset=offset,
        wanted=Wanted.of(weights, weight_kind, where, max_levels),
    )
    if isinstance(source, Moments):
        raise SourceError.no_race(source.where)
    opened = allow_mixed(open_source(source, names), request.wanted.categories)
    if rows is not None:
        opened = FirstRows(opened, check_whole("rows", rows, 1))
    check_target(opened.schema(request.wanted.sources), request.target)
    begun = perf_counter()
    moments = scan_source(opened, request.wanted, precision=precision, on_progress=on_progress)
    problem = moments.problem(
        request.target,
        request.features,
        intercept=request.intercept,
        references=references,
        missing=missing,
        offset=request.offset,
        rare=rare,
    )
    check_memory(problem)
    settings = Settings(learning_rate, epochs, float(l2), scale, request.intercept, (0.0, ()))
    model = fit_problem(problem, settings, w=w, collinear="shortest", moments=moments)
    path = model.path
    taken = perf_counter() - begun
    for note in model.notes:
        warnings.warn(note, SteepestWarning, stacklevel=2)
    if not path.curvatures.largest:
        constant = dict.fromkeys((term.name for term in problem.terms), "it is constant")
        raise EmptySourceError.no_columns(moments.where, constant)
    surveyor = Surveyor(opened, request, moments, missing, model.problem, path.coordinates)
    return _run(model, surveyor, taken, on_turn)


def _run(model: Model, surveyor: Surveyor, taken: float, on_turn: OnTurn | None) -> Race:
    """Let the lanes take turns until all have ended."""
    epochs = int(model.settings.epochs or 0)
    moments, bounds = run_moments(model, epochs, taken)
    begun = perf_counter()
    track = surveyor.build(model.settings.l2)
    read = perf_counter() - begun
    closed = Closed(model.path)
    starts = find_starts(track, model.path.start, model.learning_rate, epochs)
    racers = {
        name: Racer(name, start, closed, read)
        for name, start in starts.items()
        if not isinstance(start, str)
    }

    def report() -> Race:
        lanes = [
            racers[name].report(bounds) if name in racers else absent(name, str(start))
            for name, start in starts.items()
        ]
        return Race(model, (*lanes, moments), epochs)

    try:
        running = list(racers.values())
        while running:
            for racer in running:
                racer.take_turn(TURN)
                if on_turn is not None and on_turn(report()):
                    return report()
            running = [racer for racer in running if not racer.finished]
    finally:
        for racer in racers.values():
            racer.stop()
    return report()


def run_moments(model: Model, epochs: int, setup: float) -> tuple[Lane, Floats]:
    """The lane of the closed form, every epoch of it, and how far others may be from it."""
    path = model.path
    losses, largest, seconds = np.empty(epochs + 1), 0.0, 0.0
    for first in range(0, epochs + 1, BLOCK):
        t = np.arange(first, min(first + BLOCK, epochs + 1))
        begun = perf_counter()
        u, losses[t] = path.position(t), path.objective(t)
        seconds += perf_counter() - begun
        largest = max(largest, float(np.abs(u).max()))
    bounds = find_bounds(path, epochs, largest)
    lane = Lane(
        CLOSED,
        losses,
        u[-1],
        model.coefficients,
        np.zeros(epochs + 1),
        bounds,
        np.full(epochs, seconds / (epochs + 1)),
        setup,
    )
    return lane, bounds
