"""Servers of PostgreSQL of our own: one that is killed and comes back, and one that follows it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from tests.conftest import ROOT
from tests.data.conftest import require_postgresql

import steepest
from steepest import errors, open_table
from steepest.data import postgresql
from steepest.sums.archive import pack_moments

pytestmark = pytest.mark.exhaustive

N = 200_000
MAKE = (
    f"create table plain as select g::int8 as id, g / 8.0::float8 as x, 'city ' || g % 5 as city "
    f"from generate_series(1, {N}) g"
)
Run = Callable[..., str]


@pytest.fixture
def server() -> Iterator[Run]:
    """What ``.ci/postgresql`` does with servers in a folder of our own."""
    require_postgresql()
    folder = Path(tempfile.mkdtemp(prefix="steepest_"))
    folder.chmod(0o755)  # a server runs as another user

    def run(verb: str, *names: str) -> str:
        # What is started keeps the streams that it was given.
        with (folder / "said").open("w") as said, (folder / "url").open("w") as url:
            command = [ROOT / ".ci" / "postgresql", verb, *(folder / name for name in names)]
            subprocess.run(command, check=True, stdout=url, stderr=said, timeout=60)
        return (folder / "url").read_text().strip()

    try:
        yield run
    finally:
        for name in ("follower", "one"):
            with suppress(subprocess.CalledProcessError):
                run("stop", name)
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "PART_BLOCKS", 64)


def ask(url: str, *statements: str) -> list[tuple[Any, ...]]:
    from adbc_driver_postgresql import dbapi

    rows: list[tuple[Any, ...]] = []
    with closing(dbapi.connect(url, autocommit=True)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
    return rows


def once(work: Callable[[], Any], rows: int) -> Callable[[Any], None]:
    """Something that happens when so many rows are read."""
    done: list[Any] = []

    def on_progress(progress: Any) -> None:
        if progress.rows >= rows and not done:
            done.append(True)
            work()

    return on_progress


@pytest.mark.parametrize("readers", [1, 3])
def test_it_is_killed_and_comes_back(
    readers: int, server: Run, tmp_path: Path, refused: Any, capfd: Any
) -> None:
    url, place = server("start", "one"), tmp_path / "c.part"
    ask(url, MAKE, "analyze plain")
    table = open_table(url, table="plain")
    assert len(table.parts()) > 10
    kill = once(lambda: server("restart", "one"), N // 2)

    def scan(**options: Any) -> steepest.Moments:
        with ThreadPoolExecutor(readers) as executor:  # and wait until it is there again
            return steepest.scan(table, executor=executor, **options)

    whole = scan()
    with refused(errors.DatabaseError, "the connection was lost while", "nothing was written"):
        scan(checkpoint=place, on_progress=kill)
    if readers == 1:  # others may be about to connect
        assert capfd.readouterr() == ("", "")
    secret = unquote(urlsplit(url).password or "")
    for form in (secret, quote(secret, safe="")):
        assert form.encode() not in place.read_bytes()
    reports: list[Any] = []
    again = scan(checkpoint=place, on_progress=reports.append)
    assert reports[0].rows > N // 4
    assert pack_moments(again) == pack_moments(whole)
    server("stop", "one")
    with refused(errors.DatabaseError, "does not let us in", "Connection refused"):
        scan(checkpoint=place)
    assert not place.exists()


def test_one_that_follows_another(server: Run, tmp_path: Path, refused: Any) -> None:
    first = server("start", "one")
    ask(first, MAKE, "analyze plain")
    url = server("standby", "follower", "one")
    assert ask(url, "select pg_is_in_recovery()") == [(True,)]
    table = open_table(url, table="plain")
    assert len(table.parts()) > 10
    expected = steepest.scan(open_table(first, table="plain"))
    assert steepest.scan(table).fingerprint == expected.fingerprint
    query = open_table(url, query="select * from plain")
    assert steepest.scan(query).fingerprint == expected.fingerprint
    with refused(errors.CheckpointError, "the server is a standby of another"):
        steepest.scan(table, checkpoint=tmp_path / "c.part")
    with refused(errors.DatabaseError, "'plian'", "did you mean 'plain'?"):
        open_table(url, table="plian")

    # What the first does is done here too, whoever reads.
    ask(url, "alter system set max_standby_streaming_delay = 0", "select pg_reload_conf()")

    def truncate() -> None:
        ask(first, "truncate plain")
        target = ask(first, "select pg_current_wal_lsn()::text")[0][0]
        deadline = time.monotonic() + 30
        while ask(url, f"select pg_last_wal_replay_lsn() >= '{target}'") != [(True,)]:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    with refused(errors.DatabaseError, "was read", "run it again"):
        steepest.scan(table, on_progress=once(truncate, N // 2))
    with refused(errors.EmptySourceError, "no data rows"):
        steepest.scan(table)
