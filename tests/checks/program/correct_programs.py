"""Training loops that are right, each in another idiom: none of them is an alarm."""

DATA = """
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
y = X @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.normal(size=40)
n, d = X.shape
"""
LINE = """
import numpy as np
x = np.array([1.0, 2.0, 3.0, 4.0]); y = np.array([2.0, 4.0, 6.0, 8.1])
"""
TORCH = """
import torch
torch.manual_seed(0)
X = torch.randn(40, 3); y = X @ torch.tensor([1.0, -2.0, 0.5]) + 0.1 * torch.randn(40)
"""

CORRECT = {
    "scalar": LINE
    + """
w = 0.0
def forward(x): return w * x
def loss(y, p): return ((p - y) ** 2).mean()
def gradient(x, y, p): return (2 * x * (p - y)).mean()
for epoch in range(10):
    p = forward(x)
    l = loss(y, p)
    dw = gradient(x, y, p)
    w -= 0.01 * dw
    print(f"{epoch}: {w:.3f} {l:.3f}")
""",
    "scalar float32": LINE
    + """
x = x.astype(np.float32); y = y.astype(np.float32)
w = 0.0
for epoch in range(30):
    p = w * x
    l = ((p - y) ** 2).mean()
    w -= 0.01 * (2 * x * (p - y)).mean()
""",
    "line with bias": LINE
    + """
w, b = 0.0, 0.0
learning_rate = 0.02
for epoch in range(20):
    error = w * x + b - y
    cost = np.mean(error ** 2)
    dw = 2 * np.mean(error * x)
    db = 2 * np.mean(error)
    w = w - learning_rate * dw
    b = b - learning_rate * db
""",
    "tuple update": LINE
    + """
w, b = 0.0, 0.0
for epoch in range(20):
    error = w * x + b - y
    cost = np.mean(error ** 2)
    w, b = w - 0.02 * 2 * np.mean(error * x), b - 0.02 * 2 * np.mean(error)
""",
    "rate over n": DATA
    + """
w = np.zeros(d)
lr = 0.1
for _ in range(30):
    e = X @ w - y
    mse = (e ** 2).mean()
    w -= lr / n * 2 * X.T @ e
""",
    "rate over n, half": DATA
    + """
theta = np.zeros(d)
alpha = 0.1
m = len(y)
history = []
for _ in range(30):
    h = X @ theta
    theta = theta - (alpha / m) * (X.T @ (h - y))
    history.append(1 / (2 * m) * np.sum((X @ theta - y) ** 2))
""",
    "loss after the update": DATA
    + """
w = np.zeros(d)
for i in range(20):
    w -= 0.05 * 2 * X.T @ (X @ w - y) / n
    loss = np.mean((X @ w - y) ** 2)
    if loss < 1e-9: break
""",
    "ascent": DATA
    + """
t = (y > 0).astype(float)
w = np.zeros(d); lr = 0.5
for i in range(20):
    p = 1 / (1 + np.exp(-X @ w))
    loss = -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))
    w += lr * X.T @ (t - p) / n
""",
    "likelihood up": DATA
    + """
t = (y > 0).astype(float)
w = np.zeros(d); lr = 0.05
for i in range(20):
    p = 1 / (1 + np.exp(-X @ w))
    log_likelihood = np.sum(t * np.log(p) + (1 - t) * np.log(1 - p))
    w += lr * X.T @ (t - p)
""",
    "momentum": DATA
    + """
w = np.zeros(d); v = np.zeros(d)
for i in range(20):
    e = X @ w - y
    loss = np.mean(e ** 2)
    g = 2 * X.T @ e / n
    v = 0.9 * v + g
    w -= 0.01 * v
""",
    "momentum, rate inside": DATA
    + """
w = np.zeros(d); v = np.zeros(d)
for i in range(20):
    e = X @ w - y
    loss = np.mean(e ** 2)
    v = 0.9 * v - 0.01 * (2 * X.T @ e / n)
    w += v
""",
    "adam": DATA
    + """
w = np.zeros(d); m = np.zeros(d); v = np.zeros(d); t = 0
for i in range(20):
    e = X @ w - y
    loss = np.mean(e ** 2)
    g = 2 * X.T @ e / n
    t += 1
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g ** 2
    w -= 0.01 * (m / (1 - 0.9 ** t)) / (np.sqrt(v / (1 - 0.999 ** t)) + 1e-8)
""",
    "adagrad": DATA
    + """
w = np.zeros(d); cache = np.zeros(d); lr = 0.1
for i in range(20):
    e = X @ w - y
    loss = np.mean(e ** 2)
    g = 2 * X.T @ e / n
    cache += g ** 2
    w -= lr * g / (np.sqrt(cache) + 1e-8)
""",
    "minibatches": DATA
    + """
w = np.zeros(d); lr = 0.02
for epoch in range(5):
    order = np.random.permutation(n)
    for start in range(0, n, 8):
        rows = order[start:start + 8]
        xb, yb = X[rows], y[rows]
        e = xb @ w - yb
        loss = np.mean(e ** 2)
        w -= lr * 2 * xb.T @ e / len(rows)
    print(epoch, np.mean((X @ w - y) ** 2))
""",
    "rows one by one": DATA
    + """
w = np.zeros(d); lr = 0.01
for epoch in range(5):
    for xi, yi in zip(X, y):
        e = xi @ w - yi
        w -= lr * 2 * e * xi
    loss = np.mean((X @ w - y) ** 2)
    print(epoch, loss)
""",
    "rows one by one, each its loss": DATA
    + """
w = np.zeros(d); lr = 0.01
for epoch in range(5):
    total_loss = 0
    for xi, yi in zip(X, y):
        pred = np.dot(xi, w)
        error = pred - yi
        total_loss += error ** 2
        w = w - lr * 2 * error * xi
    print(epoch, total_loss / n)
""",
    "sums by hand": LINE
    + """
w = 0.0; b = 0.0; L = 0.001
for i in range(20):
    D_w = 0.0; D_b = 0.0; cost = 0.0
    for k in range(len(x)):
        e = w * x[k] + b - y[k]
        cost += e ** 2
        D_w += 2 * e * x[k]
        D_b += 2 * e
    w = w - L * D_w
    b = b - L * D_b
""",
    "weight by weight": DATA
    + """
w = np.zeros(d)
for i in range(10):
    e = X @ w - y
    loss = (e ** 2).mean()
    grad = 2 * X.T @ e / n
    for j in range(d):
        w[j] -= 0.1 * grad[j]
""",
    "penalty in both": DATA
    + """
w = np.zeros(d); lam = 0.1
for i in range(20):
    e = X @ w - y
    loss = np.mean(e ** 2) + lam * np.sum(w ** 2)
    w -= 0.05 * (2 * X.T @ e / n + 2 * lam * w)
""",
    "lasso": DATA
    + """
w = np.zeros(d); lam = 0.1
for i in range(20):
    e = X @ w - y
    loss = np.mean(e ** 2) + lam * np.abs(w).sum()
    w -= 0.05 * (2 * X.T @ e / n + lam * np.sign(w))
""",
    "clipped": DATA
    + """
w = np.zeros(d)
for i in range(20):
    e = X @ w - y
    loss = np.mean(e ** 2)
    g = np.clip(2 * X.T @ e / n, -0.5, 0.5)
    w -= 0.05 * g
""",
    "schedule": DATA
    + """
w = np.zeros(d); lr = 0.1
for i in range(20):
    e = X @ w - y
    loss = np.mean(e ** 2)
    w -= lr / (1 + 0.1 * i) * 2 * X.T @ e / n
    lr *= 0.99
""",
    "function": DATA
    + """
def train(X, y, lr=0.1, epochs=15):
    w = np.zeros(X.shape[1])
    b = 0.0
    losses = []
    for _ in range(epochs):
        pred = X @ w + b
        losses.append(np.mean((pred - y) ** 2))
        w = w - lr * 2 / len(y) * X.T @ (pred - y)
        b = b - lr * 2 / len(y) * np.sum(pred - y)
    return w, b, losses
w, b, losses = train(X, y)
""",
    "steps in a function": DATA
    + """
def compute_cost(X, y, w): return np.sum((X @ w - y) ** 2) / (2 * len(y))
def compute_gradient(X, y, w): return X.T @ (X @ w - y) / len(y)
def gradient_descent(X, y, w, alpha, iterations):
    costs = []
    for i in range(iterations):
        dj_dw = compute_gradient(X, y, w)
        w = w - alpha * dj_dw
        costs.append(compute_cost(X, y, w))
    return w, costs
w, c = gradient_descent(X, y, np.zeros(d), 0.1, 15)
""",
    "update returned": DATA
    + """
def update(w, grad, lr): return w - lr * grad
w = np.zeros(d)
for i in range(10):
    e = X @ w - y
    loss = np.mean(e ** 2)
    w = update(w, 2 * X.T @ e / n, 0.1)
""",
    "class": DATA
    + """
class LinearRegression:
    def __init__(self, lr=0.1, n_iters=15):
        self.lr, self.n_iters = lr, n_iters
        self.weights = None; self.bias = None
    def fit(self, X, y):
        n_samples, n_features = X.shape
        self.weights = np.zeros(n_features); self.bias = 0
        self.losses = []
        for _ in range(self.n_iters):
            y_predicted = np.dot(X, self.weights) + self.bias
            self.losses.append(np.mean((y_predicted - y) ** 2))
            dw = (2 / n_samples) * np.dot(X.T, (y_predicted - y))
            db = (2 / n_samples) * np.sum(y_predicted - y)
            self.weights -= self.lr * dw
            self.bias -= self.lr * db
        return self
    def predict(self, X): return np.dot(X, self.weights) + self.bias
LinearRegression().fit(X, y)
""",
    "class of layers": DATA
    + """
class Net:
    def __init__(self):
        r = np.random.RandomState(1)
        self.W1 = r.randn(3, 4) * 0.5; self.b1 = np.zeros(4)
        self.W2 = r.randn(4, 1) * 0.5; self.b2 = np.zeros(1)
    def forward(self, X):
        self.X = X; self.h = np.tanh(X @ self.W1 + self.b1)
        return self.h @ self.W2 + self.b2
    def backward(self, out, y):
        g = 2 * (out - y) / len(y)
        self.dW2 = self.h.T @ g; self.db2 = g.sum(axis=0)
        gh = g @ self.W2.T * (1 - self.h ** 2)
        self.dW1 = self.X.T @ gh; self.db1 = gh.sum(axis=0)
    def step(self, lr):
        self.W1 -= lr * self.dW1; self.b1 -= lr * self.db1
        self.W2 -= lr * self.dW2; self.b2 -= lr * self.db2
net = Net(); target = y.reshape(-1, 1)
for epoch in range(10):
    out = net.forward(X)
    loss = np.mean((out - target) ** 2)
    net.backward(out, target)
    net.step(0.05)
    if epoch % 5 == 0: print(loss)
""",
    "dict of parameters": DATA
    + """
params = {"W": np.zeros((3, 1)), "b": np.zeros(1)}
t = y.reshape(-1, 1)
for i in range(10):
    out = X @ params["W"] + params["b"]
    loss = np.mean((out - t) ** 2)
    grads = {"W": 2 * X.T @ (out - t) / n, "b": 2 * (out - t).mean(axis=0)}
    for key in params:
        params[key] -= 0.1 * grads[key]
""",
    "list of parameters": DATA
    + """
params = [np.zeros(3), np.zeros(1)]
lr = 0.1
for i in range(10):
    out = X @ params[0] + params[1]
    loss = np.mean((out - y) ** 2)
    grads = [2 * X.T @ (out - y) / n, np.array([2 * (out - y).mean()])]
    params = [p - lr * g for p, g in zip(params, grads)]
""",
    "closure": LINE
    + """
def make():
    w = 0.0
    def forward(x): return w * x
    for i in range(10):
        p = forward(x)
        loss = ((p - y) ** 2).mean()
        w -= 0.01 * (2 * x * (p - y)).mean()
    return w
make()
""",
    "global": LINE
    + """
w = 0.0
def step():
    global w
    p = w * x
    loss = ((p - y) ** 2).mean()
    w -= 0.01 * (2 * x * (p - y)).mean()
    return loss
for i in range(10):
    print(step())
""",
    "root of the mean square": DATA
    + """
w = np.zeros(d)
for i in range(10):
    e = X @ w - y
    rmse = np.sqrt(np.mean(e ** 2))
    w -= 0.1 * 2 * X.T @ e / n
    print(rmse)
""",
    "r squared": DATA
    + """
w = np.zeros(d)
for i in range(10):
    e = X @ w - y
    w -= 0.1 * 2 * X.T @ e / n
    print(1 - np.sum((X @ w - y) ** 2) / np.sum((y - y.mean()) ** 2))
""",
    "loss of the held out": DATA
    + """
w = np.zeros(d); A, t, B, s = X[:30], y[:30], X[30:], y[30:]
for i in range(10):
    e = A @ w - t
    w -= 0.1 * 2 * A.T @ e / len(t)
    train_loss = np.mean((A @ w - t) ** 2)
    val_loss = np.mean((B @ w - s) ** 2)
""",
    "early stopping": DATA
    + """
w = np.zeros(d); best = np.inf; wait = 0
while True:
    e = X @ w - y
    loss = np.mean(e ** 2)
    if loss > best - 1e-6:
        wait += 1
        if wait > 3: break
    best = min(best, loss)
    w -= 0.1 * 2 * X.T @ e / n
""",
    "until it stands still": LINE
    + """
w = 0.0; tol = 1e-8; change = 1.0
while change > tol:
    old = w
    loss = ((w * x - y) ** 2).mean()
    w = w - 0.01 * (2 * x * (w * x - y)).mean()
    change = abs(w - old)
""",
    "function of one number": """
def f(x): return x ** 2 + 3 * x
def df(x): return 2 * x + 3
x = 5.0
for i in range(20):
    cost = f(x)
    x = x - 0.1 * df(x)
""",
    "no loss at all": LINE
    + """
w = 0.0
for i in range(10):
    w -= 0.01 * (2 * x * (w * x - y)).mean()
""",
    "plain python": """
xs = [1.0, 2.0, 3.0]; ys = [2.0, 4.0, 6.0]
w = 0.0
for i in range(10):
    loss = sum((w * x - y) ** 2 for x, y in zip(xs, ys)) / 3
    grad = sum(2 * x * (w * x - y) for x, y in zip(xs, ys)) / 3
    w -= 0.05 * grad
""",
    "finite differences": LINE
    + """
def cost(w): return ((w * x - y) ** 2).mean()
w = 0.0
for i in range(10):
    g = (cost(w + 1e-5) - cost(w - 1e-5)) / 2e-5
    w -= 0.01 * g
    print(cost(w))
""",
    "batches from a generator": DATA
    + """
def batches():
    while True:
        i = np.random.randint(0, n, 8)
        yield X[i], y[i]
source = batches(); w = np.zeros(d)
for i in range(15):
    xb, yb = next(source)
    e = xb @ w - yb
    loss = np.mean(e ** 2)
    w -= 0.05 * 2 * xb.T @ e / len(yb)
""",
    "softmax": DATA
    + """
k = np.argmax(X, axis=1); T = np.eye(3)[k]; W = np.zeros((3, 3))
for i in range(10):
    z = X @ W
    z = z - z.max(axis=1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    loss = -np.mean(np.sum(T * np.log(p), axis=1))
    accuracy = np.mean(p.argmax(axis=1) == k)
    W -= 0.5 * X.T @ (p - T) / n
""",
    "dropout": DATA
    + """
w = np.zeros(d)
for i in range(10):
    mask = np.random.rand(n, d) > 0.2
    Z = X * mask
    e = Z @ w - y
    loss = np.mean(e ** 2)
    w -= 0.05 * 2 * Z.T @ e / n
""",
    "weights kept": DATA
    + """
w = np.zeros(d); kept = []
for i in range(10):
    e = X @ w - y
    loss = np.mean(e ** 2)
    kept.append(w.copy())
    w -= 0.05 * 2 * X.T @ e / n
""",
    "projected": DATA
    + """
w = np.zeros(d)
for i in range(10):
    e = X @ w - y
    loss = np.mean(e ** 2)
    w = np.maximum(w - 0.05 * 2 * X.T @ e / n, 0)
""",
    "subtract, out": DATA
    + """
w = np.zeros(d)
for i in range(10):
    e = X @ w - y
    loss = np.mean(e ** 2)
    np.subtract(w, 0.05 * 2 * X.T @ e / n, out=w)
""",
}

