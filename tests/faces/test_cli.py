"""The command line as a person, a script and a terminal meet it."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.csv
import pytest
from pyarrow import parquet
from tests.faces.conftest import Ran
from tests.tiers import crossed, exhaustively

import steepest

FIT = ("fit", "examples/penguins.csv", "--target", "body_mass_g")
ONE = (*FIT, "--features", "flipper_length_mm")


def process(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "steepest", *map(str, arguments)]
    return subprocess.Popen(
        command, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    )


def finish(started: subprocess.Popen[bytes], seconds: float = 20.0) -> Ran:
    try:
        out, err = started.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        started.kill()
        started.communicate()
        pytest.fail(f"still running after {seconds:g} s")
    return Ran(started.returncode, (out or b"").decode(), (err or b"").decode())


@pytest.fixture
def model(cli: Callable[..., Ran], workplace: Path) -> Path:
    assert cli(*FIT, "-o", "model.json", "--quiet").code == 0
    return workplace / "model.json"


def folder(path: Path) -> set[str]:
    return {str(file.relative_to(path)) for file in path.rglob("*")}


# ------------------------------------------------------------------ transcripts

TRANSCRIPTS: dict[str, Sequence[str]] = {
    "help": ("--help",),
    "fit_help": ("fit", "--help"),
    "predict_help": ("predict", "--help"),
    "descend_help": ("descend", "--help"),
    "fit": FIT,
    "fit_one": (*ONE, "--epochs", "3", "--l2", "0.01", "--learning-rate", "0.1"),
    "descend": ("descend", *ONE[1:], "--learning-rate", "0.1", "--epochs", "50", "--every", "10"),
    "fit_momentum": (*ONE, "--rule", "nesterov", "--momentum", "best", "--epochs", "5"),
    "fit_adam": (
        *ONE,
        "--rule",
        "adam",
        "--learning-rate",
        "20",
        "--epochs",
        "200",
        "--schedule",
        "warm-up:10,cosine",
    ),
    "descend_divergence": (
        "descend",
        *ONE[1:],
        "--learning-rate",
        "1.5",
        "--epochs",
        "2000",
        "--every",
        "400",
        "--allow-divergence",
    ),
    "error_momentum": (*ONE, "--momentum", "0.9", "--learning-rate", "5"),
    "fit_validation": (*FIT, "--validation", "0.2", "--seed", "3", "--learning-rate", "0.1"),
    "fit_still_falling": (*ONE, "--validation", "0.2", "--epochs", "5", "--learning-rate", "0.05"),
    "fit_targets": (*FIT[:3], "body_mass_g,bill_length_mm", "--features", "flipper_length_mm"),
    "descend_validation": ("descend", *ONE[1:], "--validation", "0.3", "--epochs", "6"),
    "error_validation": (*FIT, "--validation", "yaer"),
    "score_help": ("score", "--help"),
    "rates_help": ("rates", "--help"),
    "rates": ("rates", *FIT[1:], "--epochs", "100"),
    "rates_momentum": ("rates", *FIT[1:], "--momentum", "0.9", "--learning-rate", "2"),
    "error_column": (*FIT[:3], "body_mas_g"),
    "error_feature": (*FIT, "--features", "flipper_length"),
    "error_text_target": (*FIT[:3], "species"),
    "error_rate": (*ONE, "--learning-rate", "1.5"),
    "error_file": ("fit", "examples/pengiuns.csv", "--target", "body_mass_g"),
    "error_option": (*FIT, "--l2", "-1"),
    "error_model": ("predict", "examples/penguins.csv", "examples/penguins.csv"),
    "error_output": (*FIT, "-o", "nowhere/model.json"),
    "usage_no_target": ("fit", "examples/penguins.csv"),
    "usage_no_command": ("frobnicate",),
}


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript(name: str, transcript: Callable[[str, Sequence[str]], None]) -> None:
    transcript(name, TRANSCRIPTS[name])


@pytest.mark.parametrize("command", ["", "fit", "predict", "descend"])
def test_help_shows_its_examples_a_line_each(command: str, cli: Callable[..., Ran]) -> None:
    ran = cli(*command.split(), "--help")
    assert ran.code == 0
    examples = [line.strip() for line in ran.out.splitlines() if line.startswith("    steepest ")]
    assert len(examples) >= 2
    assert "\\b" not in ran.out
    assert "\b" not in ran.out


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from steepest.faces.cli import run; run(sys.argv[1:]);"
        "print(sorted({'numpy', 'pyarrow', 'scipy', 'rich', 'torch', 'pandas'} & set(sys.modules)))"
    )
    for arguments in (["--help"], ["fit", "--help"], ["--version"], ["fit"]):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "[]"


def test_version(cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    for kernel in ("numpy", "c-portable"):
        monkeypatch.setenv("STEEPEST_KERNEL", kernel)
        name = "c, portable" if kernel == "c-portable" else kernel
        printed = f"steepest {steepest.__version__} (kernel: {name})\n"
        assert cli("--version") == (0, printed, "")


# ------------------------------------------------------------------ results


def test_fit_as_json_is_least_squares(
    cli: Callable[..., Ran], penguins: Path, least_squares: Any
) -> None:
    frame = pd.read_csv(penguins)
    expected = least_squares(frame, "body_mass_g", [c for c in frame if c != "body_mass_g"])
    ran = cli(*FIT, "--json", "--quiet")
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert ran.out.count("\n") == 1
    assert [set(item) for item in found["coefficients"]] == [{"name", "value", "se"}] * len(
        expected
    )
    assert [item["name"] for item in found["coefficients"]] == list(expected)
    assert found["coefficients"][0]["name"] == "intercept"
    values = {item["name"]: item["value"] for item in found["coefficients"]}
    assert values == pytest.approx(expected, rel=1e-9)
    complete = frame.dropna()
    assert (found["rows"]["read"], found["rows"]["used"]) == (len(frame), len(complete))
    assert found["rows"]["nulls"]["sex"] == int(frame["sex"].isna().sum())


def test_descend_as_json_is_the_plain_loop(cli: Callable[..., Ran], penguins: Path) -> None:
    """Every epoch against gradient descent written out, on centred and scaled columns."""
    frame = pd.read_csv(penguins)[["flipper_length_mm", "bill_depth_mm", "body_mass_g"]].dropna()
    x, y = frame.iloc[:, :2].to_numpy(), frame["body_mass_g"].to_numpy()
    mean, sd = x.mean(axis=0), x.std(axis=0)
    z, w, losses, coefs = (x - mean) / sd, np.zeros(2), [], []
    for _ in range(31):
        residual = z @ w + y.mean() - y
        losses.append(np.mean(residual**2))
        coefs.append(w / sd)
        w = w - 0.2 * 2 / len(y) * z.T @ residual
    ran = cli(
        "descend", *FIT[1:], "--features", "flipper_length_mm,bill_depth_mm",
        "--learning-rate", "0.2", "--epochs", "30", "--every", "7", "--json", "--quiet",
    )  # fmt: skip
    path = json.loads(ran.out)["path"]
    assert [step["epoch"] for step in path] == [0, 7, 14, 21, 28, 30]
    for step in path:
        t = step["epoch"]
        assert step["loss"] == pytest.approx(losses[t], rel=1e-9)
        values = {item["name"]: item["value"] for item in step["coefficients"]}
        assert list(values) == ["intercept", "flipper_length_mm", "bill_depth_mm"]
        assert list(values.values())[1:] == pytest.approx(coefs[t].tolist(), rel=1e-8)
        assert values["intercept"] == pytest.approx(y.mean() - mean @ coefs[t], rel=1e-8)


def test_results_and_notes_are_kept_apart(cli: Callable[..., Ran]) -> None:
    ran = cli("descend", *ONE[1:])
    assert ran.out.startswith("epoch ")
    assert "note" not in ran.out
    assert "note: 2 of 344 rows were dropped" in ran.err
    assert cli("descend", *ONE[1:], "--quiet") == (0, ran.out, "")


def test_a_reference_on_the_command_line(cli: Callable[..., Ran]) -> None:
    ran = cli(*FIT, "--reference", "species=Gentoo", "--reference", "sex=male", "--json", "--quiet")
    found = json.loads(ran.out)
    assert found["references"] == {"species": "Gentoo", "island": "Biscoe", "sex": "male"}
    names = [item["name"] for item in found["coefficients"]]
    assert {"species[Adelie]", "sex[female]"} <= set(names)
    assert cli(*FIT, "--reference", "species").code == 2
    ran = cli(*FIT, "--reference", "species=Emu")
    assert ran.code == 1
    assert "'Emu' is not known" in ran.err


def test_a_target_through_the_origin(cli: Callable[..., Ran], penguins: Path) -> None:
    frame = pd.read_csv(penguins)[["flipper_length_mm", "body_mass_g"]].dropna()
    x, y = frame["flipper_length_mm"], frame["body_mass_g"]
    found = json.loads(cli(*ONE, "--no-intercept", "--json", "--quiet").out)
    slope = float(x @ y / (x @ x))
    spread = float(np.sum((y - slope * x) ** 2) / (len(x) - 1))
    assert found["coefficients"] == [
        {
            "name": "flipper_length_mm",
            "value": pytest.approx(slope, rel=1e-13),
            "se": pytest.approx((spread / float(x @ x)) ** 0.5, rel=1e-13),
        }
    ]


@pytest.mark.parametrize("arguments", [("fit",), ("descend", "--epochs", "5")], ids=lambda a: a[0])
def test_constant_columns_alone_still_give_json(
    arguments: tuple[str, ...], cli: Callable[..., Ran]
) -> None:
    Path("k.csv").write_text("x,y\n1,1\n1,2\n1,3\n", encoding="utf-8")
    ran = cli(*arguments, "k.csv", "--target", "y", "--json", "--quiet")
    found = json.loads(ran.out)["coefficients"]
    assert [(item["name"], item["value"]) for item in found] == [("intercept", 2.0)]


# ------------------------------------------------------------------ predict


def _expected(model: Path, frame: pd.DataFrame) -> np.ndarray:
    """The model file's own numbers, multiplied out by pandas."""
    record = json.loads(model.read_text(encoding="utf-8").rpartition("\n")[0].rpartition("\n")[0])
    total = np.full(len(frame), record["intercept"])
    for item in record["coefficients"]:
        column = frame[item["number"] or item["category"]]
        if item["level"] is None:
            total += item["value"] * column.to_numpy()
        else:
            total += np.where(column.isna(), np.nan, item["value"] * (column == item["level"]))
    return total


