"""What a descent returns, and what happens while it runs."""

from __future__ import annotations

import math
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.descent.notebook import X, Y, forward, go, loss, train

from steepest.descent import loop
from steepest.descent.loop import Epoch, Status
from steepest.descent.rules import RULES
from steepest.errors import OptionError

RECORDED = Path(__file__).parents[1] / "recorded" / "numpy_approach.out"


def test_the_recorded_digits():
    descent = train()
    lines = re.findall(r"w = (\S+), loss = (\S+)", RECORDED.read_text())
    assert len(lines) == descent.epochs == 10
    for epoch, (w, value) in enumerate(lines):
        assert f"{descent.weights[epoch + 1]:.3f}" == w
        assert f"{descent.losses[epoch]:.8f}" == value
    assert f"{descent.predict(5):.3f}" == "9.999"


@given(
    rows=st.lists(st.floats(0.1, 10), min_size=1, max_size=8),
    start=st.floats(-5, 5),
    share=st.floats(0.01, 1.9),
)
def test_the_closed_form_of_one_weight(rows, start, share):
    x = np.array(rows)
    curvature = 2 * float((x**2).mean())
    rate = share / curvature
    descent = train(x, 2 * x, gradient=lambda x, y, p: (2 * x * (p - y)).mean(), w=start,
                    learning_rate=rate, epochs=20)  # fmt: skip
    for epoch in range(21):
        expected = 2 + (start - 2) * (1 - rate * curvature) ** epoch
        assert descent.weights[epoch] == pytest.approx(expected, rel=1e-9, abs=1e-9)
        expected_loss = curvature / 2 * (expected - 2) ** 2
        assert descent.losses[epoch] == pytest.approx(expected_loss, rel=1e-6, abs=1e-12)
    assert descent.status is Status.COMPLETED
    if abs(start - 2) > 1:
        assert descent.smoothness == pytest.approx(curvature, rel=1e-6)


@given(share=st.floats(0.01, 1.9), seed=st.integers(0, 2**32 - 1))
def test_the_closed_form_of_many_weights(share, seed):
    random = np.random.default_rng(seed)
    curvatures, optimum = random.uniform(0.1, 10, 5), random.normal(size=5)
    rate = share / curvatures.max()
    descent = go(
        lambda w: (curvatures * (w - optimum) ** 2).sum() / 2,
        lambda w: curvatures * (w - optimum),
        np.zeros(5),
        rate,
        epochs=30,
    )
    for epoch, w in zip(descent.weights.epochs.tolist(), descent.weights, strict=True):
        expected = optimum * (1 - (1 - rate * curvatures) ** epoch)
        assert w == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert descent.status is Status.COMPLETED
    assert descent.smoothness <= curvatures.max() * (1 + 1e-6)


def test_a_matrix_of_inputs_reaches_least_squares():
    random = np.random.default_rng(7)
    x, y = random.normal(size=(50, 3)), random.normal(size=50)
    descent = train(
        x,
        y,
        forward=lambda w, x: x @ w,
        gradient=lambda x, y, p: 2 * x.T @ (p - y) / len(y),
        w=[0, 0, 0],
        learning_rate=0.2,
        epochs=500,
    )
    assert descent.w == pytest.approx(np.linalg.lstsq(x, y)[0], rel=1e-9)
    assert descent.w.dtype == np.float64
    assert descent.predict(x.tolist()) == pytest.approx(x @ descent.w)


def test_epochs_run_from_the_start_to_the_last():
    descent = train(epochs=3)
    assert descent.epochs == 3
    assert descent.status is Status.COMPLETED
    assert descent.losses.epochs.tolist() == descent.weights.epochs.tolist() == [0, 1, 2, 3]
    assert descent.losses[0] == 30.0
    assert descent.weights[0] == 0.0
    assert descent.w == descent.coefficients == descent.weights[-1]
    assert descent.loss == descent.losses[-1]
    assert descent.learning_rate == 0.01
    assert descent.rule is RULES["gradient-descent"]
    assert descent.raise_for_status() is descent


@pytest.mark.parametrize("w", [0, 0.0, np.float32(0), np.float64(0), np.array(0), False])
def test_one_number_stays_a_python_float(w):
    descent = train(w=w)
    assert {type(kept) for kept in (descent.w, *descent.weights)} == {float}
    assert {type(kept) for kept in (descent.loss, *descent.losses)} == {float}
    assert f"{descent.losses[6]:.8f}" == "0.00050331"


@pytest.mark.parametrize(
    ("w", "dtype"),
    [
        ([0, 0, 0, 0], np.float64),
        (np.zeros(4, dtype=np.int8), np.float64),
        (np.zeros(4, dtype=np.float32), np.float32),
        (np.zeros(4), np.float64),
    ],
)
def test_arrays_are_floats_of_their_own(w, dtype):
    descent = train(w=w, gradient=lambda x, y, p: (2.0 * x * (p - y) / 4).astype(np.float64))
    assert {kept.dtype for kept in (descent.w, *descent.weights)} == {np.dtype(dtype)}
    assert descent.w == pytest.approx(2 - 2 * (1 - 0.005 * X**2) ** 10, rel=1e-5)


