"""Folds chosen at a scan: they add up, equal rows share one, and others deal as they do."""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from datetime import date, datetime, timedelta
from multiprocessing import get_context

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

import steepest
from steepest import SteepestWarning
from steepest.data import fragments, objects
from steepest.data.expressions import Name
from steepest.data.folds import read_folds
from steepest.data.table import Reads
from steepest.errors import (
    ColumnKindError,
    ColumnNotFoundError,
    FoldsError,
    MomentsError,
    OptionError,
)

RULES = (5, "hash:3:7", "held:0.25", "contiguous:5", "city", "column:kind", "flag", "time:day:3")


def make_table(n=3_001, seed=1):
    random = np.random.default_rng(seed)
    x = random.normal(size=n).round(3)
    x[random.random(n) < 0.05] = np.nan
    return {
        "x": x,
        "i": random.integers(-5, 5, n),
        "kind": random.choice([1.5, -2.0, 0.0], n),
        "flag": random.random(n) < 0.4,
        "city": random.choice(["Oslo", "Zürich", "東京"], n),
        "day": [date(2020, 1, 1) + timedelta(days=int(d)) for d in random.integers(0, 400, n)],
        "y": random.normal(size=n),
    }


TABLE = make_table()


@pytest.mark.parametrize("precision", ["exact", "double"])
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_rows_that_wait_to_be_dealt_keep_their_values(form, precision, tmp_path, monkeypatch):
    for module in (fragments, objects):  # few rows a block, several of which wait
        monkeypatch.setattr(module, "BLOCK_BYTES", 1 << 14)
    random = np.random.default_rng(7)
    table = {f"x{i}": random.integers(0, 100, 6_000) / 8 for i in range(5)}
    table |= {"w": random.integers(1, 4, 6_000), "n": random.integers(-9, 9, 6_000)}
    path = tmp_path / f"wide.{form}"
    frame = pd.DataFrame(table)
    if form == "parquet":
        parquet.write_table(pa.table(table), path, row_group_size=500)
    elif form == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    options = {"folds": 3, "precision": precision, "weights": "w"}
    found, known = steepest.scan(path, **options), steepest.scan(table, **options)
    for own, other in [(found, known), *((found.folds[f], known.folds[f]) for f in known.folds)]:
        assert own.n_rows == other.n_rows
        np.testing.assert_allclose(own.mean, other.mean, rtol=1e-13)
        np.testing.assert_allclose(own.scatter, other.scatter, rtol=1e-9, atol=1e-6)


def rows_of(table, mask):
    return {name: np.asarray(values)[mask] for name, values in table.items()}


