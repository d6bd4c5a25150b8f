"""Counts that are given: whole numbers, at least so large."""

from __future__ import annotations

from typing import TypeGuard

from .fits import OptionError


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number of Python's or NumPy's, and no boolean."""
    import numpy as np  # help pages do without

    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_whole(name: str, value: object, least: int, example: object = 100) -> int:
    """A whole number that is at least so large; OptionError for anything else."""
    if not is_whole(value) or value < least:
        wanted = f"a whole number of at least {least}"
        raise OptionError.outside(name, value, wanted, f"{name}={example}")
    return int(value)
