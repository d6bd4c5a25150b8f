"""Whole numbers beyond 2⁵³ in text: exact as in Parquet, or said to be rounded."""

from __future__ import annotations

import json
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

import steepest
from steepest.data import delimited, fragments, lines, objects
from steepest.data.doubles import DoublesReader
from steepest.data.layout import NULL_WORDS, Layout
from steepest.data.wholes import read_whole
from steepest.errors import FoldsError, SteepestWarning

KERNELS = ("", "numpy")


def write_csv(path: Path, rows: list[dict[str, Any]], around: str = "") -> Path:
    cells = [[f"{around}{value}{around}" for value in row.values()] for row in rows]
    path.write_text("\n".join(map(",".join, [[*rows[0]], *cells])) + "\n")
    return path


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def make_rows(n: int = 400) -> dict[str, Any]:
    random = np.random.default_rng(11)
    signed = random.integers(-(2**63), 2**63 - 1, n, dtype=np.int64)
    unsigned = random.integers(0, 2**64 - 1, n, dtype=np.uint64)
    signed[:4] = -(2**63), 2**63 - 1, 2**53 + 1, -(2**53) - 1
    unsigned[:3] = 2**64 - 1, 10**19, 2**63
    return {
        "signed": signed,
        "unsigned": unsigned,
        "nineteen": random.integers(10**18, 9 * 10**18, n),
        "late": np.where(np.arange(n) < n - 2, np.arange(n), 2**60 + 1),
        "x": random.normal(size=n),
    }


@pytest.fixture
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        monkeypatch.setattr(DoublesReader, "serves", staticmethod(lambda *_: False))


@pytest.mark.parametrize("kernel", KERNELS, indirect=True)
@pytest.mark.parametrize("form", ["csv", "quoted", "jsonl"])
def test_text_has_the_bits_of_parquet(
    form: str, kernel: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (fragments, objects):
        monkeypatch.setattr(module, "BLOCK_BYTES", 5_000)
    for reader in (delimited, lines):
        monkeypatch.setattr(reader, "PART_BYTES", 9_000)
    table = pa.table(make_rows())
    parquet.write_table(table, tmp_path / "table.parquet")
    rows = table.to_pylist()
    if form == "jsonl":
        path = write_lines(tmp_path / "table.jsonl", rows)
    else:
        path = write_csv(tmp_path / "table.csv", rows, '"' if form == "quoted" else "")
    for options in ({}, {"folds": 3}, {"where": "unsigned > 9223372036854775809"}):
        found = steepest.scan(path, **options)
        known = steepest.scan(tmp_path / "table.parquet", **options)
        assert found.fingerprint == known.fingerprint
        assert not found.rounded
        for fold, moments in (known.folds or {}).items():
            assert found.folds[fold].fingerprint == moments.fingerprint
    double = steepest.scan(path, precision="double")
    assert double.rounded == {"signed", "unsigned", "nineteen", "late"}


def test_products_are_those_of_the_whole_numbers(tmp_path: Path) -> None:
    rows = [{"a": 2**53 + 2 * i + 1, "b": i} for i in range(1, 30)]
    path = write_csv(tmp_path / "t.csv", rows)
    moments = steepest.scan(path, formula="b ~ a + a^2")
    mean = sum(Fraction(row["a"]) ** 2 for row in rows) / len(rows)
    assert moments.mean[moments.names.index("a^2")] == float(mean)
    slope = steepest.fit(path, target="b").coefficients["a"]
    assert slope == 0.5


wholes = st.one_of(
    st.integers(-(2**64) + 1, 2**64 - 1),
    st.sampled_from([2**53 - 1, 2**53, 2**53 + 1, 2**63, 2**64 - 1, 10**19 - 1, 10**19]),
)
shapes = st.sampled_from(["{}", " {}", "{}\t", "{:+d}", "{:025d}"])


@settings(deadline=None)
@given(st.lists(st.tuples(wholes, shapes), min_size=1, max_size=30))
def test_the_rest_of_every_whole_number_of_64_bits(cells: list[tuple[int, str]]) -> None:
    layout = Layout(",", '"', ".", ("a", "b"), NULL_WORDS, "refuse", 0, 1)
    if not DoublesReader.serves(layout, [0]):
        pytest.skip("the compiled reader was not built")
    text = "".join(f"x,{shape.format(value)}\n" for value, shape in cells).encode()
    reader = DoublesReader(layout, [1])
    found = reader.read(text)
    assert found is not None
    assert found.numbers[0].tolist() == [float(value) for value, _ in cells]
    assert not found.rounded
    rests = DoublesReader(layout, [1]).read_rests(text)[0].tolist()
    assert [int(float(v)) + int(r) for (v, _), r in zip(cells, rests, strict=True)] == [
        value for value, _ in cells
    ]
    assert bool(found.large) == any(rests)


@pytest.mark.parametrize("kernel", KERNELS, indirect=True)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("cell", "rounded"),
    [
        (str(2**64 + 1), True),  # more than 64 bits: the nearest double, said aloud
        (str(-(10**30) - 1), True),
        (str(10**22), False),  # a double
        (str(2**60), False),
        ("1e100", False),
        (f"{2**53 + 1}.0", False),  # a decimal, as doubles are written
        (f"{2**53 + 1}e0", False),
    ],
)
def test_longer_numbers_are_their_nearest_doubles(
    cell: str, rounded: bool, form: str, kernel: None, tmp_path: Path
) -> None:
    path = tmp_path / f"t.{form}"
    if form == "csv":
        path.write_text(f"x,y\n1,2\n3,5\n{cell},4\n")
    else:
        path.write_text(f'{{"x": 1, "y": 2}}\n{{"x": 3, "y": 5}}\n{{"y": 4, "x": {cell}}}\n')
    known = steepest.scan({"x": [1.0, 3.0, float(cell)], "y": [2, 5, 4]})
    for precision in ("exact", "double"):
        found = steepest.scan(path, precision=precision)
        assert found.rounded == ({"x"} if rounded else set())
        assert precision == "double" or found.fingerprint == known.fingerprint


