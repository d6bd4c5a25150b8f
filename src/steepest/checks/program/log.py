"""What was seen of a program as it ran: moves of weights, steps of loops, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...typing import Floats
from ..findings import Finding
from .anatomy import Loop, Site


@dataclass
class Move:
    """One update, as it was made."""

    site: Site | None
    name: str
    old: Any
    """What was moved, itself; of an element, the array that it stands in."""
    before: Floats
    """Its numbers before the move, shape (p,)."""
    terms: list[Floats]
    """What was added to it, term by term, each of shape (p,)."""
    scalars: list[dict[int, float]] = field(default_factory=list)
    """For each term its factors that are single numbers, by their place."""
    index: Any = None
    owner: Any = None
    key: Any = None
    new: Any = None
    truth: Floats | None = None
    """The gradient by PyTorch of what backward() was called on."""
    none: bool = False
    """Whether the gradient was None."""
    grad: Floats | None = None
    """What stood in .grad."""
    unclean: bool = False
    """Whether .grad still held an earlier gradient when backward() was called."""
    cured: bool = False
    dependent: dict[int, set[int]] = field(default_factory=dict)
    """For each term the factors among them that depend on the weights."""

    def free(self) -> list[list[int]]:
        """For each term its single numbers that may be part of a rate."""
        return [
            [f for f in sorted(scalars) if f not in self.dependent.get(k, ())]
            for k, scalars in enumerate(self.scalars)
        ]


@dataclass
class Sight:
    """The gradient of one number that the loop computes, at one iteration."""

    truth: Floats
    error: Floats
    low: Floats
    high: Floats
    excused: bool
    """Whether the gradient was at hand before the update: then the update is another rule."""
    value: float = 0.0


@dataclass
class Seen:
    """One iteration of a loop: what its updates did, and what they should have done."""

    moves: list[Move]
    w: Floats
    names: tuple[str, ...]
    parts: list[tuple[Move, slice, Any]]
    """Which numbers each move moved: a slice of w, and which of the move's numbers they are."""
    sights: dict[tuple[str, str], Sight]
    rows: list[int]
    single: bool
    columns: list[int] = field(default_factory=list)


@dataclass
class Record:
    """A loop as it ran."""

    loop: Loop
    iterations: int = 0
    moved: int = 0
    seen: list[Seen] = field(default_factory=list)
    lost: str = ""
    """Why its updates could not be followed."""
    passes: bool = False
    """Whether its moves are judged by the loop around it."""
    findings: list[Finding] = field(default_factory=list)
    """What was found on the way."""
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    still: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    """Losses, an entry an iteration, that depend on nothing that is moved."""
    moves: list[str] = field(default_factory=list)
    unmoved: list[str] = field(default_factory=list)
    """Weights whose update was thrown away, an entry an iteration."""
    trust: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    """For each number how far its complex steps were off, each time that they were held against
    differences."""
    most: int = 0
    """How many weights of an array are looked at, once that is known."""
    columns: set[int] = field(default_factory=set)
    """Lengths of one-dimensional data that it reads."""


@dataclass
class Trouble:
    """An error that the program raised."""

    cell: int
    line: int
    what: str
    went_on: bool
