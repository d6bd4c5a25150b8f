"""Fits against independent least squares, and everything that must be said or refused."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pandas as pd
import pytest
from tests.problems import collinear, correlated

import steepest
from steepest.errors import (
    CollinearError,
    ColumnKindError,
    ColumnNameError,
    ColumnNotFoundError,
    LearningRateError,
    LengthError,
    OptionError,
    SteepestWarning,
    TooFewRowsError,
)
from steepest.models import fitting
from steepest.models.request import Asked

PENGUINS = "examples/penguins.csv"


def quiet(source, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)
        return steepest.fit(source, **options)


def truth(X, y, intercept=True):
    design = np.column_stack([np.ones(len(X)), X]) if intercept else X
    return np.linalg.lstsq(design, y, rcond=None)[0]


@pytest.mark.parametrize("scale", ["standard", "none"])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_the_limit_is_least_squares(scale, offset):
    table = correlated(offset=offset)
    model = steepest.fit(table.columns, target="y", scale=scale)
    wanted = truth(table.X - table.X.mean(axis=0), table.y)
    assert model.coef == pytest.approx(wanted[1:], rel=1e-9)
    fitted = wanted[0] + (table.X - table.X.mean(axis=0)) @ wanted[1:]
    assert model.loss == pytest.approx(np.mean((table.y - fitted) ** 2), rel=1e-9)
    assert model.r2 == pytest.approx(1 - model.loss / table.y.var(), rel=1e-12)
    assert model.predict(table.columns) == pytest.approx(fitted, rel=1e-9)


def test_through_the_origin():
    table = correlated(offset=2.0)
    for scale in ("standard", "none"):
        model = steepest.fit(table.columns, target="y", scale=scale, intercept=False)
        assert model.coef == pytest.approx(truth(table.X, table.y, intercept=False), rel=1e-11)
        assert "intercept" not in model.coefficients
        assert model.r2 == pytest.approx(1 - model.loss / np.mean(table.y**2))


def test_without_an_intercept_the_first_category_keeps_its_levels():
    model = quiet(PENGUINS, target="body_mass_g", features=["species", "sex"], intercept=False)
    frame = pd.read_csv(PENGUINS)[["species", "sex", "body_mass_g"]].dropna()
    X = np.hstack(
        [pd.get_dummies(frame["species"]), pd.get_dummies(frame["sex"]).iloc[:, 1:]]
    ).astype(float)
    assert model.names == ("species[Adelie]", "species[Chinstrap]", "species[Gentoo]", "sex[male]")
    assert model.coef == pytest.approx(truth(X, frame["body_mass_g"], intercept=False), rel=1e-11)


def levelled():
    rng = np.random.default_rng(4)
    table = {"s": rng.choice(["a", "b", "c"], 50), "f": rng.random(50) < 0.4}
    return {**table, "x": rng.standard_normal(50), "y": rng.standard_normal(50)}


@pytest.mark.parametrize("level", ["a", "b", "c"])
def test_a_reference_of_choice(level):
    """Other coefficients against another level, the same predictions."""
    table = levelled()
    model = steepest.fit(table, target="y", references={"s": level, "f": "true"})
    others = [other for other in "abc" if other != level]
    columns = [table["s"] == other for other in others] + [~table["f"], table["x"]]
    expected = truth(np.column_stack(columns).astype(float), table["y"])
    names = ["intercept", *(f"s[{other}]" for other in others), "f[false]", "x"]
    assert list(model.coefficients) == names
    assert list(model.coefficients.values()) == pytest.approx(expected, rel=1e-10)
    assert model.references == {"s": level, "f": "true"}
    default = steepest.fit(table, target="y")
    assert model.predict(table) == pytest.approx(default.predict(table), rel=1e-12)
    assert model.loss == pytest.approx(default.loss, rel=1e-14)


def test_a_reference_without_an_intercept():
    """The first category of which none is asked keeps all its levels."""
    table = levelled()
    model = steepest.fit(table, target="y", intercept=False, references={"s": "b"})
    assert list(model.coefficients) == ["s[a]", "s[c]", "f[false]", "f[true]", "x"]
    both = {"s": "b", "f": "false"}
    model = steepest.fit(table, target="y", intercept=False, references=both)
    assert list(model.coefficients) == ["s[a]", "s[c]", "f[true]", "x"]
    columns = [table["s"] == "a", table["s"] == "c", table["f"], table["x"]]
    expected = truth(np.column_stack(columns).astype(float), table["y"], intercept=False)
    assert list(model.coefficients.values()) == pytest.approx(expected, rel=1e-10)


def test_references_that_are_none():
    table = levelled()
    with pytest.raises(OptionError, match="the reference of 's'='d' is not known"):
        steepest.fit(table, target="y", references={"s": "d"})
    with pytest.raises(OptionError, match="references='x' is not known"):
        steepest.fit(table, target="y", references={"x": "a"})
    with pytest.raises(OptionError, match="a mapping of columns to levels"):
        steepest.fit(table, target="y", references="s")
    with pytest.raises(OptionError, match="none of them is a category"):
        steepest.fit(table, target="y", features=["x"], references={"s": "a"})


def test_penguins_with_every_column():
    with pytest.warns(SteepestWarning, match="11 of 344 rows were dropped for nulls") as said:
        model = steepest.fit(PENGUINS, target="body_mass_g")
    assert len(said) == 1
    frame = pd.read_csv(PENGUINS).dropna()
    columns = [c for c in frame if c != "body_mass_g"]
    X = np.hstack(
        [
            pd.get_dummies(frame[[c]]).iloc[:, 1:].to_numpy(float)
            if not pd.api.types.is_numeric_dtype(frame[c])
            else frame[[c]].to_numpy(float)
            for c in columns
        ]
    )
    y = frame["body_mass_g"].to_numpy(float)
    centred = X - X.mean(axis=0)
    wanted = truth(centred, y)
    assert model.coef == pytest.approx(wanted[1:], rel=1e-10)
    assert model.intercept == pytest.approx(wanted[0] - X.mean(axis=0) @ wanted[1:], rel=1e-10)
    assert model.references == {"species": "Adelie", "island": "Biscoe", "sex": "female"}
    assert model.rows.read == model.rows.used + sum(model.rows.dropped.values()) == 344


@pytest.mark.parametrize("l2", [1e-6, 0.1, 10.0])
def test_ridge(l2):
    table = correlated(offset=1.0)
    X, y = table.X - table.X.mean(axis=0), table.y - table.y.mean()
    n, p = X.shape
    for scale, penalty in (("standard", np.diag(X.var(axis=0))), ("none", np.eye(p))):
        model = steepest.fit(table.columns, target="y", l2=l2, scale=scale)
        wanted = np.linalg.solve(X.T @ X / n + l2 * penalty, X.T @ y / n)
        assert model.coef == pytest.approx(wanted, rel=1e-11)
        loss = np.mean((y - X @ wanted) ** 2)
        assert model.loss == pytest.approx(loss, rel=1e-11)
        assert model.objective == pytest.approx(loss + l2 * wanted @ penalty @ wanted, rel=1e-11)


def test_moments_and_table_give_one_model():
    moments = steepest.scan(PENGUINS)
    a = quiet(moments, target="body_mass_g", features=["flipper_length_mm"])
    b = quiet(PENGUINS, target="body_mass_g", features=["flipper_length_mm"])
    assert a.rows.used == b.rows.used == 342
    assert a.coef == pytest.approx(b.coef, rel=1e-12)


def test_collinear_columns_are_named_and_the_shortest_solution_taken():
    table = collinear()
    with pytest.warns(SteepestWarning, match=r"collinear columns: x3 = x1 \+ x2"):
        model = steepest.fit(table.columns, target="y")
    spread = table.X.std(axis=0)
    Z = (table.X - table.X.mean(axis=0)) / spread
    shortest = np.linalg.pinv(Z, rcond=1e-10) @ (table.y - table.y.mean()) / spread
    assert model.coef == pytest.approx(shortest, rel=1e-9)
    with pytest.raises(CollinearError, match=r"x3 = x1 \+ x2"):
        steepest.fit(table.columns, target="y", collinear="refuse")
    raw = quiet(table.columns, target="y", scale="none")
    design = np.column_stack([np.ones(len(table.X)), table.X])
    assert list(raw.coefficients.values()) == pytest.approx(
        np.linalg.pinv(design, rcond=1e-12) @ table.y, rel=1e-9
    )


@pytest.mark.parametrize(
    ("column", "relation"),
    [
        (lambda a, b: 2 * a - 3, "d = 2·a - 3"),
        (lambda a, b: -a + 0.5 * b, r"d = -a \+ 0.5·b"),
        (lambda a, b: a, "d = a"),
        (lambda a, b: 1e6 * (a + b), r"d = 1e\+06·a \+ 1e\+06·b"),
    ],
)
def test_relations_in_words(column, relation):
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 1000, (2, 500)).astype(float)
    table = {"a": a, "b": b, "d": column(a, b), "y": rng.standard_normal(500)}
    with pytest.warns(SteepestWarning, match=f"collinear columns: {relation}\\."):
        steepest.fit(table, target="y")


def test_a_rounded_sum_counts_as_collinear():
    rng = np.random.default_rng(8)
    a, b, y = rng.standard_normal((3, 10_000))
    with pytest.warns(SteepestWarning, match=r"c = a \+ b"):
        steepest.fit({"a": a, "b": b, "c": a + b, "y": y}, target="y")


def test_nearly_collinear_columns_are_said():
    rng = np.random.default_rng(9)
    a = rng.standard_normal(1000)
    table = {"a": a, "b": a + 1e-5 * rng.standard_normal(1000), "y": rng.standard_normal(1000)}
    with pytest.warns(SteepestWarning, match="nearly collinear"):
        steepest.fit(table, target="y")


def test_dummies_that_sum_to_one_are_named():
    table = {
        "s": ["a", "b", "c", "a", "b", "c", "a"],
        "is_a": [1, 0, 0, 1, 0, 0, 1],
        "y": [1.0, 2, 3, 4, 5, 6, 7],
    }
    with pytest.warns(SteepestWarning, match=r"is_a = -s\[b\] - s\[c\] \+ 1"):
        steepest.fit(table, target="y")


def test_constant_columns_are_left_out_and_named():
    table = {"k": [0.1] * 5, "one": ["u"] * 5, "x": [1.0, 2, 3, 4, 6], "y": [2.0, 4, 6, 8, 12]}
    with pytest.warns(SteepestWarning, match="'k' and 'one' are constant and were left out"):
        model = steepest.fit(table, target="y")
    assert model.names == ("x",)
    assert model.coef == pytest.approx([2])


def test_a_constant_target():
    with pytest.warns(SteepestWarning, match="target 'y' is constant .7.: .* R² is undefined"):
        model = steepest.fit({"x": [1.0, 2.0, 4.0], "y": [7, 7, 7]}, target="y")
    assert model.coef.tolist() == [0.0]
    assert (model.intercept, model.r2, model.loss) == (7.0, None, 0.0)


def test_nothing_but_constants_leaves_the_mean():
    model = quiet({"k": [1.0, 1.0, 1.0], "y": [1.0, 2.0, 6.0]}, target="y")
    assert model.coefficients == {"intercept": 3.0}
    assert model.loss == pytest.approx(14 / 3)
    assert model.r2 == 0
    assert quiet({"k": [1.0, 1], "y": [1.0, 2]}, target="y", epochs=5, scale="none")


@pytest.mark.parametrize("n", [1, 2, 4])
def test_fewer_rows_than_coefficients(n):
    table = correlated(n=n)
    with pytest.raises(TooFewRowsError, match=f"{n} rows? cannot determine"):
        steepest.fit(table.columns, target="y")
    for options in ({"l2": 0.1}, {"epochs": 10}):
        model = quiet(table.columns, target="y", **options)
        assert np.isfinite(model.coef).all()


def test_as_many_rows_as_coefficients():
    table = correlated(n=5)
    model = steepest.fit(table.columns, target="y")
    assert model.r2 == pytest.approx(1)


@pytest.mark.parametrize(
    "options",
    [
        {"l2": -1},
        {"l2": float("nan")},
        {"l2": float("inf")},
        {"l2": "much"},
        {"epochs": 0},
        {"epochs": -5},
        {"epochs": 2.5},
        {"epochs": True},
        {"learning_rate": 0},
        {"learning_rate": -0.1},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"scale": "big"},
        {"collinear": "drop"},
        {"w": {"nobody": 1.0}},
        {"w": {"x1": float("inf")}},
        {"w": {"intercept": 1.0}},
    ],
)
def test_options_outside_their_range(options):
    with pytest.raises(OptionError) as caught:
        steepest.fit(correlated().columns, target="y", **options)
    assert "\n\nHint: " in str(caught.value)
    assert next(iter(options)) in str(caught.value)


def test_options_are_refused_before_anything_is_read():
    with pytest.raises(OptionError):
        steepest.fit("there/is/no/such.csv", target="y", l2=-1)


def test_columns_in_the_wrong_role():
    columns = {**correlated().columns, "s": ["a"] * 200}
    with pytest.raises(ColumnNotFoundError, match="target column 'Y' is not in the table"):
        steepest.fit(columns, target="Y")
    with pytest.raises(ColumnNotFoundError, match="feature column 'x9'"):
        steepest.fit(columns, target="y", features=["x1", "x9"])
    with pytest.raises(ColumnNameError, match="also a feature"):
        steepest.fit(columns, target="y", features=["x1", "y"])
    with pytest.raises(ColumnNameError, match="stands 2 times in the feature columns"):
        steepest.fit(columns, target="y", features=["x1", "x2", "x1"])
    with pytest.raises(ColumnKindError, match="is text"):
        steepest.fit(columns, target="s")
    with pytest.raises(LengthError, match="w has shape"):
        steepest.fit(columns, target="y", features=["x1"], w=[1.0, 2.0])


def test_a_rate_at_or_above_the_limit_is_refused():
    # One standardised column: L = 2, so the limit is exactly 1.
    table = {"x": [-1.0, 1.0], "y": [1.0, 3.0]}
    steepest.fit(table, target="y", learning_rate=np.nextafter(1.0, 0.0), epochs=3)
    for rate in (1.0, 1.5):
        with pytest.raises(LearningRateError, match=r"2/L = 1\.\n.*L = 2 is") as caught:
            steepest.fit(table, target="y", learning_rate=rate)
        assert caught.value.exit_code == 3


def test_integers_beyond_doubles_are_said():
    table = {"x": np.array([2**53 + 1, 5, 9, 1]), "y": [1.0, 2, 3, 4]}
    with pytest.warns(SteepestWarning, match="'x' holds integers beyond 2⁵³"):
        steepest.fit(table, target="y", precision="double")
    steepest.fit(table, target="y")


def test_predictions_follow_nulls_and_levels():
    table = {"x": [1.0, 2, 3, 4], "s": ["a", "b", "a", "b"], "y": [1.0, 12, 3, 14]}
    model = steepest.fit(table, target="y")
    found = model.predict({"s": ["b", "a", None], "x": [0.0, np.nan, 1.0], "extra": [1, 2, 3]})
    assert found[0] == pytest.approx(10)
    assert np.isnan(found[1:]).all()
    with pytest.raises(ValueError, match="'c' in row 2, which the model has not seen"):
        model.predict({"s": ["a", "c"], "x": [1.0, 2.0]})
    with pytest.raises(ColumnNotFoundError, match="'x'"):
        model.predict({"s": ["a"]})
    with pytest.raises(ColumnKindError, match="holds 'one' in row 1, where the model has numbers"):
        model.predict({"s": ["a"], "x": ["one"]})


def test_predictions_do_not_depend_on_the_rows_beside():
    table = correlated(n=1000, p=12)
    model = steepest.fit(table.columns, target="y")
    whole = model.predict(table.columns)
    for i in (0, 1, 500, 999):
        one = {name: column[i : i + 1] for name, column in table.columns.items()}
        assert model.predict(one)[0] == whole[i]


def test_a_model_prints_as_its_table():
    text = str(quiet(PENGUINS, target="body_mass_g"))
    for word in ("flipper_length_mm", "species[Gentoo]", "R² 0.8768", "333 used of 344", "2/(L"):
        assert word in text


def test_a_column_named_intercept():
    model = steepest.fit({"intercept": [1.0, 2, 3], "y": [3.0, 5, 7]}, target="y")
    assert list(model.coefficients) == ["(intercept)", "intercept"]
    assert list(model.coefficients.values()) == pytest.approx([1, 2])


def test_what_is_typed_is_what_a_fit_takes():
    taken = {
        name: parameter.annotation
        for name, parameter in inspect.signature(fitting.fit).parameters.items()
        if name not in ("source", "target")
    }
    assert {name: kind.__forward_arg__ for name, kind in Asked.__annotations__.items()} == taken
