"""Help pages: what FILE may be, options by what they are about, commands in the order of work."""

from __future__ import annotations

from typing import Any

import click

from .dialects import DEFAULTS
from .interruption import INTERRUPTED, Stopped

FILES = (
    "FILE is CSV, TSV, JSON lines, Parquet or Arrow; text may be packed.  It is a file, a folder, "
    "a pattern in quotes, - for standard input, or a URL: sqlite:///homes.db, "
    "postgresql://host/shop, s3://bucket/day.parquet."
)
"""What every command reads."""

MOMENTS = "  Moments, which steepest scan wrote, stand in for the rows."
"""What commands read besides that need no rows."""

ROWS = ("scan", "race", "predict", "score")
"""Commands that need them."""

RUNNING = {"--checkpoint", "--executor", "--progress", "--json", "--quiet", "--help"}
"""Options about the work, not about the result."""


class Command(click.Command):
    """A command that says what FILE may be, and keeps options of one kind together."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The description, and what files are read."""
        super().format_help_text(ctx, formatter)
        if any(parameter.name == "files" for parameter in self.params) and self._reads_text():
            with formatter.indentation():
                formatter.write_paragraph()
                formatter.write_text(FILES if self.name in ROWS else FILES + MOMENTS)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own first, then how files are read, then how it runs."""
        sections: dict[str, list[tuple[str, str]]] = {
            "Options": [],
            "How FILE is read": [],
            "How it runs": [],
        }
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections[_place(parameter)].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def _reads_text(self) -> bool:
        return any(parameter.name == "delimiter" for parameter in self.params)


def _place(option: click.Option) -> str:
    if option.name in DEFAULTS:
        return "How FILE is read"
    return "How it runs" if {*option.opts} & RUNNING else "Options"


class Group(click.Group):
    """Commands in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands."""
        del ctx
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; click has lines of its own for ^C, which is told as every stop is."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Stopped(INTERRUPTED) from None
