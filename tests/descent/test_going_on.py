"""What a checkpoint is taken to be of, and what it brings back, beyond the plain cases."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from steepest.descent.loop import descend
from steepest.descent.randomness import random_states, restore_random
from steepest.descent.snapshots import pack, unpack
from steepest.descent.trees import map_leaves
from steepest.errors import CheckpointError

from .interrupted import bits, go

ROWS = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
X = np.arange(1.0, 5.0)


def loss(y, p):
    return ((p - y) ** 2).mean()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.ckpt"


class InterruptError(Exception):
    pass


def interrupt(at):
    if at.epoch == 5:
        raise InterruptError


# Branches in an order of their own


def train_unsorted(**options):
    """A tree of JAX whose keys are not sorted, with a start that tells each from the others."""
    return descend(
        jnp.asarray(ROWS), jnp.asarray(ROWS @ np.float32([1, 2]) + 3), loss=loss, epochs=12,
        forward=lambda w, x: x[:, 0] * w["slope"] + x[:, 1] * w["b"] + w["a"],
        w={"slope": jnp.float32(0), "b": jnp.float32(5), "a": jnp.float32(-5)}, **options,
    )  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [{"rule": "gradient-descent", "learning_rate": 0.05}, {"rule": "adam", "learning_rate": 0.05},
     {"rule": "momentum", "learning_rate": 0.05, "batch_size": 7, "patience": 9},
     {"rule": optax.sgd(0.05)}, {"rule": optax.adam(0.05)}],
)  # fmt: skip
def test_trees_of_jax_with_keys_out_of_order(options, path):
    whole = train_unsorted(**options)
    with pytest.raises(InterruptError):
        train_unsorted(checkpoint=path, on_epoch=interrupt, **options)
    resumed = train_unsorted(checkpoint=path, **options)
    assert bits(resumed) == bits(whole)
    assert list(resumed.w) == list(resumed.weights[3]) == ["slope", "b", "a"]


# Another process, another machine's libraries

NUMPY_ONLY = """
import sys
import numpy as np
import steepest

def interrupt(at):
    if at.epoch == 3 and "torch" in sys.modules:
        sys.exit(3)

x = np.arange(1.0, 5.0)
print(list(steepest.descend(
    x, 2 * x, forward=lambda w, x: w * x, loss=lambda y, p: ((p - y) ** 2).mean(), w=0.0,
    gradient=lambda x, y, p: (2 * x * (p - y)).mean(), learning_rate=0.01, epochs=6,
    checkpoint=sys.argv[1], on_epoch=interrupt).losses))
"""


def test_written_beside_torch_and_resumed_without(path):
    def run(text):
        command = [sys.executable, "-c", text, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert run("import torch" + NUMPY_ONLY).returncode == 3
    resumed = run(NUMPY_ONLY)
    path.unlink()
    assert resumed.stdout == run(NUMPY_ONLY).stdout != ""


def test_the_generator_of_torch_comes_back_from_plain_arrays():
    states = unpack(b"".join(pack(random_states())))
    drawn = torch.rand(3)
    restore_random(states)
    assert torch.equal(torch.rand(3), drawn)


@pytest.mark.parametrize("name", ["NAdam", "ASGD"])
def test_what_an_optimiser_remembers_keeps_its_own_type(name, path):
    def make(parameters):
        return getattr(torch.optim, name)(parameters, lr=0.02)

    kind = "tensors, LBFGS"
    with pytest.raises(InterruptError):
        go(kind, checkpoint=path, rule=make, on_epoch=interrupt)
    assert bits(go(kind, checkpoint=path, rule=make)) == bits(go(kind, rule=make))


def test_keys_of_jax_in_a_state(path):
    rule = optax.chain(optax.add_noise(0.01, 0.5, jax.random.key(3)), optax.sgd(0.05))
    whole = train_unsorted(rule=rule)
    with pytest.raises(InterruptError):
        train_unsorted(rule=rule, checkpoint=path, on_epoch=interrupt)
    assert bits(train_unsorted(rule=rule, checkpoint=path)) == bits(whole)
    key = jax.random.key(7, impl="rbg")
    again = unpack(b"".join(pack(key)))
    assert jax.random.normal(again, (3,)).tolist() == jax.random.normal(key, (3,)).tolist()


# The same descent, and another


def change(one):
    return optax.chain(optax.clip_by_global_norm(one), optax.sgd(0.05))


@pytest.mark.parametrize(
    ("one", "other"),
    [(optax.sgd(0.01), optax.sgd(5e-5)), (optax.sgd(0.1), optax.adam(0.1)),
     (optax.adam(0.1), optax.adam(0.1, b1=0.8)), (change(5.0), change(6.0)),
     pytest.param(optax.lbfgs(0.5), optax.lbfgs(0.25), marks=pytest.mark.exhaustive)],
)  # fmt: skip
def test_another_transformation_is_refused(one, other, path):
    train_unsorted(rule=one, checkpoint=path)
    with pytest.raises(CheckpointError, match="rule was optax"):
        train_unsorted(rule=other, checkpoint=path)


def train(**changes):
    options = {"w": 0.0, "learning_rate": 0.01, "epochs": 6}
    return descend(
        X, 2 * X, forward=lambda w, x: w * x, loss=loss,
        gradient=lambda x, y, p: (2 * x * (p - y)).mean(), **(options | changes),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other"),
    [({"batch_size": 2}, {"batch_size": np.int64(2)}), ({"w": 0}, {"w": 0.0}),
     ({"learning_rate": 0.01}, {"learning_rate": np.float64(0.01)}),
     ({"tolerance": 0}, {"tolerance": np.float64(0)}), ({"seed": 3}, {"seed": np.int32(3)})],
)  # fmt: skip
def test_one_number_written_in_two_ways_is_one(one, other, path):
    whole = train(checkpoint=path, **one)
    assert bits(train(checkpoint=path, **other)) == bits(whole)


def test_numbers_that_differ_are_told_apart(path):
    train(checkpoint=path, seed=2**60)
    with pytest.raises(CheckpointError, match=f"seed was {2**60}, and is {2**60 + 1}"):
        train(checkpoint=path, seed=2**60 + 1)


def test_an_emptied_file_is_no_start(path):
    path.touch()
    with pytest.raises(CheckpointError, match="is not a whole checkpoint"):
        train(checkpoint=path)


def test_a_path_is_of_the_folder_at_the_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("elsewhere").mkdir()
    train(checkpoint="run.ckpt", on_epoch=lambda _: os.chdir(tmp_path / "elsewhere"))
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["run.ckpt"]
    assert not list(Path("elsewhere").resolve().glob("*"))


def test_a_defaultdict_stays_one(path):
    w = defaultdict(list, a=np.zeros(2))
    options = {
        "forward": lambda w, x: x @ w["a"], "loss": loss, "w": w, "learning_rate": 0.1,
        "gradient": lambda x, y, p: {"a": 2 * x.T @ (p - y) / len(y)}, "epochs": 200,
    }  # fmt: skip
    descent = descend(ROWS, ROWS @ np.float32([1, 2]), checkpoint=path, **options)
    assert descent.w["a"] == pytest.approx([1, 2], abs=1e-4)
    assert map_leaves(lambda one: one, w).default_factory is list