@pytest.mark.parametrize("precision", ["exact", "double"])
@pytest.mark.parametrize("rule", RULES)
def test_folds_add_up_to_the_whole(rule, precision):
    options = {"precision": precision, "where": "i < 4"}
    whole = steepest.scan(TABLE, **options)
    moments = steepest.scan(TABLE, folds=rule, **options)
    total = sum(moments.folds.values())
    assert total.filtered == moments.filtered == whole.filtered > 0
    assert moments.observed == whole.observed
    for label, fold in moments.folds.items():
        training = moments.training(label)
        assert training.n_read + fold.n_read == whole.n_read
        assert fold.folds is training.folds is None
        if precision == "exact":
            assert training + fold == moments
    if precision == "exact":
        assert total == moments == whole
    else:
        for found in (total, moments):
            np.testing.assert_allclose(found.mean, whole.mean, rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(found.scatter, whole.scatter, rtol=1e-12, atol=1e-9)


def test_a_column_says_the_fold():
    moments = steepest.scan(TABLE, folds="city")
    assert list(moments.folds) == ["Oslo", "Zürich", "東京"]
    for city, fold in moments.folds.items():
        assert fold == steepest.scan(rows_of(TABLE, TABLE["city"] == city))
    assert list(steepest.scan(TABLE, folds="kind").folds) == ["-2", "0", "1.5"]
    flags = steepest.scan(TABLE, folds="flag").folds
    assert list(flags) == ["false", "true"]
    assert flags["true"] == steepest.scan(rows_of(TABLE, TABLE["flag"]))
    weighted = steepest.scan(TABLE, folds="flag", weights="kind", where="kind >= 0").folds
    assert list(weighted) == ["false", "true"]
    days = {"day": pa.array(TABLE["day"][:3]), "y": [1.0, 2.0, 3.0]}
    assert [*steepest.scan(days, folds="day").folds] == sorted(map(str, TABLE["day"][:3]))


def test_the_column_of_folds_need_not_be_scanned():
    moments = steepest.scan(TABLE, columns=["x", "y"], folds="city")
    assert moments.names == ("x", "y")
    oslo = rows_of(TABLE, TABLE["city"] == "Oslo")
    assert moments.folds["Oslo"] == steepest.scan(oslo, columns=["x", "y"])
    formed = steepest.scan(TABLE, formula="y ~ x + x^2 + C(i)", folds="kind")
    assert formed.folds["0"] == steepest.scan(
        rows_of(TABLE, TABLE["kind"] == 0), formula="y ~ x + x^2 + C(i)"
    )


@pytest.mark.parametrize("n", [10, 11, 14, 300_007])
def test_contiguous_folds_are_those_of_others(n):
    """scikit-learn's KFold gives the first n % k folds one row more."""
    y = np.arange(n, dtype=float)
    moments = steepest.scan({"y": y}, folds="contiguous:5")
    for own, fold in zip(np.array_split(y, 5), moments.folds.values(), strict=True):
        assert fold.n_rows == len(own)
        assert fold.mean[0] == math.fsum(own) / len(own)


def test_contiguous_folds_of_text_are_counted_first(tmp_path):
    frame = pd.DataFrame({"y": np.arange(1_000.0), "c": ["a", "b"] * 500})
    frame[:700].to_csv(tmp_path / "1.csv", index=False)
    frame[700:].to_csv(tmp_path / "2.csv", index=False)
    found = steepest.scan(str(tmp_path / "*.csv"), folds="contiguous:3")
    assert found == steepest.scan(frame)
    known = steepest.scan(frame, folds="contiguous:3")
    assert [*found.folds.values()] == [*known.folds.values()]
    with pytest.raises(FoldsError, match="can be read only once"):
        steepest.scan(iter([frame]), folds="contiguous:3")
    assert steepest.scan(iter([frame]), folds=3).folds["1"].n_rows > 100


def test_blocks_of_time_follow_each_other():
    random = np.random.default_rng(3)
    when = random.permutation(np.arange(1_000))
    start = datetime(2021, 3, 1)
    table = {"y": when / 7, "n": when, "when": [start + timedelta(hours=int(h)) for h in when]}
    for name in ("n", "when"):
        moments = steepest.scan(table, folds=f"time:{name}:4")
        for i, fold in enumerate(moments.folds.values()):
            assert fold == steepest.scan(rows_of(table, (when // 250) == i))
    nanoseconds = pd.DataFrame(table).astype({"when": "datetime64[ns]"})
    assert steepest.scan(nanoseconds, folds="time:when:4").folds["2"].n_rows == 250
    same = steepest.scan(nanoseconds, folds=steepest.scan(table, folds="time:when:4").folds.rule)
    assert [f.n_rows for f in same.folds.values()] == [250] * 4


def test_many_times_are_cut_the_same_in_any_order(monkeypatch):
    from steepest.sums import folding

    monkeypatch.setattr(folding, "TIMES", 500)
    random = np.random.default_rng(0)
    when = random.normal(size=300_000)
    one = steepest.scan({"t": when}, folds="time:t:3").folds
    other = steepest.scan({"t": when[::-1].copy()}, folds="time:t:3").folds
    assert one.rule == other.rule
    assert [*one.values()] == [*other.values()]
    assert max(fold.n_rows for fold in one.values()) < 110_000


# ------------------------------------------------------------------ folds by the values of a row


def test_equal_rows_share_a_fold_whatever_they_are_read_from(tmp_path):
    frame = pd.DataFrame({n: v for n, v in TABLE.items() if n != "day"})
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    parquet.write_table(arrow, tmp_path / "a.parquet", row_group_size=100)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True, force_ascii=False)
    shuffled = frame.sample(frac=1, random_state=0)[["y", "city", "x", "flag", "i", "kind"]]
    floats = frame.astype({"i": "float64"})
    dictionaries = frame.astype({"city": "category"})
    sources = [
        arrow, pl.from_arrow(arrow), str(tmp_path / "a.parquet"), str(tmp_path / "a.csv"),
        shuffled, floats, dictionaries, [frame[:1000], frame[1000:]],
    ]  # fmt: skip
    known = steepest.scan(frame, folds=4, seed=11)
    for source in sources[:-1]:
        found = steepest.scan(source, folds=4, seed=11)
        assert [*found.folds.values()] == [*known.folds.values()]
    first, second = (steepest.scan(part, folds=4, seed=11) for part in sources[-1])
    assert [*(first + second).folds.values()] == [*known.folds.values()]
    with ProcessPoolExecutor(2, get_context("spawn")) as workers:
        found = steepest.scan(str(tmp_path / "a.parquet"), folds=4, seed=11, executor=workers)
    assert [*found.folds.values()] == [*known.folds.values()]
    assert [*steepest.scan(frame, folds=4, seed=12).folds.values()] != [*known.folds.values()]


def test_forgotten_rows_are_found_in_their_folds():
    frame = pd.DataFrame(TABLE).drop(columns="day")
    whole = steepest.scan(frame, folds=5)
    gone = frame.sample(2_000, random_state=5)
    left = whole - steepest.scan(gone, folds=whole.folds.rule)
    rest = steepest.scan(frame.drop(gone.index), folds=5)
    assert left == rest
    assert {n: f.fingerprint for n, f in left.folds.items()} == {
        n: f.fingerprint for n, f in rest.folds.items()
    }
    picked = whole.subset(["x", "y"]) - steepest.scan(
        gone, columns=["x", "y"], folds=whole.folds.rule
    )
    assert [*picked.folds.values()] == [*rest.subset(["x", "y"]).folds.values()]
    with pytest.raises(FoldsError, match="the right with no folds"):
        whole - steepest.scan(gone)
    with pytest.raises(FoldsError, match="with folds 'hash:5:1'"):
        whole + steepest.scan(gone, folds="hash:5:1")
    with pytest.raises(FoldsError, match="columns="):
        whole.subset(["x", "y"]) + steepest.scan(gone, columns=["x", "y"], folds=5)
    with pytest.raises(MomentsError):
        rest - steepest.scan(gone, folds=whole.folds.rule)
    one = steepest.scan(gone[:1], folds=whole.folds.rule)
    assert len(one.folds) == 1
    assert (whole - one) + one == whole


values = st.sampled_from([0.0, -0.0, 1.0, 2.5, math.nan, 1e300])
texts = st.sampled_from(["", "a", "A", "å", "a\u030a", None])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(values, texts, st.booleans()), min_size=2, max_size=40), st.randoms())
def test_the_fold_of_a_row_is_a_function_of_the_row(rows, random):
    def deal(some):
        table = pa.table(
            {
                "x": pa.array([x for x, _, _ in some], pa.float64(), from_pandas=True),
                "c": pa.array([c for _, c, _ in some], pa.string()),
                "b": pa.array([b for _, _, b in some], pa.bool_()),
            }
        )
        folds = {}
        for i, row in enumerate(some):
            piece = table.slice(i, 1)
            from steepest.data.dealing import DealtPart, describe_columns
            from steepest.data.open import open_source

            source = open_source(piece)
            columns = {c.name: c for c in source.schema().columns}
            rule = read_folds(7)
            part = DealtPart(source.parts()[0], rule, describe_columns(columns, list(columns)))
            (batch, _), *_ = part.batches(Reads(("x", "b"), ("c",)))
            key = (0.0 if row[0] == 0 else str(row[0]), *row[1:])
            assert folds.setdefault(key, int(batch.folds.codes[0])) == int(batch.folds.codes[0])
        return folds

    shuffled = rows[:]
    random.shuffle(shuffled)
    assert deal(rows) == deal(shuffled)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: {"x": np.arange(n)},
        lambda n: {"x": np.arange(n) / 8, "y": np.ones(n)},
        lambda n: {f"b{j}": (np.arange(n) >> j) & 1 == 1 for j in range(16)},
        lambda n: {"c": [f"row {i}" for i in range(n)], "z": np.zeros(n)},
        lambda n: {"x": np.random.default_rng(0).normal(size=n)},
    ],
)
def test_hashed_folds_are_even(make):
    """Within five standard deviations of a fair deal, whatever the values look like."""
    n, k = 50_000, 7
    table = make(n)
    moments = steepest.scan(table, columns=list(table), folds=k)
    due, sd = n / k, math.sqrt(n / k * (1 - 1 / k))
    assert all(abs(fold.n_rows - due) < 5 * sd for fold in moments.folds.values())


