"""Mistakes that raise nothing and print a loss are named; what looks like them is not."""

from __future__ import annotations

import pytest
from tests.checks.program.quiet_programs import QUIET, SOUND


@pytest.mark.parametrize("name", QUIET)
def test_a_quiet_mistake_is_named(name, watched):
    program, codes = QUIET[name]
    seen = watched(program)
    assert seen.codes == codes, seen.text


@pytest.mark.parametrize("name", SOUND)
def test_what_looks_like_one_is_not(name, watched):
    seen = watched(SOUND[name])
    assert not seen.codes, seen.text


def test_the_stale_gradient_is_told_with_its_number(watched):
    """The loss w² has the slope 6 at 3, and five updates by 0.5 · 6 / 6 lead to 0.5 from there."""
    seen = watched(
        "import torch\nw = torch.tensor(3.0, requires_grad=True)\n(w**2).backward()\n"
        "for k in range(6):\n    with torch.no_grad():\n        w -= (1 / 12) * w.grad\n"
    )
    found = next(one["found"] for one in seen.told if one["kind"] == "finding")
    assert "6 updates of w in a row used the same number, 6, while w went from 3 to 0.5" in found


def test_what_is_left_unmoved_is_told(watched):
    program = QUIET["one of two never zeroed"][0].replace(
        "        offset -= 0.02 * offset.grad\n", ""
    )
    notes = [one["text"] for one in watched(program).told if one["kind"] == "note"]
    assert len(notes) == 1
    assert "depends on offset" in notes[0]
