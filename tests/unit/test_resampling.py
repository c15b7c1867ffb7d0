from __future__ import annotations

import warnings
from concurrent.futures.process import BrokenProcessPool
from math import inf, isnan, nan

import numpy as np
import pytest
from scipy.stats import norm

import mse
from mse.answer.intervals import RESELECTED
from mse.answer.protocols import Refits, TableRefitter
from mse.errors import ConvergenceWarning, ModelError
from mse.redrawing import drawing_of
from mse.resampling import (
    BootstrapInterval,
    _jackknife,
    acceleration,
    bca_levels,
    bias_correction,
    joint_limits,
    order_quantile,
)
from tests.chance import FAR, error_of_end

STEPWISE = mse.LogLinearSearch(criterion="pvalue", strategy="stepwise")


def interval_of(draws, kind="percentile", **changes) -> BootstrapInterval:
    draws = np.asarray(draws, dtype=float)
    return BootstrapInterval(kind, RESELECTED, 50.0, 10, draws, **changes)


def test_bias_correction_is_the_normal_score_of_the_share_below() -> None:
    draws = np.arange(1, 11, dtype=float)
    assert bias_correction(draws, 3.5) == pytest.approx(norm.ppf(0.3))
    assert bias_correction(draws, 3.0) == pytest.approx(norm.ppf(0.25))  # a tie counts half
    assert bias_correction(draws, 0.0) == pytest.approx(norm.ppf(0.05))  # half a draw
    assert bias_correction(np.append(draws, inf), 5.5) == pytest.approx(norm.ppf(5 / 11))


def test_acceleration_by_hand() -> None:
    # Mean of (1, 1, 4) is 2; deviations 1, 1, -2: cubes sum to -6, squares to 6.
    value = acceleration(np.asarray([1.0, 4.0]), np.asarray([2.0, 1.0]))
    assert value == pytest.approx(-6 / (6 * 6**1.5))
    assert acceleration(np.asarray([5.0, 5.0]), np.asarray([1.0, 3.0])) == 0.0
    assert isnan(acceleration(np.asarray([5.0, nan]), np.asarray([1.0, 3.0])))


def test_bca_without_bias_or_skewness_is_the_percentile_interval() -> None:
    tails = np.asarray([0.025, 0.975])
    np.testing.assert_allclose(bca_levels(tails, 0.0, 0.0), tails)
    moved = bca_levels(tails, 0.2, 0.05)
    z = 0.2 + norm.ppf(tails)
    np.testing.assert_allclose(moved, norm.cdf(0.2 + z / (1 - 0.05 * z)))
    # Beyond the pole the level is the end it runs to.
    np.testing.assert_array_equal(bca_levels(np.asarray([0.999999]), 3.0, 0.3), [1.0])


def test_infinite_draws_make_infinite_ends_and_nothing_else() -> None:
    draws = np.asarray([10.0, 20.0, 30.0, 40.0, inf])
    assert order_quantile(draws, 0.5) == 30.0
    assert order_quantile(draws, 0.75) == 40.0
    assert order_quantile(draws, 0.8) == inf
    low, high = interval_of(draws).interval(0.9)
    assert (low, high) == (12.0, inf)


def test_basic_interval_is_reflected_and_never_below_the_observed() -> None:
    low, high = interval_of([40.0, 45.0, 60.0, 200.0], kind="basic").interval(0.99)
    assert low == 10.0
    assert high == pytest.approx(100 - order_quantile(np.asarray([40.0, 45, 60, 200]), 0.005))


def test_joint_limits_of_strata() -> None:
    finite, infinite, zero, unknown = 0, 1, 2, 3
    codes = np.asarray(
        [[finite, finite], [finite, zero], [zero, zero], [infinite, zero], [infinite, unknown]],
        dtype=np.int8,
    )
    assert joint_limits(codes).tolist() == [finite, finite, zero, infinite, unknown]


