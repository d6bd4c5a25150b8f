"""Measures contestants side by side, in one run, in turns.

Timings of different runs are not comparable on a machine that others use too.  So every round
gives each contestant one turn (A B C, A B C, ...) after a warm-up round that is not counted; a
disturbance then meets all of them alike, and the medians can be compared.  How much of the
machine other processes took meanwhile is measured too, and said.
"""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Set in the environment, they can make NumPy several times slower than it is."""

PAUSE = 0.2
"""Seconds between turns: OpenBLAS's threads wait for more work by spinning, and for 0.1 s would
take a core from whoever comes next."""

DISTURBED = 0.1
"""Cores that others may keep busy before a report warns of it."""

PACKAGES = (
    "steepest", "numpy", "pyarrow", "torch", "scipy", "scikit-learn", "statsmodels", "glum",
    "tabmat", "celer", "skglm", "pandas", "polars", "polars-ds", "duckdb", "bitrep",
    "threadpoolctl",
)  # fmt: skip


@dataclass(frozen=True)
class Turn:
    """What a contestant returns that works in a process of its own, and measures itself."""

    seconds: Mapping[str, float]
    """What each of its stages took."""
    peaks: Mapping[str, float]
    """The most memory that the process had until the end of each stage, in megabytes."""
    value: Any = None
    error: str = ""
    """What the first stage that is missing said instead; empty when none is."""


@dataclass(frozen=True)
class Contestant:
    """Something to be timed; what it returns is for the checks.

    If it returns a :class:`Turn`, the seconds are those that this tells, of all stages.
    """

    name: str
    work: Callable[[], Any]
    rounds: int | None = None
    """Turns at the most, for the slow ones; None for all rounds."""
    warm_up: Callable[[], Any] | None = None
    """What to run in the warm-up round instead, for the slow ones."""


@dataclass(frozen=True)
class Stage:
    """A line for one stage of the turns of a contestant that measures itself."""

    name: str
    of: str
    stage: str


@dataclass(frozen=True)
class Scaled:
    """A line that is not measured: another contestant's seconds, times a factor."""

    name: str
    of: str
    factor: float


@dataclass(frozen=True)
class Table:
    """Contestants for the same task; ratios are to the one named ``reference``."""

    title: str
    reference: str
    lines: Sequence[Contestant | Stage | Scaled]


@dataclass(frozen=True)
class Goal:
    """The ratio of a contestant to its table's reference should be at most ``limit``."""

    contestant: str
    limit: float


@dataclass(frozen=True)
class Check:
    """Something that has to hold for the timings to mean anything."""

    what: str
    value: float
    bound: float

    @property
    def passed(self) -> bool:
        return self.value <= self.bound


@dataclass(frozen=True)
class Benchmark:
    """What one file builds.  Names of contestants are unique across its tables."""

    title: str
    rows: int
    tables: Sequence[Table]
    check: Callable[[Mapping[str, Any]], Iterable[Check]]
    goals: Sequence[Goal] = ()
    notes: Sequence[str] = ()


def run(benchmark: Benchmark, rounds: int) -> dict[str, Any]:
    """Time every contestant, and return all that there is to say, ready for JSON."""
    entrants = [x for table in benchmark.tables for x in table.lines if isinstance(x, Contestant)]
    machine, load = describe_machine(), describe_load()
    begun, others = perf_counter(), seconds_of_others()
    threads = count_blas_threads()
    changed: dict[str, int] = dict.fromkeys((entrant.name for entrant in entrants), 0)
    for entrant in entrants:
        (entrant.warm_up or entrant.work)()
    turns: dict[str, list[Turn]] = {entrant.name: [] for entrant in entrants}
    results: dict[str, Any] = {}
    for turn in range(rounds):
        for entrant in entrants:
            if entrant.rounds is None or turn < entrant.rounds:
                sleep(PAUSE)
                start = perf_counter()
                results[entrant.name] = result = entrant.work()
                whole = Turn({"": perf_counter() - start}, {})
                turns[entrant.name].append(result if isinstance(result, Turn) else whole)
                changed[entrant.name] += count_blas_threads() != threads
    busy = None if others is None else (seconds_of_others() - others) / (perf_counter() - begun)
    tables = [_summarise(table, turns) for table in benchmark.tables]
    ratios = {line["name"]: line["ratio"] for table in tables for line in table["lines"]}
    return {
        "title": benchmark.title,
        "rows": benchmark.rows,
        "rounds": rounds,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine,
        "load_average": {"before": load, "after": describe_load()},
        "cores_busy_elsewhere": busy,
        "tables": tables,
        "goals": [
            {**asdict(goal), "ratio": ratios[goal.contestant],
             "met": (ratios[goal.contestant] or math.inf) <= goal.limit}
            for goal in benchmark.goals
        ],
        "checks": [
            {**asdict(check), "passed": check.passed}
            for check in [*benchmark.check(results), *check_threads(changed)]
        ],
        "notes": list(benchmark.notes),
        "warnings": [*find_slowing(os.environ), *find_disturbance(busy)],
    }  # fmt: skip


