"""Which parts have gone into some moments: provenance, outside equality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Entry(NamedTuple):
    """One scan."""

    id: str
    """The fingerprint of its own moments; empty while these moments are that one scan."""
    source: str
    """Where its rows came from, in words."""
    rows: int
    """How many were read."""


@dataclass(frozen=True)
class Ledger:
    """The scans that were added up, in the order they came in.

    An id is a fingerprint, which costs a pass over the sums.  So a single scan has none yet; it
    gets one when it is added to others.
    """

    entries: tuple[Entry, ...] = ()
    known: bool = True
    """Whether these are all the rows, and all of theirs are there."""

    def identified(self, identify: Callable[[], str]) -> Ledger:
        """The same scans, each with its id."""
        if all(entry.id for entry in self.entries):
            return self
        entries = (entry._replace(id=entry.id or identify()) for entry in self.entries)
        return Ledger(tuple(entries), self.known)

    def alone(self, digest: str) -> Ledger:
        """The same without the id, where it is a single scan whose moments have this digest."""
        if self.known and [entry.id for entry in self.entries] == [digest]:
            return Ledger((self.entries[0]._replace(id=""),))
        return self

    def plus(self, other: Ledger) -> Ledger:
        """The scans of both."""
        return Ledger(self.entries + other.entries, self.known and other.known)

    def minus(self, other: Ledger) -> Ledger:
        """The scans that are left; not known where some rows of a scan were taken away."""
        gone = Counter(entry.id for entry in other.entries)
        if not (self.known and other.known) or gone - Counter(e.id for e in self.entries):
            return Ledger(self.entries, False)
        kept = []
        for entry in self.entries:
            if gone[entry.id]:
                gone[entry.id] -= 1
            else:
                kept.append(entry)
        return Ledger(tuple(kept))

    def describe(self) -> str:
        """The sources, in words for messages."""
        sources = list(dict.fromkeys(entry.source for entry in self.entries))
        if not sources:
            return "the moments"
        return sources[0] + (f" and {len(sources) - 1:,} more" if len(sources) > 1 else "")


def find_overlap(ledgers: Iterable[Sequence[Entry]]) -> Entry | None:
    """The first scan that stands in two of them."""
    seen: set[str] = set()
    for entries in ledgers:
        for entry in entries:
            if entry.id in seen:
                return entry
        seen |= {entry.id for entry in entries}
    return None
