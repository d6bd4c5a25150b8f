"""The settings that a study tries: values, ranges and their products."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ..errors import OptionError, StudyError

PATH, PATH_POINTS, PATH_REACH = "path", 100, 1e-3
"""A path of penalties: so many, down to this share of the one that makes every coefficient 0."""

USUAL = (0.0, *(float(v) for v in np.geomspace(1e-6, 1e2, 49)))
"""The penalties l2 that are tried where nothing else is."""

MOST_POINTS = 1_000_000


class Point(NamedTuple):
    """What one model of a study is asked for."""

    l1: float = 0.0
    l2: float = 0.0
    learning_rate: float | None = None
    epochs: int | None = None


@dataclass(frozen=True)
class Grid:
    """Values to try of each setting; ``None`` in ``l1`` stands for a path that the data place."""

    l1: tuple[float, ...] | None
    l2: tuple[float, ...]
    learning_rate: tuple[float | None, ...]
    epochs: tuple[int | None, ...]
    ratios: tuple[float, ...] = ()
    """Shares of l1 in an elastic net's penalty; with them ``l1`` are whole penalties."""

    def points(self, largest: float) -> list[Point]:
        """Every combination, where the penalty ``largest`` makes every coefficient 0."""
        steps = list(product(self.learning_rate, self.epochs))
        if self.ratios:
            return [
                Point(size * ratio, size * (1 - ratio) / 2, *step)
                for ratio in self.ratios
                for size in (self.l1 or place_path(largest / ratio))
                for step in steps
            ]
        l1 = self.l1 if self.l1 is not None else place_path(largest)
        return [Point(a, b, *step) for b in self.l2 for a in l1 for step in steps]


def place_path(largest: float) -> tuple[float, ...]:
    """Penalties from the largest down, evenly by their logarithms."""
    if not largest > 0:
        return (0.0,)
    return tuple(float(v) for v in np.geomspace(largest, largest * PATH_REACH, PATH_POINTS))


def read_grid(
    *, l1: Any, l2: Any, learning_rate: Any, epochs: Any, l1_ratio: Any, plain: bool
) -> Grid:
    """The grid that a study is asked for; OptionError for values that no data could make right.

    Each is a number, several, or a range in words, ``"0.001:10:50"``.  ``plain`` says that
    nothing else is compared, so that penalties l2 are tried where nothing is asked for.
    """
    nothing = l1 is None and l1_ratio is None and epochs is None and learning_rate is None
    sizes = None if isinstance(l1, str) and l1 == PATH else _read("l1", l1, 0.0)
    ratios: tuple[float, ...] = ()
    if l1_ratio is not None:
        ratios = _read("l1_ratio", l1_ratio, 0.0)
        if l2 is not None:
            raise StudyError.beside_ratio()
        if not all(0 < ratio <= 1 for ratio in ratios):
            bad = next(ratio for ratio in ratios if not 0 < ratio <= 1)
            raise OptionError.outside(
                "l1_ratio", bad, "a share above 0 and up to 1", "l1_ratio=[0.5, 0.9, 1]"
            )
        sizes = None if l1 is None else sizes
    squares = USUAL if nothing and l2 is None and plain else _read("l2", l2, 0.0)
    counts = (None,) if epochs is None else tuple(map(int, _read_epochs(epochs)))
    rates: tuple[float | None, ...] = (None,)
    if learning_rate is not None:
        rates = _read("learning_rate", learning_rate, math.nextafter(0, 1))
        if epochs is None:
            raise StudyError.endless_rates()
    grid = Grid(sizes, squares, rates, counts, ratios)
    count = math.prod(
        len(found) for found in (grid.l1 or (0,) * PATH_POINTS, ratios or squares, rates, counts)
    )
    if count > MOST_POINTS:
        raise OptionError.outside(
            "the grid", count, f"of at most {MOST_POINTS:,} settings", "try fewer of each."
        )
    return grid


def read_values(name: str, given: Any) -> list[float]:
    """A number, several, or a range: ``"0.001:10:50"``, evenly by logarithms."""
    if isinstance(given, str):
        return [value for piece in given.split(",") for value in _read_piece(name, given, piece)]
    if isinstance(given, Iterable):
        return [value for item in given for value in read_values(name, item)]
    if isinstance(given, bool):
        raise _refuse(name, given)
    try:
        return [float(given)]
    except (TypeError, ValueError):
        raise _refuse(name, given) from None


def _read_piece(name: str, whole: str, piece: str) -> Sequence[float]:
    try:
        numbers = [float(number) for number in piece.split(":")]
    except ValueError:
        raise _refuse(name, whole) from None
    if len(numbers) == 1:
        return numbers
    if len(numbers) != 3 or numbers[2] != int(numbers[2]) or not 2 <= numbers[2] <= MOST_POINTS:
        raise _refuse(name, whole)
    low, high, count = numbers[0], numbers[1], int(numbers[2])
    if not (0 < low < math.inf and 0 < high < math.inf):
        raise _refuse(name, whole)
    found = np.geomspace(low, high, count).tolist()
    return [low, *found[1:-1], high]


def _read(name: str, given: Any, least: float) -> tuple[float, ...]:
    found = (0.0,) if given is None else tuple(dict.fromkeys(read_values(name, given)))
    if not found or not all(least <= value < 1e300 for value in found):
        raise _refuse(name, given)
    return found


def _read_epochs(given: Any) -> list[float]:
    ranged = isinstance(given, str) and ":" in given
    found = read_values("epochs", given)
    found = list(dict.fromkeys(round(value) if ranged else value for value in found))
    if not found or not all(1 <= value < 2**53 and value == int(value) for value in found):
        raise _refuse("epochs", given)
    return found


def _refuse(name: str, given: Any) -> OptionError:
    hints = {"epochs": "epochs=[10, 100, 1000] or '10:1000:7'", "l1": "l1='path' or [0.01, 0.1]"}
    return OptionError.outside(
        name,
        given,
        "a number, several, or a range 'low:high:count'",
        hints.get(name, f"{name}=[0.01, 0.1] or '0.001:10:50'"),
    )