def test_two_seeds_are_independent():
    x = np.arange(40_000.0)
    a, b = (steepest.scan({"x": x}, folds=2, seed=seed) for seed in (0, 1))
    both = steepest.scan({"x": x, "z": x}, folds=2)
    assert abs(a.folds["1"].n_rows - 20_000) < 500
    assert a.folds["1"] != b.folds["1"]
    assert both.n_rows == 40_000


def test_a_category_that_proves_an_identifier_is_left_out_of_every_fold():
    n = 6_000
    table = {
        "id": ["same"] * 3_000 + [str(i) for i in range(n - 3_000)],
        "fold": ["a"] * 3_000 + ["b"] * (n - 3_000),
        "y": np.arange(float(n)),
    }
    for rule in ("fold", 3, "contiguous:9"):
        moments = steepest.scan(table, folds=rule)
        assert moments.left_out == {"id": "it has over 1,000 levels"}
        assert all(fold.names == ("fold", "y") for fold in moments.folds.values())
        assert sum(moments.folds.values()) == steepest.scan(table)


# ------------------------------------------------------------------ kept, and views


@pytest.mark.parametrize("precision", ["exact", "double"])
@pytest.mark.parametrize("rule", RULES)
def test_folds_survive_a_file(rule, precision, tmp_path):
    moments = steepest.scan(TABLE, folds=rule, precision=precision, where="i < 4")
    moments.save(tmp_path / "m.moments")
    found = steepest.load(tmp_path / "m.moments")
    assert found.folds.rule == moments.folds.rule
    assert found.digest == moments.digest
    assert {n: f.digest for n, f in found.folds.items()} == {
        n: f.digest for n, f in moments.folds.items()
    }
    assert (found.where, found.parts, found.observed) == (
        moments.where, moments.parts, moments.observed,
    )  # fmt: skip
    assert [f.where for f in found.folds.values()] == [f.where for f in moments.folds.values()]


