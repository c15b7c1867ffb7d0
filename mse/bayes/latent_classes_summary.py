"""What draws of latent class models say about the classes, and tables they predict.

References
----------
Papastamoulis, P. and Iliopoulos, G. (2010). An artificial allocations based solution to the label
switching problem in Bayesian analysis of mixtures of distributions. Journal of Computational and
Graphical Statistics 19, 313-331.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.special import expit, log_expit

from mse.core.latent_classes import evaluate, make_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mse._typing import FloatArray, IntArray, Level
    from mse.bayes.latent_classes_sampling import Sampled
    from mse.core.latent_classes import Target

#: Classes with fewer observed persons, in expectation, count as empty.
NOBODY = 0.5
#: Ends of the intervals of class parameters.
TAILS = (0.025, 0.5, 0.975)


class Relabeled(NamedTuple):
    """Parameters of the classes that observed persons are in, the same class in the same place.

    Attributes
    ----------
    observed : float64 array (M, h)
        Observed persons in expectation.
    weights : float64 array (M, h)
        Shares of N.
    by_stratum : float64 array (M, S, h)
        Weights in each stratum.
    chances : float64 array (M, K, h)
        Capture probabilities.
    """

    observed: FloatArray
    weights: FloatArray
    by_stratum: FloatArray
    chances: FloatArray


def mixture(theta: FloatArray, target: Target) -> tuple[FloatArray, FloatArray]:
    """Read class weights (M, S, H) and capture probabilities (M, K, H) off states (M, D)."""
    n_strata, h = target.histories.observed.size, target.n_classes
    sticks = theta[:, : n_strata * (h - 1)].reshape(len(theta), n_strata, h - 1)
    logs = np.zeros((len(theta), n_strata, h))
    logs[:, :, :-1] = log_expit(sticks)
    logs[:, :, 1:] += np.cumsum(log_expit(-sticks), axis=2)
    logits = theta[:, n_strata * (h - 1) :].reshape(-1, target.histories.n_lists, h)
    return np.exp(logs), expit(logits)


def concentrations(theta: FloatArray, target: Target, seed: int) -> FloatArray:
    """Draw alpha given the sticks, which is all that it depends on: Gamma.

    Parameters
    ----------
    theta : float64 array (chains, M, D)
        States.
    target : Target
        The posterior.
    seed : int
        The same seed gives the same draws.

    Returns
    -------
    float64 array (chains, M)
    """
    n_sticks = target.histories.observed.size * (target.n_classes - 1)
    length = -log_expit(-theta[:, :, :n_sticks]).sum(axis=2)
    rng = np.random.default_rng([seed, 1])
    shape = target.priors.shape + n_sticks
    return np.asarray(rng.standard_gamma(shape, length.shape) / (target.priors.rate + length))


def _expected_shares(theta: FloatArray, target: Target) -> Iterator[FloatArray]:
    """Observed persons by history and class in expectation, (R, H), state by state."""
    work = make_workspace(target)
    for one in theta:
        evaluate(one, target, work)
        yield work.shares


def count_occupied(theta: FloatArray, target: Target, seed: int) -> pd.Series:
    """Distribution of the number of classes with observed persons in them.

    Parameters
    ----------
    theta : float64 array (chains, M, D)
        States.
    target : Target
        The posterior.
    seed : int
        Persons are put into classes at random, the same for the same seed.

    Returns
    -------
    Series
        Probabilities indexed by number of classes.
    """
    rng = np.random.default_rng([seed, 2])
    counts = target.histories.counts.astype(np.int64)
    states = theta.reshape(-1, theta.shape[2])
    found = np.zeros(target.n_classes + 1)
    for shares in _expected_shares(states, target):
        persons = rng.multinomial(counts, shares / shares.sum(axis=1, keepdims=True))
        found[(persons.sum(axis=0) > 0).sum()] += 1.0 / len(states)
    numbers = pd.Index(range(target.n_classes + 1), name="classes")
    return pd.Series(found, numbers, name="probability").loc[lambda each: each > 0]


def relabel(sampled: Sampled, target: Target) -> Relabeled:
    """Give classes that agree the same place in every draw, and leave out the empty ones."""
    theta = sampled.theta.reshape(-1, sampled.theta.shape[2])
    weights, chances = mixture(theta, target)
    totals = sampled.hidden.reshape(len(theta), -1) + target.histories.observed
    pivot = np.zeros(0)
    order = np.zeros((len(theta), target.n_classes), dtype=np.int64)
    observed = np.zeros(order.shape)
    best = int(np.argmax(sampled.stats[:, :, 0]))
    for shares in _expected_shares(theta[best : best + 1], target):
        pivot = shares / target.histories.counts[:, None]
    for m, shares in enumerate(_expected_shares(theta, target)):
        order[m] = linear_sum_assignment(pivot.T @ shares, maximize=True)[1]
        observed[m] = shares.sum(axis=0)[order[m]]
    share_of_n = np.einsum("ms,msh->mh", totals, weights) / totals.sum(axis=1, keepdims=True)
    medians = np.median(observed, axis=0)
    kept = [int(h) for h in np.argsort(-medians) if medians[h] >= NOBODY]
    picked = order[:, kept]
    return Relabeled(
        observed[:, kept],
        np.take_along_axis(share_of_n, picked, axis=1),
        np.take_along_axis(weights, picked[:, None, :], axis=2),
        np.take_along_axis(chances, picked[:, None, :], axis=2),
    )


def describe_classes(found: Relabeled, lists: Sequence[str]) -> pd.DataFrame:
    """Tabulate medians and 95% intervals of the parameters of the classes."""
    columns = {"observed": found.observed, "weight": found.weights}
    columns |= {name: found.chances[:, k] for k, name in enumerate(lists)}
    table: dict[str, FloatArray] = {}
    for name, draws in columns.items():
        low, middle, high = np.quantile(draws, TAILS, axis=0)
        table |= {name: middle, f"{name}_low": low, f"{name}_high": high}
    return pd.DataFrame(table, index=pd.RangeIndex(1, found.observed.shape[1] + 1, name="class"))


def weights_by_stratum(
    found: Relabeled, covariates: Mapping[str, tuple[Level, ...]]
) -> pd.DataFrame:
    """Tabulate the median weights of the classes, one column a stratum."""
    medians = np.median(found.by_stratum, axis=0).T
    rows = pd.RangeIndex(1, len(medians) + 1, name="class")
    if not covariates:
        return pd.DataFrame(medians, rows, ["weight"])
    columns = pd.MultiIndex.from_product([*covariates.values()], names=[*covariates])
    return pd.DataFrame(medians, rows, columns)


def predict(sampled: Sampled, target: Target, size: int, rng: np.random.Generator) -> IntArray:
    """Draw tables of the lists that somebody is on: N persons thrown into the cells.

    Parameters
    ----------
    sampled : Sampled
        Draws.
    target : Target
        The posterior.
    size : int
        Number of tables.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    int64 array (size, C, S)
    """
    n_lists, n_strata = target.histories.n_lists, target.histories.observed.size
    theta = sampled.theta.reshape(-1, sampled.theta.shape[2])
    hidden = sampled.hidden.reshape(-1, n_strata)
    tables = np.zeros((size, 2**n_lists, n_strata), dtype=np.int64)
    for m, at in enumerate(rng.integers(len(theta), size=size)):
        weights, chances = mixture(theta[at : at + 1], target)
        cells = np.ones((1, target.n_classes))
        for chance in chances[0]:
            cells = np.stack([cells * (1 - chance), cells * chance], axis=1)
            cells = cells.reshape(-1, target.n_classes)
        shares = weights[0] @ cells.T
        persons = (hidden[at] + target.histories.observed).astype(np.int64)
        tables[m] = rng.multinomial(persons, shares / shares.sum(axis=1, keepdims=True)).T
    return tables