CORRECT_TORCH = {
    "autograd by hand": TORCH
    + """
w = torch.zeros(3, requires_grad=True)
for epoch in range(10):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad.zero_()
""",
    "data": TORCH
    + """
w = torch.zeros(3, requires_grad=True); lr = 0.1
for epoch in range(10):
    l = ((X @ w - y) ** 2).mean()
    l.backward()
    w.data -= lr * w.grad.data
    w.grad = None
""",
    "new leaf": TORCH
    + """
w = torch.zeros(3, requires_grad=True)
for epoch in range(10):
    l = ((X @ w - y) ** 2).mean()
    l.backward()
    w = (w - 0.1 * w.grad).detach().requires_grad_()
""",
    "sub_": TORCH
    + """
w = torch.zeros(3, requires_grad=True); b = torch.zeros(1, requires_grad=True)
for epoch in range(10):
    l = ((X @ w + b - y) ** 2).mean()
    l.backward()
    with torch.no_grad():
        for p in (w, b):
            p.sub_(0.1 * p.grad)
            p.grad.zero_()
""",
    "add_, alpha": TORCH
    + """
w = torch.zeros(3, requires_grad=True)
for epoch in range(10):
    l = ((X @ w - y) ** 2).sum()
    l.backward()
    with torch.no_grad():
        w.add_(w.grad, alpha=-0.001)
    w.grad.zero_()
""",
    "optimiser": TORCH
    + """
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
criterion = torch.nn.MSELoss(reduction="sum")
for epoch in range(10):
    optimizer.zero_grad()
    loss = criterion(model(X).squeeze(), y) / 40
    loss.backward()
    optimizer.step()
    print(loss.item())
""",
    "adam and schedule": TORCH
    + """
from torch import nn
model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1))
opt = torch.optim.Adam(model.parameters(), lr=0.01)
sched = torch.optim.lr_scheduler.StepLR(opt, 3)
for epoch in range(10):
    opt.zero_grad(set_to_none=True)
    loss = torch.nn.functional.mse_loss(model(X).squeeze(), y)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    opt.step(); sched.step()
""",
    "accumulation": TORCH
    + """
model = torch.nn.Linear(3, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
opt.zero_grad()
for epoch in range(4):
    for i in range(0, 40, 10):
        loss = ((model(X[i:i+10]).squeeze() - y[i:i+10]) ** 2).mean() / 2
        loss.backward()
        if (i // 10) % 2 == 1:
            opt.step()
            opt.zero_grad()
""",
    "two players": TORCH
    + """
G = torch.nn.Linear(2, 3); D = torch.nn.Linear(3, 1)
og = torch.optim.SGD(G.parameters(), lr=0.01); od = torch.optim.SGD(D.parameters(), lr=0.01)
for i in range(8):
    z = torch.randn(16, 2)
    od.zero_grad()
    d_loss = D(G(z).detach()).mean() - D(X[:16]).mean()
    d_loss.backward(); od.step()
    og.zero_grad()
    g_loss = -D(G(z)).mean()
    g_loss.backward(); og.step()
""",
    "module of one's own": TORCH
    + """
class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(3))
    def forward(self, x): return x @ self.w
def train(model, loader, opt):
    for xb, yb in loader:
        opt.zero_grad()
        loss = ((model(xb) - yb) ** 2).mean()
        loss.backward()
        opt.step()
model = Line()
opt = torch.optim.SGD(model.parameters(), lr=0.05)
from torch.utils.data import DataLoader, TensorDataset
loader = DataLoader(TensorDataset(X, y), batch_size=8, shuffle=True)
for epoch in range(3):
    train(model, loader, opt)
""",
    "by hand on tensors": TORCH
    + """
w = torch.zeros(3)
for epoch in range(10):
    e = X @ w - y
    loss = (e ** 2).mean()
    w -= 0.1 * 2 * X.T @ e / len(y)
""",
    "autograd.grad": TORCH
    + """
w = torch.zeros(3, requires_grad=True)
for epoch in range(10):
    loss = ((X @ w - y) ** 2).mean()
    g, = torch.autograd.grad(loss, w)
    with torch.no_grad():
        w -= 0.1 * g
""",
}

