"""``steepest race`` as a person, a script and a terminal meet it; times are masked."""

from __future__ import annotations

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
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.faces.conftest import GOLDEN, Ran

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("jax", reason="JAX is not installed")

RACE = ("race", "examples/penguins.csv", "--target", "body_mass_g")
ONE = (*RACE, "--features", "flipper_length_mm")
LANES = [
    "NumPy, gradient by hand",
    "PyTorch, autograd",
    "JAX, compiled",
    "moments, closed form",
]
TRANSCRIPTS: dict[str, Sequence[str]] = {
    "race": RACE,
    "race_l2": (*ONE, "--l2", "0.1", "--scale", "none", "--epochs", "20", "--rows", "100"),
    "race_help": ("race", "--help"),
    "race_error_rate": (*ONE, "--learning-rate", "1.5"),
    "race_error_moments": ("race", "p.moments", "--target", "body_mass_g"),
    "race_error_rows": (*ONE, "--rows", "0"),
    "race_error_target": (*RACE[:3], "species"),
    "race_usage": RACE[:2],
}


def mask(text: str) -> str:
    """Without what differs from run to run: times, their ratios, rounding, widths of columns."""
    text = re.sub(r"\b\d[\d.,]*(e[+-]\d+)? (s|ms|µs|ns)\b", "TIME", text)
    text = re.sub(r"\b\d[\d.,]*(e[+-]?\d+)? ×", "RATIO ×", text)
    text = re.sub(r"\b\d\.\de[+-]\d\d\b", "GAP", text)
    return re.sub(r"(?<=\S) {2,}", "  ", text)


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript(name: str, cli: Callable[..., Ran]) -> None:
    assert cli("scan", "examples/penguins.csv", "-o", "p.moments", "--quiet").code == 0
    arguments = TRANSCRIPTS[name]
    ran = cli(*arguments)
    text = (
        f"$ steepest {' '.join(arguments)}\n{ran.out}"
        + (f"--- stderr\n{ran.err}" if ran.err else "")
        + f"--- exit {ran.code}\n"
    )
    text = text if "help" in name else mask(text)
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_race_as_json_is_the_plain_loop(cli: Callable[..., Ran], penguins: Path) -> None:
    frame = pd.read_csv(penguins)[["flipper_length_mm", "body_mass_g"]].dropna().head(100)
    x, y = frame["flipper_length_mm"].to_numpy(), frame["body_mass_g"].to_numpy()
    z, u = (x - x.mean()) / x.std(), 0.0
    for _ in range(30):
        u -= 0.2 * 2 * np.mean(z * (z * u + y.mean() - y))
    ran = cli(*ONE, "--learning-rate", "0.2", "--epochs", "30", "--rows", "101", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("\n") == 1
    found = json.loads(ran.out)
    assert (found["rows"], found["epochs"], found["agree"]) == (100, 30, True)
    assert [lane["name"] for lane in found["lanes"]] == LANES
    for lane in found["lanes"]:
        values = {item["name"]: item["value"] for item in lane["coefficients"]}
        assert values["flipper_length_mm"] == pytest.approx(u / x.std(), rel=1e-10)
        assert lane["objective"] == pytest.approx(np.mean((z * u + y.mean() - y) ** 2), rel=1e-10)
        assert lane["seconds_per_epoch"] > 0
        assert 0 <= lane["difference"] <= lane["bound"]


def test_quiet(cli: Callable[..., Ran]) -> None:
    ran = cli(*ONE, "--epochs", "3", "--quiet")
    assert (ran.code, ran.err) == (0, "")
    assert "four ways, one answer" in ran.out


# ------------------------------------------------------------------ a terminal


def start(arguments: Sequence[str], stderr: int) -> subprocess.Popen[bytes]:
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "140", "LINES": "30"}
    return subprocess.Popen(
        [sys.executable, "-m", "steepest", *arguments],
        stdout=subprocess.PIPE, stderr=stderr, env=env,
    )  # fmt: skip


def read_until(ours: int, wanted: str, seconds: float = 60.0) -> str:
    """What a terminal shows, until it shows what is wanted or closes."""
    shown, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline and not re.search(wanted, shown.decode(errors="replace")):
        if select.select([ours], [], [], 0.1)[0]:
            try:
                shown += os.read(ours, 65_536)
            except OSError:  # the other end is closed
                break
    return shown.decode(errors="replace")


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        pytest.param(signal.SIGINT, 130, "interrupted", id="SIGINT"),
        pytest.param(signal.SIGTERM, 143, "terminated", id="SIGTERM", marks=pytest.mark.exhaustive),
    ],
)
def test_a_live_table_and_what_is_left_of_an_interrupted_race(
    number: signal.Signals, code: int, words: str
) -> None:
    ours, theirs = pty.openpty()
    started = start((*RACE, "--epochs", "2000000", "--features", "year"), theirs)
    try:
        os.close(theirs)
        live = read_until(ours, r"JAX, compiled +[\d,]+ ")
        assert all(name in live for name in LANES), live
        assert "agrees" in live
        assert "reading" not in live[live.index(LANES[0]) :]
        started.send_signal(number)
        read_until(ours, words, 20)
        out, _ = started.communicate(timeout=20)
    finally:
        started.kill()
        started.communicate()
        os.close(ours)
    assert started.returncode == code
    table: Any = out.decode()
    if number is signal.SIGINT:
        assert all(name in table for name in LANES)
        assert "one answer" in table
    else:
        assert table == ""


@pytest.mark.exhaustive
def test_quiet_draws_nothing_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    started = start((*ONE, "--epochs", "50", "--quiet"), theirs)
    os.close(theirs)
    out, _ = started.communicate(timeout=60)
    assert started.returncode == 0
    assert "four ways, one answer" in out.decode()
    assert read_until(ours, "never", 1.0) == ""
    os.close(ours)