@pytest.mark.parametrize("output", ["-", "p.csv", "p.parquet"])
def test_predict(output: str, model: Path, cli: Callable[..., Ran], penguins: Path) -> None:
    frame = pd.read_csv(penguins)
    expected = _expected(model, frame)
    ran = cli("predict", model, "examples/penguins.csv", "-o", output)
    assert ran.code == 0
    assert ran.err == "note: 11 of 344 predictions are null: a used column is null.\n"
    if output == "-":
        Path("p.csv").write_text(ran.out, encoding="utf-8")
    else:
        assert ran.out == ""
    if output.endswith("parquet"):
        column = parquet.read_table(output)["prediction"]
        assert column.null_count == 11
        found = column.to_numpy()
    else:
        found = pd.read_csv("p.csv")["prediction"].to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_predictions_as_csv_keep_their_rows_for_every_reader(
    model: Path, cli: Callable[..., Ran]
) -> None:
    """A null must not become an empty line, which readers skip."""
    cli("predict", model, "examples/penguins.csv", "-o", "p.csv")
    assert len(pd.read_csv("p.csv")) == 344
    assert pyarrow.csv.read_csv("p.csv").num_rows == 344
    assert steepest.scan("p.csv").n_read == 344


def test_predict_quietly_and_for_several_files(model: Path, cli: Callable[..., Ran]) -> None:
    lines = Path("examples/penguins.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    Path("a.csv").write_text("".join(lines[:101]), encoding="utf-8")
    Path("b.csv").write_text(lines[0] + "".join(lines[101:]), encoding="utf-8")
    whole = cli("predict", model, "examples/penguins.csv", "--quiet")
    assert whole.err == ""
    assert cli("predict", model, "a.csv", "b.csv", "--quiet") == whole
    assert cli("predict", model, "?.csv", "--quiet") == whole


def test_predictions_reach_their_file_while_a_terminal_shows_progress(
    model: Path, tmp_path: Path
) -> None:
    main, side = pty.openpty()
    with (tmp_path / "out.csv").open("wb") as out:
        command = [sys.executable, "-m", "steepest", "predict", str(model), "examples/penguins.csv"]
        done = subprocess.run(command, stdout=out, stderr=side, check=False, timeout=60)
    os.close(side)
    os.close(main)
    assert done.returncode == 0
    assert len((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()) == 345


@pytest.mark.parametrize("place", ["examples/penguins.csv", "notes.txt"])
def test_a_model_is_never_saved_over_something_else(place: str, cli: Callable[..., Ran]) -> None:
    Path("notes.txt").write_text("dear diary", encoding="utf-8")
    before = Path(place).read_bytes()
    ran = cli(*ONE, "-o", place)
    assert ran.code == 1
    assert "is not a model, and would be lost" in ran.err
    assert Path(place).read_bytes() == before
    with pytest.raises(OSError, match="would be lost"):
        steepest.fit({"x": [1.0, 2.0], "y": [1.0, 3.0]}, target="y").save(place)


def test_predictions_are_never_written_over_what_is_read(
    model: Path, cli: Callable[..., Ran]
) -> None:
    before = Path("examples/penguins.csv").read_bytes()
    ran = cli("predict", model, "examples/*.csv", "-o", "examples/penguins.csv")
    assert ran.code == 1
    assert Path("examples/penguins.csv").read_bytes() == before


def test_an_unseen_level_is_refused_with_its_row(model: Path, cli: Callable[..., Ran]) -> None:
    text = Path("examples/penguins.csv").read_text(encoding="utf-8").splitlines()
    text[151] = text[151].replace("Adelie", "Emperor")
    Path("new.csv").write_text("\n".join(text) + "\n", encoding="utf-8")
    before = folder(Path())
    ran = cli("predict", model, "new.csv", "-o", "p.csv")
    assert ran.code == 1
    assert "column 'species' of 'new.csv' holds 'Emperor' in row 151" in ran.err
    assert "'Adelie', 'Chinstrap' and 'Gentoo'" in ran.err
    assert folder(Path()) == before


# ------------------------------------------------------------------ refusals

REFUSALS: dict[str, tuple[int, Sequence[str], str]] = {
    "no such file": (1, ("fit", "no.csv", "--target", "y"), "no.csv"),
    "no match": (1, ("fit", "*.pq", "--target", "y"), "no file matches"),
    "name too long": (1, ("fit", "a" * 300 + ".csv", "--target", "y"), "aaa"),
    "an empty folder": (1, ("fit", "d.csv", "--target", "y"), "is a folder without files"),
    "unknown target": (1, (*FIT[:3], "mass"), "'mass' is not in"),
    "unknown feature": (1, (*FIT, "--features", "wings"), "'wings' is not in"),
    "feature twice": (1, (*FIT, "--features", "year,year"), "stands 2 times"),
    "target as feature": (1, (*FIT, "--features", "body_mass_g"), "also a feature"),
    "text target": (1, (*FIT[:3], "island"), "'island' is text"),
    "negative penalty": (1, (*FIT, "--l2", "-1"), "l2=-1"),
    "no epochs": (1, (*FIT, "--epochs", "0"), "epochs=0"),
    "no epochs to show": (1, ("descend", *FIT[1:], "--every", "0"), "every=0"),
    "rate nan": (1, (*FIT, "--learning-rate", "nan"), "learning_rate=nan"),
    "rate 0": (1, (*FIT, "--learning-rate", "0"), "learning_rate=0"),
    "unknown scale": (1, (*FIT, "--scale", "sd"), "scale='sd'"),
    "collinear": (1, ("fit", "twice.csv", "--target", "y", "--collinear", "refuse"), "v"),
    "rate above 2/L": (3, (*ONE, "--learning-rate", "1.01"), "2/L = 1"),
    "rate at 2/L": (3, (*ONE, "--learning-rate", "1"), "(L = 2|L = 2) is"),
    "rate to descend": (3, ("descend", *ONE[1:], "--learning-rate", "9"), "L = 2 is"),
    "a folder as output": (1, (*FIT, "-o", "examples"), "it is a directory"),
    "no folder for output": (1, (*FIT, "-o", "no/m.json"), "there is no folder 'no'"),
    "a file as folder": (1, (*FIT, "-o", "twice.csv/m.json"), "there is no folder"),
    "output too long": (1, (*FIT, "-o", "a" * 300), "aaa"),
    "a device as output": (1, (*FIT, "-o", "/dev/full"), "not a regular file"),
    "no model": (1, ("predict", "no.json", "examples/penguins.csv"), "no.json"),
    "not a model": (1, ("predict", "twice.csv", "examples/penguins.csv"), "checksum"),
    "a model cut off": (1, ("predict", "cut.json", "examples/penguins.csv"), "checksum"),
    "a model altered": (1, ("predict", "altered.json", "examples/penguins.csv"), "checksum"),
    "columns missing": (1, ("predict", "model.json", "twice.csv"), "is not in 'twice.csv'"),
    "predict to .txt": (1, ("predict", "model.json", "twice.csv", "-o", "p.txt"), "p.txt"),
    "predict to a folder": (1, ("predict", "model.json", "twice.csv", "-o", "d.csv"), "directory"),
    "no target": (2, FIT[:2], "--target"),
    "no file": (2, ("fit", "--target", "y"), "FILE"),
    "no command": (2, ("frobnicate",), "frobnicate"),
    "no option": (2, (*FIT, "--lr", "1"), "--lr"),
    "no number": (2, (*FIT, "--epochs", "many"), "many"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case: str, model: Path, refuse: Callable[..., None]) -> None:
    code, arguments, words = REFUSALS[case]
    text = model.read_text(encoding="utf-8")
    Path("cut.json").write_text(text[: len(text) // 2], encoding="utf-8")
    Path("altered.json").write_text(text.replace("1", "2", 1), encoding="utf-8")
    Path("twice.csv").write_text("u,v,y\n1,2,1\n2,4,5\n3,6,2\n4,8,3\n", encoding="utf-8")
    Path("d.csv").mkdir()
    refuse(code, arguments, words)


@pytest.mark.parametrize("output", ["no/m.json", "examples"])
def test_an_output_that_cannot_be_is_found_before_the_rows_are_read(
    output: str, cli: Callable[..., Ran]
) -> None:
    """The source is missing too, and is not even looked for."""
    assert (
        f"'{output}' cannot be written" in cli("fit", "no.csv", "--target", "y", "-o", output).err
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_write_protected_folder(cli: Callable[..., Ran]) -> None:
    Path("locked").mkdir(mode=0o500)
    ran = cli("fit", "no.csv", "--target", "y", "-o", "locked/m.json")
    assert (ran.code, "no permission to write in 'locked'" in ran.err) == (1, True)


def test_a_failed_fit_leaves_the_old_model(model: Path, cli: Callable[..., Ran]) -> None:
    old = model.read_bytes()
    assert cli(*FIT[:3], "wings", "-o", model).code == 1
    assert model.read_bytes() == old


# ------------------------------------------------------------------ pipes and signals


@pytest.mark.parametrize("arguments", [FIT, ("predict", "model.json", "long.csv"), ("--help",)])
def test_a_closed_pipe_is_silent(arguments: Sequence[str], model: Path) -> None:
    lines = Path("examples/penguins.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    Path("long.csv").write_text(lines[0] + "".join(lines[1:]) * 20, encoding="utf-8")
    reading, writing = os.pipe()
    os.close(reading)
    started = process(*arguments, "--quiet", stdout=writing) if len(arguments) > 1 else process(
        *arguments, stdout=writing
    )  # fmt: skip
    os.close(writing)
    ran = finish(started)
    assert (ran.code, ran.err) == (0, "")


def test_head(model: Path) -> None:
    lines = Path("examples/penguins.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    Path("long.csv").write_text(lines[0] + "".join(lines[1:]) * 60, encoding="utf-8")
    command = f"{sys.executable} -m steepest predict model.json long.csv --quiet | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("prediction\n", "")


@pytest.mark.parametrize("arguments", [FIT, ("predict", "model.json", "examples/penguins.csv")])
def test_a_full_disk_is_not_our_bug(arguments: Sequence[str], model: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = finish(process(*arguments, "--quiet", stdout=full))
    assert ran.code == 1
    assert "No space left on device" in ran.err
    assert "\n\nHint: " in ran.err
    assert "bug" not in ran.err


@pytest.fixture(scope="module")
def long_scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text of several gigabytes in a file of a few megabytes: a minute's work at least."""
    rows = b"".join(b"%d,%d,%d\n" % (i % 97, i % 89, i % 83) for i in range(1_000_000))
    path = tmp_path_factory.mktemp("long") / "long.csv.gz"
    member = gzip.compress(rows, 1)
    with path.open("wb") as file:
        file.write(gzip.compress(b"a,b,y\n"))
        for _ in range(300):
            file.write(member)
    return path


def wait_until_reading(started: subprocess.Popen[bytes], path: Path) -> None:
    """Until the process holds the file open, as /proc tells."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and started.poll() is None:
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{started.pid}/fd").iterdir():
                if link.readlink() == path:
                    return
        time.sleep(0.02)
    pytest.fail(f"it never read: {finish(started)}")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@crossed(
    command=["fit", "predict"],
    number={"SIGINT": signal.SIGINT, "SIGTERM": signal.SIGTERM},
    pause={"at once": 0.0, "later": 0.7},
)
def test_signals(
    command: str, number: signal.Signals, pause: float, long_scan: Path, workplace: Path
) -> None:
    steepest.fit({"a": [1, 2, 4], "b": [1, 5, 3], "y": [1, 2, 2]}, target="y").save("m.json")
    arguments = ("fit", long_scan, "--target", "y") if command == "fit" else (
        "predict", "m.json", long_scan)  # fmt: skip
    before = folder(workplace)
    started = process(*arguments, "-o", "out.csv")
    wait_until_reading(started, long_scan)
    time.sleep(pause)
    started.send_signal(number)
    ran = finish(started, 30)
    assert ran.code == 128 + number
    word = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[number]
    assert ran.err == f"steepest: {word}; nothing was written.\n"
    assert ran.out == ""
    assert folder(workplace) == before


# ------------------------------------------------------------------ a terminal


def watch(arguments: Sequence[object], wanted: str, seconds: float = 30.0) -> str:
    """What a command shows on a terminal's stderr, until it shows what is wanted."""
    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120"}
    started = process(*arguments, stderr=theirs, env=env)
    os.close(theirs)
    shown, deadline = b"", time.monotonic() + seconds
    try:
        while time.monotonic() < deadline and not re.search(wanted.encode(), shown):
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    shown += os.read(ours, 65_536)
                except OSError:  # the terminal's other end is closed
                    break
    finally:
        started.kill()
        started.communicate()
        os.close(ours)
    return shown.decode(errors="replace")


@pytest.mark.parametrize("command", ["fit", *exhaustively("predict")])
def test_progress_on_a_terminal(command: str, long_scan: Path) -> None:
    steepest.fit({"a": [1, 2, 4], "b": [1, 5, 3], "y": [1, 2, 2]}, target="y").save("m.json")
    arguments = ("fit", long_scan, "--target", "y") if command == "fit" else (
        "predict", "m.json", long_scan, "-o", "p.csv")  # fmt: skip
    line = r"[\d,]+ rows, [\d,]+ rows/s, (\d+ s|\d+:\d\d min) left"
    assert re.search(line, watch(arguments, line))


def test_quiet_shows_nothing_on_a_terminal(long_scan: Path) -> None:
    assert watch(("fit", long_scan, "--target", "y", "--quiet"), "never", 2.0) == ""


def test_no_progress_where_nobody_looks(cli: Callable[..., Ran]) -> None:
    said = cli(*ONE).err
    assert said.startswith("note: 2 of 344 rows were dropped")
    assert said.count("\n") == 1
    assert cli(*ONE, "--quiet").err == ""


def test_levels_do_nothing_to_a_terminal(cli: Callable[..., Ran], workplace: Path) -> None:
    rows = "".join(f"{i},{i * i},{'ab'[i % 2]}\x1b[31m\n" for i in range(8))
    Path("t.csv").write_text("x,y,c\x07\n" + rows)
    for words in (("fit", "t.csv", "--target", "y"), ("scan", "t.csv", "-o", "t.moments"),
                  ("show", "t.moments"), ("study", "t.csv", "--target", "y", "--folds", "2"),
                  ("select", "t.csv", "--target", "y")):  # fmt: skip
        ran = cli(*words)
        assert ran.code == 0, ran.err
        assert all(c.isprintable() or c == "\n" for c in ran.out + ran.err), (words, ran)


@pytest.mark.parametrize("command", ["fit", "predict", "scan"])
def test_streams_that_are_closed(command: str, model: Path) -> None:
    """Nothing is lost in silence, and messages that nobody can hear do no harm."""
    words = {"fit": "fit {} --target body_mass_g", "predict": "predict model.json {}",
             "scan": "scan {} -o p.moments"}[command]  # fmt: skip
    line = f"{sys.executable} -m steepest {words.format('examples/penguins.csv')}"
    shell = partial(subprocess.run, shell=True, capture_output=True, text=True, check=False)
    done = shell(f"{line} >&-")
    assert done.returncode == 1
    assert "'standard output' cannot be written: it is closed." in done.stderr
    assert shell(f"{line} >&- 2>&- <&-").returncode == 1
    done, heard = shell(f"{line} 2>&-"), shell(line)
    assert (done.returncode, done.stdout, done.stderr) == (0, heard.stdout, "")
    done = shell(f"{line.replace('examples/penguins.csv', '-')} <&-")
    assert "'standard input' is empty" in done.stderr
