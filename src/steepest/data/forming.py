"""Columns made of columns, row by row: powers, functions, splines, levels, products."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ColumnKindError, ValueFoundError
from ..typing import Codes, Floats
from .expansions import (
    SAFE,
    Expansion,
    are_beyond,
    exponents,
    multiply,
    raise_rounded,
    raise_to,
)
from .expressions import (
    BETWEEN,
    TIME_FUNCTIONS,
    Call,
    Expression,
    Levels,
    Name,
    Power,
    Product,
    Spline,
    label,
    times_of,
)
from .strips import columns_of
from .table import Batch, Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

MONTHS = tuple(f"{i:02d}" for i in range(1, 13))
WEEKDAYS = (
    "1-Monday", "2-Tuesday", "3-Wednesday", "4-Thursday", "5-Friday", "6-Saturday", "7-Sunday",
)  # fmt: skip
FUNCTIONS: Mapping[str, Callable[[Floats], Floats]] = {
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
}
DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


@dataclass
class Rows:
    """The rows of a batch, of which columns are made.  Numbers come with their exact values."""

    batch: Batch
    where: str
    first_row: int
    numbers: Mapping[str, Floats]
    """The number columns of the table that are needed, each of shape (n,), NaN where null."""
    exact: bool = False
    places: NDArray[np.int64] | None = None
    """The places of these rows among those that were read; None where all were taken."""
    _formed: dict[Expression, tuple[Floats, Expansion | None]] = field(default_factory=dict)

    def row(self, mask: NDArray[np.bool_]) -> int:
        """The number of the first row that is marked."""
        i = int(np.argmax(mask))
        return self.first_row + (i if self.places is None else int(self.places[i]))

    def form(self, expression: Expression) -> tuple[Floats, Expansion | None]:
        """Numbers, shape (n,), NaN where null, and their exact values where those are no doubles.

        ValueFoundError where a value is not defined, or is no double.
        """
        if expression not in self._formed:
            self._formed[expression] = self._form(expression)
        return self._formed[expression]

    def _form(self, expression: Expression) -> tuple[Floats, Expansion | None]:
        if isinstance(expression, Name):
            found = self.batch.expansion(expression.name) if self.exact else None
            return self.numbers[expression.name], found
        if isinstance(expression, Power):
            return self._raise(expression)
        if isinstance(expression, Call):
            if expression.function in TIME_FUNCTIONS:
                name = times_of(expression)[0]
                return read_time(expression.function, self.batch.cells(name)), None
            return self._apply(expression), None
        if isinstance(expression, Spline):
            values = self.form(expression.argument)[0]
            return evaluate_spline(values, expression.knots)[expression.place], None
        assert isinstance(expression, Product)
        return self._multiply(expression)

    def _raise(self, expression: Power) -> tuple[Floats, Expansion | None]:
        base, whole = self.form(expression.base)
        self._check_range(expression, base, expression.power)
        values = raise_rounded(base, expression.power)
        if not self.exact:
            return values, None
        parts = whole or Expansion(0, (base,))
        for part in parts.parts:
            self._check_range(expression, part, expression.power)
        return values, raise_to(parts, expression.power)

    def _check_range(self, expression: Power, base: Floats, power: int) -> None:
        finite = np.isfinite(base) & (base != 0)
        far = np.abs(exponents(np.where(finite, base, 1.0)) * power) > SAFE
        if far.any():
            value = float(base[int(np.argmax(far))])
            name, under = label(expression), label(expression.base)
            raise ValueFoundError.power(name, under, value, self.where, self.row(far))

    def _apply(self, expression: Call) -> Floats:
        values = self.form(expression.argument)[0]
        with np.errstate(all="ignore"):
            found = FUNCTIONS[expression.function](np.ascontiguousarray(values))
        undefined = ~np.isfinite(found) & np.isfinite(values)
        if undefined.any():
            value = float(values[int(np.argmax(undefined))])
            argument = label(expression.argument)
            raise ValueFoundError.undefined(
                label(expression), argument, value, self.where, self.row(undefined)
            )
        return found

    def _multiply(self, expression: Product) -> tuple[Floats, Expansion | None]:
        values, whole = self.form(expression.factors[0])
        for factor in expression.factors[1:]:
            own, own_whole = self.form(factor)
            with np.errstate(all="ignore"):
                product = values * own
            self._check_product(expression, values, own)
            if self.exact:
                left, right = whole or Expansion(0, (values,)), own_whole or Expansion(0, (own,))
                for a in left.parts:
                    for b in right.parts:
                        self._check_product(expression, a, b)
                whole = multiply(left, right)
            values = product
        return values, whole

    def _check_product(self, expression: Product, a: Floats, b: Floats) -> None:
        used = np.isfinite(a) & np.isfinite(b) & (a != 0) & (b != 0)
        own, other = exponents(np.where(used, a, 1.0)), exponents(np.where(used, b, 1.0))
        far = (np.abs(own + other) > SAFE) | (np.maximum(own, other) > SAFE)
        if far.any():
            i = int(np.argmax(far))
            raise ValueFoundError.product(
                label(expression), float(a[i]), float(b[i]), self.where, self.row(far)
            )

    def codes(self, expression: Expression) -> tuple[Codes, Sequence[str]]:
        """Levels as numbers, shape (n,), -1 where null, and the levels they number."""
        if isinstance(expression, Name):
            return self.batch.codes(expression.name)
        if isinstance(expression, Levels):
            return self._level_numbers(expression)
        if isinstance(expression, Call):
            values = read_time(expression.function, self.batch.cells(times_of(expression)[0]))
            levels = MONTHS if expression.function == "month" else WEEKDAYS
            return np.where(np.isnan(values), 0, values).astype(np.int32) - 1, levels
        assert isinstance(expression, Product)
        return cross_codes([self.codes(factor) for factor in expression.factors])

    def _level_numbers(self, expression: Levels) -> tuple[Codes, Sequence[str]]:
        inner = expression.argument
        if isinstance(inner, Name) and inner.name not in self.numbers:  # levels already
            return self.batch.codes(inner.name)
        values = self.form(expression.argument)[0]
        large = are_beyond(values)
        if large.any():
            name = label(expression.argument)
            raise ValueFoundError.level(name, float(values[np.argmax(large)]), self.where,
                                        self.row(large))  # fmt: skip
        if np.isinf(values).any():
            at = np.isinf(values)
            value = float(values[np.argmax(at)])
            raise ValueFoundError.infinite(
                value, label(expression.argument), self.where, self.row(at)
            )
        return find_levels(values)


def find_levels(values: Floats) -> tuple[Codes, list[str]]:
    """The numbers that occur as levels: codes, shape (n,), -1 where null, and their names.

    >>> find_levels(np.array([2.5, 3.0, np.nan, 2.5]))
    (array([ 0,  1, -1,  0], dtype=int32), ['2.5', '3'])
    """
    codes = np.full(len(values), -1, dtype=np.int32)
    here = ~np.isnan(values)
    unique, codes[here] = np.unique(values[here] + 0.0, return_inverse=True)  # -0 becomes 0
    return codes, [str(int(v)) if v.is_integer() else repr(v) for v in unique.tolist()]


def cross_codes(
    found: Sequence[tuple[Codes, Sequence[str]]],
) -> tuple[Codes, Sequence[str]]:
    """The combinations of levels that occur, numbered, and their names."""
    codes, levels = found[0]
    if any(BETWEEN in level for _, names in found for level in names):
        raise ValueFoundError.between()
    for own, names in found[1:]:
        width = max(len(names), 1)
        null = (codes < 0) | (own < 0)
        keys = np.where(null, -1, codes.astype(np.int64) * width + own)
        cells, at = np.unique(keys, return_inverse=True)
        first = int(cells[0] < 0) if cells.size else 0
        codes = (at - first).astype(np.int32)
        levels = [
            f"{levels[cell // width]}{BETWEEN}{names[cell % width]}"
            for cell in cells[first:].tolist()
        ]
    return codes, levels


def read_time(function: str, array: Any) -> Floats:
    """Numbers of a time, shape (n,): days since 1970, or a part of the calendar; NaN where null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from .arrow import arrow_numbers

    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan)
    if function == "days":
        if pa.types.is_date32(kind):
            return arrow_numbers(pc.cast(array, pa.int32())).copy()
        unit = "ms" if pa.types.is_date64(kind) else kind.unit
        return arrow_numbers(pc.cast(array, pa.int64())) / DAY[unit]
    if function in ("month", "year"):
        return arrow_numbers(getattr(pc, function)(array)).copy()
    if function == "hour":
        return arrow_numbers(pc.hour(array)).copy()
    return arrow_numbers(pc.day_of_week(array, count_from_zero=False)).copy()


