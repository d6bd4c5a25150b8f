"""The kinds of columns of text: joined over rows and files, and never changed in silence."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from pyarrow import parquet

import steepest
from steepest import errors, open_table
from steepest.data.doubles import DoublesReader
from steepest.data.table import Kind
from steepest.faces import cli

LATE = 300_000
"""Lines of four bytes: more than the block from which kinds are taken."""


def read_late(first: str, then: str, before: int) -> str:
    return "x,y\n" + f"{first},1\n" * before + f"{then},2\n" + f"{first},3\n"


@pytest.mark.parametrize("before", [1, 3, LATE])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("first", "then", "word", "odd"),
    [("12", "oops", "number", "text"), ("12", "-", "number", "text"),
     ("u", "7", "category", "a number"), ("u", "-1.5e3", "category", "a number"),
     ("12", "0x10", "number", "text"), ("12", "1_000", "number", "text"),
     ("12", "true", "number", "text"), ("12", "2024-01-01", "number", "text"),
     ("12", "１２", "number", "text"), ("12", "1.5.2", "number", "text")],
)  # fmt: skip
def test_text_and_numbers_do_not_mix(
    first: str, then: str, word: str, odd: str, packed: bool, before: int,
    write: Any, refused: Any, late: Any,
) -> None:  # fmt: skip
    """Both lines are named, whichever came first; in the first block it is numbers with text."""
    import gzip

    early, before = before < LATE, late(before)
    content = read_late(first, then, before).encode()
    path = write("a.csv", gzip.compress(content, 1) if packed else content)
    if early and word == "category":
        first, then, word, odd = then, first, "number", "text"
    with refused(
        errors.ColumnKindError,
        f"column 'x' of '{path}' is a {word}",
        f"'{first}' in line",
        f"'{then}' in line",
        f"line {before + 2:,}",
        f"is {odd}.",
        "text=['x']",
        "text=['x']",
        "null=[",
    ):
        steepest.scan(path)
    assert steepest.scan(path, columns=["y"]).n_rows == before + 2
    levels = steepest.scan(open_table(path, text=["x"])).levels("x")
    assert sorted(levels.values()) == [1, before + 1]


@pytest.mark.parametrize("before", [0, 3])
def test_hexadecimal_is_text(before: int, write: Any, refused: Any) -> None:
    """Arrow alone would take it for whole numbers."""
    path = write("a.csv", "x,y\n" + ",1\n" * before + "0x10,2\n0X1f,3\n0x10,4\n")
    assert steepest.scan(path).levels("x") == {"0X1f": 1, "0x10": 2}
    path = write("b.csv", "x,y\n0x10,2\n7,3\n")
    with refused(errors.ColumnKindError, "'7' in line 3", "'0x10' in line 2 is text"):
        steepest.scan(path)


def test_a_dash_that_means_missing(write: Any) -> None:
    path = write("a.csv", "x,y\n12,1\n-,2\n13,4\n")
    moments = steepest.scan(open_table(path, null=["-"]))
    assert (moments.n_read, moments.n_rows, moments.mean[0]) == (3, 2, 12.5)
    moments = steepest.scan(open_table(path, null=["-", "13"]))
    assert moments.n_rows == 1


def test_units_under_the_header(write: Any, refused: Any) -> None:
    path = write("a.csv", "x,y\nm,kg\n12,1\n13,4\n")
    with refused(errors.ColumnKindError, "'m' in line 2", "'12' in line 3", "skip_rows=1"):
        steepest.scan(path)
    assert steepest.scan(open_table(path, skip_rows=1)).mean.tolist() == [12.5, 2.5]


@pytest.mark.parametrize("line", [2, 4])
def test_the_header_once_more(line: int, write: Any, refused: Any) -> None:
    lines = ["x,y", "12,1", "13,4", "14,4"]
    lines.insert(line - 1, "x,y")
    path = write("a b.csv", "\n".join(lines))
    with refused(errors.ColumnKindError, f"'x' in line {line}", "the header once more"):
        steepest.scan(path)
    with pytest.raises(errors.ColumnKindError) as raised:
        steepest.scan(path)
    if line == 2:
        assert raised.value.hint == "skip_rows=1"
        return
    packed = write("a b.csv.gz", gzip.compress("\n".join(lines).encode()))
    with refused(errors.ColumnKindError, "take line 4 out."):
        steepest.scan(packed)
    subprocess.run(raised.value.hint, shell=True, check=True, cwd=Path(path).parent)
    assert steepest.scan(Path(path).parent / "rows.csv").mean.tolist() == [13.0, 3.0]


@pytest.mark.parametrize("role", ["target", "feature", "weights", "formula", "where"])
def test_the_message_is_the_same_in_every_role(role: str, write: Any, refused: Any) -> None:
    path = write("a.csv", "x,y\n12,1\n?,2\n13,4\n14,4\n")
    with refused(errors.ColumnKindError, "is a number, as '12' in line 2", "'?' in line 3"):
        if role == "target":
            steepest.fit(path, target="x", features=["y"])
        elif role == "feature":
            steepest.fit(path, target="y", features=["x"])
        elif role == "weights":
            steepest.scan(path, columns=["y"], weights="x")
        elif role == "formula":
            steepest.fit(path, formula="y ~ log(x)")
        else:
            steepest.scan(path, columns=["y"], where="x > 12")


def test_a_category_that_was_asked_for_as_such(write: Any) -> None:
    """C(x) says that x is text, where it is not all numbers; those keep their names."""
    mixed = write("a.csv", "x,y\nA12,1\n007,2\nA12,3\n007,6\n")
    model = steepest.fit(mixed, formula="y ~ C(x)")
    assert model.coefficients == {"intercept": 4.0, "x[A12]": -2.0}
    assert model.references == {"x": "007"}
    assert model.predict(mixed).tolist() == [2.0, 4.0, 2.0, 4.0]
    assert model.predict(write("b.csv", "x\n007\n007\n")).tolist() == [4.0, 4.0]
    numbers = write("c.csv", "x,y\n01,1\n1,2\n2,3\n")
    assert steepest.scan(numbers, formula="y ~ C(x)").levels("C(x)") == {"1": 2, "2": 1}
    both = steepest.scan([mixed, numbers], formula="y ~ C(x)")
    assert both.levels("x") == {"007": 2, "01": 1, "1": 1, "2": 1, "A12": 2}


def test_columns_of_no_use_hold_anything(write: Any) -> None:
    path = write("a.csv", "x,t,y\n1,7,2\n2,u,3\n3,0x1,4\n")
    assert steepest.scan(path, columns=["x", "y"]).n_rows == 3
    assert steepest.fit(path, formula="y ~ x").coefficients == {"intercept": 1.0, "x": 1.0}
    assert steepest.fit(path, target="y", features=["x"]).predict(path).tolist() == [2.0, 3.0, 4.0]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("before", [0, LATE])
def test_numbers_in_one_file_and_text_in_another(
    before: int, order: tuple[int, int], write: Any, refused: Any, late: Any
) -> None:
    before = late(before)
    files = [write("a.csv", "x,y\n1,2\n"), write("b.csv", "x,y\n" + ",1\n" * before + "u,2\n")]
    with refused(
        errors.ColumnKindError,
        f"a number in '{files[0]}' (line 2 has '1')",
        f"a category in '{files[1]}' (line {before + 2:,} has 'u')",
        "text=['x']",
    ):
        steepest.scan([files[i] for i in order])
    found = steepest.scan(open_table([files[i] for i in order], text=["x"]))
    assert found.levels("x") == {"1": 1, "u": 1}


@pytest.mark.parametrize("word", ["NaN", "NA", "null", "nan", "None", "N/A", "#N/A", ""])
def test_words_that_are_no_value(word: str, write: Any) -> None:
    moments = steepest.scan(write("a.csv", f"x,y\n1.5,2\n{word},3\n2.5,4\n"))
    assert (moments.n_read, moments.n_rows, moments.mean[0]) == (3, 2, 2.0)


@pytest.mark.parametrize("word", ["inf", "-Infinity", "1e400", "-1e999", "INF", "+inf"])
@pytest.mark.parametrize("before", [1, LATE])
def test_infinities_are_refused_by_name_and_line(
    before: int, word: str, write: Any, refused: Any, late: Any
) -> None:
    before = late(before)
    path = write("a.csv", "x,y\n" + "1,2\n" * before + f"{word},3\n")
    with refused(
        errors.ValueFoundError, f"'x' of '{path}'", f"line {before + 2:,} has '{word}'", "null=["
    ):
        steepest.scan(path)
    assert steepest.scan(open_table(path, null=[word])).n_rows == before


@pytest.mark.parametrize("cell", ["+1.5", " 1.5", "1.5 ", "1.", ".5", "1E+5", "-0", "1e-400"])
def test_numbers_as_they_may_be_written(cell: str, write: Any) -> None:
    moments = steepest.scan(write("a.csv", f"x,y\n{cell},1\n"))
    assert moments.mean[0] == float(cell)


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "false", "False", "FALSE"])
def test_booleans_as_they_may_be_written(word: str, write: Any) -> None:
    assert steepest.scan(write("a.csv", f"x,y\n{word},1\n")).levels("x") == {word.lower(): 1}


@pytest.mark.parametrize("word", ["yes", "tRUE", "T", "on"])
def test_other_words_are_text(word: str, write: Any) -> None:
    assert steepest.scan(write("a.csv", f"x,y\n{word},1\n")).levels("x") == {word: 1}


def test_what_looks_like_an_identifier_is_said(write: Any) -> None:
    path = write("a.csv", "zip,y,z\n0150,1,0.5\n0151,2,0\n2000,4,-0.25\n")
    moments = steepest.scan(path)
    assert len(moments.remarks) == 1
    assert "'zip' looks like an identifier, as in '0150'" in moments.remarks[0]
    assert not steepest.scan(path, columns=["y", "z"]).remarks
    said = steepest.scan(open_table(path, text=["zip"]))
    assert said.levels("zip") == {"0150": 1, "0151": 1, "2000": 1}
    assert not said.remarks


def test_text_that_is_not_there(write: Any, refused: Any) -> None:
    with refused(errors.ColumnNotFoundError, "text column 'zpi'", "did you mean 'zip'?"):
        steepest.scan(open_table(write("a.csv", "zip,y\n1,2\n"), text=["zpi"]))


KINDS = {
    "boolean": ("true", "a boolean"),
    "date": ("2024-01-31", "a date"),
    "moment": ("2024-01-31 12:30:01", "a date"),
}


@pytest.mark.parametrize("kernel", ["", "numpy"])
@pytest.mark.parametrize("before", [1, 3, LATE])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text_first", [True, False])
def test_booleans_and_dates_do_not_mix_with_text(
    text_first: bool, kind: str, before: int, kernel: str,
    write: Any, refused: Any, late: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Refused with its line whichever came first, wherever it stands, where it is used."""
    if kernel:
        monkeypatch.setattr(DoublesReader, "serves", staticmethod(lambda *_: False))
    early, before = before < LATE, late(before)
    cell, odd = KINDS[kind]
    first, then = ("soon", cell) if text_first else (cell, "soon")
    path = write("a.csv", read_late(first, then, before))
    as_text = text_first and not early
    word = "category" if as_text else "boolean" if kind == "boolean" else "time"
    line = 2 if early and text_first else before + 2
    shown = then if as_text or not text_first else first
    message = [
        f"column 'x' of '{path}' is a {word}",
        f"'{shown}' in line {line:,} is {odd if as_text else 'none'}.",
        "text=['x']",
        "text=['x']",
    ]
    with refused(errors.ColumnKindError, *message):
        if word == "time":
            steepest.fit(path, formula="y ~ days(x)")
        else:
            steepest.scan(path)
    if word == "time":  # not used unless it is asked for
        assert "time" in steepest.scan(path).left_out["x"]
    levels = steepest.scan(open_table(path, text=["x"])).levels("x")
    assert levels == {first: before + 1, then: 1}
    if early:
        assert steepest.scan(path, formula="y ~ C(x)").levels("x") == levels


