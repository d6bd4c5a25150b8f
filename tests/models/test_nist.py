"""The eleven linear sets of NIST: certified values, and the exact solution of the doubles given."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from tests.problems import least_squares_of, root_of
from tests.tiers import thinned

import steepest
from steepest.data import memory
from steepest.data import parquet as parquet_files

FOLDER = Path(__file__).parents[1] / "recorded" / "nist"
NAMES = [
    "Norris", "Pontius", "NoInt1", "NoInt2", "Filip", "Longley", "Wampler1", "Wampler2",
    "Wampler3", "Wampler4", "Wampler5",
]  # fmt: skip
DIGITS = 13


@cache
def read(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def columns_of(name):
    """The columns as decimal strings."""
    found = read(name)
    rows = [[x] if isinstance(x, str) else x for x in found["x"]]
    return {**dict(zip(found["model"]["columns"], zip(*rows, strict=True), strict=True)),
            "y": tuple(found["y"])}  # fmt: skip


def doubles_of(name):
    return {key: np.array(values, dtype=np.float64) for key, values in columns_of(name).items()}


def formula_of(name):
    model = read(name)["model"]
    terms = list(model["columns"])
    if model["kind"] == "polynomial":
        terms += [f"x^{k}" for k in range(2, model["degree"] + 1)]
    return f"y ~ {' + '.join(terms)}{'' if model['intercept'] else ' + 0'}"


def fit(name, source=None, **options):
    source = doubles_of(name) if source is None else source
    with pytest.warns(steepest.SteepestWarning) if is_ill(name) else nullcontext():
        return steepest.fit(source, formula=formula_of(name), **options)


def is_ill(name):
    """Whether a fit says that the columns are nearly collinear."""
    return name == "Filip"


@cache
def solve(name, convert):
    """Coefficients, the squares of their standard errors, σ² and R²: fractions."""
    columns = {key: [convert(v) for v in values] for key, values in columns_of(name).items()}
    model = read(name)["model"]
    degree = model["degree"] or 1
    rows = [
        [Fraction(1)] * model["intercept"]
        + [columns[c][i] ** k for c in model["columns"] for k in range(1, degree + 1)]
        for i in range(len(columns["y"]))
    ]
    return least_squares_of(rows, columns["y"], centred=model["intercept"])


def from_double(text):
    return Fraction(float(text))


def correct_digits(found, certified):
    """The log relative error: how many digits of certified values are met, the fewest."""
    worst = 15.0
    for value, text in zip(found, certified, strict=True):
        target = Fraction(text)
        if target:
            error = abs(Fraction(float(value)) - target) / abs(target)
            worst = min(worst, -math.log10(error) if error else 15.0)
        else:  # certified to be 0
            worst = min(worst, 15.0 if abs(value) < 1e-9 else 0.0)
    return worst


def assert_certified(model, certified):
    assert correct_digits(model.coefficients.values(), certified["coefficients"]) >= DIGITS
    assert correct_digits(model.se.values(), certified["standard_deviations"]) >= DIGITS
    assert correct_digits([model.residual_sd], [certified["residual_sd"]]) >= DIGITS
    assert model.r2 == pytest.approx(float(certified["r_squared"]), rel=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_certified_values(name):
    assert_certified(fit(name), read(name)["certified"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["doubles", "decimals"])
def test_the_exact_solution_correctly_rounded(name, form):
    coef, squares, variance, r2 = solve(name, from_double if form == "doubles" else Fraction)
    source = doubles_of(name) if form == "doubles" else decimal_table(name)
    model = fit(name, source)
    assert list(model.coefficients.values()) == [float(value) for value in coef]
    assert list(model.se.values()) == [root_of(value) for value in squares]
    assert model.residual_sd == root_of(variance)
    assert model.r2 == float(r2)
    assert model.certificate.ulps == 0.5


@pytest.mark.parametrize("name", ["Norris", "NoInt1", "Longley", "Wampler1", "Wampler4"])
def test_forty_digits(name):
    exact = read(name)["exact"]
    model = fit(name, decimal_table(name))
    assert list(model.coefficients.values()) == [float(v) for v in exact["coefficients"]]
    assert list(model.se.values()) == [float(v) for v in exact["standard_deviations"]]
    assert model.residual_sd == float(exact["residual_sd"])


def decimal_table(name):
    """The decimals themselves, of a type that holds them."""
    arrays = {}
    for key, values in columns_of(name).items():
        places = max(-Decimal(v).as_tuple().exponent for v in values)
        kind = pa.decimal128(30, max(places, 0))
        arrays[key] = pa.array([Decimal(v) for v in values], kind)
    return pa.table(arrays)


def forms(name, folder):
    columns = doubles_of(name)
    table = pa.table(columns)
    lines = [
        ",".join(columns),
        *(",".join(row) for row in zip(*columns_of(name).values(), strict=True)),
    ]
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    pa.parquet.write_table(table, folder / "t.parquet", row_group_size=7)
    return {
        "arrays": columns,
        "matrix": np.rec.fromarrays(list(columns.values()), names=list(columns)),
        "arrow": table,
        "csv": folder / "t.csv",
        "parquet": folder / "t.parquet",
    }


@pytest.mark.parametrize("name", thinned(NAMES, set(NAMES) - {"Filip"}))
def test_every_form_and_chunking_gives_the_same_bytes(name, tmp_path, monkeypatch):
    formula, expected = formula_of(name), fit(name)
    bits = statistic(expected)
    fingerprints = set()
    for rows in (131_072, 1, 7):
        monkeypatch.setattr(memory, "PART_ROWS", rows)
        monkeypatch.setattr(parquet_files, "PART_ROWS", rows)
        for form in forms(name, tmp_path).values():
            moments = steepest.scan(form, formula=formula)
            fingerprints.add(moments.fingerprint)
            assert statistic(fit(name, moments)) == bits
    assert len(fingerprints) == 1


def statistic(model):
    return (
        np.array([*model.coefficients.values(), *model.se.values()]).tobytes(),
        model.residual_sd,
        model.r2,
        model.loss,
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_order_and_partition_gives_the_same_bytes(name):
    columns, formula = doubles_of(name), formula_of(name)
    n = len(columns["y"])
    whole = steepest.scan(columns, formula=formula)
    bits = statistic(fit(name, whole))
    rng = np.random.default_rng(1)
    with ThreadPoolExecutor(3) as workers:
        for _ in range(5):
            order = rng.permutation(n)
            cuts = [0, *sorted(rng.integers(0, n + 1, 4)), n]
            parts = [
                steepest.scan(
                    {key: values[order[a:b]] for key, values in columns.items()},
                    formula=formula,
                    executor=workers,
                )
                for a, b in pairwise(cuts)
                if b > a
            ]
            total = sum(parts)
            assert total == whole
            assert statistic(fit(name, total)) == bits


@pytest.mark.parametrize("name", NAMES)
def test_a_digit_that_is_wrong_is_found(name):
    model, certified = fit(name), read(name)["certified"]
    for key in ("coefficients", "standard_deviations"):
        for j, text in enumerate(certified[key]):
            values = list(certified[key])
            values[j] = str(Decimal(text) * (1 + Decimal("1e-12")) + (not float(text)))
            with pytest.raises(AssertionError):
                assert_certified(model, {**certified, key: values})
