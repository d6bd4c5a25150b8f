"""Arrow IPC files and streams, whole and damaged."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import feather, ipc
from tests.tiers import exhaustively

import steepest
from steepest import errors
from steepest.data import bodies, interior
from steepest.data import ipc as arrow_files
from steepest.data.table import Reads

N = 5_000


@pytest.fixture(autouse=True, params=["whole", "in pieces"])
def manner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test reads batches whole, and as if they were too large for that."""
    if request.param == "in pieces":
        monkeypatch.setattr(interior, "LARGE_BYTES", -1)
        monkeypatch.setattr(bodies, "TEXT_BYTES", 1 << 10)
        monkeypatch.setattr(arrow_files, "batch_rows", lambda columns: 200)
    return str(request.param)


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


@pytest.mark.parametrize("places", [30, *exhaustively(150)])
@pytest.mark.parametrize("stream", [False, True], ids=["file", "stream"])
def test_a_damaged_byte_never_ends_the_process(stream: bool, places: int, tmp_path: Path) -> None:
    """Arrow has no checksums: it is read as other values, or refused."""
    path = Path(save(tmp_path / "t.arrow", stream=stream, rows=2_000))
    data = path.read_bytes()
    random = np.random.default_rng(1)
    for place in random.integers(0, len(data), places):
        damaged = bytearray(data)
        damaged[place] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        with suppress(steepest.SteepestError):
            steepest.scan(path)


# ------------------------------------------------------------------ batches of any size


def scatter(views: Any, rng: Any) -> Any:
    """Texts in another order than their bytes."""
    _, own, *bytes_of = views.buffers()
    turned = rng.permutation(np.frombuffer(own, dtype="V16")[: len(views)])
    return pa.Array.from_buffers(
        pa.string_view(), len(views), [None, pa.py_buffer(turned), *bytes_of]
    )


def mixed(rows: int, seed: int = 3) -> pa.RecordBatch:
    """Columns of every layout, with nulls, cut out of longer ones."""
    rng = np.random.default_rng(seed)
    null = rng.random(rows + 9) < 0.2
    texts = [f"{'long ' * (i % 9)}text {i % 11}" for i in range(rows + 9)]
    wide = pa.array(texts, mask=null)
    columns = {
        "nested": pa.array([[i, i] for i in range(rows + 9)], pa.list_(pa.int16())),
        "x": pa.array(rng.standard_normal(rows + 9), mask=null),
        "half": pa.array(rng.standard_normal(rows + 9).astype("f4")),
        "pair": pa.array([{"a": i, "b": "z"} for i in range(rows + 9)]),
        "flag": pa.array(rng.random(rows + 9) < 0.5, mask=null),
        "t": wide,
        "large": wide.cast(pa.large_string()),
        "view": wide.cast(pa.string_view()),
        "scattered": scatter(wide.fill_null("none at all, really").cast(pa.string_view()), rng),
        "fixed": pa.array([bytes([i % 256]) * 3 for i in range(rows + 9)], pa.binary(3)),
        "nothing": pa.nulls(rows + 9),
        "d": wide.dictionary_encode(),
        "whole": pa.array(rng.integers(-(2**62), 2**62, rows + 9), mask=null),
        "money": pa.array([Decimal(i) / 8 for i in range(rows + 9)], pa.decimal128(20, 3)),
        "day": pa.array(range(rows + 9), pa.int32()).cast(pa.date32()),
    }
    return pa.record_batch(columns).slice(9)


USED = ["x", "half", "flag", "t", "large", "view", "scattered", "d", "whole", "money"]


