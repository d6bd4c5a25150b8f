"""A scan on disk, from which it goes on as if it had never stopped.

The file holds the branches of the sum over the parts that are done, each as a moments file
holds its own, and what makes the scan the same one: the parts in the state they were in, the
columns, the condition, the weights, the precision and the version.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__, store
from ..data.design import Design
from ..data.folds import Rule
from ..data.table import Part
from ..errors import CheckpointError
from .archive import pack_moments, unpack_moments
from .library import name_kernel
from .tree import Branch, PairwiseSum

INTERVAL = 2.0
"""Seconds between two writes, at the least."""

PATIENCE = 20
"""Writing may take one in so many seconds."""

TOLD = 60
"""Characters of a text that a message shows."""


class Identity(NamedTuple):
    """What makes a scan the same one."""

    settings: Mapping[str, str]
    """A name and what to compare for each."""
    files: Mapping[str, str]
    """For each file, a digest of its parts and of the state it is in."""

    def compare(self, then: Identity) -> list[str]:
        """In words, what was different then."""
        told = []
        for name in {**then.settings, **self.settings}:
            was, now = (side.settings.get(name, "") for side in (then, self))
            if was != now:
                told.append(f"{name} was {_shorten(was)}, and is {_shorten(now)}")
        for name in {**then.files, **self.files}:
            was, now = (side.files.get(name, "") for side in (then, self))
            if not was or not now:
                told.append(f"{name} was {'not ' if not was else ''}among the files")
            elif was != now:
                told.append(f"{name} has changed")
        if not told and list(self.files) != list(then.files):
            told.append("the files were in another order")
        return told


def identify(
    design: Design, precision: str, parts: Sequence[Part], where: str, folds: Rule | None = None
) -> Identity:
    """What makes a scan of some parts the same one.

    CheckpointError for parts that cannot be recognised.
    """
    files: dict[str, Any] = {}
    for place, members in groupby(parts, lambda part: part.where):
        told = files.setdefault(place, hashlib.sha256())
        for part in members:
            own = getattr(part, "identity", "")
            if not own:
                raise CheckpointError.unrecognised(where)
            told.update(f"{own}\n".encode("utf-8", "surrogatepass"))
    columns = [f"{c.expression} ({c.word}, {c.type_name})" for c in design.columns]
    asked = [(str(c.name), str(c.kind), c.asked) for c in design.columns]
    limits = (asked, sorted(design.left_out.items()), sorted(design.optional), design.max_levels)
    settings = {
        "the version": __version__,
        "the precision": precision + (f" by {name_kernel()}" if precision == "double" else ""),
        "the list of columns": ", ".join(columns),
        "the condition": design.where,
        "the weights": f"{design.weights} ({design.weight_kind})" if design.weights else "",
        "the rule of folds": "" if folds is None else repr(folds),
        "the choice of columns": hashlib.sha256(repr(limits).encode()).hexdigest()[:16],
    }
    return Identity(settings, {place: told.hexdigest() for place, told in files.items()})


class Checkpoint:
    """The file of a scan: written from time to time, and found again.

    Raises OutputError where nothing can be written, or something else stands there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        store.check_sealed_place(path, store.PARTIAL)
        self.name = os.fspath(path)
        self._path = Path(path).absolute()
        self._identity = Identity({}, {})
        self._tree: PairwiseSum | None = None
        self._written = self._total = 0
        self._due = time.monotonic() + INTERVAL

    def resume(self, identity: Identity, design: Design, total: int) -> PairwiseSum:
        """The sum of the parts that are done, of so many in all; of none where there is no file.

        Raises
        ------
        CheckpointError
            The file is damaged, or of another scan.
        """
        self._identity, self._total = identity, total
        self._tree, self._written = PairwiseSum(design), 0
        if self._path.exists():
            then, branches = self._read()
            differences = identity.compare(then)
            if differences:
                raise CheckpointError.another_scan(self.name, differences)
            self._tree = PairwiseSum(design, branches)
            self._written = self._tree.n_parts
        return self._tree

    def _read(self) -> tuple[Identity, list[Branch]]:
        body = store.read_sealed(self._path, store.PARTIAL)
        try:
            at = 8 + int.from_bytes(body[:8], "little")
            header = store.decode_json(body[8:at])
            identity = Identity(dict(header["settings"]), dict(header["files"]))
            branches = []
            for height, length in header["branches"]:
                branches.append(Branch(int(height), unpack_moments(body[at : at + length])))
                at += length
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError.of(
                self.name, f"it holds no scan that we write ({error})"
            ) from error
        return identity, branches

    def note(self) -> None:
        """Write down what is added up, if it is time."""
        if time.monotonic() >= self._due:
            self.write()

    def write(self) -> None:
        """Write down what is added up, unless it is written."""
        tree = self._tree
        if tree is None or tree.n_parts == self._written:
            return
        began = time.monotonic()
        branches = [(height, pack_moments(moments)) for height, moments in tree.branches]
        header = json.dumps(
            {
                "settings": dict(self._identity.settings),
                "files": dict(self._identity.files),
                "branches": [(height, len(packed)) for height, packed in branches],
            }
        ).encode()
        pieces = [len(header).to_bytes(8, "little"), header, *(packed for _, packed in branches)]
        store.write_sealed(self._path, pieces, store.PARTIAL)
        self._written = tree.n_parts
        now = time.monotonic()
        self._due = now + max(INTERVAL, PATIENCE * (now - began))

    def remove(self) -> None:
        """The result is safe: the file is not needed any more."""
        self._path.unlink(missing_ok=True)

    def describe(self) -> str:
        """What is kept, in a sentence."""
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
