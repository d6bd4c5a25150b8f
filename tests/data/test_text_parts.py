"""Text in parts: cut where records end, each read on its own, the same bits wherever it is cut."""

from __future__ import annotations

import gzip
import json
import lzma
import pickle
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import strategies as st
from tests.tiers import law, thinned

import steepest
from steepest import open_table
from steepest.data import blocks, boundaries, delimited, fragments, lines, objects, spool
from steepest.data.boundaries import Marks, Tally, plan_cuts
from steepest.data.onlooker import Preparation, looked_on
from steepest.data.open import open_source
from steepest.data.records import iterate
from steepest.data.strips import columns_of
from steepest.data.table import Reads
from steepest.typing import Progress

CITIES = ["Oslo", "Zürich", "東京", "a,b", 'say "x"', "two\nlines", "CR\rLF\r\n", "é"]


def write_rows(rows: list[tuple[float | None, str | None]], end: str) -> bytes:
    """Records after a header with a quoted name; a city without a name is NA."""
    lines = ['x,"the\ncity"']
    for number, city in rows:
        cell = "NA" if city is None else city
        if any(mark in cell for mark in '",\r\n'):
            cell = '"' + cell.replace('"', '""') + '"'
        lines.append(("" if number is None else repr(number)) + "," + cell)
    return "".join(line + end for line in lines).encode()


def by_arrow(rows: list[tuple[float | None, str | None]]) -> str:
    table = pa.table(
        {
            "x": pa.array([x for x, _ in rows], pa.float64()),
            "the\ncity": pa.array([c for _, c in rows], pa.string()),
        }
    )
    return steepest.scan(table).fingerprint


numbers = st.one_of(st.none(), st.floats(-1e9, 1e9), st.integers(-99, 99).map(float))
names = st.one_of(st.none(), st.sampled_from(CITIES))
tables = st.lists(st.tuples(numbers, names), min_size=1, max_size=12).filter(
    lambda rows: any(x is not None for x, _ in rows) and any(c for _, c in rows)
)


@law(
    rows=tables,
    part=st.integers(1, 64),
    block=st.integers(1, 64),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    mark=st.booleans(),
    last=st.booleans(),
    few=25,
    many=250,
)
def test_the_same_bits_wherever_it_is_cut(
    rows: list[Any], part: int, block: int, end: str, mark: bool, last: bool
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "t.csv"
        text = write_rows(rows, end)
        text = text if last else text[: -len(end)]
        path.write_bytes(b"\xef\xbb\xbf" * mark + text)
        patch.setattr(delimited, "PART_BYTES", part)
        patch.setattr(fragments, "BLOCK_BYTES", block)
        patch.setattr(delimited, "BLOCK_BYTES", block)
        moments = steepest.scan(path, columns=["x", "the\ncity"])
        parts = open_source(path).parts()
    assert moments.fingerprint == by_arrow(rows)
    assert len(parts) <= len(rows)
    if part == 1:
        assert len(parts) >= len(rows) - 1


SIZES = {*range(1, 8), 11, 16, 17, 29, 32, 33, 63, 64}


@pytest.mark.parametrize("step", thinned(range(1, 65), SIZES))
def test_every_size_of_chunk(step: int, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(i / 8 if i % 7 else None, CITIES[i % 7]) for i in range(40)]
    path = write("t.csv", write_rows(rows, "\r\n"))
    monkeypatch.setattr(delimited, "PART_BYTES", step)
    monkeypatch.setattr(fragments, "BLOCK_BYTES", step)
    monkeypatch.setattr(boundaries, "READ_BYTES", step)
    assert steepest.scan(path).fingerprint == by_arrow(rows)
    packed = write("t.csv.gz", gzip.compress(Path(path).read_bytes()))
    assert steepest.scan(packed).fingerprint == by_arrow(rows)


fields = st.one_of(
    st.text("ab1é", max_size=3),
    st.lists(st.sampled_from(["a", '""', "\n", "\r", "\r\n", ",", "é"]), max_size=4).map(
        lambda marks: '"' + "".join(marks) + '"'
    ),
)
records = st.lists(fields, min_size=1, max_size=3).map(",".join)


@law(
    found=st.lists(records, max_size=6),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    last=st.booleans(),
    step=st.integers(1, 8),
    read=st.integers(1, 8),
    compiled=st.booleans(),
    few=200,
    many=2_000,
)
def test_cuts_are_where_records_end(
    found: list[str], end: str, last: bool, step: int, read: int, compiled: bool
) -> None:
    """Held against the reader that goes record by record; by ``marks.c`` and by NumPy."""
    text = (end.join(found) + end * last).encode()
    expected = list(iterate(text, ",", '"'))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boundaries, "READ_BYTES", read)
        if not compiled:
            patch.setattr(boundaries, "_compiled", lambda: None)
        marks = Marks('"', empty=False)
        cuts = plan_cuts(lambda a, n: text[a : a + n], 0, len(text), step, marks)
    assert [cut.start for cut in cuts[1:]] == [cut.stop for cut in cuts[:-1]]
    for cut in cuts:
        assert cut.start in {0, *(record.stop for record in expected)}
        before = sum(bool(record.cells) for record in expected if record.stop <= cut.start)
        assert cut.first_row == 1 + before
    assert not text or (cuts[0].start, cuts[-1].stop) == (0, len(text))


