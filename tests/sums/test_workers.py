"""Workers in other processes and on clusters: the same bits, and what goes wrong with them."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster
from tests.clocks import wait_until
from tests.conftest import ROOT
from tests.sums.poisoned import open_poison
from tests.sums.scanned import GROUP

import steepest
from steepest.errors import SourceError, WorkerError
from steepest.sums import checkpoints, cluster, errands
from steepest.sums.archive import pack_moments
from steepest.sums.cluster import Sent, await_result
from steepest.sums.executors import one_blas_thread

ENV = os.environ | {"PYTHONPATH": f"{Path(steepest.__file__).parents[1]}{os.pathsep}{ROOT}"}


pytestmark = pytest.mark.usefixtures("short_parts")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = ENV["PYTHONPATH"]
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0",
            silence_logs=50,
        ) as local,
        Client(local, set_as_default=False) as found,
    ):  # fmt: skip
        yield found
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


OPTIONS: dict[str, dict[str, Any]] = {
    "exact": {"precision": "exact"},
    "double": {"precision": "double"},
    "formula": {"formula": "y ~ spline(z, 3) + C(city):z", "where": "z > -2"},
    "folds": {"folds": "contiguous:4", "columns": ["y", "z", "city"]},
}  # fmt: skip


@pytest.mark.parametrize(
    "kind", ["exact", "double", "folds", pytest.param("formula", marks=pytest.mark.exhaustive)]
)
def test_a_cluster_gives_the_same_bits(kind: str, table: Path, client: Client) -> None:
    alone = steepest.scan(table, **OPTIONS[kind])
    reports: list[Any] = []
    spread = steepest.scan(
        table, executor=client.get_executor(), on_progress=reports.append, **OPTIONS[kind]
    )
    assert pack_moments(spread) == pack_moments(alone)
    assert reports[-1].fraction == pytest.approx(1.0)


def test_paths_are_found_from_another_folder(
    table: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(table.parent)
    alone = steepest.scan(table.name)
    spread = steepest.scan(table.name, executor=client.get_executor())
    assert pack_moments(spread) == pack_moments(alone)
    assert spread.where == f"'{table.name}'"


def test_tables_in_memory_travel(client: Client) -> None:
    values = np.random.default_rng(1).standard_normal((300_000, 12))
    names = [f"x{i}" for i in range(12)]
    alone = steepest.scan(values, names=names)
    assert steepest.scan(values, names=names, executor=client.get_executor()) == alone


def test_what_is_read_once_stays(client: Client) -> None:
    batches = [{"x": np.arange(5.0) + i} for i in range(4)]
    moments = steepest.scan(iter(batches), executor=client.get_executor())
    assert moments == steepest.scan({"x": np.concatenate([b["x"] for b in batches])})


def test_errors_of_a_part_come_back(client: Client, refused: Any) -> None:
    table = {"x": [1.0, np.inf], "y": [1.0, 2.0]}
    with refused(steepest.errors.ValueFoundError, "in row 2"):
        steepest.scan(table, executor=client.get_executor())


def test_a_client_is_taken_for_its_executor(table: Path, client: Client) -> None:
    own: Any = client
    assert steepest.scan(table, executor=own) == steepest.scan(table)


def test_what_is_no_executor(table: Path, refused: Any) -> None:
    wrong: Any = "threads:4"
    with refused(steepest.errors.OptionError, "executor='threads:4' is not an executor"):
        steepest.scan(table, executor=wrong)


def test_a_client_that_is_closed(table: Path, client: Client, refused: Any) -> None:
    address = client.scheduler.address
    with (
        Client(address, set_as_default=False) as own,
        refused(WorkerError, f"the scheduler at '{address}' is gone"),
    ):
        steepest.scan(table, executor=own.get_executor(), on_progress=lambda _: own.close())


def test_a_worker_that_dies_is_replaced(table: Path, client: Client) -> None:
    source = open_poison(table, place=5, times=1)
    moments = steepest.scan(source, executor=client.get_executor())
    assert len(Path(source.marks).read_text()) == 2
    assert moments == steepest.scan(table)


def test_a_part_that_kills_is_named(table: Path, client: Client, refused: Any) -> None:
    source = open_poison(table, place=5, times=99)
    with refused(WorkerError, f"one worker after the other died while it read '{table}'"):
        steepest.scan(source, executor=client.get_executor())
    client.wait_for_workers(2, timeout=60)


def test_a_process_that_dies(table: Path, processes: Executor, refused: Any) -> None:
    source = open_poison(table, place=5, times=1)
    with refused(WorkerError, "a worker process died"):
        steepest.scan(source, executor=processes)


def test_versions_are_compared_first(table: Path, client: Client, refused: Any) -> None:
    client.run(set_version, "0.0.9")
    try:
        with refused(WorkerError, "runs steepest 0.0.9 (", f"it is {steepest.__version__} ("):
            steepest.scan(table, executor=client.get_executor())
    finally:
        client.run(set_version, steepest.__version__)


def set_version(version: str) -> None:
    errands.__version__ = version


@pytest.mark.exhaustive
def test_kernels_are_compared_where_they_show(
    table: Path, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEEPEST_KERNEL", "numpy")
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as pool:
        pool.submit(os.getpid).result()
        monkeypatch.setenv("STEEPEST_KERNEL", "c")
        assert steepest.scan(table, executor=pool) == steepest.scan(table)
        with refused(WorkerError, "(numpy), and here it is", "(c, "):
            steepest.scan(table, executor=pool, precision="double")


class Gone(Executor):
    """Hands work to others once a file is gone."""

    def __init__(self, pool: Executor, path: Path) -> None:
        self.pool, self.path = pool, path

    def submit(self, *args: Any, **named: Any) -> Future[Any]:
        self.path.unlink(missing_ok=True)
        return self.pool.submit(*args, **named)


def test_a_file_that_a_worker_does_not_find(
    table: Path, tmp_path: Path, processes: Executor, refused: Any
) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(table.read_bytes())
    with refused(WorkerError, f"the worker on '{socket.gethostname()}' finds no file '{path}'"):
        steepest.scan(path, executor=Gone(processes, path))


@pytest.mark.exhaustive
def test_a_file_that_has_changed_for_a_worker(
    table: Path, tmp_path: Path, processes: Executor, refused: Any
) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(table.read_bytes())

    class Changing(Gone):
        def submit(self, *args: Any, **named: Any) -> Future[Any]:
            os.utime(path, ns=(1, 1))
            return self.pool.submit(*args, **named)

    with refused(SourceError, "changed while it was read"):
        steepest.scan(path, executor=Changing(processes, path))


@pytest.mark.exhaustive
def test_sums_that_do_not_arrive_whole(table: Path, processes: Executor, refused: Any) -> None:
    class Flipping(Gone):
        def submit(self, *args: Any, **named: Any) -> Future[Any]:
            found = self.pool.submit(*args, **named).result()
            done: Future[Any] = Future()
            done.set_result(found[:-1] + bytes([found[-1] ^ 1]))
            return done

    with refused(WorkerError, f"the sums of '{table}' did not arrive as they were sent"):
        steepest.scan(table, executor=Flipping(processes, table.with_name("none")))


@pytest.mark.exhaustive
def test_nobody_is_there(table: Path, refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "LONELY_SECONDS", 2.0)
    with (
        LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as local,
        Client(local, set_as_default=False) as lonely,
        refused(WorkerError, "has had no worker for 2 s"),
    ):
        steepest.scan(table, executor=lonely.get_executor())


# ------------------------------------------------------------------ executors of one's own


class Own(Executor):
    """Work done at once, and what somebody makes of it on the way."""

    def __init__(self, change: Callable[[Own, Future[Any]], Any]) -> None:
        self.change, self.given = change, [Future[Any]()]

    def submit(self, function: Any, /, *args: Any, **named: Any) -> Any:
        done: Future[Any] = Future()
        done.set_result(function(*args, **named))
        self.given.append(done)
        return self.change(self, done)


class Late(Executor):
    """Nothing is done until somebody asks, and then the last that was handed out first."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, function: Any, /, *args: Any, **named: Any) -> Future[Any]:
        asked = Asked(self)
        self.waiting.append((asked, partial(function, *args, **named)))
        return asked


