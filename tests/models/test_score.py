"""Scores against scikit-learn's metrics and sums in fractions."""

from __future__ import annotations

import math
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from fractions import Fraction
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv
from tests.problems import correlated

import steepest
from steepest import terms
from steepest.errors import CheckpointError, EmptySourceError, SteepestError, SteepestWarning

PENGUINS = "examples/penguins.csv"


def quiet(source, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)
        return steepest.fit(source, **options)


@pytest.fixture(scope="module")
def penguins():
    return quiet(PENGUINS, target="body_mass_g")


def test_a_score_is_scikit_learns(penguins):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    frame = pd.read_csv(PENGUINS)
    found = penguins.score(PENGUINS)
    whole = frame.dropna()
    y, predicted = whole["body_mass_g"], penguins.predict(whole)
    assert found.rmse == pytest.approx(math.sqrt(metrics.mean_squared_error(y, predicted)))
    assert found.mae == pytest.approx(metrics.mean_absolute_error(y, predicted))
    assert found.r2 == pytest.approx(metrics.r2_score(y, predicted), rel=1e-12)
    assert found.bias == pytest.approx(0, abs=1e-9)
    assert (found.rows, found.nulls, found.unseen) == (333, 11, {})
    assert found.loss == pytest.approx(penguins.loss, rel=1e-12)
    assert found.r2 == pytest.approx(penguins.r2, rel=1e-12)


def test_weights_count():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    table = correlated()
    model = steepest.fit(table.columns, target="y", epochs=2)
    w = np.random.default_rng(0).uniform(0, 3, 200)
    found = model.score({**table.columns, "w": w}, weights="w")
    predicted = model.predict(table.columns)
    given = {"sample_weight": w}
    assert found.r2 == pytest.approx(metrics.r2_score(table.y, predicted, **given), rel=1e-12)
    assert found.mae == pytest.approx(metrics.mean_absolute_error(table.y, predicted, **given))


@pytest.mark.parametrize("kind", ["array", "csv", "decimal"])
@pytest.mark.parametrize("large", [2**53 + 2, 2**53 + 1])
def test_weights_that_doubles_do_not_hold_are_told(kind, large, tmp_path):
    model = steepest.fit({"x": [1.0, 2, 4], "y": [2.0, 3, 7]}, target="y")
    table = pa.table({"x": [1.0, 2, 3], "y": [1.0, 5, 2], "w": [1, large, 3]})
    if kind == "decimal":
        table = table.set_column(2, "w", table["w"].cast(pa.decimal128(20, 0)))
    if kind == "csv":
        csv.write_csv(table, tmp_path / "w.csv")
    found = model.score(tmp_path / "w.csv" if kind == "csv" else table, weights="w")
    told = "'w' holds integers beyond 2⁵³, which were rounded to doubles."
    assert found.notes == ((told,) if large % 2 else ())


@pytest.mark.parametrize("size", [1, 7, 64, 200])
def test_no_order_and_no_batch_shows(size):
    table = correlated()
    model = steepest.fit(table.columns, target="y", epochs=1)
    whole = model.score(table.columns)
    arrow = pa.table(table.columns)
    turned = arrow.take(pa.array(np.arange(200)[::-1]))
    for one in (arrow, turned):
        assert model.score(iter(one.to_batches(max_chunksize=size))) == whole
    errors = [
        Fraction(float(y)) - Fraction(float(p))
        for y, p in zip(table.y, model.predict(table.columns), strict=True)
    ]
    exact = float(sum(e * e for e in errors) / 200)
    assert whole.loss == pytest.approx(exact, rel=1e-15)


def test_targets_of_other_kinds():
    rng = np.random.default_rng(0)
    table = {
        "x": rng.standard_normal(50),
        "price": rng.uniform(1, 9, 50),
        "sold": rng.random(50) < 0.4,
    }
    model = quiet(table, target="sold", features=["x"])
    y, predicted = table["sold"].astype(float), model.predict(table)
    assert model.score(table).loss == pytest.approx(np.mean((y - predicted) ** 2), rel=1e-13)
    model = quiet(table, target=terms.log("price"), features=["x"])
    y, predicted = np.log(table["price"]), model.predict(table)
    assert model.score(table).loss == pytest.approx(np.mean((y - predicted) ** 2), rel=1e-13)
    table["base"] = rng.standard_normal(50)
    model = quiet(table, target="price", features=["x"], offset="base")
    y, predicted = table["price"], model.predict(table)
    assert model.score(table).loss == pytest.approx(np.mean((y - predicted) ** 2), rel=1e-13)
    text = {**table, "price": [repr(float(v)) for v in table["price"]]}
    assert model.score(text).loss == model.score(table).loss


def test_levels_that_the_model_has_not_seen(penguins):
    frame = pd.read_csv(PENGUINS).dropna()
    frame.loc[frame.index[:4], "species"] = "Emperor"
    with pytest.raises(SteepestError, match="'Emperor'"):
        penguins.score(frame)
    found = penguins.score(frame, unseen="null")
    assert (found.rows, found.nulls, found.unseen) == (329, 4, {"species": 4})
    found = penguins.score(frame, unseen="reference")
    assert (found.rows, found.unseen) == (333, {"species": 4})
    with pytest.raises(SteepestError, match="unseen='ignore' is not known"):
        penguins.score(frame, unseen="ignore")


