"""Messages about a script or notebook that is to be checked."""

from __future__ import annotations

from .words import SteepestError


class ProgramError(SteepestError, ValueError):
    """A script or notebook that cannot be read, or that does not end."""

    exit_code = 2

    @classmethod
    def unreadable(cls, path: str, reason: str) -> ProgramError:
        return cls(
            f"'{path}' cannot be checked: {reason}.",
            "A Python script, a notebook or its export as text was expected.",
            "steepest check train.py, or notebook.ipynb, or what a notebook was saved as in .txt",
        )

    @classmethod
    def unfinished(cls, path: str, seconds: float) -> ProgramError:
        return cls(
            f"'{path}' did not end within {seconds:g} s, and no training loop was seen in it.",
            "It is run to be checked, and was stopped.",
            f"steepest check '{path}' --timeout {10 * seconds:g}, or a script with fewer epochs",
        )

    @classmethod
    def crashed(cls, path: str, reason: str) -> ProgramError:
        return cls(
            f"'{path}' took Python down with it: {reason}.",
            "Nothing that was seen before can be told.",
            f"python '{path}' to see how it ends",
        )
