"""The compiled reader of numbers, held bit for bit against Python's own."""

from __future__ import annotations

import csv
import io
import math
import os
import struct
import subprocess
import sys
from codecs import BOM_UTF8
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiers import law

import steepest
from steepest.data.doubles import LEAST, MOST, DoublesReader, powers_of_five
from steepest.data.flaws import LONGEST_FIELD
from steepest.data.layout import NULL_WORDS, Layout


def lay_out(delimiter: str = ",", decimal: str = ".", columns: int = 3) -> Layout:
    names = tuple(f"x{i}" for i in range(columns))
    return Layout(delimiter, '"', decimal, names, (*NULL_WORDS, "-"), "refuse", 0, 1)


pytestmark = pytest.mark.skipif(
    not DoublesReader.serves(lay_out(), [0]), reason="the compiled reader was not built"
)


def read(text: str, layout: Layout, places: tuple[int, ...] = (0, 2)) -> Any:
    found = DoublesReader(layout, places).read(text.encode())
    return None if found is None else found.numbers


def as_bits(values: Any) -> list[int]:
    return np.ascontiguousarray(values).view(np.uint64).tolist()


any_double = st.integers(0, 2**64 - 1).map(lambda b: struct.unpack("d", struct.pack("Q", b))[0])
finite = any_double.filter(math.isfinite)
decimals = st.builds(
    "{}{}.{}{}".format,
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 10**22),
    st.text("0123456789", max_size=22),
    st.one_of(st.just(""), st.integers(-400, 400).map("e{}".format)),
)


@st.composite
def halfway(draw: st.DrawFn) -> str:
    """Half way between two doubles, or a last digit off it."""
    mantissa = 2 * draw(st.integers(2**52, 2**53 - 1)) + 1
    exact = Fraction(mantissa) * Fraction(2) ** draw(st.integers(-70, 10))
    tens = 0
    while exact.denominator != 1:
        exact, tens = exact * 10, tens + 1
    return f"{exact.numerator + draw(st.integers(-1, 1))}e{-tens}"


cells = st.one_of(finite.map(repr), decimals, halfway(), st.integers(-(2**70), 2**70).map(str))


@settings(max_examples=400, deadline=None)
@given(
    rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=6),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_every_number_is_its_nearest_double(rows: list[tuple[str, str]], end: str) -> None:
    found = read(end.join(f"{a},text,{b}" for a, b in rows), lay_out())
    assert as_bits(found) == as_bits(np.array([[float(x) for x in row] for row in rows]).T)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.tuples(finite, finite), min_size=1, max_size=4))
@pytest.mark.parametrize("delimiter", [";", "\t", "|", " "])
def test_decimal_commas_and_other_marks(delimiter: str, rows: list[tuple[float, float]]) -> None:
    text = "".join(f"{a!r}{delimiter}u{delimiter}{b!r}\n" for a, b in rows).replace(".", ",")
    found = read(text, lay_out(delimiter, ","))
    assert as_bits(found) == as_bits(np.array(rows).T)


def test_powers_are_the_first_bits_of_exact_ones() -> None:
    for n, (high, low) in zip(range(LEAST, MOST + 1), powers_of_five().tolist(), strict=True):
        value = (high << 64) + low
        assert value.bit_length() == 128
        exact = Fraction(5) ** n
        size = exact.numerator.bit_length() - exact.denominator.bit_length()
        scaled = exact * Fraction(2) ** (127 - size)
        scaled *= 2 if scaled < 2**127 else 1
        if -27 <= n < 0:  # rounded up, so that one product tells
            assert 0 < value - scaled <= 1
        else:
            assert -1 < value - scaled <= 0


@pytest.mark.parametrize("word", [*NULL_WORDS, "-"])
def test_words_for_no_value(word: str) -> None:
    found = read(f"{word},u,1\n2,u,{word}\n", lay_out())
    assert np.isnan(found).tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize(
    ("cell", "value"),
    [(" 1.5", 1.5), ("1.5\t", 1.5), ("1.", 1.0), (".5", 0.5), ("+2e3", 2e3), ("1e400", math.inf),
     ("-inf", -math.inf), ("0" * 30 + "7", 7.0), ("1e-400", 0.0), ("0e999999999", 0.0),
     ("0.1" + "0" * 40, 0.1), ("5e-324", 5e-324), ("1" + "0" * 25, 1e25)],
)  # fmt: skip
def test_what_takes_a_closer_look(cell: str, value: float) -> None:
    assert read(f"{cell},u,1\n", lay_out())[:, 0].tolist() == [value, 1.0]


@pytest.mark.parametrize(
    "text",
    ["1,2\n", "1,2,3,4\n", "1,u,3\n2,u\n", "1,u,3\rx,u,4\n", "1,u,3\r", "x,u,1\n", "1_0,u,1\n",
     "0x1,u,1\n", "1e,u,1\n", ".,u,1\n", "1.2.3,u,1\n", "1 2,u,1\n", "--1,u,1\n", "1,u,\x001\n",
     "١,u,1\n"],
)  # fmt: skip
def test_what_is_left_to_others(text: str) -> None:
    """Another number of fields, a CR that stands alone, and what is no number."""
    assert read(text, lay_out()) is None


def test_empty_lines_and_no_lines() -> None:
    assert read("\n\n1,u,2\n\r\n\n3,u,4", lay_out()).tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert read("", lay_out()).shape == (2, 0)
    assert read("\n", lay_out()).shape == (2, 0)


def test_too_many_hard_cells_are_left_to_others() -> None:
    assert read("1e400,u,1\n" * 5_000, lay_out()) is None


