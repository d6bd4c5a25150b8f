"""Messages about the machine that computes."""

from __future__ import annotations

from .words import SteepestError


class TooLargeError(SteepestError, MemoryError):
    """Rows that do not fit into memory."""

    @classmethod
    def rows(cls, rows: int, width: int, needed: int, free: int, fitting: int) -> TooLargeError:
        return cls(
            f"{rows:,} rows of {width:,} columns take {_megabytes(needed)}, and "
            f"{_megabytes(free)} of memory are free.",
            "A loop needs them there, with a copy for each library: a quarter of it at the most.",
            f"race the first of them: rows={fitting:_}, on the command line --rows {fitting}",
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


class KernelError(SteepestError, RuntimeError):
    """Arithmetic that is not there, or not what exact sums need."""

    @classmethod
    def missing(cls, variable: str, wanted: str) -> KernelError:
        return cls(
            f"{variable}={wanted} asks for a compiled kernel that is not here.",
            "It is built when steepest is installed where there is a C compiler, and c-avx2 and "
            "c-avx512 need a processor that has these.",
            f"unset {variable}, or install a compiler and then steepest again.",
        )

    @classmethod
    def flushed(cls) -> KernelError:
        return cls(
            "numbers below 2.2e-308 become 0 in this thread.",
            "Another library has turned subnormal numbers off, and exact sums need them.",
            "torch.set_flush_denormal(False), or scan with precision='double'",
        )

    @classmethod
    def rounded(cls) -> KernelError:
        return cls(
            "arithmetic does not round to the nearest number in this thread.",
            "Another library has changed the rounding mode, and exact sums rest on it.",
            "set the mode back (fesetround), or scan with precision='double'",
        )
