"""The content of moments from rows of fractions: written from docs/moments-file.md alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from hashlib import sha256
from itertools import combinations
from struct import pack

Value = Fraction | str | bool | None


def places(values: Sequence[int]) -> bytes:
    return pack(f"<{len(values)}q", *values)


def count(value: int) -> bytes:
    return places([value])


def texts(values: Sequence[str]) -> bytes:
    coded = [value.encode() for value in values]
    return count(len(coded)) + places([len(c) for c in coded]) + b"".join(coded)


def divide_out(value: int, prime: int) -> tuple[int, int]:
    times = 0
    while value % prime == 0:
        value, times = value // prime, times + 1
    return value, times


def numbers(values: Sequence[Fraction | int]) -> bytes:
    twos, fives, lengths, coded = [], [], [], []
    for value in map(Fraction, values):
        m, a, b = 0, 0, 0
        if value:
            rest, below = divide_out(value.denominator, 2)
            one, b = divide_out(rest, 5)
            assert one == 1
            m, above = divide_out(value.numerator, 2)
            a, b = above - below, -b
        length = abs(m).bit_length() // 8 + 1
        twos.append(a)
        fives.append(b)
        lengths.append(length)
        coded.append(m.to_bytes(length, "little", signed=True))
    head = b"".join(pack(f"<{len(twos)}i", *part) for part in (twos, fives, lengths))
    return head + b"".join(coded)


def as_text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def content(
    table: Mapping[str, Sequence[Value]], weights: str = "", weight_kind: str = ""
) -> bytes:
    """What the fingerprint is taken of, for columns of fractions, texts, booleans and nulls."""
    names = sorted((name for name in table if name != weights), key=str.encode)
    rows = list(zip(*table.values(), strict=True))
    at = {name: list(table).index(name) for name in table}
    kept = [row for row in rows if not weights or row[at[weights]] != 0]

    def kind(name: str) -> str:
        found = {type(row[at[name]]) for row in kept} - {type(None)}
        words = {Fraction: "number", str: "category", bool: "boolean"}
        return words[found.pop()] if found else "null"

    kinds = {name: kind(name) for name in names}
    order = [*names, weights] if weights else names
    groups: dict[tuple[int, ...], list[Sequence[Value]]] = {}
    for row in kept:
        null = tuple(i for i, name in enumerate(order) if row[at[name]] is None)
        groups.setdefault(null, []).append(row)
    out = texts(["steepest exact sums 1", weights, weight_kind]) + texts(names)
    out += texts([kinds[name] for name in names]) + texts([""]) + count(1) + count(len(groups))
    for null, own in sorted(groups.items()):
        out += count(len(null)) + places(null)
        here = [name for i, name in enumerate(names) if i not in null]
        z = [at[name] for name in here if kinds[name] == "number"]
        c = [at[name] for name in here if kinds[name] in ("category", "boolean")]
        weighted = bool(weights) and len(names) not in null
        w = [row[at[weights]] if weighted else Fraction(1) for row in own]
        times = w if weight_kind == "frequency" else [1] * len(own)

        def sums(keep: Sequence[bool], own=own, w=w, times=times) -> tuple[list, list]:
            some = [t for t, k in zip(zip(own, w, times, strict=True), keep, strict=True) if k]
            return [row for row, _, _ in some], [
                sum((t for _, _, t in some), Fraction(0)),
                sum((v for _, v, _ in some), Fraction(0)),
            ]

        def total(rows, shares, *columns) -> Fraction:
            found = Fraction(0)
            for row, share in zip(rows, shares, strict=True):
                product = share
                for column in columns:
                    product *= row[column]
                found += product
            return found

        _, head = sums([True] * len(own))
        upper = [total(own, w, a, b) for i, a in enumerate(z) for b in z[i:]]
        out += numbers([*head, *(total(own, w, a) for a in z), *upper])
        levels = {a: sorted({as_text(row[a]) for row in own}, key=str.encode) for a in c}
        for a in c:
            counts, shares, table_sums = [], [], []
            for level in levels[a]:
                keep = [as_text(row[a]) == level for row in own]
                some, (rows_here, share) = sums(keep)
                own_w = [v for v, k in zip(w, keep, strict=True) if k]
                counts.append(rows_here)
                shares.append(share)
                table_sums += [total(some, own_w, b) for b in z]
            out += texts(levels[a]) + numbers([*counts, *shares, *table_sums])
        for a, b in combinations(c, 2):
            met = [(levels[a].index(as_text(r[a])), levels[b].index(as_text(r[b]))) for r in own]
            pairs = sorted(set(met))
            found = [sums([pair == one for one in met])[1] for pair in pairs]
            out += count(len(pairs)) + places([p for p, _ in pairs]) + places([p for _, p in pairs])
            out += numbers([*(rows for rows, _ in found), *(share for _, share in found)])
    return out


def fingerprint(
    table: Mapping[str, Sequence[Value]], weights: str = "", weight_kind: str = ""
) -> str:
    return sha256(content(table, weights, weight_kind)).hexdigest()
