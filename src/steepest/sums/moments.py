"""The statistic: everything that a linear model needs to know of a table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add

from ..data.choice import name_columns
from ..data.expressions import Expression, Interaction, label
from ..data.table import Column
from ..errors import EmptySourceError, MomentsError, check_unique
from ..typing import Floats
from .content import Content
from .double import Sums
from .equations import Asked, Equations
from .finding import Finder
from .folds import Folds, hold_out, join_folds, subtract_folds
from .ledger import Entry, Ledger
from .matching import put_names, rename_column
from .observations import Observations
from .patterns import (
    AnySums,
    add_patterns,
    rename_patterns,
    restrict_patterns,
    subtract_patterns,
)
from .problem import Problem
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
        Integer columns with values beyond 2⁵³, which double precision cannot hold; weights too.
    condition : str
        What rows had to meet to be taken; ``filtered`` did not.
    remarks : tuple of str
        What the scan found out for itself, such as the knots of a spline.
    observed : Observations
        Where the first null of a column was met, and the smallest and largest of each number.
    precision : {"double", "exact"}
        How the sums were made.  Exact ones are the same in every bit whatever the order, the
        split or the workers; they subtract, compare, and have a ``fingerprint``.
    folds : Folds or None
        The moments of each fold by its label, where a scan was asked for folds.

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
    remarks: tuple[str, ...] = ()
    observed: Observations = field(default_factory=Observations)
    where: str = "the moments"
    precision_reason: str = ""
    ledger: Ledger = field(default_factory=Ledger)
    folds: Folds | None = None

    @staticmethod
    def zero() -> Moments:
        """The moments of no rows at all: ``zero + m`` is ``m``."""
        return Moments()

    # ------------------------------------------------------------ what was summed

    @property
    def weight(self) -> float:
        """W over the rows without nulls: their number, without weights."""
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
        folds = join_folds(self.folds, other.folds, add)
        ledger = self._identified.plus(other._identified)
        return replace(
            self,
            columns=columns,
            patterns=add_patterns([*self.patterns.items(), *other.patterns.items()]),
            filtered=self.filtered + other.filtered,
            left_out={**self.left_out, **other.left_out},
            rounded=self.rounded | other.rounded,
            remarks=tuple(dict.fromkeys([*self.remarks, *other.remarks])),
            observed=self.observed.plus(other.observed),
            where=ledger.describe(),
            ledger=ledger,
            folds=folds,
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
        folds = subtract_folds(self.folds, other.folds, Moments(self.columns, precision="exact"))
        patterns = subtract_patterns(self.patterns, other.patterns)
        filtered = self.filtered - other.filtered
        if filtered < 0:
            raise MomentsError.not_contained("more rows were filtered out of them")
        ledger = self._identified.minus(other._identified)
        left = replace(self, patterns=patterns, filtered=filtered, observed=Observations())
        return replace(left, where=ledger.describe(), ledger=ledger, folds=folds)

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

    def training(self, *labels: str) -> Moments:
        """The moments of all rows but those of some folds; FoldsError for one that is not there."""
        return hold_out(self, self.folds, labels)

    # ------------------------------------------------------------ other columns

    def subset(self, names: Iterable[str]) -> Moments:
        """The moments of some columns, in the order given, as if only they had been scanned.

        ColumnNotFoundError, ColumnNameError for a name that is not there, or twice.
        """
        chosen = list(name_columns(names))
        for name in chosen:
            self._find(name, "scanned")
        return self.keep(tuple(self.column(name) for name in chosen), {})

    def rename(self, names: Mapping[str, str]) -> Moments:
        """The same moments under other names: ``rename({"old": "new"})``.

        ColumnNotFoundError, ColumnNameError for a name that is not there, or taken.
        """
        for name in names:
            if name != self.weights:
                self._find(name, "scanned")
        new = {
            c.name: str(
                names.get(c.name, c.name if c.formed is None else label(put_names(c, names)))
            )
            for c in self.columns
        }
        new[self.weights] = str(names.get(self.weights, self.weights))
        check_unique(new.values(), "the renamed moments")
        columns = tuple(rename_column(c, new[c.name], names) for c in self.columns)
        return replace(
            self,
            folds=self.folds and self.folds.map(lambda fold: fold.rename(names)),
            columns=columns,
            patterns=rename_patterns(self.patterns, new),
            weights=new[self.weights],
            rounded=frozenset(new.get(name, name) for name in self.rounded),
            observed=self.observed.rename(new),
        )

    def without(self, reasons: Mapping[str, str]) -> Moments:
        """The moments of the other columns; those left out are listed with their reasons."""
        kept = tuple(column for column in self.columns if column.name not in reasons)
        return self.keep(kept, {**self.left_out, **reasons})

    def keep(self, columns: tuple[Column, ...], left_out: Mapping[str, str]) -> Moments:
        """The moments of some of these columns."""
        observed = self.observed.pick([*(c.name for c in columns), self.weights])
        kept = replace(self, columns=columns, left_out=left_out, observed=observed)
        if self.folds is not None:
            kept = replace(kept, folds=self.folds.map(lambda fold: fold.keep(columns, left_out)))
        if columns != self.columns:
            own = restrict_patterns(self.patterns, kept.numbers, kept.categories, self.weights)
            kept = replace(kept, patterns=own)
        return kept

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
        target: str | Expression,
        features: Iterable[str | Expression | Interaction] | None = None,
        *,
        intercept: bool = True,
        references: Mapping[str, str] | None = None,
        missing: str = "drop",
        offset: str | Expression | None = None,
        rare: int = 0,
        limit_only: bool = False,
        like: Problem | None = None,
        fills: tuple[float | None, ...] = (),
    ) -> Problem:
        """The dense problem of a target and some features: all that a fit needs to know.

        Features are columns by name, expressions, or the factors of an interaction.  A category
        gives one indicator for each level but its reference, the first in the order of UTF-8
        bytes where ``references`` names no other; without an intercept the first category keeps
        all its levels.  ``limit_only`` says that a category of many levels may be kept apart.
        ``like``, the problem of other rows, says which terms there are, whatever levels these
        rows have; ``fills`` what stands in for their nulls.

        Raises
        ------
        ColumnNotFoundError, ColumnKindError, EmptySourceError
            A column that was not scanned; a text target; no row without nulls.
        OptionError
            A reference that is no level of a category among the features.
        ValueFoundError
            A null where nulls are refused.
        """
        finder = Finder(self.columns, self.left_out, self.where)
        wanted = finder.settle(target, "target")
        base = None if offset is None else finder.settle(offset, "offset")
        if features is None:
            features = finder.choose(wanted, base)
        effects = dict.fromkeys(effect for term in features for effect in finder.resolve(term))
        asked = Asked(
            wanted,
            tuple(effects),
            intercept,
            references,
            missing,
            base,
            rare,
            limit_only,
        )
        return Equations(self, asked, self.where, self.observed, like, fills).build()

    def _find(self, name: str, role: str) -> None:
        Finder(self.columns, self.left_out, self.where).find(name, role)

    def _sum(self, used: Sequence[str]) -> AnySums:
        numbers = [name for name in self.numbers if name in used]
        categories = [name for name in self.categories if name in used]
        kept = [sums for null, sums in self.patterns.items() if null.isdisjoint(used)]
        if not kept:
            raise EmptySourceError.none_left(self.n_read, self._count_nulls())
        return reduce(add, (sums.restrict(numbers, categories) for sums in kept))

    def _count_nulls(self) -> dict[str, int]:
        names = (*self.names, *filter(None, [self.weights]))
        return {
            name: sum(s.n_rows for null, s in self.patterns.items() if name in null)
            for name in names
        }
