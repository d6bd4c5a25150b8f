"""Damaged Parquet and Arrow files: the right answer or one sentence, whatever is in them.

``damaged/`` holds regression files of Apache Arrow (arrow-testing and parquet-testing, Apache-2.0).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, ipc, parquet

import steepest
from steepest import errors

FILES = Path(__file__).parent / "damaged"
READER = Path(__file__).parent / "damaged_reader.py"

MEMORY = 500
"""Megabytes that a damaged file may cost, imports and all."""

VALID = {
    "ARROW-GH-41317.parquet": 5,
    "ARROW-GH-43605.parquet": 21_186,
    "clusterfuzz-testcase-minimized-parquet-arrow-fuzz-5068991573000192": 24,
    "clusterfuzz-testcase-minimized-parquet-arrow-fuzz-5382863341289472": 5_120,
}
"""Files of which some columns can be read, and their rows, as pyarrow counts them."""


def read(
    paths: Iterable[Path], *, seconds: float = 10, memory: float = MEMORY
) -> list[dict[str, Any]]:
    """What a process makes of some files; it must come to its end."""
    paths = list(paths)
    done = subprocess.run(
        [sys.executable, str(READER)], input="".join(f"{path}\n" for path in paths),
        capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip
    found = [json.loads(line) for line in done.stdout.splitlines()]
    culprit = paths[len(found)] if len(found) < len(paths) else ""
    assert done.returncode == 0, f"{culprit}: {done.returncode}, {done.stderr[-2_000:]}"
    assert len(found) == len(paths)
    for path, outcome in zip(paths, found, strict=True):
        assert outcome["peak"] < memory, path
        assert outcome["seconds"] < seconds, path
        if "error" in outcome:
            assert str(path) in outcome["text"]
            assert "\n\nHint: " in outcome["text"]
    return found


@pytest.mark.parametrize(("folder", "ending"), [("parquet", ".parquet"), ("ipc", ".arrow")])
def test_regression_files_of_arrow(folder: str, ending: str, tmp_path: Path) -> None:
    copies = {}
    for path in sorted((FILES / folder).iterdir()):
        copies[path.name] = tmp_path / (path.name.removesuffix(".parquet") + ending)
        shutil.copy(path, copies[path.name])
    found = dict(zip(copies, read(copies.values()), strict=True))
    rows = {name: outcome["rows"] for name, outcome in found.items() if "rows" in outcome}
    assert rows == {name: n for name, n in VALID.items() if folder == "parquet"}


def make_table(n: int) -> pa.Table:
    rng = np.random.default_rng(4)
    text = pa.array([f"level {i}" for i in rng.integers(0, 7, n)])
    return pa.table(
        {
            "x": rng.standard_normal(n),
            "whole": pa.array(rng.integers(0, 2**60, n), mask=rng.random(n) < 0.1),
            "text": text,
            "coded": text.dictionary_encode(),
            "flag": rng.integers(0, 2, n).astype(bool),
            "money": pa.array(rng.integers(0, 999, n)).cast(pa.decimal128(24, 2)),
        }
    )


def write_parquet(path: Path, **options: Any) -> None:
    parquet.write_table(make_table(600), path, row_group_size=250, **options)


def write_arrow(path: Path, *, stream: bool = False, compression: str | None = None) -> None:
    if compression:
        feather.write_feather(make_table(600), str(path), compression=compression, chunksize=250)
        return
    table = make_table(600)
    with (ipc.new_stream if stream else ipc.new_file)(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=250)


WRITERS = {
    "snappy.parquet": write_parquet,
    "zstd.parquet": lambda path: write_parquet(path, compression="zstd"),
    "checked.parquet": lambda path: write_parquet(
        path, compression="none", write_page_checksum=True, data_page_version="2.0"
    ),
    "plain.parquet": lambda path: write_parquet(path, compression="none", use_dictionary=False),
    "file.arrow": write_arrow,
    "stream.arrow": lambda path: write_arrow(path, stream=True),
    "lz4.arrow": lambda path: write_arrow(path, compression="lz4"),
}


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bits flipped, bytes replaced, a piece cut out, doubled or made zeros, the end lost."""
    found = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at, length = int(rng.integers(0, len(found))), int(rng.integers(1, 64))
        kind = int(rng.integers(0, 6))
        if kind == 0:
            found[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            found[at : at + 4] = rng.bytes(4)
        elif kind == 2:
            del found[at : at + length]
        elif kind == 3:
            found[at:at] = found[at : at + length]
        elif kind == 4:
            found[at : at + length] = bytes(len(found[at : at + length]))
        else:
            del found[max(at, 8) :]
        found = found or bytearray(b"P")
    return bytes(found)


def read_damaged(name: str, seeds: range, folder: Path) -> list[dict[str, Any]]:
    WRITERS[name](folder / name)
    data, paths = (folder / name).read_bytes(), []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        paths.append(folder / f"{seed}-{name}")
        paths[-1].write_bytes(damage(data, rng))
    # Where a page says that it unpacks to gigabytes, Arrow takes them before it finds that it lies.
    return read(paths, seconds=60, memory=6_000)


@pytest.mark.parametrize("name", WRITERS)
def test_files_damaged_at_random(name: str, tmp_path: Path) -> None:
    read_damaged(name, range(40), tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", WRITERS)
def test_files_damaged_at_random_many_times(name: str, tmp_path: Path) -> None:
    read_damaged(name, range(1_000, 1_700), tmp_path)


def test_no_flipped_bit_goes_unseen_where_pages_have_checksums(tmp_path: Path) -> None:
    """Each bit in turn of some bytes of the pages: refused, or without effect on any sum."""
    path = tmp_path / "t.parquet"
    write_parquet(path, compression="none", use_dictionary=False, write_page_checksum=True)
    data, footer = path.read_bytes(), 4 + 4
    end = len(data) - footer - int.from_bytes(data[-8:-4], "little")
    rng, paths = np.random.default_rng(9), [path]
    for place in rng.integers(4, end, 120):
        changed = bytearray(data)
        changed[place] ^= 1 << int(rng.integers(0, 8))
        paths.append(tmp_path / f"{place}.parquet")
        paths[-1].write_bytes(changed)
    whole, *found = read(paths)
    silent = [one for one in found if "error" not in one and one["mean"] != whole["mean"]]
    assert not silent
    assert sum("error" in one for one in found) > 100


def test_a_parquet_bomb(tmp_path: Path) -> None:
    """Twenty million zeros in some kilobytes."""
    n = 20_000_000
    path = tmp_path / "bomb.parquet"
    zeros = pa.array(np.zeros(n))
    parquet.write_table(pa.table({"x": zeros}), path, row_group_size=n, compression="zstd")
    assert path.stat().st_size < 100_000
    (found,) = read([path])
    assert found["rows"] == n
    assert found["mean"] == {"x": 0.0}


@pytest.mark.exhaustive
def test_a_row_group_of_two_gigabytes(tmp_path: Path) -> None:
    """Twenty columns of the same numbers, in one row group; their mean is known."""
    n, k = 12_500_000, 20
    path = tmp_path / "huge.parquet"
    numbers = pa.array(np.arange(n) % 1_000 + np.arange(n) * 2.0**-40)
    table = pa.table({f"x{j}": numbers for j in range(k)})
    parquet.write_table(table, path, row_group_size=n, compression="none", use_dictionary=False)
    del table
    assert path.stat().st_size >= 2_000_000_000
    assert parquet.ParquetFile(path).num_row_groups == 1
    (found,) = read([path], seconds=90)
    assert found["rows"] == n
    mean = 499.5 + (n - 1) / 2 * 2.0**-40
    assert found["mean"] == pytest.approx({f"x{j}": mean for j in range(k)}, rel=1e-14)


def varint(number: int) -> bytes:
    """A number as the heads of pages have it: seven bits a byte, the sign last."""
    return (
        b""
        if not number
        else bytes([number & 127 | (128 if number > 127 else 0)]) + varint(number >> 7)
    )


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
def test_a_page_that_claims_to_be_of_gigabytes(
    compression: str, tmp_path: Path, refused: Any
) -> None:
    """No more memory is taken than the file could fill."""
    path = tmp_path / "t.parquet"
    table = pa.table({"x": np.random.default_rng(0).normal(size=3_000)})
    parquet.write_table(table, path, compression=compression, use_dictionary=False)
    column = parquet.ParquetFile(path).metadata.row_group(0).column(0)
    data, at = path.read_bytes(), column.data_page_offset
    head = bytes([0x15, 0x00, 0x15])  # a page of data; then its bytes, unpacked and packed
    assert data[at : at + 3] == head
    ends = [i for i in range(at + 3, at + 20) if data[i] < 128]
    large = varint((2**31 - 1) << 1)
    path.write_bytes(data[: at + 3] + large + b"\x15" + large + data[ends[2] + 1 :])
    pool = pa.default_memory_pool()
    most = pool.max_memory()
    with refused(errors.SourceError, str(path)):
        steepest.scan(path)
    assert pool.max_memory() - most < 1 << 20
