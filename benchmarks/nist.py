"""Correct digits on NIST's eleven linear sets: steepest and other packages.

The digits are those of the worst coefficient, against the exact solution of the doubles that
everyone is given, at most 16; where a package makes powers, it makes them, else NumPy does.
Timings are of all eleven fits.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import steepest

from .runner import Benchmark, Check, Contestant, Table

FOLDER = Path(__file__).parents[1] / "tests" / "recorded" / "nist"
SETS = (
    "Norris", "Pontius", "NoInt1", "NoInt2", "Filip", "Longley", "Wampler1", "Wampler2",
    "Wampler3", "Wampler4", "Wampler5",
)  # fmt: skip
MOST = 16.0


class Problem(NamedTuple):
    """One set, as doubles."""

    formula: str
    columns: dict[str, Any]
    design: Any
    """Powers included, without the column of ones."""
    intercept: bool
    exact: list[Fraction]


def build(rows: int) -> Benchmark:
    """Everyone who is installed; the digits are in the notes."""
    del rows
    problems = {name: read(name) for name in SETS}
    lines, notes, worst = [], [], {}
    for name, module, solve in SOLVERS:
        if find_spec(module) is None:
            notes.append(f"{module} is not installed: {name} was left out.")
            continue
        digits = [count_digits(solve(p), p.exact) for p in problems.values()]
        worst[name] = min(digits)
        each = "  ".join(f"{s} {d:.1f}" for s, d in zip(problems, digits, strict=True))
        notes.append(f"{name}: fewest {min(digits):.1f}; {each}")
        lines.append(Contestant(name, partial(solve_all, solve, list(problems.values()))))
    tables = [Table("all eleven", lines[0].name, lines)]
    checks = [Check("digits that steepest misses", MOST - worst["steepest"], 0.3)]
    return Benchmark("NIST", 82, tables, partial(check, checks), notes=notes)


def check(checks: list[Check], results: Mapping[str, Any]) -> Iterator[Check]:
    del results
    yield from checks


def read(name: str) -> Problem:
    found = json.loads((FOLDER / f"{name}.json").read_text())
    rows = [[x] if isinstance(x, str) else x for x in found["x"]]
    names, model = found["model"]["columns"], found["model"]
    columns = {
        n: np.array(v, dtype=float) for n, v in zip(names, zip(*rows, strict=True), strict=True)
    }
    degree = model["degree"] or 1
    terms = [*names, *(f"x^{k}" for k in range(2, degree + 1))]
    design = np.column_stack([columns[n] ** k for n in names for k in range(1, degree + 1)])
    y = np.array(found["y"], dtype=float)
    exact_rows = [
        [Fraction(1)] * model["intercept"]
        + [Fraction(float(columns[n][i])) ** k for n in names for k in range(1, degree + 1)]
        for i in range(len(y))
    ]
    exact = solve_fractions(exact_rows, [Fraction(float(v)) for v in y])
    formula = f"y ~ {' + '.join(terms)}{'' if model['intercept'] else ' + 0'}"
    return Problem(formula, {**columns, "y": y}, design, model["intercept"], exact)


def solve_fractions(rows: list[list[Fraction]], y: list[Fraction]) -> list[Fraction]:
    """Least squares by elimination in fractions."""
    p = len(rows[0])
    table = [
        [sum(r[i] * r[j] for r in rows) for j in range(p)]
        + [sum(r[i] * v for r, v in zip(rows, y, strict=True))]
        for i in range(p)
    ]
    for k in range(p):
        table[k] = [value / table[k][k] for value in table[k]]
        for i in range(p):
            if i != k:
                times = table[i][k]
                table[i] = [a - times * b for a, b in zip(table[i], table[k], strict=True)]
    return [row[p] for row in table]


def count_digits(found: Any, exact: list[Fraction]) -> float:
    """The log relative error of the worst coefficient."""
    worst = MOST
    for value, target in zip(found, exact, strict=True):
        error = abs(Fraction(float(value)) - target) / abs(target) if np.isfinite(value) else 1
        worst = min(worst, max(0.0, -math.log10(error)) if error else MOST)
    return worst


def solve_all(solve: Callable[[Problem], Any], problems: list[Problem]) -> None:
    for problem in problems:
        solve(problem)


def use_steepest(problem: Problem, precision: str = "exact") -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = steepest.fit(problem.columns, formula=problem.formula, precision=precision)
    return list(model.coefficients.values())


def full(problem: Problem) -> Any:
    ones = [np.ones(len(problem.design))] if problem.intercept else []
    return np.column_stack([*ones, problem.design])


def use_numpy(problem: Problem) -> Any:
    return np.linalg.lstsq(full(problem), problem.columns["y"], rcond=None)[0]


def use_normal_equations(problem: Problem) -> Any:
    X = full(problem)
    return np.linalg.solve(X.T @ X, X.T @ problem.columns["y"])


def use_scipy(problem: Problem, driver: str) -> Any:
    from scipy.linalg import lstsq

    return lstsq(full(problem), problem.columns["y"], lapack_driver=driver)[0]


def use_sklearn(problem: Problem) -> Any:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression(fit_intercept=problem.intercept)
    model.fit(problem.design, problem.columns["y"])
    return [*([model.intercept_] if problem.intercept else []), *model.coef_]


def use_statsmodels(problem: Problem, method: str) -> Any:
    from statsmodels.api import OLS

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return OLS(problem.columns["y"], full(problem)).fit(method=method).params


SOLVERS: tuple[tuple[str, str, Callable[[Problem], Any]], ...] = (
    ("steepest", "steepest", use_steepest),
    ("steepest, double", "steepest", partial(use_steepest, precision="double")),
    ("numpy.linalg.lstsq", "numpy", use_numpy),
    ("numpy, normal equations", "numpy", use_normal_equations),
    ("scipy gelsd", "scipy", partial(use_scipy, driver="gelsd")),
    ("scipy gelsy", "scipy", partial(use_scipy, driver="gelsy")),
    ("scikit-learn LinearRegression", "sklearn", use_sklearn),
    ("statsmodels OLS, pinv", "statsmodels", partial(use_statsmodels, method="pinv")),
    ("statsmodels OLS, qr", "statsmodels", partial(use_statsmodels, method="qr")),
)
