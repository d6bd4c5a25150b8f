"""The rules of the house, each as a check."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import steepest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "steepest"
PUBLIC = [name for name in steepest.__all__ if not name.startswith("__")]


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout


def modules_after(code: str) -> set[str]:
    names = python(f"{code}\nimport sys\nprint(*(m.partition('.')[0] for m in sys.modules))")
    return set(names.split())


HEAVY = {
    "pyarrow", "pandas", "polars", "torch", "scipy", "click", "rich", "jax", "sklearn",
    "matplotlib",
}  # fmt: skip


def test_import_is_light():
    assert not modules_after("import steepest") & HEAVY


def test_arrays_and_descents_need_numpy_only():
    loaded = modules_after(
        "import steepest, numpy as np\n"
        "steepest.fit(np.array([[1., 2.], [2., 4.], [3., 7.]]), names=['x', 'y'], target='y')\n"
        "steepest.descend([1., 2.], [2., 4.], forward=lambda w, x: w * x, w=0., epochs=2,\n"
        "  loss=lambda y, p: ((p - y) ** 2).mean(), learning_rate=.01,\n"
        "  gradient=lambda x, y, p: (2 * x * (p - y)).mean())\n"
    )
    assert not loaded & HEAVY


def test_help_is_light():
    loaded = modules_after("from steepest.faces.cli import run; run(['--help'])")
    assert not loaded & (HEAVY - {"click"} | {"numpy"})


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_have_their_docstring(name):
    thing = getattr(steepest, name)
    doc = inspect.getdoc(thing)
    assert doc
    assert ">>>" in doc or name == "SteepestWarning"
    if inspect.isfunction(thing):
        for section in ("Parameters", "Returns", "Raises", "Notes", "Examples"):
            assert f"{section}\n{'-' * len(section)}" in doc
        for parameter in inspect.signature(thing).parameters:
            assert re.search(rf"(^|\n)\s*[\w, ]*\b{parameter}\b[\w, ]*( :|\n)", doc)


def test_public_names_are_frozen():
    assert sorted(PUBLIC) == [
        "Audit", "Checkup", "Descent", "Model", "Models", "Moments", "Race", "Rates", "Score",
        "Selection", "SteepestError", "SteepestWarning", "Study", "Validation", "check_gradient",
        "descend", "fit", "load", "merge", "open_table", "race", "rates", "scan", "select",
        "study",
    ]  # fmt: skip
    assert set(PUBLIC) <= set(dir(steepest))
    with pytest.raises(AttributeError, match="no attribute 'boost'"):
        _ = steepest.boost


def test_files_are_short_and_named():
    for path in SOURCE.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 350, path
        assert path.stem not in {"utils", "util", "base", "common", "helpers", "misc"}, path
        assert path.stem not in PUBLIC, path


COMPILED = ("steepest.__main__", "steepest.sums._kernel", "steepest.data._text")
"""What is no module of Python's, or runs when it is imported."""


def test_every_module_says_what_it_is():
    for module in walk_packages([str(SOURCE)], "steepest."):
        if module.name not in COMPILED:
            assert import_module(module.name).__doc__, module.name


def test_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == steepest.__version__
    for bound in ("numpy>=2", "pyarrow", "click", "rich", "threadpoolctl"):
        assert any(d.startswith(bound) for d in project["dependencies"]), bound


def test_the_readme_runs(tmp_path, monkeypatch, recwarn):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 4
    code = "import warnings; warnings.simplefilter('ignore')\n" + "\n".join(blocks)
    code = code.replace('"model.json"', repr(str(tmp_path / "model.json")))
    out = python(code)
    assert "f(5) = 9.999, loss = 3.30e-07" in out
    assert "4 = n, the number of rows" in out
    assert "flipper_length_mm" in out


def test_the_page_of_formulas_runs():
    text = (ROOT / "docs" / "formulas.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2
    python("import warnings; warnings.simplefilter('error')\n" + "\n".join(blocks))


def test_the_page_of_studies_runs():
    text = (ROOT / "docs" / "study.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert "one se" in python("import warnings; warnings.simplefilter('error')\n" + block)


def test_the_page_of_the_descent_runs():
    text = (ROOT / "docs" / "descent.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 4
    out = python("import warnings; warnings.simplefilter('error')\n" + "\n".join(blocks))
    assert "gradient descent: below 2/L = " in out
    assert "Score(rmse=" in out


def test_the_page_of_the_descent_names_every_rule_and_schedule():
    from steepest.descent.rules import RULES
    from steepest.descent.schedules import SCHEDULES
    from steepest.descent.searches import SOLVERS

    text = (ROOT / "docs" / "descent.md").read_text()
    for name in (*RULES, *SOLVERS):
        assert f"`{name}`" in text, name
    for name in SCHEDULES:
        assert f"`{name}" in text, name


def test_the_page_of_formulas_names_every_function():
    from steepest.data.formula import FUNCTIONS
    from steepest.faces.cli import steepest as commands

    text = (ROOT / "docs" / "formulas.md").read_text()
    for name in FUNCTIONS:
        assert f'"{name}"' in text, name
    known = {o for c in commands.commands.values() for p in c.params for o in p.opts}
    for option in set(re.findall(r"\((--[a-z-]+)", text)):
        assert option in known, option


def test_the_readmes_commands_are_those_of_the_program():
    from steepest.faces.cli import steepest as commands

    text = (ROOT / "README.md").read_text()
    shell = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    for command in re.findall(r"\bsteepest (\w+) ", shell):
        assert command in commands.commands
    for option in set(re.findall(r" (--[a-z][a-z0-9-]+)", text)):
        known = {o for c in commands.commands.values() for p in c.params for o in p.opts}
        assert option in known, option


def test_nothing_points_at_one_machine():
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout")
    words = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/"]
    for name in listed.stdout.split():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".ipynb", ".txt", ".json", ""} and path.is_file():
            text = path.read_text(errors="replace")
            assert not any(word in text for word in words), name
