"""The commands scan, merge, forget and show, and fits that start from moments."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.faces.conftest import Ran

import steepest

PENGUINS = "examples/penguins.csv"
SCAN = ("scan", PENGUINS, "-o", "p.moments")
Cli = Callable[..., Ran]


@pytest.fixture
def files(workplace: Path) -> Path:
    """The penguins, and their first and last rows, as tables and as moments."""
    lines = Path(PENGUINS).read_text(encoding="utf-8").splitlines(keepends=True)
    for name, rows in {"a": lines[1:201], "b": lines[201:], "all": lines[1:]}.items():
        Path(f"{name}.csv").write_text(lines[0] + "".join(rows), encoding="utf-8")
        steepest.scan(f"{name}.csv").save(f"{name}.moments")
    steepest.scan("all.csv", precision="double").save("double.moments")
    Path("other.csv").write_text("u,v\n1,2\n2,1\n3,5\n", encoding="utf-8")
    steepest.scan("other.csv").save("other.moments")
    Path("w.csv").write_text("x,y,w\n1,2,1\n2,3,2\n4,9,1\n5,7,3\n", encoding="utf-8")
    return workplace


TRANSCRIPTS: dict[str, Sequence[str]] = {
    "scan_help": ("scan", "--help"),
    "merge_help": ("merge", "--help"),
    "forget_help": ("forget", "--help"),
    "show_help": ("show", "--help"),
    "scan": SCAN,
    "scan_weights": ("scan", "w.csv", "--weights", "w", "-o", "w.moments"),
    "scan_folds": ("scan", "all.csv", "--folds", "5", "--seed", "1", "-o", "f.moments"),
    "scan_islands": ("scan", "all.csv", "--folds", "island", "--json", "-o", "f.moments"),
    "error_folds": ("scan", "w.csv", "--folds", "9", "-o", "f.moments"),
    "merge": ("merge", "a.moments", "b.moments", "-o", "both.moments"),
    "forget": ("forget", "all.moments", "a.moments", "-o", "rest.moments"),
    "show": ("show", "all.moments"),
    "show_double": ("show", "double.moments"),
    "error_twice": ("merge", "a.moments", "b.moments", "a.moments", "-o", "c.moments"),
    "error_forget": ("forget", "a.moments", "b.moments", "-o", "c.moments"),
    "error_columns": ("merge", "a.moments", "other.moments", "-o", "c.moments"),
    "error_damaged": ("show", "cut.moments"),
}


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript(name: str, files: Path, transcript: Callable[..., None]) -> None:
    data = Path("all.moments").read_bytes()
    Path("cut.moments").write_bytes(data[: len(data) // 2])
    transcript(name, TRANSCRIPTS[name])


@pytest.mark.parametrize("command", ["scan", "merge", "forget", "show"])
def test_help_shows_its_examples_a_line_each(command: str, cli: Cli) -> None:
    out = cli(command, "--help").out
    assert sum(line.startswith("    steepest ") for line in out.splitlines()) >= 2
    assert "\b" not in out


def test_scan_saves_what_the_library_saves(cli: Cli, workplace: Path) -> None:
    ran = cli(*SCAN, "--json")
    assert ran.err == ""
    found = json.loads(ran.out)
    moments = steepest.scan(PENGUINS)
    assert steepest.load("p.moments") == moments
    assert found["fingerprint"] == moments.fingerprint
    assert found["rows"] == {"read": 344, "complete": 333, "filtered": 0}
    assert found["parts"] == [
        {"id": moments.fingerprint, "source": f"'{PENGUINS}'", "rows": 344}
    ]  # fmt: skip
    assert cli(*SCAN, "--quiet", "--precision", "double").code == 0
    assert steepest.load("p.moments").precision == "double"


def test_merge_and_forget_are_the_algebra(cli: Cli, files: Path) -> None:
    assert cli("merge", "[ab].moments", "-o", "both.moments").code == 0
    both = json.loads(cli("show", "both.moments", "--json").out)
    whole = json.loads(cli("show", "all.moments", "--json").out)
    assert both["fingerprint"] == whole["fingerprint"]
    assert both["columns"] == whole["columns"]
    assert [part["rows"] for part in both["parts"]] == [200, 144]
    for gone, left in (("a", "b"), ("b", "a")):
        assert cli("forget", "both.moments", f"{gone}.moments", "-o", "rest.moments").code == 0
        rest = json.loads(cli("show", "rest.moments", "--json").out)
        own = steepest.load(f"{left}.moments")
        assert rest["fingerprint"] == own.fingerprint
        assert [part["id"] for part in rest["parts"]] == [own.fingerprint]
    assert cli("merge", "a.moments", "a.moments", "-o", "c.moments").code == 1
    ran = cli("merge", "a.moments", "a.moments", "--allow-overlap", "-o", "c.moments", "--json")
    assert json.loads(ran.out)["rows"]["read"] == 400


def test_show_against_pandas(cli: Cli, files: Path) -> None:
    frame = pd.read_csv("all.csv")
    for name in ("all.moments", "double.moments"):
        shown = json.loads(cli("show", name, "--json").out)
        numbers = frame.select_dtypes("number")
        for column in shown["columns"]:
            own = frame[column["name"]]
            assert (column["rows"], column["nulls"]) == (own.count(), own.isna().sum())
            if column["kind"] == "number":
                assert column["mean"] == pytest.approx(own.mean())
                assert column["sd"] == pytest.approx(own.std())
            else:
                assert column["levels"] == own.nunique()
        r = numbers.dropna().corr()
        sizes = []
        for pair in shown["correlations"]:
            assert pair["r"] == pytest.approx(r.loc[pair["first"], pair["second"]], abs=1e-12)
            sizes.append(abs(pair["r"]))
        upper = np.abs(r.to_numpy()[np.triu_indices(len(r), 1)])
        assert sizes == pytest.approx(sorted(upper, reverse=True)[: len(sizes)])
        assert shown["condition"] == pytest.approx(np.linalg.cond(r.to_numpy()))


def test_show_of_columns_that_do_not_vary_or_depend(cli: Cli, workplace: Path) -> None:
    table = {"k": [1.0, 1.0, 1.0], "x": [1e300, 2e300, 4e300], "z": [2e-300, 4e-300, 8e-300]}
    steepest.scan(table, precision="exact").save("k.moments")
    shown = json.loads(cli("show", "k.moments", "--json").out)
    assert [(p["first"], p["second"]) for p in shown["correlations"]] == [("x", "z")]
    assert shown["correlations"][0]["r"] == pytest.approx(1.0)
    assert shown["condition"] is None
    assert "infinite" in cli("show", "k.moments").out


@pytest.mark.parametrize(
    "options",
    [
        ("--target", "body_mass_g"),
        ("--target", "body_mass_g", "--features", "species,flipper_length_mm", "--l2", "0.1"),
        ("--formula", "body_mass_g ~ flipper_length_mm + sex"),
    ],
)
@pytest.mark.parametrize("command", [("fit",), ("descend", "--epochs", "7")])
def test_moments_in_the_place_of_tables(
    command: Sequence[str], options: Sequence[str], cli: Cli, files: Path
) -> None:
    expected = json.loads(cli(*command, "all.csv", *options, "--json", "--quiet").out)
    for sources in (("all.moments",), ("a.moments", "b.moments"), ("[ab].moments",)):
        ran = cli(*command, *sources, *options, "--json", "--quiet")
        assert (ran.code, ran.err) == (0, "")
        found = json.loads(ran.out)
        for key in ("coefficients", "loss", "objective", "rows", "r2"):
            assert found[key] == expected[key], key


def test_powers_and_weights_from_the_command_line(cli: Cli, files: Path) -> None:
    formula = ("--formula", "y ~ x + x^2", "--weights", "w", "--weight-kind", "frequency")
    table = json.loads(cli("fit", "w.csv", *formula, "--json", "--quiet").out)
    frame = pd.read_csv("w.csv")
    own = frame.loc[frame.index.repeat(frame["w"])]
    design = np.column_stack([np.ones(len(own)), own["x"], own["x"] ** 2])
    expected = np.linalg.lstsq(design, own["y"], rcond=None)[0]
    assert [c["value"] for c in table["coefficients"]] == pytest.approx(expected.tolist())
    assert cli("scan", "w.csv", *formula, "-o", "w.moments").code == 0
    moments = json.loads(cli("fit", "w.moments", *formula, "--json", "--quiet").out)
    assert moments["coefficients"] == table["coefficients"]
    refused = cli("fit", "w.moments", "--target", "y", "--weights", "x")
    assert (refused.code, "scanned with weights 'w'" in refused.err) == (1, True)


REFUSALS: dict[str, tuple[int, Sequence[str], str]] = {
    "no output": (2, ("scan", "all.csv"), "--output"),
    "no input": (2, ("merge", "-o", "c.moments"), "MOMENTS"),
    "no such table": (1, ("scan", "no.csv", "-o", "c.moments"), "no.csv"),
    "no such moments": (1, ("show", "no.moments"), "'no.moments' cannot be read"),
    "no such moments to fit": (1, ("fit", "no.moments", "--target", "y"), "cannot be read"),
    "a table as moments": (1, ("show", "all.csv"), "does not begin as one"),
    "a table to merge": (1, ("merge", "a.moments", "b.csv", "-o", "c.moments"), "'b.csv' is not"),
    "moments as a table": (1, ("scan", "a.moments", "-o", "c.moments"), "not rows"),
    "moments as a model": (1, ("predict", "a.moments", "all.csv"), "holds moments, not a model"),
    "moments beside a table": (1, ("fit", "a.moments", "b.csv", "--target", "year"), "is a table"),
    "over an input": (1, ("merge", "a.moments", "b.moments", "-o", "a.moments"), "to be read"),
    "over the whole": (1, ("forget", "all.moments", "a.moments", "-o", "all.moments"), "to be rea"),
    "over a glob": (1, ("merge", "[ab].moments", "-o", "b.moments"), "to be read"),
    "over a table": (1, ("scan", "a.csv", "-o", "a.csv"), "to be read"),
    "over something else": (1, ("scan", "a.csv", "-o", "b.csv"), "would be lost"),
    "to standard output": (1, ("scan", "a.csv", "-o", "-"), "only be saved in a file"),
    "no folder": (1, ("scan", "a.csv", "-o", "no/c.moments"), "there is no folder 'no'"),
    "a folder": (1, ("scan", "a.csv", "-o", "examples"), "it is a directory"),
    "double to forget": (
        1, ("forget", "double.moments", "double.moments", "-o", "c.moments"), "double precision"),
    "exact and double": (
        1, ("merge", "a.moments", "double.moments", "-o", "c.moments"), "the left are exact sums"),
    "another precision": (
        1, ("fit", "a.moments", "--target", "year", "--precision", "double"), "are exact sums"),
    "unknown precision": (1, ("scan", "a.csv", "--precision", "fast", "-o", "c.moments"), "'fast'"),
    "unknown column": (1, ("scan", "a.csv", "--columns", "yaer", "-o", "c.moments"), "'year'"),
    "unknown kind": (
        1, ("scan", "w.csv", "--weights", "w", "--weight-kind", "odd", "-o", "c.moments"), "odd"),
    "columns and formula": (
        1, ("scan", "w.csv", "--columns", "x", "--formula", "y ~ x", "-o", "c.moments"), "formula"),
    "part twice": (
        1, ("fit", "a.moments", "b.moments", "a.moments", "--target", "year"), "stands twice"),
    "neither target nor formula": (2, ("fit", "a.moments"), "--formula"),
    "a formula beside a target": (
        1, ("fit", "w.csv", "--formula", "y ~ x", "--target", "y"), "formula is given"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case: str, refuse: Callable[..., None], files: Path) -> None:
    refuse(*REFUSALS[case])


def test_what_was_left_out_is_a_note(cli: Cli, workplace: Path) -> None:
    Path("d.csv").write_text("day,x\n2026-01-01,1\n2026-01-02,3\n", encoding="utf-8")
    ran = cli("scan", "d.csv", "-o", "d.moments")
    assert ran.err.startswith("note: 'day' was left out: it is a time")
    assert cli("show", "d.moments").err == ran.err
    assert cli("show", "d.moments", "--quiet").err == ""


def test_show_prints_a_model_as_its_fit_did(cli: Cli, workplace: Path) -> None:
    fit = ("fit", PENGUINS, "--target", "body_mass_g", "-o", "m.json")
    assert cli("show", "m.json").code == 1
    assert cli(*fit) == cli("show", "m.json")
    assert cli(*fit, "--json") == cli("show", "m.json", "--json")
    assert cli("show", "m.json", "--quiet").err == ""
    Path("m.json").write_bytes(Path("m.json").read_bytes().replace(b"Adelie", b"Adelia"))
    ran = cli("show", "m.json")
    assert (ran.code, "its checksum does not fit" in ran.err) == (1, True)


def test_rows_are_forgotten_in_their_folds(files: Path, cli: Cli) -> None:
    assert cli("scan", "all.csv", "--folds", "5", "-o", "all5.moments").code == 0
    assert cli("scan", "a.csv", "--folds", "all5.moments", "-o", "a5.moments").code == 0
    assert cli("forget", "all5.moments", "a5.moments", "-o", "left.moments").code == 0
    left, rest = steepest.load("left.moments"), steepest.scan("b.csv", folds=5)
    assert [*left.folds.values()] == [*rest.folds.values()]
    refused = cli("forget", "all5.moments", "a.moments", "-o", "left.moments")
    assert refused.code == 1
    assert "the right with no folds" in refused.err
    assert "--folds MOMENTS" in refused.err
    refused = cli("scan", "a.csv", "--folds", "a.moments", "-o", "x.moments")
    assert "scanned without folds" in refused.err
