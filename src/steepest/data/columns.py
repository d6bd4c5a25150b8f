"""One column of whatever a person holds, as an array of NumPy's or Arrow's with the same values."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LengthError, SourceError
from .arrow import MOST_DIGITS
from .expansions import LARGEST_WHOLE

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Useless:
    """A column whose values are neither numbers nor booleans nor text, which may not be asked for.

    It stands among others that may.
    """

    length: int
    error: SourceError

    def __len__(self) -> int:
        return self.length


def is_from(value: object, package: str) -> bool:
    """Whether a value's class comes from a package, without importing it to find out."""
    return package in sys.modules and type(value).__module__.partition(".")[0] == package


def gather_column(name: str, values: Any) -> Any:
    """Numbers and booleans as they are, in NumPy's array; the rest in Arrow's.

    Raises
    ------
    SourceError, LengthError
        Something that is no row of values, or not of one dimension.
    """
    import pyarrow as pa

    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    if isinstance(values, np.ma.MaskedArray) and values.ndim == 1:
        return pa.array(np.asarray(values.data), mask=np.ma.getmaskarray(values))
    if is_from(values, "polars"):
        return arrow_of_polars(values.to_frame(), f"column '{name}'")[0]
    if is_from(values, "torch"):
        values = as_array(values)
        values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if isinstance(values, str | bytes | Mapping | AbstractSet) or not hasattr(values, "__len__"):
        raise SourceError.column(name, f"Its type is {type(values).__name__}, no list of values")
    array = _plain(values)
    if isinstance(array, list | tuple) and all(type(v) in (int, float) for v in array):
        array = _as_array(name, array)
    if isinstance(array, np.ndarray):
        if array.ndim != 1:
            raise LengthError.dimensions(f"column '{name}'", array.shape, "one-dimensional")
        if is_plain(array.dtype):
            return array
        if array.dtype.kind in "fcV":
            reason = f"It has type {array.dtype}, which doubles do not hold"
            return Useless(len(array), SourceError.column(name, reason))
    try:
        return pa.array(values, from_pandas=True)
    except OverflowError as error:
        return _widen(name, values, str(error))
    except (pa.ArrowException, TypeError, ValueError) as error:
        return Useless(len(values), SourceError.column(name, str(error).partition("\n")[0]))


def is_plain(dtype: np.dtype[Any]) -> bool:
    """Whether values of a type are real numbers of 64 bits at the most, or booleans."""
    return dtype.kind in "iufb" and dtype.itemsize <= 8


def _plain(values: Any) -> Any:
    """The NumPy array inside a Series, where there is one; anything else as it is."""
    if not is_from(values, "pandas"):
        return values
    if hasattr(values.dtype, "fill_value"):  # a sparse one
        return np.asarray(values)
    return values.to_numpy() if isinstance(values.dtype, np.dtype) else values


def _as_array(name: str, values: Sequence[float]) -> NDArray[Any] | Sequence[float]:
    """Numbers as an array; SourceError for a whole number that no double is, beside fractions."""
    array = np.asarray(values)
    if array.dtype.kind in "iu":
        return array
    large = [v for v in values if isinstance(v, int) and abs(v) > LARGEST_WHOLE]
    if large and all(isinstance(v, int) for v in values):
        return values
    for value in large:
        if int(float(value)) != value:
            reason = f"It holds {value}, which no double is, beside numbers that are not whole"
            raise SourceError.column(name, reason)
    return array


def _widen(name: str, values: Any, reason: str) -> Any:
    """Whole numbers beyond 64 bits as decimals."""
    import pyarrow as pa

    try:
        return pa.array(values, pa.decimal256(MOST_DIGITS, 0), from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return Useless(len(values), SourceError.column(name, reason))


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


def arrow_of_polars(frame: Any, where: str) -> Any:
    """A frame of polars' as an Arrow table, whose text stays in its memory where that can be."""
    import polars as pl

    level = {"compat_level": pl.CompatLevel.newest()} if hasattr(pl, "CompatLevel") else {}
    try:
        return narrow(frame).to_arrow(**level)
    except pl.exceptions.PolarsError as error:
        raise SourceError.failed(where, str(error).partition("\n")[0]) from None


def narrow(frame: Any) -> Any:
    """A frame of polars', lazy or not, with whole numbers of 128 bits as decimals, as Arrow has."""
    import polars as pl

    wide = [getattr(pl, name) for name in ("Int128", "UInt128") if hasattr(pl, name)]
    return frame.with_columns(pl.col(wide).cast(pl.Decimal(38, 0))) if wide else frame
