"""One register in which persons turn up repeatedly: how many never did.

How often the persons of a register were seen is a count without zeros. A model of the count, fitted to those
seen, tells how many were not: each person seen stands for q / (1 - q) hidden ones, q the chance to be hidden.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mse._typing import FrozenDict
from mse.answer.goodness import SMALL_MEAN, chi_squared_fit
from mse.answer.intervals import GIVEN_MODEL, LognormalInterval, NormalInterval
from mse.answer.method import LOWER_BOUND, Method
from mse.answer.population import KnownCovariance, Strata, answer
from mse.answer.protocols import Fitted, Sparing, suited
from mse.classical.register_draws import (
    ByGroup,
    ModelDrawing,
    RegisterRefitter,
    RowDrawing,
    by_group,
)
from mse.core.truncated import SHAPES, SUPPORT, Seen, chances, hidden_each
from mse.core.truncated_fit import (
    Ended,
    fitted,
    hidden_persons,
    independent,
    one_inflated_chao,
)
from mse.data.formulas import design_matrix, variables
from mse.errors import ModelError
from mse.messages import Message, joined, named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import FloatArray, IntArray, Level, Limit, Status
    from mse.answer.goodness import FitTest
    from mse.answer.population import PopulationEstimate
    from mse.data.count_table import CountTable
    from mse.redrawing import Drawing, Resampling

Family: TypeAlias = Literal[
    "poisson", "geometric", "negative_binomial", "zelterman", "chao", "one_inflated_chao"
]
Inflation: TypeAlias = Literal["before", "after", "hurdle_before", "hurdle_after", "zero_one"]

#: log A of the families that model every count; None where it is fitted.
DISPERSION: Mapping[str, float | None] = FrozenDict(
    {"poisson": -math.inf, "geometric": 0.0, "negative_binomial": None}
)
#: The others, which look at some counts only.
PARTIAL = ("zelterman", "chao", "one_inflated_chao")
FAMILIES = (*DISPERSION, *PARTIAL)
INFLATIONS = SHAPES[1:6]
#: Those seen once decide where Chao's bound without them is smaller, beyond chance, by this factor or more.
DECIDES, BEYOND_CHANCE = 1.2, float(ndtri(0.975))

_COUNTS = (
    "van der Heijden, P. G. M., Bustami, R., Cruyff, M. J. L. F., Engbersen, G. and van Houwelingen, H. C. (2003). Point and interval estimation of the population size using the truncated Poisson regression model. Statistical Modelling 3, 305-322.",
    "van der Heijden, P. G. M., Cruyff, M. and van Houwelingen, H. C. (2003). Estimating the size of a criminal population from police records using the truncated Poisson regression model. Statistica Neerlandica 57, 289-304.",
)
_REFERENCES = {
    "poisson": _COUNTS,
    "geometric": _COUNTS,
    "negative_binomial": (
        *_COUNTS,
        "Cruyff, M. J. L. F. and van der Heijden, P. G. M. (2008). Point and interval estimation of the population size using a zero-truncated negative binomial regression model. Biometrical Journal 50, 1035-1050.",
    ),
    "zelterman": (
        "Boehning, D. and van der Heijden, P. G. M. (2009). A covariate adjustment for zero-truncated approaches to estimating the size of hidden and elusive populations. Annals of Applied Statistics 3, 595-610.",
        "Zelterman, D. (1988). Robust estimation in truncated discrete distributions with application to capture-recapture experiments. Journal of Statistical Planning and Inference 18, 225-237.",
    ),
    "chao": (
        "Boehning, D., Vidal-Diez, A., Lerdsuwansri, R., Viwatwongkasem, C. and Arnold, M. (2013). A generalization of Chao's estimator for covariate information. Biometrics 69, 1033-1042.",
        "Chao, A. (1987). Estimating the population size for capture-recapture data with unequal catchability. Biometrics 43, 783-791.",
    ),
    "one_inflated_chao": (
        "Boehning, D., Kaskasamkul, P. and van der Heijden, P. G. M. (2019). A modification of Chao's lower bound estimator in the case of one-inflation. Metrika 82, 361-384.",
    ),
}
_ONES = (
    "Boehning, D. and Friedl, H. (2021). Population size estimation based upon zero-truncated, one-inflated and sparse count data. Statistical Methods and Applications 30, 1197-1217.",
    "Godwin, R. T. and Boehning, D. (2017). Estimation of the population size by using the one-inflated positive Poisson model. Journal of the Royal Statistical Society C 66, 425-448.",
)


class Design(NamedTuple):
    """A table as a model sees it: rows with the same covariates, count and stratum are one.

    matrix: (R, P), covariates, each column scaled to 1 at most; dependent columns are left out
    times, persons: (R,)
    place: for each row of the table its row here
    groups: (R,), stratum
    levels: of the covariates that make strata
    names: of all columns of the formula
    kept: places of the columns of the matrix among them
    scale: what they were divided by
    """

    matrix: FloatArray
    times: IntArray
    persons: IntArray
    place: IntArray
    groups: IntArray
    levels: dict[str, tuple[Level, ...]]
    names: tuple[str, ...]
    kept: IntArray
    scale: FloatArray

    @property
    def n_groups(self) -> int:
        """Number of strata; 1 without."""
        return math.prod(len(each) for each in self.levels.values())

    @property
    def seen(self) -> Seen:
        """Rows as the numerical core takes them."""
        return Seen(self.matrix, self.times, self.persons.astype(np.float64))


def design_of(table: CountTable, formula: str) -> Design:
    """Make the columns of a formula, strata of the categorical covariates in it, and join equal rows."""
    frame = table.frame()
    whole, names = design_matrix(frame, formula)
    in_formula = variables(formula)
    groups, levels = table.strata([name for name in table.covariates if name in in_formula])
    keys = np.column_stack([whole, table.times, groups])
    rows, place = np.unique(keys, axis=0, return_inverse=True)
    place = place.ravel()
    scale = np.abs(whole).max(axis=0)
    scale[scale == 0] = 1.0
    matrix = rows[:, : len(names)] / scale
    kept = independent(matrix)
    return Design(
        np.ascontiguousarray(matrix[:, kept]),
        rows[:, -2].astype(np.int64),
        np.bincount(place, table.persons, len(rows)).astype(np.int64),
        place,
        rows[:, -1].astype(np.int64),
        levels,
        names,
        kept,
        scale[kept],
    )


@dataclass(frozen=True, repr=False)
class SingleRegister(Sparing):
    r"""Population size from how often each person was seen in one register.

    The estimand is N, all persons who could have come into the register, seen or not.

    Parameters
    ----------
    family : str, default "poisson"
        What the number of times is, for persons with the same covariates: ``"poisson"``, ``"geometric"`` or
        ``"negative_binomial"``; or what is read off the smallest counts alone, however the others are:
        ``"zelterman"`` and ``"chao"`` off those seen once and twice, ``"one_inflated_chao"`` off those seen
        twice and three times.
    formula : str, default "1"
        Covariates of the mean, as formulaic reads them: ``"sex + log(age)"``. The estimate has strata by the
        categorical ones among them.
    inflation : str, optional
        Whether more persons are seen once than the family has, such as those who cannot come back, and how:

        ``"before"``
            a share of the whole population is seen once for sure; then those never seen are lost.
        ``"after"``
            those never seen are lost; then a share of those seen counts as seen once.
        ``"hurdle_before"``, ``"hurdle_after"``
            a share of the population, or of those seen, is seen once, and nobody else is.
        ``"zero_one"``
            those seen once are left out of the fit: they are persons, and tell nothing. The total is that of
            ``"before"``.
    interval : {"lognormal", "normal"}, default "lognormal"
        Kind of the analytic interval. The log-normal one is skewed as the hidden number is, and never goes below
        the persons seen.
    bias_corrected : bool, default True
        Whether ``"one_inflated_chao"`` is corrected for bias.
    variance : {"complete", "singleRcapture"}, default "complete"
        Of the geometric family with ``"before"`` and ``"zero_one"`` that program leaves the weights out of
        one part of the variance, which is too small then; ``"singleRcapture"`` does the same, to compare.

    Notes
    -----
    Zero-truncated regression: the log likelihood of :math:`f(y; x)/(1 - f(0; x))` is maximized by Newton's method,
    and :math:`\hat N = \sum_i 1/(1 - \hat f(0; x_i))` over those seen. Its variance is that of the coefficients, by
    the delta method from the observed information, plus that of who was seen,
    :math:`\sum_i \hat f_0/(1 - \hat f_0)^2` (van der Heijden et al. 2003). ``docs/methods/single_register.md`` has
    every formula.

    Where the likelihood has no maximum there is a status and no number: nobody seen more than once,
    covariates for which nobody was, a negative binomial that runs to its edge.

    A repeated contact has to be a new one, and being seen must not change the chance of being seen again:
    no count can show whether that is so.

    Examples
    --------
    >>> import mse
    >>> table = mse.CountTable.from_frequencies({1: 1645, 2: 183, 3: 37, 4: 13, 5: 1, 6: 1})
    >>> fit = mse.SingleRegister("poisson").fit(table)
    >>> low, high = fit.population.interval(0.95)
    >>> round(low), round(fit.population.total), round(high)
    (6411, 7080, 7848)
    >>> mse.SingleRegister("negative_binomial").fit(table).population.status
    'not_estimable'
    """

    family: Family = "poisson"
    formula: str = "1"
    inflation: Inflation | None = None
    interval: Literal["lognormal", "normal"] = "lognormal"
    bias_corrected: bool = field(default=True, repr=False)
    variance: Literal["complete", "singleRcapture"] = field(default="complete", repr=False)

    def __post_init__(self) -> None:
        known = {
            "family": FAMILIES,
            "inflation": (None, *INFLATIONS),
            "interval": ("lognormal", "normal"),
            "bias_corrected": (True, False),
            "variance": ("complete", "singleRcapture"),
        }
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise ModelError(
                    f"{name}={getattr(self, name)!r} is not known; expected one of {', '.join(map(repr, values))}."
                )
        if not str(self.formula).strip() or not hasattr(self.formula, "strip"):
            raise ModelError(
                f"formula={self.formula!r}: expected covariates such as 'sex + age', or '1' for none."
            )
        if self.family in PARTIAL and self.inflation is not None:
            raise ModelError(
                f"inflation={self.inflation!r} is for the families {', '.join(DISPERSION)}; {self.family} looks at "
                "the smallest counts alone. Chao's bound under one-inflation is 'one_inflated_chao'."
            )
        if self.family == "one_inflated_chao" and self.formula.strip() != "1":
            raise ModelError(
                f"formula={self.formula!r}: 'one_inflated_chao' is a formula of two counts and takes no "
                "covariates. Fit each of table.by(...)."
            )

    @property
    def shape(self) -> str:
        """What is seen of the count, one of `mse.core.truncated.SHAPES`."""
        return self.inflation or ("truncated" if self.family in DISPERSION else self.family)

    @property
    def log_dispersion(self) -> float | None:
        """Log A of the family; None where it is fitted."""
        return DISPERSION.get(self.family, -math.inf)

    @property
    def method(self) -> Method:
        """What the settings declare."""
        family = Message(f"method.register_{self.family}")
        name = Message("method.register", family=family)
        if self.inflation:
            ones = Message(f"method.ones_{self.inflation}")
            name = Message("method.register_ones", family=family, ones=ones)
        differ = Message(f"assumption.register_{self.family}")
        alike = joined(differ, Message("assumption.register_ones") if self.inflation else "")
        return Method(
            name,
            Message("assumption.contacts"),
            (*_REFERENCES[self.family], *(_ONES if self.inflation else ())),
            LOWER_BOUND if self.family in ("chao", "one_inflated_chao") else "",
            alike,
            "counts",
        )

    def fit(self, table: CountTable) -> SingleRegisterFit:
        """Estimate the population from counts of how often persons were seen.

        Parameters
        ----------
        table : CountTable
            With the covariates that the formula names.

        Returns
        -------
        SingleRegisterFit

        Raises
        ------
        ModelError
            If the table is of another kind, or has not the covariates.
        """
        table = suited(self, table)
        if self.family == "one_inflated_chao":
            return self._from_two_counts(table)
        design = design_of(table, self.formula)
        ended = fitted(design.seen, self.shape, self.log_dispersion)
        return _fit_of(self, table, design, ended)

    def _from_two_counts(self, table: CountTable) -> SingleRegisterFit:
        """Apply the formula of Boehning, Kaskasamkul & van der Heijden (2019)."""
        found = table.frequencies
        hidden, variance, status, limit, reason = two_counts(
            found.get(2, 0), found.get(3, 0), corrected=self.bias_corrected
        )
        known = status in _KNOWN
        uncertainty = _interval(self, hidden, variance, table.n_observed) if known else None
        population = answer(
            self,
            table,
            hidden,
            status,
            limit,
            reason,
            uncertainty=uncertainty,
            warnings=_warnings(table),
        )
        return SingleRegisterFit(self, table, population, variance, design_of(table, "1"), None)


_KNOWN = ("ok", "boundary")


def two_counts(
    twice: float, thrice: float, *, corrected: bool
) -> tuple[float, float, Status, Limit, str]:
    """Hidden persons, variance, status, limit and reason from those seen twice and three times."""
    if thrice == 0 and not (corrected and twice > 2):
        limit: Limit = "infinite" if twice else "indeterminate"
        return math.nan, math.nan, "not_estimable", limit, Message("reason.register_thrice")
    hidden, variance = one_inflated_chao(twice, thrice, corrected=corrected)
    if hidden <= 0:
        return math.nan, math.nan, "not_estimable", "zero", Message("reason.register_twice")
    if thrice == 0:
        return hidden, variance, "boundary", "finite", Message("reason.register_correction")
    return hidden, variance, "ok", "finite", ""


@dataclass(frozen=True, eq=False, repr=False)
class SingleRegisterFit(Fitted):
    """Fit to how often persons were seen in one register.

    Attributes
    ----------
    estimator : SingleRegister
        What was fitted.
    table : CountTable
        To what.
    population : PopulationEstimate
        The answer, with strata by the categorical covariates of the formula.
    variance : float
        Estimated variance of the total, persons squared; NaN if it is not estimable.
    """

    estimator: SingleRegister
    table: CountTable
    population: PopulationEstimate
    variance: float
    design: Design = field(repr=False)
    ended: Ended | None = field(repr=False)

    @property
    def log_likelihood(self) -> float:
        """Log likelihood of the counts that the family looks at; NaN where there is none."""
        return math.nan if self.ended is None else self.ended.log_likelihood

    @property
    def n_parameters(self) -> int:
        """Parameters of the model, those at an edge among them."""
        if self.ended is None:
            return 0
        inflated = self.estimator.inflation not in (None, "zero_one")
        return len(self.design.kept) + (self.estimator.log_dispersion is None) + inflated

    @property
    def aic(self) -> float:
        """Akaike's criterion; not to be compared between families that look at different counts."""
        return -2 * self.log_likelihood + 2 * self.n_parameters

    @property
    def bic(self) -> float:
        """Bayes' criterion, with the log of the persons seen."""
        return -2 * self.log_likelihood + math.log(self.table.n_observed) * self.n_parameters

    @cached_property
    def coefficients(self) -> pd.DataFrame:
        """Coefficients of the log mean, then log A and the log odds of the share of ones.

        Columns ``estimate`` and ``se``; NaN where the data do not determine one. Those of zelterman and chao
        are of the log of half the mean.
        """
        if self.ended is None:
            return pd.DataFrame(columns=["estimate", "se"], dtype=np.float64)
        size, free = len(self.design.kept), self.ended.free
        se = np.full(size + 2, math.nan)
        if free.any():
            inverse = np.linalg.inv(self.ended.information[np.ix_(free, free)])
            se[free] = np.sqrt(np.diag(inverse))
        frame = pd.DataFrame(math.nan, index=[*self.design.names], columns=["estimate", "se"])
        frame.iloc[self.design.kept] = (
            np.column_stack([self.ended.theta[:size], se[:size]]) / self.design.scale[:, None]
        )
        extra = {"log dispersion": self.estimator.log_dispersion is None}
        extra |= {"log odds of ones": self.estimator.inflation not in (None, "zero_one")}
        for place, (name, there) in enumerate(extra.items(), start=size):
            if there:
                inside = self.ended.theta[place] if free[place] else math.nan
                frame.loc[name] = [inside, se[place]]
        return frame

    @cached_property
    def fitted(self) -> pd.DataFrame:
        """Persons seen 1, 2, ... times, observed and expected by the model: ``times``, ``observed``, ``fitted``.

        Expected are those that the family looks at, given how many they are; the others are NaN.
        """
        found = self.table.frequencies
        most = max(found)
        frame = pd.DataFrame({"times": range(1, most + 1)})
        frame["observed"] = [found.get(times, 0) for times in frame["times"]]
        frame["fitted"] = math.nan
        if self.ended is None or np.isnan(self.ended.theta).any():
            return frame
        inside = np.isin(self.design.times, _looked_at(self.estimator.shape, most))
        each = chances(self.design.matrix, self.ended.theta, self.estimator.shape, most)
        expected = (np.where(inside, self.design.persons, 0)) @ each
        frame["fitted"] = np.where(each.any(axis=0), expected, math.nan)
        return frame

    @cached_property
    def fit_test(self) -> FitTest | None:
        """Test of the fit: persons seen once, twice, ... against those expected; None where nothing is fitted.

        The deviance of the counts that the family looks at, the largest ones joined until 5 persons or more are
        expected, on the chi-squared distribution with a degree of freedom less for their total and for each of the
        level of the mean, log A and the share of ones. With covariates it is of the counts summed over them, for
        which that is nearly right.
        """
        frame = self.fitted.dropna(subset="fitted")
        if frame.empty:
            return None
        observed, expected = (
            np.array(frame[name], dtype=np.float64) for name in ("observed", "fitted")
        )
        if self.estimator.shape not in SUPPORT or self.estimator.shape == "zero_one":
            # Counts beyond the largest one that was seen are expected too.
            expected[-1] += max(observed.sum() - expected.sum(), 0.0)
        while len(expected) > 1 and expected[-1] < SMALL_MEAN:
            observed, expected = (
                np.append(each[:-2], each[-2:].sum()) for each in (observed, expected)
            )
        inside = observed > 0
        deviance = 2 * float(np.sum(observed[inside] * np.log(observed[inside] / expected[inside])))
        inflated = self.estimator.inflation not in (None, "zero_one")
        fitted_ones = 1 + (self.estimator.log_dispersion is None) + inflated
        df = len(expected) - 1 - fitted_ones
        return chi_squared_fit(deviance, df, df, expected)

    # What the bootstrap asks -----------------------------------------------------------------------

    @cached_property
    def expected_persons(self) -> tuple[IntArray, FloatArray]:
        """Of the N-hat persons each one's row of the design, and the chance that there is that person."""
        if self.ended is None:
            raise ModelError(f"{self.estimator!r} is no model of the counts.")
        each, _ = hidden_each(self.design.matrix, self.ended.theta, self.estimator.shape)
        expected = self.design.persons * (1 + each)
        whole = np.ceil(expected).astype(np.int64)
        there = np.ones(int(whole.sum()))
        there[np.cumsum(whole) - 1] = 1 - (whole - expected)
        return np.repeat(np.arange(len(expected)), whole), there

    def repeated(self, seen: Seen, groups: IntArray) -> tuple[ByGroup, Ended]:
        """Fit to other persons: hidden ones by stratum, and what came of the fit."""
        settings, start = self.estimator, None
        if self.ended is None:
            twice, thrice = (float(seen.persons[seen.times == times].sum()) for times in (2, 3))
            found = two_counts(twice, thrice, corrected=settings.bias_corrected)
            nothing = np.zeros(0)
            ended = Ended(nothing, math.nan, nothing.astype(np.bool_), nothing, found[3], "", True)
            return ByGroup(np.asarray(found[:1]), (found[3],)), ended
        if not np.isnan(self.ended.theta).any() and self.ended.limit == "finite":
            start = self.ended.theta
        ended = fitted(seen, settings.shape, settings.log_dispersion, start)
        return by_group(settings.shape, seen, ended, groups, self.design.n_groups), ended

    def refitter(self, candidates: int | None = None) -> RegisterRefitter:
        """Return what repeats the fit on persons drawn anew."""
        if candidates is not None:
            raise ModelError(
                f"{self.estimator!r} does not choose among models, so candidates={candidates} cannot be asked of "
                "it. Leave candidates out."
            )
        return RegisterRefitter((self,), GIVEN_MODEL)

    def drawing(self, resampling: Resampling) -> Drawing:
        """Return what draws persons anew: clusters as a whole, where the table has them."""
        return drawing_of_counts(self, resampling)

    def _headline(self) -> str:
        if self.ended is None or math.isnan(self.log_likelihood):
            return ""
        return (
            f"{self.estimator.method.name}, covariates {self.estimator.formula}: {self.n_parameters} parameters, "
            f"log likelihood {self.log_likelihood:,.2f}, AIC {self.aic:,.2f}, BIC {self.bic:,.2f}"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.estimator!r}: {self.status}>"


