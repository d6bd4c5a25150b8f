"""Every message of the house, beside the class that carries it.

SteepestError                     exit code 1 unless said
├── SourceError                   OSError       a file or table cannot be read
│   ├── SourceNotFoundError       FileNotFoundError
│   ├── DatabaseError             a database that cannot be asked, or not for this
│   └── StoreError                a store of objects that cannot be reached
├── EmptySourceError              ValueError    no row, or none left
├── ColumnNotFoundError           KeyError
├── ColumnNameError               ValueError    a name twice, a target among the features
├── ColumnKindError               TypeError     a column is not what is asked of it
├── ValueFoundError               ValueError    an infinity, an unseen level, a cell out of place
├── FormulaError                  ValueError    a formula that cannot be read
├── LengthError                   ValueError    columns, names or arguments of different length
├── OptionError                   ValueError    an argument outside its range
│   └── StudyError                              settings of a study that do not go together
├── ValidationError               ValueError    rows that cannot be held out, or were not
├── LearningRateError             ValueError    exit 3: a rate that cannot converge
├── DivergedError                 ArithmeticError   exit 3
├── GradientError                 ValueError    a gradient that is missing or has the wrong shape
├── TooFewRowsError               ValueError
├── CollinearError                ValueError
├── MomentsError                  ValueError    sums that cannot be added, or would be too large
├── FoldsError                    ValueError    folds that cannot be made, or do not fit together
├── KernelError                   RuntimeError  a kernel not built, arithmetic that is not IEEE's
├── PackageError                  ImportError   a package of an extra, not installed
├── WorkerError                   RuntimeError  a cluster or a worker that cannot be had, or died
├── TooLargeError                 MemoryError   rows that do not fit into memory
├── ModelFileError                ValueError    truncated, altered, newer, not ours
├── MomentsFileError              ValueError    the same, of a file of sums
├── CheckpointError               ValueError    the same, of work that was interrupted
├── ProgramError                  ValueError    exit 2: a script not to be read, or endless
└── OutputError                   OSError       a place that cannot be written

A message says what was found, with the numbers; then why it cannot work; then, after a
blank line, ``Hint:`` and one line to paste.  Each class is also the built-in exception
that a caller would expect, and its instances survive pickling, so that a worker process
can raise them.
"""

from __future__ import annotations

from .cells import FormulaError, ValueFoundError
from .columns import ColumnKindError, ColumnNameError, ColumnNotFoundError, check_unique
from .counts import check_whole, is_whole
from .databases import DatabaseError
from .descents import DivergedError, LearningRateError
from .files import CheckpointError, ModelFileError, MomentsFileError, OutputError
from .fits import CollinearError, GradientError, OptionError, TooFewRowsError
from .holdouts import ValidationError
from .machine import KernelError, PackageError, TooLargeError, WorkerError
from .programs import ProgramError
from .rows import EmptySourceError, LengthError
from .stores import StoreError
from .studies import FoldsError, StudyError
from .sums import MomentsError
from .tables import SourceError, SourceNotFoundError
from .words import INPUT, SteepestError, SteepestWarning, counted, listed, nearest, visible

__all__ = [
    "INPUT",
    "CheckpointError",
    "CollinearError",
    "ColumnKindError",
    "ColumnNameError",
    "ColumnNotFoundError",
    "DatabaseError",
    "DivergedError",
    "EmptySourceError",
    "FoldsError",
    "FormulaError",
    "GradientError",
    "KernelError",
    "LearningRateError",
    "LengthError",
    "ModelFileError",
    "MomentsError",
    "MomentsFileError",
    "OptionError",
    "OutputError",
    "PackageError",
    "ProgramError",
    "SourceError",
    "SourceNotFoundError",
    "SteepestError",
    "SteepestWarning",
    "StoreError",
    "StudyError",
    "TooFewRowsError",
    "TooLargeError",
    "ValidationError",
    "ValueFoundError",
    "WorkerError",
    "check_unique",
    "check_whole",
    "counted",
    "is_whole",
    "listed",
    "nearest",
    "visible",
]
