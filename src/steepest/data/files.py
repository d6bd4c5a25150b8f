"""Files of every format, one or many, as one table."""

from __future__ import annotations

import codecs
import lzma
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial, reduce
from typing import Any

from ..errors import INPUT, SourceError, counted, listed
from ..store import holds_model
from .delimited import DelimitedFile
from .dialect import PLAIN, Dialect
from .file import File
from .ipc import ArrowFile
from .layout import check_encoding
from .lines import LinesFile
from .packing import ENDINGS, find_format, find_packing, is_empty, open_text, open_unpacked
from .parquet import ParquetFile
from .partitions import place_files
from .paths import Found, check_readable, find_files, is_own
from .places import Place, ask_each, open_bytes, settle, state_of
from .spool import PIECE, Spool, Spooled, read_pieces, spool
from .stores import reaching
from .table import Kind, Part, Reads, Schema, Source, allow_mixed, count_numbers, remarks_of

TEXT: dict[str, Callable[..., Source]] = {
    ".csv": DelimitedFile,
    ".tsv": partial(DelimitedFile, usual="\t"),
    ".jsonl": LinesFile,
    ".ndjson": LinesFile,
}
"""How a file of text is read, by its ending; it may be packed."""

FORMATS: dict[str, Callable[..., Source]] = {
    **TEXT,
    **{ending + packed: opened for ending, opened in TEXT.items() for packed in ENDINGS},
    ".parquet": ParquetFile,
    ".pq": ParquetFile,
    ".arrow": ArrowFile,
    ".arrows": ArrowFile,
    ".feather": ArrowFile,
    ".ipc": ArrowFile,
}
"""How a file is read, by its ending."""

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Files:
    """Several files as one table: their columns are matched by name."""

    files: tuple[Source, ...]
    empty: tuple[str, ...] = ()
    """Files of 0 bytes that were passed over."""
    own: tuple[str, ...] = ()
    """Files that steepest wrote, which were passed over too."""
    mixing: frozenset[str] = frozenset()
    """Columns that are text if they hold any."""
    far: bool = False
    """Whether some are in a store."""

    def schema(self, wanted: Sequence[str] | None = None) -> Schema:
        schemas = ask_each(lambda file: file.schema(wanted), self._agreed, far=self.far)
        joined = reduce(lambda a, b: a.join(b, wanted), schemas)
        more = len(self.files) - 1
        return replace(
            joined,
            where=f"{joined.where} and {counted(more, 'file')} more" if more else joined.where,
        )

    def allow_mixed(self, names: frozenset[str]) -> Files:
        """The same, in which these columns are text where they hold numbers and text."""
        return replace(
            self,
            files=tuple(allow_mixed(file, names) for file in self.files),
            mixing=self.mixing | names,
        )

    def count_numbers(self, wanted: Sequence[str] | None = None) -> int:
        """How many columns are numbers, as far as that is seen at once."""
        return count_numbers(self.files[0], wanted)

    def remarks(self, reads: Reads) -> list[str]:
        """What was taken for granted in giving these columns."""
        found = [
            f"{counted(len(names), 'file')} {what} passed over: {listed(names)}."
            for what, names in (("of 0 bytes", self.empty), ("that steepest wrote", self.own))
            if names
        ]
        told = ask_each(lambda file: remarks_of(file, reads), self._agreed, far=self.far)
        return [*found, *dict.fromkeys(note for notes in told for note in notes)]

    def parts(self) -> Sequence[Part]:
        found = ask_each(lambda file: file.parts(), self._agreed, far=self.far)
        return [part for parts in found for part in parts]

    @cached_property
    def _agreed(self) -> tuple[Source, ...]:
        """The files, with a column of text as text also where it looks like something else."""
        schemas = ask_each(lambda file: file.schema(()), self.files, far=self.far)
        columns = [column for schema in schemas for column in schema.columns]
        text = {c.name for c in columns if c.kind is Kind.CATEGORY and not c.is_boolean}
        looks = {c.name for c in columns if c.is_boolean or c.kind is Kind.TIME}
        mixed = frozenset(text & (looks | self.mixing))
        return tuple(
            file.read_as_text(mixed) if mixed and hasattr(file, "read_as_text") else file
            for file in self.files
        )


