"""Scans that stop anywhere and go on, and end as if they never had."""

from __future__ import annotations

import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from tests.sums.scanned import GROUP, run_scan

import steepest
from steepest.data import parquet as parquet_files
from steepest.errors import CheckpointError, OutputError, SourceError
from steepest.sums import checkpoints
from steepest.sums.archive import pack_moments, unpack_moments
from steepest.sums.tree import Branch, PairwiseSum

pytestmark = pytest.mark.usefixtures("short_parts")


@pytest.fixture(autouse=True)
def kept_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every part."""
    monkeypatch.setattr(checkpoints, "INTERVAL", 0.0)
    monkeypatch.setattr(checkpoints, "PATIENCE", 0)


class StopError(Exception):
    """What stops a scan in a test."""


def stop_after(parts: int) -> Any:
    """A callback that stops a scan of one worker when so many parts are read."""
    seen = []

    def on_progress(progress: Any) -> None:
        seen.append(progress.rows)
        if progress.rows >= GROUP * parts:
            raise StopError

    return on_progress


def scan(path: Path, **options: Any) -> steepest.Moments:
    with ThreadPoolExecutor(1) as one:
        return steepest.scan(path, executor=one, **options)


OPTIONS: dict[str, dict[str, Any]] = {
    "exact": {"precision": "exact"},
    "double": {"precision": "double"},
    "weighed": {"precision": "double", "columns": ["y", "flag", "city"], "weights": "z2"},
    "formula": {"formula": "y ~ n^2 + C(city):z + flag", "precision": "exact"},
    "condition": {"where": "z > 0 and city != 'Oslo'", "precision": "double"},
    "folds": {"folds": 3, "precision": "exact"},
    "folds in time": {"folds": "time:z:4", "columns": ["y", "city"], "precision": "double"},
    "splines": {"formula": "y ~ spline(z, 3)"},
}  # fmt: skip


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize(
    "done",
    [
        pytest.param(1, marks=pytest.mark.exhaustive),
        7,
        pytest.param(22, marks=pytest.mark.exhaustive),
    ],
)
def test_stopped_and_resumed(kind: str, done: int, table: Path, tmp_path: Path) -> None:
    options, place = OPTIONS[kind], tmp_path / "c.part"
    if kind == "weighed":
        weighed = parquet.read_table(table)
        weighed = weighed.append_column("z2", pa.array(np.square(weighed["z"].to_numpy())))
        table = tmp_path / "w.parquet"
        parquet.write_table(weighed, table, row_group_size=GROUP)
    whole = scan(table, **options)
    with pytest.raises(StopError):
        scan(table, checkpoint=place, on_progress=stop_after(done), **options)
    reports: list[Any] = []
    moments = scan(table, checkpoint=place, on_progress=reports.append, **options)
    assert pack_moments(moments) == pack_moments(whole)
    assert [r.rows for r in reports] == sorted(r.rows for r in reports)
    assert reports[-1].fraction == pytest.approx(1.0)
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*"))


def test_no_part_is_read_twice(table: Path, tmp_path: Path, monkeypatch: Any) -> None:
    read: list[int] = []
    batches = parquet_files.ParquetFile.batches

    def note(self: Any, *args: Any, **named: Any) -> Any:
        read.append(self.first_row)
        return batches(self, *args, **named)

    monkeypatch.setattr(parquet_files.ParquetFile, "batches", note)
    place = tmp_path / "c.part"
    with pytest.raises(StopError):
        scan(table, checkpoint=place, on_progress=stop_after(12))
    first = set(read)
    kept = checkpoints.Checkpoint(place)._read().branches
    done = sum(1 << branch.height for branch in kept)
    assert 0 < done <= 12
    read.clear()
    scan(table, checkpoint=place)
    assert sorted(read) == [1 + GROUP * i for i in range(done, 23)]
    assert {1 + GROUP * i for i in range(done)} <= first


def test_a_result_that_finds_no_place_is_not_lost(table: Path, tmp_path: Path) -> None:
    """A fit that is refused after its scan reads nothing again when it is mended."""
    place = tmp_path / "c.part"
    with pytest.raises(steepest.SteepestError, match="learning_rate"):
        steepest.fit(table, target="y", features=["z"], learning_rate=1e9, checkpoint=place)
    assert place.exists()
    reports: list[Any] = []
    model = steepest.fit(
        table, target="y", features=["z"], checkpoint=place, on_progress=reports.append
    )
    assert len(reports) == 1
    assert reports[0].fraction == 1.0
    assert not place.exists()
    assert model.coefficients == steepest.fit(table, target="y", features=["z"]).coefficients


# ------------------------------------------------------------------ only the same scan


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"columns": ["y", "z"]}, "the list of columns was"),
        ({"where": "z > 0"}, "the condition was not given, and is z > 0"),
        ({"weights": "n"}, "the weights was not given, and is n"),
        ({"precision": "double"}, "the precision was exact, and is double by"),
        ({"max_levels": 5}, "the most levels of a category was 1,000,000, and is 5"),
    ],
    ids=["columns", "condition", "weights", "precision", "levels"],
)
def test_another_scan(changes: Any, word: str, table: Path, tmp_path: Path, refused: Any) -> None:
    place = tmp_path / "c.part"
    with pytest.raises(StopError):
        scan(table, checkpoint=place, on_progress=stop_after(5))
    with refused(CheckpointError, "is the checkpoint of another scan", word):
        scan(table, checkpoint=place, **changes)
    assert place.exists()


def test_a_version(table: Path, tmp_path: Path, refused: Any, monkeypatch: Any) -> None:
    place = tmp_path / "c.part"
    with pytest.raises(StopError):
        scan(table, checkpoint=place, on_progress=stop_after(5))
    monkeypatch.setattr(checkpoints, "__version__", "99.0")
    with refused(CheckpointError, f"the version was {steepest.__version__}, and is 99.0"):
        scan(table, checkpoint=place)


@pytest.mark.parametrize("change", ["touched", "longer", "another", "more", "fewer", "turned"])
def test_other_files(change: str, table: Path, tmp_path: Path, refused: Any) -> None:
    place = tmp_path / "c.part"
    rows = parquet.read_table(table)
    paths = [tmp_path / f"{name}.parquet" for name in "ab"]
    for path in paths:
        parquet.write_table(rows, path, row_group_size=GROUP)
    with pytest.raises(StopError):
        scan(paths, checkpoint=place, on_progress=stop_after(5))
    if change == "touched":
        os.utime(paths[1], ns=(1, 1))
    elif change == "longer":
        parquet.write_table(pa.concat_tables([rows, rows]), paths[1], row_group_size=GROUP)
    elif change == "another":
        paths[1] = table
    elif change == "more":
        paths.append(table)
    elif change == "fewer":
        paths.pop()
    else:
        paths.reverse()
    word = {
        "another": f"'{table}' was not among the files",
        "more": f"'{table}' was not among the files",
        "fewer": f"'{tmp_path / 'b.parquet'}' was among the files",
        "turned": "the files were in another order",
    }.get(change, f"'{paths[-1]}' has changed")
    with refused(CheckpointError, word):
        scan(paths, checkpoint=place)


def test_what_cannot_be_recognised(tmp_path: Path, refused: Any) -> None:
    rows = {"x": np.arange(10.0), "y": np.arange(10.0)}
    sources = {"the table": rows, "the iterator": iter([rows])}
    for where, source in sources.items():
        with refused(CheckpointError, f"a scan of {where} cannot be taken up again"):
            steepest.scan(source, checkpoint=tmp_path / "c.part")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------ the file


def test_damage(table: Path, tmp_path: Path) -> None:
    place = tmp_path / "c.part"
    with pytest.raises(StopError):
        scan(table, checkpoint=place, on_progress=stop_after(3))
    data = place.read_bytes()
    damaged = [data[:length] for length in (1, 23, 30, len(data) // 2, len(data) - 1)]
    places = (0, 5, 24, 40, len(data) // 2, len(data) - 1)
    damaged += [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in places]
    for bad in damaged:
        place.write_bytes(bad)
        with pytest.raises((CheckpointError, OutputError), match=place.name):
            scan(table, checkpoint=place)
        assert place.read_bytes() == bad


def test_never_over_something_else(table: Path, tmp_path: Path, refused: Any) -> None:
    steepest.scan({"x": [1.0]}).save(tmp_path / "m.moments")
    for name, content in {"m.moments": None, "notes.txt": b"mine"}.items():
        if content:
            (tmp_path / name).write_bytes(content)
        before = (tmp_path / name).read_bytes()
        with refused(OutputError, "it holds something that is not the checkpoint of a scan"):
            scan(table, checkpoint=tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
    with refused(OutputError, "there is no folder"):
        scan(table, checkpoint=tmp_path / "no" / "c.part")


def test_an_error_in_one_file_keeps_the_others(table: Path, tmp_path: Path) -> None:
    bad = tmp_path / "z.parquet"
    data = bytearray(table.read_bytes())
    data[len(data) * 9 // 10] ^= 0xFF
    bad.write_bytes(data)
    with pytest.raises(SourceError):
        scan([table, bad], checkpoint=tmp_path / "c.part")
    kept = checkpoints.Checkpoint(tmp_path / "c.part")._read().branches
    assert sum(1 << branch.height for branch in kept) >= 23


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from([None, 0.0, -0.0, 0.1, 5e-324, 1e300, -7.5]),
                st.sampled_from([None, True, False]),
                st.sampled_from(["a", "ä", "", None]),
                st.sampled_from([None, 2**63 - 1, -3, 0]),
            ),
            max_size=5,
        ),
        min_size=1,
        max_size=9,
    ),
    st.sampled_from(["exact", "double"]),
    st.data(),
)
def test_a_tree_put_away_and_taken_out(parts: Any, precision: str, data: Any) -> None:
    """Whatever the parts hold, and wherever their sum is put into bytes."""
    columns = {"x": pa.float64(), "f": pa.bool_(), "s": pa.string(), "n": pa.int64()}
    rows = [row for part in parts for row in part]
    if precision == "double":
        rows = [(None if r[0] == 1e300 else r[0], *r[1:]) for r in rows]
        parts = [[(None if r[0] == 1e300 else r[0], *r[1:]) for r in part] for part in parts]
    if not rows:
        return
    from steepest.data.choice import Wanted, choose_columns
    from steepest.data.open import open_source
    from steepest.sums.booleans import as_numbers
    from steepest.sums.collector import collect

    def as_table(some: Any) -> pa.Table:
        cells = list(zip(*some, strict=True)) or [[]] * 4
        return pa.table(
            {n: pa.array(c, t) for (n, t), c in zip(columns.items(), cells, strict=True)}
        )

    source = open_source(as_table(rows))
    design = as_numbers(choose_columns(source.schema(), Wanted(named=dict.fromkeys(columns, "x"))))
    found = []
    for part in parts:
        pieces = [collect(design, precision, p) for p in open_source(as_table(part)).parts()]
        found.append(pieces[0] if pieces else steepest.Moments.zero())
    cut = data.draw(st.integers(0, len(found)))
    straight, resumed = PairwiseSum(design), PairwiseSum(design)
    for moments in found:
        straight.add(moments)
    for moments in found[:cut]:
        resumed.add(moments)
    packed = [(height, pack_moments(moments)) for height, moments in resumed.branches]
    resumed = PairwiseSum(design, [Branch(h, unpack_moments(body)) for h, body in packed])
    assert resumed.n_parts == cut
    for moments in found[cut:]:
        resumed.add(moments)
    assert pack_moments(resumed.total()) == pack_moments(straight.total())


# ------------------------------------------------------------------ killed


def kill_and_resume(table: Path, folder: Path, seed: int, precision: str, whole: bytes) -> int:
    """Kill the command at random moments until it ends; how often that was."""
    draw = random.Random(seed)
    output, place = folder / "m.moments", folder / "c.part"
    arguments = ["scan", str(table), "-o", str(output), "--checkpoint", str(place)]
    arguments += ["--precision", precision, "--quiet"]
    killed, reached = 0, 0
    while True:
        code = run_scan(0.04, arguments, draw.uniform(0.0, 0.5))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        killed += 1
        if output.exists():  # killed between the result and the end
            place.unlink(missing_ok=True)
            break
        if place.exists():
            kept = checkpoints.Checkpoint(place)._read().branches
            now = sum(1 << branch.height for branch in kept)
            assert now >= reached
            reached = now
    assert output.read_bytes() == whole
    assert not place.exists()
    assert [path.name for path in folder.iterdir()] == ["m.moments"]
    output.unlink()
    return killed


@pytest.fixture(scope="module")
def whole(table: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder, found = tmp_path_factory.mktemp("whole"), {}
    for precision in ("exact", "double"):
        output = folder / f"{precision}.moments"
        code = run_scan(0.0, ["scan", str(table), "-o", str(output), "--precision", precision])
        assert code == 0
        found[precision] = output.read_bytes()
    return found


def test_killed_and_resumed(table: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    tries = (kill_and_resume(table, tmp_path, seed, "double", whole["double"]) for seed in range(5))
    assert any(killed > 0 for killed in tries)  # one may end before it is killed


@pytest.mark.exhaustive
@pytest.mark.parametrize("precision", ["exact", "double"])
def test_killed_fifty_times(
    precision: str, table: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    """Twice 25 times, at random moments."""
    killed = seed = 0
    while killed < 25:
        seed += 1
        killed += kill_and_resume(table, tmp_path, seed, precision, whole[precision])


STUDIES: dict[str, Any] = {
    "study": partial(steepest.study, target="y", features=["z", "flag"], folds=3, l2=[0.0, 0.1]),
    "select": partial(steepest.select, target="y", features=["z", "n", "flag"]),
}


@pytest.mark.parametrize("name", STUDIES)
def test_what_compares_models_goes_on_too(name: str, table: Path, tmp_path: Path) -> None:
    """The parts that are added up are not read again, and the result is that of one run."""
    place, seen = tmp_path / "c.part", []

    def stop(progress: Any) -> None:
        if progress.rows >= 9 * GROUP:
            raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as one, pytest.raises(KeyboardInterrupt):
        STUDIES[name](table, executor=one, checkpoint=place, on_progress=stop)
    assert place.exists()
    resumed = STUDIES[name](table, checkpoint=place, on_progress=seen.append)
    assert seen[0].rows == 8 * GROUP
    assert str(resumed.table) == str(STUDIES[name](table).table)
    assert not place.exists()
