"""PyTorch's tensors, datasets and loaders.  Torch is never imported to find out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..errors import ColumnNameError, LengthError, SourceError, check_unique
from . import memory
from .columns import as_array, is_from
from .streams import Stream, open_batches
from .table import Source

LOADED_ROWS = 4_096
"""Rows of a dataset that are put together in a batch."""


def is_dataset(source: object) -> bool:
    """Whether something is a dataset or a loader of PyTorch's."""
    kinds = [kind for kind in type(source).__mro__ if kind.__name__ in ("Dataset", "DataLoader")]
    return any(kind.__module__.startswith("torch.utils.data") for kind in kinds)


def from_dataset(
    source: Any, names: Sequence[str] | None, open_one: Callable[[Any], Source]
) -> Source:
    """A dataset or loader as a table: a TensorDataset as it is, others batch by batch."""
    from torch.utils import data

    if isinstance(source, data.TensorDataset):
        return open_batch(source.tensors, names)
    if isinstance(source, data.Dataset):
        where = "the dataset"
        source = data.DataLoader(source, batch_size=LOADED_ROWS)
    else:
        where = "the loader"

    def start(columns: Sequence[str] | None) -> Iterator[Source]:
        del columns
        return open_batches(source, open_one)

    found = Stream(where, start)
    found.is_shuffled = _shuffles(source)
    return found


def _shuffles(loader: Any) -> bool:
    """Whether a loader takes its rows by chance."""
    from torch.utils import data

    chance = data.RandomSampler | data.SubsetRandomSampler | data.WeightedRandomSampler
    samplers = loader.sampler, getattr(loader.batch_sampler, "sampler", None)
    return any(isinstance(sampler, chance) for sampler in samplers)


def open_batch(batch: Any, names: Sequence[str] | None) -> Source:
    """Tensors as a table: one of two dimensions, or several side by side.

    ColumnNameError, LengthError for tensors without names or that do not fit together.
    """
    pieces = list(batch) if isinstance(batch, list | tuple) else [batch]
    if not all(is_from(piece, "torch") for piece in pieces):
        raise SourceError.not_a_table(type(batch).__name__)
    arrays = [as_array(piece) for piece in pieces]
    if len(arrays) == 1:
        return memory.name_array(arrays[0], names)
    columns = [column for array in arrays for column in _cut(array)]
    if names is None:
        raise ColumnNameError.unnamed(len(columns))
    if len(names) != len(columns):
        raise LengthError.names(len(columns), len(names))
    check_unique(names, "the names")
    return memory.gather_columns(dict(zip(names, columns, strict=True)), "the tensors")


def _cut(array: Any) -> list[Any]:
    """The columns of a tensor of one dimension or two."""
    if array.ndim not in (1, 2):
        raise LengthError.dimensions("a tensor", array.shape, "of one dimension or two")
    return [array] if array.ndim == 1 else list(array.T)
