"""Four ways down one slope, held against loops and closed forms that are none of ours."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from functools import partial
from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from tests.problems import collinear, correlated, naive_loop

import steepest
from steepest import errors
from steepest.checks import racers, racetrack
from steepest.checks.races import AUTOGRAD, BY_HAND, CLOSED, COMPILED, Lane, find_bounds

LANES = (BY_HAND, AUTOGRAD, COMPILED, CLOSED)
EPOCHS = 40


def race(source, **options):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("jax", reason="JAX is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", steepest.SteepestWarning)
        return steepest.race(source, **options)


def follow_eigenvectors(rows, rate, epochs):
    """u(t) by the eigenvectors of the rows' own Hessian, from u = 0."""
    n = len(rows.y)
    hessian = 2 * rows.design.T @ rows.design / n + 2 * rows.l2 * np.diag(rows.penalised)
    h, basis = np.linalg.eigh(hessian)
    slope = basis.T @ (2 * rows.design.T @ rows.y / n)
    seen = h > 1e-12 * h[-1]
    share = np.where(seen, (1 - (1 - rate * h) ** epochs) / np.where(seen, h, 1.0), 0.0)
    return basis @ (share * slope)


@pytest.mark.parametrize(
    ("scale", "l2", "intercept"), list(product(["standard", "none"], [0.0, 0.2], [True, False]))
)
@pytest.mark.parametrize("table", [correlated(), correlated(offset=20.0, seed=1), collinear()],
                         ids=["plain", "far from zero", "collinear"])  # fmt: skip
def test_every_lane_is_the_plain_loop_and_its_closed_form(table, scale, l2, intercept):
    result = race(table.columns, target="y", scale=scale, l2=l2, intercept=intercept, epochs=EPOCHS)
    rows, spread = naive_loop(table, scale, l2, intercept=intercept)
    by_rows, losses = rows.run(np.zeros(rows.design.shape[1]), result.model.learning_rate, EPOCHS)
    objectives = losses + l2 * np.sum(by_rows**2 * rows.penalised, axis=1)
    closed = follow_eigenvectors(rows, result.model.learning_rate, EPOCHS)
    assert [lane.name for lane in result.lanes] == list(LANES)
    assert result.agree
    assert result.complete
    size = np.abs(by_rows).max()
    for lane in result.lanes:
        assert lane.epochs == EPOCHS
        allowed = lane.bounds[-1]
        assert np.abs(lane.weights - by_rows[-1]).max() <= allowed
        assert np.abs(lane.weights - closed).max() <= max(allowed, 1e-12 * size)
        np.testing.assert_allclose(lane.losses, objectives, rtol=1e-9)
        coef = list(lane.coefficients.values())[int(intercept) :]
        skip = int(intercept and scale == "none")
        np.testing.assert_allclose(coef, by_rows[-1][skip:] / spread, atol=2 * allowed)


def test_lanes_are_torchs_own_descent():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    table = correlated(seed=4)
    result = race(table.columns, target="y", scale="none", learning_rate=0.01, epochs=EPOCHS)
    x, y = torch.tensor(table.X), torch.tensor(table.y)
    w = torch.zeros(table.X.shape[1], dtype=torch.float64, requires_grad=True)
    b = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([w, b], lr=0.01)
    losses = []
    for _ in range(EPOCHS + 1):
        optimiser.zero_grad()
        loss = torch.nn.functional.mse_loss(x @ w + b, y)
        losses.append(loss.item())
        loss.backward()
        if len(losses) <= EPOCHS:
            optimiser.step()
    for lane in result.lanes:
        np.testing.assert_allclose(lane.losses, losses, rtol=1e-12)
        truth = [b.item(), *w.tolist()]
        np.testing.assert_allclose(list(lane.coefficients.values()), truth, rtol=1e-11, atol=1e-12)


# ------------------------------------------------------------------ which rows, which columns


def mixed(n: int = 300) -> pd.DataFrame:
    """Numbers, levels, nulls in some of all, weights, and columns that do not vary."""
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({
        "area": rng.uniform(20, 200, n),
        "rooms": rng.integers(1, 7, n).astype(float),
        "city": rng.choice(["Oslo", "Bergen", "Voss", "Hol"], n, p=[0.5, 0.3, 0.18, 0.02]),
        "new": rng.random(n) < 0.3,
        "one": np.full(n, 3.0),
        "only": np.full(n, "here", dtype=object),
        "w": rng.integers(0, 4, n).astype(float),
        "base": rng.standard_normal(n),
    })  # fmt: skip
    frame["price"] = frame["area"] * 2 + 30 * (frame["city"] == "Oslo") + rng.normal(0, 9, n)
    frame["sold"] = rng.random(n) < 0.5
    for name, share in (("area", 0.05), ("city", 0.04), ("one", 0.03), ("only", 0.03)):
        frame[name] = frame[name].mask(rng.random(n) < share)
    return frame


