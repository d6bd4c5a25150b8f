"""The command that predicts."""

from __future__ import annotations

from collections.abc import Sequence

import click

from . import options
from .options import say


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@options.database
@click.option(
    "-o",
    "--output",
    default="-",
    metavar="OUT",
    help="A .csv or .parquet file; - for CSV on standard output.",
)
@click.option(
    "--keep",
    type=options.Names(),
    multiple=True,
    help="Columns to write before the predictions, such as a key.",
)
@click.option(
    "--unseen",
    type=click.Choice(["refuse", "null", "reference"]),
    default="refuse",
    help="What a level gives that the model has not seen.  Default: refuse.",
)
@click.option("--strict", is_flag=True, help="Refuse a null in a column that the model uses.")
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
    table: str | None,
    query: str | None,
    output: str,
    keep: Sequence[Sequence[str]],
    unseen: str,
    strict: bool,
    flag_extrapolation: bool,
    raw: bool,
    progress: str,
    quiet: bool,
) -> None:
    """Predict each row of FILE..., in their order: a column named prediction.

    A row with a null in a column that the model uses gets a null, NA in CSV.  Text that a
    spreadsheet would run as a formula gets an apostrophe before it in CSV.

    \b
    Examples:
      steepest predict model.json examples/penguins.csv
      steepest predict model.json 'new/*.parquet' --keep id -o predictions.parquet
    """
    from ..data.open import open_source
    from ..data.predictor import Manner
    from ..models.model import note_unseen
    from ..models.record import load_model
    from .inputs import read_tables
    from .predictions import check_output, name_columns, write_predictions
    from .progress import show_progress

    kept = tuple(name for names in keep for name in names)
    manner = Manner(unseen, strict, flag_extrapolation)
    check_output(output, [model, *files], name_columns(kept, manner))
    loaded = load_model(model)
    with show_progress(progress, quiet=quiet, prints=output == "-") as on_progress:
        source = open_source(read_tables(files, table, query))
        rows, nulls = write_predictions(loaded, source, output, manner, kept, on_progress, raw=raw)
    if not quiet:
        notes = note_unseen(manner)
        if nulls:
            reason = " or holds an unseen level" if unseen == "null" else ""
            notes.append(
                f"{nulls:,} of {rows:,} predictions are null: a used column is null{reason}."
            )
        say(notes)
