"""Studies: brute force by scikit-learn on the same folds, honest selection, hostile tables."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    LinearRegression,
    Ridge,
    RidgeCV,
)
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import steepest
from steepest import SteepestWarning
from steepest.errors import (
    ColumnNotFoundError,
    FoldsError,
    LearningRateError,
    OptionError,
    StudyError,
)
from steepest.terms import exp

N, P, K = 300, 8, 5
TRAINED = N - N // K
ALPHAS = np.geomspace(1e-3, 1e4, 25)
SCORE = "neg_mean_squared_error"


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(7)
    x = random.normal(size=(N, P)) * np.geomspace(0.1, 30, P) + np.linspace(-5, 100, P)
    x[:, 1] += 0.9 * x[:, 0]
    y = 3 + x @ (random.normal(size=P) / np.geomspace(0.1, 30, P)) + random.normal(size=N)
    return x, y


@pytest.fixture(scope="module")
def table(data):
    x, y = data
    return {**{f"x{j}": x[:, j] for j in range(P)}, "y": y}


@pytest.fixture(scope="module")
def moments(table):
    return steepest.scan(table, folds=f"contiguous:{K}")


def errors(study):
    return np.array([candidate.error for candidate in study.candidates])


def search(model, name, values, x, y, cv=None):
    cv = cv or KFold(K)
    return (
        -GridSearchCV(model, {name: values}, cv=cv, scoring=SCORE)
        .fit(x, y)
        .cv_results_["mean_test_score"]
    )


# ------------------------------------------------------------------ equal to brute force


@pytest.mark.parametrize("precision", ["exact", "double"])
def test_ridge(data, table, precision):
    x, y = data
    moments = steepest.scan(table, folds=f"contiguous:{K}", precision=precision)
    raw = steepest.study(moments, "y", l2=ALPHAS / TRAINED, scale="none")
    ridge = Ridge(solver="cholesky")
    np.testing.assert_allclose(errors(raw), search(ridge, "alpha", ALPHAS, x, y), rtol=1e-10)
    scaled = steepest.study(moments, "y", l2=ALPHAS / TRAINED)
    pipe = make_pipeline(StandardScaler(), ridge)
    known = search(pipe, "ridge__alpha", ALPHAS, x, y)
    np.testing.assert_allclose(errors(scaled), known, rtol=1e-10)
    cv = RidgeCV(ALPHAS, cv=KFold(K), scoring=SCORE).fit(x, y)
    assert raw.best.l2 * TRAINED == pytest.approx(cv.alpha_)
    assert raw.best.error == pytest.approx(-cv.best_score_, rel=1e-10)
    own = [steepest.study(moments, "y", l2=a / TRAINED, scale="none").best for a in ALPHAS[::8]]
    np.testing.assert_allclose([c.error for c in own], errors(raw)[::8], rtol=1e-12)


def test_leave_one_out_is_ridge_cvs_own(data, table):
    x, y = (part[:40] for part in data)
    frame = {name: column[:40] for name, column in table.items()} | {"i": np.arange(40)}
    moments = steepest.scan(frame, folds="i")
    cv = RidgeCV(ALPHAS, store_cv_results=True).fit(x, y)
    found = steepest.study(moments, "y", l2=ALPHAS / 39, scale="none")
    np.testing.assert_allclose(errors(found), cv.cv_results_.mean(0), rtol=1e-8)


def test_lasso(data, moments):
    x, y = data
    cv = LassoCV(cv=KFold(K), alphas=100, tol=1e-13, max_iter=10**6).fit(x, y)
    found = steepest.study(moments, "y", l1="path", scale="none")
    np.testing.assert_allclose([c.l1 / 2 for c in found.candidates], cv.alphas_, rtol=1e-12)
    np.testing.assert_allclose(errors(found), cv.mse_path_.mean(1), rtol=1e-8)
    assert found.best.l1 / 2 == pytest.approx(cv.alpha_)
    known = Lasso(cv.alpha_, tol=1e-14, max_iter=10**6).fit(x, y)
    model = found.refit()
    np.testing.assert_allclose(model.coef, known.coef_, atol=1e-9)
    assert model.intercept == pytest.approx(known.intercept_, rel=1e-9)


def test_elastic_nets(data, moments):
    x, y = data
    ratios = [0.2, 0.7, 1.0]
    cv = ElasticNetCV(l1_ratio=ratios, cv=KFold(K), alphas=60, tol=1e-13, max_iter=10**6).fit(x, y)
    for i, ratio in enumerate(ratios):
        alphas = cv.alphas_[i]
        found = steepest.study(moments, "y", l1=2 * alphas, l1_ratio=ratio, scale="none")
        np.testing.assert_allclose(errors(found), cv.mse_path_[i].mean(1), rtol=1e-8)
    pair = steepest.study(moments, "y", l1=[0.3], l2=[0.02, 0.2], scale="none")
    for candidate in pair.candidates:
        both = candidate.l1 / 2 + candidate.l2
        model = ElasticNet(both, l1_ratio=candidate.l1 / 2 / both, tol=1e-14, max_iter=10**6)
        known = -cross_val_score(model, x, y, cv=KFold(K), scoring=SCORE).mean()
        assert candidate.error == pytest.approx(known, rel=1e-8)


def test_nonnegative_and_no_intercept(data, moments):
    x, y = data
    model = LinearRegression(positive=True)
    known = -cross_val_score(model, x, y, cv=KFold(K), scoring=SCORE).mean()
    found = steepest.study(moments, "y", nonnegative=True)
    assert found.best.error == pytest.approx(known, rel=1e-8)
    assert (found.refit().coef >= 0).all()
    model = make_pipeline(StandardScaler(with_mean=False), Ridge(3.0, fit_intercept=False))
    plain = Ridge(3.0, fit_intercept=False, solver="cholesky")
    known = -cross_val_score(plain, x, y, cv=KFold(K), scoring=SCORE).mean()
    found = steepest.study(moments, "y", l2=3 / TRAINED, scale="none", intercept=False)
    assert found.best.error == pytest.approx(known, rel=1e-10)


def test_groups(data, table):
    x, y = data
    groups = np.random.default_rng(0).choice(["north", "south", "west"], N, p=[0.5, 0.3, 0.2])
    with pytest.warns(SteepestWarning, match="are unequal"):
        moments = steepest.scan({**table, "region": groups}, folds="region")
    found = steepest.study(moments, "y", l1=[0.01, 0.1, 1.0], scale="none")
    cv = LeaveOneGroupOut().split(x, y, groups)
    model = Lasso(tol=1e-14, max_iter=10**6)
    known = search(model, "alpha", [0.005, 0.05, 0.5], x, y, list(cv))
    np.testing.assert_allclose(errors(found), known, rtol=1e-8)
    assert found.folds == ("north", "south", "west")
    assert found.best.features == tuple(f"x{j}" for j in range(P))
    with pytest.warns(SteepestWarning, match=r"no row trained on .*: 'region' 300"):
        with_region = steepest.study(moments, "y", features=["x0", "region"], l2=0.1)
    assert with_region.best.features == ("x0", "region")


def test_nulls_are_filled_with_what_was_trained_on(data, table):
    x, y = data[0].copy(), data[1]
    x[np.random.default_rng(3).random(x.shape) < 0.1] = np.nan
    frame = {f"x{j}": x[:, j] for j in range(P)} | {"y": y}
    moments = steepest.scan(frame, folds=f"contiguous:{K}")
    for missing, indicator in (("mean", False), ("indicator", True)):
        pipe = make_pipeline(SimpleImputer(add_indicator=indicator), LinearRegression())
        known = -cross_val_score(pipe, x, y, cv=KFold(K), scoring=SCORE).mean()
        found = steepest.study(moments, "y", missing=missing, l2=0.0)
        assert found.best.error == pytest.approx(known, rel=1e-9)
    kept = ~np.isnan(x).any(1)
    fold = np.repeat(np.arange(K), N // K)[kept]
    cv = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(K)]
    known = -cross_val_score(LinearRegression(), x[kept], y[kept], cv=cv, scoring=SCORE).mean()
    dropped = steepest.study(moments, "y", l2=0.0)
    assert dropped.best.error == pytest.approx(known, rel=1e-9)


def test_weights(data, table):
    x, y = data
    weight = np.random.default_rng(0).integers(0, 4, N)
    moments = steepest.scan({**table, "w": weight}, folds=f"contiguous:{K}", weights="w")
    found = steepest.study(moments, "y", l2=0.0)
    known = []
    for train, held in KFold(K).split(x):
        model = LinearRegression().fit(x[train], y[train], sample_weight=weight[train])
        known.append(
            mean_squared_error(y[held], model.predict(x[held]), sample_weight=weight[held])
        )
    np.testing.assert_allclose(found.best.fold_errors, known, rtol=1e-10)


def test_levels_and_formulas(data, table):
    """A level without rows to train on has no coefficient, as one-hot columns of all rows say."""
    x, y = data
    city = np.where(np.arange(N) < 3, "Rome", np.random.default_rng(1).choice(["a", "b", "c"], N))
    frame = pd.DataFrame({**table, "city": city})
    moments = steepest.scan(frame, folds=f"contiguous:{K}", formula="y ~ x0 + x1^2 + city")
    with pytest.warns(SteepestWarning, match=r"rows by column: 'city' 3\."):
        found = steepest.study(moments, formula="y ~ x0 + x1^2 + city", l2=[0.0, 0.05])
    assert sum("no row trained on" in note for note in found.notes) == 1
    design = np.column_stack(
        [x[:, 0], x[:, 1] ** 2, *(city == level for level in ("a", "b", "c"))]
    ).astype(float)
    for candidate in found.candidates:
        known = []
        for train, held in KFold(K).split(design):
            spread = design[train].std(0)
            keep = spread > 0
            mean = design[train][:, keep].mean(0)
            z = (design[:, keep] - mean) / spread[keep]
            model = Ridge(candidate.l2 * len(train) or 1e-9, solver="svd").fit(z[train], y[train])
            known.append(mean_squared_error(y[held], model.predict(z[held])))
        np.testing.assert_allclose(candidate.error, np.mean(known), rtol=1e-7)


def test_adaptive_and_factors(data, moments):
    x, y = data
    found = steepest.study(moments, "y", l1=[0.01, 0.1], adaptive=1, scale="none")
    for candidate in found.candidates:
        known = []
        for train, held in KFold(K).split(x):
            first = LinearRegression().fit(x[train], y[train]).coef_
            size = np.abs(first * x[train].std(0))  # of columns in standard units
            lasso = Lasso(candidate.l1 / 2, tol=1e-14, max_iter=10**6)
            lasso.fit(x[train] * size, y[train])
            known.append(mean_squared_error(y[held], lasso.predict(x[held] * size)))
        assert candidate.error == pytest.approx(np.mean(known), rel=1e-8)
    free = steepest.study(moments, "y", l1=[1e6], penalties={"x2": 0.0}, scale="none")
    known = -cross_val_score(LinearRegression(), x[:, [2]], y, cv=KFold(K), scoring=SCORE).mean()
    assert free.best.error == pytest.approx(known, rel=1e-9)
    assert free.best.coefficients == 1


def test_epochs_are_those_of_a_loop(data, moments):
    x, y = data
    found = steepest.study(moments, "y", learning_rate=[0.1, 0.3], epochs=[1, 10, 500], l2=0.01)
    for candidate in found.candidates:
        known = []
        for train, held in KFold(K).split(x):
            mean, spread = x[train].mean(0), x[train].std(0)
            z, centre = (x - mean) / spread, y[train].mean()
            w = np.zeros(P)
            for _ in range(candidate.epochs):
                gap = z[train] @ w - (y[train] - centre)
                w -= candidate.learning_rate * (2 * z[train].T @ gap / len(train) + 0.02 * w)
            known.append(mean_squared_error(y[held], z[held] @ w + centre))
        assert candidate.error == pytest.approx(np.mean(known), rel=1e-10)
    slow = found.candidates[0]
    assert slow.parameters < found.candidates[2].parameters < P + 1
    assert found.refit(slow).settings.epochs == slow.epochs
    with pytest.raises(LearningRateError):
        steepest.study(moments, "y", learning_rate=5.0, epochs=10)


# ------------------------------------------------------------------ choosing


def test_best_one_se_and_refit(data, moments):
    x, y = data
    study = steepest.study(moments, "y", l1="path", choose="one-se")
    best, simplest = study.best, study.one_se
    assert best.error == min(errors(study))
    assert simplest.error <= best.error + best.se
    assert simplest.parameters < best.parameters
    rest = [c for c in study.candidates if c.error <= best.error + best.se]
    assert simplest.parameters == min(c.parameters for c in rest)
    assert study.chosen is simplest
    model = study.best_model
    z = StandardScaler().fit(x)
    lasso = Lasso(simplest.l1 / 2, tol=1e-14, max_iter=10**6).fit(z.transform(x), y)
    np.testing.assert_allclose(model.coef, lasso.coef_ / z.scale_, atol=1e-9)
    assert model.loss == pytest.approx(simplest.loss, rel=1e-10)
    assert np.count_nonzero(model.coef) == simplest.coefficients == simplest.parameters - 1
    np.testing.assert_allclose(best.se, np.std(best.fold_errors, ddof=1) / np.sqrt(K), rtol=1e-12)
    dummy = -cross_val_score(DummyRegressor(), x, y, cv=KFold(K), scoring=SCORE).mean()
    assert study.baseline["y"] == pytest.approx(dummy, rel=1e-12)


def test_ridge_parameters_are_the_trace_of_the_hat_matrix(data, moments):
    x, _ = data
    z = (x - x.mean(0)) / x.std(0)
    study = steepest.study(moments, "y", l2=[0.0, 0.01, 1.0])
    for candidate in study.candidates:
        hat = z @ np.linalg.solve(z.T @ z + candidate.l2 * N * np.eye(P), z.T)
        assert candidate.parameters == pytest.approx(1 + np.trace(hat), rel=1e-9)


@pytest.mark.parametrize("choose", ["best", "one-se"])
def test_nested_selection_is_brute_force(data, moments, choose):
    x, y = data
    found = steepest.study(moments, "y", l1=[0.02, 0.2, 0.6], scale="none", nested=True,
                           choose=choose)  # fmt: skip
    folds = [held for _, held in KFold(K).split(x)]
    known, chosen = [], []
    for outer in range(K):
        inner = [k for k in range(K) if k != outer]
        table = []
        for on in inner:
            train = np.concatenate([folds[k] for k in inner if k != on])
            row = []
            for c in found.candidates:
                model = Lasso(c.l1 / 2, tol=1e-14, max_iter=10**6).fit(x[train], y[train])
                row.append(mean_squared_error(y[folds[on]], model.predict(x[folds[on]])))
            table.append(row)
        table = np.array(table)
        mean = table.mean(0)
        at = int(mean.argmin())
        if choose == "one-se":
            bound = mean[at] + table[:, at].std(ddof=1) / np.sqrt(K - 1)
            train = np.concatenate([folds[k] for k in inner])
            sizes = [
                np.count_nonzero(
                    Lasso(c.l1 / 2, tol=1e-14, max_iter=10**6).fit(x[train], y[train]).coef_
                )
                for c in found.candidates
            ]
            at = min((i for i in range(3) if mean[i] <= bound), key=lambda i: (sizes[i], mean[i]))
        chosen.append(found.candidates[at].l1)
        train = np.concatenate([folds[k] for k in inner])
        model = Lasso(chosen[-1] / 2, tol=1e-14, max_iter=10**6).fit(x[train], y[train])
        known.append(mean_squared_error(y[folds[outer]], model.predict(x[folds[outer]])))
    nested = found.nested["y"]
    np.testing.assert_allclose(nested.fold_errors, known, rtol=1e-8)
    assert [c.l1 for c in nested.chosen] == chosen
    assert nested.error == pytest.approx(np.mean(known), rel=1e-8)


def test_nested_selection_sees_through_a_lucky_choice():
    """Among many useless sets of features some look better than the mean; none is."""
    random = np.random.default_rng(5)
    x, y = random.normal(size=(40, 16)), random.normal(size=40)
    table = {**{f"x{j}": x[:, j] for j in range(16)}, "y": y}
    moments = steepest.scan(table, folds="contiguous:4")
    sets = [[f"x{a}", f"x{b}"] for a, b in itertools.combinations(range(16), 2)][::3]
    found = steepest.study(moments, "y", features=sets, l2=0.0, nested=True)
    assert found.best.error < found.baseline["y"] < found.nested["y"].error


def test_several_targets_and_sets_from_one_scan(table):
    random = np.random.default_rng(0)
    frame = {**table, "z": random.normal(size=N)}
    study = steepest.study(
        frame, ["y", "z"], features=[["x0"], ["x0", "x1"]], folds="contiguous:5", l2=[0.0, 0.1]
    )
    assert len(study.candidates) == 8
    assert study.targets == ("y", "z")
    alone = steepest.study(frame, "z", features=["x0", "x1"], folds="contiguous:5", l2=[0.0, 0.1])
    np.testing.assert_allclose(errors(study["z"])[2:], errors(alone), rtol=1e-12)
    with pytest.raises(StudyError, match=r"study\['y'\]"):
        _ = study.best
    rows = study.table
    assert sum(row["best"] for row in rows) == sum(row["one_se"] for row in rows) == 2
    every = steepest.study(frame, ["y", "z"], folds="contiguous:5", l2=0.1)
    assert every["z"].best.features == tuple(f"x{j}" for j in range(P))
    assert every["y"].refit().target == "y"
    mixed = steepest.study(frame, "y", features=[["x0"], [exp("x0"), "x1"]], folds=3, l2=0.1)
    assert mixed.best.features in (("x0",), ("exp(x0)", "x1"))


# ------------------------------------------------------------------ near the edges


def test_a_perfect_fit_has_no_negative_error():
    x = np.arange(1.0, 31.0)
    moments = steepest.scan({"x": x, "y": 2 * x}, folds="contiguous:3")
    study = steepest.study(moments, "y", l2=[0.0, 1e-12, 1e-6])
    assert all(c.error >= 0 for c in study.candidates)
    assert study.candidates[0].error < 1e-28
    large = steepest.scan({"x": 1e9 + x, "y": 1e9 + 2 * x + 1e-3 * (-1) ** np.arange(30)},
                          folds="contiguous:3")  # fmt: skip
    known = []
    for held in np.split(np.arange(30), 3):
        train = np.setdiff1d(np.arange(30), held)
        noise = np.round((1e9 + 2 * x + 1e-3 * (-1) ** np.arange(30)) - 1e9, 9)
        slope, intercept = np.polyfit(x[train], noise[train], 1)
        known.append(np.mean((noise[held] - slope * x[held] - intercept) ** 2))
    found = steepest.study(large, "y", l2=0.0).best
    np.testing.assert_allclose(found.fold_errors, known, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::steepest.SteepestWarning")
def test_hostile_tables(table):
    frame = {**table, "one": np.ones(N), "copy": table["x0"]}
    rare = steepest.scan({**frame, "rare": np.arange(N) == 7}, folds="contiguous:5")
    assert np.isfinite(errors(steepest.study(rare, "y", l2=[0.0, 0.1], l1=[0.0, 0.1]))).all()
    moments = steepest.scan(frame, folds="contiguous:5")
    whole = steepest.study(moments, "y", l2=[0.0, 0.1], l1=[0.0, 0.1])
    assert np.isfinite(errors(whole)).all()
    plain = steepest.study(steepest.scan(table, folds="contiguous:5"), "y", l2=0.0)
    assert whole.candidates[0].error == pytest.approx(plain.best.error, rel=1e-6)
    constant = steepest.scan({"x": table["x0"], "y": np.full(N, 3.0)}, folds=3)
    found = steepest.study(constant, "y", l1="path")
    assert found.best.error == 0 == found.baseline["y"]
    assert str(found)
    assert found.table[0]["r2"] is None


def test_what_is_refused(table, moments):
    with pytest.raises(FoldsError, match="scanned without folds"):
        steepest.study(steepest.scan(table), "y")
    with pytest.raises(StudyError, match="source is moments"):
        steepest.study(moments, "y", folds=5)
    with pytest.raises(FoldsError, match=r"all rows .* are in one fold"):
        steepest.study({**table, "g": ["a"] * N}, "y", folds="g")
    with pytest.raises(ColumnNotFoundError):
        steepest.study(moments, "y", features=["x0", "nope"])
    with pytest.raises(ColumnNotFoundError):
        steepest.study(moments, "y", l1=0.1, penalties={"nope": 2})
    with pytest.raises(OptionError, match="for 2 folds"):
        steepest.study(table, "y", folds=2, nested=True)
    some = {"x": [1.0, 2.0, np.nan, np.nan], "y": [1.0, 2.0, 3.0, 5.0]}
    with pytest.raises(FoldsError, match="there is nothing to train on: "):
        steepest.study(some, "y", folds="contiguous:2", l2=1.0)
    for options in (
        {"l2": -1}, {"l2": []}, {"l2": "a:b:c"}, {"l2": "0:1:5"}, {"l2": np.nan}, {"l1": "paht"},
        {"l1_ratio": 0}, {"l1_ratio": 0.5, "l2": 1}, {"epochs": 0}, {"epochs": 1.5},
        {"learning_rate": 0.1},
        {"choose": "worst"}, {"adaptive": -1}, {"penalties": {"x0": -1}}, {"nonnegative": 1},
        {"l2": "1e-3:1:2000000"}, {"scale": "x"}, {"missing": "x"},
    ):  # fmt: skip
        with pytest.raises(OptionError):
            steepest.study(moments, "y", **options)


def test_ranges_in_words(moments):
    from steepest.models.grids import read_grid, read_values

    assert read_values("l2", "0.01:1:3") == pytest.approx([0.01, 0.1, 1])
    assert read_values("l2", "0,0.1:10:3,7") == pytest.approx([0, 0.1, 1, 10, 7])
    grid = read_grid(
        l1=None, l2=None, learning_rate=None, epochs="1:100:5", l1_ratio=None, plain=True
    )
    assert grid.epochs == (1, 3, 10, 32, 100)
    assert len(steepest.study(moments, "y").candidates) == 50


def test_the_table_is_a_frame_and_a_file(moments, tmp_path):
    study = steepest.study(moments, "y", l2=[0.0, 0.1])
    study.save_table(tmp_path / "t.csv")
    read = pd.read_csv(tmp_path / "t.csv")
    assert list(read["l2"]) == [0.0, 0.1]
    np.testing.assert_array_equal(read["error"], errors(study))
    np.testing.assert_array_equal(read["fold 3"], [c.fold_errors[2] for c in study.candidates])
    assert list(pd.DataFrame(study.table)["best"]) == list(read["best"])


def test_pictures(moments, tmp_path):
    study = steepest.study(moments, "y", l1="path", l2=[0.0, 0.1])
    for ending in ("png", "svg", "pdf"):
        study.plot(tmp_path / f"p.{ending}")
        assert (tmp_path / f"p.{ending}").stat().st_size > 5_000
    figure = study.plot(along="parameters")
    assert figure.axes[0].get_xlabel() == "effective parameters"
    assert len(study.plot().axes[0].lines) >= 4
    with pytest.raises(OptionError, match="png"):
        study.plot(tmp_path / "p.pgn")
    with pytest.raises(OptionError):
        study.plot(along="time")


def test_a_study_of_a_saved_scan_is_the_same(moments, tmp_path):
    moments.save(tmp_path / "m.moments")
    one = steepest.study(moments, "y", l1="path")
    other = steepest.study(steepest.load(tmp_path / "m.moments"), "y", l1="path")
    assert one.table == other.table


@pytest.mark.parametrize("widest", [10.0, 1e5])
def test_ridge_on_columns_as_they_are(widest):
    """Coefficients, errors and effective parameters are those of the rows, whatever the scales."""
    random = np.random.default_rng(3)
    x = random.normal(size=(200, 6)) * np.geomspace(1, widest, 6)
    x[:, 1] += x[:, 0]
    y = x @ (random.normal(size=6) / np.geomspace(1, widest, 6)) + random.normal(size=200)
    table = {**{f"x{j}": x[:, j] for j in range(6)}, "y": y}
    l2 = [1e-4, 0.1, 10.0, 1e4]
    found = steepest.study(table, "y", l2=l2, folds="contiguous:4", scale="none")
    for penalty, candidate in zip(l2, found.candidates, strict=True):
        errors = []
        for train, test in KFold(4).split(x):
            model = Ridge(penalty * len(train), solver="svd").fit(x[train], y[train])
            errors.append(mean_squared_error(y[test], model.predict(x[test])))
        np.testing.assert_allclose(candidate.fold_errors, errors, rtol=1e-8)
        second = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2 / len(x)
        assert candidate.parameters == pytest.approx(1 + np.sum(second / (second + penalty)))


@pytest.mark.filterwarnings("ignore::steepest.SteepestWarning")
def test_penalties_whose_minimum_is_not_reached_are_said():
    """As the fit of a single one says it."""
    random = np.random.default_rng(0)
    year = random.integers(1900, 2020, 400).astype(float)
    table = {"a": year, "b": year**2, "c": year**3}
    table["y"] = np.sin(year / 9) + random.normal(size=400)
    found = steepest.study(table, "y", l1=[1e-9, 0.1], folds="contiguous:4")
    model = steepest.fit(table, target="y", l1=1e-9)
    said = [note for note in found.notes if "above its minimum" in note]
    assert said
    assert any("above its minimum" in note for note in model.notes)
