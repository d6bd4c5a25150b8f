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
from codecs import BOM_UTF8
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.tiers import crossed

import steepest
from steepest import errors
from steepest.data.open import open_source
from steepest.faces import cli

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


@crossed(
    packing=PACKINGS.keys(),
    ending=["csv", "jsonl"],
    named=[True, False],
    pieces={"one member": 1, "two members": 2},
)
def test_packed_text(packing: str, ending: str, named: bool, pieces: int, write: Any) -> None:
    text, pack = TEXT if ending == "csv" else LINES, PACKINGS[packing]
    half = text.index(b"\n", len(text) // 2) + 1
    data = pack(text) if pieces == 1 else pack(text[:half]) + pack(text[half:])
    moments = steepest.scan(write(f"t.{ending}" + (f".{packing}" if named else ""), data))
    assert moments.n_rows == 50_000
    assert moments.mean == [49_999 / 2]
    assert moments.levels("c") == {"level 0": 16_667, "level 1": 16_667, "level 2": 16_666}


@pytest.mark.parametrize(
    ("name", "packing"), [("t.csv.zstd", "zst"), ("t.jsonl.gzip", "gz"), ("t.csv.gz", "zst")]
)
def test_other_endings_of_packed_text(name: str, packing: str, write: Any) -> None:
    text = b'{"x":1}\n{"x":3}\n' if "jsonl" in name else b"x\n1\n3\n"
    assert steepest.scan(write(name, PACKINGS[packing](text))).mean == [2.0]


@crossed(packing=PACKINGS.keys(), ending=["csv", "jsonl"], cut=[1, 20, 5_000])
def test_packed_text_that_is_cut_off(
    packing: str, ending: str, cut: int, write: Any, refused: Any
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
    whole = write("whole.csv", "x,c\n1,a\n")
    assert steepest.scan(steepest.open_table([path, whole], skip_empty=True)).n_rows == 1


def test_packed_twice(packing: str, write: Any, refused: Any) -> None:
    pack = PACKINGS[packing]
    path = write(f"t.csv.{packing}", pack(pack(TEXT)))
    with refused(errors.SourceError, f"'{path}' is no table of text: it begins as"):
        steepest.scan(path)


def test_what_stands_before_the_first_frame(write: Any) -> None:
    """Programs that pack in parallel write there how long it is."""
    before = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + bytes(4)
    path = write("t.csv.zst", before + PACKINGS["zst"](b"x\n1\n3\n"))
    assert steepest.scan(path).mean == [2.0]


@pytest.mark.parametrize("cut", [1, 5, 600_000])
def test_every_stream_of_xz_counts(cut: int, write: Any) -> None:
    """What stands behind the first one is not passed over; zeros between them are none."""
    first, second = lzma.compress(TEXT[:cut]), lzma.compress(TEXT[cut:])
    whole = steepest.scan(write("a.csv", TEXT))
    assert steepest.scan(write("b.csv.xz", first + bytes(8) + second + bytes(4))) == whole
    assert steepest.scan(write("c.csv.xz", first + lzma.compress(b"") + second)) == whole


@pytest.mark.parametrize("behind", [b"PK", b"more bytes than a header of xz has", "cut", "flipped"])
def test_what_stands_behind_a_stream_of_xz_is_refused(
    behind: bytes | str, write: Any, refused: Any
) -> None:
    first, second = lzma.compress(TEXT[:500]), bytearray(lzma.compress(TEXT[500:]))
    if behind == "flipped":
        second[1] ^= 1
    rest = behind if isinstance(behind, bytes) else bytes(second[: 9 if behind == "cut" else None])
    path = write("a.csv.xz", first + rest)
    with refused(errors.SourceError, f"'{path}' cannot be read as xz"):
        steepest.scan(path)


def test_a_header_that_begins_like_a_packing(write: Any) -> None:
    assert steepest.scan(write("t.csv", "BZh,x\n1,2\n")).names == ("BZh", "x")


def test_the_line_of_a_mistake_in_packed_text(
    packing: str, write: Any, refused: Any, late: Any
) -> None:
    many = late(150_000)
    path = write(
        f"t.csv.{packing}", PACKINGS[packing](b"x,c\n" + b"1,level\n" * many + b"oops,u\n")
    )
    with refused(errors.ColumnKindError, f"'x' of '{path}'", "'oops'", f"line {many + 2:,}"):
        steepest.scan(path)


@pytest.fixture
def spools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Path]]:
    """What was left in the folder for temporary files, which this test has for itself."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return lambda: list(folder.iterdir())


def test_what_was_unpacked_goes_away(write: Any, spools: Any) -> None:
    path = write("t.csv.xz", lzma.compress(TEXT))
    source = open_source(path)
    (kept,) = spools()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert steepest.scan([path, write("more.csv", "x,c\n1,u\n")]).n_read == 50_001
    del source
    gc.collect()
    assert not spools()


# ------------------------------------------------------------------ standard input


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """A command in this process, with such standard input."""

    def pipe(data: bytes, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        return cli.run(list(arguments)), *capsys.readouterr()

    return pipe


def pipe_to_a_process(data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "steepest", *arguments],
        input=data,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


@pytest.mark.parametrize(
    "data",
    [TEXT, LINES, gzip.compress(TEXT), lzma.compress(LINES), BOM_UTF8 + LINES],
    ids=["csv", "json lines", "csv.gz", "json lines.xz", "marked"],
)
def test_standard_input(data: bytes, pipe: Any, spools: Any) -> None:
    code, out, err = pipe(data, "fit", "-", "--target", "x", "--json")
    assert code == 0, err
    assert '"source": "\'standard input\'"' in out
    assert "50000" in out
    gc.collect()
    assert not spools()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "'standard input' is empty"),
        (gzip.compress(b""), "'standard input' is empty"),
        (b"x,y\n1,2\n3\n", "line 3 of 'standard input' has 1 field"),
        (b'{"x":1}\n{"x":oops}\n', "line 2 of 'standard input' is no JSON object"),
        (gzip.compress(TEXT)[:-10], "'standard input' cannot be read"),
        (b"PAR1\x15\x04", "cat > table.parquet"),
        (b"x,y\n\xe9,1\n", "Hint: --encoding latin1\n"),
    ],
)
def test_standard_input_that_is_refused(data: bytes, words: str, pipe: Any) -> None:
    code, out, err = pipe(data, "fit", "-", "--target", "x")
    assert code == 1
    assert words in err
    assert out == ""
    assert "Traceback" not in err


def test_standard_input_beside_files(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x,c\n5,u\n")))
    assert steepest.scan(["-", write("t.csv", "c,x\nv,7\n")]).mean == [6.0]
    with pytest.raises(errors.SourceError, match="'standard input' is empty"):
        steepest.scan("-")


def test_predictions_of_standard_input(tmp_path: Path, spools: Any) -> None:
    steepest.fit({"x": [1.0, 2.0], "y": [2.0, 4.0]}, target="y").save(tmp_path / "m.json")
    done = pipe_to_a_process(
        gzip.compress(b"id,x\n007,3\n"), "predict", str(tmp_path / "m.json"), "-", "--keep", "id"
    )
    assert not spools()
    assert done.stdout.decode().splitlines()[1].startswith("007,6")
