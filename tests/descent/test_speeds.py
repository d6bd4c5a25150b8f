"""What is said of learning rates before the first step, against loops and brute force."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from tests.clocks import count_loops
from tests.problems import collinear, correlated, naive_loop
from tests.tiers import exhaustively

import steepest
from steepest import rules
from steepest.descent.curvatures import Curvatures
from steepest.descent.speeds import Rates
from steepest.errors import LearningRateError, OptionError

LINEAR = {
    "gradient-descent": rules.GradientDescent(),
    "momentum": rules.Momentum(0.9),
    "nesterov": rules.Nesterov(0.9),
}
every_rule = pytest.mark.parametrize("rule", LINEAR.values(), ids=LINEAR)


def rates(table, **options):
    return steepest.rates(table.columns, target="y", **options)


def spread(kappa, rule, weights=None):
    """Rates of directions between 1 and κ, with a start that has a part of each."""
    h = np.geomspace(1.0, kappa, 7)
    excess = np.ones(7) if weights is None else np.asarray(weights, dtype=float)
    return Rates(rule, Curvatures(h, np.eye(7), h / 2), excess, tuple("abcdefg"), "standard")


def brute_force(found, epochs):
    """The lowest share that is left, of 1,501 rates, by a loop over the directions."""
    rule, m = found.rule, found.rule.momentum
    share = found.excess / found.excess.sum()
    x = np.linspace(0.001, 0.9999, 1501)[:, None] * found.limit * found.curvatures.values
    e, s = np.ones_like(x), np.zeros_like(x)
    for _ in range(epochs):
        s = m * s + x * e
        e = e - (x * e + m * s if isinstance(rule, rules.Nesterov) else s)
    return (e**2 @ share).min()


def radius(rule, x):
    return np.abs(np.linalg.eigvals(np.array(rule.transition(x), dtype=float))).max()


@every_rule
@pytest.mark.parametrize("kappa", [1.0, 1.7, 12.0, 501.0, 1e5])
def test_the_best_rate_has_the_best_worst_case(rule, kappa):
    found = spread(kappa, rule)
    tried = np.linspace(0.002, 0.9999, 800) * found.limit
    brute = min(max(radius(rule, rate), radius(rule, rate * kappa)) for rate in tried)
    assert found.factor() <= brute + 1e-9
    worst = max(radius(rule, found.best * h) for h in found.curvatures.values)
    assert found.factor() == pytest.approx(worst, abs=1e-6)  # two equal roots come out apart


@pytest.mark.parametrize("kappa", [1.7, 12.0, 501.0, 1e5])
def test_the_best_momentum_is_the_textbooks(kappa):
    root = math.sqrt(kappa)
    ball = spread(kappa, rules.Momentum()).tuned
    assert ball.best == pytest.approx(4 / (1 + root) ** 2, rel=1e-12)
    assert ball.rule.momentum == pytest.approx(((root - 1) / (root + 1)) ** 2, rel=1e-12)
    assert ball.factor() == pytest.approx((root - 1) / (root + 1), abs=1e-7)
    ahead, root = spread(kappa, rules.Nesterov()).tuned, math.sqrt(3 * kappa + 1)
    assert ahead.best == pytest.approx(4 / (3 * kappa + 1), rel=1e-6)
    assert ahead.factor() == pytest.approx(1 - 2 / root, abs=1e-7)
    plain = spread(kappa, rules.GradientDescent())
    assert plain.tuned.rule == plain.rule
    assert plain.best == pytest.approx(2 / (1 + kappa))


@every_rule
def test_the_limit_is_where_a_loop_turns(rule):
    table = correlated(seed=7)
    rows, _ = naive_loop(table, "none", 0.0)
    hessian = 2 * rows.design.T @ rows.design / len(rows.y)
    found = rates(table, rule=rule, scale="none")
    assert found.smoothness == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-12)
    m, ends = rule.momentum, {}
    for share in (0.9999, 1.0001):
        u, v, losses = np.ones(5), np.zeros(5), []
        for _ in range(60_000):
            g = hessian @ u
            v = m * v + g
            u = u - share * found.limit * (g + m * v if isinstance(rule, rules.Nesterov) else v)
        losses.append(u @ hessian @ u)
        ends[share] = losses[-1]
    assert ends[0.9999] < 1.0 < ends[1.0001]


@every_rule
@pytest.mark.parametrize("epochs", [1, 7, 40, *exhaustively(2, 300)])
def test_the_best_rate_for_a_budget_has_the_lowest_objective(rule, epochs):
    for table in (correlated(), correlated(n=40, p=12, seed=2)):
        for l2 in (0.0, 0.1):
            options = {"rule": rule, "l2": l2}
            found = rates(table, **options)
            best = found.best_for(epochs)
            assert 0 < best < found.limit
            model = steepest.fit(
                table.columns, target="y", learning_rate="budget", epochs=epochs, **options
            )
            assert model.learning_rate == best
            height = found.left(epochs, best)[0]
            brute = brute_force(found, epochs)
            assert height <= max(brute * (1 + 1e-9), 2.0**-104)
            assert height <= max(found.left(epochs)[0] * (1 + 1e-12), 2.0**-104)
            at = np.array([0, epochs])
            above = model.path.objective(at) - model.path.objective(None)
            if above[1] > 1e-10 * above[0]:
                assert height == pytest.approx(above[1] / above[0], rel=1e-4)


def test_without_momentum_the_budget_is_exact():
    """One direction is done in one step; two have a rate that a derivative tells."""
    assert spread(1.0, rules.GradientDescent()).best_for(5) == pytest.approx(1.0, rel=1e-12)
    h = np.array([1.0, 3.0])
    weights = [2.0, 0, 0, 0, 0, 0, 5.0]
    found = spread(3.0, rules.GradientDescent(), weights)
    # d/dη of 2 (1 - η)² + 5 (1 - 3η)² is 0 at η = 17/47.
    assert found.best_for(1) == pytest.approx((2 * h[0] + 5 * h[1]) / (2 + 45), rel=1e-14)
    # Without a part along the steepest, the best rate of the rest would be beyond the limit.
    assert found.best_for(1) < spread(3.0, rules.GradientDescent(), [1, 0, 0, 0, 0, 0, 0]).best_for(
        1
    )
    assert spread(3.0, rules.GradientDescent(), [1, 0, 0, 0, 0, 0, 0]).best_for(9) < 2 / 3


@every_rule
@pytest.mark.parametrize("tolerance", [0.5, 0.01, 1e-6])
def test_epochs_to_a_tolerance_are_the_first_of_the_loss(rule, tolerance):
    for kappa in (3.0, 50.0, 2000.0):
        found = spread(kappa, rule)
        for share in (None, 0.1, 0.99):
            rate = found.best if share is None else share * found.limit
            epochs = found.epochs_to(tolerance, rate)
            every = found.left(np.arange(epochs + 1), rate)
            assert every[-1] <= tolerance
            assert (every[:-1] > tolerance).all()


def test_epochs_may_be_trillions_or_never():
    found = spread(1e12, rules.GradientDescent(), [1, 0, 0, 0, 0, 0, 1e-30])
    assert found.epochs_to(0.01) == pytest.approx(math.log(10) * 1e12 / 2, rel=1e-3)
    assert found.epochs_to(0.01, 1.01 * found.limit) == math.inf
    with pytest.raises(OptionError, match=r"tolerance=1\.5 is not a number between 0 and 1"):
        found.epochs_to(1.5)
    with pytest.raises(OptionError, match="epochs=0"):
        found.best_for(0)
    for rate in (-1.0, 0.0, math.nan, math.inf, "0.1"):
        for ask in (found.factor, found.directions, lambda r: found.left(3, r)):
            with pytest.raises(OptionError, match="is not a positive number"):
                ask(rate)


def test_directions_say_what_makes_it_slow():
    table = correlated(p=3)
    near = np.random.default_rng(1).standard_normal(200)
    table = {**table.columns, "x4": table.X[:, 0] + 0.01 * near}
    found = steepest.rates(table, target="y")
    slowest = found.directions()[0]
    assert list(slowest.loadings)[:2] in (["x1", "x4"], ["x4", "x1"])
    assert sum(v**2 for v in slowest.loadings.values()) == pytest.approx(1)
    assert sum(one.share for one in found.directions()) == pytest.approx(1)
    assert slowest.curvature == pytest.approx(found.curvatures.values.min())
    left = found.curvatures.values.min() * found.best
    assert slowest.epochs == math.ceil(math.log(0.01) / math.log1p(-left))


def test_what_scaling_buys():
    found = rates(correlated())
    raw = rates(correlated(), scale="none")
    assert found.other.scale == "none"
    assert found.other.condition == raw.condition > 10 * found.condition
    assert raw.other.condition == found.condition
    assert raw.epochs_to(0.01) > 10 * raw.other.epochs_to(0.01)


def test_dependent_columns_do_not_move():
    found = rates(collinear())
    assert len(found.directions()) == 2
    assert found.condition < 1e3


def test_a_problem_without_columns():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", steepest.SteepestWarning)
        model = steepest.fit({"x": [1.0, 1.0, 1.0], "y": [1.0, 2.0, 4.0]}, target="y")
    found = model.rates
    assert found.directions() == ()
    assert math.isnan(found.best)
    assert found.epochs_to(0.1) == 0
    assert found.limit == math.inf


def test_a_start_at_the_optimum_has_nothing_to_lose():
    table = {"x": [1.0, 2.0, 3.0, 4.0], "y": [2.0, 4.0, 6.0, 8.0]}
    model = steepest.fit(table, target="y", w={"x": 2.0}, learning_rate="budget", epochs=3)
    assert model.learning_rate == model.rates.best
    assert model.rates.epochs_to(0.01) == 0


@every_rule
def test_a_rate_at_the_limit_is_refused_with_its_numbers(rule):
    limit = rates(correlated(), rule=rule).limit
    for share in (1.0, 1.0001, 3.0):
        with pytest.raises(LearningRateError) as refused:
            steepest.fit(correlated().columns, target="y", rule=rule, learning_rate=share * limit)
        said = str(refused.value)
        assert rule.limit_formula in said
        assert "L = 3.05669" in said
        assert refused.value.exit_code == 3
        if share > 1:
            assert "times an epoch, along" in said
    steepest.fit(correlated().columns, target="y", rule=rule, learning_rate=0.9999 * limit)
    # With momentum there is no limit of the path to stand at, beyond it.
    with pytest.raises(LearningRateError):
        steepest.fit(correlated().columns, target="y", rule=rule, learning_rate=2 * limit,
                     allow_divergence=True)  # fmt: skip


@pytest.mark.parametrize("rule", ["adam", "l-bfgs"])
def test_rules_without_a_limit_have_no_rates_to_tell(rule):
    with pytest.raises(OptionError, match="no closed form"):
        rates(correlated(), rule=rule)


@pytest.mark.parametrize("rule", [rules.Momentum(0.995), rules.Nesterov(0.995)])
def test_the_budget_of_many_directions_and_epochs_is_the_lowest_of_a_dense_grid(rule):
    """By the recurrence itself, epoch by epoch, at 40,000 rates."""
    random = np.random.default_rng(1)
    h, epochs, m = np.geomspace(1e-3, 1, 8) * random.uniform(0.5, 1, 8), 700, rule.momentum
    height = random.uniform(0.1, 1, 8)
    found = Rates(rule, Curvatures(h, np.eye(8), h / 2), height, tuple("abcdefgh"), "standard")
    best = found.best_for(epochs)
    tried = np.append(np.arange(1, 40_000) / 40_000 * found.limit, best)
    x = np.outer(tried, h)
    e, v = np.ones_like(x), np.zeros_like(x)
    for _ in range(epochs):
        v = m * v + x * e
        e = e - (x * e + m * v if isinstance(rule, rules.Nesterov) else v)
    left = e**2 @ height
    assert left[-1] <= left.min() * (1 + 1e-9)
    wide = np.geomspace(1e-4, 1, 50)
    many = Rates(rule, Curvatures(wide, np.eye(50), wide / 2), wide, ("",) * 50, "standard")
    assert count_loops(lambda: many.best_for(5_000)) < 35  # ten; a hundred were too many
