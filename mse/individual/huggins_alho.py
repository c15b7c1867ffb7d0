"""Chances of being on a list that depend on each person's covariates, by the conditional likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from mse.answer.intervals import GIVEN_MODEL
from mse.answer.method import Method
from mse.answer.protocols import Refits, suited
from mse.core.conditional_logistic import ConditionalFit, Design, conditional_fit
from mse.core.existence import FINITE, LIMITS, ZERO
from mse.data.formulas import design_matrix
from mse.errors import ModelError
from mse.individual.base import PersonsAnswered, answer_of_persons, by_stratum, covariance_of_sums
from mse.messages import Message, named

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray, Status
    from mse.data.persons import PersonTable

#: What both estimators of persons say of people who differ.
OBSERVED_DIFFERENCES = Message("assumption.covariates")


@dataclass(frozen=True, eq=False, repr=False)
class HugginsAlhoFit(PersonsAnswered):
    """Fit of `HugginsAlho`.

    Attributes
    ----------
    estimator : HugginsAlho
        What was fitted.
    table : PersonTable
        To what.
    population : PopulationEstimate
        The answer.
    coefficients : DataFrame
        A row a parameter: ``list`` ("all" where the slope is common), ``term``, ``estimate``, ``se``, on the
        logit scale; NaN where a parameter is not determined or runs to infinity.
    variance : float
        Estimated variance of the total, in persons squared; NaN if it is not estimable.
    log_likelihood : float
        Maximum of the conditional log likelihood.
    """

    coefficients: pd.DataFrame
    variance: float
    log_likelihood: float
    _design: Design

    def refitter(self, candidates: int | None = None) -> HugginsAlhoRefitter:
        """Return what repeats the fit on persons drawn anew; there are no ``candidates``.

        Raises
        ------
        ModelError
            If candidates are asked for.
        """
        if candidates is not None:
            raise ModelError(
                f"{self.estimator!r} does not choose among models: leave candidates out."
            )
        return HugginsAlhoRefitter(self._design, self.table.strata, self.table.n_strata)

    @property
    def n_parameters(self) -> int:
        """Number of parameters, those at infinity included."""
        return len(self.coefficients)

    @property
    def aic(self) -> float:
        """Criterion of Akaike, of the conditional likelihood."""
        return 2 * self.n_parameters - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Bayesian criterion, with the log of the number of observed persons."""
        return math.log(self.table.n_observed) * self.n_parameters - 2 * self.log_likelihood

    def _headline(self) -> str:
        return (
            f"{self.population.model}: {self.n_parameters} parameters, conditional log likelihood "
            f"{self.log_likelihood:,.2f}, AIC {self.aic:,.2f}, BIC {self.bic:,.2f}"
        )


@dataclass(frozen=True)
class HugginsAlhoRefitter:
    """Repeats a fit of `HugginsAlho`, whose columns do not change, with other numbers of persons by row."""

    design: Design
    strata: IntArray
    n_strata: int
    given: str = GIVEN_MODEL
    releases_gil: bool = False
    checkpoints: tuple[int, ...] = ()

    def __call__(self, counts: FloatArray) -> Refits:
        """Refit to counts of shape (B, R), persons by row."""
        hidden = np.full((len(counts), self.n_strata), math.nan)
        limits = np.full(hidden.shape, LIMITS.index("indeterminate"), dtype=np.int8)
        failed = np.zeros(len(counts), dtype=np.bool_)
        for at, row in enumerate(counts):
            there = row > 0
            design = self.design._replace(
                on=self.design.on[there], columns=self.design.columns[there], counts=row[there]
            )
            found = conditional_fit(design)
            failed[at] = not found.converged
            if found.converged:
                limits[at] = LIMITS.index(found.limit)
            if found.converged and found.limit in ("finite", "zero"):
                missed = row[there] * (1 - found.chances) / found.chances
                hidden[at] = np.bincount(self.strata[there], missed, self.n_strata)
                limits[at] = np.where(hidden[at] > 0, FINITE, ZERO)
        none = np.zeros((len(counts), 0))
        return Refits(hidden, limits, failed, np.full(len(counts), -1, dtype=np.int64), none)


