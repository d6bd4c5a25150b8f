"""Parquet as its many writers pack it, and encrypted."""

from __future__ import annotations

import base64
import datetime as dt
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from pyarrow.parquet import encryption

import steepest
from steepest import errors
from steepest.data.arrow import batch_rows

CHANCE = random.Random(1)
N = 2_000
HELD: dict[str, list[Any]] = {
    "y": [CHANCE.gauss(0, 1) * 10 ** CHANCE.randrange(-5, 5) for _ in range(N)],
    "whole": [CHANCE.randrange(-(2**62), 2**62) for _ in range(N)],
    "t": [f"level {CHANCE.randrange(40)}" if i % 7 else None for i in range(N)],
    "f": np.array([CHANCE.gauss(0, 1) for _ in range(N)], np.float32).astype(float).tolist(),
}
TABLE = pa.table({**HELD, "f": pa.array(HELD["f"], pa.float32())})

PACKINGS: dict[str, dict[str, Any]] = {
    "deltas": {
        "use_dictionary": False,
        "column_encoding": {
            "y": "BYTE_STREAM_SPLIT",
            "whole": "DELTA_BINARY_PACKED",
            "t": "DELTA_BYTE_ARRAY",
            "f": "BYTE_STREAM_SPLIT",
        },
    },
    "lengths": {"use_dictionary": False, "column_encoding": {"t": "DELTA_LENGTH_BYTE_ARRAY"}},
    "plain": {"use_dictionary": False, "compression": "none"},
    "codes that end": {"dictionary_pagesize_limit": 100, "data_page_size": 1_000},
    "brotli, old": {"version": "1.0", "compression": "brotli"},
    "pages of another version": {"data_page_version": "2.0", "compression": "zstd"},
    "short pages and groups": {"data_page_size": 64, "row_group_size": 777},
    "checksums": {"write_page_checksum": True, "data_page_version": "2.0"},
    "no schema of Arrow's, no statistics": {"store_schema": False, "write_statistics": False},
}


