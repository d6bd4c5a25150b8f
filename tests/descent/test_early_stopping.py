"""Rows held out, the best epoch, and patience; and what callbacks and the progress line see."""

from __future__ import annotations

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steepest.descent import loop as running
from steepest.descent.loop import Status, descend
from steepest.descent.minibatches import split
from steepest.descent.stopping import Watch
from steepest.errors import EmptySourceError, LengthError, OptionError
from steepest.faces.epochs import describe_epoch

X = np.array([1.0, 2.0, 3.0, 4.0])
Y = 2 * X


def forward(w, x):
    return w * x


def loss(y, p):
    return ((p - y) ** 2).mean()


def gradient(x, y, p):
    return (2 * x * (p - y)).mean()


def train(x=X, y=Y, **changes):
    options = {"forward": forward, "loss": loss, "gradient": gradient, "w": 0.0}
    return descend(x, y, **(options | {"learning_rate": 0.01, "epochs": 60} | changes))


SHIFTED = (X, 1.5 * X)
"""Rows whose best slope, 1.5, is passed on the way to 2."""


def expected_path():
    return 2 - 2 * 0.85 ** np.arange(61)


def test_the_best_epoch_is_where_the_path_is_nearest():
    descent = train(validation=SHIFTED)
    nearest = int(np.abs(expected_path() - 1.5).argmin())
    assert descent.best_epoch == nearest
    assert np.asarray(descent.validation_losses) == pytest.approx(
        7.5 * (expected_path() - 1.5) ** 2, rel=1e-6, abs=1e-12
    )
    assert descent.w == descent.weights[-1]
    assert f"validation loss best at epoch {nearest}" in str(descent)


@pytest.mark.parametrize("patience", [1, 3, 10])
def test_patience_ends_it_and_gives_the_best_weights(patience):
    descent = train(validation=SHIFTED, patience=patience)
    assert descent.status is Status.STALLED
    assert descent.epochs == descent.best_epoch + patience
    assert descent.w == descent.weights[descent.best_epoch]
    assert descent.loss == descent.losses[descent.best_epoch]
    assert descent.raise_for_status() is descent
    assert "stalled after" in str(descent)
    assert descent.status.value.endswith(".")


def test_patience_that_is_not_used_up():
    descent = train(validation=SHIFTED, patience=1000)
    assert descent.status is Status.COMPLETED
    assert descent.w == descent.weights[descent.best_epoch] != descent.weights[-1]


def test_the_best_loss_is_known_where_the_trace_is_thinned(monkeypatch):
    monkeypatch.setattr(running, "LOSSES_KEPT", 4)
    descent = train(validation=SHIFTED, patience=7)
    assert descent.loss == pytest.approx(7.5 * (descent.w - 2) ** 2)


def test_still_falling_is_said():
    descent = train(validation=(X, Y), patience=5, epochs=10)
    assert descent.best_epoch == descent.epochs == 10
    assert str(descent).endswith("validation loss best at the last epoch, still falling")


def test_without_rows_held_out_the_training_loss_counts():
    # The loss falls by 1 - 0.85² = 28 % an epoch, and by 48 % in two.
    slow = train(patience=1, tolerance=0.3)
    assert (slow.status, slow.epochs, slow.best_epoch) == (Status.STALLED, 1, 1)
    assert train(patience=2, tolerance=0.3).status is Status.COMPLETED
    assert train(patience=1, tolerance=0.25).status is Status.COMPLETED
    assert slow.validation_losses is None


@pytest.mark.parametrize("patience", [1, 4])
def test_losses_that_are_no_numbers_are_no_improvement(patience):
    never = train(validation=(X, np.full(4, np.nan)), patience=patience)
    assert (never.status, never.epochs, never.best_epoch) == (Status.STALLED, patience, 0)
    watch = Watch(patience=2)
    losses = [np.nan, 3.0, np.inf, 2.0, np.nan, np.inf]
    assert [watch.at(t, one, w=t, aside=None) for t, one in enumerate(losses)] == [
        *[False] * 5, True,
    ]  # fmt: skip
    assert (watch.epoch, watch.w) == (3, 3)


@pytest.mark.parametrize(
    ("answer", "ends"),
    [(True, True), (np.True_, True), (torch.tensor(True), True), (jnp.array(True), True),
     (False, False), (np.False_, False), (torch.tensor(False), False), (None, False), (1, False),
     (0.5, False), ("no", False), (np.ones(3), False), (np.array([True]), False),
     (torch.ones(2), False), ([1], False)],
)  # fmt: skip
def test_only_true_ends_a_descent(answer, ends):
    descent = train(on_epoch=lambda _: answer)
    assert descent.status is (Status.STOPPED if ends else Status.COMPLETED)


@given(losses=st.lists(st.floats(0, 1e6) | st.just(np.nan), min_size=1, max_size=30),
       patience=st.integers(1, 5))  # fmt: skip
