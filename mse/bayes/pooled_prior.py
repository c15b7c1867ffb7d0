"""Prior predictive check of `PooledLogLinear`: what it expects before it has seen who is on which list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mse._result import Result, layout, share, span
from mse._text import Section, persons
from mse.core.pooled_draws import LARGEST_MEAN, cell_means, prior_points

if TYPE_CHECKING:
    from mse._typing import FloatArray
    from mse.bayes.pooled_layout import Layout
    from mse.table import CaptureTable

__all__ = ["PriorPredictive", "check_prior"]

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

    Parameters
    ----------
    table : CaptureTable
        The data.
    prepared : Layout
        Table and settings as arrays.
    draws : int
        Populations to draw.
    rng : numpy.random.Generator
        Randomness.
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