@pytest.mark.parametrize(
    "cells",
    [("10:12", "30:27"), ("2023-02-30", "soon"), ("2024-01", "2024-02x"), ("T", "F"),
     ("12-01-2024", "x"), ("2024-01-01x", "y"), ("truely", "false friend")],
)  # fmt: skip
def test_text_that_only_resembles_booleans_and_dates(cells: tuple[str, str], write: Any) -> None:
    path = write("a.csv", f"x,y\n{cells[0]},1\n{cells[1]},2\n{cells[0]},4\n")
    assert steepest.scan(path).levels("x") == {cells[0]: 2, cells[1]: 1}


@pytest.mark.parametrize("cell", ["true", "2024-01-31"])
def test_booleans_and_dates_in_one_file_and_text_in_another(
    cell: str, write: Any, refused: Any
) -> None:
    paths = [write("a.csv", f"x,y\n{cell},1\n"), write("b.csv", "x,y\nsoon,2\n")]
    for order in (paths, paths[::-1]):
        with refused(errors.ColumnKindError, "'x' is a", "a.csv", "b.csv", "text=['x']"):
            steepest.scan(order)
        table = open_table(order, text=["x"])
        assert steepest.scan(table).levels("x") == {cell: 1, "soon": 1}
        assert steepest.scan(order, formula="y ~ C(x)").levels("x") == {cell: 1, "soon": 1}


