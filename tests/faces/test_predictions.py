"""Predictions for rows that no fit has seen, with the columns that tell which is which."""

from __future__ import annotations

import csv
import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

import steepest
from steepest.data.table import Reads
from steepest.errors import ColumnNotFoundError, OptionError, SteepestWarning, ValueFoundError
from steepest.faces.predictions import defuse

TRAIN = {
    "x": [1.0, 2.0, 3.0, 4.0, 5.0, 7.0],
    "city": ["a", "b", "a", "b", "c", "c"],
    "y": [3.0, 6.0, 7.0, 10.0, 18.0, 22.0],
}
NEW = {
    "id": ["007", "=1+2", "NA", 'say "hi", x', "-5"],
    "x": [1.0, 2.0, np.nan, 4.0, 5.0],
    "city": ["a", "z", "b", None, "z"],
}


@pytest.fixture
def model() -> steepest.Model:
    return steepest.fit(TRAIN, target="y")


@pytest.fixture
def saved(model: steepest.Model, tmp_path: Path, monkeypatch: Any) -> Path:
    monkeypatch.chdir(tmp_path)
    model.save("m.json")
    pd.DataFrame(NEW).to_csv("new.csv", index=False)
    pa.parquet.write_table(pa.table(NEW), "new.parquet")
    return tmp_path


def expected(model: steepest.Model, unseen: str) -> list[float]:
    """By hand: the intercept, the slope, and the level where it is known."""
    c = model.coefficients
    z = {"null": np.nan, "reference": 0.0}[unseen]
    effect = {"a": 0.0, "b": c["city[b]"], "c": c["city[c]"], "z": z, None: np.nan}
    return [
        c["intercept"] + c["x"] * x + effect[city]
        for x, city in zip(NEW["x"], NEW["city"], strict=True)
    ]


@pytest.mark.parametrize("unseen", ["null", "reference"])
def test_unseen_levels(model: steepest.Model, unseen: str) -> None:
    with pytest.warns(SteepestWarning, match="not seen .* rows by column: 'city' 2"):
        found = model.predict(NEW, unseen=unseen)
    assert found == pytest.approx(expected(model, unseen), rel=1e-15, nan_ok=True)


def test_unseen_levels_are_refused_by_default(model: steepest.Model) -> None:
    with pytest.raises(ValueFoundError, match="'z' in row 2"):
        model.predict(NEW)
    with pytest.raises(OptionError, match="'refuse', 'null' or 'reference'"):
        model.predict(NEW, unseen="ignore")


@pytest.mark.parametrize(("column", "row"), [("x", 3), ("city", 4)])
def test_nulls_are_refused_when_strict(model: steepest.Model, column: str, row: int) -> None:
    table = {name: list(values) for name, values in NEW.items()}
    table["city"] = ["a", "b", "a", "b", "c"]
    table["x"] = [1.0] * 5
    assert not np.isnan(model.predict(table, strict=True)).any()
    table[column][row - 1] = None
    with pytest.raises(ValueFoundError, match=f"'{column}' of .* is null in row {row}"):
        model.predict(table, strict=True)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_infinities_are_refused(form: str, saved: Path, cli: Any) -> None:
    """Where they stand, as in a fit, and before anything is written."""
    table = {"x": [1.0, 2.0, math.inf], "city": ["a", "b", "a"], "y": [1.0, 2.0, 3.0]}
    path = Path(f"far.{form}")
    if form == "csv":
        path.write_text("x,city,y\n1,a,1\n2,b,2\n1e400,a,3\n")
    else:
        pa.parquet.write_table(pa.table(table), path)
    words = "holds inf in row 3" + (": line 4 has '1e400'" if form == "csv" else ".")
    for command in (("predict", "m.json", path, "-o", "out.csv"), ("score", "m.json", path)):
        ran = cli(*command)
        assert (ran.code, ran.out) == (1, "")
        assert f"column 'x' of '{path}' {words}" in ran.err
    assert not Path("out.csv").exists()
    loaded = steepest.load("m.json")
    with pytest.raises(ValueFoundError, match="'x' of the table holds inf in row 3"):
        loaded.predict(table)
    table |= {"x": [1.0, 2.0, 3.0], "y": [1.0, -math.inf, 3.0]}
    with pytest.raises(ValueFoundError, match="'y' of the table holds -inf in row 2"):
        loaded.score(table)


def test_what_was_left_out_is_told(saved: Path, cli: Any) -> None:
    Path("a.csv").write_text("x,city,y\n1,a,1\n2,b\n2,b,2\n,b,2\n")
    Path("b.csv").write_text("")
    said = ("[ab].csv", "--skip-empty", "--ragged", "drop")
    for command in ("predict", "score"):
        told = cli(command, "m.json", *said).err.splitlines()
        assert "note: 1 record with a field too few or too many was left out." in told
        assert "note: 1 file of 0 bytes passed over: 'b.csv'." in told
    assert "note: 1 of 3 predictions is null" in cli("predict", "m.json", *said).err
    source = steepest.open_table("a.csv", ragged="drop")
    with pytest.warns(SteepestWarning, match="1 record with a field too few or too many"):
        assert len(steepest.load("m.json").predict(source)) == 3


