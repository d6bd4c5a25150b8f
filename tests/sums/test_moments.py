"""Moments against exact fractions and brute force; their algebra."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from fractions import Fraction
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.problems import exact_moments
from threadpoolctl import threadpool_info

import steepest
from steepest.errors import ColumnKindError, ColumnNotFoundError, EmptySourceError, MomentsError
from steepest.sums import double
from steepest.sums.moments import Moments

PENGUINS = "examples/penguins.csv"
numbers = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda v: v if abs(v) > 1e-6 else 0.0)
rows = st.integers(1, 4).flatmap(
    lambda k: st.lists(st.lists(numbers, min_size=k, max_size=k), min_size=1, max_size=30)
)


def close(moments, means, scatter, n):
    scale = np.sqrt(np.outer(*[np.array([float(scatter[i][i]) for i in range(len(means))])] * 2))
    size = np.outer(*[np.array([abs(float(m)) for m in means])] * 2) * n
    assert moments.mean == pytest.approx([float(m) for m in means], rel=1e-13, abs=1e-9)
    wanted = np.array([[float(v) for v in row] for row in scatter])
    assert (np.abs(moments.scatter - wanted) <= 1e-13 * scale + 1e-27 * size).all()


@settings(max_examples=60, deadline=None)
@given(rows)
def test_against_exact_fractions(table):
    array = np.array(table)
    names = [f"x{j}" for j in range(array.shape[1])]
    moments = steepest.scan(array, names=names)
    close(moments, *exact_moments(array), len(array))


@settings(max_examples=40, deadline=None)
@given(rows, st.data())
def test_any_split_adds_up_to_the_whole(table, data):
    array = np.array(table)
    cut = data.draw(st.integers(0, len(array)))
    names = [f"x{j}" for j in range(array.shape[1])]
    pieces = [p for p in (array[:cut], array[cut:]) if len(p)]
    total = sum(steepest.scan(piece, names=names) for piece in pieces)
    assert total.n_rows == len(array)
    close(total, *exact_moments(array), len(array))


def test_a_large_mean_costs_no_digits():
    # Values 1e9, 1e9 + 1, ..., exactly representable: the scatter is that of 0, 1, ..., n - 1.
    n = 20_000
    x = 1e9 + np.arange(n)
    moments = steepest.scan({"x": x, "minus": -x})
    truth = Fraction(n * (n * n - 1), 12)
    assert moments.scatter[0, 0] == pytest.approx(float(truth), rel=1e-14)
    assert moments.scatter[0, 1] == pytest.approx(-float(truth), rel=1e-14)
    assert moments.mean[0] == 1e9 + (n - 1) / 2


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e17 + 1, -7e-9, 0.0])
def test_a_constant_column_has_scatter_zero(value):
    n = 300_000
    moments = steepest.scan({"x": np.full(n, value), "z": np.arange(n, dtype=float)})
    assert moments.scatter[0, 0] == 0
    assert moments.mean[0] == value


def test_zero_adds_nothing():
    moments = steepest.scan({"x": [1.0, 2.0], "s": ["a", "b"]})
    for total in (moments + Moments.zero(), Moments.zero() + moments, sum([moments])):
        assert total.mean == moments.mean
        assert total.n_read == 2
    assert Moments.zero().n_read == 0


def test_addition_goes_by_name():
    a = steepest.scan({"x": [1.0, 2.0], "y": [3.0, 5.0], "s": ["u", "v"], "t": ["p", "p"]})
    b = steepest.scan({"t": ["q"], "s": ["v"], "y": [7.0], "x": [4.0]})
    both = a + b
    assert both.names == ("x", "y", "s", "t")
    assert both.mean == pytest.approx([7 / 3, 5])
    problem = both.problem("y", ["x", "s", "t"])
    assert [term.name for term in problem.terms] == ["x", "s[v]", "t[q]"]
    indicators = np.array([[1, 0, 0], [2, 1, 0], [4, 1, 1.0]])
    centred = indicators - indicators.mean(axis=0)
    assert problem.scatter == pytest.approx(centred.T @ centred)


def test_what_cannot_be_added_is_said():
    a = steepest.scan({"x": [1.0], "y": [1.0]})
    with pytest.raises(MomentsError, match="the left has 'y' besides, the right has 'z' besides"):
        a + steepest.scan({"x": [1.0], "z": [1.0]})
    with pytest.raises(ColumnKindError, match="'y' is a number in the left but a category in"):
        a + steepest.scan({"x": [1.0], "y": ["one"]})
    with pytest.raises(TypeError):
        a + 1


def dummies(frame: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """Indicators as pandas makes them, the first level in order left out."""
    parts = []
    for name in columns:
        if pd.api.types.is_numeric_dtype(frame[name]) and frame[name].dtype != bool:
            parts.append(frame[[name]].to_numpy(float))
        else:
            parts.append(pd.get_dummies(frame[name].astype(str)).iloc[:, 1:].to_numpy(float))
    return np.hstack(parts)


@pytest.mark.parametrize("block_rows", [7, 64, 4096])
@pytest.mark.parametrize(
    "features",
    [
        ["flipper_length_mm"],
        ["species", "flipper_length_mm", "sex"],
        ["species", "island", "sex", "year", "bill_length_mm"],
        ["sex", "island"],
    ],
)
def test_the_dense_problem_of_numbers_and_levels(features, block_rows, monkeypatch):
    monkeypatch.setattr(double, "BLOCK_ROWS", block_rows)
    problem = steepest.scan(PENGUINS).problem("body_mass_g", features)
    frame = pd.read_csv(PENGUINS)[[*features, "body_mass_g"]].dropna()
    table = np.column_stack([dummies(frame, features), frame["body_mass_g"]])
    centred = table - table.mean(axis=0)
    scatter = centred.T @ centred
    scale = np.sqrt(np.outer(np.diag(scatter), np.diag(scatter)))
    assert problem.rows.used == len(frame)
    assert problem.mean == pytest.approx(table.mean(axis=0)[:-1], rel=1e-13)
    assert (np.abs(problem.scatter - scatter[:-1, :-1]) <= 1e-13 * scale[:-1, :-1]).all()
    assert (np.abs(problem.cross - scatter[:-1, -1]) <= 1e-13 * scale[:-1, -1]).all()
    assert problem.target_scatter == pytest.approx(scatter[-1, -1], rel=1e-13)


def test_rows_are_accounted_for():
    problem = steepest.scan(PENGUINS).problem("body_mass_g")
    assert (problem.rows.read, problem.rows.used) == (344, 333)
    assert sum(problem.rows.dropped.values()) == 11
    assert problem.rows.nulls["sex"] == 11
    assert problem.rows.nulls["bill_length_mm"] == 2
    two = steepest.scan(PENGUINS).problem("body_mass_g", ["flipper_length_mm"])
    assert two.rows.used == 342


def test_any_column_can_be_the_target_later():
    table = {"a": [1.0, 2.0, 4.0], "b": [3.0, 1.0, 2.0], "flag": [True, False, True]}
    moments = steepest.scan(table)
    assert moments.problem("b", ["a"]).target_mean == 2
    flag = moments.problem("flag", ["a", "b"])
    assert flag.target_mean == pytest.approx(2 / 3)
    assert flag.cross == pytest.approx([1 + 4 - 7 / 3 * 2, 3 + 2 - 4])
    with pytest.raises(ColumnKindError, match="text, with levels 'u' and 'v'"):
        steepest.scan({"s": ["u", "v"], "x": [1.0, 2.0]}).problem("s")


def test_missing_columns_and_rows():
    moments = steepest.scan({"x": [1.0, np.nan], "y": [np.nan, 1.0]})
    with pytest.raises(EmptySourceError, match="none of the 2 rows is left"):
        moments.problem("y")
    with pytest.raises(ColumnNotFoundError, match="did you mean 'x'"):
        moments.problem("y", ["X"])
    days = {"x": [1.0, 2.0], "when": np.array(["2026-01-01", "2026-01-02"], "datetime64[D]")}
    moments = steepest.scan(days)
    assert "time" in moments.left_out["when"]
    with pytest.raises(ColumnNotFoundError, match="left it out: it is a time"):
        moments.problem("x", ["when"])


def test_executors_change_no_bit():
    rng = np.random.default_rng(3)
    n = 400_000
    table = {
        "x": rng.standard_normal(n),
        "y": rng.standard_normal(n) + 5,
        "s": rng.choice(["a", "b", "ä", "z"], n),
        "u": rng.choice(["p", "q"], n),
    }
    table["x"][::1000] = np.nan
    serial = ThreadPoolExecutor(1)
    with serial, ThreadPoolExecutor(4) as four, ProcessPoolExecutor(2, get_context("spawn")) as two:
        results = [steepest.scan(table, executor=e) for e in (None, serial, four, two)]
    first = results[0].problem("y")
    for other in results[1:]:
        problem = other.problem("y")
        assert problem.scatter.tobytes() == first.scatter.tobytes()
        assert problem.cross.tobytes() == first.cross.tobytes()
        assert problem.mean.tobytes() == first.mean.tobytes()
        assert problem.rows == first.rows


def test_indicators_are_never_dense():
    # 20,000 levels beside a number: a dense design would need 200,000 × 20,000 doubles, 32 GB.
    n = 200_000
    levels = np.arange(n) % 20_000
    moments = steepest.scan(
        {"id": levels.astype(str), "y": levels * 2.0, "s": np.where(levels % 2, "odd", "even")},
        columns=["id", "y", "s"],
    )
    counts = moments.levels("id")
    assert len(counts) == 20_000
    assert set(counts.values()) == {10}
    problem = moments.problem("y", ["s"])
    assert problem.cross[0] == pytest.approx(n / 4 * 2)


def test_blas_has_its_threads_back_after_a_scan():
    def threads() -> list[int]:
        return [library["num_threads"] for library in threadpool_info()]

    before = threads()
    for _ in range(8):
        steepest.scan({"x": np.arange(600_000.0), "y": np.arange(600_000.0)})
        assert threads() == before


def test_progress_reports_every_row():
    seen = []
    steepest.scan({"x": np.arange(300_000.0)}, on_progress=seen.append)
    assert seen[-1].rows == 300_000
    assert seen[-1].fraction == pytest.approx(1.0)
    assert [p.rows for p in seen] == sorted(p.rows for p in seen)


def test_an_error_in_a_callback_stops_the_scan():
    def stop(progress):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        steepest.scan({"x": np.arange(1e6)}, on_progress=stop)
