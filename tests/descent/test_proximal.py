"""Proximal steps for a penalty on sizes: against a loop over the rows, and their optimum."""

from __future__ import annotations

import numpy as np
import pytest
from tests.problems import correlated, naive_loop
from tests.tiers import exhaustively

import steepest
from steepest.errors import OptionError

EPOCHS = 150


def soft(u, by):
    return np.sign(u) * np.maximum(np.abs(u) - by, 0.0)


@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("scale", ["standard", "none"])
def test_a_path_with_l1_is_the_loop_over_the_rows(scale, l2):
    table, l1 = correlated(p=6), 0.3
    model = steepest.fit(table.columns, target="y", l1=l1, l2=l2, scale=scale, epochs=EPOCHS)
    rows, _ = naive_loop(table, scale, l2)
    u, rate, weights = np.zeros(rows.design.shape[1]), model.learning_rate, []
    for _ in range(EPOCHS + 1):
        weights.append(u.copy())
        gradient = 2 * rows.design.T @ (rows.design @ u - rows.y) / len(rows.y)
        u = u - rate * (gradient + 2 * l2 * u * rows.penalised)
        u = soft(u, rate * l1 * rows.penalised)
    weights = np.array(weights)
    t = np.arange(EPOCHS + 1)
    assert model.path.position(t) == pytest.approx(weights, abs=1e-12)
    losses = np.mean((weights @ rows.design.T - rows.y) ** 2, axis=1)
    assert model.path.loss(t) == pytest.approx(losses, rel=1e-11)
    sizes = (np.abs(weights) * rows.penalised).sum(axis=1)
    squares = (weights**2 * rows.penalised).sum(axis=1)
    assert model.path.objective(t) == pytest.approx(losses + l1 * sizes + l2 * squares, rel=1e-11)
    assert (np.diff(model.path.objective(t)) <= 1e-12).all()
    assert not model.path.closed


@pytest.mark.parametrize("scale", ["standard", *exhaustively("none")])
def test_it_ends_where_coordinate_descent_does(scale):
    table = correlated(p=6).columns
    options = {"target": "y", "l1": 0.4, "l2": 0.05, "scale": scale}
    limit = steepest.fit(table, **options)
    model = steepest.fit(table, **options, epochs=1 if scale == "standard" else 2)
    for name, value in model.path.at(None).items():
        assert value == pytest.approx(limit.coefficients[name], abs=1e-10)
    assert model.path.objective(None) == pytest.approx(limit.objective, rel=1e-12)
    last = model.path.coef([400 if scale == "standard" else 60_000])[0]
    assert last == pytest.approx(limit.coef, abs=1e-8)
    assert ((last == 0) == (limit.coef == 0)).all()


def test_a_descent_of_ones_own_with_l1():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    table = correlated(p=5)
    rows, _ = naive_loop(table, "standard", 0.0)
    given = {"learning_rate": 0.1, "epochs": 2000, "l1": 0.5,
             "forward": lambda w, x: x @ w, "loss": lambda y, p: ((p - y) ** 2).mean()}  # fmt: skip
    by_hand = steepest.descend(
        rows.design, rows.y, w=np.zeros(5), **given,
        gradient=lambda x, y, p: 2 * x.T @ (p - y) / len(y),
    )  # fmt: skip
    w = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    by_torch = steepest.descend(torch.tensor(rows.design), torch.tensor(rows.y), w=w, **given)
    lasso = steepest.fit(table.columns, target="y", l1=0.5)
    for found in (by_hand.w, by_torch.w.numpy()):
        assert found == pytest.approx(lasso.coef * table.X.std(axis=0), abs=1e-9)
        assert ((found == 0) == (lasso.coef == 0)).all()
    assert (lasso.coef == 0).any()


def test_a_model_file_and_a_schedule(tmp_path):
    table = correlated(p=5).columns
    model = steepest.fit(table, target="y", l1=0.3, epochs=30, schedule="step:10:0.5")
    model.save(tmp_path / "m.json")
    again = steepest.load(tmp_path / "m.json")
    assert np.array_equal(again.path.coef([3, 30]), model.path.coef([3, 30]))
    assert again.objective == model.objective == pytest.approx(model.path.objective(30))
    held = {**table, "held": np.arange(200) % 4 == 0}
    model = steepest.fit(held, target="y", l1=0.3, epochs=30, validation="held")
    every = model.path.validation_loss(np.arange(31))
    assert model.validation.best_epoch == np.argmin(every)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rule": "momentum"}, "l1 is given, and gradient descent with momentum as rule"),
        ({"rule": "adam"}, "l1 is given, and Adam"),
        ({"rule": "l-bfgs"}, "l1 is given, and L-BFGS"),
        ({"learning_rate": "budget"}, "no closed form"),
        ({"epochs": None, "rule": "gradient-descent"}, "l1 is given, and a rule"),
    ],
)
def test_what_does_not_go_together(options, said):
    with pytest.raises(OptionError, match=said):
        steepest.fit(correlated().columns, target="y", **{"l1": 0.1, "epochs": 5, **options})
