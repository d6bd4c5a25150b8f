"""Messages about cells, and about formulas that name their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .words import SteepestError, listed, shown


class ValueFoundError(SteepestError, ValueError):
    """A cell that no model can use."""

    @classmethod
    def infinite(cls, value: float, name: str, where: str, row: int) -> ValueFoundError:
        return cls(
            f"column '{name}' of {where} holds {value:+.0f} in row {row:,}.".replace("+inf", "inf"),
            "An infinity makes every sum infinite.",
            "replace it by a null, and its row is dropped and counted.",
        )

    @classmethod
    def beyond(
        cls, value: float, name: str, where: str, row: int, line: int, text: str
    ) -> ValueFoundError:
        missing = f"null=[{text!r}] if it means missing: its row is then dropped and counted."
        held = f"{value:+.0f}".removeprefix("+")
        return cls(
            f"column '{name}' of {where} holds {held} in row {row:,}: line {line:,} has "
            f"'{shown(text)}'.",
            "Doubles end at 1.8e308, and an infinity makes every sum infinite.",
            missing if len(text) <= 40 else "mend that cell, or leave it empty.",
        )

    @classmethod
    def digits(cls, name: str, where: str, row: int, digits: int, limit: int) -> ValueFoundError:
        return cls(
            f"column '{name}' of {where} needs {digits:,} digits, with row {row:,}.",
            f"Decimals are exact up to {limit} digits from the first to the last place.",
            f"round it in the query: round({name}, 20) as {name}, or cast it to double precision.",
        )

    @classmethod
    def endless(cls, name: str, where: str, row: int) -> ValueFoundError:
        return cls(
            f"column '{name}' of {where} holds a time in row {row:,} that is infinite, or too far.",
            "There is no number for it.",
            f"make it null in the query: nullif({name}, 'infinity') as {name}",
        )

    @classmethod
    def overflow(cls, names: Sequence[str], where: str) -> ValueFoundError:
        return cls(
            f"the squares of {listed(names)} in {where} overflow double precision.",
            "Sums of squares are kept as doubles, which end at 1.8e308.",
            "divide the column by a power of ten first.",
        )

    @classmethod
    def underflow(cls, name: str, where: str) -> ValueFoundError:
        return cls(
            f"the squares of '{name}' in {where} underflow double precision.",
            "Its values vary by less than 1e-144, and sums of squares are kept as doubles.",
            "multiply the column by a power of ten first.",
        )

    @classmethod
    def coefficients(cls, names: Sequence[str]) -> ValueFoundError:
        return cls(
            f"no double is large enough for the coefficient of {listed(names)}.",
            "It is in units of the target over the column's, and doubles end at 1.8e308.",
            "multiply the column by a power of ten first.",
        )

    @classmethod
    def vanishing(cls, names: Sequence[str]) -> ValueFoundError:
        return cls(
            f"doubles lose the digits of the coefficient of {listed(names)}.",
            "It is in units of the target over the column's, and doubles below 2.2e-308 have few.",
            "divide the column by a power of ten first.",
        )

    @classmethod
    def unscaled(cls, names: Sequence[str]) -> ValueFoundError:
        return cls(
            f"the squares of {listed(names)} are no doubles, and scale='none' descends on them.",
            "Doubles end at 1.8e308, and lose digits below 1e-290.",
            "leave scale unset: columns are then divided by their standard deviation.",
        )

    @classmethod
    def null(cls, name: str, where: str, row: int) -> ValueFoundError:
        return cls(
            f"column '{name}' of {where} is null in row {row:,}.",
            "The model needs it, and nulls are refused as asked.",
            "fill the cell, or leave strict out: the prediction is then null too.",
        )

    @classmethod
    def unseen(
        cls, name: str, level: str, where: str, row: int, known: Sequence[str]
    ) -> ValueFoundError:
        return cls(
            f"column '{name}' of {where} holds '{level}' in row {row:,}, which the model has not "
            "seen.",
            f"It was fitted on {listed(known, limit=6)}.",
            "fit again with rows of that level, or predict with unseen='null'.",
        )

    @classmethod
    def power(cls, name: str, base: str, value: float, where: str, row: int) -> ValueFoundError:
        return cls(
            f"'{name}' of {where} is no double any more in row {row:,}, where '{base}' is "
            f"{value:.6g}.",
            "Doubles end at 1.8e308, and lose digits below 1e-270.",
            f"divide or multiply '{base}' by a power of ten first.",
        )

    @classmethod
    def undefined(cls, name: str, base: str, value: float, where: str, row: int) -> ValueFoundError:
        return cls(
            f"'{name}' of {where} is no number in row {row:,}, where '{base}' is {value:.6g}.",
            "A logarithm takes numbers above 0, a root those from 0, and doubles end at 1.8e308.",
            f"leave such rows out: where='{base} {'<' if value > 1 else '>'} "
            f"{700 if value > 1 else 0}'",
        )

    @classmethod
    def between(cls) -> ValueFoundError:
        return cls(
            "a level of a category that is crossed with others holds the character U+001F.",
            "It stands between the levels of categories that are crossed.",
            "replace it in the table first.",
        )

    @classmethod
    def no_range(cls, name: str, base: str, value: float) -> ValueFoundError:
        return cls(
            f"'{name}' has no room for knots: '{base}' is {value:.6g} in every row.",
            "Knots lie between the smallest and the largest value.",
            f"leave '{base}' out: a constant explains nothing.",
        )

    @classmethod
    def product(cls, name: str, a: float, b: float, where: str, row: int) -> ValueFoundError:
        return cls(
            f"'{name}' of {where} is no double any more in row {row:,}: {a:.6g} times {b:.6g}.",
            "Doubles end at 1.8e308, and lose digits below 1e-270.",
            "divide or multiply a column by a power of ten first.",
        )

    @classmethod
    def level(cls, name: str, value: float, where: str, row: int) -> ValueFoundError:
        return cls(
            f"'C({name})' of {where} would have the level {value:.17g} in row {row:,}.",
            "Doubles do not tell whole numbers from 2⁵³ on apart, so levels could run together.",
            f"take it as text, in a file of text by steepest.open_table(path, text=['{name}'])",
        )

    @classmethod
    def time(cls, name: str, value: str, type_name: str) -> ValueFoundError:
        return cls(
            f"'{value}' is no time that column '{name}' ({type_name}) could hold.",
            "Times are written as 2024-03-31, or 2024-03-31 15:30:00.",
            f"write it like {name} >= '2024-03-31'.",
        )

    @classmethod
    def nulls(cls, counts: Mapping[str, int], first: str) -> ValueFoundError:
        found = ", ".join(f"'{name}' {count:,}" for name, count in counts.items())
        place = f" The first is in {first}." if first else ""
        return cls(
            f"there are nulls in the columns of the fit: {found}.{place}",
            "They are refused as asked.",
            "leave missing unset to drop such rows, or choose missing='mean' or 'indicator'.",
        )

    @classmethod
    def weight(cls, value: float, name: str, where: str, row: int) -> ValueFoundError:
        return cls(
            f"weights '{name}' of {where} hold {value:.6g} in row {row:,}.",
            "A weight says how much a row counts: it is finite and at least 0.",
            "give the row weight 0, or a null, and it does not count.",
        )

    @classmethod
    def frequency(cls, value: float, name: str, where: str, row: int) -> ValueFoundError:
        return cls(
            f"weights '{name}' of {where} hold {value:.6g} in row {row:,}.",
            "A frequency says how often a row stands for itself: a whole number up to 2⁵³.",
            "use weight_kind='analytic' for weights that are no counts.",
        )


class FormulaError(SteepestError, ValueError):
    """A formula that cannot be read."""

    @classmethod
    def _at(cls, text: str, place: int, why: str) -> FormulaError:
        rest = f"character {place + 1}, '{text[place : place + 20]}'"
        return cls(
            f"the formula '{text}' makes no sense at {rest if text[place:] else 'its end'}.",
            why,
            "write it like 'y ~ x + C(city) + log(age) + x:age', other names in `...`.",
        )

    @classmethod
    def condition(cls, text: str, place: int, what: str) -> FormulaError:
        rest = f"character {place + 1}, '{text[place : place + 20]}'"
        return cls(
            f"the condition '{text}' makes no sense at {rest if text[place:] else 'its end'}.",
            f"Here {what} is expected.",
            "write it like \"area > 10 and city in ('Oslo', 'Bergen')\", other names in `...`.",
        )

    @classmethod
    def expected(cls, text: str, place: int, what: str) -> FormulaError:
        return cls._at(text, place, f"Here {what} is expected.")

    @classmethod
    def function(cls, text: str, place: int, name: str, known: Sequence[str]) -> FormulaError:
        return cls._at(
            text, place, f"'{name}' is no function; there are {listed(known, limit=30)}."
        )

    @classmethod
    def repeated(cls, text: str, place: int, name: str) -> FormulaError:
        return cls._at(text, place, f"This term of '{name}' stands twice.")

    @classmethod
    def target(cls, text: str, target: str) -> FormulaError:
        return cls._at(text, 0, f"The target '{target}' cannot explain itself.")

    @classmethod
    def no_terms(cls, text: str) -> FormulaError:
        return cls._at(text, len(text), "There is no column to explain the target.")