def _looked_at(shape: str, most: int) -> range:
    low, high = SUPPORT.get(shape, (1, most))
    return range(low, int(min(high, most)) + 1)


def drawing_of_counts(fit: Any, resampling: Resampling) -> Drawing:
    """Decide what the replicates of a fit to counts are drawn from.

    ``"population"`` draws the N-hat persons of each stratum over the rows of those seen and the hidden ones,
    ``"multinomial"`` those seen again, n fixed, and ``"parametric"`` how often each of N-hat persons is seen, from
    the model. Where persons came in clusters the first two draw clusters instead, the hidden ones clustered as
    those seen are.
    """
    table, strata = fit.table, fit.population.strata
    hidden = np.asarray([fit.population.hidden] if strata is None else strata.hidden, np.float64)
    if resampling == "multinomial":
        hidden = np.zeros(len(hidden))
    rows = RowDrawing(
        table.persons.astype(np.float64),
        fit.design.groups[fit.design.place],
        np.nan_to_num(hidden),
        table.clusters,
    )
    if resampling != "parametric":
        return rows
    if fit.ended is None or fit.estimator.shape in ("chao", "zelterman", "zero_one"):
        raise ModelError(
            f"{fit.estimator!r} models some of the counts only, and resampling='parametric' draws all of them; "
            "use resampling='population'."
        )
    return ModelDrawing(rows, fit)


