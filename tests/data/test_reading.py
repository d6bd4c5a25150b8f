"""What a text file may look like and still be read: marks, line ends, quotes and nulls."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

import steepest
from steepest.data.layout import NULL_WORDS


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "not ended"])
def test_marks_and_line_ends(last: bool, end: bytes, mark: bytes, name: str, write: Any) -> None:
    text = mark + end.join([b"a,b", b"1,u", b"3,v"]) + (end if last else b"")
    moments = steepest.scan(write(name, gzip.compress(text) if name.endswith("gz") else text))
    assert moments.names == ("a", "b")
    assert moments.mean == [2.0]
    assert moments.levels("b") == {"u": 1, "v": 1}


def test_newlines_delimiters_and_quotes_within_quotes(write: Any) -> None:
    path = write("a.csv", 'c,"the\nx"\n"u\nv",1\n"u,v",2\n"u ""v""",3\n"u\nv",4\n')
    moments = steepest.scan(path)
    assert moments.names == ("c", "the\nx")
    assert moments.levels("c") == {"u\nv": 2, "u,v": 1, 'u "v"': 1}


@pytest.mark.parametrize("word", NULL_WORDS)
def test_null_words_are_nulls_and_quoted_ones_are_levels(word: str, write: Any) -> None:
    moments = steepest.scan(write("a.csv", f'c,x\n"{word}",1\n{word},2\nu,4\nu,{word}\n'))
    assert moments.levels("c") == {word: 1, "u": 1}
    assert moments.problem("x").rows.nulls == {"c": 1, "x": 1}


def test_a_column_of_one_quoted_null_word_is_a_level(write: Any) -> None:
    """Namibia's code, in a file about Namibia."""
    moments = steepest.scan(write("a.csv", 'code,x\n"NA",1\n"NA",2\n'))
    assert moments.levels("code") == {"NA": 2}


@pytest.mark.parametrize("cell", ['""', '"NA"'])
def test_quotes_around_every_cell(cell: str, write: Any) -> None:
    """A quoted null word in a column of numbers cannot be a level: it is a null."""
    moments = steepest.scan(write("a.csv", f'"x","y"\n"1","2"\n{cell},"3"\n"5","4"\n'))
    assert (moments.n_read, moments.n_rows) == (3, 2)
    assert moments.mean.tolist() == [3.0, 3.0]


def test_an_empty_line_of_a_single_column_is_a_null(write: Any) -> None:
    assert steepest.scan(write("a.csv", "x\n1\n\n2\n")).n_read == 3


@pytest.mark.parametrize(
    "text", ["0.1", "1e-5", "123456789.123456789", "5e-1", "-0.30000000000004"]
)
def test_a_number_is_its_nearest_double(text: str, write: Any) -> None:
    moments = steepest.scan(write("a.csv", f"x,y\n{text},1\n"))
    assert moments.mean[0] == float(text)


@pytest.mark.parametrize(
    "column",
    [
        [1.0, float("nan"), 3.0],
        np.array([1.0, np.nan, 3.0], dtype=np.float32),
        pa.array([1.0, float("nan"), 3.0]),
        pa.array([1.0, None, 3.0]),
        pa.array([1, None, 3]),
        pa.array([1.0, None, 3.0], pa.float16()),
        pd.array([1, None, 3], dtype="Int64"),
        pd.array([1.0, None, 3.0], dtype="Float64"),
        pd.Series([1.0, np.nan, 3.0]),
    ],
    ids=lambda column: f"{type(column).__name__} {getattr(column, 'dtype', '')}",
)
def test_nan_and_null_are_the_same(column: Any, tmp_path: Any) -> None:
    moments = steepest.scan({"x": column, "y": [1.0, 2.0, 4.0]})
    assert moments.mean.tolist() == [2.0, 2.5]
    assert moments.problem("y").rows.nulls == {"x": 1, "y": 0}


def test_nan_in_parquet_is_a_null(tmp_path: Any) -> None:
    table = pa.table({"x": pa.array([1.0, float("nan"), 3.0, None]), "y": [1.0, 2.0, 4.0, 5.0]})
    parquet.write_table(table, tmp_path / "t.parquet")
    moments = steepest.scan(tmp_path / "t.parquet")
    assert moments.mean.tolist() == [2.0, 2.5]
    assert moments.problem("y").rows.nulls == {"x": 2, "y": 0}


def test_a_column_without_values_in_the_first_block_takes_its_kind_from_later(
    write: Any, late: Any
) -> None:
    path = write("a.csv", "x,y\n" + ",2\n" * late(400_000) + "7.5,3\n")
    moments = steepest.scan(path)
    assert moments.names == ("x", "y")
    assert moments.n_rows == 1


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_model_without_columns_predicts_every_row(suffix: str, tmp_path: Any) -> None:
    table = pa.table({"z": [1, 2, 3]})
    parquet.write_table(table, tmp_path / "t.parquet")
    table.to_pandas().to_csv(tmp_path / "t.csv", index=False)
    model = steepest.fit({"y": [1.0, 3.0]}, target="y", features=[])
    assert model.predict(tmp_path / f"t.{suffix}").tolist() == [2.0, 2.0, 2.0]


def test_a_table_of_categories_alone() -> None:
    moments = steepest.scan({"c": ["u", "v", "u"], "b": [True, None, False]})
    assert moments.levels("c") == {"u": 2}
    assert (moments.n_read, moments.n_rows) == (3, 2)
