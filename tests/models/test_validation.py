"""Rows held out: their loss along the path against loops over those rows, and early stopping."""

from __future__ import annotations

import json
import math
import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from tests.problems import Table, correlated, naive_loop

import steepest
from steepest.descent.heldout import find_best
from steepest.errors import ColumnKindError, OptionError, SteepestWarning, ValidationError
from steepest.store import read_json, write_json


def fit(source, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)
        return steepest.fit(source, target="y", **options)


def halves(n=120, p=6, seed=4, noise=1.0):
    """A table, the column that says which rows are held out, and both sides of it."""
    table = correlated(n=n, p=p, seed=seed)
    rng = np.random.default_rng(seed)
    y = table.y + noise * rng.standard_normal(n)
    held = rng.random(n) < 0.3
    whole = {**Table(table.X, y).columns, "held": held}
    return whole, Table(table.X[~held], y[~held]), Table(table.X[held], y[held])


def by_rows(train, held, rate, epochs, scale, l2=0.0):
    """Losses on the rows held out of a loop over the others."""
    rows, spread = naive_loop(train, scale, l2)
    weights, _ = rows.run(np.zeros(rows.design.shape[1]), rate, epochs)
    if scale == "none":
        design = np.column_stack([np.ones(len(held.X)), held.X])
        return np.mean((weights @ design.T - held.y) ** 2, axis=1)
    X = (held.X - train.X.mean(axis=0)) / spread
    return np.mean((weights @ X.T - (held.y - train.y.mean())) ** 2, axis=1)


@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("scale", ["standard", "none"])
def test_the_loss_of_rows_held_out_is_that_of_a_loop(scale, l2):
    whole, train, held = halves()
    model = fit(whole, validation="held", epochs=400, scale=scale, l2=l2)
    losses = by_rows(train, held, model.learning_rate, 400, scale, l2)
    found = model.path.validation_loss(np.arange(401))
    assert found == pytest.approx(losses, rel=1e-10)
    assert model.validation.loss == pytest.approx(losses[400], rel=1e-10)
    assert model.validation.best_epoch == np.argmin(losses)
    assert model.validation.rows == len(held.y)
    assert model.validation.rmse == pytest.approx(math.sqrt(losses[400]))
    assert model.validation.r2 == pytest.approx(1 - losses[400] / held.y.var())
    assert model.rows.used == len(train.y)


@pytest.mark.parametrize("rule", ["momentum", "nesterov", "gradient-descent"])
def test_a_fit_without_epochs_stops_at_the_best_of_the_whole_path(rule):
    whole, train, held = halves(n=60, p=12, noise=3.0)
    model = fit(whole, validation="held", rule=rule, learning_rate=0.05)
    best = model.validation.best_epoch
    assert 0 < best < 5000
    every = model.path.validation_loss(np.arange(20_000))
    assert best == np.argmin(every) == model.settings.epochs
    assert model.validation.stopped
    assert not model.validation.still_falling
    assert model.validation.loss == pytest.approx(every.min(), rel=1e-13)
    assert model.validation.loss < model.path.validation_loss(None)
    if rule == "gradient-descent":
        losses = by_rows(train, held, 0.05, int(best) + 50, "standard")
        assert np.argmin(losses) == best
    assert model.coef == pytest.approx(model.path.coef([best])[0])


def test_it_may_still_be_falling():
    whole, *_ = halves(noise=0.0)
    model = fit(whole, validation="held", learning_rate=0.01, epochs=20)
    assert model.validation.best_epoch == 20
    assert model.validation.still_falling
    assert not model.validation.stopped
    x = np.arange(12.0)
    model = fit({"x": x, "y": 2 * x, "held": x > 7}, validation="held", learning_rate=0.1)
    assert model.validation.best_epoch == math.inf
    assert model.validation.still_falling
    assert model.settings.epochs is None
    assert model.certificate is not None
    assert "the limit  (still falling)" in str(model)


