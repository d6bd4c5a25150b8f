"""The command that races, and its table while the race is on."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from . import options
from .dialects import take_said
from .manual import Command
from .names import join_names
from .options import print_json, print_lines, say

if TYPE_CHECKING:
    from ..checks.races import OnTurn, Race


@click.command(cls=Command)
@options.data
@options.descent
@click.option("--epochs", type=int, default=100, metavar="N", help="Updates to make; 100.")
@click.option("--rows", type=int, metavar="N", help="Take the first N rows.  Default: all.")
@options.progress
@options.output
def race(
    files: Sequence[str],
    features: Sequence[Sequence[str]],
    reference: Sequence[tuple[str, str]],
    no_intercept: bool,
    progress: str,
    as_json: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Solve one problem in four ways, and compare answers and costs.

    NumPy with the gradient by hand, PyTorch by autograd, JAX compiled, and the closed form from
    moments, at one rate from one start.  What is not installed is left out:
    pip install 'steepest[torch,jax]'.

    \b
    Examples:
      steepest race examples/penguins.csv --target body_mass_g
      steepest race homes.parquet --target price --features area,rooms --epochs 1000
      steepest race 'trips/*.parquet' --target tip --rows 1000000 --json
    """
    from ..checks.racing import race as run_race
    from .inputs import read_inputs
    from .progress import show_progress

    options.require_target(chosen["target"], chosen["formula"])
    source = read_inputs(files, chosen["precision"], take_said(chosen))
    standings: list[Race] = []
    try:
        with ExitStack() as reading, show_race(quiet=quiet) as draw:
            on_progress = reading.enter_context(show_progress(progress, quiet=quiet))

            def on_turn(standing: Race) -> None:
                reading.close()  # one moving thing at a time
                standings[:] = [standing]
                if draw is not None:
                    draw(standing)

            result = run_race(
                source,
                features=join_names(features),
                references=dict(reference),
                intercept=not no_intercept,
                on_progress=on_progress,
                on_turn=on_turn,
                **chosen,
            )
    except KeyboardInterrupt:
        for standing in standings:
            _print(standing, as_json=as_json, quiet=quiet)
        raise
    _print(result, as_json=as_json, quiet=quiet)


def _print(result: Race, *, as_json: bool, quiet: bool) -> None:
    from .standings import describe_race, race_object

    if as_json:
        print_json(race_object(result))
        return
    print_lines(describe_race(result))
    if not quiet:
        say(result.model.notes)


@contextmanager
def show_race(*, quiet: bool = False) -> Iterator[OnTurn | None]:
    """Something that draws a race where a person is looking; None where stderr is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.live import Live

    live = Live(
        console=Console(stderr=True),
        transient=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )

    def draw(standing: Race) -> None:
        live.start()
        live.update(draw_race(standing), refresh=True)

    try:
        yield draw
    finally:
        live.stop()


def draw_race(race: Race) -> Any:
    """The race as it stands, as rich draws it."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from .standings import head_line, lane_rows

    head, *rows = lane_rows(race)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, word in enumerate(head):
        table.add_column(Text(word), justify="left" if i in (0, len(head) - 1) else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    return Group(Text(head_line(race)), Text(""), table)
