"""Messages about files of our own, and about places to write to."""

from __future__ import annotations

from collections.abc import Sequence

from .words import SteepestError

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq", ".arrow", ".feather", ".ipc")
"""Endings of tables, which models and moments do not have."""


class ModelFileError(SteepestError, ValueError):
    """A model file that is not whole, not ours, or from the future."""

    @classmethod
    def of(cls, path: str, reason: str) -> ModelFileError:
        return cls(
            f"'{path}' is not a whole model file: {reason}.",
            "Its last line must be the SHA-256 of every byte above it.",
            f"the model comes first: steepest predict model.json '{path}'"
            if path.lower().endswith(TABLES)
            else "save the model again, or take the file from a backup.",
        )

    @classmethod
    def unreadable(cls, path: str, reason: str) -> ModelFileError:
        return cls(
            f"'{path}' cannot be read: {reason}.",
            "A model file was expected there.",
            "check the path; models are written by Model.save or with -o.",
        )

    @classmethod
    def moments(cls, path: str) -> ModelFileError:
        return cls(
            f"'{path}' holds moments, not a model.",
            "Moments know every model of their columns, and none of them in particular.",
            f"steepest fit '{path}' --target y -o model.json",
        )

    @classmethod
    def newer(cls, path: str, version: object, known: int) -> ModelFileError:
        return cls(
            f"'{path}' has format {version}; this steepest reads up to {known}.",
            "A later release wrote it, and may mean other things by it.",
            "pip install --upgrade steepest",
        )


class MomentsFileError(SteepestError, ValueError):
    """A moments file that is not whole, not ours, or from the future."""

    @classmethod
    def of(cls, path: str, reason: str) -> MomentsFileError:
        return cls(
            f"'{path}' is not a whole moments file: {reason}.",
            "Its last 32 bytes must be the SHA-256 of every byte before them.",
            f"scan it first: steepest scan '{path}' -o table.moments"
            if path.lower().endswith(TABLES)
            else "scan the table again, or take the file from a backup.",
        )

    @classmethod
    def unreadable(cls, path: str, reason: str) -> MomentsFileError:
        return cls(
            f"'{path}' cannot be read: {reason}.",
            "A moments file was expected there.",
            "check the path; moments are written by Moments.save or by steepest scan -o.",
        )

    @classmethod
    def newer(cls, path: str, version: object, known: int) -> MomentsFileError:
        return cls(
            f"'{path}' has format {version}; this steepest reads up to {known}.",
            "A later release wrote it, and may mean other things by it.",
            "pip install --upgrade steepest",
        )


class CheckpointError(SteepestError, ValueError):
    """A checkpoint that is not whole, not ours, or of other work."""

    @classmethod
    def of(cls, path: str, reason: str) -> CheckpointError:
        return cls(
            f"'{path}' is not a whole checkpoint: {reason}.",
            "Its last 32 bytes must be the SHA-256 of every byte before them.",
            "remove the file, and the work starts afresh.",
        )

    @classmethod
    def unreadable(cls, path: str, reason: str) -> CheckpointError:
        return cls(
            f"'{path}' cannot be read: {reason}.",
            "A checkpoint was expected there.",
            "check the path, or name another place: checkpoint='run.ckpt'",
        )

    @classmethod
    def newer(cls, path: str, version: object, known: int) -> CheckpointError:
        return cls(
            f"'{path}' has format {version}; this steepest reads up to {known}.",
            "A later release wrote it, and may mean other things by it.",
            "pip install --upgrade steepest",
        )

    @classmethod
    def another(cls, path: str, differences: Sequence[str]) -> CheckpointError:
        return cls(
            f"'{path}' is the checkpoint of another descent: {'; '.join(differences)}.",
            "Only the same descent can go on as if it had never stopped.",
            "give the arguments of then, or another checkpoint.",
        )

    @classmethod
    def another_scan(cls, path: str, differences: Sequence[str]) -> CheckpointError:
        more = f"; {len(differences) - 3:,} more" if len(differences) > 3 else ""
        return cls(
            f"'{path}' is the checkpoint of another scan: {'; '.join(differences[:3])}{more}.",
            "Only the same scan of the same files can go on as if it had never stopped.",
            f"rm '{path}', and the scan starts afresh; or give the files and options of then.",
        )

    @classmethod
    def unrecognised(cls, where: str) -> CheckpointError:
        return cls(
            f"a scan of {where} cannot be taken up again.",
            "Its rows are in no file that stays, and may be others next time.",
            "put the rows into files (Parquet, CSV, ...), or leave checkpoint out.",
        )

    @classmethod
    def elsewhere(cls, where: str, reason: str) -> CheckpointError:
        return cls(
            f"a scan of {where} cannot be taken up again: {reason}.",
            "Nothing would tell whether its rows are the same next time.",
            "leave checkpoint out, or put the rows into a table or a file first.",
        )

    @classmethod
    def unkept(cls, type_name: str) -> CheckpointError:
        return cls(
            f"a {type_name} cannot be kept in a checkpoint.",
            "Only numbers, texts, arrays and containers of them can, so that reading runs nothing.",
            "let the state of the rule be made of those, or leave checkpoint out.",
        )

    @classmethod
    def beyond(cls, path: str, reached: int, epochs: int) -> CheckpointError:
        return cls(
            f"'{path}' is at epoch {reached:,}, and epochs={epochs} is asked for.",
            "A descent does not go back.",
            f"epochs={reached}, or another checkpoint.",
        )


class OutputError(SteepestError, OSError):
    """A place where nothing can be written."""

    @classmethod
    def of(cls, path: str, reason: str) -> OutputError:
        return cls(
            f"'{path}' cannot be written: {reason}.", "", "name another place for the output."
        )

    @classmethod
    def temporary(cls, folder: str, reason: str) -> OutputError:
        return cls(
            f"a temporary file in '{folder}' cannot be written: {reason}.",
            "Standard input, text in xz or another encoding, and what workers keep, need one.",
            "name another folder: TMPDIR=/var/tmp",
        )

    @classmethod
    def no_type(cls, name: str, type_name: str) -> OutputError:
        return cls(
            f"column '{name}' cannot be written to Parquet: it is {type_name}.",
            "Parquet has no type that holds that.",
            f"-o predictions.csv, or leave '{name}' out of what is kept",
        )

    @classmethod
    def ending(cls, path: str) -> OutputError:
        return cls(
            f"'{path}' does not end in .csv or .parquet.",
            "The ending says how the predictions are to be written.",
            "-o predictions.parquet, or -o - for CSV on standard output",
        )
