"""Tables and cells that cannot be used say which, where and why."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

import steepest
from steepest import errors
from steepest.data import memory

XY = {"x": [1.0, 2.0, 4.0], "y": [1.0, 3.0, 4.0]}


# ------------------------------------------------------------------ names and roles


@pytest.mark.parametrize(
    "ask",
    [
        lambda: steepest.scan(XY | {"price": [1, 2, 3]}, columns=["pirce"]),
        lambda: steepest.fit(XY | {"price": [1, 2, 3]}, target="pirce"),
        lambda: steepest.fit(XY | {"price": [1, 2, 3]}, target="y", features=["pirce"]),
        lambda: steepest.fit(steepest.scan(XY | {"price": [1, 2, 3]}), target="pirce"),
    ],
    ids=["scan", "target", "feature", "moments"],
)
def test_unknown_column(ask: Callable[[], object], refused: Any) -> None:
    with refused(
        errors.ColumnNotFoundError, "column 'pirce' is not in", "3 columns", "did you mean 'price'?"
    ):
        ask()


def test_repeated_feature(refused: Any) -> None:
    with refused(errors.ColumnNameError, "'x' stands 2 times"):
        steepest.fit(XY, target="y", features=["x", "x"])


def test_target_among_the_features(refused: Any) -> None:
    with refused(errors.ColumnNameError, "target column 'y' is also a feature"):
        steepest.fit(XY, target="y", features=["x", "y"])


@pytest.mark.parametrize(
    "table",
    [{1: [1.0, 2.0], "1": [3.0, 4.0]}, pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], columns=[1, "1"])],
    ids=["dict", "pandas"],
)
def test_names_that_become_the_same_text(table: Any, refused: Any) -> None:
    with refused(errors.ColumnNameError, "'1' stands 2 times"):
        steepest.scan(table)


def test_repeated_names_of_frames_and_arrays(refused: Any) -> None:
    frame = pd.DataFrame(np.ones((2, 3)), columns=["a", "b", "a"])
    for scan in (
        lambda: steepest.scan(frame),
        lambda: steepest.scan(np.ones((2, 2)), names=["a", "a"]),
    ):
        with refused(errors.ColumnNameError, "'a' stands 2 times"):
            scan()


def test_an_array_without_names(refused: Any) -> None:
    with refused(errors.ColumnNameError, "3 columns came without names", "names=['x1', 'x2', 'y']"):
        steepest.scan(np.ones((4, 3)))
    with refused(errors.LengthError, "3 columns", "names has 2"):
        steepest.scan(np.ones((4, 3)), names=["a", "b"])
    with refused(errors.OptionError, "names"):
        steepest.scan(XY, names=["a", "b"])


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("t", ("'t' is text",)),
        ("d", ("'d' has type timestamp", "days(d)")),
        ("n", ("'n' has type list",)),
    ],
)
def test_impossible_targets(target: str, words: tuple[str, ...], refused: Any) -> None:
    table = {
        "x": [1.0, 2.0],
        "t": ["u", "v"],
        "d": [dt.datetime(2024, 2, 29), dt.datetime(2024, 3, 1)],
        "n": [[1, 2], [3]],
    }
    with refused(errors.ColumnKindError, *words):
        steepest.fit(table, target=target)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pa.array([[1, 2], [3]]), "type list<"),
        (pa.array([{"a": 1}, {"a": 2}]), "type struct<"),
        (pa.array([b"a", b"b"]), "type binary"),
        (pa.array([dt.date(2024, 2, 29), None]), "a time (date32"),
        (pa.array([dt.timedelta(1), None]), "a time (duration"),
    ],
    ids=["list", "struct", "bytes", "date", "duration"],
)
def test_columns_of_no_use_are_left_out_with_the_reason(
    column: pa.Array, reason: str, tmp_path: Path, refused: Any
) -> None:
    parquet.write_table(pa.table({"x": [1.0, 2.0], "odd": column}), tmp_path / "t.parquet")
    moments = steepest.scan(tmp_path / "t.parquet")
    assert moments.names == ("x",)
    assert reason in moments.left_out["odd"]
    with refused(errors.ColumnKindError, "'odd'", "Hint: "):
        steepest.scan(tmp_path / "t.parquet", columns=["x", "odd"])
    with refused(errors.ColumnNotFoundError, "'odd'", "left it out", reason):
        steepest.fit(moments, target="odd")


def test_a_column_without_any_value_is_left_out_unless_named(refused: Any) -> None:
    table = pa.table({"x": [1.0, 2.0], "gone": pa.nulls(2), "y": [1.0, 3.0]})
    moments = steepest.scan(table)
    assert moments.left_out == {"gone": "it has no value in any row"}
    assert moments.n_rows == 2
    with refused(errors.EmptySourceError, "'gone' has no value in any of the 2 rows"):
        steepest.fit(table, target="y", features=["x", "gone"])


def test_nothing_but_columns_of_no_use(refused: Any) -> None:
    with refused(errors.EmptySourceError, "no column", "'d': it is a time"):
        steepest.scan({"d": [dt.date(2024, 2, 29)]})
    for table in ({}, pd.DataFrame()):
        with refused(errors.EmptySourceError, "no columns at all"):
            steepest.scan(table)


# ------------------------------------------------------------------ shapes and kinds in memory


def test_columns_of_different_length(refused: Any) -> None:
    with refused(errors.LengthError, "'x' has 3 rows", "'y' has 2"):
        steepest.scan({"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0]})


@pytest.mark.parametrize("shape", [(3,), (3, 1, 2)])
def test_arrays_that_are_no_table(shape: tuple[int, ...], refused: Any) -> None:
    with refused(errors.LengthError, f"the array has shape {shape}"):
        steepest.scan(np.ones(shape), names=["a"])
    with refused(errors.LengthError, "column 'x' has shape (2, 2)"):
        steepest.scan({"x": np.ones((2, 2)), "y": [1.0, 2.0]})


@pytest.mark.parametrize(
    "source",
    [
        None,
        7,
        [],
        [[1.0, 2.0]],
        pd.Series([1.0]),
        pl.Series([1.0]),
        pa.array([1.0]),
        pa.chunked_array([[1.0]]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_things_that_are_no_table(source: Any, refused: Any) -> None:
    with refused(errors.SourceError, type(source).__name__, "is not a table"):
        steepest.scan(source)


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.LazyFrame, dict])
def test_a_class_is_no_table(kind: Any, refused: Any) -> None:
    with refused(errors.SourceError, f"a class {kind.__name__} is not a table"):
        steepest.scan(kind)


@pytest.mark.parametrize(
    "column",
    [
        5,
        5.0,
        "ab",
        np.float64(5),
        None,
        [2**300, 1],
        [1, "a"],
        {1: 2},
        {1, 2},
        np.array([1j, 2]),
        object(),
    ],
    ids=lambda column: type(column).__name__,
)
def test_things_that_are_no_column(column: Any, refused: Any) -> None:
    with pytest.raises((errors.SourceError, errors.LengthError), match="'x'") as caught:
        steepest.scan({"x": column, "y": [1.0, 2.0]})
    assert "\n\nHint: " in str(caught.value)


def test_masked_cells_are_nulls() -> None:
    values = np.ma.array([[1.0, 2.0], [3.0, 4.0], [99.0, 5.0]], mask=[[0, 0], [0, 0], [1, 0]])
    moments = steepest.scan(values, names=["a", "b"])
    assert (moments.n_read, moments.n_rows) == (3, 2)
    assert moments.mean.tolist() == [2.0, 3.0]
    whole = np.ma.array([1, 2, 99], mask=[0, 0, 1])
    assert steepest.scan({"a": whole, "b": [1.0, 2.0, 3.0]}).n_rows == 2


@pytest.mark.parametrize(
    ("values", "levels"),
    [(["u", "v", "w"], {"u": 1, "v": 1}), ([True, False, True], {"false": 1, "true": 1})],
    ids=["text", "booleans"],
)
def test_masked_categories(values: list[Any], levels: dict[str, int]) -> None:
    table = {"c": np.ma.array(values, mask=[0, 0, 1]), "y": [1.0, 2.0, 3.0]}
    assert steepest.scan(table).levels("c") == levels


# ------------------------------------------------------------------ cells


def _tables(folder: Path, table: dict[str, np.ndarray]) -> dict[str, Any]:
    frame = pd.DataFrame(table)
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_parquet(folder / "t.parquet", row_group_size=2)
    return {
        "dict": table,
        "pandas": frame,
        "csv": folder / "t.csv",
        "parquet": folder / "t.parquet",
        "array": frame.to_numpy(),
    }


KINDS = ("dict", "pandas", "csv", "parquet", "array")


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_infinities(kind: str, value: float, tmp_path: Path, refused: Any) -> None:
    table = {"a": np.arange(7.0), "b": np.arange(7.0)}
    table["b"][4], table["a"][5] = value, np.inf
    table["a"][1] = np.nan
    source = _tables(tmp_path, table)[kind]
    names = ["a", "b"] if kind == "array" else None
    with refused(errors.ValueFoundError, "column 'b'", f"holds {value:.0f} in row 5"):
        steepest.scan(source, names=names)


@pytest.mark.parametrize("kind", ["dict", "csv", "parquet", "array"])
def test_an_infinity_in_a_later_part(kind: str, tmp_path: Path, refused: Any) -> None:
    """Row 131,900 of a table whose parts have 131,072 rows."""
    assert memory.PART_ROWS == 131_072
    table = {"a": np.arange(140_000) % 7.0, "b": np.arange(140_000) % 11.0}
    table["b"][131_899] = -np.inf
    frame = pd.DataFrame(table)
    sources = {"dict": table, "array": frame.to_numpy()}
    if kind == "csv":
        frame.to_csv(tmp_path / "t.csv", index=False)
    elif kind == "parquet":
        frame.to_parquet(tmp_path / "t.parquet", row_group_size=50_000)
    source = sources.get(kind, tmp_path / f"t.{kind}")
    with refused(errors.ValueFoundError, "column 'b'", "holds -inf in row 131,900"):
        steepest.scan(source, names=["a", "b"] if kind == "array" else None)


def test_an_infinity_too_large_for_a_double(write: Any, refused: Any) -> None:
    with refused(errors.ValueFoundError, "column 'x'", "a.csv", "holds inf in row 2"):
        steepest.scan(write("a.csv", "x,y\n1,2\n1e400,2\n"))


@pytest.mark.parametrize(
    ("value", "word"), [(1e200, "overflow"), (1e-200, "underflow")], ids=["1e200", "1e-200"]
)
@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_squares_out_of_range(
    kind: str, nulls: bool, value: float, word: str, tmp_path: Path, refused: Any
) -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0]) * value
    table = {"x": x, "y": np.array([1.0, 2.0, np.nan if nulls else 3.0, 4.0])}
    names = ["x", "y"] if kind == "array" else None
    with refused(errors.ValueFoundError, "squares of 'x'", word, "power of ten"):
        steepest.scan(_tables(tmp_path, table)[kind], names=names, precision="double")
    exact = steepest.scan(_tables(tmp_path, table)[kind], names=names).problem("y").exact
    assert exact is not None
    assert exact.weight == 4 - nulls
    if not nulls:
        model = steepest.fit(_tables(tmp_path, table)[kind], target="y", names=names)
        assert model.coefficients == pytest.approx({"intercept": 0.0, "x": 1 / value}, abs=1e-15)


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [("1e200", "-1e200", "overflow"), ("1e-200", "3e-200", "underflow")],
)
def test_squares_out_of_range_between_parts(
    first: str, second: str, word: str, write: Any, refused: Any
) -> None:
    """Each file is constant, so that only their sum is out of range."""
    files = [write("a.csv", f"x,y\n{first},1\n"), write("b.csv", f"x,y\n{second},2\n")]
    with refused(errors.ValueFoundError, "squares of 'x'", word):
        steepest.scan(files, precision="double")
    assert steepest.scan(files).describe()["x"].mean == (float(first) + float(second)) / 2


@pytest.mark.parametrize("order", [1, -1], ids=["small first", "large first"])
def test_small_numbers_among_ordinary_ones_are_fine_in_any_order(order: int) -> None:
    """Whether squares underflow is a question to the column, not to one of its batches."""
    x = np.concatenate([np.arange(70_000) * 1e-155, np.arange(70_000.0)])[::order]
    mixed = np.stack([x[:70_000], x[70_000:]], axis=1).ravel()
    y = np.arange(140_000.0) % 7
    expected = steepest.scan({"x": mixed, "y": y})
    assert steepest.scan({"x": x, "y": y}).mean == pytest.approx(expected.mean, rel=1e-12)


@pytest.mark.parametrize("null", [False, True])
@pytest.mark.parametrize("kind", ["dict", "arrow", "pandas", "csv"])
def test_integers_beyond_doubles_are_said_aloud(kind: str, null: bool, tmp_path: Path) -> None:
    values = [2**53 + 3, None if null else 12, 7, 2**40]
    table = pa.table({"id": pa.array(values, pa.int64()), "y": [1.0, 2.0, 4.0, 3.0]})
    frame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    frame.to_csv(tmp_path / "t.csv", index=False)
    source = {
        "dict": {name: table[name] for name in table.column_names},
        "arrow": table,
        "pandas": frame,
        "csv": tmp_path / "t.csv",
    }[kind]
    with pytest.warns(steepest.SteepestWarning) as said:
        model = steepest.fit(source, target="y", precision="double")
    note = "'id' holds integers beyond 2⁵³, which were rounded to doubles."
    assert note in model.notes
    assert note in [str(warning.message) for warning in said]
    assert not steepest.scan(source).rounded


def test_integers_up_to_2_53_are_not_mentioned() -> None:
    table = {"id": [2**53 - 1, 5, 7], "y": [1.0, 2.0, 4.0]}
    for precision in ("double", "exact"):
        model = steepest.fit(table, target="y", precision=precision)
        assert not any("2⁵³" in note for note in model.notes)


# ------------------------------------------------------------------ nulls and levels


def test_an_all_null_number_column(refused: Any) -> None:
    table = XY | {"gone": np.full(3, np.nan)}
    with refused(
        errors.EmptySourceError, "'gone' has no value in any of the 3 rows", "leave out 'gone'"
    ):
        steepest.fit(table, target="y")
    assert steepest.fit(table, target="y", features=["x"]).rows.used == 3


def _identifiers(rows: int) -> dict[str, Any]:
    return {"id": [f"n{i % rows:05}" for i in range(1_500)], "y": np.arange(1_500.0) % 13}


@pytest.mark.parametrize("part_rows", [1 << 17, 400])
def test_a_text_of_over_1000_levels_is_left_out_unless_named(
    part_rows: int, monkeypatch: pytest.MonkeyPatch, refused: Any
) -> None:
    monkeypatch.setattr(memory, "PART_ROWS", part_rows)
    assert len(steepest.scan(_identifiers(1_000)).levels("id")) == 1_000
    moments = steepest.scan(_identifiers(1_001))
    assert moments.names == ("y",)
    assert moments.left_out == {"id": "it has over 1,000 levels"}
    assert moments.n_rows == 1_500
    with refused(errors.ColumnNotFoundError, "'id'", "over 1,000 levels", "columns=[..., 'id']"):
        steepest.fit(moments, target="y", features=["id"])
    assert len(steepest.scan(_identifiers(1_001), columns=["id", "y"]).levels("id")) == 1_001


def test_what_is_left_out_takes_its_nulls_along() -> None:
    table = _identifiers(1_400)
    table["id"][7] = None
    assert steepest.scan(table).n_rows == 1_500


def _patterns(columns: int) -> dict[str, np.ndarray]:
    """Each combination of nulls in so many columns once."""
    bits = np.arange(2**columns)[:, None] >> np.arange(columns) & 1
    table = {f"c{j}": np.where(bits[:, j] == 1, np.nan, 1.0) for j in range(columns)}
    return table | {"y": np.arange(2.0**columns)}


@pytest.mark.parametrize("part_rows", [1 << 17, 100])
def test_more_than_256_null_patterns(
    part_rows: int, monkeypatch: pytest.MonkeyPatch, refused: Any
) -> None:
    monkeypatch.setattr(memory, "PART_ROWS", part_rows)
    assert len(steepest.scan(_patterns(8)).patterns) == 256
    with refused(errors.MomentsError, "256", "'c0'"):
        steepest.scan(_patterns(9))
    assert steepest.scan(_patterns(9), columns=["c0", "c8", "y"]).n_rows == 128


def test_long_doubles_are_not_rounded_in_silence(refused: Any) -> None:
    wide = np.ones((3, 2), dtype=np.longdouble)
    if wide.itemsize == 8:
        pytest.skip("long doubles are doubles here")
    with refused(errors.SourceError):
        steepest.scan(wide, names=["a", "b"])


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_other_formats_by_the_name_of_text(ending: str, tmp_path: Path, refused: Any) -> None:
    table = pa.table({"x": [1.0, 2.0]})
    path = tmp_path / f"t.{ending}"
    parquet.write_table(table, path)
    with refused(errors.SourceError, "is no table of text: it begins as Parquet does"):
        steepest.scan(path)
    with ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    with refused(errors.SourceError, "is no table of text: it begins as Arrow IPC does"):
        steepest.scan(path)
    path.unlink()
    with closing(sqlite3.connect(path)) as con, con:
        con.execute("create table t (x)")
    with refused(errors.SourceError, "is no table of text: it begins as SQLite does"):
        steepest.scan(path)