def test_lists_and_plain_numbers_are_data_too():
    assert train([1, 2, 3, 4], [2, 4, 6, 8]).w == pytest.approx(2 - 2 * 0.4**10, rel=1e-12)


def test_the_final_weights_are_the_callers_and_the_trace_is_not():
    descent = train(w=np.zeros(4), gradient=lambda x, y, p: x * (p - y))
    kept = descent.weights[-1].copy()
    descent.w[:] = 0
    assert np.array_equal(descent.weights[-1], kept)
    with pytest.raises(ValueError, match="read-only"):
        descent.weights[-1][:] = 0


def test_long_descents_are_thinned(monkeypatch):
    monkeypatch.setattr(loop, "LOSSES_KEPT", 100)
    monkeypatch.setattr(loop, "WEIGHT_BYTES", 0)
    descent = train(epochs=1000, w=np.zeros(4), gradient=lambda x, y, p: x * (p - y))
    assert 50 <= len(descent.losses) <= 100
    assert 32 <= len(descent.weights) <= 64
    assert descent.losses.epochs[-1] == descent.weights.epochs[-1] == 1000
    assert descent.losses[0] == 30.0


def test_what_it_prints():
    assert repr(train()) == str(train()) == "gradient descent: 10 epochs run, loss 30 -> 3.3e-07"
    assert str(train(epochs=1)) == "gradient descent: 1 epoch run, loss 30 -> 4.8"
    stopped = train(on_epoch=lambda at: at.epoch == 2)
    assert str(stopped).startswith("gradient descent: stopped by on_epoch after 2 epochs, loss 30")
    assert str(train(learning_rate=0.1)).startswith("gradient descent: diverged at epoch 5, loss")
    assert "not finite at epoch 0, loss nan" in str(train(y=[1, 2, 3, math.nan]))
    assert all(status.value.endswith(".") for status in Status)


def test_it_can_be_pickled():
    again = pickle.loads(pickle.dumps(train()))
    assert again.w == train().w
    assert again.losses[-1] == train().losses[-1]
    assert again.status is Status.COMPLETED


def test_without_forward_there_is_no_prediction():
    with pytest.raises(OptionError, match="forward=None is not a function of w and x"):
        go(abs, float, 1.0, 0.1).predict(X)


# While it runs


def test_on_epoch_is_told_every_epoch():
    seen = []
    descent = train(on_epoch=seen.append)
    assert [at.epoch for at in seen] == list(range(11))
    assert [at.w for at in seen] == list(descent.weights)
    assert [at.loss for at in seen] == list(descent.losses)
    assert isinstance(seen[0], Epoch)


@pytest.mark.parametrize("stop", [0, 4, 10])
def test_on_epoch_can_stop(stop):
    descent = train(on_epoch=lambda at: at.epoch == stop)
    assert descent.status is Status.STOPPED
    assert descent.epochs == stop
    assert descent.w == train(epochs=10).weights[stop]
    assert descent.raise_for_status() is descent


def test_stopping_and_going_on_equals_never_stopping():
    assert train(w=train(epochs=4).w, epochs=6).w == train(epochs=10).w


@pytest.mark.parametrize("name", ["forward", "loss", "gradient", "on_epoch"])
def test_an_exception_of_the_users_passes_unchanged(name):
    raised = RuntimeError("mine")

    def fails(*_):
        raise raised

    with pytest.raises(RuntimeError) as error:
        train(**{name: fails})
    assert error.value is raised


def test_nothing_of_the_callers_is_changed():
    x, y, w = X.copy(), Y.copy(), np.zeros(4)
    train(x, y, w=w, gradient=lambda x, y, p: x * (p - y))
    assert np.array_equal(x, X)
    assert np.array_equal(y, Y)
    assert np.array_equal(w, np.zeros(4))


def editing(which, function):
    def edits(*arguments):
        arguments[which] += 1
        return function(*arguments)

    return edits


@pytest.mark.parametrize(
    ("name", "which"),
    [("forward", 0), ("forward", 1), ("loss", 0), ("loss", 1), ("gradient", 0), ("gradient", 1),
     ("gradient", 2)],
)  # fmt: skip
def test_functions_that_edit_their_arguments_fail(name, which):
    functions = {"forward": forward, "loss": loss, "gradient": lambda x, y, p: x * (p - y)}
    x, y, w = X.copy(), Y.copy(), np.zeros(4)
    with pytest.raises(ValueError, match="read-only"):
        train(x, y, w=w, **(functions | {name: editing(which, functions[name])}))
    assert np.array_equal(x, X)
    assert np.array_equal(y, Y)
    assert np.array_equal(w, np.zeros(4))


def test_a_gradient_that_reuses_its_array_is_no_trap():
    buffer = np.empty(4)

    def reusing(x, y, p):
        np.multiply(x, p - y, out=buffer)
        return buffer

    descent = train(w=np.zeros(4), gradient=reusing)
    assert descent.smoothness == pytest.approx(16.0, rel=0.2)
    assert np.array_equal(descent.w, train(w=np.zeros(4), gradient=lambda x, y, p: x * (p - y)).w)
