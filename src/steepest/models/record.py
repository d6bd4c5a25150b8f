"""A model as a record of plain JSON values, and back.

``docs/model-file.md`` describes the record for readers in other languages.
"""

from __future__ import annotations

import base64
import os
from typing import Any

import numpy as np

from ..data.formula import parse_expression
from ..data.table import Column, Kind
from ..data.terms import Term
from ..descent.certified import Certificate, Optimum
from ..errors import ModelFileError
from ..store import FORMAT, finite, holds_moments, read_json
from ..sums.archive import read_moments
from ..sums.moments import Moments
from ..sums.problem import Problem, Rows
from ..typing import Floats
from .inference import Errors
from .model import NONE_ABSORBED, Absorbed, Model, Provenance
from .settings import Settings
from .steps import read_steps_record, steps_record
from .validation import read_validation_record, validation_record


def load(path: str | os.PathLike[str]) -> Model | Moments:
    """Read what :meth:`Model.save` or :meth:`Moments.save` wrote.  Nothing in it is executed.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Model or Moments
        A model with the same coefficients, predictions and path as the one saved; moments with
        the same sums in every bit.  The file's first bytes say which.

    Raises
    ------
    ModelFileError, MomentsFileError
        The file is truncated, altered in any byte, written by a newer steepest, or not ours.

    Notes
    -----
    O(p²) for p coefficients or columns.  The checksum at the end is looked at first; it shows
    damage, not who wrote the file.

    Examples
    --------
    >>> import steepest, tempfile, pathlib
    >>> model = steepest.fit({"x": [1.0, 2.0, 4.0], "y": [1.0, 3.0, 4.0]}, target="y")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "model.json"
    ...     model.save(path)
    ...     steepest.load(path).coefficients == model.coefficients
    True
    """
    return read_moments(path) if holds_moments(path) else load_model(path)


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model; ModelFileError for anything else."""
    if holds_moments(path):
        raise ModelFileError.moments(os.fspath(path))
    content = read_json(path)
    try:
        return _from_record(content)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelFileError.of(
            os.fspath(path), f"a field is missing or wrong ({error})"
        ) from error


def to_record(model: Model) -> dict[str, Any]:
    """The model as JSON values: what a reader needs first, the statistic last."""
    problem, settings = model.problem, model.settings
    fills = problem.fills or (None,) * len(problem.terms)
    return {
        "format": "steepest model",
        "format_version": FORMAT,
        "steepest_version": model.provenance.version,
        "target": problem.target,
        "intercept": model.intercept,
        "coefficients": [
            {
                "name": t.name,
                "number": t.number or None,
                "category": t.category or None,
                "level": t.level if t.category and not t.null else None,
                "parts": list(t.parts),
                "null": t.null,
                "fill": fill,
                "value": float(value),
            }
            for t, value, fill in zip(problem.terms, model.coef, fills, strict=True)
        ],
        "absorbed": _absorbed_record(model.absorbed),
        "columns": [
            {
                "name": column.name,
                "kind": column.kind,
                "type": column.type_name,
                "formed": None if column.formed is None else str(column.formed),
            }
            for column in problem.columns.values()
        ],
        "references": {name: list(levels) for name, levels in problem.references.items()},
        "pooled": {name: list(levels) for name, levels in problem.pooled.items()},
        "missing": problem.missing,
        "nulls_met": list(problem.nulls_met),
        "ranges": {name: list(ends) for name, ends in problem.ranges.items()},
        "offset": problem.offset or None,
        "loss": model.loss,
        "objective": model.objective,
        "r2": model.r2,
        "rows": rows_record(model.rows),
        "settings": {
            "learning_rate": settings.learning_rate,
            "epochs": settings.epochs,
            "l2": settings.l2,
            "scale": settings.scale,
            "intercept": settings.intercept,
            "start": {"intercept": settings.start[0], "coefficients": list(settings.start[1])},
            **steps_record(settings),
        },
        "learning_rate": finite(model.learning_rate),
        "learning_rate_reason": model.learning_rate_reason,
        "se": _errors_record(model.errors),
        "residual_sd": model.residual_sd,
        "certificate": None if model.certificate is None else model.certificate._asdict(),
        "optimum": None if model.optimum is None else _optimum_record(model.optimum),
        "validation": validation_record(model.validation),
        "notes": list(model.notes),
        "source": model.provenance.source,
        "where": model.provenance.condition or None,
        "precision": model.provenance.precision,
        "precision_reason": model.provenance.precision_reason,
        "statistic": {
            "weight": problem.weight,
            "mean": problem.mean.tolist(),
            "target_mean": problem.target_mean,
            "cross": problem.cross.tolist(),
            "target_scatter": problem.target_scatter,
            "scatter_upper": _pack(problem.scatter),
            "exponents": list(problem.exponents),
            "rank": problem.rank,
        },
    }


def rows_record(rows: Rows) -> dict[str, Any]:
    """Where the rows went, for JSON."""
    return {
        "read": rows.read,
        "used": rows.used,
        "dropped": dict(rows.dropped),
        "nulls": dict(rows.nulls),
    }


def _errors_record(errors: Errors) -> dict[str, Any] | None:
    if errors.coef is None:
        return None
    return {"intercept": errors.intercept, "coefficients": errors.coef.tolist()}


def _optimum_record(optimum: Optimum) -> dict[str, Any]:
    return {**optimum._asdict(), "coef": optimum.coef.tolist()}


def _from_record(content: dict[str, Any]) -> Model:
    rows, asked, found = content["rows"], content["settings"], content["statistic"]
    terms = tuple(_term(item) for item in content["coefficients"])
    p = len(terms)
    levels = _read_absorbed(content["absorbed"])
    absorbed = levels.terms
    problem = Problem(
        terms,
        content["target"],
        _real(found["weight"]),
        _vector(found["mean"], p),
        _real(found["target_mean"]),
        _unpack(found["scatter_upper"], p),
        _vector(found["cross"], p),
        _real(found["target_scatter"]),
        Rows(int(rows["read"]), int(rows["used"]), dict(rows["dropped"]), dict(rows["nulls"])),
        _columns(content["columns"]),
        {name: tuple(levels) for name, levels in content["references"].items()},
        {name: tuple(levels) for name, levels in content["pooled"].items()},
        str(content["missing"]),
        _fills(content["coefficients"]),
        absorbed,
        tuple(str(name) for name in content["nulls_met"]),
        {name: (_real(low), _real(high)) for name, (low, high) in content["ranges"].items()},
        content["offset"] or "",
        tuple(_whole(exponent) for exponent in found["exponents"]),
        None if found["rank"] is None else _whole(found["rank"]),
    )
    missing = {n for t in (*terms, *absorbed) for n in t.columns} - problem.columns.keys()
    if missing:
        raise ValueError(f"column '{min(missing)}' of a coefficient is not described")
    start = asked["start"]
    settings = Settings(
        asked["learning_rate"],
        asked["epochs"],
        _real(asked["l2"]),
        str(asked["scale"]),
        bool(asked["intercept"]),
        (_real(start["intercept"]), tuple(_vector(start["coefficients"], p).tolist())),
        **read_steps_record(asked),
    )
    rate = content["learning_rate"]
    return Model(
        problem,
        settings,
        Provenance(
            content["source"],
            content["precision"],
            content["precision_reason"],
            content["steepest_version"],
            content["where"] or "",
        ),
        _vector([item["value"] for item in content["coefficients"]], p),
        _real(content["intercept"]),
        _real(content["loss"]),
        _real(content["objective"]),
        None if content["r2"] is None else _real(content["r2"]),
        np.nan if rate is None else _real(rate),
        str(content["learning_rate_reason"]),
        tuple(content["notes"]),
        _read_optimum(content["optimum"], p),
        _read_certificate(content["certificate"]),
        _read_errors(content["se"], content["residual_sd"], p),
        levels,
        read_validation_record(content.get("validation"), p),
    )


def _absorbed_record(found: Absorbed) -> dict[str, Any] | None:
    if not found.terms:
        return None
    return {
        "category": found.terms[0].category,
        "parts": list(found.terms[0].parts),
        "levels": [term.level for term in found.terms],
        "values": found.coef.tolist(),
        "se": None if found.se is None else found.se.tolist(),
    }


def _read_absorbed(found: dict[str, Any] | None) -> Absorbed:
    if found is None:
        return NONE_ABSORBED
    category, parts = str(found["category"]), tuple(str(part) for part in found["parts"])
    terms = tuple(Term("", category, str(level), parts) for level in found["levels"])
    m = len(terms)
    se = None if found["se"] is None else _vector(found["se"], m)
    return Absorbed(terms, _vector(found["values"], m), se)


def _read_optimum(found: dict[str, Any] | None, p: int) -> Optimum | None:
    if found is None:
        return None
    return Optimum(_real(found["intercept"]), _vector(found["coef"], p), _real(found["loss"]))


def _read_certificate(found: dict[str, Any] | None) -> Certificate | None:
    if found is None:
        return None
    ulps = found["ulps"]
    return Certificate(None if ulps is None else _real(ulps), str(found["text"]))


def _read_errors(found: dict[str, Any] | None, residual_sd: float | None, p: int) -> Errors:
    spread = None if residual_sd is None else _real(residual_sd)
    if found is None:
        return Errors(spread)
    first = found["intercept"]
    return Errors(
        spread, None if first is None else _real(first), _vector(found["coefficients"], p)
    )


def _term(item: dict[str, Any]) -> Term:
    number, category, level = (item[key] or "" for key in ("number", "category", "level"))
    parts = tuple(item["parts"])
    if not all(isinstance(text, str) for text in (number, category, level, *parts)):
        raise TypeError("a coefficient is of something that is no text")
    return Term(number, category, level, parts, item["null"] is True)


def _fills(items: list[dict[str, Any]]) -> tuple[float | None, ...]:
    fills = [None if item["fill"] is None else _real(item["fill"]) for item in items]
    return tuple(fills) if any(fill is not None for fill in fills) else ()


def _columns(items: list[dict[str, Any]]) -> dict[str, Column]:
    columns = {}
    for item in items:
        formed = None if item["formed"] is None else parse_expression(item["formed"])
        columns[item["name"]] = Column(item["name"], Kind(item["kind"]), item["type"], formed)
    return columns


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is not a whole number")
    return value


def _real(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _vector(values: list[float], length: int) -> Floats:
    vector = np.array([_real(value) for value in values], dtype=np.float64)
    if vector.shape != (length,) or not np.isfinite(vector).all():
        raise ValueError(f"expected {length} finite numbers")
    return vector


def _pack(matrix: Floats) -> str:
    """The upper triangle, row by row, as base64 of little-endian float64."""
    upper = matrix[np.triu_indices(len(matrix))].astype("<f8")
    return base64.b64encode(upper.tobytes()).decode()


def _unpack(text: str, size: int) -> Floats:
    upper = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f8")
    matrix = np.zeros((size, size))
    matrix[np.triu_indices(size)] = _vector(upper.tolist(), size * (size + 1) // 2)
    return np.triu(matrix) + np.triu(matrix, 1).T
