"""Logistic chances of being on each list, from the persons on at least one: the conditional likelihood.

Given that a person is on some list, the history has the probability prod p^y (1 - p)^(1 - y) / pi, with
pi = 1 - prod (1 - p) (Huggins 1989, Biometrika 76, 133-140; Alho 1990, Biometrics 46, 623-635). In the
logits it is an exponential family: the log likelihood is concave, and whether it has a maximum is a
question about a cone, which is asked exactly where a Newton step does not answer it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mse.core._threads import one_thread

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray, Limit

#: Newton stops where the quadratic model promises less, on the scale of the log likelihood.
ENOUGH = 1e-14
STEPS = 100
#: Eigenvalues of the information below this share of the largest belong to what is not determined.
RANK = 1e-10
#: Logits of a recession direction nearer to 0 than this are 0: those that are not are 1 or more.
FLAT = 1e-6
#: Chances are not below this, so that nothing overflows on the way to a limit.
LEAST = 1e-100


class Design(NamedTuple):
    """Persons as arrays.

    Attributes
    ----------
    on : bool array (R, K)
        Who is on which list; everybody on one at least.
    columns : float64 array (R, Q)
        Columns of the covariates, the intercept first.
    counts : float64 array (R,)
        Persons that each row stands for.
    place : int64 array (K, Q)
        Which of the P parameters belongs to each list and column.
    """

    on: BoolArray
    columns: FloatArray
    counts: FloatArray
    place: IntArray

    @property
    def n_parameters(self) -> int:
        """Number of parameters, P."""
        return int(self.place.max()) + 1

    def logits(self, values: FloatArray) -> FloatArray:
        """Multiply parameters (P,) with their columns, (R, K)."""
        return np.asarray(self.columns @ values[self.place].T)


class Face(NamedTuple):
    """What of the likelihood is left where parameters run to infinity: everything, where none do."""

    free: BoolArray  # (R, K) memberships that chance decides
    certain: BoolArray  # (R,) persons who are on some list for certain


class ConditionalFit(NamedTuple):
    """The maximum of the conditional likelihood, or why there is none.

    Attributes
    ----------
    parameters : float64 array (P,)
        Parameters; what runs to infinity, or is not determined, is left where it is.
    chances : float64 array (R,)
        Probability of being on at least one list, pi.
    slopes : float64 array (R, P)
        Derivatives of 1 / pi.
    scores : float64 array (R, P)
        Derivatives of the log likelihood of one person of each row.
    inverse : float64 array (P, P)
        Inverse of the information; that of its range where some parameters are not determined.
    log_likelihood : float
        Conditional on being on a list.
    limit : str
        ``finite``, ``infinite``, ``zero`` (somebody's chances run to 1, so that nobody alike is hidden) or
        ``indeterminate``.
    open_parameters : int64 array
        Parameters that run to infinity or are not determined.
    converged : bool
        Whether the maximum was reached.
    """

    parameters: FloatArray
    chances: FloatArray
    slopes: FloatArray
    scores: FloatArray
    inverse: FloatArray
    log_likelihood: float
    limit: Limit
    open_parameters: IntArray
    converged: bool


class _Point(NamedTuple):
    """The likelihood at some parameters."""

    value: float
    scores: FloatArray  # (R, P), of one person of a row
    information: FloatArray  # (P, P)
    chances: FloatArray  # (R,)
    odds: FloatArray  # (R, K) p where memberships are free, else 0


def _spread(design: Design, by_list: FloatArray) -> FloatArray:
    """Turn derivatives by logits (R, K) into derivatives by parameters, (R, P)."""
    found = np.zeros((len(by_list), design.n_parameters))
    for k, place in enumerate(design.place):
        found[:, place] += by_list[:, k, None] * design.columns
    return found


def _at(design: Design, face: Face, values: FloatArray) -> _Point:
    """Log likelihood, scores and information."""
    logits = design.logits(values)
    p = np.where(face.free, 1 / (1 + np.exp(-np.clip(logits, -700, 700))), 0.0)
    missed = np.where(face.free, np.logaddexp(0.0, logits), 0.0).sum(axis=1)  # minus its log
    chances = np.where(face.certain, 1.0, -np.expm1(-missed))
    chances = np.maximum(chances, LEAST)
    known = np.where(face.free & design.on, logits, 0.0).sum(axis=1) - missed - np.log(chances)
    means = p / chances[:, None]
    scores = _spread(design, np.where(face.free, design.on - means, 0.0))
    information = np.zeros((design.n_parameters,) * 2)
    for k, first in enumerate(design.place):
        for m, second in enumerate(design.place):
            # Cov of memberships given that there is one: m_k m_l (pi - 1), m_k (1 - m_k) of one list.
            both = (
                means[:, k] * (1 - means[:, k])
                if k == m
                else (means[:, k] * means[:, m] * (chances - 1))
            )
            part = design.columns.T @ ((design.counts * both)[:, None] * design.columns)
            information[np.ix_(first, second)] += part
    return _Point(float(design.counts @ known), scores, information, chances, p)


def _solved(information: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Inverse of an information on its range, and a basis of what it does not determine."""
    scale = np.sqrt(np.maximum(np.diag(information), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    known = values > RANK * max(float(values[-1]), 0.0)
    root = vectors[:, known] / scale[:, None]
    return (root / values[known]) @ root.T, vectors[:, ~known] / scale[:, None]


def _newton(design: Design, face: Face, values: FloatArray) -> tuple[FloatArray, _Point, bool]:
    """Climb to the maximum on a face."""
    point = _at(design, face, values)
    for _ in range(STEPS):
        gradient = design.counts @ point.scores
        step = _solved(point.information)[0] @ gradient
        promised = float(gradient @ step)
        if promised <= ENOUGH * (1 + abs(point.value)):
            # The last step doubles the digits.
            return values + step, _at(design, face, values + step), True
        size = 1.0
        while size > 1e-10:
            trial = _at(design, face, values + size * step)
            if trial.value >= point.value + 1e-4 * size * promised - 1e-12 * abs(point.value):
                break
            size /= 2
        values, point = values + size * step, trial
    return values, point, False


def _certified(design: Design, point: _Point) -> bool:
    """Whether a Newton step shows that there is a maximum, and one only.

    The weights p (1 + (h - mean) Z s) of the histories h, s the step, balance the scores exactly: where all
    are above zero no direction increases the likelihood for ever (Stiemke 1915).
    """
    inverse, free = _solved(point.information)
    step = inverse @ (design.counts @ point.scores)
    return not free.size and bool(np.abs(design.logits(step)).sum(axis=1).max() < 1)


def _differences(design: Design) -> tuple[FloatArray, IntArray]:
    """Rows (J, P) that no direction of recession makes negative, and the person of each."""
    on, single = design.on, design.on.sum(axis=1) == 1
    whole = [_spread(design, np.eye(on.shape[1])[[k] * len(on)]) for k in range(on.shape[1])]
    own = np.sum([each * on[:, [k]] for k, each in enumerate(whole)], axis=0)
    rows, who = [], []
    for k, each in enumerate(whole):
        there, off = np.flatnonzero(on[:, k] & ~single), np.flatnonzero(~on[:, k])
        alone = np.flatnonzero(~on[:, k] & single)
        rows += [each[there], -each[off], own[alone] - each[alone]]
        who += [there, off, alone]
    return np.concatenate(rows), np.concatenate(who)


def _recession(rows: FloatArray) -> FloatArray | None:
    """Find a direction that no row makes negative and as many as possible positive; None if none is.

    The cone scales, so rows that can be positive are 1 or more at the optimum.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, hstack, identity

    rows = np.unique(np.round(rows, 12), axis=0)
    n_rows, size = rows.shape
    matrix = hstack([csr_array(-rows), identity(n_rows)], format="csr")
    cost = np.append(np.zeros(size), -np.ones(n_rows))
    bounds = [(None, None)] * size + [(0, 1)] * n_rows
    found: Any = linprog(cost, A_ub=matrix, b_ub=np.zeros(n_rows), bounds=bounds, method="highs")
    if found.status != 0 or found.fun > -0.5:
        return None
    return np.asarray(found.x[:size])


def _face(design: Design, direction: FloatArray) -> tuple[Face, BoolArray, BoolArray]:
    """Find the face that a direction leads to, who is on no list there, and whose one list says nothing."""
    logits = design.logits(direction)
    rows, who = _differences(design)
    ties = np.bincount(who, np.abs(rows @ direction) <= FLAT, len(logits))
    alone = (ties == 0) & (design.on.sum(axis=1) == 1)
    certain, nowhere = np.any(logits > FLAT, axis=1), np.all(logits < -FLAT, axis=1)
    return Face(np.abs(logits) <= FLAT, certain), nowhere, alone


def _limit(
    design: Design, face: Face, nowhere: BoolArray, alone: BoolArray, free: FloatArray
) -> Limit:
    """Where the hidden number goes along a direction of recession."""
    if nowhere.any():
        return "infinite"
    # Of persons whose list is their only history on the face, others have to tell the chance of it.
    for each in free.T:
        moved = np.abs(design.logits(each))[alone]
        if (moved[design.on[alone]] > FLAT * np.abs(each).max()).any():
            return "indeterminate"
    return "zero" if face.certain.any() else "finite"


@one_thread
def conditional_fit(design: Design) -> ConditionalFit:
    """Maximize the conditional likelihood, on the face where the maximum lies.

    Examples
    --------
    >>> on = np.array([[True, False], [False, True], [True, True]])
    >>> counts = np.array([5.0, 10.0, 5.0])
    >>> fit = conditional_fit(Design(on, np.ones((3, 1)), counts, np.array([[0], [1]])))
    >>> round(float((counts / fit.chances).sum()), 6)
    30.0
    """
    n_rows, n_lists = design.on.shape
    face = Face(np.ones((n_rows, n_lists), np.bool_), np.zeros(n_rows, np.bool_))
    values, point, converged = _newton(design, face, np.zeros(design.n_parameters))
    limit: Limit = "finite"
    if not _certified(design, point):
        direction = _recession(_differences(design)[0])
        if direction is not None:
            face, nowhere, alone = _face(design, direction)
            values, point, converged = _newton(design, face, np.zeros(design.n_parameters))
            limit = _limit(design, face, nowhere, alone, _solved(point.information)[1])
    inverse, free = _solved(point.information)
    slopes = -((1 - point.chances) / point.chances**2)[:, None] * _spread(design, point.odds)
    open_parameters = np.flatnonzero(
        (np.abs(free) > FLAT * np.abs(free).max(initial=0)).any(axis=1)
    )
    return ConditionalFit(
        *(values, point.chances, slopes, point.scores, inverse, point.value, limit),
        *(open_parameters, converged),
    )
