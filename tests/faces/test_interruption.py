"""^C and SIGTERM, whatever a command is in the middle of: a second, one line, and nothing left."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.clocks import steadily, wait_until
from tests.faces.conftest import Ran

import steepest
from steepest.drafts import drop_draft, drop_drafts, make_draft

COPIES = 80
ENDLESS = "with recursive c(x) as (select 1 union all select x + 1 from c limit 1000000000)"


def allow(seconds: float) -> float:
    """So many seconds, and more on a machine on which others are at work."""
    return seconds + 0.4 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def link(path: Path, folder: Path) -> str:
    """A pattern of many files that are one."""
    folder.mkdir()
    for i in range(COPIES):
        os.link(path, folder / f"{i:02}{''.join(path.suffixes)}")
    return f"{folder}/*"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """What a command is given, and the file that it then holds open."""
    folder = tmp_path_factory.mktemp("large")
    rng = np.random.default_rng(1)
    rows = 1_500_000
    table = pa.table({name: rng.standard_normal(rows) for name in "abcy"})
    parquet.write_table(table, folder / "t.parquet", row_group_size=rows, compression="zstd")
    lines = b"".join(b"%d,%d,%d,%d\n" % (i % 97, i % 89, i % 83, i) for i in range(200_000))
    (folder / "t.csv").write_bytes(b"a,b,c,y\n" + lines * 20)
    (folder / "t.csv.gz").write_bytes(gzip.compress(b"a,b,c,y\n") + gzip.compress(lines, 1) * 20)
    objects = b"".join(
        b'{"a": %d, "b": %d, "y": %d}\n' % (i % 97, i % 89, i) for i in range(99_999)
    )
    (folder / "t.jsonl").write_bytes(objects * 10)
    sqlite3.connect(folder / "t.db").execute("create table t (x)").connection.commit()
    duckdb.connect(str(folder / "t.duckdb")).execute("create table t (x integer)").close()
    cross = "from range(1000000) a, range(1000000) b"
    queries = {
        "sqlite, rows": ("sqlite", "t.db", f"{ENDLESS} select x as a, x as y from c"),
        "sqlite, one step": ("sqlite", "t.db", f"{ENDLESS} select sum(x) as a, 1 as y from c"),
        "duckdb, rows": ("duckdb", "t.duckdb", f"select a.range as a, b.range as y {cross}"),
        "duckdb, one step": (
            "duckdb", "t.duckdb", f"select sum(sqrt(a.range * b.range)) as a, 1 as y {cross}",
        ),
    }  # fmt: skip
    found = {
        kind: (f"{scheme}:///{folder / name}?query={quote(query)}", str(folder / name))
        for kind, (scheme, name, query) in queries.items()
    }
    for name in ("t.parquet", "t.csv", "t.csv.gz", "t.jsonl"):
        kind = name.removeprefix("t.")
        found[kind] = link(folder / name, folder / kind), f"{folder / kind}/"
    return found


KINDS = ["parquet", "csv", "csv.gz", "jsonl", "sqlite, rows", "sqlite, one step", "duckdb, rows",
         "duckdb, one step"]  # fmt: skip


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temporary")


@contextlib.contextmanager
def begun(
    place: tuple[str, str], temporary: Path, *more: str, **options: object
) -> Iterator[subprocess.Popen[str]]:
    """A command that reads."""
    command = [sys.executable, "-m", "steepest", "scan", place[0], "-o", "m.moments", *more]
    env = os.environ | {"TMPDIR": str(temporary)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    with subprocess.Popen(command, env=env, text=True, **streams) as started:  # type: ignore[call-overload]
        try:
            yield started
        finally:
            started.kill()


def wait_until_open(started: subprocess.Popen[str], path: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and started.poll() is None:
        for pid in [started.pid, *descendants(started.pid)]:
            with contextlib.suppress(OSError):
                for one in Path(f"/proc/{pid}/fd").iterdir():
                    if str(one.readlink()).startswith(path):
                        return
        time.sleep(0.02)
    pytest.fail(f"it never read: {started.communicate()}")


def descendants(parent: int) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(place.read_text().rpartition(")")[2].split()[1]) == parent:
                pid = int(place.parent.name)
                found += [pid, *descendants(pid)]
    return found


def stop(started: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str, str]:
    """Exit code, output and messages of a command that is stopped, in a second."""
    workers = descendants(started.pid)
    with steadily() as seconds:
        started.send_signal(number)
        out, err = started.communicate(timeout=60)
        assert seconds() < allow(1.0)
    assert wait_until(lambda: not any(map(is_alive, workers)))
    return started.returncode, out, err


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def slow(value: str) -> object:
    return pytest.param(value, marks=pytest.mark.exhaustive)


@pytest.mark.parametrize(
    "kind",
    [kind if kind in ("parquet", "duckdb, one step") else slow(kind) for kind in KINDS],
)
def test_in_the_middle_of(
    kind: str, places: dict[str, tuple[str, str]], temporary: Path, workplace: Path
) -> None:
    number = signal.SIGTERM if KINDS.index(kind) % 2 else signal.SIGINT
    with begun(places[kind], temporary) as started:
        wait_until_open(started, places[kind][1])
        time.sleep(0.5)
        code, out, err = stop(started, number)
    word = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[number]
    assert (code, out) == (128 + number, "")
    assert err == f"steepest: {word}; nothing was written.\n"
    assert [path.name for path in workplace.iterdir()] == ["examples"]
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("executor", ["processes:2", slow("threads:4"), slow("local:2")])
@pytest.mark.parametrize(
    "group", [pytest.param(False, marks=pytest.mark.exhaustive), True], ids=["alone", "together"]
)
def test_with_workers(
    executor: str,
    group: bool,
    places: dict[str, tuple[str, str]],
    temporary: Path,
    workplace: Path,
) -> None:
    """A terminal sends ^C to the workers as well."""
    more = ("--executor", executor, "--checkpoint", "c.part")
    with begun(places["parquet"], temporary, *more, start_new_session=True) as started:
        wait_until_open(started, places["parquet"][1])
        time.sleep(1.0)
        if group:
            workers = descendants(started.pid)
            os.killpg(started.pid, signal.SIGINT)
            out, err = started.communicate(timeout=60)
            code = started.returncode
            assert wait_until(lambda: not any(map(is_alive, workers)))
        else:
            code, out, err = stop(started, signal.SIGINT)
    assert (code, out) == (130, "")
    assert re.fullmatch(
        r"steepest: interrupted; (no part was finished, so that 'c.part' keeps nothing"
        r"|\d+ of 80 parts are kept in 'c.part', and the same command goes on from there)\.\n",
        err,
    )
    assert {path.name for path in workplace.iterdir()} <= {"examples", "c.part"}
    assert not list(temporary.iterdir())


@pytest.mark.exhaustive
@pytest.mark.parametrize("executor", ["processes:3", "local:3"])
def test_while_workers_begin(
    executor: str, places: dict[str, tuple[str, str]], temporary: Path, workplace: Path
) -> None:
    """None of them says that it was left alone; nor does any stay."""
    codes = set()
    for i in range(12):
        with begun(places["parquet"], temporary, "--executor", executor) as started:
            time.sleep(0.3 + 0.1 * i)
            code, _, err = stop(started, signal.SIGINT)
        codes.add(code)
        if code == 130:  # else it had not begun to listen
            assert err == "steepest: interrupted; nothing was written.\n"
    assert 130 in codes
    assert not list(temporary.iterdir())


def test_workers_that_threads_still_begin() -> None:
    """They find nobody to tell them what to do, and do not say so."""
    code = """
