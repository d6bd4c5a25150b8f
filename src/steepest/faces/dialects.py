"""Options that say how text is written, on every command that reads files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from .names import Names, join_names

F = TypeVar("F", bound=Callable[..., Any])

MARKS = {"tab": "\t", "\\t": "\t", "space": " "}
"""Marks by what is easier to type."""

DEFAULTS: dict[str, Any] = {
    "delimiter": None,
    "decimal": None,
    "quote": '"',
    "encoding": "utf-8",
    "no_header": False,
    "names": None,
    "text": (),
    "null": (),
    "skip_lines": 0,
    "skip_rows": 0,
    "ragged": "refuse",
    "skip_empty": False,
    "max_bytes": None,
    "table": None,
    "query": None,
}
"""What is not said."""

OPTIONS = [
    click.option(
        "--delimiter", metavar="MARK", help="Between fields; tab for a tab.  Default: seen."
    ),
    click.option("--decimal", metavar="MARK", help="Before fractions: '.' or ','."),
    click.option("--quote", metavar="MARK", default='"', help="Around fields; '' for none."),
    click.option("--encoding", metavar="NAME", default="utf-8", help="Of text.  Default: utf-8."),
    click.option("--no-header", is_flag=True, help="Columns are called x1, x2 and so on."),
    click.option("--names", type=Names(), help="Names of the columns where no header is."),
    click.option("--text", type=Names(), multiple=True, help="Text whatever it looks like."),
    click.option("--null", metavar="WORD", multiple=True, help="Stands for no value, as NA does."),
    click.option("--skip-lines", type=int, default=0, metavar="N", help="Before the header."),
    click.option("--skip-rows", type=int, default=0, metavar="N", help="Under the header: units."),
    click.option(
        "--ragged",
        default="refuse",
        metavar="refuse|drop",
        help="Lines with a field too few or too many.",
    ),
    click.option("--skip-empty", is_flag=True, help="Pass over files of 0 bytes."),
    click.option("--max-bytes", type=int, metavar="N", help="To which a packed file may unpack."),
]


def written(command: F) -> F:
    """A command with the options that say how text is written."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def take_said(chosen: dict[str, Any]) -> dict[str, Any]:
    """What was said of text, as arguments of ``open_table``; taken out of all that was chosen."""
    given = {name: chosen.pop(name) for name in DEFAULTS if name in chosen}
    said = {name: value for name, value in given.items() if value != DEFAULTS[name]}
    if said.pop("no_header", False):
        said["header"] = False
    if "text" in said:
        said["text"] = join_names(said["text"])
    for name in ("delimiter", "quote"):
        if name in said:
            said[name] = MARKS.get(said[name], said[name])
    return said
