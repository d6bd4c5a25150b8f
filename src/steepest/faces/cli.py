"""The command line: each command calls the library and prints what it gave."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import click

from ..errors import SteepestWarning
from . import options
from .check import check
from .dialects import take_said
from .endings import conclude
from .inputs import check_apart
from .interruption import interruptible
from .manual import Command, Group
from .moments import forget, merge, scan, show
from .names import join_names
from .options import print_json, print_lines, say
from .predicting import predict, score
from .racing import race
from .speeds import rates
from .studying import select, study
from .version import version_option

LINES = 100_000
"""Lines of an epoch table, at the most."""


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every failure ends here.

    0 done, 1 data, options, files or services, 2 usage, 3 a rate refused or a descent that
    diverged, 70 our own bug, 130 and 143 interrupted.  A closed pipe is silent.
    """
    warnings.simplefilter("ignore", SteepestWarning)  # the notes say them
    with interruptible():
        return conclude(
            lambda: steepest.main(list(arguments), prog_name="steepest", standalone_mode=False),
            steepest,
            arguments[0] if arguments else "",
        )


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Results go to standard output, progress and notes to standard error.  Exit codes: "
    "0 done, 1 data, options or files, 2 usage, 3 a learning rate that cannot converge, "
    "70 a bug of ours, 130 or 143 interrupted.",
)
@version_option
def steepest() -> None:
    """Linear models by gradient descent: scan once, descend free.

    \b
    Examples:
      steepest fit examples/penguins.csv --target body_mass_g
      steepest fit 'trips/*.parquet' --target tip --features fare,vendor -o tip.json
      steepest predict tip.json new.parquet -o tips.csv
      steepest descend examples/penguins.csv --target body_mass_g --epochs 1000
      steepest study examples/penguins.csv --target body_mass_g --l1 path
      steepest scan 'june/*.csv' -o june.moments
    """


@click.command(cls=Command)
@options.data
@options.descent
@options.steps
@options.scheduling
@click.option("--l1", type=float, default=0.0, metavar="PENALTY", help="On sizes: the lasso.")
@options.shrinking
@click.option("--epochs", type=int, metavar="N", help="Updates to make.  Default: the limit.")
@click.option(
    "--collinear",
    default="shortest",
    metavar="shortest|refuse",
    help="What to do when columns are sums of each other.",
)
@options.holding
@click.option("-o", "--output", metavar="MODEL", help="Save the model to this file.")
@options.scanning
@options.output
def fit(
    files: Sequence[str],
    output: str | None,
    checkpoint: str | None,
    executor: str | None,
    progress: str,
    as_json: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Fit a linear model to rows, or to moments of them.

    \b
    Examples:
      steepest fit examples/penguins.csv --target body_mass_g
      steepest fit examples/penguins.csv --target body_mass_g --features species,flipper_length_mm
      steepest fit homes.parquet --target price --learning-rate 0.1 --epochs 500 --l2 0.01
      steepest fit homes.parquet --target price --rule nesterov --momentum best --epochs 50
      steepest fit homes.parquet --target price --l1 0.1 --penalty area=0
      steepest fit homes.parquet --target price --validation 0.2 --seed 7
      steepest fit homes.parquet --target price,rent --features area,rooms
      steepest fit homes.parquet --target price -o price.json --json
      steepest fit sqlite:///homes.db --query 'select * from sold' --target price
      steepest fit year.moments --formula 'price ~ area + area^2'
      steepest fit 'trips/*.parquet' --target tip --executor processes:8 --checkpoint tip.part
    """
    from ..store import check_model_place

    several = isinstance(chosen["target"], list)
    if output is not None:
        if several:
            raise click.UsageError("'--output' holds one model, and there are several targets.")
        check_model_place(output)
    check_apart(checkpoint, output, files)
    with options.begin_scan(checkpoint, executor, progress, quiet=quiet) as begun:
        found = _fit(files, several=several, **begun, **chosen)
        if output is not None:
            found.save(output)
    models = dict(found) if several else {found.target: found}
    if as_json:
        from .overview import model_object

        objects = [model_object(model) for model in models.values()]
        print_json({"models": objects} if several else objects[0])
        return
    from ..models.several import list_notes
    from .terminal import describe_fit

    print_lines(["\n\n".join("\n".join(describe_fit(model)) for model in models.values())])
    if not quiet:
        say(list_notes(models))


@click.command(cls=Command)
@options.data
@options.descent
@options.steps
@options.scheduling
@click.option("--l1", type=float, default=0.0, metavar="PENALTY", help="On sizes: the lasso.")
@click.option("--epochs", type=int, default=100, metavar="N", help="Updates to make; 100.")
@click.option("--every", type=int, metavar="N", help="Epochs between two lines.")
@options.holding
@options.scanning
@options.output
def descend(
    files: Sequence[str],
    epochs: int,
    every: int | None,
    checkpoint: str | None,
    executor: str | None,
    progress: str,
    as_json: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Print the descent of a fit, epoch by epoch.

    loss(t) is the loss at w(t), from epoch 0.

    \b
    Examples:
      steepest descend examples/penguins.csv --target body_mass_g --features flipper_length_mm
      steepest descend homes.csv --target price --learning-rate 0.01 --epochs 1000 --every 100
      steepest descend homes.csv --target price --rule adam --schedule cosine --learning-rate 0.1
      steepest descend homes.csv --target price --validation 0.2 --epochs 1000
    """
    from ..errors import OptionError
    from .terminal import epoch_rows, epoch_table

    if every is not None and every < 1:
        raise OptionError.outside("every", every, "a whole number of at least 1", "--every 10")
    check_apart(checkpoint, None, files)
    chosen |= {"epochs": epochs, "collinear": "shortest"}
    with options.begin_scan(checkpoint, executor, progress, quiet=quiet) as begun:
        model = _fit(files, **begun, **chosen)
    step = every or max(1, epochs // 20)
    if epochs // step > LINES:
        raise OptionError.outside(
            "every", step, f"enough: it makes more than {LINES:,} lines", f"--every {epochs // 100}"
        )
    shown = sorted({*range(0, epochs + 1, step), epochs})
    if as_json:
        from .overview import model_object

        print_json({**model_object(model), "path": epoch_rows(model, shown)})
        return
    print_lines(epoch_table(model, shown))
    if not quiet:
        value = f"{model.learning_rate:.6g}: " if model.learning_rate > 0 else ""
        rate = f"learning rate {value}{model.learning_rate_reason}."
        say([*([rate] if model.names else []), *model.notes])


def _fit(
    files: Sequence[str],
    *,
    features: Sequence[Sequence[str]],
    reference: Sequence[tuple[str, str]],
    several: bool = False,
    no_intercept: bool,
    **chosen: Any,
) -> Any:
    from ..models.fitting import fit as fit_model
    from .inputs import read_beside, read_inputs

    options.require_target(chosen["target"], chosen["formula"], several=several)
    said = take_said(chosen)
    source = read_inputs(files, chosen["precision"], said)
    chosen["validation"] = read_beside(chosen["validation"], source, said)
    return fit_model(
        source,
        features=join_names(features),
        references=dict(reference),
        intercept=not no_intercept,
        penalties=dict(chosen.pop("penalties", ())),
        **chosen,
    )


for command in (
    *(fit, predict, score, descend, rates, study, select),
    *(scan, merge, forget, show, check, race),
):
    steepest.add_command(command)
