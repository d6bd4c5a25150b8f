"""What can be wrong with a gradient, in words: each fault by its name, its numbers and its cure."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import counted, listed
from ..typing import Floats
from .findings import Finding, figure, ratio, vector


def sum_for_mean(factor: float, count: float, what: str) -> Finding:
    return Finding(
        "G01",
        "sum, not mean",
        f"{_size(factor)} {figure(count)} = n, the number of {what}: the loss is a mean, "
        "and the gradient a sum. np.dot(2*x, e) has already added up the rows, so .mean() of that "
        "one number does nothing. Until it is divided, your learning rate is really "
        f"{figure(count)} × what you set, and it grows with every row you add.",
        "use (2*x*e).mean(), or divide by n.",
        20,
    )


def mean_for_sum(factor: float, count: float, what: str) -> Finding:
    return Finding(
        "G04",
        "mean, not sum",
        f"{_size(factor)} That is 1/n, n = {figure(count)} {what}: the loss adds them up, "
        "and the gradient averages them.",
        "make both a mean: .mean() in the loss too.",
        21,
    )


def divided_twice(factor: float, count: float, what: str) -> Finding:
    return Finding(
        "G04",
        "divided twice",
        f"{_size(factor)} That is 1/n, n = {figure(count)} {what}: the mean is taken twice.",
        "divide once: .mean(), or .sum() / n, not both.",
        21,
    )


def wrong_sign(*, sized: bool = False) -> Finding:
    """``sized``: the size is another one, too."""
    apart = "apart from its size, " if sized else ""
    return Finding(
        "G02",
        "wrong sign",
        f"{apart}your gradient is -1 × the true one: it points uphill, and every step makes "
        "the loss larger.",
        "use y_pred - y, not y - y_pred.",
        10,
    )


def factor_two(factor: float) -> Finding:
    doubled = factor > 1
    why = (
        "The 2 is there twice, or the loss has a ½ that its gradient does not have."
        if doubled
        else "The derivative of e² is 2e, and the 2 is missing."
    )
    return Finding(
        "G03",
        "factor of 2",
        f"{_size(factor)} {why}",
        "drop one 2 from the gradient."
        if doubled
        else "put the 2 in the gradient, or a ½ in the loss.",
        22,
    )


def degrees_of_freedom(factor: float, count: float) -> Finding:
    more = factor > 1
    one, other = ("n - 1", "n") if more else ("n", "n - 1")
    return Finding(
        "G12",
        "n - 1 for n",
        f"{_size(factor)} That is {'n/(n - 1)' if more else '(n - 1)/n'}, n = "
        f"{figure(count)}: the gradient divides by {one}, the loss by {other}.",
        "divide both by the same number.",
        24,
    )


def wrong_size(factor: float) -> Finding:
    return Finding(
        "G05",
        "wrong size",
        f"{_size(factor)} No usual slip gives this number: a weight, a constant or a scale "
        "stands in one of the two only.",
        f"divide the gradient by {ratio(factor)}, or find that factor in the loss.",
        25,
    )


def penalty(slope: float, kind: str, hit: Sequence[str] = (), free: Sequence[str] = ()) -> Finding:
    """``slope`` is what the gradient has more than the loss's: slope × w, or × sign(w).

    It has it for the weights ``hit``, and not for those that are ``free``.
    """
    inside, outside = ("gradient", "loss") if slope > 0 else ("loss", "gradient")
    size = abs(slope) / 2 if kind == "L2" else abs(slope)
    term = f"{figure(size)}·‖w‖²" if kind == "L2" else f"{figure(size)}·‖w‖₁"
    of_w = "w" if kind == "L2" else "sign(w)"
    but = f" It leaves out {listed(free, limit=4)}." if free else ""
    if len(free) > len(hit):
        but = f" It is that of {listed(hit, limit=4)} alone."
    slip = (
        " Or it is in both with another factor: the derivative of λ‖w‖² is 2λw."
        if kind == "L2"
        else ""
    )
    return Finding(
        "G06",
        "penalty mismatch",
        f"your gradient minus the true one is {figure(slope)} × {of_w}, everywhere. An "
        f"{kind} term ({term}) is in the {inside} but not in the {outside}.{but}{slip}",
        f"put {term} in the loss too, or take it out of the gradient."
        if slope > 0
        else f"add {figure(-slope)} * {of_w} to the gradient, or take the term out of the loss.",
        26,
    )


def wrong_weights(
    names: Sequence[str], of: int, truth: Sequence[float], got: Sequence[float], why: str, cure: str
) -> Finding:
    seen = "; ".join(
        f"{name} should be {figure(t)}, got {figure(g)}"
        for name, t, g in zip(names[:3], truth[:3], got[:3], strict=True)
    )
    return Finding(
        "G09",
        f"wrong in {len(names):,} of {counted(of, 'weight')}",
        f"{listed(names, limit=6).replace(chr(39), '')}. At one point {seen}. {why}The others "
        "match.",
        cure,
        23,
    )


def swapped(pairs: Sequence[tuple[str, str]]) -> Finding:
    words = ", ".join(f"{a} has that of {b}" for a, b in pairs[:4])
    return Finding(
        "G14",
        "weights swapped",
        f"the numbers are right but stand at other weights: {words}.",
        "return the gradient in the order of w.",
        23,
    )


def own_factors(names: Sequence[str], factors: Sequence[float]) -> Finding:
    words = ", ".join(
        f"{ratio(c)} × for {name}" for name, c in zip(names[:4], factors[:4], strict=True)
    )
    return Finding(
        "G15",
        "a factor of its own in each weight",
        f"each number is a fixed multiple of the true one: {words}"
        f"{', ...' if len(names) > 4 else ''}. A column's scale stands in one of the two only.",
        "scale x once, before forward and gradient see it.",
        28,
    )


def zero_gradient(truth: float) -> Finding:
    return Finding(
        "G08",
        "zero gradient",
        f"the gradient is 0 at every point, and the true one is not: it is up to {figure(truth)}. "
        "Nothing will move.",
        "compute it from y_pred - y; look for integers divided, or a result that is overwritten.",
        11,
    )


def constant_gradient(value: float, low: float, high: float) -> Finding:
    return Finding(
        "G08",
        "constant gradient",
        f"the gradient is {figure(value)} at every point, while the true one goes from "
        f"{figure(low)} to {figure(high)}: it does not depend on w.",
        "compute it from the y_predicted that it is handed.",
        11,
    )


def not_finite(got: float, at: str, truth: float) -> Finding:
    return Finding(
        "G16",
        "not a number",
        f"the gradient of {at} is {got}, and the true one is {figure(truth)}: a 0/0, an overflow "
        "or the logarithm of 0 on the way.",
        "use the form that stays finite, such as np.logaddexp(0, z).",
        9,
    )


def missing_chain() -> Finding:
    return Finding(
        "G17",
        "x is missing",
        "every weight gets the sum of the errors: the derivative of the prediction with respect to "
        "w, which is x here, is left out.",
        "multiply by x: (2 * x * e).mean(), or x.T @ e.",
        13,
    )


def missing_slope() -> Finding:
    return Finding(
        "G17",
        "a factor of the chain is missing",
        "the error is multiplied by x alone, and forward bends what x gives (a sigmoid, an exp): "
        "its own slope is left out.",
        "multiply the error by that slope: p * (1 - p) for a sigmoid, p for an exp.",
        13,
    )


def another_loss(gradient_of: str) -> Finding:
    return Finding(
        "G18",
        "another loss",
        f"this is the gradient of {gradient_of}, and that is not the loss that forward and loss "
        "compute.",
        "descend on one of the two: change the loss, or derive its own gradient.",
        14,
    )


def mismatch(
    names: Sequence[str], w: Floats, truth: Floats, got: Floats, cosine: float, worst: float
) -> Finding:
    order = sorted(range(len(names)), key=lambda j: -abs(got[j] - truth[j]))[:3]
    seen = "; ".join(
        f"{names[j]} should be {figure(truth[j])}, got {figure(got[j])}" for j in order
    )
    return Finding(
        "G00",
        "mismatch",
        f"the gradient is not that of the loss, and not a multiple of it. At w = "
        f"{vector(w)}: {seen}. The largest relative error is {figure(worst)}, and the cosine "
        f"between the two directions {figure(cosine)}.",
        "derive it again from loss(forward(w, x)), one factor of the chain rule at a time.",
        30,
    )


def wrong_error(what: str) -> Finding:
    return Finding(
        "G19",
        "wrong error",
        f"the gradient is made from {what}, where the error y_pred - y belongs.",
        "use e = y_pred - y.",
        12,
    )


def one_row(which: str) -> Finding:
    return Finding(
        "G20",
        "one row only",
        f"the gradient is that of the {which} row alone: in a loop over the rows it was "
        "overwritten and not added up, or it was indexed.",
        "add over all rows and divide by n: x.T @ e / n",
        12,
    )


def row_left_out(which: str) -> Finding:
    return Finding(
        "G20",
        "a row left out",
        f"the gradient is that of all rows but the {which}: a loop or a slice stops one row short.",
        "go over all rows: range(len(x)), or no slice at all.",
        12,
    )


def offset(value: float) -> Finding:
    more, adds = ("more", "adds") if value > 0 else ("less", "takes away")
    return Finding(
        "G21",
        "a constant beside it",
        f"each number of the gradient is {figure(abs(value))} {more} than the true one, "
        f"everywhere: something that does not depend on w {adds} it.",
        "take the constant out; a term that is linear in w belongs in the loss, too.",
        27,
    )


def _size(factor: float) -> str:
    direction = "the direction is right, but" if factor > 0 else "apart from its sign,"
    return f"{direction} the size is {ratio(abs(factor))} × the true gradient, everywhere."
