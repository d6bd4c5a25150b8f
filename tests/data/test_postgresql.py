"""Tables and queries of a PostgreSQL server: its address is in STEEPEST_POSTGRESQL."""

from __future__ import annotations

import gc
import json
import multiprocessing
import pickle
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pytest
from tests.data.conftest import make_postgresql_database

import steepest
from steepest import errors, open_table
from steepest.data import postgresql, server
from steepest.data.open import open_source
from steepest.data.table import Reads

N = 20_000


@dataclass
class Database:
    """A database of our own, and who may do anything in it."""

    url: str
    connection: Any

    def run(self, *statements: str) -> None:
        for statement in statements:
            with self.connection.cursor() as cursor:
                cursor.execute(statement)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(query)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    @property
    def password(self) -> str:
        return unquote(self.url.partition("://")[2].rpartition("@")[0].partition(":")[2])

    def end_others(self) -> int:
        """End every other connection, as a server that is shut down does."""
        query = (
            "select count(pg_terminate_backend(pid)) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid() "
            "and backend_type = 'client backend'"  # the server's own come and go
        )
        return int(self.ask(query)[0][0])


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with make_postgresql_database("steepest") as (url, connection):
        found = Database(url, connection)
        found.run(*TABLES)
        yield found


TABLES = (
    "create type mood as enum ('sad', 'so-so', 'gl''ad')",
    "create domain price as numeric(10, 3)",
    "create table kinds (i2 smallint, i4 int, i8 bigint, f4 real, f8 double precision, "
    "n numeric(12, 2), free numeric, p price, cash money, o oid, flag boolean, t text, "
    "v varchar(9), c char(6), m mood, d date, s timestamp, z timestamptz, "
    "u uuid, j json, b jsonb, a int[], y bytea, h time, w interval)",
    "insert into kinds select g % 100 - 50, g * 1000, 9007199254740992 + g, g / 8.0, g / 3.0, "
    "g * 1.01, trim_scale(g * 0.125) - 123456789012345678901234567890, g * 0.125, "
    "(g * 0.01)::numeric::money, 4294967295 - g, g % 2 = 0, "
    "'level ' || g % 3, 'v' || g % 2, 'c' || g % 2, "
    "(array['sad', 'so-so', 'gl''ad'])[g % 3 + 1]::mood, "
    "date '2024-01-01' + g % 400, timestamp '2024-01-01 00:00:01' + g * interval '1 h', "
    "timestamptz '2024-01-01 00:00+02' + g * interval '1 h', gen_random_uuid(), '{}', '{}', "
    "'{1,2}', '\\x00', '10:00', '1 day' from generate_series(1, 500) g",
    "insert into kinds (i4) select g from generate_series(1, 7) g",
    f"create table plain as select g::int8 as id, g / 8.0::float8 as x, (g * 2.5 + 1)::numeric "
    f"as y, 'city ' || g % 5 as city from generate_series(1, {N}) g",
    "analyze plain",
    "create view seen as select x, y from plain",
    "create materialized view kept as select x, y from plain",
    'create schema "Odd ""place"""',
    'create table "Odd ""place"""."t; drop table plain" ("select" int, "a ""b" int, "größe" int)',
    'insert into "Odd ""place"""."t; drop table plain" values (1, 2, 3), (4, 5, 6)',
    "create table cut (x int, k int) partition by list (k)",
    "create table cut_1 partition of cut for values in (1)",
    "create table cut_2 partition of cut for values in (2)",
    "insert into cut select g, g % 2 + 1 from generate_series(1, 100) g",
    "create table nothing (x int, y int)",
    "create table none_at_all ()",
    "create table child () inherits (nothing)",
)

USED = ("i2", "i4", "i8", "f4", "f8", "n", "free", "p", "cash", "o", "flag", "t", "v", "c", "m")


