"""Descent on arrays of JAX, with JAX's gradient and without."""

from __future__ import annotations

import subprocess
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from steepest.descent.compiled import ByTracing
from steepest.descent.loop import Status, descend
from steepest.errors import GradientError, LengthError, OptionError, SteepestWarning

X, Y = jnp.array([1.0, 2.0, 3.0, 4.0]), jnp.array([2.0, 4.0, 6.0, 8.0])


def forward(w, x):
    return w * x


def loss(y, p):
    return ((p - y) ** 2).mean()


def gradient(x, y, p):
    return (2 * x * (p - y)).mean()


def train(x=X, y=Y, **changes):
    options = {"forward": forward, "loss": loss, "w": 0.0, "learning_rate": 0.01, "epochs": 10}
    return descend(x, y, **(options | changes))


@pytest.fixture
def doubles():
    with jax.enable_x64(True):
        yield


def test_agrees_with_a_loop_of_its_own():
    descent, w = train(epochs=50), jnp.float32(0.0)
    step = jax.jit(jax.value_and_grad(lambda w: loss(Y, forward(w, X))))
    for epoch in range(51):
        value, slope = step(w)
        assert float(descent.weights[epoch]) == pytest.approx(float(w), rel=1e-6)
        assert descent.losses[epoch] == pytest.approx(float(value), rel=1e-5)
        w = w - 0.01 * slope


