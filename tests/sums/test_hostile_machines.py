"""Machines that are short of memory, whose disks fail, and settings of Python's: robustness."""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import ipc, parquet
from tests.conftest import ROOT
from tests.tiers import exhaustively

import steepest

ENV = os.environ | {"PYTHONPATH": str(Path(steepest.__file__).parents[1])}
ENV.pop("STEEPEST_DEBUG", None)
FORMATS = [
    "csv",
    *(pytest.param(k, marks=pytest.mark.exhaustive) for k in ("parquet", "arrow", "jsonl")),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One table in each format."""
    place = tmp_path_factory.mktemp("machine")
    rng = np.random.default_rng(5)
    rows = 20_000
    table = pa.table({name: rng.standard_normal(rows) for name in ("x", "y")})
    table = table.append_column("city", pa.array(rng.choice(["Oslo", "東京"], rows)))
    parquet.write_table(table, place / "t.parquet", row_group_size=5_000)
    with ipc.new_file(str(place / "t.arrow"), table.schema) as writer:
        writer.write_table(table, max_chunksize=5_000)
    frame = table.to_pandas()
    frame.to_csv(place / "t.csv", index=False)
    frame.to_json(place / "t.jsonl", orient="records", lines=True, double_precision=15)
    return place


def run(
    *arguments: object, python: tuple[str, ...] = (), under: tuple[str, ...] = (), **options: Any
) -> Any:
    command = [*under, sys.executable, *python, "-m", "steepest", *map(str, arguments)]
    options = {"env": ENV} | options
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, **options
    )


# ------------------------------------------------------------------ disks that fail


@pytest.fixture(scope="module")
def flaky(tmp_path_factory: pytest.TempPathFactory) -> str:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    built = tmp_path_factory.mktemp("flaky") / "flaky.so"
    source = ROOT / "tests" / "sums" / "flaky.c"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", str(built), str(source), "-ldl"], check=True
    )
    return str(built)


@pytest.mark.parametrize("kind", FORMATS)
def test_short_reads_are_no_short_table(kind: str, folder: Path, flaky: str) -> None:
    env = ENV | {"LD_PRELOAD": flaky, "FLAKY_PATH": str(folder), "FLAKY_MOST": "997"}
    output = folder / f"{kind}.moments"
    ran = run("scan", folder / f"t.{kind}", "-o", output, "--quiet", env=env)
    assert ran.returncode == 0, ran.stderr
    assert steepest.load(output) == steepest.scan(folder / f"t.{kind}")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("number", "word"), [(116, "Stale file handle"), (5, "Input/output error")]
)
def test_reads_that_fail(kind: str, number: int, word: str, folder: Path, flaky: str) -> None:
    env = ENV | {"LD_PRELOAD": flaky, "FLAKY_PATH": str(folder), "FLAKY_ERRNO": str(number)}
    size = (folder / f"t.{kind}").stat().st_size
    for after in (0, size // 2):
        path, output = folder / f"t.{kind}", folder / "none.moments"
        ran = run("scan", path, "-o", output, env=env | {"FLAKY_AFTER": str(after)})
        assert ran.returncode == 1
        assert ran.stdout == ""
        assert ran.stderr.startswith(f"steepest: reading '{path}' broke off: {word}.\n")
        assert not output.exists()


def test_a_full_disk_keeps_the_old_file(folder: Path, tmp_path: Path) -> None:
    """A limit on the size of files fails as a full disk does, in the middle of a write."""
    for name, arguments in {
        "m.moments": ("scan", folder / "t.parquet", "-o"),
        "m.json": ("fit", folder / "t.parquet", "--target", "y", "-o"),
    }.items():
        output = tmp_path / name
        assert run(*arguments, output).returncode == 0
        before = output.read_bytes()
        ran = run(
            *arguments, output, "--quiet",
            under=("prlimit", "--fsize=300"),
        )  # fmt: skip
        assert ran.returncode == 1
        assert ran.stderr.startswith(f"steepest: '{output}' cannot be written: File too large.")
        assert output.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.json", "m.moments"]


def test_a_result_outlives_a_full_disk_in_its_checkpoint(folder: Path, tmp_path: Path) -> None:
    output, place = tmp_path / "no" / "m.moments", tmp_path / "c.part"
    arguments = ("scan", folder / "t.parquet", "-o", output, "--checkpoint", place, "--quiet")
    output.parent.mkdir()
    code = (
        "import sys\nfrom steepest import store\nfrom steepest.faces.cli import run\n"
        "check = store.check_moments_place\n"
        "import os, steepest.sums.moments as m\n"
        "save = m.Moments.save\n"
        "def gone(self, path):\n    os.rmdir(os.path.dirname(path)); save(self, path)\n"
        "m.Moments.save = gone\nsys.exit(run(sys.argv[1:]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], env=ENV, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "there is no folder" in ran.stderr
    assert place.exists()
    output.parent.mkdir()
    assert run(*arguments).returncode == 0
    assert not place.exists()
    assert steepest.load(output) == steepest.scan(folder / "t.parquet")


@pytest.mark.parametrize("kind", ["-", "t.csv.xz", "t.utf16.csv"])
def test_a_full_disk_where_input_is_put_aside(kind: str, folder: Path, tmp_path: Path) -> None:
    """It is not the output that cannot be written."""
    text = (folder / "t.csv").read_bytes()
    content = {"t.csv.xz": lzma.compress, "t.utf16.csv": lambda t: t.decode().encode("utf-16")}
    if kind in content:
        (tmp_path / kind).write_bytes(content[kind](text))
    given = ("--encoding", "utf-16") if "utf16" in kind else ()
    aside = tmp_path / "aside"
    aside.mkdir()
    with (folder / "t.csv").open("rb") as stdin:
        ran = run(
            "scan", kind if kind == "-" else tmp_path / kind, *given, "-o", tmp_path / "m.moments",
            under=("prlimit", "--fsize=300"), stdin=stdin, env=ENV | {"TMPDIR": str(aside)},
        )  # fmt: skip
    assert ran.returncode == 1
    told = f"steepest: a temporary file in '{aside}' cannot be written: File too large.\n"
    assert ran.stderr.startswith(told)
    assert not list(aside.iterdir())


def test_workers_that_cannot_be_started(folder: Path, tmp_path: Path) -> None:
    arguments = ("scan", folder / "t.csv", "-o", tmp_path / "m", "--executor", "processes:2")
    ran = run(*arguments, under=("prlimit", "--nofile=12"))
    assert ran.returncode == 1
    assert ran.stderr.startswith("steepest: 2 workers cannot be started: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["-o", *exhaustively("--checkpoint")])
def test_names_that_are_too_long(option: str, folder: Path, tmp_path: Path) -> None:
    place = str(tmp_path / ("n" * 300))
    ran = run("scan", folder / "t.csv", "-o", tmp_path / "m.moments", option, place)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"steepest: '{place}' cannot be written: File name too long.")


def test_writers_at_the_same_time(tmp_path: Path) -> None:
    """Whoever reads meets one of the two, whole."""
    path = tmp_path / "m.moments"
    both = [steepest.scan({"x": np.arange(n)}) for n in (5.0, 7.0)]
    both[0].save(path)
    done = threading.Event()

    def write(moments: steepest.Moments) -> None:
        while not done.is_set():
            moments.save(path)

    writers = [threading.Thread(target=write, args=(moments,)) for moments in both]
    for writer in writers:
        writer.start()
    try:
        for _ in range(100):
            assert steepest.load(path) in both
    finally:
        done.set()
        for writer in writers:
            writer.join()
    assert [place.name for place in tmp_path.iterdir()] == ["m.moments"]


# ------------------------------------------------------------------ memory


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_little_memory_is_one_message(kind: str, folder: Path, tmp_path: Path) -> None:
    """However little there is: a result, or one message, and no output."""
    expected = steepest.scan(folder / f"t.{kind}")
    codes = set()
    for megabytes in (280, 320, 380, 440, 4_000):
        output = tmp_path / f"{megabytes}.moments"
        ran = run(
            "scan", folder / f"t.{kind}", "-o", output, "--quiet", "--executor", "threads:2",
            env=ENV | {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"},
            under=("prlimit", f"--as={megabytes << 20}"),
        )  # fmt: skip
        if ran.returncode == 0:
            assert steepest.load(output) == expected
        else:
            assert not output.exists()
        if ran.returncode == 1:
            assert ran.stderr.startswith("steepest: ")
            assert ran.stderr.count("Hint: ") == 1
        codes.add(ran.returncode)
    assert {0, 1} <= codes
    assert 70 not in codes


# ------------------------------------------------------------------ Python's own settings

SETTINGS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "optimised": (("-OO",), {}),
    "warnings are errors": (("-W", "error"), {}),
    "hash seed 1": ((), {"PYTHONHASHSEED": "1"}),
    "hash seed 2": ((), {"PYTHONHASHSEED": "2"}),
    "another time zone": ((), {"TZ": "Pacific/Kiritimati"}),
    "no locale": ((), {"LC_ALL": "C", "PYTHONUTF8": "0"}),
    "developer's mode": (("-X", "dev"), {}),
    "one core": ((), {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}),
}


def say(folder: Path, python: tuple[str, ...], env: dict[str, str]) -> str:
    """All bytes of a fit and of moments in either precision."""
    told = hashlib.sha256()
    for more in ((), ("--precision", "double")):
        output = folder / "setting.moments"
        arguments = ("scan", folder / "t.parquet", "-o", output, *more, "--quiet")
        ran = run(*arguments, python=python, env=ENV | env)
        assert ran.returncode == 0, ran.stderr
        assert ran.stderr == ""
        told.update(output.read_bytes())
    formula = "y ~ x + x^2 + exp(x) + C(city):x"
    ran = run("fit", folder / "t.csv", "--formula", formula, "--json", python=python, env=ENV | env)
    assert ran.returncode == 0, ran.stderr
    told.update(ran.stdout.encode("utf-8", "surrogateescape"))
    return told.hexdigest()


@pytest.fixture(scope="module")
def usual(folder: Path) -> str:
    return say(folder, (), {})


@pytest.mark.parametrize(
    "name",
    [
        name if name == "optimised" else pytest.param(name, marks=pytest.mark.exhaustive)
        for name in SETTINGS
    ],
)
def test_settings_of_python_change_no_byte(name: str, folder: Path, usual: str) -> None:
    python, env = SETTINGS[name]
    assert say(folder, python, env) == usual


def test_forks_beside_threads(folder: Path) -> None:
    """A process that has scanned, and forks, can scan on in its child."""
    code = (
        "import os, sys, steepest\n"
        "path = sys.argv[1]\n"
        "before = steepest.scan(path)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if steepest.scan(path) == before else 3)\n"
        "_, status = os.waitpid(child, 0)\n"
        "sys.exit(os.waitstatus_to_exitcode(status))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(folder / "t.csv")], env=ENV, check=False, timeout=60
    )
    assert ran.returncode == 0
