"""Averages over decomposable graphs of dependence between lists.

References
----------
Dawid, A. P. and Lauritzen, S. L. (1993). Hyper Markov laws in the statistical analysis of
decomposable graphical models. Annals of Statistics 21, 1272-1317.
Madigan, D. and York, J. C. (1997). Bayesian methods for estimation of the size of a closed
population. Biometrika 84, 19-31.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from mse.bayes.decomposable_fit import DecomposableGraphsFit
from mse.bayes.decomposable_posterior import learn
from mse.bayes.fit import announce
from mse.core.graph_posterior import FARTHEST
from mse.core.graphs import MAX_ENUMERATED
from mse.errors import ModelError

if TYPE_CHECKING:
    from mse.table import CaptureTable

__all__ = ["DecomposableGraphs", "DecomposableGraphsFit", "LogPrior"]

#: Log prior density of N, up to a constant, at an array of totals.
LogPrior: TypeAlias = Callable[[np.ndarray], np.ndarray]

#: Beyond this the table of one clique would not fit into memory.
MAX_LISTS = 20
#: Smallest number of draws of a chain that its diagnostics make sense of.
FEWEST_DRAWS = 100


@dataclass(frozen=True)
class DecomposableGraphs:
    r"""Estimate N by an average over all decomposable graphs of dependence between lists.

    The estimand is N, all persons of the population, on a list or on none. Each graph says which
    lists depend on each other; a posterior weighs them, and N is averaged over all of them: exactly
    for up to seven lists, by Markov chains over graphs for more.

    Parameters
    ----------
    delta : float, optional
        Prior weight of each cell of the full table of :math:`2^K` histories, in persons;
        :math:`2^{-K}` by default, one person in all. A cell of the table of a clique of c lists has
        :math:`2^{K - c}` times as much.
    prior : {"reciprocal", "uniform"} or function, default "reciprocal"
        Prior of N: proportional to 1/N, constant, or a function that gives the log prior density, up
        to a constant, at a float64 array of totals: smooth, and finite everywhere.
    edge_probability : float, default 0.5
        Prior probability of each pair of lists to be joined, before graphs that are not
        decomposable are left out; with one half all graphs are equally likely.
    complete : bool, default True
        Whether the complete graph takes part. Under it the data say nothing about the hidden number,
        and with it, and the default prior, the posterior mean of N is infinite, whatever the data.
    hidden_from : int, default 0
        Smallest hidden count of the support.
    hidden_max : int, optional
        Largest one. By default the support reaches until less than 1e-9 of the probability is left,
        and at most to 1.1e12.
    exact : bool, optional
        Sum over all graphs (up to seven lists) or sample them; by default what is possible.
    draws : int, default 1000
        Draws of each chain; of a sum over all graphs, independent draws.
    chains : int, default 4
        Chains, started from graphs between no edges and all of them.
    seed : int, default 1
        Equal settings give equal answers on one machine; draws differ between processors.

    Notes
    -----
    Given a graph, the cell probabilities have the hyper-Dirichlet prior of Dawid & Lauritzen (1993)
    and integrate out (Madigan & York 1997); see `mse.core.decomposable`. What remains is summed over
    all graphs and hidden counts. Where a largest count is given, every integer is summed up to 2e8
    pairs of a graph and an integer; elsewhere, panels of 16 nodes stand for their integers to about
    ten digits (`mse.core.hidden_grid`). Graphs with less than 1e-34 of the probability of the best
    one are bounded only.

    The point estimate is the median. The data do not determine N where graphs with more than half of
    the probability leave it open: those under which nobody was seen on lists that the graph takes to
    be independent, given others. The complete graph is always one of them. Then, and where the
    posterior is not proper, the status is ``not_estimable``.

    With more than seven lists, copies of each chain at higher temperatures carry it from mode to
    mode, and the hidden count is summed out in every step (`mse.core.graph_chain`).

    Examples
    --------
    >>> import mse
    >>> fit = mse.DecomposableGraphs().fit(mse.load_dataset("kosovo"))
    >>> fit.population.total, fit.population.interval()
    (12595.0, (9827.0, 16544.0))
    >>> fit.graphs.head(3).round(3)[["model", "probability", "median"]]
           model  probability   median
    0  [123,134]        0.986  12623.0
    1   [123,34]        0.011   8631.0
    2  [123,234]        0.004   7653.0
    """

    delta: float | None = None
    prior: Literal["reciprocal", "uniform"] | LogPrior = "reciprocal"
    edge_probability: float = 0.5
    complete: bool = True
    hidden_from: int = 0
    hidden_max: int | None = None
    exact: bool | None = None
    draws: int = 1000
    chains: int = 4
    seed: int = 1

    def __post_init__(self) -> None:
        _check_priors(self)
        first, last = self.hidden_from, FARTHEST - 1 if self.hidden_max is None else self.hidden_max
        whole = first == int(first) and last == int(last)
        if not (whole and 0 <= first <= last < FARTHEST):
            raise ModelError(
                f"The hidden number is bounded to {self.hidden_from!r} to {self.hidden_max!r}; expected "
                f"whole numbers with 0 <= hidden_from <= hidden_max < {FARTHEST:,}."
            )
        for name, fewest in (("draws", FEWEST_DRAWS), ("chains", 1)):
            value = getattr(self, name)
            if value != int(value) or value < fewest:
                raise ModelError(f"{name}={value!r}: expected a whole number, {fewest} or more.")

    def fit(self, table: CaptureTable) -> DecomposableGraphsFit:
        """Average over the graphs of a table's lists.

        Parameters
        ----------
        table : CaptureTable
            Lists without covariates, all counts and memberships known.

        Returns
        -------
        DecomposableGraphsFit

        Raises
        ------
        ModelError
            If the table has covariates or more than 20 lists or is known in part, if a sum over all
            graphs of more than seven lists is asked for, or a prior of N cannot be used.

        Warns
        -----
        ConvergenceWarning
            If graphs were sampled and the chains have not settled.
        """
        _check_table(table)
        exact = table.n_lists <= MAX_ENUMERATED if self.exact is None else self.exact
        if exact and table.n_lists > MAX_ENUMERATED:
            raise ModelError(
                f"exact=True sums over all graphs of at most {MAX_ENUMERATED} lists and the table has "
                f"{table.n_lists}, with more than 30 million graphs. Leave exact out, or merge lists."
            )
        if table.n_observed == 0:
            return DecomposableGraphsFit(self, table, None)
        fit = DecomposableGraphsFit(self, table, learn(self, table, exact=exact))
        if not exact:
            announce(fit)
        return fit


def _check_priors(estimator: DecomposableGraphs) -> None:
    delta, odds = estimator.delta, estimator.edge_probability
    if delta is not None and not (isfinite(delta) and delta > 0):
        raise ModelError(f"delta={delta!r}: expected a positive number, persons per cell.")
    if not 0 < odds < 1:
        raise ModelError(f"edge_probability={odds!r}: expected a number between 0 and 1.")
    prior = estimator.prior
    if not callable(prior) and prior not in ("reciprocal", "uniform"):
        raise ModelError(
            f"prior={prior!r} is not known; expected 'reciprocal', 'uniform' or a function that gives "
            "the log prior density of N at an array of totals."
        )
    open_ended = prior == "uniform" and estimator.complete and estimator.hidden_max is None
    if open_ended and delta is None:
        raise ModelError(
            "With prior='uniform', the complete graph and the default delta no posterior is proper, "
            "whatever the data. Leave out the complete graph (complete=False), bound the hidden number "
            "(hidden_max), or give a larger delta."
        )


def _check_table(table: CaptureTable) -> None:
    if table.covariates:
        raise ModelError(
            f"DecomposableGraphs takes no covariates and the table has {', '.join(table.covariates)}. "
            "Fit each of table.by(...), or sum over them with table.collapse(...)."
        )
    if not table.is_complete:
        raise ModelError(
            "DecomposableGraphs needs every count and every list membership; in the table some are "
            "known in part, or only as margins. mse.LogLinear takes such tables; or leave out the "
            "lists concerned with table.drop_lists(...)."
        )
    if table.n_lists > MAX_LISTS:
        raise ModelError(
            f"The table has {table.n_lists} lists and DecomposableGraphs takes {MAX_LISTS}: merge or "
            "drop some."
        )
