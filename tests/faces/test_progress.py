"""What is said of a pass on the way: how far, how fast, how long still."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.faces.conftest import Ran
from tests.faces.test_cli import watch
from tests.tiers import exhaustively

import steepest
from steepest.faces import progress
from steepest.faces.progress import MEMORY, Pace
from steepest.typing import Progress


def left(words: str) -> float | None:
    found = re.search(r", (?:(\d+):(\d\d) (h|min)|(\d+) s) left$", words)
    if found is None:
        return None
    if found[4]:
        return float(found[4])
    return (int(found[1]) * 60 + int(found[2])) * (60 if found[3] == "h" else 1)


def go(pace: Callable[[float], float], until: float, step: float = 0.5) -> list[tuple[float, str]]:
    """What is said at each moment of a pass that is so far at so many seconds."""
    found, told = [], Pace()
    for i in range(int(until / step) + 1):
        now = i * step
        share = min(pace(now), 1.0)
        found.append((now, told.describe(Progress(round(share * 1e6), share), 1_000.0 + now)))
    return found


def test_a_steady_pace_is_told_at_once_and_exactly() -> None:
    for now, words in go(lambda t: t / 100, 99):
        assert left(words) == (pytest.approx(100 - now, abs=0.6) if now >= 2 else None)
        assert ("10,000 rows/s" in words) == (now > 0)


@pytest.mark.parametrize("times", [0.1, 10.0])
def test_another_pace_is_told_after_some_seconds(times: float) -> None:
    """Slow at first, as what comes from a network is, or fast, as what is in the cache."""

    def share(t: float) -> float:
        return (min(t, 10.0) * times + max(t - 10.0, 0.0)) / 200

    for now, words in go(share, 60):
        if now > 10.0 + MEMORY + 1:
            assert left(words) == pytest.approx((1 - share(now)) * 200, rel=0.02, abs=1)


def test_what_was_read_before_is_no_pace() -> None:
    """A scan that goes on begins at nine tenths."""
    for now, words in go(lambda t: 0.9 + t / 1_000, 50):
        assert left(words) == (pytest.approx(100 - now, rel=0.01, abs=1) if now >= 2 else None)
        assert "900,000 rows/s" not in words


def test_parts_that_come_seldom() -> None:
    for now, words in go(lambda t: t / 600, 590, step=30.0):
        assert left(words) == (pytest.approx(600 - now, abs=1) if now else None)


def test_nothing_is_left_to_say_of_an_unknown_size() -> None:
    told = Pace()
    for i in range(40):
        words = told.describe(Progress(i * 1_000, None), float(i))
        assert "left" not in words
    assert words == "39,000 rows, 1,000 rows/s"


def test_a_pass_that_stands_still_does_not_divide_by_nothing() -> None:
    told = Pace()
    for i in range(100):
        words = told.describe(Progress(5, 0.5), float(i))
    assert words == "5 rows, 0 rows/s"


# ------------------------------------------------------------------ commands

SLOW = """
import sys, time
from steepest.faces import progress, cli
from steepest.sums import tree
progress.INTERVAL = 0.3
add = tree.PairwiseSum.add
def slowly(self, moments):
    time.sleep(0.05)
    add(self, moments)
tree.PairwiseSum.add = slowly
from steepest.data import memory, parquet
parquet.PART_ROWS = 1
sys.exit(cli.run(sys.argv[1:]))
"""


@pytest.fixture
def table(workplace: Path) -> str:
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(1)
    rows = pa.table({"x": rng.standard_normal(30_000), "y": rng.standard_normal(30_000)})
    parquet.write_table(rows, "t.parquet", row_group_size=1_000)
    return "t.parquet"


def slowly(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SLOW, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)


@pytest.mark.parametrize(
    "executor", ["threads:2", pytest.param("processes:2", marks=pytest.mark.exhaustive)]
)
def test_plain_lines_now_and_then(executor: str, table: str) -> None:
    began = time.monotonic()
    ran = slowly("fit", table, "--target", "y", "--executor", executor)
    assert ran.returncode == 0
    lines = ran.stderr.splitlines()
    assert 2 <= len(lines) <= (time.monotonic() - began) / 0.3 + 1
    form = r"reading: \d+%, [\d,]+ rows(, [\d,]+ rows/s(, \d+ s left)?)?"
    assert all(re.fullmatch(form, line) for line in lines[:-1])
    assert re.fullmatch(r"read: 30,000 rows in \d+ s", lines[-1])
    assert "\x1b" not in ran.stderr


@pytest.mark.parametrize("more", [("--progress", "off"), *exhaustively(("--quiet",))])
def test_silence(more: tuple[str, ...], table: str) -> None:
    assert slowly("scan", table, "-o", "m.moments", *more).stderr == ""


def test_a_short_pass_says_nothing(cli: Callable[..., Ran], table: str) -> None:
    assert cli("scan", table, "-o", "m.moments", "--progress", "plain").err == ""


@pytest.mark.exhaustive
def test_plain_lines_on_a_terminal(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 10.0)
    steepest.scan(table).save("m.moments")
    assert watch(("scan", table, "-o", "m.moments", "--progress", "plain"), "never", 3.0) == ""


@pytest.mark.exhaustive
def test_processes_show_how_far_they_are_on_a_terminal(table: str) -> None:
    for i in range(160):
        os.link(table, f"{i}.parquet")
    arguments = ("scan", *(f"{i}.parquet" for i in range(160)), "-o", "m.moments")
    shown = watch((*arguments, "--executor", "processes:2"), r"[\d,]+ rows, [\d,]+ rows/s", 60.0)
    assert re.search(r"[\d,]+ rows, [\d,]+ rows/s", shown)
