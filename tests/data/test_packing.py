"""Packed text is told by its bytes; what can be read once is kept for as long as it is needed."""

from __future__ import annotations

import bz2
import gc
import gzip
import io
import lzma
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import steepest
from steepest import errors

TEXT = b"x,c\n" + b"".join(b"%d,level %d\n" % (i, i % 3) for i in range(50_000))
LINES = b"".join(b'{"x":%d,"c":"level %d"}\n' % (i, i % 3) for i in range(50_000))


def by_arrow(codec: str) -> Callable[[bytes], bytes]:
    def pack(data: bytes) -> bytes:
        with pa.BufferOutputStream() as held:
            with pa.CompressedOutputStream(held, codec) as packed:
                packed.write(data)
            return held.getvalue().to_pybytes()

    return pack


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": by_arrow("zstd"),
    "lz4": by_arrow("lz4"),
}


@pytest.fixture(params=PACKINGS)
def packing(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(("ending", "text"), [("csv", TEXT), ("jsonl", LINES)])
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("pieces", [1, 2], ids=["one member", "two members"])
def test_packed_text(
    packing: str, ending: str, text: bytes, named: bool, pieces: int, write: Any
) -> None:
    pack = PACKINGS[packing]
    half = text.index(b"\n", len(text) // 2) + 1
    data = pack(text) if pieces == 1 else pack(text[:half]) + pack(text[half:])
    moments = steepest.scan(write(f"t.{ending}" + (f".{packing}" if named else ""), data))
    assert moments.n_rows == 50_000
    assert moments.mean == [49_999 / 2]
    assert moments.levels("c") == {"level 0": 16_667, "level 1": 16_667, "level 2": 16_666}


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize("cut", [1, 20, 5_000])
def test_packed_text_that_is_cut_off(
    cut: int, packing: str, ending: str, write: Any, refused: Any
) -> None:
    data = PACKINGS[packing](TEXT if ending == "csv" else LINES)
    path = write(f"t.{ending}.{packing}", data[: -min(cut, len(data) // 2)])
    with refused(errors.SourceError, f"'{path}' cannot be read", "the file is whole"):
        steepest.scan(path)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_nothing_packed(packing: str, ending: str, write: Any, refused: Any) -> None:
    path = write(f"t.{ending}.{packing}", PACKINGS[packing](b""))
    with refused(errors.SourceError, f"'{path}' is empty: it has 0 bytes"):
        steepest.scan(path)


def test_a_header_that_begins_like_a_packing(write: Any) -> None:
    assert steepest.scan(write("t.csv", "BZh,x\n1,2\n")).names == ("BZh", "x")


def test_the_line_of_a_mistake_in_packed_text(packing: str, write: Any, refused: Any) -> None:
    path = write(f"t.csv.{packing}", PACKINGS[packing](TEXT + b"1,level\n" * 100_000 + b"oops,u\n"))
    with refused(errors.ColumnKindError, f"'x' of '{path}'", "'oops'", "line 150,002"):
        steepest.scan(path)


def spools() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("steepest-*"))


def test_what_was_unpacked_goes_away(write: Any) -> None:
    path = write("t.csv.xz", lzma.compress(TEXT))
    gc.collect()
    before = spools()
    source = steepest.data.open.open_source(path)
    (kept,) = spools() - before
    assert kept.stat().st_mode & 0o777 == 0o600
    assert steepest.scan([path, write("more.csv", "x,c\n1,u\n")]).n_read == 50_001
    del source
    gc.collect()
    assert spools() == before


# ------------------------------------------------------------------ standard input


def pipe(data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "steepest", *arguments],
        input=data,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


@pytest.mark.parametrize("data", [TEXT, LINES, gzip.compress(TEXT), lzma.compress(LINES)],
                         ids=["csv", "json lines", "csv.gz", "json lines.xz"])  # fmt: skip
def test_standard_input(data: bytes) -> None:
    before = spools()
    done = pipe(data, "fit", "-", "--target", "x", "--json")
    assert done.returncode == 0, done.stderr
    assert b'"source": "\'standard input\'"' in done.stdout
    assert b"50000" in done.stdout
    assert spools() == before


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "'standard input' is empty"),
        (gzip.compress(b""), "'standard input' is empty"),
        (b"x,y\n1,2\n3\n", "line 3 of 'standard input' has 1 field"),
        (b'{"x":1}\n{"x":oops}\n', "line 2 of 'standard input' is no JSON object"),
        (gzip.compress(TEXT)[:-10], "'standard input' cannot be read"),
    ],
)
def test_standard_input_that_is_refused(data: bytes, words: str) -> None:
    done = pipe(data, "fit", "-", "--target", "x")
    assert done.returncode == 1
    assert words in done.stderr.decode()
    assert done.stdout == b""
    assert b"Traceback" not in done.stderr


def test_standard_input_beside_files(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x,c\n5,u\n")))
    assert steepest.scan(["-", write("t.csv", "c,x\nv,7\n")]).mean == [6.0]
    with pytest.raises(errors.SourceError, match="'standard input' is empty"):
        steepest.scan("-")


def test_predictions_of_standard_input(tmp_path: Path) -> None:
    steepest.fit({"x": [1.0, 2.0], "y": [2.0, 4.0]}, target="y").save(tmp_path / "m.json")
    done = pipe(b"id,x\n007,3\n", "predict", str(tmp_path / "m.json"), "-", "--keep", "id")
    assert done.stdout.decode().splitlines()[1].startswith("007,6")
