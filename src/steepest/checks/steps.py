"""A loop that was watched: which gradient each update used, and which it should have used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..typing import Floats
from . import lapses as say
from .findings import Finding
from .naming import Comparison, explain, name_factor

SINGLE, DOUBLE = 2.0**-23, 2.0**-52


@dataclass(frozen=True)
class Step:
    """One update of a loop; every array of shape (p,), a number a weight."""

    w: Floats
    """The weights before the update."""
    used: Floats | None
    """The gradient that the update used; None where there was none."""
    truth: Floats
    """The gradient of the loss at w."""
    error: Floats
    """How far the two may lie apart where nothing is wrong; above 0."""
    rate: float | None = None
    """The learning rate, where it is known."""
    after: Floats | None = None
    """The weights after the update, where they are known."""
    low: Floats | None = None
    high: Floats | None = None
    """One-sided derivatives: at a kink, low < high, any number between them is a gradient."""


class Update(NamedTuple):
    """A step whose rate and end are known."""

    step: Step
    after: Floats
    wanted: Floats
    """-rate × used, what w should change by."""

    @property
    def moved(self) -> Floats:
        return self.after - self.step.w


@dataclass(frozen=True)
class Walk:
    """The steps as arrays of shape (K, p), the used gradients turned to point uphill."""

    w: Floats
    used: Floats
    truth: Floats
    error: Floats
    names: tuple[str, ...]
    counts: tuple[tuple[float, str], ...]

    @property
    def seen(self) -> Comparison:
        return Comparison(self.w, self.used, self.truth, self.error, self.names, self.counts)


def explain_steps(
    steps: Sequence[Step],
    *,
    names: Sequence[str],
    rows: Sequence[float],
    columns: Sequence[float] = (),
    single: bool = False,
) -> list[Finding]:
    """Name what is wrong with the updates of a loop, worst first; an empty list where nothing is.

    ``rows`` and ``columns`` are how many of these a sum may go over; ``single`` says that the loop
    computes in float32.
    """
    if not steps:
        return []
    if any(step.used is None for step in steps):
        first = next(k for k, step in enumerate(steps) if step.used is None)
        return [say.no_gradient(first + 1)]
    whole = [step for step in steps if np.isfinite(step.truth).all()]
    if not whole:
        return []
    turned = _point_uphill(whole, single)
    walk = Walk(
        np.array([step.w for step in turned]),
        np.array([step.used for step in turned]),
        np.array([_nearest_truth(step) for step in turned]),
        np.array([step.error for step in turned]),
        tuple(names),
        (*[(n, "rows") for n in dict.fromkeys(rows)], *[(n, "columns") for n in columns]),
    )
    found = list(_name_gradients(walk))
    found += _name_updates(turned, single)
    return sorted(found, key=lambda finding: finding.rank)


def _point_uphill(steps: Sequence[Step], single: bool) -> list[Step]:
    """The steps with used gradients negated where the loop adds them: w += rate × (-gradient)."""
    told = [step for step in steps if step.after is not None and step.rate is not None]
    adds = all(_moves_by(step, -1.0, single) for step in told)
    if not told or not adds or all(_moves_by(step, 1.0, single) for step in told):
        return list(steps)
    return [replace(step, used=None if step.used is None else -step.used) for step in steps]


def _moves_by(step: Step, factor: float, single: bool) -> bool:
    """Whether w became w - factor × rate × used."""
    if step.used is None or step.rate is None or step.after is None:
        return False
    move = factor * step.rate * step.used
    return bool(np.all(np.abs(step.w - move - step.after) <= _rounding(step, single)))


def _rounding(step: Step, single: bool) -> Floats:
    """What w - rate × used may be off by, having been rounded."""
    unit = SINGLE if single else DOUBLE
    rate, used = step.rate or 0.0, step.used if step.used is not None else 0.0
    room = 8 * unit * (np.abs(step.w) + 64 * np.abs(rate * used)) + np.finfo(float).tiny
    return np.asarray(room)


def _nearest_truth(step: Step) -> Floats:
    """The gradient; at a kink, the one nearest to what was used."""
    if step.low is None or step.high is None or step.used is None:
        return step.truth
    inside = np.clip(step.used, step.low, step.high)
    return np.where(step.low < step.high, inside, step.truth)


def _name_gradients(walk: Walk) -> Iterator[Finding]:
    """What is wrong with the gradients that were used."""
    if walk.seen.apart.any():
        found = [*_name_memory(walk)]
        yield from found or ([] if _is_velocity(walk) else explain(walk.seen))


def _is_velocity(walk: Walk) -> bool:
    """Whether each is a share μ < 1 of the last one and the gradient, or 1 - μ of it: momentum."""
    if len(walk.used) < 4:
        return False
    before, truth, used = walk.used[:-1], walk.truth[1:], walk.used[1:]
    table = np.stack([before.ravel(), truth.ravel()], axis=1)
    scale = np.abs(table).max(axis=0)
    if not (scale > 0).all():
        return False
    solved, _, rank, _ = np.linalg.lstsq(table / scale, used.ravel(), rcond=1e-9)
    mu, c = (solved / scale).tolist()
    margin = (walk.error[1:] + walk.error[:-1]) * (1 + abs(mu) + abs(c))
    fits = np.all(np.abs(mu * before + c * truth - used) <= margin)
    whole = min(abs(c - 1), abs(c - 1 + mu)) < 0.01
    return bool(rank == 2 and fits and 0.01 < mu < 0.999 and whole)


def _name_memory(walk: Walk) -> Iterator[Finding]:
    """Gradients of other epochs: added up, the same again, the last one's."""
    used, truth, error = walk.used, walk.truth, walk.error
    last = len(used) - 1
    if last < 1:
        return
    if (np.abs(used - used[0]) <= 1e-12 * np.abs(used).max()).all():
        j = int(np.argmax(np.ptp(truth, axis=0)))
        if np.ptp(truth[:, j]) > 4 * error[:, j].max() and np.abs(used[0]).max() > 0:
            yield say.stale(len(used), used[0, j], truth[0, j], truth[last, j])
            return
    if any(_shared_factor(sign * used, truth, error) is not None for sign in (1, -1)):
        return  # a constant times the gradient; of one weight, that may look like sums too
    grown, margin = used[1:] - used[:-1], error[1:] + error[:-1]
    slope = _shared_factor(grown, truth[1:], margin)
    if slope is not None and np.abs(truth[1:]).max() > 4 * margin.max():
        k, j = _widest(used - truth)
        yield say.adding_up(k + 1, used[k, j], truth[k, j], walk.names[j])
        yield from _beside(slope, walk, margin)
        return
    slope = _shared_factor(used[1:], truth[:-1], margin)
    if slope is not None:
        k, j = _widest((used - truth)[1:])
        yield say.one_late(k + 2, used[k + 1, j], truth[k + 1, j], truth[k, j])
        yield from _beside(slope, walk, margin)


