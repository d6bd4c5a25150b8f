"""How steep an objective is along each of its directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..typing import Floats
from .quadratic import Coordinates, Quadratic
from .solve import Spectrum, tolerance


@dataclass(frozen=True)
class Curvatures:
    """How steep the objective is along each direction, and the rates that follow.

    ``values`` (q,) are the curvatures hᵢ, ascending, 0 along a direction that changes nothing;
    ``basis`` (q, q) holds a direction a column; ``second`` (q,) are the second moments aᵢ along
    them, or None where the directions do not diagonalise A (a penalty beside a free intercept, or
    not alike for all).
    """

    values: Floats
    basis: Floats
    second: Floats | None

    @property
    def largest(self) -> float:
        """L, the largest curvature; 0 without columns."""
        return float(self.values[-1]) if self.values.size else 0.0

    @property
    def smallest(self) -> float:
        """ℓ, the smallest that is not 0 within rounding."""
        found = self.values[self.moving]
        return float(found[0]) if found.size else 0.0

    @property
    def moving(self) -> Floats:
        """Which directions change anything, shape (q,)."""
        return np.asarray(self.values > tolerance(len(self.values)) * self.largest)

    @property
    def still(self) -> int:
        """Along how many directions nothing changes, as far as doubles tell."""
        return len(self.values) - int(np.count_nonzero(self.moving))

    @property
    def condition(self) -> float:
        """κ = L/ℓ; 1 without columns."""
        return self.largest / self.smallest if self.smallest else 1.0

    @property
    def limit(self) -> float:
        """2/L: at this rate and above, plain gradient descent does not converge."""
        return 2 / self.largest if self.largest else np.inf

    @property
    def best(self) -> float:
        """2/(L + ℓ), the rate of plain descent with the best worst case over all directions."""
        return 2 / (self.largest + self.smallest) if self.largest else np.nan


def find_curvatures(
    quadratic: Quadratic, coordinates: Coordinates, spectrum: Spectrum
) -> Curvatures:
    """Eigenvalues and eigenvectors of the Hessian.

    Free in standard coordinates where l2 counts alike for all, else O(q³).
    """
    alike = quadratic.l2 == 0 or bool((quadratic.factors == 1).all())
    if coordinates.scale == "standard" and alike:
        return Curvatures(2 * (spectrum.values + quadratic.l2), spectrum.basis, spectrum.values)
    if alike:
        second, basis = np.linalg.eigh(quadratic.matrix)
        second = np.maximum(second, 0.0)
        return Curvatures(2 * (second + quadratic.l2), basis, second)
    values, basis = np.linalg.eigh(quadratic.hessian)
    return Curvatures(np.maximum(values, 0.0), basis, None)
