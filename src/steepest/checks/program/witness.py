"""What an iteration should have done: the gradients of the numbers that its loop computes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...typing import Floats
from .figures import flatten, length_of
from .hooks import Hooks, Iteration
from .log import Move, Record, Seen, Sight
from .losses import find_losses, sounds_like_loss, told
from .memory import Memory, remember
from .patience import PATIENCE, alone
from .replay import Replay, Tape, Weight, compile_body
from .sights import see_losses
from .weights import choose_some, find_weights, moves_twice, name_weight


def judge(hooks: Hooks, iteration: Iteration) -> bool:
    """Look into an iteration that has moved something; False where the loop around it has to."""
    record = iteration.record
    if any(move.truth is not None for move in iteration.moves):
        if not iteration.backward and len(hooks.active) > 0:
            return False
        moves = [move for move in iteration.moves if move.truth is not None]
        record.seen.append(_by_backward(moves, record))
        _look_aside(iteration)
        return True
    if hooks.ledger.leads and iteration.backward:
        copied = hooks.ledger.copied(iteration.moves)
        if copied:
            record.findings += copied
            return True
    if iteration.env is None or iteration.memory is None:
        return bool(record.lost) or _out_of_patience(hooks, record)
    began = time.perf_counter()
    now = remember(iteration.env, iteration.module, hooks.modules)
    try:
        with alone():
            return _by_running(hooks, iteration, now)
    except SyntaxError:
        record.lost = "its body yields or awaits, and cannot be run again"
        return True
    except Exception as error:
        record.lost = _in_words(error)
        return True
    finally:
        now.restore()
        hooks.looked += time.perf_counter() - began


def _in_words(error: Exception) -> str:
    """What keeps a body from being run again."""
    return f"its body cannot be run again with other weights: it stops at {type(error).__name__}"


def _out_of_patience(hooks: Hooks, record: Record) -> bool:
    """Whether a loop was looked at no more because the time for it was up."""
    if hooks.looked <= PATIENCE:
        return False
    if not any(other.seen for other in hooks.records):
        record.lost = f"the {PATIENCE:.0f} s for looking at it were up: run fewer rows or weights"
    return bool(record.seen or record.lost)


def _by_backward(moves: list[Move], record: Record) -> Seen:
    """PyTorch has told the gradient."""
    names: list[str] = []
    parts, w, truth = [], [], []
    at = 0
    for move in moves:
        assert move.truth is not None
        size = len(move.truth)
        chosen = choose_some(size)
        parts.append((move, slice(at, at + len(chosen)), chosen))
        names += [name_weight(move.name, move.old, i) for i in chosen]
        w.append(move.before[chosen])
        truth.append(move.truth[chosen])
        at += len(chosen)
    told = np.concatenate(truth)
    single = any("float64" not in str(getattr(move.old, "dtype", "float64")) for move in moves)
    share = 2e-5 if single else 1e-9
    error = share * (np.abs(told) + 1e-2 * np.abs(told).max(initial=0.0)) + 1e-30
    first = record.seen[0].sights["backward", "loss"].truth if record.seen else told
    error = error + 1e-2 * share * np.abs(first).max(initial=0.0)
    fresh = all(
        move.grad is not None and np.allclose(move.grad, move.truth, rtol=1e-4, atol=0)
        for move in moves
        if move.truth is not None
    )
    sight = Sight(told, error, told, told, excused=fresh)
    return Seen(
        moves, np.concatenate(w), tuple(names), parts, {("backward", "loss"): sight}, [], single
    )


def _look_aside(iteration: Iteration) -> None:
    """The lengths of the data that the loop reads."""
    if iteration.env is None:
        return
    for name in iteration.record.loop.reads:
        value: Any = iteration.env.get(name)
        if length_of(value) > 1 and len(value.shape) == 1:
            iteration.record.columns.add(len(value))


def _by_running(hooks: Hooks, iteration: Iteration, now: Memory) -> bool:
    record, memory, env = iteration.record, iteration.memory, iteration.env
    assert memory is not None
    assert env is not None
    memory.restore()
    weights, moves = find_weights(iteration, memory, hooks.anatomy.starts)
    if not weights:
        return False
    thrown = _thrown_away(weights, moves, hooks.anatomy.discarded)
    if thrown and not record.loop.function:
        now.restore()
        record.unmoved += [weight.name for weight in thrown if weight.stands]
        memory.restore()
    code = compile_body(record.loop)
    replay = Replay(code, env, memory, hooks, [weight for weight, _ in weights])
    replay.taken = iteration.taken
    start = np.concatenate([flatten(weight.value) for weight, _ in weights])
    hooks.suppressed = {move.site.number for move in moves if move.site is not None}
    try:
        depends = _dependent(replay, start, weights, hooks)
    except Exception as error:
        record.lost = record.lost or _in_words(error)
        return False
    if not any(depends):
        _note_still(replay.run(start), moves, record)
        return False
    kept = [pair for pair, does in zip(weights, depends, strict=True) if does]
    if any(moves_twice(moves) for _, moves in kept):
        if not any(move.site and move.site.has_rate for _, moves in kept for move in moves):
            return False
        record.lost = (
            "it moves the same weight several times an iteration, and no loss is computed each time"
        )
        return True
    hooks.suppressed = {m.site.number for _, ms in kept for m in ms if m.site is not None}
    replay = Replay(code, env, memory, hooks, [weight for weight, _ in kept])
    replay.taken = iteration.taken
    seen = see_losses(replay, kept, hooks, record)
    if seen is None:
        return False
    record.seen.append(seen)
    record.lost = ""
    memory.restore()
    _look_aside(iteration)
    return True


def _thrown_away(weights: Any, moves: Sequence[Move], discarded: set[str]) -> list[Weight]:
    """Weights that only a function moves whose result is not used where it is called."""
    sites = [move.site for move in moves]
    return [
        weight
        for weight, own in weights
        if all(
            move.site is not None
            and move.site.form == "name"
            and move.site.function in discarded
            and sites.count(move.site) == 1
            and np.any(move.before + np.sum(move.terms, axis=0) != move.before)
            for move in own
        )
    ]


def _note_still(base: Tape, moves: Sequence[Move], record: Record) -> None:
    """Keep a loss that depends on nothing that is moved by a rate."""
    names = [
        move.name for move in moves if move.site and move.site.has_rate and move.terms[0].any()
    ]
    if names:
        record.moves = names
        for label, value in base.scalars.items():
            if label[0] == "put" and sounds_like_loss(label[1].rsplit(":", 1)[-1]):
                record.still.setdefault(label, []).append(value.real)


def _dependent(replay: Replay, start: Floats, weights: Any, hooks: Hooks) -> list[bool]:
    """Which weights the loop's numbers depend on."""
    base = replay.run(start)
    found, at = [], 0
    rng = np.random.default_rng(3)
    for weight, _ in weights:
        other = start.copy()
        own = other[at : at + weight.size]
        own += rng.uniform(0.5, 1.0, weight.size) * 1e-2 * np.maximum(1.0, np.abs(own))
        moved = replay.run(other)
        labels = find_losses(base, hooks, weights, replay.env)
        kept = [
            (how, text)
            for how, text in labels
            if ("put" if how == "square" else how, text) in moved.scalars
        ]
        found.append(any(told(moved, label) != told(base, label) for label in kept))
        at += weight.size
    return found
