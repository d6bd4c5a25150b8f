"""Messages about learning rates, and descents that went wrong."""

from __future__ import annotations

from collections.abc import Sequence

from .words import SteepestError


def _times(ratio: float) -> str:
    """A ratio with three digits, and with as many as it takes to tell it from 1."""
    return f"{ratio:.3g}" if ratio >= 1.01 or ratio == 1 else f"{ratio:.10g}"


class LearningRateError(SteepestError, ValueError):
    """A rate that cannot converge, refused before the first step."""

    exit_code = 3

    @classmethod
    def too_large(
        cls,
        rate: float,
        limit: float,
        formula: str,
        momentum: float,
        smoothness: float,
        best: float,
        growth: float,
        along: Sequence[str],
    ) -> LearningRateError:
        with_m = f" (m = {momentum:.6g})" if momentum else ""
        where = f", along {', '.join(along)}" if along else ""
        return cls(
            f"learning_rate={rate:.6g} is {_times(rate / limit)} times the largest stable rate, "
            f"{formula} = {limit:.6g}{with_m}.",
            f"L = {smoothness:.6g} is this loss's largest curvature; at {formula} and above, the "
            f"descent never settles: at this rate its error grows {_times(growth)} times an "
            f"epoch{where}.",
            f"leave learning_rate unset to use the best fixed rate, {best:.6g}.",
        )


class DivergedError(SteepestError, ArithmeticError):
    """A descent that went up, or left the numbers altogether."""

    exit_code = 3

    @classmethod
    def rose(
        cls,
        rule: str,
        epoch: int,
        start: float,
        end: float,
        rate: float,
        smoothness: float,
        limit: float,
    ) -> DivergedError:
        known = 0 < smoothness < float("inf") and rate >= limit
        why = (
            f"learning_rate={rate:.6g} is {rate / limit:.3g} times the largest stable rate, "
            f"{limit * smoothness:.3g}/L = {limit:.3g} (L = {smoothness:.3g} is the curvature met "
            "on the way)."
            if known
            else f"learning_rate={rate:.6g} is too large for this loss."
        )
        return cls(
            f"{rule} diverged at epoch {epoch:,}: the loss rose from {start:.6g} to {end:.3g}.",
            why,
            f"learning_rate={0.5 * limit:.2g}" if known else f"learning_rate={rate / 10:.2g}",
        )

    @classmethod
    def rose_unruled(cls, rule: str, epoch: int, start: float, end: float) -> DivergedError:
        return cls(
            f"{rule} diverged at epoch {epoch:,}: the loss rose from {start:.6g} to {end:.3g}.",
            "Its steps are too large for this loss.",
            "give the optimiser a tenth of its rate.",
        )

    @classmethod
    def not_finite(cls, epoch: int, loss: float, data: Sequence[str]) -> DivergedError:
        if data:
            holds = "holds" if len(data) == 1 else "hold"
            why = f"{' and '.join(data)} already {holds} a NaN or an infinity."
            hint = "drop those rows first."
        elif epoch == 0:
            why = "The data and the starting w are finite, so forward or loss made it."
            hint = "print forward(w, x) at the starting w."
        else:
            why = "It was finite an epoch before, so forward, loss or gradient made it of that w."
            hint = "print(descent.weights[-1]); forward and loss must be defined there."
        return cls(f"the loss is {loss} at epoch {epoch:,}.", why, hint)
