"""A model file is whole or refused: every truncation, every bit, every newer format."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from tests.problems import correlated
from tests.tiers import exhaustively

import steepest
from steepest.errors import ModelFileError, OutputError


@pytest.fixture
def model():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", steepest.SteepestWarning)
        return steepest.fit("examples/penguins.csv", target="body_mass_g", epochs=300, l2=0.01)


@pytest.fixture
def path(model, tmp_path):
    model.save(tmp_path / "model.json")
    return tmp_path / "model.json"


def seal(body: bytes) -> bytes:
    return body + hashlib.sha256(body).hexdigest().encode() + b"\n"


def rewrite(path, **changes):
    body = path.read_bytes()[:-65]
    content = {**json.loads(body), **changes}
    path.write_bytes(seal(json.dumps(content).encode() + b"\n"))


def test_the_last_line_is_the_checksum_of_every_byte_above(path):
    *above, last = path.read_bytes().splitlines(keepends=True)
    assert last.strip().decode() == hashlib.sha256(b"".join(above)).hexdigest()
    json.loads(b"".join(above))


def test_round_trip_to_the_bit(model, path):
    loaded = steepest.load(path)
    table = "examples/penguins.csv"
    assert loaded.predict(table).tobytes() == model.predict(table).tobytes()
    assert loaded.coefficients == model.coefficients
    assert loaded.rows == model.rows
    assert loaded.notes == model.notes
    assert loaded.path.loss([0, 10, 10**6]).tobytes() == model.path.loss([0, 10, 10**6]).tobytes()
    assert loaded.path.at(7) == model.path.at(7)
    assert str(loaded) == str(model)
    loaded.save(path.with_name("again.json"))
    assert path.with_name("again.json").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("step", [7, *exhaustively(1)])
def test_every_truncation_is_refused(step, path):
    data = path.read_bytes()
    for length in [*range(0, len(data), step), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(ModelFileError):
            steepest.load(path)


def flip(path, data: bytes, bits: range) -> None:
    for bit in bits:
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError):
            steepest.load(path)


def test_a_flipped_bit_is_refused(path):
    data = path.read_bytes()
    flip(path, data, range(0, 8 * len(data), 37))


@pytest.mark.exhaustive
def test_every_flipped_bit_is_refused(tmp_path):
    steepest.fit({"x": [1.0, 2, 3], "y": [2.0, 4, 7]}, target="y").save(tmp_path / "small.json")
    data = (tmp_path / "small.json").read_bytes()
    flip(tmp_path / "small.json", data, range(8 * len(data)))


def test_bytes_after_the_end_are_refused(path):
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(ModelFileError):
        steepest.load(path)


@pytest.mark.parametrize("version", [2, 99])
def test_a_newer_format_is_refused(path, version):
    rewrite(path, format_version=version)
    with pytest.raises(ModelFileError, match=f"format {version}; this steepest reads up to 1"):
        steepest.load(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "other"},
        {"format_version": True},
        {"format_version": "1"},
        {"coefficients": "none"},
        {"coefficients": [{"name": "x", "column": "x", "level": None, "value": "abc"}]},
        {"rows": {}},
        {"statistic": None},
        {"settings": {"l2": 0}},
        {"intercept": None},
        {"intercept": "1"},
        {"loss": []},
    ],
)
def test_wrong_fields_are_refused(path, changes):
    rewrite(path, **changes)
    with pytest.raises(ModelFileError):
        steepest.load(path)


@pytest.mark.parametrize(
    "body",
    [
        b"{}\n",
        b"[1, 2]\n",
        b"not json\n",
        b'{"format": "steepest model", "format_version": 1, "loss": NaN}\n',
        b'{"format": "steepest model", "format": "steepest model"}\n',
        b"[" * 100_000 + b"\n",
        b"\xff\xfe\n",
        b"\n",
        b"",
    ],
)
def test_sealed_nonsense_is_refused(path, body):
    path.write_bytes(seal(body))
    with pytest.raises(ModelFileError) as caught:
        steepest.load(path)
    assert "\n\nHint: " in str(caught.value)


def test_no_such_file(tmp_path):
    with pytest.raises(ModelFileError, match="cannot be read"):
        steepest.load(tmp_path / "none.json")


@pytest.mark.parametrize("where", ["folder", "missing/model.json"])
def test_a_place_that_cannot_be_written(model, tmp_path, where):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        model.save(tmp_path / where)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_save_leaves_the_old_model(model, path, monkeypatch, call):
    before = path.read_bytes()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else ("pathlib.Path.replace",)), fail)
    with pytest.raises(OutputError, match="No space left"):
        steepest.fit(correlated().columns, target="y").save(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["model.json"]


def test_a_wide_model_saves_and_loads(tmp_path):
    rng = np.random.default_rng(0)
    table = {f"x{j}": rng.standard_normal(1200) for j in range(1000)} | {
        "y": rng.standard_normal(1200)
    }
    model = steepest.fit(table, target="y", l2=0.1)
    model.save(tmp_path / "wide.json")
    assert steepest.load(tmp_path / "wide.json").coefficients == model.coefficients


SAVER = """
import sys, warnings
warnings.simplefilter("ignore")
import steepest
models = [steepest.load(path) for path in sys.argv[2:]]
print("ready", flush=True)
while True:
    for model in models:
        model.save(sys.argv[1])
"""


@pytest.mark.exhaustive
def test_a_killed_save_leaves_one_model_or_the_other(tmp_path):
    rng = np.random.default_rng(1)
    table = {f"x{j}": rng.standard_normal(500) for j in range(150)} | {
        "y": rng.standard_normal(500)
    }
    for name, l2 in (("a", 0.1), ("b", 1.0)):
        steepest.fit(table, target="y", l2=l2).save(tmp_path / f"{name}.json")
    whole = {(tmp_path / f"{name}.json").read_bytes() for name in "ab"}
    target = tmp_path / "folder" / "model.json"
    target.parent.mkdir()
    target.write_bytes((tmp_path / "a.json").read_bytes())
    for i in range(40):
        saver = subprocess.Popen(
            [
                sys.executable,
                "-c",
                SAVER,
                str(target),
                *(str(tmp_path / f"{n}.json") for n in "ab"),
            ],
            stdout=subprocess.PIPE,
        )
        assert saver.stdout.readline() == b"ready\n"
        time.sleep(0.001 * rng.integers(1, 60))
        saver.kill()
        saver.wait()
        saver.stdout.close()
        assert target.read_bytes() in whole, i
        steepest.load(target)
    drafts = [p.name for p in target.parent.iterdir() if p.name != "model.json"]
    assert all(name.startswith(".model.json.") and name.endswith(".part") for name in drafts)
