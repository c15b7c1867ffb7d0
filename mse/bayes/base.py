"""What Bayesian fits have in common: draws, an answer read off them, and checks of both."""

from __future__ import annotations

import inspect
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from mse._typing import FrozenDict
from mse.answer.intervals import check_level, holding
from mse.answer.population import Strata, answer, joint_limit
from mse.answer.protocols import Fitted
from mse.bayes.checks import PredictiveCheck, PriorSensitivity, check_histories, under_priors
from mse.errors import ConvergenceWarning
from mse.loglinear.fit import silent_lists
from mse.messages import Message, named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mse._typing import FloatArray, IntArray, Limit, Seed, Status
    from mse.answer.intervals import IntervalMethod
    from mse.answer.population import PopulationEstimate
    from mse.answer.protocols import Estimator
    from mse.data.table import CaptureTable


# Draws of named quantities from several chains, and whether the chains agree ----------------------
# References
# ----------
# Vehtari, A., Gelman, A., Simpson, D., Carpenter, B. and Burkner, P.-C. (2021). Rank-normalization,
# folding, and localization: an improved R-hat for assessing convergence of MCMC. Bayesian Analysis
# 16, 667-718.

#: Chains are taken to agree below this split R-hat (Vehtari et al. 2021, section 4).
MAX_R_HAT = 1.01
#: Quantiles in the tails are stable from this bulk effective sample size on (the same).
MIN_ESS = 400
#: Above this the chains describe different distributions and no figure is read off them: the usual
#: bound before rank normalization, far beyond what noise does to several hundred draws.
FAILED_R_HAT = 1.1


@dataclass(frozen=True, eq=False)
class Chains:
    """Draws of named quantities.

    Parameters
    ----------
    draws : mapping of str to float64 array (chains, draws, ...)
        Posterior draws by name; ``"N"``, the total in persons, and ``"hidden"``, hidden persons
        by stratum (chains, draws, S), are always there.
    coords : mapping of str to sequence, optional
        Labels along named dimensions.
    dims : mapping of str to tuple of str, optional
        Names of the dimensions behind chains and draws.
    stats : mapping of str to array (chains, draws), optional
        How the sampler did: accepted moves, divergences, log densities.
    independent : bool, default False
        Whether the draws are independent, so that there is nothing to diagnose.

    Examples
    --------
    >>> import numpy as np
    >>> draws = np.random.default_rng(1).lognormal(5.0, 0.1, size=(4, 500))
    >>> Chains({"N": draws, "hidden": draws[:, :, None]}).flat("N").shape
    (2000,)
    """

    draws: Mapping[str, FloatArray] = field(repr=False)
    coords: Mapping[str, Sequence[object]] = field(default_factory=FrozenDict, repr=False)
    dims: Mapping[str, tuple[str, ...]] = field(default_factory=FrozenDict, repr=False)
    stats: Mapping[str, FloatArray] = field(default_factory=FrozenDict, repr=False)
    independent: bool = False

    def __post_init__(self) -> None:
        for values in (*self.draws.values(), *self.stats.values()):
            values.setflags(write=False)
        for name in ("draws", "coords", "dims", "stats"):
            object.__setattr__(self, name, FrozenDict(getattr(self, name)))

    @property
    def n_chains(self) -> int:
        """Number of chains."""
        return len(self.draws["N"])

    def flat(self, name: str) -> FloatArray:
        """Return the draws of a quantity, chains one after the other: shape (M, ...)."""
        values = self.draws[name]
        return values.reshape(-1, *values.shape[2:])


