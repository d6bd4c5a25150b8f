"""How far a pass over rows is, on stderr: a line that moves, or one now and then."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..data.onlooker import looked_on
from ..typing import OnProgress, Progress

INTERVAL = 10.0
"""Seconds between two plain lines."""

MEMORY = 15.0
"""The pace is that of so many seconds past."""

PATIENCE = 2.0
"""Before so many seconds nobody knows how long it will take."""


@contextmanager
def show_progress(
    mode: str = "auto", *, quiet: bool = False, prints: bool = False
) -> Iterator[OnProgress | None]:
    """Something to call with each :class:`Progress`; None where nothing is to be shown.

    ``auto`` is a line that moves where stderr is a terminal, and else a plain line at most every
    10 s.  A line that moves is not shown where the work ``prints`` to a terminal as it goes: the
    two would mix.
    """
    if mode == "auto":
        mode = "live" if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else "plain"
    if quiet or mode == "off" or (mode == "live" and prints and sys.stdout.isatty()):
        yield None
        return
    shown = _show_live() if mode == "live" else _show_plain()
    with shown as on_progress, looked_on(on_progress):
        yield on_progress


@contextmanager
def _show_live() -> Iterator[OnProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    pace = Pace()
    columns = (TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[words]}"))
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
            words = pace.describe(progress, time.monotonic())
            total = None if progress.fraction is None else 1.0
            done = progress.fraction or 0.0
            bar.update(task, total=total, completed=done, words=words, description=progress.doing)

        yield on_progress


@contextmanager
def _show_plain() -> Iterator[OnProgress]:
    """One line at most every 10 s, and one at the end if there was any."""
    pace, last = Pace(), Progress(0, None)
    began = due = time.monotonic()
    due += INTERVAL

    def on_progress(progress: Progress) -> None:
        nonlocal due, last
        last, now = progress, time.monotonic()
        words = pace.describe(progress, now)
        if now >= due:
            due = now + INTERVAL
            share = "" if progress.fraction is None else f"{progress.fraction:.0%}"
            said = ", ".join(word for word in (share, words) if word)
            click.echo(f"{progress.doing}: {said}", err=True)

    yield on_progress
    seconds = time.monotonic() - began
    if seconds >= INTERVAL and last.rows:
        click.echo(f"read: {last.rows:,} rows in {_describe_seconds(seconds)}", err=True)


class Pace:
    """How fast it goes, by the last seconds.

    >>> pace = Pace()
    >>> pace.describe(Progress(1_000_000, 0.1), 100.0)
    '1,000,000 rows'
    >>> pace.describe(Progress(2_500_000, 0.25), 103.0)
    '2,500,000 rows, 500,000 rows/s, 15 s left'
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Progress]] = deque()

    def describe(self, progress: Progress, now: float) -> str:
        """Rows, rows per second and the time left, in words, as far as they are known."""
        seen = self._seen
        if seen and seen[-1][1].doing != progress.doing:
            seen.clear()
        while len(seen) > 2 and now - seen[1][0] > MEMORY:
            seen.popleft()
        if not seen or now - seen[-1][0] > MEMORY / 100:
            seen.append((now, progress))
        then, first = seen[0]
        seconds, words = now - then, []
        if progress.rows:
            words.append(f"{progress.rows:,} rows")
        if progress.rows and seconds > 0:
            words.append(f"{(progress.rows - first.rows) / seconds:,.0f} rows/s")
        gained = (progress.fraction or 0.0) - (first.fraction or 0.0)
        if seconds >= PATIENCE and gained > 0:
            left = seconds * (1 - (progress.fraction or 0.0)) / gained
            words.append(f"{_describe_seconds(left)} left")
        return ", ".join(words)


def _describe_seconds(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours}:{minutes:02d} h"
    return f"{minutes}:{whole % 60:02d} min" if minutes else f"{whole} s"
