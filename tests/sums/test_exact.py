"""Exact sums against Python's fractions, and the laws that only exact sums can keep."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from fractions import Fraction
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.tiers import law

import steepest
from steepest.errors import MomentsError, OptionError, ValueFoundError
from steepest.sums import digits
from steepest.sums.digits import DigitSums
from steepest.sums.products import cut_digits, multiply_digits

finite = st.floats(allow_nan=False, allow_infinity=False)
tables = st.tuples(st.integers(1, 40), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=finite)
)


def truth(rows: np.ndarray) -> tuple[list[Fraction], list[list[Fraction]]]:
    columns = [[Fraction(float(value)) for value in column] for column in rows.T]
    products = [[sum(u * v for u, v in zip(a, b, strict=True)) for b in columns] for a in columns]
    return [sum(column) for column in columns], products


def value(whole: int, unit: int) -> Fraction:
    return int(whole) * Fraction(2) ** int(unit)


def assert_exact(rows: np.ndarray, pieces: int = 1) -> None:
    sums = DigitSums(rows.shape[1], 0)
    for piece in np.array_split(rows, pieces):
        sums.add(piece, [])
    found = sums.finish()
    totals, products = truth(rows)
    for i, unit in enumerate(found.units):
        assert value(found.totals[i], unit) == totals[i]
        for j, other in enumerate(found.units):
            assert value(found.products[i, j], unit + other) == products[i][j]


@settings(max_examples=150, deadline=None)
@given(tables, st.integers(1, 5))
def test_any_doubles_are_added_without_rounding(rows, pieces):
    assert_exact(rows, pieces)


@pytest.mark.parametrize("block", [1, 7, 2048])
def test_every_magnitude_at_once(block, monkeypatch):
    monkeypatch.setattr(digits, "PIECE_ROWS", block)
    rng = np.random.default_rng(4)
    wild = rng.standard_normal((300, 3)) * 10.0 ** rng.integers(-300, 300, (300, 3))
    assert_exact(wild, 3)
    assert_exact(np.array([[5e-324, 1.7e308], [-5e-324, -1.7e308], [0.0, -0.0], [1e-310, 1.0]]))
    assert_exact(rng.integers(-(2**53), 2**53, (300, 2)).astype(np.float64))


@pytest.mark.parametrize("extreme", [2.0**21, -(2.0**21), 2.0**21 - 0.5, np.nextafter(1, 0)])
def test_full_blocks_of_the_largest_digits(extreme):
    # Every digit at its bound: sums of products reach 2⁵³ and no further.
    assert_exact(np.full((5000, 2), extreme))


def test_many_blocks_on_one_grid(monkeypatch):
    monkeypatch.setattr(digits, "PIECE_ROWS", 16)
    monkeypatch.setattr(digits, "HELD", 300)
    assert_exact(np.random.default_rng(0).standard_normal((900, 3)), 4)


def table(n: int = 5000) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(11)
    columns = {
        "x": rng.standard_normal(n) * 10.0 ** rng.integers(-8, 8, n),
        "y": rng.standard_normal(n).astype(np.float32),
        "n": rng.integers(0, 2**20, n),
        "s": rng.choice(["a", "b", "c", "ä"], n),
        "u": rng.choice(["p", "q"], n),
        "flag": rng.integers(0, 2, n).astype(bool),
    }
    columns["x"][::97] = np.nan
    columns["s"] = np.where(rng.integers(0, 50, n) == 0, None, columns["s"].astype(object))
    return columns


def pick(columns: dict[str, np.ndarray], at: np.ndarray) -> dict[str, np.ndarray]:
    return {name: column[at] for name, column in columns.items()}


def scan(source, **options):
    return steepest.scan(source, precision="exact", **options)


def test_twenty_orders_and_partitions_give_one_fingerprint():
    columns = table()
    whole = scan(columns)
    rng = np.random.default_rng(1)
    for parts in range(1, 21):
        order = np.array_split(rng.permutation(5000), parts)
        total = sum(scan(pick(columns, at)) for at in order)
        assert total == whole
        assert total.fingerprint == whole.fingerprint
        problem, first = total.problem("y"), whole.problem("y")
        assert problem.scatter.tobytes() == first.scatter.tobytes()
        assert problem.cross.tobytes() == first.cross.tobytes()


def test_workers_and_files_change_no_bit(tmp_path):
    import pyarrow as pa
    from pyarrow import csv, parquet

    columns = {n: c for n, c in table(300_000).items() if n in ("x", "n", "u")}
    whole = scan(columns)
    with ThreadPoolExecutor(3) as threads, ProcessPoolExecutor(2, get_context("spawn")) as others:
        assert scan(columns, executor=threads) == whole
        assert scan(columns, executor=others) == whole
    arrow = pa.table({n: pa.array(c, from_pandas=True) for n, c in columns.items()})
    parquet.write_table(arrow, tmp_path / "t.parquet", row_group_size=70_001)
    csv.write_csv(arrow, tmp_path / "t.csv")
    for name in ("t.parquet", "t.csv"):
        assert scan(tmp_path / name).fingerprint == whole.fingerprint


@law(st.data(), few=15, many=100)
def test_adding_and_taking_away_leaves_no_trace(data):
    columns = table(200)
    names = st.permutations(range(200))
    order = np.array(data.draw(names))
    cut = data.draw(st.integers(1, 199))
    sides = (pick(columns, rows) for rows in (order[:cut], order[cut:]))
    # Named, for of all columns one without any value would be left out.
    a, b = (scan(side, columns=list(columns)) for side in sides)
    assert (a + b) - b == a
    assert (a + b) - a == b
    assert ((a + b) - b).fingerprint == a.fingerprint
    assert (a + b) == (b + a)
    model, twin = ((a + b) - b).problem("y", ["n"]), a.problem("y", ["n"])
    assert model.scatter.tobytes() == twin.scatter.tobytes()
    everything = (a + b) - (a + b)
    assert everything.n_read == 0


def test_what_was_never_added_cannot_be_taken_away():
    a, b = scan({"x": [1.0, 2.0], "s": ["u", "v"]}), scan({"x": [1.0, 5.0], "s": ["u", "w"]})
    with pytest.raises(MomentsError, match="not all there"):
        a - b
    with pytest.raises(MomentsError, match="less than 0 times"):
        a - (a + a)
    with pytest.raises(MomentsError, match="too small for its sum"):
        scan({"x": [1.0, 2.0]}) - scan({"x": [9.0]})
    with pytest.raises(MomentsError, match="sums are left, and no rows"):
        scan({"x": [1.0, 2.0]}) - scan({"x": [1.0, 3.0]})


def test_double_sums_neither_subtract_nor_mix():
    double = steepest.scan({"x": [1.0]}, precision="double")
    with pytest.raises(MomentsError, match="double precision"):
        double - double
    with pytest.raises(MomentsError, match="double precision"):
        _ = double.fingerprint
    with pytest.raises(MomentsError, match="the left are double sums"):
        double + scan({"x": [1.0]})
    with pytest.raises(OptionError, match="did you mean 'exact'"):
        steepest.scan({"x": [1.0]}, precision="exat")


def test_different_rows_have_different_fingerprints():
    base = scan({"x": [1.0, 2.0], "s": ["u", "v"]})
    others = [
        {"x": [1.0, np.nextafter(2.0, 3.0)], "s": ["u", "v"]},
        {"x": [2.0, 1.0], "s": ["u", "v"]},
        {"x": [1.0, 2.0], "s": ["u", "w"]},
        {"z": [1.0, 2.0], "s": ["u", "v"]},
        {"x": [1.0, 2.0, np.nan], "s": ["u", "v", "u"]},
        {"x": [1.0, 2.0], "s": [True, False]},
    ]
    prints = {scan(other).fingerprint for other in others}
    assert len(prints) == len(others)
    assert base.fingerprint not in prints
    assert base == scan({"s": ["v", "u"], "x": [2.0, 1.0]})


def test_rounded_once_from_the_exact_value():
    rng = np.random.default_rng(3)
    x = 1e9 + rng.standard_normal(1000) * 1e-3
    moments = scan({"x": x, "y": rng.standard_normal(1000)})
    exact = [Fraction(float(value)) for value in x]
    mean = sum(exact) / 1000
    assert moments.mean[0] == float(mean)
    assert moments.scatter[0, 0] == float(sum((value - mean) ** 2 for value in exact))


def test_an_agreement_with_double_sums():
    columns = table(20_000)
    columns["x"] = np.random.default_rng(0).standard_normal(20_000)
    exact, double = scan(columns).problem("y"), steepest.scan(columns).problem("y")
    assert exact.terms == double.terms
    assert exact.rows == double.rows
    assert double.mean == pytest.approx(exact.mean, rel=1e-13)
    scale = np.sqrt(np.outer(np.diag(exact.scatter), np.diag(exact.scatter)))
    assert (np.abs(double.scatter - exact.scatter) <= 1e-13 * scale).all()


def test_squares_beyond_doubles():
    large, small = scan({"x": [1e300, -1e300]}), scan({"x": [1e-300, 3e-300]})
    assert large - large + large == large
    assert small.describe()["x"].mean == 2e-300
    with pytest.raises(ValueFoundError, match="overflow"):
        large.problem("x", [])
    with pytest.raises(ValueFoundError, match="underflow"):
        small.problem("x", [])
    for precision in ("exact", "double"):  # it hardly varies, and its mean has no square
        far = {"y": [1e200, 1e200, np.nextafter(1e200, 0)], "x": [1.0, 2.0, 4.0]}
        with pytest.raises(ValueFoundError, match="'y' in the table overflow"):
            steepest.fit(far, target="y", intercept=False, precision=precision)
    with pytest.raises(ValueFoundError, match="holds inf in row 2"):
        scan({"x": [1.0, np.inf]})


@given(
    st.integers(1, 5), st.integers(1, 5), st.integers(1, 5), st.randoms(use_true_random=False),
    st.integers(0, 300), st.integers(0, 300),
)  # fmt: skip
def test_products_of_whole_numbers(n, k, m, random, first, second):
    a, b = np.empty((n, k), dtype=object), np.empty((k, m), dtype=object)
    for matrix, bits in ((a, first), (b, second)):
        for at in np.ndindex(matrix.shape):
            edge = random.choice([0, 1, (1 << bits) - 1, 1 << bits, random.getrandbits(bits + 1)])
            matrix[at] = random.choice([-1, 1]) * edge
    assert (multiply_digits(cut_digits(a), cut_digits(b)) == np.dot(a, b)).all()


def test_products_of_the_widest_matrices():
    """Every digit at its largest, a thousand of them added up."""
    a = np.full((2, 1000), (1 << 320) - 1, dtype=object)
    assert (multiply_digits(cut_digits(a), cut_digits(-a.T)) == np.dot(a, -a.T)).all()
