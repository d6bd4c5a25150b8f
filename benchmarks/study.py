"""Studies: 5 folds and 100 penalties, a lasso path, the best of all subsets; against their peers.

The tables are in memory.  Where others take minutes they get fewer rows, and their time is scaled
by the rows; their lines say so.  A peak is how much more memory the process had at its most than
when the turn began: what the contestant needs beside the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

import steepest

from .runner import Benchmark, Check, Contestant, Goal, Scaled, Table, Turn

FOLDS, PENALTIES = 5, 100
RIDGE_COLUMNS, LASSO_COLUMNS, SUBSET_COLUMNS, BRUTE_COLUMNS = 50, 200, 30, 12
SHARE = 40
"""The slow ones get a row of so many, and their time is scaled."""

WARM_UP_ROWS = 400
"""Enough for compilers to be done before the turn that counts."""

AGREEMENT = 1e-8
PEERS_AGREEMENT = 1e-3
"""What celer and skglm stop at is their own."""

Array = NDArray[np.float64]


def build(rows: int, columns: tuple[int, int, int] = (RIDGE_COLUMNS, LASSO_COLUMNS, SUBSET_COLUMNS)) -> Benchmark:  # noqa: E501  # fmt: skip
    """Half the rows asked for, for the machine's memory's sake."""
    n = rows // 2 // FOLDS * FOLDS
    for name in ("sklearn.linear_model", "celer", "skglm"):  # their BLAS comes before threads count
        if find_spec(name.partition(".")[0]):
            import_module(name)
    ridge, lasso, subset = columns
    tables = [*build_ridge(n, ridge), *build_lasso(n, lasso), build_subsets(subset)]
    goals = [
        Goal(f"scan with contiguous folds and study{mark}", limit)
        for mark, limit in ((", exact", 1.5), (", double", 1.5))
    ] + [Goal(f"scan with hashed folds and study{mark}", 4.0) for mark in (", exact", ", double")]
    notes = [f"{name} is not installed: it was left out." for name in ("sklearn", "celer", "skglm")
             if find_spec(name) is None]  # fmt: skip
    return Benchmark("studies", n, tables, check, goals, notes)


def make(rows: int, columns: int, active: int) -> tuple[Array, list[str]]:
    """A table whose last column is the target, of some of the others and noise."""
    random = np.random.default_rng(columns)
    table = random.standard_normal((rows, columns + 1))
    for j in range(1, columns):
        table[:, j] = 0.5 * table[:, j - 1] + np.sqrt(0.75) * table[:, j]
    weights = np.zeros(columns)
    step = max(1, columns // active)
    weights[::step] = random.standard_normal(len(weights[::step]))
    table[:, -1] += table[:, :-1] @ weights
    return table, [*(f"x{j}" for j in range(columns)), "y"]


def build_ridge(rows: int, columns: int) -> list[Table]:
    """100 penalties l2 by 5 folds."""
    table, names = make(rows, columns, 10)
    penalties = np.geomspace(1e-4, 1e2, PENALTIES)
    tables = []
    for precision in ("exact", "double"):
        plain = f"scan alone, {precision}"
        lines: list[Contestant | Scaled] = [
            Contestant(plain, metered(partial(scan, table, names, precision, None)))
        ]
        for words, folds in (("contiguous", f"contiguous:{FOLDS}"), ("hashed", FOLDS)):
            work = metered(partial(study_ridge, table, names, precision, folds, penalties))
            lines.append(Contestant(f"scan with {words} folds and study, {precision}", work))
        if find_spec("sklearn") and precision == "double":
            few = rows // SHARE
            own = f"scikit-learn GridSearchCV(Ridge), {few:,} of the rows"
            work = metered(partial(search_ridge, table[:few], penalties))
            lines += [
                Contestant(own, work, rounds=1, warm_up=_nothing),
                Scaled("scikit-learn GridSearchCV(Ridge), all rows", own, rows / few),
            ]
        title = f"{FOLDS} folds × {PENALTIES} penalties, {rows:,} × {columns}, {precision}"
        tables.append(Table(title, plain, lines))
    return tables


def metered(work: Callable[[], Any]) -> Callable[[], Turn]:
    """The work, with its time, and the most memory that it took beside what there was."""

    def turn() -> Turn:
        before = _reset_peak()
        start = perf_counter()
        value = work()
        seconds = {"": perf_counter() - start}
        peak = _read_memory("VmHWM")
        known = before is not None and peak is not None
        return Turn(seconds, {"": max(peak - before, 0.0)} if known else {}, value)

    return turn


def _reset_peak() -> float | None:
    """The memory that there is now, in megabytes, from where the peak is counted (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _read_memory("VmRSS")


def _read_memory(name: str) -> float | None:
    file = Path("/proc/self/status")
    if not file.exists():
        return None
    lines = dict(line.split(":", 1) for line in file.read_text().splitlines())
    return int(lines[name].split()[0]) * 1024 / 1e6


def _nothing() -> None:
    """The slow ones are not run to warm up."""


def scan(table: Array, names: list[str], precision: str, folds: Any) -> steepest.Moments:
    return steepest.scan(table, names=names, precision=precision, folds=folds)


def study_ridge(
    table: Array, names: list[str], precision: str, folds: Any, penalties: Array
) -> steepest.Study:
    moments = scan(table, names, precision, folds)
    return steepest.study(moments, "y", l2=penalties, scale="none")


def search_ridge(table: Array, penalties: Array) -> tuple[Array, Array]:
    """The errors by brute force, and those of a study of the same rows."""
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV, KFold

    trained = len(table) * (FOLDS - 1) // FOLDS
    found = GridSearchCV(
        Ridge(), {"alpha": penalties * trained}, cv=KFold(FOLDS), scoring="neg_mean_squared_error"
    ).fit(table[:, :-1], table[:, -1])
    return table, -found.cv_results_["mean_test_score"]


def build_lasso(rows: int, columns: int) -> list[Table]:
    """A path of 100 penalties l1 on all rows, and by 5 folds."""
    table, names = make(rows, columns, 20)
    few = rows // SHARE
    part = np.asfortranarray(table[:few, :-1]), table[:few, -1].copy()
    own = f"steepest, scan and path of {columns} columns"
    lines: list[Contestant | Scaled] = [
        Contestant(own, metered(partial(path, table, names))),
        Contestant(f"{own}, {few:,} of the rows", metered(partial(path, table[:few], names))),
    ]
    for name, module, work, scales in LASSOS:
        if not find_spec(module):
            continue
        warm_up = partial(work, part[0][:WARM_UP_ROWS], part[1][:WARM_UP_ROWS])
        if not scales:
            lines.append(
                Contestant(f"{name}, {columns} columns",
                           metered(lambda work=work: work(table[:, :-1], table[:, -1])),
                           rounds=1, warm_up=warm_up)
            )  # fmt: skip
            continue
        measured = f"{name}, {few:,} of the rows"
        lines += [
            Contestant(measured, metered(partial(work, *part)), rounds=1, warm_up=warm_up),
            Scaled(f"{name}, all rows", measured, rows / few),
        ]
    study = f"steepest, scan with folds and study of {columns} columns"
    folded: list[Contestant | Scaled] = [
        Contestant(study, metered(partial(study_lasso, table, names)), rounds=3)
    ]
    if find_spec("sklearn"):
        measured = f"scikit-learn LassoCV, {few:,} of the rows"
        folded += [
            Contestant(measured, metered(partial(search_lasso, *part)), rounds=1,
                       warm_up=_nothing),
            Scaled("scikit-learn LassoCV, all rows", measured, rows / few),
        ]  # fmt: skip
    size = f"{rows:,} × {columns}"
    return [
        Table(f"lasso path, {size}", own, lines),
        Table(f"lasso, {FOLDS} folds, {size}", study, folded),
    ]


def path(table: Array, names: list[str]) -> Array:
    """Coefficients of 100 penalties l1, shape (100, p), of columns as they are."""
    from steepest.models.grids import Point, place_path
    from steepest.models.training import Manner, Trainer

    moments = steepest.scan(table, names=names, precision="double")
    trainer = Trainer(moments.problem("y"), Manner("none"))
    return trainer.train([Point(l1) for l1 in place_path(trainer.largest)]).coef


def study_lasso(table: Array, names: list[str]) -> steepest.Study:
    moments = scan(table, names, "double", f"contiguous:{FOLDS}")
    return steepest.study(moments, "y", l1="path", scale="none")


def search_lasso(features: Array, target: Array) -> Any:
    from sklearn.linear_model import LassoCV
    from sklearn.model_selection import KFold

    return LassoCV(alphas=PENALTIES, cv=KFold(FOLDS)).fit(features, target)


def path_sklearn(features: Array, target: Array) -> Array:
    from sklearn.linear_model import lasso_path

    centred, own = features - features.mean(axis=0), target - target.mean()
    return lasso_path(centred, own, n_alphas=PENALTIES, precompute=True, tol=1e-8)[1].T


def path_celer(features: Array, target: Array) -> Array:
    from celer import celer_path

    centred, own = features - features.mean(axis=0), target - target.mean()
    top = float(np.abs(centred.T @ own).max()) / len(own)
    alphas = np.geomspace(top, top / 1000, PENALTIES)
    return celer_path(np.asfortranarray(centred), own, "lasso", alphas=alphas)[1].T


def path_skglm(features: Array, target: Array) -> Array:
    from skglm.datafits import Quadratic
    from skglm.penalties import L1
    from skglm.solvers import AndersonCD

    centred, own = features - features.mean(axis=0), target - target.mean()
    top = float(np.abs(centred.T @ own).max()) / len(own)
    solver = AndersonCD(fit_intercept=False, warm_start=True, tol=1e-6)
    found, start = [], np.zeros(centred.shape[1])
    for alpha in np.geomspace(top, top / 1000, PENALTIES):
        datafit, penalty = Quadratic(), L1(alpha)
        datafit.initialize(centred, own)
        start, *_ = solver.solve(centred, own, datafit, penalty, w_init=start.copy(),
                                 Xw_init=centred @ start)  # fmt: skip
        found.append(start)
    return np.array(found)


LASSOS: tuple[tuple[str, str, Callable[[Array, Array], Array], bool], ...] = (
    ("scikit-learn, precompute", "sklearn", path_sklearn, False),
    ("celer", "celer", path_celer, True),
    ("skglm", "skglm", path_skglm, True),
)
"""Who makes a path, and whether its time grows with the rows, so that a part of them will do."""


def build_subsets(columns: int) -> Table:
    """The best of all subsets, after a scan that costs nothing beside."""
    rows = 10_000
    table, names = make(rows, columns, 8)
    reference = f"steepest, best of all subsets of {columns} columns"
    lines: list[Contestant | Scaled] = [
        Contestant(reference, metered(partial(select, table, names)))
    ]
    few = min(BRUTE_COLUMNS, columns)
    own = f"steepest, best of all subsets of {few} columns"
    brute = f"brute force on the same sums, {few} columns"
    narrow = np.ascontiguousarray(table[:, [*range(few), -1]])
    lines += [
        Contestant(own, metered(partial(select, narrow, [*names[:few], "y"]))),
        Contestant(brute, metered(partial(try_all, narrow)), rounds=1, warm_up=_nothing),
    ]
    if columns > few:
        lines.append(
            Scaled(
                f"brute force on the same sums, {columns} columns", brute, 2.0 ** (columns - few)
            )
        )
    return Table(f"subsets, {rows:,} rows", reference, lines)


def select(table: Array, names: list[str]) -> steepest.Selection:
    return steepest.select(table, "y", names=names, precision="double")


def try_all(table: Array) -> list[tuple[int, ...]]:
    """The best subset of each size, all of one size at a time by one batched solve."""
    from itertools import combinations

    z = (table - table.mean(axis=0)) / table.std(axis=0)
    c = z.T @ z / len(z)
    p = len(c) - 1
    found: list[tuple[int, ...]] = [()]
    for size in range(1, p + 1):
        sets = np.array(list(combinations(range(p), size)))
        inner = c[sets[:, :, None], sets[:, None, :]]
        right = c[sets, p]
        gain = np.einsum("bi,bi->b", right, np.linalg.solve(inner, right[..., None])[..., 0])
        found.append(tuple(sets[int(np.argmax(gain))].tolist()))
    return found


def check(results: Mapping[str, Any]) -> Iterator[Check]:
    """Errors, paths and subsets are those of others."""
    values = {name: turn.value for name, turn in results.items()}
    for name, found in values.items():
        if name.startswith("scikit-learn GridSearchCV"):
            table, errors = found
            names = [*(f"x{j}" for j in range(table.shape[1] - 1)), "y"]
            penalties = np.geomspace(1e-4, 1e2, PENALTIES)
            folds = f"contiguous:{FOLDS}"
            own = study_ridge(table, names, "double", folds, penalties)
            gap = np.abs(np.array([c.error for c in own.candidates]) / errors - 1).max()
            yield Check("errors beside GridSearchCV's, relative", float(gap), AGREEMENT)
    paths = {n: found for n, found in values.items() if isinstance(found, np.ndarray)}
    for name, found in paths.items():
        if not name.startswith("steepest"):
            ours = [n for n in paths if n.startswith("steepest")]
            part = name.endswith("of the rows")
            first = paths[next(n for n in ours if n.endswith("of the rows") == part)]
            gap = np.abs(found - first).max() / np.abs(first).max()
            yield Check(f"path beside that of {name}, relative", float(gap), PEERS_AGREEMENT)
    for name, found in values.items():
        if name.startswith("brute force"):
            few = len(found) - 1
            own = values[f"steepest, best of all subsets of {few} columns"]
            differ = sum(a.at != b for a, b in zip(own.subsets, found, strict=True))
            yield Check("sizes whose best subset is another than by brute force", differ, 0)
