"""What every update rule promises."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steepest.descent.loop import Status, run
from steepest.descent.rules import RULES, GradientDescent, UpdateRule, find_rule
from steepest.errors import OptionError

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)

CURVATURES = np.array([1.0, 3.0, 4.0])
OPTIMUM = np.array([2.0, -1.0, 0.5])


class Bowl:
    """½ Σ hᵢ (wᵢ - oᵢ)²: its optimum is o, its smoothness the largest h."""

    def __init__(self, curvatures=CURVATURES, optimum=OPTIMUM):
        self.curvatures, self.optimum = curvatures, optimum

    def value(self, w):
        return float((self.curvatures * (w - self.optimum) ** 2).sum() / 2)

    def value_and_gradient(self, w):
        return self.value(w), self.curvatures * (w - self.optimum)

    def smoothness(self):
        return float(self.curvatures.max())


class OneNumber(Bowl):
    def __init__(self):
        super().__init__(np.float64(4.0), np.float64(2.0))

    def value_and_gradient(self, w):
        return self.value(w), 4.0 * (w - 2.0)


def walk(rule, w, state, steps, rate=0.1):
    for _ in range(steps):
        w, state = rule.step(w, CURVATURES * (w - OPTIMUM), state, rate)
    return w, state


@every_rule
def test_reaches_the_known_optimum(rule):
    rate = rule.limit(Bowl().smoothness()) / 2
    descent = run(Bowl(), np.zeros(3), rule=rule, learning_rate=rate, epochs=2000)
    assert descent.status is Status.COMPLETED
    assert descent.w == pytest.approx(OPTIMUM, abs=1e-6)


@every_rule
def test_reaches_the_known_optimum_in_one_number(rule):
    rate = rule.limit(4.0) / 3
    descent = run(OneNumber(), 0.0, rule=rule, learning_rate=rate, epochs=2000)
    assert type(descent.w) is float
    assert descent.w == pytest.approx(2.0, abs=1e-6)


@every_rule
def test_leaves_its_arguments_as_they_are(rule):
    w, gradient = np.array([1.0, 2.0]), np.array([0.5, -0.5])
    state = rule.init(w)
    before = copy.deepcopy((w, gradient, state))
    for array in (w, gradient):
        array.flags.writeable = False
    first = rule.step(w, gradient, state, 0.1)
    second = rule.step(w, gradient, state, 0.1)
    assert np.array_equal(first[0], second[0])
    assert pickle.dumps(first[1]) == pickle.dumps(second[1])
    assert not np.shares_memory(first[0], w)
    assert np.array_equal(before[0], w)
    assert np.array_equal(before[1], gradient)
    assert pickle.dumps(before[2]) == pickle.dumps(state)


@every_rule
@given(stop=st.integers(0, 20))
def test_stopped_and_resumed_equals_never_stopped(rule, stop):
    start = np.zeros(3)
    whole, _ = walk(rule, start, rule.init(start), 20)
    saved = pickle.dumps(walk(rule, start, rule.init(start), stop))
    w, state = pickle.loads(saved)
    assert np.array_equal(walk(rule, w, state, 20 - stop)[0], whole)


@every_rule
def test_state_is_a_named_tuple(rule):
    state = rule.init(np.zeros(3))
    assert isinstance(state, tuple)
    assert hasattr(state, "_fields")


@every_rule
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keeps_the_dtype(rule, dtype):
    w = np.zeros(3, dtype=dtype)
    stepped, _ = rule.step(w, np.ones(3, dtype=dtype), rule.init(w), 0.1)
    assert stepped.dtype == dtype


@every_rule
def test_is_stable_below_its_limit_and_not_above(rule):
    limit = rule.limit(4.0)
    below = run(OneNumber(), 0.0, rule=rule, learning_rate=0.98 * limit, epochs=1000)
    above = run(OneNumber(), 0.0, rule=rule, learning_rate=1.02 * limit, epochs=1000)
    assert below.w == pytest.approx(2.0, abs=1e-6)
    assert above.status is Status.DIVERGED
    assert rule.limit(0.0) == math.inf


TORCH_OPTIMISERS = {"gradient-descent": lambda torch, w, rate: torch.optim.SGD([w], lr=rate)}


@pytest.mark.parametrize("key", RULES)
def test_agrees_with_torch_step_for_step(key):
    torch = pytest.importorskip("torch", reason="compares with torch.optim")
    w = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    curvatures, optimum = torch.tensor(CURVATURES), torch.tensor(OPTIMUM)
    optimiser = TORCH_OPTIMISERS[key](torch, w, 0.1)
    ours, arrays = w.detach().clone(), w.detach().numpy().copy()
    state, array_state = RULES[key].init(ours), RULES[key].init(arrays)
    for _ in range(30):
        optimiser.zero_grad()
        (curvatures * (w - optimum) ** 2).sum().div(2).backward()
        optimiser.step()
        ours, state = RULES[key].step(ours, curvatures * (ours - optimum), state, 0.1)
        gradient = CURVATURES * (arrays - OPTIMUM)
        arrays, array_state = RULES[key].step(arrays, gradient, array_state, 0.1)
        torch.testing.assert_close(ours, w.detach(), rtol=1e-15, atol=1e-15)
        assert arrays == pytest.approx(w.detach().numpy(), rel=1e-15, abs=1e-15)


def test_a_rule_is_found_by_name_or_is_one():
    assert find_rule("gradient-descent") is RULES["gradient-descent"]
    own = GradientDescent()
    assert find_rule(own) is own
    assert isinstance(own, UpdateRule)


@pytest.mark.parametrize("rule", ["gradient-decent", "", 3, None, GradientDescent, ["a"]])
def test_what_is_no_rule_is_refused_with_those_known(rule):
    with pytest.raises(OptionError, match="Known are 'gradient-descent'"):
        find_rule(rule)


def test_a_misspelt_rule_is_guessed():
    with pytest.raises(OptionError, match="did you mean 'gradient-descent'"):
        find_rule("gradient-decent")
