"""Mistakes of loops, as people make them, and the codes that name them, worst first."""

from tests.checks.program.correct_programs import DATA, LINE, TORCH

LAPSES: dict[str, tuple[str, list[str]]] = {
    "computed once": (
        DATA
        + """
w = np.zeros(d)
loss = np.mean((X @ w - y) ** 2)
grad = 2 * X.T @ (X @ w - y) / n
for i in range(12):
    loss = np.mean((X @ w - y) ** 2)
    w -= 0.01 * grad
""",
        ["L02"],
    ),
    "computed once, renamed": (
        DATA
        + """
z = np.zeros(d)
g = 2 * X.T @ (X @ z - y) / n
for i in range(12):
    q = np.mean((X @ z - y) ** 2)
    z -= 0.01 * g
""",
        ["L02"],
    ),
    "prediction from before": (
        DATA
        + """
class Line:
    def fit(self, X, y, lr=0.05):
        self.w = np.zeros(3); grad = np.zeros(3)
        for i in range(12):
            self.w -= lr * grad
            loss = np.mean((X @ self.w - y) ** 2)
            grad = 2 * X.T @ (self.p - y) / n if i else 2 * X.T @ (X @ np.zeros(3) - y) / n
            self.p = X @ self.w
Line().fit(X, y)
""",
        ["L03"],
    ),
    "one epoch late": (
        DATA
        + """
w = np.zeros(d); grad = np.zeros(d)
for i in range(12):
    p = X @ w
    loss = np.mean((p - y) ** 2)
    w -= 0.05 * grad
    grad = 2 * X.T @ (p - y) / n
""",
        ["L03"],
    ),
    "a number a row": (
        LINE
        + """
w = 0.0; lr = 0.01
for i in range(10):
    e = w * x - y
    loss = (e ** 2).mean()
    w -= lr * 2 * x * e
""",
        ["G07"],
    ),
    "column against row": (
        DATA
        + """
t = y.reshape(-1, 1); w = np.zeros(3); lr = 0.1
for i in range(10):
    p = X @ w
    e = p - t
    loss = (e ** 2).mean()
    w -= lr * 2 * (X.T @ e).mean(axis=1) / n
""",
        ["G07"],
    ),
    "another copy": (
        DATA
        + """
w = np.zeros(d); v = w.copy(); lr = 0.1
def forward(X): return X @ w
for i in range(10):
    p = forward(X)
    loss = np.mean((p - y) ** 2)
    v -= lr * 2 * X.T @ (p - y) / n
""",
        ["L06"],
    ),
    "same array stored": (
        DATA
        + """
w = np.zeros(d); lr = 0.1; path = []
for i in range(10):
    e = X @ w - y
    loss = np.mean(e ** 2)
    w -= lr * 2 * X.T @ e / n
    path.append(w)
""",
        ["L11"],
    ),
    "an error": (
        LINE
        + """
w = 0.0
for i in range(10):
    loss = ((w * x - y) ** 2).mean()
    w -= 0.01 * (2 * x * (w * x - y)).mean()
print(undefined_name)
""",
        ["E01"],
    ),
    "rows with the wrong sign": (
        DATA
        + """
w = np.zeros(d); lr = 0.001
for epoch in range(3):
    total_loss = 0.0
    for xi, yi in zip(X, y):
        e = xi @ w - yi
        total_loss += e ** 2
        w += lr * 2 * e * xi
    print(total_loss / n)
""",
        ["G02"],
    ),
}