@pytest.mark.parametrize("source", ["new.csv", "new.parquet"])
def test_keys_are_kept(saved: Path, cli: Any, source: str) -> None:
    arguments = ("predict", "m.json", source, "--keep", "id", "--unseen", "null")
    ran = cli(*arguments, "-o", "out.csv")
    assert ran.code == 0, ran.err
    assert "rows by column: 'city' 2" in ran.err
    assert "4 of 5 predictions are null" in ran.err
    with Path("out.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["id", "prediction"]
    assert [row[0] for row in rows[1:]] == ["007", "'=1+2", "NA", 'say "hi", x', "-5"]
    ran = cli(*arguments, "-o", "out.parquet", "--quiet")
    assert (ran.code, ran.err) == (0, "")
    table = pa.parquet.read_table("out.parquet")
    kept = NEW["id"] if source == "new.parquet" else [v if v != "NA" else None for v in NEW["id"]]
    assert table["id"].to_pylist() == kept
    assert cli(*arguments, "--raw", "--quiet").out.splitlines()[2].startswith("=1+2,")


def test_any_type_is_kept(saved: Path, cli: Any) -> None:
    stamps = pd.date_range("2026-01-31", periods=5, tz="UTC")
    table = pa.table({**NEW, "city": ["a"] * 5, "n": [2**63 - 1, -1, 0, 1, None], "t": stamps,
                      "b": [True, False, None, True, True]})  # fmt: skip
    pa.parquet.write_table(table, "all.parquet", row_group_size=2)
    ran = cli("predict", "m.json", "all.parquet", "--keep", "n,t,b,city", "-o", "out.parquet")
    assert ran.code == 0, ran.err
    found = pa.parquet.read_table("out.parquet")
    assert found.drop_columns("prediction").equals(table.select(["n", "t", "b", "city"]))
    lines = cli("predict", "m.json", "all.parquet", "--keep", "n,b", "--quiet").out.splitlines()
    assert lines[0] == "n,b,prediction"
    assert lines[1].startswith("9223372036854775807,true,")
    assert lines[5].startswith("NA,true,")


LATE = {
    "text": (None, "u", pa.string()),
    "fraction": (1, 2.5, pa.float64()),
    "bytes": (None, b"u", pa.binary()),
    "both": (0.5, 2**62 + 1, None),
}


@pytest.mark.parametrize("name", LATE)
def test_types_that_show_late(name: str, saved: Path, cli: Any) -> None:
    """SQLite's cells may be anything; Parquet's have one type in all rows."""
    first, late, kind = LATE[name]
    cells = [first] * 20_000 + [late] * 3
    with closing(sqlite3.connect("t.db")) as con, con:
        con.execute("create table t (x real, city text, kept)")
        con.executemany("insert into t values (?, 'a', ?)", [(i, v) for i, v in enumerate(cells)])
    ran = cli(
        "predict", "m.json", "sqlite:///t.db", "--table", "t", "--keep", "kept", "-o", "o.csv"
    )
    assert ran.code == 0, ran.err
    arguments = ("sqlite:///t.db", "--table", "t", "--keep", "kept", "-o", "o.parquet")
    ran = cli("predict", "m.json", *arguments)
    if kind is None:
        assert ran.code == 1
        assert "'kept' cannot be written to Parquet: it is double in some rows and int64" in ran.err
        assert not Path("o.parquet").exists()
    else:
        assert ran.code == 0, ran.err
        found = pa.parquet.read_table("o.parquet")
        assert found["kept"].type == kind
        assert found["kept"].to_pylist() == cells
        x = np.loadtxt("o.csv", delimiter=",", skiprows=1, usecols=1)
        assert found["prediction"].to_numpy() == pytest.approx(x)
    assert not list(saved.glob(".*"))


def test_a_type_that_parquet_does_not_have(saved: Path, cli: Any) -> None:
    spans = pa.array([pa.MonthDayNano([0, i, 0]) for i in range(5)])
    table = pa.table({**NEW, "city": ["a"] * 5, "span": spans})
    with pa.ipc.new_file("t.arrow", table.schema) as writer:
        writer.write_table(table)
    ran = cli("predict", "m.json", "t.arrow", "--keep", "id,span", "-o", "out.parquet")
    assert ran.code == 1
    assert "column 'span' cannot be written to Parquet: it is month_day_nano_interval" in ran.err
    assert cli("predict", "m.json", "t.arrow", "--keep", "id,span", "-o", "out.csv").code == 0


def test_what_cannot_be_kept(saved: Path, cli: Any) -> None:
    ran = cli("predict", "m.json", "new.csv", "--keep", "key")
    assert ran.code == 1
    assert "kept column 'key' is not in 'new.csv'" in ran.err
    pd.DataFrame({**NEW, "prediction": 1}).to_csv("again.csv", index=False)
    ran = cli("predict", "m.json", "again.csv", "--keep", "prediction", "-o", "out.csv")
    assert ran.code == 1
    assert "'prediction' stands 2 times" in ran.err
    assert not Path("out.csv").exists()


def test_no_rows(saved: Path, cli: Any) -> None:
    Path("none.csv").write_text("id,x,city\n")
    pa.parquet.write_table(pa.table(NEW).slice(0, 0), "none.parquet")
    for output in ("o.csv", "o.parquet"):
        ran = cli("predict", "m.json", "none.parquet", "--keep", "id", "-o", output)
        assert ran.code == 0, ran.err
    assert Path("o.csv").read_text() == "id,prediction\n"
    assert pa.parquet.read_table("o.parquet").column_names == ["id", "prediction"]


@pytest.mark.parametrize(
    "text", ["=1", "=HYPERLINK(1)", "+cmd|x", "-x", "@SUM(1)", "\t=1", "\r=1", "-1e", "+-1"]
)
def test_formulas_are_defused(text: str) -> None:
    assert defuse(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a", "'", "-5", "+3.5e7", "-inf", "1=1", " =1", "007"])
def test_what_is_no_formula_stays(text: str) -> None:
    assert defuse(text) == text


def test_names_are_defused_too(saved: Path, cli: Any) -> None:
    pd.DataFrame({"=x": ["a"], "x": [1.0], "city": ["a"]}).to_csv("odd.csv", index=False)
    ran = cli("predict", "m.json", "odd.csv", "--keep", "=x", "--quiet")
    assert ran.out.splitlines()[0] == "'=x,prediction"


@pytest.mark.parametrize("kind", ["dict", "matrix", "arrow", "pandas"])
def test_cells_of_tables_in_memory(kind: str) -> None:
    from steepest.data.open import open_source

    numbers = np.array([[1.5, 2.0], [3.0, 4.0]])
    source = {
        "dict": {"a": numbers[:, 0], "b": numbers[:, 1]},
        "matrix": numbers,
        "arrow": pa.table({"a": numbers[:, 0], "b": numbers[:, 1]}),
        "pandas": pd.DataFrame(numbers, columns=["a", "b"]),
    }[kind]
    opened = open_source(source, ["a", "b"] if kind == "matrix" else None)
    (part,) = opened.parts()
    ((batch, _),) = part.batches(Reads(("a",), cells=("b",)))
    assert batch.cells("b").to_pylist() == [2.0, 4.0]


def test_a_kept_column_must_be_there(model: steepest.Model) -> None:
    from steepest.data.open import open_source
    from steepest.data.predictor import Manner

    with pytest.raises(ColumnNotFoundError, match="kept column 'k'"):
        model.stream(open_source(NEW), Manner(), ("k",))


def test_extrapolation_is_flagged(cli: Any) -> None:
    """A number outside of those that were scanned, whatever it is made into."""
    table = {"x": [1.0, 2.0, 4.0, 3.0], "z": [5.0, 4.0, 4.0, 7.0], "y": [1.0, 2.0, 3.0, 5.0]}
    steepest.fit(table, formula="y ~ log(x) + x:z").save("f.json")
    rows = {"x": [1.0, 4.0, 4.5, 0.5, None], "z": [4.0, 7.0, 1.0, 8.0, 1.0]}
    pa.csv.write_csv(pa.table(rows), "f.csv")
    ran = cli("predict", "f.json", "f.csv", "--flag-extrapolation", "-o", "out.parquet")
    assert ran.code == 0, ran.err
    found = pa.parquet.read_table("out.parquet")
    assert found.column_names == ["prediction", "extrapolated"]
    # x z lay between 5 and 21, log(x) between 0 and log(4).
    assert found["extrapolated"].to_pylist() == [True, True, True, True, False]
    ran = cli("predict", "f.json", "f.csv", "--flag-extrapolation", "--keep", "extrapolated")
    assert ran.code == 1


def test_nothing_is_printed_before_the_first_rows_are_read(saved: Path, cli: Any) -> None:
    Path("null.csv").write_text("x,city\n,a\n")
    ran = cli("predict", "m.json", "null.csv", "--strict")
    assert (ran.code, ran.out) == (1, "")
    Path("none.csv").write_text("x,city\n")
    assert cli("predict", "m.json", "none.csv").out == "prediction\n"
