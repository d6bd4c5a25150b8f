"""Random problems whose gradients are right: derived by hand, family by family."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np


class Correct(NamedTuple):
    """The functions as ``descend`` takes them, the rows, and where to look first."""

    family: str
    forward: Callable[..., Any]
    loss: Callable[..., Any]
    gradient: Callable[..., Any]
    x: np.ndarray
    y: np.ndarray
    w: Any


def squared(y, p):
    return ((p - y) ** 2).mean()


def dot(w, x):
    return x @ w


def rows(rng, p=None):
    n = int(rng.integers(1, 60))
    x = rng.normal(size=(n, p or int(rng.integers(1, 7))))
    return x, x @ rng.normal(size=x.shape[1]) + rng.normal(size=n)


def line(rng):
    n = int(rng.integers(1, 40))
    x = rng.normal(size=n) * 10 ** rng.uniform(-3, 3)
    y = 2 * x + rng.normal(size=n)
    return lambda w, x: w * x, squared, lambda x, y, p: (2 * x * (p - y)).mean(), x, y, 0.0


def notebook_float32(rng):
    x, y = (np.arange(1, 9) * c for c in (1.0, float(rng.normal())))
    hand = line(rng)[:3]
    return *hand, x.astype(np.float32), y.astype(np.float32), float(rng.normal())


def least_squares(rng):
    x, y = rows(rng)
    return (
        dot,
        squared,
        lambda x, y, p: 2 * x.T @ (p - y) / len(y),
        x,
        y,
        rng.normal(size=x.shape[1]),
    )


def sum_of_squares(rng):
    x, y = rows(rng)
    return (
        dot,
        lambda y, p: ((p - y) ** 2).sum(),
        lambda x, y, p: 2 * x.T @ (p - y),
        x,
        y,
        np.zeros(x.shape[1]),
    )


def half_squares(rng):
    x, y = rows(rng)
    return (
        dot,
        lambda y, p: 0.5 * ((p - y) ** 2).mean(),
        lambda x, y, p: x.T @ (p - y) / len(y),
        x,
        y,
        np.zeros(x.shape[1]),
    )


def wild_scales(rng):
    x, y = rows(rng)
    x = x * 10.0 ** rng.uniform(-5, 5, x.shape[1])
    return dot, squared, lambda x, y, p: 2 * x.T @ (p - y) / len(y), x, 1e9 + 1e6 * y, 0 * x[0]


def at_the_optimum(rng):
    x = rng.normal(size=(40, 3))
    w = rng.normal(size=3)
    y = x @ w + (1e7 if rng.random() < 0.5 else 0) * 0
    return dot, squared, lambda x, y, p: 2 * x.T @ (p - y) / len(y), x, y, w


def tree_with_intercept(rng):
    x, y = rows(rng)

    def gradient(x, y, p):
        return {"b": (2 * (p - y)).mean(), "w": 2 * x.T @ (p - y) / len(y)}

    start = {"w": rng.normal(size=x.shape[1]), "b": float(rng.normal())}
    return lambda w, x: x @ w["w"] + w["b"], squared, gradient, x, y, start


def ridge(rng):
    x, y = rows(rng)
    l2 = 10 ** rng.uniform(-4, 1)
    return (
        dot,
        lambda y, p, w: ((p - y) ** 2).mean() + l2 * (w**2).sum(),
        lambda x, y, p, w: 2 * x.T @ (p - y) / len(y) + 2 * l2 * w,
        x,
        y,
        np.zeros(x.shape[1]),
    )


def lasso(rng):
    x, y = rows(rng)
    return (
        dot,
        lambda y, p, w: ((p - y) ** 2).mean() + 0.3 * np.abs(w).sum(),
        lambda x, y, p, w: 2 * x.T @ (p - y) / len(y) + 0.3 * np.sign(w),
        x,
        y,
        np.zeros(x.shape[1]),
    )


def logistic(rng):
    x, y = rows(rng)
    labels = (y > 0).astype(float if rng.random() < 0.5 else int)
    return (
        dot,
        lambda y, z: (np.logaddexp(0, z) - y * z).mean(),
        lambda x, y, z: x.T @ (1 / (1 + np.exp(-z)) - y) / len(y),
        x,
        labels,
        np.zeros(x.shape[1]),
    )


def logistic_probabilities(rng):
    x, y = rows(rng)
    return (
        lambda w, x: 1 / (1 + np.exp(-(x @ w))),
        lambda y, p: -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(),
        lambda x, y, p: x.T @ (p - y) / len(y),
        x,
        (y > 0) * 1.0,
        np.zeros(x.shape[1]),
    )


def poisson(rng):
    x, y = rows(rng)
    counts = rng.poisson(np.exp(np.clip(0.3 * y, -3, 3))).astype(float)
    return (
        lambda w, x: np.exp(x @ w),
        lambda y, p: (p - y * np.log(p)).mean(),
        lambda x, y, p: x.T @ (p - y) / len(y),
        x,
        counts,
        np.zeros(x.shape[1]),
    )


def absolute(rng):
    x, y = rows(rng)
    return (
        dot,
        lambda y, p: np.abs(p - y).mean(),
        lambda x, y, p: x.T @ np.sign(p - y) / len(y),
        x,
        y,
        np.zeros(x.shape[1]),
    )


def absolute_at_its_kink(rng):
    x = rng.normal(size=9)
    return (
        lambda w, x: w * x,
        lambda y, p: np.abs(p - y).mean(),
        lambda x, y, p: (x * np.sign(p - y)).mean(),
        x,
        3 * x,
        3.0,
    )


def huber(rng):
    x, y = rows(rng)
    return (
        dot,
        lambda y, p: np.where(abs(p - y) < 1, 0.5 * (p - y) ** 2, abs(p - y) - 0.5).mean(),
        lambda x, y, p: x.T @ np.clip(p - y, -1, 1) / len(y),
        x,
        y,
        np.zeros(x.shape[1]),
    )


def quantile(rng):
    x, y = rows(rng)
    q = float(rng.uniform(0.1, 0.9))
    return (
        dot,
        lambda y, p: np.maximum(q * (y - p), (q - 1) * (y - p)).mean(),
        lambda x, y, p: x.T @ np.where(y > p, -q, 1 - q) / len(y),
        x,
        y,
        rng.normal(size=x.shape[1]),
    )


def hinge(rng):
    x, y = rows(rng)
    return (
        dot,
        lambda y, z: np.maximum(0, 1 - y * z).mean(),
        lambda x, y, z: -x.T @ (y * (y * z < 1)) / len(y),
        x,
        np.sign(y),
        np.zeros(x.shape[1]),
    )


def log_cosh(rng):
    x, y = rows(rng)
    return (
        dot,
        lambda y, p: (np.logaddexp(p - y, y - p) - np.log(2)).mean(),
        lambda x, y, p: x.T @ np.tanh(p - y) / len(y),
        x,
        y,
        rng.normal(size=x.shape[1]),
    )


def many_outputs(rng):
    n, p, m = int(rng.integers(2, 30)), int(rng.integers(1, 5)), int(rng.integers(2, 4))
    x, y = rng.normal(size=(n, p)), rng.normal(size=(n, m))
    return dot, squared, lambda x, y, p: 2 * x.T @ (p - y) / y.size, x, y, rng.normal(size=(p, m))


def softmax(rng):
    n, p, k = int(rng.integers(2, 30)), int(rng.integers(1, 5)), 3
    x, y = rng.normal(size=(n, p)), rng.integers(0, k, n)

    def probabilities(z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    return (
        dot,
        lambda y, z: -np.log(probabilities(z)[np.arange(len(y)), y]).mean(),
        lambda x, y, z: x.T @ (probabilities(z) - np.eye(k)[y]) / len(y),
        x,
        y,
        rng.normal(size=(p, k)),
    )


def hidden_layer(rng, relu=False):
    n, p, h = int(rng.integers(2, 30)), int(rng.integers(1, 4)), int(rng.integers(1, 5))
    x, y = rng.normal(size=(n, p)), rng.normal(size=n)

    def act(z):
        return np.maximum(z, 0) if relu else np.tanh(z)

    def forward(w, x):
        return act(x @ w["first"]) @ w["second"]

    def gradient(x, y, p, w):
        z = x @ w["first"]
        e = 2 * (p - y) / len(y)
        slope = (z > 0) * 1.0 if relu else 1 - np.tanh(z) ** 2
        return {"first": x.T @ (np.outer(e, w["second"]) * slope), "second": act(z).T @ e}

    start = {"first": rng.normal(size=(p, h)), "second": rng.normal(size=h)}
    return forward, squared, gradient, x, y, start


def hidden_relu(rng):
    return hidden_layer(rng, relu=True)


def powers(rng):
    x, y = rng.uniform(-1, 1, 30), rng.normal(size=30)
    k = int(rng.integers(2, 6))
    return (
        lambda w, x: np.vander(x, k) @ w,
        squared,
        lambda x, y, p: 2 * np.vander(x, k).T @ (p - y) / len(y),
        x,
        y,
        rng.normal(size=k),
    )


def decay(rng):
    x = np.linspace(0, 2, 25)
    y = 3 * np.exp(-1.3 * x) + 0.01 * rng.normal(size=25)

    def gradient(x, y, p, w):
        e, f = 2 * (p - y) / len(y), np.exp(-w[1] * x)
        return np.array([(e * f).sum(), (e * -x * w[0] * f).sum()])

    return lambda w, x: w[0] * np.exp(-w[1] * x), squared, gradient, x, y, np.array([1.0, 0.5])


def looped(rng):
    """Written row by row, as beginners do; math functions take no complex numbers."""
    x, y = rows(rng, 2)

    def forward(w, x):
        return np.array([float(sum(wi * xi for wi, xi in zip(w, row, strict=True))) for row in x])

    def gradient(x, y, p):
        total = np.zeros(2)
        for row, yi, pi in zip(x, y, p, strict=True):
            total += 2 * (pi - yi) * row
        return total / len(y)

    return forward, lambda y, p: float(squared(y, p)), gradient, x, y, np.array([0.5, -1.0])


def single_inside(rng):
    """Casts to float32 on its own: its noise is no fault."""
    x, y = rows(rng)
    return (
        lambda w, x: x.astype(np.float32) @ w.astype(np.float32),
        lambda y, p: ((p - y.astype(np.float32)) ** 2).mean(),
        lambda x, y, p: (
            2 * x.astype(np.float32).T @ (p - y.astype(np.float32)) / np.float32(len(y))
        ),
        x,
        y,
        rng.normal(size=x.shape[1]),
    )


FAMILIES = [
    line, notebook_float32, least_squares, sum_of_squares, half_squares, wild_scales,
    at_the_optimum, tree_with_intercept, ridge, lasso, logistic, logistic_probabilities, poisson,
    absolute, absolute_at_its_kink, huber, quantile, hinge, log_cosh, many_outputs, softmax,
    hidden_layer, hidden_relu, powers, decay, looped, single_inside,
]  # fmt: skip


def problems(count: int, seed: int = 0) -> Iterator[Correct]:
    for k in range(count):
        family = FAMILIES[k % len(FAMILIES)]
        rng = np.random.default_rng([seed, k])
        yield Correct(family.__name__, *family(rng))
