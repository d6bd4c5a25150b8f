"""Gradients held against their loss: right ones pass, and every slip is called by its name."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tests.checks.correct_problems import problems
from tests.checks.seeded_faults import seeded_faults

from steepest import check_gradient
from steepest.errors import EmptySourceError, GradientError, LengthError, OptionError

GOLDEN = Path(__file__).parents[1] / "recorded" / "gradient_faults.txt"
X, Y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 4.0, 6.0, 8.0])


def forward(w, x):
    return w * x


def mean(y, p):
    return ((p - y) ** 2).mean()


def total(y, p):
    return ((p - y) ** 2).sum()


def right(x, y, p):
    return (2 * x * (p - y)).mean()


def tall(n=12, p=3, seed=5):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p))
    return x, x @ rng.normal(size=p) + rng.normal(size=n), rng.normal(size=p)


def dot(w, x):
    return x @ w


def codes(checkup):
    return [finding.code for finding in checkup.findings]


# So many, drawn from a seed.
draws = pytest.mark.parametrize(
    ("count", "seed"),
    [(50, 0), *(pytest.param(200, seed, marks=pytest.mark.exhaustive) for seed in range(8))],
)


@draws
def test_no_false_alarm_on_correct_problems(count, seed):
    for p in problems(count, seed):
        checkup = check_gradient(p.forward, p.loss, p.gradient, p.x, p.y, w=p.w)
        assert checkup.ok, f"{p.family}: {checkup}"
        assert checkup.raise_for_status() is checkup


@draws
def test_no_seeded_fault_is_missed_or_misnamed(count, seed):
    for fault, p, names, expected in seeded_faults(count, seed):
        checkup = check_gradient(p.forward, p.loss, p.gradient, p.x, p.y, w=p.w, names=names)
        assert not checkup.ok, f"{fault} in {p.family}"
        assert set(expected) <= set(codes(checkup)), f"{fault} in {p.family}: {checkup}"
        with pytest.raises(GradientError, match="Hint: "):
            checkup.raise_for_status()


def test_the_notebook_is_four_times_too_large():
    x, y = X.astype(np.float32), Y.astype(np.float32)
    hand = lambda x, y, p: np.dot(2 * x, p - y).mean()  # noqa: E731
    (found,) = check_gradient(forward, mean, hand, x, y, w=0.0).findings
    assert (found.code, found.name) == ("G01", "sum, not mean")
    assert "4 × the true gradient, everywhere. 4 = n, the number of rows" in found.found
    assert "(2*x*e).mean()" in found.cure


SLIPS = {
    "sum for mean": (mean, lambda x, y, p: (2 * x * (p - y)).sum(), ["G01"]),
    "mean for sum": (total, right, ["G04"]),
    "mean twice": (mean, lambda x, y, p: right(x, y, p) / len(x), ["G04"]),
    "wrong sign": (mean, lambda x, y, p: -right(x, y, p), ["G02"]),
    "missing 2": (mean, lambda x, y, p: (x * (p - y)).mean(), ["G03"]),
    "2 for a half": (lambda y, p: mean(y, p) / 2, right, ["G03"]),
    "sign and sum": (mean, lambda x, y, p: (2 * x * (y - p)).sum(), ["G02", "G01"]),
    "n - 1": (mean, lambda x, y, p: (2 * x * (p - y)).sum() / (len(x) - 1), ["G12"]),
    "odd factor": (mean, lambda x, y, p: 1.7 * right(x, y, p), ["G05"]),
    "zero": (mean, lambda x, y, p: 0.0, ["G08"]),
    "constant": (mean, lambda x, y, p: -30.0, ["G08"]),
    "no x": (mean, lambda x, y, p: (2 * (p - y)).mean(), ["G17"]),
    "another loss": (lambda y, p: np.abs(p - y).mean(), right, ["G18"]),
    "y alone": (mean, lambda x, y, p: (2 * x * p).mean(), ["G19"]),
    "last row": (mean, lambda x, y, p: 2 * x[-1] * (p - y)[-1], ["G20"]),
    "nothing": (mean, lambda x, y, p: None, ["G10"]),
    "not a number": (mean, lambda x, y, p: float("nan"), ["G16"]),
    "a row each": (mean, lambda x, y, p: 2 * x * (p - y), ["G07"]),
    "a box": (mean, lambda x, y, p: np.array([right(x, y, p)]), ["G07"]),
    "sine": (mean, lambda x, y, p: np.sin(right(x, y, p)), ["G00"]),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_on_the_line_has_its_name(slip):
    loss, gradient, expected = SLIPS[slip]
    y = Y + np.array([0.3, -0.1, 0.2, -0.4])  # a kink at the optimum would be no slip
    assert codes(check_gradient(forward, loss, gradient, X, y, w=0.5)) == expected


def test_a_penalty_in_one_of_the_two_only():
    x, y, w = tall()
    plain = lambda x, y, p: 2 * x.T @ (p - y) / len(y)  # noqa: E731
    ridge = lambda x, y, p, w: plain(x, y, p) + 0.2 * w  # noqa: E731
    with_penalty = lambda y, p, w: mean(y, p) + 0.1 * (w**2).sum()  # noqa: E731
    (extra,) = check_gradient(dot, mean, ridge, x, y, w=w).findings
    assert extra.code == "G06"
    assert "0.2 × w" in extra.found
    assert "(0.1·‖w‖²) is in the gradient but not in the loss" in extra.found
    (lost,) = check_gradient(dot, with_penalty, plain, x, y, w=w).findings
    assert "(0.1·‖w‖²) is in the loss but not in the gradient" in lost.found
    assert "0.2 * w" in lost.cure
    assert check_gradient(dot, with_penalty, ridge, x, y, w=w).ok


def test_a_penalty_that_spares_the_intercept_names_it():
    x, y, w = tall()
    x[:, 0] = 1.0
    spare = np.array([0.0, 1.0, 1.0])
    hand = lambda x, y, p, w: 2 * x.T @ (p - y) / len(y) + 0.2 * w * spare  # noqa: E731
    (found,) = check_gradient(dot, mean, hand, x, y, w=w, names=["intercept", "a", "b"]).findings
    assert found.code == "G06"
    assert "leaves out 'intercept'" in found.found


def test_wrong_in_named_weights():
    x, y, w = tall(p=4)

    def hand(x, y, p):
        g = 2 * x.T @ (p - y) / len(y)
        g[2] = 0
        return g

    names = ["area", "rooms", "intercept", "age"]
    (found,) = check_gradient(dot, mean, hand, x, y, w=w, names=names).findings
    assert (found.code, found.name) == ("G09", "wrong in 1 of 4 weights")
    assert found.found.startswith("intercept.")
    assert "got 0. There it is zero gradient. The others match." in found.found


def test_trees_name_the_place():
    x, y, w = tall()
    model = lambda w, x: x @ w["slope"] + w["intercept"]  # noqa: E731

    def hand(x, y, p):
        e = p - y
        return {"slope": 2 * x.T @ e / len(e), "intercept": e.sum()}

    start = {"slope": w, "intercept": 0.5}
    (found,) = check_gradient(model, mean, hand, x, y, w=start).findings
    assert found.found.startswith("intercept.")
    short = lambda x, y, p: {"slope": 2 * x.T @ (p - y) / len(y)}  # noqa: E731
    (found,) = check_gradient(model, mean, short, x, y, w=start).findings
    assert (found.code, found.name) == ("G07", "wrong structure")
    assert "intercept" in found.found


def test_two_rows_leave_two_names():
    x, y = X[:2], Y[:2]
    hand = lambda x, y, p: (2 * x * (p - y)).sum()  # noqa: E731
    checkup = check_gradient(forward, mean, hand, x, y, w=0.0)
    assert sorted(codes(checkup)) == ["G01", "G03"]
    assert "or, for the same numbers," in str(checkup)


def test_weights_at_zero_and_a_target_of_zero_leave_two_names():
    # With y = 0 the gradient is a multiple of w, and so is that of a penalty.
    hand = lambda x, y, p: (3 * x * (p - y)).mean()  # noqa: E731
    checkup = check_gradient(forward, mean, hand, X, 0 * Y, w=0.0)
    assert {"G05", "G06"} == set(codes(checkup)) or codes(checkup)[0] == "G06"
    assert len(checkup.findings) == 2


def test_as_many_rows_as_weights_hide_a_broadcast():
    x, y, w = tall(n=3)
    hand = lambda x, y, p: (2 * x * (p - y)).mean(axis=0)  # noqa: E731
    (found,) = check_gradient(dot, mean, hand, x, y, w=w).findings
    assert (found.code, found.name) == ("G07", "wrong broadcast")


def test_a_column_of_predictions_beside_a_row_of_targets():
    x, y, w = tall()
    (found,) = check_gradient(
        lambda w, x: (x @ w)[:, None], mean, lambda x, y, p: x.T @ (p - y), x, y, w=w
    ).findings
    assert "shape (12, 1) and y has (12,)" in found.found
    assert "(12, 12)" in found.found


def test_a_loss_for_each_row():
    (found,) = check_gradient(forward, lambda y, p: (p - y) ** 2, right, X, Y, w=0.0).findings
    assert (found.code, found.cure) == ("G07", "end the loss in .mean()")


def test_kinks_are_no_alarm():
    x = np.array([1.0, -2.0, 3.0])
    loss = lambda y, p: np.abs(p - y).mean()  # noqa: E731
    for side in (-1.0, -0.3, 0.0, 0.7, 1.0):
        hand = lambda x, y, p, side=side: (x * np.where(p == y, side, np.sign(p - y))).mean()  # noqa: E731
        assert check_gradient(forward, loss, hand, x, 2 * x, w=2.0).ok


def test_a_corner_at_the_start_is_said_and_no_alarm():
    """max(0, z) has slope 0 at z = 0 by convention, whatever lies on either side."""
    x, y = np.array([[-2.0], [1.0], [-1.0]]), np.array([3.0, 1.0, -2.0])
    relu = lambda w, x: np.maximum(x @ w, 0)  # noqa: E731
    hand = lambda x, y, p: 2 * x.T @ ((p - y) * (p > 0)) / len(y)  # noqa: E731
    for seed in range(20):
        checkup = check_gradient(relu, mean, hand, x, y, w=np.zeros(1), seed=seed)
        assert checkup.ok, str(checkup)
    assert checkup.worst < 1e-8


def corners(seed):
    """Losses with kinks, on whole numbers, so that the start often lies on one."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(1, 12)), int(rng.integers(1, 4))
    x = rng.integers(-3, 4, (n, p)) * 1.0
    y, w = rng.integers(-3, 4, n) * 1.0, rng.integers(-2, 3, p) * 1.0
    side = np.sign(y + 0.5)
    cases = [
        (dot, lambda y, p: np.abs(p - y).mean(), lambda x, y, p: x.T @ np.sign(p - y) / n),
        (
            dot,
            lambda y, p: np.maximum(0.3 * (y - p), 0.7 * (p - y)).mean(),
            lambda x, y, p: x.T @ np.where(y > p, -0.3, 0.7) / n,
        ),
        (
            dot,
            lambda y, z: np.maximum(0, 1 - side * z).mean(),
            lambda x, y, z: -x.T @ (side * (side * z < 1)) / n,
        ),
        (
            lambda w, x: np.maximum(x @ w, 0),
            mean,
            lambda x, y, p: 2 * x.T @ ((p - y) * (p > 0)) / n,
        ),
        (
            dot,
            lambda y, p, w: mean(y, p) + 0.3 * np.abs(w).sum(),
            lambda x, y, p, w: 2 * x.T @ (p - y) / n + 0.3 * np.sign(w),
        ),
    ]
    return [(*case, x, y, w) for case in cases]


