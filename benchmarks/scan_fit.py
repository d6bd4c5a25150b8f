"""Scan and fit of a table in memory, against one bare product of its matrix with itself.

``Z.T @ Z`` of the same array, on all threads that BLAS has, is what any method of this kind has
to do; all that a fit does beyond it is overhead.  The second table has its columns three
standard deviations away from 0, where a fit has to centre them to keep its digits and the bare
product does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import steepest

from .runner import Benchmark, Check, Contestant, Goal, Table
from .synthetic import NAMES, TARGET, make_table

LIMIT = 1.3
"""Scan and fit should take at most this many times the bare product."""

AGREEMENT = 1e-9
"""Largest difference between coefficients, relative to the largest of them."""

SLOW_ROUNDS = 3


def build(rows: int) -> Benchmark:
    """The same contestants about mean 0 and about mean 3."""
    tables, goals, notes = [], [], []
    estimators = find_estimators()
    if not estimators:
        notes.append("scikit-learn is not installed: its estimators were left out.")
    else:
        notes.append("scikit-learn is given features and target as two arrays made beforehand.")
    for mean in (0, 3):
        table = make_table(rows, mean)
        bare, array = f"bare Z.T @ Z, mean {mean}", f"steepest double, array, mean {mean}"
        columns = {name: table[:, j].copy() for j, name in enumerate(NAMES)}
        lines = [Contestant(bare, partial(multiply, table))]
        for precision in ("double", "exact"):
            named = f"steepest {precision}"
            lines += [
                Contestant(f"{named}, array, mean {mean}", partial(fit_array, table, precision)),
                Contestant(
                    f"{named}, columns, mean {mean}",
                    partial(steepest.fit, columns, target=TARGET, precision=precision),
                ),
            ]
        features, target = table[:, :-1].copy(), table[:, -1].copy()
        lines += [
            Contestant(f"{name}, mean {mean}", partial(fit_rows, make, features, target), rounds=n)
            for name, make, n in estimators
        ]
        tables.append(Table(f"scan + fit, columns about {mean}", bare, lines))
        goals.append(Goal(array, LIMIT))
    return Benchmark(
        f"scan + fit of {len(NAMES) - 1} features and a target", rows, tables, check, goals, notes
    )


def multiply(table: NDArray[np.float64]) -> NDArray[np.float64]:
    return table.T @ table


def fit_array(table: NDArray[np.float64], precision: str) -> steepest.Model:
    return steepest.fit(table, names=NAMES, target=TARGET, precision=precision)


def fit_rows(make: Callable[[], Any], features: Any, target: Any) -> Any:
    return make().fit(features, target)


def find_estimators() -> list[tuple[str, Callable[[], Any], int | None]]:
    """scikit-learn's, each with the rounds it gets, if it is installed."""
    try:
        from sklearn.linear_model import LinearRegression, Ridge
    except ImportError:
        return []
    return [
        ("Ridge(cholesky)", partial(Ridge, alpha=0.0, solver="cholesky"), None),
        ("LinearRegression", LinearRegression, SLOW_ROUNDS),
    ]


def check(results: Mapping[str, Any]) -> Iterator[Check]:
    """Everyone's coefficients are those of the exact fit."""
    for mean in (0, 3):
        suffix = f", mean {mean}"
        ours = np.asarray(results[f"steepest exact, array{suffix}"].coef)
        others = [
            np.asarray(result.coef_ if hasattr(result, "coef_") else result.coef)
            for name, result in results.items()
            if name.endswith(suffix) and not name.startswith("bare")
        ]
        gap = max(float(np.abs(other - ours).max()) for other in others)
        yield Check(
            f"largest difference of coefficients{suffix}",
            gap / float(np.abs(ours).max()),
            AGREEMENT,
        )
