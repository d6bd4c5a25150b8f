"""Ten numbers and a text column of few or many levels, out of a Parquet file: time and memory.

The model is the last of the numbers by the nine others, and a coefficient for each level of the
text but the first.  Every turn is a process of its own, which does all of it with a few rows
first, so that no import is timed; a peak is that of the whole process.  Scans are compared with
those of the numbers alone.  The sums of the numbers by level, made by polars, are no fit, but
what any fit has to read and add.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from time import perf_counter
from typing import Any

import numpy as np

from .runner import Benchmark, Check, Contestant, Goal, Stage, Table, Turn

LIMIT = 3.0
"""A scan with a text column of the most levels should take this many times that without it."""

AGREEMENT = 1e-6
"""Largest difference between coefficients of the numbers, relative to the largest of them."""

LEVELS = (12, 300, 10_000)
FEATURES = tuple(f"x{j}" for j in range(1, 10))
TARGET = "y"
NUMBERS = (*FEATURES, TARGET)

GROUP_ROWS = 1 << 20
"""Rows of a row group: what Arrow and pandas write unless they are told otherwise."""

FEW_ROWS, FEW_LEVELS = 1_000, 5
"""What processes warm up with."""

SLOW_ROUNDS = 3
PATIENCE = 1_800
"""Seconds that a process is given."""

TOLERANCE = 1e-8
"""Of ``Ridge(solver="sparse_cg")``: the loosest power of ten that passes the check."""

Stages = Sequence[tuple[str, Callable[[Any], Any]]]
"""What is done one after the other: each is given what the one before it returned."""


def build(rows: int, levels: tuple[int, ...] = LEVELS) -> Benchmark:
    """For each number of levels exact sums and the others, then doubles."""
    folder = Path(mkdtemp(prefix="steepest-"))
    atexit.register(rmtree, folder, ignore_errors=True)
    write_file(folder / "rows.parquet", rows, {m: m for m in levels})
    write_file(folder / "few.parquet", FEW_ROWS, dict.fromkeys(levels, FEW_LEVELS))
    megabytes = (folder / "rows.parquet").stat().st_size / 1e6
    notes = [f"one file of {megabytes:,.0f} MB has the numbers and all text columns."]
    peers = []
    for name, modules, _, stages in PEERS:
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            notes.append(f"{missing[0]} is not installed: {name} was left out.")
        else:
            peers.append((name, stages))
    tables, goals = [], []
    for m in levels:
        for precision in ("exact", "double"):
            suffix = f", {m:,} levels"
            enter = partial(_enter, folder, f"{precision}{suffix}")
            ours = f"steepest {precision}"
            lines = [
                *enter("numbers alone", ours + " scan", ""),
                *enter("scan, then fit", ours + " scan and fit", f"text{m}", ("scan", "fit")),
                *enter("fit of the file", ours + " fit", f"text{m}"),
            ]
            reference = lines[0].name
            scans = [lines[2].name]
            if m == max(levels):
                lines += enter("scan, dictionary", ours + " scan", f"dictionary{m}")
                scans.append(lines[-1].name)
                goals += [Goal(name, LIMIT) for name in scans]
            if precision == "exact":
                for name, stages in peers:
                    lines += _enter(folder, f"{m:,} levels", name, name, f"text{m}", stages)
            tables.append(Table(f"{m:,} levels, {precision}", reference, lines))
    title = "ten numbers and a text column"
    return Benchmark(title, rows, tables, partial(check, levels), goals, notes)


def _enter(
    folder: Path, suffix: str, label: str, name: str, text: str, stages: Sequence[str] = ()
) -> list[Contestant | Stage]:
    """A contestant with a process for each turn, and lines for its stages."""
    whole, rounds = f"{label}, {suffix}", SLOW_ROUNDS if name in SLOW else None
    return [
        Contestant(whole, partial(run_apart, folder, name, text), rounds, _nothing),
        *(Stage(f"{label}: {stage}, {suffix}", whole, stage) for stage in stages),
    ]


def _nothing() -> None:
    """Every process warms up by itself."""


def write_file(path: Path, rows: int, levels: Mapping[int, int]) -> None:
    """The numbers, and for each key so many levels, as plain text and as a dictionary.

    Levels are the rarer the later they stand; each has an effect on all of the numbers.
    """
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(7)
    words = {key: pa.array([f"level {i:06}" for i in rng.permutation(m)])
             for key, m in levels.items()}  # fmt: skip
    effects = {key: rng.standard_normal(m) for key, m in levels.items()}
    writer = None
    for start in range(0, rows, GROUP_ROWS):
        n = min(GROUP_ROWS, rows - start)
        features = rng.standard_normal((len(FEATURES), n))
        target = np.linspace(-1, 2, len(FEATURES)) @ features + rng.standard_normal(n) + 3
        columns = {}
        for key, m in levels.items():
            codes = (m * rng.random(n) ** 2).astype(np.int32)
            features += 0.1 * effects[key][codes]
            target += effects[key][codes]
            columns[f"text{key}"] = words[key].take(pa.array(codes))
            columns[f"dictionary{key}"] = pa.DictionaryArray.from_arrays(codes, words[key])
        columns = {**dict(zip(FEATURES, features, strict=True)), TARGET: target, **columns}
        table = pa.table(columns)
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def scan_file(precision: str, file: str, text: str) -> Stages:
    import steepest

    columns = [*NUMBERS, text] if text else [*NUMBERS]
    work = partial(steepest.scan, file, columns=columns, precision=precision)
    return [("scan", lambda _: work())]


def scan_and_fit(precision: str, file: str, text: str) -> Stages:
    import steepest

    return [
        *scan_file(precision, file, text),
        ("fit", lambda moments: steepest.fit(moments, target=TARGET)),
    ]


def fit_file(precision: str, file: str, text: str) -> Stages:
    import steepest

    features = [*FEATURES, text]
    work = partial(steepest.fit, file, target=TARGET, features=features, precision=precision)
    return [("fit", lambda _: work())]


def use_glum(file: str, text: str) -> Stages:
    import pandas as pd
    import tabmat
    from glum import GeneralizedLinearRegressor

    def prepare(_: None) -> Any:
        rows = pd.read_parquet(file, columns=[*FEATURES, text, TARGET])
        target = rows.pop(TARGET).to_numpy()
        rows[text] = rows[text].astype("category")
        return tabmat.from_df(rows, drop_first=True), target

    model = GeneralizedLinearRegressor(family="normal", alpha=0.0)
    return [("prepare", prepare), ("fit", lambda found: model.fit(*found))]


def use_sklearn(file: str, text: str) -> Stages:
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import OneHotEncoder

    encoder = make_column_transformer(
        ("passthrough", list(FEATURES)),
        (OneHotEncoder(drop="first"), [text]),
        sparse_threshold=1.0,
    )

    def prepare(_: None) -> Any:
        rows = pd.read_parquet(file, columns=[*FEATURES, text, TARGET])
        return encoder.fit_transform(rows), rows[TARGET].to_numpy()

    model = Ridge(alpha=0.0, solver="sparse_cg", tol=TOLERANCE)
    return [("prepare", prepare), ("fit", lambda found: model.fit(*found))]


def use_polars(file: str, text: str) -> Stages:
    import polars as pl

    sums = pl.scan_parquet(file).group_by(text).agg(pl.len(), pl.col(*NUMBERS).sum())
    return [("sums", lambda _: sums.collect(engine="streaming"))]


PEERS: tuple[tuple[str, tuple[str, ...], Callable[[str, str], Stages], tuple[str, ...]], ...] = (
    ("glum", ("glum", "tabmat", "pandas"), use_glum, ("prepare", "fit")),
    ("scikit-learn Ridge(sparse_cg)", ("sklearn", "pandas"), use_sklearn, ("prepare", "fit")),
    ("polars sums by level", ("polars",), use_polars, ()),
)
"""The others by name: what they need, what they do, and their stages if they have several."""

SLOW = tuple(name for name, _, _, stages in PEERS if stages)

WORK: dict[str, Callable[[str, str], Stages]] = {
    **{name: work for name, _, work, _ in PEERS},
    **{
        f"steepest {precision} {what}": partial(work, precision)
        for precision in ("exact", "double")
        for what, work in (("scan", scan_file), ("scan and fit", scan_and_fit), ("fit", fit_file))
    },
}
"""What a process can be asked for."""


def run_apart(folder: Path, name: str, text: str) -> Turn:
    """A turn in a process of its own."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, str(folder), name, text],
            capture_output=True, text=True, check=False, timeout=PATIENCE,
            cwd=Path(__file__).parents[1],
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Turn({}, {}, error=f"took more than {PATIENCE:,} s")
    if done.returncode:
        last = (done.stderr.strip() or "nothing said").splitlines()[-1]
        return Turn({}, {}, error=f"ended with code {done.returncode}: {last}")
    return Turn(**json.loads(done.stdout))


