"""Closed-population models as log-linear designs: columns, cells, bias corrections."""

from __future__ import annotations

from math import comb, lgamma
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core.dense import DenseDesign
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mse._typing import FloatArray, IntArray

#: Models in which every list has its own parameter need all 2^K - 1 cells; beyond this many lists
#: the design does not fit into memory at a reasonable size.
MOST_LISTS = 16

#: Columns for unequal catchability as functions of the number of lists k a person is on, convex and
#: zero at k = 0 (Rivest & Baillargeon 2007, Biometrics 63, 999-1006): Poisson with a = 2, the
#: quadratic form of Darroch, Fienberg, Glonek & Junker (1993, JASA 88, 1137-1148), and gamma with
#: a = 3.5.
COLUMNS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "poisson": lambda k: 2.0**k - 1,
    "darroch": lambda k: k**2 / 2,
    "gamma": lambda k: np.log(3.5) - np.log(3.5 + k),
}


class ClosedDesign(NamedTuple):
    """A closed-population model written out for a table.

    Attributes
    ----------
    names : tuple of str
        Names of the P parameters.
    counts : float64 array (R,)
        Persons by cell, or by number of lists.
    design : DenseDesign
        Rows and bounds.
    captures : int64 array (R,)
        Lists that a person of the row is on.
    own_parameters : bool
        Whether every list has a parameter of its own, following the intercept.
    """

    names: tuple[str, ...]
    counts: FloatArray
    design: DenseDesign
    captures: IntArray
    own_parameters: bool


def _heterogeneity(form: str | None, captures: FloatArray, n_lists: int) -> FloatArray:
    """Columns for unequal catchability, (R, h).

    The lower bound model has the columns max(k - j, 0) for j = 2, ..., K - 1 with coefficients that
    are not negative, since the log moments of a mixture are convex in k (Rivest & Baillargeon 2007,
    Biometrics 63, 999-1006).
    """
    if form is None:
        return np.zeros((captures.size, 0))
    if form == "chao":
        return np.maximum(captures[:, None] - np.arange(2, n_lists, dtype=np.float64), 0.0)
    return COLUMNS[form](captures)[:, None]


def _parameter_names(form: str | None, n_lists: int) -> list[str]:
    if form is None:
        return []
    return [f"eta{j}" for j in range(3, n_lists + 1)] if form == "chao" else [form]


def _written_out(
    head: FloatArray, captures: IntArray, form: str | None, n_lists: int, log_sizes: FloatArray
) -> DenseDesign:
    """Design with the intercept, the columns of `head` and those for heterogeneity."""
    extra = _heterogeneity(form, captures.astype(np.float64), n_lists)
    rows = np.column_stack([np.ones(len(head)), head, extra])
    bounded = np.zeros(rows.shape[1], dtype=np.bool_)
    bounded[rows.shape[1] - extra.shape[1] :] = form == "chao"
    # Every column but the intercept is zero for a person on no list.
    hidden = np.zeros(rows.shape[1])
    hidden[0] = 1.0
    return DenseDesign(rows, log_sizes, hidden, bounded)


def exchangeable(patterns: IntArray, counts: FloatArray, form: str | None) -> ClosedDesign:
    """Models M0 and Mh: all lists alike, so the number of lists a person is on suffices.

    Parameters
    ----------
    patterns : int64 array (R, K)
        Observed histories.
    counts : float64 array (R,)
        Persons with each.
    form : str or None
        Heterogeneity.
    """
    n_lists = patterns.shape[1]
    captures = np.arange(1, n_lists + 1)
    on = patterns.sum(axis=1)
    totals = np.bincount(on, counts, minlength=n_lists + 1)[1:].astype(np.float64)
    sizes = np.asarray([log_choose(n_lists, k) for k in captures])
    head = captures[:, None].astype(np.float64)
    design = _written_out(head, captures, form, n_lists, sizes)
    names = ("intercept", "captures", *_parameter_names(form, n_lists))
    return ClosedDesign(names, totals, design, captures, own_parameters=False)


def by_list(
    patterns: IntArray, counts: FloatArray, form: str | None, lists: Sequence[str]
) -> ClosedDesign:
    """Models Mt and Mth: every list has its own parameter, every observable cell its row.

    Parameters
    ----------
    patterns : int64 array (R, K)
        Observed histories.
    counts : float64 array (R,)
        Persons with each.
    form : str or None
        Heterogeneity.
    lists : sequence of str
        Names of the lists.

    Raises
    ------
    ModelError
        If there are more than `MOST_LISTS` lists.
    """
    n_lists = patterns.shape[1]
    if n_lists > MOST_LISTS:
        msg = (
            f"Models Mt and Mth write out all histories, and the table has {n_lists} lists; "
            f"expected at most {MOST_LISTS}. Models M0 and Mh take any number of lists, and "
            'LogLinear("main") is Mt without writing it out.'
        )
        raise ModelError(msg)
    weights = 1 << np.arange(n_lists - 1, -1, -1)
    cells = np.zeros(1 << n_lists)
    cells[patterns @ weights] = counts
    head = (np.arange(1, 1 << n_lists)[:, None] & weights) > 0
    captures = head.sum(axis=1)
    design = _written_out(head.astype(np.float64), captures, form, n_lists, np.zeros(captures.size))
    names = ("intercept", *lists, *_parameter_names(form, n_lists))
    return ClosedDesign(names, cells[1:], design, captures, own_parameters=True)


