"""What a fit is asked for: by names or by a formula, for a table or for its moments."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from ..data.choice import Wanted, name_columns
from ..data.conditions import parse_condition
from ..data.expressions import Expression, Interaction, Name, is_expression, label
from ..data.formula import parse_expression, parse_formula, term_label
from ..descent.momentum import Momentum, Nesterov
from ..descent.optimisers import check_proximal
from ..descent.quadratic import SCALES
from ..descent.rules import GradientDescent, LinearRule, find_rule
from ..descent.schedules import Schedule, find_schedule, is_constant
from ..descent.searches import is_solver
from ..errors import ColumnNameError, FormulaError, OptionError, check_whole, is_whole
from ..sums.accounting import MISSING
from ..sums.checkpoints import Checkpoint
from ..sums.moments import Moments
from ..typing import OnProgress

COLLINEAR = ("shortest", "refuse")
BEST = "best"
RATES = (BEST, "budget")
LARGEST_PENALTY = 1e300


class Asked(TypedDict, total=False):
    """What a fit is asked for beside its target: the arguments of :func:`steepest.fit`."""

    features: Iterable[str | Expression | Interaction] | None
    formula: str | None
    offset: str | Expression | None
    weights: str | None
    weight_kind: str
    where: str | None
    missing: str
    rare: int
    max_levels: int
    learning_rate: float | str | None
    epochs: int | None
    rule: Any
    momentum: float | str | None
    schedule: str | Schedule | None
    l2: float
    l1: float
    nonnegative: bool
    adaptive: float
    penalties: Mapping[str, float] | None
    scale: str
    intercept: bool
    w: Mapping[str, float] | ArrayLike | None
    validation: Any
    seed: int
    collinear: str
    allow_divergence: bool
    references: Mapping[str, str] | None
    names: Sequence[str] | None
    precision: str | None
    executor: Executor | None
    checkpoint: str | os.PathLike[str] | Checkpoint | None
    on_progress: OnProgress | None


@dataclass(frozen=True)
class Request:
    """A target, the terms that explain it, and what a scan for them has to read."""

    target: Expression
    features: tuple[str | Interaction, ...] | None
    """None for all columns that can."""
    intercept: bool
    offset: Expression | None
    wanted: Wanted


def read_request(
    target: str | Expression | None,
    features: Iterable[Any] | None,
    formula: str | None,
    *,
    intercept: bool,
    offset: str | Expression | None,
    wanted: Wanted,
) -> Request:
    """The request of a fit; OptionError for a formula beside names, or neither.

    ``wanted`` brings the weights and the condition of the scan.
    """
    base = read_single(offset) if offset is not None else None
    if formula is not None:
        if target is not None or features is not None:
            raise OptionError.beside("formula", "target and features")
        found = parse_formula(formula)
        if base is not None and found.offset is not None:
            raise OptionError.beside("offset", "the formula has one")
        base = base or found.offset
        wanted = replace(wanted, terms=found.terms, target=found.target, offset=base)
        return Request(found.target, found.terms, intercept and found.intercept, base, wanted)
    if target is None:
        raise OptionError.missing("target", "target='price'")
    aim: Expression = Name(target) if isinstance(target, str) else read_single(target)
    plain = isinstance(aim, Name) and (base is None or isinstance(base, Name))
    if features is None:
        return Request(aim, None, intercept, base, replace(wanted, target=aim, offset=base))
    given = [features] if isinstance(features, str) else list(features)
    if plain and all(isinstance(feature, str) for feature in given):
        columns = name_columns(given, label(aim))
        names = tuple(name for name in columns if name != label(aim))
        if base is not None:
            columns[label(base)] = columns.get(label(base), "offset")
        return Request(aim, names, intercept, base, replace(wanted, named=columns, offset=base))
    terms = read_terms(given)
    for term in terms:
        if term == (aim,):
            raise ColumnNameError.target_among_features(label(aim))
    return Request(
        aim, terms, intercept, base, replace(wanted, terms=terms, target=aim, offset=base)
    )


def read_terms(given: Iterable[Any]) -> tuple[Interaction, ...]:
    """Names, expressions, interactions, and lists of them, as the terms they stand for."""
    terms: list[Interaction] = []
    for item in given:
        if isinstance(item, list):
            terms += read_terms(item)
        elif isinstance(item, str):
            terms.append((Name(item),))
        elif is_expression(item):
            terms.append((item,))
        elif isinstance(item, tuple) and item and all(map(is_expression, item)):
            terms.append(tuple(dict.fromkeys(item)))
        else:
            raise OptionError.outside(
                "features",
                item,
                "a column or a term",
                "features=['area', terms.log('age'), terms.C('city')]",
            )
    for i, term in enumerate(terms):
        if any({*term} == {*other} for other in terms[:i]):
            raise ColumnNameError.repeated(term_label(term), 2, "the features")
    return tuple(terms)


def read_single(given: Any) -> Expression:
    """A column by its name, or an expression as an object or as text."""
    if is_expression(given):
        return given  # type: ignore[no-any-return]
    try:
        return parse_expression(str(given))
    except FormulaError:
        return Name(str(given))


def check_scanned(request: Request, moments: Moments) -> None:
    """Refuse weights and a condition that the moments were not scanned with; OptionError."""
    wanted = request.wanted
    if wanted.weights and (wanted.weights, wanted.weight_kind) != (
        moments.weights,
        moments.weight_kind,
    ):
        raise OptionError.other_weights(wanted.weights, moments.weights)
    if wanted.where and str(parse_condition(wanted.where)) != moments.condition:
        raise OptionError.other_condition(wanted.where, moments.condition)


def check_options(
    learning_rate: float | str | None, epochs: int | None, l2: float, scale: str, collinear: str
) -> None:
    """Refuse what no data could make right; OptionError."""
    if isinstance(learning_rate, str):
        if learning_rate not in RATES:
            raise OptionError.unknown("learning_rate", learning_rate, RATES)
    elif learning_rate is not None and not (
        _is_real(learning_rate) and 0 < learning_rate < math.inf
    ):
        raise OptionError.outside(
            "learning_rate",
            learning_rate,
            "a positive number",
            "leave learning_rate unset to use the best fixed rate.",
        )
    if epochs is not None and not (is_whole(epochs) and epochs >= 1):
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


class Steps(NamedTuple):
    """How one step follows another, as a fit has it."""

    rule: Any
    tuned: bool
    schedule: Schedule


def read_steps(
    rule: Any,
    momentum: float | str | None,
    schedule: str | Schedule | None,
    learning_rate: float | str | None,
    epochs: int | None,
    l1: float = 0.0,
    nonnegative: bool = False,
) -> Steps:
    """The rule, its momentum and the schedule; OptionError for what does not go together."""
    found = _read_rule(rule, momentum)
    steps = Steps(found, momentum == BEST, find_schedule(schedule, epochs))
    varies = not is_constant(steps.schedule)
    proximal = "l1" if l1 else "nonnegative" if nonnegative else ""
    if proximal and epochs is not None:
        check_proximal(found, proximal)
        if learning_rate == "budget":
            raise OptionError.no_closed_form("the budget rate", proximal)
    if is_solver(found):
        if learning_rate is not None:
            raise OptionError.searched_rate(learning_rate, found.name)
        if varies:
            raise OptionError.rateless("schedule", found.name)
        return steps
    linear = isinstance(found, LinearRule)
    if epochs is None and (varies or not linear):
        raise OptionError.endless("a schedule" if varies else found.name)
    if isinstance(learning_rate, str):
        if not linear:
            raise OptionError.no_closed_form(f"the {learning_rate} rate", found.name)
        if learning_rate == "budget" and varies:
            raise OptionError.no_closed_form("the budget rate", "a schedule")
        if learning_rate == "budget" and epochs is None:
            raise OptionError.no_budget()
    return steps


def _read_rule(rule: Any, momentum: float | str | None) -> Any:
    if momentum is None:
        return GradientDescent() if rule is None else find_rule(rule)
    found = Momentum() if rule is None else find_rule(rule)
    if not isinstance(found, Momentum | Nesterov):
        raise OptionError.without_momentum(momentum, getattr(found, "name", str(rule)))
    if isinstance(momentum, str):
        if momentum != BEST:
            raise OptionError.unknown("momentum", momentum, [BEST])
        return found
    if not _is_real(momentum):
        raise OptionError.outside(
            "momentum", momentum, "a number from 0 to below 1", "momentum=0.9"
        )
    return replace(found, momentum=float(momentum))


def read_sparse(
    l1: float,
    l2: float,
    nonnegative: bool,
    adaptive: float,
    penalties: Mapping[str, float] | None,
) -> dict[str, Any]:
    """The settings of a fit that makes coefficients exactly 0; empty for one that does not."""
    if not (_is_real(l1) and 0 <= l1 < LARGEST_PENALTY):
        raise OptionError.outside("l1", l1, "a number from 0 to 1e300", "leave l1 unset.")
    check_sparse(nonnegative, adaptive, penalties or {}, has_l1=l1 > 0, has_l2=l2 > 0)
    factors = tuple((str(name), float(factor)) for name, factor in (penalties or {}).items())
    given = {
        "l1": float(l1),
        "nonnegative": nonnegative,
        "adaptive": float(adaptive),
        "factors": factors,
    }
    return {name: value for name, value in given.items() if value}


def check_sparse(
    nonnegative: Any, adaptive: Any, factors: Any, *, has_l1: bool, has_l2: bool
) -> None:
    """OptionError for what no data could make right."""
    if not isinstance(nonnegative, bool):
        raise OptionError.outside("nonnegative", nonnegative, "True or False", "nonnegative=True")
    if not (_is_real(adaptive) and 0 <= adaptive < LARGEST_PENALTY):
        raise OptionError.outside("adaptive", adaptive, "a power of at least 0", "adaptive=1")
    given = factors if isinstance(factors, Mapping) else {"": -1}
    if not all(_is_real(f) and 0 <= f < 1e150 for f in given.values()):
        raise OptionError.outside(
            "penalties", factors, "a mapping of columns to factors of at least 0", "{'area': 0.5}"
        )
    if adaptive and not has_l1:
        raise OptionError.nothing_to_scale("adaptive", "l1")
    if given and not (has_l1 or has_l2):
        raise OptionError.nothing_to_scale("penalties", "l1 or l2")


def check_view(missing: str, rare: int) -> None:
    """Refuse what is chosen after the scan and does not exist; OptionError."""
    if missing not in MISSING:
        raise OptionError.unknown("missing", missing, MISSING)
    check_whole("rare", rare, 0)


def _is_real(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
