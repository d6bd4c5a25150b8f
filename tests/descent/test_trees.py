"""Weights in containers: taken apart, put together, and descended on."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import jax
import numpy as np
import pytest
import torch

from steepest.descent.loop import descend
from steepest.descent.trees import is_tree, leaves, map_leaves, name_leaf, placed, rebuild
from steepest.errors import GradientError, OptionError

X = np.array([1.0, 2.0, 3.0, 4.0])
Y = np.array([3.0, 5.0, 7.0, 9.0])


class Line(NamedTuple):
    slope: object
    height: object


TREES = [
    {"w": 1.0, "b": 2.0},
    [1.0, (2.0, 3.0), {"a": 4.0}],
    Line(1.0, [2.0]),
    OrderedDict(b=1.0, a=2.0),
    {"deep": {"er": [{"still": 1.0}]}, "none": None},
    3.0,
]


@pytest.mark.parametrize("tree", TREES, ids=repr)
def test_apart_and_together(tree):
    again = rebuild(tree, leaves(tree))
    assert again == tree
    assert type(again) is type(tree)
    assert [leaf for _, leaf in placed(tree)] == leaves(tree)


@pytest.mark.parametrize("tree", TREES[:3], ids=repr)
def test_as_many_leaves_as_jax_counts(tree):
    assert sorted(leaves(tree)) == sorted(jax.tree_util.tree_leaves(tree))


def test_a_container_that_jax_knows():
    @jax.tree_util.register_pytree_node_class
    class Pair:
        def __init__(self, *both):
            self.both = both

        def tree_flatten(self):
            return self.both, None

        @classmethod
        def tree_unflatten(cls, _, both):
            return cls(*both)

    doubled = map_leaves(lambda leaf: 2 * leaf, Pair(1.0, 2.0))
    assert isinstance(doubled, Pair)
    assert doubled.both == (2.0, 4.0)


def test_branches_are_matched_by_key():
    assert map_leaves(min, {"a": 1.0, "b": 5.0}, {"b": 2.0, "a": 3.0}) == {"a": 1.0, "b": 2.0}


@pytest.mark.parametrize("other", [{"a": 1.0}, {"a": 1.0, "c": 2.0}, 1.0, {"a": [1.0], "b": 1.0},
                                   {"a": 1.0, "b": 1.0, "c": 1.0}])  # fmt: skip
def test_other_structures_are_refused(other):
    with pytest.raises(LookupError):
        map_leaves(min, {"a": 1.0, "b": 5.0}, other)


def test_names_and_kinds():
    paths = [name_leaf(path) for path, _ in placed({"layer": [{"bias": 0.0}]})]
    assert paths == ["layer[0].bias"]
    assert not any(map(is_tree, (1.0, np.zeros(2), torch.zeros(2))))
    assert all(map(is_tree, ([], {}, None, (1.0,))))


# Descents


def forward(w, x):
    return w["w"] * x + w["b"]


def loss(y, p):
    return ((p - y) ** 2).mean()


def gradient(x, y, p):
    return {"b": (2 * (p - y)).mean(), "w": (2 * x * (p - y)).mean()}


def train(w, **changes):
    options = {"forward": forward, "loss": loss, "gradient": gradient}
    return descend(X, Y, w=w, **(options | {"learning_rate": 0.05, "epochs": 40} | changes))


def plain_loop(epochs=40):
    w = b = 0.0
    for _ in range(epochs):
        gap = w * X + b - Y
        w, b = w - 0.05 * float((2 * X * gap).mean()), b - 0.05 * float((2 * gap).mean())
    return w, b


def test_a_dict_of_numbers_by_hand():
    descent = train({"w": 0, "b": 0.0})
    assert (descent.w["w"], descent.w["b"]) == plain_loop()
    assert {type(one) for one in leaves(descent.w)} == {float}
    assert list(descent.weights[0].values()) == [0.0, 0.0]
    assert descent.predict(X) == pytest.approx(Y, abs=0.5)
    hessian = 2 * np.array([[np.mean(X * X), X.mean()], [X.mean(), 1.0]])
    assert descent.smoothness <= np.linalg.eigvalsh(hessian).max() * (1 + 1e-9)


def test_arrays_in_a_tree_keep_type_and_are_the_callers():
    start = {"w": np.zeros(1, np.float32), "b": np.zeros((1, 1))}
    descent = train(
        start,
        forward=lambda w, x: w["w"] * x + w["b"][0],
        gradient=lambda x, y, p: {
            "w": np.array([(2 * x * (p - y)).mean()]), "b": np.array([[(2 * (p - y)).mean()]]),
        },
    )  # fmt: skip
    assert descent.w["w"].dtype == np.float32
    assert descent.w["b"].shape == (1, 1)
    assert start["w"][0] == start["b"][0, 0] == 0.0
    descent.w["b"][0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        descent.weights[-1]["b"][0] = 1.0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda x, y, p: {"w": 0.0}, r"differ in structure at b"),
        (lambda x, y, p: 0.0, r"differ in structure at"),
        (lambda x, y, p: {"w": np.zeros(3), "b": 0.0}, r"shape \(3,\) at w, but w has shape \(\)"),
        (lambda x, y, p: {"w": [0.0], "b": 0.0}, r"differ in structure at w"),
    ],
)
def test_a_gradient_of_another_structure_is_named(wrong, said):
    with pytest.raises(GradientError, match=said):
        train({"w": 0.0, "b": 0.0}, gradient=wrong)


@pytest.mark.parametrize("w", [{}, [], (), {"a": []}])
def test_trees_without_leaves_are_refused(w):
    with pytest.raises(OptionError, match=r"is not a number or an array of numbers"):
        train(w)


def test_what_is_no_number_in_a_tree_is_named():
    with pytest.raises(OptionError, match="b='0' is not a number"):
        train({"w": 0.0, "b": "0"})
    with pytest.raises(OptionError, match="b=nan is not a finite number"):
        train({"w": 0.0, "b": float("nan")})


@pytest.mark.parametrize("rule", ["momentum", "adam", "adagrad"])
def test_rules_are_applied_leaf_by_leaf(rule):
    together = train({"w": 0.0, "b": 0.0}, rule=rule)
    stacked = train(
        np.zeros(2),
        rule=rule,
        forward=lambda w, x: w[0] * x + w[1],
        gradient=lambda x, y, p: np.array([(2 * x * (p - y)).mean(), (2 * (p - y)).mean()]),
    )
    assert list(together.w.values()) == pytest.approx(stacked.w, rel=1e-12)


# Tensors


def tensors(**changes):
    options = {"dtype": torch.float64, "requires_grad": True}
    return {name: torch.tensor(0.0, **options) for name in "wb"} | changes


def by_torch(w, **changes):
    options = {"forward": forward, "loss": loss, "learning_rate": 0.05, "epochs": 40}
    return descend(torch.from_numpy(X), torch.from_numpy(Y), w=w, **(options | changes))


def test_a_dict_of_tensors_by_autograd():
    start = tensors()
    descent = by_torch(start)
    assert [one.item() for one in leaves(descent.w)] == pytest.approx(plain_loop(), rel=1e-12)
    assert not any(one.requires_grad for one in leaves(descent.w))
    assert all(one.item() == 0.0 and one.grad is None for one in leaves(start))


def test_tensors_that_do_not_require_grad_are_held_fixed():
    descent = by_torch(tensors(b=torch.tensor(1.0, dtype=torch.float64)))
    assert descent.w["b"].item() == 1.0
    assert all(kept["b"].item() == 1.0 for kept in descent.weights)
    assert descent.w["w"].item() == pytest.approx(2 - 2 * (1 - 0.05 * 15) ** 40, rel=1e-12)


def test_a_tree_of_which_none_requires_grad_is_refused():
    fixed = {name: torch.tensor(0.0) for name in "wb"}
    with pytest.raises(GradientError, match="w is a tree of 2 tensors, and it does not require"):
        by_torch(fixed)


def test_a_penalty_is_given_the_weights():
    descent = train(
        {"w": 0.0, "b": 0.0},
        loss=lambda y, p, w: loss(y, p) + 0.1 * w["w"] ** 2,
        gradient=lambda x, y, p, w: {
            "w": (2 * x * (p - y)).mean() + 0.2 * w["w"], "b": (2 * (p - y)).mean()
        },
        epochs=3000,
    )  # fmt: skip
    design = np.column_stack([X, np.ones(4)])
    normal = design.T @ design / 4 + np.diag([0.1, 0.0])
    assert list(descent.w.values()) == pytest.approx(np.linalg.solve(normal, design.T @ Y / 4))
    auto = by_torch(tensors(), loss=lambda y, p, w: loss(y, p) + 0.1 * w["w"] ** 2, epochs=3000)
    assert [one.item() for one in leaves(auto.w)] == pytest.approx(list(descent.w.values()))
