"""A line on stderr that moves while rows are read, where a person is looking."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..typing import OnProgress, Progress


@contextmanager
def show_progress(*, quiet: bool = False, prints: bool = False) -> Iterator[OnProgress | None]:
    """Something to call with each :class:`Progress`; None where stderr is no terminal.

    Also None where the work ``prints`` to a terminal as it goes: the two would mix.
    """
    if quiet or not sys.stderr.isatty() or (prints and sys.stdout.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    began = time.monotonic()
    columns = (TextColumn("reading"), BarColumn(24), TextColumn("{task.fields[words]}"))
    # rich would otherwise put its own stream in the place of standard output.
    bar = Bar(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with bar:
        task = bar.add_task("reading", total=None, words="")

        def on_progress(progress: Progress) -> None:
            words = describe_progress(progress, time.monotonic() - began)
            total = None if progress.fraction is None else 1.0
            bar.update(task, total=total, completed=progress.fraction or 0.0, words=words)

        yield on_progress


def describe_progress(progress: Progress, seconds: float) -> str:
    """Rows, rows per second and the time left, in words.

    >>> describe_progress(Progress(2_500_000, 0.25), 5.0)
    '2,500,000 rows, 500,000 rows/s, 15 s left'
    """
    words = f"{progress.rows:,} rows"
    if seconds > 0:
        words += f", {progress.rows / seconds:,.0f} rows/s"
    if progress.fraction:
        left = round(seconds * (1 - progress.fraction) / progress.fraction)
        words += f", {left // 60}:{left % 60:02d} min left" if left >= 60 else f", {left} s left"
    return words
