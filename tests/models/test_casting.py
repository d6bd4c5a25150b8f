"""Columns that come in another kind at predict: taken over where nothing is lost, else refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

import steepest
from steepest.errors import ColumnKindError, ValueFoundError

TABLE = {"x": [1.0, 2.0, 3.0, 4.5], "s": ["1", "2", "1", "2.5"], "y": [1.0, 12.0, 3.0, 14.0]}


@pytest.fixture(scope="module")
def model():
    return steepest.fit(TABLE, formula="y ~ x + s", l2=0.1)


def test_numbers_that_came_as_text(model, tmp_path):
    expected = model.predict({"x": [1.0, 4.5, np.nan], "s": ["1", "2", "1"]})
    texts = {"x": ["1", " 4.50", None], "s": ["1", "2", "1"]}
    assert model.predict(texts).tobytes() == expected.tobytes()
    assert model.predict(pd.DataFrame(texts)).tobytes() == expected.tobytes()
    parquet.write_table(pa.table(texts), tmp_path / "t.parquet")
    assert model.predict(tmp_path / "t.parquet").tobytes() == expected.tobytes()


@pytest.mark.parametrize("text", ["one", "1,5", "0x10", "nan", "", "1e400", "9007199254740993"])
def test_text_that_is_no_number_is_refused_with_its_row(model, text):
    with pytest.raises(ColumnKindError, match=f"holds '{text}' in row 2"):
        model.predict({"x": ["1", text], "s": ["1", "1"]})


def test_levels_that_came_as_numbers(model, tmp_path):
    expected = model.predict({"x": [1.0, 1.0, 1.0], "s": ["1", "2.5", None]})
    numbers = {"x": [1.0, 1.0, 1.0], "s": [1.0, 2.5, np.nan]}
    assert model.predict(numbers).tobytes() == expected.tobytes()
    two = model.predict({"x": [1.0, 1.0], "s": ["1", "2"]})
    for kind in ("int8", "uint64", "float32"):
        given = {"x": np.ones(2), "s": np.array([1, 2], dtype=kind)}
        assert model.predict(given).tobytes() == two.tobytes()
    (tmp_path / "n.csv").write_text("x,s\n1,1\n1,2\n")
    assert model.predict(tmp_path / "n.csv").tobytes() == two.tobytes()
    (tmp_path / "as_written.csv").write_text("x,s\n1,1\n1,01\n")
    with pytest.raises(ValueFoundError, match="'01' in row 2"):
        model.predict(tmp_path / "as_written.csv")
    with pytest.raises(ColumnKindError, match="'9007199254740992' in row 1"):
        model.predict({"x": [1.0], "s": [2**53]})


def test_dates_and_booleans_are_not_taken_over(model):
    with pytest.raises(ColumnKindError, match="'x' is a number in the model but a time"):
        model.predict(pd.DataFrame({"x": pd.date_range("2024-01-01", periods=1), "s": ["1"]}))
    with pytest.raises(ColumnKindError, match="'x' is a number in the model but a category"):
        model.predict({"x": np.array([True]), "s": ["1"]})
