"""Log-linear model with partial pooling over strata."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from math import inf, nan
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from mse._settings import check_positive, check_whole
from mse.answer.method import Method
from mse.answer.shown import Result, Section, layout, persons, share, span
from mse.bayes.base import (
    BayesianFit,
    Chains,
    Undetermined,
    announce,
    at_one_quantile,
    diagnose,
    warn_of,
)
from mse.bayes.pooled_posterior import Layout, lay_out
from mse.core.pooled import (
    LARGEST_MEAN,
    Populations,
    cell_means,
    common_coefficients,
    populations,
    prior_points,
)
from mse.errors import ModelError
from mse.loglinear.partly_known import whole_persons
from mse.messages import Message, named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import BoolArray, FloatArray, IntArray, Seed
    from mse.answer.protocols import Estimator
    from mse.bayes.pooled_posterior import Sampled
    from mse.data.table import CaptureTable


# Prior predictive check of `PooledLogLinear`: what it expects before it has seen who is on --------

#: Draws whose cells are held at a time.
CHUNK = 50
#: Share of prior draws on one side of the observed figure from which it is called a surprise.
SURPRISE = 0.01


@dataclass(frozen=True, eq=False, repr=False)
class PriorPredictive(Result):
    """Figures of populations drawn from the prior, beside the observed ones.

    Attributes
    ----------
    table : CaptureTable
        The data.
    names : tuple of str
        ``total``, ``registered``, ``share registered``, each list, and each pair of lists.
    drawn : float64 array (M, F)
        Figures of each population, persons or a share.
    observed : float64 array (F,)
        Those of the table; NaN where they are not observed.
    """

    table: CaptureTable
    names: tuple[str, ...]
    drawn: FloatArray
    observed: FloatArray

    def __repr__(self) -> str:
        low, high = np.quantile(self.drawn[:, 0], [0.025, 0.975])
        return f"<PriorPredictive: total {low:,.0f} to {high:,.0f}>"

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Show the figures as a DataFrame.

        Parameters
        ----------
        level : float, default 0.95
            Level of the ranges.

        Returns
        -------
        DataFrame
            Indexed by figure: ``low``, ``median`` and ``high`` under the prior, ``observed``, and
            ``below``, the share of prior draws below that.
        """
        ends = [(1 - level) / 2, 0.5, (1 + level) / 2]
        low, median, high = np.quantile(self.drawn, ends, axis=0)
        ties = (self.drawn < self.observed).mean(axis=0) + (self.drawn <= self.observed).mean(
            axis=0
        )
        below = np.where(np.isnan(self.observed), np.nan, ties / 2)
        columns = {"low": low, "median": median, "high": high, "observed": self.observed}
        index = pd.Index(self.names, name="figure")
        return pd.DataFrame(columns | {"below": below}, index=index)

    @property
    def surprises(self) -> tuple[str, ...]:
        """Figures of the table that fewer than one in a hundred populations of the prior reach."""
        below = self.to_frame()["below"]
        far = (below < SURPRISE) | (below > 1 - SURPRISE)
        return tuple(str(name) for name in below.index[far])

    def _sections(self) -> list[Section]:
        frame = self.to_frame()
        rows = []
        for name, low, high, observed in frame[["low", "high", "observed"]].itertuples():
            shared = name == "share registered"
            reach = f"{share(low)} to {share(high)}" if shared else span(low, high)
            rows.append([str(name), reach, "-" if np.isnan(observed) else persons(observed)])
        said = (
            f"Before looking at who is on which list, the model gives 95% to totals of {rows[0][1]} "
            f"persons, and to {rows[2][1]} of them being registered. "
        )
        said += (
            f"It did not expect: {', '.join(self.surprises)}. Look at the priors again."
            if self.surprises
            else "Every observed figure is one that it can produce."
        )
        return [
            Section("Prior predictive check", paragraphs=(said,)),
            Section(
                "Figures under the prior",
                verbatim=layout(["figure", "prior, 95%", "observed"], rows),
            ),
        ]


