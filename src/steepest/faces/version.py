"""The version, and what computes."""

from __future__ import annotations

import click

from .. import __version__


def print_version(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    """Print the version and the kernel of exact sums, and be done."""
    del option
    if wanted:
        from ..sums.library import name_kernel

        click.echo(f"steepest {__version__} (kernel: {name_kernel()})")
        context.exit()


version_option = click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=print_version,
    help="Show the version and exit.",
)
