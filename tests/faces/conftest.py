"""A place to work in, and commands run there."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

import steepest
from steepest.faces.cli import run

GOLDEN = Path(__file__).parent / "golden"


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, penguins: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the penguins in it, a terminal of 100 columns, and signals as they were."""
    (tmp_path / "examples").mkdir()
    shutil.copy(penguins, tmp_path / "examples" / "penguins.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("PYTHONPATH", str(Path(steepest.__file__).parents[1]))
    monkeypatch.delenv("STEEPEST_DEBUG", raising=False)
    before = signal.getsignal(signal.SIGTERM)
    # Commands hear ^C even where the tests run in the back of a shell, which ignores it.
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield tmp_path
    signal.signal(signal.SIGINT, ignored)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command in this process."""

    def cli(*arguments: object) -> Ran:
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return cli


@pytest.fixture
def refuse(cli: Callable[..., Ran]) -> Callable[[int, Sequence[str], str], None]:
    """A command that ends with a message in which some words stand, and leaves every file as is."""

    def refuse(code: int, arguments: Sequence[str], words: str) -> None:
        before = _contents()
        ran = cli(*arguments)
        assert ran.code == code
        assert ran.out == ""
        assert words in ran.err or re.search(words, ran.err)
        assert "Traceback" not in ran.err
        if code == 2:
            assert ran.err.startswith("Usage: ")
        else:
            assert ran.err.startswith("steepest: ")
            assert ran.err.count("\n\nHint: ") == 1
        assert _contents() == before

    return refuse


def _contents() -> dict[Path, bytes]:
    return {path: path.read_bytes() if path.is_file() else b"" for path in Path().rglob("*")}


@pytest.fixture
def transcript(cli: Callable[..., Ran]) -> Callable[[str, Sequence[str]], None]:
    """A command's words, byte for byte; UPDATE_GOLDEN=1 writes them anew, to be read then."""

    def transcript(name: str, arguments: Sequence[str]) -> None:
        ran = cli(*arguments)
        text = (
            f"$ steepest {' '.join(arguments)}\n{ran.out}"
            + (f"--- stderr\n{ran.err}" if ran.err else "")
            + f"--- exit {ran.code}\n"
        )
        path = GOLDEN / f"{name}.txt"
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return transcript
