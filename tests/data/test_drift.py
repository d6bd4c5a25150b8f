"""Files of one table that differ: joined where they say the same, refused by name where not."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

import steepest
from steepest import errors

Y = [1.0, 2.0, 4.0]
TEXT = pa.array(["u", "v", "u"])


@pytest.fixture
def save(tmp_path: Path) -> Any:
    """Write a table with a column y besides, as Parquet or Arrow by its ending; give its path."""

    def save(name: str, **columns: Any) -> str:
        table = pa.table({**columns, "y": Y})
        if name.endswith(".parquet"):
            parquet.write_table(table, tmp_path / name)
        else:
            feather.write_feather(table, str(tmp_path / name))
        return str(tmp_path / name)

    return save


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_columns_are_matched_by_name(ending: str, tmp_path: Path, save: Any) -> None:
    first = save(f"a.{ending}", x=[1.0, 5.0, 9.0], z=[0.0, 1.0, 0.0])
    turned = pa.table({"y": Y, "z": [1.0, 1.0, 0.0], "x": [3.0, 3.0, 3.0]})
    parquet.write_table(turned, tmp_path / "b.parquet")
    moments = steepest.scan([first, str(tmp_path / "b.parquet")])
    assert dict(zip(moments.names, moments.mean, strict=True)) == {
        "x": 4.0, "y": 14 / 6, "z": 0.5
    }  # fmt: skip


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_missing_column_names_the_file_that_lacks_it(
    order: tuple[int, int], save: Any, refused: Any
) -> None:
    files = [save("a.parquet", x=[1.0, 2.0, 3.0]), save("b.parquet")]
    files = [files[i] for i in order]
    with refused(errors.ColumnNotFoundError, "a.parquet' is not in", "b.parquet"):
        steepest.scan(files)
    with refused(errors.ColumnNotFoundError, "a.parquet' is not in", "b.parquet"):
        steepest.fit(files, target="y", features=["x"])
    assert steepest.scan(files, columns=["y"]).n_rows == 6


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(
    ("one", "other", "kinds"),
    [
        ([1, 2, 3], TEXT, ("number", "category")),
        ([1, 0, 1], [True, False, True], ("number", "boolean")),
        (TEXT, [True, False, True], ("category", "boolean")),
        ([1, 2, 3], pa.array([1, 2, 3], pa.date32()), ("number", "time")),
        ([1, 2, 3], [[1], [2], [3]], ("number", "other")),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_another_kind_names_both_files(
    one: Any, other: Any, kinds: tuple[str, str], order: tuple[int, int], save: Any, refused: Any
) -> None:
    files = [save("a.parquet", x=one), save("b.parquet", x=other)]
    with refused(errors.ColumnKindError, "'x'", "a.parquet", "b.parquet", *kinds):
        steepest.scan([files[i] for i in order], columns=["x", "y"])
    assert steepest.scan(files, columns=["y"]).n_rows == 6


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(
    "other",
    [
        *(
            pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], index), ["v", "u"])
            for index in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32())
        ),
        pa.array(["u", "v", "u"], pa.large_string()),
        pa.array(["u", "v", "u"], pa.string_view()),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), ["u", "v", "u"]),
        pa.DictionaryArray.from_arrays(pa.array([2, 1, 2]), pa.array(["w", "v", "u"])),
    ],
    ids=lambda array: str(array.type),
)
@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_text_is_text_however_it_is_held(
    other: pa.Array, order: tuple[int, int], ending: str, save: Any
) -> None:
    files = [save("a.parquet", c=TEXT), save(f"b.{ending}", c=other)]
    joined = steepest.scan([files[i] for i in order])
    assert joined.levels("c") == {"u": 4, "v": 2}
    whole = {"c": pa.array(["u", "v", "u"] * 2), "y": Y * 2}
    assert joined.fingerprint == steepest.scan(whole).fingerprint


@pytest.mark.parametrize(
    "other",
    [
        [1.5, 2.5, -3.0],
        pa.array([1, 2, 200], pa.uint8()),
        pa.array([2**53 + 1, 5, -(2**60) - 1], pa.int64()),
        pa.array([2**64 - 1, 0, 7], pa.uint64()),
        pa.array(np.array([1.5, 2.0, 4.0], np.float16)),
        pa.array([0.1, 0.2, 0.3], pa.float32()),
        pa.nulls(3),
    ],
    ids=lambda values: str(values.type) if isinstance(values, pa.Array) else "double",
)
def test_numbers_are_numbers_of_whatever_type(other: Any, save: Any) -> None:
    files = [save("a.parquet", x=[1, 2, 3]), save("b.parquet", x=other)]
    one, two = (steepest.scan(order) for order in (files, files[::-1]))
    assert one == two
    parts = steepest.scan(files[0]), steepest.scan(files[1], columns=["x", "y"])
    assert one.n_read == 6
    if not isinstance(other, pa.NullArray):
        assert one == parts[0] + parts[1]
        exact = sum(int(v) if isinstance(v, int) else v for v in pa.array(other).to_pylist())
        assert one.mean[0] == pytest.approx(float(6 + exact) / 6, rel=1e-15)


@pytest.mark.parametrize("kind", [pa.null(), pa.float64(), pa.string(), pa.bool_()], ids=str)
def test_a_column_without_any_value_is_refused_by_name(kind: Any, save: Any, refused: Any) -> None:
    files = [save(f"{name}.parquet", x=pa.nulls(3, kind)) for name in "ab"]
    with refused(errors.EmptySourceError, "'x' has no value in any of the 6 rows"):
        steepest.fit(files, target="y", features=["x"])
    with refused(errors.EmptySourceError, "'x' has no value in any of the 3 rows"):
        steepest.fit(files[0], target="y", features=["x"])


# ------------------------------------------------------------------ what is no file of data


def test_what_steepest_wrote_is_passed_over_and_said(tmp_path: Path, save: Any) -> None:
    path = save("a.parquet", x=[1.0, 2.0, 3.5])
    alone = steepest.scan(path)
    alone.save(tmp_path / "a.moments")
    steepest.fit(alone, target="y").save(tmp_path / "model.json")
    for source in (tmp_path, f"{tmp_path}/*"):
        moments = steepest.scan(source)
        assert moments == alone
        (note,) = moments.remarks
        assert note.startswith("2 files that steepest wrote passed over: ")
        assert "a.moments'" in note
        assert "model.json'" in note


def test_other_json_is_not_passed_over(tmp_path: Path, save: Any, refused: Any) -> None:
    save("a.parquet", x=[1.0, 2.0, 3.0])
    (tmp_path / "b.json").write_text(json.dumps({"format": "another"}))
    with refused(errors.SourceError, "b.json"):
        steepest.scan(tmp_path)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.csv", "a.jsonl"])
@pytest.mark.parametrize("kind", ["pipe", "socket", "/dev/zero", "folder"])
def test_what_has_no_end_is_refused_at_once(
    name: str, kind: str, tmp_path: Path, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        if kind == "pipe":
            os.mkfifo(name)
        elif kind == "socket":
            listener.bind(name)
        elif kind == "folder":
            Path(name).mkdir()
        else:
            Path(name).symlink_to(kind)
        with refused(errors.SourceError, name):
            steepest.scan(name)


TIMES = {
    "time in a zone": [pa.timestamp("ms", "UTC"), pa.timestamp("ns", "Europe/Oslo")],
    "time without a zone": [pa.timestamp("us"), pa.timestamp("s"), pa.date32(), pa.date64()],
    "time of day": [pa.time32("s"), pa.time64("ns")],
    "duration": [pa.duration("ms")],
}


@pytest.mark.parametrize(("first", "then"), [(a, b) for a in TIMES for b in TIMES])
def test_times_that_are_counted_otherwise(first: str, then: str, save: Any, refused: Any) -> None:
    """Whole days, so that all of a kind can be written as each other."""
    days = pa.array([0, 0, 0], pa.int64())
    for kind in TIMES[first]:
        for other in TIMES[then]:
            paths = [
                save(
                    f"{i}.arrow",
                    t=days.cast(pa.int32()).cast(t) if "32" in str(t) else days.cast(t),
                )
                for i, t in enumerate((kind, other))
            ]
            assert set(steepest.scan(paths).left_out) == {"t"}
            if first != then:
                with refused(errors.ColumnKindError, f"a {first} in", f"a {then} in"):
                    steepest.scan(paths, formula="y ~ days(t)")
            elif first != "time of day":
                assert steepest.scan(paths, formula="y ~ days(t)").mean[1] == 0


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_no_permission(name: str, save: Any, refused: Any) -> None:
    path = save(name, x=[1.0, 2.0, 3.0])
    Path(path).chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with refused(errors.SourceError, name, "permission"):
        steepest.scan(path)


def test_a_table_of_a_hundred_thousand_columns_is_refused_before_it_is_added(refused: Any) -> None:
    one = np.zeros(1)
    with refused(errors.TooLargeError, "80 GB", "100,000 terms"):
        steepest.scan({f"c{i}": one for i in range(100_000)})


@pytest.mark.exhaustive
def test_a_text_of_a_hundred_thousand_columns(write: Any, refused: Any) -> None:
    n = 100_000
    names, row = ",".join(f"c{i}" for i in range(n)), ",".join(["1"] * n)
    path = write("wide.csv", f"{names}\n{row}\n{row}\n")
    with refused(errors.TooLargeError, "80 GB", "100,000 terms"):
        steepest.scan(path)
    assert steepest.scan(path, columns=["c7", "c99"]).n_rows == 2
