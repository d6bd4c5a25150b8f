"""CSV is read strictly: what is not as it should be is refused with its line, and a way out."""

from __future__ import annotations

import gzip
import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.clocks import count_loops
from tests.tiers import exhaustively

import steepest
from steepest import errors, open_table
from steepest.data.table import Reads
from steepest.faces import cli
from steepest.faces.hints import find_flags, in_flags

DAMAGED = Path(__file__).parent / "damaged"


# ------------------------------------------------------------------ fields and quotes


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("x,y\n1,2\n3\n", 3, "1 field,"),
        ("x,y\n1,2,3\n4,5\n", 2, "3 fields,"),
        ("x,y\n1,2\n3,4,\n", 3, "3 fields,"),
        ('x,y\n1,"a\nb"\n\n3,4,5\n', 5, "3 fields,"),
        ("x\ty\n1\t2\n2\t3\n3\n4\t4\n", 4, "1 field,"),
    ],
)
def test_fields_too_few_or_too_many(
    text: str, line: int, found: str, write: Any, refused: Any
) -> None:
    path = write("a.csv", text)
    with refused(errors.SourceError, f"line {line} of '{path}' has {found}", "ragged='drop'"):
        steepest.scan(path)


def test_ragged_lines_can_be_left_out_and_are_counted(write: Any) -> None:
    path = write("a.csv", "x,y\n1,2\n3\n4,5,6\n5,4\n7,7\n")
    moments = steepest.scan(open_table(path, ragged="drop"))
    assert (moments.n_read, moments.mean.tolist()) == (3, [13 / 3, 13 / 3])
    assert moments.remarks == ("2 records with a field too few or too many were left out.",)
    again = open_table([path, write("b.csv", Path(path).read_text())], ragged="drop")
    with pytest.warns(steepest.SteepestWarning, match="4 records with a field"):
        steepest.fit(again, target="y")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('x,y\n1,2\n3,ab"c\n', 3, "a quote out of place"),
        ('x,y\n1,2\n3,"ab"c\n', 3, "a quote out of place"),
        ('x,y\n1, "ab"\n', 2, "a quote out of place"),
        ('x,y\n1,"ab" \n', 2, "a quote out of place"),
        ('x,"y" z\n1,2\n', 1, "a quote out of place"),
        ('x,y\n1,""a\n', 2, "a quote out of place"),
        ('x,y\n1,a""\n', 2, "a quote out of place"),
        ('x,y\n1,2\n3,"ab\n5,6\n', 3, "is not closed there"),
        ('x,y\n1,2\n3,"ab\n5,"6"\n7,"8"\n', 3, "is not closed there"),
        ('x,y\n"1,2\n', 2, "is not closed there"),
        ('"x,y\n1,2\n', 1, "is not closed there"),
        ('x,y\n"a\nb",2\n"c\nd"e,4\n', 4, "is not closed there"),
    ],
)
def test_quotes_out_of_place(text: str, line: int, words: str, write: Any, refused: Any) -> None:
    """Named by the line in which the quote opened, not by the end of the file."""
    path = write("a.csv", text)
    with refused(errors.SourceError, f"line {line:,} of '{path}'", words, "quote=''"):
        steepest.scan(path)


@pytest.mark.parametrize(
    ("row", "before", "after"),
    [("5,6\n", 1, 400_000), ("5,6\n", 400_000, 400_000), ('5,"6"\n', 300_000, 9)],
)
def test_a_quote_that_is_not_closed_in_a_long_file(
    row: str, before: int, after: int, write: Any, refused: Any, late: Any
) -> None:
    path = write("a.csv", "x,y\n" + row * late(before) + '3,"ab\n' + row * late(after))
    with refused(errors.SourceError, f"line {late(before) + 2:,} of '{path}'", "is not closed"):
        steepest.scan(path)


def test_quotes_can_be_plain_text(write: Any) -> None:
    path = write("a.csv", 'x,y\n5" pipe,2\nu"v",3\n')
    assert steepest.scan(open_table(path, quote="")).levels("x") == {'5" pipe': 1, 'u"v"': 1}


