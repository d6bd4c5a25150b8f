"""What this machine has to give, and what it is given back."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def find_memory() -> int | None:
    """Bytes of memory that programs may still take; None where the system does not tell."""
    file = Path("/proc/meminfo")
    if file.exists():
        for line in file.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    names = ("SC_AVPHYS_PAGES", "SC_PAGE_SIZE")
    if all(name in os.sysconf_names for name in names):
        return os.sysconf(names[0]) * os.sysconf(names[1])
    return None


def release_memory() -> None:
    """Give back what Arrow keeps for tables to come: up to the size of what was read at once."""
    arrow = sys.modules.get("pyarrow.lib")
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
