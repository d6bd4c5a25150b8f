"""The table that the benchmarks share: 20 correlated features and a target."""

from __future__ import annotations

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
