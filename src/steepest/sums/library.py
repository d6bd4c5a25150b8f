"""The compiled kernel: found where it was built, and chosen by ``STEEPEST_KERNEL``.

``kernel.c`` is built with the package where there is a compiler.  Its functions are plain C and
know nothing of Python, so that calls hold no lock.  Without it NumPy does everything.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from typing import Any

from ..errors import KernelError, OptionError

VARIABLE = "STEEPEST_KERNEL"
PROCESSORS = {"c-avx512": "avx512", "c-avx2": "avx2", "c-portable": "portable"}
"""What the kernel is compiled for, the fastest first."""

NEWEST = "sum_centred"
"""The function that was added last: a kernel without it was built by an older version."""

CHOICES = ("c", *PROCESSORS, "numpy")


@cache
def _open() -> Any:
    """The shared object, None where it was not built."""
    from ctypes import CDLL

    spec = find_spec("steepest.sums._kernel")
    return None if spec is None else CDLL(str(spec.origin))


def load_functions() -> tuple[Any, str] | None:
    """The compiled kernel and the processor it is for, such as ``avx2``; None for NumPy.

    Raises OptionError for a ``STEEPEST_KERNEL`` that is none, KernelError for one that cannot run.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", *CHOICES):
        raise OptionError.unknown(VARIABLE, wanted, CHOICES)
    able = [choice for choice in _find_able(_open()) if wanted in ("", "c", choice)]
    if able:
        return _open(), PROCESSORS[able[0]]
    if wanted in ("", "numpy"):
        return None
    raise KernelError.missing(VARIABLE, wanted)


def can_run(choice: str) -> bool:
    """Whether a kernel was built for this processor, or for any; NumPy is always there."""
    able = _find_able(_open())
    return choice == "numpy" or choice in able or (choice == "c" and bool(able))


@cache
def _find_able(functions: Any) -> tuple[str, ...]:
    """The choices that run here; none where the kernel was not built, or by another version."""
    return tuple(
        choice
        for choice, processor in PROCESSORS.items()
        if hasattr(functions, f"steepest_{NEWEST}_{processor}")
        and (processor == "portable" or functions[f"steepest_has_{processor}"]())
    )


def name_kernel() -> str:
    """Which kernel runs, such as ``c, avx2``."""
    found = load_functions()
    return "numpy" if found is None else f"c, {found[1]}"
