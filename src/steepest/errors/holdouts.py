"""Messages about rows that are held out from a fit."""

from __future__ import annotations

from collections.abc import Sequence

from .words import SteepestError, listed, nearest


class ValidationError(SteepestError, ValueError):
    """Rows that cannot be held out, or were not."""

    @classmethod
    def scanned_whole(cls, share: str, rule: str) -> ValidationError:
        return cls(
            f"validation={share} is given, and the moments do not keep such rows apart.",
            "Which rows are held out is decided row by row, in the scan.",
            f"scan again: steepest.scan(table, folds='{rule}')",
        )

    @classmethod
    def empty(cls, share: float, seed: int, reason: str) -> ValidationError:
        return cls(
            f"validation={share:g} with seed {seed} leaves one side without rows: {reason}",
            "The side of a row follows from its values, so that a few rows may all fall on one.",
            f"seed={seed + 1}, or name a column that says which rows: validation='test'",
        )

    @classmethod
    def not_a_side(cls, column: str, labels: Sequence[str]) -> ValidationError:
        return cls(
            f"validation='{column}' names a column that is neither boolean nor 0 and 1.",
            f"It has {listed(labels, limit=5)}.",
            f"one fold after another can be held out: steepest.scan(table, folds='{column}')",
        )

    @classmethod
    def one_sided(cls, column: str, label: str) -> ValidationError:
        side = "held out, and none is left to train on" if label in ("true", "1") else "to train on"
        return cls(
            f"validation='{column}' is {label} in every row.",
            f"So all of them are {side}.",
            "validation=0.2",
        )

    @classmethod
    def nowhere(cls, name: str, known: Sequence[str]) -> ValidationError:
        meant = nearest(name, known)
        return cls(
            f"validation='{name}' is neither a column nor a file.",
            "Rows are held out by a share, where a column is true, or are another table's.",
            f"did you mean '{meant}'?" if meant else "validation=0.2",
        )

    @classmethod
    def nothing_held_out(cls) -> ValidationError:
        return cls(
            "no rows were held out.",
            "A validation loss is taken over rows that the fit has not seen.",
            "steepest.fit(table, target=..., validation=0.2)",
        )
