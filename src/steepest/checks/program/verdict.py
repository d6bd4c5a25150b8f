"""From what a loop did to what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from ...typing import Floats
from .. import mishaps as say
from ..findings import Finding
from ..steps import Step, explain_steps
from .anatomy import CLIMB, LOSS
from .log import Move, Record, Seen

WORST = 3
"""Findings told of one loop."""

Label = tuple[str, str]


def explain_loop(record: Record) -> list[Finding]:
    """What is wrong with a loop, worst first; at most three findings."""
    found = list(record.findings)
    if record.seen and not any(finding.code == "G07" for finding in found):
        found += _gradients(record)
        found = _with_growing(found, list(_growing(record)), clips=record.loop.clips)
    thrown = [name for name in record.unmoved if record.unmoved.count(name) > 2]
    if thrown:
        found.append(say.thrown_away(thrown[0], record.unmoved.count(thrown[0])))
    if not (record.seen or found or record.passes):
        found += _still(record)
    unique = {finding.code + finding.name: finding for finding in reversed(found)}
    return sorted(unique.values(), key=lambda finding: finding.rank)[:WORST]


VAGUE = {"G00", "G05", "G12", "G15", "G16"}
"""Said of numbers that no usual slip explains; another rule of updating may explain them."""


def _gradients(record: Record) -> list[Finding]:
    """What is wrong with the gradients; model by model where a loop trains several."""
    kept = _alike(record.seen)
    labels = [label for label in kept[0].sights if all(label in seen.sights for seen in kept)]
    covers = {label: _cover(kept, label) for label in labels}
    widest = max(covers.values(), key=len, default=frozenset())
    if all(cover <= widest for cover in covers.values()):
        return _of_one_model(record, kept, labels)
    found = []
    for cover in dict.fromkeys(covers.values()):
        own = [label for label in labels if covers[label] == cover]
        found += _of_one_model(record, [_narrowed(seen, cover) for seen in kept], own)
    return found


def _cover(kept: Sequence[Seen], label: Label) -> frozenset[int]:
    """Which of the moved weights a number depends on, by where they begin."""
    return frozenset(
        where.start
        for _, where, _ in kept[0].parts
        if any(seen.sights[label].truth[where].any() for seen in kept)
    )


def _narrowed(seen: Seen, cover: frozenset[int]) -> Seen:
    """The same for some of the weights; the others are as if nothing had moved them."""
    rest = [where for _, where, _ in seen.parts if where.start not in cover]
    sights = {}
    for label, sight in seen.sights.items():
        error = sight.error.copy()
        for where in rest:
            error[where] = np.inf
        sights[label] = replace(sight, error=error)
    return replace(seen, sights=sights, parts=[p for p in seen.parts if p[1].start in cover])


def _of_one_model(record: Record, kept: list[Seen], labels: list[Label]) -> list[Finding]:
    """What is wrong under the reading of the program that finds the least."""
    best: list[Finding] | None = None
    for label in labels:
        for rates in _readings(kept):
            found = _under(kept, label, rates, record)
            if _is_excused(found, kept, label, record):
                return []
            if best is None or _weight(found) < _weight(best):
                best = found
    if all(how == "square" for how, _ in labels):
        record.lost = "no loss is computed in it that its updates could be held against"
        record.seen.clear()
        return []
    if best is None or _certain(labels, kept, best):
        return best or []
    names = ", ".join(sorted({name for _, name in labels})[:3])
    record.lost = f"its updates are not the gradient of {names}, which may not be its loss"
    record.seen.clear()
    return []


def _is_excused(
    found: Sequence[Finding], kept: Sequence[Seen], label: Label, record: Record
) -> bool:
    """Whether there is nothing, or nothing but another rule of updating from the right gradient."""
    known = set(VAGUE)
    if record.loop.signs:  # signs are the same for many epochs
        known |= {"G08", "L02"}
    if label[0] == "backward":  # a penalty of one's own is no slip of autograd's
        known |= {"G06", "G09"}
    vague = {finding.code for finding in found} <= known
    return vague and (not found or all(seen.sights[label].excused for seen in kept))


def _alike(seen: Sequence[Seen]) -> list[Seen]:
    """The iterations that moved the same weights as most."""
    names = [one.names for one in seen]
    usual = max(set(names), key=names.count)
    return [one for one in seen if one.names == usual]


def _weight(found: Sequence[Finding]) -> tuple[int, int, int]:
    vague = sum(finding.code in {"G00", "G05", "G15"} for finding in found)
    return (vague, sum(not finding.other_name for finding in found), len(found))


def _certain(labels: Sequence[Label], kept: Sequence[Seen], found: Sequence[Finding]) -> bool:
    """Whether one of the numbers is surely the loss: by backward(), by its name, or it alone."""
    rated = all(move.site is None or move.site.has_rate for seen in kept for move in seen.moves)
    if not rated and {finding.code for finding in found} & (VAGUE - {"G12"}):
        return False
    if any(how == "backward" or LOSS.search(name) for how, name in labels):
        return True
    values = {round(kept[0].sights[label].value, 12) for label in labels}
    return len(values) == 1 and not {finding.code for finding in found} & (VAGUE - {"G12"})


def _readings(seen: Sequence[Seen]) -> Iterator[tuple[int, ...]]:
    """Which single numbers in an update are its rate, beside those that are named so."""
    moves = [move for one in seen for move in one.moves]
    widest = min(max((len(free) for move in moves for free in move.free()), default=0), 4)
    named = all(move.site is None or move.site.names_a_rate for move in moves)
    for size in range(0 if named or not widest else 1, widest + 1):
        yield from combinations(range(widest), size)


def _under(
    kept: Sequence[Seen], label: Label, rates: tuple[int, ...], record: Record
) -> list[Finding]:
    """What is wrong, if ``label`` is the loss and these factors are the rate."""
    steps, free, nothing = [], False, False
    climbs = bool(CLIMB.search(label[1]))
    for seen in kept:
        sight = seen.sights[label]
        used = np.zeros(len(seen.w))
        for move, where, picked in seen.parts:
            moved, known = _divided(move, rates)
            free |= not known
            nothing |= move.none
            own = moved[np.maximum(picked, 0)] * (picked >= 0)
            used[where] -= own
        truth, low, high = sight.truth, sight.low, sight.high
        if climbs and not nothing:
            used = -used
        if record.loop.clips and _is_clipped(used, truth, sight.error):
            used = truth
        lacking = nothing and not np.isfinite(used).all()
        error = _margin(sight.error, used, seen.single)
        steps.append(Step(seen.w, None if lacking else used, truth, error, None, None, low, high))
    if free and (_is_multiple(steps) or _is_velocity(steps)):
        return []
    if label[0] == "square" and _is_multiple(steps):
        return []
    if nothing and all(move.none and not move.site for seen in kept for move in seen.moves):
        return [say.zeroed_early(len(kept))]
    rows = dict.fromkeys(float(n) for seen in kept for n in seen.rows)
    columns = dict.fromkeys(float(n) for seen in kept for n in seen.columns)
    single = any(seen.single for seen in kept)
    found = explain_steps(
        steps, names=kept[0].names, rows=list(rows), columns=list(columns), single=single
    )
    return [finding for finding in found if finding.rank < 90 and finding.code != "L08"]


def _margin(error: Floats, used: Floats, single: bool) -> Floats:
    unit = 2.0**-20 if single else 2.0**-46
    return np.maximum(error + unit * np.abs(used), 1e-290)


def _divided(move: Move, rates: tuple[int, ...]) -> tuple[Floats, bool]:
    """The sum of a move's terms, each divided by its rate; and whether every term has one."""
    total = np.zeros(len(move.before))
    known = True
    for k, (term, scalars) in enumerate(zip(move.terms, move.scalars, strict=True)):
        if move.site is None:  # an optimiser's: the gradient itself
            return term, True
        factors = move.site.terms[k]
        order = move.free()[k]
        chosen = {f for f in scalars if factors[f].names_a_rate}
        chosen |= {order[i] for i in rates if i < len(order)}
        rate = 1.0
        for f in chosen:
            rate *= abs(scalars[f]) ** factors[f].power if scalars[f] else 1.0
        known &= bool(chosen)
        total = total + term / rate
    return total, known