@pytest.fixture(scope="module")
def kinds() -> pa.Table:
    """The same values, as Arrow has them."""
    g = range(1, 501)
    with localcontext(prec=60):
        free = [Decimal(i) * Decimal("0.125") - 123456789012345678901234567890 for i in g]
    columns = {
        "i2": pa.array([i % 100 - 50 for i in g], pa.int16()),
        "i4": pa.array([i * 1000 for i in g], pa.int32()),
        "i8": pa.array([2**53 + i for i in g], pa.int64()),
        "f4": pa.array([i / 8 for i in g], pa.float32()),
        "f8": pa.array([i / 3 for i in g], pa.float64()),
        "n": pa.array([Decimal(i) * Decimal("1.01") for i in g], pa.decimal128(12, 2)),
        "free": pa.array(free, pa.decimal256(40, 3)),
        "p": pa.array([Decimal(i) * Decimal("0.125") for i in g], pa.decimal128(10, 3)),
        "cash": pa.array([Decimal(i) / 100 for i in g], pa.decimal128(19, 2)),
        "o": pa.array([4294967295 - i for i in g], pa.int64()),
        "flag": pa.array([i % 2 == 0 for i in g]),
        "t": pa.array([f"level {i % 3}" for i in g]),
        "v": pa.array([f"v{i % 2}" for i in g]),
        "c": pa.array([f"c{i % 2}" for i in g]),
        "m": pa.array([("sad", "so-so", "gl'ad")[i % 3] for i in g]),
    }
    more = {n: pa.nulls(7, c.type) for n, c in columns.items()}
    more["i4"] = pa.array(range(1, 8), pa.int32())
    return pa.concat_tables([pa.table(columns), pa.table(more)])


def test_every_kind_of_column_as_arrow_has_it(database: Database, kinds: pa.Table) -> None:
    table = open_table(database.url, table="kinds")
    found, expected = steepest.scan(table, columns=USED), steepest.scan(kinds)
    assert found.names == expected.names
    assert found.fingerprint == expected.fingerprint
    every = steepest.scan(table)
    assert set(every.names) == set(USED)
    assert every.left_out["u"] == "it has type uuid"
    assert every.left_out["a"] == "it has type _int4"
    assert set(every.left_out) == set("dszujbayhw")
    query = open_table(database.url, query="select * from kinds -- all of it")
    assert steepest.scan(query, columns=USED).fingerprint == expected.fingerprint
    for name in USED:
        one = steepest.scan(table, columns=[name])
        assert one.fingerprint == steepest.scan(kinds, columns=[name]).fingerprint
    double = steepest.scan(table, columns=["free", "n"], precision="double")
    assert double.mean == pytest.approx(steepest.scan(kinds, columns=["n", "free"]).mean)


def test_times(database: Database) -> None:
    dated = open_table(database.url, query="select * from kinds where d is not null")
    model = steepest.fit(dated, formula="i4 ~ days(d)", where="i4 < 350000")
    first = date(2024, 1, 1).toordinal() - date(1970, 1, 1).toordinal()
    at = {"days(d)": 1000.0, "intercept": -1000.0 * first}
    assert model.coefficients == pytest.approx(at, rel=1e-9)
    when = datetime(2024, 1, 1, 10)
    found = steepest.scan(open_table(database.url, table="kinds"), where=f"s < '{when}'")
    assert found.n_read - found.filtered == 9


def test_tables_views_and_names(database: Database) -> None:
    plain = steepest.scan(f"{database.url}?table=plain")
    rows = pa.table({"x": [i / 8 for i in range(1, N + 1)]})
    for name in ("plain", "public.plain", "seen", "kept"):
        found = steepest.scan(open_table(database.url, table=name), columns=["x"])
        assert found.fingerprint == steepest.scan(rows).fingerprint
    assert plain.names == ("id", "x", "y", "city")
    assert repr(plain).startswith("Moments of table 'plain' of 'steepest_")
    odd = 'Odd "place".t; drop table plain'
    assert steepest.scan(open_table(database.url, table=odd)).names == ("select", 'a "b', "größe")
    chosen = steepest.scan(open_table(database.url, table=odd), columns=['a "b'])
    assert chosen.mean == [3.5]
    assert steepest.scan(open_table(database.url, table="cut")).n_read == 100
    model = steepest.fit(f"{database.url}?query=select x, y from plain where x > 5;", target="y")
    assert model.coefficients == {"intercept": 1.0, "x": 20.0}
    assert model.predict(f"{database.url}?table=seen")[:2] == pytest.approx([3.5, 6.0])


