"""Files named on the command line: tables, or moments in their place."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import (
    DatabaseError,
    FoldsError,
    OptionError,
    OutputError,
    SourceError,
    SourceNotFoundError,
)
from ..store import holds_moments

if TYPE_CHECKING:
    from ..data.table import Source
    from ..sums.moments import Moments

ENDING = ".moments"


def read_inputs(
    files: Sequence[str], precision: str | None = None, said: Mapping[str, Any] | None = None
) -> Moments | list[str] | Source:
    """What a fit is made from: the files, as is said of them, or the sum of those of moments.

    Or a table or a query of a database.

    SourceError for moments beside tables, OptionError for a precision that they do not have.
    """
    said = said or {}
    if {"table", "query"} & said.keys():
        return open_files(files, said)
    paths = expand(files)
    held = [path for path in paths if is_moments(path)]
    if not held:
        return open_files(files, said)
    for name, value in said.items():
        raise OptionError.outside(name, value, "for moments", f"leave {name} unset.")
    others = [path for path in paths if path not in held]
    if others:
        raise SourceError.moments_beside(held[0], others[0])
    from ..sums.archive import read_moments
    from ..sums.merging import merge

    moments = merge(*(read_moments(path) for path in held))
    if precision not in (None, moments.precision):
        raise OptionError.other_precision(str(precision), moments.precision)
    return moments


def open_files(files: Sequence[str], said: Mapping[str, Any]) -> list[str] | Source:
    """The files as a table, or as they are where nothing is said of how they are written.

    DatabaseError for a table or a query of more than one database.
    """
    if not said:
        return list(files)
    if len(files) > 1 and {"table", "query"} & said.keys():
        raise DatabaseError.among_files()
    from ..data.open import open_table

    return open_table(files[0] if len(files) == 1 else list(files), **said)


def read_beside(given: Any, source: Any, said: Mapping[str, Any]) -> Any:
    """What ``--validation`` names: a file of text, where it is one, is written as the others."""
    of_text = {name: value for name, value in said.items() if name not in ("table", "query")}
    if not of_text or not isinstance(given, str) or is_moments(given):
        return given
    if given in source.schema(()).names:
        return given
    with suppress(SourceNotFoundError, OptionError):  # whoever reads it says so; it is no text
        return open_files([given], of_text)
    return given


def read_rule(folds: str | None) -> Any:
    """What ``--folds`` asks for: as it is, or the rule of the moments in a file."""
    if folds is None or not is_moments(folds):
        return folds
    from ..sums.archive import read_moments

    found = read_moments(folds).folds
    if found is None:
        raise FoldsError.missing()
    return found.rule


def refuse_moments(files: Sequence[str]) -> None:
    """SourceError for moments where rows are to be read."""
    for path in expand(files):
        if is_moments(path):
            raise SourceError.scanned(path)


def expand(files: Sequence[str]) -> list[str]:
    """The files that are meant: those that a glob matches, in the order of their names."""
    with suppress(OSError, ValueError):
        return [path for given in files for path in sorted(glob.glob(given)) or [given]]
    return list(files)


def is_moments(path: str) -> bool:
    """Whether a file holds moments, as its name or its first bytes say."""
    return path.endswith(ENDING) or holds_moments(path)


def check_not_read(output: str, inputs: Sequence[str]) -> None:
    """OutputError where the output is one of the inputs."""
    if any(_is_same(output, path) for path in expand(inputs)):
        raise OutputError.of(output, "it is one of the files to be read")


def _is_same(place: str, other: str) -> bool:
    with suppress(OSError, ValueError):  # one of them is not there, or no name of a file
        return Path(place).samefile(other)
    return False


def check_apart(checkpoint: str | None, output: str | None, inputs: Sequence[str]) -> None:
    """OutputError where the checkpoint is the output, or one of the inputs."""
    if checkpoint is None:
        return
    check_not_read(checkpoint, inputs)
    same = False
    with suppress(OSError, ValueError):
        same = output is not None and Path(output).resolve() == Path(checkpoint).resolve()
    if same:
        raise OutputError.of(checkpoint, "it is to be the output, and the checkpoint")
