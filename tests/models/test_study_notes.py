"""What a study says, as a fit says it, and a nested selection that sees nothing it should not."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.linear_model import Lasso, LassoCV
from sklearn.model_selection import KFold

import steepest
from steepest import SteepestWarning

N, P, K = 120, 4, 4


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(2)
    x = random.normal(size=(N, P)) * [1, 2, 0.5, 1]
    x[: N // K] *= 4  # so that a path placed by all rows would begin elsewhere
    return x, x @ [1.0, 0.0, 0.4, 0.0] + 2 * random.normal(size=N)


@pytest.mark.parametrize("choose", ["best", "one-se"])
def test_paths_in_a_nested_selection_come_from_the_rows_that_choose(data, choose):
    x, y = data
    table = {**{f"x{j}": x[:, j] for j in range(P)}, "y": y}
    found = steepest.study(
        table, "y", folds=f"contiguous:{K}", l1="path", scale="none", nested=True, choose=choose
    )
    known, penalties = [], []
    for train, held in KFold(K).split(x):
        cv = LassoCV(cv=KFold(K - 1), alphas=100, tol=1e-13, max_iter=10**6)
        cv.fit(x[train], y[train])
        alpha = cv.alpha_
        if choose == "one-se":
            mean = cv.mse_path_.mean(1)
            best = int(mean.argmin())
            bound = mean[best] + cv.mse_path_[best].std(ddof=1) / np.sqrt(K - 1)
            sizes = [
                np.count_nonzero(Lasso(a, tol=1e-12, max_iter=10**6).fit(x[train], y[train]).coef_)
                for a in cv.alphas_
            ]
            within = np.flatnonzero(mean <= bound)
            alpha = cv.alphas_[min(within, key=lambda i: (sizes[i], mean[i]))]
        penalties.append(2 * alpha)
        model = Lasso(alpha, tol=1e-14, max_iter=10**6).fit(x[train], y[train])
        known.append(np.mean((y[held] - model.predict(x[held])) ** 2))
    nested = found.nested["y"]
    np.testing.assert_allclose([c.l1 for c in nested.chosen], penalties, rtol=1e-10)
    np.testing.assert_allclose(nested.fold_errors, known, rtol=1e-8)
    whole = {c.l1 for c in found.candidates}
    assert not whole & {c.l1 for c in nested.chosen}
    assert all(c.parameters == c.coefficients + 1 for c in nested.chosen)


def test_columns_that_depend_on_others_are_named_as_a_fit_names_them():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 90)).astype(np.float32)
    table = {"a": a, "b": b, "c": a + b, "y": a - b + random.normal(size=90).astype(np.float32)}
    with pytest.warns(SteepestWarning, match=r"collinear columns: c = a \+ b"):
        model = steepest.fit(table, target="y")
    with pytest.warns(SteepestWarning, match=r"collinear columns: c = a \+ b"):
        found = steepest.study(table, "y", l2=[0.0, 0.1], folds="contiguous:3")
    assert [n for n in found.notes if "collinear" in n] == list(model.notes)
    least = found.candidates[0]
    assert least.parameters == 3
    kept = {name: table[name] for name in "aby"}
    plain = steepest.study(kept, "y", l2=[0.0], folds="contiguous:3").candidates[0]
    np.testing.assert_allclose(least.fold_errors, plain.fold_errors, rtol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        penalised = steepest.study(table, "y", l2=[0.1, 1.0], folds="contiguous:3")
    assert penalised.notes == ()
    for held in range(3):  # the same as a fit of the rows of the others
        own = {name: np.delete(v, np.s_[30 * held : 30 * held + 30]) for name, v in table.items()}
        with pytest.warns(SteepestWarning, match="collinear"):
            fold = steepest.fit(own, target="y", learning_rate=0.1, epochs=10**6)
        rows = np.column_stack([table[n] for n in "abc"])[30 * held : 30 * held + 30].astype(float)
        y = table["y"][30 * held : 30 * held + 30].astype(float)
        gap = y - fold.intercept - rows @ fold.coef
        assert least.fold_errors[held] == pytest.approx(np.mean(gap**2), rel=1e-8)


def test_levels_of_one_fold_alone_are_counted_once():
    random = np.random.default_rng(0)
    city = np.array(["Oslo", "Rome", "Bern"])[random.integers(0, 3, 60)]
    city[[3, 5]], city[40] = "Nuuk", "Suva"
    kind = np.where(np.arange(60) < 20, "old", "new")
    table = {"city": city, "kind": kind, "x": random.normal(size=60), "y": random.normal(size=60)}
    said = r"levels that no row trained on has .* rows by column: 'city' 3, 'kind' 20\."
    with pytest.warns(SteepestWarning, match=said):
        found = steepest.study(
            table, "y", folds="contiguous:3", l2=[0.1, 1.0], features=[["city", "kind"], ["city"]]
        )
    assert sum("no row trained on" in note for note in found.notes) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pooled = steepest.study(table, "y", folds="contiguous:3", l2=0.1, features=["city", "x"],
                                rare=5)  # fmt: skip
    assert pooled.notes == ()


def test_a_category_of_one_level_is_no_category():
    table = {"x": [1.0, 5.0, 2.0, 8.0], "y": [3.0, 1.0, 2.0, 9.0], "c": ["u"] * 4}
    for asked in ({}, {"features": ["x", "c"]}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SteepestWarning)
            found = steepest.study(table, "y", folds="contiguous:2", l2=[0, 1], **asked)
        assert len(found.candidates) == 2
