"""A process that scans the files it is given, and tells of each what came of it, in JSON.

Whatever brings it down, a signal, a hang, memory beyond its limit, shows in the process that
started it.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from pathlib import Path
from time import perf_counter

import steepest

MEMORY = 6 << 30
PATIENCE = 100
STATUS = Path("/proc/self/status")
"""Of this process alone: its resource usage begins with that of the one that started it."""


def read(path: str) -> dict[str, object]:
    found: dict[str, object]
    start = perf_counter()
    signal.alarm(PATIENCE)
    try:
        moments = steepest.scan(path)
        numbers = [name for name in moments.names if name not in moments.categories]
        means = dict(zip(numbers, moments.mean.tolist(), strict=True))
        found = {"rows": moments.n_read, "mean": means}
    except steepest.errors.SteepestError as error:
        found = {"error": type(error).__name__, "text": str(error)}
    signal.alarm(0)
    peak = next(int(line.split()[1]) for line in STATUS.open() if line.startswith("VmHWM")) / 1024
    return {**found, "seconds": perf_counter() - start, "peak": peak}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for line in sys.stdin:
        print(json.dumps(read(line.rstrip("\n"))), flush=True)
