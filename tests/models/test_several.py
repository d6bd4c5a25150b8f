"""Several targets from one scan: each the model that it is alone."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pytest

import steepest
from steepest import terms
from steepest.errors import ColumnNameError, OptionError, SteepestWarning


def homes(n=60):
    rng = np.random.default_rng(2)
    area, rooms = rng.uniform(30, 200, n), rng.integers(1, 6, n).astype(float)
    price, rent = 3 * area + rng.standard_normal(n), 0.1 * area + rooms + rng.standard_normal(n)
    price[:5], rent[3:10] = np.nan, np.nan
    return {"area": area, "rooms": rooms, "price": price, "rent": rent, "sold": rooms > 3}


def quiet(source, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)
        return steepest.fit(source, **options)


@pytest.mark.parametrize("options", [{}, {"epochs": 7}, {"l2": 0.1, "rule": "nesterov"},
                                     {"validation": 0.3, "epochs": 3}])  # fmt: skip
@pytest.mark.parametrize("features", [["area", "rooms"], ["area", "sold"], [terms.log("area")]])
def test_each_is_the_model_of_its_target(features, options):
    table = homes()
    models = quiet(table, target=["price", "rent"], features=features, **options)
    assert list(models) == ["price", "rent"]
    assert len(models) == 2
    for target, rows in (("price", 55), ("rent", 53)):
        if "validation" not in options:  # the hash is of all that is scanned
            alone = quiet(table, target=target, features=features, **options)
            assert models[target].coefficients == alone.coefficients
            assert models[target].loss == alone.loss
            assert models[target].rows.used == alone.rows.used == rows
        assert models[target].target == target


def test_no_target_explains_another_unless_it_is_named():
    table = homes()
    models = quiet(table, target=["price", "rent"])
    assert models["price"].names == models["rent"].names == ("area", "rooms", "sold[true]")
    assert models["price"].rows.used == 55
    named = quiet(table, target=["price", "sold"], features=["area", "rent"])
    assert named["price"].names == ("area", "rent")
    moments = steepest.scan(table)
    again = quiet(moments, target=["price", "rent"])
    assert again["rent"].coefficients == models["rent"].coefficients


def test_one_scan_is_enough():
    batches = pa.table(homes()).to_batches(max_chunksize=16)
    models = quiet(iter(batches), target=["price", "rent", "sold"], features=["area"])
    assert (
        models["sold"].coefficients == quiet(homes(), target="sold", features=["area"]).coefficients
    )


def test_targets_made_of_columns():
    table = {n: c[10:] for n, c in homes().items()}
    both = quiet(table, target=[terms.log("price"), "rent"], features=["area"])
    assert list(both) == ["log(price)", "rent"]
    alone = quiet(table, target=terms.log("price"), features=["area"])
    assert both["log(price)"].coefficients == alone.coefficients
    with pytest.raises(OptionError, match="several targets that are made of columns"):
        quiet(table, target=[terms.log("price"), "rent"])


def test_predictions_notes_and_words():
    with pytest.warns(SteepestWarning) as said:
        models = steepest.fit(homes(), target=["price", "rent"], features=["area"])
    assert sorted(str(one.message).split(":")[0] for one in said) == ["price", "rent"]
    predicted = models.predict({"area": [100.0]})
    assert predicted["rent"] == pytest.approx(models["rent"].predict({"area": [100.0]}))
    assert str(models).count("std error") == 2
    assert isinstance(quiet(homes(), target=["price"], features=["area"]), steepest.Models)


def test_what_is_refused():
    with pytest.raises(ColumnNameError, match="'price'"):
        quiet(homes(), target=["price", "rent", "price"])
    with pytest.raises(OptionError, match="target is not given"):
        quiet(homes(), target=[])
    with pytest.raises(steepest.SteepestError, match="'rnet'"):
        quiet(homes(), target=["price", "rnet"])
    with pytest.raises(OptionError, match="formula is given"):
        quiet(homes(), target=["price", "rent"], formula="price ~ area")
    with pytest.raises(ColumnNameError, match="'price'"):
        quiet(homes(), target=["price", "rent"], features=["area", "price"])