def test_the_best_may_be_the_start():
    x = np.arange(12.0)
    table = {"x": x, "y": np.where(x < 8, x, -x), "held": x >= 8}
    model = fit(table, validation="held", learning_rate=0.1)
    assert model.validation.best_epoch == 0 == model.settings.epochs
    assert model.coef[0] == 0.0


def test_a_loss_may_be_lowest_after_millions_of_epochs():
    whole, *_ = halves(n=60, p=12, noise=3.0)
    rate = 1e-7
    model = fit(whole, validation="held", learning_rate=rate)
    best = int(model.validation.best_epoch)
    assert best > 1_000_000
    near = model.path.validation_loss(np.arange(best - 1000, best + 1001))
    assert near.min() == pytest.approx(model.validation.loss, rel=1e-13)
    coarse = fit(whole, validation="held", learning_rate=0.01).validation.best_epoch
    assert best * rate == pytest.approx(coarse * 0.01, rel=0.05)


def test_rules_that_are_stepped():
    whole, *_ = halves(noise=3.0)
    model = fit(whole, validation="held", rule="adam", learning_rate=0.1, epochs=300)
    every = model.path.validation_loss(np.arange(301))
    assert model.validation.best_epoch == np.argmin(every)
    with pytest.raises(OptionError, match="epochs is not given, and Adam"):
        fit(whole, validation="held", rule="adam")
    with pytest.raises(OptionError, match="epochs is not given, and L-BFGS"):
        fit(whole, validation="held", rule="l-bfgs")


def test_nothing_cancels_far_from_zero_or_at_a_perfect_fit():
    X = np.arange(1.0, 9.0)
    table = {"x": X + 2.0**40, "y": 3 * X, "held": X > 5}
    model = fit(table, validation="held", epochs=3, learning_rate=0.2)
    truth = [Fraction(float(v)) for v in X]
    mean = sum(truth[:5]) / 5
    spread2 = sum((v - mean) ** 2 for v in truth[:5]) / 5
    for t in range(4):
        left = (1 - Fraction(2, 5)) ** t if t else Fraction(1)
        w = 3 * (1 - left)  # along one direction of curvature 2
        loss = sum((3 * (v - mean) - w * (v - mean)) ** 2 for v in truth[5:]) / 3
        assert model.path.validation_loss(t) == pytest.approx(float(loss), rel=1e-12)
    assert spread2 == 2
    assert (model.path.validation_loss(np.arange(5000)) >= 0).all()
    assert model.path.validation_loss(None) <= 1e-25


# ------------------------------------------------------------------ which rows


def keyed(n=400, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    return pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2],
                         "y": X @ [1, 2, 3] + rng.standard_normal(n)})  # fmt: skip


def test_a_share_is_held_out_whatever_order_split_or_format(tmp_path):
    frame = keyed()
    shuffled = frame.sample(frac=1, random_state=3).reset_index(drop=True)
    shuffled.iloc[:150].to_csv(tmp_path / "1.csv", index=False)
    parquet.write_table(pa.Table.from_pandas(shuffled.iloc[150:]), tmp_path / "2.parquet")
    again = pd.concat([pd.read_csv(tmp_path / "1.csv"), shuffled.iloc[150:]])
    one = fit(frame, validation=0.25, seed=5)
    for other in (shuffled, again, {n: frame[n].to_numpy() for n in frame}):
        two = fit(other, validation=0.25, seed=5)
        assert two.coefficients == one.coefficients
        assert two.validation.loss == pytest.approx(one.validation.loss, rel=1e-13)
        assert two.validation.rows == one.validation.rows
    assert 0.15 * 400 < one.validation.rows < 0.35 * 400
    assert fit(frame, validation=0.25, seed=6).validation.loss != one.validation.loss
    assert one.rows.used + one.validation.rows == 400


