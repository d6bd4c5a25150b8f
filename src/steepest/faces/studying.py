"""The commands that compare many models from one scan: study and select."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from . import options
from .dialects import take_said
from .manual import Command
from .names import join_names
from .options import print_json, print_lines, say

if TYPE_CHECKING:
    from ..models.model import Model
    from ..models.selections import Selection
    from ..models.studies import Study


@click.command(cls=Command)
@options.data
@options.folding
@click.option(
    "--l2", metavar="VALUES", help="Penalties on squares: 0,0.1,1 or 0.001:10:50.  Default: 0 and "
    "49 from 1e-6 to 100 where nothing else is compared."
)  # fmt: skip
@click.option(
    "--l1", metavar="VALUES", help="Penalties on sizes, or path: 100 from where all is 0."
)
@click.option("--l1-ratio", metavar="VALUES", help="Elastic nets: shares of l1 in the penalty.")
@click.option("--learning-rate", metavar="VALUES", help="Rates to go the epochs at.")
@click.option("--epochs", metavar="VALUES", help="Updates: 10,100,1000 or 10:1000:20.")
@options.shrinking
@click.option("--nested", is_flag=True, help="Estimate the error of the selection too.")
@click.option(
    "--choose",
    default="best",
    metavar="best|one-se",
    help="What -o saves: the lowest error, or the simplest within one standard error.",
)
@click.option(
    "--scale", default="standard", metavar="standard|none", help="Centre and scale, or not."
)
@click.option("--no-intercept", is_flag=True, help="Models through the origin.")
@click.option("-o", "--output", metavar="MODEL", help="Save the chosen model, fitted to all rows.")
@click.option("--csv", metavar="TABLE", help="Save the table of all models.")
@click.option("--plot", metavar="PICTURE", help="Draw the errors: .png, .svg or .pdf.")
@options.scanning
@options.output
def study(
    files: Sequence[str],
    target: str | list[str] | None,
    features: Sequence[Sequence[str]],
    reference: Sequence[tuple[str, str]],
    folds: str | None,
    penalties: Sequence[tuple[str, float]],
    no_intercept: bool,
    output: str | None,
    csv: str | None,
    plot: str | None,
    executor: str | None,
    checkpoint: str | None,
    progress: str,
    as_json: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Compare many models by their error on rows not seen.

    The rows are read once, and dealt to 5 folds unless --folds says otherwise; moments must have
    been scanned with --folds.  Every --features is a set of its own; several are compared.
    --target takes several, with commas between them or standing several times.

    \b
    Examples:
      steepest study examples/penguins.csv --target body_mass_g --folds 5
      steepest study homes.moments --target price --l1 path --choose one-se -o price.json
      steepest study homes.csv --target price --folds region --epochs 10:1000:20 --nested
      steepest study homes.csv --target price --features area --features area,rooms --csv all.csv
    """
    from ..models.studying import study as run_study
    from ..store import check_model_place, check_writable
    from .charts import check_picture
    from .inputs import check_apart, read_inputs, read_rule
    from .studies import describe_study, study_object

    options.require_target(target, chosen["formula"], several=True)
    if output is not None:
        check_model_place(output)
    if csv is not None:
        check_writable(csv)
    if plot is not None:
        check_picture(plot)
    check_apart(checkpoint, output, files)
    source = read_inputs(files, chosen["precision"], take_said(chosen))
    sets = [list(names) for names in features]
    with options.begin_scan(checkpoint, executor, progress, quiet=quiet) as begun:
        found = run_study(
            source,
            target,
            features=sets[0] if len(sets) == 1 else sets or None,
            folds=read_rule(folds),
            references=dict(reference),
            penalties=dict(penalties),
            intercept=not no_intercept,
            **begun,
            **chosen,
        )
        model = _save_model(found, output)
        if csv is not None:
            found.save_table(csv)
        if plot is not None:
            found.plot(plot)
    if as_json:
        print_json({**study_object(found), **({} if output is None else {"output": output})})
        return
    print_lines(describe_study(found))
    if not quiet:
        say([*found.notes, *(model.notes if model is not None else ())])


@click.command(cls=Command)
@options.data
@options.folding
@click.option(
    "--method",
    default="best",
    metavar="best|forward|backward",
    help="All subsets, up to 40 columns; or one column after the other.",
)
@click.option(
    "--criterion",
    metavar="bic|aic|cp|held-out",
    help="What -o goes by.  Default: held-out with folds, else bic.",
)
@click.option("--no-intercept", is_flag=True, help="Models through the origin.")
@click.option("-o", "--output", metavar="MODEL", help="Save the model of the best columns.")
@options.scanning
@options.output
def select(
    files: Sequence[str],
    features: Sequence[Sequence[str]],
    reference: Sequence[tuple[str, str]],
    folds: str | None,
    no_intercept: bool,
    output: str | None,
    executor: str | None,
    checkpoint: str | None,
    progress: str,
    as_json: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Find the best column, the best two, and so on.

    \b
    Examples:
      steepest select examples/penguins.csv --target body_mass_g
      steepest select homes.moments --target price --criterion cp -o price.json
      steepest select homes.csv --target price --folds 5 --method forward --json
    """
    from ..models.selecting import select as run_selection
    from ..store import check_model_place
    from .inputs import check_apart, read_inputs, read_rule
    from .selections import describe_selection, selection_object

    options.require_target(chosen["target"], chosen["formula"])
    if output is not None:
        check_model_place(output)
    check_apart(checkpoint, output, files)
    source = read_inputs(files, chosen["precision"], take_said(chosen))
    with options.begin_scan(checkpoint, executor, progress, quiet=quiet) as begun:
        found = run_selection(
            source,
            features=join_names(features),
            folds=read_rule(folds),
            references=dict(reference),
            intercept=not no_intercept,
            **begun,
            **chosen,
        )
        model = _save_model(found, output)
    if as_json:
        print_json({**selection_object(found), **({} if output is None else {"output": output})})
        return
    print_lines(describe_selection(found))
    if not quiet:
        say([*found.notes, *(model.notes if model is not None else ())])


def _save_model(found: Study | Selection, output: str | None) -> Model | None:
    """The chosen model, fitted and saved, where it is wanted."""
    if output is None:
        return None
    model = found.refit()
    model.save(output)
    return model