@pytest.mark.parametrize("stream", [False, True], ids=["file", "stream"])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_columns_of_every_layout(
    stream: bool, compression: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow_files, "PART_ROWS", 300)
    batches = [mixed(1_000), mixed(3), mixed(0), mixed(700, seed=4)]
    held = pa.Table.from_batches(batches).unify_dictionaries()
    opened = ipc.new_stream if stream else ipc.new_file
    options = ipc.IpcWriteOptions(compression=compression)
    with opened(str(tmp_path / "t.arrow"), held.schema, options=options) as writer:
        for batch in held.to_batches():
            writer.write_batch(batch)
    expected = steepest.scan(held, columns=USED)
    source = arrow_files.ArrowFile(str(tmp_path / "t.arrow"))
    if not stream:
        assert sum(part.n_rows for part in source.parts()) == held.num_rows
    for names in (USED, ["x"], ["d"], ["scattered", "flag"]):
        found = steepest.scan(tmp_path / "t.arrow", columns=names)
        assert found.fingerprint == steepest.scan(held, columns=names).fingerprint
    found = steepest.scan(tmp_path / "t.arrow", columns=USED)
    rows_of = [
        {name: place.partition(" of ")[0] for name, place in moments.observed.first_nulls.items()}
        for moments in (found, expected)
    ]
    assert rows_of[0] == rows_of[1]
    dated = steepest.scan(tmp_path / "t.arrow", formula="x ~ days(day)")
    assert dated.n_read == held.num_rows
    rows = [
        batch.cells("nested").to_pylist() + batch.cells("fixed").to_pylist()
        for part in source.parts()
        for batch, _ in part.batches(Reads(cells=("nested", "fixed")))
    ]
    assert sum(map(len, rows)) == 2 * held.num_rows


def test_dictionaries_that_are_replaced_before_a_batch(tmp_path: Path) -> None:
    words = (["a", "b", "a"], ["b", "c", "c"], ["c", "b", "z"])
    batches = [pa.record_batch({"c": pa.array(w).dictionary_encode()}) for w in words]
    for deltas in (False, True):
        options = ipc.IpcWriteOptions(emit_dictionary_deltas=deltas)
        with ipc.new_stream(str(tmp_path / "t.arrow"), batches[0].schema, options=options) as to:
            for batch in batches:
                to.write_batch(batch)
        found = steepest.scan(tmp_path / "t.arrow").levels("c")
        assert found == {"a": 2, "b": 3, "c": 3, "z": 1}
    with ipc.new_file(
        str(tmp_path / "t.arrow"),
        batches[0].schema,
        options=ipc.IpcWriteOptions(emit_dictionary_deltas=True),
    ) as writer:
        writer.write_batch(batches[0])
        writer.write_batch(pa.record_batch({"c": pa.DictionaryArray.from_arrays(
            pa.array([2, 0]), pa.array(["a", "b", "q"]))}).cast(batches[0].schema))  # fmt: skip
    assert steepest.scan(tmp_path / "t.arrow").levels("c") == {"a": 3, "b": 1, "q": 1}


@pytest.mark.parametrize("legacy", [False, True])
def test_what_stands_behind_a_stream_is_not_passed_over(
    legacy: bool, tmp_path: Path, refused: Any
) -> None:
    path = Path(save(tmp_path / "t.arrows", stream=True, use_legacy_format=legacy))
    data = path.read_bytes()
    for behind in (data, b"\n"):
        path.write_bytes(data + behind)
        for columns in (None, ["x"]):
            with refused(errors.SourceError, f"{len(behind):,} bytes stand behind the last batch"):
                steepest.scan(path, columns=columns, max_levels=N)


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_two_files_in_one_are_not_read_as_one(
    compression: str | None, tmp_path: Path, refused: Any
) -> None:
    path = Path(save(tmp_path / "t.arrow", compression=compression))
    path.write_bytes(path.read_bytes() * 2)
    with refused(errors.SourceError, "bytes stand behind the last batch, perhaps those of another"):
        steepest.scan(path)


def test_a_file_that_is_cut_off_while_it_is_read(tmp_path: Path, refused: Any) -> None:
    path = Path(save(tmp_path / "t.arrow", rows=N))
    source = steepest.open_table(path)
    batches = source.parts()[0].batches(Reads(("x",), ("t",)))
    next(batches)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 9])
    with refused(errors.SourceError, "changed while it was read"):
        list(batches)