@pytest.mark.parametrize("packing", PACKINGS)
def test_every_packing(packing: str, tmp_path: Path) -> None:
    parquet.write_table(TABLE, tmp_path / "t.parquet", **PACKINGS[packing])
    assert steepest.scan(tmp_path / "t.parquet") == steepest.scan(HELD)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_what_duckdb_writes(version: str, tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.register("held", TABLE)
        connection.execute(
            f"copy held to '{tmp_path}/t.parquet' (format parquet, parquet_version {version})"
        )
    assert steepest.scan(tmp_path / "t.parquet") == steepest.scan(HELD)


def test_what_polars_writes(tmp_path: Path) -> None:
    frame = pl.DataFrame(HELD).with_columns(pl.col("t").cast(pl.Categorical))
    frame.write_parquet(tmp_path / "t.parquet", row_group_size=300)
    assert steepest.scan(tmp_path / "t.parquet") == steepest.scan(HELD)


def test_a_column_named_as_what_lies_in_another(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    held = {"s.a": [9, 8, 7, 1], "a": ["x", "y", "x", "z"], "y": [1.0, 2.0, 3.0, 5.0]}
    nested = {"s": [{"a": "p", "b": 2}] * 4, "l": [[1], [], None, [3, 4]]}
    parquet.write_table(pa.table({**nested, **held}), path)
    assert steepest.scan(path, columns=[*held]) == steepest.scan(held)
    assert steepest.scan(path, columns=[*held], where="`s.a` > 7").n_rows == 2


def test_times_of_twelve_bytes(tmp_path: Path) -> None:
    """Nanoseconds in 64 bits reach from 1677 to 2262; other times must not become some of these."""
    times = [dt.datetime(1, 1, 1), dt.datetime(1600, 2, 29, 6), dt.datetime(9999, 12, 31), None]
    table = pa.table({"y": [1.0, 2.0, 4.0, 5.0], "t": pa.array(times, pa.timestamp("us"))})
    parquet.write_table(table, tmp_path / "t.parquet", use_deprecated_int96_timestamps=True)
    found = steepest.scan(tmp_path / "t.parquet", formula="y ~ days(t)").describe()["days(t)"]
    days = [(t - dt.datetime(1970, 1, 1)) / dt.timedelta(days=1) for t in times if t]
    assert (found.count, found.mean) == (3, sum(days) / 3)


# ------------------------------------------------------------------ encrypted


class Keys(encryption.KmsClient):
    """Keys that are no secret."""

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
        return base64.b64encode(key_bytes)


def encrypt(path: Path, *, plain: bool) -> None:
    """The table with an encrypted column, and with all that is said of it in plain or not."""
    settings = encryption.EncryptionConfiguration(
        footer_key="foot", column_keys={"key": ["whole", "t"]}, plaintext_footer=plain
    )
    factory = encryption.CryptoFactory(lambda _: Keys())
    secret = factory.file_encryption_properties(encryption.KmsConnectionConfig(), settings)
    with parquet.ParquetWriter(path, TABLE.schema, encryption_properties=secret) as writer:
        writer.write_table(TABLE)


ASKED = """
import sys, steepest
path, columns, where = sys.argv[1], sys.argv[2].split(","), sys.argv[3] or None
try:
    print(steepest.scan(path, columns=columns, where=where).n_rows)
except steepest.SteepestError as error:
    print(type(error).__name__, str(error).count("It is encrypted"), str(error).count("Hint: "))
"""


@pytest.mark.parametrize(
    ("plain", "columns", "where", "found"),
    [
        (True, "y,f", "", str(N)),
        (True, "y,f", "y > 0", str(sum(y > 0 for y in HELD["y"]))),
        (True, "y,f", "whole > 0", "SourceError 1 1"),
        (True, "y,t", "", "SourceError 1 1"),
        (False, "y,f", "", "SourceError 1 1"),
    ],
)
def test_encrypted_columns(
    plain: bool, columns: str, where: str, found: str, tmp_path: Path
) -> None:
    """In a process of its own, which Arrow would end where it is asked about them."""
    path = tmp_path / "t.parquet"
    encrypt(path, plain=plain)
    command = [sys.executable, "-c", ASKED, str(path), columns, where]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == found


def test_it_is_said_how_keys_are_given(tmp_path: Path, refused: Any) -> None:
    encrypt(tmp_path / "t.parquet", plain=False)
    with refused(errors.SourceError, "t.parquet", "encrypted", "decryption_properties="):
        steepest.scan(tmp_path / "t.parquet")


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("rows", [(500, 500), (500, 5), (5, 500)])
def test_two_files_in_one(
    rows: tuple[int, int], indexed: bool, tmp_path: Path, refused: Any
) -> None:
    """As `cat` makes them: the footer is the second one's, the columns would be the first one's."""
    path, content = tmp_path / "t.parquet", []
    for n in rows:
        table = pa.table({"x": np.arange(n, dtype=float), "c": ["u"] * n})
        parquet.write_table(table, path, write_page_index=indexed)
        assert steepest.scan(path).n_read == n
        content.append(path.read_bytes())
    path.write_bytes(b"".join(content))
    with refused(errors.SourceError, f"another Parquet file of {len(content[0]):,} bytes"):
        steepest.scan(path)


def test_a_file_without_row_groups(tmp_path: Path, refused: Any) -> None:
    """As writers leave that were given no rows: it is empty, and another before it is found."""
    path, full = tmp_path / "t.parquet", tmp_path / "u.parquet"
    schema = pa.schema({"x": pa.float64()})
    parquet.ParquetWriter(path, schema).close()
    parquet.write_table(pa.table({"x": [1.0, 2.0]}), full)
    with refused(errors.EmptySourceError, "no data rows"):
        steepest.scan(path)
    assert steepest.scan([path, full]).mean == [1.5]
    path.write_bytes(full.read_bytes() + path.read_bytes())
    with refused(errors.SourceError, "another Parquet file"):
        steepest.scan(path)


# ------------------------------------------------------------------ memory


@given(st.integers(1, 10_000))
def test_rows_of_a_batch(columns: int) -> None:
    """16 MB or a little less, with room left in what Arrow doubles as a column grows."""
    rows = batch_rows(columns)
    room = 1 << (rows - 1).bit_length()
    assert rows / room in (5 / 8, 3 / 4)
    assert rows <= 98_304
    if columns <= 682:  # else 3,072 rows, which are few
        assert 8 * columns * rows <= 16 * 2**20
        assert rows == 98_304 or 8 * columns * rows >= 9 * 2**20


AFTERWARDS = """
import re, sys, steepest
from pathlib import Path
def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1e3
steepest.scan(sys.argv[2])
before, most = resident(), []
steepest.scan(sys.argv[1], precision="double", on_progress=lambda _: most.append(resident()))
print(max(most) - before, resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_memory_is_given_back(tmp_path: Path) -> None:
    """Arrow would keep what it read the batches into."""
    column = np.arange(400_000.0)
    path = tmp_path / "t.parquet"
    large = pa.table({f"x{i}": column for i in range(20)})
    parquet.write_table(large, path)
    parquet.write_table(large[:3], tmp_path / "small.parquet")
    command = [sys.executable, "-c", AFTERWARDS, str(path), str(tmp_path / "small.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    most, afterwards = map(float, done.stdout.split())
    assert most > 40, done.stdout
    assert afterwards < 0.5 * most, done.stdout
