"""Many files at once: folders, what their names say, patterns and lists."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import dataset, parquet

import steepest
from steepest import errors
from steepest.data.partitions import NULL

FRAME = pd.DataFrame(
    {
        "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "year": [2023, 2023, 2024, 2024, 2024, 2025],
        "city": ["Oslo", "Bergen", "Oslo", "a/b c=d", "Voss", "Voss"],
    }
)


def partitioned(folder: Path, frame: pd.DataFrame, keys: list[str], style: str) -> Path:
    """The folders as Arrow's own writer makes them."""
    dataset.write_dataset(
        pa.Table.from_pandas(frame),
        folder / "t",
        format=style,
        partitioning=keys,
        partitioning_flavor="hive",
    )
    return folder / "t"


@pytest.mark.parametrize("style", ["parquet", "csv", "feather"])
@pytest.mark.parametrize("keys", [["year"], ["city"], ["year", "city"]])
def test_hive_partitions(keys: list[str], style: str, tmp_path: Path) -> None:
    folder = partitioned(tmp_path, FRAME, keys, style)
    moments = steepest.scan(folder, columns=["x", "year", "city"])
    assert moments.fingerprint == steepest.scan(FRAME[[*moments.names]]).fingerprint
    everything = steepest.scan(str(folder))
    assert set(everything.names) == {"x", "year", "city"}
    assert everything.names[-len(keys) :] == tuple(keys)


def test_hive_partitions_below_a_star(tmp_path: Path) -> None:
    folder = partitioned(tmp_path, FRAME, ["year"], "parquet")
    for pattern in ("year=*/*.parquet", "**/*.parquet", "year=202[345]/*"):
        assert steepest.scan(f"{folder}/{pattern}", columns=["year"]).mean == FRAME["year"].mean()
    with pytest.raises(errors.ColumnNotFoundError):
        steepest.scan(f"{folder}/year=2024/*.parquet", columns=["year"])


def write_parts(folder: Path, **parts: dict[str, list[Any]]) -> Path:
    for name, columns in parts.items():
        place = folder / "t" / name
        place.mkdir(parents=True)
        parquet.write_table(pa.table(columns), place / "0.parquet")
    return folder / "t"


@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        (["1", "-2"], "numbers", [-0.5]),
        (["01", "12"], "numbers", [6.5]),
        (["0.5", "1"], "numbers", [0.75]),
        (["1e2", "1"], "numbers", [50.5]),
        (["1", "one"], "categories", {"1": 1, "one": 1}),
        (["true", "false"], "categories", {"true": 1, "false": 1}),
        (["0x10", "1"], "categories", {"0x10": 1, "1": 1}),
        (["1_0", "1"], "categories", {"1_0": 1, "1": 1}),
        (["12345678901234567890", "x"], "categories", {"12345678901234567890": 1, "x": 1}),
        (["2024-06-31", "2024-06-30"], "categories", {"2024-06-31": 1, "2024-06-30": 1}),
        (["", "a"], "categories", {"": 1, "a": 1}),
    ],
)
def test_kinds_of_keys(values: list[str], kind: str, found: Any, tmp_path: Path) -> None:
    folder = write_parts(tmp_path, **{f"k={value}": {"x": [1.0]} for value in values})
    moments = steepest.scan(folder, columns=["x", "k"])
    assert "k" in getattr(moments, kind)
    if kind == "categories":
        assert moments.levels("k") == found
    else:
        assert moments.mean[1:].tolist() == found


@pytest.mark.parametrize(
    "values", [["+5", "123456789012345678"], ["9223372036854775807", "9223372036854775806"],
               ["-1", "18446744073709551615"], ["9" * 38, "-" + "9" * 37]],
)  # fmt: skip
def test_whole_numbers_of_many_digits(values: list[str], tmp_path: Path) -> None:
    folder = write_parts(tmp_path, **{f"k={value}": {"x": [1.0]} for value in values})
    held = {"x": [1.0, 1.0], "k": [Decimal(value) for value in values]}
    assert steepest.scan(folder) == steepest.scan(held)


def test_a_date_is_a_time(tmp_path: Path) -> None:
    folder = write_parts(tmp_path, **{"d=2024-01-01": {"y": [1.0]}, "d=2024-01-03": {"y": [2.0]}})
    assert "date32" in steepest.scan(folder).left_out["d"]
    assert steepest.fit(folder, formula="y ~ days(d)").coefficients["days(d)"] == 0.5


