"""Programs that are right: never an alarm, and followed wherever they compute a loss."""

from __future__ import annotations

import pytest
from tests.checks.program.correct_programs import CORRECT, CORRECT_JAX, CORRECT_TORCH
from tests.checks.program.faulty_programs import DRESSES, GRAD, MSE, UPDATE
from tests.checks.program.other_programs import OTHERS
from tests.tiers import crossed, thinned

EVERY = CORRECT | CORRECT_TORCH | CORRECT_JAX
UNSEEN = {"no loss at all", "r squared", "pytree"}
"""Programs whose updates cannot be followed, and are right to be."""


@pytest.mark.parametrize("name", thinned(EVERY, set(EVERY) - {"autograd.grad", "grad"}))
def test_a_correct_program_is_silent(name, watched):
    seen = watched(EVERY[name])
    assert not seen.codes, seen.text
    if name not in UNSEEN:
        assert seen.loops, seen.text
        assert not seen.lost, seen.text


@pytest.mark.parametrize("name", OTHERS)
def test_another_kind_of_loop_is_silent(name, watched):
    seen = watched(OTHERS[name])
    assert not seen.codes, seen.text


@pytest.mark.parametrize("name", ["no loss at all", "r squared"])
def test_what_cannot_be_followed_is_said(name, watched):
    assert watched(CORRECT[name]).lost


@pytest.mark.parametrize("name", ["function", "class of layers", "dropout", "minibatches"])
def test_a_program_does_not_feel_that_it_is_watched(name, watched, tmp_path):
    """The weights it ends with are those of a run without hooks, bit for bit."""
    import numpy as np

    ending = "\nnp.savez('{}', *[v for v in globals().values() if isinstance(v, np.ndarray)])\n"
    places = [tmp_path / "with.npz", tmp_path / "without.npz"]
    watched("import numpy as np; np.random.seed(3)\n" + CORRECT[name] + ending.format(places[0]))
    alone = "import numpy as np; np.random.seed(3)\n" + CORRECT[name] + ending.format(places[1])
    exec(compile(alone, "alone", "exec"), {"__name__": "__main__", "print": lambda *_: None})
    first, second = (np.load(place) for place in places)
    assert first.files == second.files
    assert all(np.array_equal(first[key], second[key]) for key in first.files)


HAZARDS = {
    "an index that acts": """
import numpy as np
rng = np.random.default_rng(0); counts = np.zeros(4); stack = [3, 2, 1]
for i in range(3):
    counts[rng.integers(4)] += 1.0
    counts[stack.pop()] += 2.0
assert counts.sum() == 9.0 and not stack
""",
    "an attribute that cannot be read": """
class Box:
    x = property(None, lambda self, value: None)
box = Box()
for i in range(3):
    box.x = float(i)
""",
    "a main function with arguments": """
from __future__ import annotations
import argparse
import numpy as np
def main() -> None:
    options = argparse.ArgumentParser().parse_args()
    x = np.arange(1.0, 5.0); y = 2 * x; w = 0.0
    for epoch in range(8):
        loss = ((w * x - y) ** 2).mean()
        w -= 0.01 * (2 * x * (w * x - y)).mean()
        match epoch:
            case 3: continue
            case _: pass
if __name__ == "__main__":
    main()
""",
    "errors that are caught": """
w = 1.0
for i in range(3):
    try:
        w -= undefined
    except NameError:
        w -= 0.25
    else:
        raise AssertionError
assert w == 0.25
""",
    "asynchronous": """
import asyncio
async def work():
    w = 1.0
    for i in range(3):
        await asyncio.sleep(0)
        loss = w ** 2
        w -= 0.1 * 2 * w
    return w
asyncio.run(work())
""",
    "its own source": """
import inspect
def f():
    return 1
assert "return 1" in inspect.getsource(f)
""",
    "lists and texts that grow": """
text, found, total = "", [], 0
for i in range(5):
    text += str(i)
    found += [i]
    total += i
assert (text, found, total) == ("01234", [0, 1, 2, 3, 4], 10)
""",
    "an iterator read in the loop": """
source = iter(range(100)); seen = []; w = 0.0
for i in range(5):
    k = next(source)
    seen.append(k)
    loss = (w - k) ** 2
    w -= 0.1 * 2 * (w - k)
assert seen == [0, 1, 2, 3, 4], seen
""",
    "a loop that is left by return": """
def train():
    w = 3.0
    while True:
        loss = w ** 2
        if loss < 1e-3:
            return w
        w -= 0.1 * 2 * w
assert abs(train()) < 0.04
""",
}


@pytest.mark.parametrize("name", HAZARDS)
def test_a_program_does_what_it_would_do_alone(name, watched, monkeypatch):
    monkeypatch.setattr("sys.argv", ["program.py"])
    seen = watched(HAZARDS[name])
    assert not seen.codes, seen.text


RIGHT = {
    "mean": (MSE, GRAD, UPDATE),
    "half a mean": ("((X @ w - y) ** 2).mean() / 2", "X.T @ (X @ w - y) / n", "w = w - lr * dw"),
    "sum": ("((X @ w - y) ** 2).sum() / 40.0", "2 * X.T @ (X @ w - y)", "w -= lr / n * dw"),
    "sum, small steps": (
        "((X @ w - y) ** 2).sum()",
        "2 * X.T @ (X @ w - y)",
        "w -= lr * 0.02 * dw",
    ),
    "backwards": (MSE, "2 * X.T @ (y - X @ w) / n", "w += lr * dw"),
    "penalty": (MSE + " + 0.1 * (w ** 2).sum()", GRAD + " + 0.2 * w", UPDATE),
    "decay apart": (MSE + " + 0.1 * (w ** 2).sum()", GRAD, "w = w - lr * dw - lr * 0.2 * w"),
    "absolute": ("abs(X @ w - y).mean()", "X.T @ np.sign(X @ w - y) / n", UPDATE),
    "diverging": (MSE, GRAD, "w -= lr * 200 * dw"),
    "cubed": (
        "(abs(X @ w - y) ** 3).mean()",
        "3 * X.T @ ((X @ w - y) * abs(X @ w - y)) / n",
        UPDATE,
    ),
}


@crossed(1, name=RIGHT.keys(), dress=[dress for dress in DRESSES if dress != "tensors"])
def test_a_right_gradient_is_silent_in_every_dress(name, dress, watched):
    seen = watched(DRESSES[dress](*RIGHT[name]))
    assert not seen.codes, seen.text
    assert seen.loops
    assert not seen.lost, seen.text
