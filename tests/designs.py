"""Designs that patsy and formulaic build, and their least squares in fractions."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import Any

import formulaic
import numpy as np
import pandas as pd
import patsy
import pytest
from tests.problems import solve_fractions

import steepest

Columns = Mapping[str, Iterable[Any]]
"""A design: its columns by name."""

BETWEEN_FACTORS = re.compile(r":(?![^\[(]*[\])])")


def quiet(source: Any, **options: Any) -> steepest.Model:
    """A fit whose warnings are not asked about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", steepest.SteepestWarning)
        return steepest.fit(source, **options)


def order_factors(name: str) -> str:
    """A name with levels first, each kind of factor by its text."""
    factors = BETWEEN_FACTORS.split(name)
    return ":".join(sorted(factors, key=lambda factor: (not factor.endswith("]"), factor)))


def rename(name: str) -> str:
    """A column's name in patsy and formulaic as steepest has it: ``a[T.p]:x`` is ``a[p]:x``."""
    if name == "Intercept":
        return "intercept"
    name = re.sub(r"C\((\w+), [^\[]*\)\[", r"\1[", name).replace("[T.", "[")
    return order_factors(re.sub(r"I\((\w+) ?\*\* ?(\d)\)", r"\1^\2", name))


def build_with_patsy(formula: str, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """The right side of a formula."""
    names = {function: getattr(np, function) for function in ("log2", "log10", "log1p")}
    found = patsy.dmatrix(formula, frame, eval_env=patsy.EvalEnvironment([{**vars(np), **names}]))
    return dict(zip(map(rename, found.design_info.column_names), np.asarray(found).T, strict=True))


def build_with_formulaic(formula: str, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """The right side of a formula."""
    found = formulaic.model_matrix(formula, frame, context={**vars(np)})
    return dict(zip(map(rename, found.columns), found.to_numpy(dtype=float).T, strict=True))


def _make_whole(values: Iterable[Any]) -> tuple[list[int], int]:
    """Numbers times their common denominator, and that."""
    exact = [Fraction(v.item() if isinstance(v, np.generic) else v) for v in values]
    shared = lcm(*(value.denominator for value in exact))
    return [int(value * shared) for value in exact], shared


def solve(
    design: Columns, y: Iterable[Any], weights: Iterable[Any] | None = None
) -> dict[str, Fraction]:
    """Least squares of the numbers given, without rounding."""
    columns = {name: _make_whole(column) for name, column in design.items()}
    right, unit = _make_whole(y)
    shares = [1] * len(right) if weights is None else _make_whole(weights)[0]
    weighed = [[a * w for a, w in zip(c, shares, strict=True)] for c, _ in columns.values()]
    gram = [[_dot(own, column) for column, _ in columns.values()] for own in weighed]
    found = solve_fractions(gram, [_dot(own, right) for own in weighed])
    return {
        name: value * shared / unit
        for (name, (_, shared)), value in zip(columns.items(), found, strict=True)
    }


def _dot(a: Sequence[int], b: Sequence[int]) -> Fraction:
    return Fraction(sum(x * y for x, y in zip(a, b, strict=True)))


def evaluate(design: Columns, coefficients: Mapping[str, Fraction]) -> list[float]:
    """What a design gives with some coefficients, each row rounded once."""
    names = list(coefficients)
    rows = zip(*(design[name] for name in names), strict=True)
    values = coefficients.values()
    return [float(sum(Fraction(x) * c for x, c in zip(row, values, strict=True))) for row in rows]


def agree(
    found: Mapping[str, float], expected: Mapping[str, Fraction], *, rel: float = 1e-12
) -> None:
    """The same names, and each number to so many digits; 0 to so much of the largest."""
    ours = {order_factors(name): value for name, value in found.items()}
    assert sorted(ours) == sorted(expected)
    largest = max(abs(float(value)) for value in expected.values())
    for name, value in expected.items():
        error = rel * (abs(float(value)) or largest)
        assert ours[name] == pytest.approx(float(value), rel=0, abs=error), name