def write_parts(folder):
    """The penguins in four files, of which the last has a level that no fit has seen."""
    frame = pd.read_csv(PENGUINS)
    frame.loc[frame.index[-3:], "species"] = "Emperor"
    for i in range(4):
        frame[i * 86 : (i + 1) * 86].to_csv(folder / f"{i}.csv", index=False)
    return str(folder / "*.csv"), frame


def test_workers_score_parts(penguins, tmp_path):
    """What is counted on the way comes back from another process too."""
    files, frame = write_parts(tmp_path)
    alone = penguins.score(frame, unseen="null")
    assert alone.unseen == {"species": 3}
    with ThreadPoolExecutor(2) as threads:
        assert penguins.score(files, unseen="null", executor=threads) == alone
    with ProcessPoolExecutor(1, get_context("spawn")) as processes:
        assert penguins.score(files, unseen="null", executor=processes) == alone
        assert penguins.score(frame, unseen="null", executor=processes) == alone


def test_a_score_goes_on_from_its_checkpoint(penguins, tmp_path):
    files, frame = write_parts(tmp_path)
    kept = tmp_path / "kept.part"
    with pytest.raises(SteepestError, match="'Emperor' in row 84"):
        penguins.score(files, checkpoint=kept)
    asked = {"source": files, "checkpoint": kept}
    with pytest.raises(CheckpointError, match="what a null or an unseen level does was refuse"):
        penguins.score(unseen="null", **asked)
    other = quiet(PENGUINS, target="body_mass_g", l2=0.1)
    with pytest.raises(CheckpointError, match="the model was"):
        other.score(**asked)
    with pytest.raises(CheckpointError, match="the weights was"):
        penguins.score(weights="bill_length_mm", **asked)
    kept.unlink()
    assert penguins.score(unseen="reference", **asked) == penguins.score(frame, unseen="reference")
    assert not kept.exists()


def test_rows_that_count_nothing_have_no_levels():
    table = {"x": ["a", "b", "b", "a"], "z": [1.0, 2.0, 4.0, 7.0], "y": [1.0, 2.0, 3.0, 5.0]}
    model = quiet(table, target="y", features=["x"])
    rows = {"x": ["a", "c", "c"], "y": [1.0, 2.0, 3.0], "w": [1.0, 1.0, 0.0]}
    found = model.score(rows, weights="w", unseen="reference")
    assert (found.rows, found.unseen) == (2, {"x": 1})


def test_records_left_out_are_counted(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n1,1\n2,2,9\n3,3\n")
    model = steepest.fit({"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 3.0]}, target="y")
    source = steepest.open_table(tmp_path / "t.csv", ragged="drop")
    found = model.score(source)
    assert found.notes == ("1 record with a field too few or too many was left out.",)
    assert found.rows == 2


def test_what_cannot_be_scored(penguins):
    frame = pd.read_csv(PENGUINS)
    with pytest.raises(SteepestError, match="body_mass_g"):
        penguins.score(frame.drop(columns="body_mass_g"))
    with pytest.raises(SteepestError, match="null"):
        penguins.score(frame, strict=True)
    with pytest.raises(EmptySourceError):
        penguins.score(frame.assign(body_mass_g=np.nan))
    with pytest.raises(EmptySourceError):
        penguins.score(frame[:0])
    with pytest.raises(SteepestError, match="weights"):
        penguins.score(frame, weights="sex")


def test_a_constant_target_has_no_r2():
    model = steepest.fit({"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 3.0]}, target="y")
    assert model.score({"x": [1.0, 5.0], "y": [2.0, 2.0]}).r2 is None
    one = model.score({"x": [1.0], "y": [2.5]})
    assert (one.rows, one.rmse, one.r2) == (1, 1.5, None)


def test_memory_is_bounded(tmp_path):
    """Two million rows in pieces: one pass, a batch at a time."""
    import tracemalloc

    rng = np.random.default_rng(0)
    model = steepest.fit({"x": [1.0, 2.0, 4.0], "y": [1.0, 2.0, 5.0]}, target="y")

    def pieces():
        for _ in range(200):
            x = rng.standard_normal(10_000)
            yield pa.record_batch({"x": x, "y": 2 * x})

    tracemalloc.start()
    found = model.score(pieces())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.rows == 2_000_000
    assert peak < 60e6


def test_the_command(tmp_path, capsys):
    import json

    from steepest.faces.cli import run

    model = quiet(PENGUINS, target="body_mass_g")
    model.save(tmp_path / "m.json")
    assert run(["score", str(tmp_path / "m.json"), PENGUINS, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    score = model.score(PENGUINS)
    assert found["rmse"] == score.rmse
    assert (found["rows"], found["nulls"], found["target"]) == (333, 11, "body_mass_g")
    assert run(["score", str(tmp_path / "m.json"), PENGUINS]) == 0
    said = capsys.readouterr()
    assert "rows    333 scored; 11 with a null" in said.out
    assert said.err == ""
    assert run(["score", str(tmp_path / "m.json"), "nothing.csv"]) == 1
