"""Files that cannot be read say why, where and what to do."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import steepest
from steepest import errors

LONG = 16_000
"""Lines of four bytes: more than the first block of 1 MB, from which kinds are inferred."""


# ------------------------------------------------------------------ what is no table of text


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "<!DOCTYPE html>\n<html><body>Sign in</body></html>\n", ["a web page"]),
        ("a.csv", "\n <HTML>\n", ["a web page"]),
        ("a.jsonl", "<html>\n", ["a web page"]),
        ("a.csv", b"\xff\xff\xff\xff\x10\0\0\0", ["an Arrow stream"]),
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest\n1\n", ["an old spreadsheet"]),
        ("a.csv", b"\x89HDF\r\n\x1a\nrest\n1\n", ["HDF5"]),
        ("a.csv", "%PDF-1.4\n1 0 obj\n", ["PDF"]),
        ("a.csv", b"Obj\x01\x04\x14avro.codec\n1\n", ["Avro"]),
        ("a.csv", '{"x": 1, "y": 2}\n', ["line 1", "JSON", ".jsonl"]),
        ("a.csv", '[{"x": 1, "y": 2}]\n', ["line 1", "jq -c '.[]'"]),
        ("a.csv", "# made by hand\nx,y\n1,2\n", ["line 2", "1 is expected", "skip_lines=1"]),
    ],
)
def test_it_is_told_by_what_it_shows(
    name: str, content: str | bytes, words: list[str], write: Any, refused: Any
) -> None:
    path = write(name, content)
    with refused(errors.SourceError, f"'{path}'", *words):
        steepest.scan(path)


def test_what_others_wrote_under_a_wrong_name(tmp_path: Path, refused: Any) -> None:
    np.save(tmp_path / "a.npy", np.arange(3))
    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        connection.execute("create table t as select 1 as x")
    for ending, word in (("npy", "an array of NumPy"), ("duckdb", "DuckDB")):
        path = (tmp_path / f"a.{ending}").rename(tmp_path / f"{ending}.csv")
        with refused(errors.SourceError, f"'{path}' is no table of text", word):
            steepest.scan(path)


def test_models_and_moments_are_no_tables(tmp_path: Path, refused: Any) -> None:
    table = {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 7.0]}
    model, moments = tmp_path / "m.json", tmp_path / "s.moments"
    fitted = steepest.fit(table, target="y")
    fitted.save(model)
    steepest.scan(table).save(moments)
    for read in (steepest.scan, fitted.predict, fitted.score):
        with refused(errors.SourceError, f"'{model}' holds a model", f"steepest show {model}"):
            read(model)
        with refused(errors.SourceError, f"'{moments}' holds moments", f"load('{moments}')"):
            read(str(moments))


def test_columns_without_a_name_in_many_files(write: Any) -> None:
    files = [write(f"{i}.csv", f"x,y,\n{i},2,3\n4,{i},6\n") for i in range(3)]
    moments = steepest.scan(files)
    assert moments.names == ("x", "y")
    assert moments.left_out == {"": "it has no name"}


def test_a_header_that_another_mark_cuts(write: Any, refused: Any) -> None:
    path = write("a.csv", "x y\n1 2\n3 4\n")
    with refused(errors.ColumnNotFoundError, "'y' is not in", "delimiter=' ') if blanks"):
        steepest.scan(path, columns=["y"])
    assert steepest.scan(steepest.open_table(path, delimiter=" "), columns=["y"]).n_rows == 2


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("a\x1b[31m", r"'a\x1b[31m' in line 3"),
        ('"a\nb"', r"'a\nb' in line 3"),
        ("1\xa0000", r"'1\xa0000' in line 3"),
        ("4\0", r"'4\x00' in line 3"),
    ],
)
def test_cells_are_told_on_one_line_and_do_nothing_to_a_terminal(
    cell: str, shown: str, write: Any, refused: Any
) -> None:
    path = write("a.csv", f"x,y\n1,2\n{cell},3\n")
    with refused(errors.ColumnKindError, shown):
        steepest.scan(path)
    with pytest.raises(errors.ColumnKindError) as found:
        steepest.scan(path)
    assert len(str(found.value).splitlines()) == 4
    plain = str(found.value).replace("\xa0", " ")  # as it is in what can be pasted
    assert all(c.isprintable() or c == "\n" for c in plain.partition("Hint: ")[0])


def test_an_infinity_too_long_to_be_named_is_not_named_in_the_hint(
    write: Any, refused: Any
) -> None:
    path = write("a.csv", "x\n1\n" + "9" * 400 + "\n")
    with refused(errors.ValueFoundError, "line 3 has '9999", "mend that cell"):
        steepest.scan(path)


# ------------------------------------------------------------------ paths


def test_missing_file(write: Any, refused: Any) -> None:
    path = write("homes.csv", "a,b\n1,2\n")
    missing = path.replace("homes", "hoems")
    with refused(
        errors.SourceNotFoundError, f"there is no file '{missing}'", f"did you mean '{path}'?"
    ):
        steepest.scan(missing)


def test_glob_without_match(tmp_path: Path, write: Any, refused: Any) -> None:
    write("a.csv", "a,b\n1,2\n")
    with refused(errors.SourceNotFoundError, "no file matches", "*.parquet", "'a.csv'"):
        steepest.scan(str(tmp_path / "*.parquet"))


def test_a_name_with_brackets_is_a_file_first(write: Any) -> None:
    assert steepest.scan(write("a[1].csv", "a,b\n1,2\n")).n_rows == 1


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.parquet"])
def test_empty_file(name: str, write: Any, refused: Any) -> None:
    with refused(errors.SourceError, name, "0 bytes"):
        steepest.scan(write(name, b""))


@pytest.mark.parametrize("name", ["a.xlsx", "a.gz", "a", "a.csv.zip"])
def test_unknown_ending(name: str, write: Any, refused: Any) -> None:
    with refused(
        errors.SourceError, name, "does not end in .csv, .tsv, .jsonl, .parquet or .arrow"
    ):
        steepest.scan(write(name, "a,b\n1,2\n"))


@pytest.mark.parametrize("path", ["a" * 300 + ".csv", "~nobody_of_that_name/a.csv", "a\0b.csv"])
def test_impossible_paths_are_not_found(path: str, refused: Any) -> None:
    with refused(errors.SourceNotFoundError):
        steepest.scan(path)


def test_a_device_is_no_file(refused: Any) -> None:
    with refused(errors.SourceError, "not a regular file"):
        steepest.scan("/dev/null")


# ------------------------------------------------------------------ headers and rows


@pytest.mark.parametrize("text", ["a,b\n", "a,b", "a,b\r\n", "\n\n"])
def test_header_only(text: str, write: Any, refused: Any) -> None:
    with refused(errors.EmptySourceError, "a.csv", "no data rows"):
        steepest.scan(write("a.csv", text))


def test_header_only_is_fine_among_others(write: Any) -> None:
    files = [
        write("0.csv", "c,x\n"),
        write("1.csv", "c,x\nu,1\nv,3\n"),
        write("2.csv", "x,c\n"),
        write("3.csv", "x,c\n5,w\n"),
    ]
    moments = steepest.scan(files)
    assert moments.n_read == 3
    assert moments.mean == [3.0]
    assert moments.levels("c") == {"u": 1, "v": 1, "w": 1}


def test_numeric_header(write: Any, refused: Any) -> None:
    with refused(errors.SourceError, "no header", "'39.1'", "'181'"):
        steepest.scan(write("a.csv", "39.1,181\n39.5,186\n"))


def test_repeated_column_in_the_header(write: Any, refused: Any) -> None:
    with refused(errors.ColumnNameError, "'a' stands 2 times", "a.csv"):
        steepest.scan(write("a.csv", "a,b,a\n1,2,3\n"))


def test_repeated_column_in_parquet(tmp_path: Path, refused: Any) -> None:
    table = pa.table([pa.array([1.0]), pa.array([2.0])], names=["a", "a"])
    parquet.write_table(table, tmp_path / "a.parquet")
    with refused(errors.ColumnNameError, "'a' stands 2 times", "a.parquet"):
        steepest.scan(tmp_path / "a.parquet")


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("a,b\n1,2\n3\n", "line 3", "1 field,"),
        ("a,b\n1,2\n3,4,5\n", "line 3", "3 fields,"),
        ("a,b\n" + "1,2\n" * LONG + "1,2,3\n", "line 16,002", "3 fields,"),
    ],
    ids=["short", "long", "late"],
)
def test_ragged_line(text: str, line: str, found: str, write: Any, refused: Any) -> None:
    with refused(errors.SourceError, line, found, "where 2 are expected"):
        steepest.scan(write("a.csv", text))


@pytest.mark.parametrize(
    ("text", "line"),
    [('a,b\n"x\ny",2\n"z\nw",2\n3\n', "line 6"), ("a,b\n1,2\n\n\n3\n", "line 5")],
    ids=["newlines in quotes", "blank lines"],
)
def test_a_line_is_counted_as_an_editor_does(
    text: str, line: str, write: Any, refused: Any
) -> None:
    with refused(errors.SourceError, line):
        steepest.scan(write("a.csv", text))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("columns", [None, ["n"], ["n", "m"], ["t", "n"]])
def test_text_late_in_a_number_column(columns: list[str] | None, write: Any, refused: Any) -> None:
    path = write("a.csv", "t,m,n\n" + "u,1,2\n" * LONG + "u,1,oops\n")
    with refused(errors.ColumnKindError, "'n'", "a.csv", "is a number", "'oops'", "line 16,002"):
        steepest.scan(path, columns=columns)


@pytest.mark.usefixtures("small_blocks")
def test_text_late_in_a_boolean_column(write: Any, refused: Any) -> None:
    path = write("a.csv", "m,n\n" + "true,2\n" * LONG + "perhaps,2\n")
    with refused(errors.ColumnKindError, "'m'", "is a boolean", "'perhaps'", "line 16,002"):
        steepest.scan(path)


@pytest.mark.usefixtures("small_blocks")
def test_a_column_of_no_use_may_hold_anything(write: Any) -> None:
    path = write("a.csv", "t,m\n" + "1,1\n" * LONG + "oops,1\n")
    assert steepest.scan(path, columns=["m"]).n_rows == LONG + 1


# ------------------------------------------------------------------ encodings and damage


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16(encoding: str, name: str, write: Any, refused: Any) -> None:
    text = "\ufeff" if encoding != "utf-16" else ""
    content = (text + "a,b\n1,2\n").encode(encoding)
    path = write(name, gzip.compress(content) if name.endswith("gz") else content)
    with refused(errors.SourceError, f"'{path}' is UTF-16", "encoding='utf-16"):
        steepest.scan(path)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "content",
    [
        "größe,b\n1,2\n".encode("latin1"),
        "a,b\nä,2\n".encode("latin1"),
        b"a,b\n" + b"o,2\n" * LONG + "ä,2\n".encode("latin1"),
    ],
    ids=["header", "cell", "late cell"],
)
def test_latin1(content: bytes, write: Any, refused: Any) -> None:
    path = write("a.csv", content)
    with refused(errors.SourceError, f"'{path}' is not UTF-8", "encoding='latin1'"):
        steepest.scan(path)


def _zipped() -> bytes:
    return gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(9_000)))


def _damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF, data[at + 1] ^ 0xFF]) + data[at + 2 :]


@pytest.mark.parametrize(
    "content",
    [_zipped()[:-20], _zipped()[:5_000], _damaged(_zipped(), 200), _damaged(_zipped(), -8)],
    ids=["cut at the end", "cut in the middle", "damaged data", "damaged checksum"],
)
def test_damaged_gzip(content: bytes, write: Any, refused: Any) -> None:
    path = write("a.csv.gz", content)
    with refused(errors.SourceError, path, "the file is whole"):
        steepest.scan(path)


def _parquet(path: Path, **options: Any) -> bytes:
    table = pa.table({"x": np.arange(3_000.0), "y": np.arange(3_000.0) % 7})
    parquet.write_table(table, path, compression="none", use_dictionary=False, **options)
    return path.read_bytes()


def test_parquet_that_is_none(write: Any, refused: Any) -> None:
    path = write("a.parquet", "a,b\n" + "1,2\n" * 100)
    with refused(errors.SourceError, f"'{path}' cannot be read as Parquet"):
        steepest.scan(path)


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_truncated_parquet(share: float, tmp_path: Path, refused: Any) -> None:
    path = tmp_path / "a.parquet"
    data = _parquet(path)
    path.write_bytes(data[: int(len(data) * share)])
    with refused(errors.SourceError, f"'{path}' cannot be read as Parquet"):
        steepest.scan(path)


def test_a_flipped_bit_in_a_page_with_a_checksum(tmp_path: Path, refused: Any) -> None:
    path = tmp_path / "a.parquet"
    data = bytearray(_parquet(path, write_page_checksum=True))
    value = data.index(np.float64(1_234.0).tobytes())
    data[value + 3] ^= 0x10
    path.write_bytes(data)
    with refused(errors.SourceError, str(path), "CRC"):
        steepest.scan(path)


# ------------------------------------------------------------------ files that do not match


def test_kinds_that_differ(write: Any, refused: Any) -> None:
    files = [write("a.csv", "x,y\n1,2\n"), write("b.csv", "x,y\nu,2\n")]
    with refused(errors.ColumnKindError, "'x' is a number in", "a.csv", "a category in", "b.csv"):
        steepest.scan(files)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_columns_that_differ(order: tuple[int, int], write: Any, refused: Any) -> None:
    files = [write("a.csv", "x,y\n1,2\n"), write("b.csv", "x,y,extra\n1,2,3\n")]
    found = f"column 'extra' of '{files[1]}' is not in '{files[0]}'"
    with refused(errors.ColumnNotFoundError, found, "'x' and 'y'"):
        steepest.scan([files[i] for i in order])


def test_columns_of_no_use_may_differ(write: Any) -> None:
    files = [write("a.csv", "x,y\n1,2\n"), write("b.csv", "y,extra,x\n4,?,3\n")]
    assert steepest.scan(files, columns=["x", "y"]).mean.tolist() == [2.0, 3.0]


def test_booleans_in_one_file_are_text_in_another(write: Any, refused: Any) -> None:
    """One text, one level, whatever else its file holds, where it is said to be text."""
    files = [write("a.csv", "c,y\nTrue,1\nmaybe,2\n"), write("b.csv", "c,y\nTrue,3\nFalse,4\n")]
    with refused(errors.ColumnKindError, "'c' of", "a.csv", "'maybe' in line 3", "text=['c']"):
        steepest.scan(files)
    levels = steepest.scan(files, formula="y ~ C(c)").levels("c")
    assert levels == {"False": 1, "True": 2, "maybe": 1}


def test_several_files_are_not_called_by_the_first(write: Any) -> None:
    files = [write("a.csv", "x,y\n1,2\n"), write("b.csv", "x,y\n3,3\n")]
    model = steepest.fit(files, target="y")
    assert model.provenance.source != f"'{files[0]}'"


def test_other_formats_name_their_reader(write: Any, refused: Any) -> None:
    for ending, reader in ((".xlsx", "read_excel"), (".dta", "read_stata"), (".zip", "read_csv")):
        with refused(errors.SourceError, "does not end in", f"pandas.{reader}("):
            steepest.scan(write(f"t{ending}", "x"))
    with refused(errors.SourceError, "does not end in", "jq -c", "t.JSON > rows.jsonl"):
        steepest.scan(write("t.JSON", "[]"))