@pytest.mark.parametrize(
    "seeds", [range(8), pytest.param(range(8, 150), marks=pytest.mark.exhaustive)]
)
def test_whole_numbers_at_corners_are_no_alarm(seeds):
    for seed in seeds:
        for model, loss, hand, x, y, w in corners(seed):
            checkup = check_gradient(model, loss, hand, x, y, w=w, seed=seed)
            assert checkup.ok, str(checkup)


def test_single_precision_is_said_and_no_alarm():
    x, y, w = tall(n=1000)
    single = np.float32
    model = lambda w, x: x.astype(single) @ w.astype(single)  # noqa: E731
    hand = lambda x, y, p: 2 * x.astype(single).T @ (p - y.astype(single)) / single(len(y))  # noqa: E731
    checkup = check_gradient(model, mean, hand, x, y, w=w)
    assert checkup.ok
    assert [note.code for note in checkup.notes] == ["G11"]
    # Rows in float32 alone are checked in float64.
    checkup = check_gradient(forward, mean, right, X.astype(single), Y.astype(single), w=0.0)
    assert checkup.ok
    assert not checkup.notes
    assert checkup.worst < 1e-9


def sigmoid(w, x):
    return 1 / (1 + np.exp(-(x @ w)))


@pytest.mark.parametrize(
    ("model", "gradient", "expected", "name"),
    [
        (
            sigmoid,
            lambda x, y, p: 2 * x.T @ (p - y) / len(y),
            "G17",
            "a factor of the chain is missing",
        ),
        (
            dot,
            lambda x, y, p: 2 * x[:-1].T @ (p[:-1] - y[:-1]) / len(y),
            "G20",
            "a row left out",
        ),
        (dot, lambda x, y, p: 2 * x.T @ (p - y) / len(y) + 0.1, "G21", "a constant beside it"),
        (
            dot,
            lambda x, y, p: 2 * x.T @ (p - y) / len(y) * (1 + 1e-7),
            "G05",
            "wrong size",
        ),
    ],
)
def test_slips_of_a_plane(model, gradient, expected, name):
    x, y, w = tall()
    (found,) = check_gradient(model, mean, gradient, x, y, w=w).findings
    assert (found.code, found.name) == (expected, name)