def _is_multiple(steps: Sequence[Step]) -> bool:
    """Whether each step goes down along its gradient: the rate may stand in there."""
    for step in steps:
        if step.used is None:
            return False
        size = float(step.truth @ step.truth)
        if not size:
            continue
        factor = float(step.used @ step.truth) / size
        if not factor > 0 or np.any(
            np.abs(step.used - factor * step.truth) > 4 * step.error * (1 + factor)
        ):
            return False
    return True


def _is_velocity(steps: Sequence[Step]) -> bool:
    """Whether each is a share of the last one and a multiple of the gradient: momentum."""
    used = np.array([step.used for step in steps if step.used is not None])
    if len(used) < 4 or len(used) < len(steps):
        return False
    truth = np.array([step.truth for step in steps])
    table = np.stack([used[:-1].ravel(), truth[1:].ravel()], axis=1)
    scale = np.abs(table).max(axis=0)
    if not (scale > 0).all():
        return False
    (mu, c), *_ = np.linalg.lstsq(table / scale, used[1:].ravel(), rcond=None)
    gap = np.abs(table / scale @ np.array([mu, c]) - used[1:].ravel()).max()
    return bool(gap <= 1e-5 * np.abs(used).max() and 0 < mu / scale[0] < 1 and c > 0)


def _is_clipped(used: Floats, truth: Floats, error: Floats) -> bool:
    """Whether what was used is the gradient, shortened: as a whole, or number by number."""
    return bool(
        np.all(used * truth >= -error * np.abs(used))
        and np.all(np.abs(used) <= np.abs(truth) + error)
    )