def check_time(function: str, name: str, kind: Kind, type_name: str) -> None:
    """ColumnKindError for a column of which a function of times cannot be taken."""
    whole = type_name.startswith(("timestamp", "date"))
    fits = {
        "hour": type_name.startswith(("timestamp", "time")),
        "days": whole or type_name.startswith("duration"),
    }.get(function, whole)
    if kind is not Kind.NULL and not (kind is Kind.TIME and fits):
        raise ColumnKindError.no_time(function, name, type_name)


def extend_knots(knots: Sequence[float]) -> Floats:
    """Knots with four more at both ends, as a basis of cubic splines needs."""
    inner = np.asarray(knots, dtype=np.float64)
    step = (inner[-1] - inner[0]) / (len(inner) - 1) if len(inner) > 1 else max(abs(inner[0]), 1.0)
    first, last = inner[0] - step, inner[-1] + step
    return np.concatenate([np.full(4, first), inner, np.full(4, last)])


def evaluate_spline(values: Floats, knots: Sequence[float]) -> Floats:
    """The basis of cubic splines at some values, shape (m + 4, n) for m knots.

    B-splines by their recursion [1]_, each piece of the ends continued as the cubic it is: they
    span every cubic spline with these knots, whatever the range of the values.  A value's row
    depends on that value alone.

    References
    ----------
    .. [1] C. de Boor.  On calculating with B-splines.  Journal of Approximation Theory 6(1),
       50-62, 1972.  doi:10.1016/0021-9045(72)90080-9
    """
    t = extend_knots(knots)
    last = len(t) - 5
    piece = np.clip(np.searchsorted(t, values, side="right") - 1, 3, last)
    basis = np.zeros((len(t) - 4, len(values)))
    own = np.zeros((4, len(values)))
    own[0] = 1.0
    with np.errstate(all="ignore"):
        for degree in range(1, 4):
            saved = np.zeros(len(values))
            for r in range(degree):
                right, left = t[piece + r + 1], t[piece + r + 1 - degree]
                share = own[r] / (right - left)
                own[r] = saved + (right - values) * share
                saved = (values - left) * share
            own[degree] = saved
    columns = np.arange(len(values))
    for r in range(4):
        basis[piece - 3 + r, columns] = own[r]
    basis[:, np.isnan(values)] = np.nan
    basis[:, np.isinf(values)] = np.inf
    return basis


def rows_of(
    batch: Batch, reads: Sequence[str], where: str, first_row: int, *, exact: bool = False
) -> Rows:
    """The rows of a batch with the numbers that will be needed."""
    numbers = dict(zip(reads, columns_of(batch.numbers(reads)), strict=True))
    return Rows(batch, where, first_row, numbers, exact)
