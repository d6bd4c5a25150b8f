"""A moments file gives back every bit, or is refused: every truncation, every bit, nonsense."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import steepest
from steepest.errors import ModelFileError, MomentsFileError, OutputError

HEAD = b"\x89steepest moments\r\n\x1a\n"
TABLE = {
    "x": [0.1, -2.5, np.nan, 1e300, 5e-324],
    "y": [1.0, 2.0, 4.0, 8.0, 16.0],
    "s": ["b", "a", "b", None, "c"],
    "t": ["p", "q", "q", "p", "p"],
    "w": [1.0, 0.5, 3.0, 2.0, 1e-3],
    "f": [1.0, 2.0, 3.0, 2.0, 0.0],
}


def scan(precision, **options):
    columns = [name for name in TABLE if name != options.get("weights")]
    table = {**TABLE, "x": np.array(TABLE["x"])} if precision == "exact" else {
        **TABLE, "x": [0.1, -2.5, np.nan, 3.0, 5e-3]}  # fmt: skip
    return steepest.scan(table, columns=columns, precision=precision, **options)


CASES = [
    (precision, options)
    for precision in ("exact", "double")
    for options in ({}, {"weights": "w"}, {"weights": "f", "weight_kind": "frequency"})
]


@pytest.fixture
def path(tmp_path):
    steepest.scan({"x": [1.0, 2.5], "s": ["a", "b"]}, precision="exact").save(
        tmp_path / "m.moments"
    )
    return tmp_path / "m.moments"


def seal(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


def take_apart(data: bytes) -> tuple[dict, bytes]:
    length = int.from_bytes(data[25:33], "little")
    return json.loads(data[33 : 33 + length]), data[33 + length : -32]


def put_together(header: object, content: bytes, version: int = 1) -> bytes:
    coded = json.dumps(header).encode()
    return seal(
        HEAD + version.to_bytes(4, "little") + len(coded).to_bytes(8, "little") + coded + content
    )


def bits(moments) -> list[object]:
    """Everything a fit could ask, to the bit."""
    found: list[object] = [moments.columns, moments.left_out, moments.rounded, moments.precision]
    found += [moments.weights, moments.weight_kind, moments.where, moments.parts, moments.n_read]
    problem = moments.problem("y", ["s", "t"])
    found += [problem.scatter.tobytes(), problem.cross.tobytes(), problem.mean.tobytes()]
    found += [problem.terms, problem.rows, problem.weight, problem.target_scatter]
    return [*found, repr(moments.describe())]


@pytest.mark.parametrize(("precision", "options"), CASES)
def test_round_trip_to_the_bit(precision, options, tmp_path):
    moments = scan(precision, **options)
    moments.save(tmp_path / "a.moments")
    loaded = steepest.load(tmp_path / "a.moments")
    assert bits(loaded) == bits(moments)
    loaded.save(tmp_path / "b.moments")
    assert (tmp_path / "a.moments").read_bytes() == (tmp_path / "b.moments").read_bytes()
    if precision == "exact":
        assert loaded == moments
        assert (loaded + moments) - moments == loaded


def test_sums_and_differences_and_nothing(tmp_path):
    a = steepest.scan({"x": [1.0, 2.0], "s": ["a", "b"]}, precision="exact")
    b = steepest.scan({"x": [1e300, 5e-324], "s": ["c", None]}, precision="exact")
    for moments in (a + b, (a + b) - a, a - a, steepest.Moments.zero()):
        moments.save(tmp_path / "m.moments")
        loaded = steepest.load(tmp_path / "m.moments")
        assert loaded == moments
        assert (loaded.parts, loaded.ledger.known) == (moments.parts, moments.ledger.known)
    assert steepest.load(tmp_path / "m.moments").n_read == 0


def test_double_sums_keep_their_bits_when_they_are_added(tmp_path):
    rng = np.random.default_rng(0)
    a = steepest.scan(
        {"y": rng.standard_normal(90), "x": rng.standard_normal(90)}, precision="double"
    )
    b = steepest.scan(
        {"x": rng.standard_normal(9), "y": rng.standard_normal(9)}, precision="double"
    )
    a.save(tmp_path / "a.moments")
    both, again = a + b, steepest.load(tmp_path / "a.moments") + b
    assert both.names == again.names == ("y", "x")
    assert both.scatter.tobytes() == again.scatter.tobytes()
    assert both.mean.tobytes() == again.mean.tobytes()


def test_the_form_is_the_documented_one(path):
    data = path.read_bytes()
    assert data.startswith(HEAD + (1).to_bytes(4, "little"))
    assert data[-32:] == hashlib.sha256(data[:-32]).digest()
    header, content = take_apart(data)
    assert header["axis"] is None
    moments = steepest.load(path)
    assert hashlib.sha256(content).hexdigest() == moments.fingerprint
    assert header["parts"][0]["id"] == moments.fingerprint
    documented = (Path(__file__).parents[2] / "docs" / "moments-file.md").read_text()
    assert all(f"`{key}`" in documented for key in header)
    assert HEAD.hex(" ") in documented


def test_a_wide_table_saves_and_loads(tmp_path):
    rows = np.random.default_rng(0).standard_normal((300, 300))
    moments = steepest.scan(rows, names=[f"x{j}" for j in range(300)], precision="exact")
    moments.save(tmp_path / "wide.moments")
    assert steepest.load(tmp_path / "wide.moments") == moments


def test_a_thousand_levels_and_their_pairs(tmp_path):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 1000, (2, 20_000)).astype(str)
    table = {"a": codes[0], "b": codes[1], "x": rng.standard_normal(20_000)}
    moments = steepest.scan(table, columns=["a", "b", "x"], precision="exact")
    moments.save(tmp_path / "m.moments")
    assert steepest.load(tmp_path / "m.moments") == moments


# ------------------------------------------------------------------ refusals


def refuses(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises((MomentsFileError, ModelFileError)) as caught:
        steepest.load(path)
    assert "\n\nHint: " in str(caught.value)


def test_every_truncation_is_refused(path):
    data = path.read_bytes()
    for length in range(len(data)):
        refuses(path, data[:length])


def flip(data: bytes, bit: int) -> bytes:
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def test_a_flipped_bit_is_refused(path):
    data = path.read_bytes()
    for bit in range(0, 8 * len(data), 37):
        refuses(path, flip(data, bit))


@pytest.mark.exhaustive
def test_every_flipped_bit_is_refused(path):
    data = path.read_bytes()
    for bit in range(8 * len(data)):
        refuses(path, flip(data, bit))


def test_bytes_after_the_end_are_refused(path):
    data = path.read_bytes()
    for more in (b"\n", b"\0", data):
        refuses(path, data + more)


@pytest.mark.parametrize("version", [2, 2**32 - 1])
def test_a_newer_format_is_refused(path, version):
    path.write_bytes(put_together(*take_apart(path.read_bytes()), version))
    with pytest.raises(MomentsFileError, match=f"format {version}; this steepest reads up to 1"):
        steepest.load(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"axis": "fold"},
        {"columns": []},
        {"columns": None},
        {"columns": [{"name": "x", "kind": "number", "type": "", "formed": None, "asked": True}]},
        {"columns": [{"name": "x", "kind": "number", "type": "", "formed": "y +", "asked": True}]},
        {"columns": [{"name": 1, "kind": "nonsense"}]},
        {"units": {}},
        {"units": {"x": [0]}},
        {"units": {"x": [10**9, 0]}},
        {"units": {"x": [5, 0]}},
        {"units": {"x": [0.5, 0]}},
        {"weight_unit": "0"},
        {"parts": [{}]},
        {"parts": 3},
        {"left_out": []},
    ],
)
def test_a_header_that_does_not_fit_is_refused(path, changes):
    header, content = take_apart(path.read_bytes())
    refuses(path, put_together({**header, **changes}, content))


@pytest.mark.parametrize("header", [[], "text", None, 3, {}])
def test_sealed_nonsense_is_refused(path, header):
    _, content = take_apart(path.read_bytes())
    refuses(path, put_together(header, content))


@pytest.mark.parametrize("body", [b"", b"\0" * 8, b"\xff" * 8, b"\xff" * 400, b"\0" * 400])
def test_a_sealed_body_of_nothing_is_refused(path, body):
    refuses(path, seal(HEAD + b"\1\0\0\0" + body))
    refuses(path, seal(HEAD + b"\0\0\0\0" + body))


def test_sealed_content_is_bounds_checked(path):
    """Whatever byte of the sums is another: refused, or other sums, but never anything else."""
    header, content = take_apart(path.read_bytes())
    truth = steepest.load(path)
    for at in range(len(content)):
        for value in (0, 1, 0x7F, 0xFF):
            other = content[:at] + bytes([value]) + content[at + 1 :]
            if other == content:
                continue
            path.write_bytes(put_together(header, other))
            with contextlib.suppress(MomentsFileError):
                assert steepest.load(path) != truth
    for length in range(len(content)):
        refuses(path, put_together(header, content[:length]))
    refuses(path, put_together(header, content + b"\0"))


def test_differences_that_no_rows_have_are_refused(path):
    """Sums sealed by hand: Σ x² too small for Σ x."""
    header, content = take_apart(path.read_bytes())
    moments = steepest.load(path)
    square = int(moments.patterns[frozenset()].whole.products[0, 0])
    assert square  # the odd part of Σ x² = 7.25 is 29, in one byte
    assert content.count(bytes([29])) == 1
    refuses(path, put_together(header, content.replace(bytes([29]), bytes([5]))))


def test_no_such_file(tmp_path):
    (tmp_path / "x.moments").write_bytes(b"")
    with pytest.raises(ModelFileError):
        steepest.load(tmp_path / "x.moments")


def test_moments_are_no_model(path, tmp_path):
    model = steepest.fit({"x": [1.0, 2.0, 4.0], "y": [1.0, 2.0, 3.0]}, target="y")
    model.save(tmp_path / "model.json")
    assert isinstance(steepest.load(tmp_path / "model.json"), steepest.Model)
    assert isinstance(steepest.load(path), steepest.Moments)
    for thing, place in ((model, path), (steepest.load(path), tmp_path / "model.json")):
        before = place.read_bytes()
        with pytest.raises(OutputError, match="and would be lost"):
            thing.save(place)
        assert place.read_bytes() == before


def test_a_failed_save_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OutputError, match="No space left"):
        steepest.scan({"x": [1.0, 2.0]}).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["m.moments"]
