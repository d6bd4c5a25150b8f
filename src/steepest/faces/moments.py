"""Commands about moments: made from tables, added, taken away, looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from . import options
from .dialects import take_said, written
from .manual import Command
from .names import Names, join_names

if TYPE_CHECKING:
    from ..sums.moments import Moments

_place = click.option(
    "-o", "--output", required=True, metavar="MOMENTS", help="Save the moments to this file."
)


@click.command(cls=Command)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@_place
@options.database
@click.option(
    "--columns",
    type=Names(),
    multiple=True,
    help="The columns to keep; may stand several times.  Default: all that can.",
)
@options.formula
@options.summing
@written
@options.folding
@options.scanning
@options.output
def scan(
    files: Sequence[str],
    output: str,
    columns: Sequence[Sequence[str]],
    folds: str | None,
    checkpoint: str | None,
    executor: str | None,
    progress: str,
    as_json: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Read rows once, and keep the sums that every fit needs.

    \b
    Examples:
      steepest scan 'june/*.csv' -o june.moments
      steepest scan trips.parquet --columns tip,fare,vendor --precision exact -o trips.moments
      steepest scan survey.csv --weights w --weight-kind frequency -o survey.moments
      steepest scan 'years/*.parquet' --checkpoint years.part -o years.moments
      steepest scan postgresql://me@host/shop --table homes -o homes.moments
      steepest scan homes.csv --folds 5 -o homes.moments
    """
    from ..sums.scanning import scan as scan_tables
    from .inputs import check_apart, open_files, read_rule, refuse_moments

    _check_place(output, files)
    check_apart(checkpoint, output, files)
    refuse_moments(files)
    source = open_files(files, take_said(chosen))
    names = join_names(columns)
    rule = read_rule(folds)
    with options.begin_scan(checkpoint, executor, progress, quiet=quiet) as begun:
        moments = scan_tables(source, columns=names, folds=rule, **begun, **chosen)
        moments.save(output)
    _print(moments, output, as_json=as_json, quiet=quiet)


@click.command(cls=Command)
@click.argument("files", nargs=-1, required=True, metavar="MOMENTS...")
@_place
@click.option("--allow-overlap", is_flag=True, help="Add a part even where it stands twice.")
@options.output
def merge(
    files: Sequence[str], output: str, allow_overlap: bool, as_json: bool, quiet: bool
) -> None:
    """Add moments of different rows, as if scanned together.

    A part that stands twice is refused: two scans of the same rows have one fingerprint.

    \b
    Examples:
      steepest merge june.moments july.moments -o summer.moments
      steepest merge 'days/*.moments' -o year.moments
    """
    from ..sums.archive import read_moments
    from ..sums.merging import merge as merge_moments
    from .inputs import expand

    _check_place(output, files)
    moments = merge_moments(
        *(read_moments(path) for path in expand(files)), allow_overlap=allow_overlap
    )
    moments.save(output)
    _print(moments, output, as_json=as_json, quiet=quiet)


@click.command(cls=Command)
@click.argument("whole", metavar="MOMENTS")
@click.argument("files", nargs=-1, required=True, metavar="GONE...")
@_place
@options.output
def forget(whole: str, files: Sequence[str], output: str, as_json: bool, quiet: bool) -> None:
    """Take rows away from moments, as if they had never been scanned.

    Both must be exact; what was not added before cannot be taken away.

    \b
    Examples:
      steepest forget year.moments june.moments -o rest.moments
      steepest scan withdrawn.csv -o gone.moments
      steepest forget survey.moments gone.moments -o survey-2.moments
    """
    from ..sums.archive import read_moments
    from .inputs import expand

    _check_place(output, [whole, *files])
    moments = read_moments(whole)
    for path in expand(files):
        moments -= read_moments(path)
    moments.save(output)
    _print(moments, output, as_json=as_json, quiet=quiet)


@click.command(cls=Command)
@click.argument("file", metavar="MOMENTS|MODEL")
@options.output
def show(file: str, as_json: bool, quiet: bool) -> None:
    """Show what moments know, columns, correlations, parts; or a saved model.

    \b
    Examples:
      steepest show june.moments
      steepest show june.moments --json
      steepest show price.json
    """
    from ..store import holds_model
    from ..sums.archive import read_moments
    from .overview import describe_moments, list_notes, view_moments

    if holds_model(file):
        _show_model(file, as_json=as_json, quiet=quiet)
        return
    moments = read_moments(file)
    if as_json:
        options.print_json(view_moments(moments))
        return
    options.print_lines(describe_moments(moments))
    if not quiet:
        options.say(list_notes(moments))


def _show_model(file: str, *, as_json: bool, quiet: bool) -> None:
    from ..models.record import load_model
    from .overview import model_object
    from .terminal import describe_fit

    model = load_model(file)
    if as_json:
        options.print_json(model_object(model))
        return
    options.print_lines(describe_fit(model))
    if not quiet:
        options.say(model.notes)


def _check_place(output: str, inputs: Sequence[str]) -> None:
    from ..store import check_moments_place
    from .inputs import check_not_read

    check_not_read(output, inputs)
    check_moments_place(output)


def _print(moments: Moments, output: str, *, as_json: bool, quiet: bool) -> None:
    from .overview import list_notes, summary_lines, summary_object

    if as_json:
        options.print_json({"output": output, **summary_object(moments)})
        return
    options.print_lines(summary_lines(moments))
    if not quiet:
        options.say(list_notes(moments))
