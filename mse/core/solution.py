"""What a maximum of the likelihood of counts over sets of cells says about the totals.

Whether it exists is decided exactly only for the counts as completed. At the solution directions
without information, and maxima of the same height, decide the rest. This is a statement about the
solution that was found, not the exact one that complete counts allow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import cho_solve

from mse.core.ascent import (
    NO_INFORMATION,
    basis_at,
    curvature_at,
    factor_of,
    make_likelihood,
)
from mse.core.batch import BOUNDARY, NOT_ESTIMABLE, OK
from mse.core.empty_strata import ask_partners, empty_strata, hear_partners
from mse.core.exact_check import find_face
from mse.core.existence import FINITE, INDETERMINATE, INFINITE, NOT_ASKED, ZERO
from mse.core.lattice import subset_sum, superset_sum
from mse.core.newton import first_cells, n_parameters, single_effects
from mse.core.observed import restricted, stratum_totals

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.ascent import Climb, Data
    from mse.core.batch import ModelFit
    from mse.core.newton import Design
    from mse.core.observed import Likelihood

    Limits = np.ndarray[tuple[int], np.dtype[np.int8]]

#: Maxima this close in log likelihood are of the same height.
SAME_HEIGHT = 1e-7
#: Relative difference of totals beyond which two maxima are two answers.
SAME_TOTAL = 1e-4
#: Entries this small beside their row are rounding: half the digits of a double.
ROUNDING = 1e-7


class IncompleteFit(NamedTuple):
    """One model on a table of which some is known in part.

    Attributes
    ----------
    status : int
        Code of `mse.core.batch.STATUSES`.
    limits : int8 array (S,)
        Limits of the strata, codes of `mse.core.existence.LIMITS`.
    value : float
        Log likelihood but for the factorials of exact counts.
    hidden : float64 array (S,)
        Persons that were not counted: in unseen cells, and beyond the lower bounds of counts within
        bounds. NaN where the limit is not finite.
    covariance : float64 array (S, S) or (0, 0)
        Covariance of the totals of the strata given the data; NaN where not finite. Empty where it was
        not asked for.
    means : float64 array (C,)
        Fitted means of all cells; unseen ones NaN where not estimable.
    counts : float64 array (C,)
        The observed persons spread over the cells.
    expected : float64 array (R,)
        Expected persons of each observation.
    face : bool array (C,)
        Observable cells with a positive mean.
    kept : int64 array
        Positions in the design of the parameters that were fitted.
    coefficients : float64 array
        Their values, log scale.
    vanishing : int64 array
        Positions of the parameters at minus infinity.
    undetermined : int64 array
        Positions of the parameters that hang on a direction about which the data say nothing.
    rank : int
        Number of directions of the parameters about which they say something.
    others : float64 array
        Totals of the other, lower maxima that were found.
    """

    status: int
    limits: Limits
    value: float
    hidden: FloatArray
    covariance: FloatArray
    means: FloatArray
    counts: FloatArray
    expected: FloatArray
    face: BoolArray
    kept: IntArray
    coefficients: FloatArray
    vanishing: IntArray
    undetermined: IntArray
    rank: int
    others: FloatArray


def no_fit(data: Data, status: int, limit: int) -> IncompleteFit:
    """Say that there is nothing to describe."""
    n_strata = data.design.n_hidden
    zero = status == NOT_ESTIMABLE
    nothing = np.zeros(0, dtype=np.int64)
    return IncompleteFit(
        status=status,
        limits=np.full(n_strata, limit, dtype=np.int8),
        value=0.0 if zero else np.nan,
        hidden=np.full(n_strata, np.nan),
        covariance=np.full((n_strata, n_strata), np.nan),
        means=np.where(data.design.observable & zero, 0.0, np.nan),
        counts=data.base.copy(),
        expected=data.seen.low.astype(np.float64),
        face=np.zeros(data.base.size, dtype=np.bool_),
        kept=nothing,
        coefficients=np.zeros(0),
        vanishing=nothing,
        undetermined=nothing,
        rank=0,
        others=np.zeros(0),
    )


def describe(
    data: Data, fit: ModelFit, best: Climb, ends: list[Climb], *, covariance: bool = True
) -> IncompleteFit:
    """Read limits, totals and their covariance off the best maximum.

    Parameters
    ----------
    data : Data
        What was seen, and the model.
    fit : ModelFit
        Face of the best maximum, and the parameters on it.
    best : Climb
        That maximum.
    ends : list of Climb
        All maxima that were found.
    covariance : bool
        Whether the covariance is wanted.
    """
    problem = make_likelihood(data, fit.face, fit.kept)
    n_strata = data.design.n_hidden
    hidden, known = _totals_known(problem, best, covariance=covariance)
    limits = _limits(data, fit)
    limits[known.blank & (limits == FINITE)] = INDETERMINATE
    limits[_ambiguous(data, best, ends) & (limits == FINITE)] = INDETERMINATE
    unknown = limits != FINITE
    if covariance:
        known.covariance[unknown | unknown[:, None]] = np.nan
    lost = problem.unseen & unknown[np.arange(best.means.size) % n_strata]
    return IncompleteFit(
        status=_status(data, fit, known, bool(unknown.any())),
        limits=limits,
        value=best.value,
        hidden=np.where(unknown, np.nan, hidden),
        covariance=known.covariance,
        means=np.where(lost, np.nan, best.means),
        counts=best.done.counts,
        expected=best.done.expected,
        face=fit.face,
        kept=fit.kept,
        coefficients=best.b,
        vanishing=fit.vanishing,
        undetermined=fit.kept[known.open],
        rank=known.rank,
        others=_lower_maxima(data, best, ends),
    )


def _status(data: Data, fit: ModelFit, known: _Known, unknown: bool) -> int:
    if unknown:
        return NOT_ESTIMABLE
    whole = fit.kept.size == n_parameters(data.design) and not known.open.any()
    return OK if whole and np.array_equal(fit.face, data.design.observable) else BOUNDARY


def _totals(end: Climb, data: Data) -> FloatArray:
    """Persons of each stratum, seen or not, as one search has it."""
    persons = np.where(data.design.observable, end.done.counts, end.means)
    return np.asarray(persons.reshape(-1, data.design.n_hidden).sum(axis=0))


def _ambiguous(data: Data, best: Climb, ends: list[Climb]) -> BoolArray:
    """Strata of which maxima of the same height have different totals."""
    totals, found = _totals(best, data), np.zeros(data.design.n_hidden, dtype=np.bool_)
    for end in ends:
        if end.value > best.value - SAME_HEIGHT:
            found |= np.abs(_totals(end, data) - totals) > SAME_TOTAL * totals
    return found


def _lower_maxima(data: Data, best: Climb, ends: list[Climb]) -> FloatArray:
    """Totals of the maxima that are lower than the best."""
    lower = [end for end in ends if end.value <= best.value - SAME_HEIGHT]
    totals = np.asarray([_totals(end, data).sum() for end in lower])
    total = _totals(best, data).sum()
    return np.unique(np.round(totals[np.abs(totals - total) > SAME_TOTAL * total], 6))


class _Known(NamedTuple):
    """What the observed information says about the totals."""

    covariance: FloatArray  # (S, S) by the delta method, or (0, 0)
    blank: BoolArray  # (S,) totals that hang on a direction without information
    open: BoolArray  # (p,) parameters that do
    rank: int


def _totals_known(
    problem: Likelihood, end: Climb, *, covariance: bool
) -> tuple[FloatArray, _Known]:
    """Hidden persons by stratum, and what is known of them."""
    n_strata, p = problem.design.n_hidden, problem.kept.size
    factor = factor_of(curvature_at(problem, end.means, end.done)[2])
    certain = np.zeros(n_strata, np.bool_), np.zeros(p, np.bool_), p
    exact = np.array_equal(problem.seen.low, problem.seen.high)
    if factor is not None and exact and not covariance:
        unseen = np.where(problem.unseen, end.means, 0.0).reshape(-1, n_strata).sum(axis=0)
        return np.asarray(unseen), _Known(np.zeros((0, 0)), *certain)
    gradient, spread = np.zeros((n_strata, p)), np.zeros((n_strata, n_strata))
    hidden = stratum_totals(end.means, problem, end.done, gradient, spread)
    if factor is not None:
        spread += gradient @ cho_solve((factor, True), gradient.T)
        return hidden, _Known(spread, *certain)
    basis = basis_at(problem, end.means, end.done)
    informed = basis.shares > NO_INFORMATION
    along = gradient @ basis.vectors
    inner = along[:, informed]
    spread += (inner / basis.shares[informed]) @ inner.T
    blank, open_ = _hangs_on(along, ~informed), _hangs_on(basis.vectors, ~informed)
    return hidden, _Known(spread, blank, open_, int(informed.sum()))


def _hangs_on(along: FloatArray, chosen: BoolArray) -> BoolArray:
    """Rows with more than rounding along the chosen directions."""
    size = np.sqrt((along**2).sum(axis=1))
    most = np.abs(along[:, chosen]).max(axis=1, initial=0.0)
    return np.asarray(most > ROUNDING * size)


def _limits(data: Data, fit: ModelFit) -> Limits:
    """Limits of the strata for the counts as completed, exactly."""
    design = data.design
    n_strata = design.n_hidden
    if fit.kept.size == n_parameters(design):
        return np.zeros(n_strata, dtype=np.int8)
    unseen = np.flatnonzero(~design.observable)
    of_cells = np.full(design.observable.size, ZERO, dtype=np.int8)
    of_cells[unseen] = FINITE
    positive = (data.base > 0) | (fit.face & _reached(data, fit.face))
    _exact_limits(positive, fit, design, of_cells)
    limits = of_cells[:n_strata].copy()
    # Nobody is on no list at all, and somebody unseen: everybody is put on lists that did not operate.
    elsewhere = np.zeros(n_strata, dtype=np.bool_)
    elsewhere[unseen[of_cells[unseen] == FINITE] % n_strata] = True
    limits[elsewhere & (limits == ZERO)] = INDETERMINATE
    for code in (INFINITE, INDETERMINATE):
        limits[unseen[of_cells[unseen] == code] % n_strata] = code
    return limits


def _reached(data: Data, face: BoolArray) -> BoolArray:
    """Cells of the face that may hold persons of some observation."""
    reached = np.zeros(face.size, dtype=np.bool_)
    boxes = restricted(data.seen, face).boxes
    reached[boxes[boxes >= 0]] = True
    return reached


def _exact_limits(positive: BoolArray, fit: ModelFit, design: Design, limits: Limits) -> None:
    """Find the limits of unseen cells, those that are `FINITE` on entry, in place."""
    counts = positive.astype(np.float64)
    sums = counts.copy()
    superset_sum(sums, design.shape)
    lost = single_effects(design) & (sums[first_cells(design)] <= 0.0)
    effects = first_cells(design)[lost]
    marks = np.zeros(counts.size)
    marks[effects] = 1.0
    subset_sum(marks, design.shape)
    empty = marks > 0.0
    limits[(limits == FINITE) & empty] = NOT_ASKED
    partner = np.zeros(limits.size, dtype=np.int64)
    empty_strata(marks, effects, design, limits, partner)
    ask_partners(limits, partner)
    rest = design.observable & ~empty
    if fit.kept.size < int((~lost).sum()) or not np.array_equal(fit.face, rest):
        _by_algebra(counts, rest, design, np.flatnonzero(~lost), limits, partner)
    hear_partners(limits, partner)
    if (limits == NOT_ASKED).any():
        answers = np.where(limits == NOT_ASKED, FINITE, NOT_ASKED).astype(np.int8)
        everything = np.arange(n_parameters(design))
        nobody = np.full(limits.size, -1)
        _by_algebra(counts, design.observable, design, everything, answers, nobody)
        limits[limits == NOT_ASKED] = answers[limits == NOT_ASKED]


def _by_algebra(
    counts: FloatArray,
    cells: BoolArray,
    design: Design,
    chosen: IntArray,
    limits: Limits,
    partner: IntArray,
) -> None:
    """Decide the limits of some unseen cells in whole numbers, those that are `FINITE` on entry."""
    limits[:] = find_face(counts, cells, design, chosen, limits, partner).limits
