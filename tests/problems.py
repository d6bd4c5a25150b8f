"""Problems whose answers come from elsewhere: closed forms, exact fractions, plain loops."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np


@dataclass(frozen=True)
class Table:
    """Columns x1, x2, ... and y, as rows X of shape (n, p) and y of shape (n,)."""

    X: np.ndarray
    y: np.ndarray

    @property
    def names(self) -> list[str]:
        return [f"x{j + 1}" for j in range(self.X.shape[1])]

    @property
    def columns(self) -> dict[str, np.ndarray]:
        return {**dict(zip(self.names, self.X.T, strict=True)), "y": self.y}


def correlated(n: int = 200, p: int = 4, offset: float = 0.0, seed: int = 0) -> Table:
    """Columns of different scale with common parts, a noisy target."""
    rng = np.random.default_rng(seed)
    scales = 10.0 ** np.linspace(-0.5, 0.5, p)
    X = (rng.standard_normal((n, p)) + 0.5 * rng.standard_normal((n, 1)) + offset) * scales
    y = X @ rng.uniform(-1, 1, p) / scales.mean() + 0.3 * rng.standard_normal(n) + 2.0
    return Table(X, y)


def collinear(n: int = 60) -> Table:
    """x3 = x1 + x2 exactly, in small integers."""
    rng = np.random.default_rng(5)
    a, b = rng.integers(-50, 50, (2, n)).astype(float)
    return Table(np.column_stack([a, b, a + b]), 2 * a - b + rng.standard_normal(n))


def exact_moments(rows: np.ndarray) -> tuple[list[Fraction], list[list[Fraction]]]:
    """Mean and scatter of float rows in exact fractions: the truth about those doubles."""
    columns = [[Fraction(float(value)) for value in column] for column in rows.T]
    n = len(rows)
    means = [sum(column) / n for column in columns]
    scatter = [
        [
            sum(u * v for u, v in zip(a, b, strict=True)) - n * ma * mb
            for b, mb in zip(columns, means, strict=True)
        ]
        for a, ma in zip(columns, means, strict=True)
    ]
    return means, scatter


@dataclass(frozen=True)
class RowLoop:
    """The naive descent, over the rows, as a person would write it in NumPy."""

    design: np.ndarray
    y: np.ndarray
    l2: float
    penalised: np.ndarray

    def run(self, u: np.ndarray, rate: float, epochs: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights (epochs + 1, q) and losses (epochs + 1,), epoch 0 first."""
        weights, losses = [u.copy()], []
        for _ in range(epochs + 1):
            residual = self.design @ u - self.y
            losses.append(np.mean(residual**2))
            gradient = 2 * self.design.T @ residual / len(self.y)
            u = u - rate * (gradient + 2 * self.l2 * u * self.penalised)
            weights.append(u.copy())
        return np.array(weights[:-1]), np.array(losses)


def naive_loop(
    table: Table, scale: str, l2: float, *, intercept: bool = True
) -> tuple[RowLoop, np.ndarray]:
    """The loop over rows in the convention of ``scale``, and the columns' spread."""
    X, y = table.X, table.y
    p = X.shape[1]
    if scale == "none":
        design = np.column_stack([np.ones(len(X)), X]) if intercept else X
        penalised = np.array([0.0] * intercept + [1.0] * p)
        return RowLoop(design, y, l2, penalised), np.ones(p)
    if intercept:
        spread = X.std(axis=0)
        return RowLoop((X - X.mean(axis=0)) / spread, y - y.mean(), l2, np.ones(p)), spread
    spread = np.sqrt((X**2).mean(axis=0))
    return RowLoop(X / spread, y, l2, np.ones(p)), spread


def find_kernels():
    """The kernels of exact sums that are there: NumPy, and the compiled one for any processor."""
    from steepest.sums import library

    return [name for name in library.CHOICES if library.can_run(name)]


def solve_fractions(matrix, *columns):
    """The solutions of a system for right sides, by elimination in fractions; a list for one."""
    p = len(matrix)
    table = [[*row, *(column[i] for column in columns)] for i, row in enumerate(matrix)]
    for k in range(p):
        pivot = next(i for i in range(k, p) if table[i][k])
        table[k], table[pivot] = table[pivot], table[k]
        table[k] = [value / table[k][k] for value in table[k]]
        for i in range(p):
            times = table[i][k]
            if i != k and times:
                table[i] = [a - times * b for a, b in zip(table[i], table[k], strict=True)]
    found = [[row[p + j] for row in table] for j in range(len(columns))]
    return found[0] if len(columns) == 1 else found


def least_squares_of(rows, y, *, centred):
    """Coefficients, squared standard errors, σ² and R² as fractions."""
    n, p = len(rows), len(rows[0])
    gram = [[sum(r[i] * r[j] for r in rows) for j in range(p)] for i in range(p)]
    right = [sum(r[i] * v for r, v in zip(rows, y, strict=True)) for i in range(p)]
    ones = [[Fraction(i == j) for i in range(p)] for j in range(p)]
    coef, *inverse = solve_fractions(gram, right, *ones)
    residual = sum(
        (v - sum(a * b for a, b in zip(r, coef, strict=True))) ** 2
        for r, v in zip(rows, y, strict=True)
    )
    mean = sum(y) / n if centred else 0
    total = sum((v - mean) ** 2 for v in y)
    variance = residual / (n - p)
    return coef, [variance * inverse[j][j] for j in range(p)], variance, 1 - residual / total


def root_of(value):
    """The square root of a fraction, rounded once."""
    with localcontext(prec=60):
        return float((Decimal(value.numerator) / Decimal(value.denominator)).sqrt())