def _summarise(table: Table, turns: Mapping[str, list[Turn]]) -> dict[str, Any]:
    lines = []
    for line in table.lines:
        scaled = isinstance(line, Scaled)
        factor = line.factor if isinstance(line, Scaled) else 1.0
        own = turns[line.name if isinstance(line, Contestant) else line.of]
        stage = line.stage if isinstance(line, Stage) else None
        error = _find_error(own, stage)
        taken = [] if error else [factor * _seconds(turn, stage) for turn in own]
        peaks = [] if error else [_peak(turn, stage) for turn in own if turn.peaks]
        lines.append({
            "name": line.name,
            "median": median(taken) if taken else None,
            "min": min(taken, default=None), "max": max(taken, default=None),
            "seconds": taken,
            "peak": median(peaks) if peaks else None,
            "error": error,
            "scaled": {"of": line.of, "factor": factor} if scaled else None,
        })  # fmt: skip
    (reference,) = (line["median"] for line in lines if line["name"] == table.reference)
    for line in lines:
        known = reference is not None and line["median"] is not None
        line["ratio"] = line["median"] / reference if known else None
    return {"title": table.title, "reference": table.reference, "lines": lines}


def _find_error(turns: Sequence[Turn], stage: str | None) -> str:
    """What a turn said instead of an answer; of a stage, where that is not there."""
    return next((t.error for t in turns if t.error and stage not in t.seconds), "")


def _seconds(turn: Turn, stage: str | None) -> float:
    return sum(turn.seconds.values()) if stage is None else turn.seconds[stage]


def _peak(turn: Turn, stage: str | None) -> float:
    return max(turn.peaks.values()) if stage is None else turn.peaks[stage]