def check_prior(
    table: CaptureTable, prepared: Layout, draws: int, rng: np.random.Generator
) -> PriorPredictive:
    """Draw populations from the prior, and compare.

    table: the data
    prepared: table and settings as arrays
    draws: populations to draw
    rng: randomness
    """
    data, prior = prepared.uncentered, prepared.prior
    n_lists, n_strata = table.n_lists, table.n_strata
    histories = np.arange(2**n_lists)
    on = (histories[:, None] >> np.arange(n_lists - 1, -1, -1)) & 1 == 1
    pairs = [(i, j) for i in range(n_lists) for j in range(i + 1, n_lists)]
    # Where a list did not operate it holds nobody.
    operating = data.observable[:, [1 << (n_lists - 1 - k) for k in range(n_lists)]]
    found = []
    for start in range(0, draws, CHUNK):
        points = prior_points(rng, min(CHUNK, draws - start), prior, n_strata)
        means = np.minimum(cell_means(points, prior, data), LARGEST_MEAN / data.counts.size)
        people = rng.poisson(means).astype(np.float64)
        total, seen = people.sum(axis=(1, 2)), (people * data.observable).sum(axis=(1, 2))
        held = people[:, :, :, None] * (on & operating[:, None, :])
        sizes = held.sum(axis=(1, 2))
        overlaps = np.stack(
            [(held[..., i] * on[:, j] * operating[:, None, j]).sum(axis=(1, 2)) for i, j in pairs],
            axis=1,
        )
        covered = seen / np.maximum(total, 1.0)
        found.append(np.column_stack([total, seen, covered, sizes, overlaps]))
    observed = table.overlaps().to_numpy(dtype=np.float64)
    seen_figures = [np.nan, table.n_observed, np.nan, *np.diag(observed)]
    seen_figures += [observed[i, j] for i, j in pairs]
    names = ("total", "registered", "share registered", *table.lists)
    names += tuple(f"{table.lists[i]}:{table.lists[j]}" for i, j in pairs)
    return PriorPredictive(table, names, np.concatenate(found), np.asarray(seen_figures))


# What a fit of `PooledLogLinear` says about itself, in words --------------------------------------


def stratum_names(table: CaptureTable) -> list[str]:
    """Name the strata by their levels, in C order."""
    names = list(table.covariates)
    return [
        ", ".join(f"{name}={level}" for name, level in zip(names, cell, strict=True))
        for cell in product(*table.covariates.values())
    ]


def no_overlap_words(table: CaptureTable) -> str:
    """Say that nobody is on two lists."""
    return Message("nobody.on_two", n=table.n_lists)


def diverging_words(diverging: BoolArray) -> str:
    """Say how many trajectories diverged; empty if none did."""
    n = int(diverging.sum())
    return Message("remark.diverging", n=n, of=diverging.size) if n else ""


def empty_words(table: CaptureTable, observed: IntArray) -> str:
    """Say that strata have nobody registered; empty if none does."""
    cells = zip(stratum_names(table), observed, strict=True)
    empty = [name for name, persons in cells if persons == 0]
    few = named(empty, 3)
    return Message("nobody.registered", n=len(empty), of=table.n_strata, names=few) if empty else ""


# Log-linear model with partial pooling over strata ------------------------------------------------

#: Draws kept with all their parameters, from which tables are predicted.
KEPT = 1000
#: Strata whose totals are diagnosed beside the sum: those with most hidden persons.
DIAGNOSED = 20
#: Share of diverging trajectories from which the posterior may be missing a part that matters; single ones
#: come from far out in the tails of standard deviations that few strata determine.
MANY_DIVERGING = 0.005
#: Smallest numbers of draws that a sampler adapts in, and that diagnostics make sense of.
FEWEST = {"draws": 50, "tune": 100, "chains": 1}
SAMPLERS = ("interwoven", "nutpie", "pymc")