def test_what_is_random_cannot_be_checked():
    x, y, w = tall()
    rng = np.random.default_rng(0)
    hand = lambda x, y, p: 2 * x.T @ (p - y) / len(y)  # noqa: E731
    noisy = lambda x, y, p: hand(x, y, p) + 0.1 * rng.normal(size=3)  # noqa: E731
    assert codes(check_gradient(dot, mean, noisy, x, y, w=w)) == ["G22"]
    dropout = lambda w, x: (x * (rng.random(x.shape) < 0.5)) @ w  # noqa: E731
    (found,) = check_gradient(dropout, mean, hand, x, y, w=w).findings
    assert (found.code, found.name) == ("G22", "not the same twice")
    assert found.found.startswith("the loss was")


def test_a_flat_list_of_numbers_is_an_array():
    x, y, w = tall()
    hand = lambda x, y, p: 2 * x.T @ (p - y) / len(y)  # noqa: E731
    assert check_gradient(dot, mean, hand, x.tolist(), y.tolist(), w=w.tolist()).ok


def test_torch_is_held_to_its_own_autograd():
    torch = pytest.importorskip("torch")
    x, y, w = map(torch.from_numpy, tall())
    loss = lambda y, p: ((p - y) ** 2).mean()  # noqa: E731
    hand = lambda x, y, p: 2 * x.T @ (p - y) / len(y)  # noqa: E731
    checkup = check_gradient(dot, loss, hand, x, y, w=w)
    assert checkup.ok
    assert checkup.oracle == "autograd"
    twelve = check_gradient(dot, loss, lambda x, y, p: 2 * x.T @ (p - y), x, y, w=w)
    assert codes(twelve) == ["G01"]


