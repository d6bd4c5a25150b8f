"""The rows of a fit as an array in memory, in the coordinates in which its descent steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.conditions import parse_condition
from ..data.design import Block, Design, Selected
from ..data.expressions import label
from ..data.filters import check_condition
from ..data.predictor import LinearPredictor, Manner
from ..data.table import Batch, Kind, Part, Source
from ..data.terms import Term
from ..descent.quadratic import Coordinates
from ..errors import SourceError, TooLargeError
from ..machine import find_memory
from ..models.request import Request
from ..sums.finding import Finder
from ..sums.moments import Moments
from ..sums.problem import Problem
from ..typing import Floats

SHARE = 4
"""Rows may take one part in so many of the free memory: most lanes have a copy of their own."""


class Track(NamedTuple):
    """What every lane descends on: the mean of (design · u - y)², and l2 Σ u² from ``skip`` on."""

    design: Floats
    """Shape (n, q)."""
    y: Floats
    """Shape (n,)."""
    l2: float
    skip: int
    """Coordinates without a penalty, which stand first: the intercept, where it is one."""


def check_memory(problem: Problem) -> None:
    """TooLargeError for rows that would not fit beside their copies; before any is read."""
    width = len(problem.terms) + 1
    needed, free = problem.rows.used * (width + 1) * 8, find_memory()
    if free is not None and needed * SHARE > free:
        fitting = max(free // (SHARE * (width + 1) * 8), 1)
        raise TooLargeError.rows(problem.rows.used, width, needed, free, fitting)


@dataclass(frozen=True)
class Surveyor:
    """Reads the rows that a fit used: a column for each of its coefficients.

    The columns are formed as for predictions, and rows are taken or dropped as in the scan.
    """

    source: Source
    request: Request
    moments: Moments
    missing: str
    problem: Problem
    """Of the fit: without what is constant."""
    coordinates: Coordinates

    def build(self, l2: float) -> Track:
        """The track; SourceError where the table is not the one that was scanned.  O(n q)."""
        n, skip = self.problem.rows.used, int(self.coordinates.moves_intercept)
        design = np.empty((n, len(self.problem.terms) + skip))
        design[:, :skip] = 1.0
        y, weights, at = np.empty(n), np.ones(n), 0
        for batch, part, row in self._read():
            block = self._plan.block(batch, part.where, row, exact=False)
            used = np.flatnonzero(self._find_used(block))
            end = at + len(used)
            if end > n:
                break
            places = used if block.places is None else block.places[used]
            chosen = Selected(batch, places)
            for j, column in enumerate(self._columns):
                design[at:end, skip + j] = column(chosen, part, row, AS_KNOWN)
            y[at:end] = self._target(chosen, part, row, AS_KNOWN)
            if self._offset is not None:
                y[at:end] -= self._offset(chosen, part, row, AS_KNOWN)
            if block.weights is not None:
                weights[at:end] = block.weights[used]
            at = end
        else:
            design, y, weights = design[:at], y[:at], weights[:at]
            if self.moments.weight_kind == "frequency":  # a row stands for several
                at = int(weights.sum())
            if at == n:
                weights /= weights.max()  # their sum is a double then
                weights /= weights.mean()
                self._scale(design[:, skip:], y, weights)
                if self.moments.weights:
                    root = np.sqrt(weights)
                    design *= root[:, None]
                    y *= root
                return Track(design, y, l2, skip)
        raise SourceError.changed(self.moments.where, n)

    def _scale(self, features: Floats, y: Floats, weights: Floats) -> None:
        """Change columns in place to the coordinates of the descent.

        A mean was rounded to a double; what it leaves of a column far from 0 is taken away too.
        """
        own = self.coordinates
        if own.exponents:
            np.ldexp(features, np.negative(own.exponents), out=features)
        if own.scale == "standard":
            if own.intercept:
                features -= own.mean
                features -= weights @ features / len(y)
                y -= own.target_mean
                y -= weights @ y / len(y)
            features /= own.spread

    def _read(self) -> Iterator[tuple[Batch, Part, int]]:
        reads = self._plan.reads
        for part in self.source.parts():
            row = part.first_row
            for batch, _ in part.batches(reads):
                yield batch, part, row
                row += batch.n_rows

    def _find_used(self, block: Block) -> NDArray[np.bool_]:
        """Which rows of a block the fit used."""
        columns = self._plan.columns
        numbers = [c.name for c in columns if c.kind is Kind.NUMBER]
        categories = [c.name for c in columns if c.kind is Kind.CATEGORY]
        used = np.ones(len(block.numbers), dtype=bool)
        if block.weights is not None:
            used &= block.weights > 0
        for j, name in enumerate(numbers):
            if name in self._needed:
                used &= ~np.isnan(block.numbers[:, j])
        for (codes, _), name in zip(block.codes, categories, strict=True):
            if name in self._needed:
                used &= codes >= 0
        return used

    @cached_property
    def _needed(self) -> set[str]:
        """The columns whose nulls drop a row."""
        request, moments = self.request, self.moments
        finder = Finder(moments.columns, moments.left_out, moments.where)
        ends = [
            finder.settle(end, "target")
            for end in (request.target, request.offset)
            if end is not None
        ]
        needed = {label(end) for end in ends}
        if self.missing == "drop":
            every = finder.choose(ends[0], ends[1] if len(ends) > 1 else None)
            features = every if request.features is None else request.features
            effects = [effect for term in features for effect in finder.resolve(term)]
            needed |= {label(need) for effect in effects for need in effect.needs}
        return needed

    @cached_property
    def _plan(self) -> Design:
        """The design of the scan, of the columns that are used."""
        moments = self.moments
        used = self._needed | {*self.problem.columns}
        columns = tuple(column for column in moments.columns if column.name in used)
        looked = None
        if moments.condition:
            looked = check_condition(parse_condition(moments.condition), self.source.schema())
        return Design(
            columns,
            weights=moments.weights,
            weight_kind=moments.weight_kind,
            where=moments.condition,
            looked=looked,
        )

    @cached_property
    def _columns(self) -> list[LinearPredictor]:
        fills = self.problem.fills or (None,) * len(self.problem.terms)
        pairs = zip(self.problem.terms, fills, strict=True)
        return [self._form(term, fill) for term, fill in pairs]

    @cached_property
    def _target(self) -> LinearPredictor:
        name = self.problem.target
        boolean = self.problem.columns[name].kind is Kind.CATEGORY
        return self._form(Term("", name, "true") if boolean else Term(name), None)

    @cached_property
    def _offset(self) -> LinearPredictor | None:
        name = self.problem.offset
        return self._form(Term(name), None) if name else None

    def _form(self, term: Term, fill: float | None) -> LinearPredictor:
        """A predictor of one term, whose predictions are that term's column."""
        problem = self.problem
        return LinearPredictor(
            0.0,
            (term,),
            (1.0,),
            problem.columns,
            problem.references,
            problem.pooled,
            (fill,),
            problem.missing,
            problem.nulls_met,
        )


AS_KNOWN = Manner(unseen="reference")
"""A column of one level knows no other, and is 0 there."""
