"""Descents of every kind, for tests that stop them; run as a program, one that can be killed."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from steepest import descend

ROWS = np.random.default_rng(4).normal(size=(20, 3))
TARGET = ROWS @ np.array([1.0, -2.0, 0.5]) + 0.3


def forward(w, x):
    return x @ w


def loss(y, p):
    return ((p - y) ** 2).mean()


def gradient(x, y, p):
    return 2 * x.T @ (p - y) / len(y)


def noisy_gradient(x, y, p):
    draw = random.random() + np.random.rand()  # noqa: NPY002
    return gradient(x, y, p) * (1 + 0.1 * draw)


def network():
    import torch

    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Linear(3, 5), torch.nn.BatchNorm1d(5), torch.nn.Dropout(0.5), torch.nn.Linear(5, 1)
    ).double()


def by_hand(**options):
    found = {"forward": forward, "loss": loss, "gradient": gradient, "w": np.zeros(3)}
    return lambda: ((ROWS, TARGET), found | {"learning_rate": 0.05} | options)


def by_torch(**options):
    def make():
        import torch

        w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        rows = torch.from_numpy(ROWS), torch.from_numpy(TARGET)
        return rows, {"forward": forward, "loss": loss, "w": w} | options

    return make


def by_module(**options):
    def make():
        import torch

        rows = torch.from_numpy(ROWS), torch.from_numpy(TARGET)[:, None]
        return rows, {"loss": loss, "w": network()} | options

    return make


def lbfgs(parameters):
    import torch

    return torch.optim.LBFGS(parameters, lr=0.05, max_iter=2)


def adam(parameters):
    import torch

    return torch.optim.Adam(parameters, lr=0.01)


def by_jax(of_optax=None, **options):
    def make():
        import jax.numpy as jnp
        import optax

        rows = jnp.asarray(ROWS, jnp.float32), jnp.asarray(TARGET, jnp.float32)
        start = {"a": jnp.zeros(3), "b": jnp.zeros(())}
        found = {"forward": lambda w, x: x @ w["a"] + w["b"], "loss": loss, "w": start}
        return rows, found | options | ({"rule": of_optax(optax)} if of_optax else {})

    return make


def of_one_number():
    x = np.arange(1.0, 5.0)
    options = {"forward": lambda w, x: w * x, "loss": loss, "w": 0.0, "learning_rate": 0.01}
    return (x, 2 * x), options | {"gradient": lambda x, y, p: (2 * x * (p - y)).mean()}


KINDS: dict[str, Callable[[], Any]] = {
    "a number": of_one_number,
    "by hand": by_hand(),
    "by hand, Adam, batches": by_hand(rule="adam", batch_size=6, validation=0.2),
    "by hand, random": by_hand(gradient=noisy_gradient, rule="nesterov"),
    "by hand, patience": by_hand(validation=0.3, patience=50, rule="rmsprop"),
    "tensors": by_torch(learning_rate=0.05, rule="momentum"),
    "tensors, LBFGS": by_torch(rule=lbfgs),
    "module, dropout": by_module(learning_rate=0.05, rule="adamw"),
    "module, torch.optim, batches": by_module(rule=adam, batch_size=8, validation=0.2, patience=40),
    "JAX": by_jax(learning_rate=0.05, rule="adam", batch_size=7),
    "optax": by_jax(lambda optax: optax.adam(optax.cosine_decay_schedule(0.1, 30))),
    "optax, lbfgs": by_jax(lambda optax: optax.lbfgs()),
}


def go(kind: str, **changes: Any) -> Any:
    """A descent of a kind, from generators that stand where they always do."""
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    (x, y), options = KINDS[kind]()
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(1)
    return descend(x, y, **({"epochs": 24} | options | changes))


def bits(descent: Any) -> Any:
    """All that has to be the same, number by number."""

    def plain(value: Any) -> Any:
        if hasattr(value, "state_dict"):
            value = dict(value.state_dict())
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        return np.asarray(value).tobytes()

    watched = descent.validation_losses
    return (
        plain(descent.w), descent.loss, descent.status, descent.epochs, descent.best_epoch,
        list(descent.losses), descent.losses.epochs.tolist(), descent.smoothness,
        [plain(w) for w in descent.weights], None if watched is None else list(watched),
    )  # fmt: skip


def tell(at: Any) -> None:
    """Say which epoch it is, and leave time to be killed in."""
    print(at.epoch, flush=True)
    time.sleep(0.002)


if __name__ == "__main__":
    go(
        sys.argv[1],
        checkpoint=sys.argv[2],
        checkpoint_every=7,
        epochs=200,
        on_epoch=tell,
    )
