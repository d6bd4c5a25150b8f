"""The first mistake in lines of JSON, found by Python's own reader and told with its line."""

from __future__ import annotations

import json
import math
import re
import shlex
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ..errors import ColumnKindError, SourceError

HALF = re.compile(r"[\ud800-\udfff]")
"""Half of a pair that stands for one character, which is none alone."""

Object = dict[str, Any]


class Number(float):
    """A number with the text that it was read from."""

    text: str = ""


def read_objects(
    lines: Sequence[bytes],
    first_line: int,
    path: str,
    kinds: Mapping[str, str],
    wanted: Collection[str] | None,
) -> Iterator[tuple[int, Object]]:
    """The objects of lines, each with the number of its line.

    Each is an object, each key stands once in it, and each value is of its key's kind.

    The kinds of keys are the words of ``kinds``, and for others that of their first value.
    Only the keys ``wanted`` are looked at (None: all).

    Raises
    ------
    SourceError, ColumnKindError
        The first line that is not as it should be.
    """
    found = dict(kinds)
    for i, line in enumerate(lines, first_line):
        if not line.strip():
            continue
        row = _read_object(line, i, path, wanted)
        for key, value in row.items():
            word = describe(value)
            if not word or (wanted is not None and key not in wanted):
                continue
            if found.setdefault(key, word) != word or _is_too_large(value):
                raise ColumnKindError.cell(key, f"'{path}'", found[key], str(i), _show(value))
        yield i, row


def _read_object(line: bytes, number: int, path: str, wanted: Collection[str] | None) -> Object:
    def gather(pairs: list[tuple[str, Any]]) -> Object:
        return _Pairs(pairs)

    try:
        row = json.loads(line, object_pairs_hook=gather, parse_float=_read_number)
    except RecursionError:
        raise SourceError.line(path, number, "it is nested too deep") from None
    except ValueError as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        mended = _mend(line, path) if number == 1 else None
        raise SourceError.line(path, number, reason[:1].lower() + reason[1:], mended) from None
    if line.startswith(BOM_UTF8):
        raise SourceError.mark_inside(path, number)
    if b"\\u" in line and (half := HALF.search(json.dumps(row, ensure_ascii=False))):
        reason = f"'\\u{ord(half[0]):04x}' is half of a character"
        raise SourceError.line(path, number, reason)
    if not isinstance(row, _Pairs):
        mended = _mend(line, path) if number == 1 else None
        raise SourceError.line(path, number, f"it is a {describe(row) or 'null'}", mended)
    for key in row.repeated:
        if wanted is None or key in wanted:
            raise SourceError.line(path, number, f"the key '{key}' stands twice")
    return row


def _mend(line: bytes, path: str) -> str | None:
    """How objects that are no lines are made such."""
    what = {b"[": ".[]", b"{": "."}.get(line.strip() if b"{" in line[:1] else line.lstrip()[:1])
    plain = path.lower().endswith((".jsonl", ".ndjson"))
    return f"jq -c {shlex.quote(what)} {shlex.quote(path)} > rows.jsonl" if what and plain else None


class _Pairs(dict[str, Any]):
    """An object, and the keys that stand in it more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        times = Counter(name for name, _ in pairs)
        self.repeated = [name for name in self if times[name] > 1]


def _read_number(text: str) -> Number:
    number = Number(text)
    number.text = text
    return number


def _is_too_large(value: object) -> bool:
    return isinstance(value, Number) and math.isinf(value)


def read_written(line: bytes, name: str) -> str:
    """A number of an object as it is written."""
    return str(json.loads(line, parse_int=str, parse_float=str)[name])


def describe(value: object) -> str:
    """The kind of a JSON value in words; empty for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "category" if isinstance(value, str) else "nested value"


def _show(value: object) -> str:
    if isinstance(value, str):
        return value
    return value.text if isinstance(value, Number) else json.dumps(value)
