"""Solvers that search along lines: by their optimum, on every kind of numbers."""

from __future__ import annotations

import numpy as np
import pytest
from tests.problems import correlated

import steepest
from steepest import rules
from steepest.descent.loop import run
from steepest.descent.searches import SOLVERS, Point, search
from steepest.errors import OptionError

every_solver = pytest.mark.parametrize("name", SOLVERS)


class Bowl:
    """½ Σ hᵢ (wᵢ - oᵢ)², curvatures from 1 to 10⁴."""

    h, o = np.logspace(0, 4, 12), np.linspace(-3, 3, 12)

    def value_and_gradient(self, w):
        return float((self.h * (w - self.o) ** 2).sum() / 2), self.h * (w - self.o)


class Rosenbrock:
    """(1 - a)² + 100 (b - a²)²: a bent valley, its floor at (1, 1)."""

    def value_and_gradient(self, w):
        a, b = w
        value = (1 - a) ** 2 + 100 * (b - a * a) ** 2
        return float(value), np.array([2 * (a - 1) - 400 * a * (b - a * a), 200 * (b - a * a)])


class Poisson:
    """Σ exp(xᵢw) - yᵢ xᵢw, which overflows where a step is too long."""

    rng = np.random.default_rng(1)
    x = rng.standard_normal((60, 3)) * [1, 5, 20]
    y = rng.poisson(np.exp(x @ [0.5, -0.1, 0.02]))

    def value_and_gradient(self, w):
        mean = np.exp(self.x @ w)
        return float((mean - self.y * (self.x @ w)).sum()), self.x.T @ (mean - self.y)


@every_solver
def test_a_bowl(name):
    found = run(Bowl(), np.zeros(12), rule=SOLVERS[name], learning_rate=None, epochs=400)
    assert found.w == pytest.approx(Bowl.o, abs=1e-8)
    assert found.status.name == "COMPLETED"
    assert (np.diff(list(found.losses)) <= 1e-12 * found.losses[0]).all()


def test_conjugate_directions_need_one_search_a_weight():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    matrix, optimum = (basis * [1.0, 2.0, 5.0, 9.0, 20.0]) @ basis.T, np.arange(5.0)

    class Quadratic:
        def value_and_gradient(self, w):
            gap = w - optimum
            return float(gap @ matrix @ gap) / 2, matrix @ gap

    rule = SOLVERS["conjugate-gradient"]
    found = run(Quadratic(), np.zeros(5), rule=rule, learning_rate=None, epochs=5)
    assert found.loss <= 1e-12 * found.losses[0]


@every_solver
def test_a_bent_valley(name):
    start = np.array([-1.2, 1.0])
    found = run(Rosenbrock(), start, rule=SOLVERS[name], learning_rate=None, epochs=150)
    assert found.w == pytest.approx([1.0, 1.0], abs=1e-6)


@every_solver
def test_a_loss_that_overflows(name):
    from scipy.optimize import minimize

    problem = Poisson()
    truth = minimize(problem.value_and_gradient, np.zeros(3), jac=True, tol=1e-12)
    found = run(problem, np.zeros(3), rule=SOLVERS[name], learning_rate=None, epochs=200)
    assert found.loss == pytest.approx(truth.fun, rel=1e-10)


@every_solver
def test_a_fit_reaches_least_squares(name):
    table = correlated(p=6)
    model = steepest.fit(table.columns, target="y", rule=name, epochs=40)
    limit = steepest.fit(table.columns, target="y")
    assert model.coef == pytest.approx(limit.coef, rel=1e-8)
    assert model.loss == pytest.approx(limit.loss, rel=1e-12)
    assert np.isnan(model.learning_rate)
    assert steepest.fit(table.columns, target="y", rule=name).coefficients == limit.coefficients


