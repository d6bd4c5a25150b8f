"""What people hold in memory, against the same rows in Arrow: the same sums, or a refusal."""

from __future__ import annotations

import io
import warnings
from collections import deque
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import torch
from pyarrow import dataset, ipc
from torch.utils.data import DataLoader, Dataset, TensorDataset

import steepest
from steepest import errors

HUGE = 2**100 + 1
Y = [1.0, 2.0, 4.0]


def wide(*values: int | None) -> pa.Array:
    return pa.array([None if v is None else Decimal(v) for v in values], pa.decimal128(38, 0))


def by_array(table: pa.Table) -> Any:
    """Something that gives a record batch, and no stream."""

    class Holder:
        def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
            return table.to_batches()[0].__arrow_c_array__(requested_schema)

    return Holder()


class Rows(Dataset[Any]):
    """Five rows of one number."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, i: int) -> float:
        return float(i)


COLUMNS = {
    "polars int128": (pl.Series([HUGE, None, -5], dtype=pl.Int128), wide(HUGE, None, -5)),
    "ints of any length": ([HUGE, None, -5], wide(HUGE, None, -5)),
    "ints of both signs": ([2**63 + 1, -1, 0], wide(2**63 + 1, -1, 0)),
    "object ints": (pd.Series([HUGE, None, -5], dtype=object), wide(HUGE, None, -5)),
    "sparse of pandas": (pd.arrays.SparseArray([0, 0, 1.5]), pa.array([0, 0, 1.5])),
    "sparse booleans": (pd.arrays.SparseArray([False, True, True]), pa.array([False, True, True])),
    "sparse NaN": (pd.arrays.SparseArray([np.nan, np.nan, 5]), pa.array([None, None, 5.0])),
    "bfloat16": (torch.tensor([1.5, 2, 3]).to(torch.bfloat16), pa.array([1.5, 2, 3])),
    "a column of a tensor": (torch.arange(3.0)[:, None], pa.array([0.0, 1, 2])),
    "negated lazily": (torch._neg_view(torch.arange(3.0)), pa.array([0.0, -1, -2])),
    "decimals of hundreds": (
        pa.array([Decimal(1500), None, Decimal(200)], pa.decimal128(10, -2)),
        pa.array([1500.0, None, 200.0]),
    ),
    "deque": (deque([1, 2, 3]), pa.array([1, 2, 3])),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns(name: str) -> None:
    values, same = COLUMNS[name]
    found, known = (
        steepest.scan({"x": values, "y": Y}),
        steepest.scan(pa.table({"x": same, "y": Y})),
    )
    assert found.fingerprint == known.fingerprint
    assert found.mean.tolist() == known.mean.tolist()


TABLE = pa.table({"x": [0.0, 1, 2, 3, 4]})
RECEIVED = {
    "scanner": lambda: dataset.dataset(TABLE).scanner(),
    "array of structs": lambda: pa.array(TABLE.to_pylist()),
    "record batch of another": lambda: by_array(TABLE),
    "loader of frames": lambda: DataLoader(Rows(), 2, collate_fn=lambda x: pd.DataFrame({"x": x})),
    "loader of tables": lambda: DataLoader(Rows(), 2, collate_fn=lambda x: pa.table({"x": x})),
    "lazy int128": lambda: pl.LazyFrame({"x": range(5)}, schema={"x": pl.Int128}),
}


@pytest.mark.parametrize("name", RECEIVED)
def test_tables(name: str) -> None:
    assert steepest.scan(RECEIVED[name]()).fingerprint == steepest.scan(TABLE).fingerprint


def test_a_loader_of_arrays() -> None:
    loader = DataLoader(Rows(), 2, collate_fn=lambda x: np.array(x)[:, None])
    assert steepest.scan(loader, names=["x"]) == steepest.scan(TABLE)


@pytest.mark.parametrize("dtype", ["f4", "f2", "i8", "u1"])
def test_arrays_of_other_types_than_doubles(dtype: str) -> None:
    """Whatever is asked of some of their columns."""
    values = np.random.default_rng(3).integers(0, 99, (60, 4)).astype(dtype)
    names = ["x", "y", "w", "z"]
    doubles = values.astype(float)
    for options in ({}, {"weights": "w"}, {"where": "z > 20"}, {"formula": "y ~ x + w^2 + x:z"}):
        kept = [steepest.scan(table, names=names, **options) for table in (values, doubles)]
        assert kept[0].fingerprint == kept[1].fingerprint
    model = steepest.fit(doubles, names=names, target="y", features=["x"])
    for table in (values, scipy.sparse.csr_array(doubles.astype("f4"))):
        assert model.score(table, names=names) == model.score(doubles, names=names)
        assert (model.predict(table, names=names) == model.predict(doubles, names=names)).all()


@pytest.mark.parametrize("chance", [{"shuffle": True}, {"sampler": [2, 0, 1, 3, 4]}, {}])
def test_predictions_need_an_order(chance: dict[str, Any], refused: Any) -> None:
    rows = TensorDataset(torch.arange(10.0).reshape(5, 2))
    model = steepest.fit({"x": [0.0, 2, 5], "y": [1.0, 3, 4]}, target="y")
    loader = DataLoader(rows, 2, **chance)
    expected = model.predict(rows, names=["x", "y"])
    assert model.score(loader, names=["x", "y"]) == model.score(rows, names=["x", "y"])
    if "shuffle" in chance:
        with refused(errors.SourceError, "the loader gives its rows in another order"):
            model.predict(loader, names=["x", "y"])
    else:  # an order that stays is the user's
        order = chance.get("sampler", range(5))
        assert model.predict(loader, names=["x", "y"]).tolist() == expected[list(order)].tolist()


def test_a_scanner_is_read_again() -> None:
    scanner = dataset.dataset(TABLE).scanner(columns={"x": dataset.field("x") * 2})
    assert [steepest.scan(scanner).mean.tolist() for _ in range(2)] == [[4.0], [4.0]]


USELESS = {
    "mixed": pd.Series([1, "a", 2.5], dtype=object),
    "objects": [object()] * 3,
    "complex": np.array([1j, 2, 3]),
    "long": np.arange(3, dtype=np.longdouble) if np.longdouble(1).itemsize > 8 else [1j] * 3,
    "records": np.zeros(3, dtype=[("a", "f8"), ("b", "f8")]),
    "huge": [10**90, 1, 2],
    "surrogates": ["a\ud800", "b", "c"],
}


@pytest.mark.parametrize("name", USELESS)
def test_what_cannot_be_used_harms_nothing_unless_asked_for(name: str, refused: Any) -> None:
    table = {"o": USELESS[name], "x": Y}
    assert steepest.scan(table, columns=["x"]) == steepest.scan({"x": Y})
    assert steepest.scan(iter([table] * 2), columns=["x"]).n_read == 6
    for asked in ({}, {"columns": ["o"]}):
        with refused(errors.SourceError, "'o' is not a column of one kind"):
            steepest.scan(table, **asked)
        with refused(errors.SourceError, "'o' is not a column of one kind"):
            steepest.scan(iter([table]), **asked)


@pytest.mark.parametrize("dtype", [complex, np.longdouble])
def test_a_sparse_matrix_of_what_is_no_double(dtype: Any, refused: Any) -> None:
    with refused(errors.SourceError, np.dtype(dtype).name):
        steepest.scan(scipy.sparse.csr_array(np.eye(3, dtype=dtype)), names=["a", "b", "c"])


@pytest.mark.parametrize(
    "tensor",
    [
        torch.eye(2).to_sparse(),
        torch.eye(2, device="meta"),
        torch.eye(2).to(torch.float8_e4m3fn),
    ],
    ids=["sparse", "nowhere", "eighths"],
)
def test_tensors_that_are_no_array(tensor: torch.Tensor, refused: Any) -> None:
    with refused(errors.SourceError, "the tensor cannot be read"):
        steepest.scan(tensor, names=["a", "b"])


def test_a_number_of_128_bits_beyond_decimals(refused: Any) -> None:
    frame = pl.DataFrame({"x": [2**127 - 1]}, schema={"x": pl.Int128})
    for source in (frame, frame.lazy()):
        with refused(errors.SourceError, "'x'"):
            steepest.scan(source)


DAMAGED = {
    "bytes": pa.Array.from_buffers(pa.string(), 3, pa.array([b"\xff", b"a", b"b"]).buffers()),
    "code": pa.DictionaryArray.from_arrays(pa.array([0, 7, 1]), pa.array(["a", "b"]), safe=False),
    "sign": pa.DictionaryArray.from_arrays(pa.array([0, -1, 1]), pa.array(["a", "b"]), safe=False),
}


def test_offsets_that_go_backwards(refused: Any) -> None:
    offsets, text = pa.array([0, 9, 2, 4], pa.int32()).buffers()[1], pa.py_buffer(b"abcdefghi")
    whole = pa.Array.from_buffers(pa.string(), 3, [None, offsets, text])
    for column in (whole, pa.chunked_array([whole, whole])):
        with refused(errors.SourceError, "column 'c' of the table is damaged"):
            steepest.scan(pa.table({"c": column, "y": np.arange(float(len(column)))}))


def test_a_name_that_is_no_text(refused: Any) -> None:
    sink = io.BytesIO()
    with ipc.new_stream(sink, TABLE.rename_columns(["unusual"]).schema) as writer:
        writer.write_table(TABLE.rename_columns(["unusual"]))
    data = sink.getvalue().replace(b"unusual", b"\xffnusual")
    for source in (ipc.open_stream(data), ipc.open_stream(data).read_all()):
        with refused(errors.SourceError, "name of a column is not UTF-8"):
            steepest.scan(source)


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_text_in_memory(name: str, refused: Any) -> None:
    table = pa.table({"c": DAMAGED[name], "y": Y})
    for source in (table, table.to_reader()):
        with refused(errors.SourceError, "column 'c' of the", "is damaged"):
            steepest.scan(source)


def test_batches_without_a_value_fit_any_kind() -> None:
    frames = [
        pd.DataFrame({"x": [1.0, 2.0], "c": [np.nan, np.nan]}),  # as pandas reads empty cells
        pd.DataFrame({"x": [3.0], "c": ["a"]}),
        pd.DataFrame({"x": [], "c": []}),
    ]
    known = pa.table({"x": [1.0, 2, 3], "c": [None, None, "a"]})
    for order in (frames, frames[::-1]):
        assert steepest.scan(iter(order)).fingerprint == steepest.scan(known).fingerprint


def test_columns_of_pandas_give_no_warnings() -> None:
    frame = pd.DataFrame({
        "t": pd.date_range("2024", periods=3, tz="Europe/Oslo"),
        "p": pd.period_range("2024-01", periods=3, freq="M"),
        "i": pd.arrays.IntervalArray.from_breaks([0, 1, 2, 3]),
        "x": Y,
    })  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(steepest.scan(frame).left_out) == {"t", "p", "i"}