def test_equal_rows_stand_on_one_side():
    frame = keyed(40)
    many = pd.concat([frame] * 5, ignore_index=True)
    one, five = (fit(table, validation=0.3, epochs=3, learning_rate=0.1) for table in (frame, many))
    assert five.validation.rows == 5 * one.validation.rows
    assert five.validation.loss == pytest.approx(one.validation.loss, rel=1e-12)
    assert five.coef == pytest.approx(one.coef, rel=1e-12)


def test_a_reader_is_read_once():
    frame = keyed()
    batches = pa.Table.from_pandas(frame).to_batches(max_chunksize=64)
    model = fit(iter(batches), validation=0.25)
    assert model.validation.loss == pytest.approx(fit(frame, validation=0.25).validation.loss)


@pytest.mark.parametrize("kind", ["bool", "int", "float", "csv", "parquet", "moments"])
def test_a_column_says_which(kind, tmp_path):
    whole, train, held = halves()
    wanted = fit(train.columns, validation=held.columns, epochs=5)
    table = pd.DataFrame(whole)
    options = {"validation": "held"}
    if kind in ("int", "float"):
        table["held"] = table["held"].astype(kind)
    if kind == "csv":
        table.to_csv(tmp_path / "t.csv", index=False)
        table = tmp_path / "t.csv"
    if kind == "parquet":
        parquet.write_table(pa.Table.from_pandas(table), tmp_path / "t.parquet")
        table = str(tmp_path / "t.parquet")
    if kind == "moments":
        with pytest.warns(SteepestWarning, match="unequal"):
            table = steepest.scan(table, folds="held")
    found = fit(table, **options, epochs=5)
    assert found.names == wanted.names
    assert found.coefficients == wanted.coefficients
    assert found.validation.loss == wanted.validation.loss
    assert found.validation.how == "where 'held' is true"


def test_another_table(tmp_path):
    whole, train, held = halves()
    pd.DataFrame(held.columns).to_csv(tmp_path / "held.csv", index=False)
    steepest.scan(held.columns).save(tmp_path / "held.moments")
    wanted = fit(whole, validation="held", epochs=5).validation.loss
    for other in (held.columns, str(tmp_path / "held.csv"), tmp_path / "held.csv",
                  tmp_path / "held.moments", steepest.scan(held.columns)):  # fmt: skip
        assert fit(train.columns, validation=other, epochs=5).validation.loss == wanted
    moments = steepest.scan(train.columns)
    assert fit(moments, validation=held.columns, epochs=5).validation.loss == wanted


def test_moments_with_folds():
    frame = keyed()
    moments = steepest.scan(frame, folds="held:0.25:5")
    one, two = fit(moments, validation=0.25, seed=5), fit(frame, validation=0.25, seed=5)
    assert one.coefficients == two.coefficients
    assert one.validation.loss == two.validation.loss
    five = steepest.scan(frame, folds="contiguous:5")
    found = fit(five, validation="5", epochs=4)
    wanted = fit(frame[:320], validation=frame[320:], epochs=4)
    assert found.validation.loss == pytest.approx(wanted.validation.loss, rel=1e-13)
    assert found.validation.how == "fold '5'"


def test_terms_levels_and_nulls_count_as_in_the_fit():
    frame = pd.read_csv("examples/penguins.csv")
    rng = np.random.default_rng(0)
    frame["held"] = rng.random(len(frame)) < 0.3
    formula = "body_mass_g ~ species + sex + log(flipper_length_mm) + spline(bill_length_mm, 3)"
    for missing in ("drop", "mean", "indicator"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SteepestWarning)
            model = steepest.fit(
                frame, formula=formula, validation="held", missing=missing, epochs=20
            )
            score = model.score(frame[frame["held"]])
        assert model.validation.loss == pytest.approx(score.loss, rel=1e-9), missing
        assert model.validation.rows == score.rows
        assert model.validation.r2 == pytest.approx(score.r2, rel=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)
        train, held = (frame[frame["held"] == side].dropna() for side in (False, True))
        knots = steepest.fit(train, formula=formula, validation=held, epochs=20)
        score = knots.score(frame[frame["held"]].dropna())
    assert knots.validation.loss == pytest.approx(score.loss, rel=1e-9)


