"""The examples print what the notebook recorded, byte for byte."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.out").read_bytes()


def printed_by(name: str) -> bytes:
    program = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")]
    done = subprocess.run(program, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.replace(b"\r\n", b"\n")


def printed_by_a_plain_loop() -> str:
    """The lines of the PyTorch cell, from PyTorch alone."""
    import torch

    lines = []
    x, y = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([2.0, 4.0, 6.0, 8.0])
    w = torch.tensor([2.0, 4.0, 6.0, 8.0], requires_grad=True)
    for epoch in range(91):
        loss = ((w * x - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= 0.01 * w.grad
        w.grad.zero_()
        if epoch % 10 == 0:
            lines += [f"Epoch:  {epoch + 1}", f"w:  {w!s}", f"loss {loss!s}"]
    return "\n".join(lines) + "\n"


def test_numpy():
    assert printed_by("numpy_approach") == recorded("numpy_approach")


def test_pytorch():
    pytest.importorskip("torch", reason="the example is PyTorch's")
    printed = printed_by("pytorch_approach")
    # What was recorded ends in the middle of a line.
    assert printed.startswith(recorded("pytorch_approach"))
    assert printed.decode() == printed_by_a_plain_loop()


def test_notebook():
    pytest.importorskip("torch", reason="the notebook has a PyTorch part")
    nbclient = pytest.importorskip("nbclient", reason="executes the notebook")
    nbformat = pytest.importorskip("nbformat", reason="reads the notebook")
    notebook = nbformat.read(EXAMPLES / "from_the_notebook.ipynb", as_version=4)
    stored = [cell.get("outputs") for cell in notebook.cells]
    nbclient.NotebookClient(notebook, timeout=300, record_timing=False).execute()
    assert [cell.get("outputs") for cell in notebook.cells] == stored
    printed = "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )
    of_numpy, of_pytorch = recorded("numpy_approach").decode(), printed_by_a_plain_loop()
    assert printed == of_numpy + of_pytorch
    assert of_pytorch.startswith(recorded("pytorch_approach").decode())
