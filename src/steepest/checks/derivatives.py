"""Derivatives of a function that can only be evaluated, each with how far it may be off."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..typing import Floats

Value = Callable[[Floats], float]
"""The loss at weights of shape (p,)."""

DOUBLE, SINGLE = 2.0**-52, 2.0**-22
COMPLEX_STEP = 1e-30
LEVELS = 7
REACHES = tuple(2.0**power for power in (0, -6, -12, -18, -24, -30))
"""How far the widest steps go, from the scale of the weights down to what kinks leave room for."""

WIDEST, SPACINGS = 2.0**-4, (1.618e-4, 2.718e-4)
SETTLED, ROUGHEST = 1e-6, 0.03
DIRECTIONS = 3


@dataclass(frozen=True)
class Derivative:
    """A gradient, shape (p,), and how far each of its numbers may be off."""

    gradient: Floats
    error: Floats


def raised(gradient: Floats) -> Floats:
    """The sizes of a gradient's numbers, the smallest raised towards the largest.

    >>> raised(np.array([-2.0, 0.0]))
    array([2.   , 0.002])
    """
    size = np.abs(gradient)
    return np.asarray(np.maximum(size, 1e-3 * size.max(initial=0.0)))


@np.errstate(all="ignore")
def differentiate(
    value: Value, w: Floats, *, scales: Floats | None = None, single: bool = False
) -> Derivative:
    """The gradient by central differences, extrapolated to step 0 [1]_ [2]_.

        D(h) = (f(w + h e) - f(w - h e)) / 2h,    D(h) - f' = O(h²), each next column O(h⁴), ...

    The entry of the table that has moved least is taken, and what it moved by is its error, never
    less than rounding allows.  Where it has not settled the steps are made shorter, for the
    function may have a kink nearby; what the two disagree by is part of the error.  How rough the
    values are is measured: log(1 - p) goes in stairs where p comes near 1.

    ``scales``, shape (p,), is what a change of each weight has to be to be felt; default: its
    size, or 1.

    Notes
    -----
    52 evaluations a weight, up to six times as many where it does not settle.

    References
    ----------
    .. [1] L. F. Richardson.  The approximate arithmetical solution by finite differences of
       physical problems.  Philosophical Transactions of the Royal Society A 210, 307-357, 1911.
       doi:10.1098/rsta.1911.0009
    .. [2] C. J. F. Ridders.  Accurate computation of F'(x) and F'(x) F''(x).  Advances in
       Engineering Software 4(2), 75-76, 1982.  doi:10.1016/S0141-1195(82)80057-0

    Examples
    --------
    >>> found = differentiate(lambda w: float(np.exp(w[0]) * w[1]), np.array([1.0, 2.0]))
    >>> bool((abs(found.gradient - [2 * np.e, np.e]) <= found.error).all())
    True
    >>> bool(found.error.max() < 1e-9)
    True
    """
    unit = SINGLE if single else DOUBLE
    sizes = _sizes(w, scales)
    pairs = [slope_along(value, w, direction, unit) for direction in np.diag(sizes)]
    found = np.array(pairs).reshape(-1, 2) / sizes[:, None]
    return Derivative(found[:, 0], found[:, 1])


def _sizes(w: Floats, scales: Floats | None) -> Floats:
    return np.maximum(1.0, np.abs(w)) if scales is None else scales


@np.errstate(all="ignore")
def slope_along(value: Value, w: Floats, direction: Floats, unit: float) -> tuple[float, float]:
    """The derivative along a direction, as long as a change is that is felt, and its error."""
    moved = direction != 0
    coarse = unit * float((np.abs(w[moved]) / np.abs(direction[moved])).max(initial=0.0))
    found: list[tuple[float, float]] = []
    for reach in REACHES:
        slope, error = _slope_within(value, w, direction, reach, unit)
        if np.isfinite(slope):
            error += abs(slope) * coarse / (reach * WIDEST)
            found.append((slope, error))
            if error <= SETTLED * abs(slope):
                break
    if not found:
        return np.nan, np.inf
    slope, error = min(found, key=lambda pair: pair[1])
    apart = max(abs(slope - other) - 4 * (error + width) for other, width in found)
    return slope, error + max(apart, 0.0)


def _slope_within(
    value: Value, w: Floats, direction: Floats, reach: float, unit: float
) -> tuple[float, float]:
    """The derivative from steps of at most this reach, and its error."""
    here = abs(value(w))
    jitter = max(_jitter(value, w, direction, spacing * reach) for spacing in SPACINGS)

    def central(h: float) -> tuple[float, float]:
        """D(h) and what rounding may do to it."""
        ahead, behind = value(w + h * direction), value(w - h * direction)
        noise = 4 * unit * max(abs(ahead), abs(behind), here) + 4 * jitter + np.finfo(float).tiny
        return (ahead - behind) / (2 * h), noise / h

    return _extrapolate(central, WIDEST * reach)


def _jitter(value: Value, w: Floats, direction: Floats, h: float) -> float:
    """How far values lie off a smooth curve, from their sixth differences on either side [1]_.

    References
    ----------
    .. [1] J. J. Moré, S. M. Wild.  Estimating computational noise.  SIAM Journal on Scientific
       Computing 33(3), 1292-1314, 2011.  doi:10.1137/100786125
    """
    found = []
    for side in (h, -h):
        values = [value(w + k * side * direction) for k in range(1, 10)]
        found.append(float(np.sqrt((np.diff(values, 6) ** 2).mean() / 924)))
    return min(found)


def _extrapolate(central: Callable[[float], tuple[float, float]], h: float) -> tuple[float, float]:
    """Richardson's table: the entry that moved least from its neighbours."""
    best, least = np.nan, np.inf
    before: list[float] = []
    for _ in range(LEVELS):
        first, noise = central(h)
        row = [first]
        for order, older in enumerate(before, start=1):
            row.append(row[-1] + (row[-1] - older) / (4.0**order - 1))
            moved = max(abs(row[-1] - row[-2]), abs(row[-1] - older)) + 2 * noise
            if moved < least:
                best, least = row[-1], moved
        before, h = row, h / 2
    return best, least


