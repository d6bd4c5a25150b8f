"""The statistic: everything that a linear model needs to know of a table."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add

from ..data.design import LEVELS_UNASKED, Term, name_columns
from ..data.table import Column
from ..errors import (
    ColumnKindError,
    ColumnNameError,
    ColumnNotFoundError,
    EmptySourceError,
    MomentsError,
)
from ..typing import Floats
from .content import Content
from .double import Sums
from .ledger import Entry, Ledger
from .patterns import (
    AnySums,
    add_patterns,
    count_levels,
    rename_patterns,
    restrict_patterns,
    subtract_patterns,
)
from .problem import Problem, Rows, check_references, cut_problem
from .summary import Summary, correlate, summarise


@dataclass(frozen=True, repr=False, eq=False)
class Moments(Content):
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

    left_out: Mapping[str, str] = field(default_factory=dict)
    rounded: frozenset[str] = frozenset()
    where: str = "the moments"
    precision_reason: str = ""
    ledger: Ledger = field(default_factory=Ledger)

    @staticmethod
    def zero() -> Moments:
        """The moments of no rows at all: ``zero + m`` is ``m``."""
        return Moments()

    # ------------------------------------------------------------ what was summed

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
        sums = self._sum((*self.names, self.weights)).rounded()
        return sums.restrict(self.numbers, self.categories)

    # ------------------------------------------------------------ algebra

    def __add__(self, other: Moments) -> Moments:
        """The moments of the rows of both.

        A column whose types differ keeps the coarser one: :func:`.matching.join_columns`.
        MomentsError, ColumnKindError if names, kinds, weights or precision differ.
        """
        if not isinstance(other, Moments):
            return NotImplemented
        if not self.columns or not other.columns:
            return other if not self.columns else self
        columns = self.match(other)
        ledger = self._identified.plus(other._identified)
        return replace(
            self,
            columns=columns,
            patterns=add_patterns([*self.patterns.items(), *other.patterns.items()]),
            left_out={**self.left_out, **other.left_out},
            rounded=self.rounded | other.rounded,
            where=ledger.describe(),
            ledger=ledger,
        )

    def __sub__(self, other: Moments) -> Moments:
        """The moments of the rows that the other does not have: as if those were never seen.

        ``(a + b) - b`` is ``a`` in every bit.  MomentsError for sums in double precision, and for
        a difference that no rows can add up to.
        """
        if not isinstance(other, Moments):
            return NotImplemented
        if not other.columns:
            return self
        self.match(other)
        if self.precision != "exact":
            raise MomentsError.not_exact()
        patterns = subtract_patterns(self.patterns, other.patterns)
        ledger = self._identified.minus(other._identified)
        return replace(self, patterns=patterns, where=ledger.describe(), ledger=ledger)

    def __radd__(self, other: object) -> Moments:
        return self if other == 0 else NotImplemented

    @property
    def parts(self) -> tuple[Entry, ...]:
        """The scans that were added up: ``id``, the fingerprint of each, ``source`` and ``rows``.

        Provenance, outside equality.  ``ledger.known`` says whether these are all, and whole.
        """
        return self._identified.entries

    @property
    def _identified(self) -> Ledger:
        return self.ledger.identified(lambda: self.digest)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the moments to a file, whole or not at all; :func:`steepest.load` reads it.

        Never over a file that holds something else.  OutputError where it cannot be written.
        """
        from .archive import write_moments

        write_moments(self, path)

    # ------------------------------------------------------------ other columns

    def subset(self, names: Iterable[str]) -> Moments:
        """The moments of some columns, in the order given, as if only they had been scanned.

        ColumnNotFoundError, ColumnNameError for a name that is not there, or twice.
        """
        chosen = list(name_columns(names))
        for name in chosen:
            self._find(name, "scanned")
        return self._keep(tuple(self.column(name) for name in chosen), {})

    def rename(self, names: Mapping[str, str]) -> Moments:
        """The same moments under other names: ``rename({"old": "new"})``.

        ColumnNotFoundError, ColumnNameError for a name that is not there, or taken.
        """
        for name in names:
            if name != self.weights:
                self._find(name, "scanned")
        new = {name: str(names.get(name, name)) for name in (*self.names, self.weights)}
        for name, times in Counter(new.values()).items():
            if times > 1:
                raise ColumnNameError.repeated(name, times, "the renamed moments")
        columns = tuple(
            replace(c, name=new[c.name], base=names.get(c.base, c.base)) for c in self.columns
        )
        return replace(
            self,
            columns=columns,
            patterns=rename_patterns(self.patterns, new),
            weights=new[self.weights],
            rounded=frozenset(new.get(name, name) for name in self.rounded),
        )

    def without(self, reasons: Mapping[str, str]) -> Moments:
        """The moments of the other columns; those left out are listed with their reasons."""
        kept = tuple(column for column in self.columns if column.name not in reasons)
        return self._keep(kept, {**self.left_out, **reasons})

    def _keep(self, columns: tuple[Column, ...], left_out: Mapping[str, str]) -> Moments:
        kept = replace(self, columns=columns, left_out=left_out)
        if columns == self.columns:
            return kept
        patterns = restrict_patterns(self.patterns, kept.numbers, kept.categories, self.weights)
        return replace(kept, patterns=patterns)

    def crowded(self, optional: Iterable[str]) -> dict[str, str]:
        """Those of some categories that have too many levels for a scan that did not name them."""
        counts = {n: count_levels(self.patterns, n) for n in optional if n in self.categories}
        reason = f"it has over {LEVELS_UNASKED:,} levels"
        return {name: reason for name, levels in counts.items() if levels > LEVELS_UNASKED}

    def describe(self) -> dict[str, Summary]:
        """Each column's rows, nulls, mean and standard deviation, or its number of levels.

        A column counts all rows in which it is not null, whatever the others are.  The standard
        deviation is that of a sample: for n rows √(n/(n - 1)) times the weighted one, and NaN for
        a single row; for frequencies n is their sum.
        """
        return {
            column.name: summarise(self.patterns, column, self.weights, self.n_read)
            for column in self.columns
        }

    def correlation(self) -> Floats:
        """Correlations of the numbers over the rows in which none of them is null, shape (k, k)."""
        return correlate(self.patterns, self.numbers, self.weights)

    # ------------------------------------------------------------ the one way out

    def problem(
        self,
        target: str,
        features: Sequence[str] | None = None,
        *,
        intercept: bool = True,
        references: Mapping[str, str] | None = None,
    ) -> Problem:
        """The dense problem of a target and some features: all that a fit needs to know.

        Rows with a null in one of these columns are left out.  A category gives one indicator
        for each level present but its reference, the first in the order of UTF-8 bytes where
        ``references`` names no other; without an intercept the first category of which it names
        none keeps all its levels.

        Raises
        ------
        ColumnNotFoundError, ColumnKindError, EmptySourceError
            A column that was not scanned; a text target; no row without nulls.
        OptionError
            A reference that is no level of a category among the features.
        """
        features = tuple(n for n in self.names if n != target) if features is None else features
        for name, role in [*((name, "feature") for name in features), (target, "target")]:
            self._find(name, role)
        used = (*features, target, *filter(None, [self.weights]))
        rows = self._account(used)
        if not rows.used:
            raise EmptySourceError.none_left(rows.read, dict(rows.nulls))
        sums = self._sum(used)
        asked = check_references(references, {n: sums.levels[n].levels for n in sums.levels})
        terms: list[Term] = []
        left: dict[str, tuple[str, ...]] = {}
        whole = not intercept
        for name in features:
            if name in sums.numbers:
                column = self.column(name)
                terms.append(Term(name, None, column.base, column.power))
                continue
            levels = sums.levels[name].levels
            if name in asked:
                left[name] = (asked[name],)
            else:
                left[name] = () if whole else levels[:1]
                whole = False
            terms += [Term(name, level) for level in levels if level not in left[name]]
        terms.append(self._target_term(target, sums))
        types = {column.name: column.type_name for column in self.columns}
        return cut_problem(sums, terms, types, target, rows, left, self.where)

    def _find(self, name: str, role: str) -> None:
        if name in self.names:
            return
        if name in self.left_out:
            raise ColumnNotFoundError.left_out(role, name, self.left_out[name])
        base, _, power = name.rpartition("^")
        if base in self.names and power.isdigit():
            raise ColumnNotFoundError.power(name, base, self.where)
        raise ColumnNotFoundError.of(role, name, self.where, self.names)

    def _target_term(self, target: str, sums: AnySums) -> Term:
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

    def _sum(self, used: Sequence[str]) -> AnySums:
        numbers = [name for name in self.numbers if name in used]
        categories = [name for name in self.categories if name in used]
        kept = [sums for null, sums in self.patterns.items() if null.isdisjoint(used)]
        if not kept:
            raise EmptySourceError.none_left(self.n_read, dict(self._account(used).nulls))
        return reduce(add, (sums.restrict(numbers, categories) for sums in kept))
