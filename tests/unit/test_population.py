"""The answer: figures, intervals, strata, JSON, wording."""

from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mse.answer.intervals import IntervalMethod, LognormalInterval, ModelRange, lognormal_interval
from mse.answer.population import PopulationEstimate, Strata, provenance
from mse.data.patterns import TableInfo
from mse.data.table import CaptureTable
from mse.errors import ModelError
from tests.json_schemas import validator


class Unbounded:
    """An interval without an upper end above the level of 90%."""

    kind = "percentile"
    given = "the model re-selected in every replicate"

    def interval(self, level: float) -> tuple[float, float]:
        return 10.0, 40.0 if level < 0.9 else math.inf


INFO = TableInfo(
    name="example",
    population="presumed victims, somewhere",
    period="2010-2015",
    scope="adults",
    source="A. Author (2020)",
    notes="Counted once per year.",
)


def make(**changes: object) -> PopulationEstimate:
    parts: dict[str, object] = {
        "observed": 8234,
        "hidden": 40000.0,
        "status": "ok",
        "limit": "finite",
        "reason": "",
        "method": "log-linear, best by BIC",
        "uncertainty": LognormalInterval(hidden=40000.0, se=3000.0, observed=8234),
        "model": "[12,3]",
        "model_range": ModelRange(20000.0, 130000.0, 12, 3, "BIC", 10.0),
        "lists": ("police", "care", "other"),
        "info": INFO,
        "provenance": {"estimator": "LogLinearSearch()", "seed": 1},
    }
    return PopulationEstimate(**(parts | changes))  # type: ignore[arg-type]


def not_estimable(**changes: object) -> PopulationEstimate:
    parts: dict[str, object] = {
        "hidden": math.nan,
        "status": "not_estimable",
        "limit": "infinite",
        "reason": "police and care share nobody",
        "uncertainty": None,
        "model_range": None,
    }
    return make(**(parts | changes))


def make_strata(**changes: object) -> Strata:
    parts: dict[str, object] = {
        "levels": {"year": (2014, 2015), "sex": ("f", "m")},
        "observed": np.array([10, 20, 30, 40]),
        "hidden": np.array([1.0, 2.0, 3.0, 4.0]),
        "status": ("ok", "boundary", "ok", "ok"),
        "limit": ("finite",) * 4,
        "covariance": np.diag([1.0, 4.0, 9.0, 16.0]) + 0.5,
    }
    return Strata(**(parts | changes))  # type: ignore[arg-type]


# Figures -----------------------------------------------------------------------------------------


def test_total_and_coverage() -> None:
    p = make()
    assert p.total == 48234.0
    assert p.coverage == 8234 / 48234.0
    assert p.interval_kind == "lognormal"
    assert p.interval_given == "given the model"


def test_without_estimate_there_are_no_figures() -> None:
    p = not_estimable()
    assert math.isnan(p.total)
    assert math.isnan(p.coverage)
    assert all(math.isnan(end) for end in p.interval())
    assert (p.interval_kind, p.interval_given) == ("", "")


@pytest.mark.parametrize(
    ("hidden", "status"),
    [
        (5.0, "not_estimable"),
        (5.0, "not_converged"),
        (math.nan, "ok"),
        (math.inf, "boundary"),
        (-1.0, "ok"),
    ],
)
def test_status_and_figure_must_agree(hidden: float, status: str) -> None:
    with pytest.raises(ModelError, match="hidden persons"):
        make(hidden=hidden, status=status)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, math.nan])
def test_level_must_lie_between_0_and_1(level: float) -> None:
    with pytest.raises(ModelError, match="between 0 and 1"):
        make().interval(level)


def test_is_immutable() -> None:
    p = make(draws=np.arange(5.0))
    with pytest.raises(AttributeError):
        p.hidden = 3.0  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        p.draws[0] = 3.0  # type: ignore[index]
    with pytest.raises(TypeError):
        p.provenance["seed"] = 2  # type: ignore[index]


