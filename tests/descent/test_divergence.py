"""When a descent is said to have gone wrong, and when not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.descent.notebook import X, Y, go, summed, train
from tests.tiers import law

from steepest.descent.loop import Status
from steepest.errors import DivergedError


def test_an_overflow_at_the_start_is_the_users_exception():
    with pytest.raises(OverflowError):
        train(loss=lambda y, p: math.exp(1000))


def test_a_rate_too_high_is_said_with_its_numbers():
    # The loss is 7.5 (w - 2)², so 30 · 25ᵗ: a million times the start at epoch 5.
    descent = train(learning_rate=0.1)
    assert descent.status is Status.DIVERGED
    assert descent.epochs == 5
    assert np.asarray(descent.losses) == pytest.approx(30 * 25.0 ** np.arange(6), rel=1e-5)
    assert descent.w == pytest.approx(2 + 2 * 5**5, rel=1e-5)
    assert descent.loss == descent.losses[-1]
    assert descent.smoothness == pytest.approx(60, rel=1e-5)
    with pytest.raises(DivergedError) as error:
        descent.raise_for_status()
    assert str(error.value) == (
        "gradient descent diverged at epoch 5: the loss rose from 30 to 2.93e+08.\n"
        "learning_rate=0.1 is 3 times the largest stable rate, 2/L = 0.0333 "
        "(L = 60 is the curvature met on the way).\n\n"
        "Hint: learning_rate=0.017"
    )


@given(
    share=st.floats(1.01, 1e3),
    curvature=st.floats(1e-3, 1e3),
    epochs=st.integers(1, 60),
    distance=st.floats(1e-2, 1e3),
)
def test_every_rate_above_the_limit_is_seen_however_short_the_run(
    share, curvature, epochs, distance
):
    descent = go(
        lambda w: curvature / 2 * (w - 1) ** 2,
        lambda w: curvature * (w - 1),
        1 + distance,
        share * 2 / curvature,
        epochs=epochs,
    )
    assert descent.status is Status.DIVERGED
    assert math.isfinite(descent.w)
    with pytest.raises(DivergedError, match=r"diverged at epoch \d+: the loss rose from"):
        descent.raise_for_status()


@pytest.mark.parametrize("share", [0.5, 0.99, 0.999999, 1.0])
def test_no_rate_up_to_the_limit_is(share):
    descent = go(lambda w: 30 * (w - 2) ** 2, lambda w: 60 * (w - 2), 0.0, share / 30, epochs=200)
    assert descent.status is Status.COMPLETED


@pytest.mark.parametrize("rate", [1e20, 1e100, 1e300, 1.7e308])
@pytest.mark.parametrize("w", [0.0, np.zeros(4), np.zeros(4, dtype=np.float32)])
def test_an_overflow_is_a_divergence(rate, w):
    gradient = summed if np.ndim(w) == 0 else lambda x, y, p: 2 * x * (p - y) / 4
    descent = train(learning_rate=rate, w=w, gradient=gradient)
    assert descent.status is Status.DIVERGED
    assert descent.losses[0] == 30.0
    assert descent.losses[-1] > 1e6
    assert math.isfinite(descent.loss)
    assert np.isfinite(descent.w).all()
    assert len(descent.losses) == len(descent.weights) == descent.epochs + 1
    with pytest.raises(DivergedError, match="the loss rose from 30 to"):
        descent.raise_for_status()


def test_pythons_own_overflow_is_a_divergence_too():
    descent = go(lambda w: w**2, lambda w: 2 * w, 1.0, 1e200)
    assert descent.status is Status.DIVERGED
    assert descent.epochs == 1
    assert descent.losses[1] == math.inf
    assert descent.weights[1] == -2e200
    assert (descent.w, descent.loss) == (1.0, 1.0)
    assert descent.smoothness is None
    with pytest.raises(DivergedError, match=r"1e\+200 is too large for this loss"):
        descent.raise_for_status()


def test_a_step_out_of_the_numbers_is_not_evaluated():
    asked = []
    descent = go(lambda w: asked.append(w) or w**2, lambda w: 2 * w, 10.0, 1e308)
    assert asked == [10.0]
    assert descent.status is Status.DIVERGED
    assert descent.weights[1] == -math.inf
    assert (descent.w, descent.loss) == (10.0, 100.0)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ([1, 2, math.nan, 4], Y, "x already holds a NaN"),
        (X, [2, 4, math.inf, 8], "y already holds a NaN"),
        ([1, 2, math.nan, 4], [math.inf, 4, 6, 8], "x and y already hold a NaN"),
    ],
)
def test_holes_in_the_data_are_blamed_first(x, y, said):
    descent = train(x, y)
    assert descent.status is Status.NOT_FINITE
    assert descent.epochs == 0
    assert descent.w == 0.0
    with pytest.raises(DivergedError, match=said):
        descent.raise_for_status()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_starts_outside_the_numbers(value):
    descent = train(loss=lambda y, p: value)
    assert descent.status is Status.NOT_FINITE
    assert (descent.epochs, len(descent.losses), descent.w) == (0, 1, 0.0)
    with pytest.raises(DivergedError, match=rf"loss is {value} at epoch 0\.\nThe data and the st"):
        descent.raise_for_status()


def test_a_nan_on_the_way_keeps_the_last_numbers():
    # w goes 4, 1, -2, and there is no root of -2.
    descent = go(lambda w: np.sqrt(np.float64(w)), lambda w: 3.0, 4.0, 1.0)
    assert descent.status is Status.NOT_FINITE
    assert list(descent.weights) == [4.0, 1.0, -2.0]
    assert list(descent.losses)[:2] == [2.0, 1.0]
    assert math.isnan(descent.losses[-1])
    assert (descent.w, descent.loss, descent.epochs) == (1.0, 1.0, 2)
    with pytest.raises(DivergedError, match=r"nan at epoch 2\.\nIt was finite an epoch before"):
        descent.raise_for_status()


@pytest.mark.parametrize("slope", [math.nan, math.inf])
@pytest.mark.parametrize("w", [1.0, np.ones(2)])
def test_a_gradient_outside_the_numbers(slope, w):
    descent = go(lambda w: 1.0, lambda w: w * slope, w, 0.1)
    assert descent.status is Status.NOT_FINITE
    assert descent.epochs == 1
    assert np.array_equal(descent.w, w)
    assert math.isnan(descent.losses[1])


def test_a_loss_without_a_floor_that_falls_out_is_not_called_a_rise():
    descent = go(lambda w: -math.inf if w > 3 else -w, lambda w: -1.0, 0.0, 1.0)
    assert descent.status is Status.NOT_FINITE
    assert descent.loss == -3.0


# False alarms


def test_a_start_at_the_optimum_stays():
    descent = train(w=2.0)
    assert descent.status is Status.COMPLETED
    assert set(descent.losses) == {0.0}
    assert descent.smoothness is None


def test_a_plateau_is_no_alarm():
    descent = go(lambda w: 1.0, lambda w: 0.0, 1.0, 1e6, epochs=50)
    assert descent.status is Status.COMPLETED
    assert descent.smoothness is None


@law(
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0.05, 1.9),
    noise=st.sampled_from([0.0, 1e-7, 1.0]),
    near=st.booleans(),
    few=25,
    many=200,
)
@example(seed=1172, share=1.734375, noise=1e-7, near=True)
def test_single_precisions_noise_at_the_floor_is_no_alarm(seed, share, noise, near):
    random = np.random.default_rng(seed)
    x = random.normal(size=(20, 2)).astype(np.float32)
    y = (x @ np.array([2.0, -1.0]) + noise * random.normal(size=20)).astype(np.float32)
    smoothness = np.linalg.eigvalsh(2 * x.T.astype(float) @ x / 20).max()
    best = np.linalg.lstsq(x, y)[0]
    for w in (best, best.astype(float)) if near else (np.zeros(2), np.zeros(2, np.float32)):
        descent = train(
            x,
            y,
            forward=lambda w, x: x @ w.astype(np.float32),
            gradient=lambda x, y, p: 2 * x.T @ (p - y) / len(y),
            w=w,
            learning_rate=share / smoothness,
            epochs=100,
        )
        assert descent.status is Status.COMPLETED


def test_nor_is_it_where_nothing_can_be_explained():
    # x and y are orthogonal but for single precision, so w = 0 is the optimum, and one step
    # raises the loss in its last digit.
    x = np.float32([-0.5126553177833557, 0.42407625913619995, -0.6360040903091431, 1.14295411])
    y = np.float32([1.1369541883468628, 0.07573062926530838, 0.30292341113090515, 0.6504290699])
    smoothness = 2 * float((x.astype(float) ** 2).mean())
    descent = train(
        x,
        y,
        gradient=lambda x, y, p: (2 * x * (p - y)).mean(),
        learning_rate=1.57 / smoothness,
        epochs=1,
    )
    assert descent.losses[1] == pytest.approx(descent.losses[0], rel=1e-6)
    assert descent.status is Status.COMPLETED


@given(start=st.floats(1.9, 2.1), epochs=st.integers(1, 100))
def test_nor_is_it_with_one_weight(start, epochs):
    assert train(w=start, epochs=epochs, learning_rate=0.03).status is Status.COMPLETED


def test_a_landscape_that_rises_once_is_no_alarm():
    # Down into the well of w⁴ - 2w² + 0.1w from its steep side, over the hill, and down again.
    descent = go(
        lambda w: w**4 - 2 * w**2 + 0.1 * w, lambda w: 4 * w**3 - 4 * w + 0.1, 0.01, 0.2, epochs=60
    )
    losses = np.asarray(descent.losses)
    assert (np.diff(losses) > 0).any()
    assert losses[-1] < losses[0]
    assert descent.status is Status.COMPLETED


@pytest.mark.parametrize("shift", [-1e3, -3.0, 0.0, 1e3])
def test_losses_may_be_negative(shift):
    low = go(lambda w: w**2 + shift, lambda w: 2 * w, 1.0, 0.1, epochs=30)
    high = go(lambda w: w**2 + shift, lambda w: 2 * w, 1.0, 1.1, epochs=30)
    assert (low.status, high.status) == (Status.COMPLETED, Status.DIVERGED)


def test_numpys_warnings_are_the_callers_again_afterwards():
    train(learning_rate=1e300)
    with pytest.raises(RuntimeWarning, match="overflow"):
        np.float32(1e30) * np.float32(1e30)
