"""Tables and queries of SQLite and DuckDB."""

from __future__ import annotations

import gc
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import strategies as st
from tests.tiers import law

import steepest
from steepest import errors, open_table
from steepest.data import sqlite
from steepest.data.selection import quote_name
from steepest.data.table import Reads

N = 25_000
ROWS = [
    (i / 8, 2**53 + i, None if i % 5 == 0 else i % 7, f"level {i % 3}", "2024-01-01")
    for i in range(N)
]
NAMES = ("x", "whole", "gap", 'c "q"; drop table t', "order")
TABLE = pa.table([list(column) for column in zip(*ROWS, strict=True)], names=list(NAMES))
CREATE = f"""create table "the table" ({
    ", ".join(
        quote_name(name) + " " + kind
        for name, kind in zip(
            NAMES, ("double", "bigint", "integer", "varchar", "varchar"), strict=True
        )
    )
})"""


def make_sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as con, con:
        con.execute(CREATE)
        con.executemany('insert into "the table" values (?, ?, ?, ?, ?)', ROWS)


def make_duckdb(path: Path) -> None:
    with duckdb.connect(str(path)) as con:
        con.execute(CREATE)
        con.register("held", TABLE)
        con.execute('insert into "the table" select * from held')


MAKERS: dict[str, Callable[[Path], None]] = {"sqlite": make_sqlite, "duckdb": make_duckdb}
CONNECT: dict[str, Callable[[str], Any]] = {"sqlite": sqlite3.connect, "duckdb": duckdb.connect}