def _beside(factor: float, walk: Walk, margin: Floats) -> Iterator[Finding]:
    """What a constant factor on top of it is called."""
    spread = 8 * float(margin.max() / np.abs(walk.truth).max())
    if abs(factor - 1) > max(spread, 1e-9):
        ways = name_factor(factor, spread, walk.seen.counts)
        yield from min(ways, key=lambda way: way.weight).names


def _shared_factor(values: Floats, of: Floats, margin: Floats) -> float | None:
    """The c above 0 with values = c · of everywhere, within the margin; None if there is none."""
    square = float((of / margin).ravel() @ (of / margin).ravel())
    if not (np.isfinite(square) and square > 0):
        return None
    c = float((of / margin).ravel() @ (values / margin).ravel()) / square
    fits = np.all(np.abs(values - c * of) <= margin * (1 + abs(c)))
    return c if fits and c > 0 else None


def _widest(gaps: Floats) -> tuple[int, int]:
    k, j = np.unravel_index(int(np.argmax(np.abs(gaps))), gaps.shape)
    return int(k), int(j)


def _name_updates(steps: Sequence[Step], single: bool) -> Iterator[Finding]:
    """What is wrong with what the updates did with their gradients."""
    told = list(_updates(steps))
    for k, (one, then) in enumerate(pairwise(told)):
        gap = np.abs(then.step.w - one.after)
        if np.any(gap > _rounding(one.step, single)):
            j = int(np.argmax(gap))
            yield say.moved_between(k + 1, one.after[j], then.step.w[j])
            return
    if not told or all(_moves_by(one.step, 1.0, single) for one in told):
        return
    moves = np.array([one.moved for one in told])
    wanted = np.array([one.wanted for one in told])
    if not moves.any():
        margins = [_rounding(one.step, single).max() for one in told]
        if np.any(np.abs(wanted).max(axis=1) > margins):
            yield say.never_moved(len(told), told[0].step.w[0])
        return
    if _is_momentum(moves, wanted):
        return
    k, j = _widest(moves - wanted)
    yield say.another_step(k + 1, moves[k, j], wanted[k, j])


def _updates(steps: Sequence[Step]) -> Iterator[Update]:
    for step in steps:
        if step.rate is not None and step.after is not None and step.used is not None:
            yield Update(step, step.after, -step.rate * step.used)


def _is_momentum(moves: Floats, wanted: Floats) -> bool:
    """Whether each move is a share μ < 1 of the last one and a multiple of the gradient."""
    if len(moves) < 4:
        return False
    table = np.stack([moves[:-1].ravel(), wanted[1:].ravel()], axis=1)
    (mu, c), *_ = np.linalg.lstsq(table, moves[1:].ravel(), rcond=None)
    gap = np.abs(table @ np.array([mu, c]) - moves[1:].ravel()).max()
    whole = min(abs(c - 1), abs(c - 1 + mu)) < 0.01
    return bool(gap <= 1e-5 * np.abs(moves).max() and 0.01 < abs(mu) < 1 and whole)
