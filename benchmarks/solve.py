"""The solve after the scan: correctly rounded coefficients from exact sums, and in doubles.

All of a fit that follows the scan is timed: the problem cut out of the moments, relations, the
spectrum, the rate, the certified limit, standard errors.  LAPACK's solve of the same normal
equations in doubles is the reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

import steepest

from .runner import Benchmark, Check, Contestant, Table

WIDTHS = (50, 300, 1_000)
AGREEMENT = 1e-9


def build(rows: int, widths: tuple[int, ...] = WIDTHS) -> Benchmark:
    """Three rows a column are scanned, whatever the rows asked for: they do not matter here."""
    del rows
    tables = []
    for k in widths:
        rng = np.random.default_rng(k)
        X = rng.standard_normal((3 * k, k))
        names = [*(f"x{j}" for j in range(k)), "y"]
        table = np.column_stack([X, X @ np.linspace(-1, 2, k) + rng.standard_normal(3 * k)])
        suffix = f", {k:,} columns"
        lines = [Contestant(f"LAPACK solve{suffix}", partial(solve, table))]
        for precision in ("double", "exact"):
            moments = steepest.scan(table, names=names, precision=precision)
            work = partial(steepest.fit, moments, target="y")
            lines.append(Contestant(f"fit of {precision} moments{suffix}", work, rounds=3))
        tables.append(Table(f"{k:,} columns", lines[0].name, lines))
    return Benchmark("solve", 3 * max(widths), tables, partial(check, widths))


def solve(table: Any) -> Any:
    centred = table - table.mean(axis=0)
    scatter = centred.T @ centred
    return np.linalg.solve(scatter[:-1, :-1], scatter[:-1, -1])


def check(widths: tuple[int, ...], results: Mapping[str, Any]) -> Iterator[Check]:
    """All agree, and the exact limit is proven."""
    for k in widths:
        suffix = f", {k:,} columns"
        exact = results[f"fit of exact moments{suffix}"]
        others = [results[f"LAPACK solve{suffix}"], results[f"fit of double moments{suffix}"].coef]
        gap = max(float(np.abs(coef - exact.coef).max()) for coef in others)
        yield Check(f"largest difference of coefficients{suffix}", gap, AGREEMENT)
        yield Check(f"units in the last place{suffix}", exact.certificate.ulps or np.inf, 0.5)
