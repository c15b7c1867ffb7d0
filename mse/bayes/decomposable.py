"""Averages over decomposable graphs of dependence between lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite, log
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.polynomial import legendre

from mse._progress import track
from mse._settings import check_whole
from mse.answer.intervals import check_level
from mse.answer.method import Method
from mse.answer.protocols import check_lists_alone
from mse.bayes.base import BayesianFit, Chains, Undetermined, announce
from mse.core.decomposable.chain import (
    GraphChain,
    Walk,
    chain_grid,
    draw_pairs,
    frequencies,
    pooled,
    predicted_tables,
    walk_graphs,
)
from mse.core.decomposable.graphs import (
    MAX_ENUMERATED,
    decomposable_graphs,
    list_pairs,
    neighbors,
    pair_probabilities,
)
from mse.core.decomposable.posterior import (
    FARTHEST,
    GraphPosterior,
    Scores,
    Tail,
    average,
    cut,
    mass_beyond,
    tail,
)
from mse.core.decomposable.scores import Problem, distribution, quantile, quantiles, to_coefficients
from mse.errors import ModelError
from mse.messages import Message
from mse.models.terms import HierarchicalModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import FloatArray, IntArray
    from mse.answer.intervals import IntervalMethod
    from mse.answer.protocols import Estimator
    from mse.core.decomposable.scores import HiddenGrid
    from mse.data.table import CaptureTable


# From a table and priors to the posterior over decomposable graphs, exact or from chains ----------

#: Copies of a chain, and the power of the posterior in the last: with eight of them half of the
#: exchanges are made on the bundled tables, and from a twentieth on the moves are nearly free.
_POWERS = np.geomspace(1.0, 0.05, 8)
#: A log prior of N may be this far from a polynomial of degree 15 in a panel.
_SMOOTH = 1e-6


class Visits(NamedTuple):
    """Draws of the chains.

    Attributes
    ----------
    graphs, hidden : int64 arrays (chains, draws)
        Position of each graph, and hidden persons.
    log_mass : float64 array (chains, draws)
        Log posterior mass of the graph, up to a constant.
    """

    graphs: IntArray
    hidden: IntArray
    log_mass: FloatArray


@dataclass(frozen=True, eq=False)
class Learned:
    """Posterior over graphs and hidden counts.

    Attributes
    ----------
    scores : Scores
        Graphs and data.
    tail : Tail
        How the scores of the graphs end.
    posterior : GraphPosterior
        Probabilities, exact or as frequencies.
    visits : Visits or None
        Draws of the chains; None where all graphs were summed over.
    """

    scores: Scores
    tail: Tail
    posterior: GraphPosterior
    visits: Visits | None

    @property
    def unbounded(self) -> float:
        """Probability of graphs under which the likelihood does not fall as N grows."""
        return float(self.posterior.probability[self.tail.surprises == 0].sum())

    @property
    def support(self) -> tuple[int, int]:
        """Smallest and largest hidden count."""
        grid = self.posterior.grid
        return int(grid.first[0]), int(grid.last[-1])


def prepare(estimator: DecomposableGraphs, table: CaptureTable) -> Problem:
    """Put together histories and priors."""
    n_lists = table.n_lists
    kept = table.low > 0
    bits = 1 << np.arange(n_lists, dtype=np.int64)
    delta = 2.0**-n_lists if estimator.delta is None else float(estimator.delta)
    return Problem(
        n_lists,
        np.ascontiguousarray(table.patterns[kept] @ bits, dtype=np.int64),
        table.low[kept].astype(np.float64),
        delta,
        _log_prior(estimator),
    )


def _log_prior(estimator: DecomposableGraphs) -> Callable[[FloatArray], FloatArray]:
    prior = estimator.prior
    return _Asked(prior) if callable(prior) else _Power(1.0 if prior == "reciprocal" else 0.0)


@dataclass(frozen=True)
class _Asked:
    """Log prior that the user gave, with a check of what it answers."""

    function: Callable[[FloatArray], FloatArray]

    def __call__(self, total: FloatArray) -> FloatArray:
        found = np.asarray(self.function(total), dtype=np.float64)
        if found.shape != total.shape or not np.isfinite(found).all():
            raise ModelError(
                "The log prior of N must give a finite number for every total, in an array of the same "
                f"shape; for {total.size:,} totals from {total.min():,.0f} to {total.max():,.0f} it "
                f"gave shape {found.shape} with {np.isfinite(found).sum()} finite numbers. Bounds of "
                "N are set with hidden_from and hidden_max."
            )
        return found


@dataclass(frozen=True)
class _Power:
    """Log prior that falls as N to the power of minus so much."""

    decay: float

    def __call__(self, total: FloatArray) -> FloatArray:
        return -self.decay * np.log(total)


def _prior_decay(problem: Problem) -> float:
    """How fast the prior of N falls: as N to the power of minus this."""
    if isinstance(problem.log_prior, _Power):
        return problem.log_prior.decay
    far = problem.log_prior(np.asarray([FARTHEST / 2, FARTHEST]))
    return float(far[0] - far[1]) / log(2)


def learn(estimator: DecomposableGraphs, table: CaptureTable, *, exact: bool) -> Learned:
    """Find the posterior, by summing over all graphs or by walking among them."""
    problem = prepare(estimator, table)
    find = _exact if exact else _sampled
    learned = find(estimator, problem, _prior_decay(problem))
    if not isinstance(estimator.prior, str):
        _check_smooth(learned.posterior, problem)
    return learned


def _log_odds(estimator: DecomposableGraphs) -> float:
    return log(estimator.edge_probability) - log(1 - estimator.edge_probability)


def _exact(estimator: DecomposableGraphs, problem: Problem, prior_decay: float) -> Learned:
    graphs = decomposable_graphs(problem.n_lists)
    # The last one has all edges.
    chosen = slice(None) if estimator.complete else slice(-1)
    priors = np.bitwise_count(graphs.edges[chosen]) * _log_odds(estimator)
    sets = np.arange(1 << problem.n_lists, dtype=np.int64)
    scores = Scores(problem, sets, graphs.terms[chosen], priors)
    ending = tail(scores, prior_decay)
    last = None if estimator.hidden_max is None else int(estimator.hidden_max)
    found = average(scores, ending.decay, int(estimator.hidden_from), last)
    return Learned(scores, ending, found, None)


def _sampled(estimator: DecomposableGraphs, problem: Problem, prior_decay: float) -> Learned:
    last = FARTHEST if estimator.hidden_max is None else int(estimator.hidden_max)
    grid = chain_grid(problem, int(estimator.hidden_from), last)
    sweep = problem.n_lists * (problem.n_lists - 1)
    walk = Walk(_POWERS, _log_odds(estimator), estimator.complete, sweep)
    chains = _chains(estimator, problem, grid, walk)
    scores, which, log_density = pooled(chains, problem, walk.log_odds)
    ending = tail(scores, prior_decay)
    outside = mass_beyond(scores, ending.decay, last)
    found = frequencies(scores, which, log_density, grid, outside)
    if estimator.hidden_max is None:
        shorter, density, beyond = cut(grid, log_density, found.beyond)
        found = GraphPosterior(found.probability, shorter, density, shorter, beyond)
    return Learned(scores, ending, found, _visits(chains, which))


def _chains(
    estimator: DecomposableGraphs, problem: Problem, grid: HiddenGrid, walk: Walk
) -> list[GraphChain]:
    """Run the chains in threads, from starts between no edges and all of them."""
    from joblib import Parallel, delayed

    n_chains = estimator.chains
    starts = np.linspace(0.0, 1.0, n_chains)
    seeds = np.random.SeedSequence(estimator.seed).spawn(n_chains)
    tasks = (
        delayed(walk_graphs)(
            problem, grid, walk, estimator.draws, np.random.default_rng(seed), start=float(start)
        )
        for seed, start in zip(seeds, starts, strict=True)
    )
    found = Parallel(n_jobs=-1, prefer="threads", return_as="generator")(tasks)
    return list(track(found, n_chains, "Chains over graphs"))


def _visits(chains: list[GraphChain], which: IntArray) -> Visits:
    hidden = np.stack([chain.hidden for chain in chains])
    return Visits(which, hidden, np.stack([chain.log_mass for chain in chains]))


def _check_smooth(posterior: GraphPosterior, problem: Problem) -> None:
    """Raise `ModelError` if a prior bends more within a panel than its nodes can see."""
    panels = posterior.panels
    long = np.diff(panels.start) != panels.last - panels.first + 1
    for i in np.flatnonzero(long):
        own = panels.nodes[panels.start[i] : panels.start[i + 1]]
        values = problem.log_prior(problem.n_observed + own)
        between = (own[1:] + own[:-1]) / 2
        count = panels.last[i] - panels.first[i] + 1
        at = (2 * between - (panels.first[i] + panels.last[i])) / count
        expected = legendre.legval(at, to_coefficients() @ values)
        gap = np.abs(problem.log_prior(problem.n_observed + between) - expected).max()
        if gap > _SMOOTH:
            raise ModelError(
                f"The log prior of N is not smooth between N = {problem.n_observed + own[0]:,.0f} and "
                f"{problem.n_observed + own[-1]:,.0f} (a polynomial misses it by {gap:.2g}). Give a "
                "smooth function of N, and bounds of N by hidden_from and hidden_max."
            )


# What a posterior over decomposable graphs says about itself, in words ----------------------------

NOBODY = Undetermined("indeterminate", Message("nobody.any_list"))

#: A probability that a reader should know of.
_NOTABLE = 0.01
#: Where the median of N is that of graphs that leave N open.
_HALF = 0.5


def share(probability: float) -> str:
    """Write a probability, as a percentage without false precision.

    Examples
    --------
    >>> share(0.084), share(0.99997), share(3e-7)
    ('8.4%', 'more than 99.9%', '3e-07')
    """
    if probability > 1 - 5e-4:
        return Message("share.nearly_all", share=0.999)
    return Message("share.some" if probability >= 5e-4 else "share.hardly", share=probability)


def undetermined(learned: Learned, *, given: bool) -> Undetermined | None:
    """Say why the data leave the hidden number to the prior; None if they do not.

    learned: the posterior
    given: whether the user gave a largest hidden count
    """
    if not given and (learned.tail.decay <= 0).any():
        return Undetermined("infinite", Message("reason.graphs_infinite"))
    if learned.unbounded <= _HALF:
        return None
    complete = _complete_among_unbounded(learned)
    # Not where nobody is on two lists: then no graph bounds anything.
    flat = complete > _HALF * learned.unbounded and learned.tail.surprises.any()
    reason = Message(
        "reason.graphs_prior",
        share=share(learned.unbounded),
        complete=share(complete),
        cure=Message("reason.graphs_flat" if flat else "reason.graphs_few"),
    )
    return Undetermined("indeterminate" if flat else "infinite", reason)


def _complete_among_unbounded(learned: Learned) -> float:
    """Probability of the graph with all edges."""
    everything = (1 << learned.scores.problem.n_lists) - 1
    whole = learned.scores.sets[np.abs(learned.scores.terms[:, 0])] == everything
    return float(learned.posterior.probability[whole].sum())


def remarks(learned: Learned, *, given: bool) -> tuple[str, ...]:
    """Warnings about the upper tail."""
    found = []
    low, high = learned.support
    beyond = learned.posterior.beyond
    if given and beyond > _NOTABLE:
        found.append(Message("remark.hidden_bounded", low=low, high=high, share=share(beyond)))
    if learned.unbounded > _NOTABLE:
        complete = share(_complete_among_unbounded(learned))
        unbounded = share(learned.unbounded)
        found.append(Message("remark.graphs_unbounded", share=unbounded, complete=complete))
    return tuple(found)


def headline(learned: Learned, graphs: pd.DataFrame) -> str:
    """Say what was averaged, and which graphs are most probable."""
    best = graphs.head(3)
    listed = ", ".join(
        f"{model} {share(probability)}"
        for model, probability in zip(best["model"], best["probability"], strict=True)
    )
    how = "summed over" if learned.visits is None else "visited by chains"
    return f"{learned.scores.priors.size:,} decomposable graphs {how}; most probable: {listed}"


# What an average over decomposable graphs learned from a table ------------------------------------

#: Graphs listed in a fit.
LISTED = 1000
#: Cells of predicted tables that are made at once, 1 GB.
_PREDICTED = 1 << 27


@dataclass(frozen=True, eq=False)
class HiddenInterval:
    """Equal-tailed credible interval from the posterior of the hidden count.

    Parameters
    ----------
    observed : int
        Observed persons.
    grid : HiddenGrid
        Support of the hidden count.
    log_density : float64 array (G,)
        Log probability of single hidden counts at its nodes.
    """

    observed: int
    grid: HiddenGrid = field(repr=False)
    log_density: FloatArray = field(repr=False)

    @property
    def kind(self) -> str:
        """The word ``credible``."""
        return "credible"

    @property
    def given(self) -> str:
        """Nothing but the priors."""
        return ""

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total, in persons."""
        check_level(level)
        low, high = (
            self.observed + quantile(self.grid, self.log_density, p)
            for p in ((1 - level) / 2, (1 + level) / 2)
        )
        return float(low), float(high)


