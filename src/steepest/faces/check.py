"""steepest check: a program is run, and its training loops are held against their loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from . import options
from .manual import Command
from .options import print_json, say

if TYPE_CHECKING:
    from ..checks.program.report import ProgramReport


@click.command(cls=Command)
@click.argument("file", metavar="SCRIPT_OR_NOTEBOOK")
@click.option(
    "--timeout",
    type=float,
    default=60.0,
    metavar="SECONDS",
    help="How long the program may run; 60.",
)
@options.output
def check(file: str, timeout: float, as_json: bool, quiet: bool) -> None:
    """Run a program and name what is wrong with its descent.

    SCRIPT_OR_NOTEBOOK is a .py file, a .ipynb file or a notebook saved as text.  It is your own
    program, and it is run: in a process apart, in its own folder, without plots or questions.

    Exit codes: 0 nothing was found, 1 something was, 2 the program could not be read, followed or
    brought to its end.

    \b
    Examples:
      steepest check train.py
      steepest check notebook.ipynb --timeout 300
      steepest check notebook.txt --json
    """
    from ..checks.program.report import check_program

    report = check_program(file, timeout=timeout)
    if as_json:
        print_json(_report_object(report))
    else:
        click.echo(str(report))
    if not quiet:
        say(report.notes)
    if report.exit_code:
        raise click.exceptions.Exit(report.exit_code)


def _report_object(report: ProgramReport) -> dict[str, Any]:
    """A report for machines."""
    return {
        "file": report.path,
        "loops": [{"cell": spot.cell, "line": spot.line} for spot in report.loops],
        "findings": [
            {
                "file": report.path,
                "cell": spot.cell,
                "line": spot.line,
                "code": finding.code,
                "name": finding.name,
                "found": finding.found,
                "cure": finding.cure,
            }
            for spot, finding in report.findings
        ],
        "unfollowed": [
            {"cell": spot.cell, "line": spot.line, "why": why} for spot, why in report.unfollowed
        ],
        "notes": list(report.notes),
    }
