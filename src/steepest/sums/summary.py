"""Columns one by one, and two by two: what a reader of moments looks at first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import isqrt, nan, sqrt
from operator import add

import numpy as np

from ..data.table import Column, Kind
from ..errors import listed
from ..typing import Floats
from .double import Sums
from .exact import nearest_double
from .patterns import AnySums, Patterns

ROOT_BITS = 128
"""Bits of a square root before it is rounded to a double."""


@dataclass(frozen=True)
class Summary:
    """One column over the rows in which it is not null."""

    count: int
    """Rows; for frequencies their sum."""
    nulls: int
    """Rows in which it is null, or their weight is."""
    mean: float | None
    """In the unit of the column; None for a category, and where there are no rows."""
    sd: float | None
    """Standard deviation of the sample, with n - 1 in the place of n; None as for the mean."""
    levels: int | None
    """How many different ones; None for a number."""


def note_rounded(names: Iterable[str]) -> list[str]:
    """That some columns hold integers which doubles could not; nothing where there are none.

    >>> note_rounded(["id"])
    ["'id' holds integers beyond 2⁵³, which were rounded to doubles."]
    """
    rounded = sorted(names)
    verb = "holds" if len(rounded) == 1 else "hold"
    told = f"{listed(rounded)} {verb} integers beyond 2⁵³, which were rounded to doubles."
    return [told] if rounded else []


def summarise(patterns: Patterns, column: Column, weights: str, n_read: int) -> Summary:
    """One column, whatever the others are."""
    number = column.kind is Kind.NUMBER
    own = ([column.name], []) if number else ([], [column.name])
    kept = [
        s.restrict(*own)
        for null, s in patterns.items()
        if null.isdisjoint((*own[0], *own[1], weights))
    ]
    if not kept:
        return Summary(0, n_read, None, None, None if number else 0)
    sums: AnySums = reduce(add, kept)
    nulls = n_read - sums.n_rows
    if not number:
        return Summary(sums.n_rows, nulls, None, None, len(sums.levels[column.name].levels))
    mean, sd = _spread(sums)
    return Summary(sums.n_rows, nulls, mean, sd, None)


def _spread(sums: AnySums) -> tuple[float, float]:
    """Mean and standard deviation of a single number; from exact sums each rounded once."""
    n = sums.n_rows
    if isinstance(sums, Sums):
        spread = sqrt(float(sums.scatter[0, 0]) / sums.weight * (n / (n - 1))) if n > 1 else nan
        return float(sums.mean[0]), spread
    whole = sums.whole
    two, five, weight = int(whole.units[0]), int(whole.fives[0]), whole.weight
    mean = nearest_double(whole.totals[0], weight, two, five)
    if n < 2:
        return mean, nan
    centred = weight * whole.products[0, 0] - whole.totals[0] ** 2
    above, below = centred * n, weight * weight * (n - 1)
    places = max(0, 2 * ROOT_BITS + below.bit_length() - above.bit_length()) // 2
    root = isqrt((above << 2 * places) // below)
    return mean, nearest_double(root, 1, two - places, five)


def correlate(patterns: Patterns, numbers: Sequence[str], weights: str) -> Floats:
    """Correlations of some numbers over the rows in which none is null, shape (k, k).

    NaN beside a column that does not vary.  From exact sums each is within an ulp.
    """
    used = {*numbers, weights}
    kept = [sums.restrict(numbers, []) for null, sums in patterns.items() if null.isdisjoint(used)]
    if not kept:
        return np.full((len(numbers), len(numbers)), nan)
    sums: AnySums = reduce(add, kept)
    with np.errstate(all="ignore"):
        if isinstance(sums, Sums):
            spread = np.sqrt(np.diag(sums.scatter))
            spread[spread == 0] = nan
            return np.clip(sums.scatter / spread / spread[:, None], -1.0, 1.0)
        whole = sums.whole
        centred = whole.weight * whole.products - np.outer(whole.totals, whole.totals)
        roots = np.array([isqrt(c << 2 * ROOT_BITS) for c in np.diag(centred)], dtype=object)
        varies = np.flatnonzero(roots)
        found = np.full(centred.shape, nan)
        at = np.ix_(varies, varies)
        shares = (centred[at] << 2 * ROOT_BITS) / np.outer(roots[varies], roots[varies])
        found[at] = np.clip(shares.astype(np.float64), -1.0, 1.0)
        return found


def find_condition(correlation: Floats) -> float | None:
    """Largest over smallest eigenvalue of the correlations of the columns that vary.

    None where there are none, and infinite where the smallest cannot be told from 0.  O(k³).
    """
    varies = ~np.isnan(np.diag(correlation))
    if not varies.any():
        return None
    values = np.linalg.eigvalsh(correlation[np.ix_(varies, varies)])
    smallest, largest = float(values[0]), float(values[-1])
    return largest / smallest if smallest > len(values) * 2.0**-52 * largest else float("inf")
