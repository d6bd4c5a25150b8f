"""Columns that half a unit in the last place of their type could make dependent."""

from __future__ import annotations

import warnings
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

import steepest


def notes(table):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", steepest.SteepestWarning)
        return " ".join(steepest.fit(table, target="y").notes)


def noise(n=500):
    return np.random.default_rng(7).standard_normal(n)


def pair(kind, n=500):
    rng = np.random.default_rng(6)
    return (rng.standard_normal((2, n)) * np.array([[1.0], [100.0]]) + 3).astype(kind)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_sum_rounded_in_its_type(kind):
    a, b = pair(kind)
    c = a + b
    assert c.dtype == kind
    assert "c = a + b." in notes({"a": a, "b": b, "c": c, "y": noise()})
    assert "a·b" not in notes({"a": a, "b": b, "c": c, "y": noise()})


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_sum_that_is_off_by_more(kind):
    a, b = pair(kind)
    off = 40 * np.finfo(kind).eps * np.abs(b) * np.random.default_rng(1).choice([-1, 1], len(b))
    assert "c = a + b" not in notes({"a": a, "b": b, "c": a + b + off.astype(kind), "y": noise()})


def test_a_sum_in_single_precision_is_none_in_double():
    a, b = pair(np.float64)
    c = (a + b).astype(np.float32)
    assert "c = a + b." in notes({"a": a, "b": b, "c": c, "y": noise()})
    found = notes({"a": a, "b": b, "c": c.astype(np.float64), "y": noise()})
    assert "c = a + b" not in found
    assert "nearly collinear" in found


def test_half_precision():
    a, b = pair(np.float16)
    table = pa.table({"a": a, "b": b, "c": a + b, "y": noise()})
    assert table.schema.field("a").type == pa.float16()
    assert "collinear columns: c = 1.0" in notes(table)


@pytest.mark.parametrize(("places", "found"), [(2, True), (3, False)])
def test_a_sum_rounded_to_decimal_places(places, found):
    """With three places more is known of c than the rounding to two leaves true."""
    rng = np.random.default_rng(5)
    a, b = (
        pa.array([Decimal(int(v)).scaleb(-3) for v in values], pa.decimal128(12, 3))
        for values in rng.integers(0, 10**6, (2, 400))
    )
    exact = [x + y for x, y in zip(a.to_pylist(), b.to_pylist(), strict=True)]
    c = pa.array([v.quantize(Decimal("0.01")) for v in exact], pa.decimal128(12, 2))
    table = pa.table({"a": a, "b": b, "c": c.cast(pa.decimal128(12, places)), "y": noise(400)})
    assert ("c = a + b." in notes(table)) is found


def test_whole_numbers_are_exact():
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 10**6, (2, 400))
    table = {"a": a, "b": b, "c": a + b, "y": noise(400)}
    assert "c = a + b." in notes(table)
    table["c"] = table["c"] + rng.integers(0, 2, 400)
    assert "c = " not in notes(table)
    decimals = {
        name: pa.array([Decimal(int(v)) for v in table[name]], pa.decimal128(12, 0))
        for name in "abc"
    }
    assert "c = " not in notes({**decimals, "y": table["y"]})


def test_relations_of_far_columns():
    a, b = pair(np.float64)
    assert "c = 2·a." in notes({"a": a * 1e200, "c": 2e200 * a, "y": noise()})
    assert "c = 2e+300·a." in notes({"a": a, "b": b, "c": a * 2e300, "y": noise()})


def test_a_decimal_that_is_rarely_there():
    """Its standard deviation is below half of its last place, and yet it is no constant."""
    n = 50_000
    cents = np.zeros(n, dtype=int)
    cents[0] = 100
    fee = pa.array([Decimal(int(v)).scaleb(-2) for v in cents], pa.decimal128(10, 2))
    y = np.random.default_rng(3).standard_normal(n)
    y[0] = 1000
    model = steepest.fit({"fee": fee, "y": y}, target="y")
    assert model.coefficients["fee"] == pytest.approx(y[0] - y[1:].mean(), rel=1e-12)


def test_several_relations_are_all_named():
    a, b = pair(np.float64)
    table = {"a": a, "b": b, "c": a + b, "d": a - b, "e": 2 * b, "y": noise()}
    found = notes(table)
    for relation in ("c = a + b", "d = a - b", "e = 2·b"):
        assert relation in found


def test_a_column_of_its_own_scale_is_kept():
    """A column a million million times smaller is a column like any other."""
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((2, 300))
    model = steepest.fit({"a": 1e7 * a, "b": 1e-9 * b, "y": 3 * b}, target="y")
    assert not model.notes
    assert model.coefficients["b"] == pytest.approx(3e9, rel=1e-12)
