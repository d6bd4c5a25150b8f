"""The root of the tree, and the words its messages are made of."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

INPUT = "standard input"
"""What messages call the stream from which a command reads rows."""


class SteepestError(Exception):
    """What steepest raises on purpose: ``found``, ``why`` and ``hint``.

    Examples
    --------
    >>> print(SteepestError("l2=-1 is negative.", "A penalty is at least 0.", "leave l2 unset."))
    l2=-1 is negative.
    A penalty is at least 0.
    <BLANKLINE>
    Hint: leave l2 unset.
    """

    exit_code = 1

    def __init__(self, found: str, why: str, hint: str) -> None:
        found, why, hint = (visible(conceal(text)) for text in (found, why, hint))
        super().__init__(found, why, hint)
        self.found, self.why, self.hint = found, why, hint

    def __reduce__(self) -> str | tuple[Any, ...]:
        """As any exception's: being ours, it is used by libraries with ways of their own too."""
        return super().__reduce__()

    def __str__(self) -> str:
        reason = f"{self.found}\n{self.why}" if self.why else self.found
        return f"{reason}\n\nHint: {self.hint}"


class SteepestWarning(UserWarning):
    """Something a result would be misread without: rows dropped, a column left out."""


CONTROLS = {
    code: f"\\x{code:02x}" if code < 128 else f"\\u{code:04x}"
    for code in (*range(32), *range(127, 160))
    if chr(code) != "\n"
}
CONTROLS |= {0xDC00 + byte: f"\\x{byte:02x}" for byte in range(128, 256)}
"""What a terminal would obey, not show; and bytes of a file's name that are no text."""


def visible(text: str) -> str:
    r"""Text that does nothing to a terminal but stand there.

    >>> print(visible("a bell\a"))
    a bell\x07
    """
    return text.translate(CONTROLS)


SECRETS = (
    (re.compile(r"(\w[\w+.-]+:/{1,2})[^\s'\"@/]*:[^\s'\"]*@"), r"\1***@"),
    (re.compile(r"(password=)[^\s&'\"]+", re.IGNORECASE), r"\1***"),
)
"""Where a URL that stands where none is expected may hold a password, and what is shown of it."""


def conceal(text: str) -> str:
    """Text without the passwords of URLs.

    >>> conceal("there is no file 's3://key:secret@bucket/a.csv'.")
    "there is no file 's3://***@bucket/a.csv'."
    """
    for pattern, instead in SECRETS:
        text = pattern.sub(instead, text)
    return text


def shown(cell: str, most: int = 40) -> str:
    r"""A cell as a message has it: on one line, no longer than that, its blanks told apart.

    >>> print(shown("1\xa0000\nkm"))
    1\xa0000\nkm
    """
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cell[:most])
    return plain if len(cell) <= most else f"{plain}..."


def listed(names: Iterable[str], word: str = "and", limit: int = 12) -> str:
    """Names in quotes, as a sentence has them.

    >>> listed(["a", "b", "c"])
    "'a', 'b' and 'c'"
    """
    every = list(names)
    quoted = [f"'{name}'" for name in every[:limit]]
    if len(every) > limit:
        return ", ".join(quoted) + f" {word} {len(every) - limit:,} more"
    if not quoted:
        return "none"
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {word} {quoted[-1]}"


def counted(number: int, noun: str) -> str:
    """A number and its noun: ``1 row``, ``344 rows``, ``2 categories``."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("ry") else f"{number:,} {noun}s"


def nearest(name: str, names: Sequence[str]) -> str | None:
    """The one of ``names`` that was probably meant, if any."""
    folded = {known.casefold(): known for known in reversed(names)}
    close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def sentence(reason: str) -> str:
    """What somebody else gives as a reason, as a sentence.

    >>> sentence("connection refused!")
    'Connection refused.'
    """
    bare = reason.strip().rstrip(".!")
    return f"{bare[:1].upper()}{bare[1:]}."
