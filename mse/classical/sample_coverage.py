"""Sample coverage: how much of a list the others hold tells how much all of them miss."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from math import isfinite, nan, sqrt
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from mse.answer.intervals import LognormalInterval
from mse.answer.method import Method
from mse.answer.population import answer
from mse.answer.protocols import Fitted, check_lists_alone
from mse.errors import ModelError
from mse.messages import Message

if TYPE_CHECKING:
    import numpy.typing as npt

    from mse._typing import FloatArray, IntArray, Limit
    from mse.answer.population import PopulationEstimate
    from mse.data.table import CaptureTable

Variant = Literal["automatic", "independent", "high", "low"]

#: Sample coverage from which the estimator for high coverage is stable enough (Chao et al. 2001).
HIGH_COVERAGE = 0.55
_FEWEST_LISTS = 3
#: Step of a derivative along the imaginary axis: so small that only rounding remains, and without
#: the cancellation of real differences.
_STEP = 1e-20

_IN_PAIRS = (
    "Lists may depend on each other in pairs, because persons differ in their chances or because "
    "one list leads to another; dependence among three or more lists at once is left out."
)
_INDEPENDENT = (
    "Independent lists: being on one list does not change the chance of being on another."
)
_ONE_STEP = Message("remark.one_step")
_REFERENCES = (
    "Chao, A. and Tsay, P. K. (1998). A sample coverage approach to multiple-system estimation with application to census undercount. Journal of the American Statistical Association 93, 283-293.",
    "Chao, A., Tsay, P. K., Lin, S.-H., Shau, W.-Y. and Chao, D.-Y. (2001). The applications of capture-recapture models to epidemiological data. Statistics in Medicine 20, 3123-3157.",
    "Tsay, P. K. and Chao, A. (2001). Population size estimation for capture-recapture models with applications to epidemiological data. Journal of Applied Statistics 28, 25-36.",
)
_METHODS: dict[str, Method] = {
    "independent": Method("sample coverage, independent lists", _INDEPENDENT, _REFERENCES),
    "high": Method("sample coverage", _IN_PAIRS, _REFERENCES),
    "low": Method("sample coverage, one step", _IN_PAIRS, _REFERENCES, _ONE_STEP),
}
_NO_SOLUTION = Message("reason.no_solution")
_UNSTABLE = Message("remark.unstable", least=HIGH_COVERAGE)


@dataclass(frozen=True)
class SampleCoverage:
    r"""Population size by the sample coverage of three lists or more.

    The estimand is N, all persons of the population, on a list or on none.

    Parameters
    ----------
    variant : {"automatic", "independent", "high", "low"}, default "automatic"
        ``"independent"`` takes the lists as independent; ``"high"`` lets them depend in pairs;
        ``"low"`` goes one step from the first toward the second. ``"automatic"`` is ``"high"``
        where the sample coverage is at least 55 % and ``"low"`` elsewhere (Chao et al. 2001).

    Notes
    -----
    For K lists of :math:`n_i` persons, :math:`n_{ij}` of them on two lists, :math:`f_i` on list i
    alone and :math:`f_{ij}` on lists i and j alone, M persons in all, the sample coverage is

    .. math:: \hat C = 1 - \frac1K \sum_i \frac{f_i}{n_i}

    (Chao & Tsay 1998, equation 14): the share of a list that the others hold. With
    :math:`D = M - \sum_i f_i / K`, independent lists give :math:`\hat N_0 = D / \hat C`. Dependence of
    two lists is their coefficient of covariation
    :math:`\gamma_{ij} = N n_{ij} / (n_i n_j) - 1`, and

    .. math::
        \hat N = \frac{D}{\hat C} + \frac{1}{K \hat C} \sum_{i<j} (f_i + f_j + 2 f_{ij}) \gamma_{ij},

    solved for N (``"high"``), or evaluated twice from :math:`\hat N_0` (``"low"``: the first value
    gives the coefficients of the second, the one-step estimator). For three lists
    :math:`f_1 + f_2 + 2 f_{12}` are those on list 1 and not on 3, or on 2 and not on 3, and this is
    the estimator of Chao et al. (2001, section 4); for more lists see Tsay & Chao (2001).

    The interval is log-normal (Chao 1987) with a standard error by the delta method from the
    multinomial distribution of the histories; the published ones are bootstrapped.

    Examples
    --------
    >>> import mse
    >>> fit = mse.SampleCoverage().fit(mse.load_dataset("hepatitis_a"))
    >>> round(fit.sample_coverage, 3), fit.estimates.round().tolist()
    (0.513, [407.0, 971.0, 508.0])
    >>> fit.variant, round(fit.population.total)
    ('low', 508)
    """

    variant: Variant = "automatic"

    def __post_init__(self) -> None:
        if self.variant not in get_args(Variant):
            known = ", ".join(map(repr, get_args(Variant)))
            raise ModelError(f"variant={self.variant!r} is not known; expected one of {known}.")

    @property
    def method(self) -> Method:
        """Name, assumptions and sources of the variant; which one ``"automatic"`` is the fit says."""
        return _METHODS.get(self.variant, _METHODS["high"])

    def fit(self, table: CaptureTable) -> SampleCoverageFit:
        """Estimate the population from a table of three lists or more.

        Parameters
        ----------
        table : CaptureTable
            Lists without covariates, all counts and memberships known.

        Returns
        -------
        SampleCoverageFit

        Raises
        ------
        ModelError
            If the table is of another kind.
        """
        check_lists_alone(self, table)
        if table.n_lists < _FEWEST_LISTS:
            raise ModelError(
                f"SampleCoverage needs three lists or more and the table has {table.n_lists}: two lists "
                "cannot show whether they depend on each other. Use LincolnPetersen() or Chapman()."
            )
        counts = table.low.astype(np.float64)
        return SampleCoverageFit(self, table, _statistics(table.patterns, counts))


# Statistics and estimators -----------------------------------------------------------------------


class _Statistics(NamedTuple):
    """Persons M, on each list, on it alone, on each pair, on the pair alone: ``counts @ design``.

    Pairs are in the order of `itertools.combinations`; ``design`` is (R, ...) and ``counts`` (R,), by history.
    """

    observed: float
    sizes: FloatArray
    alone: FloatArray
    both: FloatArray
    only_both: FloatArray
    design: FloatArray
    counts: FloatArray


def _statistics(patterns: IntArray, counts: FloatArray) -> _Statistics:
    member = patterns.astype(np.float64)
    n_on = member.sum(axis=1)[:, None]
    pairs = np.column_stack(
        [member[:, i] * member[:, j] for i, j in combinations(range(member.shape[1]), 2)]
    )
    design = np.column_stack(
        [np.ones(len(counts)), member, member * (n_on == 1), pairs, pairs * (n_on == 2)]
    )
    observed, sizes, alone, both, only_both = _parts(counts @ design, member.shape[1])
    return _Statistics(float(observed[0]), sizes, alone, both, only_both, design, counts)


def _parts(sums: npt.NDArray[Any], n_lists: int) -> list[npt.NDArray[Any]]:
    """Cut the vector of sums into observed, sizes, alone, both, only both."""
    n_pairs = n_lists * (n_lists - 1) // 2
    return np.split(sums, np.cumsum([1, n_lists, n_lists, n_pairs]))


def _total(sums: npt.NDArray[Any], n_lists: int, variant: str) -> Any:
    """Estimate N from the sums: fractions, or complex numbers for a derivative."""
    observed, sizes, alone, both, only_both = _parts(sums, n_lists)
    first, second = np.triu_indices(n_lists, 1)
    coverage = 1 - (alone / sizes).sum() / n_lists
    base = (observed[0] - alone.sum() / n_lists) / coverage
    if variant == "independent":
        return base
    weights = (alone[first] + alone[second] + 2 * only_both) / (n_lists * coverage)
    slope = (weights * both / (sizes[first] * sizes[second])).sum()
    constant = base - weights.sum()
    if variant == "high":
        return constant / (1 - slope)
    return constant + slope * (constant + slope * base)


def _gradient(statistics: _Statistics, n_lists: int, variant: str) -> FloatArray:
    """Differentiate the total by the count of each history."""
    sums = statistics.counts @ statistics.design
    steps = sums + 1j * _STEP * np.eye(sums.size)
    slopes = np.asarray([_total(row, n_lists, variant).imag / _STEP for row in steps])
    return np.asarray(statistics.design @ slopes)


class _Answer(NamedTuple):
    """Hidden persons, NaN where there is no estimate, and why."""

    hidden: float
    limit: Limit
    reason: str


def _answer(statistics: _Statistics, lists: tuple[str, ...], variant: str) -> _Answer:
    """Estimate N, or say why there is no estimate."""
    observed, sizes, alone = statistics.observed, statistics.sizes, statistics.alone
    if observed == 0:
        return _Answer(nan, "indeterminate", Message("nobody.any_list"))
    empty = [name for name, size in zip(lists, sizes, strict=True) if size == 0]
    if empty:
        return _Answer(nan, "indeterminate", Message("nobody.on_lists", names=empty))
    if not (alone < sizes).any():
        return _Answer(nan, "infinite", Message("nobody.several"))
    if not alone.any():
        return _Answer(nan, "zero", Message("nobody.single"))
    # Fractions: whether a total is above the observed number, and on which side of a pole, is exact.
    sums = np.asarray([Fraction(int(each)) for each in statistics.counts @ statistics.design])
    try:
        exact = _total(sums, len(lists), variant)
    except ZeroDivisionError:
        return _Answer(nan, "infinite", _NO_SOLUTION)
    # The total for high coverage has its pole where overlap explains the singles altogether: past
    # it, and only there, the formula is negative.
    if exact <= 0:
        return _Answer(nan, "infinite", _NO_SOLUTION)
    hidden = exact - Fraction(int(observed))
    if hidden <= 0:
        reason = (
            Message("reason.below_observed", total=float(exact), observed=observed)
            if hidden < 0
            else Message("nobody.none_hidden", observed=observed)
        )
        return _Answer(nan, "zero", reason)
    return _Answer(float(hidden), "finite", "")


# The fit -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class SampleCoverageFit(Fitted):
    """What the sample coverage approach finds in a table.

    Attributes
    ----------
    estimator : SampleCoverage
        Settings.
    table : CaptureTable
        The data.
    """

    estimator: SampleCoverage
    table: CaptureTable
    _statistics: _Statistics = field(repr=False)

    def __repr__(self) -> str:
        return f"<SampleCoverageFit, {self.variant}: {self.status}>"

    @cached_property
    def sample_coverage(self) -> float:
        r"""Average share of a list that the other lists hold, :math:`\hat C`; NaN for empty lists."""
        alone, sizes = self._statistics.alone, self._statistics.sizes
        if not (sizes > 0).all():
            return nan
        return float(1 - (alone / sizes).mean())

    @property
    def variant(self) -> Variant:
        """The variant that gives the answer: ``independent``, ``high`` or ``low``."""
        if self.estimator.variant != "automatic":
            return self.estimator.variant
        return "high" if self.sample_coverage >= HIGH_COVERAGE else "low"

    @cached_property
    def _answers(self) -> dict[str, _Answer]:
        return {
            name: _answer(self._statistics, self.table.lists, name)
            for name in ("independent", "high", "low")
        }

    @property
    def estimates(self) -> pd.Series[float]:
        """Totals of the three variants, persons; NaN where there is none."""
        totals = {
            name: self.table.n_observed + answer.hidden for name, answer in self._answers.items()
        }
        return pd.Series(totals, name="total")

    @property
    def covariation(self) -> pd.DataFrame:
        """Coefficients of covariation of pairs of lists at the estimated total, (K, K).

        Zero for independent lists, positive where a person on one is more likely to be on the
        other, -1 where nobody is on both; NaN on the diagonal and where there is no total.
        """
        names = self.table.lists
        values = np.full((len(names), len(names)), nan)
        total = self.table.n_observed + self._answers[self.variant].hidden
        if isfinite(total):
            first, second = np.triu_indices(len(names), 1)
            sizes = self._statistics.sizes
            found = total * self._statistics.both / (sizes[first] * sizes[second]) - 1
            values[first, second] = values[second, first] = found
        return pd.DataFrame(values, index=list(names), columns=list(names))

    @property
    def _apart(self) -> list[Message]:
        pairs = combinations(self.table.lists, 2)
        return [
            Message("joined.and", parts=pair)
            for pair, n in zip(pairs, self._statistics.both, strict=True)
            if n == 0
        ]

    @cached_property
    def standard_error(self) -> float:
        """Standard error of the total, persons; NaN where it is not estimable."""
        hidden = self._answers[self.variant].hidden
        if not isfinite(hidden):
            return nan
        gradient = _gradient(self._statistics, self.table.n_lists, self.variant)
        counts = self._statistics.counts
        # The variance under the multinomial distribution of N persons over all histories is
        # g^2'n - (g'n)^2 / N. The formulas are of degree one in the counts, so g'n = N, and it is a sum
        # of squares beside the hidden persons, which no rounding makes negative.
        return sqrt(float((gradient - 1) ** 2 @ counts) + hidden)

    @cached_property
    def population(self) -> PopulationEstimate:
        """The answer: observed, hidden and total persons, with a log-normal interval."""
        hidden, limit, reason = self._answers[self.variant]
        method, observed = _METHODS[self.variant], self.table.n_observed
        if limit != "finite":
            return answer(
                self.estimator, self.table, nan, "not_estimable", limit, reason, method=method
            )
        apart = self._apart if self.variant != "independent" else []
        if apart:
            reason = Message("nobody.on_both", pairs=apart)
        unstable = self.variant == "high" and self.sample_coverage < HIGH_COVERAGE
        return answer(
            self.estimator,
            self.table,
            hidden,
            "boundary" if apart else "ok",
            limit,
            reason,
            method=method,
            uncertainty=LognormalInterval(hidden, self.standard_error, observed),
            warnings=(_UNSTABLE,) if unstable else (),
        )

    def _headline(self) -> str:
        totals = ", ".join(
            f"{name} {'not estimable' if np.isnan(total) else f'{total:,.0f}'}"
            for name, total in self.estimates.items()
        )
        return f"Sample coverage {self.sample_coverage:.1%}; totals: {totals}; used: {self.variant}"
