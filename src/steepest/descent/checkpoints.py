"""A descent on disk, from which it goes on as if it had never stopped."""

from __future__ import annotations

import numbers
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import store
from ..errors import CheckpointError
from .judge import Status
from .randomness import random_states, restore_random
from .snapshots import digest, pack, unpack
from .trees import is_tree, leaves, name_leaf, placed, rebuild
from .walk import Walk

INTERVAL = 30.0
"""Seconds between two writes where no number of epochs is asked for."""

PATIENCE = 20
"""Writing may take one in so many seconds."""


class Keeper:
    """Writes a walk down from time to time, and finds it again.

    Parameters
    ----------
    path : path
        The file.
    every : int or None
        Epochs between two writes; None goes by the clock.
    identity : mapping of str to str
        What makes the descent the same one: a name and what to compare for each.

    Raises
    ------
    OutputError
        Nothing can be written there, or something else stands there.
    """

    def __init__(
        self, path: str | os.PathLike[str], every: int | None, identity: Mapping[str, str]
    ) -> None:
        store.check_sealed_place(path, store.CHECKPOINT)
        # A path from the folder of now: the user's functions may change to another.
        self._path, self._every, self._identity = Path(path).absolute(), every, dict(identity)
        self._note: dict[str, Any] | None = None
        self._written = -1
        self._due = time.monotonic() + INTERVAL

    def resume(self, walk: Walk, epochs: int) -> None:
        """Put a walk that has not begun where the file says, if there is one.

        Raises
        ------
        CheckpointError
            The file is damaged, of another descent, or beyond ``epochs``.
        """
        if not self._path.exists():
            return
        name = os.fspath(self._path)
        data = store.read_sealed(self._path, store.CHECKPOINT)
        try:
            saved = unpack(data)
            then = saved["identity"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError.of(
                name, f"it holds no descent that we write ({error})"
            ) from error
        names = {**self._identity, **then}
        differences = [
            f"{key} was {then.get(key, 'not given')}, and is {self._identity.get(key, 'not given')}"
            for key in names
            if then.get(key) != self._identity.get(key)
        ]
        if differences:
            raise CheckpointError.another(name, differences)
        if saved["epoch"] > epochs:
            raise CheckpointError.beyond(name, saved["epoch"], epochs)
        _restore(walk, saved)
        restore_random(saved["random"])
        self._written = walk.epoch

    def note(self, walk: Walk) -> None:
        """Remember where a walk rests, and write it down when it is time."""
        self._note = _saved(walk)
        every = self._every
        if walk.epoch % every == 0 if every else time.monotonic() >= self._due:
            self.write(walk)

    def write(self, walk: Walk) -> None:
        """Write down where the walk last rested; between two epochs' records, nothing."""
        if not walk.whole:
            return
        if walk.resting and (self._note is None or self._note["epoch"] != walk.epoch):
            self._note = _saved(walk) if walk.epoch >= 0 else None
        if self._note is None or self._note["epoch"] == self._written:
            return
        began = time.monotonic()
        content = self._note | _traces(walk) | {"identity": self._identity}
        store.write_sealed(self._path, pack(content), store.CHECKPOINT)
        self._written = self._note["epoch"]
        now = time.monotonic()
        self._due = now + max(INTERVAL, PATIENCE * (now - began))


def identify(walk: Walk, given: Mapping[str, Any]) -> dict[str, str]:
    """Return a text for each argument that makes a descent the same one.

    Examples
    --------
    >>> _described(0.1), _described([1.0, 2.0]).split(" (")[0]
    ('0.1', '2 numbers or arrays')
    """
    settings = walk.stepper.settings(walk.w)
    told = isinstance(settings, str)
    rule = settings if told else f"{walk.stepper.rule.name} ({digest(settings)})"
    return {name: _described(value) for name, value in given.items()} | {"rule": rule}


def _described(value: Any) -> str:
    if value is None or isinstance(value, str | bool):
        return value if isinstance(value, str) else repr(value)
    if isinstance(value, numbers.Real):
        # 0, 0.0 and np.float64(0.0) are one number.
        near = value if isinstance(value, numbers.Integral) else float(value)
        return repr(int(near) if near == near // 1 else near)
    if hasattr(value, "state_dict"):
        value = value.state_dict()
    if is_tree(value):
        places = [[name_leaf(path), leaf] for path, leaf in placed(value)]
        return f"{len(places):,} numbers or arrays ({digest(places)})"
    return f"{value.dtype} of shape {tuple(value.shape)} ({digest(value)})"


def _saved(walk: Walk) -> dict[str, Any]:
    """Return where a walk rests, its traces apart."""
    status, watch = walk.status, walk.watch
    ended = None if status in (None, Status.STOPPED) else status.name
    return {
        "epoch": walk.epoch,
        "w": leaves(walk.w),
        "loss": walk.loss,
        "gradient": None if walk.gradient is None else leaves(walk.gradient),
        "state": walk.stepper.saved(walk.state),
        "aside": walk.form.aside(),
        "held": leaves(walk.held),
        "held_loss": walk.held_loss,
        "held_aside": walk.held_aside,
        "judge": walk.judge.saved(),
        "watch": watch.saved(),
        "watch_w": None if watch.w is None else leaves(watch.w),
        "watch_aside": watch.aside,
        "status": ended,
        "random": random_states(),
    }


def _traces(walk: Walk) -> dict[str, Any]:
    watched = walk.validation_losses
    return {
        "losses": walk.losses.saved(float),
        "weights": walk.weights.saved(leaves),
        "validation_losses": None if watched is None else watched.saved(float),
    }


def _restore(walk: Walk, saved: dict[str, Any]) -> None:
    """Put a walk where it rested."""
    start, kept = walk.w, walk.form.kept(walk.w)

    def weights(values: list[Any] | None) -> Any:
        return None if values is None else rebuild(start, values)

    walk.epoch, walk.loss = saved["epoch"], saved["loss"]
    walk.w, walk.gradient = weights(saved["w"]), weights(saved["gradient"])
    walk.state = walk.stepper.restored(start, saved["state"])
    walk.form.put(saved["aside"])
    walk.held, walk.held_loss = weights(saved["held"]), saved["held_loss"]
    walk.held_aside = saved["held_aside"]
    walk.judge.restore(saved["judge"], walk.w, walk.gradient)
    walk.watch.restore(saved["watch"], weights(saved["watch_w"]), saved["watch_aside"])
    walk.status = None if saved["status"] is None else Status[saved["status"]]
    walk.losses.restore(saved["losses"], float)
    one_float = isinstance(start, float)
    walk.weights.restore(
        saved["weights"], lambda one: _single(one) if one_float else rebuild(kept, one)
    )
    if walk.validation_losses is not None:
        walk.validation_losses.restore(saved["validation_losses"], float)


def _single(value: Any) -> float:
    return float(value[0] if isinstance(value, list) else value)
