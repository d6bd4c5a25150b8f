"""What does not fit together, in words: shapes, structures, and functions that return nothing."""

from __future__ import annotations

import numpy as np

from .findings import Finding


def returned_nothing(name: str) -> Finding:
    return Finding(
        "G10",
        "nothing returned",
        f"{name} returned None: a function without a return statement gives nothing back.",
        f"end {name} in: return ...",
        2,
    )


def loss_of_many(shape: tuple[int, ...]) -> Finding:
    alone = np.prod(shape) == 1
    what = "a box around one number" if alone else "many numbers, and no single one to make small"
    return Finding(
        "G07",
        "wrong shape",
        f"the loss has shape {shape}: {what}.",
        "end the loss in .mean()",
        4,
    )


def broadcast_prediction(predicted: object, y: object, joined: object) -> Finding:
    return Finding(
        "G07",
        "wrong shape",
        f"the prediction has shape {predicted} and y has {y}: their difference broadcasts to "
        f"{joined}, every row against every other, and the loss is the mean of that.",
        "give both the same shape: y.reshape(-1, 1), or y_predicted.ravel().",
        4,
    )


def wrong_shape(
    got: tuple[int, ...], wanted: tuple[int, ...], rows: int, where: str = ""
) -> Finding:
    weights = f"the weights {where} have" if where else "the weights have"
    needed = f"shape {wanted}" if wanted else "no dimension: one number"
    one = "The gradient needs one number per weight."
    if got == wanted[::-1] and len(wanted) > 1:
        why, cure = "It is transposed.", "transpose it: gradient.T, or x.T @ e instead of e.T @ x."
    elif np.prod(got) == np.prod(wanted):
        why = "The numbers may be right, in another shape: subtracted from w they would broadcast."
        cure = (
            "give it the shape of w: gradient.reshape(w.shape)" if wanted else "end it in .item()"
        )
    elif got in {(rows,), (rows, 1)} and rows > 1:
        why = "There is one number for each row: the rows were not averaged."
        cure = "average over the rows: (2 * x * e).mean()" if not wanted else "x.T @ e / len(e)"
    elif got == (rows, *wanted):
        why = "Each row still has its own gradient."
        cure = "average over the rows only: .mean(axis=0)"
    elif got == (rows, rows):
        why = "(n, 1) minus (n,) broadcasts to (n, n)."
        cure = "give y_predicted and y one shape: y.reshape(-1, 1), or .ravel()"
    elif got == ():
        why, cure = (
            "The mean went over the weights too.",
            "average over the rows only: .mean(axis=0)",
        )
    else:
        why = "Check for a missing axis=0, or (n, 1) minus (n,), which broadcasts to (n, n)."
        cure = "return one number per weight: x.T @ e / n"
    return Finding(
        "G07",
        "wrong shape",
        f"the gradient has shape {got}, {weights} {needed}. {one} {why}",
        cure,
        5,
    )


def wrong_structure(where: str) -> Finding:
    return Finding(
        "G07",
        "wrong structure",
        f"the gradient and the weights are not built alike at {where}: one has an entry there that "
        "the other has not.",
        "return a gradient with the same keys and places as w.",
        5,
    )


def broadcast_gradient(n: int) -> Finding:
    return Finding(
        "G07",
        "wrong broadcast",
        "x and the error are multiplied along the wrong axis: there are as many rows as weights "
        f"({n}), so each column of x met the error of another row, and no shape gave it away.",
        "write x.T @ e, or x * e[:, None].",
        12,
    )
