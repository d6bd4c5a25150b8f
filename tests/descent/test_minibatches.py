"""Some rows at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steepest.descent.loop import Status, descend
from steepest.descent.minibatches import Minibatches
from steepest.errors import OptionError

RANDOM = np.random.default_rng(11)
X = RANDOM.normal(size=(13, 2))
Y = X @ np.array([1.0, -2.0]) + 0.1 * RANDOM.normal(size=13)


def forward(w, x):
    return x @ w


def loss(y, p):
    return ((p - y) ** 2).mean()


def gradient(x, y, p):
    return 2 * x.T @ (p - y) / len(y)


def train(x=X, y=Y, **changes):
    options = {"forward": forward, "loss": loss, "gradient": gradient, "w": np.zeros(2)}
    return descend(x, y, **(options | {"learning_rate": 0.05, "epochs": 7} | changes))


def bare_loop(size, seed=0, shuffle=True, epochs=7):
    w, path = np.zeros(2), [np.zeros(2)]
    for epoch in range(1, epochs + 1):
        order = np.random.default_rng([seed, epoch]).permutation(13) if shuffle else np.arange(13)
        for at in range(0, 13, size):
            rows = order[at : at + size]
            w = w - 0.05 * gradient(X[rows], Y[rows], X[rows] @ w)
        path.append(w)
    return path


@pytest.mark.parametrize("size", [1, 4, 13, 50])
@pytest.mark.parametrize("seed", [0, 3])
def test_follows_a_loop_written_out(size, seed):
    descent = train(batch_size=size, seed=seed)
    for ours, theirs in zip(descent.weights, bare_loop(size, seed), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-13)


def test_rows_as_they_stand():
    descent = train(batch_size=4, shuffle=False)
    for ours, theirs in zip(descent.weights, bare_loop(4, shuffle=False), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-13)


def test_the_loss_is_that_of_all_rows():
    descent = train(batch_size=4)
    for w, value in zip(descent.weights, descent.losses, strict=True):
        assert value == pytest.approx(loss(Y, X @ w), rel=1e-14)


def test_all_rows_in_one_batch_as_they_stand_is_no_minibatch():
    assert np.array_equal(train(batch_size=13, shuffle=False).w, train().w)


@given(
    n=st.integers(1, 60), size=st.integers(1, 70), epoch=st.integers(1, 9), shuffle=st.booleans()
)
def test_every_row_once(n, size, epoch, shuffle):
    batches = [np.arange(n)[rows] for rows in Minibatches(size, shuffle, 5).rows(n, epoch)]
    assert sorted(np.concatenate(batches).tolist()) == list(range(n))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)


def test_epochs_differ_and_seeds_do():
    def order(seed, epoch):
        return np.concatenate([*Minibatches(4, shuffle=True, seed=seed).rows(20, epoch)]).tolist()

    assert order(0, 1) == np.random.default_rng([0, 1]).permutation(20).tolist()
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (1, 2)}) == 4


def test_stopping_and_going_on_is_another_order():
    assert train(batch_size=4).epochs == 7
    assert not np.array_equal(train(batch_size=4).w, train(batch_size=4, seed=1).w)


def test_tensors_take_the_same_way():
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    auto = train(torch.from_numpy(X), torch.from_numpy(Y), w=w, gradient=None, batch_size=4)
    assert auto.w.numpy() == pytest.approx(train(batch_size=4).w, rel=1e-12)
    adam = {"batch_size": 4, "rule": "adam"}
    auto = train(torch.from_numpy(X), torch.from_numpy(Y), w=w, gradient=None, **adam)
    assert auto.w.numpy() == pytest.approx(train(**adam).w, rel=1e-12)


@pytest.mark.parametrize("rate", [10.0, 1e30, 1e300])
def test_an_explosion_is_said(rate):
    descent = train(batch_size=4, learning_rate=rate, epochs=50)
    assert descent.status is Status.DIVERGED
    assert math.isfinite(descent.loss)


def test_pythons_overflow_in_a_batch_is_a_divergence():
    x = np.arange(1.0, 5.0)
    descent = descend(
        x, 2 * x, forward=lambda w, x: w * x, w=0.0, epochs=9, learning_rate=1e200, batch_size=2,
        loss=loss, gradient=lambda x, y, p: float((x * (p - y)).mean()),
    )  # fmt: skip
    assert descent.status is Status.DIVERGED


def test_noise_at_the_end_is_no_alarm():
    descent = train(batch_size=1, learning_rate=0.1, epochs=300)
    assert descent.status is Status.COMPLETED
    assert descent.smoothness is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch_size": 0}, "batch_size=0 is not a whole number of at least 1"),
        ({"batch_size": 2.0}, "batch_size=2.0 is not"),
        ({"batch_size": True}, "batch_size=True is not"),
        ({"seed": -1}, "seed=-1 is not a whole number of at least 0"),
        ({"seed": None}, "seed=None is not"),
        ({"shuffle": "yes"}, "shuffle='yes' is not True or False"),
    ],
)
def test_options_out_of_range(changes, said):
    with pytest.raises(OptionError, match=said):
        train(**changes)
