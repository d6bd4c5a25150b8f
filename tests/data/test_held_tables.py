"""What people hold in memory, against the same rows in Arrow: the same sums, or a refusal."""

from __future__ import annotations

import io
import warnings
from collections import deque
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
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
    "masked, of the other byte order": (
        np.ma.masked_array(np.array([1.5, 2, 3], ">f8"), [0, 1, 0]),
        pa.array([1.5, None, 3]),
    ),
    "text of the other byte order": (np.array(["a", "b", "a"], ">U3"), pa.array(["a", "b", "a"])),
    "sparse text": (pd.arrays.SparseArray(["a", "b", "a"]), pa.array(["a", "b", "a"])),
    "intervals": (
        pd.cut(pd.Series([1, 5, None]), [0, 4, 9]),
        pa.array(["(0, 4]", "(4, 9]", None]),
    ),
    "periods": (
        pd.Categorical(pd.period_range("2024-01", periods=3, freq="M")),
        pa.array(["2024-01", "2024-02", "2024-03"]),
    ),
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


def as_runs(column: pa.Array) -> pa.Array:
    ends = pa.array([2, 5, 7, 12], pa.int32())
    return pa.RunEndEncodedArray.from_arrays(ends, column)


RUNS = {
    "whole": as_runs(pa.array([2**60 + 1, None, -3, 4])),
    "half": as_runs(pa.array([0.5, None, -3, 4], pa.float16())),
    "exact": as_runs(pa.array([Decimal("1.25"), None, Decimal(-3), Decimal(4)])),
    "flag": as_runs(pa.array([True, None, False, True])),
    "text": as_runs(pa.array(["a", None, "b", "a"])),
    "day": as_runs(pa.array([date(2024, 1, 1), None, date(1969, 1, 1), date(2001, 2, 3)])),
}


def test_columns_of_runs(tmp_path: Path) -> None:
    y = np.arange(12.0) ** 2
    table = pa.table({**RUNS, "y": y})
    plain = {name: pa.array(c.to_pylist(), c.type.value_type) for name, c in RUNS.items()}
    path = tmp_path / "t.arrow"
    with ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=5)
    formula = "y ~ whole + half + exact + flag + text + days(day)"
    known = steepest.scan(pa.table({**plain, "y": y}), formula=formula)
    assert known.n_rows == 9
    sources = (
        table,
        table.to_reader(5),
        dataset.dataset(table),
        path,
        iter([table[:6], table[6:]]),
    )
    for source in sources:
        assert steepest.scan(source, formula=formula).fingerprint == known.fingerprint
    for at in (1, 3, 6):
        expected = steepest.scan(pa.table({**plain, "y": y})[at:], formula=formula)
        assert steepest.scan(table[at:], formula=formula).fingerprint == expected.fingerprint
    codes = as_runs(pa.array(["a", None, "b", "a"]).dictionary_encode())  # Arrow cannot spell them
    assert "run_end_encoded" in steepest.scan({"y": y, "c": codes}).left_out["c"]


def test_arrays_of_jax() -> None:
    jnp = pytest.importorskip("jax.numpy", reason="JAX is not installed")
    values = np.array([[0.5, 2], [3, 4], [7, 1]], "f4")
    known = steepest.scan(values, names=["a", "b"])
    assert steepest.scan(jnp.asarray(values), names=["a", "b"]) == known
    assert steepest.scan({"a": jnp.asarray(values[:, 0]), "b": jnp.asarray(values[:, 1])}) == known


def test_columns_that_are_arrow_streams() -> None:
    class Column:
        def __len__(self) -> int:
            return 3

        def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
            return pa.chunked_array([[2**60 + 1], [None, 5]]).__arrow_c_stream__(requested_schema)

    found = steepest.scan({"x": Column(), "y": Y})
    assert found == steepest.scan({"x": [2**60 + 1, None, 5], "y": Y})


@pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "h", "m", "s", "ns", "12h"])
def test_times_in_any_unit_of_numpy(unit: str, refused: Any) -> None:
    times = np.array(["1972-03-02", "2001-12-31", "NaT", "2024-02-29"], f">M8[{unit}]")
    seconds = times.astype("M8[s]")
    rows = {"t": times, "d": times - times[0], "y": [1.0, 2, 3, 5]}
    days = seconds.astype(float)[[0, 1, 3]] / 86_400
    found = steepest.scan(rows, formula="y ~ days(t)")
    assert found.mean.tolist() == pytest.approx([8 / 3, days.mean()])
    if unit in "YM":  # of which none is a number of days
        with refused(errors.SourceError, "'d' is not a column"):
            steepest.scan(rows, formula="y ~ days(d)")
        return
    found = steepest.scan(rows, formula="y ~ days(d)")
    assert found.mean.tolist() == pytest.approx([8 / 3, (days - days[0]).mean()])