import multiprocessing, threading, time
from steepest.faces.interruption import leave

def begin():
    while True:
        multiprocessing.get_context("spawn").Process(target=int).start()

for _ in range(4):
    threading.Thread(target=begin, daemon=True).start()
time.sleep(0.5)
leave(130)
"""
    for _ in range(3):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (130, "")


def test_a_second_time(
    places: dict[str, tuple[str, str]], temporary: Path, workplace: Path
) -> None:
    """A query that hears nothing, and somebody who does not wait."""
    with begun(places["sqlite, one step"], temporary) as started:
        wait_until_open(started, places["sqlite, one step"][1])
        time.sleep(0.5)
        with steadily() as seconds:
            started.send_signal(signal.SIGINT)
            time.sleep(0.1)
            started.send_signal(signal.SIGINT)
            assert started.wait(60) == 130
            assert seconds() < allow(0.2)
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("torn_down", [0.0, 0.8])
def test_two_threads_say_one_line(torn_down: float) -> None:
    """The main thread comes to its line before its time has ended, or as the other leaves."""
    code = f"""
import os, signal, time
from steepest.faces import interruption
from steepest.faces.cli import steepest
from steepest.faces.endings import conclude

def work():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(9)
    finally:
        time.sleep({torn_down})

leave = interruption.leave
interruption.leave = lambda code: (time.sleep(0.6), leave(code))
with interruption.interruptible():
    conclude(work, steepest)
    time.sleep(9)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr == "steepest: interrupted; nothing was written.\n"


