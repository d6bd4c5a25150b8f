"""Dask DataFrames as sources: partitions are parts, whoever computes them."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from distributed import Client, LocalCluster

import steepest
from steepest.data.open import open_source
from steepest.data.table import Reads
from steepest.errors import ColumnKindError, OptionError, SourceError

ROWS = 1_003


def make_frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "x": rng.standard_normal(ROWS),
            "n": rng.integers(-(2**62), 2**62, ROWS),
            "flag": rng.random(ROWS) < 0.5,
            "city": rng.choice(["Oslo", "Zürich", "東京"], ROWS),
            "kind": pd.Categorical(rng.choice(["a", "b"], ROWS)),
            "y": rng.standard_normal(ROWS),
        }
    )
    frame.loc[rng.random(ROWS) < 0.1, "x"] = np.nan
    frame.loc[rng.random(ROWS) < 0.1, "city"] = None
    return frame


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return make_frame()


def in_files(frame: pd.DataFrame, folder: Path) -> Any:
    for i, start in enumerate(range(0, ROWS, 300)):
        frame.iloc[start : start + 300].to_parquet(folder / f"{i}.parquet")
    return dd.read_parquet(folder / "*.parquet")


MADE = {
    "frame": lambda frame, _: dd.from_pandas(frame, npartitions=5),
    "files": in_files,
    "lambda": lambda frame, _: dd.from_pandas(frame.assign(x=frame.x / 2), npartitions=3)
    .map_partitions(lambda part: part.assign(x=part.x * 2))[list(frame)],
    "empty partitions": lambda frame, _: dd.concat(
        [dd.from_pandas(f, npartitions=1) for f in (frame[:7], frame[7:7], frame[7:])]
    ),
    "unknown categories": lambda frame, _: dd.from_pandas(
        frame.assign(kind=frame.kind.astype(str)), npartitions=4
    ).astype({"kind": "category"}),
}  # fmt: skip


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_same_moments(kind: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    expected = steepest.scan(pa.Table.from_pandas(frame, preserve_index=False))
    made = MADE[kind](frame, tmp_path)
    reports: list[Any] = []
    moments = steepest.scan(made, on_progress=reports.append)
    assert moments.fingerprint == expected.fingerprint
    assert moments.n_read == ROWS
    assert reports[-1].rows == ROWS
    assert reports[-1].fraction == pytest.approx(1.0)
    some = steepest.scan(made, columns=["y", "city"], where="y > 0")
    assert some == steepest.scan(frame, columns=["y", "city"], where="y > 0")


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["frame", "files", "lambda"])
def test_other_processes(kind: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    made = MADE[kind](frame, tmp_path)
    alone = steepest.scan(made, precision="double")
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        moved = steepest.scan(made, precision="double", executor=pool)
    assert b"".join(moved.encode()) == b"".join(alone.encode())


@pytest.mark.exhaustive
def test_a_cluster(frame: pd.DataFrame, tmp_path: Path, refused: Any) -> None:
    """As partitions that its workers compute, and as ones that they hold."""
    expected = steepest.scan(frame)
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0",
            silence_logs=50,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        made = in_files(frame, tmp_path)
        assert steepest.scan(made, executor=client.get_executor()) == expected
        held = client.persist(made)
        assert steepest.scan(held, executor=client) == expected
        assert steepest.scan(held) == expected
        with client.as_current():
            moved = dd.from_pandas(frame, npartitions=4).shuffle("n", npartitions=3)
            assert steepest.scan(moved) == expected
            assert steepest.scan(moved, executor=client) == expected
    with refused(SourceError, "partition 1 of the Dask DataFrame", "Client is closed"):
        steepest.scan(held)


def test_a_client_that_does_not_wait(penguins: Path, refused: Any) -> None:
    """Told before anything is handed to it, and shown what to do."""
    own: Any = SimpleNamespace(submit=None, get_executor=None, asynchronous=True)
    with refused(OptionError, "is not a client that waits", "asyncio.to_thread"):
        steepest.scan(penguins, executor=own)


def test_threads_look_at_one_frame() -> None:
    """And do not wait for each other for ever."""
    code = (
        "import dask.dataframe as dd, pandas as pd, numpy as np, steepest\n"
        "frame = pd.DataFrame({'x': np.arange(900.0), 'n': np.arange(900)})\n"
        "expected = steepest.scan(frame[frame.x > 100])\n"
        "for _ in range(8):\n"
        "    made = dd.from_pandas(frame, npartitions=9)\n"
        "    assert steepest.scan(made[made.x > 100]) == expected"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_fits_and_predictions(frame: pd.DataFrame) -> None:
    made = dd.from_pandas(frame, npartitions=4)
    with pytest.warns(steepest.SteepestWarning):
        model = steepest.fit(made, target="y", features=["x", "city"])
    with pytest.warns(steepest.SteepestWarning):
        assert steepest.fit(frame, target="y", features=["x", "city"]).coef == pytest.approx(
            model.coef, rel=0, abs=0
        )
    np.testing.assert_array_equal(model.predict(made), model.predict(frame))


def test_nothing_is_computed_before_it_is_read(frame: pd.DataFrame) -> None:
    computed = []

    def note(part: pd.DataFrame) -> pd.DataFrame:
        computed.append(len(part))
        return part

    made = dd.from_pandas(frame, npartitions=4).map_partitions(note, meta=frame.iloc[:0])
    source = open_source(made)
    source.schema()
    parts = source.parts()
    assert not computed
    next(iter(parts[2].batches(Reads(("x",)))))
    assert len(computed) == 1


def test_the_graph_of_the_whole_is_looked_at_once(
    frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for each of its partitions, of which there may be thousands."""
    made = dd.from_pandas(frame, npartitions=40)
    optimize, seen = type(made).optimize, []

    def note(own: Any, *args: Any, **named: Any) -> Any:
        seen.append(own.npartitions)
        return optimize(own, *args, **named)

    monkeypatch.setattr(type(made), "optimize", note)
    assert steepest.scan(made, columns=["y"]).n_read == ROWS
    assert seen.count(40) == 1


def test_kinds_that_change(refused: Any) -> None:
    parts = [pd.DataFrame({"x": [1.0]}), pd.DataFrame({"x": ["a"]})]
    made = dd.from_map(lambda i: parts[i], [0, 1], meta=parts[0].iloc[:0])
    with refused(ColumnKindError, "partition 2 of the Dask DataFrame"):
        steepest.scan(made)


def test_a_partition_that_lacks_a_column(refused: Any) -> None:
    whole = pd.DataFrame({"x": [1.0], "y": [2.0], "z": [3.0]})
    less = whole[["x", "z"]]
    frame = dd.from_delayed([dask.delayed(own) for own in (whole, less)], verify_meta=False)
    assert steepest.scan(frame, columns=["x"]).n_rows == 2
    with refused(SourceError, "partition 2 of the Dask DataFrame", "missing", "'y'"):
        steepest.scan(frame, columns=["x", "y"])


def test_a_file_that_is_gone(frame: pd.DataFrame, tmp_path: Path, refused: Any) -> None:
    made = in_files(frame, tmp_path)
    _ = made.npartitions
    (tmp_path / "1.parquet").unlink()
    with refused(SourceError, "partition 2 of the Dask DataFrame"):
        steepest.scan(made)


def test_dask_is_not_loaded_to_find_out() -> None:
    code = (
        "import steepest, pandas as pd, sys\n"
        "steepest.scan(pd.DataFrame({'x': [1.0, 2.0]}))\n"
        "assert 'dask' not in sys.modules and 'distributed' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
