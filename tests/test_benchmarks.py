"""The benchmarks run, agree, and say what they measured; how fast is not asked here."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def benchmarks(monkeypatch):
    """Modules of the folder by name; here nobody waits between turns."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setattr(importlib.import_module("benchmarks.runner"), "PAUSE", 0)
    return lambda name: importlib.import_module(f"benchmarks.{name}")


def agreement(report):
    """The checks of the benchmark itself; the last is about the machine."""
    return report["checks"][:-1]


def lines_of(report):
    return {line["name"]: line for table in report["tables"] for line in table["lines"]}


def test_scan_fit(benchmarks, capsys, tmp_path):
    file = tmp_path / "scan_fit.json"
    arguments = ["scan_fit", "--rows", "2000", "--rounds", "2", "--json", str(file)]
    code = benchmarks("__main__").main(arguments)
    report, printed = json.loads(file.read_text()), capsys.readouterr().out
    assert (report["benchmark"], report["rows"], report["rounds"]) == ("scan_fit", 2000, 2)
    assert len(report["tables"]) == len(report["goals"]) == len(agreement(report)) == 2
    assert code == (0 if all(check["passed"] for check in report["checks"]) else 1)
    for table in report["tables"]:
        (reference,) = (x for x in table["lines"] if x["name"] == table["reference"])
        assert reference["ratio"] == 1
    for name, line in lines_of(report).items():
        assert 0 < line["min"] <= line["median"] <= line["max"]
        assert len(line["seconds"]) == 2
        assert name in printed
    assert printed.count("goal ") == 2
    assert all(check["passed"] for check in agreement(report))
    assert printed.count("check ") == 3


def test_descent_epochs(benchmarks, capsys):
    runner = benchmarks("runner")
    report = runner.run(benchmarks("descent_epochs").build(2000, epochs=30, many=300), rounds=2)
    runner.show(report)
    printed = capsys.readouterr().out
    (check,) = agreement(report)
    assert check["passed"]
    assert "over 31 epochs" in check["what"]
    lines = lines_of(report)
    loop, scaled = (lines[f"NumPy loop over the rows{more}"] for more in ("", ", 300 epochs"))
    assert len(loop["seconds"]) == 1
    assert loop["scaled"] is None
    assert scaled["scaled"] == {"of": "NumPy loop over the rows", "factor": 10}
    assert scaled["median"] == pytest.approx(10 * loop["median"])
    assert "scaled, not measured: NumPy loop over the rows, 300 epochs is 10 ×" in printed
    assert any("after a scan of only 1,000 rows" in name for name in lines)


def test_race(benchmarks):
    """Lanes and bare loops end at one place; moments too.  torch.compile takes long to compile."""
    build = benchmarks("race").build
    report = benchmarks("runner").run(build(300, epochs=4, inductor=False), rounds=2)
    benchmarks("runner").show(report)
    assert all(check["passed"] for check in agreement(report))
    lines = lines_of(report)
    assert {"bare NumPy loop", "bare PyTorch loop", "bare JAX loop, jit"} <= set(lines)
    assert {"JAX, compiled", "moments, closed form"} <= set(lines)
    assert all(line["median"] > 0 for line in lines.values())


@pytest.mark.exhaustive
def test_exact_scan(benchmarks):
    report = benchmarks("runner").run(benchmarks("exact_scan").build(300), rounds=1)
    benchmarks("runner").show(report)
    assert all(check["passed"] for check in agreement(report))
    assert len(report["tables"]) == 17
    assert {goal["limit"] for goal in report["goals"]} == {0.6, 0.75, 1.1, 1.5, 2.0, 3.0, 5.0}
    for line in lines_of(report).values():
        assert line["median"] > 0


def test_peers(benchmarks):
    peers = benchmarks("peers")
    report = benchmarks("runner").run(peers.build(400), rounds=1)
    assert all(check["passed"] for check in agreement(report))
    assert {"steepest exact, 800 × 50", "steepest double, 2,000 × 10"} <= set(lines_of(report))


