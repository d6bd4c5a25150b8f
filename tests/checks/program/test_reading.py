"""Scripts, notebooks and exports, taken apart into cells."""

from __future__ import annotations

import json

import pytest

from steepest.checks.program.reading import read_cells
from steepest.errors import ProgramError


def cells(tmp_path, text, name="a.py"):
    path = tmp_path / name
    path.write_text(text)
    return read_cells(str(path))


def test_a_script_is_one_cell(tmp_path):
    (cell,) = cells(tmp_path, "a = 1\nb = 2\n")
    assert (cell.number, cell.first, cell.source) == (1, 1, "a = 1\nb = 2\n")


def test_dividers_make_cells_and_words_are_none(tmp_path):
    found = cells(tmp_path, "import os\n# %% one\na = 1\n# %% [markdown]\n# words\n# %%\nb = 2\n")
    assert [(cell.number, cell.first) for cell in found] == [(1, 1), (2, 2), (3, 6)]


def test_a_notebook(tmp_path):
    record = {
        "cells": [
            {"cell_type": "markdown", "source": ["# words"]},
            {"cell_type": "code", "source": ["%matplotlib inline\n", "a = 1\n", "!ls"]},
            {"cell_type": "code", "source": "%%bash\nls"},
            {"cell_type": "code", "source": "b = 7 % 4\n"},
        ]
    }
    found = cells(tmp_path, json.dumps(record), "a.ipynb")
    assert [cell.number for cell in found] == [1, 3]
    assert found[0].source == "pass  # %matplotlib inline\na = 1\npass  # !ls"
    assert found[0].dropped == (1, 3)
    assert found[1].source == "b = 7 % 4\n"


def test_an_export_leaves_its_output_out(tmp_path):
    text = (
        "### Title\n\nIn [3]:\nw = 1\nprint('Epoch: ', w)\n\n"
        "Epoch:  1\nw:  tensor([2.0])\nloss tensor(1.\n"
    )
    (cell,) = cells(tmp_path, text, "a.txt")
    assert cell.source.strip() == "w = 1\nprint('Epoch: ', w)"
    assert cell.first == 3


def test_code_after_the_prompt(tmp_path):
    (cell,) = cells(tmp_path, "In [1]: a = 1\n", "a.txt")
    assert cell.source.strip() == "a = 1"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.ipynb", b"{}", "no notebook"),
        ("a.ipynb", b"[1", "no notebook"),
        ("a.py", b"\xff\xfe\x00", "UTF-8"),
        ("a.py", b"  \n", "no code"),
    ],
)
def test_what_cannot_be_read(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ProgramError, match=words):
        read_cells(str(tmp_path / name))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ProgramError, match="no such file"):
        read_cells(str(tmp_path / "none.py"))
