"""Arrow IPC files and streams, whole and damaged."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, ipc

import steepest
from steepest import errors
from steepest.data import ipc as arrow_files

N = 5_000


def table() -> pa.Table:
    return pa.table(
        {
            "x": np.arange(float(N)),
            "whole": pa.array([2**60 + i if i % 3 else None for i in range(N)]),
            "money": pa.array([Decimal(i) / 100 for i in range(N)], pa.decimal128(20, 2)),
            "c": pa.array([f"level {i % 5}" for i in range(N)]).dictionary_encode(),
            "t": pa.array([f"text {i % 7}" for i in range(N)]),
            "view": pa.array([f"view {i % 3}" for i in range(N)]).cast(pa.string_view()),
            "b": pa.array([i % 2 == 0 for i in range(N)]),
        }
    )


def save(path: Path, *, stream: bool = False, rows: int = 700, **options: Any) -> str:
    opened = ipc.new_stream if stream else ipc.new_file
    settings = ipc.IpcWriteOptions(**options)
    with opened(str(path), table().schema, options=settings) as writer:
        writer.write_table(table(), max_chunksize=rows)
    return str(path)


@pytest.mark.parametrize("name", ["t.arrow", "t.arrows", "t.feather", "t.ipc"])
@pytest.mark.parametrize("stream", [False, True], ids=["file", "stream"])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_the_same_as_in_memory(
    name: str, stream: bool, compression: str | None, tmp_path: Path
) -> None:
    path = save(tmp_path / name, stream=stream, compression=compression)
    assert steepest.scan(path).fingerprint == steepest.scan(table()).fingerprint


def test_feather(tmp_path: Path) -> None:
    feather.write_feather(table(), str(tmp_path / "t.feather"), chunksize=600)
    assert steepest.scan(tmp_path / "t.feather").fingerprint == steepest.scan(table()).fingerprint


def test_parts_and_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_files, "PART_ROWS", 1_000)
    parts = arrow_files.ArrowFile(save(tmp_path / "t.arrow")).parts()
    assert [part.first_row for part in parts] == [1, 1_401, 2_801, 4_201]
    assert sum(part.size for part in parts) == N


def test_dictionaries_that_grow_and_change(tmp_path: Path) -> None:
    batches = [
        pa.record_batch({"c": pa.array(values).dictionary_encode()})
        for values in (["a", "b"], ["a", "b", "c"], ["z", "a"])
    ]
    with ipc.new_stream(str(tmp_path / "t.arrows"), batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    assert steepest.scan(tmp_path / "t.arrows").levels("c") == {"a": 3, "b": 2, "c": 1, "z": 1}


def test_an_infinity_is_told_with_its_row(tmp_path: Path, refused: Any) -> None:
    values = np.arange(float(N))
    values[4_321] = np.inf
    batch = pa.table({"x": values})
    for stream in (False, True):
        opened = ipc.new_stream if stream else ipc.new_file
        with opened(str(tmp_path / "t.arrow"), batch.schema) as writer:
            writer.write_table(batch, max_chunksize=700)
        with refused(errors.ValueFoundError, "row 4,322", "t.arrow"):
            steepest.scan(tmp_path / "t.arrow")


def test_no_rows_and_no_columns(tmp_path: Path, refused: Any) -> None:
    for content, words in ((pa.table({"x": pa.array([], pa.float64())}), "no data rows"),
                           (pa.table({}), "no column")):  # fmt: skip
        with ipc.new_file(str(tmp_path / "t.arrow"), content.schema) as writer:
            writer.write_table(content)
        with refused(errors.EmptySourceError, "t.arrow", words):
            steepest.scan(tmp_path / "t.arrow")


@pytest.mark.parametrize("stream", [False, True], ids=["file", "stream"])
def test_a_model_without_columns_predicts_every_row(stream: bool, tmp_path: Path) -> None:
    model = steepest.fit({"y": [1.0, 3.0]}, target="y", features=[])
    assert len(model.predict(save(tmp_path / "t.arrow", stream=stream))) == N


@pytest.mark.parametrize("stream", [False, True], ids=["file", "stream"])
@pytest.mark.parametrize("share", [0.001, 0.3, 0.9])
def test_a_file_that_is_cut_off(share: float, stream: bool, tmp_path: Path, refused: Any) -> None:
    path = Path(save(tmp_path / "t.arrow", stream=stream))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with refused(errors.SourceError, f"'{path}' cannot be read as Arrow IPC"):
        steepest.scan(path)


def test_another_format(write: Any, refused: Any) -> None:
    path = write("t.arrow", "a,b\n" + "1,2\n" * 100)
    with refused(errors.SourceError, f"'{path}' cannot be read as Arrow IPC"):
        steepest.scan(path)


@pytest.mark.parametrize("stream", [False, True], ids=["file", "stream"])
def test_a_damaged_byte_never_ends_the_process(stream: bool, tmp_path: Path) -> None:
    """Arrow has no checksums: it is read as other values, or refused."""
    path = Path(save(tmp_path / "t.arrow", stream=stream, rows=2_000))
    data = path.read_bytes()
    random = np.random.default_rng(1)
    for place in random.integers(0, len(data), 150):
        damaged = bytearray(data)
        damaged[place] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        with suppress(steepest.SteepestError):
            steepest.scan(path)