def test_an_autograd_that_sees_only_a_part():
    torch = pytest.importorskip("torch")
    x, y, w = map(torch.from_numpy, tall())
    loss = lambda y, p: ((p - y) ** 2).mean()  # noqa: E731
    assert check_gradient(dot, loss, None, x, y, w=w).ok
    cut = lambda w, x: x[:, :2] @ w[:2] + x[:, 2] * w[2].detach()  # noqa: E731
    (found,) = check_gradient(cut, loss, None, x, y, w=w).findings
    assert found.name == "wrong in 1 of 3 weights"
    assert "w[2]" in found.found


def test_a_module_is_checked_by_the_names_of_its_parameters():
    torch = pytest.importorskip("torch")
    x, y = (torch.from_numpy(a).float() for a in tall()[:2])
    model = torch.nn.Linear(3, 1)
    kept = {name: p.detach().clone() for name, p in model.named_parameters()}

    def hand(x, y, p):
        e = 2 * (p[:, 0] - y) / len(y)
        return {"weight": (e @ x)[None], "bias": e.sum()[None] / 2}

    column = lambda y, p: ((p - y) ** 2).mean()  # noqa: E731
    assert check_gradient(None, column, None, x, y[:, None], w=model).ok
    flat = lambda m, x: m(x)[:, 0]  # noqa: E731
    mean = lambda y, p: ((p - y) ** 2).mean()  # noqa: E731
    halved = lambda x, y, p: hand(x, y, p[:, None])  # noqa: E731
    (found,) = check_gradient(flat, mean, halved, x, y, w=model).findings
    assert found.name == "wrong in 1 of 4 weights"
    assert found.found.startswith("bias[0].")
    assert all(torch.equal(p, kept[name]) for name, p in model.named_parameters())