FITS = {
    "all columns": {"target": "price"},
    "means": {"target": "price", "missing": "mean"},
    "indicators": {"target": "price", "missing": "indicator"},
    "indicators of a number": {"target": "price", "missing": "indicator", "features": ["area"]},
    "constants with nulls": {"target": "price", "features": ["rooms", "one", "only"]},
    "weights": {"target": "price", "weights": "w"},
    "frequencies": {"target": "price", "weights": "w", "weight_kind": "frequency"},
    "raw weights, l2": {"target": "price", "weights": "w", "scale": "none", "l2": 0.3},
    "where": {"target": "price", "where": "area > 60 and city != 'Voss'"},
    "where of what is no feature": {
        "target": "price", "features": ["rooms"], "where": "city == 'Oslo'", "weights": "w",
    },
    "a boolean target": {"target": "sold", "features": ["area", "city"]},
    "an offset": {"target": "price", "offset": "base"},
    "rare levels": {"target": "price", "rare": 20},
    "a reference": {"target": "price", "references": {"city": "Oslo"}},
    "no intercept": {"target": "price", "features": ["area", "city"], "intercept": False},
    "formed": {"formula": "log(price) ~ city*area + rooms^2 + C(rooms):area + new"},
    "formed, means": {"formula": "price ~ city:area + city:new + spline(area, 2)",
                      "missing": "mean"},
    "formed, indicators": {"formula": "price ~ city*area + sqrt(rooms)", "missing": "indicator"},
    "an offset in a formula": {"formula": "price ~ rooms + offset(base) + 0"},
    "a start": {"target": "price", "features": ["area", "rooms"], "w": {"area": 5.0}},
    "first rows": {"target": "price", "rows": 170, "weights": "w"},
    "double sums": {"target": "price", "precision": "double", "weights": "w"},
}  # fmt: skip