def test_nothing_there(database: Database, refused: Any) -> None:
    with refused(errors.EmptySourceError, "table 'nothing' of", "no data rows"):
        steepest.scan(open_table(database.url, table="nothing"))
    with refused(errors.EmptySourceError, "table 'none_at_all' of", "no column"):
        steepest.scan(open_table(database.url, table="none_at_all"))
    with refused(errors.DatabaseError, "there is no table 'plian'", "did you mean 'plain'?"):
        open_table(database.url, table="plian")
    with refused(errors.DatabaseError, "neither a table nor a query", "'cut_1'"):
        steepest.scan(database.url)
    for name in ("pg_class", "x'; drop table plain; --", ""):
        with refused(errors.DatabaseError, f"there is no table '{name}'"):
            open_table(database.url, table=name)


def test_values_that_are_no_numbers(database: Database, refused: Any) -> None:
    def scan(query: str) -> steepest.Moments:
        return steepest.scan(open_table(database.url, query=query))

    many = "from generate_series(1, 50000) g"
    found = scan(f"select case when g % 5 = 0 then 'NaN' else g::numeric end as n, g {many}")
    assert found.n_rows == 40_000
    with refused(errors.ValueFoundError, "column 'n' of the query", "-inf in row 40,001"):
        scan(f"select case when g > 40000 then '-Infinity' else g::numeric end as n {many}")
    with refused(errors.ValueFoundError, "'n' of", "needs 81 digits", "row 2."):
        scan("select 1::numeric as n union all select 1 + 1e-80")
    assert scan("select 1e70 as n union all select 1e-5").n_read == 2
    for end in ("infinity", "-infinity"):
        for kind in ("date", "timestamp", "timestamptz"):
            query = f"select 1 as x, '2024-01-01'::{kind} as d union all select 2, '{end}'"
            table = open_table(database.url, query=query)
            assert steepest.scan(table).n_read == 2  # nobody asks for it
            with refused(errors.ValueFoundError, "column 'd' of", "a time in row 2"):
                steepest.scan(table, formula="x ~ days(d)")


@pytest.mark.parametrize(
    "query",
    [
        "delete from plain",
        "delete from plain returning x",
        "with gone as (delete from plain returning x) select * from gone",
        "insert into plain select * from plain",
        "update plain set x = 0",
        "drop table plain",
        "truncate plain",
        "create table more as select 1 as x",
        "select 1 as x into more",
        "select 1 as x; drop table plain",
        "select 1 as x; select 2 as x",
        "commit; drop table plain",
        "copy plain to 'A NEW FILE'",
        "begin",
        "set transaction read write",
        "lock table plain",
        "show server_version",
        "vacuum",
        "do $$ begin delete from plain; end $$",
        "select set_config('transaction_read_only', 'off', false)::text as x",
        "select 1) as asked; drop table plain; select * from (select 1",
        "select nothing from nowhere",
        "no sql at all",
        "",
        " ; ",
        "-- select",
    ],
)
@pytest.mark.parametrize("given", ["url", "connection"])
def test_what_only_reads(given: str, query: str, database: Database) -> None:
    source = database.url if given == "url" else database.connection
    new = Path(tempfile.gettempdir()) / uuid.uuid4().hex  # where the server may write, too
    with pytest.raises(errors.DatabaseError) as caught:
        steepest.scan(open_table(source, query=query.replace("A NEW FILE", str(new))))
    assert "Hint:" in str(caught.value)
    assert database.ask("select count(*) from plain") == [(N,)]
    assert database.ask("select count(*) from pg_class where relname = 'more'") == [(0,)]
    assert not new.exists()


@pytest.mark.parametrize("given", ["url", "connection"])
def test_semicolons_that_end_a_query_and_those_that_do_not(given: str, database: Database) -> None:
    source = database.url if given == "url" else database.connection
    for query in (
        "select x from plain; -- all; of it",
        "select x from plain /* ; */ ;; /* it's */ ; ",
        "select x from plain where city <> ';' and city <> $$;$$ and city <> $a$;$$;$a$; --'",
        r"select x from plain where city <> E'\';' and city <> ';''' -- ;",
        'select x from plain as "; drop table plain" -- ;',
    ):
        assert steepest.scan(open_table(source, query=query)).n_read == N


