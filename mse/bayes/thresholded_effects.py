"""Priors of effects, and what their posterior says: sizes in standard deviations, level by level."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mse._typing import FloatArray
    from mse.notation import Term
    from mse.table import CaptureTable

__all__ = ["effect_sizes", "in_doubt", "prior_precision", "term_sizes"]

#: Standard errors of Monte Carlo within which a size cannot be told from the threshold.
DOUBT = 2.0


def term_sizes(terms: Sequence[Term], shape: Sequence[int]) -> list[int]:
    """Count the coefficients of each term."""
    return [prod(shape[axis] - 1 for axis in term) for term in terms]


def prior_precision(
    terms: Sequence[Term], shape: Sequence[int], interaction_sd: float, field_variance: float
) -> FloatArray:
    """Inverse prior covariance of the coefficients.

    The intercept and the main effects have independent priors of a large variance. Interactions have
    mean 0 and standard deviation `interaction_sd`; those of a covariate with several levels are
    differences of independent effects of the levels to that of the first, so that it makes no
    difference which level comes first: each coefficient has the standard deviation, and two of them
    have the correlation 1/2.

    Parameters
    ----------
    terms : sequence of tuple of int
        Terms of the model, the constant's empty one first.
    shape : sequence of int
        Levels of each axis.
    interaction_sd, field_variance : float
        Log scale.

    Returns
    -------
    float64 array (p, p)

    Examples
    --------
    >>> prior_precision([(), (0,), (1,), (0, 1)], (2, 2), 0.5, 100.0).diagonal()
    array([0.01, 0.01, 0.01, 4.  ])
    """
    sizes = term_sizes(terms, shape)
    precision = np.zeros((sum(sizes), sum(sizes)))
    start = 0
    for term, size in zip(terms, sizes, strict=True):
        block = np.eye(size) / field_variance
        if len(term) > 1:
            sides = [np.eye(shape[axis] - 1) + 1.0 for axis in term]
            block = np.asarray(np.linalg.inv(_product(sides) / 2 ** len(term)) / interaction_sd**2)
        precision[start : start + size, start : start + size] = block
        start += size
    return precision


def _product(matrices: Iterable[FloatArray]) -> FloatArray:
    whole: FloatArray = np.ones((1, 1))
    for matrix in matrices:
        whole = np.asarray(np.kron(whole, matrix), dtype=np.float64)
    return whole


def _comparisons(table: CaptureTable, axis: int) -> tuple[FloatArray, list[str]]:
    """Rows that turn the coefficients of an axis into effects, and the names of these."""
    if axis < table.n_lists:
        return np.ones((1, 1)), [table.lists[axis]]
    name, levels = list(table.covariates.items())[axis - table.n_lists]
    if len(levels) == 2:
        return np.ones((1, 1)), [f"{name}={levels[1]}"]
    rows = np.vstack([np.zeros(len(levels) - 1), np.eye(len(levels) - 1)])
    # Against the average of all levels: then it makes no difference which one comes first.
    return rows - rows.mean(axis=0), [f"{name}={level}" for level in levels]


def effect_sizes(
    table: CaptureTable, terms: Sequence[Term], draws: FloatArray, threshold: float
) -> pd.DataFrame:
    """Tabulate the interactions: posterior mean over standard deviation.

    Parameters
    ----------
    table : CaptureTable
        Lists and covariates.
    terms : sequence of tuple of int
        Terms of the model, the constant's empty one first.
    draws : float64 array (chains, draws, p)
        Coefficients, log scale.
    threshold : float
        Size from which an effect is retained.

    Returns
    -------
    DataFrame
        Indexed by the name of the effect: ``mean`` and ``sd`` (log scale), ``z`` (their ratio),
        ``mcse`` (its Monte Carlo standard error), ``retained``, and ``term``. Of a covariate with
        several levels each level is compared with the average of all; the term is retained if any
        of its effects is large enough.
    """
    parts, start = [], 0
    for term, size in zip(terms, term_sizes(terms, table.shape), strict=True):
        if len(term) > 1:
            found = _sizes_of_term(table, term, draws[:, :, start : start + size])
            parts.append(found.assign(retained=bool((found["z"].abs() >= threshold).any())))
        start += size
    return pd.concat(parts)


def _sizes_of_term(table: CaptureTable, term: Term, draws: FloatArray) -> pd.DataFrame:
    from arviz_stats.base import array_stats

    sides = [_comparisons(table, axis) for axis in term]
    effects = draws @ _product(rows for rows, _ in sides).T
    mean, sd = effects.mean(axis=(0, 1)), effects.std(axis=(0, 1))
    z = mean / sd
    ess = np.asarray([array_stats.ess(effects[:, :, i]) for i in range(z.size)])
    # Of a mean over a standard deviation: relative errors 1/sqrt(ess) and 1/sqrt(2 ess).
    mcse = np.sqrt((1 + z**2 / 2) / ess)
    label = ":".join(table.axes[axis] for axis in term)
    names = [":".join(each) for each in product(*(labels for _, labels in sides))]
    columns = {"mean": mean, "sd": sd, "z": z, "mcse": mcse, "term": label}
    return pd.DataFrame(columns, index=pd.Index(names, name="effect"))


def in_doubt(effects: pd.DataFrame, threshold: float) -> list[str]:
    """Name the terms that other draws might have retained, or not.

    Parameters
    ----------
    effects : DataFrame
        As of `effect_sizes`.
    threshold : float
        Size from which an effect is retained.
    """
    size, error = effects["z"].abs(), DOUBT * effects["mcse"]
    surely = (size - error >= threshold).groupby(effects["term"], sort=False).any()
    perhaps = (size + error >= threshold).groupby(effects["term"], sort=False).any()
    return [str(term) for term in surely.index[perhaps & ~surely]]
