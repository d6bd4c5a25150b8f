"""Text files as they are written elsewhere: semicolons, decimal commas, encodings, no header."""

from __future__ import annotations

import gzip
import io
import lzma
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import steepest
from steepest import errors, open_table
from steepest.data.dialect import Dialect
from steepest.data.layout import find_layout
from steepest.data.open import open_source
from steepest.data.sampling import count_numbers

X = [1.5, -2.0, 3e10, 0.1]
CITY = ["Oslo", "Zürich", "a,b", 'say "x"']


def text(delimiter: str = ",", decimal: str = ".", quote: str = '"', header: bool = True) -> str:
    lines = [delimiter.join(("größe", "city"))] if header else []
    for x, city in zip(X, CITY, strict=True):
        number = str(x).replace(".", decimal)
        marked = quote + city.replace(quote, quote * 2) + quote if quote else city
        lines.append(f"{quote}{number}{quote}{delimiter}{marked}")
    return "\n".join(lines) + "\n"


def expect(moments: steepest.Moments) -> None:
    assert moments.names == ("größe", "city")
    assert moments.mean[0] == pytest.approx(np.mean(X), rel=1e-15)
    assert moments.levels("city") == dict.fromkeys(sorted(CITY, key=str.encode), 1)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_seen(name: str, delimiter: str, write: Any) -> None:
    expect(steepest.scan(write(name, text(delimiter))))


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ":", " "])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("quote", ['"', "'"])
def test_what_is_said(delimiter: str, decimal: str, quote: str, write: Any) -> None:
    path = write("t.csv", text(delimiter, decimal, quote))
    expect(steepest.scan(open_table(path, delimiter=delimiter, decimal=decimal, quote=quote)))


def test_no_quotes(write: Any) -> None:
    path = write("t.csv", "c;x\n\"u;1\nv's;3\n")
    moments = steepest.scan(open_table(path, quote=None))
    assert moments.levels("c") == {'"u': 1, "v's": 1}
    assert moments.mean == [2.0]


@pytest.mark.parametrize(
    "content",
    ["a;b,c\n1;2,3\n", "note\nx;y\n", "a;b|c\n1;2|3\n", "x\n1\n2\n"],
    ids=["a comma too", "uneven", "two marks", "one column"],
)
def test_what_cannot_be_seen_is_as_usual(content: str, write: Any) -> None:
    head = content.partition("\n")[0]
    names = open_source(write("t.csv", content)).schema().names
    assert names == tuple(head.split(","))


def test_a_header_without_rows_among_others(write: Any) -> None:
    files = [write("0.csv", "x;y\n"), write("1.csv", "x;y\n1;2\n")]
    assert steepest.scan(files).mean.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("cell", ["1,5", "-0,25", "3,0e5"])
def test_decimal_commas_that_are_not_said(cell: str, write: Any, refused: Any) -> None:
    path = write("t.csv", f"x;y\n{cell};1\n2;3\n;4\n")
    with refused(errors.SourceError, f"'x' of '{path}'", f"'{cell}'", "decimal=','"):
        steepest.scan(path)
    number = float(cell.replace(",", "."))
    moments = steepest.scan(open_table(path, decimal=","), columns=["x"])
    assert moments.mean[0] == pytest.approx((number + 2) / 2)
    with refused(errors.ColumnKindError, "'x'", f"'{cell}' in line 2", "'2' in line 3"):
        steepest.scan(open_table(path, decimal="."))
    said = open_table(path, decimal=".", text=["x"])
    assert steepest.scan(said).levels("x") == {cell: 1, "2": 1}


def test_a_point_where_commas_are_said(write: Any, refused: Any, late: Any) -> None:
    many = late(200_000)
    for quote in ("", '"'):
        rows = f"{quote}1,5{quote};1\n" * many
        path = write("t.csv", f"x;y\n{rows}{quote}2.5{quote};1\n")
        with refused(errors.ColumnKindError, "'x'", "'2.5'", f"line {many + 2:,}"):
            steepest.scan(open_table(path, decimal=","))