def test_batches_that_claim_what_they_have_not(tmp_path: Path) -> None:
    """Lengths in the messages are damaged, so that gigabytes are claimed."""
    for compression in (None, "zstd"):
        path = Path(save(tmp_path / "t.arrow", rows=N, compression=compression))
        data = path.read_bytes()
        lengths = N.to_bytes(8, "little")
        at = data.find(lengths)
        while at >= 0:
            for claimed in (2**40, 2**62, 2**63 - 1):
                path.write_bytes(data[:at] + claimed.to_bytes(8, "little") + data[at + 8 :])
                with pytest.raises(steepest.SteepestError):
                    steepest.scan(path)
            at = data.find(lengths, at + 8)


def test_the_end_of_a_file_says_what_it_holds(tmp_path: Path) -> None:
    """Its head says the same, but some writers leave out how long that is."""
    path = Path(save(tmp_path / "t.arrow"))
    before, data = steepest.scan(path, max_levels=N), path.read_bytes()
    length = 4 + int.from_bytes(data[12:16], "little")
    path.write_bytes(data[:8] + bytes(length) + data[8 + length :])
    assert steepest.scan(path, max_levels=N) == before


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
@pytest.mark.parametrize("newest", [False, True], ids=["oldest", "newest"])
@pytest.mark.parametrize("stream", [False, True], ids=["file", "stream"])
def test_what_polars_writes(compression: Any, newest: bool, stream: bool, tmp_path: Path) -> None:
    held = {
        "y": [i / 3 for i in range(1_000)],
        "a": [f"level {i % 5}" if i % 11 else None for i in range(1_000)],
        "b": [f"a text of more letters {i % 3}" for i in range(1_000)],
        "c": [i % 7 for i in range(1_000)],
    }
    frame = pl.DataFrame(held).with_columns(
        pl.col("a").cast(pl.Categorical),
        pl.col("b").cast(pl.Enum(sorted(set(held["b"])))),
        pl.col("b").alias("t"),
    )
    frame = pl.concat([frame[:300], frame[300:]], rechunk=False)
    level = pl.CompatLevel.newest() if newest else pl.CompatLevel.oldest()
    write = frame.write_ipc_stream if stream else frame.write_ipc
    write(tmp_path / "t.arrow", compression=compression, compat_level=level)
    assert steepest.scan(tmp_path / "t.arrow") == steepest.scan({**held, "t": held["b"]})


def test_a_decimal_of_more_places_than_there_are(tmp_path: Path, refused: Any) -> None:
    path = tmp_path / "t.arrow"
    places = pa.array([Decimal(1)], pa.decimal128(10, 0)).view(pa.decimal128(10, 65_538))
    feather.write_feather(pa.table({"d": places, "x": [1.0]}), path)
    assert set(steepest.scan(path).left_out) == {"d"}
    with refused(errors.ColumnKindError, "decimal128(10, 65538)"):
        steepest.scan(path, columns=["d"])


MEMORY = """
import resource, sys, steepest
steepest.scan({"x": [1.0, 2.0], "c": ["a", "b"]})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = steepest.scan(sys.argv[1], precision="double")
print(found.n_read, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.exhaustive
@pytest.mark.parametrize("stream", [False, True], ids=["file", "stream"])
@pytest.mark.parametrize("compression", [None, "zstd"])
def test_a_batch_of_gigabytes(
    manner: str, stream: bool, compression: str | None, tmp_path: Path
) -> None:
    if manner != "whole":  # as it comes
        return
    rows = 8_000_000
    column = np.arange(float(rows))
    texts = pa.array(["short", "a text of some more letters"]).take(pa.array(np.arange(rows) % 2))
    columns: dict[str, Any] = {f"x{i}": column for i in range(12)}
    columns |= {"t": texts, "view": texts.cast(pa.string_view())}
    batch = pa.record_batch(columns | {"d": texts.dictionary_encode()})
    opened = ipc.new_stream if stream else ipc.new_file
    options = ipc.IpcWriteOptions(compression=compression)
    with opened(str(tmp_path / "t.arrow"), batch.schema, options=options) as writer:
        writer.write_batch(batch)
    del batch, texts, columns
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path / "t.arrow")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    read, more = map(int, done.stdout.split())
    assert read == rows
    assert more < 250_000  # kB