def test_same_seed_same_draws_whatever_the_workers() -> None:
    table = mse.load_dataset("kosovo")
    for estimator in (mse.LogLinearSearch(), STEPWISE, mse.LogLinear("[12,34]")):
        runs = [mse.bootstrap(estimator, table, 110, seed=5, n_jobs=n) for n in (1, 2, 4)]
        for other in runs[1:]:
            np.testing.assert_array_equal(runs[0].draws, other.draws)
            assert runs[0].interval(0.9) == other.interval(0.9)
    assert mse.bootstrap(STEPWISE, table, 20, seed=6).interval() != runs[0].interval()


def test_an_unnamed_seed_is_kept_so_that_the_interval_can_be_had_again() -> None:
    table = mse.load_dataset("korea")
    first = mse.bootstrap(STEPWISE, table, 30)
    seed = first.provenance["bootstrap"]["seed"]
    np.testing.assert_array_equal(mse.bootstrap(STEPWISE, table, 30, seed=seed).draws, first.draws)


@pytest.mark.parametrize(
    "estimator",
    [
        mse.LogLinearSearch(),
        mse.LogLinearSearch(criterion="aicc"),
        mse.LogLinearSearch(strategy="stepwise"),
        STEPWISE,
        mse.LogLinear("[12,13,4]"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("dataset", ["kosovo", "australia"])
def test_fast_path_equals_fitting_every_replicate(estimator, dataset) -> None:
    table = mse.load_dataset(dataset)
    counts = table.counts.ravel().astype(float)
    rng = np.random.default_rng(4)
    tables = rng.multinomial(table.n_observed // 8, counts / counts.sum(), size=12).astype(float)
    fast = estimator.fit(table).refitter()(tables)
    slow = TableRefitter(estimator, table)(tables)
    np.testing.assert_array_equal(fast.limits, slow.limits)
    # Newton from another start ends within its tolerance of the same point.
    np.testing.assert_allclose(fast.hidden, slow.hidden, rtol=1e-9)


def test_restricting_the_candidates_and_how_the_interval_settles() -> None:
    table = mse.load_dataset("kosovo")
    everything = mse.bootstrap(mse.LogLinearSearch(), table, 200, seed=1)
    settling = everything.uncertainty.settling(0.95)
    assert settling["candidates"].tolist() == [1, 2, 5, 10, 20, 50, 100, 113]
    assert tuple(settling.iloc[-1][["low", "high"]]) == everything.interval(0.95)
    five = mse.bootstrap(mse.LogLinearSearch(), table, 200, seed=1, candidates=5)
    # The jackknife behind the acceleration is restricted as well, hence the tolerance.
    assert five.interval(0.95) == pytest.approx(tuple(settling.iloc[2][["low", "high"]]), rel=0.02)
    assert five.provenance["bootstrap"]["candidates"] == 5


def test_parametric_resampling_draws_a_population_of_the_estimated_size() -> None:
    table = mse.load_dataset("kosovo")
    p = mse.bootstrap(
        mse.LogLinear("all two-way"),
        table,
        400,
        resampling="parametric",
        interval="percentile",
        seed=2,
    )
    # The median of the draws is that of an estimator nearly unbiased on the log scale.
    spread = np.log(p.draws).std()
    error = error_of_end(spread, 400, 0.5)
    assert np.log(np.median(p.draws) / p.total) == pytest.approx(0, abs=FAR * error + 0.005)
    profile = mse.LogLinear("all two-way").fit(table).population.interval()
    # The two kinds of interval are half a percent apart here.
    away = np.log(np.divide(p.interval(), profile))
    assert (abs(away) < FAR * error_of_end(spread, 400) + 0.01).all()
    with pytest.raises(ModelError, match="no fitted means"):
        mse.bootstrap(mse.Chapman(), table.keep_lists(["EXH", "ABA"]), resampling="parametric")


def test_any_estimator_and_strata() -> None:
    table = mse.load_dataset("kosovo").keep_lists(["EXH", "OSCE"])
    p = mse.bootstrap(mse.Chapman(), table, 60, interval="bca", seed=3)
    assert p.interval_kind == "bca"
    assert p.interval()[0] < p.total < p.interval()[1]
    assert p.interval_given == "the method repeated in every replicate"
    joint = mse.bootstrap(
        mse.LogLinear("S1*S2 + S3 + ethnicity"),
        mse.load_dataset("spina_bifida"),
        50,
        seed=3,
        interval="percentile",
    )
    assert joint.stratum_draws.shape == (50, 3)
    np.testing.assert_allclose(joint.stratum_draws.sum(axis=1), joint.draws)
    assert (joint.by["low"] <= joint.by["high"]).all()


def test_outcomes_without_a_number_are_counted_and_never_dropped() -> None:
    table = mse.CaptureTable.from_counts(
        {"100": 30, "010": 20, "001": 25, "110": 2, "101": 2, "011": 1}, lists=["a", "b", "c"]
    )
    p = mse.bootstrap(mse.LogLinear("[12,13]"), table, 300, seed=1, interval="percentile")
    u = p.uncertainty
    assert len(p.draws) == 300
    assert u.n_infinite == int(np.isinf(p.draws).sum()) > 0
    assert p.interval()[1] == inf
    assert any("no upper bound" in text for text in p.warnings)
    assert p.to_dict()["provenance"]["bootstrap"]["infinite"] == u.n_infinite


def test_a_table_without_an_estimate_is_returned_as_it_is() -> None:
    p = mse.bootstrap(mse.LogLinear("[12,13,23]"), mse.load_dataset("artificial_3"), 20, seed=1)
    assert p.status == "not_estimable"
    assert p.draws is None


class _Interrupting:
    """A refitter that is stopped in one of its chunks."""

    given, releases_gil, checkpoints = RESELECTED, True, ()

    def __init__(self, why: BaseException, last: int = 3) -> None:
        self.calls, self.why, self.last = 0, why, last

    def __call__(self, counts: np.ndarray) -> Refits:
        self.calls += 1
        if self.calls == self.last:
            raise self.why
        size = len(counts)
        hidden = np.full((size, 1), 7.0)
        codes = np.zeros((size, 1), dtype=np.int8)
        none = np.zeros((size, 0))
        return Refits(hidden, codes, np.zeros(size, bool), np.full(size, -1), none)


# What joblib raises where a worker is killed is a BrokenProcessPool as well.
@pytest.mark.parametrize("why", [KeyboardInterrupt(), BrokenProcessPool()])
def test_an_interrupt_or_a_killed_worker_keeps_what_is_finished(
    monkeypatch: pytest.MonkeyPatch, why: BaseException
) -> None:
    monkeypatch.setattr("mse.resampling._refitter", lambda *_: _Interrupting(why))
    with pytest.warns(ConvergenceWarning, match="50 of 1,000"):
        p = mse.bootstrap(
            mse.LogLinear(), mse.load_dataset("korea"), interval="percentile", seed=1, n_jobs=1
        )
    assert len(p.draws) == 50


def test_a_worker_killed_at_once_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "mse.resampling._refitter", lambda *_: _Interrupting(BrokenProcessPool(), last=1)
    )
    with pytest.raises(mse.MSEError, match="--workers 1"):
        mse.bootstrap(mse.LogLinear(), mse.load_dataset("korea"), seed=1, n_jobs=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replicates": 0}, "1 or more"),
        ({"seed": -1}, "0 or more"),
        ({"n_jobs": 0}, "-1 for every core"),
        ({"resampling": "jackknife"}, "'population'"),
        ({"interval": "t"}, "'bca'"),
        ({"candidates": 0}, "1 or more"),
        ({"candidates": 3}, "goes with"),
    ],
)
def test_bad_options_say_what_to_do(options: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        mse.bootstrap(mse.LogLinear(), mse.load_dataset("korea"), **options)


def test_a_dask_cluster_gives_the_same_bits() -> None:
    distributed = pytest.importorskip("distributed")
    import joblib

    table = mse.load_dataset("kosovo")
    alone = mse.bootstrap(mse.LogLinearSearch(), table, 100, seed=8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster),
            joblib.parallel_config(backend="dask"),
        ):
            spread = mse.bootstrap(mse.LogLinearSearch(), table, 100, seed=8)
    np.testing.assert_array_equal(alone.draws, spread.draws)
    assert alone.interval() == spread.interval()


def run(work, task, _refitter, _turn):
    return [task(*each) for each in work]


def test_of_many_histories_a_sample_of_persons_is_left_out(rng, monkeypatch) -> None:
    table = mse.load_dataset("spina_bifida")
    fit = mse.LogLinear("S1 + S2*S3 + ethnicity").fit(table)
    drawing = drawing_of(fit, table, "population")
    totals, persons = _jackknife(drawing, fit.refitter(), rng, run)
    assert persons.sum() == table.n_observed
    assert totals.shape == (persons.size, table.n_strata)
    monkeypatch.setattr("mse.redrawing.MOST_LEFT_OUT", 12)
    some, weights = _jackknife(drawing, fit.refitter(), rng, run)
    assert {tuple(row) for row in some} <= {tuple(row) for row in totals}
    assert len(some) <= 12 < len(totals)
    assert weights.sum() == pytest.approx(table.n_observed)
    intervals = [
        mse.bootstrap(fit.estimator, table, 40, interval="bca", seed=3, n_jobs=n).interval()
        for n in (1, 2)
    ]
    assert intervals[0] == intervals[1]


# What a draw says of N ---------------------------------------------------------------------------


def test_an_interval_of_n_holds_the_chance_in_how_many_are_registered() -> None:
    # N = 10,000 on two lists that see 90 % each: the standard deviation of Lincoln and Petersen's
    # estimate is sqrt(n1 n2 (n1 - m) (n2 - m) / m^3) = 11.1; given n it is 4.8.
    table = mse.CaptureTable.from_counts({"11": 8100, "10": 900, "01": 900}, lists=["a", "b"])
    low, high = mse.estimate(table, seed=1).interval(0.95, given="alike")
    # The standard error of the distance of two such quantiles of 1,000 normal draws is 0.116 deviations.
    assert high - low == pytest.approx(3.92 * 11.1, abs=FAR * 0.116 * 11.1)
    assert low < 10_000 < high
    fixed = mse.bootstrap(mse.LogLinearSearch(), table, resampling="multinomial", seed=1)
    assert np.ptp(fixed.interval(0.95)) == pytest.approx(18.9, abs=FAR * 0.116 * 4.8)
    assert fixed.provenance["bootstrap"]["resampling"] == "multinomial"


@pytest.mark.parametrize("interval", ["percentile", "bca", "basic"])
def test_no_end_lies_below_the_registered_and_the_margin_over_everything_is_the_total(
    interval,
) -> None:
    counts = np.zeros((2, 2, 3), dtype=int)
    counts[1, 1], counts[1, 0], counts[0, 1] = (90, 40, 3), (9, 8, 2), (7, 20, 1)
    table = mse.CaptureTable.from_array(counts, ["a", "b"], {"year": [1, 2, 3]})
    p = mse.bootstrap(mse.LogLinear("a*year + b*year"), table, 300, interval=interval, seed=4)
    assert (p.by["low"] >= p.by["observed"]).all()
    everything = p.margin()
    assert (everything["low"][0], everything["high"][0]) == pytest.approx(p.interval(0.95))
    # Some replicates leave the third year without an estimate.
    assert not (p.draws < 0).any()
    np.testing.assert_allclose(p.stratum_draws.to_numpy().sum(axis=1), p.draws)


def test_a_stratum_without_an_estimate_keeps_its_persons_and_the_others_are_drawn() -> None:
    counts = np.zeros((2, 2, 2), dtype=int)
    counts[1, 1], counts[1, 0], counts[0, 1] = (30, 0), (20, 4), (25, 3)
    table = mse.CaptureTable.from_array(counts, ["a", "b"], {"year": [1, 2]})
    model = mse.LogLinear("a*year + b*year")
    p = mse.bootstrap(model, table, 200, seed=5)
    assert p.status == "not_estimable"
    assert p.draws is None
    assert p.uncertainty is None
    assert not np.isfinite(p.stratum_draws.to_numpy()[:, 1]).any()
    alone = mse.bootstrap(mse.LogLinear("a + b"), table.by("year")[1], 200, seed=5)
    away = np.log(p.by.loc[0, ["low", "high"]].to_numpy(dtype=float) / alone.interval())
    error = np.sqrt(2) * error_of_end(np.log(alone.draws).std(), 200)
    assert (abs(away) < FAR * error).all()
    assert p.by.loc[1, ["low", "high"]].isna().all()
    assert p.provenance["bootstrap"]["redrawn"] == 0


def test_a_replicate_that_leaves_one_stratum_open_is_not_drawn_again() -> None:
    # Under all pairs of lists and strata a stratum of three persons is often indeterminate.
    counts = np.zeros((2, 2, 2), dtype=int)
    counts[1, 1], counts[1, 0], counts[0, 1] = (30, 1), (20, 1), (25, 1)
    table = mse.CaptureTable.from_array(counts, ["a", "b"], {"year": [1, 2]})
    p = mse.bootstrap(mse.LogLinear("a*year + b*year"), table, 300, seed=6)
    undetermined = np.isnan(p.stratum_draws.to_numpy()[:, 1])
    assert 0 < undetermined.sum() == p.provenance["bootstrap"]["undetermined"]
    assert not np.isnan(p.stratum_draws.to_numpy()[:, 0]).any()
    assert np.isnan(p.draws[undetermined]).all()
    assert p.provenance["bootstrap"]["redrawn"] == 0
    assert any("some stratum is not determined" in text for text in p.warnings)
    json = p.to_dict(draws=True)
    assert sum(each is None for each in json["draws"]) == undetermined.sum()


def test_ties_within_rounding_count_half() -> None:
    # Totals of two lists are ratios of small numbers, and the estimate itself comes up again and again,
    # each time as near to it as Newton's method ends.
    table = mse.CaptureTable.from_counts({"01": 10, "10": 5, "11": 5}, lists=["a", "b"])
    u = mse.bootstrap(mse.LogLinearSearch(), table, 1000, interval="bca", seed=1).uncertainty
    assert u.estimate == pytest.approx(30)
    exact = np.round(u.draws, 6)
    assert (exact == 30).sum() > 20
    below = (exact < 30).mean() + 0.5 * (exact == 30).mean()
    assert u.bias_correction == pytest.approx(norm.ppf(below), abs=1e-12)
    nudged = u.draws * (1 + 1e-12 * np.random.default_rng(1).choice([-1, 1], u.draws.size))
    assert bias_correction(nudged, 30.0) == u.bias_correction


def test_few_replicates_say_how_uncertain_the_ends_are_and_fewer_give_no_interval() -> None:
    table = mse.load_dataset("kosovo")
    few = mse.bootstrap(STEPWISE, table, 50, seed=1)
    assert any("Monte Carlo standard error" in text for text in few.warnings)
    assert not any(
        "Monte Carlo" in text for text in mse.bootstrap(STEPWISE, table, 100, seed=1).warnings
    )
    none = mse.bootstrap(STEPWISE, table, 19, seed=1)
    assert np.isnan(none.interval()).all()
    assert any("give no interval" in text for text in none.warnings)


def test_an_interval_that_leaves_out_many_of_its_draws_says_so() -> None:
    table = mse.load_dataset("kosovo")
    bca = mse.bootstrap(mse.LogLinearSearch(), table, 400, interval="bca", seed=1)
    share = (bca.draws > bca.interval(0.95)[1]).mean()
    assert share > 0.05
    assert any(f"{share:.0%} of the bootstrap totals lie above" in text for text in bca.warnings)
    percentile = mse.bootstrap(mse.LogLinearSearch(), table, 400, seed=1)
    assert not any("lie above" in text or "lie below" in text for text in percentile.warnings)