def _fit_of(
    estimator: SingleRegister, table: CountTable, design: Design, ended: Ended
) -> SingleRegisterFit:
    """Put what came of a fit into an answer."""
    found = by_group(estimator.shape, design.seen, ended, design.groups, design.n_groups)
    status, reason = _status(ended, design)
    variances = np.full((design.n_groups,) * 2, math.nan)
    if np.isfinite(found.hidden).any():
        variances = _covariance(estimator, design, ended)
    hidden, variance = float(found.hidden.sum()), float(variances.sum())
    observed = np.bincount(design.groups, design.persons, design.n_groups).astype(np.int64)
    strata = None
    if design.levels:
        known = np.isfinite(found.hidden)
        each = [status if ok or status not in _KNOWN else "not_estimable" for ok in known]
        each = [
            "ok" if ok and status not in _KNOWN else one
            for ok, one in zip(known, each, strict=True)
        ]
        strata = Strata(
            design.levels,
            observed,
            found.hidden,
            tuple(each),
            found.limits,
            KnownCovariance(np.nan_to_num(variances)),
        )
    uncertainty = (
        _interval(estimator, hidden, variance, table.n_observed) if status in _KNOWN else None
    )
    population = answer(
        estimator,
        table,
        hidden,
        status,
        ended.limit,
        reason,
        uncertainty=uncertainty,
        strata=strata,
        model="" if estimator.formula.strip() == "1" else estimator.formula,
        warnings=_warnings(table),
    )
    return SingleRegisterFit(
        estimator, table, population, variance if status in _KNOWN else math.nan, design, ended
    )


