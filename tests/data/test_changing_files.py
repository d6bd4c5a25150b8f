"""A file that changes while it is read is noticed, whoever reads it."""

from __future__ import annotations

import json
import lzma
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

import steepest
from steepest import errors
from steepest.data import files
from steepest.data.open import open_source
from steepest.data.table import Reads

N = 100_000
TABLE = pa.table({"x": np.arange(float(N)), "y": np.arange(float(N)) % 7})


def write_csv(path: Path) -> None:
    rows = zip(*(column.to_pylist() for column in TABLE.columns), strict=True)
    path.write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in rows))


def write_lines(path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in TABLE.to_pylist()))


def write_arrow(path: Path) -> None:
    with ipc.new_file(str(path), TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=20_000)


def write_stream(path: Path) -> None:
    with ipc.new_stream(str(path), TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=20_000)


WRITERS: dict[str, Callable[[Path], None]] = {
    "t.csv": write_csv,
    "t.jsonl": write_lines,
    "t.arrow": write_arrow,
    "t.arrows": write_stream,
    "t.parquet": lambda path: parquet.write_table(TABLE, path, row_group_size=20_000),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with each of the files."""
    folder = tmp_path_factory.mktemp("written")
    for name, write in WRITERS.items():
        write(folder / name)
    return folder


@pytest.fixture(params=WRITERS)
def path(request: pytest.FixtureRequest, written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(written / request.param, tmp_path))


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"1.0,2.0\n")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def swap(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    state = path.stat()
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [append, cut, touch, swap, Path.unlink])
def test_a_change_while_it_is_read(change: Any, path: Path, refused: Any) -> None:
    source = open_source(path)
    reads = source.parts()[0].batches(Reads(("x",)))
    next(reads)
    change(path)
    word = "was removed" if change is Path.unlink else "changed while it was read"
    with refused(errors.SourceError, f"'{path}' {word}"):
        list(reads)


def test_a_change_between_the_schema_and_the_scan(path: Path, refused: Any) -> None:
    source = open_source(path)
    source.schema()
    append(path)
    with refused(errors.SourceError, f"'{path}' changed while it was read"):
        for part in source.parts():
            list(part.batches(Reads(("x", "y"))))


def test_a_change_seen_from_a_scan(path: Path, refused: Any) -> None:
    changes = [append]

    def on_progress(_: Any) -> None:
        while changes:
            changes.pop()(path)

    with refused(errors.SourceError, f"'{path}' changed while it was read"):
        steepest.scan(path, on_progress=on_progress)
    assert not changes


def test_reading_is_no_change(path: Path) -> None:
    assert steepest.scan(path).n_read == N
    assert steepest.scan(path).n_read == N


IDENTITIES = """
import sys
from steepest.data import files
from steepest.data.open import open_source
from steepest.data.table import Reads

for path in sys.argv[1:]:
    source = open_source(path)
    if hasattr(source, "read_as_text"):
        source = source.read_as_text(frozenset("abcxyz"))
    before = [part.identity for part in source.parts()]
    source.schema()
    list(source.parts()[0].batches(Reads(("x",))))
    assert before == [part.identity for part in source.parts()] and all(before)
    print(before)
"""


def test_an_identity_is_the_same_in_every_process(written: Path) -> None:
    """Whatever the seed of the hash, and whatever the source has found out meanwhile."""
    told = {
        subprocess.run(
            [sys.executable, "-c", IDENTITIES, *(str(written / name) for name in WRITERS)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    (lines,) = told
    assert lines.count("\n") == len(WRITERS)


def test_an_identity_changes_with_the_file(path: Path) -> None:
    before = {part.identity for part in open_source(path).parts()}
    touch(path)
    assert before.isdisjoint(part.identity for part in open_source(path).parts())


@pytest.mark.parametrize("said", [{}, {"encoding": "utf-16"}])
def test_a_change_while_it_is_put_into_another_file(
    said: Any, tmp_path: Path, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "x,y\n1,2\n3,5\n"
    path = tmp_path / ("t.csv" if said else "t.csv.xz")
    path.write_bytes(text.encode("utf-16") if said else lzma.compress(text.encode()))
    spool = files.spool

    def slowly(pieces: Any) -> Any:
        held = spool(pieces)
        os.utime(path, (1, 1))
        return held

    monkeypatch.setattr(files, "spool", slowly)
    with refused(errors.SourceError, f"'{path}' changed while"):
        steepest.open_table(path, **said)
