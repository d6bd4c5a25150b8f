"""Scans in exact and in double precision against one bare ``X.T @ X`` of the same array.

The bare product is of the array as float64, on all threads that BLAS has.  Reading adds up all
numbers of the array on one thread, which is what memory allows.  Arrays of single precision,
integers and booleans are scanned as they are, and as float64 arrays that hold their values.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import steepest

from .runner import Benchmark, Check, Contestant, Goal, Table

AGREEMENT = 1e-9
"""Largest difference between a scatter and the bare product's, relative to the largest entry."""

MEMORY = 100
"""Megabytes beyond the input that a scan may take."""

COLUMNS = 20
"""Tables have as many cells as the rows asked for have in so many columns."""

KINDS = {
    "float64": ((10, 20, 50, 100, 300), {"exact": {20: 3.0, 50: 5.0},
                "double": {10: 0.6, 20: 0.6, 50: 0.75, 100: 0.75, 300: 1.1}}),
    "float32 values": ((20, 50), {"exact": {20: 2.0, 50: 3.0}}),
    "float32": ((20, 50), {}),
    "integers as float64": ((20, 50), {"exact": {20: 1.5, 50: 1.5}}),
    "int64": ((20, 50), {"exact": {20: 1.5, 50: 1.5}}),
    "int32": ((20, 50), {"exact": {20: 1.5, 50: 1.5}}),
    "booleans": ((20, 50), {"exact": {20: 1.5, 50: 1.5}}),
}  # fmt: skip
"""Widths of each kind of table, and the goals of each precision on two threads."""

CHILD = """
import numpy as np, steepest, sys
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
rows, columns = int(sys.argv[1]), int(sys.argv[2])
table = np.empty((rows, columns))
np.random.default_rng(0).standard_normal(out=table)
names = [f"x{j}" for j in range(columns)]
steepest.scan(table[:1000], names=names)
before = peak()
steepest.scan(table, names=names, precision=sys.argv[3])
print(peak() - before)
"""


def build(rows: int) -> Benchmark:
    """A table for each kind of number and each width."""
    tables, goals = [], []
    for kind, (widths, limits) in KINDS.items():
        for k in widths:
            array = make_array(kind, max(rows * COLUMNS // k, 2), k)
            label = f"{kind}, {k} columns"
            bare = f"bare X.T @ X, {label}"
            lines = [
                Contestant(bare, partial(multiply, array.astype(np.float64, copy=False))),
                Contestant(f"reading it, {label}", array.sum),
            ]
            for precision in ("exact", "double"):
                for threads in (2, 1):
                    name = f"{precision}, {threads} threads, {label}"
                    few = 3 if k >= 100 and precision == "exact" else None
                    work = partial(scan, array, precision, threads)
                    lines.append(Contestant(name, work, rounds=few))
                limit = limits.get(precision, {}).get(k)
                if limit:
                    goals.append(Goal(f"{precision}, 2 threads, {label}", limit))
            tables.append(Table(label, bare, lines))
    cells = rows * COLUMNS
    notes = [f"each table has {cells:,} cells: with 20 columns {rows:,} rows"]
    return Benchmark("exact scan", rows, tables, partial(check, rows), goals, notes)


def make_array(kind: str, rows: int, columns: int) -> NDArray[Any]:
    rng = np.random.default_rng(columns)
    if kind == "booleans":
        return rng.integers(0, 2, (rows, columns), dtype=np.int8).astype(bool)
    if "int" in kind:
        whole = rng.integers(-(2**20), 2**20, (rows, columns), dtype=np.int32)
        return whole.astype({"integers as float64": "f8", "int64": "i8", "int32": "i4"}[kind])
    if "float32" in kind:
        single = rng.standard_normal((rows, columns), dtype=np.float32)
        return single if kind == "float32" else single.astype(np.float64)
    return rng.standard_normal((rows, columns))


def multiply(array: NDArray[np.float64]) -> NDArray[np.float64]:
    return array.T @ array


def scan(array: NDArray[Any], precision: str, threads: int) -> steepest.Moments:
    names = [f"x{j}" for j in range(array.shape[1])]
    with ThreadPoolExecutor(threads) as workers:
        return steepest.scan(array, names=names, precision=precision, executor=workers)


def check(rows: int, results: Mapping[str, Any]) -> Iterator[Check]:
    """Threads change no bit, products agree, and memory stays bounded."""
    different, gap = 0, 0.0
    for kind, (widths, _) in KINDS.items():
        for k in widths:
            label = f"{kind}, {k} columns"
            one, two = (results[f"exact, {n} threads, {label}"] for n in (1, 2))
            different += one != two
            if one.categories:
                continue
            bare = results[f"bare X.T @ X, {label}"]
            for found in (one, results[f"double, 2 threads, {label}"]):
                mean = found.mean
                second = found.scatter + found.n_rows * np.outer(mean, mean)
                gap = max(gap, float(np.abs(second - bare).max() / np.abs(bare).max()))
    yield Check("exact moments that the number of threads changed", different, 0)
    yield Check("largest difference to the bare product", gap, AGREEMENT)
    for precision, k in (("exact", 20), ("exact", 50), ("double", 100)):
        more = measure_memory(max(rows * COLUMNS // k, 1000), k, precision)
        yield Check(f"MB beyond the input, {precision}, {k} columns", more, MEMORY)


def measure_memory(rows: int, columns: int, precision: str) -> float:
    """How many megabytes a scan adds to the peak of a process that holds the table."""
    if not sys.platform.startswith("linux"):
        return 0.0
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(rows), str(columns), precision],
        capture_output=True, text=True, check=True, env=dict(os.environ),
    )  # fmt: skip
    return float(done.stdout)
