"""JSON lines: what they may look like, and what is refused with its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import steepest
from steepest import errors
from steepest.data import lines, objects

LONG = 3_000
"""Lines of nine bytes: more than a block."""


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "BLOCK_BYTES", 1 << 14)


def rows(*values: Any, key: str = "x") -> str:
    return "".join(json.dumps({key: value}) + "\n" for value in values)


# ------------------------------------------------------------------ what is read


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n \n"], ids=["LF", "CRLF", "blank lines"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "not ended"])
def test_marks_and_line_ends(last: bool, end: bytes, mark: bytes, write: Any) -> None:
    text = mark + end.join([b'{"a":1,"b":"u"}', b'{"b":"v","a":3}']) + (end if last else b"")
    moments = steepest.scan(write("a.jsonl", text))
    assert moments.names == ("a", "b")
    assert moments.mean == [2.0]
    assert moments.levels("b") == {"u": 1, "v": 1}


def test_a_missing_key_a_null_and_a_nan_are_null(write: Any) -> None:
    path = write("a.jsonl", '{"x":1,"y":1}\n{"y":2}\n{"x":null,"y":3}\n{"x":NaN,"y":4}\n')
    moments = steepest.scan(path)
    assert (moments.n_read, moments.n_rows) == (4, 1)
    assert moments.problem("y").rows.nulls == {"x": 3, "y": 0}


def test_null_words_are_levels(write: Any) -> None:
    """JSON has a null of its own."""
    assert steepest.scan(write("a.jsonl", rows("NA", "", None))).levels("x") == {"NA": 1, "": 1}


@pytest.mark.parametrize("text", ["0.1", "1e-5", "123456789.123456789", "5E-1", "9007199254740993"])
def test_a_number_is_its_nearest_double(text: str, write: Any) -> None:
    path = write("a.jsonl", f'{{"x":{text}}}\n')
    assert steepest.scan(path).mean[0] == float(text)


def test_kinds_are_joined_over_blocks(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "BLOCK_BYTES", 16)
    path = write("a.jsonl", rows(None, 1, 2.5, None, 3))
    moments = steepest.scan(path)
    assert (moments.n_read, moments.n_rows) == (5, 3)
    assert moments.mean == [6.5 / 3]


def test_a_key_that_comes_late_is_a_column(write: Any) -> None:
    path = write("a.jsonl", rows(1.5) * LONG + '{"x":2.5,"late":7}\n')
    moments = steepest.scan(path)
    assert moments.names == ("x", "late")
    assert moments.problem("x").rows.nulls == {"x": 0, "late": LONG}
    assert steepest.scan(path, columns=["late"]).mean == [7.0]


def test_text_like_dates_is_text_where_some_is_not(write: Any) -> None:
    dates = write("a.jsonl", rows("2024-01-01"))
    others = write("b.jsonl", rows("soon"))
    assert steepest.scan([dates, others]).levels("x") == {"2024-01-01": 1, "soon": 1}
    mixed = write("c.jsonl", rows("2024-01-01") * 3_000 + rows("soon"))
    assert steepest.scan(mixed).levels("x") == {"2024-01-01": 3_000, "soon": 1}


def test_dates_are_times(write: Any) -> None:
    path = write("a.jsonl", '{"d":"2024-01-01","y":1}\n{"d":"2024-01-03","y":2}\n')
    assert "timestamp" in steepest.scan(path).left_out["d"]
    assert steepest.fit(path, formula="y ~ days(d)").coefficients["days(d)"] == 0.5


def test_keys_of_no_use_may_hold_anything(write: Any) -> None:
    text = '{"x":1,"t":"u"}\n{"x":2,"t":5}\n{"t":[1,{"a":2}],"x":3}\n{"x":4,"t":{}}\n'
    assert steepest.scan(write("a.jsonl", text), columns=["x"]).mean == [2.5]


def test_nested_values_are_left_out(write: Any) -> None:
    moments = steepest.scan(write("a.jsonl", '{"x":1,"t":[1,2]}\n{"x":2,"t":[]}\n'))
    assert moments.names == ("x",)
    assert "list" in moments.left_out["t"]


def test_kept_cells_of_predictions(write: Any) -> None:
    model = steepest.fit({"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]}, target="y")
    path = write("a.jsonl", '{"x":5,"id":9007199254740993,"day":"2024-01-01"}\n')
    from steepest.data.open import open_source
    from steepest.data.predictor import Manner

    (found,) = model.stream(open_source(path), Manner(), ("id", "day"))
    assert found.values == pytest.approx([10.0])
    assert found.batch.cells("id").to_pylist() == [2**53 + 1]
    assert found.batch.cells("day").to_pylist() == ["2024-01-01"]


def test_a_model_without_columns_predicts_every_row(write: Any) -> None:
    model = steepest.fit({"y": [1.0, 3.0]}, target="y", features=[])
    assert model.predict(write("t.jsonl", rows(1, 2, 3))).tolist() == [2.0, 2.0, 2.0]


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"x":1', "expecting"),
        ("{'x':1}", "expecting property name"),
        ('{"x":01}', "expecting ',' delimiter"),
        ('{"x":1} {"x":2}', "extra data"),
        ('{"x":1},', "extra data"),
        ("[1, 2]", "it is a nested value"),
        ("1", "it is a number"),
        ("null", "it is a null"),
        ('{"x":1,"x":2}', "the key 'x' stands twice"),
        ('{"x":' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deep"),
    ],
    ids=lambda value: value[:20],
)
@pytest.mark.parametrize("columns", [None, ["x"]])
@pytest.mark.parametrize("before", [1, LONG], ids=["early", "late"])
def test_a_line_that_is_no_object(
    before: int, columns: list[str] | None, line: str, words: str, write: Any, refused: Any
) -> None:
    path = write("a.jsonl", rows(1) * before + "\n" + line + "\n" + rows(3))
    with refused(errors.SourceError, f"line {before + 2:,} of '{path}'", words):
        steepest.scan(path, columns=columns)


def test_an_object_over_two_lines(write: Any, refused: Any) -> None:
    path = write("a.jsonl", rows(1) + '{"x":\n2}\n')
    with refused(errors.SourceError, f"line 2 of '{path}'"):
        steepest.scan(path)


@pytest.mark.parametrize(
    ("first", "then", "word", "shown"),
    [
        (1, "oops", "number", "'oops'"),
        ("u", 5, "category", "'5'"),
        ("u", True, "category", "'true'"),
        (True, 1, "boolean", "'1'"),
        (True, "true", "boolean", "'true'"),
        (1, [2], "number", "'[2]'"),
        ([2], 1, "nested value", "'1'"),
    ],
)
@pytest.mark.parametrize("before", [1, LONG], ids=["early", "late"])
@pytest.mark.parametrize("columns", [None, ["x"]])
def test_a_value_of_another_kind(
    columns: Any,
    before: int,
    first: Any,
    then: Any,
    word: str,
    shown: str,
    write: Any,
    refused: Any,
) -> None:
    path = write("a.jsonl", rows(first) * before + rows(None, then))
    if columns and isinstance(first, list):
        with refused(errors.ColumnKindError, "'x'"):
            steepest.scan(path, columns=columns)
        return
    with refused(
        errors.ColumnKindError, f"'x' of '{path}' is a {word}", shown, f"line {before + 2:,}"
    ):
        steepest.scan(path, columns=columns)


def test_a_number_beyond_doubles(write: Any, refused: Any) -> None:
    path = write("a.jsonl", rows(1) + '{"x":1e400}\n')
    with refused(errors.ColumnKindError, "'1e400'", "line 2"):
        steepest.scan(path)


@pytest.mark.parametrize("word", ["Infinity", "-Infinity"])
def test_an_infinity_is_told_with_its_line(word: str, write: Any, refused: Any) -> None:
    path = write("a.jsonl", rows(*range(20_000)) + '\n{"x":1}\n  \n{"x":' + word + "}\n")
    with refused(errors.ColumnKindError, "'x'", "inf' in line 20,004"):
        steepest.scan(path)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('[{"x":1},\n {"x":3}]\n', "jq -c '.[]' 'a b.jsonl' > rows.jsonl"),
        ('[{"x":1}]\n', "jq -c '.[]' 'a b.jsonl' > rows.jsonl"),
        ('{\n "x": 1\n}\n', "jq -c . 'a b.jsonl' > rows.jsonl"),
        ('{"x":1}\n[1]\n', "mend that line."),
        ('{"x":1\n', "mend that line."),
    ],
)
def test_objects_that_are_no_lines(
    text: str, hint: str, write: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write("a b.jsonl", text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.SourceError, match="is no JSON object") as caught:
        steepest.scan("a b.jsonl")
    assert caught.value.hint == hint


@pytest.mark.parametrize("text_first", [True, False])
@pytest.mark.parametrize("before", [3, 2_000])
def test_times_beside_text_are_text(
    text_first: bool, before: int, write: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever came first, within a block and later, whoever asks."""
    monkeypatch.setattr(objects, "BLOCK_BYTES", 10_000)
    monkeypatch.setattr(lines, "PART_BYTES", 20_000)
    first, then = ("soon", "2024-01-01") if text_first else ("2024-01-01", "soon")
    text = "".join(json.dumps({"d": first, "y": i}) + "\n" for i in range(before))
    path = write("a.jsonl", text + json.dumps({"d": then, "y": 1}) + "\n")
    for asked in ({}, {"columns": ["d", "y"]}, {"formula": "y ~ C(d)"}):
        assert steepest.scan(path, **asked).levels("d") == {first: before, then: 1}
    with refused(errors.ColumnKindError, "'days(d)'", "of type string", "where all of it is"):
        steepest.fit(path, formula="y ~ days(d)")