def test_views_are_views_of_every_fold():
    moments = steepest.scan(TABLE, folds="city")
    renamed = moments.rename({"x": "size"}).subset(["size", "y"])
    known = steepest.scan(TABLE, folds="city", columns=["x", "y"]).rename({"x": "size"})
    assert renamed == known
    assert [*renamed.folds.values()] == [*known.folds.values()]
    model = steepest.fit(moments.subset(["i", "y"]), target="y")
    assert model.coefficients == steepest.fit(TABLE, target="y", features=["i"]).coefficients
    assert "Folds by column:city; rows Oslo:" in repr(moments.folds)
    with pytest.raises(FoldsError, match="no fold 'Rome'"):
        _ = moments.folds["Rome"]
    with pytest.raises(FoldsError, match="no fold 'Rome'"):
        moments.training("Rome")
    with pytest.raises(FoldsError, match="scanned without folds"):
        steepest.scan(TABLE).training("1")


def test_a_problem_in_the_terms_of_another():
    """A level without rows is a column of zeros, and a null counts as it did elsewhere."""
    table = {
        "x": [1.0, 2.0, math.nan, 4.0, 5.0, math.nan],
        "c": ["a", "b", "a", "b", "c", "c"],
        "y": [1.0, 2.0, 4.0, 3.0, 7.0, 5.0],
        "f": ["1", "1", "1", "1", "2", "2"],
    }
    with pytest.warns(SteepestWarning, match="'2' has 2 rows, 33.3 % fewer"):
        moments = steepest.scan(table, folds="f")
    for missing in ("drop", "mean", "indicator"):
        whole = moments.problem("y", ["x", "c"], missing=missing)
        options = {"missing": missing, "like": whole}
        train = moments.training("2").problem("y", ["x", "c"], **options)
        held = moments.folds["2"].problem("y", ["x", "c"], fills=train.fills, **options)
        assert train.terms == held.terms == whole.terms
        assert train.references == held.references == whole.references
        x = np.array(table["x"])
        use = ~np.isnan(x) if missing == "drop" else np.ones(6, dtype=bool)
        fill = x[:4][~np.isnan(x[:4])].mean()
        cells = {"x": np.where(np.isnan(x), fill, x)}
        for term in whole.terms:
            if term.category and not term.null:
                cells[term.name] = np.array([float(level == term.level) for level in table["c"]])
            elif term.null:
                cells[term.name] = np.isnan(x).astype(float)
        columns = np.column_stack([cells[term.name] for term in whole.terms])
        for problem, mask in ((train, np.arange(6) < 4), (held, np.arange(6) >= 4)):
            own = columns[mask & use]
            np.testing.assert_allclose(problem.mean, own.mean(0), rtol=1e-15)
            centred = own - own.mean(0)
            np.testing.assert_allclose(problem.scatter, centred.T @ centred, atol=1e-14)


