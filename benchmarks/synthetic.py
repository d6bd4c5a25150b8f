"""What the benchmarks share: a table of 20 correlated features and a target, and a large file."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import gettempdir

import numpy as np
from numpy.typing import NDArray

FEATURES = tuple(f"x{j}" for j in range(1, 21))
TARGET = "y"
NAMES = (*FEATURES, TARGET)


def make_table(rows: int, mean: float = 0.0) -> NDArray[np.float64]:
    """Rows of ``NAMES``, shape (rows, 21), C order, each column of unit variance about ``mean``.

    Any two features correlate by 0.36, for they share a factor; the target is a sum of all of
    them and noise.
    """
    rng = np.random.default_rng(20)
    table = rng.standard_normal((rows, len(NAMES)))
    features, target = table[:, :-1], table[:, -1]
    features *= 0.8
    features += 0.6 * rng.standard_normal((rows, 1))
    target += features @ np.linspace(-1.0, 2.0, len(FEATURES))
    target /= target.std()
    table += mean
    return table


NUMBERS = (*FEATURES[:-1], TARGET)
"""The columns of doubles of the file: 19 features and the target."""

SMALL = "rating"
TEXTS = {"region": 12, "product": 500}
"""Columns of text of the file, and how many levels each has."""

GROUP_ROWS = 1 << 20


def find_file(rows: int) -> Path:
    """The Parquet file of that many rows that benchmarks share, written when first asked for.

    It stays in a folder for temporary files, under a name that tells what is in it.
    """
    path = Path(gettempdir()) / f"steepest-benchmark-{rows}.parquet"
    if not path.exists():
        unfinished = path.with_suffix(f".{os.getpid()}")
        write_file(unfinished, rows)
        unfinished.replace(path)
    return path


def write_file(path: Path, rows: int) -> None:
    """``NUMBERS``, a column of int8 and two of text, in row groups as pyarrow writes them."""
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(21)
    words = {name: pa.array([f"{name} {i:03}" for i in range(m)]) for name, m in TEXTS.items()}
    effects = {name: rng.standard_normal(m) for name, m in TEXTS.items()}
    slopes, writer = np.linspace(-1.0, 2.0, len(NUMBERS) - 1), None
    for start in range(0, rows, GROUP_ROWS):
        n = min(GROUP_ROWS, rows - start)
        features = rng.standard_normal((len(NUMBERS) - 1, n))
        features *= 0.8
        features += 0.6 * rng.standard_normal(n)
        small = rng.integers(0, 5, n, dtype=np.int8)
        target = slopes @ features + rng.standard_normal(n) + 0.5 * small
        columns = {SMALL: pa.array(small)}
        for name, m in TEXTS.items():
            codes = (m * rng.random(n) ** 2).astype(np.int32)  # the first are the most frequent
            target += effects[name][codes]
            columns[name] = words[name].take(pa.array(codes))
        numbers = dict(zip(NUMBERS, [*features, target], strict=True))
        table = pa.table({**numbers, **columns})
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()
