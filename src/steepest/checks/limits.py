"""What a check could not see, in words, and why."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import counted
from ..typing import Floats
from .findings import Finding, figure, vector


def no_loss(value: float, rows: Sequence[str]) -> Finding:
    why = f"{' and '.join(rows)} already holds one." if rows else "forward or loss makes it of w."
    return Finding(
        "G16",
        "not a number",
        f"the loss is {value} at the w given, so that it has no gradient there. {why}",
        "drop those rows first." if rows else "start at a w for which the loss is a number.",
        2,
    )


def not_repeatable(what: str, once: float, again: float) -> Finding:
    return Finding(
        "G22",
        "not the same twice",
        f"{what} was {figure(once)}, and {figure(again)} when asked again at the same w: random "
        "numbers, or something it remembers. What changes on its own cannot be checked.",
        "draw random numbers once, before, or from a generator that is seeded inside.",
        3,
    )


def not_checked(share: float) -> Finding:
    return Finding(
        "G24",
        "not checked",
        "the loss is too rough, or too flat, for a gradient to be told from it: at every point "
        f"that was tried its derivative is uncertain by {figure(100 * share)} percent or more.",
        "check at another w, or on rows and weights of a scale nearer to 1.",
        4,
    )


def corner(w: Floats, got: Floats, truth: Floats) -> Finding:
    """No fault: what a gradient is where there is none."""
    return Finding(
        "G23",
        "a corner at the start",
        f"at w = {vector(w)} the gradient is {vector(got)}, and differences say "
        f"{vector(truth)}; at all other points the two agree. The loss has a corner there, as "
        "max(0, z) has at 0, or the gradient makes an exception of it.",
        "none is needed; start elsewhere to leave the corner.",
        90,
    )


def single_precision(digits: int) -> Finding:
    """No fault: what a check in float32 cannot see."""
    return Finding(
        "G11",
        "checked in float32",
        f"the functions compute in float32, where agreement is only visible to about "
        f"{counted(digits, 'digit')}.",
        "pass float64 arrays, and let the functions keep them, for a real check.",
        90,
    )
