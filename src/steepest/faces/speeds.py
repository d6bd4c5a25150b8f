"""The command that tells of learning rates, and its words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ..store import finite
from . import options
from .dialects import take_said
from .manual import Command
from .names import join_names
from .options import print_json, print_lines

if TYPE_CHECKING:
    from ..descent.speeds import Rates

SHOWN, LOADINGS, SMALL = 5, 3, 0.1
"""Directions that are shown, the slowest first; columns of each; what is too little to count."""


@click.command(cls=Command)
@options.data
@options.penalty
@options.steps
@click.option("--learning-rate", type=float, metavar="RATE", help="Judge this rate too.")
@click.option("--epochs", type=int, metavar="N", help="Find the best rate for so many epochs.")
@click.option(
    "--tolerance",
    type=float,
    default=0.01,
    metavar="SHARE",
    help="Say when this share of the height above the minimum is left.  Default: 0.01.",
)
@options.scanning
@options.output
def rates(
    files: Sequence[str],
    features: Sequence[Sequence[str]],
    reference: Sequence[tuple[str, str]],
    no_intercept: bool,
    learning_rate: float | None,
    epochs: int | None,
    tolerance: float,
    executor: str | None,
    checkpoint: str | None,
    progress: str,
    as_json: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Say which learning rates converge, and which are best.

    Nothing is stepped: it all follows from the curvatures.  For each rate, what an epoch leaves of
    the slowest gap in the long run, and the epochs until a share of the height above the minimum
    is left; then what makes the descent slow.

    \b
    Examples:
      steepest rates examples/penguins.csv --target body_mass_g
      steepest rates homes.parquet --target price --rule momentum --epochs 500
      steepest rates homes.parquet --target price --scale none --learning-rate 1e-6
    """
    from ..models.outlook import rates as find_rates
    from .inputs import check_apart, read_inputs

    options.require_target(chosen["target"], chosen["formula"])
    check_apart(checkpoint, None, files)
    source = read_inputs(files, chosen["precision"], take_said(chosen))
    with options.begin_scan(checkpoint, executor, progress, quiet=quiet) as begun:
        found = find_rates(
            source,
            features=join_names(features),
            references=dict(reference),
            intercept=not no_intercept,
            **begun,
            **chosen,
        )
    view = view_rates(found, learning_rate, epochs, tolerance)
    if as_json:
        print_json(view)
        return
    print_lines(describe_rates(found, view))


def view_rates(
    found: Rates, rate: float | None, epochs: int | None, tolerance: float
) -> dict[str, Any]:
    """Everything that ``steepest rates`` says, for JSON; null where a number is infinite."""
    from ..errors import check_whole

    if epochs is not None:
        check_whole("epochs", epochs, 1)
    judged = {
        "best": found.best,
        "given": rate,
        "budget": None if epochs is None else found.best_for(epochs),
    }
    tuned = found.tuned
    return {
        "rule": found.rule.name,
        "momentum": found.rule.momentum,
        "scale": found.scale,
        "smoothness": found.smoothness,
        "smallest": found.smallest,
        "condition": found.condition,
        "limit": finite(found.limit),
        "limit_formula": found.rule.limit_formula,
        "tolerance": tolerance,
        "epochs": epochs,
        "rates": {
            name: _judge(found, value, epochs, tolerance)
            for name, value in judged.items()
            if value is not None
        },
        "tuned": {"momentum": tuned.rule.momentum, **_judge(tuned, tuned.best, epochs, tolerance)},
        "other_scale": None
        if found.other is None
        else {
            "scale": found.other.scale,
            "condition": found.other.condition,
            "limit": finite(found.other.limit),
            "best": finite(found.other.best),
            "epochs_to_tolerance": finite(found.other.epochs_to(tolerance)),
        },
        "directions": [
            {**one._asdict(), "epochs": finite(one.epochs)} for one in found.directions()
        ],
    }


