"""Messages about folds, studies and selections."""

from __future__ import annotations

from collections.abc import Sequence

from .fits import OptionError
from .words import SteepestError, counted, listed


class FoldsError(SteepestError, ValueError):
    """Folds that cannot be made, or do not fit together."""

    @classmethod
    def null(cls, name: str, where: str, row: int) -> FoldsError:
        return cls(
            f"'{name}' is null in row {row:,} of {where}.",
            "It says which fold a row belongs to, and a null says none.",
            f"leave such rows out: where=\"'{name}' is not null\"",
        )

    @classmethod
    def too_many(cls, name: str, limit: int) -> FoldsError:
        return cls(
            f"'{name}' has over {limit:,} values.",
            "Each would be a fold with sums of its own.",
            "name a column of fewer values, or make folds by hash: folds=5",
        )

    @classmethod
    def large(cls, name: str, value: float) -> FoldsError:
        return cls(
            f"'{name}' would make a fold of {value:.17g}.",
            "Doubles do not tell whole numbers from 2⁵³ on apart, so folds could run together.",
            f"take it as text, in a file of text by steepest.open_table(path, text=['{name}'])",
        )

    @classmethod
    def empty(cls, labels: Sequence[str], rule: str, where: str) -> FoldsError:
        folds = "fold" if len(labels) == 1 else "folds"
        return cls(
            f"{folds} {listed(labels)} of '{rule}' would have no row of {where}.",
            "A model cannot be judged on no rows.",
            "make fewer folds, or give each as many rows: folds='contiguous:2'",
        )

    @classmethod
    def few_times(cls, name: str, times: int, count: int) -> FoldsError:
        return cls(
            f"'{name}' has {counted(times, 'time')} or too many rows at some of them for "
            f"{counted(count, 'fold')}.",
            "Rows of the same time share a fold, so that some folds would be empty.",
            f"make fewer folds: folds='time:{name}:2'",
        )

    @classmethod
    def single(cls, rule: str, label: str, where: str) -> FoldsError:
        return cls(
            f"all rows of {where} are in one fold of '{rule}', '{label}'.",
            "With it left out nothing is left to train on.",
            "make folds by hash: folds=5",
        )

    @classmethod
    def differ(cls, first: str, second: str) -> FoldsError:
        return cls(
            f"the left were scanned with {first}, the right with {second}.",
            "Folds are chosen before the scan, and rows of other folds have no place in them.",
            "scan with the same folds: folds=moments.folds.rule",
        )

    @classmethod
    def missing(cls) -> FoldsError:
        return cls(
            "the moments were scanned without folds.",
            "A study judges models by rows that they have not seen.",
            "choose folds at the scan: steepest.scan(table, folds=5)",
        )

    @classmethod
    def unknown(cls, label: str, labels: Sequence[str]) -> FoldsError:
        return cls(
            f"there is no fold '{label}'.",
            f"There are {listed(labels)}.",
            f"name one of these {counted(len(labels), 'fold')}.",
        )

    @classmethod
    def untrained(cls, labels: Sequence[str], reason: str) -> FoldsError:
        return cls(
            f"without {listed(labels)} there is nothing to train on: {reason}",
            "Each fold is judged by models of the others.",
            "make other folds, or leave out columns of many nulls.",
        )

    @classmethod
    def unjudged(cls, label: str, reason: str) -> FoldsError:
        return cls(
            f"fold '{label}' has no row that can be used: {reason}",
            "A model cannot be judged on no rows.",
            "make fewer folds, or leave out columns of many nulls.",
        )

    @classmethod
    def unread(cls, where: str) -> FoldsError:
        return cls(
            f"{where} can be read only once.",
            "Where contiguous folds or blocks of time end is known when the rows were counted.",
            "make folds by hash, in one pass: folds=5",
        )


class StudyError(OptionError):
    """Settings of a study that do not go together."""

    @classmethod
    def beside_ratio(cls) -> StudyError:
        return cls(
            "l1_ratio is given, and l2 too.",
            "An elastic net's penalty is parted into l1 and l2 by its ratio.",
            "give l1 and l2 alone, or l1 and l1_ratio.",
        )

    @classmethod
    def endless_rates(cls) -> StudyError:
        return cls(
            "learning_rate is given, and no epochs.",
            "At the limit of the descent all rates have come to the same.",
            "say how many epochs: epochs=[10, 100, 1000]",
        )

    @classmethod
    def folded(cls) -> StudyError:
        return cls(
            "folds are given, and the source is moments.",
            "Folds are chosen at the scan, row by row.",
            "leave folds out, or scan the table again: steepest.scan(table, folds=5)",
        )

    @classmethod
    def several_targets(cls, targets: Sequence[str]) -> StudyError:
        return cls(
            f"the study has {counted(len(targets), 'target')}: {listed(targets)}.",
            "Their errors are in different units.",
            f"ask for one of them: study['{targets[0]}'].best",
        )