def test_a_watch_against_a_search_over_the_whole_list(losses, patience):
    watch = Watch(patience)
    ended = next((t for t, x in enumerate(losses) if watch.at(t, x, w=t, aside=None)), None)
    seen = losses if ended is None else losses[: ended + 1]
    if not all(np.isnan(seen)):
        assert watch.w == watch.epoch == int(np.nanargmin(seen))
    lows = [t for t in range(1, len(losses)) if losses[t] < np.nanmin([np.inf, *losses[:t]])]
    if not np.isnan(losses).any():
        gaps = np.diff([0, *lows, len(losses) + patience])
        first = next(i for i, gap in enumerate(gaps) if gap > patience)
        last_low = [0, *lows][first]
        assert ended == (last_low + patience if last_low + patience < len(losses) else None)


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.99])
@pytest.mark.parametrize("n", [2, 5, 40])
def test_a_share_of_the_rows(n, share):
    train_rows, held = split(n, share, seed=3)
    assert sorted([*train_rows, *held]) == list(range(n))
    assert len(held) == min(max(1, round(share * n)), n - 1)
    assert set(held) == set(np.random.default_rng([3]).permutation(n)[: len(held)])
    assert (np.diff(held) > 0).all()


def test_rows_held_out_are_not_trained_on():
    rows, held = split(4, 0.25, seed=1)
    y = Y.copy()
    y[held] = 1e6
    descent = train(y=y, validation=0.25, seed=1, epochs=500, learning_rate=0.05)
    assert descent.w == pytest.approx(2.0, rel=1e-9)
    assert descent.losses[0] == loss(y[rows], 0.0)
    assert descent.validation_losses[0] == loss(y[held], 0.0)


def test_in_the_other_libraries():
    tensors = [torch.from_numpy(v) for v in (X, Y)]
    w = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    other = train(*tensors, w=w, gradient=None, validation=tuple(map(torch.from_numpy, SHIFTED)),
                  patience=3)  # fmt: skip
    ours = train(validation=SHIFTED, patience=3)
    assert other.best_epoch == ours.best_epoch
    assert other.w.item() == pytest.approx(ours.w)
    arrays = [jnp.asarray(v, jnp.float32) for v in (X, Y)]
    shifted = tuple(jnp.asarray(v, jnp.float32) for v in SHIFTED)
    third = train(*arrays, gradient=None, validation=shifted, patience=3)
    assert third.best_epoch == ours.best_epoch


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"validation": 0.0}, OptionError, r"validation=0.0 is not a share of the rows"),
        ({"validation": 1.0}, OptionError, r"validation=1.0 is not"),
        ({"validation": "some"}, OptionError, "validation='some' is not"),
        ({"validation": True}, OptionError, "validation=True is not"),
        ({"validation": (X, Y[:3])}, LengthError, "has 4 rows, but"),
        ({"validation": ([], [])}, EmptySourceError, "is empty"),
        ({"validation": (torch.ones(2), torch.ones(2))}, OptionError, "tensor"),
        ({"x": X[:1], "y": Y[:1], "validation": 0.5}, OptionError, "a single row"),
        ({"patience": 0}, OptionError, "patience=0 is not a whole number of at least 1"),
        ({"patience": 2.5}, OptionError, "patience=2.5 is not"),
        ({"tolerance": -1.0}, OptionError, "tolerance=-1.0 is not"),
        ({"tolerance": 1.0}, OptionError, "tolerance=1.0 is not"),
    ],
)
def test_what_is_refused(changes, error, said):
    with pytest.raises(error, match=said):
        train(**changes)


# Callbacks and progress


def test_several_callbacks_and_what_they_are_told():
    first, second = [], []
    descent = train(on_epoch=[first.append, second.append], validation=SHIFTED, epochs=5)
    assert first == second
    assert [at.validation_loss for at in first] == list(descent.validation_losses)
    assert all(at.seconds > 0 for at in first)
    assert train(epochs=1).best_epoch is None


def test_each_may_stop_and_all_are_told():
    told = []
    descent = train(on_epoch=[lambda at: at.epoch == 3, lambda at: told.append(at.epoch)])
    assert descent.status is Status.STOPPED
    assert told == [0, 1, 2, 3]
    with pytest.raises(OptionError, match="on_epoch=3 is not a function"):
        train(on_epoch=[told.append, 3])


def test_plain_lines_where_there_is_no_terminal(capsys):
    train(progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    first, last = err.splitlines()
    assert first.startswith("epoch 0 of 60, loss 30")
    assert last.startswith("epoch 60 of 60, loss ")
    assert "epochs/s" in last


def test_progress_takes_rich_only_for_a_terminal():
    program = (
        "import sys, os, pty\n"
        "parent, child = pty.openpty(); os.dup2(child, 2)\n"
        "from steepest import descend\n"
        "assert 'rich' not in sys.modules\n"
        "descend([1., 2.], [2., 4.], forward=lambda w, x: w * x, w=0., epochs=20, progress=True,\n"
        "  loss=lambda y, p: ((p - y) ** 2).mean(), learning_rate=.01,\n"
        "  gradient=lambda x, y, p: (2 * x * (p - y)).mean())\n"
        "os.close(2); os.close(child)\n"
        "shown = b''\n"
        "try:\n"
        "    while piece := os.read(parent, 4096): shown += piece\n"
        "except OSError: pass\n"
        "print('rich' in sys.modules, b'epoch 20 of 20' in shown)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert done.stdout.split() == ["True", "True"]


def test_the_words_of_progress():
    assert describe_epoch(0, 10, 30.0, 0.0) == "epoch 0 of 10, loss 30"
    assert describe_epoch(10, 200, 0.5, 2.0).endswith("2 epochs/s, 1:35 min left")
    assert describe_epoch(10, 2000, 0.5, 1990.0).endswith("1,990 epochs/s, 1 s left")
