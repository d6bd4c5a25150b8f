"""Conditions: three-valued logic by hand, rows as others filter them, texts read or refused."""

from __future__ import annotations

import datetime as dt
import operator
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import strategies as st
from pyarrow import parquet
from tests.tiers import law

import steepest
from steepest.data.conditions import parse_condition
from steepest.errors import (
    ColumnKindError,
    ColumnNotFoundError,
    EmptySourceError,
    FormulaError,
    ValueFoundError,
)

ROWS = 50
START = dt.datetime(2024, 1, 28)


def make_table():
    random = np.random.default_rng(23)

    def with_nulls(values):
        return [None if gone else v for v, gone in zip(values, random.random(ROWS) < 0.2,
                                                       strict=True)]  # fmt: skip

    texts = ["a", "b'c", "", "Å", "zz", 'q"r', "Zebra"]
    return {
        "x": with_nulls((random.integers(-8, 9, ROWS) / 4).tolist()),
        "k": with_nulls(random.integers(-3, 4, ROWS).tolist()),
        "s": with_nulls(random.choice(texts, ROWS).tolist()),
        "f": with_nulls((random.random(ROWS) < 0.5).tolist()),
        "odd `name": with_nulls(random.integers(0, 4, ROWS).tolist()),
        "d": with_nulls([(START + dt.timedelta(days=int(n))).date()
                         for n in random.integers(0, 9, ROWS)]),
        "t": with_nulls([START + dt.timedelta(hours=int(n)) for n in random.integers(0, 99, ROWS)]),
        "m": with_nulls([Decimal(int(n)) / 2 for n in random.integers(0, 20, ROWS)]),
        "id": [1 << i for i in range(ROWS)],
    }  # fmt: skip