cells = st.text(st.sampled_from('ab"\n\r,é1 '), max_size=5)


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=5))
def test_what_is_written_is_read_or_refused(rows: list[list[str]], tmp_path_factory: Any) -> None:
    """Text between delimiters as it comes: Python's strict reader knows no other meaning of it."""
    text = "c,d\n" + "".join(",".join(row) + "\n" for row in rows)
    path = tmp_path_factory.mktemp("raw") / "t.csv"
    path.write_bytes(text.encode())
    try:
        moments = steepest.scan(open_table(path, text=["c", "d"]))
    except (errors.SourceError, errors.EmptySourceError):
        return
    from steepest.data.records import iterate

    found = [r.cells for r in iterate(text.encode(), ",", '"') if r.cells][1:]
    assert moments.n_read == len(found)
    assert all(len(record) == 2 for record in found)


@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize("before", [3, *exhaustively(400_000)])
def test_a_field_of_thirty_megabytes(before: int, quoted: bool, write: Any, refused: Any) -> None:
    field = "a" * (30 << 20)
    field = f'"{field}"' if quoted else field
    path = write("a.csv", "x,y\n" + "u,1\n" * before + f"{field},2\nv,3\n")
    with refused(errors.SourceError, f"line {before + 2:,} of", "bytes", "1,048,576"):
        steepest.scan(path)


def test_a_field_of_less_than_a_megabyte_is_one(write: Any) -> None:
    long = "a" * ((1 << 20) - 10)
    path = write("a.csv", f'x,y\n{long},1\n"{long}",2\n"b,\n{long[9:]}",3\n')
    assert sorted(steepest.scan(path).levels("x").values()) == [1, 2]


# ------------------------------------------------------------------ headers


def test_blanks_around_names_are_taken_away_with_a_note(write: Any) -> None:
    path = write("a.csv", ' x , "y" ,z\n1,2,3\n')
    with pytest.raises(errors.SourceError, match="quote out of place"):
        steepest.scan(path)
    moments = steepest.scan(write("a.csv", '\tx , y,z," w "\n1,2,3,4\n2,3,4,5\n'))
    assert moments.names == ("x", "y", "z", "w")
    assert "blanks around names" in moments.remarks[0]
    assert "'x', 'y' and 'w'" in moments.remarks[0]
    formed = steepest.scan(
        write("a.csv", "y, t\n1,2024-05-01\n2,2024-06-01\n"), formula="y ~ days(t)"
    )
    assert formed.remarks == ("blanks around names in the header were taken away: 't'.",)


def test_names_that_only_differ_by_blanks(write: Any, refused: Any) -> None:
    with refused(errors.ColumnNameError, "'x' stands 2 times"):
        steepest.scan(write("a.csv", "x, x\n1,2\n"))


@pytest.mark.parametrize("header", [",x,y", " ,x,y", ",x,y,"])
def test_columns_without_a_name(header: str, write: Any, refused: Any) -> None:
    """pandas writes its index so; it is left out, and nobody can ask for it."""
    more = "," * header.count(",")
    path = write("a.csv", f"{header}\n" + f"0,1,2{more[2:]}\n1,2,4{more[2:]}\n")
    moments = steepest.scan(path)
    assert moments.names == ("x", "y")
    assert "no name" in moments.left_out[""]
    with refused(errors.ColumnNameError, "by no name at all"):
        steepest.scan(path, columns=["", "x"])


@pytest.mark.parametrize("name", ["intercept", "nan", "NA", "x y", "C(x)", "größe", "a'b", "1x"])
def test_names_of_any_kind(name: str, write: Any) -> None:
    path = write("a.csv", f"{name},y\n1,2\n2,4\n3,7\n")
    assert steepest.scan(path).names == (name, "y")


def test_a_header_of_numbers(write: Any, refused: Any) -> None:
    path = write("a.csv", "1.5,2\n3,4\n5,7\n")
    with refused(errors.SourceError, "no header", "header=False", "names="):
        steepest.scan(path)
    assert steepest.scan(open_table(path, header=False)).names == ("x1", "x2")
    assert steepest.scan(open_table(path, names=["a", "b"])).n_rows == 3
    moments = steepest.scan(open_table(path, names=["a", "b"], skip_rows=1))
    assert moments.mean.tolist() == [4.0, 5.5]


def test_lines_before_the_header(write: Any) -> None:
    path = write("a.csv", '# made by "someone\n# in 2024\nx,y\nm,s\n1,2\n3,4\n')
    moments = steepest.scan(open_table(path, skip_lines=2, skip_rows=1))
    assert moments.mean.tolist() == [2.0, 3.0]
    with pytest.raises(errors.SourceError, match="line 7 of"):
        steepest.scan(open_table(write("b.csv", "#\n\nx,y\nm,s\n1,2\n3,4\n5\n"), skip_lines=2))


