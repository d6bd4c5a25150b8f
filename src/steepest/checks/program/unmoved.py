"""Weights that the loss depends on, and that no update moves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .. import mishaps as say
from ..findings import Finding
from .anatomy import Anatomy, name_of_text
from .hooks import Hooks
from .log import Record

GRADIENT = re.compile(r"(?:d|d_|grad_|dL_d|dJ_d)(\w+?)|(\w+?)_(?:grad|gradient)")
WEIGHT = re.compile(r"[bwW]_?\d*|bias\d*|weights?\d*|theta_?\d*|intercept|slope")
WHOLE = {"b": "bias", "w": "weights", "W": "weights"}
FEWEST = 3
"""Calls of backward() that should have led to an update."""


def find_unused(record: Record, anatomy: Anatomy) -> Iterator[Finding]:
    """Gradients that a loop computes, that nothing reads, and whose weight nothing moves."""
    moved = {name_of_text(site.name) for site in anatomy.sites}
    filled = {name_of_text(name) for name in record.loop.reset}
    for name in sorted(filled - anatomy.loaded):
        match = GRADIENT.fullmatch(name)
        stem = (match[1] or match[2]) if match else ""
        if not WEIGHT.fullmatch(stem):
            continue
        weight = stem if stem in record.loop.reads else WHOLE.get(stem, stem)
        if weight in record.loop.reads - moved - filled:
            yield say.gradient_unused(weight, name)


def find_unstepped(hooks: Hooks, variables: dict[str, Any]) -> Iterator[tuple[Record, Finding]]:
    """The loop of an optimiser that was never asked to step, although it has its gradients."""
    ledger = hooks.ledger
    loops = [record for record in hooks.records if "backward" in record.loop.reads]
    if ledger.steps or ledger.stepped or ledger.calls < FEWEST or not loops:
        return
    for name, value in variables.items():
        groups = getattr(value, "param_groups", None)
        if not isinstance(groups, list) or not ledger.one_loss.unmoved:
            continue
        held = [parameter for group in groups for parameter in group["params"]]
        if held and all(id(p) in ledger.leaves and p.grad is not None for p in held):
            yield max(loops, key=lambda r: (r.loop.cell, r.loop.line)), say.never_stepped(name)
            return


def name_unmoved(hooks: Hooks, variables: dict[str, Any]) -> Iterator[str]:
    """PyTorch's leaves that have had gradients and were never moved, by their names."""
    ledger = hooks.ledger
    for key, leaf in ledger.leaves.items():
        names = [name for name, value in variables.items() if value is leaf]
        left = key in ledger.sums and key not in ledger.stepped and bool(ledger.sums[key].any())
        if left and names and ledger.stepped and ledger.calls >= FEWEST:
            yield say.not_moved(names[0])