@pytest.mark.parametrize("quote", ['"', ""])
def test_the_same_bits_with_arrow_alone(quote: str, write: Any) -> None:
    rng = np.random.default_rng(5)
    rows = "".join(
        f"{a!r},{c},{b},{flag}\n"
        for a, b, c, flag in zip(
            rng.standard_normal(3_000).tolist(),
            rng.integers(-50, 50, 3_000).tolist(),
            rng.choice(["u", "v", "NA", ""], 3_000).tolist(),
            rng.choice(["true", "false", ""], 3_000).tolist(),
            strict=True,
        )
    )
    path = write("t.csv", "x,c,k,flag\n" + rows)
    code = f"import steepest; print(steepest.scan({path!r}).fingerprint)"
    environment = {**os.environ, "STEEPEST_KERNEL": "numpy"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == steepest.scan(steepest.open_table(path, quote=quote)).fingerprint


words = st.text(st.sampled_from("abé東 -7."), max_size=6)


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.tuples(words, words), max_size=8), end=st.sampled_from(["\n", "\r\n"]))
def test_text_is_what_stands_between_the_marks(rows: list[tuple[str, str]], end: str) -> None:
    layout = lay_out()
    text = "".join(f"{a},1,{b}{end}" for a, b in rows)
    found = DoublesReader(layout, [1], [0, 2]).read(text.encode())
    assert found is not None
    assert found.numbers.tolist() == [[1.0] * len(rows)]
    for column, expected in zip(found.texts, zip(*rows, strict=True), strict=bool(rows)):
        assert column.present.tolist() == [cell not in layout.nulls for cell in expected]
        data = column.data.tobytes()
        cells = [data[a:b].decode() for a, b in pairwise(column.ends.tolist())]
        assert cells == ["" if cell in layout.nulls else cell for cell in expected]


around = st.text(st.sampled_from('abé",\n\r -7.'), max_size=6)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(around, around, st.booleans()), max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_quotes_are_read_as_the_csv_module_does(
    rows: list[tuple[str, str, bool]], end: str
) -> None:
    """In text that is read, and in a column that is not; a null word in quotes is text."""
    file = io.StringIO(newline="")
    for read, other, always in rows:
        style = csv.QUOTE_NONNUMERIC if always else csv.QUOTE_MINIMAL
        csv.writer(file, quoting=style, lineterminator=end).writerow([read, 1.5, other])
    written = file.getvalue()
    found = DoublesReader(lay_out(), [1], [0]).read(written.encode())
    if found is None:  # left to the slower reader
        assert any('"' in read for read, *_ in rows) or "\r" in written.replace(end, "")
        return
    again = list(csv.reader(io.StringIO(written, newline="")))
    assert found.numbers.tolist() == [[1.5] * len(again)]
    (column,) = found.texts
    data = column.data.tobytes()
    cells = [data[a:b].decode() for a, b in pairwise(column.ends.tolist())]
    for cell, present, (expected, *_), (*_, always) in zip(
        cells, column.present, again, rows, strict=True
    ):
        null = not always and expected in lay_out().nulls
        assert (cell, bool(present)) == ("" if null else expected, not null)


messy = st.text(st.sampled_from('5"",,\n\r -7.éN\ufeff'), max_size=14)


pieces = st.sampled_from(["1", '"2"', ",", "\n", '"a"', "NA", '"x\n"', '"-"', " "])


@law(text=st.lists(pieces | messy).map("".join), few=400, many=20_000)
def test_what_is_read_is_strict(text: str) -> None:
    """Held against the reader that goes record by record, which refuses quotes out of place."""
    layout = lay_out()
    found = DoublesReader(layout, [0, 2], [1]).read(text.encode())
    if found is None:
        return
    rows = list(layout.iterate(text.encode()))
    numbers = [[layout.parse(row.cells[i].decode()) for row in rows] for i in (0, 2)]
    assert as_bits(found.numbers) == as_bits(np.array(numbers, dtype=float).reshape(2, -1))
    assert all(len(row.cells) == 3 for row in rows)
    assert not any(row.cells[0].startswith(BOM_UTF8) and 0 not in row.quoted for row in rows)
    (column,) = found.texts
    null = [row.cells[1].decode() in layout.nulls and 1 not in row.quoted for row in rows]
    assert column.present.tolist() == [not one for one in null]


def test_numbers_in_quotes() -> None:
    found = read('"1.5","x","-2"\n"NA",,""\r\n" 7",u,"1e400"\n', lay_out())
    assert as_bits(found[0]) == as_bits(np.array([1.5, math.nan, 7.0]))
    assert as_bits(found[1]) == as_bits(np.array([-2.0, math.nan, math.inf]))


@pytest.mark.parametrize(
    "text",
    ['1.5,"a"b,2\n', '1.5,"a,2\n', '1.5,"a""b",2\n', '1,"a"', '"1.5,a,2\n', '1.5",a,2\n',
     '"1"5,a,2\n', '"1""5",a,2\n', '"1\n",a,2\n', '1,a"b,2\n', '1,a,2"\n', '1,u,"2',
     '\ufeff1,u,2\n', '1,u,2\n\ufeff1,u,2\n'],
)  # fmt: skip
def test_other_quotes_are_left(text: str) -> None:
    assert DoublesReader(lay_out(), [0, 2], [1]).read(text.encode()) is None


def test_a_field_too_long_is_left() -> None:
    for cell in ("x" * LONGEST_FIELD, '"' + "x" * LONGEST_FIELD + '"'):
        assert read(f"1,{cell},2\n", lay_out()) is not None
        assert read(f"1,{cell.replace('x', 'xx', 1)},2\n", lay_out()) is None
