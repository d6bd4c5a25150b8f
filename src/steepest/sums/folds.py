"""Moments kept apart by fold: they add up to the whole, and the whole less one trains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

from ..data.folds import HELD, Hashed, Rule, order_labels
from ..errors import FoldsError, counted, listed
from .ledger import Ledger
from .patterns import AnySums, Patterns, add_patterns, take_patterns

if TYPE_CHECKING:
    from .moments import Moments

UNEQUAL = 0.2
"""A note is made where the rows of a fold differ from their due by more than this share."""


@dataclass(frozen=True, eq=False)
class Folds(Mapping[str, "Moments"]):
    """The moments of each fold, by its label: what ``Moments.folds`` is.

    Their sum is the whole, bit for bit where sums are exact.  ``rule`` says how rows were dealt;
    scanned with ``folds=rule``, an equal row goes to the same fold again.

    Examples
    --------
    >>> import steepest
    >>> table = {"x": [1.0, 2.0, 3.0, 4.0], "y": [1.0, 2.0, 3.0, 5.0]}
    >>> moments = steepest.scan(table, folds="contiguous:2")
    >>> [fold.n_rows for fold in moments.folds.values()]
    [2, 2]
    >>> moments.folds["1"] + moments.folds["2"] == moments
    True
    >>> moments.training("2").mean
    array([1.5, 1.5])
    """

    rule: Rule
    members: Mapping[str, Moments]

    def __getitem__(self, label: str) -> Moments:
        try:
            return self.members[str(label)]
        except KeyError:
            raise FoldsError.unknown(str(label), list(self.members)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        rows = ", ".join(f"{label}: {fold.n_read:,}" for label, fold in self.members.items())
        return f"Folds by {self.rule}; rows {rows}"

    def add_without(self, labels: Sequence[str]) -> dict[frozenset[str], AnySums]:
        """The sums of all folds but some, without taking any away.

        From a tree of sums of neighbours, which is made once: O(log k) additions for one fold of
        k, as many as the matrices of the folds themselves are kept.
        """
        gone = {i for i, label in enumerate(self.members) if label in labels}
        pieces = self._gather(0, len(self.members), gone)
        return add_patterns(item for piece in pieces for item in piece.items())

    def _gather(self, low: int, high: int, gone: set[int]) -> Iterator[Patterns]:
        """The largest pieces between two places that hold none of those gone."""
        if not any(low <= i < high for i in gone):
            if low < high:
                yield self._add(low, high)
        elif high - low > 1:
            middle = (low + high) // 2
            yield from self._gather(low, middle, gone)
            yield from self._gather(middle, high, gone)

    def _add(self, low: int, high: int) -> Patterns:
        """The sums of the folds between two places."""
        if high - low == 1:
            return self._own[low]
        if (low, high) not in self._sums:
            middle = (low + high) // 2
            halves = self._add(low, middle), self._add(middle, high)
            self._sums[low, high] = add_patterns(item for half in halves for item in half.items())
        return self._sums[low, high]

    @cached_property
    def _own(self) -> list[Patterns]:
        return [fold.patterns for fold in self.members.values()]

    @cached_property
    def _sums(self) -> dict[tuple[int, int], Patterns]:
        return {}

    def __getstate__(self) -> dict[str, Any]:
        return {"rule": self.rule, "members": self.members}

    def map(self, change: Callable[[Moments], Moments]) -> Folds:
        """The same folds of changed moments."""
        return Folds(self.rule, {label: change(fold) for label, fold in self.members.items()})

    @property
    def notes(self) -> list[str]:
        """What is to be said of folds whose rows differ by more than a fifth from their due."""
        rows = {label: fold.n_read - fold.filtered for label, fold in self.members.items()}
        total, due = sum(rows.values()), dict.fromkeys(rows, 1 / max(len(rows), 1))
        if isinstance(self.rule, Hashed) and self.rule.held:
            due = {n: self.rule.held if n == HELD else 1 - self.rule.held for n in rows}
        far = [n for n in rows if abs(rows[n] - total * due[n]) >= 1]
        off = {n: abs(rows[n] / (total * due[n]) - 1) for n in far}
        worst = max(off, key=lambda label: off[label], default="")
        if not worst or off[worst] <= UNEQUAL:
            return []
        side = "more" if rows[worst] > total * due[worst] else "fewer"
        return [
            f"the folds of '{self.rule}' are unequal: '{worst}' has {counted(rows[worst], 'row')}, "
            f"{100 * off[worst]:.3g} % {side} than its due of {total * due[worst]:,.6g}."
        ]


def join_folds(
    ours: Folds | None, theirs: Folds | None, join: Callable[[Moments, Moments], Moments]
) -> Folds | None:
    """Both, fold by fold; FoldsError where rows were dealt by different rules."""
    if ours is None and theirs is None:
        return None
    if ours is None or theirs is None or ours.rule != theirs.rule:
        raise FoldsError.differ(*(_describe(folds, ours, theirs) for folds in (ours, theirs)))
    members = dict(ours.members)
    for label, fold in theirs.members.items():
        members[label] = join(members[label], fold) if label in members else fold
    kept = {label: fold for label, fold in members.items() if fold.n_read}
    return Folds(ours.rule, {label: kept[label] for label in order_labels(kept)})


def subtract_folds(ours: Folds | None, theirs: Folds | None, zero: Moments) -> Folds | None:
    """Those of the rows that the other does not have."""

    def take_away(own: Moments, other: Moments) -> Moments:
        return own - other

    if ours is not None and theirs is not None:
        absent = {label: zero for label in theirs if label not in ours}
        ours = Folds(ours.rule, {**ours.members, **absent})
    return join_folds(ours, theirs, take_away)


def hold_out(moments: Moments, folds: Folds | None, labels: Iterable[str]) -> Moments:
    """The moments of all rows but those of some folds."""
    if folds is None:
        raise FoldsError.missing()
    names = [str(label) for label in labels]
    gone = [folds[name] for name in names]
    if moments.precision == "exact":
        patterns = reduce(take_patterns, (fold.patterns for fold in gone), moments.patterns)
    else:
        patterns = folds.add_without(names)
    return replace(
        moments,
        patterns=patterns,
        filtered=moments.filtered - sum(fold.filtered for fold in gone),
        where=f"{moments.where} without fold {listed(names)}",
        ledger=Ledger(),
        folds=None,
    )


def _describe(folds: Folds | None, ours: Folds | None, theirs: Folds | None) -> str:
    if folds is None:
        return "no folds"
    same = ours is not None and theirs is not None and str(ours.rule) == str(theirs.rule)
    return repr(folds.rule) if same else f"folds '{folds.rule}'"
