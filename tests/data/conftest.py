"""Files and databases made on the spot, and one way to expect a refusal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.tiers import exhaustively

from steepest.data import delimited, fragments, objects

Write = Callable[[str, str | bytes], str]
Refused = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file and give its path."""

    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


def shrink_blocks(monkeypatch: pytest.MonkeyPatch, by: int) -> None:
    monkeypatch.setattr(delimited, "SHOWN_BYTES", delimited.SHOWN_BYTES // by)
    for room in (fragments, objects):
        monkeypatch.setattr(room, "BLOCK_BYTES", room.BLOCK_BYTES // by)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text in blocks a twenty-fifth of their size, and kinds of columns from as much less of it."""
    shrink_blocks(monkeypatch, 25)


@pytest.fixture(params=[25, *exhaustively(1)], ids=lambda by: f"1/{by}")
def late(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], int]:
    """So many lines, or a twenty-fifth of many where blocks are as much smaller."""
    shrink_blocks(monkeypatch, request.param)
    return lambda lines: lines // request.param if lines > 1_000 else lines


@pytest.fixture
def refused() -> Refused:
    """Expect an error of exactly this class, with these words and a hint of one line."""

    @contextmanager
    def refused(error: type[Exception], *words: str) -> Iterator[None]:
        with pytest.raises(error) as caught:
            yield
        assert type(caught.value) is error
        text = str(caught.value)
        assert text.count("\n\nHint: ") == 1
        assert "\n" not in text.partition("\n\nHint: ")[2]
        for word in words:
            assert word in text

    return refused


def require_postgresql() -> str:
    """The address of a server; a test that needs one is skipped where there is none."""
    url = os.environ.get("STEEPEST_POSTGRESQL", "")
    if not url:
        if os.environ.get("STEEPEST_CI"):
            pytest.fail("there is no PostgreSQL server, and in CI there has to be one")
        pytest.skip("STEEPEST_POSTGRESQL names no server")
    return url


@contextmanager
def make_postgresql_database(name: str, options: str = "") -> Iterator[tuple[str, Any]]:
    """A database of our own for the time of the block: its address, and a connection to it."""
    from adbc_driver_postgresql import dbapi

    url = require_postgresql()
    own = f"{name}_{os.getpid()}"
    with closing(dbapi.connect(url, autocommit=True)) as root, root.cursor() as cursor:
        cursor.execute(f"create database {own} {options}")
        try:
            place = f"{url.rpartition('/')[0]}/{own}"
            with closing(dbapi.connect(place, autocommit=True)) as connection:
                yield place, connection
        finally:
            cursor.execute(f"drop database {own} with (force)")
