"""The commands study and select, as a person meets them."""

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
STUDY = ("study", PENGUINS, "--target", "body_mass_g")
SOME = ("--features", "flipper_length_mm,bill_depth_mm,sex")
Cli = Callable[..., Ran]

TRANSCRIPTS: dict[str, Sequence[str]] = {
    "study_help": ("study", "--help"),
    "select_help": ("select", "--help"),
    "study": (*STUDY, "--folds", "contiguous:5"),
    "study_lasso": (*STUDY, "--folds", "4", "--seed", "3", "--l1", "path", "--nested"),
    "study_groups": (*STUDY, "--folds", "island", "--l2", "0,0.1", *SOME,
                     "--features", "flipper_length_mm"),
    "study_epochs": (*STUDY, *SOME, "--folds", "contiguous:5", "--epochs", "1:1000:4"),
    "study_targets": ("study", PENGUINS, "--target", "body_mass_g,bill_length_mm",
                      "--features", "flipper_length_mm", "--folds", "contiguous:3", "--l2", "0"),
    "select": ("select", PENGUINS, "--target", "body_mass_g", "--folds", "contiguous:5"),
    "select_forward": ("select", PENGUINS, "--target", "body_mass_g", "--method", "forward",
                       "--criterion", "aic"),
    "error_study_folds": ("study", "p.moments", "--target", "body_mass_g"),
    "error_study_range": (*STUDY, "--l2", "0:1:5"),
    "error_study_rates": (*STUDY, "--learning-rate", "0.1"),
    "study_epochs_lasso": (*STUDY, "--epochs", "5", "--l1", "0.1"),
    "error_select": ("select", PENGUINS, "--target", "body_mass_g", "--method", "all"),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript(name: str, workplace: Path, transcript: Callable[..., None]) -> None:
    steepest.scan(PENGUINS).save(workplace / "p.moments")
    transcript(name, TRANSCRIPTS[name])


def test_json_table_picture_and_model(workplace: Path, cli: Cli) -> None:
    done = cli(*STUDY, "--folds", "contiguous:5", "--l2", "0.001:1:7", "--json", "-o", "m.json",
               "--csv", "t.csv", "--plot", "p.svg")  # fmt: skip
    assert done.code == 0
    found = json.loads(done.out)
    assert len(found["candidates"]) == 7
    best = found["candidates"][found["best"][0]]
    assert best["error"] == min(c["error"] for c in found["candidates"])
    table = pd.read_csv("t.csv")
    np.testing.assert_array_equal(table["error"], [c["error"] for c in found["candidates"]])
    assert Path("p.svg").read_text(encoding="utf-8").startswith("<?xml")
    model = steepest.load("m.json")
    assert model.settings.l2 == best["l2"]
    assert model.loss == pytest.approx(best["loss"], rel=1e-10)


def test_moments_with_folds_need_no_table(workplace: Path, cli: Cli) -> None:
    assert cli("scan", PENGUINS, "--folds", "contiguous:5", "-o", "f.moments").code == 0
    one = cli("study", "f.moments", "--target", "body_mass_g", "--json")
    other = cli(*STUDY, "--folds", "contiguous:5", "--json")
    assert json.loads(one.out) == json.loads(other.out)
    assert cli("select", "f.moments", "--target", "body_mass_g", "-o", "s.json").code == 0
    assert len(steepest.load("s.json").names) < 9


def test_places_are_checked_before_the_work(workplace: Path, cli: Cli) -> None:
    for option in ("-o", "--csv", "--plot"):
        done = cli(*STUDY, option, "nowhere/x.csv")
        assert done.code == 1
        assert "there is no folder 'nowhere'" in done.err
        assert done.out == ""
    done = cli("study", "nothing.csv", "--target", "y", "--plot", "x.bmp2")
    assert done.code == 1
    assert "bmp2" in done.err
    assert "nothing.csv" not in done.err
    assert not Path("x.bmp2").exists()
    assert cli("study", PENGUINS).code == 2
    assert cli(*STUDY, "--penalty", "sex").code == 2


def test_names_with_commas_are_reached_in_one_way(cli: Cli, workplace: Path) -> None:
    """In double quotes, in every list of names; and an option may stand several times."""
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 3))
    frame = pd.DataFrame(
        {"area, m²": x[:, 0], "b": x[:, 1], "price, net": x @ [1, 2, 0], "rent": x @ [0, 1, 1]}
    )
    frame.to_csv(workplace / "homes.csv", index=False)
    target, features = ("--target", '"price, net"'), ("--features", '"area, m²",b')
    for command in ("study", "fit", "rates", "select", "descend"):
        ran = cli(command, "homes.csv", *target, *features, "--json")
        assert ran.code == 0, (command, ran.err)
        assert "area, m²" in ran.out
        wrong = cli(command, "homes.csv", "--target", "price, net", *features)
        assert wrong.code != 0
    for given in (('"price, net",rent',), ('"price, net"', "--target", "rent")):
        for command in ("study", "fit"):
            ran = cli(command, "homes.csv", "--target", *given, *features, "--json")
            found = json.loads(ran.out)
            names = found.get("targets") or [model["target"] for model in found["models"]]
            assert names == ["price, net", "rent"]
        ran = cli("rates", "homes.csv", "--target", *given)
        assert ran.code == 2
        assert "double quotes" in ran.err