def test_survives_pickling() -> None:
    p = pickle.loads(pickle.dumps(make(strata=make_strata())))  # noqa: S301 - our own bytes
    assert p.to_dict() == make(strata=make_strata()).to_dict()


# Log-normal intervals ----------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_lognormal_interval_follows_chao_1987(level: float) -> None:
    # Independent of the implementation: quantiles of a log-normal with the estimate as its
    # median and the spread of the paper.
    sigma = math.sqrt(math.log(1 + (30.0 / 100.0) ** 2))
    expected = 50 + np.array(stats.lognorm(s=sigma, scale=100.0).interval(level))
    np.testing.assert_allclose(lognormal_interval(100.0, 30.0, level, 50), expected, rtol=1e-12)


def test_lognormal_interval_never_falls_below_the_observed() -> None:
    low, high = lognormal_interval(5.0, 500.0, 0.99, 40)
    assert 40 < low < 45 < high


@pytest.mark.property
@given(
    hidden=st.floats(1e-3, 1e9),
    se=st.floats(1e-3, 1e9),
    observed=st.integers(0, 10**9),
    levels=st.tuples(st.floats(0.01, 0.999), st.floats(0.01, 0.999)),
)
def test_lognormal_intervals_are_nested_around_the_estimate(
    hidden: float, se: float, observed: int, levels: tuple[float, float]
) -> None:
    narrow, wide = (lognormal_interval(hidden, se, level, observed) for level in sorted(levels))
    assert observed <= wide[0] <= narrow[0] <= observed + hidden <= narrow[1] <= wide[1]


def test_lognormal_interval_of_a_certain_number_is_that_number() -> None:
    assert lognormal_interval(0.0, 0.0, 0.95, 40) == (40.0, 40.0)


@pytest.mark.parametrize(("hidden", "se"), [(0.0, 3.0), (math.nan, 1.0), (5.0, math.inf)])
def test_lognormal_interval_that_does_not_exist(hidden: float, se: float) -> None:
    assert all(math.isnan(end) for end in lognormal_interval(hidden, se, 0.95, 40))


def test_interval_methods_follow_the_protocol() -> None:
    assert isinstance(LognormalInterval(1.0, 1.0, 1), IntervalMethod)
    assert isinstance(Unbounded(), IntervalMethod)


# Strata ------------------------------------------------------------------------------------------


def test_by_has_a_row_for_every_stratum() -> None:
    frame = make(strata=make_strata()).by
    assert frame is not None
    assert frame.columns.tolist() == [
        "year", "sex", "observed", "hidden", "total", "coverage", "low", "high", "status", "limit",
        "grade",
    ]  # fmt: skip
    assert frame[["year", "sex"]].to_numpy().tolist() == [
        [2014, "f"],
        [2014, "m"],
        [2015, "f"],
        [2015, "m"],
    ]
    assert frame["total"].tolist() == [11.0, 22.0, 33.0, 44.0]
    low, high = lognormal_interval(2.0, math.sqrt(4.5), 0.95, 20)
    assert frame.loc[1, ["low", "high"]].tolist() == [low, high]


def test_margin_sums_with_the_covariance() -> None:
    p = make(strata=make_strata())
    frame = p.margin("sex", level=0.8)
    assert frame["hidden"].tolist() == [4.0, 6.0]
    assert frame["observed"].tolist() == [40, 60]
    assert frame["status"].tolist() == ["ok", "boundary"]
    # Var(h1 + h3) = 1.5 + 9.5 + 2 x 0.5.
    expected = lognormal_interval(4.0, math.sqrt(12.0), 0.8, 40)
    np.testing.assert_allclose(frame.loc[0, ["low", "high"]].tolist(), expected, rtol=1e-12)


def test_margin_of_nothing_is_the_total() -> None:
    frame = make(strata=make_strata()).margin()
    assert frame["total"].tolist() == [110.0]


def test_margin_order_of_names_is_the_order_of_columns() -> None:
    frame = make(strata=make_strata()).margin("sex", "year")
    assert frame.columns[:2].tolist() == ["sex", "year"]
    assert frame["observed"].tolist() == [10, 30, 20, 40]