@dataclass(frozen=True, slots=True)
class HugginsAlho:
    r"""Population size from lists that are independent given covariates, by logistic regression.

    The estimand is N, all persons of the population, on a list or on none.

    Parameters
    ----------
    formula : str, default "1"
        Covariates on which the chances of being on a list depend, ``"severity + age"``.
    slopes : {"common", "by list"}, default "common"
        Whether a covariate changes the chances on all lists alike. Each list has its own intercept.

    Raises
    ------
    ModelError
        If the slopes are of another kind.

    Notes
    -----
    Person i is on list k with probability :math:`p_{ik}`, with
    :math:`\mathrm{logit}\, p_{ik} = a_k + x_i' b_k`. Given that the person is on some list, which has
    probability :math:`\pi_i = 1 - \prod_k (1 - p_{ik})`, the lists have the likelihood
    :math:`\prod_k p_{ik}^{y_{ik}} (1 - p_{ik})^{1 - y_{ik}} / \pi_i`, which is maximized
    (Huggins 1989; Alho 1990). Then :math:`\hat N = \sum_i 1 / \hat\pi_i`, with variance
    :math:`\sum_i (1 - \pi_i) / \pi_i^2 + D' I^{-1} D`, where D is the derivative of
    :math:`\hat N` (Huggins 1989, section 3). Where persons come in clusters the variance is that of sums over
    clusters. The interval is log-normal.

    Whether the maximum exists is asked exactly, by a linear program where a Newton step does not show it.
    Coefficients may run to infinity while the total is determined (``boundary``).

    References
    ----------
    Huggins, R. M. (1989). On the statistical analysis of capture experiments. Biometrika 76, 133-140.

    Alho, J. M. (1990). Logistic regression in capture-recapture models. Biometrics 46, 623-635.

    Examples
    --------
    >>> import mse, pandas as pd
    >>> df = pd.DataFrame({"a": [1] * 10 + [0] * 10, "b": [0] * 5 + [1] * 15})
    >>> mse.HugginsAlho().fit(mse.PersonTable.from_frame(df, ["a", "b"])).population.total
    30.0
    """

    formula: str = "1"
    slopes: Literal["common", "by list"] = "common"

    method = Method(
        "Huggins-Alho, logistic in covariates",
        Message("assumption.huggins_alho"),
        (
            "Huggins, R. M. (1989). On the statistical analysis of capture experiments. Biometrika 76, 133-140.",
            "Alho, J. M. (1990). Logistic regression in capture-recapture models. Biometrics 46, 623-635.",
        ),
        homogeneity=OBSERVED_DIFFERENCES,
        takes="persons",
    )

    def __post_init__(self) -> None:
        if self.slopes not in ("common", "by list"):
            raise ModelError(
                f"slopes={self.slopes!r} is not known; expected 'common' or 'by list'."
            )

    def fit(self, table: PersonTable) -> HugginsAlhoFit:
        """Estimate the population from persons with covariates.

        Parameters
        ----------
        table : PersonTable
            Two lists or more.

        Returns
        -------
        HugginsAlhoFit

        Raises
        ------
        ModelError
            If the table is of another kind, or the formula names what it does not have.
        """
        persons = suited(self, table)
        if persons.n_lists < 2:
            raise ModelError(
                "HugginsAlho compares lists: expected two or more, and the table has one."
            )
        scaled = _scaled(*design_matrix(persons.frame, self.formula, intercept=True), persons)
        place = _places(persons.n_lists, len(scaled.names), self.slopes)
        counts = persons.counts.astype(np.float64)
        design = Design(persons.on, scaled.columns, counts, place)
        return _answered(self, persons, scaled, design, conditional_fit(design))


class _Scaled(NamedTuple):
    """Columns with mean 0 and variance 1, the intercept in front."""

    columns: FloatArray  # (R, Q)
    names: tuple[str, ...]
    center: FloatArray  # (Q,), 0 of the intercept
    scale: FloatArray  # (Q,), 1 of the intercept


def _scaled(columns: FloatArray, names: tuple[str, ...], table: PersonTable) -> _Scaled:
    """Center and scale columns, so that what is near singular is so because of the data."""
    center = np.average(columns, axis=0, weights=table.counts)
    scale = np.sqrt(np.average((columns - center) ** 2, axis=0, weights=table.counts))
    center[0], scale[scale <= 1e-12 * (1 + np.abs(center))] = 0.0, 1.0
    return _Scaled((columns - center) / scale, names, center, scale)