@law(
    lines=st.lists(st.integers(0, 200), max_size=30),
    quotes=st.sets(st.integers(0, 2_000), max_size=6),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    carriages=st.booleans(),
    empty=st.booleans(),
    few=100,
    many=2_000,
)
def test_marks_are_counted_alike_by_both(
    lines: list[int], quotes: set[int], end: str, carriages: bool, empty: bool
) -> None:
    """In long lines, most of whose bytes are passed over many at a time."""
    text = bytearray("".join("x" * n + end for n in lines).encode())
    for place in quotes & set(range(len(text))):
        text[place] = ord('"')
    marks, found = Marks('"', carriages, empty), []
    for compiled in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not compiled:
                patch.setattr(boundaries, "_compiled", lambda: None)
            tally = Tally()
            tally.add(bytes(text), 0, len(text), 7, marks)
            found.append(
                [
                    tally.quotes,
                    *(f(i) for i in (0, 1) for f in (tally.ends, tally.first, tally.last)),
                ]
            )
    assert found[0] == found[1]


def test_a_part_is_a_range_that_can_be_sent_away(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "PART_BYTES", 1_000)
    path = write("t.csv", "x,c\n" + "".join(f"{i},level {i % 3}\n" for i in range(2_000)))
    parts = open_source(path).parts()
    assert len(parts) > 20
    assert parts[0].span.start == 4
    assert [p.span.start for p in parts[1:]] == [p.span.stop for p in parts[:-1]]
    row = 1
    for part in parts:
        again = pickle.loads(pickle.dumps(part))
        assert again == part
        assert (again.path, again.stamp, again.first_row) == (path, part.stamp, row)
        assert again.size == part.span.stop - part.span.start
        found = [batch for batch, _ in again.batches(Reads(("x",), ("c",)))]
        assert columns_of(found[0].numbers(["x"]))[0][0] == row - 1
        row += sum(batch.n_rows for batch in found)
    assert row == 2_001
    assert len({part.identity for part in parts}) == len(parts)


