"""Which of the numbers that a loop computes is its loss."""

from __future__ import annotations

from typing import Any

from .anatomy import LOSS, NO_LOSS, name_of_text, names_read
from .figures import length_of
from .hooks import Hooks
from .replay import Tape


def find_losses(
    tape: Tape, hooks: Hooks, weights: Any, env: dict[str, Any]
) -> list[tuple[str, str]]:
    """Which of the numbers that the loop computes may be its loss.

    Those named so; where there are none, those that are computed from all of the data that the
    updates rest on, and from no gradient.
    """
    anatomy = hooks.anatomy
    needed = anatomy.needed
    own = {name_of_text(move.name) for _, moves in weights for move in moves}
    steady = {site.name for site in anatomy.sites if site.form != "expression"} - anatomy.resets
    steady = {name_of_text(name) for name in steady}
    data = {name for name in needed - own if length_of(env.get(name)) > 1} - anatomy.resets
    if not data and not any(
        move.site and move.site.has_rate for _, moves in weights for move in moves
    ):
        return []
    named, others = [], []
    for how, text in tape.scalars:
        short = text.rsplit(":", 1)[-1] if how == "put" else text
        name = short if how == "see" else name_of_text(short.removesuffix(" +"))
        if tape.counts[how, text] > 1 and short.endswith(" +"):
            continue
        if name in own | steady and not short.endswith(" +"):
            continue
        if sounds_like_loss(short) and (
            how != "put" or "loss" in name.lower() or name not in needed - anatomy.differentiated
        ):
            named.append((how, text))
        elif (how == "see" or name not in needed) and not NO_LOSS.search(short):
            reads = names_read(short) if how == "see" else {name}
            if not reads & (anatomy.gradients | anatomy.circular - own) and data <= anatomy.behind(
                reads
            ):
                others.append((how, text))
    if named or others:
        return named or others
    rest = [(how, text) for how, text in tape.scalars if how == "put" and not text.endswith(" +")]
    names = [name_of_text(text.rsplit(":", 1)[-1]) for _, text in rest]
    return [
        ("square", text)
        for (_, text), name in zip(rest, names, strict=True)
        if name in needed and name not in own | steady
    ]


def told(tape: Tape, label: tuple[str, str]) -> complex:
    """The number of that label; of an error, half its square."""
    how, text = label
    return tape.scalars["put", text] ** 2 / 2 if how == "square" else tape.scalars[label]


def sounds_like_loss(text: str) -> bool:
    """Whether a name, or the function that is called, is that of a loss."""
    called = text.split("(", 1)[0]
    return bool(LOSS.search(called.rsplit(".", 1)[-1])) and not NO_LOSS.search(text)
