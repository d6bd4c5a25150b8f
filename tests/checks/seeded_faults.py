"""Faults put into right gradients, each with the codes that name it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from tests.checks.correct_problems import Correct, problems

from steepest.descent.objective import takes


class Faulty(NamedTuple):
    fault: str
    problem: Correct
    names: tuple[str, ...] | None
    """Names for the weights, where they were given."""
    expected: tuple[str, ...]
    """Codes that must all be said."""


def mapped(function: Callable[[Any], Any], gradient: Any) -> Any:
    return (
        {k: function(v) for k, v in gradient.items()}
        if isinstance(gradient, dict)
        else function(gradient)
    )


def scaled(problem: Correct, factor: float) -> Correct:
    hand = problem.gradient
    if takes(hand, 4):
        return problem._replace(
            gradient=lambda x, y, p, w: mapped(lambda g: factor * g, hand(x, y, p, w))
        )
    return problem._replace(gradient=lambda x, y, p: mapped(lambda g: factor * g, hand(x, y, p)))


def with_w(problem: Correct) -> Callable[..., Any]:
    hand = problem.gradient
    return hand if takes(hand, 4) else lambda x, y, p, w: hand(x, y, p)


def loss_with_w(problem: Correct) -> Callable[..., Any]:
    loss = problem.loss
    return loss if takes(loss, 3) else lambda y, p, w: loss(y, p)


def flat(w: Any) -> list[Any]:
    return list(w.values()) if isinstance(w, dict) else [w]


def added(gradient: Any, w: Any, of_w: Callable[[Any], Any]) -> Any:
    if isinstance(gradient, dict):
        return {k: gradient[k] + of_w(w[k]) for k in gradient}
    return gradient + of_w(w)


def l2_in_gradient(problem: Correct, size: float) -> Correct:
    hand = with_w(problem)
    return problem._replace(
        gradient=lambda x, y, p, w: added(hand(x, y, p, w), w, lambda v: 2 * size * v)
    )


def l2_in_loss(problem: Correct, size: float) -> Correct:
    loss = loss_with_w(problem)
    return problem._replace(
        loss=lambda y, p, w: (
            loss(y, p, w) + size * sum((v**2).sum() for v in map(np.asarray, flat(w)))
        )
    )


def l1_in_gradient(problem: Correct, size: float) -> Correct:
    hand = with_w(problem)
    return problem._replace(
        gradient=lambda x, y, p, w: added(hand(x, y, p, w), w, lambda v: size * np.sign(v))
    )


def in_one_weight(problem: Correct, j: int, change: Callable[[float], float]) -> Correct:
    hand = with_w(problem)

    def gradient(x, y, p, w):
        g = np.array(hand(x, y, p, w))
        g[j] = change(g[j])
        return g

    return problem._replace(gradient=gradient)


def reordered(problem: Correct) -> Correct:
    hand = with_w(problem)
    return problem._replace(gradient=lambda x, y, p, w: np.roll(hand(x, y, p, w), 1))


def per_row(problem: Correct) -> Correct:
    return problem._replace(gradient=lambda x, y, p: 2 * x * (p - y)[:, None])


def of_the_start(problem: Correct) -> Correct:
    value = with_w(problem)(problem.x, problem.y, problem.forward(problem.w, problem.x), problem.w)
    return problem._replace(gradient=lambda x, y, p: value)


SIMPLE = {"least_squares", "ridge", "lasso", "logistic", "poisson", "huber", "many_outputs",
          "tree_with_intercept", "hidden_layer", "powers", "softmax", "line",
          "looped", "logistic_probabilities", "log_cosh", "half_squares"}  # fmt: skip
FLAT = {"least_squares", "ridge", "logistic", "poisson", "powers", "half_squares"}


def faults(
    problem: Correct, rng: np.random.Generator
) -> Iterator[tuple[str, Correct, tuple[str, ...]]]:
    """Every fault that this problem can have."""
    n = len(problem.y)
    outputs = problem.y.size // n
    size = float(10 ** rng.uniform(-2, 0))
    if n > 2 and n != outputs:
        yield "sum for mean", scaled(problem, n), ("G01",)
        yield "mean taken twice", scaled(problem, 1 / n), ("G04",)
        yield "sum with the sign turned", scaled(problem, -n), ("G02", "G01")
        if n != 4 and outputs == 1:
            yield "sum and twice", scaled(problem, 2 * n), ("G03", "G01")
            yield "n - 1", scaled(problem, n / (n - 1)), ("G12",)
    if n == 2:
        yield "sum of two rows", scaled(problem, 2), ("G01", "G03")
    if n > 2:
        yield "factor 2", scaled(problem, 2.0), ("G03",)
        yield "factor 1/2", scaled(problem, 0.5), ("G03",)
    yield "sign", scaled(problem, -1.0), ("G02",)
    yield "no usual factor", scaled(problem, 1.2345678), ("G05",)
    yield "l2 in the gradient only", l2_in_gradient(problem, size), ("G06",)
    yield "l2 in the loss only", l2_in_loss(problem, size), ("G06",)
    many = sum(np.size(v) for v in flat(problem.w))
    if many > 1:
        yield "l1 in the gradient only", l1_in_gradient(problem, size), ("G06",)
    if problem.family in FLAT and many > 1 and n > many:
        j = int(rng.integers(many))
        yield f"factor in weight {j}", in_one_weight(problem, j, lambda g: 3 * g), ("G09",)
        yield f"zero in weight {j}", in_one_weight(problem, j, lambda g: 0.0), ("G09",)
        yield f"sign in weight {j}", in_one_weight(problem, j, lambda g: -g), ("G09",)
        yield "swapped", reordered(problem), ("G14",)
    if problem.family == "least_squares":
        yield "rows not averaged", per_row(problem), ("G07",)
    if problem.family in {"least_squares", "poisson", "hidden_layer"}:
        yield "computed once", of_the_start(problem), ("G08",)


def seeded_faults(count: int, seed: int = 0) -> Iterator[Faulty]:
    """So many, of every kind in turn."""
    made = 0
    for k, problem in enumerate(problems(10_000, seed)):
        if problem.family not in SIMPLE:
            continue
        rng = np.random.default_rng([seed, k])
        found = list(faults(problem, rng))
        fault, broken, expected = found[int(rng.integers(len(found)))]
        yield Faulty(fault, broken, None, expected)
        made += 1
        if made == count:
            return