def test_a_function_that_writes(database: Database, refused: Any) -> None:
    database.run(
        "create function sly() returns int language sql as 'delete from plain; select 1'",
    )
    for source in (database.url, database.connection):
        with refused(errors.DatabaseError, "annot execute DELETE in a read-only transaction"):
            steepest.scan(open_table(source, query="select sly() as x"))
    assert database.ask("select count(*) from plain") == [(N,)]


# ------------------------------------------------------------------ parts


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "PART_BLOCKS", 16)


def test_parts_are_the_table(database: Database, small_parts: None) -> None:
    table = open_table(database.url, table="plain")
    parts = table.parts()
    blocks = database.ask("select pg_relation_size('plain') / 8192")[0][0]
    assert len(parts) == -(-blocks // 16)
    whole = steepest.scan(open_table(database.url, query="select * from plain"))
    assert steepest.scan(table).fingerprint == whole.fingerprint
    assert sum(part.size for part in parts) == pytest.approx(N)
    assert "blocks 16 to 31 of table 'plain'" in parts[1].where
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context) as executor:
        assert steepest.scan(table, executor=executor).fingerprint == whole.fingerprint
    copy = pickle.loads(pickle.dumps(parts[-1]))
    assert sum(batch.n_rows for batch, _ in copy.batches(Reads(("x",)))) > 0
    shown = repr(parts) + repr(copy) + str(table) + repr(parts[0].snapshot)
    assert database.password not in shown
    assert quote(database.password, safe="") not in shown


def test_parts_see_one_state(database: Database, small_parts: None, refused: Any) -> None:
    database.run("create table moving as select * from plain", "analyze moving")
    table = open_table(database.url, table="moving")
    before = steepest.scan(table)
    parts = table.parts()
    database.run("update moving set x = x + 1", "delete from moving where id < 5000",
                 "insert into moving select * from plain")  # fmt: skip
    rows = [
        np.asarray(batch.numbers(["x"])).sum()
        for p in parts
        for batch, _ in p.batches(Reads(("x",)))
    ]
    assert sum(rows) == before.mean[1] * N
    database.run("set lock_timeout = '100ms'")
    for move in ("vacuum full moving", "truncate moving"):
        with pytest.raises(Exception, match="lock timeout"):
            database.run(move)
    del parts
    gc.collect()
    database.run("truncate moving", "set lock_timeout = 0")
    with refused(errors.EmptySourceError, "no data rows"):
        steepest.scan(table)


def test_rows_of_tables_that_inherit(database: Database, small_parts: None) -> None:
    database.run(
        "create table parent as select g as x from generate_series(1, 9000) g",
        "create table heir () inherits (parent)",
        "insert into heir select g from generate_series(9001, 50000) g",
        "analyze parent",
    )
    table = open_table(database.url, table="parent")
    assert len(table.parts()) > 1
    found = steepest.scan(table)
    assert (found.n_read, found.mean) == (50_000, [25_000.5])


def test_no_connection_stays(database: Database, small_parts: None) -> None:
    for _ in range(3):
        steepest.scan(f"{database.url}?table=plain")
        with pytest.raises(errors.ColumnNotFoundError):
            steepest.scan(f"{database.url}?table=plain", columns=["z"])
    gc.collect()
    others = "select count(*) from pg_stat_activity where application_name = 'steepest'"
    for _ in range(50):
        if database.ask(others) == [(0,)]:
            return
        time.sleep(0.1)
    pytest.fail("connections are left")


# ------------------------------------------------------------------ what goes wrong

LONG = "select g as x, g * 2.0::float8 as y from generate_series(1, 4000000) g"


def test_a_server_that_goes_away(database: Database, small_parts: None, refused: Any) -> None:
    ended: list[int] = []

    def end(_: Any) -> None:
        if not ended:
            ended.append(database.end_others())

    table = open_table(database.url, query=LONG)
    with refused(errors.DatabaseError, "the connection was lost while the query of", "again"):
        steepest.scan(table, on_progress=end)
    assert ended[0] >= 1  # one of before may still be going
    assert steepest.scan(table).n_read == 4_000_000
    table = open_table(database.url, table="plain")
    parts = table.parts()
    database.end_others()  # whoever keeps the state for the parts
    with refused(errors.DatabaseError, "the connection was lost while blocks 0 to 15 of table"):
        list(parts[0].batches(Reads(("x",))))
    assert steepest.scan(table).n_read == N


