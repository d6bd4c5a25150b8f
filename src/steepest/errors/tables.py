"""Messages about tables: where rows come from."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from urllib.parse import quote

from . import words
from .words import INPUT, SteepestError, counted, listed, nearest, sentence

READERS = {
    (".xlsx", ".xls"): "pandas.read_excel",
    (".dta",): "pandas.read_stata",
    (".sav",): "pandas.read_spss",
    (".zip",): "pandas.read_csv",
}
"""What reads files of other formats as tables that steepest takes."""

AS_LINES = """'if type == "array" then .[] else . end'"""
"""What jq makes lines of objects by, of any JSON."""

DATABASES = {(".db", ".sqlite", ".sqlite3", ".db3"): "sqlite", (".duckdb", ".ddb"): "duckdb"}
"""Whose files end so, as URLs call it."""


class SourceError(SteepestError, OSError):
    """A file or table that cannot be read as what it is said to be."""

    @classmethod
    def empty_folder(cls, path: str) -> SourceError:
        return cls(
            f"'{path}' is a folder without files of data.",
            "Names that begin with '.' or '_' are passed over.",
            "name the folder that holds the table.",
        )

    @classmethod
    def mixed(cls, pattern: str, first: str, other: str, ending: str) -> SourceError:
        folder = first.rsplit("/", 1)[0] if "/" in first else "."
        return cls(
            f"'{pattern}' holds files of several formats, such as '{first}' and '{other}'.",
            "They are hardly one table.",
            f"name those of one format: '{folder}/*{ending}'",
        )

    @classmethod
    def altered(cls, path: str, before: int, after: int) -> SourceError:
        return cls(
            f"'{path}' changed while it was read: it had {before:,} bytes, and has {after:,}.",
            "Sums of both states would belong to neither.",
            "read a copy of it, or read it again when nobody writes to it.",
        )

    @classmethod
    def gone(cls, path: str) -> SourceError:
        return cls(
            f"'{path}' was removed while it was read.",
            "What was read may not be all of it.",
            "read a copy of it.",
        )

    @classmethod
    def line(cls, path: str, number: int, reason: str, hint: str | None = None) -> SourceError:
        return cls(
            f"line {number:,} of '{path}' is no JSON object that can be read: {reason}.",
            "Each line holds one row, as an object of one value a key.",
            hint or "mend that line.",
        )

    @classmethod
    def not_regular(cls, path: str) -> SourceError:
        return cls(
            f"'{path}' is not a regular file.",
            "A pipe, socket or device has no size and may never end.",
            "write it to a file first, and name that.",
        )

    @classmethod
    def no_text(cls, path: str, what: str) -> SourceError:
        return cls(
            f"'{path}' is no table of text: it begins as {what} does.",
            "How a file is read follows from its ending, and this one says text.",
            "cat > table.parquet keeps standard input in a file, which is then named as what it is."
            if path == INPUT
            else f"name it as what it is; head -c 16 '{path}' shows how it begins.",
        )

    @classmethod
    def empty_file(cls, path: str) -> SourceError:
        return cls(
            f"'{path}' is empty: it has 0 bytes.",
            "A table needs at least a header and one row.",
            "check how the file was written; among several, skip_empty=True passes over it.",
        )

    @classmethod
    def format_unknown(cls, path: str) -> SourceError:
        if base := next((b for ends, b in DATABASES.items() if path.lower().endswith(ends)), None):
            return cls.of_database(path, base)
        reader = next((r for ends, r in READERS.items() if path.lower().endswith(ends)), None)
        return cls(
            f"'{path}' does not end in .csv, .tsv, .jsonl, .parquet or .arrow.",
            "The ending says how a file is to be read; behind that of packed text may stand .gz, "
            ".bz2, .zst, .lz4 or .xz.",
            f"steepest.fit({reader}('{path}'), ...)"
            if reader
            else f"jq -c {AS_LINES} {shlex.quote(path)} > rows.jsonl"
            if path.lower().endswith(".json")
            else "rename it; or hand text to the standard input of a command, as in "
            f"steepest scan - -o table.moments < {shlex.quote(path)}",
        )

    @classmethod
    def of_database(cls, path: str, scheme: str) -> SourceError:
        return cls(
            f"'{path}' is a file of a database, by its ending.",
            "Databases are read by their URL, a table or a query of them.",
            f"'{scheme}:///{quote(path)}?table=homes'",
        )

    @classmethod
    def moments_beside(cls, path: str, other: str) -> SourceError:
        return cls(
            f"'{path}' holds moments, and '{other}' is a table.",
            "Rows are scanned before they are added to moments.",
            f"steepest scan '{other}' -o other.moments, then name the moments together.",
        )

    @classmethod
    def scanned(cls, path: str) -> SourceError:
        return cls(
            f"'{path}' holds moments, not rows.",
            "They were scanned already, and are fitted, added and shown as they are.",
            f"steepest merge {shlex.quote(path)} other.moments -o all.moments adds them to others; "
            f"load({path!r}) gives them to a fit in Python.",
        )

    @classmethod
    def model(cls, path: str) -> SourceError:
        return cls(
            f"'{path}' holds a model, not rows.",
            "Rows are read from tables.",
            f"steepest show {shlex.quote(path)} prints it; load({path!r}) gives it in Python.",
        )

    @classmethod
    def no_race(cls, where: str) -> SourceError:
        return cls(
            f"the moments of {where} hold no rows.",
            "A loop goes over the rows at every epoch.",
            "name the table that was scanned: steepest.race('homes.csv', target='price')",
        )

    @classmethod
    def changed(cls, where: str, rows: int) -> SourceError:
        return cls(
            f"{where} gave {counted(rows, 'row')} to the scan, and others when it was read again.",
            "The table changed in between.",
            "race a copy that nobody writes to.",
        )

    @classmethod
    def unreadable(cls, path: str, what: str, reason: str, hint: str | None = None) -> SourceError:
        return cls(
            f"'{path}' cannot be read as {what}.",
            sentence(reason),
            hint or "check that the file is whole, and that it is what its ending says.",
        )

    @classmethod
    def broken_off(cls, path: str, reason: str) -> SourceError:
        return cls(
            f"reading '{path}' broke off: {reason}.",
            "The disk or the network gave an error; the file itself may be whole.",
            "run it again; with checkpoint='scan.part' what was added up is kept.",
        )

    @classmethod
    def column(cls, name: str, reason: str) -> SourceError:
        return cls(
            f"'{name}' is not a column of one kind.",
            reason.strip().rstrip(".") + ".",
            "make all of its values real numbers, or all of them text; or leave it out by naming "
            "the columns to be read.",
        )

    @classmethod
    def damaged(cls, name: str, where: str, reason: str) -> SourceError:
        return cls(
            f"column '{name}' of {where} is damaged.",
            reason.strip().rstrip(".") + ".",
            "look at what made it: table.validate(full=True) of Arrow says the same.",
        )

    @classmethod
    def not_utf8(cls, path: str, encoding: str = "", line: int | None = None) -> SourceError:
        said = (encoding or "latin1").lower()
        place = f" in line {line:,}" if line else ""
        return cls(
            f"'{path}' is {encoding or 'not UTF-8'}{place}.",
            "Text is read as UTF-8 unless something else is said.",
            f"steepest.open_table({path!r}, encoding='{said}')",
        )

    @classmethod
    def mark_inside(cls, path: str, line: int) -> SourceError:
        return cls(
            f"line {line:,} of '{path}' begins with a byte order mark.",
            "Such a mark begins a file: files were put together here, perhaps with their headers.",
            "read the files themselves, or take out that line's first three bytes, and all of it "
            "if it is a header.",
        )

    @classmethod
    def undecodable(cls, path: str, encoding: str, reason: str) -> SourceError:
        return cls(
            f"'{path}' is not in {encoding}, as was said.",
            reason[:1].upper() + reason[1:] + ".",
            f"file -i '{path}' may tell what it is in.",
        )

    @classmethod
    def decimal_comma(cls, path: str, name: str, value: str, delimiter: str) -> SourceError:
        mark = {"\t": "'\\t'"}.get(delimiter, f"'{delimiter}'")
        return cls(
            f"column '{name}' of '{path}' seems to hold numbers with decimal commas: '{value}'.",
            "With points, it would be text, one level a number.",
            f"steepest.open_table({path!r}, delimiter={mark}, decimal=',')",
        )

    @classmethod
    def ragged(cls, path: str, line: int, expected: int, got: int) -> SourceError:
        hint = "mend that line, or ragged='drop' leaves such lines out and counts them."
        if expected == 1:
            hint = "skip_lines=1 if the first line is no header."
        return cls(
            f"line {line:,} of '{path}' has {counted(got, 'field')}, where {expected:,} "
            f"{'is' if expected == 1 else 'are'} expected.",
            "A line with a field too few or too many cannot be matched to its columns.",
            hint,
        )

    @classmethod
    def unclosed_quote(cls, path: str, line: int, shown: str) -> SourceError:
        return cls(
            f"the quote that opens in line {line:,} of '{path}' is not closed there: "
            f"{words.shown(shown, 80)}.",
            "All that follows would belong to that field, line ends too.",
            "close it, or quote='' if quotes are plain text in this file.",
        )

    @classmethod
    def stray_quote(cls, path: str, line: int, shown: str) -> SourceError:
        hint = "double the quote and put the field in quotes, or quote='' if quotes are plain text."
        if line == 1 and shown.lstrip().startswith(('{"', '[{"')):
            hint = (
                "it begins as JSON does: lines of one object each are named .jsonl, and an array "
                "is made such lines by jq -c '.[]'."
            )
        return cls(
            f"line {line:,} of '{path}' has a quote out of place: {words.shown(shown, 60)}.",
            "A field is in quotes as a whole, with quotes inside doubled, or has none.",
            hint,
        )

    @classmethod
    def long_field(cls, path: str, line: int, found: int, most: int) -> SourceError:
        return cls(
            f"line {line:,} of '{path}' has a field of {found:,} bytes.",
            f"A field has {most:,} bytes at the most; perhaps a quote is not closed.",
            "mend that line.",
        )

    @classmethod
    def expanded(cls, path: str, most: int) -> SourceError:
        return cls(
            f"'{path}' unpacks to more than {most:,} bytes.",
            "That is as much as was allowed.",
            f"max_bytes={most * 10} if the file can be trusted.",
        )

    @classmethod
    def no_header(cls, path: str, names: Sequence[str]) -> SourceError:
        return cls(
            f"'{path}' seems to have no header: its first line is all numbers, {listed(names)}.",
            "Columns are found by name, and the first line gives the names.",
            f"steepest.open_table({path!r}, header=False) calls the columns x1, x2 and so on, "
            "names=['a', 'b', ...] names them.",
        )

    @classmethod
    def failed(cls, where: str, reason: str) -> SourceError:
        return cls(
            f"{where} cannot be read to its end.",
            sentence(reason),
            "try to read it by itself, without steepest.",
        )

    @classmethod
    def exhausted(cls, where: str) -> SourceError:
        return cls(
            f"{where} was read already, and gives its rows only once.",
            "Another pass over it would find none, or others.",
            "make it anew for each scan, or keep what it gives in a file.",
        )

    @classmethod
    def shuffled(cls, where: str) -> SourceError:
        return cls(
            f"{where} gives its rows in another order each time.",
            "Predictions come in the order of the rows, so that none would be known by its place.",
            "pass loader.dataset, or a loader with shuffle=False.",
        )

    @classmethod
    def not_a_table(cls, kind: str) -> SourceError:
        return cls(
            f"a {kind} is not a table that steepest can read.",
            "It reads paths and globs, dicts of arrays, NumPy arrays with names, pandas, polars "
            "and Arrow tables, and iterators of these.",
            "pass a dict of arrays, {'x': x, 'y': y}, or of tables their iterator, iter(tables)",
        )


class SourceNotFoundError(SourceError, FileNotFoundError):
    """No such file, or a pattern that matches none."""

    @classmethod
    def of(cls, path: str, pattern: bool, beside: Sequence[str]) -> SourceNotFoundError:
        name = path.rsplit("/", 1)[-1]
        meant = nearest(name, list(beside))
        found = f"no file matches '{path}'." if pattern else f"there is no file '{path}'."
        return cls(
            found,
            f"Its folder holds {listed(sorted(beside), limit=5)}." if beside else "",
            f"did you mean '{path[: len(path) - len(name)]}{meant}'?"
            if meant
            else "check the path; relative ones start from the current folder.",
        )

    @classmethod
    def link(cls, path: str, to: str) -> SourceNotFoundError:
        return cls(
            f"'{path}' is a link to '{to}', where there is no file.",
            "What it held is not among the rows, which would be missing.",
            f"mend the link, or remove it: rm {shlex.quote(path)}",
        )
