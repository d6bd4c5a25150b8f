"""Scan and fit of a CSV file against the same sums by duckdb and polars; a short fit from cold.

Every turn is a process of its own.  Those of the large file do their work twice and tell the
second; those of the short one are timed as a whole, from its start to its end, as a person waits.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from itertools import combinations_with_replacement, islice
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from .categories import measure_peak
from .columns import AGREEMENT, PATIENCE, WHOLE, fit, solve
from .runner import Benchmark, Check, Contestant, Goal, Table, Turn
from .synthetic import NUMBERS, TARGET, find_file

LIMIT = 1.5
"""Times the faster of duckdb and polars."""

FEW_ROWS = 1_000
ROOT = Path(__file__).parents[1]


def build(rows: int) -> Benchmark:
    """The large file by all, then the short one by us."""
    file = find_text(rows)
    few = file.with_suffix(f".{FEW_ROWS}.csv")
    with file.open() as lines:
        few.write_text("".join(islice(lines, FEW_ROWS + 1)))
    missing = [peer for peer in PEERS if find_spec(peer) is None]
    large = [
        Contestant(name, partial(run_apart, file, name), None, _nothing)
        for name in WORK
        if not any(name.startswith(peer) for peer in missing)
    ]
    cold = [Contestant(name, partial(run_cold, few, name), None) for name in COLD]
    tables = [
        Table(f"CSV, {len(NUMBERS)} columns of doubles", large[-1].name, large),
        Table(f"{FEW_ROWS:,} rows, whole processes", "python and pyarrow", cold),
    ]
    goals = [Goal(name, LIMIT) for name in ("steepest exact", "steepest double")]
    notes = [f"one file of {file.stat().st_size / 1e6:,.0f} MB; a fit from cold has 1 s."]
    notes += [f"{peer} is not installed: it was left out." for peer in missing]
    return Benchmark("CSV", rows, tables, check, goals, notes)


def _nothing() -> None:
    """Every process warms up by itself."""


def find_text(rows: int) -> Path:
    """The shared file of so many rows as CSV, beside it, written when first asked for."""
    from pyarrow import csv, parquet

    source = find_file(rows)
    path = source.with_suffix(".csv")
    if not path.exists():
        unfinished = path.with_suffix(".part")
        opened = parquet.ParquetFile(source)
        options = csv.WriteOptions(quoting_style="needed")
        with csv.CSVWriter(unfinished, opened.schema_arrow, write_options=options) as writer:
            for group in range(opened.num_row_groups):
                writer.write_table(opened.read_row_group(group))
        unfinished.replace(path)
    return path


def add_with_polars(file: str) -> list[float]:
    import polars as pl

    pairs = list(combinations_with_replacement(NUMBERS, 2))
    sums = [pl.col(name).sum().alias(f"s{i}") for i, name in enumerate(NUMBERS)]
    sums += [(pl.col(a) * pl.col(b)).sum().alias(f"p{i}") for i, (a, b) in enumerate(pairs)]
    found = pl.scan_csv(file).select(pl.len().alias("n"), *sums).collect()
    return solve(len(NUMBERS), list(found.row(0)))


def add_with_duckdb(file: str) -> list[float]:
    import duckdb

    pairs = combinations_with_replacement(NUMBERS, 2)
    sums = [f'sum("{name}")' for name in NUMBERS] + [f'sum("{a}" * "{b}")' for a, b in pairs]
    (row,) = duckdb.sql(f"select count(*), {', '.join(sums)} from read_csv('{file}')").fetchall()
    return solve(len(NUMBERS), list(row))


WORK: dict[str, Callable[[str], list[float]]] = {
    "steepest exact": partial(fit, "exact", columns=NUMBERS),
    "steepest double": partial(fit, "double", columns=NUMBERS),
    "duckdb sums": add_with_duckdb,
    "polars sums": add_with_polars,
}
"""What a process can be asked for; ratios are to the last, which was the faster here."""

PEERS = ("duckdb", "polars")

FIT = ("-m", "steepest", "fit", "{file}", "--target", TARGET, "--quiet", "--features",
       ",".join(name for name in NUMBERS if name != TARGET))  # fmt: skip
COLD: dict[str, tuple[str, ...]] = {
    "python and pyarrow": ("-c", "import pyarrow.csv"),
    "steepest fit file.csv": FIT,
    "head | steepest fit -": tuple(word.replace("{file}", "-") for word in FIT),
}
"""Whole processes; one that reads standard input is given the file there."""


def run_apart(file: Path, name: str) -> Turn:
    """A turn of the large file."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(file), name],
        capture_output=True, text=True, check=False, timeout=PATIENCE, cwd=ROOT,
    )  # fmt: skip
    if done.returncode:
        return Turn({}, {}, error=(done.stderr.strip() or "nothing said").splitlines()[-1])
    return Turn(**json.loads(done.stdout))


def run_cold(file: Path, name: str) -> Turn:
    """A turn of the short file."""
    words = [word.replace("{file}", str(file)) for word in COLD[name]]
    data = file.read_bytes()
    begun = perf_counter()
    done = subprocess.run(
        [sys.executable, *words], input=data, capture_output=True, check=False, timeout=PATIENCE
    )
    seconds = perf_counter() - begun
    error = done.stderr.decode().strip().splitlines()[-1] if done.returncode else ""
    return Turn({"": seconds}, {}, error=error)


def main(file: str, name: str) -> None:
    """What a process does: its work twice; it prints a turn of the second."""
    (start,) = measure_peak() or [0.0]
    WORK[name](file)
    begun = perf_counter()
    coefficients = WORK[name](file)
    seconds = perf_counter() - begun
    (peak,) = measure_peak() or [0.0]
    value = {"coefficients": coefficients, "more": peak - start}
    peaks = {"": peak} if peak else {}
    print(json.dumps({"seconds": {"": seconds}, "peaks": peaks, "value": value}))


def check(results: Mapping[str, Turn]) -> Iterator[Check]:
    """All have the same coefficients, and ours takes little memory."""
    values: dict[str, Any] = {name: turn.value for name, turn in results.items() if turn.value}
    coef = np.array([value["coefficients"] for value in values.values()])
    gap = float(np.ptp(coef, axis=0).max() / np.abs(coef).max()) if len(coef) else np.inf
    yield Check("largest difference of coefficients", gap, AGREEMENT)
    ours = (value["more"] for name, value in values.items() if name.startswith("steepest"))
    more = max(ours, default=np.inf)
    yield Check("MB beyond the start", more, WHOLE)


if __name__ == "__main__":
    main(*sys.argv[1:])
