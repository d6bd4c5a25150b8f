"""Options that commands share, and the two ways that they speak."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import reduce
from typing import Any, TypeVar

import click

from ..errors import listed, visible
from .dialects import written
from .hints import find_flags, in_flags
from .names import Names, join_names

F = TypeVar("F", bound=Callable[..., Any])


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    return lambda command: reduce(lambda f, option: option(f), reversed(options), command)


@contextmanager
def begin_scan(
    checkpoint: str | None, executor: str | None, progress: str, *, quiet: bool
) -> Iterator[dict[str, Any]]:
    """What the options of ``scanning`` mean, as arguments of whatever scans.

    The checkpoint is removed when the block ends well: when the result is where it was wanted.
    """
    from .interruption import keeping_scan
    from .progress import show_progress
    from .workers import hiring

    with (
        keeping_scan(checkpoint) as kept,
        hiring(executor) as workers,
        show_progress(progress, quiet=quiet) as on_progress,
    ):
        yield {"checkpoint": kept, "executor": workers, "on_progress": on_progress}


def require_target(
    target: str | list[str] | None, formula: str | None, *, several: bool = False
) -> None:
    """UsageError where nothing says what is to be explained, or more than is possible."""
    if target is None and formula is None:
        raise click.UsageError("Missing option '--target', or '--formula'.")
    if isinstance(target, list) and not several:
        raise click.UsageError(
            f"'--target' names several columns, {listed(target)}, where one is explained; a name "
            "with a comma of its own stands in double quotes."
        )


def take_targets(
    ctx: click.Context, param: click.Parameter, given: Sequence[Sequence[str]]
) -> str | list[str] | None:
    """The names of targets: a single one by itself, None where there is none."""
    del ctx, param
    names = list(dict.fromkeys(join_names(given) or ()))
    return names if len(names) > 1 else next(iter(names), None)


class Rate(click.ParamType[float | str]):
    """A number, or the name of a way to choose one."""

    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        del param, ctx
        try:
            return float(value)
        except ValueError:
            return str(value)


class Choice(click.ParamType[tuple[str, str]]):
    """A level of a category."""

    name = "column=level"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if not isinstance(value, str):
            return value[0], value[1]
        column, equals, level = value.partition("=")
        if not (column and equals):
            self.fail(f"'{value}' is not of the form city=Oslo.", param, ctx)
        return column, level


class Factor(click.ParamType[tuple[str, float]]):
    """A column and how many times its penalty counts."""

    name = "column=factor"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        if not isinstance(value, str):
            return value[0], value[1]
        column, _, factor = value.rpartition("=")
        with suppress(ValueError):
            if column:
                return column, float(factor)
        return self.fail(f"'{value}' is not of the form area=0.5.", param, ctx)


formula = click.option(
    "--formula",
    metavar="FORMULA",
    help="Instead of names: 'y ~ x + C(city) + log(age)'; ending in '+ 0' for no intercept.",
)
where = click.option(
    "--where", metavar="CONDITION", help="Which rows to take: \"area > 10 and city == 'Oslo'\"."
)
max_levels = click.option(
    "--max-levels",
    type=int,
    default=1_000_000,
    metavar="N",
    help="Levels that a category may have.  Default: 1,000,000.",
)
database = together(
    click.option("--table", metavar="NAME", help="The table to read, where FILE is a database."),
    click.option(
        "--query", metavar="SQL", help="One statement that gives rows, where FILE is a database."
    ),
)
summing = together(
    where,
    max_levels,
    click.option("--weights", metavar="COLUMN", help="The column that says how much a row counts."),
    click.option(
        "--weight-kind",
        default="analytic",
        metavar="analytic|frequency",
        help="Whether weight 3 is one row that counts more, or three rows.",
    ),
    click.option(
        "--precision",
        metavar="exact|double",
        help="exact: no sum is rounded.  Default: exact up to 100 columns of numbers and booleans.",
    ),
)
folding = together(
    click.option(
        "--folds",
        metavar="FOLDS",
        help="Keep the sums of folds: 5 by a hash of the values, contiguous:5, time:COLUMN:5, a "
        "COLUMN whose values are the folds, or those of a file of moments.",
    ),
    click.option("--seed", type=int, default=0, metavar="N", help="Of the hash.  Default: 0."),
)
data = together(
    click.argument("files", nargs=-1, required=True, metavar="FILE..."),
    database,
    click.option(
        "--target",
        type=Names(),
        multiple=True,
        callback=take_targets,
        metavar="COLUMN",
        help="The column to explain; a name with a comma of its own stands in double quotes.",
    ),
    click.option(
        "--features",
        type=Names(),
        multiple=True,
        help="The columns that explain it; may stand several times.  Default: all.",
    ),
    formula,
    click.option(
        "--reference",
        type=Choice(),
        multiple=True,
        help="The level that others are compared with.  Default: the first.",
    ),
    click.option(
        "--offset", metavar="COLUMN", help="A part of every prediction, its coefficient 1."
    ),
    click.option(
        "--missing",
        default="drop",
        metavar="drop|refuse|mean|indicator",
        help="What a null in a feature does.  Default: its row is dropped.",
    ),
    click.option(
        "--rare",
        type=int,
        default=0,
        metavar="N",
        help="Take levels of fewer than N rows together.",
    ),
    summing,
    written,
)
learning_rate = click.option(
    "--learning-rate",
    type=Rate(),
    metavar="RATE|best|budget",
    help="Default: best, the fixed rate with the best worst case; budget: best for the epochs.",
)
penalty = together(
    click.option(
        "--l2",
        type=float,
        default=0.0,
        metavar="PENALTY",
        help="On the sum of squared coefficients.  Default: 0.",
    ),
    click.option(
        "--scale",
        default="standard",
        metavar="standard|none",
        help="Centre and scale the columns for the descent, or not.",
    ),
    click.option("--no-intercept", is_flag=True, help="A model through the origin."),
)
holding = together(
    click.option(
        "--validation",
        type=Rate(),
        metavar="SHARE|COLUMN|FILE",
        help="Rows to hold out: a share by hash, those for which a column is true, or a table's.  "
        "Without --epochs the descent stops where their loss is lowest.",
    ),
    click.option("--seed", type=int, default=0, metavar="N", help="Of the hash.  Default: 0."),
)
progress = click.option(
    "--progress",
    type=click.Choice(["auto", "live", "plain", "off"]),
    default="auto",
    help="A line that moves, or one every 10 s, on standard error.  Default: by the terminal.",
)
executor = click.option(
    "--executor",
    metavar="WHO",
    help="Who reads: threads:N, processes:N, local:N or dask:tcp://HOST:PORT (Dask).  "
    "Default: a thread a core.",
)
reading = together(executor, progress)
scanning = together(
    click.option(
        "--checkpoint",
        metavar="FILE",
        help="Keep there what is added up; the same command goes on from it.  Removed at the end.",
    ),
    reading,
)
descent = together(learning_rate, penalty)
steps = together(
    click.option(
        "--rule",
        metavar="RULE",
        help="gradient-descent, momentum, nesterov, adagrad, rmsprop, adam, adamw, "
        "conjugate-gradient or l-bfgs.  Default: the first.",
    ),
    click.option(
        "--momentum",
        type=Rate(),
        metavar="SHARE|best",
        help="How much of the past is kept.  Default: 0.9 for rules that have it.",
    ),
)
scheduling = together(
    click.option(
        "--schedule",
        metavar="SCHEDULE",
        help="How the rate changes: constant, inverse-time, step, cosine or warm-up, as in "
        "step:30:0.1 or warm-up:10,cosine.",
    ),
    click.option(
        "--allow-divergence",
        is_flag=True,
        help="Take a rate that cannot converge, to see what it does.",
    ),
)
shrinking = together(
    click.option("--nonnegative", is_flag=True, help="Only coefficients of at least 0."),
    click.option(
        "--adaptive",
        type=float,
        default=0.0,
        metavar="POWER",
        help="The adaptive lasso: l1 over this power of the least-squares coefficient.",
    ),
    click.option(
        "--penalty",
        "penalties",
        type=Factor(),
        multiple=True,
        help="How many times the penalties of a column count; 0 for not at all.",
    ),
)
output = together(
    click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output."),
    click.option("--quiet", is_flag=True, help="No progress and no notes on standard error."),
)


def print_json(value: dict[str, Any]) -> None:
    """One object, on one line of standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, allow_nan=False))


def print_lines(lines: Iterable[str]) -> None:
    """Lines on standard output, in which names and levels do nothing to a terminal."""
    click.echo(visible("\n".join(lines)))


def say(notes: Sequence[str]) -> None:
    """Notes, to standard error, with options for the arguments that they speak of."""
    context = click.get_current_context()
    program = context.find_root().command
    flags = find_flags(program, str(context.info_name)) if isinstance(program, click.Group) else {}
    for note in notes:
        click.echo(f"note: {visible(in_flags(note, flags))}", err=True)