@dataclass(frozen=True)
class PooledLogLinear:
    r"""Estimate N in many strata at once, each borrowing from the others.

    Every combination of covariate levels is a stratum with its own size, chances of being on each list,
    and dependence between pairs of lists. These are drawn from common distributions that are learned from
    all strata together, so that a municipality with three registered persons has an answer: that of places
    like it, as far as its own three do not say otherwise, with the uncertainty that follows.

    Parameters
    ----------
    time : str, optional
        A covariate whose levels follow each other, such as ``"year"``: what varies over it is a random
        walk instead of being exchangeable. Levels that are numbers may be unevenly spaced.
    rate : tuple of float, default (-2.0, 2.0)
        Prior mean and standard deviation of the common log odds of being on a list, for somebody on no
        other.
    dependence : float, default 1.0
        Scale of the half-normal prior of the standard deviation of the common effects of pairs of lists:
        they are shrunk towards none as far as the data allow.
    variation : float, default 0.7
        Scale of the half-normal prior of the standard deviations of effects of lists between levels, and
        between strata.
    dependence_variation : float, default 0.3
        The same of effects of pairs between levels.
    size_variation : float, default 2.0
        The same of log sizes.
    sampler : {"interwoven", "nutpie", "pymc"}, default "interwoven"
        The No-U-Turn sampler of the library, which draws spreads anew after each trajectory; or that of nutpie
        or PyMC, which do not. PyMC's takes some ten times as long.
    draws : int, default 1500
        Draws of each chain.
    tune : int, default 500
        Draws before those, in which the sampler adapts.
    chains : int, default 4
        Chains, from over-dispersed starts, in parallel.
    target_accept : float, default 0.8
        Acceptance that the step size is adapted to.
    seed : int, default 1
        Equal settings give equal answers on one machine; draws differ between processors.

    Notes
    -----
    With :math:`p_s(c) \propto \exp(x(c)'\theta_s)` over all histories :math:`c` of stratum :math:`s`,

    .. math::

        n_s(c) \sim \text{Poisson}(\Lambda_s p_s(c)), \quad
        \log \Lambda_s \sim N(\text{level} + \text{size effects}, \tau^2), \quad
        \theta_s = \beta + \sum_j \delta_j(s) + \epsilon_s.

    :math:`\beta` holds common effects of lists and of pairs; :math:`\delta_j` effects of the levels of
    covariate j (of all lists together, of each list, of each pair; sums over levels are 0); with two or
    more covariates :math:`\epsilon_s` are deviations of single strata (of all lists together, and of each
    list). Each kind of effect has a standard deviation of its own, with a half-normal prior; steps of a
    random walk have half the prior scale. There are no effects of three lists. The level has a prior
    that a factor of 50 either way from the registered persons by stratum is two standard deviations.

    Unknown memberships and covariates, lists that do not operate somewhere, and counts within bounds enter
    by the probability of what is known (missing at random). A stratum without anybody registered has a
    hidden number all the same: what the others say of such a stratum.

    The posterior of N of a stratum with few persons rests on the common distributions, hence on the
    assumption that strata are alike in the way stated. Where no list overlaps another anywhere, only the
    prior tells the number of hidden persons, and there is no estimate.

    Examples
    --------
    >>> import mse, numpy as np
    >>> counts = np.zeros((2, 2, 2, 3), dtype=int)
    >>> counts[1, 0, 0], counts[0, 1, 0], counts[0, 0, 1] = (20, 9, 2), (11, 6, 1), (14, 5, 0)
    >>> counts[1, 1, 0], counts[1, 0, 1], counts[0, 1, 1] = (6, 3, 0), (5, 1, 0), (4, 1, 0)
    >>> table = mse.CaptureTable.from_array(counts, ["a", "b", "c"], {"place": ["A", "B", "C"]})
    >>> estimator = mse.PooledLogLinear(draws=500, tune=500, chains=2)
    >>> print(estimator.prior_predictive(table).summary().splitlines()[0])
    PRIOR PREDICTIVE CHECK
    """

    method = Method("Bayesian log-linear model pooled over strata")

    time: str | None = None
    rate: tuple[float, float] = (-2.0, 2.0)
    dependence: float = 1.0
    variation: float = 0.7
    dependence_variation: float = 0.3
    size_variation: float = 2.0
    sampler: Literal["interwoven", "nutpie", "pymc"] = "interwoven"
    draws: int = 1500
    tune: int = 500
    chains: int = 4
    target_accept: float = 0.8
    seed: int = 1

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise ModelError(
                f"sampler={self.sampler!r} is not known; expected 'interwoven', 'nutpie' or 'pymc'."
            )
        try:
            mean, sd = map(float, self.rate)
        except (TypeError, ValueError):
            mean, sd = nan, nan
        if not (abs(mean) < inf and 0 < sd < inf):
            raise ModelError(
                f"rate={self.rate!r}: expected a mean and a positive standard deviation."
            )
        object.__setattr__(self, "rate", (mean, sd))
        for name in ("dependence", "variation", "dependence_variation", "size_variation"):
            check_positive(name, getattr(self, name))
        check_positive("target_accept", self.target_accept, 1)
        for name, fewest in {**FEWEST, "seed": 0}.items():
            check_whole(name, getattr(self, name), fewest)

    def fit(self, table: CaptureTable) -> PooledLogLinearFit:
        """Sample the posterior given a table.

        Parameters
        ----------
        table : CaptureTable
            With covariates; known in part or not.

        Returns
        -------
        PooledLogLinearFit

        Raises
        ------
        ModelError
            If the table has margins only or no covariates, or `time` is not one of them.

        Warns
        -----
        ConvergenceWarning
            If the chains have not settled, or more than one in 200 trajectories of the sampler
            diverged; fewer are mentioned in the answer.
        """
        from mse.bayes.pooled_posterior import sample

        layout = lay_out(self, table)
        if not overlapping(table):
            nobody = Undetermined("infinite", no_overlap_words(table))
            return PooledLogLinearFit(self, table, layout, nobody, None)
        fit = PooledLogLinearFit(self, table, layout, None, sample(self, layout))
        announce(fit)
        if fit.chains.stats["diverging"].mean() > MANY_DIVERGING:
            warn_of(fit.divergences)
        return fit

    def prior_predictive(
        self, table: CaptureTable, draws: int = 1000, seed: Seed = 1
    ) -> PriorPredictive:
        """Show what the prior expects of such a table, beside what was observed.

        Parameters
        ----------
        table : CaptureTable
            Lists, covariates and the number of registered persons enter.
        draws : int, default 1000
            Populations to draw.
        seed : int or numpy.random.Generator, default 1
            The same seed gives the same populations.

        Returns
        -------
        PriorPredictive
            Ranges of the total, of the share registered, of list sizes and of overlaps.
        """
        rng = np.random.default_rng(seed)
        return check_prior(table, lay_out(self, table), draws, rng)

    def pymc_model(self, table: CaptureTable) -> Any:
        """Build the model in PyMC, to look at or to build upon.

        Parameters
        ----------
        table : CaptureTable
            As of `fit`.

        Returns
        -------
        pymc.Model
        """
        from mse.bayes.pooled_posterior import pymc_model

        return pymc_model(lay_out(self, table))