@every_solver
def test_a_number_a_tree_and_tensors(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = np.linspace(-1, 2, 30)
    y = 3 * x - 1
    given = {"rule": name, "epochs": 40, "loss": lambda y, p: ((p - y) ** 2).mean()}
    one = steepest.descend(
        x, 3 * x, forward=lambda w, x: w * x, w=0.0, **given,
        gradient=lambda x, y, p: (2 * x * (p - y)).mean(),
    )  # fmt: skip
    assert type(one.w) is float
    assert one.w == pytest.approx(3.0, abs=1e-9)
    w = {k: torch.zeros((), dtype=torch.float64, requires_grad=True) for k in "ab"}
    tree = steepest.descend(
        torch.tensor(x), torch.tensor(y), forward=lambda w, x: w["a"] * x + w["b"], w=w, **given
    )
    assert {k: v.item() for k, v in tree.w.items()} == pytest.approx({"a": 3, "b": -1}, abs=1e-8)
    columns = (torch.tensor(one, dtype=torch.float32)[:, None] for one in (x, y))
    module = steepest.descend(
        *columns,
        w=torch.nn.Linear(1, 1), **given,
    )  # fmt: skip
    assert module.w.weight.item() == pytest.approx(3.0, abs=1e-3)


@every_solver
def test_jax(name):
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    x = jax.numpy.linspace(-1.0, 2.0, 30)
    found = steepest.descend(
        x, 3 * x - 1, forward=lambda w, x: w[0] * x + w[1], w=jax.numpy.zeros(2), rule=name,
        loss=lambda y, p: ((p - y) ** 2).mean(), epochs=30,
    )  # fmt: skip
    assert np.asarray(found.w) == pytest.approx([3.0, -1.0], abs=1e-3)


@every_solver
def test_it_goes_on_from_a_checkpoint(name, tmp_path):
    x, file = np.random.default_rng(0).standard_normal((50, 4)), tmp_path / "run.ckpt"
    y = x @ [1.0, 2.0, 3.0, 4.0] + 1e-3 * x[:, 0] ** 2

    def go(epochs, **more):
        return steepest.descend(
            x, y, forward=lambda w, x: x @ w, loss=lambda y, p: ((p - y) ** 4).mean(),
            gradient=lambda x, y, p: 4 * x.T @ (p - y) ** 3 / len(y), w=np.zeros(4), rule=name,
            epochs=epochs, **more,
        )  # fmt: skip

    whole = go(25)
    go(9, checkpoint=file)
    assert np.array_equal(go(25, checkpoint=file).w, whole.w)


def test_at_the_optimum_nothing_moves():
    for rule in SOLVERS.values():
        found = run(Bowl(), Bowl.o.copy(), rule=rule, learning_rate=None, epochs=5)
        assert np.array_equal(found.w, Bowl.o)


def test_a_search_meets_the_conditions_of_wolfe():
    rng = np.random.default_rng(5)
    for _ in range(200):
        a, b, c = rng.uniform(0.1, 3, 3)

        def look(t, a=a, b=b, c=c):
            loss = a * np.cosh(b * (t - c)) + 0.3 * np.sin(2 * t)
            return Point(t, loss, a * b * np.sinh(b * (t - c)) + 0.6 * np.cos(2 * t))

        start = look(0.0)
        if start.slope >= 0:
            continue
        for flatness in (0.9, 0.1, 1e-3):
            t = search(look, start, rng.uniform(1e-3, 50), flatness)
            at = look(t)
            assert at.loss <= start.loss + 1e-4 * t * start.slope + 1e-12
            assert abs(at.slope) <= flatness * abs(start.slope)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"learning_rate": 0.1}, "learning_rate=0.1 is given, and L-BFGS as rule"),
        ({"batch_size": 2}, "batch_size=2 is not possible with searches"),
        ({"l1": 0.1}, "l1 is given, and L-BFGS"),
        ({"rule": "l-bgfs"}, "did you mean 'l-bfgs'"),
    ],
)
def test_what_is_refused(options, said):
    x = np.arange(1.0, 5.0)
    given = {"rule": "l-bfgs", **options}
    with pytest.raises(OptionError, match=said):
        steepest.descend(
            x, x, forward=lambda w, x: w * x, loss=lambda y, p: ((p - y) ** 2).mean(),
            gradient=lambda x, y, p: (2 * x * (p - y)).mean(), w=0.0, epochs=3, **given,
        )  # fmt: skip
    with pytest.raises(OptionError, match="memory=0"):
        rules.LBFGS(0)
