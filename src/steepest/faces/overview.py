"""Moments as plain text and as JSON, and fits as JSON."""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..descent.schedules import describe_schedule
from ..errors import counted
from ..models.record import rows_record
from ..models.steps import describe_rule
from ..store import finite
from ..sums.summary import find_condition, note_rounded
from .terminal import align, coefficient_list, number

if TYPE_CHECKING:
    from ..models.model import Model
    from ..sums.moments import Moments

PAIRS_SHOWN = 6
"""Correlations that are named, the largest first."""

PARTS_SHOWN = 20


def summary_object(moments: Moments) -> dict[str, Any]:
    """What the moments are, for JSON."""
    return {
        "rows": {
            "read": moments.n_read,
            "complete": moments.n_rows,
            "filtered": moments.filtered,
        },
        "where": moments.condition or None,
        "columns": len(moments.columns),
        "source": moments.where,
        "precision": moments.precision,
        "precision_reason": moments.precision_reason,
        "weights": moments.weights or None,
        "weight_kind": moments.weight_kind or None,
        "fingerprint": moments.fingerprint if moments.precision == "exact" else None,
        "folds": moments.folds
        and {
            "rule": str(moments.folds.rule),
            "rows": {label: fold.n_read for label, fold in moments.folds.items()},
        },
        "parts": [entry._asdict() for entry in moments.parts],
        "parts_known": moments.ledger.known,
        "left_out": dict(moments.left_out),
        "remarks": list(moments.remarks),
        "version": __version__,
    }


def view_moments(moments: Moments) -> dict[str, Any]:
    """Everything that ``steepest show`` says, for JSON."""
    correlation = moments.correlation()
    condition = find_condition(correlation)
    described = moments.describe()
    return {
        **summary_object(moments),
        "columns": [
            {
                "name": column.name,
                "kind": column.word,
                "type": column.type_name,
                "rows": described[column.name].count,
                "nulls": described[column.name].nulls,
                "mean": described[column.name].mean,
                "sd": described[column.name].sd,
                "levels": described[column.name].levels,
            }
            for column in moments.columns
        ],
        "correlations": _largest(correlation, moments.numbers),
        "condition": None if condition is None or isinf(condition) else condition,
    }


