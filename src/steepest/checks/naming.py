"""From numbers to names: which known slip turns the true gradient into the one that was found.

At each of K points there is the true gradient t and the one that was found, g.  Every slip is a
small model of g, such as g = c t or g = t + λ w; one that fits all K × p numbers within their
errors is named, and of several that fit the simplest.  Where two equally simple ones fit, the
numbers cannot tell them apart, and both are named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from . import faults as say
from .findings import Finding

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Comparison:
    """Gradients found and true at K points; every array of shape (K, p), a column a weight."""

    w: Floats
    got: Floats
    truth: Floats
    error: Floats
    """How far the two may lie apart where nothing is wrong."""
    names: tuple[str, ...]
    counts: tuple[tuple[float, str], ...] = ()
    """What there is to be summed over and its name: ``(4, "rows")``."""
    adds_up: bool | None = None
    """Whether the loss is known to be a sum over rows (True) or a mean (False)."""
    suspects: tuple[tuple[Finding, Floats], ...] = field(default=())
    """Gradients that a slip of another kind would give, with its name."""

    @property
    def apart(self) -> Mask:
        """Which numbers differ by more than their error."""
        return np.asarray(~(np.abs(self.got - self.truth) <= self.error))

    def of(self, columns: Mask) -> Comparison:
        """The same for some of the weights."""
        return Comparison(
            self.w[:, columns],
            self.got[:, columns],
            self.truth[:, columns],
            self.error[:, columns],
            tuple(np.array(self.names, dtype=object)[columns]),
            self.counts,
            self.adds_up,
        )

    def fits(self, model: Floats, stretch: float = 1.0) -> bool:
        """Whether ``model`` is what was found, at every point."""
        gap = np.abs(self.got - model)
        return bool(np.all(gap <= self.error * (1 + abs(stretch))))


@dataclass(frozen=True)
class Explanation:
    """Names that together turn the truth into what was found; the simpler, the more likely."""

    weight: float
    names: tuple[Finding, ...]


def explain(seen: Comparison) -> list[Finding]:
    """Name what is wrong, worst first; an empty list where nothing is."""
    if not seen.apart.any():
        return []
    if not np.isfinite(seen.got).all():
        k, j = np.argwhere(~np.isfinite(seen.got))[0]
        return [say.not_finite(seen.got[k, j], seen.names[j], seen.truth[k, j])]
    found = sorted(_explanations(seen), key=lambda explanation: explanation.weight)
    if not found:
        return [_mismatch(seen)]
    best = [e for e in found if e.weight == found[0].weight or _is_twin(e, found[0])]
    named = list(best[0].names)
    for other in best[1:]:
        named += [name.also() for name in other.names if name not in named]
    return sorted(named, key=lambda name: name.rank) if len(best) == 1 else named


def _is_twin(explanation: Explanation, best: Explanation) -> bool:
    """Whether an odd factor and a penalty tell of the same numbers: both are multiples of w."""
    return [e.names[0].code for e in (best, explanation)] == ["G06", "G05"]


def _explanations(seen: Comparison) -> Iterator[Explanation]:
    """Every model that fits."""
    columns = np.asarray(seen.apart.any(axis=0))
    yield from _constants(seen)
    yield from _factors(seen)
    yield from _penalties(seen, columns)
    yield from _factor_and_penalty(seen)
    yield from _offsets(seen)
    yield from _suspects(seen)
    yield from _permutations(seen, columns)
    if not columns.all() and _alive(seen.truth[:, ~columns]):
        yield from _some_weights(seen, columns)
    yield from _own_factors(seen)


def _constants(seen: Comparison) -> Iterator[Explanation]:
    """Nothing, or always the same."""
    scale = float(np.abs(seen.truth).max())
    if not np.abs(seen.got).max() > 1e-12 * scale:
        yield Explanation(0.5, (say.zero_gradient(scale),))
    elif len(seen.got) > 1 and seen.fits(np.broadcast_to(seen.got.mean(axis=0), seen.got.shape)):
        j = int(np.argmax(np.ptp(seen.truth, axis=0)))
        if np.ptp(seen.truth[:, j]) > 4 * seen.error[:, j].max():
            low, high = float(seen.truth[:, j].min()), float(seen.truth[:, j].max())
            yield Explanation(0.5, (say.constant_gradient(float(seen.got[0, j]), low, high),))


def _factors(seen: Comparison) -> Iterator[Explanation]:
    """G = c t with a c that has a name, or none."""
    factor = _slope(seen.got, seen.truth, seen.error)
    if factor is None or not seen.fits(factor * seen.truth, factor):
        return
    spread = _uncertainty(seen, factor)
    yield from name_factor(factor, spread, seen.counts, seen.adds_up)


def name_factor(
    factor: float,
    spread: float,
    counts: Sequence[tuple[float, str]],
    adds_up: bool | None = None,
) -> Iterator[Explanation]:
    """What a gradient that is ``factor`` × the true one may come from.

    Signs, twos and counts are multiplied in every way; the fewest that reach the factor, within
    ``spread`` of it, are meant.
    """
    size = abs(factor)

    def near(value: float) -> bool:
        return abs(size - value) <= spread + 1e-12 * value

    ways: list[tuple[int, tuple[Finding, ...]]] = []
    twos: list[tuple[float, tuple[Finding, ...]]] = [
        (1.0, ()),
        (2.0, (say.factor_two(2.0),)),
        (0.5, (say.factor_two(0.5),)),
    ]
    for two, said in twos:
        if near(two):
            ways.append((len(said), said))
        for count, what in counts:
            if count <= 1:
                continue
            divided = say.mean_for_sum if adds_up else say.divided_twice
            for value, name in ((count, say.sum_for_mean), (1 / count, divided)):
                if near(two * value):
                    counted = name(math.copysign(value, factor), count, what)
                    ways.append((len(said) + 1, (*said, counted)))
    for count, _ in counts:
        if count > 2:
            ways += [
                (2, (say.degrees_of_freedom(value, count),))
                for value in (count / (count - 1), (count - 1) / count)
                if near(value)
            ]
    if not ways:
        ways = [(2, (say.wrong_size(factor),))]
    fewest = min(count for count, _ in ways)
    for count, said in ways:
        sign = (say.wrong_sign(sized=bool(said)),) if factor < 0 else ()
        if count == fewest and (said or sign):
            yield Explanation(0.5 + count / 2 + len(sign) / 2, (*sign, *said))


def _penalties(seen: Comparison, columns: Mask) -> Iterator[Explanation]:
    """G = t + λ w, or t + λ sign(w), on all weights or on those but the intercept."""
    part = seen.of(columns)
    free = [name for name, hit in zip(seen.names, columns, strict=True) if not hit]
    for kind, shape in (("L2", part.w), ("L1", np.sign(part.w))):
        slope = _slope(part.got - part.truth, shape, part.error)
        if slope is None or not part.fits(part.truth + slope * shape):
            continue
        if kind == "L1" and len(np.unique(shape)) == 1:
            continue  # then it is a constant
        yield Explanation(1.0, (say.penalty(slope, kind, part.names, free),))


def _offsets(seen: Comparison) -> Iterator[Explanation]:
    """G = t + c, the same c for every weight and at every point."""
    c = float(np.median(seen.got - seen.truth))
    if c and seen.got.size > 2 and seen.fits(seen.truth + c):
        yield Explanation(2.0, (say.offset(c),))


def _factor_and_penalty(seen: Comparison) -> Iterator[Explanation]:
    """G = c t + λ w with a c that has a name."""
    if seen.got.size < 3:
        return
    weight = 1 / np.maximum(seen.error, np.finfo(float).tiny)
    table = np.stack([(seen.truth * weight).ravel(), (seen.w * weight).ravel()], axis=1)
    scale = np.abs(table).max(axis=0)
    if not (scale > 0).all():
        return
    solved, _, rank, _ = np.linalg.lstsq(table / scale, (seen.got * weight).ravel(), rcond=1e-9)
    factor, slope = (solved / scale).tolist()
    if rank < 2 or not seen.fits(factor * seen.truth + slope * seen.w, 1 + abs(factor)):
        return
    for way in name_factor(factor, _uncertainty(seen, factor), seen.counts, seen.adds_up):
        if way.names and way.names[-1].code != "G05" and way.weight < 2:
            yield Explanation(way.weight + 1.5, (*way.names, say.penalty(slope, "L2")))


def _suspects(seen: Comparison) -> Iterator[Explanation]:
    """Slips that were computed, up to a factor that has a name."""
    for name, model in seen.suspects:
        factor = _slope(seen.got, model, seen.error)
        if factor is None or not _resembles(seen, factor * model):
            continue
        if abs(factor - 1) < 1e-5:
            yield Explanation(1.2, (name,))
            continue
        for way in name_factor(factor, 1e-5 * abs(factor), seen.counts, seen.adds_up):
            if way.names[-1].code != "G05":
                yield Explanation(way.weight + 1.2, (name, *way.names))


def _resembles(seen: Comparison, model: Floats) -> bool:
    """Whether a suspect, which is only known to some six digits, is what was found."""
    margin = seen.error + 1e-6 * np.abs(model).max(axis=1, keepdims=True)
    return bool(np.all(np.abs(seen.got - model) <= margin))


def _permutations(seen: Comparison, columns: Mask) -> Iterator[Explanation]:
    """The right numbers at the wrong weights."""
    wrong = np.flatnonzero(columns)
    if not 2 <= len(wrong) <= 64:
        return
    pairs = []
    for j in wrong:
        gap = np.abs(seen.truth[:, wrong] - seen.got[:, [j]])
        fitting = np.flatnonzero((gap <= seen.error[:, wrong] + seen.error[:, [j]]).all(axis=0))
        if not len(fitting):
            return
        pairs.append((seen.names[j], seen.names[wrong[fitting[0]]]))
    if len({other for _, other in pairs}) == len(pairs):
        yield Explanation(1.4, (say.swapped(pairs),))


def _some_weights(seen: Comparison, columns: Mask) -> Iterator[Explanation]:
    """Some weights are right, and what is wrong with the others."""
    part = seen.of(columns)
    k = int(np.argmax((np.abs(part.got - part.truth) / part.error).max(axis=1)))
    why, cure, weight = "", "derive these weights again, and leave the others as they are.", 1.3
    inner = sorted([*_constants(part), *_factors(part)], key=lambda way: way.weight)
    if inner and inner[0].names[0].code != "G05":
        first = inner[0].names[0]
        why = f"There it is {first.name}. "
        cure = first.cure
    named = say.wrong_weights(
        part.names, len(seen.names), part.truth[k].tolist(), part.got[k].tolist(), why, cure
    )
    yield Explanation(weight, (named,))


def _own_factors(seen: Comparison) -> Iterator[Explanation]:
    """Each weight's gradient is a multiple of the true one of its own."""
    if len(seen.got) < 2 or seen.got.shape[1] < 2:
        return
    factors = []
    for j in range(seen.got.shape[1]):
        column = np.zeros(seen.got.shape[1], dtype=bool)
        column[j] = True
        part = seen.of(column)
        factor = _slope(part.got, part.truth, part.error)
        if factor is None or not part.fits(factor * part.truth, factor):
            return
        factors.append(factor)
    wrong = [j for j, c in enumerate(factors) if abs(c - 1) > 1e-6]
    named = say.own_factors([seen.names[j] for j in wrong], [factors[j] for j in wrong])
    yield Explanation(3.0, (named,))


