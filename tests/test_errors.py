"""Every message, rendered: one golden file, and the form that each of them keeps."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path

import pytest

from steepest import errors

GOLDEN = Path(__file__).parent / "recorded" / "messages.txt"
EXAMPLES = {
    "along": ["area", "rooms"], "asked": "w", "base": "area", "batch": 1,
    "beside": ["homes.csv"], "best": 0.5, "both": ["rooms", "price"], "coefficients": 9,
    "columns": 5,
    "data": ["x"], "encoding": "UTF-16", "end": 2.7e7, "epoch": 4, "expected": 3, "extra": ["c"],
    "extra_name": "torch", "found": "", "first": "area", "first_kind": "number", "got": 2,
    "formula": "2/L", "growth": 34.4, "hint": None,
    "kind": "number", "known": ["standard", "none"], "left_out": {"when": "it is a time"},
    "level": "Oslo", "levels": ["Bergen", "Oslo"], "limit": 0.565, "line": "7", "loss": 9.0,
    "m": 4, "momentum": 0.0, "missing": ["b"], "n": 3, "name": "pirce",
    "names": ["area", "rooms", "price"],
    "nulls": {"area": 7, "rooms": 3}, "other": "category", "package": "torch", "path": "homes.csv",
    "others": "columns", "pattern": False, "patterns": 300, "place": 4, "power": 2, "rate": 10.0,
    "read": 10, "reason": "it was cut off",
    "relations": ["c = a + b"], "role": "target", "row": 12, "rows": 3, "rule": "gradient descent",
    "second": "rooms", "seconds": 60.0, "shape": (3, 4), "smoothness": 3.54, "start": 6.25,
    "target": "y", "terms": 20_000, "text": "y ~ x ++ x", "times": 2, "type_name": "timestamp[s]",
    "value": float("inf"), "version": 7, "w": "a float",
    "wanted": (3,), "what": "Parquet", "where": "'homes.csv'", "word": "number",
}  # fmt: skip
SPECIAL = {
    ("OptionError", "outside", "wanted"): "a number of at least 0",
    ("OptionError", "outside", "hint"): "leave l2 unset.",
    ("OptionError", "outside", "name"): "l2",
    ("OptionError", "outside", "value"): -1,
    ("OptionError", "unknown", "name"): "scale",
    ("OptionError", "unknown", "value"): "standart",
    ("LengthError", "dimensions", "wanted"): "one-dimensional",
    ("LengthError", "names", "names"): 4,
    ("LengthError", "prediction", "got"): (3, 1),
    ("GradientError", "shape", "got"): (4,),
    ("GradientError", "shape", "wanted"): (),
    ("GradientError", "loss_shape", "got"): (4,),
    ("ColumnKindError", "cell", "value"): "abc",
    ("ColumnKindError", "unusable", "kind"): "time",
    ("ModelFileError", "newer", "known"): 1,
    ("LengthError", "arguments", "first"): "x",
    ("LengthError", "arguments", "second"): "y",
    ("MomentsError", "too_many_patterns", "columns"): ["a", "b", "c"],
    ("MomentsError", "too_wide", "limit"): 10_000,
    ("OptionError", "no_closed_form", "what"): "effective parameters",
    ("OptionError", "no_closed_form", "rule"): "Adam",
    ("OptionError", "endless", "rule"): "Adam",
    ("OptionError", "not_proximal", "rule"): "Adam",
    ("OptionError", "rateless", "name"): "schedule",
    ("OptionError", "rateless", "rule"): "L-BFGS",
    ("OptionError", "searched_rate", "rule"): "L-BFGS",
    ("OptionError", "without_momentum", "rule"): "Adam",
    ("OptionError", "forgotten", "rule"): "a rule of yours",
    ("ValidationError", "scanned_whole", "share"): "0.2",
    ("ValidationError", "scanned_whole", "rule"): "held:0.2:0",
    ("ValidationError", "empty", "share"): 0.2,
    ("ValidationError", "empty", "seed"): 0,
    ("ValidationError", "empty", "reason"): "fold 'train' would have no row.",
    ("ValidationError", "not_a_side", "column"): "split",
    ("ValidationError", "not_a_side", "labels"): ["test", "train"],
    ("ValidationError", "one_sided", "column"): "held",
    ("ValidationError", "one_sided", "label"): "false",
    ("ValidationError", "nowhere", "name"): "hedl",
    ("ValidationError", "nowhere", "known"): ["area", "held"],
    ("DivergedError", "not_finite", "loss"): float("nan"),
    ("KernelError", "missing", "variable"): "STEEPEST_KERNEL",
    ("KernelError", "missing", "wanted"): "c",
    ("OptionError", "mixed", "names"): ["x", "y"],
    ("MomentsError", "precision", "first"): "double",
    ("MomentsError", "precision", "second"): "exact",
    ("MomentsError", "weights", "first"): "analytic weights 'w'",
    ("MomentsError", "weights", "second"): "no weights",
    ("MomentsError", "not_contained", "reason"): "sums are left, and no rows",
    ("OptionError", "mixed", "beside"): ["w"],
    ("ProgramError", "unreadable", "path"): "train.py",
    ("ProgramError", "unreadable", "reason"): "there is no such file",
    ("ProgramError", "unfinished", "path"): "train.py",
    ("ProgramError", "crashed", "path"): "train.py",
    ("ProgramError", "crashed", "reason"): "exit code 3",
    ("ColumnKindError", "differs", "first"): "'2025.csv'",
    ("ColumnKindError", "differs", "second"): "'2026.csv'",
    ("ValueFoundError", "unseen", "known"): ["Bergen", "Voss"],
    ("EmptySourceError", "no_arguments", "name"): "x",
    ("GradientError", "nothing", "name"): "forward",
    ("SourceError", "empty_folder", "path"): "homes",
    ("DatabaseError", "unquoted", "what"): "an '@' too many",
    ("DatabaseError", "unreached", "name"): "'homes' on 'localhost:5432'",
    ("DatabaseError", "unreached", "reason"): 'database "homes" does not exist',
    ("DatabaseError", "lost", "reason"): "server closed the connection unexpectedly",
    ("DatabaseError", "locked", "reason"): "canceling statement due to lock timeout",
    ("DatabaseError", "vendor", "vendor"): "SQLite",
    ("DatabaseError", "foreign", "kind"): "psycopg2",
    ("ValueFoundError", "digits", "digits"): 80,
    ("ValueFoundError", "digits", "limit"): 76,
    ("StoreError", "of", "url"): "s3://tables/homes.csv",
    ("StoreError", "of", "reason"): "AWS Error ACCESS_DENIED during HeadObject operation: No.",
    ("StoreError", "options", "url"): "s3://tables/homes.csv",
    ("StoreError", "options", "names"): ["retries"],
    ("StoreError", "options", "known"): ["region", "scheme"],
    ("StoreError", "no_bucket", "scheme"): "s3",
    ("StoreError", "web", "scheme"): "https",
    ("StoreError", "another_machine", "host"): "other",
    ("SourceError", "mixed", "pattern"): "homes/*",
    ("SourceError", "mixed", "first"): "homes/1.csv",
    ("SourceError", "mixed", "other"): "homes/2.parquet",
    ("SourceError", "mixed", "ending"): ".csv",
    ("ColumnNotFoundError", "elsewhere", "first"): "'2026.csv'",
    ("ColumnNotFoundError", "elsewhere", "second"): "'2025.csv'",
    ("SourceError", "altered", "before"): 1_234,
    ("SourceError", "altered", "after"): 1_300,
    ("DatabaseError", "scheme", "scheme"): "postgresql",
    ("DatabaseError", "options", "scheme"): "sqlite",
    ("DatabaseError", "options", "names"): ["mode", "cache"],
    ("DatabaseError", "unopened", "path"): "homes.db",
    ("DatabaseError", "nothing_asked", "database"): "'homes.db'",
    ("DatabaseError", "nothing_asked", "known"): ["homes", "sales"],
    ("DatabaseError", "no_table", "database"): "'homes.db'",
    ("DatabaseError", "no_table", "name"): "hoems",
    ("DatabaseError", "no_table", "known"): ["homes", "sales"],
    ("DatabaseError", "no_select", "where"): "the query of 'homes.db'",
    ("SourceError", "failed", "where"): "the relation",
    ("SourceError", "failed", "reason"): "Conversion Error: 'abc' is no INT32",
    ("SourceError", "exhausted", "where"): "the reader",
    ("SourceError", "shuffled", "where"): "the loader",
    ("SourceError", "line", "number"): 7,
    ("SourceError", "undecodable", "encoding"): "ascii",
    ("SourceError", "undecodable", "reason"): "'ascii' codec can't decode byte 0xc3 in position 2",
    ("SourceError", "decimal_comma", "name"): "area",
    ("SourceError", "decimal_comma", "value"): "70,5",
    ("SourceError", "decimal_comma", "delimiter"): ";",
    ("SourceError", "ragged", "line"): 7,
    ("SourceError", "not_utf8", "line"): 7,
    ("SourceError", "not_utf8", "encoding"): "",
    ("SourceError", "unclosed_quote", "line"): 7,
    ("SourceError", "unclosed_quote", "shown"): '"The Old',
    ("SourceError", "stray_quote", "line"): 7,
    ("SourceError", "stray_quote", "shown"): '5" pipe',
    ("SourceError", "long_field", "line"): 7,
    ("SourceError", "mark_inside", "line"): 7,
    ("SourceError", "long_field", "found"): 31_457_280,
    ("SourceError", "long_field", "most"): 1_048_576,
    ("SourceError", "expanded", "most"): 1_000_000_000,
    ("ColumnKindError", "mixed", "name"): "area",
    ("SourceError", "no_text", "what"): "Parquet",
    ("ColumnKindError", "beside", "one"): "row 1 has 70",
    ("ColumnKindError", "beside", "other"): "row 4 has 'about 70'",
    ("CheckpointError", "elsewhere", "reason"): "the server is a standby of another",
    ("ColumnKindError", "mixed", "cell"): (2, "m²"),
    ("ColumnKindError", "mixed", "example"): (3, "70"),
    ("ColumnKindError", "mixed", "odd"): "text",
    ("ColumnKindError", "mixed", "under_header"): True,
    ("ColumnNameError", "nameless", "names"): ["", "area", "price"],
    ("ValueFoundError", "beyond", "name"): "area",
    ("ValueFoundError", "beyond", "line"): 13,
    ("ValueFoundError", "beyond", "text"): "1e400",
    ("SourceError", "line", "path"): "homes.jsonl",
    ("SourceError", "line", "reason"): "the key 'area' stands twice",
    ("ColumnNameError", "in_folder", "name"): "year",
    ("GradientError", "faulty", "name"): "wrong sign",
    ("GradientError", "faulty", "found"): "your gradient is -1 × the true one.",
    ("GradientError", "faulty", "cure"): "use y_pred - y, not y - y_pred.",
    ("OptionError", "libraries", "torch"): ["x", "y"],
    ("OptionError", "libraries", "jax"): ["w"],
    ("OptionError", "devices", "places"): {"x": "cuda:0", "w": "cpu"},
    ("OptionError", "own_rate", "rate"): 0.1,
    ("OptionError", "other_library", "type_name"): "SGD",
    ("OptionError", "other_library", "wanted"): "torch",
    ("OptionError", "other_library", "kind"): "numpy",
    ("OptionError", "tied", "first"): "a",
    ("OptionError", "tied", "second"): "b",
    ("OptionError", "strangers", "count"): 1,
    ("OptionError", "strangers", "total"): 3,
    ("DivergedError", "rose_unruled", "rule"): "torch.optim.SGD",
    ("GradientError", "structure", "name"): "layer[0].bias",
    ("GradientError", "leaf_shape", "name"): "layer[0].bias",
    ("GradientError", "leaf_shape", "got"): (4,),
    ("GradientError", "untraceable", "reason"): "TracerArrayConversionError",
    ("GradientError", "untrained", "name"): "Linear",
    ("CheckpointError", "of", "path"): "run.ckpt",
    ("CheckpointError", "unreadable", "path"): "run.ckpt",
    ("CheckpointError", "newer", "path"): "run.ckpt",
    ("CheckpointError", "newer", "known"): 1,
    ("CheckpointError", "another", "path"): "run.ckpt",
    ("CheckpointError", "another", "differences"): ["seed was 0, and is 1"],
    ("CheckpointError", "unkept", "type_name"): "Generator",
    ("CheckpointError", "beyond", "path"): "run.ckpt",
    ("CheckpointError", "beyond", "reached"): 20,
    ("CheckpointError", "beyond", "epochs"): 10,
    ("CheckpointError", "another_scan", "path"): "june.part",
    ("CheckpointError", "another_scan", "differences"): [
        "the condition was not given, and is area > 10",
        "'june.csv' has changed",
        "'july.csv' was not among the files",
        "'may.csv' was among the files",
    ],
    ("WorkerError", "unreachable", "address"): "tcp://cluster:8786",
    ("WorkerError", "lost", "address"): "tcp://cluster:8786",
    ("WorkerError", "lonely", "address"): "tcp://cluster:8786",
    ("WorkerError", "unreachable", "reason"): "Timed out",
    ("WorkerError", "version", "host"): "node7",
    ("WorkerError", "version", "theirs"): "0.1.0 (c, avx2)",
    ("WorkerError", "version", "ours"): "0.2.0 (c, avx2)",
    ("WorkerError", "unstarted", "count"): 8,
    ("WorkerError", "unstarted", "reason"): "Too many open files",
    ("WorkerError", "unwilling", "reason"): "cannot schedule new futures after shutdown",
    ("OutputError", "temporary", "folder"): "/tmp",
    ("OutputError", "temporary", "reason"): "No space left on device",
    ("WorkerError", "no_file", "host"): "node7",
    ("WorkerError", "no_file", "path"): "data/homes.csv",
    ("WorkerError", "strange", "reason"): "No module named 'steepest'",
    ("SourceError", "broken_off", "reason"): "Stale file handle",
    ("SourceError", "no_race", "where"): "'homes.csv'",
    ("SourceError", "changed", "rows"): 344,
    ("TooLargeError", "columns", "columns"): 100_000,
    ("TooLargeError", "columns", "needed"): 80_000_000_000,
    ("TooLargeError", "columns", "free"): 16_000_000_000,
    ("TooLargeError", "columns", "fitting"): 20_000,
    ("TooLargeError", "rows", "rows"): 500_000_000,
    ("TooLargeError", "rows", "width"): 20,
    ("TooLargeError", "rows", "needed"): 84_000_000_000,
    ("TooLargeError", "rows", "free"): 16_000_000_000,
    ("TooLargeError", "rows", "fitting"): 23_809_523,
    ("FoldsError", "null", "name"): "region",
    ("FoldsError", "too_many", "name"): "region",
    ("FoldsError", "too_many", "limit"): 1_000,
    ("FoldsError", "large", "name"): "shop",
    ("FoldsError", "large", "value"): 2.0**53,
    ("FoldsError", "empty", "labels"): ["3", "5"],
    ("FoldsError", "empty", "rule"): "hash:5:0",
    ("FoldsError", "few_times", "name"): "when",
    ("FoldsError", "few_times", "times"): 3,
    ("FoldsError", "few_times", "count"): 5,
    ("FoldsError", "single", "rule"): "column:region",
    ("FoldsError", "single", "label"): "north",
    ("FoldsError", "differ", "first"): "folds 'hash:5:0'",
    ("FoldsError", "differ", "second"): "no folds",
    ("FoldsError", "unknown", "label"): "6",
    ("FoldsError", "unknown", "labels"): ["1", "2", "3"],
    ("FoldsError", "untrained", "labels"): ["2"],
    ("FoldsError", "untrained", "reason"): "none of the 3 rows is left.",
    ("FoldsError", "unjudged", "label"): "2",
    ("FoldsError", "unjudged", "reason"): "none of the 3 rows is left.",
    ("PackageError", "missing", "package"): "matplotlib",
    ("SourceError", "of_database", "path"): "homes.db",
    ("SourceError", "of_database", "scheme"): "sqlite",
    ("PackageError", "missing", "extra"): "plot",
    ("StudyError", "several_targets", "targets"): ["price", "rent"],
    ("OptionError", "pathless", "method"): "lasso",
    ("OptionError", "limit_only", "name"): "l1",
    ("OptionError", "nothing_to_scale", "name"): "penalties",
    ("OptionError", "nothing_to_scale", "needed"): "l1 or l2",
    ("OptionError", "beside", "name"): "formula",
    ("OptionError", "missing", "name"): "target",
    ("OptionError", "missing", "hint"): "target='price'",
    ("EmptySourceError", "no_weight", "weights"): "times",
    ("MomentsError", "too_many_rows", "count"): 2**53 + 1,
    ("ValueFoundError", "weight", "value"): -1.0,
    ("ValueFoundError", "frequency", "value"): 1.5,
    ("ValueFoundError", "power", "name"): "area^2",
    ("ValueFoundError", "power", "value"): 1e200,
    ("FormulaError", "expected", "place"): 7,
    ("FormulaError", "expected", "what"): "a column",
    ("FormulaError", "repeated", "text"): "y ~ x + x",
    ("FormulaError", "repeated", "place"): 8,
    ("FormulaError", "repeated", "name"): "x",
    ("FormulaError", "target", "text"): "y ~ y",
    ("FormulaError", "no_terms", "text"): "y ~ 0",
    ("SourceError", "no_header", "names"): ["3.5", "2", "1995"],
    ("LengthError", "of_file", "names"): ["area", "rooms"],
    ("LengthError", "of_file", "fields"): 3,
    ("LengthError", "of_file", "line"): 7,
    ("ColumnNameError", "of_spreadsheet", "mark"): ";",
    ("SourceNotFoundError", "of", "path"): "hoems.csv",
    ("SourceNotFoundError", "link", "to"): "../homes.csv",
    ("ModelFileError", "moments", "path"): "june.moments",
    ("MomentsError", "repeated", "part"): "8f6a104b9b21ac09",
    ("MomentsError", "repeated", "source"): "'june.csv'",
    ("MomentsFileError", "newer", "known"): 1,
    ("MomentsFileError", "newer", "path"): "june.moments",
    ("MomentsFileError", "of", "path"): "june.moments",
    ("MomentsFileError", "unreadable", "path"): "june.moments",
    ("OptionError", "other_precision", "asked"): "double",
    ("OptionError", "other_precision", "found"): "exact",
    ("SourceError", "moments_beside", "other"): "july.csv",
    ("SourceError", "moments_beside", "path"): "june.moments",
    ("SourceError", "scanned", "path"): "june.moments",
    ("ColumnKindError", "formed", "name"): "log(city)",
    ("ColumnKindError", "formed", "base"): "city",
    ("ColumnKindError", "formed", "type_name"): "string",
    ("ColumnKindError", "no_time", "function"): "hour",
    ("ColumnKindError", "lossy", "value"): "about 70",
    ("ColumnKindError", "lossy", "kind"): "number",
    ("ColumnKindError", "no_time", "name"): "built",
    ("ColumnKindError", "no_time", "type_name"): "date32[day]",
    ("ColumnKindError", "compared", "type_name"): "double",
    ("ColumnKindError", "compared", "value"): "Oslo",
    ("ColumnNotFoundError", "formed", "name"): "log(area)",
    ("EmptySourceError", "none_selected", "condition"): "area > 10000.0",
    ("ValueFoundError", "undefined", "name"): "log(area)",
    ("ValueFoundError", "undefined", "value"): -1.0,
    ("ValueFoundError", "product", "name"): "area:rooms",
    ("ValueFoundError", "product", "a"): 1e200,
    ("ValueFoundError", "product", "b"): 1e200,
    ("ValueFoundError", "level", "value"): 1e17,
    ("ValueFoundError", "time", "name"): "built",
    ("ValueFoundError", "time", "value"): "yesterday",
    ("ValueFoundError", "time", "type_name"): "date32[day]",
    ("ValueFoundError", "nulls", "counts"): {"area": 3, "built": 1},
    ("ValueFoundError", "nulls", "first"): "row 7 of 'homes.csv'",
    ("ValueFoundError", "no_range", "name"): "spline(area, 5)",
    ("ValueFoundError", "no_range", "value"): 70.0,
    ("FormulaError", "condition", "text"): "area >",
    ("FormulaError", "condition", "place"): 6,
    ("FormulaError", "condition", "what"): "a number, or a text in quotes",
    ("FormulaError", "function", "text"): "y ~ lgo(x)",
    ("FormulaError", "function", "place"): 4,
    ("FormulaError", "function", "name"): "lgo",
    ("FormulaError", "function", "known"): ["C", "log", "exp"],
    ("OptionError", "other_condition", "asked"): "area > 10",
    ("OptionError", "other_condition", "found"): "",
    ("MomentsError", "too_many_levels", "name"): "id",
    ("MomentsError", "too_many_levels", "levels"): 1_000_001,
    ("MomentsError", "too_many_levels", "limit"): 1_000_000,
    ("MomentsError", "too_many_levels", "numbers"): 10,
    ("MomentsError", "filters", "first"): "area > 10.0",
    ("MomentsError", "filters", "second"): "",
    ("MomentsError", "formed", "name"): "spline(x, 1)[1]",
    ("MomentsError", "formed", "first"): "spline(x, knots=[1.0])[1]",
    ("MomentsError", "formed", "second"): "spline(x, knots=[2.0])[1]",
    ("MomentsError", "aliased", "name"): "city",
    ("MomentsError", "aliased", "fixed"): ["rent"],
    ("MomentsError", "too_wide", "eliminated"): "city",
    ("MomentsError", "no_path", "name"): "city",
    ("MomentsError", "no_path", "terms"): 10_000,
}


def rendered() -> dict[str, errors.SteepestError]:
    """One instance of every message, its arguments taken from the examples by name."""
    found = {}
    for name in errors.__all__:
        kind = getattr(errors, name)
        if not (inspect.isclass(kind) and issubclass(kind, errors.SteepestError)):
            continue
        for member, method in vars(kind).items():
            if isinstance(method, classmethod) and not member.startswith("_"):
                call = getattr(kind, member)
                arguments = {
                    p: SPECIAL.get((name, member, p), EXAMPLES.get(p))
                    for p in inspect.signature(call).parameters
                    if (name, member, p) in SPECIAL or p in EXAMPLES
                }
                found[f"{name}.{member}"] = call(**arguments)
    return found


@pytest.mark.parametrize(
    "place",
    [
        "postgresql://me:s3cret@host/db",
        "s3://key:s3cret/+@bucket/a.csv",
        "redis://:s3cret@h@host/0",
        "postgresql:/me:s3cret@host",
        "postgresql://host/db?user=me&password=s3cret",
        "host=h password=s3cret user=me",
    ],
)
def test_passwords_are_in_no_message(place):
    error = errors.SteepestError(f"'{place}' is none.", f"See {place}.", place)
    assert "s3cret" not in f"{error} {error!r}"


def test_places_without_passwords_are_shown():
    for place in ("postgresql://me@host:5432/db", "s3://bucket/a@b.csv", "C:/a:b@c.csv", "a:b@c"):
        assert place in str(errors.SteepestError(place, "", ""))


def test_every_message_as_recorded():
    text = "\n".join(f"=== {name}\n{error}\n" for name, error in rendered().items())
    assert text == GOLDEN.read_text()


@pytest.mark.parametrize("name", rendered())
def test_form_of_a_message(name):
    error = rendered()[name]
    text = str(error)
    reason, _, hint = text.partition("\n\nHint: ")
    assert reason.splitlines()[0].endswith((".", ":"))
    assert hint
    assert "\n" not in hint
    assert "  " not in text
    assert "None" not in text
    assert len(reason.splitlines()) <= 2


@pytest.mark.parametrize("name", rendered())
def test_messages_survive_pickling(name):
    error = rendered()[name]
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert (twin.found, twin.why, twin.hint) == (error.found, error.why, error.hint)


def test_every_class_is_a_builtin_too():
    for error in rendered().values():
        builtin = [k for k in type(error).__mro__ if k.__module__ == "builtins"]
        assert {k for k in builtin if k not in (object, BaseException, Exception)}
        assert error.exit_code in (1, 2, 3)