def test_solve(benchmarks):
    report = benchmarks("runner").run(benchmarks("solve").build(1, widths=(3, 20)), rounds=1)
    assert all(check["passed"] for check in agreement(report))
    assert "fit of exact moments, 20 columns" in lines_of(report)


def test_nist(benchmarks):
    """Digits are those of fractions: exact, far less in double precision."""
    report = benchmarks("runner").run(benchmarks("nist").build(1), rounds=1)
    assert all(check["passed"] for check in agreement(report))
    notes = {note.partition(":")[0]: note for note in report["notes"]}
    assert notes["steepest"].count(" 16.0") == 12
    assert "Filip 0.0" in notes["numpy.linalg.lstsq"]


@pytest.mark.exhaustive
def test_categories(benchmarks):
    """Each turn is a process of its own, which tells its stages and its memory."""
    report = benchmarks("runner").run(benchmarks("categories").build(2000, levels=(6,)), rounds=1)
    benchmarks("runner").show(report)
    assert not any(line["error"] for line in lines_of(report).values())
    assert all(check["passed"] for check in agreement(report))
    assert agreement(report)
    assert [goal["limit"] for goal in report["goals"]] == [3.0] * 4
    lines = lines_of(report)
    whole, *stages = (
        lines[f"scan, then fit{stage}, exact, 6 levels"] for stage in ("", ": scan", ": fit")
    )
    assert whole["median"] == pytest.approx(sum(stage["median"] for stage in stages))
    if sys.platform.startswith("linux"):
        assert stages[0]["peak"] <= stages[1]["peak"] == whole["peak"] < 1000


def test_what_is_refused_is_a_cell(benchmarks, capsys):
    categories, runner = benchmarks("categories"), benchmarks("runner")

    def refuse(found):
        raise ValueError(f"{found} rows are too many\nat least here")

    told = categories.follow([("scan", lambda _: 7), ("fit", refuse)])
    lines = [
        runner.Contestant("all", lambda: runner.Turn(**told)),
        *(runner.Stage(stage, "all", stage) for stage in ("scan", "fit")),
    ]
    table, goal = runner.Table("a fit", "scan", lines), runner.Goal("fit", 2.0)
    report = runner.run(runner.Benchmark("fits", 1, [table], lambda _: [], [goal]), rounds=2)
    runner.show(report)
    printed = capsys.readouterr().out
    assert printed.count("ValueError: 7 rows are too many\n") == 2
    assert "goal NOT met: fit, no ratio" in printed
    found = lines_of(report)
    assert [len(found[name]["seconds"]) for name in ("all", "scan", "fit")] == [0, 2, 0]
    assert found["scan"]["ratio"] == 1


def test_processes_that_fail_say_why(benchmarks, monkeypatch, tmp_path):
    categories = benchmarks("categories")
    assert "KeyError: 'nobody'" in categories.run_apart(tmp_path, "nobody", "").error
    monkeypatch.setattr(categories, "PATIENCE", 0.001)
    assert categories.run_apart(tmp_path, "glum", "").error == "took more than 0.001 s"


def test_losses_that_differ_fail_the_check(benchmarks):
    (check,) = benchmarks("descent_epochs").check(
        ["a", "b"], {"a": [2.0, 1.0], "b": [2.0, 1.0 + 1e-9]}
    )
    assert not check.passed