def open_paths(patterns: Sequence[str | os.PathLike[str]], dialect: Dialect = PLAIN) -> Source:
    """The files that are meant by paths, patterns, folders and ``-``, as one table.

    Raises
    ------
    SourceError, SourceNotFoundError
        A file that cannot be read, or of no known ending; no such file.
    OptionError
        A dialect that no text has, or that is said of files that are no text.
    """
    dialect.check()
    meant: dict[str, Found] = {}
    seen: set[object] = set()
    own: list[str] = []
    for pattern in dict.fromkeys(os.fspath(given) for given in patterns):
        if pattern == STANDARD_INPUT:
            meant[pattern] = Found(pattern)
            continue
        found = find_files(pattern)
        ours = dict.fromkeys(one.path for one in found if is_own(one.path))
        own += ours
        found = [one for one in found if one.path not in ours]
        if not found:
            raise (SourceError.model if holds_model(own[-1]) else SourceError.scanned)(own[-1])
        _check_one_format(pattern, [one.path for one in found])
        for one in found:
            if one.path not in meant and _tell_apart(one) not in seen:
                meant[one.path] = one
                seen.add(_tell_apart(one))
    far = any(isinstance(path, Place) for path in meant)
    opened = ask_each(lambda path: _open(path, dialect), meant, far=far)
    empty = [path for path, file in zip(meant, opened, strict=True) if file is None]
    files = [file for file in opened if file is not None]
    if not files:
        raise SourceError.empty_file(empty[0])
    keys = [one.keys for one, file in zip(meant.values(), opened, strict=True) if file is not None]
    placed = place_files(files, keys) if any(keys) else files
    if len(placed) == 1 and not empty and not own:
        return placed[0]
    return Files(tuple(placed), tuple(empty), tuple(own), far=far)


def _open(path: str, dialect: Dialect) -> Source | None:
    """A file, or standard input; None for one of no bytes that is to be passed over."""
    if path == STANDARD_INPUT:
        return open_input(dialect)
    with reaching(path):
        path = settle(path)
        passed = dialect.skip_empty and is_empty(path)
    return None if passed else open_file(path, dialect)


def _tell_apart(found: Found) -> object:
    """What is the same of a file under all its names, so that no row is counted twice."""
    path = found.path if isinstance(found.path, Place) else os.path.realpath(found.path)
    return path, found.keys


def open_file(path: str, dialect: Dialect = PLAIN) -> Source:
    """One file, by its ending."""
    opened = _find_format(path)
    with reaching(path):
        check_readable(path)
        stamp = state_of(path)
        if opened not in TEXT.values():
            dialect.refuse_said(f"'{path}'", encoded=False)
            return opened(path, stamp=stamp)
        file = _open_text(opened, path, "", dialect)
        if isinstance(file, Spooled):
            File(path, stamp=stamp).check_unchanged()
        return file


def open_input(dialect: Dialect = PLAIN) -> Source:
    """Standard input: JSON lines if it begins with an object, else CSV.

    It is put into a file first, as kinds are found in one pass and sums made in the next.
    """
    with File("", INPUT).reading():
        held = spool(read_pieces(sys.stdin.buffer))
    check_readable(held.path, INPUT)
    return _open_text(None, held.path, INPUT, dialect, held)


