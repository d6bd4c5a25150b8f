"""Objects of S3, from moto's server on loopback, by pyarrow's file system."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import multiprocessing
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

import steepest
from steepest import errors, open_table
from steepest.data import places
from steepest.data.open import open_source
from steepest.data.table import Reads

from .stores import KEY, SECRET, Store, serve, silent_port

N = 30_000
TABLE = pa.table(
    {
        "x": np.arange(float(N)) / 8,
        "whole": np.arange(N) * 3,
        "city": [f"city {i % 5}" for i in range(N)],
    }
)


def as_csv(table: pa.Table, delimiter: str = ",") -> bytes:
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    lines = [table.column_names, *([str(cell) for cell in row] for row in rows)]
    return "".join(delimiter.join(line) + "\n" for line in lines).encode()


def as_lines(table: pa.Table) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in table.to_pylist()).encode()


def as_parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(table, sink, row_group_size=7_000)
    return sink.getvalue()


def as_ipc(table: pa.Table, *, stream: bool) -> bytes:
    sink = io.BytesIO()
    opened = ipc.new_stream if stream else ipc.new_file
    with opened(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=7_000)
    return sink.getvalue()


FILES = {
    "t.csv": as_csv(TABLE),
    "t.tsv": as_csv(TABLE, "\t"),
    "t.jsonl": as_lines(TABLE),
    "t.parquet": as_parquet(TABLE),
    "t.arrow": as_ipc(TABLE, stream=False),
    "t.arrows": as_ipc(TABLE, stream=True),
    "t.csv.gz": gzip.compress(as_csv(TABLE)),
    "packed.csv": bz2.compress(as_csv(TABLE)),
    "t.jsonl.xz": lzma.compress(as_lines(TABLE)),
}
FOLDERS = {
    f"sales/year={year}/city=Os%2Flo/{i}.csv": f"x,y\n{year},{i}\n{i},2\n".encode()
    for year in (2023, 2024)
    for i in range(2)
}
HIDDEN = {"sales/_SUCCESS": b"", "sales/.crc/0.csv": b"q\n1\n", "sales/year=2023/.x.csv": b"q\n"}
ODD = {"a b/ü+&=.csv": b"x\n1\n2\n", "per%20cent.csv": b"x\n3\n", "[b].csv": b"x\n4\n"}


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with serve() as found:
        found.put("tables", {**FILES, **FOLDERS, **HIDDEN, **ODD, "empty.csv": b""})
        yield found


@pytest.fixture(autouse=True)
def surroundings(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": store.endpoint,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", FILES)
def test_every_format(name: str) -> None:
    found = steepest.scan(f"s3://tables/{name}")
    assert found.fingerprint == steepest.scan(TABLE).fingerprint
    assert f"'s3://tables/{name}'" in repr(found)


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        yield executor


@pytest.mark.parametrize("name", [name for name in FILES if "xz" not in name])
def test_processes_read_the_parts(name: str, process: ProcessPoolExecutor) -> None:
    found = steepest.scan(f"s3://tables/{name}", executor=process)
    assert found.fingerprint == steepest.scan(TABLE).fingerprint


FORKED = """
import multiprocessing, steepest
from concurrent.futures import ProcessPoolExecutor
steepest.scan("s3://tables/t.csv")
with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as executor:
    print(steepest.scan("s3://tables/t.parquet", executor=executor).n_read)