def main(folder: str, name: str, text: str) -> None:
    """What a process does: warm up, then print a turn."""
    with suppress(Exception):  # what fails for a few rows need not fail for all
        follow(WORK[name](f"{folder}/few.parquet", text))
    print(json.dumps(follow(WORK[name](f"{folder}/rows.parquet", text))))


def follow(stages: Stages) -> dict[str, Any]:
    """Do it, as far as it goes: the fields of a turn."""
    seconds, peaks, found, error = {}, {}, None, ""
    for stage, work in stages:
        start = perf_counter()
        try:
            found = work(found)
        except Exception as reason:  # a cell says it
            error = f"{type(reason).__name__}: {str(reason).partition(chr(10))[0]}"
            break
        seconds[stage] = perf_counter() - start
        peaks.update((stage, peak) for peak in measure_peak())
    value = None if error else find_coefficients(found)
    return {"seconds": seconds, "peaks": peaks, "value": value, "error": error}


def measure_peak() -> list[float]:
    """The most memory that this process has had, in megabytes, where the system says it (Linux)."""
    file = Path("/proc/self/status")
    lines = file.read_text().splitlines() if file.exists() else []
    return [int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")]


def find_coefficients(found: Any) -> list[float] | None:
    """Those of the numbers, of whatever kind of model; None of anything else."""
    if hasattr(found, "coefficients"):
        return [float(found.coefficients[name]) for name in FEATURES]
    if hasattr(found, "coef_"):
        return [float(value) for value in found.coef_[: len(FEATURES)]]
    return None


def check(levels: Sequence[int], results: Mapping[str, Turn]) -> Iterator[Check]:
    """Whoever fits has the same coefficients."""
    for m in levels:
        suffix = f", {m:,} levels"
        fits = {name: turn.value for name, turn in results.items()
                if name.endswith(suffix) and turn.value}  # fmt: skip
        if len(fits) < 2:
            continue
        coef = np.array(list(fits.values()))
        gap = float(np.ptp(coef, axis=0).max() / np.abs(coef).max())
        yield Check(f"largest difference of coefficients of {len(fits)} fits{suffix}", gap,
                    AGREEMENT)  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