@pytest.mark.parametrize("first", ["2024-01-01 06:00:00", "2024-01-01"])
@pytest.mark.parametrize("turned", [False, True])
def test_times_in_a_zone_and_without(first: str, turned: bool, write: Any, refused: Any) -> None:
    cells = [first, "2024-01-02 06:00:00Z"]
    path = write("a.csv", "t,y\n" + "".join(f"{t},1\n" for t in cells[:: -1 if turned else 1]))
    line = 2 if turned else 3
    with refused(errors.ColumnKindError, f"'{cells[1]}' in line {line} is a time in a zone"):
        steepest.scan(path, formula="y ~ days(t)")


def test_dates_and_text(write: Any, refused: Any, late: Any) -> None:
    many = late(100_000)
    text = "d,y\n" + "2024-01-01,1\n" * many + "soon,2\n"
    path = write("a.csv", text)
    with refused(errors.ColumnKindError, "'d'", "'soon'", f"line {many + 2:,}"):
        steepest.fit(path, formula="y ~ days(d)")
    assert steepest.scan(open_table(path, text=["d"])).levels("d")["soon"] == 1
    assert "date" in steepest.scan(path).left_out["d"]


def test_quoted_numbers_and_nulls_beside_quoted_text(write: Any) -> None:
    """A quoted null word is a null among numbers, and a level of text, block by block."""
    rows = '"1.5","NA","u"\n' * 40_000 + '"NA","NA","v"\n' + "2.5,NA,\n" * 40_000
    moments = steepest.scan(write("a.csv", "x,code,c\n" + rows))
    assert moments.levels("code") == {"NA": 40_000}
    nulls = moments.problem("x").rows.nulls
    assert nulls == {"x": 1, "code": 40_000, "c": 40_000}


