"""The bootstrap as a setting of an estimator."""

from __future__ import annotations

import numpy as np
import pytest

import mse
from mse.answer.protocols import Estimator, Fit
from mse.comparing import Bootstrapped

SEARCH = mse.LogLinearSearch(criterion="bic")


def test_it_is_the_bootstrap() -> None:
    table = mse.load_dataset("korea")
    fit = Bootstrapped(SEARCH, replicates=60, interval="percentile", seed=3).fit(table)
    direct = mse.bootstrap(SEARCH, table, 60, interval="percentile", seed=3)
    assert fit.population.interval() == direct.interval()
    np.testing.assert_array_equal(fit.population.draws, direct.draws)
    assert (fit.status, fit.limit, fit.reason) == (direct.status, direct.limit, direct.reason)
    assert isinstance(fit, Fit)


def test_settings_are_compared_and_shown() -> None:
    one = Bootstrapped(SEARCH, replicates=60)
    assert isinstance(one, Estimator)
    assert one == Bootstrapped(SEARCH, replicates=60)
    assert len({one, Bootstrapped(SEARCH, replicates=60), Bootstrapped(SEARCH)}) == 2
    assert repr(one).startswith("Bootstrapped(estimator=LogLinearSearch(criterion='bic'")
    with pytest.raises(AttributeError):
        one.replicates = 5


def test_validation_of_the_interval_with_the_model_selected_anew() -> None:
    table = mse.load_dataset("kosovo")
    found = mse.validate(table, [SEARCH, Bootstrapped(SEARCH, replicates=200)])
    rows = found.to_frame()
    given, anew = (rows[rows["estimator"] == name] for name in found.by_estimator().index)
    assert given["estimate"].tolist() == anew["estimate"].tolist()
    assert set(anew["interval_kind"]) == {"percentile"}
    assert anew["covered"].sum() >= given["covered"].sum()


def test_sensitivity_takes_it() -> None:
    table = mse.load_dataset("korea")
    once = Bootstrapped(mse.LogLinear("main"), replicates=40)
    frame = mse.sensitivity.leave_one_out(once, table).to_frame()
    plain = mse.sensitivity.leave_one_out(mse.LogLinear("main"), table).to_frame()
    assert frame["total"].equals(plain["total"])
    relaxed = mse.sensitivity.highest_order(once.fit(table), (2,)).to_frame()
    assert relaxed["interval_kind"].tolist() == ["percentile, scaled"]


def test_what_cannot_be_asked() -> None:
    with pytest.raises(mse.ModelError, match="two lists"):
        Bootstrapped(mse.Chapman()).fit(mse.load_dataset("korea"))
