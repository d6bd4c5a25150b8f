"""How a command ends: its exit code, and one message for each failure."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..errors import OutputError, SteepestError, TooLargeError
from .hints import find_flags, in_flags
from .interruption import INTERRUPTED, Stopped, raise_heard, tell_stop

OUR_BUG = 70

NO_MEMORY = re.compile("start new thread|map segment|[Cc]annot allocate memory")
"""What packages say where memory is missing, and raise as something else."""


def conclude(work: Callable[[], Any], command: click.Group, chosen: str = "") -> int:
    """Do the work of a command, and say in its exit code and in one message how it ended.

    Hints speak of the options of the commands, first of those of the chosen one.
    """
    _open_streams()
    try:
        code = _listen(work)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SteepestError as error:
        click.echo(f"steepest: {_in_flags(error, command, chosen)}", err=True)
        return error.exit_code
    except (BrokenPipeError, SystemExit):  # click turns a closed pipe into the second
        _close_stdout()
        return 0
    except OSError as error:
        _close_stdout()
        refused = OutputError.of("standard output", error.strerror or str(error))
        click.echo(f"steepest: {refused}", err=True)
        return refused.exit_code
    except (Stopped, KeyboardInterrupt, click.Abort) as stopped:
        stop = stopped.code if isinstance(stopped, Stopped) else INTERRUPTED
        tell_stop(stop, functools.partial(click.echo, err=True))
        return stop
    except Exception as error:
        if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
            click.echo(f"steepest: {_in_flags(TooLargeError.memory(), command, chosen)}", err=True)
            return TooLargeError.exit_code
        if os.environ.get("STEEPEST_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}".partition("\n")[0]
        click.echo(
            f"steepest: this is a bug of steepest, not of your data: {what}\n\n"
            "Hint: STEEPEST_DEBUG=1 shows the traceback to report.",
            err=True,
        )
        return OUR_BUG
    return code if isinstance(code, int) else 0


def _in_flags(error: SteepestError, command: click.Group, chosen: str) -> str:
    said, mark, hint = str(error).rpartition("\n\nHint: ")
    return said + mark + in_flags(hint, find_flags(command, chosen))


def _open_streams() -> None:
    """Something to read and to write messages to, where whoever began this process closed it."""
    for name, mode in (("stdin", "r"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  # for good


def _listen(work: Callable[[], Any]) -> Any:
    if getattr(sys, "stdout", None) is None:
        raise OutputError.of("standard output", "it is closed")
    try:
        return work()
    except Exception:
        raise_heard()  # a query that is interrupted may say so in its own way
        raise


def _close_stdout() -> None:
    """Let what is still to be written fall away, so that Python's exit does not try again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