def test_levels_that_nothing_was_trained_on_count_as_the_reference_and_are_said():
    rng = np.random.default_rng(1)
    town = np.array(["a", "b"] * 20 + ["c"] * 5)
    table = {"town": town, "x": rng.standard_normal(45), "y": rng.standard_normal(45)}
    table["held"] = np.arange(45) >= 36
    with pytest.warns(SteepestWarning, match="no row trained on has count as the reference level"):
        model = steepest.fit(table, target="y", validation="held")
    assert "rows by column: 'town' 5" in model.notes[-1]
    held = {name: column[36:] for name, column in table.items()}
    with pytest.warns(SteepestWarning, match="'town' 5"):
        predicted = model.predict(held, unseen="reference")
    assert model.validation.loss == pytest.approx(np.mean((held["y"] - predicted) ** 2))


def test_a_column_constant_where_rows_are_held_out():
    whole, *_ = halves()
    whole["x1"] = np.where(whole["held"], 1.5, whole["x1"])
    model = fit(whole, validation="held", epochs=10)
    rows = {name: column[whole["held"]] for name, column in whole.items()}
    errors = rows["y"] - model.predict(rows)
    assert model.validation.loss == pytest.approx(np.mean(errors**2), rel=1e-12)


def test_one_row_held_out_and_weights():
    whole, *_ = halves()
    whole["held"] = np.arange(120) == 7
    whole["w"] = np.random.default_rng(0).uniform(0.1, 3, 120)
    model = fit(whole, validation="held", epochs=10, weights="w")
    row = {name: column[7:8] for name, column in whole.items()}
    assert model.validation.loss == pytest.approx(float((row["y"] - model.predict(row))[0] ** 2))
    assert model.validation.r2 is None
    whole["held"] = np.arange(120) % 3 == 0
    model = fit(whole, validation="held", epochs=10, weights="w")
    rows = {name: column[::3] for name, column in whole.items()}
    errors = rows["y"] - model.predict(rows)
    assert model.validation.loss == pytest.approx(np.average(errors**2, weights=rows["w"]))


def test_through_the_origin_and_in_double_precision():
    whole, *_ = halves()
    rows = {name: column[whole["held"]] for name, column in whole.items()}
    for options in ({"intercept": False}, {"precision": "double"}, {"l1": 0.05}):
        model = fit(whole, validation="held", **options)
        errors = rows["y"] - model.predict(rows)
        assert model.validation.loss == pytest.approx(np.mean(errors**2), rel=1e-11)


@pytest.mark.parametrize(
    ("validation", "said"),
    [
        (1.5, r"validation=1\.5 is not a share between 0 and 1"),
        (0, "validation=0 is not"),
        (True, "validation=True is not"),
        (float("nan"), "validation=nan is not"),
        ("hedl", r"neither a column nor a file[^\0]*did you mean 'held'"),
        ("x1", "neither boolean nor 0 and 1"),
    ],
)
def test_what_cannot_be_held_out(validation, said):
    with pytest.raises(ValueError, match=said):
        fit(halves()[0], validation=validation)


def test_one_side_alone():
    whole, *_ = halves()
    for value, said in ((True, "none is left to train on"), (False, "all of them are to train on")):
        with pytest.raises(ValidationError, match=said):
            fit({**whole, "held": np.full(120, value)}, validation="held")
    with pytest.raises(steepest.SteepestError, match="must be two-dimensional"):
        fit(whole, validation=np.array([1.0]))
    with pytest.raises(ValidationError, match="has 'a' and 'b'"):
        fit({**whole, "held": np.array(["a", "b"] * 60)}, validation="held")
    moments = steepest.scan(whole)
    with pytest.raises(ValidationError, match=r"folds='held:0\.2:0'"):
        fit(moments, validation=0.2)
    with pytest.raises(ValidationError, match="no rows were held out"):
        fit(whole).path.validation_loss(3)