# ------------------------------------------------------------------ encodings


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_other_encodings_are_named(encoding: str, mark: str, write: Any, refused: Any) -> None:
    content = (mark + "x,y\n1,2\n3,5\n").encode(encoding)
    path = write("a.csv", content)
    with refused(errors.SourceError, f"'{path}' is UTF-", "encoding='utf-") as _:
        steepest.scan(path)
    with pytest.raises(errors.SourceError) as caught:
        steepest.scan(path)
    said = re.search(r"encoding='(\S+)'", str(caught.value))
    assert said is not None
    assert steepest.scan(open_table(path, encoding=said[1])).names == ("x", "y")


def test_the_line_of_a_byte_that_is_not_utf8(write: Any, refused: Any, late: Any) -> None:
    many = late(300_000)
    rows = "u,1\n" * many
    path = write("a.csv", b"x,y\n" + rows.encode() + "größe,2\n".encode("latin1"))
    with refused(errors.SourceError, f"not UTF-8 in line {many + 2:,}", "encoding='latin1'"):
        steepest.scan(path)
    assert steepest.scan(path, columns=["y"]).n_rows == many + 1
    assert "größe" in steepest.scan(open_table(path, encoding="latin1")).levels("x")


def test_a_multibyte_character_across_blocks(write: Any) -> None:
    path = write("a.csv", "x,y\n" + "東京,1\n" * 300_000)
    assert steepest.scan(path).levels("x") == {"東京": 300_000}


# ------------------------------------------------------------------ files


def test_empty_files(write: Any, refused: Any) -> None:
    whole, empty = write("a.csv", "x,y\n1,2\n"), write("b.csv", "")
    with refused(errors.SourceError, "b.csv' is empty", "skip_empty=True"):
        steepest.scan([whole, empty])
    moments = steepest.scan(open_table([whole, empty], skip_empty=True))
    assert moments.n_rows == 1
    assert moments.remarks[0].startswith("1 file of 0 bytes passed over:")
    with refused(errors.SourceError, "b.csv' is empty"):
        steepest.scan(open_table([empty], skip_empty=True))


def test_gzip_under_another_name_in_members_and_cut_off(write: Any, refused: Any) -> None:
    members = gzip.compress(b"x,y\n1,2\n") + gzip.compress(b"3,5\n") + gzip.compress(b"5,6\n")
    assert steepest.scan(write("a.csv", members)).mean.tolist() == [3.0, 13 / 3]
    path = write("b.csv", gzip.compress(b"x,y\n" + b"1,2\n" * 10_000)[:-9])
    with refused(errors.SourceError, path, "the file is whole"):
        steepest.scan(path)


@pytest.mark.parametrize(
    "path", sorted((DAMAGED / "csv").glob("clusterfuzz*")), ids=lambda p: p.name[-16:]
)
def test_files_no_reader_may_crash_on(path: Path, tmp_path: Path) -> None:
    """One sentence that names the file, within seconds; or numbers that are finite."""
    copy = tmp_path / "t.csv"
    copy.write_bytes(path.read_bytes())
    said = []

    def read() -> None:
        try:
            moments = steepest.scan(copy)
        except errors.SteepestError as error:
            said.append(str(error))
        else:
            said.append("t.csv" * bool(np.isfinite(moments.mean).all()))

    assert count_loops(read) < 50
    assert "t.csv" in said[0]


