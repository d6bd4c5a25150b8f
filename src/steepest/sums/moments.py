"""The statistic: everything that a linear model needs to know of a table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add

from ..data.design import LEVELS_UNASKED, Term
from ..data.table import Column, Kind
from ..errors import ColumnKindError, ColumnNotFoundError, EmptySourceError, MomentsError
from ..typing import Floats
from .double import Sums
from .exact import ExactSums
from .problem import Problem, Rows, dense_moments

AnySums = Sums | ExactSums

PATTERNS = 256
"""Combinations of null columns that are told apart."""


@dataclass(frozen=True, repr=False, eq=False)
class Moments:
    """What one pass over a table keeps: counts, means and cross-products of all its columns.

    Any scanned number or boolean column can be the target afterwards, and any others its
    features.  Moments of disjoint rows add: ``a + b``; :meth:`zero` adds nothing, and
    ``sum(parts)`` works.  Sums are held apart by which columns are null in a row, so that
    dropping incomplete rows can be decided for each set of columns afterwards.

    Attributes
    ----------
    columns : tuple of Column
        Name, kind and type of each column scanned.
    patterns : mapping
        For each combination of null columns that occurs, the sums of its rows.
    left_out : mapping
        Columns of the table that were not scanned, with the reason.
    rounded : frozenset of str
        Integer columns with values beyond 2⁵³, which double precision cannot hold.
    precision : {"double", "exact"}
        How the sums were made.  Exact ones are the same in every bit whatever the order, the
        split or the workers; they subtract, compare, and have a ``fingerprint``.

    Examples
    --------
    >>> import steepest
    >>> homes = {"area": [50.0, 70.0, 90.0], "price": [100.0, 140.0, 180.0]}
    >>> moments = steepest.scan(homes)
    >>> moments.n_rows, moments.mean
    (3, array([ 70., 140.]))
    >>> moments.scatter
    array([[ 800., 1600.],
           [1600., 3200.]])
    >>> more = steepest.scan({"area": [110.0], "price": [220.0]})
    >>> (moments + more).mean
    array([ 80., 160.])
    """

    columns: tuple[Column, ...] = ()
    patterns: Mapping[frozenset[str], AnySums] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    rounded: frozenset[str] = frozenset()
    where: str = "the moments"
    precision: str = "double"
    precision_reason: str = ""
    weights: str = ""
    weight_kind: str = ""

    @staticmethod
    def zero() -> Moments:
        """The moments of no rows at all: ``zero + m`` is ``m``."""
        return Moments()

    # ------------------------------------------------------------ what was summed

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in the table's order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """A column by its name, which must be there."""
        return next(column for column in self.columns if column.name == name)

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns of numbers, in the table's order: the order of ``mean`` and ``scatter``."""
        return tuple(c.name for c in self.columns if c.kind is Kind.NUMBER)

    @property
    def categories(self) -> tuple[str, ...]:
        """The columns of levels, in the table's order."""
        return tuple(c.name for c in self.columns if c.kind is Kind.CATEGORY)

    @property
    def n_read(self) -> int:
        """Rows read, nulls or not."""
        return sum(sums.n_rows for sums in self.patterns.values())

    @property
    def n_rows(self) -> int:
        """Rows without a null in any column."""
        complete = self.patterns.get(frozenset())
        return complete.n_rows if complete else 0

    @property
    def weight(self) -> float:
        """W over the rows without nulls: their number, where they have no weights."""
        return self._complete.weight

    @property
    def mean(self) -> Floats:
        """Mean of each number over the rows without nulls, shape (k,), in its unit."""
        return self._complete.mean.copy()

    @property
    def scatter(self) -> Floats:
        """Σ (z - z̄)(z - z̄)ᵀ over the rows without nulls, shape (k, k)."""
        return self._complete.scatter.copy()

    @property
    def weighing(self) -> str:
        """The weights in words: ``analytic weights 'w'``, or ``no weights``."""
        return f"{self.weight_kind} weights '{self.weights}'" if self.weights else "no weights"

    def levels(self, category: str) -> dict[str, int]:
        """Rows of each level of a category among the rows without nulls."""
        found = self._complete.levels[category]
        return dict(zip(found.levels, (int(count) for count in found.weights), strict=True))

    def __repr__(self) -> str:
        kinds = f"{len(self.numbers)} of numbers and {len(self.categories)} of levels"
        rows = f"{self.n_read:,} rows read, {self.n_rows:,} without nulls"
        return f"Moments of {self.where}: {rows}; columns: {kinds}; {self.precision} precision"

    @property
    def _complete(self) -> Sums:
        return self._sum(self.names).restrict(self.numbers, self.categories)

    # ------------------------------------------------------------ algebra

    def __add__(self, other: Moments) -> Moments:
        """The moments of the rows of both; MomentsError if their columns differ."""
        if not isinstance(other, Moments):
            return NotImplemented
        if not self.columns or not other.columns:
            return other if not self.columns else self
        self._match(other)
        patterns = _add_patterns([*self.patterns.items(), *other.patterns.items()])
        if len(patterns) > PATTERNS:
            raise MomentsError.too_many_patterns(
                len(patterns), sorted(set().union(*patterns), key=self.names.index)
            )
        return replace(
            self,
            patterns=patterns,
            left_out={**self.left_out, **other.left_out},
            rounded=self.rounded | other.rounded,
        )

    def __sub__(self, other: Moments) -> Moments:
        """The moments of the rows that the other does not have: as if those were never seen.

        ``(a + b) - b`` is ``a`` in every bit.  MomentsError for sums in double precision, and for
        a difference that no rows can add up to.
        """
        if not other.columns:
            return self
        self._match(other)
        if self.precision != "exact":
            raise MomentsError.not_exact()
        patterns = dict(self.patterns)
        for null, sums in other.patterns.items():
            own = patterns.get(null)
            if not isinstance(own, ExactSums) or not isinstance(sums, ExactSums):
                raise MomentsError.not_contained("some of its null columns never occurred together")
            left = own - sums
            left.check()
            patterns[null] = left
        kept = {null: sums for null, sums in patterns.items() if sums.n_rows}
        return replace(self, patterns=kept)

    def _match(self, other: Moments) -> None:
        """Refuse what cannot be added: other columns, other kinds, another precision."""
        left, right = set(self.names), set(other.names)
        if left != right:
            raise MomentsError.names(sorted(left - right), sorted(right - left))
        for column in self.columns:
            twin = other.column(column.name)
            if twin.word != column.word:
                raise ColumnKindError.differs(
                    column.name, "the left", column.word, "the right", twin.word
                )
        if self.precision != other.precision:
            raise MomentsError.precision(self.precision, other.precision)
        if self.weighing != other.weighing:
            raise MomentsError.weights(self.weighing, other.weighing)

    def __eq__(self, other: object) -> bool:
        """Whether exact moments hold the same sums, whatever way they were made."""
        if isinstance(other, Moments) and self.precision == other.precision == "exact":
            return self.fingerprint == other.fingerprint
        return self is other

    def __hash__(self) -> int:
        return hash(frozenset(self.names))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the exact sums, in hexadecimal: equal for equal rows, and only for those sums.

        MomentsError for sums in double precision, which depend on the way they were made.
        """
        sha = hashlib.sha256()
        for column in sorted(self.columns, key=lambda column: column.name):
            sha.update(f"column {column.name!r} {column.word}\n".encode())
        for null, sums in sorted(self.patterns.items(), key=lambda item: sorted(item[0])):
            if not isinstance(sums, ExactSums):
                raise MomentsError.not_exact()
            sha.update(f"null {sorted(null)}\n".encode())
            sums.digest_into(sha)
        return sha.hexdigest()

    def __radd__(self, other: object) -> Moments:
        return self if other == 0 else NotImplemented

    def without(self, reasons: Mapping[str, str]) -> Moments:
        """The moments of the other columns; those left out are listed with their reasons."""
        gone = {name: reason for name, reason in reasons.items() if name in self.names}
        if not gone:
            return replace(self, left_out={**self.left_out, **reasons})
        kept = tuple(column for column in self.columns if column.name not in gone)
        numbers = [name for name in self.numbers if name not in gone]
        categories = [name for name in self.categories if name not in gone]
        patterns = _add_patterns(
            (
                null.difference(gone),
                sums.restrict(
                    [name for name in numbers if name not in null],
                    [name for name in categories if name not in null],
                ),
            )
            for null, sums in self.patterns.items()
        )
        left_out = {**self.left_out, **reasons}
        return replace(self, columns=kept, patterns=patterns, left_out=left_out)

    def crowded(self, optional: Iterable[str]) -> dict[str, str]:
        """Those of some categories that have too many levels for a scan that did not name them."""
        counts = {
            name: len(set().union(*(s.levels[name].levels for s in self._with(name))))
            for name in optional
            if name in self.categories
        }
        return {
            n: f"it has over {LEVELS_UNASKED:,} levels"
            for n, m in counts.items()
            if m > LEVELS_UNASKED
        }

    def _with(self, name: str) -> list[AnySums]:
        return [sums for null, sums in self.patterns.items() if name not in null]

    # ------------------------------------------------------------ the one way out

    def problem(
        self, target: str, features: Sequence[str] | None = None, *, intercept: bool = True
    ) -> Problem:
        """The dense problem of a target and some features: all that a fit needs to know.

        Rows with a null in one of these columns are left out.  A category gives one indicator
        for each level present but its reference, the first in the order of UTF-8 bytes;
        without an intercept the first category keeps all its levels.

        Raises
        ------
        ColumnNotFoundError, ColumnKindError, EmptySourceError
            A column that was not scanned; a text target; no row without nulls.
        """
        features = tuple(n for n in self.names if n != target) if features is None else features
        for name, role in [*((name, "feature") for name in features), (target, "target")]:
            self._find(name, role)
        used = (*features, target, *filter(None, [self.weights]))
        rows = self._account(used)
        if not rows.used:
            raise EmptySourceError.none_left(rows.read, dict(rows.nulls))
        sums = self._sum(used)
        terms, references = [], {}
        whole = not intercept
        for name in features:
            if name in sums.numbers:
                column = self.column(name)
                terms.append(Term(name, None, column.base, column.power))
                continue
            levels = sums.levels[name].levels
            first = 0 if whole else 1
            whole = False
            references[name] = levels[:first]
            terms += [Term(name, level) for level in levels[first:]]
        mean, scatter = dense_moments(sums, [*terms, self._target_term(target, sums)])
        return Problem(
            tuple(terms),
            target,
            sums.weight,
            mean[:-1],
            float(mean[-1]),
            scatter[:-1, :-1],
            scatter[:-1, -1],
            float(scatter[-1, -1]),
            rows,
            references,
        )

    def _find(self, name: str, role: str) -> None:
        if name in self.names:
            return
        if name in self.left_out:
            raise ColumnNotFoundError.left_out(role, name, self.left_out[name])
        raise ColumnNotFoundError.of(role, name, self.where, self.names)

    def _target_term(self, target: str, sums: Sums) -> Term:
        if target in sums.numbers:
            return Term(target)
        if not self.column(target).is_boolean:
            raise ColumnKindError.text_target(target, sums.levels[target].levels)
        return Term(target, "true")

    def _account(self, used: Sequence[str]) -> Rows:
        dropped: dict[str, int] = {}
        nulls = dict.fromkeys(used, 0)
        for null, sums in self.patterns.items():
            missing = [name for name in used if name in null]
            for name in missing:
                nulls[name] += sums.n_rows
            if missing:
                reason = f"null in {', '.join(missing)}"
                dropped[reason] = dropped.get(reason, 0) + sums.n_rows
        read = self.n_read
        return Rows(read, read - sum(dropped.values()), dropped, nulls)

    def _sum(self, used: Sequence[str]) -> Sums:
        numbers = [name for name in self.numbers if name in used]
        categories = [name for name in self.categories if name in used]
        kept = [sums for null, sums in self.patterns.items() if null.isdisjoint(used)]
        if not kept:
            raise EmptySourceError.none_left(self.n_read, dict(self._account(used).nulls))
        total = reduce(add, (sums.restrict(numbers, categories) for sums in kept))
        total.refuse_out_of_range(self.where)
        return total.rounded()


def _add_patterns(
    items: Iterable[tuple[frozenset[str], AnySums]],
) -> dict[frozenset[str], AnySums]:
    """Sums of the same null pattern added, patterns in one order whatever order they came in."""
    patterns: dict[frozenset[str], AnySums] = {}
    for null, sums in items:
        patterns[null] = add(patterns[null], sums) if null in patterns else sums
    return dict(sorted(patterns.items(), key=lambda item: (len(item[0]), sorted(item[0]))))