def test_a_sum_over_an_inestimable_stratum_is_not_estimable() -> None:
    strata = make_strata(
        hidden=np.array([1.0, math.nan, 3.0, 4.0]),
        status=("ok", "not_estimable", "ok", "ok"),
        limit=("finite", "infinite", "finite", "finite"),
    )
    p = not_estimable(strata=strata)
    by, year = p.by, p.margin("year")
    assert by is not None
    assert by["total"].isna().tolist() == [False, True, False, False]
    assert year["total"].isna().tolist() == [True, False]
    assert year["status"].tolist() == ["not_estimable", "ok"]
    assert year["limit"].tolist() == ["infinite", "finite"]
    assert year[["low", "high"]].isna().all(axis=1).tolist() == [True, False]


def test_draws_take_the_place_of_the_covariance() -> None:
    draws = pd.DataFrame(np.arange(1.0, 101.0)[:, None] + np.array([0.0, 100.0, 200.0, 300.0]))
    p = make(strata=make_strata(), stratum_draws=draws)
    frame = p.margin("year", level=0.9)
    sums = draws[0] + draws[1]
    expected = np.quantile(sums, [0.05, 0.95], method="inverted_cdf")
    assert frame.loc[0, ["low", "high"]].tolist() == expected.tolist()


def test_infinite_draws_make_an_infinite_end() -> None:
    draws = pd.DataFrame(np.full((100, 4), 50.0))
    draws.iloc[:10, 0] = math.inf
    frame = make(strata=make_strata(), stratum_draws=draws).by
    assert frame is not None
    assert frame.loc[0, "high"] == math.inf
    assert frame.loc[1, "high"] == 50.0


def test_no_end_lies_below_the_observed_number() -> None:
    frame = make(strata=make_strata(), stratum_draws=pd.DataFrame(np.ones((100, 4)))).by
    assert frame is not None
    assert frame["low"].tolist() == frame["high"].tolist() == frame["observed"].tolist()


def test_margin_names_the_near_match() -> None:
    with pytest.raises(ModelError, match="did you mean 'year'"):
        make(strata=make_strata()).margin("years")
    with pytest.raises(ModelError, match="twice"):
        make(strata=make_strata()).margin("year", "year")


def test_margin_without_covariates_says_so() -> None:
    assert make().by is None
    with pytest.raises(ModelError, match="no covariates"):
        make().margin("year")


def test_strata_of_another_length_are_refused() -> None:
    with pytest.raises(ModelError, match="4 strata"):
        make_strata(hidden=np.array([1.0]))
    with pytest.raises(ModelError, match="4 strata"):
        make_strata(covariance=np.eye(3))


# Frames and JSON ---------------------------------------------------------------------------------


def test_to_frame_is_one_row() -> None:
    frame = make().to_frame(0.8)
    assert frame.shape == (1, 19)
    row = frame.iloc[0]
    assert (row["low"], row["high"]) == make().interval(0.8)
    assert (row["low_alike"], row["high_alike"]) == make().interval(0.8, given="alike")
    assert (row["total"], row["level"], row["status"]) == (48234.0, 0.8, "ok")


