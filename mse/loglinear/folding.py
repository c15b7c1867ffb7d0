"""Sums over what was added to a table for a fit, and allotment of persons to strata."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mse.core.existence import FINITE, INDETERMINATE, INFINITE, ZERO
from mse.core.incomplete import spread_over

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray
    from mse.core.ascent import Data
    from mse.core.solution import IncompleteFit

    Limits = np.ndarray[tuple[int], np.dtype[np.int8]]

#: Limits from the most to the least determined.
_ORDER = np.asarray([FINITE, ZERO, INFINITE, INDETERMINATE])


def folded(found: IncompleteFit, n_parameters: int, n_kinds: int) -> IncompleteFit:
    """Sum a fit over the kinds of records that were an axis of it.

    Parameters
    ----------
    found : IncompleteFit
        A fit with an axis of `n_kinds` levels behind the others.
    n_parameters : int
        Parameters of the model; those of the kinds come after them.
    n_kinds : int
        Levels of that axis.
    """
    if n_kinds == 1:
        return found
    limits, hidden = folded_strata(found.limits, found.hidden, n_kinds)
    own = found.kept < n_parameters
    coefficients = found.coefficients[own].copy()
    if coefficients.size:
        # A cell of the model is the sum of its kinds.
        coefficients[0] += np.log1p(np.exp(found.coefficients[~own]).sum())
    return found._replace(
        limits=limits,
        hidden=hidden,
        covariance=_folded_covariance(found.covariance, n_kinds),
        means=found.means.reshape(-1, n_kinds).sum(axis=1),
        counts=found.counts.reshape(-1, n_kinds).sum(axis=1),
        face=np.asarray(found.face.reshape(-1, n_kinds).any(axis=1)),
        kept=found.kept[own],
        coefficients=coefficients,
        vanishing=found.vanishing[found.vanishing < n_parameters],
        undetermined=found.undetermined[found.undetermined < n_parameters],
        rank=max(found.rank - int((~own).sum()), 0),
    )


def folded_strata(limits: Limits, hidden: FloatArray, n_kinds: int) -> tuple[Limits, FloatArray]:
    """Sum limits and hidden counts of strata over the kinds of records."""
    worst = np.argsort(_ORDER)[limits.reshape(-1, n_kinds)].max(axis=1)
    return _ORDER[worst].astype(np.int8), hidden.reshape(-1, n_kinds).sum(axis=1)


def _folded_covariance(covariance: FloatArray, n_kinds: int) -> FloatArray:
    n = len(covariance) // n_kinds
    return np.asarray(covariance.reshape(n, n_kinds, n, n_kinds).sum(axis=(1, 3)))


def expected_by_stratum(data: Data, means: FloatArray, n_strata: int) -> FloatArray:
    """Spread the persons known to be observed over strata in proportion to fitted means.

    Parameters
    ----------
    data : Data
        What was seen.
    means : float64 array (C,)
        Means of the cells of the data.
    n_strata : int
        Strata S, the last axes of the cells (an axis of kinds behind them is summed).

    Returns
    -------
    float64 array (S,)
        Persons, the lower bounds of counts within bounds.
    """
    weights = np.where(data.design.observable & np.isfinite(means), means, 0.0)
    persons = data.base + spread_over(weights, data.seen.low.astype(np.float64), data.seen)
    by_kind = persons.reshape(-1, n_strata, data.design.n_hidden // n_strata)
    return np.asarray(by_kind.sum(axis=(0, 2)))


def whole_persons(expected: FloatArray) -> IntArray:
    """Round numbers that add up to a whole one so that they still do: largest remainders up.

    Examples
    --------
    >>> import numpy as np
    >>> whole_persons(np.array([1.4, 2.4, 3.2])).tolist()
    [2, 2, 3]
    """
    # Rounding errors must not take a person from a number that is whole.
    whole = np.floor(expected + 1e-6).astype(np.int64)
    spare = round(float(expected.sum())) - int(whole.sum())
    order = np.argsort(whole - expected, kind="stable")
    whole[order[:spare]] += 1
    return whole