class Asked(Future[Any]):
    def __init__(self, own: Late) -> None:
        super().__init__()
        self.own = own

    def result(self, timeout: float | None = None) -> Any:
        while self.own.waiting:
            future, work = self.own.waiting.pop()
            future.set_result(work())
        return super().result(timeout)


def remade(found: Any) -> Future[Any]:
    done: Future[Any] = Future()
    done.set_result(found)
    return done


def cancelled() -> Future[Any]:
    found: Future[Any] = Future()
    found.cancel()
    return found


WILLING: dict[str, Callable[[], Executor]] = {
    "at once": lambda: Own(lambda _, done: done),
    "last first": Late,
    "other bytes": lambda: Own(lambda _, done: remade(bytearray(done.result()))),
}


@pytest.mark.parametrize("kind", WILLING)
def test_an_executor_of_ones_own(kind: str, table: Path) -> None:
    alone = steepest.scan(table, precision="double")
    own = steepest.scan(table, precision="double", executor=WILLING[kind]())
    assert pack_moments(own) == pack_moments(alone)


def at_the_fifth(found: Callable[[Own], Any]) -> Callable[[Own, Future[Any]], Any]:
    return lambda own, done: found(own) if len(own.given) == 6 else done


UNABLE: dict[str, tuple[Callable[[], Any], str]] = {
    "another part's": (at_the_fifth(lambda own: own.given[-2]), "did not arrive as they were"),
    "nothing": (at_the_fifth(lambda _: remade(None)), "did not arrive as they were sent"),
    "cut off": (at_the_fifth(lambda own: remade(own.given[-1].result()[:20])), "did not arrive"),
    "cancelled": (at_the_fifth(lambda _: cancelled()), "was cancelled"),
}


