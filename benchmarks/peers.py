"""Whole fits of tables in memory by steepest and by other packages that are installed.

Each is given the array, or the frame, that it likes best, made beforehand.  bitrep takes rows one
by one: it gets fewer, and the time to add them is scaled; its exact solve is timed apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

import steepest

from .runner import Benchmark, Check, Contestant, Scaled, Table

AGREEMENT = 1e-6
"""Largest difference between coefficients, relative to the largest of them."""

BITREP_ROWS = 5_000
SLOW_ROUNDS = 1
SHAPES = ((2.0, 50), (5.0, 10))
"""Rows, in units of the rows asked for, and features."""


def build(rows: int) -> Benchmark:
    """Two shapes, everyone who is installed."""
    tables: list[Table] = []
    notes: list[str] = []
    for share, k in SHAPES:
        n = int(share * rows)
        suffix = f", {n:,} × {k}"
        rng = np.random.default_rng(k)
        features = rng.standard_normal((n, k))
        target = features @ np.linspace(-1, 2, k) + rng.standard_normal(n) + 3
        table = np.column_stack([features, target])
        names = [*(f"x{j}" for j in range(k)), "y"]
        reference = f"steepest exact{suffix}"
        lines: list[Contestant | Scaled] = [
            Contestant(f"steepest {p}{suffix}", partial(fit, table, names, p))
            for p in ("exact", "double")
        ]
        for name, module, make, rounds in PEERS:
            if find_spec(module) is None:
                notes.append(f"{module} is not installed: {name} was left out.")
                continue
            work = make(features, target)
            lines.append(Contestant(f"{name}{suffix}", work, rounds=rounds, warm_up=_nothing))
        if find_spec("bitrep") is not None:
            few = min(BITREP_ROWS, n)
            own = f"bitrep, {few:,} of the rows added, {k} features"
            sums = add_bitrep(features[: k + 9].tolist(), target[: k + 9].tolist())
            work = partial(add_bitrep, features[:few].tolist(), target[:few].tolist())
            lines += [
                Contestant(own, work, rounds=SLOW_ROUNDS),
                Scaled(f"bitrep, all rows added, {k} features", own, n / few),
                Contestant(
                    f"bitrep regression_exact, {k} features", sums.regression_exact,
                    rounds=SLOW_ROUNDS, warm_up=_nothing,
                ),
            ]  # fmt: skip
        else:
            notes.append("bitrep is not installed: it was left out.")
        tables.append(Table(f"{n:,} rows, {k} features", reference, lines))
    return Benchmark("whole fits", rows, tables, check, notes=notes)


def _nothing() -> None:
    """The slow ones are not run to warm up."""


def fit(table: NDArray[np.float64], names: list[str], precision: str) -> NDArray[np.float64]:
    return steepest.fit(table, names=names, target="y", precision=precision).coef


def fit_rows(make: Callable[[], Any], features: Any, target: Any) -> Any:
    return make().fit(features, target).coef_


def use_sklearn(name: str, **options: Any) -> Callable[..., Callable[[], Any]]:
    def prepare(features: Any, target: Any) -> Callable[[], Any]:
        from sklearn import linear_model

        return partial(fit_rows, partial(getattr(linear_model, name), **options), features, target)

    return prepare


def use_glum(features: Any, target: Any) -> Callable[[], Any]:
    from glum import GeneralizedLinearRegressor

    make = partial(GeneralizedLinearRegressor, family="normal", alpha=0.0, gradient_tol=1e-9)
    return partial(fit_rows, make, features, target)


def use_statsmodels(features: Any, target: Any) -> Callable[[], Any]:
    from statsmodels.api import OLS, add_constant

    def work() -> Any:
        return OLS(target, add_constant(features)).fit().params[1:]

    return work


def use_polars(features: Any, target: Any) -> Callable[[], Any]:
    import polars as pl
    import polars_ds as pds

    names = [f"x{j}" for j in range(features.shape[1])]
    frame = pl.DataFrame({**dict(zip(names, features.T, strict=True)), "y": target})
    expression = pds.lin_reg(*names, target="y", add_bias=True, solver="cholesky")

    def work() -> Any:
        found = frame.select(expression).to_series()[0]
        return np.asarray(found)[:-1]

    return work


def use_torch(features: Any, target: Any) -> Callable[[], Any]:
    import torch

    X, y = torch.from_numpy(features), torch.from_numpy(target)

    def work() -> Any:
        mean, middle = X.mean(0), y.mean()
        gram = X.T @ X - len(X) * torch.outer(mean, mean)
        return torch.linalg.solve(gram, X.T @ y - len(X) * mean * middle).numpy()

    return work


def use_duckdb(features: Any, target: Any) -> Callable[[], Any]:
    """Sums of products by SQL, and the normal equations by NumPy."""
    import duckdb
    import pyarrow as pa

    k = features.shape[1]
    columns = {f"x{j}": features[:, j].copy() for j in range(k)}
    rows = pa.table({**columns, "y": target})
    names = [*columns, "y"]
    terms = [f"sum({n})" for n in names]
    terms += [f"sum({a} * {b})" for i, a in enumerate(names) for b in names[i:]]
    query = f"select {', '.join(terms)} from rows"

    def work() -> Any:
        with duckdb.connect() as connection:
            connection.register("rows", rows)
            found = np.array(connection.execute(query).fetchone(), dtype=float)
        totals, products = found[: k + 1], np.zeros((k + 1, k + 1))
        products[np.triu_indices(k + 1)] = found[k + 1 :]
        scatter = products + np.triu(products, 1).T - np.outer(totals, totals) / len(target)
        return np.linalg.solve(scatter[:k, :k], scatter[:k, k])

    return work


def add_bitrep(features: list[list[float]], target: list[float]) -> Any:
    import bitrep

    sums = bitrep.CovMatrixF64(len(features[0]))
    for row, y in zip(features, target, strict=True):
        sums.add(row, y)
    return sums


PEERS: tuple[tuple[str, str, Callable[..., Callable[[], Any]], int | None], ...] = (
    ("scikit-learn LinearRegression", "sklearn", use_sklearn("LinearRegression"), SLOW_ROUNDS),
    ("scikit-learn Ridge(cholesky)", "sklearn",
     use_sklearn("Ridge", alpha=0.0, solver="cholesky"), None),
    ("statsmodels OLS", "statsmodels", use_statsmodels, SLOW_ROUNDS),
    ("polars-ds lin_reg(cholesky)", "polars_ds", use_polars, None),
    ("glum", "glum", use_glum, 3),
    ("torch Gram", "torch", use_torch, None),
    ("duckdb sums, NumPy solve", "duckdb", use_duckdb, 3),
)  # fmt: skip


def check(results: Mapping[str, Any]) -> Iterator[Check]:
    """Everyone's coefficients are those of the exact fit."""
    for suffix in {name.partition(", ")[2] for name in results}:
        same = {n: c for n, c in results.items() if n.endswith(f", {suffix}")}
        exact = same.pop(f"steepest exact, {suffix}", None)
        if exact is None:
            continue
        gap = max(float(np.abs(np.asarray(coef) - exact).max()) for coef in same.values())
        what = f"largest difference of coefficients, {suffix}"
        yield Check(what, gap / float(np.abs(exact).max()), AGREEMENT)
