"""Messages about the machine that computes."""

from __future__ import annotations

from .words import SteepestError, counted


class TooLargeError(SteepestError, MemoryError):
    """Rows, or sums of columns, that do not fit into memory."""

    @classmethod
    def rows(cls, rows: int, width: int, needed: int, free: int, fitting: int) -> TooLargeError:
        return cls(
            f"{rows:,} rows of {width:,} columns take {_megabytes(needed)}, and "
            f"{_megabytes(free)} of memory are free.",
            "A loop needs them there, with a copy for each library: a quarter of it at the most.",
            f"race the first of them: rows={fitting:_}",
        )

    @classmethod
    def columns(cls, columns: int, needed: int, free: int, fitting: int) -> TooLargeError:
        return cls(
            f"a sum for each pair of {columns:,} terms needs {_gigabytes(needed)}, and "
            f"{_gigabytes(free)} of memory are free.",
            "A scan keeps the products of all its columns of numbers, and holds them several "
            f"times while it adds; about {fitting:,} would fit.",
            "name the columns that are needed: columns=[...]",
        )

    @classmethod
    def memory(cls) -> TooLargeError:
        return cls(
            "there is not enough memory.",
            "A scan needs about 500 MB whatever the length of the table, and more for many columns "
            "or levels.",
            "name the columns that are needed: columns=[...]",
        )

    @classmethod
    def reading(cls, path: str) -> TooLargeError:
        return cls(
            f"there is not enough memory to read '{path}'.",
            "A scan needs about 500 MB whatever the length of the table, and more for many columns "
            "or levels; a file that is damaged may ask for any amount.",
            "name the columns that are needed: columns=[...]",
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.3g} GB"


class PackageError(SteepestError, ImportError):
    """A package that only this needs, and is not installed."""

    @classmethod
    def missing(cls, package: str, extra: str) -> PackageError:
        return cls(
            f"{package} is not installed.",
            "Only this needs it.",
            f"pip install 'steepest[{extra}]'",
        )


class WorkerError(SteepestError, RuntimeError):
    """Workers that cannot be had, or that failed otherwise than by what they read."""

    @classmethod
    def missing(cls) -> WorkerError:
        return cls(
            "Dask is not installed.",
            "Work is spread over a cluster by its distributed scheduler.",
            "pip install 'steepest[dask]'",
        )

    @classmethod
    def unreachable(cls, address: str, reason: str) -> WorkerError:
        return cls(
            f"no scheduler answers at '{address}': {reason}.",
            "It was waited for 5 seconds.",
            "start it with dask scheduler, or read here: leave executor unset.",
        )

    @classmethod
    def unstarted(cls, count: int, reason: str) -> WorkerError:
        return cls(
            f"{counted(count, 'worker')} cannot be started: {reason}.",
            "Each takes some 150 MB of memory, and processes, files and ports of this machine.",
            "take fewer workers, or read here: leave executor unset.",
        )

    @classmethod
    def lost(cls, address: str, where: str) -> WorkerError:
        return cls(
            f"the scheduler at '{address}' is gone, while {where} was read.",
            "What its workers had not sent yet is lost with it.",
            "start it again; with checkpoint='scan.part' what was added up is kept.",
        )

    @classmethod
    def lonely(cls, address: str, seconds: float) -> WorkerError:
        return cls(
            f"the scheduler at '{address}' has had no worker for {seconds:g} s.",
            "Nobody reads.",
            f"start some: dask worker '{address}'",
        )

    @classmethod
    def deadly(cls, where: str) -> WorkerError:
        return cls(
            f"one worker after the other died while it read {where}.",
            "Too little memory is the usual reason, and a file that crashes its decoder another.",
            "read this file alone and here, or give each worker more memory.",
        )

    @classmethod
    def died(cls, where: str) -> WorkerError:
        return cls(
            f"a worker process died, while {where} or what follows it was read.",
            "It was killed, perhaps for want of memory, or crashed.",
            "take fewer workers, or read here: leave executor unset.",
        )

    @classmethod
    def version(cls, host: str, theirs: str, ours: str) -> WorkerError:
        return cls(
            f"the worker on '{host}' runs steepest {theirs}, and here it is {ours}.",
            "Sums of different versions or kernels need not be the same in every bit.",
            f"pip install steepest=={ours.partition(' ')[0]} there; a compiler makes the kernel.",
        )

    @classmethod
    def strange(cls, reason: str) -> WorkerError:
        return cls(
            f"the cluster cannot read what it is asked for: {reason}.",
            "Its scheduler and its workers need what is installed here.",
            "install steepest there, in the version of here (steepest --version).",
        )

    @classmethod
    def no_file(cls, host: str, path: str) -> WorkerError:
        return cls(
            f"the worker on '{host}' finds no file '{path}'.",
            "Each worker reads the files itself, by the path that they have here.",
            "put them where all workers see them, or read here and leave executor unset.",
        )

    @classmethod
    def garbled(cls, where: str) -> WorkerError:
        return cls(
            f"the sums of {where} did not arrive as they were sent.",
            "They are none, or those of another part, or their checksum does not fit.",
            "run it again; if it happens again, look at the executor, the network and the memory.",
        )

    @classmethod
    def cancelled(cls, where: str) -> WorkerError:
        return cls(
            f"the work on {where} was cancelled.",
            "Somebody else has shut the executor down, or has ended its work.",
            "make a new executor, or read here: leave executor unset.",
        )

    @classmethod
    def unwilling(cls, reason: str) -> WorkerError:
        return cls(
            f"the executor takes no work: {reason}.",
            "It has been shut down, or is full.",
            "make a new executor, or read here: leave executor unset.",
        )


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