def _largest(correlation: Any, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """The pairs of columns with the largest correlations, either sign."""
    i, j = np.triu_indices(len(names), 1)
    values = correlation[i, j]
    order = [at for at in np.argsort(-np.abs(values), kind="stable") if not np.isnan(values[at])]
    return [
        {"first": names[i[at]], "second": names[j[at]], "r": float(values[at])}
        for at in order[:PAIRS_SHOWN]
    ]


def summary_lines(moments: Moments) -> list[str]:
    """What the moments are, a line each."""
    rows = f"{moments.n_read:,} read, {moments.n_rows:,} without nulls"
    if moments.condition:
        rows += f"; {moments.filtered:,} not where {moments.condition}"
    numbers = counted(len(moments.numbers), "number")
    lines = [
        ("moments", moments.where),
        ("rows", rows),
        ("columns", f"{numbers}, {counted(len(moments.categories), 'category')}"),
    ]
    if moments.weights:
        lines.append(("weights", f"'{moments.weights}'  ({moments.weight_kind})"))
    reason = f"  ({moments.precision_reason})" if moments.precision_reason else ""
    lines.append(("precision", moments.precision + reason))
    if moments.precision == "exact":
        lines.append(("fingerprint", moments.fingerprint))
    if moments.folds is not None:
        counts = [f"{label}: {fold.n_read:,}" for label, fold in moments.folds.items()]
        more = f" and {len(counts) - PARTS_SHOWN:,} more" if len(counts) > PARTS_SHOWN else ""
        shown = ", ".join(counts[:PARTS_SHOWN])
        lines.append(("folds", f"{moments.folds.rule}  (rows {shown}{more})"))
    parts = moments.parts
    if len(parts) != 1 or not moments.ledger.known:
        lines.append(("parts", _count_parts(moments)))
        lines += [
            ("", f"{part.id[:12]}  {counted(part.rows, 'row')}, {part.source}")
            for part in parts[:PARTS_SHOWN]
        ]
        if len(parts) > PARTS_SHOWN:
            lines.append(("", f"and {len(parts) - PARTS_SHOWN:,} more; --json shows them"))
    return [f"{label:<13}  {text}" for label, text in lines]


def _count_parts(moments: Moments) -> str:
    number_of = f"{len(moments.parts):,}"
    return number_of if moments.ledger.known else f"{number_of}, of which some rows were taken away"


def describe_moments(moments: Moments) -> list[str]:
    """The table of columns, with what a reader needs to judge it."""
    view = view_moments(moments)
    rows = [("", "rows", "nulls", "mean", "sd", "levels")]
    rows += [
        (
            column["name"],
            f"{column['rows']:,}",
            f"{column['nulls']:,}",
            number(column["mean"]),
            number(column["sd"]),
            "" if column["levels"] is None else f"{column['levels']:,}",
        )
        for column in view["columns"]
    ]
    lines = [
        ("correlation", f"{p['r']:+.4f}  {p['first']}, {p['second']}") for p in view["correlations"]
    ]
    if view["correlations"]:
        condition = view["condition"]
        words = number(condition) if condition else "infinite: some are sums of others"
        lines.append(("condition", f"{words}  (of the correlations)"))
    more = [
        f"{label if i == 0 or i == len(lines) - 1 else '':<13}  {text}"
        for i, (label, text) in enumerate(lines)
    ]
    return [*align(rows), "", *summary_lines(moments), *more]


def list_notes(moments: Moments) -> list[str]:
    """Sentences that a reader should not miss."""
    notes = [f"'{name}' was left out: {reason}." for name, reason in moments.left_out.items()]
    notes += [*moments.remarks, *(moments.folds.notes if moments.folds else [])]
    return notes + note_rounded(moments.rounded)


def model_object(model: Model) -> dict[str, Any]:
    """A fit for machines."""
    settings = model.settings
    return {
        "target": model.target,
        "source": model.provenance.source,
        "coefficients": coefficient_list(model.coefficients, model.se),
        "references": dict(model.references),
        "pooled": {name: list(levels) for name, levels in model.problem.pooled.items()},
        "missing": model.problem.missing,
        "offset": model.problem.offset or None,
        "where": model.provenance.condition or None,
        "loss": model.loss,
        "objective": model.objective,
        "r2": model.r2,
        "se": model.se,
        "residual_sd": model.residual_sd,
        "certificate": model.certificate and model.certificate._asdict(),
        "rows": rows_record(model.rows),
        "learning_rate": finite(model.learning_rate),
        "learning_rate_reason": model.learning_rate_reason,
        "smoothness": None
        if model.absorbed.terms or settings.sparse
        else model.path.curvatures.largest,
        "epochs": settings.epochs,
        **_steps_object(model),
        "validation": _validation_object(model),
        "l2": settings.l2,
        "l1": settings.l1,
        "nonnegative": settings.nonnegative,
        "adaptive": settings.adaptive,
        "penalties": dict(settings.factors),
        "scale": settings.scale,
        "precision": model.provenance.precision,
        "precision_reason": model.provenance.precision_reason,
        "notes": list(model.notes),
        "version": model.provenance.version,
    }


def _steps_object(model: Model) -> dict[str, Any]:
    """How one step follows another, and the largest rate at which it converges."""
    settings = model.settings
    rule, limit = settings.rule, None
    if not (model.absorbed.terms or settings.sparse):
        rule = model.path.rule
        limit = rule.limit(model.path.curvatures.largest) if hasattr(rule, "limit") else None
    return {
        "rule": describe_rule(rule),
        "schedule": describe_schedule(settings.schedule),
        "limit": None if limit is None else finite(limit),
    }


def _validation_object(model: Model) -> dict[str, Any] | None:
    """What rows that were held out say."""
    found = model.validation
    if found is None:
        return None
    best = found.best_epoch
    return {
        "how": found.how,
        "rows": found.rows,
        "loss": found.loss,
        "rmse": found.rmse,
        "r2": found.r2,
        "best_epoch": None if best is None else finite(best),
        "best_loss": found.best_loss,
        "best_is_limit": best is not None and isinf(best),
        "still_falling": found.still_falling,
        "stopped": found.stopped,
    }