TABLE = make_table()
ARROW = pa.table({
    **TABLE, "x": pa.array(TABLE["x"], pa.float64()), "k": pa.array(TABLE["k"], pa.int32()),
    "m": pa.array(TABLE["m"], pa.decimal128(6, 2)),
})  # fmt: skip
COMPARE = {"==": operator.eq, "=": operator.eq, "!=": operator.ne, "<>": operator.ne,
           "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}  # fmt: skip


def find_rows(source, where):
    """How many rows a scan takes, and the exact mean of their ids, which tells which they are."""
    moments = steepest.scan(source, columns=["id"], where=where)
    assert moments.n_read == ROWS == moments.n_rows + moments.filtered
    return moments.n_rows, float(moments.mean[0])


def tell_rows(rows):
    return len(rows), float(Fraction(sum(TABLE["id"][i] for i in rows), len(rows)))


# ------------------------------------------------------------------ logic by hand


def write_text(value):
    return st.sampled_from(["'" + value.replace("'", "''") + "'",
                            '"' + value.replace('"', '""') + '"'])  # fmt: skip


def write_name(name):
    quoted = "`" + name.replace("`", "``") + "`"
    return st.just(quoted) if "`" in name else st.sampled_from([name, quoted])


def literals(name):
    """Texts of values of a column, each with the value."""
    if name in ("x", "odd `name"):
        return st.integers(-8, 8).map(lambda n: (repr(n / 4), n / 4))
    if name == "k":
        return st.integers(-3, 3).map(lambda n: (str(n), n))
    if name == "m":
        return st.integers(0, 20).map(lambda n: (str(Decimal(n) / 2), Decimal(n) / 2))
    if name == "f":
        return st.sampled_from([("true", True), ("FALSE", False), ("'true'", True)])
    if name == "s":
        known = st.sampled_from(["a", "b'c", "", "Å", 'q"r', "Zebra", "none"])
        return known.flatmap(lambda v: st.tuples(write_text(v), st.just(v)))
    step = dt.timedelta(days=1) if name == "d" else dt.timedelta(hours=1)
    times = st.integers(0, 8 if name == "d" else 99).map(lambda n: START + n * step)
    if name == "d":
        return times.map(lambda v: (f"'{v.date()}'", v.date()))
    return st.tuples(times, st.sampled_from(" T")).map(
        lambda found: (f'"{found[0].isoformat(sep=found[1])}"', found[0])
    )


def known(name, function):
    """What a function says of each value of a column; None of a null."""
    return [None if value is None else bool(function(value)) for value in TABLE[name]]


PARTS = [
    ("abs(x) > 1", known("x", lambda v: abs(v) > 1)),
    ("x^2 <= 1", known("x", lambda v: v**2 <= 1)),
    ("hour(t) in (1, 2, 3)", known("t", lambda v: v.hour in (1, 2, 3))),
    ("year(d) == 2024", known("d", lambda v: v.year == 2024)),
    ("days(d) > 19753", known("d", lambda v: (v - dt.date(1970, 1, 1)).days > 19753)),
    ("month(t) == '02'", known("t", lambda v: v.month == 2)),
    ("weekday(d) in ('6-Saturday', '7-Sunday')", known("d", lambda v: v.isoweekday() > 5)),
    ("C(k) == '-1'", known("k", lambda v: v == -1)),
    ("C(k) in ('2', '3')", known("k", lambda v: v in (2, 3))),
    ("f", known("f", bool)),
    ("`f`", known("f", bool)),
]


@st.composite
def comparisons(draw):
    name = draw(st.sampled_from(["x", "k", "s", "f", "odd `name", "d", "t", "m", "null", "part"]))
    if name == "part":
        return draw(st.sampled_from(PARTS))
    if name == "null":
        name, negated = draw(st.sampled_from(sorted(TABLE))), draw(st.booleans())
        words = draw(st.sampled_from(["is not null", "IS NOT NULL"] if negated else ["is null"]))
        found = [(value is None) != negated for value in TABLE[name]]
        return f"{draw(write_name(name))} {words}", found
    written = draw(write_name(name))
    if draw(st.booleans()):
        own = draw(st.lists(literals(name), min_size=1, max_size=3))
        negated, values = draw(st.booleans()), [value for _, value in own]
        text = f"{written} {'not ' if negated else ''}in ({', '.join(text for text, _ in own)})"
        return text, known(name, lambda v: (v in values) != negated)
    sign, (text, value) = draw(st.sampled_from(sorted(COMPARE))), draw(literals(name))
    key = str.encode if name == "s" else lambda v: v
    return f"{written}{draw(st.sampled_from(['', ' ']))}{sign} {text}", known(
        name, lambda v: COMPARE[sign](key(v), key(value))
    )


def reverse(a):
    return None if a is None else not a


def both(a, b):
    return False if a is False or b is False else None if a is None or b is None else True


def either(a, b):
    return reverse(both(reverse(a), reverse(b)))


@st.composite
def conditions(draw, depth=3):
    """A text, what it says of each row, and how tightly it binds: or 0, and 1, others 2."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return *draw(comparisons()), 2
    word = draw(st.sampled_from(["and", "or", "not"]))
    first, left, tight = draw(conditions(depth - 1))
    if word == "not":
        first = f"({first})" if tight < 2 or draw(st.booleans()) else first
        return f"{draw(st.sampled_from(['not', 'NOT']))} {first}", list(map(reverse, left)), 2
    second, right, other = draw(conditions(depth - 1))
    own, join = (1, both) if word == "and" else (0, either)
    first = f"({first})" if tight < own else first
    second = f"({second})" if other <= own and other < 2 else second
    word = draw(st.sampled_from([word, word.upper()]))
    return f"{first} {word} {second}", list(map(join, left, right)), own


@law(conditions(), few=50, many=400)
def test_rows_are_those_of_which_the_condition_is_true(found):
    """Unknown where a null decides, as in SQL; written and read again it is the same."""
    text, truth, _ = found
    condition = parse_condition(text)
    assert parse_condition(str(condition)) == condition
    rows = [i for i, value in enumerate(truth) if value is True]
    if rows:
        assert find_rows(ARROW, text) == tell_rows(rows), text
    else:
        with pytest.raises(EmptySourceError, match="holds in none"):
            steepest.scan(ARROW, columns=["id"], where=text)


# ------------------------------------------------------------------ as others filter


@pytest.mark.parametrize(
    ("where", "query"),
    [
        ("x > 0.5 and k <= 1", "x > 0.5 and k <= 1"),
        ("x > 0.5 or k <= 1 and s == 'a'", "x > 0.5 or k <= 1 and s == 'a'"),
        ("(x > 0.5 or k <= 1) and s == 'zz'", "(x > 0.5 or k <= 1) and s == 'zz'"),
        ("s in ('a', 'zz')", "s in ['a', 'zz']"),
        ("x >= -1 and x < 1 and d >= '2024-02-01'", "x >= -1 and x < 1 and d >= '2024-02-01'"),
    ],
)
def test_pandas_polars_and_files_take_the_same_rows(where, query, tmp_path):
    frame = pd.DataFrame({name: TABLE[name] for name in ("x", "k", "s", "id")})
    frame["d"] = pd.to_datetime(pd.Series(TABLE["d"]))
    wanted = tell_rows(frame.query(query).index.tolist())
    assert find_rows(frame, where) == wanted
    polars = pl.DataFrame({name: TABLE[name] for name in ("x", "k", "s", "id", "d")})
    assert find_rows(polars, where) == wanted
    sql = polars.sql(f"SELECT id FROM self WHERE {where.replace('==', '=')}")
    assert tell_rows([int(v).bit_length() - 1 for v in sql["id"]]) == wanted
    frame.to_csv(tmp_path / "t.csv", index=False)
    parquet.write_table(pa.Table.from_pandas(frame), tmp_path / "t.parquet", row_group_size=7)
    for name in ("t.csv", "t.parquet"):
        assert find_rows(tmp_path / name, where) == wanted


@pytest.mark.parametrize(
    "text", ["2", "2.5", "-0.5", "1e3", "1e300", "-1e-300", "0.1", "123456789012345678"]
)
def test_numbers_are_written_as_they_were_read(text):
    condition = parse_condition(f"x >= {text}")
    assert parse_condition(str(condition)) == condition
    assert [float(value) for value in condition.right] == [float(text)]


def test_decimals_are_compared_as_they_are_written():
    values = [Decimal(i) / 100 for i in range(300)]
    for kind in (pa.decimal64(6, 2), pa.decimal128(20, 4), pa.decimal256(40, 10)):
        table = pa.table({"m": pa.array(values, kind), "id": range(300)})
        for i in (7, 70, 110, 140, 228, 299):
            moments = steepest.scan(table, columns=["id"], where=f"m == {values[i]}")
            assert (moments.n_rows, moments.mean[0]) == (1, i)


def test_whole_numbers_beyond_doubles_are_told_apart():
    table = {"id": np.array([2**53, 2**53 + 1, 2**53 + 2, -(2**60) - 1]), "y": [1.0, 2.0, 3.0, 4.0]}
    for where, expected in (
        ("id == 9007199254740993", [2.0]),
        ("id > 9007199254740992", [2.0, 3.0]),
        ("id in (9007199254740993, -1152921504606846977)", [2.0, 4.0]),
    ):
        moments = steepest.scan(table, columns=["y"], where=where)
        assert (moments.n_rows, moments.mean[0]) == (len(expected), np.mean(expected)), where


@pytest.mark.parametrize(
    "name", ["not", "NOT", "and", "or", "in", "is", "null", "true", "log", "C", "a b", "`"]
)
def test_columns_of_any_name(name):
    """Quoted, whatever words the language has of its own."""
    quoted = "`" + name.replace("`", "``") + "`"
    table = {name: [1, 2, 3, 4], "flag": [True, False, True, True], "y": [1.0, 2.0, 4.0, 8.0]}
    for where, total in (
        (f"{quoted} > 2", 12),
        (f"not {quoted} > 2", 3),
        (f"{quoted} in (1)", 1),
        (f"flag and {quoted} is not null and not {quoted} = 3", 9),
    ):
        condition = parse_condition(where)
        assert parse_condition(str(condition)) == condition
        moments = steepest.scan(table, columns=["y"], where=where)
        assert moments.mean[0] * moments.n_rows == total


# ------------------------------------------------------------------ read or refused


@pytest.mark.parametrize(
    ("text", "words"),
    [("x >", "a number, or a text in quotes"), ("x > y", "a number, or a text"),
     ("3 < x", "a column"), ("x > 1 and", "a column"), ("(x > 1", "')'"), ("x > 1)", "the end"),
     ("x in 1", "'('"), ("x in ()", "a number"), ("x is 3", "'null'"), ("x == 1e400", "a number"),
     ("x not > 1", "a comparison"), ("log(x)", "a comparison"), ("s like 'a%'", "the end"),
     ("x + 1 > 2", "the end"), ("s == 'a", "a value"), ("", "a column"),
     ("lgo(x) > 1", "no function"), ("__import__('os')", "no function"),
     ("poly(x, 2) > 1", "a single column"), ("x; y", "a comparison")],
)  # fmt: skip
def test_what_cannot_be_read(text, words):
    with pytest.raises(FormulaError) as caught:
        parse_condition(text)
    assert words in str(caught.value)
    assert "Hint: " in str(caught.value)


@law(st.text(alphabet="xsf andortiul(),'\"=<>!0.1-e`^:C", max_size=30), few=100, many=1_000)
def test_any_text_is_read_or_refused(text):
    try:
        condition = parse_condition(text)
    except FormulaError:
        return
    assert parse_condition(str(condition)) == condition


@law(
    conditions(2), st.integers(0, 40), st.integers(0, 5), st.sampled_from(["", "(", "not ", "'"]),
    few=40, many=400,
)  # fmt: skip
def test_a_condition_that_lost_a_piece_is_read_or_refused(found, at, gone, instead):
    text = found[0][:at] + instead + found[0][at + gone :]
    try:
        condition = parse_condition(text)
    except FormulaError:
        return
    assert parse_condition(str(condition)) == condition


@pytest.mark.parametrize(
    ("before", "middle", "after"), [("not ", "f", ""), ("(", "f", ")"), ("abs(", "x", ") > 1")]
)
def test_what_is_too_deep_is_refused(before, middle, after):
    text = before * 5000 + middle + after[:1] * 5000 + after[1:]
    try:
        condition = parse_condition(text)
    except FormulaError:
        return
    assert parse_condition(str(condition)) == condition


def test_levels_of_text_that_is_levels_already():
    assert find_rows(ARROW, "C(s) == 'a'") == find_rows(ARROW, "s == 'a'")
    assert find_rows(ARROW, "C(s) is null") == find_rows(ARROW, "s is null")


@pytest.mark.parametrize("where", [
    "s > 3", "x == 'a'", "x", "s", "k and f", "d > 3", "f == 1", "t < 'noon'",
    "d == '2024-13-01'", "C(k) == 1", "month(t) == 2", "year(t) == '2024'", "log(s) > 1",
    "year(x) > 1", "hour(d) > 1",
])  # fmt: skip
def test_what_cannot_be_compared(where):
    with pytest.raises((ColumnKindError, ValueFoundError)) as caught:
        steepest.scan(ARROW, columns=["id"], where=where)
    assert "Hint: " in str(caught.value)


def test_a_column_that_is_not_there():
    with pytest.raises(ColumnNotFoundError, match="'z'"):
        steepest.scan(ARROW, columns=["id"], where="z > 1")
