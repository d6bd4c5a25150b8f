"""A study as a table for the terminal, and as one object for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..errors import counted, listed
from ..store import finite_row
from .terminal import align, number

if TYPE_CHECKING:
    from ..models.studies import Candidate, Study

ROWS_SHOWN = 20
"""Candidates of a target that the table has room for."""


def describe_study(study: Study) -> list[str]:
    """Each target's best candidates and those around them, and what they are chosen by."""
    lines: list[str] = []
    for target in study.targets:
        own = study if len(study.targets) == 1 else study[target]
        lines += [*([""] if lines else []), *_describe_target(own, target)]
    return lines


def _describe_target(study: Study, target: str) -> list[str]:
    candidates, best, simplest = study.candidates, study.best, study.one_se
    sets = list(dict.fromkeys(c.features for c in candidates))
    many = len(sets) > 1
    head = "several sets of features" if many else counted(len(best.features), "feature")
    names = [name for name in best.point._fields if _varies(candidates, name)]
    rows = [["", *(["features"] if many else []), *(name.replace("_", " ") for name in names),
             "error", "± se", "R²", "parameters"]]  # fmt: skip
    base = study.baseline[target]
    for candidate in _choose_shown(study):
        marks = ["best"] if candidate is best else []
        marks += ["one se"] if candidate is simplest else []
        rows.append(
            [
                ", ".join(marks),
                *([str(sets.index(candidate.features) + 1)] if many else []),
                *(_cell(getattr(candidate.point, name)) for name in names),
                number(candidate.error),
                f"{candidate.se:.3g}",
                number(1 - candidate.error / base) if base else "",
                f"{candidate.parameters:.4g}",
            ]
        )
    lines = [f"{target} ~ {head}: {counted(len(candidates), 'model')} compared", ""]
    lines += align(rows)
    if len(candidates) > len(rows) - 1:
        lines.append(f"{len(candidates) - len(rows) + 1:,} more in --json and --csv, or .table")
    lines.append("")
    if many:
        lines += [f"features {i}    {listed(own)}" for i, own in enumerate(sets, 1)]
    settings = {name: getattr(best.point, name) for name in best.point._fields}
    same = [
        f"{n.replace('_', ' ')} {_cell(v)}" for n, v in settings.items() if v and n not in names
    ]
    if same:
        lines.append(f"{'all with':<13}  {', '.join(same)}")
    lines.append(f"{'best':<13}  {best}; root {number(float(np.sqrt(best.error)))}")
    lines.append(f"{'one se':<13}  {simplest}; the simplest within one standard error of the best")
    lines.append(f"{'baseline':<13}  error {number(base)} of the mean of the rows trained on")
    if target in study.nested:
        found = study.nested[target]
        words = f"{number(found.error)} ± {found.se:.3g}, chosen anew without each fold"
        lines.append(f"{'nested':<13}  error {words}")
    lines.append(f"{'folds':<13}  {len(study.folds):,} by {study.rule}")
    return lines


def _varies(candidates: tuple[Candidate, ...], name: str) -> bool:
    return len({getattr(candidate.point, name) for candidate in candidates}) > 1


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else number(value)


def _choose_shown(study: Study) -> list[Candidate]:
    """All candidates; of many, the best one and the simplest, and some evenly among the others."""
    every = list(study.candidates)
    if len(every) <= ROWS_SHOWN:
        return every
    needed = {every.index(study.best), every.index(study.one_se)}
    spread = np.linspace(0, len(every) - 1, ROWS_SHOWN - len(needed)).round().astype(int)
    return [every[i] for i in sorted({*needed, *spread.tolist()})]


def study_object(study: Study) -> dict[str, Any]:
    """A study for machines."""
    best, simplest = [], []
    for i, row in enumerate(study.table):
        best += [i] if row["best"] else []
        simplest += [i] if row["one_se"] else []
    return {
        "targets": list(study.targets),
        "folds": {"rule": study.rule, "labels": list(study.folds)},
        "candidates": [finite_row(row) for row in study.table],
        "best": best,
        "one_se": simplest,
        "baseline": dict(study.baseline),
        "nested": {
            target: {
                "error": found.error,
                "se": found.se,
                "fold_errors": list(found.fold_errors),
                "chosen": [
                    {"features": list(c.features), **c.point._asdict()} for c in found.chosen
                ],
            }
            for target, found in study.nested.items()
        },
        "choose": study.choose,
        "notes": list(study.notes),
        "version": __version__,
    }