@pytest.mark.parametrize("encoding", ["utf-16", "latin1"])
def test_encodings(encoding: str, write: Any, refused: Any) -> None:
    path = write("a.jsonl", '{"größe":1}\n'.encode(encoding))
    word = "UTF-16" if encoding == "utf-16" else "not UTF-8"
    with refused(errors.SourceError, f"'{path}' is {word}", "encoding="):
        steepest.scan(path)


def test_a_line_without_end(write: Any, refused: Any) -> None:
    path = write("a.jsonl", rows(1) + '{"x":"' + "u" * (17 << 20) + '"}\n')
    with refused(errors.SourceError, "line 2", "more than 16,777,216 bytes"):
        steepest.scan(path)


@pytest.mark.parametrize("text", ["\n\n", "{}\n{}\n"])
def test_no_column(text: str, write: Any, refused: Any) -> None:
    with refused(errors.EmptySourceError, "a.jsonl", "no column"):
        steepest.scan(write("a.jsonl", text))


def test_a_file_without_a_key_of_the_others(write: Any, refused: Any) -> None:
    files = [write("a.jsonl", '{"x":1,"y":2}\n'), write("b.jsonl", '{"x":1}\n')]
    with refused(errors.ColumnNotFoundError, "column 'y' of '", "b.jsonl"):
        steepest.scan(files)


def test_packed_and_cut_off(write: Any, refused: Any) -> None:
    data = gzip.compress((rows(1.25) * LONG).encode())
    path = write("a.jsonl.gz", data[:-9])
    with refused(errors.SourceError, path, "JSON lines", "Truncated"):
        steepest.scan(path)


def test_memory_stays_bounded(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "BLOCK_BYTES", 1 << 21)
    path = write("a.jsonl", '{"x":1.25,"y":3.5,"c":"level"}\n' * 500_000)  # 15 MB
    before = pa.default_memory_pool().max_memory()
    steepest.scan(path)
    assert pa.default_memory_pool().max_memory() - before < 10 << 20


LF = b"\n"


@pytest.mark.parametrize("line", [b"\x0b", b"\x0c", b'{"x":1,}', b'{"x":tru}', b"\x00", b"1", b"{"])
def test_what_is_no_object_is_told_with_its_line(line: bytes, write: Any, refused: Any) -> None:
    for before in (b"", b'{"x":1}\n', b'\n \n{"x":1}\n\t\n'):
        path = write("a.jsonl", before + line + b"\n" + b'{"x":2}\n')
        with refused(errors.SourceError, f"line {before.count(LF) + 1} of '{path}'"):
            steepest.scan(path)