@pytest.mark.parametrize("name", FITS)
def test_the_rows_are_those_of_the_fit(name):
    options = dict(FITS[name])
    frame = mixed()
    frame["price"] = frame["price"] - frame["price"].min() + 1
    result = race(frame, epochs=EPOCHS, **options)
    assert result.agree, result
    assert all(lane.epochs == EPOCHS for lane in result.lanes)
    few = frame.head(options.pop("rows", len(frame)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", steepest.SteepestWarning)
        model = steepest.fit(few, epochs=EPOCHS, **options)
    assert result.model.coefficients == model.coefficients
    assert result.model.rows == model.rows


@pytest.mark.parametrize(
    ("far", "size", "weight"), [(0.0, 1e200, 1.0), (1.7e9, 1e-3, 1.0), (0.0, 1.0, 1e308)],
    ids=["squares are no doubles", "far from zero", "the sum of weights is no double"],
)  # fmt: skip
def test_lanes_agree_on_numbers_at_the_edge_of_doubles(far, size, weight):
    rng = np.random.default_rng(0)
    x, weights = rng.standard_normal(50), weight * rng.random(50)
    table = {"x": far + size * x, "w": weights, "y": x + rng.standard_normal(50)}
    assert race(table, target="y", weights="w", epochs=5).agree


def test_a_column_that_does_not_vary_beside_its_size_is_refused():
    table = {"x": [1.0, 2.0, 4.0], "y": [1.0, 2.0, 3.0], "w": [1.0, 1.0, 1e300]}
    with pytest.raises(errors.EmptySourceError, match="'x': it is constant"):
        race(table, target="y", weights="w", epochs=5)


def test_penguins_end_at_least_squares(penguins, least_squares):
    features = ["species", "sex", "flipper_length_mm"]
    expected = least_squares(pd.read_csv(penguins), "body_mass_g", features)
    result = race(penguins, target="body_mass_g", features=features, epochs=3_000)
    for lane in result.lanes:
        assert lane.coefficients == pytest.approx(expected, rel=1e-8)
    assert result.model.rows.used == 333


def test_first_rows_go_over_several_files(tmp_path):
    frame = mixed()
    frame[:100].to_csv(tmp_path / "a.csv", index=False)
    frame[100:].to_csv(tmp_path / "b.csv", index=False)
    pair = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for rows in (40, 100, 101, 250, 9_999):
        result = race(pair, target="price", features=["area", "city"], rows=rows, epochs=3)
        assert result.model.rows.read == min(rows, 300)
        assert result.agree


# ------------------------------------------------------------------ what counts as agreement


def test_a_target_that_nothing_explains_is_no_alarm():
    """Where the gradient's sum cancels to nothing, its terms have been rounded all the same."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((5_000, 3))
    y = rng.standard_normal(5_000)
    design = np.column_stack([np.ones(5_000), x])
    for _ in range(3):
        y -= design @ np.linalg.lstsq(design, y, rcond=None)[0]
    table = {**{f"x{j}": x[:, j] for j in range(3)}, "y": y}
    for scale in ("standard", "none"):
        assert race(table, target="y", scale=scale, epochs=EPOCHS).agree


def test_single_precision_and_a_wrong_gradient_differ():
    table = correlated()
    result = race(table.columns, target="y", epochs=EPOCHS)
    path = result.model.path
    rows, _ = naive_loop(table, "standard", 0.0)
    bounds = find_bounds(path, EPOCHS, float(np.abs(path.position(range(EPOCHS + 1))).max()))

    def start(design, y, factor, on_epoch):
        return steepest.descend(
            design, y, forward=lambda w, x: x @ w, loss=lambda y, p: ((p - y) ** 2).mean(),
            gradient=lambda x, y, p: factor * 2 / len(y) * (x.T @ (p - y)),
            w=np.zeros(4, dtype=design.dtype), learning_rate=path.learning_rate, epochs=EPOCHS,
            on_epoch=on_epoch,
        )  # fmt: skip

    single = rows.design.astype(np.float32), rows.y.astype(np.float32)
    for design, y, factor, agrees in (
        (rows.design, rows.y, 1.0, True),
        (*single, 1.0, False),
        (rows.design, rows.y, 1 + 1e-9, False),
    ):
        racer = racers.Racer("one", partial(start, design, y, factor), racers.Closed(path), 0.0)
        while not racer.finished:
            racer.take_turn(0.001)
        assert racer.report(bounds).agree is agrees


def test_what_each_costs_is_measured():
    result = race(correlated(n=5_000).columns, target="y", epochs=EPOCHS)
    for lane in result.lanes:
        assert lane.seconds.shape == (EPOCHS,)
        assert (lane.seconds > 0).all()
        assert lane.setup > 0
        assert lane.pace == pytest.approx(np.median(lane.seconds))
        assert lane.bounds.shape == lane.differences.shape == lane.losses.shape == (EPOCHS + 1,)
    assert result[COMPILED].setup > result[BY_HAND].setup  # it compiles
    with pytest.raises(KeyError):
        result["TensorFlow"]


def test_jax_is_left_as_it_was():
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    before = jax.config.jax_enable_x64
    race(correlated().columns, target="y", epochs=3)
    assert jax.config.jax_enable_x64 == before
    assert jax.numpy.zeros(1).dtype == ("float64" if before else "float32")


# ------------------------------------------------------------------ turns


def test_lanes_take_turns_until_somebody_ends_it():
    seen = []

    def on_turn(standing):
        seen.append([lane.epochs for lane in standing.lanes])
        return len(seen) >= 4 and all(lane.epochs for lane in standing.lanes[:3])

    before = threading.active_count()
    result = race(correlated().columns, target="y", epochs=10**6, on_turn=on_turn)
    assert threading.active_count() == before
    assert not result.complete
    assert result.agree
    assert [lane.ran for lane in result.lanes] == [True] * 4
    assert all(0 < lane.epochs < 10**6 for lane in result.lanes[:3])
    for earlier, later in pairwise(seen):
        moved = [a != b for a, b in zip(earlier, later, strict=True)]
        assert sum(moved) <= 1  # a first turn may be over with the start
    assert "one answer" in str(result)


def test_an_interruption_ends_all_threads():
    before = threading.active_count()

    def on_turn(standing):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        race(correlated().columns, target="y", epochs=10**6, on_turn=on_turn)
    assert threading.active_count() == before


# ------------------------------------------------------------------ refusals

TABLE = {"x": [1.0, 2.0, 3.0, 4.0], "y": [2.0, 4.0, 6.0, 9.0], "name": ["a", "b", "a", "b"]}
REFUSED = {
    "an unknown target": ({"target": "z"}, errors.ColumnNotFoundError, "'z' is not in"),
    "a text target": ({"target": "name"}, errors.ColumnKindError, "'name' is text"),
    "no target": ({}, errors.OptionError, "target is not given"),
    "a rate at 2/L": (
        {"target": "y", "features": ["x"], "learning_rate": 1.0},
        errors.LearningRateError,
        r"2/L = 1",
    ),
    "a rate of 0": ({"target": "y", "learning_rate": 0}, errors.OptionError, "learning_rate=0"),
    "no epochs": ({"target": "y", "epochs": 0}, errors.OptionError, "epochs=0"),
    "epochs left open": ({"target": "y", "epochs": None}, errors.OptionError, "epochs=None"),
    "no rows": ({"target": "y", "rows": 0}, errors.OptionError, "rows=0"),
    "a part of a row": ({"target": "y", "rows": 1.5}, errors.OptionError, "rows=1.5"),
    "a negative penalty": ({"target": "y", "l2": -1}, errors.OptionError, "l2=-1"),
    "an unknown scale": ({"target": "y", "scale": "sd"}, errors.OptionError, "scale='sd'"),
    "none selected": (
        {"target": "y", "where": "x > 9"}, errors.EmptySourceError, "none of the 4 rows"),
    "nothing that varies": (
        {"target": "y", "features": ["x"], "rows": 1}, errors.EmptySourceError, "it is constant"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    options, kind, words = REFUSED[case]
    seen = []
    with pytest.raises(kind, match=words) as caught:
        race(TABLE, on_turn=seen.append, **options)
    assert caught.value.exit_code == (3 if kind is errors.LearningRateError else 1)
    assert seen == []


def test_no_rows(tmp_path):
    (tmp_path / "empty.csv").write_text("x,y\n")
    with pytest.raises(errors.EmptySourceError, match="no data rows"):
        race(tmp_path / "empty.csv", target="y")


def test_moments_have_no_rows():
    with pytest.raises(errors.SourceError, match="hold no rows"):
        race(steepest.scan(TABLE), target="y")


def test_rows_beyond_memory_are_refused_with_how_many_fit(monkeypatch):
    monkeypatch.setattr(racetrack, "find_memory", lambda: 1_000)
    table = correlated(n=40, p=4).columns
    with pytest.raises(MemoryError, match=r"40 rows of 5 columns take 0 MB") as caught:
        race(table, target="y", epochs=2)
    fitting = 1_000 // (4 * 6 * 8)
    assert f"rows={fitting:_}" in caught.value.hint
    monkeypatch.setattr(racetrack, "find_memory", lambda: 4 * 6 * 8 * 40)
    race(table, target="y", epochs=2)


def test_memory_is_what_the_system_tells():
    free = racetrack.find_memory()
    assert free is None or 2**20 < free < 2**50


@pytest.mark.parametrize("line", ["5.0,1.0\n", ""], ids=["longer", "shorter"])
def test_a_table_that_changes_is_refused(tmp_path, line):
    """The progress of the scan is the moment at which somebody writes to the file."""
    path = tmp_path / "t.csv"
    rows = "x,y\n" + "".join(f"{i}.0,{i * i}.0\n" for i in range(9))

    def on_progress(progress):
        path.write_text(rows + line if line else rows[: rows.rindex("8.0,")])

    path.write_text(rows)
    with pytest.raises(errors.SourceError, match="changed while it was read"):
        race(path, target="y", on_progress=on_progress)


# ------------------------------------------------------------------ what is not installed


@pytest.mark.parametrize("missing", [["jax"], ["torch"], ["jax", "torch"]], ids="+".join)
def test_a_missing_library_is_said_and_is_no_error(missing, root):
    program = (
        f"import sys\nfor name in {missing!r}: sys.modules[name] = None\n"
        "import steepest\n"
        "print(steepest.race({'x': [1., 2., 3.], 'y': [1., 2., 4.]}, target='y', epochs=5))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True, text=True, cwd=root, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in ("jax", "torch"):
        said = f"not installed: pip install 'steepest[{name}]'" in done.stdout
        assert said is (name in missing)
    assert f"{['four', 'three', 'two'][len(missing)]} ways, one answer" in done.stdout


def test_fits_do_not_load_what_a_race_loads(root):
    program = (
        "import sys, steepest; steepest.fit({'x': [1., 2., 3.], 'y': [1., 2., 4.]}, target='y');"
        "print(sorted({'torch', 'jax'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True
    )
    assert done.stdout == "[]\n"


def test_a_lane_that_differs_says_so():
    result = race(correlated().columns, target="y", epochs=3)
    lane = result.lanes[0]
    off = Lane(
        lane.name, lane.losses, lane.weights, lane.coefficients, lane.differences + 1.0,
        lane.bounds, lane.seconds, lane.setup,
    )  # fmt: skip
    worse = type(result)(result.model, (off, *result.lanes[1:]), result.epochs)
    assert not worse.agree
    assert "DIFFERS" in str(worse)
    assert "not one answer" in str(worse)