def test_jax_is_held_to_its_own_autodiff():
    jnp = pytest.importorskip("jax.numpy")
    x, y, w = map(jnp.asarray, tall())
    loss = lambda y, p: ((p - y) ** 2).mean()  # noqa: E731
    checkup = check_gradient(dot, loss, lambda x, y, p: 2 * x.T @ (p - y) / len(y), x, y, w=w)
    assert checkup.ok, str(checkup)
    assert checkup.oracle == "JAX's autodiff"
    assert codes(check_gradient(dot, loss, lambda x, y, p: x.T @ (p - y), x, y, w=w)) == [
        "G03",
        "G01",
    ] or "G05" not in codes(check_gradient(dot, loss, lambda x, y, p: x.T @ (p - y), x, y, w=w))
    assert check_gradient(dot, loss, None, x, y, w=w).ok


def test_nothing_of_the_callers_is_changed():
    x, y, w = tall()
    kept = x.copy(), y.copy(), w.copy()
    check_gradient(dot, mean, lambda x, y, p: 2 * x.T @ (p - y), x, y, w=w)
    assert all(np.array_equal(a, b) for a, b in zip((x, y, w), kept, strict=True))

    def edits(x, y, p):
        p -= y
        return 2 * x.T @ p / len(p)

    assert check_gradient(dot, mean, edits, x, y, w=w).ok


def test_bad_arguments():
    with pytest.raises(OptionError, match="gradient"):
        check_gradient(forward, mean, 3.0, X, Y, w=0.0)
    with pytest.raises(GradientError, match="no gradient was given"):
        check_gradient(forward, mean, None, X, Y, w=0.0)
    with pytest.raises(LengthError, match="names"):
        check_gradient(forward, mean, right, X, Y, w=0.0, names=["a", "b"])
    with pytest.raises(LengthError):
        check_gradient(forward, mean, right, X, Y[:3], w=0.0)
    with pytest.raises(EmptySourceError):
        check_gradient(forward, mean, right, X[:0], Y[:0], w=0.0)


def test_what_is_printed():
    ok = check_gradient(forward, mean, right, X, Y, w=0.0)
    assert str(ok).startswith("ok: the gradient matches the loss at 4 points (largest relative")
    bad = check_gradient(forward, mean, lambda x, y, p: -right(x, y, p), X, Y, w=0.0)
    assert repr(bad) == str(bad)
    assert str(bad) == (
        "G02 wrong sign: your gradient is -1 × the true one: it points uphill, and every step "
        "makes the loss larger.\n    Cure: use y_pred - y, not y - y_pred."
    )


def test_every_wording_as_recorded():
    """Read it when it changes: UPDATE_GOLDEN=1 writes it anew."""
    y = Y + np.array([0.3, -0.1, 0.2, -0.4])
    found = [
        f"=== {slip}\n{check_gradient(forward, loss, gradient, X, y, w=0.5)}\n"
        for slip, (loss, gradient, _) in SLIPS.items()
    ]
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text("\n".join(found))
    assert "\n".join(found) == GOLDEN.read_text()
