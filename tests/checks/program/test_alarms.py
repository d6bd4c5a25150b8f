"""Right programs that look wrong are no alarms; and wrong ones are told the right story."""

from __future__ import annotations

import json
import time

import pytest
from tests.checks.program.alarming_programs import ALARMING, MISNAMED, MISNAMED_TORCH
from tests.tiers import exhaustively

from steepest.checks.program import hooks, patience, witness

EVERY = MISNAMED | MISNAMED_TORCH


@pytest.mark.parametrize("name", ALARMING)
def test_no_alarm(name, watched):
    seen = watched(ALARMING[name])
    assert not seen.codes, seen.text
    assert not seen.lost, seen.text
    assert seen.loops, seen.text


@pytest.mark.parametrize("name", EVERY)
def test_the_right_name_and_story(name, watched):
    program, code, words = EVERY[name]
    seen = watched(program)
    assert seen.codes == [code], seen.text
    assert words in seen.text


def test_a_sign_is_named_beside_an_epsilon(watched):
    right = ALARMING["epsilon in the logarithm"]
    assert watched(right.replace("v -= ", "v += ")).codes == ["G02"]


def test_a_question_is_no_fault_of_the_program(watched):
    seen = watched("n = int(input('epochs? '))\nfor i in range(n): print(i)\n")
    assert not seen.codes
    assert "input()" in seen.lost[0]


def test_a_notebook_may_display(watched):
    sources = ["w = 1.0\ndisplay(w)", "get_ipython().run_line_magic('matplotlib', 'inline')"]
    cells = [{"cell_type": "code", "source": source} for source in sources]
    seen = watched(json.dumps({"cells": cells}), "a.ipynb")
    assert not seen.codes, seen.text
    assert watched("display(1.0)\n").codes == ["E01"]


@pytest.mark.parametrize("patience", [2.0, *exhaustively(patience.PATIENCE)])
def test_looking_has_an_end(patience, watched, monkeypatch):
    program = """
import time
import numpy as np
A = np.random.default_rng(0).normal(size=(20, 300)); t = A[:, 0]; w = np.zeros(300)
for i in range(12):
    time.sleep(0.01)
    loss = ((A @ w - t) ** 2).mean()
    w -= 0.001 * 2 * A.T @ (A @ w - t) / 20
"""
    for room in (hooks, witness):
        monkeypatch.setattr(room, "PATIENCE", patience)
    began = time.perf_counter()
    seen = watched(program)
    assert not seen.codes
    assert seen.loops
    assert time.perf_counter() - began < 20 + 2 * patience