CASES = {
    "plain": make(),
    "no interval": make(uncertainty=None, model_range=None),
    "not estimable": not_estimable(),
    "unbounded": make(uncertainty=Unbounded(), model_range=ModelRange(1.0, math.inf, 2, 0, "AIC", 2.0)),
    "strata": make(strata=make_strata()),
    "strata without covariance": make(strata=make_strata(covariance=None)),
    "strata not estimable": not_estimable(
        strata=make_strata(
            hidden=np.array([1.0, math.nan, 3.0, 4.0]),
            covariance=np.full((4, 4), math.nan),
            status=("ok", "not_estimable", "ok", "ok"),
            limit=("finite", "zero", "finite", "finite"),
        )
    ),
    "numpy provenance": make(provenance={"a": np.float64("nan"), "b": np.arange(2), "c": (1, None)}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_json_follows_the_schema(case: str) -> None:
    text = CASES[case].to_json()
    assert "NaN" not in text
    assert "Infinity" not in text
    validator("population").validate(json.loads(text))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_json_round_trip(case: str) -> None:
    p = CASES[case]
    again = PopulationEstimate.from_json(p.to_json())
    assert again.to_dict() == p.to_dict()
    assert again.summary() == p.summary()
    for level in (0.5, 0.8, 0.9, 0.95, 0.99):
        np.testing.assert_equal(again.interval(level), p.interval(level))
    if p.by is not None:
        pd.testing.assert_frame_equal(again.by, p.by)
        pd.testing.assert_frame_equal(again.margin("year", level=0.5), p.margin("year", level=0.5))


@pytest.mark.property
@settings(max_examples=30)  # an example is a whole report: 50 ms
@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 3)),
    status=st.sampled_from(["ok", "boundary", "not_estimable", "not_converged"]),
    text=st.text(max_size=20),
    data=st.data(),
)
def test_json_round_trip_of_any_estimate(
    sizes: tuple[int, int], status: str, text: str, data: st.DataObject
) -> None:
    size = sizes[0] * sizes[1]
    figures = st.floats(0, 1e12)
    known = status in ("ok", "boundary")
    hidden = np.array(data.draw(st.lists(figures, min_size=size, max_size=size)))
    strata = Strata(
        {"a": tuple(range(sizes[0])), text or "b": tuple("xyz"[: sizes[1]])},
        np.arange(size),
        hidden if known else np.full(size, math.nan),
        (status,) * size,  # type: ignore[arg-type]
        ("finite" if known else "indeterminate",) * size,
        np.outer(hidden, hidden) + np.eye(size),
    )
    p = make(
        observed=size,
        hidden=float(hidden.sum()) if known else math.nan,
        status=status,
        limit="finite" if known else "indeterminate",
        reason=text,
        uncertainty=LognormalInterval(data.draw(figures), data.draw(figures), size),
        strata=strata,
        lists=(text, "other"),
    )
    again = PopulationEstimate.from_json(p.to_json())
    assert again.to_json() == p.to_json()
    assert p.by is not None
    pd.testing.assert_frame_equal(again.by, p.by)
    validator("population").validate(p.to_dict())
    assert p.summary() == again.summary()


def test_json_keeps_draws_on_request() -> None:
    values = np.array([1.0, math.inf, math.nan])
    stratum_draws = pd.DataFrame(np.arange(8.0).reshape(2, 4))
    p = make(draws=values, strata=make_strata(), stratum_draws=stratum_draws)
    assert "draws" not in p.to_dict()
    data = p.to_dict(draws=True)
    validator("population").validate(data)
    again = PopulationEstimate.from_dict(json.loads(json.dumps(data, allow_nan=False)))
    np.testing.assert_equal(again.draws, values)
    assert again.stratum_draws is not None
    np.testing.assert_equal(again.stratum_draws.to_numpy(), stratum_draws.to_numpy())
    pd.testing.assert_frame_equal(again.by, p.by)


def test_unbounded_interval_in_json() -> None:
    levels = make(uncertainty=Unbounded()).to_dict()["interval"]["levels"]
    assert levels[0] == {"level": 0.5, "low": 10.0, "high": 40.0, "unbounded": False}
    assert levels[-1] == {"level": 0.99, "low": 10.0, "high": None, "unbounded": True}


def test_a_level_that_was_not_stored_raises() -> None:
    again = PopulationEstimate.from_json(make().to_json(levels=(0.9, 0.925)))
    assert again.interval(0.925) == make().interval(0.925)
    with pytest.raises(ModelError, match=r"level 0\.95.*0\.9, 0\.925"):
        again.interval(0.95)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "schema None"),
        ('{"schema": "mse.population/2"}', "population/2"),
        ('{"schema": "mse.population/1"}', "do not follow the schema"),
    ],
)
def test_other_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        PopulationEstimate.from_json(text)