"""


def test_a_process_that_is_forked_reads() -> None:
    command = [sys.executable, "-c", FORKED]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) == N


def test_patterns_and_folders() -> None:
    assert steepest.scan("s3://tables/t.c*v").n_read == N
    assert steepest.scan("s3://tables/t.cs?").n_read == N
    assert steepest.scan("s3://tables/t.[cj]sv").n_read == N
    assert steepest.scan(["s3://tables/t.csv", "s3://tables/t.parquet"]).n_read == 2 * N
    folder = steepest.scan("s3://tables/sales")
    assert folder.n_read == 8
    assert folder.names == ("x", "y", "year", "city")
    assert steepest.scan("s3://tables/sales/").fingerprint == folder.fingerprint
    for pattern in ("sales/**/*.csv", "sales/year=*/*/*.csv", "sales/**/0.csv", "**/[01].csv"):
        found = steepest.scan(f"s3://tables/{pattern}")
        assert found.n_read == (4 if "/0.csv" in pattern else 8)
        assert "year" in found.names
    assert steepest.scan("s3://tables/sales/year=2024/*/*").names == ("x", "y", "city")
    rows = open_table("s3://tables/sales").parts()
    assert [part.keys["year"].as_py() for part in rows] == [2023, 2023, 2024, 2024]
    assert {part.keys["city"].as_py() for part in rows} == {"Os/lo"}


@pytest.mark.parametrize("name", [*ODD, "per%2520cent.csv", "a%20b/ü+&=.csv"])
def test_odd_names(name: str) -> None:
    assert steepest.scan(f"s3://tables/{name}").n_read in (1, 2)


def test_it_is_told_in_the_url_where_and_as_whom(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    host = store.endpoint.partition("//")[2]
    user = f"{KEY}:s3cret%2Fwith%2Bsigns%25@"
    for asked in (f"endpoint_override={store.endpoint}", f"scheme=http&endpoint_override={host}"):
        url = f"S3://{user}tables/t.csv?region=us-east-1&{asked}"
        model = steepest.fit(url, target="whole", features=["x"])
        assert model.coefficients["x"] == 24
        assert model.provenance.source == "'s3://tables/t.csv'"
        table = open_table(url, delimiter=",")
        shown = [repr(table), repr(table.parts()), str(table.schema()), repr(model), repr(url[:0])]
        assert not any("s3cret" in text or KEY in text for text in shown)
        assert pickle.loads(pickle.dumps(table.parts()[0])).where == "'s3://tables/t.csv'"


def test_the_command_line(tmp_path: Path, capsys: Any) -> None:
    from steepest.faces.cli import run

    model, out = str(tmp_path / "m.json"), str(tmp_path / "p.csv")
    asked = ["--target", "whole", "--features", "x", "-o", model, "--json"]
    assert run(["fit", "s3://tables/t.parquet", *asked]) == 0
    assert json.loads(capsys.readouterr().out)["source"] == "'s3://tables/t.parquet'"
    assert run(["predict", model, "s3://tables/t.csv", "-o", out]) == 0
    assert len(Path(out).read_text().splitlines()) == N + 1
    assert run(["scan", "s3://tables/sales/**/*.csv", "-o", str(tmp_path / "s.moments")]) == 0


def test_small_objects_take_few_requests(store: Store) -> None:
    rows = {name: content for name, content in FILES.items() if "xz" not in name}
    small = {name: content for name, content in rows.items() if len(content) < 1 << 20}
    assert small
    store.put("tables", {f"few/{name}": content for name, content in small.items()})
    store.put("tables", {f"many/{i}.csv": b"x,y\n1,2\n3,%d\n" % i for i in range(20)})
    for name in small:
        before = store.count_requests()
        steepest.scan(f"s3://tables/few/{name}", columns=["x"])
        assert store.count_requests() - before <= 6, name
    before = store.count_requests()
    assert steepest.scan("s3://tables/many/*.csv").n_read == 40
    assert store.count_requests() - before <= 4 + 20 * 4


def test_what_is_kept_of_small_objects_is_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "KEPT_BYTES", 100)
    kept = places._Kept()
    monkeypatch.setattr(places, "KEPT", kept)
    text = {f"bounded/{i}.csv": b"x,y\n" + b"%d,2\n" % i * 5 for i in range(10)}
    store.put("tables", text)
    moments = steepest.scan("s3://tables/bounded/*.csv")
    assert (moments.n_read, moments.mean.tolist()) == (50, [4.5, 2.0])
    assert sum(content.size for content in kept._held.values()) == kept._bytes <= 100


def test_an_object_is_not_that_of_the_last_scan(store: Store) -> None:
    for value in (1, 2, 1):
        store.put("tables", {"again/a.csv": b"x,y\n%d,2\n" % value})
        assert steepest.scan("s3://tables/again/a.csv").mean.tolist() == [value, 2.0]


# ------------------------------------------------------------------ what goes wrong


def test_an_object_that_changes(store: Store, refused: Any) -> None:
    for name, content in FILES.items():
        if "xz" in name:
            continue
        store.put("tables", {f"changing/{name}": content})
        source = open_source(f"s3://tables/changing/{name}")
        source.schema()
        # Of the same length, within the same second.
        store.put("tables", {f"changing/{name}": content[:-2] + b"\n\n"})
        with refused(errors.SourceError, f"'s3://tables/changing/{name}' changed while"):
            for part in source.parts():
                list(part.batches(Reads(("x",))))
        store.delete("tables", f"changing/{name}")
        with refused(errors.SourceError, f"'s3://tables/changing/{name}' was removed while"):
            for part in source.parts():
                list(part.batches(Reads(("x",))))


def test_what_is_not_there(refused: Any) -> None:
    missing = errors.SourceNotFoundError
    with refused(missing, "no file 's3://tables/t.csw'", "did you mean 's3://tables/t.csv'?"):
        steepest.scan("s3://tables/t.csw")
    with refused(missing, "no file matches 's3://tables/no/*.csv'"):
        steepest.scan("s3://tables/no/*.csv")
    with refused(errors.StoreError, "there is no bucket 'nowhere'", "'s3://nowhere/t.csv'"):
        steepest.scan("s3://nowhere/t.csv")
    with refused(errors.StoreError, "there is no bucket 'nowhere'"):
        steepest.scan("s3://nowhere/*.csv")
    with refused(errors.StoreError, "names no bucket"):
        steepest.scan("s3:///t.csv")
    with refused(errors.SourceError, "'s3://tables/empty.csv' is empty"):
        steepest.scan("s3://tables/empty.csv")
    with refused(errors.SourceError, "holds files of several formats"):
        steepest.scan("s3://tables/t.*")
    with refused(errors.StoreError, "'s3://tables/t.csv' is given options", "'retries'"):
        steepest.scan("s3://tables/t.csv?retries=3")


def test_a_store_that_refuses_the_credentials(store: Store, refused: Any) -> None:
    source = open_source("s3://tables/t.csv")
    with store.locked():
        for url in ("s3://tables/t.csv", "s3://tables/*.csv", "s3://me:s3cret@tables/t.parquet"):
            with refused(errors.StoreError, "credentials", "AWS_ACCESS_KEY_ID"):
                steepest.scan(url)
            with pytest.raises(errors.StoreError) as caught:
                steepest.scan(url)
            assert "s3cret" not in str(caught.value)
        with pytest.raises(errors.StoreError, match="credentials"):
            steepest.scan(source)
    assert steepest.scan(source).n_read == N


def test_a_store_that_is_not_there(monkeypatch: pytest.MonkeyPatch, refused: Any) -> None:
    began = time.monotonic()
    with silent_port() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        with refused(errors.StoreError, "cannot be reached", "AWS_ENDPOINT_URL"):
            steepest.scan("s3://me:s3cret@tables/t.csv")
        url = f"gs://anonymous@tables/t.csv?scheme=http&endpoint_override=127.0.0.1:{port}"
        with pytest.raises(errors.StoreError):
            steepest.scan(f"{url}&retry_limit_seconds=1")
    assert time.monotonic() - began < 60


def test_a_store_that_goes_away(refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as other:
        other.put("tables", FILES)
        monkeypatch.setenv("AWS_ENDPOINT_URL", other.endpoint)
        part = open_source("s3://tables/t.parquet").parts()[0]
    with refused(errors.StoreError, "cannot be reached"):
        list(part.batches(Reads(("x",))))


@pytest.mark.parametrize("url", ["https://me:s3cret@host/t.csv", "http://host/*.parquet"])
def test_pages_are_refused(url: str, refused: Any) -> None:
    with refused(errors.StoreError, "is not read", "curl -LO URL"):
        steepest.scan(url)
    with pytest.raises(errors.StoreError) as caught:
        steepest.scan(url)
    assert "s3cret" not in str(caught.value)


def test_files_of_this_machine_by_url(tmp_path: Path, refused: Any) -> None:
    (tmp_path / "a b.csv").write_text("x\n1\n")
    (tmp_path / "c%20d.csv").write_text("x\n1\n2\n")
    assert steepest.scan(f"file://{tmp_path}/a%20b.csv").n_read == 1
    assert steepest.scan(f"file://localhost{tmp_path}/a b.csv").n_read == 1
    assert steepest.scan(f"file://{tmp_path}/c%20d.csv").n_read == 2
    assert steepest.scan(f"file://{tmp_path}/*.csv").n_read == 3
    with refused(errors.StoreError, "names the machine 'other'"):
        steepest.scan("file://other/t.csv")


LARGE = """
import resource, steepest
steepest.scan("s3://tables/t.parquet")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = steepest.scan("s3://large/{name}", precision="double")
print(found.n_read, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_memory_is_bounded(name: str, store: Store) -> None:
    """One row group of 160 MB, or 200 MB of text."""
    generator = np.random.default_rng(1)
    rows = 1_000_000 if name == "t.parquet" else 500_000
    table = pa.table({f"x{i}": generator.normal(size=rows) for i in range(20)})
    if name == "t.parquet":
        sink = io.BytesIO()
        parquet.write_table(table, sink, row_group_size=rows, use_dictionary=False)
        content = sink.getvalue()
    else:
        content = as_csv(table)
    store.put("large", {name: content})
    done = subprocess.run(
        [sys.executable, "-c", LARGE.format(name=name)], capture_output=True, text=True, check=True
    )
    read, more = map(int, done.stdout.split())
    assert read == rows
    assert more < 250_000  # kB
    store.delete("large", name)
