"""What runs every time, and what in the exhaustive tier alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import given, settings

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def exhaustively(*values: object) -> list[Any]:
    """Values of a parameter that the exhaustive tier tries."""
    return [pytest.param(value, marks=pytest.mark.exhaustive) for value in values]


def thinned(values: Iterable[object], kept: Collection[object]) -> list[Any]:
    """Values of a parameter, of which those kept run every time."""
    return [value if value in kept else exhaustively(value)[0] for value in values]


def crossed(meeting: int = 2, **axes: Iterable[object]) -> pytest.MarkDecorator:
    """Every combination; those that run every time hold each pair of values at least once.

    Or each value, where `meeting` is 1.  A mapping gives its values, and its keys are their names.
    """
    named = [
        [(str(key), value) for key, value in axis.items()]
        if isinstance(axis, Mapping)
        else [(str(value), value) for value in axis]
        for axis in axes.values()
    ]
    every = list(product(*(range(len(axis)) for axis in named)))
    chosen = cover(every, meeting)
    cases = []
    for places in every:
        picked = [axis[i] for axis, i in zip(named, places, strict=True)]
        marks = () if places in chosen else pytest.mark.exhaustive
        name = "-".join(one for one, _ in picked)
        cases.append(pytest.param(*(value for _, value in picked), id=name, marks=marks))
    return pytest.mark.parametrize(list(axes), cases)


def cover(every: list[tuple[int, ...]], meeting: int) -> set[tuple[int, ...]]:
    """Few tuples, in which stands all that so many places of any tuple hold."""
    held = {places: set(combinations(enumerate(places), meeting)) for places in every}
    left = set().union(*held.values())
    chosen = set()
    while left:
        best = max(every, key=lambda places: len(held[places] & left))
        chosen.add(best)
        left -= held[best]
    return chosen


def law(*strategies: Any, few: int, many: int, **named: Any) -> Decorator:
    """What holds for anything drawn: for a few examples every time, and for many."""

    def over(holds: Callable[..., None]) -> Callable[..., None]:
        @pytest.mark.parametrize("examples", [few, *exhaustively(many)])
        def test(examples: int) -> None:
            settings(max_examples=examples, deadline=None)(given(*strategies, **named)(holds))()

        test.__name__, test.__doc__ = holds.__name__, holds.__doc__
        return test

    return over
