"""Messages about sums: what cannot be added, and what would not fit."""

from __future__ import annotations

from collections.abc import Sequence

from .words import SteepestError, counted, listed


class MomentsError(SteepestError, ValueError):
    """Sums that cannot be added, or would not fit."""

    @classmethod
    def too_many_rows(cls, count: int) -> MomentsError:
        return cls(
            f"the rows would count {count:,} times.",
            "Levels are counted in doubles, which hold whole numbers up to 2⁵³.",
            "weigh them analytically: weight_kind='analytic'",
        )

    @classmethod
    def names(cls, missing: Sequence[str], extra: Sequence[str]) -> MomentsError:
        sides = [
            f"{side} has {listed(names)} besides"
            for side, names in (("the left", missing), ("the right", extra))
            if names
        ]
        return cls(
            f"these moments have different columns: {', '.join(sides)}.",
            "Sums over different columns cannot be added.",
            "scan both with the same columns=[...]",
        )

    @classmethod
    def precision(cls, first: str, second: str) -> MomentsError:
        return cls(
            f"the left are {first} sums, the right {second} ones.",
            "Added, they would be neither.",
            f"scan both with precision='{'exact' if 'exact' in (first, second) else first}'",
        )

    @classmethod
    def weights(cls, first: str, second: str) -> MomentsError:
        return cls(
            f"the left were scanned with {first}, the right with {second}.",
            "Rows that count by different measures cannot be added.",
            "scan both with the same weights and weight_kind.",
        )

    @classmethod
    def not_exact(cls) -> MomentsError:
        return cls(
            "these sums are in double precision.",
            "They were rounded on the way, so that rows cannot be taken away again, and equal rows "
            "need not have equal sums.",
            "scan with precision='exact'",
        )

    @classmethod
    def not_contained(cls, reason: str) -> MomentsError:
        return cls(
            f"the rows to be taken away are not all there: {reason}.",
            "The difference would be the sums of no rows.",
            "take away only what was added.",
        )

    @classmethod
    def too_many_patterns(cls, patterns: int, columns: Sequence[str]) -> MomentsError:
        return cls(
            f"nulls fall in {patterns:,} different combinations over {listed(columns)}.",
            "Sums are kept for each combination of null columns, up to 256.",
            "say which columns are wanted: columns=[...], or target= and features=",
        )

    @classmethod
    def repeated(cls, source: str, rows: int, part: str) -> MomentsError:
        return cls(
            f"a part stands twice: {source}, {counted(rows, 'row')}, id {part[:12]}.",
            "Its rows would count twice.",
            "leave it out once, or allow it with allow_overlap=True.",
        )

    @classmethod
    def too_wide(cls, terms: int, limit: int, eliminated: str) -> MomentsError:
        beside = f"beside the levels of '{eliminated}', which go first, " if eliminated else ""
        hint = "name fewer features, or pool the levels of few rows: rare=100."
        return cls(
            f"{beside}the model would have {terms:,} coefficients, which need "
            f"{16 * terms * terms / 1e9:,.1f} GB of memory to solve.",
            f"At most {limit:,} are solved together, and one category of exact sums goes first.",
            hint,
        )

    @classmethod
    def too_many_levels(cls, name: str, levels: int, limit: int, numbers: int) -> MomentsError:
        size = max(1, 10 * limit * (numbers + 4) * 50 // 1_000_000)
        return cls(
            f"'{name}' has over {limit:,} levels ({levels:,} so far).",
            f"Each keeps sums of its own beside {counted(numbers, 'number')}; ten times as many "
            f"would take about {size:,} MB of memory.",
            f"leave '{name}' out, cut it down to its most frequent values, or allow more: "
            f"max_levels={10 * limit}.",
        )

    @classmethod
    def filters(cls, first: str, second: str) -> MomentsError:
        left, right = (f"where {text}" if text else "without a filter" for text in (first, second))
        return cls(
            f"the left were scanned {left}, the right {right}.",
            "Rows chosen by different measures are not one table.",
            "scan both with the same where.",
        )

    @classmethod
    def formed(cls, name: str, first: str, second: str) -> MomentsError:
        return cls(
            f"'{name}' is {first} on the left and {second} on the right.",
            "Sums of different columns cannot be added, whatever their name.",
            "scan both with the same formula; give knots in numbers: spline(x, knots=[1, 2, 3]).",
        )

    @classmethod
    def aliased(cls, name: str, fixed: Sequence[str]) -> MomentsError:
        found = f"{listed(fixed)} vary only between the levels of '{name}'"
        if len(fixed) == 1:
            found = f"'{fixed[0]}' varies only between the levels of '{name}'"
        other = f"the other columns are not determined beside the levels of '{name}'"
        return cls(
            f"{found if fixed else other}.",
            "A column that does not vary within its levels is a sum of them.",
            f"leave out {listed(fixed) if fixed else 'one of them'}, or '{name}', or add a "
            "penalty: l2=0.01",
        )

    @classmethod
    def no_path(cls, name: str, terms: int) -> MomentsError:
        return cls(
            f"'{name}' makes {terms:,} coefficients, whose descent would need "
            f"{16 * terms * terms / 1e9:,.1f} GB of memory.",
            "Its levels are eliminated one by one instead, which gives the limit and no epochs.",
            "leave epochs and learning_rate unset, or pool rare levels: rare=100.",
        )
