"""Hints as a command line has them: options in the place of Python's arguments."""

from __future__ import annotations

import ast
import csv
import re
import shlex
from collections.abc import Mapping
from io import StringIO
from typing import Any

import click

from ..errors import visible

ALIASES = {"columns": "features", "references": "reference"}
"""Arguments whose options have another name."""

SAID = {"moments.folds.rule": "MOMENTS", "\t": "tab"}
"""Values by what stands for them on a command line."""

TEXT = r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\""
LITERAL = (
    rf"{TEXT}|\[(?:{TEXT}|[^\]'\"])*\]|\{{(?:{TEXT}|[^}}'\"])*\}}"
    r"|\.\.\.|-?\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?"
)
VALUE = rf"{LITERAL}|[A-Za-z_]\w*(?:\.\w+)*"
PIECES = re.compile(
    rf"(?P<call>steepest\.(?P<verb>\w+)\((?P<inside>(?:{TEXT}|\[[^\]]*\]|[^()\[\]'\"])*)\))"
    rf"|(?P<named>(?P<name>[a-z]\w*)=(?P<value>{VALUE})"
    rf"(?P<others>(?:,? or (?:{LITERAL})(?![=\w]))*))"
    r"|(?P<bare>[a-z]\w*)=(?=[\s,.]|$)"
    r"|(?P<leave>leave (?P<words>[\w, ]+?) (?=out\b|unset\b))"
    rf"|(?P<text>{TEXT})|(?P<word>\w+)|(?P<rest>.)",
    re.DOTALL,
)


def find_flags(command: click.Group, chosen: str = "") -> dict[str, click.Option]:
    """The options of all commands by the arguments that they stand for, those of one first."""
    commands = [*command.commands.values(), command]
    found = {name: option for one in commands for name, option in _list_options(one).items()}
    own = _list_options(command.commands[chosen]) if chosen in command.commands else {}
    aliases = {name: found[other] for name, other in ALIASES.items() if other in found}
    return found | aliases | own


def _list_options(command: click.Command) -> dict[str, click.Option]:
    return {p.name: p for p in command.params if isinstance(p, click.Option) and p.name}


def in_flags(hint: str, flags: Mapping[str, click.Option]) -> str:
    """A hint with options for arguments; what is quoted, and what has no option, stays.

    >>> @click.group()
    ... @click.option("--learning-rate")
    ... @click.option("--folds")
    ... @click.option("--no-header", is_flag=True)
    ... def run(): ...
    >>> flags = find_flags(run)
    >>> in_flags("learning_rate=0.1, or leave learning_rate out", flags)
    '--learning-rate 0.1, or leave --learning-rate out'
    >>> in_flags("scan again: steepest.scan(table, folds=5)", flags)
    'scan again: steepest scan FILE --folds 5'
    >>> in_flags("steepest.open_table('a.csv', header=False)", flags)
    '--no-header'
    """
    return "".join(_turn(piece, flags) for piece in PIECES.finditer(hint))


def _turn(piece: re.Match[str], flags: Mapping[str, click.Option]) -> str:
    whole = piece.group()
    if piece["call"]:
        return _turn_call(piece, flags)
    if piece["named"]:
        found = _write(piece["name"], _read(piece["value"]), flags)
        if found is None:
            return whole
        alternatives = re.finditer(rf"(,? or )({LITERAL})", piece["others"])
        return found + "".join(one[1] + _say(_read(one[2])) for one in alternatives)
    if piece["bare"]:
        return _name(piece["bare"], flags) or whole
    if piece["leave"]:
        words = re.split(r"(, | and | or )", piece["words"])
        if any(word in flags for word in words[::2]) and not any(" " in w for w in words[::2]):
            named = [_name(word, flags) or word for word in words[::2]]
            joined = "".join(a + b for a, b in zip(named, [*words[1::2], ""], strict=True))
            return f"leave {joined} "
    if piece["word"] and "_" in whole:
        return _name(whole, flags) or whole
    return whole


def _turn_call(piece: re.Match[str], flags: Mapping[str, click.Option]) -> str:
    """``steepest.scan(table, folds=5)`` as a command; of ``open_table`` its options alone."""
    try:
        call = ast.parse(piece["call"], mode="eval").body
    except SyntaxError:
        return piece.group()
    if not isinstance(call, ast.Call):
        return piece.group()
    words = ["steepest", piece["verb"]]
    for one in call.args:
        path = one.value if isinstance(one, ast.Constant) else None
        words.append(shlex.quote(path) if isinstance(path, str) else "FILE")
    if piece["verb"] == "open_table":
        words = []
    for keyword in call.keywords:
        if keyword.arg is None:
            return piece.group()
        found = _write(keyword.arg, _read(ast.unparse(keyword.value)), flags)
        if found is None:
            return piece.group()
        words.append(found)
    return " ".join(words)


def _name(argument: str, flags: Mapping[str, click.Option]) -> str | None:
    """The option of an argument, the longer of its names."""
    option = flags.get(argument)
    return None if option is None else max(option.opts, key=len)


def _write(argument: str, value: Any, flags: Mapping[str, click.Option]) -> str | None:
    """An argument and its value as an option; None where it has none."""
    if value is False:
        return _name(f"no_{argument}", flags)
    name = _name(argument, flags)
    if name is None or value is True:
        return name
    option = flags[argument]
    if isinstance(value, dict):
        return " ".join(f"{name} {shlex.quote(f'{k}={v}')}" for k, v in value.items())
    if isinstance(value, list) and option.multiple and option.type.name == "text":
        return " ".join(f"{name} {_say(one)}" for one in value)
    return f"{name} {_say(value)}"


def _read(text: str) -> Any:
    """A literal's value; a name stays a name."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _say(value: Any) -> str:
    """A value as a word of a command line."""
    if value is Ellipsis:
        return "..."
    if isinstance(value, list):
        line = StringIO()
        csv.writer(line, lineterminator="").writerow(
            "..." if one is Ellipsis else one for one in value
        )
        return _quote(line.getvalue())
    return _quote(SAID.get(value, value) if isinstance(value, str) else str(value))


def _quote(text: str) -> str:
    """A word for a shell, in double quotes where that is easier to read."""
    if visible(text) != text or "\n" in text:
        escaped = text.replace("\\", r"\\").replace("'", r"\'").replace("\n", r"\n")
        return f"$'{visible(escaped)}'"
    return f'"{text}"' if "'" in text and not re.search(r'["$`\\!]', text) else shlex.quote(text)
