"""What can be wrong with a training loop, in words: each lapse by its name, numbers and cure."""

from __future__ import annotations

from .findings import Finding, figure


def adding_up(epoch: int, used: float, truth: float, name: str) -> Finding:
    return Finding(
        "L01",
        "gradients add up",
        f"the update at epoch {epoch} used {figure(used)} for {name}; the true gradient there is "
        f"{figure(truth)}. It is the sum of all {epoch} so far: nothing sets it back to 0, "
        "and PyTorch, for one, adds to .grad at every backward(). What you are "
        "running is momentum 1.0: the loss swings and never settles.",
        "call w.grad.zero_() (or optimizer.zero_grad()) once per epoch.",
        7,
    )


def stale(updates: int, used: float, first: float, last: float) -> Finding:
    return Finding(
        "L02",
        "stale gradient",
        f"all {updates} updates used the same number, {figure(used)}, while the true gradient went "
        f"from {figure(first)} to {figure(last)}. It was computed once, before the loop (perhaps "
        "in another cell).",
        "compute it inside the loop, from the current w.",
        6,
    )


def one_late(epoch: int, used: float, truth: float, before: float) -> Finding:
    return Finding(
        "L03",
        "one epoch late",
        f"each update used the gradient of the epoch before: at epoch {epoch} {figure(used)}, "
        f"where the true gradient is {figure(truth)} and was {figure(before)} an epoch earlier.",
        "compute the prediction and the gradient before the update, from the current w.",
        8,
    )


def no_gradient(epoch: int, why: str = "") -> Finding:
    default = (
        "w.grad is None where w is the result of an operation and not a leaf (w = w - lr * ... "
        "made a new tensor), or where backward() was not called."
    )
    return Finding(
        "L05",
        "no gradient",
        f"at update {epoch} the gradient is None. {why or default}",
        "update in place: with torch.no_grad(): w -= lr * w.grad",
        3,
    )


def never_moved(updates: int, value: float) -> Finding:
    return Finding(
        "L06",
        "the weights never move",
        f"after {updates} updates that used a gradient, the weights that forward computes with are "
        f"still {figure(value)}: the updates changed a copy, such as w.detach().numpy().copy().",
        "update the weights themselves: with torch.no_grad(): w -= lr * w.grad",
        6,
    )


def another_step(epoch: int, moved: float, wanted: float) -> Finding:
    return Finding(
        "L08",
        "the step is not lr × gradient",
        f"at epoch {epoch} w changed by {figure(moved)}, and -lr × gradient is {figure(wanted)}: "
        "something else is in the update.",
        "w -= lr * gradient, and nothing else; where another rule is meant (Adam, weight decay), "
        "record without learning_rate.",
        27,
    )


def moved_between(epoch: int, after: float, then: float) -> Finding:
    return Finding(
        "L08",
        "w changed between updates",
        f"update {epoch} left w at {figure(after)}, and the next one found it at {figure(then)}: "
        "something else changed it (a cell run twice, another update, a new start).",
        "let the update be the only line that changes w.",
        27,
    )


def running_sum() -> Finding:
    """No lapse: what the updates used was no single epoch's gradient, and rightly so."""
    return Finding(
        "L00",
        "momentum",
        "each update used a share of the one before and the gradient of the loss.",
        "none is needed.",
        90,
    )


def untold_rows() -> Finding:
    """No lapse: what may explain a mismatch in a loop over minibatches."""
    return Finding(
        "L00",
        "minibatches",
        "where an update used some of the rows only, its gradient is that of these rows.",
        "tell them: audit.record(w, gradient, lr, X=xb, Y=yb)",
        90,
    )
