"""Pictures by matplotlib, which is loaded when the first is drawn."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OptionError, PackageError
from ..store import check_writable, replacing

if TYPE_CHECKING:
    from ..models.studies import Candidate, Study

ALONG = ("l1", "l2", "learning_rate", "epochs", "parameters")
LINES_NAMED = 8
"""Lines that a legend has room for."""


def draw_study(
    study: Study, path: str | os.PathLike[str] | None = None, along: str | None = None
) -> Any:
    """What :meth:`Study.plot` does."""
    if along is not None and along not in ALONG:
        raise OptionError.unknown("along", along, ALONG)
    ending = "" if path is None else check_picture(path)
    new_figure = _load_figures()
    targets = study.targets
    figure = new_figure(figsize=(7.0, 1.0 + 3.4 * len(targets)), layout="constrained")
    for i, target in enumerate(targets):
        axes = figure.add_subplot(len(targets), 1, i + 1)
        own = study if len(targets) == 1 else study[target]
        _draw(axes, own, along or _find_along(own.candidates))
    if path is not None:
        with replacing(path) as draft, draft.open("wb") as file:
            figure.savefig(file, format=ending)
    return figure


def check_picture(path: str | os.PathLike[str]) -> str:
    """The format that a file's ending says; errors for one that cannot be drawn, or written."""
    check_writable(path)
    ending = Path(path).suffix[1:].lower()
    known = _load_figures()().canvas.get_supported_filetypes()
    if ending not in known:
        raise OptionError.unknown("the picture's format", ending, list(known))
    return ending


def _load_figures() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise PackageError.missing("matplotlib", "plot") from None
    return Figure


def _find_along(candidates: tuple[Candidate, ...]) -> str:
    """The setting of most values."""
    counts = {name: len({_place(c, name) for c in candidates}) for name in ALONG[:-1]}
    most = max(counts, key=lambda name: counts[name])
    return most if counts[most] > 1 else "parameters"


def _place(candidate: Candidate, along: str) -> float:
    value = candidate.parameters if along == "parameters" else getattr(candidate.point, along)
    return np.nan if value is None else float(value)


def _draw(axes: Any, study: Study, along: str) -> None:
    lines: dict[tuple[Any, ...], list[Candidate]] = {}
    for candidate in study.candidates:
        others = [
            getattr(candidate.point, name)
            for name in candidate.point._fields
            if along not in (name, "parameters")
        ]
        lines.setdefault((candidate.number, *others), []).append(candidate)
    numbers = {candidate.number for candidate in study.candidates}
    names = [name for name in study.candidates[0].point._fields if name != along]
    for key, found in lines.items():
        ordered = sorted(found, key=lambda c: _place(c, along))
        x = np.array([_place(c, along) for c in ordered])
        error = np.array([c.error for c in ordered])
        se = np.array([c.se for c in ordered])
        words = [f"features {key[0] + 1}"] if len(numbers) > 1 else []
        varied = zip(names, key[1:], strict=False)
        words += [f"{n.replace('_', ' ')} {v:g}" for n, v in varied if v]
        (line,) = axes.plot(x, error, marker=".", markersize=4, label=", ".join(words) or None)
        axes.fill_between(x, error - se, error + se, color=line.get_color(), alpha=0.15, lw=0)
    for candidate, name, marker in ((study.best, "best", "o"), (study.one_se, "one se", "s")):
        at = _place(candidate, along), candidate.error
        axes.plot(*at, marker, mfc="none", mec="black", ms=9, label=name, zorder=5)
    positive = [v for c in study.candidates if (v := _place(c, along)) > 0]
    if along != "parameters" and positive and max(positive) > 20 * min(positive):
        zeros = any(_place(c, along) == 0 for c in study.candidates)
        options = {"linthresh": min(positive)} if zeros else {}
        axes.set_xscale("symlog" if zeros else "log", **options)
    base = study.baseline[study.targets[0]]
    if base < 2 * max(c.error for c in study.candidates):
        axes.axhline(base, color="grey", lw=0.8, ls=":", label="baseline: the mean")
    axes.set_xlabel({"parameters": "effective parameters"}.get(along, along.replace("_", " ")))
    axes.set_ylabel(f"mean squared error\non folds not seen ({len(study.folds)})")
    axes.set_title(study.targets[0])
    handles, labels = axes.get_legend_handles_labels()
    keep = [i for i, words in enumerate(labels) if not words.startswith("_")]
    if len(lines) > LINES_NAMED:
        keep = keep[len(lines) :]
    axes.legend([handles[i] for i in keep], [labels[i] for i in keep], frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