ENCODINGS = ["latin1", "cp1252", "utf-16", "utf-16-le", "utf-32", "mac-roman", "utf-8-sig"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_encodings(encoding: str, pack: Any, write: Any) -> None:
    path = write("t.csv", pack(text().encode(encoding)))
    expect(steepest.scan(open_table(path, encoding=encoding)))


def test_an_encoding_of_json_lines(write: Any) -> None:
    path = write("t.jsonl", '{"größe":1}\n'.encode("utf-16"))
    assert steepest.scan(open_table(path, encoding="utf-16")).names == ("größe",)


def test_another_encoding_than_was_said(write: Any, refused: Any) -> None:
    path = write("t.csv", text().encode("latin1"))
    with refused(errors.SourceError, f"'{path}' is not in ascii", "byte 0xf6"):
        open_table(path, encoding="ascii")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_mark_before_an_encoding_that_has_none(encoding: str, write: Any) -> None:
    path = write("t.csv", ("\ufeff" + text()).encode(encoding))
    assert open_table(path, encoding=encoding).schema().names == ("größe", "city")


@pytest.mark.parametrize(
    ("mark", "said", "words"),
    [("utf-8-sig", "latin1", "mark of UTF-8"), ("utf-8-sig", "utf-16", "mark of UTF-8"),
     ("utf-16", "latin1", "is UTF-16"), ("utf-16-le", "cp1252", "is UTF-16")],
)  # fmt: skip
def test_a_mark_that_tells_otherwise(
    mark: str, said: str, words: str, write: Any, refused: Any
) -> None:
    path = write("t.csv", "x,y\n1,2\n3,5\n".encode(mark))
    with refused(errors.SourceError, path, words):
        open_table(path, encoding=said)


@pytest.mark.parametrize("named", [True, False])
def test_no_header(named: bool, write: Any) -> None:
    path, names = write("t.csv", text(header=False)), ["größe", "city"]
    if named:
        expect(steepest.scan(open_table(path, names=names)))
    else:
        expect(steepest.scan(path, names=names))


def test_no_header_and_mistakes(write: Any, refused: Any, late: Any) -> None:
    many = late(400_000)
    path = write("t.csv", "1,2\n" * many + "1,oops\n")
    with refused(errors.ColumnKindError, "'y'", "'oops'", f"line {many + 1:,}"):
        steepest.scan(path, names=["x", "y"])
    with refused(errors.ColumnNameError, "'x' stands 2 times"):
        steepest.scan(path, names=["x", "x"])
    with refused(errors.SourceError, "seems to have no header", "names=['a', 'b', ...]"):
        steepest.scan(path)


def test_a_single_column_that_begins_with_a_null(write: Any) -> None:
    moments = steepest.scan(write("t.csv", "\n1\n3\n"), names=["x"])
    assert (moments.n_read, moments.mean) == (3, [2.0])


@pytest.mark.parametrize("names", [["x"], ["x", "y", "z"], ["x", "y", "z", "v"]])
@pytest.mark.parametrize("before", [0, 1])
def test_another_number_of_names(names: Any, before: int, write: Any, refused: Any) -> None:
    path = write("t.csv", "m,s\n" * before + "1,2\n3,4\n")
    said: Any = {"skip_rows": before}
    with pytest.raises(errors.LengthError) as caught:
        steepest.scan(open_table(path, names=names, **said))
    assert f"line {1 + before} of '{path}' has 2 fields" in caught.value.found
    hint = caught.value.hint.partition(", or ")[0]
    found = steepest.scan(open_table(path, **eval(f"dict({hint})"), **said))
    assert found.mean.tolist() == [2.0, 3.0]
    dropped = steepest.open_table(path, names=names, ragged="drop", **said)
    with pytest.raises(errors.EmptySourceError):
        steepest.scan(dropped)


def test_fits_and_predictions(write: Any) -> None:
    table = open_table(write("t.csv", "x;y\n1,5;3\n2,5;5\n"), decimal=",")
    model = steepest.fit(table, target="y")
    assert model.coefficients == {"intercept": 0.0, "x": 2.0}
    assert model.predict(table) == pytest.approx([3.0, 5.0])


def test_many_files_are_read_alike(write: Any) -> None:
    files = [write(f"{i}.csv", f"x;y\n{i},5;3\n") for i in range(3)]
    assert steepest.scan(open_table(files, decimal=",")).mean[0] == 1.5


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    data = io.BytesIO("größe;y\n1,5;2\n".encode("latin1"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))
    moments = steepest.scan(open_table("-", decimal=",", encoding="latin1"))
    assert moments.names == ("größe", "y")


def test_a_table_that_is_no_file(write: Any, refused: Any) -> None:
    assert steepest.scan(open_table({"x": [1.0, 3.0]})).mean == [2.0]
    with refused(errors.OptionError, "delimiter=';'", "no file"):
        open_table({"x": [1.0]}, delimiter=";")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"delimiter": ";;"}, "delimiter=';;'"),
        ({"delimiter": "\n"}, "delimiter="),
        ({"delimiter": "é"}, "delimiter="),
        ({"quote": "ab"}, "quote='ab'"),
        ({"decimal": ";"}, "decimal=';'"),
        ({"delimiter": ",", "decimal": ","}, "delimiter=','"),
        ({"encoding": "utf-88"}, "encoding='utf-88'"),
        ({"encoding": None}, "encoding=None"),
        ({"delimiter": 5}, "delimiter=5"),
        ({"skip_lines": 1.0}, "skip_lines=1.0"),
        ({"max_bytes": "5"}, "max_bytes='5'"),
    ],
)
def test_options_that_cannot_be(options: Any, words: str, write: Any, refused: Any) -> None:
    with refused(errors.OptionError, words):
        open_table(write("t.csv", text()), **options)


