"""How the learning rate changes from epoch to epoch: factors of the rate that was given."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from ..errors import OptionError, check_whole


@runtime_checkable
class Schedule(Protocol):
    """A factor for each epoch: the step from w(t) to w(t + 1) is made at η · factor(t)."""

    def factor(self, epoch: int) -> float:
        """Return the factor of the step that follows epoch t."""


@dataclass(frozen=True)
class Constant:
    """The rate as it is: 1 at every epoch.

    >>> Constant().factor(1000)
    1.0
    """

    name: ClassVar[str] = "constant"

    def factor(self, epoch: int) -> float:  # noqa: ARG002
        return 1.0


CONSTANT = Constant()


@dataclass(frozen=True)
class InverseTime:
    """Falls as 1 / (1 + d t) [1]_: PyTorch's ``LambdaLR`` of that function.

    ===  ===============================================  =========
    d    decay, the fall of the rate in the first epoch   1 / epoch
    t    epoch                                            epoch
    ===  ===============================================  =========

    References
    ----------
    .. [1] H. Robbins, S. Monro.  A stochastic approximation method.  Annals of Mathematical
       Statistics 22(3), 400-407, 1951.  doi:10.1214/aoms/1177729586

    Examples
    --------
    >>> [InverseTime(0.5).factor(t) for t in (0, 2, 6)]
    [1.0, 0.5, 0.25]
    """

    name: ClassVar[str] = "inverse-time"
    decay: float = 0.01

    def __post_init__(self) -> None:
        _check_number("decay", self.decay, 0.0, math.inf)

    def factor(self, epoch: int) -> float:
        return 1 / (1 + self.decay * epoch)


@dataclass(frozen=True)
class Step:
    """Falls to a share every so many epochs: PyTorch's ``StepLR(every, share)``.

    >>> [Step(10, 0.5).factor(t) for t in (0, 9, 10, 25)]
    [1.0, 1.0, 0.5, 0.25]
    """

    name: ClassVar[str] = "step"
    every: int = 100
    share: float = 0.1

    def __post_init__(self) -> None:
        check_whole("every", self.every, 1, EXAMPLES["every"])
        _check_number("share", self.share, 0.0, math.inf)

    def factor(self, epoch: int) -> float:
        return float(self.share) ** (epoch // self.every)


@dataclass(frozen=True)
class Cosine:
    """Falls along half a cosine in so many epochs, to a share of the rate [1]_.

        factor(t) = s + (1 - s) (1 + cos(π t / T)) / 2

    PyTorch's ``CosineAnnealingLR(T, eta_min)`` with eta_min = s η; like that it rises again
    after T epochs.  Without ``epochs``, T is the number of epochs of the descent.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter.  SGDR: stochastic gradient descent with warm restarts.
       International Conference on Learning Representations, 2017.  doi:10.48550/arXiv.1608.03983

    Examples
    --------
    >>> [round(Cosine(10).factor(t), 3) for t in (0, 5, 10, 20)]
    [1.0, 0.5, 0.0, 1.0]
    """

    name: ClassVar[str] = "cosine"
    epochs: int | None = None
    share: float = 0.0

    def __post_init__(self) -> None:
        if self.epochs is not None:
            check_whole("epochs", self.epochs, 1, EXAMPLES["epochs"])
        _check_number("share", self.share, 0.0, 1.0)

    def factor(self, epoch: int) -> float:
        if self.epochs is None:
            raise OptionError.outside(
                "epochs", None, "known to this schedule", "steepest.rules.Cosine(epochs=1000)"
            )
        return self.share + (1 - self.share) * (1 + math.cos(math.pi * epoch / self.epochs)) / 2


@dataclass(frozen=True)
class WarmUp:
    """Rises in a straight line to the whole rate in so many epochs, then follows another schedule.

    PyTorch's ``LinearLR(start, total_iters=epochs)``, and with ``then`` its ``SequentialLR`` of
    that and another, whose epochs count from the end of the rise.

    >>> [round(WarmUp(4, 0.2).factor(t), 3) for t in (0, 1, 4, 9)]
    [0.2, 0.4, 1.0, 1.0]
    >>> [WarmUp(4, then=Step(10, 0.5)).factor(t) for t in (13, 14)]
    [1.0, 0.5]
    """

    name: ClassVar[str] = "warm-up"
    epochs: int = 5
    start: float = 1 / 3
    then: Schedule = CONSTANT

    def __post_init__(self) -> None:
        check_whole("epochs", self.epochs, 1, EXAMPLES["epochs"])
        _check_number("start", self.start, 0.0, 1.0)

    def factor(self, epoch: int) -> float:
        if epoch >= self.epochs:
            return self.then.factor(epoch - self.epochs)
        return self.start + (1 - self.start) * epoch / self.epochs


SCHEDULES: dict[str, type[Constant | InverseTime | Step | Cosine | WarmUp]] = {
    kind.name: kind for kind in (Constant, InverseTime, Step, Cosine, WarmUp)
}


def find_schedule(schedule: str | Schedule | None, epochs: int | None) -> Schedule:
    """Return the schedule that is meant; a cosine without an end gets the epochs that are left.

    Parameters
    ----------
    schedule : str, Schedule or None
        A name, with its numbers after colons: ``"cosine"``, ``"step:30:0.5"``, and, after a
        warm-up, what follows it: ``"warm-up:10,cosine"``.  None is constant.
    epochs : int or None
        Of the descent.

    Raises
    ------
    OptionError
        There is none of that name, or a number is missing, superfluous or out of range.

    Examples
    --------
    >>> find_schedule("warm-up:10,cosine", 100)
    WarmUp(epochs=10, start=0.3333333333333333, then=Cosine(epochs=90, share=0.0))
    """
    if schedule is None:
        return CONSTANT
    if isinstance(schedule, str):
        first, comma, rest = schedule.partition(",")
        found = _read_one(first)
        if comma:
            if not isinstance(found, WarmUp):
                raise OptionError.outside(
                    "schedule", schedule, "a warm-up and what follows", "schedule='warm-up,cosine'"
                )
            return WarmUp(found.epochs, found.start, find_schedule(rest, _left(epochs, found)))
        schedule = found
    if isinstance(schedule, type) or not isinstance(schedule, Schedule):
        raise OptionError.unknown("schedule", schedule, list(SCHEDULES))
    if isinstance(schedule, WarmUp):
        then = find_schedule(schedule.then, _left(epochs, schedule))
        return WarmUp(schedule.epochs, schedule.start, then)
    if isinstance(schedule, Cosine) and schedule.epochs is None and epochs is not None:
        return Cosine(max(int(epochs), 1), schedule.share)
    return schedule


def is_constant(schedule: Schedule) -> bool:
    """Whether the rate never changes."""
    return isinstance(schedule, Constant)


def describe_schedule(schedule: Schedule) -> str:
    """The schedule as :func:`find_schedule` reads it; as it prints itself if it is not ours.

    >>> describe_schedule(WarmUp(10, 0.5, Cosine(90)))
    'warm-up:10:0.5,cosine:90:0.0'
    """
    if not isinstance(schedule, Constant | InverseTime | Step | Cosine | WarmUp):
        return repr(schedule)
    values = [(f.name, getattr(schedule, f.name)) for f in fields(schedule)]
    words = [schedule.name, *(str(v) for n, v in values if n != "then" and v is not None)]
    text = ":".join(words)
    if isinstance(schedule, WarmUp) and not is_constant(schedule.then):
        text += f",{describe_schedule(schedule.then)}"
    return text


def _left(epochs: int | None, warm_up: WarmUp) -> int | None:
    return None if epochs is None else max(int(epochs) - warm_up.epochs, 1)


def _read_one(text: str) -> Schedule:
    name, *numbers = (part.strip() for part in text.split(":"))
    if name not in SCHEDULES:
        raise OptionError.unknown("schedule", name, list(SCHEDULES))
    kind = SCHEDULES[name]
    names = [field.name for field in fields(kind) if field.name != "then"]
    try:
        values = [_read_number(number) for number in numbers]
    except ValueError:
        values = []
    if len(values) != len(numbers) or len(values) > len(names):
        takes = " and ".join(names) or "no numbers"
        raise OptionError.outside(
            "schedule", text, f"one that can be read: {name} takes {takes}",
            f"schedule='{':'.join([name, *(EXAMPLES[n] for n in names)])}'",
        )  # fmt: skip
    make: Callable[..., Schedule] = kind
    return make(*values)


EXAMPLES = {"decay": "0.01", "every": "100", "share": "0.1", "epochs": "1000", "start": "0.1"}


def _read_number(text: str) -> float | int:
    return int(text) if text.isdecimal() else float(text)


def _check_number(name: str, value: float, low: float, high: float) -> None:
    real = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not real or not low <= value <= high or math.isinf(value):
        wanted = f"a number from {low:g} to {high:g}" if high < math.inf else "a number from 0"
        raise OptionError.outside(name, value, wanted, f"{name}={EXAMPLES[name]}")
