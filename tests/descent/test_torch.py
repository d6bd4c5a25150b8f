"""What PyTorch's tensors keep in a descent, and where they stand."""

from __future__ import annotations

import pytest
import torch

from steepest.descent.loop import descend
from steepest.errors import OptionError

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA")
    ),
]
RULES = ["gradient-descent", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"]


def loss(y, p):
    return ((p - y) ** 2).mean()


def train(device="cpu", dtype=torch.float64, **changes):
    place = {"device": device, "dtype": dtype}
    x = torch.arange(1.0, 5.0, **place)
    options = {"w": torch.zeros((), **place, requires_grad=True), "learning_rate": 0.01}
    options |= {"forward": lambda w, x: w * x, "loss": loss, "epochs": 10}
    return descend(x, 2 * x, **(options | changes))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rule", RULES)
def test_type_and_device_stay(device, dtype, rule):
    descent = train(device, dtype, rule=rule)
    for w in (descent.w, *descent.weights):
        assert (w.dtype, w.device.type) == (dtype, device)


@pytest.mark.parametrize("device", DEVICES)
def test_minibatches_and_validation_stay_there(device):
    descent = train(device, batch_size=2, validation=0.25, epochs=400)
    assert descent.w.item() == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["x", "y", "w", "b"])
def test_tensors_on_two_devices_are_refused(name):
    parts = {key: torch.ones(2, requires_grad=key in "wb") for key in "xywb"}
    parts[name] = torch.ones(2, device="meta", requires_grad=name in "wb")
    with pytest.raises(OptionError, match="PyTorch computes with tensors of one device only"):
        descend(
            parts["x"], parts["y"], w={"w": parts["w"], "b": parts["b"]}, learning_rate=0.1,
            epochs=1, forward=lambda w, x: w["w"] * x + w["b"], loss=loss,
        )  # fmt: skip


def test_rows_held_out_on_another_device_are_refused():
    elsewhere = torch.ones(2, device="meta", dtype=torch.float64)
    with pytest.raises(OptionError, match=r"x is on 'cpu', validation\[0\] is on 'meta'"):
        train(validation=(elsewhere, elsewhere))


def test_a_penalty_is_given_w():
    # 7.5 (w - 2)² + 7.5 w² is smallest at 1.
    descent = train(loss=lambda y, p, w: loss(y, p) + 7.5 * w**2, epochs=500)
    assert descent.w.item() == pytest.approx(1.0)


def test_an_argument_with_a_default_is_not_given_w():
    assert train(loss=lambda y, p, power=2: ((p - y) ** power).mean()).w.item() == train().w.item()


def test_no_graph_is_kept():
    descent = train(epochs=50)
    assert all(w.grad_fn is None for w in (descent.w, *descent.weights))
