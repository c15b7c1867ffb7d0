"""Searches on tables that are known in part."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

import mse
from mse.core.fitting import CRITERIA
from mse.core.search import first_best, is_lower
from mse.errors import ModelError
from mse.loglinear import refit
from mse.loglinear.fit import fit_partly_known
from mse.loglinear.paths import largest_model, smallest_model
from mse.loglinear.search_fit import IncompleteSearchFit, search_catalogue, search_paths

STEPWISE = mse.LogLinearSearch(strategy="stepwise")


def switched_off(search: mse.LogLinearSearch, table: mse.CaptureTable) -> IncompleteSearchFit:
    """Search a complete table as one that is known in part."""
    least = smallest_model(table, search.keep)
    if search.strategy == "exhaustive":
        order = search._exhaustive_order(table.n_lists)
        fit = search_catalogue(
            search, table, order, largest_model(least, order or table.n_lists - 1)
        )
    else:
        most = largest_model(least, search.max_order or 2)
        starts = (least,) if table.covariates else (least, largest_model(least, 2))
        fit = search_paths(search, table, starts, (least, most))
    # Of itself the chosen model of a complete table would be fitted as such.
    chosen = fit._source.structure(fit._chosen)
    fit.__dict__["best"] = fit_partly_known(mse.LogLinear(chosen.notation()), table, chosen)
    return fit


def registrations(*kept: str, seed: int = 1, **flaws: object) -> mse.CaptureTable:
    """Synthetic registrations of five years; lists that dropped out in 2018 are unknown then."""
    world = mse.simulate.netherlands(years=range(2015, 2020), **flaws)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = world.draw(seed).table(dropped="unknown")
    return table.collapse(*(name for name in table.covariates if name not in ("year", *kept)))


@pytest.fixture(scope="module")
def dropped() -> mse.CaptureTable:
    """Care silent in 2018, a twentieth of the registrations without the form of exploitation."""
    return registrations("form", dropout=True, missing=0.05)


@pytest.fixture(scope="module")
def found(dropped) -> IncompleteSearchFit:
    """Search by the default criterion."""
    return STEPWISE.fit(dropped)


@pytest.fixture(scope="module")
def suppressed() -> mse.CaptureTable:
    """Return a table of lists alone, with small counts within bounds."""
    frame = mse.load_dataset("kosovo").to_frame()
    frame["n"] = [str(n) if n > 20 else "<21" for n in frame["n"]]
    return mse.CaptureTable.from_frame(frame, ["EXH", "ABA", "OSCE", "HRW"], count="n")


# Incompleteness switched off --------------------------------------------------------------------

SEARCHES = [
    (mse.LogLinearSearch(), "kosovo"),
    (mse.LogLinearSearch("aicc"), "korea"),
    (mse.LogLinearSearch("aic", "stepwise"), "uk"),
    (STEPWISE, "spina_bifida"),
    (mse.LogLinearSearch("aic", "stepwise"), "spina_bifida"),
    (STEPWISE, "scotland_pwid"),
    (mse.LogLinearSearch("aicc", "stepwise"), "scotland_pwid"),
    (mse.LogLinearSearch("bic", "stepwise", keep=["S1*ethnicity", "S2*ethnicity"]), "spina_bifida"),
    (mse.LogLinearSearch("bic", "stepwise", keep="EXH*HRW"), "kosovo"),
    (mse.LogLinearSearch("bic", "stepwise", 3), "spina_bifida"),
]


@pytest.mark.parametrize(("search", "name"), SEARCHES, ids=lambda each: str(each)[:60])
def test_with_everything_known_it_is_the_complete_search(search, name) -> None:
    table = mse.load_dataset(name)
    complete, other = search.fit(table), switched_off(search, table)
    assert other.path[["change", "model"]].equals(complete.path[["change", "model"]])
    assert other.structure == complete.structure
    columns = ["model", "n_parameters", "df_residual", "status", "limit"]
    pd.testing.assert_frame_equal(
        other.models.sort_values("model", ignore_index=True)[columns],
        complete.models.sort_values("model", ignore_index=True)[columns],
    )
    for column in ("deviance", "aic", "aicc", "bic", "total"):
        left, right = (f.models.set_index("model")[column].sort_index() for f in (other, complete))
        # The saturated likelihood is found to 1e-5.
        np.testing.assert_allclose(left, right, rtol=1e-8, atol=2e-5)


@pytest.mark.parametrize(("search", "name"), SEARCHES[:-1], ids=lambda each: str(each)[:60])
def test_with_everything_known_replicates_are_those_of_the_complete_search(
    search, name, monkeypatch
) -> None:
    ends = []
    monkeypatch.setattr(refit, "first_best", lambda ranks: ends.append(ranks) or first_best(ranks))
    table = mse.load_dataset(name)
    complete, other = search.fit(table), switched_off(search, table)
    shares = table.counts.ravel() / table.n_observed
    cells = np.random.default_rng(3).multinomial(table.n_observed, shares, size=4)
    # The other one draws persons by pattern, in rows of strata.
    patterns = cells[:, np.ravel_multi_index(tuple(table.patterns.T), table.shape)]
    patterns = np.pad(patterns, ((0, 0), (0, -patterns.shape[1] % table.n_strata)))
    left = complete.refitter()(cells.astype(np.float64))
    right = other.refitter()(patterns.astype(np.float64))
    totals = [
        found.hidden + drawn.reshape(4, -1, table.n_strata).sum(axis=1)
        for found, drawn in ((left, cells), (right, patterns))
    ]
    # The search of tables known in part starts from the model of the table as well, and may get further.
    further = [
        r for r, ranks in enumerate(ends) if is_lower(ranks[0], min(ranks[1:], default=ranks[0]))
    ]
    same = np.setdiff1d(np.arange(4), further)
    np.testing.assert_array_equal(left.limits[same], right.limits[same])
    np.testing.assert_allclose(*(each[same] for each in totals), rtol=1e-6)
    assert len(ends) == 4 or search.strategy == "exhaustive"


# Tables known in part ---------------------------------------------------------------------------


def test_criteria_are_those_of_single_models_and_the_best_one_is_chosen(dropped, found) -> None:
    fit = found
    assert isinstance(fit, IncompleteSearchFit)
    assert fit.n_models > 100
    assert fit.path["value"].is_monotonic_decreasing
    usable = fit.models[fit.models["status"].isin(["ok", "boundary"])]
    assert fit.model == usable.iloc[0]["model"]
    assert usable["bic"].is_monotonic_increasing
    single = mse.LogLinear(fit.model).fit(dropped)
    row = usable.iloc[0]
    assert (single.aic, single.aicc, single.bic) == pytest.approx(
        tuple(row[["aic", "aicc", "bic"]]), abs=1e-5
    )
    assert single.deviance == pytest.approx(row["deviance"], abs=1e-4)
    assert single.df_residual == row["df_residual"]
    assert single.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-6)
    assert fit.population.total == pytest.approx(single.population.total, rel=1e-6)
    assert fit.population.total == pytest.approx(row["total"], rel=1e-6)
    by = fit.population.by
    assert by["observed"].sum() == dropped.n_observed
    assert by["total"].sum() == pytest.approx(fit.population.total)


@pytest.mark.fixed_seed  # a table that has such models
def test_models_that_are_not_estimable_are_listed_and_never_chosen(dropped, found) -> None:
    for fit in (found, mse.LogLinearSearch("aic", "stepwise").fit(dropped)):
        criterion = fit.estimator.criterion
        lost = fit.models[~fit.models["status"].isin(["ok", "boundary"])]
        assert len(lost) > 0
        assert lost["total"].isna().all()
        assert lost[criterion].notna().all()
        assert fit.status in ("ok", "boundary")


def test_every_model_of_lists_alone_with_counts_within_bounds(suppressed) -> None:
    fit = mse.LogLinearSearch().fit(suppressed)
    assert fit.n_models == 113
    for row in fit.models.iloc[[0, 3, 20, 60]].itertuples():
        single = mse.LogLinear(row.model).fit(suppressed)
        assert single.status == row.status
        assert single.bic == pytest.approx(row.bic, abs=1e-6)
        if row.status in ("ok", "boundary"):
            assert single.population.total == pytest.approx(row.total, rel=1e-6)
    assert fit.population.interval_kind == "lognormal"
    with pytest.raises(ModelError, match="buckland"):
        fit.average()
    average = fit.average(interval="buckland")
    low, high = average.interval()
    assert low < average.total < high


def test_unknown_memberships_and_counts_within_bounds_together(rng) -> None:
    on = rng.random((3000, 3)) < (0.3, 0.25, 0.2)
    frame = pd.DataFrame(on, columns=["a", "b", "c"])[on.any(axis=1)].astype(object)
    frame.loc[rng.random(len(frame)) < 0.1, "c"] = None
    counted = frame.astype(str).replace({"True": "1", "False": "0", "None": ""})
    counted = counted.value_counts().rename("n").reset_index()
    counted["n"] = [str(n) if n > 30 else "<31" for n in counted["n"]]
    table = mse.CaptureTable.from_frame(counted, ["a", "b", "c"], count="n")
    fit = mse.LogLinearSearch().fit(table)
    assert fit.n_models == 8
    row = fit.models.iloc[1]
    assert mse.LogLinear(row["model"]).fit(table).bic == pytest.approx(row["bic"], abs=1e-6)
    p = mse.bootstrap(mse.LogLinearSearch(), table, 20, interval="percentile", seed=1)
    # Given all three lists the log of the total has a standard error of 0.035.
    assert p.interval()[0] / 1.2 < 3000 < p.interval()[1] * 1.2


def test_unknown_memberships_of_lists_alone_step_by_step(rng) -> None:
    on = rng.random((4000, 4)) < (0.3, 0.25, 0.2, 0.2)
    on[:, 1] |= on[:, 0] & (rng.random(4000) < 0.3)
    frame = pd.DataFrame(on, columns=list("abcd"))[on.any(axis=1)].astype(object)
    elsewhere = frame[["a", "b", "c"]].any(axis=1)
    frame.loc[elsewhere & (rng.random(len(frame)) < 0.2), "d"] = None
    table = mse.CaptureTable.from_frame(frame, list("abcd"))
    every, path = (mse.LogLinearSearch(strategy=s).fit(table) for s in ("exhaustive", "stepwise"))
    # Another pair besides is taken in one world of fifty.
    assert every.model == path.model
    assert (0, 1) in every.structure.terms
    assert every.population.total == pytest.approx(path.population.total, rel=1e-6)
    assert every.n_models == 113


def test_what_cannot_be_asked(dropped, suppressed) -> None:
    with pytest.raises(ModelError, match="pvalue"):
        mse.LogLinearSearch("pvalue", "stepwise").fit(suppressed)
    with pytest.raises(ModelError, match="all models are candidates"):
        mse.bootstrap(mse.LogLinearSearch(), suppressed, 5, candidates=3)
    with pytest.raises(ModelError, match="strategy='stepwise'"):
        mse.LogLinearSearch().fit(dropped)
    margins = mse.CaptureTable.from_margins({"a": 53, "b": 70}, union=110)
    with pytest.raises(ModelError, match="totals and their union"):
        mse.LogLinearSearch().fit(margins)


def test_a_trend(dropped) -> None:
    fit = mse.LogLinearSearch(strategy="stepwise", trend={"year": 1}).fit(dropped)
    assert any("year^1" in name for name in fit.coefficients.index)
    single = mse.LogLinear(fit.model, trend={"year": 1}).fit(dropped)
    assert single.bic == pytest.approx(fit.bic, abs=1e-6)
    again = fit.refitter()(fit.resampled()[None])
    assert not again.failed.any()


def test_replicates_with_the_counts_of_the_table_find_its_model(found, suppressed) -> None:
    for fit in (found, mse.LogLinearSearch().fit(suppressed)):
        again = pickle.loads(pickle.dumps(fit.refitter()))  # noqa: S301
        refits = again(fit.resampled()[None])
        assert again.question.kind == CRITERIA.index("bic")
        # Those expected within bounds are among the persons drawn.
        total = refits.hidden.sum() + fit.resampled().sum()
        assert total == pytest.approx(fit.population.total, rel=1e-6)


def test_a_bootstrap_chooses_again() -> None:
    table = registrations(dropout=True)
    p = mse.bootstrap(STEPWISE, table, 20, interval="percentile", seed=1)
    assert p.interval_given == "the model re-selected in every replicate"
    assert p.stratum_draws.shape == (20, table.n_strata)
    assert p.interval()[0] < p.interval()[1]
    same = mse.bootstrap(STEPWISE, table, 20, interval="percentile", seed=1, n_jobs=2)
    assert same.draws.tolist() == p.draws.tolist()


def test_estimate_and_compare(suppressed) -> None:
    p = mse.estimate(suppressed, replicates=20, seed=1)
    assert (p.interval_kind, p.alike.interval_kind) == ("credible", "percentile")
    assert any("not exactly" in text for text in p.warnings)
    frame = mse.compare(suppressed, [mse.LogLinearSearch(), mse.LogLinear("main")]).to_frame()
    assert frame["total"].notna().all()
    assert frame["total"].iloc[0] == pytest.approx(p.total)
