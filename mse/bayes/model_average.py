"""Averages over hierarchical log-linear models by their posterior probabilities."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from mse._settings import check_positive, check_whole
from mse.answer.method import Method
from mse.answer.population import joint_limit
from mse.bayes.base import BayesianFit, Chains, Undetermined, announce, without_observed
from mse.bayes.model_average_posterior import (
    Enumerated,
    Persons,
    Sampled,
    Setting,
    cell_means,
    count_models,
    draw_persons,
    enumerate_models,
    existence,
    largest_model,
    make_setting,
    members_by_parameter,
    model_of,
    sample_models,
)
from mse.core.existence import FINITE, LIMITS, ZERO
from mse.core.fitting import STATUSES
from mse.errors import ModelError
from mse.messages import Message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray, Limit, Seed
    from mse.answer.protocols import Estimator
    from mse.bayes.checks import PredictiveCheck
    from mse.data.table import CaptureTable
    from mse.models.terms import HierarchicalModel


# What a posterior over log-linear models says, as tables: models, interactions, and what is -------

#: Models of less probability are not listed unless a chain went there.
LISTED = 1e-6
#: A Monte Carlo error is computed from so many draws in a model or more ...
FEWEST_TABLES = 20
#: ... for so many models at most.
MOST_ERRORS = 200
#: The point estimate is the prior's where models of more probability leave the hidden number to it ...
DECIDES = 0.5
#: ... and an end of a 95 % interval may be where they have more than this.
SPEAKS = 0.025


class Ranked(NamedTuple):
    """Models of a posterior, the most probable ones first.

    Attributes
    ----------
    members : bool array (M, T)
        Terms.
    probability, error : float64 arrays (M,)
        Posterior probability and its numerical standard error; NaN where the error is not known.
    draws : int64 array (M,)
        Draws in the model.
    median : float64 array (M,)
        Median of the total in these, persons; NaN where there are none.
    """

    members: BoolArray
    probability: FloatArray
    error: FloatArray
    draws: IntArray
    median: FloatArray


def rank_models(sampled: Sampled, totals: FloatArray, enumerated: Enumerated | None) -> Ranked:
    """List the models that matter.

    sampled: draws of all chains
    totals: (chains, draws), their totals, persons
    enumerated: probabilities of all models, if they are known
    """
    flat = sampled.members.reshape(-1, sampled.members.shape[2])
    visited, which, draws = np.unique(flat, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(which.ravel(), kind="stable")
    parts = np.split(totals.ravel()[order], np.cumsum(draws)[:-1])
    median = np.asarray([np.median(part) for part in parts])
    if enumerated is None:
        by_draw = which.reshape(totals.shape)
        ranks = np.argsort(-draws, kind="stable")
        error = _monte_carlo_errors(by_draw, ranks, draws)
        share = draws / totals.size
        return Ranked(visited[ranks], share[ranks], error[ranks], draws[ranks], median[ranks])
    return _with_enumerated(enumerated, visited, draws, median)


def _monte_carlo_errors(by_draw: IntArray, ranks: IntArray, draws: IntArray) -> FloatArray:
    error = np.full(draws.size, np.nan)
    for m in ranks[:MOST_ERRORS]:
        if draws[m] >= FEWEST_TABLES:
            error[m] = monte_carlo_error(by_draw == m)
    return error


def monte_carlo_error(indicator: BoolArray) -> float:
    """Monte Carlo standard error of the mean of an indicator, (chains, draws)."""
    from arviz_stats.base import array_stats

    if indicator.all() or not indicator.any():
        return 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(array_stats.mcse(indicator.astype(np.float64), method="mean"))


def _with_enumerated(
    enumerated: Enumerated, visited: BoolArray, draws: IntArray, median: FloatArray
) -> Ranked:
    """Join the draws of visited models to the probabilities of all."""
    places = {row.tobytes(): i for i, row in enumerate(visited)}
    ranks = np.argsort(-enumerated.probability, kind="stable")
    rows = [
        (m, places.get(enumerated.members[m].tobytes(), -1))
        for m in ranks
        if enumerated.probability[m] >= LISTED or enumerated.members[m].tobytes() in places
    ]
    models, own = np.asarray(rows, dtype=np.int64).T
    return Ranked(
        enumerated.members[models],
        enumerated.probability[models],
        enumerated.error[models],
        np.where(own >= 0, draws[own], 0),
        np.where(own >= 0, median[own], np.nan),
    )


class Existence(NamedTuple):
    """Whether the data determine the hidden number, by model.

    Attributes
    ----------
    status : list of str
        Of the maximum likelihood estimate; empty where it was not examined.
    limit : list of str
        Where the hidden number goes.
    left_to_prior : float
        Probability of the models in which the data do not determine it.
    worst : {"finite", "infinite", "zero", "indeterminate"}
        Limit of most of these.
    lost : dict of int to str
        Strata without anybody observed whose hidden number models of most of the probability do not
        determine, with where it goes in most of them.
    """

    status: list[str]
    limit: list[str]
    left_to_prior: float
    worst: str
    lost: dict[int, Limit]


def examine(setting: Setting, ranked: Ranked, empty: Sequence[int]) -> Existence:
    """Ask of each model whether its maximum likelihood estimate exists.

    A stratum with somebody that goes to zero beside others that are finite is left out of account: it
    adds next to nobody to the total.

    setting: table and models
    ranked: the models
    empty: strata in which nobody was observed
    """
    codes, limits = existence(setting, ranked.members)
    examined = codes >= 0
    weight = np.where(examined, ranked.probability, 0.0)
    weight = weight / max(float(weight.sum()), 1e-300)
    without = _lost(limits, weight, empty)
    rest = np.delete(limits, [*without], axis=1)
    lost = np.any((rest != FINITE) & (rest != ZERO), axis=1) | np.all(rest == ZERO, axis=1)
    names = [str(joint_limit([LIMITS[code] for code in np.unique(row)])) for row in limits]
    shares: dict[str, float] = {}
    for name, share, gone in zip(names, weight, lost, strict=True):
        if gone:
            shares[name] = shares.get(name, 0.0) + float(share)
    status = [STATUSES[code] if code >= 0 else "" for code in codes]
    worst = max(shares, key=lambda name: shares[name]) if shares else "finite"
    shown = [name if known else "" for name, known in zip(names, examined, strict=True)]
    return Existence(status, shown, float(weight[lost].sum()), worst, without)


def _lost(limits: IntArray, weight: FloatArray, empty: Sequence[int]) -> dict[int, Limit]:
    """Of some strata, those that most of the probability leaves to the prior."""
    found: dict[int, Limit] = {}
    for stratum in empty:
        shares = np.bincount(limits[:, stratum], weight, minlength=len(LIMITS))
        shares[FINITE] = 0.0
        if shares.sum() > DECIDES:
            found[stratum] = LIMITS[int(np.argmax(shares))]
    return found


def undetermined(found: Existence) -> Undetermined | None:
    """Say that the prior decides, if it does."""
    if found.left_to_prior <= DECIDES:
        return None
    return Undetermined(
        found.worst,  # type: ignore[arg-type]
        Message("reason.prior_decides", share=found.left_to_prior, growth=_growth(found)),
    )


def caution(found: Existence) -> str:
    """Say how far the prior speaks, if it does not decide; empty if hardly."""
    if not SPEAKS < found.left_to_prior <= DECIDES:
        return ""
    return Message("remark.prior_speaks", share=found.left_to_prior, growth=_growth(found))


def _growth(found: Existence) -> Message:
    """Say what the likelihood does where the prior decides."""
    return Message(f"reason.growth.{found.worst}")


def models_frame(setting: Setting, ranked: Ranked, found: Existence) -> pd.DataFrame:
    """Show the models as a DataFrame."""
    size = members_by_parameter(setting, ranked.members).sum(axis=1)
    return pd.DataFrame(
        {
            "model": [model_of(setting, row).notation() for row in ranked.members],
            "n_parameters": size,
            "probability": ranked.probability,
            "error": ranked.error,
            "total": ranked.median,
            "draws": ranked.draws,
            "status": found.status,
            "limit": found.limit,
        }
    )


def inclusion_frame(
    setting: Setting, sampled: Sampled, enumerated: Enumerated | None
) -> pd.DataFrame:
    """Show the probability of each interaction as a DataFrame."""
    terms = setting.largest.terms[1:]
    free = np.flatnonzero(setting.target.scope.free)
    if enumerated is not None:
        prior = enumerated.members[:, free].mean(axis=0)
        share, error = enumerated.share(enumerated.members[:, free])
    else:
        inside = sampled.members[:, :, free]
        share = inside.mean(axis=(0, 1))
        error = np.asarray([monte_carlo_error(inside[:, :, j]) for j in range(free.size)])
        # Pairs come and go freely: half of the models have each.
        pairs_only = max(len(term) for term in terms) <= 2
        prior = np.full(free.size, 0.5 if pairs_only else np.nan)
    names = [setting.largest.term_name(terms[t]) for t in free]
    index = pd.Index(names, name="interaction", dtype=object)
    return pd.DataFrame({"prior": prior, "probability": share, "error": error}, index=index)


# Averages over hierarchical log-linear models by their posterior probabilities --------------------

Prior = Literal["unit-information", "sabanes-bove-held"]
Strategy = Literal["auto", "enumerate", "reversible-jump"]

#: Models, and cells of all of them together, up to which all are enumerated of one's own accord.
MOST_MODELS, MOST_CELLS = 40_000, 4_000_000
#: Models that can be enumerated on request.
MOST_ON_REQUEST = 1_000_000
#: Smallest number of draws of a chain that its diagnostics make sense of.
FEWEST_DRAWS = 100
#: Numerical error of a probability beyond which it is mentioned.
LARGE_ERROR = 0.02

NOBODY = Undetermined("indeterminate", Message("nobody.in_sample"))


@dataclass(frozen=True)
class BayesianLogLinear:
    r"""Estimate N by averaging over hierarchical log-linear models.

    Parameters
    ----------
    prior : {"unit-information", "sabanes-bove-held"}, default "unit-information"
        Prior of the coefficients, given the model: normal with a variance that is fixed (Ntzoufras,
        Dellaportas & Forster 2003), or that has an inverse gamma distribution (Sabanes Bove & Held 2011).
    variance : float, default 1.0
        Variance :math:`\sigma^2` of the unit information prior.
    shape, rate : float, default 1e-3
        Of the other: :math:`\sigma^2` is inverse gamma with shape ``shape / 2`` and rate ``rate / 2``.
    max_order : int, default 2
        Largest interaction. The interaction of all lists never takes part, nor does one that contains it.
    strategy : {"auto", "enumerate", "reversible-jump"}, default "auto"
        Compute the probabilities of all models, or go from model to model by reversible jump; by default the
        first where there are at most 40,000 models.
    draws : int, default 2500
        Draws of each chain.
    chains : int, default 4
        Chains, from over-dispersed starts: the smallest model, the largest, and random ones.
    warmup : int, default 1000
        Iterations of each chain before the first draw.
    thin : int, default 4
        Iterations from draw to draw.
    seed : int, default 1
        Equal settings give equal answers on one machine, whatever the number of workers; draws differ
        between kinds of processors.

    Notes
    -----
    The counts of the observable histories are Poisson with log means :math:`x(c)'\beta`, with sum-to-zero
    contrasts. Every hierarchical model between the main effects and all interactions of `max_order` has the
    same prior probability. Given the model the intercept is flat and the other coefficients are normal,

    .. math:: \beta \mid \sigma^2 \sim N(0, \sigma^2\, C\, (X'X)^{-1}),

    over all :math:`C` cells of the table: for a pair of lists the log odds ratio is
    :math:`4 \beta`, so that :math:`\sigma^2 = 1` takes odds ratios from 1/2,500 to 2,500 for likely. This is the
    analysis of Overstall & King (2014, Journal of Statistical Software 58(7); Statistical Methodology 19,
    90-102) and, but for the prior, of King & Brooks (2001, Biometrika 88, 317-336).

    A count within bounds enters by its probability, a count over several cells by the sum of their means,
    and hidden cells are integrated out, so nothing is imputed while sampling; persons are drawn
    afterwards. The likelihood of sums is not concave: a second mode within one model may be missed.

    Where a prior is proper there is always a posterior, also if the data say nothing about the hidden number.
    So each model is asked whether the maximum likelihood estimate exists within it. Where it does
    not in models of more than half of the posterior probability, the status is ``not_estimable``; where it does not
    in more than 2.5 %, a warning says so.

    Examples
    --------
    >>> import mse
    >>> fit = mse.BayesianLogLinear(draws=500).fit(mse.load_dataset("kosovo"))
    >>> fit.model, round(float(fit.inclusion.loc["ABA:HRW", "probability"]), 2)
    ('[12,13,14,23,34]', 0.03)
    >>> 14_000 < fit.population.total < 14_600
    True
    """

    method = Method(
        "Bayesian average over log-linear models",
        references=(
            "King, R. and Brooks, S. P. (2001). On the Bayesian analysis of population size. Biometrika 88, 317-336.",
            "Overstall, A. M. and King, R. (2014). conting: an R package for Bayesian analysis of complete and incomplete contingency tables. Journal of Statistical Software 58(7).",
        ),
    )

    prior: Prior = "unit-information"
    variance: float = 1.0
    shape: float = 1e-3
    rate: float = 1e-3
    max_order: int = 2
    strategy: Strategy = "auto"
    draws: int = 2500
    chains: int = 4
    warmup: int = 1000
    thin: int = 4
    seed: int = 1

    def __post_init__(self) -> None:
        _check_choice("prior", self.prior, ("unit-information", "sabanes-bove-held"))
        _check_choice("strategy", self.strategy, ("auto", "enumerate", "reversible-jump"))
        for name in ("variance", "shape", "rate"):
            check_positive(name, getattr(self, name))
        least = {
            "max_order": 1,
            "draws": FEWEST_DRAWS,
            "chains": 1,
            "warmup": 0,
            "thin": 1,
            "seed": 0,
        }
        for name, fewest in least.items():
            check_whole(name, getattr(self, name), fewest)

    def fit(self, table: CaptureTable) -> BayesianLogLinearFit:
        """Draw models, coefficients and hidden persons from their posterior.

        Parameters
        ----------
        table : CaptureTable
            Any table but one of margins; counts may be within bounds, or over several cells.

        Returns
        -------
        BayesianLogLinearFit

        Raises
        ------
        ModelError
            If the table cannot be taken, or has too many models to enumerate.

        Warns
        -----
        ConvergenceWarning
            If the chains have not settled.
        """
        prior = [self.variance, 0.0, 0.0]
        if self.prior == "sabanes-bove-held":
            prior = [0.0, self.shape, self.rate]
        setting = make_setting(table, self.max_order, np.asarray(prior))
        if table.n_observed == 0:
            return BayesianLogLinearFit(self, table, setting, None)
        fit = BayesianLogLinearFit(self, table, setting, _find(self, setting))
        announce(fit)
        return fit


def _check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ModelError(f"{name}={value!r} is not known; expected {', '.join(map(repr, known))}.")


class _Found(NamedTuple):
    """What was drawn and computed."""

    enumerated: Enumerated | None
    sampled: Sampled
    persons: Persons

    @property
    def totals(self) -> FloatArray:
        """Draws of the total, (chains, draws), persons."""
        total = self.persons.hidden.sum(axis=1) + self.persons.observed.sum()
        return np.asarray(total.reshape(self.sampled.members.shape[:2]))


def _find(estimator: BayesianLogLinear, setting: Setting) -> _Found:
    """Compute the probabilities of models, or not, and draw."""
    seeds = np.random.SeedSequence(estimator.seed).spawn(3)
    enumerated = None
    if _is_enumerated(estimator, setting):
        enumerated = enumerate_models(setting.target, seeds[0])
    schedule = (estimator.warmup, estimator.thin, estimator.draws)
    sampled = sample_models(setting.target, enumerated, schedule, seeds[1].spawn(estimator.chains))
    flat = sampled.coefficients.reshape(-1, sampled.coefficients.shape[2])
    persons = draw_persons(setting, flat, np.random.default_rng(seeds[2]))
    return _Found(enumerated, sampled, persons)


def _is_enumerated(estimator: BayesianLogLinear, setting: Setting) -> bool:
    """Whether all models are computed; raises if they cannot be."""
    if estimator.strategy == "reversible-jump":
        return False
    asked = estimator.strategy == "enumerate"
    most = MOST_ON_REQUEST if asked else MOST_MODELS
    count = count_models(setting.target.scope, most)
    if asked and count > most:
        raise ModelError(
            f"There are more than {most:,} hierarchical models up to order {estimator.max_order}; they "
            "cannot all be enumerated. Use strategy='reversible-jump', or a smaller max_order."
        )
    return asked or (count <= most and count * setting.target.start.size <= MOST_CELLS)


@dataclass(frozen=True, eq=False, repr=False)
class BayesianLogLinearFit(BayesianFit):
    """What averaging over log-linear models learned from a table.

    Attributes
    ----------
    estimator : BayesianLogLinear
        Assumptions and settings.
    table : CaptureTable
        The data.
    """

    estimator: BayesianLogLinear
    table: CaptureTable
    _setting: Setting = field(repr=False)
    _found: _Found | None = field(repr=False)

    def __repr__(self) -> str:
        return f"<BayesianLogLinearFit over {len(self.models):,} models: {self.status}>"

    # Models ------------------------------------------------------------------------------------

    @cached_property
    def _ranked(self) -> Ranked | None:
        if self._found is None:
            return None
        return rank_models(self._found.sampled, self._found.totals, self._found.enumerated)

    @cached_property
    def _existence(self) -> Existence | None:
        if self._ranked is None:
            return None
        return examine(self._setting, self._ranked, without_observed(self.table))

    @property
    def enumerated(self) -> bool:
        """Whether the probabilities of all models were computed, rather than counted from draws."""
        return self._found is not None and self._found.enumerated is not None

    @cached_property
    def structure(self) -> HierarchicalModel:
        """The most probable model."""
        best = ~self._setting.target.scope.free if self._ranked is None else self._ranked.members[0]
        return model_of(self._setting, best)

    @property
    def model(self) -> str:
        """The most probable model in canonical notation, such as ``"[12,13,4]"``."""
        return self.structure.notation()

    @cached_property
    def models(self) -> pd.DataFrame:
        """The models that matter, the most probable ones first.

        Returns
        -------
        DataFrame
            Columns ``model``, ``n_parameters``, ``probability`` (posterior), ``error`` (its numerical standard
            error), ``total`` (median of N within the model, persons; NaN where no draw is in it), ``draws``
            (in the model), ``status`` and ``limit`` of its maximum likelihood estimate. Where all models were
            enumerated, those of a probability of at least one in a million; otherwise those that were drawn.
        """
        if self._ranked is None or self._existence is None:
            columns = ["model", "n_parameters", "probability", "error", "total", "draws"]
            return pd.DataFrame(columns=[*columns, "status", "limit"])
        return models_frame(self._setting, self._ranked, self._existence)

    @cached_property
    def inclusion(self) -> pd.DataFrame:
        """Posterior probability of each interaction.

        Returns
        -------
        DataFrame
            Indexed by interaction, ``"police:care"``: ``prior`` (NaN where it is not known), ``probability``,
            ``error`` (numerical standard error of the probability).
        """
        if self._found is None:
            return pd.DataFrame(columns=["prior", "probability", "error"])
        return inclusion_frame(self._setting, self._found.sampled, self._found.enumerated)

    # Draws -------------------------------------------------------------------------------------

    @cached_property
    def chains(self) -> Chains:
        """Draws of N, hidden persons by stratum, coefficients, and which interactions are present.

        Coefficients are differences from the first level of each axis, 0 where the model has none.
        """
        if self._found is None:
            nothing = np.full((1, FEWEST_DRAWS, self.table.n_strata), np.nan)
            return Chains({"N": nothing.sum(axis=2), "hidden": nothing})
        found, scope = self._found, self._setting.target.scope
        shape = found.sampled.members.shape[:2]
        present = found.sampled.members[:, :, scope.free].astype(np.float64)
        strata = list(product(*self.table.covariates.values()))
        return Chains(
            {
                "N": found.totals,
                "hidden": found.persons.hidden.reshape(*shape, -1),
                "coefficients": found.sampled.coefficients,
                "present": present,
                "n_interactions": present.sum(axis=2),
            },
            coords={
                "stratum": [" ".join(map(str, each)) for each in strata],
                "coefficient": list(self._setting.layout.names),
                "interaction": list(self.inclusion.index),
            },
            dims={
                "hidden": ("stratum",),
                "coefficients": ("coefficient",),
                "present": ("interaction",),
            },
        )

    @property
    def moves(self) -> pd.DataFrame:
        """Share of the proposed moves that each chain accepted, by kind of move.

        Returns
        -------
        DataFrame
            One row a chain: ``term_by_term``, ``within_model``, ``to_known_model``; NaN where none was tried.
        """
        names = ["term_by_term", "within_model", "to_known_model"]
        if self._found is None:
            return pd.DataFrame(columns=names)
        moves = self._found.sampled.moves
        tried = np.where(moves[:, :, 0] > 0, moves[:, :, 0], np.nan)
        return pd.DataFrame(moves[:, :, 1] / tried, columns=names)

    # What the base asks ------------------------------------------------------------------------

    @property
    def _undetermined(self) -> Undetermined | None:
        return NOBODY if self._existence is None else undetermined(self._existence)

    @property
    def _model(self) -> str:
        return ""

    @property
    def _remarks(self) -> tuple[str, ...]:
        if self._found is None or self._existence is None:
            return ()
        remarks = [caution(self._existence)]
        enumerated = self._found.enumerated
        if enumerated is not None and enumerated.error.max() > LARGE_ERROR:
            remarks.append(Message("remark.model_error", error=enumerated.error.max()))
        if self._setting.sums:
            remarks.append(Message("remark.sums_of_cells"))
        return tuple(each for each in remarks if each)

    @property
    def _whole(self) -> Persons:
        if self._found is None:
            raise ModelError(f"There are no draws: {self.reason}")
        return self._found.persons

    @property
    def _observed_by_stratum(self) -> IntArray:
        return self._whole.observed

    @property
    def _lost(self) -> Mapping[int, Limit]:
        return {} if self._existence is None else self._existence.lost

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

        Raises
        ------
        ModelError
            If the table is known in part, or nobody was observed.
        """
        if not self.table.is_complete:
            raise ModelError(
                "The table holds counts within bounds or over several cells, which cannot be compared "
                "with predicted ones history by history. Ask of a table of exact counts."
            )
        return super().posterior_predictive(draws, seed)

    def _predict(self, size: int, rng: np.random.Generator) -> IntArray:
        if self._found is None:
            raise ModelError(f"Nothing can be predicted: {self.reason}")
        coefficients = self._found.sampled.coefficients
        flat = coefficients.reshape(-1, coefficients.shape[2])
        picked = flat[rng.integers(len(flat), size=size)]
        return np.asarray(rng.poisson(cell_means(self._setting, picked)))

    def _other_priors(self) -> Mapping[str, Estimator]:
        asked = self.estimator
        others: dict[str, Estimator] = {}
        if asked.prior == "unit-information":
            others["a quarter of the variance"] = replace(asked, variance=asked.variance / 4)
            others["four times the variance"] = replace(asked, variance=asked.variance * 4)
            others["Sabanes Bove and Held"] = replace(asked, prior="sabanes-bove-held")
        else:
            others["unit information"] = replace(asked, prior="unit-information")
            others["variance inverse gamma (1/2, 1/2)"] = replace(asked, shape=1.0, rate=1.0)
        order = asked.max_order + 1
        larger = largest_model(self.table, order)
        if order > 2 and len(larger.terms) > len(self._setting.largest.terms):
            others[f"interactions up to order {order}"] = replace(asked, max_order=order)
        others["independent lists"] = replace(asked, max_order=1)
        return others
