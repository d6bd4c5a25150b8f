"""Messages about columns: their names, their roles, their kinds."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence

from .words import SteepestError, counted, listed, nearest, shown

SEPARATORS = {
    ";": "semicolons",
    "\t": "tabs",
    "|": "bars",
    ",": "commas",
    ":": "colons",
    " ": "blanks",
}
"""What may stand between the fields of a file whose header seems to be one name."""

PARTS = {
    "timestamp": ("days", "year", "month", "weekday", "hour"),
    "date": ("days", "year", "month", "weekday"),
    "duration": ("days",),
    "time": ("hour",),
}
"""What formulas take of times, by how the names of their types begin."""


class ColumnNotFoundError(SteepestError, KeyError):
    """A column asked for is not there."""

    @classmethod
    def of(cls, role: str, name: str, where: str, names: Sequence[str]) -> ColumnNotFoundError:
        own = [known for known in names if known]
        meant = nearest(name, own)
        choice = listed(own, "or") if len(own) <= 6 else "one of them"
        hint = f"did you mean '{meant}'?" if meant else f"choose {choice}."
        if names and not own:
            hint = "check its header."
        for mark, word in SEPARATORS.items():
            if len(names) == 1 and mark in names[0]:
                hint = f"steepest.open_table(path, delimiter={mark!r}) if {word} part its fields."
                break
        return cls(
            f"{role} column '{name}' is not in {where}.",
            f"It has {counted(len(names), 'column')}: {listed(names)}."
            if names
            else "It has no columns.",
            hint,
        )

    @classmethod
    def elsewhere(
        cls, name: str, first: str, second: str, names: Sequence[str], both: Sequence[str]
    ) -> ColumnNotFoundError:
        """The second of two files has these names, and lacks a column of the first."""
        return cls(
            f"column '{name}' of {first} is not in {second}.",
            f"That has {counted(len(names), 'column')}: {listed(names)}; both have "
            f"{listed(both) if both else 'none'}. Files of one table are matched by the names of "
            "their columns.",
            "name columns that both have, columns=[...], or leave one of the two out.",
        )

    @classmethod
    def formed(cls, name: str, where: str) -> ColumnNotFoundError:
        return cls(
            f"'{name}' is not in {where}.",
            "What is made of columns is made row by row in the scan, and this scan did not.",
            "scan again with the formula of the fit: steepest.scan(table, formula='...')",
        )

    @classmethod
    def left_out(cls, role: str, name: str, reason: str) -> ColumnNotFoundError:
        return cls(
            f"{role} column '{name}' is not in the moments.",
            f"The scan left it out: {reason}.",
            f"name it in the scan: columns=[..., '{name}']",
        )


class ColumnNameError(SteepestError, ValueError):
    """A name that stands twice, or in two roles."""

    @classmethod
    def repeated(cls, name: str, times: int, where: str) -> ColumnNameError:
        return cls(
            f"column '{name}' stands {times} times in {where}.",
            "Columns are found by name, so each name may stand only once.",
            "rename or leave out the others.",
        )

    @classmethod
    def nameless(cls, role: str, where: str, names: Sequence[str]) -> ColumnNameError:
        place = names.index("") + 1 if "" in names else 1
        given = ", ".join(repr(name or f"x{i + 1}") for i, name in enumerate(names[:6]))
        more = ", ..." if len(names) > 6 else ""
        return cls(
            f"a {role} column is asked for by no name at all, as column {place:,} of {where} has "
            "none.",
            "Columns are found by name.",
            f"give it one in the header, or names to all of them: names=[{given}{more}] and "
            "skip_rows=1",
        )

    @classmethod
    def of_spreadsheet(cls, path: str, mark: str) -> ColumnNameError:
        return cls(
            f"the first line of '{path}' names no columns: it is 'sep={mark}'.",
            "Spreadsheets are told so what stands between fields; the names are in the next line.",
            f"steepest.open_table({path!r}, delimiter={mark!r}, skip_lines=1)",
        )

    @classmethod
    def in_folder(cls, name: str, where: str) -> ColumnNameError:
        return cls(
            f"'{name}' is a column of {where}, and the name of its folder gives it too.",
            "The two may say different things.",
            f"name the files by themselves, or rename the folder '{name}=...'.",
        )

    @classmethod
    def target_among_features(cls, name: str) -> ColumnNameError:
        return cls(
            f"target column '{name}' is also a feature.",
            "It would explain itself perfectly, and nothing else would count.",
            f"leave '{name}' out of the features.",
        )

    @classmethod
    def weights_among_columns(cls, name: str) -> ColumnNameError:
        return cls(
            f"'{name}' is asked for as a column and as the weights.",
            "A column that says how much a row counts explains nothing.",
            "leave it out of the features, or copy it under another name.",
        )

    @classmethod
    def unnamed(cls, columns: int) -> ColumnNameError:
        return cls(
            f"an array of {counted(columns, 'column')} came without names.",
            "Columns are found by name.",
            "names=["
            + ", ".join([*[f"'x{i + 1}'" for i in range(min(columns, 4) - 1)], "'y'"])
            + ("]" if columns <= 4 else ", ...]"),
        )


class ColumnKindError(SteepestError, TypeError):
    """A column is not of the kind that is asked of it."""

    @classmethod
    def text_target(cls, name: str, levels: Sequence[str]) -> ColumnKindError:
        return cls(
            f"target column '{name}' is text"
            + (f", with levels {listed(levels, limit=5)}." if levels else "."),
            "A squared-error fit needs a number to fit.",
            "choose a number or a boolean column as the target.",
        )

    @classmethod
    def unusable(cls, name: str, type_name: str, kind: str) -> ColumnKindError:
        why = {
            "time": "A date counts from an origin of its own, so its bare number means nothing.",
            "null": "It has no value in any row.",
        }.get(kind, "A column holds numbers, booleans or text.")
        leave = f"leave '{name}' out of the features."
        told = next((parts for start, parts in PARTS.items() if type_name.startswith(start)), ())
        counts = " or ".join(f"{part}({name})" for part in told).replace(
            " or ", ", ", len(told) - 2
        )
        said = f"say what of it counts: {counts} in a formula." if told else leave
        hint = said if kind == "time" else leave
        return cls(f"column '{name}' has type {type_name}.", why, hint)

    @classmethod
    def weights(cls, name: str, type_name: str) -> ColumnKindError:
        return cls(
            f"weights '{name}' are of type {type_name}.",
            "Weights are numbers.",
            f"turn '{name}' into numbers first.",
        )

    @classmethod
    def formed(cls, name: str, base: str, type_name: str) -> ColumnKindError:
        return cls(
            f"'{name}' cannot be formed: '{base}' is of type {type_name}.",
            "Functions and powers are taken of numbers.",
            f"use '{base}' as it is.",
        )

    @classmethod
    def no_time(cls, function: str, name: str, type_name: str) -> ColumnKindError:
        return cls(
            f"'{function}({name})' cannot be formed: column '{name}' is of type {type_name}.",
            "days, year, month, weekday and hour are taken of dates and times that have them"
            + (", and text is times where all of it is." if type_name == "string" else "."),
            f"turn '{name}' into a date or a timestamp first.",
        )

    @classmethod
    def compared(cls, name: str, type_name: str, value: str) -> ColumnKindError:
        return cls(
            f"column '{name}' of type {type_name} is compared with {value}.",
            "Numbers are compared with numbers, text and times with text in quotes.",
            "write it like \"area > 10 and city == 'Oslo' and built >= '2024-03-31'\".",
        )

    @classmethod
    def cell(
        cls, name: str, where: str, word: str, line: str | None, value: str
    ) -> ColumnKindError:
        place = f" in line {int(line):,}" if line else ""
        return cls(
            f"column '{name}' of {where} is a {word} at first, but '{shown(value)}'{place}.",
            "One column has one kind in every row.",
            f"mend that cell, leave it empty, or leave '{name}' out.",
        )

    @classmethod
    def beside(cls, name: str, where: str, one: str, other: str) -> ColumnKindError:
        """Values of two kinds, each told with its row."""
        return cls(
            f"column '{name}' of {where} is not of one kind: {one}, and {other}.",
            "One column has one kind in every row.",
            f"mend one of the two, make it null, or leave '{name}' out.",
        )

    @classmethod
    def mixed(
        cls,
        name: str,
        path: str,
        word: str,
        cell: tuple[int, str],
        example: tuple[int, str] | None,
        odd: str,
        *,
        under_header: bool = False,
    ) -> ColumnKindError:
        """A cell of another kind than its column, each with its line."""
        line, value = cell
        is_first = under_header or line == 1
        as_in = f", as '{shown(example[1])}' in line {example[0]:,}" if example else " elsewhere"
        skip = ", skip_rows=1 if that line is no row" if is_first else ""
        missing = f"null=[{value!r}] if '{shown(value)}' means missing, or "
        sayable = len(value) <= 40 and "\0" not in value
        why = "One column has one kind in every row."
        hint = (missing if sayable else "") + f"text=[{name!r}] if all of '{name}' is text{skip}."
        if value.strip() == name:
            why = "That line seems to be the header once more."
            hint = "skip_rows=1" if is_first else f"take line {line} out."
            if path.lower().endswith((".csv", ".tsv")) and not is_first:
                hint = f"sed {line}d {shlex.quote(path)} > rows.csv"
        return cls(
            f"column '{name}' of '{path}' is a {word}{as_in}, but '{shown(value)}' in line "
            f"{line:,} is {odd}.",
            why,
            hint,
        )

    @classmethod
    def lossy(cls, name: str, where: str, value: str, kind: str, row: int) -> ColumnKindError:
        return cls(
            f"column '{name}' of {where} holds '{value}' in row {row:,}, where the model has "
            f"{'numbers' if kind == 'number' else 'text'}.",
            "A value of another kind is taken over where nothing is lost, and this one is not.",
            f"turn '{name}' into {'numbers' if kind == 'number' else 'text'} first.",
        )

    @classmethod
    def differs(
        cls, name: str, first: str, kind: str, second: str, other: str, *, written: bool = False
    ) -> ColumnKindError:
        text = f"text=[{name!r}] if it is text, " if written else ""
        return cls(
            f"column '{name}' is a {kind} in {first} but a {other} in {second}.",
            "One column has one kind in every part.",
            f"{text}convert one of the two, or leave '{name}' out.",
        )


def check_unique(names: Iterable[str], where: str) -> None:
    """ColumnNameError for the first name that stands more than once."""
    for name, times in Counter(names).items():
        if times > 1:
            raise ColumnNameError.repeated(name, times, where)
