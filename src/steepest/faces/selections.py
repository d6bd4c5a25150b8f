"""A selection as a table for the terminal, and as one object for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..errors import counted, listed
from ..store import finite_row
from .terminal import align, number

if TYPE_CHECKING:
    from ..models.selections import Selection, Subset

METHODS = {"best": "the best of all subsets", "forward": "forwards", "backward": "backwards"}


def describe_selection(selection: Selection) -> list[str]:
    """Each size with its criteria and what came or went, and the columns that are chosen."""
    judged = bool(selection.folds)
    rows = [["columns", "R²", "AIC", "BIC", "Cp", *(["error", "± se"] if judged else []), "change"]]
    chosen = {name: selection.choose(name) for name in _known(selection)}
    before: set[str] = set()
    for subset in selection.subsets:
        marks = {name: "*" if own is subset else " " for name, own in chosen.items()}
        held = [number(subset.error) + marks.get("held-out", " "), f"{subset.se:.3g}"]
        rows.append(
            [
                f"{subset.size}",
                number(subset.r2),
                number(subset.aic) + marks["aic"],
                number(subset.bic) + marks["bic"],
                number(subset.cp) + marks.get("cp", " "),
                *(held if judged else []),
                _describe_change(before, subset),
            ]
        )
        before = {*subset.names}
    head = f"{selection.target} ~ {METHODS[selection.method]} of "
    head += counted(max(s.size for s in selection.subsets), "column")
    best = selection.best
    lines = [head, "", *align(rows, words=True), "", "* the lowest", ""]
    lines.append(f"{'best':<13}  {listed(best.names)}; by {selection.criterion}")
    if judged:
        own = selection.one_se
        lines.append(f"{'one se':<13}  {listed(own.names)}; within a standard error of the lowest")
        lines.append(f"{'folds':<13}  {len(selection.folds):,}; the search done anew without each")
    return lines


def _known(selection: Selection) -> list[str]:
    from ..models.selections import CRITERIA

    return [
        name
        for name in CRITERIA
        if not all(np.isnan(subset.score(name)) for subset in selection.subsets)
    ]


def _describe_change(before: set[str], subset: Subset) -> str:
    came = [f"+ {name}" for name in subset.names if name not in before]
    gone = [f"- {name}" for name in sorted(before - {*subset.names})]
    return ", ".join([*came, *gone])


def selection_object(selection: Selection) -> dict[str, Any]:
    """A selection for machines."""
    return {
        "target": selection.target,
        "method": selection.method,
        "criterion": selection.criterion,
        "subsets": [finite_row(row) for row in selection.table],
        "best": {name: list(selection.choose(name).names) for name in _known(selection)},
        "folds": list(selection.folds),
        "notes": list(selection.notes),
        "version": __version__,
    }