@pytest.mark.parametrize("kind", UNABLE)
def test_an_executor_that_gives_something_else(kind: str, table: Path, refused: Any) -> None:
    change, word = UNABLE[kind]
    with refused(WorkerError, f"'{table}'", word):
        steepest.scan(table, executor=Own(change))


def test_threads_that_give_something_else(table: Path, refused: Any) -> None:
    class Mixed(ThreadPoolExecutor):
        first: Any = None

        def submit(self, *args: Any, **named: Any) -> Any:
            found = super().submit(*args, **named)
            self.first = self.first or found
            return self.first

    with Mixed(2) as threads, refused(WorkerError, "did not arrive as they were sent"):
        steepest.scan(table, executor=threads)


def test_an_executor_that_takes_nothing(table: Path, refused: Any) -> None:
    spawn = multiprocessing.get_context("spawn")
    pools: list[Executor] = [ThreadPoolExecutor(1), ProcessPoolExecutor(1, spawn)]
    for pool in pools:
        pool.shutdown()
        with refused(WorkerError, "takes no work: cannot schedule new futures after shutdown"):
            steepest.scan(table, executor=pool)
    wrong: Any = ThreadPoolExecutor
    with refused(steepest.errors.OptionError, "is not an executor"):
        steepest.scan(table, executor=wrong)
    with refused(steepest.errors.OptionError, "is not one whose submit gives Futures"):
        steepest.scan(table, executor=Own(lambda _, done: done.result()))


# ------------------------------------------------------------------ schedulers and commands


@contextlib.contextmanager
def started(*command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli." + command[0], *command[1:]],
            env=ENV, stderr=file, stdout=file,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "steepest", *map(str, arguments)]
    return subprocess.run(
        command, env=ENV, capture_output=True, text=True, check=False, timeout=90, **options
    )


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """A scheduler and a worker that do not belong to this process."""
    folder = tmp_path_factory.mktemp("scheduler")
    place = folder / "scheduler.json"  # where it says which port it has found free
    options = ["--no-dashboard", "--host", "127.0.0.1", "--port", "0", "--scheduler-file"]
    with (
        started("dask_scheduler", *options, str(place), log=folder / "s.log") as head,
        started(
            "dask_worker", "--scheduler-file", str(place), "--nworkers", "1", "--nthreads", "1",
            "--no-dashboard", "--local-directory", str(folder), log=folder / "w.log",
        ),
    ):  # fmt: skip
        assert wait_until(place.exists)
        address = json.loads(place.read_text())["address"]
        with Client(address, timeout=60, set_as_default=False) as own:
            own.wait_for_workers(1, timeout=60)
            yield address, head


@pytest.mark.exhaustive
def test_the_command_and_every_kind_of_worker(
    table: Path, tmp_path: Path, scheduler: tuple[str, Any]
) -> None:
    whole = None
    for executor in (None, "threads:3", "processes:2", "local:2", f"dask:{scheduler[0]}"):
        output = tmp_path / "m.moments"
        who = ("--executor", executor) if executor else ()
        ran = run("scan", table.name, "-o", output, *who, "--quiet", cwd=table.parent)
        assert ran.returncode == 0, ran.stderr
        assert ran.stderr == ""
        whole = whole or output.read_bytes()
        assert output.read_bytes() == whole