def log_choose(n: int, k: int) -> float:
    """Log of the number of histories with k of n lists."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def within_classes(patterns: IntArray, counts: FloatArray) -> float:
    """Deviance of histories from equal shares among those on as many lists.

    Added to the deviance over the numbers of lists it gives the deviance over all cells.
    """
    n_lists = patterns.shape[1]
    captures = patterns.sum(axis=1)
    totals = np.bincount(captures, counts)[captures]
    shares = np.asarray([log_choose(n_lists, int(k)) for k in captures])
    # Rounding may leave a sum that is zero just below it.
    return max(float(2 * counts @ (np.log(counts / totals) + shares)), 0.0)


def corrections(form: str | None, n_lists: int, *, by_list: bool) -> FloatArray:
    r"""Persons to add by number of lists, so that the total is nearly unbiased.

    Parameters
    ----------
    form : str or None
        Heterogeneity.
    n_lists : int
        Number of lists K.
    by_list : bool
        Whether every list has its own parameter (Mt, Mth).

    Returns
    -------
    float64 array (K,)
        For persons on 1, ..., K lists, spread evenly over the histories of each number.

    Notes
    -----
    Frequencies are modified as Rivest & Levesque (2001, Canadian Journal of Statistics 29, 555-572)
    propose. The first-order bias of the coefficients of a Poisson model with leverages h is
    :math:`-I^{-1} X'h / 2` (Cordeiro & McCullagh 1991, JRSS B 53, 629-643), and the hidden count, the
    exponential of the intercept, adds :math:`v/2` with v the variance of the intercept. Both
    vanish if the persons a that are added have
    :math:`X'a = X'h/2 - e_0/2`. As capture probabilities go to zero, the persons on 1, 2, ..., m
    lists, as many as there are columns in k, carry all information: each class has leverage 1,
    singles leverage K where every list has a parameter. The solution is then free of parameters,

    .. math:: a_k = (L_k - w_k) / 2, \quad k = 1, \dots, m,

    where L is the leverage and w the weights that extrapolate the columns from 1, ..., m to 0. For
    Mt it is :math:`(K - 2) / 2` on one list and 1 on two, which is the correction of Chapman (1951) for
    K = 2. The lower bound rests on persons on one and two lists and takes the same.
    """
    shape = None if form == "chao" else form
    m = 2 if shape is None else 3
    added = np.zeros(max(n_lists, m))
    k = np.arange(1, m + 1, dtype=np.float64)
    columns = [np.ones(m), k, *([COLUMNS[shape](k)] if shape else [])]
    weights = np.linalg.solve(np.asarray(columns), np.eye(m)[0])
    leverage = np.ones(m)
    leverage[0] = n_lists if by_list else 1
    added[:m] = (leverage - weights) / 2
    return added[:n_lists]


def corrected_counts(closed: ClosedDesign, form: str | None) -> FloatArray:
    """Modify the counts by `corrections`."""
    n_lists = int(closed.captures.max())
    added = corrections(form, n_lists, by_list=closed.own_parameters)
    if closed.own_parameters:
        added /= [comb(n_lists, k) for k in range(1, n_lists + 1)]
    return closed.counts + added[closed.captures - 1]


def moment_estimate(counts: FloatArray) -> tuple[float, float]:
    r"""Bias-corrected lower bound on the hidden count under Mh, with its variance.

    Parameters
    ----------
    counts : float64 array (K,)
        Persons on 1, ..., K lists.

    Returns
    -------
    hidden, variance : float
        :math:`\frac{K-1}{2K} f_1 (f_1 - 1) / (f_2 + 1)` (Chao 1987, Biometrics 43, 783-791; for K lists
        and bias corrected: Rivest & Baillargeon 2007, Biometrics 63, 999-1006), and the variance of
        the total by the delta method.
    """
    n_lists = counts.size
    once, twice = float(counts[0]), float(counts[1])
    factor = (n_lists - 1) / (2 * n_lists)
    hidden = factor * once * (once - 1) / (twice + 1)
    by_once = factor * (2 * once - 1) / (twice + 1)
    by_twice = hidden / (twice + 1)
    return hidden, hidden + by_once**2 * once + by_twice**2 * twice