@pytest.mark.parametrize("cell", ['""', '"NA"', '"NA"\n1,'])
@pytest.mark.parametrize("value", ["4", '"4"', "true", '"2026-03-01"', '"u"'])
def test_what_comes_after_quoted_nulls_decides(
    value: str, cell: str, write: Any, late: Callable[[int], int]
) -> None:
    """However late it comes: Python's csv writes "" for nothing where all is quoted."""
    lines, more = late(250_000), f"2,{value}\n" * 9
    path = write("a.csv", "x,z\n" + f"1,{cell}\n" * lines + more)
    kind = open_table(path).schema().find("z").kind
    assert kind is open_table(write("b.csv", "x,z\n" + more)).schema().find("z").kind
    if kind is Kind.TIME:
        return
    found = steepest.scan(path)
    assert found.n_read == lines * len(cell.split("\n")) + 9
    if value == '"u"':  # in text a word in quotes is a level
        assert found.levels("z") == {cell.partition("\n")[0].strip('"'): lines, "u": 9}
    else:
        assert found.n_rows == 9


def test_a_column_of_quoted_nothing_in_one_of_two_files(write: Any) -> None:
    files = [write("a.csv", '"x","z"\n"1",""\n"2",""\n'), write("b.csv", '"x","z"\n"3","4"\n')]
    found = steepest.scan(files)
    assert (found.n_read, found.n_rows, found.mean.tolist()) == (3, 1, [3.0, 4.0])
    files[1] = write("c.csv", '"x","z"\n"3","u"\n')
    assert steepest.scan(files).levels("z") == {"": 2, "u": 1}


# ------------------------------------------------------------------ the command line


