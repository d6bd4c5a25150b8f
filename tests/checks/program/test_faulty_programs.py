"""Programs with mistakes: each is named, in every dress, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.checks.program.faulty_programs import dressed
from tests.checks.program.lapsing_programs import JAX_LAPSES, LAPSES, TORCH_LAPSES
from tests.tiers import thinned

FAULTY = {name: (program, code) for name, program, code in dressed()}
LAPSING = {
    f"{library}: {name}": pair
    for library, table in (("numpy", LAPSES), ("torch", TORCH_LAPSES), ("jax", JAX_LAPSES))
    for name, pair in table.items()
}
OFTEN = {*list(FAULTY)[::5], *(name for name in FAULTY if name.endswith(", plain"))}
SEED = Path(__file__).parent / "notebook.txt"
VAGUE = {"any, renamed", "any size, renamed"}
"""A mismatch without a name, from a number that nothing calls a loss: said, but as no fault."""


@pytest.mark.parametrize("name", thinned(FAULTY, OFTEN))
def test_a_faulty_gradient_is_named(name, watched):
    program, code = FAULTY[name]
    seen = watched(program)
    if name in VAGUE:
        assert not seen.codes
        assert "not the gradient of q" in seen.lost[0]
    else:
        assert seen.codes[:1] == [code], seen.text


@pytest.mark.parametrize("name", LAPSING)
def test_a_lapse_is_named(name, watched):
    program, codes = LAPSING[name]
    seen = watched(program)
    assert seen.codes == codes, seen.text


def test_the_seed_notebook(watched):
    seen = watched(SEED.read_text(), "notebook.txt")
    first = [one for one in seen.told if one["kind"] == "finding" and one["cell"] == 1]
    assert [one["code"] for one in first] == ["G01"]
    assert "4 × the true gradient" in first[0]["found"]
    assert "4 = n" in first[0]["found"]
    second = [one["code"] for one in seen.told if one["kind"] == "finding" and one["cell"] == 2]
    assert second == ["L09", "L02", "L10", "M01", "E01"]


def test_the_seeds_second_cell_alone(watched):
    text = SEED.read_text()
    seen = watched(text[text.index("In [8]:") :], "notebook.txt")
    assert seen.codes[:3] == ["L04", "L09", "L01"]
    assert "M01" not in seen.codes


def test_the_numbers_of_a_finding_are_those_of_the_loop(watched):
    """The first true gradient of the seed is -30 in exact arithmetic, and the cell uses -120."""
    seen = watched(
        SEED.read_text().replace("np.dot(2*x, y_predicted - y).mean()", "-120.0"), "n.txt"
    )
    finding = next(one for one in seen.told if one.get("code") == "L02")
    assert "-120, while the true gradient went from -30" in finding["found"]


def test_two_models_of_other_data_are_not_compared(watched):
    seen = watched(
        "# %%\nimport numpy as np\nx = np.arange(1.0, 5.0); y = 2 * x; w = 0.0\n"
        "for i in range(5):\n    loss = ((w * x - y) ** 2).mean()\n"
        "    w -= 0.01 * (2 * x * (w * x - y)).mean()\n"
        "# %%\nX = np.random.default_rng(0).normal(size=(9, 3)); y = X.sum(axis=1)\n"
        "w = np.zeros(3)\n"
        "for i in range(5):\n    loss = ((X @ w - y) ** 2).mean()\n"
        "    w -= 0.01 * 2 * X.T @ (X @ w - y) / 9\n"
    )
    assert not seen.codes
    assert seen.loops == 2


def test_descents_of_steepest_are_checked(watched):
    seen = watched(
        "import numpy as np, steepest\n"
        "x = np.arange(1.0, 5.0)\n"
        "steepest.descend(x, 2 * x, forward=lambda w, x: w * x,\n"
        "    loss=lambda y, p: ((p - y) ** 2).mean(),\n"
        "    gradient=lambda x, y, p: np.dot(2 * x, p - y).mean(),\n"
        "    w=0.0, learning_rate=0.01, epochs=3)\n"
    )
    assert seen.codes == ["G01"]
