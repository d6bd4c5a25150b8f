"""``python -m benchmarks NAME``: one benchmark; without a name, the list of them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from .runner import run, show

BENCHMARKS = (
    "scan_fit", "exact_scan", "columns", "text", "peers", "solve", "nist", "categories",
    "descent_epochs", "race", "study",
)  # fmt: skip
"""Files of this folder with a ``build(rows) -> Benchmark``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 1 when a check fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=BENCHMARKS, metavar="NAME")
    parser.add_argument("--rounds", type=at_least_one, default=9, metavar="N")
    parser.add_argument("--rows", type=at_least_one, default=1_000_000, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    if options.name is None:
        for name in BENCHMARKS:
            summary = (import_module(f"{__package__}.{name}").__doc__ or "").partition("\n")[0]
            print(f"{name:<16}{summary}")
        return 0
    benchmark = import_module(f"{__package__}.{options.name}").build(options.rows)
    report = {"benchmark": options.name, **run(benchmark, options.rounds)}
    show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0 if all(check["passed"] for check in report["checks"]) else 1


def at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
