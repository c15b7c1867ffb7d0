"""Forward selection of pairs of lists by the tail probability of their overlap.

For each pair of lists outside the model let m be the observed number of persons on both and X
a Poisson variable with mean the fitted number on both: p = min(P(X <= m), P(X >= m)). Of the pairs
whose addition leaves the model estimable the one with the smallest p below a threshold is
added, ties by position (Chan, Silverman & Vincent 2021, JASA 116, 1297-1306, section 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba as nb
import numpy as np

from mse.core.batch import BOUNDARY, NOT_CONVERGED, fit_one
from mse.core.exact_check import ExactCheck
from mse.core.existence import INDETERMINATE
from mse.core.lattice import superset_sum
from mse.core.newton import Design, factorial_rest, make_workspace, misfit

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray

#: Terms of a Poisson tail below this share of the sum do not show in a double.
TAIL_PRECISION = 1e-17
#: Above every probability: the pair is in the model, or cannot be added.
TAKEN = 2.0


class Paths(NamedTuple):
    """Ends of the paths of B tables.

    Attributes
    ----------
    hidden : float64 array (B,)
        Persons on no list; NaN where the first model is not estimable.
    limits : int8 array (B,)
        Where the hidden count goes.
    failed : bool array (B,)
        Tables on which a fit failed.
    added : int64 array (B, T)
        Pairs in the order in which they were added, -1 after the last.
    """

    hidden: FloatArray
    limits: np.ndarray[tuple[int], np.dtype[np.int8]]
    failed: BoolArray
    added: IntArray


@nb.njit(cache=True, nogil=True)
def smaller_tail(m, mean):  # type: ignore[no-untyped-def]
    """Smaller of P(X <= m) and P(X >= m) for a Poisson variable X.

    Parameters
    ----------
    m : float
        A count of persons.
    mean : float
        Mean of X.
    """
    if mean <= 0.0:
        return 1.0 if m <= 0.0 else 0.0
    # Loader (2000): no terms of the size of m log m, which would leave no digits for many persons.
    probability = np.exp(-misfit(m, mean) - factorial_rest(m))
    term, tail, k = probability, probability, m
    if m < mean:
        while k > 0.0 and term > TAIL_PRECISION * tail:
            term *= k / mean
            tail += term
            k -= 1.0
    else:
        while term > TAIL_PRECISION * tail:
            k += 1.0
            term *= mean / k
            tail += term
    # The other tail is what remains, and m itself is in both.
    return max(min(tail, 1.0 - tail + probability), 0.0)


@nb.njit(cache=True, nogil=True)
def overlap_tails(counts, means, pairs, tails):  # type: ignore[no-untyped-def]
    """Smaller tail of each pair's overlap; ``pairs`` holds the cells of the pairs, (T,) int64."""
    for i in range(pairs.size):
        m, mean = 0.0, 0.0
        for c in range(counts.size):
            if c & pairs[i] == pairs[i]:
                m += counts[c]
                mean += means[c]
        tails[i] = smaller_tail(m, mean)


@nb.njit(cache=True, nogil=True)
def _consider(counts, member, pairs, positions, work, tails):  # type: ignore[no-untyped-def]
    """Tails of the pairs outside the model; `TAKEN` for those in it."""
    means = np.zeros(counts.size)
    for c in range(counts.size):
        means[c] = work.means[c] if work.face[c] else 0.0
    overlap_tails(counts, means, pairs, tails)
    for i in range(pairs.size):
        if member[positions[i]]:
            tails[i] = TAKEN


@nb.njit(cache=True, nogil=True)
def _forward(counts, member, pairs, positions, threshold, design, work, asked, added):  # type: ignore[no-untyped-def]
    """Follow one path; status, hidden count and limit of its end."""
    cold = np.zeros(0)
    sums = counts.copy()
    superset_sum(sums, design.shape)
    hidden, limits = np.zeros(1), np.zeros(1, dtype=np.int8)
    tails = np.zeros(pairs.size)
    answer, answer_limit, step = np.nan, INDETERMINATE, 0
    trial = -1
    while True:
        status, _, _ = fit_one(
            counts, sums, member, cold, np.inf, design, work, asked, hidden, limits
        )
        if status == NOT_CONVERGED:
            return status, answer, answer_limit
        if trial < 0 or status <= BOUNDARY:
            if trial >= 0:
                added[step] = trial
                step += 1
            answer, answer_limit = hidden[0], limits[0]
            _consider(counts, member, pairs, positions, work, tails)
        else:
            member[positions[trial]] = False
            tails[trial] = TAKEN
        trial = int(np.argmin(tails)) if tails.size > 0 else -1
        if trial < 0 or not tails[trial] < threshold:
            return status, answer, answer_limit
        member[positions[trial]] = True


@nb.njit(cache=True, nogil=True)
def _forward_many(tables, member, pairs, positions, threshold, design, work, asked, out, codes):  # type: ignore[no-untyped-def]
    for t in range(tables.shape[0]):
        codes[t], out.hidden[t], out.limits[t] = _forward(
            tables[t], member.copy(), pairs, positions, threshold, design, work, asked, out.added[t]
        )


def forward_paths(tables: FloatArray, pairs: IntArray, threshold: float, design: Design) -> Paths:
    """Follow the path of each table from independent lists.

    Parameters
    ----------
    tables : float64 array (B, C)
        Counts of persons over lists alone, 0 on the unobservable cell.
    pairs : int64 array (T,)
        Cells of the pairs, in the order that decides ties.
    threshold : float
        Pairs are added for p-values below it.
    design : Design
        Axes and parameters; the pairs among them.

    Returns
    -------
    Paths
    """
    size = tables.shape[0]
    out = Paths(
        np.full(size, np.nan),
        np.full(size, INDETERMINATE, dtype=np.int8),
        np.zeros(size, dtype=np.bool_),
        np.full((size, pairs.size), -1, dtype=np.int64),
    )
    codes = np.zeros(size, dtype=np.int64)
    order = np.argsort(design.cells)
    positions = order[np.searchsorted(design.cells, pairs, sorter=order)]
    member = np.bitwise_count(design.cells) <= 1
    work = make_workspace(design)
    with ExactCheck(design, work) as check:
        _forward_many(
            tables, member, pairs, positions, threshold, design, work, check.asked, out, codes
        )
    out.failed[:] = codes == NOT_CONVERGED
    return out
