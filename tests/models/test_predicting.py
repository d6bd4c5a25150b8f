"""Predictions of every design as its columns times its coefficients; what has not been seen."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.interpolate import BSpline
from tests.designs import build_with_patsy, order_factors, quiet

import steepest
from steepest import terms
from steepest.errors import ColumnKindError, ColumnNotFoundError, SteepestWarning, ValueFoundError


def make_frame(n, seed):
    random = np.random.default_rng(seed)
    days = pd.Timestamp("2021-01-01") + pd.to_timedelta(
        random.integers(0, 700 * 86400, n), unit="s"
    )
    return pd.DataFrame(
        {
            "city": random.choice(["Oslo", "Bergen", "Ås"], n),
            "kind": random.choice(["u", "v"], n),
            "flag": random.random(n) < 0.5,
            "rooms": random.integers(1, 4, n),
            "x": random.normal(size=n),
            "z": random.uniform(0.5, 2, n),
            "net price": random.uniform(1, 2, n),
            "t": days,
            "y": random.normal(size=n),
        }
    )


FRAME, NEW = make_frame(200, 25), make_frame(60, 26)


def spline(values, knots):
    """The basis of de Boor as scipy has it, without its first function."""
    step = (knots[-1] - knots[0]) / (len(knots) - 1)
    every = [knots[0] - step] * 4 + list(knots) + [knots[-1] + step] * 4
    return BSpline.design_matrix(values, np.array(every), 3, extrapolate=True).toarray()[:, 1:]


def text(frame):
    return frame.assign(flag=frame["flag"].map({True: "true", False: "false"}))


def build(right):
    return lambda frame: build_with_patsy(right, text(frame))


def levels(name, values, known):
    return {f"{name}[{level}]": values == level for level in known}


def one(frame):
    return {"intercept": np.ones(len(frame))}


WEEKDAYS = [
    "1-Monday",
    "2-Tuesday",
    "3-Wednesday",
    "4-Thursday",
    "5-Friday",
    "6-Saturday",
    "7-Sunday",
]
DESIGNS = {
    "x + z": build("x + z"),
    "poly(x, 4)": build("x + I(x**2) + I(x**3) + I(x**4)"),
    "city*kind + C(rooms)": build("city*kind + C(rooms)"),
    "city:kind:x + 0": build("city:kind:x + 0"),
    "flag*x + city:flag": build("flag*x + city:flag"),
    "C(rooms):kind + z": build("C(rooms):kind + z"),
    "log(z) + sqrt(z):x + exp(x):kind": build("log(z) + sqrt(z):x + exp(x):kind"),
    "x^2:z + abs(x)": build("I(x**2):z + abs(x)"),
    "`net price`*city": lambda frame: {
        name.replace("price", "net price"): column for name, column in
        build_with_patsy("price*city", frame.rename(columns={"net price": "price"})).items()
    },
    "spline(x, knots=[-1, 0, 1])": lambda frame: one(frame) | {
        f"spline(x, 3)[{i + 1}]": column
        for i, column in enumerate(spline(frame["x"].to_numpy(), (-1.0, 0.0, 1.0)).T)
    },
    "kind + spline(z, knots=[1, 1.5]):kind": lambda frame: one(frame) | {
        "kind[v]": frame["kind"] == "v"} | {
        f"kind[{k}]:spline(z, 2)[{i + 1}]": column * (frame["kind"] == k)
        for k in "uv" for i, column in enumerate(spline(frame["z"].to_numpy(), (1.0, 1.5)).T)
    },
    "days(t) + hour(t)": lambda frame: one(frame) | {
        "days(t)": (frame["t"] - pd.Timestamp(0)) / pd.Timedelta(days=1),
        "hour(t)": frame["t"].dt.hour,
    },
    "month(t) + weekday(t):x": lambda frame: one(frame) | {
        f"month(t)[{m:02d}]": frame["t"].dt.month == m for m in range(2, 13)} | {
        f"weekday(t)[{name}]:x": frame["x"] * (frame["t"].dt.day_of_week == i)
        for i, name in enumerate(WEEKDAYS)
    },
}  # fmt: skip


@pytest.mark.parametrize("missing", ["drop", "mean"])
@pytest.mark.parametrize("right", DESIGNS)
def test_predictions_are_the_design_times_the_coefficients(right, missing, tmp_path):
    """For rows that the fit has not seen, whatever rows stand beside; a file predicts the same."""
    model = quiet(FRAME, formula=f"y ~ {right}", missing=missing)
    coefficients = {order_factors(k.replace("`", "")): v for k, v in model.coefficients.items()}
    design = DESIGNS[right](NEW)
    assert sorted(design) == sorted(coefficients)
    columns = np.column_stack([np.asarray(design[name], float) for name in coefficients])
    found = model.predict(NEW)
    size = np.abs(columns * list(coefficients.values())).sum(axis=1).max()
    assert found == pytest.approx(columns @ list(coefficients.values()), rel=0, abs=1e-14 * size)
    alone = [model.predict(NEW[i : i + 1])[0] for i in range(5)]
    assert alone == found[:5].tolist()
    model.save(tmp_path / "m.json")
    loaded = steepest.load(tmp_path / "m.json")
    assert loaded.predict(NEW).tobytes() == found.tobytes()
    assert str(loaded) == str(model)
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "m.json").read_bytes()


def test_terms_of_terms_are_saved(tmp_path):
    """As objects terms go deeper than a formula writes them."""
    features = [terms.power(terms.power("x", 2), 2), terms.log(terms.power("z", 2)),
                terms.power(terms.log("z"), 3), terms.C(terms.abs("rooms"))]  # fmt: skip
    model = steepest.fit(FRAME, target="y", features=features)
    model.save(tmp_path / "m.json")
    assert steepest.load(tmp_path / "m.json").predict(NEW).tobytes() == model.predict(NEW).tobytes()


def test_an_offset_is_part_of_predictions():
    model = steepest.fit(FRAME, formula="y ~ city + x + offset(log(z))")
    design = build("city + x")(NEW)
    expected = np.log(NEW["z"]) + sum(model.coefficients[n] * c for n, c in design.items())
    assert model.predict(NEW) == pytest.approx(expected.to_numpy(), abs=1e-13)
    with pytest.raises(ColumnNotFoundError, match="'z'"):
        model.predict(NEW.drop(columns="z"))
    with pytest.raises(ValueFoundError, match=r"'log\(z\)' of the DataFrame is no number in row 3"):
        model.predict(NEW.assign(z=[1.0, 1.0, -1.0] + [1.0] * 57))


@pytest.mark.parametrize("order", [["w", "x", "y"], ["x", "w", "y"], ["x", "y", "w"]])
@pytest.mark.parametrize("formula", ["y ~ x + offset(w)", "w ~ x", "y ~ x + log(w)"])
def test_weights_that_are_an_offset_or_a_target_too(formula, order):
    """A column may have two roles; the same in a column of its own gives the same fit."""
    frame = FRAME[["x", "y"]].assign(w=FRAME["z"])[order]
    twin = frame.assign(v=frame["w"])
    expected = quiet(twin, formula=formula.replace("w", "v"), weights="w")
    found = quiet(frame, formula=formula, weights="w")
    assert list(found.coefficients.values()) == list(expected.coefficients.values())
    swapped = frame.rename(columns={"w": "v"})
    assert found.predict(frame).tobytes() == expected.predict(swapped).tobytes()


# ------------------------------------------------------------------ what has not been seen


def fit_without_pair():
    rows = FRAME[~((FRAME["city"] == "Ås") & (FRAME["kind"] == "v"))]
    return quiet(rows, formula="y ~ city*kind + x")


STRANGE = pd.DataFrame({"city": ["Oslo", "Rome", "Ås", "Oslo", "Rome", None],
                        "kind": ["v", "v", "v", "q", "q", "v"], "x": [1.0] * 6})  # fmt: skip


def test_unseen_levels_and_combinations_are_refused_with_their_row():
    model = fit_without_pair()
    for rows, words in (
        (STRANGE[:2], "'city' of the DataFrame holds 'Rome' in row 2"),
        (STRANGE[2:4], "'kind' of the DataFrame holds 'q' in row 2"),
        (STRANGE[2:3], "'city:kind' of the DataFrame holds 'Ås, v' in row 1"),
    ):
        with pytest.raises(ValueFoundError) as caught:
            model.predict(rows)
        assert words in str(caught.value)
        assert "which the model has not seen" in str(caught.value)


def test_unseen_levels_and_combinations_are_null():
    with pytest.warns(SteepestWarning, match="'city' 2, 'kind' 2, 'city:kind' 4") as said:
        found = fit_without_pair().predict(STRANGE, unseen="null")
    assert len(said) == 1
    assert np.isnan(found).tolist() == [False, True, True, True, True, True]


def test_unseen_levels_and_combinations_count_as_the_reference():
    """A level counts as the reference level, and a combination as nothing beside its levels."""
    model = fit_without_pair()
    c = model.coefficients
    rest = c["intercept"] + c["x"]
    with pytest.warns(SteepestWarning, match="counted as the reference level"):
        found = model.predict(STRANGE, unseen="reference")
    expected = [rest + c["city[Oslo]"] + c["kind[v]"] + c["city[Oslo]:kind[v]"],
                rest + c["kind[v]"],
                rest + c["city[Ås]"] + c["kind[v]"], rest + c["city[Oslo]"], rest]  # fmt: skip
    assert found[:5] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(found[5])


def test_unseen_levels_of_numbers_and_of_times():
    model = steepest.fit(FRAME[FRAME["t"] < "2021-06-01"], formula="y ~ C(rooms) + month(t)")
    with pytest.raises(ValueFoundError, match=r"'C\(rooms\)' of the table holds '9' in row 2"):
        model.predict({"rooms": [1, 9], "t": pd.to_datetime(["2021-01-01", "2021-01-02"])})
    with pytest.raises(ValueFoundError, match=r"'month\(t\)' of the table holds '12' in row 1"):
        model.predict({"rooms": [1], "t": pd.to_datetime(["2021-12-01"])})


# ------------------------------------------------------------------ other tables


def test_columns_that_are_missing_or_of_another_kind():
    model = quiet(FRAME, formula="y ~ city:x + month(t) + C(rooms) + log(z)")
    for name in ("city", "x", "t", "rooms", "z"):
        with pytest.raises(ColumnNotFoundError, match=f"'{name}'"):
            model.predict(NEW.drop(columns=name))
    for name in ("city", "x", "rooms", "z"):
        with pytest.raises(ColumnKindError, match=f"'{name}'"):
            model.predict(NEW.assign(**{name: NEW["t"]}))
    for values in (NEW["city"], NEW["x"], NEW["flag"]):
        with pytest.raises(ColumnKindError, match=r"month\(t\)"):
            model.predict(NEW.assign(t=values))
    with pytest.raises(ColumnKindError, match="'x'"):
        model.predict(NEW.assign(x="one"))
    expected = model.predict(NEW)
    more = NEW.assign(other="a", y=None, more=NEW["t"])[[*NEW.columns[::-1], "other", "more"]]
    assert model.predict(more).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "kind", [*map(pa.timestamp, ["s", "ms", "us", "ns"]), pa.timestamp("us", "UTC")], ids=str
)
def test_a_time_of_another_unit(kind):
    formula = "y ~ days(t) + year(t) + hour(t) + month(t):x + weekday(t)"
    model = quiet(FRAME, formula=formula)
    table = {name: NEW[name].tolist() for name in NEW}
    table["t"] = pa.array([stamp.to_pydatetime() for stamp in NEW["t"]], kind)
    assert model.predict(table).tobytes() == model.predict(NEW).tobytes()


def test_a_date_where_there_was_a_time():
    model = quiet(FRAME, formula="y ~ days(t) + month(t)")
    dates = [stamp.date() for stamp in NEW["t"]]
    midnight = [dt.datetime.combine(date, dt.time()) for date in dates]
    for kind in (pa.date32(), pa.date64()):
        found = model.predict(pa.table({"t": pa.array(dates, kind)}))
        assert found.tobytes() == model.predict({"t": midnight}).tobytes()
    clock = quiet(FRAME, formula="y ~ hour(t)")
    with pytest.raises(ColumnKindError, match=r"hour\(t\)"):
        clock.predict(pa.table({"t": pa.array(dates, pa.date32())}))


@pytest.mark.parametrize(
    "kind", [pa.float32(), pa.int8(), pa.decimal128(24, 2), pa.uint64()], ids=str
)
def test_numbers_of_another_width(kind):
    model = steepest.fit(FRAME, formula="y ~ x^2 + C(rooms):x + x:z")
    table = pa.table({"x": [1.0, 2.0, 3.0], "rooms": [1, 2, 3], "z": [1.0, 1.0, 2.0]})
    other = table.cast(pa.schema([(name, kind) for name in table.column_names]))
    assert model.predict(other).tobytes() == model.predict(table).tobytes()


def test_levels_of_decimals_are_written_as_they_are():
    values = ["0.70", "1.40", "2.30", "2.80"] * 5
    y = np.arange(20.0)
    table = pa.table({"m": pa.array(values).cast(pa.decimal128(6, 2)), "y": y})
    model = steepest.fit(table, formula="y ~ C(m)")
    assert list(model.coefficients) == ["intercept", "C(m)[1.4]", "C(m)[2.3]", "C(m)[2.8]"]
    same = {"m": [float(value) for value in values]}
    assert model.predict(same).tobytes() == model.predict(table).tobytes()