@dataclass(frozen=True, eq=False, repr=False)
class DecomposableGraphsFit(BayesianFit):
    """What an average over decomposable graphs learned from a table.

    Attributes
    ----------
    estimator : DecomposableGraphs
        Assumptions and settings.
    table : CaptureTable
        The data.
    """

    estimator: DecomposableGraphs
    table: CaptureTable
    _learned: Learned | None = field(repr=False)

    @property
    def _known(self) -> Learned:
        if self._learned is None:
            raise ModelError(f"There is no posterior: {self.reason}")
        return self._learned

    @cached_property
    def _undetermined(self) -> Undetermined | None:
        if self._learned is None:
            return NOBODY
        return undetermined(self._learned, given=self.estimator.hidden_max is not None)

    @property
    def _remarks(self) -> tuple[str, ...]:
        if self._learned is None:
            return ()
        return remarks(self._learned, given=self.estimator.hidden_max is not None)

    def _headline(self) -> str:
        return "" if self._learned is None else headline(self._learned, self.graphs)

    # Posterior of N ----------------------------------------------------------------------------

    @property
    def support(self) -> tuple[int, int]:
        """Smallest and largest hidden count that were summed over, persons."""
        return self._known.support

    @property
    def tail_mass(self) -> float:
        """Probability of hidden counts above the support, had it no upper end."""
        return self._known.posterior.beyond

    @property
    def unbounded(self) -> float:
        """Probability of graphs under which the data do not bound N from above."""
        return self._known.unbounded

    @cached_property
    def posterior(self) -> pd.DataFrame:
        """Posterior distribution of the total.

        Returns
        -------
        DataFrame
            ``low`` and ``high``, first and last total of a bin, persons, and ``probability``. Bins
            hold one total each where there is any probability to speak of and fewer than 4,096
            totals to a fraction of the posterior's width.
        """
        found = distribution(self._known.posterior.grid, self._known.posterior.log_density)
        n = self.table.n_observed
        return pd.DataFrame(
            {"low": found.first + n, "high": found.last + n, "probability": found.mass}
        )

    @property
    def _median_hidden(self) -> float:
        return float(quantile(self._known.posterior.grid, self._known.posterior.log_density, 0.5))

    @property
    def _uncertainty(self) -> IntervalMethod:
        found = self._known.posterior
        return HiddenInterval(self.table.n_observed, found.grid, found.log_density)

    # Posterior of graphs -----------------------------------------------------------------------

    @cached_property
    def graphs(self) -> pd.DataFrame:
        """The most probable graphs, at most 1,000 of them.

        Returns
        -------
        DataFrame
            ``model``, the cliques in the notation of the library; ``probability``, exact or the share
            of draws; ``median``, ``low`` and ``high``, the median and the 95% interval of N under
            the graph, persons; ``bounded``, whether the data bound N from above under it.
        """
        known = self._known
        best = np.argsort(-known.posterior.probability, kind="stable")[:LISTED]
        panels = known.posterior.panels
        densities = known.scores.densities(best, panels.nodes)
        asked = np.asarray([0.5, 0.025, 0.975])
        totals = quantiles(panels, to_coefficients(), densities, asked) + self.table.n_observed
        totals = totals.astype(np.float64)
        return pd.DataFrame(
            {
                "model": [self._notation(graph) for graph in best],
                "probability": known.posterior.probability[best],
                "median": totals[:, 0],
                "low": totals[:, 1],
                "high": totals[:, 2],
                "bounded": known.tail.surprises[best] > 0,
            }
        )

    def _notation(self, graph: int) -> str:
        scores, lists = self._known.scores, range(self.table.n_lists)
        cliques = [int(scores.sets[term]) for term in scores.terms[graph] if term > 0]
        terms = tuple(tuple(k for k in lists if clique >> k & 1) for clique in cliques)
        return HierarchicalModel(self.table.lists, self.table.n_lists, terms).notation()

    @cached_property
    def edges(self) -> pd.DataFrame:
        """How probable it is that two lists depend on each other, whatever the others tell.

        Returns
        -------
        DataFrame
            Indexed by pair, ``"police:care"``: ``probability`` that the pair is joined, and
            ``prior``, the same before the data; NaN where graphs were sampled.
        """
        known = self._known
        weights = np.exp(known.scores.priors - known.scores.priors.max())
        prior = self._joined_share(weights / weights.sum())
        if known.visits is not None:
            prior[:] = np.nan
        posterior = self._joined_share(known.posterior.probability)
        return pd.DataFrame({"probability": posterior, "prior": prior}, index=self._pairs)

    @property
    def _pairs(self) -> pd.Index[str]:
        lists = self.table.lists
        pairs = list_pairs(self.table.n_lists)
        return pd.Index([f"{lists[i]}:{lists[j]}" for i, j in pairs], name="pair")

    def _joined_share(self, probability: FloatArray) -> FloatArray:
        scores, n_lists = self._known.scores, self.table.n_lists
        joined = pair_probabilities(scores.terms, scores.sets, probability, n_lists)
        return np.asarray(joined[np.triu_indices(n_lists, 1)])

    # Draws -------------------------------------------------------------------------------------

    @cached_property
    def _drawn(self) -> tuple[IntArray, IntArray]:
        """Graphs and hidden counts, (chains, draws) each."""
        known = self._known
        if known.visits is not None:
            return known.visits.graphs, known.visits.hidden
        shape = (self.estimator.chains, self.estimator.draws)
        rng = np.random.default_rng(self.estimator.seed)
        graphs, hidden = draw_pairs(
            known.scores,
            known.posterior.probability,
            known.posterior.panels,
            shape[0] * shape[1],
            rng,
        )
        return graphs.reshape(shape), hidden.reshape(shape)

    @cached_property
    def chains(self) -> Chains:
        """Draws of ``N``, ``hidden``, and of each pair: ``joined`` (1) or not (0)."""
        graphs, hidden = self._drawn
        distinct, which = np.unique(graphs, return_inverse=True)
        near = self._neighbors(distinct)
        i, j = np.triu_indices(self.table.n_lists, 1)
        joined = (near[:, i] >> j & 1).astype(np.float64)
        visits = self._known.visits
        return Chains(
            {
                "N": (hidden + self.table.n_observed).astype(np.float64),
                "hidden": hidden[:, :, None].astype(np.float64),
                "joined": joined[which.reshape(graphs.shape)],
            },
            coords={"stratum": [""], "pair": list(self._pairs)},
            dims={"hidden": ("stratum",), "joined": ("pair",)},
            stats={} if visits is None else {"lp": visits.log_mass},
            independent=visits is None,
        )

    def _neighbors(self, graphs: IntArray) -> IntArray:
        """Neighbors of each list in some graphs, (len(graphs), K)."""
        scores, n_lists = self._known.scores, self.table.n_lists
        return np.stack([neighbors(scores.terms[g], scores.sets, n_lists) for g in graphs])

    def _predict(self, size: int, rng: np.random.Generator) -> IntArray:
        known = self._known
        if size * self.table.n_cells > _PREDICTED:
            raise ModelError(
                f"{size:,} tables of {self.table.n_cells:,} cells were asked for; expected at most "
                f"{_PREDICTED:,} cells in all. Ask for fewer draws."
            )
        if known.visits is None:
            found = known.posterior
            graphs, hidden = draw_pairs(known.scores, found.probability, found.panels, size, rng)
        else:
            picked = rng.integers(known.visits.graphs.size, size=size)
            graphs = known.visits.graphs.ravel()[picked]
            hidden = known.visits.hidden.ravel()[picked]
        near = self._neighbors(graphs)
        return predicted_tables(known.scores.problem, near, hidden, rng)

    def _other_priors(self) -> Mapping[str, Estimator]:
        asked, known = self.estimator, self._known
        delta = known.scores.problem.delta
        bounded = asked.hidden_max is not None
        others: dict[str, Estimator] = {
            "delta half as large": replace(asked, delta=delta / 2),
            "delta twice as large": replace(asked, delta=delta * 2),
            "pairs joined with probability 0.2": replace(asked, edge_probability=0.2),
        }
        if asked.complete:
            others["complete graph left out"] = replace(asked, complete=False)
        elif asked.prior != "uniform" or bounded:
            others["complete graph taken in"] = replace(asked, complete=True)
        if asked.prior != "reciprocal":
            others["prior of N proportional to 1/N"] = replace(asked, prior="reciprocal")
        elif bounded or not asked.complete:
            others["uniform prior of N"] = replace(asked, prior="uniform")
        else:
            others["uniform prior of N, complete graph left out"] = replace(
                asked, prior="uniform", complete=False
            )
        return others