def _mismatch(seen: Comparison) -> Finding:
    k = int(np.argmax((np.abs(seen.got - seen.truth) / seen.error).max(axis=1)))
    got, truth = seen.got[k], seen.truth[k]
    lengths = float(np.linalg.norm(got) * np.linalg.norm(truth))
    cosine = float(got @ truth) / lengths if lengths else 0.0
    scale = np.maximum(np.abs(truth), 1e-12 * max(float(np.abs(truth).max()), 1e-300))
    worst = float((np.abs(got - truth) / scale).max())
    return say.mismatch(seen.names, seen.w[k], truth, got, cosine, worst)


def _slope(values: Floats, of: Floats, error: Floats) -> float | None:
    """The factor c with values ≈ c · of, each number weighed by its error; None where of is 0."""
    weight = 1 / np.maximum(error, np.finfo(float).tiny)
    a, b = (of * weight).ravel(), (values * weight).ravel()
    top = float(np.abs(a).max())
    if not (np.isfinite(top) and top > 4):  # nothing of it stands above its error
        return None
    a, b = a / top, b / top
    return float(a @ b) / float(a @ a)


def _uncertainty(seen: Comparison, factor: float) -> float:
    """How far off a factor may be."""
    k, j = np.unravel_index(int(np.argmax(np.abs(seen.truth) / seen.error)), seen.truth.shape)
    return float((1 + abs(factor)) * seen.error[k, j] / abs(seen.truth[k, j]))


def _alive(truth: Floats) -> bool:
    return bool(np.abs(truth).max(initial=0.0) > 0)
