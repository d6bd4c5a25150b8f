"""Lazy frames and Datasets that are Parquet files on this machine, and nothing else.

As files they take less memory, and their parts are read side by side.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .parquet import WHOLE_BYTES
from .places import measure
from .streams import translated

SMALL_BYTES = WHOLE_BYTES
"""Files up to here have no row group that is much to hold."""

SCAN = re.compile(r"Parquet SCAN \[([^][*?]+)\]\nPROJECT \*/\d+ COLUMNS(\nESTIMATED ROWS: \d+)?")
"""How polars tells the plan of a LazyFrame that scans one file."""


def list_scanned(frame: Any) -> list[str]:
    """The Parquet file on this machine that a LazyFrame scans; none where it does anything else.

    What polars says of its plan gives the path, and its bytes are those of a scan of this path.
    """
    import polars as pl

    found = SCAN.fullmatch(frame.explain(optimized=False))
    if found is None or not Path(found[1]).is_file():
        return []
    same = frame.serialize() == pl.scan_parquet(found[1]).serialize()
    return [found[1]] if same else []


def list_files(dataset: Any) -> list[str]:
    """The Parquet files on this machine that a Dataset is; none where it is anything else.

    As where it has partitions or a condition, leaves row groups out, or reads in a way of its own;
    and where all files are small: each would be a part, which costs more than it reads.
    """
    from pyarrow.dataset import FileSystemDataset, ParquetFileFormat, scalar
    from pyarrow.fs import LocalFileSystem

    if type(dataset) is not FileSystemDataset or not isinstance(
        dataset.filesystem, LocalFileSystem
    ):
        return []
    usual = ParquetFileFormat()
    plain = (
        dataset.format == usual
        and dataset.format.default_fragment_scan_options == usual.default_fragment_scan_options
        and getattr(dataset, "_scan_options", None) == {}
    )
    with translated("the dataset"):
        plain = plain and any(measure(path) > SMALL_BYTES for path in dataset.files)
        whole = plain and all(
            fragment.partition_expression.equals(scalar(True))
            and sum(group.num_rows for group in fragment.row_groups) == fragment.metadata.num_rows
            for fragment in dataset.get_fragments()
        )
    return list(dataset.files) if whole else []
