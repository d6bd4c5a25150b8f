"""Loops of one's own, watched: each mistake is made, and called by its name."""

from __future__ import annotations

import numpy as np
import pytest

from steepest import Audit
from steepest.errors import LengthError, OptionError

RNG = np.random.default_rng(3)
X = RNG.normal(size=(30, 3))
Y = X @ np.array([1.0, -2.0, 0.5]) + 0.1 * RNG.normal(size=30)
LR = 0.05


def forward(w, x):
    return x @ w


def loss(y, p):
    return ((p - y) ** 2).mean()


def true(w, x=X, y=Y):
    return 2 * x.T @ (x @ w - y) / len(y)


def start():
    return Audit(forward, loss, X, Y), np.array([0.5, 0.5, 0.5])


def codes(audit):
    return [finding.code for finding in audit.report().findings]


def test_a_right_loop_is_ok():
    audit, w = start()
    for _ in range(40):
        g = true(w)
        audit.record(w, g, LR)
        w = w - LR * g
    checkup = audit.report()
    assert checkup.ok
    assert str(checkup).startswith("ok: 40 updates used the gradient of the loss (largest")


def test_in_place_updates_are_told_by_copies():
    audit, w = start()
    for _ in range(5):
        g = true(w)
        audit.record(w, g, LR)
        w -= LR * g
        g[:] = 7
    assert audit.report().ok


def test_gradients_that_add_up():
    audit, w = start()
    total = np.zeros(3)
    for _ in range(20):
        total += true(w)
        audit.record(w, total, LR)
        w = w - LR * total
    (found,) = audit.report().findings
    assert (found.code, found.name) == ("L01", "gradients add up")
    assert "momentum 1.0" in found.found


def test_gradients_that_add_up_and_are_sums():
    audit, w = start()
    total = np.zeros(3)
    for _ in range(20):
        total += 30 * true(w)
        audit.record(w, total, LR / 30)
        w = w - LR / 30 * total
    assert codes(audit) == ["L01", "G01"]


def test_pytorch_that_is_never_zeroed():
    torch = pytest.importorskip("torch")
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    w = torch.full((3,), 0.5, dtype=torch.float64, requires_grad=True)
    audit = Audit(forward, loss, x, y)
    for _ in range(10):
        loss(y, forward(w, x)).backward()
        audit.record(w, w.grad, LR)
        with torch.no_grad():
            w -= LR * w.grad
    (found,) = audit.report().findings
    assert found.code == "L01"
    assert "w.grad.zero_()" in found.cure


def test_a_stale_gradient():
    audit, w = start()
    g = true(w)
    for _ in range(10):
        audit.record(w, g, LR)
        w = w - LR * g
    (found,) = audit.report().findings
    assert (found.code, found.name) == ("L02", "stale gradient")
    assert "all 10 updates used the same number" in found.found


def test_one_epoch_late():
    audit, w = start()
    g = true(w)
    for _ in range(10):
        audit.record(w, g, LR)
        g, w = true(w), w - LR * g
    assert codes(audit) == ["L03"]


def test_no_gradient_says_why():
    torch = pytest.importorskip("torch")
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    w = torch.full((3,), 0.5, dtype=torch.float64, requires_grad=True)
    audit = Audit(forward, loss, x, y)
    for _ in range(2):
        loss(y, forward(w, x)).backward()
        g = w.grad if w.is_leaf else None
        audit.record(w, g, LR)
        if g is None:
            break
        w = w - LR * g
    (found,) = audit.report().findings
    assert found.code == "L05"
    assert "update 2" in found.found
    assert "not a leaf" in found.found


def test_a_copy_that_moves_alone():
    audit, w = start()
    copy = w.copy()
    for _ in range(10):
        g = true(w)
        audit.record(w, g, LR)
        copy -= LR * g
    assert codes(audit) == ["L06"]


def test_another_step_than_told():
    audit, w = start()
    for _ in range(10):
        g = true(w)
        audit.record(w, g, LR)
        w = w - LR * np.sign(g)
    assert codes(audit) == ["L08"]


def test_weights_that_something_else_changes():
    audit, w = start()
    for epoch in range(10):
        g = true(w)
        audit.record(w, g, LR)
        w = w - LR * g
        if epoch == 4:
            w = w + 0.5
    (found,) = audit.report().findings
    assert found.code == "L08"


def test_a_penalty_in_the_update_only():
    audit, w = start()
    for _ in range(10):
        g = true(w) + 0.4 * w
        audit.record(w, g, LR)
        w = w - LR * g
    assert codes(audit) == ["G06"]


def test_ascent():
    audit, w = start()
    for _ in range(10):
        g = true(w)
        audit.record(w, -g, LR)
        w = w + LR * g
    assert codes(audit) == ["G02"]
    audit, w = start()
    for _ in range(10):  # w += lr × (-gradient) goes down
        g = -true(w)
        audit.record(w, g, LR)
        w = w + LR * g
    assert audit.report().ok


def test_momentum_by_hand_is_no_fault():
    for damp in (1.0, 0.1):
        audit, w = start()
        v = np.zeros(3)
        for _ in range(30):
            v = 0.9 * v + damp * true(w)
            audit.record(w, v, LR)
            w = w - LR * v
        checkup = audit.report()
        assert checkup.ok, str(checkup)


def test_minibatches_are_told_with_their_rows():
    audit, w = start()
    for k in range(12):
        rows = slice(5 * (k % 6), 5 * (k % 6) + 5)
        g = true(w, X[rows], Y[rows])
        audit.record(w, g, LR, X=X[rows], Y=Y[rows])
        w = w - LR * g
    assert audit.report().ok


def test_minibatches_that_are_not_told_are_asked_for():
    audit, w = start()
    for k in range(12):
        rows = slice(5 * (k % 6), 5 * (k % 6) + 5)
        g = true(w, X[rows], Y[rows])
        audit.record(w, g, LR)
        w = w - LR * g
    assert "audit.record(w, gradient, lr, X=xb, Y=yb)" in str(audit.report())


def test_long_loops_keep_their_ends():
    audit, w = start()
    for epoch in range(1000):
        g = true(w) * (1 if epoch < 990 else -1)
        audit.record(w, g, 0.001)
        w = w - 0.001 * g
    checkup = audit.report()
    assert not checkup.ok
    assert checkup.points == 1000


def test_float32_is_no_alarm():
    single = np.float32
    x, y = X.astype(single), Y.astype(single)
    audit = Audit(forward, loss, x, y)
    w = np.full(3, 0.5, dtype=single)
    for _ in range(40):
        g = 2 * x.T @ (x @ w - y) / single(len(y))
        audit.record(w, g, LR)
        w = w - single(LR) * g
    checkup = audit.report()
    assert checkup.ok, str(checkup)
    assert [note.code for note in checkup.notes] == ["G11"]


def test_bad_arguments():
    audit, w = start()
    with pytest.raises(OptionError, match="updates"):
        audit.report()
    with pytest.raises(LengthError):
        audit.record(w, true(w)[:2], LR)
    with pytest.raises(OptionError, match="given beside the other"):
        audit.record(w, true(w), LR, X=X[:4])
    with pytest.raises(LengthError):
        Audit(forward, loss, X, Y, names=["a"]).record(w, true(w), LR)
