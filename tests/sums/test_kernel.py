"""Every kernel gives the same integers, and they are those of Python's fractions."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.problems import find_kernels
from tests.tiers import crossed, exhaustively, law, thinned

import steepest
from steepest.data.strips import Strips
from steepest.errors import KernelError, OptionError
from steepest.sums import digits, library
from steepest.sums.digits import DigitSums
from steepest.sums.double import centred_moments
from steepest.sums.exponents import ROWS, add_by_exponent
from steepest.sums.kernel import check_arithmetic, find_ends, reaches

ROOT = Path(__file__).parents[2]
BUILT = find_kernels()


@pytest.fixture(params=BUILT)
def kernel(request, monkeypatch):
    monkeypatch.setenv(library.VARIABLE, request.param)
    return request.param


def add(rows, pieces=1, levels=()):
    sums = DigitSums(rows.shape[1], len(levels))
    for at in np.array_split(np.arange(len(rows)), pieces):
        piece = slice(at[0], at[-1] + 1) if len(at) else slice(0, 0)
        sums.add(rows[piece], [level[piece] for level in levels])
    return sums.finish()


def whole(values):
    """Doubles as Python integers in units of 2^-1074."""
    ratios = [float(value).as_integer_ratio() for value in values]
    return np.array([above * (2**1074 // below) for above, below in ratios], dtype=object)


def assert_exact(found, rows, levels=()):
    fine = max(0, *(-1074 - int(unit) for unit in found.units))
    columns = [whole(column) << fine for column in rows.T]
    up = [int(unit) + 1074 + fine for unit in found.units]
    for i, column in enumerate(columns):
        assert int(found.totals[i]) << up[i] == sum(column)
        for j in range(i + 1):
            product = int(found.products[i, j]) << (up[i] + up[j])
            assert product == int(np.dot(column, columns[j])), (i, j)
            assert found.products[i, j] == found.products[j, i]
        for table, level in zip(found.levels, levels, strict=True):
            for m, total in enumerate(table):
                assert int(total[i]) << up[i] == sum(column[level == m])


def draw(kind, rng, n, k):
    normal = rng.standard_normal((n, k))
    return {
        "normal": lambda: normal,
        "uniform": lambda: rng.random((n, k)) + 1e3,
        "heavy tails": lambda: rng.standard_cauchy((n, k)),
        "float32": lambda: normal.astype(np.float32).astype(np.float64),
        "integers": lambda: rng.integers(-(2**20), 2**20, (n, k)).astype(np.float64),
        "booleans": lambda: rng.integers(0, 2, (n, k)).astype(np.float64),
        "subnormals": lambda: normal * 2.0**-1070,
        "tiny": lambda: normal * 1e-290,
        "huge": lambda: normal * 1e306,
        "any size": lambda: normal * 10.0 ** rng.integers(-308, 300, (n, k)),
        "one wild row": lambda: np.where(np.arange(n)[:, None] == n // 2, normal * 1e300, normal),
        "zeros": lambda: np.where(rng.integers(0, 50, (n, k)) == 0, -0.0, 0.0),
        "mixed": lambda: (
            np.where(np.arange(k) % 3 == 0, np.rint(normal * 9), normal)
            * 2.0 ** (7.0 * (np.arange(k) % 5))
        ),
    }[kind]()


KINDS = [
    "normal", "uniform", "heavy tails", "float32", "integers", "booleans", "subnormals", "tiny",
    "huge", "any size", "one wild row", "zeros", "mixed",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_number(kernel, kind):
    rows = draw(kind, np.random.default_rng(3), 1300, 5)
    assert_exact(add(rows), rows)


@pytest.mark.parametrize("k", thinned([*range(1, 18), 23, 24, 25, 37, 70], range(1, 71, 3)))
def test_any_number_of_columns(kernel, k):
    rows = draw("mixed", np.random.default_rng(k), 37, k)
    assert_exact(add(rows), rows)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 15, 16, 17, 511, 512, 513, 1023, 1025, 2049])
def test_any_number_of_rows(kernel, n, monkeypatch):
    rows = draw("normal", np.random.default_rng(n), n, 3)
    assert_exact(add(rows), rows)
    monkeypatch.setattr(digits, "PIECE_ROWS", 100)
    assert_exact(add(rows, 2), rows)


def layouts(rows):
    n, k = rows.shape
    wide = np.zeros((2 * n, 3 * k))
    wide[::2, 1::3] = rows
    odd = np.zeros(n * k * 8 + 1, dtype=np.uint8)[1:].view(np.float64).reshape(n, k)
    odd[:] = rows
    packed = np.zeros((n, k), dtype=[("flag", "u1"), ("value", "f8")])
    packed["value"] = rows
    return {
        "C": np.ascontiguousarray(rows),
        "Fortran": np.asfortranarray(rows),
        "strided": wide[::2, 1::3],
        "backwards": np.ascontiguousarray(rows[::-1, ::-1])[::-1, ::-1],
        "one column for all": np.broadcast_to(rows[:, :1], rows.shape),
        "not aligned": odd,
        "fields": packed["value"],
    }


@pytest.mark.parametrize("layout", layouts(np.ones((1, 1))))
def test_any_layout(kernel, layout):
    rows = layouts(draw("mixed", np.random.default_rng(5), 700, 6))[layout]
    assert_exact(add(rows, 2), np.array(rows))
    mean, scatter, ends = centred_moments(rows)
    assert mean == pytest.approx(np.array(rows).mean(axis=0))
    centred = rows - mean
    assert scatter == pytest.approx(centred.T @ centred, rel=1e-10, abs=1e-7)
    assert not reaches(rows, np.inf)
    for found in (ends, find_ends(rows)[0]):
        assert (found.low == np.array(rows).min(axis=0)).all()
        assert (found.high == np.array(rows).max(axis=0)).all()


def test_rows_that_no_grid_takes(kernel):
    rng = np.random.default_rng(11)
    rows = rng.standard_normal((1500, 4)) * 10.0 ** rng.integers(-300, 300, (1500, 4))
    rows[rng.random(rows.shape) < 0.1] = 5e-324
    rows[rng.random(rows.shape) < 0.1] = 0.0
    rows[7], rows[8] = np.finfo(float).max, -np.finfo(float).max
    levels = [rng.integers(0, 5, 1500), np.arange(1500) // 3]
    assert_exact(add(rows, 2, levels), rows, levels)


@pytest.mark.parametrize("value", [1.0, np.nextafter(2, 0), 5e-324, np.finfo(float).max])
def test_sums_by_exponent_at_their_bounds(value):
    """As many rows at once as there may be, every digit at its largest."""
    rows = np.full((ROWS + 3, 2), value)
    rows[:, 1] = -np.nextafter(value, 0)
    assert_exact(add_by_exponent(rows, []), rows)


def test_levels(kernel):
    rng = np.random.default_rng(8)
    rows = draw("heavy tails", rng, 3000, 3)
    rows[::7] *= 1e200
    levels = [rng.integers(0, 3, 3000), np.arange(3000) // 100]
    assert_exact(add(rows, 4, levels), rows, levels)


@pytest.mark.parametrize("value", [2.0**22, -(2.0**22), 2.0**45 - 2.0**22, np.nextafter(1, 0)])
def test_digits_at_their_bounds(kernel, value):
    rows = np.full((5000, 2), value)
    rows[0], rows[-1] = 2.0**-30 * value, np.nextafter(value, 0)
    assert_exact(add(rows), rows)


def test_every_digit_at_its_bound(kernel):
    # Sums of products reach the 2⁵³ that the docstring of digits.py promises, and no further.
    plan = digits.Plan(np.array([0, 0, 0]), np.array([3, 3, 3]))
    unit = 2.0**-22
    top = 1.0 + unit * 0.5 + unit * 2.0**-23 * 0.5  # 2²², 2²², 2²² after rounding to even
    rows = np.tile([[1.0, top, -top]], (2048, 1))
    for values in (rows, -rows):
        grid = digits.Grid(plan, 0, digits.find_kernel())
        apart = grid.add(values, [])
        assert_exact(grid.integers(), values[~apart])


@law(
    st.tuples(st.integers(1, 30), st.integers(1, 9)).flatmap(
        lambda shape: arrays(
            np.float64,
            shape,
            elements=st.one_of(
                st.floats(allow_nan=False, allow_infinity=False),
                st.floats(-4, 4, width=32),
                st.integers(-9, 9).map(float),
            ),
            fill=st.nothing(),
        )
    ),
    st.integers(1, 4),
    few=30,
    many=200,
)
def test_any_doubles(rows, pieces):
    for kernel in BUILT:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(library.VARIABLE, kernel)
            assert_exact(add(rows, pieces), rows)


def test_kernels_give_one_fingerprint(monkeypatch):
    rng = np.random.default_rng(2)
    columns = {f"x{j}": column for j, column in enumerate(draw("mixed", rng, 70_000, 7).T)}
    columns["s"] = rng.choice(["a", "b", "c"], 70_000)
    columns["x1"] = np.where(rng.integers(0, 99, 70_000) == 0, np.nan, columns["x1"])
    found = set()
    for kernel in BUILT:
        monkeypatch.setenv(library.VARIABLE, kernel)
        found.add(steepest.scan(columns, precision="exact").fingerprint)
    assert len(found) == 1


def test_drifting_columns(kernel, monkeypatch):
    monkeypatch.setattr(digits, "PIECE_ROWS", 64)
    n = 1500
    rows = np.column_stack([np.arange(n) * 1.0, np.arange(n) ** 5 * 1.1, 2.0 ** -np.arange(n)])
    rows[-300:, 2] = 0
    assert_exact(add(rows), rows)


@pytest.mark.parametrize("k", [1, 7, *exhaustively(2, 30)])
def test_double_sums_keep_their_digits(kernel, k):
    rng = np.random.default_rng(k)
    rows = rng.standard_normal((5001, k)) + 1e6
    mean, scatter, _ = centred_moments(rows)
    exact = [[Fraction(value) for value in column] for column in rows[:, :2].T.tolist()]
    for i, column in enumerate(exact):
        centre = sum(column) / 5001
        square = sum((value - centre) ** 2 for value in column)
        assert mean[i] == pytest.approx(float(centre), rel=1e-15)
        assert scatter[i, i] == pytest.approx(float(square), rel=1e-13)
    assert (scatter == scatter.T).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_found(kernel, value):
    rows = np.full((50, 3), 1.7e308)
    assert not reaches(rows, np.inf)
    assert not reaches(np.full((50, 3), 5e-324), np.inf)
    for at in ((0, 0), (49, 2), (20, 1)):
        bad = rows.copy()
        bad[at] = value
        assert reaches(bad, np.inf)
        assert reaches(np.asfortranarray(bad), np.inf)
        assert reaches(bad[:, ::-1], np.inf)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 63, 64, 65, 200])
def test_ends_pass_over_nulls(kernel, n):
    rows = draw("normal", np.random.default_rng(n), n, 5)
    rows[:, 1] = np.nan
    rows[::2, 2] = np.nan
    rows[n // 2, 3] = -np.inf
    for table in (rows, np.asfortranarray(rows), Strips(np.asfortranarray(rows).T, n)):
        (low, high), finite = find_ends(table)
        assert not finite
        assert low == pytest.approx(np.fmin.reduce(rows, axis=0, initial=np.inf), rel=0)
        assert high == pytest.approx(np.fmax.reduce(rows, axis=0, initial=-np.inf), rel=0)
        assert find_ends(table[:, :1] if table is rows else Strips([rows[:, 0]], n))[1]


@crossed(1, n=[1, 3, 64, 700], k=[1, 3, 4, 5, 11, 12, 21])
def test_strips_are_the_table_that_they_stand_for(kernel, n, k):
    """Columns anywhere in memory, of whole numbers, so that doubles add them up exactly."""
    rng = np.random.default_rng(n + k)
    rows = rng.integers(-50, 50, (n, k)).astype(np.float64)
    strips = Strips([np.array([*rng.random(j % 3), *rows[:, j]])[j % 3 :] for j in range(k)], n)
    levels = [rng.integers(0, 4, n), rng.integers(0, 300, n)]
    assert_exact(add(strips, 2, levels), rows, levels)
    mean, scatter, ends = centred_moments(strips)
    assert mean == pytest.approx(rows.mean(axis=0))
    assert scatter == pytest.approx((rows - mean).T @ (rows - mean), rel=1e-12, abs=1e-8)
    assert (ends.low == rows.min(axis=0)).all()
    columns = {f"x{j}": column for j, column in enumerate(strips.columns)}
    texts = {f"c{i}": [f"level {m}" for m in own] for i, own in enumerate(levels)}
    found = steepest.scan(columns | texts, precision="double")
    for i, own in enumerate(levels):
        means = found.patterns[frozenset()].levels[f"c{i}"].means
        names = sorted(set(texts[f"c{i}"]))
        for level, row in zip(names, means, strict=True):
            here = rows[own == int(level.split()[1])]
            assert row == pytest.approx(here.mean(axis=0), abs=1e-12)


@pytest.mark.parametrize("bound", [5e-324, 2.0**-1022, 1.0, 2.0**53, 1.7e308])
def test_what_reaches_a_bound_is_found(kernel, bound):
    rows = np.full((7, 3), np.nextafter(bound, 0))
    assert not reaches(rows, bound)
    for value in (bound, -bound, np.inf, np.nan):
        rows[5, 1] = value
        assert reaches(rows, bound)


# ------------------------------------------------------------------ which one runs


def test_names(monkeypatch):
    monkeypatch.setenv(library.VARIABLE, "numpy")
    assert library.name_kernel() == "numpy"
    monkeypatch.setenv(library.VARIABLE, "fortran")
    with pytest.raises(OptionError, match="'c-avx2', 'c-portable' or 'numpy'"):
        steepest.scan({"x": [1.0]}, precision="exact")


def test_a_kernel_that_was_not_built(monkeypatch):
    monkeypatch.setattr(library, "_open", lambda: None)
    monkeypatch.setenv(library.VARIABLE, "c")
    with pytest.raises(KernelError, match="is not here"):
        steepest.scan({"x": [1.0]}, precision="exact")
    monkeypatch.delenv(library.VARIABLE)
    assert library.name_kernel() == "numpy"
    assert steepest.scan({"x": [1.0]}, precision="exact").n_rows == 1


def test_a_compiler_is_used_where_there_is_one(monkeypatch):
    monkeypatch.delenv(library.VARIABLE, raising=False)
    if library._open() is None:
        pytest.skip("steepest was installed without a C compiler")
    assert library.name_kernel() in ("c, avx512", "c, avx2", "c, portable")


@pytest.mark.exhaustive
@pytest.mark.parametrize("compiler", ["false", None])
def test_installing_with_and_without_a_compiler(tmp_path, compiler):
    pytest.importorskip("setuptools")
    environment = dict(os.environ)
    environment.pop(library.VARIABLE, None)
    if compiler:
        environment["CC"] = compiler
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
    ]
    source = tmp_path / "source"
    for name in ("src", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        copy_without_builds(ROOT / name, source / name)
    subprocess.run(
        [*pip, "--target", str(tmp_path / "there"), str(source)],
        check=True, env=environment, cwd=tmp_path, capture_output=True,
    )  # fmt: skip
    environment["PYTHONPATH"] = str(tmp_path / "there")
    code = (
        "import steepest; from steepest.sums.library import name_kernel; "
        "steepest.scan({'x': [1.0, 2.0]}, precision='exact'); "
        "print(steepest.__file__, name_kernel(), sep='|')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=environment, cwd=tmp_path,
    )  # fmt: skip
    place, name = done.stdout.strip().split("|")
    assert place.startswith(str(tmp_path))
    assert (name == "numpy") == (compiler is not None or library._open() is None)


def copy_without_builds(here, there):
    import shutil

    there.parent.mkdir(exist_ok=True)
    if here.is_dir():
        skipped = shutil.ignore_patterns("*.so", "*.egg-info", "__pycache__", "build")
        shutil.copytree(here, there, ignore=skipped)
    else:
        shutil.copy(here, there)


# ------------------------------------------------------------------ arithmetic


def test_flushed_subnormals_are_refused():
    torch = pytest.importorskip("torch")
    rows = np.array([[1.0], [2.0]])
    check_arithmetic()
    with ThreadPoolExecutor(1) as worker:

        def scan(precision):
            return steepest.scan(rows, names=["x"], precision=precision, executor=worker)

        if not worker.submit(torch.set_flush_denormal, True).result():
            pytest.skip("this processor cannot flush subnormals")
        try:
            with pytest.raises(KernelError, match="become 0 in this thread"):
                scan("exact")
            assert scan("double").n_rows == 2
        finally:
            worker.submit(torch.set_flush_denormal, False).result()
        assert scan("exact").n_rows == 2


@pytest.mark.parametrize("mode", [0x400, 0x800, 0xC00])
def test_another_rounding_mode_is_refused(mode):
    import ctypes
    import platform

    libm = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    if libm is None or platform.machine() != "x86_64":
        pytest.skip("the names of rounding modes are those of x86-64")
    try:
        assert libm.fesetround(mode) == 0
        with pytest.raises(KernelError, match="does not round to the nearest"):
            check_arithmetic()
    finally:
        libm.fesetround(0)
    check_arithmetic()
