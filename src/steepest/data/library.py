"""The compiled functions for text, found where they were built.

``text.c`` and ``marks.c`` are built with the package where there is a compiler.  They are plain C
and know nothing of Python, so that calls hold no lock.  ``STEEPEST_KERNEL=numpy`` leaves them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any


def find_function(name: str, result: Any, arguments: Sequence[Any]) -> Callable[..., Any] | None:
    """A function by its name; None where it was not built, or the machine is another."""
    functions = _open()
    if not hasattr(functions, name) or not functions.steepest_text_is_fast():
        return None  # built from older sources, where only the name is missing
    found: Any = getattr(functions, name)
    found.restype, found.argtypes = result, list(arguments)
    function: Callable[..., Any] = found
    return function


@cache
def _open() -> Any:
    """The shared object; None where there is none, or it is not wanted."""
    from ctypes import CDLL

    spec = find_spec("steepest.data._text")
    if spec is None or os.environ.get("STEEPEST_KERNEL") == "numpy":
        return None
    return CDLL(str(spec.origin))
