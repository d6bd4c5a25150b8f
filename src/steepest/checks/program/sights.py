"""The gradient of a number that a loop computes, held against what its updates had at hand."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np

from ...typing import Floats
from ..derivatives import Derivative, by_complex_step, differentiate, doubt, raised, sides
from ..trial import as_array
from .figures import flatten
from .hooks import Hooks
from .lengths import count_columns, count_rows
from .log import Move, Record, Seen, Sight
from .losses import find_losses, told
from .patience import afford
from .replay import Replay, Tape
from .softness import SMALL
from .weights import choose_some, name_weight, positions

EXACT, BY_DIFFERENCES, SINGLE = 1e-8, 1e-5, 3e-3

SOFTENED = 1e3
"""What log(p + ε) is worth to the gradient, by ε: a usual p is no smaller than 1 / SOFTENED."""


def see_losses(replay: Replay, kept: Any, hooks: Hooks, record: Record) -> Seen | None:
    """The gradient of each number that may be the loss."""
    whole = np.concatenate([flatten(weight.value) for weight, _ in kept])
    began = time.perf_counter()
    base = replay.run(whole)
    took = time.perf_counter() - began
    record.most = record.most or afford(took, [weight.value for weight, _ in kept])
    chosen, parts, names, moves = [], [], [], []
    at = offset = 0
    for weight, own in kept:
        touched = np.unique(np.concatenate([positions(move) for move in own]))
        picked = touched[choose_some(len(touched), record.most)]
        for move in own:
            places = positions(move)
            where = [
                int(np.flatnonzero(places == i)[0]) if (places == i).any() else -1 for i in picked
            ]
            parts.append((move, slice(at, at + len(picked)), np.array(where)))
            moves.append(move)
        names += [name_weight(weight.name, weight.value, int(i)) for i in picked]
        chosen += [offset + int(i) for i in picked]
        at += len(picked)
        offset += weight.size
    w, index = whole[chosen], np.array(chosen)
    if not _faithful(base, moves):
        record.lost = record.lost or "its body gives other numbers when it is run again"
        return None

    def tape_at(flat: Any) -> Tape:
        full = whole.astype(flat.dtype) if np.iscomplexobj(flat) else whole.copy()
        full[index] = flat
        return replay.run(full)

    single = any(as_array(v).dtype in (np.float32, np.float16) for _, _, v in base.arrays) or any(
        as_array(move.old).dtype in (np.float32, np.float16) for move in moves
    )
    first = record.seen[0].sights if record.seen else {}
    sights = {}
    for label in find_losses(base, hooks, kept, replay.env):
        trust = record.trust.setdefault(label, [])
        share = max(1e-5 if single else 1e-10, min(SOFTENED * hooks.anatomy.softness, SMALL))
        sight = _sight(label, tape_at, w, single, first.get(label), trust, share)
        if sight is not None:
            sight.excused = _stands_before(base, parts, sight) or _looks_ahead(
                base, parts, label, tape_at, w
            )
            sights[label] = sight
    if not sights:
        return None
    _mark_dependent(base, replay.tapes.values(), moves)
    rows = count_rows(base, moves, replay.env, hooks.anatomy)
    columns = count_columns(base, moves, rows)
    return Seen(moves, w, tuple(names), parts, sights, rows, single, columns)


def _mark_dependent(base: Tape, tapes: Iterable[Tape], moves: Sequence[Move]) -> None:
    """Which factors of the moves change with the weights, and are no rates."""
    others = [tape for tape in tapes if tape is not base][:12]
    for move in moves:
        assert move.site is not None
        was = base.notes.get(move.site.number, {})
        for k, scalars in enumerate(move.scalars):
            move.dependent[k] = {
                f
                for f in scalars
                if any(
                    not np.array_equal(
                        as_array(was.get((k, f), 0)),
                        as_array(t.notes.get(move.site.number, {}).get((k, f), 0)),
                    )
                    for t in others
                )
            }


def _faithful(base: Tape, moves: Sequence[Move]) -> bool:
    """Whether the same weights make the body ask for the same moves."""
    for move in moves:
        assert move.site is not None
        if sum(other.site is move.site for other in moves) > 1:
            continue
        again = base.notes.get(move.site.number, {})
        for k, (sign, term) in enumerate(zip(move.site.signs, move.terms, strict=True)):
            if (k, -1) not in again:
                return False
            got = sign * flatten(again[k, -1])
            if not np.allclose(
                np.broadcast_to(got, term.shape) if got.size == 1 else got,
                term,
                rtol=1e-4,
                atol=1e-9 * (1 + np.abs(term).max(initial=0)),
            ):
                return False
    return True


def _sight(
    label: tuple[str, str],
    tape_at: Any,
    w: Floats,
    single: bool,
    first: Sight | None,
    trust: list[float],
    share: float,
) -> Sight | None:
    def value(flat: Floats) -> float:
        return float(told(tape_at(flat), label).real)

    try:
        here = value(w)
        if not np.isfinite(here):
            return None
        found = _derivative(label, tape_at, value, w, single, trust)
    except Exception:
        return None
    scale = np.abs(first.truth if first else found.gradient).max(initial=0.0)
    error = found.error + share * scale + 1e-290
    if not np.isfinite(found.gradient).all():
        return None
    low, high = found.gradient.copy(), found.gradient.copy()
    for j in range(len(w) if len(w) <= 20 else 0):
        low[j], high[j] = sides(value, w, j, single=single)
    return Sight(found.gradient, error, low, high, False, here)


def _derivative(
    label: Any, tape_at: Any, value: Any, w: Floats, single: bool, trust: list[float]
) -> Derivative:
    """By a complex step, held against differences the first times; by differences else."""
    exact = None if np.inf in trust else by_complex_step(lambda at: told(tape_at(at), label), w)
    if exact is not None:
        doubtful = max(trust) if len(trust) >= 2 else doubt(value, w, exact, single=single)
        trust.append(doubtful)
        if np.isfinite(doubtful):
            share = max(SINGLE if single else EXACT, doubtful)
            return Derivative(exact, share * raised(exact))
    found = differentiate(value, w, single=single)
    share = SINGLE if single else BY_DIFFERENCES
    return Derivative(found.gradient, 4 * found.error + share * raised(found.gradient))


def _stands_before(base: Tape, parts: Any, sight: Sight) -> bool:
    """Whether the true gradient of every weight was at hand before its update."""
    values = [(clock, value) for clock, _, value in base.arrays] + base.parts
    for move, where, picked in parts:
        asked = [clock for clock, site in base.moves if move.site and site == move.site.number]
        size = int(np.prod(np.shape(move.old), dtype=int))
        truth, error = sight.truth[where], sight.error[where]
        chosen = _spread(picked, move)
        if not any(
            np.all(np.abs(flatten(value)[chosen] - truth) <= 2 * error)
            for clock, value in values
            if asked and clock < asked[0] and np.size(as_array(value)) == size
        ):
            return False
    return True


def _looks_ahead(base: Tape, parts: Any, label: Any, tape_at: Any, w: Floats) -> bool:
    """Whether the gradient at hand is that at another point, which stands in variables too."""
    choices = []
    for move, where, picked in parts:
        asked = [clock for clock, site in base.moves if move.site and site == move.site.number]
        chosen = _spread(picked, move)
        shape = np.shape(move.old)
        near = [
            flatten(value)[chosen]
            for clock, _, value in base.arrays
            if asked and clock < asked[0] and np.shape(as_array(value)) == shape
        ]
        choices.append([u for u in near if not np.array_equal(u, w[where])][:4])
    for points in list(product(*choices))[:8]:
        at = w.copy()
        for (_, where, _), point in zip(parts, points, strict=True):
            at[where] = point
        truth = by_complex_step(lambda flat: told(tape_at(flat), label), at)
        if truth is not None and truth.any():
            error = 1e-6 * np.abs(truth) + 1e-9 * np.abs(truth).max()
            if _stands_before(base, parts, Sight(truth, error, truth, truth, excused=False)):
                return True
    return False


def _spread(picked: np.ndarray, move: Move) -> np.ndarray:
    places = positions(move)
    return np.array([int(places[i]) if i >= 0 else 0 for i in picked])
