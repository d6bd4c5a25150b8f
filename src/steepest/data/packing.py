"""Packed files of text: told by their first bytes, whatever their names, and unpacked."""

from __future__ import annotations

import io
import lzma
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..store import MOMENTS_HEAD
from .places import measure, open_bytes

STARTS = {
    "gzip": rb"\x1f\x8b\x08",
    "bz2": rb"BZh[1-9](1AY&SY|\x17rE8P\x90)",
    "zstd": rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18",
    "lz4": rb"\x04\x22\x4d\x18",
    "xz": rb"\xfd7zXZ\x00",
}
"""The first bytes of packed files, as regular expressions."""

NO_TABLES = {
    "Parquet": rb"PAR1",
    "Arrow IPC": rb"ARROW1",
    "an Arrow stream": rb"\xff\xff\xff\xff",
    "SQLite": rb"SQLite format 3\x00",
    "DuckDB": rb"[\s\S]{8}DUCK[\s\S]{2}\0{6}",
    "a zip archive, such as a spreadsheet": rb"PK\x03\x04",
    "an old spreadsheet": rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "HDF5": rb"\x89HDF\r\n\x1a\n",
    "an array of NumPy": rb"\x93NUMPY",
    "Avro": rb"Obj\x01",
    "PDF": rb"%PDF-",
    "a file of moments": re.escape(MOMENTS_HEAD[:9]),
    "a web page": rb"(\xef\xbb\xbf)?\s*<(?i:!doctype html|html)",
}
"""The first bytes of files that are no text at all, as regular expressions."""

ENDINGS = (".gz", ".gzip", ".bz2", ".zst", ".zstd", ".lz4", ".xz")
"""What stands behind the ending of a file that is packed."""


def find_packing(path: str) -> str:
    """The name of a file's packing; empty if it is not packed."""
    with open_bytes(path) as file:
        head = file.read(10)
    return next((name for name, start in STARTS.items() if re.match(start, head)), "")


def is_empty(path: str) -> bool:
    """Whether a file has no bytes, or unpacks to none."""
    import pyarrow as pa

    if not measure(path):
        return True
    packing = find_packing(path)
    try:
        if packing == "xz":
            with open_bytes(path) as raw, lzma.open(raw) as stream:
                return not stream.read(1)
        with open_unpacked(path, packing) as (stream, _):
            return not stream.read(1)
    except (pa.ArrowException, OSError, EOFError, lzma.LZMAError):  # whoever reads it says why
        return False


def find_format(path: str, packing: str) -> str:
    """What a file is by its first bytes, where that is no table of text and known; else empty."""
    with open_unpacked(path, packing) as (stream, _):
        head = bytes(stream.read(32))
    known = {**NO_TABLES, **STARTS}.items()
    return next((name for name, start in known if re.match(start, head)), "")


@contextmanager
def open_unpacked(path: str, packing: str) -> Iterator[tuple[Any, Callable[[], int]]]:
    """The bytes of a file, unpacked, and how many of the file's own are read.

    Arrow does not know xz.
    """
    import pyarrow as pa

    with open_bytes(path) as raw:
        yield (pa.CompressedInputStream(raw, packing) if packing else raw), raw.tell


@contextmanager
def open_text(
    path: str, packing: str, encoding: str = "utf-8-sig", errors: str = "replace"
) -> Iterator[io.TextIOWrapper]:
    """A file as text for Python's own readers, line ends as they are."""
    with open_unpacked(path, packing) as (stream, _), io.BufferedReader(stream) as buffered:
        yield io.TextIOWrapper(buffered, encoding, errors=errors, newline="")
