"""What a fit is asked for: by names or by a formula, for a table or for its moments."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..data.design import Wanted, name_columns
from ..data.formula import parse_formula
from ..descent.quadratic import SCALES
from ..errors import OptionError
from ..sums.moments import Moments

COLLINEAR = ("shortest", "refuse")
LARGEST_PENALTY = 1e300


@dataclass(frozen=True)
class Request:
    """A target, the terms that explain it, and what a scan for them has to read."""

    target: str
    features: tuple[str, ...] | None
    """None for all columns that can."""
    intercept: bool
    wanted: Wanted


def read_request(
    target: str | None,
    features: Iterable[str] | None,
    formula: str | None,
    *,
    intercept: bool,
    weights: str | None,
    weight_kind: str,
) -> Request:
    """The request of a fit; OptionError for a formula beside names, or neither."""
    weighing = ("", "") if weights is None else (str(weights), weight_kind)
    if formula is not None:
        if target is not None or features is not None:
            raise OptionError.beside("formula", "target and features")
        found = parse_formula(formula)
        named = name_columns(found.plain, found.target)
        wanted = Wanted(named, tuple(found.powers), *weighing)
        names = tuple(found.names)
        return Request(found.target, names, intercept and found.intercept, wanted)
    if target is None:
        raise OptionError.missing("target", "target='price'")
    target = str(target)
    if features is None:
        return Request(target, None, intercept, Wanted(None, (), *weighing))
    columns = name_columns(features, target)
    names = tuple(name for name in columns if name != target)
    return Request(target, names, intercept, Wanted(columns, (), *weighing))


def check_weights(request: Request, moments: Moments) -> None:
    """Refuse weights that the moments were not scanned with; OptionError."""
    wanted = request.wanted
    if wanted.weights and (wanted.weights, wanted.weight_kind) != (
        moments.weights,
        moments.weight_kind,
    ):
        raise OptionError.other_weights(wanted.weights, moments.weights)


def check_options(
    learning_rate: float | None, epochs: int | None, l2: float, scale: str, collinear: str
) -> None:
    """Refuse what no data could make right; OptionError."""
    if learning_rate is not None and not (_is_real(learning_rate) and 0 < learning_rate < math.inf):
        raise OptionError.outside(
            "learning_rate",
            learning_rate,
            "a positive number",
            "leave learning_rate unset to use the best fixed rate.",
        )
    whole = isinstance(epochs, int | np.integer) and not isinstance(epochs, bool)
    if epochs is not None and not (whole and epochs >= 1):
        raise OptionError.outside(
            "epochs",
            epochs,
            "a whole number of at least 1",
            "leave epochs unset for the limit, the least-squares solution.",
        )
    if not (_is_real(l2) and 0 <= l2 < LARGEST_PENALTY):
        raise OptionError.outside("l2", l2, "a number from 0 to 1e300", "leave l2 unset.")
    if scale not in SCALES:
        raise OptionError.unknown("scale", scale, SCALES)
    if collinear not in COLLINEAR:
        raise OptionError.unknown("collinear", collinear, COLLINEAR)


def _is_real(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