def test_a_null_key(tmp_path: Path) -> None:
    folder = write_parts(tmp_path, **{f"k={key}": {"x": [1.0]} for key in ("1", NULL)})
    moments = steepest.scan(folder)
    assert moments.problem("x").rows.nulls == {"x": 0, "k": 1}


def test_a_key_that_is_null_everywhere(tmp_path: Path) -> None:
    folder = write_parts(tmp_path, **{f"k={NULL}": {"x": [1.0, 3.0]}})
    moments = steepest.scan(folder)
    assert moments.left_out == {"k": "it has no value in any row"}
    assert moments == steepest.scan({"x": [1.0, 3.0], "k": [None, None]})


def test_predictions_with_a_key_kept(tmp_path: Path) -> None:
    from steepest.data.open import open_source
    from steepest.data.predictor import Manner

    folder = partitioned(tmp_path, FRAME, ["year"], "parquet")
    model = steepest.fit(FRAME, target="x", features=["year"])
    found = list(model.stream(open_source(folder), Manner(), ("year", "city")))
    kept = [cell for one in found for cell in one.batch.cells("year").to_pylist()]
    assert kept == FRAME["year"].tolist()
    assert model.predict(folder) == pytest.approx(model.predict(FRAME))


def test_a_key_that_is_a_column_too(tmp_path: Path, refused: Any) -> None:
    folder = write_parts(tmp_path, **{"k=1": {"x": [1.0], "k": [2]}})
    with refused(errors.ColumnNameError, "'k' is a column of", "0.parquet", "its folder"):
        steepest.scan(folder)


def test_a_key_twice(tmp_path: Path, refused: Any) -> None:
    folder = write_parts(tmp_path, **{"k=1/k=2": {"x": [1.0]}})
    with refused(errors.ColumnNameError, "'k' stands 2 times"):
        steepest.scan(folder)


def test_a_file_outside_of_the_keys(tmp_path: Path, refused: Any) -> None:
    folder = write_parts(tmp_path, **{"k=1": {"x": [1.0]}, "other": {"x": [1.0]}})
    with refused(errors.ColumnNotFoundError, "'k' of '", "other/0.parquet"):
        steepest.scan(folder)


# ------------------------------------------------------------------ folders and lists


def test_hidden_files_and_marks_are_passed_over(tmp_path: Path, write: Any) -> None:
    write("a.csv", "x\n1\n")
    for name in (".a.csv.crc", "_SUCCESS", "_metadata", ".hidden.csv"):
        write(name, "nothing")
    (tmp_path / "_temporary").mkdir()
    write("_temporary/b.csv", "x\n5\n")
    assert steepest.scan(tmp_path).mean == [1.0]


def test_links_in_circles(tmp_path: Path, write: Any) -> None:
    write("a.csv", "x\n1\n")
    (tmp_path / "self").symlink_to(tmp_path)
    assert steepest.scan(tmp_path).n_read == 1


def test_a_linked_folder_is_read(tmp_path: Path, write: Any) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    write("there/a.csv", "x\n1\n")
    (tmp_path / "here" / "link").symlink_to(tmp_path / "there")
    assert steepest.scan(tmp_path / "here").n_read == 1


def test_an_empty_folder(tmp_path: Path, refused: Any) -> None:
    (tmp_path / "_SUCCESS").touch()
    with refused(errors.SourceError, f"'{tmp_path}' is a folder without files of data"):
        steepest.scan(tmp_path)


def test_a_folder_with_something_else(tmp_path: Path, write: Any, refused: Any) -> None:
    write("a.csv", "x\n1\n")
    other = write("notes.txt", "nothing")
    with refused(errors.SourceError, f"and '{other}'", f"'{tmp_path}/*.csv'"):
        steepest.scan(tmp_path)
    assert steepest.scan(f"{tmp_path}/*.csv").n_rows == 1
    with refused(errors.SourceError, f"'{other}' does not end in"):
        steepest.scan(other)


@pytest.mark.parametrize("pattern", ["", "/*"], ids=["folder", "star"])
def test_formats_that_mix(pattern: str, tmp_path: Path, write: Any, refused: Any) -> None:
    first, second = write("a.csv", "x\n1\n"), write("b.tsv", "x\n1\n")
    with refused(errors.SourceError, "several formats", first, second, f"'{tmp_path}/*.csv'"):
        steepest.scan(f"{tmp_path}{pattern}")


