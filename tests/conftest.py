"""What several rooms of tests need: the penguins, and answers that come from elsewhere."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import hypothesis
import numpy as np
import pandas as pd
import pytest

# Threads of OpenMP that wait for each other would spin, on cores that others need.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "steepest"


# On a machine that others use, no example tells by its seconds.
hypothesis.settings.register_profile("steepest", deadline=None)
hypothesis.settings.load_profile("steepest")


def pytest_configure() -> None:
    """What was compiled in this folder, from older sources than it has, is built anew.

    The processes that tests start find the bytecode of the package, even where none is written.
    """
    compileall.compile_dir(PACKAGE, quiet=2)
    for folder in ("sums", "data"):
        built = list((PACKAGE / folder).glob("_*.so"))
        sources = [path.stat().st_mtime for path in (PACKAGE / folder).glob("*.[ch]")]
        if built and built[0].stat().st_mtime < max(sources):
            built[0].unlink()  # and not written over: others may be running it
            build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
            subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
            os.utime(built[0])


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def penguins() -> Path:
    return ROOT / "examples" / "penguins.csv"


@pytest.fixture(scope="session")
def least_squares() -> Callable[[pd.DataFrame, str, Sequence[str]], dict[str, float]]:
    """Least squares by LAPACK on dummies made by hand; no line of steepest is involved."""
    return _least_squares


def _least_squares(frame: pd.DataFrame, target: str, features: Sequence[str]) -> dict[str, float]:
    rows = frame[[*features, target]].dropna()
    columns: dict[str, np.ndarray] = {}
    for name in features:
        column = rows[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            columns[name] = column.to_numpy(dtype=float)
            continue
        text = [str(v).lower() if isinstance(v, bool | np.bool_) else str(v) for v in column]
        for level in sorted(set(text), key=str.encode)[1:]:
            columns[f"{name}[{level}]"] = np.array([float(value == level) for value in text])
    x = np.column_stack(list(columns.values()))
    y = rows[target].to_numpy(dtype=float)
    centre = x.mean(axis=0)
    spread = x.std(axis=0)
    coef = np.linalg.lstsq((x - centre) / spread, y - y.mean(), rcond=None)[0] / spread
    intercept = float(y.mean() - centre @ coef)
    return {"intercept": intercept, **dict(zip(columns, coef.tolist(), strict=True))}
