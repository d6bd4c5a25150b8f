"""Scans that tests kill; run as a program, one that writes its checkpoint after every part."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import steepest
from steepest.faces import cli
from steepest.sums import checkpoints, tree

ROOT = Path(__file__).parents[2]

GROUP = 1_300
GROUPS = 23


def write_table(path: Path, seed: int = 7) -> Path:
    """Numbers of all sizes, nulls, booleans, levels and integers beyond doubles."""
    rng = np.random.default_rng(seed)
    rows = GROUP * GROUPS
    numbers = rng.standard_normal((3, rows)) * 10.0 ** rng.integers(-15, 15, (3, rows))
    numbers[0, rng.random(rows) < 0.01] = np.nan
    table = pa.table(
        {
            "x": pa.array(numbers[0], from_pandas=True),
            "y": numbers[1] / 10.0**15,
            "z": rng.standard_normal(rows),
            "n": rng.integers(-(2**62), 2**62, rows),
            "flag": pa.array(rng.random(rows) < 0.4),
            "city": rng.choice(["Oslo", "Zürich", "東京"], rows),
        }
    )
    parquet.write_table(table, path, row_group_size=GROUP)
    return path


def run_scan(seconds: float, arguments: list[str], kill_after: float | None = None) -> int:
    """The code of a command that takes so long for a part, and may be killed after its first."""
    command = [sys.executable, "-m", "tests.sums.scanned", str(seconds), *arguments]
    env = os.environ | {"PYTHONPATH": f"{Path(steepest.__file__).parents[1]}{os.pathsep}{ROOT}"}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE) as started:
        assert started.stdout
        if kill_after is not None:
            started.stdout.readline()
            time.sleep(kill_after)
            started.send_signal(signal.SIGKILL)
        started.communicate()
    return started.returncode


def slow(seconds: float) -> None:
    """Let each part take so long, and write the checkpoint after each."""
    add = tree.PairwiseSum.add

    def add_slowly(self: tree.PairwiseSum, moments: object) -> None:
        print("begun", flush=True)
        time.sleep(seconds)
        add(self, moments)

    tree.PairwiseSum.add = add_slowly
    checkpoints.INTERVAL, checkpoints.PATIENCE = 0.0, 0


if __name__ == "__main__":
    from steepest.data import duckdb, postgresql, sqlite
    from steepest.data import parquet as parquet_files

    parquet_files.PART_ROWS = duckdb.PART_ROWS = GROUP
    sqlite.PART_BYTES, postgresql.PART_BLOCKS = 1 << 16, 8
    slow(float(sys.argv[1]))
    sys.exit(cli.run(sys.argv[2:]))
