"""Programs that are right and look wrong: epsilons, accumulators, plots, shares of a last step."""

from tests.checks.program.correct_programs import DATA, LINE

LOGISTIC = """
import numpy as np
rng = np.random.default_rng(5)
A = rng.normal(size=(30, 2)); t = (A[:, 0] + 0.5 * rng.normal(size=30) > 0) * 1.0
v = np.zeros(2)
for step in range(15):
    q = 1 / (1 + np.exp(-A @ v))
    loss = {}
    v -= 0.3 * A.T @ (q - t) / 30
"""

ALARMING = {
    "epsilon in the logarithm": LOGISTIC.format(
        "-np.mean(t * np.log(q + 1e-6) + (1 - t) * np.log(1 - q + 1e-6))"
    ),
    "epsilon by name": LOGISTIC.format(
        "-np.mean(t * np.log(q + eps) + (1 - t) * np.log(1 - q + eps))"
    ).replace("v = np.zeros(2)", "v = np.zeros(2); eps = 1e-5"),
    "cost summed in a loop": LINE
    + """
def cost(w, b):
    total = 0.0
    for k in range(len(x)):
        total = total + (w * x[k] + b - y[k]) ** 2
    return total / len(x)
def descend(w_in, b_in):
    w, b = w_in, b_in
    for i in range(15):
        e = w * x + b - y
        w = w - 0.02 * 2 * (e * x).mean()
        b = b - 0.02 * 2 * e.mean()
        J = cost(w, b)
    return w, b
descend(0.0, 0.0)
""",
    "gradient summed in a loop": DATA
    + """
def slopes(w, b):
    dw, db = np.zeros(d), 0.
    for i in range(n):
        err = X[i] @ w + b - y[i]
        for j in range(d):
            dw[j] = dw[j] + err * X[i, j]
        db = db + err
    return dw / n, db / n
def fit(w_in, b_in, alpha):
    w = w_in.copy(); b = b_in; costs = []
    for i in range(6):
        dw, db = slopes(w, b)
        w = w - alpha * dw
        b = b - alpha * db
        costs.append(((X @ w + b - y) ** 2).mean() / 2)
    return w, b
fit(np.zeros(d), 0., 0.1)
""",
    "velocities that begin at nothing": DATA
    + """
class Heavy:
    def __init__(self): self.lr, self.mu, self.kept = 0.02, 0.8, {}
    def apply(self, params, grads):
        for k in params:
            self.kept[k] = self.mu * self.kept.get(k, 0.0) - self.lr * grads[k]
            params[k] = params[k] + self.kept[k]
params, rule = {"w": np.zeros(d), "b": 0.0}, Heavy()
for i in range(15):
    e = X @ params["w"] + params["b"] - y
    loss = (e ** 2).mean()
    rule.apply(params, {"w": 2 * X.T @ e / n, "b": 2 * e.mean()})
""",
    "a plot": LINE
    + """
import matplotlib.pyplot as plt
w, losses = 0.0, []
for i in range(8):
    losses.append(((w * x - y) ** 2).mean())
    w -= 0.01 * (2 * x * (w * x - y)).mean()
figure, (left, right) = plt.subplots(1, 2)
line, = left.plot(losses)
right.scatter(x, y); plt.show()
""",
}

MISNAMED: dict[str, tuple[str, str, str]] = {
    # program, code, words of the finding
    "one weight, a rate too large, a sum": (
        LINE
        + """
w = 0.0
for i in range(6):
    loss = ((w * x - y) ** 2).mean()
    w -= 0.04 * np.dot(2 * x, w * x - y)
""",
        "G01",
        "4 = n",
    ),
    "one weight, a rate too large, a 2": (
        LINE
        + """
w = 0.0
for i in range(6):
    loss = ((w * x - y) ** 2).mean()
    w -= 0.16 * np.mean(x * (w * x - y))
""",
        "G03",
        "0.5 ×",
    ),
    "two columns are no rows": (
        """
import numpy as np
rng = np.random.default_rng(2)
A = rng.normal(size=(30, 2)); t = A @ [1.0, 2.0] + 1
w, b = np.zeros(2), 0.0
for i in range(10):
    p = A @ w + b
    loss = np.mean((p - t) ** 2)
    w -= 0.05 * A.T @ (p - t) / 30
    b -= 0.05 * (p - t).mean()
""",
        "G03",
        "0.5 ×",
    ),
    "outputs are columns": (
        DATA
        + """
T = np.stack([y, -y, 2 * y, y + 1], axis=1); W, b = np.zeros((d, 4)), np.zeros(4)
for i in range(10):
    E = X @ W + b - T
    loss = np.mean(E ** 2)
    W -= 0.1 * 2 * X.T @ E / n
    b -= 0.1 * 2 * E.sum(axis=0) / n
""",
        "G01",
        "the number of columns",
    ),
    "rows in lists": (
        """
x = [1.0, 2.0, 3.0, 4.0, 5.0]; y = [2.0, 4.0, 6.0, 8.0, 9.0]; w = 0.0
for i in range(10):
    g, loss = 0.0, 0.0
    for a, b in zip(x, y):
        loss += (w * a - b) ** 2 / 5
        g += 2 * (w * a - b) * a
    w -= 0.001 * g
""",
        "G01",
        "5 = n",
    ),
    "no return": (
        DATA
        + """
def slope(w):
    g = 2 * X.T @ (X @ w - y) / n
w = np.zeros(d)
for i in range(5):
    loss = np.mean((X @ w - y) ** 2)
    w = w - 0.1 * slope(w)
""",
        "G10",
        "slope returned None",
    ),
}

TORCH = "import torch\nx = torch.tensor([1.0, 2.0, 3.0]); y = 2 * x\n"

MISNAMED_TORCH: dict[str, tuple[str, str, str]] = {
    "zeroed after it was made anew": (
        TORCH
        + """
w = torch.tensor(0.0, requires_grad=True)
for i in range(5):
    loss = ((w * x - y) ** 2).mean()
    loss.backward()
    w = w - 0.01 * w.grad
    w.grad.zero_()
""",
        "L05",
        "not a leaf",
    ),
    "never asked": (
        TORCH
        + """
w = torch.tensor(0.0)
for i in range(5):
    loss = ((w * x - y) ** 2).mean()
    loss.backward()
    w = w - 0.01 * w.grad
""",
        "L05",
        "requires_grad=True",
    ),
    "backward without a record": (
        TORCH
        + """
w = torch.tensor(0.0, requires_grad=True)
for i in range(5):
    with torch.no_grad():
        loss = ((w * x - y) ** 2).mean()
        loss.backward()
        w -= 0.01 * w.grad
""",
        "L05",
        "under no_grad()",
    ),
    "zeroed before the step": (
        TORCH
        + """
model = torch.nn.Linear(1, 1); rule = torch.optim.SGD(model.parameters(), lr=0.01)
for i in range(5):
    loss = ((model(x[:, None])[:, 0] - y) ** 2).mean()
    loss.backward()
    rule.zero_grad()
    rule.step()
""",
        "L05",
        "between backward() and step()",
    ),
}
