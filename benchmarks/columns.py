"""Scan and fit of a Parquet file of 3.3 GB against merely decoding its columns.

The limit is the fastest known way to decode that copies what it reads: two threads, each of which
reads row groups of its own with pyarrow.  Every turn is a process of its own, which does its work
twice and tells the second, so that memory and caches are warm, and the most memory that it had.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from itertools import combinations_with_replacement
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from .categories import measure_peak
from .runner import Benchmark, Check, Contestant, Goal, Table, Turn
from .synthetic import NUMBERS, SMALL, TARGET, TEXTS, find_file

EVERY = (*NUMBERS, SMALL, *TEXTS)
THREADS = 2
AGREEMENT = 1e-9
"""Largest difference between coefficients, relative to the largest of them."""

MEMORY = 500
"""Megabytes that a fit may add to the process that it starts in, and ..."""

WHOLE = 600
"""... that the process may have in all."""

PATIENCE = 600
"""Seconds that a process is given."""


def build(rows: int) -> Benchmark:
    """Numbers alone, then all columns."""
    file = find_file(rows)
    tables, goals, notes = [], [], []
    for label, columns in (("20 doubles", NUMBERS), ("all 23 columns", EVERY)):
        names = [name for name in WORK if name not in NUMBERS_ALONE or columns == NUMBERS]
        missing = [name for name in names if name in PEERS and find_spec(PEERS[name]) is None]
        notes += [f"{PEERS[name]} is not installed: {name} was left out." for name in missing]
        lines = [
            Contestant(f"{name}, {label}", partial(run_apart, file, name, columns), None, _nothing)
            for name in names
            if name not in missing
        ]
        tables.append(Table(label, f"decoding, {label}", lines))
        limits = {"double": 1.3, "exact": 3.0} if columns == NUMBERS else {"double": 1.5}
        goals += [Goal(f"steepest {how}, {label}", most) for how, most in limits.items()]
    megabytes = file.stat().st_size / 1e6
    notes.append(f"one file of {megabytes:,.0f} MB; exact has the aim of 2 times the limit.")
    return Benchmark("Parquet", rows, tables, check, goals, notes)


def _nothing() -> None:
    """Every process warms up by itself."""


def run_apart(file: Path, name: str, columns: Sequence[str]) -> Turn:
    """A turn in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(file), name, *columns],
        capture_output=True, text=True, check=False, timeout=PATIENCE,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    if done.returncode:
        return Turn({}, {}, error=(done.stderr.strip() or "nothing said").splitlines()[-1])
    return Turn(**json.loads(done.stdout))


def decode(file: str, columns: Sequence[str], *, mapped: bool = False) -> None:
    """Row groups as Arrow tables, each thread its own."""
    from pyarrow import parquet

    def read(first: int) -> None:
        opened = parquet.ParquetFile(file, memory_map=mapped)
        for group in range(first, opened.num_row_groups, THREADS):
            opened.read_row_group(group, columns=list(columns), use_threads=False)

    with ThreadPoolExecutor(THREADS) as workers:
        list(workers.map(read, range(THREADS)))


def fit(precision: str, file: str, columns: Sequence[str]) -> list[float]:
    import steepest

    features = [name for name in columns if name != TARGET]
    model = steepest.fit(file, target=TARGET, features=features, precision=precision)
    return [model.coefficients[name] for name in NUMBERS if name != TARGET]


def add_with_polars(file: str, columns: Sequence[str]) -> list[float]:
    import polars as pl

    pairs = list(combinations_with_replacement(columns, 2))
    sums = [pl.col(name).sum().alias(f"s{i}") for i, name in enumerate(columns)]
    sums += [(pl.col(a) * pl.col(b)).sum().alias(f"p{i}") for i, (a, b) in enumerate(pairs)]
    found = pl.scan_parquet(file).select(pl.len().alias("n"), *sums).collect(engine="streaming")
    return solve(len(columns), list(found.row(0)))


def add_with_duckdb(file: str, columns: Sequence[str]) -> list[float]:
    import duckdb

    pairs = combinations_with_replacement(columns, 2)
    sums = [f'sum("{name}")' for name in columns] + [f'sum("{a}" * "{b}")' for a, b in pairs]
    (row,) = duckdb.sql(f"select count(*), {', '.join(sums)} from '{file}'").fetchall()
    return solve(len(columns), list(row))


def solve(k: int, sums: Sequence[float]) -> list[float]:
    """Coefficients from the number of rows, sums and products, the target's last."""
    n, totals, products = sums[0], np.array(sums[1 : k + 1]), np.zeros((k, k))
    products[np.triu_indices(k)] = sums[k + 1 :]
    centred = products - np.outer(totals, totals) / n
    centred = np.triu(centred) + np.triu(centred, 1).T
    return [float(value) for value in np.linalg.solve(centred[:-1, :-1], centred[:-1, -1])]


WORK: dict[str, Callable[[str, Sequence[str]], Any]] = {
    "decoding": decode,
    "decoding, mapped": partial(decode, mapped=True),
    "steepest double": partial(fit, "double"),
    "steepest exact": partial(fit, "exact"),
    "polars sums": add_with_polars,
    "duckdb sums": add_with_duckdb,
}
"""What a process can be asked for."""

PEERS = {"polars sums": "polars", "duckdb sums": "duckdb"}
NUMBERS_ALONE = tuple(PEERS)


def main(file: str, name: str, *columns: str) -> None:
    """What a process does: its work twice; it prints a turn of the second."""
    (start,) = measure_peak() or [0.0]
    work = partial(WORK[name], file, columns)
    work()
    begun = perf_counter()
    coefficients = work()
    seconds = perf_counter() - begun
    (peak,) = measure_peak() or [0.0]
    peaks = {"": peak} if peak else {}
    value = {"coefficients": coefficients, "start": start, "peak": peak}
    print(json.dumps({"seconds": {"": seconds}, "peaks": peaks, "value": value}))


def check(results: Mapping[str, Turn]) -> Iterator[Check]:
    """Whoever fits has the same coefficients, and ours takes little memory."""
    for label in ("20 doubles", "all 23 columns"):
        values = {name: turn.value for name, turn in results.items()
                  if name.endswith(label) and turn.value}  # fmt: skip
        coef = np.array([v["coefficients"] for v in values.values() if v["coefficients"]])
        gap = float(np.ptp(coef, axis=0).max() / np.abs(coef).max()) if len(coef) else np.inf
        yield Check(f"largest difference of coefficients, {label}", gap, AGREEMENT)
        ours = [value for name, value in values.items() if name.startswith("steepest")]
        more = max((value["peak"] - value["start"] for value in ours), default=np.inf)
        yield Check(f"MB beyond the start, {label}", more, MEMORY)
        yield Check(f"MB in all, {label}", max(v["peak"] for v in ours), WHOLE)


if __name__ == "__main__":
    main(*sys.argv[1:])
