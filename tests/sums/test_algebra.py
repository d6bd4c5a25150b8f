"""Adding, taking away, merging, picking, naming: laws, refusals, a machine that tries them."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import steepest
from steepest import Moments, merge
from steepest.errors import (
    ColumnKindError,
    ColumnNameError,
    ColumnNotFoundError,
    MomentsError,
)
from steepest.sums.levels import PairCounts, add_pairs
from steepest.sums.summary import Summary

PENGUINS = "examples/penguins.csv"


def scan(table, **options):
    return steepest.scan(table, precision="exact", **options)


# ------------------------------------------------------------------ what adds, and what does not


def test_what_cannot_be_added_is_said():
    a = scan({"x": [1.0], "w": [2.0]}, columns=["x"], weights="w")
    with pytest.raises(MomentsError, match=r"with analytic weights 'w', the right with no weights"):
        a + scan({"x": [1.0]})
    with pytest.raises(MomentsError, match="the right with frequency weights 'w'"):
        a - scan({"x": [1.0], "w": [2.0]}, columns=["x"], weights="w", weight_kind="frequency")
    with pytest.raises(MomentsError, match="'y' besides"):
        merge(scan({"x": [1.0]}), scan({"x": [1.0], "y": [1.0]}))
    with pytest.raises(ColumnKindError, match="a number in the left but a boolean in the right"):
        scan({"x": [1.0]}) + scan({"x": [True]})
    with pytest.raises(MomentsError, match="the left are exact sums, the right double ones"):
        scan({"x": [1.0]}) + steepest.scan({"x": [1.0]}, precision="double")
    for operation in ("__add__", "__sub__"):
        assert getattr(scan({"x": [1.0]}), operation)(1) is NotImplemented


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        (pa.int32(), pa.float64(), "double"),
        (pa.int8(), pa.int64(), "int64"),
        (pa.float32(), pa.float64(), "float"),
        (pa.decimal128(10, 2), pa.int64(), "decimal128(10, 2)"),
        (pa.decimal128(10, 2), pa.decimal128(12, 4), "decimal128(10, 2)"),
        (pa.decimal128(10, 2), pa.float64(), "double"),
        (pa.null(), pa.int16(), "int16"),
    ],
)
def test_widths_do_not_matter_and_the_coarser_type_is_kept(first, second, joined):
    def column(t):
        return pa.table({"x": pa.array([None], t), "y": [1.0]})

    a, b = (scan(column(t), columns=["x", "y"]) for t in (first, second))
    assert (a + b).column("x").type_name == joined
    assert (b + a).column("x").type_name == joined
    assert (a + b) == (b + a)


def test_a_part_without_values_takes_the_kind_of_the_others():
    empty = pa.table({"s": pa.array([None, None], pa.null()), "x": [1.0, 2.0]})
    a = scan(empty, columns=["s", "x"])
    b = scan({"s": ["u", "v"], "x": [3.0, 4.0]})
    assert (a + b).levels("s") == {"u": 1, "v": 1}
    assert (a + b) == (b + a) == scan({"s": [None, None, "u", "v"], "x": [1.0, 2.0, 3.0, 4.0]})
    assert (a + b) - b == a


def test_the_algebra_keeps_more_null_patterns_than_a_scan_takes():
    names = [f"x{j}" for j in range(9)]

    def rows(codes):
        return {
            name: np.array([np.nan if code >> j & 1 else 1.0 for code in codes])
            for j, name in enumerate(names)
        } | {"y": np.ones(len(codes))}

    a, b = scan(rows(range(200))), scan(rows(range(200, 400)))
    assert len((a + b).patterns) == 400
    assert (a + b) - b == a
    with pytest.raises(MomentsError, match="nulls fall in 257"):
        scan(rows(range(400)))


def test_zero():
    a, zero = scan({"x": [1.0, 2.0]}), Moments.zero()
    assert zero + a == a + zero == a - zero == sum([a]) == merge(a) == a
    assert zero == zero + zero == merge() == Moments.zero()
    assert zero.fingerprint == Moments.zero().fingerprint
    assert a - a == scan({"x": [5.0]}) - scan({"x": [5.0]})


# ------------------------------------------------------------------ differences that are no moments

WEIGHTED = {"x": [1.0, 2.0], "s": ["a", "b"], "t": ["p", "q"]}


def weighted(table, weights):
    return scan({**table, "w": weights}, columns=list(table), weights="w")


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        ([2.0, 2.0], [3.0, 1.0], "sums are left, and no rows"),
        ([2.0, 2.0], [2.0, 1.0], "sums are left, and no rows|without their weight"),
        ([2.0, 2.0], [5.0, 5.0], "less than 0 times|without their weight"),
    ],
)
def test_weights_that_were_never_there_cannot_be_taken_away(left, right, words):
    with pytest.raises(MomentsError, match=words):
        weighted({"x": [1.0, 2.0]}, left) - weighted({"x": [1.0, 2.0]}, right)


def test_rows_of_another_weight_cannot_be_taken_away():
    """One row of weight 1 of two: its level would be left without rows, and with weight."""
    whole = weighted(WEIGHTED, [2.0, 2.0])
    one = {name: column[:1] for name, column in WEIGHTED.items()}
    with pytest.raises(MomentsError, match=r"a level has sums left|without their weight"):
        whole - weighted(one, [1.0])
    assert (whole - weighted(one, [2.0])).n_read == 1


def test_pairs_that_never_met_cannot_be_taken_away():
    table = {"x": [1.0] * 4, "s": list("aabb"), "t": list("pqpq")}
    diagonal = {"x": [1.0] * 2, "s": list("aa"), "t": list("pp")}
    with pytest.raises(MomentsError, match="less than 0 times"):
        scan(table) - scan(diagonal)


def test_weights_of_pairs_are_checked():
    """Levels agree in rows and weights; only two of their pairs have exchanged their weights."""
    table = {"x": [1.0] * 4, "s": list("aabb"), "t": list("pqpq")}
    whole = weighted(table, [1.0, 2.0, 2.0, 1.0])
    other = weighted(table, [2.0, 1.0, 1.0, 2.0])
    with pytest.raises(MomentsError, match=r"without their weight|less than 0 times"):
        whole - other


def test_products_too_large_for_their_squares():
    whole = scan({"x": [1.0, -1.0, 0.5, 0.0], "y": [1.0, -1.0, 0.5, 0.0]})
    other = scan({"x": [1.0, -1.0], "y": [-1.0, 1.0]})
    with pytest.raises(MomentsError, match="products of 'x' and 'y' are too large"):
        whole - other


def test_a_null_pattern_that_never_occurred():
    with pytest.raises(MomentsError, match="never occurred together"):
        scan({"x": [1.0], "y": [1.0]}) - scan({"x": np.array([np.nan, 1.0]), "y": [1.0, 1.0]})


def test_a_pair_whose_rows_cancel_keeps_its_weight():
    """What is left of a pair is seen by the check, not dropped before it."""

    def pair(sign, weight):
        return PairCounts(
            np.array([0]), np.array([0]), np.array([sign * 1.0]), np.array([weight], dtype=object)
        )

    assert add_pairs([pair(1, 3), pair(-1, -2)]).weights.tolist() == [1]
    assert len(add_pairs([pair(1, 3), pair(-1, -3)]).counts) == 0


# ------------------------------------------------------------------ merge, and the ledger

MONDAY = {"x": [1.0, 2.0], "s": ["a", "b"]}
TUESDAY = {"x": [3.0, 0.1, 7.0], "s": ["b", "b", "c"]}


def test_merge_adds_and_lists_the_parts():
    monday, tuesday = scan(MONDAY), scan(TUESDAY)
    week = merge(monday, tuesday)
    assert week == monday + tuesday == scan({n: MONDAY[n] + TUESDAY[n] for n in MONDAY})
    assert [part.id for part in week.parts] == [monday.fingerprint, tuesday.fingerprint]
    assert [part.rows for part in week.parts] == [2, 3]


@pytest.mark.parametrize("precision", ["exact", "double"])
def test_merge_refuses_a_part_twice(precision, tmp_path):
    monday, tuesday = (steepest.scan(t, precision=precision) for t in (MONDAY, TUESDAY))
    monday.save(tmp_path / "monday.moments")
    again = steepest.load(tmp_path / "monday.moments")
    for parts in ((monday, again), (monday + tuesday, monday), (monday, tuesday + again)):
        with pytest.raises(MomentsError, match="a part stands twice: the table, 2 rows"):
            merge(*parts)
    twice = merge(monday, again, allow_overlap=True)
    assert twice.n_read == 4
    with pytest.raises(MomentsError, match="stands twice"):
        merge(twice, again)
    assert merge(twice, tuesday).n_read == 7


def test_the_order_of_rows_does_not_hide_a_part():
    backwards = {name: column[::-1] for name, column in reversed(MONDAY.items())}
    with pytest.raises(MomentsError, match="stands twice"):
        merge(scan(MONDAY), scan(backwards))


def test_what_is_forgotten_may_come_again():
    monday, tuesday = scan(MONDAY), scan(TUESDAY)
    left = merge(monday, tuesday) - monday
    assert left == tuesday
    assert [part.id for part in left.parts] == [tuesday.fingerprint]
    assert left.ledger.known
    assert merge(left, monday) == monday + tuesday
    assert (monday - monday).parts == ()


def test_rows_that_are_no_part_leave_the_ledger_unknown():
    whole, row = scan(TUESDAY), scan({"x": [0.1], "s": ["b"]})
    left = whole - row
    assert not left.ledger.known
    assert left.fingerprint != left.parts[0].id
    assert not (left + scan(MONDAY)).ledger.known
    assert not ((left + scan(MONDAY)) - scan(MONDAY)).ledger.known
    with pytest.raises(MomentsError, match="stands twice"):
        merge(left, whole)


def test_where_says_how_many_parts():
    total = scan(PENGUINS) + scan(pd.read_csv(PENGUINS))
    assert total.where == "'examples/penguins.csv' and 1 more"


# ------------------------------------------------------------------ other columns


def test_a_subset_is_as_if_only_that_had_been_scanned():
    whole = scan(PENGUINS)
    names = ["body_mass_g", "species", "sex", "bill_length_mm"]
    own = scan(PENGUINS, columns=names)
    part = whole.subset(names)
    assert part == own
    assert part.names == tuple(names)
    assert part.parts == own.parts
    assert (part.n_rows, part.n_read) == (333, 344)
    assert whole.subset(["flipper_length_mm", "body_mass_g"]).n_rows == 342
    double = steepest.scan(PENGUINS, precision="double").subset(names)
    assert double.n_rows == 333
    with pytest.raises(ColumnNotFoundError, match="did you mean 'species'"):
        whole.subset(["specie"])
    with pytest.raises(ColumnNameError, match="stands 2 times"):
        whole.subset(["sex", "sex"])


def test_a_subset_keeps_its_weights():
    table = {"x": [1.0, 2.0, 4.0], "y": [1.0, 0.0, 1.0], "w": [2.0, 0.5, None]}
    whole = scan(pa.table(table), columns=["x", "y"], weights="w")
    own = scan(pa.table(table), columns=["x"], weights="w")
    assert whole.subset(["x"]) == own
    assert own.mean == pytest.approx([(2 * 1 + 0.5 * 2) / 2.5])


@pytest.mark.parametrize("precision", ["exact", "double"])
def test_rename(precision):
    table = {
        "x": [1.0, np.nan, 4.0, 5.0],
        "s": list("aabb"),
        "t": list("pqpq"),
        "w": [1.0, 2, 3, 4],
    }
    names = {"x": "s", "s": "x", "w": "weight"}
    moments, expected = (
        steepest.scan(t, columns=["x", "s", "t"] if t is table else ["s", "x", "t"],
                      weights=w, precision=precision)
        for t, w in ((table, "w"), ({names.get(n, n): c for n, c in table.items()}, "weight"))
    )  # fmt: skip
    renamed = moments.rename(names)
    assert renamed.weights == "weight"
    assert renamed.describe() == expected.describe()
    assert (
        renamed.problem("s", ["x", "t"]).cross.tobytes()
        == expected.problem("s", ["x", "t"]).cross.tobytes()
    )
    if precision == "exact":
        assert renamed == expected
        assert renamed != moments
    with pytest.raises(ColumnNameError, match="'t' stands 2 times in the renamed moments"):
        moments.rename({"x": "t"})
    with pytest.raises(ColumnNotFoundError, match="'z' is not in"):
        moments.rename({"z": "y"})


def test_renamed_powers_follow_their_column():
    moments = scan({"x": [1.0, 2.0, 3.0], "y": [1.0, 4.0, 9.5]}, formula="y ~ x + x^2")
    renamed = moments.rename({"x": "t", "x^2": "t^2"})
    assert renamed.column("t^2").sources == ["t"]
    assert moments.rename({"x": "t"}).names == ("t", "y", "t^2")
    assert moments.rename({"x^2": "area"}).column("area").formed is None


# ------------------------------------------------------------------ describe


def test_describe_is_that_of_pandas():
    frame = pd.read_csv(PENGUINS)
    for precision in ("exact", "double"):
        described = steepest.scan(PENGUINS, precision=precision).describe()
        assert list(described) == list(frame.columns)
        for name, found in described.items():
            column = frame[name]
            assert (found.count, found.nulls) == (column.count(), column.isna().sum())
            if column.dtype.kind in "if":
                assert found.mean == pytest.approx(column.mean(), rel=1e-14)
                assert found.sd == pytest.approx(column.std(), rel=1e-13)
                assert found.levels is None
            else:
                assert found.levels == column.nunique()
                assert found.mean is None


def test_describe_rounds_once_whatever_the_magnitude():
    for scale in (1e-300, 5e-324, 1e300):
        x = [value * scale for value in (1.0, 2.0, 4.0, 7.0)]
        found = scan({"x": x}).describe()["x"]
        exact = [Fraction(value) for value in x]
        mean = sum(exact) / 4
        variance = sum((value - mean) ** 2 for value in exact) / 3
        assert found.mean == float(mean)
        assert abs(Fraction(found.sd) ** 2 / variance - 1) < Fraction(1, 2**50) or scale < 1e-320
    assert np.isnan(scan({"x": [1.0]}).describe()["x"].sd)
    assert scan({"x": np.array([np.nan, np.nan]), "y": [1, 2]}, columns=["x", "y"]).describe()[
        "x"
    ] == Summary(0, 2, None, None, None)


def test_describe_weighs():
    table = {"x": [1.0, 2.0, 10.0, 5.0], "w": [3.0, 1.0, 2.0, None]}
    counted = scan(pa.table(table), columns=["x"], weights="w", weight_kind="frequency")
    repeated = pd.Series([1.0] * 3 + [2.0] + [10.0] * 2)
    found = counted.describe()["x"]
    assert (found.count, found.mean) == (6, repeated.mean())
    assert found.sd == pytest.approx(repeated.std(), rel=1e-15)
    analytic = scan(pa.table(table), columns=["x"], weights="w").describe()["x"]
    mean = (3 * 1 + 2 + 20) / 6
    variance = (3 * (1 - mean) ** 2 + (2 - mean) ** 2 + 2 * (10 - mean) ** 2) / 6 * 3 / 2
    assert (analytic.count, analytic.nulls) == (3, 1)
    assert analytic.sd == pytest.approx(sqrt(variance), rel=1e-15)
