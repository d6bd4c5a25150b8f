"""What PyTorch is asked as the program runs: whose gradient backward() computed, and of what."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ...descent.autograd import is_tensor
from .. import mishaps as say
from ..findings import Finding
from .figures import flatten
from .log import Move
from .repeats import FEWEST, OneLoss, Repeats

PASSES = 40
"""Calls of backward() that are looked into."""


class Ledger:
    """The true gradients of the leaves since they were last stepped or zeroed."""

    def __init__(self, hooks: Any) -> None:
        self.hooks = hooks
        self.sums: dict[int, Any] = {}
        self.leaves: dict[int, Any] = {}
        self.by_data: dict[int, Any] = {}
        self.calls = 0
        self.leads = False
        """Whether the program's gradients come from backward()."""
        self.stepped: set[int] = set()
        self.unclean: dict[int, bool] = {}
        """Whether a leaf's .grad still held something when backward() was called."""
        self.steps = self.idle = 0
        """Steps of optimisers in a row without a single gradient."""
        self.repeats, self.one_loss = Repeats(), OneLoss()
        self.patched = False
        self.undo: list[Any] = []

    def unpatch(self) -> None:
        """Listen no more."""
        for action in self.undo:
            action()
        self.undo.clear()

    def patch(self) -> None:
        """Listen to backward() and to optimisers, once PyTorch is there."""
        torch: Any = sys.modules.get("torch")
        if self.patched or torch is None or not hasattr(torch, "optim"):
            return
        self.patched = True
        original = torch.Tensor.backward

        def backward(tensor: Any, *arguments: Any, **options: Any) -> Any:
            self._learn(tensor, torch)
            return original(tensor, *arguments, **options)

        torch.Tensor.backward = backward
        from torch.optim.optimizer import register_optimizer_step_pre_hook

        handle = register_optimizer_step_pre_hook(self._stepping)
        self.undo += [handle.remove, lambda: setattr(torch.Tensor, "backward", original)]

    def _learn(self, loss: Any, torch: Any) -> None:
        if self.hooks.tape is not None:
            return
        for iteration in self.hooks.active:
            iteration.backward = True
        self.leads = True
        self.calls += 1
        if (
            self.calls > PASSES * max(1, len(self.hooks.records))
            or loss.numel() != 1
            or not loss.requires_grad
        ):
            return
        found = _leaves_of(loss)
        with torch.enable_grad():
            grads = torch.autograd.grad(loss, found, retain_graph=True, allow_unused=True)
        if self.one_loss.heed(loss, found, torch) == FEWEST:
            self.hooks.find(say.one_loss(FEWEST))
        for leaf, grad in zip(found, grads, strict=True):
            own = torch.zeros_like(leaf) if grad is None else grad.detach().clone()
            clean = leaf.grad is None or not bool(leaf.grad.detach().to_dense().any())
            self.leaves[id(leaf)] = leaf
            self.by_data[leaf.data_ptr()] = leaf
            held = self.sums.get(id(leaf))
            self.unclean[id(leaf)] = not clean and (held is None or self.unclean[id(leaf)])
            self.sums[id(leaf)] = own if held is None or clean else held + own

    def _leaf(self, tensor: Any) -> Any:
        """The leaf that a tensor is, or shares its numbers with."""
        if isinstance(tensor, np.ndarray):
            return self.by_data.get(tensor.ctypes.data) if tensor.size else None
        if not is_tensor(tensor):
            return None
        return (
            self.leaves.get(id(tensor))
            if id(tensor) in self.leaves
            else self.by_data.get(tensor.data_ptr())
        )

    def look(self, move: Move) -> None:
        """Add to a move what backward() has told about what it moves."""
        leaf = self._leaf(move.old)
        if leaf is None:
            return
        if id(leaf) not in self.sums:
            self._repeat(leaf, move)
            return
        move.truth = flatten(self.sums.pop(id(leaf)))
        self._repeat(leaf, move)
        move.unclean = self.unclean.get(id(leaf), False)
        self.stepped.add(id(leaf))
        move.grad = None if leaf.grad is None else flatten(leaf.grad)
        if move.index is not None:
            positions = np.arange(move.truth.size).reshape(tuple(leaf.shape))[_plain(move.index)]
            move.truth = move.truth[np.ravel(positions)]

    def _repeat(self, leaf: Any, move: Move) -> None:
        """Remember by what a leaf is moved."""
        if not self.hooks.active or move.index is not None:
            return
        noted: Any = [-term for term in move.terms]
        if move.site is not None:
            noted = list(self.hooks.notes.get(move.site.number, {}).values())
        told = self.repeats.go_on if move.truth is None else self.repeats.begin
        told(self.hooks.active[0].record, leaf, move, noted, self.calls)

    def _stepping(self, optimizer: Any, arguments: Any, options: Any) -> None:
        """An optimiser is about to step."""
        self.steps += 1
        if self.hooks.tape is not None or not self.hooks.active:
            return
        if type(optimizer).__name__ == "LBFGS" or any(
            callable(a) for a in [*arguments[1:], *options.values()]
        ):
            self.sums.clear()
            return
        every = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        bare = all(p.grad is None for p in every)
        self.idle = self.idle + 1 if bare and not self.calls else 0
        if self.idle == FEWEST:
            self.hooks.find(say.never_backward(FEWEST, len(every)))
        if self.sums and all(p.grad is None and id(p) not in self.sums for p in every):
            self.hooks.find(say.other_model(len(self.sums)))
        k = 0
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if id(parameter) in self.sums:
                    used = parameter.grad
                    terms = (
                        [-flatten(used)]
                        if used is not None
                        else [np.full(parameter.numel(), np.nan)]
                    )
                    move = Move(None, f"parameter {k}", parameter, flatten(parameter), terms, [{}])
                    move.none = used is None
                    self.look(move)
                    self.hooks.active[-1].moves.append(move)
                elif parameter.grad is not None:
                    before, used = flatten(parameter), -flatten(parameter.grad)
                    self.look(Move(None, f"parameter {k}", parameter, before, [used], [{}]))
                k += 1

    def copied(self, moves: list[Move]) -> list[Finding]:
        """Moves along the gradient of a leaf that stays as it is."""
        for move in moves:
            if move.site is not None and not move.site.has_rate:
                continue
            for key, total in self.sums.items():
                truth, used = flatten(total), np.sum(move.terms, axis=0)
                if truth.size != used.size or not truth.any() or not used.any():
                    continue
                share = float(used @ truth) / float(truth @ truth)
                if np.abs(used - share * truth).max() <= 1e-4 * np.abs(used).max():
                    leaf = self.leaves[key]
                    names = [n for n, v in self.hooks.variables.items() if v is leaf]
                    still = names[0] if names else "the model's own weights"
                    return [say.copy_moved(move.name, still)]
        return []

    def why_none(self, tensor: Any) -> str:
        """What kept PyTorch from filling in a gradient."""
        if not tensor.requires_grad:
            return "it does not require grad: it was made without that, or under no_grad()."
        if not tensor.is_leaf:
            return (
                "it is the result of an operation, not a leaf (w = w - lr * ... made a new tensor)."
            )
        return "backward() was not called on a loss that it is part of."


def _plain(index: Any) -> Any:
    return np.asarray(index.cpu()) if is_tensor(index) else index


def _leaves_of(loss: Any) -> list[Any]:
    """The leaves that a loss was computed from and that want a gradient."""
    if loss.grad_fn is None:
        return [loss] if loss.is_leaf and loss.requires_grad else []
    found, seen, left = [], set(), [loss.grad_fn]
    while left:
        node = left.pop()
        if node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.append(node.variable)
        left += [inner for inner, _ in node.next_functions if inner is not None]
    return found
