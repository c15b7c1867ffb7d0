"""What a posterior over log-linear models says, as tables: models, interactions, and what is left to the prior."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from mse._strata import joint_limit
from mse.bayes.fit import Undetermined
from mse.bayes.log_linear_setting import existence, members_by_parameter, model_of
from mse.core.batch import STATUSES
from mse.core.existence import FINITE, LIMITS, ZERO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import BoolArray, FloatArray, IntArray, Limit
    from mse.bayes.log_linear_models import Enumerated
    from mse.bayes.log_linear_sampling import Sampled
    from mse.bayes.log_linear_setting import Setting

#: Models of less probability are not listed unless a chain went there.
LISTED = 1e-6
#: A Monte Carlo error is computed from so many draws in a model or more ...
FEWEST_DRAWS = 20
#: ... for so many models at most.
MOST_ERRORS = 200
#: The point estimate is the prior's where models of more probability leave the hidden number to it ...
DECIDES = 0.5
#: ... and an end of a 95 % interval may be where they have more than this.
SPEAKS = 0.025

_GROWTH = {
    "infinite": "the likelihood keeps rising while the hidden number grows without bound",
    "zero": "the likelihood keeps rising while the hidden number goes to zero",
    "indeterminate": "any hidden number fits the observed histories equally well",
}


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

    Parameters
    ----------
    sampled : Sampled
        Draws of all chains.
    totals : float64 array (chains, draws)
        Their totals, persons.
    enumerated : Enumerated, optional
        Probabilities of all models, if they are known.
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
        if draws[m] >= FEWEST_DRAWS:
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

    Parameters
    ----------
    setting : Setting
        Table and models.
    ranked : Ranked
        The models.
    empty : sequence of int
        Strata in which nobody was observed.
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
        f"In models with {found.left_to_prior:.0%} of the posterior probability "
        f"{_GROWTH[found.worst]}: there the prior decides, and the data do not. Lists that overlap "
        "more, or lists merged with table.merge_lists, may help.",
    )


def caution(found: Existence) -> str:
    """Say how far the prior speaks, if it does not decide; empty if hardly."""
    if not SPEAKS < found.left_to_prior <= DECIDES:
        return ""
    return (
        f"In models with {found.left_to_prior:.0%} of the posterior probability the data do not "
        f"determine the hidden number ({_GROWTH[found.worst]}). The prior does it there, and may set an "
        "end of the interval; compare priors with prior_sensitivity()."
    )


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
