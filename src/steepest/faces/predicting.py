"""The commands that apply a model to rows: predict and score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from . import options
from .dialects import take_said, written
from .manual import Command
from .names import Names, join_names
from .options import print_json, print_lines, say

if TYPE_CHECKING:
    from ..models.scoring import Score


_manner = options.together(
    click.option(
        "--unseen",
        type=click.Choice(["refuse", "null", "reference"]),
        default="refuse",
        help="What a level gives that the model has not seen.  Default: refuse.",
    ),
    click.option("--strict", is_flag=True, help="Refuse a null in a column that the model uses."),
)


@click.command(cls=Command)
@click.argument("model", metavar="MODEL")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@options.database
@written
@click.option(
    "-o",
    "--output",
    default="-",
    metavar="OUT",
    help="A .csv or .parquet file; - for CSV on standard output.",
)
@click.option(
    "--keep",
    type=Names(),
    multiple=True,
    help="Columns to write before the predictions, such as a key.",
)
@_manner
@click.option(
    "--flag-extrapolation",
    is_flag=True,
    help="Say in a column whether a number lies outside of what the fit has seen.",
)
@click.option("--raw", is_flag=True, help="Write text as it is, spreadsheet formulas too.")
@options.progress
@click.option("--quiet", is_flag=True, help="No progress and no notes on standard error.")
def predict(
    model: str,
    files: Sequence[str],
    output: str,
    keep: Sequence[Sequence[str]],
    unseen: str,
    strict: bool,
    flag_extrapolation: bool,
    raw: bool,
    progress: str,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Predict each row, in their order: a column named prediction.

    A row with a null in a column that the model uses gets a null, NA in CSV.  Text that a
    spreadsheet would run as a formula gets an apostrophe before it in CSV.

    \b
    Examples:
      steepest predict model.json examples/penguins.csv
      steepest predict model.json 'new/*.parquet' --keep id -o predictions.parquet
    """
    from ..data.open import open_source
    from ..data.predictor import Manner
    from ..models.record import load_model
    from .inputs import open_files
    from .predictions import check_output, name_columns, note_written, write_predictions
    from .progress import show_progress

    kept = tuple(join_names(keep) or ())
    manner = Manner(unseen, strict, flag_extrapolation)
    check_output(output, [model, *files], name_columns(kept, manner))
    loaded = load_model(model)
    with show_progress(progress, quiet=quiet, prints=output == "-") as on_progress:
        source = open_source(open_files(files, take_said(chosen)))
        written_rows = write_predictions(loaded, source, output, manner, kept, on_progress, raw=raw)
    if not quiet:
        say([*note_written(manner, *written_rows), *loaded.predictor.note_reads(source)])


@click.command(cls=Command)
@click.argument("model", metavar="MODEL")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@options.database
@written
@click.option("--weights", metavar="COLUMN", help="The column that says how much a row counts.")
@_manner
@options.scanning
@options.output
def score(
    model: str,
    files: Sequence[str],
    weights: str | None,
    unseen: str,
    strict: bool,
    executor: str | None,
    checkpoint: str | None,
    progress: str,
    as_json: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Say how well a model predicts rows: RMSE, MAE and R².

    Rows in which the target or a column that the model uses is null are counted, and left out.

    \b
    Examples:
      steepest score model.json examples/penguins.csv
      steepest score model.json 'new/*.parquet' --json
      steepest score model.json 'years/*.csv' --executor processes:4 --checkpoint years.part
    """
    from ..data.predictor import Manner
    from ..models.model import note_unseen
    from ..models.record import load_model
    from .inputs import check_apart, open_files

    check_apart(checkpoint, None, [model, *files])
    loaded = load_model(model)
    with options.begin_scan(checkpoint, executor, progress, quiet=quiet) as begun:
        found = loaded.score(
            open_files(files, take_said(chosen)),
            weights=weights,
            unseen=unseen,
            strict=strict,
            **begun,
        )
    if as_json:
        print_json(_score_object(loaded.target, found))
        return
    print_lines(_describe_score(loaded.target, found))
    if not quiet:
        met = Manner(unseen, rows_unseen=Counter(found.unseen))
        say([*note_unseen(met), *found.notes])


def _score_object(target: str, found: Score) -> dict[str, Any]:
    return {
        "target": target,
        "rmse": found.rmse,
        "mae": found.mae,
        "r2": found.r2,
        "loss": found.loss,
        "bias": found.bias,
        "rows": found.rows,
        "nulls": found.nulls,
        "unseen": found.unseen,
        "notes": list(found.notes),
    }


def _describe_score(target: str, found: Score) -> list[str]:
    from .terminal import number

    nulls = f"; {found.nulls:,} with a null" if found.nulls else ""
    r2 = "undefined: the target is constant" if found.r2 is None else number(found.r2)
    lines = [
        ("target", target),
        ("RMSE", number(found.rmse)),
        ("MAE", number(found.mae)),
        ("R²", r2),
        ("bias", f"{number(found.bias)}  (mean of target minus prediction)"),
        ("rows", f"{found.rows:,} scored{nulls}"),
    ]
    return [f"{label:<6}  {text}" for label, text in lines]
