"""Programs, watched in this process: what they are told, as (cell, code) in order."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from steepest.checks.program.child import watch


class Watched(NamedTuple):
    told: list[dict[str, Any]]

    @property
    def codes(self) -> list[str]:
        return [one["code"] for one in self.told if one["kind"] == "finding"]

    @property
    def names(self) -> list[str]:
        return [one["name"] for one in self.told if one["kind"] == "finding"]

    @property
    def text(self) -> str:
        return "\n".join(str(one) for one in self.told)

    @property
    def loops(self) -> int:
        return sum(one["kind"] == "loop" for one in self.told)

    @property
    def lost(self) -> list[str]:
        return [one["text"] for one in self.told if one["kind"] == "lost"]


def run_program(text: str, folder: Path, name: str = "program.py") -> Watched:
    path = folder / name
    path.write_text(text)
    told: list[dict[str, Any]] = []
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
    watch(str(path), told.append)
    return Watched(told)


@pytest.fixture
def watched(tmp_path: Path):
    return lambda text, name="program.py": run_program(text, tmp_path, name)
