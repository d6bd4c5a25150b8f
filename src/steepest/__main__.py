"""``python -m steepest`` and the ``steepest`` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end with its exit code."""
    from .faces.cli import run
    from .faces.interruption import WORDS, leave

    code = run(sys.argv[1:])
    if code in WORDS:  # Python would wait for threads that read a file to its end
        leave(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