@pytest.mark.parametrize(
    "path", sorted((DAMAGED / "csv-spectrum").glob("*.csv")), ids=lambda p: p.stem
)
def test_csv_spectrum(path: Path) -> None:
    """Each as the JSON beside it has it."""
    rows = json.loads(path.with_suffix(".json").read_text())
    source = open_table(path, text=list(rows[0]))
    (part,) = source.parts()
    found = [batch for batch, _ in part.batches(Reads(cells=tuple(rows[0])))]
    cells = {name: [c for b in found for c in b.cells(name).to_pylist()] for name in rows[0]}
    assert cells == {name: [row[name] for row in rows] for name in rows[0]}


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=200))
@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_any_bytes_are_read_or_refused(ending: str, content: bytes, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("any") / f"t.{ending}"
    path.write_bytes(content)
    said = "row"
    try:
        steepest.scan(path)
    except errors.SteepestError as error:
        said = str(error)
    assert str(path) in said or "row" in said


# ------------------------------------------------------------------ hints


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("x,y\n12,1\n-,2\n13,4\n15,5\n", ""),
        ("x,y\nm,s\n12,1\n13,4\n15,5\n", "skip"),
        ("x,y\n12,1\n13,4\n15,5\n7\n", ""),
        ("12,1\n13,4\n15,5\n", ""),
        ("x;y\n1,5;1\n2,5;3\n4,5;5\n", ""),
        ("größe,y\n1,2\n2,3\n3,5\n".encode("latin1"), ""),
        ("x,y\n1,2\n2,3\n3,5\n".encode("utf-16"), ""),
        ("x,y\ninf,2\n2,3\n3,5\n4,5\n", ""),
        ('x,y\n5" p,2\n2" p,3\n3" p,5\n', ""),
        ("x,y\nx,y\n1,2\n3,4\n", ""),
        ("sep=;\r\nx;y\r\n1;2\r\n3;4\r\n", ""),
        ('"sep=|"\nx|y\n1|2\n3|4\n', ""),
    ],
)
def test_the_hint_can_be_pasted(text: Any, more: str, write: Any, capsys: Any) -> None:
    path = write("t.csv", text)
    with pytest.raises(errors.SteepestError) as caught:
        steepest.scan(path)
    hint = in_flags(caught.value.hint, find_flags(cli.steepest))
    value = r"'[^']*'|[^\s,'(]+"
    option = "skip-rows" if more else "[a-z-]+"
    pattern = rf"--(?:no-header|(?:{option} (?:{value})( --(?:decimal|skip-lines) (?:{value}|,))?))"
    flags = re.search(pattern, hint)
    assert flags is not None, hint
    code = cli.run(["scan", path, "-o", f"{path}.moments", *shlex.split(flags[0])])
    assert code == 0, (flags[0], capsys.readouterr().err)


BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize("cell", [b"3", b"v"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_byte_order_mark_within(cell: bytes, end: bytes, write: Any, refused: Any) -> None:
    first = b"u" if cell == b"v" else b"1"
    lines = [b"x,y", *[first + b",2"] * 50, BOM + cell + b",4", first + b",5", b""]
    path = write("a.csv", BOM + end.join(lines))
    for columns in (None, ["y"]):
        with refused(errors.SourceError, f"line 52 of '{path}' begins with a byte order mark"):
            steepest.scan(path, columns=columns)
    path = write("b.csv", b'x,y\nu,2\nv,"' + BOM + b'4"\n"a\n' + BOM + b'b",1\n')
    table = steepest.open_table(path, text=["y"])
    assert steepest.scan(table).levels("x") == {"u": 1, "v": 1, "a\n\ufeffb": 1}


@pytest.mark.parametrize("before", [BOM, b"a line\n"], ids=["twice", "behind a line"])
def test_a_byte_order_mark_before_a_name(before: bytes, write: Any, refused: Any) -> None:
    path = write("a.csv", before + BOM + b"x,y\n1,2\n3,4\n")
    skipped = before.count(b"\n")
    with refused(errors.SourceError, f"line {1 + skipped} of '{path}' begins with a byte order"):
        steepest.scan(open_table(path, skip_lines=skipped))


def test_a_byte_order_mark_within_json_lines(write: Any, refused: Any) -> None:
    path = write("a.jsonl", BOM + b'{"x":1}\n\n' + BOM + b'{"x":2}\n')
    with refused(errors.SourceError, f"line 3 of '{path}' begins with a byte order mark"):
        steepest.scan(path)


@pytest.mark.parametrize(
    "line", ['{"x":"\\ud800","y":1}', '{"x":"u\\uDC01","y":1}', '{"y":1,"x\\ud800":2}']
)
@pytest.mark.parametrize("columns", [None, ["y"]])
def test_half_of_a_character(line: str, columns: Any, write: Any, refused: Any) -> None:
    whole = '{"x":"\\ud83d\\ude00","y":3}\n'
    path = write("a.jsonl", whole * 2 + "\n" + line + "\n" + whole)
    with refused(errors.SourceError, f"line 4 of '{path}'", "half of a character", "'\\ud"):
        steepest.scan(path, columns=columns)
    assert steepest.scan(write("b.jsonl", whole)).levels("x") == {"\U0001f600": 1}


@pytest.mark.parametrize("before", [0, 1, 70])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_line_that_is_not_utf8(before: int, end: str, write: Any, refused: Any) -> None:
    text = f"x,y{end}" + f"größe,1{end}" * before
    path = write("a.csv", text.encode() + f"größe,1{end}".encode("latin1") + b"u,1")
    with refused(errors.SourceError, f"'{path}' is not UTF-8 in line {before + 2}."):
        steepest.scan(path)