CORRECT_JAX = {
    "compiled": """
import jax, jax.numpy as jnp, numpy as np
X = jnp.asarray(np.random.default_rng(0).normal(size=(40, 3))); y = X @ jnp.array([1.0, -2.0, 0.5])
@jax.jit
def look(w): return jax.value_and_grad(lambda w: jnp.mean((X @ w - y) ** 2))(w)
w = jnp.zeros(3)
for i in range(10):
    value, g = look(w)
    w = w - 0.1 * g
""",
    "grad": """
import jax, jax.numpy as jnp, numpy as np
X = jnp.asarray(np.random.default_rng(0).normal(size=(40, 3))); y = X @ jnp.array([1.0, -2.0, 0.5])
def loss(w): return jnp.mean((X @ w - y) ** 2)
w = jnp.zeros(3)
for i in range(10):
    value, g = jax.value_and_grad(loss)(w)
    w = w - 0.1 * g
""",
    "pytree": """
import jax, jax.numpy as jnp, numpy as np
X = jnp.asarray(np.random.default_rng(0).normal(size=(40, 3))); y = X @ jnp.array([1.0, -2.0, 0.5])
def loss(params): return jnp.mean((X @ params["w"] + params["b"] - y) ** 2)
@jax.jit
def update(params, lr=0.1):
    grads = jax.grad(loss)(params)
    return jax.tree_util.tree_map(lambda p, g: p - lr * g, params, grads)
params = {"w": jnp.zeros(3), "b": jnp.zeros(())}
for i in range(10):
    params = update(params)
    print(loss(params))
""",
}