def _still(record: Record) -> Iterator[Finding]:
    """A loss that stays as it is, whatever the updates do."""
    for values in record.still.values():
        if len(values) >= 3 and len(set(values)) == 1 and np.isfinite(values[0]):
            yield say.nothing_moved(record.moves[0], values[0], len(values))
            return


def _growing(record: Record) -> Iterator[Finding]:
    """Each .grad that is never zeroed, and whether the updates use it."""
    moves: dict[int, list[Move]] = {}
    for seen in record.seen:
        for move in seen.moves:
            moves.setdefault(id(move.old), []).append(move)
    for own in moves.values():
        told = [
            m
            for m in own
            if m.grad is not None and m.truth is not None and len(m.grad) == len(m.truth)
        ]
        if len(told) < 3:
            continue
        held = np.array([move.grad for move in told])
        true = np.array([move.truth for move in told])
        sums = np.cumsum(true, axis=0)
        scale = np.abs(held).max()
        grown = np.all(np.abs(sums - held) <= 1e-4 * scale)
        last = np.abs(sums[-1] - true[-1]).max() > 1e-3 * scale
        apart = np.abs(held - true).max() > 1e-3 * scale
        if apart and all(move.unclean for move in told[1:]) and _uses(told, held):
            j = int(np.argmax(np.abs(held[-1] - true[-1])))
            yield say.never_zeroed(told[0].name, len(told), held[-1, j], true[-1, j])
        elif grown and last and told[0].site is not None:
            yield say.keeps_growing(told[0].name)


def _with_growing(
    found: list[Finding], growing: Sequence[Finding], *, clips: bool
) -> list[Finding]:
    """With what is said of each .grad that grows, which is why some of the weights are wrong."""
    used = [finding for finding in growing if finding.code == "L01"]
    rest = [finding for finding in found if finding.code not in {"G00", "G09"}]
    unused = [finding for finding in growing if finding.code != "L01"]
    if used and (len(rest) < len(found) or clips):
        return [*rest, used[0], *unused]
    return [*found, *unused]


def _uses(told: Sequence[Move], held: Floats) -> bool:
    """Whether the updates are multiples of what stands in .grad."""
    for move, grad in zip(told, held, strict=True):
        used = np.sum(move.terms, axis=0)
        size = float(grad @ grad)
        share = float(used @ grad) / size if size else 0.0
        if np.abs(used - share * grad).max() > 1e-3 * np.abs(used).max():
            return False
    return True
