"""Descent on tensors, with PyTorch's gradient and without."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from steepest.descent.autograd import ByAutograd, is_tensor
from steepest.descent.loop import Status, descend
from steepest.descent.objective import ByHand
from steepest.errors import DivergedError, GradientError, LengthError, OptionError

torch = pytest.importorskip("torch", reason="autograd is PyTorch's")

X = torch.tensor([1.0, 2.0, 3.0, 4.0])
Y = torch.tensor([2.0, 4.0, 6.0, 8.0])


def forward(w, x):
    return w * x


def loss(y, y_predicted):
    return ((y_predicted - y) ** 2).mean()


def gradient(x, y, y_predicted):
    return (2 * x * (y_predicted - y)).mean()


def one(**changes):
    return torch.tensor(0.0, requires_grad=True, **changes)


def train(x=X, y=Y, **changes):
    start = one() if "w" not in changes else changes.pop("w")
    options = {"forward": forward, "loss": loss, "learning_rate": 0.01, "epochs": 10}
    return descend(x, y, w=start, **(options | changes))


def test_agrees_with_torch_optim_step_for_step():
    w = torch.tensor([2.0, 4.0, 6.0, 8.0], requires_grad=True)
    descent = train(w=w, epochs=91)
    twin = w.detach().clone().requires_grad_()
    optimiser = torch.optim.SGD([twin], lr=0.01)
    for epoch in range(91):
        torch.testing.assert_close(descent.weights[epoch], twin.detach(), rtol=1e-6, atol=0)
        optimiser.zero_grad()
        value = loss(Y, forward(twin, X))
        assert descent.losses[epoch] == pytest.approx(value.item(), rel=1e-5)
        value.backward()
        optimiser.step()
    assert descent.status is Status.COMPLETED


def test_four_weights_follow_the_closed_form():
    # Each weight has a parabola of its own, of curvature x²/2.
    w = torch.tensor([2.0, 4.0, 6.0, 8.0], dtype=torch.float64, requires_grad=True)
    descent = train(X.double(), Y.double(), w=w, epochs=50)
    for epoch in descent.weights.epochs:
        expected = 2 + (w.detach() - 2) * (1 - 0.01 * X.double() ** 2 / 2) ** int(epoch)
        torch.testing.assert_close(descent.weights[epoch], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_comes_back_is_detached_and_of_the_same_kind(dtype):
    descent = train(X.to(dtype), Y.to(dtype), w=one(dtype=dtype))
    for w in (descent.w, descent.coefficients, *descent.weights):
        assert w.dtype == dtype
        assert w.shape == ()
        assert not w.requires_grad
    assert type(descent.loss) is float
    assert descent.predict(X.to(dtype)).shape == (4,)
    assert np.asarray(descent.weights).shape == (11,)
    assert descent.smoothness == pytest.approx(15.0, rel=1e-4)
    assert str(descent).startswith("gradient descent: 10 epochs run, loss 30 -> ")


def test_nothing_of_the_callers_is_touched():
    w = one()
    x, y = X.clone().requires_grad_(), Y.clone().requires_grad_()
    scale = torch.ones(4, requires_grad=True)
    shared = scale * 2
    train(x, y, w=w, forward=lambda w, x: w * x * shared / 2)
    assert all(tensor.grad is None for tensor in (w, x, y, scale))
    assert torch.equal(x, X)
    assert torch.equal(y, Y)
    assert w.item() == 0.0
    assert w.requires_grad


def edit_x(w, x):
    x.mul_(2)
    return w * x / 2


def edit_y(y, y_predicted):
    y.neg_()
    return ((y_predicted + y) ** 2).mean()


def edit_prediction(x, y, y_predicted):
    y_predicted.sub_(y)
    return (2 * x * y_predicted).mean()


@pytest.mark.parametrize(
    "functions",
    [
        {"forward": edit_x},
        {"loss": edit_y},
        {"forward": edit_x, "gradient": gradient},
        {"loss": edit_y, "gradient": gradient},
        {"gradient": edit_prediction},
    ],
)
def test_functions_that_edit_their_arguments_are_refused(functions):
    x, y = X.clone(), Y.clone()
    with pytest.raises(GradientError, match="edited one of its arguments in place"):
        train(x, y, **functions)
    assert torch.equal(x, X)
    assert torch.equal(y, Y)


def test_the_trace_cannot_steer_the_descent():
    def spoil(epoch):
        epoch.w.fill_(100.0)

    assert torch.equal(train(on_epoch=spoil).w, train().w)


def test_no_grad_around_it_does_not_matter():
    with torch.no_grad():
        inside = train()
    assert torch.equal(inside.w, train().w)


def test_stopping_and_going_on_equals_never_stopping():
    half = train(epochs=4)
    rest = train(w=half.w.requires_grad_(), epochs=6)
    assert torch.equal(rest.w, train(epochs=10).w)


@pytest.mark.parametrize("requires_grad", [True, False])
def test_a_gradient_by_hand_needs_no_autograd(requires_grad):
    w = torch.tensor(0.0, requires_grad=requires_grad)
    descent = train(w=w, gradient=gradient)
    assert is_tensor(descent.w)
    assert descent.w.shape == ()
    assert not descent.w.requires_grad
    assert np.asarray(descent.losses) == pytest.approx(np.asarray(train().losses), rel=1e-5)


def test_a_gradient_by_hand_takes_many_weights_and_integers():
    w = torch.tensor([2, 4, 6, 8])
    descent = train(w=w, gradient=lambda x, y, p: 2 * x * (p - y) / 4)
    auto = train(w=w.float().requires_grad_())
    torch.testing.assert_close(descent.w, auto.w)


def test_a_gradient_by_hand_with_a_number_keeps_a_float():
    descent = train(w=0.0, gradient=gradient)
    assert type(descent.w) is float
    assert descent.w == pytest.approx(2 - 2 * 0.85**10, rel=1e-5)


def test_captured_tensors_that_require_grad_leave_no_graph_behind():
    scale = torch.ones(4, requires_grad=True)
    descent = train(
        forward=lambda w, x: w * x * scale, gradient=lambda x, y, p: gradient(x, y, p * scale)
    )
    assert not descent.w.requires_grad
    assert scale.grad is None


@pytest.mark.parametrize(
    ("w", "said", "hint"),
    [
        (0.0, "w is a float", "requires_grad=True"),
        (0, "w is an int", "requires_grad=True"),
        ([0.0], "w is a list", "requires_grad=True"),
        (np.zeros(4), r"w is an ndarray of shape \(4,\)", "requires_grad=True"),
        (torch.zeros(4), r"w is a tensor of shape \(4,\), and", r"w\.requires_grad_\(\)"),
        (torch.tensor([2, 4, 6, 8]), r"shape \(4,\) of int64", r"w\.float\(\)\.requires_grad_"),
    ],
)
def test_a_w_that_does_not_require_grad_is_named(w, said, hint):
    with pytest.raises(GradientError, match=said) as error:
        train(w=w)
    assert error.match(hint)


@pytest.mark.parametrize(
    "cut",
    [
        lambda w, x: w.detach() * x,
        lambda w, x: w.item() * x,
        lambda w, x: torch.zeros(4),
        lambda w, x: torch.zeros(4, requires_grad=True),
        lambda w, x: np.zeros(4),
    ],
)
def test_a_loss_that_w_does_not_reach_is_refused(cut):
    with pytest.raises(GradientError, match="does not depend on w"):
        train(forward=cut)


def test_wrong_shapes_are_refused():
    with pytest.raises(LengthError, match=r"shape \(4, 1\), but y has shape \(4,\)"):
        train(forward=lambda w, x: (w * x)[:, None])
    with pytest.raises(LengthError, match=r"shape \(\), but y has shape \(4,\)"):
        train(forward=lambda w, x: w)
    with pytest.raises(GradientError, match=r"loss returned shape \(4,\)"):
        train(loss=lambda y, p: (p - y) ** 2)
    with pytest.raises(GradientError, match=r"shape \(4,\), but w is a single number"):
        train(gradient=lambda x, y, p: x * (p - y))
    with pytest.raises(GradientError, match="loss returned nothing"):
        train(loss=lambda y, p: None)


@pytest.mark.parametrize(
    ("x", "y", "w", "said"),
    [
        (X, Y.numpy(), one(), "x and w are tensors of PyTorch, but y is not"),
        (X, [2.0, 4.0, 6.0, 8.0], one(), "x and w are tensors of PyTorch, but y is not"),
        (X.numpy(), Y.numpy(), one(), "w is a tensor of PyTorch, but x and y are not"),
        (X.numpy(), Y, 0.0, "y is a tensor of PyTorch, but x is not"),
        (X, Y, np.zeros(4), "x and y are tensors of PyTorch, but w is not"),
    ],
)
def test_tensors_and_arrays_are_not_mixed(x, y, w, said):
    with pytest.raises(OptionError, match=said):
        train(x, y, w=w, gradient=gradient)


def test_weights_that_are_not_numbers_are_refused():
    with pytest.raises(OptionError, match=r"w\[1\]=nan is not a finite number"):
        train(w=torch.tensor([0.0, float("nan"), 0.0, 0.0], requires_grad=True))
    with pytest.raises(OptionError, match="w=inf is not a finite number"):
        train(w=torch.tensor(float("inf"), requires_grad=True))
    with pytest.raises(OptionError, match=r"w=.* is not a number or an array of numbers"):
        train(w=torch.zeros(4, dtype=torch.complex64), gradient=gradient)


def test_divergence_and_nan_are_seen_on_tensors_too():
    high = train(learning_rate=1.0)
    assert high.status is Status.DIVERGED
    assert high.smoothness == pytest.approx(15.0, rel=1e-4)
    with pytest.raises(DivergedError, match=r"7\.5 times the largest stable rate"):
        high.raise_for_status()
    assert train(learning_rate=1e30).status is Status.DIVERGED
    holes = torch.tensor([1.0, float("nan"), 3.0, 4.0])
    lost = train(holes)
    assert lost.status is Status.NOT_FINITE
    with pytest.raises(DivergedError, match="x already holds a NaN"):
        lost.raise_for_status()


def test_value_agrees_with_value_and_gradient():
    auto, hand = ByAutograd(X, Y, forward, loss), ByHand(X, Y, forward, loss, gradient)
    w = torch.tensor(1.0)
    assert auto.value(w) == auto.value_and_gradient(w)[0] == hand.value(w) == 7.5
    assert auto.value_and_gradient(w)[1] == hand.value_and_gradient(w)[1] == -15.0
    assert auto.smoothness() is hand.smoothness() is None


def test_torch_is_never_imported_by_the_package():
    program = "import sys, steepest.descent.loop; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.split() == [b"False"]