@pytest.mark.parametrize(
    "options", [{"delimiter": ";"}, {"names": ["x"]}, {"decimal": ","}, {"encoding": "latin1"}]
)
def test_options_of_files_that_are_no_text(options: Any, tmp_path: Any, refused: Any) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"x": [1.0]}), path)
    with refused(errors.OptionError, next(iter(options)), str(path)):
        open_table(path, **options)


def test_options_of_json_lines(write: Any, refused: Any) -> None:
    with refused(errors.OptionError, "decimal=','", "t.jsonl"):
        open_table(write("t.jsonl", '{"x":1}\n'), decimal=",")


@pytest.mark.parametrize("encoding", ["klingon", "", "rot13", "hex", "undefined", "zlib"])
def test_encodings_of_no_text(encoding: str, write: Any, refused: Any) -> None:
    """Python has codecs that make bytes of bytes, too."""
    with refused(errors.OptionError, f"encoding='{encoding}' is not one", "encoding='latin1'"):
        open_table(write("t.csv", "x\n1\n"), encoding=encoding)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ({"skip_rows": -1}, "skip_rows=1"),
        ({"skip_lines": -3}, "skip_lines=1"),
        ({"max_bytes": 0}, "max_bytes=1_000_000_000"),
        ({"quote": "''"}, 'quote="\'"'),
        ({"delimiter": ";;"}, "delimiter=';'"),
    ],
)
def test_a_hint_is_not_refused_itself(said: Any, hint: str, write: Any, refused: Any) -> None:
    path = write("t.csv", "x\n1\n2\n")
    with refused(errors.OptionError, hint):
        open_table(path, **said)
    open_table(path, **eval(f"dict({hint})"))


def test_a_header_under_names_that_were_given(write: Any, refused: Any) -> None:
    path = write("t.csv", "a,b\n1,2\n3,4\n")
    with refused(errors.ColumnKindError, "'a' in line 1", "skip_rows=1 if that line is no row"):
        steepest.scan(open_table(path, names=["x", "y"]))
    found = steepest.scan(open_table(path, names=["x", "y"], skip_rows=1))
    assert found.mean.tolist() == [2.0, 3.0]


@pytest.mark.parametrize(("columns", "most"), [(2, 1 << 17), (40_000, 1 << 20)])
def test_no_more_is_read_than_the_first_record_takes(columns: int, most: int) -> None:
    """To know how many columns are numbers, before a long text is begun."""
    header, row = ",".join(f"x{i}" for i in range(columns)), ",".join(["1"] * (columns - 1) + ["u"])
    data = f"{header}\n{row}\n".encode() + b"\n" * (1 << 21)
    asked: list[int] = []

    def read(size: int) -> bytes:
        asked.append(size)
        return data[:size]

    layout = find_layout(read, Dialect(), ",", "t.csv")
    assert count_numbers(read, layout, (), None) == columns - 1
    assert max(asked) <= most
