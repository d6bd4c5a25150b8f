"""What a pass before a scan finds, which whoever keeps the scan may know already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Recall: TypeAlias = Callable[[str, object, Callable[[], Any]], Any]
"""What was found under a name when the same was asked, or what finding it anew gives."""


def ask_anew(name: str, asked: object, find: Callable[[], Any]) -> Any:
    """What is found now, as nothing is kept."""
    del name, asked
    return find()
