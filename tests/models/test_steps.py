"""Fits by every rule: against PyTorch's optimisers over the rows, and in model files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.problems import correlated, naive_loop

import steepest
from steepest import rules
from steepest.errors import OptionError
from steepest.store import read_json, write_json

ADAPTIVE = {"adagrad": "Adagrad", "rmsprop": "RMSprop", "adam": "Adam", "adamw": "AdamW"}


def fit(table=None, **options):
    return steepest.fit((table or correlated()).columns, target="y", **options)


@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("rate", [None, 0.05])
@pytest.mark.parametrize("scale", ["standard", "none"])
@pytest.mark.parametrize("rule", ADAPTIVE)
def test_an_adaptive_rule_is_pytorchs_over_the_rows(rule, scale, rate, l2):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    table = correlated()
    rows, _ = naive_loop(table, scale, l2)
    X, y = torch.tensor(rows.design), torch.tensor(rows.y)
    mask = torch.tensor(rows.penalised)
    w = torch.zeros(X.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = getattr(torch.optim, ADAPTIVE[rule])([w], **({} if rate is None else {"lr": rate}))
    losses = []
    for _ in range(31):
        optimiser.zero_grad()
        loss = ((X @ w - y) ** 2).mean()
        losses.append(loss.item())
        (loss + l2 * (mask * w**2).sum()).backward()
        last = w.detach().numpy().copy()
        optimiser.step()
    model = fit(table, rule=rule, learning_rate=rate, scale=scale, l2=l2, epochs=30)
    assert model.path.position(30)[0] == pytest.approx(last, abs=1e-11)
    assert model.path.loss(np.arange(31)) == pytest.approx(losses, rel=1e-10)
    assert model.loss == pytest.approx(losses[-1], rel=1e-10)
    assert "no curvature limits it" in model.learning_rate_reason
    assert ("default of PyTorch" in model.learning_rate_reason) == (rate is None)


def test_epochs_of_a_stepped_path_in_any_order():
    model = fit(rule="adam", learning_rate=0.1, epochs=50)
    path = model.path
    every = path.coef(np.arange(121))
    assert np.array_equal(path.coef([120, 3, 77, 3]), every[[120, 3, 77, 3]])
    assert path.at(None) == fit().coefficients
    assert path.loss([0, np.inf])[1] == fit().loss


def test_a_long_path_of_many_columns_keeps_what_is_asked_for(monkeypatch):
    from steepest.descent import stepped

    monkeypatch.setattr(stepped, "KEPT", 100)
    model = fit(rule="adam", learning_rate=0.1, epochs=50)
    whole = fit(rule="adam", learning_rate=0.1, epochs=50)
    assert np.array_equal(model.path.coef([50, 7, 20]), whole.path.coef([50, 7, 20]))


def test_a_rule_of_ones_own():
    class Signs:
        """Steps by the sign of the gradient alone."""

        name = "signs"

        def init(self, w):
            return ()

        def step(self, w, gradient, state, learning_rate):
            return w - learning_rate * np.sign(gradient), state

        def limit(self, smoothness):
            return float("inf")

    model = fit(rule=Signs(), learning_rate=0.01, epochs=500)
    assert model.path.position(1)[0] == pytest.approx(0.01 * np.sign(model.path.position(1)[0]))
    assert model.loss < 0.1


@pytest.mark.parametrize(
    "options",
    [
        {"rule": "momentum"},
        {"momentum": 0.5, "epochs": 7},
        {"rule": rules.Nesterov(0.3), "epochs": 7, "learning_rate": "budget"},
        {"rule": "nesterov", "momentum": "best", "epochs": 3, "l2": 0.1},
        {"rule": rules.Adam((0.8, 0.99), 1e-6), "epochs": 7, "learning_rate": 0.1},
        {"rule": "adamw", "epochs": 7, "schedule": "warm-up:3,cosine"},
        {"rule": "l-bfgs", "epochs": 3},
        {"learning_rate": 2.0, "epochs": 30, "allow_divergence": True},
        {"learning_rate": "best", "schedule": rules.Step(3, 0.5), "epochs": 30, "scale": "none"},
    ],
)
def test_a_model_file_keeps_the_path(options, tmp_path):
    model = fit(**options)
    model.save(tmp_path / "model.json")
    again = steepest.load(tmp_path / "model.json")
    t = np.array([0, 1, 2, 9, 40])
    assert np.array_equal(again.path.coef(t), model.path.coef(t))
    assert np.array_equal(again.path.loss(t), model.path.loss(t))
    assert again.settings == model.settings
    assert str(again) == str(model)


def test_a_file_keeps_the_name_of_a_rule_of_ones_own(tmp_path):
    class Lazy(rules.GradientDescent):
        name = "laziness"

    fit(rule=Lazy(), epochs=3).save(tmp_path / "model.json")
    again = steepest.load(tmp_path / "model.json")
    assert again.predict({n: [1.0] for n in again.names}).shape == (1,)
    with pytest.raises(OptionError, match="made by laziness"):
        _ = again.path


def test_a_file_from_before_there_were_rules(tmp_path):
    path = tmp_path / "model.json"
    fit(epochs=5).save(path)
    content = read_json(path)
    for key in ("rule", "tuned", "schedule", "own_schedule", "l1", "allow_divergence"):
        del content["settings"][key]
    write_json(path, content)
    assert steepest.load(path).path.at(5) == fit(epochs=5).path.at(5)
    assert "rule" not in json.dumps(content["settings"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rule": "adam"}, "epochs is not given, and Adam has no closed form"),
        ({"schedule": "cosine"}, "epochs is not given, and a schedule has no closed form"),
        ({"rule": "momentun"}, "did you mean 'momentum'"),
        ({"rule": 3}, "rule=3 is not known"),
        ({"rule": "adam", "momentum": 0.5}, "momentum=0.5 is given, and Adam as rule"),
        ({"rule": "gradient-descent", "momentum": 0.5}, "momentum=0.5 is given"),
        ({"momentum": 1.0}, "momentum=1.0 is not a number from 0 to below 1"),
        ({"momentum": -0.1}, "momentum=-0.1 is not"),
        ({"momentum": "great"}, "momentum='great' is not known"),
        ({"momentum": True}, "momentum=True is not"),
        ({"momentum": float("nan")}, "momentum=nan is not"),
        ({"learning_rate": "budget"}, "no number of epochs"),
        ({"learning_rate": "budgt"}, "did you mean 'budget'"),
        ({"learning_rate": "budget", "epochs": 3, "schedule": "cosine"}, "no closed form"),
        ({"learning_rate": "best", "epochs": 3, "rule": "adam"}, "no closed form"),
        ({"learning_rate": 0.1, "epochs": 3, "rule": "l-bfgs"}, "and L-BFGS as rule"),
        ({"schedule": "cosine", "epochs": 3, "rule": "l-bfgs"}, "schedule is given, and L-BFGS"),
    ],
)
def test_what_does_not_go_together(options, said):
    with pytest.raises(OptionError, match=said):
        fit(**options)