def find_slowing(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that is set and can slow NumPy down."""
    return [
        f"{name}={environ[name]} is set and may slow NumPy: unset it for figures that count."
        for name in SLOWING
        if name in environ
    ]


def find_disturbance(busy: float | None) -> list[str]:
    """A sentence if other processes took a share of the machine that counts."""
    if busy is None or busy <= DISTURBED:
        return []
    return [f"other processes kept {busy:.1f} cores busy meanwhile: measure again."]


def seconds_of_others() -> float | None:
    """Processor time since the start of the machine that this process did not use (Linux)."""
    file = Path("/proc/stat")
    if not file.exists():
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, file.read_text().split()[1:9])
    used, ticks = os.times(), os.sysconf("SC_CLK_TCK")
    ours = used.user + used.system + used.children_user + used.children_system
    return (user + nice + system + irq + softirq + steal) / ticks - ours


def describe_machine() -> dict[str, Any]:
    """Processor, cores, versions and BLAS: what a figure means nothing without."""
    from threadpoolctl import threadpool_info

    facts = Path("/proc/cpuinfo")
    models = [
        line.partition(":")[2].strip()
        for line in (facts.read_text().splitlines() if facts.exists() else [])
        if line.startswith("model name")
    ]
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
        "blas": [
            {"library": pool["internal_api"], "version": pool["version"],
             "kernel": pool.get("architecture"), "threads": pool["num_threads"]}
            for pool in threadpool_info()
            if pool["user_api"] == "blas"
        ],
    }  # fmt: skip


def count_blas_threads() -> dict[str, int]:
    """Threads that each BLAS in this process would use now, by its file."""
    from threadpoolctl import threadpool_info

    pools = (pool for pool in threadpool_info() if pool["user_api"] == "blas")
    return {pool["filepath"]: pool["num_threads"] for pool in pools}


def check_threads(changed: Mapping[str, int]) -> list[Check]:
    """Nobody may leave BLAS with other threads than it had: the next turns would be unfair."""
    first = next((f", first {name}" for name, turns in changed.items() if turns), "")
    what = f"turns that ended with other BLAS threads than at the start{first}"
    return [Check(what, sum(changed.values()), 0)]


def describe_load() -> float | None:
    """The load average of the last minute, where the system has one."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def show(report: Mapping[str, Any]) -> None:
    """Print a report as aligned tables; warnings go to stderr."""
    machine = report["machine"]
    installed = [f"{name} {number}" for name, number in machine["versions"].items() if number]
    load = report["load_average"]
    print(f"{report['title']}, {report['rows']:,} rows, {report['rounds']} rounds")
    print(f"{machine['cpu']}, {machine['cores']} cores; Python {machine['python']}, "
          f"{', '.join(installed)}")  # fmt: skip
    for blas in machine["blas"]:
        print(f"{blas['library']} {blas['version']}, kernel {blas['kernel']}, "
              f"{blas['threads']} threads")  # fmt: skip
    print(f"load average {load['before']} before, {load['after']} after", end="")
    busy = report["cores_busy_elsewhere"]
    print("" if busy is None else f"; other processes kept {max(busy, 0.0):.2f} cores busy")
    lines = [line for table in report["tables"] for line in table["lines"]]
    width = max(len(text) for text in [line["name"] for line in lines])
    width = max(width, *(len(table["title"]) for table in report["tables"]))
    for table in report["tables"]:
        peaks = ("peak",) if any(line["peak"] is not None for line in table["lines"]) else ()
        heads = ("median", "min", "max", "runs", "ratio", *peaks)
        print(f"\n{table['title']:<{width}}{''.join(f'{head:>11}' for head in heads)}")
        for line in table["lines"]:
            if line["error"]:
                print(f"{line['name']:<{width}}  {line['error']}")
                continue
            times = "".join(f"{as_time(line[key]):>11}" for key in ("median", "min", "max"))
            runs = "scaled" if line["scaled"] else len(line["seconds"])
            peak = "" if line["peak"] is None else f"{line['peak']:>8,.0f} MB"
            print(f"{line['name']:<{width}}{times}{runs:>11}{as_ratio(line['ratio']):>11}{peak}")
    print()
    for line in lines:
        if line["scaled"]:
            scaled = line["scaled"]
            print(f"scaled, not measured: {line['name']} is {scaled['factor']:g} × {scaled['of']}")
    for goal in report["goals"]:
        verdict = "met" if goal["met"] else "NOT met"
        ratio = "no ratio" if goal["ratio"] is None else f"ratio {goal['ratio']:.2f}"
        print(f"goal {verdict}: {goal['contestant']}, {ratio}, "
              f"at most {goal['limit']}")  # fmt: skip
    for check in report["checks"]:
        verdict = "passed" if check["passed"] else "FAILED"
        print(f"check {verdict}: {check['what']}: {check['value']:.2g}, "
              f"at most {check['bound']:g}")  # fmt: skip
    for note in report["notes"]:
        print(f"note: {note}")
    for warning in report["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)


def as_time(seconds: float) -> str:
    """Three digits and a unit."""
    if seconds < 0.9995:
        return f"{_three_digits(seconds * 1e3)} ms"
    return f"{_three_digits(seconds)} s"


def as_ratio(ratio: float | None) -> str:
    """The ratio, as one part in so many where it is small; a dash where there is none."""
    if ratio is None:
        return "–"
    return _three_digits(ratio) if ratio >= 0.1 else f"1/{1 / ratio:,.0f}"


def _three_digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 99.95 else f"{number:#.3g}"