def spawn_processes(count: int) -> Executor:
    return ProcessPoolExecutor(count, get_context("spawn"))


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize("pool", [ThreadPoolExecutor, spawn_processes])
@pytest.mark.parametrize("precision", ["exact", "double"])
def test_workers_do_not_change_a_bit(
    ending: str,
    pool: Callable[[int], Executor],
    precision: str,
    write: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (delimited, lines):
        monkeypatch.setattr(module, "PART_BYTES", 5_000)
        monkeypatch.setattr(module, "BLOCK_BYTES", 2_000)
    rows = [(i * 0.37, "uvw"[i % 3]) for i in range(3_000)]
    text = "x,c\n" + "".join(f"{x!r},{c}\n" for x, c in rows)
    if ending == "jsonl":
        text = "".join(json.dumps({"x": x, "c": c}) + "\n" for x, c in rows)
    path = write(f"t.{ending}", text)
    alone = steepest.scan(path, precision=precision)
    with pool(2) as workers:
        moved = steepest.scan(path, precision=precision, executor=workers)
    assert moved.mean.tobytes() == alone.mean.tobytes()
    assert moved.scatter.tobytes() == alone.scatter.tobytes()
    assert moved.levels("c") == {"u": 1_000, "v": 1_000, "w": 1_000}
    if precision == "exact":
        table = pa.table({"x": [x for x, _ in rows], "c": [c for _, c in rows]})
        assert moved.fingerprint == steepest.scan(table).fingerprint


@pytest.mark.parametrize("step", [1, 7, 23, 64])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_lines_wherever_they_are_cut(
    end: str, mark: bytes, step: int, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CR is no line end here, and quotes are nothing special."""
    monkeypatch.setattr(lines, "PART_BYTES", step)
    monkeypatch.setattr(objects, "BLOCK_BYTES", step)
    rows = [{"x": i / 4, "c": ['q"', "é", "two\nlines"][i % 3]} for i in range(30)]
    text = end.join(json.dumps(row).replace(", ", ",\r") for row in rows)
    path = write("t.jsonl", mark + text.encode())
    table = pa.table({"x": [r["x"] for r in rows], "c": [r["c"] for r in rows]})
    assert steepest.scan(path).fingerprint == steepest.scan(table).fingerprint
    parts = open_source(path)
    parts.schema()
    firsts = [part.first_row for part in parts.parts()]
    assert firsts == sorted(firsts)


def test_rows_and_lines_in_a_later_part(
    write: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "PART_BYTES", 3_000)
    text = 'x,c\n"1","a\nb"\n\n' + "2,u\n" * 5_000
    path = write("t.csv", text + "inf,u\n" + "3,u\n" * 5_000)
    with refused(steepest.errors.ValueFoundError, "in row 5,002", "line 5,005", "'inf'"):
        steepest.scan(path)
    path = write("t.csv", text + ",u\n")
    nulls = steepest.scan(path).observed.first_nulls
    assert nulls["x"].startswith("row 5,002")
    path = write("t.csv", text + "3,u,\n")
    with refused(steepest.errors.SourceError, "line 5,005", "3 fields"):
        steepest.scan(path)
    path = write("t.csv", text + '3,"u"v\n')
    with refused(steepest.errors.SourceError, "line 5,005", "quote out of place"):
        steepest.scan(path)


def test_a_record_longer_than_a_part(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "PART_BYTES", 100)
    monkeypatch.setattr(fragments, "BLOCK_BYTES", 50)
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 50)
    long = '"' + "\n" * 5_000 + '"'
    path = write("t.csv", f"x,c\n1,{long}\n2,u\n" * 1 + f"3,{long}\n4,u\n")
    moments = steepest.scan(path)
    assert moments.mean == [2.5]
    assert sorted(moments.levels("c").values()) == [2, 2]


def test_packed_text_is_one_part_and_read_ahead(write: Any) -> None:
    text = "x,y\n" + "".join(f"{i},{i * i}\n" for i in range(300_000))
    path = write("t.csv.gz", gzip.compress(text.encode(), 1))
    assert len(open_source(path).parts()) == 1
    assert steepest.scan(path).fingerprint == steepest.scan(write("t.csv", text)).fingerprint


def test_a_bomb_is_a_stream(write: Any, refused: Any) -> None:
    """A hundred megabytes of zeros in a hundred kilobytes."""
    path = write("t.csv.gz", gzip.compress(b"x,y\n" + b"0,1\n" * 25_000_000, 1))
    with refused(steepest.errors.SourceError, "unpacks to more than 1,000,000 bytes", "max_bytes="):
        steepest.scan(open_table(path, max_bytes=1_000_000))
    before = pa.default_memory_pool().max_memory()
    assert steepest.scan(path, columns=["x"]).n_rows == 25_000_000
    assert pa.default_memory_pool().max_memory() - before < 50 << 20


def test_blocks_of_a_packed_file_hold_whole_records(write: Any) -> None:
    text = b"x,c\n" + b'1,"a\nb"\n' * 1_000
    path = write("t.csv.gz", gzip.compress(text))
    found = list(
        blocks.read_blocks(
            delimited.DelimitedFile(path),
            blocks.Span("gzip", 4),
            lambda piece: boundaries.cut_whole(piece, '"'),
            size=37,
        )
    )
    assert b"".join(block.text for block in found) == text[4:]
    assert all(block.text.count(b'"') % 2 == 0 for block in found)


def test_what_comes_before_reading_is_told(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it takes long, which is any time here."""
    at_once = partial(Preparation, patience=0.0)
    monkeypatch.setattr(boundaries, "Preparation", at_once)
    monkeypatch.setattr(spool, "Preparation", at_once)
    monkeypatch.setattr(delimited, "PART_BYTES", 1_000)
    text = "x,y\n" + "".join(f"{i},{2 * i}\n" for i in range(1_000))
    seen: list[Progress] = []
    steepest.scan(write("t.csv", text), on_progress=seen.append)
    ready = [one for one in seen if one.doing == "looking where records end"]
    assert ready == seen[: len(ready)]
    assert [one.fraction for one in ready] == sorted(one.fraction or 0.0 for one in ready)
    assert (ready[-1].fraction, seen[-1]) == (1.0, Progress(1_000, 1.0))
    seen.clear()
    with looked_on(seen.append):
        steepest.scan(write("t.csv.xz", lzma.compress(text.encode())))
    assert seen[0] == Progress(0, None, "taking in, 0 MB so far")


def test_nobody_is_told_of_a_moment(write: Any) -> None:
    seen: list[Progress] = []
    steepest.scan(write("t.csv", "x\n1\n2\n"), on_progress=seen.append)
    assert {one.doing for one in seen} == {"reading"}