def diagnose(chains: Chains, names: Iterable[str]) -> pd.DataFrame:
    """Tabulate R-hat, effective sample sizes and Monte Carlo error of the median.

    chains: the draws
    names: Quantities with one value a draw. ``"N"`` and other positive ones of a wide range should
        be named as ``"log N"``: it is diagnosed on that scale.
    Returns indexed by quantity: ``r_hat`` (rank-normalized, split), ``ess_bulk``, ``ess_tail``,
        ``mcse_median``; NaN where the draws do not vary
    """
    rows = {name: _measures(_quantity(chains, name)) for name in names}
    columns = ["r_hat", "ess_bulk", "ess_tail", "mcse_median"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _quantity(chains: Chains, name: str) -> FloatArray:
    if name.startswith("log "):
        return np.asarray(np.log(chains.draws[name.removeprefix("log ")]))
    return chains.draws[name]


def _measures(draws: FloatArray) -> tuple[float, float, float, float]:
    """R-hat, bulk and tail effective sample size, Monte Carlo error of the median."""
    from arviz_stats.base import array_stats

    if draws.shape[1] < 4 or not np.isfinite(draws).all() or np.ptp(draws) == 0:
        return np.nan, np.nan, np.nan, np.nan
    # Chains that each stand still at a value of their own divide by a variance of zero.
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            float(array_stats.rhat(draws)) if len(draws) > 1 else np.nan,
            float(array_stats.ess(draws)),
            float(array_stats.ess(draws, method="tail", prob=(0.05, 0.95))),
            float(array_stats.mcse(draws, method="quantile", prob=0.5)),
        )


def disagreement(diagnosis: pd.DataFrame) -> str:
    """Say that the chains describe different distributions; empty if they do not."""
    r_hat = float(diagnosis["r_hat"].max())
    # Not `r_hat <= bound`: an R-hat that cannot be computed is no disagreement.
    if r_hat > FAILED_R_HAT:
        worst = diagnosis["r_hat"].idxmax()
        return Message("reason.chains_apart", r_hat=r_hat, name=worst)
    return ""


def concern(diagnosis: pd.DataFrame) -> str:
    """Say what is wrong with chains that agree roughly; empty if nothing is."""
    r_hat, ess = float(diagnosis["r_hat"].max()), float(diagnosis["ess_bulk"].min())
    found = []
    if r_hat > MAX_R_HAT:
        worst = diagnosis["r_hat"].idxmax()
        found.append(Message("remark.r_hat", name=worst, r_hat=r_hat, most=MAX_R_HAT))
    if ess < MIN_ESS:
        worst = diagnosis["ess_bulk"].idxmin()
        found.append(Message("remark.few_effective", name=worst, n=ess, least=MIN_ESS))
    return Message("remark.chains_unsettled", what=found) if found else ""


def warn_of(sentence: str) -> None:
    """Issue a `ConvergenceWarning`, if there is anything to say."""
    if sentence:
        warnings.warn(sentence, ConvergenceWarning, stacklevel=4)


# Credible intervals: from draws, or from a distribution over a grid of totals ---------------------


@dataclass(frozen=True, eq=False)
class CredibleInterval:
    """Equal-tailed credible interval from draws of a total.

    Parameters
    ----------
    draws : float64 array (M,)
        Draws of the total, persons.
    given : str, default ""
        What the interval takes for granted, beside the model and the prior.

    Examples
    --------
    >>> import numpy as np
    >>> CredibleInterval(np.arange(101.0)).interval(0.5)
    (25.0, 75.0)
    """

    draws: FloatArray = field(repr=False)
    given: str = ""

    @property
    def kind(self) -> str:
        """The word ``credible``."""
        return "credible"

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total, in persons."""
        check_level(level)
        low, high = np.quantile(self.draws, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


@dataclass(frozen=True, eq=False)
class CredibleParts:
    """Equal-tailed credible intervals of sums of strata, from the draws of the total.

    Parameters
    ----------
    draws : float64 array (M, S)
        Draws of the totals, persons; NaN in strata that the data leave to the prior.
    points : float64 array (S,)
        Point estimates of the totals. Draws are whole persons, and the mean of a rare event may lie above
        nearly all of them: an interval reaches to its point.
    whole : IntervalMethod, optional
        What computes the interval of the sum of all strata.
    """

    draws: FloatArray = field(repr=False)
    points: FloatArray = field(repr=False)
    whole: IntervalMethod | None = None

    @property
    def kind(self) -> str:
        """The word ``credible``."""
        return "credible"

    def of_sum(self, members: Sequence[int], level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total of some strata, in persons."""
        places = list(members)
        if len(places) == self.points.size and self.whole is not None:
            return self.whole.interval(level)
        ends = CredibleInterval(self.draws[:, places].sum(axis=1)).interval(level)
        return holding(*ends, float(self.points[places].sum()))