def test_schema_refuses_a_number_without_an_estimate() -> None:
    data = not_estimable().to_dict() | {"total": 5.0}
    assert not validator("population").is_valid(data)


def test_provenance_names_table_and_estimator() -> None:
    table = CaptureTable.from_counts({"10": 5, "01": 10, "11": 5}, lists=["a", "b"])
    made = provenance("settings", table)
    assert made["table"] == table.fingerprint
    assert made["estimator"] == "'settings'"
    json.dumps(made, allow_nan=False)


# Wording -----------------------------------------------------------------------------------------


def flat(text: str) -> str:
    return " ".join(text.split())


def test_summary_says_what_a_reader_needs() -> None:
    text = flat(make().summary())
    for part in (
        "presumed victims, somewhere (2010-2015; adults)",
        "police, care, other",
        "8,234",
        "48,234",
        "Estimated total, 95% interval",
        "conditional on the model",
        "police with care",
        "12 models within 10 of the best BIC give totals from 20,000 to 130,000",
        "As near, 3 models determine no total.",
        "These models disagree by more than the interval shows",
        "Closed population",
        "Correct linkage",
        "Dependence as modeled",
        "Homogeneity",
        "No overcoverage",
        "Positive probability",
        "A. Author (2020)",
        "Counted once per year.",
    ):
        assert part in text
    assert str(make()) == make().summary()


def test_summary_puts_the_interval_before_the_point() -> None:
    text = make().summary(0.9)
    for figure in ("Estimated total", "Estimated hidden", "Estimated share registered"):
        assert 0 <= text.index(f"{figure}, 90% interval") < text.index(f"{figure}, point")


def test_summary_is_silent_where_models_agree() -> None:
    spread = ModelRange(48000.0, 48500.0, 2, 0, "BIC", 10.0)
    text = make(model_range=spread).summary()
    assert "disagree by more" not in text
    assert "48,000 to 48,500" in flat(text)


def test_summary_of_one_model_and_of_none() -> None:
    one = make(model_range=ModelRange(48234.0, 48234.0, 1, 1, "AIC", 2.0)).summary()
    assert "The 1 model within 2 of the best AIC gives a total of 48,234." in flat(one)
    assert "As near, 1 model determines no total." in flat(one)
    none = not_estimable(model_range=ModelRange(math.nan, math.nan, 0, 4, "BIC", 10.0)).summary()
    assert "No model within 10 of the best BIC determines a total." in flat(none)


def test_summary_without_estimate_gives_reason_and_no_number() -> None:
    text = flat(not_estimable().summary())
    assert "none: the data do not determine it" in text
    assert "police and care share nobody" in text
    assert "What the interval".upper() not in text


def test_summary_of_an_unbounded_interval() -> None:
    text = flat(make(uncertainty=Unbounded()).summary(0.95))
    assert "at least 10, no upper bound" in text
    assert "selected anew in every replicate" in text


def test_summary_shows_strata() -> None:
    text = make(strata=make_strata()).summary()
    assert "BY YEAR AND SEX" in text
    assert "2014" in text


def test_summary_of_many_strata_shows_one_covariate_at_a_time() -> None:
    size = 30
    strata = Strata(
        {"year": tuple(range(15)), "sex": ("f", "m")},
        np.full(size, 2),
        np.full(size, 3.0),
        ("ok",) * size,
        ("finite",) * size,
    )
    section = make(strata=strata).summary().split("BY YEAR AND SEX")[1].split("ASSUMPTIONS")[0]
    assert len([line for line in section.splitlines() if line.strip()]) == 1 + 16 + 3


def test_lines_fit_a_page() -> None:
    assert max(map(len, make().summary().splitlines())) <= 88


def test_html_escapes_what_comes_from_the_data() -> None:
    html = make(lists=("<b>", "care", "other"))._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert "48,234" in html


def test_repr_is_short() -> None:
    assert repr(make()).startswith("<PopulationEstimate: log-linear, best by BIC [12,3]")
    assert "not_estimable" in repr(not_estimable())
