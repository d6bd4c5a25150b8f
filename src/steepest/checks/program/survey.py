"""What is told of a program once it has run: loop by loop, and of all loops together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from ...descent.autograd import is_tensor
from .. import mishaps as say
from .hooks import Hooks
from .log import Record
from .unmoved import find_unstepped, find_unused, name_unmoved
from .verdict import explain_loop


def survey_loops(hooks: Hooks, variables: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each loop with updates and its findings; then those that need more than one loop."""
    for record, finding in hooks.ledger.repeats.stale():
        if finding.code not in {other.code for other in record.findings}:
            record.findings.append(finding)
    for record, finding in find_unstepped(hooks, variables):
        record.findings.append(finding)
    ran = [record for record in hooks.records if record.moved or record.findings]
    found = {id(record): explain_loop(record) for record in ran}
    for record in ran:
        if record.seen and not found[id(record)]:
            found[id(record)] += list(find_unused(record, hooks.anatomy))[:1]
    told = [record for record in ran if record.seen or record.lost or found[id(record)]]
    for record in told:
        place = {"cell": record.loop.cell, "line": record.loop.line}
        yield {"kind": "loop", **place}
        for finding in found[id(record)]:
            yield {"kind": "finding", **place, **asdict(finding)}
        if record.lost and not record.seen:
            yield {"kind": "lost", **place, "text": record.lost}
    for record in ran:
        if record in told or record.passes or any(one.seen or one.findings for one in ran):
            continue
        own = [s for s in hooks.anatomy.sites if s.cell == record.loop.cell]
        names = sorted({s.name for s in own if any(len(term) > 1 for term in s.terms)})
        if names:
            place = {"cell": record.loop.cell, "line": record.loop.line}
            why = "and computes no loss that its updates could be held against"
            yield {"kind": "lost", **place, "text": f"it moves {', '.join(names)}, {why}"}
    for text in name_unmoved(hooks, variables):
        yield {"kind": "note", "text": text}
    yield from _two_models(told)
    yield from _stored(hooks, variables)


def _two_models(told: list[Record]) -> Iterator[dict[str, Any]]:
    """The same name for one weight in one loop, and for one a row in another."""
    seen: dict[str, list[tuple[Record, tuple[int, ...]]]] = {}
    for record in told:
        for one in record.seen[:1]:
            for move in one.moves:
                seen.setdefault(move.name, []).append((record, np.shape(move.old)))
    for name, pairs in seen.items():
        for record, shape in pairs:
            rows = record.columns & {int(np.prod(shape, dtype=int))} if shape else set()
            others = [other for other, theirs in pairs if theirs == () and other is not record]
            if rows and others and others[0].columns & rows:
                n = rows.pop()
                finding = say.two_models(name, ["one number", f"of shape {tuple(shape)}"], n)
                place = {"cell": record.loop.cell, "line": record.loop.line}
                yield {"kind": "finding", **place, **asdict(finding)}
                return


def _stored(hooks: Hooks, variables: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Lists that hold one weight many times over."""
    for record in hooks.records:
        moved = {
            id(m.old): m
            for seen in record.seen
            for m in seen.moves
            if np.shape(m.old) or is_tensor(m.old)
        }
        for name, value in list(variables.items()):
            if not isinstance(value, list) or name.startswith("__"):
                continue
            held = [id(entry) for entry in value if id(entry) in moved]
            times = max(map(held.count, set(held)), default=0)
            if times > 1 and len(held) > len(record.seen) // 2:
                one = moved[max(set(held), key=held.count)]
                finding = say.same_stored(one.name, name, times)
                place = {"cell": record.loop.cell, "line": record.loop.line}
                yield {"kind": "finding", **place, **asdict(finding)}