@dataclass(frozen=True, eq=False)
class GridInterval:
    """Equal-tailed credible interval from a distribution over increasing totals.

    Parameters
    ----------
    totals : float64 array (G,)
        Support, increasing, persons.
    cumulative : float64 array (G,)
        Distribution function at the support.
    given : str, default ""
        What the interval takes for granted, beside the model and the prior.

    Examples
    --------
    >>> import numpy as np
    >>> GridInterval(np.arange(4.0), np.array([0.02, 0.5, 0.98, 1.0])).interval(0.95)
    (1.0, 2.0)
    """

    totals: FloatArray = field(repr=False)
    cumulative: FloatArray = field(repr=False)
    given: str = ""

    @property
    def kind(self) -> str:
        """The word ``credible``."""
        return "credible"

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total, in persons."""
        check_level(level)
        ends = [(1 - level) / 2, (1 + level) / 2]
        low, high = (grid_quantile(self.totals, self.cumulative, p) for p in ends)
        return low, high


def grid_quantile(totals: FloatArray, cumulative: FloatArray, probability: float) -> float:
    """Find the smallest total whose distribution function reaches a probability."""
    at = int(np.searchsorted(cumulative, probability))
    return float(totals[min(at, totals.size - 1)])


# Draws as ArviZ holds them. No other module imports arviz -----------------------------------------
# ArviZ before version 1 has ``InferenceData``, from 1 on xarray's ``DataTree``; both are made by a
# function ``from_dict`` whose arguments differ.


def to_arviz(
    chains: Chains,
    observed: Mapping[str, IntArray],
    predicted: Mapping[str, FloatArray],
    attributes: Mapping[str, str],
) -> Any:
    """Return the draws as ``InferenceData`` (ArviZ < 1) or ``DataTree`` (ArviZ >= 1).

    chains: draws of the posterior and statistics of the sampler
    observed: data by name
    predicted: (chains, draws, ...), draws of the posterior predictive distribution; empty if there
        are none
    attributes: how the draws were made
    """
    with warnings.catch_warnings():
        # Importing ArviZ 0.23, the last that runs on Python 3.11, announces the next one.
        warnings.filterwarnings("ignore", category=FutureWarning)
        import arviz

    groups: dict[str, Any] = {"posterior": dict(chains.draws), "observed_data": dict(observed)}
    if chains.stats:
        groups["sample_stats"] = dict(chains.stats)
    if predicted:
        groups["posterior_predictive"] = dict(predicted)
    labels: dict[str, Any] = {
        "coords": {name: [str(each) for each in values] for name, values in chains.coords.items()},
        "dims": {name: list(dims) for name, dims in chains.dims.items()},
    }
    if "data" in inspect.signature(arviz.from_dict).parameters:
        return arviz.from_dict(groups, attrs={"/": dict(attributes)}, **labels)
    return arviz.from_dict(**groups, attrs=dict(attributes), **labels)


# What Bayesian fits have in common: draws, an answer read off them, and checks of both ------------

#: Shares of the draws, by their sum, over which means of strata are taken: the first that will do.
_MIDDLES = (1.0, 0.5, 0.2, 0.1)
#: Ends of the intervals that points of strata are to lie in.
_ENDS = (0.025, 0.975)


class Undetermined(NamedTuple):
    """Why the data leave the hidden number to the prior.

    Attributes
    ----------
    limit : {"infinite", "zero", "indeterminate"}
        Where the hidden number would go.
    reason : str
        Why, in words.
    """

    limit: Limit
    reason: str


class BayesianFit(Fitted, ABC):
    """What a Bayesian estimator learned from a table.

    A fit is a frozen dataclass with the fields ``estimator`` and ``table`` that gives ``chains``, and
    how to predict tables and which other priors to try.
    """

    estimator: Any
    table: CaptureTable

    # What a kind of fit gives ------------------------------------------------------------------

    @property
    @abstractmethod
    def chains(self) -> Chains:
        """Draws of the posterior; ``"N"`` and ``"hidden"`` (by stratum) are among them."""

    @abstractmethod
    def _predict(self, size: int, rng: np.random.Generator) -> IntArray:
        """Draw ``size`` tables from the posterior predictive distribution: (size, C), persons."""

    @abstractmethod
    def _other_priors(self) -> Mapping[str, Estimator]:
        """Estimators with other priors, by what is changed in words."""

    @property
    def _undetermined(self) -> Undetermined | None:
        """Why the data determine nothing; None if they determine the hidden number."""
        return None

    @property
    def _remarks(self) -> tuple[str, ...]:
        """Warnings beside those about convergence."""
        return ()

    @property
    def _model(self) -> str:
        """The model in the notation of the library, if there is one."""
        return ""

    @property
    def _uncertainty(self) -> IntervalMethod:
        return CredibleInterval(self.chains.flat("N"))

    @property
    def _median_hidden(self) -> float:
        """Posterior median of the hidden persons; the mean may be infinite."""
        return float(np.median(self.chains.flat("N"))) - self.table.n_observed

    @property
    def _observed_by_stratum(self) -> IntArray:
        """Observed persons by stratum, (S,) int64; of a table known in part as they were allotted."""
        return observed_by_stratum(self.table)

    @property
    def _lost(self) -> Mapping[int, Limit]:
        """Strata whose hidden number the data leave to the prior, with where it would go.

        In a stratum in which nobody was observed the figures are the prior's, unless the model ties it
        to others.
        """
        return {}

    # What follows ------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.status}>"

    @cached_property
    def diagnostics(self) -> pd.DataFrame:
        """R-hat, effective sample sizes and Monte Carlo error of log N and of other figures.

        Returns
        -------
        DataFrame
            Columns ``r_hat``, ``ess_bulk``, ``ess_tail``, ``mcse_median``; a row for ``log N``.
            Empty where the draws are independent.
        """
        return diagnose(self.chains, [] if self.chains.independent else ["log N"])

    @property
    def _settled(self) -> bool:
        """Whether the draws can be read: of the total, or of some strata at least."""
        return self._undetermined is None and not disagreement(self.diagnostics)

    @property
    def status(self) -> Status:
        """``ok``, ``not_estimable`` or ``not_converged``."""
        if self._undetermined is not None:
            return "not_estimable"
        if not self._settled:
            return "not_converged"
        return "not_estimable" if self._lost else "ok"

    @property
    def limit(self) -> Limit:
        """Where the hidden number goes; ``finite`` where the data determine it."""
        if self._undetermined is not None:
            return self._undetermined.limit
        if not self._settled:
            return "indeterminate"
        return joint_limit(["finite", *self._lost.values()])

    @property
    def reason(self) -> str:
        """Why the status is not ``ok``; empty where it is."""
        if self._undetermined is not None:
            return self._undetermined.reason
        if not self._settled:
            return disagreement(self.diagnostics)
        return lost_words(self.table, [*self._lost]) if self._lost else ""

    @cached_property
    def population(self) -> PopulationEstimate:
        """The answer: the posterior median, credible intervals and draws."""
        known = self.status == "ok"
        warnings = (*((concern(self.diagnostics),) if self._settled else ()), *self._remarks)
        warnings = (*silent_lists(self.table), *warnings)
        return answer(
            self.estimator,
            self.table,
            self._median_hidden if known else nan,
            self.status,
            self.limit,
            self.reason,
            uncertainty=self._uncertainty if known else None,
            strata=self._strata(),
            draws=self.chains.flat("N") if known else None,
            stratum_draws=self._stratum_draws(),
            model=self._model,
            warnings=filter(None, warnings),
        )

    def _points(self, total: float, hidden: FloatArray) -> FloatArray:
        """Points of strata, (S,), that add up to the total, from draws (M, S)."""
        return shared_out(total, hidden)

    def _strata(self) -> Strata | None:
        if not self.table.covariates or not self._settled:
            return None
        lost, n_strata = self._lost, self.table.n_strata
        kept = [each for each in range(n_strata) if each not in lost]
        drawn = self.chains.flat("hidden")[:, kept]
        total = float(np.median(drawn.sum(axis=1))) if lost else self._median_hidden
        hidden = np.full(n_strata, nan)
        hidden[kept] = self._points(total, drawn)
        status: list[Status] = ["not_estimable" if i in lost else "ok" for i in range(n_strata)]
        draws, observed = self._totals_by_stratum(), self._observed_by_stratum
        draws[:, [*lost]] = nan
        return Strata(
            levels=self.table.covariates,
            observed=observed,
            hidden=hidden,
            status=tuple(status),
            limit=tuple(lost.get(i, "finite") for i in range(n_strata)),
            intervals=CredibleParts(draws, observed + hidden, None if lost else self._uncertainty),
        )

    def _totals_by_stratum(self) -> FloatArray:
        """Draws of the totals, (M, S), persons."""
        return self.chains.flat("hidden") + self._observed_by_stratum

    def _stratum_draws(self) -> pd.DataFrame | None:
        if not self.table.covariates or not self._settled:
            return None
        totals = self._totals_by_stratum()
        totals[:, [*self._lost]] = nan
        names = [*self.table.covariates]
        labels = pd.MultiIndex.from_product([*self.table.covariates.values()], names=names)
        return pd.DataFrame(totals, columns=labels)

    def posterior_predictive(self, draws: int = 1000, seed: Seed = 1) -> PredictiveCheck:
        """Compare the observed histories with those of tables drawn from the posterior.

        Parameters
        ----------
        draws : int, default 1000
            Tables to draw.
        seed : int or numpy.random.Generator, default 1
            The same seed gives the same tables.

        Returns
        -------
        PredictiveCheck
        """
        return check_histories(self.table, self._predict(draws, np.random.default_rng(seed)))

    def prior_sensitivity(self, priors: Mapping[str, Estimator] | None = None) -> PriorSensitivity:
        """Fit the same table under other priors.

        Parameters
        ----------
        priors : mapping of str to Estimator, optional
            Estimators to compare with, by name; by default the usual alternatives to each prior.

        Returns
        -------
        PriorSensitivity
            Its ``to_frame()`` has one row a prior, the one that was asked for first.
        """
        others = self._other_priors() if priors is None else priors
        return under_priors(self.table, {"as asked for": self.estimator, **others})

    def to_arviz(self) -> Any:
        """Return the draws as ``InferenceData`` (ArviZ < 1) or ``DataTree`` (ArviZ >= 1).

        Returns
        -------
        arviz.InferenceData or xarray.DataTree
            Groups ``posterior``, ``observed_data`` and, where the sampler kept any,
            ``sample_stats``.
        """
        notes = {name: str(value) for name, value in self.population.provenance.items()}
        return to_arviz(self.chains, {"counts": self.table.counts}, {}, notes)


def announce(fit: BayesianFit) -> BayesianFit:
    """Warn if the chains of a fit have not settled; every ``fit`` method ends with it."""
    warn_of(disagreement(fit.diagnostics) or concern(fit.diagnostics))
    return fit


def observed_by_stratum(table: CaptureTable) -> IntArray:
    """Observed persons by stratum, (S,) int64."""
    return np.asarray(table.counts.reshape(-1, table.n_strata).sum(axis=0))


def without_observed(table: CaptureTable) -> list[int]:
    """Strata in which nobody can have been observed, also where records lack entries."""
    sizes = [len(levels) for levels in table.covariates.values()]
    found = np.zeros(sizes, dtype=np.bool_)
    for pattern in table.patterns[table.high > 0, table.n_lists :]:
        found[tuple(slice(None) if level < 0 else level for level in pattern)] = True
    return [int(at) for at in np.flatnonzero(~found.ravel())]


def lost_words(table: CaptureTable, lost: list[int]) -> str:
    """Say in which strata the hidden number is left to the prior."""
    cells = [*product(*table.covariates.values())]
    names = [
        ", ".join(f"{n}={each}" for n, each in zip(table.covariates, cells[at], strict=True))
        for at in lost
    ]
    return Message("nobody.in_strata", names=named(names, 3))


def shared_out(total: float, hidden: FloatArray) -> FloatArray:
    """Points of the strata that add up to the median of their sum.

    Medians do not add up: where many strata have few persons each, theirs are 0 and the sum is not. Means
    do, so posterior means are scaled by one factor. Where few draws are so large that they carry the mean
    (it may be infinite), scaled means of other strata would leave their own intervals; then the means are
    taken over the middle half, fifth or tenth of the draws by their sum, the first that leaves none
    out. The intervals are quantiles of the draws and are left as they are.

    total: median of the hidden persons of all strata together
    hidden: (M, S), draws by stratum, persons
    Returns (S,)

    Examples
    --------
    >>> import numpy as np
    >>> shared_out(12.0, np.array([[2.0, 8.0], [2.0, 8.0], [2.0, 8.0]]))
    array([2.4, 9.6])
    """
    if hidden.shape[1] == 0:
        return np.zeros(0)
    with np.errstate(over="ignore", invalid="ignore"):
        sums = hidden.sum(axis=1)
        low, high = np.quantile(hidden, _ENDS, axis=0, method="inverted_cdf")
        for share in _MIDDLES:
            ends = np.quantile(sums, [(1 - share) / 2, (1 + share) / 2], method="inverted_cdf")
            means = hidden[(sums >= ends[0]) & (sums <= ends[1])].mean(axis=0)
            points = means * (total / means.sum()) if means.any() else means
            # The mean of a rare event may lie above all but few draws, by less than a person.
            if ((points >= low - 1) & (points <= high + 1)).all():
                break
    return np.asarray(points)


def at_one_quantile(total: float, hidden: FloatArray) -> FloatArray:
    """Points of many strata that add up to a total: the same quantile of the draws of each.

    Of all points with that sum these have the least expected absolute error: where the sum of E|N_s - x_s| is
    least given that of x_s, P(N_s < x_s) is the same for every s. Strata of which most draws are 0 stay at 0, where
    scaled means do not.

    total: sum of the points, persons, such as the median of the sums
    hidden: (M, S), draws by stratum, persons
    Returns (S,)

    Examples
    --------
    >>> import numpy as np
    >>> at_one_quantile(9.0, np.array([[0.0, 4.0], [0.0, 8.0], [2.0, 12.0]]))
    array([0.33333333, 8.66666667])
    """
    ordered = np.sort(hidden, axis=0)
    low, high = 0.0, float(len(ordered) - 1)

    def points(position: float) -> FloatArray:
        below = min(int(position), len(ordered) - 2) if len(ordered) > 1 else 0
        above, share = min(below + 1, len(ordered) - 1), position - below
        # A draw without bound has no part in what lies below it.
        rise = np.where(share > 0, ordered[above] - ordered[below], 0.0)
        return np.asarray(ordered[below] + share * rise)

    # Sums rise with the position, along straight lines between draws: halved until doubles end.
    for _ in range(60):
        middle = (low + high) / 2
        if points(middle).sum() < total:
            low = middle
        else:
            high = middle
    return points(high)