@pytest.mark.exhaustive
def test_a_fit_by_processes(table: Path) -> None:
    arguments = ("fit", table, "--target", "y", "--features", "z,city", "--json")
    assert run(*arguments, "--executor", "processes:2").stdout == run(*arguments).stdout


def test_a_connection_that_broke_is_noticed_though_it_was_made_anew(
    scheduler: tuple[str, Any], refused: Any
) -> None:
    """What Dask was fetching when it broke it forgets, and never ends."""
    address, _ = scheduler
    with Client(address, timeout=30, set_as_default=False) as own:
        executor = own.get_executor()
        forgotten: Sent[int] = Sent(Future(), own.scheduler_comm)
        own.loop.add_callback(own.scheduler_comm.comm.abort)
        lost = (None, forgotten.connection)
        assert wait_until(lambda: own.scheduler_comm not in lost and own.status == "running")
        with refused(WorkerError, f"the scheduler at '{address}' is gone, while 'a.csv'"):
            await_result(executor, forgotten, "'a.csv'")


@pytest.mark.exhaustive
def test_the_scheduler_dies(
    table: Path, scheduler: tuple[str, Any], tmp_path: Path, refused: Any
) -> None:
    """What was added up is kept, and can be read on by others; last, as it is gone then."""
    address, head = scheduler
    alone = steepest.scan(table)
    with Client(address, timeout=20, set_as_default=False) as own:

        def on_progress(progress: Any) -> None:
            if progress.rows >= 3 * GROUP:
                head.send_signal(signal.SIGKILL)

        with refused(WorkerError, f"the scheduler at '{address}' is gone"):
            steepest.scan(
                table, executor=own.get_executor(), on_progress=on_progress,
                checkpoint=tmp_path / "c.part",
            )  # fmt: skip
    assert len(checkpoints.Checkpoint(tmp_path / "c.part")._read().branches) > 0
    assert steepest.scan(table, checkpoint=tmp_path / "c.part") == alone


@pytest.mark.exhaustive
def test_nobody_answers(table: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:  # nobody else can have it, and it does not listen
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        ran = run("scan", table, "-o", tmp_path / "m.moments", "--executor", f"dask:{address}")
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"steepest: no scheduler answers at '{address}'")
    assert ran.stderr.count("\n") == 4
    assert not list(tmp_path.iterdir())


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "text", ["", "threads", "threads:0", "threads:x", "local:-1", "dask:", "dask:host", "mpi:3"]
)
def test_workers_that_nobody_knows(text: str, table: Path, tmp_path: Path) -> None:
    ran = run("scan", table, "-o", tmp_path / "m.moments", "--executor", text)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"steepest: executor='{text}' is not known.")


@pytest.mark.exhaustive
def test_without_dask(table: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "from steepest.faces.cli import run; sys.exit(run(sys.argv[1:]))"
    )
    arguments = ["scan", str(table), "-o", str(tmp_path / "m"), "--executor", "local:2"]
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=ENV, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "Hint: pip install 'steepest[dask]'" in ran.stderr


def test_a_worker_of_the_command_is_killed(table: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.sums.scanned", "1.0", "scan", str(table)]
    command += ["-o", str(tmp_path / "m.moments"), "--executor", "processes:2", "--quiet"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=ENV, text=True, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        children = find_workers(process.pid)
        os.kill(children[0], signal.SIGKILL)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert told.startswith("steepest: a worker process died")
    assert not list(tmp_path.iterdir())
    assert wait_until(lambda: not any(map(is_alive, children)))


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def find_workers(parent: int) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            rest = place.read_text().rpartition(")")[2].split()
            command = place.with_name("cmdline").read_bytes()
            if int(rest[1]) == parent and b"spawn_main" in command:
                found.append(int(place.parent.name))
    return found


def test_blas_has_its_threads_back_whoever_leaves_last() -> None:
    from threadpoolctl import threadpool_info

    def count() -> list[int]:
        blas = [one for one in threadpool_info() if one["user_api"] == "blas"]
        return [one["num_threads"] for one in blas if "numpy" in one["filepath"]]

    before = count()
    with ThreadPoolExecutor(8) as threads:

        def work(i: int) -> None:
            with one_blas_thread():
                time.sleep(0.001 * (i % 5))
                assert set(count()) == {1}

        list(threads.map(work, range(80)))
    assert count() == before
