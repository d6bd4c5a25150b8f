"""One column of whatever a person holds, as an array of NumPy's or Arrow's with the same values."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LengthError, SourceError, SteepestError
from .arrow import MOST_DIGITS, is_dictionary
from .expansions import LARGEST_WHOLE

if TYPE_CHECKING:
    from numpy.typing import NDArray


UNITS = {
    "M": {"Y": "D", "M": "D", "W": "D", "h": "s", "m": "s"},
    "m": {"W": "s", "D": "s", "h": "s", "m": "s"},
}
"""Of times and of spans, in which unit Arrow takes those that it does not have."""


@dataclass(frozen=True)
class Useless:
    """A column whose values are neither numbers nor booleans nor text, which may not be asked for.

    It stands among others that may.
    """

    length: int
    tell: Callable[[int], SteepestError]
    """The error where it is asked for all the same, by the number of its first row."""

    def __len__(self) -> int:
        return self.length


def is_from(value: object, package: str) -> bool:
    """Whether a value's class comes from a package, without importing it to find out."""
    return package in sys.modules and type(value).__module__.partition(".")[0] == package


def gather_column(name: str, values: Any) -> Any:
    """Numbers and booleans as they are, in NumPy's array; the rest in Arrow's.

    SourceError for something that is no row of values.
    """
    import pyarrow as pa

    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    if is_from(values, "torch"):
        values = as_array(values)
        values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    length = _find_length(values)
    if isinstance(values, str | bytes | Mapping | AbstractSet) or length is None:
        raise SourceError.column(name, f"Its type is {type(values).__name__}, no list of values")
    try:
        return _gather(name, values)
    except LengthError as error:
        told = error
        return Useless(length, lambda first: told)  # noqa: ARG005
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        reason = str(error).partition("\n")[0]
        return Useless(length, partial(_refuse, name, values, reason))


def _find_length(values: Any) -> int | None:
    """How many values something holds; None where it is no list of any."""
    try:
        return len(values)
    except TypeError:
        return 0 if isinstance(values, np.ndarray) else None


def _gather(name: str, values: Any) -> Any:
    """One column; whatever NumPy and Arrow raise for values that are of no kind."""
    import pyarrow as pa

    if is_from(values, "polars"):
        values = _narrow_series(values)
    if hasattr(values, "__arrow_c_stream__") and not is_from(values, "pandas"):
        return pa.chunked_array(values)
    array, mask = _plain(values), None
    if isinstance(array, list | tuple) and all(type(v) in (int, float) for v in array):
        array = _as_array(array)
    if isinstance(array, np.ndarray):
        if array.ndim != 1:
            raise LengthError.dimensions(f"column '{name}'", array.shape, "one-dimensional")
        if isinstance(array, np.ma.MaskedArray):
            array, mask = np.asarray(array.data), np.ma.getmaskarray(array)
        elif is_plain(array.dtype):
            return array
        if array.dtype.kind in "fcV" and not is_plain(array.dtype):
            raise TypeError(f"It has type {array.dtype}, which doubles do not hold")
        array = _settle(array)
    try:
        found = pa.array(array, mask=mask, from_pandas=True)
    except OverflowError:
        found = pa.array(array, pa.decimal256(MOST_DIGITS, 0), mask=mask, from_pandas=True)
    loose = getattr(array, "dtype", np.dtype(object)) == np.dtype(object)
    if loose and pa.types.is_temporal(found.type) and _count_nanoseconds(array):
        zone = getattr(found.type, "tz", None)
        is_span = pa.types.is_duration(found.type)
        kind = pa.duration("ns") if is_span else pa.timestamp("ns", zone)
        found = pa.array(array, kind, mask=mask, from_pandas=True)
    if is_dictionary(found) and isinstance(found.type.value_type, pa.BaseExtensionType):
        levels = [str(level) for level in values.dtype.categories]  # intervals of pandas', periods
        return pa.DictionaryArray.from_arrays(found.indices, levels)
    return found


def _count_nanoseconds(times: Iterable[Any]) -> bool:
    """Whether some times of Python's or pandas' are finer than Arrow takes them to be.

    ValueError for dates among times, and those with a zone among those without: it would cut or
    shift them.
    """
    kinds, found = set(), False
    for value in times:
        if isinstance(value, date | time | timedelta | int) and str(value) != "NaT":
            naive = getattr(value, "tzinfo", None) is None
            kinds.add((isinstance(value, datetime), isinstance(value, int), naive))
            if len(kinds) > 1:
                raise ValueError(f"{value} stands beside times of another kind")
            fine = getattr(value, "nanosecond", getattr(value, "nanoseconds", 0))
            found = found or fine > 0
    return found


