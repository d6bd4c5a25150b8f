"""How many rows the data of a loop has, and how many columns what is computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .anatomy import Anatomy, name_of_text
from .figures import is_array, length_of
from .log import Move
from .replay import Tape

MOST = 3
"""Lengths that are told of, the likeliest first."""


def count_rows(
    base: Tape, moves: Sequence[Move], env: dict[str, Any], anatomy: Anatomy
) -> list[int]:
    """The lengths of what updates rest on and of what is computed, the weights' own left out."""
    own = {name_of_text(move.name) for move in moves} | anatomy.gradients | anatomy.circular
    data = [env[name] for name in sorted(anatomy.needed - own) if name in env]
    values = [value for _, _, value in base.arrays]
    found = _unlike([*values, *data], moves) or _unlike([v for _, v in base.parts], moves)
    lengths = [n for n in map(_rows_of, found) if n > 1]
    return sorted(set(lengths), key=lambda n: (-lengths.count(n), n))[:MOST]


def count_columns(base: Tape, moves: Sequence[Move], rows: Sequence[int]) -> list[int]:
    """How many numbers a row has in what is computed."""
    shapes: list[tuple[int, ...]] = [
        np.shape(v) for v in _unlike([v for _, _, v in base.arrays], moves)
    ]
    widths = [shape[1] for shape in shapes if len(shape) == 2 and shape[0] in rows and shape[1] > 1]
    return sorted(set(widths) - set(rows), key=lambda n: (-widths.count(n), n))[:MOST]


def _unlike(values: Sequence[Any], moves: Sequence[Move]) -> list[Any]:
    """Those with a length that have the shape of no weight; what is wide is transposed rows."""
    weights: set[tuple[int, ...]] = {np.shape(move.old) for move in moves}
    weights |= {shape[::-1] for shape in weights}
    shapes: list[tuple[int, ...]] = [np.shape(v) if is_array(v) else () for v in values]
    return [
        value
        for value, shape in zip(values, shapes, strict=True)
        if _rows_of(value) > 1
        and (shape not in weights or not shape)
        and not (len(shape) == 2 and shape[0] < shape[1])
    ]


def _rows_of(value: Any) -> int:
    """The length of an array, or of a list of numbers or rows."""
    if isinstance(value, list | tuple):
        numbers = all(isinstance(one, int | float | list | tuple) for one in value)
        return len(value) if numbers else 0
    return length_of(value)
