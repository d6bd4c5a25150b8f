"""What an iteration has moved, and where it stood when the iteration began."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...descent.autograd import is_tensor
from .hooks import Iteration
from .log import Move
from .patience import COORDINATES
from .replay import Weight


def find_weights(
    iteration: Iteration, memory: Any, starts: set[tuple[str, str]]
) -> tuple[list[tuple[Weight, list[Move]]], list[Move]]:
    """What the moves have moved that was there when the iteration began, and where it stood.

    ``starts`` are the functions and names that begin at a plain number in them.
    """
    standing: dict[int, list[Any]] = {}
    values = []
    for place in memory.places:
        try:
            value = place.read()
        except (LookupError, AttributeError, ValueError):
            continue
        values.append((place, value))
        standing.setdefault(id(value), []).append(place)
    found: dict[Any, tuple[Weight, list[Move]]] = {}
    renamed: dict[int, Any] = {}
    kept = []
    for move in iteration.moves:
        key: Any = None if isinstance(move.old, float) else renamed.get(id(move.old), id(move.old))
        places = standing.get(key, []) if key is not None else []
        if not places:
            places = _standing_number(move, iteration, values, starts)
            key = (id(places[0].owner), places[0].key) if places else None
        if not places or key is None:
            continue
        if key not in found:
            weight = Weight(move.name, places, _copied(places[0].read()))
            found[key] = (weight, [])
        found[key][1].append(move)
        kept.append(move)
        if move.new is not None and not isinstance(move.new, float):
            renamed[id(move.new)] = key
    return list(found.values()), kept


def _standing_number(
    move: Move,
    iteration: Iteration,
    values: list[tuple[Any, Any]],
    starts: set[tuple[str, str]],
) -> list[Any]:
    """Where a single number stood: at its name, in its owner, or where an equal one is."""
    site, loop = move.site, iteration.record.loop
    assert site is not None
    if np.shape(move.old):
        return []
    if site.form == "name" and site.function == loop.function and site.name in loop.reset:
        return []
    if (
        site.form == "name"
        and site.function != loop.function
        and (site.function, site.name) in starts
    ):
        return []
    for place, _ in values:
        if (
            site.form in {"attribute", "item"}
            and place.owner is move.owner
            and place.key == move.key
        ):
            return [place]
    same = [
        place
        for place, value in values
        if isinstance(value, float | np.floating) and float(value) == move.before[0]
    ]
    named = [place for place in same if place.name.split(".")[-1] == site.name]
    return named or same[:1]


def _copied(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    return value.detach().clone() if is_tensor(value) else value


def moves_twice(moves: Sequence[Move]) -> bool:
    """Whether one line has moved the same number more than once."""
    hit: set[tuple[int, int]] = set()
    for move in moves:
        places = positions(move)
        site = move.site.number if move.site else -1
        if any((site, int(i)) in hit for i in places):
            return True
        hit |= {(site, int(i)) for i in places}
    return False


def positions(move: Move) -> np.ndarray:
    """Which numbers of the whole a move has moved."""
    shape = np.shape(move.old)
    every = np.arange(int(np.prod(shape, dtype=int))).reshape(shape)
    if move.index is None:
        return every.ravel()
    index = np.asarray(move.index.cpu()) if is_tensor(move.index) else move.index
    return np.ravel(every[index])


def choose_some(size: int, most: int = COORDINATES) -> np.ndarray:
    """Which of many numbers are looked at."""
    if size <= most:
        return np.arange(size)
    return np.sort(np.random.default_rng(5).choice(size, most, replace=False))


def name_weight(name: str, value: Any, place: int) -> str:
    shape = np.shape(value)
    index = np.unravel_index(place, shape) if shape else ()
    return name + "".join(f"[{i}]" for i in index)
