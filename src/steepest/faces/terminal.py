"""Models and descents as plain text, for the terminal and for ``print``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..descent.path import name_coefficients
from ..descent.rules import GradientDescent
from ..descent.schedules import describe_schedule, is_constant
from ..errors import counted, visible
from ..store import finite

if TYPE_CHECKING:
    from ..models.model import Model

COLUMNS_SHOWN = 6
"""Coefficients that an epoch table has room for."""


def align(rows: Sequence[Sequence[str]], *, words: bool = False) -> list[str]:
    """Rows of cells as lines: the first column to the left, others right, but a last of words."""
    rows = [[visible(cell).replace("\n", "\\n") for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if i == 0 or (words and i == last) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def number(value: float | None) -> str:
    """A number with six significant digits; empty for none."""
    return "" if value is None or np.isnan(value) else f"{value:.6g}"


def describe_model(model: Model) -> str:
    """The table of coefficients, with what a reader needs to judge it."""
    notes = [f"note: {note}" for note in model.notes]
    return "\n".join([*describe_fit(model), *notes])


def describe_fit(model: Model) -> list[str]:
    """The table and its summary, without the notes."""
    return [*coefficient_table(model), "", *fit_summary(model)]


def coefficient_table(model: Model) -> list[str]:
    """One line a coefficient: its value, the effect of one standard deviation, and its column."""
    problem, se = model.problem, model.se
    means, spreads = problem.mean, np.sqrt(np.diag(problem.scatter) / problem.weight)
    if problem.exponents:
        means, spreads = np.ldexp(means, problem.exponents), np.ldexp(spreads, problem.exponents)
    rest = [[number(m), number(s)] for m, s in zip(means, spreads, strict=True)]
    effects = [number(value) for value in model.coef * spreads]
    if model.settings.intercept:
        rest, effects = [["", ""], *rest], ["", *effects]
    found = model.coefficients
    shown = list(found)[: len(rest)]
    errors = [] if se is None else [["std error", *(number(se[name]) for name in shown)]]
    columns = [
        ["", *shown],
        ["coefficient", *(number(found[name]) for name in shown)],
        *errors,
        ["per sd", *effects],
        ["mean", *(mean for mean, _ in rest)],
        ["sd", *(sd for _, sd in rest)],
    ]
    rows = list(zip(*columns, strict=True))
    terms = (*problem.terms, *model.absorbed.terms[:1])
    used = {n for t in terms for name in t.columns for n in problem.columns[name].sources}
    sources = counted(len(used), "column")
    count = counted(len(model.names), "coefficient")
    head = f"{model.target} ~ {count} of {sources} of {model.provenance.source}"
    return [head, "", *align(rows)]


def fit_summary(model: Model) -> list[str]:
    """Loss, rows and rate, a line each."""
    settings, rows = model.settings, model.rows
    r2 = "undefined" if model.r2 is None else f"{model.r2:.6g}"
    lines = [("loss", f"{number(model.loss)}  (mean squared error; R² {r2})")]
    if settings.penalties:
        lines.append(("objective", f"{number(model.objective)}  (with {settings.penalties})"))
    lines.append(("rows", _describe_rows(rows.read, rows.used, rows.dropped)))
    if model.references:
        words = ", ".join(f"{name}[{level}]" for name, level in model.references.items())
        lines.append(("reference", f"{words}  (coefficient 0)"))
    if model.absorbed.terms:
        lines.append(("levels", _describe_levels(model)))
    if model.problem.offset:
        words = f"{model.problem.offset}  (coefficient 1; R² is of {model.target} without it)"
        lines.append(("offset", words))
    if model.residual_sd is not None:
        lines.append(("residual sd", number(model.residual_sd)))
    lines.append(("epochs", _describe_epochs(model)))
    lines += _describe_validation(model)
    lines += _describe_steps(model)
    origin = model.provenance
    reason = f"  ({origin.precision_reason})" if origin.precision_reason else ""
    lines.append(("precision", f"{origin.precision}{reason}"))
    if model.certificate:
        lines.append(("digits", model.certificate.text))
    if not np.isnan(model.learning_rate):
        rate = f"{number(model.learning_rate)}  ({model.learning_rate_reason})"
        lines.append(("learning rate", rate))
    return [f"{label:<13}  {text}" for label, text in lines]


def _describe_validation(model: Model) -> list[tuple[str, str]]:
    """The loss on rows held out, and where it is lowest."""
    found = model.validation
    if found is None:
        return []
    r2 = "undefined" if found.r2 is None else f"{found.r2:.6g}"
    rows = f"{counted(found.rows, 'row')} held out, {found.how}"
    lines = [("validation", f"{number(found.loss)}  (RMSE {number(found.rmse)}, R² {r2}; {rows})")]
    if found.best is not None:
        epoch = "the limit" if np.isinf(found.best.epoch) else f"{found.best.epoch:,.0f}"
        if found.still_falling:
            words = f"{epoch}  (still falling)"
        elif found.stopped:
            words = f"{epoch}  (this one: lowest validation loss of the whole path)"
        else:
            words = f"{epoch}  (validation loss {number(found.best.loss)})"
        lines.append(("best epoch", words))
    return lines


def _describe_steps(model: Model) -> list[tuple[str, str]]:
    """The rule and the schedule, where they are not plain gradient descent throughout."""
    settings = model.settings
    lines = []
    if not isinstance(settings.rule, GradientDescent):
        rule = settings.rule if model.absorbed.terms else model.path.rule
        momentum = getattr(rule, "momentum", None)
        lines.append(("rule", rule.name + (f", momentum {number(momentum)}" if momentum else "")))
    if not is_constant(settings.schedule):
        lines.append(("schedule", describe_schedule(settings.schedule)))
    return lines


def _describe_levels(model: Model) -> str:
    """The levels that have no line of their own."""
    terms, coef = model.absorbed.terms, model.absorbed.coef
    low, high = int(np.argmin(coef)), int(np.argmax(coef))
    return (
        f"{terms[0].category}: {len(terms):,} coefficients from {number(float(coef[low]))}, "
        f"{terms[low].name}, to {number(float(coef[high]))}, {terms[high].name}; --json shows all"
    )


def _describe_rows(read: int, used: int, dropped: Mapping[str, int]) -> str:
    if not dropped:
        return f"{used:,} used, all that were read"
    reasons = "; ".join(f"{count:,} dropped, {reason}" for reason, count in dropped.items())
    return f"{used:,} used of {read:,} read; {reasons}"


def _describe_epochs(model: Model) -> str:
    if model.settings.epochs is None:
        return f"the limit: {model.settings.method}"
    limit = number(float(model.path.objective(None)))
    word = "objective" if model.settings.l2 or model.settings.l1 else "loss"
    return f"{model.settings.epochs:,}  ({word} at the limit: {limit})"


def epoch_rows(model: Model, epochs: Sequence[int]) -> list[dict[str, Any]]:
    """Loss and coefficients at each epoch, from the closed form."""
    path = model.path
    losses, objectives = path.loss(epochs), path.objective(epochs)
    intercepts, coefs = path.intercept(epochs), path.coef(epochs)
    has_intercept = model.settings.intercept
    held: list[dict[str, Any]] = [{}] * len(epochs)
    if path.held_out is not None:
        held = [{"validation_loss": finite(v)} for v in path.validation_loss(epochs)]
    return [
        {
            "epoch": int(epoch),
            "loss": finite(losses[i]),
            "objective": finite(objectives[i]),
            **held[i],
            "coefficients": coefficient_list(
                name_coefficients(
                    model.names, coefs[i], float(intercepts[i]) if has_intercept else None
                )
            ),
        }
        for i, epoch in enumerate(epochs)
    ]


def coefficient_list(
    coefficients: Mapping[str, float], se: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """Coefficients for JSON: objects with name, value and standard error, the intercept first."""
    return [
        {"name": name, "value": finite(value), **({} if se is None else {"se": se[name]})}
        for name, value in coefficients.items()
    ]


def epoch_table(model: Model, epochs: Sequence[int]) -> list[str]:
    """One line an epoch: loss(t) and, where there is room, w(t)."""
    penalised = model.settings.l2 > 0 or model.settings.l1 > 0
    names = list(model.coefficients)
    shown = names if len(names) <= COLUMNS_SHOWN else []
    more = ["objective"] if penalised else []
    more += [] if model.validation is None else ["validation_loss"]
    rows = [["epoch", "loss", *(name.replace("_", " ") for name in more), *shown]]
    for row in epoch_rows(model, epochs):
        values = [item["value"] for item in row["coefficients"]] if shown else []
        first = [row["loss"], *(row[name] for name in more)]
        cells = ("inf" if value is None else f"{value:.8g}" for value in [*first, *values])
        rows.append([f"{row['epoch']:,}", *cells])
    lines = align(rows)
    if not shown:
        lines.append(f"{len(names):,} coefficients; --json shows them at each epoch.")
    return lines