def _covariance(estimator: SingleRegister, design: Design, ended: Ended) -> FloatArray:
    """Covariance of the hidden numbers by stratum: of the parameters, and of who was seen."""
    found = hidden_persons(design.seen, ended, estimator.shape, design.groups, design.n_groups)
    sampled = found.sampled
    if estimator.variance == "singleRcapture" and estimator.family == "geometric":
        # As that program has it: the hidden persons, and those who stand for them, without weights.
        if estimator.inflation == "before":
            sampled = found.persons
        elif estimator.inflation == "zero_one":
            inside = np.where(design.times > 1, design.persons, 0)
            sampled = found.persons + np.bincount(design.groups, inside, design.n_groups)
    return np.asarray(found.fitted + np.diag(sampled))


def _status(ended: Ended, design: Design) -> tuple[Status, str]:
    """Status of a fit, and why it is that."""
    if ended.limit != "finite":
        return "not_estimable", Message(f"reason.register_{ended.edge}")
    if not ended.converged:
        return "not_converged", Message("reason.not_converged")
    aliased = [name for at, name in enumerate(design.names) if at not in design.kept]
    missing = Message("reason.aliased", names=named(aliased)) if aliased else ""
    edge = Message(f"reason.register_{ended.edge}") if ended.edge else ""
    return "boundary" if edge or missing else "ok", joined(edge, missing)


