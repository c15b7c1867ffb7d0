"""The classical estimators for two lists: Lincoln-Petersen and Chapman.

Both take the lists as independent. With more than two lists use a log-linear model, which can let
lists depend on each other; independence of all lists is ``LogLinear("main")``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mse.answer.goodness import TWO_LISTS
from mse.answer.intervals import LognormalInterval
from mse.answer.method import Method
from mse.answer.population import answer as answer_of
from mse.answer.protocols import Answered, check_lists_alone
from mse.errors import ModelError
from mse.messages import Message

if TYPE_CHECKING:
    from mse._typing import Limit, Status
    from mse.data.table import CaptureTable

_INDEPENDENT = (
    "Independent lists: being on one list does not change the chance of being on the other. Two "
    "lists alone cannot show whether that is so. Referral from one to the other lowers the "
    "estimate, lists that avoid each other's persons raise it."
)


@dataclass(frozen=True, slots=True)
class _Counts:
    """Persons on the first list only, on the second only, and on both."""

    first_only: int
    second_only: int
    both: int

    @property
    def first(self) -> int:
        return self.first_only + self.both

    @property
    def second(self) -> int:
        return self.second_only + self.both

    @property
    def observed(self) -> int:
        return self.first_only + self.second_only + self.both


@dataclass(frozen=True, slots=True)
class _Answer:
    """Hidden number, its variance and its status."""

    hidden: float
    variance: float
    status: Status
    limit: Limit
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class TwoListFit(Answered):
    """Fit of a classical estimator to two lists.

    Attributes
    ----------
    estimator : LincolnPetersen or Chapman
        What was fitted.
    table : CaptureTable
        To what.
    population : PopulationEstimate
        The answer.
    variance : float
        Estimated variance of the total, in persons squared; NaN if it is not estimable.
    """

    variance: float


@dataclass(frozen=True, slots=True)
class LincolnPetersen:
    r"""Population size from two independent lists, by maximum likelihood.

    The estimand is N, all persons of the population, on a list or on none.

    Notes
    -----
    :math:`\hat N = n_1 n_2 / m` for lists of :math:`n_1` and :math:`n_2` persons with :math:`m` on
    both (Petersen 1896; Lincoln 1930); its variance is
    :math:`n_1 n_2 (n_1 - m)(n_2 - m) / m^3` (Sekar & Deming 1949). The interval is log-normal.
    It is the log-linear model ``[1,2]``: without anybody on both lists the total has no bound, and
    without anybody on one list alone the hidden number tends to zero; neither is an estimate.

    Examples
    --------
    >>> import mse
    >>> table = mse.CaptureTable.from_counts({"10": 5, "01": 10, "11": 5}, lists=["a", "b"])
    >>> mse.LincolnPetersen().fit(table).population.total
    30.0
    """

    method = Method(
        "Lincoln-Petersen, two independent lists",
        _INDEPENDENT,
        (
            "Lincoln, F. C. (1930). Calculating waterfowl abundance on the basis of banding returns. USDA Circular 118.",
            "Petersen, C. G. J. (1896). The yearly immigration of young plaice into the Limfjord from the German Sea. Report of the Danish Biological Station 6, 5-84.",
            "Sekar, C. C. and Deming, W. E. (1949). On a method of estimating birth and death rates and the extent of registration. Journal of the American Statistical Association 44, 101-115.",
        ),
    )

    def fit(self, table: CaptureTable) -> TwoListFit:
        """Estimate the population from a table of two lists.

        Parameters
        ----------
        table : CaptureTable
            Two lists without covariates, all counts and memberships known.

        Returns
        -------
        TwoListFit

        Raises
        ------
        ModelError
            If the table is of another kind.
        """
        counts = _two_lists(self, table)
        n1, n2, m = counts.first, counts.second, counts.both
        answer = _undetermined(counts, table.lists)
        if answer is None and m == 0:
            answer = _Answer(math.nan, math.nan, "not_estimable", "infinite", _NO_OVERLAP)
        if answer is None:
            hidden = counts.first_only * counts.second_only / m
            variance = n1 * n2 * counts.first_only * counts.second_only / m**3
            answer = _Answer(hidden, variance, "ok", "finite", "")
        return _result(self, table, answer)


@dataclass(frozen=True, slots=True)
class Chapman:
    r"""Population size from two independent lists, nearly unbiased.

    The estimand is N, all persons of the population, on a list or on none.

    Notes
    -----
    :math:`\hat N = (n_1 + 1)(n_2 + 1)/(m + 1) - 1` for lists of :math:`n_1` and :math:`n_2` persons
    with :math:`m` on both (Chapman 1951), with the variance
    :math:`(n_1 + 1)(n_2 + 1)(n_1 - m)(n_2 - m) / ((m + 1)^2 (m + 2))` (Seber 1970). The interval
    is log-normal (Chao 1987). Without overlap the formula still gives a number, which rests on the
    added ones alone; the status is then ``boundary`` and a warning says so.

    Examples
    --------
    >>> import mse
    >>> table = mse.CaptureTable.from_counts({"10": 5, "01": 10, "11": 5}, lists=["a", "b"])
    >>> round(mse.Chapman().fit(table).population.total, 2)
    28.33
    """

    method = Method(
        "Chapman, two independent lists",
        _INDEPENDENT,
        (
            "Chapman, D. G. (1951). Some properties of the hypergeometric distribution with applications to zoological sample censuses. University of California Publications in Statistics 1, 131-160.",
            "Seber, G. A. F. (1970). The effects of trap response on tag recapture estimates. Biometrics 26, 13-22.",
        ),
    )

    def fit(self, table: CaptureTable) -> TwoListFit:
        """Estimate the population from a table of two lists.

        Parameters
        ----------
        table : CaptureTable
            Two lists without covariates, all counts and memberships known.

        Returns
        -------
        TwoListFit

        Raises
        ------
        ModelError
            If the table is of another kind.
        """
        counts = _two_lists(self, table)
        m = counts.both
        answer = _undetermined(counts, table.lists)
        if answer is None:
            single = counts.first_only * counts.second_only
            hidden = single / (m + 1)
            numerator = (counts.first + 1) * (counts.second + 1) * single
            variance = numerator / ((m + 1) ** 2 * (m + 2))
            answer = _Answer(hidden, variance, "ok", "finite", "")
            if m == 0:
                reason = Message("nobody.chapman")
                answer = _Answer(hidden, variance, "boundary", "finite", reason)
        return _result(self, table, answer)


_NO_OVERLAP = Message("nobody.overlap")


def _two_lists(estimator: object, table: CaptureTable) -> _Counts:
    """Take the counts of a complete table of two lists without covariates."""
    check_lists_alone(estimator, table)
    if table.n_lists != 2:
        raise ModelError(
            f"{type(estimator).__name__} is for two lists and the table has {table.n_lists}: "
            f"{', '.join(table.lists)}. Choose two with table.keep_lists([...]), or merge lists with "
            'table.merge_lists({...}); for all lists taken as independent use LogLinear("main").'
        )
    counts = table.counts
    return _Counts(int(counts[1, 0]), int(counts[0, 1]), int(counts[1, 1]))


def _undetermined(counts: _Counts, lists: tuple[str, ...]) -> _Answer | None:
    """Find the cases in which two lists determine no total, whatever the formula says."""
    if counts.observed == 0:
        nobody = Message("nobody.either")
        return _Answer(math.nan, math.nan, "not_estimable", "indeterminate", nobody)
    for name, size in zip(lists, (counts.first, counts.second), strict=True):
        if size == 0:
            reason = Message("nobody.on_list", name=name)
            return _Answer(math.nan, math.nan, "not_estimable", "indeterminate", reason)
    for name, alone in zip(lists, (counts.first_only, counts.second_only), strict=True):
        if alone == 0:
            reason = Message("nobody.alone", name=name)
            return _Answer(math.nan, math.nan, "not_estimable", "zero", reason)
    return None


def _result(
    estimator: LincolnPetersen | Chapman, table: CaptureTable, answer: _Answer
) -> TwoListFit:
    uncertainty = None
    if math.isfinite(answer.hidden):
        uncertainty = LognormalInterval(
            hidden=answer.hidden, se=math.sqrt(answer.variance), observed=table.n_observed
        )
    population = answer_of(
        estimator,
        table,
        answer.hidden,
        answer.status,
        answer.limit,
        answer.reason,
        uncertainty=uncertainty,
        model="[1,2]",
        warnings=(TWO_LISTS,),
    )
    return TwoListFit(estimator, table, population, answer.variance)
