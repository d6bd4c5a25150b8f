"""Sparse matrices, tensors, datasets and loaders."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import steepest
from steepest import errors
from steepest.data import memory
from steepest.data.open import open_source
from steepest.data.table import Reads

NAMES = ["a", "b", "c"]
RANDOM = np.random.default_rng(7)
DENSE = np.where(RANDOM.random((700, 3)) < 0.3, RANDOM.normal(size=(700, 3)), 0.0)


def fingerprint(values: Any) -> str:
    return steepest.scan(values, names=NAMES).fingerprint


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "bsr"])
@pytest.mark.parametrize("kind", ["matrix", "array"])
def test_sparse_forms(form: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = getattr(scipy.sparse, f"{form}_{kind}")(DENSE)
    assert fingerprint(values) == fingerprint(DENSE)
    monkeypatch.setattr(memory, "PART_ROWS", 90)
    assert fingerprint(values) == fingerprint(DENSE)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8, bool])
def test_sparse_types(dtype: type) -> None:
    dense = (DENSE * 2.0**60).astype(dtype) if dtype is np.int64 else DENSE.astype(dtype)
    sparse = scipy.sparse.csr_array(dense)
    assert fingerprint(sparse) == fingerprint(dense)


@pytest.mark.parametrize("dtype", [">f8", ">i4"])
def test_sparse_values_of_the_other_byte_order(dtype: str) -> None:
    dense = (DENSE * 100).astype(dtype)
    own = scipy.sparse.csr_array(dense.astype(dense.dtype.newbyteorder("=")))
    swapped = scipy.sparse.csr_array((own.data.astype(dtype), own.indices, own.indptr), own.shape)
    assert fingerprint(swapped) == fingerprint(dense)


def test_parts_of_a_sparse_matrix_hold_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    values = scipy.sparse.csr_array(DENSE)
    monkeypatch.setattr(memory, "PART_ROWS", 90)
    parts = open_source(values, names=NAMES).parts()
    assert len(parts) == 8
    assert all(part.values is values for part in parts)
    sent = pickle.loads(pickle.dumps(parts[7]))
    assert sent.values.shape == (70, 3)
    for part in (parts[7], sent):
        (found,) = (batch.numbers(NAMES) for batch, _ in part.batches(Reads(tuple(NAMES))))
        assert found.tolist() == DENSE[630:].tolist()
        assert part.first_row == 631


def test_a_sparse_matrix_as_a_column(refused: Any) -> None:
    with refused(errors.SourceError, "'a'", "no list of values"):
        steepest.scan({"a": scipy.sparse.csr_array(DENSE[:, :1]), "b": DENSE[:, 1]})


def test_a_sparse_fit() -> None:
    sparse = scipy.sparse.csr_array(DENSE)
    model = steepest.fit(sparse, names=NAMES, target="c", features=["b"])
    expected = steepest.fit(DENSE, names=NAMES, target="c", features=["b"])
    assert model.coefficients == expected.coefficients
    assert model.predict(sparse, names=NAMES) == pytest.approx(expected.predict(DENSE, names=NAMES))


def test_a_null_and_an_infinity_that_are_stored(refused: Any) -> None:
    dense = DENSE.copy()
    dense[4, 0], dense[600, 1] = np.nan, np.inf
    with refused(errors.ValueFoundError, "'b' of the matrix", "row 601"):
        fingerprint(scipy.sparse.csr_array(dense))
    dense[600, 1] = 0
    assert steepest.scan(scipy.sparse.csr_array(dense), names=NAMES).n_rows == 699


def test_few_columns_of_a_wide_matrix() -> None:
    cells = np.random.default_rng(0).integers((3_000, 100_000), size=(3_000, 2)).T
    cells[1, :90] = np.arange(90)
    wide = scipy.sparse.csr_array((np.arange(3_000.0), tuple(cells)), shape=(3_000, 100_000))
    names = [f"x{i}" for i in range(100_000)]
    moments = steepest.scan(wide, names=names, columns=["x5", "x77"])
    assert moments.mean == pytest.approx(wide[:, [5, 77]].toarray().mean(axis=0))


def test_a_matrix_without_names(refused: Any) -> None:
    with refused(errors.ColumnNameError, "3 columns came without names"):
        steepest.scan(scipy.sparse.csr_array(DENSE))
    with refused(errors.LengthError, "names has 2"):
        steepest.scan(scipy.sparse.csr_array(DENSE), names=["a", "b"])
    with refused(errors.ColumnNameError, "'a' stands 2 times"):
        steepest.scan(scipy.sparse.csr_array(DENSE), names=["a", "b", "a"])


# ------------------------------------------------------------------ torch

TENSOR = torch.from_numpy(DENSE)


class Rows(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    def __len__(self) -> int:
        return len(TENSOR)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        return TENSOR[i, :2], TENSOR[i, 2]


class Flow(IterableDataset[dict[str, torch.Tensor]]):
    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        for row in TENSOR:
            yield dict(zip(NAMES, row, strict=True))


@pytest.mark.parametrize(
    "source",
    [
        TENSOR,
        TENSOR.T.contiguous().T,
        TENSOR.clone().requires_grad_(),
        TensorDataset(TENSOR),
        TensorDataset(TENSOR[:, :2], TENSOR[:, 2]),
        TensorDataset(TENSOR[:, :2], TENSOR[:, 2:]),
        Rows(),
        DataLoader(Rows(), batch_size=64),
        DataLoader(TensorDataset(TENSOR[:, :2], TENSOR[:, 2:]), batch_size=64, shuffle=True),
    ],
)
def test_tensors_in_their_order(source: Any) -> None:
    for _ in range(2):
        assert fingerprint(source) == fingerprint(DENSE)


@pytest.mark.parametrize("source", [Flow(), DataLoader(Flow(), batch_size=50)])
def test_dicts_of_tensors_bring_their_names(source: Any) -> None:
    assert steepest.scan(source).fingerprint == fingerprint(DENSE)


def test_iterators_of_tensors() -> None:
    pairs = ((x, y) for x, y in DataLoader(Rows(), batch_size=30))
    assert fingerprint(pairs) == fingerprint(DENSE)
    assert fingerprint(iter(TENSOR.split(60))) == fingerprint(DENSE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int32])
def test_types_of_tensors(dtype: torch.dtype) -> None:
    tensor = TENSOR.to(dtype)
    assert fingerprint(tensor) == fingerprint(tensor.double().numpy())


def test_a_fit_and_its_predictions() -> None:
    loader = DataLoader(Rows(), batch_size=64)
    model = steepest.fit(loader, names=NAMES, target="c")
    assert model.coefficients == steepest.fit(DENSE, names=NAMES, target="c").coefficients
    assert len(model.predict(loader, names=NAMES)) == 700


def test_tensors_without_names(refused: Any) -> None:
    for source in (TENSOR, DataLoader(Rows(), batch_size=64), TensorDataset(TENSOR, TENSOR)):
        with refused(errors.ColumnNameError, "without names"):
            steepest.scan(source)


def test_tensors_that_do_not_fit(refused: Any) -> None:
    loader = DataLoader(Rows(), batch_size=64)
    with refused(errors.LengthError, "3 columns, but names has 2"):
        steepest.scan(loader, names=["a", "b"])
    with refused(errors.ColumnNameError, "'a' stands 2 times"):
        steepest.scan(loader, names=["a", "b", "a"])
    with refused(errors.LengthError, "one dimension or two"):
        steepest.scan(TensorDataset(TENSOR, TENSOR.reshape(700, 3, 1)), names=NAMES)


def test_a_loader_of_something_else(refused: Any) -> None:
    with refused(errors.SourceError, "is not a table"):
        steepest.scan(DataLoader(["u", "v"]), names=NAMES)