def test_packages_hear_no_signal_of_ours(tmp_path: Path) -> None:
    """Arrow would listen to ^C while the main thread parses text, and forget some."""
    (tmp_path / "t.csv").write_text("a,b\n" + '"1",2\n' * 200)
    heard: list[int] = []
    lost, over = [], threading.Event()

    def send() -> None:
        for i in range(100):
            heard.clear()
            time.sleep(0.0005 * (i % 7))
            os.kill(os.getpid(), signal.SIGINT)
            if not wait_until(lambda: bool(heard), 20.0):
                lost.append(i)
        over.set()

    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    sender = threading.Thread(target=send)
    sender.start()
    try:
        while not over.is_set():
            steepest.scan(tmp_path / "t.csv")
    finally:
        sender.join()
        signal.signal(signal.SIGINT, before)
    assert not lost


def test_go_on_after_it(
    places: dict[str, tuple[str, str]], temporary: Path, workplace: Path
) -> None:
    pattern = places["parquet"][0]
    some = sorted(Path(pattern).parent.glob("0*"))[:6]
    arguments = ["scan", *map(str, some), "-o", "m.moments", "--checkpoint", "c.part", "--quiet"]
    command = [sys.executable, "-m", "steepest", *arguments, "--executor", "threads:1"]
    for _ in range(9):  # it looks at each file first, and may be at its end before anybody looks
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as started:
            wait_until_open(started, str(some[2]))
            code, _, err = stop(started, signal.SIGTERM)
        if "parts are kept" in err:
            break
    assert code == 143
    assert "of 6 parts are kept in 'c.part', and the same command goes on from there." in err
    assert subprocess.run(command, check=True, capture_output=True).stderr == b""
    assert sorted(path.name for path in workplace.iterdir()) == ["examples", "m.moments"]
    assert steepest.load("m.moments") == steepest.scan([str(path) for path in some])


@pytest.mark.parametrize("command", ["score", "rates"])
def test_others_go_on_after_a_bad_row(
    command: str, cli: Callable[..., Ran], workplace: Path
) -> None:
    head, *lines = Path("examples/penguins.csv").read_text().splitlines(keepends=True)
    for i in range(4):
        Path(f"{i}.csv").write_text(head + "".join(lines[i * 86 : (i + 1) * 86]))
    whole, bad = Path("3.csv").read_text(), "Gentoo,Biscoe,50.4,15.2,-224,5700,male,2009\n"
    assert cli("fit", "[0-3].csv", "--target", "body_mass_g", "-o", "m.json").code == 0
    asked = {"score": ("m.json",), "rates": ("--target", "body_mass_g")}[command]
    asked = (*asked, "[0-3].csv", "--weights", "flipper_length_mm")
    known = cli(command, *asked).out
    more = ("--checkpoint", "c.part", "--executor", "threads:2")
    Path("3.csv").write_text(whole + bad)
    assert "-224 in row" in cli(command, *asked, *more).err
    assert Path("c.part").exists()
    Path("3.csv").write_text(whole)
    assert "'3.csv' has changed" in cli(command, *asked, *more).err
    Path("c.part").unlink()
    assert cli(command, *asked, *more).out == known
    assert not Path("c.part").exists()