def test_a_table_that_is_locked(
    database: Database, monkeypatch: pytest.MonkeyPatch, refused: Any
) -> None:
    table = open_table(database.url, table="plain")
    impatient = open_table(f"{database.url}?options=-c%20lock_timeout%3D100", table="plain")
    monkeypatch.setattr(server, "LOCK_SECONDS", 1)
    database.run("begin", "lock table plain in access exclusive mode")
    try:
        for source in (table, impatient):
            with refused(errors.DatabaseError, "is locked by somebody else", "lock timeout"):
                steepest.scan(source)
        with refused(errors.DatabaseError, "is locked by somebody else"):
            open_table(database.url, query="select * from plain")
    finally:
        database.run("rollback")
    assert steepest.scan(table).n_read == N


def test_a_statement_that_takes_too_long(database: Database, refused: Any) -> None:
    url = f"{database.url}?options=-c%20statement_timeout%3D200"
    with refused(errors.DatabaseError, "gave up", "statement timeout", "statement_timeout=0'"):
        steepest.scan(open_table(url, query=LONG.replace("4000000", "400000000")))


def test_no_room_for_another_connection(
    database: Database, small_parts: None, refused: Any
) -> None:
    database.run("create role steepest_one login password 's3cret' connection limit 1")
    try:
        database.run("grant select on plain to steepest_one")
        host = database.url.rpartition("@")[2]
        url = f"postgresql://steepest_one:s3cret@{host}"
        assert steepest.scan(open_table(url, query="select * from plain")).n_read == N
        with refused(errors.DatabaseError, "no room for one more connection", "one alone: query="):
            steepest.scan(open_table(url, table="plain"))
    finally:
        database.run("drop owned by steepest_one", "drop role steepest_one")


def test_what_a_query_says_besides_is_not_shown(database: Database, capfd: Any) -> None:
    database.run(
        "create function loud(int) returns int language plpgsql as "
        "$$ begin raise notice 'NOTED'; raise warning 'WARNED'; return $1; end $$"
    )
    table = open_table(database.url, query="select loud(g) as x from generate_series(1, 3) g")
    assert steepest.scan(table).mean == [2.0]
    assert capfd.readouterr() == ("", "")


def test_a_table_that_is_altered(database: Database, refused: Any) -> None:
    database.run("create table shifting as select 1 as x, 2 as y")
    table = open_table(database.url, table="shifting")
    database.run("alter table shifting alter x type numeric, drop column y")
    with refused(errors.DatabaseError, "'x' of table 'shifting'", "of another type"):
        steepest.scan(table, columns=["x"])
    with refused(errors.DatabaseError, '"y" does not exist'):
        steepest.scan(table)
    database.run("drop table shifting")
    with refused(errors.DatabaseError, "does not exist"):
        steepest.scan(table)


def test_a_table_that_may_not_be_read(database: Database, refused: Any) -> None:
    database.run(
        "drop role if exists steepest_guest",
        "create role steepest_guest login password 's3cret'",
        "revoke all on plain from public",
    )
    host = database.url.rpartition("@")[2]
    try:
        with refused(errors.DatabaseError, "permission denied for table plain".capitalize()):
            steepest.scan(open_table(f"postgresql://steepest_guest:s3cret@{host}", table="plain"))
    finally:
        database.run("drop role steepest_guest")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_is_interrupted(number: int, code: int, database: Database, tmp_path: Path) -> None:
    query = "select g as x, (select 2.0 from pg_sleep(60)) as y from generate_series(1, 9) g"
    out = tmp_path / "t.moments"
    command = [sys.executable, "-m", "steepest", "scan", database.url, "--query", query, "-o", out]
    running = (
        "select count(*) from pg_stat_activity where query ~ 'pg_sleep' "
        "and pid <> pg_backend_pid() and state = 'active'"
    )
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(600):
            if database.ask(running) == [(1,)]:
                break
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        began = time.monotonic()
        _, err = process.communicate(timeout=30)
        assert time.monotonic() - began < 5
    assert process.returncode == code
    assert "nothing was written" in err
    assert not out.exists()
    for _ in range(50):
        if database.ask(running) == [(0,)]:
            return
        time.sleep(0.1)
    pytest.fail("the server still answers")