NOON, ZONED = datetime(2024, 1, 1, 12), datetime(2024, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "times",
    [
        [NOON.date(), None, NOON],
        [NOON, None, ZONED],
        [ZONED, pd.NaT, NOON],
        [timedelta(1), None, 1],
        [pd.Timestamp(NOON), None, pd.Timestamp(ZONED)],
    ],
)
def test_times_of_several_kinds(times: list[Any], refused: Any) -> None:
    """Arrow would cut or shift those that come later."""
    for column in (times, np.array(times, object), pd.Series(times, dtype=object)):
        with refused(errors.SourceError, "Row 3: ", "beside times of another kind"):
            steepest.scan({"t": column, "y": Y}, formula="y ~ days(t)")


@pytest.mark.parametrize("zone", [None, "Europe/Oslo"])
def test_nanoseconds_of_pandas_in_lists(zone: str | None) -> None:
    """Which Arrow would cut."""
    times = pd.Series(pd.date_range("1970-01-02", periods=3, freq="1ns", tz=zone))
    for column in (list(times), times.astype(object)):
        found = steepest.scan({"t": column, "y": Y}, formula="y ~ days(t)")
        assert found == steepest.scan({"t": times, "y": Y}, formula="y ~ days(t)")
    spans = times - times[0]
    found = steepest.scan({"t": list(spans), "y": Y}, formula="y ~ days(t)")
    assert found.mean[1] == pytest.approx(1e-9 / 86_400)


@pytest.mark.parametrize("times", [np.array([2**40], "M8[D]"), np.array([2**61], "M8[h]")])
def test_times_too_far_off(times: np.ndarray, refused: Any) -> None:
    with refused(errors.SourceError, "Row 1: ", "too far off"):
        steepest.scan({"t": times, "y": [1.0]}, formula="y ~ days(t)")


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
    "mixed levels": pd.Categorical([1, "a", 1]),
    "masked and long": np.ma.masked_array([1j, 2, 3], [0, 1, 0]),
    "beside fractions": [2**53 + 1, 0.5, 1.0],
    "nested of 128 bits": pl.Series([[1], [2], [3]], dtype=pl.List(pl.Int128)),
    "beyond decimals": pl.Series([1, 2, 10**38], dtype=pl.Int128),
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


def test_the_row_at_which_a_column_is_of_no_kind(refused: Any) -> None:
    late = {"o": [1, None, 2, "a"]}
    frame = pd.DataFrame(late, index=[9.0, 8, 7, 6])
    for source in (frame, late, {"o": deque(late["o"])}, {"o": np.array(late["o"], object)}):
        with refused(errors.SourceError, "Row 4: could not convert 'a'"):
            steepest.scan(source)
    with refused(errors.SourceError, "Row 7: could not convert 'a'"):
        steepest.scan(iter([{"o": [1, 2]}, {"o": [None]}, late]))
    wide = pl.DataFrame({"o": [1, 2, 10**38]}, schema={"o": pl.Int128})
    with refused(errors.SourceError, "Row 3: ", str(10**38)):
        steepest.scan(wide)


def test_columns_that_are_tables(refused: Any) -> None:
    """Fields of several numbers, or of fields."""
    kinds = [("x", "f8"), ("pair", "f8", (2,)), ("inner", [("a", "i4")])]
    rows = np.array([(1, (0, 0), (0,)), (3, (0, 0), (0,))], dtype=kinds)
    assert steepest.scan(rows, columns=["x"]).mean == [2.0]
    with refused(errors.LengthError, "column 'pair' has shape (2, 2)"):
        steepest.scan(rows, columns=["pair"])
    with refused(errors.SourceError, "'inner' is not a column"):
        steepest.scan(rows, columns=["inner"])


def test_names_for_what_has_its_own(refused: Any) -> None:
    with refused(errors.OptionError, "names=('a', 'b')"):
        steepest.scan(np.zeros(3, dtype=[("x", "f8"), ("y", "f8")]), names=["a", "b"])
    assert steepest.scan(np.ones((3, 1)), names="width").names == ("width",)


@pytest.mark.parametrize("name", ["^x.*$", "*", ".*"])
def test_names_that_polars_takes_for_patterns(name: str) -> None:
    frame = pl.DataFrame({name: [1.0, 2, 4], "xy": [5.0, 5, 8]})
    assert steepest.scan(frame.lazy(), columns=[name]) == steepest.scan(frame, columns=[name])


def test_a_lazy_frame_with_what_arrow_does_not_have() -> None:
    wide = pl.Series([[1], [2], [3]], dtype=pl.List(pl.Int128))
    found = steepest.scan(pl.LazyFrame({"x": Y, "o": wide}))
    assert found.mean == [7 / 3]
    assert list(found.left_out) == ["o"]


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
