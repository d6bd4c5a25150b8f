"""What tests of sums share with those of data, and a table in short parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.conftest import refused
from tests.sums.scanned import GROUP, write_table

from steepest.data import parquet

__all__ = ["refused"]


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("table") / "t.parquet")


@pytest.fixture
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "PART_ROWS", GROUP)
