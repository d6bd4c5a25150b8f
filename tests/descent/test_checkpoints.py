"""Descents that are stopped, killed, resumed, and refused."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.tiers import exhaustively

from steepest.descent import checkpoints, loop
from steepest.descent.loop import Status, descend
from steepest.descent.snapshots import pack, unpack
from steepest.errors import CheckpointError, OptionError, OutputError

from .interrupted import KINDS, bits, go

QUICK = [kind for kind in KINDS if kind != "optax, lbfgs"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.ckpt"


@pytest.mark.parametrize("kind", [*QUICK, *exhaustively("optax, lbfgs")])
def test_half_and_the_rest_is_the_whole(kind, path):
    whole = bits(go(kind))
    go(kind, epochs=11, checkpoint=path)
    assert bits(go(kind, checkpoint=path)) == whole


@pytest.mark.parametrize("kind", QUICK)
def test_a_checkpoint_changes_nothing(kind, path):
    assert bits(go(kind, checkpoint=path, checkpoint_every=3)) == bits(go(kind))


@pytest.mark.parametrize(
    ("kind", "error"),
    [*((kind, RuntimeError) for kind in QUICK), ("by hand", KeyboardInterrupt)],
)
def test_interrupted_between_and_resumed(kind, error, path):
    def interrupt(at):
        if at.epoch == 13:
            raise error

    with pytest.raises(error):
        go(kind, checkpoint=path, on_epoch=interrupt)
    seen = []
    assert bits(go(kind, checkpoint=path, on_epoch=seen.append)) == bits(go(kind))
    assert [at.epoch for at in seen] == list(range(14, 25))


@pytest.mark.parametrize("call", [1, 2, 17, 20])
@pytest.mark.parametrize("kind", ["by hand, Adam, batches", "module, torch.optim, batches",
                                  "tensors, LBFGS", "module, dropout"])  # fmt: skip
def test_interrupted_inside_a_step_and_resumed(kind, call, path):
    calls = []

    def failing(y, p):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return ((p - y) ** 2).mean()

    with pytest.raises(KeyboardInterrupt):
        go(kind, checkpoint=path, loss=failing)
    assert path.exists() == (call > (2 if "batches" in kind else 1))
    assert bits(go(kind, checkpoint=path)) == bits(go(kind))


def test_resumed_again_and_again(path):
    kind = "module, dropout"
    for epochs in (1, 2, 5, 6, 20):
        go(kind, checkpoint=path, epochs=epochs)
    assert bits(go(kind, checkpoint=path)) == bits(go(kind))


def test_what_is_done_is_not_done_again(path):
    whole = go("by hand", checkpoint=path)
    before = path.read_bytes()
    seen = []
    assert bits(go("by hand", checkpoint=path, on_epoch=seen.append)) == bits(whole)
    assert not seen
    assert path.read_bytes() == before


@pytest.mark.parametrize("stop", [0, 7])
def test_stopped_by_a_callback_it_goes_on(stop, path):
    stopped = go("by hand", checkpoint=path, on_epoch=lambda at: at.epoch == stop)
    assert stopped.status is Status.STOPPED
    assert bits(go("by hand", checkpoint=path)) == bits(go("by hand"))


@pytest.mark.parametrize("changes", [{"learning_rate": 100.0}, {"patience": 1, "tolerance": 0.9}])
def test_an_end_is_an_end(changes, path):
    first = go("by hand", checkpoint=path, **changes)
    assert first.status in (Status.DIVERGED, Status.STALLED)
    assert bits(go("by hand", checkpoint=path, **changes)) == bits(first)


def test_thinned_traces_go_on_thinned(path, monkeypatch):
    monkeypatch.setattr(loop, "LOSSES_KEPT", 10)
    monkeypatch.setattr(loop, "WEIGHT_BYTES", 0)
    monkeypatch.setattr(loop, "WEIGHTS_KEPT", 6)
    whole = go("by hand", epochs=101)
    go("by hand", epochs=50, checkpoint=path)
    assert bits(go("by hand", epochs=101, checkpoint=path)) == bits(whole)


# Killed


def killed(kind, path, after):
    """Kill a process when it has told of that epoch; whether it came to that, and left a file."""
    command = [sys.executable, "-m", "tests.descent.interrupted", kind, str(path)]
    # Clusters of Dask that ran in this process leave such settings behind, and they change bits.
    env = {name: value for name, value in os.environ.items() if "_NUM_THREADS" not in name}
    env["PYTHONPATH"] = "src"
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, env=env) as process:
        for line in process.stdout:
            if int(line) >= after:
                break
        process.send_signal(signal.SIGKILL)
    assert process.returncode in (0, -signal.SIGKILL)
    assert path.exists()
    return process.returncode != 0


def check_killed(kind, path, moments):
    # One that has run out of patience ends by itself, when it is resumed for the last time.
    assert killed(kind, path, moments[0])
    for after in moments[1:]:
        killed(kind, path, after)
    assert bits(go(kind, checkpoint=path, epochs=200)) == bits(go(kind, epochs=200))
    assert [entry for entry in path.parent.iterdir() if entry.suffix == ".ckpt"] == [path]


@pytest.mark.parametrize("kind", ["by hand, Adam, batches", *exhaustively("module, dropout")])
def test_killed_and_resumed(kind, path):
    check_killed(kind, path, sorted(random.Random(kind).sample(range(2, 150), 2)))


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_killed_often_and_resumed(kind, seed, path):
    check_killed(kind, path, sorted(random.Random(f"{kind}{seed}").sample(range(2, 190), 5)))


# Refused


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"learning_rate": 0.06}, "learning_rate was 0.05, and is 0.06"),
        ({"rule": "momentum"}, "rule was GradientDescent(), and is Momentum(momentum=0.9)"),
        ({"batch_size": 5}, "batch_size was None, and is 5"),
        ({"seed": 1}, "seed was 0, and is 1"),
        ({"shuffle": False}, "shuffle was True, and is False"),
        ({"validation": 0.5}, "validation was None, and is 0.5"),
        ({"patience": 3}, "patience was None, and is 3"),
        ({"w": np.ones(3)}, "w was float64 of shape (3,)"),
    ],
)
def test_another_descent_is_refused(changes, said, path):
    go("by hand", checkpoint=path)
    with pytest.raises(CheckpointError) as error:
        go("by hand", checkpoint=path, **changes)
    assert said in str(error.value)


def test_other_data_are_refused(path):
    x = np.arange(1.0, 5.0)
    options = {
        "forward": lambda w, x: w * x, "loss": lambda y, p: ((p - y) ** 2).mean(), "w": 0.0,
        "gradient": lambda x, y, p: (2 * x * (p - y)).mean(), "learning_rate": 0.01, "epochs": 3,
        "checkpoint": path,
    }  # fmt: skip
    descend(x, 2 * x, **options)
    for other in (x + np.spacing(x), x.astype(np.float32), np.append(x, 5.0)):
        with pytest.raises(CheckpointError, match="x was float64 of shape"):
            descend(other, 2 * other, **options)


def test_an_optimiser_with_other_settings_is_refused(path):
    kind = "tensors, LBFGS"
    go(kind, checkpoint=path)
    with pytest.raises(CheckpointError, match=r"rule was torch\.optim\.LBFGS"):
        go(kind, checkpoint=path, rule=lambda ps: torch.optim.LBFGS(ps, lr=0.06, max_iter=2))


def test_there_is_no_way_back(path):
    go("by hand", checkpoint=path)
    with pytest.raises(CheckpointError, match="at epoch 24, and epochs=10 is asked for"):
        go("by hand", checkpoint=path, epochs=10)


def test_every_damage_is_noticed(path):
    go("by hand", checkpoint=path, epochs=2)
    whole = path.read_bytes()
    places = [*range(0, len(whole), 37), len(whole) - 1]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 4
        path.write_bytes(damaged)
        with pytest.raises((CheckpointError, OutputError)):
            go("by hand", checkpoint=path)
    for length in (30, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="is not a whole checkpoint"):
            go("by hand", checkpoint=path)


def test_other_files_are_not_overwritten(path):
    path.write_text("precious")
    with pytest.raises(OutputError, match="it holds something that is not a checkpoint"):
        go("by hand", checkpoint=path)
    assert path.read_text() == "precious"
    with pytest.raises(OutputError, match="no folder"):
        go("by hand", checkpoint=path / "no" / "where")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"checkpoint": 3}, "checkpoint=3 is not a path"),
        ({"checkpoint_every": 0}, "checkpoint_every=0 is not a whole number of at least 1"),
        ({"checkpoint_every": 2.0}, "checkpoint_every=2.0 is not"),
    ],
)
def test_options_out_of_range(changes, said):
    with pytest.raises(OptionError, match=said):
        go("by hand", **changes)


# When, and what


@pytest.mark.parametrize(("every", "count"), [(1, 25), (5, 6), (100, 2)])
def test_how_often_it_is_written(every, count, path, monkeypatch):
    written = []
    original = checkpoints.store.write_sealed
    monkeypatch.setattr(
        checkpoints.store, "write_sealed", lambda *a: written.append(1) or original(*a)
    )
    go("by hand", checkpoint=path, checkpoint_every=every)
    assert len(written) == count


def test_by_the_clock(path, monkeypatch):
    seen = []
    monkeypatch.setattr(checkpoints, "INTERVAL", 0.0)
    monkeypatch.setattr(checkpoints, "PATIENCE", 0)
    go("by hand", checkpoint=path, on_epoch=lambda at: seen.append(path.exists()) and None)
    assert seen == [False, *[True] * 24]


@pytest.mark.parametrize(
    "value",
    [
        None, True, 2**70, "ε", 0.1, float("inf"), -0.0, [1, (2.0, None)], {1: {"a": []}},
        np.arange(6.0).reshape(2, 3), np.array(1.5, np.float32), np.zeros((0, 3)),
        np.arange(6).reshape(2, 3).T, np.array([True]), np.float64(0.1),
        torch.arange(6).reshape(2, 3).T, torch.tensor(0.1), torch.zeros(0, 2),
        torch.tensor([1.5, float("nan")], dtype=torch.bfloat16), torch.tensor([True]),
    ],
    ids=str,
)  # fmt: skip
def test_values_come_back_as_they_were(value):
    again = unpack(b"".join(pack(value)))
    assert type(again) is type(value)
    if isinstance(value, torch.Tensor):
        assert (again.dtype, again.shape) == (value.dtype, value.shape)
        assert torch.equal(torch.nan_to_num(again), torch.nan_to_num(value))
    elif isinstance(value, np.ndarray):
        assert (again.dtype, again.shape) == (value.dtype, value.shape)
        assert np.array_equal(again, value)
    else:
        assert repr(again) == repr(value)


def test_what_would_need_code_is_not_kept():
    for value in (object(), np.array([object()]), {"f": len}):
        with pytest.raises(CheckpointError, match="cannot be kept in a checkpoint"):
            list(pack(value))
