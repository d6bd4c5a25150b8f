"""A scan on disk, from which it goes on as if it had never stopped.

The file holds the branches of the sum over the parts that are done, each as a moments file
holds its own, and what makes the scan the same one: the parts in the state they were in, the
columns, the condition, the weights, the precision and the version.  What was found in a pass before
the scan is kept too.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__, store
from ..data.design import Design
from ..data.folds import Rule
from ..data.states import State
from ..data.table import Part, name_whole
from ..errors import CheckpointError
from .archive import pack_moments, unpack_moments
from .library import name_kernel
from .tree import Branch, PairwiseSum

INTERVAL = 2.0
"""Least seconds between two writes."""

PATIENCE = 20
"""At most one part in so many of the time is spent writing."""

TOLD = 60
"""Longest setting that a message shows in full, in characters."""


class Rows(NamedTuple):
    """What tells whether the rows of a scan are the same as before: its files and their state."""

    files: Mapping[str, str]
    """For each file or table, a digest of its parts and of the state it is in."""
    states: Mapping[str, State]
    """The state of each database, which a digest alone cannot compare."""

    @classmethod
    def of(cls, parts: Sequence[Part], where: str) -> Rows:
        """The rows of some parts; CheckpointError for parts that cannot be recognised."""
        files: dict[str, Any] = {}
        states: dict[str, State] = {}
        for place, members in groupby(parts, name_whole):
            told = files.setdefault(place, hashlib.sha256())
            for part in members:
                own = getattr(part, "identity", "")
                if not own:
                    raise CheckpointError.unrecognised(where)
                told.update(f"{own}\n".encode("utf-8", "surrogatepass"))
                state = None if place in states else getattr(part, "state", None)
                if state is not None:
                    states[place] = state
        return cls({place: told.hexdigest() for place, told in files.items()}, states)

    def compare(self, files: Mapping[str, str], states: Mapping[str, str]) -> list[str]:
        """In words, what was different when these files and states were written down."""
        told = []
        for name in {**files, **self.files}:
            was, now = files.get(name, ""), self.files.get(name, "")
            changed = ""
            if was and now and name in self.states:
                changed = self.states[name].compare(states.get(name, ""))
            if not was or not now:
                told.append(f"{name} was {'not ' if not was else ''}among the files")
            elif was != now or changed:
                told.append(f"{name} has changed{f' ({changed})' if changed else ''}")
        if not told and list(self.files) != list(files):
            told.append("the files were in another order")
        return told


def name_settings(design: Design, precision: str, folds: Rule | None = None) -> dict[str, str]:
    """What else must agree for a scan to go on: settings by name, as text to be compared."""
    columns = [f"{c.expression} ({c.word}, {c.type_name})" for c in design.columns]
    asked = [(str(c.name), str(c.kind), c.asked) for c in design.columns]
    limits = (asked, sorted(design.left_out.items()), sorted(design.optional))
    return {
        "the version": __version__,
        "the precision": precision + (f" by {name_kernel()}" if precision == "double" else ""),
        "the list of columns": ", ".join(columns),
        "the condition": design.where,
        "the weights": f"{design.weights} ({design.weight_kind})" if design.weights else "",
        "the most levels of a category": f"{design.max_levels:,}",
        "the rule of folds": "" if folds is None else repr(folds),
        "the choice of columns": hashlib.sha256(repr(limits).encode()).hexdigest()[:16],
    }


class Kept(NamedTuple):
    """What the file of a checkpoint holds."""

    settings: Mapping[str, str]
    """Empty as long as no part is done."""
    files: Mapping[str, str]
    states: Mapping[str, str]
    found: Mapping[str, Any]
    """Results of passes before the scan, such as knots, each with what was asked for."""
    branches: tuple[Branch, ...]


class Checkpoint:
    """The file of a scan: written from time to time, and found again.

    Raises OutputError where nothing can be written, or something else stands there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        store.check_sealed_place(path, store.PARTIAL)
        self.name = os.fspath(path)
        self._path = Path(path).absolute()
        self._rows = Rows({}, {})
        self._settings: Mapping[str, str] = {}
        self._then = Kept({}, {}, {}, {}, ())
        self._found: dict[str, Any] = {}
        self._tree: PairwiseSum | None = None
        self._written = self._total = 0
        self._due = time.monotonic() + INTERVAL

    def open(self, parts: Sequence[Part], where: str) -> None:
        """Look whether the file, if there is one, is of these parts.

        Raises
        ------
        CheckpointError
            The file is damaged, or of other rows; parts that cannot be recognised.
        """
        self._rows, self._total = Rows.of(parts, where), len(parts)
        self._tree, self._found, self._written = None, {}, 0
        self._then = self._read() if self._path.exists() else Kept({}, {}, {}, {}, ())
        if self._then.files:
            self._refuse(self._rows.compare(self._then.files, self._then.states))

    def recall(self, name: str, asked: object, find: Callable[[], Any]) -> Any:
        """What was found before the scan when the same was asked, else what is found now."""
        key = repr(asked)
        known = self._then.found.get(name)
        if known and known[0] == key:
            self._found[name] = known
            return known[1]
        found = find()
        self._found[name] = [key, found]
        if not self._then.settings:
            self._write()
        return found

    def resume(self, settings: Mapping[str, str], design: Design) -> PairwiseSum:
        """The sum of the parts that are done; of none where there is no file.

        CheckpointError where the file is of another scan.
        """
        then, self._settings = self._then, settings
        self._tree = PairwiseSum(design, then.branches)
        self._written = self._tree.n_parts
        if then.settings:
            names = {**then.settings, **settings}
            pairs = ((name, then.settings.get(name, ""), settings.get(name, "")) for name in names)
            self._refuse(
                f"{name} was {_shorten(was)}, and is {_shorten(now)}"
                for name, was, now in pairs
                if was != now
            )
        return self._tree

    def _refuse(self, differences: Iterable[str]) -> None:
        told = list(differences)
        if told:
            raise CheckpointError.another_scan(self.name, told)

    def _read(self) -> Kept:
        body = store.read_sealed(self._path, store.PARTIAL)
        try:
            at = 8 + int.from_bytes(body[:8], "little")
            header = store.decode_json(body[8:at])
            branches = []
            for height, length in header["branches"]:
                branches.append(Branch(int(height), unpack_moments(body[at : at + length])))
                at += length
            settings, files, states, found = (
                dict(header.get(name, {})) for name in ("settings", "files", "states", "found")
            )
            return Kept(settings, files, states, found, tuple(branches))
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError.of(
                self.name, f"it holds no scan that we write ({error})"
            ) from error

    def note(self) -> None:
        """Write down what is added up, if it is time."""
        if time.monotonic() >= self._due:
            self.write()

    def write(self) -> None:
        """Write down what is added up, unless it is written."""
        if self._tree is not None and self._tree.n_parts != self._written:
            self._write()

    def _write(self) -> None:
        began = time.monotonic()
        kept = self._tree.branches if self._tree else ()
        branches = [(height, pack_moments(moments)) for height, moments in kept]
        header = json.dumps(
            {
                "settings": dict(self._settings),
                "files": dict(self._rows.files),
                "states": {name: state.kept for name, state in self._rows.states.items()},
                "found": self._found,
                "branches": [(height, len(packed)) for height, packed in branches],
            }
        ).encode()
        pieces = [len(header).to_bytes(8, "little"), header, *(packed for _, packed in branches)]
        store.write_sealed(self._path, pieces, store.PARTIAL)
        self._written = self._tree.n_parts if self._tree else 0
        now = time.monotonic()
        self._due = now + max(INTERVAL, PATIENCE * (now - began))

    def remove(self) -> None:
        """The result is safe: the file is not needed any more."""
        self._path.unlink(missing_ok=True)

    def describe(self) -> str:
        """What is kept, in a sentence."""
        if not self._written and self._found:
            return f"what a pass before the scan has found is kept in '{self.name}'."
        if not self._written:
            return f"no part was finished, so that '{self.name}' keeps nothing."
        kept = f"{self._written:,} of {self._total:,} parts are kept in '{self.name}'"
        return f"{kept}, and the same command goes on from there."


@contextmanager
def keeping(
    place: str | os.PathLike[str] | Checkpoint | None,
) -> Iterator[Checkpoint | None]:
    """The checkpoint at a path, which is removed when the block ends well.

    One that is made already belongs to whoever made it.
    """
    if place is None or isinstance(place, Checkpoint):
        yield place
        return
    found = Checkpoint(place)
    yield found
    found.remove()


def _shorten(text: str) -> str:
    if not text:
        return "not given"
    return text if len(text) <= TOLD else f"{text[: TOLD - 3]}..."
