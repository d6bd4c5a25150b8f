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
CHOICES = ("c", "c-portable", "numpy")


@cache
def _open() -> Any:
    """The shared object, None where it was not built."""
    from ctypes import CDLL

    spec = find_spec("steepest.sums._kernel")
    return None if spec is None else CDLL(str(spec.origin))


def load_functions() -> tuple[Any, str] | None:
    """The compiled kernel and the processor it is for, ``avx2`` or ``portable``; None for NumPy.

    Raises OptionError for a ``STEEPEST_KERNEL`` that is none, KernelError for one not built.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", *CHOICES):
        raise OptionError.unknown(VARIABLE, wanted, CHOICES)
    functions = None if wanted == "numpy" else _open()
    if functions is None:
        if wanted.startswith("c"):
            raise KernelError.missing(VARIABLE, wanted)
        return None
    fast = wanted != "c-portable" and functions.steepest_has_avx2()
    return functions, "avx2" if fast else "portable"


def name_kernel() -> str:
    """Which kernel runs, such as ``c, avx2``."""
    found = load_functions()
    return "numpy" if found is None else f"c, {found[1]}"