def _places(n_lists: int, n_columns: int, slopes: str) -> IntArray:
    """Which parameter belongs to each list and column, (K, Q): an intercept for each list, then slopes."""
    if slopes == "by list":
        return np.arange(n_lists * n_columns).reshape(n_lists, n_columns)
    shared = np.arange(n_lists, n_lists + n_columns - 1)
    return np.column_stack([np.arange(n_lists), np.tile(shared, (n_lists, 1))])


def _answered(
    estimator: HugginsAlho,
    table: PersonTable,
    scaled: _Scaled,
    design: Design,
    found: ConditionalFit,
) -> HugginsAlhoFit:
    """Put the fit into words and figures."""
    coefficients = _coefficients(table.lists, scaled, design.place, found)
    status, reason = _status(found, coefficients)
    hidden = by_stratum(table, (1 - found.chances) / found.chances)
    covariance = _covariance(table, found, hidden)
    model = (
        estimator.formula
        if scaled.names == ("Intercept",)
        else (f"{estimator.formula}, slopes {estimator.slopes}")
    )
    population = answer_of_persons(
        *(estimator, table, hidden, covariance, status, found.limit, reason),
        lost=by_stratum(table, (found.chances >= 1).astype(np.float64)) > 0
        if found.limit == "zero"
        else None,
        model=model,
    )
    variance = float(covariance.sum()) if status in ("ok", "boundary") else math.nan
    parts = coefficients, variance, found.log_likelihood, design
    return HugginsAlhoFit(estimator, table, population, *parts)


def _covariance(table: PersonTable, found: ConditionalFit, hidden: FloatArray) -> FloatArray:
    """Covariance of the totals by stratum, Huggins (1989), section 3; of sums over clusters if there are any."""
    slopes = by_stratum(table, found.slopes)
    if table.clusters is None:
        own = by_stratum(table, (1 - found.chances) / found.chances**2)
        return np.asarray(np.diag(own) + slopes @ found.inverse @ slopes.T)
    influence = found.scores @ found.inverse @ slopes.T
    influence[np.arange(len(influence)), table.strata] += 1 / found.chances
    observed = by_stratum(table, np.ones(len(table.counts)))
    return covariance_of_sums(table, influence, observed + hidden)


def _status(found: ConditionalFit, coefficients: pd.DataFrame) -> tuple[Status, str]:
    """Whether there is an estimate, and why not."""
    if not found.converged:
        return "not_converged", Message("reason.not_converged")
    if found.limit != "finite":
        key = {"zero": "reason.certain"}.get(found.limit, f"reason.{found.limit}")
        return "not_estimable", Message(key)
    lost = coefficients[coefficients["estimate"].isna()]
    if lost.empty:
        return "ok", ""
    slopes = lost[lost["term"] != "Intercept"]
    chosen = lost if slopes.empty else slopes
    names = [f"{row.term} ({row.list})" for row in chosen.itertuples()]
    return "boundary", Message("reason.open_coefficients", names=named(names))


def _coefficients(
    lists: tuple[str, ...], scaled: _Scaled, place: IntArray, found: ConditionalFit
) -> pd.DataFrame:
    """Parameters in the units of the covariates."""
    size = int(place.max()) + 1
    turn, owner, term = np.zeros((size, size)), ["all"] * size, [""] * size
    common = len(place) > 1 and place.shape[1] > 1 and place[0, 1] == place[1, 1]
    for k, row in enumerate(place):
        turn[row, row] = 1 / scaled.scale
        turn[row[0], row[1:]] = -scaled.center[1:] / scaled.scale[1:]
        for at, name in zip(row, scaled.names, strict=True):
            term[at] = name
            owner[at] = "all" if common and name != "Intercept" else lists[k]
    lost = np.zeros(size, dtype=np.bool_)
    lost[found.open_parameters] = True
    # What an intercept in the units of the covariates is made of may be lost as well.
    lost |= (np.abs(turn[:, found.open_parameters]) > 0).any(axis=1)
    estimate = np.where(lost, math.nan, turn @ found.parameters)
    se = np.sqrt(np.diag(turn @ found.inverse @ turn.T))
    return pd.DataFrame(
        {"list": owner, "term": term, "estimate": estimate, "se": np.where(lost, math.nan, se)}
    )
