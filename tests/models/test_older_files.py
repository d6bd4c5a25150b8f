"""Files that earlier versions saved, kept as they were: they load, and say what they said."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import steepest

FILES = Path("tests/recorded/files")
FORMED = "body_mass_g ~ C(species)*flipper_length_mm + log(bill_length_mm)"


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", steepest.SteepestWarning)
        yield


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("penguins", {}),
        ("penguins_formed", {"formula": FORMED, "where": "body_mass_g>3000"}),
    ],
)
def test_moments_of_then_are_the_moments_of_now(name, asked):
    then = steepest.load(FILES / f"{name}.moments")
    now = steepest.scan("examples/penguins.csv", **asked)
    assert then == now
    assert then.fingerprint == now.fingerprint
    assert (then + now).n_read == 2 * now.n_read


@pytest.mark.parametrize("name", ["penguins_limit", "penguins_epochs"])
def test_models_of_then_predict_what_they_say(name):
    path = FILES / f"{name}.json"
    written, _ = json.JSONDecoder().raw_decode(path.read_text())
    model = steepest.load(path)
    assert model.target == written["target"] == "body_mass_g"
    rows = {
        "species": ["Adelie", "Gentoo"],
        "island": ["Biscoe", "Biscoe"],
        "sex": ["male", "female"],
        "bill_length_mm": [39.0, 45.0],
        "bill_depth_mm": [18.0, 15.0],
        "flipper_length_mm": [190.0, 215.0],
        "year": [2007, 2008],
    }
    predicted = model.predict(rows)
    by_hand = [
        sum(value * _factor(name, rows, i) for name, value in model.coefficients.items())
        for i in range(2)
    ]
    np.testing.assert_allclose(predicted, by_hand, rtol=1e-12)
    assert model.path.coef([1, 10]).shape == (2, len(model.names))


def _factor(name: str, rows: dict, i: int) -> float:
    if name == "intercept":
        return 1.0
    column, _, level = name.rstrip("]").partition("[")
    return float(rows[column][i] == level) if level else float(rows[column][i])
