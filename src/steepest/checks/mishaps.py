"""What can go wrong between the lines of a program, in words: errors, copies, two models in one."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import counted, listed
from .findings import Finding, figure


def leaf_in_place(name: str, line: int) -> Finding:
    return Finding(
        "L09",
        "leaf stepped in place",
        f"line {line} changes {name} while PyTorch records what is done with it: "
        "RuntimeError, a leaf "
        "variable that requires grad is used in an in-place operation.",
        f"put the update in: with torch.no_grad(): {name} -= lr * {name}.grad",
        1,
    )


def undefined(what: str, line: int, name: str) -> Finding:
    return Finding(
        "L04",
        "undefined gradient",
        f"line {line} uses {what}, which nothing has defined: NameError. backward() puts "
        "the gradient "
        f"into {name}.grad, and into no other name. What follows was found with {name}.grad there.",
        f"use {name}.grad in the update.",
        0,
    )


def grad_is_none(name: str, why: str, where: str = "the update") -> Finding:
    return Finding(
        "L05",
        "no gradient",
        f"{name}.grad is None at {where}. {name} has none because {why}",
        f"update in place: with torch.no_grad(): {name} -= lr * {name}.grad",
        3,
    )


def lost_leaf(names: Sequence[str], line: int) -> Finding:
    name = names[0] if names else "w"
    return Finding(
        "L05",
        "no gradient",
        f"backward() at line {line} has nothing to differentiate: after the last update {name} no "
        f"longer requires grad. {name} = {name} - lr * ... under no_grad() made a new "
        "tensor, which is "
        "no leaf that records.",
        f"update in place: with torch.no_grad(): {name} -= lr * {name}.grad",
        3,
    )


def backward_unrecorded(line: int) -> Finding:
    return Finding(
        "L05",
        "no gradient",
        f"backward() at line {line} has nothing to differentiate: it stands under no_grad(), "
        "where PyTorch keeps no record of what is computed.",
        "compute the loss and call backward() before the block with torch.no_grad(), which is for "
        "the update only.",
        3,
    )


def never_asked(names: Sequence[str], line: int) -> Finding:
    name = names[0] if names else "w"
    return Finding(
        "L05",
        "no gradient",
        f"backward() at line {line} has nothing to differentiate: nothing that the loss was "
        f"computed from requires grad, and {name} does not.",
        f"make {name} with requires_grad=True.",
        3,
    )


def zeroed_early(updates: int) -> Finding:
    return Finding(
        "L05",
        "no gradient",
        f"in {counted(updates, 'update')} the optimiser found no gradients, although backward() "
        "had filled them in: zero_grad() stands between backward() and step().",
        "optimizer.zero_grad(), then loss.backward(), then optimizer.step().",
        3,
    )


def copy_moved(name: str, still: str) -> Finding:
    return Finding(
        "L06",
        "the weights never move",
        f"the updates change {name}, and the loss is computed from {still}, which stays as it was: "
        f"{name} is a copy.",
        f"update what forward computes with: with torch.no_grad(): {still} -= lr * {still}.grad",
        6,
    )


def nothing_moved(name: str, value: float, updates: int) -> Finding:
    return Finding(
        "L06",
        "the weights never move",
        f"in {counted(updates, 'iteration')} with an update the loss stayed at "
        f"{figure(value)}: what "
        f"changed is {name}, which the loss is not computed from.",
        "update the weights that forward computes with, not a copy of them.",
        6,
    )


def one_gradient(name: str, updates: int, used: float, places: tuple[float, float]) -> Finding:
    return Finding(
        "L02",
        "stale gradient",
        f"{updates} updates of {name} in a row used the same number, {figure(used)}, while {name} "
        f"went from {figure(places[0])} to {figure(places[1])}: backward() was not called between "
        "them, and the gradient is still that of where it was called.",
        "compute the loss and call backward() inside the loop, once per update.",
        6,
    )


def one_loss(times: int) -> Finding:
    return Finding(
        "L02",
        "stale gradient",
        f"backward() was called {times} times on the same loss while the weights moved: it was "
        "computed once, before they did, and so was every gradient.",
        "compute the loss inside the loop, from the current weights, before each backward().",
        6,
    )


def thrown_away(name: str, updates: int) -> Finding:
    return Finding(
        "L06",
        "the weights never move",
        f"{counted(updates, 'update')} computed a new {name} inside a function, and the result was "
        f"not used where the function is called: {name} is as it was.",
        f"keep what the function returns ({name} = update({name}, gradient)), or move {name} in "
        f"place ({name}[:] = ...).",
        6,
    )


def never_backward(steps: int, count: int) -> Finding:
    return Finding(
        "L05",
        "no gradient",
        f"step() was called {steps} times, and none of the optimiser's {counted(count, 'tensor')} "
        "has a gradient: backward() has not been called, and nothing moves.",
        "call loss.backward() before optimizer.step().",
        3,
    )


def gradient_unused(weight: str, gradient: str) -> Finding:
    return Finding(
        "L06",
        "a weight never moves",
        f"the loop computes {gradient} and nothing uses it: {weight} stays as it was, while the "
        "other weights move.",
        f"update it beside the others: {weight} -= lr * {gradient}",
        6,
    )


def never_stepped(name: str) -> Finding:
    return Finding(
        "L06",
        "the weights never move",
        f"backward() fills in the gradients, and {name}.step() is never called: every weight is as "
        "it was at the start.",
        f"call {name}.step() after each backward().",
        6,
    )


def not_moved(name: str) -> str:
    return (
        f"the loss also depends on {name}, which has a gradient and which no update moves: only "
        "what is moved was checked."
    )


def never_zeroed(name: str, epoch: int, held: float, truth: float) -> Finding:
    return Finding(
        "L01",
        "gradients add up",
        f"{name}.grad is never zeroed: at update {epoch} it held {figure(held)}, where the true "
        f"gradient is {figure(truth)}. The rest is of earlier updates, for backward() adds to what "
        "is there.",
        f"call {name}.grad.zero_(), or optimizer.zero_grad(), before each backward().",
        7,
    )


def other_model(count: int) -> Finding:
    return Finding(
        "L06",
        "the weights never move",
        f"backward() fills in the gradients of {counted(count, 'tensor')}, and the "
        "optimiser holds others, "
        "which have none: it was made for another model, or before the model was made anew.",
        "make the optimiser after the model: optimizer = "
        "torch.optim.SGD(model.parameters(), lr=lr)",
        6,
    )


def keeps_growing(name: str) -> Finding:
    return Finding(
        "L10",
        "grad keeps growing",
        f"{name}.grad also keeps growing, for it is never zeroed. It does no harm here because the "
        "update does not use it; it will once the update does.",
        f"call {name}.grad.zero_() once per epoch.",
        40,
    )


def same_stored(name: str, listed_in: str, times: int) -> Finding:
    return Finding(
        "L11",
        "one tensor stored many times",
        f"{listed_in} holds the same {name} {times} times: it is changed in place, so "
        "that every entry "
        "shows the last value.",
        f"store {name}.item(), {name}.detach().clone() or {name}.copy().",
        41,
    )


def two_models(name: str, shapes: Sequence[str], rows: int) -> Finding:
    return Finding(
        "M01",
        "two models under one name",
        f"{name} is {shapes[0]} in one loop and {shapes[1]} in the other, on the same {rows} rows. "
        f"{name} has as many numbers as there are rows there: one weight per row is no "
        "line, and what "
        "the two find cannot be compared.",
        f"start both from the same {name}: one number, such as torch.tensor(0.0, "
        "requires_grad=True).",
        35,
    )


def stopped(what: str, went_on: bool) -> Finding:
    after = "the rest was looked at all the same." if went_on else "what follows it was not run."
    return Finding(
        "E01",
        "raises an error",
        f"{what.partition(chr(10))[0]}; {after}",
        _cure_of(what),
        15,
    )


def _cure_of(what: str) -> str:
    if "__format__" in what or "format string" in what:
        return "format numbers one by one: w.tolist(), or w.item() of a single one."
    if what.startswith("NameError"):
        return "define it in a cell above, and run the cells in order."
    if what.startswith("ModuleNotFoundError"):
        return "install it where this program runs."
    return "make the program run to its end, and check it again."


def unfollowed(names: Sequence[str], why: str) -> str:
    return f"could not follow the updates of {listed(names)}: {why}"