@pytest.mark.usefixtures("doubles")
def test_the_closed_form_in_doubles():
    x, y = jnp.arange(1.0, 5.0), 2 * jnp.arange(1.0, 5.0)
    descent = train(x, y, epochs=50)
    assert descent.w.dtype == jnp.float64
    for epoch in range(51):
        assert float(descent.weights[epoch]) == pytest.approx(2 - 2 * 0.85**epoch, rel=1e-12)
    assert descent.smoothness == pytest.approx(15.0, rel=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_types_stay(dtype):
    descent = train(X.astype(dtype), Y.astype(dtype), w=jnp.zeros((), dtype))
    assert {kept.dtype for kept in (descent.w, *descent.weights)} == {jnp.dtype(dtype)}
    assert isinstance(descent.predict(X), jax.Array)


@pytest.mark.parametrize("start", [0.0, 0, jnp.array(0), np.float32(0)])
def test_a_number_becomes_an_array_of_jax(start):
    descent = train(w=start)
    assert isinstance(descent.w, jax.Array)
    assert float(descent.w) == pytest.approx(2 - 2 * 0.85**10, rel=1e-5)


def test_any_of_the_three_may_be_of_jax():
    x, y = np.asarray(X), np.asarray(Y)
    for arguments in ((X, y, 0.0), (x, Y, 0.0), (x, y, jnp.float32(0.0))):
        descent = train(*arguments[:2], w=arguments[2])
        assert float(descent.w) == float(train().w)


def test_trees():
    start = {"slope": jnp.zeros(()), "rest": [jnp.zeros(1)]}
    descent = train(w=start, forward=lambda w, x: w["slope"] * x + w["rest"][0], epochs=2000,
                    learning_rate=0.05)  # fmt: skip
    assert float(descent.w["slope"]) == pytest.approx(2.0, abs=1e-4)
    assert descent.weights[-1]["rest"][0].shape == (1,)


def test_a_gradient_by_hand():
    descent = train(gradient=gradient)
    assert isinstance(descent.w, jax.Array)
    assert np.asarray(descent.losses) == pytest.approx(np.asarray(train().losses), rel=1e-5)


def test_a_penalty_is_given_w():
    descent = train(loss=lambda y, p, w: loss(y, p) + 7.5 * w**2, epochs=500)
    assert float(descent.w) == pytest.approx(1.0, rel=1e-5)


def test_forward_and_loss_are_traced_once():
    traced = []
    train(forward=lambda w, x: traced.append(x) or w * x, epochs=30)
    assert len(traced) <= 2
    assert all(isinstance(x, jax.core.Tracer) for x in traced)


def test_branches_on_values_run_uncompiled_and_it_is_said():
    with pytest.warns(SteepestWarning, match=r"cannot be compiled.*TracerBoolConversionError"):
        descent = train(forward=lambda w, x: w * x if w > -1 else -w * x)
    assert float(descent.w) == pytest.approx(float(train().w), rel=1e-6)


def test_numpy_beside_the_weights_runs_uncompiled():
    with pytest.warns(SteepestWarning, match="cannot be compiled"):
        descent = train(forward=lambda w, x: w * np.asarray(x))
    assert float(descent.w) == pytest.approx(float(train().w), rel=1e-6)


@pytest.mark.parametrize(
    "cut", [lambda w, x: np.exp(w) * x, lambda w, x: float(w) * x, lambda w, x: w.item() * x]
)
def test_numpy_on_traced_numbers_is_refused_with_the_cure(cut):
    with pytest.raises(GradientError, match="JAX cannot follow") as error:
        train(forward=cut)
    assert error.match("jnp.exp")


@pytest.mark.parametrize(
    "cut",
    [lambda w, x: jax.lax.stop_gradient(w) * x, lambda w, x: 2 * x, lambda w, x: jnp.zeros(4)],
)
def test_a_loss_that_w_does_not_reach_is_refused(cut):
    with pytest.raises(GradientError, match="does not depend on w as far as JAX can see"):
        train(forward=cut)


def test_a_loss_that_counts_has_no_slope():
    with pytest.raises(GradientError, match="does not depend on w"):
        train(loss=lambda y, p: (p > y).sum())
    with pytest.raises(GradientError, match=r"loss returned shape \(2,\)"):
        train(loss=lambda y, p: (loss(y, p), 1.0))


def test_lost_digits_are_said():
    with pytest.warns(SteepestWarning, match="x is float64, and JAX makes it float32"):
        train(np.arange(1.0, 5.0))
    with pytest.warns(SteepestWarning, match="w is float64"):
        train(w=np.zeros(1))


@pytest.mark.usefixtures("doubles")
def test_and_none_are_lost_where_doubles_are_on():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert train(np.arange(1.0, 5.0), w=jnp.zeros(1)).w.dtype == jnp.float64


@pytest.mark.parametrize(
    ("x", "y", "w", "said"),
    [
        (torch.ones(4), Y, 0.0, "x is of PyTorch, and y of JAX"),
        (X, torch.ones(4), 0.0, "y is of PyTorch, and x of JAX"),
        (torch.ones(4), torch.ones(4), jnp.zeros(()), "x and y are of PyTorch, and w of JAX"),
        (X, Y, {"a": torch.zeros(1)}, "w is of PyTorch, and x and y of JAX"),
    ],
)
def test_torch_and_jax_are_not_mixed(x, y, w, said):
    with pytest.raises(OptionError, match=said):
        train(x, y, w=w)


def test_wrong_shapes_are_refused():
    with pytest.raises(LengthError, match=r"shape \(4, 1\), but y has shape \(4,\)"):
        train(forward=lambda w, x: (w * x)[:, None])
    with pytest.raises(GradientError, match=r"loss returned shape \(4,\)"):
        train(loss=lambda y, p: (p - y) ** 2)
    with pytest.raises(GradientError, match="forward returned nothing"):
        train(forward=lambda w, x: None)
    with pytest.raises(OptionError, match="w=nan is not a finite number"):
        train(w=float("nan"))
    with pytest.raises(OptionError, match="is not a number"):
        train(w="0")


def test_divergence_and_nan_are_seen():
    assert train(learning_rate=1.0).status is Status.DIVERGED
    assert train(learning_rate=1e30).status is Status.DIVERGED
    assert train(X.at[1].set(jnp.nan)).status is Status.NOT_FINITE


@pytest.mark.parametrize("rule", ["momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"])
@pytest.mark.usefixtures("doubles")
def test_rules_step_as_on_tensors(rule):
    start = torch.zeros((), dtype=torch.float64, requires_grad=True)
    x, y = torch.arange(1.0, 5.0, dtype=torch.float64), torch.arange(2.0, 9.0, 2.0).double()
    twin = train(x, y, w=start, rule=rule, epochs=30)
    ours = train(jnp.asarray(x.numpy()), jnp.asarray(y.numpy()), rule=rule, epochs=30)
    assert np.array([float(w) for w in ours.weights]) == pytest.approx(
        np.array([float(w) for w in twin.weights]), rel=1e-12
    )


def test_minibatches_and_validation():
    descent = train(batch_size=3, validation=(X, Y), patience=3, epochs=200)
    assert float(descent.w) == pytest.approx(2.0, abs=1e-4)
    assert len(descent.validation_losses) == len(descent.losses)


def test_value_agrees_with_value_and_gradient():
    objective = ByTracing.of(X, Y, forward, loss)
    w = jnp.array(1.0)
    assert objective.value(w) == objective.value_and_gradient(w)[0] == 7.5
    assert float(objective.value_and_gradient(w)[1]) == -15.0
    assert objective.smoothness() is None


def test_jax_is_never_imported_by_the_package():
    program = "import sys, steepest.descent.loop; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.split() == [b"False"]