def test_formats_may_mix_in_a_list(tmp_path: Path, write: Any) -> None:
    files = [write("a.csv", "x\n1\n"), write("b.jsonl", '{"x":2}\n'), write("c.tsv", "x\n3\n")]
    parquet.write_table(pa.table({"x": [4.0]}), tmp_path / "d.parquet")
    files.append(str(tmp_path / "d.parquet"))
    assert steepest.scan(tuple(files)).mean == [2.5]


def test_a_file_named_twice_counts_once(tmp_path: Path, write: Any) -> None:
    path = write("a.csv", "x\n1\n")
    write("b.csv", "x\n3\n")
    assert steepest.scan([path, tmp_path, f"{tmp_path}/*.csv"]).n_read == 2


def test_a_pipe_in_a_folder(tmp_path: Path, refused: Any) -> None:
    os.mkfifo(tmp_path / "a.csv")
    with refused(errors.SourceError, "a.csv", "not a regular file"):
        steepest.scan(tmp_path)


def test_a_model_of_a_folder_on_the_command_line(tmp_path: Path, capsys: Any) -> None:
    from steepest.faces.cli import run

    folder = partitioned(tmp_path, FRAME, ["year"], "parquet")
    run(["fit", str(folder), "--target", "x", "--features", "year", "--quiet"])
    expected = steepest.fit(FRAME, target="x", features=["year"])
    assert f"{expected.coefficients['year']:.6g}"[:6] in capsys.readouterr().out


def test_a_file_counts_once_under_all_its_names(tmp_path: Path, write: Any) -> None:
    """Unless the names say different things of its rows."""
    path = Path(write("a.csv", "x,y\n1,2\n3,4\n"))
    (tmp_path / "b.csv").symlink_to(path)
    assert steepest.scan(str(tmp_path / "*.csv")).n_rows == 2
    assert steepest.scan([path, tmp_path / ".." / tmp_path.name / "a.csv"]).n_rows == 2
    for key in ("k=1", "k=2"):
        (tmp_path / "kept" / key).mkdir(parents=True)
        (tmp_path / "kept" / key / "a.csv").symlink_to(path)
    assert steepest.scan(tmp_path / "kept").n_rows == 4


def test_no_name_is_no_folder(
    tmp_path: Path, write: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.csv", "x\n1\n")
    monkeypatch.chdir(tmp_path)
    with refused(errors.SourceNotFoundError, "there is no file ''"):
        steepest.scan("")
    assert steepest.scan(".").n_rows == 1


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".jsonl", ".parquet", ".arrow"])
def test_a_name_that_is_no_text(ending: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, 4.0], "y": [2.0, 3.0, 7.0]})
    plain = tmp_path / f"plain{ending}"
    if ending == ".jsonl":
        frame.to_json(plain, orient="records", lines=True)
    elif ending == ".parquet":
        frame.to_parquet(plain)
    elif ending == ".arrow":
        frame.to_feather(plain)
    else:
        frame.to_csv(plain, index=False)
    path = tmp_path / os.fsdecode(b"caf\xe9" + ending.encode())
    plain.rename(path)
    model = steepest.fit(path, target="y")
    assert model.provenance.source.endswith(rf"caf\xe9{ending}'")
    model.save(tmp_path / "m.json")
    assert steepest.load(tmp_path / "m.json").coefficients == model.coefficients
    assert model.coefficients == steepest.fit(frame, target="y").coefficients
    with pytest.raises(errors.ColumnNotFoundError, match=r"caf\\xe9"):
        steepest.fit(path, target="z")
    assert model.score(path).rows == 3
    assert steepest.scan(path, checkpoint=tmp_path / "c.part") == steepest.scan(frame)


@pytest.mark.parametrize("asked", ["b.csv", "*.csv", "."])
def test_a_link_to_nothing_is_not_passed_over(asked: str, write: Any, refused: Any) -> None:
    folder = Path(write("a.csv", "x\n1\n2\n")).parent
    (folder / "b.csv").symlink_to("gone.csv")
    with refused(errors.SourceNotFoundError, "b.csv' is a link to 'gone.csv'"):
        steepest.scan(str(folder / asked))


def test_a_pipe_that_a_pattern_matches(write: Any, refused: Any) -> None:
    folder = Path(write("a.csv", "x\n1\n2\n")).parent
    os.mkfifo(folder / "b.csv")
    (folder / "c.csv").mkdir()
    with refused(errors.SourceError, "b.csv' is not a regular file"):
        steepest.scan(str(folder / "*.csv"))