# ------------------------------------------------------------------ secrets


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url, own: url.replace(own, "s3cret"), "password authentication failed"),
        (lambda url, own: url.replace("127.0.0.1", "no.such.invalid"), "could not translate"),
        (lambda url, own: url.rpartition(":")[0] + ":1/db", "Connection refused"),
        (lambda url, own: url.rpartition("/")[0] + "/none", '"none" does not exist'),
        (lambda url, own: url + "?sslmode=require", "SSL was required"),
        (lambda url, own: url + "?wrong=1", "invalid URI query parameter"),
        (lambda url, own: url.replace(own, "s3c/ret"), "could be read in two ways"),
        (lambda url, own: url.replace(own, "s3c@ret"), "could be read in two ways"),
        (lambda url, own: url.replace(own, "s3c:ret"), "password authentication failed"),
        (lambda url, own: url.replace(own, "s3cr%et"), "could be read in two ways"),
        (lambda url, own: url.replace(own, "12/s3cret"), "could be read in two ways"),
        (lambda url, own: url.replace(own, "12?s3cret"), "could be read in two ways"),
        (lambda url, own: url.replace(own, "12#s3cret"), "could be read in two ways"),
        (lambda url, own: url.replace(own, "s3c[ret"), "password authentication failed"),
        (lambda url, own: url.replace(f":{own}", "") + "?password=s3cr%et", "***"),
        (lambda url, own: url.replace(f":{own}", "") + "?password=s3cret", "authentication"),
    ],
)
def test_what_is_secret_is_not_told(
    change: Callable[[str, str], str], words: str, database: Database, capsys: Any
) -> None:
    from steepest.faces.cli import run

    own = quote(database.password, safe="")
    url = change(database.url, own)
    with pytest.raises(errors.DatabaseError) as caught:
        open_table(url, table="plain")
    assert run(["fit", url, "--table", "plain", "--target", "y"]) == 1
    told = str(caught.value) + repr(caught.value) + capsys.readouterr().err
    assert words.casefold() in told.casefold()
    for part in (database.password, own, "s3c", "cret", "ret"):
        assert part not in told.replace("secret", "").replace("interpreted", "")