class Ran(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """A command in this process, with such standard input."""

    def run(*arguments: str, data: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        return Ran(cli.run(list(arguments)), *capsys.readouterr())

    return run


def test_every_flag_reaches_the_reader(run: Any, tmp_path: Any) -> None:
    text = "# note\n1.500,5;'8;b';-;07\nm;kg;s;id\n2.500,5;'8';4;08\n3,5;'c';5;09;9\n4,5;9;6;10\n"
    data = text.replace(".", "").encode("latin1")
    place = tmp_path / "t.moments"
    done = run(
        "scan", "-", "-o", str(place), "--delimiter", ";", "--decimal", ",", "--quote", "'",
        "--encoding", "latin1", "--names", "x,c,y,id", "--skip-lines", "1", "--skip-rows", "0",
        "--null", "-", "--null", "m", "--null", "s", "--text", "id,c", "--ragged", "drop",
        "--max-bytes", "1000", "--skip-empty", data=data,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1 record with a field too few or too many was left out" in done.stderr
    moments = steepest.load(place)
    assert moments.names == ("x", "c", "y", "id")
    assert moments.n_read == 4
    assert moments.problem("x").rows.nulls == {"x": 1, "c": 0, "y": 2, "id": 0}
    assert moments.levels("id") == {"08": 1, "10": 1}
    assert moments.levels("c") == {"8": 1, "9": 1}


@pytest.mark.parametrize("name", ["held.csv", "held.parquet", "held", "nowhere.csv"])
def test_flags_are_for_the_file_that_is_held_out_too(
    name: str, run: Any, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be no text, though, and a column comes first."""
    whole, held = "x;y;held\n", "x;y;held\n1,5;9;0\n2,5;5;0\n"
    whole += "".join(f"{i},5;{i * i % 7};{i % 2}\n" for i in range(9))
    path, other = write("t.csv", whole), Path(write("held.csv", held))
    table = open_table(path, decimal=",")
    given: Any = open_table(str(other), decimal=",")
    place = other.parent / name
    if name == "held.parquet":
        parquet.write_table(pa.table({"x": [1.5, 2.5], "y": [9, 5]}), place)
    elif name == "held":
        place.mkdir()
        monkeypatch.chdir(other.parent)
        place, given = Path("held"), "held"
    done = run("fit", path, "--decimal", ",", "--target", "y", "--features", "x", "--epochs", "9",
               "--validation", str(place), "--json")  # fmt: skip
    if name == "nowhere.csv":
        assert done.returncode == 1
        assert "nowhere.csv" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    model = steepest.fit(table, target="y", features=["x"], epochs=9, validation=given)
    assert json.loads(done.stdout)["validation"]["loss"] == model.validation.loss


@pytest.mark.parametrize("command", ["fit", "descend", "race", "predict"])
def test_flags_on_every_command(command: str, run: Any, write: Any, tmp_path: Any) -> None:
    path = write("t.csv", "1;2\n2;4\n-;5\n3;7\n4;8\n")
    said = ["--delimiter", ";", "--names", "x,y", "--null", "-"]
    if command == "predict":
        steepest.fit({"x": [1.0, 2.0], "y": [2.0, 4.0]}, target="y").save(tmp_path / "m.json")
        done = run("predict", str(tmp_path / "m.json"), path, *said)
        assert done.stdout.split() == ["prediction", "2.0", "4.0", "NA", "6.0", "8.0"]
    else:
        done = run(command, path, "--target", "y", "--json", *said)
        assert done.returncode == 0, done.stderr
        assert "1 of 5 rows was dropped" in done.stdout


def test_flags_of_files_that_are_no_text(run: Any, tmp_path: Any) -> None:
    place = tmp_path / "t.moments"
    steepest.scan({"x": [1.0, 2.0], "y": [2.0, 5.0]}).save(place)
    done = run("fit", str(place), "--target", "y", "--null", "-")
    assert done.returncode == 1
    assert "for moments" in done.stderr


@pytest.mark.parametrize("rows", ["", "1,\n2,\n"])
def test_times_of_a_column_without_any(rows: str, write: Any) -> None:
    path = write("a.csv", "y,z\n" + rows)
    with pytest.raises(errors.EmptySourceError):
        steepest.fit(path, formula="y ~ days(z)")
    both = [path, write("b.csv", "y,z\n3,2026-01-01\n4,2026-01-03\n")]
    assert steepest.scan(both, formula="y ~ days(z)").n_rows == 2


@pytest.mark.parametrize("compiled", [True, False])
def test_an_empty_field_at_the_very_end_stands_in_no_quotes(
    compiled: bool, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stood in quotes before it, and wherever the text is cut off."""
    if not compiled:
        monkeypatch.setattr(DoublesReader, "serves", lambda *_: False)
    for end in ("", "\n"):
        path = write("a.csv", f'x,"c",d\n"1","u",\n"2","v",w\n3,"u",{end}')
        moments = steepest.scan(path)
        assert [(c.name, str(c.kind)) for c in moments.columns][::2] == [
            ("x", "number"), ("d", "category"),
        ]  # fmt: skip
        assert (moments.n_rows, moments.n_read, moments.levels("d")) == (1, 3, {"w": 1})
        empty = steepest.scan(write("b.csv", f'x,y\n"1",{end}'), columns=["x", "y"])
        assert (empty.columns[1].type_name, empty.n_rows) == ("null", 0)
