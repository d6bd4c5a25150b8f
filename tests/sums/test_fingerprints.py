"""Fingerprints: recorded ones, the same ones from fractions, and what they must not depend on."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.sums import reference

import steepest

RECORDED = Path(__file__).parents[1] / "recorded" / "fingerprints.json"
D = Decimal
DATA = {
    "one number": ({"x": [1.0]}, {}),
    "doubles": (
        {
            "x": [0.1, -2.5, 3e-7, 1e308, -1e308, 5e-324],
            "y": [1e-308, -0.0, 0.0, 2.0**-1074, 1.0, -7.25],
        },
        {},
    ),
    "integers": ({"n": [2**63 - 1, -(2**63), 2**53 + 1, 0], "u": [2**64 - 1, 2**63, 1, 0]}, {}),
    "decimals": ({"d": [D("0.10"), D("-2.35"), D("1e20")], "x": [1.5, 2.0, -1.0]}, {}),
    "levels": (
        {
            "s": ["b", "a", "ä", "b", ""],
            "t": ["p", "q", "p", "p", "q"],
            "flag": [True, False, True, True, False],
            "x": [1.0, 2.0, 4.0, 8.0, 0.1],
        },
        {},
    ),
    "nulls": (
        {
            "x": [1.0, None, 3.0, None, 5.0],
            "s": ["a", "b", None, None, "b"],
            "empty": [None, None, None, None, None],
        },
        {},
    ),
    "analytic weights": (
        {
            "x": [1.0, 2.0, 3.0, 0.1, 9.0],
            "s": ["a", "b", "a", "b", "c"],
            "t": ["p", "p", "q", "p", "q"],
            "w": [0.5, 1e-300, 0.1, None, 0.0],
        },
        {"weights": "w", "weight_kind": "analytic"},
    ),
    "frequency weights": (
        {
            "x": [1.0, 2.0, 3.0, None],
            "s": ["a", "b", "a", "b"],
            "t": ["p", "p", "q", "p"],
            "w": [3.0, 1.0, 2.0, 4.0],
        },
        {"weights": "w", "weight_kind": "frequency"},
    ),
}


def arrow(table, order=None):
    order = range(len(next(iter(table.values())))) if order is None else order
    types = {"n": pa.int64(), "u": pa.uint64(), "d": pa.decimal128(38, 5)}
    return pa.table(
        {
            name: pa.array([column[i] for i in order], type=types.get(name))
            for name, column in table.items()
        }
    )


def fractions(table):
    def fraction(value):
        return value if isinstance(value, str | bool | None) else Fraction(value)

    return {name: [fraction(value) for value in column] for name, column in table.items()}


def scan(table, **options):
    return steepest.scan(table, precision="exact", columns=columns(table, options), **options)


def columns(table, options):
    names = table.column_names if isinstance(table, pa.Table) else list(table)
    return [name for name in names if name != options.get("weights")]


@pytest.mark.parametrize("name", DATA)
def test_as_recorded_and_as_computed_from_fractions(name):
    table, options = DATA[name]
    found = scan(arrow(table), **options)
    assert found.fingerprint == json.loads(RECORDED.read_text())[name]
    assert found.fingerprint == reference.fingerprint(fractions(table), **options)
    assert b"".join(found.encode()) == reference.content(fractions(table), **options)


@pytest.mark.parametrize("name", DATA)
def test_a_value_altered_in_its_last_place_is_another_fingerprint(name):
    table, options = DATA[name]
    column = next(name for name in table if name in "xn")
    altered = {**table, column: [*table[column]]}
    value = altered[column][0]
    altered[column][0] = value - 1 if isinstance(value, int) else value * (1 + 1e-12)
    assert scan(arrow(altered), **options).fingerprint != scan(arrow(table), **options).fingerprint


def counts(piece, weights="", weight_kind=""):
    """Whether a row is left that counts."""
    return any(w != 0 for w in piece[weights].to_pylist()) if weights else piece.num_rows > 0


@pytest.mark.parametrize("name", DATA)
def test_neither_order_nor_split_shows(name):
    table, options = DATA[name]
    whole = scan(arrow(table), **options)
    n = len(next(iter(table.values())))
    rng = np.random.default_rng(0)
    for _ in range(20):
        order = rng.permutation(n)
        cut = int(rng.integers(0, n + 1))
        backwards = arrow(table, order).select(list(table)[::-1])
        pieces = [p for p in (backwards[:cut], backwards[cut:]) if counts(p, **options)]
        # A piece without a value of a column does not know its kind, and takes the other's.
        total = sum(scan(piece, **options) for piece in pieces)
        assert total == whole
        assert total.fingerprint == whole.fingerprint


@pytest.mark.parametrize(
    "types",
    [
        [pa.int8(), pa.int32(), pa.int64(), pa.uint8(), pa.uint64(), pa.float32(), pa.float64()],
        [pa.decimal128(19, 0), pa.decimal128(30, 7), pa.decimal256(50, 3), pa.int16()],
    ],
)
def test_types_that_change_no_value_do_not_show(types):
    found = {
        scan(pa.table({"x": pa.array([0, 1, 100, 7]).cast(pa.int64()).cast(t)})).fingerprint
        for t in types
    }
    assert len(found) == 1


def test_decimals_go_by_value():
    rows = [D("0.5"), D("1.25"), D("-3")]
    doubles = scan({"x": [0.5, 1.25, -3.0]}).fingerprint
    for places in (2, 5, 10):
        decimals = pa.table({"x": pa.array(rows, pa.decimal128(20, places))})
        assert scan(decimals).fingerprint == doubles
    tenth = pa.table({"x": pa.array([D("0.1")], pa.decimal128(20, 4))})
    assert scan(tenth).fingerprint != scan({"x": [0.1]}).fingerprint


def test_a_number_in_text_is_its_nearest_double(tmp_path):
    (tmp_path / "t.csv").write_text("x,s\n0.1,a\n1e-3,b\n-0,a\n123456789.123456789,b\n")
    table = {"x": [0.1, 1e-3, 0.0, 123456789.123456789], "s": ["a", "b", "a", "b"]}
    assert (
        steepest.scan(tmp_path / "t.csv", precision="exact").fingerprint == scan(table).fingerprint
    )


def test_the_sign_of_zero_does_not_show():
    assert scan({"x": [0.0, -0.0, 1.0]}) == scan({"x": [0.0, 0.0, 1.0]})


def test_columns_without_a_value_have_no_kind():
    prints = {
        steepest.scan(
            pa.table({"x": [1.0, 2.0], "e": pa.array([None, None], t)}),
            columns=["x", "e"], precision="exact",
        ).fingerprint
        for t in (pa.null(), pa.float64(), pa.string(), pa.bool_())
    }  # fmt: skip
    assert len(prints) == 1


def test_weights_are_part_of_it():
    table = {"x": [1.0, 2.0], "w": [1.0, 1.0], "v": [1.0, 1.0]}
    prints = {
        steepest.scan(table, columns=["x"], precision="exact", **options).fingerprint
        for options in (
            {},
            {"weights": "w"},
            {"weights": "v"},
            {"weights": "w", "weight_kind": "frequency"},
        )
    }
    assert len(prints) == 4
