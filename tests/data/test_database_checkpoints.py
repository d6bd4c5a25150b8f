"""Scans of databases that stop anywhere and go on, unless a row may be another."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import pickle
import random
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb as duckdb_package
import numpy as np
import pytest
from tests.data.conftest import make_postgresql_database
from tests.sums.scanned import run_scan

import steepest
from steepest import errors, open_table
from steepest.data import duckdb, postgresql, sqlite
from steepest.data.table import Reads
from steepest.sums import checkpoints
from steepest.sums.archive import pack_moments

N = 12_000
ROWS = [(i, i / 7, 2**53 + 3 * i, None if i % 5 == 0 else f"level {i % 3}") for i in range(N)]
CREATE = 'create table "t 1" (id integer, x double precision, n bigint, c varchar)'
INSERT = 'insert into "t 1" values (?, ?, ?, ?)'


class Sqlite:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "a b.db"
        self.url = f"sqlite:///{folder}/a%20b.db"
        self.run(CREATE)
        with closing(sqlite3.connect(self.path)) as con, con:
            con.executemany(INSERT, ROWS)

    def run(self, *statements: str) -> None:
        gc.collect()  # a state that a scan has held keeps others from writing
        with closing(sqlite3.connect(self.path, isolation_level=None)) as con:
            for statement in statements:
                con.execute(statement)


class Duckdb:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "a b.duckdb"
        self.url = f"duckdb:///{folder}/a%20b.duckdb"
        self.run(CREATE)
        with duckdb_package.connect(str(self.path)) as con:
            con.execute(
                'insert into "t 1" select i, i / 7, 9007199254740992 + 3 * i, '
                f"case when i % 5 <> 0 then 'level ' || (i % 3) end from range({N}) r(i)"
            )

    def run(self, *statements: str) -> None:
        gc.collect()  # a connection of ours would keep it from writing
        with duckdb_package.connect(str(self.path)) as con:
            for statement in statements:
                con.execute(statement)


class Postgresql:
    def __init__(self, connection: Any, url: str) -> None:
        self.url, self._connection = url, connection
        self.run(
            'drop table if exists "t 1" cascade',
            CREATE,
            'insert into "t 1" select i, i / 7.0, 9007199254740992 + 3 * i, '
            f"case when i % 5 <> 0 then 'level ' || (i % 3) end from generate_series(0, {N - 1}) i",
            'vacuum analyze "t 1"',
        )

    def run(self, *statements: str) -> None:
        gc.collect()  # a state that a scan has held keeps a table as it is
        for statement in statements:
            with self._connection.cursor() as cursor:
                cursor.execute(statement)


@contextmanager
def postgresql_database() -> Iterator[Postgresql]:
    with make_postgresql_database("steepest_kept") as (url, connection):
        yield Postgresql(connection, url)


@pytest.fixture(params=["sqlite", "duckdb", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    folder = tmp_path / "data"
    folder.mkdir()
    if request.param == "postgresql":
        with postgresql_database() as found:
            yield found
    else:
        yield {"sqlite": Sqlite, "duckdb": Duckdb}[request.param](folder)


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "PART_BYTES", 1 << 16)
    monkeypatch.setattr(duckdb, "PART_ROWS", 1_300)
    monkeypatch.setattr(postgresql, "PART_BLOCKS", 8)
    monkeypatch.setattr(checkpoints, "INTERVAL", 0.0)
    monkeypatch.setattr(checkpoints, "PATIENCE", 0)


class StopError(Exception):
    """What stops a scan in a test."""


def stop_at(rows: int, passes: int = 0) -> Callable[[Any], None]:
    """Stop a scan at so many rows, after so many passes before it."""
    seen = [0]

    def on_progress(progress: Any) -> None:
        seen.append(progress.rows)
        again = sum(b < a for a, b in pairwise(seen))
        if again == passes and progress.rows >= rows:
            raise StopError

    return on_progress


def scan(source: Any, **options: Any) -> steepest.Moments:
    with ThreadPoolExecutor(1) as one:
        return steepest.scan(source, executor=one, **options)


def stop(source: Any, place: Path, rows: int = N // 2, passes: int = 0, **options: Any) -> None:
    with pytest.raises(StopError):
        scan(source, checkpoint=place, on_progress=stop_at(rows, passes), **options)


OPTIONS: dict[str, dict[str, Any]] = {
    "exact": {"precision": "exact"},
    "double": {"precision": "double", "where": "x > 100"},
    "splines": {"formula": "n ~ spline(x, 3) + C(c)"},
    "folds": {"folds": "contiguous:3", "columns": ["x", "c"]},
    "times": {"folds": "time:id:3", "columns": ["x", "n"]},
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_stopped_and_resumed(kind: str, database: Any, tmp_path: Path) -> None:
    place, options = tmp_path / "c.part", OPTIONS[kind]
    source = open_table(database.url, table="t 1")
    assert len(source.parts()) > 4
    whole = scan(source, **options)
    stop(source, place, passes=int(kind == "splines"), **options)
    kept = checkpoints.Checkpoint(place)._read()
    assert sum(1 << branch.height for branch in kept.branches) > 1
    reports: list[Any] = []
    moments = scan(source, checkpoint=place, on_progress=reports.append, **options)
    assert pack_moments(moments) == pack_moments(whole)
    assert reports[-1].rows == N  # and no pass before
    assert min(report.rows for report in reports) > N // 8
    assert not place.exists()


def test_a_pass_before_the_scan_is_not_repeated(database: Any, tmp_path: Path) -> None:
    """It was killed after it, before any part was done."""
    place, options = tmp_path / "c.part", OPTIONS["splines"]
    source = open_table(database.url, table="t 1")
    whole = scan(source, **options)
    stop(source, place, 1, passes=1, **options)
    assert not checkpoints.Checkpoint(place)._read().branches
    rows: list[int] = []
    moments = scan(
        source, checkpoint=place, on_progress=lambda seen: rows.append(seen.rows), **options
    )
    assert pack_moments(moments) == pack_moments(whole)
    assert rows == sorted(rows)
    assert rows[-1] == N
    stop(source, place, 1, passes=1, **options)  # another formula has other knots
    other = scan(source, checkpoint=place, formula="n ~ spline(x, 4)")
    assert pack_moments(other) == pack_moments(scan(source, formula="n ~ spline(x, 4)"))


CHANGES = {
    "a row is altered": 'update "t 1" set x = x + 1 where id = 3',
    "the last row is altered": f'update "t 1" set x = 0 where id = {N - 1}',
    "a row is gone": f'delete from "t 1" where id = {N - 1}',
    "a row comes": "insert into \"t 1\" values (1, 2.0, 3, 'level 0')",
    "a column comes": 'alter table "t 1" add column more integer default 7',
    "a column is named": 'alter table "t 1" rename column c to d',
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed(change: str, database: Any, tmp_path: Path, refused: Any) -> None:
    place = tmp_path / "c.part"
    columns = ["x", "n"]
    source = open_table(database.url, table="t 1")
    stop(source, place, columns=columns)
    del source
    before = place.read_bytes()
    database.run(CHANGES[change])
    with refused(errors.CheckpointError, "is the checkpoint of another scan", "has changed"):
        scan(open_table(database.url, table="t 1"), checkpoint=place, columns=columns)
    assert place.read_bytes() == before


def test_a_table_or_a_query_of_another_name(database: Any, tmp_path: Path, refused: Any) -> None:
    place = tmp_path / "c.part"
    database.run('create table other as select * from "t 1"')
    stop(open_table(database.url, table="t 1"), place)
    with refused(errors.CheckpointError, "table 'other' of", "was not among the files"):
        scan(open_table(database.url, table="other"), checkpoint=place)
    query = 'select * from "t 1"'
    with refused(errors.CheckpointError, "the query of", "was not among the files"):
        scan(open_table(database.url, query=query), checkpoint=place)


def test_a_query_is_kept_when_it_is_done(database: Any, tmp_path: Path, refused: Any) -> None:
    place = tmp_path / "c.part"
    query = 'select x, n from "t 1" where id > 10'
    source = open_table(database.url, query=query)
    stop(source, place)  # its only part was not finished
    assert not place.exists()
    with pytest.raises(steepest.SteepestError, match="learning_rate"):
        steepest.fit(source, target="n", learning_rate=1e9, checkpoint=place)
    reports: list[Any] = []
    model = steepest.fit(source, target="n", checkpoint=place, on_progress=reports.append)
    assert len(reports) == 1 or "postgresql" in database.url
    assert model.coefficients == steepest.fit(source, target="n").coefficients
    with pytest.raises(steepest.SteepestError, match="learning_rate"):
        steepest.fit(source, target="n", learning_rate=1e9, checkpoint=place)
    other = open_table(database.url, query=query.replace("10", "11"))
    with refused(errors.CheckpointError, "the query of", "has changed"):
        steepest.fit(other, target="n", checkpoint=place)
    del source, other
    database.run(CHANGES["a row is altered"])
    with refused(errors.CheckpointError, "the query of", "has changed"):
        steepest.fit(open_table(database.url, query=query), target="n", checkpoint=place)


def test_parts_can_be_sent_to_processes(database: Any) -> None:
    source = open_table(database.url, table="t 1")
    parts = source.parts()
    again = pickle.loads(pickle.dumps(parts))
    assert [part.identity for part in again] == [part.identity for part in parts]
    assert len({part.identity for part in parts}) == len(parts)
    rows = [sum(batch.n_rows for batch, _ in part.batches(Reads(("x",), ("c",)))) for part in again]
    assert sum(rows) == N
    assert min(rows) > 0
    whole = scan(source)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as two:
        assert steepest.scan(source, executor=two).fingerprint == whole.fingerprint
        query = open_table(database.url, query='select * from "t 1"')
        assert steepest.scan(query, executor=two).fingerprint == whole.fingerprint
    assert scan(source, precision="double").mean == pytest.approx(whole.mean)


# ------------------------------------------------------------------ killed


def test_killed_and_resumed(database: Any, tmp_path: Path) -> None:
    draw = random.Random(1)
    output, place = tmp_path / "m.moments", tmp_path / "c.part"
    arguments = ["scan", database.url, "--table", "t 1", "--precision", "double", "--quiet"]
    assert run_scan(0.02, [*arguments, "-o", str(output)]) == 0
    whole, reached, kills = output.read_bytes(), 0, 0
    output.unlink()
    arguments += ["-o", str(output), "--checkpoint", str(place)]
    while not output.exists():
        code = run_scan(0.02, arguments, draw.uniform(0.0, 0.1) if kills < 4 else None)
        kills += code == -signal.SIGKILL
        assert code in (0, -signal.SIGKILL)
        if place.exists():
            kept = checkpoints.Checkpoint(place)._read().branches
            now = sum(1 << branch.height for branch in kept)
            assert now >= reached
            reached = now
    assert output.read_bytes() == whole
    assert kills > 0
    assert reached > 0


# ------------------------------------------------------------------ files that others write to


def read_all(parts: Any) -> float:
    batches = (batch for part in parts for batch, _ in part.batches(Reads(("x",))))
    return float(sum(np.asarray(batch.numbers(["x"])).sum() for batch in batches))


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_parts_of_sqlite_see_one_state(
    mode: str, tmp_path: Path, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Sqlite(tmp_path)
    found.run(f"pragma journal_mode = {mode}")
    source = open_table(found.url, table="t 1")
    parts = source.parts()
    expected = read_all(parts)
    with closing(sqlite3.connect(found.path, 0.0, isolation_level=None)) as writer:
        if mode == "wal":
            writer.execute('update "t 1" set x = x + 1')
        else:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                writer.execute('update "t 1" set x = x + 1')
        assert read_all(parts) == expected
        with ThreadPoolExecutor(8) as many:
            assert sum(many.map(lambda part: read_all([part]), parts)) == pytest.approx(expected)
        if mode == "wal":
            monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.1)
            monkeypatch.setattr(sqlite, "FETCHED_ROWS", 10)
            with refused(errors.SourceError, "changed while it was read"):
                read_all(pickle.loads(pickle.dumps(parts)))
            started = [part.batches(Reads(("x",))) for part in parts[:5]]
            for batches in started[:4]:
                next(batches)
            with refused(errors.SourceError, "changed while it was read"):
                next(started[4])
            del started
        del parts
        gc.collect()
        writer.execute('update "t 1" set x = x + 1')
    fresh = open_table(found.url, table="t 1").parts()
    assert read_all(fresh) == pytest.approx(expected + N * (2 if mode == "wal" else 1))


def test_changes_that_wait_in_a_log(tmp_path: Path, refused: Any) -> None:
    """What is committed to the log of SQLite is not in its file yet."""
    found, place = Sqlite(tmp_path), tmp_path / "c.part"
    found.run("pragma journal_mode = wal")
    with closing(sqlite3.connect(found.path, isolation_level=None)) as writer:
        writer.execute('update "t 1" set x = 1 where id = 5')
        stop(open_table(found.url, table="t 1"), place)
        assert Path(f"{found.path}-wal").stat().st_size
        writer.execute('update "t 1" set x = 2 where id = 5')
        with refused(errors.CheckpointError, "has changed ('a b.db-wal' "):
            scan(open_table(found.url, table="t 1"), checkpoint=place)


def test_a_database_that_is_copied_over(database: Any, tmp_path: Path, refused: Any) -> None:
    if "postgresql" in database.url:
        return
    place, copy = tmp_path / "c.part", tmp_path / "copy"
    shutil.copy(database.path, copy)
    stop(open_table(database.url, table="t 1"), place)
    gc.collect()
    stat = database.path.stat()
    data = bytearray(copy.read_bytes())
    data[27] ^= 1  # where SQLite counts its transactions; DuckDB's begin of a checksum
    database.path.write_bytes(data)
    os.utime(database.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(errors.SteepestError):
        scan(open_table(database.url, table="t 1"), checkpoint=place)
    shutil.copyfile(copy, database.path)
    with refused(errors.CheckpointError, "was written to"):
        scan(open_table(database.url, table="t 1"), checkpoint=place)


def test_tables_without_numbers_of_rows(tmp_path: Path) -> None:
    """Views, virtual tables and tables WITHOUT ROWID are one part, in which no row is missed."""
    found = Sqlite(tmp_path)
    found.run(
        'create view seen as select * from "t 1"',
        "create table keyed (id integer primary key, x real) without rowid",
        'insert into keyed select id, x from "t 1"',
        "create virtual table boxes using rtree(id, low, high)",
        'insert into boxes select id, x, x from "t 1"',
        "create table odd (rowid text, _rowid_ text, oid text, x real)",
        "insert into odd select 'a', 'b', 'c', x from \"t 1\"",
        "create table other (rowid text, x real)",
        "insert into other select 'z', x from \"t 1\"",
        "create table empty (x real)",
        "create table far (id integer primary key, x real)",
        "insert into far values (-9223372036854775808, 1), (0, 2), (9223372036854775807, 3)",
    )
    for name in ("seen", "keyed", "boxes", "odd"):
        assert len(open_table(found.url, table=name).parts()) == 1
    with pytest.raises(errors.EmptySourceError, match="has no data rows"):
        open_table(found.url, table="empty").parts()
    assert len(open_table(found.url, table="other").parts()) > 1
    for name in ("seen", "keyed", "boxes", "odd", "other"):
        assert scan(open_table(found.url, table=name)).n_read == N
    far = open_table(found.url, table="far")
    assert len(far.parts()) > 1
    assert scan(far).n_read == 3


def test_tables_of_duckdb_without_numbers_of_rows(tmp_path: Path) -> None:
    found = Duckdb(tmp_path)
    found.run(
        'create view seen as select * from "t 1"',
        'create table odd as select 7 as "RowId", x from "t 1"',
        'create table holes as select * from "t 1"',
        "delete from holes where id % 100 <> 0",
        "create table empty (x double)",
    )
    for name, rows in (("seen", N), ("odd", N), ("holes", N // 100)):
        assert scan(open_table(found.url, table=name), columns=["x"]).n_read == rows
    for name in ("seen", "odd", "empty"):
        assert len(open_table(found.url, table=name).parts()) == 1


# ------------------------------------------------------------------ PostgreSQL


@pytest.fixture
def server() -> Iterator[Postgresql]:
    with postgresql_database() as found:
        yield found


def test_others_write_to_the_server(server: Postgresql, tmp_path: Path, refused: Any) -> None:
    """Rows of a plain table are known to be the same, whatever else is written."""
    place = tmp_path / "c.part"
    server.run("create table other (x int)", 'create view seen as select * from "t 1"')
    source = open_table(server.url, table="t 1")
    whole = scan(source, precision="double")
    stop(source, place, precision="double")
    server.run("insert into other values (1)", 'analyze "t 1"', 'vacuum "t 1"')
    assert pack_moments(scan(source, checkpoint=place, precision="double")) == pack_moments(whole)
    seen = open_table(server.url, table="seen")
    with pytest.raises(steepest.SteepestError, match="learning_rate"):
        steepest.fit(seen, target="n", features=["x"], learning_rate=1e9, checkpoint=place)
    server.run("insert into other values (1)")
    words = "the server was written to since, and nothing tells whether that concerns it"
    with refused(errors.CheckpointError, words):
        steepest.fit(seen, target="n", features=["x"], checkpoint=place)


def test_a_transaction_that_was_open(server: Postgresql, tmp_path: Path, refused: Any) -> None:
    """What it had written was not visible at first; it is now."""
    from adbc_driver_postgresql import dbapi

    place = tmp_path / "c.part"
    for change in ("insert into \"t 1\" values (1, 2, 3, 'c')", 'delete from "t 1" where id = 8',
                   'update "t 1" set x = 9 where id = 11999'):  # fmt: skip
        with closing(dbapi.connect(server.url)) as other:
            with other.cursor() as cursor:
                cursor.execute("savepoint s")  # so that the rows are of a transaction within
                cursor.execute(change)
                cursor.execute("release savepoint s")
            server.run("create table if not exists another (x int)")
            stop(open_table(server.url, table="t 1"), place)
            other.commit()
        with refused(errors.CheckpointError, "table 't 1' of", "has changed"):
            scan(open_table(server.url, table="t 1"), checkpoint=place)
        place.unlink()


def test_rows_that_are_elsewhere(server: Postgresql, tmp_path: Path, refused: Any) -> None:
    (tmp_path / "t.csv").write_text("1\n2\n")
    try:
        server.run("create extension file_fdw")
    except Exception as error:
        if "could not open" in str(error) or "not available" in str(error):
            pytest.skip("the server has no file_fdw")
        raise
    server.run(
        "create server files foreign data wrapper file_fdw",
        f"create foreign table away (x int) server files options (filename '{tmp_path}/t.csv')",
    )
    for asked in ({"table": "away"}, {"query": "select sum(x) as x from away"}):
        source = open_table(server.url, **asked)
        with refused(errors.CheckpointError, "cannot be taken up again", "reads from elsewhere"):
            scan(source, checkpoint=tmp_path / "c.part")


def test_types_that_are_altered(server: Postgresql, tmp_path: Path, refused: Any) -> None:
    """The words of an enumeration can change without any row being written."""
    place = tmp_path / "c.part"
    server.run(
        "create type mood as enum ('sad', 'glad')",
        "create table felt as select g as x, 'sad'::mood as m from generate_series(1, 20000) g",
        "analyze felt",
    )
    stop(open_table(server.url, table="felt"), place)
    server.run("alter type mood rename value 'sad' to 'sorry'")
    with refused(errors.CheckpointError, "its columns, or the types they have, were altered"):
        scan(open_table(server.url, table="felt"), checkpoint=place)


def test_nothing_secret_is_kept(server: Postgresql, tmp_path: Path) -> None:
    place = tmp_path / "c.part"
    stop(open_table(server.url, table="t 1"), place)
    secret = server.url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    assert secret
    assert secret.encode() not in place.read_bytes()


def test_connections_are_refused(database: Any, tmp_path: Path, refused: Any) -> None:
    connect: Any = {"sqlite": sqlite3.connect, "duckdb": duckdb_package.connect}.get(
        database.url.partition(":")[0]
    )
    if connect is None:
        from adbc_driver_postgresql import dbapi

        connection = dbapi.connect(database.url)
    else:
        connection = connect(str(database.path))
    with closing(connection), refused(errors.CheckpointError, "cannot be taken up again"):
        scan(open_table(connection, table="t 1"), checkpoint=tmp_path / "c.part")
    assert json.dumps([path.name for path in tmp_path.iterdir()]) == '["data"]'
