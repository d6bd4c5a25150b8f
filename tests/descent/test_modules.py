"""Modules of PyTorch as weights."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from steepest.descent.loop import Status, descend
from steepest.errors import GradientError, OptionError

GENERATOR = torch.Generator().manual_seed(3)
X = torch.randn(24, 3, generator=GENERATOR, dtype=torch.float64)
Y = torch.tanh(X @ torch.tensor([[1.0], [-1.0], [0.5]], dtype=torch.float64))


def loss(y, p):
    return ((p - y) ** 2).mean()


def network(*layers):
    torch.manual_seed(0)
    return nn.Sequential(*(layers or (nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)))).double()


def train(w, **changes):
    return descend(X, Y, **({"loss": loss, "w": w, "learning_rate": 0.1, "epochs": 20} | changes))


def bare_loop(module, make, epochs=20, x=X, y=Y):
    module = copy.deepcopy(module)
    optimiser, losses = make(module.parameters()), []
    for epoch in range(epochs + 1):
        optimiser.zero_grad()
        value = loss(y, module(x))
        losses.append(value.item())
        if epoch < epochs:
            value.backward()
            optimiser.step()
    return module, losses


def same_state(one, other, **close):
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name], **close)


@pytest.mark.parametrize(
    ("rule", "make"),
    [
        ("gradient-descent", lambda ps: torch.optim.SGD(ps, lr=0.1)),
        ("momentum", lambda ps: torch.optim.SGD(ps, lr=0.1, momentum=0.9)),
        ("adam", lambda ps: torch.optim.Adam(ps, lr=0.1)),
    ],
)
def test_follows_the_loop_of_the_tutorials(rule, make):
    module = network()
    descent = train(module, rule=rule)
    twin, losses = bare_loop(module, make)
    assert list(descent.losses) == pytest.approx(losses, rel=1e-10)
    same_state(descent.w, twin, rtol=1e-9, atol=1e-12)


def test_the_callers_module_is_untouched():
    module = network()
    before = copy.deepcopy(module.state_dict())
    descent = train(module)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert all(p.grad is None for p in (*module.parameters(), *descent.w.parameters()))
    assert type(descent.w) is type(module)
    assert descent.w is not module
    assert all(p.requires_grad for p in descent.w.parameters())


def test_the_trace_holds_parameters_by_name():
    module = network()
    descent = train(module)
    assert set(descent.weights[0]) == set(dict(module.named_parameters()))
    assert torch.equal(descent.weights[-1]["0.bias"], descent.w[0].bias)
    assert not descent.weights[-1]["0.bias"].requires_grad
    assert not torch.equal(descent.weights[3]["0.bias"], descent.weights[4]["0.bias"])


def test_it_predicts():
    descent = train(network())
    torch.testing.assert_close(descent.predict(X), descent.w(X).detach())
    assert not descent.predict(X).requires_grad


def test_a_forward_of_ones_own_is_given_the_module():
    module = nn.ModuleDict({"slope": nn.Linear(3, 1, bias=False)}).double()
    seen = set()

    def forward(w, x):
        seen.add(type(w))
        return 2 * w["slope"](x)

    def penalised(y, p, w):
        return loss(y, p) + 0.1 * sum((q**2).sum() for q in w.parameters())

    descent = train(module, forward=forward, loss=penalised, epochs=1500)
    assert seen == {nn.ModuleDict}
    design = 2 * X
    best = torch.linalg.solve(
        design.T @ design / 24 + 0.1 * torch.eye(3, dtype=torch.float64), design.T @ Y / 24
    )
    torch.testing.assert_close(descent.w["slope"].weight.detach().T, best)


def test_a_gradient_by_hand_is_a_dict_by_name():
    module = nn.Linear(3, 1, bias=False).double()

    def gradient(x, y, p):
        return {"weight": 2 * (p - y).T @ x / len(y)}

    torch.testing.assert_close(train(module, gradient=gradient).w.weight, train(module).w.weight)


def test_frozen_parameters_stay():
    module = network()
    module[0].weight.requires_grad_(False)
    descent = train(module)
    assert torch.equal(descent.w[0].weight, module[0].weight)
    assert not torch.equal(descent.w[0].bias, module[0].bias)
    assert "0.weight" not in descent.weights[0]
    module.requires_grad_(False)
    with pytest.raises(GradientError, match="no parameter of Sequential requires grad"):
        train(module)


def test_running_means_are_carried():
    module = network(nn.BatchNorm1d(3), nn.Linear(3, 1))
    descent = train(module)
    twin, _ = bare_loop(module, lambda ps: torch.optim.SGD(ps, lr=0.1))
    same_state(descent.w, twin, rtol=1e-10, atol=1e-12)
    assert module[0].num_batches_tracked.item() == 0
    assert descent.w[0].num_batches_tracked.item() == 21


def test_modes_are_kept_and_measuring_teaches_nothing():
    module = network(nn.BatchNorm1d(3), nn.Linear(3, 1))
    descent = train(module, validation=0.25)
    assert descent.w.training
    assert descent.w[0].num_batches_tracked.item() == 21
    assert not train(module.eval()).w.training
    module.train()
    module[0].eval()
    assert [part.training for part in train(module, batch_size=5).w] == [False, True]


def test_the_best_epochs_running_means_come_back():
    module = network(nn.BatchNorm1d(3), nn.Linear(3, 1))
    far = (X, -5 * Y)
    descent = train(module, validation=far, patience=4)
    assert descent.status is Status.STALLED
    assert descent.w[0].num_batches_tracked.item() == descent.best_epoch + 1


def test_tied_parameters_are_one():
    module = network(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False), nn.Linear(3, 1))
    module[1].weight = module[0].weight
    descent = train(module)
    assert descent.w[0].weight is descent.w[1].weight
    twin, _ = bare_loop(module, lambda ps: torch.optim.SGD(ps, lr=0.1))
    same_state(descent.w, twin, rtol=1e-10, atol=1e-12)


def test_recurrent_layers():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.cells, self.head = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 1)

        def forward(self, x):
            return self.head(self.cells(x[:, None])[0][:, -1])

    module = Last().double()
    descent = train(module)
    _, losses = bare_loop(module, lambda ps: torch.optim.SGD(ps, lr=0.1))
    assert list(descent.losses) == pytest.approx(losses, rel=1e-10)


def test_minibatches_in_train_mode_and_losses_in_eval_mode():
    module = network(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    torch.manual_seed(5)
    descent = train(module, batch_size=6)
    for w, value in zip(descent.weights, descent.losses, strict=True):
        module.eval().load_state_dict(w)
        assert value == pytest.approx(loss(Y, module(X)).item(), rel=1e-12)


def test_a_module_needs_tensors():
    with pytest.raises(OptionError, match="w is a tensor of PyTorch, but x is not"):
        descend(X.numpy(), Y, w=network(), loss=loss, learning_rate=0.1, epochs=2)


def test_forward_is_left_out_for_modules_only():
    with pytest.raises(OptionError, match="forward=None is not a function"):
        train(torch.zeros(3, 1, requires_grad=True))
