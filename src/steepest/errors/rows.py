"""Messages about rows: none of them, or more here than there."""

from __future__ import annotations

from collections.abc import Sequence

from .words import SteepestError, counted, listed


class EmptySourceError(SteepestError, ValueError):
    """There is no row, or none is left."""

    @classmethod
    def no_rows(cls, where: str) -> EmptySourceError:
        return cls(
            f"{where} has no data rows.",
            "A model needs rows.",
            "check how the table was made: only its header, or nothing, was found.",
        )

    @classmethod
    def no_weight(cls, where: str, weights: str) -> EmptySourceError:
        return cls(
            f"{where} has no row of a weight above 0 in '{weights}'.",
            "A row of weight 0 counts as absent, and a model needs rows.",
            f"check '{weights}', or leave the weights out.",
        )

    @classmethod
    def none_left(cls, read: int, nulls: dict[str, int]) -> EmptySourceError:
        worst = max(nulls, key=lambda name: nulls[name]) if nulls else ""
        empty = [name for name, count in nulls.items() if count >= read]
        if empty:
            has = "has no value" if len(empty) == 1 else "have no value"
            return cls(
                f"{listed(empty)} {has} in any of the {read:,} rows.",
                "A row with a null in a column that is used is left out, so that none is left.",
                f"leave out {listed(empty)} by naming the features you want.",
            )
        counts = ", ".join(f"'{name}' {count:,}" for name, count in nulls.items() if count)
        return cls(
            f"none of the {read:,} rows is left: each has a null in a column that is used.",
            f"Nulls by column: {counts}.",
            f"leave out '{worst}' by naming the features you want.",
        )

    @classmethod
    def no_value(cls, name: str) -> EmptySourceError:
        return cls(
            f"'{name}' has no value in any row that is used.",
            "Where all are null, there is no mean to stand in for them.",
            f"leave '{name}' out of the features.",
        )

    @classmethod
    def none_selected(cls, read: int, condition: str) -> EmptySourceError:
        return cls(
            f"none of the {read:,} rows is taken: where {condition} holds in none.",
            "A model needs rows.",
            "check the condition; a comparison with a null does not hold.",
        )

    @classmethod
    def no_columns(cls, where: str, left_out: dict[str, str]) -> EmptySourceError:
        return cls(
            f"{where} has no column that a model can use.",
            "; ".join(f"'{name}': {reason}" for name, reason in list(left_out.items())[:5]) + "."
            if left_out
            else "It has no columns at all.",
            "check that it is the table you meant.",
        )

    @classmethod
    def no_arguments(cls, name: str) -> EmptySourceError:
        return cls(
            f"{name} is empty: it has 0 rows.",
            "A loss is a mean over rows.",
            "pass at least one row.",
        )


class LengthError(SteepestError, ValueError):
    """Things that go together row by row have different lengths."""

    @classmethod
    def columns(cls, first: str, n: int, second: str, m: int) -> LengthError:
        return cls(
            f"column '{first}' has {counted(n, 'row')}, but '{second}' has {m:,}.",
            "Every column of a table has the same length.",
            "check how the columns were cut.",
        )

    @classmethod
    def names(cls, columns: int, names: int) -> LengthError:
        return cls(
            f"the array has {counted(columns, 'column')}, but names has {names:,}.",
            "Each column needs one name.",
            f"pass {counted(columns, 'name')}.",
        )

    @classmethod
    def of_file(cls, names: Sequence[str], path: str, line: int, fields: int) -> LengthError:
        fitting = [*names, *(f"x{i + 1}" for i in range(len(names), fields))][:fields]
        return cls(
            f"{counted(len(names), 'name')} {'is' if len(names) == 1 else 'are'} given, but line "
            f"{line:,} of '{path}' has {counted(fields, 'field')}.",
            "Each column needs one name.",
            f"names={fitting}, or skip_lines=1 if that line is no row.",
        )

    @classmethod
    def dimensions(cls, name: str, shape: tuple[int, ...], wanted: str) -> LengthError:
        return cls(f"{name} has shape {shape}.", f"It must be {wanted}.", "reshape it first.")

    @classmethod
    def start(cls, shape: tuple[int, ...], names: Sequence[str]) -> LengthError:
        return cls(
            f"w has shape {shape}, but there are {counted(len(names), 'coefficient')}.",
            f"They are {listed(names)}." if names else "",
            "start from a dict: w={'" + (names[0] if names else "x") + "': 1.0}",
        )

    @classmethod
    def arguments(cls, first: str, n: int, second: str, m: int) -> LengthError:
        return cls(
            f"{first} has {counted(n, 'row')}, but {second} has {m:,}.",
            "Each row of the one needs its row of the other.",
            "check how the two were cut.",
        )

    @classmethod
    def prediction(cls, got: tuple[int, ...], wanted: tuple[int, ...]) -> LengthError:
        return cls(
            f"forward returned shape {got}, but y has shape {wanted}.",
            "Subtracting the two would broadcast to a table of differences, not one a row.",
            "make forward return one number a row, or reshape y.",
        )
