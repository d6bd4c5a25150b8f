"""Moments as a file: written whole or not at all, read only when whole.

``docs/moments-file.md`` describes the file for readers in other languages.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from itertools import accumulate, pairwise
from operator import add
from typing import Any

from .. import __version__
from ..data.folds import from_record, to_record
from ..data.formula import parse_expression
from ..data.table import Column, Kind
from ..errors import MomentsError, MomentsFileError
from ..store import decode_json, read_sealed, write_sealed
from .decoding import LARGEST_EXPONENT, Units, decode_content
from .exact import ExactSums
from .folds import Folds
from .ledger import Entry, Ledger
from .moments import Moments
from .observations import Observations
from .patterns import Patterns, restrict_patterns


def write_moments(moments: Moments, path: str | os.PathLike[str]) -> None:
    """What :meth:`Moments.save` does."""
    write_sealed(path, [pack_moments(moments)])


def pack_moments(moments: Moments) -> bytes:
    """Moments as the bytes that their file holds between its head and its seal.

    The length of the header, the header, the sums of each fold, and those of all rows; the last
    are left out where they follow from the others.
    """
    folds, axis = moments.folds, None
    members = [pack_moments(fold) for fold in (folds or {}).values()]
    if folds is not None:
        lengths = [len(member) for member in members]
        axis = {**to_record(folds.rule), "labels": list(folds), "lengths": lengths}
    content = b"".join(moments.encode())
    ledger = moments.ledger.identified(lambda: hashlib.sha256(content).hexdigest())
    text = json.dumps(_header(moments, ledger) | {"axis": axis}, allow_nan=False).encode()
    rest = b"" if members and moments.precision == "exact" else content
    return b"".join([len(text).to_bytes(8, "little"), text, *members, rest])


def _header(moments: Moments, ledger: Ledger) -> dict[str, Any]:
    units, weight_unit = _find_units(moments.numbers, moments.weights, moments.patterns)
    return {
        "format": "steepest moments",
        "steepest_version": __version__,
        "axis": None,
        "precision": moments.precision,
        "precision_reason": moments.precision_reason,
        "where": moments.where,
        "columns": [
            {
                "name": c.name,
                "kind": c.kind,
                "type": c.type_name,
                "formed": None if c.formed is None else str(c.formed),
                "asked": c.asked,
            }
            for c in moments.columns
        ],
        "left_out": dict(moments.left_out),
        "remarks": list(moments.remarks),
        "first_nulls": dict(moments.observed.first_nulls),
        "dropped": moments.observed.dropped,
        "ranges": {name: list(ends) for name, ends in moments.observed.ranges.items()},
        "rounded": sorted(moments.rounded),
        "parts_known": ledger.known,
        "parts": [entry._asdict() for entry in ledger.entries],
        "units": {name: list(unit) for name, unit in units.items()},
        "weight_unit": weight_unit,
    }


def _find_units(
    numbers: Sequence[str], weights: str, patterns: Patterns
) -> tuple[dict[str, tuple[int, int]], int]:
    """For each number the powers of two and five that all its sums are whole numbers of."""
    units = dict.fromkeys(numbers, (0, 0))
    weight_unit = 0
    for null, sums in patterns.items():
        if not isinstance(sums, ExactSums):
            continue
        grid = sums.whole.units.tolist(), sums.whole.fives.tolist()
        for name, two, five in zip(sums.numbers, *grid, strict=True):
            units[name] = min(units[name][0], two), min(units[name][1], five)
        if weights not in null:
            weight_unit = min(weight_unit, sums.whole.weight_unit)
    return units, weight_unit


def read_moments(path: str | os.PathLike[str]) -> Moments:
    """What :func:`write_moments` wrote; MomentsFileError for anything else.  Executes nothing."""
    body = read_sealed(path)
    try:
        return unpack_moments(body)
    except ValueError as error:
        raise MomentsFileError.of(os.fspath(path), str(error)) from error


def unpack_moments(body: bytes) -> Moments:
    """What :func:`pack_moments` packed; ValueError, with the reason, for anything else."""
    try:
        return _from_body(body)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = error.found.rstrip(".") if isinstance(error, MomentsError) else str(error)
        raise ValueError(reason) from error


def _from_body(body: bytes) -> Moments:
    end = 8 + int.from_bytes(body[:8], "little")
    header = decode_json(body[8:end])
    if header["axis"] is not None:
        return _from_folds(header, header["axis"], body[end:])
    return _from_record(header, body[end:])


def _from_folds(header: dict[str, Any], axis: dict[str, Any], content: bytes) -> Moments:
    """Moments that are the sum of their folds."""
    labels, lengths = [str(label) for label in axis["labels"]], map(_whole, axis["lengths"])
    ends = list(accumulate(lengths, initial=0))
    if len(labels) != len(ends) - 1:
        raise ValueError("its folds are not all there")
    folds = [_from_body(content[a:b]) for a, b in pairwise(ends)]
    members = dict(zip(labels, folds, strict=True))
    if len(members) < len(labels) or any(fold.folds is not None for fold in folds):
        raise ValueError("a fold stands twice, or in another")
    encoded = content[ends[-1] :]
    if folds and header["precision"] == "exact":
        if encoded:
            raise ValueError("something stands after its folds")
        encoded = b"".join(reduce(add, folds).encode())
    return replace(_from_record(header, encoded), folds=Folds(from_record(axis), members))


def _from_record(header: dict[str, Any], content: bytes) -> Moments:
    columns = tuple(_read_column(item) for item in header["columns"])
    units: Units = {str(n): (_unit(two), _unit(five)) for n, (two, five) in header["units"].items()}
    found = decode_content(content, columns, units, _unit(header["weight_unit"]))
    entries = tuple(
        Entry(str(e["id"]), str(e["source"]), _whole(e["rows"])) for e in header["parts"]
    )
    names = {kind: [c.name for c in columns if c.kind is kind] for kind in Kind}
    ledger = Ledger(entries, header["parts_known"] is True)
    patterns = restrict_patterns(
        found.patterns, names[Kind.NUMBER], names[Kind.CATEGORY], found.weights
    )
    return Moments(
        columns,
        patterns,
        found.precision,
        found.weights,
        found.weight_kind,
        found.condition,
        found.filtered,
        left_out={str(name): str(reason) for name, reason in header["left_out"].items()},
        rounded=frozenset(str(name) for name in header["rounded"]),
        remarks=tuple(str(remark) for remark in header["remarks"]),
        observed=Observations(
            {str(name): str(place) for name, place in header["first_nulls"].items()},
            {str(n): (float(low), float(high)) for n, (low, high) in header["ranges"].items()},
            _whole(header.get("dropped", 0)),
        ),
        where=str(header["where"]),
        precision_reason=str(header["precision_reason"]),
        ledger=ledger.alone(hashlib.sha256(content).hexdigest()),
    )


def _read_column(item: dict[str, Any]) -> Column:
    names = item["name"], item["type"]
    if not all(isinstance(name, str) for name in names):
        raise TypeError("the name of a column is no text")
    formed = None if item["formed"] is None else parse_expression(item["formed"])
    return Column(item["name"], Kind(item["kind"]), item["type"], formed, item["asked"] is True)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r} is no count")
    return value


def _unit(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST_EXPONENT:
        raise TypeError(f"{value!r} is no power of a unit")
    return value
