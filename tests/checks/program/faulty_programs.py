"""Mistakes as people make them, each in several dresses, and the codes that must name them."""

from __future__ import annotations

from collections.abc import Iterator

DATA = """
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
y = X @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.normal(size=40)
n, d = X.shape
"""

MSE, GRAD, UPDATE = "((X @ w - y) ** 2).mean()", "2 * X.T @ (X @ w - y) / n", "w -= lr * dw"

FAULTS: dict[str, tuple[str, str, str, str]] = {
    # name: loss, gradient, update, code
    "sum for mean": (MSE, "2 * X.T @ (X @ w - y)", UPDATE, "G01"),
    "wrong sign": (MSE, "2 * X.T @ (y - X @ w) / n", UPDATE, "G02"),
    "added": (MSE, GRAD, "w += lr * dw", "G02"),
    "no 2": (MSE, "X.T @ (X @ w - y) / n", UPDATE, "G03"),
    "2 twice": (MSE, "4 * X.T @ (X @ w - y) / n", UPDATE, "G03"),
    "divided twice": (MSE, "2 * X.T @ (X @ w - y) / n / n", UPDATE, "G04"),
    "n - 1": (MSE, "2 * X.T @ (X @ w - y) / (n - 1)", UPDATE, "G12"),
    "penalty in the gradient": (MSE, GRAD + " + 0.2 * w", UPDATE, "G06"),
    "penalty in the loss": (MSE + " + 0.1 * (w ** 2).sum()", GRAD, UPDATE, "G06"),
    "zero": (MSE, "0.0 * X.T @ (X @ w - y)", UPDATE, "G08"),
    "one weight left out": (MSE, "np.array([0.0, 1.0, 1.0]) * (" + GRAD + ")", UPDATE, "G09"),
    "any": (MSE, "2 * X.T @ (X @ w - y) ** 3 / n", UPDATE, "G00"),
    "any size": (MSE, "2.6 * X.T @ (X @ w - y) / n", UPDATE, "G05"),
}


def plain(loss: str, grad: str, update: str) -> str:
    return f"""{DATA}
w = np.zeros(3) + 0.1; lr = 0.02
for epoch in range(12):
    loss = {loss}
    dw = {grad}
    {update}
    print(f"epoch {{epoch}}: loss {{loss:.3f}}")
"""


def renamed(loss: str, grad: str, update: str) -> str:
    """Names that tell nothing."""
    text = f"""{DATA}
w = np.zeros(3) + 0.1; k = 0.02
for i in range(12):
    q = {loss}
    g = {grad}
    {update.replace("lr", "k").replace("dw", "g")}
    print(q)
"""
    for old, new in (("X", "A"), ("y", "t"), ("w", "z")):
        import re

        text = re.sub(rf"\b{old}\b", new, text)
    return text


def functions(loss: str, grad: str, update: str) -> str:
    return f"""{DATA}
def compute_cost(X, y, w):
    n = len(y)
    return {loss}
def compute_grad(X, y, w):
    n = len(y)
    return {grad}
def train(X, y, w, lr, epochs):
    costs = []
    for i in range(epochs):
        dw = compute_grad(X, y, w)
        {update}
        costs.append(compute_cost(X, y, w))
    return w, costs
train(X, y, np.zeros(3) + 0.1, 0.02, 12)
"""


def methods(loss: str, grad: str, update: str) -> str:
    def own(text: str) -> str:
        return text.replace("w", "self.w").replace("self.self.", "self.").replace("dself.w", "dw")

    return f"""{DATA}
class Model:
    def __init__(self):
        self.w = np.zeros(3) + 0.1
    def loss(self, X, y):
        return {own(loss)}
    def step(self, X, y, lr=0.02):
        dw = {own(grad)}
        {own(update)}
model = Model()
for epoch in range(12):
    value = model.loss(X, y)
    model.step(X, y)
"""


def cells(loss: str, grad: str, update: str) -> str:
    return f"""# %% data
{DATA}
# %% the model
w = np.zeros(3) + 0.1
lr = 0.02
def loss(X, y): return {loss}
# %% [markdown]
# words
# %% the gradient
def gradient(X, y): return {grad}
# %% training
for epoch in range(12):
    l = loss(X, y)
    dw = gradient(X, y)
    {update}
"""


def tensors(loss: str, grad: str, update: str) -> str:
    """By hand, on tensors of PyTorch in double precision."""
    text = plain(loss, grad, update).replace(
        "np.array([0.0, 1.0, 1.0])", "torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64)"
    )
    return text.replace(
        "w = np.zeros(3) + 0.1",
        "import torch; X = torch.from_numpy(X); y = torch.from_numpy(y)\n"
        "w = torch.zeros(3, dtype=torch.float64) + 0.1",
    )


DRESSES = {f.__name__: f for f in (plain, renamed, functions, methods, cells, tensors)}


def dressed() -> Iterator[tuple[str, str, str]]:
    """Every mistake in every dress: its name, the program, the code."""
    for name, (loss, grad, update, code) in FAULTS.items():
        for dress, make in DRESSES.items():
            yield f"{name}, {dress}", make(loss, grad, update), code
