"""Levels: rare ones taken together, any text as a name, references that are told."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from tests.designs import quiet

import steepest
from steepest.errors import OptionError, SteepestWarning, ValueFoundError


def make_frame(n=150, seed=27):
    random = np.random.default_rng(seed)
    shares = [0.5, 0.4, 0.04, 0.03, 0.03]
    return pd.DataFrame(
        {
            "town": random.choice(["a", "b", "c", "d", "e"], n, p=shares),
            "city": random.choice(["Oslo", "Bergen", "Ås"], n),
            "kind": random.choice(["u", "v"], n),
            "flag": random.random(n) < 0.02,
            "x": random.normal(size=n),
            "w": random.uniform(3, 9, n),
            "y": random.normal(size=n),
        }
    )


FRAME, NEW = make_frame(), make_frame(40, seed=28)
COUNTS = FRAME["town"].value_counts()
OPTIONS = [{}, {"weights": "w"}, {"missing": "mean"}]
RIGHTS = ["town", "town + x", "town*kind", "town:x", "town:kind", "kind + town:kind:x"]


def pool(frame, least=20):
    """One town for those of fewer rows; its name stands behind the others."""
    return frame.assign(town=frame["town"].where(frame["town"].map(COUNTS) >= least, "~"))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("precision", ["exact", "double"])
@pytest.mark.parametrize("right", RIGHTS)
def test_rare_levels_are_one(right, precision, options, tmp_path):
    """By rows, whatever these weigh; as if the table had one level for all of them."""
    pooled = pool(FRAME)
    assert set(pooled["town"]) == {"a", "b", "~"}
    options = {**options, "precision": precision, "formula": f"y ~ {right}"}
    if precision == "double" and "weights" in options:  # which know no rows of levels
        with pytest.raises(OptionError, match="do not count rows"):
            steepest.fit(FRAME, rare=20, **options)
        return
    model, expected = quiet(FRAME, rare=20, **options), quiet(pooled, **options)
    named = {k.replace("~", "(rare)"): value for k, value in expected.coefficients.items()}
    rel = 1e-12 if precision == "exact" else 1e-9
    assert model.coefficients == pytest.approx(named, rel=rel)
    new = pd.DataFrame({"town": ["a", "c", "d", "e"], "kind": "v", "x": 0.5})
    assert model.predict(new) == pytest.approx(expected.predict(pool(new)), rel=1e-9)
    with pytest.raises(ValueFoundError, match="in row 1, which the model has not seen"):
        model.predict(new.assign(town="z")[:1])
    model.save(tmp_path / "m.json")
    assert steepest.load(tmp_path / "m.json").predict(new).tobytes() == model.predict(new).tobytes()


def test_rare_levels_are_counted_among_the_rows_used():
    frame = FRAME.assign(x=FRAME["x"].where((FRAME["town"] != "b") | (FRAME["x"] > 1.0)))
    used = frame.dropna()
    assert (used["town"] == "b").sum() < 20 <= (frame["town"] == "b").sum()
    model = quiet(frame, formula="y ~ town + x", rare=20)
    assert model.names == ("town[(rare)]", "x")
    mean = quiet(frame, formula="y ~ town + x", rare=20, missing="mean")
    assert mean.names == ("town[(rare)]", "town[b]", "x")


def test_rows_of_a_frequency_count_as_often_as_they_stand():
    frame = FRAME.assign(times=np.where(FRAME["town"] == "c", 9, 1))
    repeated = frame.loc[frame.index.repeat(frame["times"])]
    for precision in ("exact", "double"):
        found = quiet(frame, formula="y ~ town", rare=20, precision=precision, weights="times",
                      weight_kind="frequency")  # fmt: skip
        expected = quiet(repeated, formula="y ~ town", rare=20, precision=precision)
        assert found.coefficients == pytest.approx(expected.coefficients, rel=1e-12)


def test_what_is_pooled_is_said():
    words = r"3 levels of 'town' with few rows became one, \(rare\): 'c'"
    with pytest.warns(SteepestWarning, match=words):
        steepest.fit(FRAME, formula="y ~ town", rare=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        steepest.fit(FRAME, formula="y ~ town", rare=1)
    for rare in (-1, 2.5, True):
        with pytest.raises(OptionError, match="rare"):
            steepest.fit(FRAME, formula="y ~ town", rare=rare)


def test_rare_numbers_are_pooled_and_booleans_are_not():
    frame = FRAME.assign(rooms=np.r_[np.full(70, 1), np.full(70, 2), [7, 8] * 5])
    model = quiet(frame, formula="y ~ C(rooms)", rare=20)
    mean = frame.groupby(frame["rooms"].clip(upper=7))["y"].mean()
    expected = [mean[1], mean[2], mean[7], mean[7]]
    assert model.predict({"rooms": [1, 2, 7, 8]}) == pytest.approx(expected)
    assert quiet(FRAME, formula="y ~ flag", rare=20).names == ("flag[true]",)


LEVELS = ["a:b", "a]", "[a", "is null", "(rare)", "", " ", "`", "é\n", "true", "1"]


@pytest.mark.parametrize("level", LEVELS)
def test_levels_of_any_text_in_interactions(level, tmp_path):
    frame = FRAME.assign(city=FRAME["city"].replace("Oslo", level))
    model = quiet(frame, formula="y ~ city*kind + city:x")
    expected = quiet(FRAME, formula="y ~ city*kind + city:x")
    new = NEW.assign(city=NEW["city"].replace("Oslo", level))
    assert model.predict(new) == pytest.approx(expected.predict(NEW), rel=1e-9, abs=1e-12)
    model.save(tmp_path / "m.json")
    assert steepest.load(tmp_path / "m.json").predict(new).tobytes() == model.predict(new).tobytes()


def test_a_level_with_the_mark_between_levels_is_not_crossed():
    frame = FRAME.assign(city=FRAME["city"].replace("Oslo", "a\x1fb"))
    quiet(frame, formula="y ~ city + kind")
    with pytest.raises(ValueFoundError, match=r"U\+001F"):
        quiet(frame, formula="y ~ city*kind")


def test_references_are_told_beside_interactions():
    """The level whose own coefficient is 0, also where its slope is written out."""
    for right in ("city + x", "city*x", "city + city:x", "city*kind + city:x"):
        model = quiet(FRAME, formula=f"y ~ {right}")
        assert model.references["city"] == "Bergen", right
