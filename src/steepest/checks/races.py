"""What a race leaves behind: a lane for each way down, and whether they gave one answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..descent.path import Path
from ..models.model import Model
from ..typing import Floats

BY_HAND, AUTOGRAD, COMPILED, CLOSED = (
    "NumPy, gradient by hand",
    "PyTorch, autograd",
    "JAX, compiled",
    "moments, closed form",
)
"""The lanes, in the order in which they stand."""


@dataclass(frozen=True, eq=False)
class Lane:
    """One way down the slope: how far it came, how near to the closed form, and what it cost.

    Attributes
    ----------
    name : str
        Who computes the gradient.
    losses : ndarray, shape (epochs + 1,)
        What was minimised, at each epoch from 0: the loss, with the penalty if there is one.
    weights : ndarray, shape (q,)
        Where it stands, in the coordinates of the descent.
    coefficients : dict of str to float
        The same on the user's scale by name, the intercept first.
    differences : ndarray, shape (epochs + 1,)
        The largest difference of any weight from the closed form, at each epoch.
    bounds : ndarray, shape (epochs + 1,)
        How large that may be by rounding alone, at each epoch.
    seconds : ndarray, shape (epochs,)
        What each epoch took.
    setup : float
        Seconds before the first epoch: rows read, or scanned and solved, and functions compiled.
    note : str
        Why it did not run, or how it ended; empty where all went as asked.
    """

    name: str
    losses: Floats
    weights: Floats
    coefficients: dict[str, float]
    differences: Floats
    bounds: Floats
    seconds: Floats
    setup: float = 0.0
    note: str = ""

    @property
    def ran(self) -> bool:
        """Whether it has come to epoch 0 at least."""
        return bool(len(self.losses))

    @property
    def epochs(self) -> int:
        """Updates made; 0 where it did not run."""
        return max(len(self.losses) - 1, 0)

    @property
    def pace(self) -> float | None:
        """Seconds an epoch, the median; None before the first."""
        return float(np.median(self.seconds)) if len(self.seconds) else None

    @property
    def difference(self) -> float | None:
        """The largest difference from the closed form at any epoch; None where it did not run."""
        return float(np.max(self.differences)) if self.ran else None

    @property
    def agree(self) -> bool:
        """Whether every difference is within its bound."""
        return bool(np.all(self.differences <= self.bounds))


def find_bounds(path: Path, epochs: int, largest: float) -> Floats:
    """How far rounding may part two ways at epochs 0 to ``epochs``, shape (epochs + 1,).

    2⁻⁵² · 16 (q + 3) (κ + t) S, with S the largest coordinate on the way, or 2η a s where that is
    more: a and s are root mean squares, of the largest column and of the target.  No first step
    can be longer, by Cauchy and Schwarz; and where the columns explain nearly nothing, so that
    the terms of the gradient's sum cancel, it is those terms that were rounded.
    """
    curvatures, quadratic = path.curvatures, path.quadratic
    square = quadratic.matrix.diagonal().max() * quadratic.loss(np.zeros(len(path.start)))
    largest = max(largest, 2 * path.learning_rate * float(np.sqrt(square)))
    share = 2.0**-52 * 16 * (len(curvatures.values) + 3)
    return np.asarray(share * (curvatures.condition + np.arange(epochs + 1)) * largest)


def absent(name: str, note: str = "") -> Lane:
    """A lane on which nobody has started."""
    none = np.zeros(0)
    return Lane(name, none, none, {}, none, none, none, note=note)


@dataclass(frozen=True, eq=False, repr=False)
class Race:
    """One problem solved in four ways, epoch by epoch: whether they agree, what each costs.

    Attributes
    ----------
    model : Model
        The fit after ``epochs`` epochs, from moments; its ``path`` is the closed form.
    lanes : tuple of Lane
        NumPy with the gradient by hand, PyTorch by autograd, JAX compiled, moments in closed form.
    epochs : int
        Updates that were asked for.

    Examples
    --------
    >>> import steepest
    >>> result = steepest.race({"x": [1, 2, 3, 4], "y": [2, 4, 6, 9]}, target="y", epochs=20)
    >>> [lane.epochs for lane in result.lanes if lane.ran][-1], result.agree
    (20, True)
    >>> result["moments, closed form"].coefficients == result.model.coefficients
    True
    """

    model: Model
    lanes: tuple[Lane, ...]
    epochs: int

    @property
    def agree(self) -> bool:
        """Whether all lanes that ran gave one answer, as far as rounding lets them."""
        return all(lane.agree for lane in self.lanes)

    @property
    def complete(self) -> bool:
        """Whether every lane that runs has come to its end."""
        return all(lane.epochs == self.epochs or lane.note for lane in self.lanes)

    def __getitem__(self, name: str) -> Lane:
        """The lane of that name."""
        for lane in self.lanes:
            if lane.name == name:
                return lane
        raise KeyError(name)

    def __str__(self) -> str:
        from ..faces.standings import describe_race

        return "\n".join(describe_race(self))

    __repr__ = __str__


OnTurn = Callable[[Race], object]
"""Called with the race as it stands; returning True ends it."""