@pytest.fixture(params=MAKERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(kind: str, tmp_path: Path) -> Path:
    place = tmp_path / f"a b?%41.{kind}"  # a name that a URL has to quote
    MAKERS[kind](place)
    return place


@pytest.fixture
def url(kind: str, path: Path) -> str:
    from urllib.parse import quote

    return f"{kind}:///{quote(str(path))}"


def test_a_table_and_a_query(url: str) -> None:
    expected = steepest.scan(TABLE)
    query = 'select * from "the table"'
    for source in (
        open_table(url, table="the table"),
        open_table(url, query=query),
        f"{url}?table=the+table",
        f"{url}?query={query}",
    ):
        moments = steepest.scan(source)
        assert moments.names == expected.names
        assert moments.fingerprint == expected.fingerprint
        assert steepest.scan(source, columns=["gap", NAMES[3]]).n_read == N


def test_connections(kind: str, path: Path) -> None:
    with closing(CONNECT[kind](str(path))) as con:
        for options in ({"table": "the table"}, {"query": 'select * from "the table"'}):
            table = open_table(con, **options)
            for _ in range(2):
                assert steepest.scan(table).fingerprint == steepest.scan(TABLE).fingerprint
            with ThreadPoolExecutor(2) as executor:  # SQLite's may not leave their thread
                assert steepest.scan(table, executor=executor).n_read == N
        con.execute('delete from "the table" where x > 5')  # it is as it was
        assert steepest.scan(open_table(con, table="the table")).n_read == 41


def test_a_fit_and_its_predictions(url: str) -> None:
    table = open_table(url, query='select x, 2 * x + 1 as y from "the table"')
    model = steepest.fit(table, target="y")
    assert model.coefficients == {"intercept": 1.0, "x": 2.0}
    assert model.predict(table) == pytest.approx([2 * row[0] + 1 for row in ROWS])
    with pytest.warns(steepest.SteepestWarning, match="a pass of its own"):
        spline = steepest.fit(table, formula="y ~ spline(x, 3)")
    assert spline.rows.used == N


def test_the_command_line(url: str, capsys: Any) -> None:
    from steepest.faces.cli import run

    chosen = ["--target", "whole", "--features", "x", "--json"]
    assert run(["fit", f"{url}?table=the+table", *chosen]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["coefficients"][1]["value"] == 8.0
    assert found["source"].startswith("table 'the table' of '")


def test_flags_of_the_command_line(url: str, tmp_path: Path, capsys: Any, write: Any) -> None:
    from steepest.faces.cli import run

    query = 'select x, 2 * x + 1 as y from "the table"'
    model, moments = str(tmp_path / "m.json"), str(tmp_path / "t.moments")
    assert run(["fit", url, "--query", query, "--target", "y", "-o", model]) == 0
    assert run(["descend", url, "--query", query, "--target", "y", "--epochs", "3"]) == 0
    assert run(["scan", url, "--table", "the table", "-o", moments]) == 0
    assert steepest.load(moments).fingerprint == steepest.scan(TABLE).fingerprint
    capsys.readouterr()
    assert run(["predict", model, url, "--query", query, "--keep", "y"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == N + 1
    assert lines[-1].split(",")[0] == str(2 * (N - 1) / 8 + 1)
    csv = write("t.csv", "x,y\n1,2\n2,3\n")
    for asked, words in (
        ([url, "--table", "nothing"], "there is no table 'nothing'"),
        ([url, "--table", "the table", "--query", query], "a table and a query"),
        ([url, csv, "--table", "the table"], "stands among several sources"),
        ([csv, "--query", query], "for what is no database"),
    ):
        assert run(["fit", *asked, "--target", "y"]) == 1
        assert words in capsys.readouterr().err


# ------------------------------------------------------------------ what is refused


def test_no_such_table(url: str, refused: Any) -> None:
    for name in ("the_table", "x'; drop table t; --", "/etc/passwd", ""):
        with refused(errors.DatabaseError, f"there is no table '{name}'", "'the table'"):
            open_table(url, table=name)


def test_tables_of_other_schemas(tmp_path: Path, refused: Any) -> None:
    with duckdb.connect(str(tmp_path / "o.duckdb")) as con:
        con.execute("create table apart as select 4 as x")
    with duckdb.connect(str(tmp_path / "t.duckdb")) as con:
        con.execute('create schema s; create schema "o.dd"')
        for name, value in {"t": 1, "s.t": 2, '"o.dd"."a"".b"': 3, "s.only": 5}.items():
            con.execute(f"create table {name} as select {value} as x")
    url = f"duckdb:///{tmp_path}/t.duckdb"
    expected = {"t": 1, "main.t": 1, "s.t": 2, 'o.dd.a".b': 3, "s.only": 5}
    for name, value in expected.items():
        assert steepest.scan(open_table(url, table=name)).mean == [value]
    with duckdb.connect(str(tmp_path / "t.duckdb")) as con:
        con.execute(f"attach '{tmp_path}/o.duckdb' as o; create temp table t as select 6 as x")
        for name, value in (expected | {"t": 6, "temp.t": 6, "o.apart": 4}).items():
            assert steepest.scan(open_table(con, table=name)).mean == [value]
    with pytest.raises(errors.SourceError, match="already been closed"):
        open_table(con, table="t")
    with refused(errors.DatabaseError, "there is no table 'only'", "did you mean 's.only'?"):
        open_table(url, table="only")
    with refused(errors.DatabaseError, """It has 'o.dd.a".b', 's.only', 's.t' and 't'."""):
        open_table(url)


def test_tables_that_are_attached(tmp_path: Path, refused: Any) -> None:
    with closing(sqlite3.connect(tmp_path / "o.db")) as con, con:
        con.execute("create table apart as select 4 as x")
        con.execute("create table t as select 5 as x")
    with closing(sqlite3.connect(tmp_path / "t.db")) as con:
        con.execute("create table t as select 1 as x")
        con.execute("attach ? as 'o.dd'", [str(tmp_path / "o.db")])
        expected = {"t": 1, "main.t": 1, "apart": 4, "o.dd.apart": 4, "o.dd.t": 5}
        for name, value in expected.items():
            assert steepest.scan(open_table(con, table=name)).mean == [value]
        con.execute("create temp table t as select 6 as x")
        for name, value in (expected | {"t": 6, "temp.t": 6}).items():
            assert steepest.scan(open_table(con, table=name)).mean == [value]
        with refused(errors.DatabaseError, "It has 'apart', 'main.t', 'o.dd.t' and 't'."):
            open_table(con)


def test_a_refusal_leaves_nothing_open(tmp_path: Path) -> None:
    """Not even where nobody clears up behind Python: others may write again."""
    place = str(tmp_path / "t.duckdb")
    with duckdb.connect(place) as con:
        con.execute("create table t (x uhugeint)")
        con.execute(f"insert into t values (1), ({2**127})")
    gc.disable()
    try:
        for columns in (["x"], ["y"], None):
            for options in ({"table": "t"}, {"query": "select * from t"}, {"query": "select no"}):
                with pytest.raises(errors.SteepestError):
                    steepest.scan(open_table(f"duckdb:///{place}", **options), columns=columns)
                duckdb.connect(place).close()
    finally:
        gc.enable()


def test_nothing_or_too_much_is_asked(url: str, refused: Any) -> None:
    with refused(errors.DatabaseError, "neither a table nor a query", "'the table'"):
        steepest.scan(url)
    with refused(errors.DatabaseError, "a table and a query"):
        open_table(url, table="the table", query="select 1")
    with refused(errors.OptionError, "delimiter=';'", "a database"):
        open_table(url, delimiter=";", table="the table")


def test_a_connection_alone(kind: str, path: Path, refused: Any) -> None:
    words = "neither a table nor a query of the database"
    with closing(CONNECT[kind](str(path))) as con, refused(errors.DatabaseError, words):
        steepest.scan(con)


@pytest.mark.parametrize(
    "query",
    [
        'delete from "the table"',
        'drop table "the table"',
        'select 1 as x; drop table "the table"',
        "create table more as select 1 as x",
        'insert into "the table" select * from "the table"',
        "attach 'other.db' as other",
        "select nothing from nowhere",
        'with held as (select 1) delete from "the table"',
        "/* select */ -- with\nvacuum",
        "pragma journal_mode = off",
        "no sql at all",
        "",
    ],
)
@pytest.mark.parametrize("given", ["url", "connection"])
def test_what_is_no_select(given: str, query: str, kind: str, path: Path, url: str) -> None:
    before = path.read_bytes()
    with closing(CONNECT[kind](str(path)) if given == "connection" else closing_nothing()) as con:
        source = con if given == "connection" else url
        with pytest.raises(errors.SourceError) as caught:
            steepest.scan(open_table(source, query=query))
        assert "Hint:" in str(caught.value)
        if given == "connection":
            assert con.execute('select count(*) from "the table"').fetchall()[0][0] == N
    if kind == "sqlite" or given == "url":
        assert path.read_bytes() == before
    assert not Path("other.db").exists()


class closing_nothing:  # noqa: N801
    def close(self) -> None:
        """There is nothing."""


def test_a_query_stays_within_its_database(tmp_path: Path, write: Any) -> None:
    make_duckdb(tmp_path / "t.duckdb")
    other = write("secret.csv", "x\n1\n")
    held = pa.table({"x": [1.0]})
    assert held.num_rows == 1
    for query in (f"select * from '{other}'", f"select * from read_csv('{other}')",
                  "select * from held"):  # fmt: skip
        with pytest.raises(errors.SourceError):
            open_table(f"duckdb:///{tmp_path}/t.duckdb", query=query)


def test_what_ends_a_query(url: str) -> None:
    for query in (
        'select x from "the table"; -- all; of it',
        "select x from \"the table\" where ';' <> ';;' /* ; */ ; /* it's */ -- ;",
    ):
        assert steepest.scan(open_table(url, query=query)).n_read == N


def test_a_column_twice_in_a_query(url: str, refused: Any) -> None:
    with refused(errors.ColumnNameError, "'x' stands 2 times in the query of"):
        steepest.scan(open_table(url, query="select 1 as x, 2 as x"))


def test_names_that_duckdb_does_not_tell_apart(refused: Any) -> None:
    """It would number them, and call the second column of a query by a name of its own."""
    relation = duckdb.sql('select 1 as x, 2 as "X"')
    with refused(errors.ColumnNameError, "'X' stands 2 times in the relation"):
        steepest.scan(relation)


def test_no_rows(url: str, refused: Any) -> None:
    with refused(errors.EmptySourceError, "no data rows"):
        steepest.scan(open_table(url, query='select x from "the table" where x < 0'))


def test_text_among_numbers(tmp_path: Path, refused: Any) -> None:
    with closing(sqlite3.connect(tmp_path / "t.db")) as con:
        con.execute("create table t (x)")
        con.executemany("insert into t values (?)", [(1,), (2.5,), (None,), ("oops",)])
        with refused(
            errors.ColumnKindError, "'x' of table 't'", "row 1 has 1, and row 4 has 'oops'"
        ):
            steepest.scan(open_table(con, table="t"))
        con.execute("delete from t where x = 'oops'")
        assert steepest.scan(open_table(con, table="t")).mean == [1.75]


def test_a_failure_in_the_middle(url: str, kind: str) -> None:
    query = {
        "sqlite": "select abs(case when x > 3000 then -9223372036854775807 - 1 else 1 end) as y "
        'from "the table"',
        "duckdb": "select (case when x > 3000 then c else '1' end)::int as y from "
        f'(select x, {quote_name(NAMES[3])} as c from "the table")',
    }[kind]
    with pytest.raises(errors.SourceError, match=r"the query of .* cannot be read to its end"):
        steepest.scan(open_table(url, query=query))


@pytest.mark.parametrize("kind", MAKERS)
def test_files_that_are_no_databases(kind: str, write: Any, tmp_path: Path, refused: Any) -> None:
    path = write("t.db", b"garbage " * 1_000)
    with pytest.raises(errors.SourceError, match=r"t\.db' cannot be"):
        steepest.scan(f"{kind}:///{path}?table=t")
    with refused(errors.SourceNotFoundError, f"there is no file '{tmp_path}/no.db'"):
        steepest.scan(f"{kind}:///{tmp_path}/no.db?table=t")
    assert not (tmp_path / "no.db").exists()


@pytest.mark.parametrize(
    "url", ["redis://key:s3cret@bucket/t",
            "sqlite://me:s3cret@host/t.db?table=t", "mysql+x://u:s3cret@h/d",
            "jdbc:postgresql://h/d?user=u&password=s3cret", "postgresql:/u:s3cret@h/d",
            "postgres:u:s3cret@h/d", "host=h dbname=d password=s3cret", "duckdb://", "sqlite:///"]
)  # fmt: skip
def test_other_urls_are_refused_and_not_repeated(url: str, refused: Any) -> None:
    for source in (url, [url]):
        with refused(errors.DatabaseError, "://") as _:
            steepest.scan(source)
        with pytest.raises(errors.DatabaseError) as caught:
            steepest.scan(source)
        assert "s3cret" not in str(caught.value)
    with refused(errors.DatabaseError, "://"):
        open_table(url, table="t")


def test_options_of_a_url(url: str, refused: Any) -> None:
    """One that is not known may have been a word for what is wanted, or hold a secret."""
    assert steepest.scan(f"{url}?table=the+table&mode=ro").n_read == N
    for option in ("tabel=the+table", "table=the+table&key=s3cret", "table=the+table&mode=rw"):
        name = option.rpartition("&")[2].partition("=")[0]
        with refused(errors.DatabaseError, "options that", "has not", name):
            steepest.scan(f"{url}?{option}")
        with pytest.raises(errors.DatabaseError) as caught:
            steepest.scan(f"{url}?{option}")
        assert "s3cret" not in str(caught.value)


def test_a_url_that_names_its_driver(url: str, kind: str) -> None:
    found = steepest.scan(url.replace(kind, f"{kind}+driver", 1) + "?table=the table")
    assert found.n_read == N


def test_files_with_names_like_urls(write: Any, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("sqlite:homes.csv", "password=1.csv"):
        write(name, "x\n1\n")
        assert steepest.scan(name).n_read == 1


@pytest.mark.parametrize("package", ["psycopg2", "sqlalchemy"])
def test_connections_of_other_libraries(package: str, refused: Any) -> None:
    members = {"__module__": f"{package}.base", "cursor": None, "commit": None}
    own = type("Connection", (), members if package == "psycopg2" else {"__module__": package})()
    for asked in ({}, {"table": "homes"}, {"query": "select 1 as x"}):
        with refused(errors.DatabaseError, f"a connection of {package} is not read"):
            steepest.scan(open_table(own, **asked))


def test_the_file_of_a_database_by_its_name(path: Path, kind: str, refused: Any) -> None:
    place = path.rename(path.with_name("homes." + {"sqlite": "db"}.get(kind, kind)))
    for options in ({}, {"table": "the table"}, {"query": "select 1"}):
        with refused(errors.SourceError, "is a file of a database", f"'{kind}:///"):
            open_table(place, **options)


def test_a_database_among_files(url: str, write: Any, refused: Any) -> None:
    with refused(errors.DatabaseError, "a database stands among several sources"):
        steepest.scan([url, write("t.csv", "x\n1\n")])


def test_a_table_of_what_is_no_database(write: Any, refused: Any) -> None:
    with refused(errors.OptionError, "table='t'", "no database"):
        open_table(write("t.csv", "x\n1\n"), table="t")


# ------------------------------------------------------------------ exact or refused


WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(2**53 - 2, 2**53 + 3)
REAL = st.floats(allow_nan=False, allow_infinity=False)


@law(st.lists(st.none() | WHOLE | REAL, min_size=1, max_size=40), few=40, many=2_000)
def test_whole_numbers_beside_fractions(cells: list[float | None]) -> None:
    """Each is what it is, whatever else its column holds, and whichever batch it is in."""
    held = [Fraction(cell) for cell in cells if cell is not None]
    for rows in (3, 10_000):
        with closing(sqlite3.connect(":memory:")) as con, pytest.MonkeyPatch.context() as patch:
            patch.setattr(sqlite, "FETCHED_ROWS", rows)
            con.execute("create table t (x, y)")
            con.executemany("insert into t values (?, 1)", [(cell,) for cell in cells])
            table = open_table(con, table="t")
            if not held:
                assert "x" in steepest.scan(table).left_out
                continue
            found = steepest.scan(table, columns=["x"])
            assert found.n_read - found.n_rows == len(cells) - len(held)
            assert found.mean[0] == float(sum(held) / len(held))


def test_lists_of_whole_numbers_beside_fractions(refused: Any) -> None:
    large = 2**53 + 1
    for values in ([0.5, large], (large, 0.5), [0.5, -large, 1.0]):
        with refused(errors.SourceError, "is no double"):
            steepest.scan({"x": values})
    assert steepest.scan({"x": [0.5, large - 1, 2**60]}).n_read == 3


@pytest.mark.parametrize("given", ["url", "connection"])
def test_a_cell_of_another_kind_late(given: str, tmp_path: Path, refused: Any) -> None:
    """What a column holds shows in its first rows; what does not fit is told with its row."""
    late = 25_004
    cells: dict[str, tuple[Any, Any, str]] = {
        "text": (1.5, "oops", f"row {late:,} has 'oops'"),
        "blob": (1.5, b"oops", f"row {late:,} has a blob of 4 bytes"),
        "number": ("a", 7, f"row {late:,} has 7"),
    }
    with closing(sqlite3.connect(tmp_path / "t.db", isolation_level=None)) as con:
        for name, (first, other, _) in cells.items():
            con.execute(f"create table {name} (x)")
            rows = [(first,)] * (late - 1) + [(other,), (None,)]
            con.execute("begin")
            con.executemany(f"insert into {name} values (?)", rows)
            con.execute("commit")
        source = con if given == "connection" else f"sqlite:///{tmp_path}/t.db"
        for name, (first, _, words) in cells.items():
            with refused(errors.ColumnKindError, "column 'x'", words):
                steepest.scan(open_table(source, table=name), columns=["x"])
            con.execute(f"insert into {name} values (?)", [first])
            con.execute(f"delete from {name} where rowid = {late}")
            found = steepest.scan(open_table(source, table=name), columns=["x"])
            assert found.n_read == late + 1
        con.execute("create table blobs (x real, b)")
        con.executemany("insert into blobs values (?, ?)", [(1, b"\0"), (2, None)])
        found = steepest.scan(open_table(source, table="blobs"))
        assert found.left_out == {"b": "it has type binary"}


@pytest.mark.parametrize(
    ("cell", "error"), [(9e999, errors.ValueFoundError), ("a", errors.ColumnKindError)]
)
def test_a_connection_is_as_it_was_when_an_error_is_kept(
    cell: Any, error: type[Exception], tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "t.db")) as con:
        con.execute("create table t (x)")
        con.executemany("insert into t values (?)", [(1,), (cell,)])
        con.commit()
        with pytest.raises(error) as kept:
            steepest.scan(open_table(con, table="t"))
        con.execute("insert into t values (2)")
        assert "row 2" in str(kept.value)


def test_columns_of_no_kind_that_nobody_asks_for(tmp_path: Path, refused: Any) -> None:
    with closing(sqlite3.connect(tmp_path / "t.db", isolation_level=None)) as con:
        con.execute("create table t (x, a, b)")
        cells = [(1, b"0", 1), (2, "u", None), (4, None, "late")]
        con.executemany("insert into t values (?, ?, ?)", cells)
        for source in (con, f"sqlite:///{tmp_path}/t.db"):
            table = open_table(source, table="t")
            assert steepest.scan(table, columns=["x"]).mean == [7 / 3]
            for columns in (["x", "b"], None):
                with refused(errors.ColumnKindError, "'b' of", "row 1 has 1, and row 3 has 'late'"):
                    steepest.scan(table, columns=columns)


def test_a_file_of_sqlite_as_one_of_duckdb(tmp_path: Path) -> None:
    """DuckDB would fetch an extension for it."""
    make_sqlite(tmp_path / "t.db")
    with pytest.raises(errors.DatabaseError, match="cannot be opened") as caught:
        steepest.scan(f"duckdb:///{tmp_path}/t.db?table=the table")
    assert "download" not in str(caught.value)


@pytest.mark.parametrize("factory", [bytes, bytearray, lambda text: text.decode("latin1")])
def test_text_that_a_connection_gives_otherwise(factory: Any) -> None:
    with closing(sqlite3.connect(":memory:")) as con:
        con.execute("create table t (x real, s text)")
        con.executemany("insert into t values (?, ?)", [(1, "a"), (2, "b"), (4, "a")])
        con.text_factory = factory
        for asked in ({"table": "t"}, {"query": "select * from t"}):
            assert steepest.scan(open_table(con, **asked)).levels("s") == {"a": 2, "b": 1}
        assert con.text_factory is factory


def test_a_text_that_is_not_utf8(tmp_path: Path, refused: Any) -> None:
    with closing(sqlite3.connect(tmp_path / "t.db", isolation_level=None)) as con:
        con.execute("create table t (x real, s text)")
        con.execute("begin")
        con.executemany("insert into t values (?, 'fine')", [(i,) for i in range(12_345)])
        con.execute("insert into t values (0, cast(x'ff41' as text))")
        con.execute("commit")
        for source in (con, f"sqlite:///{tmp_path}/t.db"):
            with refused(errors.SourceError, "Column 's' is not UTF-8 in row 12,346"):
                steepest.scan(open_table(source, table="t"))
            asked = open_table(source, query="select x from t")
            assert steepest.scan(asked).n_read == 12_346


def test_a_place_that_is_no_file(kind: str, tmp_path: Path, refused: Any) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with refused(errors.SourceError, "is not a regular file"):
            steepest.scan(f"{kind}:///{tmp_path}/{name}?table=t")


def test_wide_numbers_of_duckdb(refused: Any) -> None:
    with duckdb.connect() as con:
        query = (
            "select (i::hugeint * 100000000000000000000000000 - 7)::hugeint as h, "
            "(i * 1.0000000001)::decimal(38, 10) as d, i::uhugeint + (2^100)::uhugeint as u "
            "from range(1000) t(i)"
        )
        rows = con.sql(query).fetchall()
        wide = [pa.array([row[i] for row in rows], kind) for i, kind in enumerate(
            (pa.decimal128(38, 0), pa.decimal128(38, 10), pa.decimal128(38, 0)))]  # fmt: skip
        expected = steepest.scan(pa.table(wide, names=["h", "d", "u"]))
        for source in (open_table(con, query=query), con.sql(query)):
            assert steepest.scan(source).fingerprint == expected.fingerprint
        table = open_table(con, query="select 170141183460469231731687303715884105728::uhugeint x")
        with refused(errors.SourceError, 'column "x" holds a whole number of 2^127 or more'):
            steepest.scan(table)
        for kind in ("date", "timestamp", "timestamp_ns", "timestamptz"):
            table = open_table(con, query=f'select 1 as x, \'-infinity\'::{kind} as "t\'""u"')
            assert steepest.scan(table).n_read == 1
            with refused(errors.SourceError, "holds a time that is infinite"):
                list(table.batches(Reads(times=("t'\"u",))))


# ------------------------------------------------------------------ others are there too


def test_a_database_that_somebody_writes_to(
    tmp_path: Path, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_sqlite(tmp_path / "t.db")
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(tmp_path / "t.db", isolation_level=None)) as other:
        other.execute("begin exclusive")
        with refused(errors.DatabaseError, "is locked by somebody else", "run it again"):
            steepest.scan(f"sqlite:///{tmp_path}/t.db?table=the+table")
        other.execute("rollback")
        assert steepest.scan(f"sqlite:///{tmp_path}/t.db?table=the+table").n_read == N
    place = str(tmp_path / "d.db")
    script = f"import duckdb, time; c = duckdb.connect({place!r}); print(); time.sleep(60)"
    make_duckdb(tmp_path / "d.db")
    with subprocess.Popen([sys.executable, "-uc", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with refused(errors.DatabaseError, "cannot be opened", "nobody writes to it"):
            steepest.scan(f"duckdb:///{tmp_path}/d.db?table=the+table")
        process.kill()


def test_two_answers(url: str, refused: Any) -> None:
    with refused(errors.DatabaseError, "is not one statement that gives rows"):
        steepest.scan(open_table(url, query="select 1 as x; select 2 as x"))


ENDLESS = {
    "sqlite": "with recursive r(i) as (select 1 union all select i + 1 from r) "
    "select sum(i) as x, 1 as y from r",
    "duckdb": "select sum(hash(a.i + b.i)) as x, 1 as y "
    "from range(1000000) a(i), range(1000000) b(i)",
}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_is_interrupted(number: int, code: int, kind: str, url: str, tmp_path: Path) -> None:
    out = tmp_path / "t.moments"
    command = [sys.executable, "-m", "steepest", "scan", url, "--query", ENDLESS[kind], "-o", out]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(600):  # until it computes
            used = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            if int(used[11]) > 100:
                break
            time.sleep(0.05)
        process.send_signal(number)
        began = time.monotonic()
        _, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 25
    assert process.returncode == code
    assert "nothing was written" in err
    assert not out.exists()
