"""Help pages and the pages of docs: what they promise is there, and runs."""

from __future__ import annotations

import re
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import click
import pytest

from steepest.faces.cli import steepest as program

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ORDER = [
    "fit",
    "predict",
    "score",
    "descend",
    "rates",
    "study",
    "select",
    "scan",
    "merge",
    "forget",
    "show",
    "check",
    "race",
]
PENGUINS = sorted(
    {
        line
        for page in PAGES
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        for line in block.splitlines()
        if line.startswith("steepest ") and "penguins.csv" in line
    }
)
"""Commands of the pages that anyone can run who has the folder of examples."""


def test_the_commands_stand_in_the_order_of_work(cli):
    listing = cli("--help").out.partition("Commands:\n")[2]
    names = re.findall(r"^  (\w+)  ", listing, re.MULTILINE)
    assert names == ORDER
    assert "..." not in listing  # no sentence is cut off


@pytest.mark.parametrize("name", ORDER)
def test_each_option_stands_once_on_its_page(name, cli):
    shown = re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+)", cli(name, "--help").out, re.MULTILINE)
    known = [
        next(flag for flag in option.opts if flag.startswith("--"))
        for option in program.commands[name].params
        if isinstance(option, click.Option)
    ]
    assert sorted(shown) == sorted([*known, "--help"])


@pytest.mark.parametrize("name", ORDER)
def test_a_page_says_what_file_may_be_where_tables_are_read(name, cli):
    text = " ".join(cli(name, "--help").out.split())
    reads = name not in ("merge", "forget", "show", "check")
    assert ("FILE is CSV, TSV, JSON lines, Parquet or Arrow" in text) is reads
    stands_in = name in ("fit", "descend", "rates", "study", "select")
    assert ("stand in for the rows" in text) is stands_in


@pytest.mark.parametrize("line", [line for line in PENGUINS if " score " not in line])
def test_the_commands_of_the_pages_run_as_printed(line, cli):
    words = shlex.split(line)[1:]
    assert cli(*words).code == 0, line
    score = f"steepest score {words[words.index('-o') + 1]} examples" if "-o" in words else None
    for other in PENGUINS:
        if score is not None and other.startswith(score):
            assert cli(*shlex.split(other)[1:]).code == 0, other


def test_the_page_of_tables_reads_its_database(cli):
    text = (ROOT / "docs" / "tables.md").read_text()
    code, command = re.search(
        r"^```python\n(import sqlite3.*?)^```\n\n^```sh\nsteepest (.*?)\n```",
        text,
        re.DOTALL | re.MULTILINE,
    ).groups()
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
    assert cli(*shlex.split(command)).code == 0


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("predict examples/penguins.csv model.json", "the model comes first"),
        ("show examples/penguins.csv", "steepest scan 'examples/penguins.csv' -o table.moments"),
        ("merge examples/penguins.csv -o all.moments", "scan it first"),
        ("fit homes.db --target price", "'sqlite:///homes.db?table=homes'"),
        ("fit sqlite:///homes.db --target price", "--table homes"),
    ],
)
def test_what_a_newcomer_does_wrong_is_told_with_the_command_that_is_right(words, hint, cli):
    with sqlite3.connect("homes.db") as connection:
        connection.execute("create table homes (area real, price real)")
    connection.close()
    ran = cli(*shlex.split(words))
    assert ran.code == 1
    assert hint in ran.err.partition("Hint: ")[2]


def test_duckdb_that_is_not_installed_is_named_with_its_extra(cli, monkeypatch):
    Path("homes.duckdb").touch()
    monkeypatch.setitem(sys.modules, "duckdb", None)
    ran = cli("fit", "duckdb:///homes.duckdb", "--table", "homes", "--target", "price")
    assert ran.code == 1
    assert "pip install 'steepest[duckdb]'" in ran.err