@pytest.mark.exhaustive
def test_a_terminal_gets_its_cursor_back(
    places: dict[str, tuple[str, str]], temporary: Path, workplace: Path
) -> None:
    for kind in ("parquet", "sqlite, one step"):
        ours, theirs = pty.openpty()
        with begun(places[kind], temporary, stderr=theirs) as started:
            wait_until_open(started, places[kind][1])
            time.sleep(0.7)
            started.send_signal(signal.SIGINT)
            assert started.wait(60) == 130
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 65_536):
                shown += piece
        os.close(ours)
        assert shown.endswith(b"steepest: interrupted; nothing was written.\r\n")
        assert shown.rfind(b"\x1b[?25h") >= shown.rfind(b"\x1b[?25l")


def test_places_that_a_checkpoint_cannot_have(cli: Callable[..., Ran], workplace: Path) -> None:
    """Said before the scan, and nothing is written."""
    penguins = "examples/penguins.csv"
    words = {
        "m.moments": "it is to be the output, and the checkpoint",
        "./m.moments": "it is to be the output, and the checkpoint",
        penguins: "it is one of the files to be read",
        "examples": "it is a directory",
        "nowhere/c.part": "there is no folder 'nowhere'",
    }
    for place, word in words.items():
        ran = cli("scan", penguins, "-o", "m.moments", "--checkpoint", place)
        assert ran.code == 1
        assert ran.err.startswith(f"steepest: '{place}' cannot be written: {word}.")
    ran = cli("fit", penguins, "--target", "body_mass_g", "-o", "m.json", "--checkpoint", "m.json")
    assert "it is to be the output, and the checkpoint" in ran.err
    assert [path.name for path in workplace.iterdir()] == ["examples"]


# ------------------------------------------------------------------ temporary files


def test_what_the_killed_left_is_removed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from steepest.drafts import make_draft\n"
        "print(make_draft(Path(sys.argv[1]), '.m.', '.part'), flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout
        left = Path(started.stdout.readline().strip())
        drop_draft(make_draft(tmp_path, ".m.", ".part"))
        assert left.exists()  # somebody is at work on it
        started.kill()
        started.wait()
        other = tmp_path / ".m.notes.part"
        other.touch()
        drop_draft(make_draft(tmp_path, ".n.", ".part"))
        assert left.exists()
        own = make_draft(tmp_path, ".m.", ".part")
        place = make_draft(tmp_path, ".w.", ".part", is_folder=True)
        (place / "worker").touch()
    assert not left.exists()
    assert other.exists()
    drop_drafts()
    assert not own.exists()
    assert not place.exists()


@pytest.mark.parametrize("is_folder", [False, True])
def test_one_that_others_take_for_left(
    is_folder: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have looked at it and locked it, and remove it a moment later."""
    flock, taken = fcntl.flock, []

    def lock_after_others(handle: int, how: int) -> None:
        if not taken:
            taken.append(os.open(Path(f"/proc/self/fd/{handle}").readlink(), os.O_RDONLY))
            flock(taken[0], how)
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", lock_after_others)
    own = make_draft(tmp_path, ".m.", ".part", is_folder=is_folder)
    assert own != Path(f"/proc/self/fd/{taken[0]}").readlink()
    assert own.exists()
    os.close(taken[0])
    drop_draft(make_draft(tmp_path, ".m.", ".part"))
    assert list(tmp_path.glob(".m.*")) == [own]
    drop_draft(own)


def test_input_that_was_put_aside_goes_with_the_process(temporary: Path, workplace: Path) -> None:
    command = [sys.executable, "-m", "steepest", "scan", "-", "-o", "m.moments"]
    env = os.environ | {"TMPDIR": str(temporary)}
    for number in (signal.SIGKILL, signal.SIGINT):
        streams = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, env=env, **streams) as started:
            assert started.stdin
            started.stdin.write(b"x,y\n" + b"1,2\n" * 100_000)
            started.stdin.flush()
            assert wait_until(lambda: bool(list(temporary.iterdir())))
            time.sleep(0.2)
            started.send_signal(number)
            started.wait(60)
        assert len(list(temporary.iterdir())) == (number is signal.SIGKILL)
