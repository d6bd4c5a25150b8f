"""A fault by its name, its numbers and its cure, and what a check has found."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import GradientError, counted
from ..typing import Floats


def figure(value: float) -> str:
    """A number with four digits, as a sentence has it.

    >>> figure(-120.0), figure(0.1 + 0.2), figure(12345678.0), figure(-0.0)
    ('-120', '0.3', '1.235e+07', '0')
    """
    return f"{value + 0.0:.4g}"


def ratio(value: float) -> str:
    """A factor with four digits, more where it takes more to tell it from 1.

    >>> ratio(4.0), ratio(-0.5), ratio(1.0001), ratio(1 + 1e-9)
    ('4', '-0.5', '1.0001', '1.000000001')
    """
    away = abs(abs(value) - 1)
    digits = 4 if away > 2e-3 or away == 0 else 8 if away > 1e-6 else 13
    return f"{value:.{digits}g}"


def vector(w: Floats) -> str:
    """Weights, the first four of them.

    >>> import numpy as np
    >>> vector(np.array([0.5])), vector(np.arange(6.0))
    ('0.5', '[0, 1, 2, 3, ...]')
    """
    shown = ", ".join(figure(value) for value in w[:4])
    return f"[{shown}{', ...' if len(w) > 4 else ''}]" if len(w) > 1 else shown


@dataclass(frozen=True)
class Finding:
    """A fault with its cure.

    Attributes
    ----------
    code : str
        ``G..`` for a gradient, ``L..`` for a loop, ``M..`` for what stands between two cells.
    name : str
        The fault in a few words: ``sum, not mean``.
    found : str
        What was seen, with the numbers, and why it cannot work.
    cure : str
        What to write instead, on one line.
    rank : int
        How bad: the smaller, the worse.
    other_name : bool
        Whether it is another name of the numbers that the finding before it names.

    Examples
    --------
    >>> print(Finding("G02", "wrong sign", "your gradient is -1 × the true one.", "turn it."))
    G02 wrong sign: your gradient is -1 × the true one.
        Cure: turn it.
    """

    code: str
    name: str
    found: str
    cure: str
    rank: int = 50
    other_name: bool = False

    def __str__(self) -> str:
        either = "or, for the same numbers, " if self.other_name else ""
        return f"{self.code} {either}{self.name}: {self.found}\n    Cure: {self.cure}"

    def also(self) -> Finding:
        """The same, as another name of what the finding before it names."""
        return replace(self, other_name=True)


@dataclass(frozen=True, repr=False)
class Checkup:
    """What a check has found.

    Attributes
    ----------
    findings : tuple of Finding
        The faults, worst first; empty where the gradient is right.
    points : int
        At how many weights it was checked.
    worst : float
        The largest difference from the true gradient, as a share of the largest that weight has.
    oracle : str
        How the true gradient was had: a complex step, autograd, central differences.
    notes : tuple of Finding
        What the check could not see; no faults.
    updates : bool
        Whether the points are the updates of a loop.

    Examples
    --------
    >>> print(Checkup((), points=4, worst=8.2e-12, oracle="autograd"))
    ok: the gradient matches the loss at 4 points (largest relative error 8e-12, by autograd).
    """

    findings: tuple[Finding, ...]
    points: int
    worst: float
    oracle: str
    notes: tuple[Finding, ...] = ()
    updates: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def raise_for_status(self) -> Checkup:
        """Return the checkup itself if nothing was found; GradientError with the worst if not."""
        if self.findings:
            worst = self.findings[0]
            raise GradientError.faulty(worst.name, worst.found, worst.cure)
        return self

    def __str__(self) -> str:
        if self.ok:
            what = (
                f"{counted(self.points, 'update')} used the gradient of the loss"
                if self.updates
                else f"the gradient matches the loss at {counted(self.points, 'point')}"
            )
            how = f"largest relative error {self.worst:.1g}, by {self.oracle}"
            lines = [f"ok: {what} ({how})."]
        else:
            lines = [str(finding) for finding in self.findings]
        return "\n".join([*lines, *map(str, self.notes)])

    __repr__ = __str__