TORCH_LAPSES: dict[str, tuple[str, list[str]]] = {
    "never zeroed": (
        TORCH
        + """
w = torch.zeros(3, requires_grad=True)
for epoch in range(10):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
""",
        ["L01"],
    ),
    "never zeroed, an optimiser": (
        TORCH
        + """
def train(net, steps):
    opt = torch.optim.SGD(net.parameters(), lr=0.05)
    for _ in range(steps):
        q = ((net(X).squeeze() - y) ** 2).mean()
        q.backward()
        opt.step()
train(torch.nn.Linear(3, 1), 10)
""",
        ["L01"],
    ),
    "leaf in place": (
        TORCH
        + """
w = torch.zeros(3, requires_grad=True)
for epoch in range(10):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    w -= 0.1 * w.grad
    w.grad.zero_()
""",
        ["L09"],
    ),
    "leaf in place, renamed, in a class": (
        TORCH
        + """
class Net:
    def __init__(self): self.theta = torch.zeros(3, requires_grad=True)
    def step(self):
        q = ((X @ self.theta - y) ** 2).mean()
        q.backward()
        self.theta -= 0.1 * self.theta.grad
        self.theta.grad.zero_()
net = Net()
for epoch in range(10):
    net.step()
""",
        ["L09"],
    ),
    "leaf in place and never zeroed": (
        TORCH
        + """
w = torch.zeros(3, requires_grad=True)
for epoch in range(10):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    w -= 0.1 * w.grad
""",
        ["L09", "L01"],
    ),
    "a new tensor": (
        TORCH
        + """
w = torch.zeros(3, requires_grad=True)
for epoch in range(10):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w = w - 0.1 * w.grad
""",
        ["L05"],
    ),
    "a new tensor that records": (
        TORCH
        + """
w = torch.zeros(3, requires_grad=True)
for epoch in range(10):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    w = w - 0.1 * w.grad
""",
        ["L05"],
    ),
    "no backward": (
        TORCH
        + """
w = torch.zeros(3, requires_grad=True)
for epoch in range(10):
    loss = ((X @ w - y) ** 2).mean()
    with torch.no_grad():
        w -= 0.1 * w.grad
""",
        ["L05"],
    ),
    "copy in NumPy": (
        TORCH
        + """
w = torch.zeros(3, requires_grad=True)
v = w.detach().numpy().copy()
for epoch in range(10):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    v -= 0.1 * w.grad.numpy()
    w.grad.zero_()
""",
        ["L06"],
    ),
    "optimiser of another model": (
        TORCH
        + """
net = torch.nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.05)
net = torch.nn.Linear(3, 1)
for _ in range(10):
    opt.zero_grad()
    loss = ((net(X).squeeze() - y) ** 2).mean()
    loss.backward()
    opt.step()
""",
        ["L06"],
    ),
    "uphill": (
        TORCH
        + """
w = torch.zeros(3, requires_grad=True)
for epoch in range(10):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w += 0.1 * w.grad
        w.grad.zero_()
""",
        ["G02"],
    ),
    "same tensor stored": (
        TORCH
        + """
w = torch.zeros(3, requires_grad=True); path = []
for epoch in range(10):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad.zero_()
    path.append(w)
""",
        ["L11"],
    ),
    "column against row": (
        TORCH
        + """
net = torch.nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.05)
for _ in range(10):
    opt.zero_grad()
    loss = ((net(X) - y) ** 2).mean()
    loss.backward()
    opt.step()
""",
        ["G07"],
    ),
    "column against row, a criterion": (
        TORCH
        + """
net = torch.nn.Linear(3, 1); criterion = torch.nn.MSELoss()
opt = torch.optim.SGD(net.parameters(), lr=0.05)
for _ in range(10):
    opt.zero_grad()
    loss = criterion(net(X), y)
    loss.backward()
    opt.step()
""",
        ["G07"],
    ),
    "undefined": (
        TORCH
        + """
w = torch.zeros(3, requires_grad=True)
for epoch in range(10):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    w -= 0.1 * dw
""",
        ["L04", "L09", "L01"],
    ),
    "stale from another cell": (
        """# %%
import numpy as np
x = np.array([1.0, 2.0, 3.0]); y = 2 * x; w = 0.0
for i in range(5):
    p = w * x
    loss = ((p - y) ** 2).mean()
    dw = (2 * x * (p - y)).mean()
    w -= 0.01 * dw
# %%
import torch
x = torch.tensor([1.0, 2.0, 3.0]); y = 2 * x
w = torch.tensor(0.0, requires_grad=True)
for i in range(10):
    loss = ((w * x - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.01 * dw
    w.grad.zero_()
""",
        ["L02"],
    ),
}

JAX_LAPSES: dict[str, tuple[str, list[str]]] = {
    "sum for mean": (
        """
import jax.numpy as jnp, numpy as np
x = jnp.array([1.0, 2.0, 3.0, 4.0]); y = 2 * x
w = jnp.array(0.0)
for i in range(10):
    p = w * x
    loss = ((p - y) ** 2).mean()
    w = w - 0.01 * jnp.dot(2 * x, p - y)
""",
        ["G01"],
    ),
    "computed once": (
        """
import jax, jax.numpy as jnp, numpy as np
X = jnp.asarray(np.random.default_rng(0).normal(size=(40, 3))); y = X @ jnp.array([1.0, -2.0, 0.5])
def loss(w): return jnp.mean((X @ w - y) ** 2)
w = jnp.zeros(3)
g = jax.grad(loss)(w)
for i in range(10):
    cost = loss(w)
    w = w - 0.1 * g
""",
        ["L02"],
    ),
}
