"""Weighted sums, wide integers and decimals against Python's fractions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiers import law

import steepest
from steepest.data import memory
from steepest.errors import (
    ColumnKindError,
    ColumnNameError,
    EmptySourceError,
    MomentsError,
    OptionError,
    ValueFoundError,
)


def fraction(value: Any) -> Fraction:
    return Fraction(int(value)) if isinstance(value, np.integer) else Fraction(value)


def assert_exact(moments: steepest.Moments, rows: list[dict[str, Any]], names: list[str]) -> None:
    """Totals and products of the complete rows are those of the fractions."""
    whole = moments.patterns[frozenset()].whole
    numbers = moments.patterns[frozenset()].numbers
    assert list(numbers) == names
    unit = [
        Fraction(2) ** int(two) * Fraction(5) ** int(five)
        for two, five in zip(whole.units, whole.fives, strict=True)
    ]
    weigh = Fraction(2) ** whole.weight_unit
    assert whole.weight * weigh == sum(fraction(row["w"]) for row in rows)
    for i, a in enumerate(names):
        total = sum(fraction(row["w"]) * fraction(row[a]) for row in rows)
        assert whole.totals[i] * unit[i] * weigh == total
        for j, b in enumerate(names):
            products = sum(fraction(r["w"]) * fraction(r[a]) * fraction(r[b]) for r in rows)
            assert whole.products[i, j] * unit[i] * unit[j] * weigh == products


def as_table(rows: list[dict[str, Any]]) -> pa.Table:
    types = {
        "d": pa.decimal128(20, 6),
        "i": pa.int64(),
        "u": pa.uint64(),
        "x": pa.float64(),
        "w": pa.float64(),
    }
    return pa.table(
        {name: pa.array([row[name] for row in rows], kind) for name, kind in types.items()}
    )


weights = st.sampled_from([0.0, 0.1, 1.0, 3.0, 5e-324, 1e300, 2.0**-1000]) | st.floats(0, 1e6)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "d": st.decimals(-(10**13), 10**13, places=6),
            "i": st.integers(-(2**63), 2**63 - 1),
            "u": st.integers(0, 2**64 - 1),
            "x": st.floats(
                allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300
            ),
            "w": weights,
        }
    ),
    min_size=1,
    max_size=12,
)


def as_scanned(found: list[dict[str, Any]]) -> steepest.Moments:
    return steepest.scan(as_table(found), weights="w", precision="exact")


@law(rows, few=40, many=300)
def test_weighted_sums_of_any_type_are_never_rounded(found):
    counted = [row for row in found if row["w"]]
    if not counted:
        with pytest.raises(EmptySourceError):
            as_scanned(found)
        return
    moments = as_scanned(found)
    assert moments.n_read == len(counted)
    assert_exact(moments, counted, ["d", "i", "u", "x"])


@law(rows, few=25, many=150)
def test_wide_integers_and_decimals_alone(found):
    found = [{**row, "w": 1.0} for row in found]
    assert_exact(steepest.scan(as_table(found).drop(["w"])), found, ["d", "i", "u", "x"])
    dicts = {
        "i": np.array([row["i"] for row in found], np.int64),
        "u": np.array([row["u"] for row in found], np.uint64),
    }
    assert_exact(steepest.scan(dicts), found, ["i", "u"])


@settings(max_examples=40, deadline=None)
@given(rows, st.randoms(use_true_random=False), st.integers(1, 5))
def test_weighted_bits_do_not_depend_on_order_or_split(found, random, batch):
    if not any(row["w"] for row in found):
        return
    expected = as_scanned(found).fingerprint
    random.shuffle(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "PART_ROWS", batch)
        patch.setattr(memory, "batch_rows", lambda _columns: batch)
        assert as_scanned(found).fingerprint == expected


def levelled(n: int = 400) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    return {
        "x": rng.standard_normal(n) * 10.0 ** rng.integers(-5, 5, n),
        "y": rng.standard_normal(n).astype(np.float32),
        "city": [f"c{i}" for i in rng.integers(0, 5, n)],
        "kind": [None if i == 3 else f"k{i}" for i in rng.integers(0, 4, n)],
        "w": rng.integers(0, 4, n) / 8,
    }


def test_levels_and_pairs_are_weighted_exactly():
    table = levelled()
    sums = steepest.scan(table, weights="w").patterns[frozenset()]
    rows = [
        dict(zip(table, row, strict=True))
        for row in zip(*table.values(), strict=True)
        if row[3] is not None and row[4] > 0
    ]
    whole = sums.whole
    unit, weigh = Fraction(2) ** int(whole.units[0]), Fraction(2) ** whole.weight_unit
    for i, name in enumerate(["city", "kind"]):
        for level, total, weight in zip(
            sums.levels[name].levels, whole.levels[i], whole.level_weights[i], strict=True
        ):
            own = [row for row in rows if row[name] == level]
            assert weight * weigh == sum(Fraction(row["w"]) for row in own)
            expected = sum(Fraction(row["w"]) * Fraction(float(row["x"])) for row in own)
            assert total[0] * unit * weigh == expected
    (pair,) = sums.pairs.values()
    for a, b, weight in zip(pair.first, pair.second, pair.weights, strict=True):
        level, other = sums.levels["city"].levels[a], sums.levels["kind"].levels[b]
        met = [row for row in rows if (row["city"], row["kind"]) == (level, other)]
        assert weight * weigh == sum(Fraction(row["w"]) for row in met)


def test_weight_0_is_absence_and_a_null_weight_is_a_null():
    table = {"x": [1.0, 2.0, 4.0, 8.0], "w": [1.0, 0.0, 2.0, 0.0]}
    without = {"x": [1.0, 4.0], "w": [1.0, 2.0]}
    assert steepest.scan(table, weights="w") == steepest.scan(without, weights="w")
    table["w"][1] = np.nan
    moments = steepest.scan({**table, "y": [1.0, 5.0, 2.0, 0.0]}, weights="w")
    assert moments.n_read == 3
    assert moments.problem("y").rows.nulls["w"] == 1
    assert moments.problem("y").rows.used == 2


@pytest.mark.parametrize("precision", ["exact", "double"])
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_whole_weights_are_repetition(precision, l2):
    table = levelled()
    times = np.asarray(table.pop("w")) * 8
    kept = [i for i, n in enumerate(times) for _ in range(int(n))]
    repeated = {name: [values[i] for i in kept] for name, values in table.items()}
    options = {"target": "y", "l2": l2, "precision": precision}
    weighed = {**table, "n": times.astype(np.int64)}
    with pytest.warns(steepest.SteepestWarning, match="nulls"):
        alone = steepest.fit(repeated, **options)
    for kind in ("analytic", "frequency"):
        with pytest.warns(steepest.SteepestWarning, match="nulls"):
            model = steepest.fit(weighed, weights="n", weight_kind=kind, **options)
        assert model.coefficients == pytest.approx(alone.coefficients, rel=1e-9)
        if precision == "exact":
            assert model.coefficients == alone.coefficients
            assert model.loss == alone.loss
        assert (model.rows.used == alone.rows.used) is (kind == "frequency")


def test_weights_scale_nothing_but_the_weight():
    table = levelled()
    double = {**table, "w": 2 * np.asarray(table["w"])}
    one, two = (steepest.scan(t, weights="w") for t in (table, double))
    assert two.weight == 2 * one.weight
    assert two.mean.tolist() == one.mean.tolist()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (-1.0, "weights 'w' of .* hold -1 in row 2"),
        (np.inf, "weights 'w' of .* hold inf in row 2"),
    ],
)
def test_what_is_no_weight_is_refused(bad, message):
    with pytest.raises(ValueFoundError, match=message):
        steepest.scan({"x": [1.0, 2.0], "w": [1.0, bad]}, weights="w")


def test_weights_are_named_apart():
    table = {"x": [1.0, 2.0], "w": [1.0, 1.5], "s": ["a", "b"]}
    with pytest.raises(ValueFoundError, match=r"hold 1\.5 in row 2"):
        steepest.scan(table, weights="w", weight_kind="frequency")
    with pytest.raises(ColumnKindError, match="weights 's'"):
        steepest.scan(table, weights="s")
    with pytest.raises(OptionError, match="weight_kind='frequent'"):
        steepest.scan(table, weights="w", weight_kind="frequent")
    weighed, plain = steepest.scan(table, columns=["x"], weights="w"), steepest.scan({"x": [1.0]})
    with pytest.raises(MomentsError, match="weights"):
        weighed + plain
    with pytest.raises(MomentsError, match="weights"):
        weighed + steepest.scan(
            {**table, "w": [1, 2]}, columns=["x"], weights="w", weight_kind="frequency"
        )
    with pytest.raises(OptionError, match="weights='x'"):
        steepest.fit(weighed, target="x", weights="x")


@pytest.mark.parametrize("role", ["target", "offset"])
@pytest.mark.parametrize("features", [None, ["x"]])
def test_weights_are_neither_target_nor_offset(role, features):
    table = {"x": [1.0, 2.0, 3.0], "y": [1.0, 3.0, 4.0], "w": [1.0, 2.0, 1.0]}
    asked = {"target": "y", "features": features, "weights": "w"} | {role: "w"}
    with pytest.raises(ColumnNameError, match="'w' is asked for as a column and as the weights"):
        steepest.fit(table, **asked)


def test_equal_decimals_are_equal_whatever_their_scale():
    values = [Decimal("1.50"), Decimal("-0.25"), None]
    kinds = (pa.decimal128(5, 2), pa.decimal128(20, 9), pa.decimal256(50, 30))
    prints = {steepest.scan(pa.table({"d": pa.array(values, kind)})).fingerprint for kind in kinds}
    prints.add(steepest.scan({"d": [1.5, -0.25, np.nan]}).fingerprint)
    assert len(prints) == 1
    tenth = pa.table({"d": pa.array([Decimal("0.1")], pa.decimal128(5, 2))})
    assert steepest.scan(tenth) != steepest.scan({"d": [0.1]})


@pytest.mark.parametrize("precision", ["exact", "double"])
def test_no_row_with_a_weight(precision):
    with pytest.raises(EmptySourceError, match="weight above 0 in 'w'"):
        steepest.scan({"x": [1.0, 2.0], "w": [0.0, 0.0]}, weights="w", precision=precision)


def test_weights_too_large_for_double_sums():
    with pytest.raises(ValueFoundError, match="'w' in the table overflow"):
        steepest.scan({"x": [1.0, 2.0], "w": [1e308, 1e308]}, weights="w", precision="double")


def test_a_constant_stays_one_under_weights():
    """In double precision too: else nothing but its rounding would explain the target."""
    rng = np.random.default_rng(2)
    for _ in range(30):
        n = int(rng.integers(5, 400))
        table = {"k": np.full(n, rng.random()), "x": rng.standard_normal(n)}
        table |= {"y": rng.standard_normal(n), "w": rng.uniform(0.5, 2, n)}
        with pytest.warns(steepest.SteepestWarning, match="'k' is constant"):
            model = steepest.fit(table, target="y", weights="w", precision="double")
        exact = steepest.fit({k: v for k, v in table.items() if k != "k"}, target="y", weights="w")
        assert model.coefficients == pytest.approx(exact.coefficients, rel=1e-10)


def test_more_rows_than_doubles_count():
    def scan(times):
        table = pa.table({"a": ["u"] * len(times), "y": [1.0] * len(times), "w": times})
        return steepest.scan(table, weights="w", weight_kind="frequency")

    most, one = scan([2.0**53]), scan([1.0])
    assert most.n_read == 2**53
    for add in (lambda: most + one, lambda: scan([2.0**53, 1.0])):
        with pytest.raises(MomentsError, match="9,007,199,254,740,993 times"):
            add()