def _interval(estimator: SingleRegister, hidden: float, variance: float, observed: int) -> Any:
    kind = LognormalInterval if estimator.interval == "lognormal" else NormalInterval
    return kind(
        hidden=hidden, se=math.sqrt(max(variance, 0.0)), observed=observed, given=GIVEN_MODEL
    )


class Singletons(NamedTuple):
    """What those seen once decide.

    once, twice, thrice: persons seen so often
    chao: total by Chao's bound, from those seen once and twice
    inflated: total by the bound that allows for persons who are seen once only, corrected for bias
    decide: whether the two part beyond chance, and by more than `DECIDES`
    """

    once: int
    twice: int
    thrice: int
    chao: float
    inflated: float
    decide: bool


def singletons(table: CountTable) -> Singletons | None:
    """Compare the bounds with and without those seen once; None where one of them cannot be had.

    Examples
    --------
    >>> import mse
    >>> found = singletons(mse.load_dataset("irregular_migrants"))
    >>> round(found.chao), round(found.inflated), found.decide
    (9274, 2784, True)
    """
    found = table.frequencies
    once, twice, thrice = (found.get(times, 0) for times in (1, 2, 3))
    if not once or twice <= 2 or not thrice:
        return None
    seen, chao = table.n_observed, once**2 / (2 * twice)
    inflated, _ = one_inflated_chao(twice, thrice, corrected=False)
    # By the delta method for independent counts.
    error = math.sqrt(4 / once + 16 / twice + 4 / thrice)
    beyond = math.log(chao / inflated) > BEYOND_CHANCE * error
    corrected, _ = one_inflated_chao(twice, thrice, corrected=True)
    decide = beyond and seen + chao > DECIDES * (seen + inflated)
    return Singletons(once, twice, thrice, seen + chao, seen + corrected, decide)


def singletons_in_words(found: Singletons) -> Message:
    """Say what those seen once decide."""
    return Message("remark.singletons", once=found.once, chao=found.chao, inflated=found.inflated)


def _warnings(table: CountTable) -> tuple[str, ...]:
    """Say where those seen once decide, and that clusters are not allowed for by an analytic interval."""
    found = singletons(table)
    said = [singletons_in_words(found)] if found is not None and found.decide else []
    if table.clusters is not None:
        said.append(Message("remark.clusters"))
    return tuple(said)