# ------------------------------------------------------------------ what is refused


def test_what_makes_no_folds_is_refused():
    table = {"y": [1.0, 2.0, 3.0, 4.0], "c": ["a", None, "b", "b"], "one": [7, 7, 7, 7]}
    with pytest.raises(FoldsError, match="'c' is null in row 2 of"):
        steepest.scan(table, folds="c")
    kept = steepest.scan(table, folds="c", where="c is not null")
    assert kept.filtered == sum(fold.filtered for fold in kept.folds.values()) == 1
    assert list(steepest.scan(table, folds="one").folds) == ["7"]
    with pytest.raises(FoldsError, match=r"of 'contiguous:5' would have no row"):
        steepest.scan(table, folds="contiguous:5")
    with pytest.raises(FoldsError, match="would have no row"):
        steepest.scan({"y": [1.0] * 50}, folds=5)
    with pytest.raises(FoldsError, match="too many rows at some"):
        steepest.scan(table, folds="time:one:2")
    with pytest.raises(FoldsError, match="over 1,000 values"):
        steepest.scan({"y": np.arange(1_500.0)}, folds="y")
    with pytest.raises(FoldsError, match="over 1,000 values"):
        steepest.scan({"y": np.zeros(1_500), "t": [str(i) for i in range(1_500)]}, folds="t")
    with pytest.raises(ColumnNotFoundError, match="fold column 'cc'"):
        steepest.scan(table, folds="cc")
    with pytest.raises(ColumnKindError):
        steepest.scan(table, folds="time:c:2")
    for bad in (1, 0, -3, 2.5, True, "hash:x", "contiguous:1", 10**6, "time:when:x"):
        with pytest.raises(OptionError, match="number of folds from 2"):
            steepest.scan(table, folds=bad)
    for bad in ("held:0", "held:1", "held:x", "held:nan"):
        with pytest.raises(OptionError, match="share between 0 and 1"):
            steepest.scan(table, folds=bad)
    for seed in (-1, 0.5, "x", 2**70):
        with pytest.raises(OptionError, match="seed"):
            steepest.scan(table, folds=2, seed=seed)


