"""A gradient held against its loss, and what is wrong with it by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..descent.arguments import check_functions, check_rows
from ..descent.modules import is_module
from ..descent.trees import name_leaf, placed
from ..errors import GradientError
from ..typing import Floats, Tensor
from . import limits, misfits
from .derivatives import Derivative
from .findings import Checkup, Finding
from .naming import Comparison, explain
from .suspects import add_suspects
from .trial import DIFFERENCES, Trial, as_array, build_trial

SPREADS = (1.0, 3.0, 0.3)
"""How far the random points lie from the start, in units of what is felt."""

ATTEMPTS, NEAREST, KINKS = 40, 0.01, 400


def check_gradient(
    forward: Callable[..., Tensor] | None,
    loss: Callable[..., Tensor],
    gradient: Callable[..., Tensor] | None,
    X: Tensor,
    Y: Tensor,
    *,
    w: Any,
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> Checkup:
    """Hold a gradient against its loss, and name what is wrong with it.

    The loss is differentiated by somebody else than the gradient's author, at ``w`` and at three
    random points around it:

        t(w) = ∂/∂w loss(Y, forward(w, X))

    Parameters
    ----------
    forward, loss, gradient : callable
        As :func:`steepest.descend` takes them: ``forward(w, x)``, ``loss(y, y_predicted)`` and
        ``gradient(x, y, y_predicted)``; a loss or gradient with one required argument more is given
        w there.  ``gradient=None`` with tensors, or arrays of JAX, checks that autograd sees all
        of w.
    X : array or tensor, shape (n, ...)
        The inputs, one row each.
    Y : array or tensor, shape (n, ...)
        What is to be predicted.
    w : number, array, tensor, a tree of them, or torch.nn.Module
        Where to check first; the p weights of it are checked one by one.  ``forward=None`` with a
        module is the module itself.
    names : sequence of str, optional
        The p weights' names.  Default: ``w[0]``, ``w[1]``, ... or the paths in the tree.
    seed : int, optional
        Of the random points.

    Returns
    -------
    Checkup
        ``ok``, ``findings`` with a name, the numbers and a cure each, and a text.

    Raises
    ------
    OptionError
        An argument is outside its range.
    EmptySourceError
        X or Y has no rows.
    LengthError
        X and Y, or ``names`` and w, differ in length.
    GradientError
        No gradient is given, and the data are not tensors.

    Notes
    -----
    The true gradient comes from autograd on PyTorch and JAX, from a complex step on NumPy [1]_, and
    from extrapolated central differences [2]_ where those do not agree with differences; every one
    carries an error estimate, and rounding is measured by nudging each float by one unit in its
    last place.  Rows in float32 are checked in float64 copies.  At a kink any number between the
    one-sided derivatives is right.  O(p) evaluations of ``loss``; nothing of the caller's changes.

    References
    ----------
    .. [1] W. Squire, G. Trapp.  Using complex variables to estimate derivatives of real functions.
       SIAM Review 40(1), 110-112, 1998.  doi:10.1137/S003614459631241X
    .. [2] C. J. F. Ridders.  Accurate computation of F'(x) and F'(x) F''(x).  Advances in
       Engineering Software 4(2), 75-76, 1982.  doi:10.1016/S0141-1195(82)80057-0

    Examples
    --------
    The gradient that many tutorials print; ``np.dot`` has already added up the rows:

    >>> checkup = check_gradient(
    ...     lambda w, x: w * x,
    ...     lambda y, predicted: ((predicted - y) ** 2).mean(),
    ...     lambda x, y, predicted: np.dot(2 * x, predicted - y).mean(),
    ...     np.array([1.0, 2.0, 3.0, 4.0]),
    ...     np.array([2.0, 4.0, 6.0, 8.0]),
    ...     w=0.0,
    ... )
    >>> checkup.ok, checkup.findings[0].name
    (False, 'sum, not mean')
    >>> checkup.findings[0].found.split(".")[0]
    'the direction is right, but the size is 4 × the true gradient, everywhere'
    """
    functions = {"forward": forward, "loss": loss, "gradient": gradient}
    check_functions(functions, optional={"gradient", "forward"} if is_module(w) else {"gradient"})
    trial = build_trial(forward, loss, gradient, X, Y, w)
    if gradient is None and trial.kind == "numpy":
        raise GradientError.missing()
    check_rows(trial.x, trial.y)
    own = trial.name_weights(names)
    wrong = list(_check_shapes(trial)) or list(_check_values(trial))
    if wrong:
        return Checkup(tuple(wrong), 1, float("inf"), "")
    single = _is_single(trial)
    seen, oracle = _compare(trial, own, seed, single)
    notes = [limits.single_precision(3)] if single else []
    found, first = [], 0
    if _is_corner(seen):
        first = 1
        notes.append(limits.corner(seen.w[0], seen.got[0], seen.truth[0]))
    elif seen.apart.any():
        found = explain(add_suspects(seen, trial))
    elif (seen.got != seen.truth).any() and not (
        _sharpness(seen) < (0.3 if single else 0.01)
    ).any():
        found = [limits.not_checked(float(_sharpness(seen).min()))]
    scale = np.maximum(np.abs(seen.truth).max(axis=0), np.finfo(float).tiny)
    worst = float((np.abs(seen.got - seen.truth) / scale)[first:].max(initial=0.0))
    return Checkup(tuple(found), len(seen.w), worst, oracle, tuple(notes))


def _check_shapes(trial: Trial) -> Iterator[Finding]:
    """What does not fit together at the start."""
    predicted = trial.predict(trial.start)
    score: Any = None if predicted is None else trial.score(trial.start)
    hand: Any = trial.hand(trial.start) if trial.gradient and score is not None else 0.0
    for name, value in (("forward", predicted), ("loss", score), ("gradient", hand)):
        if value is None:
            yield misfits.returned_nothing(name)
            return
    shapes = tuple(np.shape(predicted)), trial.y.shape
    if tuple(np.shape(score)) != ():
        yield misfits.loss_of_many(tuple(np.shape(score)))
        return
    if shapes[0] != shapes[1]:
        joined = _joined(*shapes)
        if joined and np.prod(joined) > max(np.prod(shape) for shape in shapes):
            yield misfits.broadcast_prediction(*shapes, joined)
            return
    if trial.gradient is not None:
        yield from _check_gradient_shape(trial, hand)


def _joined(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None


def _check_gradient_shape(trial: Trial, hand: Any) -> Iterator[Finding]:
    """A gradient that has not one number for each weight."""
    try:
        shapes = trial.beside(hand, lambda w, g: (np.shape(w), np.shape(g)))
    except LookupError as error:
        yield misfits.wrong_structure(name_leaf(error.args[0]))
        return
    for (path, _), (wanted, found) in zip(placed(trial.like), shapes, strict=True):
        if wanted != found:
            where = name_leaf(path) if path else ""
            yield misfits.wrong_shape(found, wanted, len(trial.y), where)
            return


@np.errstate(all="ignore")
def _check_values(trial: Trial) -> Iterator[Finding]:
    """A loss that is no number, and what gives another when it is asked again."""
    values = [trial.value(trial.start) for _ in range(2)]
    if not np.isfinite(values[0]):
        rows = [name for name, a in (("X", trial.x), ("Y", trial.y)) if not _is_whole(a)]
        yield limits.no_loss(values[0], rows)
    elif len({np.float64(value).tobytes() for value in values}) > 1:
        yield limits.not_repeatable("the loss", *values)
    elif trial.gradient is not None:
        once, again = (trial.hand_flat(trial.start) for _ in range(2))
        apart = np.abs(once - again) > 1e-3 * np.abs(once).max(initial=0.0)
        if apart.any():
            j = int(np.argmax(apart))
            yield limits.not_repeatable(f"the gradient of {trial.names[j]}", once[j], again[j])


def _is_whole(array: Any) -> bool:
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def _compare(trial: Trial, names: Sequence[str], seed: int, single: bool) -> tuple[Comparison, str]:
    """The two gradients at the start and at random points around it."""
    unit = 2.0**-23 if single else 2.0**-52
    rows: list[tuple[Floats, ...]] = []
    oracles: list[str] = []
    for w, derivative, oracle in _points(trial, seed, single):
        truth = derivative.gradient
        ways = [] if oracle == DIFFERENCES else [(Trial.exact, truth)]
        got = trial.hand_flat(w) if trial.gradient else trial.exact(w)
        assert got is not None
        ways.append((Trial.hand_flat if trial.gradient else Trial.exact, got))
        # A slope that moves the loss by less than its own rounding cannot be seen.
        unseen = 4 * unit * abs(trial.value(w)) / trial.scales
        rows.append((w, got, truth, derivative.error + trial.noise(w, ways, unit) + unseen))
        oracles.append(oracle)
    at, found, truth, error = (np.array(column) for column in zip(*rows, strict=True))
    truth, error = _at_kinks(trial, at, found, truth, np.maximum(error, 1e-290), single)
    n, outputs = len(trial.y), trial.y.size // len(trial.y)
    counts = {float(n): "rows"}
    counts.setdefault(float(outputs), "outputs")
    counts.setdefault(float(n * outputs), "numbers in y")
    return Comparison(at, found, truth, error, tuple(names), tuple(counts.items())), oracles[0]


def _is_corner(seen: Comparison) -> bool:
    """Whether only the start is apart, where the loss is not smooth or all other points agree."""
    at_start, elsewhere = seen.apart[0], seen.apart[1:]
    sharpness = _sharpness(seen)
    agreeing, rough = (sharpness[1:] < 1e-3).sum(), sharpness[0] > 1e-8
    enough = agreeing > 1 or (agreeing and rough)
    return bool(at_start.any() and enough and not elsewhere.any())


def _sharpness(seen: Comparison) -> Floats:
    """How far the numbers may be off at each point, as a share of the largest; shape (K,)."""
    largest = np.maximum(np.abs(seen.truth).max(axis=1, initial=0.0), 1e-280)
    return np.asarray(seen.error.max(axis=1, initial=0.0) / largest)


def _points(trial: Trial, seed: int, single: bool) -> Iterator[tuple[Floats, Derivative, str]]:
    """The start, and random weights around it where the loss has a derivative to speak of."""
    derivative, oracle = _truth(trial, trial.start, single)
    usual = 0.0
    if np.isfinite(derivative.gradient).all():
        usual = float(np.abs(derivative.gradient).max(initial=0.0))
        yield trial.start, derivative, oracle
    rng = np.random.default_rng(seed)
    for spread in SPREADS:
        size, shrunk = trial.response * trial.spread, 1.0
        if spread > 1:
            size = np.maximum(trial.response, np.abs(trial.start))
        for _ in range(ATTEMPTS):
            away = rng.normal(size=len(size))
            if spread > 1:  # past 0, so that sign(w) is seen to change
                away = -np.copysign(0.5 + np.abs(away), trial.start)
            w = trial.start + away * size * spread * shrunk
            if not _is_finite(trial, w):
                shrunk /= 2
                continue
            derivative, oracle = _truth(trial, w, single)
            largest = max(float(np.abs(derivative.gradient).max(initial=0.0)), 1e-3 * usual)
            if float(derivative.error.max(initial=0.0)) <= (0.03 if single else 1e-4) * largest:
                yield w, derivative, oracle
                break
            shrunk = min(shrunk, max(shrunk / 2, NEAREST))


def _truth(trial: Trial, w: Floats, single: bool) -> tuple[Derivative, str]:
    """The true gradient; where autograd is what is checked, by differences."""
    if trial.gradient is None:
        return trial.differences(w, single=single), DIFFERENCES
    return trial.derivative(w, single=single)


def _is_finite(trial: Trial, w: Floats) -> bool:
    """Whether the loss is a number at w, and around it."""
    with np.errstate(all="ignore"):
        try:
            shifts = (0.0, 0.01 * trial.response, -0.01 * trial.response)
            return all(np.isfinite(trial.value(w + shift)) for shift in shifts)
        except (ArithmeticError, ValueError):
            return False


def _at_kinks(
    trial: Trial, at: Floats, found: Floats, truth: Floats, error: Floats, single: bool
) -> tuple[Floats, Floats]:
    """The true gradients and their errors, where the loss may have a kink.

    There any number between the one-sided derivatives is right; and where other numbers are
    wrong, those at kinks tell nothing about why.
    """
    settled, loose, kinks = truth.copy(), error.copy(), np.zeros(truth.shape, dtype=bool)
    for k, j in np.argwhere(~(np.abs(found - truth) <= error))[:KINKS]:
        low, high = trial.sides(at[k], j, single=single)
        kinks[k, j] = low < high
        if low - error[k, j] <= found[k, j] <= high + error[k, j] and kinks[k, j]:
            settled[k, j] = found[k, j]
    apart = ~(np.abs(found - settled) <= error)
    if (apart & ~kinks).any():
        loose[kinks] = np.inf
    return settled, loose


def _is_single(trial: Trial) -> bool:
    """Whether the functions compute in single precision though they are handed doubles."""
    with trial.wide():
        made = [trial.predict(trial.start), trial.score(trial.start)]
        if trial.gradient is not None:
            made += trial.beside(trial.hand(trial.start), lambda _, g: g)
        return any(as_array(value).dtype in (np.float32, np.float16) for value in made)