def _open_text(
    opened: Callable[..., Source] | None,
    path: str,
    title: str,
    dialect: Dialect,
    held: Spool | None = None,
) -> Source:
    """A file of text, put into another first where Arrow can neither unpack nor decode it."""
    with File(path, title).reading():
        packing = find_packing(path)
    if packing == "xz":
        title = title or path
        held = _unpack_xz(path, title, dialect.max_bytes)
        path, packing = held.path, ""
    with File(path, title).reading():
        if what := find_format(path, packing):
            raise SourceError.no_text(title or path, what)
    if not dialect.is_utf8:
        title = title or path
        held = _decode(path, packing, title, dialect)
        path = held.path
    opened = opened or _guess_format(path, title)
    if opened is LinesFile:
        dialect.refuse_said(f"'{title or path}'", encoded=True)
    file = opened(path, title=title, stamp=state_of(path), dialect=dialect)
    return Spooled(file, held) if held else file


def _unpack_xz(path: str, title: str, most: int | None) -> Spool:
    with File(path, title).reading(), open_bytes(path) as raw:
        try:
            held = spool(_guard(_read_xz(raw), title, most))
        except (lzma.LZMAError, EOFError) as error:
            raise SourceError.unreadable(title, "xz", str(error)) from None
    check_readable(held.path, title)
    return held


def _read_xz(raw: Any) -> Iterator[bytes]:
    """What the streams of a file unpack to; Python's own reader passes over what is behind one.

    LZMAError, EOFError for what is no whole stream; zeros may stand behind one.
    """
    stream, held = lzma.LZMADecompressor(lzma.FORMAT_XZ), b""
    for packed in read_pieces(raw):
        held += packed
        while held:
            if stream.eof:
                held = held.lstrip(b"\0")
                if not held:
                    break
                stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
            yield stream.decompress(held, PIECE)
            while not (stream.eof or stream.needs_input):
                yield stream.decompress(b"", PIECE)
            held = stream.unused_data
    if not stream.eof:
        raise EOFError("the file ends before its end is marked")


def _decode(path: str, packing: str, title: str, dialect: Dialect) -> Spool:
    encoding, most = dialect.encoding, dialect.max_bytes if packing else None
    with File(path, title).reading(), open_unpacked(path, packing) as (stream, _):
        head = bytes(stream.read(64))
    name = codecs.lookup(encoding).name
    if head.startswith(codecs.BOM_UTF8) and name != "utf-8-sig":
        raise SourceError.undecodable(title, encoding, "it begins with the mark of UTF-8")
    if not name.startswith("utf"):
        check_encoding(head, title)
    with File(path, title).reading(), open_text(path, packing, encoding, "strict") as text:
        try:
            pieces = (piece.encode() for piece in read_pieces(text))
            return spool(_guard(pieces, title, most))
        except UnicodeError as error:
            raise SourceError.undecodable(title, encoding, str(error)) from None


def _guard(pieces: Iterable[bytes], title: str, most: int | None) -> Iterator[bytes]:
    """Pieces of what a file unpacks to; SourceError where that is more than was allowed."""
    total = 0
    for piece in pieces:
        total += len(piece)
        if most is not None and total > most:
            raise SourceError.expanded(title, most)
        yield piece


def _guess_format(path: str, title: str) -> Callable[..., Source]:
    with File(path, title).reading(), open_unpacked(path, find_packing(path)) as (stream, _):
        head = stream.read(1 << 12).removeprefix(codecs.BOM_UTF8).lstrip()
        return LinesFile if head.startswith(b"{") else DelimitedFile


def _find_format(path: str) -> Callable[..., Source]:
    """What reads a file, by its ending."""
    ending = _find_ending(path)
    if not ending:
        raise SourceError.format_unknown(path)
    return FORMATS[ending]


def _find_ending(path: str) -> str:
    """How a file of a known format ends; empty for others."""
    endings = [ending for ending in FORMATS if path.lower().endswith(ending)]
    return max(endings, key=len, default="")


def _check_one_format(pattern: str, paths: Sequence[str]) -> None:
    """SourceError for a pattern or a folder that mixes formats, or holds other files too."""
    formats = {path: FORMATS.get(_find_ending(path)) for path in paths}
    first = next((path for path, opened in formats.items() if opened), "")
    for path, opened in formats.items():
        if first and opened is not formats[first]:
            raise SourceError.mixed(pattern, first, path, _find_ending(first))