def test_rules_are_read_as_they_are_written():
    for text in ("hash:5:7", "contiguous:3", "column:a:b", "time:when:4", "held:0.2:9"):
        assert str(read_folds(text)) == text
    assert str(read_folds("5", 3)) == str(read_folds(5, 3)) == "hash:5:3"
    assert str(read_folds("region")) == "column:region"
    assert str(read_folds("a:b")) == "column:a:b"
    assert read_folds(None) is None


@pytest.mark.filterwarnings("ignore:the folds of:steepest.SteepestWarning")
@pytest.mark.parametrize("text", [False, True])
def test_many_groups_hold_the_rows_of_each(text):
    """Rows wait for others of their fold, over batches whose levels are numbered differently."""
    random = np.random.default_rng(5)
    n, groups = 20_000, 250
    group = np.array([f"g{i}" for i in range(groups)])[random.integers(0, groups, n)]
    table = {f"x{j}": random.normal(size=n) * 10.0 ** random.integers(-3, 4, n) for j in range(4)}
    table["x0"][random.random(n) < 0.05] = np.nan
    if text:
        table["c"] = random.choice(["a", "b", "ç", "d"], n)
        table["flag"] = random.random(n) < 0.3
        table["large"] = random.integers(0, 2**60, n)
    table["w"] = random.integers(0, 4, n) * 0.5
    pieces = [
        pa.table({name: values[i : i + 3_001] for name, values in {**table, "g": group}.items()})
        for i in range(0, n, 3_001)
    ]
    options = {"precision": "exact", "weights": "w"}
    found = steepest.scan(pa.concat_tables(pieces), folds="column:g", **options)
    assert found == steepest.scan({**table, "g": group}, **options)
    assert len(found.folds) == groups
    for label in ("g0", "g17", "g249"):
        own = rows_of({**table, "g": group}, group == label)
        assert found.folds[label] == steepest.scan(own, **options)


@pytest.mark.parametrize("precision", ["exact", "double"])
def test_each_of_300_groups_left_out_is_brute_force(precision):
    """From a tree of sums in double precision, by taking away where nothing is rounded."""
    random = np.random.default_rng(3)
    n, groups = 3_000, 300
    group = random.permutation(np.repeat(np.arange(groups), n // groups))
    x = random.normal(size=(n, 4)) * [1, 10, 1e-3, 1] + [0, 1e4, 0, 3]
    x[random.random(n) < 0.05, 3] = np.nan
    y = x[:, 0] + x[:, 1] / 50 + random.normal(size=n)
    table = {**{f"x{j}": x[:, j] for j in range(4)}, "y": y, "g": group}
    moments = steepest.scan(table, folds="g", precision=precision)
    for label in list(moments.folds)[::23]:
        left = moments.training(label)
        rest = (group != int(label)) & ~np.isnan(x[:, 3])
        problem = left.problem(Name("y"), ("x0", "x1", "x2", "x3"), intercept=True)
        assert problem.rows.used == rest.sum()
        np.testing.assert_allclose(problem.mean, x[rest].mean(0), rtol=1e-12, atol=1e-15)
        gap = x[rest] - x[rest].mean(0)
        np.testing.assert_allclose(
            problem.scatter, gap.T @ gap, rtol=1e-11, atol=1e-11 * np.abs(gap.T @ gap).max()
        )
        np.testing.assert_allclose(np.diag(problem.scatter), (gap**2).sum(0), rtol=1e-11)
    pair = moments.training("3", "250")
    assert pair.n_read == n - 20
    none = moments.training()
    assert none.n_read == n
    found = steepest.study(moments, "y", l2=[0.0, 1.0], scale="none")
    first = found.candidates[0]
    kept = ~np.isnan(x[:, 3])
    for i, label in list(enumerate(found.folds))[::23]:
        train, held = kept & (group != int(label)), kept & (group == int(label))
        z = np.column_stack([np.ones(n), x])
        w = np.linalg.lstsq(z[train], y[train], rcond=None)[0]
        error = np.mean((y[held] - z[held] @ w) ** 2)
        assert first.fold_errors[i] == pytest.approx(error, rel=1e-8)
