"""Fits whose coefficients may be exactly 0: scikit-learn's solutions, files, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression
from sklearn.preprocessing import StandardScaler

import steepest
from steepest import SteepestWarning
from steepest.errors import ColumnNotFoundError, OptionError

N, P = 200, 6


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    x = random.normal(size=(N, P)) * np.geomspace(0.2, 20, P) + 10
    y = 5 + x[:, 0] * 3 - x[:, 4] * 0.2 + random.normal(size=N)
    return x, y


@pytest.fixture(scope="module")
def table(data):
    x, y = data
    return {**{f"x{j}": x[:, j] for j in range(P)}, "y": y}


@pytest.mark.parametrize("precision", ["exact", "double"])
@pytest.mark.parametrize(("l1", "l2"), [(0.2, 0.0), (0.2, 0.05), (5.0, 0.0)])
def test_lasso_and_elastic_net(data, table, l1, l2, precision):
    x, y = data
    both = l1 / 2 + l2
    known = ElasticNet(both, l1_ratio=l1 / 2 / both, tol=1e-14, max_iter=10**6)
    raw = steepest.fit(table, target="y", l1=l1, l2=l2, scale="none", precision=precision)
    known.fit(x, y)
    np.testing.assert_allclose(raw.coef, known.coef_, atol=1e-10)
    assert raw.intercept == pytest.approx(known.intercept_, rel=1e-10)
    scaler = StandardScaler().fit(x)
    known.fit(scaler.transform(x), y)
    scaled = steepest.fit(table, target="y", l1=l1, l2=l2, precision=precision)
    np.testing.assert_allclose(scaled.coef * scaler.scale_, known.coef_, atol=1e-10)
    loss = np.mean((y - known.predict(scaler.transform(x))) ** 2)
    assert scaled.loss == pytest.approx(loss, rel=1e-10)
    penalty = l1 * np.abs(known.coef_).sum() + l2 * (known.coef_**2).sum()
    assert scaled.objective == pytest.approx(loss + penalty, rel=1e-10)
    assert scaled.r2 == pytest.approx(1 - loss / y.var(), rel=1e-9, abs=1e-12)
    assert scaled.se is None


def test_nonnegative_and_factors(data, table):
    x, y = data
    known = LinearRegression(positive=True).fit(x, y)
    model = steepest.fit(table, target="y", nonnegative=True)
    np.testing.assert_allclose(model.coef, known.coef_, atol=1e-10)
    assert "non-negative least squares" in str(model)
    free = steepest.fit(table, target="y", l1=100.0, penalties={"x4": 0})
    alone = LinearRegression().fit(x[:, [4]], y)
    assert [n for n, v in free.coefficients.items() if v] == ["intercept", "x4"]
    assert free.coefficients["x4"] == pytest.approx(alone.coef_[0], rel=1e-10)
    ridge = steepest.fit(table, target="y", l2=0.1, penalties={f"x{j}": 1 for j in range(P)})
    plain = steepest.fit(table, target="y", l2=0.1)
    np.testing.assert_allclose(ridge.coef, plain.coef, rtol=1e-9)


def test_the_adaptive_lasso(data, table):
    x, y = data
    z = StandardScaler().fit_transform(x)
    size = np.abs(LinearRegression().fit(z, y).coef_) ** 0.5
    known = Lasso(0.1, tol=1e-14, max_iter=10**6).fit(z * size, y)
    model = steepest.fit(table, target="y", l1=0.2, adaptive=0.5)
    np.testing.assert_allclose(model.coef * x.std(0), known.coef_ * size, atol=1e-10)
    assert "the limit: adaptive lasso" in str(model)


def test_levels_nulls_and_prediction(table):
    city = np.random.default_rng(1).choice(["a", "b", "c"], N)
    frame = {**table, "city": city, "one": np.ones(N)}
    with pytest.warns(SteepestWarning, match="'one' is constant"):
        model = steepest.fit(frame, target="y", l1=0.05, penalties={"city": 2})
    assert {"city[b]", "city[c]"} < {*model.coefficients}
    predicted = model.predict({n: v for n, v in frame.items() if n != "y"})
    assert np.mean((predicted - frame["y"]) ** 2) == pytest.approx(model.loss, rel=1e-9)


def test_a_saved_model_is_the_same(table, tmp_path):
    options = {"l1": 0.1, "nonnegative": True, "adaptive": 1.0, "penalties": {"x1": 3.0}}
    model = steepest.fit(table, target="y", **options)
    model.save(tmp_path / "m.json")
    found = steepest.load(tmp_path / "m.json")
    assert found.coefficients == model.coefficients
    assert found.settings == model.settings
    assert str(found) == str(model)


def test_more_columns_than_rows(table):
    few = {name: column[:5] for name, column in table.items()}
    model = steepest.fit(few, target="y", l1=0.1)
    assert np.count_nonzero(model.coef) <= 5
    perfect = steepest.fit({"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]}, target="y", l1=1e-9)
    assert perfect.loss >= 0
    assert perfect.coefficients["x"] == pytest.approx(2, rel=1e-8)


def test_what_is_refused(table):
    for options in (
        {"l1": -1}, {"l1": np.nan}, {"l1": "0.1"}, {"nonnegative": 1}, {"adaptive": -1, "l1": 1},
        {"l1": 0.1, "penalties": {"x0": -1}}, {"l1": 0.1, "penalties": ["x0"]},
        {"nonnegative": True, "learning_rate": 0.1},
        {"l1": 0.1, "w": {"x0": 1.0}},
    ):  # fmt: skip
        with pytest.raises(OptionError):
            steepest.fit(table, target="y", **options)
    with pytest.raises(ColumnNotFoundError, match="x00"):
        steepest.fit(table, target="y", l1=0.1, penalties={"x00": 1})
    model = steepest.fit(table, target="y", l1=0.1)
    with pytest.raises(OptionError, match="a fit by lasso has no path"):
        _ = model.path


@pytest.mark.parametrize("given", [{"adaptive": 1.0}, {"penalties": {"x1": 5.0}}])
@pytest.mark.parametrize("made", [steepest.fit, steepest.study])
def test_what_would_change_nothing_is_refused(table, given, made):
    with pytest.raises(OptionError, match="is given, and no l1"):
        made(table, target="y", **given, nonnegative=True)
