"""Hints on a command line speak of options, and in Python of arguments."""

from __future__ import annotations

import re
import subprocess

import pytest
from tests.test_errors import rendered

from steepest.faces.cli import steepest as program
from steepest.faces.hints import find_flags, in_flags

FLAGS = find_flags(program)
MESSAGES = {name: str(error) for name, error in rendered().items()}
SHELL = re.compile(r"steepest (fit|check|--)|pip install|python3 -c|dask |file -i")


def hint_of(message: str) -> str:
    return message.partition("Hint: ")[2]


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_speaks_to_whom_it_is_shown(name: str) -> None:
    hint = hint_of(MESSAGES[name])
    assert SHELL.search(hint) or not re.search(r"(?<!\w)--[a-z]", hint), "Python has no flags"
    said = in_flags(hint, FLAGS)
    outside = re.sub(r"'(\\.|[^'])*'|\"[^\"]*\"", "", said)
    for argument in FLAGS:
        assert not re.search(rf"(?<![\w.-]){argument}=", outside), said
        if "_" in argument:
            assert not re.search(rf"(?<!\w){argument}(?!\w)", outside), said
    assert "steepest.scan(" not in said
    assert "open_table(" not in said


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        ("epochs=1000", "--epochs 1000"),
        ("epochs=[10, 100, 1000] or '10:1000:7'", "--epochs 10,100,1000 or 10:1000:7"),
        ("l1='path' or [0.01, 0.1]", "--l1 path or 0.01,0.1"),
        ("leave epochs, rule, learning_rate and w out, or l1.",
         "leave --epochs, --rule, --learning-rate and w out, or l1."),
        ("columns=[...], or target= and features=", "--features ..., or --target and --features"),
        ("with precision='double', or leave precision unset.",
         "with --precision double, or leave --precision unset."),
        ("leave l2 unset.", "leave --l2 unset."),
        ("leave out 'l2=3', or l2=3", "leave out 'l2=3', or --l2 3"),
        ("leave such rows out: where=\"'a b' is not null\"",
         "leave such rows out: --where \"'a b' is not null\""),
        ("null=['m²'] if 'm²' means missing, or text=['it, all'] if all is text",
         "--null 'm²' if 'm²' means missing, or --text '\"it, all\"' if all is text"),
        ("steepest.open_table('a b.csv', delimiter='\\t', decimal=',')",
         "--delimiter tab --decimal ,"),
        ("steepest.open_table('a.csv', header=False) calls the columns x1, names=['a', 'b', ...]",
         "--no-header calls the columns x1, --names a,b,..."),
        ("scan again: steepest.scan(table, formula='...')",
         "scan again: steepest scan FILE --formula ..."),
        ("steepest.fit(table, target=..., validation=0.2)",
         "steepest fit FILE --target ... --validation 0.2"),
        ("allow it with allow_overlap=True.", "allow it with --allow-overlap."),
        ("race the first of them: rows=23_809_523", "race the first of them: --rows 23809523"),
        ("scan with the same folds: folds=moments.folds.rule",
         "scan with the same folds: --folds MOMENTS"),
        ("name them: columns=[..., 'a, b']", "name them: --features '...,\"a, b\"'"),
        ("{'area': 0.5}", "{'area': 0.5}"),
        ("penalties={'area': 0.5}", "--penalty area=0.5"),
        ("start from a dict: w={'area': 1.0}", "start from a dict: w={'area': 1.0}"),
        ("it's the model's learning_rate", "it's the model's --learning-rate"),
        ("steepest fit 'june.moments' --target y -o model.json",
         "steepest fit 'june.moments' --target y -o model.json"),
    ],
)  # fmt: skip
def test_hints_in_flags(hint: str, said: str) -> None:
    assert in_flags(hint, FLAGS) == said


def test_a_command_is_told_its_own_options() -> None:
    hint = "name them: columns=['a'], or references={'c': 'u'}"
    assert (
        in_flags(hint, find_flags(program, "scan")) == "name them: --columns a, or --reference c=u"
    )
    assert (
        in_flags(hint, find_flags(program, "fit")) == "name them: --features a, or --reference c=u"
    )


@pytest.mark.parametrize(
    "cell", ["a\x1b[31m", "two\nlines", "it's\ta tab", "back\\slash\x07", "é\x85"]
)
def test_what_no_terminal_shows_can_be_pasted(cell: str) -> None:
    said = in_flags(f"null=[{cell!r}] if it means missing", FLAGS)
    assert said.isprintable()
    flag = said.removesuffix(" if it means missing")
    shell = ["bash", "-c", f"printf %s {flag.removeprefix('--null ')}"]
    run = subprocess.run(shell, capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert run.stdout.decode() == cell


@pytest.mark.parametrize("hostile", ["", "'", "steepest.scan(", "l2='", "a=[", "'a", "\n"])
def test_what_is_no_hint_comes_through_whole(hostile: str) -> None:
    assert in_flags(hostile, FLAGS) == hostile
