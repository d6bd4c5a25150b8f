"""Where a spline's knots lie that was asked for by their number: found before the scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial

import numpy as np

from ..data.choice import Wanted, choose_columns
from ..data.design import Design
from ..data.expressions import Expression, Interaction, Name, Splines, label, sources
from ..data.parquet import ParquetFile
from ..data.table import Part, Schema, Source
from ..errors import ColumnKindError, EmptySourceError, ValueFoundError
from .collector import Watch
from .errands import map_parts
from .recollection import Recall, ask_anew

Range = tuple[float, float]
Watching = Callable[[Sequence[Part]], Watch]
"""Makes the function that is told of the progress over some parts."""

NOWHERE: Range = (np.inf, -np.inf)


def place_knots(
    source: Source,
    schema: Schema,
    wanted: Wanted,
    executor: Executor | None,
    *,
    parts: Sequence[Part],
    watching: Watching | None = None,
    recall: Recall = ask_anew,
) -> tuple[Wanted, tuple[str, ...]]:
    """The same with knots in every spline, and sentences that say where they lie.

    The knots of ``spline(x, 5)`` stand evenly between the smallest and the largest x: as the
    statistics of Parquet files tell, or from a pass of its own, unless it is recalled.
    """
    open_ones = [
        factor
        for term in wanted.terms or ()
        for factor in term
        if isinstance(factor, Splines) and not factor.knots
    ]
    if not open_ones:
        return wanted, ()
    arguments = list(dict.fromkeys(basis.argument for basis in open_ones))
    ranges = {} if wanted.where or wanted.weights else _read_statistics(source, arguments)
    told = "the statistics of the files"
    if ranges is None or len(ranges) < len(arguments):

        def measure() -> list[Range]:
            found = _measure(parts, schema, wanted, arguments, executor, watching)
            return [found[argument] for argument in arguments]

        asked = [label(argument) for argument in arguments], wanted.where, wanted.weights
        found = recall("knots", asked, measure)
        ranges = {a: (low, high) for a, (low, high) in zip(arguments, found, strict=True)}
        told = "a pass of its own"
    placed: dict[Expression, Expression] = {}
    remarks = []
    for basis in dict.fromkeys(open_ones):
        low, high = ranges[basis.argument]
        if not low < high:
            raise ValueFoundError.no_range(basis.label, label(basis.argument), low)
        step = (high - low) / (basis.count + 1)
        knots = tuple(low + step * (i + 1) for i in range(basis.count))
        placed[basis] = replace(basis, knots=knots)
        words = ", ".join(f"{knot:.6g}" for knot in knots)
        remarks.append(
            f"{basis.label} has its knots at {words}: evenly between {low:.6g} and {high:.6g}, "
            f"which {told} gave."
        )
    terms: list[Interaction] = [
        tuple(placed.get(factor, factor) for factor in term) for term in wanted.terms or ()
    ]
    return replace(wanted, terms=tuple(terms)), tuple(remarks)


def _read_statistics(
    source: Source, arguments: Sequence[Expression]
) -> dict[Expression, Range] | None:
    """Ranges that files tell of plain columns without being read; None where some do not."""
    files = getattr(source, "files", (source,))
    found: dict[Expression, Range] = {}
    for argument in arguments:
        for file in files:
            if not isinstance(argument, Name) or not isinstance(file, ParquetFile):
                return None
            own = file.range_of(argument.name)
            if own is None:
                return None
            found[argument] = _widen(found.get(argument, NOWHERE), own)
    return found


def _widen(a: Range, b: Range) -> Range:
    return min(a[0], b[0]), max(a[1], b[1])


def _measure(
    parts: Sequence[Part],
    schema: Schema,
    wanted: Wanted,
    arguments: Sequence[Expression],
    executor: Executor | None,
    watching: Watching | None,
) -> dict[Expression, Range]:
    terms = tuple((argument,) for argument in arguments)
    design = choose_columns(
        schema, replace(wanted, named=None, terms=terms, target=None, offset=None)
    )
    names = [label(argument) for argument in arguments]
    for basis, name in zip(arguments, names, strict=True):
        if name not in design.numbers:
            kind = schema.find(sources(basis)[0]).type_name
            raise ColumnKindError.formed(f"spline({name})", name, kind)
    total = dict.fromkeys(names, NOWHERE)
    work = partial(measure_part, design, watch=watching(parts) if watching else None)
    for ranges in map_parts(work, parts, executor):
        total = {name: _widen(total[name], ranges[name]) for name in names}
    for name, (low, high) in total.items():
        if low > high:
            raise EmptySourceError.no_value(name)
    return {argument: total[label(argument)] for argument in arguments}


def measure_part(design: Design, part: Part, watch: Watch | None = None) -> dict[str, Range]:
    """The smallest and largest value of each number of a part: work for an executor."""
    found = dict.fromkeys(design.numbers, NOWHERE)
    row = part.first_row
    reads = design.reads
    for batch, fraction in part.batches(reads):
        if watch:
            watch(part, batch.n_rows, fraction)
        block = design.block(batch, part.where, row, exact=False)
        row += batch.n_rows
        counted = slice(None) if block.weights is None else block.weights > 0
        for j, name in enumerate(design.numbers):
            column = block.numbers[counted, j]
            column = column[np.isfinite(column)]
            if column.size:
                found[name] = _widen(found[name], (float(column.min()), float(column.max())))
    return found