def test_a_model_file_keeps_what_was_held_out(tmp_path):
    whole, *_ = halves(noise=3.0)
    model = fit(whole, validation="held")
    model.save(tmp_path / "m.json")
    again = steepest.load(tmp_path / "m.json")
    assert str(again) == str(model)
    t = np.arange(50)
    assert np.array_equal(again.path.validation_loss(t), model.path.validation_loss(t))
    assert again.validation.best == model.validation.best
    for key, value in (("factor", "AAAA"), ("mean", [1.0])):
        content = read_json(tmp_path / "m.json")
        content["validation"]["statistic"][key] = value
        write_json(tmp_path / "bad.json", content)
        with pytest.raises(steepest.SteepestError, match="a field is missing or wrong"):
            steepest.load(tmp_path / "bad.json")
    content = read_json(tmp_path / "m.json")
    del content["validation"]
    write_json(tmp_path / "old.json", content)
    assert steepest.load(tmp_path / "old.json").validation is None
    assert json.dumps(content)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 200_000), st.integers(0, 3))
def test_the_best_epoch_of_curves_with_several_dips(seed, last, dips):
    rng = np.random.default_rng(seed)
    rates = np.exp(-rng.uniform(3, 12, dips + 2))
    weights = rng.standard_normal(dips + 2)

    def curve(t):
        decays = np.exp(-np.outer(np.where(np.isinf(t), 0, t), rates))
        decays[np.isinf(t)] = 0.0
        return 10 + decays @ weights

    found = find_best(curve, last, endless=False)
    every = curve(np.arange(last + 1.0))
    assert found.epoch == np.argmin(every)
    assert found.falling == (found.epoch == last)


@pytest.mark.parametrize("size", [1e-170, 1e-20, 1e20, 1e160, 1e300])
def test_columns_of_any_size(size):
    """A column times a number, and its coefficient divided by it, predict the same."""
    x, y = np.arange(6.0), np.array([0.0, 1.0, 2.5, 2.0, 4.5, 5.0])
    held = {"x": np.array([9.0, 7.0]), "y": np.array([9.0, 7.5])}
    options = {"rule": "momentum", "epochs": 20, "learning_rate": 0.1}
    wanted = fit({"x": x, "y": y}, validation=held, **options).validation
    far = {"x": held["x"] * size, "y": held["y"]}
    found = fit({"x": x * size, "y": y}, validation=far, **options).validation
    assert found.loss == pytest.approx(wanted.loss, rel=1e-9)
    assert found.best_epoch == wanted.best_epoch


def test_a_few_rows_may_all_fall_on_one_side():
    with pytest.raises(ValidationError, match=r"validation=0\.99 with seed 0 leaves one side"):
        fit({"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 4.0]}, validation=0.99)


def test_a_constant_alone_is_held_out_too():
    """Where no term is left there is nothing to lift."""
    table = {"x": ["u"] * 8, "y": [2.0**60, 1.0, 2.0, 4.0, 3.0, 5.0, 1.0, 0.0]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)
        model = steepest.fit(table, target="y", validation=0.5)
    assert model.names == ()
    assert model.validation.rows + model.rows.used == 8


@pytest.mark.parametrize("swapped", [False, True])
def test_rows_of_another_kind_are_refused(swapped):
    text = {"c": ["u", "v", "u", "v", "u"], "x": [1.0, 4.0, 2.0, 5.0, 3.0]}
    numbers = {"c": [5, 6, 7, 9], "x": [2.0, 3.0, 1.0, 1.0]}
    first, other = (numbers, text) if swapped else (text, numbers)
    with pytest.raises(ColumnKindError, match=r"'c' is a .* in the rows trained on but a"):
        steepest.fit(first, target="x", validation=other)
    with pytest.raises(ColumnKindError, match="'c' is a"):
        steepest.fit(steepest.scan(first), target="x", validation=steepest.scan(other))
