"""Two lists that are independent given covariates, by an estimator that one of two models may get wrong."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from mse._settings import check_positive, check_seed, check_whole
from mse.answer.intervals import DEFAULT_LEVEL, lognormal_interval
from mse.answer.method import Method
from mse.answer.protocols import suited
from mse.core.logistic import Logistic, logistic_fit
from mse.data.formulas import design_matrix
from mse.errors import MissingDependencyError, ModelError
from mse.individual.base import PersonsAnswered, answer_of_persons, by_stratum, covariance_of_sums
from mse.individual.second_order import cells_alike, corrected
from mse.messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray, Limit, Status
    from mse.data.persons import PersonTable

#: What the interval takes for granted.
GIVEN_INDEPENDENCE = Message("given.independent")
#: Share of the persons of a pair whose chances are at the floor from which on there is no estimate.
MANY_AT_FLOOR = 0.05
#: Persons alike in a cell, at least: of fewer no two are on a list each.
FEWEST_ALIKE = 10
#: Persons to learn from, at least, and two of either kind: of fewer all have the share of them as their chance.
FEWEST_LEARNED = 20
#: Standard errors by which the correction of second order may move the total before it is said.
MOST_MOVED = 1.0
#: Odds ratios of dependence that are shown.
ODDS_RATIOS = (0.5, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0)


class _Pair(NamedTuple):
    """What a pair of lists says about the total.

    Parts sum to the total; the influence has beside them what persons have to do with what was learned.
    """

    lists: tuple[str, str]
    part: FloatArray  # (R,)
    influence: FloatArray  # (R,)
    both: int  # persons
    at_floor: float  # share of the persons of the pair
    status: Status
    limit: Limit
    reason: str
    loose: FloatArray  # (C, S), standard errors of products of persons, by cell and stratum: held twice
    moved: float  # persons, by that correction


@dataclass(frozen=True, eq=False, repr=False)
class DoublyRobustFit(PersonsAnswered):
    """Fit of `DoublyRobust`.

    Attributes
    ----------
    estimator : DoublyRobust
        What was fitted.
    table : PersonTable
        To what.
    population : PopulationEstimate
        The answer, of one pair of lists.
    pair : tuple of str
        Which pair that is.
    pairs : DataFrame
        A row for each pair of lists, each with its own assumption that these two are independent:
        ``list_1``, ``list_2``, ``on_both`` (persons), ``total``, ``low``, ``high`` (95 %), ``at_floor`` (share of
        the persons of the pair), ``status``, ``reason``.
    variance : float
        Estimated variance of the total, in persons squared; NaN if it is not estimable.
    moved : float
        Persons by which the total was moved for what learners got wrong of both lists at once; 0 of logistic
        regressions.
    """

    pair: tuple[str, str]
    pairs: pd.DataFrame
    variance: float
    moved: float
    _found: _Pair

    def dependence(
        self, odds_ratios: float | Iterable[float] = ODDS_RATIOS, level: float = DEFAULT_LEVEL
    ) -> pd.DataFrame:
        """Find the total if the two lists depended on each other among persons alike.

        Parameters
        ----------
        odds_ratios : float or iterable of float
            Odds ratio of being on the one and on the other list given the covariates, the same for all; 1 is
            independence, more is referral. Two lists cannot show it.
        level : float, default 0.95
            Level of the intervals.

        Returns
        -------
        DataFrame
            A row an odds ratio: ``odds_ratio``, ``total``, ``low``, ``high``, in persons; NaN where the total
            would lie below the persons seen.

        Raises
        ------
        ModelError
            If an odds ratio is not a positive number.

        Notes
        -----
        Of persons alike on neither of the two lists there are omega P(1 only) P(2 only) / P(both): the persons
        on neither of them grow in proportion to the odds ratio omega.
        """
        asked = [odds_ratios] if isinstance(odds_ratios, int | float | str) else [*odds_ratios]
        for each in asked:
            check_positive("odds_ratios", each)
        on = self.table.on[:, [self.table.lists.index(name) for name in self.pair]].any(axis=1)
        rows = [self._with(each, np.asarray(on, dtype=np.float64), level) for each in asked]
        return pd.DataFrame(rows, columns=["odds_ratio", "total", "low", "high"])

    def _with(self, ratio: float, seen: FloatArray, level: float) -> tuple[float, ...]:
        """Total and interval with an odds ratio between the two lists."""
        part, influence = (
            seen + ratio * (each - seen) for each in (self._found.part, self._found.influence)
        )
        total, variance = _total(self.table, part, influence, ratio * self._found.loose)
        hidden, n = total - self.table.n_observed, self.table.n_observed
        if self._found.status != "ok" or hidden <= 0:
            return ratio, math.nan, math.nan, math.nan
        return ratio, total, *lognormal_interval(hidden, math.sqrt(variance), level, n)


@dataclass(frozen=True, slots=True)
class DoublyRobust:
    r"""Population size from two lists that are independent given covariates, by any learner.

    The estimand is N, all persons of the population, on a list or on none.

    Parameters
    ----------
    formula : str or pair of str, optional
        What the learners see of the covariates; all of them by default, ``"severity + age"``. A pair is for the
        first and the second list.
    learner : str, scikit-learn classifier, a pair of these, or None
        What learns the chance of being on one list among the persons on the other: ``"logistic"``, the
        default, also for None; ``"boosting"``, scikit-learn's HistGradientBoostingClassifier; or an object with ``fit`` and
        ``predict_proba``. A pair is for the first and the second list.
    pair : pair of str, optional
        The two lists that are taken as independent given the covariates; by default, of more than two, the
        pair with most persons on both.
    folds : int, default 5
        Parts of the persons, or clusters, for cross-fitting: the chances of each part are learned from the
        others. 1 learns and predicts on the same persons, for learners as simple as a few groups.
    floor : float, default 0.01
        Chances are not taken below this; where they are for more than 5 % of the persons of the pair there is
        no estimate.
    seed : int, default 1
        Decides who is in which part.
    alike : int, default 50
        Of learners other than logistic regressions: persons alike in the covariates, at least so many in a cell,
        among whom is estimated what both learners got wrong at once. 0 takes them at their word.

    Raises
    ------
    ModelError
        If a setting is of another kind.

    Notes
    -----
    With :math:`p_1(x)` the chance of being on the first list among persons x on the second, and
    :math:`p_2(x)` the reverse,

    .. math:: \hat N = \sum_i \frac{Y_{1i}}{\hat p_1} + \frac{Y_{2i}}{\hat p_2}
              - \frac{Y_{1i} Y_{2i}}{\hat p_1 \hat p_2},

    which is the one-step estimator of Das, Kennedy & Jewell (2021), its efficient influence function
    written in these chances. Its expectation for a person is
    :math:`1 - (1 - p_1 / \hat p_1)(1 - p_2 / \hat p_2)`: right if either of the two is right, and nearly so if
    both are near. The variance is that of the sum of the influence function at fixed N; of logistic
    regressions it has the part of their coefficients too, which matters where one is wrong. Of other learners the
    product of errors is estimated among persons alike and taken out, a correction of second order (Robins et
    al. 2008), and its variance added. The interval is log-normal. With a category as only covariate, its
    groups as columns and one fold it is the sum of Lincoln-Petersen over the groups.

    References
    ----------
    Das, M., Kennedy, E. H. & Jewell, N. P. (2021). Doubly robust capture-recapture methods for estimating
    population size. arXiv:2104.14091; Journal of the American Statistical Association 119 (2024), 1309-1321.
    Robins, J., Li, L., Tchetgen Tchetgen, E. & van der Vaart, A. (2008). Higher order influence functions and
    minimax estimation of nonlinear functionals. IMS Collections 2, 335-421.

    Examples
    --------
    >>> import mse, pandas as pd
    >>> df = pd.DataFrame({"a": [1] * 200 + [0] * 200, "b": [0] * 100 + [1] * 300})
    >>> fit = mse.DoublyRobust(folds=1).fit(mse.PersonTable.from_frame(df, ["a", "b"]))
    >>> round(fit.population.total)
    600
    """

    formula: str | tuple[str, str] | None = None
    learner: Any = "logistic"
    pair: tuple[str, str] | None = None
    folds: int = 5
    floor: float = 0.01
    seed: int = 1
    alike: int = 50

    method = Method(
        "Doubly robust, two lists independent given covariates",
        Message("assumption.doubly_robust"),
        (
            "Das, M., Kennedy, E. H. and Jewell, N. P. (2021). Doubly robust capture-recapture methods for estimating population size. arXiv:2104.14091.",
        ),
        homogeneity=Message("assumption.covariates"),
        takes="persons",
    )

    def __post_init__(self) -> None:
        if self.learner is None:
            object.__setattr__(self, "learner", "logistic")
        for name in ("formula", "learner", "pair"):
            if isinstance(value := getattr(self, name), list):
                object.__setattr__(self, name, tuple(value))
        check_whole("folds", self.folds, 1)
        check_positive("floor", self.floor, 1)
        check_seed(self.seed)
        if self.alike != 0 or isinstance(self.alike, bool):
            check_whole("alike", self.alike, FEWEST_ALIKE, ", or 0 to take learners at their word")
        _two("formula", self.formula)
        for each in _two("learner", self.learner):
            _check_learner(each)

    def fit(self, table: PersonTable) -> DoublyRobustFit:
        """Estimate the population from persons with covariates.

        Parameters
        ----------
        table : PersonTable
            Two lists or more.

        Returns
        -------
        DoublyRobustFit

        Raises
        ------
        ModelError
            If the table is of another kind, or has no such lists or covariates.
        MissingDependencyError
            If ``learner="boosting"`` and scikit-learn is not installed.
        """
        persons = suited(self, table)
        if persons.n_lists < 2:
            raise ModelError(
                "DoublyRobust compares lists: expected two or more, and the table has one."
            )
        every = " + ".join(f"`{name}`" for name in persons.covariates) or "1"
        means = _Means.of(self, persons, every)
        # Many small fits: threads of one that wait for a busy processor cost more than they save. Only of
        # libraries that are loaded already the threads can be limited.
        with threadpool_limits(1):
            found = [_of_pair(self, means, persons, each) for each in _pairs(persons, self.pair)]
        shown = [each or every for each in dict.fromkeys(_two("formula", self.formula))]
        return _answered(self, persons, found, "; ".join(shown))


def _two(name: str, given: Any) -> tuple[Any, Any]:
    """One for each list of a pair."""
    both = given if isinstance(given, tuple) else (given, given)
    if len(both) != 2:
        raise ModelError(
            f"{name} has {len(both)} parts; expected one, or one for each of two lists."
        )
    return both


class _Means(NamedTuple):
    """What chances are learned with: columns and learner of each list of a pair, and who is in which part."""

    columns: tuple[FloatArray, FloatArray]
    learners: tuple[Any, Any]
    folds: IntArray

    @classmethod
    def of(cls, estimator: DoublyRobust, table: PersonTable, formula: str) -> _Means:
        """Make columns of the covariates, and load learners."""
        frame = table.frame
        asked = [each or formula for each in _two("formula", estimator.formula)]
        made = {
            each: design_matrix(frame, each, intercept=True)[0] for each in dict.fromkeys(asked)
        }
        learners = (
            _boosting() if isinstance(each, str) and each == "boosting" else each
            for each in _two("learner", estimator.learner)
        )
        folds = _folds(table, estimator.folds, estimator.seed)
        return cls((made[asked[0]], made[asked[1]]), tuple(learners), folds)


def _check_learner(learner: Any) -> None:
    if (
        learner in ("logistic", "boosting")
        if isinstance(learner, str)
        else not isinstance(learner, type)
        and hasattr(learner, "fit")
        and hasattr(learner, "predict_proba")
    ):
        return
    raise ModelError(
        f"learner={learner!r} is not known; expected 'logistic', 'boosting', or an object with fit and "
        "predict_proba, such as a classifier of scikit-learn."
    )


def _pairs(table: PersonTable, pair: Sequence[str] | None) -> list[tuple[int, int]]:
    """List the pair that is asked for, in front, and all others."""
    every = list(combinations(range(table.n_lists), 2))
    if pair is None:
        both = [-int(table.counts[table.on[:, i] & table.on[:, k]].sum()) for i, k in every]
        return [every[at] for at in np.argsort(both, kind="stable")]
    if len(pair) != 2 or len({*pair} & {*table.lists}) != 2:
        raise ModelError(f"pair={pair!r}; expected two of the lists {', '.join(table.lists)}.")
    first = table.lists.index(pair[0]), table.lists.index(pair[1])
    return [first, *(each for each in every if {*each} != {*first})]


def _folds(table: PersonTable, n: int, seed: int) -> IntArray:
    """Which part each row is in, (R,): units, whole, in parts of equal size."""
    units, place = np.unique(table.units, return_inverse=True)
    return np.asarray(np.random.default_rng(seed).permutation(len(units)) % n)[place]


class _Learned(NamedTuple):
    """Chances of being on each list of a pair among those on the other, cross-fitted."""

    chances: FloatArray  # (R, 2)
    #: Of logistic regressions, by side: their rows of the part predicted, those learned from, and the fit.
    fits: list[tuple[int, IntArray, IntArray, Logistic]]


def _learned(
    learner: Any, columns: FloatArray, yes: BoolArray, others: FloatArray, seed: int
) -> FloatArray:
    """Chances of yes at other rows (M,), learned by another learner from (R, Q)."""
    if len(yes) < FEWEST_LEARNED or min(yes.sum(), (~yes).sum()) < 2:
        return np.full(len(others), yes.mean() if len(yes) else 0.0)
    made = copy.deepcopy(learner)
    if hasattr(made, "get_params") and "random_state" in (known := made.get_params()):
        state = known["random_state"]
        made.set_params(random_state=seed if state is None else state)
    # scikit-learn adds an intercept of its own.
    start = 1 if columns.shape[1] > 1 else 0
    made.fit(columns[:, start:], yes.astype(np.int64))
    return np.asarray(made.predict_proba(others[:, start:]), dtype=np.float64)[:, 1]


def _boosting() -> Any:
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError as error:
        raise MissingDependencyError(
            "learner='boosting' needs scikit-learn, which is not installed: "
            "pip install 'multiple-systems[learners]'."
        ) from error
    # Small trees, slowly, until persons held out gain nothing more. The usual settings learn chances of so few
    # persons by heart: the error of the chances is then twice as large.
    return HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=500,
        max_leaf_nodes=8,
        early_stopping=True,
        n_iter_no_change=20,
    )


def _chances(
    estimator: DoublyRobust, means: _Means, table: PersonTable, pair: tuple[int, int]
) -> _Learned:
    """Learn the chances of each list of a pair among those on the other, part by part."""
    found, fits = np.ones((len(table.counts), 2)), []
    for side, (own, other) in enumerate((pair, pair[::-1])):
        columns, learner = means.columns[side], means.learners[side]
        for fold in range(estimator.folds):
            here = np.flatnonzero(means.folds == fold)
            there = table.on[:, other] & ((means.folds != fold) | (estimator.folds == 1))
            rows = np.repeat(np.flatnonzero(there), table.counts[there])
            yes = table.on[rows, own]
            if isinstance(learner, str):
                fit = logistic_fit(columns[rows], yes)
                found[here, side] = fit.chances(columns[here])
                fits.append((side, here, np.flatnonzero(there), fit))
            elif here.size:
                found[here, side] = _learned(
                    *(learner, columns[rows], yes, columns[here]), estimator.seed
                )
    return _Learned(found, fits)


def _influence(
    estimator: DoublyRobust,
    means: _Means,
    table: PersonTable,
    pair: tuple[int, int],
    learned: _Learned,
) -> tuple[FloatArray, FloatArray]:
    """Each person's part of the total, and the same with that in what was learned, (R,) each.

    Where both regressions are right their coefficients move the total by nothing, to first order; where one is
    wrong those of the other do, and persons from whom they were learned have a part in it.
    """
    on, counts = table.on[:, list(pair)].astype(np.float64), table.counts
    kept = np.maximum(learned.chances, estimator.floor)
    (one, two), (first, second), both = on.T, kept.T, on.prod(axis=1)
    part = one / first + two / second - both / (first * second)
    slopes = (
        np.column_stack([both / second - one, both / first - two])
        * (1 - kept)
        / kept
        * (learned.chances >= estimator.floor)
    )
    whole = part.copy()
    for side, here, there, fit in learned.fits:
        columns = means.columns[side]
        moved = columns[here].T @ (counts[here] * slopes[here, side])
        miss = on[there, side] - fit.chances(columns[there])
        whole[there] += miss * (columns[there] @ (fit.inverse @ moved))
    return part, whole


def _of_pair(
    estimator: DoublyRobust, means: _Means, table: PersonTable, pair: tuple[int, int]
) -> _Pair:
    """Find what a pair says about the total, or why it says nothing."""
    lists = table.lists[pair[0]], table.lists[pair[1]]
    on, counts = table.on[:, list(pair)], table.counts
    n_both, either = int(counts[on.all(axis=1)].sum()), on.any(axis=1)
    none = np.zeros((0, table.n_strata)), 0.0
    if n_both == 0:
        nothing, reason = np.full(len(on), math.nan), Message("reason.pair_apart", lists=lists)
        return _Pair(lists, nothing, nothing, 0, 1.0, "not_estimable", "infinite", reason, *none)
    learned = _chances(estimator, means, table, pair)
    low = (learned.chances < estimator.floor).any(axis=1) & either
    at_floor = float(counts[low].sum() / counts[either].sum())
    parts = _influence(estimator, means, table, pair, learned)
    if estimator.alike and estimator.folds > 1 and len({side for side, *_ in learned.fits}) < 2:
        parts, none = _second_order(estimator, means, table, pair, learned, parts)
    figures = lists, *parts, n_both, at_floor
    total = float(counts @ figures[1])
    if at_floor > MANY_AT_FLOOR:
        reason = Message("reason.no_positivity", share=at_floor, floor=estimator.floor, lists=lists)
        return _Pair(*figures, "not_estimable", "infinite", reason, *none)
    if total <= table.n_observed:
        reason = Message("reason.below_observed", total=total, observed=table.n_observed)
        return _Pair(*figures, "not_estimable", "zero", reason, *none)
    return _Pair(*figures, "ok", "finite", "", *none)


def _second_order(
    estimator: DoublyRobust,
    means: _Means,
    table: PersonTable,
    pair: tuple[int, int],
    learned: _Learned,
    parts: tuple[FloatArray, FloatArray],
) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, float]]:
    """Take the product of both errors out of the parts; standard errors by cell and stratum, and persons moved."""
    on = table.on[:, list(pair)]
    either, counts = on.any(axis=1), table.counts
    columns = np.unique(np.hstack(means.columns)[either], axis=1)
    cell = cells_alike(columns, counts[either], estimator.alike)
    units = np.full(len(counts), -1)
    if table.clusters is not None:
        units = np.unique(table.units, return_inverse=True)[1]
    found = corrected(
        on[either].astype(np.float64),
        np.maximum(learned.chances, estimator.floor)[either],
        counts[either],
        means.folds[either],
        units[either],
        cell,
    )
    part, influence = (each.copy() for each in parts)
    part[either] += found.part
    influence[either] += found.influence
    shares = np.zeros((len(found.loose), table.n_strata))
    np.add.at(shares, (cell, table.strata[either]), counts[either])
    shares /= shares.sum(axis=1, keepdims=True)
    loose = found.loose[:, None] * shares
    # What was corrected is no surer than what was not: of few persons the squares hold the chance once.
    if not _total(table, part, influence, loose)[1] >= _total(table, *parts, 0 * loose)[1]:
        loose = 0 * loose
    return (part, influence), (loose, float(counts @ (part - parts[0])))


def _total(
    table: PersonTable, part: FloatArray, influence: FloatArray, loose: FloatArray
) -> tuple[float, float]:
    """Sum the total and its variance from each person's part of them, and from the correction.

    The variance is NaN where it comes out at nothing, as of very few persons.
    """
    total = float(table.counts @ part)
    variance = covariance_of_sums(table, influence[:, None], np.array([total]))
    found = float(variance[0, 0] - np.sum(loose.sum(axis=1) ** 2))
    return total, found if found > 0 else math.nan


def _row(table: PersonTable, found: _Pair) -> tuple[Any, ...]:
    """Make a row of `DoublyRobustFit.pairs`."""
    total, low, high = math.nan, math.nan, math.nan
    if found.status == "ok":
        n = table.n_observed
        total, variance = _total(table, found.part, found.influence, found.loose)
        low, high = lognormal_interval(total - n, math.sqrt(variance), DEFAULT_LEVEL, n)
    figures = (found.both, total, low, high, found.at_floor)
    return (*found.lists, *figures, found.status, found.reason)


_COLUMNS = ("list_1", "list_2", "on_both", "total", "low", "high", "at_floor", "status", "reason")


def _answered(
    estimator: DoublyRobust, table: PersonTable, found: list[_Pair], formula: str
) -> DoublyRobustFit:
    """Put the pairs into words and figures."""
    pairs, first = pd.DataFrame([_row(table, each) for each in found], columns=_COLUMNS), found[0]
    influence = np.zeros((len(table.counts), table.n_strata))
    influence[np.arange(len(influence)), table.strata] = first.influence
    totals = by_stratum(table, first.part)
    hidden = totals - by_stratum(table, np.ones(len(table.counts)))
    covariance = covariance_of_sums(table, influence, totals) - first.loose.T @ first.loose
    warnings = [*_remarks(table, pairs, first)]
    if first.status == "ok" and (hidden < 0).any():
        # Chance, or two lists that depend there: the other strata give what these have too little.
        hidden = np.maximum(hidden, 0) * (hidden.sum() / np.maximum(hidden, 0).sum())
        warnings.append(Message("remark.strata_below"))
    population = answer_of_persons(
        *(estimator, table, hidden, covariance, first.status, first.limit, first.reason),
        model=f"{', '.join(first.lists)} | {formula.replace('`', '')}",
        warnings=warnings,
        given=GIVEN_INDEPENDENCE,
    )
    variance = float(covariance.sum())
    known = first.status == "ok" and variance > 0
    told = first.lists, pairs, variance if known else math.nan, first.moved
    return DoublyRobustFit(estimator, table, population, *told, first)


def _remarks(table: PersonTable, pairs: pd.DataFrame, first: _Pair) -> Iterable[str]:
    """Say what to know beside the figure."""
    if 0 < first.at_floor <= MANY_AT_FLOOR:
        yield Message("remark.at_floor", share=first.at_floor)
    if first.status == "ok" and first.moved:
        _, variance = _total(table, first.part, first.influence, first.loose)
        times = abs(first.moved) / math.sqrt(variance)
        if times > MOST_MOVED:
            yield Message("remark.second_order", moved=first.moved, times=times)
    if table.n_lists > 2:
        known = pairs["total"].dropna()
        if len(known) > 1:
            span = {"low": float(known.min()), "high": float(known.max())}
            yield Message("remark.pairs", n=len(known), lists=first.lists, **span)