def _judge(found: Rates, rate: float, epochs: int | None, tolerance: float) -> dict[str, Any]:
    """What a rate does."""
    return {
        "learning_rate": finite(rate),
        "share_of_limit": finite(rate / found.limit),
        "factor": finite(found.factor(rate)),
        "epochs_to_tolerance": finite(found.epochs_to(tolerance, rate)),
        "left": None if epochs is None else finite(float(found.left(epochs, rate)[0])),
    }


def describe_rates(found: Rates, view: dict[str, Any]) -> list[str]:
    """The rates, a line each, and the slowest directions as a table."""
    from .terminal import number

    m = f", momentum {number(view['momentum'])}" if view["momentum"] else ""
    lines = [
        ("rule", f"{view['rule']}{m}; scale {view['scale']}"),
        (
            "curvatures",
            f"ℓ = {number(view['smallest'])} to L = {number(view['smoothness'])}; condition "
            f"number {number(view['condition'])}",
        ),
        ("limit", f"{number(view['limit'])}  ({view['limit_formula']}; no rate at or above it)"),
    ]
    words = {"best": "best", "given": "as given", "budget": "for budget"}
    for name, judged in view["rates"].items():
        lines.append((words[name], _describe_rate(judged, view)))
    if view["momentum"]:
        tuned = view["tuned"]
        lines.append(
            (
                "best momentum",
                f"{number(tuned['momentum'])} at rate {_describe_rate(tuned, view)}",
            )
        )
    if view["other_scale"] is not None:
        lines.append(("scaling", _describe_scaling(view)))
    return [*(f"{label:<13}  {text}" for label, text in lines), "", *_direction_table(found, view)]


def _describe_rate(judged: dict[str, Any], view: dict[str, Any]) -> str:
    from .terminal import number

    rate, factor, epochs = (judged[key] for key in ("learning_rate", "factor",
                                                    "epochs_to_tolerance"))  # fmt: skip
    if rate is None:
        return "any: there is nothing to descend"
    if factor is None or factor >= 1:
        grows = "beyond all bounds" if factor is None else f"{number(factor)} times"
        return f"{number(rate)}  (does not converge: the error grows {grows} an epoch)"
    words = "never" if epochs is None else f"{epochs:,.0f} epochs to"
    text = f"{number(rate)}  (leaves {number(factor)} an epoch; {words} {view['tolerance']:.3g}"
    if judged["left"] is not None:
        text += f"; {judged['left']:.3g} after {view['epochs']:,}"
    return f"{text})"


def _describe_scaling(view: dict[str, Any]) -> str:
    from .terminal import number

    other, own = view["other_scale"], view["rates"]["best"]
    here, there = own["epochs_to_tolerance"], other["epochs_to_tolerance"]
    words = ["endless" if n is None else f"{n:,.0f} epochs" for n in (here, there)]
    return (
        f"{view['scale']} {words[0]}, condition number {number(view['condition'])}; "
        f"{other['scale']} {words[1]}, {number(other['condition'])}"
    )


def _direction_table(found: Rates, view: dict[str, Any]) -> list[str]:
    """The slowest directions at the best rate."""
    from .terminal import align, number

    rows = [["slowest", "curvature", "epochs to 1 %", "of the height", "along"]]
    shown = found.directions()[:SHOWN]
    for i, one in enumerate(shown):
        large = {name: v for name, v in one.loadings.items() if abs(v) >= SMALL}
        along = ", ".join(f"{v:+.2f} {name}" for name, v in list(large.items())[:LOADINGS])
        epochs = "never" if math.isinf(one.epochs) else f"{one.epochs:,.0f}"
        rows.append(
            [
                f"{i + 1}",
                number(one.curvature),
                epochs,
                f"{one.share:.3g}",
                along,
            ]
        )
    if not shown:
        return ["no direction moves: every column is constant, or there is none."]
    lines = align([row[:-1] for row in rows])
    widest = max(map(len, lines))
    return [
        f"{line.ljust(widest)}  {row[-1]}" for line, row in zip(lines, rows, strict=True)
    ] + _rest(len(view["directions"]))


def _rest(count: int) -> list[str]:
    return [] if count <= SHOWN else [f"and {count - SHOWN:,} more; --json shows them"]
