"""A table as the posterior over log-linear models sees it, and what draws from it say about the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.stats import poisson

from mse.bayes.log_linear_models import largest_model, make_scope
from mse.core.ascent import make_likelihood
from mse.core.batch import fit_models
from mse.core.bayes_loglinear import LARGEST_LOG_MEAN, Target, make_target
from mse.core.existence import FINITE, INDETERMINATE
from mse.core.incomplete import fit_incomplete
from mse.errors import ModelError
from mse.loglinear.designs import TableDesign, table_design
from mse.loglinear.folding import whole_persons
from mse.loglinear.observing import look_at, make_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.ascent import Data
    from mse.model import HierarchicalModel
    from mse.table import CaptureTable

#: Means held at a time when draws are turned into persons.
MEANS_AT_ONCE = 2**22
#: Models whose existence is examined where each takes a search of its own.
SEARCHED = 12


class Setting(NamedTuple):
    """A table and the models of it.

    Attributes
    ----------
    largest : HierarchicalModel
        Contains all models.
    layout : TableDesign
        Its parameters.
    data : Data
        What was seen.
    target : Target
        The posterior.
    """

    largest: HierarchicalModel
    layout: TableDesign
    data: Data
    target: Target

    @property
    def n_strata(self) -> int:
        """Number of strata S."""
        return self.layout.core.n_hidden

    @property
    def sums(self) -> bool:
        """Whether some counts are sums over several cells."""
        return bool((np.diff(self.data.seen.first) > 1).any())


def make_setting(table: CaptureTable, max_order: int, prior: FloatArray) -> Setting:
    """Lay out a table for models of interactions up to some order.

    Parameters
    ----------
    table : CaptureTable
        Any table but one of margins.
    max_order : int
        Axes of a term at most.
    prior : float64 array (3,)
        As of `mse.core.bayes_loglinear.Target`.

    Raises
    ------
    ModelError
        If the table cannot be taken.
    """
    if table.margins is not None:
        raise ModelError(
            "The table holds list totals and their union only, from which no interaction can be told. "
            "Use LogLinear('main'), or a table of capture histories."
        )
    largest = largest_model(table, max_order)
    layout = table_design(table, largest, {})
    seen = look_at(table)
    data, n_kinds = make_data(seen, layout.core._replace(observable=seen.observable))
    if n_kinds > 1:
        raise ModelError(
            "The table has counts within bounds beside records that lack the entry of a list or "
            "covariate, which BayesianLogLinear cannot take together. Use LogLinear, or collapse the "
            "covariate, or replace the bounds by counts."
        )
    everything = np.arange(len(layout.terms))
    likelihood = make_likelihood(data, seen.observable.copy(), everything)
    target = make_target(likelihood, make_scope(largest.terms[1:], table.shape), prior)
    return Setting(largest, layout, data, target)


def members_by_parameter(setting: Setting, members: BoolArray) -> BoolArray:
    """Which parameters models have, (M, U), from their terms (M, T)."""
    sizes = np.diff(setting.target.scope.starts)
    constant = np.ones((len(members), 1), dtype=np.bool_)
    return np.hstack([constant, np.repeat(members, sizes, axis=1)])


def model_of(setting: Setting, members: BoolArray) -> HierarchicalModel:
    """Build the model with some terms, (T,)."""
    terms = setting.largest.terms[1:]
    chosen = tuple(term for term, inside in zip(terms, members, strict=True) if inside)
    return type(setting.largest)(setting.largest.axes, setting.largest.n_lists, chosen)


def cell_means(setting: Setting, coefficients: FloatArray) -> FloatArray:
    """Means of all cells, persons: (M, C) from coefficients (M, U), absent ones 0."""
    design = setting.layout.core
    out = np.zeros((len(coefficients), design.observable.size))
    out[:, design.cells] = coefficients
    tensor = out.reshape(-1, *design.shape.tolist())
    for axis in range(1, tensor.ndim):
        levels = np.moveaxis(tensor, axis, 0)
        levels[1:] += levels[:1]
    return np.asarray(np.exp(np.minimum(out, LARGEST_LOG_MEAN)))


def batches(setting: Setting, coefficients: FloatArray) -> Iterator[FloatArray]:
    """Yield means of all cells for some draws at a time."""
    size = max(MEANS_AT_ONCE // setting.layout.core.observable.size, 1)
    for start in range(0, len(coefficients), size):
        yield cell_means(setting, coefficients[start : start + size])


class Persons(NamedTuple):
    """Persons by stratum in each draw.

    Attributes
    ----------
    observed : int64 array (S,)
        Persons taken as observed: exactly where strata are known, in proportion to the posterior means
        where they are not, the lower bounds of counts within bounds.
    hidden : float64 array (M, S)
        All others.
    """

    observed: IntArray
    hidden: FloatArray


def draw_persons(setting: Setting, coefficients: FloatArray, rng: np.random.Generator) -> Persons:
    """Draw the persons who were not counted exactly, given coefficients.

    Parameters
    ----------
    setting : Setting
        Table and models.
    coefficients : float64 array (M, U)
        Posterior draws.
    rng : numpy.random.Generator
        Draws.
    """
    seen, unseen = setting.data.seen, setting.target.likelihood.unseen
    found = []
    low = np.zeros(setting.n_strata)
    for means in batches(setting, coefficients):
        drawn = rng.poisson(np.where(unseen, means, 0.0))
        persons = drawn.reshape(len(means), -1, setting.n_strata).sum(axis=1).astype(np.float64)
        for o in range(seen.low.size):
            shares, total = _shares(setting, means, o)
            count = bounded_poisson(total, int(seen.low[o]), int(seen.high[o]), rng)
            persons += _allot(count, shares, rng)
            low += float(seen.low[o]) * shares.sum(axis=0) / len(coefficients)
        found.append(persons)
    exact = setting.data.base.reshape(-1, setting.n_strata).sum(axis=0)
    observed = exact.astype(np.int64) + whole_persons(low)
    return Persons(observed, np.concatenate(found) + exact - observed)


def _shares(setting: Setting, means: FloatArray, o: int) -> tuple[FloatArray, FloatArray]:
    """Chances of the strata of an observation, (M, S), and its mean, (M,)."""
    seen = setting.data.seen
    cells = seen.boxes[seen.first[o] : seen.first[o + 1]]
    cells = cells[cells >= 0]
    strata = cells % setting.n_strata
    total = means[:, cells].sum(axis=1)
    shares = np.zeros((len(means), setting.n_strata))
    for stratum in np.unique(strata):
        shares[:, stratum] = means[:, cells[strata == stratum]].sum(axis=1) / total
    return shares, total


def _allot(count: FloatArray, shares: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Spread persons over strata: all to one where the others have no share."""
    if np.count_nonzero(shares.any(axis=0)) == 1:
        return np.asarray(count[:, None] * shares.any(axis=0))
    return rng.multinomial(count.astype(np.int64), shares).astype(np.float64)


