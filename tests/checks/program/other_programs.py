"""Loops of other kinds, which are not gradient descent, or descend by another rule: no alarms."""

from tests.checks.program.correct_programs import DATA, LINE, TORCH

OTHERS = {
    "micro lists": """
import random
xs = [[1.0, 2.0], [2.0, 1.0], [3.0, 0.5]]; ys = [1.0, -1.0, 0.5]
w = [0.0, 0.0]; b = 0.0; lr = 0.05
for epoch in range(20):
    loss = 0.0; gw = [0.0, 0.0]; gb = 0.0
    for x, y in zip(xs, ys):
        p = sum(wi * xi for wi, xi in zip(w, x)) + b
        e = p - y
        loss += e * e / len(xs)
        for j in range(2): gw[j] += 2 * e * x[j] / len(xs)
        gb += 2 * e / len(xs)
    w = [wi - lr * gi for wi, gi in zip(w, gw)]
    b -= lr * gb
""",
    "nesterov": DATA
    + """
w = np.zeros(d); v = np.zeros(d)
for i in range(20):
    look = w + 0.9 * v
    g = 2 * X.T @ (X @ look - y) / n
    v = 0.9 * v - 0.01 * g
    w = w + v
    loss = np.mean((X @ w - y) ** 2)
""",
    "newton": DATA
    + """
w = np.zeros(d)
for i in range(5):
    g = 2 * X.T @ (X @ w - y) / n
    H = 2 * X.T @ X / n
    loss = np.mean((X @ w - y) ** 2)
    w = w - np.linalg.solve(H, g)
""",
    "coordinate": DATA
    + """
w = np.zeros(d)
for i in range(5):
    for j in range(d):
        r = y - X @ w + X[:, j] * w[j]
        w[j] = X[:, j] @ r / (X[:, j] @ X[:, j])
    loss = np.mean((X @ w - y) ** 2)
""",
    "rmsprop inline": DATA
    + """
w = np.zeros(d); s = np.zeros(d); lr=0.01
for i in range(20):
    loss = np.mean((X @ w - y) ** 2)
    s = 0.9 * s + 0.1 * (2 * X.T @ (X @ w - y) / n) ** 2
    w -= lr * (2 * X.T @ (X @ w - y) / n) / (np.sqrt(s) + 1e-8)
""",
    "optimizer class np": DATA
    + """
class SGD:
    def __init__(self, params, lr): self.params, self.lr = params, lr
    def step(self, grads):
        for p, g in zip(self.params, grads): p -= self.lr * g
W = np.zeros((3,1)); b = np.zeros((1,1)); opt = SGD([W, b], 0.1); t = y[:, None]
for i in range(10):
    out = X @ W + b
    loss = ((out - t) ** 2).mean()
    g = 2 * (out - t) / n
    opt.step([X.T @ g, g.sum(axis=0, keepdims=True)])
""",
    "layers list": DATA
    + """
class Linear:
    def __init__(self, a, b): self.W = np.random.randn(a, b) * .3; self.b = np.zeros(b)
    def forward(self, x): self.x = x; return x @ self.W + self.b
    def backward(self, g): self.dW = self.x.T @ g; self.db = g.sum(0); return g @ self.W.T
class Tanh:
    def forward(self, x): self.o = np.tanh(x); return self.o
    def backward(self, g): return g * (1 - self.o ** 2)
net = [Linear(3, 5), Tanh(), Linear(5, 1)]; t = y[:, None]
for i in range(10):
    h = X
    for layer in net: h = layer.forward(h)
    L = ((h - t) ** 2).mean()
    g = 2 * (h - t) / n
    for layer in reversed(net): g = layer.backward(g)
    for layer in net:
        if isinstance(layer, Linear):
            layer.W -= 0.1 * layer.dW
            layer.b -= 0.1 * layer.db
""",
    "grad norm print only": DATA
    + """
w = np.zeros(d)
for i in range(10):
    g = 2 * X.T @ (X @ w - y) / n
    w = w - 0.1 * g
    print(i, np.linalg.norm(g), w)
""",
    "prediction print only": LINE
    + """
w = 0.0
for i in range(10):
    p = w * x
    w -= 0.01 * (2 * x * (p - y)).mean()
    print(f"f(5) = {w * 5:.3f}", p.mean())
""",
    "kmeans": DATA
    + """
C = X[:3].copy()
for i in range(5):
    dist = ((X[:, None] - C) ** 2).sum(-1)
    k = dist.argmin(1)
    inertia = dist.min(1).sum()
    for j in range(3):
        C[j] = X[k == j].mean(0)
""",
    "q learning": """
import numpy as np
Q = np.zeros((5, 2)); alpha = 0.1; gamma = 0.9
for episode in range(10):
    s = 0; total_reward = 0.0
    while s < 4:
        a = np.random.randint(2)
        s2 = min(s + a, 4); r = 1.0 if s2 == 4 else 0.0
        Q[s, a] = Q[s, a] + alpha * (r + gamma * Q[s2].max() - Q[s, a])
        s = s2; total_reward += r
    print(total_reward, Q.mean())
""",
    "running mean": """
import numpy as np
m = 0.0; rate = 0.1
for v in np.arange(10.0):
    m += rate * (v - m)
    error = abs(v - m)
""",
    "newton root": """
x = 2.0
for i in range(8):
    f = x ** 2 - 2
    x = x - f / (2 * x)
    error = abs(f)
""",
    "euler": """
y = 1.0; dt = 0.01; k = 0.5
for i in range(50):
    y -= dt * k * y
    energy = y ** 2
""",
    "torch lstm": """
import torch
net = torch.nn.LSTM(3, 4, batch_first=True); head = torch.nn.Linear(4, 1)
opt = torch.optim.AdamW(list(net.parameters()) + list(head.parameters()), lr=1e-2)
x = torch.randn(8, 5, 3); y = torch.randn(8, 1)
for i in range(6):
    opt.zero_grad()
    out, _ = net(x)
    loss = torch.nn.functional.l1_loss(head(out[:, -1]), y)
    loss.backward()
    opt.step()
""",
    "optax": """
import jax, jax.numpy as jnp, optax, numpy as np
X = jnp.asarray(np.random.default_rng(0).normal(size=(40, 3))); y = X @ jnp.array([1.0, -2.0, 0.5])
def loss_fn(w): return jnp.mean((X @ w - y) ** 2)
opt = optax.adam(0.1); w = jnp.zeros(3); state = opt.init(w)
for i in range(5):
    loss, g = jax.value_and_grad(loss_fn)(w)
    updates, state = opt.update(g, state)
    w = optax.apply_updates(w, updates)
""",
    "loss named energy decay of lr": DATA
    + """
w = np.zeros(d); lr = 0.1; prev_loss = np.inf
for i in range(20):
    e = X @ w - y
    loss = np.mean(e**2)
    if loss > prev_loss: lr *= 0.5
    prev_loss = loss
    w -= lr * 2 * X.T @ e / n
""",
    "svm": DATA
    + """
t = np.where(y > 0, 1, -1); w = np.zeros(3); b = 0; lr = 0.001; lam = 0.01
for epoch in range(3):
    for i, xi in enumerate(X):
        if t[i] * (np.dot(xi, w) - b) >= 1:
            w -= lr * (2 * lam * w)
        else:
            w -= lr * (2 * lam * w - np.dot(xi, t[i]))
            b -= lr * t[i]
    loss = lam * np.dot(w, w) + np.mean(np.maximum(0, 1 - t * (X @ w - b)))
""",
    "signs": DATA
    + """
w = np.zeros(d)
for i in range(15):
    e = X @ w - y
    loss = np.mean(e ** 2)
    g = 2 * X.T @ e / n
    w -= 0.01 * np.sign(g)
""",
    "nesterov of two": DATA
    + """
w = np.zeros(d); b = 0.0; v = np.zeros(d); u = 0.0; lr = 0.01
for i in range(15):
    loss = np.mean((X @ w + b - y) ** 2)
    ahead, off = w - 0.9 * v, b - 0.9 * u
    e = X @ ahead + off - y
    v = 0.9 * v + lr * 2 * X.T @ e / n
    u = 0.9 * u + lr * 2 * e.mean()
    w -= v
    b -= u
""",
    "adam on tensors": TORCH
    + """
w = torch.zeros(3, requires_grad=True); m = torch.zeros(3); v = torch.zeros(3)
for t in range(1, 16):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        m = 0.9 * m + 0.1 * w.grad
        v = 0.999 * v + 0.001 * w.grad ** 2
        w -= 0.01 * (m / (1 - 0.9 ** t)) / ((v / (1 - 0.999 ** t)).sqrt() + 1e-8)
        w.grad.zero_()
""",
    "signs on tensors": TORCH
    + """
w = torch.zeros(3, requires_grad=True)
for t in range(15):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.01 * w.grad.sign()
        w.grad.zero_()
""",
    "momentum on tensors": TORCH
    + """
w = torch.zeros(3, requires_grad=True); v = torch.zeros(3); lr = 0.01
for t in range(15):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        v = 0.9 * v + w.grad
        w -= lr * v
    w.grad = None
""",
    "decay on tensors": TORCH
    + """
w = torch.zeros(3, requires_grad=True); lr = 0.01; decay = 0.1
for t in range(15):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= lr * (w.grad + decay * w)
    w.grad = None
""",
    "clipped by its length": TORCH
    + """
w = torch.zeros(3, requires_grad=True); lr = 0.01
for t in range(15):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= lr * w.grad / max(1.0, float(w.grad.norm()))
    w.grad = None
""",
    "running average of weights": DATA
    + """
w = np.zeros(d); mean = np.zeros(d); lr = 0.1
for i in range(15):
    e = X @ w - y
    loss = np.mean(e ** 2)
    w = w - lr * 2 * X.T @ e / n
    mean += 0.1 * (w - mean)
""",
    "two models in one loop": DATA
    + """
a = np.zeros(d); b = np.zeros(d); lr = 0.05
for i in range(15):
    e, f = X @ a - y, X @ b - y ** 2
    loss_a, loss_b = np.mean(e ** 2), np.mean(f ** 2)
    a -= lr * 2 * X.T @ e / n
    b -= lr * 2 * X.T @ f / n
""",
}