def overlapping(table: CaptureTable) -> bool:
    """Whether anybody is known to be on two lists."""
    on = (table.patterns[:, : table.n_lists] == 1).sum(axis=1)
    return bool((table.high[on > 1] > 0).any())


@dataclass(frozen=True, eq=False, repr=False)
class PooledLogLinearFit(BayesianFit):
    """What the pooled log-linear model learned from a table.

    Attributes
    ----------
    estimator : PooledLogLinear
        Assumptions and settings.
    table : CaptureTable
        The data.
    """

    estimator: PooledLogLinear
    table: CaptureTable
    _layout: Layout = field(repr=False)
    _reason: Undetermined | None = field(repr=False)
    _sampled: Sampled | None = field(repr=False)

    @property
    def _undetermined(self) -> Undetermined | None:
        return self._reason

    @cached_property
    def _persons(self) -> Populations:
        """Persons of each draw by stratum, all chains after each other."""
        n_strata = self.table.n_strata
        if self._sampled is None:
            nothing = np.full((FEWEST["draws"], n_strata), np.nan)
            return Populations(nothing, nothing, np.zeros(n_strata))
        points = self._sampled.points.reshape(-1, self._layout.dimension)
        rng = np.random.default_rng([self.estimator.seed, 1])
        return populations(rng, points, self._layout.prior, self._layout.data)

    def _by_chain(self, draws: FloatArray) -> FloatArray:
        chains = 1 if self._sampled is None else len(self._sampled.points)
        return draws.reshape(chains, -1, self.table.n_strata)

    @property
    def _observed_by_stratum(self) -> IntArray:
        return whole_persons(self._persons.expected)

    def _points(self, total: float, hidden: FloatArray) -> FloatArray:
        return at_one_quantile(total, hidden)

    def _totals_by_stratum(self) -> FloatArray:
        # Persons whose stratum is not known are in another one in each draw.
        return self._persons.observed + self._persons.hidden

    @cached_property
    def chains(self) -> Chains:
        """Draws of N, hidden persons by stratum, common effects and standard deviations.

        Hidden are persons on no list and, of a count within bounds, those beyond the lower one. Registered
        persons whose stratum is not known are not among them: ``population.stratum_draws`` has those in
        the strata that each draw allots them to.
        """
        hidden = self._by_chain(self._persons.hidden)
        draws = {"N": hidden.sum(axis=2) + self.table.n_observed, "hidden": hidden}
        coords: dict[str, Any] = {"stratum": stratum_names(self.table)}
        dims: dict[str, tuple[str, ...]] = {"hidden": ("stratum",)}
        if self._sampled is None:
            return Chains(draws, coords, dims)
        points, cuts = self._sampled.points, self._layout.prior.cuts
        flat = points.reshape(-1, points.shape[2])
        common = common_coefficients(flat, self._layout.prior, self._layout.data)
        common = common.reshape(*points.shape[:2], -1)
        n_lists = self.table.n_lists
        draws |= {
            "rate": common[:, :, :n_lists],
            "dependence": common[:, :, n_lists:],
            "scale": np.exp(points[:, :, cuts[0] : cuts[1]]),
        }
        coords |= {"list": self.table.lists, "pair": _pairs(self.table)}
        coords |= {"scales": self._layout.scale_names}
        dims |= {"rate": ("list",), "dependence": ("pair",), "scale": ("scales",)}
        stats = {
            "diverging": self._sampled.diverging.astype(np.float64),
            "n_steps": self._sampled.steps,
        }
        return Chains(draws, coords, dims, stats)

    @cached_property
    def diagnostics(self) -> pd.DataFrame:
        """R-hat, effective sample sizes and Monte Carlo error of log N, in all and in large strata.

        Returns
        -------
        DataFrame
            Columns ``r_hat``, ``ess_bulk``, ``ess_tail``, ``mcse_median``; a row for ``log N`` and one for
            each of the strata with most hidden persons.
        """
        if self._sampled is None:
            return diagnose(self.chains, [])
        totals = self._by_chain(self._persons.observed + self._persons.hidden)
        hidden = np.median(self.chains.flat("hidden"), axis=0)
        largest = np.argsort(-hidden, kind="stable")[:DIAGNOSED]
        named = {f"N of {self.chains.coords['stratum'][s]}": totals[:, :, s] + 1.0 for s in largest}
        # One more person: somewhere there may be none in a draw.
        several = Chains({"N": self.chains.draws["N"] + 0.0, **named})
        return diagnose(several, ["log N", *(f"log {name}" for name in named)])

    @cached_property
    def divergences(self) -> str:
        """How many trajectories diverged, in words; empty if none did."""
        return "" if self._sampled is None else diverging_words(self._sampled.diverging)

    @property
    def _remarks(self) -> tuple[str, ...]:
        if self._sampled is None:
            return ()
        return (self.divergences, empty_words(self.table, self._observed_by_stratum))

    @property
    def _model(self) -> str:
        return f"pooled over {', '.join(self.table.covariates)}"

    def _predict(self, size: int, rng: np.random.Generator) -> IntArray:
        if self._sampled is None:
            raise ModelError(f"Nothing can be predicted: {self.reason}")
        if not self.table.is_complete:
            raise ModelError(
                "Histories that are known in part cannot be compared with predicted ones: the "
                "posterior predictive check takes complete tables."
            )
        points = self._sampled.points.reshape(-1, self._layout.dimension)
        means = np.zeros((size, self.table.n_strata, 2**self.table.n_lists))
        picked = rng.integers(len(points), size=size)
        for start in range(0, size, KEPT):
            chunk = points[picked[start : start + KEPT]]
            means[start : start + KEPT] = cell_means(chunk, self._layout.prior, self._layout.data)
        drawn = rng.poisson(means).astype(np.int64)
        return np.ascontiguousarray(drawn.transpose(0, 2, 1)).reshape(size, -1)

    def _other_priors(self) -> Mapping[str, Estimator]:
        asked = self.estimator
        mean, sd = asked.rate
        return {
            "being on a list twice as vague": replace(asked, rate=(mean, 2 * sd)),
            "being on a list less likely": replace(asked, rate=(mean - 1, sd)),
            "dependence half as strong": replace(asked, dependence=asked.dependence / 2),
            "dependence twice as strong": replace(asked, dependence=asked.dependence * 2),
            "strata half as different": replace(
                asked,
                variation=asked.variation / 2,
                dependence_variation=asked.dependence_variation / 2,
            ),
            "strata twice as different": replace(
                asked,
                variation=asked.variation * 2,
                dependence_variation=asked.dependence_variation * 2,
            ),
        }

    def prior_predictive(self, draws: int = 1000, seed: Seed = 1) -> PriorPredictive:
        """Show what the prior expects of such a table; see `PooledLogLinear.prior_predictive`."""
        return self.estimator.prior_predictive(self.table, draws, seed)


def _pairs(table: CaptureTable) -> list[str]:
    lists = table.lists
    return [f"{a}:{b}" for i, a in enumerate(lists) for b in lists[i + 1 :]]
