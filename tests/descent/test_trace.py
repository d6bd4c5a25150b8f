"""A value for every epoch, whatever the budget."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steepest.descent.trace import Trace
from steepest.errors import OptionError


def squares(count: int, budget: int) -> Trace[int]:
    trace = Trace[int](budget)
    for epoch in range(count):
        trace.append(epoch**2)
    return trace


@given(count=st.integers(1, 400), budget=st.integers(2, 60))
def test_kept_are_the_first_the_last_and_even_steps_between(count, budget):
    trace = squares(count, budget)
    kept = trace.epochs.tolist()
    assert min(count, budget // 2) <= len(trace) == len(kept) <= budget
    assert kept[0] == 0
    assert kept[-1] == count - 1
    stride = kept[1] if len(kept) > 2 else 1
    assert stride & (stride - 1) == 0
    assert kept[:-1] == list(range(0, stride * (len(kept) - 1), stride)) or len(kept) <= 2
    assert list(trace) == [epoch**2 for epoch in kept]
    assert np.asarray(trace).tolist() == list(trace)


@given(count=st.integers(1, 200), budget=st.integers(2, 40))
def test_every_epoch_is_found_or_its_nearest_is_named(count, budget):
    trace = squares(count, budget)
    kept = trace.epochs.tolist()
    for epoch in range(count):
        if epoch in kept:
            assert trace[epoch] == trace[epoch - count] == epoch**2
            continue
        with pytest.raises(IndexError, match=f"epoch {epoch:,} is not kept") as error:
            trace[epoch]
        named = int(str(error.value).rsplit(" ", 1)[1].rstrip("."))
        assert named in kept
        assert abs(named - epoch) == min(abs(near - epoch) for near in kept)


def test_whole_while_it_fits():
    assert list(squares(5, 5)) == [0, 1, 4, 9, 16]
    assert squares(6, 5).epochs.tolist() == [0, 2, 4, 5]


def test_numbers_are_kept_eight_bytes_each():
    kept = array("d")
    trace = Trace[float](1000, kept)
    for epoch in range(10_000):
        trace.append(epoch / 4)
    assert len(kept) <= 1000
    assert trace[-1] == 9999 / 4
    assert np.array_equal(np.asarray(trace), trace.epochs / 4)


@pytest.mark.parametrize("epoch", [3, -4, 10**6])
def test_an_epoch_never_run_says_which_was_the_last(epoch):
    with pytest.raises(IndexError, match="the last is 2"):
        squares(3, 10)[epoch]


def test_an_empty_trace_has_nothing():
    trace = Trace[float](10)
    assert len(trace) == 0
    assert list(trace) == []
    assert trace.epochs.tolist() == []
    with pytest.raises(IndexError, match="none was run"):
        trace[-1]


def test_only_whole_numbers_are_epochs():
    with pytest.raises(TypeError):
        squares(3, 10)["last"]


def test_a_budget_of_one_is_refused():
    with pytest.raises(OptionError, match="budget=1 is not at least 2"):
        Trace[float](1)


def test_arrays_of_it_are_copies():
    trace = squares(3, 10)
    assert np.asarray(trace, dtype=np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="copied"):
        np.array(trace, copy=False)
    assert repr(squares(6, 5)) == "Trace(4 of 6 epochs kept)"
