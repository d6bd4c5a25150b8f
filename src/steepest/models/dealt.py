"""The moments that models are compared by, with their rows dealt to folds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..data.choice import Wanted
from ..data.expressions import Expression, Interaction, label
from ..data.folds import ByColumn, ByTime, read_folds
from ..data.open import open_source
from ..errors import FoldsError, StudyError
from ..sums.checkpoints import Checkpoint, keeping
from ..sums.moments import Moments
from ..sums.scanning import scan_source
from .fitting import check_target
from .gathering import Scanning
from .request import Request, check_scanned, read_terms


def read_dealt(
    source: Any,
    requests: Sequence[Request],
    folds: Any,
    seed: int,
    scanning: Scanning,
    checkpoint: str | os.PathLike[str] | Checkpoint | None,
) -> Moments:
    """Moments as they are, or those of one scan of a table that serves several requests.

    StudyError for folds beside moments, whose rows were dealt when they were scanned.
    """
    if isinstance(source, Moments):
        if folds is not None:
            raise StudyError.folded()
        for request in requests:
            check_scanned(request, source)
        return source
    opened = open_source(source, scanning.names)
    wanted = _join([request.wanted for request in requests])
    for request in requests:
        check_target(opened.schema(wanted.sources), request.target)
    rule = read_folds(folds, seed)
    with keeping(checkpoint) as kept:
        return scan_source(
            opened,
            wanted,
            folds=rule,
            precision=scanning.precision,
            executor=scanning.executor,
            checkpoint=kept,
            on_progress=scanning.on_progress,
        )


def _join(every: Sequence[Wanted]) -> Wanted:
    """What a scan reads that serves several requests."""
    first = every[0]
    if len(every) == 1 or all(w.named is None and w.terms is None for w in every):
        return first
    if all(w.named is not None for w in every):
        named = {name: role for w in every for name, role in (w.named or {}).items()}
        return replace(first, named=named)
    terms: dict[Interaction, None] = {}
    for w in every:
        own = w.terms if w.terms is not None else read_terms(w.named or {})
        terms |= dict.fromkeys(own)
        terms |= dict.fromkeys((end,) for end in (w.target, w.offset) if end is not None)
    return replace(first, named=None, terms=tuple(terms))


def check_folds(moments: Moments) -> list[str]:
    """The labels of the folds; FoldsError where there are none, or a single one."""
    if moments.folds is None:
        raise FoldsError.missing()
    labels = list(moments.folds)
    if len(labels) < 2:
        raise FoldsError.single(str(moments.folds.rule), next(iter(labels), ""), moments.where)
    return labels


def leave_out_fold(moments: Moments, targets: Sequence[str], target: Expression) -> Moments:
    """The moments without other targets, and without what says the fold."""
    rule = moments.folds.rule if moments.folds else None
    gone = {name: "it is a target" for name in targets if name != label(target)}
    if isinstance(rule, ByColumn | ByTime) and rule.column != label(target):
        gone[rule.column] = "it says the fold"
    gone = {name: why for name, why in gone.items() if name in moments.names}
    return moments.without(gone) if gone else moments
