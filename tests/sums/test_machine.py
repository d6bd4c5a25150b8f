"""Every law of moments at once: a machine beside the rows, and orders, splits, threads, kernels."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    rule,
    run_state_machine_as_test,
)
from tests.problems import find_kernels
from tests.sums import reference
from tests.tiers import exhaustively

import steepest
from steepest import Moments, merge
from steepest.errors import MomentsError
from steepest.sums import library


def scan(table, **options):
    return steepest.scan(table, precision="exact", **options)


cells = st.sampled_from(
    [0.0, -0.0, 1.0, 0.1, -3.5, 5e-324, -1e-308, 1e308, -1e300, float(2**63), 2.0**53 + 2, None]
)
wholes = st.sampled_from([0, 1, -(2**63), 2**63 - 1, 2**53 + 1, -7, None])
words = st.sampled_from(["a", "b", "ä", "", None])
weights = st.sampled_from([0.0, 1.0, 0.1, 3.0, 1e-300, None])
flags = st.sampled_from([True, False, None])
row = st.tuples(cells, wholes, words, words, flags, weights)
TYPES = {
    "x": pa.float64(), "n": pa.int64(), "s": pa.string(), "t": pa.string(), "f": pa.bool_(),
    "w": pa.float64(),
}  # fmt: skip
SCHEMA = pa.schema(list(TYPES.items()))


class Machine(RuleBasedStateMachine):
    """Moments beside the rows they stand for; after every rule both say the same."""

    pieces = Bundle("pieces")

    @initialize(
        weighted=st.booleans(), threads=st.integers(1, 3), kernel=st.sampled_from(find_kernels())
    )
    def choose(self, weighted, threads, kernel):
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv(library.VARIABLE, kernel)
        self.options = {"weights": "w"} if weighted else {}
        self.executor = ThreadPoolExecutor(threads)

    def teardown(self):
        if hasattr(self, "executor"):
            self.executor.shutdown()
            self.patch.undo()

    def scan(self, rows):
        counted = [r for r in rows if not self.options or r[5] != 0]
        if not counted:
            return Moments.zero()
        columns = zip(*rows, strict=True)
        table = pa.table(
            [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], SCHEMA
        )
        return scan(
            table, columns=["x", "n", "s", "t", "f"], executor=self.executor, **self.options
        )

    def agree(self, rows, moments):
        counted = [r for r in rows if not self.options or r[5] != 0]
        assert moments.n_read == len(counted)
        if not moments.columns:
            return rows, moments
        names = [f.name for f in SCHEMA][: 6 if self.options else 5]
        table = {
            name: [
                value if isinstance(value, str | bool | None) else Fraction(value)
                for value in (r[i] for r in counted)
            ]
            for i, name in enumerate(names)
        }
        kind = {"weight_kind": "analytic"} if self.options else {}
        assert moments.fingerprint == reference.fingerprint(table, **self.options, **kind)
        return rows, moments

    @rule(target=pieces, rows=st.lists(row, min_size=1, max_size=12))
    def read(self, rows):
        return self.agree(rows, self.scan(rows))

    @rule(target=pieces, a=pieces, b=pieces)
    def add(self, a, b):
        return self.agree(a[0] + b[0], a[1] + b[1])

    @rule(target=pieces, some=st.lists(pieces, max_size=4))
    def merge(self, some):
        return self.agree(
            [r for rows, _ in some for r in rows], merge(*(m for _, m in some), allow_overlap=True)
        )

    @rule(target=pieces, a=consumes(pieces), data=st.data())
    def split(self, a, data):
        cut = data.draw(st.integers(0, len(a[0])))
        parts = [self.scan(rows) if rows else Moments.zero() for rows in (a[0][:cut], a[0][cut:])]
        assert parts[0] + parts[1] == a[1] or not a[1].n_read
        return self.agree(a[0][:cut], a[1] - parts[1]) if a[1].columns else a

    @rule(target=pieces, a=pieces, b=pieces)
    def forget(self, a, b):
        both = a[1] + b[1]
        assert both - b[1] == a[1] or not a[1].n_read
        return self.agree(a[0], both - b[1])

    @rule(a=pieces, b=pieces)
    def never_negative(self, a, b):
        """What was never added is refused, or was there all the same."""
        try:
            left = a[1] - b[1]
        except MomentsError:
            return
        assert left.n_read == a[1].n_read - b[1].n_read
        assert left + b[1] == a[1] or not left.columns

    @rule(target=pieces, a=pieces)
    def save_and_load(self, a):
        with tempfile.TemporaryDirectory() as folder:
            a[1].save(Path(folder) / "m.moments")
            loaded = steepest.load(Path(folder) / "m.moments")
        assert loaded == a[1]
        assert loaded.parts == a[1].parts
        return self.agree(a[0], loaded)

    @rule(target=pieces, a=pieces, data=st.data())
    def reorder(self, a, data):
        rows = data.draw(st.permutations(a[0]))
        found = self.scan(rows) if rows else Moments.zero()
        assert found == a[1] or not found.columns
        names = data.draw(st.permutations(a[1].names))
        return self.agree(rows, a[1].subset(names) if names else a[1])


@pytest.mark.parametrize("examples", [20, *exhaustively(120)])
def test_machine(examples):
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples, stateful_step_count=12, deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )  # fmt: skip


@pytest.mark.parametrize("options", [{"weights": "w"}, *exhaustively({})], ids=["weighed", "alone"])
def test_orders_partitions_threads_and_kernels_give_one_fingerprint(options, monkeypatch):
    kernels = find_kernels()
    rng = np.random.default_rng(5)
    n = 800
    table = pa.table(
        {
            "x": rng.standard_normal(n) * 10.0 ** rng.integers(-300, 300, n),
            "n": rng.integers(-(2**63), 2**63 - 1, n),
            "s": pa.array(np.where(rng.random(n) < 0.1, None, rng.choice(["a", "b", "c"], n))),
            "f": pa.array(np.where(rng.random(n) < 0.1, None, rng.random(n) < 0.3), pa.bool_()),
            "w": rng.random(n),
        }
    )
    options = {"columns": ["x", "n", "s", "f"], **options}
    prints = {scan(table, **options).fingerprint}
    for trial in range(20):
        monkeypatch.setenv(library.VARIABLE, kernels[trial % len(kernels)])
        shuffled = table.take(rng.permutation(n))
        cuts = [0, *sorted(rng.integers(0, n, rng.integers(0, 6)).tolist()), n]
        with ThreadPoolExecutor(1 + trial % 4) as threads:
            pieces = [
                scan(shuffled[a:b], executor=threads, **options) for a, b in pairwise(cuts) if b > a
            ]
        prints.add(sum(pieces).fingerprint)
    assert len(prints) == 1