def by_complex_step(value: Callable[[Any], Any], w: Floats) -> Floats | None:
    """The gradient as Im f(w + ih e) / h with h = 1e-30 [1]_: no difference, so no cancellation.

    None where the function does not take complex numbers.  What it does with them may still be
    wrong (``abs`` and comparisons are not analytic), so the result has to be held against
    differences: :func:`doubt`.

    References
    ----------
    .. [1] W. Squire, G. Trapp.  Using complex variables to estimate derivatives of real functions.
       SIAM Review 40(1), 110-112, 1998.  doi:10.1137/S003614459631241X

    Examples
    --------
    >>> by_complex_step(lambda w: (w**3).sum(), np.array([2.0]))
    array([12.])
    """
    found = np.empty(len(w))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")
        for j in range(len(w)):
            at = w.astype(complex)
            at[j] += 1j * COMPLEX_STEP
            try:
                result = complex(value(at))
            except Exception:
                return None
            found[j] = result.imag / COMPLEX_STEP
    return found if np.isfinite(found).all() else None


@np.errstate(all="ignore")
def doubt(
    value: Value,
    w: Floats,
    gradient: Floats,
    *,
    scales: Floats | None = None,
    single: bool = False,
) -> float:
    """How far differences leave a gradient in doubt, as a share of its size; inf: they contradict.

    They are taken along a few random directions, O(1) evaluations whatever p is.
    """
    unit = SINGLE if single else DOUBLE
    rng = np.random.default_rng(7)
    widest = 0.0
    for _ in range(min(DIRECTIONS, len(w))):
        signs = rng.choice([-1.0, 1.0], len(w)) * rng.uniform(0.5, 1.0, len(w))
        direction = signs * _sizes(w, scales)
        slope, error = slope_along(value, w, direction, unit)
        size = float(np.abs(gradient * direction).sum())
        if not abs(float(gradient @ direction) - slope) <= 8 * error + 1e-9 * size:
            return np.inf
        if error > ROUGHEST * size:
            return np.inf if error > 0 else 0.0
        widest = max(widest, error / size if size else 0.0)
    return widest


@np.errstate(all="ignore")
def sides(
    value: Value, w: Floats, j: int, *, scale: float | None = None, single: bool = False
) -> tuple[float, float]:
    """The derivatives along weight j from both sides, the smaller first; equal where it is smooth.

    Over a step h the two differ by h times the curvature, and over h/4 by a quarter of that; what
    is left when this is taken away is a kink.
    """
    unit = SINGLE if single else DOUBLE
    h = (max(1.0, abs(w[j])) if scale is None else max(scale, abs(w[j]) * 1e-3)) * unit**0.5
    here = value(w)

    def slopes(h: float) -> tuple[float, float, float]:
        step = np.zeros(len(w))
        step[j] = h
        ahead, behind = value(w + step), value(w - step)
        noise = 8 * unit * max(abs(here), abs(ahead), abs(behind)) / h
        return (here - behind) / h, (ahead - here) / h, noise

    left, right, noise = slopes(h / 4)
    far_left, far_right, _ = slopes(h)
    middle, jump = (left + right) / 2, (4 * (right - left) - (far_right - far_left)) / 3
    if not abs(jump) > 4 * noise + 1e-3 * max(abs(left), abs(right)):
        return middle, middle
    reach = (abs(jump) + 4 * noise) / 2
    return middle - reach, middle + reach