def test_nothing_keeps_the_password(
    database: Database, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from steepest.faces.cli import run

    model, moments = tmp_path / "m.json", tmp_path / "t.moments"
    asked = ["--table", "plain", "--target", "y", "--features", "x"]
    assert run(["fit", database.url, *asked, "-o", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["source"].startswith("table 'plain' of 'steepest_")
    assert run(["fit", database.url, *asked]) == 0
    assert run(["scan", database.url, "--table", "plain", "-o", str(moments)]) == 0
    assert run(["show", str(moments)]) == 0
    assert run(["predict", str(model), database.url, "--table", "plain", "-o", "-"]) == 0
    told = capsys.readouterr()
    table = open_table(database.url, table="plain")
    kept = [told.out, told.err, model.read_text(), moments.read_bytes().decode("latin1"),
            repr(table), repr(table.parts()), str(table.schema())]  # fmt: skip
    bare = database.url.replace(f":{quote(database.password, safe='')}", "")
    monkeypatch.setenv("PGPASSWORD", database.password)
    assert steepest.scan(open_table(bare, table="plain")).n_read == N
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    with pytest.raises(errors.DatabaseError) as caught:
        open_table(bare, table="plain")
    kept.append(str(caught.value))
    for text in kept:
        for secret in (database.password, quote(database.password, safe=""), "s3cret"):
            assert secret not in text


# ------------------------------------------------------------------ connections


def test_connections(database: Database, refused: Any) -> None:
    from adbc_driver_postgresql import dbapi

    expected = steepest.scan(f"{database.url}?table=plain").fingerprint
    with closing(dbapi.connect(database.url)) as own:
        with refused(errors.DatabaseError, "neither a table nor a query of the database"):
            steepest.scan(own)
        for asked in ({"table": "plain"}, {"query": "select * from plain"}):
            table = open_table(own, **asked)
            for _ in range(2):
                assert steepest.scan(table).fingerprint == expected
        with own.cursor() as cursor:
            cursor.execute("create temp table mine as select 1 as x, 3 as y")
            cursor.execute("insert into mine values (2, 5), (3, 7)")
        mine = open_table(own, table="mine")
        assert steepest.fit(mine, target="y").coefficients == {"intercept": 1.0, "x": 2.0}
        reads = open_source(open_table(own, query=LONG)).batches(Reads(("x",)))
        next(reads)
        reads.close()
        with own.cursor() as cursor:  # it may still write
            cursor.execute("insert into mine values (4, 9)")
        assert steepest.scan(mine).n_read == 4
        own.rollback()
    reads = open_table(database.connection, query=LONG).batches(Reads(("x",)))
    next(reads)
    reads.close()
    database.run("create temp table also (x int)", "drop table also")


def test_connections_that_can_give_nothing(database: Database, refused: Any) -> None:
    from adbc_driver_postgresql import dbapi

    with closing(dbapi.connect(database.url)) as own:
        with own.cursor() as cursor, pytest.raises(dbapi.Error):
            cursor.execute("select nothing")
        with refused(errors.DatabaseError, "the database cannot be read", "first rollback"):
            open_table(own, table="plain")
        own.rollback()
        assert steepest.scan(open_table(own, table="plain")).n_read == N
    with refused(errors.DatabaseError, "the database cannot be read"):
        open_table(own, table="plain")


@pytest.mark.parametrize(("encoding", "name"), [("LATIN1", "größe"), ("EUC_JP", "日本")])
def test_text_in_another_encoding(
    encoding: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names and levels are what they are, whatever the server and the user's programs keep to."""
    from adbc_driver_postgresql import dbapi

    how = f"encoding {encoding} template template0 locale 'C'"
    with make_postgresql_database(f"steepest_{encoding.lower()}", how) as (url, _):
        with closing(dbapi.connect(f"{url}?client_encoding=UTF8", autocommit=True)) as writing:
            made = Database(url, writing)
            made.run(f'create table "{name}" (x int, "{name}" text)')
            made.run(f"insert into \"{name}\" values (1, '{name}'), (2, 'x'), (5, '{name}')")
        for autocommit in (True, False):
            with closing(dbapi.connect(url, autocommit=autocommit)) as own:
                for source in (url, f"{url}?client_encoding={encoding}", own):
                    found = steepest.scan(open_table(source, table=name))
                    assert found.levels(name) == {name: 2, "x": 1}
                query = "select current_setting('client_encoding')"
                assert Database(url, own).ask(query) == [(encoding,)]
        monkeypatch.setenv("PGCLIENTENCODING", encoding)
        assert steepest.scan(f"{url}?table={quote(name)}").levels(name) == {name: 2, "x": 1}


def test_a_connection_to_something_else(refused: Any) -> None:
    class Connection:
        def adbc_get_info(self) -> dict[str, str]:
            return {"vendor_name": "SQLite"}

    Connection.__module__ = "adbc_driver_manager.dbapi"
    with refused(errors.DatabaseError, "a connection to SQLite is not read"):
        open_table(Connection(), table="t")


MEMORY = """
import resource, sys, steepest
from steepest import open_table
steepest.scan(open_table(sys.argv[1], query="select 1 as x, 2.0 as y"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = steepest.scan(open_table(sys.argv[1], **{sys.argv[2]: sys.argv[3]}))
print(found.n_read, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.exhaustive
def test_memory_is_bounded(database: Database) -> None:
    database.run(
        "create table long as select g::int8 as a, g / 8.0::float8 as b, g * 1.25 as c, "
        "sqrt(g) as d, 'city ' || g % 100 as city from generate_series(1, 2000000) g",
        "analyze long",
    )
    for asked in (("table", "long"), ("query", "select * from long")):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, database.url, *asked],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        read, more = map(int, done.stdout.split())
        assert read == 2_000_000
        assert more < 150_000  # kB