def _refuse(name: str, values: Any, reason: str, first: int) -> SourceError:
    """The error for values of no kind, with the row up to which they are of one."""
    cells = _plain(values)
    is_cut = isinstance(cells, list | tuple) or hasattr(cells, "dtype")
    cells = cells if is_cut else list(cells) if hasattr(cells, "__iter__") else []
    cells = getattr(cells, "array", cells)  # of pandas, by place

    def fails(count: int) -> bool:
        return isinstance(gather_column(name, cells[:count]), Useless)

    row = bisect_left(range(len(cells) + 1), True, key=fails)
    if 0 < row <= len(cells):
        reason = f"Row {first + row - 1:,}: {reason[:1].lower()}{reason[1:]}"
    return SourceError.column(name, reason)


def _settle(array: NDArray[Any]) -> NDArray[Any]:
    """An array as Arrow takes it: in the byte order of here, times in units that it has."""
    kind = array.dtype.kind
    if kind not in UNITS:
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    unit = np.datetime_data(array.dtype)[0]
    unit = UNITS[kind].get(unit, unit)
    found = array.astype(f"{kind}8[{unit}]")
    far = found.astype(array.dtype) != array
    if unit == "D":  # of 32 bits in Arrow
        far |= np.abs(found.astype(np.int64).astype(np.float64)) >= 2.0**31
    far &= ~np.isnat(array)
    if far.any():
        raise ValueError(f"{array[far][0]} is too far off for a time")
    return found


def is_plain(dtype: np.dtype[Any]) -> bool:
    """Whether values of a type are real numbers of 64 bits at the most, or booleans."""
    return dtype.kind in "iufb" and dtype.itemsize <= 8


def _plain(values: Any) -> Any:
    """The NumPy array of a Series or of another library, if there is one; else it as it is."""
    if not is_from(values, "pandas"):
        return as_numpy(values)
    if hasattr(values.dtype, "fill_value"):  # a sparse one
        return np.asarray(values)
    return values.to_numpy() if isinstance(values.dtype, np.dtype) else values


def as_numpy(values: Any) -> Any:
    """An array of another library, as of JAX, as one of NumPy's; anything else as it is."""
    kind = type(values)
    tables = ("columns", "__arrow_c_array__", "__arrow_c_stream__", "detach")  # or tensors
    if isinstance(values, np.ndarray) or any(hasattr(kind, name) for name in tables):
        return values
    is_array = hasattr(kind, "__array__") and hasattr(kind, "shape")
    return np.asarray(values) if is_array else values


def _as_array(values: Sequence[float]) -> NDArray[Any] | Sequence[float]:
    """Numbers as an array; ValueError for a whole number that no double is, beside fractions."""
    array = np.asarray(values)
    if array.dtype.kind in "iu":
        return array
    large = [v for v in values if type(v) is int and abs(v) > LARGEST_WHOLE]
    if large and all(type(v) is int for v in values):
        return values
    for value in large:
        if int(float(value)) != value:
            raise ValueError(f"{value} is no double, and stands beside numbers that are not whole")
    return array


def as_array(tensor: Any) -> Any:
    """A tensor as an array of the same values, without a copy where it is in memory.

    SourceError for what is not dense, or of a type that NumPy does not have.
    """
    import torch

    try:
        held = tensor.detach().cpu().resolve_conj().resolve_neg()
        return (held.float() if held.dtype == torch.bfloat16 else held).numpy()
    except (TypeError, RuntimeError) as error:
        raise SourceError.failed("the tensor", str(error).partition("\n")[0]) from None


def _narrow_series(series: Any) -> Any:
    """A column of polars' in a type that Arrow has; ValueError where none holds its values."""
    import polars as pl

    try:
        own = series.cast(pl.Decimal(38, 0)) if str(series.dtype).endswith("Int128") else series
    except pl.exceptions.PolarsError as error:
        raise ValueError(str(error).partition("\n")[0]) from None
    return own if hasattr(own, "__arrow_c_stream__") else own.to_frame().to_arrow()[0]


def narrow(frame: Any) -> Any:
    """A frame of polars', lazy or not, with whole numbers of 128 bits as decimals, as Arrow has."""
    import polars as pl

    wide = [getattr(pl, name) for name in ("Int128", "UInt128") if hasattr(pl, name)]
    return frame.with_columns(pl.col(wide).cast(pl.Decimal(38, 0))) if wide else frame