def test_whole_numbers_among_decimals_are_exact_too(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"x,y\n0.1,1\n{2**53 + 1},2\n-0.5,4\n")
    found = steepest.scan(path)
    assert found.n_rows == 3
    assert not found.rounded
    exact = Fraction(0.1) + (2**53 + 1) + Fraction(-0.5)
    assert found.mean[0] == float(exact / 3)
    parts = [f"x,y\n{row}\n" for row in ("0.1,1", f"{2**53 + 1},2", "-0.5,4")]
    for i, text in enumerate(parts):
        (tmp_path / f"part{i}.csv").write_text(text)
    scanned = [steepest.scan(tmp_path / f"part{i}.csv") for i in range(3)]
    assert scanned[2] + scanned[0] + scanned[1] == found


def test_whole_numbers_are_written_with_digits() -> None:
    assert read_whole(" +0012\t") == 12
    assert read_whole("-" + "0" * 5_000 + "7") == -7
    for cell in ("", "+", "1.0", "1e3", "0x10", "1_000", "\u0663", "1 2"):
        assert read_whole(cell) is None


@pytest.mark.parametrize("precision", ["exact", "double"])
@pytest.mark.parametrize("form", ["csv", "parquet", "folds"])
def test_weights_that_doubles_do_not_hold_are_told(
    tmp_path: Path, precision: str, form: str
) -> None:
    """Their nearest doubles count, and that is said; those that doubles hold are not spoken of."""
    for large, told in ((2**53 + 1, frozenset({"w"})), (2**53 + 2, frozenset())):
        rows = [{"x": i, "y": i * i, "w": large if i == 3 else i} for i in range(20)]
        path: Path = write_csv(tmp_path / "t.csv", rows)
        if form == "parquet":
            path = tmp_path / "t.parquet"
            parquet.write_table(pa.Table.from_pylist(rows), path)
        asked: dict[str, Any] = {"weights": "w", "precision": precision}
        moments = steepest.scan(path, folds=2 if form == "folds" else None, **asked)
        assert moments.rounded == told
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SteepestWarning)
            notes = steepest.fit(moments, target="y").notes
        assert any("'w' holds integers beyond 2⁵³" in note for note in notes) is bool(told)
    longer = write_csv(tmp_path / "longer.csv", [{"x": 1, "w": 10**25 + i} for i in range(3)])
    assert steepest.scan(longer, weights="w").rounded == {"w"}


def test_folds_that_doubles_do_not_tell_apart_are_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", [{"x": i, "shop": 2**53 + i % 3} for i in range(9)])
    with pytest.raises(FoldsError, match="'shop' would make a fold of 9007199254740992"):
        steepest.scan(path, folds="shop")
    source = steepest.open_table(path, text=["shop"])
    found = steepest.scan(source, folds="shop").folds
    assert found is not None
    assert {label: fold.n_read for label, fold in found.items()} == {
        str(2**53 + i): 3 for i in range(3)
    }


def test_lines_of_long_numbers_are_not_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(objects, "read_written")
    numbers = [2**60 + 3 * i for i in range(200)] + [-(2**63), 2**63 - 1]
    path = write_lines(tmp_path / "t.jsonl", [{"id": n, "x": 0.5} for n in numbers])
    assert steepest.scan(path).mean[0] == float(Fraction(sum(numbers), len(numbers)))
    assert not steepest.scan(path).rounded
    assert steepest.scan(path, precision="double").rounded == {"id"}


def test_lines_whose_whole_numbers_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers are whole in the first blocks, and then are not, or are longer."""
    monkeypatch.setattr(objects, "BLOCK_BYTES", 500)
    whole = [2**60 + 3 * i for i in range(100)]
    for more in ([0.5, 2**61 + 1], [1e300, None, 2**61 + 1], [2**63 + 2**20 + 1, 2**61 + 1]):
        numbers = [*whole, *more, *whole]
        path = write_lines(tmp_path / "t.jsonl", [{"id": n} for n in numbers])
        for columns in (None, ["id"]):
            found = steepest.scan(path, columns=columns)
            kept = [Fraction(n) for n in numbers if n is not None]
            assert found.mean[0] == float(sum(kept) / len(kept))
