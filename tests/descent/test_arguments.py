"""What ``descend`` refuses before the first step, and at it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.descent.notebook import X, Y, summed, train

from steepest.errors import (
    EmptySourceError,
    GradientError,
    LengthError,
    OptionError,
)


@pytest.mark.parametrize("rate", [0, -0.01, math.nan, math.inf, True, "0.01", None, 10**400])
def test_a_rate_that_is_no_rate(rate):
    with pytest.raises(OptionError, match=r"learning_rate=.* is not a finite number above 0"):
        train(learning_rate=rate)


@pytest.mark.parametrize("epochs", [0, -1, 2.0, True, "10", None])
def test_epochs_that_are_no_count(epochs):
    with pytest.raises(OptionError, match=r"epochs=.* is not a whole number of at least 1"):
        train(epochs=epochs)


@pytest.mark.parametrize(
    ("w", "said"),
    [
        (math.nan, "w=nan is not a finite number"),
        (math.inf, "w=inf is not"),
        ([0.0, math.nan, 0.0, 0.0], r"w\[1\]=nan is not"),
        (np.array([[0.0, 0.0], [-math.inf, 0.0]]), r"w\[1, 0\]=-inf is not"),
        ("0", "w='0' is not a number or an array of numbers"),
        (None, "w=None is not a number"),
        (1j, "w=1j is not a number"),
    ],
)
def test_weights_that_are_no_numbers(w, said):
    with pytest.raises(OptionError, match=said):
        train(w=w)


@pytest.mark.parametrize("name", ["forward", "loss", "gradient", "on_epoch"])
def test_functions_that_are_none(name):
    with pytest.raises(OptionError, match=f"{name}=3 is not a function"):
        train(**{name: 3})


def test_numpy_without_a_gradient():
    with pytest.raises(GradientError, match="no gradient was given"):
        train(gradient=None)


def test_an_unknown_rule():
    with pytest.raises(OptionError, match="did you mean 'gradient-descent'"):
        train(rule="gradientdescent")


@pytest.mark.parametrize(
    ("x", "y", "error", "said"),
    [
        ([], [], EmptySourceError, "x is empty"),
        (X, [], EmptySourceError, "y is empty"),
        (np.empty((0, 3)), Y, EmptySourceError, "x is empty"),
        (X[:3], Y, LengthError, "x has 3 rows, but y has 4"),
        (1.0, Y, LengthError, r"x has shape \(\)"),
        (X, 2.0, LengthError, r"y has shape \(\)"),
    ],
)
def test_rows_that_do_not_match(x, y, error, said):
    with pytest.raises(error, match=said):
        train(x, y)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"forward": lambda w, x: 1.0}, LengthError, r"forward returned shape \(\), but y has"),
        ({"forward": lambda w, x: (w * x)[:, None]}, LengthError, r"shape \(4, 1\), but"),
        ({"forward": lambda w, x: None}, GradientError, "forward returned nothing"),
        ({"loss": lambda y, p: (p - y) ** 2}, GradientError, r"loss returned shape \(4,\)"),
        ({"loss": lambda y, p: None}, GradientError, "loss returned nothing"),
        ({"gradient": lambda x, y, p: None}, GradientError, "gradient returned nothing"),
        (
            {"gradient": lambda x, y, p: x * (p - y)},
            GradientError,
            r"gradient returned shape \(4,\), but w is a single number",
        ),
        (
            {"gradient": lambda x, y, p: np.array([summed(x, y, p)])},
            GradientError,
            r"gradient returned shape \(1,\), but w is a single number",
        ),
        ({"w": np.zeros(4)}, GradientError, r"gradient returned shape \(\), but w has shape \(4,"),
    ],
)
def test_functions_that_return_the_wrong_shape(changes, error, said):
    with pytest.raises(error, match=said):
        train(**changes)
