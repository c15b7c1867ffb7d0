from __future__ import annotations

import numpy as np
import pytest

import mse
from mse.errors import ModelError
from mse.loglinear.averaging import heaviest, model_weights


def test_weights_halve_with_every_two_log_two() -> None:
    weights = model_weights(np.asarray([10.0, 10 + 2 * np.log(2), np.inf]))
    np.testing.assert_allclose(weights, [2 / 3, 1 / 3, 0.0])
    assert heaviest(np.asarray([0.1, 0.8995, 0.0005])) == [1, 0]


def test_one_model_averages_to_itself() -> None:
    # Main effects only: the catalogue has one model.
    table = mse.load_dataset("kosovo")
    fit = mse.LogLinearSearch(max_order=1).fit(table)
    p = fit.average()
    assert p.total == pytest.approx(fit.population.total)
    # The mixture's ends are found to a millionth of the hidden count.
    assert p.interval(0.95) == pytest.approx(fit.population.interval(0.95), rel=1e-5)
    wald = mse.LogLinear("main", "lognormal").fit(table).population
    assert fit.average(interval="buckland").interval(0.9) == pytest.approx(wald.interval(0.9))


@pytest.mark.parametrize("criterion", ["bic", "aic", "aicc"])
def test_average_is_the_weighted_mean_of_all_models(criterion: str) -> None:
    fit = mse.LogLinearSearch().fit(mse.load_dataset("kosovo"))
    models = fit.models[fit.models["total"].notna()]
    weights = model_weights(models[criterion].to_numpy())
    # Models with a thousandth of the weight together are left out.
    expected = float(weights @ models["total"])
    assert fit.average(criterion).total == pytest.approx(expected, rel=5e-3)


def test_intervals_hold_both_sources() -> None:
    fit = mse.LogLinearSearch().fit(mse.load_dataset("kosovo"))
    conditional = fit.population.interval(0.95)
    for form in ("mixture", "buckland"):
        p = fit.average(interval=form)
        low, high = p.interval(0.95)
        assert high - low > 1.5 * (conditional[1] - conditional[0])
        assert low < fit.population.total < high
        narrow = p.interval(0.5)
        assert low < narrow[0] < narrow[1] < high
        assert (p.interval_kind, p.status) == ("averaged", "ok")


def test_lost_weight_is_said() -> None:
    p = mse.LogLinearSearch().fit(mse.load_dataset("korea")).average()
    assert any("not estimable would have" in text for text in p.warnings)


def test_nothing_estimable_stays_so_and_bad_options_raise() -> None:
    table = mse.CaptureTable.from_counts({"100": 5, "010": 4, "001": 3}, lists=["a", "b", "c"])
    fit = mse.LogLinearSearch().fit(table)
    assert fit.average().status == "not_estimable"
    with pytest.raises(ModelError, match="'mixture' or 'buckland'"):
        fit.average(interval="wald")
    with pytest.raises(ModelError, match="'bic'"):
        fit.average("dic")
