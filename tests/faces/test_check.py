"""steepest check as a person and a script meet it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.faces.conftest import Ran

SEED = Path(__file__).parents[1] / "checks" / "program" / "notebook.txt"
RIGHT = """import numpy as np
x = np.arange(1.0, 5.0); y = 2 * x; w = 0.0
print("a word of the program's own")
for epoch in range(5):
    loss = ((w * x - y) ** 2).mean()
    w -= 0.01 * (2 * x * (w * x - y)).mean()
"""


@pytest.fixture
def programs(workplace: Path) -> Path:
    shutil.copy(SEED, workplace / "notebook.txt")
    (workplace / "right.py").write_text(RIGHT)
    (workplace / "endless.py").write_text("while True:\n    pass\n")
    (workplace / "long.py").write_text(RIGHT.replace("range(5)", "iter(int, 1)"))
    loss = "    loss = ((w * x - y) ** 2).mean()\n"
    (workplace / "noloss.py").write_text(RIGHT.replace(loss, ""))
    (workplace / "nothing.py").write_text("print(1)\n")
    (workplace / "deadly.py").write_text("import os\nos._exit(3)\n")
    return workplace


TRANSCRIPTS: dict[str, Sequence[str]] = {
    "check_help": ("check", "--help"),
    "check_seed": ("check", "notebook.txt"),
    "check_right": ("check", "right.py"),
    "check_no_loss": ("check", "noloss.py"),
    "check_nothing": ("check", "nothing.py"),
    "check_missing": ("check", "none.py"),
    "check_endless": ("check", "endless.py", "--timeout", "2"),
    "check_deadly": ("check", "deadly.py"),
    "check_timeout": ("check", "right.py", "--timeout", "-1"),
}


@pytest.mark.parametrize("name", TRANSCRIPTS)
@pytest.mark.usefixtures("programs")
def test_transcript(name: str, transcript: Callable[[str, Sequence[str]], None]) -> None:
    transcript(name, TRANSCRIPTS[name])


@pytest.mark.usefixtures("programs")
def test_as_json(cli: Callable[..., Ran]) -> None:
    ran = cli("check", "notebook.txt", "--json", "--quiet")
    assert (ran.code, ran.err) == (1, "")
    found = json.loads(ran.out)
    assert found["file"] == "notebook.txt"
    assert [f["code"] for f in found["findings"]] == ["G01", "L09", "L02", "L10", "M01", "E01"]
    assert set(found["findings"][0]) == {"file", "cell", "line", "code", "name", "found", "cure"}
    lines = (Path("notebook.txt")).read_text().splitlines()
    for one in found["loops"]:
        assert lines[one["line"] - 1].startswith("for epoch in range(n_iters):")


@pytest.mark.usefixtures("programs")
def test_what_was_seen_in_time_is_told(cli: Callable[..., Ran]) -> None:
    ran = cli("check", "long.py", "--timeout", "3")
    assert ran.code == 0
    assert ran.out == "long.py, line 4: ok\n"
    assert "time was up" in ran.err


@pytest.mark.usefixtures("programs")
def test_nothing_is_left_behind(cli: Callable[..., Ran], workplace: Path) -> None:
    before = sorted(workplace.rglob("*"))
    cli("check", "right.py")
    assert sorted(workplace.rglob("*")) == before
