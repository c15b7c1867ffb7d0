"""What an average over decomposable graphs learned from a table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mse._text import assumptions
from mse.bayes.chains import Chains
from mse.bayes.decomposable_words import NOBODY, headline, remarks, undetermined
from mse.bayes.fit import BayesianFit
from mse.core.graph_draws import draw_pairs, predicted_tables
from mse.core.graphs import list_pairs, neighbors, pair_probabilities
from mse.core.hidden_grid import distribution, quantile, quantiles, to_coefficients
from mse.errors import ModelError
from mse.intervals import check_level
from mse.model import HierarchicalModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import FloatArray, IntArray
    from mse.bayes.decomposable import DecomposableGraphs
    from mse.bayes.decomposable_posterior import Learned
    from mse.bayes.fit import Undetermined
    from mse.core.hidden_grid import HiddenGrid
    from mse.estimators import Estimator
    from mse.intervals import IntervalMethod
    from mse.table import CaptureTable

__all__ = ["DecomposableGraphsFit", "HiddenInterval"]

#: Graphs listed in a fit.
LISTED = 1000
#: Cells of predicted tables that are made at once, 1 GB.
_PREDICTED = 1 << 27

_ASSUMPTIONS = assumptions(
    "Lists may depend on each other as in any decomposable graph: two lists that are not joined are "
    "independent given those that separate them. Graphs with a cycle of four lists or more and no "
    "short cut are left out."
)


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

    method = "average over decomposable graphs"

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

    @property
    def _assumptions(self) -> tuple[str, ...]:
        return _ASSUMPTIONS

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
