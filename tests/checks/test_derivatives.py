"""Derivatives by differences and complex steps, against formulas; errors that cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steepest.checks.derivatives import by_complex_step, differentiate, doubt, sides

FUNCTIONS = {
    "exp": (lambda w: float(np.exp(w[0])), np.exp),
    "sine": (lambda w: float(np.sin(5 * w[0])), lambda w: 5 * np.cos(5 * w)),
    "quartic": (lambda w: float(w[0] ** 4), lambda w: 4 * w**3),
    "far from 0": (lambda w: 1e9 + float(w[0] ** 2), lambda w: 2 * w),
    "reciprocal": (lambda w: float(1 / (4 + w[0] ** 2)), lambda w: -2 * w / (4 + w**2) ** 2),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@given(at=st.floats(-3, 3))
def test_the_error_covers(name, at):
    value, truth = FUNCTIONS[name]
    w = np.array([at])
    found = differentiate(value, w)
    assert (np.abs(found.gradient - truth(w)) <= 4 * found.error).all()


def test_stairs_are_seen_from_afar():
    for at in np.random.default_rng(1).uniform(-3, 3, 50):
        found = differentiate(lambda w: float(np.round(w[0] * 1e6) / 1e6), np.array([at]))
        assert abs(found.gradient[0] - 1) <= 4 * found.error[0]


def test_ten_digits_of_a_smooth_function():
    w = np.array([0.3, -1.2, 2.0])
    found = differentiate(lambda w: float(np.exp(w).sum() * w[0]), w)
    truth = np.exp(w) * w[0] + np.array([np.exp(w).sum(), 0, 0])
    assert np.allclose(found.gradient, truth, rtol=1e-10)
    assert found.error.max() < 1e-8


def test_a_complex_step_is_exact_to_the_last_digits():
    w = np.array([0.7, -0.2])
    found = by_complex_step(lambda w: (np.exp(w) * np.sin(w)).sum(), w)
    assert np.allclose(found, np.exp(w) * (np.sin(w) + np.cos(w)), rtol=4e-16)
    assert by_complex_step(lambda w: float(w[0]), w) is None


def test_doubt_sees_what_is_not_analytic():
    w = np.array([0.7, -0.2])
    value = lambda w: float(np.abs(w).sum())  # noqa: E731
    assert doubt(value, w, np.sign(w)) < 1e-9
    assert np.isinf(doubt(value, w, np.zeros(2)))


def test_sides_of_a_kink():
    value = lambda w: float(np.maximum(2 * w[0], -3 * w[0]) + w[0] ** 2)  # noqa: E731
    low, high = sides(value, np.zeros(1), 0)
    assert low == pytest.approx(-3, abs=1e-5)
    assert high == pytest.approx(2, abs=1e-5)
    low, high = sides(value, np.ones(1), 0)
    assert low == high == pytest.approx(4, abs=1e-6)