def bounded_poisson(mean: FloatArray, low: int, high: int, rng: np.random.Generator) -> FloatArray:
    """Draw Poisson variables between bounds, by inversion.

    Parameters
    ----------
    mean : float64 array (M,)
        Means without bounds.
    low, high : int
        Bounds, both included.
    rng : numpy.random.Generator
        Draws.
    """
    if low == high:
        return np.full(mean.size, float(low))
    # From the side where the distribution function keeps its digits.
    below = mean < low
    ends = np.where(
        below,
        np.stack([poisson.sf(high, mean), poisson.sf(low - 1, mean)]),
        np.stack([poisson.cdf(low - 1, mean), poisson.cdf(high, mean)]),
    )
    u = ends[0] + (ends[1] - ends[0]) * rng.random(mean.size)
    with np.errstate(invalid="ignore"):
        drawn = np.where(below, poisson.isf(u, mean), poisson.ppf(u, mean))
    # Where all of it is below the smallest double, the nearest bound is all that is left.
    drawn = np.where(np.isfinite(drawn) & (ends[1] > 0), drawn, np.where(below, low, high))
    return np.asarray(np.clip(drawn, low, high))


def existence(setting: Setting, members: BoolArray) -> tuple[IntArray, IntArray]:
    """Whether the data determine the hidden numbers within models.

    Whether the likelihood of counts of single cells has a maximum depends only on which of them are
    certain to be positive: so counts within bounds stand for their lower ones.

    Parameters
    ----------
    setting : Setting
        Table and models.
    members : bool array (M, T)
        Terms of the models, the ones that matter first.

    Returns
    -------
    status : int64 array (M,)
        Codes of `mse.core.batch.STATUSES`; -1 where it was not examined.
    limits : int64 array (M, S)
        Codes of `mse.core.existence.LIMITS`.
    """
    kept = members_by_parameter(setting, members)
    if setting.sums:
        return _searched(setting, kept)
    counts = setting.data.base.copy()
    seen = setting.data.seen
    counts[seen.boxes[seen.first[:-1]]] += seen.low
    fits = fit_models(counts[None], kept, setting.layout.core)
    return fits.status[0].astype(np.int64), fits.limits[0].astype(np.int64)


def _searched(setting: Setting, kept: BoolArray) -> tuple[IntArray, IntArray]:
    """Examine some models of sums over cells by maximizing their likelihood."""
    status = np.full(len(kept), -1, dtype=np.int64)
    limits = np.full((len(kept), setting.n_strata), INDETERMINATE, dtype=np.int64)
    for m, own in enumerate(kept[:SEARCHED]):
        cells = setting.data.design.cells[own]
        design = setting.data.design._replace(
            cells=cells, union=setting.data.design.union[np.ix_(own, own)]
        )
        fit = fit_incomplete(setting.data._replace(design=design))
        status[m], limits[m] = fit.status, fit.limits
    limits[status < 0] = FINITE
    return status, limits
