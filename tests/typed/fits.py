"""What a type checker knows of the public functions: mypy reads this file, nothing runs it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_type

import steepest
from steepest import Model, Models, Moments, Rates, Selection, Study, terms


def fits(table: dict[str, list[float]], moments: Moments) -> None:
    assert_type(steepest.fit(table, target="y"), Model)
    assert_type(steepest.fit(moments, target=terms.log("y"), features=["a"], l2=0.1), Model)
    assert_type(steepest.fit(table, formula="y ~ a + b", epochs=10), Model)
    assert_type(steepest.fit(table, target=["y", "z"]), Models)
    assert_type(steepest.fit(table, target=("y", "z"), intercept=False), Models)
    assert_type(steepest.fit(table, target=[terms.log("y"), "z"])["z"], Model)
    assert_type(steepest.fit(table, target="y").coefficients, dict[str, float])


def others(table: dict[str, list[float]], features: Iterable[str]) -> None:
    assert_type(steepest.scan(table, folds=5), Moments)
    assert_type(steepest.study(table, "y", l2=[0.1, 1.0], features=features), Study)
    assert_type(steepest.study(table, "y").refit(), Model)
    assert_type(steepest.select(table, "y"), Selection)
    assert_type(steepest.rates(table, target="y"), Rates)
    assert_type(steepest.load("m.json"), Model | Moments)