def test_without_torch_and_sklearn(benchmarks, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    monkeypatch.setattr(benchmarks("peers"), "find_spec", lambda name: None)
    monkeypatch.setattr(
        benchmarks("nist"), "find_spec", lambda n: True if n == "steepest" else None
    )
    monkeypatch.setattr(benchmarks("categories"), "find_spec", lambda name: None)
    notes = [*benchmarks("peers").build(20).notes, *benchmarks("nist").build(1).notes]
    assert sum("is not installed" in note for note in notes) > 10
    notes = benchmarks("categories").build(20, levels=(2,)).notes
    assert sum("is not installed" in note for note in notes) == 3
    descent = benchmarks("descent_epochs").build(50, epochs=3, many=6)
    fit = benchmarks("scan_fit").build(50)
    assert any("PyTorch is not installed" in note for note in descent.notes)
    assert any("scikit-learn is not installed" in note for note in fit.notes)


def test_contestants_take_turns(benchmarks):
    runner, order = benchmarks("runner"), []
    lines = [
        runner.Contestant("a", lambda: order.append("a")),
        runner.Contestant("b", lambda: order.append("b"), 1, lambda: order.append("warm")),
        runner.Contestant("c", lambda: order.append("c")),
    ]
    table = runner.Table("letters", "a", lines)
    runner.run(runner.Benchmark("letters", 1, [table], lambda results: []), rounds=3)
    assert "".join(order).replace("warm", "-") == "a-c" + "abc" + "ac" + "ac"


def test_machine_and_environment(benchmarks):
    runner = benchmarks("runner")
    machine = runner.describe_machine()
    assert machine["cores"] >= 1
    assert machine["versions"]["numpy"]
    assert all("threads" in blas for blas in machine["blas"])
    (warning,) = runner.find_slowing({"OPENBLAS_CORETYPE": "Prescott", "HOME": "/"})
    assert "OPENBLAS_CORETYPE=Prescott" in warning
    assert runner.find_disturbance(None) == runner.find_disturbance(0.01) == []
    assert "1.2 cores" in runner.find_disturbance(1.2)[0]


def test_threads_left_behind_fail_a_check(benchmarks):
    check_threads = benchmarks("runner").check_threads
    assert check_threads({"a": 0, "b": 0})[0].passed
    (check,) = check_threads({"a": 0, "b": 2})
    assert not check.passed
    assert check.what.endswith("first b")


def test_list(benchmarks, capsys):
    assert benchmarks("__main__").main([]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == list(benchmarks("__main__").BENCHMARKS)


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore")
def test_study(benchmarks, capsys):
    runner = benchmarks("runner")
    report = runner.run(benchmarks("study").build(8_000, columns=(6, 8, 13)), rounds=1)
    runner.show(report)
    printed = capsys.readouterr().out
    checks = agreement(report)
    assert len(checks) >= 3
    assert all(check["passed"] for check in checks)
    assert len(report["goals"]) == 4
    assert "scaled, not measured" in printed


@pytest.mark.exhaustive
def test_columns(benchmarks, monkeypatch, tmp_path):
    """The file is written once; each turn tells its memory, and whoever adds agrees."""
    monkeypatch.setattr(benchmarks("synthetic"), "gettempdir", lambda: str(tmp_path))
    report = benchmarks("runner").run(benchmarks("columns").build(3000), rounds=1)
    assert [path.name for path in tmp_path.iterdir()] == ["steepest-benchmark-3000.parquet"]
    assert not any(line["error"] for line in lines_of(report).values())
    assert all(check["passed"] for check in agreement(report))
    assert len(agreement(report)) == 6
    assert [goal["limit"] for goal in report["goals"]] == [1.3, 3.0, 1.5]


@pytest.mark.exhaustive
def test_text(benchmarks, monkeypatch, tmp_path):
    text = benchmarks("text")
    monkeypatch.setattr(benchmarks("synthetic"), "gettempdir", lambda: str(tmp_path))
    report = benchmarks("runner").run(text.build(3_000), rounds=1)
    assert {line["name"] for line in lines_of(report).values()} == {*text.WORK, *text.COLD}
    assert all(not line["error"] for line in lines_of(report).values())
    assert all(check["passed"] for check in agreement(report))
    assert len(report["goals"]) == 2
