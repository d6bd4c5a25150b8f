"""Programs that run, print a loss and learn nothing right, and the codes that name why."""

from tests.checks.program.correct_programs import DATA

TENSORS = """
import torch
torch.manual_seed(4)
u = torch.linspace(-1, 1, 24); v = 3 * u - 0.5
slope = torch.tensor(0.2, requires_grad=True); offset = torch.tensor(0.0, requires_grad=True)
def cost(): return ((slope * u + offset - v) ** 2).mean()
"""

LAYER = """
import torch
torch.manual_seed(4)
A = torch.randn(32, 2); t = A @ torch.tensor([[0.7], [-1.1]])
layer = torch.nn.Linear(2, 1); sgd = torch.optim.SGD(layer.parameters(), lr=0.1)
fit = torch.nn.functional.mse_loss
"""

BOTH = (
    DATA
    + """
def evaluate(a, c):
    r = X @ a + c - y
    cost = (r @ r) / n
    return {"a": 2 * (r @ X) / n, "c": 2 * r.mean()}, cost
a = np.zeros(d); c = 0.0
for k in range(8):
    slopes, cost = evaluate(a, c)
    a = a - 0.05 * slopes["a"]
    c = c - 0.05 * slopes["c"]
"""
)

OWN = """
class Number:
    def __init__(self, data, *sources): self.data, self.sources, self.grad = data, sources, 0.0
    def __add__(self, other): return Number(self.data + other.data, (self, 1.0), (other, 1.0))
    def __mul__(self, other):
        return Number(self.data * other.data, (self, other.data), (other, self.data))
    def spread(self, amount):
        self.grad += amount
        for source, slope in self.sources: source.spread(amount * slope)
a, c = Number(0.3), Number(-0.2)
for k in range(8):
    loss = Number(0.0)
    for u, v in [(1.0, 2.0), (2.0, 3.0), (-1.0, 0.5)]:
        gap = a * Number(u) + c + Number(-v)
        loss = loss + gap * gap
    a.grad = c.grad = 0.0
    loss.spread(1.0)
    a.data -= 0.01 * a.grad
    c.data -= 0.01 * c.grad
"""

QUIET: dict[str, tuple[str, list[str]]] = {
    "backward before the loop": (
        TENSORS
        + """
cost().backward()
for k in range(6):
    with torch.no_grad():
        slope -= 0.02 * slope.grad
        offset -= 0.02 * offset.grad
    print(cost().item())
""",
        ["L02"],
    ),
    "a gradient kept from before the loop": (
        TENSORS
        + """
cost().backward()
kept = slope.grad.clone()
for k in range(6):
    slope.data -= 0.02 * kept
    print(cost().item())
""",
        ["L02"],
    ),
    "backward in another cell": (
        "# %%\n"
        + TENSORS
        + """
# %%
cost().backward()
# %%
for k in range(6):
    with torch.no_grad():
        slope.sub_(0.02 * slope.grad)
""",
        ["L02"],
    ),
    "an optimiser with one gradient": (
        LAYER
        + """
fit(layer(A), t).backward()
for k in range(6):
    sgd.step()
    print(fit(layer(A), t).item())
""",
        ["L02"],
    ),
    "one loss, many backwards": (
        TENSORS
        + """
loss = cost()
for k in range(6):
    loss.backward(retain_graph=True)
    with torch.no_grad(): slope -= 0.02 * slope.grad
    slope.grad = None
""",
        ["L02"],
    ),
    "no backward": (
        LAYER
        + """
for k in range(6):
    sgd.zero_grad()
    loss = fit(layer(A), t)
    sgd.step()
""",
        ["L05"],
    ),
    "no step": (
        LAYER
        + """
total = 0.0
for k in range(6):
    sgd.zero_grad()
    loss = fit(layer(A), t)
    loss.backward()
    total += loss.item() * 32
""",
        ["L06"],
    ),
    "a gradient for nothing": (
        DATA
        + """
w = np.zeros(d); b = 0.0
for k in range(8):
    r = X @ w + b - y
    loss = (r @ r) / n
    dw = 2 * (r @ X) / n
    db = 2 * r.mean()
    w -= 0.05 * dw
""",
        ["L06"],
    ),
    "one of two never zeroed": (
        TENSORS
        + """
for k in range(8):
    cost().backward()
    with torch.no_grad():
        slope -= 0.02 * slope.grad
        offset -= 0.02 * offset.grad
    slope.grad.zero_()
""",
        ["L01"],
    ),
    "never zeroed, and clipped": (
        LAYER
        + """
for k in range(8):
    fit(layer(A), t).backward()
    torch.nn.utils.clip_grad_norm_(layer.parameters(), 0.5)
    sgd.step()
""",
        ["L01"],
    ),
    "an update thrown away": (
        DATA
        + """
def advance(point, slope):
    point = point - 0.1 * slope
    return point
w = np.zeros(d)
for k in range(8):
    r = X @ w - y
    loss = (r @ r) / n
    advance(w, 2 * (r @ X) / n)
""",
        ["L06"],
    ),
    "numbers of one's own, uphill": (OWN.replace("data -= ", "data += "), ["G02"]),
    "together, one sign wrong": (BOTH.replace('"c": 2', '"c": -2'), ["G09"]),
    "together, one sum": (BOTH.replace("r.mean()}", "r.sum()}"), ["G09"]),
    "together, all summed": (
        BOTH.replace("r.mean()}", "r.sum()}").replace("(r @ X) / n", "(r @ X)"),
        ["G01"],
    ),
}

SOUND: dict[str, str] = {
    "loss and gradients together": BOTH,
    "numbers of one's own": OWN,
    "several backwards for one update": (
        TENSORS
        + """
for k in range(8):
    for part in (slice(0, 12), slice(12, 24)):
        (((slope * u[part] + offset - v[part]) ** 2).mean() / 2).backward()
    with torch.no_grad():
        slope -= 0.02 * slope.grad
        offset -= 0.02 * offset.grad
    slope.grad = None; offset.grad = None
"""
    ),
    "one loss for two optimisers": (
        TENSORS
        + """
one = torch.optim.SGD([slope], lr=0.02); two = torch.optim.SGD([offset], lr=0.02)
for k in range(8):
    one.zero_grad(); two.zero_grad()
    loss = cost()
    loss.backward()
    one.step(); two.step()
"""
    ),
    "a step taken back": (
        TENSORS
        + """
for k in range(5):
    slope.grad = None
    cost().backward()
    best, rate = cost().item(), 1.0
    for tries in range(6):
        with torch.no_grad(): slope -= rate * slope.grad
        if cost().item() < best: break
        with torch.no_grad(): slope += rate * slope.grad
        rate /= 2
"""
    ),
    "a gradient of the input": (
        DATA
        + """
w = np.zeros(d)
for k in range(8):
    r = X @ w - y
    loss = (r @ r) / n
    dX = 2 * np.outer(r, w) / n
    dw = 2 * (r @ X) / n
    w -= 0.05 * dw
"""
    ),
    "an optimiser that is not used": (
        LAYER
        + """
for k in range(8):
    layer.zero_grad()
    loss = fit(layer(A), t)
    loss.backward()
    with torch.no_grad():
        for p in layer.parameters(): p -= 0.1 * p.grad
"""
    ),
    "a function that moves in place": (
        DATA
        + """
def advance(point, slope):
    point -= 0.1 * slope
w = np.zeros(d)
for k in range(8):
    r = X @ w - y
    loss = (r @ r) / n
    advance(w, 2 * (r @ X) / n)
"""
    ),
}