# Averages over decomposable graphs of dependence between lists ------------------------------------

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
    and integrate out (Madigan & York 1997); see `mse.core.decomposable.scores`. What remains is summed over
    all graphs and hidden counts. Where a largest count is given, every integer is summed up to 2e8
    pairs of a graph and an integer; elsewhere, panels of 16 nodes stand for their integers to about
    ten digits (`mse.core.decomposable.scores`). Graphs with less than 1e-34 of the probability of the best
    one are bounded only.

    The point estimate is the median. The data do not determine N where graphs with more than half of
    the probability leave it open: those under which nobody was seen on lists that the graph takes to
    be independent, given others. The complete graph is always one of them. Then, and where the
    posterior is not proper, the status is ``not_estimable``.

    With more than seven lists, copies of each chain at higher temperatures carry it from mode to
    mode, and the hidden count is summed out in every step (`mse.core.decomposable.chain`).

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

    method = Method(
        "average over decomposable graphs",
        "Lists may depend on each other as in any decomposable graph: two lists that are not joined are "
        "independent given those that separate them. Graphs with a cycle of four lists or more and no "
        "short cut are left out.",
        (
            "Dawid, A. P. and Lauritzen, S. L. (1993). Hyper Markov laws in the statistical analysis of decomposable graphical models. Annals of Statistics 21, 1272-1317.",
            "Madigan, D. and York, J. C. (1997). Bayesian methods for estimation of the size of a closed population. Biometrika 84, 19-31.",
        ),
    )

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
        for name, fewest in (("draws", FEWEST_DRAWS), ("chains", 1), ("seed", 0)):
            check_whole(name, getattr(self, name), fewest)

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
        check_lists_alone(self, table)
        if table.n_lists > MAX_LISTS:
            raise ModelError(
                f"The table has {table.n_lists} lists and DecomposableGraphs takes {MAX_LISTS}: merge or "
                "drop some."
            )
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
